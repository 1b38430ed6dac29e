/* SPDX-License-Identifier: Apache-2.0 */
#include "control/security/security_event.h"
#include "jobs/jobs.h"

static const struct mu_pg_statement REMOVE = {
        .name = "security_events_remove",
        .sql = "DELETE FROM security_events WHERE minute < $1",
        .params = {MU_PG_TIMESTAMPTZ},
        .repeatable = true,
};

int mu_job_security_events(const struct mu_jobs_config *config, struct mu_pg *pg,
                           uint64_t *ret_changed)
{
        return config->control ? mu_security_events_flush(config->control, pg, ret_changed) : 0;
}

int mu_job_security_retention(const struct mu_jobs_config *config, struct mu_pg *pg,
                              uint64_t *ret_changed)
{
        int64_t before_us =
                mu_clock_realtime_us(config->clock) - config->keep_security_s * MU_US_PER_S;
        struct mu_pg_result *result;
        int error = mu_pg_query(pg, &REMOVE, MU_PG_VALUES(mu_pg_timestamptz(before_us)), &result);

        if (error < 0)
                return error;
        *ret_changed = mu_pg_affected(result);
        mu_pg_result_free(result);
        return 0;
}
