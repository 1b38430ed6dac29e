/* SPDX-License-Identifier: Apache-2.0 */
#include "control/account/session.h"

#include <errno.h>
#include <openssl/digest.h>
#include <openssl/hmac.h>
#include <openssl/mem.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "pg/query.h"

enum {
        CHAIN_MAX = 64, /* refreshes of one session within the grace; one a tab is usual */
};

/* ---- beginning ---- */

/* The user's row is locked first: a reset that comes in between is seen, or sees this session. */
static const struct mu_pg_statement INSERT_SESSION = {
        .name = "session_insert",
        .sql = "WITH u AS (UPDATE users SET last_login_at = now()"
               "  WHERE id = $1 AND password_hash = $2 AND disabled_at IS NULL RETURNING id),"
               " s AS (INSERT INTO sessions (user_id, expires_at, idle_expires_at, address,"
               "  user_agent) SELECT id, now() + make_interval(secs => $3),"
               "  now() + make_interval(secs => least($3, $4)), $5, $6 FROM u RETURNING id)"
               " INSERT INTO refresh_tokens (token_sha256, session_id) SELECT $7, id FROM s"
               " RETURNING session_id",
        .params = {MU_PG_INT8, MU_PG_TEXT, MU_PG_FLOAT8, MU_PG_FLOAT8, MU_PG_TEXT, MU_PG_TEXT,
                   MU_PG_BYTEA},
};

/* Ends the oldest above the limit, and forgets what ended a month ago. */
static const struct mu_pg_statement TRIM = {
        .name = "session_trim",
        .sql = "WITH surplus AS (SELECT id FROM sessions WHERE user_id = $1 AND ended_at IS NULL"
               "  AND expires_at > now() ORDER BY last_used_at DESC, id DESC OFFSET $2),"
               " ended AS (UPDATE sessions SET ended_at = now(), ended_by = 'too-many'"
               "  WHERE id IN (SELECT id FROM surplus))"
               " DELETE FROM sessions WHERE user_id = $1"
               " AND least(ended_at, expires_at) < now() - interval '30 days'",
        .params = {MU_PG_INT8, MU_PG_INT8},
};

int mu_session_begin(struct mu_pg *pg, const struct mu_account *account,
                     const struct mu_session_start *start, int64_t *ret_session_id,
                     char ret_refresh_token[MU_TOKEN_BYTES])
{
        char token[MU_TOKEN_BYTES];
        struct mu_digest digest;
        struct mu_pg_result *rows;
        size_t agent_bytes = start->user_agent_bytes < MU_USER_AGENT_BYTES_MAX
                                     ? start->user_agent_bytes
                                     : MU_USER_AGENT_BYTES_MAX;
        int error = mu_token_generate("mr_", token);

        MU_ASSERT(mu_pg_in_transaction(pg));
        if (error < 0)
                return error;
        mu_token_digest(token, MU_TOKEN_CHARS, &digest);
        error = mu_pg_query(pg, &INSERT_SESSION,
                            MU_PG_VALUES(mu_pg_int8(start->user_id),
                                         mu_pg_text(start->password_hash),
                                         mu_pg_float8(account->config.session_life_s),
                                         mu_pg_float8(account->config.session_idle_s),
                                         mu_pg_text(start->address),
                                         mu_pg_text_n(start->user_agent, agent_bytes),
                                         mu_pg_bytea(digest.bytes, sizeof(digest.bytes))),
                            &rows);
        if (error < 0)
                return error;
        int64_t session_id = mu_pg_rows(rows) == 1 ? mu_pg_get_int(rows, 0, 0) : 0;

        mu_pg_result_free(rows);
        if (session_id == 0)
                return -EACCES;
        error = mu_pg_query(
                pg, &TRIM,
                MU_PG_VALUES(mu_pg_int8(start->user_id), mu_pg_int8(MU_SESSIONS_PER_USER)), NULL);
        if (error < 0)
                return error;
        memcpy(ret_refresh_token, token, sizeof(token));
        OPENSSL_cleanse(token, sizeof(token));
        *ret_session_id = session_id;
        return 0;
}

/* ---- refreshing ---- */

/* Both rows are locked, so that both are seen as the one before left them. */
static const struct mu_pg_statement FIND = {
        .name = "refresh_find",
        .sql = "SELECT r.session_id, s.user_id, u.name, u.role,"
               " s.ended_at IS NULL AND s.expires_at > now() AND s.idle_expires_at > now()"
               " AND u.disabled_at IS NULL, r.used_at IS NOT NULL,"
               " coalesce(r.used_at > now() - make_interval(secs => $2), false)"
               " FROM refresh_tokens r JOIN sessions s ON s.id = r.session_id"
               " JOIN users u ON u.id = s.user_id WHERE r.token_sha256 = $1 FOR UPDATE OF r, s",
        .params = {MU_PG_BYTEA, MU_PG_FLOAT8},
};

static const struct mu_pg_statement ADVANCE = {
        .name = "refresh_advance",
        .sql = "WITH used AS (UPDATE refresh_tokens SET used_at = now() WHERE token_sha256 = $1),"
               " successor AS (INSERT INTO refresh_tokens (token_sha256, session_id)"
               "  VALUES ($2, $3))"
               " UPDATE sessions SET last_used_at = now(),"
               " idle_expires_at = least(expires_at, now() + make_interval(secs => $4))"
               " WHERE id = $3",
        .params = {MU_PG_BYTEA, MU_PG_BYTEA, MU_PG_INT8, MU_PG_FLOAT8},
};

static const struct mu_pg_statement IS_USED = {
        .name = "refresh_is_used",
        .sql = "SELECT used_at IS NOT NULL FROM refresh_tokens WHERE token_sha256 = $1",
        .params = {MU_PG_BYTEA},
};

static void derive_successor(const struct mu_account *account, const char token[MU_TOKEN_BYTES],
                             char ret_successor[MU_TOKEN_BYTES])
{
        uint8_t bits[MU_DIGEST_BYTES];
        unsigned bytes = 0;
        const uint8_t *done = HMAC(EVP_sha256(), account->refresh_key, sizeof(account->refresh_key),
                                   (const uint8_t *)token, MU_TOKEN_CHARS, bits, &bytes);

        MU_ASSERT(done && bytes == sizeof(bits));
        mu_token_from_bits("mr_", bits, ret_successor);
        OPENSSL_cleanse(bits, sizeof(bits));
}

static int advance(struct mu_pg *pg, const struct mu_account *account, int64_t session_id,
                   const char token[MU_TOKEN_BYTES], char ret_token[MU_TOKEN_BYTES])
{
        struct mu_digest old;
        struct mu_digest fresh;

        derive_successor(account, token, ret_token);
        mu_token_digest(token, MU_TOKEN_CHARS, &old);
        mu_token_digest(ret_token, MU_TOKEN_CHARS, &fresh);
        return mu_pg_query(pg, &ADVANCE,
                           MU_PG_VALUES(mu_pg_bytea(old.bytes, sizeof(old.bytes)),
                                        mu_pg_bytea(fresh.bytes, sizeof(fresh.bytes)),
                                        mu_pg_int8(session_id),
                                        mu_pg_float8(account->config.session_idle_s)),
                           NULL);
}

/* The newest of those that came from token: the one that is not used yet. -ENOENT: none. */
static int follow(struct mu_pg *pg, const struct mu_account *account,
                  const char token[MU_TOKEN_BYTES], char ret_token[MU_TOKEN_BYTES])
{
        char at[MU_TOKEN_BYTES];
        bool used = true;
        int error = 0;

        memcpy(at, token, sizeof(at));
        for (int i = 0; error == 0 && used && i < CHAIN_MAX; i++) {
                struct mu_digest digest;
                struct mu_pg_result *rows;

                derive_successor(account, at, ret_token);
                memcpy(at, ret_token, sizeof(at));
                mu_token_digest(at, MU_TOKEN_CHARS, &digest);
                error = mu_pg_query(pg, &IS_USED,
                                    MU_PG_VALUES(mu_pg_bytea(digest.bytes, sizeof(digest.bytes))),
                                    &rows);
                if (error < 0)
                        break;
                if (mu_pg_rows(rows) == 1)
                        used = mu_pg_get_bool(rows, 0, 0);
                else
                        error = -ENOENT;
                mu_pg_result_free(rows);
        }
        OPENSSL_cleanse(at, sizeof(at));
        return error == 0 && used ? -ENOENT : error;
}

/* What stands in FIND's row; false: nobody may refresh with it. */
static bool read_found(const struct mu_pg_result *rows, struct mu_principal *ret_who)
{
        if (mu_pg_rows(rows) != 1 || !mu_pg_get_bool(rows, 0, 4))
                return false;
        *ret_who = (struct mu_principal){.kind = MU_PRINCIPAL_USER,
                                         .role = mu_role_parse(mu_pg_get_text(rows, 0, 3)),
                                         .id = mu_pg_get_int(rows, 0, 1),
                                         .session_id = mu_pg_get_int(rows, 0, 0)};
        (void)snprintf(ret_who->name, sizeof(ret_who->name), "%s", mu_pg_get_text(rows, 0, 2));
        return true;
}

static int carry_out(struct mu_pg *pg, const struct mu_account *account,
                     const char token[MU_TOKEN_BYTES], const struct mu_pg_result *rows,
                     enum mu_refresh_outcome *ret_outcome, struct mu_refreshed *ret_refreshed)
{
        bool found;
        int error = 0;

        *ret_outcome = MU_REFRESH_UNKNOWN;
        if (!read_found(rows, &ret_refreshed->who))
                return 0;
        if (!mu_pg_get_bool(rows, 0, 5)) {
                error = advance(pg, account, ret_refreshed->who.session_id, token,
                                ret_refreshed->token);
                *ret_outcome = MU_REFRESHED;
                return error;
        }
        if (mu_pg_get_bool(rows, 0, 6)) {
                error = follow(pg, account, token, ret_refreshed->token);
                if (error != -ENOENT) {
                        *ret_outcome = MU_REFRESHED;
                        return error;
                }
        }
        *ret_outcome = MU_REFRESH_REUSED;
        return mu_session_end(pg, ret_refreshed->who.id, ret_refreshed->who.session_id,
                              "refresh-reuse", &found);
}

int mu_session_refresh(struct mu_pg *pg, const struct mu_account *account, const char *token,
                       size_t token_bytes, enum mu_refresh_outcome *ret_outcome,
                       struct mu_refreshed *ret_refreshed)
{
        char text[MU_TOKEN_BYTES];
        struct mu_digest digest;
        struct mu_pg_result *rows;

        MU_ASSERT(mu_pg_in_transaction(pg));
        if (token_bytes != MU_TOKEN_CHARS || memcmp(token, "mr_", 3) != 0) {
                *ret_outcome = MU_REFRESH_UNKNOWN;
                return 0;
        }
        memcpy(text, token, MU_TOKEN_CHARS);
        text[MU_TOKEN_CHARS] = '\0';
        mu_token_digest(text, MU_TOKEN_CHARS, &digest);
        int error = mu_pg_query(pg, &FIND,
                                MU_PG_VALUES(mu_pg_bytea(digest.bytes, sizeof(digest.bytes)),
                                             mu_pg_float8(MU_SESSION_GRACE_S)),
                                &rows);

        if (error < 0)
                return error;
        error = carry_out(pg, account, text, rows, ret_outcome, ret_refreshed);
        mu_pg_result_free(rows);
        OPENSSL_cleanse(text, sizeof(text));
        return error;
}

/* ---- ending ---- */

static const struct mu_pg_statement END = {
        .name = "session_end",
        .sql = "UPDATE sessions SET ended_at = coalesce(ended_at, now()),"
               " ended_by = coalesce(ended_by, $3) WHERE id = $2 AND user_id = $1 RETURNING id",
        .params = {MU_PG_INT8, MU_PG_INT8, MU_PG_TEXT},
        .repeatable = true,
};

static const struct mu_pg_statement END_OTHERS = {
        .name = "session_end_others",
        .sql = "UPDATE sessions SET ended_at = now(), ended_by = $3"
               " WHERE user_id = $1 AND id <> $2 AND ended_at IS NULL",
        .params = {MU_PG_INT8, MU_PG_INT8, MU_PG_TEXT},
        .repeatable = true,
};

int mu_session_end(struct mu_pg *pg, int64_t user_id, int64_t session_id, const char *by,
                   bool *ret_found)
{
        struct mu_pg_result *rows;
        int error = mu_pg_query(
                pg, &END, MU_PG_VALUES(mu_pg_int8(user_id), mu_pg_int8(session_id), mu_pg_text(by)),
                &rows);

        if (error < 0)
                return error;
        *ret_found = mu_pg_rows(rows) == 1;
        mu_pg_result_free(rows);
        return 0;
}

int mu_session_end_others(struct mu_pg *pg, int64_t user_id, int64_t session_id, const char *by)
{
        return mu_pg_query(
                pg, &END_OTHERS,
                MU_PG_VALUES(mu_pg_int8(user_id), mu_pg_int8(session_id), mu_pg_text(by)), NULL);
}
