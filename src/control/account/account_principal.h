/* SPDX-License-Identifier: Apache-2.0 */
/*
 * account_principal.h - from a proved session or a presented API token to who is asking, now.
 *
 * The role is the one in the database at this moment, not the one in the access token: a demoted or
 * disabled user, an ended session, a revoked token count from the next request on.
 *
 * Threads    any; pg as in pg/query.h. One statement each, in or outside of a transaction.
 * Errors     -ENOENT: nobody (ended, expired, revoked, disabled, unknown); else as pg/error.h.
 */
#ifndef MUSTER_CONTROL_ACCOUNT_PRINCIPAL_H
#define MUSTER_CONTROL_ACCOUNT_PRINCIPAL_H

#include <stdint.h>

#include "identity/principal.h"
#include "muster/compiler.h"

struct mu_digest;
struct mu_pg;

/* Ids from an access token that verified (identity/jwt.h). */
MU_MUST_CHECK
int mu_account_principal_by_session(struct mu_pg *pg, int64_t session_id, int64_t user_id,
                                    struct mu_principal *ret_who);

/* digest of a token "mp_...". Notes the use, at most once a minute. Its role is the lesser of the
 * token's and its creator's. */
MU_MUST_CHECK
int mu_account_principal_by_api_token(struct mu_pg *pg, const struct mu_digest *digest,
                                      struct mu_principal *ret_who);

#endif
