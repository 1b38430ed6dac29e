/* SPDX-License-Identifier: Apache-2.0 */
/* scheduler_record.c - how runs went, in job_runs; and the job that keeps that short. */
#include "jobs/jobs.h"
#include "jobs/scheduler_private.h"

enum {
        KEEP_DAYS = 30,
        KEEP_RUNS = 1000, /* of each job */
        CHUNK = 2000,
};

static const struct mu_pg_statement RECORD = {
        .name = "job_runs_record",
        .sql = "INSERT INTO job_runs (id, started_at, finished_at, changed, job, outcome, asked_by,"
               " error) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO NOTHING",
        .params = {MU_PG_INT8, MU_PG_TIMESTAMPTZ, MU_PG_TIMESTAMPTZ, MU_PG_INT8, MU_PG_TEXT,
                   MU_PG_TEXT, MU_PG_TEXT, MU_PG_TEXT},
        .repeatable = true,
};

static const struct mu_pg_statement TRIM = {
        .name = "job_runs_trim",
        .sql = "DELETE FROM job_runs WHERE id IN (SELECT id FROM"
               " (SELECT id, finished_at, row_number() OVER (PARTITION BY job ORDER BY id DESC) AS "
               "n"
               "  FROM job_runs) AS r WHERE n > $1 OR finished_at < $2 LIMIT $3)",
        .params = {MU_PG_INT8, MU_PG_TIMESTAMPTZ, MU_PG_INT8},
        .repeatable = true,
};

int mu_jobs_record(struct mu_pg *pg, const struct mu_job_run *run)
{
        return mu_pg_query(pg, &RECORD,
                           MU_PG_VALUES(mu_pg_int8(run->id), mu_pg_timestamptz(run->started_at_us),
                                        mu_pg_timestamptz(run->finished_at_us),
                                        mu_pg_int8((int64_t)run->changed), mu_pg_text(run->job),
                                        mu_pg_text(run->state),
                                        mu_pg_text(*run->asked_by ? run->asked_by : NULL),
                                        mu_pg_text(*run->error ? run->error : NULL)),
                           NULL);
}

int mu_job_job_runs(const struct mu_jobs_config *config, struct mu_pg *pg, uint64_t *ret_changed)
{
        int64_t before_us =
                mu_clock_realtime_us(config->clock) - KEEP_DAYS * MU_S_PER_DAY * MU_US_PER_S;
        struct mu_pg_result *result;
        int err = mu_pg_query(pg, &TRIM,
                              MU_PG_VALUES(mu_pg_int8(KEEP_RUNS), mu_pg_timestamptz(before_us),
                                           mu_pg_int8(CHUNK)),
                              &result);

        if (err < 0)
                return err;
        uint64_t removed = mu_pg_affected(result);

        mu_pg_result_free(result);
        *ret_changed = removed;
        return removed == CHUNK ? MU_JOB_AGAIN : 0;
}
