/* SPDX-License-Identifier: Apache-2.0 */
/*
 * copy_rows.h - the rows in a stream of PostgreSQL's binary COPY format, as the bytes come.
 *
 *   header (19 bytes and its extension) ─▶ row, row, … ─▶ trailer (-1) ─▶ nothing more
 *
 * Only what the format promises is looked at: how many fields, how long each is. The stream may be
 * hostile: every length is checked, a row has a limit.
 *
 * Units      bytes.
 * Threads    one per reader.
 * Ownership  A row is lent for the length of the call.
 * Errors     -EBADMSG: not such a stream, or one of other columns; -ENOMEM; or what on_row
 * returned.
 */
#ifndef MUSTER_ARCHIVE_COPY_ROWS_H
#define MUSTER_ARCHIVE_COPY_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "muster/compiler.h"

#define MU_COPY_ROWS_ROW_BYTES_MAX (64u << 20)

struct mu_copy_rows {
        /* row: from its count of fields on; a stream of its own is header, rows, trailer. Non-zero
         * ends the reading. NULL: they are only counted. */
        int (*on_row)(void *context, const uint8_t *row, size_t bytes);
        void *context;
        uint64_t row_count;
        uint16_t columns;
        bool begun; /* the header has been read */
        bool ended; /* the trailer too */
        uint8_t *pending;
        size_t pending_bytes;
        size_t pending_room;
};

void mu_copy_rows_init(struct mu_copy_rows *rows, uint16_t columns,
                       int (*on_row)(void *context, const uint8_t *row, size_t bytes),
                       void *context);
void mu_copy_rows_done(struct mu_copy_rows *rows);

MU_MUST_CHECK
int mu_copy_rows_feed(struct mu_copy_rows *rows, const void *data, size_t bytes);
/* -EBADMSG unless the stream is whole. */
MU_MUST_CHECK
int mu_copy_rows_end(const struct mu_copy_rows *rows);

/* A field of a row that on_row was given; NULL and 0 for a NULL. */
const uint8_t *mu_copy_rows_field(const uint8_t *row, uint16_t column, uint32_t *ret_bytes);
/* The same of eight bytes: bigint, or timestamptz as us since 1970. False: NULL or of another
 * size. */
bool mu_copy_rows_int8(const uint8_t *row, uint16_t column, int64_t *ret_value);
bool mu_copy_rows_time_us(const uint8_t *row, uint16_t column, int64_t *ret_us);

/* The header and the trailer themselves. */
#define MU_COPY_ROWS_HEADER_BYTES 19
#define MU_COPY_ROWS_TRAILER_BYTES 2
extern const uint8_t mu_copy_rows_header[MU_COPY_ROWS_HEADER_BYTES];
extern const uint8_t mu_copy_rows_trailer[MU_COPY_ROWS_TRAILER_BYTES];

#endif
