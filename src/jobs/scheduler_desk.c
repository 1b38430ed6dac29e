/* SPDX-License-Identifier: Apache-2.0 */
/* scheduler_desk.c - what other threads ask of the scheduler. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "jobs/scheduler_private.h"

static struct mu_job_slot *find(struct mu_jobs *jobs, const char *name)
{
        for (size_t i = 0; i < jobs->count; i++)
                if (strcmp(jobs->slots[i].job->name, name) == 0)
                        return &jobs->slots[i];
        return NULL;
}

int mu_jobs_run_now(struct mu_jobs *jobs, const char *name, const char *asked_by,
                    int64_t *ret_run_id)
{
        struct mu_job_slot *slot = find(jobs, name);

        if (!slot)
                return -ENOENT;
        pthread_mutex_lock(&jobs->mutex);
        /* One that runs may have passed what the asker changed. */
        struct mu_job_run *run = slot->now.started_at_us == 0 ? &slot->now : &slot->next;

        if (run->id == 0)
                (void)mu_jobs_open_run(jobs, slot->job, asked_by, run);
        else if (run->asked_by[0] == '\0')
                (void)snprintf(run->asked_by, sizeof(run->asked_by), "%s", asked_by);
        *ret_run_id = run->id;
        jobs->woken = true;
        pthread_cond_broadcast(&jobs->changed);
        pthread_mutex_unlock(&jobs->mutex);
        return 0;
}

void mu_jobs_trouble(struct mu_jobs *jobs, uint32_t *ret_count, char ret_name[MU_JOB_NAME_BYTES])
{
        uint64_t most = 0;

        ret_name[0] = '\0';
        for (size_t i = 0; i < jobs->count; i++) {
                uint64_t failures = mu_cell_get(&jobs->slots[i].failures);

                if (failures <= most)
                        continue;
                most = failures;
                (void)snprintf(ret_name, MU_JOB_NAME_BYTES, "%s", jobs->slots[i].job->name);
        }
        *ret_count = most < UINT32_MAX ? (uint32_t)most : UINT32_MAX;
}

/* Under the mutex. */
static int64_t due_at_us(const struct mu_jobs *jobs, const struct mu_job_slot *slot)
{
        uint64_t now_ns = mu_clock_monotonic_ns(jobs->config.clock);
        int64_t now_us = mu_clock_realtime_us(jobs->config.clock);
        uint64_t due_ns = atomic_load_explicit(&slot->due_ns, memory_order_relaxed);
        int64_t by_interval_us = MU_JOB_NEVER;

        if (due_ns != UINT64_MAX)
                by_interval_us =
                        now_us + (due_ns > now_ns
                                          ? (int64_t)((due_ns - now_ns) / (uint64_t)MU_NS_PER_US)
                                          : 0);
        int64_t at_us = by_interval_us < slot->due_at_us ? by_interval_us : slot->due_at_us;

        return at_us == MU_JOB_NEVER ? 0 : at_us;
}

static size_t list(void *ctx, struct mu_job_facts *ret_facts, size_t room)
{
        struct mu_jobs *jobs = ctx;

        pthread_mutex_lock(&jobs->mutex);
        for (size_t i = 0; i < jobs->count && i < room; i++) {
                const struct mu_job_slot *slot = &jobs->slots[i];

                ret_facts[i] = (struct mu_job_facts){
                        .name = slot->job->name,
                        .doc = slot->job->doc ? slot->job->doc : "",
                        .interval_s = slot->job->interval_s,
                        .failures_in_a_row = (uint32_t)mu_cell_get(&slot->failures),
                        .due_at_us = due_at_us(jobs, slot),
                        .last = slot->last,
                        .now = slot->now,
                };
        }
        pthread_mutex_unlock(&jobs->mutex);
        return jobs->count;
}

static int run_now(void *ctx, const char *name, const char *asked_by, int64_t *ret_run_id)
{
        return mu_jobs_run_now(ctx, name, asked_by, ret_run_id);
}

static bool find_run(void *ctx, int64_t run_id, struct mu_job_run *ret_run)
{
        struct mu_jobs *jobs = ctx;
        bool found = false;

        MU_ASSERT(run_id != 0);
        pthread_mutex_lock(&jobs->mutex);
        for (size_t i = 0; i < jobs->count && !found; i++) {
                const struct mu_job_slot *slot = &jobs->slots[i];

                const struct mu_job_run *const runs[] = {&slot->now, &slot->next, &slot->last};

                for (size_t j = 0; j < MU_COUNT_OF(runs) && !found; j++) {
                        found = runs[j]->id == run_id;
                        if (found)
                                *ret_run = *runs[j];
                }
        }
        pthread_mutex_unlock(&jobs->mutex);
        return found;
}

void mu_jobs_desk(struct mu_jobs *jobs, struct mu_job_desk *ret_desk)
{
        *ret_desk = (struct mu_job_desk){
                .list = list, .run_now = run_now, .find_run = find_run, .ctx = jobs};
}
