/* SPDX-License-Identifier: Apache-2.0 */
#include "net/sha1.h"

#include <string.h>

enum { BLOCK_BYTES = 64, LENGTH_BYTES = 8, WORDS = 5, ROUNDS = 80 };

static uint32_t rotate(uint32_t word, unsigned bits)
{
        return word << bits | word >> (32 - bits);
}

static uint32_t read_word(const uint8_t *bytes)
{
        return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 |
               bytes[3];
}

static void write_word(uint32_t word, uint8_t *bytes)
{
        for (unsigned i = 0; i < 4; i++)
                bytes[i] = (uint8_t)(word >> (24 - 8 * i));
}

/* FIPS 180-4, 4.1.1 and 4.2.1. */
static uint32_t mix(unsigned round, uint32_t b, uint32_t c, uint32_t d)
{
        switch (round / 20) {
        case 0:
                return ((b & c) | (~b & d)) + 0x5a827999u;
        case 1:
                return (b ^ c ^ d) + 0x6ed9eba1u;
        case 2:
                return ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdcu;
        default:
                return (b ^ c ^ d) + 0xca62c1d6u;
        }
}

static void add_block(uint32_t state[WORDS], const uint8_t block[BLOCK_BYTES])
{
        uint32_t schedule[ROUNDS];
        uint32_t v[WORDS];

        for (unsigned i = 0; i < 16; i++)
                schedule[i] = read_word(block + 4 * (size_t)i);
        for (unsigned i = 16; i < ROUNDS; i++)
                schedule[i] = rotate(
                        schedule[i - 3] ^ schedule[i - 8] ^ schedule[i - 14] ^ schedule[i - 16], 1);
        memcpy(v, state, sizeof(v));
        for (unsigned i = 0; i < ROUNDS; i++) {
                uint32_t next = rotate(v[0], 5) + mix(i, v[1], v[2], v[3]) + v[4] + schedule[i];

                v[4] = v[3];
                v[3] = v[2];
                v[2] = rotate(v[1], 30);
                v[1] = v[0];
                v[0] = next;
        }
        for (unsigned i = 0; i < WORDS; i++)
                state[i] += v[i];
}

void mu_sha1(const void *data, size_t bytes, uint8_t ret_digest[MU_SHA1_BYTES])
{
        uint32_t state[WORDS] = {0x67452301u, 0xefcdab89u, 0x98badcfeu, 0x10325476u, 0xc3d2e1f0u};
        uint8_t last[2 * BLOCK_BYTES] = {0};
        const uint8_t *at = data;
        uint64_t bits = (uint64_t)bytes * 8;

        for (; bytes >= BLOCK_BYTES; bytes -= BLOCK_BYTES, at += BLOCK_BYTES)
                add_block(state, at);
        if (bytes > 0)
                memcpy(last, at, bytes);
        last[bytes] = 0x80;
        size_t end = bytes + 1 + LENGTH_BYTES <= BLOCK_BYTES ? BLOCK_BYTES : 2 * BLOCK_BYTES;

        write_word((uint32_t)(bits >> 32), last + end - 8);
        write_word((uint32_t)bits, last + end - 4);
        add_block(state, last);
        if (end > BLOCK_BYTES)
                add_block(state, last + BLOCK_BYTES);
        for (unsigned i = 0; i < WORDS; i++)
                write_word(state[i], ret_digest + 4 * (size_t)i);
}
