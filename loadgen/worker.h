/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker.h - a thread of the generator: one io_uring, a slice of the devices, its connections.
 *
 *   scenario: what to send and when          pump ──▶ mu_lg_conn_send
 *   worker:   connect, TLS, send, receive, parse, time out       │
 *   scenario: what the answer means          on_reply / on_failure ◀──┘
 *
 * A connection is taken from the worker's free ones (warm before cold), filled (conn->out), sent,
 * and comes back by itself before the scenario hears the result: at that moment conn->request still
 * says what was asked and conn->reply what was answered, until the connection is sent again.
 *
 * Units      _ns monotonic.
 * Threads    Everything here belongs to the worker's own thread; the run is read-only meanwhile.
 * Ownership  The worker owns connections, ring and stats; the scenario its state.
 * Errors     negative errno; a worker that can't go on stops with a sentence in worker->error.
 */
#ifndef LOADGEN_WORKER_H
#define LOADGEN_WORKER_H

#include <liburing.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/random.h"
#include "device.h"
#include "muster/compiler.h"
#include "options.h"
#include "reply.h"
#include "stats.h"
#include "tls.h"
#include "url.h"

#define MU_LG_NONE UINT32_MAX
#define MU_LG_BUFFER_GROUP 0

enum mu_lg_conn_state {
        MU_LG_CONN_CLOSED,
        MU_LG_CONN_CONNECTING,
        MU_LG_CONN_HANDSHAKE,
        MU_LG_CONN_IDLE,
        MU_LG_CONN_BUSY,
};

struct mu_lg_request {
        uint64_t intended_ns;
        uint64_t sent_ns;
        uint64_t deadline_ns;
        uint32_t device; /* index in the fleet */
        uint32_t bucket;
        uint32_t tag; /* the scenario's */
};

struct mu_lg_conn {
        int fd;
        uint32_t index;
        uint32_t generation; /* tells completions of an earlier socket in this place */
        enum mu_lg_conn_state state;
        bool receiving; /* a multishot recv is armed */
        bool sending;   /* a send whose completion we wait for */
        bool reused;    /* carried an answer before */
        bool opened_once;
        bool close_after; /* one request per connection */
        bool is_free;
        bool raw;   /* the bytes are deliberately bad: no automatic retry */
        bool bound; /* belongs to one device: never among the free ones */
        char *out;
        uint32_t out_bytes;
        uint32_t out_capacity_bytes;
        size_t keep_body_max_bytes;
        struct mu_lg_tls *tls;
        char *wire; /* ciphertext under way */
        struct mu_lg_request request;
        struct mu_lg_reply reply;
        void *context; /* the scenario's */
};

struct mu_lg_worker;

struct mu_lg_scenario {
        const char *name;
        int (*start)(struct mu_lg_worker *worker);
        /* Sends what is due; when to be called next at the latest. */
        uint64_t (*pump)(struct mu_lg_worker *worker, uint64_t now_ns);
        void (*on_reply)(struct mu_lg_worker *worker, struct mu_lg_conn *conn, uint64_t now_ns);
        void (*on_failure)(struct mu_lg_worker *worker, struct mu_lg_conn *conn,
                           enum mu_lg_failure failure, uint64_t now_ns);
        /* Nothing left to send (what is under way is still waited for). */
        bool (*finished)(struct mu_lg_worker *worker, uint64_t now_ns);
        void (*done)(struct mu_lg_worker *worker); /* also after a failed start */
};

/* What all workers share. */
struct mu_lg_run {
        const struct mu_lg_options *options;
        const struct mu_lg_scenario *scenario;
        struct mu_lg_fleet *fleet;
        struct mu_lg_url url;
        struct mu_lg_tls_context *tls;
        uint64_t start_ns;
        uint64_t end_ns; /* MU_LG_NEVER: the scenario ends itself */
        uint64_t start_wall_ms;
        uint32_t boot; /* random, part of every boot_id of this run */
        uint32_t threads_count;
        uint32_t sources_count; /* local addresses to connect from; 0: the kernel's choice */
        pthread_barrier_t ready;
        pthread_barrier_t go;
        _Atomic bool interrupted;
        _Atomic bool failed; /* a worker could not start */
};

struct mu_lg_worker {
        struct mu_lg_run *run;
        uint32_t index;
        uint32_t device_first;
        uint32_t devices_count;
        pthread_t thread;

        struct io_uring ring;
        bool ring_open;
        struct io_uring_buf_ring *buffers;
        char *buffer_memory;
        uint32_t buffers_returned;

        struct mu_lg_conn *conns;
        uint32_t conns_count;
        uint32_t *free_stack;
        uint32_t free_count;
        uint32_t busy_count;
        uint64_t tick_ns;
        struct mu_lg_tls_slot *tls_slot;

        struct mu_random random;
        struct mu_lg_stats stats;
        void *state; /* the scenario's */
        int result;
        char error[MU_LG_ERROR_BYTES];
};

/* Runs in the worker's thread: set up, wait for go, loop, clean up. */
void mu_lg_worker_main(void *worker);
/* Sockets and buffers: worker_ring.c. */
MU_MUST_CHECK
int mu_lg_worker_ring_open(struct mu_lg_worker *worker);
void mu_lg_worker_ring_close(struct mu_lg_worker *worker);
struct io_uring_sqe *mu_lg_worker_sqe(struct mu_lg_worker *worker);
void mu_lg_worker_buffer_return(struct mu_lg_worker *worker, uint32_t id);
const char *mu_lg_worker_buffer(const struct mu_lg_worker *worker, uint32_t id);

MU_PRINTF(3, 4)
int mu_lg_worker_fail(struct mu_lg_worker *worker, int error, const char *format, ...);

/* A free connection, an open one first; NULL when all are busy. */
struct mu_lg_conn *mu_lg_conn_take(struct mu_lg_worker *worker);
/* Unused after all. */
void mu_lg_conn_give(struct mu_lg_worker *worker, struct mu_lg_conn *conn);
/* Room for bytes in conn->out; false without memory. */
MU_MUST_CHECK
bool mu_lg_conn_reserve(struct mu_lg_conn *conn, uint32_t bytes);
/* conn->out and conn->request (all but sent_ns and deadline_ns) are filled in. Opens the
 * connection first where needed. Failures come through on_failure, never from here. */
void mu_lg_conn_send(struct mu_lg_worker *worker, struct mu_lg_conn *conn, uint64_t now_ns);
void mu_lg_conn_close(struct mu_lg_worker *worker, struct mu_lg_conn *conn);
/* For bad clients: more bytes of a busy connection (they must stay where they are), our side's end,
 * or leaving without hearing the answer. */
void mu_lg_conn_send_more(struct mu_lg_worker *worker, struct mu_lg_conn *conn, const char *data,
                          uint32_t bytes);
void mu_lg_conn_half_close(struct mu_lg_conn *conn);
void mu_lg_conn_abandon(struct mu_lg_worker *worker, struct mu_lg_conn *conn);
void mu_lg_conn_done(struct mu_lg_conn *conn);
/* A completion of the ring. */
void mu_lg_conn_complete(struct mu_lg_worker *worker, const struct io_uring_cqe *cqe);
/* Ends requests past their deadline. */
void mu_lg_conn_expire(struct mu_lg_worker *worker, uint64_t now_ns);

static inline struct mu_lg_device *mu_lg_worker_device(struct mu_lg_worker *worker, uint32_t index)
{
        return &worker->run->fleet->devices[index];
}

/* The wall clock at a monotonic moment of the run, without asking the kernel. */
static inline uint64_t mu_lg_run_wall_ms(const struct mu_lg_run *run, uint64_t now_ns)
{
        return run->start_wall_ms + (now_ns - run->start_ns) / 1000000;
}

static inline struct mu_lg_slot *mu_lg_worker_slot(struct mu_lg_worker *worker, uint64_t now_ns)
{
        return mu_lg_series_slot(&worker->stats.series, now_ns - worker->run->start_ns);
}

#endif
