/* SPDX-License-Identifier: Apache-2.0 */
/*
 * password.h - people's passwords: bcrypt ($2b$, libxcrypt), and what a password must be.
 *
 * Hashing takes about 0.2 s of a core at cost 12, by intent: on a worker, never on an event loop.
 *
 * Long ones  bcrypt reads 72 bytes. A longer password is first made into 44 characters: base64 of
 *            SHA-256 over "muster password", a NUL and the password. The label keeps a digest that
 *            leaked elsewhere from being a password here.
 * Units      bytes of UTF-8; a character is a code point; cost: log2 of bcrypt's rounds.
 * Threads    any.
 * Ownership  nothing is kept; copies of the password are wiped.
 * Errors     negative errno: -EINVAL (a NUL, too long), -EBADMSG (no bcrypt hash), -ENOMEM.
 */
#ifndef MUSTER_IDENTITY_PASSWORD_H
#define MUSTER_IDENTITY_PASSWORD_H

#include <stdbool.h>
#include <stddef.h>

#include "muster/compiler.h"

enum mu_password_limits {
        MU_PASSWORD_CHARS_MIN = 10,
        MU_PASSWORD_CHARS_MAX = 256,
        MU_PASSWORD_BYTES_MAX = 4 * MU_PASSWORD_CHARS_MAX,
        MU_PASSWORD_HASH_BYTES = 61, /* "$2b$12$", 22 of salt, 31 of hash, NUL */
        MU_PASSWORD_COST_MIN = 4,    /* for tests; the setting says what is sensible */
        MU_PASSWORD_COST_MAX = 16,
};

MU_MUST_CHECK
int mu_password_hash(const char *password, size_t bytes, unsigned cost,
                     char ret_hash[MU_PASSWORD_HASH_BYTES]);

/* In constant time. A password that hash could not have been made of does not match. */
MU_MUST_CHECK
int mu_password_verify(const char *password, size_t bytes, const char *hash, bool *ret_matches);

/* Takes as long as verify against a hash of this cost, and never matches: for unknown names. */
MU_MUST_CHECK
int mu_password_verify_nobody(const char *password, size_t bytes, unsigned cost);

/* The hash was made with another cost: hash again while the password is at hand. */
bool mu_password_hash_is_stale(const char *hash, unsigned cost);

/* What is wrong with a new password, as a sentence; NULL: nothing. */
const char *mu_password_flaw(const char *password, size_t bytes, const char *user_name);

#endif
