/* SPDX-License-Identifier: Apache-2.0 */
/* incident_api.c - looking at incidents: lists, members, threads, who was told. */
#include <string.h>

#include "base/clock.h"
#include "control/alert/alert_api.h"
#include "control/alert/incident_view.h"
#include "control/cell.h"

enum { SEARCH_CHARS_MAX = 100 };

/* ---- lists ---- */

static const struct mu_field LIST_QUERY_FIELDS[] = {
        {.name = "state",
         .type = MU_FIELD_TEXT,
         .one_of = "open|closed|all",
         .doc = "Without it: open, without those that are part of a wider one."},
        {.name = "kind",
         .type = MU_FIELD_TEXT,
         .one_of = "device|site|network|appliance",
         .doc = "Of this kind."},
        {.name = "rule", .type = MU_FIELD_TEXT, .one_of = MU_ALERT_RULES, .doc = "Of this rule."},
        {.name = "severity",
         .type = MU_FIELD_TEXT,
         .one_of = MU_ALERT_SEVERITIES,
         .doc = "Just as bad as this."},
        {.name = "acked", .type = MU_FIELD_BOOLEAN, .doc = "Acknowledged, or not."},
        {.name = "device_id", .type = MU_FIELD_ID, .doc = "Of kind device, of this one."},
        {.name = "q",
         .type = MU_FIELD_TEXT,
         .least = 1,
         .most = SEARCH_CHARS_MAX,
         .doc = "Part of the device's name, the site's or the network's, in any case."},
        MU_ALERT_PAGE_FIELDS,
};
static const struct mu_shape LIST_QUERY = MU_SHAPE("IncidentQuery", LIST_QUERY_FIELDS);

static const struct mu_field LIST_FIELDS[] = {
        MU_ALERT_FIELD_LIST("incidents", &mu_incident_shape, "Newest first."),
        MU_ALERT_NEXT_CURSOR,
};
static const struct mu_shape LIST_REPLY = MU_SHAPE("Incidents", LIST_FIELDS);

#define LIST(way)                                                                                  \
        "SELECT " MU_INCIDENT_COLUMNS MU_INCIDENT_FROM " WHERE " way                               \
        " AND ($1::text IS NULL OR i.kind = $1) AND ($2::text IS NULL OR i.rule = $2)"             \
        " AND ($3::text IS NULL OR i.severity = $3)"                                               \
        " AND ($4::boolean IS NULL OR (i.acked_at IS NOT NULL) = $4)"                              \
        " AND ($5::bigint IS NULL OR i.device_id = $5)"                                            \
        " AND ($6::text IS NULL OR position(lower($6) IN lower(coalesce(d.alias, i.group_key)))"   \
        "  > 0) AND i.id < $7 ORDER BY i.id DESC LIMIT $8"
#define LIST_PARAMS                                                                                \
        {                                                                                          \
                MU_PG_TEXT, MU_PG_TEXT, MU_PG_TEXT, MU_PG_BOOL, MU_PG_INT8, MU_PG_TEXT,            \
                        MU_PG_INT8, MU_PG_INT8                                                     \
        }

static const struct mu_pg_statement LIST_OPEN = {
        .name = "incident_list_open",
        .sql = LIST("i.closed_at IS NULL AND i.merged_into IS NULL"),
        .params = LIST_PARAMS,
        .repeatable = true,
};
static const struct mu_pg_statement LIST_CLOSED = {
        .name = "incident_list_closed",
        .sql = LIST("i.closed_at IS NOT NULL"),
        .params = LIST_PARAMS,
        .repeatable = true,
};
static const struct mu_pg_statement LIST_ALL = {
        .name = "incident_list",
        .sql = LIST("true"),
        .params = LIST_PARAMS,
        .repeatable = true,
};

static const struct mu_pg_statement *way_in(const json_t *query)
{
        const char *state = mu_json_text(query, "state");

        if (!state || strcmp(state, "open") == 0)
                return &LIST_OPEN;
        return strcmp(state, "closed") == 0 ? &LIST_CLOSED : &LIST_ALL;
}

static void list_incidents(struct mu_ask *ask)
{
        const json_t *query = ask->query;
        int64_t limit = mu_alert_limit(query);
        struct mu_pg_result *rows;

        if (!mu_ask_query(ask, way_in(query),
                          MU_PG_VALUES(mu_pg_text(mu_json_text(query, "kind")),
                                       mu_pg_text(mu_json_text(query, "rule")),
                                       mu_pg_text(mu_json_text(query, "severity")),
                                       mu_json_has(query, "acked")
                                               ? mu_pg_bool(mu_json_bool(query, "acked", false))
                                               : mu_pg_null(MU_PG_BOOL),
                                       mu_alert_id_or_null(query, "device_id"),
                                       mu_pg_text(mu_json_text(query, "q")),
                                       mu_pg_int8(mu_alert_cursor(query)), mu_pg_int8(limit + 1)),
                          &rows))
                return;
        mu_ask_reply(ask, 200, mu_alert_page(rows, limit, "incidents", mu_incident_json));
        mu_pg_result_free(rows);
}

/* ---- one ---- */

static const struct mu_field DETAIL_FIELDS[] = {
        {.name = "incident",
         .type = MU_FIELD_OBJECT,
         .flags = MU_FIELD_REQUIRED,
         .shape = &mu_incident_shape,
         .doc = "The incident."},
        MU_ALERT_FIELD_LIST("alerts", &mu_alert_shape, "The newest 100 that are part of it."),
        MU_ALERT_FIELD_OR_NULL("next_cursor", MU_FIELD_ID,
                               "For /admin/incidents/{id}/alerts, as cursor; null: these are all."),
};
static const struct mu_shape DETAIL = MU_SHAPE("IncidentDetail", DETAIL_FIELDS);

static const struct mu_pg_statement SHOW = {
        .name = "incident_show",
        .sql = "SELECT " MU_INCIDENT_COLUMNS MU_INCIDENT_FROM " WHERE i.id = $1",
        .params = {MU_PG_INT8},
        .repeatable = true,
};
static const struct mu_pg_statement MEMBERS = {
        .name = "incident_members",
        .sql = "SELECT " MU_ALERT_COLUMNS MU_ALERT_FROM " WHERE a.incident_id = $1 AND a.id < $2"
               " ORDER BY a.id DESC LIMIT $3",
        .params = {MU_PG_INT8, MU_PG_INT8, MU_PG_INT8},
        .repeatable = true,
};

static void show_incident(struct mu_ask *ask)
{
        struct mu_pg_result *incident;
        struct mu_pg_result *rows;
        int64_t id;

        if (!mu_ask_id(ask, "id", "incident", &id) ||
            !mu_ask_query(ask, &SHOW, MU_PG_VALUES(mu_pg_int8(id)), &incident))
                return;
        if (mu_pg_rows(incident) == 0) {
                mu_ask_not_found(ask, "incident");
        } else if (mu_ask_query(ask, &MEMBERS,
                                MU_PG_VALUES(mu_pg_int8(id), mu_pg_int8(INT64_MAX),
                                             mu_pg_int8(MU_ALERT_MEMBERS_SHOWN + 1)),
                                &rows)) {
                json_t *page = mu_alert_page(rows, MU_ALERT_MEMBERS_SHOWN, "alerts", mu_alert_json);

                if (page &&
                    json_object_set_new(page, "incident", mu_incident_json(incident, 0)) < 0) {
                        json_decref(page);
                        page = NULL;
                }
                mu_ask_reply(ask, 200, page);
                mu_pg_result_free(rows);
        }
        mu_pg_result_free(incident);
}

/* ---- what belongs to one ---- */

static const struct mu_field PAGE_QUERY_FIELDS[] = {MU_ALERT_PAGE_FIELDS};
static const struct mu_shape PAGE_QUERY = MU_SHAPE("IncidentPageQuery", PAGE_QUERY_FIELDS);

static const struct mu_field EVENT_FIELDS[] = {
        MU_ALERT_FIELD("id", MU_FIELD_ID, "The line."),
        MU_ALERT_FIELD("at", MU_FIELD_TIME, "When it happened."),
        MU_ALERT_FIELD("kind", MU_FIELD_TEXT,
                       "opened, fired, resolved, merged, closed, acked, unacked, noted, notified, "
                       "not_notified, remedy_sent, remedy_done, remedy_failed, remedy_gave_up."),
        MU_ALERT_FIELD("actor", MU_FIELD_TEXT, "appliance, user:alice, …"),
        MU_ALERT_FIELD_OR_NULL("alert_id", MU_FIELD_ID, "The alert it was about."),
        MU_ALERT_FIELD_OR_NULL("device_id", MU_FIELD_ID, "The device it was about."),
        MU_ALERT_FIELD_OR_NULL("device_alias", MU_FIELD_TEXT, "What people call the device."),
        MU_ALERT_FIELD_OR_NULL("episode", MU_FIELD_INTEGER, "Of the device and the rule."),
        MU_ALERT_FIELD_OR_NULL("detail", MU_FIELD_OBJECT, "What more is known; a note's text."),
};
static const struct mu_shape EVENT = MU_SHAPE("IncidentEvent", EVENT_FIELDS);
static const struct mu_field EVENTS_FIELDS[] = {
        MU_ALERT_FIELD_LIST("events", &EVENT, "Newest first."),
        MU_ALERT_NEXT_CURSOR,
};
static const struct mu_shape EVENTS_REPLY = MU_SHAPE("IncidentEvents", EVENTS_FIELDS);

/* Days before it began are not looked into. */
static const struct mu_pg_statement EVENTS = {
        .name = "incident_events",
        .sql = "SELECT e.id, e.at, e.kind, e.actor, e.alert_id, nullif(e.device_id, 0), d.alias,"
               " e.episode, e.detail FROM alert_events e LEFT JOIN devices d ON d.id = e.device_id"
               " WHERE e.incident_id = $1 AND e.id < $2 AND e.at >= $4 ORDER BY e.id DESC LIMIT $3",
        .params = {MU_PG_INT8, MU_PG_INT8, MU_PG_INT8, MU_PG_TIMESTAMPTZ},
        .repeatable = true,
};
static const struct mu_pg_statement NOTIFICATIONS = {
        .name = "incident_notifications",
        .sql = "SELECT " MU_NOTIFICATION_COLUMNS MU_NOTIFICATION_FROM
               " WHERE n.incident_id = $1 AND n.id < $2 ORDER BY n.id DESC LIMIT $3",
        .params = {MU_PG_INT8, MU_PG_INT8, MU_PG_INT8},
        .repeatable = true,
};
static const struct mu_pg_statement OPENED = {
        .name = "incident_opened",
        .sql = "SELECT opened_at FROM alert_incidents WHERE id = $1",
        .params = {MU_PG_INT8},
        .repeatable = true,
};

static json_t *event_json(const struct mu_pg_result *rows, size_t row)
{
        return mu_cell_fields(rows, row, 0, &EVENT, MU_COUNT_OF(EVENT_FIELDS));
}

/* False: answered. */
static bool find(struct mu_ask *ask, int64_t *ret_id, int64_t *ret_opened_us)
{
        struct mu_pg_result *rows;

        if (!mu_ask_id(ask, "id", "incident", ret_id) ||
            !mu_ask_query(ask, &OPENED, MU_PG_VALUES(mu_pg_int8(*ret_id)), &rows))
                return false;
        bool found = mu_pg_rows(rows) == 1;

        if (found)
                *ret_opened_us = mu_pg_get_timestamptz(rows, 0, 0);
        else
                mu_ask_not_found(ask, "incident");
        mu_pg_result_free(rows);
        return found;
}

/* since: the statement takes a time as its last value. */
static void reply_page(struct mu_ask *ask, const struct mu_pg_statement *statement, bool since,
                       const char *member, mu_alert_row_function *of_row)
{
        int64_t limit = mu_alert_limit(ask->query);
        struct mu_pg_result *rows;
        int64_t opened_us;
        int64_t id;

        if (!find(ask, &id, &opened_us))
                return;
        struct mu_pg_value values[] = {
                mu_pg_int8(id),        mu_pg_int8(mu_alert_cursor(ask->query)),
                mu_pg_int8(limit + 1), mu_pg_timestamptz(opened_us - MU_S_PER_DAY * MU_US_PER_S),
                {.type = MU_PG_END},
        };

        if (!since)
                values[3] = values[4];
        if (!mu_ask_query(ask, statement, values, &rows))
                return;
        mu_ask_reply(ask, 200, mu_alert_page(rows, limit, member, of_row));
        mu_pg_result_free(rows);
}

static void list_members(struct mu_ask *ask)
{
        reply_page(ask, &MEMBERS, false, "alerts", mu_alert_json);
}

static void list_events(struct mu_ask *ask)
{
        reply_page(ask, &EVENTS, true, "events", event_json);
}

static void list_notifications(struct mu_ask *ask)
{
        reply_page(ask, &NOTIFICATIONS, false, "notifications", mu_notification_json);
}

/* ---- the table ---- */

static const int NOT_FOUND[] = {404, 0};

#define READS                                                                                      \
        .access = MU_ACCESS_VIEWER, .scope = "alerts:read", .flags = MU_ENDPOINT_ADMIN_KEY,        \
        .reply_status = 200, .tag = "Incidents"

static const struct mu_endpoint ROWS[] = {
        {.method = "GET",
         .path = "/admin/incidents",
         .handle = list_incidents,
         READS,
         .query = &LIST_QUERY,
         .reply = &LIST_REPLY,
         .operation_id = "listIncidents",
         .summary = "Incidents: what people are told of",
         .doc = "One device's alert, or those of many devices of one site or network at once."},
        {.method = "GET",
         .path = "/admin/incidents/{id}",
         .handle = show_incident,
         READS,
         .reply = &DETAIL,
         .operation_id = "getIncident",
         .summary = "One incident with its alerts",
         .problems = NOT_FOUND},
        {.method = "GET",
         .path = "/admin/incidents/{id}/alerts",
         .handle = list_members,
         READS,
         .query = &PAGE_QUERY,
         .reply = &mu_alert_list_shape,
         .operation_id = "listIncidentAlerts",
         .summary = "Alerts of an incident",
         .problems = NOT_FOUND},
        {.method = "GET",
         .path = "/admin/incidents/{id}/events",
         .handle = list_events,
         READS,
         .query = &PAGE_QUERY,
         .reply = &EVENTS_REPLY,
         .operation_id = "listIncidentEvents",
         .summary = "What happened, line by line",
         .doc = "Alerts that began and ended, who was told, what was tried, what people said.",
         .problems = NOT_FOUND},
        {.method = "GET",
         .path = "/admin/incidents/{id}/notifications",
         .handle = list_notifications,
         READS,
         .query = &PAGE_QUERY,
         .reply = &mu_notification_list_shape,
         .operation_id = "listIncidentNotifications",
         .summary = "Who was told of it, and how that went",
         .problems = NOT_FOUND},
};
const struct mu_endpoints mu_incident_endpoints = MU_ENDPOINTS(ROWS);
