/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/copy_rows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

/* Signature, no flags, no extension. */
const uint8_t mu_copy_rows_header[MU_COPY_ROWS_HEADER_BYTES] = {
        'P', 'G', 'C', 'O', 'P', 'Y', '\n', 0xff, '\r', '\n', 0, 0, 0, 0, 0, 0, 0, 0, 0};
const uint8_t mu_copy_rows_trailer[MU_COPY_ROWS_TRAILER_BYTES] = {0xff, 0xff};

/* 2000-01-01 in us since 1970. */
#define EPOCH_US INT64_C(946684800000000)

static uint16_t get16(const uint8_t *at)
{
        return (uint16_t)(at[0] << 8 | at[1]);
}

static uint32_t get32(const uint8_t *at)
{
        return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

void mu_copy_rows_init(struct mu_copy_rows *rows, uint16_t columns,
                       int (*on_row)(void *context, const uint8_t *row, size_t bytes),
                       void *context)
{
        MU_ASSERT(columns > 0 && columns < UINT16_MAX);
        *rows = (struct mu_copy_rows){.on_row = on_row, .context = context, .columns = columns};
}

void mu_copy_rows_done(struct mu_copy_rows *rows)
{
        free(rows->pending);
        rows->pending = NULL;
}

static int keep(struct mu_copy_rows *rows, const void *data, size_t bytes)
{
        if (bytes > rows->pending_room - rows->pending_bytes) {
                size_t room = rows->pending_room ? rows->pending_room : 64 * 1024;

                while (room - rows->pending_bytes < bytes)
                        room *= 2;
                uint8_t *pending = realloc(rows->pending, room);

                if (!pending)
                        return -ENOMEM;
                rows->pending = pending;
                rows->pending_room = room;
        }
        if (bytes > 0)
                memcpy(rows->pending + rows->pending_bytes, data, bytes);
        rows->pending_bytes += bytes;
        return 0;
}

/* Bytes of the piece that data begins with; 0: more must come; -EBADMSG. */
static int64_t row_bytes(const struct mu_copy_rows *rows, const uint8_t *data, size_t bytes)
{
        size_t at = 2;

        if (bytes < at)
                return 0;
        uint16_t columns = get16(data);

        if (columns == UINT16_MAX)
                return MU_COPY_ROWS_TRAILER_BYTES;
        if (columns != rows->columns)
                return -EBADMSG;
        for (uint16_t i = 0; i < columns; i++) {
                if (bytes - at < 4)
                        return 0;
                uint32_t field = get32(data + at);

                at += 4;
                if (field == UINT32_MAX)
                        continue;
                if (field > MU_COPY_ROWS_ROW_BYTES_MAX - at)
                        return -EBADMSG;
                if (bytes - at < field)
                        return 0;
                at += field;
        }
        return (int64_t)at;
}

static int64_t take_header(struct mu_copy_rows *rows, const uint8_t *data, size_t bytes)
{
        size_t known = bytes < sizeof(mu_copy_rows_header) ? bytes : sizeof(mu_copy_rows_header);

        if (memcmp(data, mu_copy_rows_header, known) != 0)
                return -EBADMSG;
        if (known < sizeof(mu_copy_rows_header))
                return 0;
        rows->begun = true;
        return sizeof(mu_copy_rows_header);
}

/* How many bytes of data were used up; negative errno, or the callback's answer in ret_stop. */
static int64_t take(struct mu_copy_rows *rows, const uint8_t *data, size_t bytes, int *ret_stop)
{
        size_t used = 0;

        while (used < bytes) {
                bool in_rows = rows->begun;

                if (rows->ended)
                        return -EBADMSG;
                int64_t piece = in_rows ? row_bytes(rows, data + used, bytes - used)
                                        : take_header(rows, data + used, bytes - used);

                if (piece < 0)
                        return piece;
                if (piece == 0)
                        break;
                if (in_rows && piece == MU_COPY_ROWS_TRAILER_BYTES) {
                        rows->ended = true;
                } else if (in_rows) {
                        rows->row_count++;
                        if (rows->on_row)
                                *ret_stop = rows->on_row(rows->context, data + used, (size_t)piece);
                        if (*ret_stop)
                                return 0;
                }
                used += (size_t)piece;
        }
        return (int64_t)used;
}

int mu_copy_rows_feed(struct mu_copy_rows *rows, const void *data, size_t bytes)
{
        int stop = 0;
        int err;

        if (rows->pending_bytes == 0) {
                /* The usual case: most rows lie whole in what came. */
                int64_t used = take(rows, data, bytes, &stop);

                if (used < 0 || stop)
                        return used < 0 ? (int)used : stop;
                return keep(rows, (const uint8_t *)data + used, bytes - (size_t)used);
        }
        err = keep(rows, data, bytes);
        if (err)
                return err;
        int64_t used = take(rows, rows->pending, rows->pending_bytes, &stop);

        if (used < 0 || stop)
                return used < 0 ? (int)used : stop;
        rows->pending_bytes -= (size_t)used;
        memmove(rows->pending, rows->pending + used, rows->pending_bytes);
        return 0;
}

int mu_copy_rows_end(const struct mu_copy_rows *rows)
{
        return rows->ended && rows->pending_bytes == 0 ? 0 : -EBADMSG;
}

const uint8_t *mu_copy_rows_field(const uint8_t *row, uint16_t column, uint32_t *ret_bytes)
{
        const uint8_t *at = row + 2;

        MU_ASSERT(column < get16(row));
        for (uint16_t i = 0;; i++) {
                uint32_t bytes = get32(at);

                at += 4;
                if (i == column) {
                        *ret_bytes = bytes == UINT32_MAX ? 0 : bytes;
                        return bytes == UINT32_MAX ? NULL : at;
                }
                at += bytes == UINT32_MAX ? 0 : bytes;
        }
}

bool mu_copy_rows_int8(const uint8_t *row, uint16_t column, int64_t *ret_value)
{
        uint32_t bytes;
        const uint8_t *at = mu_copy_rows_field(row, column, &bytes);

        if (!at || bytes != 8)
                return false;
        *ret_value = (int64_t)((uint64_t)get32(at) << 32 | get32(at + 4));
        return true;
}

bool mu_copy_rows_time_us(const uint8_t *row, uint16_t column, int64_t *ret_us)
{
        int64_t value;

        /* ±infinity does not become a time. */
        if (!mu_copy_rows_int8(row, column, &value) || value > INT64_MAX - EPOCH_US ||
            value == INT64_MIN)
                return false;
        *ret_us = value + EPOCH_US;
        return true;
}
