/* SPDX-License-Identifier: Apache-2.0 */
/*
 * writers.h - the writer threads: a writer_core each, with a reader of the journal and a
 * connection.
 *
 *   create ─▶ start ─▶ … ─▶ drain: what is durable is stored, until the deadline ─▶ destroy
 *                              ▲ hurry: ends it now; the journal keeps the rest
 *
 * Changing the number of writers between two runs is safe: the checkpoint is the smallest position.
 *
 * Units      *_us, *_ms, *_s; records; days.
 * Threads    create, start, drain, destroy: one thread. hurry, status: any, before destroy.
 * Ownership  Borrows journal, database, clock and metrics; they outlive the writers, and the
 * metrics must not be rendered after destroy. note is called by the writers' threads. Errors
 * negative errno.
 */
#ifndef MUSTER_INGEST_WRITERS_H
#define MUSTER_INGEST_WRITERS_H

#include <stdbool.h>
#include <stdint.h>

#include "ingest/writer_core.h"
#include "muster/compiler.h"

struct mu_database;
struct mu_metrics;
struct mu_writers;

struct mu_writers_config {
        struct mu_journal *journal;
        struct mu_database *database;
        const struct mu_clock *clock;
        struct mu_metrics *metrics;    /* NULL: none */
        uint32_t writer_count;         /* 2; 1..MU_WRITER_LANES_MAX */
        uint32_t batch_rows_max;       /* 10,000 */
        uint32_t batch_bytes_max;      /* 8 MiB; at least MU_BATCH_BYTES_MIN */
        uint32_t batch_age_us;         /* 300,000 */
        int64_t retention_s;           /* older buckets are rejected as expired; 0: none are */
        uint32_t window_days;          /* that heartbeats may come late; 7 */
        uint32_t statement_timeout_ms; /* the database's; 30,000 */
        bool (*is_deleted)(void *context, int64_t device_id); /* writers' threads; NULL: none */
        void *is_deleted_context;
        /* A request was committed; writers' threads; NULL: nobody listens. */
        void (*stored)(void *context, const struct mu_store_request *request);
        void *stored_context;
        void (*note)(void *context, const struct mu_writer_note *note); /* NULL: nobody listens */
        void *note_context;
        struct mu_bus *bus; /* told of statuses, after each commit; NULL: nobody */
};

struct mu_writers_status {
        bool available;           /* no writer found PostgreSQL away the last time it spoke to it */
        uint64_t lowest_position; /* every record up to here is stored */
        uint64_t checkpoint;      /* what PostgreSQL says of that */
        uint64_t backlog_records; /* durable and above it */
        uint64_t drain_per_s;     /* how fast the lowest position moves, smoothed */
        uint64_t oldest_unstored_s;    /* age; 0: none */
        enum mu_breaker_state breaker; /* the worst of all writers' */
        char last_error[384];          /* of the outage that goes on; "" when there is none */
};

struct mu_writer_status {
        bool available;
        uint64_t position;
        uint64_t backlog_records;
        uint64_t rows;
        uint64_t oldest_unstored_s;
        enum mu_breaker_state breaker;
};

void mu_writers_config_init(struct mu_writers_config *config); /* defaults; pointers NULL */

MU_MUST_CHECK
int mu_writers_create(const struct mu_writers_config *config, struct mu_writers **ret_writers);
/* Stops what still runs. NULL is a no-op. */
void mu_writers_destroy(struct mu_writers *writers);

/* Only once the device list is PostgreSQL's: is_deleted must know every tombstone. */
MU_MUST_CHECK
int mu_writers_start(struct mu_writers *writers);
/* The journal accepts nothing any more. True when everything durable is stored and the checkpoint
 * says so; false when the deadline (or hurry) came first. The threads have ended either way. */
MU_MUST_CHECK
bool mu_writers_drain(struct mu_writers *writers, uint32_t deadline_ms);
/* Every thread ends as soon as it can, statements under way are left to themselves. */
void mu_writers_hurry(struct mu_writers *writers);

void mu_writers_status(struct mu_writers *writers, struct mu_writers_status *ret_status);
void mu_writers_status_of(struct mu_writers *writers, uint32_t writer,
                          struct mu_writer_status *ret_status);
uint32_t mu_writers_count(const struct mu_writers *writers);

#endif
