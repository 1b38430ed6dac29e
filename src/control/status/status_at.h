/* SPDX-License-Identifier: Apache-2.0 */
/*
 * status_at.h - the fleet's last status as of a moment, from history.
 *
 *   observed  with hindsight: what is known by now of what was so at T; a heartbeat that was
 *             recorded before T and came after it counts, and a device was heard of when it
 *             recorded
 *   received  what the appliance knew at T: only what had come by then, and a device was heard of
 *             when the newest of that came
 *
 * Of each device that existed at T (deleted since or not) the newest heartbeat up to T; online,
 * late, silent and never as live_facts.h says, at T. Site, tags, interval: as of now.
 *
 * Units      *_us since the Unix epoch. Threads: any, each with its connection; not within a
 *            transaction. Ownership: rows are the caller's. Errors: of pg/error.h.
 */
#ifndef MUSTER_CONTROL_STATUS_AT_H
#define MUSTER_CONTROL_STATUS_AT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "muster/compiler.h"

struct mu_pg;
struct mu_pg_result;

struct mu_status_at {
        int64_t at_us;
        bool received;
        uint32_t interval_s; /* the fleet's */
        const char *site;    /* NULL: any */
        const char *tags;    /* all of these, joined by MU_DEVICE_TAG_SEPARATOR; NULL: any */
};

enum mu_status_column {
        MU_STATUS_ID,
        MU_STATUS_ALIAS,
        MU_STATUS_KIND,
        MU_STATUS_SITE,
        MU_STATUS_TAGS,
        MU_STATUS_DELETED_AT,
        MU_STATUS_STATUS,
        MU_STATUS_SEEN_AT,
        MU_STATUS_RECEIVED_AT,
        MU_STATUS_OBSERVED_AT,
        MU_STATUS_BATTERY,
        MU_STATUS_CHARGING,
        MU_STATUS_NETWORK,
        MU_STATUS_SSID,
        MU_STATUS_FG_PACKAGE,
        MU_STATUS_UPTIME_S,
        MU_STATUS_RAM_FREE_MB,
        MU_STATUS_RAM_TOTAL_MB,
        MU_STATUS_QUEUE_DEPTH,
        MU_STATUS_CLOCK_OFFSET_S,
        MU_STATUS_AGENT_VERSION,
};

struct mu_status_counts {
        int64_t devices;
        int64_t online;
        int64_t late;
        int64_t silent;
        int64_t never;
};

enum mu_status_history {
        MU_STATUS_HISTORY_THERE,
        MU_STATUS_HISTORY_ARCHIVED, /* the days named are to be restored */
        MU_STATUS_HISTORY_LEAVING,  /* some of these are just on their way there */
        MU_STATUS_HISTORY_GONE,     /* that was, and is in no archive */
        MU_STATUS_HISTORY_NONE,     /* before the first day there ever was */
};

enum { MU_STATUS_DAYS_BYTES = 64 };

/* Whether history has what at_us needs: its day, and those before in which a device may have been
 * heard of last and not be silent. A day may leave while rows are read: ask before and after.
 * ret_days: "2026-08-19 2026-08-20", those that lack. */
MU_MUST_CHECK
int mu_status_at_history(struct mu_pg *pg, const struct mu_status_at *query,
                         enum mu_status_history *ret_history, char ret_days[MU_STATUS_DAYS_BYTES]);

/* The next devices by id, behind after_id. */
MU_MUST_CHECK
int mu_status_at_page(struct mu_pg *pg, const struct mu_status_at *query, int64_t after_id,
                      size_t limit, struct mu_pg_result **ret_rows);

MU_MUST_CHECK
int mu_status_at_count(struct mu_pg *pg, const struct mu_status_at *query,
                       struct mu_status_counts *ret_counts);

#endif
