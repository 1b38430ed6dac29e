/* SPDX-License-Identifier: Apache-2.0 */
#include "control/account/self_api.h"

#include <openssl/mem.h>
#include <stdio.h>
#include <string.h>

#include "control/account/account_ask.h"
#include "control/account/account_sql.h"
#include "control/account/lockout.h"
#include "control/account/session.h"
#include "control/account/user_shape.h"
#include "control/cell.h"

/* ---- shapes ---- */

static const struct mu_field PASSWORD_FIELDS[] = {
        {.name = "old_password",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED | MU_FIELD_SECRET,
         .least = 1,
         .most = 1024,
         .doc = "The password so far."},
        {.name = "new_password",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED | MU_FIELD_SECRET,
         .least = 1,
         .most = 1024,
         .doc = "At least 10 characters, and not one that everybody tries."},
};

static const struct mu_field SESSION_FIELDS[] = {
        {.name = "id", .type = MU_FIELD_ID, .flags = MU_FIELD_REQUIRED, .doc = "The session's id."},
        {.name = "created_at",
         .type = MU_FIELD_TIME,
         .flags = MU_FIELD_REQUIRED,
         .doc = "When it was opened."},
        {.name = "last_used_at",
         .type = MU_FIELD_TIME,
         .flags = MU_FIELD_REQUIRED,
         .doc = "Login or last refresh."},
        {.name = "expires_at",
         .type = MU_FIELD_TIME,
         .flags = MU_FIELD_REQUIRED,
         .doc = "When it ends unless it is refreshed."},
        {.name = "address",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED,
         .doc = "Where it was opened from."},
        {.name = "user_agent",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED | MU_FIELD_NULLABLE,
         .doc = "The program that opened it, as it called itself."},
        {.name = "current",
         .type = MU_FIELD_BOOLEAN,
         .flags = MU_FIELD_REQUIRED,
         .doc = "It is the one that asks."},
};
static const struct mu_shape SESSION = MU_SHAPE("Session", SESSION_FIELDS);

static const struct mu_field SESSIONS_FIELDS[] = {
        {.name = "sessions",
         .type = MU_FIELD_LIST,
         .flags = MU_FIELD_REQUIRED,
         .shape = &SESSION,
         .doc = "The open ones, last used first."},
};

static const struct mu_shape PASSWORD = MU_SHAPE("PasswordChange", PASSWORD_FIELDS);
static const struct mu_shape SESSIONS = MU_SHAPE("Sessions", SESSIONS_FIELDS);

/* ---- GET /api/auth/me ---- */

static void show_me(struct mu_ask *ask)
{
        struct mu_pg_result *rows;

        if (!mu_ask_query(ask, &mu_user_show, MU_PG_VALUES(mu_pg_int8(ask->who.id)), &rows))
                return;
        if (mu_pg_rows(rows) == 1)
                mu_ask_reply(ask, 200, mu_user_json(rows, 0));
        else
                mu_ask_not_found(ask, "user");
        mu_pg_result_free(rows);
}

/* ---- POST /api/auth/password ---- */

static const struct mu_pg_statement HASH_OF = {
        .name = "user_hash",
        .sql = "SELECT password_hash FROM users WHERE id = $1",
        .params = {MU_PG_INT8},
        .repeatable = true,
};

static bool read_hash(struct mu_ask *ask, char ret_hash[MU_PASSWORD_HASH_BYTES])
{
        struct mu_pg_result *rows;

        if (!mu_ask_query(ask, &HASH_OF, MU_PG_VALUES(mu_pg_int8(ask->who.id)), &rows))
                return false;
        bool found = mu_pg_rows(rows) == 1;

        if (found)
                (void)snprintf(ret_hash, MU_PASSWORD_HASH_BYTES, "%s", mu_pg_get_text(rows, 0, 0));
        else
                mu_ask_not_found(ask, "user");
        mu_pg_result_free(rows);
        return found;
}

/* Whoever holds a stolen access token may not try passwords without end either. */
static bool check_old(struct mu_ask *ask, const struct mu_digest *lock, const char *hash)
{
        uint32_t locked_s;
        bool matches;

        if (!mu_account_ok(ask, mu_lockout_look(ask->pg, lock, &locked_s)))
                return false;
        if (locked_s > 0) {
                mu_account_refuse_locked(ask, locked_s);
                return false;
        }
        if (!mu_account_verify(ask, mu_json_text(ask->body, "old_password"), hash, &matches))
                return false;
        if (matches)
                return true;
        if (mu_account_ok(ask, mu_lockout_fail(ask->pg, &ask->control->account->config, lock,
                                               &locked_s))) {
                mu_account_event(ask, MU_SECURITY_LOGIN_FAILED, ask->who.name,
                                 "wrong old password");
                if (locked_s > 0)
                        mu_account_event(ask, MU_SECURITY_LOCKOUT, ask->who.name,
                                         "too many wrong passwords in a row");
                mu_call_problem(ask->call, 403, "old-password", "old_password",
                                "The old password is wrong.");
        }
        return false;
}

static void store_password(struct mu_ask *ask, const struct mu_digest *lock, const char *old_hash,
                           const char *new_hash)
{
        struct mu_pg_result *rows;

        if (!mu_account_begin(ask) ||
            !mu_account_ok(ask,
                           mu_pg_query(ask->pg, &mu_user_set_password,
                                       MU_PG_VALUES(mu_pg_int8(ask->who.id), mu_pg_text(new_hash),
                                                    mu_pg_text(old_hash), mu_pg_bool(false)),
                                       &rows)))
                return;
        bool stored = mu_pg_rows(rows) == 1;

        mu_pg_result_free(rows);
        if (!stored) {
                mu_pg_rollback(ask->pg);
                mu_call_problem(ask->call, 409, "password-changed", NULL,
                                "The password was changed by somebody else at this moment.");
                return;
        }
        if (mu_account_ok(ask, mu_pg_query(ask->pg, &mu_user_drop_resets,
                                           MU_PG_VALUES(mu_pg_int8(ask->who.id)), NULL)) &&
            mu_account_ok(ask, mu_session_end_others(ask->pg, ask->who.id, ask->who.session_id,
                                                     "password")) &&
            mu_account_ok(ask, mu_lockout_clear(ask->pg, lock)) &&
            mu_ask_audit(ask, "user.password", "user", ask->who.id, NULL, NULL) &&
            mu_account_commit(ask))
                mu_ask_reply_empty(ask, 204);
        mu_pg_rollback(ask->pg);
}

static void change_password(struct mu_ask *ask)
{
        const char *password = mu_json_text(ask->body, "new_password");
        char old_hash[MU_PASSWORD_HASH_BYTES];
        char new_hash[MU_PASSWORD_HASH_BYTES];
        struct mu_digest lock;

        mu_lockout_key(ask->who.name, &lock);
        if (!read_hash(ask, old_hash) || !check_old(ask, &lock, old_hash) ||
            !mu_account_accept_password(ask, "new_password", password, ask->who.name) ||
            !mu_account_hash(ask, password, new_hash))
                return;
        store_password(ask, &lock, old_hash, new_hash);
        OPENSSL_cleanse(old_hash, sizeof(old_hash));
        OPENSSL_cleanse(new_hash, sizeof(new_hash));
}

/* ---- sessions ---- */

static const struct mu_pg_statement LIST_SESSIONS = {
        .name = "session_list",
        .sql = "SELECT id, created_at, last_used_at, least(expires_at, idle_expires_at), address,"
               " user_agent FROM sessions WHERE user_id = $1 AND ended_at IS NULL"
               " AND expires_at > now() AND idle_expires_at > now()"
               " ORDER BY last_used_at DESC, id DESC",
        .params = {MU_PG_INT8},
        .repeatable = true,
};

static json_t *session_json(const struct mu_pg_result *rows, size_t row, int64_t current_id)
{
        int64_t id = mu_pg_get_int(rows, row, 0);

        return json_pack("{s:o, s:o, s:o, s:o, s:s, s:o, s:b}", "id", mu_json_of_id(id),
                         "created_at", mu_json_of_time(mu_pg_get_timestamptz(rows, row, 1)),
                         "last_used_at", mu_json_of_time(mu_pg_get_timestamptz(rows, row, 2)),
                         "expires_at", mu_json_of_time(mu_pg_get_timestamptz(rows, row, 3)),
                         "address", mu_pg_get_text(rows, row, 4), "user_agent",
                         mu_cell_text(rows, row, 5), "current", (int)(id == current_id));
}

static void list_sessions(struct mu_ask *ask)
{
        struct mu_pg_result *rows;
        json_t *list = json_array();
        bool whole = list != NULL;

        if (!mu_ask_query(ask, &LIST_SESSIONS, MU_PG_VALUES(mu_pg_int8(ask->who.id)), &rows)) {
                json_decref(list);
                return;
        }
        for (size_t i = 0; whole && i < mu_pg_rows(rows); i++)
                whole = json_array_append_new(list, session_json(rows, i, ask->who.session_id)) ==
                        0;
        mu_pg_result_free(rows);
        if (!whole) {
                json_decref(list);
                list = NULL;
        }
        mu_ask_reply(ask, 200, list ? json_pack("{s:o}", "sessions", list) : NULL);
}

static void end_session(struct mu_ask *ask)
{
        int64_t id;
        bool found;

        if (!mu_ask_id(ask, "id", "session", &id) ||
            !mu_account_ok(ask, mu_session_end(ask->pg, ask->who.id, id, "logout", &found)))
                return;
        if (!found)
                mu_ask_not_found(ask, "session");
        else if (mu_ask_audit(ask, "session.end", "session", id, NULL, NULL))
                mu_ask_reply_empty(ask, 204);
}

/* ---- the table ---- */

static const int PASSWORD_PROBLEMS[] = {400, 403, 409, 429, 0};
static const int NOT_FOUND[] = {404, 0};

static const struct mu_endpoint ENDPOINTS[] = {
        {
                .method = "GET",
                .path = "/api/auth/me",
                .handle = show_me,
                .access = MU_ACCESS_VIEWER,
                .limit = MU_LIMIT_GENERAL,
                .reply_status = 200,
                .reply = &mu_user_shape,
                .operation_id = "getMe",
                .tag = "Your account",
                .summary = "Who is signed in",
        },
        {
                .method = "POST",
                .path = "/api/auth/password",
                .handle = change_password,
                .access = MU_ACCESS_VIEWER,
                .limit = MU_LIMIT_LOGIN,
                .flags = MU_ENDPOINT_OWN_TRANSACTION, /* a failure is counted, not rolled back */
                .body_bytes_max = 16384,
                .body = &PASSWORD,
                .reply_status = 204,
                .operation_id = "changePassword",
                .tag = "Your account",
                .summary = "Change your password",
                .doc = "Ends your other sessions; this one goes on.",
                .problems = PASSWORD_PROBLEMS,
        },
        {
                .method = "GET",
                .path = "/api/auth/sessions",
                .handle = list_sessions,
                .access = MU_ACCESS_VIEWER,
                .limit = MU_LIMIT_GENERAL,
                .reply_status = 200,
                .reply = &SESSIONS,
                .operation_id = "listSessions",
                .tag = "Your account",
                .summary = "Your open sessions",
        },
        {
                .method = "DELETE",
                .path = "/api/auth/sessions/{id}",
                .handle = end_session,
                .access = MU_ACCESS_VIEWER,
                .limit = MU_LIMIT_GENERAL,
                .reply_status = 204,
                .operation_id = "endSession",
                .tag = "Your account",
                .summary = "End one of your sessions",
                .problems = NOT_FOUND,
        },
};

const struct mu_endpoints mu_self_endpoints = MU_ENDPOINTS(ENDPOINTS);
