/* SPDX-License-Identifier: Apache-2.0 */
/* Spreading, the cap, descriptors running out, many idle connections. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server_fixture.h"

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

/* One request each: the connection is on its loop when the answer is there. */
static void open_many(struct peer *peers, int count)
{
        for (int i = 0; i < count; i++) {
                peer_open(&peers[i], site.port);
                peer_post(&peers[i], "/v1/echo", "[]", 200, "[]");
        }
}

static void close_many(struct peer *peers, int count)
{
        for (int i = 0; i < count; i++)
                peer_close(&peers[i]);
}

static void spreads_keep_alive_connections_evenly(void **state)
{
        enum { LOOPS = 4, COUNT = 256 };
        static struct peer peers[COUNT];

        (void)state;
        site.config.loop_count = LOOPS;
        site_start(&site);
        /* At once, as a fleet does it: the answers are read afterwards. */
        for (int i = 0; i < COUNT; i++) {
                peer_open(&peers[i], site.port);
                peer_send(&peers[i],
                          "POST /v1/echo HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\n\r\n[]");
        }
        for (int i = 0; i < COUNT; i++)
                peer_ask(&peers[i], "", 200, "[]");
        uint32_t total = 0;
        for (uint32_t i = 0; i < LOOPS; i++) {
                uint32_t count = mu_loop_connection_count(mu_server_loop(site.server, i));

                assert_in_range(count, COUNT / LOOPS - 4, COUNT / LOOPS + 4);
                total += count;
        }
        assert_int_equal(total, COUNT);
        close_many(peers, COUNT);
}

static void closes_the_oldest_idle_connection_at_the_cap(void **state)
{
        struct peer peers[8], late;

        (void)state;
        site.config.connections_max = 8;
        site_start(&site);
        open_many(peers, 8);
        peer_post(&peers[0], "/v1/echo", "[]", 200, "[]"); /* now peers[1] is the oldest */
        peer_open(&late, site.port);
        peer_post(&late, "/v1/echo", "[]", 200, "[]");
        assert_true(peer_at_end(&peers[1]));
        peer_post(&peers[0], "/v1/echo", "[]", 200, "[]");
        for (int i = 2; i < 8; i++)
                peer_post(&peers[i], "/v1/echo", "[]", 200, "[]");
        close_many(peers, 8);
        peer_close(&late);
        assert_true(site_metric(&site, "muster_http_connections_shed_total{reason="
                                       "\"idle_evicted\"}") == 1);
}

static void refuses_when_all_are_busy(void **state)
{
        struct peer peers[2], late;

        (void)state;
        site.config.connections_max = 2;
        site_start(&site);
        for (int i = 0; i < 2; i++) {
                peer_open(&peers[i], site.port);
                peer_send(&peers[i],
                          "POST /v1/later HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\n\r\n{}");
        }
        site_wait_later(&site, 2);
        peer_open(&late, site.port);
        assert_true(peer_at_end(&late));
        peer_close(&late);
        site_release(&site, 0);
        site_release(&site, 1);
        for (int i = 0; i < 2; i++)
                peer_ask(&peers[i], "", 202, "{\"n\":");
        close_many(peers, 2);
        assert_true(site_metric(&site, "muster_http_connections_shed_total{reason=\"refused\"}") ==
                    1);
}

/* The loop that accepts may have nothing idle while another one has. */
static void finds_the_idle_connection_of_another_loop(void **state)
{
        struct peer peers[4], late[3];

        (void)state;
        site.config.connections_max = 4;
        site.config.loop_count = 2;
        site_start(&site);
        open_many(peers, 4);
        for (int i = 0; i < 3; i++) {
                peer_open(&late[i], site.port);
                peer_post(&late[i], "/v1/echo", "[]", 200, "[]");
        }
        assert_true(site_metric(&site, "muster_http_connections_shed_total{reason="
                                       "\"idle_evicted\"}") == 3);
        close_many(peers, 4);
        close_many(late, 3);
}

static void limits_an_address_if_asked_to(void **state)
{
        struct peer peers[3], late;

        (void)state;
        site.config.connections_per_address = 3;
        site_start(&site);
        open_many(peers, 3);
        peer_open(&late, site.port);
        assert_true(peer_at_end(&late));
        peer_close(&late);
        peer_close(&peers[0]);
        /* The place is free once the server has seen the end. */
        for (bool served = false; !served;) {
                peer_open(&peers[0], site.port);
                peer_send(&peers[0],
                          "POST /v1/echo HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\n\r\n[]");
                served = !peer_at_end(&peers[0]);
                if (!served)
                        peer_close(&peers[0]);
        }
        close_many(peers, 3);
}

/* Takes every descriptor that is left; returns how many. */
static int hoard(int *fds, int max)
{
        int count = 0;

        while (count < max && (fds[count] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
                count++;
        assert_true(count < max && errno == EMFILE);
        return count;
}

static void survives_without_descriptors(void **state)
{
        enum { HOARD = 4096 };
        static int fds[HOARD];
        struct rlimit limit, small;
        struct peer idle, busy, late;

        (void)state;
        /* The server raises the soft limit to the hard one when it is made; this comes after. */
        site_start(&site);
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
        small = limit;
        small.rlim_cur = HOARD / 2;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &small), 0);
        peer_open(&busy, site.port);
        peer_send(&busy, "POST /v1/later HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\n\r\n{}");
        site_wait_later(&site, 1);
        peer_open(&idle, site.port);
        peer_post(&idle, "/v1/echo", "[]", 200, "[]");
        int count = hoard(fds, HOARD);
        close(fds[--count]); /* for the client's own end */

        /* First the idle connection makes room for a new one ... */
        peer_open(&late, site.port);
        peer_post(&late, "/v1/echo", "[]", 200, "[]");
        assert_true(peer_at_end(&idle));
        peer_close(&idle); /* a descriptor again */
        /* ... then, with nothing idle, the newcomer is told by a close. */
        peer_send(&late, "POST /v1/later HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\n\r\n{}");
        site_wait_later(&site, 2);
        struct peer refused;
        peer_open(&refused, site.port);
        assert_true(peer_at_end(&refused));
        peer_close(&refused);
        while (count > 0)
                close(fds[--count]);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);

        /* And afterwards all is well. */
        site_release(&site, 0);
        site_release(&site, 1);
        peer_ask(&busy, "", 202, "{\"n\":0}");
        peer_ask(&late, "", 202, "{\"n\":1}");
        peer_open(&idle, site.port);
        peer_post(&idle, "/v1/echo", "[]", 200, "[]");
        peer_close(&idle);
        peer_close(&busy);
        peer_close(&late);
        assert_true(site_metric(&site, "muster_http_accept_no_descriptor_total") >= 2);
}

/* Both ends lie in this process: 10,000 where the limit allows it. */
static void holds_thousands_of_idle_connections(void **state)
{
        struct rlimit limit;
        struct peer *peers;

        (void)state;
        site.config.loop_count = 2;
        site_start(&site);
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
        int count = limit.rlim_cur >= 2 * 10000 + 512 ? 10000 : ((int)limit.rlim_cur - 512) / 2;
        if (count < 2000) {
                print_message("the descriptor limit is %llu: not tested\n",
                              (unsigned long long)limit.rlim_cur);
                skip();
        }
        peers = calloc((size_t)count, sizeof(*peers));
        assert_non_null(peers);
        open_many(peers, count);
        /* Another request on some of them, while all are open. */
        for (int i = 0; i < count; i += 97)
                peer_post(&peers[i], "/v1/echo", "[1]", 200, "[1]");
        uint32_t total = mu_loop_connection_count(mu_server_loop(site.server, 0)) +
                         mu_loop_connection_count(mu_server_loop(site.server, 1));
        assert_int_equal(total, count);
        close_many(peers, count);
        free(peers);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                T(spreads_keep_alive_connections_evenly),
                T(closes_the_oldest_idle_connection_at_the_cap),
                T(refuses_when_all_are_busy),
                T(finds_the_idle_connection_of_another_loop),
                T(limits_an_address_if_asked_to),
                T(survives_without_descriptors),
                T(holds_thousands_of_idle_connections),
        };

        return cmocka_run_group_tests_name("connections", tests, NULL, NULL);
}
