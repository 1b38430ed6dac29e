/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secrets.h - the appliance's own secrets: files in DATA_DIR/secrets, made at first start.
 *
 *   admin-key       what X-Admin-Key must carry: "ma_" and 256 random bits in base62
 *   hmac-master     32 random bytes in base64: device command keys are derived from it
 *
 * The folder is 0700, each file 0600 and ends in a newline (which does not count).
 *
 * Units      bytes.
 * Threads    open, close: one. matches: any.
 * Ownership  Keys are wiped on close.
 * Errors     negative errno and a sentence naming the file: unreadable, too open to others
 * (-EPERM), too short or malformed (-EBADMSG).
 */
#ifndef MUSTER_IDENTITY_SECRETS_H
#define MUSTER_IDENTITY_SECRETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "muster/compiler.h"

struct mu_secrets;

enum mu_secrets_limits {
        MU_SECRET_MASTER_BYTES = 32,
        MU_SECRET_ERROR_BYTES = 256,
};

/* directory: DATA_DIR/secrets. Missing files are made. error: MU_SECRET_ERROR_BYTES. */
MU_MUST_CHECK
int mu_secrets_open(const char *directory, struct mu_secrets **ret_secrets, char *error);
void mu_secrets_close(struct mu_secrets *secrets); /* NULL is a no-op */

/* In constant time. */
bool mu_secrets_admin_key_matches(const struct mu_secrets *secrets, const char *key,
                                  size_t key_chars);
const uint8_t *mu_secrets_hmac_master(const struct mu_secrets *secrets);

#endif
