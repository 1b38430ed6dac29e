/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/status_array.h"

#include <errno.h>
#include <string.h>

#include "base/assert.h"
#include "ingest/last_status.h"

/* pg_type's OIDs, which never change. */
enum { BOOL = 16, INT8 = 20, INT2 = 21, INT4 = 23, TEXT = 25, TIMESTAMPTZ = 1184, JSONB = 3802 };

static const uint32_t column_types[] = {
        INT8, TIMESTAMPTZ, TIMESTAMPTZ, INT8, INT8, INT8, INT4, INT4, INT4, INT4, INT2, INT2,
        BOOL, BOOL,        BOOL,        BOOL, BOOL, BOOL, TEXT, TEXT, TEXT, TEXT, TEXT, JSONB,
};

enum {
        ARRAY_HEADER_BYTES = 20,
        ROW_HEADER_BYTES = 8, /* length, number of columns */
        TYPES_BYTES = sizeof(column_types),
};

_Static_assert(MU_COUNT_OF(column_types) == 1 + MU_COPY_CONTENT_COLUMN_COUNT, "one a column");

void mu_status_array_init(struct mu_status_array *array)
{
        mu_copy_in_init(&array->bytes);
        array->count = 0;
}

void mu_status_array_done(struct mu_status_array *array)
{
        mu_copy_in_done(&array->bytes);
}

/* A row as COPY has it, with each column's type before its value. */
static uint8_t *put_row(struct mu_status_array *array, uint8_t *at,
                        const struct mu_last_status *status)
{
        uint8_t *start = at;
        const uint8_t *from = array->row + MU_COPY_ROW_BYTES;

        mu_copy_status(array->row, status->content, status->received_at_us, status->clock_offset_s);
        at = mu_copy_put32(at + MU_COPY_LENGTH_BYTES, MU_COUNT_OF(column_types));
        for (size_t i = 0; i < MU_COUNT_OF(column_types); i++) {
                uint32_t length;
                size_t bytes = MU_COPY_LENGTH_BYTES;

                memcpy(&length, from, sizeof(length));
                if (length != UINT32_MAX) /* NULL, in either byte order */
                        bytes += __builtin_bswap32(length);
                at = mu_copy_put32(at, column_types[i]);
                memcpy(at, from, bytes);
                at += bytes;
                from += bytes;
        }
        mu_copy_put32(start, (uint32_t)(at - start) - MU_COPY_LENGTH_BYTES);
        return at;
}

static uint8_t *put_header(uint8_t *at, uint32_t type_oid, uint32_t count)
{
        at = mu_copy_put32(at, 1); /* dimensions */
        at = mu_copy_put32(at, 0); /* no NULLs among the rows */
        at = mu_copy_put32(at, type_oid);
        at = mu_copy_put32(at, count);
        return mu_copy_put32(at, 1); /* the first one's index */
}

int mu_status_array_encode(struct mu_status_array *array, const struct mu_store_request *request,
                           uint32_t type_oid)
{
        struct mu_last_status status;
        uint32_t next = request->first;
        uint8_t *at;

        mu_copy_in_clear(&array->bytes);
        array->count = 0;
        at = mu_copy_in_reserve(&array->bytes, ARRAY_HEADER_BYTES);
        if (!at)
                return -ENOMEM;
        mu_copy_in_commit(&array->bytes, put_header(at, type_oid, 0));
        while (mu_last_status_next(request, &next, &status)) {
                at = mu_copy_in_reserve(&array->bytes,
                                        ROW_HEADER_BYTES + TYPES_BYTES + MU_COPY_ROW_BYTES_MAX);
                if (!at)
                        return -ENOMEM;
                mu_copy_in_commit(&array->bytes, put_row(array, at, &status));
                array->count++;
        }
        put_header(array->bytes.data, type_oid, array->count);
        return 0;
}
