/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/window.h"

#include "base/assert.h"
#include "base/weaken.h"

uint64_t mu_window_oldest(const struct mu_window *window)
{
        return atomic_load_explicit(&window->oldest, memory_order_relaxed);
}

uint64_t mu_window_next(const struct mu_window *window)
{
        return atomic_load_explicit(&window->next, memory_order_acquire);
}

void mu_window_add(struct mu_window *window)
{
        uint64_t next = atomic_load_explicit(&window->next, memory_order_relaxed);

        atomic_store_explicit(&window->next, next + 1, memory_order_release);
}

void mu_window_retire(struct mu_window *window)
{
        uint64_t oldest = atomic_load_explicit(&window->oldest, memory_order_relaxed);

        MU_ASSERT(oldest < atomic_load_explicit(&window->next, memory_order_relaxed));
        atomic_store_explicit(&window->oldest, oldest + 1, memory_order_seq_cst);
}

bool mu_window_is_pinned(const struct mu_window *window, uint64_t ordinal)
{
        for (uint32_t i = 0; i < MU_JOURNAL_READERS_MAX; i++)
                if (atomic_load_explicit(&window->pins[i].ordinal, MU_ORDER(1, seq_cst)) ==
                    ordinal + 1)
                        return true;
        return false;
}

bool mu_window_pin(struct mu_window *window, uint32_t slot, uint64_t ordinal)
{
        MU_ASSERT(slot < MU_JOURNAL_READERS_MAX);
        /* An exchange, not a store: what the slot held before is released with it. */
        atomic_exchange_explicit(&window->pins[slot].ordinal, ordinal + 1, memory_order_seq_cst);
        if (ordinal >= atomic_load_explicit(&window->oldest, memory_order_seq_cst) &&
            ordinal < mu_window_next(window))
                return true;
        mu_window_unpin(window, slot);
        return false;
}

void mu_window_unpin(struct mu_window *window, uint32_t slot)
{
        atomic_store_explicit(&window->pins[slot].ordinal, 0, MU_ORDER(2, release));
}
