/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What cmake/patches change in h2o, each seen from a raw socket.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/err.h>

#include "h2o_fixture.h"

#define LONG_MS 60000u
#define SHORT_MS 30u

#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define POST "POST / HTTP/1.1\r\nHost: a\r\n"
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"

static struct client *open_and_send(struct fixture *server, const char *text)
{
        struct client *client = client_open(server);

        client_send(client, text, strlen(text));
        return client;
}

static void assert_problem(struct client *client, int status)
{
        char member[32];

        client_wait_end(client);
        assert_false(client->reset);
        assert_int_equal(client_status(client), status);
        assert_non_null(strstr(client->bytes, "\r\nContent-Type: application/problem+json\r\n"));
        assert_non_null(strstr(client->bytes, "\r\nConnection: close\r\n"));
        assert_non_null(strstr(client->bytes, "{\"type\":\"about:blank\",\"title\":\""));
        snprintf(member, sizeof(member), "\"status\":%d,", status);
        assert_non_null(strstr(client->bytes, member));
        assert_int_equal(client->server->last_protocol_error, status);
}

/* What is refused, and the closest thing that is not. */
/* clang-format off */
static const struct request {
        const char *what;
        const char *bytes;
        int status; /* 200: accepted */
} requests[] = {
        { "plain", GET, 200 },
        { "a leading empty line", "\r\n" GET, 200 },
        { "HTTP/1.0 without Host", "GET / HTTP/1.0\r\n\r\n", 200 },
        { "Content-Length", POST "Content-Length: 2\r\n\r\nok", 200 },
        { "white space after a value", POST "Content-Length: 2 \t\r\n\r\nok", 200 },
        { "Content-Length 0", POST "Content-Length: 0\r\n\r\n", 200 },
        { "chunked", CHUNKED "2\r\nok\r\n0\r\n\r\n", 200 },
        { "chunk extension and trailer", CHUNKED "2 ;a=b\r\nok\r\n0\r\nT: x\r\n\r\n", 200 },
        { "Upgrade: h2c is ignored", "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, "
          "HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n", 200 },

        { "two different Content-Length",
          POST "Content-Length: 2\r\nContent-Length: 3\r\n\r\nok", 400 },
        { "the same Content-Length twice",
          POST "Content-Length: 2\r\nContent-Length: 2\r\n\r\nok", 400 },
        { "a list of Content-Length", POST "Content-Length: 2, 2\r\n\r\nok", 400 },
        { "Content-Length, then chunked",
          POST "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400 },
        { "chunked, then Content-Length",
          POST "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n", 400 },
        { "Content-Length with a sign", POST "Content-Length: +2\r\n\r\nok", 400 },
        { "negative Content-Length", POST "Content-Length: -1\r\n\r\nok", 400 },
        { "hexadecimal Content-Length", POST "Content-Length: 0x2\r\n\r\nok", 400 },
        { "empty Content-Length", POST "Content-Length:\r\n\r\nok", 400 },
        { "Content-Length beyond 64 bits",
          POST "Content-Length: 18446744073709551618\r\n\r\nok", 400 },
        { "Transfer-Encoding twice", POST "Transfer-Encoding: chunked\r\n"
          "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400 },
        { "another coding", POST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400 },
        { "Transfer-Encoding in HTTP/1.0",
          "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400 },
        { "no Host", "GET / HTTP/1.1\r\n\r\n", 400 },
        { "two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400 },
        { "bare line feeds", "GET / HTTP/1.1\nHost: a\n\n", 400 },
        { "bare line feed after the request line", "GET / HTTP/1.1\nHost: a\r\n\r\n", 400 },
        { "bare line feed after a field", "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", 400 },
        { "bare line feed at the end", "GET / HTTP/1.1\r\nHost: a\r\n\n", 400 },
        { "bare carriage return", "GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n", 400 },
        { "a control character in a field", "GET / HTTP/1.1\r\nHost: a\r\nX: \001\r\n\r\n", 400 },
        { "white space before the colon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400 },
        { "a field without a name", "GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", 400 },
        { "a folded field", "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n", 400 },
        { "no method", " / HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
        { "no target", "GET  HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
        { "a target in absolute form", "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
        { "bytes above ASCII in the target", "GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
        { "rubbish", "\x16\x03\x01\x02\x01\x01\xfc\x03\x03 rubbish\r\n\r\n", 400 },
        { "HTTP/1.2", "GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505 },
        { "HTTP/0.9", "GET /\r\n\r\n", 400 },
        { "the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505 },
        { "an unknown expectation",
          POST "Content-Length: 2\r\nExpect: 200-ok\r\n\r\nok", 417 },

        { "a chunk header with a bare line feed", CHUNKED "2\nok\r\n0\r\n\r\n", 400 },
        { "a chunk end with a bare line feed", CHUNKED "2\r\nok\n0\r\n\r\n", 400 },
        { "a last line with a bare line feed", CHUNKED "2\r\nok\r\n0\r\n\n", 400 },
        { "a trailer with a bare line feed", CHUNKED "2\r\nok\r\n0\r\nT: x\n\r\n", 400 },
        { "rubbish after a chunk size", CHUNKED "2x\r\nok\r\n0\r\n\r\n", 400 },
        { "a chunk longer than it says", CHUNKED "2\r\nokk\r\n0\r\n\r\n", 400 },
        { "a chunk size beyond 64 bits", CHUNKED "10000000000000000\r\n", 400 },
        { "a chunk without a size", CHUNKED "\r\nok\r\n", 400 },
};
/* clang-format on */

static void requests_are_judged_whole(void **state)
{
        struct fixture *server = fixture_start(false, LONG_MS, LONG_MS, LONG_MS);

        (void)state;
        for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
                unsigned before = server->requests;

                print_message("%s\n", requests[i].what);
                struct client *client = open_and_send(server, requests[i].bytes);
                if (requests[i].status == 200)
                        client_wait_text(client, "bytes\n");
                else
                        assert_problem(client, requests[i].status);
                assert_int_equal(server->requests - before, requests[i].status == 200);
                client_close(client);
        }
        fixture_stop(server);
}

/* A verdict must not depend on how the network cuts the bytes. */
static void requests_are_judged_byte_by_byte(void **state)
{
        struct fixture *server = fixture_start(false, LONG_MS, LONG_MS, LONG_MS);

        (void)state;
        for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
                struct client *client = client_open(server);

                print_message("%s\n", requests[i].what);
                for (const char *p = requests[i].bytes; *p && client_status(client) < 0; p++) {
                        client_send(client, p, 1);
                        client_pump(client);
                }
                if (requests[i].status == 200)
                        client_wait_text(client, "bytes\n");
                else
                        assert_problem(client, requests[i].status);
                client_close(client);
        }
        fixture_stop(server);
}

static void persistence_follows_all_connection_fields(void **state)
{
        static const struct {
                const char *fields;
                bool kept;
        } cases[] = {
                {"HTTP/1.1\r\nHost: a\r\n\r\n", true},
                {"HTTP/1.1\r\nHost: a\r\nConnection: TE\r\n\r\n", true},
                {"HTTP/1.1\r\nHost: a\r\nConnection: close\r\nConnection: TE\r\n\r\n", false},
                {"HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, close\r\n\r\n", false},
                {"HTTP/1.0\r\n\r\n", false},
                {"HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true},
        };
        struct fixture *server = fixture_start(false, LONG_MS, LONG_MS, LONG_MS);

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct client *client = open_and_send(server, "GET / ");

                client_send(client, cases[i].fields, strlen(cases[i].fields));
                client_wait_text(client, "bytes\n");
                assert_int_equal(strstr(client->bytes, "Connection: keep-alive\r\n") != NULL,
                                 cases[i].kept);
                if (!cases[i].kept)
                        client_wait_end(client);
                client_close(client);
        }
        fixture_stop(server);
}

static void idle_connection_ends_without_a_word(void **state)
{
        struct fixture *server = fixture_start(false, SHORT_MS, LONG_MS, LONG_MS);
        struct client *fresh = client_open(server);
        struct client *used = open_and_send(server, GET);

        (void)state;
        client_wait_text(used, "bytes\n");
        size_t answer_size = used->size;
        client_wait_end(fresh);
        client_wait_end(used);
        assert_true(fresh->ended && fresh->size == 0);
        assert_true(used->ended && used->size == answer_size);
        assert_int_equal(server->protocol_errors, 0);
        client_close(fresh);
        client_close(used);
        fixture_stop(server);
}

/* The request's deadline is the short one here, and must leave a waiting connection alone. */
static void unfinished_request_gets_408(void **state)
{
        static const char *const unfinished[] = {"G", "GET / HTTP/1.1\r\nHost: a\r\n",
                                                 POST "Content-Length: 9\r\n\r\nok",
                                                 CHUNKED "2\r\nok\r\n0\r\n"};
        struct fixture *server = fixture_start(false, LONG_MS, SHORT_MS, LONG_MS);
        struct client *waiting = open_and_send(server, GET);

        (void)state;
        client_wait_text(waiting, "bytes\n");
        for (size_t i = 0; i < sizeof(unfinished) / sizeof(unfinished[0]); i++) {
                struct client *client = open_and_send(server, unfinished[i]);

                assert_problem(client, 408);
                client_close(client);
        }
        client_pump(waiting);
        assert_false(waiting->ended || waiting->reset);
        waiting->size = 0;
        memset(waiting->bytes, 0, sizeof(waiting->bytes));
        client_send(waiting, GET, strlen(GET));
        client_wait_text(waiting, "bytes\n");
        client_close(waiting);
        fixture_stop(server);
}

static void reader_that_does_not_read_is_cut_off(void **state)
{
        struct fixture *server = fixture_start(*(bool *)*state, LONG_MS, LONG_MS, SHORT_MS);
        struct client *client = open_and_send(server, "GET /big HTTP/1.1\r\nHost: a\r\n\r\n");

        for (int turn = 0; server->requests == 0 || fixture_connections(server) != 0; turn++) {
                assert_true(turn < 1000);
                assert_int_equal(h2o_evloop_run(server->context.loop, 20), 0);
        }
        client_close(client);
        fixture_stop(server);
}

static void body_limit_is_exact_and_early(void **state)
{
        static char body[FIXTURE_BODY_BYTES_MAX + 1];
        char head[128];
        struct fixture *server = fixture_start(false, LONG_MS, LONG_MS, LONG_MS);

        (void)state;
        memset(body, 'x', sizeof(body));
        for (size_t over = 0; over < 2; over++) {
                size_t size = FIXTURE_BODY_BYTES_MAX + over;
                struct client *whole = client_open(server), *chunked = client_open(server);

                snprintf(head, sizeof(head), POST "Content-Length: %zu\r\n\r\n", size);
                client_send(whole, head, strlen(head));
                if (over)
                        assert_problem(whole, 413); /* before a byte of the body */
                client_send(whole, body, over ? 0 : size);

                snprintf(head, sizeof(head), CHUNKED "%zx\r\n", size);
                client_send(chunked, head, strlen(head));
                client_send(chunked, body, size);
                client_send(chunked, "\r\n0\r\n\r\n", over ? 0 : 7);
                if (over) {
                        assert_problem(chunked, 413);
                } else {
                        client_wait_text(whole, "body of 4096 bytes\n");
                        client_wait_text(chunked, "body of 4096 bytes\n");
                }
                client_close(whole);
                client_close(chunked);
        }
        fixture_stop(server);
}

static void expectation_is_refused_before_the_body(void **state)
{
        struct fixture *server = fixture_start(false, LONG_MS, LONG_MS, LONG_MS);
        struct client *large =
                open_and_send(server, POST "Content-Length: 4097\r\nExpect: 100-continue\r\n\r\n");
        struct client *small =
                open_and_send(server, POST "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n");

        (void)state;
        assert_problem(large, 413);
        assert_null(strstr(large->bytes, "100 Continue"));
        client_wait_text(small, "HTTP/1.1 100 Continue\r\n\r\n");
        assert_int_equal(server->requests, 0);
        client_send(small, "ok", 2);
        client_wait_text(small, "body of 2 bytes\n");
        client_close(large);
        client_close(small);
        fixture_stop(server);
}

static void oversized_head_gets_431(void **state)
{
        static char value[40000];
        struct fixture *server = fixture_start(false, LONG_MS, LONG_MS, LONG_MS);
        struct client *large = open_and_send(server, "GET / HTTP/1.1\r\nHost: a\r\nX: ");
        struct client *many = open_and_send(server, "GET / HTTP/1.1\r\nHost: a\r\n");

        (void)state;
        memset(value, 'x', sizeof(value));
        client_send(large, value, sizeof(value));
        assert_problem(large, 431);
        for (int i = 0; i < 101; i++)
                client_send(many, "X: y\r\n", 6);
        client_send(many, "\r\n", 2);
        assert_problem(many, 431);
        client_close(large);
        client_close(many);
        fixture_stop(server);
}

/* Far more than the socket buffers hold: without the lingering close this ends in a reset. */
static void refused_sender_can_read_the_answer(void **state)
{
        static char body[1 << 16];
        struct fixture *server = fixture_start(*(bool *)*state, LONG_MS, LONG_MS, LONG_MS);
        struct client *client = open_and_send(server, POST "Content-Length: 9000000\r\n\r\n");

        for (int i = 0; i < 137; i++)
                client_send(client, body, sizeof(body));
        assert_problem(client, 413);
        client_close(client);
        fixture_stop(server);
}

static void unknown_path_gets_a_problem(void **state)
{
        struct fixture *server = fixture_start(false, LONG_MS, LONG_MS, LONG_MS);
        struct client *client = open_and_send(server, "GET /none HTTP/1.1\r\nHost: a\r\n\r\n");

        (void)state;
        client_wait_text(client, "\"status\":404,");
        assert_non_null(strstr(client->bytes, "content-type: application/problem+json\r\n"));
        client_close(client);
        fixture_stop(server);
}

static void handshake_and_requests_work(void **state)
{
        struct fixture *server = fixture_start(true, LONG_MS, LONG_MS, LONG_MS);
        struct client *client = open_and_send(server, GET);

        (void)state;
        client_wait_text(client, "body of 0 bytes\n");
        assert_int_equal(SSL_version(client->tls), TLS1_3_VERSION);
        memset(client->bytes, 0, sizeof(client->bytes));
        client->size = 0;
        client_send(client, POST "Content-Length: 2\r\n\r\nok", strlen(POST) + 23);
        client_wait_text(client, "body of 2 bytes\n");
        client_close(client);
        fixture_stop(server);
}

static void failed_handshake_gets_an_alert(void **state)
{
        struct fixture *server = fixture_start(true, LONG_MS, LONG_MS, LONG_MS);
        SSL_CTX *tls = server->tls_client;

        (void)state;
        SSL_CTX_set_max_proto_version(server->tls_server, TLS1_2_VERSION);
        SSL_CTX_set_min_proto_version(tls, TLS1_3_VERSION);
        server->tls_client = NULL;
        struct client *client = client_open(server);
        client->tls = SSL_new(tls);
        assert_int_equal(SSL_set_fd(client->tls, client->fd), 1);
        int error = SSL_ERROR_WANT_READ;
        for (int turn = 0; error == SSL_ERROR_WANT_READ; turn++) {
                assert_true(turn < 1000);
                assert_int_equal(h2o_evloop_run(server->context.loop, 20), 0);
                error = SSL_get_error(client->tls, SSL_connect(client->tls));
        }
        assert_int_equal(error, SSL_ERROR_SSL);
        assert_int_equal(ERR_GET_REASON(ERR_peek_last_error()), SSL_R_TLSV1_ALERT_PROTOCOL_VERSION);
        server->tls_client = tls;
        client_close(client);
        fixture_stop(server);
}

/* After close_notify nothing is data: it must be neither kept nor waited for. */
static void bytes_after_close_notify_end_the_connection(void **state)
{
        static char rubbish[1 << 16];
        struct fixture *server = fixture_start(true, LONG_MS, LONG_MS, LONG_MS);
        struct client *client = open_and_send(server, GET);

        (void)state;
        client_wait_text(client, "bytes\n");
        SSL_shutdown(client->tls);
        for (int turn = 0; fixture_connections(server) != 0; turn++) {
                assert_true(turn < 1000);
                (void)!send(client->fd, rubbish, sizeof(rubbish), MSG_NOSIGNAL);
                client_pump(client);
        }
        client_close(client);
        fixture_stop(server);
}

static void note_bytes_read(h2o_socket_t *sock, const char *err)
{
        assert_null(err);
        *(size_t *)sock->data = sock->bytes_read;
        h2o_socket_read_stop(sock);
}

static void one_read_is_bounded(void **state)
{
        static char bytes[1 << 17];
        h2o_loop_t *loop = h2o_evloop_create();
        size_t bytes_read = 0, waiting = 0;
        int fds[2], buffer_bytes = 1 << 20;

        (void)state;
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
        setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &buffer_bytes, sizeof(buffer_bytes));
        for (ssize_t sent; (sent = send(fds[1], bytes, sizeof(bytes), 0)) > 0;)
                waiting += (size_t)sent;
        /* The share may overshoot by the room that is left in the buffer, which doubles. */
        assert_true(waiting > 2 * 65536);
        h2o_socket_t *sock = h2o_evloop_socket_create(loop, fds[0], 0);
        sock->data = &bytes_read;
        h2o_socket_read_start(sock, note_bytes_read);
        for (int turn = 0; *(size_t *)sock->data == 0; turn++) {
                assert_true(turn < 1000);
                assert_int_equal(h2o_evloop_run(loop, 20), 0);
        }
        assert_in_range(bytes_read, 65536, 2 * 65536);
        h2o_socket_close(sock);
        assert_int_equal(h2o_evloop_run(loop, 0), 0);
        h2o_evloop_destroy(loop);
        close(fds[1]);
}

static void deadlines_ignore_the_wall_clock(void **state)
{
        struct timespec boot;
        h2o_loop_t *loop = h2o_evloop_create();

        (void)state;
        assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &boot), 0);
        uint64_t since_boot_s = h2o_now(loop) / 1000 - 365 * 24 * 3600;
        assert_in_range((uint64_t)boot.tv_sec - since_boot_s, 0, 60);
        h2o_evloop_destroy(loop);
}

static void longest_idle_is_closed_first(void **state)
{
        struct fixture *server = fixture_start(*(bool *)*state, LONG_MS, LONG_MS, LONG_MS);
        struct client *first = open_and_send(server, GET);

        client_wait_text(first, "bytes\n");
        struct client *second = open_and_send(server, GET);
        client_wait_text(second, "bytes\n");
        struct client *busy =
                open_and_send(server, POST "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n");
        client_wait_text(busy, "100 Continue");
        assert_int_equal(h2o_http1_close_idle_connections(&server->context, 1), 1);
        client_wait_end(first);
        assert_true(first->ended);
        client_pump(second);
        assert_false(second->ended || second->reset);
        assert_int_equal(h2o_http1_close_idle_connections(&server->context, 9), 1);
        client_wait_end(second);
        client_send(busy, "ok", 2);
        client_wait_text(busy, "body of 2 bytes\n");
        client_close(first);
        client_close(second);
        client_close(busy);
        fixture_stop(server);
}

/* The way out when descriptors run out: accept says EMFILE, an idle connection makes room. */
static void idle_connection_makes_room_for_a_new_one(void **state)
{
        struct rlimit before, none;
        struct fixture *server = fixture_start(*(bool *)*state, LONG_MS, LONG_MS, LONG_MS);
        struct client *idle = open_and_send(server, GET);
        SSL_CTX *tls = server->tls_client;

        client_wait_text(idle, "bytes\n");
        server->tls_client = NULL; /* connect only: the handshake comes after the limit */
        struct client *late = client_open(server);
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
        none = (struct rlimit){.rlim_cur = 0, .rlim_max = before.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
        client_pump(idle);
        assert_int_equal(server->accept_errno, EMFILE);
        server->frees_idle = true;
        none.rlim_cur = (rlim_t)late->fd + 1;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
        client_wait_end(idle);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
        server->tls_client = tls;
        if (tls) {
                late->tls = SSL_new(tls);
                assert_int_equal(SSL_set_fd(late->tls, late->fd), 1);
                for (int turn = 0; SSL_connect(late->tls) != 1; turn++) {
                        assert_true(turn < 1000);
                        assert_int_equal(h2o_evloop_run(server->context.loop, 20), 0);
                }
        }
        client_send(late, GET, strlen(GET));
        client_wait_text(late, "bytes\n");
        client_close(idle);
        client_close(late);
        fixture_stop(server);
}

static void stop_gives_every_descriptor_back(void **state)
{
        int before = dup(STDERR_FILENO); /* the lowest that is free */

        (void)state;
        close(before);
        fixture_stop(fixture_start(true, LONG_MS, LONG_MS, LONG_MS));
        int after = dup(STDERR_FILENO);
        close(after);
        assert_int_equal(after, before);
}

int main(void)
{
        static bool plain = false, tls = true;
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(requests_are_judged_whole),
                cmocka_unit_test(requests_are_judged_byte_by_byte),
                cmocka_unit_test(persistence_follows_all_connection_fields),
                cmocka_unit_test(idle_connection_ends_without_a_word),
                cmocka_unit_test(unfinished_request_gets_408),
                cmocka_unit_test_prestate(reader_that_does_not_read_is_cut_off, &plain),
                cmocka_unit_test_prestate(reader_that_does_not_read_is_cut_off, &tls),
                cmocka_unit_test(body_limit_is_exact_and_early),
                cmocka_unit_test(expectation_is_refused_before_the_body),
                cmocka_unit_test(oversized_head_gets_431),
                cmocka_unit_test_prestate(refused_sender_can_read_the_answer, &plain),
                cmocka_unit_test_prestate(refused_sender_can_read_the_answer, &tls),
                cmocka_unit_test(unknown_path_gets_a_problem),
                cmocka_unit_test(handshake_and_requests_work),
                cmocka_unit_test(failed_handshake_gets_an_alert),
                cmocka_unit_test(bytes_after_close_notify_end_the_connection),
                cmocka_unit_test(one_read_is_bounded),
                cmocka_unit_test(deadlines_ignore_the_wall_clock),
                cmocka_unit_test_prestate(longest_idle_is_closed_first, &plain),
                cmocka_unit_test_prestate(longest_idle_is_closed_first, &tls),
                cmocka_unit_test_prestate(idle_connection_makes_room_for_a_new_one, &plain),
                cmocka_unit_test_prestate(idle_connection_makes_room_for_a_new_one, &tls),
                cmocka_unit_test(stop_gives_every_descriptor_back),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
