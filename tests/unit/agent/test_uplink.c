/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "core/uplink.h"
#include "fake_world.h"
#include "muster/wire.h"

#define S INT64_C(1000)
#define GOOD                                                                                       \
        "{\"server_time\":1800000000.000,\"next_heartbeat_in_s\":300,\"commands\":0,\"update\":"   \
        "false}"

static int set_up(void **state)
{
        (void)fake_world_set_up(state);
        struct fake_world *world = *state;

        assert_int_equal(mu_agent_uplink_create(&world->core, &world->core.uplink), 0);
        return 0;
}

/* The same core and queue, as after a restart of the program. */
static void restart(struct fake_world *world)
{
        mu_agent_uplink_destroy(world->core.uplink);
        world->fake->platform.cancel_all(world->fake);
        fake_world_restart(world);
        assert_int_equal(mu_agent_uplink_create(&world->core, &world->core.uplink), 0);
}

/* Steps and lets the script answer until nothing more comes of it; when it wants to go on. */
static uint64_t settle(struct fake_world *world)
{
        uint64_t due_ns;

        for (int i = 0; i < 10000; i++) {
                world->core.changed = false;
                due_ns = mu_agent_uplink_step(world->core.uplink);
                if (fake_pump(world->fake) == 0 && !world->core.changed &&
                    due_ns > world->fake->monotonic_ns)
                        return due_ns;
        }
        fail_msg("it never rests");
        return 0;
}

/* Virtual time goes on, each time to what is due. */
static void run_ms(struct fake_world *world, int64_t ms)
{
        uint64_t until_ns = world->fake->monotonic_ns + (uint64_t)(ms * MU_NS_PER_MS);
        uint64_t due_ns = settle(world);

        while (due_ns <= until_ns) {
                fake_advance_ms(world->fake, (int64_t)((due_ns - world->fake->monotonic_ns +
                                                        (uint64_t)MU_NS_PER_MS - 1) /
                                                       (uint64_t)MU_NS_PER_MS));
                due_ns = settle(world);
        }
        if (world->fake->monotonic_ns < until_ns)
                fake_advance_ms(world->fake, (int64_t)((until_ns - world->fake->monotonic_ns) /
                                                       (uint64_t)MU_NS_PER_MS));
}

static struct mu_agent_queue_state depth(struct fake_world *world)
{
        struct mu_agent_queue_state state;

        assert_int_equal(mu_agent_queue_state(world->core.queue, &state), 0);
        return state;
}

static json_t *body_of(const struct fake_request *request)
{
        json_t *body = json_loadb(request->body, request->body_bytes, 0, NULL);

        assert_non_null(body);
        return body;
}

/* Heartbeats of an earlier time: bodies as report.c would write them, and some more bytes. */
static void fill_queue(struct fake_world *world, int count, size_t more_bytes)
{
        char *more = calloc(1, more_bytes + 1);
        char body[4096];

        assert_non_null(more);
        assert_true(more_bytes < 3900);
        memset(more, 'x', more_bytes);
        for (int i = 0; i < count; i++) {
                int64_t bucket_s = FAKE_START_US / MU_US_PER_S - 20000 + i * MU_AGENT_BUCKET_S;
                int bytes = snprintf(body, sizeof(body), "{\"ts\":%lld.000,\"x\":\"%s\"}",
                                     (long long)bucket_s, more);

                assert_int_equal(mu_agent_queue_heartbeat(world->core.queue, bucket_s, body,
                                                          (size_t)bytes, FAKE_START_US),
                                 0);
        }
        free(more);
}

static void queue_result(struct fake_world *world, int64_t command_id)
{
        char body[128];
        int bytes = snprintf(body, sizeof(body), "{\"command_id\":\"%lld\",\"status\":\"done\"}",
                             (long long)command_id);

        assert_int_equal(mu_agent_queue_result(world->core.queue, command_id, body, (size_t)bytes,
                                               world->fake->realtime_us),
                         0);
        mu_agent_uplink_result_queued(world->core.uplink);
}

/* An appliance that takes everything. */
static void take_all(struct fake_platform *fake, struct fake_request *request)
{
        char *text;

        (void)fake;
        json_t *body = body_of(request);

        if (strcmp(request->path, MU_PATH_HEARTBEAT) == 0) {
                fake_answer(request, 202, GOOD);
        } else if (strcmp(request->path, MU_PATH_HEARTBEATS) == 0) {
                json_t *results = json_array();

                for (size_t i = 0; i < json_array_size(json_object_get(body, "heartbeats")); i++)
                        json_array_append_new(results, json_pack("{s:s}", "status", "stored"));
                json_t *answer = json_pack("{s:o}", "results", results);

                text = json_dumps(answer, JSON_COMPACT);
                fake_answer(request, 200, text);
                free(text);
                json_decref(answer);
        } else {
                json_t *answer =
                        json_pack("{s:O}", "command_id", json_object_get(body, "command_id"));

                text = json_dumps(answer, JSON_COMPACT);
                fake_answer(request, 200, text);
                free(text);
                json_decref(answer);
        }
        json_decref(body);
}

static size_t items_of(const struct fake_request *request)
{
        json_t *body = body_of(request);
        size_t count = json_array_size(json_object_get(body, "heartbeats"));

        json_decref(body);
        return count;
}

static void test_first_heartbeat_at_once(void **state)
{
        struct fake_world *world = *state;
        struct fake_platform *fake = world->fake;

        fake->readings.battery = 80;
        fake_script(fake, MU_PATH_HEARTBEAT, 202,
                    "{\"server_time\":1800000060.000,\"next_heartbeat_in_s\":47,\"commands\":0,"
                    "\"update\":false}");
        uint64_t due_ns = settle(world);

        assert_int_equal(fake->request_count, 1);
        const struct fake_request *request = fake_last(fake);

        assert_string_equal(request->method, "POST");
        assert_string_equal(request->path, MU_PATH_HEARTBEAT);
        assert_int_equal(request->authorization, MU_AGENT_AUTH_TOKEN);
        json_t *body = body_of(request);

        assert_float_equal(json_real_value(json_object_get(body, "sent_at")), 1800000000.0, 0.0001);
        assert_float_equal(json_real_value(json_object_get(body, "ts")), 1800000000.0, 0.0001);
        assert_int_equal(json_integer_value(json_object_get(body, "seq")), 1);
        assert_int_equal(json_integer_value(json_object_get(body, "battery")), 80);
        json_decref(body);
        assert_int_equal(depth(world).heartbeats, 0);
        /* The appliance's phase and time. */
        assert_int_equal(due_ns, FAKE_START_NS + 47 * (uint64_t)MU_NS_PER_S);
        assert_true(world->core.clock.synced);
        assert_int_equal(mu_agent_clock_sync_offset_us(&world->core.clock), 60 * MU_US_PER_S);
        assert_int_equal(mu_agent_uplink_state(world->core.uplink).delivered, 1);
        assert_int_equal(fake_events(fake, "deliver.ok"), 1);

        /* And without a word of when: by the interval. */
        fake_script(fake, MU_PATH_HEARTBEAT, 202, "{}");
        run_ms(world, 46 * S);
        assert_int_equal(fake->request_count, 1);
        run_ms(world, 1 * S);
        assert_int_equal(fake->request_count, 2);
        run_ms(world, 299 * S);
        assert_int_equal(fake->request_count, 2);
        run_ms(world, 1 * S);
        assert_int_equal(fake->request_count, 3);
        /* A loop that wakes late moves no phase. */
        fake_answer(fake_last(fake), 202, "{}");
        fake_advance_ms(fake, 307 * S);
        settle(world);
        assert_int_equal(fake->request_count, 4);
        assert_int_equal(mu_agent_uplink_state(world->core.uplink).next_heartbeat_ns,
                         FAKE_START_NS + (47 + 3 * 300) * (uint64_t)MU_NS_PER_S);
}

static void test_on_time_while_away(void **state)
{
        struct fake_world *world = *state;

        world->fake->handler = NULL;
        for (int i = 0; i < 400; i++)
                fake_script_error(world->fake, "/v1/", -ECONNREFUSED);
        run_ms(world, 3600 * S);
        /* At 0 and then each 300 s. */
        assert_int_equal(depth(world).heartbeats, 13);
        assert_int_equal(world->fake->reads, 13);
        assert_in_range(world->fake->request_count, 10, 300);
        fake_script_drop(world->fake);
        world->fake->handler = take_all;
        run_ms(world, 300 * S + 60 * S);
        assert_int_equal(depth(world).heartbeats, 0);
}

/* Full jitter: each wait within its bound, spread over it, and the breaker's pause after five. */
static void check_waits(struct fake_world *world, uint64_t seed, uint64_t *longest_ms)
{
        struct fake_platform *fake = world->fake;
        size_t first = fake->request_count;
        uint64_t before_ns = fake->monotonic_ns;
        size_t tries = 0;

        restart(world);
        mu_random_seed(&world->core.random, seed);
        run_ms(world, 12000 * S);
        for (size_t i = first; i < fake->request_count; i++) {
                const struct fake_request *request = fake_request_at(fake, i);
                uint64_t waited_ms = (request->at_ns - before_ns) / (uint64_t)MU_NS_PER_MS;
                uint64_t most_ms = MU_AGENT_RETRY_CAP_MS;

                if (strcmp(request->path, MU_PATH_HEARTBEAT) != 0)
                        continue;
                if (tries <= 7)
                        most_ms = tries > 0 ? UINT64_C(2000) << (tries - 1) : 0;
                if (tries >= 5) { /* five failures have opened the breaker */
                        assert_true(waited_ms >= 10000);
                        most_ms = most_ms > 60000 ? most_ms : 60000;
                }
                assert_true(waited_ms <= most_ms + 2);
                *longest_ms = waited_ms > *longest_ms ? waited_ms : *longest_ms;
                before_ns = request->at_ns;
                tries++;
        }
        assert_true(tries > 30);
}

static void always_fail(struct fake_platform *fake, struct fake_request *request)
{
        (void)fake;
        fake_answer(request, 500, "");
}

static void test_waits_between_tries(void **state)
{
        struct fake_world *world = *state;
        struct fake_platform *fake = world->fake;
        uint64_t longest_ms = 0;

        fake->handler = always_fail;
        for (uint64_t seed = 1; seed <= 8; seed++)
                check_waits(world, seed, &longest_ms);
        assert_true(longest_ms > 280000);
        assert_int_equal(fake_events(fake, "retry.schedule"), fake_events(fake, "deliver.fail"));
        assert_int_equal(mu_agent_uplink_state(world->core.uplink).delivered, 0);
}

static void test_retry_after(void **state)
{
        struct fake_world *world = *state;
        struct fake_platform *fake = world->fake;

        world->core.config.heartbeat_interval_s = 86400;
        fake_script_later(fake, MU_PATH_HEARTBEAT, 503, 90, "{\"detail\":\"The ring is full.\"}");
        run_ms(world, 89 * S);
        assert_int_equal(fake->request_count, 1);
        assert_non_null(strstr(fake_event_fields(fake, "deliver.fail"), "The ring is full."));
        assert_int_equal(mu_agent_uplink_state(world->core.uplink).retry_ns,
                         FAKE_START_NS + 90 * (uint64_t)MU_NS_PER_S);
        fake_script(fake, MU_PATH_HEARTBEAT, 202, GOOD);
        run_ms(world, 2 * S);
        assert_int_equal(fake->request_count, 2);
        assert_int_equal(depth(world).heartbeats, 0);
        assert_int_equal(mu_agent_uplink_state(world->core.uplink).retry_ns, MU_AGENT_NEVER);
}

/* Answers that say nothing of the report: nothing is lost by any of them. */
static void test_answers_that_keep(void **state)
{
        static const int statuses[] = {200, 202, 204, 301, 302, 403, 404, 405,
                                       408, 415, 429, 500, 502, 503, 504};
        struct fake_world *world = *state;

        for (size_t i = 0; i < MU_COUNT_OF(statuses); i++) {
                fake_script(world->fake, MU_PATH_HEARTBEAT, statuses[i],
                            "<html>sign in to this network</html>");
                size_t before = world->fake->request_count;

                mu_agent_uplink_network(world->core.uplink);
                settle(world);
                assert_true(world->fake->request_count > before);
                assert_true(depth(world).heartbeats >= 1);
                assert_int_equal(depth(world).aside, 0);
                fake_advance_ms(world->fake, 10 * S);
                while (fake_find_pending(world->fake, "/v1/"))
                        fake_answer_error(fake_find_pending(world->fake, "/v1/"), -ETIMEDOUT);
        }
        assert_int_equal(mu_agent_uplink_state(world->core.uplink).delivered, 0);
        assert_int_equal(world->core.rejected_reports, 0);
}

static void test_refused_heartbeat_goes_aside(void **state)
{
        struct fake_world *world = *state;
        struct fake_platform *fake = world->fake;

        fake_script(fake, MU_PATH_HEARTBEAT, 400, "{\"detail\":\"ts is outside.\"}");
        settle(world);
        assert_int_equal(depth(world).heartbeats, 0);
        assert_int_equal(depth(world).aside, 1);
        assert_int_equal(world->core.rejected_reports, 1);
        assert_non_null(strstr(fake_event_fields(fake, "queue.aside"), "ts is outside."));
        /* The next one says it. */
        fake->handler = take_all;
        run_ms(world, 301 * S);
        json_t *body = body_of(fake_last(fake));

        assert_int_equal(json_integer_value(json_object_get(body, "rejected_reports")), 1);
        json_decref(body);
        assert_int_equal(depth(world).heartbeats, 0);
}

static void assert_same_but_sent_at(const struct fake_request *a, const struct fake_request *b)
{
        json_t *first = body_of(a);
        json_t *second = body_of(b);

        json_object_del(first, "sent_at");
        json_object_del(second, "sent_at");
        assert_true(json_equal(first, second));
        json_decref(first);
        json_decref(second);
}

/* Once sent it is frozen: the same bytes again, and later readings go into the next bucket. */
static void test_frozen_once_sent(void **state)
{
        struct fake_world *world = *state;
        struct fake_platform *fake = world->fake;

        fake->readings.battery = 50;
        settle(world);
        assert_int_equal(fake_pending(fake), 1);
        fake->readings.battery = 51;
        fake->readings.charging = MU_AGENT_YES;
        fake_advance_ms(fake, 3 * S);
        mu_agent_uplink_note(world->core.uplink);
        assert_int_equal(depth(world).heartbeats, 1);
        fake_answer_error(fake_last(fake), -ETIMEDOUT);
        fake_script_error(fake, MU_PATH_HEARTBEAT, -ETIMEDOUT);
        run_ms(world, 2002);
        assert_true(fake->request_count >= 2);
        assert_same_but_sent_at(fake_request_at(fake, 0), fake_request_at(fake, 1));
        /* In the next bucket it is a report of its own. */
        fake_advance_ms(fake, 7 * S);
        fake->readings.charging = MU_AGENT_NO;
        mu_agent_uplink_note(world->core.uplink);
        assert_int_equal(depth(world).heartbeats, 2);
        /* Not sent yet: the next of its bucket replaces it. */
        fake->readings.charging = MU_AGENT_YES;
        fake->readings.battery = 52;
        mu_agent_uplink_note(world->core.uplink);
        assert_int_equal(depth(world).heartbeats, 2);
        struct mu_agent_items newest;

        assert_int_equal(mu_agent_queue_newest(world->core.queue, &newest), 0);
        assert_non_null(strstr(newest.items[0].body, "\"battery\":52"));
        assert_non_null(strstr(newest.items[0].body, "\"seq\":2"));
        mu_agent_items_done(&newest);
}

/* What is no news makes no report; a sleep that went past the time makes one at once. */
static void test_notes_and_sleep(void **state)
{
        struct fake_world *world = *state;
        struct fake_platform *fake = world->fake;

        fake->handler = take_all;
        settle(world);
        assert_int_equal(fake->request_count, 1);
        fake_advance_ms(fake, 20 * S);
        fake->readings.battery = 12;
        mu_agent_uplink_note(world->core.uplink);
        settle(world);
        assert_int_equal(depth(world).heartbeats, 0);
        fake->readings.network = MU_AGENT_NETWORK_WIFI;
        mu_agent_uplink_note(world->core.uplink);
        settle(world);
        assert_int_equal(depth(world).heartbeats, 1);
        assert_int_equal(fake->request_count, 1); /* with the next one */
        /* Two hours asleep: the monotonic clock stood still. */
        fake_sleep_ms(fake, 7200 * S);
        mu_agent_uplink_note(world->core.uplink);
        settle(world);
        assert_int_equal(fake_count(fake, MU_PATH_HEARTBEAT) - fake_count(fake, MU_PATH_HEARTBEATS),
                         2);
        assert_int_equal(fake_count(fake, MU_PATH_HEARTBEATS), 1);
        assert_int_equal(depth(world).heartbeats, 0);
}

static void test_backlog_item_by_item(void **state)
{
        struct fake_world *world = *state;
        struct fake_platform *fake = world->fake;
        struct mu_agent_items left;

        fill_queue(world, 4, 0);
        settle(world);
        assert_string_equal(fake_last(fake)->path, MU_PATH_HEARTBEAT);
        assert_int_equal(fake->request_count, 1); /* the backlog waits for the first answer */
        fake_answer(fake_last(fake), 202, GOOD);
        settle(world);
        assert_string_equal(fake_last(fake)->path, MU_PATH_HEARTBEATS);
        assert_int_equal(items_of(fake_last(fake)), 4);
        fake_answer_later(fake_last(fake), 200, 120,
                          "{\"results\":[{\"status\":\"shed\"},{\"status\":\"duplicate\"},"
                          "{\"status\":\"rejected\",\"error\":\"ts is null\"},"
                          "{\"status\":\"stored\"}]}");
        settle(world);
        assert_int_equal(depth(world).heartbeats, 1);
        assert_int_equal(depth(world).aside, 1);
        assert_int_equal(world->core.rejected_reports, 1);
        assert_int_equal(
                mu_agent_queue_peek(world->core.queue, MU_AGENT_ITEM_HEARTBEAT, 1, 1, &left), 0);
        assert_int_equal(left.items[0].key, FAKE_START_US / MU_US_PER_S - 20000);
        mu_agent_items_done(&left);
        /* shed is a "not now": its Retry-After holds. */
        size_t before = fake->request_count;

        run_ms(world, 119 * S);
        assert_int_equal(fake->request_count, before);
        run_ms(world, 2 * S);
        assert_int_equal(fake->request_count, before + 1);
        assert_string_equal(fake_last(fake)->path, MU_PATH_HEARTBEATS);
}

static void test_batches_within_bounds(void **state)
{
        struct fake_world *world = *state;
        struct fake_platform *fake = world->fake;
        size_t sent = 0;

        fill_queue(world, MU_AGENT_QUEUE_ITEMS_MAX, 1000);
        fake->handler = take_all;
        settle(world); /* no time passes: back to back */
        assert_true(fake_count(fake, MU_PATH_HEARTBEATS) >= 2);
        for (size_t i = 0; i < fake->request_count; i++) {
                const struct fake_request *request = fake_request_at(fake, i);

                assert_true(request->body_bytes <= MU_BODY_BYTES_MAX);
                if (strcmp(request->path, MU_PATH_HEARTBEATS) == 0)
                        sent += items_of(request);
        }
        /* All but the one that the newest pushed out, and that one, which went alone. */
        assert_int_equal(sent, MU_AGENT_QUEUE_ITEMS_MAX - 1);
        assert_int_equal(depth(world).heartbeats, 0);
        assert_int_equal(mu_agent_uplink_state(world->core.uplink).delivered,
                         MU_AGENT_QUEUE_ITEMS_MAX);
}

/* Takes batches of up to 7 without the heartbeat of bucket number 20, which it never takes. */
static void picky(struct fake_platform *fake, struct fake_request *request)
{
        char bad[32];

        (void)snprintf(bad, sizeof(bad), "\"ts\":%lld.",
                       (long long)(FAKE_START_US / MU_US_PER_S - 20000 + 200));
        if (strcmp(request->path, MU_PATH_HEARTBEATS) == 0 && items_of(request) > 7)
                fake_answer(request, 413, "{\"detail\":\"too large\"}");
        else if (strstr(request->body, bad))
                fake_answer(request, 400, "{\"detail\":\"not that one\"}");
        else
                take_all(fake, request);
}

static void test_halves(void **state)
{
        struct fake_world *world = *state;
        struct fake_platform *fake = world->fake;

        fill_queue(world, 41, 0);
        fake->handler = picky;
        settle(world); /* no waits between the halves */
        assert_int_equal(depth(world).heartbeats, 0);
        assert_int_equal(depth(world).aside, 1);
        assert_int_equal(world->core.rejected_reports, 1);
        assert_non_null(strstr(fake_event_fields(fake, "queue.aside"), "not that one"));
        assert_int_equal(mu_agent_uplink_state(world->core.uplink).delivered, 41);
        assert_true(fake->request_count < 60);
}

static void test_token_refused(void **state)
{
        struct fake_world *world = *state;
        struct fake_platform *fake = world->fake;

        world->core.config.heartbeat_interval_s = 60;
        fill_queue(world, 3, 0);
        queue_result(world, 5);
        for (int i = 0; i < 3; i++)
                fake_script(fake, "/v1/", 401, "{}");
        settle(world);
        assert_true(mu_agent_uplink_state(world->core.uplink).token_refused);
        size_t first = fake->request_count;

        assert_in_range(first, 1, 2); /* what was sent before anybody knew */
        run_ms(world, 299 * S);
        assert_int_equal(fake->request_count, first);
        assert_int_equal(depth(world).heartbeats, 3 + 5);
        assert_int_equal(depth(world).results, 1);
        assert_int_equal(depth(world).aside, 0);
        /* One request finds out, not all of them. */
        run_ms(world, 2 * S);
        assert_int_equal(fake->request_count, first + 1);
        assert_string_equal(fake_last(fake)->path, MU_PATH_HEARTBEAT);
        fake_script_drop(fake);
        fake->handler = take_all;
        run_ms(world, 300 * S);
        assert_false(mu_agent_uplink_state(world->core.uplink).token_refused);
        assert_int_equal(depth(world).results, 0);
        assert_true(depth(world).heartbeats <= 1);
        assert_true(fake_events(fake, "auth.refused") >= 1);
}

static void test_gone(void **state)
{
        struct fake_world *world = *state;
        struct fake_platform *fake = world->fake;

        fill_queue(world, 3, 0);
        queue_result(world, 5);
        fake_script(fake, MU_PATH_ACTION_RESULT, 503, "");
        fake_script(fake, MU_PATH_HEARTBEAT, 410, "{\"detail\":\"deleted\"}");
        run_ms(world, 0);
        assert_true(world->core.deleted);
        size_t before = fake->request_count;

        run_ms(world, 86400 * S);
        mu_agent_uplink_network(world->core.uplink);
        mu_agent_uplink_note(world->core.uplink);
        run_ms(world, 60 * S);
        assert_int_equal(fake->request_count, before);
        assert_int_equal(depth(world).heartbeats, 4);
        assert_int_equal(depth(world).results, 1);
        assert_int_equal(fake_events(fake, "device.deleted"), 1);
        /* Remembered. */
        restart(world);
        assert_int_equal(mu_agent_load_deleted(&world->core), 0);
        assert_true(world->core.deleted);
        run_ms(world, 60 * S);
        assert_int_equal(fake->request_count, before);
        world->core.deleted = false; /* enrolled anew */
        fake->handler = take_all;
        run_ms(world, 1 * S);
        assert_int_equal(depth(world).results, 0);
}

static void test_frugal(void **state)
{
        struct fake_world *world = *state;
        struct fake_platform *fake = world->fake;

        fake->readings.battery = 9;
        fake->readings.charging = MU_AGENT_NO;
        fill_queue(world, 3, 0);
        for (int i = 0; i < 2; i++)
                fake_script(fake, MU_PATH_HEARTBEAT, 500, "");
        run_ms(world, 290 * S);
        assert_int_equal(fake->request_count, 1); /* one try, no retry, no backlog */
        run_ms(world, 20 * S);
        assert_int_equal(fake->request_count, 2); /* the next one, when it was due */
        assert_int_equal(fake_count(fake, MU_PATH_HEARTBEATS), 0);
        /* Results are essential. */
        fake_script(fake, MU_PATH_ACTION_RESULT, 500, "");
        queue_result(world, 5);
        fake->handler = take_all;
        run_ms(world, 5 * S);
        assert_int_equal(fake_count(fake, MU_PATH_ACTION_RESULT), 2);
        assert_int_equal(depth(world).results, 0);
        run_ms(world, 300 * S);
        assert_int_equal(fake_count(fake, MU_PATH_HEARTBEATS), 0);
        assert_int_equal(depth(world).heartbeats, 5); /* the third heartbeat was delivered */
        /* Plugged in: what is left goes at once. */
        fake->readings.charging = MU_AGENT_YES;
        mu_agent_uplink_note(world->core.uplink);
        settle(world);
        assert_int_equal(fake_count(fake, MU_PATH_HEARTBEATS), 1);
        assert_int_equal(depth(world).heartbeats, 0);
}

static void test_results_one_at_a_time(void **state)
{
        struct fake_world *world = *state;
        struct fake_platform *fake = world->fake;

        fake_script(fake, MU_PATH_HEARTBEAT, 202, GOOD);
        settle(world);
        for (int i = 1; i <= 6; i++)
                queue_result(world, i);
        settle(world);
        assert_int_equal(fake_pending(fake), 1);
        assert_non_null(strstr(fake_last(fake)->body, "\"command_id\":\"1\""));
        fake_answer(fake_last(fake), 200, "{\"command_id\":\"1\",\"state\":\"done\"}");
        /* Never taken: aside, whatever the reason. */
        fake_script(fake, MU_PATH_ACTION_RESULT, 400, "{}");
        fake_script(fake, MU_PATH_ACTION_RESULT, 403, "{\"detail\":\"signature\"}");
        fake_script(fake, MU_PATH_ACTION_RESULT, 404, "{}");
        fake_script(fake, MU_PATH_ACTION_RESULT, 409, "{}");
        fake_script_later(fake, MU_PATH_ACTION_RESULT, 503, 40, "{}");
        settle(world);
        assert_int_equal(depth(world).results, 1);
        assert_int_equal(depth(world).aside, 4);
        assert_int_equal(fake_events(fake, "queue.aside"), 4);
        assert_int_equal(world->core.rejected_reports, 4);
        run_ms(world, 39 * S);
        assert_int_equal(fake_count(fake, MU_PATH_ACTION_RESULT), 6);
        /* Somebody else's 200 is no receipt. */
        fake_script(fake, MU_PATH_ACTION_RESULT, 200, "<html>sign in</html>");
        run_ms(world, 2 * S);
        assert_int_equal(fake_count(fake, MU_PATH_ACTION_RESULT), 7);
        assert_int_equal(depth(world).results, 1);
        fake->handler = take_all;
        run_ms(world, 60 * S);
        assert_int_equal(depth(world).results, 0);
        assert_non_null(strstr(fake_last(fake)->body, "\"command_id\":\"6\""));
}

/* Back on the network: nothing waits for the timeout of what went out by the old one. */
static void test_network_regained(void **state)
{
        struct fake_world *world = *state;
        struct fake_platform *fake = world->fake;

        fill_queue(world, 2, 0);
        settle(world);
        assert_int_equal(fake_pending(fake), 1);
        struct fake_request *lost = fake_last(fake);

        fake_advance_ms(fake, 12 * S);
        mu_agent_uplink_network(world->core.uplink);
        settle(world);
        assert_int_equal(fake_pending(fake), 2);
        assert_string_equal(fake_last(fake)->path, MU_PATH_HEARTBEAT);
        fake_answer(fake_last(fake), 202, GOOD);
        settle(world);
        assert_string_equal(fake_last(fake)->path, MU_PATH_HEARTBEATS);
        assert_int_equal(items_of(fake_last(fake)), 3);
        /* The late answer is an answer too: it settles what it was about, as the batch will. */
        fake_answer(lost, 202, GOOD);
        settle(world);
        assert_int_equal(depth(world).heartbeats, 2);
        take_all(fake, fake_last(fake));
        settle(world);
        assert_int_equal(depth(world).heartbeats, 0);
        /* Again and again: two at a time, and no more. */
        fake_advance_ms(fake, 20 * S);
        for (int i = 0; i < 3; i++) {
                mu_agent_uplink_network(world->core.uplink);
                settle(world);
        }
        assert_int_equal(fake_pending(fake), 2);
        fake->handler = take_all;
        settle(world);
        assert_int_equal(depth(world).heartbeats, 0);
        assert_int_equal(fake_pending(fake), 0);
}

static void test_restart_resumes(void **state)
{
        struct fake_world *world = *state;
        struct fake_platform *fake = world->fake;

        fill_queue(world, 5, 0);
        settle(world); /* frozen, under way, never answered */
        restart(world);
        fake_advance_ms(fake, 2 * S);
        fake->handler = take_all;
        settle(world);
        /* In the same bucket: what is queued goes at once, and is the report of this start. */
        assert_int_equal(fake->request_count, 3);
        assert_same_but_sent_at(fake_request_at(fake, 0), fake_request_at(fake, 1));
        assert_int_equal(items_of(fake_request_at(fake, 2)), 5);
        assert_int_equal(depth(world).heartbeats, 0);
        /* With nothing queued: at once too, but into the next bucket. */
        restart(world);
        fake_advance_ms(fake, 2 * S);
        run_ms(world, 5 * S);
        assert_int_equal(fake->request_count, 3);
        run_ms(world, 1 * S);
        assert_int_equal(fake->request_count, 4);
        assert_int_equal(fake_last(fake)->at_us, FAKE_START_US + 10 * MU_US_PER_S);
}

static void test_request_that_cannot_be_made(void **state)
{
        struct fake_world *world = *state;
        struct fake_platform *fake = world->fake;

        fake->request_result = -EMFILE;
        fake->read_result = -EIO;
        run_ms(world, 100 * S);
        assert_int_equal(depth(world).heartbeats, 1);
        assert_true(fake_events(fake, "deliver.fail") > 3);
        fake->request_result = 0;
        fake->handler = take_all;
        run_ms(world, 100 * S);
        assert_int_equal(depth(world).heartbeats, 0);
}

/* A queue's item that is not what was written does not hold up the others. */
static void test_damaged_item(void **state)
{
        struct fake_world *world = *state;
        struct fake_platform *fake = world->fake;

        fill_queue(world, 3, 0);
        assert_int_equal(mu_agent_queue_heartbeat(world->core.queue, 1000, "{\"ts\":", 6, 1), 0);
        fill_queue(world, 1, 0);
        fake->handler = take_all;
        settle(world);
        run_ms(world, 301 * S);
        assert_int_equal(depth(world).heartbeats, 0);
        assert_int_equal(depth(world).aside, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, fake_world_tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_first_heartbeat_at_once),
                TEST(test_on_time_while_away),
                TEST(test_waits_between_tries),
                TEST(test_retry_after),
                TEST(test_answers_that_keep),
                TEST(test_refused_heartbeat_goes_aside),
                TEST(test_frozen_once_sent),
                TEST(test_notes_and_sleep),
                TEST(test_backlog_item_by_item),
                TEST(test_batches_within_bounds),
                TEST(test_halves),
                TEST(test_token_refused),
                TEST(test_gone),
                TEST(test_frugal),
                TEST(test_results_one_at_a_time),
                TEST(test_network_regained),
                TEST(test_restart_resumes),
                TEST(test_request_that_cannot_be_made),
                TEST(test_damaged_item),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
