/* SPDX-License-Identifier: Apache-2.0 */
#include "ws_site.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "http/origin.h"
#include "muster/compiler.h"

struct site site;
struct seen seen;

static void changed(uint32_t *counter)
{
        pthread_mutex_lock(&seen.lock);
        (*counter)++;
        pthread_cond_broadcast(&seen.changed);
        pthread_mutex_unlock(&seen.lock);
}

void wait_for(const uint32_t *counter, uint32_t count)
{
        pthread_mutex_lock(&seen.lock);
        while (*counter < count)
                pthread_cond_wait(&seen.changed, &seen.lock);
        pthread_mutex_unlock(&seen.lock);
}

uint32_t count_of(const uint32_t *counter)
{
        pthread_mutex_lock(&seen.lock);
        uint32_t count = *counter;
        pthread_mutex_unlock(&seen.lock);
        return count;
}

/* ---- the server's side ---- */

/* Numbered messages until one is refused. */
static void flood(struct mu_ws *ws)
{
        static const char filler[FLOOD_BYTES];
        uint32_t count = 0;
        int error = 0;

        while (error == 0) {
                struct mu_ws_payload *payload;
                char data[FLOOD_BYTES];

                memcpy(data, filler, sizeof(data));
                snprintf(data, sizeof(data), "%u", count);
                assert_int_equal(mu_ws_payload_create(MU_WS_BINARY, data, sizeof(data), &payload),
                                 0);
                error = mu_ws_send(ws, payload);
                mu_ws_payload_unref(payload);
                count += error == 0;
        }
        assert_int_equal(error, -ENOBUFS);
        assert_true(mu_ws_queued(ws) > 0);
        pthread_mutex_lock(&seen.lock);
        seen.flooded = count;
        pthread_cond_broadcast(&seen.changed);
        pthread_mutex_unlock(&seen.lock);
}

static void on_message(struct mu_ws *ws, void *ctx, const char *data, size_t bytes, bool is_text)
{
        struct mu_ws_payload *payload;

        assert_ptr_equal(ctx, &seen);
        assert_true(mu_ws_is_open(ws));
        if (bytes == 6 && memcmp(data, "!close", 6) == 0) {
                assert_int_equal(mu_ws_send_text(ws, "last", 4), 0);
                mu_ws_close(ws, 4001, "asked to");
                mu_ws_close(ws, 4002, "not this one");
                assert_int_equal(mu_ws_send_text(ws, "late", 4), -ESHUTDOWN);
                return;
        }
        if (bytes == 6 && memcmp(data, "!flood", 6) == 0) {
                flood(ws);
                return;
        }
        if (bytes == 6 && memcmp(data, "!clear", 6) == 0) {
                flood(ws);
                mu_ws_clear(ws);
                assert_int_equal(mu_ws_send_text(ws, "fresh", 5), 0);
                return;
        }
        assert_int_equal(
                mu_ws_payload_create(is_text ? MU_WS_TEXT : MU_WS_BINARY, data, bytes, &payload),
                0);
        assert_int_equal(mu_ws_payload_bytes(payload), bytes);
        assert_int_equal(mu_ws_send(ws, payload), 0);
        mu_ws_payload_unref(payload);
}

static void on_close(struct mu_ws *ws, void *ctx, uint16_t code)
{
        assert_ptr_equal(ctx, &seen);
        assert_int_equal(mu_ws_send_text(ws, "x", 1), -ESHUTDOWN);
        assert_null(mu_ws_of(mu_ws_handle_of(ws)));
        pthread_mutex_lock(&seen.lock);
        seen.code = code;
        pthread_mutex_unlock(&seen.lock);
        changed(&seen.closed);
}

static void on_drain(struct mu_ws *ws, void *ctx)
{
        (void)ctx;
        assert_int_equal(mu_ws_queued(ws), 0);
        assert_int_equal(mu_ws_queued_bytes(ws), 0);
        changed(&seen.drained);
        assert_int_equal(mu_ws_send_text(ws, "drained", 7), 0);
}

static void on_full(struct mu_ws *ws, void *ctx)
{
        (void)ctx;
        (void)ws;
        changed(&seen.filled);
}

static const struct mu_ws_callbacks echo_callbacks = {.on_message = on_message,
                                                      .on_close = on_close,
                                                      .on_drain = on_drain,
                                                      .message_bytes_max = 100000};
static const struct mu_ws_callbacks mute_callbacks = {
        .on_close = on_close, .on_full = on_full, .queue_messages_max = 4};
static const struct mu_ws_callbacks strict_callbacks = {.on_close = on_close,
                                                        .queue_messages_max = 4};

static void accept_ws(struct mu_request *request, const struct mu_ws_callbacks *callbacks)
{
        struct mu_ws *ws;

        assert_int_equal(mu_ws_accept(request, callbacks, &seen, &ws), 0);
        assert_ptr_equal(mu_ws_of(mu_ws_handle_of(ws)), ws);
        pthread_mutex_lock(&seen.lock);
        assert_true(seen.opened < HANDLES_MAX);
        seen.handles[seen.opened] = mu_ws_handle_of(ws);
        pthread_mutex_unlock(&seen.lock);
        changed(&seen.opened);
}

static void handle_echo_ws(struct mu_request *request, void *ctx)
{
        (void)ctx;
        if (mu_request_query(request).data) {
                mu_reply_problem(request, 401, "not-you", NULL, "You may not.");
                return;
        }
        accept_ws(request, &echo_callbacks);
}

static void handle_mute_ws(struct mu_request *request, void *ctx)
{
        (void)ctx;
        accept_ws(request, &mute_callbacks);
}

static void handle_strict_ws(struct mu_request *request, void *ctx)
{
        (void)ctx;
        accept_ws(request, &strict_callbacks);
}

static void handle_greeting_ws(struct mu_request *request, void *ctx)
{
        struct mu_ws *ws;

        (void)ctx;
        mu_reply_header(request, "x-extra", "yes");
        assert_int_equal(mu_ws_accept(request, &echo_callbacks, &seen, &ws), 0);
        changed(&seen.opened);
        assert_int_equal(mu_ws_send_text(ws, "hello", 5), 0); /* before the 101 has gone */
        mu_ws_close(ws, MU_WS_NORMAL, NULL);
}

static void handle_deferred_ws(struct mu_request *request, void *ctx)
{
        (void)ctx;
        pthread_mutex_lock(&seen.lock);
        seen.deferred = mu_request_defer(request);
        seen.deferred_loop = mu_request_loop(request);
        pthread_mutex_unlock(&seen.lock);
        changed(&seen.filled);
}

static const struct mu_route routes[] = {
        {.method = "GET", .path = "/ws", .handle = handle_echo_ws, .flags = MU_ROUTE_WEBSOCKET},
        {.method = "GET", .path = "/mute", .handle = handle_mute_ws, .flags = MU_ROUTE_WEBSOCKET},
        {.method = "GET",
         .path = "/strict",
         .handle = handle_strict_ws,
         .flags = MU_ROUTE_WEBSOCKET},
        {.method = "GET",
         .path = "/any",
         .handle = handle_echo_ws,
         .flags = MU_ROUTE_WEBSOCKET | MU_ROUTE_ANY_ORIGIN},
        {.method = "GET",
         .path = "/greeting",
         .handle = handle_greeting_ws,
         .flags = MU_ROUTE_WEBSOCKET},
        {.method = "GET",
         .path = "/deferred",
         .handle = handle_deferred_ws,
         .flags = MU_ROUTE_WEBSOCKET},
};

/* ---- fixture ---- */

static struct mu_origins *origins;
static struct mu_tls *tls;
static char directory[64];

static void remove_tls(void)
{
        static const char *const names[] = {"tls.crt", "tls.key"};
        char path[128];

        mu_tls_destroy(tls);
        tls = NULL;
        for (size_t i = 0; i < MU_COUNT_OF(names); i++) {
                snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
                unlink(path);
        }
        assert_int_equal(rmdir(directory), 0);
}

int ws_setup(void **state)
{
        char error[MU_ORIGINS_ERROR_BYTES];

        (void)state;
        memset(&seen, 0, sizeof(seen));
        pthread_mutex_init(&seen.lock, NULL);
        pthread_cond_init(&seen.changed, NULL);
        site_init(&site);
        site.routes = routes;
        site.route_count = MU_COUNT_OF(routes);
        assert_int_equal(mu_origins_parse("https://console.example", &origins, error), 0);
        site.config.cors_origins = origins;
        return 0;
}

int ws_teardown(void **state)
{
        (void)state;
        site_done(&site);
        assert_int_equal(seen.closed, seen.opened); /* on_close: once each, none forgotten */
        mu_origins_destroy(origins);
        if (tls)
                remove_tls();
        pthread_cond_destroy(&seen.changed);
        pthread_mutex_destroy(&seen.lock);
        return 0;
}

void close_properly(struct peer *peer)
{
        ws_send_close(peer, 1000);
        ws_expect_close(peer, 1000, true);
        assert_true(peer_at_end(peer));
        peer_close(peer);
}

static void run_deferred(void *ctx)
{
        struct mu_request *request;

        (void)ctx;
        pthread_mutex_lock(&seen.lock);
        struct mu_pending pending = seen.deferred;
        pthread_mutex_unlock(&seen.lock);
        request = mu_pending_request(pending);
        assert_non_null(request);
        accept_ws(request, &echo_callbacks);
}

void ws_accept_deferred(void)
{
        assert_int_equal(mu_loop_post(seen.deferred_loop, run_deferred, NULL), 0);
}

void ws_with_tls(void)
{
        struct mu_tls_config config = {.directory = directory, .host_name = "box.example"};
        char error[MU_TLS_ERROR_BYTES];

        snprintf(directory, sizeof(directory), "/tmp/mu-test-ws.XXXXXX");
        assert_non_null(mkdtemp(directory));
        assert_int_equal(mu_tls_create(&config, &tls, error), 0);
        site.tls = tls;
}

unsigned long ws_number(const struct frame *frame)
{
        char *end;
        unsigned long number = strtoul(frame->data, &end, 10);

        assert_true(end > frame->data);
        return number;
}
