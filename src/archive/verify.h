/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verify.h - whether an archive's files are what was written: a day, its parts, the chain of days.
 *
 * Each thing that is wrong is told by the path below the root and a sentence that stands behind it.
 * What goes on after it does: one bad file hides no other.
 *
 * Units      bytes. Threads: one per call. Blocking: reads whole files.
 * Ownership  the caller frees the manifest. on_problem's texts are lent.
 * Errors     -EBADMSG: there was a problem, and it was told; what on_bytes returned; others: of
 *            reading the directories.
 */
#ifndef MUSTER_ARCHIVE_VERIFY_H
#define MUSTER_ARCHIVE_VERIFY_H

#include <stddef.h>
#include <stdint.h>

#include "archive/manifest.h"
#include "muster/compiler.h"

struct mu_archive_check {
        void (*on_problem)(void *context, const char *file, const char *detail);
        int (*on_bytes)(void *context, size_t plain_bytes); /* NULL: no pace */
        void *context;
};

/* The manifest, that it stands where it belongs, and that nothing lies beside its files. 0 and a
 * manifest also when something does: then *ret_stray says how many. */
MU_MUST_CHECK
int mu_archive_check_day(const char *root, const char *parent, int64_t day,
                         const struct mu_archive_check *check,
                         struct mu_archive_manifest **ret_manifest,
                         uint8_t ret_sha256[MU_SHA256_BYTES], uint32_t *ret_stray);
MU_MUST_CHECK
int mu_archive_check_part(const char *root, const struct mu_archive_manifest *manifest,
                          uint32_t number, const struct mu_archive_check *check);

struct mu_archive_totals {
        uint64_t days;
        uint64_t files;
        uint64_t rows;
        uint64_t stored_bytes;
        uint64_t problems;
};

/* Everything below the root, and each parent's chain from its first day to its last. A removed
 * newest day only the database can tell. */
MU_MUST_CHECK
int mu_archive_check_tree(const char *root, const struct mu_archive_check *check,
                          struct mu_archive_totals *ret_totals);

#endif
