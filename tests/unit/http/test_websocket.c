/* SPDX-License-Identifier: Apache-2.0 */
/* WebSockets: the handshake, messages, rules. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "muster/compiler.h"
#include "ws_site.h"

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

static void a_deferred_handshake_is_accepted_later(void **state)
{
        struct peer peer;
        struct answer answer;

        (void)state;
        site_start(&site);
        peer_open(&peer, site.port);
        peer_send(&peer, ASK("/deferred", WS_ASK));
        wait_for(&seen.filled, 1);
        ws_accept_deferred();
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
        SSL_CTX *ctx = SSL_CTX_new(TLS_method());
        struct peer peer;

        (void)state;
        ws_with_tls();
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
                        assert_int_equal(ws_number(&frame), i);
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

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, ws_setup, ws_teardown)
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
        };

        return cmocka_run_group_tests_name("websocket", tests, NULL, NULL);
}
