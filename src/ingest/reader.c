/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/reader.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "ingest/journal_private.h"
#include "ingest/segment_cursor.h"

enum {
        /* After so many failures in a row the unreadable blocks are passed over as damaged. */
        READ_FAILURES_MAX = 8,
};

enum place { NOWHERE, IN_TAIL, IN_SEGMENT };

struct mu_reader {
        struct mu_journal *journal;
        uint32_t slot;
        uint64_t position;
        enum place place;

        struct mu_tail_cursor tail;
        struct mu_segment_cursor segment;
        uint64_t ordinal; /* of the segment, pinned */
        struct mu_segment_info info;
        uint64_t window_seen;   /* the segment's window at the last look at the tail */
        uint32_t read_failures; /* in a row */

        _Atomic bool woken;
};

static void leave(struct mu_reader *reader)
{
        if (reader->place == IN_TAIL)
                mu_tail_leave(reader->journal->tail, &reader->tail);
        if (reader->place == IN_SEGMENT) {
                mu_segment_cursor_close(&reader->segment);
                mu_window_unpin(mu_segments_window(reader->journal->segments), reader->slot);
        }
        reader->place = NOWHERE;
}

int mu_reader_open(struct mu_journal *journal, uint64_t after_seq, struct mu_reader **ret_reader)
{
        struct mu_reader *reader = calloc(1, sizeof(*reader));

        if (!reader)
                return -ENOMEM;
        reader->journal = journal;
        reader->position = after_seq;
        int err = mu_segment_cursor_init(&reader->segment, journal->io, journal->id,
                                         MU_CURSOR_WINDOW_BYTES);

        if (err < 0) {
                free(reader);
                return err;
        }
        for (uint32_t i = 0; i < MU_JOURNAL_READERS_MAX; i++) {
                if (atomic_exchange_explicit(&journal->reader_slots[i].used, true,
                                             memory_order_acquire))
                        continue;
                reader->slot = i;
                reader->tail.slot = i;
                *ret_reader = reader;
                return 0;
        }
        mu_segment_cursor_done(&reader->segment);
        free(reader);
        return -ENOSPC;
}

void mu_reader_close(struct mu_reader *reader)
{
        if (!reader)
                return;
        leave(reader);
        mu_segment_cursor_done(&reader->segment);
        atomic_store_explicit(&reader->journal->reader_slots[reader->slot].used, false,
                              memory_order_release);
        free(reader);
}

/* Records that should stand between the position and the segment's beginning, and do not: deleted,
 * damaged beyond reading, or a whole segment missing. Counted once, by the first to pass. */
static void pass_gap(struct mu_reader *reader)
{
        struct mu_journal *journal = reader->journal;

        if (reader->info.durable_seq <= reader->position)
                return;
        if (reader->position > 0 && mu_segments_claim_gap(journal->segments, reader->ordinal))
                atomic_fetch_add_explicit(&journal->missing_records,
                                          reader->info.durable_seq - reader->position,
                                          memory_order_relaxed);
        reader->position = reader->info.durable_seq;
}

/* Stands in the pinned segment. */
static int enter_segment(struct mu_reader *reader, uint64_t ordinal)
{
        struct mu_journal *journal = reader->journal;

        reader->ordinal = ordinal;
        mu_segments_get(journal->segments, ordinal, &reader->info);
        int err = mu_segment_cursor_open(&reader->segment, reader->info.number,
                                         reader->info.end_bytes);

        if (err < 0) {
                mu_window_unpin(mu_segments_window(journal->segments), reader->slot);
                /* Retired and deleted between the pin and the open: look again. */
                return err == -ENOENT && ordinal < mu_window_oldest(
                                                           mu_segments_window(journal->segments))
                               ? 0
                               : err;
        }
        reader->place = IN_SEGMENT;
        reader->window_seen = 0;
        pass_gap(reader);
        return 0;
}

/* To where the first sequence above the position is. 0, with place NOWHERE when there is nothing.
 */
static int find_place(struct mu_reader *reader)
{
        struct mu_journal *journal = reader->journal;
        struct mu_window *window = mu_segments_window(journal->segments);
        uint64_t ordinal;

        if (mu_tail_seek(journal->tail, &reader->tail, reader->position)) {
                reader->place = IN_TAIL;
                return 0;
        }
        while (mu_window_oldest(window) != mu_window_next(window)) {
                if (!mu_segments_pin_seq(journal->segments, reader->slot, reader->position + 1,
                                         &ordinal))
                        continue; /* the row moved: bounded by the journal's own speed */
                int err = enter_segment(reader, ordinal);

                if (err < 0 || reader->place == IN_SEGMENT)
                        return err;
        }
        return 0;
}

/* What stands at the cursor is no frame though more should follow: on to the next valid one. */
static int pass_damage(struct mu_reader *reader)
{
        struct mu_segment_cursor *cursor = &reader->segment;
        struct mu_journal *journal = reader->journal;
        uint64_t from = mu_frame_place(cursor->at);
        bool is_torn = mu_segment_cursor_at_torn_frame(cursor);
        int found = mu_segment_cursor_resync(cursor);

        if (found < 0)
                return found;
        bool is_first = false;

        /* A clean end that comes too early is a missing segment, not a damaged one. */
        if ((found == 1 || is_torn) && mu_segments_claim_damage(journal->segments, reader->ordinal,
                                                                from, cursor->at, &is_first)) {
                atomic_fetch_add_explicit(&journal->damaged_segments, is_first,
                                          memory_order_relaxed);
                mu_journal_note_damage(journal, cursor, reader->info.number, from, cursor->at);
        }
        return found;
}

/* The segment is read to its end. 1: stands in the next one, or in more of this one; 0: there is
 * nothing more. */
static int next_segment(struct mu_reader *reader)
{
        struct mu_segments *segments = reader->journal->segments;
        struct mu_window *window = mu_segments_window(segments);
        uint64_t ordinal = reader->ordinal + 1;
        struct mu_segment_info info;

        mu_segments_get(segments, reader->ordinal, &info);
        if (info.last_seq > reader->info.last_seq) {
                reader->info = info;
                mu_segment_cursor_extend(&reader->segment, info.end_bytes);
                return 1;
        }
        if (ordinal >= mu_window_next(window))
                return 0;
        mu_segment_cursor_close(&reader->segment);
        reader->place = NOWHERE;
        /* When it is retired already, find_place finds what there is. */
        if (!mu_window_pin(window, reader->slot, ordinal))
                return 1;
        int err = enter_segment(reader, ordinal);

        return err < 0 ? err : 1;
}

/* 1 and a frame, 0: look again, or a negative errno; -ENODATA: nothing more on disk. */
static int read_segment(struct mu_reader *reader, struct mu_frame *ret_frame)
{
        struct mu_segment_cursor *cursor = &reader->segment;

        if (reader->position < reader->info.last_seq) {
                struct mu_frame frame;
                int found = mu_segment_cursor_next(cursor, &frame);

                if (found < 0)
                        return found;
                if (found == 1) {
                        if (frame.seq > reader->info.last_seq) {
                                reader->position = reader->info.last_seq;
                                return 0;
                        }
                        if (frame.seq <= reader->position)
                                return 0;
                        *ret_frame = frame;
                        return 1;
                }
                found = pass_damage(reader);
                if (found != 0)
                        return found < 0 ? found : 0;
                /* Nothing readable is left here: the next segment counts what is missing. */
        }
        int more = next_segment(reader);

        if (more < 0)
                return more;
        return more > 0 ? 0 : -ENODATA;
}

/* Caught up: what a slow reader reads from disk may be in memory by now. */
static void return_to_tail(struct mu_reader *reader)
{
        struct mu_tail_cursor tail = {.slot = reader->slot};

        if (reader->segment.window_start == reader->window_seen)
                return;
        reader->window_seen = reader->segment.window_start;
        if (!mu_tail_seek(reader->journal->tail, &tail, reader->position))
                return;
        leave(reader);
        reader->tail = tail;
        reader->place = IN_TAIL;
}

int mu_reader_next(struct mu_reader *reader, struct mu_frame *ret_frame)
{
        struct mu_journal *journal = reader->journal;
        int err = 0;

        for (;;) {
                uint64_t durable_seq =
                        atomic_load_explicit(&journal->durable_seq, memory_order_acquire);

                if (reader->position >= durable_seq)
                        return 0;
                if (reader->place == IN_SEGMENT)
                        return_to_tail(reader);
                if (reader->place == NOWHERE) {
                        err = find_place(reader);
                        if (err < 0)
                                return err;
                        if (reader->place == NOWHERE) {
                                /* Nothing was ever written up to the checkpoint's sequence. */
                                reader->position = durable_seq;
                                return 0;
                        }
                }
                if (reader->place == IN_TAIL) {
                        if (mu_tail_next(journal->tail, &reader->tail, reader->position, ret_frame))
                                break;
                        reader->place = NOWHERE;
                        continue;
                }
                reader->segment.skip_unreadable = reader->read_failures > READ_FAILURES_MAX;
                err = read_segment(reader, ret_frame);
                reader->read_failures = err == -EIO ? reader->read_failures + 1 : 0;
                if (err == 1)
                        break;
                if (err == -ENODATA) {
                        reader->position = durable_seq;
                        return 0;
                }
                if (err < 0)
                        return err;
        }
        MU_ASSERT(ret_frame->seq > reader->position);
        reader->position = ret_frame->seq;
        return 1;
}

uint64_t mu_reader_position(const struct mu_reader *reader)
{
        return reader->position;
}

void mu_reader_seek(struct mu_reader *reader, uint64_t after_seq)
{
        leave(reader);
        reader->position = after_seq;
}

/* False: the deadline is over. */
static bool timeout_until(const struct mu_reader *reader, uint64_t deadline_us,
                          struct timespec *ret_timeout)
{
        uint64_t now_us = mu_clock_monotonic_ns(reader->journal->clock) / MU_NS_PER_US;

        if (deadline_us <= now_us)
                return false;
        ret_timeout->tv_sec = (time_t)((deadline_us - now_us) / MU_US_PER_S);
        ret_timeout->tv_nsec = (long)((deadline_us - now_us) % MU_US_PER_S * MU_NS_PER_US);
        return true;
}

void mu_reader_wait(struct mu_reader *reader, uint64_t deadline_us)
{
        struct mu_journal_reader_slot *slot = &reader->journal->reader_slots[reader->slot];
        struct pollfd woken = {.fd = slot->eventfd, .events = POLLIN};
        struct timespec timeout;
        uint64_t count;

        /* First say that we sleep, then look: what becomes durable in between sees the flag. */
        atomic_store_explicit(&slot->sleeping, 1, memory_order_seq_cst);
        while (!atomic_exchange_explicit(&reader->woken, false, memory_order_seq_cst) &&
               atomic_load_explicit(&reader->journal->durable_seq, memory_order_seq_cst) <=
                       reader->position &&
               timeout_until(reader, deadline_us, &timeout)) {
                if (ppoll(&woken, 1, &timeout, NULL) <= 0)
                        continue;
                (void)!read(slot->eventfd, &count, sizeof(count));
                atomic_store_explicit(&slot->sleeping, 1, memory_order_seq_cst);
        }
        atomic_store_explicit(&slot->sleeping, 0, memory_order_seq_cst);
}

void mu_reader_wake(struct mu_reader *reader)
{
        uint64_t one = 1;

        atomic_store_explicit(&reader->woken, true, memory_order_seq_cst);
        (void)!write(reader->journal->reader_slots[reader->slot].eventfd, &one, sizeof(one));
}
