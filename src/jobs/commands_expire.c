/* SPDX-License-Identifier: Apache-2.0 */
#include "control/command/command_news.h"
#include "control/command/ledger_keep.h"
#include "control/control.h"
#include "jobs/jobs.h"

enum {
        CHUNK = 1000,    /* of one statement, so that no lock is held for long */
        CHUNKS_MAX = 10, /* of a slice: other jobs want their turn */
};

static int expire_chunk(const struct mu_jobs_config *config, struct mu_pg *pg, size_t *ret_count)
{
        struct mu_ledger_expired expired;
        int error = mu_ledger_expire(pg, CHUNK, &expired);

        if (error < 0)
                return error;
        *ret_count = expired.count;
        if (config->control)
                mu_command_news_tell(config->control, expired.news);
        mu_ledger_expired_done(&expired);
        return 0;
}

int mu_job_commands_expire(const struct mu_jobs_config *config, struct mu_pg *pg,
                           uint64_t *ret_changed)
{
        size_t count = CHUNK;
        int error = 0;

        for (int i = 0; i < CHUNKS_MAX && error == 0 && count == CHUNK; i++) {
                error = expire_chunk(config, pg, &count);
                *ret_changed += error == 0 ? count : 0;
        }
        if (error < 0)
                return error;
        return count == CHUNK ? MU_JOB_AGAIN : 0;
}

int mu_job_commands_forget(const struct mu_jobs_config *config, struct mu_pg *pg,
                           uint64_t *ret_changed)
{
        int64_t before_us =
                mu_clock_realtime_us(config->clock) - config->keep_commands_s * MU_US_PER_S;
        uint64_t removed = CHUNK;
        int error = 0;

        for (int i = 0; i < CHUNKS_MAX && error == 0 && removed == CHUNK; i++) {
                error = mu_ledger_forget(pg, before_us, CHUNK, &removed);
                *ret_changed += error == 0 ? removed : 0;
        }
        if (error < 0)
                return error;
        return removed == CHUNK ? MU_JOB_AGAIN : 0;
}
