/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connections.c - from accept to close: spreading over the loops, the cap, TLS handshakes.
 *
 * The count of a loop includes connections on their way to it, so that two loops that accept at
 * the same time see each other's choice. At the cap the oldest idle keep-alive connection is
 * closed for the new one; when every connection is busy the new one is closed.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "http/private.h"
#include "muster/histogram.h"

/* Accepted per wake-up: the others get their turn, and so do the requests. */
#define ACCEPT_BATCH 64

struct handover {
        struct mu_mail mail;
        struct mu_address address;
        uint32_t listener;
        int fd;
};

/* ---- slots ---- */

static struct mu_connection *take_slot(struct mu_loop *loop)
{
        if (!loop->free_connections) {
                struct mu_connection_chunk *chunk = calloc(1, sizeof(*chunk));

                if (!chunk)
                        return NULL;
                chunk->next = loop->chunks;
                loop->chunks = chunk;
                for (size_t i = MU_CONNECTION_CHUNK; i-- > 0;) {
                        chunk->slots[i].loop = loop;
                        chunk->slots[i].request.number = 1; /* 0 is no handle */
                        chunk->slots[i].ws_number = 1;
                        chunk->slots[i].next = loop->free_connections;
                        loop->free_connections = &chunk->slots[i];
                }
        }
        struct mu_connection *connection = loop->free_connections;

        loop->free_connections = connection->next;
        connection->previous = NULL;
        connection->next = loop->connections;
        if (loop->connections)
                loop->connections->previous = connection;
        loop->connections = connection;
        return connection;
}

static void give_slot_back(struct mu_connection *connection)
{
        struct mu_loop *loop = connection->loop;

        if (connection->previous)
                connection->previous->next = connection->next;
        else
                loop->connections = connection->next;
        if (connection->next)
                connection->next->previous = connection->previous;
        connection->state = MU_CONNECTION_FREE;
        connection->socket = NULL;
        connection->previous = NULL;
        connection->next = loop->free_connections;
        loop->free_connections = connection;
}

void mu_connections_done(struct mu_loop *loop)
{
        MU_ASSERT(!loop->connections);
        while (loop->chunks) {
                struct mu_connection_chunk *next = loop->chunks->next;

                free(loop->chunks);
                loop->chunks = next;
        }
        loop->free_connections = NULL;
}

/* ---- counting ---- */

static void count_in(struct mu_loop *loop)
{
        atomic_fetch_add_explicit(&loop->connection_count, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&loop->server->connection_count, 1, memory_order_relaxed);
}

static void count_out(struct mu_loop *loop, struct mu_address address)
{
        atomic_fetch_sub_explicit(&loop->connection_count, 1, memory_order_relaxed);
        atomic_fetch_sub_explicit(&loop->server->connection_count, 1, memory_order_relaxed);
        if (loop->server->address_counts)
                mu_address_counts_leave(loop->server->address_counts, address);
}

static bool above_cap(const struct mu_server *server)
{
        return atomic_load_explicit(&server->connection_count, memory_order_relaxed) >
               server->connections_max;
}

static bool evict_idle(struct mu_loop *loop)
{
        if (h2o_http1_close_idle_connections(&loop->ctx, 1) == 0)
                return false;
        mu_cell_add(&loop->cells.evicted, 1);
        return true;
}

/* Those that may be between two requests. */
static uint32_t http_count(const struct mu_loop *loop)
{
        uint32_t all = mu_loop_connection_count(loop);
        uint32_t upgraded = atomic_load_explicit(&loop->ws_count, memory_order_relaxed);

        return all > upgraded ? all - upgraded : 0; /* two readings: they may not fit together */
}

static bool has_idle(struct mu_loop *loop)
{
        return !h2o_linklist_is_empty(&loop->ctx.http1.idle_timeout._entries);
}

/* ---- one connection ---- */

static void on_close(void *data)
{
        struct mu_connection *connection = data;
        struct mu_loop *loop = connection->loop;

        MU_ASSERT(!connection->request.h2o && !connection->stream);
        h2o_timeout_unlink(&connection->handshake_timer);
        SSL_CTX_free(connection->handshake_ctx);
        connection->handshake_ctx = NULL;
        mu_cell_set(&loop->cells.open, mu_cell_get(&loop->cells.open) - 1);
        count_out(loop, connection->address);
        give_slot_back(connection);
}

static enum mu_tls_failure failure_of_library(void)
{
        switch (ERR_GET_REASON(ERR_peek_last_error())) {
        case SSL_R_UNSUPPORTED_PROTOCOL:
        case SSL_R_WRONG_VERSION_NUMBER:
        case SSL_R_NO_SUPPORTED_VERSIONS_ENABLED:
        case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
                return MU_TLS_FAILED_VERSION;
        case SSL_R_NO_SHARED_CIPHER:
        case SSL_R_NO_SHARED_GROUP:
        case SSL_R_NO_COMMON_SIGNATURE_ALGORITHMS:
        case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:
                return MU_TLS_FAILED_CIPHER;
        case SSL_R_NO_APPLICATION_PROTOCOL:
                return MU_TLS_FAILED_ALPN;
        case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
        case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
        case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
        case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
                return MU_TLS_FAILED_CERTIFICATE_REFUSED;
        case SSL_R_HTTP_REQUEST:
        case SSL_R_HTTPS_PROXY_REQUEST:
                return MU_TLS_FAILED_NOT_TLS;
        default:
                return MU_TLS_FAILED_OTHER;
        }
}

static void on_handshake(h2o_socket_t *socket, const char *error)
{
        struct mu_connection *connection = socket->on_close.data;
        struct mu_loop *loop = connection->loop;

        h2o_timeout_unlink(&connection->handshake_timer);
        if (error) {
                enum mu_tls_failure why =
                        error == h2o_socket_error_closed || error == h2o_socket_error_io
                                ? MU_TLS_FAILED_CLOSED
                                : failure_of_library();

                mu_cell_add(&loop->cells.tls_failed[why], 1);
                ERR_clear_error();
                h2o_socket_close(socket);
                return;
        }
        SSL_CTX_free(connection->handshake_ctx);
        connection->handshake_ctx = NULL;
        mu_cell_add(h2o_socket_get_ssl_session_reused(socket) == 1 ? &loop->cells.tls_resumed
                                                                   : &loop->cells.tls_full,
                    1);
        mu_histogram_record(loop->cells.handshake_ns,
                            mu_loop_monotonic_exact_ns(loop) - connection->accepted_ns);
        connection->state = MU_CONNECTION_OPEN;
        h2o_http1_accept(&loop->accept_ctx, socket, *h2o_get_timestamp(&loop->ctx, NULL, NULL));
}

static void on_handshake_timeout(h2o_timeout_entry_t *entry)
{
        struct mu_connection *connection =
                H2O_STRUCT_FROM_MEMBER(struct mu_connection, handshake_timer, entry);

        mu_cell_add(&connection->loop->cells.tls_failed[MU_TLS_FAILED_TIMEOUT], 1);
        h2o_socket_close(connection->socket);
}

/* The listener's context, fetched anew after a reload only. */
static SSL_CTX *current_ssl_ctx(struct mu_loop_listener *listener)
{
        if (!listener->ssl_ctx || listener->ssl_generation != mu_tls_generation(listener->tls)) {
                SSL_CTX_free(listener->ssl_ctx);
                listener->ssl_ctx = mu_tls_acquire(listener->tls, &listener->ssl_generation);
        }
        SSL_CTX_up_ref(listener->ssl_ctx);
        return listener->ssl_ctx;
}

static void refuse(struct mu_loop *loop, int fd, struct mu_address address, struct mu_cell *counter)
{
        mu_cell_add(counter, 1);
        close(fd);
        count_out(loop, address);
}

/* fd is counted already. */
static void adopt(struct mu_loop *loop, int fd, struct mu_address address,
                  struct mu_loop_listener *listener)
{
        while (above_cap(loop->server)) {
                if (!evict_idle(loop)) {
                        refuse(loop, fd, address, &loop->cells.refused);
                        return;
                }
        }
        struct mu_connection *connection = take_slot(loop);
        if (!connection) {
                refuse(loop, fd, address, &loop->cells.refused);
                return;
        }
        h2o_socket_t *socket = h2o_evloop_socket_create(loop->ctx.loop, fd,
                                                        H2O_SOCKET_FLAG_IS_ACCEPTED_CONNECTION);
        socket->on_close.cb = on_close;
        socket->on_close.data = connection;
        connection->socket = socket;
        connection->address = address;
        connection->tls = listener->tls != NULL;
        connection->handshake_timer = (h2o_timeout_entry_t){.cb = on_handshake_timeout};
        mu_cell_add(&loop->cells.accepted, 1);
        mu_cell_add(&loop->cells.open, 1);
        if (listener->tls) {
                connection->state = MU_CONNECTION_HANDSHAKE;
                connection->handshake_ctx = current_ssl_ctx(listener);
                connection->accepted_ns = mu_loop_monotonic_exact_ns(loop);
                h2o_timeout_link(loop->ctx.loop, &loop->ctx.handshake_timeout,
                                 &connection->handshake_timer);
                h2o_socket_ssl_handshake(socket, connection->handshake_ctx, NULL, on_handshake);
        } else {
                connection->state = MU_CONNECTION_OPEN;
                h2o_http1_accept(&loop->accept_ctx, socket,
                                 *h2o_get_timestamp(&loop->ctx, NULL, NULL));
        }
}

/* ---- spreading ---- */

static struct mu_loop *choose_loop(struct mu_loop *self)
{
        struct mu_server *server = self->server;
        struct mu_loop *fewest = self;
        struct mu_loop *most = self;

        /* While stopping, another loop may have ended already. */
        if (atomic_load_explicit(&server->stop_deadline_ns, memory_order_relaxed) != UINT64_MAX)
                return self;
        for (uint32_t i = 0; i < server->config.loop_count; i++) {
                struct mu_loop *loop = &server->loops[i];

                if (mu_loop_connection_count(loop) < mu_loop_connection_count(fewest))
                        fewest = loop;
                if (http_count(loop) > http_count(most))
                        most = loop;
        }
        /* At the cap the one that closes an idle connection must have one. */
        if (atomic_load_explicit(&server->connection_count, memory_order_relaxed) >=
            server->connections_max)
                return has_idle(self) ? self : most;
        if (mu_loop_connection_count(self) <= mu_loop_connection_count(fewest) + MU_LOOP_SPREAD)
                return self;
        return fewest;
}

static void run_handover(struct mu_mail *mail, struct mu_loop *loop)
{
        struct handover *handover = (struct handover *)mail;

        /* A loop that has ended, or is past its deadline, takes nobody any more. */
        if (loop->cut || !loop->stop_tick)
                refuse(loop, handover->fd, handover->address, &loop->cells.refused);
        else
                adopt(loop, handover->fd, handover->address, &loop->listeners[handover->listener]);
        free(handover);
}

static void place(struct mu_loop_listener *listener, int fd, struct mu_address address)
{
        struct mu_loop *self = listener->loop;

        if (self->server->address_counts &&
            !mu_address_counts_enter(self->server->address_counts, address)) {
                mu_cell_add(&self->cells.refused_address, 1);
                close(fd);
                return;
        }
        struct mu_loop *target = choose_loop(self);
        struct handover *handover = target == self ? NULL : malloc(sizeof(*handover));

        if (!handover) {
                count_in(self);
                adopt(self, fd, address, listener);
                return;
        }
        *handover = (struct handover){.mail = {.run = run_handover},
                                      .fd = fd,
                                      .address = address,
                                      .listener = (uint32_t)(listener - self->listeners)};
        count_in(target);
        mu_cell_add(&self->cells.handed_over, 1);
        mu_loop_send(target, &handover->mail);
}

/* ---- accepting ---- */

static struct mu_address address_of(const struct sockaddr_storage *peer)
{
        struct mu_address address = {{0}};

        if (peer->ss_family == AF_INET) {
                address.bytes[10] = 0xff;
                address.bytes[11] = 0xff;
                memcpy(address.bytes + 12, &((const struct sockaddr_in *)peer)->sin_addr, 4);
        } else {
                memcpy(address.bytes, &((const struct sockaddr_in6 *)peer)->sin6_addr, 16);
        }
        return address;
}

static void pause_listener(struct mu_loop_listener *listener)
{
        h2o_socket_read_stop(listener->socket);
        listener->paused = true;
        mu_timer_start(listener->loop->retry_accept);
}

/* accept4 says EMFILE before it looks whether there is anybody to accept. */
static bool somebody_waits(const struct mu_loop_listener *listener)
{
        struct pollfd poll_fd = {.fd = h2o_socket_get_fd(listener->socket), .events = POLLIN};

        return poll(&poll_fd, 1, 0) != 0;
}

/* No descriptor left: closing an idle connection makes room; failing that the reserve is used to
 * take the client from the queue and close it, so that it is told, and the poll does not spin. */
static bool make_descriptor(struct mu_loop_listener *listener)
{
        struct mu_loop *loop = listener->loop;

        mu_cell_add(&loop->cells.no_descriptors, 1);
        if (evict_idle(loop))
                return true;
        if (loop->reserve_fd < 0)
                return false;
        close(loop->reserve_fd);
        int fd = accept4(h2o_socket_get_fd(listener->socket), NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0)
                close(fd);
        loop->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        return fd >= 0;
}

/* false: nothing more for now. */
static bool accept_one(struct mu_loop_listener *listener)
{
        struct sockaddr_storage peer;
        socklen_t peer_bytes = sizeof(peer);
        int fd = accept4(h2o_socket_get_fd(listener->socket), (struct sockaddr *)&peer, &peer_bytes,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd >= 0) {
                place(listener, fd, address_of(&peer));
                return true;
        }
        switch (errno) {
        case EAGAIN:
                return false;
        case EMFILE:
        case ENFILE:
                if (!somebody_waits(listener))
                        return false;
                if (make_descriptor(listener))
                        return true;
                pause_listener(listener);
                return false;
        case ENOBUFS:
        case ENOMEM:
                pause_listener(listener);
                return false;
        default: /* that one connection's own trouble (ECONNABORTED, EPROTO, ...) */
                return true;
        }
}

static void on_listener_readable(h2o_socket_t *socket, const char *error)
{
        struct mu_loop_listener *listener = socket->data;

        (void)error;
        for (int i = 0; i < ACCEPT_BATCH && accept_one(listener); i++)
                ;
}

void mu_loop_listeners_retry(void *ctx)
{
        struct mu_loop *loop = ctx;

        if (loop->reserve_fd < 0)
                loop->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        for (uint32_t i = 0; i < loop->listener_count; i++) {
                struct mu_loop_listener *listener = &loop->listeners[i];

                if (!listener->paused || !listener->socket)
                        continue;
                listener->paused = false;
                h2o_socket_read_start(listener->socket, on_listener_readable);
        }
}

int mu_loop_listeners_start(struct mu_loop *loop)
{
        struct mu_server *server = loop->server;

        for (uint32_t i = 0; i < server->listener_count; i++) {
                struct mu_loop_listener *listener = &loop->listeners[i];

                listener->loop = loop;
                listener->tls = server->listeners[i].tls;
                listener->socket = mu_loop_poll_start(loop, server->listeners[i].fd,
                                                      on_listener_readable, listener);
                if (!listener->socket)
                        return -errno;
                loop->listener_count = i + 1;
        }
        return 0;
}

void mu_loop_listeners_stop(struct mu_loop *loop)
{
        struct mu_server *server = loop->server;

        if (loop->deaf)
                return;
        loop->deaf = true;
        for (uint32_t i = 0; i < loop->listener_count; i++) {
                struct mu_loop_listener *listener = &loop->listeners[i];

                /* Who has connected before us stopping is served: at most one backlog of them. */
                for (int n = 0; !loop->cut && n < MU_LISTEN_BACKLOG && !listener->paused &&
                                accept_one(listener);
                     n++)
                        ;
                h2o_socket_close(listener->socket);
                listener->socket = NULL;
        }
        if (atomic_fetch_sub_explicit(&server->listening_count, 1, memory_order_acq_rel) > 1)
                return;
        for (uint32_t i = 0; i < server->listener_count; i++) {
                close(server->listeners[i].fd);
                server->listeners[i].fd = -1;
        }
}

/* ---- the end ---- */

/* What is left at the stop's deadline: unanswered requests get 503, the rest is cut off. */
void mu_connections_cut(struct mu_loop *loop)
{
        for (struct mu_connection *next, *connection = loop->connections; connection;
             connection = next) {
                next = connection->next;
                if (connection->state == MU_CONNECTION_HANDSHAKE) {
                        h2o_socket_close(connection->socket);
                } else if (connection->stream) {
                        mu_stream_cut(connection->stream);
                } else if (connection->request.h2o) {
                        mu_reply_close(&connection->request);
                        mu_reply_problem_retry(&connection->request, 503, "stopping", 5,
                                               "The server is stopping; send the request again.");
                } else {
                        /* h2o sees the end of the stream, or its write fails. */
                        shutdown(h2o_socket_get_fd(connection->socket), SHUT_RDWR);
                }
        }
}
