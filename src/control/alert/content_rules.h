/* SPDX-License-Identifier: Apache-2.0 */
/*
 * content_rules.h - what a stored heartbeat says about its device, rule by rule.
 *
 *   low_battery, queue_depth   the value as sent
 *   clock_skew                 how far off the device's clock is, either way
 *   agent_outdated             its version against the least one (version.h)
 *   service_down               observed_at - last foreground, in whole minutes, against the
 *                              device's monitoring; only where that is on and the field was sent
 *
 * Only what the device said lately counts: received_at - observed_at and now - received_at are at
 * most MU_CONTENT_FRESH_S (a backlog says how things were), or the whole heartbeat is unknown. A
 * field that was not sent is unknown too: it changes nothing.
 *
 * Units      *_us since the Unix epoch, *_s.
 * Threads    any; pure.
 */
#ifndef MUSTER_CONTROL_ALERT_CONTENT_RULES_H
#define MUSTER_CONTROL_ALERT_CONTENT_RULES_H

#include <stdbool.h>
#include <stdint.h>

#include "control/alert/alert_engine.h"
#include "control/alert/rule.h"
#include "control/alert/rule_set.h"

enum {
        MU_CONTENT_FRESH_S = 600,
        MU_CONTENT_RULES = 5,
        MU_CONTENT_VERSION_BYTES = 65,
        MU_CONTENT_DETAIL_BYTES = 2048, /* names of 100 and 255 characters, escaped */
};

/* The content of a heartbeat, as far as rules judge it. */
struct mu_content {
        int64_t received_at_us;
        int64_t observed_at_us;
        int64_t monitored_last_fg_s; /* as sent: below 10^9 an age, else the device's clock */
        int32_t queue_depth;
        int32_t clock_offset_s;
        uint8_t battery_percent;
        uint32_t present; /* MU_FIELD_*: battery, queue depth, monitored, agent version */
        char agent_version[MU_CONTENT_VERSION_BYTES];
};

/* Whether it may be judged now. */
bool mu_content_is_fresh(const struct mu_content *content, int64_t now_us);

/* When the monitored service was last in the foreground, by the appliance's clock. */
int64_t mu_content_last_foreground_us(const struct mu_content *content);

/* Judges one rule by what applies to the device. detail is used for the reading's text. The
 * reading's rule, condition, value, threshold and detail are set. */
void mu_content_judge(const struct mu_content *content, enum mu_alert_rule rule,
                      const struct mu_rule *settings, const struct mu_monitoring *monitoring,
                      char detail[MU_CONTENT_DETAIL_BYTES], struct mu_reading *ret_reading);

#endif
