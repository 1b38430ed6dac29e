/* SPDX-License-Identifier: Apache-2.0 */
#include "muster/ring.h"

#include <errno.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/ring_private.h"
#include "base/weaken.h"

/* Indices run free, multiples of 8, and wrap at 2^64: compare them by difference only. */
struct mu_ring {
        /* Written once by create, then read by both sides. */
        unsigned char *memory;
        uint64_t mask;

        /* Producer's line. head_seen saves a cache miss per reserve. */
        alignas(MU_CACHELINE_BYTES) _Atomic uint64_t tail;
        uint64_t head_seen;
        uint64_t reserved_at;  /* where the reserved item's header goes, after a pad if need be */
        size_t reserved_bytes; /* 0: nothing reserved */

        /* Consumer's line. */
        alignas(MU_CACHELINE_BYTES) _Atomic uint64_t head;
        uint64_t tail_seen;
        uint64_t cursor;      /* next item to peek; head..cursor is lent to the consumer */
        uint64_t cursor_last; /* where the cursor stood before the last peek */
};

/* In front of every item. A pad has no item in it and always reaches to the memory's end. */
struct header {
        uint32_t bytes; /* of the item, or of the pad without this header */
        uint32_t is_pad;
};

_Static_assert(sizeof(struct header) == 8, "items are 8-byte aligned behind their header");
_Static_assert(MU_RING_ITEM_BYTES_MAX * 2 + 2 * sizeof(struct header) <= MU_RING_BYTES_MIN,
               "pad and item fit an empty ring wherever its indices stand");

static uint64_t item_stride(size_t bytes)
{
        return sizeof(struct header) + ((bytes + 7) & ~(uint64_t)7);
}

static struct header *header_at(const struct mu_ring *ring, uint64_t index)
{
        return (struct header *)(void *)(ring->memory + (index & ring->mask));
}

int mu_ring_create_at(size_t bytes, uint64_t first_index, struct mu_ring **ret_ring)
{
        MU_ASSERT(ret_ring);
        MU_ASSERT(first_index % 8 == 0);
        if (bytes < MU_RING_BYTES_MIN || bytes > MU_RING_BYTES_MAX || (bytes & (bytes - 1)) != 0)
                return -EINVAL;

        struct mu_ring *ring = aligned_alloc(alignof(struct mu_ring), sizeof(*ring));
        if (!ring)
                return -ENOMEM;

        *ring = (struct mu_ring){.mask = bytes - 1,
                                 .head_seen = first_index,
                                 .tail_seen = first_index,
                                 .cursor = first_index,
                                 .cursor_last = first_index};
        atomic_init(&ring->tail, first_index);
        atomic_init(&ring->head, first_index);
        ring->memory = aligned_alloc(MU_CACHELINE_BYTES, bytes);
        if (!ring->memory) {
                free(ring);
                return -ENOMEM;
        }
        *ret_ring = ring;
        return 0;
}

int mu_ring_create(size_t bytes, struct mu_ring **ret_ring)
{
        return mu_ring_create_at(bytes, 0, ret_ring);
}

void mu_ring_destroy(struct mu_ring *ring)
{
        if (!ring)
                return;
        free(ring->memory);
        free(ring);
}

size_t mu_ring_capacity_bytes(const struct mu_ring *ring)
{
        return ring->mask + 1;
}

void *mu_ring_reserve(struct mu_ring *ring, size_t bytes)
{
        MU_ASSERT(ring->reserved_bytes == 0);
        MU_ASSERT(bytes > 0 && bytes <= MU_RING_ITEM_BYTES_MAX);

        uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
        uint64_t capacity = ring->mask + 1;
        uint64_t until_end = capacity - (tail & ring->mask);
        uint64_t stride = item_stride(bytes);
        uint64_t pad = stride > until_end ? until_end : 0;

        if (tail + pad + stride - ring->head_seen > capacity) {
                ring->head_seen = atomic_load_explicit(&ring->head, MU_ORDER(1, acquire));
                if (tail + pad + stride - ring->head_seen > capacity)
                        return NULL;
        }
        if (pad > 0)
                *header_at(ring, tail) = (struct header){
                        .bytes = (uint32_t)(pad - sizeof(struct header)), .is_pad = true};
        ring->reserved_at = tail + pad;
        ring->reserved_bytes = bytes;
        return header_at(ring, tail + pad) + 1;
}

void mu_ring_commit(struct mu_ring *ring, size_t bytes)
{
        MU_ASSERT(bytes > 0 && bytes <= ring->reserved_bytes);

        *header_at(ring, ring->reserved_at) = (struct header){.bytes = (uint32_t)bytes};
        ring->reserved_bytes = 0;
        /* Release: pad, header and item are complete before the consumer can see them. */
        atomic_store_explicit(&ring->tail, ring->reserved_at + item_stride(bytes),
                              MU_ORDER(2, release));
}

void mu_ring_abandon(struct mu_ring *ring)
{
        MU_ASSERT(ring->reserved_bytes > 0);
        ring->reserved_bytes = 0;
}

const void *mu_ring_peek(struct mu_ring *ring, size_t *ret_bytes)
{
        uint64_t at = ring->cursor;

        if (ring->tail_seen == at) {
                ring->tail_seen = atomic_load_explicit(&ring->tail, MU_ORDER(3, acquire));
                if (ring->tail_seen == at)
                        return NULL;
        }
        const struct header *header = header_at(ring, at);

        if (header->is_pad) {
                at += sizeof(*header) + header->bytes;
                /* A pad is published together with the item behind it. */
                MU_ASSERT((at & ring->mask) == 0 && at != ring->tail_seen);
                header = header_at(ring, at);
        }
        ring->cursor_last = ring->cursor;
        ring->cursor = at + item_stride(header->bytes);
        *ret_bytes = header->bytes;
        return header + 1;
}

void mu_ring_unpeek(struct mu_ring *ring)
{
        MU_ASSERT(ring->cursor != ring->cursor_last);
        ring->cursor = ring->cursor_last;
}

void mu_ring_release(struct mu_ring *ring)
{
        ring->cursor_last = ring->cursor;
        /* Release: our reads of the items finish before the producer reuses them. */
        atomic_store_explicit(&ring->head, ring->cursor, MU_ORDER(4, release));
}

size_t mu_ring_used_bytes(const struct mu_ring *ring)
{
        uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
        uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
        uint64_t used = tail - head;

        /* The two loads are moments apart: either index may have run on in between. */
        if (used > UINT64_MAX / 2)
                return 0;
        return used <= ring->mask + 1 ? used : ring->mask + 1;
}
