/* SPDX-License-Identifier: Apache-2.0 */
/* The server with real threads and sockets: requests, replies, deferring, stopping. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "muster/compiler.h"
#include "server_fixture.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: t\r\n\r\n"

static struct site site;

static int setup(void **state)
{
        (void)state;
        site_init(&site);
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        site_done(&site);
        return 0;
}

static void echoes_on_one_connection(void **state)
{
        struct peer peer;

        (void)state;
        site_start(&site);
        peer_open(&peer, site.port);
        for (int i = 0; i < 20; i++)
                peer_post(&peer, "/v1/echo", "{\"a\":1}", 200, "{\"a\":1}");
        peer_post(&peer, "/v1/echo", "", 200, "");
        peer_close(&peer);
        /* Padded and whole at every length around the sizes of h2o's buffers. */
        peer_open(&peer, site.port);
        for (size_t bytes = 7800; bytes < 8300; bytes += 3) {
                char *body = calloc(1, bytes + 1);

                assert_non_null(body);
                memset(body, 'x', bytes);
                peer_post(&peer, "/v1/echo", body, 200, body);
                free(body);
        }
        peer_close(&peer);
}

static void answers_pipelined_requests_in_order(void **state)
{
        struct peer peer;
        struct answer answer;
        char request[256], expected[16];

        (void)state;
        site_start(&site);
        peer_open(&peer, site.port);
        for (int i = 0; i < 50; i++) {
                snprintf(expected, sizeof(expected), "[%d]", i);
                snprintf(request, sizeof(request),
                         "POST /v1/echo HTTP/1.1\r\nHost: t\r\nContent-Length: %zu\r\n\r\n%s",
                         strlen(expected), expected);
                peer_send(&peer, request);
        }
        for (int i = 0; i < 50; i++) {
                snprintf(expected, sizeof(expected), "[%d]", i);
                peer_receive(&peer, false, &answer);
                assert_int_equal(answer.status, 200);
                assert_string_equal(answer.body, expected);
                answer_done(&answer);
        }
        peer_close(&peer);
}

static void finds_routes(void **state)
{
        struct peer peer;
        struct answer answer;

        (void)state;
        site_start(&site);
        peer_open(&peer, site.port);
        peer_ask(&peer, GET("/things/a%20b?x=1&q=c+d%26"), 200, "id=a b q=c d& bearer= ");
        peer_ask(&peer, GET("/things/7/"), 200, "id=7 ");
        peer_ask(&peer, GET("/things/"), 404, "path-unknown");
        peer_ask(&peer, GET("/things/a%2"), 400, "\"field\":\"id\"");
        peer_ask(&peer, GET("/things/a%00b"), 400, "id-malformed");
        peer_ask(&peer, GET("/v1/%65cho"), 404, "path-unknown");
        peer_ask(&peer, GET("/v1/../health"), 404, "path-unknown");
        peer_send(&peer, GET("/v1/echo"));
        peer_receive(&peer, false, &answer);
        assert_int_equal(answer.status, 405);
        assert_non_null(strstr(answer.head, "allow: POST, OPTIONS\r\n"));
        answer_done(&answer);
        peer_send(&peer, "OPTIONS /things/1 HTTP/1.1\r\nHost: t\r\n\r\n");
        peer_receive(&peer, false, &answer);
        assert_int_equal(answer.status, 204);
        assert_non_null(strstr(answer.head, "allow: GET, HEAD, OPTIONS\r\n"));
        assert_null(strcasestr(answer.head, "content-length"));
        answer_done(&answer);
        peer_send(&peer, "HEAD /things/1 HTTP/1.1\r\nHost: t\r\n\r\n");
        peer_receive(&peer, true, &answer);
        assert_int_equal(answer.status, 200);
        assert_non_null(strcasestr(answer.head, "content-length: 30\r\n"));
        answer_done(&answer);
        peer_ask(&peer, "BREW /things/1 HTTP/1.1\r\nHost: t\r\n\r\n", 405, "BREW is not possible");
        peer_close(&peer);
}

static void gives_each_reply_its_headers(void **state)
{
        struct peer peer;
        struct answer answer;

        (void)state;
        site_start(&site);
        peer_open(&peer, site.port);
        /* A data-plane success is bare. */
        peer_send(&peer, "POST /v1/echo HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\n"
                         "X-Request-Id: abc\r\n\r\n{}");
        peer_receive(&peer, false, &answer);
        assert_null(strcasestr(answer.head, "x-request-id"));
        assert_null(strcasestr(answer.head, "cache-control"));
        assert_non_null(strcasestr(answer.head, "content-type: application/json\r\n"));
        assert_non_null(strstr(answer.head, "Server: muster\r\n"));
        answer_done(&answer);
        /* The rest is guarded, and takes over a sane id. */
        peer_send(&peer, "GET /things/1 HTTP/1.1\r\nHost: t\r\nX-Request-Id: a.b-c_9\r\n"
                         "Authorization: bEARER  tok \r\n\r\n");
        peer_receive(&peer, false, &answer);
        assert_non_null(strstr(answer.head, "x-request-id: a.b-c_9\r\n"));
        assert_non_null(strstr(answer.head, "cache-control: no-store\r\n"));
        assert_non_null(strstr(answer.head, "x-content-type-options: nosniff\r\n"));
        assert_non_null(strstr(answer.head, "x-frame-options: DENY\r\n"));
        assert_non_null(strstr(answer.head, "content-security-policy: default-src 'none'"));
        assert_null(strstr(answer.head, "strict-transport-security"));
        assert_non_null(strstr(answer.body, "bearer=tok from=127.0.0.1"));
        answer_done(&answer);
        /* An odd one is replaced. */
        peer_send(&peer, "GET /nothing HTTP/1.1\r\nHost: t\r\nX-Request-Id: a b\r\n\r\n");
        peer_receive(&peer, false, &answer);
        assert_int_equal(answer.status, 404);
        assert_null(strstr(answer.head, "a b"));
        char *id = strstr(answer.head, "x-request-id: ");
        assert_non_null(id);
        char expected[64];
        snprintf(expected, sizeof(expected), "\"request_id\":\"%.16s\"", id + 14);
        assert_non_null(strstr(answer.body, expected));
        assert_non_null(strstr(answer.head, "content-type: application/problem+json\r\n"));
        answer_done(&answer);
        peer_close(&peer);
}

static void limits_bodies_and_heads(void **state)
{
        struct peer peer;
        char *big = calloc(1, 70 * 1024 + 1);

        (void)state;
        assert_non_null(big);
        memset(big, 'y', 70 * 1024);
        site_start(&site);
        peer_open(&peer, site.port);
        peer_post(&peer, "/v1/echo", big, 413, "takes at most 65536"); /* the route's limit */
        peer_post(&peer, "/v1/echo", "{}", 200, "{}");                 /* and goes on */
        peer_send(&peer, "POST /v1/echo HTTP/1.1\r\nHost: t\r\nContent-Length: 300000\r\n\r\n");
        peer_ask(&peer, "", 413, "larger than the server accepts"); /* the server's */
        assert_true(peer_at_end(&peer));
        peer_close(&peer);
        peer_open(&peer, site.port);
        peer_send(&peer, "GET /things/1 HTTP/1.1\r\nHost: t\r\nX-Big: ");
        peer_send(&peer, big);
        peer_ask(&peer, "\r\n\r\n", 431, "longer than the server accepts");
        peer_close(&peer);
        free(big);
        peer_open(&peer, site.port);
        peer_ask(&peer, "GET / HTTP/1.1\r\n\r\n", 400, "Host is missing");
        peer_close(&peer);
        assert_true(site_metric(&site, "muster_http_protocol_errors_total") == 3);
}

/* Slow senders of large bodies share a budget; small bodies never meet it. */
static void bounds_the_memory_of_bodies(void **state)
{
        static const char head[] =
                "POST /v1/echo HTTP/1.1\r\nHost: t\r\nContent-Length: 60000\r\n\r\n";
        struct peer first, second, small;
        struct answer answer;
        char *body = calloc(1, 60001);

        (void)state;
        assert_non_null(body);
        memset(body, 'z', 60000);
        site.config.body_memory_bytes_max = 100000;
        site_start(&site);
        peer_open(&first, site.port);
        peer_send(&first, head);
        peer_send_bytes(&first, body, 59999);
        peer_open(&small, site.port);
        peer_post(&small, "/v1/echo", "[]", 200, "[]");
        peer_open(&second, site.port);
        /* Served as long as the first one's head has not arrived. */
        for (bool refused = false; !refused;) {
                peer_send(&second, head);
                peer_send_bytes(&second, body, 60000);
                peer_receive(&second, false, &answer);
                refused = answer.status == 503;
                if (refused) {
                        assert_non_null(strstr(answer.head, "Retry-After: 2\r\n"));
                        assert_non_null(strstr(answer.body, "too many large request bodies"));
                }
                answer_done(&answer);
        }
        assert_true(peer_at_end(&second));
        peer_close(&second);
        peer_post(&small, "/v1/echo", "[2]", 200, "[2]");
        peer_ask(&first, "z", 200, body);
        /* Given back: by an answer, and by a connection that ends. */
        peer_post(&first, "/v1/echo", body, 200, body);
        peer_send(&first, head);
        peer_close(&first);
        peer_open(&second, site.port);
        for (bool served = false; !served;) {
                peer_send(&second, head);
                peer_send_bytes(&second, body, 60000);
                peer_receive(&second, false, &answer);
                served = answer.status == 200;
                answer_done(&answer);
                if (!served) {
                        peer_close(&second);
                        peer_open(&second, site.port);
                }
        }
        peer_close(&second);
        peer_close(&small);
        free(body);
}

static void defers_and_replies_in_any_order(void **state)
{
        struct peer peers[8];
        struct answer answer;
        char expected[32];

        (void)state;
        site.config.loop_count = 2;
        site_start(&site);
        for (int i = 0; i < 8; i++) {
                peer_open(&peers[i], site.port);
                peer_send(&peers[i],
                          "POST /v1/later HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\n\r\n{}");
                site_wait_later(&site, (uint32_t)i + 1);
        }
        for (int i = 7; i >= 0; i--) {
                site_release(&site, (uint32_t)i);
                peer_receive(&peers[i], false, &answer);
                snprintf(expected, sizeof(expected), "{\"n\":%d}", i);
                assert_int_equal(answer.status, 202);
                assert_string_equal(answer.body, expected);
                answer_done(&answer);
        }
        /* A handle works once. */
        site_release(&site, 3);
        site_wait_released(&site, 9);
        assert_int_equal(site.sent, 8);
        assert_int_equal(site.dead, 1);
        for (int i = 0; i < 8; i++) {
                peer_post(&peers[i], "/v1/echo", "[]", 200, "[]"); /* still usable */
                peer_close(&peers[i]);
        }
}

/* The next request on the same connection has the same slot: the old handle must not answer it. */
static void an_old_handle_never_answers_a_later_request(void **state)
{
        struct peer peer;
        struct answer answer;

        (void)state;
        site_start(&site);
        peer_open(&peer, site.port);
        for (uint32_t i = 0; i < 2; i++) {
                peer_send(&peer,
                          "POST /v1/later HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\n\r\n{}");
                site_wait_later(&site, i + 1);
                site_release(&site, 0); /* the second time it is dead */
                site_wait_released(&site, i + 1);
        }
        assert_int_equal(site.sent, 1);
        assert_int_equal(site.dead, 1);
        site_release(&site, 1);
        for (int i = 0; i < 2; i++) {
                peer_receive(&peer, false, &answer);
                assert_string_equal(answer.body, i == 0 ? "{\"n\":0}" : "{\"n\":1}");
                answer_done(&answer);
        }
        peer_close(&peer);
}

static void survives_clients_that_leave_before_the_reply(void **state)
{
        struct peer peers[16];
        struct peer other;
        struct linger reset = {.l_onoff = 1, .l_linger = 0};

        (void)state;
        site_start(&site);
        for (int i = 0; i < 16; i++) {
                peer_open(&peers[i], site.port);
                peer_send(&peers[i],
                          "POST /v1/later HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\n\r\n{}");
        }
        site_wait_later(&site, 16);
        for (int i = 0; i < 16; i++) {
                if (i % 2 == 0)
                        setsockopt(peers[i].fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
                peer_close(&peers[i]);
        }
        for (uint32_t i = 0; i < 16; i++)
                site_release(&site, i);
        site_wait_released(&site, 16);
        for (uint32_t i = 0; i < 16; i++)
                site_release(&site, i); /* long dead */
        site_wait_released(&site, 32);
        assert_int_equal(site.sent + site.dead, 32);
        assert_true(site.dead >= 16);
        peer_open(&other, site.port);
        peer_post(&other, "/v1/echo", "[]", 200, "[]");
        peer_close(&other);
}

static void a_half_open_client_still_gets_its_reply(void **state)
{
        struct peer peer;
        struct answer answer;

        (void)state;
        site_start(&site);
        peer_open(&peer, site.port);
        peer_send(&peer, "POST /v1/later HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\n\r\n{}");
        site_wait_later(&site, 1);
        assert_int_equal(shutdown(peer.fd, SHUT_WR), 0);
        site_release(&site, 0);
        peer_receive(&peer, false, &answer);
        assert_int_equal(answer.status, 202);
        answer_done(&answer);
        assert_true(peer_at_end(&peer));
        peer_close(&peer);
}

static void slow_requests_are_ended(void **state)
{
        struct peer peer;

        (void)state;
        site.config.request_timeout_ms = 50;
        site_start(&site);
        peer_open(&peer, site.port);
        peer_send(&peer, "GET /things/1 HTT");
        peer_ask(&peer, "", 408, "did not arrive completely");
        assert_true(peer_at_end(&peer));
        peer_close(&peer);
        peer_open(&peer, site.port);
        peer_send(&peer, "POST /v1/echo HTTP/1.1\r\nHost: t\r\nContent-Length: 9\r\n\r\n{");
        peer_ask(&peer, "", 408, "did not arrive completely");
        peer_close(&peer);
}

static void idle_connections_are_ended(void **state)
{
        struct peer peer;

        (void)state;
        site.config.idle_timeout_ms = 50;
        site_start(&site);
        peer_open(&peer, site.port);
        assert_true(peer_at_end(&peer)); /* not one byte sent */
        peer_close(&peer);
        peer_open(&peer, site.port);
        peer_post(&peer, "/v1/echo", "[]", 200, "[]");
        assert_true(peer_at_end(&peer)); /* between requests */
        peer_close(&peer);
}

static void probes_answer(void **state)
{
        struct peer peer;

        (void)state;
        site_start(&site);
        peer_open(&peer, site.port);
        peer_ask(&peer, GET("/health"), 200, "\"version\":\"1.2.3\"");
        peer_ask(&peer, GET("/api/health"), 200, "\"status\":\"ok\"");
        peer_ask(&peer, GET("/ready"), 200, "\"ready\":true");
        peer_ask(&peer, GET("/health/detailed"), 503, "\"database\":\"down\"");
        peer_ask(&peer, GET("/metrics"), 200,
                 "muster_http_requests_total{method=\"GET\",route=\"/ready\",status=\"2xx\"} 1\n");
        peer_close(&peer);
}

static void says_why_it_cannot_listen(void **state)
{
        char error[MU_LISTEN_ERROR_BYTES];
        uint16_t port;

        (void)state;
        site_start(&site);
        assert_int_equal(mu_server_listen(site.server, "localhost", 0, NULL, &port, error),
                         -EINVAL);
        assert_non_null(strstr(error, "\"localhost\" is not an IPv4 or IPv6 address"));
        assert_int_equal(mu_server_listen(site.server, "127.0.0.1", site.port, NULL, &port, error),
                         -EADDRINUSE);
        assert_non_null(strstr(error, "choose another port"));
        assert_int_equal(mu_server_listen(site.server, "192.0.2.1", 0, NULL, &port, error),
                         -EADDRNOTAVAIL);
        assert_non_null(strstr(error, "cannot listen on 192.0.2.1 port 0"));
}

static void hooks_stand_around_the_wait(void **state)
{
        struct peer peer;

        (void)state;
        site_start(&site);
        peer_open(&peer, site.port);
        peer_post(&peer, "/v1/echo", "[]", 200, "[]");
        peer_close(&peer);
        site_stop(&site, 0);
        site_join(&site);
        assert_int_equal(site.waits, 0);
        assert_true(site.wait_begins >= 2);
}

static void stop_lets_the_reply_in_flight_out(void **state)
{
        struct peer busy, idle;
        struct answer answer;

        (void)state;
        site_start(&site);
        peer_open(&idle, site.port);
        peer_post(&idle, "/v1/echo", "[]", 200, "[]");
        peer_open(&busy, site.port);
        peer_send(&busy, "POST /v1/later HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\n\r\n{}");
        site_wait_later(&site, 1);
        site_stop(&site, 60000);
        assert_true(peer_at_end(&idle)); /* closed at once */
        /* Listeners went first: nobody new. */
        assert_false(peer_can_open(site.port));
        site_release(&site, 0);
        peer_receive(&busy, false, &answer);
        assert_int_equal(answer.status, 202);
        answer_done(&answer);
        assert_true(peer_at_end(&busy));
        site_join(&site);
        peer_close(&idle);
        peer_close(&busy);
}

static void the_deadline_cuts_what_is_left(void **state)
{
        struct peer busy, half;
        struct answer answer;

        (void)state;
        site_start(&site);
        peer_open(&half, site.port);
        peer_send(&half, "POST /v1/echo HTTP/1.1\r\nHost: t\r\nContent-Le");
        peer_open(&busy, site.port);
        peer_send(&busy, "POST /v1/later HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\n\r\n{}");
        site_wait_later(&site, 1);
        site_stop(&site, 60000);
        site_stop(&site, 0); /* a second signal: now */
        peer_receive(&busy, false, &answer);
        assert_int_equal(answer.status, 503);
        assert_non_null(strstr(answer.body, "\"type\":\"urn:muster:problem:stopping\""));
        assert_non_null(strstr(answer.head, "retry-after: 5\r\n"));
        answer_done(&answer);
        site_join(&site);
        assert_true(peer_at_end(&half));
        peer_close(&busy);
        peer_close(&half);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                T(echoes_on_one_connection),
                T(answers_pipelined_requests_in_order),
                T(finds_routes),
                T(gives_each_reply_its_headers),
                T(limits_bodies_and_heads),
                T(bounds_the_memory_of_bodies),
                T(defers_and_replies_in_any_order),
                T(an_old_handle_never_answers_a_later_request),
                T(survives_clients_that_leave_before_the_reply),
                T(a_half_open_client_still_gets_its_reply),
                T(slow_requests_are_ended),
                T(idle_connections_are_ended),
                T(probes_answer),
                T(says_why_it_cannot_listen),
                T(hooks_stand_around_the_wait),
                T(stop_lets_the_reply_in_flight_out),
                T(the_deadline_cuts_what_is_left),
        };

        return cmocka_run_group_tests_name("server", tests, NULL, NULL);
}
