/* SPDX-License-Identifier: Apache-2.0 */
#include "control/alert/alert_view.h"

#include "base/clock.h"
#include "control/alert/alert.h"
#include "control/cell.h"
#include "control/endpoint.h"

/* ---- rows ---- */

json_t *mu_alert_list(const struct mu_pg_result *rows, size_t count, mu_alert_row_function *of_row)
{
        json_t *list = json_array();

        for (size_t i = 0; list && i < count; i++)
                if (json_array_append_new(list, of_row(rows, i)) < 0) {
                        json_decref(list);
                        list = NULL;
                }
        return list;
}

json_t *mu_alert_page(const struct mu_pg_result *rows, int64_t limit, const char *member,
                      mu_alert_row_function *of_row)
{
        bool more = mu_pg_rows(rows) > (size_t)limit;
        size_t count = more ? (size_t)limit : mu_pg_rows(rows);

        return json_pack("{s:o, s:o}", member, mu_alert_list(rows, count, of_row), "next_cursor",
                         more ? mu_json_of_id(mu_pg_get_int(rows, count - 1, 0)) : json_null());
}

int64_t mu_alert_limit(const json_t *query)
{
        return mu_json_integer(query, "limit", MU_ALERT_PAGE_DEFAULT);
}

int64_t mu_alert_cursor(const json_t *query)
{
        int64_t cursor = mu_json_id(query, "cursor");

        return cursor > 0 ? cursor : INT64_MAX;
}

struct mu_pg_value mu_alert_id_or_null(const json_t *query, const char *name)
{
        int64_t id = mu_json_id(query, name);

        return id > 0 ? mu_pg_int8(id) : mu_pg_null(MU_PG_INT8);
}

int64_t mu_alert_now_us(const struct mu_ask *ask)
{
        return mu_clock_realtime_us(ask->control->config.clock);
}

/* ---- alerts ---- */

static const struct mu_field ALERT_FIELDS[] = {
        MU_ALERT_FIELD("id", MU_FIELD_ID, "The alert."),
        MU_ALERT_FIELD_CHOICE("rule", MU_ALERT_RULES, "What it is about."),
        MU_ALERT_FIELD_CHOICE("severity", MU_ALERT_SEVERITIES, "How bad that is."),
        MU_ALERT_FIELD_CHOICE("state", "pending|firing|resolved",
                              "pending: the condition holds, not yet for long enough."),
        MU_ALERT_FIELD_OR_NULL("device_id", MU_FIELD_ID, "Its device; null: the appliance."),
        MU_ALERT_FIELD_OR_NULL("device_alias", MU_FIELD_TEXT, "What people call the device."),
        MU_ALERT_FIELD_OR_NULL("site", MU_FIELD_TEXT, "Where the device is."),
        MU_ALERT_FIELD_OR_NULL("incident_id", MU_FIELD_ID,
                               "What people are told of; null while it is pending."),
        MU_ALERT_FIELD("episode", MU_FIELD_INTEGER, "Counts the times of this device and rule."),
        MU_ALERT_FIELD_OR_NULL("value", MU_FIELD_INTEGER,
                               "What it was judged by lately, in the rule's unit."),
        MU_ALERT_FIELD_OR_NULL("threshold", MU_FIELD_INTEGER, "What the value was compared with."),
        MU_ALERT_FIELD("pending_at", MU_FIELD_TIME, "Since when the condition held."),
        MU_ALERT_FIELD_OR_NULL("fired_at", MU_FIELD_TIME, "When it had held for long enough."),
        MU_ALERT_FIELD_OR_NULL("resolved_at", MU_FIELD_TIME, "When it was over."),
        MU_ALERT_FIELD_OR_NULL("resolved_by", MU_FIELD_TEXT,
                               "recovered, rule-off, device-deleted, device-quarantined or "
                               "monitoring-changed."),
        MU_ALERT_FIELD("remedy_count", MU_FIELD_INTEGER,
                       "Commands that the appliance sent to mend it."),
        MU_ALERT_FIELD_OR_NULL("acked_at", MU_FIELD_TIME,
                               "When somebody acknowledged its incident."),
        MU_ALERT_FIELD_OR_NULL("acked_by", MU_FIELD_TEXT, "Who did."),
        MU_ALERT_FIELD_OR_NULL("detail", MU_FIELD_OBJECT,
                               "What else is known: service, last foreground, version, …"),
        /* not columns */
        MU_ALERT_FIELD("title", MU_FIELD_TEXT, "The rule, for people."),
        MU_ALERT_FIELD_CHOICE("unit", "seconds|minutes|percent|count|version",
                              "How value and threshold are meant."),
};
enum { ALERT_COLUMNS = MU_COUNT_OF(ALERT_FIELDS) - 2 };

const struct mu_shape mu_alert_shape = MU_SHAPE("Alert", ALERT_FIELDS);

const char *mu_alert_unit_name(enum mu_alert_unit unit)
{
        static const char *const NAMES[] = {
                [MU_UNIT_SECONDS] = "seconds", [MU_UNIT_MINUTES] = "minutes",
                [MU_UNIT_PERCENT] = "percent", [MU_UNIT_COUNT] = "count",
                [MU_UNIT_VERSION] = "version",
        };

        return NAMES[unit];
}

json_t *mu_alert_json(const struct mu_pg_result *rows, size_t row)
{
        json_t *alert = mu_cell_fields(rows, row, 0, &mu_alert_shape, ALERT_COLUMNS);
        const char *name = mu_json_text(alert, "rule");
        enum mu_alert_rule rule;

        /* A rule of a later version: shown by its name. */
        bool known = name && mu_alert_rule_of(name, &rule) == 0;

        if (alert &&
            (json_object_set_new(alert, "title",
                                 json_string(known ? mu_alert_rule_title(rule) : name)) < 0 ||
             json_object_set_new(alert, "unit",
                                 json_string(mu_alert_unit_name(known ? mu_alert_rule_unit(rule)
                                                                      : MU_UNIT_COUNT))) < 0)) {
                json_decref(alert);
                return NULL;
        }
        return alert;
}
