/* SPDX-License-Identifier: Apache-2.0 */
/*
 * alert.h - the words of alerts: rules, severities, states, and what an edge is.
 *
 *   stamps (device table) ─▶ liveness ─┐
 *   bus: stored heartbeats ─▶ content ─┼─▶ machine ─▶ edges ─▶ incidents ─▶ one transaction:
 *   the appliance's own facts ─────────┘              alerts, incidents, events, outbox
 *
 * Units      *_us since the Unix epoch; thresholds in the rule's own unit (mu_alert_unit).
 * Threads    names and tables: any.
 */
#ifndef MUSTER_CONTROL_ALERT_ALERT_H
#define MUSTER_CONTROL_ALERT_ALERT_H

#include <stdbool.h>
#include <stdint.h>

#include "muster/compiler.h"

/* Numbers are the program's own; the database has the names. */
enum mu_alert_rule {
        MU_RULE_OFFLINE,        /* s since the last request; > 720 */
        MU_RULE_LOW_BATTERY,    /* percent; < 15, clears at 20; charging or not */
        MU_RULE_SERVICE_DOWN,   /* min since last in the foreground; the device's monitoring */
        MU_RULE_AGENT_OUTDATED, /* text_value: the least version; off until that is set */
        MU_RULE_CLOCK_SKEW,     /* s off; > 300 */
        MU_RULE_QUEUE_DEPTH,    /* items waiting in the agent; > 100, clears at 20 */
        MU_RULE_DEVICE_COUNT,
        /* The appliance's own: device 0. */
        MU_RULE_JOURNAL_BACKLOG = MU_RULE_DEVICE_COUNT, /* s that the oldest record waits */
        MU_RULE_DISK,                                   /* percent free; < 10, clears at 15 */
        MU_RULE_DATABASE_AWAY,                          /* s */
        MU_RULE_PARTITION_MISSING,                      /* days ahead without one */
        MU_RULE_BACKUP_AGE,                             /* s since the last good backup */
        MU_RULE_REJECTS,     /* records that PostgreSQL refused, lately */
        MU_RULE_JOB_FAILING, /* runs in a row */
        MU_RULE_COUNT,
};

enum mu_alert_severity {
        MU_SEVERITY_INFO,
        MU_SEVERITY_WARNING,
        MU_SEVERITY_CRITICAL,
        MU_SEVERITY_COUNT,
};

enum mu_alert_state {
        MU_ALERT_NONE, /* nothing stands */
        MU_ALERT_PENDING,
        MU_ALERT_FIRING,
        MU_ALERT_STATE_COUNT,
};

/* "offline", "low_battery", ... as in the database, the API and muster_alerts_firing{rule}. */
const char *mu_alert_rule_name(enum mu_alert_rule rule);
/* -ENOENT: no such rule. */
MU_MUST_CHECK
int mu_alert_rule_of(const char *name, enum mu_alert_rule *ret_rule);
const char *mu_alert_severity_name(enum mu_alert_severity severity);
MU_MUST_CHECK
int mu_alert_severity_of(const char *name, enum mu_alert_severity *ret_severity);

/* How a rule's threshold is meant. */
enum mu_alert_unit {
        MU_UNIT_SECONDS,
        MU_UNIT_MINUTES,
        MU_UNIT_PERCENT,
        MU_UNIT_COUNT,   /* of things */
        MU_UNIT_VERSION, /* text_value instead of a threshold */
};
enum mu_alert_unit mu_alert_rule_unit(enum mu_alert_rule rule);
/* Title of a rule for people: "Device offline". */
const char *mu_alert_rule_title(enum mu_alert_rule rule);

#endif
