/* SPDX-License-Identifier: Apache-2.0 */
/*
 * archiver.h - old days leave their tables for files, and come back to be read.
 *
 *   attached ─▶ detaching ─▶ archiving ─▶ archived ─▶ dropped        retention, by itself
 *                   ▲        parts,        verified      │ restore      on request
 *                   │        manifest      from disk     ▼
 *                   └─────────────────────────────── restored
 *
 * What job "archive" works with: it does one slice of this at a time, and finds its place in
 * partition_registry, archive_days and archive_parts, so that a kill at any moment costs a slice.
 * Only a restore and a verification that was asked for begin anew. Nothing is dropped before its
 * files have been read back from the disk and held against the table's count of rows. Days that a
 * heartbeat may still fall into are never taken, whatever the retention.
 *
 * A restore is one transaction on a connection of its own, held from slice to slice: no kill leaves
 * half a day.
 *
 * Units      *_s; bytes.
 * Threads    create, stop, destroy: one thread. Else the jobs'.
 * Ownership  what the configuration points to is borrowed. stop gives the connection back, before
 *            the database goes; destroy after the metrics' registry.
 * Errors     negative errno.
 */
#ifndef MUSTER_JOBS_ARCHIVER_H
#define MUSTER_JOBS_ARCHIVER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "metrics/metrics.h"
#include "muster/compiler.h"
#include "pg/partition.h"

struct mu_database;
struct mu_pg;

struct mu_archiver_config {
        struct mu_database *database;
        const struct mu_clock *clock;
        struct mu_metrics *metrics; /* NULL: none */
        const char *directory;
        const char *written_by;     /* "musterd 0.1.0" */
        uint64_t bandwidth;         /* bytes of rows a second; 16 MiB */
        int64_t keep_s[MU_PARENTS]; /* 0: for ever */
        int64_t keep_restored_s;    /* unless the request says otherwise; 7 days */
        uint32_t window_days;       /* how far back a heartbeat may lie */
        /* What happened, for the log: "detached", "archived", "restored", ...; trouble: it needs
         * somebody's eye. */
        void (*on_event)(void *context, bool trouble, const char *event, const char *parent,
                         const char *day, const char *detail);
        void *event_context;
};

struct mu_archiver;

void mu_archiver_config_init(struct mu_archiver_config *config, struct mu_database *database,
                             const char *directory);
MU_MUST_CHECK
int mu_archiver_create(const struct mu_archiver_config *config, struct mu_archiver **ret_archiver);
void mu_archiver_stop(struct mu_archiver *archiver);    /* NULL is a no-op */
void mu_archiver_destroy(struct mu_archiver *archiver); /* NULL is a no-op */

/* A slice: about two seconds at the most, for rows of the usual size. 0: nothing to do (or only
 * what has to wait); MU_JOB_AGAIN. ret_changed: days that moved on. */
MU_MUST_CHECK
int mu_archiver_step(struct mu_archiver *archiver, struct mu_pg *pg, uint64_t *ret_changed);

#endif
