/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rule_limits.h - what may be set of a rule, and what it means, for people.
 *
 * Units      as rule.h. Threads: any; pure.
 * Errors     -EINVAL, the member and a sentence.
 */
#ifndef MUSTER_CONTROL_ALERT_RULE_LIMITS_H
#define MUSTER_CONTROL_ALERT_RULE_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

#include "control/alert/rule.h"
#include "muster/compiler.h"

enum {
        MU_RULE_HOLD_S_MAX = 86400,
        MU_RULE_SENTENCE_BYTES = 200,
};

struct mu_rule_limits {
        int64_t least; /* of threshold and clear_at; both 0: it has none */
        int64_t most;
        bool hysteresis; /* it has a clear_at */
        bool text;       /* it has a text_value, a version, instead of a threshold */
        const char *doc; /* a sentence: when it fires */
};

const struct mu_rule_limits *mu_rule_limits(enum mu_alert_rule rule);
/* Of devices, so with values per tag and device; else the appliance's own. */
bool mu_rule_is_of_devices(enum mu_alert_rule rule);

struct mu_rule_problem {
        const char *member; /* "threshold", ... */
        char sentence[MU_RULE_SENTENCE_BYTES];
};

/* Whether the columns may be set so. applies: what the rule comes to with them, before
 * mu_rule_finish. */
MU_MUST_CHECK
int mu_rule_check(enum mu_alert_rule rule, uint32_t columns, const struct mu_rule *applies,
                  struct mu_rule_problem *ret_problem);

#endif
