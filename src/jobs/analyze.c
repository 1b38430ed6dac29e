/* SPDX-License-Identifier: Apache-2.0 */
/*
 * analyze.c - statistics of tables of which much has changed, at once instead of when autovacuum
 * comes by: plans made for a table that was empty, or full, would stay for minutes.
 *
 * Whoever changes much writes the table's name into job_analyze, in the same transaction.
 */
#include <errno.h>
#include <stdio.h>

#include "base/assert.h"
#include "jobs/jobs.h"

enum { SQL_BYTES = 256 };

/* The name as SQL wants it, and NULL when the relation is gone. */
static const struct mu_pg_statement NEXT = {
        .name = "analyze_next",
        .sql = "SELECT relation, asked_at, CASE WHEN to_regclass(relation) IS NOT NULL"
               "  THEN to_regclass(relation)::text END FROM job_analyze"
               " ORDER BY asked_at, relation LIMIT 1",
        .repeatable = true,
};

/* Asked for again meanwhile: it stays. */
static const struct mu_pg_statement DONE = {
        .name = "analyze_done",
        .sql = "DELETE FROM job_analyze WHERE relation = $1 AND asked_at = $2",
        .params = {MU_PG_TEXT, MU_PG_TIMESTAMPTZ},
        .repeatable = true,
};

/* Behind whoever holds the table for long (a detach, a vacuum): later. */
static const struct mu_pg_statement LATER = {
        .name = "analyze_later",
        .sql = "UPDATE job_analyze SET asked_at = now() WHERE relation = $1",
        .params = {MU_PG_TEXT},
        .repeatable = true,
};

static const struct mu_pg_statement ASK = {
        .name = "analyze_ask",
        .sql = "INSERT INTO job_analyze (relation) VALUES ($1)"
               " ON CONFLICT (relation) DO UPDATE SET asked_at = now()",
        .params = {MU_PG_TEXT},
        .repeatable = true,
};

int mu_job_ask_analyze(struct mu_pg *pg, const char *relation)
{
        return mu_pg_query(pg, &ASK, MU_PG_VALUES(mu_pg_text(relation)), NULL);
}

static int analyze(struct mu_pg *pg, const char *name)
{
        char sql[SQL_BYTES];
        int bytes = snprintf(sql, sizeof(sql), "SET LOCAL lock_timeout = '1s'; ANALYZE %s", name);

        if (bytes < 0 || (size_t)bytes >= sizeof(sql))
                return -ENAMETOOLONG;
        int err = mu_pg_begin(pg);

        if (err == 0)
                err = mu_pg_script(pg, "analyze", sql);
        if (err == 0)
                return mu_pg_commit(pg);
        mu_pg_rollback(pg);
        return err;
}

int mu_job_analyze(const struct mu_jobs_config *config, struct mu_pg *pg, uint64_t *ret_changed)
{
        struct mu_pg_result *rows;
        int err = mu_pg_query(pg, &NEXT, MU_PG_VALUES(), &rows);

        (void)config;
        if (err < 0)
                return err;
        bool found = mu_pg_rows(rows) == 1;

        if (found) {
                const char *relation = mu_pg_get_text(rows, 0, 0);
                const char *name = mu_pg_get_text(rows, 0, 2);
                int64_t asked_at_us = mu_pg_get_timestamptz(rows, 0, 1);
                bool busy;

                err = name ? analyze(pg, name) : 0;
                *ret_changed = err == 0 && name;
                busy = err == -EAGAIN || err == -ETIMEDOUT;
                if (busy)
                        err = mu_pg_query(pg, &LATER, MU_PG_VALUES(mu_pg_text(relation)), NULL);
                else if (err == 0)
                        err = mu_pg_query(
                                pg, &DONE,
                                MU_PG_VALUES(mu_pg_text(relation), mu_pg_timestamptz(asked_at_us)),
                                NULL);
                found = !busy;
        }
        mu_pg_result_free(rows);
        if (err < 0)
                return err;
        return found ? MU_JOB_AGAIN : 0;
}
