/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/segments.h"

#include <errno.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/assert.h"

/* first_seq is read without a pin by the search; the others only under one. */
struct entry {
        _Atomic uint64_t first_seq;
        _Atomic uint64_t last_seq;
        _Atomic uint64_t end_bytes;
        uint64_t number;
        _Atomic uint64_t file_bytes;
        uint64_t durable_seq;
        int64_t created_at_us;
        _Atomic uint64_t counted_bytes;
        atomic_flag gap_claimed;
};

struct mu_segments {
        struct mu_window window;
        struct entry *entries;
        uint32_t count_max;
};

static struct entry *entry_of(const struct mu_segments *segments, uint64_t ordinal)
{
        return &segments->entries[ordinal % segments->count_max];
}

int mu_segments_create(uint32_t count_max, struct mu_segments **ret_segments)
{
        MU_ASSERT(count_max > 0);
        struct mu_segments *segments =
                aligned_alloc(alignof(struct mu_segments), sizeof(*segments));

        if (!segments)
                return -ENOMEM;
        *segments = (struct mu_segments){.count_max = count_max};
        segments->entries = calloc(count_max, sizeof(*segments->entries));
        if (!segments->entries) {
                free(segments);
                return -ENOMEM;
        }
        *ret_segments = segments;
        return 0;
}

void mu_segments_destroy(struct mu_segments *segments)
{
        if (!segments)
                return;
        free(segments->entries);
        free(segments);
}

struct mu_window *mu_segments_window(struct mu_segments *segments)
{
        return &segments->window;
}

bool mu_segments_can_add(const struct mu_segments *segments)
{
        uint64_t next = mu_window_next(&segments->window);

        if (next - mu_window_oldest(&segments->window) == segments->count_max)
                return false;
        return next < segments->count_max ||
               !mu_window_is_pinned(&segments->window, next - segments->count_max);
}

uint64_t mu_segments_add(struct mu_segments *segments, const struct mu_segment_info *info)
{
        MU_ASSERT(mu_segments_can_add(segments));
        uint64_t ordinal = mu_window_next(&segments->window);
        struct entry *entry = entry_of(segments, ordinal);

        atomic_store_explicit(&entry->first_seq, info->first_seq, memory_order_relaxed);
        atomic_store_explicit(&entry->last_seq, info->last_seq, memory_order_relaxed);
        atomic_store_explicit(&entry->end_bytes, info->end_bytes, memory_order_relaxed);
        entry->number = info->number;
        atomic_store_explicit(&entry->file_bytes, info->file_bytes, memory_order_relaxed);
        entry->durable_seq = info->durable_seq;
        entry->created_at_us = info->created_at_us;
        atomic_store_explicit(&entry->counted_bytes, info->counted_bytes, memory_order_relaxed);
        atomic_flag_clear_explicit(&entry->gap_claimed, memory_order_relaxed);
        mu_window_add(&segments->window);
        return ordinal;
}

void mu_segments_grow(struct mu_segments *segments, uint64_t last_seq, uint64_t end_bytes)
{
        struct entry *entry = entry_of(segments, mu_window_next(&segments->window) - 1);

        atomic_store_explicit(&entry->end_bytes, end_bytes, memory_order_release);
        atomic_store_explicit(&entry->last_seq, last_seq, memory_order_release);
}

void mu_segments_set_file_bytes(struct mu_segments *segments, uint64_t ordinal, uint64_t bytes)
{
        atomic_store_explicit(&entry_of(segments, ordinal)->file_bytes, bytes,
                              memory_order_relaxed);
}

void mu_segments_get(const struct mu_segments *segments, uint64_t ordinal,
                     struct mu_segment_info *ret_info)
{
        const struct entry *entry = entry_of(segments, ordinal);

        ret_info->number = entry->number;
        ret_info->first_seq = atomic_load_explicit(&entry->first_seq, memory_order_relaxed);
        ret_info->durable_seq = entry->durable_seq;
        /* last_seq first: end_bytes is then at least as new. */
        ret_info->last_seq = atomic_load_explicit(&entry->last_seq, memory_order_acquire);
        ret_info->end_bytes = atomic_load_explicit(&entry->end_bytes, memory_order_acquire);
        ret_info->created_at_us = entry->created_at_us;
        ret_info->file_bytes = atomic_load_explicit(&entry->file_bytes, memory_order_relaxed);
}

uint64_t mu_segments_oldest_seq(const struct mu_segments *segments)
{
        uint64_t oldest = mu_window_oldest(&segments->window);

        if (oldest == mu_window_next(&segments->window))
                return 0;
        return atomic_load_explicit(&entry_of(segments, oldest)->first_seq, memory_order_relaxed);
}

bool mu_segments_pin_seq(struct mu_segments *segments, uint32_t slot, uint64_t seq,
                         uint64_t *ret_ordinal)
{
        uint64_t low = mu_window_oldest(&segments->window);
        uint64_t high = mu_window_next(&segments->window);

        if (low == high)
                return false;
        while (high - low > 1) {
                uint64_t middle = low + (high - low) / 2;
                uint64_t first = atomic_load_explicit(&entry_of(segments, middle)->first_seq,
                                                      memory_order_relaxed);

                if (first <= seq)
                        low = middle;
                else
                        high = middle;
        }
        /* If the row moved meanwhile, low may be the wrong one; a reader only reads forward, so an
         * older one costs time, and a newer one is refused here. */
        if (!mu_window_pin(&segments->window, slot, low))
                return false;
        uint64_t first =
                atomic_load_explicit(&entry_of(segments, low)->first_seq, memory_order_relaxed);

        if (first > seq && low > mu_window_oldest(&segments->window)) {
                mu_window_unpin(&segments->window, slot);
                return false;
        }
        *ret_ordinal = low;
        return true;
}

bool mu_segments_claim_damage(struct mu_segments *segments, uint64_t ordinal, uint64_t from,
                              uint64_t to, bool *ret_is_first)
{
        struct entry *entry = entry_of(segments, ordinal);
        uint64_t counted = atomic_load_explicit(&entry->counted_bytes, memory_order_relaxed);

        do {
                if (from < counted)
                        return false;
        } while (!atomic_compare_exchange_weak_explicit(
                &entry->counted_bytes, &counted, to, memory_order_relaxed, memory_order_relaxed));
        *ret_is_first = counted == 0;
        return true;
}

bool mu_segments_claim_gap(struct mu_segments *segments, uint64_t ordinal)
{
        return !atomic_flag_test_and_set_explicit(&entry_of(segments, ordinal)->gap_claimed,
                                                  memory_order_relaxed);
}
