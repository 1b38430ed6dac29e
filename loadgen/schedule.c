/* SPDX-License-Identifier: Apache-2.0 */
#include "schedule.h"

#include <errno.h>
#include <stdlib.h>

#include "base/assert.h"
#include "clock.h"

void mu_lg_pacer_init(struct mu_lg_pacer *pacer, uint64_t rate, uint32_t workers, uint32_t index)
{
        *pacer = (struct mu_lg_pacer){.rate = rate, .first = index, .step = workers};
}

uint64_t mu_lg_pacer_due(const struct mu_lg_pacer *pacer, uint64_t start_ns, uint64_t k)
{
        uint64_t nth = pacer->first + k * pacer->step;

        return start_ns + nth / pacer->rate * MU_LG_NS_PER_S +
               nth % pacer->rate * MU_LG_NS_PER_S / pacer->rate;
}

uint64_t mu_lg_share(uint64_t total, uint32_t workers, uint32_t index)
{
        return total / workers + (index < total % workers);
}

int mu_lg_schedule_init(struct mu_lg_schedule *schedule, uint32_t capacity)
{
        struct mu_lg_due *heap = calloc(capacity ? capacity : 1, sizeof(*heap));

        if (!heap)
                return -ENOMEM;
        *schedule = (struct mu_lg_schedule){.heap = heap, .capacity = capacity};
        return 0;
}

void mu_lg_schedule_done(struct mu_lg_schedule *schedule)
{
        free(schedule->heap);
        *schedule = (struct mu_lg_schedule){0};
}

void mu_lg_schedule_add(struct mu_lg_schedule *schedule, uint64_t at_ns, uint32_t device)
{
        MU_ASSERT(schedule->count < schedule->capacity);
        struct mu_lg_due *heap = schedule->heap;
        uint32_t at = schedule->count++;

        while (at > 0) {
                uint32_t parent = (at - 1) / 2;

                if (heap[parent].at_ns <= at_ns)
                        break;
                heap[at] = heap[parent];
                at = parent;
        }
        heap[at] = (struct mu_lg_due){.at_ns = at_ns, .device = device};
}

uint64_t mu_lg_schedule_next_ns(const struct mu_lg_schedule *schedule)
{
        return schedule->count > 0 ? schedule->heap[0].at_ns : MU_LG_NEVER;
}

struct mu_lg_due mu_lg_schedule_take(struct mu_lg_schedule *schedule)
{
        MU_ASSERT(schedule->count > 0);
        struct mu_lg_due *heap = schedule->heap;
        struct mu_lg_due first = heap[0];
        struct mu_lg_due last = heap[--schedule->count];
        uint32_t at = 0;

        for (;;) {
                uint32_t child = 2 * at + 1;

                if (child >= schedule->count)
                        break;
                if (child + 1 < schedule->count && heap[child + 1].at_ns < heap[child].at_ns)
                        child++;
                if (last.at_ns <= heap[child].at_ns)
                        break;
                heap[at] = heap[child];
                at = child;
        }
        heap[at] = last;
        return first;
}
