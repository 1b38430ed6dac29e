/* SPDX-License-Identifier: Apache-2.0 */
#include "control/account/account_sql.h"

#include "control/account/user_shape.h"

const struct mu_pg_statement mu_user_show = {
        .name = "user_show",
        .sql = "SELECT " MU_USER_COLUMNS " FROM users u" MU_USER_FAILURES " WHERE u.id = $1",
        .params = {MU_PG_INT8},
        .repeatable = true,
};

const struct mu_pg_statement mu_user_set_password = {
        .name = "user_set_password",
        .sql = "UPDATE users SET password_hash = $2, password_changed_at = now(),"
               " password_change_advised = $4"
               " WHERE id = $1 AND disabled_at IS NULL AND password_hash = coalesce($3,"
               " password_hash) RETURNING id",
        .params = {MU_PG_INT8, MU_PG_TEXT, MU_PG_TEXT, MU_PG_BOOL},
};

const struct mu_pg_statement mu_user_drop_resets = {
        .name = "user_drop_resets",
        .sql = "UPDATE password_resets SET used_at = now() WHERE user_id = $1 AND used_at IS NULL",
        .params = {MU_PG_INT8},
        .repeatable = true,
};

const struct mu_pg_statement mu_reset_insert = {
        .name = "password_reset_insert",
        .sql = "WITH old AS (DELETE FROM password_resets"
               "  WHERE user_id = $2 AND expires_at < now() - interval '1 day')"
               " INSERT INTO password_resets (token_sha256, user_id, expires_at, issued_by)"
               " VALUES ($1, $2, now() + make_interval(secs => $3), $4)",
        .params = {MU_PG_BYTEA, MU_PG_INT8, MU_PG_FLOAT8, MU_PG_TEXT},
};
