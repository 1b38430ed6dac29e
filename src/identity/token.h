/* SPDX-License-Identifier: Apache-2.0 */
/*
 * token.h - tokens and their digests.
 *
 * A token is a prefix and 256 random bits in base62. Only its SHA-256 is ever stored: a secret of
 * 256 random bits needs no slow hash (design §4).
 *
 *   mu_ device   me_ enrolment   mp_ operator's API   mr_ refresh   mx_ password reset   mt_ ticket
 *
 * Units      bytes.
 * Threads    any.
 * Errors     negative errno; -EIO when the kernel gives no randomness.
 */
#ifndef MUSTER_IDENTITY_TOKEN_H
#define MUSTER_IDENTITY_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "muster/compiler.h"

enum mu_token_sizes {
        MU_TOKEN_CHARS = 3 + 43, /* "mu_" and ceil(256 / log2(62)) digits */
        MU_TOKEN_BYTES = MU_TOKEN_CHARS + 1,
        MU_TOKEN_CHARS_MAX = 256, /* imported ones may be longer than ours */
        MU_DIGEST_BYTES = 32,
};

struct mu_digest {
        uint8_t bytes[MU_DIGEST_BYTES];
};

/* A new token, NUL-terminated. prefix: three characters, from the table above. */
MU_MUST_CHECK
int mu_token_generate(const char *prefix, char ret_token[MU_TOKEN_BYTES]);
/* The token that these 256 bits, secret and random, are. */
void mu_token_from_bits(const char *prefix, const uint8_t bits[MU_DIGEST_BYTES],
                        char ret_token[MU_TOKEN_BYTES]);

void mu_token_digest(const char *token, size_t token_chars, struct mu_digest *ret_digest);

/* In constant time. */
bool mu_digest_equal(const struct mu_digest *a, const struct mu_digest *b);

#endif
