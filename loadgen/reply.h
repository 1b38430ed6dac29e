/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reply.h - incremental parser of HTTP/1.1 responses.
 *
 * Fed whatever a socket delivers, in pieces of any size; exact about status, Content-Length,
 * chunked coding, responses without a body, and keep-alive. Everything it does not need is skipped
 * without a copy: only a line cut by the end of a piece is kept until its rest arrives.
 *
 *        STATUS -> HEADERS -> BODY_LENGTH -> DONE
 *                         -> CHUNK_SIZE <-> CHUNK_DATA -> TRAILERS -> DONE
 *                         -> BODY_EOF (until the connection ends)
 *
 * Units      bytes; retry_after_s in seconds, -1 when absent.
 * Threads    one owner.
 * Ownership  The parser owns its carry and body; init before, done after.
 * Errors     feed answers -EPROTO and leaves a sentence in error; the connection is then useless.
 */
#ifndef LOADGEN_REPLY_H
#define LOADGEN_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "muster/compiler.h"

#define MU_LG_REPLY_LINE_MAX 8192u
#define MU_LG_REPLY_HEADERS_MAX 128u

enum mu_lg_reply_state {
        MU_LG_REPLY_STATUS,
        MU_LG_REPLY_HEADERS,
        MU_LG_REPLY_BODY_LENGTH,
        MU_LG_REPLY_BODY_EOF,
        MU_LG_REPLY_CHUNK_SIZE,
        MU_LG_REPLY_CHUNK_DATA,
        MU_LG_REPLY_CHUNK_END,
        MU_LG_REPLY_TRAILERS,
        MU_LG_REPLY_DONE,
};

struct mu_lg_reply {
        enum mu_lg_reply_state state;
        int status;
        bool keep_alive;
        bool chunked;
        bool has_length;
        bool started; /* at least one byte of this response has arrived */
        uint32_t headers_count;
        int64_t retry_after_s;
        uint64_t body_left_bytes; /* of the body, or of the chunk being read */
        const char *error;

        char *carry; /* a line cut in two; allocated on first need */
        uint32_t carry_bytes;

        char *body; /* kept only up to body_keep_max_bytes, always NUL-terminated when present */
        size_t body_bytes;
        size_t body_capacity_bytes;
        size_t body_keep_max_bytes; /* 0: skip the body */
};

void mu_lg_reply_init(struct mu_lg_reply *reply);
void mu_lg_reply_done(struct mu_lg_reply *reply);

/* Ready for the next response; of its body at most body_keep_max_bytes are kept. */
void mu_lg_reply_next(struct mu_lg_reply *reply, size_t body_keep_max_bytes);

/* Takes bytes until the response is complete or the piece is used up. How many were taken (fewer
 * than given only when state is DONE), or -EPROTO / -ENOMEM. */
MU_MUST_CHECK
ssize_t mu_lg_reply_feed(struct mu_lg_reply *reply, const char *data, size_t bytes);

/* The peer has ended the stream. 0 when that completes the response, else -EPROTO. */
MU_MUST_CHECK
int mu_lg_reply_eof(struct mu_lg_reply *reply);

static inline bool mu_lg_reply_complete(const struct mu_lg_reply *reply)
{
        return reply->state == MU_LG_REPLY_DONE;
}

#endif
