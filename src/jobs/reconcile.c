/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reconcile.c - device_last_status against history, once an hour; what differs is repaired and
 * counted.
 *
 *   arrivals ─▶ what was received since the last pass, an hour a slice, by the BRIN index: is each
 *               device's row at least as new?
 *   devices  ─▶ by id, a page a statement: is the row's content that of the newest heartbeat of the
 *               window and two days more? One lookup by (device_id, bucket) a device.
 *   strays   ─▶ rows of devices that are deleted: along with the pages
 *
 * A writer stores heartbeats and status in one transaction, so a single statement never sees the
 * one without the other, whatever the load: what differs in it is drift. Nothing is locked by
 * looking. A suspect is judged again with its row locked, by a statement that began after that; the
 * repair takes what is newer and leaves the rest, as the writers do.
 *
 * What can't be judged stays: a row newer than what its archived or dropped day could tell, and the
 * content of a row whose heartbeat lost its bucket to an earlier one.
 */
#include "jobs/reconcile.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "jobs/jobs.h"

enum {
        RUN_MS = 2000, /* other jobs want their turn */
        PAGE = 500,    /* also if each of them is to be repaired, in a transaction of its own */
        SUSPECTS_MAX = 500,
        ARRIVALS_STEP_S = 3600,
        MARGIN_DAYS = 2,
        NOTES_MAX = 20, /* lines of the log a slice */
};

#define CONTENT(row)                                                                               \
        "(" row ".uptime_s, " row ".monitored_last_fg_s, " row ".seq, " row ".ram_free_mb, " row   \
        ".ram_total_mb, " row ".queue_depth, " row ".battery, " row ".flags, " row                 \
        ".charging, " row ".power_ok, " row ".device_owner, " row ".battery_unrestricted, " row    \
        ".doze_whitelisted, " row ".net_validated, " row ".network, " row ".ssid, " row            \
        ".fg_package, " row ".agent_version, " row ".boot_id, " row ".extra)"
#define CONTENT_COLUMNS                                                                            \
        "uptime_s, monitored_last_fg_s, seq, ram_free_mb, ram_total_mb, queue_depth, battery,"     \
        " flags, charging, power_ok, device_owner, battery_unrestricted, doze_whitelisted,"        \
        " net_validated, network, ssid, fg_package, agent_version, boot_id, extra"

#define CONTENT_OF_ROW CONTENT("s")
#define CONTENT_OF_HISTORY CONTENT("h")
#define CONTENT_OF_REPAIR CONTENT("excluded")

/* What is wrong with the content of s, h being the device's newest heartbeat. */
#define CONTENT_KIND                                                                               \
        " WHEN h.device_id IS NULL THEN NULL"                                                      \
        " WHEN s.device_id IS NULL THEN 'missing'"                                                 \
        " WHEN s.observed_at < h.observed_at OR (s.observed_at = h.observed_at "                   \
        "AND " CONTENT_OF_ROW " IS DISTINCT FROM " CONTENT_OF_HISTORY ") THEN 'content'"           \
        " WHEN date_bin('10 seconds', s.observed_at, 'epoch') > h.bucket AND NOT EXISTS"           \
        "  (SELECT FROM partition_registry p WHERE p.parent = 'heartbeats'"                        \
        "   AND p.state <> 'attached' AND p.range_from <= s.observed_at"                           \
        "   AND p.range_to > s.observed_at) THEN 'ahead'"

#define NEWEST_OF(id)                                                                              \
        "(SELECT * FROM heartbeats WHERE device_id = " id " AND bucket >= $2"                      \
        " ORDER BY bucket DESC LIMIT 1) AS h"
#define NEWEST_OF_PAGE NEWEST_OF("page.id")
#define NEWEST_OF_ONE NEWEST_OF("$1")

/* By index, planned for its days. */
static const char PLAN[] = "SET LOCAL plan_cache_mode = force_custom_plan;"
                           "SET LOCAL enable_seqscan = off; SET LOCAL jit = off";
static const char PAGE_PLAN[] = "SET LOCAL plan_cache_mode = force_custom_plan;"
                                "SET LOCAL enable_seqscan = off; SET LOCAL jit = off;"
                                "SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off";

/* ---- the place ---- */

static const struct mu_pg_statement PLACE = {
        .name = "reconcile_place",
        .sql = "SELECT pass_began_at, arrivals_to, device_cursor FROM job_reconcile",
        .repeatable = true,
};

static const struct mu_pg_statement MOVE = {
        .name = "reconcile_move",
        .sql = "UPDATE job_reconcile SET pass_began_at = $1, arrivals_to = $2, device_cursor = $3",
        .params = {MU_PG_TIMESTAMPTZ, MU_PG_TIMESTAMPTZ, MU_PG_INT8},
        .repeatable = true,
};

struct pass {
        const struct mu_jobs_config *config;
        struct mu_pg *pg;
        int64_t began_us; /* 0: none is under way */
        int64_t arrivals_to_us;
        int64_t cursor;
        int64_t since_us; /* the window's beginning, and two days */
        uint64_t repaired;
        uint32_t notes;
        bool done;
};

static int read_place(struct pass *pass)
{
        struct mu_pg_result *rows;
        int64_t now_us = mu_clock_realtime_us(pass->config->clock);
        int err = mu_pg_query(pass->pg, &PLACE, MU_PG_VALUES(), &rows);

        if (err < 0)
                return err;
        bool under_way = mu_pg_rows(rows) == 1 && !mu_pg_is_null(rows, 0, 0);

        /* The first looks back an hour. What came while there was no pass for days is beyond the
         * window: its days are looked at, not those before. */
        pass->arrivals_to_us = mu_pg_rows(rows) == 1 && !mu_pg_is_null(rows, 0, 1)
                                       ? mu_pg_get_timestamptz(rows, 0, 1)
                                       : now_us - ARRIVALS_STEP_S * MU_US_PER_S;
        pass->began_us = under_way ? mu_pg_get_timestamptz(rows, 0, 0) : now_us;
        pass->cursor = under_way ? mu_pg_get_int(rows, 0, 2) : 0;
        mu_pg_result_free(rows);
        pass->since_us =
                now_us - (pass->config->window_days + MARGIN_DAYS) * MU_S_PER_DAY * MU_US_PER_S;
        if (pass->arrivals_to_us < pass->since_us)
                pass->arrivals_to_us = pass->since_us;
        return 0;
}

static int move(struct pass *pass)
{
        return mu_pg_query(pass->pg, &MOVE,
                           MU_PG_VALUES(pass->done ? mu_pg_null(MU_PG_TIMESTAMPTZ)
                                                   : mu_pg_timestamptz(pass->began_us),
                                        mu_pg_timestamptz(pass->arrivals_to_us),
                                        mu_pg_int8(pass->cursor)),
                           NULL);
}

/* ---- repairing ---- */

static const struct mu_pg_statement LOCK = {
        .name = "reconcile_lock",
        .sql = "WITH device AS MATERIALIZED (SELECT id FROM devices WHERE id = $1"
               "  AND deleted_at IS NULL FOR SHARE)"
               " SELECT (SELECT count(*) FROM device), (SELECT count(*) FROM"
               "  (SELECT FROM device_last_status WHERE device_id = $1 FOR UPDATE) AS row)",
        .params = {MU_PG_INT8},
};

static const struct mu_pg_statement JUDGE = {
        .name = "reconcile_judge",
        .sql = "SELECT CASE" CONTENT_KIND " WHEN s.received_at < r.received_at THEN 'liveness' END"
               " FROM (SELECT $1::bigint AS id) AS page"
               " LEFT JOIN device_last_status s ON s.device_id = page.id"
               " LEFT JOIN LATERAL " NEWEST_OF_PAGE " ON true"
               " CROSS JOIN LATERAL (SELECT max(received_at) AS received_at FROM heartbeats"
               "  WHERE device_id = page.id AND bucket >= $2) AS r",
        .params = {MU_PG_INT8, MU_PG_TIMESTAMPTZ},
};

#define REPAIR_INSERT                                                                              \
        "WITH r AS (SELECT received_at, clock_offset_s FROM heartbeats"                            \
        "  WHERE device_id = $1 AND bucket >= $2"                                                  \
        "  ORDER BY received_at DESC, observed_at DESC LIMIT 1)"                                   \
        " INSERT INTO device_last_status AS s (device_id, received_at, observed_at,"               \
        "  clock_offset_s, " CONTENT_COLUMNS ")"                                                   \
        " SELECT h.device_id, r.received_at, h.observed_at, r.clock_offset_s,"                     \
        " h.uptime_s, h.monitored_last_fg_s, h.seq, h.ram_free_mb, h.ram_total_mb,"                \
        " h.queue_depth, h.battery, h.flags, h.charging, h.power_ok, h.device_owner,"              \
        " h.battery_unrestricted, h.doze_whitelisted, h.net_validated, h.network, h.ssid,"         \
        " h.fg_package, h.agent_version, h.boot_id, h.extra FROM r, " NEWEST_OF_ONE

/* Content as history has it; liveness only goes forward, as with writers. The row is locked. */
static const struct mu_pg_statement REPAIR_CONTENT = {
        .name = "reconcile_repair_content",
        .sql = REPAIR_INSERT " ON CONFLICT (device_id) DO UPDATE SET"
                             "  received_at = greatest(s.received_at, excluded.received_at),"
                             "  clock_offset_s = CASE WHEN excluded.received_at >= s.received_at"
                             "   THEN excluded.clock_offset_s ELSE s.clock_offset_s END,"
                             "  observed_at = excluded.observed_at,"
                             "  (" CONTENT_COLUMNS ") = ROW " CONTENT_OF_REPAIR,
        .params = {MU_PG_INT8, MU_PG_TIMESTAMPTZ},
};

/* There was no row to be locked: a writer's that came meanwhile is newer. */
static const struct mu_pg_statement REPAIR_MISSING = {
        .name = "reconcile_repair_missing",
        .sql = REPAIR_INSERT " ON CONFLICT (device_id) DO NOTHING",
        .params = {MU_PG_INT8, MU_PG_TIMESTAMPTZ},
};

static const struct mu_pg_statement REPAIR_LIVENESS = {
        .name = "reconcile_repair_liveness",
        .sql = "UPDATE device_last_status s SET received_at = r.received_at,"
               " clock_offset_s = r.clock_offset_s"
               " FROM (SELECT received_at, clock_offset_s FROM heartbeats"
               "  WHERE device_id = $1 AND bucket >= $2"
               "  ORDER BY received_at DESC, observed_at DESC LIMIT 1) AS r"
               " WHERE s.device_id = $1 AND s.received_at < r.received_at",
        .params = {MU_PG_INT8, MU_PG_TIMESTAMPTZ},
};

static const char *const KINDS[MU_DRIFTS] = {
        [MU_DRIFT_MISSING] = "missing", [MU_DRIFT_LIVENESS] = "liveness",
        [MU_DRIFT_CONTENT] = "content", [MU_DRIFT_AHEAD] = "ahead",
        [MU_DRIFT_DELETED] = "deleted",
};

void mu_reconcile_register(struct mu_metrics *metrics, const struct mu_reconcile_cells *cells)
{
        for (size_t i = 0; i < MU_DRIFTS; i++)
                mu_metrics_counter(metrics, "muster_reconcile_drift_total",
                                   "Rows of device_last_status that differed from history and were "
                                   "repaired, by what was wrong.",
                                   MU_LABELS({"kind", KINDS[i]}), &cells->drift[i]);
        mu_metrics_counter(metrics, "muster_reconcile_checked_total",
                           "Devices whose last status was compared with history.", MU_NO_LABELS,
                           &cells->checked);
}

static void count(struct pass *pass, int64_t device_id, enum mu_drift drift)
{
        char text[128];

        pass->repaired++;
        if (pass->config->reconcile)
                mu_cell_add(&pass->config->reconcile->drift[drift], 1);
        if (!pass->config->on_note || pass->notes++ >= NOTES_MAX)
                return;
        (void)snprintf(text, sizeof(text), "The last status of device %" PRId64 " was wrong: %s.",
                       device_id, KINDS[drift]);
        pass->config->on_note(pass->config->on_run_context, "reconcile", text);
}

/* MU_DRIFTS: nothing is. */
static int judge(struct pass *pass, int64_t device_id, enum mu_drift *ret_drift)
{
        struct mu_pg_result *rows;
        int err = mu_pg_query(
                pass->pg, &JUDGE,
                MU_PG_VALUES(mu_pg_int8(device_id), mu_pg_timestamptz(pass->since_us)), &rows);

        if (err < 0)
                return err;
        const char *kind = mu_pg_get_text(rows, 0, 0);

        *ret_drift = MU_DRIFTS;
        for (size_t i = 0; i < MU_DRIFTS && kind; i++)
                if (strcmp(kind, KINDS[i]) == 0)
                        *ret_drift = (enum mu_drift)i;
        mu_pg_result_free(rows);
        return 0;
}

static int run_repair(struct pass *pass, int64_t device_id, enum mu_drift *drift)
{
        const struct mu_pg_statement *statement = *drift == MU_DRIFT_LIVENESS  ? &REPAIR_LIVENESS
                                                  : *drift == MU_DRIFT_MISSING ? &REPAIR_MISSING
                                                                               : &REPAIR_CONTENT;
        struct mu_pg_result *result;
        int err = mu_pg_query(
                pass->pg, statement,
                MU_PG_VALUES(mu_pg_int8(device_id), mu_pg_timestamptz(pass->since_us)), &result);

        if (err < 0)
                return err;
        if (mu_pg_affected(result) == 0)
                *drift = MU_DRIFTS;
        mu_pg_result_free(result);
        return 0;
}

/* In a transaction. Locks in the order of whoever deletes: the device, its row. */
static int repair_locked(struct pass *pass, int64_t device_id, enum mu_drift *ret_drift)
{
        struct mu_pg_result *rows;
        int err = mu_pg_query(pass->pg, &LOCK, MU_PG_VALUES(mu_pg_int8(device_id)), &rows);

        if (err < 0)
                return err;
        bool lives = mu_pg_get_int(rows, 0, 0) == 1;
        bool locked = mu_pg_get_int(rows, 0, 1) == 1;

        mu_pg_result_free(rows);
        *ret_drift = MU_DRIFTS;
        if (lives)
                err = judge(pass, device_id, ret_drift);
        /* Its row came between the two statements, and is not locked: the next pass looks at it. */
        if (!locked && *ret_drift != MU_DRIFT_MISSING)
                *ret_drift = MU_DRIFTS;
        if (err == 0 && *ret_drift != MU_DRIFTS)
                err = run_repair(pass, device_id, ret_drift);
        return err;
}

static int repair(struct pass *pass, int64_t device_id)
{
        enum mu_drift drift = MU_DRIFTS;
        int err = mu_pg_begin(pass->pg);

        if (err == 0)
                err = mu_pg_script(pass->pg, "reconcile_plan", PAGE_PLAN);
        if (err == 0)
                err = repair_locked(pass, device_id, &drift);
        if (err < 0) {
                mu_pg_rollback(pass->pg);
                return err;
        }
        err = mu_pg_commit(pass->pg);
        if (err == 0 && drift != MU_DRIFTS)
                count(pass, device_id, drift);
        return err;
}

/* Column 1 says which rows are suspects. */
static int repair_suspects(struct pass *pass, const struct mu_pg_result *rows)
{
        int err = 0;

        for (size_t i = 0; i < mu_pg_rows(rows) && err == 0; i++)
                if (mu_pg_get_bool(rows, i, 1))
                        err = repair(pass, mu_pg_get_int(rows, i, 0));
        return err;
}

/* ---- looking ---- */

/* Without locks, planned by index. */
static int look(struct pass *pass, const char *plan, const struct mu_pg_statement *statement,
                const struct mu_pg_value *values, struct mu_pg_result **ret_rows)
{
        int err = mu_pg_begin(pass->pg);

        if (err == 0)
                err = mu_pg_script(pass->pg, "reconcile_plan", plan);
        if (err == 0)
                err = mu_pg_query(pass->pg, statement, values, ret_rows);
        if (err < 0) {
                mu_pg_rollback(pass->pg);
                return err;
        }
        err = mu_pg_commit(pass->pg);
        if (err < 0) {
                mu_pg_result_free(*ret_rows);
                *ret_rows = NULL;
        }
        return err;
}

static const struct mu_pg_statement ARRIVALS = {
        .name = "reconcile_arrivals",
        .sql = "SELECT a.device_id, true FROM"
               " (SELECT device_id, max(received_at) AS received_at FROM heartbeats"
               "  WHERE received_at >= $1 AND received_at < $2 AND bucket >= $3"
               "  GROUP BY device_id) AS a"
               " JOIN devices d ON d.id = a.device_id AND d.deleted_at IS NULL"
               " LEFT JOIN device_last_status s ON s.device_id = a.device_id"
               " WHERE s.device_id IS NULL OR s.received_at < a.received_at LIMIT $4",
        .params = {MU_PG_TIMESTAMPTZ, MU_PG_TIMESTAMPTZ, MU_PG_TIMESTAMPTZ, MU_PG_INT8},
        .repeatable = true,
};

static int check_arrivals(struct pass *pass)
{
        struct mu_pg_result *rows;
        int64_t to_us = pass->arrivals_to_us + ARRIVALS_STEP_S * MU_US_PER_S;

        if (to_us > pass->began_us)
                to_us = pass->began_us;
        int err =
                look(pass, PLAN, &ARRIVALS,
                     MU_PG_VALUES(mu_pg_timestamptz(pass->arrivals_to_us), mu_pg_timestamptz(to_us),
                                  mu_pg_timestamptz(pass->since_us), mu_pg_int8(SUSPECTS_MAX)),
                     &rows);

        if (err < 0)
                return err;
        uint64_t before = pass->repaired;

        err = repair_suspects(pass, rows);
        /* Full: there may be more in this hour, unless it is those that are no drift. */
        if (err == 0 && (mu_pg_rows(rows) < SUSPECTS_MAX || pass->repaired == before))
                pass->arrivals_to_us = to_us;
        mu_pg_result_free(rows);
        return err;
}

/* The suspects of a page, and its last device. */
static const struct mu_pg_statement DEVICES = {
        .name = "reconcile_devices",
        .sql = "WITH page AS MATERIALIZED (SELECT id FROM devices WHERE deleted_at IS NULL"
               "  AND id > $1 ORDER BY id LIMIT $3),"
               " page_end AS MATERIALIZED (SELECT max(id) AS id, count(*) AS count FROM page),"
               " judged AS (SELECT page.id, coalesce(CASE" CONTENT_KIND
               "  WHEN s.received_at < h.received_at THEN 'liveness' END IS NOT NULL, false)"
               "   AS suspect"
               "  FROM page LEFT JOIN device_last_status s ON s.device_id = page.id"
               "  LEFT JOIN LATERAL " NEWEST_OF_PAGE " ON true)"
               " SELECT judged.id, suspect, page_end.count FROM judged, page_end"
               " WHERE suspect OR judged.id = page_end.id ORDER BY judged.id",
        .params = {MU_PG_INT8, MU_PG_TIMESTAMPTZ, MU_PG_INT8},
        .repeatable = true,
};

/* While a bulk deletion is under way its rows go by themselves, and a device that was just deleted
 * may have its row for a moment. */
static const struct mu_pg_statement STRAYS = {
        .name = "reconcile_strays",
        .sql = "DELETE FROM device_last_status s WHERE s.device_id > $1 AND s.device_id <= $2"
               " AND NOT EXISTS (SELECT FROM devices d WHERE d.id = s.device_id"
               "  AND (d.deleted_at IS NULL OR d.deleted_at > now() - interval '1 minute'))"
               " AND NOT EXISTS (SELECT FROM bulk_deletions WHERE state = 'deleting')"
               " RETURNING s.device_id",
        .params = {MU_PG_INT8, MU_PG_INT8},
        .repeatable = true,
};

static int remove_strays(struct pass *pass, int64_t last_id)
{
        struct mu_pg_result *rows;
        int err = mu_pg_query(pass->pg, &STRAYS,
                              MU_PG_VALUES(mu_pg_int8(pass->cursor), mu_pg_int8(last_id)), &rows);

        if (err < 0)
                return err;
        for (size_t i = 0; i < mu_pg_rows(rows); i++)
                count(pass, mu_pg_get_int(rows, i, 0), MU_DRIFT_DELETED);
        mu_pg_result_free(rows);
        return 0;
}

static int check_page(struct pass *pass)
{
        struct mu_pg_result *rows;
        int err = look(pass, PAGE_PLAN, &DEVICES,
                       MU_PG_VALUES(mu_pg_int8(pass->cursor), mu_pg_timestamptz(pass->since_us),
                                    mu_pg_int8(PAGE)),
                       &rows);

        if (err < 0)
                return err;
        size_t found = mu_pg_rows(rows);
        int64_t in_page = found > 0 ? mu_pg_get_int(rows, 0, 2) : 0;
        int64_t last_id = in_page == PAGE ? mu_pg_get_int(rows, found - 1, 0) : INT64_MAX;

        if (pass->config->reconcile)
                mu_cell_add(&pass->config->reconcile->checked, (uint64_t)in_page);
        err = repair_suspects(pass, rows);
        mu_pg_result_free(rows);
        if (err == 0)
                err = remove_strays(pass, last_id);
        if (err < 0)
                return err;
        pass->done = in_page < PAGE;
        pass->cursor = pass->done ? 0 : last_id;
        return 0;
}

static uint64_t now_ms(const struct mu_jobs_config *config)
{
        return mu_clock_monotonic_ns(config->clock) / (uint64_t)MU_NS_PER_MS;
}

int mu_job_reconcile(const struct mu_jobs_config *config, struct mu_pg *pg, uint64_t *ret_changed)
{
        struct pass pass = {.config = config, .pg = pg};
        uint64_t until_ms = now_ms(config) + RUN_MS;
        int err = read_place(&pass);

        while (err == 0 && !pass.done && now_ms(config) < until_ms) {
                err = pass.arrivals_to_us < pass.began_us ? check_arrivals(&pass)
                                                          : check_page(&pass);
                if (err == 0)
                        err = move(&pass);
        }
        *ret_changed = pass.repaired;
        if (err < 0)
                return err;
        return pass.done ? 0 : MU_JOB_AGAIN;
}
