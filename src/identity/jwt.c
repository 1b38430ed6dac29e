/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/jwt.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <openssl/digest.h>
#include <openssl/hmac.h>
#include <openssl/mem.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/text.h"
#include "identity/base64url.h"

enum {
        KID_BYTES = 8,
        HEADER_CHARS = MU_BASE64URL_CHARS(
                sizeof("{\"alg\":\"HS256\",\"typ\":\"at+jwt\",\"kid\":\"0123456789abcdef\"}") - 1),
        SIGNATURE_BYTES = 32,
        SIGNATURE_CHARS = MU_BASE64URL_CHARS(SIGNATURE_BYTES),
        PAYLOAD_CHARS_MAX = MU_JWT_BYTES - 1 - HEADER_CHARS - SIGNATURE_CHARS - 2,
        PAYLOAD_BYTES_MAX = PAYLOAD_CHARS_MAX * 3 / 4,
        ID_DIGITS_MAX = 18,
        ROLE_BYTES = 16,
};

struct key {
        uint8_t bytes[MU_JWT_KEY_BYTES];
        char header[HEADER_CHARS + 1]; /* as every token signed with it begins */
};

struct mu_jwt_keys {
        pthread_mutex_t lock;
        struct key current;
        struct key previous;
        bool has_previous;
};

/* ---- keys ---- */

static void make_key(struct key *key, const uint8_t bytes[MU_JWT_KEY_BYTES])
{
        static const char label[] = "muster jwt kid";
        uint8_t digest[SHA256_DIGEST_LENGTH];
        char kid[2 * KID_BYTES + 1];
        char json[HEADER_CHARS];
        SHA256_CTX sha;

        SHA256_Init(&sha);
        SHA256_Update(&sha, label, sizeof(label));
        SHA256_Update(&sha, bytes, MU_JWT_KEY_BYTES);
        SHA256_Final(digest, &sha);
        mu_text_hex(digest, KID_BYTES, kid);
        int length = snprintf(json, sizeof(json),
                              "{\"alg\":\"HS256\",\"typ\":\"at+jwt\",\"kid\":\"%s\"}", kid);

        MU_ASSERT(length > 0 && MU_BASE64URL_CHARS((size_t)length) == HEADER_CHARS);
        (void)mu_base64url_encode(json, (size_t)length, key->header);
        memcpy(key->bytes, bytes, MU_JWT_KEY_BYTES);
}

int mu_jwt_keys_create(const uint8_t current[MU_JWT_KEY_BYTES], const uint8_t *previous,
                       struct mu_jwt_keys **ret_keys)
{
        struct mu_jwt_keys *keys = calloc(1, sizeof(*keys));

        if (!keys)
                return -ENOMEM;
        int error = pthread_mutex_init(&keys->lock, NULL);

        if (error) {
                free(keys);
                return -error;
        }
        make_key(&keys->current, current);
        keys->has_previous = previous != NULL;
        if (previous)
                make_key(&keys->previous, previous);
        *ret_keys = keys;
        return 0;
}

void mu_jwt_keys_destroy(struct mu_jwt_keys *keys)
{
        if (!keys)
                return;
        pthread_mutex_destroy(&keys->lock);
        OPENSSL_cleanse(keys, sizeof(*keys));
        free(keys);
}

void mu_jwt_keys_rotate(struct mu_jwt_keys *keys, const uint8_t bytes[MU_JWT_KEY_BYTES])
{
        struct key key;

        make_key(&key, bytes);
        pthread_mutex_lock(&keys->lock);
        keys->previous = keys->current;
        keys->current = key;
        keys->has_previous = true;
        pthread_mutex_unlock(&keys->lock);
        OPENSSL_cleanse(&key, sizeof(key));
}

static struct key current_key(struct mu_jwt_keys *keys)
{
        pthread_mutex_lock(&keys->lock);
        struct key key = keys->current;
        pthread_mutex_unlock(&keys->lock);
        return key;
}

/* The key whose tokens begin with header. Headers are no secret. */
static bool find_key(struct mu_jwt_keys *keys, const char *header, struct key *ret_key)
{
        bool found = false;

        pthread_mutex_lock(&keys->lock);
        if (memcmp(header, keys->current.header, HEADER_CHARS) == 0) {
                *ret_key = keys->current;
                found = true;
        } else if (keys->has_previous && memcmp(header, keys->previous.header, HEADER_CHARS) == 0) {
                *ret_key = keys->previous;
                found = true;
        }
        pthread_mutex_unlock(&keys->lock);
        return found;
}

static void sign(const struct key *key, const char *text, size_t bytes,
                 uint8_t ret_signature[SIGNATURE_BYTES])
{
        unsigned length = 0;
        const uint8_t *done = HMAC(EVP_sha256(), key->bytes, sizeof(key->bytes),
                                   (const uint8_t *)text, bytes, ret_signature, &length);

        MU_ASSERT(done && length == SIGNATURE_BYTES);
}

/* ---- claims ---- */

static bool times_are_sane(int64_t issued_at_s, int64_t expires_at_s)
{
        return issued_at_s >= 0 && expires_at_s > issued_at_s &&
               expires_at_s - issued_at_s <= MU_JWT_LIFE_S_MAX;
}

static bool claims_are_sane(const struct mu_jwt_claims *claims)
{
        return claims->user_id > 0 && claims->session_id > 0 && claims->role != MU_ROLE_NONE &&
               claims->name[0] != '\0' && times_are_sane(claims->issued_at_s, claims->expires_at_s);
}

static bool text_is(const json_t *claims, const char *name, const char *wanted)
{
        const json_t *value = json_object_get(claims, name);

        return json_is_string(value) && json_string_length(value) == strlen(wanted) &&
               memcmp(json_string_value(value), wanted, strlen(wanted)) == 0;
}

/* No NUL inside (jansson refuses \u0000 as we call it), so the copy is all of it. */
static bool take_text(const json_t *claims, const char *name, char *ret_text, size_t room)
{
        const json_t *value = json_object_get(claims, name);

        if (!json_is_string(value) || json_string_length(value) == 0 ||
            json_string_length(value) >= room)
                return false;
        memcpy(ret_text, json_string_value(value), json_string_length(value) + 1);
        return true;
}

/* Ids are strings of decimal digits, without a leading zero. */
static bool take_id(const json_t *claims, const char *name, int64_t *ret_id)
{
        char text[ID_DIGITS_MAX + 1];
        int64_t id = 0;

        if (!take_text(claims, name, text, sizeof(text)) || text[0] == '0')
                return false;
        for (const char *at = text; *at; at++) {
                if (*at < '0' || *at > '9')
                        return false;
                id = id * 10 + (*at - '0');
        }
        *ret_id = id;
        return true;
}

static bool take_time(const json_t *claims, const char *name, int64_t *ret_s)
{
        const json_t *value = json_object_get(claims, name);

        if (!json_is_integer(value))
                return false;
        *ret_s = json_integer_value(value);
        return *ret_s >= 0 && *ret_s < INT64_MAX / 2;
}

static int read_claims(const json_t *json, int64_t now_s, struct mu_jwt_claims *ret_claims)
{
        struct mu_jwt_claims claims = {0};
        int64_t not_before_s = 0;
        char role[ROLE_BYTES];

        if (!text_is(json, "iss", MU_JWT_ISSUER) || !text_is(json, "aud", MU_JWT_AUDIENCE))
                return -EBADMSG;
        if (!take_id(json, "sub", &claims.user_id) || !take_id(json, "sid", &claims.session_id) ||
            !take_text(json, "role", role, sizeof(role)) ||
            !take_text(json, "name", claims.name, sizeof(claims.name)))
                return -EBADMSG;
        claims.role = mu_role_parse(role);
        if (!take_time(json, "iat", &claims.issued_at_s) ||
            !take_time(json, "nbf", &not_before_s) ||
            !take_time(json, "exp", &claims.expires_at_s) || !claims_are_sane(&claims))
                return -EBADMSG;
        if (claims.issued_at_s > now_s + MU_JWT_LEEWAY_S || not_before_s > now_s + MU_JWT_LEEWAY_S)
                return -EBADMSG;
        if (claims.expires_at_s <= now_s)
                return -ETIME;
        *ret_claims = claims;
        return 0;
}

/* ---- the two ways ---- */

int mu_jwt_mint(struct mu_jwt_keys *keys, const struct mu_jwt_claims *claims,
                char ret_token[MU_JWT_BYTES])
{
        char json[PAYLOAD_BYTES_MAX + 1];
        char token[MU_JWT_BYTES];
        uint8_t signature[SIGNATURE_BYTES];
        struct mu_text text;

        if (!claims_are_sane(claims))
                return -EINVAL;
        mu_text_init_fixed(&text, json, sizeof(json));
        mu_text_add_format(&text,
                           "{\"iss\":\"" MU_JWT_ISSUER "\",\"aud\":\"" MU_JWT_AUDIENCE
                           "\",\"sub\":\"%" PRId64 "\",\"sid\":\"%" PRId64 "\",\"role\":\"%s\""
                           ",\"iat\":%" PRId64 ",\"nbf\":%" PRId64 ",\"exp\":%" PRId64 ",\"name\":",
                           claims->user_id, claims->session_id, mu_role_name(claims->role),
                           claims->issued_at_s, claims->issued_at_s, claims->expires_at_s);
        mu_text_add_json(&text, claims->name, strlen(claims->name));
        mu_text_add(&text, "}");
        if (mu_text_status(&text) < 0)
                return -EINVAL;
        struct key key = current_key(keys);
        size_t chars = HEADER_CHARS;

        memcpy(token, key.header, HEADER_CHARS);
        token[chars++] = '.';
        chars += mu_base64url_encode(text.data, text.bytes, token + chars);
        sign(&key, token, chars, signature);
        OPENSSL_cleanse(&key, sizeof(key));
        token[chars++] = '.';
        chars += mu_base64url_encode(signature, sizeof(signature), token + chars);
        MU_ASSERT(chars < MU_JWT_BYTES);
        memcpy(ret_token, token, chars + 1);
        return 0;
}

/* Whether the last part signs what stands before it. */
static bool signature_matches(struct mu_jwt_keys *keys, const char *token, size_t signed_bytes)
{
        uint8_t given[SIGNATURE_BYTES];
        uint8_t right[SIGNATURE_BYTES];
        size_t given_bytes = 0;
        struct key key;

        if (mu_base64url_decode(token + signed_bytes + 1, SIGNATURE_CHARS, given, sizeof(given),
                                &given_bytes) < 0 ||
            given_bytes != SIGNATURE_BYTES || !find_key(keys, token, &key))
                return false;
        sign(&key, token, signed_bytes, right);
        OPENSSL_cleanse(&key, sizeof(key));
        return CRYPTO_memcmp(given, right, sizeof(right)) == 0;
}

int mu_jwt_verify(struct mu_jwt_keys *keys, const char *token, size_t token_bytes, int64_t now_s,
                  struct mu_jwt_claims *ret_claims)
{
        uint8_t payload[PAYLOAD_BYTES_MAX];
        size_t payload_bytes = 0;

        if (token_bytes >= MU_JWT_BYTES || token_bytes < HEADER_CHARS + SIGNATURE_CHARS + 2)
                return -EBADMSG;
        size_t signed_bytes = token_bytes - SIGNATURE_CHARS - 1;

        if (token[HEADER_CHARS] != '.' || token[signed_bytes] != '.' ||
            !signature_matches(keys, token, signed_bytes))
                return -EBADMSG;
        if (mu_base64url_decode(token + HEADER_CHARS + 1, signed_bytes - HEADER_CHARS - 1, payload,
                                sizeof(payload), &payload_bytes) < 0)
                return -EBADMSG;
        json_t *json =
                json_loadb((const char *)payload, payload_bytes, JSON_REJECT_DUPLICATES, NULL);
        int error = json_is_object(json) ? read_claims(json, now_s, ret_claims) : -EBADMSG;

        json_decref(json);
        return error;
}
