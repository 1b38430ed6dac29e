/* SPDX-License-Identifier: Apache-2.0 */
#include "jobs/jobs.h"

enum { PURGE_S = 30, MINUTE_S = 60, HOUR_S = 3600, DAY_S = 86400 };

const struct mu_job *mu_jobs_table(size_t *ret_count)
{
        static const struct mu_job table[] = {
                {.name = "partitions",
                 .interval_s = HOUR_S,
                 .lock = MU_LOCK_JOB_PARTITIONS,
                 .run = mu_job_partitions,
                 .doc = "Makes the daily partitions that are needed, and a week of them ahead."},
                {.name = "enrolment_tokens",
                 .interval_s = DAY_S,
                 .lock = MU_LOCK_JOB_ENROLMENT_TOKENS,
                 .run = mu_job_enrolment_tokens,
                 .doc = "Removes enrolment tokens that expired or were revoked long ago."},
                {.name = "purge",
                 .interval_s = PURGE_S,
                 .lock = MU_LOCK_JOB_PURGE,
                 .run = mu_job_purge,
                 .doc = "Ends bulk deletions, and removes the heartbeats of deleted devices where "
                        "asked for."},
                {.name = "selections",
                 .interval_s = MINUTE_S,
                 .lock = MU_LOCK_JOB_SELECTIONS,
                 .run = mu_job_selections,
                 .doc = "Removes expired selections of devices."},
                {.name = "commands_expire",
                 .interval_s = 10,
                 .lock = MU_LOCK_JOB_COMMANDS_EXPIRE,
                 .run = mu_job_commands_expire,
                 .doc = "Ends commands whose time is over."},
                {.name = "commands_forget",
                 .interval_s = HOUR_S,
                 .lock = MU_LOCK_JOB_COMMANDS_FORGET,
                 .run = mu_job_commands_forget,
                 .doc = "Removes commands that ended longer ago than retention.commands."},
                {.name = "audit_chain",
                 .interval_s = 1,
                 .lock = MU_LOCK_JOB_AUDIT_CHAIN,
                 .run = mu_job_audit_chain,
                 .doc = "Links fresh lines of the audit log into their chain."},
                /* The same lock: both move the chain. */
                {.name = "audit_retention",
                 .interval_s = HOUR_S,
                 .lock = MU_LOCK_JOB_AUDIT_CHAIN,
                 .run = mu_job_audit_retention,
                 .doc = "Removes lines of the audit log older than retention.audit; the rest still "
                        "verifies."},
                {.name = "idempotency_keys",
                 .interval_s = HOUR_S,
                 .lock = MU_LOCK_JOB_IDEMPOTENCY,
                 .run = mu_job_idempotency_keys,
                 .doc = "Removes replies kept for an Idempotency-Key longer than a day."},
                {.name = "security_events",
                 .interval_s = 1,
                 .lock = MU_LOCK_JOB_SECURITY,
                 .run = mu_job_security_events,
                 .doc = "Writes down the security events of the last second."},
                {.name = "alerts_retention",
                 .interval_s = HOUR_S,
                 .lock = MU_LOCK_JOB_ALERTS_RETENTION,
                 .run = mu_job_alerts_retention,
                 .doc = "Removes alerts, incidents and notifications that ended longer ago than "
                        "retention.alerts."},
                {.name = "reconcile",
                 .interval_s = HOUR_S,
                 .lock = MU_LOCK_JOB_RECONCILE,
                 .run = mu_job_reconcile,
                 .doc = "Compares the last status of each device with history, and repairs and "
                        "counts what differs."},
                {.name = "analyze",
                 .interval_s = MINUTE_S,
                 .lock = MU_LOCK_JOB_ANALYZE,
                 .run = mu_job_analyze,
                 .doc = "Brings the statistics of tables up to date after much of them changed."},
                {.name = "job_runs",
                 .interval_s = HOUR_S,
                 .lock = MU_LOCK_JOB_RUNS,
                 .run = mu_job_job_runs,
                 .doc = "Keeps the last 1,000 runs of each job, 30 days at most."},
        };

        *ret_count = MU_COUNT_OF(table);
        return table;
}
