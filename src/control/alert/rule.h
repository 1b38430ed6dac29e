/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rule.h - the rules: what is built in, what rows of alert_rules change of it, and how a value is
 * judged by the result.
 *
 *   built in ◀─ fleet's row ◀─ rows of tags, the winner last ◀─ device's row      column by column
 *
 * Units      threshold, clear_at: the rule's own (mu_alert_rule_unit); *_s.
 * Threads    plain data.
 */
#ifndef MUSTER_CONTROL_ALERT_RULE_H
#define MUSTER_CONTROL_ALERT_RULE_H

#include <stdbool.h>
#include <stdint.h>

#include "control/alert/alert.h"
#include "control/alert/alert_machine.h"
#include "muster/compiler.h"

enum {
        MU_RULE_TEXT_BYTES = 64, /* with NUL */
};

/* A rule as it applies to somebody. */
struct mu_rule {
        int64_t threshold;
        int64_t clear_at; /* never on the threshold's wrong side */
        struct mu_holds holds;
        enum mu_alert_severity severity;
        bool enabled;
        char text_value[MU_RULE_TEXT_BYTES]; /* agent_outdated: the least version */
};

/* Columns that a layer gives; the others are as the wider scope has them. */
enum mu_rule_column {
        MU_RULE_HAS_THRESHOLD = 1u << 0,
        MU_RULE_HAS_CLEAR_AT = 1u << 1,
        MU_RULE_HAS_HOLD = 1u << 2,
        MU_RULE_HAS_CLEAR_HOLD = 1u << 3,
        MU_RULE_HAS_SEVERITY = 1u << 4,
        MU_RULE_HAS_ENABLED = 1u << 5,
        MU_RULE_HAS_TEXT = 1u << 6,
};

enum mu_rule_scope {
        MU_SCOPE_FLEET,
        MU_SCOPE_TAG,
        MU_SCOPE_DEVICE,
};

/* A row of alert_rules. */
struct mu_rule_layer {
        enum mu_alert_rule rule;
        enum mu_rule_scope scope;
        const char *tag;   /* of MU_SCOPE_TAG */
        int64_t device_id; /* of MU_SCOPE_DEVICE */
        int32_t priority;  /* of MU_SCOPE_TAG: the lowest wins, then the name */
        uint32_t columns;  /* MU_RULE_HAS_* */
        struct mu_rule values;
};

/* As built in. */
void mu_rule_default(enum mu_alert_rule rule, struct mu_rule *ret_settings);
/* A threshold without a clear_at keeps the distance that the wider scope's has. */
void mu_rule_apply(struct mu_rule *settings, const struct mu_rule_layer *layer);
/* After the last layer: what contradicts itself is put right (clear_at on the wrong side of the
 * threshold is the threshold; agent_outdated without a least version is off). */
void mu_rule_finish(enum mu_alert_rule rule, struct mu_rule *settings);

/* Whether the rule fires below its threshold; else above. */
bool mu_rule_is_below(enum mu_alert_rule rule);
/* Exactly at the threshold is no breach; exactly at clear_at is clear. */
enum mu_condition mu_rule_judge(enum mu_alert_rule rule, const struct mu_rule *settings,
                                int64_t value);

#endif
