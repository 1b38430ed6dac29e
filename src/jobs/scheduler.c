/* SPDX-License-Identifier: Apache-2.0 */
#include "jobs/scheduler.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/thread.h"
#include "base/wait.h"
#include "jobs/scheduler_private.h"

enum {
        CONNECTION_WAIT_MS = 5000,
        RETRY_BASE_MS = 1000,
        RETRY_CAP_MS = 5 * 60 * 1000,
        RETRY_OWN_BASE_MS = 60 * 1000, /* of jobs with their own times: they are long */
        RECORD_INTERVAL_MIN_S = 30,    /* what a job does more often than that is in its metrics */
        RECORD_RETRY_S = 5,
};

struct slice {
        enum mu_job_outcome outcome;
        bool again;
        uint64_t changed;
        struct mu_pg_error error;
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
                .keep_alerts_s = 400 * MU_S_PER_DAY,
        };
}

static void register_metrics(struct mu_metrics *metrics, struct mu_job_slot *slot)
{
        static const char *const outcomes[] = {"ok", "failed", "skipped", "database_away"};
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
        mu_metrics_counter(metrics, "muster_job_changed_total",
                           "What a job's runs changed: rows, partitions, as the job counts.",
                           MU_LABELS({"job", name}), &slot->changed);
        mu_metrics_gauge(metrics, "muster_job_running", "1 while a run of the job is under way.",
                         MU_LABELS({"job", name}), &slot->running);
        mu_metrics_gauge(metrics, "muster_job_failures_in_a_row",
                         "Failed runs of a job since it last ended well.", MU_LABELS({"job", name}),
                         &slot->failures);
        mu_metrics_histogram(metrics, "muster_job_duration_seconds",
                             "Time a job's run took, from its first slice to the end of its last.",
                             MU_LABELS({"job", name}), slot->duration_us, 1e-6,
                             &mu_bounds_wide_s);
}

static int64_t own_time(const struct mu_jobs *jobs, const struct mu_job *job)
{
        return job->due_at_us
                       ? job->due_at_us(&jobs->config, mu_clock_realtime_us(jobs->config.clock))
                       : MU_JOB_NEVER;
}

static int add_job(struct mu_jobs *jobs, const struct mu_job *job)
{
        struct mu_job_slot *slot = &jobs->slots[jobs->count];
        uint64_t cap_ms = job->interval_s * (uint64_t)MU_MS_PER_S;

        MU_ASSERT(jobs->count < MU_JOBS_MAX && job->interval_s > 0);
        MU_ASSERT(strlen(job->name) < MU_JOB_NAME_BYTES);
        uint32_t base_ms = job->due_at_us ? RETRY_OWN_BASE_MS : RETRY_BASE_MS;

        if (!job->due_at_us && cap_ms > RETRY_CAP_MS)
                cap_ms = RETRY_CAP_MS;
        if (cap_ms < base_ms)
                cap_ms = base_ms;
        slot->job = job;
        slot->due_ns = job->due_at_us ? UINT64_MAX : mu_clock_monotonic_ns(jobs->config.clock);
        slot->due_at_us = own_time(jobs, job);
        slot->record_at_ns = UINT64_MAX;
        mu_backoff_init(&slot->backoff, base_ms,
                        cap_ms < UINT32_MAX ? (uint32_t)cap_ms : UINT32_MAX);
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
        jobs->config.reconcile = &jobs->reconcile;
        pthread_mutex_init(&jobs->mutex, NULL);
        mu_wait_init(&jobs->changed);
        int err = mu_random_seed_from_system(&jobs->random);

        for (size_t i = 0; i < count && !err; i++)
                err = add_job(jobs, &jobs_or_null[i]);
        if (err) {
                mu_jobs_destroy(jobs);
                return err;
        }
        if (config->metrics)
                mu_reconcile_register(config->metrics, &jobs->reconcile);
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

int64_t mu_jobs_open_run(struct mu_jobs *jobs, const struct mu_job *job, const char *asked_by,
                         struct mu_job_run *ret_run)
{
        int64_t id = mu_clock_realtime_us(jobs->config.clock);

        if (id <= jobs->last_id)
                id = jobs->last_id + 1;
        jobs->last_id = id;
        *ret_run = (struct mu_job_run){.id = id, .state = "waiting"};
        (void)snprintf(ret_run->job, sizeof(ret_run->job), "%s", job->name);
        (void)snprintf(ret_run->asked_by, sizeof(ret_run->asked_by), "%s", asked_by);
        return id;
}

/* ---- a slice ---- */

static bool is_away(int err)
{
        return err == -ENOTCONN || err == -EHOSTDOWN || err == -ECANCELED;
}

/* Under its lock. */
static int run_locked(struct mu_jobs *jobs, const struct mu_job *job, struct mu_pg *pg,
                      struct slice *slice)
{
        bool taken;
        int err = mu_advisory_lock_try(pg, job->lock, &taken);

        if (err < 0) {
                slice->error = *mu_pg_last_error(pg);
                return err;
        }
        if (!taken) {
                slice->outcome = MU_JOB_SKIPPED;
                mu_pg_error_format(&slice->error, "55P03", "Another process is at it.");
                return 0;
        }
        err = job->run(&jobs->config, pg, &slice->changed);
        slice->error = *mu_pg_last_error(pg);
        mu_advisory_lock_release(pg, job->lock);
        return err;
}

static void run_slice(struct mu_jobs *jobs, const struct mu_job *job, struct slice *slice)
{
        struct mu_pg *pg;

        *slice = (struct slice){.outcome = MU_JOB_OK};
        mu_pg_error_clear(&slice->error);
        if (mu_database_acquire(jobs->config.database, CONNECTION_WAIT_MS, &pg, &slice->error) <
            0) {
                slice->outcome = MU_JOB_AWAY;
                return;
        }
        int err = run_locked(jobs, job, pg, slice);

        mu_database_release(jobs->config.database, pg);
        slice->again = err == MU_JOB_AGAIN;
        if (err == MU_JOB_IDLE)
                slice->outcome = MU_JOB_SKIPPED;
        if (err >= 0)
                return;
        slice->outcome = is_away(err) ? MU_JOB_AWAY : MU_JOB_FAILED;
        if (slice->error.text[0] == '\0')
                mu_pg_error_format(&slice->error, "XX000", "%s", strerror(-err));
}

/* ---- a run's end ---- */

static void schedule(struct mu_jobs *jobs, struct mu_job_slot *slot, enum mu_job_outcome outcome,
                     uint64_t end_ns)
{
        uint64_t pause_ns = 0;

        if (outcome == MU_JOB_FAILED || outcome == MU_JOB_AWAY)
                pause_ns =
                        mu_backoff_next_ms(&slot->backoff, &jobs->random) * (uint64_t)MU_NS_PER_MS;
        else
                mu_backoff_reset(&slot->backoff);
        slot->not_before_ns = end_ns + pause_ns;
        if (outcome == MU_JOB_AWAY)
                return;
        if (slot->job->due_at_us)
                slot->due_ns = outcome == MU_JOB_FAILED && slot->due_at_us != MU_JOB_NEVER
                                       ? end_ns + pause_ns
                                       : UINT64_MAX;
        else
                slot->due_ns = outcome == MU_JOB_FAILED
                                       ? end_ns + pause_ns
                                       : end_ns + slot->job->interval_s * (uint64_t)MU_NS_PER_S;
}

static bool is_worth_a_line(const struct mu_job *job, const struct mu_job_run *run,
                            enum mu_job_outcome outcome)
{
        return outcome == MU_JOB_FAILED || run->asked_by[0] != '\0' ||
               (run->changed > 0 && job->interval_s >= RECORD_INTERVAL_MIN_S);
}

static void record_run(struct mu_jobs *jobs, struct mu_job_slot *slot, const struct mu_job_run *run)
{
        struct mu_pg *pg;

        if (mu_database_acquire(jobs->config.database, CONNECTION_WAIT_MS, &pg, NULL) < 0) {
                slot->record_at_ns = mu_clock_monotonic_ns(jobs->config.clock) +
                                     RECORD_RETRY_S * (uint64_t)MU_NS_PER_S;
                return;
        }
        int err = mu_jobs_record(pg, run);

        mu_database_release(jobs->config.database, pg);
        slot->record_at_ns = err < 0 ? mu_clock_monotonic_ns(jobs->config.clock) +
                                               RECORD_RETRY_S * (uint64_t)MU_NS_PER_S
                                     : UINT64_MAX;
}

/* The run is now the last one; who is told that it ended finds it in job_runs. */
static void close_run(struct mu_jobs *jobs, struct mu_job_slot *slot, const struct slice *slice)
{
        static const char *const states[] = {"ok", "failed", "skipped"};
        int64_t now_us = mu_clock_realtime_us(jobs->config.clock);
        struct mu_job_run ended = slot->now; /* this thread alone changes it while it runs */

        ended.finished_at_us = now_us;
        ended.state = states[slice->outcome];
        (void)snprintf(ended.error, sizeof(ended.error), "%s",
                       slice->outcome == MU_JOB_OK ? "" : slice->error.text);
        if (is_worth_a_line(slot->job, &ended, slice->outcome))
                record_run(jobs, slot, &ended);
        mu_cell_set(&slot->last_run_s, (uint64_t)(now_us / MU_US_PER_S));
        if (slice->outcome == MU_JOB_OK) {
                mu_cell_set(&slot->last_success_s, (uint64_t)(now_us / MU_US_PER_S));
                mu_cell_set(&slot->failures, 0);
        } else if (slice->outcome == MU_JOB_FAILED) {
                mu_cell_add(&slot->failures, 1);
        }
        pthread_mutex_lock(&jobs->mutex);
        slot->last = ended;
        slot->now = slot->next;
        slot->next = (struct mu_job_run){0};
        if (slot->job->due_at_us)
                slot->due_at_us = own_time(jobs, slot->job);
        pthread_mutex_unlock(&jobs->mutex);
}

/* The slice belongs to the run that waits or is under way, or to a new one. */
static void begin_slice(struct mu_jobs *jobs, struct mu_job_slot *slot)
{
        pthread_mutex_lock(&jobs->mutex);
        if (slot->now.id == 0)
                (void)mu_jobs_open_run(jobs, slot->job, "", &slot->now);
        if (slot->now.started_at_us == 0) {
                slot->now.started_at_us = mu_clock_realtime_us(jobs->config.clock);
                slot->began_ns = mu_clock_monotonic_ns(jobs->config.clock);
        }
        slot->now.state = "running";
        pthread_mutex_unlock(&jobs->mutex);
        mu_cell_set(&slot->running, 1);
}

static void pause_run(struct mu_jobs *jobs, struct mu_job_slot *slot)
{
        pthread_mutex_lock(&jobs->mutex);
        slot->now.state = "waiting";
        pthread_mutex_unlock(&jobs->mutex);
        mu_cell_set(&slot->running, 0);
}

static void run_slot(struct mu_jobs *jobs, struct mu_job_slot *slot)
{
        const struct mu_clock *clock = jobs->config.clock;
        struct slice slice;

        begin_slice(jobs, slot);
        run_slice(jobs, slot->job, &slice);
        uint64_t end_ns = mu_clock_monotonic_ns(clock);
        uint64_t duration_us = (end_ns - slot->began_ns) / (uint64_t)MU_NS_PER_US;

        mu_cell_add(&slot->changed, slice.changed);
        pthread_mutex_lock(&jobs->mutex);
        slot->now.changed += slice.changed;
        uint64_t changed = slot->now.changed;

        pthread_mutex_unlock(&jobs->mutex);
        if (slice.again) {
                slot->not_before_ns = end_ns + slot->job->again_ms * (uint64_t)MU_NS_PER_MS;
                return; /* no success yet: what fails in its last slice keeps its pauses */
        }
        mu_cell_add(&slot->runs[slice.outcome], 1);
        if (slice.outcome == MU_JOB_AWAY) {
                pause_run(jobs, slot);
        } else {
                mu_cell_set(&slot->running, 0);
                mu_histogram_record(slot->duration_us, duration_us);
                close_run(jobs, slot, &slice);
        }
        schedule(jobs, slot, slice.outcome, end_ns);
        if (jobs->config.on_run)
                jobs->config.on_run(jobs->config.on_run_context, slot->job->name, slice.outcome,
                                    duration_us, changed,
                                    slice.outcome == MU_JOB_FAILED ? slice.error.text : "");
}

/* ---- what is due ---- */

/* When the slot is due next, on the monotonic clock. */
static uint64_t due_ns(struct mu_jobs *jobs, struct mu_job_slot *slot)
{
        uint64_t now_ns = mu_clock_monotonic_ns(jobs->config.clock);
        int64_t now_us = mu_clock_realtime_us(jobs->config.clock);
        uint64_t at_ns = slot->due_ns;

        pthread_mutex_lock(&jobs->mutex);
        bool asked = slot->now.id != 0;

        if (slot->due_at_us > now_us)
                slot->due_at_us = own_time(jobs, slot->job);
        int64_t own_us = slot->due_at_us;

        pthread_mutex_unlock(&jobs->mutex);
        if (asked)
                at_ns = 0;
        else if (own_us <= now_us)
                at_ns = now_ns < at_ns ? now_ns : at_ns;
        else if (own_us != MU_JOB_NEVER &&
                 now_ns + (uint64_t)(own_us - now_us) * (uint64_t)MU_NS_PER_US < at_ns)
                at_ns = now_ns + (uint64_t)(own_us - now_us) * (uint64_t)MU_NS_PER_US;
        return at_ns > slot->not_before_ns ? at_ns : slot->not_before_ns;
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
        const struct mu_clock *clock = jobs->config.clock;
        uint64_t next_ns = UINT64_MAX;

        for (size_t i = 0; i < jobs->count && !is_stopping(jobs); i++) {
                struct mu_job_slot *slot = &jobs->slots[i];

                if (due_ns(jobs, slot) <= mu_clock_monotonic_ns(clock))
                        run_slot(jobs, slot);
                if (slot->record_at_ns <= mu_clock_monotonic_ns(clock))
                        record_run(jobs, slot, &slot->last);
                uint64_t due = due_ns(jobs, slot);

                next_ns = due < next_ns ? due : next_ns;
                next_ns = slot->record_at_ns < next_ns ? slot->record_at_ns : next_ns;
        }
        uint64_t now_ns = mu_clock_monotonic_ns(clock);

        return next_ns > now_ns ? next_ns - now_ns : 0;
}

/* Until the next is due, a minute at most: the clock may be stepped through a suspend. */
static void wait_due(struct mu_jobs *jobs, uint64_t wait_ns)
{
        uint64_t wait_ms = wait_ns / (uint64_t)MU_NS_PER_MS + 1;
        uint64_t deadline_ns = mu_wait_deadline_ns(wait_ms < 60000 ? wait_ms : 60000);

        pthread_mutex_lock(&jobs->mutex);
        while (!jobs->stopping && !jobs->woken &&
               mu_wait_until(&jobs->changed, &jobs->mutex, deadline_ns))
                ;
        jobs->woken = false;
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
