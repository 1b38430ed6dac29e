/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jwt.h - operators' access tokens: JWTs of one fixed form, HS256 (RFC 7515, 7519, 8725, 9068).
 *
 *   base64url({"alg":"HS256","typ":"at+jwt","kid":"<16 hex digits>"}) . base64url(claims) . HMAC
 *
 * There is nothing to negotiate: the first part must be, byte for byte, what we write for our
 * current or our previous key, so no algorithm, type or key is ever taken from a token. Then the
 * signature is compared in constant time, and only then is a claim looked at. kid is derived from
 * the key and says nothing about it.
 *
 * Claims     iss "muster", aud "muster-operator", sub (user), sid (session), role, name, iat, nbf,
 *            exp: all must be there, once, with their types. Unknown ones are ignored.
 * Rotation   rotate makes the current key the previous one, which verifies until the next rotation;
 *            tokens are always signed with the current one.
 * Units      *_s: seconds since 1970. A token issued up to 60 s in the future passes (a clock set
 *            back); an expired one never does.
 * Threads    create, destroy: one. The rest: any.
 * Errors     verify: -ETIME expired, -EBADMSG anything else. What failed is not told: only an
 *            attacker would need it.
 */
#ifndef MUSTER_IDENTITY_JWT_H
#define MUSTER_IDENTITY_JWT_H

#include <stddef.h>
#include <stdint.h>

#include "identity/principal.h"
#include "muster/compiler.h"

enum mu_jwt_limits {
        MU_JWT_KEY_BYTES = 32,
        MU_JWT_BYTES = 1024, /* a token with its NUL; longer ones are not read */
        MU_JWT_LEEWAY_S = 60,
        MU_JWT_LIFE_S_MAX = 86400,
};

#define MU_JWT_ISSUER "muster"
#define MU_JWT_AUDIENCE "muster-operator"

struct mu_jwt_claims {
        int64_t user_id;    /* > 0 */
        int64_t session_id; /* > 0 */
        int64_t issued_at_s;
        int64_t expires_at_s;
        enum mu_role role;                  /* not NONE */
        char name[MU_PRINCIPAL_NAME_BYTES]; /* UTF-8, not empty */
};

struct mu_jwt_keys;

/* previous: NULL when there is none. */
MU_MUST_CHECK
int mu_jwt_keys_create(const uint8_t current[MU_JWT_KEY_BYTES], const uint8_t *previous,
                       struct mu_jwt_keys **ret_keys);
void mu_jwt_keys_destroy(struct mu_jwt_keys *keys); /* NULL is a no-op */
void mu_jwt_keys_rotate(struct mu_jwt_keys *keys, const uint8_t key[MU_JWT_KEY_BYTES]);

/* ret_token is NUL-terminated. -EINVAL: claims that verify would not take. */
MU_MUST_CHECK
int mu_jwt_mint(struct mu_jwt_keys *keys, const struct mu_jwt_claims *claims,
                char ret_token[MU_JWT_BYTES]);
MU_MUST_CHECK
int mu_jwt_verify(struct mu_jwt_keys *keys, const char *token, size_t token_bytes, int64_t now_s,
                  struct mu_jwt_claims *ret_claims);

#endif
