/* SPDX-License-Identifier: Apache-2.0 */
#include "jobs/jobs.h"

enum { PURGE_S = 30, MINUTE_S = 60, HOUR_S = 3600, DAY_S = 86400 };

const struct mu_job *mu_jobs_table(size_t *ret_count)
{
        static const struct mu_job table[] = {
                {"partitions", HOUR_S, MU_LOCK_JOB_PARTITIONS, mu_job_partitions},
                {"enrolment_tokens", DAY_S, MU_LOCK_JOB_ENROLMENT_TOKENS, mu_job_enrolment_tokens},
                {"purge", PURGE_S, MU_LOCK_JOB_PURGE, mu_job_purge},
                {"selections", MINUTE_S, MU_LOCK_JOB_SELECTIONS, mu_job_selections},
                {"commands_expire", 10, MU_LOCK_JOB_COMMANDS_EXPIRE, mu_job_commands_expire},
                {"commands_forget", HOUR_S, MU_LOCK_JOB_COMMANDS_FORGET, mu_job_commands_forget},
                {"audit_chain", 1, MU_LOCK_JOB_AUDIT_CHAIN, mu_job_audit_chain},
                /* The same lock: both move the chain. */
                {"audit_retention", HOUR_S, MU_LOCK_JOB_AUDIT_CHAIN, mu_job_audit_retention},
                {"idempotency_keys", HOUR_S, MU_LOCK_JOB_IDEMPOTENCY, mu_job_idempotency_keys},
                {"security_events", 1, MU_LOCK_JOB_SECURITY, mu_job_security_events},
                {"security_retention", HOUR_S, MU_LOCK_JOB_SECURITY, mu_job_security_retention},
        };

        *ret_count = MU_COUNT_OF(table);
        return table;
}
