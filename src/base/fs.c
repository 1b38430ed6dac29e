/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/failpoint.h"

int mu_fs_write_all(int fd, const void *data, size_t bytes)
{
        const char *at = data;

        while (bytes > 0) {
                ssize_t written = write(fd, at, bytes);

                if (written < 0) {
                        if (errno == EINTR)
                                continue;
                        return -errno;
                }
                at += written;
                bytes -= (size_t)written;
        }
        return 0;
}

int mu_fs_sync_directory(const char *path)
{
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int err = 0;

        if (fd < 0)
                return -errno;
        if (fsync(fd) < 0)
                err = -errno;
        (void)close(fd); /* nothing was written through it */
        return err;
}

/* The directory part of a path: "." when there is none. To be freed; NULL without memory. */
static char *directory_of(const char *path)
{
        const char *slash = strrchr(path, '/');

        if (!slash)
                return strdup(".");
        return strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

static int write_and_sync(int fd, const void *data, size_t bytes, mode_t mode)
{
        int err = fchmod(fd, mode) < 0 ? -errno : 0;

        if (err == 0)
                err = mu_fs_write_all(fd, data, bytes);
        MU_FAILPOINT("fs.write_file", err);
        if (err == 0 && fsync(fd) < 0)
                err = -errno;
        return err;
}

int mu_fs_write_file(const char *path, const void *data, size_t bytes, mode_t mode)
{
        char *directory = directory_of(path);
        char *temporary = NULL;
        int err = 0;

        if (!directory || asprintf(&temporary, "%s.XXXXXX", path) < 0) {
                free(directory);
                return -ENOMEM;
        }
        int fd = mkostemp(temporary, O_CLOEXEC);
        if (fd < 0) {
                err = -errno;
                goto out;
        }
        err = write_and_sync(fd, data, bytes, mode);
        if (close(fd) < 0 && err == 0)
                err = -errno;
        if (err == 0 && rename(temporary, path) < 0)
                err = -errno;
        if (err < 0) {
                (void)unlink(temporary);
                goto out;
        }
        err = mu_fs_sync_directory(directory);
out:
        free(temporary);
        free(directory);
        return err;
}

/* Reads to the end rather than trusting st_size, which is 0 in /proc. */
static int read_to_end(int fd, size_t bytes_max, char **ret_data, size_t *ret_bytes)
{
        char *data = NULL;
        size_t room = 0;
        size_t count = 0;

        for (;;) {
                if (count + 1 >= room) {
                        size_t larger = room ? room * 2 : 4096;
                        char *grown = realloc(data, larger);

                        if (!grown) {
                                free(data);
                                return -ENOMEM;
                        }
                        data = grown;
                        room = larger;
                }
                ssize_t got = read(fd, data + count, room - count - 1);

                if (got < 0 && errno == EINTR)
                        continue;
                if (got < 0 || count + (size_t)got > bytes_max) {
                        int err = got < 0 ? -errno : -EFBIG;

                        free(data);
                        return err;
                }
                if (got == 0)
                        break;
                count += (size_t)got;
        }
        data[count] = '\0';
        *ret_data = data;
        *ret_bytes = count;
        return 0;
}

int mu_fs_read_file(const char *path, size_t bytes_max, char **ret_data, size_t *ret_bytes)
{
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        size_t bytes = 0;

        if (fd < 0)
                return -errno;
        int err = read_to_end(fd, bytes_max, ret_data, &bytes);
        (void)close(fd); /* nothing was written through it */
        if (err == 0 && ret_bytes)
                *ret_bytes = bytes;
        return err;
}

static int make_directory(const char *path, mode_t mode)
{
        struct stat status;

        if (mkdir(path, mode) == 0)
                return chmod(path, mode) < 0 ? -errno : 0;
        if (errno != EEXIST)
                return -errno;
        if (stat(path, &status) < 0)
                return -errno;
        return S_ISDIR(status.st_mode) ? 0 : -ENOTDIR;
}

int mu_fs_make_directories(const char *path, mode_t mode)
{
        char *copy = strdup(path);
        int err = 0;

        if (!copy)
                return -ENOMEM;
        if (*copy == '\0')
                err = -ENOENT;
        for (char *at = copy; err == 0 && *at != '\0';) {
                at += strspn(at, "/");
                at += strcspn(at, "/");

                char end = *at;

                *at = '\0';
                err = make_directory(copy, mode);
                *at = end;
                /* Slashes at the end name nothing more. */
                if (at[strspn(at, "/")] == '\0')
                        break;
        }
        free(copy);
        return err;
}

int mu_fs_space(const char *path, uint64_t *ret_free_bytes, uint64_t *ret_total_bytes)
{
        struct statvfs status;

        if (statvfs(path, &status) < 0)
                return -errno;
        if (ret_free_bytes)
                *ret_free_bytes = (uint64_t)status.f_bavail * status.f_frsize;
        if (ret_total_bytes)
                *ret_total_bytes = (uint64_t)status.f_blocks * status.f_frsize;
        return 0;
}
