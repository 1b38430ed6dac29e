/* SPDX-License-Identifier: Apache-2.0 */
/* WebSockets: the handshake, messages, bounds, every way to end, other threads. */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/thread.h"
#include "http/origin.h"
#include "http/websocket.h"
#include "muster/compiler.h"
#include "ws_fixture.h"

#define FLOOD_BYTES 20000
#define HANDLES_MAX 256

static struct site site;

/* What the server's side has seen; the loops write it. */
static struct {
        pthread_mutex_t lock;
        pthread_cond_t changed;
        struct mu_ws_handle handles[HANDLES_MAX];
        uint32_t opened;
        uint32_t closed;
        uint32_t drained;
        uint32_t filled;  /* on_full */
        uint32_t flooded; /* messages until the queue was full */
        uint16_t code;    /* of the last close */
        struct mu_pending deferred;
        struct mu_loop *deferred_loop;
} seen;

static void changed(uint32_t *counter)
{
        pthread_mutex_lock(&seen.lock);
        (*counter)++;
        pthread_cond_broadcast(&seen.changed);
        pthread_mutex_unlock(&seen.lock);
}

static void wait_for(const uint32_t *counter, uint32_t count)
{
        pthread_mutex_lock(&seen.lock);
        while (*counter < count)
                pthread_cond_wait(&seen.changed, &seen.lock);
        pthread_mutex_unlock(&seen.lock);
}

static uint32_t count_of(const uint32_t *counter)
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

static int setup(void **state)
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

static int teardown(void **state)
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

static void close_properly(struct peer *peer)
{
        ws_send_close(peer, 1000);
        ws_expect_close(peer, 1000, true);
        assert_true(peer_at_end(peer));
        peer_close(peer);
}

/* ---- the handshake ---- */

#define ASK(path, headers) "GET " path " HTTP/1.1\r\nHost: t\r\n" headers "\r\n"
#define UPGRADE "Upgrade: websocket\r\nConnection: Upgrade\r\n"
#define VERSION "Sec-WebSocket-Version: 13\r\n"
#define KEY "Sec-WebSocket-Key: " WS_KEY "\r\n"

static void wrong_handshakes_are_refused(void **state)
{
        static const struct {
                const char *request;
                int status;
                const char *slug;
        } cases[] = {
                {ASK("/ws", ""), 400, "websocket-expected"},
                {ASK("/ws", "Upgrade: websocket\r\n" VERSION KEY), 400, "websocket-expected"},
                {ASK("/ws", "Connection: Upgrade\r\n" VERSION KEY), 400, "websocket-expected"},
                {ASK("/ws", "Upgrade: h2c\r\nConnection: Upgrade\r\n" VERSION KEY), 400,
                 "websocket-expected"},
                {ASK("/ws", UPGRADE KEY), 426, "websocket-version"},
                {ASK("/ws", UPGRADE KEY "Sec-WebSocket-Version: 8\r\n"), 426, "websocket-version"},
                {ASK("/ws", UPGRADE VERSION), 400, "websocket-key"},
                {ASK("/ws", UPGRADE VERSION "Sec-WebSocket-Key: c2hvcnQ=\r\n"), 400,
                 "websocket-key"},
                {ASK("/ws", UPGRADE VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ!!\r\n"), 400,
                 "websocket-key"},
                {ASK("/ws", UPGRADE VERSION KEY KEY), 400, "websocket-key"},
                {ASK("/ws", UPGRADE VERSION KEY "Origin: http://evil.example\r\n"), 403,
                 "origin-not-allowed"},
                {ASK("/ws", UPGRADE VERSION KEY "Origin: https://t\r\n"), 403,
                 "origin-not-allowed"},
                {ASK("/ws", UPGRADE VERSION KEY "Origin: http://t:81\r\n"), 403,
                 "origin-not-allowed"},
                {ASK("/ws", UPGRADE VERSION KEY "Origin: null\r\n"), 403, "origin-not-allowed"},
                {ASK("/ws?refuse", UPGRADE VERSION KEY), 401, "not-you"},
                {"POST /ws HTTP/1.1\r\nHost: t\r\nContent-Length: 0\r\n\r\n", 405,
                 "method-not-allowed"},
        };
        struct peer peer;
        struct answer answer;

        (void)state;
        site_start(&site);
        peer_open(&peer, site.port);
        for (size_t i = 0; i < MU_COUNT_OF(cases); i++) { /* the connection stays */
                peer_send(&peer, cases[i].request);
                peer_receive(&peer, false, &answer);
                if (answer.status != cases[i].status || !strstr(answer.body, cases[i].slug))
                        fail_msg("case %zu: %s%s", i, answer.head, answer.body);
                if (answer.status == 426)
                        assert_non_null(strstr(answer.head, "sec-websocket-version: 13\r\n"));
                answer_done(&answer);
        }
        peer_ask(&peer, "HEAD /ws HTTP/1.1\r\nHost: t\r\n" WS_ASK "\r\n", 400, NULL);
        peer_ask(&peer, "GET /ws HTTP/1.0\r\nHost: t\r\n" WS_ASK "\r\n", 400, NULL);
        peer_close(&peer);
}

static void allowed_origins_get_in(void **state)
{
        static const struct {
                const char *path;
                const char *origin;
        } cases[] = {
                {"/ws", "Origin: http://t\r\n"},
                {"/ws", "Origin: HTTP://T:80\r\n"},
                {"/ws", "Origin: https://console.example\r\n"},
                {"/any", "Origin: http://evil.example\r\n"},
        };
        struct peer peer;

        (void)state;
        site_start(&site);
        for (size_t i = 0; i < MU_COUNT_OF(cases); i++) {
                peer_open(&peer, site.port);
                ws_shake(&peer, cases[i].path, cases[i].origin);
                ws_send_text(&peer, "in");
                ws_expect_text(&peer, "in");
                close_properly(&peer);
        }
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

static void a_deferred_handshake_is_accepted_later(void **state)
{
        struct peer peer;
        struct answer answer;

        (void)state;
        site_start(&site);
        peer_open(&peer, site.port);
        peer_send(&peer, ASK("/deferred", WS_ASK));
        wait_for(&seen.filled, 1);
        assert_int_equal(mu_loop_post(seen.deferred_loop, run_deferred, NULL), 0);
        peer_receive(&peer, true, &answer);
        assert_int_equal(answer.status, 101);
        answer_done(&answer);
        ws_send_text(&peer, "later");
        ws_expect_text(&peer, "later");
        close_properly(&peer);
}

static void what_is_sent_before_the_101_goes_behind_it(void **state)
{
        struct peer peer;

        (void)state;
        site_start(&site);
        ws_open(&peer, site.port, "/greeting");
        ws_expect_text(&peer, "hello");
        ws_expect_close(&peer, 1000, false);
        ws_send_close(&peer, 1000);
        assert_true(peer_at_end(&peer));
        peer_close(&peer);
}

static void frames_may_come_with_the_handshake(void **state)
{
        unsigned char bytes[1024];
        struct peer peer;
        struct answer answer;

        (void)state;
        site_start(&site);
        peer_open(&peer, site.port);
        size_t size = strlen(ASK("/ws", WS_ASK));
        memcpy(bytes, ASK("/ws", WS_ASK), size);
        size += ws_encode(WS_TEXT, "early", 5, bytes + size);
        peer_send_bytes(&peer, bytes, size);
        peer_receive(&peer, true, &answer);
        assert_int_equal(answer.status, 101);
        answer_done(&answer);
        ws_expect_text(&peer, "early");
        close_properly(&peer);
}

/* ---- messages ---- */

static void echo_sizes(struct peer *peer)
{
        static const size_t sizes[] = {0, 1, 125, 126, 127, 4096, 65535, 65536, 100000};
        struct frame frame;

        for (size_t i = 0; i < MU_COUNT_OF(sizes); i++) {
                for (unsigned first = WS_TEXT; first <= WS_BINARY; first++) {
                        char *data = malloc(sizes[i] + 1);

                        assert_non_null(data);
                        memset(data, first == WS_TEXT ? 'a' : 0xff, sizes[i]);
                        ws_send(peer, first, data, sizes[i]);
                        assert_true(ws_receive(peer, &frame));
                        assert_int_equal(frame.first, first);
                        assert_int_equal(frame.bytes, sizes[i]);
                        assert_memory_equal(frame.data, data, sizes[i]);
                        free(frame.data);
                        free(data);
                }
        }
}

static void messages_of_every_size_come_back(void **state)
{
        struct peer peer;

        (void)state;
        site_start(&site);
        ws_open(&peer, site.port, "/ws");
        echo_sizes(&peer);
        assert_true(site_metric(&site, "muster_websocket_connections") == 1);
        assert_true(site_metric(&site, "muster_websocket_messages_total{direction=\"in\"}") == 18);
        assert_true(site_metric(&site, "muster_websocket_messages_total{direction=\"out\"}") == 18);
        close_properly(&peer);
        wait_for(&seen.closed, 1);
        assert_int_equal(seen.code, 1000);
        assert_true(site_metric(&site, "muster_websocket_closed_total{reason=\"peer\"}") == 1);
        assert_true(site_metric(&site, "muster_websocket_connections") == 0);
}

static void it_works_over_tls(void **state)
{
        struct mu_tls_config config = {.directory = directory, .host_name = "box.example"};
        char error[MU_TLS_ERROR_BYTES];
        SSL_CTX *ctx = SSL_CTX_new(TLS_method());
        struct peer peer;

        (void)state;
        snprintf(directory, sizeof(directory), "/tmp/mu-test-ws.XXXXXX");
        assert_non_null(mkdtemp(directory));
        assert_int_equal(mu_tls_create(&config, &tls, error), 0);
        site.tls = tls;
        site_start(&site);
        peer_open(&peer, site.tls_port);
        assert_true(peer_start_tls(&peer, ctx, NULL));
        ws_shake(&peer, "/ws", "Origin: https://t\r\n");
        echo_sizes(&peer);
        ws_send_text(&peer, "!flood");
        for (uint32_t i = 0;; i++) {
                struct frame frame;

                assert_true(ws_receive(&peer, &frame));
                bool last = frame.first == WS_TEXT;
                if (last)
                        assert_string_equal(frame.data, "drained");
                else
                        assert_int_equal(atoi(frame.data), i);
                free(frame.data);
                if (last)
                        break;
        }
        close_properly(&peer);
        SSL_CTX_free(ctx);
}

static void fragments_and_control_frames_mix(void **state)
{
        unsigned char bytes[512];
        struct peer peer;
        struct frame frame;
        size_t size = 0;

        (void)state;
        site_start(&site);
        ws_open(&peer, site.port, "/ws");
        size += ws_encode(0x01, "gr\xc3", 3, bytes + size); /* a character split in two */
        size += ws_encode(WS_PING, "p1", 2, bytes + size);
        size += ws_encode(0x00, "\xbc", 1, bytes + size);
        size += ws_encode(WS_PONG, "nobody asked", 12, bytes + size);
        size += ws_encode(0x80, "n", 1, bytes + size);
        for (size_t i = 0; i < size; i++) /* byte by byte */
                peer_send_bytes(&peer, bytes + i, 1);
        assert_true(ws_receive(&peer, &frame));
        assert_int_equal(frame.first, WS_PONG);
        assert_string_equal(frame.data, "p1");
        free(frame.data);
        ws_expect_text(&peer, "gr\xc3\xbcn");
        ws_send_text(&peer, "again"); /* whatever state was kept is gone */
        ws_expect_text(&peer, "again");
        close_properly(&peer);
}

/* Sends bytes; the server must close with code, and the connection must end. */
static void expect_failure(const void *bytes, size_t size, unsigned code)
{
        struct peer peer;

        ws_open(&peer, site.port, "/ws");
        peer_send_bytes(&peer, bytes, size);
        ws_expect_close(&peer, code, true);
        assert_true(peer_at_end(&peer));
        peer_close(&peer);
}

static void expect_frame_failure(unsigned first, const void *data, size_t bytes, unsigned code)
{
        unsigned char *frame = malloc(bytes + 14);

        assert_non_null(frame);
        expect_failure(frame, ws_encode(first, data, bytes, frame), code);
        free(frame);
}

static void rule_breakers_are_closed(void **state)
{
        static const unsigned char unmasked[] = {0x81, 0x02, 'h', 'i'};
        static const unsigned char long_form[] = {0x81, 0xfe, 0x00, 0x01, 1, 2, 3, 4, 0};
        static const unsigned char huge[] = {0x82, 0xff, 0, 0, 0, 0, 0x7f, 0xff,
                                             0xff, 0xff, 1, 2, 3, 4, 0};
        static const unsigned char negative[] = {0x82, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 1, 1, 2, 3, 4};
        unsigned char fragments[(MU_WS_FRAGMENTS_MAX + 1) * 7];
        char *large = calloc(1, 100001);
        size_t size = 0;

        (void)state;
        assert_non_null(large);
        site_start(&site);
        expect_failure(unmasked, sizeof(unmasked), 1002);
        expect_failure(long_form, sizeof(long_form), 1002);
        expect_failure(huge, sizeof(huge), 1009);
        expect_failure(negative, sizeof(negative), 1002);
        expect_frame_failure(0xC1, "x", 1, 1002);        /* a reserved bit */
        expect_frame_failure(0x83, "x", 1, 1002);        /* a reserved opcode */
        expect_frame_failure(0x8B, "x", 1, 1002);        /* a reserved control opcode */
        expect_frame_failure(0x80, "x", 1, 1002);        /* continues nothing */
        expect_frame_failure(0x09, "x", 1, 1002);        /* a fragmented ping */
        expect_frame_failure(WS_PING, large, 126, 1002); /* a long ping */
        expect_frame_failure(WS_TEXT, "\xc0\x80", 2, 1007);
        expect_frame_failure(WS_TEXT, "\xed\xa0\x80", 3, 1007);
        expect_frame_failure(WS_TEXT, "cut \xc3", 5, 1007);
        expect_frame_failure(WS_BINARY, large, 100001, 1009);
        expect_frame_failure(WS_CLOSE, "\x03", 1, 1002);         /* half a code */
        expect_frame_failure(WS_CLOSE, "\x03\xed", 2, 1002);     /* 1005 */
        expect_frame_failure(WS_CLOSE, "\x03\xe8\xff", 3, 1007); /* a reason that is not UTF-8 */
        for (uint32_t i = 0; i <= MU_WS_FRAGMENTS_MAX; i++)
                size += ws_encode(i == 0 ? 0x02 : 0x00, "f", 1, fragments + size);
        expect_failure(fragments, size, 1008);
        wait_for(&seen.closed, 18);
        assert_true(site_metric(&site, "muster_websocket_closed_total{reason=\"protocol\"}") == 18);
        free(large);
}

static void messages_to_a_mute_route_are_refused(void **state)
{
        struct peer peer;

        (void)state;
        site_start(&site);
        ws_open(&peer, site.port, "/mute");
        ws_send(&peer, WS_PING, "x", 1);
        struct frame frame;
        assert_true(ws_receive(&peer, &frame));
        assert_int_equal(frame.first, WS_PONG);
        free(frame.data);
        ws_send_text(&peer, "hey");
        ws_expect_close(&peer, 1003, false);
        ws_send_close(&peer, 1003);
        assert_true(peer_at_end(&peer));
        peer_close(&peer);
}

/* ---- the end ---- */

static void the_peer_closes(void **state)
{
        struct peer peer;

        (void)state;
        site_start(&site);
        ws_open(&peer, site.port, "/ws");
        ws_send_close(&peer, 0); /* without a code: answered without one */
        ws_expect_close(&peer, 0, false);
        assert_true(peer_at_end(&peer));
        peer_close(&peer);
        wait_for(&seen.closed, 1);
        assert_int_equal(seen.code, MU_WS_NO_STATUS);

        ws_open(&peer, site.port, "/ws");
        ws_send_close(&peer, 4321);
        ws_expect_close(&peer, 4321, false);
        peer_close(&peer);
        wait_for(&seen.closed, 2);
        assert_int_equal(seen.code, 4321);

        ws_open(&peer, site.port, "/ws"); /* without a word */
        peer_close(&peer);
        wait_for(&seen.closed, 3);
        assert_int_equal(seen.code, MU_WS_ABNORMAL);
        assert_true(site_metric(&site, "muster_websocket_closed_total{reason=\"lost\"}") == 1);
}

static void the_server_closes(void **state)
{
        struct peer peer;

        (void)state;
        site_start(&site);
        ws_open(&peer, site.port, "/ws");
        ws_send_text(&peer, "!close");
        ws_send_text(&peer, "on_message must not see this");
        ws_expect_text(&peer, "last");
        ws_expect_close(&peer, 4001, false);
        ws_send_close(&peer, 4001);
        assert_true(peer_at_end(&peer));
        peer_close(&peer);
        wait_for(&seen.closed, 1);
        assert_int_equal(seen.code, 4001);
        assert_true(site_metric(&site, "muster_websocket_closed_total{reason=\"server\"}") == 1);
}

static void a_close_without_an_answer_has_a_deadline(void **state)
{
        struct peer peer;

        (void)state;
        site.config.websocket_close_ms = 50;
        site_start(&site);
        ws_open(&peer, site.port, "/ws");
        ws_send_text(&peer, "!close");
        ws_expect_close(&peer, 4001, true);
        assert_true(peer_at_end(&peer)); /* by force */
        peer_close(&peer);
        wait_for(&seen.closed, 1);
        assert_int_equal(seen.code, 4001);
}

/* Answers pings until so many have come. */
static void answer_pings(struct peer *peer, int count)
{
        struct frame frame;

        for (int i = 0; i < count; i++) {
                assert_true(ws_receive(peer, &frame));
                assert_int_equal(frame.first, WS_PING);
                assert_int_equal(frame.bytes, 0);
                ws_send(peer, WS_PONG, frame.data, frame.bytes);
                free(frame.data);
        }
}

static void a_peer_that_stops_answering_pings_is_cut(void **state)
{
        struct peer peer;
        struct frame frame;

        (void)state;
        site.config.websocket_ping_ms = 2000;
        site_start(&site);
        ws_open(&peer, site.port, "/ws");
        answer_pings(&peer, 2);
        assert_int_equal(count_of(&seen.closed), 0);
        while (ws_receive(&peer, &frame))
                free(frame.data);
        peer_close(&peer);
        wait_for(&seen.closed, 1);
        assert_int_equal(seen.code, MU_WS_ABNORMAL);
        assert_true(site_metric(&site, "muster_websocket_closed_total{reason=\"timeout\"}") == 1);
}

static void a_full_queue_says_so_and_drains(void **state)
{
        struct peer peer;
        struct frame frame;

        (void)state;
        site_start(&site);
        ws_open(&peer, site.port, "/ws");
        ws_send_text(&peer, "!flood"); /* and reads nothing meanwhile */
        wait_for(&seen.flooded, 1);
        assert_true(seen.flooded >= MU_WS_QUEUE_BYTES / FLOOD_BYTES);
        for (uint32_t i = 0; i < seen.flooded; i++) {
                assert_true(ws_receive(&peer, &frame));
                assert_int_equal(frame.first, WS_BINARY);
                assert_int_equal(frame.bytes, FLOOD_BYTES);
                assert_int_equal(atoi(frame.data), i);
                free(frame.data);
        }
        ws_expect_text(&peer, "drained");
        assert_int_equal(count_of(&seen.drained), 1);
        assert_true(site_metric(&site, "muster_websocket_dropped_total") == 1);
        close_properly(&peer);
}

static void clear_drops_what_waits(void **state)
{
        struct peer peer;
        struct frame frame;
        uint32_t whole = 0;

        (void)state;
        site_start(&site);
        ws_open(&peer, site.port, "/ws");
        ws_send_text(&peer, "!clear");
        wait_for(&seen.flooded, 1);
        for (;;) { /* what was being written comes whole, the rest does not */
                assert_true(ws_receive(&peer, &frame));
                bool fresh = frame.first == WS_TEXT && strcmp(frame.data, "fresh") == 0;
                if (!fresh)
                        assert_int_equal(atoi(frame.data), whole++);
                free(frame.data);
                if (fresh)
                        break;
        }
        assert_true(whole < seen.flooded);
        ws_expect_text(&peer, "drained");
        close_properly(&peer);
}

static void a_peer_that_takes_nothing_is_cut(void **state)
{
        struct peer peer;

        (void)state;
        site.config.write_timeout_ms = 300;
        site_start(&site);
        ws_open(&peer, site.port, "/ws");
        ws_send_text(&peer, "!flood");
        wait_for(&seen.closed, 1);
        assert_int_equal(seen.code, MU_WS_ABNORMAL);
        peer_close(&peer);
}

static void a_peer_that_leaves_in_a_flood_is_let_go(void **state)
{
        struct peer peer;

        (void)state;
        site_start(&site);
        for (uint32_t i = 1; i <= 8; i++) {
                ws_open(&peer, site.port, "/ws");
                ws_send_text(&peer, "!flood");
                if (i % 2 == 0)
                        wait_for(&seen.flooded, 1);
                peer_close(&peer); /* unread data: a reset */
                wait_for(&seen.closed, i);
        }
}

static void stop_closes_all(void **state)
{
        struct peer polite, rude;

        (void)state;
        site.config.loop_count = 2;
        site_start(&site);
        ws_open(&polite, site.port, "/ws");
        ws_open(&rude, site.port, "/ws");
        site_stop(&site, 60000);
        ws_expect_close(&polite, 1001, false);
        ws_expect_close(&rude, 1001, false);
        ws_send_close(&polite, 1001);
        assert_true(peer_at_end(&polite));
        site_stop(&site, 0); /* the rude one is cut */
        site_join(&site);
        assert_int_equal(seen.closed, 2);
        assert_int_equal(seen.code, 1001);
        assert_true(peer_at_end(&rude));
        peer_close(&polite);
        peer_close(&rude);
}

static void they_count_for_the_cap_and_are_never_idle(void **state)
{
        struct peer idle, first, second, extra;

        (void)state;
        site.config.connections_max = 2;
        site_start(&site);
        ws_open(&first, site.port, "/ws");
        peer_open(&idle, site.port);
        peer_post(&idle, "/v1/echo", "[]", 200, "[]");
        ws_open(&second, site.port, "/ws"); /* for the idle one */
        assert_true(peer_at_end(&idle));
        peer_open(&extra, site.port);
        assert_true(peer_at_end(&extra)); /* nobody to close for it */
        ws_send_text(&first, "still here");
        ws_expect_text(&first, "still here");
        close_properly(&first);
        close_properly(&second);
        peer_close(&idle);
        peer_close(&extra);
}

/* ---- other threads ---- */

#define WATCHERS 24
#define ROUNDS 50

static void one_payload_goes_to_many(void **state)
{
        struct peer peers[WATCHERS];
        char text[32];

        (void)state;
        site.config.loop_count = 3;
        site_start(&site);
        for (int i = 0; i < WATCHERS; i++)
                ws_open(&peers[i], site.port, "/ws");
        wait_for(&seen.opened, WATCHERS);
        for (int round = 0; round < ROUNDS; round++) {
                struct mu_ws_payload *payload;

                snprintf(text, sizeof(text), "round %d", round);
                assert_int_equal(mu_ws_payload_create(MU_WS_TEXT, text, strlen(text), &payload), 0);
                for (int i = 0; i < WATCHERS; i++)
                        assert_int_equal(mu_ws_post(seen.handles[i], payload), 0);
                mu_ws_payload_unref(payload);
        }
        for (int i = 0; i < WATCHERS; i++) {
                for (int round = 0; round < ROUNDS; round++) {
                        snprintf(text, sizeof(text), "round %d", round);
                        ws_expect_text(&peers[i], text);
                }
                close_properly(&peers[i]);
        }
}

static _Atomic bool posting;

static void post_on_and_on(void *ctx)
{
        struct mu_ws_payload *payload = ctx;

        while (atomic_load(&posting)) {
                uint32_t count = count_of(&seen.opened);

                for (uint32_t i = 0; i < count; i++) {
                        int error = mu_ws_post(seen.handles[i], payload);

                        assert_true(error == 0 || error == -ENOBUFS);
                }
        }
}

/* Sockets open and close while others post to them, living and dead. */
static void posts_to_the_dead_are_nothing(void **state)
{
        struct mu_ws_payload *payload;
        struct peer peer;
        pthread_t thread;

        (void)state;
        site.config.loop_count = 2;
        site_start(&site);
        assert_int_equal(mu_ws_payload_create(MU_WS_TEXT, "tick", 4, &payload), 0);
        atomic_store(&posting, true);
        assert_int_equal(mu_thread_start("poster", post_on_and_on, payload, &thread), 0);
        for (uint32_t i = 1; i <= 40; i++) {
                struct frame frame;

                ws_open(&peer, site.port, "/ws");
                if (i % 2 == 0) {
                        assert_true(ws_receive(&peer, &frame));
                        free(frame.data);
                }
                peer_close(&peer);
        }
        wait_for(&seen.closed, 40);
        atomic_store(&posting, false);
        mu_thread_join(thread);
        mu_ws_payload_unref(payload);
        assert_int_equal(mu_ws_post((struct mu_ws_handle){0}, payload), 0);
}

static void post_until(const char *path, const uint32_t *counter, struct peer *peer)
{
        static const char data[FLOOD_BYTES];
        struct mu_ws_payload *payload;

        ws_open(peer, site.port, path);
        wait_for(&seen.opened, 1);
        assert_int_equal(mu_ws_payload_create(MU_WS_BINARY, data, sizeof(data), &payload), 0);
        while (count_of(counter) == 0) {
                int error = mu_ws_post(seen.handles[0], payload);
                assert_true(error == 0 || error == -ENOBUFS);
        }
        mu_ws_payload_unref(payload);
}

static void a_post_that_finds_no_room_is_told(void **state)
{
        struct peer peer;

        (void)state;
        site_start(&site);
        post_until("/mute", &seen.filled, &peer);
        peer_close(&peer);
}

static void a_post_that_finds_no_room_closes(void **state)
{
        struct peer peer;

        (void)state;
        site.config.websocket_close_ms = 50;
        site_start(&site);
        post_until("/strict", &seen.closed, &peer);
        assert_int_equal(seen.code, MU_WS_TRY_LATER);
        assert_true(site_metric(&site, "muster_websocket_closed_total{reason=\"overflow\"}") == 1);
        peer_close(&peer);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                T(wrong_handshakes_are_refused),
                T(allowed_origins_get_in),
                T(a_deferred_handshake_is_accepted_later),
                T(what_is_sent_before_the_101_goes_behind_it),
                T(frames_may_come_with_the_handshake),
                T(messages_of_every_size_come_back),
                T(it_works_over_tls),
                T(fragments_and_control_frames_mix),
                T(rule_breakers_are_closed),
                T(messages_to_a_mute_route_are_refused),
                T(the_peer_closes),
                T(the_server_closes),
                T(a_close_without_an_answer_has_a_deadline),
                T(a_peer_that_stops_answering_pings_is_cut),
                T(a_full_queue_says_so_and_drains),
                T(clear_drops_what_waits),
                T(a_peer_that_takes_nothing_is_cut),
                T(a_peer_that_leaves_in_a_flood_is_let_go),
                T(stop_closes_all),
                T(they_count_for_the_cap_and_are_never_idle),
                T(one_payload_goes_to_many),
                T(posts_to_the_dead_are_nothing),
                T(a_post_that_finds_no_room_is_told),
                T(a_post_that_finds_no_room_closes),
        };

        return cmocka_run_group_tests_name("websocket", tests, NULL, NULL);
}
