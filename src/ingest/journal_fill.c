/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "ingest/journal_private.h"

enum {
        /* Below this rate every record is written at once (design §3). */
        LINGER_WORTH_RECORDS = 4, /* fewer to come: a wait gathers nothing worth it */
        GATHER_US = 1000,
        RATE_WINDOW_MS = 100,
        /* A block this full is not worth waiting for. */
        BLOCK_FULL_BYTES = MU_JOURNAL_BLOCK_BYTES - MU_JOURNAL_BLOCK_BYTES / 16,
};

void mu_group_begin(struct mu_journal *journal, struct mu_group *group)
{
        uint32_t at = group->at; /* set by the caller to where the last one ended */
        uint64_t chunk = mu_tail_newest(journal->tail, &group->memory);

        if (at == mu_tail_chunk_bytes(journal->tail)) {
                mu_tail_advance(journal->tail, journal->next_seq);
                chunk = mu_tail_newest(journal->tail, &group->memory);
                at = 0;
        }
        group->memory += at;
        group->at = at;
        group->chunk = chunk;
        group->bytes = 0;
        group->record_count = 0;
        group->attempts = 0;
        group->first_seq = 0;
        group->last_seq = 0;
        memset(group->tickets, 0, sizeof(group->tickets[0]) * journal->port_count);
        journal->filling = group;
}

void mu_group_close(struct mu_journal *journal)
{
        struct mu_group *group = journal->filling;
        struct mu_group *next =
                group == &journal->groups[0] ? &journal->groups[1] : &journal->groups[0];

        MU_ASSERT(group->record_count > 0 && !journal->flight);
        journal->flight = group;
        next->at = group->at + (uint32_t)mu_block_ceil(group->bytes);
        mu_group_begin(journal, next);
}

/* Where in the group a payload would go; false when the group has no room for it. */
static bool find_place(const struct mu_journal *journal, const struct mu_group *group,
                       uint32_t payload_bytes, uint32_t *ret_at)
{
        uint32_t room = mu_tail_chunk_bytes(journal->tail) - group->at;
        uint32_t at = (uint32_t)mu_frame_place(group->bytes);

        if (room > journal->config.group_bytes_max)
                room = journal->config.group_bytes_max;
        if (at + mu_frame_stride(payload_bytes) > room)
                return false;
        *ret_at = at;
        return true;
}

/* Between two frames of a group lies at most what is too short for a header: zeros on disk. */
static void add_frame(struct mu_journal *journal, struct mu_group *group, uint32_t at,
                      const struct mu_record *record, uint32_t bytes)
{
        struct mu_frame_header *header = (void *)(group->memory + at);
        uint32_t end = at + mu_frame_stride(bytes);

        memset(group->memory + group->bytes, 0, at - group->bytes);
        *header = (struct mu_frame_header){.payload_bytes = bytes,
                                           .type = MU_FRAME_RECORD,
                                           .magic = MU_FRAME_MAGIC,
                                           .seq = journal->next_seq};
        memcpy(header + 1, record, bytes);
        memset((unsigned char *)(header + 1) + bytes, 0, end - at - sizeof(*header) - bytes);
        group->bytes = end;
        if (group->record_count++ == 0)
                group->first_seq = journal->next_seq;
        group->last_seq = journal->next_seq++;
}

/* False when the group is full. */
static bool fill_from(struct mu_journal *journal, uint32_t port_index, uint32_t *count)
{
        struct mu_port *port = journal->ports[port_index];
        struct mu_group *group = journal->filling;
        const struct mu_record *record;
        uint32_t before = group->record_count;
        bool has_room = true;
        uint32_t bytes;

        if (!mu_port_journal_can_fail(port))
                return true;
        while ((record = mu_port_journal_peek(port, &bytes))) {
                uint32_t at;

                MU_ASSERT(bytes == mu_record_bytes(record));
                has_room = find_place(journal, group, bytes, &at);
                if (!has_room) {
                        mu_port_journal_unpeek(port);
                        break;
                }
                if (group->record_count == 0) {
                        group->begun_ns = mu_clock_monotonic_ns(journal->clock);
                        int64_t wait_us =
                                mu_clock_realtime_us(journal->clock) - record->received_at_us;

                        mu_histogram_record(journal->metrics.ring_wait_us,
                                            wait_us > 0 ? (uint64_t)wait_us : 0);
                }
                add_frame(journal, group, at, record, bytes);
        }
        if (group->record_count > before) {
                group->tickets[port_index] = mu_port_journal_taken(port);
                mu_port_journal_release(port);
                *count += group->record_count - before;
        }
        return has_room;
}

static void count_arrivals(struct mu_journal *journal, uint32_t count)
{
        uint64_t now_ns = mu_clock_monotonic_ns(journal->clock);
        uint64_t elapsed_ns = now_ns - journal->rate_window_ns;

        journal->rate_count += count;
        if (elapsed_ns < RATE_WINDOW_MS * (uint64_t)MU_NS_PER_MS)
                return;
        journal->records_per_s =
                (uint32_t)(journal->rate_count * (uint64_t)MU_NS_PER_S / elapsed_ns);
        journal->rate_count = 0;
        journal->rate_window_ns = now_ns;
}

uint32_t mu_journal_fill(struct mu_journal *journal)
{
        uint32_t count = 0;

        for (uint32_t i = 0; i < journal->port_count; i++) {
                uint32_t index = (journal->port_first + i) % journal->port_count;

                if (!fill_from(journal, index, &count)) {
                        /* Served first next time, so that no port starves. */
                        journal->port_first = index;
                        break;
                }
        }
        if (count > 0)
                count_arrivals(journal, count);
        return count;
}

uint32_t mu_journal_refuse_rings(struct mu_journal *journal)
{
        uint32_t count = 0;

        for (uint32_t i = 0; i < journal->port_count; i++) {
                struct mu_port *port = journal->ports[i];
                uint32_t before = count;
                uint32_t bytes;

                if (!mu_port_journal_can_fail(port))
                        continue;
                while (mu_port_journal_peek(port, &bytes))
                        count++;
                if (count == before)
                        continue;
                mu_port_journal_release(port);
                mu_port_journal_resolve(port, mu_port_journal_taken(port), false);
        }
        mu_cell_add(&journal->metrics.failed_records, count);
        return count;
}

bool mu_journal_has_work(const struct mu_journal *journal)
{
        for (uint32_t i = 0; i < journal->port_count; i++)
                if (mu_port_journal_pending(journal->ports[i]) &&
                    mu_port_journal_can_fail(journal->ports[i]))
                        return true;
        return false;
}

/* A group costs as much as dozens of records (two system calls, a context switch, a flush of the
 * disk), so it is full with a block, or under load with what arrives in a millisecond: measured, a
 * quarter less of the journal's CPU time than with a block alone; two milliseconds cost throughput.
 */
static uint64_t full_bytes(const struct mu_journal *journal)
{
        const struct mu_group *group = journal->filling;
        uint64_t record_bytes = group->bytes / group->record_count;
        uint64_t bytes = record_bytes * journal->records_per_s * GATHER_US / MU_US_PER_S;
        uint64_t most = journal->config.group_bytes_max / 2;

        bytes = bytes < most ? bytes : most;
        return bytes > BLOCK_FULL_BYTES ? bytes : BLOCK_FULL_BYTES;
}

static uint64_t linger_left_us(const struct mu_journal *journal, uint64_t now_ns)
{
        const struct mu_group *group = journal->filling;
        uint64_t waited_us = (now_ns - group->begun_ns) / MU_NS_PER_US;

        if (group->bytes >= full_bytes(journal) ||
            (uint64_t)journal->records_per_s * journal->config.linger_us <
                    LINGER_WORTH_RECORDS * (uint64_t)MU_US_PER_S ||
            waited_us >= journal->config.linger_us ||
            atomic_load_explicit(&journal->draining, memory_order_relaxed))
                return 0;
        return journal->config.linger_us - waited_us;
}

bool mu_group_is_ready(const struct mu_journal *journal, uint64_t now_ns)
{
        return journal->filling->record_count > 0 && linger_left_us(journal, now_ns) == 0;
}

/* Until the block is likely full: asleep until then, rather than woken by every record. */
uint64_t mu_group_linger_us(const struct mu_journal *journal, uint64_t now_ns)
{
        const struct mu_group *group = journal->filling;
        uint64_t left_us = linger_left_us(journal, now_ns);

        if (left_us == 0)
                return 0;
        uint64_t record_bytes = group->bytes / group->record_count;
        uint64_t missing = (full_bytes(journal) - group->bytes) / record_bytes + 1;
        uint64_t until_full_us = missing * MU_US_PER_S / journal->records_per_s + 1;

        return until_full_us < left_us ? until_full_us : left_us;
}

/* What readers walk over must be frames: a group that failed becomes one long pad. */
static void erase(struct mu_group *group)
{
        struct mu_frame_header *pad = (void *)group->memory;

        *pad = (struct mu_frame_header){.payload_bytes = (uint32_t)mu_block_ceil(group->bytes) -
                                                         (uint32_t)sizeof(*pad),
                                        .type = MU_FRAME_PAD,
                                        .magic = MU_FRAME_MAGIC,
                                        .seq = group->last_seq};
}

void mu_group_resolve(struct mu_journal *journal, struct mu_group *group, bool durable)
{
        MU_ASSERT(group->record_count > 0);
        if (!durable) {
                erase(group);
                mu_cell_add(&journal->metrics.failed_records, group->record_count);
        }
        for (uint32_t i = 0; i < journal->port_count; i++)
                if (group->tickets[i] > 0)
                        mu_port_journal_resolve(journal->ports[i], group->tickets[i], durable);
}

void mu_journal_wake_readers(struct mu_journal *journal)
{
        uint64_t one = 1;

        for (uint32_t i = 0; i < MU_JOURNAL_READERS_MAX; i++) {
                struct mu_journal_reader_slot *slot = &journal->reader_slots[i];

                if (!atomic_load_explicit(&slot->sleeping, memory_order_seq_cst) ||
                    !atomic_exchange_explicit(&slot->sleeping, 0, memory_order_seq_cst))
                        continue;
                /* Cannot fail: the reader empties it each time it has slept. */
                ssize_t written = write(slot->eventfd, &one, sizeof(one));

                MU_ASSERT(written == (ssize_t)sizeof(one));
        }
}
