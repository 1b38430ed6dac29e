/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lockout.h - failed logins of a name slow down and then lock it for a while.
 *
 *   failures in a row    1 … n-1   n      n+1     n+2    …           (n = lock_failures, 5)
 *   locked for           -         base   2·base  4·base …  max      (15 s … 15 min)
 *
 * While a name is locked its tries are refused unread and do not count, so the lock ends by itself.
 * A success, a reset or an administrator clears it; so do 24 h without a failure. Names are counted
 * whether or not somebody has them: a lock tells nothing. At the most 65,536 names; then the one
 * that failed longest ago is forgotten.
 *
 * Logins of one name that run at the same moment are each looked at before the others' failures
 * count: bcrypt's bound (account.h) is how many more than n may be tried.
 *
 * Units      *_s. Threads: any; pg as in pg/query.h.
 * Errors     as pg/error.h.
 */
#ifndef MUSTER_CONTROL_ACCOUNT_LOCKOUT_H
#define MUSTER_CONTROL_ACCOUNT_LOCKOUT_H

#include <stdint.h>

#include "control/account/account.h"
#include "identity/token.h"
#include "muster/compiler.h"

struct mu_pg;

/* Of the name in lower case (ASCII). */
void mu_lockout_key(const char *name, struct mu_digest *ret_key);

/* *ret_retry_s: 0, or how long it is still locked. */
MU_MUST_CHECK
int mu_lockout_look(struct mu_pg *pg, const struct mu_digest *key, uint32_t *ret_retry_s);
/* One more failure; *ret_retry_s: how long the name is locked now. */
MU_MUST_CHECK
int mu_lockout_fail(struct mu_pg *pg, const struct mu_account_config *config,
                    const struct mu_digest *key, uint32_t *ret_retry_s);
MU_MUST_CHECK
int mu_lockout_clear(struct mu_pg *pg, const struct mu_digest *key);

#endif
