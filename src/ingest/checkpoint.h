/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checkpoint.h - how far all writers together have come (design §2 rules 2 and 3).
 *
 * Each lane publishes its position; lane 0, the keeper, moves the database's row to the smallest of
 * them. The row only ever says less than what is stored, so repeating from it is safe and skipping
 * to it is too.
 *
 * A database that was restored or failed over may have forgotten rows that a lane committed, while
 * another lane's old connection has not noticed. Therefore, whenever the keeper connects again, all
 * lanes go back to what the row then says (a rewind: a new epoch), and the row does not move before
 * every lane has followed.
 *
 * Units      sequences.
 * Threads    init, done: one thread, no lane active. Functions that take a lane: that lane's
 *            thread. Functions marked keeper: lane 0's thread. stored, lowest: any.
 * Ordering   A lane lowers its position before it acknowledges an epoch (release); the keeper reads
 *            acknowledgements first (acquire), so it never combines the new epoch with an old
 *            position.
 * Errors     none.
 */
#ifndef MUSTER_INGEST_CHECKPOINT_H
#define MUSTER_INGEST_CHECKPOINT_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "ingest/journal.h"
#include "muster/compiler.h"

enum {
        MU_WRITER_LANES_MAX = MU_JOURNAL_READERS_MAX,
        MU_CHECKPOINT_KEEPER = 0, /* the lane */
};

struct mu_checkpoint_lane {
        alignas(MU_CACHELINE_BYTES) _Atomic uint64_t position;
        _Atomic uint64_t epoch; /* the last rewind that the lane followed */
        _Atomic bool finished;  /* drained */
};

struct mu_checkpoint {
        uint32_t lane_count;
        bool loaded;                /* keeper's: the row was read once */
        _Atomic uint64_t stored;    /* what the row said or was set to last */
        _Atomic uint64_t rewind_to; /* valid once epoch > 0 */
        _Atomic uint64_t epoch;
        struct mu_checkpoint_lane lanes[MU_WRITER_LANES_MAX];
};

void mu_checkpoint_init(struct mu_checkpoint *checkpoint, uint32_t lane_count);

/* Every record of the lane up to position is stored, rejected or dropped for good. */
void mu_checkpoint_publish(struct mu_checkpoint *checkpoint, uint32_t lane, uint64_t position);
uint64_t mu_checkpoint_position(const struct mu_checkpoint *checkpoint, uint32_t lane);

/* Is there a rewind that the lane has not followed? Then where to. */
MU_MUST_CHECK
bool mu_checkpoint_rewind_wanted(const struct mu_checkpoint *checkpoint, uint32_t lane,
                                 uint64_t *ret_epoch, uint64_t *ret_seq);
/* The lane went back and published it. */
void mu_checkpoint_rewind_done(struct mu_checkpoint *checkpoint, uint32_t lane, uint64_t epoch);

/* Keeper: the row was read. again: over a new connection, so all lanes are to go back to it. True
 * when it says less than it did: the database has forgotten. */
MU_MUST_CHECK
bool mu_checkpoint_loaded(struct mu_checkpoint *checkpoint, uint64_t seq, bool again);
/* Keeper: is there something to save, and what? */
MU_MUST_CHECK
bool mu_checkpoint_due(const struct mu_checkpoint *checkpoint, uint64_t *ret_seq);
/* Keeper: the row was set. */
void mu_checkpoint_saved(struct mu_checkpoint *checkpoint, uint64_t seq);

void mu_checkpoint_finish(struct mu_checkpoint *checkpoint, uint32_t lane);
/* Has every lane but the keeper finished? */
bool mu_checkpoint_others_finished(const struct mu_checkpoint *checkpoint);

uint64_t mu_checkpoint_stored(const struct mu_checkpoint *checkpoint);
/* The smallest position. */
uint64_t mu_checkpoint_lowest(const struct mu_checkpoint *checkpoint);

#endif
