/* SPDX-License-Identifier: Apache-2.0 */
#include "control/account/login_api.h"

#include <errno.h>
#include <openssl/mem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "control/account/account.h"
#include "control/account/account_ask.h"
#include "control/account/account_sql.h"
#include "control/account/lockout.h"
#include "control/account/session.h"
#include "control/account/user_shape.h"
#include "control/account/ws_ticket.h"
#include "http/auth_failures.h"
#include "http/origin.h"
#include "identity/jwt.h"
#include "identity/secrets.h"

#define WRONG "The user name or the password is wrong."

/* ---- shapes ---- */

static const struct mu_field LOGIN_FIELDS[] = {
        {.name = "username",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED,
         .least = 1,
         .most = 256,
         .doc = "The user's name."},
        {.name = "password",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED | MU_FIELD_SECRET,
         .least = 1,
         .most = 1024,
         .doc = "The user's password."},
        {.name = "cookie",
         .type = MU_FIELD_BOOLEAN,
         .doc = "For browsers: the refresh token comes as an HttpOnly cookie and not in the body."},
};

static const struct mu_field REFRESH_FIELDS[] = {
        {.name = "refresh_token",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_SECRET,
         .least = 1,
         .most = 256,
         .doc = "The newest refresh token. Absent: the one in the cookie."},
};

static const struct mu_field SIGNED_IN_FIELDS[] = {
        {.name = "access_token",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED | MU_FIELD_SECRET,
         .doc = "For Authorization: Bearer."},
        {.name = "token_type",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED,
         .one_of = "Bearer",
         .doc = "How the access token is sent."},
        {.name = "expires_in_s",
         .type = MU_FIELD_INTEGER,
         .flags = MU_FIELD_REQUIRED,
         .doc = "How long the access token lives."},
        {.name = "refresh_token",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_SECRET,
         .doc = "Good for one refresh. Absent when it came as a cookie."},
        {.name = "user",
         .type = MU_FIELD_OBJECT,
         .flags = MU_FIELD_REQUIRED,
         .shape = &mu_user_shape,
         .doc = "Who signed in."},
        {.name = "password_change_advised",
         .type = MU_FIELD_BOOLEAN,
         .flags = MU_FIELD_REQUIRED,
         .doc = "Somebody else chose the password."},
};

static const struct mu_field TICKET_FIELDS[] = {
        {.name = "ticket",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED | MU_FIELD_SECRET,
         .doc = "The first message on /api/ws; good once."},
        {.name = "expires_in_s",
         .type = MU_FIELD_INTEGER,
         .flags = MU_FIELD_REQUIRED,
         .doc = "How long it can be used."},
};

static const struct mu_shape LOGIN = MU_SHAPE("Login", LOGIN_FIELDS);
static const struct mu_shape REFRESH = MU_SHAPE("Refresh", REFRESH_FIELDS);
static const struct mu_shape SIGNED_IN = MU_SHAPE("SignedIn", SIGNED_IN_FIELDS);
static const struct mu_shape TICKET = MU_SHAPE("WebSocketTicket", TICKET_FIELDS);

/* ---- the reply ---- */

static json_t *load_user(struct mu_ask *ask, int64_t id)
{
        struct mu_pg_result *rows;

        if (!mu_account_ok(
                    ask, mu_pg_query(ask->pg, &mu_user_show, MU_PG_VALUES(mu_pg_int8(id)), &rows)))
                return NULL;
        json_t *user = mu_pg_rows(rows) == 1 ? mu_user_json(rows, 0) : NULL;

        mu_pg_result_free(rows);
        if (!user)
                mu_account_failed(ask, -ENOMEM);
        return user;
}

/* user is taken. */
static void reply_signed_in(struct mu_ask *ask, const struct mu_principal *who, json_t *user,
                            const char *refresh_token, bool cookie)
{
        const struct mu_account_config *config = &ask->control->account->config;
        int64_t now_s = mu_clock_realtime_us(ask->control->config.clock) / MU_US_PER_S;
        struct mu_jwt_claims claims = {.user_id = who->id,
                                       .session_id = who->session_id,
                                       .issued_at_s = now_s,
                                       .expires_at_s = now_s + config->access_life_s,
                                       .role = who->role};
        char token[MU_JWT_BYTES];

        (void)snprintf(claims.name, sizeof(claims.name), "%s", who->name);
        int error = mu_jwt_mint(mu_secrets_jwt_keys(ask->control->config.secrets), &claims, token);

        if (error < 0) {
                json_decref(user);
                mu_control_failed(ask->control, ask->call, NULL, error);
                return;
        }
        json_t *reply = json_pack("{s:s, s:s, s:I, s:O, s:o}", "access_token", token, "token_type",
                                  "Bearer", "expires_in_s", (json_int_t)config->access_life_s,
                                  "password_change_advised",
                                  json_object_get(user, "password_change_advised"), "user", user);

        OPENSSL_cleanse(token, sizeof(token));
        if (cookie)
                mu_account_set_cookie(ask, refresh_token, config->session_life_s);
        else if (reply &&
                 json_object_set_new(reply, "refresh_token", json_string(refresh_token)) < 0) {
                json_decref(reply);
                reply = NULL;
        }
        mu_ask_reply(ask, 200, reply);
}

/* ---- cookies ---- */

/* Were it not for SameSite, a browser would send or take a cookie for any page of any site; so the
 * page must be ours, too. */
static bool is_own_page(const struct mu_ask *ask)
{
        struct mu_slice origin = mu_call_header(ask->call, "origin");
        struct mu_slice site = mu_call_header(ask->call, "sec-fetch-site");

        if (origin.data)
                return mu_origin_is_host(origin, mu_call_header(ask->call, "host"),
                                         mu_call_is_tls(ask->call));
        return site.bytes == strlen("same-origin") &&
               memcmp(site.data, "same-origin", site.bytes) == 0;
}

static void refuse_page(struct mu_ask *ask, const char *what)
{
        mu_account_event(ask, MU_SECURITY_ORIGIN_REFUSED, NULL, what);
        mu_call_problem(ask->call, 403, "origin", NULL,
                        "A cookie is given to and taken from the appliance's own pages only.");
}

/* ---- POST /api/auth/login ---- */

/* Names are ASCII. PostgreSQL's lower() makes i and k of other letters, too (U+0130, U+212A), but
 * the lock is by the name as it was typed. */
static const struct mu_pg_statement FIND_USER = {
        .name = "user_find_login",
        .sql = "SELECT id, name, role, password_hash, disabled_at IS NOT NULL FROM users"
               " WHERE lower(name) = lower($1) AND $1 ~ '^[[:ascii:]]*$'",
        .params = {MU_PG_TEXT},
        .repeatable = true,
};

static const struct mu_pg_statement REHASH = {
        .name = "user_rehash",
        .sql = "UPDATE users SET password_hash = $3 WHERE id = $1 AND password_hash = $2",
        .params = {MU_PG_INT8, MU_PG_TEXT, MU_PG_TEXT},
};

/* Whom a login is about. */
struct candidate {
        struct mu_principal who; /* id 0: nobody has that name */
        bool disabled;
        char hash[MU_PASSWORD_HASH_BYTES]; /* "" for nobody, and for who has none yet */
        struct mu_digest lock;
};

static bool find_candidate(struct mu_ask *ask, const char *name, struct candidate *candidate)
{
        struct mu_pg_result *rows;

        if (!mu_account_ok(ask,
                           mu_pg_query(ask->pg, &FIND_USER, MU_PG_VALUES(mu_pg_text(name)), &rows)))
                return false;
        if (mu_pg_rows(rows) == 1) {
                const char *hash = mu_pg_get_text(rows, 0, 3);

                candidate->who.kind = MU_PRINCIPAL_USER;
                candidate->who.id = mu_pg_get_int(rows, 0, 0);
                candidate->who.role = mu_role_parse(mu_pg_get_text(rows, 0, 2));
                candidate->disabled = mu_pg_get_bool(rows, 0, 4);
                (void)snprintf(candidate->who.name, sizeof(candidate->who.name), "%s",
                               mu_pg_get_text(rows, 0, 1));
                if (strlen(hash) < sizeof(candidate->hash))
                        memcpy(candidate->hash, hash, strlen(hash) + 1);
        }
        mu_pg_result_free(rows);
        return true;
}

/* Neither the name nor the address has failed too often; or the call is answered. */
static bool may_try(struct mu_ask *ask, const struct mu_digest *lock)
{
        struct mu_control *control = ask->control;
        uint32_t retry_s =
                mu_auth_failures_blocked(control->password_failures, mu_call_address(ask->call),
                                         mu_clock_monotonic_ns(control->config.clock));

        if (retry_s > 0) {
                mu_call_problem_retry(ask->call, 429, "authentication-rate", retry_s,
                                      "Too many failed logins from this address; try again in "
                                      "%u s.",
                                      retry_s);
                return false;
        }
        if (!mu_account_ok(ask, mu_lockout_look(ask->pg, lock, &retry_s)))
                return false;
        if (retry_s == 0)
                return true;
        mu_account_refuse_locked(ask, retry_s);
        return false;
}

/* What was typed as a name is not written down: passwords slip into that field. */
static void refuse_login(struct mu_ask *ask, const struct candidate *candidate)
{
        uint32_t locked_s;
        const char *subject = candidate->who.id ? candidate->who.name : NULL;

        if (!mu_account_ok(ask, mu_lockout_fail(ask->pg, &ask->control->account->config,
                                                &candidate->lock, &locked_s)))
                return;
        mu_account_event(ask, MU_SECURITY_LOGIN_FAILED, subject, "wrong name or password");
        if (locked_s > 0)
                mu_account_event(ask, MU_SECURITY_LOCKOUT, subject,
                                 "too many failed logins in a row");
        mu_auth_failures_note(ask->control->password_failures, mu_call_address(ask->call),
                              mu_clock_monotonic_ns(ask->control->config.clock));
        mu_call_problem(ask->call, 401, "credentials", NULL, WRONG);
}

/* With the password still at hand, a hash of another cost is made anew. */
static bool freshen_hash(struct mu_ask *ask, const char *password, struct candidate *candidate)
{
        char fresh[MU_PASSWORD_HASH_BYTES];

        if (!mu_password_hash_is_stale(candidate->hash, ask->control->account->config.bcrypt_cost))
                return true;
        if (!mu_account_hash(ask, password, fresh))
                return false;
        if (!mu_account_ok(ask,
                           mu_pg_query(ask->pg, &REHASH,
                                       MU_PG_VALUES(mu_pg_int8(candidate->who.id),
                                                    mu_pg_text(candidate->hash), mu_pg_text(fresh)),
                                       NULL)))
                return false;
        memcpy(candidate->hash, fresh, sizeof(fresh));
        return true;
}

/* Header bytes can be anything: what is not printable ASCII becomes '?'. To be freed. */
static char *copy_user_agent(const struct mu_ask *ask)
{
        struct mu_slice agent = mu_call_header(ask->call, "user-agent");
        size_t bytes =
                agent.bytes < MU_USER_AGENT_BYTES_MAX ? agent.bytes : MU_USER_AGENT_BYTES_MAX;
        char *copy = agent.data ? strndup(agent.data, bytes) : NULL;

        for (char *at = copy; at && *at; at++) {
                if (*at < 0x20 || *at > 0x7e)
                        *at = '?';
        }
        return copy;
}

/* In a transaction: session, audit line. False: answered and rolled back. */
static bool open_session(struct mu_ask *ask, struct candidate *candidate,
                         char ret_refresh_token[MU_TOKEN_BYTES])
{
        char *agent = copy_user_agent(ask);
        const struct mu_session_start start = {
                .user_id = candidate->who.id,
                .password_hash = candidate->hash,
                .address = ask->address,
                .user_agent = agent,
                .user_agent_bytes = agent ? strlen(agent) : 0,
        };
        int error = mu_session_begin(ask->pg, ask->control->account, &start,
                                     &candidate->who.session_id, ret_refresh_token);

        free(agent);
        if (error == -EACCES) {
                mu_pg_rollback(ask->pg);
                mu_control_refuse_401(ask->control, ask->call, "credentials", WRONG);
                return false;
        }
        if (!mu_account_ok(ask, error) ||
            !mu_account_ok(ask, mu_lockout_clear(ask->pg, &candidate->lock)))
                return false;
        mu_account_now_known(ask, &candidate->who);
        return mu_ask_audit(ask, "session.begin", "session", candidate->who.session_id, NULL, NULL);
}

static void finish_login(struct mu_ask *ask, struct candidate *candidate)
{
        char refresh_token[MU_TOKEN_BYTES];

        /* Others' failures may have locked it while this one was being checked. */
        if (!may_try(ask, &candidate->lock) || !mu_account_begin(ask))
                return;
        if (!open_session(ask, candidate, refresh_token)) {
                mu_pg_rollback(ask->pg);
                return;
        }
        json_t *user = load_user(ask, candidate->who.id);

        if (!user)
                return;
        if (!mu_account_commit(ask)) {
                json_decref(user);
                return;
        }
        reply_signed_in(ask, &candidate->who, user, refresh_token,
                        mu_json_bool(ask->body, "cookie", false));
        OPENSSL_cleanse(refresh_token, sizeof(refresh_token));
}

static void login(struct mu_ask *ask)
{
        const char *name = mu_json_text(ask->body, "username");
        const char *password = mu_json_text(ask->body, "password");
        struct candidate candidate = {.hash = ""};
        bool matches = false;

        if (mu_json_bool(ask->body, "cookie", false) && mu_call_header(ask->call, "origin").data &&
            !is_own_page(ask)) {
                refuse_page(ask, "a foreign page signs in with a cookie");
                return;
        }
        mu_lockout_key(name, &candidate.lock);
        if (!may_try(ask, &candidate.lock) || !find_candidate(ask, name, &candidate) ||
            !mu_account_verify(ask, password, *candidate.hash ? candidate.hash : NULL, &matches))
                return;
        if (!matches || candidate.disabled)
                refuse_login(ask, &candidate);
        else if (freshen_hash(ask, password, &candidate))
                finish_login(ask, &candidate);
        OPENSSL_cleanse(candidate.hash, sizeof(candidate.hash));
}

/* ---- POST /api/auth/refresh ---- */

/* The token to refresh with, and whether it came as a cookie; false: answered. */
static bool find_token(struct mu_ask *ask, struct mu_slice *ret_token, bool *ret_cookie)
{
        const char *given = mu_json_text(ask->body, "refresh_token");

        *ret_cookie = !given;
        if (given) {
                *ret_token = (struct mu_slice){given, strlen(given)};
                return true;
        }
        *ret_token = mu_account_cookie(ask);
        if (!ret_token->data) {
                mu_control_refuse_401(ask->control, ask->call, "refresh-token",
                                      "There is no refresh token, neither in the body nor in a "
                                      "cookie; sign in.");
                return false;
        }
        if (is_own_page(ask))
                return true;
        refuse_page(ask, "a foreign page refreshes with a cookie");
        return false;
}

static void reply_refreshed(struct mu_ask *ask, struct mu_refreshed *refreshed, bool cookie)
{
        json_t *user = load_user(ask, refreshed->who.id);

        if (!user)
                return;
        if (!mu_account_commit(ask)) {
                json_decref(user);
                return;
        }
        reply_signed_in(ask, &refreshed->who, user, refreshed->token, cookie);
}

static void end_copied(struct mu_ask *ask, const struct mu_refreshed *refreshed)
{
        mu_account_now_known(ask, &refreshed->who);
        if (!mu_ask_audit(ask, "session.end", "session", refreshed->who.session_id, NULL,
                          json_pack("{s:s}", "ended_by", "refresh-reuse"))) {
                mu_pg_rollback(ask->pg);
                return;
        }
        if (!mu_account_commit(ask))
                return;
        mu_account_event(ask, MU_SECURITY_SESSION_REUSE, refreshed->who.name,
                         "a used refresh token came again");
        mu_control_refuse_401(ask->control, ask->call, "refresh-reuse",
                              "This refresh token was used before. Somebody may have copied it, so "
                              "the session was ended; sign in.");
        mu_account_clear_cookie(ask);
}

static void refresh(struct mu_ask *ask)
{
        struct mu_refreshed refreshed;
        enum mu_refresh_outcome outcome;
        struct mu_slice token;
        bool cookie;

        if (!find_token(ask, &token, &cookie) || !mu_account_begin(ask) ||
            !mu_account_ok(ask, mu_session_refresh(ask->pg, ask->control->account, token.data,
                                                   token.bytes, &outcome, &refreshed)))
                return;
        switch (outcome) {
        case MU_REFRESHED:
                reply_refreshed(ask, &refreshed, cookie);
                break;
        case MU_REFRESH_REUSED:
                end_copied(ask, &refreshed);
                break;
        case MU_REFRESH_UNKNOWN:
                mu_pg_rollback(ask->pg);
                mu_control_refuse_401(ask->control, ask->call, "refresh-token",
                                      "The session has ended; sign in.");
                mu_account_clear_cookie(ask);
                break;
        }
        OPENSSL_cleanse(&refreshed, sizeof(refreshed));
}

/* ---- signing out ---- */

static void logout(struct mu_ask *ask)
{
        bool found;

        if (!mu_account_ok(ask, mu_session_end(ask->pg, ask->who.id, ask->who.session_id, "logout",
                                               &found)) ||
            !mu_ask_audit(ask, "session.end", "session", ask->who.session_id, NULL, NULL))
                return;
        mu_ask_reply_empty(ask, 204);
        mu_account_clear_cookie(ask);
}

static void logout_all(struct mu_ask *ask)
{
        if (!mu_account_ok(ask, mu_session_end_others(ask->pg, ask->who.id, 0, "logout-all")) ||
            !mu_ask_audit(ask, "session.end_all", "user", ask->who.id, NULL, NULL))
                return;
        mu_ask_reply_empty(ask, 204);
        mu_account_clear_cookie(ask);
}

/* ---- POST /api/auth/ws-ticket ---- */

static void give_ticket(struct mu_ask *ask)
{
        char ticket[MU_TOKEN_BYTES];
        int error = mu_ws_ticket_issue(ask->control->ws_tickets, &ask->who, ticket);

        if (error == -EAGAIN)
                mu_call_problem_retry(ask->call, 503, "tickets-out", MU_WS_TICKET_LIFE_S,
                                      "Too many WebSocket tickets are waiting to be used; try "
                                      "again.");
        else if (error < 0)
                mu_control_failed(ask->control, ask->call, NULL, error);
        else
                mu_ask_reply(ask, 201,
                             json_pack("{s:s, s:i}", "ticket", ticket, "expires_in_s",
                                       (int)MU_WS_TICKET_LIFE_S));
        OPENSSL_cleanse(ticket, sizeof(ticket));
}

/* ---- the table ---- */

static const int LOGIN_PROBLEMS[] = {401, 403, 429, 0};

static const struct mu_endpoint ENDPOINTS[] = {
        {
                .method = "POST",
                .path = "/api/auth/login",
                .handle = login,
                .access = MU_ACCESS_PUBLIC,
                .limit = MU_LIMIT_LOGIN,
                .flags = MU_ENDPOINT_OWN_TRANSACTION,
                .body_bytes_max = 8192,
                .body = &LOGIN,
                .reply_status = 200,
                .reply = &SIGNED_IN,
                .operation_id = "login",
                .tag = "Sign in",
                .summary = "Sign in with name and password",
                .doc = "Wrong passwords lock the name for a while, longer each time: 429 with "
                       "Retry-After, whether or not somebody has that name.",
                .problems = LOGIN_PROBLEMS,
        },
        {
                .method = "POST",
                .path = "/api/auth/refresh",
                .handle = refresh,
                .access = MU_ACCESS_PUBLIC,
                .limit = MU_LIMIT_LOGIN,
                .flags = MU_ENDPOINT_OWN_TRANSACTION,
                .body_bytes_max = 4096,
                .body = &REFRESH,
                .reply_status = 200,
                .reply = &SIGNED_IN,
                .operation_id = "refresh",
                .tag = "Sign in",
                .summary = "Exchange the refresh token for a new pair",
                .doc = "Each refresh token is good once. Within 10 s of its use it gives the same "
                       "successor again, so two tabs are one session; later it is taken for a "
                       "copy and the session ends.",
                .problems = LOGIN_PROBLEMS,
        },
        {
                .method = "POST",
                .path = "/api/auth/logout",
                .handle = logout,
                .access = MU_ACCESS_VIEWER,
                .limit = MU_LIMIT_GENERAL,
                .reply_status = 204,
                .operation_id = "logout",
                .tag = "Sign in",
                .summary = "End this session",
        },
        {
                .method = "POST",
                .path = "/api/auth/logout-all",
                .handle = logout_all,
                .access = MU_ACCESS_VIEWER,
                .limit = MU_LIMIT_GENERAL,
                .reply_status = 204,
                .operation_id = "logoutEverywhere",
                .tag = "Sign in",
                .summary = "End all of your sessions, this one too",
        },
        {
                .method = "POST",
                .path = "/api/auth/ws-ticket",
                .handle = give_ticket,
                .access = MU_ACCESS_VIEWER,
                .scope = "live:read",
                .limit = MU_LIMIT_GENERAL,
                .flags = MU_ENDPOINT_OWN_TRANSACTION,
                .reply_status = 201,
                .reply = &TICKET,
                .operation_id = "createWebSocketTicket",
                .tag = "Live",
                .summary = "A one-time ticket that opens the WebSocket",
        },
};

const struct mu_endpoints mu_login_endpoints = MU_ENDPOINTS(ENDPOINTS);
