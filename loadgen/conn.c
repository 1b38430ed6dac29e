/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conn.c - a connection's life over the worker's ring.
 *
 *   CLOSED ──send──▶ CONNECTING ──▶ (HANDSHAKE) ──▶ BUSY ──answer──▶ IDLE ──send──▶ BUSY
 *     ▲                  │               │            │                │
 *     └──────────────────┴───failure─────┴────────────┴──Connection: close, or the peer's end
 *
 * A socket is closed at once; completions that still arrive for it carry the old generation.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "clock.h"
#include "worker.h"

#define GENERATION_MASK 0xffffffu
#define SEND_QUIETLY_MAX 8192u /* up to here an empty socket takes it whole, at once */
#define WIRE_BYTES 4096u
#define PLAIN_BYTES 16384u

enum op {
        OP_CONNECT,
        OP_SEND,
        OP_RECV,
};

static void failure(struct mu_lg_worker *worker, struct mu_lg_conn *conn, enum mu_lg_failure reason,
                    uint64_t now_ns);
static void open_socket(struct mu_lg_worker *worker, struct mu_lg_conn *conn);

static uint64_t user_data(const struct mu_lg_conn *conn, enum op op)
{
        return (uint64_t)conn->index << 32 | (uint64_t)(conn->generation & GENERATION_MASK) << 8 |
               (uint64_t)op;
}

struct mu_lg_conn *mu_lg_conn_take(struct mu_lg_worker *worker)
{
        if (worker->free_count == 0)
                return NULL;
        struct mu_lg_conn *conn = &worker->conns[worker->free_stack[--worker->free_count]];

        conn->is_free = false;
        return conn;
}

void mu_lg_conn_give(struct mu_lg_worker *worker, struct mu_lg_conn *conn)
{
        MU_ASSERT(!conn->is_free);
        if (conn->bound)
                return;
        conn->is_free = true;
        worker->free_stack[worker->free_count++] = conn->index;
}

bool mu_lg_conn_reserve(struct mu_lg_conn *conn, uint32_t bytes)
{
        if (bytes <= conn->out_capacity_bytes)
                return true;
        char *grown = realloc(conn->out, bytes);

        if (!grown)
                return false;
        conn->out = grown;
        conn->out_capacity_bytes = bytes;
        return true;
}

void mu_lg_conn_close(struct mu_lg_worker *worker, struct mu_lg_conn *conn)
{
        (void)worker;
        if (conn->fd >= 0) {
                /* What is under way in the ring holds the socket open: shutdown ends it, close
                 * alone would not. */
                if (conn->receiving || conn->sending || conn->state == MU_LG_CONN_CONNECTING)
                        (void)shutdown(conn->fd, SHUT_RDWR);
                close(conn->fd);
                conn->fd = -1;
        }
        mu_lg_tls_destroy(conn->tls);
        conn->tls = NULL;
        conn->receiving = false;
        conn->sending = false;
        conn->reused = false;
        conn->generation++;
        conn->state = MU_LG_CONN_CLOSED;
}

void mu_lg_conn_done(struct mu_lg_conn *conn)
{
        free(conn->out);
        free(conn->wire);
        mu_lg_reply_done(&conn->reply);
}

static void arm_receive(struct mu_lg_worker *worker, struct mu_lg_conn *conn)
{
        struct io_uring_sqe *sqe = mu_lg_worker_sqe(worker);

        io_uring_prep_recv_multishot(sqe, conn->fd, NULL, 0, 0);
        sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
        sqe->flags |= IOSQE_BUFFER_SELECT;
        sqe->buf_group = MU_LG_BUFFER_GROUP;
        io_uring_sqe_set_data64(sqe, user_data(conn, OP_RECV));
        conn->receiving = true;
}

static void send_bytes(struct mu_lg_worker *worker, struct mu_lg_conn *conn, const void *data,
                       size_t bytes, bool quietly)
{
        struct io_uring_sqe *sqe = mu_lg_worker_sqe(worker);

        io_uring_prep_send(sqe, conn->fd, data, bytes, MSG_NOSIGNAL | MSG_WAITALL);
        if (quietly)
                sqe->flags |= IOSQE_CQE_SKIP_SUCCESS; /* a failure still reports itself */
        else
                conn->sending = true;
        io_uring_sqe_set_data64(sqe, user_data(conn, OP_SEND));
}

/* Sends what TLS has produced, a buffer at a time. */
static void flush_wire(struct mu_lg_worker *worker, struct mu_lg_conn *conn)
{
        if (conn->sending)
                return;
        size_t bytes = mu_lg_tls_take(conn->tls, conn->wire, WIRE_BYTES);

        if (bytes > 0)
                send_bytes(worker, conn, conn->wire, bytes, false);
}

/* The connection is ready: the request goes out. */
static void transmit(struct mu_lg_worker *worker, struct mu_lg_conn *conn, uint64_t now_ns)
{
        conn->state = MU_LG_CONN_BUSY;
        conn->request.sent_ns = now_ns;
        mu_lg_reply_next(&conn->reply, conn->keep_body_max_bytes);
        mu_lg_add(&worker->stats.counters.sent, 1);
        mu_lg_worker_slot(worker, now_ns)->sent++;
        if (!conn->tls) {
                if (conn->out_bytes > 0)
                        send_bytes(worker, conn, conn->out, conn->out_bytes,
                                   conn->out_bytes <= SEND_QUIETLY_MAX);
                return;
        }
        if (mu_lg_tls_write(conn->tls, conn->out, conn->out_bytes) < 0)
                failure(worker, conn, MU_LG_FAILURE_TLS, now_ns);
        else
                flush_wire(worker, conn);
}

static bool start_tls(struct mu_lg_worker *worker, struct mu_lg_conn *conn)
{
        if (!conn->wire)
                conn->wire = malloc(WIRE_BYTES);
        return conn->wire && mu_lg_tls_create(worker->run->tls, worker->tls_slot, &conn->tls) == 0;
}

static void handshake(struct mu_lg_worker *worker, struct mu_lg_conn *conn, uint64_t now_ns)
{
        int r = mu_lg_tls_handshake(conn->tls);

        if (r < 0) {
                if (worker->error[0] == '\0')
                        snprintf(worker->error, sizeof(worker->error), "TLS: %s",
                                 mu_lg_tls_error(conn->tls));
                failure(worker, conn, MU_LG_FAILURE_TLS, now_ns);
                return;
        }
        flush_wire(worker, conn);
        if (r == 0)
                return;
        if (mu_lg_tls_resumed(conn->tls))
                mu_lg_add(&worker->stats.counters.resumed, 1);
        transmit(worker, conn, now_ns);
}

static void on_connected(struct mu_lg_worker *worker, struct mu_lg_conn *conn, int result)
{
        uint64_t now_ns = mu_lg_monotonic_ns();

        if (result < 0 || conn->fd < 0) {
                failure(worker, conn, MU_LG_FAILURE_CONNECT, now_ns);
                return;
        }
        mu_lg_add(&worker->stats.counters.connects, 1);
        if (conn->opened_once)
                mu_lg_add(&worker->stats.counters.reconnects, 1);
        conn->opened_once = true;
        arm_receive(worker, conn);
        if (!worker->run->url.is_tls) {
                transmit(worker, conn, now_ns);
                return;
        }
        conn->state = MU_LG_CONN_HANDSHAKE;
        if (start_tls(worker, conn))
                handshake(worker, conn, now_ns);
        else
                failure(worker, conn, MU_LG_FAILURE_TLS, now_ns);
}

/* See count_sources() in run.c. A failure leaves the choice to the kernel. */
static void choose_source(const struct mu_lg_worker *worker, const struct mu_lg_conn *conn)
{
        uint32_t sources = worker->run->sources_count;
        struct sockaddr_in source = {.sin_family = AF_INET};
        int one = 1;

        if (sources == 0)
                return;
        source.sin_addr.s_addr = htonl(INADDR_LOOPBACK + conn->index % sources);
        (void)setsockopt(conn->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
        (void)bind(conn->fd, (const struct sockaddr *)&source, sizeof(source));
}

static void open_socket(struct mu_lg_worker *worker, struct mu_lg_conn *conn)
{
        const struct mu_lg_url *url = &worker->run->url;
        struct io_uring_sqe *sqe = mu_lg_worker_sqe(worker);
        int one = 1;

        conn->state = MU_LG_CONN_CONNECTING;
        conn->fd = socket(url->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (conn->fd < 0) {
                io_uring_prep_nop(sqe); /* reported as a failed connect, from the loop */
        } else {
                (void)setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
                choose_source(worker, conn);
                io_uring_prep_connect(sqe, conn->fd, (const struct sockaddr *)&url->address,
                                      url->address_bytes);
        }
        io_uring_sqe_set_data64(sqe, user_data(conn, OP_CONNECT));
}

void mu_lg_conn_send(struct mu_lg_worker *worker, struct mu_lg_conn *conn, uint64_t now_ns)
{
        MU_ASSERT(!conn->is_free);
        worker->busy_count++;
        conn->request.sent_ns = 0;
        conn->request.deadline_ns = now_ns + worker->run->options->timeout_ns;
        if (conn->state == MU_LG_CONN_IDLE)
                transmit(worker, conn, now_ns);
        else
                open_socket(worker, conn);
}

void mu_lg_conn_send_more(struct mu_lg_worker *worker, struct mu_lg_conn *conn, const char *data,
                          uint32_t bytes)
{
        MU_ASSERT(conn->state == MU_LG_CONN_BUSY);
        if (!conn->tls)
                send_bytes(worker, conn, data, bytes, true);
        else if (mu_lg_tls_write(conn->tls, data, bytes) == 0)
                flush_wire(worker, conn);
}

void mu_lg_conn_half_close(struct mu_lg_conn *conn)
{
        (void)shutdown(conn->fd, SHUT_WR);
}

void mu_lg_conn_abandon(struct mu_lg_worker *worker, struct mu_lg_conn *conn)
{
        mu_lg_conn_close(worker, conn);
        worker->busy_count--;
        mu_lg_conn_give(worker, conn);
}

static void record_latency(struct mu_lg_worker *worker, const struct mu_lg_conn *conn,
                           uint64_t now_ns)
{
        const struct mu_lg_request *request = &conn->request;
        uint64_t latency_ns = now_ns > request->intended_ns ? now_ns - request->intended_ns : 0;

        if (conn->raw)
                return;
        mu_histogram_record(worker->stats.latency, latency_ns);
        if (request->sent_ns)
                mu_histogram_record(worker->stats.service, now_ns - request->sent_ns);
        mu_lg_slot_latency(mu_lg_worker_slot(worker, now_ns), latency_ns);
}

static void failure(struct mu_lg_worker *worker, struct mu_lg_conn *conn, enum mu_lg_failure reason,
                    uint64_t now_ns)
{
        bool idle_race = conn->reused && !conn->raw && !conn->reply.started &&
                         (reason == MU_LG_FAILURE_CLOSED || reason == MU_LG_FAILURE_RESET);

        mu_lg_conn_close(worker, conn);
        if (idle_race) {
                /* The server closed an idle connection while our request was on its way: every
                 * HTTP client repeats that once, on a fresh connection. */
                mu_lg_add(&worker->stats.counters.retries, 1);
                open_socket(worker, conn);
                return;
        }
        worker->busy_count--;
        mu_lg_conn_give(worker, conn);
        if (!conn->raw) {
                mu_lg_add(&worker->stats.counters.failures[reason], 1);
                mu_lg_worker_slot(worker, now_ns)->failed++;
        }
        if (reason == MU_LG_FAILURE_TIMEOUT)
                record_latency(worker, conn, now_ns);
        worker->run->scenario->on_failure(worker, conn, reason, now_ns);
}

static void answered(struct mu_lg_worker *worker, struct mu_lg_conn *conn, bool surplus,
                     uint64_t now_ns)
{
        bool reusable = conn->reply.keep_alive && !conn->close_after && !conn->sending && !surplus;
        uint32_t status = (uint32_t)conn->reply.status;

        record_latency(worker, conn, now_ns);
        mu_lg_add(&worker->stats.counters.answered, 1);
        if (!conn->raw)
                mu_lg_add(&worker->stats.counters.status[status < MU_LG_STATUS_MAX ? status : 0],
                          1);
        worker->busy_count--;
        if (reusable) {
                conn->state = MU_LG_CONN_IDLE;
                conn->reused = true;
        } else {
                mu_lg_conn_close(worker, conn);
        }
        mu_lg_conn_give(worker, conn);
        worker->run->scenario->on_reply(worker, conn, now_ns);
}

/* Plain HTTP from the peer. */
static void input(struct mu_lg_worker *worker, struct mu_lg_conn *conn, const char *data,
                  size_t bytes)
{
        if (conn->state != MU_LG_CONN_BUSY) {
                /* Unasked, for instance a 408 before an idle connection is closed. */
                if (conn->state == MU_LG_CONN_IDLE)
                        mu_lg_conn_close(worker, conn);
                return;
        }
        ssize_t used = mu_lg_reply_feed(&conn->reply, data, bytes);

        if (used < 0)
                failure(worker, conn, MU_LG_FAILURE_PROTOCOL, mu_lg_monotonic_ns());
        else if (mu_lg_reply_complete(&conn->reply))
                answered(worker, conn, (size_t)used < bytes, mu_lg_monotonic_ns());
}

static void on_end(struct mu_lg_worker *worker, struct mu_lg_conn *conn, enum mu_lg_failure reason)
{
        if (conn->state == MU_LG_CONN_IDLE) {
                mu_lg_conn_close(worker, conn);
                return;
        }
        uint64_t now_ns = mu_lg_monotonic_ns();

        if (conn->state == MU_LG_CONN_HANDSHAKE)
                failure(worker, conn, MU_LG_FAILURE_TLS, now_ns);
        else if (conn->state == MU_LG_CONN_BUSY && reason == MU_LG_FAILURE_CLOSED &&
                 mu_lg_reply_eof(&conn->reply) == 0)
                answered(worker, conn, false, now_ns);
        else
                failure(worker, conn, reason, now_ns);
}

/* Ciphertext from the peer. */
static void input_tls(struct mu_lg_worker *worker, struct mu_lg_conn *conn, const char *data,
                      size_t bytes)
{
        char plain[PLAIN_BYTES];
        uint32_t generation = conn->generation;

        if (mu_lg_tls_receive(conn->tls, data, bytes) < 0) {
                on_end(worker, conn, MU_LG_FAILURE_TLS);
                return;
        }
        if (conn->state == MU_LG_CONN_HANDSHAKE)
                handshake(worker, conn, mu_lg_monotonic_ns());
        while (conn->generation == generation && conn->tls && conn->state != MU_LG_CONN_HANDSHAKE) {
                ssize_t got = mu_lg_tls_read(conn->tls, plain, sizeof(plain));

                if (got > 0)
                        input(worker, conn, plain, (size_t)got);
                else if (got == 0)
                        break;
                else
                        on_end(worker, conn,
                               got == -EPIPE ? MU_LG_FAILURE_CLOSED : MU_LG_FAILURE_TLS);
        }
        if (conn->generation == generation && conn->tls)
                flush_wire(worker, conn);
}

static void on_received(struct mu_lg_worker *worker, struct mu_lg_conn *conn,
                        const struct io_uring_cqe *cqe, const char *data)
{
        uint32_t generation = conn->generation;

        if (!(cqe->flags & IORING_CQE_F_MORE))
                conn->receiving = false;
        if (cqe->res > 0) {
                if (conn->tls)
                        input_tls(worker, conn, data, (size_t)cqe->res);
                else
                        input(worker, conn, data, (size_t)cqe->res);
        } else if (cqe->res == 0) {
                on_end(worker, conn, MU_LG_FAILURE_CLOSED);
        } else if (cqe->res != -ENOBUFS) {
                on_end(worker, conn, MU_LG_FAILURE_RESET);
        }
        /* The kernel ends a multishot when buffers ran out for a moment. */
        if (conn->generation == generation && conn->fd >= 0 && !conn->receiving)
                arm_receive(worker, conn);
}

static void on_sent(struct mu_lg_worker *worker, struct mu_lg_conn *conn, int result)
{
        conn->sending = false;
        if (result < 0) {
                /* An answer may still be waiting to be read (413 and close); the recv sees the
                 * end either way. Without one, this is the end. */
                if (!conn->receiving)
                        on_end(worker, conn, MU_LG_FAILURE_RESET);
                return;
        }
        if (conn->tls)
                flush_wire(worker, conn);
}

void mu_lg_conn_complete(struct mu_lg_worker *worker, const struct io_uring_cqe *cqe)
{
        struct mu_lg_conn *conn = &worker->conns[cqe->user_data >> 32];
        bool current =
                ((cqe->user_data >> 8) & GENERATION_MASK) == (conn->generation & GENERATION_MASK);
        uint32_t buffer = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
        bool has_buffer = cqe->flags & IORING_CQE_F_BUFFER;

        if (current) {
                switch ((enum op)(cqe->user_data & 0xff)) {
                case OP_CONNECT:
                        on_connected(worker, conn, cqe->res);
                        break;
                case OP_SEND:
                        on_sent(worker, conn, cqe->res);
                        break;
                case OP_RECV:
                        on_received(worker, conn, cqe,
                                    has_buffer ? mu_lg_worker_buffer(worker, buffer) : NULL);
                        break;
                }
        }
        if (has_buffer)
                mu_lg_worker_buffer_return(worker, buffer);
}

void mu_lg_conn_expire(struct mu_lg_worker *worker, uint64_t now_ns)
{
        for (uint32_t i = 0; i < worker->conns_count; i++) {
                struct mu_lg_conn *conn = &worker->conns[i];

                if (conn->state != MU_LG_CONN_CLOSED && conn->state != MU_LG_CONN_IDLE &&
                    now_ns > conn->request.deadline_ns)
                        failure(worker, conn, MU_LG_FAILURE_TIMEOUT, now_ns);
        }
}
