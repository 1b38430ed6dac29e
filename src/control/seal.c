/* SPDX-License-Identifier: Apache-2.0 */
#include "control/seal.h"

#include <assert.h>
#include <errno.h>
#include <openssl/aead.h>
#include <stdlib.h>

#include "base/random.h"

enum {
        NONCE_BYTES = 12,
        TAG_BYTES = 16,
};

static_assert(NONCE_BYTES + TAG_BYTES == MU_SEAL_MORE_BYTES, "as the header says");

static int begin(const uint8_t *key, EVP_AEAD_CTX *aead)
{
        return EVP_AEAD_CTX_init(aead, EVP_aead_aes_256_gcm(), key, MU_SEAL_KEY_BYTES, TAG_BYTES,
                                 NULL) == 1
                       ? 0
                       : -ENOMEM;
}

int mu_seal(const uint8_t key[MU_SEAL_KEY_BYTES], const void *bound_to, size_t bound_bytes,
            const void *plain, size_t plain_bytes, uint8_t **ret_sealed, size_t *ret_bytes)
{
        size_t room = plain_bytes + TAG_BYTES;
        uint8_t *sealed = malloc(NONCE_BYTES + room);
        EVP_AEAD_CTX aead;
        size_t bytes = 0;

        if (!sealed)
                return -ENOMEM;
        int error = mu_random_secret(sealed, NONCE_BYTES);

        if (error == 0)
                error = begin(key, &aead);
        if (error < 0) {
                free(sealed);
                return error;
        }
        if (EVP_AEAD_CTX_seal(&aead, sealed + NONCE_BYTES, &bytes, room, sealed, NONCE_BYTES, plain,
                              plain_bytes, bound_to, bound_bytes) != 1)
                error = -ENOMEM;
        EVP_AEAD_CTX_cleanup(&aead);
        if (error < 0) {
                free(sealed);
                return error;
        }
        *ret_sealed = sealed;
        *ret_bytes = NONCE_BYTES + bytes;
        return 0;
}

int mu_unseal(const uint8_t key[MU_SEAL_KEY_BYTES], const void *bound_to, size_t bound_bytes,
              const void *sealed, size_t sealed_bytes, char **ret_plain, size_t *ret_bytes)
{
        const uint8_t *data = sealed;
        EVP_AEAD_CTX aead;
        size_t bytes = 0;

        if (sealed_bytes < MU_SEAL_MORE_BYTES)
                return -EBADMSG;
        char *plain = malloc(sealed_bytes);
        int error = plain ? begin(key, &aead) : -ENOMEM;

        if (error < 0) {
                free(plain);
                return error;
        }
        int opened = EVP_AEAD_CTX_open(&aead, (uint8_t *)plain, &bytes, sealed_bytes, data,
                                       NONCE_BYTES, data + NONCE_BYTES, sealed_bytes - NONCE_BYTES,
                                       bound_to, bound_bytes);

        EVP_AEAD_CTX_cleanup(&aead);
        if (opened != 1) {
                free(plain);
                return -EBADMSG;
        }
        plain[bytes] = '\0';
        *ret_plain = plain;
        *ret_bytes = bytes;
        return 0;
}
