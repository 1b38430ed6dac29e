/* SPDX-License-Identifier: Apache-2.0 */
#include "run.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/thread.h"
#include "clock.h"
#include "progress.h"
#include "schedule.h"

#define WATCH_EVERY_US 100000u
#define CONNECTIONS_A_SOURCE 2000u
#define SOURCES_MAX 100u

/* The one thing a signal handler may touch. */
static volatile sig_atomic_t interrupts;

void mu_lg_run_interrupt(void)
{
        if (++interrupts > 1)
                _exit(130);
}

bool mu_lg_run_was_interrupted(void)
{
        return interrupts > 0;
}

struct crew {
        struct mu_lg_run run;
        struct mu_lg_worker *workers;
        uint32_t started_count;
        _Atomic uint32_t ended_count;
};

struct job {
        struct crew *crew;
        struct mu_lg_worker *worker;
};

static void worker_main(void *context)
{
        struct job *job = context;

        mu_lg_worker_main(job->worker);
        atomic_fetch_add_explicit(&job->crew->ended_count, 1, memory_order_release);
}

static void divide_devices(struct crew *crew, const struct mu_lg_run_plan *plan)
{
        uint32_t next = 0;

        for (uint32_t w = 0; w < crew->run.threads_count; w++) {
                struct mu_lg_worker *worker = &crew->workers[w];
                uint32_t conns =
                        (uint32_t)mu_lg_share(plan->connections_count, crew->run.threads_count, w);

                worker->run = &crew->run;
                worker->index = w;
                worker->device_first = next;
                worker->devices_count =
                        (uint32_t)mu_lg_share(plan->fleet->count, crew->run.threads_count, w);
                worker->conns_count = conns > 0 ? conns : 1;
                mu_random_seed(&worker->random, plan->options->seed + w);
                next += worker->devices_count;
        }
}

static void watch(struct crew *crew, const struct mu_lg_run_plan *plan)
{
        struct mu_lg_progress progress;

        mu_lg_progress_init(&progress, plan->label, plan->options->quiet);
        progress.start_ns = crew->run.start_ns;
        progress.end_ns = crew->run.end_ns;
        progress.expected = plan->expected;
        while (atomic_load_explicit(&crew->ended_count, memory_order_acquire) <
               crew->started_count) {
                struct mu_lg_progress_now now = {0};

                if (interrupts)
                        atomic_store_explicit(&crew->run.interrupted, true, memory_order_relaxed);
                usleep(WATCH_EVERY_US);
                for (uint32_t w = 0; w < crew->run.threads_count; w++) {
                        const struct mu_lg_stats *stats = &crew->workers[w].stats;
                        uint64_t p99_ns = mu_histogram_percentile(stats->latency, 99.0);

                        now.answered += mu_lg_get(&stats->counters.answered);
                        now.acknowledged += mu_lg_get(&stats->counters.acknowledged);
                        now.duplicate += mu_lg_get(&stats->counters.duplicate);
                        now.shed += mu_lg_get(&stats->counters.shed);
                        now.rejected += mu_lg_get(&stats->counters.rejected);
                        now.failed += mu_lg_failures_total(&stats->counters);
                        if (p99_ns > now.latency_p99_ns)
                                now.latency_p99_ns = p99_ns;
                }
                mu_lg_progress_show(&progress, &now, mu_lg_monotonic_ns());
        }
        mu_lg_progress_end(&progress);
}

static int start_workers(struct crew *crew, struct job *jobs)
{
        uint32_t threads = crew->run.threads_count;

        /* A thread that can't be had would leave the others waiting at the barrier: there is no
         * going on without it. */
        for (uint32_t w = 0; w < threads; w++) {
                char name[MU_THREAD_NAME_BYTES];

                snprintf(name, sizeof(name), "load-%u", w);
                jobs[w] = (struct job){.crew = crew, .worker = &crew->workers[w]};
                int r = mu_thread_start(name, worker_main, &jobs[w], &crew->workers[w].thread);
                MU_ASSERT(r == 0);
                crew->started_count++;
        }
        pthread_barrier_wait(&crew->run.ready);
        return 0;
}

static void set_clock(struct mu_lg_run *run, uint64_t duration_ns)
{
        run->start_ns = mu_lg_monotonic_ns();
        run->start_wall_ms = mu_lg_wall_ms();
        run->end_ns = duration_ns ? run->start_ns + duration_ns : MU_LG_NEVER;
}

static int collect(struct crew *crew, struct mu_lg_stats *stats, char *error, size_t error_bytes)
{
        int result = 0;

        for (uint32_t w = 0; w < crew->run.threads_count; w++) {
                struct mu_lg_worker *worker = &crew->workers[w];

                if (worker->stats.latency)
                        mu_lg_stats_merge(stats, &worker->stats);
                if (worker->stats.start_ns &&
                    (stats->start_ns == 0 || worker->stats.start_ns < stats->start_ns))
                        stats->start_ns = worker->stats.start_ns;
                if (worker->stats.end_ns > stats->end_ns)
                        stats->end_ns = worker->stats.end_ns;
                if (worker->result < 0 && result == 0) {
                        result = worker->result;
                        snprintf(error, error_bytes, "%s", worker->error);
                }
                mu_lg_stats_done(&worker->stats);
        }
        return result;
}

static int run_crew(struct crew *crew, const struct mu_lg_run_plan *plan, struct job *jobs,
                    struct mu_lg_stats *stats, char *error, size_t error_bytes)
{
        divide_devices(crew, plan);
        pthread_barrier_init(&crew->run.ready, NULL, crew->run.threads_count + 1);
        pthread_barrier_init(&crew->run.go, NULL, crew->run.threads_count + 1);
        int r = start_workers(crew, jobs);
        MU_ASSERT(r == 0);
        set_clock(&crew->run, plan->duration_ns);
        pthread_barrier_wait(&crew->run.go);
        if (!atomic_load_explicit(&crew->run.failed, memory_order_relaxed))
                watch(crew, plan);
        for (uint32_t w = 0; w < crew->run.threads_count; w++)
                mu_thread_join(crew->workers[w].thread);
        pthread_barrier_destroy(&crew->run.ready);
        pthread_barrier_destroy(&crew->run.go);
        return collect(crew, stats, error, error_bytes);
}

/* Past half the ephemeral ports the kernel's search for a free one costs more than the connection.
 * All of 127/8 is this machine: towards it many connections come from many addresses. */
static uint32_t count_sources(const struct mu_lg_run_plan *plan)
{
        const struct sockaddr_in *address = (const struct sockaddr_in *)&plan->url->address;

        if (address->sin_family != AF_INET || ntohl(address->sin_addr.s_addr) >> 24 != 127)
                return 0;
        uint32_t sources = plan->connections_count / CONNECTIONS_A_SOURCE;

        return sources < SOURCES_MAX ? sources : SOURCES_MAX;
}

int mu_lg_run_execute(const struct mu_lg_run_plan *plan, struct mu_lg_stats *ret_stats, char *error,
                      size_t error_bytes)
{
        uint32_t threads = (uint32_t)plan->options->threads_count;
        struct crew *crew = calloc(1, sizeof(*crew));
        struct mu_lg_worker *workers = calloc(threads, sizeof(*workers));
        struct job *jobs = calloc(threads, sizeof(*jobs));
        struct mu_lg_stats stats;
        int r = crew && workers && jobs ? mu_lg_stats_init(&stats) : -ENOMEM;

        if (r < 0) {
                snprintf(error, error_bytes, "out of memory");
                goto out;
        }
        crew->workers = workers;
        crew->run.options = plan->options;
        crew->run.scenario = plan->scenario;
        crew->run.fleet = plan->fleet;
        crew->run.url = *plan->url;
        crew->run.tls = plan->tls;
        crew->run.boot = plan->boot;
        crew->run.threads_count = threads;
        crew->run.sources_count = count_sources(plan);
        r = run_crew(crew, plan, jobs, &stats, error, error_bytes);
        if (r < 0)
                mu_lg_stats_done(&stats);
        else
                *ret_stats = stats;
out:
        free(jobs);
        free(workers);
        free(crew);
        return r;
}
