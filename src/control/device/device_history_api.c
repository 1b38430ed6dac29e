/* SPDX-License-Identifier: Apache-2.0 */
/*
 * device_history_api.c - what a device reported.
 *
 * Every statement names the device and a range of buckets, so that it walks the primary key of the
 * days in the range and of no other.
 */
#include "control/device/device_history_api.h"

#include "base/clock.h"
#include "control/cell.h"
#include "control/device/device_row.h"
#include "identity/device_table.h"
#include "muster/record.h"
#include "muster/wire.h"

enum {
        POINTS_DEFAULT = 288,
        POINTS_MAX = 2000,
        RANGE_DEFAULT_S = 86400,
        RANGE_MAX_DAYS = 400,
        PAGE_DEFAULT = 100,
        PAGE_MAX = 500,
};

/* ---- the range ---- */

#define RANGE_FIELDS                                                                               \
        {.name = "from", .type = MU_FIELD_TIME, .doc = "Inclusive; without it a day before to."},  \
        {                                                                                          \
                .name = "to", .type = MU_FIELD_TIME, .doc = "Exclusive; without it now."           \
        }

struct range {
        int64_t device_id;
        int64_t from_us;
        int64_t to_us;
};

/* False: answered. */
static bool read_range(struct mu_ask *ask, struct range *range)
{
        int64_t now_us = mu_clock_realtime_us(ask->control->config.clock);

        if (!mu_ask_id(ask, "id", "device", &range->device_id))
                return false;
        /* A device's clock may be ahead: "now" is not before what it sent last. */
        range->to_us = mu_json_time_us(ask->query, "to", now_us + 3600 * MU_US_PER_S);
        range->from_us = mu_json_time_us(ask->query, "from",
                                         (mu_json_has(ask->query, "to") ? range->to_us : now_us) -
                                                 RANGE_DEFAULT_S * MU_US_PER_S);
        if (range->from_us >= range->to_us ||
            range->to_us - range->from_us > RANGE_MAX_DAYS * MU_S_PER_DAY * MU_US_PER_S) {
                mu_call_problem(ask->call, 400, "field-invalid", "from",
                                "from must lie before to, by at most %d days.", RANGE_MAX_DAYS);
                return false;
        }
        return true;
}

/* No rows may mean no device. False: answered. */
static bool require_device(struct mu_ask *ask, const struct range *range,
                           const struct mu_pg_result *rows)
{
        if (mu_pg_rows(rows) > 0 ||
            mu_device_table_by_id(ask->control->config.devices, range->device_id))
                return true;
        mu_ask_not_found(ask, "device");
        return false;
}

/* ---- series ---- */

static const struct mu_field HISTORY_QUERY_FIELDS[] = {
        RANGE_FIELDS,
        {.name = "points",
         .type = MU_FIELD_INTEGER,
         .least = 1,
         .most = POINTS_MAX,
         .doc = "At most so many points; without it 288."},
};
static const struct mu_shape HISTORY_QUERY = MU_SHAPE("DeviceHistoryQuery", HISTORY_QUERY_FIELDS);

static const struct mu_field SPREAD_FIELDS[] = {
        {.name = "min", .type = MU_FIELD_NUMBER},
        {.name = "avg", .type = MU_FIELD_NUMBER},
        {.name = "max", .type = MU_FIELD_NUMBER},
};
static const struct mu_shape SPREAD = MU_SHAPE("Spread", SPREAD_FIELDS);
static const struct mu_field POINT_FIELDS[] = {
        {.name = "at", .type = MU_FIELD_TIME, .flags = MU_FIELD_REQUIRED},
        {.name = "count",
         .type = MU_FIELD_INTEGER,
         .flags = MU_FIELD_REQUIRED,
         .doc = "Heartbeats in it."},
        {.name = "battery", .type = MU_FIELD_OBJECT, .flags = MU_FIELD_NULLABLE, .shape = &SPREAD},
        {.name = "ram_free_mb",
         .type = MU_FIELD_OBJECT,
         .flags = MU_FIELD_NULLABLE,
         .shape = &SPREAD},
        {.name = "uptime_s", .type = MU_FIELD_OBJECT, .flags = MU_FIELD_NULLABLE, .shape = &SPREAD},
        {.name = "charging_share",
         .type = MU_FIELD_NUMBER,
         .flags = MU_FIELD_NULLABLE,
         .doc = "0 to 1, of the heartbeats that said."},
        {.name = "network",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_NULLABLE,
         .doc = "The most frequent."},
};
static const struct mu_shape POINT = MU_SHAPE("HistoryPoint", POINT_FIELDS);
static const struct mu_field HISTORY_FIELDS[] = {
        {.name = "from", .type = MU_FIELD_TIME, .flags = MU_FIELD_REQUIRED},
        {.name = "to", .type = MU_FIELD_TIME, .flags = MU_FIELD_REQUIRED},
        {.name = "step_s", .type = MU_FIELD_INTEGER, .flags = MU_FIELD_REQUIRED},
        {.name = "points",
         .type = MU_FIELD_LIST,
         .flags = MU_FIELD_REQUIRED,
         .shape = &POINT,
         .doc = "Steps without a heartbeat are left out."},
};
static const struct mu_shape HISTORY_REPLY = MU_SHAPE("DeviceHistory", HISTORY_FIELDS);

static const struct mu_pg_statement HISTORY = {
        .name = "device_history",
        .sql = "SELECT date_bin($4 * interval '1 second', bucket, $2) AS step, count(*),"
               " min(battery)::float8, avg(battery)::float8, max(battery)::float8,"
               " min(ram_free_mb)::float8, avg(ram_free_mb)::float8, max(ram_free_mb)::float8,"
               " min(uptime_s)::float8, avg(uptime_s)::float8, max(uptime_s)::float8,"
               " avg(charging::int)::float8, mode() WITHIN GROUP (ORDER BY network)"
               " FROM heartbeats WHERE device_id = $1 AND bucket >= $2 AND bucket < $3"
               " GROUP BY step ORDER BY step",
        .params = {MU_PG_INT8, MU_PG_TIMESTAMPTZ, MU_PG_TIMESTAMPTZ, MU_PG_INT8},
        .repeatable = true,
};

static json_t *spread_json(const struct mu_pg_result *rows, size_t row, int column)
{
        if (mu_pg_is_null(rows, row, column))
                return json_null();
        return json_pack("{s:o, s:o, s:o}", "min", mu_cell_real(rows, row, column), "avg",
                         mu_cell_real(rows, row, column + 1), "max",
                         mu_cell_real(rows, row, column + 2));
}

static json_t *point_json(const struct mu_pg_result *rows, size_t row)
{
        return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "at", mu_cell_time(rows, row, 0),
                         "count", mu_cell_integer(rows, row, 1), "battery",
                         spread_json(rows, row, 2), "ram_free_mb", spread_json(rows, row, 5),
                         "uptime_s", spread_json(rows, row, 8), "charging_share",
                         mu_cell_real(rows, row, 11), "network", mu_cell_text(rows, row, 12));
}

/* A list of one JSON object a row, or NULL. */
static json_t *list_json(const struct mu_pg_result *rows, size_t count,
                         json_t *(*of_row)(const struct mu_pg_result *rows, size_t row))
{
        json_t *list = json_array();

        for (size_t i = 0; i < count; i++)
                if (json_array_append_new(list, of_row(rows, i)) < 0) {
                        json_decref(list);
                        return NULL;
                }
        return list;
}

/* The step that keeps within so many points, in whole buckets. */
static int64_t step_s(const struct range *range, int64_t points)
{
        int64_t span_us = range->to_us - range->from_us;
        int64_t unit_us = MU_BUCKET_S * MU_US_PER_S * points;

        return (span_us + unit_us - 1) / unit_us * MU_BUCKET_S;
}

static void show_history(struct mu_ask *ask)
{
        struct mu_pg_result *rows;
        struct range range;

        if (!read_range(ask, &range))
                return;
        int64_t step = step_s(&range, mu_json_integer(ask->query, "points", POINTS_DEFAULT));

        if (!mu_ask_query(ask, &HISTORY,
                          MU_PG_VALUES(mu_pg_int8(range.device_id),
                                       mu_pg_timestamptz(range.from_us),
                                       mu_pg_timestamptz(range.to_us), mu_pg_int8(step)),
                          &rows))
                return;
        if (require_device(ask, &range, rows))
                mu_ask_reply(ask, 200,
                             json_pack("{s:o, s:o, s:I, s:o}", "from",
                                       mu_json_of_time(range.from_us), "to",
                                       mu_json_of_time(range.to_us), "step_s", (json_int_t)step,
                                       "points", list_json(rows, mu_pg_rows(rows), point_json)));
        mu_pg_result_free(rows);
}

/* ---- events ---- */

static const struct mu_field PAGE_QUERY_FIELDS[] = {
        RANGE_FIELDS,
        {.name = "limit", .type = MU_FIELD_INTEGER, .least = 1, .most = PAGE_MAX},
};
static const struct mu_shape PAGE_QUERY = MU_SHAPE("DeviceRangeQuery", PAGE_QUERY_FIELDS);

static const struct mu_field EVENT_FIELDS[] = {
        {.name = "at", .type = MU_FIELD_TIME, .flags = MU_FIELD_REQUIRED},
        {.name = "what",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED,
         .one_of = "network|ssid|app|charging|boot|agent_version|power_ok"},
        {.name = "before", .type = MU_FIELD_TEXT, .flags = MU_FIELD_NULLABLE},
        {.name = "after", .type = MU_FIELD_TEXT, .flags = MU_FIELD_NULLABLE},
};
static const struct mu_shape EVENT = MU_SHAPE("DeviceEvent", EVENT_FIELDS);
#define NEXT_TO_DOC                                                                                \
        "For the next page: the same request with to set to it. null: this was the last page."
static const struct mu_field EVENTS_FIELDS[] = {
        {.name = "events",
         .type = MU_FIELD_LIST,
         .flags = MU_FIELD_REQUIRED,
         .shape = &EVENT,
         .doc = "Newest first."},
        {.name = "next_to", .type = MU_FIELD_TIME, .flags = MU_FIELD_NULLABLE, .doc = NEXT_TO_DOC},
};
static const struct mu_shape EVENTS_REPLY = MU_SHAPE("DeviceEvents", EVENTS_FIELDS);

/* A page ends with a whole heartbeat: ties of its last one come along. So "to" is a cursor. */
static const struct mu_pg_statement EVENTS = {
        .name = "device_events",
        .sql = "SELECT h.bucket, change.what, change.before, change.after FROM ("
               "  SELECT bucket, network, ssid, fg_package, charging, boot_id, agent_version,"
               "  power_ok, lag(network) OVER w AS network_before, lag(ssid) OVER w AS ssid_before,"
               "  lag(fg_package) OVER w AS fg_package_before,"
               "  lag(charging) OVER w AS charging_before, lag(boot_id) OVER w AS boot_id_before,"
               "  lag(agent_version) OVER w AS agent_version_before,"
               "  lag(power_ok) OVER w AS power_ok_before, row_number() OVER w AS number"
               "  FROM heartbeats WHERE device_id = $1 AND bucket >= $2 AND bucket < $3"
               "  WINDOW w AS (ORDER BY bucket)) AS h"
               " CROSS JOIN LATERAL (VALUES (1, 'network', network_before, network),"
               "  (2, 'ssid', ssid_before, ssid), (3, 'app', fg_package_before, fg_package),"
               "  (4, 'charging', charging_before::text, charging::text),"
               "  (5, 'boot', boot_id_before, boot_id),"
               "  (6, 'agent_version', agent_version_before, agent_version),"
               "  (7, 'power_ok', power_ok_before::text, power_ok::text)"
               " ) AS change (place, what, before, after)"
               " WHERE h.number > 1 AND change.before IS DISTINCT FROM change.after"
               " ORDER BY h.bucket DESC FETCH FIRST $4 ROWS WITH TIES",
        .params = {MU_PG_INT8, MU_PG_TIMESTAMPTZ, MU_PG_TIMESTAMPTZ, MU_PG_INT8},
        .repeatable = true,
};

static json_t *event_json(const struct mu_pg_result *rows, size_t row)
{
        return json_pack("{s:o, s:o, s:o, s:o}", "at", mu_cell_time(rows, row, 0), "what",
                         mu_cell_text(rows, row, 1), "before", mu_cell_text(rows, row, 2), "after",
                         mu_cell_text(rows, row, 3));
}

/* A page of rows, the newest first, whose first column is their time. */
static void show_page(struct mu_ask *ask, const struct mu_pg_statement *statement,
                      const char *member,
                      json_t *(*of_row)(const struct mu_pg_result *rows, size_t row))
{
        int64_t limit = mu_json_integer(ask->query, "limit", PAGE_DEFAULT);
        struct mu_pg_result *rows;
        struct range range;

        if (!read_range(ask, &range) ||
            !mu_ask_query(ask, statement,
                          MU_PG_VALUES(mu_pg_int8(range.device_id),
                                       mu_pg_timestamptz(range.from_us),
                                       mu_pg_timestamptz(range.to_us), mu_pg_int8(limit)),
                          &rows))
                return;
        size_t count = mu_pg_rows(rows);

        if (require_device(ask, &range, rows))
                mu_ask_reply(ask, 200,
                             json_pack("{s:o, s:o}", member, list_json(rows, count, of_row),
                                       "next_to",
                                       (int64_t)count >= limit ? mu_cell_time(rows, count - 1, 0)
                                                               : json_null()));
        mu_pg_result_free(rows);
}

static void show_events(struct mu_ask *ask)
{
        show_page(ask, &EVENTS, "events", event_json);
}

/* ---- heartbeats as they are stored ---- */

static const struct mu_field HEARTBEAT_FIELDS[] = {
        {.name = "bucket", .type = MU_FIELD_TIME, .flags = MU_FIELD_REQUIRED},
        MU_DEVICE_LAST_FIELDS,
        {.name = "seq", .type = MU_FIELD_INTEGER, .flags = MU_FIELD_NULLABLE},
        {.name = "flags", .type = MU_FIELD_INTEGER},
        {.name = "boot_id", .type = MU_FIELD_TEXT, .flags = MU_FIELD_NULLABLE},
        {.name = "agent_version", .type = MU_FIELD_TEXT, .flags = MU_FIELD_NULLABLE},
        {.name = "extra", .type = MU_FIELD_OBJECT, .flags = MU_FIELD_NULLABLE},
};
static const struct mu_shape HEARTBEAT = MU_SHAPE("StoredHeartbeat", HEARTBEAT_FIELDS);
static const struct mu_field HEARTBEATS_FIELDS[] = {
        {.name = "heartbeats",
         .type = MU_FIELD_LIST,
         .flags = MU_FIELD_REQUIRED,
         .shape = &HEARTBEAT,
         .doc = "Newest first."},
        {.name = "next_to", .type = MU_FIELD_TIME, .flags = MU_FIELD_NULLABLE, .doc = NEXT_TO_DOC},
};
static const struct mu_shape HEARTBEATS_REPLY = MU_SHAPE("StoredHeartbeats", HEARTBEATS_FIELDS);

static const struct mu_pg_statement HEARTBEATS = {
        .name = "device_heartbeats",
        .sql = "SELECT bucket, received_at, observed_at, battery, charging, network, ssid,"
               " fg_package, uptime_s, ram_free_mb, ram_total_mb, queue_depth, clock_offset_s, seq,"
               " flags, boot_id, agent_version, extra FROM heartbeats"
               " WHERE device_id = $1 AND bucket >= $2 AND bucket < $3"
               " ORDER BY bucket DESC LIMIT $4",
        .params = {MU_PG_INT8, MU_PG_TIMESTAMPTZ, MU_PG_TIMESTAMPTZ, MU_PG_INT8},
        .repeatable = true,
};

static json_t *heartbeat_json(const struct mu_pg_result *rows, size_t row)
{
        return json_pack(
                "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o,"
                " s:o, s:o}",
                "bucket", mu_cell_time(rows, row, 0), "received_at", mu_cell_time(rows, row, 1),
                "observed_at", mu_cell_time(rows, row, 2), "battery", mu_cell_integer(rows, row, 3),
                "charging", mu_cell_boolean(rows, row, 4), "network", mu_cell_text(rows, row, 5),
                "ssid", mu_cell_text(rows, row, 6), "fg_package", mu_cell_text(rows, row, 7),
                "uptime_s", mu_cell_integer(rows, row, 8), "ram_free_mb",
                mu_cell_integer(rows, row, 9), "ram_total_mb", mu_cell_integer(rows, row, 10),
                "queue_depth", mu_cell_integer(rows, row, 11), "clock_offset_s",
                mu_cell_integer(rows, row, 12), "seq", mu_cell_integer(rows, row, 13), "flags",
                mu_cell_integer(rows, row, 14), "boot_id", mu_cell_text(rows, row, 15),
                "agent_version", mu_cell_text(rows, row, 16), "extra", mu_cell_json(rows, row, 17));
}

static void show_heartbeats(struct mu_ask *ask)
{
        show_page(ask, &HEARTBEATS, "heartbeats", heartbeat_json);
}

static const struct mu_endpoint ROWS[] = {
        {.method = "GET",
         .path = MU_PATH_DEVICES "/{id}/history",
         .handle = show_history,
         .access = MU_ACCESS_VIEWER,
         .scope = "devices:read",
         .flags = MU_ENDPOINT_ADMIN_KEY,
         .query = &HISTORY_QUERY,
         .reply_status = 200,
         .reply = &HISTORY_REPLY,
         .operation_id = "getDeviceHistory",
         .tag = "Devices",
         .summary = "Series for charts, down-sampled"},
        {.method = "GET",
         .path = MU_PATH_DEVICES "/{id}/events",
         .handle = show_events,
         .access = MU_ACCESS_VIEWER,
         .scope = "devices:read",
         .flags = MU_ENDPOINT_ADMIN_KEY,
         .query = &PAGE_QUERY,
         .reply_status = 200,
         .reply = &EVENTS_REPLY,
         .operation_id = "listDeviceEvents",
         .tag = "Devices",
         .summary = "Changes of state, from the heartbeats",
         .doc = "The first heartbeat in the range has nothing to differ from."},
        {.method = "GET",
         .path = MU_PATH_DEVICES "/{id}/heartbeats",
         .handle = show_heartbeats,
         .access = MU_ACCESS_VIEWER,
         .scope = "devices:read",
         .flags = MU_ENDPOINT_ADMIN_KEY,
         .query = &PAGE_QUERY,
         .reply_status = 200,
         .reply = &HEARTBEATS_REPLY,
         .operation_id = "listHeartbeats",
         .tag = "Devices",
         .summary = "Heartbeats as they are stored"},
};
const struct mu_endpoints mu_device_history_endpoints = MU_ENDPOINTS(ROWS);
