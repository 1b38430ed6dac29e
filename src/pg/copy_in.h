/* SPDX-License-Identifier: Apache-2.0 */
/*
 * copy_in.h - rows in PostgreSQL's binary COPY format.
 *
 *   uint8_t *at = mu_copy_in_reserve(&buffer, ROW_BYTES_MAX);   once a row: the only check
 *   if (!at)
 *           return -ENOMEM;
 *   at = mu_copy_row(at, 3);
 *   at = mu_copy_int8(at, id);
 *   at = mu_copy_int4_or_null(at, ram_mb, has_ram);
 *   at = mu_copy_bytes(at, name, name_bytes);
 *   mu_copy_in_commit(&buffer, at);
 * A buffer grows to the largest batch it has seen and is then reused: clear keeps the memory.
 * The put functions check nothing; each says how much it writes at most. An absent fixed-size
 * value is written and then not stepped over: no branch on data.
 *
 * Units      bytes; timestamptz: microseconds since the Unix epoch.
 * Threads    one per buffer.
 * Ownership  The buffer owns its memory until done. A cursor is lent from reserve to commit.
 * Errors     reserve: NULL for want of memory, the buffer unchanged.
 */
#ifndef MUSTER_PG_COPY_IN_H
#define MUSTER_PG_COPY_IN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "muster/compiler.h"

/* 2000-01-01, PostgreSQL's epoch, in microseconds since 1970. */
#define MU_PG_EPOCH_US INT64_C(946684800000000)

enum mu_copy_sizes {
        MU_COPY_HEADER_BYTES = 19,
        MU_COPY_ROW_BYTES = 2,
        MU_COPY_TRAILER_BYTES = 2,
        MU_COPY_LENGTH_BYTES = 4, /* before each value */
};

struct mu_copy_in {
        uint8_t *data;
        size_t used_bytes;
        size_t room_bytes;
};

void mu_copy_in_init(struct mu_copy_in *buffer);
void mu_copy_in_done(struct mu_copy_in *buffer);
/* Takes room_bytes now, so that nothing is allocated later while batches stay below it. */
MU_MUST_CHECK
int mu_copy_in_preallocate(struct mu_copy_in *buffer, size_t room_bytes);

/* The slow path of reserve. 0 or -ENOMEM. */
MU_MUST_CHECK
int mu_copy_in_grow(struct mu_copy_in *buffer, size_t bytes);

static inline void mu_copy_in_clear(struct mu_copy_in *buffer)
{
        buffer->used_bytes = 0;
}

MU_MUST_CHECK
static inline uint8_t *mu_copy_in_reserve(struct mu_copy_in *buffer, size_t bytes)
{
        if (MU_UNLIKELY(buffer->room_bytes - buffer->used_bytes < bytes) &&
            mu_copy_in_grow(buffer, bytes) < 0)
                return NULL;
        return buffer->data + buffer->used_bytes;
}

static inline void mu_copy_in_commit(struct mu_copy_in *buffer, const uint8_t *at)
{
        buffer->used_bytes = (size_t)(at - buffer->data);
}

static inline uint8_t *mu_copy_put16(uint8_t *at, uint16_t value)
{
        value = __builtin_bswap16(value);
        memcpy(at, &value, sizeof(value));
        return at + sizeof(value);
}

static inline uint8_t *mu_copy_put32(uint8_t *at, uint32_t value)
{
        value = __builtin_bswap32(value);
        memcpy(at, &value, sizeof(value));
        return at + sizeof(value);
}

static inline uint8_t *mu_copy_put64(uint8_t *at, uint64_t value)
{
        value = __builtin_bswap64(value);
        memcpy(at, &value, sizeof(value));
        return at + sizeof(value);
}

/* The stream's start and end: MU_COPY_HEADER_BYTES, MU_COPY_TRAILER_BYTES. */
uint8_t *mu_copy_header(uint8_t *at);

static inline uint8_t *mu_copy_trailer(uint8_t *at)
{
        return mu_copy_put16(at, UINT16_MAX);
}

/* A row's start: MU_COPY_ROW_BYTES. */
static inline uint8_t *mu_copy_row(uint8_t *at, uint16_t columns)
{
        return mu_copy_put16(at, columns);
}

static inline uint8_t *mu_copy_null(uint8_t *at)
{
        return mu_copy_put32(at, UINT32_MAX);
}

/* The length, or -1, of a value that may be absent. */
static inline uint8_t *mu_copy_length(uint8_t *at, uint32_t bytes, bool present)
{
        return mu_copy_put32(at, bytes | ((uint32_t)present - 1));
}

/* MU_COPY_LENGTH_BYTES + 1, 2, 4, 8, 8. */
static inline uint8_t *mu_copy_bool_or_null(uint8_t *at, bool value, bool present)
{
        at = mu_copy_length(at, 1, present);
        *at = value;
        return at + present;
}

static inline uint8_t *mu_copy_int2_or_null(uint8_t *at, int16_t value, bool present)
{
        at = mu_copy_length(at, 2, present);
        mu_copy_put16(at, (uint16_t)value);
        return at + (size_t)present * 2;
}

static inline uint8_t *mu_copy_int4_or_null(uint8_t *at, int32_t value, bool present)
{
        at = mu_copy_length(at, 4, present);
        mu_copy_put32(at, (uint32_t)value);
        return at + (size_t)present * 4;
}

static inline uint8_t *mu_copy_int8_or_null(uint8_t *at, int64_t value, bool present)
{
        at = mu_copy_length(at, 8, present);
        mu_copy_put64(at, (uint64_t)value);
        return at + (size_t)present * 8;
}

static inline uint8_t *mu_copy_int2(uint8_t *at, int16_t value)
{
        return mu_copy_int2_or_null(at, value, true);
}

static inline uint8_t *mu_copy_int4(uint8_t *at, int32_t value)
{
        return mu_copy_int4_or_null(at, value, true);
}

static inline uint8_t *mu_copy_int8(uint8_t *at, int64_t value)
{
        return mu_copy_int8_or_null(at, value, true);
}

static inline uint8_t *mu_copy_timestamptz(uint8_t *at, int64_t us)
{
        return mu_copy_int8(at, us - MU_PG_EPOCH_US);
}

/* text and bytea: MU_COPY_LENGTH_BYTES + bytes. The _or_null form reads nothing when absent. */
static inline uint8_t *mu_copy_bytes_or_null(uint8_t *at, const void *data, uint32_t bytes,
                                             bool present)
{
        at = mu_copy_length(at, bytes, present);
        if (!present || bytes == 0)
                return at;
        memcpy(at, data, bytes);
        return at + bytes;
}

static inline uint8_t *mu_copy_bytes(uint8_t *at, const void *data, uint32_t bytes)
{
        return mu_copy_bytes_or_null(at, data, bytes, true);
}

/* JSON text: MU_COPY_LENGTH_BYTES + 1 + bytes; the format's version goes before it. */
static inline uint8_t *mu_copy_jsonb_or_null(uint8_t *at, const void *json, uint32_t bytes,
                                             bool present)
{
        if (!present)
                return mu_copy_null(at);
        at = mu_copy_put32(at, bytes + 1);
        *at = 1;
        memcpy(at + 1, json, bytes);
        return at + 1 + bytes;
}

#endif
