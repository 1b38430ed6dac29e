/* SPDX-License-Identifier: Apache-2.0 */
/*
 * websocket.h - RFC 6455 on the loops: messages in, shared payloads out.
 *
 * A route with MU_ROUTE_WEBSOCKET is asked only about correct handshakes from an allowed origin;
 * the others are answered before it (400, 403, 426, 503 while stopping). Its handle runs on the
 * loop and replies (refusing), accepts, or defers and does one of both later.
 *
 *   handle ─ mu_ws_accept ─▶ on_message ... ─▶ on_close, once; the ws is gone behind it
 *
 * Sending    A payload is a whole unmasked frame, made once and shared by any number of sockets;
 *            what has gathered while a write was under way leaves with one writev. The queue is
 *            bounded in messages and bytes: -ENOBUFS, and the sender decides (mu_ws_clear and a
 *            fresh snapshot; mu_ws_close with 1013). on_drain says that it is empty again.
 * Closing    By a close frame and the peer's answer, at most MU_WS_CLOSE_MS later by force. Pings,
 *            every MU_WS_PING_MS, find a peer that is gone; the server's write timeout one that
 *            takes nothing. When the server stops, every socket is closed with 1001.
 * Units      bytes: of messages, and of frames where the queue is meant.
 * Threads    mu_ws_*: the loop's, and callbacks run there. mu_ws_payload_* and mu_ws_post: any.
 * Ownership  The ws belongs to its loop from accept to on_close; ctx is the caller's. A callback
 *            may send and close, itself and others: nothing calls back before it returns.
 *            Messages are lent for the call.
 * Errors     negative errno.
 */
#ifndef MUSTER_HTTP_WEBSOCKET_H
#define MUSTER_HTTP_WEBSOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/request.h"
#include "muster/compiler.h"

struct mu_ws;
struct mu_ws_payload;

enum mu_ws_limits {
        MU_WS_MESSAGE_BYTES_MAX = 1024 * 1024, /* in: no route may allow more */
        MU_WS_MESSAGE_BYTES = 64 * 1024,       /* in: when the route says nothing */
        MU_WS_QUEUE_MESSAGES = 256,            /* out: when the route says nothing */
        MU_WS_QUEUE_BYTES = 1024 * 1024,
        MU_WS_FRAGMENTS_MAX = 1024, /* of one message in: each costs memory */
        MU_WS_REASON_BYTES_MAX = 123,
        MU_WS_PING_MS = 25000,
        MU_WS_CLOSE_MS = 5000,
        MU_WS_POSTED_MAX = 65536, /* payloads on their way to one loop */
};

enum mu_ws_code {
        MU_WS_NORMAL = 1000,
        MU_WS_GOING_AWAY = 1001,
        MU_WS_PROTOCOL_ERROR = 1002,
        MU_WS_UNSUPPORTED = 1003,
        MU_WS_NO_STATUS = 1005, /* never sent: the peer's close had no code */
        MU_WS_ABNORMAL = 1006,  /* never sent: there was no close */
        MU_WS_INVALID_DATA = 1007,
        MU_WS_POLICY = 1008,
        MU_WS_TOO_BIG = 1009,
        MU_WS_INTERNAL = 1011,
        MU_WS_TRY_LATER = 1013, /* takes too little: come again */
};

/* What a route does with its sockets, and how much they may cost. static const. */
struct mu_ws_callbacks {
        /* data is not terminated; text is valid UTF-8. NULL: messages are not expected (1003). */
        void (*on_message)(struct mu_ws *ws, void *ctx, const char *data, size_t bytes,
                           bool is_text);
        /* Exactly once. code: the peer's, or ours when we closed; MU_WS_ABNORMAL when the
         * connection broke. Nothing may be sent any more. */
        void (*on_close)(struct mu_ws *ws, void *ctx, uint16_t code);
        /* The queue was full (a send was refused) and is empty now. May be NULL. */
        void (*on_drain)(struct mu_ws *ws, void *ctx);
        /* A payload of mu_ws_post found the queue full. NULL: the ws is closed with 1013. */
        void (*on_full)(struct mu_ws *ws, void *ctx);
        uint32_t message_bytes_max;  /* in; 0: MU_WS_MESSAGE_BYTES; 1009 above */
        uint32_t queue_messages_max; /* out; 0: MU_WS_QUEUE_MESSAGES */
        uint32_t queue_bytes_max;    /* out; 0: MU_WS_QUEUE_BYTES */
};

/* Answers the request of a MU_ROUTE_WEBSOCKET route with 101. Headers set before go with it.
 * May be called after a deferral too. 0, or -ENOMEM, or -ESHUTDOWN while stopping: the request is
 * unanswered then. Sending is possible at once. */
MU_MUST_CHECK
int mu_ws_accept(struct mu_request *request, const struct mu_ws_callbacks *callbacks, void *ctx,
                 struct mu_ws **ret_ws);

void *mu_ws_ctx(const struct mu_ws *ws);
void mu_ws_set_ctx(struct mu_ws *ws, void *ctx);
struct mu_loop *mu_ws_loop(const struct mu_ws *ws);
struct mu_address mu_ws_address(const struct mu_ws *ws); /* as mu_request_address */
bool mu_ws_is_open(const struct mu_ws *ws);              /* not closing */

/* ---- payloads ---- */

enum mu_ws_kind {
        MU_WS_TEXT = 1,
        MU_WS_BINARY = 2,
};

/* Copies data, which must be UTF-8 for text. One reference. 0, -ENOMEM or -EMSGSIZE. */
MU_MUST_CHECK
int mu_ws_payload_create(enum mu_ws_kind kind, const void *data, size_t bytes,
                         struct mu_ws_payload **ret_payload);
struct mu_ws_payload *mu_ws_payload_ref(struct mu_ws_payload *payload);
void mu_ws_payload_unref(struct mu_ws_payload *payload);         /* NULL is a no-op */
size_t mu_ws_payload_bytes(const struct mu_ws_payload *payload); /* without the frame's header */

/* ---- sending and closing ---- */

/* The caller's reference stays the caller's. 0, -ENOBUFS: full, -ESHUTDOWN: closing, -ENOMEM. */
MU_MUST_CHECK
int mu_ws_send(struct mu_ws *ws, struct mu_ws_payload *payload);
MU_MUST_CHECK
int mu_ws_send_text(struct mu_ws *ws, const char *text, size_t bytes);

uint32_t mu_ws_queued(const struct mu_ws *ws); /* messages that wait, or are being written */
size_t mu_ws_queued_bytes(const struct mu_ws *ws);
/* Drops what waits (not what is being written). */
void mu_ws_clear(struct mu_ws *ws);

/* What is queued goes first. code: 1000..1013 as above, or 3000..4999; reason: UTF-8, NULL or at
 * most MU_WS_REASON_BYTES_MAX. on_message is not called any more, on_close later. Closing twice:
 * the first stands. */
void mu_ws_close(struct mu_ws *ws, uint16_t code, const char *reason);

/* ---- from other threads ---- */

/* A value, like struct mu_pending: it may outlive the ws, not the server. */
struct mu_ws_handle {
        struct mu_loop *loop;       /* private */
        struct mu_connection *slot; /* private; only valid while number agrees */
        uint64_t number;            /* 0: never given out */
};

struct mu_ws_handle mu_ws_handle_of(const struct mu_ws *ws);
/* NULL when it is gone. On its loop's thread only; handle.loop is where to mu_loop_post to. */
struct mu_ws *mu_ws_of(struct mu_ws_handle handle);

/* Sends from any thread; wake-ups of a loop are shared. A ws that is gone is no error. 0, -ENOBUFS
 * (MU_WS_POSTED_MAX are on their way), -ENOMEM. */
MU_MUST_CHECK
int mu_ws_post(struct mu_ws_handle handle, struct mu_ws_payload *payload);

#endif
