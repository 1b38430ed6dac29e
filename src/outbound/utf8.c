/* SPDX-License-Identifier: Apache-2.0 */
#include "outbound/utf8.h"

/* Least and most of the second byte, which is where overlong forms and surrogates show. */
struct lead {
        unsigned char first, last, second_least, second_most, bytes;
};

static const struct lead leads[] = {
        {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
        {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4},
        {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
};

size_t mu_utf8_character(const char *text, size_t bytes)
{
        const unsigned char *s = (const unsigned char *)text;

        if (s[0] < 0x80)
                return 1;
        for (size_t i = 0; i < sizeof(leads) / sizeof(leads[0]); i++) {
                const struct lead *lead = &leads[i];

                if (s[0] < lead->first || s[0] > lead->last)
                        continue;
                if (bytes < lead->bytes || s[1] < lead->second_least || s[1] > lead->second_most)
                        return 0;
                for (size_t k = 2; k < lead->bytes; k++)
                        if ((s[k] & 0xc0) != 0x80)
                                return 0;
                return lead->bytes;
        }
        return 0;
}

bool mu_utf8_is_valid(const char *text, size_t bytes)
{
        while (bytes > 0) {
                size_t character = mu_utf8_character(text, bytes);

                if (character == 0)
                        return false;
                text += character;
                bytes -= character;
        }
        return true;
}
