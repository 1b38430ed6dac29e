/* SPDX-License-Identifier: Apache-2.0 */
/* seal.c - tar | zstd | age, and back: only public keys lie on the appliance. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup/files.h"
#include "backup/tree.h"

static int need_programs(struct mu_backup_error *error)
{
        if (mu_process_exists("age") && mu_process_exists("zstd") && mu_process_exists("tar"))
                return 0;
        return mu_backup_fail(error, -ENOENT,
                              "encrypted backups need the programs age, zstd and tar: apt-get "
                              "install age zstd tar");
}

static int run(const struct mu_process stages[3], int input_fd, int output_fd,
               struct mu_backup_error *error)
{
        struct mu_process_run run = {
                .stages = stages, .count = 3, .input_fd = input_fd, .output_fd = output_fd};

        return mu_process_run(&run, error);
}

int mu_backup_seal(const char *from, const char *to, const char *recipients,
                   struct mu_backup_error *ret_error)
{
        const char *const tar[] = {
                "tar", "--create", "--directory", from, "--format=posix", "--numeric-owner",
                ".",   NULL};
        const char *const zstd[] = {"zstd", "-q", "-c", "-3", NULL};
        const char *const age[] = {"age", "--encrypt", "--recipients-file", recipients, NULL};
        const struct mu_process stages[] = {{.argv = tar}, {.argv = zstd}, {.argv = age}};
        char *path = mu_tree_join(to, MU_BACKUP_SEALED);
        int err = path ? need_programs(ret_error) : -ENOMEM;

        if (err < 0) {
                free(path);
                return err;
        }
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

        if (fd < 0)
                err = mu_backup_fail(ret_error, -errno, "%s can't be made: %s", path,
                                     strerror(errno));
        else
                err = run(stages, -1, fd, ret_error);
        if (err == 0 && fsync(fd) < 0)
                err = mu_backup_fail(ret_error, -errno, "%s can't be written: %s", path,
                                     strerror(errno));
        if (fd >= 0)
                (void)close(fd); /* synced */
        free(path);
        return err;
}

int mu_backup_unseal(const char *from, const char *to, const char *identity,
                     struct mu_backup_error *ret_error)
{
        const char *const age[] = {"age", "--decrypt", "--identity", identity, NULL};
        const char *const zstd[] = {"zstd", "-q", "-d", "-c", NULL};
        const char *const tar[] = {"tar", "--extract", "--directory", to, "--no-same-owner", NULL};
        const struct mu_process stages[] = {{.argv = age}, {.argv = zstd}, {.argv = tar}};
        char *path = mu_tree_join(from, MU_BACKUP_SEALED);
        int err = path ? need_programs(ret_error) : -ENOMEM;

        if (err == 0 && mkdir(to, 0700) < 0)
                err = mu_backup_fail(ret_error, -errno, "%s can't be made: %s", to,
                                     strerror(errno));
        int fd = err == 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1;

        if (err == 0 && fd < 0)
                err = mu_backup_fail(ret_error, -errno, "%s can't be read: %s", path,
                                     strerror(errno));
        if (err == 0)
                err = run(stages, fd, -1, ret_error);
        if (fd >= 0)
                (void)close(fd); /* only read from */
        free(path);
        return err;
}
