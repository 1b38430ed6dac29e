/* SPDX-License-Identifier: Apache-2.0 */
/* alert_api.c - alerts one by one, in lists and counted. */
#include "control/alert/alert_api.h"

#include <string.h>

#include "base/clock.h"
#include "control/alert/alert_thread.h"
#include "control/alert/alert_view.h"
#include "control/device/device_filter.h"
#include "control/notify/notifier.h"
#include "identity/device_table.h"
#include "muster/wire.h"

/* ---- what changes share ---- */

static void read_rules(struct mu_control *control, void *arg)
{
        (void)arg;
        if (control->config.alerts)
                mu_alert_thread_reload(control->config.alerts);
}

static void read_channels(struct mu_control *control, void *arg)
{
        (void)arg;
        mu_notifier_reload(control->config.notifier);
}

void mu_alert_rules_changed(struct mu_ask *ask)
{
        mu_ask_after_commit(ask, read_rules, NULL);
}

void mu_alert_channels_changed(struct mu_ask *ask)
{
        mu_ask_after_commit(ask, read_channels, NULL);
}

static const struct mu_pg_statement LIVE_DEVICE = {
        .name = "alert_live_device",
        .sql = "SELECT id FROM devices WHERE id = $1 AND deleted_at IS NULL FOR SHARE",
        .params = {MU_PG_INT8},
        .repeatable = true,
};

bool mu_alert_require_device(struct mu_ask *ask, int64_t device_id)
{
        struct mu_pg_result *rows;

        if (!mu_ask_query(ask, &LIVE_DEVICE, MU_PG_VALUES(mu_pg_int8(device_id)), &rows))
                return false;
        bool found = mu_pg_rows(rows) == 1;

        mu_pg_result_free(rows);
        if (!found)
                mu_ask_not_found(ask, "device");
        return found;
}

/* ---- lists ---- */

static const struct mu_field LIST_QUERY_FIELDS[] = {
        {.name = "state",
         .type = MU_FIELD_TEXT,
         .one_of = "firing|pending|resolved|all",
         .doc = "Without it: firing; with device_id or incident_id: all."},
        {.name = "rule", .type = MU_FIELD_TEXT, .one_of = MU_ALERT_RULES, .doc = "Of this rule."},
        {.name = "severity",
         .type = MU_FIELD_TEXT,
         .one_of = MU_ALERT_SEVERITIES,
         .doc = "Just as bad as this."},
        {.name = "device_id", .type = MU_FIELD_ID, .doc = "Of this device."},
        {.name = "site",
         .type = MU_FIELD_TEXT,
         .least = 1,
         .most = MU_DEVICE_SITE_CHARS_MAX,
         .doc = "Of devices at this site."},
        {.name = "tag",
         .type = MU_FIELD_TEXT,
         .least = 1,
         .most = MU_DEVICE_TAG_CHARS_MAX,
         .doc = "Of devices with this tag."},
        {.name = "incident_id", .type = MU_FIELD_ID, .doc = "Of this incident."},
        {.name = "since", .type = MU_FIELD_TIME, .doc = "Pending since then or later."},
        {.name = "until", .type = MU_FIELD_TIME, .doc = "Pending since before then."},
        {.name = "sort", .type = MU_FIELD_TEXT, .one_of = "newest", .doc = "Newest first."},
        MU_ALERT_PAGE_FIELDS,
};
static const struct mu_shape LIST_QUERY = MU_SHAPE("AlertQuery", LIST_QUERY_FIELDS);

static const struct mu_field DEVICE_QUERY_FIELDS[] = {
        {.name = "state",
         .type = MU_FIELD_TEXT,
         .one_of = "firing|pending|resolved|all",
         .doc = "Without it: all."},
        MU_ALERT_PAGE_FIELDS,
};
static const struct mu_shape DEVICE_QUERY = MU_SHAPE("DeviceAlertQuery", DEVICE_QUERY_FIELDS);

static const struct mu_field LIST_FIELDS[] = {
        MU_ALERT_FIELD_LIST("alerts", &mu_alert_shape, "Newest first."),
        MU_ALERT_NEXT_CURSOR,
};
const struct mu_shape mu_alert_list_shape = MU_SHAPE("Alerts", LIST_FIELDS);

/* A statement for each way in, so that each has a plan that uses its index. */
#define LIST(way)                                                                                  \
        "SELECT " MU_ALERT_COLUMNS MU_ALERT_FROM " WHERE " way                                     \
        " AND ($1::bigint IS NULL OR a.device_id = $1)"                                            \
        " AND ($2::bigint IS NULL OR a.incident_id = $2)"                                          \
        " AND ($3::text IS NULL OR a.state = $3) AND ($4::text IS NULL OR a.rule = $4)"            \
        " AND ($5::text IS NULL OR a.severity = $5) AND ($6::text IS NULL OR d.site = $6)"         \
        " AND ($7::text IS NULL OR $7 = ANY (d.tags)) AND a.pending_at >= $8"                      \
        " AND a.pending_at < $9 AND a.id < $10 ORDER BY a.id DESC LIMIT $11"
#define LIST_PARAMS                                                                                \
        {                                                                                          \
                MU_PG_INT8, MU_PG_INT8, MU_PG_TEXT, MU_PG_TEXT, MU_PG_TEXT, MU_PG_TEXT,            \
                        MU_PG_TEXT, MU_PG_TIMESTAMPTZ, MU_PG_TIMESTAMPTZ, MU_PG_INT8, MU_PG_INT8   \
        }

static const struct mu_pg_statement LIST_ALL = {
        .name = "alert_list",
        .sql = LIST("true"),
        .params = LIST_PARAMS,
        .repeatable = true,
};
static const struct mu_pg_statement LIST_FIRING = {
        .name = "alert_list_firing",
        .sql = LIST("a.state = 'firing'"),
        .params = LIST_PARAMS,
        .repeatable = true,
};
static const struct mu_pg_statement LIST_PENDING = {
        .name = "alert_list_pending",
        .sql = LIST("a.state <> 'resolved'"),
        .params = LIST_PARAMS,
        .repeatable = true,
};
static const struct mu_pg_statement LIST_OF_DEVICE = {
        .name = "alert_list_of_device",
        .sql = LIST("a.device_id = $1"),
        .params = LIST_PARAMS,
        .repeatable = true,
};
static const struct mu_pg_statement LIST_OF_INCIDENT = {
        .name = "alert_list_of_incident",
        .sql = LIST("a.incident_id = $2"),
        .params = LIST_PARAMS,
        .repeatable = true,
};

struct filter {
        int64_t device_id; /* 0: any */
        int64_t incident_id;
        const char *state; /* NULL: any */
};

static const struct mu_pg_statement *way_in(const struct filter *filter)
{
        if (filter->device_id > 0)
                return &LIST_OF_DEVICE;
        if (filter->incident_id > 0)
                return &LIST_OF_INCIDENT;
        if (filter->state && strcmp(filter->state, "firing") == 0)
                return &LIST_FIRING;
        if (filter->state && strcmp(filter->state, "pending") == 0)
                return &LIST_PENDING;
        return &LIST_ALL;
}

static struct mu_pg_value id_value(int64_t id)
{
        return id > 0 ? mu_pg_int8(id) : mu_pg_null(MU_PG_INT8);
}

/* False: answered. */
static bool query_list(struct mu_ask *ask, const struct filter *filter, int64_t rows_max,
                       struct mu_pg_result **ret_rows)
{
        const json_t *query = ask->query;

        return mu_ask_query(
                ask, way_in(filter),
                MU_PG_VALUES(id_value(filter->device_id), id_value(filter->incident_id),
                             mu_pg_text(filter->state), mu_pg_text(mu_json_text(query, "rule")),
                             mu_pg_text(mu_json_text(query, "severity")),
                             mu_pg_text(mu_json_text(query, "site")),
                             mu_pg_text(mu_json_text(query, "tag")),
                             mu_pg_timestamptz(mu_json_time_us(query, "since", 0)),
                             mu_pg_timestamptz(
                                     mu_json_time_us(query, "until", MU_TS_S_END * MU_US_PER_S)),
                             mu_pg_int8(mu_alert_cursor(query)), mu_pg_int8(rows_max + 1)),
                ret_rows);
}

static const char *state_of(const json_t *query, const char *fallback)
{
        const char *state = mu_json_text(query, "state");

        if (!state)
                state = fallback;
        return strcmp(state, "all") == 0 ? NULL : state;
}

static void reply_list(struct mu_ask *ask, const struct filter *filter)
{
        int64_t limit = mu_alert_limit(ask->query);
        struct mu_pg_result *rows;

        if (!query_list(ask, filter, limit, &rows))
                return;
        mu_ask_reply(ask, 200, mu_alert_page(rows, limit, "alerts", mu_alert_json));
        mu_pg_result_free(rows);
}

static void list_alerts(struct mu_ask *ask)
{
        const json_t *query = ask->query;
        struct filter filter = {.device_id = mu_json_id(query, "device_id"),
                                .incident_id = mu_json_id(query, "incident_id")};

        filter.state = state_of(query, filter.device_id || filter.incident_id ? "all" : "firing");
        reply_list(ask, &filter);
}

static void list_of_device(struct mu_ask *ask)
{
        struct filter filter = {.state = state_of(ask->query, "all")};

        if (!mu_ask_id(ask, "id", "device", &filter.device_id) ||
            !mu_control_require_device_list(ask->control, ask->call))
                return;
        /* Of deleted ones too. */
        if (mu_device_table_by_id(ask->control->config.devices, filter.device_id))
                reply_list(ask, &filter);
        else
                mu_ask_not_found(ask, "device");
}

/* ---- one ---- */

static const struct mu_pg_statement SHOW = {
        .name = "alert_show",
        .sql = "SELECT " MU_ALERT_COLUMNS MU_ALERT_FROM " WHERE a.id = $1",
        .params = {MU_PG_INT8},
        .repeatable = true,
};

static void show_alert(struct mu_ask *ask)
{
        struct mu_pg_result *rows;
        int64_t id;

        if (!mu_ask_id(ask, "id", "alert", &id) ||
            !mu_ask_query(ask, &SHOW, MU_PG_VALUES(mu_pg_int8(id)), &rows))
                return;
        if (mu_pg_rows(rows) == 1)
                mu_ask_reply(ask, 200, mu_alert_json(rows, 0));
        else
                mu_ask_not_found(ask, "alert");
        mu_pg_result_free(rows);
}

/* ---- counted ---- */

static const struct mu_field RULE_COUNT_FIELDS[] = {
        MU_ALERT_FIELD_CHOICE("rule", MU_ALERT_RULES, "The rule."),
        MU_ALERT_FIELD("title", MU_FIELD_TEXT, "The rule, for people."),
        MU_ALERT_FIELD("firing", MU_FIELD_INTEGER, "Alerts that fire now."),
        MU_ALERT_FIELD("pending", MU_FIELD_INTEGER, "Conditions that hold, not yet long enough."),
};
static const struct mu_shape RULE_COUNT = MU_SHAPE("AlertRuleCount", RULE_COUNT_FIELDS);

static const struct mu_field SEVERITY_COUNT_FIELDS[] = {
        MU_ALERT_FIELD("info", MU_FIELD_INTEGER, "Firing."),
        MU_ALERT_FIELD("warning", MU_FIELD_INTEGER, "Firing."),
        MU_ALERT_FIELD("critical", MU_FIELD_INTEGER, "Firing."),
};
static const struct mu_shape SEVERITY_COUNT =
        MU_SHAPE("AlertSeverityCounts", SEVERITY_COUNT_FIELDS);

static const struct mu_field SUMMARY_FIELDS[] = {
        MU_ALERT_FIELD("firing", MU_FIELD_INTEGER, "Alerts that fire now."),
        MU_ALERT_FIELD("pending", MU_FIELD_INTEGER, "Conditions that hold, not yet long enough."),
        MU_ALERT_FIELD("open_incidents", MU_FIELD_INTEGER, "Incidents that are not over."),
        MU_ALERT_FIELD("unacked_incidents", MU_FIELD_INTEGER,
                       "Of those, the ones that nobody has acknowledged."),
        MU_ALERT_FIELD("silences", MU_FIELD_INTEGER, "Silences in force."),
        {.name = "by_severity",
         .type = MU_FIELD_OBJECT,
         .flags = MU_FIELD_REQUIRED,
         .shape = &SEVERITY_COUNT,
         .doc = "Firing alerts by how bad they are."},
        MU_ALERT_FIELD_LIST("by_rule", &RULE_COUNT, "Every rule, also those with none."),
};
static const struct mu_shape SUMMARY = MU_SHAPE("AlertSummary", SUMMARY_FIELDS);

static const struct mu_pg_statement COUNT_ALERTS = {
        .name = "alert_count",
        .sql = "SELECT rule, severity, count(*) FILTER (WHERE state = 'firing'),"
               " count(*) FILTER (WHERE state = 'pending') FROM alerts WHERE state <> 'resolved'"
               " GROUP BY rule, severity",
        .repeatable = true,
};
static const struct mu_pg_statement COUNT_INCIDENTS = {
        .name = "alert_count_incidents",
        .sql = "SELECT count(*), count(*) FILTER (WHERE acked_at IS NULL),"
               " (SELECT count(*) FROM alert_silences WHERE starts_at <= $1 AND ends_at > $1)"
               " FROM alert_incidents WHERE closed_at IS NULL AND merged_into IS NULL",
        .params = {MU_PG_TIMESTAMPTZ},
        .repeatable = true,
};

struct counts {
        int64_t firing[MU_RULE_COUNT];
        int64_t pending[MU_RULE_COUNT];
        int64_t by_severity[MU_SEVERITY_COUNT];
        int64_t all_firing;
        int64_t all_pending;
};

static void add_up(const struct mu_pg_result *rows, struct counts *counts)
{
        for (size_t i = 0; i < mu_pg_rows(rows); i++) {
                int64_t firing = mu_pg_get_int(rows, i, 2);
                int64_t pending = mu_pg_get_int(rows, i, 3);
                enum mu_alert_severity severity;
                enum mu_alert_rule rule;

                counts->all_firing += firing;
                counts->all_pending += pending;
                if (mu_alert_severity_of(mu_pg_get_text(rows, i, 1), &severity) == 0)
                        counts->by_severity[severity] += firing;
                if (mu_alert_rule_of(mu_pg_get_text(rows, i, 0), &rule) < 0)
                        continue;
                counts->firing[rule] += firing;
                counts->pending[rule] += pending;
        }
}

static json_t *rules_json(const struct counts *counts)
{
        json_t *list = json_array();

        for (unsigned i = 0; i < MU_RULE_COUNT; i++)
                if (json_array_append_new(
                            list, json_pack("{s:s, s:s, s:I, s:I}", "rule",
                                            mu_alert_rule_name((enum mu_alert_rule)i), "title",
                                            mu_alert_rule_title((enum mu_alert_rule)i), "firing",
                                            (json_int_t)counts->firing[i], "pending",
                                            (json_int_t)counts->pending[i])) < 0) {
                        json_decref(list);
                        return NULL;
                }
        return list;
}

static json_t *summary_json(const struct counts *counts, const struct mu_pg_result *incidents)
{
        return json_pack("{s:I, s:I, s:I, s:I, s:I, s:{s:I, s:I, s:I}, s:o}", "firing",
                         (json_int_t)counts->all_firing, "pending", (json_int_t)counts->all_pending,
                         "open_incidents", (json_int_t)mu_pg_get_int(incidents, 0, 0),
                         "unacked_incidents", (json_int_t)mu_pg_get_int(incidents, 0, 1),
                         "silences", (json_int_t)mu_pg_get_int(incidents, 0, 2), "by_severity",
                         "info", (json_int_t)counts->by_severity[MU_SEVERITY_INFO], "warning",
                         (json_int_t)counts->by_severity[MU_SEVERITY_WARNING], "critical",
                         (json_int_t)counts->by_severity[MU_SEVERITY_CRITICAL], "by_rule",
                         rules_json(counts));
}

static void summarise(struct mu_ask *ask)
{
        struct counts counts = {0};
        struct mu_pg_result *rows;

        if (!mu_ask_query(ask, &COUNT_ALERTS, MU_PG_VALUES(), &rows))
                return;
        add_up(rows, &counts);
        mu_pg_result_free(rows);
        if (!mu_ask_query(ask, &COUNT_INCIDENTS,
                          MU_PG_VALUES(mu_pg_timestamptz(mu_alert_now_us(ask))), &rows))
                return;
        mu_ask_reply(ask, 200, summary_json(&counts, rows));
        mu_pg_result_free(rows);
}

/* ---- the table ---- */

static const int NOT_FOUND[] = {404, 0};

static const struct mu_endpoint ROWS[] = {
        {.method = "GET",
         .path = "/admin/alerts",
         .handle = list_alerts,
         .access = MU_ACCESS_VIEWER,
         .scope = "alerts:read",
         .flags = MU_ENDPOINT_ADMIN_KEY,
         .query = &LIST_QUERY,
         .reply_status = 200,
         .reply = &mu_alert_list_shape,
         .operation_id = "listAlerts",
         .tag = "Alerts",
         .summary = "Alerts: what is wrong with devices and with the appliance"},
        {.method = "GET",
         .path = "/admin/alerts/summary",
         .handle = summarise,
         .access = MU_ACCESS_VIEWER,
         .scope = "alerts:read",
         .flags = MU_ENDPOINT_ADMIN_KEY,
         .reply_status = 200,
         .reply = &SUMMARY,
         .operation_id = "getAlertSummary",
         .tag = "Alerts",
         .summary = "How many alerts, by rule and severity"},
        {.method = "GET",
         .path = "/admin/alerts/{id}",
         .handle = show_alert,
         .access = MU_ACCESS_VIEWER,
         .scope = "alerts:read",
         .flags = MU_ENDPOINT_ADMIN_KEY,
         .reply_status = 200,
         .reply = &mu_alert_shape,
         .operation_id = "getAlert",
         .tag = "Alerts",
         .summary = "One alert",
         .problems = NOT_FOUND},
        {.method = "GET",
         .path = "/admin/devices/{id}/alerts",
         .handle = list_of_device,
         .access = MU_ACCESS_VIEWER,
         .scope = "alerts:read",
         .flags = MU_ENDPOINT_ADMIN_KEY,
         .query = &DEVICE_QUERY,
         .reply_status = 200,
         .reply = &mu_alert_list_shape,
         .operation_id = "listDeviceAlerts",
         .tag = "Alerts",
         .summary = "Alerts of a device",
         .problems = NOT_FOUND},
};
const struct mu_endpoints mu_alert_endpoints = MU_ENDPOINTS(ROWS);
