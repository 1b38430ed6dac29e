/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json.h - strict JSON, read in place and without allocation.
 *
 * simdjson's first stage validates UTF-8 and finds where tokens begin; this walks those tokens.
 * Each token is checked when the walk passes it, so a body is valid once the walk reached its end:
 *
 *   body   {"ts":1732.5, "a":[true]}
 *   at      ^^  ^^     ^ ^  ^^^   ^^  one index per token, of its first byte; after the last
 *                                     comes body_bytes
 *
 * Between a token's last byte and the next index lies only white space, so its end is found from
 * behind. Numbers stay text until somebody asks: nothing is rounded on the way.
 *
 * Accepted   RFC 8259, any value as root, depth to the caller's limit, magnitudes below 10^308.
 *            Doubled keys are the caller's to refuse. No byte order mark.
 * Units      bytes; depth: nested objects and arrays.
 * Threads    one parser per thread.
 * Ownership  Slices point into the body, which must outlive the walk.
 * Errors     -EBADMSG, with the reason in the cursor and the cursor standing at the token.
 */
#ifndef MUSTER_WIRE_JSON_H
#define MUSTER_WIRE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "muster/compiler.h"
#include "muster/wire.h"

#ifdef __cplusplus
extern "C" {
#endif

struct mu_json;

struct mu_json_cursor {
        const char *body;
        const uint32_t *at;  /* next token */
        const uint32_t *end; /* *end is body_bytes */
        bool backslashes;    /* somewhere in the body */
        enum mu_wire_reason reason;
};

/* The inside of a string, without quotes, escapes not yet resolved; or the text of a number. */
struct mu_json_slice {
        const char *bytes;
        uint32_t count;
        bool escaped; /* has a backslash */
};

/* (-1)^negative * digits * 10^exponent; inexact when digits beyond the 19th were cut. */
struct mu_json_number {
        uint64_t digits;
        int32_t exponent;
        bool negative;
        bool inexact;
        bool exponent_extreme; /* written with an exponent beyond ±400 */
};

/* Collects the text of values without white space. Keep bytes_max <= sizeof of buffer. */
struct mu_json_sink {
        char *buffer;
        uint32_t bytes;
        uint32_t bytes_max;
        bool overflow; /* nothing is added any more */
        bool unfit;    /* holds what PostgreSQL's jsonb refuses: \u0000, an extreme exponent */
};

/* 0, or -ENOMEM. */
MU_MUST_CHECK
int mu_json_create(uint32_t body_bytes_max, struct mu_json **ret_json);
void mu_json_destroy(struct mu_json *json); /* NULL is a no-op */

/* The cursor on the first token. The reason is set in any case. */
MU_MUST_CHECK
int mu_json_open(struct mu_json *json, const char *body, size_t body_bytes,
                 struct mu_json_cursor *ret_cursor);

/* 0 when every token was passed; else something follows the value. */
MU_MUST_CHECK
int mu_json_finish(struct mu_json_cursor *cursor);

/* Passes a string. */
MU_MUST_CHECK
int mu_json_pass_string(struct mu_json_cursor *cursor, struct mu_json_slice *ret_slice);
/* Resolves the escapes of a slice; out (count bytes are enough) may be NULL only to check them.
 * *ret_nul: a \u0000 was among them. */
MU_MUST_CHECK
int mu_json_unescape(struct mu_json_cursor *cursor, const struct mu_json_slice *slice, char *out,
                     uint32_t *ret_count, bool *ret_nul);
/* Passes a number. */
MU_MUST_CHECK
int mu_json_pass_number(struct mu_json_cursor *cursor, struct mu_json_number *ret_number);
/* Passes true, false or null: 1, 0, -1 in *ret_literal. */
MU_MUST_CHECK
int mu_json_pass_literal(struct mu_json_cursor *cursor, int *ret_literal);
/* Passes any one value. depth_max: levels it may have. sink may be NULL. */
MU_MUST_CHECK
int mu_json_pass_value(struct mu_json_cursor *cursor, uint32_t depth_max,
                       struct mu_json_sink *sink);

void mu_json_sink_add(struct mu_json_sink *sink, const char *bytes, uint32_t count);

/* The number times 10^scale, rounded to nearest, halves away from 0: 0 and the value, or -ERANGE.
 * *ret_exact: nothing was rounded. */
MU_MUST_CHECK
int mu_json_scale(const struct mu_json_number *number, int scale, int64_t *ret_value,
                  bool *ret_exact);

/* First byte of the next token; NUL at the end (no token begins with NUL that would be accepted).
 */
static inline char mu_json_peek(const struct mu_json_cursor *cursor)
{
        return cursor->at == cursor->end ? '\0' : cursor->body[*cursor->at];
}

/* Passes one structural character if it is the next. */
static inline bool mu_json_pass_char(struct mu_json_cursor *cursor, char structural)
{
        if (mu_json_peek(cursor) != structural)
                return false;
        cursor->at++;
        return true;
}

/* For use in return: marks the body as refused. */
int mu_json_refuse(struct mu_json_cursor *cursor, enum mu_wire_reason reason);

#ifdef __cplusplus
}
#endif

#endif
