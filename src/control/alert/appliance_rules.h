/* SPDX-License-Identifier: Apache-2.0 */
/*
 * appliance_rules.h - what the rules about the appliance itself (device 0) are judged by.
 *
 *   facts (every 5 s, from memory) ──┬─▶ judge ─▶ a reading per rule ─▶ the state machine
 *   slow facts (each minute, SQL) ───┘            (database_away: outage_note.h instead)
 *
 * How each value is meant, and the threshold that goes with it:
 *   journal_backlog    s that the oldest record waits; fires above
 *   disk               percent free; fires below
 *   database_away      s; never judged here: always !known. PostgreSQL can't be told then
 *   partition_missing  days without a partition, of today and the next MU_APPLIANCE_DAYS_AHEAD;
 *                      fires above (0)
 *   backup_age         s since the last good backup; fires above
 *   rejects            records refused within the last hour; fires above (0)
 *   job_failing        failed runs in a row of the worst job; fires above
 *
 * Units      *_s, *_us since the Unix epoch.
 * Threads    judge: any. read: the connection's.
 * Ownership  All is copied.
 * Errors     read: negative errno as in pg/error.h, *ret_slow untouched.
 */
#ifndef MUSTER_CONTROL_ALERT_APPLIANCE_RULES_H
#define MUSTER_CONTROL_ALERT_APPLIANCE_RULES_H

#include <stdbool.h>
#include <stdint.h>

#include "control/alert/alert.h"
#include "control/alert/appliance_facts.h"
#include "muster/compiler.h"

struct mu_pg;

enum {
        MU_APPLIANCE_RULE_COUNT = MU_RULE_COUNT - MU_RULE_DEVICE_COUNT,
        MU_APPLIANCE_DAYS_AHEAD = 3,
        MU_APPLIANCE_DETAIL_BYTES = 256,
};

/* What only PostgreSQL knows. Zeroed: nothing is known yet. */
struct mu_appliance_slow {
        bool known;
        uint32_t partition_days_missing;
        char partition_first_missing[11]; /* "2026-11-24"; "": none */
        int64_t backup_age_s;             /* -1: no backups are scheduled */
        int64_t backup_at_us;             /* 0: there was none yet */
        int64_t rejects_count;            /* within the last hour; counts to 10,000 */
};

struct mu_appliance_reading {
        enum mu_alert_rule rule;
        bool known;    /* false: can't be told now; what stands stays as it is */
        bool applies;  /* false: nothing there to judge; what stands ends */
        int64_t value; /* in the rule's unit */
        /* For alerts.detail: a JSON object; "": nothing to add. */
        char detail[MU_APPLIANCE_DETAIL_BYTES];
};

/* Each minute. now_us: the engine's clock; start_us: when this process began, from which the age of
 * a backup counts while there was none. */
MU_MUST_CHECK
int mu_appliance_read(struct mu_pg *pg, const struct mu_appliance_facts *facts, int64_t now_us,
                      int64_t start_us, struct mu_appliance_slow *ret_slow);

/* Pure. Readings in the order of the rules, from MU_RULE_DEVICE_COUNT on. */
void mu_appliance_judge(const struct mu_appliance_facts *facts,
                        const struct mu_appliance_slow *slow,
                        struct mu_appliance_reading ret_readings[MU_APPLIANCE_RULE_COUNT]);

#endif
