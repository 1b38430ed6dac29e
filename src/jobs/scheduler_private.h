/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scheduler_private.h - the inside of struct mu_jobs, for scheduler*.c.
 *
 * Threads    the mutex guards stopping, woken, last_id and each slot's now, next, last and
 * due_at_us; the rest is the scheduler thread's. It alone changes now.state from waiting on.
 */
#ifndef MUSTER_JOBS_SCHEDULER_PRIVATE_H
#define MUSTER_JOBS_SCHEDULER_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/backoff.h"
#include "base/random.h"
#include "jobs/reconcile.h"
#include "jobs/scheduler.h"

struct mu_job_slot {
        const struct mu_job *job;
        _Atomic uint64_t due_ns; /* by the interval, or a failed run's next try; UINT64_MAX: none */
        uint64_t not_before_ns;  /* a pause, or between two slices */
        uint64_t began_ns;       /* the run under way */
        uint64_t record_at_ns; /* when last is to be recorded; UINT64_MAX: it is, or need not be */
        int64_t due_at_us;     /* the job's own time; MU_JOB_NEVER without */
        struct mu_backoff backoff;
        struct mu_job_run now;  /* waiting or running; id 0: none */
        struct mu_job_run next; /* asked for while that one runs; id 0: none */
        struct mu_job_run last; /* ended; id 0: none */
        struct mu_cell runs[MU_JOB_OUTCOMES];
        struct mu_cell last_run_s; /* wall clock; 0: never */
        struct mu_cell last_success_s;
        struct mu_cell changed;
        struct mu_cell running;
        struct mu_cell failures; /* in a row */
        struct mu_histogram *duration_us;
};

struct mu_jobs {
        struct mu_jobs_config config;
        struct mu_random random;
        pthread_t thread;
        bool started;
        pthread_mutex_t mutex;
        pthread_cond_t changed;
        bool stopping;
        bool woken; /* a run was asked for */
        int64_t last_id;
        size_t count;
        struct mu_reconcile_cells reconcile;
        struct mu_job_slot slots[MU_JOBS_MAX];
};

/* A run that is to begin: its id. Under the mutex. asked_by "": it is due. */
int64_t mu_jobs_open_run(struct mu_jobs *jobs, const struct mu_job *job, const char *asked_by,
                         struct mu_job_run *ret_run);

/* scheduler_record.c: writes slot->last to job_runs. */
MU_MUST_CHECK
int mu_jobs_record(struct mu_pg *pg, const struct mu_job_run *run);

#endif
