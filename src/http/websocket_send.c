/* SPDX-License-Identifier: Apache-2.0 */
/*
 * websocket_send.c - payloads, the bounded queue, writing it out, and sends from other threads.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "http/websocket_private.h"

#define OPCODE_PING 0x9u
#define OPCODE_PONG 0xAu
#define FIN 0x80u
/* Of one write: a slow peer holds no more than this beyond its queue's bound. */
#define BATCH_FRAMES_MAX 64
#define BATCH_BYTES_MAX (256 * 1024)
#define RING_FIRST 4
#define RING_KEPT 16 /* a larger one is given back when it is empty */

/* ---- payloads ---- */

static int create(unsigned opcode, const void *data, size_t bytes,
                  struct mu_ws_payload **ret_payload)
{
        uint32_t header = bytes < 126 ? 2 : bytes <= UINT16_MAX ? 4 : 10;

        if (bytes > INT32_MAX)
                return -EMSGSIZE;
        struct mu_ws_payload *payload = malloc(sizeof(*payload) + header + bytes);
        if (!payload)
                return -ENOMEM;
        atomic_init(&payload->references, 1);
        payload->header_bytes = header;
        payload->frame_bytes = header + (uint32_t)bytes;
        payload->frame[0] = (unsigned char)(FIN | opcode);
        payload->frame[1] = (unsigned char)(header == 2 ? bytes : header == 4 ? 126 : 127);
        for (uint32_t i = 2; i < header; i++)
                payload->frame[i] = (unsigned char)((uint64_t)bytes >> (8 * (header - 1 - i)));
        if (bytes > 0)
                memcpy(payload->frame + header, data, bytes);
        *ret_payload = payload;
        return 0;
}

int mu_ws_control_create(unsigned opcode, const void *data, size_t bytes,
                         struct mu_ws_payload **ret_payload)
{
        MU_ASSERT(opcode >= 0x8 && bytes < 126);
        return create(opcode, data, bytes, ret_payload);
}

int mu_ws_payload_create(enum mu_ws_kind kind, const void *data, size_t bytes,
                         struct mu_ws_payload **ret_payload)
{
        MU_ASSERT(kind == MU_WS_TEXT || kind == MU_WS_BINARY);
        return create(kind, data, bytes, ret_payload);
}

struct mu_ws_payload *mu_ws_payload_ref(struct mu_ws_payload *payload)
{
        atomic_fetch_add_explicit(&payload->references, 1, memory_order_relaxed);
        return payload;
}

void mu_ws_payload_unref(struct mu_ws_payload *payload)
{
        /* Release and acquire: whoever frees it has seen all that the others read. */
        if (payload &&
            atomic_fetch_sub_explicit(&payload->references, 1, memory_order_acq_rel) == 1)
                free(payload);
}

size_t mu_ws_payload_bytes(const struct mu_ws_payload *payload)
{
        return payload->frame_bytes - payload->header_bytes;
}

/* ---- the queue ---- */

static struct mu_ws_payload **place(struct mu_ws *ws, uint32_t index)
{
        return &ws->ring[(ws->head + index) & (ws->ring_size - 1)];
}

static int grow(struct mu_ws *ws)
{
        uint32_t size = ws->ring_size > 0 ? ws->ring_size * 2 : RING_FIRST;
        struct mu_ws_payload **ring = malloc(size * sizeof(struct mu_ws_payload *));

        if (!ring)
                return -ENOMEM;
        for (uint32_t i = 0; i < ws->count; i++)
                ring[i] = *place(ws, i);
        free(ws->ring);
        ws->ring = ring;
        ws->ring_size = size;
        ws->head = 0;
        return 0;
}

static bool is_full(const struct mu_ws *ws, uint64_t frame_bytes)
{
        const struct mu_ws_callbacks *callbacks = ws->callbacks;
        uint32_t messages_max = callbacks->queue_messages_max ? callbacks->queue_messages_max
                                                              : MU_WS_QUEUE_MESSAGES;
        uint32_t bytes_max =
                callbacks->queue_bytes_max ? callbacks->queue_bytes_max : MU_WS_QUEUE_BYTES;

        /* One that is larger than the bound can go alone. */
        return ws->count >= messages_max ||
               (ws->count > 0 && ws->queued_bytes + frame_bytes > bytes_max);
}

int mu_ws_send(struct mu_ws *ws, struct mu_ws_payload *payload)
{
        struct mu_loop_cells *cells = &ws->connection->loop->cells;

        if (ws->closing)
                return -ESHUTDOWN;
        if (is_full(ws, payload->frame_bytes)) {
                ws->was_full = true;
                mu_cell_add(&cells->ws_dropped, 1);
                return -ENOBUFS;
        }
        if (ws->count == ws->ring_size && grow(ws) < 0)
                return -ENOMEM;
        *place(ws, ws->count++) = mu_ws_payload_ref(payload);
        ws->queued_bytes += payload->frame_bytes;
        mu_ws_write(ws);
        return 0;
}

int mu_ws_send_text(struct mu_ws *ws, const char *text, size_t bytes)
{
        struct mu_ws_payload *payload;
        int error = mu_ws_payload_create(MU_WS_TEXT, text, bytes, &payload);

        if (error)
                return error;
        error = mu_ws_send(ws, payload);
        mu_ws_payload_unref(payload);
        return error;
}

uint32_t mu_ws_queued(const struct mu_ws *ws)
{
        return ws->count;
}

size_t mu_ws_queued_bytes(const struct mu_ws *ws)
{
        return ws->queued_bytes;
}

void mu_ws_clear(struct mu_ws *ws)
{
        while (ws->count > ws->in_flight) {
                struct mu_ws_payload *last = *place(ws, --ws->count);

                ws->queued_bytes -= last->frame_bytes;
                mu_ws_payload_unref(last);
        }
}

void mu_ws_queue_done(struct mu_ws *ws)
{
        ws->in_flight = 0;
        mu_ws_clear(ws);
        free(ws->ring);
        mu_ws_payload_unref(ws->pong);
        mu_ws_payload_unref(ws->pong_in_flight);
        mu_ws_payload_unref(ws->close_frame);
}

/* ---- writing ---- */

static void release_written(struct mu_ws *ws)
{
        for (; ws->in_flight > 0; ws->in_flight--) {
                struct mu_ws_payload *first = *place(ws, 0);

                ws->queued_bytes -= first->frame_bytes;
                mu_ws_payload_unref(first);
                ws->head++;
                ws->count--;
        }
        mu_ws_payload_unref(ws->pong_in_flight);
        ws->pong_in_flight = NULL;
        if (ws->count == 0 && ws->ring_size > RING_KEPT) {
                free(ws->ring);
                ws->ring = NULL;
                ws->ring_size = 0;
        }
}

static void on_written(h2o_socket_t *socket, const char *error)
{
        struct mu_ws *ws = socket->data;

        ws->writing = false;
        h2o_timeout_unlink(&ws->stall);
        if (error) {
                mu_ws_finish(ws, MU_WS_END_LOST);
                return;
        }
        release_written(ws);
        ws->close_sent = ws->close_sent || ws->close_in_flight;
        ws->close_in_flight = false;
        mu_ws_after_write(ws);
}

struct batch {
        h2o_iovec_t frames[BATCH_FRAMES_MAX + 3];
        size_t count;
        size_t bytes;
};

static void add_frame(struct batch *batch, struct mu_ws_payload *payload)
{
        batch->frames[batch->count++] = h2o_iovec_init(payload->frame, payload->frame_bytes);
        batch->bytes += payload->frame_bytes;
}

static void gather(struct mu_ws *ws, struct batch *batch)
{
        static unsigned char ping[2] = {FIN | OPCODE_PING, 0};
        struct mu_loop_cells *cells = &ws->connection->loop->cells;

        batch->count = 0;
        batch->bytes = 0;
        if (ws->pong) {
                add_frame(batch, ws->pong);
                ws->pong_in_flight = ws->pong;
                ws->pong = NULL;
        }
        if (ws->ping_due) {
                batch->frames[batch->count++] = h2o_iovec_init(ping, sizeof(ping));
                batch->bytes += sizeof(ping);
                ws->ping_due = false;
                ws->ping_unanswered = true;
        }
        while (ws->in_flight < ws->count && ws->in_flight < BATCH_FRAMES_MAX &&
               batch->bytes < BATCH_BYTES_MAX) {
                struct mu_ws_payload *payload = *place(ws, ws->in_flight++);

                add_frame(batch, payload);
                mu_cell_add(&cells->ws_messages_out, 1);
        }
        if (ws->close_frame && ws->in_flight == ws->count && !ws->close_sent) {
                add_frame(batch, ws->close_frame);
                ws->close_in_flight = true;
        }
        mu_cell_add(&cells->ws_bytes_out, batch->bytes);
}

void mu_ws_write(struct mu_ws *ws)
{
        struct batch batch;

        if (!ws->socket || ws->writing || ws->close_sent)
                return;
        gather(ws, &batch);
        if (batch.count == 0)
                return;
        ws->writing = true;
        mu_ws_arm_stall(ws);
        /* Goes to the kernel now; on_written comes later, from the loop. */
        h2o_socket_write(ws->socket, batch.frames, batch.count, on_written);
}

/* ---- from other threads ---- */

struct posted {
        struct mu_mail mail;
        struct mu_ws_handle handle;
        struct mu_ws_payload *payload;
};

static void run_posted(struct mu_mail *mail, struct mu_loop *loop)
{
        struct posted *posted = (struct posted *)mail;
        struct mu_ws *ws = mu_ws_of(posted->handle);

        atomic_fetch_sub_explicit(&loop->ws_posted_count, 1, memory_order_relaxed);
        int error = ws ? mu_ws_send(ws, posted->payload) : 0;
        if (error == -ENOBUFS && ws->callbacks->on_full)
                ws->callbacks->on_full(ws, ws->ctx);
        else if (error == -ENOBUFS || error == -ENOMEM)
                mu_ws_close(ws, MU_WS_TRY_LATER, "too slow");
        mu_ws_payload_unref(posted->payload);
        free(posted);
}

int mu_ws_post(struct mu_ws_handle handle, struct mu_ws_payload *payload)
{
        struct mu_loop *loop = handle.loop;

        if (handle.number == 0)
                return 0;
        if (atomic_fetch_add_explicit(&loop->ws_posted_count, 1, memory_order_relaxed) >=
            MU_WS_POSTED_MAX) {
                atomic_fetch_sub_explicit(&loop->ws_posted_count, 1, memory_order_relaxed);
                return -ENOBUFS;
        }
        struct posted *posted = malloc(sizeof(*posted));
        if (!posted) {
                atomic_fetch_sub_explicit(&loop->ws_posted_count, 1, memory_order_relaxed);
                return -ENOMEM;
        }
        *posted = (struct posted){.mail = {.run = run_posted},
                                  .handle = handle,
                                  .payload = mu_ws_payload_ref(payload)};
        mu_loop_send(loop, &posted->mail);
        return 0;
}
