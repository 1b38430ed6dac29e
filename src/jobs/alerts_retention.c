/* SPDX-License-Identifier: Apache-2.0 */
/*
 * alerts_retention.c - what is over for longer than retention.alerts goes, a thousand rows a
 * statement. What happened (alert_events) goes by the day, with its partition.
 */
#include "jobs/jobs.h"

enum {
        CHUNK = 1000,
        CHUNKS_MAX = 10, /* a slice */
        KEEP_SILENCES_DAYS = 90,
        ANALYZE_ROWS = 10000,
};

/* Of an incident that is still open everything stays. */
static const struct mu_pg_statement REMOVE[] = {
        {
                .name = "alerts_remove",
                .sql = "DELETE FROM alerts WHERE id IN (SELECT a.id FROM alerts a"
                       "  WHERE a.state = 'resolved' AND a.resolved_at < $1 AND NOT EXISTS"
                       "   (SELECT FROM alert_incidents i WHERE i.id = a.incident_id"
                       "    AND i.closed_at IS NULL)"
                       "  ORDER BY a.resolved_at LIMIT $2)",
                .params = {MU_PG_TIMESTAMPTZ, MU_PG_INT8},
                .repeatable = true,
        },
        {
                .name = "alert_notifications_remove",
                .sql = "DELETE FROM alert_notifications WHERE id IN (SELECT n.id"
                       "  FROM alert_notifications n WHERE n.state <> 'waiting'"
                       "  AND n.finished_at < $1 AND NOT EXISTS (SELECT FROM alert_incidents i"
                       "   WHERE i.id = n.incident_id AND i.closed_at IS NULL)"
                       "  ORDER BY n.finished_at LIMIT $2)",
                .params = {MU_PG_TIMESTAMPTZ, MU_PG_INT8},
                .repeatable = true,
        },
        {
                .name = "alert_incidents_remove",
                .sql = "DELETE FROM alert_incidents WHERE id IN (SELECT i.id"
                       "  FROM alert_incidents i WHERE i.closed_at < $1 AND NOT EXISTS"
                       "   (SELECT FROM alerts a WHERE a.incident_id = i.id)"
                       "  AND NOT EXISTS (SELECT FROM alert_notifications n"
                       "   WHERE n.incident_id = i.id) ORDER BY i.closed_at LIMIT $2)",
                .params = {MU_PG_TIMESTAMPTZ, MU_PG_INT8},
                .repeatable = true,
        },
        {
                .name = "alert_silences_remove",
                .sql = "DELETE FROM alert_silences WHERE id IN (SELECT id FROM alert_silences"
                       "  WHERE ends_at < $1 ORDER BY ends_at LIMIT $2)",
                .params = {MU_PG_TIMESTAMPTZ, MU_PG_INT8},
                .repeatable = true,
        },
};
static const char *const TABLES[] = {"alerts", "alert_notifications", "alert_incidents",
                                     "alert_silences"};

/* *ret_full: there is more. */
static int remove_some(struct mu_pg *pg, size_t which, int64_t before_us, uint64_t *removed,
                       bool *ret_full)
{
        uint64_t of_table = 0;

        *ret_full = true;
        for (int chunk = 0; chunk < CHUNKS_MAX && *ret_full; chunk++) {
                struct mu_pg_result *result;
                int err = mu_pg_query(pg, &REMOVE[which],
                                      MU_PG_VALUES(mu_pg_timestamptz(before_us), mu_pg_int8(CHUNK)),
                                      &result);

                if (err < 0)
                        return err;
                of_table += mu_pg_affected(result);
                *ret_full = mu_pg_affected(result) == CHUNK;
                mu_pg_result_free(result);
        }
        *removed += of_table;
        return of_table >= ANALYZE_ROWS ? mu_job_ask_analyze(pg, TABLES[which]) : 0;
}

int mu_job_alerts_retention(const struct mu_jobs_config *config, struct mu_pg *pg,
                            uint64_t *ret_changed)
{
        int64_t now_us = mu_clock_realtime_us(config->clock);
        bool more = false;
        int err = 0;

        for (size_t i = 0; i < MU_COUNT_OF(REMOVE) && err == 0; i++) {
                bool silences = i == MU_COUNT_OF(REMOVE) - 1;
                int64_t keep_s =
                        silences ? KEEP_SILENCES_DAYS * MU_S_PER_DAY : config->keep_alerts_s;
                bool full;

                err = remove_some(pg, i, now_us - keep_s * MU_US_PER_S, ret_changed, &full);
                more = more || (err == 0 && full);
        }
        if (err < 0)
                return err;
        return more ? MU_JOB_AGAIN : 0;
}
