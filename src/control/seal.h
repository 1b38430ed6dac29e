/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seal.h - what rests in the database but must not be read there: AES-256-GCM, a random nonce in
 * front, bound to where it belongs (associated data), under a key from secrets/ for one purpose.
 *
 * Units      bytes.
 * Threads    any.
 * Ownership  what is returned is malloc's; wipe it where it is a secret.
 * Errors     -ENOMEM; -EBADMSG: another key, another place, or damaged.
 */
#ifndef MUSTER_CONTROL_SEAL_H
#define MUSTER_CONTROL_SEAL_H

#include <stddef.h>
#include <stdint.h>

#include "muster/compiler.h"

enum {
        MU_SEAL_KEY_BYTES = 32,
        MU_SEAL_MORE_BYTES = 28, /* sealed is so much longer */
};

MU_MUST_CHECK
int mu_seal(const uint8_t key[MU_SEAL_KEY_BYTES], const void *bound_to, size_t bound_bytes,
            const void *plain, size_t plain_bytes, uint8_t **ret_sealed, size_t *ret_bytes);
/* *ret_plain ends in a NUL that does not count. */
MU_MUST_CHECK
int mu_unseal(const uint8_t key[MU_SEAL_KEY_BYTES], const void *bound_to, size_t bound_bytes,
              const void *sealed, size_t sealed_bytes, char **ret_plain, size_t *ret_bytes);

#endif
