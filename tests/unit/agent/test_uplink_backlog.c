/* SPDX-License-Identifier: Apache-2.0 */
/* Heartbeats that the appliance fails on while it takes others: they keep none waiting, and end. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>
#include <sqlite3.h>

#include "base/text.h"
#include "core/uplink.h"
#include "fake_platform.h"
#include "muster/wire.h"

#define INTERVAL_MS INT64_C(300000)
#define FIRST_BUCKET INT64_C(1799000000)

enum {
        WAITING = 40,
        BAD_MAX = 16,
        FAILURES_MAX = 8,
        ROUNDS_MAX = 300,
};

struct fixture {
        struct fake_platform *fake;
        struct mu_agent_core core;
        int status; /* to what it fails on */
        bool fails_on_all;
        size_t bad_count;
        int64_t bad[BAD_MAX];  /* buckets */
        size_t alone[BAD_MAX]; /* so often was it failed on by itself */
        size_t failed_requests;
        size_t taken;
};

/* ---- the appliance ---- */

static size_t find_bad(const struct fixture *fixture, const json_t *item)
{
        int64_t ts_s = (int64_t)json_number_value(json_object_get(item, "ts"));
        size_t place = 0;

        while (place < fixture->bad_count && fixture->bad[place] != ts_s)
                place++;
        return place;
}

static bool is_failed_on(struct fixture *fixture, const json_t *items)
{
        size_t count = json_array_size(items);
        bool failed = fixture->fails_on_all;

        for (size_t i = 0; i < count; i++) {
                size_t bad = find_bad(fixture, json_array_get(items, i));

                if (bad == fixture->bad_count)
                        continue;
                failed = true;
                fixture->alone[bad] += count == 1;
        }
        return failed;
}

static void answer_batch(struct fixture *fixture, struct fake_request *request, const json_t *items)
{
        struct mu_text text;

        mu_text_init(&text);
        for (size_t i = 0; i < json_array_size(items); i++)
                mu_text_add(&text, i == 0 ? "{\"results\":[{\"status\":\"stored\"}"
                                          : ",{\"status\":\"stored\"}");
        mu_text_add(&text, "]}");
        fixture->taken += json_array_size(items);
        fake_answer(request, 200, text.data);
        mu_text_done(&text);
}

static void serve(struct fake_platform *fake, struct fake_request *request)
{
        struct fixture *fixture = fake->handler_context;

        if (strcmp(request->path, MU_PATH_HEARTBEAT) == 0) {
                fixture->taken += !fixture->fails_on_all;
                fake_answer(request, fixture->fails_on_all ? fixture->status : 202,
                            "{\"next_heartbeat_in_s\":300}");
                return;
        }
        json_t *body = json_loadb(request->body, request->body_bytes, 0, NULL);
        const json_t *items = json_object_get(body, "heartbeats");

        assert_true(json_array_size(items) > 0);
        if (is_failed_on(fixture, items)) {
                fixture->failed_requests++;
                fake_answer(request, fixture->status, "{\"detail\":\"broken\"}");
        } else {
                answer_batch(fixture, request, items);
        }
        json_decref(body);
}

/* ---- the agent ---- */

static void open_agent(struct fixture *fixture)
{
        fake_core_open(fixture->fake, &fixture->core);
        assert_int_equal(sqlite3_exec(mu_agent_store_database(fixture->core.store),
                                      "PRAGMA synchronous = OFF", NULL, NULL, NULL),
                         SQLITE_OK);
        assert_int_equal(mu_agent_uplink_create(&fixture->core, &fixture->core.uplink), 0);
}

static int set_up(void **state)
{
        struct fixture *fixture = calloc(1, sizeof(*fixture));

        assert_non_null(fixture);
        fixture->fake = fake_platform_create();
        fixture->fake->handler = serve;
        fixture->fake->handler_context = fixture;
        fixture->status = 500;
        open_agent(fixture);
        for (int64_t i = 0; i < WAITING; i++) {
                char body[64];
                int64_t bucket_s = FIRST_BUCKET + i * MU_AGENT_BUCKET_S;
                int bytes = snprintf(body, sizeof(body), "{\"ts\":%" PRId64 ".000}", bucket_s);

                assert_int_equal(mu_agent_queue_heartbeat(fixture->core.queue, bucket_s, body,
                                                          (size_t)bytes, 1),
                                 0);
        }
        *state = fixture;
        return 0;
}

static int tear_down(void **state)
{
        struct fixture *fixture = *state;

        mu_agent_uplink_destroy(fixture->core.uplink);
        fake_core_close(&fixture->core);
        fake_platform_destroy(fixture->fake);
        free(fixture);
        return 0;
}

static void spoil(struct fixture *fixture, int64_t place)
{
        fixture->bad[fixture->bad_count++] = FIRST_BUCKET + place * MU_AGENT_BUCKET_S;
}

static void settle(struct fixture *fixture)
{
        do {
                fixture->core.changed = false;
                (void)mu_agent_uplink_step(fixture->core.uplink);
        } while (fake_pump(fixture->fake) > 0 || fixture->core.changed);
}

static struct mu_agent_queue_state depth(struct fixture *fixture)
{
        struct mu_agent_queue_state queue;

        assert_int_equal(mu_agent_queue_state(fixture->core.queue, &queue), 0);
        return queue;
}

static void run_ms(struct fixture *fixture, int64_t ms)
{
        for (; ms > 0; ms -= 1000) {
                fake_advance_ms(fixture->fake, 1000);
                settle(fixture);
        }
}

/* Heartbeat by heartbeat until so many wait. */
static void run_until(struct fixture *fixture, uint32_t waiting)
{
        int rounds = 0;

        settle(fixture);
        while (depth(fixture).heartbeats > waiting) {
                if (rounds++ == ROUNDS_MAX)
                        fail_msg("%u still wait", depth(fixture).heartbeats);
                run_ms(fixture, INTERVAL_MS);
        }
}

/* ---- tests ---- */

static void test_one_bad_one(void **state)
{
        struct fixture *fixture = *state;

        spoil(fixture, 17);
        run_until(fixture, 1);
        /* The rest has gone: it was found by halves, and not by trying it for ever. */
        assert_in_range(fixture->failed_requests, 1, 30);
        assert_true(fixture->alone[0] > 0);
        assert_int_equal(depth(fixture).aside, 0);
        run_until(fixture, 0);
        assert_true(fixture->alone[0] >= FAILURES_MAX);
        assert_int_equal(depth(fixture).aside, 1);
        assert_int_equal(fixture->core.rejected_reports, 1);
        assert_int_equal(fake_events(fixture->fake, "queue.aside"), 1);
        assert_non_null(strstr(fake_event_fields(fixture->fake, "queue.aside"), "HTTP 500"));
        assert_non_null(strstr(fake_event_fields(fixture->fake, "queue.aside"), "1799000170"));
        size_t before = fixture->failed_requests;

        run_ms(fixture, 3 * INTERVAL_MS);
        assert_int_equal(fixture->failed_requests, before);
}

/* More than it can keep in mind at a time. */
static void test_many_bad_ones(void **state)
{
        struct fixture *fixture = *state;

        for (int64_t i = 0; i < 12; i++)
                spoil(fixture, i < 6 ? i : 3 * i);
        run_until(fixture, 0);
        assert_int_equal(depth(fixture).aside, 12);
        assert_int_equal(fake_events(fixture->fake, "queue.aside"), 12);
        for (size_t i = 0; i < 12; i++)
                assert_true(fixture->alone[i] >= FAILURES_MAX);
        assert_true(fixture->taken >= WAITING - 12);
}

/* An appliance that fails on everything is to blame itself, however long it does so. */
static void test_it_fails_on_everything(void **state)
{
        struct fixture *fixture = *state;

        fixture->fails_on_all = true;
        settle(fixture);
        run_ms(fixture, 24 * INTERVAL_MS);
        uint32_t waiting = depth(fixture).heartbeats;

        assert_true(waiting > WAITING);
        assert_int_equal(depth(fixture).aside, 0);
        fixture->fails_on_all = false;
        run_ms(fixture, 2 * INTERVAL_MS);
        assert_int_equal(depth(fixture).heartbeats, 0);
        assert_int_equal(depth(fixture).aside, 0);
        assert_true(fixture->taken >= waiting);
}

/* It fails now and then, on everything: what was suspected is taken in the end. */
static void test_it_recovers(void **state)
{
        struct fixture *fixture = *state;

        spoil(fixture, 3);
        run_until(fixture, 1);
        for (int i = 0; i < 12; i++) { /* nothing gets through: none of it counts */
                fixture->fails_on_all = true;
                run_ms(fixture, INTERVAL_MS - 10000);
        }
        assert_int_equal(depth(fixture).aside, 0);
        assert_true(fixture->alone[0] > FAILURES_MAX);
        fixture->fails_on_all = false;
        fixture->bad_count = 0;
        run_until(fixture, 0);
        assert_int_equal(depth(fixture).aside, 0);
        assert_true(fixture->taken >= WAITING);
}

/* "Not now" is no word about what was sent. */
static void test_unavailable(void **state)
{
        struct fixture *fixture = *state;

        fixture->status = 503;
        spoil(fixture, 0);
        settle(fixture);
        run_ms(fixture, 40 * INTERVAL_MS);
        assert_int_equal(depth(fixture).heartbeats, WAITING);
        assert_int_equal(depth(fixture).aside, 0);
}

/* Pruned while it was suspected. */
static void test_gone_meanwhile(void **state)
{
        struct fixture *fixture = *state;

        spoil(fixture, 2);
        run_until(fixture, 1);
        assert_int_equal(sqlite3_exec(mu_agent_store_database(fixture->core.store),
                                      "DELETE FROM items", NULL, NULL, NULL),
                         SQLITE_OK);
        run_ms(fixture, 2 * INTERVAL_MS);
        assert_int_equal(depth(fixture).heartbeats, 0);
        assert_int_equal(depth(fixture).aside, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(test_one_bad_one), TEST(test_many_bad_ones), TEST(test_it_fails_on_everything),
                TEST(test_it_recovers), TEST(test_unavailable),   TEST(test_gone_meanwhile),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
