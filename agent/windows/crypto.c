/* SPDX-License-Identifier: Apache-2.0 */
#include "windows/crypto.h"

#include <windows.h> /* before all others of Windows */

#include <bcrypt.h>
#include <errno.h>

#include "base/assert.h"

static void hash(ULONG flags, const void *key, size_t key_bytes, const void *data, size_t bytes,
                 uint8_t ret[MU_COMMAND_SHA256_BYTES])
{
        BCRYPT_ALG_HANDLE algorithm = NULL;
        BCRYPT_HASH_HANDLE state = NULL;

        MU_ASSERT(bytes <= ULONG_MAX && key_bytes <= ULONG_MAX);
        MU_ASSERT(BCryptOpenAlgorithmProvider(&algorithm, BCRYPT_SHA256_ALGORITHM, NULL, flags) >=
                  0);
        /* The library's interface takes no const; it changes neither. */
        MU_ASSERT(BCryptCreateHash(algorithm, &state, NULL, 0, (PUCHAR)(uintptr_t)key,
                                   (ULONG)key_bytes, 0) >= 0);
        MU_ASSERT(BCryptHashData(state, (PUCHAR)(uintptr_t)data, (ULONG)bytes, 0) >= 0);
        MU_ASSERT(BCryptFinishHash(state, ret, MU_COMMAND_SHA256_BYTES, 0) >= 0);
        (void)BCryptDestroyHash(state);
        (void)BCryptCloseAlgorithmProvider(algorithm, 0);
}

static void sha256(const void *data, size_t bytes, uint8_t ret[MU_COMMAND_SHA256_BYTES])
{
        hash(0, NULL, 0, data, bytes, ret);
}

static void hmac_sha256(const uint8_t key[MU_COMMAND_KEY_BYTES], const void *data, size_t bytes,
                        uint8_t ret[MU_COMMAND_SIGNATURE_BYTES])
{
        hash(BCRYPT_ALG_HANDLE_HMAC_FLAG, key, MU_COMMAND_KEY_BYTES, data, bytes, ret);
}

const struct mu_agent_crypto *mu_windows_crypto(void)
{
        static const struct mu_agent_crypto crypto = {
                .command = {.sha256 = sha256, .hmac_sha256 = hmac_sha256},
        };

        return &crypto;
}
