/* SPDX-License-Identifier: Apache-2.0 */
#include "control/notify/standard_webhook.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/base64.h>
#include <openssl/hmac.h>
#include <openssl/mem.h>
#include <stdio.h>
#include <string.h>

#include "base/random.h"

enum {
        SHA256_BYTES = 32,
        PREFIX_CHARS = 6,
        BASE64_CHARS_MAX = 88, /* of 64 bytes */
};

static const char prefix[] = "whsec_";

int mu_webhook_make_secret(char ret_secret[MU_WEBHOOK_SECRET_BYTES])
{
        uint8_t key[MU_WEBHOOK_KEY_BYTES];
        int code = mu_random_secret(key, sizeof(key));

        if (code < 0)
                return code;
        memcpy(ret_secret, prefix, PREFIX_CHARS);
        (void)EVP_EncodeBlock((uint8_t *)ret_secret + PREFIX_CHARS, key, sizeof(key));
        OPENSSL_cleanse(key, sizeof(key));
        return 0;
}

int mu_webhook_read_secret(const char *secret, uint8_t *ret_key, size_t *ret_bytes)
{
        uint8_t key[BASE64_CHARS_MAX];
        size_t bytes = 0;

        if (strncmp(secret, prefix, PREFIX_CHARS) != 0)
                return -EINVAL;
        size_t chars = strlen(secret + PREFIX_CHARS);

        if (chars > BASE64_CHARS_MAX ||
            EVP_DecodeBase64(key, &bytes, sizeof(key), (const uint8_t *)secret + PREFIX_CHARS,
                             chars) != 1 ||
            bytes < MU_WEBHOOK_KEY_BYTES_MIN || bytes > MU_WEBHOOK_KEY_BYTES_MAX) {
                OPENSSL_cleanse(key, sizeof(key));
                return -EINVAL;
        }
        memcpy(ret_key, key, bytes);
        *ret_bytes = bytes;
        OPENSSL_cleanse(key, sizeof(key));
        return 0;
}

/* "v1," and the base64; the text's end. */
static int sign_with(const char *secret, const char *head, const char *body, size_t body_bytes,
                     char **at)
{
        uint8_t key[MU_WEBHOOK_KEY_BYTES_MAX];
        uint8_t digest[SHA256_BYTES];
        unsigned digest_bytes = sizeof(digest);
        size_t key_bytes;
        HMAC_CTX hmac;
        int code = mu_webhook_read_secret(secret, key, &key_bytes);

        if (code < 0)
                return code;
        HMAC_CTX_init(&hmac);
        if (HMAC_Init_ex(&hmac, key, key_bytes, EVP_sha256(), NULL) != 1 ||
            HMAC_Update(&hmac, (const uint8_t *)head, strlen(head)) != 1 ||
            HMAC_Update(&hmac, (const uint8_t *)body, body_bytes) != 1 ||
            HMAC_Final(&hmac, digest, &digest_bytes) != 1)
                code = -ENOMEM;
        HMAC_CTX_cleanup(&hmac);
        OPENSSL_cleanse(key, sizeof(key));
        if (code < 0)
                return code;
        memcpy(*at, "v1,", 3);
        *at += 3;
        *at += EVP_EncodeBlock((uint8_t *)*at, digest, sizeof(digest));
        return 0;
}

int mu_webhook_sign(const char *secret, const char *second, const char *id, int64_t timestamp_s,
                    const char *body, size_t body_bytes,
                    char ret_signature[MU_WEBHOOK_SIGNATURE_BYTES])
{
        char signature[MU_WEBHOOK_SIGNATURE_BYTES];
        char head[160];
        char *at = signature;
        int chars = snprintf(head, sizeof(head), "%s.%" PRId64 ".", id, timestamp_s);

        if (chars < 0 || (size_t)chars >= sizeof(head))
                return -ENOBUFS;
        int code = sign_with(secret, head, body, body_bytes, &at);

        if (code == 0 && second) {
                *at++ = ' ';
                code = sign_with(second, head, body, body_bytes, &at);
        }
        if (code < 0)
                return code;
        *at++ = '\0';
        memcpy(ret_signature, signature, (size_t)(at - signature));
        return 0;
}
