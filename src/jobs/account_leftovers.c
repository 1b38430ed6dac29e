/* SPDX-License-Identifier: Apache-2.0 */
/*
 * account_leftovers.c - sign-ins that ended, codes for a new password and API tokens that can't be
 * used any more go a month later. A user who comes back trims their own (account/session.c); this
 * is for those who don't.
 */
#include "jobs/jobs.h"

enum { CHUNK = 1000, KEEP_S = 30 * 86400 };

static const struct mu_pg_statement REMOVE[] = {
        {
                .name = "leftover_sessions_remove", /* with their refresh tokens */
                .sql = "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions"
                       "  WHERE least(ended_at, expires_at, idle_expires_at) < $1 LIMIT $2)",
                .params = {MU_PG_TIMESTAMPTZ, MU_PG_INT8},
                .repeatable = true,
        },
        {
                .name = "leftover_resets_remove",
                .sql = "DELETE FROM password_resets WHERE token_sha256 IN"
                       " (SELECT token_sha256 FROM password_resets WHERE expires_at < $1 LIMIT $2)",
                .params = {MU_PG_TIMESTAMPTZ, MU_PG_INT8},
                .repeatable = true,
        },
        {
                .name = "leftover_api_tokens_remove",
                .sql = "DELETE FROM api_tokens WHERE id IN (SELECT id FROM api_tokens"
                       "  WHERE least(revoked_at, expires_at) < $1 LIMIT $2)",
                .params = {MU_PG_TIMESTAMPTZ, MU_PG_INT8},
                .repeatable = true,
        },
};

int mu_job_account_leftovers(const struct mu_jobs_config *config, struct mu_pg *pg,
                             uint64_t *ret_changed)
{
        int64_t before_us = mu_clock_realtime_us(config->clock) - KEEP_S * MU_US_PER_S;
        bool more = false;

        for (size_t i = 0; i < MU_COUNT_OF(REMOVE); i++) {
                struct mu_pg_result *result;
                int err = mu_pg_query(pg, &REMOVE[i],
                                      MU_PG_VALUES(mu_pg_timestamptz(before_us), mu_pg_int8(CHUNK)),
                                      &result);

                if (err)
                        return err;
                more = more || mu_pg_affected(result) == CHUNK;
                *ret_changed += mu_pg_affected(result);
                mu_pg_result_free(result);
        }
        return more ? MU_JOB_AGAIN : 0;
}
