/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/command_sign.h"

#include <openssl/digest.h>
#include <openssl/hmac.h>
#include <openssl/mem.h>
#include <openssl/sha.h>

#include "base/assert.h"
#include "identity/device_key.h"
#include "identity/secrets.h"

_Static_assert((int)MU_COMMAND_KEY_BYTES == (int)MU_DEVICE_KEY_BYTES, "one key");

static void sha256(const void *data, size_t bytes, uint8_t ret[MU_COMMAND_SHA256_BYTES])
{
        SHA256(data, bytes, ret);
}

static void hmac_sha256(const uint8_t key[MU_COMMAND_KEY_BYTES], const void *data, size_t bytes,
                        uint8_t ret[MU_COMMAND_SIGNATURE_BYTES])
{
        unsigned made = 0;
        const uint8_t *done =
                HMAC(EVP_sha256(), key, MU_COMMAND_KEY_BYTES, data, bytes, ret, &made);

        MU_ASSERT(done && made == MU_COMMAND_SIGNATURE_BYTES);
}

const struct mu_command_crypto mu_command_crypto_boringssl = {
        .sha256 = sha256,
        .hmac_sha256 = hmac_sha256,
};

void mu_command_key_of(const struct mu_secrets *secrets, int64_t device_id, uint32_t version,
                       struct mu_command_key *ret_key)
{
        ret_key->version = version;
        mu_device_key_derive(mu_secrets_hmac_master(secrets), MU_SECRET_MASTER_BYTES, device_id,
                             version, ret_key->bytes);
}

void mu_command_key_wipe(struct mu_command_key *key)
{
        OPENSSL_cleanse(key, sizeof(*key));
}
