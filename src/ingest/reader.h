/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reader.h - a writer's read position on the journal.
 *
 * A reader hands out durable frames by sequence: from the in-memory tail while they are still
 * there, else from the segment on disk. Replay at start, catching up after an outage and normal
 * running are this one code path.
 *
 * Units      sequences; bytes; *_us.
 * Threads    each reader belongs to one writer thread; wake may be called from any thread.
 * Ownership  A frame's payload is lent until the next call on the same reader.
 * Errors     negative errno from reading a segment (-EIO, …): the position did not move, call
 * again. Frames that recovery set aside as damaged are skipped and counted, never an error.
 */
#ifndef MUSTER_INGEST_READER_H
#define MUSTER_INGEST_READER_H

#include <stdint.h>

#include "muster/compiler.h"

struct mu_journal;
struct mu_reader;

enum mu_frame_type {
        MU_FRAME_PAD = 0,    /* fills a group's last block; never handed out */
        MU_FRAME_RECORD = 1, /* struct mu_record and its strings */
};

struct mu_frame {
        uint64_t seq;
        const void *payload;
        uint32_t payload_bytes;
        uint16_t type;
};

/* Starts after after_seq (0: from the oldest). -ENOSPC: MU_JOURNAL_READERS_MAX reached. */
MU_MUST_CHECK
int mu_reader_open(struct mu_journal *journal, uint64_t after_seq, struct mu_reader **ret_reader);
void mu_reader_close(struct mu_reader *reader);

/* 1 and the next frame; 0 when every durable one was handed out; negative errno. */
MU_MUST_CHECK
int mu_reader_next(struct mu_reader *reader, struct mu_frame *ret_frame);

/* Last sequence handed out (or passed over as damaged); after a 0 from next: the durable sequence.
 */
uint64_t mu_reader_position(const struct mu_reader *reader);
/* Back to just after seq (a writer whose transaction failed and that kept no copy). */
void mu_reader_seek(struct mu_reader *reader, uint64_t after_seq);

/* Blocks until there is a frame after the position, a wake, or the deadline (monotonic; 0: now). */
void mu_reader_wait(struct mu_reader *reader, uint64_t deadline_us);
void mu_reader_wake(struct mu_reader *reader);

#endif
