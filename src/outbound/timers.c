/* SPDX-License-Identifier: Apache-2.0 */
#include "outbound/timers.h"

#include <stddef.h>

#include "base/assert.h"

/* Two heaps without parents or siblings, either NULL, into one. */
static struct mu_timer *meld(struct mu_timer *a, struct mu_timer *b)
{
        if (!a || !b)
                return a ? a : b;
        if (b->due_ns < a->due_ns) {
                struct mu_timer *swap = a;

                a = b;
                b = swap;
        }
        b->next = a->child;
        if (a->child)
                a->child->previous = b;
        b->previous = a;
        a->child = b;
        return a;
}

/* A list of siblings into one heap: in pairs from the left, then all from the right. */
static struct mu_timer *meld_siblings(struct mu_timer *list)
{
        struct mu_timer *pairs = NULL;
        struct mu_timer *root = NULL;

        while (list) {
                struct mu_timer *a = list;
                struct mu_timer *b = a->next;

                list = b ? b->next : NULL;
                a->next = a->previous = NULL;
                if (b)
                        b->next = b->previous = NULL;
                a = meld(a, b);
                a->next = pairs;
                pairs = a;
        }
        while (pairs) {
                struct mu_timer *rest = pairs->next;

                pairs->next = NULL;
                root = meld(root, pairs);
                pairs = rest;
        }
        return root;
}

void mu_timers_cancel(struct mu_timers *timers, struct mu_timer *timer)
{
        if (!timer->set)
                return;
        struct mu_timer *below = meld_siblings(timer->child);

        if (timers->first == timer) {
                timers->first = below;
        } else {
                MU_ASSERT(timer->previous);
                if (timer->previous->child == timer)
                        timer->previous->child = timer->next;
                else
                        timer->previous->next = timer->next;
                if (timer->next)
                        timer->next->previous = timer->previous;
                timers->first = meld(timers->first, below);
        }
        timer->child = timer->next = timer->previous = NULL;
        timer->set = false;
}

void mu_timers_set(struct mu_timers *timers, struct mu_timer *timer, uint64_t due_ns)
{
        MU_ASSERT(timer->fire);
        mu_timers_cancel(timers, timer);
        timer->due_ns = due_ns;
        timer->set = true;
        timers->first = meld(timers->first, timer);
}

void mu_timers_fire(struct mu_timers *timers, uint64_t now_ns)
{
        while (timers->first && timers->first->due_ns <= now_ns) {
                struct mu_timer *due = timers->first;

                mu_timers_cancel(timers, due);
                due->fire(due);
        }
}

uint64_t mu_timers_next_ns(const struct mu_timers *timers)
{
        return timers->first ? timers->first->due_ns : UINT64_MAX;
}
