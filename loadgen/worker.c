/* SPDX-License-Identifier: Apache-2.0 */
#include "worker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "base/assert.h"
#include "clock.h"

#define TICK_NS (250 * MU_LG_NS_PER_MS)
#define WAIT_MAX_NS (50 * MU_LG_NS_PER_MS)
#define CQES_AT_ONCE 256u

static int open_connections(struct mu_lg_worker *worker)
{
        worker->conns = calloc(worker->conns_count, sizeof(*worker->conns));
        worker->free_stack = calloc(worker->conns_count, sizeof(*worker->free_stack));
        if (!worker->conns || !worker->free_stack)
                return mu_lg_worker_fail(worker, -ENOMEM, "no memory for %u connections",
                                         worker->conns_count);
        for (uint32_t i = 0; i < worker->conns_count; i++) {
                struct mu_lg_conn *conn = &worker->conns[i];

                conn->fd = -1;
                conn->index = i;
                mu_lg_reply_init(&conn->reply);
                mu_lg_conn_give(worker, conn);
        }
        return 0;
}

static int set_up(struct mu_lg_worker *worker)
{
        prctl(PR_SET_TIMERSLACK, 1UL); /* an intended moment is met to the microsecond */
        int r = mu_lg_stats_init(&worker->stats);

        if (r < 0)
                return mu_lg_worker_fail(worker, r, "out of memory");
        r = mu_lg_worker_ring_open(worker);
        if (r < 0)
                return r;
        if (worker->run->tls && mu_lg_tls_slot_create(&worker->tls_slot) < 0)
                return mu_lg_worker_fail(worker, -ENOMEM, "out of memory");
        return open_connections(worker);
}

static void clean_up(struct mu_lg_worker *worker)
{
        for (uint32_t i = 0; worker->conns && i < worker->conns_count; i++)
                mu_lg_conn_close(worker, &worker->conns[i]);
        /* The ring goes first: it may still refer to the connections' buffers. */
        mu_lg_worker_ring_close(worker);
        for (uint32_t i = 0; worker->conns && i < worker->conns_count; i++)
                mu_lg_conn_done(&worker->conns[i]);
        free(worker->conns);
        free(worker->free_stack);
        mu_lg_tls_slot_destroy(worker->tls_slot);
        worker->conns = NULL;
        worker->free_stack = NULL;
        worker->tls_slot = NULL;
}

static uint64_t thread_cpu_ns(void)
{
        struct rusage usage;

        getrusage(RUSAGE_THREAD, &usage);
        return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * MU_LG_NS_PER_S +
               (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000;
}

static int wait_for_completions(struct mu_lg_worker *worker, uint64_t until_ns)
{
        uint64_t now_ns = mu_lg_monotonic_ns();
        uint64_t wait_ns = until_ns > now_ns ? until_ns - now_ns : 0;
        struct io_uring_cqe *cqe;

        if (wait_ns > WAIT_MAX_NS)
                wait_ns = WAIT_MAX_NS;
        struct __kernel_timespec timeout = {.tv_sec = 0, .tv_nsec = (long long)wait_ns};
        int r = io_uring_submit_and_wait_timeout(&worker->ring, &cqe, 1, &timeout, NULL);

        if (r >= 0 || r == -ETIME || r == -EINTR || r == -EBUSY || r == -EAGAIN)
                return 0;
        return mu_lg_worker_fail(worker, r, "io_uring_enter: %s", strerror(-r));
}

static void reap(struct mu_lg_worker *worker)
{
        struct io_uring_cqe *cqes[CQES_AT_ONCE];
        unsigned count;

        do {
                count = io_uring_peek_batch_cqe(&worker->ring, cqes, CQES_AT_ONCE);
                for (unsigned i = 0; i < count; i++)
                        mu_lg_conn_complete(worker, cqes[i]);
                io_uring_cq_advance(&worker->ring, count);
                io_uring_buf_ring_advance(worker->buffers, (int)worker->buffers_returned);
                worker->buffers_returned = 0;
        } while (count == CQES_AT_ONCE);
}

static bool over(struct mu_lg_worker *worker, uint64_t now_ns)
{
        struct mu_lg_run *run = worker->run;

        if (worker->result < 0)
                return true;
        if (atomic_load_explicit(&run->interrupted, memory_order_relaxed))
                return true;
        /* What is under way is waited for: it has deadlines of its own. */
        return worker->busy_count == 0 && run->scenario->finished(worker, now_ns);
}

static void loop(struct mu_lg_worker *worker)
{
        const struct mu_lg_scenario *scenario = worker->run->scenario;
        uint64_t cpu_ns = thread_cpu_ns();

        worker->stats.start_ns = mu_lg_monotonic_ns();
        for (;;) {
                uint64_t now_ns = mu_lg_monotonic_ns();
                uint64_t due_ns = scenario->pump(worker, now_ns);

                if (over(worker, now_ns))
                        break;
                if (wait_for_completions(worker, due_ns) < 0)
                        break;
                reap(worker);
                if (now_ns - worker->tick_ns >= TICK_NS) {
                        worker->tick_ns = now_ns;
                        mu_lg_conn_expire(worker, mu_lg_monotonic_ns());
                }
        }
        worker->stats.end_ns = mu_lg_monotonic_ns();
        worker->stats.cpu_ns = thread_cpu_ns() - cpu_ns;
}

void mu_lg_worker_main(void *context)
{
        struct mu_lg_worker *worker = context;
        struct mu_lg_run *run = worker->run;
        bool started = false;

        if (set_up(worker) == 0) {
                started = true;
                int r = run->scenario->start(worker);
                if (r < 0 && worker->result == 0)
                        (void)mu_lg_worker_fail(worker, r, "out of memory");
        }
        if (worker->result < 0)
                atomic_store_explicit(&run->failed, true, memory_order_relaxed);
        pthread_barrier_wait(
                &run->ready); /* every worker has tried; the main thread sets the clock */
        pthread_barrier_wait(&run->go);
        if (!atomic_load_explicit(&run->failed, memory_order_relaxed))
                loop(worker);
        if (started)
                run->scenario->done(worker);
        clean_up(worker);
}
