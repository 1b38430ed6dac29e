/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server_fixture.h - a whole mu_server on loopback with its threads, and blocking raw clients.
 *
 * Routes     POST /v1/echo (data plane: the body back), POST /v1/later (data plane: deferred until
 *            site_release), GET /things/{id}?q=, POST /work (worker: method, path, body, header),
 *            POST /block (worker: waits for site_unblock), POST /silent (worker: never answers),
 *            and the probes.
 * Threads    The test's thread drives clients; they time out after 60 s, so a test never hangs.
 * Errors     Anything unexpected fails the running cmocka test.
 */
#ifndef MUSTER_TEST_SERVER_FIXTURE_H
#define MUSTER_TEST_SERVER_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/ssl.h>
#include <pthread.h>

#include "http/console.h"
#include "http/health.h"
#include "http/loop.h"
#include "http/offload.h"
#include "http/reply.h"
#include "http/tls.h"
#include "metrics/metrics.h"

#define SITE_LOOPS_MAX 4
#define SITE_LATER_MAX 64

struct site {
        struct mu_server_config config;
        struct mu_offload_config control_config;
        struct mu_metrics *metrics;
        struct mu_router *router;
        struct mu_offload *control;
        struct mu_offload *probe;
        struct mu_server *server;
        struct mu_tls *tls; /* set before site_start: a second listener */
        struct mu_health_source health;
        /* More routes, set before site_start. */
        const struct mu_route *routes;
        size_t route_count;
        void *routes_ctx;
        struct mu_console *console; /* NULL: without its routes */
        pthread_t threads[SITE_LOOPS_MAX];
        uint16_t port;
        uint16_t tls_port;

        /* Deferred replies, in order of arrival. */
        pthread_mutex_t lock;
        pthread_cond_t changed;
        struct mu_pending later[SITE_LATER_MAX];
        struct mu_loop *later_loop[SITE_LATER_MAX];
        uint32_t later_count;
        uint32_t sent;
        uint32_t dead; /* handles found dead at release */
        uint32_t released;
        uint32_t blocked;       /* workers that wait */
        bool open;              /* they need not */
        _Atomic uint32_t waits; /* begin hooks minus end hooks, per loop 0 */
        _Atomic uint32_t wait_begins;
        bool loops_ended;
};

/* With short defaults; change config, then start. */
void site_init(struct site *site);
void site_start(struct site *site);
void site_stop(struct site *site, uint32_t deadline_ms);
void site_join(struct site *site);
void site_done(struct site *site); /* stops, if need be, and frees everything */

void site_wait_later(struct site *site, uint32_t count); /* until so many wait */
void site_release(struct site *site, uint32_t index);    /* replies {"n":index}, on its loop */
void site_wait_released(struct site *site, uint32_t count);
void site_wait_blocked(struct site *site, uint32_t count);
void site_unblock(struct site *site);
/* A counter's value in the rendered metrics: name with labels, as in the text. */
double site_metric(struct site *site, const char *series);

struct peer {
        int fd;
        SSL *tls;
        char *bytes; /* received, not consumed; NUL-terminated */
        size_t size;
        size_t room;
        bool ended;
};

struct answer {
        int status;
        char *head; /* NUL-terminated, lower case names as sent */
        char *body; /* NUL-terminated */
        size_t body_bytes;
};

void peer_open(struct peer *peer, uint16_t port);
bool peer_can_open(uint16_t port); /* false: refused */
/* false: the handshake failed. */
bool peer_start_tls(struct peer *peer, SSL_CTX *ctx, SSL_SESSION *session);
void peer_close(struct peer *peer);
void peer_send(struct peer *peer, const char *text);
void peer_send_bytes(struct peer *peer, const void *bytes, size_t size);
/* Reads one whole answer (without body when head_only). */
void peer_receive(struct peer *peer, bool head_only, struct answer *ret_answer);
void answer_done(struct answer *answer);
/* Waits for more bytes; false at the end of the stream. */
bool peer_read_more(struct peer *peer);
void peer_consume(struct peer *peer, size_t bytes);
/* true: the server has closed, nothing more came. */
bool peer_at_end(struct peer *peer);
/* Sends, receives, checks the status; the answer's body must contain needle (NULL: any). */
void peer_ask(struct peer *peer, const char *request, int status, const char *needle);
void peer_post(struct peer *peer, const char *path, const char *body, int status,
               const char *needle);

#endif
