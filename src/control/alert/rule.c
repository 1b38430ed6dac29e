/* SPDX-License-Identifier: Apache-2.0 */
#include "control/alert/rule.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "control/alert/version.h"

enum {
        MINUTE_S = 60,
        PERCENT_MOST = 100,
        DISK_MOST = 99, /* no disk is quite empty */
};

/* The values that alert.h's comments promise. */
static const struct mu_rule BUILT_IN[MU_RULE_COUNT] = {
        [MU_RULE_OFFLINE] = {.threshold = 12L * MINUTE_S,
                             .clear_at = 12L * MINUTE_S,
                             .severity = MU_SEVERITY_CRITICAL,
                             .enabled = true},
        [MU_RULE_LOW_BATTERY] = {.threshold = 15,
                                 .clear_at = 20,
                                 .severity = MU_SEVERITY_WARNING,
                                 .enabled = true},
        [MU_RULE_SERVICE_DOWN] = {.threshold = 10,
                                  .clear_at = 10,
                                  .severity = MU_SEVERITY_CRITICAL,
                                  .enabled = true},
        [MU_RULE_AGENT_OUTDATED] = {.severity = MU_SEVERITY_INFO, .enabled = true},
        [MU_RULE_CLOCK_SKEW] = {.threshold = 5L * MINUTE_S,
                                .clear_at = 4L * MINUTE_S,
                                .severity = MU_SEVERITY_WARNING,
                                .enabled = true},
        [MU_RULE_QUEUE_DEPTH] = {.threshold = 100,
                                 .clear_at = 20,
                                 .severity = MU_SEVERITY_WARNING,
                                 .enabled = true},
        [MU_RULE_JOURNAL_BACKLOG] = {.threshold = 60,
                                     .clear_at = 30,
                                     .severity = MU_SEVERITY_CRITICAL,
                                     .enabled = true},
        [MU_RULE_DISK] = {.threshold = 10,
                          .clear_at = 15,
                          .severity = MU_SEVERITY_CRITICAL,
                          .enabled = true},
        [MU_RULE_DATABASE_AWAY] = {.threshold = 30,
                                   .clear_at = 30,
                                   .holds = {.clear_hold_s = 30},
                                   .severity = MU_SEVERITY_CRITICAL,
                                   .enabled = true},
        [MU_RULE_PARTITION_MISSING] = {.severity = MU_SEVERITY_CRITICAL, .enabled = true},
        [MU_RULE_BACKUP_AGE] = {.threshold = 2 * MU_S_PER_DAY,
                                .clear_at = 2 * MU_S_PER_DAY,
                                .severity = MU_SEVERITY_WARNING,
                                .enabled = true},
        [MU_RULE_REJECTS] = {.severity = MU_SEVERITY_WARNING, .enabled = true},
        [MU_RULE_JOB_FAILING] = {.threshold = 2,
                                 .clear_at = 2,
                                 .severity = MU_SEVERITY_WARNING,
                                 .enabled = true},
};

void mu_rule_default(enum mu_alert_rule rule, struct mu_rule *ret_settings)
{
        MU_ASSERT(rule < MU_RULE_COUNT);
        *ret_settings = BUILT_IN[rule];
}

/* Where an alert ends by a threshold that comes without its own clear_at: as far from it as before.
 * Where there is no room for that, in proportion; what can't be reached would never end. */
static int64_t moved_clear_at(enum mu_alert_rule rule, const struct mu_rule *before,
                              int64_t threshold)
{
        int64_t moved = before->clear_at + (threshold - before->threshold);
        int64_t most = rule == MU_RULE_DISK ? DISK_MOST : PERCENT_MOST;

        if (mu_rule_is_below(rule))
                return moved < most ? moved : most;
        if (moved > 0 || before->threshold <= 0 || before->clear_at <= 0)
                return moved > 0 ? moved : 0;
        return (int64_t)((double)threshold * (double)before->clear_at / (double)before->threshold);
}

void mu_rule_apply(struct mu_rule *settings, const struct mu_rule_layer *layer)
{
        const struct mu_rule *values = &layer->values;

        if (layer->columns & MU_RULE_HAS_THRESHOLD) {
                settings->clear_at = moved_clear_at(layer->rule, settings, values->threshold);
                settings->threshold = values->threshold;
        }
        if (layer->columns & MU_RULE_HAS_CLEAR_AT)
                settings->clear_at = values->clear_at;
        if (layer->columns & MU_RULE_HAS_HOLD)
                settings->holds.hold_s = values->holds.hold_s;
        if (layer->columns & MU_RULE_HAS_CLEAR_HOLD)
                settings->holds.clear_hold_s = values->holds.clear_hold_s;
        if (layer->columns & MU_RULE_HAS_SEVERITY)
                settings->severity = values->severity;
        if (layer->columns & MU_RULE_HAS_ENABLED)
                settings->enabled = values->enabled;
        if (layer->columns & MU_RULE_HAS_TEXT)
                (void)snprintf(settings->text_value, sizeof(settings->text_value), "%s",
                               values->text_value);
}

bool mu_rule_is_below(enum mu_alert_rule rule)
{
        return rule == MU_RULE_LOW_BATTERY || rule == MU_RULE_DISK;
}

void mu_rule_finish(enum mu_alert_rule rule, struct mu_rule *settings)
{
        bool below = mu_rule_is_below(rule);

        if (below ? settings->clear_at < settings->threshold
                  : settings->clear_at > settings->threshold)
                settings->clear_at = settings->threshold;
        if (rule == MU_RULE_AGENT_OUTDATED && !mu_version_is_valid(settings->text_value))
                settings->enabled = false;
}

enum mu_condition mu_rule_judge(enum mu_alert_rule rule, const struct mu_rule *settings,
                                int64_t value)
{
        bool below = mu_rule_is_below(rule);

        if (below ? value < settings->threshold : value > settings->threshold)
                return MU_CONDITION_BREACH;
        if (below ? value >= settings->clear_at : value <= settings->clear_at)
                return MU_CONDITION_CLEAR;
        return MU_CONDITION_BETWEEN;
}
