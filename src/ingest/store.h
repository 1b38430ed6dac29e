/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store.h - what a writer needs of the database: a table of functions.
 *
 * store_pg.h is PostgreSQL; the simulator and the unit tests bring their own. Every call is
 * synchronous: it comes back with an outcome, never later than the store's own timeouts.
 *
 *   connect ─▶ load_checkpoint ─▶ { store_batch | save_checkpoint | ensure_partitions }… ─▶
 * disconnect
 *
 * Units      sequences; days since 1970, UTC; durations in ns.
 * Threads    a store belongs to one writer thread.
 * Ownership  the store is the caller's; requests are borrowed for the call.
 * Errors     enum mu_store_outcome. Whatever is not OK left nothing in the database, except
 *            that after AWAY and STOPPED a transaction may have been committed: repeating it is
 *            harmless, by the unique keys.
 */
#ifndef MUSTER_INGEST_STORE_H
#define MUSTER_INGEST_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "ingest/batch.h"
#include "muster/compiler.h"

enum mu_store_outcome {
        MU_STORE_OK,
        /* Not now: connection lost or refused, starting, read-only, disk full, timeout, deadlock …
         * A commit under way may have happened. Disconnect, wait, connect, repeat. */
        MU_STORE_AWAY,
        MU_STORE_CONFLICT,  /* a row is there already: repeat staged */
        MU_STORE_DATA,      /* a row is refused for what it says (SQLSTATE 22, 23): bisect */
        MU_STORE_PARTITION, /* a day has no partition: ensure_partitions, repeat */
        MU_STORE_STOPPED,   /* the caller's stop interrupted it; otherwise like AWAY */
};

/* One transaction: entries first..first+count-1 of a sealed batch. STORE entries become rows of
 * heartbeats (and last status), all others rows of ingest_rejects. */
struct mu_store_request {
        const struct mu_batch *batch;
        uint32_t first;
        uint32_t count; /* >= 1 */
        bool staged;    /* rows that are there already are left alone and counted */
};

struct mu_store_result {
        uint32_t rows;       /* new rows of heartbeats */
        uint32_t duplicates; /* staged: rows that were there */
        uint32_t statuses;   /* devices whose last status was considered */
        uint32_t rejects;    /* new rows of ingest_rejects */
        uint64_t copy_ns;
        uint64_t status_ns;
        uint64_t commit_ns;
};

struct mu_store_error {
        char sqlstate[6]; /* "" when there is none */
        char text[384];   /* one sentence, no secret */
};

struct mu_store {
        const struct mu_store_ops *ops;
};

struct mu_store_ops {
        /* A fresh connection if there is none. OK, AWAY, STOPPED. */
        enum mu_store_outcome (*connect)(struct mu_store *store);
        /* The journal's checkpoint; *ret_seq 0 when its row does not exist. */
        enum mu_store_outcome (*load_checkpoint)(struct mu_store *store, uint64_t *ret_seq);
        /* In its own transaction. Never lowers what is there. */
        enum mu_store_outcome (*save_checkpoint)(struct mu_store *store, uint64_t seq);
        /* *ret_result is set only with OK. */
        enum mu_store_outcome (*store_batch)(struct mu_store *store,
                                             const struct mu_store_request *request,
                                             struct mu_store_result *ret_result);
        /* Every day that the request's rows lie in gets its partition. OK, AWAY, STOPPED; DATA and
         * *ret_gone_day: that day was archived or dropped, and is not made again. */
        enum mu_store_outcome (*ensure_partitions)(struct mu_store *store,
                                                   const struct mu_store_request *request,
                                                   int64_t *ret_gone_day);
        void (*disconnect)(struct mu_store *store);
        /* Of the last call that was not OK; good until the next call. */
        const struct mu_store_error *(*last_error)(struct mu_store *store);
};

#endif
