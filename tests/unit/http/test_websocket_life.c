/* SPDX-License-Identifier: Apache-2.0 */
/* WebSockets: every way to end, full queues, other threads. */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/thread.h"
#include "muster/compiler.h"
#include "ws_site.h"

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
                assert_int_equal(ws_number(&frame), i);
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
                        assert_int_equal(ws_number(&frame), whole++);
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
#define T(name) cmocka_unit_test_setup_teardown(name, ws_setup, ws_teardown)
        const struct CMUnitTest tests[] = {
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

        return cmocka_run_group_tests_name("websocket_life", tests, NULL, NULL);
}
