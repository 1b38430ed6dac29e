/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/listing.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int by_name(const void *a, const void *b)
{
        return strcmp(((const struct mu_archive_entry *)a)->name,
                      ((const struct mu_archive_entry *)b)->name);
}

static int add(struct mu_archive_listing *listing, DIR *directory, const char *name)
{
        struct stat status;

        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
                return 0;
        /* Doubles at each power of two. */
        if ((listing->count & (listing->count - 1)) == 0) {
                size_t room = listing->count ? listing->count * 2 : 1;
                void *entries = realloc(listing->entries, room * sizeof(*listing->entries));

                if (!entries)
                        return -ENOMEM;
                listing->entries = entries;
        }
        struct mu_archive_entry *entry = &listing->entries[listing->count++];

        (void)snprintf(entry->name, sizeof(entry->name), "%s", name);
        entry->is_directory = fstatat(dirfd(directory), name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
                              S_ISDIR(status.st_mode);
        return 0;
}

int mu_archive_list(const char *directory, struct mu_archive_listing *ret_listing)
{
        struct mu_archive_listing listing = {0};
        DIR *stream = opendir(directory);
        int err = 0;

        if (!stream)
                return -errno;
        while (!err) {
                errno = 0;
                const struct dirent *entry = readdir(stream);

                if (!entry) {
                        err = -errno;
                        break;
                }
                err = add(&listing, stream, entry->d_name);
        }
        (void)closedir(stream);
        if (err) {
                mu_archive_listing_done(&listing);
                return err;
        }
        if (listing.count > 1)
                qsort(listing.entries, listing.count, sizeof(*listing.entries), by_name);
        *ret_listing = listing;
        return 0;
}

void mu_archive_listing_done(struct mu_archive_listing *listing)
{
        free(listing->entries);
        *listing = (struct mu_archive_listing){0};
}

int mu_archive_remove_directory(const char *directory)
{
        struct mu_archive_listing listing;
        int err = mu_archive_list(directory, &listing);

        if (err == -ENOENT)
                return 0;
        if (err)
                return err;
        int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0)
                err = -errno;
        for (size_t i = 0; i < listing.count && !err; i++)
                if (unlinkat(fd, listing.entries[i].name, 0) < 0 && errno != ENOENT)
                        err = -errno;
        if (fd >= 0)
                (void)close(fd); /* read only */
        mu_archive_listing_done(&listing);
        if (!err && rmdir(directory) < 0 && errno != ENOENT)
                err = -errno;
        return err;
}
