/* SPDX-License-Identifier: Apache-2.0 */
/* The control workers: copies, bounds, deadlines, states, the end. */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "server_fixture.h"

#define POST(path, body_bytes, body)                                                               \
        "POST " path " HTTP/1.1\r\nHost: t\r\nContent-Length: " body_bytes "\r\n\r\n" body

static struct site site;
static _Atomic uint64_t now_ns;
static _Atomic int state_failures; /* how often start_state still fails */

static int setup(void **state)
{
        (void)state;
        site_init(&site);
        atomic_store(&now_ns, 1000000000);
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        site_done(&site);
        return 0;
}

static void runs_on_a_worker_with_a_copy(void **state)
{
        struct peer peer;
        struct answer answer;

        (void)state;
        site_start(&site);
        peer_open(&peer, site.port);
        peer_send(&peer, "POST /work?a=b&q=%C3%A9+x HTTP/1.1\r\nHost: t\r\nX-Test: seen\r\n"
                         "X-Request-Id: call-1\r\nContent-Length: 3\r\n\r\nabc");
        peer_receive(&peer, false, &answer);
        assert_int_equal(answer.status, 200);
        assert_string_equal(answer.body, "POST /work body=abc header=seen q=\xc3\xa9 x state=fresh "
                                         "id=call-1");
        assert_non_null(strstr(answer.head, "x-worker: yes\r\n"));
        assert_non_null(strstr(answer.head, "x-request-id: call-1\r\n"));
        assert_non_null(strstr(answer.head, "x-content-type-options: nosniff\r\n"));
        answer_done(&answer);
        peer_ask(&peer, POST("/silent", "0", ""), 500, "no-answer");
        peer_close(&peer);
}

static void a_full_queue_is_503_and_the_data_plane_goes_on(void **state)
{
        struct peer peers[3], late;
        struct answer answer;

        (void)state;
        site_start(&site); /* one worker, two places in the queue */
        for (int i = 0; i < 3; i++) {
                peer_open(&peers[i], site.port);
                peer_send(&peers[i], POST("/block", "2", "{}"));
                if (i == 0)
                        site_wait_blocked(&site, 1);
        }
        /* Answered in order of arrival on one loop: both are queued when this comes back. */
        peer_open(&late, site.port);
        peer_post(&late, "/v1/echo", "[]", 200, "[]");
        peer_send(&late, POST("/block", "2", "{}"));
        peer_receive(&late, false, &answer);
        assert_int_equal(answer.status, 503);
        assert_non_null(strstr(answer.body, "urn:muster:problem:overloaded"));
        assert_non_null(strstr(answer.head, "retry-after: 1\r\n"));
        answer_done(&answer);
        peer_ask(&late, "GET /ready HTTP/1.1\r\nHost: t\r\n\r\n", 200, "ready");
        peer_ask(&late, "GET /metrics HTTP/1.1\r\nHost: t\r\n\r\n", 200,
                 "muster_offload_jobs_total{pool=\"control\",result=\"refused\"} 1\n");
        site_unblock(&site);
        for (int i = 0; i < 3; i++) {
                peer_ask(&peers[i], "", 200, "blocked");
                peer_close(&peers[i]);
        }
        peer_close(&late);
}

static uint64_t fake_monotonic(void *ctx)
{
        (void)ctx;
        return atomic_load(&now_ns);
}

static int64_t fake_realtime(void *ctx)
{
        (void)ctx;
        return 0;
}

static void a_call_that_waited_too_long_is_503(void **state)
{
        static const struct mu_clock clock = {fake_monotonic, fake_realtime, NULL};
        struct peer first, second;

        (void)state;
        site.control_config.clock = &clock;
        site_start(&site);
        peer_open(&first, site.port);
        peer_send(&first, POST("/block", "2", "{}"));
        site_wait_blocked(&site, 1);
        peer_open(&second, site.port);
        peer_send(&second, POST("/work", "2", "{}"));
        while (mu_offload_queued(site.control) < 1)
                ;
        atomic_fetch_add(&now_ns, UINT64_C(61000000000));
        site_unblock(&site);
        peer_ask(&first, "", 200, "blocked");
        peer_ask(&second, "", 503, "No worker was free for 60000 ms");
        peer_close(&first);
        peer_close(&second);
}

static void results_for_clients_that_left_are_dropped(void **state)
{
        struct peer peer;

        (void)state;
        site_start(&site);
        for (int i = 0; i < 2; i++) {
                peer_open(&peer, site.port);
                peer_send(&peer, POST("/block", "2", "{}"));
                if (i == 0)
                        site_wait_blocked(&site, 1);
                peer_close(&peer);
        }
        site_unblock(&site);
        peer_open(&peer, site.port);
        peer_ask(&peer, POST("/work", "2", "{}"), 200, "state=fresh");
        peer_close(&peer);
}

static int failing_state(void *ctx, void **ret_state)
{
        (void)ctx;
        if (atomic_fetch_sub(&state_failures, 1) > 0)
                return -ECONNREFUSED;
        *ret_state = strdup("late");
        return *ret_state ? 0 : -ENOMEM;
}

static void a_worker_without_its_state_tries_again(void **state)
{
        struct peer peer;

        (void)state;
        atomic_store(&state_failures, 2);
        site.control_config.start_state = failing_state;
        site_start(&site);
        peer_open(&peer, site.port);
        peer_ask(&peer, POST("/work", "2", "{}"), 503, "database-unavailable");
        peer_ask(&peer, POST("/work", "2", "{}"), 200, "state=late");
        peer_close(&peer);
}

static void stop_answers_what_is_queued(void **state)
{
        struct peer first, second;

        (void)state;
        site_start(&site);
        peer_open(&first, site.port);
        peer_send(&first, POST("/block", "2", "{}"));
        site_wait_blocked(&site, 1);
        peer_open(&second, site.port);
        peer_send(&second, POST("/work", "2", "{}"));
        while (mu_offload_queued(site.control) < 1)
                ;
        site_unblock(&site);
        mu_offload_stop(site.control, 60000);
        peer_ask(&first, "", 200, "blocked");
        peer_ask(&second, "", 200, "state=fresh");
        peer_ask(&first, POST("/work", "2", "{}"), 503, "overloaded"); /* takes no more */
        peer_close(&first);
        peer_close(&second);
}

/* The loops end first; a late result meets nobody, and leaks nothing. */
static void a_result_after_the_loops_end_is_freed(void **state)
{
        struct peer peer;

        (void)state;
        site_start(&site);
        peer_open(&peer, site.port);
        peer_send(&peer, POST("/block", "2", "{}"));
        site_wait_blocked(&site, 1);
        site_stop(&site, 0);
        peer_ask(&peer, "", 503, "stopping");
        site_join(&site);
        peer_close(&peer);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                T(runs_on_a_worker_with_a_copy),
                T(a_full_queue_is_503_and_the_data_plane_goes_on),
                T(a_call_that_waited_too_long_is_503),
                T(results_for_clients_that_left_are_dropped),
                T(a_worker_without_its_state_tries_again),
                T(stop_answers_what_is_queued),
                T(a_result_after_the_loops_end_is_freed),
        };

        return cmocka_run_group_tests_name("offload", tests, NULL, NULL);
}
