/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

/* What data points to while nothing is allocated; never written. */
static char no_text[1] = "";

void mu_text_init(struct mu_text *text)
{
        *text = (struct mu_text){.data = no_text};
}

void mu_text_init_fixed(struct mu_text *text, char *buffer, size_t room_bytes)
{
        MU_ASSERT(room_bytes >= 1);
        *text = (struct mu_text){.data = buffer, .room_bytes = room_bytes, .fixed = true};
        buffer[0] = '\0';
}

void mu_text_done(struct mu_text *text)
{
        if (!text->fixed && text->room_bytes > 0)
                free(text->data);
        mu_text_init(text);
}

void mu_text_cut(struct mu_text *text, size_t bytes)
{
        MU_ASSERT(bytes <= text->bytes);
        text->bytes = bytes;
        text->error = 0;
        if (text->room_bytes > 0)
                text->data[bytes] = '\0';
}

void mu_text_clear(struct mu_text *text)
{
        mu_text_cut(text, 0);
}

/* Room for so many more bytes and the NUL. */
static bool make_room(struct mu_text *text, size_t bytes)
{
        if (text->error < 0)
                return false;
        if (bytes < text->room_bytes - text->bytes && text->room_bytes > 0)
                return true;
        if (text->fixed) {
                text->error = -ENOBUFS;
                return false;
        }
        size_t needed;
        if (__builtin_add_overflow(text->bytes + 1, bytes, &needed) || needed > SIZE_MAX / 2) {
                text->error = -ENOMEM;
                return false;
        }
        size_t room = needed < 128 ? 256 : needed * 2;
        char *data = realloc(text->room_bytes > 0 ? text->data : NULL, room);

        if (!data) {
                text->error = -ENOMEM;
                return false;
        }
        text->data = data;
        text->data[text->bytes] = '\0';
        text->room_bytes = room;
        return true;
}

void mu_text_add_bytes(struct mu_text *text, const void *piece, size_t bytes)
{
        if (bytes == 0 || !make_room(text, bytes))
                return;
        memcpy(text->data + text->bytes, piece, bytes);
        text->bytes += bytes;
        text->data[text->bytes] = '\0';
}

void mu_text_add(struct mu_text *text, const char *piece)
{
        mu_text_add_bytes(text, piece, strlen(piece));
}

void mu_text_add_format(struct mu_text *text, const char *format, ...)
{
        va_list arguments;

        if (text->error < 0)
                return;
        va_start(arguments, format);
        int needed = vsnprintf(NULL, 0, format, arguments);
        va_end(arguments);
        MU_ASSERT(needed >= 0);

        if (!make_room(text, (size_t)needed))
                return;
        va_start(arguments, format);
        int written = vsnprintf(text->data + text->bytes, (size_t)needed + 1, format, arguments);
        va_end(arguments);
        MU_ASSERT(written == needed);
        text->bytes += (size_t)needed;
}

static bool is_continuation(unsigned char byte, unsigned char least, unsigned char most)
{
        return byte >= least && byte <= most;
}

/* Length of the well-formed UTF-8 sequence at the start (RFC 3629, section 4), or 0. */
static size_t utf8_length(const unsigned char *s, size_t bytes)
{
        unsigned char least = 0x80;
        unsigned char most = 0xbf;
        size_t length;

        if (s[0] < 0x80)
                return 1;
        if (s[0] >= 0xc2 && s[0] <= 0xdf)
                length = 2;
        else if (s[0] >= 0xe0 && s[0] <= 0xef)
                length = 3;
        else if (s[0] >= 0xf0 && s[0] <= 0xf4)
                length = 4;
        else
                return 0;
        if (length > bytes)
                return 0;

        /* Neither longer than need be, nor a surrogate, nor above U+10FFFF. */
        if (s[0] == 0xe0)
                least = 0xa0;
        else if (s[0] == 0xed)
                most = 0x9f;
        else if (s[0] == 0xf0)
                least = 0x90;
        else if (s[0] == 0xf4)
                most = 0x8f;
        if (!is_continuation(s[1], least, most))
                return 0;
        for (size_t i = 2; i < length; i++) {
                if (!is_continuation(s[i], 0x80, 0xbf))
                        return 0;
        }
        return length;
}

/* What a byte that cannot stand as it is becomes; NULL for the others. */
static const char *short_escape(unsigned char byte)
{
        switch (byte) {
        case '"':
                return "\\\"";
        case '\\':
                return "\\\\";
        case '\n':
                return "\\n";
        case '\r':
                return "\\r";
        case '\t':
                return "\\t";
        default:
                return NULL;
        }
}

void mu_text_add_json(struct mu_text *text, const char *string, size_t bytes)
{
        const unsigned char *s = (const unsigned char *)string;
        size_t before = text->bytes;
        size_t plain = 0; /* start of the run that needs no change */
        size_t at = 0;

        mu_text_add(text, "\"");
        while (at < bytes) {
                size_t length = utf8_length(s + at, bytes - at);
                const char *escape = short_escape(s[at]);

                if (length > 0 && !escape && s[at] >= 0x20) {
                        at += length;
                        continue;
                }
                mu_text_add_bytes(text, s + plain, at - plain);
                if (length == 0)
                        mu_text_add(text, "\xef\xbf\xbd");
                else if (escape)
                        mu_text_add(text, escape);
                else
                        mu_text_add_format(text, "\\u%04x", s[at]);
                at++;
                plain = at;
        }
        mu_text_add_bytes(text, s + plain, at - plain);
        mu_text_add(text, "\"");

        if (text->error < 0 && text->bytes > before) {
                int error = text->error;

                mu_text_cut(text, before);
                text->error = error;
        }
}

void mu_text_hex(const void *bytes, size_t count, char *ret_digits)
{
        static const char digits[] = "0123456789abcdef";
        const unsigned char *at = bytes;

        for (size_t i = 0; i < count; i++) {
                *ret_digits++ = digits[at[i] >> 4];
                *ret_digits++ = digits[at[i] & 15];
        }
        *ret_digits = '\0';
}

int mu_text_status(const struct mu_text *text)
{
        return text->error;
}

int mu_text_take(struct mu_text *text, char **ret_string, size_t *ret_bytes)
{
        MU_ASSERT(!text->fixed);
        make_room(text, 0); /* an empty text is a string too */
        if (text->error < 0)
                return text->error;
        *ret_string = text->data;
        *ret_bytes = text->bytes;
        mu_text_init(text);
        return 0;
}
