/* SPDX-License-Identifier: Apache-2.0 */
#include "jobs/jobs.h"

enum { RUN_MS = 2000 }; /* other jobs want their turn */

/* A deletion that is not done still works through its selection. One at a time: a large one is
 * 100,000 members. */
static const struct mu_pg_statement REMOVE = {
        .name = "selections_remove",
        .sql = "DELETE FROM selections WHERE id IN (SELECT s.id FROM selections s"
               "  WHERE s.expires_at < now() - interval '1 minute'"
               "  AND NOT EXISTS (SELECT FROM bulk_deletions b"
               "   WHERE b.selection_id = s.id AND b.state <> 'done')"
               "  ORDER BY s.expires_at LIMIT 1 FOR UPDATE SKIP LOCKED)",
        .repeatable = true,
};

int mu_job_selections(const struct mu_jobs_config *config, struct mu_pg *pg, uint64_t *ret_changed)
{
        uint64_t until_ns = mu_clock_monotonic_ns(config->clock) + RUN_MS * (uint64_t)MU_NS_PER_MS;

        do {
                struct mu_pg_result *result;
                int error = mu_pg_query(pg, &REMOVE, MU_PG_VALUES(), &result);

                if (error < 0)
                        return error;
                uint64_t removed = mu_pg_affected(result);

                mu_pg_result_free(result);
                *ret_changed += removed;
                if (removed == 0)
                        return 0;
        } while (mu_clock_monotonic_ns(config->clock) < until_ns);
        return MU_JOB_AGAIN;
}
