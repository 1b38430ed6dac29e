/* SPDX-License-Identifier: Apache-2.0 */
/*
 * appliance_facts.h - what the rules about the appliance itself judge, gathered by app/.
 *
 * Units: as said. Threads: the alert thread's.
 */
#ifndef MUSTER_CONTROL_ALERT_APPLIANCE_FACTS_H
#define MUSTER_CONTROL_ALERT_APPLIANCE_FACTS_H

#include <stdbool.h>
#include <stdint.h>

struct mu_appliance_facts {
        uint64_t backlog_records;
        uint64_t oldest_unstored_s;
        uint64_t disk_free_bytes;
        uint64_t disk_total_bytes; /* 0: not known */
        double journal_hours_left; /* infinity: not filling */
        bool journal_accepting;
        bool storing;               /* PostgreSQL takes heartbeats */
        uint32_t backup_interval_s; /* 0: none are scheduled */
        /* Of jobs; "" none. */
        uint32_t job_failures_in_a_row;
        char failing_job[32];
};

#endif
