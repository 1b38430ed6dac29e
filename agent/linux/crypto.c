/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/crypto.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/curve25519.h>
#include <openssl/hmac.h>
#include <openssl/mem.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "core/base64.h"

#define PIN_PREFIX "sha256//"

static void sha256(const void *data, size_t bytes, uint8_t ret[MU_COMMAND_SHA256_BYTES])
{
        (void)SHA256(data, bytes, ret);
}

static void hmac_sha256(const uint8_t key[MU_COMMAND_KEY_BYTES], const void *data, size_t bytes,
                        uint8_t ret[MU_COMMAND_SIGNATURE_BYTES])
{
        unsigned count = 0;
        const uint8_t *mac =
                HMAC(EVP_sha256(), key, MU_COMMAND_KEY_BYTES, data, bytes, ret, &count);

        MU_ASSERT(mac && count == MU_COMMAND_SIGNATURE_BYTES);
}

static bool ed25519_verify(const void *message, size_t bytes,
                           const uint8_t signature[MU_ED25519_SIGNATURE_BYTES],
                           const uint8_t key[MU_ED25519_KEY_BYTES])
{
        return ED25519_verify(message, bytes, signature, key) == 1;
}

static int sha256_file(const char *path, uint8_t ret[MU_COMMAND_SHA256_BYTES], int64_t *ret_bytes)
{
        uint8_t buffer[16 * 1024];
        SHA256_CTX state;
        int64_t total = 0;
        ssize_t got;
        int fd = open(path, O_RDONLY | O_CLOEXEC);

        if (fd < 0)
                return -errno;
        (void)SHA256_Init(&state);
        while ((got = read(fd, buffer, sizeof(buffer))) != 0) {
                if (got < 0 && errno == EINTR)
                        continue;
                if (got < 0)
                        break;
                (void)SHA256_Update(&state, buffer, (size_t)got);
                total += got;
        }
        int err = got < 0 ? -errno : 0;

        (void)close(fd);
        if (err < 0)
                return err;
        (void)SHA256_Final(ret, &state);
        *ret_bytes = total;
        return 0;
}

const struct mu_agent_crypto *mu_crypto(void)
{
        static const struct mu_agent_crypto CRYPTO = {
                .command = {.sha256 = sha256, .hmac_sha256 = hmac_sha256},
                .ed25519_verify = ed25519_verify,
                .sha256_file = sha256_file,
        };

        return &CRYPTO;
}

int mu_crypto_pin(const char *pem, char ret_pin[MU_AGENT_PIN_BYTES])
{
        BIO *bio = BIO_new_mem_buf(pem, -1);
        X509 *certificate = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
        uint8_t digest[SHA256_DIGEST_LENGTH];
        uint8_t *key = NULL;
        int bytes = certificate ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &key) : 0;

        _Static_assert(sizeof(PIN_PREFIX) + MU_AGENT_BASE64_CHARS(sizeof(digest)) <=
                               MU_AGENT_PIN_BYTES,
                       "a pin has room");
        if (bytes > 0) {
                (void)SHA256(key, (size_t)bytes, digest);
                memcpy(ret_pin, PIN_PREFIX, strlen(PIN_PREFIX));
                mu_agent_base64_encode(digest, sizeof(digest), ret_pin + strlen(PIN_PREFIX));
        }
        OPENSSL_free(key);
        X509_free(certificate);
        (void)BIO_free(bio);
        return bytes > 0 ? 0 : -EBADMSG;
}

bool mu_crypto_is_pin(const char *text)
{
        uint8_t digest[SHA256_DIGEST_LENGTH];

        return strncmp(text, PIN_PREFIX, strlen(PIN_PREFIX)) == 0 &&
               mu_agent_base64_decode(text + strlen(PIN_PREFIX), digest, sizeof(digest)) == 0;
}
