/* SPDX-License-Identifier: Apache-2.0 */
#include "control/account/reset_api.h"

#include <ctype.h>
#include <openssl/mem.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "control/account/account_ask.h"
#include "control/account/account_sql.h"
#include "control/account/lockout.h"
#include "control/account/session.h"
#include "control/guard.h"
#include "identity/token.h"
#include "outbound/smtp.h"

enum {
        MAILS_PER_HOUR = 3, /* to one user, wherever they are asked from */
};

/* ---- shapes ---- */

static const struct mu_field REQUEST_FIELDS[] = {
        {.name = "username",
         .type = MU_FIELD_TEXT,
         .least = 1,
         .most = 256,
         .doc = "The user's name."},
        {.name = "email",
         .type = MU_FIELD_TEXT,
         .least = 3,
         .most = 254,
         .doc = "Or the user's e-mail address."},
};

static const struct mu_field RESET_FIELDS[] = {
        {.name = "token",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED | MU_FIELD_SECRET,
         .least = 1,
         .most = 256,
         .doc = "From the mail, or from an administrator."},
        {.name = "password",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED | MU_FIELD_SECRET,
         .least = 1,
         .most = 1024,
         .doc = "The new password: at least 10 characters, and not one that everybody tries."},
};

static const struct mu_shape REQUEST = MU_SHAPE("PasswordResetRequest", REQUEST_FIELDS);
static const struct mu_shape RESET = MU_SHAPE("PasswordReset", RESET_FIELDS);

/* ---- POST /api/auth/reset-request ---- */

/* $1 name, $2 e-mail, $3 digest, $4 life, $5 most in an hour → name, e-mail; no row: no mail. */
static const struct mu_pg_statement INSERT_BY_MAIL = {
        .name = "password_reset_by_mail",
        .sql = "WITH u AS (SELECT id, name, email FROM users WHERE disabled_at IS NULL"
               "  AND email IS NOT NULL AND (lower(name) = lower($1) OR lower(email) = lower($2))"
               "  AND (SELECT count(*) FROM password_resets r WHERE r.user_id = users.id"
               "   AND r.issued_by = 'email' AND r.created_at > now() - interval '1 hour') < $5"
               "  ORDER BY id LIMIT 1),"
               " old AS (DELETE FROM password_resets r USING u"
               "  WHERE r.user_id = u.id AND r.expires_at < now() - interval '1 day'),"
               " made AS (INSERT INTO password_resets (token_sha256, user_id, expires_at, "
               "issued_by)"
               "  SELECT $3, id, now() + make_interval(secs => $4), 'email' FROM u)"
               " SELECT name, email FROM u",
        .params = {MU_PG_TEXT, MU_PG_TEXT, MU_PG_BYTEA, MU_PG_FLOAT8, MU_PG_INT8},
};

/* On the outbound thread. */
static void on_mail_done(void *ctx, const struct mu_mail_result *result)
{
        struct mu_control *control = ctx;

        if (result->outcome != MU_MAIL_SENT && control->config.on_trouble)
                control->config.on_trouble(control->config.ctx, "", "/api/auth/reset-request",
                                           result->error);
}

static int send_mail(struct mu_ask *ask, const char *name, const char *email, const char *token)
{
        const struct mu_account_config *config = &ask->control->account->config;
        struct mu_text text;

        mu_text_init(&text);
        mu_text_add_format(&text,
                           "Somebody, most likely you, asked for a new password of the user %s.\n\n"
                           "The code for it, good once and for %u minutes:\n\n%s\n\n",
                           name, config->reset_life_s / 60, token);
        if (config->reset_url && *config->reset_url)
                mu_text_add_format(&text, "Or open:\n\n%s#%s\n\n", config->reset_url, token);
        mu_text_add(&text, "If it was not you, there is nothing to do: nothing has changed.\n");
        const struct mu_mail_message message = {
                .to = email, .subject = "Muster: a new password", .text = text.data};
        int error = mu_text_status(&text);

        if (error == 0)
                error = mu_mail_submit(ask->control->config.mail, &message, on_mail_done,
                                       ask->control);
        if (text.data)
                OPENSSL_cleanse(text.data, text.bytes);
        mu_text_done(&text);
        return error;
}

/* Three an hour for the one that is asked about, too, whoever that is. */
static bool limit_account(struct mu_ask *ask, const char *account)
{
        char lower[MU_MAIL_ADDRESS_BYTES_MAX + 1];
        size_t chars = 0;

        for (; account[chars] && chars + 1 < sizeof(lower); chars++)
                lower[chars] = (char)tolower((unsigned char)account[chars]);
        lower[chars] = '\0';
        return mu_guard_limit_account(ask, lower);
}

/* The same answer whoever asks about whom, and whatever comes of it. */
static void request_reset(struct mu_ask *ask)
{
        const char *name = mu_json_text(ask->body, "username");
        const char *email = mu_json_text(ask->body, "email");
        bool has_mail = ask->control->config.mail != NULL;
        char token[MU_TOKEN_BYTES];
        struct mu_digest digest;
        struct mu_pg_result *rows;

        if (!name && !email) {
                mu_call_problem(ask->call, 400, "field-missing", "username",
                                "Either the user's name or the e-mail address is needed.");
                return;
        }
        if (!limit_account(ask, name ? name : email) ||
            !mu_account_ok(ask, mu_token_generate("mx_", token)))
                return;
        mu_token_digest(token, MU_TOKEN_CHARS, &digest);
        if (!mu_account_ok(
                    ask,
                    mu_pg_query(
                            ask->pg, &INSERT_BY_MAIL,
                            MU_PG_VALUES(mu_pg_text(name), mu_pg_text(email),
                                         mu_pg_bytea(digest.bytes, sizeof(digest.bytes)),
                                         mu_pg_float8(ask->control->account->config.reset_life_s),
                                         mu_pg_int8(has_mail ? MAILS_PER_HOUR : 0)),
                            &rows)))
                return;
        bool found = mu_pg_rows(rows) == 1;
        int error = found ? send_mail(ask, mu_pg_get_text(rows, 0, 0), mu_pg_get_text(rows, 0, 1),
                                      token)
                          : 0;

        mu_account_event(ask, MU_SECURITY_PASSWORD_RESET, found ? mu_pg_get_text(rows, 0, 0) : NULL,
                         has_mail ? "a mail was asked for"
                                  : "a mail was asked for, but none can be sent");
        if (error < 0 && ask->control->config.on_trouble)
                ask->control->config.on_trouble(ask->control->config.ctx,
                                                mu_call_request_id(ask->call),
                                                "/api/auth/reset-request", strerror(-error));
        mu_pg_result_free(rows);
        OPENSSL_cleanse(token, sizeof(token));
        mu_ask_reply_empty(ask, 202);
}

/* ---- POST /api/auth/reset ---- */

static const struct mu_pg_statement FIND = {
        .name = "password_reset_find",
        .sql = "SELECT u.id, u.name FROM password_resets r JOIN users u ON u.id = r.user_id"
               " WHERE r.token_sha256 = $1 AND r.used_at IS NULL AND r.expires_at > now()"
               " AND u.disabled_at IS NULL",
        .params = {MU_PG_BYTEA},
        .repeatable = true,
};

static const struct mu_pg_statement USE = {
        .name = "password_reset_use",
        .sql = "UPDATE password_resets SET used_at = now()"
               " WHERE token_sha256 = $1 AND used_at IS NULL AND expires_at > now()"
               " RETURNING user_id",
        .params = {MU_PG_BYTEA},
};

static void refuse_token(struct mu_ask *ask)
{
        mu_pg_rollback(ask->pg);
        mu_account_event(ask, MU_SECURITY_PASSWORD_RESET, NULL, "a code was refused");
        mu_control_refuse_401(ask->control, ask->call, "reset-token",
                              "This code is unknown, used already, or too old; ask for another.");
}

/* Whose the token is; false: answered. */
static bool find_user(struct mu_ask *ask, const struct mu_digest *digest, struct mu_principal *who)
{
        struct mu_pg_result *rows;

        if (!mu_account_ok(ask, mu_pg_query(ask->pg, &FIND,
                                            MU_PG_VALUES(mu_pg_bytea(digest->bytes,
                                                                     sizeof(digest->bytes))),
                                            &rows)))
                return false;
        bool found = mu_pg_rows(rows) == 1;

        if (found) {
                *who = (struct mu_principal){.kind = MU_PRINCIPAL_USER,
                                             .id = mu_pg_get_int(rows, 0, 0)};
                (void)snprintf(who->name, sizeof(who->name), "%s", mu_pg_get_text(rows, 0, 1));
        } else {
                refuse_token(ask);
        }
        mu_pg_result_free(rows);
        return found;
}

/* A statement that must touch one row; false: answered. */
static bool touch_one(struct mu_ask *ask, const struct mu_pg_statement *statement,
                      const struct mu_pg_value *values)
{
        struct mu_pg_result *rows;

        if (!mu_account_ok(ask, mu_pg_query(ask->pg, statement, values, &rows)))
                return false;
        bool one = mu_pg_rows(rows) == 1;

        mu_pg_result_free(rows);
        if (!one)
                refuse_token(ask);
        return one;
}

/* The user's row first, as everywhere: of two that come at once, the second finds the token used.
 */
static bool store(struct mu_ask *ask, const struct mu_digest *digest, const char *hash)
{
        struct mu_digest lock;
        int64_t id = ask->who.id;

        mu_lockout_key(ask->who.name, &lock);
        return mu_account_begin(ask) &&
               touch_one(ask, &mu_user_set_password,
                         MU_PG_VALUES(mu_pg_int8(id), mu_pg_text(hash), mu_pg_null(MU_PG_TEXT),
                                      mu_pg_bool(false))) &&
               touch_one(ask, &USE,
                         MU_PG_VALUES(mu_pg_bytea(digest->bytes, sizeof(digest->bytes)))) &&
               mu_account_ok(ask, mu_pg_query(ask->pg, &mu_user_drop_resets,
                                              MU_PG_VALUES(mu_pg_int8(id)), NULL)) &&
               mu_account_ok(ask, mu_session_end_others(ask->pg, id, 0, "reset")) &&
               mu_account_ok(ask, mu_lockout_clear(ask->pg, &lock)) &&
               mu_ask_audit(ask, "user.password_reset", "user", id, NULL, NULL) &&
               mu_account_commit(ask);
}

static void reset(struct mu_ask *ask)
{
        const char *token = mu_json_text(ask->body, "token");
        const char *password = mu_json_text(ask->body, "password");
        char hash[MU_PASSWORD_HASH_BYTES];
        struct mu_digest digest;
        struct mu_principal who;

        mu_token_digest(token, strlen(token), &digest);
        if (!find_user(ask, &digest, &who) ||
            !mu_account_accept_password(ask, "password", password, who.name) ||
            !mu_account_hash(ask, password, hash))
                return;
        mu_account_now_known(ask, &who);
        if (store(ask, &digest, hash)) {
                mu_account_event(ask, MU_SECURITY_PASSWORD_RESET, who.name, "a code was used");
                mu_ask_reply_empty(ask, 204);
        }
        mu_pg_rollback(ask->pg);
        OPENSSL_cleanse(hash, sizeof(hash));
}

/* ---- the table ---- */

static const int RESET_PROBLEMS[] = {400, 401, 429, 0};

static const struct mu_endpoint ENDPOINTS[] = {
        {
                .method = "POST",
                .path = "/api/auth/reset-request",
                .handle = request_reset,
                .access = MU_ACCESS_PUBLIC,
                .limit = MU_LIMIT_RESET,
                .flags = MU_ENDPOINT_OWN_TRANSACTION,
                .body_bytes_max = 4096,
                .body = &REQUEST,
                .reply_status = 202,
                .operation_id = "requestPasswordReset",
                .tag = "Sign in",
                .summary = "Have a code for a new password mailed",
                .doc = "The answer is the same whether or not there is such a user.",
        },
        {
                .method = "POST",
                .path = "/api/auth/reset",
                .handle = reset,
                .access = MU_ACCESS_PUBLIC,
                .limit = MU_LIMIT_LOGIN,
                .flags = MU_ENDPOINT_OWN_TRANSACTION,
                .body_bytes_max = 16384,
                .body = &RESET,
                .reply_status = 204,
                .operation_id = "resetPassword",
                .tag = "Sign in",
                .summary = "Set a new password with a code",
                .doc = "Ends all of the user's sessions. A code is good once.",
                .problems = RESET_PROBLEMS,
        },
};

const struct mu_endpoints mu_reset_endpoints = MU_ENDPOINTS(ENDPOINTS);
