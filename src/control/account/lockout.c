/* SPDX-License-Identifier: Apache-2.0 */
#include "control/account/lockout.h"

#include <ctype.h>
#include <openssl/sha.h>

#include "pg/query.h"

static const struct mu_pg_statement LOOK = {
        .name = "lockout_look",
        .sql = "SELECT ceil(extract(epoch FROM locked_until - now()))::int8 FROM login_failures"
               " WHERE name_sha256 = $1 AND locked_until > now()",
        .params = {MU_PG_BYTEA},
        .repeatable = true,
};

/* $2 failures, $3 base, $4 max. */
static const struct mu_pg_statement FAIL = {
        .name = "lockout_fail",
        .sql = "INSERT INTO login_failures AS f (name_sha256) VALUES ($1)"
               " ON CONFLICT (name_sha256) DO UPDATE SET last_failed_at = now(),"
               "  failed_count = CASE WHEN f.last_failed_at < now() - interval '1 day' THEN 1"
               "   ELSE f.failed_count + 1 END,"
               "  locked_until = CASE WHEN f.last_failed_at >= now() - interval '1 day'"
               "   AND f.failed_count + 1 >= $2 THEN now() + make_interval(secs => "
               "least($4::float8,"
               "   $3::float8 * 2 ^ least(f.failed_count + 1 - $2, 20)::float8)) END"
               " RETURNING coalesce(ceil(extract(epoch FROM locked_until - now()))::int8, 0),"
               " failed_count = 1",
        .params = {MU_PG_BYTEA, MU_PG_INT4, MU_PG_INT4, MU_PG_INT4},
};

static const struct mu_pg_statement FORGET = {
        .name = "lockout_forget",
        .sql = "DELETE FROM login_failures WHERE name_sha256 IN (SELECT name_sha256"
               " FROM login_failures ORDER BY last_failed_at"
               " LIMIT greatest(0, (SELECT count(*) FROM login_failures) - 65536))",
        .repeatable = true,
};

static const struct mu_pg_statement CLEAR = {
        .name = "lockout_clear",
        .sql = "DELETE FROM login_failures WHERE name_sha256 = $1",
        .params = {MU_PG_BYTEA},
        .repeatable = true,
};

void mu_lockout_key(const char *name, struct mu_digest *ret_key)
{
        SHA256_CTX sha;

        SHA256_Init(&sha);
        for (; *name; name++) {
                char lower = (char)tolower((unsigned char)*name);

                SHA256_Update(&sha, &lower, 1);
        }
        SHA256_Final(ret_key->bytes, &sha);
}

int mu_lockout_look(struct mu_pg *pg, const struct mu_digest *key, uint32_t *ret_retry_s)
{
        struct mu_pg_result *rows;
        int error = mu_pg_query(pg, &LOOK,
                                MU_PG_VALUES(mu_pg_bytea(key->bytes, sizeof(key->bytes))), &rows);

        if (error < 0)
                return error;
        *ret_retry_s = mu_pg_rows(rows) == 1 ? (uint32_t)mu_pg_get_int(rows, 0, 0) : 0;
        mu_pg_result_free(rows);
        return 0;
}

int mu_lockout_fail(struct mu_pg *pg, const struct mu_account_config *config,
                    const struct mu_digest *key, uint32_t *ret_retry_s)
{
        struct mu_pg_result *rows;
        int error = mu_pg_query(pg, &FAIL,
                                MU_PG_VALUES(mu_pg_bytea(key->bytes, sizeof(key->bytes)),
                                             mu_pg_int4((int32_t)config->lock_failures),
                                             mu_pg_int4((int32_t)config->lock_base_s),
                                             mu_pg_int4((int32_t)config->lock_max_s)),
                                &rows);

        if (error < 0)
                return error;
        uint32_t retry_s = (uint32_t)mu_pg_get_int(rows, 0, 0);
        bool first = mu_pg_get_bool(rows, 0, 1);

        mu_pg_result_free(rows);
        if (first)
                error = mu_pg_query(pg, &FORGET, MU_PG_VALUES(), NULL);
        if (error == 0)
                *ret_retry_s = retry_s;
        return error;
}

int mu_lockout_clear(struct mu_pg *pg, const struct mu_digest *key)
{
        return mu_pg_query(pg, &CLEAR, MU_PG_VALUES(mu_pg_bytea(key->bytes, sizeof(key->bytes))),
                           NULL);
}
