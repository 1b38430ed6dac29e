/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keeper.h - keeps the device table, its snapshot on disk and PostgreSQL telling the same story.
 *
 *   start:    snapshot ─▶ table ─▶ PostgreSQL's list on top ─▶ what PostgreSQL lacks is put back
 *             ─▶ snapshot rewritten ─▶ authoritative: 401 and 410 may be given, writers may start
 *   running:  events noted on the table ─▶ snapshot synced within a second ─▶ PostgreSQL when it is
 *             there; until then they wait, one set of bits a device
 *
 * Units      counts.
 * Threads    create, start, stop, destroy: one thread. The rest happens on the keeper's own thread;
 *            callbacks come from it.
 * Ownership  The keeper owns the snapshot; table and database are lent and outlive it.
 * Errors     negative errno. PostgreSQL being away is not an error: the keeper waits for it.
 */
#ifndef MUSTER_IDENTITY_KEEPER_H
#define MUSTER_IDENTITY_KEEPER_H

#include <stdbool.h>
#include <stdint.h>

#include "identity/snapshot.h"
#include "metrics/metrics.h"
#include "muster/compiler.h"

struct mu_database;
struct mu_keeper;

struct mu_keeper_report {
        uint32_t device_count;
        uint32_t put_back_devices; /* in the snapshot, not in PostgreSQL: a restored backup */
        uint32_t put_back_tokens;
        uint32_t deleted_again; /* tombstones that PostgreSQL had forgotten */
        int64_t device_id_max;  /* new ids are above it */
};

struct mu_keeper_config {
        struct mu_device_table *devices;
        struct mu_database *database;
        const char *snapshot_path;
        const uint8_t *journal_id; /* 16 bytes */
        /* The largest device id in journal records after seq (0: none), or a negative errno. */
        int (*journal_device_id_max)(void *ctx, uint64_t after_seq, int64_t *ret_device_id);
        /* PostgreSQL's list was read. */
        void (*on_authoritative)(void *ctx, const struct mu_keeper_report *report);
        /* A step failed and will be tried again. what: literal; detail: a sentence. */
        void (*on_trouble)(void *ctx, const char *what, const char *detail);
        /* Whether PostgreSQL may be asked yet (its schema is there); NULL: from the start. Until
         * then the keeper keeps the snapshot alone. Asked about once a second. */
        bool (*database_ready)(void *ctx);
        void *ctx;
        struct mu_metrics *metrics;
};

/* Loads the snapshot into the table. */
MU_MUST_CHECK
int mu_keeper_create(const struct mu_keeper_config *config, struct mu_snapshot_report *ret_report,
                     struct mu_keeper **ret_keeper);
MU_MUST_CHECK
int mu_keeper_start(struct mu_keeper *keeper);
/* PostgreSQL has gone back to an older state: its list is read again, what it lacks is put back,
 * and on_authoritative told once more. Any thread, between create and destroy. */
void mu_keeper_recheck(struct mu_keeper *keeper);
/* Writes down what was noted, if it can, and ends the thread. The database must be shut or
 * answering. Never started: what was noted since goes to the snapshot all the same. */
void mu_keeper_stop(struct mu_keeper *keeper);
void mu_keeper_destroy(struct mu_keeper *keeper); /* NULL is a no-op */

#endif
