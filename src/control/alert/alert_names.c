/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "base/assert.h"
#include "control/alert/alert.h"

static const struct {
        const char *name;
        const char *title;
        enum mu_alert_unit unit;
} RULES[MU_RULE_COUNT] = {
        [MU_RULE_OFFLINE] = {"offline", "Device offline", MU_UNIT_SECONDS},
        [MU_RULE_LOW_BATTERY] = {"low_battery", "Low battery", MU_UNIT_PERCENT},
        [MU_RULE_SERVICE_DOWN] = {"service_down", "Service down", MU_UNIT_MINUTES},
        [MU_RULE_AGENT_OUTDATED] = {"agent_outdated", "Agent outdated", MU_UNIT_VERSION},
        [MU_RULE_CLOCK_SKEW] = {"clock_skew", "Clock wrong", MU_UNIT_SECONDS},
        [MU_RULE_QUEUE_DEPTH] = {"queue_depth", "Reports pile up on the device", MU_UNIT_COUNT},
        [MU_RULE_JOURNAL_BACKLOG] = {"journal_backlog", "Heartbeats wait to be stored",
                                     MU_UNIT_SECONDS},
        [MU_RULE_DISK] = {"disk", "Disk nearly full", MU_UNIT_PERCENT},
        [MU_RULE_DATABASE_AWAY] = {"database_away", "PostgreSQL away", MU_UNIT_SECONDS},
        [MU_RULE_PARTITION_MISSING] = {"partition_missing", "Daily partitions missing",
                                       MU_UNIT_COUNT},
        [MU_RULE_BACKUP_AGE] = {"backup_age", "Backup overdue", MU_UNIT_SECONDS},
        [MU_RULE_REJECTS] = {"rejects", "Heartbeats refused by PostgreSQL", MU_UNIT_COUNT},
        [MU_RULE_JOB_FAILING] = {"job_failing", "Scheduled job failing", MU_UNIT_COUNT},
};

static const char *const SEVERITIES[MU_SEVERITY_COUNT] = {
        [MU_SEVERITY_INFO] = "info",
        [MU_SEVERITY_WARNING] = "warning",
        [MU_SEVERITY_CRITICAL] = "critical",
};

const char *mu_alert_rule_name(enum mu_alert_rule rule)
{
        MU_ASSERT(rule < MU_RULE_COUNT);
        return RULES[rule].name;
}

const char *mu_alert_rule_title(enum mu_alert_rule rule)
{
        MU_ASSERT(rule < MU_RULE_COUNT);
        return RULES[rule].title;
}

enum mu_alert_unit mu_alert_rule_unit(enum mu_alert_rule rule)
{
        MU_ASSERT(rule < MU_RULE_COUNT);
        return RULES[rule].unit;
}

int mu_alert_rule_of(const char *name, enum mu_alert_rule *ret_rule)
{
        for (unsigned rule = 0; rule < MU_RULE_COUNT; rule++) {
                if (strcmp(RULES[rule].name, name) != 0)
                        continue;
                *ret_rule = (enum mu_alert_rule)rule;
                return 0;
        }
        return -ENOENT;
}

const char *mu_alert_severity_name(enum mu_alert_severity severity)
{
        MU_ASSERT(severity < MU_SEVERITY_COUNT);
        return SEVERITIES[severity];
}

int mu_alert_severity_of(const char *name, enum mu_alert_severity *ret_severity)
{
        for (unsigned severity = 0; severity < MU_SEVERITY_COUNT; severity++) {
                if (strcmp(SEVERITIES[severity], name) != 0)
                        continue;
                *ret_severity = (enum mu_alert_severity)severity;
                return 0;
        }
        return -ENOENT;
}
