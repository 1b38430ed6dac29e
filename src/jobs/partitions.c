/* SPDX-License-Identifier: Apache-2.0 */
#include "jobs/jobs.h"
#include "pg/partition.h"

int mu_job_partitions(const struct mu_jobs_config *config, struct mu_pg *pg, uint64_t *ret_changed)
{
        int64_t today = mu_partition_day(mu_clock_realtime_us(config->clock) / MU_US_PER_S);
        uint32_t made = 0;
        int err =
                mu_partitions_ensure_all(pg, today, config->window_days, config->ahead_days, &made);

        *ret_changed = made;
        return err;
}
