/* SPDX-License-Identifier: Apache-2.0 */
#include "control/audit/audit_chain.h"
#include "jobs/jobs.h"

int mu_job_audit_chain(const struct mu_jobs_config *config, struct mu_pg *pg, uint64_t *ret_changed)
{
        return config->control ? mu_audit_link(config->control, pg, ret_changed) : 0;
}

int mu_job_audit_retention(const struct mu_jobs_config *config, struct mu_pg *pg,
                           uint64_t *ret_changed)
{
        int64_t before_us =
                mu_clock_realtime_us(config->clock) - config->keep_audit_s * MU_US_PER_S;

        return config->control ? mu_audit_retain(config->control, pg, before_us, ret_changed) : 0;
}
