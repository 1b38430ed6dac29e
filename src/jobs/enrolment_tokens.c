/* SPDX-License-Identifier: Apache-2.0 */
#include "jobs/jobs.h"

enum { CHUNK = 1000 }; /* each with its uses */

static const struct mu_pg_statement REMOVE = {
        .name = "enrolment_tokens_remove",
        .sql = "DELETE FROM enrolment_tokens WHERE id IN (SELECT id FROM enrolment_tokens"
               "  WHERE expires_at < $1 OR revoked_at < $1 LIMIT $2)",
        .params = {MU_PG_TIMESTAMPTZ, MU_PG_INT8},
        .repeatable = true,
};

int mu_job_enrolment_tokens(const struct mu_jobs_config *config, struct mu_pg *pg,
                            uint64_t *ret_changed)
{
        int64_t before_us = mu_clock_realtime_us(config->clock) -
                            config->keep_enrolment_days * MU_S_PER_DAY * MU_US_PER_S;
        struct mu_pg_result *result;
        int err =
                mu_pg_query(pg, &REMOVE,
                            MU_PG_VALUES(mu_pg_timestamptz(before_us), mu_pg_int8(CHUNK)), &result);

        if (err)
                return err;
        *ret_changed = mu_pg_affected(result);
        mu_pg_result_free(result);
        return *ret_changed == CHUNK ? MU_JOB_AGAIN : 0;
}
