/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop.h - frontends: h2o event loops, one thread each, that share their listening sockets.
 *
 *   create(loops) ─ listen ─ routes sealed ─ each thread: mu_loop_run ─ stop ─ destroy
 *
 * Accepting  Every loop polls the same listening sockets; whoever wakes accepts, and hands the
 *            connection to the loop with the fewest open ones (itself while it is not more than
 *            MU_LOOP_SPREAD ahead). So 256 keep-alive connections spread evenly, which neither the
 *            hash of SO_REUSEPORT nor the last-in-first-out wake-up of EPOLLEXCLUSIVE gives, and no
 *            connection dies in the queue of a loop that has stopped.
 * Units      *_us, *_ms. received time: wall clock, us.
 * Threads    mu_server_*: the thread that owns the server, except stop (any thread, also several
 *            times). mu_loop_* with a loop: that loop's thread, or before run; mu_loop_post: any.
 * Ordering   Posted calls of one thread run in order.
 * Ownership  The server owns loops, connections and listening sockets. Routes, TLS, metrics and
 *            offload pools are lent until destroy.
 * Process    create raises the soft descriptor limit to the hard one; run blocks SIGPIPE in its
 * thread. Errors     negative errno; listen also a sentence.
 */
#ifndef MUSTER_HTTP_LOOP_H
#define MUSTER_HTTP_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "metrics/metrics.h"
#include "muster/compiler.h"

struct mu_server;
struct mu_loop;
struct mu_router;
struct mu_offload;
struct mu_tls;
struct mu_proxies;
struct mu_origins;

enum mu_loop_limits {
        MU_LOOPS_MAX = 64,
        MU_LISTENERS_MAX = 8,
        MU_LOOP_SPREAD = 1,       /* connections a loop may be ahead before it hands over */
        MU_LISTEN_BACKLOG = 4096, /* the kernel cuts it to net.core.somaxconn */
        MU_LISTEN_ERROR_BYTES = 256,
};

struct mu_server_config {
        uint32_t loop_count;            /* 1..MU_LOOPS_MAX */
        uint32_t handshake_timeout_ms;  /* TLS, from accept */
        uint32_t idle_timeout_ms;       /* between requests, until the next one's first byte */
        uint32_t request_timeout_ms;    /* head and body together, from the first byte */
        uint32_t write_timeout_ms;      /* a reply of which the peer acknowledges nothing more */
        uint32_t websocket_ping_ms;     /* between pings; the answer's deadline too */
        uint32_t websocket_close_ms;    /* for the peer's close, before the connection is cut */
        uint32_t body_bytes_max;        /* of any route; 413 above */
        uint64_t body_memory_bytes_max; /* of all bodies above 4 KiB, per loop; 503; 0: no bound */
        uint32_t connections_max;       /* 0: from the descriptor limit */
        uint32_t connections_per_address; /* 0: no limit (a fleet sits behind one NAT) */
        uint32_t reserved_descriptors;    /* kept free for PostgreSQL, journal and files */
        const struct mu_clock *clock;     /* NULL: the system's. Times replies; h2o has its own */
        struct mu_metrics *metrics;       /* NULL: not registered */
        const struct mu_router *router;   /* sealed */
        struct mu_offload *control; /* for MU_ROUTE_CONTROL routes; NULL when there are none */
        struct mu_offload *probe;   /* for MU_ROUTE_PROBE routes; NULL when there are none */
        const char *server_name;    /* the Server header; NULL: none */
        const struct mu_proxies *trusted_proxies; /* proxy.h; NULL: X-Forwarded-* is ignored */
        const struct mu_origins *cors_origins;    /* origin.h; NULL: this origin's pages only */
};

/* Filled with what the daemon uses when nothing is configured. */
void mu_server_config_init(struct mu_server_config *config);

/* 0, or -EINVAL, -ENOMEM, -EMFILE, ... */
MU_MUST_CHECK
int mu_server_create(const struct mu_server_config *config, struct mu_server **ret_server);
/* Every loop's run has returned (or never started). NULL is a no-op. */
void mu_server_destroy(struct mu_server *server);

/* Binds and listens on address ("127.0.0.1", "::", "0.0.0.0") and port (0: any); tls NULL: plain
 * HTTP. Before the loops run. 0 and the port, or a negative errno and a sentence in error (which
 * has MU_LISTEN_ERROR_BYTES). */
MU_MUST_CHECK
int mu_server_listen(struct mu_server *server, const char *address, uint16_t port,
                     struct mu_tls *tls, uint16_t *ret_port, char *error);

/* index < loop_count. */
struct mu_loop *mu_server_loop(struct mu_server *server, uint32_t index);

/* Graceful: no more accepting, idle connections closed, busy ones after the reply in flight; what
 * is left after deadline_ms is cut. Calling it again with less makes the deadline earlier. Any
 * thread; not a signal handler. */
void mu_server_stop(struct mu_server *server, uint32_t deadline_ms);

/* Serves until stopped and every connection is gone. 0 or a negative errno. */
MU_MUST_CHECK
int mu_loop_run(struct mu_loop *loop);

uint32_t mu_loop_index(const struct mu_loop *loop);
uint32_t mu_loop_connection_count(const struct mu_loop *loop); /* any thread */
bool mu_loop_stopping(const struct mu_loop *loop);

/* What handlers on this loop need (a frontend): set before run. */
void mu_loop_set_user(struct mu_loop *loop, void *user);
void *mu_loop_user(const struct mu_loop *loop);

/* Wall clock and monotonic clock as of this iteration's wake-up: one reading for every request
 * of it. */
int64_t mu_loop_now_us(const struct mu_loop *loop);
uint64_t mu_loop_monotonic_ns(const struct mu_loop *loop);
/* Read now. */
uint64_t mu_loop_monotonic_exact_ns(const struct mu_loop *loop);

/* begin: right before the loop may block; end: right after, before any callback. Either NULL.
 * (A quiescent-state reader goes offline and online here.) Before run. */
void mu_loop_set_wait_hooks(struct mu_loop *loop, void (*begin)(void *ctx), void (*end)(void *ctx),
                            void *ctx);

/* Calls back on the loop whenever fd is readable (an eventfd; the callback drains it). The fd stays
 * the caller's; it is let go when the loop's run ends. 0 or -ENOSPC. Before run. */
MU_MUST_CHECK
int mu_loop_add_fd(struct mu_loop *loop, int fd, void (*callback)(void *ctx), void *ctx);

/* Runs call(ctx) on the loop, soon. After the loop's run has ended it is run by destroy. Any
 * thread. 0 or -ENOMEM. */
MU_MUST_CHECK
int mu_loop_post(struct mu_loop *loop, void (*call)(void *ctx), void *ctx);

/* A one-shot timer of fixed delay; start again from the callback for a period. Loop thread. */
struct mu_timer;
MU_MUST_CHECK
int mu_timer_create(struct mu_loop *loop, uint32_t delay_ms, void (*callback)(void *ctx), void *ctx,
                    struct mu_timer **ret_timer);
void mu_timer_start(struct mu_timer *timer); /* restarts a running one */
void mu_timer_stop(struct mu_timer *timer);
void mu_timer_destroy(struct mu_timer *timer); /* NULL is a no-op */

#endif
