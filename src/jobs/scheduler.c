/* SPDX-License-Identifier: Apache-2.0 */
#include "jobs/scheduler.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/backoff.h"
#include "base/random.h"
#include "base/thread.h"
#include "base/wait.h"

enum {
        CONNECTION_WAIT_MS = 5000,
        RETRY_BASE_MS = 1000,
        RETRY_CAP_MS = 5 * 60 * 1000,
};

struct slot {
        const struct mu_job *job;
        uint64_t due_ns;
        struct mu_backoff backoff;
        struct mu_cell runs[MU_JOB_OUTCOMES];
        struct mu_cell last_run_s; /* wall clock; 0: never */
        struct mu_cell last_success_s;
        struct mu_histogram *duration_us;
};

struct mu_jobs {
        struct mu_jobs_config config;
        struct mu_random random;
        pthread_t thread;
        bool started;
        pthread_mutex_t mutex; /* for stopping */
        pthread_cond_t changed;
        bool stopping;
        size_t count;
        struct slot slots[MU_JOBS_MAX];
};

void mu_jobs_config_init(struct mu_jobs_config *config, struct mu_database *database)
{
        *config = (struct mu_jobs_config){
                .database = database,
                .clock = mu_clock_system(),
                .window_days = 7,
                .ahead_days = 7,
                .keep_enrolment_days = 30,
                .keep_commands_s = 90 * MU_S_PER_DAY,
                .keep_audit_s = 400 * MU_S_PER_DAY,
                .keep_security_s = 90 * MU_S_PER_DAY,
        };
}

static void register_metrics(struct mu_metrics *metrics, struct slot *slot)
{
        static const char *const outcomes[] = {"ok", "failed", "skipped"};
        const char *name = slot->job->name;

        for (size_t i = 0; i < MU_COUNT_OF(outcomes); i++)
                mu_metrics_counter(metrics, "muster_job_runs_total",
                                   "Runs of scheduled maintenance, by how they ended.",
                                   MU_LABELS({"job", name}, {"outcome", outcomes[i]}),
                                   &slot->runs[i]);
        mu_metrics_gauge(metrics, "muster_job_last_run_timestamp_seconds",
                         "When a job last ended, however; 0 before its first run.",
                         MU_LABELS({"job", name}), &slot->last_run_s);
        mu_metrics_gauge(metrics, "muster_job_last_success_timestamp_seconds",
                         "When a job last ended well; 0 before.", MU_LABELS({"job", name}),
                         &slot->last_success_s);
        mu_metrics_histogram(metrics, "muster_job_duration_seconds",
                             "Time a job's run took, waiting for a connection included.",
                             MU_LABELS({"job", name}), slot->duration_us, 1e-6,
                             &mu_bounds_latency_s);
}

static int add_job(struct mu_jobs *jobs, const struct mu_job *job)
{
        struct slot *slot = &jobs->slots[jobs->count];
        uint64_t interval_ms = job->interval_s * (uint64_t)MU_MS_PER_S;
        uint32_t cap_ms = interval_ms < RETRY_CAP_MS ? (uint32_t)interval_ms : RETRY_CAP_MS;

        MU_ASSERT(jobs->count < MU_JOBS_MAX && job->interval_s > 0);
        slot->job = job;
        slot->due_ns = mu_clock_monotonic_ns(jobs->config.clock);
        mu_backoff_init(&slot->backoff, RETRY_BASE_MS, cap_ms);
        jobs->count++;
        return mu_histogram_create(&slot->duration_us);
}

int mu_jobs_create(const struct mu_jobs_config *config, const struct mu_job *jobs_or_null,
                   size_t count, struct mu_jobs **ret_jobs)
{
        struct mu_jobs *jobs = calloc(1, sizeof(*jobs));

        if (!jobs)
                return -ENOMEM;
        if (!jobs_or_null)
                jobs_or_null = mu_jobs_table(&count);
        jobs->config = *config;
        pthread_mutex_init(&jobs->mutex, NULL);
        mu_wait_init(&jobs->changed);
        int err = mu_random_seed_from_system(&jobs->random);

        for (size_t i = 0; i < count && !err; i++)
                err = add_job(jobs, &jobs_or_null[i]);
        if (err) {
                mu_jobs_destroy(jobs);
                return err;
        }
        for (size_t i = 0; i < count && config->metrics; i++)
                register_metrics(config->metrics, &jobs->slots[i]);
        *ret_jobs = jobs;
        return 0;
}

void mu_jobs_destroy(struct mu_jobs *jobs)
{
        if (!jobs)
                return;
        MU_ASSERT(!jobs->started);
        for (size_t i = 0; i < jobs->count; i++)
                mu_histogram_destroy(jobs->slots[i].duration_us);
        pthread_cond_destroy(&jobs->changed);
        pthread_mutex_destroy(&jobs->mutex);
        free(jobs);
}

/* The run itself, under its lock. */
static enum mu_job_outcome run_locked(struct mu_jobs *jobs, const struct mu_job *job,
                                      struct mu_pg *pg, uint64_t *ret_changed,
                                      struct mu_pg_error *ret_error)
{
        bool taken;
        int err = mu_advisory_lock_try(pg, job->lock, &taken);

        if (!err && !taken)
                return MU_JOB_SKIPPED;
        if (!err) {
                err = job->run(&jobs->config, pg, ret_changed);
                *ret_error = *mu_pg_last_error(pg);
                mu_advisory_lock_release(pg, job->lock);
        } else {
                *ret_error = *mu_pg_last_error(pg);
        }
        if (err && ret_error->text[0] == '\0')
                mu_pg_error_format(ret_error, "XX000", "%s", strerror(-err));
        return err ? MU_JOB_FAILED : MU_JOB_OK;
}

static enum mu_job_outcome run_job(struct mu_jobs *jobs, const struct mu_job *job,
                                   uint64_t *ret_changed, struct mu_pg_error *ret_error)
{
        struct mu_pg *pg;
        int err = mu_database_acquire(jobs->config.database, CONNECTION_WAIT_MS, &pg, ret_error);

        if (err)
                return MU_JOB_FAILED;
        enum mu_job_outcome outcome = run_locked(jobs, job, pg, ret_changed, ret_error);

        mu_database_release(jobs->config.database, pg);
        return outcome;
}

static void run_slot(struct mu_jobs *jobs, struct slot *slot)
{
        const struct mu_clock *clock = jobs->config.clock;
        uint64_t start_ns = mu_clock_monotonic_ns(clock);
        struct mu_pg_error error;
        uint64_t changed = 0;

        mu_pg_error_clear(&error);
        enum mu_job_outcome outcome = run_job(jobs, slot->job, &changed, &error);
        uint64_t end_ns = mu_clock_monotonic_ns(clock);
        uint64_t duration_us = (end_ns - start_ns) / (uint64_t)MU_NS_PER_US;
        uint64_t now_s = (uint64_t)(mu_clock_realtime_us(clock) / MU_US_PER_S);

        mu_cell_add(&slot->runs[outcome], 1);
        mu_cell_set(&slot->last_run_s, now_s);
        mu_histogram_record(slot->duration_us, duration_us);
        if (outcome == MU_JOB_FAILED) {
                slot->due_ns = end_ns + mu_backoff_next_ms(&slot->backoff, &jobs->random) *
                                                (uint64_t)MU_NS_PER_MS;
        } else {
                mu_backoff_reset(&slot->backoff);
                slot->due_ns = end_ns + slot->job->interval_s * (uint64_t)MU_NS_PER_S;
        }
        if (outcome == MU_JOB_OK)
                mu_cell_set(&slot->last_success_s, now_s);
        if (jobs->config.on_run)
                jobs->config.on_run(jobs->config.on_run_context, slot->job->name, outcome,
                                    duration_us, changed,
                                    outcome == MU_JOB_FAILED ? error.text : "");
}

static bool is_stopping(struct mu_jobs *jobs)
{
        pthread_mutex_lock(&jobs->mutex);
        bool stopping = jobs->stopping;

        pthread_mutex_unlock(&jobs->mutex);
        return stopping;
}

uint64_t mu_jobs_step(struct mu_jobs *jobs)
{
        uint64_t next_ns = UINT64_MAX;

        for (size_t i = 0; i < jobs->count && !is_stopping(jobs); i++) {
                struct slot *slot = &jobs->slots[i];

                if (slot->due_ns <= mu_clock_monotonic_ns(jobs->config.clock))
                        run_slot(jobs, slot);
                if (slot->due_ns < next_ns)
                        next_ns = slot->due_ns;
        }
        uint64_t now_ns = mu_clock_monotonic_ns(jobs->config.clock);

        return next_ns > now_ns ? next_ns - now_ns : 0;
}

/* Until the next is due, a minute at most: the clock may be stepped through a suspend. */
static void wait_due(struct mu_jobs *jobs, uint64_t wait_ns)
{
        uint64_t wait_ms = wait_ns / (uint64_t)MU_NS_PER_MS + 1;
        uint64_t deadline_ns = mu_wait_deadline_ns(wait_ms < 60000 ? wait_ms : 60000);

        pthread_mutex_lock(&jobs->mutex);
        while (!jobs->stopping && mu_wait_until(&jobs->changed, &jobs->mutex, deadline_ns))
                ;
        pthread_mutex_unlock(&jobs->mutex);
}

static void run(void *context)
{
        struct mu_jobs *jobs = context;

        while (!is_stopping(jobs))
                wait_due(jobs, mu_jobs_step(jobs));
}

int mu_jobs_start(struct mu_jobs *jobs)
{
        MU_ASSERT(!jobs->started && !jobs->stopping);
        int err = mu_thread_start("jobs", run, jobs, &jobs->thread);

        jobs->started = err == 0;
        return err;
}

void mu_jobs_stop(struct mu_jobs *jobs)
{
        if (!jobs->started)
                return;
        pthread_mutex_lock(&jobs->mutex);
        jobs->stopping = true;
        pthread_cond_broadcast(&jobs->changed);
        pthread_mutex_unlock(&jobs->mutex);
        mu_thread_join(jobs->thread);
        jobs->started = false;
}
