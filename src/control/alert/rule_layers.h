/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rule_layers.h - the rows of alert_rules that apply to somebody, what they come to, and where each
 * value comes from.
 *
 * The alert thread keeps all rows in memory (rule_set.h) and comes to the same; this reads those
 * that one request asks about.
 *
 * Units      as rule.h.
 * Threads    a handler's worker.
 * Ownership  done frees what read filled.
 * Errors     negative errno as in pg/error.h.
 */
#ifndef MUSTER_CONTROL_ALERT_RULE_LAYERS_H
#define MUSTER_CONTROL_ALERT_RULE_LAYERS_H

#include <jansson.h>
#include <stdint.h>

#include "control/alert/rule.h"
#include "muster/compiler.h"

struct mu_pg;

struct mu_pg_result;

enum {
        MU_RULE_COLUMNS = 7,
        MU_RULE_BUILT_IN = -1,
};

struct mu_rule_layers {
        struct mu_rule rules[MU_RULE_COUNT]; /* not finished */
        /* The row that gave each column (the order of MU_RULE_HAS_*), or MU_RULE_BUILT_IN. */
        int32_t sources[MU_RULE_COUNT][MU_RULE_COLUMNS];
        struct mu_pg_result *rows;
};

/* "threshold", ...: in the order of MU_RULE_HAS_*. */
extern const char *const mu_rule_column_names[MU_RULE_COLUMNS];

/* Of all rules. device_id 0: none; tag NULL: none, else also that tag's rows. */
MU_MUST_CHECK
int mu_rule_layers_read(struct mu_pg *pg, int64_t device_id, const char *tag,
                        struct mu_rule_layers *ret_layers);
void mu_rule_layers_done(struct mu_rule_layers *layers);

/* "default", "fleet", "tag:kiosk", "device". The caller's reference; NULL: no memory. */
json_t *mu_rule_layers_source(const struct mu_rule_layers *layers, enum mu_alert_rule rule,
                              unsigned column);

#endif
