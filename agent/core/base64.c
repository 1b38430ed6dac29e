/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base64.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

static const char ALPHABET[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void mu_agent_base64_encode(const void *data, size_t bytes, char *ret_text)
{
        const uint8_t *from = data;

        while (bytes > 0) {
                size_t count = bytes < 3 ? bytes : 3;
                uint32_t group = (uint32_t)from[0] << 16;

                if (count > 1)
                        group |= (uint32_t)from[1] << 8;
                if (count > 2)
                        group |= from[2];
                ret_text[0] = ALPHABET[group >> 18];
                ret_text[1] = ALPHABET[group >> 12 & 63];
                ret_text[2] = '=';
                ret_text[3] = '=';
                if (count > 1)
                        ret_text[2] = ALPHABET[group >> 6 & 63];
                if (count > 2)
                        ret_text[3] = ALPHABET[group & 63];
                ret_text += 4;
                from += count;
                bytes -= count;
        }
        *ret_text = '\0';
}

/* 64: not of the alphabet. */
static uint32_t value_of(char digit)
{
        if (digit >= 'A' && digit <= 'Z')
                return (uint32_t)(digit - 'A');
        if (digit >= 'a' && digit <= 'z')
                return (uint32_t)(digit - 'a') + 26;
        if (digit >= '0' && digit <= '9')
                return (uint32_t)(digit - '0') + 52;
        if (digit == '+')
                return 62;
        return digit == '/' ? 63 : 64;
}

/* The text's digits without its padding; the bits of the last one that stand for nothing are 0. */
static int check(const char *text, size_t bytes)
{
        size_t digits = (bytes * 4 + 2) / 3;

        if (strlen(text) != MU_AGENT_BASE64_CHARS(bytes))
                return -EBADMSG;
        for (size_t i = 0; i < digits; i++)
                if (value_of(text[i]) > 63)
                        return -EBADMSG;
        for (const char *at = text + digits; *at; at++)
                if (*at != '=')
                        return -EBADMSG;
        if (bytes % 3 == 1 && value_of(text[digits - 1]) % 16 != 0)
                return -EBADMSG;
        if (bytes % 3 == 2 && value_of(text[digits - 1]) % 4 != 0)
                return -EBADMSG;
        return 0;
}

int mu_agent_base64_decode(const char *text, void *ret_data, size_t bytes)
{
        uint8_t *to = ret_data;
        uint32_t bits = 0;
        unsigned held = 0;
        int err = check(text, bytes);

        if (err < 0)
                return err;
        for (size_t done = 0; done < bytes; text++) {
                bits = bits << 6 | value_of(*text);
                held += 6;
                if (held < 8)
                        continue;
                held -= 8;
                to[done++] = (uint8_t)(bits >> held);
        }
        return 0;
}
