/* SPDX-License-Identifier: Apache-2.0 */
#include "control/alert/rule_view.h"

#include <stdio.h>

#include "control/cell.h"

static const struct mu_field LAYER_FIELDS[] = {
        MU_ALERT_FIELD_OR_NULL("threshold", MU_FIELD_INTEGER, "null: as the wider scope has it."),
        MU_ALERT_FIELD_OR_NULL("clear_at", MU_FIELD_INTEGER, "null: as the wider scope has it."),
        MU_ALERT_FIELD_OR_NULL("hold_s", MU_FIELD_INTEGER, "null: as the wider scope has it."),
        MU_ALERT_FIELD_OR_NULL("clear_hold_s", MU_FIELD_INTEGER,
                               "null: as the wider scope has it."),
        MU_ALERT_FIELD_OR_NULL("severity", MU_FIELD_TEXT, "null: as the wider scope has it."),
        MU_ALERT_FIELD_OR_NULL("enabled", MU_FIELD_BOOLEAN, "null: as the wider scope has it."),
        MU_ALERT_FIELD_OR_NULL("text_value", MU_FIELD_TEXT, "null: as the wider scope has it."),
        MU_ALERT_FIELD("priority", MU_FIELD_INTEGER,
                       "Among a device's tags the lowest wins, then the name."),
        MU_ALERT_FIELD("updated_at", MU_FIELD_TIME, "When it was changed last."),
        MU_ALERT_FIELD("updated_by", MU_FIELD_TEXT, "Who did."),
};
const struct mu_shape mu_rule_layer_shape = MU_SHAPE("AlertRuleLayer", LAYER_FIELDS);
_Static_assert(MU_COUNT_OF(LAYER_FIELDS) == MU_RULE_LAYER_COLUMN_COUNT, "as the columns");

json_t *mu_rule_layer_json(const struct mu_pg_result *rows, size_t row)
{
        return mu_cell_fields(rows, row, 0, &mu_rule_layer_shape, MU_RULE_LAYER_COLUMN_COUNT);
}

static const struct mu_field VALUES_FIELDS[] = {
        MU_ALERT_FIELD_OR_NULL("threshold", MU_FIELD_INTEGER, "In the rule's unit."),
        MU_ALERT_FIELD_OR_NULL("clear_at", MU_FIELD_INTEGER,
                               "A firing alert ends at this value; null: with the condition."),
        MU_ALERT_FIELD("hold_s", MU_FIELD_INTEGER, "The condition holds for so long: it fires."),
        MU_ALERT_FIELD("clear_hold_s", MU_FIELD_INTEGER, "It is over for so long: it ends."),
        MU_ALERT_FIELD_CHOICE("severity", MU_ALERT_SEVERITIES, "How bad that is."),
        MU_ALERT_FIELD("enabled", MU_FIELD_BOOLEAN, "Whether it is judged at all."),
        MU_ALERT_FIELD_OR_NULL("text_value", MU_FIELD_TEXT, "agent_outdated: the least version."),
};
const struct mu_shape mu_rule_values_shape = MU_SHAPE("AlertRuleValues", VALUES_FIELDS);

json_t *mu_rule_values_json(enum mu_alert_rule rule, const struct mu_rule *values)
{
        const struct mu_rule_limits *limits = mu_rule_limits(rule);

        return json_pack("{s:o, s:o, s:I, s:I, s:s, s:b, s:o}", "threshold",
                         limits->text ? json_null() : json_integer(values->threshold), "clear_at",
                         limits->hysteresis ? json_integer(values->clear_at) : json_null(),
                         "hold_s", (json_int_t)values->holds.hold_s, "clear_hold_s",
                         (json_int_t)values->holds.clear_hold_s, "severity",
                         mu_alert_severity_name(values->severity), "enabled", (int)values->enabled,
                         "text_value",
                         mu_json_of_text_or_null(*values->text_value ? values->text_value : NULL));
}

bool mu_ask_rule(struct mu_ask *ask, enum mu_alert_rule *ret_rule)
{
        struct mu_slice given = mu_call_param(ask->call, "rule");
        char name[32];

        if (given.data && given.bytes < sizeof(name)) {
                (void)snprintf(name, sizeof(name), "%.*s", (int)given.bytes, given.data);
                if (mu_alert_rule_of(name, ret_rule) == 0)
                        return true;
        }
        mu_call_problem(ask->call, 404, "not-found", NULL,
                        "There is no such rule; GET /admin/alert-rules lists them.");
        return false;
}

bool mu_ask_device_rule(struct mu_ask *ask, enum mu_alert_rule *ret_rule)
{
        if (!mu_ask_rule(ask, ret_rule))
                return false;
        if (mu_rule_is_of_devices(*ret_rule))
                return true;
        mu_call_problem(ask->call, 400, "rule-scope", NULL,
                        "%s is about the appliance itself: it has no values per tag or device. "
                        "Change it for all with PATCH /admin/alert-rules/%s.",
                        mu_alert_rule_name(*ret_rule), mu_alert_rule_name(*ret_rule));
        return false;
}
