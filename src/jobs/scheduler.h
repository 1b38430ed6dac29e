/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scheduler.h - scheduled maintenance: one thread, jobs from a table, each under its advisory lock.
 *
 *   due, or asked for ─▶ connection ─▶ lock ─▶ a slice ─▶ 0: ended, next = end + interval
 *                          │            │         ├─ AGAIN: due at once, after the others' turn
 *                          │            │         └─ failed: tried again with backoff, never later
 *                          │            │                    than the interval
 *                          │            └ held by another process: skipped, next = end + interval
 *                          └ the database is away (also lost in a slice): a pause, no failure; a
 *                            run that was asked for goes on waiting
 *
 * Every job is due at start, unless it gives its own times. A job must be repeatable: it may be cut
 * off at any statement. A slice takes 2 to 5 s at most; what is longer says MU_JOB_AGAIN and finds
 * its place again (in a table, or in memory of its own when it watches a child process).
 *
 * A run goes from the first slice to the last. Those that changed something, failed or were asked
 * for stand in table job_runs (not what a job does every few seconds: only failures).
 *
 * Units      *_s; the clock's monotonic ns inside; *_us of wall-clock time.
 * Threads    create, start, stop, destroy: one thread. The jobs run on the scheduler's own (or on
 *            the caller of step, while it is not started). on_run: the same. run_now, trouble,
 *            desk: any.
 * Ownership  Database, clock, metrics and table are borrowed. destroy after the registry's destroy.
 * Errors     negative errno. A job's error is counted, handed to on_run and tried again.
 */
#ifndef MUSTER_JOBS_SCHEDULER_H
#define MUSTER_JOBS_SCHEDULER_H

#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "control/job/job_desk.h"
#include "metrics/metrics.h"
#include "muster/compiler.h"
#include "pg/advisory_lock.h"
#include "pg/database.h"
#include "pg/query.h"

#define MU_JOBS_MAX 32

/* A slice's answer beside 0 and negative errno: there is more to do. */
#define MU_JOB_AGAIN 1
/* Or there is nothing that it could do, and the connection's last error says why: skipped. */
#define MU_JOB_IDLE 2

/* A job's own next time: only when asked for. */
#define MU_JOB_NEVER INT64_MAX

struct mu_backup_runner;
struct mu_archiver;
struct mu_control;
struct mu_reconcile_cells;

enum mu_job_outcome {
        MU_JOB_OK,
        MU_JOB_FAILED,
        MU_JOB_SKIPPED, /* another process has its lock, or it is not configured */
        MU_JOB_AWAY,    /* the database is: a pause */
        MU_JOB_OUTCOMES,
};

struct mu_jobs_config {
        struct mu_database *database;
        int64_t keep_audit_s;      /* 400 days */
        int64_t keep_security_s;   /* of security events; 90 days */
        int64_t keep_alerts_s;     /* of alerts that are over; 400 days */
        const uint8_t *journal_id; /* 16 bytes; NULL: nothing is purged */
        const struct mu_clock *clock;
        struct mu_metrics *metrics;   /* NULL: none */
        uint32_t window_days;         /* how far back a heartbeat may lie; 7 */
        uint32_t ahead_days;          /* partitions made ahead; 7 */
        uint32_t keep_enrolment_days; /* of expired and revoked enrolment tokens; 30 */
        int64_t keep_commands_s;      /* of commands that are over; 90 days */
        struct mu_control
                *control; /* NULL: nobody is told of what a job changes, no deletion resumed */
        struct mu_backup_runner *backups; /* NULL: none are made */
        /* After each run. changed: what the job says it did; error: "" unless it failed. */
        void (*on_run)(void *context, const char *job, enum mu_job_outcome outcome,
                       uint64_t duration_us, uint64_t changed, const char *error);
        void *on_run_context;
        /* A sentence for the log, of a job that found something people should know. Context as
         * above. */
        void (*on_note)(void *context, const char *job, const char *text);
        struct mu_archiver *archiver;         /* archiver.h; NULL: no day leaves its table */
        struct mu_reconcile_cells *reconcile; /* the scheduler's own; NULL: nothing is counted */
};

struct mu_job {
        const char *name; /* [a-z_]+: the metrics' label; shorter than MU_JOB_NAME_BYTES */
        uint32_t interval_s;
        enum mu_lock lock;
        /* A slice. 0: done; MU_JOB_AGAIN; MU_JOB_IDLE; negative errno: failed. ret_changed starts
         * at 0. */
        int (*run)(const struct mu_jobs_config *config, struct mu_pg *pg, uint64_t *ret_changed);
        const char *doc;   /* one sentence for people: what it does */
        uint32_t again_ms; /* between slices; 0: at once */
        /* Instead of the interval (which then only bounds the backoff): the first time after now,
         * wall clock, or MU_JOB_NEVER. Asked at start, after each run and once a minute. NULL: by
         * the interval. */
        int64_t (*due_at_us)(const struct mu_jobs_config *config, int64_t now_us);
};

struct mu_jobs;

void mu_jobs_config_init(struct mu_jobs_config *config, struct mu_database *database);

/* jobs: NULL for the product's own table. */
MU_MUST_CHECK
int mu_jobs_create(const struct mu_jobs_config *config, const struct mu_job *jobs, size_t count,
                   struct mu_jobs **ret_jobs);
void mu_jobs_destroy(struct mu_jobs *jobs); /* NULL is a no-op */

MU_MUST_CHECK
int mu_jobs_start(struct mu_jobs *jobs);
/* The slice under way ends first; mu_database_shut makes that soon. Not started: a no-op. */
void mu_jobs_stop(struct mu_jobs *jobs);

/* Runs a slice of each that is due now, one after the other; ns until the next is. */
uint64_t mu_jobs_step(struct mu_jobs *jobs);

/* Due now; while a run is under way, once more after it. asked_by: the audit log's actor. Asked for
 * twice before it began is once, with one id. -ENOENT: no such job. */
MU_MUST_CHECK
int mu_jobs_run_now(struct mu_jobs *jobs, const char *name, const char *asked_by,
                    int64_t *ret_run_id);

/* The job with the most failures in a row; *ret_count 0 and "" when none fails. */
void mu_jobs_trouble(struct mu_jobs *jobs, uint32_t *ret_count, char ret_name[MU_JOB_NAME_BYTES]);

/* The control plane's way in; lives as long as jobs. */
void mu_jobs_desk(struct mu_jobs *jobs, struct mu_job_desk *ret_desk);

/* The product's own table. */
const struct mu_job *mu_jobs_table(size_t *ret_count);

#endif
