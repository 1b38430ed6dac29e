/* SPDX-License-Identifier: Apache-2.0 */
#include "reply.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/assert.h"

#define BODY_FIRST_BYTES 1024u

void mu_lg_reply_init(struct mu_lg_reply *reply)
{
        *reply = (struct mu_lg_reply){.keep_alive = true, .retry_after_s = -1};
}

void mu_lg_reply_done(struct mu_lg_reply *reply)
{
        free(reply->carry);
        free(reply->body);
        mu_lg_reply_init(reply);
}

void mu_lg_reply_next(struct mu_lg_reply *reply, size_t body_keep_max_bytes)
{
        reply->state = MU_LG_REPLY_STATUS;
        reply->status = 0;
        reply->keep_alive = true;
        reply->chunked = false;
        reply->has_length = false;
        reply->started = false;
        reply->headers_count = 0;
        reply->retry_after_s = -1;
        reply->body_left_bytes = 0;
        reply->error = NULL;
        reply->carry_bytes = 0;
        reply->body_bytes = 0;
        reply->body_keep_max_bytes = body_keep_max_bytes;
}

static int fail(struct mu_lg_reply *reply, const char *error)
{
        reply->error = error;
        return -EPROTO;
}

static bool is_digit(char c)
{
        return c >= '0' && c <= '9';
}

/* Strict: digits only, no sign, no overflow. */
static bool parse_decimal(const char *text, size_t bytes, uint64_t *ret_value)
{
        uint64_t value = 0;

        if (bytes == 0 || bytes > 18)
                return false;
        for (size_t i = 0; i < bytes; i++) {
                if (!is_digit(text[i]))
                        return false;
                value = value * 10 + (uint64_t)(text[i] - '0');
        }
        *ret_value = value;
        return true;
}

static int parse_status_line(struct mu_lg_reply *reply, const char *line, size_t bytes)
{
        if (bytes < 12 || memcmp(line, "HTTP/1.", 7) != 0 || (line[7] != '0' && line[7] != '1') ||
            line[8] != ' ')
                return fail(reply, "the answer does not begin with an HTTP/1.x status line");
        if (!is_digit(line[9]) || !is_digit(line[10]) || !is_digit(line[11]) ||
            (bytes > 12 && line[12] != ' '))
                return fail(reply, "the status line has no three-digit status");
        reply->status = (line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0');
        if (reply->status < 100)
                return fail(reply, "the status is below 100");
        reply->keep_alive = line[7] == '1';
        reply->state = MU_LG_REPLY_HEADERS;
        return 0;
}

static bool name_is(const char *line, size_t name_bytes, const char *name)
{
        return name_bytes == strlen(name) && strncasecmp(line, name, name_bytes) == 0;
}

/* Whether a comma-separated header value contains the token. */
static bool has_token(const char *value, size_t bytes, const char *token)
{
        size_t token_bytes = strlen(token);

        while (bytes > 0) {
                const char *comma = memchr(value, ',', bytes);
                size_t part = comma ? (size_t)(comma - value) : bytes;
                const char *from = value;
                size_t left = part;

                while (left > 0 && (*from == ' ' || *from == '\t')) {
                        from++;
                        left--;
                }
                while (left > 0 && (from[left - 1] == ' ' || from[left - 1] == '\t'))
                        left--;
                if (left == token_bytes && strncasecmp(from, token, left) == 0)
                        return true;
                if (!comma)
                        return false;
                value += part + 1;
                bytes -= part + 1;
        }
        return false;
}

static int parse_length(struct mu_lg_reply *reply, const char *value, size_t bytes)
{
        uint64_t length;

        if (!parse_decimal(value, bytes, &length))
                return fail(reply, "Content-Length is not a number");
        if (reply->has_length && length != reply->body_left_bytes)
                return fail(reply, "two different Content-Length headers");
        reply->has_length = true;
        reply->body_left_bytes = length;
        return 0;
}

static int parse_header(struct mu_lg_reply *reply, const char *line, size_t bytes)
{
        const char *colon = memchr(line, ':', bytes);

        if (!colon || colon == line)
                return fail(reply, "a header line has no name");
        if (++reply->headers_count > MU_LG_REPLY_HEADERS_MAX)
                return fail(reply, "more headers than any server of ours sends");

        size_t name_bytes = (size_t)(colon - line);
        const char *value = colon + 1;
        size_t value_bytes = bytes - name_bytes - 1;

        while (value_bytes > 0 && (*value == ' ' || *value == '\t')) {
                value++;
                value_bytes--;
        }
        while (value_bytes > 0 && (value[value_bytes - 1] == ' ' || value[value_bytes - 1] == '\t'))
                value_bytes--;

        if (name_is(line, name_bytes, "content-length"))
                return parse_length(reply, value, value_bytes);
        if (name_is(line, name_bytes, "transfer-encoding")) {
                if (!has_token(value, value_bytes, "chunked"))
                        return fail(reply, "a Transfer-Encoding other than chunked");
                reply->chunked = true;
        } else if (name_is(line, name_bytes, "connection")) {
                if (has_token(value, value_bytes, "close"))
                        reply->keep_alive = false;
                else if (has_token(value, value_bytes, "keep-alive"))
                        reply->keep_alive = true;
        } else if (name_is(line, name_bytes, "retry-after")) {
                uint64_t seconds;

                if (parse_decimal(value, value_bytes, &seconds) && seconds < INT32_MAX)
                        reply->retry_after_s = (int64_t)seconds;
        }
        return 0;
}

static int headers_end(struct mu_lg_reply *reply)
{
        if (reply->status < 200 && reply->status != 101) {
                /* An interim response: the real one follows. */
                size_t keep = reply->body_keep_max_bytes;

                mu_lg_reply_next(reply, keep);
                reply->started = true;
                return 0;
        }
        if (reply->chunked && reply->has_length)
                return fail(reply, "both Content-Length and chunked");
        if (reply->status == 101 || reply->status == 204 || reply->status == 304)
                reply->state = MU_LG_REPLY_DONE;
        else if (reply->chunked)
                reply->state = MU_LG_REPLY_CHUNK_SIZE;
        else if (!reply->has_length)
                reply->state = MU_LG_REPLY_BODY_EOF;
        else
                reply->state =
                        reply->body_left_bytes > 0 ? MU_LG_REPLY_BODY_LENGTH : MU_LG_REPLY_DONE;
        if (reply->state == MU_LG_REPLY_BODY_EOF)
                reply->keep_alive = false;
        return 0;
}

static int parse_chunk_size(struct mu_lg_reply *reply, const char *line, size_t bytes)
{
        uint64_t size = 0;
        size_t digits = 0;

        for (; digits < bytes; digits++) {
                char c = line[digits];
                unsigned value;

                if (is_digit(c))
                        value = (unsigned)(c - '0');
                else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
                        value = (unsigned)((c | 0x20) - 'a') + 10;
                else
                        break;
                if (digits >= 15)
                        return fail(reply, "a chunk size out of range");
                size = size * 16 + value;
        }
        if (digits == 0 || (digits < bytes && line[digits] != ';' && line[digits] != ' '))
                return fail(reply, "a chunk size is not hexadecimal");
        reply->body_left_bytes = size;
        reply->state = size > 0 ? MU_LG_REPLY_CHUNK_DATA : MU_LG_REPLY_TRAILERS;
        return 0;
}

static int take_line(struct mu_lg_reply *reply, const char *line, size_t bytes)
{
        if (bytes > 0 && line[bytes - 1] == '\r')
                bytes--;
        switch (reply->state) {
        case MU_LG_REPLY_STATUS:
                return parse_status_line(reply, line, bytes);
        case MU_LG_REPLY_HEADERS:
                return bytes == 0 ? headers_end(reply) : parse_header(reply, line, bytes);
        case MU_LG_REPLY_CHUNK_SIZE:
                return parse_chunk_size(reply, line, bytes);
        case MU_LG_REPLY_CHUNK_END:
                if (bytes != 0)
                        return fail(reply, "a chunk is longer than its size says");
                reply->state = MU_LG_REPLY_CHUNK_SIZE;
                return 0;
        case MU_LG_REPLY_TRAILERS:
                if (bytes == 0)
                        reply->state = MU_LG_REPLY_DONE;
                return 0;
        default:
                return fail(reply, "internal: a line where none belongs");
        }
}

/* One line from the piece, or its beginning into carry. Bytes taken, or an error. */
static ssize_t feed_line(struct mu_lg_reply *reply, const char *data, size_t bytes)
{
        const char *end = memchr(data, '\n', bytes);
        size_t taken = end ? (size_t)(end - data) + 1 : bytes;
        int r;

        if (end && reply->carry_bytes == 0) {
                r = take_line(reply, data, taken - 1);
                return r < 0 ? r : (ssize_t)taken;
        }
        if (!reply->carry) {
                reply->carry = malloc(MU_LG_REPLY_LINE_MAX);
                if (!reply->carry)
                        return -ENOMEM;
        }
        if (taken > MU_LG_REPLY_LINE_MAX - reply->carry_bytes)
                return fail(reply, "a header line longer than 8 KiB");
        memcpy(reply->carry + reply->carry_bytes, data, taken);
        reply->carry_bytes += (uint32_t)taken;
        if (end) {
                uint32_t line_bytes = reply->carry_bytes - 1;

                reply->carry_bytes = 0;
                r = take_line(reply, reply->carry, line_bytes);
                if (r < 0)
                        return r;
        }
        return (ssize_t)taken;
}

static int keep_body(struct mu_lg_reply *reply, const char *data, size_t bytes)
{
        size_t room = reply->body_keep_max_bytes > reply->body_bytes
                              ? reply->body_keep_max_bytes - reply->body_bytes
                              : 0;

        if (bytes > room)
                bytes = room;
        if (bytes == 0)
                return 0;
        if (reply->body_bytes + bytes + 1 > reply->body_capacity_bytes) {
                size_t capacity =
                        reply->body_capacity_bytes ? reply->body_capacity_bytes : BODY_FIRST_BYTES;

                while (capacity < reply->body_bytes + bytes + 1)
                        capacity *= 2;
                char *grown = realloc(reply->body, capacity);
                if (!grown)
                        return -ENOMEM;
                reply->body = grown;
                reply->body_capacity_bytes = capacity;
        }
        memcpy(reply->body + reply->body_bytes, data, bytes);
        reply->body_bytes += bytes;
        reply->body[reply->body_bytes] = '\0';
        return 0;
}

static ssize_t feed_body(struct mu_lg_reply *reply, const char *data, size_t bytes)
{
        size_t taken = bytes;

        if (reply->state != MU_LG_REPLY_BODY_EOF && taken > reply->body_left_bytes)
                taken = (size_t)reply->body_left_bytes;
        int r = keep_body(reply, data, taken);
        if (r < 0)
                return r;
        if (reply->state == MU_LG_REPLY_BODY_EOF)
                return (ssize_t)taken;
        reply->body_left_bytes -= taken;
        if (reply->body_left_bytes == 0)
                reply->state = reply->state == MU_LG_REPLY_CHUNK_DATA ? MU_LG_REPLY_CHUNK_END
                                                                      : MU_LG_REPLY_DONE;
        return (ssize_t)taken;
}

ssize_t mu_lg_reply_feed(struct mu_lg_reply *reply, const char *data, size_t bytes)
{
        size_t used = 0;

        while (used < bytes && reply->state != MU_LG_REPLY_DONE) {
                ssize_t taken;

                reply->started = true;
                switch (reply->state) {
                case MU_LG_REPLY_BODY_LENGTH:
                case MU_LG_REPLY_BODY_EOF:
                case MU_LG_REPLY_CHUNK_DATA:
                        taken = feed_body(reply, data + used, bytes - used);
                        break;
                default:
                        taken = feed_line(reply, data + used, bytes - used);
                        break;
                }
                if (taken < 0)
                        return taken;
                MU_ASSERT(taken > 0);
                used += (size_t)taken;
        }
        return (ssize_t)used;
}

int mu_lg_reply_eof(struct mu_lg_reply *reply)
{
        if (reply->state == MU_LG_REPLY_BODY_EOF)
                reply->state = MU_LG_REPLY_DONE;
        if (reply->state == MU_LG_REPLY_DONE)
                return 0;
        return fail(reply, reply->started ? "the connection ended in the middle of an answer"
                                          : "the connection ended without an answer");
}
