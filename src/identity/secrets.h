/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secrets.h - the appliance's own secrets: files in DATA_DIR/secrets, made at first start.
 *
 *   admin-key       what X-Admin-Key must carry: "ma_" and 256 random bits in base62
 *   admin-password  the first user's password, readable; used once, when there is no user yet
 *   hmac-master     32 random bytes in base64: other keys are derived from it
 *   jwt-secret      32 random bytes in base64: operators' access tokens are signed with it. A
 * second line, once it was rotated: the one before, still good for verifying
 *
 * admin-password is made together with jwt-secret, that is at the first start, and when a first
 * user needs one. Removing it later is fine, and wise.
 * The folder is 0700, each file 0600 and ends in a newline (which does not count).
 *
 * Units      bytes.
 * Threads    open, close: one. The rest: any; rotations wait for each other.
 * Ownership  Keys are wiped on close.
 * Errors     negative errno and a sentence naming the file: unreadable, too open to others
 * (-EPERM), too short, malformed or obviously not random (-EBADMSG).
 */
#ifndef MUSTER_IDENTITY_SECRETS_H
#define MUSTER_IDENTITY_SECRETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "muster/compiler.h"

struct mu_jwt_keys;
struct mu_secrets;

enum mu_secrets_limits {
        MU_SECRET_MASTER_BYTES = 32,
        MU_SECRET_KEY_BYTES = 32,
        MU_SECRET_ERROR_BYTES = 320,
};

/* directory: DATA_DIR/secrets. Missing files are made. error: MU_SECRET_ERROR_BYTES. */
MU_MUST_CHECK
int mu_secrets_open(const char *directory, struct mu_secrets **ret_secrets, char *error);
void mu_secrets_close(struct mu_secrets *secrets); /* NULL is a no-op */

/* In constant time. */
bool mu_secrets_admin_key_matches(const struct mu_secrets *secrets, const char *key,
                                  size_t key_chars);
const uint8_t *mu_secrets_hmac_master(const struct mu_secrets *secrets);

/* A key for one purpose, from hmac-master by HKDF-SHA-256: the same label gives the same key. */
void mu_secrets_derive(const struct mu_secrets *secrets, const char *label,
                       uint8_t ret_key[MU_SECRET_KEY_BYTES]);

/* The first user's password, read anew, made if there is none; to be wiped and freed. */
MU_MUST_CHECK
int mu_secrets_admin_password(const struct mu_secrets *secrets, char **ret_password, char *error);

struct mu_jwt_keys *mu_secrets_jwt_keys(const struct mu_secrets *secrets);
/* A new key signs from here on, the one before still verifies. The file first. */
MU_MUST_CHECK
int mu_secrets_rotate_jwt(struct mu_secrets *secrets, char *error);

#endif
