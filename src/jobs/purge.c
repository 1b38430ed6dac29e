/* SPDX-License-Identifier: Apache-2.0 */
/*
 * purge.c - bulk deletions to their end: what a kill interrupted, then the heartbeats of the
 * deleted.
 *
 *   deletion ─▶ checkpoint past its sequence ─▶ day by day, newest last: devices by id, a few
 *   thousand rows a transaction ─▶ refused records ─▶ done
 *
 * Each transaction moves the cursor it works from, so an interrupted purge goes on where it was. It
 * rests after each for three times as long as that took: at most a quarter of one connection's
 * time, and less the busier the database is.
 */
#include <errno.h>
#include <time.h>

#include "base/failpoint.h"
#include "control/control.h"
#include "control/device/bulk_delete.h"
#include "jobs/jobs.h"
#include "pg/partition.h"

enum {
        STEP_ROWS = 5000,
        STEP_DEVICES = 500,
        RUN_MS = 5000, /* other jobs want their turn */
        REST_FACTOR = 3,
        REST_MIN_MS = 20,
        REST_MAX_MS = 1000,
};

/* The oldest that may begin: its journal has been stored past the deletion, or is not ours any
 * more, so that nothing of it can come. */
static const struct mu_pg_statement DUE = {
        .name = "purge_due",
        .sql = "SELECT b.id FROM bulk_deletions b WHERE b.state = 'purging'"
               " AND (b.journal_id <> $1 OR EXISTS (SELECT FROM ingest_checkpoint c"
               "  WHERE c.journal_id = b.journal_id AND c.seq >= b.journal_seq))"
               " ORDER BY b.id LIMIT 1",
        .params = {MU_PG_BYTEA},
        .repeatable = true,
};

/* The archive's files keep what they hold: its index says what of it must not come back. */
static const struct mu_pg_statement BEGIN = {
        .name = "purge_begin",
        .sql = "WITH begun AS (UPDATE bulk_deletions SET purge_from_at = now(), device_cursor = 0,"
               " days_total = (SELECT count(*) FROM partition_registry WHERE parent ="
               " '" MU_PARTITION_HEARTBEATS "' AND state IN ('attached', 'restored'))"
               " WHERE id = $1 AND purge_from_at IS NULL RETURNING selection_id)"
               " INSERT INTO archive_purged (device_id) SELECT m.device_id FROM begun"
               "  JOIN selection_devices m ON m.selection_id = begun.selection_id"
               "  JOIN devices d ON d.id = m.device_id AND d.deleted_at IS NOT NULL"
               "  ON CONFLICT (device_id) DO UPDATE SET purged_at = now()",
        .params = {MU_PG_INT8},
        .repeatable = true,
};

/* The day under way, or the next one; none: all are done. */
static const struct mu_pg_statement PLACE = {
        .name = "purge_place",
        .sql = "SELECT b.selection_id, CASE WHEN day.range_from = b.purge_day"
               "  THEN b.device_cursor ELSE 0 END, day.range_from, day.range_to"
               " FROM bulk_deletions b LEFT JOIN LATERAL (SELECT range_from, range_to"
               "  FROM partition_registry WHERE parent = '" MU_PARTITION_HEARTBEATS "'"
               "  AND state IN ('attached', 'restored')"
               "  AND range_from >= coalesce(b.purge_day, '-infinity')"
               "  ORDER BY range_from LIMIT 1) AS day ON true"
               " WHERE b.id = $1 AND b.state = 'purging' FOR UPDATE OF b",
        .params = {MU_PG_INT8},
};

/* Planned for its day, by index: a sequential scan or a hash of a partition would be the end of
 * small steps. Never a device that lives. */
static const char STEP_PLAN[] = "SET LOCAL plan_cache_mode = force_custom_plan;"
                                "SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off;"
                                "SET LOCAL enable_mergejoin = off";
static const struct mu_pg_statement STEP = {
        .name = "purge_step",
        .sql = "WITH near AS MATERIALIZED (SELECT m.device_id FROM selection_devices m"
               "  WHERE m.selection_id = $1 AND m.device_id >= $2 ORDER BY m.device_id LIMIT $3),"
               " doomed AS MATERIALIZED (SELECT h.device_id, h.bucket FROM near"
               "  JOIN devices d ON d.id = near.device_id AND d.deleted_at IS NOT NULL"
               "  CROSS JOIN LATERAL (SELECT device_id, bucket FROM heartbeats"
               "   WHERE device_id = near.device_id AND bucket >= $4 AND bucket < $5 LIMIT $6) AS h"
               "  LIMIT $6),"
               " gone AS (DELETE FROM heartbeats h USING doomed"
               "  WHERE h.device_id = doomed.device_id AND h.bucket = doomed.bucket"
               "  AND h.bucket >= $4 AND h.bucket < $5 RETURNING 1)"
               " SELECT (SELECT count(*) FROM gone), (SELECT count(*) FROM near),"
               " coalesce((SELECT max(device_id) FROM near), 0)",
        .params = {MU_PG_INT8, MU_PG_INT8, MU_PG_INT8, MU_PG_TIMESTAMPTZ, MU_PG_TIMESTAMPTZ,
                   MU_PG_INT8},
};

/* To the first device not done, $3, of the day that begins at $4; $5: a day was done. */
static const struct mu_pg_statement MOVE = {
        .name = "purge_move",
        .sql = "UPDATE bulk_deletions SET rows_purged = rows_purged + $2, device_cursor = $3,"
               " purge_day = $4, days_done = days_done + $5::int"
               " WHERE id = $1",
        .params = {MU_PG_INT8, MU_PG_INT8, MU_PG_INT8, MU_PG_TIMESTAMPTZ, MU_PG_BOOL},
};

static const struct mu_pg_statement REJECTS = {
        .name = "purge_rejects",
        .sql = "WITH doomed AS (SELECT r.journal_id, r.seq FROM selection_devices m"
               "  JOIN devices d ON d.id = m.device_id AND d.deleted_at IS NOT NULL"
               "  JOIN ingest_rejects r ON r.device_id = m.device_id"
               "  WHERE m.selection_id = $1 LIMIT $2)"
               " DELETE FROM ingest_rejects r USING doomed"
               " WHERE r.journal_id = doomed.journal_id AND r.seq = doomed.seq",
        .params = {MU_PG_INT8, MU_PG_INT8},
        .repeatable = true,
};

static const struct mu_pg_statement FINISH = {
        .name = "purge_finish",
        .sql = "WITH done AS (UPDATE bulk_deletions SET state = 'done', finished_at = now()"
               "  WHERE id = $1 AND state = 'purging' RETURNING id, rows_purged),"
               " thin AS (INSERT INTO job_analyze (relation)"
               "  SELECT p.partition FROM done, partition_registry p"
               "  WHERE done.rows_purged >= 10000 AND p.parent = 'heartbeats'"
               "  AND p.state IN ('attached', 'restored') AND p.range_from < now()"
               "  ON CONFLICT (relation) DO UPDATE SET asked_at = now())"
               " INSERT INTO audit_log (actor, action, subject, after)"
               "  SELECT 'job:purge', 'device.purged', 'bulk-deletion:' || id,"
               "  jsonb_build_object('rows', rows_purged) FROM done",
        .params = {MU_PG_INT8},
        .repeatable = true,
};

struct place {
        int64_t selection_id;
        int64_t cursor;
        int64_t from_us;
        int64_t to_us;
        bool gone; /* another finished it */
        bool has_day;
};

static void rest(uint64_t took_ms)
{
        uint64_t ms = took_ms * REST_FACTOR;

        ms = ms < REST_MIN_MS ? REST_MIN_MS : ms > REST_MAX_MS ? REST_MAX_MS : ms;
        const struct timespec span = {
                .tv_sec = (time_t)(ms / 1000),
                .tv_nsec = (long)(ms % 1000) * (long)MU_NS_PER_MS,
        };

        (void)nanosleep(&span, NULL);
}

/* *ret_id 0: nothing is due. */
static int find_due(const struct mu_jobs_config *config, struct mu_pg *pg, int64_t *ret_id)
{
        struct mu_pg_result *rows;
        int error = mu_pg_query(pg, &DUE, MU_PG_VALUES(mu_pg_bytea(config->journal_id, 16)), &rows);

        if (error < 0)
                return error;
        *ret_id = mu_pg_rows(rows) > 0 ? mu_pg_get_int(rows, 0, 0) : 0;
        mu_pg_result_free(rows);
        return *ret_id == 0 ? 0 : mu_pg_query(pg, &BEGIN, MU_PG_VALUES(mu_pg_int8(*ret_id)), NULL);
}

static int find_place(struct mu_pg *pg, int64_t id, struct place *place)
{
        struct mu_pg_result *rows;
        int error = mu_pg_query(pg, &PLACE, MU_PG_VALUES(mu_pg_int8(id)), &rows);

        if (error < 0)
                return error;
        *place = (struct place){.gone = mu_pg_rows(rows) == 0};
        if (!place->gone) {
                place->selection_id = mu_pg_get_int(rows, 0, 0);
                place->has_day = !mu_pg_is_null(rows, 0, 2);
        }
        if (place->has_day) {
                place->cursor = mu_pg_get_int(rows, 0, 1);
                place->from_us = mu_pg_get_timestamptz(rows, 0, 2);
                place->to_us = mu_pg_get_timestamptz(rows, 0, 3);
        }
        mu_pg_result_free(rows);
        return 0;
}

static int purge_day_step(struct mu_pg *pg, int64_t id, const struct place *place,
                          uint64_t *ret_rows)
{
        struct mu_pg_result *result;
        int error = mu_pg_query(
                pg, &STEP,
                MU_PG_VALUES(mu_pg_int8(place->selection_id), mu_pg_int8(place->cursor),
                             mu_pg_int8(STEP_DEVICES), mu_pg_timestamptz(place->from_us),
                             mu_pg_timestamptz(place->to_us), mu_pg_int8(STEP_ROWS)),
                &result);

        if (error < 0)
                return error;
        int64_t gone = mu_pg_get_int(result, 0, 0);
        bool last_devices = mu_pg_get_int(result, 0, 1) < STEP_DEVICES;
        int64_t next = mu_pg_get_int(result, 0, 2) + 1;
        bool day_done = gone < STEP_ROWS && last_devices;

        mu_pg_result_free(result);
        if (gone == STEP_ROWS)
                next = place->cursor; /* there may be more of these devices */
        *ret_rows = (uint64_t)gone;
        return mu_pg_query(pg, &MOVE,
                           MU_PG_VALUES(mu_pg_int8(id), mu_pg_int8(gone),
                                        mu_pg_int8(day_done ? 0 : next),
                                        mu_pg_timestamptz(day_done ? place->to_us : place->from_us),
                                        mu_pg_bool(day_done)),
                           NULL);
}

/* The refused records of the devices; *ret_done when there are none left. */
static int purge_rejects_step(struct mu_pg *pg, int64_t id, const struct place *place,
                              uint64_t *ret_rows, bool *ret_done)
{
        struct mu_pg_result *result;
        int error = mu_pg_query(
                pg, &REJECTS, MU_PG_VALUES(mu_pg_int8(place->selection_id), mu_pg_int8(STEP_ROWS)),
                &result);

        if (error < 0)
                return error;
        *ret_rows = mu_pg_affected(result);
        *ret_done = *ret_rows < STEP_ROWS;
        mu_pg_result_free(result);
        return *ret_done ? mu_pg_query(pg, &FINISH, MU_PG_VALUES(mu_pg_int8(id)), NULL) : 0;
}

/* One transaction. */
static int step(struct mu_pg *pg, int64_t id, uint64_t *ret_rows, bool *ret_done)
{
        struct place place;
        int error = mu_pg_begin(pg);

        *ret_rows = 0;
        *ret_done = false;
        if (error == 0)
                error = mu_pg_script(pg, "purge_plan", STEP_PLAN);
        if (error == 0)
                error = find_place(pg, id, &place);
        if (error == 0 && place.gone)
                *ret_done = true;
        else if (error == 0 && place.has_day)
                error = purge_day_step(pg, id, &place, ret_rows);
        else if (error == 0)
                error = purge_rejects_step(pg, id, &place, ret_rows, ret_done);
        MU_FAILPOINT("purge.step", error);
        if (error == 0)
                return mu_pg_commit(pg);
        mu_pg_rollback(pg);
        return error;
}

static uint64_t now_ms(const struct mu_jobs_config *config)
{
        return mu_clock_monotonic_ns(config->clock) / (uint64_t)MU_NS_PER_MS;
}

int mu_job_purge(const struct mu_jobs_config *config, struct mu_pg *pg, uint64_t *ret_changed)
{
        uint64_t until_ms = now_ms(config) + RUN_MS;
        uint64_t devices = 0;
        int64_t id = 0;
        int error = config->control ? mu_bulk_delete_resume(config->control, pg, &devices) : 0;

        *ret_changed += devices;
        if (error == 0 && config->journal_id)
                error = find_due(config, pg, &id);
        while (error == 0 && id != 0 && now_ms(config) < until_ms) {
                uint64_t began_ms = now_ms(config);
                uint64_t rows;
                bool done;

                error = step(pg, id, &rows, &done);
                if (error < 0)
                        break;
                *ret_changed += rows;
                if (done)
                        error = find_due(config, pg, &id);
                else if (rows > 0)
                        rest(now_ms(config) - began_ms);
        }
        if (error < 0)
                return error;
        return id != 0 ? MU_JOB_AGAIN : 0;
}
