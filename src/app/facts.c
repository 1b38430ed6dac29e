/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "app/app_private.h"
#include "base/fs.h"
#include "control/alert/appliance_facts.h"
#include "ingest/pipeline.h"
#include "jobs/scheduler.h"

_Static_assert(sizeof(((struct mu_appliance_facts *)0)->failing_job) >= MU_JOB_NAME_BYTES,
               "a job's name fits");

/* Of several file systems the one with the least room, as a share. */
static void add_disk(const char *path, struct mu_appliance_facts *facts)
{
        uint64_t free_bytes;
        uint64_t total_bytes;

        if (mu_fs_space(path, &free_bytes, &total_bytes) < 0 || total_bytes == 0)
                return;
        if (facts->disk_total_bytes > 0 &&
            (double)free_bytes / (double)total_bytes >=
                    (double)facts->disk_free_bytes / (double)facts->disk_total_bytes)
                return;
        facts->disk_free_bytes = free_bytes;
        facts->disk_total_bytes = total_bytes;
}

/* 0: none are scheduled. */
static uint32_t backup_interval_s(const struct mu_config *config)
{
        if (!*config->backup_directory)
                return 0;
        if (*config->backup_at)
                return (uint32_t)MU_S_PER_DAY;
        return (uint32_t)(config->backup_interval / MU_NS_PER_S);
}

void mu_app_facts(void *context, struct mu_appliance_facts *ret_facts)
{
        struct mu_app *app = context;
        struct mu_appliance_facts facts = {0};
        struct mu_pipeline_status status;

        mu_pipeline_status(app->pipeline, &status);
        facts.backlog_records = status.backlog_records;
        facts.oldest_unstored_s = status.oldest_unstored_s;
        facts.journal_hours_left = status.journal_hours_left;
        facts.journal_accepting = status.journal.state == MU_JOURNAL_ACCEPTING;
        facts.storing = status.storing;
        if (*app->config.backup_directory)
                facts.backup_interval_s =
                        *app->config.backup_at
                                ? (uint32_t)MU_S_PER_DAY
                                : (uint32_t)(app->config.backup_interval / MU_NS_PER_S);
        facts.backup_interval_s = backup_interval_s(&app->config);
        add_disk(app->config.data_dir, &facts);
        add_disk(app->journal_directory, &facts);
        if (app->jobs) {
                char name[MU_JOB_NAME_BYTES];

                mu_jobs_trouble(app->jobs, &facts.job_failures_in_a_row, name);
                (void)snprintf(facts.failing_job, sizeof(facts.failing_job), "%s", name);
        }
        *ret_facts = facts;
}
