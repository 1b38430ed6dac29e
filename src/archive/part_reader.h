/* SPDX-License-Identifier: Apache-2.0 */
/*
 * part_reader.h - one file of a day read back, from the disk, and held against its manifest.
 *
 * Everything is looked at: size, both hashes, zstd's own checksum, one frame and nothing after it,
 * a whole COPY stream of the right columns, rows and the range of their times. A row is handed over
 * before the file's end is known: what is done with it must not last unless read returns 0.
 *
 * Units      bytes. Threads: one per call.
 * Ownership  rows are lent for the length of the call.
 * Errors     -EBADMSG and a sentence in ret_detail, to stand behind the file's name: it is not what
 *            the manifest says; what on_row or on_bytes returned; others: of reading it.
 */
#ifndef MUSTER_ARCHIVE_PART_READER_H
#define MUSTER_ARCHIVE_PART_READER_H

#include <stddef.h>
#include <stdint.h>

#include "archive/manifest.h"
#include "muster/compiler.h"

struct mu_archive_read {
        /* Either may be NULL. Non-zero ends the reading. on_bytes: after each piece of the plain
         * stream; the place for a pace. */
        int (*on_row)(void *context, const uint8_t *row, size_t bytes);
        int (*on_bytes)(void *context, size_t plain_bytes);
        void *context;
};

MU_MUST_CHECK
int mu_archive_part_read(const char *directory, const struct mu_archive_manifest *manifest,
                         uint32_t number, const struct mu_archive_read *read,
                         char ret_detail[MU_ARCHIVE_DETAIL_BYTES]);

#endif
