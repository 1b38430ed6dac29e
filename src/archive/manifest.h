/* SPDX-License-Identifier: Apache-2.0 */
/*
 * manifest.h - what a day's directory holds, as manifest.json says it (ARCHIVE_FORMAT.md).
 *
 * There is one way to write a manifest: what is read must be, byte for byte, what encode makes of
 * it. Its last member is the SHA-256 of everything before, so that no flipped bit goes unnoticed.
 *
 * Units      *_us since the Unix epoch; day: days since then; bytes.
 * Threads    any, on different manifests.
 * Ownership  the caller frees what decode and read return.
 * Errors     -EBADMSG and a sentence: not a manifest; -ENOMEM; read: also what the file said.
 */
#ifndef MUSTER_ARCHIVE_MANIFEST_H
#define MUSTER_ARCHIVE_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "archive/layout.h"
#include "base/text.h"
#include "muster/compiler.h"

#define MU_ARCHIVE_FORMAT_VERSION 1

enum {
        MU_SHA256_BYTES = 32,
        MU_ARCHIVE_TYPE_BYTES = 96, /* of a column, as PostgreSQL's format_type writes it */
        MU_ARCHIVE_COLUMNS_MAX = 256,
        MU_ARCHIVE_WRITER_BYTES = 64,
        MU_ARCHIVE_DETAIL_BYTES = 256,
        MU_ARCHIVE_MANIFEST_BYTES_MAX = 8 << 20,
};

struct mu_archive_column {
        char name[MU_ARCHIVE_NAME_BYTES];
        char type[MU_ARCHIVE_TYPE_BYTES];
        bool not_null;
};

/* Its number is its place in the list. */
struct mu_archive_part {
        int64_t rows;
        int64_t plain_bytes;  /* the COPY stream */
        int64_t stored_bytes; /* the file */
        int64_t least_us;     /* of the partition's column */
        int64_t most_us;
        uint8_t plain_sha256[MU_SHA256_BYTES];
        uint8_t stored_sha256[MU_SHA256_BYTES];
};

struct mu_archive_manifest {
        int64_t day;
        int64_t created_at_us; /* whole seconds */
        int64_t rows;          /* totals */
        int64_t plain_bytes;
        int64_t stored_bytes;
        int64_t least_us; /* 0 without rows */
        int64_t most_us;
        int64_t previous_day;
        uint32_t sequence; /* of the parent's days, from 1: the first has no previous */
        uint32_t column_count;
        uint32_t part_count;
        uint8_t previous_sha256[MU_SHA256_BYTES];
        char parent[MU_ARCHIVE_NAME_BYTES];
        char column[MU_ARCHIVE_NAME_BYTES]; /* that the parent is parted by */
        char written_by[MU_ARCHIVE_WRITER_BYTES];
        struct mu_archive_column *columns;
        struct mu_archive_part *parts;
};

void mu_archive_manifest_free(struct mu_archive_manifest *manifest); /* NULL is a no-op */

/* Totals from the parts. */
void mu_archive_manifest_sum(struct mu_archive_manifest *manifest);
/* Adds the text to a growing one; mu_text_status says whether it is whole. */
void mu_archive_manifest_encode(const struct mu_archive_manifest *manifest, struct mu_text *text);

MU_MUST_CHECK
int mu_archive_manifest_decode(const char *text, size_t bytes,
                               struct mu_archive_manifest **ret_manifest,
                               char ret_detail[MU_ARCHIVE_DETAIL_BYTES]);
/* That of a directory, and its SHA-256, which the next day's manifest repeats. */
MU_MUST_CHECK
int mu_archive_manifest_read(const char *directory, struct mu_archive_manifest **ret_manifest,
                             uint8_t ret_sha256[MU_SHA256_BYTES],
                             char ret_detail[MU_ARCHIVE_DETAIL_BYTES]);

/* Its place among the columns; -1: not there. */
int mu_archive_manifest_column(const struct mu_archive_manifest *manifest, const char *name);

#endif
