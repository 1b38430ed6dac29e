/* SPDX-License-Identifier: Apache-2.0 */
/*
 * command_sign.h - the server's side of include/muster/command.h: BoringSSL, and a device's keys.
 *
 * Threads    any. Errors: none; no randomness left is an abort.
 */
#ifndef MUSTER_IDENTITY_COMMAND_SIGN_H
#define MUSTER_IDENTITY_COMMAND_SIGN_H

#include <stdint.h>

#include "muster/command.h"

struct mu_secrets;

extern const struct mu_command_crypto mu_command_crypto_boringssl;

/* The device's key of that version; wipe it after use (mu_command_key_wipe). */
void mu_command_key_of(const struct mu_secrets *secrets, int64_t device_id, uint32_t version,
                       struct mu_command_key *ret_key);
void mu_command_key_wipe(struct mu_command_key *key);

#endif
