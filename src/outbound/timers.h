/* SPDX-License-Identifier: Apache-2.0 */
/*
 * timers.h - timers of one thread: a pairing heap in the owners' own memory, so that setting one
 * cannot fail (Fredman and others, "The Pairing Heap", 1986).
 *
 * Units      ns of the caller's monotonic clock.
 * Threads    one.
 * Ownership  A timer is embedded in what it is about, zeroed before its first use, and cancelled
 *            before that goes. fire may set, cancel or free any timer, its own too.
 * Errors     none.
 */
#ifndef MUSTER_OUTBOUND_TIMERS_H
#define MUSTER_OUTBOUND_TIMERS_H

#include <stdbool.h>
#include <stdint.h>

struct mu_timer {
        uint64_t due_ns;
        void (*fire)(struct mu_timer *timer);
        struct mu_timer *child;    /* the first of those due later */
        struct mu_timer *next;     /* the parent's next child */
        struct mu_timer *previous; /* ... the one before, or the parent */
        bool set;
};

struct mu_timers {
        struct mu_timer *first;
};

/* Moves it when it was set already. */
void mu_timers_set(struct mu_timers *timers, struct mu_timer *timer, uint64_t due_ns);
void mu_timers_cancel(struct mu_timers *timers, struct mu_timer *timer); /* not set: a no-op */
/* Fires what is due, each unset before; those set meanwhile too, if due. */
void mu_timers_fire(struct mu_timers *timers, uint64_t now_ns);
uint64_t mu_timers_next_ns(const struct mu_timers *timers); /* UINT64_MAX: none */

#endif
