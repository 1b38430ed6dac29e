/* SPDX-License-Identifier: Apache-2.0 */
/*
 * listing.h - a directory's entries, sorted by name.
 *
 * Threads: any, on different listings. Ownership: done frees. Errors: negative errno.
 */
#ifndef MUSTER_ARCHIVE_LISTING_H
#define MUSTER_ARCHIVE_LISTING_H

#include <stdbool.h>
#include <stddef.h>

#include "muster/compiler.h"

enum { MU_ARCHIVE_ENTRY_BYTES = 256 };

struct mu_archive_entry {
        char name[MU_ARCHIVE_ENTRY_BYTES];
        bool is_directory;
};

struct mu_archive_listing {
        struct mu_archive_entry *entries;
        size_t count;
};

MU_MUST_CHECK
int mu_archive_list(const char *directory, struct mu_archive_listing *ret_listing);
void mu_archive_listing_done(struct mu_archive_listing *listing);

/* A directory with the files in it, but no further; one that is not there is no error. */
MU_MUST_CHECK
int mu_archive_remove_directory(const char *directory);

#endif
