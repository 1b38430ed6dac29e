/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_reply.c - the response parser: the same bytes in one piece and in small ones must give the
 * same answer.
 */
#include <stdint.h>
#include <string.h>

#include "base/assert.h"
#include "reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* How many bytes were taken, or an error. */
static ssize_t parse(struct mu_lg_reply *reply, const char *data, size_t bytes, size_t piece)
{
        size_t used = 0;

        mu_lg_reply_init(reply);
        mu_lg_reply_next(reply, 65536);
        while (used < bytes && !mu_lg_reply_complete(reply)) {
                size_t n = bytes - used < piece ? bytes - used : piece;
                ssize_t taken = mu_lg_reply_feed(reply, data + used, n);

                if (taken < 0)
                        return taken;
                MU_ASSERT((size_t)taken == n || mu_lg_reply_complete(reply));
                used += (size_t)taken;
        }
        return (ssize_t)used;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
        struct mu_lg_reply whole, pieces;

        if (bytes < 1 || bytes > MU_LG_REPLY_LINE_MAX) /* longer lines may differ by their cuts */
                return 0;
        ssize_t a = parse(&whole, (const char *)data + 1, bytes - 1, bytes);
        ssize_t b = parse(&pieces, (const char *)data + 1, bytes - 1, 1 + data[0] % 16);

        MU_ASSERT(a == b);
        MU_ASSERT(whole.state == pieces.state && whole.status == pieces.status);
        if (a >= 0) {
                MU_ASSERT(whole.keep_alive == pieces.keep_alive);
                MU_ASSERT(whole.body_bytes == pieces.body_bytes);
                MU_ASSERT(whole.body_bytes == 0 ||
                          memcmp(whole.body, pieces.body, whole.body_bytes) == 0);
                MU_ASSERT(mu_lg_reply_eof(&whole) == mu_lg_reply_eof(&pieces));
        }
        mu_lg_reply_done(&whole);
        mu_lg_reply_done(&pieces);
        return 0;
}
