/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/writers.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/random.h"
#include "base/thread.h"
#include "ingest/reader.h"
#include "ingest/store_pg.h"
#include "ingest/writers_private.h"

void mu_writers_config_init(struct mu_writers_config *config)
{
        struct mu_writer_config core;

        mu_writer_config_init(&core);
        *config = (struct mu_writers_config){
                .writer_count = 2,
                .batch_rows_max = core.batch_rows_max,
                .batch_bytes_max = core.batch_bytes_max,
                .batch_age_us = core.batch_age_us,
                .window_days = 7,
                .statement_timeout_ms = 30000,
        };
}

/* Errors are kept for /ready; the rest is the caller's log. */
static void note(void *context, const struct mu_writer_note *note)
{
        struct mu_writers *writers = context;

        if (note->event == MU_WRITER_AWAY || note->event == MU_WRITER_BACK) {
                pthread_mutex_lock(&writers->error_mutex);
                snprintf(writers->last_error, sizeof(writers->last_error), "%s", note->sentence);
                pthread_mutex_unlock(&writers->error_mutex);
        }
        if (writers->config.note)
                writers->config.note(writers->config.note_context, note);
}

static void wake(struct mu_writer *writer)
{
        /* Fails only when it is readable anyway. */
        (void)eventfd_write(writer->wake_fd, 1);
        mu_reader_wake(mu_writer_core_reader(writer->core));
}

static void wake_all(struct mu_writers *writers)
{
        for (uint32_t i = 0; i < writers->config.writer_count; i++)
                wake(&writers->writers[i]);
}

static void sleep_until(struct mu_writer *writer, uint64_t deadline_us)
{
        uint64_t now_us =
                mu_clock_monotonic_ns(writer->owner->config.clock) / (uint64_t)MU_NS_PER_US;
        uint64_t left_ms = 0;
        eventfd_t ignored;
        struct pollfd wakers[] = {
                {.fd = writer->owner->stop_fd, .events = POLLIN},
                {.fd = writer->wake_fd, .events = POLLIN},
        };

        if (deadline_us > now_us)
                left_ms = (deadline_us - now_us + 999) / (uint64_t)MU_US_PER_MS;
        (void)poll(wakers, MU_COUNT_OF(wakers), left_ms > 60000 ? 60000 : (int)left_ms);
        (void)eventfd_read(writer->wake_fd, &ignored); /* non-blocking */
}

static void run(void *context)
{
        struct mu_writer *writer = context;
        struct mu_writers *writers = writer->owner;

        while (!atomic_load_explicit(&writers->stopping, memory_order_acquire)) {
                if (atomic_load_explicit(&writers->draining, memory_order_acquire))
                        mu_writer_core_drain(writer->core);
                struct mu_writer_plan plan = mu_writer_core_step(writer->core);

                switch (plan.next) {
                case MU_WRITER_AGAIN:
                        break;
                case MU_WRITER_WAIT_FRAME:
                        mu_reader_wait(mu_writer_core_reader(writer->core), plan.deadline_us);
                        break;
                case MU_WRITER_SLEEP:
                        sleep_until(writer, plan.deadline_us);
                        break;
                case MU_WRITER_DRAINED:
                        atomic_store_explicit(&writer->drained, true, memory_order_release);
                        wake(&writers->writers[MU_CHECKPOINT_KEEPER]); /* it waits for the others */
                        (void)eventfd_write(writers->done_fd, 1);
                        return;
                }
        }
}

static int create_writer(struct mu_writers *writers, uint32_t lane, const uint8_t journal_id[16])
{
        const struct mu_writers_config *config = &writers->config;
        struct mu_writer *writer = &writers->writers[lane];
        struct mu_store_pg_config store = {
                .database = config->database,
                .clock = config->clock,
                .window_days = config->window_days,
                .acquire_wait_ms = 2000,
                .statement_timeout_ms = config->statement_timeout_ms,
                .stop_fd = writers->stop_fd,
        };
        struct mu_writer_config core;

        memcpy(store.journal_id, journal_id, sizeof(store.journal_id));
        writer->owner = writers;
        writer->lane = lane;
        writer->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (writer->wake_fd < 0)
                return -errno;
        int err = mu_store_pg_create(&store, &writer->store);

        if (err)
                return err;
        mu_writer_config_init(&core);
        core.journal = config->journal;
        core.store = writer->store;
        core.checkpoint = &writers->checkpoint;
        core.clock = config->clock;
        core.lane = lane;
        core.lane_count = config->writer_count;
        core.batch_rows_max = config->batch_rows_max;
        core.batch_bytes_max = config->batch_bytes_max;
        core.batch_age_us = config->batch_age_us;
        core.retention_s = config->retention_s;
        core.is_deleted = config->is_deleted;
        core.is_deleted_context = config->is_deleted_context;
        core.stored = config->stored;
        core.stored_context = config->stored_context;
        core.note = note;
        core.note_context = writers;
        core.bus = config->bus;
        err = mu_random_secret(&core.random_seed, sizeof(core.random_seed));
        return err ? err : mu_writer_core_create(&core, &writer->core);
}

int mu_writers_create(const struct mu_writers_config *config, struct mu_writers **ret_writers)
{
        MU_ASSERT(config->journal && config->database && config->clock);
        struct mu_journal_status journal;
        int err = 0;

        if (config->writer_count == 0 || config->writer_count > MU_WRITER_LANES_MAX)
                return -EINVAL;
        struct mu_writers *writers = aligned_alloc(MU_CACHELINE_BYTES, sizeof(*writers));

        if (!writers)
                return -ENOMEM;
        memset(writers, 0, sizeof(*writers));
        writers->config = *config;
        pthread_mutex_init(&writers->error_mutex, NULL);
        mu_checkpoint_init(&writers->checkpoint, config->writer_count);
        writers->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        writers->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (writers->stop_fd < 0 || writers->done_fd < 0)
                err = -errno;
        writers->writers = calloc(config->writer_count, sizeof(*writers->writers));
        if (!writers->writers) {
                writers->config.writer_count = 0;
                err = -ENOMEM;
        }
        for (uint32_t i = 0; i < writers->config.writer_count; i++)
                writers->writers[i].wake_fd = -1;

        mu_journal_status(config->journal, &journal);
        for (uint32_t i = 0; !err && i < config->writer_count; i++)
                err = create_writer(writers, i, journal.id);
        if (err) {
                mu_writers_destroy(writers);
                return err;
        }
        if (config->metrics)
                mu_writers_register_metrics(writers);
        *ret_writers = writers;
        return 0;
}

static void stop(struct mu_writers *writers)
{
        mu_writers_hurry(writers);
        for (uint32_t i = 0; i < writers->config.writer_count; i++) {
                struct mu_writer *writer = &writers->writers[i];

                if (writer->running)
                        mu_thread_join(writer->thread);
                writer->running = false;
        }
}

void mu_writers_destroy(struct mu_writers *writers)
{
        if (!writers)
                return;
        stop(writers);
        for (uint32_t i = 0; i < writers->config.writer_count; i++) {
                struct mu_writer *writer = &writers->writers[i];

                mu_writer_core_destroy(writer->core);
                mu_store_pg_destroy(writer->store);
                if (writer->wake_fd >= 0)
                        close(writer->wake_fd);
        }
        if (writers->stop_fd >= 0)
                close(writers->stop_fd);
        if (writers->done_fd >= 0)
                close(writers->done_fd);
        pthread_mutex_destroy(&writers->error_mutex);
        free(writers->writers);
        free(writers);
}

int mu_writers_start(struct mu_writers *writers)
{
        for (uint32_t i = 0; i < writers->config.writer_count; i++) {
                struct mu_writer *writer = &writers->writers[i];
                char name[MU_THREAD_NAME_BYTES];

                snprintf(name, sizeof(name), "writer-%u", i % 1000);
                int err = mu_thread_start(name, run, writer, &writer->thread);

                if (err)
                        return err; /* destroy ends those that run */
                writer->running = true;
        }
        return 0;
}

static bool all_drained(const struct mu_writers *writers)
{
        for (uint32_t i = 0; i < writers->config.writer_count; i++)
                if (!atomic_load_explicit(&writers->writers[i].drained, memory_order_acquire))
                        return false;
        return true;
}

bool mu_writers_drain(struct mu_writers *writers, uint32_t deadline_ms)
{
        const struct mu_clock *clock = writers->config.clock;
        uint64_t deadline_ns = mu_clock_monotonic_ns(clock) + deadline_ms * (uint64_t)MU_NS_PER_MS;
        struct pollfd wakers[] = {
                {.fd = writers->stop_fd, .events = POLLIN},
                {.fd = writers->done_fd, .events = POLLIN},
        };

        atomic_store_explicit(&writers->draining, true, memory_order_release);
        wake_all(writers);
        while (!all_drained(writers) && !(wakers[0].revents & POLLIN)) {
                uint64_t now_ns = mu_clock_monotonic_ns(clock);
                eventfd_t ignored;

                if (now_ns >= deadline_ns)
                        break;
                uint64_t left_ms = (deadline_ns - now_ns) / (uint64_t)MU_NS_PER_MS + 1;

                (void)poll(wakers, MU_COUNT_OF(wakers), left_ms > 60000 ? 60000 : (int)left_ms);
                (void)eventfd_read(writers->done_fd, &ignored);
        }
        stop(writers);
        return all_drained(writers);
}

void mu_writers_hurry(struct mu_writers *writers)
{
        atomic_store_explicit(&writers->stopping, true, memory_order_release);
        if (writers->stop_fd >= 0)
                (void)eventfd_write(writers->stop_fd, 1);
        for (uint32_t i = 0; i < writers->config.writer_count; i++)
                if (writers->writers[i].core)
                        wake(&writers->writers[i]);
}

uint32_t mu_writers_count(const struct mu_writers *writers)
{
        return writers->config.writer_count;
}

void mu_writers_status_of(struct mu_writers *writers, uint32_t writer,
                          struct mu_writer_status *ret_status)
{
        MU_ASSERT(writer < writers->config.writer_count);
        const struct mu_writer_core *core = writers->writers[writer].core;
        const struct mu_writer_stats *stats = mu_writer_core_stats(core);
        int64_t now_us = mu_clock_realtime_us(writers->config.clock);
        int64_t oldest_us = (int64_t)mu_cell_get(&stats->oldest_received_at_us);
        uint64_t durable = mu_journal_durable_seq(writers->config.journal);
        struct mu_writer_status status = {
                .available = mu_cell_get(&stats->available) != 0,
                .position = mu_checkpoint_position(&writers->checkpoint, writer),
                .rows = mu_cell_get(&stats->rows),
                .breaker = mu_breaker_state(mu_writer_core_breaker(core)),
        };

        if (durable > status.position)
                status.backlog_records = durable - status.position;
        if (oldest_us > 0 && now_us > oldest_us)
                status.oldest_unstored_s = (uint64_t)((now_us - oldest_us) / MU_US_PER_S);
        *ret_status = status;
}

void mu_writers_status(struct mu_writers *writers, struct mu_writers_status *ret_status)
{
        struct mu_writers_status status = {
                .available = true,
                .lowest_position = mu_checkpoint_lowest(&writers->checkpoint),
                .checkpoint = mu_checkpoint_stored(&writers->checkpoint),
                .drain_per_s = UINT64_MAX,
        };

        for (uint32_t i = 0; i < writers->config.writer_count; i++) {
                struct mu_writer_status one;
                uint64_t drain =
                        mu_cell_get(&mu_writer_core_stats(writers->writers[i].core)->drain_per_s);

                mu_writers_status_of(writers, i, &one);
                status.available = status.available && one.available;
                if (one.backlog_records > status.backlog_records)
                        status.backlog_records = one.backlog_records;
                if (one.oldest_unstored_s > status.oldest_unstored_s)
                        status.oldest_unstored_s = one.oldest_unstored_s;
                if (drain < status.drain_per_s)
                        status.drain_per_s = drain;
                if (one.breaker == MU_BREAKER_OPEN || status.breaker == MU_BREAKER_CLOSED)
                        status.breaker = one.breaker;
        }
        pthread_mutex_lock(&writers->error_mutex);
        memcpy(status.last_error, writers->last_error, sizeof(status.last_error));
        pthread_mutex_unlock(&writers->error_mutex);
        *ret_status = status;
}
