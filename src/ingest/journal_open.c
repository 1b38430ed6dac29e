/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/assert.h"
#include "ingest/journal_private.h"

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

enum { TAIL_CHUNKS_MIN = 4, TAIL_CHUNKS_WANTED = 64, SEGMENT_ENTRIES_SPARE = 64 };

static int check_config(const struct mu_journal_config *config)
{
        if (!config->clock || (!config->io && !config->directory))
                return -EINVAL;
        if (config->group_bytes_max < MU_JOURNAL_BLOCK_BYTES ||
            config->group_bytes_max % MU_JOURNAL_BLOCK_BYTES != 0)
                return -EINVAL;
        if (config->segment_bytes % MU_JOURNAL_BLOCK_BYTES != 0 ||
            config->segment_bytes < config->group_bytes_max + (uint64_t)MU_JOURNAL_BLOCK_BYTES ||
            config->segment_bytes > GIB)
                return -EINVAL;
        if (config->tail_bytes < (uint64_t)TAIL_CHUNKS_MIN * config->group_bytes_max ||
            config->tail_bytes > 4 * GIB)
                return -EINVAL;
        if (config->capacity_bytes != 0 && config->capacity_bytes < 4 * config->segment_bytes)
                return -EINVAL;
        return 0;
}

static int open_io(struct mu_journal *journal)
{
        const struct mu_journal_config *config = &journal->config;
        int err = -ENOSYS;

        if (config->io) {
                journal->io = config->io;
                return 0;
        }
        if (!config->avoid_io_uring)
                err = mu_journal_io_uring_create(config->directory, &journal->own_io);
        if (err == -ENOSYS || err == -EPERM)
                err = mu_journal_io_plain_create(config->directory, &journal->own_io);
        if (err == 0)
                journal->io = &journal->own_io;
        return err;
}

/* Design §3: a quarter of (free disk + the journal's own size), at least 16 GiB where it fits. */
static int default_capacity(struct mu_journal *journal, uint64_t own_bytes)
{
        uint64_t free_bytes;
        int err = journal->io->free_bytes(journal->io->context, &free_bytes);

        if (err < 0)
                return err;
        uint64_t total = free_bytes + own_bytes;
        uint64_t capacity = total / 4;

        if (capacity < 16 * GIB && total / 10 * 9 >= 16 * GIB)
                capacity = 16 * GIB;
        if (capacity < 4 * journal->config.segment_bytes)
                capacity = 4 * journal->config.segment_bytes;
        journal->config.capacity_bytes = capacity;
        return 0;
}

static int open_metrics(struct mu_journal_metrics *metrics)
{
        int err = mu_histogram_create(&metrics->group_records);

        if (err == 0)
                err = mu_histogram_create(&metrics->group_bytes);
        if (err == 0)
                err = mu_histogram_create(&metrics->write_ns);
        if (err == 0)
                err = mu_histogram_create(&metrics->ring_wait_us);
        return err;
}

static int open_reader_slots(struct mu_journal *journal)
{
        for (uint32_t i = 0; i < MU_JOURNAL_READERS_MAX; i++) {
                journal->reader_slots[i].eventfd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
                if (journal->reader_slots[i].eventfd < 0)
                        return -errno;
        }
        return 0;
}

static int open_tail(struct mu_journal *journal)
{
        const struct mu_journal_config *config = &journal->config;
        uint64_t chunk_bytes = mu_block_ceil(config->tail_bytes / TAIL_CHUNKS_WANTED);
        void *memory;
        size_t bytes;

        if (chunk_bytes < config->group_bytes_max)
                chunk_bytes = config->group_bytes_max;
        int err =
                mu_tail_create((uint32_t)chunk_bytes, (uint32_t)(config->tail_bytes / chunk_bytes),
                               journal->next_seq, &journal->tail);

        if (err < 0)
                return err;
        mu_tail_memory(journal->tail, &memory, &bytes);
        /* RLIMIT_MEMLOCK may forbid it; status says so, and everything works without. */
        journal->registered =
                journal->io->register_memory &&
                journal->io->register_memory(journal->io->context, memory, bytes) == 0;
        journal->groups[0].at = 0;
        mu_group_begin(journal, &journal->groups[0]);
        return 0;
}

static int adopt(struct mu_journal *journal, const struct mu_journal_recovery *recovery)
{
        struct mu_journal_config *config = &journal->config;
        uint64_t own_bytes = recovery->file_bytes;

        if (recovery->recyclable > 0)
                own_bytes += config->segment_bytes;
        if (config->capacity_bytes == 0) {
                int err = default_capacity(journal, own_bytes);

                if (err < 0)
                        return err;
        }
        /* Where 2 GiB is much of the directory, what is covered must not fill it. */
        if (config->keep_covered_bytes > config->capacity_bytes / 4)
                config->keep_covered_bytes = config->capacity_bytes / 4;

        uint64_t count_max = config->capacity_bytes / config->segment_bytes + recovery->count +
                             SEGMENT_ENTRIES_SPARE;
        int err = mu_segments_create((uint32_t)count_max, &journal->segments);

        if (err < 0)
                return err;
        for (uint32_t i = 0; i < recovery->count; i++)
                (void)mu_segments_add(journal->segments, &recovery->infos[i]);
        atomic_store_explicit(&journal->used_bytes, own_bytes, memory_order_relaxed);
        journal->recyclable = recovery->recyclable;
        journal->next_number = recovery->number_max + 1;
        journal->chain_seq = recovery->durable_seq;
        journal->next_seq = recovery->assigned_seq;
        if (journal->next_seq < recovery->durable_seq)
                journal->next_seq = recovery->durable_seq;
        if (journal->next_seq < config->sequence_min)
                journal->next_seq = config->sequence_min;
        journal->next_seq++;

        uint64_t durable_seq = recovery->durable_seq;

        if (durable_seq < config->sequence_min)
                durable_seq = config->sequence_min;
        atomic_store_explicit(&journal->durable_seq, durable_seq, memory_order_relaxed);
        return 0;
}

static void wake(void *context)
{
        struct mu_journal *journal = context;

        journal->io->wake(journal->io->context);
}

static int open_parts(struct mu_journal *journal)
{
        struct mu_journal_recovery recovery;
        int err = open_io(journal);

        if (err == 0)
                err = open_metrics(&journal->metrics);
        if (err == 0)
                err = open_reader_slots(journal);
        if (err < 0)
                return err;
        journal->header_block = aligned_alloc(MU_JOURNAL_BLOCK_BYTES, MU_JOURNAL_BLOCK_BYTES);
        if (!journal->header_block)
                return -ENOMEM;
        memset(journal->header_block, 0, MU_JOURNAL_BLOCK_BYTES);
        err = mu_journal_recover(journal, &recovery);
        if (err < 0)
                return err;
        err = adopt(journal, &recovery);
        free(recovery.infos);
        memset(journal->header_block, 0, MU_JOURNAL_BLOCK_BYTES);
        return err < 0 ? err : open_tail(journal);
}

int mu_journal_open(const struct mu_journal_config *config, struct mu_journal **ret_journal)
{
        MU_ASSERT(ret_journal);
        int err = check_config(config);

        if (err < 0)
                return err;
        struct mu_journal *journal = aligned_alloc(alignof(struct mu_journal), sizeof(*journal));

        if (!journal)
                return -ENOMEM;
        memset(journal, 0, sizeof(*journal));
        for (uint32_t i = 0; i < MU_JOURNAL_READERS_MAX; i++)
                journal->reader_slots[i].eventfd = -1;
        journal->config = *config;
        journal->clock = config->clock;
        journal->waker.wake = wake;
        journal->waker.context = journal;
        journal->second_ns = mu_clock_monotonic_ns(journal->clock);
        journal->rate_window_ns = journal->second_ns;
        err = open_parts(journal);
        if (err < 0) {
                mu_journal_close(journal);
                return err;
        }
        *ret_journal = journal;
        return 0;
}

void mu_journal_close(struct mu_journal *journal)
{
        if (!journal)
                return;
        MU_ASSERT(!journal->thread_started);
        if (journal->current.file)
                journal->io->close(journal->io->context, journal->current.file);
        if (journal->spare_state == MU_SPARE_READY)
                journal->io->close(journal->io->context, journal->spare.file);
        /* Before the tail: the table may still be writing from it. */
        if (journal->io == &journal->own_io)
                journal->io->destroy(journal->io->context);
        for (uint32_t i = 0; i < MU_JOURNAL_READERS_MAX; i++)
                if (journal->reader_slots[i].eventfd >= 0)
                        (void)close(journal->reader_slots[i].eventfd);
        mu_tail_destroy(journal->tail);
        mu_segments_destroy(journal->segments);
        mu_histogram_destroy(journal->metrics.group_records);
        mu_histogram_destroy(journal->metrics.group_bytes);
        mu_histogram_destroy(journal->metrics.write_ns);
        mu_histogram_destroy(journal->metrics.ring_wait_us);
        free(journal->header_block);
        free(journal);
}

int mu_journal_add_port(struct mu_journal *journal, struct mu_port *port)
{
        MU_ASSERT(!journal->thread_started);
        if (journal->port_count == MU_JOURNAL_PORTS_MAX)
                return -ENOSPC;
        mu_port_attach(port, &journal->waker);
        journal->ports[journal->port_count++] = port;
        return 0;
}
