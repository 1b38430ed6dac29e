/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/journal.h"

#include <errno.h>

#include "base/assert.h"
#include "ingest/journal_private.h"

enum {
        /* How long records already taken wait for space before they are answered. */
        FULL_PATIENCE_MS = 1000,
};

enum mu_journal_state mu_journal_get_state(const struct mu_journal *journal)
{
        return (enum mu_journal_state)atomic_load_explicit(&journal->state, memory_order_relaxed);
}

void mu_journal_set_state(struct mu_journal *journal, enum mu_journal_state state)
{
        atomic_store_explicit(&journal->state, (int)state, memory_order_relaxed);
}

static bool is_draining(const struct mu_journal *journal)
{
        return atomic_load_explicit(&journal->draining, memory_order_relaxed);
}

/* Whether what the ports bring is answered at once with "not durable". */
bool mu_journal_is_refusing(const struct mu_journal *journal)
{
        enum mu_journal_state state = mu_journal_get_state(journal);
        uint64_t full_ns = mu_clock_monotonic_ns(journal->clock) - journal->full_since_ns;

        return state == MU_JOURNAL_REFUSING ||
               (state == MU_JOURNAL_FULL &&
                (is_draining(journal) || full_ns >= FULL_PATIENCE_MS * (uint64_t)MU_NS_PER_MS));
}

bool mu_journal_is_drained(const struct mu_journal *journal)
{
        for (uint32_t i = 0; i < journal->port_count; i++)
                if (mu_port_journal_pending(journal->ports[i]))
                        return false;
        return !journal->flight && journal->filling->record_count == 0;
}

/* The current segment takes no more writes, for whatever reason, and is never synced again. */
static void close_current(struct mu_journal *journal)
{
        journal->io->close(journal->io->context, journal->current.file);
        journal->current = (struct mu_journal_segment){0};
}

/* Everything taken is answered "not durable", in order. Its sequences are not used again. */
static void fail_taken(struct mu_journal *journal)
{
        MU_ASSERT(journal->write != MU_WRITE_GROUP);
        if (journal->flight) {
                mu_group_resolve(journal, journal->flight, false);
                journal->flight = NULL;
        }
        if (journal->filling->record_count > 0) {
                mu_group_close(journal);
                mu_group_resolve(journal, journal->flight, false);
                journal->flight = NULL;
        }
}

void mu_journal_enter_refusing(struct mu_journal *journal)
{
        fail_taken(journal);
        /* Only a fresh segment that takes its header ends this. */
        if (journal->current.file)
                close_current(journal);
        mu_journal_set_state(journal, MU_JOURNAL_REFUSING);
}

static bool needs_segment(const struct mu_journal *journal)
{
        if (!journal->current.file)
                return true;
        if (journal->current.offset == 0)
                return false;
        /* Full, and the group that did not fit has been answered meanwhile. */
        if (mu_journal_get_state(journal) == MU_JOURNAL_FULL)
                return true;
        if (!journal->flight)
                return false;
        return journal->current.offset + mu_block_ceil(journal->flight->bytes) >
               journal->config.segment_bytes;
}

static void write_done(struct mu_journal *journal, int result, int sync_result);

static void submit(struct mu_journal *journal, enum mu_journal_write kind, const void *memory,
                   size_t bytes, uint64_t offset)
{
        MU_ASSERT(journal->write == MU_WRITE_NONE);
        journal->write = kind;
        journal->write_bytes = bytes;
        int err = journal->io->write(journal->io->context, journal->current.file, memory, bytes,
                                     offset);

        if (err < 0)
                write_done(journal, err, -ECANCELED);
}

/* The prepared segment becomes the current one, once its header is durable. */
static void begin_segment(struct mu_journal *journal)
{
        struct mu_segment_header *header = (void *)journal->header_block;
        uint64_t first_seq = journal->filling->record_count > 0 ? journal->filling->first_seq
                                                                : journal->next_seq;

        MU_ASSERT(journal->spare_state == MU_SPARE_READY && !journal->current.file);
        if (journal->flight)
                first_seq = journal->flight->first_seq;
        journal->current = journal->spare;
        journal->spare_state = MU_SPARE_NONE;
        *header = (struct mu_segment_header){
                .number = journal->current.number,
                .segment_bytes = journal->config.segment_bytes,
                .first_seq = first_seq,
                .durable_seq = journal->chain_seq,
                .assigned_seq = journal->next_seq - 1,
                .created_at_us = mu_clock_realtime_us(journal->clock),
        };
        for (uint32_t i = 0; i < sizeof(header->journal_id); i++)
                header->journal_id[i] = journal->id[i];
        mu_segment_header_seal(header);
        submit(journal, MU_WRITE_HEADER, header, MU_JOURNAL_BLOCK_BYTES, 0);
}

static void write_flight(struct mu_journal *journal)
{
        struct mu_group *group = journal->flight;
        uint32_t seed = mu_frame_crc_seed(journal->id, journal->current.number);
        uint32_t bytes = mu_group_seal(group->memory, group->bytes, seed, journal->current.offset,
                                       group->last_seq);

        group->submitted_ns = mu_clock_monotonic_ns(journal->clock);
        submit(journal, MU_WRITE_GROUP, group->memory, bytes, journal->current.offset);
}

/* Begins the one write that may be under way. */
static uint32_t begin_write(struct mu_journal *journal)
{
        if (journal->write != MU_WRITE_NONE)
                return 0;
        if (!journal->flight && mu_group_is_ready(journal, mu_clock_monotonic_ns(journal->clock)))
                mu_group_close(journal);
        if (needs_segment(journal)) {
                if (journal->spare_state != MU_SPARE_READY)
                        return 0;
                if (journal->current.file)
                        close_current(journal);
                begin_segment(journal);
                return 1;
        }
        if (!journal->flight)
                return 0;
        write_flight(journal);
        return 1;
}

static void header_durable(struct mu_journal *journal)
{
        const struct mu_segment_header *header = (const void *)journal->header_block;

        journal->current.offset = MU_JOURNAL_BLOCK_BYTES;
        (void)mu_segments_add(journal->segments, &(struct mu_segment_info){
                                                         .number = header->number,
                                                         .file_bytes = header->segment_bytes,
                                                         .first_seq = header->first_seq,
                                                         .durable_seq = header->durable_seq,
                                                         .last_seq = header->durable_seq,
                                                         .end_bytes = MU_JOURNAL_BLOCK_BYTES,
                                                         .created_at_us = header->created_at_us,
                                                 });
        journal->header_failures = 0;
        mu_journal_set_state(journal, MU_JOURNAL_ACCEPTING);
}

static void count_group(struct mu_journal *journal, const struct mu_group *group)
{
        struct mu_journal_metrics *metrics = &journal->metrics;

        mu_cell_add(&metrics->groups, 1);
        mu_cell_add(&metrics->records, group->record_count);
        mu_cell_add(&metrics->bytes, journal->write_bytes);
        mu_histogram_record(metrics->group_records, group->record_count);
        mu_histogram_record(metrics->group_bytes, journal->write_bytes);
        mu_histogram_record(metrics->write_ns,
                            mu_clock_monotonic_ns(journal->clock) - group->submitted_ns);
        if (group->attempts > 0)
                mu_cell_add(&metrics->rewritten_groups, 1);
        journal->second_bytes[journal->second_index] += journal->write_bytes;
}

/* The order matters: a reader who sees the durable sequence finds the bytes of it in the tail and
 * in the catalogue. */
static void group_durable(struct mu_journal *journal)
{
        struct mu_group *group = journal->flight;

        MU_ASSERT(group->first_seq > journal->chain_seq);
        count_group(journal, group);
        journal->current.offset += journal->write_bytes;
        journal->chain_seq = group->last_seq;
        mu_tail_publish(journal->tail, group->chunk, group->at + (uint32_t)journal->write_bytes);
        mu_segments_grow(journal->segments, group->last_seq, journal->current.offset);
        atomic_store_explicit(&journal->durable_seq, group->last_seq, memory_order_seq_cst);
        mu_group_resolve(journal, group, true);
        journal->flight = NULL;
        mu_journal_wake_readers(journal);
}

static void header_failed(struct mu_journal *journal)
{
        uint64_t number = journal->current.number;

        /* Nothing in it was ever acknowledged. */
        close_current(journal);
        mu_journal_discard_file(journal, number, journal->config.segment_bytes, 0);
        if (++journal->header_failures > 1 || (journal->flight && journal->flight->attempts > 0)) {
                journal->retry_delay_ns = journal->retry_delay_ns * 2 + (uint64_t)MU_NS_PER_MS;
                if (journal->retry_delay_ns > (uint64_t)MU_NS_PER_S)
                        journal->retry_delay_ns = (uint64_t)MU_NS_PER_S;
                journal->retry_ns = mu_clock_monotonic_ns(journal->clock) + journal->retry_delay_ns;
                mu_journal_enter_refusing(journal);
        }
}

/* Design §2 rule 6: once more into a new segment, then the answer is "not durable". */
static void group_failed(struct mu_journal *journal)
{
        struct mu_segment_info info;
        uint64_t ordinal = mu_window_next(mu_segments_window(journal->segments)) - 1;

        close_current(journal);
        mu_segments_get(journal->segments, ordinal, &info);
        mu_segments_set_file_bytes(journal->segments, ordinal, info.end_bytes);
        mu_journal_discard_file(journal, info.number, info.file_bytes, info.end_bytes);
        if (++journal->flight->attempts > 1)
                mu_journal_enter_refusing(journal);
}

static void write_done(struct mu_journal *journal, int result, int sync_result)
{
        enum mu_journal_write kind = journal->write;
        bool is_whole = result >= 0 && (size_t)result == journal->write_bytes;

        MU_ASSERT(kind != MU_WRITE_NONE);
        journal->write = MU_WRITE_NONE;
        if (!is_whole)
                mu_cell_add(&journal->metrics.write_errors, 1);
        else if (sync_result != 0)
                mu_cell_add(&journal->metrics.sync_errors, 1);

        bool is_durable = is_whole && sync_result == 0;

        if (kind == MU_WRITE_HEADER && is_durable)
                header_durable(journal);
        else if (kind == MU_WRITE_HEADER)
                header_failed(journal);
        else if (is_durable)
                group_durable(journal);
        else
                group_failed(journal);
}

static uint32_t reap(struct mu_journal *journal)
{
        struct mu_journal_completion completions[4];
        uint32_t count =
                journal->io->reap(journal->io->context, completions, MU_COUNT_OF(completions));

        for (uint32_t i = 0; i < count; i++) {
                if (completions[i].kind == MU_JOURNAL_IO_WRITE)
                        write_done(journal, completions[i].result, completions[i].sync_result);
                else
                        mu_journal_job_done(journal, &completions[i], needs_segment(journal));
        }
        return count;
}

static uint32_t take(struct mu_journal *journal)
{
        if (mu_journal_is_refusing(journal)) {
                /* Records taken before the directory was full have waited long enough. */
                if (journal->write == MU_WRITE_NONE)
                        fail_taken(journal);
                /* Tickets resolve in order: what was taken comes before what is in the rings. */
                if (journal->flight || journal->filling->record_count > 0)
                        return 0;
                return mu_journal_refuse_rings(journal);
        }
        if (mu_journal_get_state(journal) == MU_JOURNAL_FULL)
                return 0;
        return mu_journal_fill(journal);
}

int mu_journal_step(struct mu_journal *journal)
{
        uint32_t done = reap(journal);

        done += take(journal);
        done += begin_write(journal);
        if (mu_journal_make_room(journal, needs_segment(journal)))
                done++;
        mu_journal_tick(journal, mu_clock_monotonic_ns(journal->clock));
        return (int)done;
}

uint64_t mu_journal_durable_seq(const struct mu_journal *journal)
{
        return atomic_load_explicit(&journal->durable_seq, memory_order_acquire);
}

void mu_journal_set_covered(struct mu_journal *journal, uint64_t seq)
{
        atomic_store_explicit(&journal->covered_seq, seq, memory_order_relaxed);
        /* Otherwise it finds out within a second. */
        if (mu_journal_get_state(journal) == MU_JOURNAL_FULL)
                journal->io->wake(journal->io->context);
}
