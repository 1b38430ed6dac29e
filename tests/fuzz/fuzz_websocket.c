/* SPDX-License-Identifier: Apache-2.0 */
/* A WebSocket client's bytes: however they are cut into reads, and whenever the parser is given up
 * between two messages, the same messages come out; text is UTF-8, nothing is larger than allowed,
 * and nothing comes behind a close or a failure. The first byte says how the input is cut. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "http/websocket.h"
#include "http/websocket_parser.h"

#define MESSAGE_BYTES_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

struct log {
        uint64_t hash; /* of all messages and pings, in order */
        uint32_t count;
        bool closed;
        bool failed;
        bool reason_doubtful; /* failed for bytes that are not UTF-8 */
};

static void note(struct log *log, unsigned kind, const void *data, size_t bytes)
{
        const unsigned char *at = data;

        MU_ASSERT(!log->closed && !log->failed);
        log->hash = (log->hash ^ kind ^ bytes << 8) * UINT64_C(0x100000001b3);
        for (size_t i = 0; i < bytes; i++)
                log->hash = (log->hash ^ at[i]) * UINT64_C(0x100000001b3);
        log->count++;
}

/* By the book: the shortest form, no surrogates, no more than U+10FFFF. */
static bool is_utf8(const unsigned char *at, size_t bytes)
{
        static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};

        for (size_t i = 0; i < bytes;) {
                unsigned char first = at[i++];
                size_t more = first < 0x80 ? 0 : first >> 5 == 6 ? 1 : first >> 4 == 14 ? 2 : 3;
                uint32_t point = more == 0 ? first : first & (0x3fu >> more);

                if (first >= 0x80 && (first < 0xc0 || first >= 0xf8))
                        return false;
                if (more > bytes - i)
                        return false;
                for (size_t n = 0; n < more; n++) {
                        if ((at[i] & 0xc0) != 0x80)
                                return false;
                        point = point << 6 | (at[i++] & 0x3fu);
                }
                if (point < least[more] || point > 0x10ffff || (point >> 11) == 0x1b)
                        return false;
        }
        return true;
}

static void on_message(void *ctx, const char *data, size_t bytes, bool is_text)
{
        MU_ASSERT(bytes <= MESSAGE_BYTES_MAX);
        MU_ASSERT(!is_text || is_utf8((const unsigned char *)data, bytes));
        note(ctx, is_text ? 1 : 2, data, bytes);
}

static void on_ping(void *ctx, const void *data, size_t bytes)
{
        MU_ASSERT(bytes <= 125);
        note(ctx, 9, data, bytes);
}

static void on_close(void *ctx, uint16_t code)
{
        struct log *log = ctx;

        MU_ASSERT(!log->closed && !log->failed);
        MU_ASSERT((code >= 1000 && code <= 1011) || (code >= 3000 && code <= 4999));
        log->closed = true;
}

static const struct mu_ws_parser_events events = {
        .message = on_message, .ping = on_ping, .close = on_close};

/* step 0: all at once. */
static struct log run(const uint8_t *data, size_t bytes, size_t step)
{
        struct log log = {.hash = UINT64_C(0xcbf29ce484222325)};
        struct mu_ws_parser *parser = NULL;

        for (size_t at = 0; at < bytes && !log.closed && !log.failed;) {
                size_t part = step == 0 || step > bytes - at ? bytes - at : step;

                if (!parser)
                        MU_ASSERT(mu_ws_parser_create(&events, &log, MESSAGE_BYTES_MAX, &parser) ==
                                  0);
                uint8_t *copy = malloc(part); /* exact size: ASan sees one byte too far */
                MU_ASSERT(copy);
                memcpy(copy, data + at, part);
                uint16_t code = mu_ws_parser_feed(parser, copy, part);
                free(copy);
                at += part;
                MU_ASSERT(code == 0 || code == MU_WS_PROTOCOL_ERROR || code == MU_WS_INVALID_DATA ||
                          code == MU_WS_TOO_BIG || code == MU_WS_POLICY);
                log.failed = code != 0;
                log.reason_doubtful = code == MU_WS_INVALID_DATA;
                if (code == 0 && mu_ws_parser_idle(parser)) {
                        mu_ws_parser_destroy(parser);
                        parser = NULL;
                }
        }
        mu_ws_parser_destroy(parser);
        return log;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
        if (bytes < 1)
                return 0;
        struct log whole = run(data + 1, bytes - 1, 0);
        struct log cut = run(data + 1, bytes - 1, 1 + (size_t)data[0] % 16);

        MU_ASSERT(whole.hash == cut.hash && whole.count == cut.count);
        /* wslay looks at the reason of a close as far as it came at once, so whether it finds bytes
         * there that are not UTF-8 may differ, and how soon. Nothing else may. */
        if (!whole.reason_doubtful && !cut.reason_doubtful)
                MU_ASSERT(whole.closed == cut.closed && whole.failed == cut.failed);
        return 0;
}
