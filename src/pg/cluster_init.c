/* SPDX-License-Identifier: Apache-2.0 */
/* Making the private cluster: initdb in postgres.new, then a rename. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"
#include "pg/cluster_place.h"
#include "pg/spawn.h"

enum { INITDB_WAIT_MS = 5 * 60 * 1000, WALK_DESCRIPTORS = 16 };

/* Everybody who gets to the socket may be anybody: see cluster.h for why that is safe. */
static const char HBA[] =
        "# Made by musterd. The socket's directory has mode 0700 and belongs to the "
        "server's user.\n"
        "local all all trust\n"
        "local replication all trust\n";

static const char POSTGRESQL_CONF[] =
        "# Made by musterd.\n"
        "include 'muster.conf'            # written anew at each start\n"
        "include_if_exists 'local.conf'   # yours: read last, so it wins\n";

int mu_cluster_private_directory(const char *path, uid_t uid, gid_t gid)
{
        struct stat status;

        if (mkdir(path, 0700) == 0) {
                if (geteuid() == 0 && lchown(path, uid, gid) < 0)
                        return -errno;
                return chmod(path, 0700) < 0 ? -errno : 0; /* whatever the umask took */
        }
        if (errno != EEXIST || lstat(path, &status) < 0)
                return -errno;
        if (!S_ISDIR(status.st_mode))
                return -ENOTDIR;
        return status.st_uid == uid && (status.st_mode & 077) == 0 ? 0 : -EPERM;
}

static int write_file_in(const struct mu_cluster_place *place, const char *directory,
                         const char *name, const char *text)
{
        char path[PATH_MAX + 64];
        int bytes = snprintf(path, sizeof(path), "%s/%s", directory, name);

        if (bytes < 0 || (size_t)bytes >= sizeof(path))
                return -ENAMETOOLONG;
        int err = mu_fs_write_file(path, text, strlen(text), 0600);

        if (!err && geteuid() == 0 && lchown(path, place->uid, place->gid) < 0)
                err = -errno;
        return err;
}

int mu_cluster_write_file(const struct mu_cluster_place *place, const char *name, const char *text)
{
        return write_file_in(place, place->directory, name, text);
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
        (void)status;
        (void)type;
        (void)walk;
        return remove(path) < 0 ? -errno : 0;
}

/* What an interrupted initdb left. */
static int remove_tree(const char *path)
{
        if (access(path, F_OK) < 0)
                return 0;
        int err = nftw(path, remove_one, WALK_DESCRIPTORS, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);

        return err < -1 ? err : err < 0 ? -errno : 0;
}

/* UTF-8 with C's ordering: bytewise, fast, and no index ever breaks when the C library's collation
 * changes. Checksums: a rotten page is an error, not a wrong answer. */
static int run_initdb(const struct mu_cluster_place *place, const char *directory,
                      struct mu_pg_error *error)
{
        char program[PATH_MAX + 16], output[256];
        const char *const argv[] = {program,
                                    "--pgdata",
                                    directory,
                                    "--username=postgres",
                                    "--encoding=UTF8",
                                    "--locale=C.UTF-8",
                                    "--auth=trust",
                                    "--data-checksums",
                                    "--no-instructions",
                                    NULL};
        struct mu_spawn spawn = {
                .argv = argv, .uid = place->uid, .gid = place->gid, .directory = directory};
        int status = 0;

        snprintf(program, sizeof(program), "%s/initdb", place->bin);
        int err = mu_spawn_run(&spawn, INITDB_WAIT_MS, output, sizeof(output), &status);

        if (err) {
                mu_pg_error_format(error, "58030", "initdb for %s did not end: %s",
                                   place->directory, strerror(-err));
                return err;
        }
        if (status == 0)
                return 0;
        mu_pg_error_format(error, "58030", "initdb for %s failed: %s", place->directory, output);
        return -EIO;
}

int mu_cluster_make(const struct mu_cluster_place *place, struct mu_pg_error *ret_error)
{
        char fresh[PATH_MAX + 8];

        snprintf(fresh, sizeof(fresh), "%s.new", place->directory);
        int err = remove_tree(fresh);

        if (!err)
                err = mu_cluster_private_directory(fresh, place->uid, place->gid);
        if (!err)
                err = run_initdb(place, fresh, ret_error);
        if (!err)
                err = write_file_in(place, fresh, "pg_hba.conf", HBA);
        if (!err)
                err = write_file_in(place, fresh, "postgresql.conf", POSTGRESQL_CONF);
        if (!err && rename(fresh, place->directory) < 0)
                err = -errno;
        if (!err)
                err = mu_fs_sync_directory(place->home);
        return err;
}
