/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/json.h"

#include <errno.h>
#include <string.h>

#include "base/assert.h"

/* What one uint64_t of open brackets can hold, and a limit that nobody needs to reach. */
#define DEPTH_MAX 64

/* Exponents are clamped here: beyond every limit, and safe to add to a count of digits. */
#define EXPONENT_CLAMP 1000000

/* 10^308 and above is refused; written exponents beyond this do not go into PostgreSQL. */
#define MAGNITUDE_MAX 308
#define EXPONENT_EXTREME 400

static bool is_space(char byte)
{
        return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t';
}

static bool is_digit(char byte)
{
        return byte >= '0' && byte <= '9';
}

int mu_json_refuse(struct mu_json_cursor *cursor, enum mu_wire_reason reason)
{
        cursor->reason = reason;
        return -EBADMSG;
}

static int syntax(struct mu_json_cursor *cursor)
{
        return mu_json_refuse(cursor, MU_REASON_JSON_SYNTAX);
}

int mu_json_finish(struct mu_json_cursor *cursor)
{
        return cursor->at == cursor->end ? 0 : syntax(cursor);
}

/* One past the last byte of the token at the cursor, which is not at its end. */
static uint32_t token_end(const struct mu_json_cursor *cursor)
{
        uint32_t end = cursor->at[1];

        while (is_space(cursor->body[end - 1]))
                end--;
        return end;
}

void mu_json_sink_add(struct mu_json_sink *sink, const char *bytes, uint32_t count)
{
        MU_ASSERT(sink->bytes <= sink->bytes_max);
        if (sink->overflow || count > sink->bytes_max - sink->bytes) {
                sink->overflow = true;
                return;
        }
        memcpy(sink->buffer + sink->bytes, bytes, count);
        sink->bytes += count;
}

int mu_json_pass_string(struct mu_json_cursor *cursor, struct mu_json_slice *ret_slice)
{
        if (mu_json_peek(cursor) != '"')
                return syntax(cursor);

        uint32_t begin = *cursor->at + 1;
        uint32_t end = token_end(cursor) - 1;

        if (end < begin || cursor->body[end] != '"')
                return syntax(cursor);
        ret_slice->bytes = cursor->body + begin;
        ret_slice->count = end - begin;
        ret_slice->escaped =
                cursor->backslashes && memchr(ret_slice->bytes, '\\', ret_slice->count) != NULL;
        cursor->at++;
        return 0;
}

/* Four hexadecimal digits; the caller made sure they are inside the string. -1 when they are not.
 */
static int32_t hex4(const char *at)
{
        int32_t value = 0;

        for (int i = 0; i < 4; i++) {
                char byte = at[i];
                int digit;

                if (is_digit(byte))
                        digit = byte - '0';
                else if (byte >= 'a' && byte <= 'f')
                        digit = byte - 'a' + 10;
                else if (byte >= 'A' && byte <= 'F')
                        digit = byte - 'A' + 10;
                else
                        return -1;
                value = value << 4 | digit;
        }
        return value;
}

static uint32_t put_utf8(char out[4], uint32_t point)
{
        if (point < 0x80) {
                out[0] = (char)point;
                return 1;
        }
        if (point < 0x800) {
                out[0] = (char)(0xc0 | point >> 6);
                out[1] = (char)(0x80 | (point & 0x3f));
                return 2;
        }
        if (point < 0x10000) {
                out[0] = (char)(0xe0 | point >> 12);
                out[1] = (char)(0x80 | (point >> 6 & 0x3f));
                out[2] = (char)(0x80 | (point & 0x3f));
                return 3;
        }
        out[0] = (char)(0xf0 | point >> 18);
        out[1] = (char)(0x80 | (point >> 12 & 0x3f));
        out[2] = (char)(0x80 | (point >> 6 & 0x3f));
        out[3] = (char)(0x80 | (point & 0x3f));
        return 4;
}

/* A \u escape (or a pair of them) whose backslash is at `at`: how many bytes it takes, and its code
 * point; 0 when it is malformed or half a pair. */
static uint32_t unicode_escape(const char *at, const char *end, uint32_t *ret_point)
{
        int32_t high = end - at >= 6 ? hex4(at + 2) : -1;

        if (high < 0 || (high >= 0xdc00 && high <= 0xdfff))
                return 0;
        if (high < 0xd800 || high > 0xdbff) {
                *ret_point = (uint32_t)high;
                return 6;
        }
        int32_t low = end - at >= 12 && at[6] == '\\' && at[7] == 'u' ? hex4(at + 8) : -1;

        if (low < 0xdc00 || low > 0xdfff)
                return 0;
        *ret_point = 0x10000 + ((uint32_t)(high - 0xd800) << 10) + (uint32_t)(low - 0xdc00);
        return 12;
}

/* An escape whose backslash is at `at`: how many bytes it takes, and its code point; 0 when bad. */
static uint32_t escape(const char *at, const char *end, uint32_t *ret_point)
{
        static const char names[] = "\"\\/bfnrt";
        static const char values[] = "\"\\/\b\f\n\r\t";

        if (end - at < 2)
                return 0;
        if (at[1] == 'u')
                return unicode_escape(at, end, ret_point);

        const char *name = at[1] ? strchr(names, at[1]) : NULL;

        if (!name)
                return 0;
        *ret_point = (uint32_t)values[name - names];
        return 2;
}

int mu_json_unescape(struct mu_json_cursor *cursor, const struct mu_json_slice *slice, char *out,
                     uint32_t *ret_count, bool *ret_nul)
{
        const char *at = slice->bytes;
        const char *end = at + slice->count;
        uint32_t count = 0;
        bool nul = false;

        while (at < end) {
                const char *backslash = memchr(at, '\\', (size_t)(end - at));
                uint32_t plain = (uint32_t)((backslash ? backslash : end) - at);
                uint32_t point = 0;
                char utf8[4];

                if (out)
                        memcpy(out + count, at, plain);
                count += plain;
                at += plain;
                if (!backslash)
                        break;

                uint32_t taken = escape(at, end, &point);

                if (taken == 0) {
                        cursor->at--; /* the string was passed already; it is the culprit */
                        return syntax(cursor);
                }
                nul |= point == 0;
                plain = put_utf8(utf8, point);
                if (out)
                        memcpy(out + count, utf8, plain);
                count += plain;
                at += taken;
        }
        *ret_count = count;
        *ret_nul = nul;
        return 0;
}

/* Digits in [at, end), appended to the number; returns the first byte that is not one. */
static const char *take_digits(const char *at, const char *end, int32_t exponent_each,
                               struct mu_json_number *number, int32_t *used)
{
        for (; at < end && is_digit(*at); at++) {
                uint64_t digit = (uint64_t)(*at - '0');

                if (*used < 19) {
                        number->digits = number->digits * 10 + digit;
                        *used += number->digits != 0; /* leading zeros cost nothing */
                        number->exponent += exponent_each;
                } else {
                        number->inexact |= digit != 0;
                        number->exponent += exponent_each + 1;
                }
        }
        return at;
}

static const char *take_exponent(const char *at, const char *end, struct mu_json_number *number)
{
        bool negative = at < end && *at == '-';
        int32_t value = 0;

        if (at < end && (*at == '-' || *at == '+'))
                at++;
        if (at == end || !is_digit(*at))
                return NULL;
        for (; at < end && is_digit(*at); at++)
                value = value < EXPONENT_CLAMP ? value * 10 + (*at - '0') : EXPONENT_CLAMP;
        number->exponent_extreme = value > EXPONENT_EXTREME;
        number->exponent += negative ? -value : value;
        return at;
}

static int32_t digit_count(uint64_t digits)
{
        int32_t count = 0;

        for (; digits; digits /= 10)
                count++;
        return count;
}

/* The whole of [at, end) as a number. */
static bool parse_number(const char *at, const char *end, struct mu_json_number *number)
{
        int32_t used = 0;

        *number = (struct mu_json_number){0};
        number->negative = at < end && *at == '-';
        at += number->negative;
        if (at == end || !is_digit(*at))
                return false;
        if (*at == '0')
                at++;
        else
                at = take_digits(at, end, 0, number, &used);
        if (at < end && *at == '.') {
                const char *fraction = ++at;

                at = take_digits(at, end, -1, number, &used);
                if (at == fraction)
                        return false;
        }
        if (at < end && (*at == 'e' || *at == 'E'))
                at = take_exponent(at + 1, end, number);
        return at == end;
}

int mu_json_pass_number(struct mu_json_cursor *cursor, struct mu_json_number *ret_number)
{
        struct mu_json_number number;

        if (cursor->at == cursor->end)
                return syntax(cursor);
        if (!parse_number(cursor->body + *cursor->at, cursor->body + token_end(cursor), &number))
                return syntax(cursor);
        /* 19 digits cannot reach the limit without an exponent: spare the common case. */
        if (number.exponent > 0 && number.digits != 0 &&
            number.exponent + digit_count(number.digits) > MAGNITUDE_MAX)
                return mu_json_refuse(cursor, MU_REASON_JSON_NUMBER);
        cursor->at++;
        *ret_number = number;
        return 0;
}

int mu_json_scale(const struct mu_json_number *number, int scale, int64_t *ret_value,
                  bool *ret_exact)
{
        uint64_t value = number->digits;
        int32_t exponent = number->exponent + scale;
        bool exact = !number->inexact;
        uint64_t rounded = 0;

        for (; exponent > 0 && value != 0; exponent--) {
                if (value > (uint64_t)INT64_MAX / 10)
                        return -ERANGE;
                value *= 10;
        }
        /* Below the last digit only "anything or nothing" and the last digit cut decide. */
        for (; exponent < 0 && (value != 0 || rounded != 0); exponent++) {
                exact = exact && value % 10 == 0;
                rounded = value % 10 >= 5;
                value /= 10;
        }
        value += rounded;
        if (value > (uint64_t)INT64_MAX)
                return -ERANGE;
        *ret_value = number->negative ? -(int64_t)value : (int64_t)value;
        *ret_exact = exact;
        return 0;
}

int mu_json_pass_literal(struct mu_json_cursor *cursor, int *ret_literal)
{
        if (cursor->at == cursor->end)
                return syntax(cursor);

        const char *token = cursor->body + *cursor->at;
        uint32_t count = token_end(cursor) - *cursor->at;

        if (count == 4 && memcmp(token, "true", 4) == 0)
                *ret_literal = 1;
        else if (count == 5 && memcmp(token, "false", 5) == 0)
                *ret_literal = 0;
        else if (count == 4 && memcmp(token, "null", 4) == 0)
                *ret_literal = -1;
        else
                return syntax(cursor);
        cursor->at++;
        return 0;
}

/* Passes a string, a number or a literal. */
static int pass_scalar(struct mu_json_cursor *cursor, struct mu_json_sink *sink)
{
        struct mu_json_slice slice;
        struct mu_json_number number;
        const char *token = cursor->body + *cursor->at;
        uint32_t count;
        bool nul = false;
        int literal;
        int r;

        switch (*token) {
        case '"':
                r = mu_json_pass_string(cursor, &slice);
                if (r == 0 && slice.escaped)
                        r = mu_json_unescape(cursor, &slice, NULL, &count, &nul);
                break;
        case 't':
        case 'f':
        case 'n':
                r = mu_json_pass_literal(cursor, &literal);
                break;
        default:
                r = mu_json_pass_number(cursor, &number);
                nul = r == 0 && number.exponent_extreme;
                break;
        }
        if (r < 0 || !sink)
                return r;
        cursor->at--;
        mu_json_sink_add(sink, token, token_end(cursor) - *cursor->at);
        cursor->at++;
        sink->unfit |= nul;
        return 0;
}

static int pass_structural(struct mu_json_cursor *cursor, char structural,
                           struct mu_json_sink *sink)
{
        if (!mu_json_pass_char(cursor, structural))
                return syntax(cursor);
        if (sink)
                mu_json_sink_add(sink, &structural, 1);
        return 0;
}

/* Passes "key": in an object. */
static int pass_key(struct mu_json_cursor *cursor, struct mu_json_sink *sink)
{
        if (mu_json_peek(cursor) != '"')
                return syntax(cursor);

        int r = pass_scalar(cursor, sink);

        return r < 0 ? r : pass_structural(cursor, ':', sink);
}

/* After a value: closes what ends here. *ret_depth 0: the outermost value is complete. Otherwise a
 * comma was passed, and in an object the next key. */
static int pass_after(struct mu_json_cursor *cursor, uint64_t objects, uint32_t *depth,
                      struct mu_json_sink *sink)
{
        while (*depth > 0) {
                bool object = objects >> (*depth - 1) & 1;

                if (mu_json_peek(cursor) == ',') {
                        int r = pass_structural(cursor, ',', sink);

                        return r == 0 && object ? pass_key(cursor, sink) : r;
                }
                int r = pass_structural(cursor, object ? '}' : ']', sink);

                if (r < 0)
                        return r;
                --*depth;
        }
        return 0;
}

int mu_json_pass_value(struct mu_json_cursor *cursor, uint32_t depth_max, struct mu_json_sink *sink)
{
        uint64_t objects = 0; /* bit d: the bracket at depth d + 1 is a brace */
        uint32_t depth = 0;
        int r;

        MU_ASSERT(depth_max <= DEPTH_MAX);
        do {
                char open = mu_json_peek(cursor);

                if (cursor->at == cursor->end)
                        return syntax(cursor);
                if (open == '{' || open == '[') {
                        if (depth == depth_max)
                                return mu_json_refuse(cursor, MU_REASON_JSON_DEPTH);
                        objects &= ~(UINT64_C(1) << depth);
                        objects |= (uint64_t)(open == '{') << depth;
                        depth++;
                        r = pass_structural(cursor, open, sink);
                        if (mu_json_peek(cursor) != (open == '{' ? '}' : ']')) {
                                if (r == 0 && open == '{')
                                        r = pass_key(cursor, sink);
                                if (r < 0)
                                        return r;
                                continue; /* the first value inside */
                        }
                } else {
                        r = pass_scalar(cursor, sink);
                }
                if (r == 0)
                        r = pass_after(cursor, objects, &depth, sink);
                if (r < 0)
                        return r;
        } while (depth > 0);
        return 0;
}
