/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/pipeline.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/qsbr.h"
#include "base/thread.h"
#include "http/loop.h"
#include "identity/device_table.h"
#include "identity/glance.h"
#include "ingest/dedupe.h"
#include "ingest/frontend.h"
#include "ingest/last_status.h"
#include "ingest/port.h"
#include "ingest/reader.h"
#include "ingest/writers.h"
#include "muster/record.h"

enum {
        WAITING_MAX = 65536, /* records of one frontend between commit and verdict */
        BARRIER_MS = 5000,
        BARRIER_STEP_MS = 1,
        RETRY_AFTER_MIN_S = 1,
        RETRY_AFTER_AWAY_S = 30, /* nothing drains: nothing to compute it from */
        RETRY_AFTER_MAX_S = 300,
};

struct mu_pipeline {
        struct mu_pipeline_config config;
        struct mu_journal *journal;
        struct mu_port **ports;
        struct mu_frontend **frontends;
        struct mu_writers *writers;                 /* NULL until store */
        _Atomic(struct mu_writers *) writers_shown; /* the same, for other threads */
        _Atomic bool hurry;
        struct mu_frontend_shared shared;
        uint8_t journal_id[16];
        bool started;
};

static void step_sleep(void)
{
        const struct timespec step = {.tv_nsec = BARRIER_STEP_MS * MU_NS_PER_MS};

        (void)nanosleep(&step, NULL);
}

static bool is_deleted(void *context, int64_t device_id)
{
        const struct mu_pipeline *pipeline = context;
        const struct mu_device *device = mu_device_table_by_id(pipeline->config.devices, device_id);

        return device && mu_device_state(device) == MU_DEVICE_DELETED;
}

/* Lists order and filter by what stands in memory. */
static void note_glances(void *context, const struct mu_store_request *request)
{
        const struct mu_pipeline *pipeline = context;
        struct mu_names *versions = mu_device_table_versions(pipeline->config.devices);
        struct mu_last_status status;

        for (uint32_t at = request->first; mu_last_status_next(request, &at, &status);) {
                const struct mu_record *record = status.content;
                struct mu_device *device =
                        mu_device_table_by_id(pipeline->config.devices, record->device_id);
                struct mu_record_strings strings;

                if (!device)
                        continue;
                mu_record_strings(record, &strings);
                const struct mu_glance glance = {
                        .received_s = status.received_at_us / MU_US_PER_S,
                        .observed_s = record->observed_at_us / MU_US_PER_S,
                        .battery =
                                record->present & MU_FIELD_BATTERY ? record->battery_percent : -1,
                        .network = record->present & MU_FIELD_NETWORK ? record->network : -1,
                        .version_id = mu_names_id(versions, strings.agent_version,
                                                  record->agent_version_bytes),
                };

                mu_glance_note(device, &glance);
        }
}

/* ---- metrics ---- */

/* No rate, no end; a capacity set lower than what is there has none left. */
static double journal_hours_left(const struct mu_journal_status *journal)
{
        if (journal->bytes_per_s == 0)
                return INFINITY;
        if (journal->used_bytes >= journal->capacity_bytes)
                return 0;
        return (double)(journal->capacity_bytes - journal->used_bytes) /
               (double)journal->bytes_per_s / 3600.0;
}

static double read_retry_after(void *context)
{
        const struct mu_pipeline *pipeline = context;

        return atomic_load_explicit(&pipeline->shared.retry_after_s, memory_order_relaxed);
}

static double read_backlog(void *context)
{
        struct mu_pipeline_status status;

        mu_pipeline_status(context, &status);
        return (double)status.backlog_records;
}

static double read_journal_left(void *context)
{
        struct mu_pipeline_status status;

        mu_pipeline_status(context, &status);
        return status.journal_hours_left * 3600.0;
}

static double read_ring_used(void *context)
{
        return (double)mu_port_used_bytes(context);
}

static void register_gauges(struct mu_pipeline *pipeline)
{
        struct mu_metrics *metrics = pipeline->config.metrics;

        mu_metrics_gauge_fn(metrics, "muster_retry_after_seconds",
                            "Least Retry-After of a shed heartbeat, from the drain rate.",
                            MU_NO_LABELS, read_retry_after, pipeline);
        mu_metrics_gauge_fn(metrics, "muster_backlog_records",
                            "Heartbeats that are durable in the journal and not yet in PostgreSQL.",
                            MU_NO_LABELS, read_backlog, pipeline);
        mu_metrics_gauge_fn(metrics, "muster_journal_left_seconds",
                            "Until the journal is full at the current rate, if nothing is freed.",
                            MU_NO_LABELS, read_journal_left, pipeline);
        for (uint32_t i = 0; i < pipeline->config.frontend_count; i++)
                mu_metrics_gauge_fn(metrics, "muster_ring_used_bytes",
                                    "Bytes in the rings between frontends and journal.",
                                    MU_NO_LABELS, read_ring_used, pipeline->ports[i]);
}

/* ---- lifecycle ---- */

static int create_parts(struct mu_pipeline *pipeline)
{
        const struct mu_pipeline_config *config = &pipeline->config;
        int error = mu_dedupe_create(config->dedupe_entries, &pipeline->shared.dedupe);

        if (error == 0)
                error = mu_journal_open(&config->journal, &pipeline->journal);
        for (uint32_t i = 0; error == 0 && i < config->frontend_count; i++) {
                error = mu_port_create(config->ring_bytes, &pipeline->ports[i]);
                if (error == 0)
                        error = mu_journal_add_port(pipeline->journal, pipeline->ports[i]);
        }
        if (error == 0)
                error = mu_journal_register_metrics(pipeline->journal, config->metrics);
        return error;
}

int mu_pipeline_create(const struct mu_pipeline_config *config, struct mu_pipeline **ret_pipeline)
{
        struct mu_pipeline *pipeline = calloc(1, sizeof(*pipeline));

        if (!pipeline)
                return -ENOMEM;
        pipeline->config = *config;
        pipeline->ports = calloc(config->frontend_count, sizeof(pipeline->ports[0]));
        pipeline->frontends = calloc(config->frontend_count, sizeof(pipeline->frontends[0]));
        int error = pipeline->ports && pipeline->frontends ? create_parts(pipeline) : -ENOMEM;

        if (error < 0) {
                mu_pipeline_destroy(pipeline);
                return error;
        }
        struct mu_journal_status status;

        mu_journal_status(pipeline->journal, &status);
        memcpy(pipeline->journal_id, status.id, sizeof(pipeline->journal_id));
        pipeline->shared.devices = config->devices;
        pipeline->shared.qsbr = config->qsbr;
        pipeline->shared.auth_failures = config->auth_failures;
        pipeline->shared.on_refused = config->on_refused;
        pipeline->shared.on_refused_context = config->on_refused_context;
        pipeline->shared.window = config->window;
        pipeline->shared.heartbeat_interval_s = config->heartbeat_interval_s;
        atomic_store(&pipeline->shared.retry_after_s, RETRY_AFTER_MIN_S);
        register_gauges(pipeline);
        *ret_pipeline = pipeline;
        return 0;
}

void mu_pipeline_destroy(struct mu_pipeline *pipeline)
{
        if (!pipeline)
                return;
        mu_writers_destroy(pipeline->writers);
        mu_pipeline_detach(pipeline);
        mu_journal_close(pipeline->journal);
        for (uint32_t i = 0; pipeline->ports && i < pipeline->config.frontend_count; i++)
                mu_port_destroy(pipeline->ports[i]);
        mu_dedupe_destroy(pipeline->shared.dedupe);
        free(pipeline->frontends);
        free(pipeline->ports);
        free(pipeline);
}

int mu_pipeline_attach(struct mu_pipeline *pipeline, struct mu_server *server)
{
        for (uint32_t i = 0; i < pipeline->config.frontend_count; i++) {
                int error = mu_frontend_create(&pipeline->shared, mu_server_loop(server, i),
                                               pipeline->ports[i], WAITING_MAX,
                                               pipeline->config.metrics, &pipeline->frontends[i]);

                if (error < 0)
                        return error;
        }
        return 0;
}

void mu_pipeline_detach(struct mu_pipeline *pipeline)
{
        for (uint32_t i = 0; pipeline->frontends && i < pipeline->config.frontend_count; i++) {
                mu_frontend_destroy(pipeline->frontends[i]);
                pipeline->frontends[i] = NULL;
        }
}

int mu_pipeline_start(struct mu_pipeline *pipeline)
{
        int error = mu_journal_start(pipeline->journal);

        pipeline->started = error == 0;
        return error;
}

int mu_pipeline_store(struct mu_pipeline *pipeline, struct mu_database *database)
{
        const struct mu_pipeline_config *config = &pipeline->config;
        struct mu_writers_config writers_config;

        mu_writers_config_init(&writers_config);
        writers_config.journal = pipeline->journal;
        writers_config.database = database;
        writers_config.clock = config->clock;
        writers_config.metrics = config->metrics;
        writers_config.writer_count = config->writer_count;
        writers_config.batch_rows_max = config->batch_rows_max;
        writers_config.batch_bytes_max = config->batch_bytes_max;
        writers_config.batch_age_us = config->batch_age_us;
        writers_config.retention_s = config->retention_s;
        writers_config.statement_timeout_ms = config->statement_timeout_ms;
        writers_config.window_days =
                (uint32_t)(config->window.back_us / (MU_S_PER_DAY * MU_US_PER_S));
        writers_config.is_deleted = is_deleted;
        writers_config.is_deleted_context = pipeline;
        writers_config.stored = note_glances;
        writers_config.stored_context = pipeline;
        writers_config.note = config->note;
        writers_config.note_context = config->note_context;
        writers_config.bus = config->bus;
        int error = mu_writers_create(&writers_config, &pipeline->writers);

        if (error == 0)
                error = mu_writers_start(pipeline->writers);
        if (error == 0)
                atomic_store(&pipeline->writers_shown, pipeline->writers);
        return error;
}

/* The loops have ended, but the journal may hand over no more failed runs than a port can hold:
 * someone has to take the verdicts that nobody waits for any more. */
struct drainer {
        struct mu_pipeline *pipeline;
        _Atomic bool done;
};

static void take_verdicts(void *context)
{
        struct drainer *drainer = context;
        struct mu_port_verdict verdict;

        while (!atomic_load(&drainer->done)) {
                for (uint32_t i = 0; i < drainer->pipeline->config.frontend_count; i++)
                        while (mu_port_poll(drainer->pipeline->ports[i], &verdict))
                                ;
                step_sleep();
        }
}

static void drain_journal(struct mu_pipeline *pipeline)
{
        struct drainer drainer = {.pipeline = pipeline};
        pthread_t thread;
        /* Without it the drain works all the same unless hundreds of groups failed just now. */
        bool taking = mu_thread_start("drainer", take_verdicts, &drainer, &thread) == 0;

        mu_journal_drain(pipeline->journal);
        atomic_store(&drainer.done, true);
        if (taking)
                mu_thread_join(thread);
}

void mu_pipeline_drain(struct mu_pipeline *pipeline, uint32_t deadline_ms, bool *ret_stored)
{
        *ret_stored = false;
        if (pipeline->started)
                drain_journal(pipeline);
        pipeline->started = false;
        if (!pipeline->writers)
                return;
        *ret_stored = mu_writers_drain(pipeline->writers,
                                       atomic_load(&pipeline->hurry) ? 0 : deadline_ms);
}

void mu_pipeline_hurry(struct mu_pipeline *pipeline)
{
        struct mu_writers *writers = atomic_load(&pipeline->writers_shown);

        atomic_store(&pipeline->hurry, true);
        if (writers)
                mu_writers_hurry(writers);
}

/* ---- status ---- */

static uint32_t retry_after_s(const struct mu_pipeline_status *status)
{
        uint64_t seconds = RETRY_AFTER_MIN_S;

        /* A full ring empties in moments; a full journal as fast as PostgreSQL takes it. */
        if (status->journal.state == MU_JOURNAL_FULL ||
            status->journal.state == MU_JOURNAL_REFUSING)
                seconds = status->drain_per_s > 0 ? status->backlog_records / status->drain_per_s
                                                  : RETRY_AFTER_AWAY_S;
        if (seconds < RETRY_AFTER_MIN_S)
                seconds = RETRY_AFTER_MIN_S;
        return (uint32_t)(seconds < RETRY_AFTER_MAX_S ? seconds : RETRY_AFTER_MAX_S);
}

void mu_pipeline_status(struct mu_pipeline *pipeline, struct mu_pipeline_status *ret_status)
{
        struct mu_writers *writers = atomic_load(&pipeline->writers_shown);
        struct mu_pipeline_status status = {0};
        struct mu_writers_status written = {0};

        mu_journal_status(pipeline->journal, &status.journal);
        if (writers) {
                mu_writers_status(writers, &written);
                status.storing = written.available;
                status.stored_seq = written.lowest_position;
                status.backlog_records = written.backlog_records;
                status.drain_per_s = written.drain_per_s;
                status.oldest_unstored_s = written.oldest_unstored_s;
        } else {
                status.backlog_records = status.journal.recovered_records;
        }
        status.journal_hours_left = journal_hours_left(&status.journal);
        status.retry_after_s =
                atomic_load_explicit(&pipeline->shared.retry_after_s, memory_order_relaxed);
        *ret_status = status;
}

void mu_pipeline_tick(struct mu_pipeline *pipeline)
{
        struct mu_pipeline_status status;

        mu_pipeline_status(pipeline, &status);
        atomic_store_explicit(&pipeline->shared.retry_after_s, retry_after_s(&status),
                              memory_order_relaxed);
}

const uint8_t *mu_pipeline_journal_id(const struct mu_pipeline *pipeline)
{
        return pipeline->journal_id;
}

/* ---- barrier ---- */

static void set_flag(void *flag)
{
        atomic_store((_Atomic bool *)flag, true);
}

/* Waits until every frontend has passed a quiescent point: what it resolved before the call has
 * been committed to its port or answered. The flag outlives a timeout: QSBR still refers to it. */
static int wait_for_frontends(struct mu_pipeline *pipeline, uint64_t deadline_ns)
{
        struct mu_device_table *devices = pipeline->config.devices;
        _Atomic bool *passed = calloc(1, sizeof(*passed));

        if (!passed)
                return -ENOMEM;
        mu_device_table_lock(devices);
        int error = mu_qsbr_retire(pipeline->config.qsbr, (void *)passed, set_flag);

        mu_device_table_unlock(devices);
        while (error == 0) {
                mu_device_table_lock(devices);
                (void)mu_qsbr_reclaim(pipeline->config.qsbr);
                mu_device_table_unlock(devices);
                if (atomic_load(passed))
                        break;
                if (mu_clock_monotonic_ns(pipeline->config.clock) >= deadline_ns)
                        return -ETIMEDOUT;
                step_sleep();
        }
        free((void *)passed);
        return error;
}

int mu_pipeline_barrier(struct mu_pipeline *pipeline, uint64_t *ret_seq)
{
        uint64_t deadline_ns =
                mu_clock_monotonic_ns(pipeline->config.clock) + BARRIER_MS * MU_NS_PER_MS;
        int error = wait_for_frontends(pipeline, deadline_ns);

        if (error < 0)
                return error;
        for (uint32_t i = 0; i < pipeline->config.frontend_count; i++) {
                uint64_t committed = mu_port_committed(pipeline->ports[i]);

                while (mu_port_resolved(pipeline->ports[i]) < committed) {
                        if (mu_clock_monotonic_ns(pipeline->config.clock) >= deadline_ns)
                                return -ETIMEDOUT;
                        step_sleep();
                }
        }
        *ret_seq = mu_journal_durable_seq(pipeline->journal);
        return 0;
}

int mu_pipeline_device_id_max(struct mu_pipeline *pipeline, uint64_t after_seq,
                              int64_t *ret_device_id)
{
        struct mu_reader *reader;
        struct mu_frame frame;
        int64_t device_id_max = 0;
        int got = mu_reader_open(pipeline->journal, after_seq, &reader);

        if (got < 0)
                return got;
        while ((got = mu_reader_next(reader, &frame)) == 1) {
                const struct mu_record *record = frame.payload;

                if (frame.type == MU_FRAME_RECORD && record->device_id > device_id_max)
                        device_id_max = record->device_id;
        }
        mu_reader_close(reader);
        if (got < 0)
                return got;
        *ret_device_id = device_id_max;
        return 0;
}

int mu_pipeline_add_routes(struct mu_router *router)
{
        return mu_router_add(router, mu_frontend_routes, mu_frontend_route_count, NULL);
}
