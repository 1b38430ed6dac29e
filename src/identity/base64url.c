/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/base64url.h"

#include <errno.h>
#include <stdint.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

size_t mu_base64url_encode(const void *data, size_t bytes, char *ret_text)
{
        const uint8_t *in = data;
        size_t chars = 0;
        uint32_t bits = 0;
        unsigned have = 0;

        for (size_t i = 0; i < bytes; i++) {
                bits = bits << 8 | in[i];
                for (have += 8; have >= 6; have -= 6)
                        ret_text[chars++] = alphabet[bits >> (have - 6) & 63];
        }
        if (have > 0)
                ret_text[chars++] = alphabet[bits << (6 - have) & 63];
        ret_text[chars] = '\0';
        return chars;
}

static int value_of(char c)
{
        if (c >= 'A' && c <= 'Z')
                return c - 'A';
        if (c >= 'a' && c <= 'z')
                return c - 'a' + 26;
        if (c >= '0' && c <= '9')
                return c - '0' + 52;
        return c == '-' ? 62 : c == '_' ? 63 : -1;
}

int mu_base64url_decode(const char *text, size_t chars, void *ret_data, size_t room,
                        size_t *ret_bytes)
{
        uint8_t *out = ret_data;
        size_t bytes = 0;
        uint32_t bits = 0;
        unsigned have = 0;

        if (chars % 4 == 1)
                return -EBADMSG;
        if (chars / 4 * 3 + (chars % 4 ? chars % 4 - 1 : 0) > room)
                return -ENOBUFS;
        for (size_t i = 0; i < chars; i++) {
                int value = value_of(text[i]);

                if (value < 0)
                        return -EBADMSG;
                bits = bits << 6 | (uint32_t)value;
                have += 6;
                if (have >= 8) {
                        have -= 8;
                        out[bytes++] = (uint8_t)(bits >> have);
                }
        }
        if ((bits & ((1u << have) - 1)) != 0)
                return -EBADMSG;
        *ret_bytes = bytes;
        return 0;
}
