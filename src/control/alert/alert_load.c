/* SPDX-License-Identifier: Apache-2.0 */
/* alert_load.c - what stands and what applies, read from the database. */
#include <stdio.h>

#include "control/alert/alert_store.h"
#include "control/alert/rule_set.h"
#include "pg/query.h"

/* ---- incidents and alerts ---- */

static const struct mu_pg_statement INCIDENTS = {
        .name = "alert_load_incidents",
        .sql = "SELECT id, coalesce(device_id, 0), kind, grouped_by, rule, severity, alert_count,"
               " group_key FROM alert_incidents WHERE closed_at IS NULL",
        .repeatable = true,
};

static const struct mu_pg_statement ALERTS = {
        .name = "alert_load_standing",
        .sql = "SELECT id, device_id, coalesce(incident_id, 0), pending_at, fired_at, clearing_at,"
               " episode, rule, state, severity FROM alerts WHERE state <> 'resolved'"
               " ORDER BY id",
        .repeatable = true,
};

struct each_incident {
        int (*each)(void *ctx, const struct mu_incident_row *row);
        void *ctx;
};

static int take_incident(void *context, const struct mu_pg_result *row)
{
        const struct each_incident *incidents = context;
        struct mu_incident_row incident = {
                .incident_id = mu_pg_get_int(row, 0, 0),
                .device_id = mu_pg_get_int(row, 0, 1),
                .alert_count = (uint32_t)mu_pg_get_int(row, 0, 6),
                .group_key = mu_pg_get_text(row, 0, 7),
        };

        if (mu_incident_kind_of(mu_pg_get_text(row, 0, 2), &incident.kind) < 0 ||
            mu_incident_group_of(mu_pg_get_text(row, 0, 3), &incident.group) < 0 ||
            mu_alert_rule_of(mu_pg_get_text(row, 0, 4), &incident.rule) < 0 ||
            mu_alert_severity_of(mu_pg_get_text(row, 0, 5), &incident.severity) < 0)
                return 0;
        return incidents->each(incidents->ctx, &incident);
}

int mu_alert_store_each_incident(struct mu_pg *pg,
                                 int (*each)(void *ctx, const struct mu_incident_row *row),
                                 void *ctx)
{
        struct each_incident incidents = {.each = each, .ctx = ctx};

        return mu_pg_each(pg, &INCIDENTS, MU_PG_VALUES(), take_incident, &incidents);
}

struct each_alert {
        int (*each)(void *ctx, const struct mu_alert_row *row);
        void *ctx;
};

static int64_t time_or_0(const struct mu_pg_result *row, int column)
{
        return mu_pg_is_null(row, 0, column) ? 0 : mu_pg_get_timestamptz(row, 0, column);
}

static int take_alert(void *context, const struct mu_pg_result *row)
{
        const struct each_alert *alerts = context;
        struct mu_alert_row alert = {
                .alert_id = mu_pg_get_int(row, 0, 0),
                .device_id = mu_pg_get_int(row, 0, 1),
                .incident_id = mu_pg_get_int(row, 0, 2),
                .pending_us = mu_pg_get_timestamptz(row, 0, 3),
                .fired_us = time_or_0(row, 4),
                .clearing_us = time_or_0(row, 5),
                .episode = (uint32_t)mu_pg_get_int(row, 0, 6),
                .state = mu_pg_get_text(row, 0, 8)[0] == 'p' ? MU_ALERT_PENDING : MU_ALERT_FIRING,
        };

        if (mu_alert_rule_of(mu_pg_get_text(row, 0, 7), &alert.rule) < 0 ||
            mu_alert_severity_of(mu_pg_get_text(row, 0, 9), &alert.severity) < 0)
                return 0;
        return alerts->each(alerts->ctx, &alert);
}

int mu_alert_store_each_alert(struct mu_pg *pg,
                              int (*each)(void *ctx, const struct mu_alert_row *row), void *ctx)
{
        struct each_alert alerts = {.each = each, .ctx = ctx};

        return mu_pg_each(pg, &ALERTS, MU_PG_VALUES(), take_alert, &alerts);
}

/* ---- rules and monitoring ---- */

static const struct mu_pg_statement RULES = {
        .name = "alert_load_rules",
        .sql = "SELECT rule, scope, tag, device_id, priority, threshold, clear_at, hold_s,"
               " clear_hold_s, severity, enabled, text_value FROM alert_rules",
        .repeatable = true,
};

static const struct mu_pg_statement MONITORING = {
        .name = "alert_load_monitoring",
        .sql = "SELECT device_id, threshold_min, enabled, package, display_name"
               " FROM device_monitoring",
        .repeatable = true,
};

static int64_t int_or_0(const struct mu_pg_result *row, int column)
{
        return mu_pg_is_null(row, 0, column) ? 0 : mu_pg_get_int(row, 0, column);
}

static void read_values(const struct mu_pg_result *row, struct mu_rule_layer *layer)
{
        enum { THRESHOLD = 5, CLEAR_AT, HOLD, CLEAR_HOLD, SEVERITY, ENABLED, TEXT };
        const char *severity = mu_pg_get_text(row, 0, SEVERITY);
        const char *text = mu_pg_get_text(row, 0, TEXT);

        for (int i = THRESHOLD; i <= TEXT; i++)
                if (!mu_pg_is_null(row, 0, i))
                        layer->columns |= 1u << (i - THRESHOLD);
        layer->values.threshold = int_or_0(row, THRESHOLD);
        layer->values.clear_at = int_or_0(row, CLEAR_AT);
        layer->values.holds.hold_s = (uint32_t)int_or_0(row, HOLD);
        layer->values.holds.clear_hold_s = (uint32_t)int_or_0(row, CLEAR_HOLD);
        if (!severity || mu_alert_severity_of(severity, &layer->values.severity) < 0)
                layer->columns &= ~(uint32_t)MU_RULE_HAS_SEVERITY;
        if (layer->columns & MU_RULE_HAS_ENABLED)
                layer->values.enabled = mu_pg_get_bool(row, 0, ENABLED);
        (void)snprintf(layer->values.text_value, sizeof(layer->values.text_value), "%s",
                       text ? text : "");
}

_Static_assert(MU_RULE_HAS_THRESHOLD == 1u << 0 && MU_RULE_HAS_CLEAR_AT == 1u << 1 &&
                       MU_RULE_HAS_HOLD == 1u << 2 && MU_RULE_HAS_CLEAR_HOLD == 1u << 3 &&
                       MU_RULE_HAS_SEVERITY == 1u << 4 && MU_RULE_HAS_ENABLED == 1u << 5 &&
                       MU_RULE_HAS_TEXT == 1u << 6,
               "the order of the columns");

static int take_rule(void *context, const struct mu_pg_result *row)
{
        const char *scope = mu_pg_get_text(row, 0, 1);
        struct mu_rule_layer layer = {
                .scope = scope[0] == 'f'   ? MU_SCOPE_FLEET
                         : scope[0] == 't' ? MU_SCOPE_TAG
                                           : MU_SCOPE_DEVICE,
                .tag = mu_pg_get_text(row, 0, 2),
                .device_id = mu_pg_get_int(row, 0, 3),
                .priority = (int32_t)mu_pg_get_int(row, 0, 4),
        };

        if (mu_alert_rule_of(mu_pg_get_text(row, 0, 0), &layer.rule) < 0)
                return 0;
        read_values(row, &layer);
        return mu_rule_set_add(context, &layer);
}

static int take_monitoring(void *context, const struct mu_pg_result *row)
{
        struct mu_monitoring_row monitoring = {
                .device_id = mu_pg_get_int(row, 0, 0),
                .threshold_min = (uint32_t)int_or_0(row, 1),
                .package = mu_pg_get_text(row, 0, 3),
                .display_name = mu_pg_get_text(row, 0, 4),
        };

        if (!mu_pg_is_null(row, 0, 1))
                monitoring.columns |= MU_MONITORING_HAS_THRESHOLD;
        if (!mu_pg_is_null(row, 0, 2)) {
                monitoring.columns |= MU_MONITORING_HAS_ENABLED;
                monitoring.enabled = mu_pg_get_bool(row, 0, 2);
        }
        return mu_rule_set_add_monitoring(context, &monitoring);
}

int mu_alert_store_read_rules(struct mu_pg *pg, struct mu_rule_set *set)
{
        int error = mu_pg_each(pg, &RULES, MU_PG_VALUES(), take_rule, set);

        if (error == 0)
                error = mu_pg_each(pg, &MONITORING, MU_PG_VALUES(), take_monitoring, set);
        return error;
}
