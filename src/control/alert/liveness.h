/* SPDX-License-Identifier: Apache-2.0 */
/*
 * liveness.h - who has gone silent, and who is back, told from the stamps of the device table.
 *
 *   deadline = stamp + max(threshold, 2 x announced + 120 s), in alive time (alive_time.h)
 *
 *              seen ever, threshold > 0        deadline passed
 *   unwatched ─────────────────────────▶ watched ──────────▶ silent ─┐
 *                                           ▲    a later stamp: back │
 *                                           └────────────────────────┘
 *
 * Nothing is done for a request: a device's timer is due at the earliest deadline it can have, and
 * what has happened since is read only then. announced is what the device was last told to wait
 * (mu_device.announced_s), before that its interval. Watching begins when the device is taken up
 * (at start, or when the table grows): that counts as a stamp, unless the device was silent
 * already. Devices that never made a request are left alone until they do; deleted ones are
 * forgotten; those in quarantine still report and are watched. A gap of more than
 * MU_LIVENESS_GAP_MS between two ticks, and the time between two ticks of which one finds the
 * listeners closed, is nobody's silence: it moves all deadlines by as much.
 *
 * Late by no more than a tick and what one tick may do (looks_max); back within about a second.
 *
 * Units      *_ms: CLOCK_MONOTONIC, the frontends' clock; *_us since the Unix epoch; *_s seconds.
 * Threads    one, the alert thread. It only reads the device table.
 * Ownership  The table is lent and outlives it.
 * Errors     negative errno. tick has none: devices that there is no memory for are taken up later,
 *            and counted until then (left_out_count).
 */
#ifndef MUSTER_CONTROL_ALERT_LIVENESS_H
#define MUSTER_CONTROL_ALERT_LIVENESS_H

#include <stdbool.h>
#include <stdint.h>

#include "muster/compiler.h"

struct mu_device_table;
struct mu_liveness;

enum mu_liveness_limits {
        MU_LIVENESS_GAP_MS = 5000,
        MU_LIVENESS_SLACK_S = 120,
        MU_LIVENESS_THRESHOLD_MAX_S = 30 * 86400,
};

enum mu_liveness_edge_kind {
        MU_LIVENESS_SILENT,
        MU_LIVENESS_BACK,
        /* Was silent, but by a threshold set since it would not be: the rule ends it, no request.
         */
        MU_LIVENESS_EXCUSED,
        /* Was silent and is deleted. */
        MU_LIVENESS_GONE,
};

struct mu_liveness_edge {
        uint32_t device; /* index in the table */
        enum mu_liveness_edge_kind kind;
        /* Silent: the deadline. Back: the stamp. Else: now. */
        int64_t at_us;
        int64_t heard_us;   /* the last stamp; 0: none since this process started */
        uint64_t silent_ms; /* alive time since that stamp, or since watching began */
};

/* One moment on both clocks. */
struct mu_liveness_now {
        uint64_t monotonic_ms; /* never less than before */
        int64_t real_us;
        bool listening; /* frontends take requests */
};

struct mu_liveness_config {
        const struct mu_device_table *devices;
        uint32_t heartbeat_interval_s; /* of devices without one of their own */
        uint32_t threshold_s;          /* of devices without one of their own; 0: not watched */
        uint32_t looks_max;            /* in one tick; 0: no bound but edges_max */
};

struct mu_liveness_stats {
        uint64_t looks; /* at devices, ever: timers that fired */
        uint64_t peeks; /* at silent ones, ever */
        uint64_t paused_ms;
        uint32_t watched_count; /* with a timer */
        uint32_t silent_count;
        uint32_t left_out_count; /* of the table, not taken up yet */
};

/* Takes up the devices that are in the table. -ENOMEM. */
MU_MUST_CHECK
int mu_liveness_create(const struct mu_liveness_config *config, const struct mu_liveness_now *now,
                       struct mu_liveness **ret_liveness);
void mu_liveness_destroy(struct mu_liveness *liveness); /* NULL is a no-op */

/* A device's own threshold, 0: not watched (a silent one is no longer, without an edge). Any time,
 * the same one again costs nothing. It is judged by it in the next tick. -ENOMEM: as it was. */
MU_MUST_CHECK
int mu_liveness_set_threshold(struct mu_liveness *liveness, uint32_t device, uint32_t threshold_s);
/* Of all devices that no set_threshold was called for, now and later. */
void mu_liveness_set_default_threshold(struct mu_liveness *liveness, uint32_t threshold_s);
/* Back to the default. */
void mu_liveness_clear_threshold(struct mu_liveness *liveness, uint32_t device);

/* Its alert fires since before this start: silent without an edge, and back by any stamp of this
 * process. heard_us: its last stamp as far as known, else when it fired. After the thresholds;
 * one that is not watched stays so. -ENOMEM. */
MU_MUST_CHECK
int mu_liveness_set_silent(struct mu_liveness *liveness, uint32_t device, int64_t heard_us);
bool mu_liveness_is_silent(const struct mu_liveness *liveness, uint32_t device);

/* Every second or so. Up to edges_max edges, which then have happened: the caller keeps them until
 * they are written. As many as edges_max: there may be more, call again with the same now. A
 * device has at most one edge per now; silent and what ends it take turns. */
uint32_t mu_liveness_tick(struct mu_liveness *liveness, const struct mu_liveness_now *now,
                          struct mu_liveness_edge *ret_edges, uint32_t edges_max);

struct mu_liveness_stats mu_liveness_stats(const struct mu_liveness *liveness);

#endif
