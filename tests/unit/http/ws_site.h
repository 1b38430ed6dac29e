/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ws_site.h - a site with WebSocket routes, and what their server side has seen.
 *
 * Routes     /ws echoes; "!close" is answered by "last" and 4001, "!flood" by numbered messages
 * until the queue is full (and "drained" when it is empty again), "!clear" by the same, then
 *            cleared, and "fresh". ?refuse: 401. /any: the same for every origin. /mute: takes no
 *            messages, counts on_full. /strict: the same without on_full. /greeting: "hello" and a
 *            close at once. /deferred: accepted when ws_accept_deferred says so.
 * Threads    seen is written by the loops under its lock.
 */
#ifndef MUSTER_TEST_WS_SITE_H
#define MUSTER_TEST_WS_SITE_H

#include "http/websocket.h"
#include "ws_fixture.h"

#define FLOOD_BYTES 20000
#define HANDLES_MAX 256

extern struct site site;

struct seen {
        pthread_mutex_t lock;
        pthread_cond_t changed;
        struct mu_ws_handle handles[HANDLES_MAX];
        uint32_t opened;
        uint32_t closed;
        uint32_t drained;
        uint32_t filled;  /* on_full, and handshakes that were deferred */
        uint32_t flooded; /* messages until the queue was full */
        uint16_t code;    /* of the last close */
        struct mu_pending deferred;
        struct mu_loop *deferred_loop;
};

extern struct seen seen;

int ws_setup(void **state);
int ws_teardown(void **state);
/* Before site_start: a listener with TLS too. */
void ws_with_tls(void);

void wait_for(const uint32_t *counter, uint32_t count);
uint32_t count_of(const uint32_t *counter);
void ws_accept_deferred(void);
/* A close frame, its answer, the end. */
void close_properly(struct peer *peer);
/* The number that a frame begins with. */
unsigned long ws_number(const struct frame *frame);

#endif
