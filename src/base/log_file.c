/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define STAMP_LENGTH 16 /* YYYYMMDDTHHMMSSZ */
#define NAMES_MAX 1000

static int64_t seconds_now(const struct mu_clock *clock)
{
        return mu_clock_realtime_us(clock) / MU_US_PER_S;
}

static int open_for_append(const char *path)
{
        int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);

        return fd < 0 ? -errno : fd;
}

/* The day in "YYYYMMDDTHHMMSSZ", or -1 when it is not such a stamp. */
static int64_t day_of_stamp(const char *stamp)
{
        struct tm utc = {0};
        const char *end = strptime(stamp, "%Y%m%dT%H%M%SZ", &utc);

        if (!end || end != stamp + STAMP_LENGTH || (*end != '\0' && *end != '-'))
                return -1;
        return timegm(&utc) / MU_S_PER_DAY;
}

/* Removes rotated files of ours that are older than they are kept. What cannot be removed now is
 * tried again at the next rotation. */
static void remove_old(const struct mu_log_file *file, int64_t today)
{
        const char *slash = strrchr(file->path, '/');
        const char *base = slash ? slash + 1 : file->path;
        size_t base_length = strlen(base);
        char *directory = strndup(file->path, (size_t)(base - file->path));
        DIR *entries;

        if (file->keep_days == 0 || !directory) {
                free(directory);
                return;
        }
        entries = opendir(*directory ? directory : ".");
        free(directory);
        if (!entries)
                return;
        for (struct dirent *entry; (entry = readdir(entries));) {
                const char *name = entry->d_name;

                if (strncmp(name, base, base_length) != 0 || name[base_length] != '.')
                        continue;
                int64_t day = day_of_stamp(name + base_length + 1);
                if (day >= 0 && today - day > file->keep_days)
                        (void)unlinkat(dirfd(entries), name, 0);
        }
        (void)closedir(entries);
}

/* Moves the file out of the way, under a name that is free. */
static int move_aside(const struct mu_log_file *file, int64_t seconds)
{
        time_t now = (time_t)seconds;
        struct tm utc;
        char stamp[STAMP_LENGTH + 1];

        if (!gmtime_r(&now, &utc) || strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", &utc) == 0)
                return -EOVERFLOW;
        for (int i = 1; i <= NAMES_MAX; i++) {
                char suffix[16] = "";
                char *target;
                int err = 0;

                if (i > 1)
                        (void)snprintf(suffix, sizeof(suffix), "-%d", i);
                if (asprintf(&target, "%s.%s%s", file->path, stamp, suffix) < 0)
                        return -ENOMEM;
                if (renameat2(AT_FDCWD, file->path, AT_FDCWD, target, RENAME_NOREPLACE) < 0)
                        err = -errno;
                free(target);
                if (err != -EEXIST)
                        return err;
        }
        return -EEXIST;
}

static void rotate(struct mu_log_file *file, int64_t seconds)
{
        int fd;

        if (move_aside(file, seconds) == 0 && (fd = open_for_append(file->path)) >= 0) {
                (void)close(file->fd);
                file->fd = fd;
                remove_old(file, seconds / MU_S_PER_DAY);
        }
        /* Counted anew even if it failed, so that not every line tries again. */
        file->bytes = 0;
}

int mu_log_file_open(struct mu_log_file *file, const struct mu_log_options *options,
                     const struct mu_clock *clock)
{
        struct stat status;
        int64_t today = seconds_now(clock) / MU_S_PER_DAY;
        char *path = strdup(options->path);
        int fd = path ? open_for_append(path) : -ENOMEM;

        if (fd < 0) {
                free(path);
                return fd;
        }
        if (fstat(fd, &status) < 0) {
                int err = -errno;

                (void)close(fd);
                free(path);
                return err;
        }
        *file = (struct mu_log_file){
                .path = path,
                .fd = fd,
                .bytes = (uint64_t)status.st_size,
                .rotate_bytes = options->rotate_bytes,
                .keep_days = options->keep_days,
                .day = status.st_size > 0 ? status.st_mtim.tv_sec / MU_S_PER_DAY : today,
        };
        remove_old(file, today);
        return 0;
}

void mu_log_file_close(struct mu_log_file *file)
{
        (void)close(file->fd);
        free(file->path);
        *file = (struct mu_log_file){.fd = -1};
}

int mu_log_file_fd(struct mu_log_file *file, size_t line_bytes, const struct mu_clock *clock)
{
        int64_t seconds = seconds_now(clock);
        bool too_large = file->rotate_bytes > 0 && file->bytes + line_bytes > file->rotate_bytes;
        bool new_day = file->day != seconds / MU_S_PER_DAY;

        if (file->bytes > 0 && (too_large || new_day))
                rotate(file, seconds);
        file->day = seconds / MU_S_PER_DAY;
        file->bytes += line_bytes;
        return file->fd;
}
