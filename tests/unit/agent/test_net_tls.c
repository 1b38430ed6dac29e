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
#include <openssl/ssl.h>

#include "linux/crypto.h"
#include "net/certificate.h"
#include "net/http_curl.h"
#include "net_peer.h"

enum { PATIENCE_MS = 60000, TURNS = 1000 };

#define OTHER_PIN "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

struct world {
        struct mu_agent_config config;
        struct mu_net *net;
        struct net_peer *peer;
        int calls;
        int error;
        int status;
        int push_code;
        bool push_opened;
        bool push_closed;
        bool push_message;
};

static void push(void *context, enum mu_agent_push_event event, int code, const char *text,
                 size_t bytes)
{
        struct world *world = context;

        switch (event) {
        case MU_AGENT_PUSH_OPENED:
                world->push_opened = true;
                return;
        case MU_AGENT_PUSH_MESSAGE:
                assert_int_equal(bytes, 5);
                assert_memory_equal(text, "hello", 5);
                world->push_message = true;
                return;
        default:
                world->push_closed = true;
                world->push_code = code;
        }
}

static void take(void *context, const struct mu_agent_reply *reply)
{
        struct world *world = context;

        world->calls++;
        world->error = reply->error;
        world->status = reply->status;
}

static void serve(struct net_conn *conn, int number, void *context)
{
        char request[4096];

        (void)number;
        (void)context;
        while (net_conn_request(conn, request, sizeof(request)) > 0)
                if (!net_conn_answer(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
                        return;
}

static void serve_one(struct net_conn *conn, int number, void *context)
{
        char request[4096];

        (void)number;
        (void)context;
        if (net_conn_request(conn, request, sizeof(request)) > 0)
                (void)net_conn_answer(conn, "HTTP/1.1 200 OK\r\nConnection: close\r\n"
                                            "Content-Length: 0\r\n\r\n");
}

static void serve_channel(struct net_conn *conn, int number, void *context)
{
        char buffer[4096];
        size_t bytes;

        (void)number;
        (void)context;
        if (!net_conn_upgrade(conn, buffer, sizeof(buffer)) ||
            net_conn_next(conn, buffer, sizeof(buffer), &bytes) != 1)
                return;
        (void)net_conn_frame(conn, 1, buffer, bytes);
        (void)net_conn_next(conn, buffer, sizeof(buffer), &bytes);
}

static struct world *open_world(net_peer_fn *function, uint16_t version_max, const char *address)
{
        struct world *world = calloc(1, sizeof(*world));
        const struct net_peer_options peer = {
                .serve = function, .address = address, .tls = true, .tls_version_max = version_max};

        assert_non_null(world);
        const struct mu_net_options options = {.config = &world->config,
                                               .user_agent = "muster-agent/test",
                                               .push = push,
                                               .push_context = world};

        mu_agent_config_init(&world->config);
        world->peer = net_peer_start(&peer);
        (void)snprintf(world->config.server, sizeof(world->config.server), "%s",
                       net_peer_url(world->peer));
        assert_int_equal(mu_net_create(&options, &world->net), 0);
        return world;
}

static void close_world(struct world *world)
{
        mu_net_destroy(world->net);
        (void)net_peer_stop(world->peer);
        free(world);
}

static int ask(struct world *world)
{
        const struct mu_agent_request request = {.method = "GET", .path = "/"};
        int before = world->calls;

        assert_int_equal(mu_net_request(world->net, &request, take, world), 0);
        for (int i = 0; i < TURNS && world->calls == before; i++)
                assert_int_equal(mu_net_wait(world->net, NULL, 0, NULL, PATIENCE_MS), 0);
        assert_int_equal(world->calls, before + 1);
        return world->error;
}

static void read_pin(struct world *world)
{
        char *pem = NULL;

        assert_int_equal(mu_net_certificate(world->config.server, &pem), 0);
        assert_int_equal(mu_crypto_pin(pem, world->config.pin), 0);
        free(pem);
        assert_true(mu_crypto_is_pin(world->config.pin));
}

static void test_nobody_vouches(void **state)
{
        struct world *world = open_world(serve, 0, NULL);

        (void)state;
        assert_int_equal(ask(world), -EKEYREJECTED);
        (void)snprintf(world->config.pin, sizeof(world->config.pin), OTHER_PIN);
        assert_int_equal(ask(world), -EKEYREJECTED);
        close_world(world);
}

static void test_pin_alone(void **state)
{
        struct world *world = open_world(serve, 0, NULL);

        (void)state;
        read_pin(world);
        assert_int_equal(ask(world), 0);
        assert_int_equal(world->status, 200);
        close_world(world);
}

/* Also where a TLS session could be taken up again. */
static void test_wrong_pin_after_the_right_one(void **state)
{
        struct world *world = open_world(serve_one, 0, NULL);

        (void)state;
        read_pin(world);
        assert_int_equal(ask(world), 0);
        (void)snprintf(world->config.pin, sizeof(world->config.pin), OTHER_PIN);
        assert_int_equal(ask(world), -EKEYREJECTED);
        close_world(world);
}

static void test_ca_file(void **state)
{
        struct world *world = open_world(serve, 0, NULL);

        (void)state;
        (void)snprintf(world->config.ca_file, sizeof(world->config.ca_file), "%s",
                       net_peer_certificate(world->peer));
        assert_int_equal(ask(world), 0);
        assert_int_equal(world->status, 200);
        close_world(world);
}

static void test_ca_file_of_another(void **state)
{
        static const struct net_peer_options OPTIONS = {.serve = serve, .tls = true};
        struct world *world = open_world(serve, 0, NULL);
        struct net_peer *other = net_peer_start(&OPTIONS);

        (void)state;
        (void)snprintf(world->config.ca_file, sizeof(world->config.ca_file), "%s",
                       net_peer_certificate(other));
        assert_int_equal(ask(world), -EKEYREJECTED);
        (void)net_peer_stop(other);
        close_world(world);
}

static void test_another_name(void **state)
{
        struct world *world = open_world(serve_one, 0, "127.0.0.2");

        (void)state;
        (void)snprintf(world->config.ca_file, sizeof(world->config.ca_file), "%s",
                       net_peer_certificate(world->peer));
        assert_int_equal(ask(world), -EKEYREJECTED);
        read_pin(world);
        assert_int_equal(ask(world), 0); /* the pin alone is the trust */
        close_world(world);
}

static void test_old_tls(void **state)
{
        struct world *world = open_world(serve, TLS1_1_VERSION, NULL);

        (void)state;
        (void)snprintf(world->config.ca_file, sizeof(world->config.ca_file), "%s",
                       net_peer_certificate(world->peer));
        assert_true(ask(world) < 0);
        close_world(world);
        world = open_world(serve, TLS1_2_VERSION, NULL);
        read_pin(world);
        assert_int_equal(ask(world), 0);
        close_world(world);
}

static void wait_for(struct world *world, const bool *flag)
{
        for (int i = 0; i < TURNS && !*flag; i++)
                assert_int_equal(mu_net_wait(world->net, NULL, 0, NULL, PATIENCE_MS), 0);
        assert_true(*flag);
}

static void test_channel(void **state)
{
        struct world *world = open_world(serve_channel, 0, NULL);

        (void)state;
        (void)snprintf(world->config.pin, sizeof(world->config.pin), OTHER_PIN);
        assert_int_equal(mu_net_push_open(world->net, "/ws"), 0);
        wait_for(world, &world->push_closed);
        assert_int_equal(world->push_code, -EKEYREJECTED);
        assert_false(world->push_opened);
        read_pin(world);
        assert_int_equal(mu_net_push_open(world->net, "/ws"), 0);
        wait_for(world, &world->push_opened);
        assert_int_equal(mu_net_push_send(world->net, "hello", 5), 0);
        wait_for(world, &world->push_message);
        close_world(world);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_nobody_vouches),
                cmocka_unit_test(test_pin_alone),
                cmocka_unit_test(test_wrong_pin_after_the_right_one),
                cmocka_unit_test(test_ca_file),
                cmocka_unit_test(test_ca_file_of_another),
                cmocka_unit_test(test_another_name),
                cmocka_unit_test(test_old_tls),
                cmocka_unit_test(test_channel),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
