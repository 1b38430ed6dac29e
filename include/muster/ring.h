/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ring.h - bounded single-producer/single-consumer byte ring of variable-length items.
 *
 * The only way records cross threads in the data plane. Items lie whole and 8-byte aligned, in
 * order, behind an 8-byte header each; where one does not fit before the end, a pad item fills
 * the rest and the item starts at the beginning:
 *
 *      head          cursor              tail
 *       |              |                  |
 *   ....[h|item][h|item][h|item][h|item]..|....reserve->[h|........][h|pad]
 *       '--- peeked ---''---- readable ---'
 *
 * Units      bytes everywhere. Capacity counts headers and pads as well.
 * Threads    Producer: reserve, commit, abandon. Consumer: peek, unpeek, release. One thread
 *            each; create and destroy run while neither is active. used_bytes: any thread.
 * Ordering   head = first byte not yet freed (consumer writes it), tail = first byte not yet
 *            committed (producer writes it). Each side publishes its index with release and
 *            reads the other's with acquire, so an item is complete before it is visible, and
 *            fully read before it is overwritten. Callers never add fences.
 * Ownership  The ring owns all memory. An item is lent to the producer from reserve to commit or
 *            abandon, to the consumer from peek to the release that covers it.
 * Errors     create returns a negative errno. Full and empty are ordinary answers (NULL), never
 *            errors. Misuse of the protocol aborts.
 */
#ifndef MUSTER_RING_H
#define MUSTER_RING_H

#include <stddef.h>
#include <stdint.h>

#include "muster/compiler.h"

#define MU_RING_BYTES_MIN (64u << 10)
#define MU_RING_BYTES_MAX (256u << 20)
#define MU_RING_ITEM_BYTES_MAX (16u << 10) /* fits an empty ring wherever its indices stand */

struct mu_ring;

/* bytes: power of two, MU_RING_BYTES_MIN..MU_RING_BYTES_MAX.
 * 0 and *ret_ring set, or -EINVAL / -ENOMEM. */
MU_MUST_CHECK
int mu_ring_create(size_t bytes, struct mu_ring **ret_ring);
void mu_ring_destroy(struct mu_ring *ring); /* NULL is a no-op */
size_t mu_ring_capacity_bytes(const struct mu_ring *ring);

/* Producer. bytes: 1..MU_RING_ITEM_BYTES_MAX. NULL when full: shed load, do not spin. */
MU_MUST_CHECK
void *mu_ring_reserve(struct mu_ring *ring, size_t bytes);
/* bytes: 1..what was reserved; the item shrinks to it. */
void mu_ring_commit(struct mu_ring *ring, size_t bytes);
/* Gives the reservation back; the consumer never sees it. */
void mu_ring_abandon(struct mu_ring *ring);

/* Consumer. The next item, without freeing it; NULL when there is none. Peeked items stay valid
 * until released, so a whole group can be collected before one release. */
MU_MUST_CHECK
const void *mu_ring_peek(struct mu_ring *ring, size_t *ret_bytes);
/* Puts the last peeked item back: the next peek returns it again, release does not cover it.
 * Once per peek. */
void mu_ring_unpeek(struct mu_ring *ring);
/* Frees everything peeked so far with one release store. */
void mu_ring_release(struct mu_ring *ring);

/* Any thread: committed and not yet freed; approximate while others work, never above capacity. */
size_t mu_ring_used_bytes(const struct mu_ring *ring);

#endif
