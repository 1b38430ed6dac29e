/* SPDX-License-Identifier: Apache-2.0 */
/*
 * command_envelope.h - writing a signed command as it travels: one JSON object, all members
 * strings. Reading one: muster/command.h.
 *
 *   {"device_id":"17","command_id":"99","type":"ping","payload":"{}","timestamp":"1732182939",
 *    "nonce":"<32 hex digits>","key_version":"1","signature":"<64 hex digits>"}
 *
 * It is the same on every path: FCM's "data", the WebSocket's "command", an item of GET
 * /v1/commands.
 *
 * Threads    any. Errors: -ENOMEM, -ENOBUFS: the text's.
 */
#ifndef MUSTER_WIRE_COMMAND_ENVELOPE_H
#define MUSTER_WIRE_COMMAND_ENVELOPE_H

#include <stddef.h>
#include <stdint.h>

#include "base/text.h"
#include "muster/command.h"
#include "muster/compiler.h"

/* Adds the object to text. ret_data_bytes (may be NULL): keys and values, without punctuation. */
MU_MUST_CHECK
int mu_command_envelope_write(const struct mu_command_form *form,
                              const uint8_t signature[MU_COMMAND_SIGNATURE_BYTES],
                              struct mu_text *text, size_t *ret_data_bytes);

#endif
