/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backup.c - scheduled backups, and those that were asked for: a process of its own does the work,
 * and each slice looks how far it is.
 */
#include <errno.h>

#include "backup/runner.h"
#include "jobs/jobs.h"

static int step(const struct mu_jobs_config *config, struct mu_pg *pg, enum mu_backup_work work,
                uint64_t *ret_changed)
{
        struct mu_backup_error error = {.text = ""};
        int err = config->backups ? mu_backup_runner_step(config->backups, work, &error) : 0;

        if (err < 0)
                mu_pg_explain(pg, error.text);
        /* No directory: asked for in vain, which is no trouble of the appliance's. */
        if (err == -EINVAL)
                return MU_JOB_IDLE;
        *ret_changed += config->backups && err == 0;
        return err > 0 ? MU_JOB_AGAIN : err;
}

static int64_t due_at_us(const struct mu_jobs_config *config, enum mu_backup_work work,
                         int64_t now_us)
{
        return config->backups ? mu_backup_runner_due_us(config->backups, work, now_us)
                               : MU_JOB_NEVER;
}

int mu_job_backup(const struct mu_jobs_config *config, struct mu_pg *pg, uint64_t *ret_changed)
{
        return step(config, pg, MU_BACKUP_WORK_BACKUP, ret_changed);
}

int64_t mu_job_backup_due_us(const struct mu_jobs_config *config, int64_t now_us)
{
        return due_at_us(config, MU_BACKUP_WORK_BACKUP, now_us);
}

int mu_job_backup_check(const struct mu_jobs_config *config, struct mu_pg *pg,
                        uint64_t *ret_changed)
{
        return step(config, pg, MU_BACKUP_WORK_CHECK, ret_changed);
}

int64_t mu_job_backup_check_due_us(const struct mu_jobs_config *config, int64_t now_us)
{
        return due_at_us(config, MU_BACKUP_WORK_CHECK, now_us);
}
