/* SPDX-License-Identifier: Apache-2.0 */
#include "control/alert/alive_time.h"

#include <string.h>

#include "base/assert.h"

void mu_alive_time_init(struct mu_alive_time *time, uint64_t now_ms)
{
        *time = (struct mu_alive_time){.told_ms = now_ms};
}

static uint64_t length_ms(const struct mu_pause *pause)
{
        return pause->end_ms - pause->start_ms;
}

/* Alive time when the pause began, and until it ended. */
static uint64_t alive_ms(const struct mu_pause *pause)
{
        return pause->end_ms - pause->paused_ms;
}

static void merge_oldest(struct mu_alive_time *time)
{
        /* Behind the first one's start, as pauses do not overlap. */
        time->pauses[1].start_ms -= length_ms(&time->pauses[0]);
        time->count--;
        memmove(time->pauses, time->pauses + 1, time->count * sizeof(time->pauses[0]));
}

void mu_alive_time_tell(struct mu_alive_time *time, uint64_t now_ms, bool pause)
{
        MU_ASSERT(now_ms >= time->told_ms);
        uint64_t since_ms = time->told_ms;

        time->told_ms = now_ms;
        if (!pause || now_ms == since_ms)
                return;
        uint64_t paused_ms = mu_alive_time_paused_ms(time) + (now_ms - since_ms);
        struct mu_pause *last = time->count > 0 ? &time->pauses[time->count - 1] : NULL;

        if (last && last->end_ms == since_ms) { /* it goes on */
                last->end_ms = now_ms;
                last->paused_ms = paused_ms;
                return;
        }
        if (time->count == MU_ALIVE_PAUSES)
                merge_oldest(time);
        time->pauses[time->count++] = (struct mu_pause){since_ms, now_ms, paused_ms};
}

uint64_t mu_alive_time_at(const struct mu_alive_time *time, uint64_t ms)
{
        uint32_t low = 0, high = time->count; /* pauses that began before ms */

        while (low < high) {
                uint32_t middle = (low + high) / 2;

                if (time->pauses[middle].start_ms < ms)
                        low = middle + 1;
                else
                        high = middle;
        }
        if (low == 0)
                return ms;
        const struct mu_pause *pause = &time->pauses[low - 1];

        return ms < pause->end_ms ? alive_ms(pause) : ms - pause->paused_ms;
}

uint64_t mu_alive_time_when(const struct mu_alive_time *time, uint64_t wanted_ms)
{
        uint32_t low = 0, high = time->count; /* pauses that ended before it */

        while (low < high) {
                uint32_t middle = (low + high) / 2;

                if (alive_ms(&time->pauses[middle]) < wanted_ms)
                        low = middle + 1;
                else
                        high = middle;
        }
        return wanted_ms + (low > 0 ? time->pauses[low - 1].paused_ms : 0);
}

uint64_t mu_alive_time_paused_ms(const struct mu_alive_time *time)
{
        return time->count > 0 ? time->pauses[time->count - 1].paused_ms : 0;
}
