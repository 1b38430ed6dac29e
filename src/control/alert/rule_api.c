/* SPDX-License-Identifier: Apache-2.0 */
/* rule_api.c - looking at rules: what is built in, what was changed, what applies to a device. */
#include <string.h>

#include "control/alert/alert_api.h"
#include "control/alert/rule_view.h"
#include "identity/device_table.h"

/* ---- GET /admin/alert-rules ---- */

static const struct mu_field LIMIT_FIELDS[] = {
        MU_ALERT_FIELD_OR_NULL("least", MU_FIELD_INTEGER, "null: it has no threshold."),
        MU_ALERT_FIELD_OR_NULL("most", MU_FIELD_INTEGER, "null: it has no threshold."),
        MU_ALERT_FIELD("clear_at", MU_FIELD_BOOLEAN, "Whether it has a clear_at."),
        MU_ALERT_FIELD("text_value", MU_FIELD_BOOLEAN, "Whether it has a text_value."),
};
static const struct mu_shape LIMITS = MU_SHAPE("AlertRuleLimits", LIMIT_FIELDS);

static const struct mu_field RULE_FIELDS[] = {
        MU_ALERT_FIELD_CHOICE("rule", MU_ALERT_RULES, "Its name."),
        MU_ALERT_FIELD("title", MU_FIELD_TEXT, "The rule, for people."),
        MU_ALERT_FIELD("doc", MU_FIELD_TEXT, "When it fires."),
        MU_ALERT_FIELD_CHOICE("unit", "seconds|minutes|percent|count|version",
                              "How its threshold is meant."),
        MU_ALERT_FIELD_CHOICE("about", "device|appliance",
                              "Rules about the appliance have no values per tag and device."),
        MU_ALERT_FIELD_CHOICE("fires", "above|below|older", "Than its threshold, or version."),
        {.name = "defaults",
         .type = MU_FIELD_OBJECT,
         .flags = MU_FIELD_REQUIRED,
         .shape = &mu_rule_values_shape,
         .doc = "As built in."},
        {.name = "fleet",
         .type = MU_FIELD_OBJECT,
         .flags = MU_FIELD_REQUIRED | MU_FIELD_NULLABLE,
         .shape = &mu_rule_layer_shape,
         .doc = "What was changed for all; null: nothing."},
        {.name = "effective",
         .type = MU_FIELD_OBJECT,
         .flags = MU_FIELD_REQUIRED,
         .shape = &mu_rule_values_shape,
         .doc = "What both come to."},
        {.name = "limits",
         .type = MU_FIELD_OBJECT,
         .flags = MU_FIELD_REQUIRED,
         .shape = &LIMITS,
         .doc = "What may be set."},
        MU_ALERT_FIELD("tag_override_count", MU_FIELD_INTEGER, "Tags with values of their own."),
        MU_ALERT_FIELD("device_override_count", MU_FIELD_INTEGER,
                       "Devices with values of their own."),
};
static const struct mu_shape RULE = MU_SHAPE("AlertRule", RULE_FIELDS);

static const struct mu_field LIST_FIELDS[] = {
        MU_ALERT_FIELD_LIST("rules", &RULE, "Every rule."),
};
static const struct mu_shape LIST = MU_SHAPE("AlertRules", LIST_FIELDS);

enum fleet_column { FLEET_RULE = MU_RULE_LAYER_COLUMN_COUNT };
static const struct mu_pg_statement FLEET_ROWS = {
        .name = "alert_rule_fleet",
        .sql = "SELECT " MU_RULE_LAYER_COLUMNS ", r.rule FROM alert_rules r"
               " WHERE r.scope = 'fleet'",
        .repeatable = true,
};
static const struct mu_pg_statement COUNT_OVERRIDES = {
        .name = "alert_rule_counts",
        .sql = "SELECT rule, count(*) FILTER (WHERE scope = 'tag'),"
               " count(*) FILTER (WHERE scope = 'device') FROM alert_rules GROUP BY rule",
        .repeatable = true,
};

struct all {
        struct mu_rule_layers layers;
        struct mu_pg_result *fleet;
        struct mu_pg_result *counts;
};

static json_t *fleet_json(const struct all *all, enum mu_alert_rule rule)
{
        for (size_t i = 0; i < mu_pg_rows(all->fleet); i++)
                if (strcmp(mu_pg_get_text(all->fleet, i, FLEET_RULE), mu_alert_rule_name(rule)) ==
                    0)
                        return mu_rule_layer_json(all->fleet, i);
        return json_null();
}

static json_int_t count_of(const struct all *all, enum mu_alert_rule rule, int column)
{
        for (size_t i = 0; i < mu_pg_rows(all->counts); i++)
                if (strcmp(mu_pg_get_text(all->counts, i, 0), mu_alert_rule_name(rule)) == 0)
                        return mu_pg_get_int(all->counts, i, column);
        return 0;
}

static json_t *limits_json(const struct mu_rule_limits *limits)
{
        return json_pack("{s:o, s:o, s:b, s:b}", "least",
                         limits->text ? json_null() : json_integer(limits->least), "most",
                         limits->text ? json_null() : json_integer(limits->most), "clear_at",
                         (int)limits->hysteresis, "text_value", (int)limits->text);
}

static const char *fires(enum mu_alert_rule rule)
{
        if (mu_rule_limits(rule)->text)
                return "older";
        return mu_rule_is_below(rule) ? "below" : "above";
}

static json_t *rule_json(const struct all *all, enum mu_alert_rule rule)
{
        struct mu_rule effective = all->layers.rules[rule];
        struct mu_rule defaults;

        mu_rule_default(rule, &defaults);
        mu_rule_finish(rule, &defaults);
        mu_rule_finish(rule, &effective);
        return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:I, s:I}", "rule",
                         mu_alert_rule_name(rule), "title", mu_alert_rule_title(rule), "doc",
                         mu_rule_limits(rule)->doc, "unit",
                         mu_alert_unit_name(mu_alert_rule_unit(rule)), "about",
                         mu_rule_is_of_devices(rule) ? "device" : "appliance", "fires", fires(rule),
                         "defaults", mu_rule_values_json(rule, &defaults), "fleet",
                         fleet_json(all, rule), "effective", mu_rule_values_json(rule, &effective),
                         "limits", limits_json(mu_rule_limits(rule)), "tag_override_count",
                         count_of(all, rule, 1), "device_override_count", count_of(all, rule, 2));
}

/* False: answered. */
static bool read_all(struct mu_ask *ask, struct all *all)
{
        int error = mu_rule_layers_read(ask->pg, 0, NULL, &all->layers);

        if (error < 0) {
                mu_ask_failed(ask, error);
                return false;
        }
        return mu_ask_query(ask, &FLEET_ROWS, MU_PG_VALUES(), &all->fleet) &&
               mu_ask_query(ask, &COUNT_OVERRIDES, MU_PG_VALUES(), &all->counts);
}

static void free_all(struct all *all)
{
        mu_rule_layers_done(&all->layers);
        mu_pg_result_free(all->fleet);
        mu_pg_result_free(all->counts);
}

static void list_rules(struct mu_ask *ask)
{
        struct all all = {0};
        json_t *list = json_array();

        if (!read_all(ask, &all)) {
                json_decref(list);
                free_all(&all);
                return;
        }
        for (unsigned i = 0; list && i < MU_RULE_COUNT; i++)
                if (json_array_append_new(list, rule_json(&all, (enum mu_alert_rule)i)) < 0) {
                        json_decref(list);
                        list = NULL;
                }
        free_all(&all);
        mu_ask_reply(ask, 200, list ? json_pack("{s:o}", "rules", list) : NULL);
}

static void show_rule(struct mu_ask *ask)
{
        enum mu_alert_rule rule;
        struct all all = {0};

        if (!mu_ask_rule(ask, &rule))
                return;
        if (read_all(ask, &all))
                mu_ask_reply(ask, 200, rule_json(&all, rule));
        free_all(&all);
}

/* ---- GET /admin/devices/{id}/alert-rules ---- */

static const struct mu_field SOURCE_FIELDS[] = {
        MU_ALERT_FIELD("threshold", MU_FIELD_TEXT, "default, fleet, tag:kiosk or device."),
        MU_ALERT_FIELD("clear_at", MU_FIELD_TEXT, "The same."),
        MU_ALERT_FIELD("hold_s", MU_FIELD_TEXT, "The same."),
        MU_ALERT_FIELD("clear_hold_s", MU_FIELD_TEXT, "The same."),
        MU_ALERT_FIELD("severity", MU_FIELD_TEXT, "The same."),
        MU_ALERT_FIELD("enabled", MU_FIELD_TEXT, "The same."),
        MU_ALERT_FIELD("text_value", MU_FIELD_TEXT, "The same."),
};
static const struct mu_shape SOURCES = MU_SHAPE("AlertRuleSources", SOURCE_FIELDS);

static const struct mu_field DEVICE_RULE_FIELDS[] = {
        MU_ALERT_FIELD_CHOICE("rule", MU_ALERT_DEVICE_RULES, "Its name."),
        MU_ALERT_FIELD("title", MU_FIELD_TEXT, "The rule, for people."),
        MU_ALERT_FIELD_CHOICE("unit", "seconds|minutes|percent|count|version",
                              "How its threshold is meant."),
        {.name = "effective",
         .type = MU_FIELD_OBJECT,
         .flags = MU_FIELD_REQUIRED,
         .shape = &mu_rule_values_shape,
         .doc = "What the device is judged by."},
        {.name = "sources",
         .type = MU_FIELD_OBJECT,
         .flags = MU_FIELD_REQUIRED,
         .shape = &SOURCES,
         .doc = "Where each value comes from."},
};
static const struct mu_shape DEVICE_RULE = MU_SHAPE("DeviceAlertRule", DEVICE_RULE_FIELDS);
static const struct mu_field DEVICE_RULES_FIELDS[] = {
        MU_ALERT_FIELD_LIST("rules", &DEVICE_RULE, "Every rule about devices."),
};
static const struct mu_shape DEVICE_RULES = MU_SHAPE("DeviceAlertRules", DEVICE_RULES_FIELDS);

static json_t *sources_json(const struct mu_rule_layers *layers, enum mu_alert_rule rule)
{
        json_t *sources = json_object();

        for (unsigned i = 0; sources && i < MU_RULE_COLUMNS; i++)
                if (json_object_set_new(sources, mu_rule_column_names[i],
                                        mu_rule_layers_source(layers, rule, i)) < 0) {
                        json_decref(sources);
                        sources = NULL;
                }
        return sources;
}

static json_t *device_rule_json(const struct mu_rule_layers *layers, enum mu_alert_rule rule)
{
        struct mu_rule effective = layers->rules[rule];

        mu_rule_finish(rule, &effective);
        return json_pack("{s:s, s:s, s:s, s:o, s:o}", "rule", mu_alert_rule_name(rule), "title",
                         mu_alert_rule_title(rule), "unit",
                         mu_alert_unit_name(mu_alert_rule_unit(rule)), "effective",
                         mu_rule_values_json(rule, &effective), "sources",
                         sources_json(layers, rule));
}

static void list_of_device(struct mu_ask *ask)
{
        struct mu_rule_layers layers;
        int64_t id;

        if (!mu_ask_id(ask, "id", "device", &id) || !mu_alert_require_device(ask, id))
                return;
        int error = mu_rule_layers_read(ask->pg, id, NULL, &layers);

        if (error < 0) {
                mu_ask_failed(ask, error);
                return;
        }
        json_t *list = json_array();

        for (unsigned i = 0; list && i < MU_RULE_DEVICE_COUNT; i++)
                if (json_array_append_new(list, device_rule_json(&layers, (enum mu_alert_rule)i)) <
                    0) {
                        json_decref(list);
                        list = NULL;
                }
        mu_rule_layers_done(&layers);
        mu_ask_reply(ask, 200, list ? json_pack("{s:o}", "rules", list) : NULL);
}

/* ---- GET /admin/alert-rules/{rule}/overrides ---- */

static const struct mu_field TAG_OVERRIDE_FIELDS[] = {
        MU_ALERT_FIELD("tag", MU_FIELD_TEXT, "Devices with this tag."),
        {.name = "values",
         .type = MU_FIELD_OBJECT,
         .flags = MU_FIELD_REQUIRED,
         .shape = &mu_rule_layer_shape,
         .doc = "What differs."},
};
static const struct mu_shape TAG_OVERRIDE = MU_SHAPE("AlertRuleTagOverride", TAG_OVERRIDE_FIELDS);

static const struct mu_field DEVICE_OVERRIDE_FIELDS[] = {
        MU_ALERT_FIELD("device_id", MU_FIELD_ID, "This device."),
        MU_ALERT_FIELD_OR_NULL("device_alias", MU_FIELD_TEXT, "What people call the device."),
        {.name = "values",
         .type = MU_FIELD_OBJECT,
         .flags = MU_FIELD_REQUIRED,
         .shape = &mu_rule_layer_shape,
         .doc = "What differs."},
};
static const struct mu_shape DEVICE_OVERRIDE =
        MU_SHAPE("AlertRuleDeviceOverride", DEVICE_OVERRIDE_FIELDS);

static const struct mu_field OVERRIDES_FIELDS[] = {
        MU_ALERT_FIELD_LIST("tags", &TAG_OVERRIDE, "Those that win first; at most 1,000."),
        MU_ALERT_FIELD_LIST("devices", &DEVICE_OVERRIDE, "A page, the newest devices first."),
        MU_ALERT_NEXT_CURSOR,
};
static const struct mu_shape OVERRIDES = MU_SHAPE("AlertRuleOverrides", OVERRIDES_FIELDS);

static const struct mu_field PAGE_QUERY_FIELDS[] = {MU_ALERT_PAGE_FIELDS};
static const struct mu_shape PAGE_QUERY = MU_SHAPE("AlertRuleOverrideQuery", PAGE_QUERY_FIELDS);

enum override_column {
        OVERRIDE_ID = MU_RULE_LAYER_COLUMN_COUNT,
        OVERRIDE_ALIAS,
};
static const struct mu_pg_statement TAG_OVERRIDES = {
        .name = "alert_rule_tag_overrides",
        .sql = "SELECT " MU_RULE_LAYER_COLUMNS ", r.tag FROM alert_rules r WHERE r.rule = $1"
               " AND r.scope = 'tag' ORDER BY r.priority, r.tag COLLATE \"C\" LIMIT 1000",
        .params = {MU_PG_TEXT},
        .repeatable = true,
};
static const struct mu_pg_statement DEVICE_OVERRIDES = {
        .name = "alert_rule_device_overrides",
        .sql = "SELECT " MU_RULE_LAYER_COLUMNS ", r.device_id, d.alias FROM alert_rules r"
               " LEFT JOIN devices d ON d.id = r.device_id WHERE r.rule = $1"
               " AND r.scope = 'device' AND r.device_id < $2 ORDER BY r.device_id DESC LIMIT $3",
        .params = {MU_PG_TEXT, MU_PG_INT8, MU_PG_INT8},
        .repeatable = true,
};

static json_t *tag_override_json(const struct mu_pg_result *rows, size_t row)
{
        return json_pack("{s:s, s:o}", "tag", mu_pg_get_text(rows, row, OVERRIDE_ID), "values",
                         mu_rule_layer_json(rows, row));
}

static json_t *device_override_json(const struct mu_pg_result *rows, size_t row)
{
        return json_pack("{s:o, s:o, s:o}", "device_id",
                         mu_json_of_id(mu_pg_get_int(rows, row, OVERRIDE_ID)), "device_alias",
                         mu_json_of_text_or_null(mu_pg_get_text(rows, row, OVERRIDE_ALIAS)),
                         "values", mu_rule_layer_json(rows, row));
}

static void list_overrides(struct mu_ask *ask)
{
        int64_t limit = mu_alert_limit(ask->query);
        struct mu_pg_result *tags;
        struct mu_pg_result *devices;
        enum mu_alert_rule rule;

        if (!mu_ask_device_rule(ask, &rule) ||
            !mu_ask_query(ask, &TAG_OVERRIDES, MU_PG_VALUES(mu_pg_text(mu_alert_rule_name(rule))),
                          &tags))
                return;
        if (mu_ask_query(ask, &DEVICE_OVERRIDES,
                         MU_PG_VALUES(mu_pg_text(mu_alert_rule_name(rule)),
                                      mu_pg_int8(mu_alert_cursor(ask->query)),
                                      mu_pg_int8(limit + 1)),
                         &devices)) {
                bool more = mu_pg_rows(devices) > (size_t)limit;
                size_t count = more ? (size_t)limit : mu_pg_rows(devices);

                mu_ask_reply(
                        ask, 200,
                        json_pack(
                                "{s:o, s:o, s:o}", "tags",
                                mu_alert_list(tags, mu_pg_rows(tags), tag_override_json), "devices",
                                mu_alert_list(devices, count, device_override_json), "next_cursor",
                                more ? mu_json_of_id(mu_pg_get_int(devices, count - 1, OVERRIDE_ID))
                                     : json_null()));
                mu_pg_result_free(devices);
        }
        mu_pg_result_free(tags);
}

/* ---- the table ---- */

static const int NOT_FOUND[] = {404, 0};

#define READS                                                                                      \
        .access = MU_ACCESS_VIEWER, .scope = "alerts:read", .flags = MU_ENDPOINT_ADMIN_KEY,        \
        .reply_status = 200, .tag = "Alert rules"

static const struct mu_endpoint ROWS[] = {
        {.method = "GET",
         .path = "/admin/alert-rules",
         .handle = list_rules,
         READS,
         .reply = &LIST,
         .operation_id = "listAlertRules",
         .summary = "Rules: what is built in, and what was changed for all"},
        {.method = "GET",
         .path = "/admin/alert-rules/{rule}",
         .handle = show_rule,
         READS,
         .reply = &RULE,
         .operation_id = "getAlertRule",
         .summary = "One rule",
         .problems = NOT_FOUND},
        {.method = "GET",
         .path = "/admin/alert-rules/{rule}/overrides",
         .handle = list_overrides,
         READS,
         .query = &PAGE_QUERY,
         .reply = &OVERRIDES,
         .operation_id = "listAlertRuleOverrides",
         .summary = "Tags and devices with values of their own",
         .problems = NOT_FOUND},
        {.method = "GET",
         .path = "/admin/devices/{id}/alert-rules",
         .handle = list_of_device,
         READS,
         .reply = &DEVICE_RULES,
         .operation_id = "listDeviceAlertRules",
         .summary = "What a device is judged by, and why",
         .doc = "service_down's threshold is the rule's; one of the device's or the fleet's "
                "monitoring goes before.",
         .problems = NOT_FOUND},
};
const struct mu_endpoints mu_alert_rule_endpoints = MU_ENDPOINTS(ROWS);
