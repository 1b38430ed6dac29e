/* SPDX-License-Identifier: Apache-2.0 */
/*
 * websocket_private.h - a WebSocket's inside (private to websocket*.c).
 *
 *   accept ─▶ 101 being written (socket NULL) ─▶ open ─▶ closing ─▶ close sent and received,
 *             or the deadline, or the connection's end ─▶ mu_ws_finish: on_close, freed
 *
 * Only the loop's own events finish a ws (read, written, timer), never a call of a user's.
 */
#ifndef MUSTER_HTTP_WEBSOCKET_PRIVATE_H
#define MUSTER_HTTP_WEBSOCKET_PRIVATE_H

#include <stdatomic.h>

#include "http/hooks.h"
#include "http/private.h"
#include "http/websocket.h"
#include "http/websocket_parser.h"

struct mu_ws_payload {
        _Atomic uint32_t references;
        uint32_t frame_bytes;
        uint32_t header_bytes;
        unsigned char frame[];
};

struct mu_ws {
        struct mu_connection *connection;
        h2o_socket_t *socket; /* NULL: h2o still writes the 101 */
        const struct mu_ws_callbacks *callbacks;
        void *ctx;
        struct mu_ws_parser *parser; /* NULL: between two messages */
        struct mu_address address;

        /* What waits: a ring of references, the first in_flight of which are being written. */
        struct mu_ws_payload **ring;
        uint32_t ring_size; /* 0 or a power of two */
        uint32_t head;
        uint32_t count;
        uint32_t in_flight;
        uint64_t queued_bytes;
        struct mu_ws_payload *pong; /* NULL, or the newest answer that waits */
        struct mu_ws_payload *pong_in_flight;
        struct mu_ws_payload *close_frame; /* closing: goes behind the queue */

        h2o_timeout_entry_t life;  /* open: the next ping; closing: the deadline */
        h2o_timeout_entry_t stall; /* while something is being written */
        uint64_t acked_at_ping;    /* bytes that the peer's TCP had taken then */
        uint64_t acked_at_stall;
        uint16_t code;  /* for on_close; 0: open */
        uint8_t reason; /* enum mu_ws_end */
        bool writing;
        bool closing;
        bool failed; /* what the peer sends is not understood any more */
        bool close_in_flight;
        bool close_sent;
        bool close_received;
        bool ping_due;
        bool ping_unanswered;
        bool was_full;
};

/* websocket_send.c */
MU_MUST_CHECK
int mu_ws_control_create(unsigned opcode, const void *data, size_t bytes,
                         struct mu_ws_payload **ret_payload);
void mu_ws_write(struct mu_ws *ws); /* what waits, unless something is being written */
void mu_ws_queue_done(struct mu_ws *ws);

/* websocket.c */
void mu_ws_upgraded(void *ws, h2o_socket_t *socket, size_t request_bytes);
void mu_ws_finish(struct mu_ws *ws, enum mu_ws_end reason);
void mu_ws_arm_stall(struct mu_ws *ws);
void mu_ws_after_write(struct mu_ws *ws);
void mu_ws_begin_close(struct mu_ws *ws, uint16_t code, const char *reason, enum mu_ws_end end);

#endif
