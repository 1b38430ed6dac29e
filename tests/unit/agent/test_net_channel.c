/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <semaphore.h>

#include "base/clock.h"
#include "muster/compiler.h"
#include "net/handshake.h"
#include "net/http_curl.h"
#include "net_peer.h"

enum { PATIENCE_MS = 60000, TEXT = 1, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10, BIG = 200000 };

struct world {
        struct mu_agent_config config;
        struct mu_net *net;
        struct net_peer *peer;
        int opened;
        int messages;
        int signs_of_life;
        int closed;
        int code;
        int wait_s; /* asked for; -1: not */
        char sentence[512];
        char last[512];
        size_t last_bytes;
        bool close_from_inside;
        bool open_again;
};

static void push(void *context, enum mu_agent_push_event event, int code, const char *text,
                 size_t bytes)
{
        struct world *world = context;

        switch (event) {
        case MU_AGENT_PUSH_OPENED:
                world->opened++;
                return;
        case MU_AGENT_PUSH_MESSAGE:
                if (bytes == 0) {
                        world->signs_of_life++;
                        return;
                }
                world->messages++;
                world->last_bytes = bytes;
                (void)snprintf(world->last, sizeof(world->last), "%.*s", (int)bytes, text);
                if (world->close_from_inside)
                        mu_net_push_close(world->net);
                break;
        case MU_AGENT_PUSH_WAIT:
                world->wait_s = code;
                return;
        default:
                world->closed++;
                world->code = code;
                (void)snprintf(world->sentence, sizeof(world->sentence), "%.*s", (int)bytes, text);
                assert_true(bytes > 10);
        }
        if (world->open_again && (world->close_from_inside || world->closed > 0)) {
                world->open_again = false;
                assert_int_equal(mu_net_push_open(world->net, "/again"), 0);
        }
}

static int open_world(void **state)
{
        struct world *world = calloc(1, sizeof(*world));
        const struct mu_net_options options = {.config = &world->config,
                                               .user_agent = "muster-agent/test",
                                               .push = push,
                                               .push_context = world};

        mu_agent_config_init(&world->config);
        (void)snprintf(world->config.token, sizeof(world->config.token), "mu_secret");
        *state = world;
        return mu_net_create(&options, &world->net);
}

static int close_world(void **state)
{
        struct world *world = *state;

        mu_net_destroy(world->net);
        if (world->peer)
                (void)net_peer_stop(world->peer);
        free(world);
        return 0;
}

static void serve(struct world *world, net_peer_fn *function, void *context)
{
        const struct net_peer_options options = {.serve = function, .context = context};

        if (world->peer)
                (void)net_peer_stop(world->peer);
        world->peer = net_peer_start(&options);
        (void)snprintf(world->config.server, sizeof(world->config.server), "%s",
                       net_peer_url(world->peer));
}

static void wait_for(struct world *world, const int *count, int expected)
{
        const uint64_t end_ns =
                mu_clock_monotonic_ns(mu_clock_system()) + (uint64_t)PATIENCE_MS * MU_NS_PER_MS;

        while (*count < expected && mu_clock_monotonic_ns(mu_clock_system()) < end_ns)
                assert_int_equal(mu_net_wait(world->net, NULL, 0, NULL, PATIENCE_MS), 0);
        assert_int_equal(*count, expected);
}

static void open_channel(struct world *world)
{
        assert_int_equal(mu_net_push_open(world->net, "/v1/device/ws"), 0);
        wait_for(world, &world->opened, 1);
}

/* ---- peers ---- */

static void upgrade_then(struct net_conn *conn, void (*next)(struct net_conn *conn))
{
        char request[4096];

        if (net_conn_upgrade(conn, request, sizeof(request)))
                next(conn);
}

static void read_until_gone(struct net_conn *conn)
{
        static char buffer[BIG];
        size_t bytes;

        while (net_conn_next(conn, buffer, sizeof(buffer), &bytes) >= 0)
                ;
}

/* Says back what it is told. */
static void echo(struct net_conn *conn)
{
        static char buffer[BIG];
        size_t bytes;
        int opcode;

        while ((opcode = net_conn_next(conn, buffer, sizeof(buffer), &bytes)) >= 0)
                if (!net_conn_frame(conn, (unsigned)opcode, buffer, bytes))
                        return;
}

static void serve_echo(struct net_conn *conn, int number, void *context)
{
        (void)number;
        (void)context;
        upgrade_then(conn, echo);
}

/* What a test wants to be told by the peer's thread; read after the peer was stopped. */
struct report {
        char request[4096];
        int opcodes[8];
        char bodies[8][128];
        size_t count;
};

static void note_frames(struct net_conn *conn, struct report *report)
{
        static char buffer[BIG];
        size_t bytes;
        int opcode;

        while ((opcode = net_conn_next(conn, buffer, sizeof(buffer), &bytes)) >= 0) {
                if (report->count == MU_COUNT_OF(report->opcodes))
                        continue;
                report->opcodes[report->count] = opcode;
                memcpy(report->bodies[report->count], buffer,
                       bytes < sizeof(report->bodies[0]) ? bytes : sizeof(report->bodies[0]));
                report->count++;
        }
}

/* ---- tests ---- */

static void test_messages_both_ways(void **state)
{
        struct world *world = *state;
        static char big[100000];

        memset(big, 'b', sizeof(big));
        serve(world, serve_echo, NULL);
        assert_int_equal(mu_net_push_send(world->net, "early", 5), -ENOTCONN);
        assert_int_equal(mu_net_push_open(world->net, "/v1/device/ws"), 0);
        assert_int_equal(mu_net_push_open(world->net, "/v1/device/ws"), -EALREADY);
        assert_int_equal(mu_net_push_send(world->net, "early", 5), -ENOTCONN);
        wait_for(world, &world->opened, 1);
        assert_int_equal(mu_net_push_send(world->net, "hello", 5), 0);
        wait_for(world, &world->messages, 1);
        assert_string_equal(world->last, "hello");
        assert_int_equal(mu_net_push_send(world->net, big, sizeof(big)), 0);
        wait_for(world, &world->messages, 2);
        assert_int_equal(world->last_bytes, sizeof(big));
        assert_int_equal(mu_net_push_send(world->net, "{}", 2), 0);
        wait_for(world, &world->messages, 3);
        assert_string_equal(world->last, "{}");
        assert_int_equal(world->closed, 0);
}

static void serve_ping(struct net_conn *conn, int number, void *context)
{
        struct report *report = context;

        (void)number;
        if (net_conn_upgrade(conn, report->request, sizeof(report->request)) &&
            net_conn_frame(conn, PING, "tick", 4))
                note_frames(conn, report);
}

static void test_ping(void **state)
{
        struct world *world = *state;
        static struct report report;

        report = (struct report){0};
        serve(world, serve_ping, &report);
        open_channel(world);
        wait_for(world, &world->signs_of_life, 1);
        assert_int_equal(world->messages, 0);
        mu_net_push_close(world->net);
        assert_int_equal(mu_net_push_send(world->net, "late", 4), -ENOTCONN);
        /* The peer has read all that was sent once its connection has ended. */
        assert_int_equal(mu_net_wait(world->net, NULL, 0, NULL, 0), 0);
        (void)net_peer_stop(world->peer);
        world->peer = NULL;
        assert_int_equal(world->closed, 0); /* no event follows */
        assert_true(report.count >= 1);
        assert_int_equal(report.opcodes[0], PONG);
        assert_memory_equal(report.bodies[0], "tick", 4);
        assert_non_null(strstr(report.request, "GET /v1/device/ws HTTP/1.1\r\n"));
        assert_non_null(strstr(report.request, "Authorization: Bearer mu_secret\r\n"));
}

struct refusal {
        const char *answer;
        int code;
        int wait_s;
};

static void serve_refusal(struct net_conn *conn, int number, void *context)
{
        const struct refusal *refusal = context;
        char request[4096];

        (void)number;
        if (net_conn_request(conn, request, sizeof(request)) > 0)
                (void)net_conn_answer(conn, refusal->answer);
}

static void test_refusals(void **state)
{
        static struct refusal refusals[] = {
                {"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\n{}", 401, -1},
                {"HTTP/1.1 410 Gone\r\n\r\n", 410, -1},
                {"HTTP/1.1 503 Later\r\nRetry-After: 5\r\n\r\n", 503, 5},
                {"HTTP/1.1 429 Many\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                 "retry-after:  Sun, 06 Nov 1994 09:49:37 GMT \r\n\r\n",
                 429, 3600},
                {"HTTP/1.1 503 Later\r\nRetry-After: 99999999\r\n\r\n", 503, 86400},
                {"HTTP/1.1 503 Later\r\nRetry-After: soon\r\n\r\n", 503, -1},
                {"HTTP/1.1 503 Later\r\nRetry-After: 0\r\n\r\n", 503, -1},
                {"HTTP/1.1 503 Later\r\n\r\nRetry-After: 5\r\n\r\n", 503, -1},
                {"HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n", 302, -1},
                {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                 "Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
                 "\r\n",
                 -EPROTO, -1},
                {"SSH-2.0\r\n\r\n", -EPROTO, -1},
                {"HTTP/1.1 101 Swi", -ECONNRESET, -1},
                {"", -ECONNRESET, -1},
        };
        struct world *world = *state;

        for (size_t i = 0; i < MU_COUNT_OF(refusals); i++) {
                serve(world, serve_refusal, &refusals[i]);
                world->wait_s = -1;
                assert_int_equal(mu_net_push_open(world->net, "/v1/device/ws"), 0);
                wait_for(world, &world->closed, (int)i + 1);
                assert_int_equal(world->code, refusals[i].code);
                assert_int_equal(world->wait_s, refusals[i].wait_s);
        }
        assert_int_equal(world->opened, 0);
        (void)net_peer_stop(world->peer);
        world->peer = NULL;
        assert_int_equal(mu_net_push_open(world->net, "/v1/device/ws"), 0);
        wait_for(world, &world->closed, (int)MU_COUNT_OF(refusals) + 1);
        assert_int_equal(world->code, -ECONNREFUSED);
        assert_int_equal(mu_net_push_open(world->net, "http://127.0.0.2:1/"), -EINVAL);
}

static void serve_close(struct net_conn *conn, int number, void *context)
{
        struct report *report = context;

        (void)number;
        if (net_conn_upgrade(conn, report->request, sizeof(report->request)) &&
            net_conn_frame(conn, CLOSE, "\x11\x31the token was revoked", 23))
                note_frames(conn, report);
}

static void test_close_code(void **state)
{
        struct world *world = *state;
        static struct report report;

        report = (struct report){0};
        serve(world, serve_close, &report);
        open_channel(world);
        wait_for(world, &world->closed, 1);
        assert_int_equal(world->code, 4401);
        assert_non_null(strstr(world->sentence, "the token was revoked"));
        assert_int_equal(mu_net_push_send(world->net, "late", 4), -ENOTCONN);
        (void)net_peer_stop(world->peer);
        world->peer = NULL;
        assert_int_equal(report.count, 1);
        assert_int_equal(report.opcodes[0], CLOSE);
        assert_memory_equal(report.bodies[0], "\x11\x31", 2);
}

static void end_at_once(struct net_conn *conn)
{
        (void)net_conn_frame(conn, TEXT, "last words", 10);
}

static void serve_end(struct net_conn *conn, int number, void *context)
{
        (void)number;
        (void)context;
        upgrade_then(conn, end_at_once);
}

static void test_connection_breaks(void **state)
{
        struct world *world = *state;

        serve(world, serve_end, NULL);
        open_channel(world);
        wait_for(world, &world->closed, 1);
        assert_int_equal(world->messages, 1);
        assert_int_equal(world->code, -ECONNRESET);
}

struct odd_frame {
        unsigned opcode;
        size_t bytes;
        int code;
};

static void serve_odd_frame(struct net_conn *conn, int number, void *context)
{
        const struct odd_frame *frame = context;
        static char content[BIG];
        char request[4096];

        (void)number;
        memset(content, 'x', sizeof(content));
        if (frame->opcode == TEXT && frame->bytes == 2)
                memcpy(content, "\xff\xfe", 2);
        if (net_conn_upgrade(conn, request, sizeof(request)) &&
            net_conn_frame(conn, frame->opcode, content, frame->bytes))
                read_until_gone(conn);
}

static void test_frames_that_are_refused(void **state)
{
        static struct odd_frame frames[] = {
                {TEXT, BIG, 1009},    /* longer than anything that comes */
                {BINARY, 10, 1003},   /* only text is spoken */
                {TEXT, 2, 1007},      /* no UTF-8 */
                {3, 2, 1002},         /* an opcode that is none */
                {PING, 126, -EPROTO}, /* longer than a ping may be */
                {0, 5, 1002},         /* goes on with what never began */
        };
        struct world *world = *state;

        for (size_t i = 0; i < MU_COUNT_OF(frames); i++) {
                serve(world, serve_odd_frame, &frames[i]);
                assert_int_equal(mu_net_push_open(world->net, "/v1/device/ws"), 0);
                wait_for(world, &world->closed, (int)i + 1);
                assert_int_equal(world->code, frames[i].code);
        }
        assert_int_equal(world->messages, 0);
}

/* A message of endless parts, each of no bytes, as fast as they are read. */
static void serve_flood(struct net_conn *conn, int number, void *context)
{
        static const char begin[] = {TEXT, 0};
        static const char parts[64 * 1024] = {0};
        char request[4096];

        (void)number;
        (void)context;
        if (!net_conn_upgrade(conn, request, sizeof(request)) ||
            !net_conn_write(conn, begin, sizeof(begin)))
                return;
        while (net_conn_write(conn, parts, sizeof(parts)))
                ;
}

/* Reading what never ends does not keep the caller from everything else, nor a processor busy. */
static void test_flood(void **state)
{
        struct world *world = *state;

        serve(world, serve_flood, NULL);
        open_channel(world);
        wait_for(world, &world->closed, 1);
        assert_int_equal(world->code, -ENOBUFS);
        assert_int_equal(world->messages, 0);
}

/* Its reply and the first frames arrive as one piece. */
static void serve_in_one_piece(struct net_conn *conn, int number, void *context)
{
        char request[4096];
        char piece[512];
        char key[MU_HANDSHAKE_KEY_BYTES] = "";
        char accept[MU_HANDSHAKE_ACCEPT_BYTES];

        (void)number;
        (void)context;
        if (net_conn_request(conn, request, sizeof(request)) == 0)
                return;
        const char *at = strstr(request, "Sec-WebSocket-Key: ");

        if (!at || sscanf(at + strlen("Sec-WebSocket-Key: "), "%24s", key) != 1)
                return;
        mu_handshake_accept(key, accept);
        (void)snprintf(piece, sizeof(piece),
                       "HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                       "Sec-WebSocket-Accept: %s\r\n\r\n\x81\x03one\x81\x03two",
                       accept);
        if (net_conn_answer(conn, piece))
                read_until_gone(conn);
}

static void test_frames_behind_the_handshake(void **state)
{
        struct world *world = *state;

        serve(world, serve_in_one_piece, NULL);
        open_channel(world);
        wait_for(world, &world->messages, 2);
        assert_string_equal(world->last, "two");
}

/* Reads nothing until it is told to. */
static void serve_deaf(struct net_conn *conn, int number, void *context)
{
        sem_t *semaphore = context;
        char request[4096];

        (void)number;
        if (!net_conn_upgrade(conn, request, sizeof(request)))
                return;
        (void)sem_wait(semaphore);
        read_until_gone(conn);
}

static void test_what_waits_is_bounded(void **state)
{
        struct world *world = *state;
        static char big[90000];
        sem_t semaphore;
        int taken = 0;

        memset(big, 'b', sizeof(big));
        assert_int_equal(sem_init(&semaphore, 0, 0), 0);
        serve(world, serve_deaf, &semaphore);
        open_channel(world);
        while (taken < 1000 && mu_net_push_send(world->net, "{}", 2) == 0)
                taken++;
        assert_int_equal(taken, 64);
        /* They go out, into the socket's own buffer; big ones fill that too. */
        taken = 0;
        for (int i = 0; i < 10000 && taken >= 0; i++) {
                assert_int_equal(mu_net_wait(world->net, NULL, 0, NULL, 0), 0);
                int err = mu_net_push_send(world->net, big, sizeof(big));

                assert_true(err == 0 || err == -EAGAIN);
                taken = err == 0 ? taken + 1 : -1;
        }
        assert_int_equal(taken, -1);
        assert_int_equal(mu_net_push_send(world->net, big, sizeof(big)), -EAGAIN);
        (void)sem_post(&semaphore);
        const uint64_t end_ns =
                mu_clock_monotonic_ns(mu_clock_system()) + (uint64_t)PATIENCE_MS * MU_NS_PER_MS;

        while (mu_net_push_send(world->net, big, sizeof(big)) == -EAGAIN &&
               mu_clock_monotonic_ns(mu_clock_system()) < end_ns)
                assert_int_equal(mu_net_wait(world->net, NULL, 0, NULL, 100), 0);
        assert_int_equal(mu_net_push_send(world->net, "{}", 2), 0);
        assert_int_equal(world->closed, 0);
        mu_net_push_close(world->net);
        (void)net_peer_stop(world->peer);
        world->peer = NULL;
        (void)sem_destroy(&semaphore);
}

static void serve_three(struct net_conn *conn, int number, void *context)
{
        char request[4096];

        (void)number;
        (void)context;
        if (net_conn_upgrade(conn, request, sizeof(request)) &&
            net_conn_frame(conn, TEXT, "one", 3) && net_conn_frame(conn, TEXT, "two", 3) &&
            net_conn_frame(conn, TEXT, "three", 5))
                read_until_gone(conn);
}

static void test_close_from_inside(void **state)
{
        struct world *world = *state;

        serve(world, serve_three, NULL);
        world->close_from_inside = true;
        open_channel(world);
        wait_for(world, &world->messages, 1);
        for (int i = 0; i < 10; i++)
                assert_int_equal(mu_net_wait(world->net, NULL, 0, NULL, 10), 0);
        assert_int_equal(world->messages, 1);
        assert_int_equal(world->closed, 0);
        assert_int_equal(mu_net_push_send(world->net, "late", 4), -ENOTCONN);
}

static void test_close_and_open_from_inside(void **state)
{
        struct world *world = *state;

        serve(world, serve_three, NULL);
        world->close_from_inside = true;
        world->open_again = true;
        open_channel(world);
        wait_for(world, &world->opened, 2);
        wait_for(world, &world->messages, 2);
        assert_string_equal(world->last, "one");
}

static void test_open_from_the_end(void **state)
{
        struct world *world = *state;

        serve(world, serve_end, NULL);
        world->open_again = true;
        open_channel(world);
        wait_for(world, &world->closed, 2);
        assert_int_equal(world->opened, 2);
}

static void serve_silence(struct net_conn *conn, int number, void *context)
{
        char byte;

        (void)number;
        (void)context;
        while (net_conn_read(conn, &byte, 1) > 0)
                ;
}

static void test_close_while_opening(void **state)
{
        struct world *world = *state;

        serve(world, serve_silence, NULL);
        for (int turns = 0; turns < 4; turns++) {
                assert_int_equal(mu_net_push_open(world->net, "/v1/device/ws"), 0);
                for (int i = 0; i < turns; i++)
                        assert_int_equal(mu_net_wait(world->net, NULL, 0, NULL, 10), 0);
                mu_net_push_close(world->net);
        }
        assert_int_equal(world->closed, 0);
        assert_int_equal(world->opened, 0);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, open_world, close_world)
        const struct CMUnitTest tests[] = {
                TEST(test_messages_both_ways),
                TEST(test_ping),
                TEST(test_refusals),
                TEST(test_close_code),
                TEST(test_connection_breaks),
                TEST(test_frames_that_are_refused),
                TEST(test_flood),
                TEST(test_frames_behind_the_handshake),
                TEST(test_what_waits_is_bounded),
                TEST(test_close_from_inside),
                TEST(test_close_and_open_from_inside),
                TEST(test_open_from_the_end),
                TEST(test_close_while_opening),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
