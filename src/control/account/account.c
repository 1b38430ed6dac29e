/* SPDX-License-Identifier: Apache-2.0 */
#include "control/account/account.h"

#include <errno.h>
#include <openssl/mem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "identity/password.h"
#include "pg/query.h"

enum {
        BCRYPT_COST = 12,
        ACCESS_LIFE_S = 15 * 60,
        SESSION_LIFE_S = 30 * 86400,
        SESSION_IDLE_S = 7 * 86400,
        RESET_LIFE_S = 3600,
        LOCK_FAILURES = 5,
        LOCK_BASE_S = 15,
        LOCK_MAX_S = 900,
};

static void set_default(uint32_t *value, uint32_t initial)
{
        if (*value == 0)
                *value = initial;
}

int mu_account_create(const struct mu_account_config *config, const struct mu_secrets *secrets,
                      struct mu_account **ret_account)
{
        struct mu_account *account = calloc(1, sizeof(*account));

        if (!account)
                return -ENOMEM;
        account->config = *config;
        set_default(&account->config.bcrypt_cost, BCRYPT_COST);
        set_default(&account->config.bcrypt_parallel_max, 1);
        set_default(&account->config.access_life_s, ACCESS_LIFE_S);
        set_default(&account->config.session_life_s, SESSION_LIFE_S);
        set_default(&account->config.session_idle_s, SESSION_IDLE_S);
        set_default(&account->config.reset_life_s, RESET_LIFE_S);
        set_default(&account->config.lock_failures, LOCK_FAILURES);
        set_default(&account->config.lock_base_s, LOCK_BASE_S);
        set_default(&account->config.lock_max_s, LOCK_MAX_S);
        mu_secrets_derive(secrets, "refresh-successor", account->refresh_key);
        *ret_account = account;
        return 0;
}

void mu_account_destroy(struct mu_account *account)
{
        if (!account)
                return;
        OPENSSL_cleanse(account->refresh_key, sizeof(account->refresh_key));
        free(account);
}

/* ---- the first user ---- */

static const struct mu_pg_statement ANY_USER = {
        .name = "user_any",
        .sql = "SELECT EXISTS (SELECT 1 FROM users)",
        .repeatable = true,
};

/* Once more looked, in the statement itself: two daemons may start on one database. */
static const struct mu_pg_statement INSERT_FIRST = {
        .name = "user_insert_first",
        .sql = "INSERT INTO users (name, role, password_hash, password_change_advised)"
               " SELECT 'admin', 'admin', $1, true WHERE NOT EXISTS (SELECT 1 FROM users)"
               " ON CONFLICT DO NOTHING",
        .params = {MU_PG_TEXT},
        .repeatable = true,
};

static int insert_first(const struct mu_account *account, const struct mu_secrets *secrets,
                        struct mu_pg *pg, char *error)
{
        char hash[MU_PASSWORD_HASH_BYTES];
        char *password;
        int code = mu_secrets_admin_password(secrets, &password, error);

        if (code < 0)
                return code;
        code = mu_password_hash(password, strlen(password), account->config.bcrypt_cost, hash);
        OPENSSL_cleanse(password, strlen(password));
        free(password);
        if (code < 0) {
                (void)snprintf(error, MU_SECRET_ERROR_BYTES,
                               "The first user's password can't be hashed: %.100s.",
                               strerror(-code));
                return code;
        }
        code = mu_pg_query(pg, &INSERT_FIRST, MU_PG_VALUES(mu_pg_text(hash)), NULL);
        if (code < 0)
                (void)snprintf(error, MU_SECRET_ERROR_BYTES, "%.250s", mu_pg_last_error(pg)->text);
        return code;
}

int mu_account_make_first(const struct mu_account *account, const struct mu_secrets *secrets,
                          struct mu_pg *pg, bool *ret_made, char *error)
{
        struct mu_pg_result *rows;
        int code = mu_pg_query(pg, &ANY_USER, MU_PG_VALUES(), &rows);

        if (code < 0) {
                (void)snprintf(error, MU_SECRET_ERROR_BYTES, "%.250s", mu_pg_last_error(pg)->text);
                return code;
        }
        bool any = mu_pg_get_bool(rows, 0, 0);

        mu_pg_result_free(rows);
        if (!any)
                code = insert_first(account, secrets, pg, error);
        if (code == 0)
                *ret_made = !any;
        return code;
}
