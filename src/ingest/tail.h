/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tail.h - the newest part of the journal in memory, which is also its write buffer.
 *
 * A row of chunks. The journal fills groups in the newest one, writes them to disk from there, and
 * publishes them once they are durable; readers walk the same bytes. When the row is full the
 * oldest chunk leaves it; while a reader still stands in it, its memory waits and a spare is used
 * instead.
 *
 *   oldest chunk          ...             newest chunk
 *   [frames frames ....]  [frames .....]  [published | in flight | being filled | free]
 *      ^ a reader stands here                       ^ published_bytes
 *
 * Units      bytes; ordinals count chunks from 0, never reused.
 * Threads    one producer (the journal); readers with a slot each, see window.h.
 * Ordering   published_bytes and the journal's durable sequence are stored with release after the
 *            bytes that they cover; readers load them with acquire. Callers never add fences.
 * Ownership  The tail owns all memory. A frame from next is lent until the next call with that
 * slot. Errors     create: -EINVAL, -ENOMEM.
 */
#ifndef MUSTER_INGEST_TAIL_H
#define MUSTER_INGEST_TAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ingest/reader.h"
#include "muster/compiler.h"

struct mu_tail;

/* chunk_bytes: multiple of a block. live_count chunks stay readable (2 or more); beside them as
 * many spares as there may be readers. first_seq: the first sequence that will be put in. */
MU_MUST_CHECK
int mu_tail_create(uint32_t chunk_bytes, uint32_t live_count, uint64_t first_seq,
                   struct mu_tail **ret_tail);
void mu_tail_destroy(struct mu_tail *tail);

/* All of the chunks' memory, in one piece, to be registered for writing. */
void mu_tail_memory(const struct mu_tail *tail, void **ret_memory, size_t *ret_bytes);
uint32_t mu_tail_chunk_bytes(const struct mu_tail *tail);

/* Producer. The newest chunk: its ordinal and memory. */
uint64_t mu_tail_newest(const struct mu_tail *tail, unsigned char **ret_memory);
/* Begins another chunk; the oldest leaves when the row is full. The producer must be done with it.
 */
void mu_tail_advance(struct mu_tail *tail, uint64_t first_seq);
/* Readers may read the first bytes of the chunk from now on. */
void mu_tail_publish(struct mu_tail *tail, uint64_t ordinal, uint32_t bytes);

/* A reader's place. Zero-initialised but for slot; unpin when it is left. */
struct mu_tail_cursor {
        uint32_t slot;
        uint32_t index; /* which memory */
        uint64_t ordinal;
        const unsigned char *memory; /* NULL: nowhere */
        uint32_t at;
};

/* Stands in the chunk where the first sequence above after_seq is to be found; false when that is
 * older than the tail. */
MU_MUST_CHECK
bool mu_tail_seek(struct mu_tail *tail, struct mu_tail_cursor *cursor, uint64_t after_seq);
/* The first frame above after_seq. The caller knows that a larger sequence is durable. False when
 * the reader has fallen out of the tail: the cursor is then nowhere. */
MU_MUST_CHECK
bool mu_tail_next(struct mu_tail *tail, struct mu_tail_cursor *cursor, uint64_t after_seq,
                  struct mu_frame *ret_frame);
void mu_tail_leave(struct mu_tail *tail, struct mu_tail_cursor *cursor);

#endif
