/* SPDX-License-Identifier: Apache-2.0 */
#include "jobs/jobs.h"

enum { HOUR_S = 3600, DAY_S = 86400 };

const struct mu_job *mu_jobs_table(size_t *ret_count)
{
        static const struct mu_job table[] = {
                {"partitions", HOUR_S, MU_LOCK_JOB_PARTITIONS, mu_job_partitions},
                {"enrolment_tokens", DAY_S, MU_LOCK_JOB_ENROLMENT_TOKENS, mu_job_enrolment_tokens},
                {"commands_expire", 10, MU_LOCK_JOB_COMMANDS_EXPIRE, mu_job_commands_expire},
                {"commands_forget", HOUR_S, MU_LOCK_JOB_COMMANDS_FORGET, mu_job_commands_forget},
        };

        *ret_count = MU_COUNT_OF(table);
        return table;
}
