/* SPDX-License-Identifier: Apache-2.0 */
/*
 * account_ask.h - what the handlers of this folder share.
 *
 * Threads    a handler's worker.
 * Errors     a helper that returns false has answered the call; an open transaction is rolled back.
 */
#ifndef MUSTER_CONTROL_ACCOUNT_ACCOUNT_ASK_H
#define MUSTER_CONTROL_ACCOUNT_ACCOUNT_ASK_H

#include <stdbool.h>
#include <stdint.h>

#include "control/endpoint.h"
#include "control/security/security_event.h"
#include "identity/password.h"
#include "muster/compiler.h"

/* ---- bcrypt, within its bound (503 beyond) ---- */

MU_MUST_CHECK
bool mu_account_hash(struct mu_ask *ask, const char *password,
                     char ret_hash[MU_PASSWORD_HASH_BYTES]);
/* hash NULL or none of bcrypt's: takes as long, never matches. */
MU_MUST_CHECK
bool mu_account_verify(struct mu_ask *ask, const char *password, const char *hash,
                       bool *ret_matches);
/* A new password must not be too easy (400, naming the field). */
MU_MUST_CHECK
bool mu_account_accept_password(struct mu_ask *ask, const char *field, const char *password,
                                const char *user_name);

/* ---- transactions of MU_ENDPOINT_OWN_TRANSACTION ---- */

/* Answers (503 or 500) and rolls back. error: of the last step on ask->pg. */
void mu_account_failed(struct mu_ask *ask, int error);
/* The same if it is one; 0: goes on. */
MU_MUST_CHECK
bool mu_account_ok(struct mu_ask *ask, int error);
MU_MUST_CHECK
bool mu_account_begin(struct mu_ask *ask);
MU_MUST_CHECK
bool mu_account_commit(struct mu_ask *ask);

/* ---- small ones ---- */

/* From here on the call is this principal's: for the audit log. */
void mu_account_now_known(struct mu_ask *ask, const struct mu_principal *who);
/* 429: this name is locked for so long. */
void mu_account_refuse_locked(struct mu_ask *ask, uint32_t retry_s);
/* A security event from this call's address. user: a user's name, or NULL; what: a literal. */
void mu_account_event(struct mu_ask *ask, enum mu_security_event kind, const char *user,
                      const char *what);

/* ---- the cookie of the refresh token ---- */

struct mu_slice mu_account_cookie(const struct mu_ask *ask);
void mu_account_set_cookie(struct mu_ask *ask, const char *token, int64_t life_s);
/* Tells a browser that has one to forget it. */
void mu_account_clear_cookie(struct mu_ask *ask);

#endif
