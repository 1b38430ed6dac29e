/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nothing that we did not mint verifies. The first byte says what the rest is: a token as it
 * stands; claims that are then signed with the right key (what a thief of the key could write); or
 * changes to a token of ours.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/assert.h"
#include "identity/jwt.h"
#include "jwt_forge.h"

#define NOW INT64_C(1790000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static const uint8_t KEY[MU_JWT_KEY_BYTES] = "the key that signs what is here";

static void check_claims(const struct mu_jwt_claims *claims)
{
        MU_ASSERT(claims->user_id > 0 && claims->session_id > 0);
        MU_ASSERT(claims->role >= MU_ROLE_VIEWER && claims->role <= MU_ROLE_ADMIN);
        MU_ASSERT(claims->name[0] != '\0');
        MU_ASSERT(memchr(claims->name, '\0', sizeof(claims->name)));
        MU_ASSERT(claims->expires_at_s > NOW && claims->issued_at_s <= NOW + MU_JWT_LEEWAY_S);
}

/* The signature is of 256 bits: input without the key in hand never verifies. */
static void check_token(struct mu_jwt_keys *keys, const char *token, size_t bytes)
{
        struct mu_jwt_claims claims;

        MU_ASSERT(mu_jwt_verify(keys, token, bytes, NOW, &claims) == -EBADMSG);
}

/* What verifies can be minted, and means the same again. */
static void check_forged(struct mu_jwt_keys *keys, const char *header, size_t header_bytes,
                         const uint8_t *json, size_t bytes)
{
        char forged[FORGED_BYTES];
        char minted[MU_JWT_BYTES];
        struct mu_jwt_claims claims;
        struct mu_jwt_claims again;

        if (bytes > MU_JWT_BYTES)
                return;
        size_t chars = jwt_forge(KEY, header, header_bytes, json, bytes, forged);
        int code = mu_jwt_verify(keys, forged, chars, NOW, &claims);

        MU_ASSERT(code == 0 || code == -EBADMSG || code == -ETIME);
        if (code < 0)
                return;
        check_claims(&claims);
        if (mu_jwt_mint(keys, &claims, minted) < 0)
                return; /* a name that only fits unescaped */
        MU_ASSERT(mu_jwt_verify(keys, minted, strlen(minted), NOW, &again) == 0);
        MU_ASSERT(again.user_id == claims.user_id && again.session_id == claims.session_id);
        MU_ASSERT(again.role == claims.role && strcmp(again.name, claims.name) == 0);
        MU_ASSERT(again.issued_at_s == claims.issued_at_s &&
                  again.expires_at_s == claims.expires_at_s);
}

/* Pairs of place and difference. */
static void check_changed(struct mu_jwt_keys *keys, const char *minted, const uint8_t *changes,
                          size_t bytes)
{
        char token[MU_JWT_BYTES];
        size_t chars = strlen(minted);
        struct mu_jwt_claims claims;

        memcpy(token, minted, chars + 1);
        for (size_t i = 0; i + 2 < bytes; i += 3) {
                size_t place = (size_t)changes[i] << 8 | changes[i + 1];
                char *changed = &token[place % chars];

                *changed = (char)(*changed ^ changes[i + 2]);
        }
        int code = mu_jwt_verify(keys, token, chars, NOW, &claims);

        MU_ASSERT(code == (memcmp(token, minted, chars) == 0 ? 0 : -EBADMSG));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
        static const struct mu_jwt_claims claims = {.user_id = 7,
                                                    .session_id = 8,
                                                    .issued_at_s = NOW,
                                                    .expires_at_s = NOW + 900,
                                                    .role = MU_ROLE_OPERATOR,
                                                    .name = "zoe"};
        struct mu_jwt_keys *keys;
        char minted[MU_JWT_BYTES];
        char header[128];
        size_t header_bytes;

        MU_ASSERT(mu_jwt_keys_create(KEY, NULL, &keys) == 0);
        MU_ASSERT(mu_jwt_mint(keys, &claims, minted) == 0);
        MU_ASSERT(mu_base64url_decode(minted, strcspn(minted, "."), header, sizeof(header),
                                      &header_bytes) == 0);
        if (bytes > 0 && data[0] == 'c')
                check_forged(keys, header, header_bytes, data + 1, bytes - 1);
        else if (bytes > 0 && data[0] == 'x')
                check_changed(keys, minted, data + 1, bytes - 1);
        else
                check_token(keys, (const char *)data, bytes);
        mu_jwt_keys_destroy(keys);
        return 0;
}
