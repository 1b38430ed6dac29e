/* SPDX-License-Identifier: Apache-2.0 */
#include "control/security/security_event.h"
#include "jobs/jobs.h"

int mu_job_security_events(const struct mu_jobs_config *config, struct mu_pg *pg,
                           uint64_t *ret_changed)
{
        return config->control ? mu_security_events_flush(config->control, pg, ret_changed) : 0;
}
