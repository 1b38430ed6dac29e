/* SPDX-License-Identifier: Apache-2.0 */
/*
 * segments.h - the catalogue of the journal's segment files, oldest to newest.
 *
 * The journal adds the segment that it begins to write and retires the oldest when it is covered;
 * readers pin one while they read its file, so that it is not recycled under them.
 *
 * Units      bytes, sequences; ordinals count segments since open, from 0.
 * Threads    add, grow, retire: the journal (open, before that). The rest: readers too, on a pinned
 *            ordinal.
 * Ordering   end_bytes is stored with release before last_seq, last_seq before the journal's
 * durable sequence: who sees a durable sequence finds its bytes. Errors     create: -ENOMEM.
 */
#ifndef MUSTER_INGEST_SEGMENTS_H
#define MUSTER_INGEST_SEGMENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "ingest/window.h"
#include "muster/compiler.h"

struct mu_segment_info {
        uint64_t number;
        uint64_t file_bytes;
        uint64_t first_seq;     /* no smaller sequence is in it */
        uint64_t durable_seq;   /* acknowledged before it was begun */
        uint64_t last_seq;      /* nothing above it is to be read here */
        uint64_t end_bytes;     /* nor behind this */
        uint64_t counted_bytes; /* damage before this place was counted already */
        int64_t created_at_us;
};

struct mu_segments;

MU_MUST_CHECK
int mu_segments_create(uint32_t count_max, struct mu_segments **ret_segments);
void mu_segments_destroy(struct mu_segments *segments);
struct mu_window *mu_segments_window(struct mu_segments *segments);

/* False while the place is held by a reader of a segment retired long ago, or all are live. */
MU_MUST_CHECK
bool mu_segments_can_add(const struct mu_segments *segments);
uint64_t mu_segments_add(struct mu_segments *segments, const struct mu_segment_info *info);
/* The newest segment holds durable frames up to last_seq and end_bytes. */
void mu_segments_grow(struct mu_segments *segments, uint64_t last_seq, uint64_t end_bytes);
void mu_segments_set_file_bytes(struct mu_segments *segments, uint64_t ordinal, uint64_t bytes);

void mu_segments_get(const struct mu_segments *segments, uint64_t ordinal,
                     struct mu_segment_info *ret_info);
/* Of the oldest segment, 0 when there is none. Any thread, without a pin: for status. */
uint64_t mu_segments_oldest_seq(const struct mu_segments *segments);
/* The newest segment in which the sequence may stand, else the oldest; pinned in slot. False: try
 * again, or there is none. */
MU_MUST_CHECK
bool mu_segments_pin_seq(struct mu_segments *segments, uint32_t slot, uint64_t seq,
                         uint64_t *ret_ordinal);
/* True for the first reader that passes the damage from..to: each is counted once, by whoever meets
 * it. *ret_is_first: none was met in this segment before. */
MU_MUST_CHECK
bool mu_segments_claim_damage(struct mu_segments *segments, uint64_t ordinal, uint64_t from,
                              uint64_t to, bool *ret_is_first);
MU_MUST_CHECK
bool mu_segments_claim_gap(struct mu_segments *segments, uint64_t ordinal);

#endif
