/* SPDX-License-Identifier: Apache-2.0 */
/*
 * alive_time.h - monotonic time less the pauses in which nobody could have been heard.
 *
 *   alive(t) = t - the pauses before t          stands still within a pause
 *
 *   monotonic  ──────████──────────██████────▶      ████  a pause
 *   alive      ──────|───────────|───────────▶
 *
 * A deadline counted in alive time is moved by every pause after the stamp that it is counted from,
 * and by none before it; of a pause in which the stamp falls, by the part behind it.
 *
 * MU_ALIVE_PAUSES pauses are kept. For one more, the two oldest become one, as long as both, that
 * ends where the second ended: what was stamped within or between merged ones is counted as later,
 * by no more than their length, never as earlier; everything else stays exact.
 *
 * Units      *_ms: CLOCK_MONOTONIC, or alive time, which begins equal to it.
 * Threads    the caller's lock or thread.
 * Ownership  a value; nothing is allocated.
 */
#ifndef MUSTER_CONTROL_ALERT_ALIVE_TIME_H
#define MUSTER_CONTROL_ALERT_ALIVE_TIME_H

#include <stdbool.h>
#include <stdint.h>

enum { MU_ALIVE_PAUSES = 256 };

struct mu_pause {
        uint64_t start_ms;
        uint64_t end_ms;
        uint64_t paused_ms; /* by all pauses up to the end of this one */
};

struct mu_alive_time {
        uint64_t told_ms; /* known up to here */
        uint32_t count;
        struct mu_pause pauses[MU_ALIVE_PAUSES]; /* the oldest first; apart from one another */
};

void mu_alive_time_init(struct mu_alive_time *time, uint64_t now_ms);
/* What was between the last time told and now_ms, which is no less. */
void mu_alive_time_tell(struct mu_alive_time *time, uint64_t now_ms, bool pause);
uint64_t mu_alive_time_at(const struct mu_alive_time *time, uint64_t ms);
/* The first moment with that alive time. */
uint64_t mu_alive_time_when(const struct mu_alive_time *time, uint64_t alive_ms);
uint64_t mu_alive_time_paused_ms(const struct mu_alive_time *time);

#endif
