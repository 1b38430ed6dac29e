/* SPDX-License-Identifier: Apache-2.0 */
/*
 * timer_wheel.h - millions of timers, each a number 0..count-1, in a hierarchy of wheels.
 *
 * (Varghese and Lauck, "Hashed and Hierarchical Timing Wheels", SOSP 1987, scheme 7.)
 *
 *   level 0   64 slots of a tick           a timer stands on the level of the highest base-64 digit
 *   level 1   64 slots of 64 ticks         in which its due tick differs from the wheel's position,
 *   ...                                    in that digit's slot; reached, a slot of a higher level
 *   level 10  16 slots of 2^60 ticks       is dealt out to lower ones
 *
 * Every tick of 64 bits has its place, and a timer fires in its very tick. set, move and cancel are
 * O(1); a timer is dealt out at most once a level. A bit per slot tells what is empty, so a jump
 * costs what it passes of timers, not of ticks. Work in one call is bounded by the caller: what is
 * left waits, in order, and timers may be set and cancelled meanwhile.
 *
 * Units      ticks, of whatever length; timers: counts. 24 bytes a timer.
 * Threads    one.
 * Ownership  Nothing is allocated but by create and grow.
 * Errors     -EINVAL, -ENOMEM.
 */
#ifndef MUSTER_BASE_TIMER_WHEEL_H
#define MUSTER_BASE_TIMER_WHEEL_H

#include <stdbool.h>
#include <stdint.h>

#include "muster/compiler.h"

#define MU_TIMERS_MAX (1u << 30)

struct mu_timer_wheel;

/* timers: how many, 0..MU_TIMERS_MAX; none is set. */
MU_MUST_CHECK
int mu_timer_wheel_create(uint64_t now_tick, uint32_t timers, struct mu_timer_wheel **ret_wheel);
void mu_timer_wheel_destroy(struct mu_timer_wheel *wheel); /* NULL is a no-op */
/* At least so many timers; those there are stay as they are. */
MU_MUST_CHECK
int mu_timer_wheel_grow(struct mu_timer_wheel *wheel, uint32_t timers);

/* Sets it, or moves it when it is set. What is due already fires next. */
void mu_timer_wheel_set(struct mu_timer_wheel *wheel, uint32_t timer, uint64_t due_tick);
void mu_timer_wheel_cancel(struct mu_timer_wheel *wheel, uint32_t timer); /* not set: a no-op */
bool mu_timer_wheel_is_set(const struct mu_timer_wheel *wheel, uint32_t timer);
uint64_t mu_timer_wheel_due(const struct mu_timer_wheel *wheel, uint32_t timer); /* it is set */
uint32_t mu_timer_wheel_count(const struct mu_timer_wheel *wheel);               /* set ones */

/* Takes timers that are due by now_tick, the earliest first, up to timers_max; they are no longer
 * set. At most *moves timers are dealt out on the way, and *moves is what is left of that. Fewer
 * than timers_max and some moves left: there are no more. now_tick never goes back. */
uint32_t mu_timer_wheel_take(struct mu_timer_wheel *wheel, uint64_t now_tick, uint32_t *moves,
                             uint32_t *ret_timers, uint32_t timers_max);

#endif
