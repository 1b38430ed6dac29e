/* SPDX-License-Identifier: Apache-2.0 */
/*
 * websocket.c - an upgraded connection from its first byte to its end: reading, pings, closing.
 */
#include "http/websocket.h"

#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/assert.h"
#include "http/websocket_private.h"

#define OPCODE_CLOSE 0x8u
#define OPCODE_PONG 0xAu

/* ---- small things ---- */

void *mu_ws_ctx(const struct mu_ws *ws)
{
        return ws->ctx;
}

void mu_ws_set_ctx(struct mu_ws *ws, void *ctx)
{
        ws->ctx = ctx;
}

struct mu_loop *mu_ws_loop(const struct mu_ws *ws)
{
        return ws->connection->loop;
}

struct mu_address mu_ws_address(const struct mu_ws *ws)
{
        return ws->address;
}

bool mu_ws_is_open(const struct mu_ws *ws)
{
        return !ws->closing;
}

struct mu_ws_handle mu_ws_handle_of(const struct mu_ws *ws)
{
        struct mu_connection *connection = ws->connection;

        return (struct mu_ws_handle){connection->loop, connection, connection->ws_number};
}

struct mu_ws *mu_ws_of(struct mu_ws_handle handle)
{
        if (!handle.slot || handle.slot->ws_number != handle.number)
                return NULL;
        return handle.slot->ws;
}

/* ---- the end ---- */

void mu_ws_finish(struct mu_ws *ws, enum mu_ws_end reason)
{
        struct mu_connection *connection = ws->connection;
        struct mu_loop *loop = connection->loop;

        if (!ws->closing) {
                ws->closing = true;
                ws->reason = (uint8_t)reason;
                ws->code = MU_WS_ABNORMAL;
        }
        h2o_timeout_unlink(&ws->life);
        h2o_timeout_unlink(&ws->stall);
        connection->ws = NULL; /* every handle is dead from here */
        connection->ws_number++;
        mu_cell_set(&loop->cells.ws_open, mu_cell_get(&loop->cells.ws_open) - 1);
        mu_cell_add(&loop->cells.ws_closed[ws->reason], 1);
        atomic_fetch_sub_explicit(&loop->ws_count, 1, memory_order_relaxed);
        ws->callbacks->on_close(ws, ws->ctx, ws->code);
        /* Gives the connection back, and lets go of what was being written. */
        if (ws->socket)
                h2o_socket_close(ws->socket);
        mu_ws_queue_done(ws);
        mu_ws_parser_destroy(ws->parser);
        free(ws);
}

/* ---- deadlines ---- */

/* What the peer's TCP has taken so far: that tells slow from dead. */
static bool has_progressed(const struct mu_ws *ws, uint64_t *seen)
{
        struct tcp_info info;
        socklen_t bytes = sizeof(info);

        memset(&info, 0, sizeof(info));
        if (getsockopt(h2o_socket_get_fd(ws->socket), IPPROTO_TCP, TCP_INFO, &info, &bytes) < 0)
                return false;
        bool progressed = info.tcpi_bytes_acked != *seen;
        *seen = info.tcpi_bytes_acked;
        return progressed;
}

static void on_stall(h2o_timeout_entry_t *entry)
{
        struct mu_ws *ws = H2O_STRUCT_FROM_MEMBER(struct mu_ws, stall, entry);
        struct mu_loop *loop = ws->connection->loop;

        if (!ws->socket) /* still the 101: its write fails now, and h2o tells us */
                shutdown(h2o_socket_get_fd(ws->connection->socket), SHUT_RDWR);
        else if (has_progressed(ws, &ws->acked_at_stall))
                h2o_timeout_link(loop->ctx.loop, &loop->ws_stall_timeout, &ws->stall);
        else
                mu_ws_finish(ws, MU_WS_END_STALLED);
}

void mu_ws_arm_stall(struct mu_ws *ws)
{
        struct mu_loop *loop = ws->connection->loop;

        ws->stall.cb = on_stall;
        h2o_timeout_link(loop->ctx.loop, &loop->ws_stall_timeout, &ws->stall);
}

/* Whether the peer's TCP still owes us acknowledgements: our ping may be behind them. */
static bool has_backlog(const struct mu_ws *ws)
{
        int unacknowledged = 0;

        return ws->writing ||
               (ioctl(h2o_socket_get_fd(ws->socket), SIOCOUTQ, &unacknowledged) == 0 &&
                unacknowledged > 0);
}

static void on_ping_due(h2o_timeout_entry_t *entry)
{
        struct mu_ws *ws = H2O_STRUCT_FROM_MEMBER(struct mu_ws, life, entry);
        struct mu_loop *loop = ws->connection->loop;

        bool progressed = has_progressed(ws, &ws->acked_at_ping);
        if (ws->ping_unanswered && !(progressed && has_backlog(ws))) {
                mu_ws_finish(ws, MU_WS_END_TIMEOUT);
                return;
        }
        ws->ping_due = true;
        h2o_timeout_link(loop->ctx.loop, &loop->ws_ping_timeout, &ws->life);
        mu_ws_write(ws);
}

static void on_close_deadline(h2o_timeout_entry_t *entry)
{
        struct mu_ws *ws = H2O_STRUCT_FROM_MEMBER(struct mu_ws, life, entry);

        mu_ws_finish(ws, MU_WS_END_LOST); /* the reason is known already */
}

static void start_life(struct mu_ws *ws, h2o_timeout_t *timeout, h2o_timeout_cb callback)
{
        h2o_timeout_unlink(&ws->life);
        ws->life.cb = callback;
        h2o_timeout_link(ws->connection->loop->ctx.loop, timeout, &ws->life);
}

/* ---- closing ---- */

void mu_ws_begin_close(struct mu_ws *ws, uint16_t code, const char *reason, enum mu_ws_end end)
{
        struct mu_loop *loop = ws->connection->loop;
        unsigned char body[2 + MU_WS_REASON_BYTES_MAX] = {(unsigned char)(code >> 8),
                                                          (unsigned char)code};
        size_t reason_bytes = reason ? strlen(reason) : 0;

        if (ws->closing)
                return;
        MU_ASSERT(reason_bytes <= MU_WS_REASON_BYTES_MAX);
        if (reason_bytes > 0)
                memcpy(body + 2, reason, reason_bytes);
        ws->closing = true;
        ws->code = code;
        ws->reason = (uint8_t)end;
        ws->ping_due = false;
        /* A close without a code is answered by one without. */
        size_t bytes = code == MU_WS_NO_STATUS ? 0 : 2 + reason_bytes;
        if (mu_ws_control_create(OPCODE_CLOSE, body, bytes, &ws->close_frame) < 0) {
                ws->close_frame = NULL; /* no memory: the connection's end must do */
                shutdown(h2o_socket_get_fd(ws->connection->socket), SHUT_RDWR);
        }
        if (ws->socket) /* else the deadline starts when h2o has written the 101 */
                start_life(ws, &loop->ws_close_timeout, on_close_deadline);
        mu_ws_write(ws);
}

void mu_ws_close(struct mu_ws *ws, uint16_t code, const char *reason)
{
        MU_ASSERT((code >= MU_WS_NORMAL && code <= MU_WS_TRY_LATER && code != 1004 &&
                   code != MU_WS_NO_STATUS && code != MU_WS_ABNORMAL) ||
                  (code >= 3000 && code <= 4999));
        mu_ws_begin_close(ws, code, reason,
                          code == MU_WS_TRY_LATER ? MU_WS_END_OVERFLOW : MU_WS_END_SERVER);
}

void mu_websockets_stop(struct mu_loop *loop)
{
        for (struct mu_connection *at = loop->connections; at; at = at->next) {
                if (at->ws)
                        mu_ws_close(at->ws, MU_WS_GOING_AWAY, "the server is stopping");
        }
}

/* ---- reading ---- */

static void take_message(void *ctx, const char *data, size_t bytes, bool is_text)
{
        struct mu_ws *ws = ctx;
        struct mu_loop_cells *cells = &ws->connection->loop->cells;

        mu_cell_add(&cells->ws_messages_in, 1);
        if (ws->closing)
                return;
        if (ws->callbacks->on_message)
                ws->callbacks->on_message(ws, ws->ctx, data, bytes, is_text);
        else
                mu_ws_begin_close(ws, MU_WS_UNSUPPORTED, "nothing is expected here",
                                  MU_WS_END_PROTOCOL);
}

/* Only the newest ping that waits is answered, as the RFC allows: a flood costs no memory. */
static void take_ping(void *ctx, const void *data, size_t bytes)
{
        struct mu_ws *ws = ctx;
        struct mu_ws_payload *pong;

        if (ws->closing || mu_ws_control_create(OPCODE_PONG, data, bytes, &pong) < 0)
                return;
        mu_ws_payload_unref(ws->pong);
        ws->pong = pong;
        mu_ws_write(ws);
}

static void take_close(void *ctx, uint16_t code)
{
        struct mu_ws *ws = ctx;

        ws->close_received = true;
        mu_ws_begin_close(ws, code, NULL, MU_WS_END_PEER);
}

static const struct mu_ws_parser_events events = {
        .message = take_message, .ping = take_ping, .close = take_close};

/* 0, or the code to fail with. */
static uint16_t parse(struct mu_ws *ws, const void *data, size_t bytes)
{
        uint32_t bytes_max = ws->callbacks->message_bytes_max;

        if (!ws->parser &&
            mu_ws_parser_create(&events, ws, bytes_max ? bytes_max : MU_WS_MESSAGE_BYTES,
                                &ws->parser) < 0)
                return MU_WS_INTERNAL;
        uint16_t failure = mu_ws_parser_feed(ws->parser, data, bytes);
        /* wslay's buffers are 8 KiB: an idle connection does without. */
        if (failure == 0 && mu_ws_parser_idle(ws->parser)) {
                mu_ws_parser_destroy(ws->parser);
                ws->parser = NULL;
        }
        return failure;
}

/* May finish ws. */
static void take_input(struct mu_ws *ws)
{
        h2o_socket_t *socket = ws->socket;
        size_t bytes = socket->input->size;

        if (bytes == 0)
                return; /* part of a TLS record */
        ws->ping_unanswered = false;
        mu_cell_add(&ws->connection->loop->cells.ws_bytes_in, bytes);
        uint16_t failure =
                ws->failed || ws->close_received ? 0 : parse(ws, socket->input->bytes, bytes);
        h2o_buffer_consume(&socket->input, bytes);
        if (failure != 0) {
                ws->failed = true;
                mu_ws_begin_close(ws, failure, NULL, MU_WS_END_PROTOCOL);
        }
        if (ws->close_sent && (ws->close_received || ws->failed))
                mu_ws_finish(ws, MU_WS_END_LOST);
}

static void on_read(h2o_socket_t *socket, const char *error)
{
        struct mu_ws *ws = socket->data;

        if (error)
                mu_ws_finish(ws, MU_WS_END_LOST);
        else
                take_input(ws);
}

/* ---- between the writes ---- */

void mu_ws_after_write(struct mu_ws *ws)
{
        if (ws->close_sent) {
                if (ws->close_received)
                        mu_ws_finish(ws, MU_WS_END_LOST);
                else if (ws->failed)
                        /* The peer may still be sending: closing now would reset the connection
                         * and lose our close frame. It sees the end, and goes. */
                        shutdown(h2o_socket_get_fd(ws->socket), SHUT_WR);
                return;
        }
        if (ws->count == 0 && ws->was_full && !ws->closing) {
                ws->was_full = false;
                if (ws->callbacks->on_drain)
                        ws->callbacks->on_drain(ws, ws->ctx);
        }
        mu_ws_write(ws);
}

/* h2o has let go of the connection; socket NULL: it is closed already. */
void mu_ws_upgraded(void *ctx, h2o_socket_t *socket, size_t request_bytes)
{
        struct mu_ws *ws = ctx;
        struct mu_loop *loop = ws->connection->loop;

        h2o_timeout_unlink(&ws->stall);
        if (!socket) {
                mu_ws_finish(ws, MU_WS_END_LOST);
                return;
        }
        ws->socket = socket;
        socket->data = ws;
        h2o_buffer_consume(&socket->input, request_bytes);
        if (ws->closing)
                start_life(ws, &loop->ws_close_timeout, on_close_deadline);
        else
                start_life(ws, &loop->ws_ping_timeout, on_ping_due);
        h2o_socket_read_start(socket, on_read);
        mu_ws_write(ws);
        take_input(ws);
}
