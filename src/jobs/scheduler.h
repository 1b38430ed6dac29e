/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scheduler.h - scheduled maintenance: one thread, jobs from a table, each under its advisory lock.
 *
 *   due ─▶ connection ─▶ lock ─▶ run ─▶ next = end + interval
 *             │            └ held by another process: skipped, next = end + interval
 *             └ failed, or run failed: tried again with backoff, never later than the interval
 *
 * Every job is due at start. A job must be repeatable: it may be cut off at any statement.
 *
 * Units      *_s; the clock's monotonic ns inside.
 * Threads    create, start, stop, destroy: one thread. The jobs run on the scheduler's own (or on
 *            the caller of step, while it is not started). on_run: the same.
 * Ownership  Database, clock, metrics and table are borrowed. destroy after the registry's destroy.
 * Errors     negative errno. A job's error is counted, handed to on_run and tried again.
 */
#ifndef MUSTER_JOBS_SCHEDULER_H
#define MUSTER_JOBS_SCHEDULER_H

#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "metrics/metrics.h"
#include "muster/compiler.h"
#include "pg/advisory_lock.h"
#include "pg/database.h"
#include "pg/query.h"

#define MU_JOBS_MAX 32

struct mu_control;

enum mu_job_outcome {
        MU_JOB_OK,
        MU_JOB_FAILED,
        MU_JOB_SKIPPED, /* another process has its lock */
        MU_JOB_OUTCOMES,
};

struct mu_jobs_config {
        struct mu_database *database;
        int64_t keep_audit_s;      /* 400 days */
        int64_t keep_security_s;   /* of security events; 90 days */
        const uint8_t *journal_id; /* 16 bytes; NULL: nothing is purged */
        const struct mu_clock *clock;
        struct mu_metrics *metrics;   /* NULL: none */
        uint32_t window_days;         /* how far back a heartbeat may lie; 7 */
        uint32_t ahead_days;          /* partitions made ahead; 7 */
        uint32_t keep_enrolment_days; /* of expired and revoked enrolment tokens; 30 */
        int64_t keep_commands_s;      /* of commands that are over; 90 days */
        struct mu_control
                *control; /* NULL: nobody is told of what a job changes, no deletion resumed */
        /* After each run. changed: what the job says it did; error: "" unless it failed. */
        void (*on_run)(void *context, const char *job, enum mu_job_outcome outcome,
                       uint64_t duration_us, uint64_t changed, const char *error);
        void *on_run_context;
};

struct mu_job {
        const char *name; /* [a-z_]+: the metrics' label */
        uint32_t interval_s;
        enum mu_lock lock;
        /* Negative errno: failed. ret_changed starts at 0. */
        int (*run)(const struct mu_jobs_config *config, struct mu_pg *pg, uint64_t *ret_changed);
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
/* The run under way ends first; mu_database_shut makes that soon. Not started: a no-op. */
void mu_jobs_stop(struct mu_jobs *jobs);

/* Runs what is due now, one after the other; ns until the next is. */
uint64_t mu_jobs_step(struct mu_jobs *jobs);

/* The product's own table. */
const struct mu_job *mu_jobs_table(size_t *ret_count);

#endif
