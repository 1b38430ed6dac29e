/* SPDX-License-Identifier: Apache-2.0 */
#include "jobs/jobs.h"
#include "pg/partition.h"

/* A day more at the back: what waits in the journal was inside the window when it was taken. */
enum { MARGIN_DAYS = 1 };

int mu_job_partitions(const struct mu_jobs_config *config, struct mu_pg *pg, uint64_t *ret_changed)
{
        int64_t today = mu_partition_day(mu_clock_realtime_us(config->clock) / MU_US_PER_S);
        uint32_t made = 0;
        int err = mu_partitions_ensure(pg, today - config->window_days - MARGIN_DAYS,
                                       today + config->ahead_days, &made);

        *ret_changed = made;
        return err;
}
