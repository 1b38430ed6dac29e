/* SPDX-License-Identifier: Apache-2.0 */
#include "pg/cluster_place.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/sha.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/parse_units.h"
#include "base/text.h"
#include "pg/postmaster.h"
#include "pg/spawn.h"

#define SERVER_MAJOR 15
#define DEBIAN_BIN "/usr/lib/postgresql/15/bin"
#define LOCATION "postgres.location"

enum { PROGRAM_WAIT_MS = 10000 };

/* A path in pieces; -ENAMETOOLONG. */
MU_PRINTF(3, 4)
static int make_path(char *to, size_t room, const char *format, ...)
{
        va_list arguments;

        va_start(arguments, format);
        int bytes = vsnprintf(to, room, format, arguments);

        va_end(arguments);
        return bytes < 0 || (size_t)bytes >= room ? -ENAMETOOLONG : 0;
}

static bool exists(const char *path)
{
        return access(path, F_OK) == 0;
}

static int hash_path(const char *path, char ret_hash[13])
{
        char *real = realpath(path, NULL);
        uint8_t sha256[SHA256_DIGEST_LENGTH];

        if (!real)
                return -errno;
        SHA256((const uint8_t *)real, strlen(real), sha256);
        mu_text_hex(sha256, 6, ret_hash);
        free(real);
        return 0;
}

/* The major version of the program at bin/postgres; 0 when there is none that runs. */
static int major_of(const char *bin)
{
        char program[PATH_MAX + 16], output[256];
        const char *const argv[] = {program, "--version", NULL};
        struct mu_spawn spawn = {
                .argv = argv, .uid = geteuid(), .gid = getegid(), .directory = "/"};
        int status, major;

        snprintf(program, sizeof(program), "%s/postgres", bin);
        if (!exists(program) ||
            mu_spawn_run(&spawn, PROGRAM_WAIT_MS, output, sizeof(output), &status) < 0 ||
            status != 0 || sscanf(output, "postgres (PostgreSQL) %d", &major) != 1)
                return 0;
        return major;
}

/* Not Debian's place: whatever pg_config belongs to. */
static bool ask_pg_config(char *bin, size_t room)
{
        char output[PATH_MAX];
        const char *const argv[] = {"pg_config", "--bindir", NULL};
        struct mu_spawn spawn = {
                .argv = argv, .uid = geteuid(), .gid = getegid(), .directory = "/"};
        int status;

        if (mu_spawn_run(&spawn, PROGRAM_WAIT_MS, output, sizeof(output), &status) < 0 ||
            status != 0)
                return false;
        output[strcspn(output, "\n")] = '\0';
        return make_path(bin, room, "%s", output) == 0;
}

static int find_programs(struct mu_cluster_place *place, const struct mu_cluster_config *config,
                         struct mu_pg_error *error)
{
        const char *given = config->bin_directory ? config->bin_directory : DEBIAN_BIN;
        int err = make_path(place->bin, sizeof(place->bin), "%s", given);
        int major = err ? 0 : major_of(place->bin);

        if (major == 0 && !config->bin_directory && ask_pg_config(place->bin, sizeof(place->bin)))
                major = major_of(place->bin);
        if (major == SERVER_MAJOR)
                return 0;
        if (major != 0)
                mu_pg_error_format(error, "58000",
                                   "the PostgreSQL in %s is version %d, and Muster's own database "
                                   "runs on version %d: install postgresql-%d, or give a database "
                                   "URL",
                                   place->bin, major, SERVER_MAJOR, SERVER_MAJOR);
        else
                mu_pg_error_format(error, "58P01",
                                   "PostgreSQL's server program was not found in %s: install "
                                   "postgresql-%d (./muster up does), or give a database URL",
                                   given, SERVER_MAJOR);
        return -ENOENT;
}

/* PostgreSQL refuses to run as root. */
static int find_user(struct mu_cluster_place *place, struct mu_pg_error *error)
{
        struct passwd entry, *found;
        char strings[4096];

        place->uid = geteuid();
        place->gid = getegid();
        if (place->uid != 0)
                return 0;
        if (getpwnam_r("postgres", &entry, strings, sizeof(strings), &found) != 0 || !found) {
                mu_pg_error_format(error, "58P01",
                                   "PostgreSQL does not run as root, and there is no user postgres "
                                   "to run it as: install postgresql-%d, or start Muster as an "
                                   "ordinary user",
                                   SERVER_MAJOR);
                return -ENOENT;
        }
        place->uid = entry.pw_uid;
        place->gid = entry.pw_gid;
        return 0;
}

static int set_home(struct mu_cluster_place *place, const char *home)
{
        int err = make_path(place->home, sizeof(place->home), "%s", home);

        if (!err)
                err = make_path(place->directory, sizeof(place->directory), "%s/postgres", home);
        if (!err)
                err = make_path(place->log_directory, sizeof(place->log_directory),
                                "%s/postgres-log", home);
        return err;
}

MU_PRINTF(3, 4)
static void say(const struct mu_cluster_config *config, enum mu_cluster_event event,
                const char *format, ...)
{
        char sentence[2 * PATH_MAX];
        va_list arguments;

        if (!config->on_event)
                return;
        va_start(arguments, format);
        vsnprintf(sentence, sizeof(sentence), format, arguments);
        va_end(arguments);
        config->on_event(config->on_event_context, event, sentence);
}

/* Elsewhere, and a file in DATA_DIR that says where: the directory may be renamed later, and with
 * it the hash would change. */
static int move_home(struct mu_cluster_place *place, const struct mu_cluster_config *config)
{
        const char *fallback =
                config->fallback_directory ? config->fallback_directory : "/var/lib/muster";
        char home[PATH_MAX], location[PATH_MAX];
        int err = make_path(home, sizeof(home), "%s/%s", fallback, place->hash);

        if (!err)
                err = make_path(location, sizeof(location), "%s/" LOCATION, config->data_directory);
        if (!err)
                err = mu_fs_make_directories(fallback, 0755);
        if (!err)
                err = mu_fs_make_directories(home, 0755);
        if (!err)
                err = set_home(place, home);
        if (!err)
                err = mu_fs_write_file(location, home, strlen(home), 0644);
        place->moved = true;
        return err;
}

static int read_location(struct mu_cluster_place *place, const char *data_directory)
{
        char path[PATH_MAX];
        char *home;
        int err = make_path(path, sizeof(path), "%s/" LOCATION, data_directory);

        if (!err)
                err = mu_fs_read_file(path, PATH_MAX, &home, NULL);
        if (err)
                return err;
        home[strcspn(home, "\n")] = '\0';
        err = set_home(place, home);
        place->moved = true;
        free(home);
        return err;
}

static int find_home(struct mu_cluster_place *place, const struct mu_cluster_config *config)
{
        char *real = realpath(config->data_directory, NULL);
        bool can = false;

        if (!real)
                return -errno;
        int err = set_home(place, real);

        if (!err)
                err = mu_spawn_can_enter(real, place->uid, place->gid, &can);
        free(real);
        /* One that is there stays where it is, whatever has become of the permissions. */
        if (err || exists(place->directory))
                return err;
        err = read_location(place, config->data_directory);
        if (err == -ENOENT)
                err = can ? 0 : move_home(place, config);
        if (!err && place->moved)
                say(config, MU_CLUSTER_MOVED, "the database lies in %s: its user can't enter %s",
                    place->home, config->data_directory);
        return err;
}

static int take_lock(struct mu_cluster_place *place, struct mu_pg_error *error)
{
        char path[PATH_MAX];
        int err = make_path(path, sizeof(path), "%s/postgres.lock", place->home);

        if (err)
                return err;
        place->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (place->lock_fd < 0)
                return -errno;
        if (flock(place->lock_fd, LOCK_EX | LOCK_NB) == 0)
                return 0;
        mu_pg_error_format(error, "55006",
                           "another musterd is running with the database in %s: stop it, or give "
                           "this one a data directory of its own",
                           place->directory);
        return -EBUSY;
}

static int check_version(const struct mu_cluster_place *place, struct mu_pg_error *error)
{
        char path[PATH_MAX];
        char *text;
        int err = make_path(path, sizeof(path), "%s/PG_VERSION", place->directory);

        if (!err)
                err = mu_fs_read_file(path, 64, &text, NULL);
        if (err) {
                mu_pg_error_format(error, "58P01",
                                   "%s is there, but is no PostgreSQL cluster (%s): move it away, "
                                   "or put the cluster back",
                                   place->directory, strerror(-err));
                return err;
        }
        uint64_t major;

        text[strcspn(text, "\n")] = '\0';
        if (mu_parse_number(text, SERVER_MAJOR, SERVER_MAJOR, &major, NULL) < 0) {
                mu_pg_error_format(
                        error, "58000",
                        "the cluster in %s was made by PostgreSQL %s, and the programs in %s are "
                        "version %d: bring it over with pg_upgrade, or dump it with version %s "
                        "and restore it",
                        place->directory, text, place->bin, SERVER_MAJOR, text);
                err = -EPROTO;
        }
        free(text);
        return err;
}

/* The server must run as the owner of its files: as root we can, otherwise it must be us. */
static int check_owner(struct mu_cluster_place *place, struct mu_pg_error *error)
{
        struct stat status;

        if (stat(place->directory, &status) < 0)
                return -errno;
        if (geteuid() == 0 && status.st_uid != 0) {
                place->uid = status.st_uid;
                place->gid = status.st_gid;
        }
        if (status.st_uid == place->uid)
                return 0;
        mu_pg_error_format(error, "42501",
                           "the cluster in %s belongs to user %u, and musterd runs as user %u: "
                           "start it as that user, or as root",
                           place->directory, status.st_uid, geteuid());
        return -EPERM;
}

static int try_socket_directory(struct mu_cluster_place *place, const char *parent,
                                const char *prefix)
{
        int err = make_path(place->socket_directory, sizeof(place->socket_directory), "%s/%s%s",
                            parent, prefix, place->hash);

        return err ? err
                   : mu_cluster_private_directory(place->socket_directory, place->uid, place->gid);
}

/* Where a running server has its socket; else a short path, first in /run, then among the
 * temporary files (only there can everybody make directories: hence the check of the owner). */
static int find_socket_directory(struct mu_cluster_place *place,
                                 const struct mu_cluster_config *config, struct mu_pg_error *error)
{
        const char *runtime = config->runtime_directory ? config->runtime_directory : "/run/muster";
        const char *temporary = getenv("TMPDIR");
        struct mu_postmaster running;
        char prefix[32];
        int err = mu_postmaster_find(place->directory, &running);

        if (err == 1) {
                err = make_path(place->socket_directory, sizeof(place->socket_directory), "%s",
                                running.socket_directory);
                mu_postmaster_done(&running);
                if (!err && place->socket_directory[0] == '/')
                        return 0;
        }
        if (mu_fs_make_directories(runtime, 0755) == 0 &&
            try_socket_directory(place, runtime, "") == 0)
                return 0;
        snprintf(prefix, sizeof(prefix), "muster-%u-", place->uid);
        if (temporary && temporary[0] == '/' && try_socket_directory(place, temporary, prefix) == 0)
                return 0;
        err = try_socket_directory(place, "/tmp", prefix);
        if (err)
                mu_pg_error_format(error, "58030",
                                   "no private directory for the database's socket could be made "
                                   "in %s nor as %s: %s",
                                   runtime, place->socket_directory, strerror(-err));
        return err;
}

static int find(struct mu_cluster_place *place, const struct mu_cluster_config *config,
                struct mu_pg_error *error)
{
        int err = find_programs(place, config, error);

        if (!err)
                err = find_user(place, error);
        if (!err)
                err = hash_path(config->data_directory, place->hash);
        if (!err)
                err = find_home(place, config);
        return err ? err : take_lock(place, error);
}

static int prepare(struct mu_cluster_place *place, const struct mu_cluster_config *config,
                   struct mu_pg_error *error)
{
        int err = find(place, config, error);

        if (!err && !exists(place->directory)) {
                say(config, MU_CLUSTER_INITIALISING, "a database cluster is made in %s",
                    place->directory);
                err = mu_cluster_make(place, error);
        }
        if (!err)
                err = check_version(place, error);
        if (!err)
                err = check_owner(place, error);
        if (!err)
                err = mu_cluster_private_directory(place->log_directory, place->uid, place->gid);
        if (!err)
                err = find_socket_directory(place, config, error);
        return err;
}

static int init_by(int (*step)(struct mu_cluster_place *place,
                               const struct mu_cluster_config *config, struct mu_pg_error *error),
                   struct mu_cluster_place *place, const struct mu_cluster_config *config,
                   struct mu_pg_error *ret_error)
{
        *place = (struct mu_cluster_place){.lock_fd = -1};
        mu_pg_error_clear(ret_error);
        int err = step(place, config, ret_error);

        if (!err)
                return 0;
        if (ret_error->text[0] == '\0')
                mu_pg_error_format(ret_error, "58030",
                                   "the database's place under %s can't be prepared: %s",
                                   config->data_directory, strerror(-err));
        mu_cluster_place_done(place);
        return err;
}

int mu_cluster_place_init(struct mu_cluster_place *place, const struct mu_cluster_config *config,
                          struct mu_pg_error *ret_error)
{
        return init_by(prepare, place, config, ret_error);
}

int mu_cluster_place_find(struct mu_cluster_place *place, const struct mu_cluster_config *config,
                          struct mu_pg_error *ret_error)
{
        return init_by(find, place, config, ret_error);
}

void mu_cluster_place_done(struct mu_cluster_place *place)
{
        if (place->lock_fd >= 0)
                close(place->lock_fd);
        place->lock_fd = -1;
}
