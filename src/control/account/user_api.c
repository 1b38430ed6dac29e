/* SPDX-License-Identifier: Apache-2.0 */
#include "control/account/user_api.h"

#include <errno.h>
#include <openssl/mem.h>
#include <stdio.h>
#include <string.h>

#include "control/account/account_ask.h"
#include "control/account/account_sql.h"
#include "control/account/lockout.h"
#include "control/account/session.h"
#include "control/account/user_shape.h"
#include "control/alert/alert_api.h"
#include "identity/token.h"
#include "outbound/smtp.h"

enum {
        LIST_DEFAULT = 200,
        LIST_MAX = 1000,
        SEARCH_CHARS_MAX = 200,
};

#define NO_PASSWORD "!"

/* ---- shapes ---- */

static const struct mu_field NEW_FIELDS[] = {
        {.name = "username",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED,
         .least = 1,
         .most = 64,
         .doc = "Letters, digits and . _ @ + - in any case; the first a letter or a digit."},
        {.name = "role",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED,
         .one_of = "viewer|operator|admin",
         .doc = "What the user may do."},
        {.name = "email",
         .type = MU_FIELD_TEXT,
         .least = 3,
         .most = 254,
         .doc = "Where password resets go."},
        {.name = "password",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_SECRET,
         .least = 1,
         .most = 1024,
         .doc = "Absent: none, until the user sets one with the reply's reset_token."},
};

static const struct mu_field CHANGE_FIELDS[] = {
        {.name = "role",
         .type = MU_FIELD_TEXT,
         .one_of = "viewer|operator|admin",
         .doc = "What the user may do, from the next request on."},
        {.name = "email",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_NULLABLE,
         .least = 3,
         .most = 254,
         .doc = "Where password resets go; null: nowhere."},
        {.name = "disabled",
         .type = MU_FIELD_BOOLEAN,
         .doc = "Whether the user is shut out; ends all sessions."},
};

static const struct mu_field LIST_QUERY_FIELDS[] = {
        {.name = "q",
         .type = MU_FIELD_TEXT,
         .least = 1,
         .most = SEARCH_CHARS_MAX,
         .doc = "Part of a name or an e-mail address, in any case."},
        {.name = "after",
         .type = MU_FIELD_TEXT,
         .least = 1,
         .most = 64,
         .doc = "The last name of the page before."},
        {.name = "limit",
         .type = MU_FIELD_INTEGER,
         .least = 1,
         .most = LIST_MAX,
         .doc = "Most users in the answer; 200."},
};

static const struct mu_field LIST_FIELDS[] = {
        {.name = "users",
         .type = MU_FIELD_LIST,
         .flags = MU_FIELD_REQUIRED,
         .shape = &mu_user_shape,
         .doc = "By name."},
        {.name = "next",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED | MU_FIELD_NULLABLE,
         .doc = "The next page's after; null: this was the last."},
};

static const struct mu_field MADE_FIELDS[] = {
        {.name = "user",
         .type = MU_FIELD_OBJECT,
         .flags = MU_FIELD_REQUIRED,
         .shape = &mu_user_shape,
         .doc = "The new user."},
        {.name = "reset_token",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_SECRET,
         .doc = "Without a password: what the user sets one with. Shown once."},
};

static const struct mu_field RESET_TOKEN_FIELDS[] = {
        {.name = "token",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED | MU_FIELD_SECRET,
         .doc = "For POST /api/auth/reset. Shown once, good once."},
        {.name = "expires_in_s",
         .type = MU_FIELD_INTEGER,
         .flags = MU_FIELD_REQUIRED,
         .doc = "How long it can be used."},
};

static const struct mu_shape NEW = MU_SHAPE("NewUser", NEW_FIELDS);
static const struct mu_shape CHANGE = MU_SHAPE("UserChange", CHANGE_FIELDS);
static const struct mu_shape LIST_QUERY = MU_SHAPE("UserQuery", LIST_QUERY_FIELDS);
static const struct mu_shape LIST = MU_SHAPE("Users", LIST_FIELDS);
static const struct mu_shape MADE = MU_SHAPE("UserMade", MADE_FIELDS);
static const struct mu_shape RESET_TOKEN = MU_SHAPE("ResetToken", RESET_TOKEN_FIELDS);

/* ---- reading ---- */

static const struct mu_pg_statement LIST_USERS = {
        .name = "user_list",
        .sql = "SELECT " MU_USER_COLUMNS " FROM users u" MU_USER_FAILURES
               " WHERE ($1::text IS NULL OR lower(u.name) > lower($1))"
               " AND ($2::text IS NULL OR position(lower($2) IN lower(u.name)) > 0"
               "  OR position(lower($2) IN lower(u.email)) > 0) ORDER BY lower(u.name) LIMIT $3",
        .params = {MU_PG_TEXT, MU_PG_TEXT, MU_PG_INT8},
        .repeatable = true,
};

static void list_users(struct mu_ask *ask)
{
        int64_t limit = mu_json_integer(ask->query, "limit", LIST_DEFAULT);
        const char *next = NULL;
        struct mu_pg_result *rows;

        if (!mu_ask_query(ask, &LIST_USERS,
                          MU_PG_VALUES(mu_pg_text(mu_json_text(ask->query, "after")),
                                       mu_pg_text(mu_json_text(ask->query, "q")),
                                       mu_pg_int8(limit + 1)),
                          &rows))
                return;
        size_t count = mu_pg_rows(rows);
        json_t *list = json_array();
        bool whole = list != NULL;

        if (count > (size_t)limit) {
                count = (size_t)limit;
                next = mu_pg_get_text(rows, count - 1, 1);
        }
        for (size_t i = 0; whole && i < count; i++)
                whole = json_array_append_new(list, mu_user_json(rows, i)) == 0;
        if (!whole) {
                json_decref(list);
                list = NULL;
        }
        mu_ask_reply(
                ask, 200,
                list ? json_pack("{s:o, s:o}", "users", list, "next", mu_json_of_text_or_null(next))
                     : NULL);
        mu_pg_result_free(rows);
}

/* NULL: answered. */
static json_t *load(struct mu_ask *ask, int64_t id)
{
        struct mu_pg_result *rows;

        if (!mu_account_ok(
                    ask, mu_pg_query(ask->pg, &mu_user_show, MU_PG_VALUES(mu_pg_int8(id)), &rows)))
                return NULL;
        bool found = mu_pg_rows(rows) == 1;
        json_t *user = found ? mu_user_json(rows, 0) : NULL;

        mu_pg_result_free(rows);
        if (!found) {
                mu_pg_rollback(ask->pg);
                mu_ask_not_found(ask, "user");
        } else if (!user) {
                mu_account_failed(ask, -ENOMEM);
        }
        return user;
}

static void show_user(struct mu_ask *ask)
{
        int64_t id;
        json_t *user = mu_ask_id(ask, "id", "user", &id) ? load(ask, id) : NULL;

        if (user)
                mu_ask_reply(ask, 200, user);
}

/* ---- making ---- */

static const struct mu_pg_statement INSERT = {
        .name = "user_insert",
        .sql = "INSERT INTO users (name, role, email, password_hash, password_change_advised)"
               " VALUES ($1, $2, $3, $4, true) RETURNING id",
        .params = {MU_PG_TEXT, MU_PG_TEXT, MU_PG_TEXT, MU_PG_TEXT},
};

static bool accept_email(struct mu_ask *ask)
{
        const char *email = mu_json_text(ask->body, "email");

        if (!email || mu_mail_check_address(email) == 0)
                return true;
        mu_pg_rollback(ask->pg);
        mu_call_problem(ask->call, 400, "field-invalid", "email",
                        "The e-mail address is not one that mail can be sent to.");
        return false;
}

static bool accept_name(struct mu_ask *ask, const char *name)
{
        static const char letters[] =
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._@+-";
        enum { FIRST_ONES = 62 };

        if (memchr(letters, name[0], FIRST_ONES) && name[strspn(name, letters)] == '\0')
                return true;
        mu_call_problem(ask->call, 400, "field-invalid", "username",
                        "A user's name has letters, digits and . _ @ + - only, and begins with a "
                        "letter or a digit.");
        return false;
}

/* What a unique index refused, as 409; false in any case. */
static bool refuse_double(struct mu_ask *ask)
{
        bool email = strcmp(mu_pg_last_error(ask->pg)->constraint, "users_email") == 0;

        mu_pg_rollback(ask->pg);
        mu_call_problem(ask->call, 409, email ? "email-taken" : "name-taken",
                        email ? "email" : "username", "Another user has this %s already.",
                        email ? "e-mail address" : "name");
        return false;
}

/* Its id in the open transaction; false: answered. */
static bool insert_user(struct mu_ask *ask, const char *hash, int64_t *ret_id)
{
        struct mu_pg_result *rows;
        int error = mu_pg_query(ask->pg, &INSERT,
                                MU_PG_VALUES(mu_pg_text(mu_json_text(ask->body, "username")),
                                             mu_pg_text(mu_json_text(ask->body, "role")),
                                             mu_pg_text(mu_json_text(ask->body, "email")),
                                             mu_pg_text(hash)),
                                &rows);

        if (error == -EEXIST)
                return refuse_double(ask);
        if (!mu_account_ok(ask, error))
                return false;
        *ret_id = mu_pg_get_int(rows, 0, 0);
        mu_pg_result_free(rows);
        return true;
}

static bool insert_reset(struct mu_ask *ask, int64_t id, char ret_token[MU_TOKEN_BYTES])
{
        struct mu_digest digest;

        if (!mu_account_ok(ask, mu_token_generate("mx_", ret_token)))
                return false;
        mu_token_digest(ret_token, MU_TOKEN_CHARS, &digest);
        return mu_account_ok(
                ask,
                mu_pg_query(ask->pg, &mu_reset_insert,
                            MU_PG_VALUES(mu_pg_bytea(digest.bytes, sizeof(digest.bytes)),
                                         mu_pg_int8(id),
                                         mu_pg_float8(ask->control->account->config.reset_life_s),
                                         mu_pg_text(ask->actor)),
                            NULL));
}

static void create_user(struct mu_ask *ask)
{
        const char *name = mu_json_text(ask->body, "username");
        const char *password = mu_json_text(ask->body, "password");
        char hash[MU_PASSWORD_HASH_BYTES] = NO_PASSWORD;
        char token[MU_TOKEN_BYTES] = "";
        int64_t id = 0;

        if (!accept_name(ask, name) || !accept_email(ask) ||
            (password && (!mu_account_accept_password(ask, "password", password, name) ||
                          !mu_account_hash(ask, password, hash))) ||
            !insert_user(ask, hash, &id) || (!password && !insert_reset(ask, id, token)))
                return;
        json_t *user = load(ask, id);

        if (!user)
                return;
        if (!mu_ask_audit(ask, "user.create", "user", id, NULL, json_incref(user))) {
                json_decref(user);
                return;
        }
        mu_ask_reply(ask, 201,
                     password ? json_pack("{s:o}", "user", user)
                              : json_pack("{s:o, s:s}", "user", user, "reset_token", token));
        OPENSSL_cleanse(token, sizeof(token));
        OPENSSL_cleanse(hash, sizeof(hash));
}

/* ---- changing and removing ---- */

/* All of them, so that two who take each other's role away come one after the other. */
static const struct mu_pg_statement LOCK_ADMINS = {
        .name = "user_lock_admins",
        .sql = "SELECT id FROM users WHERE role = 'admin' AND disabled_at IS NULL ORDER BY id"
               " FOR UPDATE",
};

static const struct mu_pg_statement COUNT_ADMINS = {
        .name = "user_count_admins",
        .sql = "SELECT count(*) FROM users WHERE role = 'admin' AND disabled_at IS NULL",
        .repeatable = true,
};

/* $2 role or NULL; $3 whether $4 is the e-mail; $5 disabled or NULL. Their alerts by mail go to the
 * new address, or end with the old one. */
static const struct mu_pg_statement UPDATE = {
        .name = "user_update",
        .sql = "WITH mail AS (UPDATE alert_channels SET updated_at = now(),"
               "  config = jsonb_build_object('to', jsonb_build_array($4::text)),"
               "  deleted_at = CASE WHEN $4 IS NULL THEN now() END"
               "  WHERE user_id = $1 AND deleted_at IS NULL AND $3)"
               " UPDATE users SET role = coalesce($2, role),"
               " email = CASE WHEN $3 THEN $4 ELSE email END,"
               " disabled_at = CASE WHEN $5 IS NULL THEN disabled_at"
               "  WHEN $5 THEN coalesce(disabled_at, now()) END WHERE id = $1",
        .params = {MU_PG_INT8, MU_PG_TEXT, MU_PG_BOOL, MU_PG_TEXT, MU_PG_BOOL},
};

static const struct mu_pg_statement DELETE = {
        .name = "user_delete",
        .sql = "DELETE FROM users WHERE id = $1",
        .params = {MU_PG_INT8},
        .repeatable = true,
};

/* After the change, before the commit; false: answered 409. */
static bool an_admin_is_left(struct mu_ask *ask)
{
        struct mu_pg_result *rows;

        if (!mu_ask_query(ask, &COUNT_ADMINS, MU_PG_VALUES(), &rows))
                return false;
        bool left = mu_pg_get_int(rows, 0, 0) > 0;

        mu_pg_result_free(rows);
        if (!left)
                mu_call_problem(ask->call, 409, "last-admin", NULL,
                                "This is the last administrator; make another one first.");
        return left;
}

static bool update_user(struct mu_ask *ask, int64_t id)
{
        bool disables = mu_json_bool(ask->body, "disabled", false);
        struct mu_pg_value disabled =
                mu_json_has(ask->body, "disabled") ? mu_pg_bool(disables) : mu_pg_null(MU_PG_BOOL);
        int error = mu_pg_query(
                ask->pg, &UPDATE,
                MU_PG_VALUES(mu_pg_int8(id), mu_pg_text(mu_json_text(ask->body, "role")),
                             mu_pg_bool(mu_json_has(ask->body, "email")),
                             mu_pg_text(mu_json_text(ask->body, "email")), disabled),
                NULL);

        if (error == -EEXIST)
                return refuse_double(ask);
        return mu_account_ok(ask, error) && an_admin_is_left(ask) &&
               (!disables || mu_account_ok(ask, mu_session_end_others(ask->pg, id, 0, "disabled")));
}

static void change_user(struct mu_ask *ask)
{
        int64_t id;

        if (!mu_ask_id(ask, "id", "user", &id) || !accept_email(ask) ||
            !mu_ask_query(ask, &LOCK_ADMINS, MU_PG_VALUES(), NULL))
                return;
        json_t *before = load(ask, id);

        if (!before)
                return;
        json_t *after = update_user(ask, id) ? load(ask, id) : NULL;

        if (!after) {
                json_decref(before);
                return;
        }
        mu_alert_channels_changed(ask);
        if (mu_ask_audit(ask, "user.change", "user", id, before, json_incref(after)))
                mu_ask_reply(ask, 200, after);
        else
                json_decref(after);
}

static void delete_user(struct mu_ask *ask)
{
        int64_t id;

        if (!mu_ask_id(ask, "id", "user", &id) ||
            !mu_ask_query(ask, &LOCK_ADMINS, MU_PG_VALUES(), NULL))
                return;
        json_t *before = load(ask, id);

        if (!before)
                return;
        if (!mu_ask_query(ask, &DELETE, MU_PG_VALUES(mu_pg_int8(id)), NULL) ||
            !an_admin_is_left(ask)) {
                json_decref(before);
                return;
        }
        mu_alert_channels_changed(ask); /* their alerts by mail end too */
        if (mu_ask_audit(ask, "user.delete", "user", id, before, NULL))
                mu_ask_reply_empty(ask, 204);
}

/* ---- helping ---- */

/* The user's name into name (MU_PRINCIPAL_NAME_BYTES); false: answered. */
static bool load_name(struct mu_ask *ask, int64_t *ret_id, char *ret_name)
{
        json_t *user = mu_ask_id(ask, "id", "user", ret_id) ? load(ask, *ret_id) : NULL;

        if (!user)
                return false;
        (void)snprintf(ret_name, MU_PRINCIPAL_NAME_BYTES, "%s", mu_json_text(user, "username"));
        json_decref(user);
        return true;
}

static void unlock_user(struct mu_ask *ask)
{
        char name[MU_PRINCIPAL_NAME_BYTES];
        struct mu_digest lock;
        int64_t id;

        if (!load_name(ask, &id, name))
                return;
        mu_lockout_key(name, &lock);
        if (mu_account_ok(ask, mu_lockout_clear(ask->pg, &lock)) &&
            mu_ask_audit(ask, "user.unlock", "user", id, NULL, NULL))
                mu_ask_reply_empty(ask, 204);
}

static void end_user_sessions(struct mu_ask *ask)
{
        char name[MU_PRINCIPAL_NAME_BYTES];
        int64_t id;

        if (load_name(ask, &id, name) &&
            mu_account_ok(ask, mu_session_end_others(ask->pg, id, 0, "administrator")) &&
            mu_ask_audit(ask, "session.end_all", "user", id, NULL, NULL))
                mu_ask_reply_empty(ask, 204);
}

static void issue_reset(struct mu_ask *ask)
{
        char name[MU_PRINCIPAL_NAME_BYTES];
        char token[MU_TOKEN_BYTES];
        int64_t id;

        if (!load_name(ask, &id, name) || !insert_reset(ask, id, token))
                return;
        if (mu_ask_audit(ask, "user.reset_token", "user", id, NULL, NULL))
                mu_ask_reply(ask, 201,
                             json_pack("{s:s, s:I}", "token", token, "expires_in_s",
                                       (json_int_t)ask->control->account->config.reset_life_s));
        OPENSSL_cleanse(token, sizeof(token));
}

/* ---- the table ---- */

static const int CREATE_PROBLEMS[] = {400, 409, 0};
static const int CHANGE_PROBLEMS[] = {400, 404, 409, 0};
static const int NOT_FOUND[] = {404, 0};

/* What every row here has. */
#define USERS(verb, where, function)                                                               \
        .method = (verb), .path = "/admin/users" where, .handle = (function),                      \
        .access = MU_ACCESS_ADMIN, .flags = MU_ENDPOINT_ADMIN_KEY, .tag = "Users"

static const struct mu_endpoint ENDPOINTS[] = {
        {
                USERS("GET", "", list_users),
                .scope = "users:read",
                .query = &LIST_QUERY,
                .reply_status = 200,
                .reply = &LIST,
                .operation_id = "listUsers",
                .summary = "All users, or those who are looked for",
        },
        {
                USERS("POST", "", create_user),
                .body = &NEW,
                .reply_status = 201,
                .reply = &MADE,
                .operation_id = "createUser",
                .summary = "Make a user",
                .problems = CREATE_PROBLEMS,
        },
        {
                USERS("GET", "/{id}", show_user),
                .scope = "users:read",
                .reply_status = 200,
                .reply = &mu_user_shape,
                .operation_id = "getUser",
                .summary = "One user",
                .problems = NOT_FOUND,
        },
        {
                USERS("PATCH", "/{id}", change_user),
                .body = &CHANGE,
                .reply_status = 200,
                .reply = &mu_user_shape,
                .operation_id = "changeUser",
                .summary = "Change a user's role or address, or shut the user out",
                .doc = "The last administrator stays one.",
                .problems = CHANGE_PROBLEMS,
        },
        {
                USERS("DELETE", "/{id}", delete_user),
                .reply_status = 204,
                .operation_id = "deleteUser",
                .summary = "Delete a user with all sessions and API tokens",
                .doc = "The last administrator stays.",
                .problems = CHANGE_PROBLEMS,
        },
        {
                USERS("POST", "/{id}/unlock", unlock_user),
                .reply_status = 204,
                .operation_id = "unlockUser",
                .summary = "Forget a user's failed logins",
                .problems = NOT_FOUND,
        },
        {
                USERS("POST", "/{id}/end-sessions", end_user_sessions),
                .reply_status = 204,
                .operation_id = "endUserSessions",
                .summary = "Sign a user out everywhere",
                .problems = NOT_FOUND,
        },
        {
                USERS("POST", "/{id}/reset-token", issue_reset),
                .reply_status = 201,
                .reply = &RESET_TOKEN,
                .operation_id = "createResetToken",
                .summary = "A one-time code with which a user sets a new password",
                .problems = NOT_FOUND,
        },
};

const struct mu_endpoints mu_user_endpoints = MU_ENDPOINTS(ENDPOINTS);
