/* SPDX-License-Identifier: Apache-2.0 */
#include "control/account/api_token_api.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/mem.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "control/account/account_ask.h"
#include "control/cell.h"
#include "control/page.h"
#include "identity/secrets.h"
#include "identity/token.h"

enum {
        LIFE_S_MIN = 60,
        LIFE_S_MAX = 366 * 86400,
        LIFE_S_DEFAULT = 90 * 86400,
        SCOPES_MAX = 32,
        TOKENS_PER_USER = 100,
        LIST_MAX = 1000,
        SEARCH_CHARS_MAX = 200,
};

/* ---- shapes ---- */

static const struct mu_field TOKEN_FIELDS[] = {
        {.name = "id", .type = MU_FIELD_ID, .flags = MU_FIELD_REQUIRED, .doc = "The token's id."},
        {.name = "name",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED,
         .doc = "What it is for."},
        {.name = "role",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED,
         .one_of = "viewer|operator|admin",
         .doc = "Its power; never more than its creator's at the time of use."},
        {.name = "scopes",
         .type = MU_FIELD_LIST,
         .items = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED,
         .doc = "What it can do."},
        {.name = "created_by",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED,
         .doc = "Its creator's name."},
        {.name = "created_at",
         .type = MU_FIELD_TIME,
         .flags = MU_FIELD_REQUIRED,
         .doc = "When it was made."},
        {.name = "expires_at",
         .type = MU_FIELD_TIME,
         .flags = MU_FIELD_REQUIRED,
         .doc = "When it ends."},
        {.name = "last_used_at",
         .type = MU_FIELD_TIME,
         .flags = MU_FIELD_REQUIRED | MU_FIELD_NULLABLE,
         .doc = "The last use, to the minute; null: never."},
        {.name = "revoked_at",
         .type = MU_FIELD_TIME,
         .flags = MU_FIELD_REQUIRED | MU_FIELD_NULLABLE,
         .doc = "Since when it is not valid any more; null: it is."},
};
static const struct mu_shape TOKEN = MU_SHAPE("ApiToken", TOKEN_FIELDS);

static const struct mu_field NEW_FIELDS[] = {
        {.name = "name",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED,
         .least = 1,
         .most = 64,
         .doc = "What it is for."},
        {.name = "scopes",
         .type = MU_FIELD_LIST,
         .items = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED,
         .least = 1,
         .most = SCOPES_MAX,
         .doc = "What it can do: \"devices:read\", or \"devices:*\" for all of a kind."},
        {.name = "role",
         .type = MU_FIELD_TEXT,
         .one_of = "viewer|operator|admin",
         .doc = "Its power, at the most yours; absent: yours."},
        {.name = "expires_in_s",
         .type = MU_FIELD_INTEGER,
         .least = LIFE_S_MIN,
         .most = LIFE_S_MAX,
         .doc = "How long it lives; 90 days."},
};

static const struct mu_field MADE_FIELDS[] = {
        {.name = "token",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED | MU_FIELD_SECRET,
         .doc = "For Authorization: Bearer. Shown once."},
        {.name = "api_token",
         .type = MU_FIELD_OBJECT,
         .flags = MU_FIELD_REQUIRED,
         .shape = &TOKEN,
         .doc = "What was made."},
};

static const struct mu_field LIST_FIELDS[] = {
        {.name = "tokens",
         .type = MU_FIELD_LIST,
         .flags = MU_FIELD_REQUIRED,
         .shape = &TOKEN,
         .doc = "Newest first."},
        {.name = "next_before",
         .type = MU_FIELD_ID,
         .flags = MU_FIELD_REQUIRED | MU_FIELD_NULLABLE,
         .doc = "There may be more: ask again with this as before."},
};

static const struct mu_field LIST_QUERY_FIELDS[] = {
        {.name = "q",
         .type = MU_FIELD_TEXT,
         .least = 1,
         .most = SEARCH_CHARS_MAX,
         .doc = "Part of a token's or its creator's name, in any case."},
        {.name = "before", .type = MU_FIELD_ID, .doc = "The next_before of the page before."},
        {.name = "limit",
         .type = MU_FIELD_INTEGER,
         .least = 1,
         .most = LIST_MAX,
         .doc = "Most tokens in the answer; 1,000."},
};

static const struct mu_shape LIST_QUERY = MU_SHAPE("ApiTokenQuery", LIST_QUERY_FIELDS);
static const struct mu_shape NEW = MU_SHAPE("NewApiToken", NEW_FIELDS);
static const struct mu_shape MADE = MU_SHAPE("ApiTokenMade", MADE_FIELDS);
static const struct mu_shape LIST = MU_SHAPE("ApiTokens", LIST_FIELDS);

/* ---- a token as JSON ---- */

#define COLUMNS                                                                                    \
        "t.id, t.name, t.role, t.scopes, u.name, t.created_at, t.expires_at, t.last_used_at,"      \
        " t.revoked_at"

static json_t *scopes_json(const char *scopes)
{
        json_t *list = json_array();

        while (list && *scopes) {
                size_t chars = strcspn(scopes, " ");

                if (json_array_append_new(list, json_stringn(scopes, chars)) < 0) {
                        json_decref(list);
                        return NULL;
                }
                scopes += chars;
                scopes += strspn(scopes, " ");
        }
        return list;
}

static json_t *token_json(const struct mu_pg_result *rows, size_t row)
{
        return json_pack("{s:o, s:s, s:s, s:o, s:s, s:o, s:o, s:o, s:o}", "id",
                         mu_json_of_id(mu_pg_get_int(rows, row, 0)), "name",
                         mu_pg_get_text(rows, row, 1), "role", mu_pg_get_text(rows, row, 2),
                         "scopes", scopes_json(mu_pg_get_text(rows, row, 3)), "created_by",
                         mu_pg_get_text(rows, row, 4), "created_at", mu_cell_time(rows, row, 5),
                         "expires_at", mu_cell_time(rows, row, 6), "last_used_at",
                         mu_cell_time(rows, row, 7), "revoked_at", mu_cell_time(rows, row, 8));
}

/* ---- listing ---- */

/* $1 user, $2 whether everybody's, $3 what is looked for, $4 before. Long ended ones are not shown.
 */
static const struct mu_pg_statement LIST_TOKENS = {
        .name = "api_token_list",
        .sql = "SELECT " COLUMNS " FROM api_tokens t JOIN users u ON u.id = t.created_by"
               " WHERE (t.created_by = $1 OR $2)"
               " AND least(t.expires_at, t.revoked_at) > now() - interval '30 days'"
               " AND ($3::text IS NULL OR position(lower($3) IN lower(t.name)) > 0"
               "  OR position(lower($3) IN lower(u.name)) > 0)"
               " AND ($4::bigint IS NULL OR t.id < $4) ORDER BY t.id DESC LIMIT $5",
        .params = {MU_PG_INT8, MU_PG_BOOL, MU_PG_TEXT, MU_PG_INT8, MU_PG_INT8},
        .repeatable = true,
};

static bool is_admin(const struct mu_ask *ask)
{
        return ask->who.role == MU_ROLE_ADMIN;
}

static void list_tokens(struct mu_ask *ask)
{
        static const struct mu_page page = {"tokens", LIST_MAX, token_json};

        mu_page_reply(ask, &page, &LIST_TOKENS,
                      MU_PG_VALUES(mu_pg_int8(ask->who.id), mu_pg_bool(is_admin(ask)),
                                   mu_pg_text(mu_json_text(ask->query, "q")), mu_page_before(ask),
                                   mu_page_limit(ask, &page)));
}

/* ---- making ---- */

/* Whether some operation knows the scope, or, of "kind:*", one of that kind. */
static bool is_known_scope(const struct mu_ask *ask, const char *scope)
{
        for (size_t i = 0; i < mu_endpoint_count(ask->control); i++) {
                const struct mu_endpoint *endpoint = mu_endpoint_at(ask->control, i);

                if (endpoint->scope && mu_scopes_contain(scope, endpoint->scope))
                        return true;
        }
        return false;
}

/* The list as it is stored, into scopes; false: answered. */
static bool accept_scopes(struct mu_ask *ask, struct mu_text *scopes)
{
        const json_t *list = json_object_get(ask->body, "scopes");

        for (size_t i = 0; i < json_array_size(list); i++) {
                const char *scope = json_string_value(json_array_get(list, i));

                if (strchr(scope, ' ') || !is_known_scope(ask, scope)) {
                        mu_call_problem(ask->call, 400, "field-invalid", "scopes",
                                        "There is no such scope: \"%.64s\".", scope);
                        return false;
                }
                mu_text_add(scopes, scopes->bytes > 0 ? " " : "");
                mu_text_add(scopes, scope);
        }
        if (mu_text_status(scopes) == 0)
                return true;
        mu_call_problem(ask->call, 400, "field-invalid", "scopes", "These are too many scopes.");
        return false;
}

static bool accept_role(struct mu_ask *ask, enum mu_role *ret_role)
{
        const char *name = mu_json_text(ask->body, "role");

        *ret_role = name ? mu_role_parse(name) : ask->who.role;
        if (*ret_role <= ask->who.role)
                return true;
        mu_call_problem(ask->call, 403, "role", "role",
                        "A token can't have more power than you: you are %s.",
                        mu_role_name(ask->who.role));
        return false;
}

static const struct mu_pg_statement INSERT = {
        .name = "api_token_insert",
        .sql = "INSERT INTO api_tokens (created_by, name, scopes, role, token_sha256, expires_at)"
               " SELECT $1, $2, $3, $4, $5, now() + make_interval(secs => $6)"
               " WHERE (SELECT count(*) FROM api_tokens WHERE created_by = $1"
               "  AND revoked_at IS NULL AND expires_at > now()) < $7 RETURNING id",
        .params = {MU_PG_INT8, MU_PG_TEXT, MU_PG_TEXT, MU_PG_TEXT, MU_PG_BYTEA, MU_PG_FLOAT8,
                   MU_PG_INT8},
};

static const struct mu_pg_statement SHOW = {
        .name = "api_token_show",
        .sql = "SELECT " COLUMNS " FROM api_tokens t JOIN users u ON u.id = t.created_by"
               " WHERE t.id = $1",
        .params = {MU_PG_INT8},
        .repeatable = true,
};

static bool insert_token(struct mu_ask *ask, const char *scopes, enum mu_role role,
                         const char *token, int64_t *ret_id)
{
        int64_t life_s = mu_json_integer(ask->body, "expires_in_s", LIFE_S_DEFAULT);
        struct mu_digest digest;
        struct mu_pg_result *rows;

        mu_token_digest(token, MU_TOKEN_CHARS, &digest);
        if (!mu_account_ok(
                    ask,
                    mu_pg_query(ask->pg, &INSERT,
                                MU_PG_VALUES(mu_pg_int8(ask->who.id),
                                             mu_pg_text(mu_json_text(ask->body, "name")),
                                             mu_pg_text(scopes), mu_pg_text(mu_role_name(role)),
                                             mu_pg_bytea(digest.bytes, sizeof(digest.bytes)),
                                             mu_pg_float8((double)life_s),
                                             mu_pg_int8(TOKENS_PER_USER)),
                                &rows)))
                return false;
        *ret_id = mu_pg_rows(rows) == 1 ? mu_pg_get_int(rows, 0, 0) : 0;
        mu_pg_result_free(rows);
        if (*ret_id > 0)
                return true;
        mu_pg_rollback(ask->pg);
        mu_call_problem(ask->call, 409, "too-many-tokens", NULL,
                        "You have %d tokens; revoke one first.", (int)TOKENS_PER_USER);
        return false;
}

static json_t *load_token(struct mu_ask *ask, int64_t id)
{
        struct mu_pg_result *rows;

        if (!mu_account_ok(ask, mu_pg_query(ask->pg, &SHOW, MU_PG_VALUES(mu_pg_int8(id)), &rows)))
                return NULL;
        json_t *token = mu_pg_rows(rows) == 1 ? token_json(rows, 0) : NULL;

        mu_pg_result_free(rows);
        if (!token)
                mu_account_failed(ask, -ENOMEM);
        return token;
}

static void create_token(struct mu_ask *ask)
{
        char scopes[MU_PRINCIPAL_SCOPES_BYTES];
        char token[MU_TOKEN_BYTES];
        struct mu_text text;
        enum mu_role role;
        int64_t id;

        mu_text_init_fixed(&text, scopes, sizeof(scopes));
        if (!accept_scopes(ask, &text) || !accept_role(ask, &role) ||
            !mu_account_ok(ask, mu_token_generate("mp_", token)) ||
            !insert_token(ask, scopes, role, token, &id))
                return;
        json_t *made = load_token(ask, id);

        if (!made)
                return;
        if (mu_ask_audit(ask, "api_token.create", "api-token", id, NULL, json_incref(made)))
                mu_ask_reply(ask, 201, json_pack("{s:s, s:O}", "token", token, "api_token", made));
        json_decref(made);
        OPENSSL_cleanse(token, sizeof(token));
}

/* ---- revoking ---- */

static const struct mu_pg_statement REVOKE = {
        .name = "api_token_revoke",
        .sql = "UPDATE api_tokens SET revoked_at = coalesce(revoked_at, now())"
               " WHERE id = $1 AND (created_by = $2 OR $3) RETURNING name",
        .params = {MU_PG_INT8, MU_PG_INT8, MU_PG_BOOL},
        .repeatable = true,
};

static void revoke_token(struct mu_ask *ask)
{
        int64_t id;
        struct mu_pg_result *rows;

        if (!mu_ask_id(ask, "id", "API token", &id) ||
            !mu_ask_query(ask, &REVOKE,
                          MU_PG_VALUES(mu_pg_int8(id), mu_pg_int8(ask->who.id),
                                       mu_pg_bool(is_admin(ask))),
                          &rows))
                return;
        bool found = mu_pg_rows(rows) == 1;

        mu_pg_result_free(rows);
        if (!found)
                mu_ask_not_found(ask, "API token");
        else if (mu_ask_audit(ask, "api_token.revoke", "api-token", id, NULL, NULL))
                mu_ask_reply_empty(ask, 204);
}

/* ---- POST /admin/security/rotate-jwt-key ---- */

/* The file and the memory first: undone by nothing, and harmless should the audit line fail. */
static void rotate_key(struct mu_ask *ask)
{
        char error[MU_SECRET_ERROR_BYTES];
        int code = mu_secrets_rotate_jwt(ask->control->config.secrets, error);

        if (code < 0) {
                if (ask->control->config.on_trouble)
                        ask->control->config.on_trouble(ask->control->config.ctx,
                                                        mu_call_request_id(ask->call),
                                                        ask->endpoint->path, error);
                mu_call_problem(ask->call, 500, "jwt-secret", NULL,
                                "The new key could not be written; the old one stays. The log has "
                                "the details.");
        } else if (mu_ask_audit(ask, "security.rotate_jwt_key", "appliance", 0, NULL, NULL)) {
                mu_ask_reply_empty(ask, 204);
        }
}

/* ---- the table ---- */

static const int CREATE_PROBLEMS[] = {400, 403, 409, 0};
static const int NOT_FOUND[] = {404, 0};

static const struct mu_endpoint ENDPOINTS[] = {
        {
                .method = "GET",
                .path = "/admin/api-tokens",
                .handle = list_tokens,
                .access = MU_ACCESS_VIEWER,
                .limit = MU_LIMIT_GENERAL,
                .reply_status = 200,
                .query = &LIST_QUERY,
                .reply = &LIST,
                .operation_id = "listApiTokens",
                .tag = "API tokens",
                .summary = "Your API tokens; an administrator sees everybody's",
        },
        {
                .method = "POST",
                .path = "/admin/api-tokens",
                .handle = create_token,
                .access = MU_ACCESS_VIEWER,
                .limit = MU_LIMIT_GENERAL,
                .body = &NEW,
                .reply_status = 201,
                .reply = &MADE,
                .operation_id = "createApiToken",
                .tag = "API tokens",
                .summary = "Make a token for a program",
                .doc = "It acts in your name: never with more power than you have when it is used, "
                       "and not at all once you are gone.",
                .problems = CREATE_PROBLEMS,
        },
        {
                .method = "DELETE",
                .path = "/admin/api-tokens/{id}",
                .handle = revoke_token,
                .access = MU_ACCESS_VIEWER,
                .limit = MU_LIMIT_GENERAL,
                .reply_status = 204,
                .operation_id = "revokeApiToken",
                .tag = "API tokens",
                .summary = "Revoke a token of yours; an administrator anybody's",
                .problems = NOT_FOUND,
        },
        {
                .method = "POST",
                .path = "/admin/security/rotate-jwt-key",
                .handle = rotate_key,
                .access = MU_ACCESS_ADMIN,
                .limit = MU_LIMIT_GENERAL,
                .flags = MU_ENDPOINT_ADMIN_KEY,
                .reply_status = 204,
                .operation_id = "rotateJwtKey",
                .tag = "Security",
                .summary = "Sign access tokens with a new key from now on",
                .doc = "Tokens signed with the one before stay valid until they expire, or until "
                       "the next rotation.",
        },
};

const struct mu_endpoints mu_api_token_endpoints = MU_ENDPOINTS(ENDPOINTS);
