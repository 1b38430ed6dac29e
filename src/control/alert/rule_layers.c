/* SPDX-License-Identifier: Apache-2.0 */
#include "control/alert/rule_layers.h"

#include <stdio.h>
#include <string.h>

#include "pg/query.h"

const char *const mu_rule_column_names[MU_RULE_COLUMNS] = {
        "threshold", "clear_at", "hold_s", "clear_hold_s", "severity", "enabled", "text_value",
};

enum column {
        RULE,
        SCOPE,
        TAG,
        THRESHOLD,
        CLEAR_AT,
        HOLD_S,
        CLEAR_HOLD_S,
        SEVERITY,
        ENABLED,
        TEXT_VALUE,
};

/* The wider scope first; of tags the winner last. */
static const struct mu_pg_statement READ = {
        .name = "rule_layers",
        .sql = "SELECT rule, scope, tag, threshold, clear_at, hold_s, clear_hold_s, severity,"
               " enabled, text_value FROM alert_rules r WHERE scope = 'fleet'"
               " OR (scope = 'device' AND device_id = $1)"
               " OR (scope = 'tag' AND (tag = $2 OR tag IN (SELECT unnest(tags) FROM devices"
               "  WHERE id = $1)))"
               " ORDER BY CASE scope WHEN 'fleet' THEN 0 WHEN 'tag' THEN 1 ELSE 2 END,"
               " priority DESC, tag COLLATE \"C\" DESC",
        .params = {MU_PG_INT8, MU_PG_TEXT},
        .repeatable = true,
};

static uint32_t columns_of(const struct mu_pg_result *rows, size_t row)
{
        uint32_t columns = 0;

        for (int i = 0; i < MU_RULE_COLUMNS; i++)
                if (!mu_pg_is_null(rows, row, THRESHOLD + i))
                        columns |= 1u << i;
        return columns;
}

static int64_t int_or_0(const struct mu_pg_result *rows, size_t row, int column)
{
        return mu_pg_is_null(rows, row, column) ? 0 : mu_pg_get_int(rows, row, column);
}

static void read_layer(const struct mu_pg_result *rows, size_t row, struct mu_rule_layer *layer)
{
        const char *severity = mu_pg_get_text(rows, row, SEVERITY);
        const char *text = mu_pg_get_text(rows, row, TEXT_VALUE);

        layer->columns = columns_of(rows, row);
        layer->values.threshold = int_or_0(rows, row, THRESHOLD);
        layer->values.clear_at = int_or_0(rows, row, CLEAR_AT);
        layer->values.holds.hold_s = (uint32_t)int_or_0(rows, row, HOLD_S);
        layer->values.holds.clear_hold_s = (uint32_t)int_or_0(rows, row, CLEAR_HOLD_S);
        if (!severity || mu_alert_severity_of(severity, &layer->values.severity) < 0)
                layer->columns &= ~(uint32_t)MU_RULE_HAS_SEVERITY;
        if (layer->columns & MU_RULE_HAS_ENABLED)
                layer->values.enabled = mu_pg_get_bool(rows, row, ENABLED);
        (void)snprintf(layer->values.text_value, sizeof(layer->values.text_value), "%s",
                       text ? text : "");
}

static void apply(struct mu_rule_layers *layers, const struct mu_rule_layer *layer, size_t row)
{
        mu_rule_apply(&layers->rules[layer->rule], layer);
        uint32_t columns = layer->columns;

        if (columns & MU_RULE_HAS_THRESHOLD)
                columns |= MU_RULE_HAS_CLEAR_AT; /* moves along */
        for (unsigned i = 0; i < MU_RULE_COLUMNS; i++)
                if (columns & 1u << i)
                        layers->sources[layer->rule][i] = (int32_t)row;
}

int mu_rule_layers_read(struct mu_pg *pg, int64_t device_id, const char *tag,
                        struct mu_rule_layers *ret_layers)
{
        struct mu_pg_result *rows;
        int error =
                mu_pg_query(pg, &READ, MU_PG_VALUES(mu_pg_int8(device_id), mu_pg_text(tag)), &rows);

        if (error < 0)
                return error;
        ret_layers->rows = rows;
        for (unsigned i = 0; i < MU_RULE_COUNT; i++) {
                mu_rule_default((enum mu_alert_rule)i, &ret_layers->rules[i]);
                for (unsigned column = 0; column < MU_RULE_COLUMNS; column++)
                        ret_layers->sources[i][column] = MU_RULE_BUILT_IN;
        }
        for (size_t i = 0; i < mu_pg_rows(rows); i++) {
                struct mu_rule_layer layer = {0};

                if (mu_alert_rule_of(mu_pg_get_text(rows, i, RULE), &layer.rule) < 0)
                        continue; /* of another release */
                read_layer(rows, i, &layer);
                apply(ret_layers, &layer, i);
        }
        return 0;
}

void mu_rule_layers_done(struct mu_rule_layers *layers)
{
        mu_pg_result_free(layers->rows);
        layers->rows = NULL;
}

json_t *mu_rule_layers_source(const struct mu_rule_layers *layers, enum mu_alert_rule rule,
                              unsigned column)
{
        int32_t row = layers->sources[rule][column];

        if (row == MU_RULE_BUILT_IN)
                return json_string("default");
        const char *scope = mu_pg_get_text(layers->rows, (size_t)row, SCOPE);

        if (strcmp(scope, "tag") != 0)
                return json_string(scope);
        return json_sprintf("tag:%s", mu_pg_get_text(layers->rows, (size_t)row, TAG));
}
