/* SPDX-License-Identifier: Apache-2.0 */
/*
 * live_socket.h - the way between the loops, where sockets live, and the live thread.
 *
 *   loop ── letters: opened, message, closed ──▶ lock-free stack, eventfd ──▶ live thread
 *   loop ◀── a batch of sends and closes, in order ── mailbox ◀── flush ───── live thread
 *
 * Order      What is sent to a socket arrives in that order; a socket's letters come in order, and
 *            closed is the last.
 * Units      bytes of text.
 * Threads    accept: the loop. take, send, close, waiting, refused, flush, unref: the live thread.
 * Ownership  A socket has a reference of its ws, one of the live thread (from accept until it has
 *            read closed), one of each send on its way. Letters are the live thread's to free.
 * Errors     negative errno.
 */
#ifndef MUSTER_CONTROL_LIVE_LIVE_SOCKET_H
#define MUSTER_CONTROL_LIVE_LIVE_SOCKET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/loop.h"
#include "http/websocket.h"
#include "muster/compiler.h"

struct mu_live_post;
struct mu_live_socket;
struct mu_request;

enum mu_live_socket_limits {
        MU_LIVE_UNREAD_MAX = 32, /* of a client's messages */
        MU_LIVE_QUEUE_BYTES = 1024 * 1024,
};

enum mu_live_letter_kind {
        MU_LIVE_OPENED,
        MU_LIVE_SAID,
        MU_LIVE_CLOSED,
};

struct mu_live_letter {
        struct mu_live_letter *next;
        struct mu_live_socket *socket;
        enum mu_live_letter_kind kind;
        bool owned; /* a part of the socket: not to be freed */
        size_t bytes;
        char text[];
};

MU_MUST_CHECK
int mu_live_post_create(struct mu_live_post **ret_post);
/* Nothing is left to come: the server is destroyed. NULL is a no-op. */
void mu_live_post_destroy(struct mu_live_post *post);

/* Readable when there are letters; the taker drains it by taking. */
int mu_live_post_fd(const struct mu_live_post *post);
void mu_live_post_wake(struct mu_live_post *post); /* any thread */

/* Answers the request: 101, or why not. clients_max: open ones, before it is 503. */
void mu_live_socket_accept(struct mu_live_post *post, struct mu_request *request,
                           uint32_t clients_max);

/* All that have come, oldest first; NULL: none. */
struct mu_live_letter *mu_live_post_take(struct mu_live_post *post);
void mu_live_letter_free(struct mu_live_letter *letter);

void *mu_live_socket_client(const struct mu_live_socket *socket);
void mu_live_socket_set_client(struct mu_live_socket *socket, void *client);
void mu_live_socket_unref(struct mu_live_socket *socket);

/* Both leave with the next flush. payload NULL: only find out what waits. */
void mu_live_socket_send(struct mu_live_socket *socket, struct mu_ws_payload *payload);
void mu_live_socket_close(struct mu_live_socket *socket, uint16_t code, const char *reason);
/* Bytes that are on their way, as far as known. */
size_t mu_live_socket_waiting(const struct mu_live_socket *socket);
/* A send was refused since the last call. */
bool mu_live_socket_refused(struct mu_live_socket *socket);
void mu_live_post_flush(struct mu_live_post *post);

#endif
