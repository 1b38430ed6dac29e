/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/token.h"

#include <errno.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include "base/assert.h"

static const char base62[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/* Divides the big-endian number in place; the remainder. */
static unsigned divide(uint8_t number[MU_DIGEST_BYTES], unsigned divisor)
{
        unsigned remainder = 0;

        for (size_t i = 0; i < MU_DIGEST_BYTES; i++) {
                unsigned part = remainder << 8 | number[i];

                number[i] = (uint8_t)(part / divisor);
                remainder = part % divisor;
        }
        return remainder;
}

void mu_token_from_bits(const char *prefix, const uint8_t bits[MU_DIGEST_BYTES],
                        char ret_token[MU_TOKEN_BYTES])
{
        uint8_t number[MU_DIGEST_BYTES];

        MU_ASSERT(strlen(prefix) == 3);
        memcpy(number, bits, sizeof(number));
        memcpy(ret_token, prefix, 3);
        for (size_t at = MU_TOKEN_CHARS; at > 3; at--)
                ret_token[at - 1] = base62[divide(number, 62)];
        ret_token[MU_TOKEN_CHARS] = '\0';
        OPENSSL_cleanse(number, sizeof(number));
}

int mu_token_generate(const char *prefix, char ret_token[MU_TOKEN_BYTES])
{
        uint8_t bits[MU_DIGEST_BYTES];

        if (RAND_bytes(bits, sizeof(bits)) != 1)
                return -EIO;
        mu_token_from_bits(prefix, bits, ret_token);
        OPENSSL_cleanse(bits, sizeof(bits));
        return 0;
}

void mu_token_digest(const char *token, size_t token_chars, struct mu_digest *ret_digest)
{
        SHA256((const uint8_t *)token, token_chars, ret_digest->bytes);
}

bool mu_digest_equal(const struct mu_digest *a, const struct mu_digest *b)
{
        return CRYPTO_memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}
