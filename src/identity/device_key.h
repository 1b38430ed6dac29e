/* SPDX-License-Identifier: Apache-2.0 */
/*
 * device_key.h - the HMAC key that commands to one device are signed with.
 *
 * HKDF-SHA-256 (RFC 5869) from the appliance's master secret, the device id and the key version:
 * one extracted key commands one device, and nothing has to be stored.
 *
 * Units      bytes. Threads: any. Errors: none for a master of 32 bytes or more.
 */
#ifndef MUSTER_IDENTITY_DEVICE_KEY_H
#define MUSTER_IDENTITY_DEVICE_KEY_H

#include <stddef.h>
#include <stdint.h>

enum mu_device_key_sizes {
        MU_DEVICE_KEY_BYTES = 32,
        MU_DEVICE_KEY_TEXT_BYTES = 45, /* base64 with padding and NUL */
        MU_DEVICE_KEY_MASTER_BYTES_MIN = 32,
};

void mu_device_key_derive(const void *master, size_t master_bytes, int64_t device_id,
                          uint32_t version, uint8_t ret_key[MU_DEVICE_KEY_BYTES]);
/* Base64, as the registration reply carries it. */
void mu_device_key_text(const uint8_t key[MU_DEVICE_KEY_BYTES],
                        char ret_text[MU_DEVICE_KEY_TEXT_BYTES]);

#endif
