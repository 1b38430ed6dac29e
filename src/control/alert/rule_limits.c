/* SPDX-License-Identifier: Apache-2.0 */
#include "control/alert/rule_limits.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/assert.h"
#include "control/alert/version.h"

enum {
        HOUR_S = 3600,
        DAY_S = 86400,
};

static const struct mu_rule_limits LIMITS[MU_RULE_COUNT] = {
        [MU_RULE_OFFLINE] = {60, DAY_S, false, false,
                             "A device has made no request for longer than this; never sooner than "
                             "two of its own intervals and 2 minutes."},
        [MU_RULE_LOW_BATTERY] = {1, 100, true, false,
                                 "The battery has less than this, charging or not."},
        [MU_RULE_SERVICE_DOWN] = {1, 120, false, false,
                                  "The monitored service was not in the foreground for longer than "
                                  "this; a threshold of the device's or the fleet's monitoring "
                                  "goes before."},
        [MU_RULE_AGENT_OUTDATED] = {0, 0, false, true,
                                    "The agent's version is older than text_value; off until that "
                                    "is set."},
        [MU_RULE_CLOCK_SKEW] = {10, 7 * DAY_S, true, false,
                                "The device's clock is wrong by more than this."},
        [MU_RULE_QUEUE_DEPTH] = {1, 1000000, true, false,
                                 "More reports than this wait in the agent."},
        [MU_RULE_JOURNAL_BACKLOG] = {1, DAY_S, true, false,
                                     "The oldest heartbeat that is not in PostgreSQL waits for "
                                     "longer than this."},
        [MU_RULE_DISK] = {1, 99, true, false, "Less of the disk than this is free."},
        [MU_RULE_DATABASE_AWAY] = {5, DAY_S, false, false,
                                   "PostgreSQL has not answered for longer than this."},
        [MU_RULE_PARTITION_MISSING] = {0, 30, false, false,
                                       "More of the coming days than this have no partition."},
        [MU_RULE_BACKUP_AGE] = {HOUR_S, 366 * DAY_S, false, false,
                                "The last good backup is older than this."},
        [MU_RULE_REJECTS] = {0, 1000000000, true, false,
                             "PostgreSQL lately refused more heartbeats than this."},
        [MU_RULE_JOB_FAILING] = {0, 1000, false, false,
                                 "A scheduled job has failed more often than this in a row."},
};

const struct mu_rule_limits *mu_rule_limits(enum mu_alert_rule rule)
{
        MU_ASSERT(rule < MU_RULE_COUNT);
        return &LIMITS[rule];
}

bool mu_rule_is_of_devices(enum mu_alert_rule rule)
{
        return rule < MU_RULE_DEVICE_COUNT;
}

static int MU_PRINTF(3, 4)
        refuse(struct mu_rule_problem *problem, const char *member, const char *format, ...)
{
        va_list arguments;

        problem->member = member;
        va_start(arguments, format);
        (void)vsnprintf(problem->sentence, sizeof(problem->sentence), format, arguments);
        va_end(arguments);
        return -EINVAL;
}

static const char *unit_of(enum mu_alert_rule rule)
{
        static const char *const UNITS[] = {
                [MU_UNIT_SECONDS] = " seconds", [MU_UNIT_MINUTES] = " minutes",
                [MU_UNIT_PERCENT] = " percent", [MU_UNIT_COUNT] = "",
                [MU_UNIT_VERSION] = "",
        };

        return UNITS[mu_alert_rule_unit(rule)];
}

static int check_range(enum mu_alert_rule rule, const char *member, int64_t value,
                       struct mu_rule_problem *problem)
{
        const struct mu_rule_limits *limits = mu_rule_limits(rule);

        if (value >= limits->least && value <= limits->most)
                return 0;
        return refuse(problem, member,
                      "%s of %s must be a whole number from %" PRId64 " to %" PRId64 "%s.", member,
                      mu_alert_rule_name(rule), limits->least, limits->most, unit_of(rule));
}

static int check_threshold(enum mu_alert_rule rule, const struct mu_rule *applies,
                           struct mu_rule_problem *problem)
{
        if (mu_rule_limits(rule)->text)
                return refuse(problem, "threshold",
                              "%s has no threshold; text_value is the least version.",
                              mu_alert_rule_name(rule));
        return check_range(rule, "threshold", applies->threshold, problem);
}

static int check_clear_at(enum mu_alert_rule rule, const struct mu_rule *applies,
                          struct mu_rule_problem *problem)
{
        bool below = mu_rule_is_below(rule);

        if (!mu_rule_limits(rule)->hysteresis)
                return refuse(problem, "clear_at",
                              "%s has no clear_at: it ends as soon as the condition does "
                              "(clear_hold_s: after that has lasted).",
                              mu_alert_rule_name(rule));
        /* Above the least threshold, 0 is a place to end at. */
        if (applies->clear_at != 0 || below) {
                int error = check_range(rule, "clear_at", applies->clear_at, problem);

                if (error < 0)
                        return error;
        }
        if (below ? applies->clear_at >= applies->threshold
                  : applies->clear_at <= applies->threshold)
                return 0;
        return refuse(problem, "clear_at",
                      "%s fires %s %" PRId64 "%s, so it can't end only at %" PRId64
                      ": clear_at must be %" PRId64 " or %s.",
                      mu_alert_rule_name(rule), below ? "below" : "above", applies->threshold,
                      unit_of(rule), applies->clear_at, applies->threshold,
                      below ? "more" : "less");
}

static int check_text(enum mu_alert_rule rule, const struct mu_rule *applies,
                      struct mu_rule_problem *problem)
{
        if (!mu_rule_limits(rule)->text)
                return refuse(problem, "text_value",
                              "%s has no text_value; that is agent_outdated's least version.",
                              mu_alert_rule_name(rule));
        if (mu_version_is_valid(applies->text_value))
                return 0;
        return refuse(problem, "text_value",
                      "text_value must be a version: numbers with dots between, as 2.4.1 or "
                      "2.5.0-rc.1.");
}

/* What is a hold of its own kind. */
static int check_holds(enum mu_alert_rule rule, const struct mu_rule *applies, uint32_t columns,
                       struct mu_rule_problem *problem)
{
        if ((columns & MU_RULE_HAS_HOLD) && applies->holds.hold_s != 0 &&
            (rule == MU_RULE_OFFLINE || rule == MU_RULE_DATABASE_AWAY))
                return refuse(problem, "hold_s",
                              "%s has no hold_s: its threshold is how long it must last. Make that "
                              "longer.",
                              mu_alert_rule_name(rule));
        if ((columns & MU_RULE_HAS_CLEAR_HOLD) && applies->holds.clear_hold_s != 0 &&
            rule == MU_RULE_OFFLINE)
                return refuse(problem, "clear_hold_s",
                              "offline has no clear_hold_s: it ends with the device's next "
                              "request.");
        return 0;
}

int mu_rule_check(enum mu_alert_rule rule, uint32_t columns, const struct mu_rule *applies,
                  struct mu_rule_problem *ret_problem)
{
        int error = 0;

        if (columns & MU_RULE_HAS_THRESHOLD)
                error = check_threshold(rule, applies, ret_problem);
        if (error == 0 && (columns & MU_RULE_HAS_CLEAR_AT))
                error = check_clear_at(rule, applies, ret_problem);
        if (error == 0)
                error = check_holds(rule, applies, columns, ret_problem);
        if (error == 0 && (columns & MU_RULE_HAS_TEXT))
                error = check_text(rule, applies, ret_problem);
        return error;
}
