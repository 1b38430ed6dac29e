/* SPDX-License-Identifier: Apache-2.0 */
/*
 * offload.c - the queue, the workers, and the way back. What handlers see of a call: call.c.
 */
#include "http/offload.h"

#include <errno.h>
#include <pthread.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/assert.h"
#include "base/thread.h"
#include "http/call.h"
#include "http/private.h"
#include "muster/histogram.h"

/* Written by the worker alone. */
struct worker {
        alignas(MU_CACHELINE_BYTES) struct mu_offload *offload;
        pthread_t thread;
        struct mu_histogram *wait_ns;
        struct mu_histogram *run_ns;
        struct mu_cell done;
        struct mu_cell expired;
        struct mu_cell state_failed;
        void *state;
        bool has_state;
        bool started;
};

struct mu_offload {
        struct mu_offload_config config;
        struct worker *workers;
        pthread_mutex_t lock;
        pthread_cond_t wake;
        struct mu_call *head; /* next to run */
        struct mu_call **tail;
        uint32_t queued;
        bool running;     /* started, takes calls */
        bool stopping;    /* workers leave when the queue is empty */
        uint64_t stop_ns; /* while stopping: calls taken later are answered 503 */
        _Atomic uint32_t queued_seen;
        _Atomic uint64_t refused;
        _Atomic uint32_t streams;
};

static double read_queued(void *ctx)
{
        return mu_offload_queued(ctx);
}

static double read_refused(void *ctx)
{
        struct mu_offload *offload = ctx;

        return (double)atomic_load_explicit(&offload->refused, memory_order_relaxed);
}

uint32_t mu_offload_queued(const struct mu_offload *offload)
{
        return atomic_load_explicit(&offload->queued_seen, memory_order_relaxed);
}

static void register_metrics(struct mu_offload *offload)
{
        struct mu_metrics *metrics = offload->config.metrics;
        const struct mu_label *pool = MU_LABELS({"pool", offload->config.name});
        static const char calls[] = "muster_offload_jobs_total";
        static const char jobs_help[] = "Requests for the workers, by what became of them.";

        mu_metrics_gauge_fn(metrics, "muster_offload_queue", "Requests waiting for a worker.", pool,
                            read_queued, offload);
        mu_metrics_counter_fn(metrics, calls, jobs_help,
                              MU_LABELS({"pool", offload->config.name}, {"result", "refused"}),
                              read_refused, offload);
        for (uint32_t i = 0; i < offload->config.worker_count; i++) {
                struct worker *worker = &offload->workers[i];

                mu_metrics_counter(metrics, calls, jobs_help,
                                   MU_LABELS({"pool", offload->config.name}, {"result", "done"}),
                                   &worker->done);
                mu_metrics_counter(metrics, calls, jobs_help,
                                   MU_LABELS({"pool", offload->config.name}, {"result", "expired"}),
                                   &worker->expired);
                mu_metrics_counter(
                        metrics, calls, jobs_help,
                        MU_LABELS({"pool", offload->config.name}, {"result", "state_failed"}),
                        &worker->state_failed);
                mu_metrics_histogram(metrics, "muster_offload_wait_seconds",
                                     "Time a request waited for a worker.", pool, worker->wait_ns,
                                     1e-9, &mu_bounds_latency_s);
                mu_metrics_histogram(metrics, "muster_offload_run_seconds",
                                     "Time a worker spent on a request.", pool, worker->run_ns,
                                     1e-9, &mu_bounds_latency_s);
        }
}

int mu_offload_create(const struct mu_offload_config *config, struct mu_offload **ret_offload)
{
        if (config->worker_count < 1 || config->worker_count > MU_OFFLOAD_WORKERS_MAX ||
            config->queue_max < 1 || config->queue_max > MU_OFFLOAD_QUEUE_MAX || !config->name)
                return -EINVAL;
        struct mu_offload *offload = calloc(1, sizeof(*offload));
        if (!offload)
                return -ENOMEM;
        offload->config = *config;
        if (!offload->config.clock)
                offload->config.clock = mu_clock_system();
        offload->tail = &offload->head;
        pthread_mutex_init(&offload->lock, NULL);
        pthread_cond_init(&offload->wake, NULL);
        size_t bytes = config->worker_count * sizeof(struct worker);
        offload->workers = aligned_alloc(MU_CACHELINE_BYTES, bytes);
        int error = offload->workers ? 0 : -ENOMEM;
        if (offload->workers)
                memset(offload->workers, 0, bytes);
        for (uint32_t i = 0; !error && i < config->worker_count; i++) {
                offload->workers[i].offload = offload;
                error = mu_histogram_create(&offload->workers[i].wait_ns);
                if (!error)
                        error = mu_histogram_create(&offload->workers[i].run_ns);
        }
        if (error) {
                mu_offload_destroy(offload);
                return error;
        }
        if (config->metrics)
                register_metrics(offload);
        *ret_offload = offload;
        return 0;
}

void mu_offload_destroy(struct mu_offload *offload)
{
        if (!offload)
                return;
        MU_ASSERT(!offload->running && !offload->head);
        for (uint32_t i = 0; offload->workers && i < offload->config.worker_count; i++) {
                mu_histogram_destroy(offload->workers[i].wait_ns);
                mu_histogram_destroy(offload->workers[i].run_ns);
        }
        free(offload->workers);
        pthread_cond_destroy(&offload->wake);
        pthread_mutex_destroy(&offload->lock);
        free(offload);
}

/* ---- workers ---- */

/* NULL: time to leave. */
static struct mu_call *take_call(struct mu_offload *offload)
{
        pthread_mutex_lock(&offload->lock);
        while (!offload->head && !offload->stopping)
                pthread_cond_wait(&offload->wake, &offload->lock);
        struct mu_call *call = offload->head;
        if (call) {
                offload->head = call->next;
                if (!offload->head)
                        offload->tail = &offload->head;
                offload->queued--;
                atomic_store_explicit(&offload->queued_seen, offload->queued, memory_order_relaxed);
        }
        pthread_mutex_unlock(&offload->lock);
        return call;
}

static bool past_stop(struct mu_offload *offload, uint64_t now_ns)
{
        pthread_mutex_lock(&offload->lock);
        bool past = offload->stopping && now_ns >= offload->stop_ns;
        pthread_mutex_unlock(&offload->lock);
        return past;
}

static bool ensure_state(struct worker *worker)
{
        const struct mu_offload_config *config = &worker->offload->config;

        if (!worker->has_state)
                worker->has_state = !config->start_state ||
                                    config->start_state(config->ctx, &worker->state) == 0;
        return worker->has_state;
}

static void run_call(struct worker *worker, struct mu_call *call)
{
        const struct mu_offload_config *config = &worker->offload->config;
        uint64_t begin_ns = mu_clock_monotonic_ns(config->clock);
        uint64_t waited_ns = begin_ns - call->queued_ns;

        mu_histogram_record(worker->wait_ns, waited_ns);
        if (past_stop(worker->offload, begin_ns)) {
                mu_cell_add(&worker->expired, 1);
                mu_call_problem_retry(call, 503, "stopping", 5,
                                      "The server is stopping; send the request again.");
        } else if (waited_ns > (uint64_t)config->deadline_ms * (uint64_t)MU_NS_PER_MS) {
                mu_cell_add(&worker->expired, 1);
                mu_call_problem_retry(call, 503, "overloaded", 2,
                                      "No worker was free for %u ms; try again later.",
                                      config->deadline_ms);
        } else if (!ensure_state(worker)) {
                mu_cell_add(&worker->state_failed, 1);
                mu_call_problem_retry(call, 503, "database-unavailable", 5,
                                      "The database can't be reached; try again later.");
        } else {
                call->work(call, worker->state, call->ctx);
                mu_call_stream_leave(call);
                mu_cell_add(&worker->done, 1);
                mu_histogram_record(worker->run_ns,
                                    mu_clock_monotonic_ns(config->clock) - begin_ns);
        }
        if (!mu_call_replied(call))
                mu_call_problem(call, 500, "no-answer", NULL,
                                "The server has no answer to this request: a defect of it.");
        mu_call_deliver(call);
}

static void run_worker(void *context)
{
        struct worker *worker = context;
        const struct mu_offload_config *config = &worker->offload->config;

        /* At once, so that the first request does not pay for it; a failure is retried then. */
        (void)ensure_state(worker);
        for (struct mu_call *call; (call = take_call(worker->offload)) != NULL;)
                run_call(worker, call);
        if (worker->has_state && config->stop_state)
                config->stop_state(config->ctx, worker->state);
}

int mu_offload_start(struct mu_offload *offload)
{
        MU_ASSERT(!offload->running && !offload->stopping);
        offload->running = true;
        for (uint32_t i = 0; i < offload->config.worker_count; i++) {
                struct worker *worker = &offload->workers[i];
                int error =
                        mu_thread_start(offload->config.name, run_worker, worker, &worker->thread);

                if (error) {
                        mu_offload_stop(offload, 0);
                        return error;
                }
                worker->started = true;
        }
        return 0;
}

void mu_offload_stop(struct mu_offload *offload, uint32_t deadline_ms)
{
        pthread_mutex_lock(&offload->lock);
        offload->running = false;
        offload->stopping = true;
        offload->stop_ns = mu_clock_monotonic_ns(offload->config.clock) +
                           (uint64_t)deadline_ms * (uint64_t)MU_NS_PER_MS;
        pthread_cond_broadcast(&offload->wake);
        pthread_mutex_unlock(&offload->lock);
        for (uint32_t i = 0; i < offload->config.worker_count; i++) {
                if (offload->workers[i].started)
                        mu_thread_join(offload->workers[i].thread);
                offload->workers[i].started = false;
        }
}

bool mu_offload_enter_stream(struct mu_offload *offload)
{
        uint32_t streams_max = (offload->config.worker_count + 1) / 2;

        if (atomic_fetch_add_explicit(&offload->streams, 1, memory_order_relaxed) < streams_max)
                return true;
        mu_offload_leave_stream(offload);
        return false;
}

void mu_offload_leave_stream(struct mu_offload *offload)
{
        atomic_fetch_sub_explicit(&offload->streams, 1, memory_order_relaxed);
}

/* ---- from the loop ---- */

void mu_offload_request(struct mu_offload *offload, struct mu_request *request,
                        void (*work)(struct mu_call *call, void *state, void *ctx), void *ctx)
{
        MU_ASSERT(offload && work);
        struct mu_call *call = mu_call_create(request);
        bool taken = false;

        if (call) {
                call->work = work;
                call->ctx = ctx;
                call->offload = offload;
                call->queued_ns = mu_clock_monotonic_ns(offload->config.clock);
                call->pending = mu_request_defer(request);
                pthread_mutex_lock(&offload->lock);
                if (offload->running && offload->queued < offload->config.queue_max) {
                        *offload->tail = call;
                        offload->tail = &call->next;
                        offload->queued++;
                        atomic_store_explicit(&offload->queued_seen, offload->queued,
                                              memory_order_relaxed);
                        taken = true;
                        pthread_cond_signal(&offload->wake);
                }
                pthread_mutex_unlock(&offload->lock);
        }
        if (taken)
                return;
        mu_call_destroy(call);
        atomic_fetch_add_explicit(&offload->refused, 1, memory_order_relaxed);
        mu_reply_problem_retry(request, 503, "overloaded", 1,
                               "Too many requests are waiting already; try again shortly.");
}
