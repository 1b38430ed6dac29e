/* SPDX-License-Identifier: Apache-2.0 */
/*
 * private.h - what the files of this folder share: server, loop, connection, request.
 *
 *   mu_server ─┬─ listening sockets, h2o's configuration, the count of open connections
 *              └─ mu_loop [loop_count]: h2o context, mailbox, connections, cells
 *                    └─ mu_connection (slots, reused, freed with the loop)
 *                          └─ mu_request: the one request in flight
 *
 * Lifetime of a request
 *   1. h2o calls on_request; the view is bound: request->h2o is set.
 *   2. A reply or the death of h2o's request unbinds it: h2o is NULL, number goes up. Every
 *      struct mu_pending with the old number is dead from that moment.
 *   3. h2o calls our logger whenever it disposes of a request, before its memory goes: that is
 *      where a request that dies unanswered is noticed, without an allocation per request.
 */
#ifndef MUSTER_HTTP_PRIVATE_H
#define MUSTER_HTTP_PRIVATE_H

#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>

#include <h2o.h>
#include <h2o/http1.h>

#include "base/random.h"
#include "http/cells.h"
#include "http/connection.h"
#include "http/limit.h"
#include "http/loop.h"
#include "http/reply.h"
#include "http/request.h"
#include "http/route.h"
#include "http/stream.h"
#include "http/tls.h"

/* A message to a loop; the owner embeds it. run is called once, on the loop (or by destroy). */
struct mu_mail {
        struct mu_mail *next;
        void (*run)(struct mu_mail *mail, struct mu_loop *loop);
};

struct mu_poll {
        h2o_socket_t *socket; /* NULL: not polled */
        int fd;
        void (*callback)(void *ctx);
        void *ctx;
};

#define MU_LOOP_FDS_MAX 8
struct mu_loop_listener {
        struct mu_loop *loop;
        h2o_socket_t *socket; /* NULL: not polled */
        struct mu_tls *tls;
        SSL_CTX *ssl_ctx; /* of generation ssl_generation */
        uint64_t ssl_generation;
        bool paused;
};

struct mu_loop {
        /* The loop's thread alone. */
        alignas(MU_CACHELINE_BYTES) h2o_context_t ctx;
        h2o_accept_ctx_t accept_ctx;
        struct mu_server *server;
        uint32_t index;
        void *user;
        int64_t now_us;
        uint64_t now_ns;
        void (*wait_begin)(void *ctx);
        void (*wait_end)(void *ctx);
        void *wait_ctx;
        struct mu_connection *connections; /* in use */
        struct mu_connection *free_connections;
        struct mu_connection_chunk *chunks;
        struct mu_loop_listener listeners[MU_LISTENERS_MAX];
        uint32_t listener_count;
        struct mu_poll polls[MU_LOOP_FDS_MAX];
        uint32_t poll_count;
        h2o_timeout_t ws_ping_timeout; /* websocket.c */
        h2o_timeout_t ws_close_timeout;
        h2o_timeout_t ws_stall_timeout;
        struct mu_timer *retry_accept;
        struct mu_timer *stop_tick;
        uint64_t stop_deadline_ns;
        uint64_t id_seed;
        uint64_t id_count;
        int reserve_fd;
        bool stopping;
        bool cut;  /* the deadline has passed */
        bool deaf; /* has let go of the listening sockets */
        struct mu_loop_cells cells;

        /* Mailbox: any thread. */
        alignas(MU_CACHELINE_BYTES) pthread_mutex_t mail_lock;
        struct mu_mail *mail_head;
        struct mu_mail **mail_tail;
        struct mu_poll mail_poll; /* the eventfd */
        bool mail_signalled;

        alignas(MU_CACHELINE_BYTES) _Atomic uint32_t
                connection_count;         /* assigned, also in the mail */
        _Atomic uint32_t ws_count;        /* of them upgraded: never idle */
        _Atomic uint32_t ws_posted_count; /* in the mail */
};

struct mu_server {
        struct mu_server_config config;
        h2o_globalconf_t globalconf;
        h2o_hostconf_t *hostconf;
        struct mu_loop *loops;
        uint32_t connections_max;
        struct {
                int fd;
                struct mu_tls *tls;
        } listeners[MU_LISTENERS_MAX];
        uint32_t listener_count;
        struct mu_address_counts *address_counts; /* NULL: no limit */
        _Atomic uint64_t stop_deadline_ns;        /* UINT64_MAX: running */
        _Atomic uint32_t listening_count; /* loops; the last one to stop closes the sockets */
        alignas(MU_CACHELINE_BYTES) _Atomic uint32_t connection_count;
};

/* loop.c */
MU_MUST_CHECK
int mu_loop_init(struct mu_loop *loop, struct mu_server *server, uint32_t index);
void mu_loop_done(struct mu_loop *loop);
void mu_loop_send(struct mu_loop *loop, struct mu_mail *mail); /* any thread */
h2o_socket_t *mu_loop_poll_start(struct mu_loop *loop, int fd, h2o_socket_cb callback, void *data);

/* connections.c */
MU_MUST_CHECK
int mu_loop_listeners_start(struct mu_loop *loop);
void mu_loop_listeners_stop(struct mu_loop *loop); /* takes what waits in the queue first */
void mu_loop_listeners_retry(void *loop);
void mu_connections_cut(struct mu_loop *loop);
void mu_connections_done(struct mu_loop *loop);
/* The connection of h2o's; its socket carries it. */
static inline struct mu_connection *mu_connection_of(h2o_conn_t *conn)
{
        return conn->callbacks->get_socket(conn)->on_close.data;
}
static inline struct mu_connection *mu_request_connection(const struct mu_request *request)
{
        return (struct mu_connection *)((const char *)request -
                                        offsetof(struct mu_connection, request));
}

/* dispatch.c */
void mu_dispatch_install(struct mu_server *server);
/* Counts the reply and unbinds the request, right before the reply goes to h2o; where to record how
 * long it took once it has gone. */
struct mu_histogram *mu_request_finish(struct mu_request *request, int status);

/* server_metrics.c */
MU_MUST_CHECK
int mu_loop_cells_create(struct mu_loop *loop, uint32_t route_count);
void mu_loop_cells_destroy(struct mu_loop *loop, uint32_t route_count);
void mu_server_metrics_register(struct mu_server *server);

/* request.c */
struct mu_slice mu_headers_find(const h2o_headers_t *headers, const char *name, size_t bytes);

#endif
