/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session.h - sessions: a login and everything refreshed from it.
 *
 *   login ─▶ session, refresh token t0 ─refresh─▶ t1 ─refresh─▶ t2 …      t(n+1) = HMAC(key, t(n))
 *                                  │ t0 again within 10 s: another tab; the same t1 (or, if that
 *                                  │ is used by now, the newest of them): still one session
 *                                  └ t0 again later: a copy. The session ends for everybody
 *
 * A successor is derived and not drawn, so it can be given out twice without being kept: only
 * digests stand in the database. It ends 30 days after the login, and 7 days after its last
 * refresh (settings).
 *
 * Units      *_s, *_us.
 * Threads    any; pg as in pg/query.h.
 * Errors     as pg/error.h; -EACCES as told. begin and refresh want an open transaction.
 */
#ifndef MUSTER_CONTROL_ACCOUNT_SESSION_H
#define MUSTER_CONTROL_ACCOUNT_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/account/account.h"
#include "identity/principal.h"
#include "identity/token.h"
#include "muster/compiler.h"

struct mu_pg;

enum mu_session_limits {
        MU_SESSION_GRACE_S = 10,
        MU_SESSIONS_PER_USER = 50, /* a login beyond ends the oldest */
        MU_USER_AGENT_BYTES_MAX = 200,
};

struct mu_session_start {
        int64_t user_id;
        const char *password_hash; /* as it was verified */
        const char *address;
        const char *user_agent; /* or NULL */
        size_t user_agent_bytes;
};

/* -EACCES: meanwhile the password was changed, or the user disabled or deleted. */
MU_MUST_CHECK
int mu_session_begin(struct mu_pg *pg, const struct mu_account *account,
                     const struct mu_session_start *start, int64_t *ret_session_id,
                     char ret_refresh_token[MU_TOKEN_BYTES]);

enum mu_refresh_outcome {
        MU_REFRESHED,
        MU_REFRESH_UNKNOWN, /* no such token, session ended or expired, user disabled */
        MU_REFRESH_REUSED,  /* a copy: the session was ended */
};

struct mu_refreshed {
        struct mu_principal who; /* REFRESHED and REUSED */
        char token[MU_TOKEN_BYTES];
};

/* Commit on every outcome. */
MU_MUST_CHECK
int mu_session_refresh(struct mu_pg *pg, const struct mu_account *account, const char *token,
                       size_t token_bytes, enum mu_refresh_outcome *ret_outcome,
                       struct mu_refreshed *ret_refreshed);

/* Ends one, of this user; *ret_found: it was there (ended before or now). by: a literal. */
MU_MUST_CHECK
int mu_session_end(struct mu_pg *pg, int64_t user_id, int64_t session_id, const char *by,
                   bool *ret_found);
/* Ends all but one (0: all). */
MU_MUST_CHECK
int mu_session_end_others(struct mu_pg *pg, int64_t user_id, int64_t session_id, const char *by);

#endif
