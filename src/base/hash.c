/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"

#include <string.h>

struct state {
        uint64_t v0;
        uint64_t v1;
        uint64_t v2;
        uint64_t v3;
};

static uint64_t rotate_left(uint64_t value, int bits)
{
        return (value << bits) | (value >> (64 - bits));
}

static void rounds(struct state *s, int count)
{
        for (int i = 0; i < count; i++) {
                s->v0 += s->v1;
                s->v1 = rotate_left(s->v1, 13) ^ s->v0;
                s->v0 = rotate_left(s->v0, 32);
                s->v2 += s->v3;
                s->v3 = rotate_left(s->v3, 16) ^ s->v2;
                s->v0 += s->v3;
                s->v3 = rotate_left(s->v3, 21) ^ s->v0;
                s->v2 += s->v1;
                s->v1 = rotate_left(s->v1, 17) ^ s->v2;
                s->v2 = rotate_left(s->v2, 32);
        }
}

static uint64_t load_little_endian(const unsigned char *data, size_t bytes)
{
        uint64_t word = 0;

        memcpy(&word, data, bytes);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        word = __builtin_bswap64(word);
#endif
        return word;
}

static void absorb(struct state *s, uint64_t word)
{
        s->v3 ^= word;
        rounds(s, 2);
        s->v0 ^= word;
}

uint64_t mu_hash_bytes(const struct mu_hash_key *key, const void *data, size_t bytes)
{
        const unsigned char *at = data;
        struct state s = {
                /* "somepseudorandomlygeneratedbytes" */
                .v0 = key->k0 ^ UINT64_C(0x736f6d6570736575),
                .v1 = key->k1 ^ UINT64_C(0x646f72616e646f6d),
                .v2 = key->k0 ^ UINT64_C(0x6c7967656e657261),
                .v3 = key->k1 ^ UINT64_C(0x7465646279746573),
        };
        uint64_t last = (uint64_t)bytes << 56;

        for (; bytes >= 8; bytes -= 8, at += 8)
                absorb(&s, load_little_endian(at, 8));
        if (bytes > 0)
                last |= load_little_endian(at, bytes);
        absorb(&s, last);
        s.v2 ^= 0xff;
        rounds(&s, 4);
        return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
