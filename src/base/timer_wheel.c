/* SPDX-License-Identifier: Apache-2.0 */
#include "base/timer_wheel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

enum {
        DIGIT_BITS = 6,
        SLOTS = 1 << DIGIT_BITS,
        LEVELS = 11, /* 66 bits */
        NOWHERE = LEVELS * SLOTS,
};

#define NONE UINT32_MAX

/* The slots' lists are doubly linked by timer number; prev of a slot's first one is NONE. */
struct timer {
        uint64_t due_tick;
        uint32_t next;
        uint32_t prev;
        uint32_t slot; /* level * SLOTS + digit; NOWHERE: not set */
};

struct mu_timer_wheel {
        struct timer *timers;
        uint64_t at_tick; /* nothing is due before it, and nothing was taken that is due after it */
        uint64_t filled[LEVELS]; /* a bit per slot that has timers */
        uint32_t timer_count;
        uint32_t set_count;
        uint32_t first[LEVELS * SLOTS];
};

static uint32_t digit(uint64_t tick, uint32_t level)
{
        return (uint32_t)(tick >> (level * DIGIT_BITS)) & (SLOTS - 1);
}

int mu_timer_wheel_create(uint64_t now_tick, uint32_t timers, struct mu_timer_wheel **ret_wheel)
{
        MU_ASSERT(ret_wheel);
        struct mu_timer_wheel *wheel = calloc(1, sizeof(*wheel));

        if (!wheel)
                return -ENOMEM;
        wheel->at_tick = now_tick;
        for (uint32_t i = 0; i < LEVELS * SLOTS; i++)
                wheel->first[i] = NONE;
        int error = mu_timer_wheel_grow(wheel, timers);

        if (error < 0) {
                mu_timer_wheel_destroy(wheel);
                return error;
        }
        *ret_wheel = wheel;
        return 0;
}

void mu_timer_wheel_destroy(struct mu_timer_wheel *wheel)
{
        if (!wheel)
                return;
        free(wheel->timers);
        free(wheel);
}

int mu_timer_wheel_grow(struct mu_timer_wheel *wheel, uint32_t timers)
{
        if (timers > MU_TIMERS_MAX)
                return -EINVAL;
        if (timers <= wheel->timer_count)
                return 0;
        struct timer *grown = realloc(wheel->timers, timers * sizeof(*grown));

        if (!grown)
                return -ENOMEM;
        for (uint32_t i = wheel->timer_count; i < timers; i++)
                grown[i] = (struct timer){.slot = NOWHERE};
        wheel->timers = grown;
        wheel->timer_count = timers;
        return 0;
}

/* Where a timer belongs, seen from the position. */
static uint32_t slot_of(const struct mu_timer_wheel *wheel, uint64_t due_tick)
{
        uint64_t tick = due_tick < wheel->at_tick ? wheel->at_tick : due_tick;
        uint64_t differ = tick ^ wheel->at_tick;
        uint32_t level = differ == 0 ? 0 : (uint32_t)(63 - __builtin_clzll(differ)) / DIGIT_BITS;

        return level * SLOTS + digit(tick, level);
}

static void link_timer(struct mu_timer_wheel *wheel, uint32_t number)
{
        struct timer *timer = &wheel->timers[number];

        timer->slot = slot_of(wheel, timer->due_tick);
        timer->prev = NONE;
        timer->next = wheel->first[timer->slot];
        if (timer->next != NONE)
                wheel->timers[timer->next].prev = number;
        wheel->first[timer->slot] = number;
        wheel->filled[timer->slot / SLOTS] |= UINT64_C(1) << (timer->slot % SLOTS);
}

static void unlink_timer(struct mu_timer_wheel *wheel, uint32_t number)
{
        struct timer *timer = &wheel->timers[number];

        if (timer->next != NONE)
                wheel->timers[timer->next].prev = timer->prev;
        if (timer->prev != NONE)
                wheel->timers[timer->prev].next = timer->next;
        else
                wheel->first[timer->slot] = timer->next;
        if (wheel->first[timer->slot] == NONE)
                wheel->filled[timer->slot / SLOTS] &= ~(UINT64_C(1) << (timer->slot % SLOTS));
        timer->slot = NOWHERE;
}

void mu_timer_wheel_set(struct mu_timer_wheel *wheel, uint32_t timer, uint64_t due_tick)
{
        MU_ASSERT(timer < wheel->timer_count);
        mu_timer_wheel_cancel(wheel, timer);
        wheel->timers[timer].due_tick = due_tick;
        link_timer(wheel, timer);
        wheel->set_count++;
}

void mu_timer_wheel_cancel(struct mu_timer_wheel *wheel, uint32_t timer)
{
        MU_ASSERT(timer < wheel->timer_count);
        if (wheel->timers[timer].slot == NOWHERE)
                return;
        unlink_timer(wheel, timer);
        wheel->set_count--;
}

bool mu_timer_wheel_is_set(const struct mu_timer_wheel *wheel, uint32_t timer)
{
        MU_ASSERT(timer < wheel->timer_count);
        return wheel->timers[timer].slot != NOWHERE;
}

uint64_t mu_timer_wheel_due(const struct mu_timer_wheel *wheel, uint32_t timer)
{
        MU_ASSERT(mu_timer_wheel_is_set(wheel, timer));
        return wheel->timers[timer].due_tick;
}

uint32_t mu_timer_wheel_count(const struct mu_timer_wheel *wheel)
{
        return wheel->set_count;
}

/* Deals out the slots that the position has reached, the highest level first: what comes out of
 * one may belong into the next. False when there were no moves left for it. */
static bool deal_out(struct mu_timer_wheel *wheel, uint32_t *moves)
{
        for (uint32_t level = LEVELS; --level > 0;) {
                uint32_t slot = level * SLOTS + digit(wheel->at_tick, level);

                while (wheel->first[slot] != NONE) {
                        uint32_t number = wheel->first[slot];

                        if (*moves == 0)
                                return false;
                        --*moves;
                        unlink_timer(wheel, number);
                        link_timer(wheel, number);
                }
        }
        return true;
}

/* The next tick at which a slot is reached; false when there is none. */
static bool next_slot(const struct mu_timer_wheel *wheel, uint64_t *ret_tick)
{
        for (uint32_t level = 0; level < LEVELS; level++) {
                uint32_t here = digit(wheel->at_tick, level);
                uint32_t shift = level * DIGIT_BITS;
                /* Behind the position there is nothing, and what is at it was dealt out. */
                uint64_t ahead = wheel->filled[level] & ~(UINT64_MAX >> (SLOTS - 1 - here));

                if (ahead == 0)
                        continue;
                uint64_t digits = (uint64_t)(uint32_t)__builtin_ctzll(ahead) << shift;
                uint32_t above = shift + DIGIT_BITS;

                *ret_tick = digits | (above < 64 ? wheel->at_tick >> above << above : 0);
                return true;
        }
        return false;
}

uint32_t mu_timer_wheel_take(struct mu_timer_wheel *wheel, uint64_t now_tick, uint32_t *moves,
                             uint32_t *ret_timers, uint32_t timers_max)
{
        MU_ASSERT(now_tick >= wheel->at_tick && moves);
        uint32_t taken = 0;

        for (;;) {
                if (!deal_out(wheel, moves))
                        return taken;
                uint32_t slot = digit(wheel->at_tick, 0);

                while (wheel->first[slot] != NONE) {
                        if (taken == timers_max)
                                return taken;
                        ret_timers[taken++] = wheel->first[slot];
                        mu_timer_wheel_cancel(wheel, wheel->first[slot]);
                }
                uint64_t next_tick;

                if (!next_slot(wheel, &next_tick) || next_tick > now_tick) {
                        wheel->at_tick = now_tick;
                        return taken;
                }
                wheel->at_tick = next_tick;
        }
}
