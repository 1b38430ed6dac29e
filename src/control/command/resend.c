/* SPDX-License-Identifier: Apache-2.0 */
#include "control/command/resend.h"

#include <errno.h>
#include <stdlib.h>

#include "base/assert.h"

enum {
        ROOM_FIRST = 256,
};

void mu_resend_init(struct mu_resend *resend)
{
        *resend = (struct mu_resend){0};
}

void mu_resend_done(struct mu_resend *resend)
{
        free(resend->heap);
        mu_resend_init(resend);
}

static void swap(struct mu_resend_entry *a, struct mu_resend_entry *b)
{
        struct mu_resend_entry held = *a;

        *a = *b;
        *b = held;
}

int mu_resend_add(struct mu_resend *resend, uint64_t due_ms, uint32_t device_index)
{
        if (resend->count == resend->room) {
                size_t room = resend->room ? resend->room * 2 : ROOM_FIRST;
                struct mu_resend_entry *heap =
                        reallocarray(resend->heap, room, sizeof(*resend->heap));

                if (!heap)
                        return -ENOMEM;
                resend->heap = heap;
                resend->room = room;
        }
        size_t at = resend->count++;

        resend->heap[at] = (struct mu_resend_entry){due_ms, device_index};
        for (; at > 0 && resend->heap[at].due_ms < resend->heap[(at - 1) / 2].due_ms;
             at = (at - 1) / 2)
                swap(&resend->heap[at], &resend->heap[(at - 1) / 2]);
        return 0;
}

static void sink(struct mu_resend *resend)
{
        struct mu_resend_entry *heap = resend->heap;
        size_t at = 0;

        for (;;) {
                size_t least = at;

                for (size_t child = 2 * at + 1; child <= 2 * at + 2; child++)
                        if (child < resend->count && heap[child].due_ms < heap[least].due_ms)
                                least = child;
                if (least == at)
                        return;
                swap(&heap[at], &heap[least]);
                at = least;
        }
}

bool mu_resend_take(struct mu_resend *resend, uint64_t now_ms, struct mu_resend_entry *ret_entry)
{
        if (resend->count == 0 || resend->heap[0].due_ms > now_ms)
                return false;
        *ret_entry = resend->heap[0];
        resend->heap[0] = resend->heap[--resend->count];
        sink(resend);
        return true;
}

uint64_t mu_resend_next_ms(const struct mu_resend *resend)
{
        return resend->count > 0 ? resend->heap[0].due_ms : UINT64_MAX;
}

uint64_t mu_resend_wait_ms(uint64_t first_ms, uint32_t attempt, uint32_t doublings_max)
{
        uint32_t doublings = attempt > 0 ? attempt - 1 : 0;

        MU_ASSERT(doublings_max < 32);
        return first_ms << (doublings < doublings_max ? doublings : doublings_max);
}
