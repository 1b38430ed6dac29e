/* SPDX-License-Identifier: Apache-2.0 */
#include "control/account/account_principal.h"

#include <errno.h>
#include <stdio.h>

#include "identity/token.h"
#include "pg/query.h"

static const struct mu_pg_statement BY_SESSION = {
        .name = "principal_by_session",
        .sql = "SELECT u.name, u.role FROM sessions s JOIN users u ON u.id = s.user_id"
               " WHERE s.id = $1 AND s.user_id = $2 AND s.ended_at IS NULL AND s.expires_at > now()"
               " AND u.disabled_at IS NULL",
        .params = {MU_PG_INT8, MU_PG_INT8},
        .repeatable = true,
};

static const struct mu_pg_statement BY_API_TOKEN = {
        .name = "principal_by_api_token",
        .sql = "WITH token AS (SELECT t.id, t.created_by, t.name, t.scopes, t.role, t.last_used_at,"
               "  u.role AS creator_role FROM api_tokens t JOIN users u ON u.id = t.created_by"
               "  WHERE t.token_sha256 = $1 AND t.revoked_at IS NULL AND t.expires_at > now()"
               "  AND u.disabled_at IS NULL),"
               " touched AS (UPDATE api_tokens SET last_used_at = now() FROM token"
               "  WHERE api_tokens.id = token.id AND (token.last_used_at IS NULL"
               "  OR token.last_used_at < now() - interval '1 minute'))"
               " SELECT id, created_by, name, scopes, role, creator_role FROM token",
        .params = {MU_PG_BYTEA},
        .repeatable = true,
};

int mu_account_principal_by_session(struct mu_pg *pg, int64_t session_id, int64_t user_id,
                                    struct mu_principal *ret_who)
{
        struct mu_pg_result *rows;
        int error = mu_pg_query(pg, &BY_SESSION,
                                MU_PG_VALUES(mu_pg_int8(session_id), mu_pg_int8(user_id)), &rows);

        if (error < 0)
                return error;
        if (mu_pg_rows(rows) == 1) {
                *ret_who = (struct mu_principal){.kind = MU_PRINCIPAL_USER,
                                                 .role = mu_role_parse(mu_pg_get_text(rows, 0, 1)),
                                                 .id = user_id,
                                                 .session_id = session_id};
                (void)snprintf(ret_who->name, sizeof(ret_who->name), "%s",
                               mu_pg_get_text(rows, 0, 0));
        } else {
                error = -ENOENT;
        }
        mu_pg_result_free(rows);
        return error;
}

int mu_account_principal_by_api_token(struct mu_pg *pg, const struct mu_digest *digest,
                                      struct mu_principal *ret_who)
{
        struct mu_pg_result *rows;
        int error =
                mu_pg_query(pg, &BY_API_TOKEN,
                            MU_PG_VALUES(mu_pg_bytea(digest->bytes, sizeof(digest->bytes))), &rows);

        if (error < 0)
                return error;
        if (mu_pg_rows(rows) == 1) {
                enum mu_role own = mu_role_parse(mu_pg_get_text(rows, 0, 4));
                enum mu_role creator = mu_role_parse(mu_pg_get_text(rows, 0, 5));

                *ret_who = (struct mu_principal){.kind = MU_PRINCIPAL_API_TOKEN,
                                                 .role = own < creator ? own : creator,
                                                 .id = mu_pg_get_int(rows, 0, 0),
                                                 .owner_id = mu_pg_get_int(rows, 0, 1)};
                (void)snprintf(ret_who->name, sizeof(ret_who->name), "%s",
                               mu_pg_get_text(rows, 0, 2));
                (void)snprintf(ret_who->scopes, sizeof(ret_who->scopes), "%s",
                               mu_pg_get_text(rows, 0, 3));
        } else {
                error = -ENOENT;
        }
        mu_pg_result_free(rows);
        return error;
}
