/* SPDX-License-Identifier: Apache-2.0 */
/*
 * writer_core.h - one writer: journal → batch → database, as a state machine.
 *
 *            connect: load the checkpoint, seek there
 *   AWAY ───────────────────────────────────────────────▶ FILLING ◀────────────────┐
 *    ▲ wait: backoff and breaker                            │ seal: rows, bytes, age, │
 *    │                                                      ▼ idle, drain             │
 *    └────────────── connection lost, not now ────────── STORING ── all committed ────┘
 *                                                           │ ▲
 *                          conflict → staged; data → halve, refuse the one; partition → make it
 *
 * No threads, no sockets, no clock of its own: step does what can be done now and says what to wait
 * for. writers.h drives it with threads, the simulator in its own order. The memory it needs is
 * taken by create; while the database is away the reader simply stays where it is.
 *
 * Lane i of n stores the devices with mu_hash_u64(device_id) mod n == i. All lanes read all frames.
 * When a batch is sent: at once if records come so slowly that waiting would not gather
 * MU_WRITER_WORTHWHILE_ROWS, else when rows, bytes or age say so.
 *
 * Units      *_us, *_ns, *_ms, *_s; deadlines on the monotonic clock.
 * Threads    create, step, drain, destroy: one thread (drain also before it started). The cells of
 *            mu_writer_stats and mu_checkpoint: any thread reads.
 * Ownership  Borrows journal, store, checkpoint, clock; owns its reader and memory.
 * Errors     negative errno from create. step has no errors: what goes wrong is waited out,
 * counted, and told through note.
 */
#ifndef MUSTER_INGEST_WRITER_CORE_H
#define MUSTER_INGEST_WRITER_CORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/breaker.h"
#include "base/clock.h"
#include "ingest/checkpoint.h"
#include "ingest/journal.h"
#include "ingest/store.h"
#include "metrics/metrics.h"
#include "muster/compiler.h"

struct mu_bus;

enum mu_writer_limits {
        MU_WRITER_WORTHWHILE_ROWS =
                32, /* smaller batches cost PostgreSQL three times as much a row */
        MU_WRITER_FRAMES_PER_STEP = 65536, /* so that a stop is seen during a long replay */
};

enum mu_flush_cause {
        MU_FLUSH_ROWS,
        MU_FLUSH_BYTES,
        MU_FLUSH_AGE,
        MU_FLUSH_IDLE, /* at once: nothing worth waiting for */
        MU_FLUSH_DRAIN,
        MU_FLUSH_COUNT,
};

enum mu_writer_event {
        MU_WRITER_AWAY,    /* the database can't be used; once per outage */
        MU_WRITER_BACK,    /* it can again */
        MU_WRITER_REWOUND, /* its checkpoint was lower than remembered; seq: where to, from_seq */
        MU_WRITER_REFUSED, /* one record went to ingest_rejects; seq, device_id */
        MU_WRITER_PARTITIONS, /* a missing partition was made */
        MU_WRITER_UNREADABLE, /* the journal could not be read at seq; tried again */
};

/* For the log. sentence and sqlstate are good during the call; "" when there is nothing to say. */
struct mu_writer_note {
        enum mu_writer_event event;
        uint32_t lane;
        uint64_t seq;
        uint64_t from_seq;
        int64_t device_id;
        const char *sqlstate;
        const char *sentence;
};

struct mu_writer_config {
        struct mu_journal *journal;
        struct mu_store *store;
        struct mu_checkpoint *checkpoint;
        const struct mu_clock *clock;
        uint32_t lane;
        uint32_t lane_count;
        uint32_t batch_rows_max;  /* 10,000 */
        uint32_t batch_bytes_max; /* 8 MiB */
        uint32_t batch_age_us;    /* 300,000 */
        uint32_t checkpoint_us;   /* keeper: how often; 1,000,000 */
        uint32_t probe_us; /* keeper: reads the row when so long nothing was sent; 5,000,000 */
        uint32_t backoff_base_ms;          /* 100 */
        uint32_t backoff_cap_ms;           /* 5,000 */
        struct mu_breaker_options breaker; /* 5 failures; 1 success; 1 s, up to 10 s */
        int64_t retention_s;               /* older buckets are rejected as expired; 0: none are */
        uint64_t random_seed;
        /* Was the device deleted? Then its records are dropped. NULL: none was. */
        bool (*is_deleted)(void *context, int64_t device_id);
        void *is_deleted_context;
        /* After the commit of what a request holds; not told twice of one. NULL: nobody listens. */
        void (*stored)(void *context, const struct mu_store_request *request);
        void *stored_context;
        void (*note)(void *context, const struct mu_writer_note *note); /* NULL: nobody listens */
        void *note_context;
        struct mu_bus *bus; /* told of statuses, after each commit; NULL: nobody */
};

/* Counted by the writer, read by anyone. */
struct mu_writer_stats {
        struct mu_cell rows;
        struct mu_cell duplicates; /* rows there already, and repeats within a batch */
        struct mu_cell rejects[MU_VERDICT_COUNT];
        struct mu_cell deleted; /* records of deleted devices, dropped */
        struct mu_cell flushes[MU_FLUSH_COUNT];
        struct mu_cell conflicts; /* batches repeated staged */
        struct mu_cell retries;   /* attempts that found the database away */
        struct mu_cell partitions;
        struct mu_cell rewinds; /* keeper: the database had forgotten */
        struct mu_cell checkpoints;
        struct mu_cell journal_errors;
        struct mu_cell available;             /* 1: the database took the last thing it was given */
        struct mu_cell oldest_received_at_us; /* of the batch in hand; 0: none */
        struct mu_cell drain_per_s; /* records of the journal that are passed, per second */
        struct mu_histogram *batch_rows;
        struct mu_histogram *copy_ns;
        struct mu_histogram *status_ns;
        struct mu_histogram *commit_ns;
        struct mu_histogram *lag_us; /* received → committed, one a row */
};

enum mu_writer_next {
        MU_WRITER_AGAIN,      /* call step again */
        MU_WRITER_WAIT_FRAME, /* until a frame is durable, or the deadline */
        MU_WRITER_SLEEP,      /* until the deadline; frames may come, they wait */
        MU_WRITER_DRAINED,    /* everything is stored; do not call step again */
};

struct mu_writer_plan {
        enum mu_writer_next next;
        uint64_t deadline_us; /* WAIT_FRAME, SLEEP */
};

struct mu_writer_core;

void mu_writer_config_init(struct mu_writer_config *config); /* defaults; pointers NULL */
/* 0, -EINVAL, -ENOMEM, -ENOSPC (no reader left). */
MU_MUST_CHECK
int mu_writer_core_create(const struct mu_writer_config *config, struct mu_writer_core **ret_core);
void mu_writer_core_destroy(struct mu_writer_core *core); /* NULL is a no-op; disconnects */

struct mu_writer_plan mu_writer_core_step(struct mu_writer_core *core);
/* From now on nothing waits for a batch to fill, and step ends with DRAINED once the journal is
 * stored as far as it is durable, the keeper's after all others'. */
void mu_writer_core_drain(struct mu_writer_core *core);

/* For WAIT_FRAME. */
struct mu_reader *mu_writer_core_reader(struct mu_writer_core *core);
const struct mu_writer_stats *mu_writer_core_stats(const struct mu_writer_core *core);
const struct mu_breaker *mu_writer_core_breaker(const struct mu_writer_core *core);

#endif
