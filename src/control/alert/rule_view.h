/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rule_view.h - rules as operators see and set them (private to this folder).
 *
 * Threads    a handler's worker. Ownership: references are the caller's.
 * Errors     NULL: no memory. A function that returns false has answered the call.
 */
#ifndef MUSTER_CONTROL_ALERT_RULE_VIEW_H
#define MUSTER_CONTROL_ALERT_RULE_VIEW_H

#include "control/alert/alert_view.h"
#include "control/alert/rule_layers.h"
#include "control/alert/rule_limits.h"
#include "control/endpoint.h"

/* A row of alert_rules r: columns in the order of the shape. */
#define MU_RULE_LAYER_COLUMNS                                                                      \
        "r.threshold, r.clear_at, r.hold_s, r.clear_hold_s, r.severity, r.enabled, r.text_value,"  \
        " r.priority, r.updated_at, r.updated_by"
enum { MU_RULE_LAYER_COLUMN_COUNT = 10 };

extern const struct mu_shape mu_rule_layer_shape;
json_t *mu_rule_layer_json(const struct mu_pg_result *rows, size_t row);

/* What a rule comes to: threshold, clear_at, hold_s, clear_hold_s, severity, enabled, text_value;
 * null what it does not have. */
extern const struct mu_shape mu_rule_values_shape;
json_t *mu_rule_values_json(enum mu_alert_rule rule, const struct mu_rule *values);

/* The path's rule; false: answered 404. */
MU_MUST_CHECK
bool mu_ask_rule(struct mu_ask *ask, enum mu_alert_rule *ret_rule);
/* The same, of devices: has values per tag and device; false: answered 404 or 400. */
MU_MUST_CHECK
bool mu_ask_device_rule(struct mu_ask *ask, enum mu_alert_rule *ret_rule);

#endif
