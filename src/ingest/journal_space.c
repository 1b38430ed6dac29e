/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "ingest/journal_private.h"

enum { RETRY_FIRST_MS = 10, RETRY_LAST_MS = 2000 };

static void add_used(struct mu_journal *journal, uint64_t more, uint64_t less)
{
        uint64_t used = atomic_load_explicit(&journal->used_bytes, memory_order_relaxed);

        MU_ASSERT(used + more >= less);
        atomic_store_explicit(&journal->used_bytes, used + more - less, memory_order_relaxed);
}

void mu_journal_discard_file(struct mu_journal *journal, uint64_t number, uint64_t file_bytes,
                             uint64_t keep_bytes)
{
        /* Beyond this the file stays until the next start, and is counted as used until then. */
        if (journal->discard_count == MU_JOURNAL_DISCARDS_MAX)
                return;
        journal->discards[journal->discard_count++] =
                (struct mu_journal_discard){number, file_bytes, keep_bytes};
}

/* Whether the oldest segment is covered and nobody is to come back to it (design §2 rule 3). */
static bool oldest_may_go(const struct mu_journal *journal, struct mu_segment_info *ret_info)
{
        const struct mu_window *window = mu_segments_window(journal->segments);
        uint64_t oldest = mu_window_oldest(window);
        uint64_t next = mu_window_next(window);
        uint64_t covered = atomic_load_explicit(&journal->covered_seq, memory_order_relaxed);
        uint64_t kept_bytes = 0;
        struct mu_segment_info info;

        if (next - oldest < 2)
                return false;
        mu_segments_get(journal->segments, oldest, ret_info);
        if (ret_info->last_seq > covered)
                return false;
        for (uint64_t i = oldest; i + 1 < next; i++) {
                mu_segments_get(journal->segments, i, &info);
                if (info.last_seq > covered)
                        break;
                kept_bytes += info.file_bytes;
        }
        if (kept_bytes > journal->config.keep_covered_bytes)
                return true;
        /* A segment ended when the next one began. */
        mu_segments_get(journal->segments, oldest + 1, &info);
        int64_t age_us = mu_clock_realtime_us(journal->clock) - info.created_at_us;

        return age_us > 0 && (uint64_t)age_us / MU_US_PER_S >= journal->config.keep_covered_s;
}

/* The oldest segments leave the row: one becomes the next new one, the others are deleted. */
static bool drop_covered(struct mu_journal *journal)
{
        struct mu_window *window = mu_segments_window(journal->segments);
        struct mu_segment_info info;
        bool dropped = false;

        while (journal->discard_count < MU_JOURNAL_DISCARDS_MAX && oldest_may_go(journal, &info)) {
                uint64_t ordinal = mu_window_oldest(window);

                mu_window_retire(window);
                dropped = true;
                /* Whoever still reads it keeps what he has opened, if it is only deleted. */
                if (journal->recyclable == 0 && info.file_bytes == journal->config.segment_bytes &&
                    !mu_window_is_pinned(window, ordinal))
                        journal->recyclable = info.number;
                else
                        mu_journal_discard_file(journal, info.number, info.file_bytes, 0);
        }
        return dropped;
}

static bool begin_discard(struct mu_journal *journal)
{
        const struct mu_journal_discard *discard = &journal->discards[0];
        char name[MU_SEGMENT_NAME_BYTES];

        if (journal->discard_count == 0)
                return false;
        mu_segment_name(discard->number, name);
        if (journal->io->discard(journal->io->context, name, discard->keep_bytes) < 0)
                return false;
        journal->job_under_way = true;
        return true;
}

static bool begin_prepare(struct mu_journal *journal)
{
        uint64_t bytes = journal->config.segment_bytes;
        char name[MU_SEGMENT_NAME_BYTES];
        char recycled[MU_SEGMENT_NAME_BYTES];

        mu_segment_name(journal->next_number, name);
        if (journal->recyclable > 0)
                mu_segment_name(journal->recyclable, recycled);
        if (journal->io->prepare(journal->io->context, name,
                                 journal->recyclable > 0 ? recycled : NULL, bytes) < 0)
                return false;
        if (journal->recyclable == 0)
                add_used(journal, bytes, 0);
        journal->recyclable = 0;
        journal->spare.number = journal->next_number;
        journal->spare_state = MU_SPARE_PREPARING;
        journal->job_under_way = true;
        return true;
}

static bool has_capacity(const struct mu_journal *journal)
{
        uint64_t used = atomic_load_explicit(&journal->used_bytes, memory_order_relaxed);

        return mu_segments_can_add(journal->segments) &&
               (journal->recyclable > 0 ||
                used + journal->config.segment_bytes <= journal->config.capacity_bytes);
}

bool mu_journal_make_room(struct mu_journal *journal, bool needed)
{
        uint64_t now_ns = mu_clock_monotonic_ns(journal->clock);
        bool is_full = false;
        bool begun = false;

        if (!journal->job_under_way && journal->spare_state == MU_SPARE_NONE &&
            now_ns >= journal->retry_ns) {
                bool dropped = !has_capacity(journal) && drop_covered(journal);

                if (has_capacity(journal))
                        begun = begin_prepare(journal);
                else
                        is_full = needed && !dropped && journal->discard_count == 0;
        }
        if (!journal->job_under_way)
                begun = begin_discard(journal) || begun;
        if (is_full && mu_journal_get_state(journal) == MU_JOURNAL_ACCEPTING) {
                journal->full_since_ns = now_ns;
                mu_journal_set_state(journal, MU_JOURNAL_FULL);
                return true;
        }
        return begun;
}

static void prepare_done(struct mu_journal *journal, const struct mu_journal_completion *completion,
                         bool needed)
{
        MU_ASSERT(journal->spare_state == MU_SPARE_PREPARING);
        if (completion->result == 0) {
                journal->spare.file = completion->file;
                journal->spare.offset = 0;
                journal->spare_state = MU_SPARE_READY;
                journal->next_number++;
                journal->retry_delay_ns = 0;
                return;
        }
        /* A file that was to be recycled may be left under either name: the next start sorts that
         * out. Its bytes are no longer counted; the number is tried again and replaces it. */
        add_used(journal, 0, journal->config.segment_bytes);
        journal->spare_state = MU_SPARE_NONE;
        mu_cell_add(&journal->metrics.write_errors, 1);
        journal->retry_delay_ns = journal->retry_delay_ns == 0
                                          ? RETRY_FIRST_MS * (uint64_t)MU_NS_PER_MS
                                          : journal->retry_delay_ns * 2;
        if (journal->retry_delay_ns > RETRY_LAST_MS * (uint64_t)MU_NS_PER_MS)
                journal->retry_delay_ns = RETRY_LAST_MS * (uint64_t)MU_NS_PER_MS;
        journal->retry_ns = mu_clock_monotonic_ns(journal->clock) + journal->retry_delay_ns;
        if (needed)
                mu_journal_enter_refusing(journal);
}

void mu_journal_job_done(struct mu_journal *journal, const struct mu_journal_completion *completion,
                         bool needed)
{
        MU_ASSERT(journal->job_under_way);
        journal->job_under_way = false;
        if (completion->kind == MU_JOURNAL_IO_PREPARE) {
                prepare_done(journal, completion, needed);
                return;
        }
        MU_ASSERT(journal->discard_count > 0);
        const struct mu_journal_discard *done = &journal->discards[0];

        /* One that cannot be deleted stays counted as used until the next start. */
        if (completion->result == 0)
                add_used(journal, done->keep_bytes, done->file_bytes);
        else
                mu_cell_add(&journal->metrics.write_errors, 1);
        journal->discard_count--;
        memmove(&journal->discards[0], &journal->discards[1],
                journal->discard_count * sizeof(journal->discards[0]));
}

/* Once a second: the write rate of the last minute, and what has been kept long enough. */
void mu_journal_tick(struct mu_journal *journal, uint64_t now_ns)
{
        uint64_t sum = 0;

        if (now_ns - journal->second_ns < (uint64_t)MU_NS_PER_S)
                return;
        for (uint64_t behind = (now_ns - journal->second_ns) / MU_NS_PER_S, i = 0;
             i < behind && i < MU_JOURNAL_RATE_SECONDS; i++) {
                journal->second_index = (journal->second_index + 1) % MU_JOURNAL_RATE_SECONDS;
                journal->second_bytes[journal->second_index] = 0;
        }
        journal->second_ns = now_ns;
        for (uint32_t i = 0; i < MU_JOURNAL_RATE_SECONDS; i++)
                sum += journal->second_bytes[i];
        atomic_store_explicit(&journal->bytes_per_s, sum / MU_JOURNAL_RATE_SECONDS,
                              memory_order_relaxed);
        (void)drop_covered(journal);
}
