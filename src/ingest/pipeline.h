/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pipeline.h - the data plane as one thing: ports, journal, dedupe, frontends, writers.
 *
 *   create    opens (recovers) the journal; nothing runs
 *   attach    a frontend for each loop of the server
 *   start     the journal thread: heartbeats can be acknowledged
 *   store     the writers, once PostgreSQL's device list was read
 *   drain     loops have ended: journal, then writers, up to a deadline; the journal keeps the rest
 *
 * Units      *_s, *_ms, *_us; records.
 * Threads    create … destroy: one thread. tick: one thread, about once a second. status, barrier,
 *            device_id_max: any.
 * Ownership  The pipeline owns what it makes; the configuration's pointers are lent.
 * Errors     negative errno.
 */
#ifndef MUSTER_INGEST_PIPELINE_H
#define MUSTER_INGEST_PIPELINE_H

#include <stdbool.h>
#include <stdint.h>

#include "ingest/device_time.h"
#include "ingest/journal.h"
#include "ingest/writer_core.h"
#include "muster/compiler.h"

struct mu_address;
struct mu_auth_failures;
struct mu_bus;
struct mu_clock;
struct mu_database;
struct mu_device_table;
struct mu_metrics;
struct mu_pipeline;
struct mu_qsbr;
struct mu_server;

struct mu_pipeline_config {
        struct mu_journal_config journal;
        const struct mu_clock *clock;
        struct mu_metrics *metrics;
        struct mu_device_table *devices;
        struct mu_qsbr *qsbr;
        struct mu_auth_failures *auth_failures;
        uint32_t frontend_count;
        uint32_t ring_bytes;
        uint32_t dedupe_entries;
        uint32_t heartbeat_interval_s;
        struct mu_time_window window;
        uint32_t writer_count;
        uint32_t batch_rows_max;
        uint32_t batch_bytes_max;
        uint32_t batch_age_us;
        int64_t retention_s;
        uint32_t statement_timeout_ms; /* of the database's sessions */
        void (*note)(void *context, const struct mu_writer_note *note); /* writers' threads */
        void *note_context;
        /* frontend.h: a token was refused. The loops. */
        void (*on_refused)(void *context, const struct mu_address *address, bool limited);
        void *on_refused_context;
        struct mu_bus *bus; /* told of committed statuses; NULL: nobody */
};

struct mu_pipeline_status {
        struct mu_journal_status journal;
        bool storing;             /* the writers run and PostgreSQL takes what they send */
        bool shedding;            /* heartbeats were answered 503 since the last tick */
        uint64_t backlog_records; /* durable, not yet stored */
        uint64_t stored_seq;
        uint64_t drain_per_s;
        uint32_t retry_after_s;
        uint64_t oldest_unstored_s; /* age; 0: none */
        double journal_hours_left;  /* at the present rate; INFINITY when idle */
};

MU_MUST_CHECK
int mu_pipeline_create(const struct mu_pipeline_config *config, struct mu_pipeline **ret_pipeline);
void mu_pipeline_destroy(struct mu_pipeline *pipeline); /* NULL is a no-op */

/* The server has frontend_count loops, none running. */
MU_MUST_CHECK
int mu_pipeline_attach(struct mu_pipeline *pipeline, struct mu_server *server);
/* After the server is destroyed: its loops' frontends. */
void mu_pipeline_detach(struct mu_pipeline *pipeline);

MU_MUST_CHECK
int mu_pipeline_start(struct mu_pipeline *pipeline);
MU_MUST_CHECK
int mu_pipeline_store(struct mu_pipeline *pipeline, struct mu_database *database);

/* No frontend accepts any more. Ends the journal thread, then the writers: stored is true when
 * PostgreSQL has everything. deadline_ms 0: the writers end at once. */
void mu_pipeline_drain(struct mu_pipeline *pipeline, uint32_t deadline_ms, bool *ret_stored);
/* Makes a drain that is under way end now. Any thread. */
void mu_pipeline_hurry(struct mu_pipeline *pipeline);

/* Recomputes what a shed device is told to wait. */
void mu_pipeline_tick(struct mu_pipeline *pipeline);
void mu_pipeline_status(struct mu_pipeline *pipeline, struct mu_pipeline_status *ret_status);

const uint8_t *mu_pipeline_journal_id(const struct mu_pipeline *pipeline); /* 16 bytes */
/* A journal sequence that no record accepted before this call lies above. -ETIMEDOUT. */
MU_MUST_CHECK
int mu_pipeline_barrier(struct mu_pipeline *pipeline, uint64_t *ret_seq);
/* The data plane's routes; ctx is not used. */
struct mu_router;
MU_MUST_CHECK
int mu_pipeline_add_routes(struct mu_router *router);

/* The largest device id in journal records after seq; 0: none. Reads them all. */
MU_MUST_CHECK
int mu_pipeline_device_id_max(struct mu_pipeline *pipeline, uint64_t after_seq,
                              int64_t *ret_device_id);

#endif
