/* SPDX-License-Identifier: Apache-2.0 */
#include "backup/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "backup/manifest.h"
#include "backup/tree.h"
#include "base/clock.h"
#include "base/fs.h"

#define PREFIX "muster-"
#define STAMP "%Y%m%dT%H%M%SZ"

void mu_store_name(int64_t at_s, unsigned nth, char ret_name[MU_BACKUP_NAME_BYTES])
{
        time_t at = (time_t)at_s;
        struct tm utc;
        char stamp[24];

        (void)gmtime_r(&at, &utc);
        (void)strftime(stamp, sizeof(stamp), STAMP, &utc);
        if (nth < 2)
                (void)snprintf(ret_name, MU_BACKUP_NAME_BYTES, PREFIX "%s", stamp);
        else
                (void)snprintf(ret_name, MU_BACKUP_NAME_BYTES, PREFIX "%s-%u", stamp, nth % 1000);
}

/* The moment in a backup's name; -1: it is none. */
static int64_t moment_of(const char *name)
{
        struct tm utc = {0};
        const char *rest = strncmp(name, PREFIX, strlen(PREFIX)) == 0
                                   ? strptime(name + strlen(PREFIX), STAMP, &utc)
                                   : NULL;

        if (!rest || strlen(name) >= MU_BACKUP_NAME_BYTES)
                return -1;
        if (*rest == '-' && rest[1 + strspn(rest + 1, "0123456789")] != '\0')
                return -1;
        return *rest == '\0' || *rest == '-' ? (int64_t)timegm(&utc) : -1;
}

static bool has_manifest(const char *directory, const char *name)
{
        char *path = NULL;

        if (asprintf(&path, "%s/%s/" MU_MANIFEST_FILE, directory, name) < 0)
                return false;
        bool has = mu_tree_exists(path);

        free(path);
        return has;
}

static int by_age(const void *a, const void *b)
{
        const struct mu_backup_name *one = a;
        const struct mu_backup_name *two = b;

        if (one->at_s != two->at_s)
                return one->at_s < two->at_s ? -1 : 1;
        return strverscmp(one->name, two->name);
}

int mu_store_list(const char *directory, struct mu_backup_name **ret_names, size_t *ret_count)
{
        DIR *stream = opendir(directory);
        struct mu_backup_name *names = NULL;
        size_t count = 0;
        int err = stream ? 0 : -errno;

        for (struct dirent *entry; err == 0 && (entry = readdir(stream)) != NULL;) {
                int64_t at_s = moment_of(entry->d_name);

                if (at_s < 0 || !has_manifest(directory, entry->d_name))
                        continue;
                struct mu_backup_name *grown = realloc(names, (count + 1) * sizeof(*names));

                if (!grown) {
                        err = -ENOMEM;
                        break;
                }
                names = grown;
                names[count].at_s = at_s;
                (void)snprintf(names[count++].name, MU_BACKUP_NAME_BYTES, "%.39s", entry->d_name);
        }
        if (stream)
                (void)closedir(stream);
        if (err < 0) {
                free(names);
                return err;
        }
        if (count > 0)
                qsort(names, count, sizeof(*names), by_age);
        *ret_names = names;
        *ret_count = count;
        return 0;
}

int mu_store_newest(const char *directory, struct mu_backup_name *ret_name)
{
        struct mu_backup_name *names;
        size_t count;
        int err = mu_store_list(directory, &names, &count);

        if (err < 0)
                return err;
        if (count > 0)
                *ret_name = names[count - 1];
        free(names);
        return count > 0 ? 0 : -ENOENT;
}

int mu_store_open(const char *directory, struct mu_backup_error *ret_error)
{
        struct stat status;
        int err = mu_fs_make_directories(directory, 0700);
        int fd = err < 0 ? -1 : open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0 || fstat(fd, &status) < 0) {
                err = err < 0 ? err : -errno;
                if (fd >= 0)
                        (void)close(fd);
                return mu_backup_fail(ret_error, err, "%s can't be used for backups: %s", directory,
                                      strerror(-err));
        }
        if ((status.st_mode & 022) != 0 && (status.st_mode & S_ISVTX) == 0)
                err = mu_backup_fail(ret_error, -EPERM,
                                     "others may change what lies in %s, and a backup holds every "
                                     "secret: chmod 700 %s, or name another directory",
                                     directory, directory);
        else if (flock(fd, LOCK_EX | LOCK_NB) < 0)
                err = mu_backup_fail(ret_error, -EBUSY,
                                     "another backup into %s is under way: wait until it has ended",
                                     directory);
        if (err == 0)
                return fd;
        (void)close(fd);
        return err;
}

int mu_store_sweep(const char *directory)
{
        DIR *stream = opendir(directory);
        int err = stream ? 0 : -errno;

        for (struct dirent *entry; err == 0 && (entry = readdir(stream)) != NULL;) {
                size_t chars = strlen(entry->d_name);

                if (strncmp(entry->d_name, "." PREFIX, strlen("." PREFIX)) != 0 || chars < 8 ||
                    strcmp(entry->d_name + chars - 8, ".partial") != 0)
                        continue;
                char *path = mu_tree_join(directory, entry->d_name);

                err = path ? mu_tree_remove(path) : -ENOMEM;
                free(path);
        }
        if (stream)
                (void)closedir(stream);
        return err;
}

/* First under a name that does not count, so that what is half removed is none. */
static int remove_backup(const char *directory, const char *name)
{
        char *from = mu_tree_join(directory, name);
        char *to = NULL;
        int err = from && asprintf(&to, "%s/.%s.partial", directory, name) >= 0 ? 0 : -ENOMEM;

        if (err == 0 && rename(from, to) < 0)
                err = -errno;
        if (err == 0)
                err = mu_fs_sync_directory(directory);
        if (err == 0)
                err = mu_tree_remove(to);
        free(from);
        free(to);
        return err;
}

int mu_store_retain(const char *directory, uint32_t keep, uint32_t keep_days, int64_t now_s,
                    void (*removed)(void *context, const char *name), void *context,
                    uint32_t *ret_removed)
{
        struct mu_backup_name *names = NULL;
        size_t count = 0;
        uint32_t gone = 0;
        int err = keep > 0 ? mu_store_list(directory, &names, &count) : 0;

        for (size_t i = 0; err == 0 && i + keep < count; i++) {
                if (now_s - names[i].at_s < keep_days * MU_S_PER_DAY)
                        break; /* and so are those that follow */
                err = remove_backup(directory, names[i].name);
                if (err == 0 && removed)
                        removed(context, names[i].name);
                gone += err == 0;
        }
        free(names);
        *ret_removed = gone;
        return err;
}
