/* SPDX-License-Identifier: Apache-2.0 */
/*
 * job_desk.h - what the control plane asks of the jobs: a list, a run now, how a run went.
 *
 * The jobs lie above control/; jobs/scheduler.h fills this in (mu_jobs_desk).
 *
 * Units      *_us since the Unix epoch; 0: none.
 * Threads    any, without waiting for PostgreSQL or for a run. Ownership: what is returned is the
 *            caller's copy; ctx outlives the callers.
 * Errors     negative errno.
 */
#ifndef MUSTER_CONTROL_JOB_JOB_DESK_H
#define MUSTER_CONTROL_JOB_JOB_DESK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
        MU_JOB_NAME_BYTES = 32,
        MU_JOB_ACTOR_BYTES = 96,
        MU_JOB_ERROR_BYTES = 384,
};

/* A run: from its first slice to its last. */
struct mu_job_run {
        int64_t id; /* also when it was asked for or due, in us */
        int64_t started_at_us;
        int64_t finished_at_us;
        uint64_t changed;
        const char *state; /* waiting, running, ok, failed, skipped */
        char job[MU_JOB_NAME_BYTES];
        char asked_by[MU_JOB_ACTOR_BYTES]; /* "": it was due */
        char error[MU_JOB_ERROR_BYTES];
};

struct mu_job_facts {
        const char *name;
        const char *doc;
        uint32_t interval_s;
        uint32_t failures_in_a_row;
        int64_t due_at_us;      /* 0: only when asked for */
        struct mu_job_run last; /* ended; id 0: none since the start */
        struct mu_job_run now;  /* waiting or running; id 0: none */
};

struct mu_job_desk {
        /* Up to room of them; how many there are. */
        size_t (*list)(void *ctx, struct mu_job_facts *ret_facts, size_t room);
        /* As mu_jobs_run_now. -ENOENT: no such job. */
        int (*run_now)(void *ctx, const char *name, const char *asked_by, int64_t *ret_run_id);
        /* Among those that wait or run, and each job's last. */
        bool (*find_run)(void *ctx, int64_t run_id, struct mu_job_run *ret_run);
        void *ctx;
};

#endif
