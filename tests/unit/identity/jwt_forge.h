/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jwt_forge.h - tokens of any form, signed with a key that the test knows.
 */
#ifndef MUSTER_TEST_JWT_FORGE_H
#define MUSTER_TEST_JWT_FORGE_H

#include <openssl/digest.h>
#include <openssl/hmac.h>
#include <stdint.h>
#include <string.h>

#include "base/assert.h"
#include "identity/base64url.h"
#include "identity/jwt.h"

enum { FORGED_BYTES = 4096 };

/* text: "header.payload", already encoded. */
static inline size_t jwt_forge_sign(const uint8_t key[MU_JWT_KEY_BYTES], const char *text,
                                    size_t bytes, char token[FORGED_BYTES])
{
        uint8_t signature[32];
        unsigned length;

        MU_ASSERT(bytes + 64 < FORGED_BYTES);
        MU_ASSERT(HMAC(EVP_sha256(), key, MU_JWT_KEY_BYTES, (const uint8_t *)text, bytes, signature,
                       &length));
        memmove(token, text, bytes);
        token[bytes] = '.';
        return bytes + 1 + mu_base64url_encode(signature, length, token + bytes + 1);
}

/* A token with the given JSON texts as header and claims. */
static inline size_t jwt_forge(const uint8_t key[MU_JWT_KEY_BYTES], const void *header,
                               size_t header_bytes, const void *claims, size_t claim_bytes,
                               char token[FORGED_BYTES])
{
        char text[FORGED_BYTES];

        MU_ASSERT((header_bytes + claim_bytes) * 4 / 3 + 80 < FORGED_BYTES);
        size_t chars = mu_base64url_encode(header, header_bytes, text);

        text[chars++] = '.';
        chars += mu_base64url_encode(claims, claim_bytes, text + chars);
        return jwt_forge_sign(key, text, chars, token);
}

#endif
