/* SPDX-License-Identifier: Apache-2.0 */
#include "control/idempotency.h"
#include "jobs/jobs.h"

int mu_job_idempotency_keys(const struct mu_jobs_config *config, struct mu_pg *pg,
                            uint64_t *ret_changed)
{
        (void)config;
        int error = mu_idempotency_purge(pg, ret_changed);

        if (error < 0)
                return error;
        return *ret_changed == MU_IDEMPOTENCY_PURGE_MAX ? MU_JOB_AGAIN : 0;
}
