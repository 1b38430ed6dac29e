/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/device_key.h"

#include <openssl/base64.h>
#include <openssl/digest.h>
#include <openssl/hkdf.h>
#include <string.h>

#include "base/assert.h"

static const char label[] = "muster device command key";

static size_t put_big_endian(uint8_t *to, uint64_t value, size_t bytes)
{
        for (size_t i = 0; i < bytes; i++)
                to[i] = (uint8_t)(value >> (8 * (bytes - 1 - i)));
        return bytes;
}

void mu_device_key_derive(const void *master, size_t master_bytes, int64_t device_id,
                          uint32_t version, uint8_t ret_key[MU_DEVICE_KEY_BYTES])
{
        uint8_t info[sizeof(label) + 8 + 4]; /* the label with its NUL, device id, version */
        size_t at = sizeof(label);

        MU_ASSERT(master_bytes >= MU_DEVICE_KEY_MASTER_BYTES_MIN && device_id > 0);
        memcpy(info, label, sizeof(label));
        at += put_big_endian(info + at, (uint64_t)device_id, 8);
        at += put_big_endian(info + at, version, 4);
        int done = HKDF(ret_key, MU_DEVICE_KEY_BYTES, EVP_sha256(), master, master_bytes, NULL, 0,
                        info, at);

        MU_ASSERT(done == 1);
}

void mu_device_key_text(const uint8_t key[MU_DEVICE_KEY_BYTES],
                        char ret_text[MU_DEVICE_KEY_TEXT_BYTES])
{
        size_t chars = EVP_EncodeBlock((uint8_t *)ret_text, key, MU_DEVICE_KEY_BYTES);

        MU_ASSERT(chars == MU_DEVICE_KEY_TEXT_BYTES - 1);
}
