/* SPDX-License-Identifier: Apache-2.0 */
/*
 * malformed_kinds.c - the bytes of each kind of bad input, and what must come back.
 *
 * Wrong optional fields are not refused but stored as null, so those kinds expect 2xx.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/text.h"
#include "malformed.h"
#include "muster/wire.h"

#define IS_2XX MU_LG_EXPECT(MU_LG_MALFORMED_2XX)
#define IS_4XX MU_LG_EXPECT(MU_LG_MALFORMED_4XX)
#define IS_5XX MU_LG_EXPECT(MU_LG_MALFORMED_5XX)
#define IS_CLOSED MU_LG_EXPECT(MU_LG_MALFORMED_CLOSED)

static void open_text(const struct mu_lg_malformed_input *input, struct mu_text *text)
{
        mu_text_init_fixed(text, input->out, MU_LG_MALFORMED_ROOM_BYTES);
}

static uint32_t close_text(struct mu_text *text)
{
        int r = mu_text_status(text);

        MU_ASSERT(r == 0);
        return (uint32_t)text->bytes;
}

static void add_line(const struct mu_lg_malformed_input *input, struct mu_text *text,
                     const char *path)
{
        mu_text_add_format(text, "POST %s HTTP/1.1\r\nHost: %s\r\n", path, input->url->authority);
}

static void add_token(const struct mu_lg_malformed_input *input, struct mu_text *text)
{
        mu_text_add_format(text, "Authorization: Bearer %.*s\r\n", (int)input->token_bytes,
                           input->token);
}

/* A well-formed request around any body. */
static uint32_t with_body(const struct mu_lg_malformed_input *input, const char *path,
                          const void *body, size_t bytes)
{
        struct mu_text text;

        open_text(input, &text);
        add_line(input, &text, path);
        add_token(input, &text);
        mu_text_add_format(&text, "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
                           bytes);
        mu_text_add_bytes(&text, body, bytes);
        return close_text(&text);
}

static uint32_t heartbeat(const struct mu_lg_malformed_input *input, const char *body)
{
        return with_body(input, MU_PATH_HEARTBEAT, body, strlen(body));
}

/* {"ts":<inside the window>,<rest>} */
static uint32_t heartbeat_with(const struct mu_lg_malformed_input *input, const char *rest)
{
        char body[4096];

        snprintf(body, sizeof(body), "{\"ts\":%" PRIu64 ",%s}", input->ts_s, rest);
        return heartbeat(input, body);
}

/* {"sent_at":<now>,"ts":<ts>}: without sent_at a wrong clock would be corrected instead. */
static uint32_t heartbeat_ts(const struct mu_lg_malformed_input *input, const char *ts)
{
        char body[256];

        snprintf(body, sizeof(body), "{\"sent_at\":%" PRIu64 ",\"ts\":%s}", input->now_s, ts);
        return heartbeat(input, body);
}

/* The head is bad, the body would be good. lines: between Host and the end of the head. */
static uint32_t with_head(const struct mu_lg_malformed_input *input, const char *first_line,
                          const char *lines)
{
        struct mu_text text;
        char body[64];
        int bytes = snprintf(body, sizeof(body), "{\"ts\":%" PRIu64 "}", input->ts_s);

        open_text(input, &text);
        mu_text_add_format(&text, "%s\r\nHost: %s\r\n", first_line, input->url->authority);
        add_token(input, &text);
        mu_text_add_format(&text,
                           "Content-Type: application/json\r\n%sContent-Length: %d\r\n\r\n%s",
                           lines, bytes, body);
        return close_text(&text);
}

#define FIRST_LINE "POST " MU_PATH_HEARTBEAT " HTTP/1.1"

#define KIND_BODY(name, body)                                                                      \
        static uint32_t name(const struct mu_lg_malformed_input *input)                            \
        {                                                                                          \
                return heartbeat(input, body);                                                     \
        }
#define KIND_REST(name, rest)                                                                      \
        static uint32_t name(const struct mu_lg_malformed_input *input)                            \
        {                                                                                          \
                return heartbeat_with(input, rest);                                                \
        }
#define KIND_TS(name, ts)                                                                          \
        static uint32_t name(const struct mu_lg_malformed_input *input)                            \
        {                                                                                          \
                return heartbeat_ts(input, ts);                                                    \
        }
#define KIND_HEAD(name, first_line, lines)                                                         \
        static uint32_t name(const struct mu_lg_malformed_input *input)                            \
        {                                                                                          \
                return with_head(input, first_line, lines);                                        \
        }

KIND_BODY(json_truncated, "{\"ts\":17637192")
KIND_BODY(json_not, "hello")
KIND_BODY(json_array, "[1,2,3]")
KIND_BODY(body_empty, "")
KIND_BODY(ts_missing, "{\"battery\":50}")
KIND_BODY(batch_shape, "{\"heartbeats\":7}")
KIND_REST(json_trailing, "\"battery\":50} x {\"a\":1")
KIND_REST(utf8_bad, "\"ssid\":\"\xff\xfe\xfd\"")
KIND_REST(duplicate_key, "\"battery\":50,\"ts\":1")
KIND_REST(nul_escaped, "\"ssid\":\"a\\u0000b\"")
KIND_REST(number_huge, "\"battery\":1e999")
KIND_REST(integer_huge, "\"uptime_s\":123456789012345678901234567890")
KIND_REST(field_type, "\"battery\":\"full\",\"charging\":[1]")
KIND_REST(field_range, "\"battery\":1000,\"ram_free_mb\":-5")
KIND_TS(ts_null, "null")
KIND_TS(ts_text, "\"yesterday\"")
KIND_TS(ts_nan, "NaN")
KIND_TS(ts_negative, "-1")
KIND_TS(ts_ancient, "86400")
KIND_TS(ts_future, "4102444800")
KIND_TS(ts_beyond, "1e300")
KIND_HEAD(header_colon, FIRST_LINE, "This line has no colon\r\n")
KIND_HEAD(header_length_twice, FIRST_LINE, "Content-Length: 3\r\n")
KIND_HEAD(header_length_chunked, FIRST_LINE, "Transfer-Encoding: chunked\r\n")
KIND_HEAD(header_host_twice, FIRST_LINE, "Host: other.example\r\n")
KIND_HEAD(method_unknown, "BREW " MU_PATH_HEARTBEAT " HTTP/1.1", "")
KIND_HEAD(path_unknown, "POST " MU_PATH_HEARTBEAT "x HTTP/1.1", "")
KIND_HEAD(version_unknown, "POST " MU_PATH_HEARTBEAT " HTTP/7.3", "")

static uint32_t nul_raw(const struct mu_lg_malformed_input *input)
{
        static const char body[] = "{\"ts\":1,\"ssid\":\"a\0b\"}";

        return with_body(input, MU_PATH_HEARTBEAT, body, sizeof(body) - 1);
}

static uint32_t nesting_deep(const struct mu_lg_malformed_input *input)
{
        enum { DEPTH = 20000 };
        static const char open[] = "[", shut[] = "]";
        struct mu_text text;
        char start[64];
        int bytes = snprintf(start, sizeof(start), "{\"ts\":%" PRIu64 ",\"x\":", input->ts_s);

        open_text(input, &text);
        add_line(input, &text, MU_PATH_HEARTBEAT);
        add_token(input, &text);
        mu_text_add_format(&text, "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
                           bytes + 2 * DEPTH + 1, start);
        for (int i = 0; i < DEPTH; i++)
                mu_text_add(&text, open);
        for (int i = 0; i < DEPTH; i++)
                mu_text_add(&text, shut);
        mu_text_add(&text, "}");
        return close_text(&text);
}

static void add_many(struct mu_text *text, const char *piece, uint32_t times)
{
        for (uint32_t i = 0; i < times; i++)
                mu_text_add(text, piece);
}

static uint32_t body_over_limit(const struct mu_lg_malformed_input *input)
{
        enum { BYTES = 300 * 1024 };
        struct mu_text text;

        open_text(input, &text);
        add_line(input, &text, MU_PATH_HEARTBEAT);
        add_token(input, &text);
        mu_text_add_format(&text, "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n",
                           BYTES);
        add_many(&text, "                                ", BYTES / 32);
        return close_text(&text);
}

static uint32_t batch_over_limit(const struct mu_lg_malformed_input *input)
{
        enum { ITEMS = 501 };
        static const char item[] = "{\"ts\":1}";
        struct mu_text text;

        open_text(input, &text);
        add_line(input, &text, MU_PATH_HEARTBEATS);
        add_token(input, &text);
        mu_text_add_format(&text,
                           "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n"
                           "{\"heartbeats\":[",
                           15 + ITEMS * sizeof(item) - 1 + 2);
        for (int i = 0; i < ITEMS; i++) {
                mu_text_add(&text, item);
                if (i < ITEMS - 1)
                        mu_text_add(&text, ",");
        }
        mu_text_add(&text, "]}");
        return close_text(&text);
}

static uint32_t batch_not_array(const struct mu_lg_malformed_input *input)
{
        static const char body[] = "{\"heartbeats\":7}";

        return with_body(input, MU_PATH_HEARTBEATS, body, sizeof(body) - 1);
}

/* A request with its own Content-Type and credential lines. */
static uint32_t with_lines(const struct mu_lg_malformed_input *input, const char *lines)
{
        struct mu_text text;
        char body[64];
        int bytes = snprintf(body, sizeof(body), "{\"ts\":%" PRIu64 "}", input->ts_s);

        open_text(input, &text);
        add_line(input, &text, MU_PATH_HEARTBEAT);
        mu_text_add_format(&text, "%sContent-Length: %d\r\n\r\n%s", lines, bytes, body);
        return close_text(&text);
}

static uint32_t content_type(const struct mu_lg_malformed_input *input)
{
        char lines[256];

        snprintf(lines, sizeof(lines), "Authorization: Bearer %.*s\r\nContent-Type: text/plain\r\n",
                 (int)input->token_bytes, input->token);
        return with_lines(input, lines);
}

static uint32_t token_missing(const struct mu_lg_malformed_input *input)
{
        return with_lines(input, "Content-Type: application/json\r\n");
}

static uint32_t token_unknown(const struct mu_lg_malformed_input *input)
{
        return with_lines(input, "Content-Type: application/json\r\nAuthorization: Bearer "
                                 "mu_0000000000000000000000000000000000000000000\r\n");
}

static uint32_t token_shape(const struct mu_lg_malformed_input *input)
{
        return with_lines(input, "Content-Type: application/json\r\nAuthorization: Basic !!!\r\n");
}

/* Lines that repeat a piece until the head is far too big. */
static uint32_t head_big(const struct mu_lg_malformed_input *input, const char *before,
                         const char *piece, uint32_t times, const char *after)
{
        struct mu_text text;

        open_text(input, &text);
        add_line(input, &text, MU_PATH_HEARTBEAT);
        mu_text_add(&text, before);
        add_many(&text, piece, times);
        mu_text_add(&text, after);
        mu_text_add(&text, "Content-Length: 2\r\n\r\n{}");
        return close_text(&text);
}

static uint32_t token_huge(const struct mu_lg_malformed_input *input)
{
        return head_big(input, "Authorization: Bearer mu_", "0123456789abcdef", 1024, "\r\n");
}

static uint32_t header_huge(const struct mu_lg_malformed_input *input)
{
        return head_big(input, "X-Padding: ", "0123456789abcdef", 8192, "\r\n");
}

static uint32_t header_many(const struct mu_lg_malformed_input *input)
{
        return head_big(input, "", "X-Many: 1\r\n", 1000, "");
}

static uint32_t raw(const struct mu_lg_malformed_input *input, const char *format)
{
        struct mu_text text;

        open_text(input, &text);
        mu_text_add(&text, format);
        return close_text(&text);
}

static uint32_t chunk_size(const struct mu_lg_malformed_input *input)
{
        struct mu_text text;

        open_text(input, &text);
        add_line(input, &text, MU_PATH_HEARTBEAT);
        add_token(input, &text);
        mu_text_add(&text, "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
                           "zz\r\n{}\r\n0\r\n\r\n");
        return close_text(&text);
}

static uint32_t length_negative(const struct mu_lg_malformed_input *input)
{
        struct mu_text text;

        open_text(input, &text);
        add_line(input, &text, MU_PATH_HEARTBEAT);
        add_token(input, &text);
        mu_text_add(&text, "Content-Type: application/json\r\nContent-Length: -1\r\n\r\n{}");
        return close_text(&text);
}

static uint32_t host_missing(const struct mu_lg_malformed_input *input)
{
        return raw(input, "POST " MU_PATH_HEARTBEAT " HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}");
}

static uint32_t lines_bare(const struct mu_lg_malformed_input *input)
{
        return raw(input, "POST " MU_PATH_HEARTBEAT " HTTP/1.1\nHost: a\nContent-Length: 2\n\n{}");
}

static uint32_t http2_preface(const struct mu_lg_malformed_input *input)
{
        return raw(input, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
}

static uint32_t garbage(const struct mu_lg_malformed_input *input)
{
        struct mu_text text;
        uint32_t state = (uint32_t)input->ts_s;

        open_text(input, &text);
        for (int i = 0; i < 512; i++) {
                state = state * 1664525u + 1013904223u;
                char byte = (char)(state >> 24);

                mu_text_add_bytes(&text, &byte, 1);
        }
        mu_text_add(&text, "\r\n\r\n");
        return close_text(&text);
}

static uint32_t good(const struct mu_lg_malformed_input *input)
{
        return heartbeat_with(input, "\"battery\":50");
}

#define WHOLE(name, text, expected, status)                                                        \
        {                                                                                          \
#name, text, expected, status, MU_LG_SEND_WHOLE, name                              \
        }

const struct mu_lg_malformed_kind mu_lg_malformed_kinds[] = {
        WHOLE(json_truncated, "JSON that ends early", IS_4XX, 400),
        WHOLE(json_not, "not JSON", IS_4XX, 400),
        WHOLE(json_array, "an array instead of an object", IS_4XX, 400),
        WHOLE(json_trailing, "text after the object", IS_4XX, 400),
        WHOLE(body_empty, "no body", IS_4XX, 400),
        WHOLE(utf8_bad, "bytes that are not UTF-8", IS_4XX, 400),
        WHOLE(nul_raw, "a NUL byte in a string", IS_4XX, 400),
        WHOLE(nul_escaped, "an escaped NUL in an optional field", IS_2XX, 202),
        WHOLE(nesting_deep, "20,000 nested arrays", IS_4XX, 400),
        WHOLE(duplicate_key, "ts twice", IS_4XX, 400),
        WHOLE(number_huge, "1e999 in an optional field", IS_2XX | IS_4XX, 0),
        WHOLE(integer_huge, "a 30-digit number in an optional field", IS_2XX | IS_4XX, 0),
        WHOLE(field_type, "optional fields of the wrong type", IS_2XX, 202),
        WHOLE(field_range, "optional fields out of range", IS_2XX, 202),
        WHOLE(ts_missing, "no ts", IS_4XX, 400),
        WHOLE(ts_null, "ts null", IS_4XX, 400),
        WHOLE(ts_text, "ts as text", IS_4XX, 400),
        WHOLE(ts_nan, "ts NaN", IS_4XX, 400),
        WHOLE(ts_negative, "ts below zero", IS_4XX, 400),
        WHOLE(ts_ancient, "ts in 1970", IS_4XX, 400),
        WHOLE(ts_future, "ts in 2100", IS_4XX, 400),
        WHOLE(ts_beyond, "ts 1e300", IS_4XX, 400),
        WHOLE(body_over_limit, "a body of 300 KiB", IS_4XX | IS_CLOSED, 413),
        WHOLE(batch_over_limit, "a batch of 501", IS_4XX, 413),
        WHOLE(batch_not_array, "a batch that is a number", IS_4XX, 400),
        WHOLE(batch_shape, "a batch sent as a heartbeat", IS_4XX, 400),
        WHOLE(content_type, "text/plain", IS_4XX, 415),
        WHOLE(token_missing, "no token", IS_4XX, 0),
        WHOLE(token_unknown, "a token nobody has", IS_4XX, 0),
        WHOLE(token_shape, "Basic instead of Bearer", IS_4XX, 0),
        WHOLE(token_huge, "a token of 16 KiB", IS_4XX | IS_CLOSED, 0),
        WHOLE(header_huge, "a header of 128 KiB", IS_4XX | IS_CLOSED, 0),
        WHOLE(header_many, "1,000 headers", IS_4XX | IS_CLOSED, 0),
        WHOLE(header_colon, "a header without a colon", IS_4XX | IS_CLOSED, 0),
        WHOLE(header_length_twice, "two Content-Lengths", IS_4XX | IS_CLOSED, 400),
        WHOLE(header_length_chunked, "Content-Length and chunked", IS_4XX | IS_CLOSED, 400),
        WHOLE(header_host_twice, "two Hosts", IS_4XX | IS_CLOSED, 400),
        WHOLE(host_missing, "no Host", IS_4XX | IS_CLOSED, 400),
        {"lines_bare", "lines that end in LF alone", IS_4XX | IS_CLOSED, 400, MU_LG_SEND_UNFINISHED,
         lines_bare},
        WHOLE(chunk_size, "a chunk size that is no number", IS_4XX | IS_CLOSED, 400),
        WHOLE(length_negative, "Content-Length -1", IS_4XX | IS_CLOSED, 400),
        WHOLE(method_unknown, "BREW", IS_4XX | IS_CLOSED, 0),
        WHOLE(path_unknown, "a path that is not there", IS_4XX, 404),
        WHOLE(version_unknown, "HTTP/7.3", IS_4XX | IS_CLOSED, 0),
        WHOLE(http2_preface, "HTTP/2 without asking", IS_5XX | IS_CLOSED, 505),
        WHOLE(garbage, "512 random bytes", IS_4XX | IS_CLOSED, 0),
        {"slowloris", "a byte a second", IS_4XX | IS_CLOSED, 0, MU_LG_SEND_DRIP, good},
        {"half_open", "half a request, then silence", IS_4XX | IS_CLOSED, 0, MU_LG_SEND_HALF, good},
        {"half_shut", "half a request, then FIN", IS_4XX | IS_CLOSED, 0, MU_LG_SEND_AND_SHUT, good},
        {"early_close", "half a request, then gone", IS_CLOSED, 0, MU_LG_SEND_AND_CLOSE, good},
};

const uint32_t mu_lg_malformed_kinds_count = MU_COUNT_OF(mu_lg_malformed_kinds);

_Static_assert(MU_COUNT_OF(mu_lg_malformed_kinds) <= MU_LG_MALFORMED_KINDS_MAX,
               "the table has no room");

const char *mu_lg_malformed_answer_name(enum mu_lg_malformed_answer answer)
{
        static const char *const names[] = {"2xx", "4xx", "5xx", "closed", "silent", "other"};

        MU_ASSERT(answer < MU_LG_MALFORMED_ANSWERS);
        return names[answer];
}
