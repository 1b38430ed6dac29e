/* SPDX-License-Identifier: Apache-2.0 */
/*
 * status_at.c - one look at the key (device_id, bucket) a device, from T backwards: the days are
 * visited newest first and no more of them than it takes.
 */
#include "control/status/status_at.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "control/device/device_filter.h"
#include "pg/query.h"

/* $1 T, $2 received, $3 the fleet's interval, $4 site, $5 tags. */
#define PARAMS MU_PG_TIMESTAMPTZ, MU_PG_BOOL, MU_PG_INT8, MU_PG_TEXT, MU_PG_TEXT
#define VALUES(query)                                                                              \
        mu_pg_timestamptz((query)->at_us), mu_pg_bool((query)->received),                          \
                mu_pg_int8((query)->interval_s), mu_pg_text((query)->site),                        \
                mu_pg_text((query)->tags)

#define EXISTED                                                                                    \
        " d.created_at <= $1 AND (d.deleted_at IS NULL OR d.deleted_at > $1)"                      \
        " AND ($4::text IS NULL OR d.site = $4)"                                                   \
        " AND ($5::text IS NULL OR d.tags @>"                                                      \
        "  string_to_array($5, '" MU_DEVICE_TAG_SEPARATOR "'))"

#define INTERVAL "make_interval(secs => coalesce(d.heartbeat_interval_s, $3))"
#define SILENT_AFTER "greatest(interval '12 minutes', 2 * " INTERVAL " + interval '2 minutes')"
/* Of a device heard of at seen. */
#define STATE                                                                                      \
        "CASE WHEN seen < $1 - " SILENT_AFTER " THEN 'silent'"                                     \
        " WHEN seen < $1 - 1.5 * " INTERVAL " THEN 'late' ELSE 'online' END"

#define SEEN "CASE WHEN $2 THEN received_at ELSE observed_at END AS seen"
#define UP_TO_T                                                                                    \
        " FROM heartbeats WHERE device_id = d.id AND bucket <= $1"                                 \
        " AND observed_at <= $1 AND (NOT $2 OR received_at <= $1)"
#define NEWEST " ORDER BY bucket DESC LIMIT 1"

/* By index, planned for T: other days are not even looked at. */
static const char PLAN[] = "SET LOCAL plan_cache_mode = force_custom_plan;"
                           "SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off;"
                           "SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off;"
                           "SET LOCAL jit = off";

static const struct mu_pg_statement PAGE = {
        .name = "status_at_page",
        .sql = "SELECT d.id, d.alias, d.kind, d.site, array_to_json(d.tags), d.deleted_at,"
               " CASE WHEN seen IS NOT NULL THEN " STATE
               "  WHEN d.first_seen_at <= $1 THEN 'silent' ELSE 'never' END,"
               " seen, h.received_at, h.observed_at, h.battery, h.charging, h.network, h.ssid,"
               " h.fg_package, h.uptime_s, h.ram_free_mb, h.ram_total_mb, h.queue_depth,"
               " h.clock_offset_s, h.agent_version"
               " FROM (SELECT * FROM devices d WHERE id > $6 AND" EXISTED
               "  ORDER BY id LIMIT $7) AS d"
               " LEFT JOIN LATERAL (SELECT *, " SEEN UP_TO_T NEWEST ") AS h ON true ORDER BY d.id",
        .params = {PARAMS, MU_PG_INT8, MU_PG_INT8},
        .repeatable = true,
};

/* Most are found in the time before silence, looked for within two days. Of the others, whoever had
 * been seen by T is silent, unless by what was received (an old heartbeat may just have come) or
 * where silence begins later than that. The rest, few, is looked for in all of history. */
static const struct mu_pg_statement COUNT = {
        .name = "status_at_count",
        .sql = "SELECT status, count(*) FROM (SELECT CASE"
               "  WHEN coalesce(near.seen, far.seen) IS NOT NULL"
               "   THEN (SELECT " STATE
               " FROM (VALUES (coalesce(near.seen, far.seen))) AS v (seen))"
               "  WHEN d.first_seen_at <= $1 THEN 'silent' ELSE 'never' END AS status"
               " FROM devices d"
               " LEFT JOIN LATERAL (SELECT " SEEN UP_TO_T "  AND bucket > $1 - " SILENT_AFTER
               " - interval '10 seconds'"
               "  AND bucket > $1 - interval '2 days'" NEWEST ") AS near ON true"
               " LEFT JOIN LATERAL (SELECT " SEEN UP_TO_T
               "  AND near.seen IS NULL AND ($2 OR d.first_seen_at IS NULL OR d.first_seen_at > $1"
               "   OR " SILENT_AFTER " > interval '2 days')" NEWEST ") AS far ON true"
               " WHERE" EXISTED ") AS counted GROUP BY status",
        .params = {PARAMS},
        .repeatable = true,
};

/* 'restored': from the archive, and in its table again. $2 is the fleet's interval; the longest of
 * any device says how far back one may have been heard of that is not silent. */
static const struct mu_pg_statement DAYS = {
        .name = "status_at_days",
        .sql = "SELECT to_char(day AT TIME ZONE 'UTC', 'YYYY-MM-DD'),"
               " r.state IN ('attached', 'restored'),"
               " EXISTS (SELECT FROM archive_days a WHERE a.parent = 'heartbeats' AND a.day = "
               "day.day"
               "  AND a.state = 'archived'),"
               " r.state IS NULL AND day < (SELECT min(range_from) FROM partition_registry"
               "  WHERE parent = 'heartbeats'),"
               " coalesce(r.state IN ('detaching', 'archiving', 'archived'), false)"
               " FROM generate_series(date_trunc('day', $1 - greatest(interval '12 minutes',"
               "   make_interval(secs => 2 * greatest($2, (SELECT max(heartbeat_interval_s)"
               "    FROM devices)) + 120)), 'UTC'),"
               "  date_trunc('day', $1::timestamptz, 'UTC'), interval '24 hours') AS day (day)"
               " LEFT JOIN partition_registry r ON r.parent = 'heartbeats' AND r.range_from = day"
               " ORDER BY day",
        .params = {MU_PG_TIMESTAMPTZ, MU_PG_INT8},
        .repeatable = true,
};

static int look(struct mu_pg *pg, const struct mu_pg_statement *statement,
                const struct mu_pg_value *values, struct mu_pg_result **ret_rows)
{
        int error = mu_pg_begin(pg);

        if (error == 0)
                error = mu_pg_script(pg, "status_at_plan", PLAN);
        if (error == 0)
                error = mu_pg_query(pg, statement, values, ret_rows);
        if (error == 0)
                return mu_pg_commit(pg);
        mu_pg_rollback(pg);
        return error;
}

static void add_day(char days[MU_STATUS_DAYS_BYTES], const char *day)
{
        size_t bytes = strlen(days);

        (void)snprintf(days + bytes, MU_STATUS_DAYS_BYTES - bytes, "%s%s", bytes > 0 ? " " : "",
                       day);
}

int mu_status_at_history(struct mu_pg *pg, const struct mu_status_at *query,
                         enum mu_status_history *ret_history, char ret_days[MU_STATUS_DAYS_BYTES])
{
        struct mu_pg_result *rows;
        int error = mu_pg_query(
                pg, &DAYS,
                MU_PG_VALUES(mu_pg_timestamptz(query->at_us), mu_pg_int8(query->interval_s)),
                &rows);

        if (error < 0)
                return error;
        *ret_history = MU_STATUS_HISTORY_THERE;
        ret_days[0] = '\0';
        for (size_t i = 0; i < mu_pg_rows(rows); i++) {
                bool last = i + 1 == mu_pg_rows(rows);
                bool archived = mu_pg_get_bool(rows, i, 2);
                bool leaving = mu_pg_get_bool(rows, i, 4);

                /* No line in the registry, later than the first: a day without heartbeats. */
                if (mu_pg_is_null(rows, i, 1)) {
                        if (last && mu_pg_get_bool(rows, i, 3))
                                *ret_history = MU_STATUS_HISTORY_NONE;
                        continue;
                }
                if (mu_pg_get_bool(rows, i, 1) || (!last && !archived && !leaving))
                        continue;
                add_day(ret_days, mu_pg_get_text(rows, i, 0));
                if (leaving || *ret_history == MU_STATUS_HISTORY_LEAVING)
                        *ret_history = MU_STATUS_HISTORY_LEAVING;
                else
                        *ret_history =
                                archived ? MU_STATUS_HISTORY_ARCHIVED : MU_STATUS_HISTORY_GONE;
        }
        mu_pg_result_free(rows);
        return 0;
}

int mu_status_at_page(struct mu_pg *pg, const struct mu_status_at *query, int64_t after_id,
                      size_t limit, struct mu_pg_result **ret_rows)
{
        return look(pg, &PAGE,
                    MU_PG_VALUES(VALUES(query), mu_pg_int8(after_id), mu_pg_int8((int64_t)limit)),
                    ret_rows);
}

int mu_status_at_count(struct mu_pg *pg, const struct mu_status_at *query,
                       struct mu_status_counts *ret_counts)
{
        struct mu_status_counts counts = {0};
        struct mu_pg_result *rows;
        int error = look(pg, &COUNT, MU_PG_VALUES(VALUES(query)), &rows);

        if (error < 0)
                return error;
        for (size_t i = 0; i < mu_pg_rows(rows); i++) {
                const char *status = mu_pg_get_text(rows, i, 0);
                int64_t count = mu_pg_get_int(rows, i, 1);

                counts.devices += count;
                if (strcmp(status, "online") == 0)
                        counts.online = count;
                else if (strcmp(status, "late") == 0)
                        counts.late = count;
                else if (strcmp(status, "silent") == 0)
                        counts.silent = count;
                else
                        counts.never = count;
        }
        mu_pg_result_free(rows);
        *ret_counts = counts;
        return 0;
}
