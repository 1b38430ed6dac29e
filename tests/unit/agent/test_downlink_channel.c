/* SPDX-License-Identifier: Apache-2.0 */
/* The channel's life, results over it, and fetching. */
#include "core/downlink.h"

#include <errno.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/uplink.h"
#include "downlink_world.h"

#define FETCH "/v1/commands?"

/* ---- the channel ---- */

/* How long until it is opened again, in steps of its own. */
static int64_t wait_for_opening_ms(struct world *world)
{
        uint64_t since_ns = world->fake->monotonic_ns;
        size_t opens = world->fake->push_opens;

        while (world->fake->push_opens == opens) {
                assert_true(world->due_ns != MU_AGENT_NEVER);
                world_advance_ms(
                        world,
                        (int64_t)(world->due_ns - world->fake->monotonic_ns) / MU_NS_PER_MS + 1);
        }
        return (int64_t)(world->fake->monotonic_ns - since_ns) / MU_NS_PER_MS;
}

static void opens_at_the_start(void **state)
{
        struct world *world = *state;

        world_step(world);
        assert_int_equal(world->fake->push_opens, 1);
        assert_string_equal(world->fake->push_path, "/v1/device/ws");
        assert_int_equal(mu_agent_downlink_channel(world->downlink), MU_AGENT_CHANNEL_OPENING);
        world_open_channel(world);
        assert_int_equal(fake_events(world->fake, "push.open"), 1);
        /* At rest: nothing before the silence would be too long. */
        assert_int_equal(world->due_ns - world->fake->monotonic_ns,
                         MU_AGENT_CHANNEL_SILENCE_MS * MU_NS_PER_MS);
}

static void waits_longer_each_time(void **state)
{
        struct world *world = *state;
        int64_t most_ms = 2000;
        int64_t longest_ms = 0;

        world_step(world);
        for (int i = 0; i < 40; i++) {
                world->fake->push_is_open = false;
                mu_agent_downlink_push(world->downlink, MU_AGENT_PUSH_CLOSED, -ECONNREFUSED,
                                       "Refused.", 8);
                world_step(world);
                int64_t wait_ms = wait_for_opening_ms(world);

                assert_in_range(wait_ms, 0, most_ms + 1);
                longest_ms = wait_ms > longest_ms ? wait_ms : longest_ms;
                most_ms = 2 * most_ms < 300000 ? 2 * most_ms : 300000;
        }
        assert_in_range(longest_ms, 150000, 300001);
        /* One that opens only to be closed is no success. */
        world_open_channel(world);
        world_close_channel(world, 1013);
        (void)wait_for_opening_ms(world);
        longest_ms = 0;
        for (int i = 0; i < 20; i++) {
                world_open_channel(world);
                world_close_channel(world, 1013);
                int64_t wait_ms = wait_for_opening_ms(world);

                longest_ms = wait_ms > longest_ms ? wait_ms : longest_ms;
        }
        assert_in_range(longest_ms, 100000, 300001);
        /* One that held is: the next wait is short again. */
        world_open_channel(world);
        for (int i = 0; i < 4; i++) {
                world_advance_ms(world, 25000);
                world_say(world, "%s", ""); /* a ping */
        }
        world_close_channel(world, 1001);
        assert_in_range(wait_for_opening_ms(world), 0, 2001);
}

/* A handshake that was refused with a Retry-After: not before, though the network changes. */
static void waits_as_asked(void **state)
{
        struct world *world = *state;

        for (int i = 0; i < 3; i++) {
                world_step(world);
                world->fake->push_is_open = false;
                mu_agent_downlink_push(world->downlink, MU_AGENT_PUSH_WAIT, 600, "", 0);
                mu_agent_downlink_push(world->downlink, MU_AGENT_PUSH_CLOSED, 503, "Later.", 6);
                assert_non_null(strstr(fake_event_fields(world->fake, "push.close"),
                                       "\"again_in_ms\":60000"));
                if (i == 1)
                        mu_agent_downlink_network(world->downlink);
                world_step(world);
                assert_in_range(wait_for_opening_ms(world), 600000, 600002);
        }
        /* It is no less than the backoff, and is asked for once. */
        world->fake->push_is_open = false;
        mu_agent_downlink_push(world->downlink, MU_AGENT_PUSH_WAIT, 1, "", 0);
        mu_agent_downlink_push(world->downlink, MU_AGENT_PUSH_CLOSED, 401, "No.", 3);
        assert_in_range(wait_for_opening_ms(world), 300000, 300002);
        world->fake->push_is_open = false;
        mu_agent_downlink_network(world->downlink);
        mu_agent_downlink_push(world->downlink, MU_AGENT_PUSH_WAIT, 600, "", 0); /* of none */
        mu_agent_downlink_push(world->downlink, MU_AGENT_PUSH_WAIT, -1, "", 0);
        world_step(world);
        assert_in_range(wait_for_opening_ms(world), 0, 2001);
}

static void silence(void **state)
{
        struct world *world = *state;

        world_open_channel(world);
        world_advance_ms(world, 59999);
        world_say(world, "%s", "");
        world_advance_ms(world, 59999);
        assert_int_equal(mu_agent_downlink_channel(world->downlink), MU_AGENT_CHANNEL_OPEN);
        assert_int_equal(world->fake->push_closes, 0);
        world_advance_ms(world, 1);
        assert_int_equal(world->fake->push_closes, 1);
        assert_true(strstr(fake_event_fields(world->fake, "push.close"), "60 s"));
        (void)wait_for_opening_ms(world);
        /* An opening that never ends is given up too. */
        world_advance_ms(world, 60000);
        assert_int_equal(world->fake->push_closes, 2);
}

static void close_codes(void **state)
{
        struct world *world = *state;
        static const int pauses[] = {4001, 4401, 401};

        for (size_t i = 0; i < sizeof(pauses) / sizeof(pauses[0]); i++) {
                world_open_channel(world);
                world_close_channel(world, pauses[i]);
                assert_in_range(wait_for_opening_ms(world), 300000, 300001);
        }
        assert_int_equal(fake_events(world->fake, "auth.refused"), 2);
        assert_false(world->core.deleted);
}

static void deleted(void **state)
{
        struct world *world = *state;

        world_open_channel(world);
        world_push_order(world, &(struct order){.id = 1});
        world_push_order(world, &(struct order){.id = 2});
        world_close_channel(world, 4410);
        assert_true(world->core.deleted);
        assert_true(world->due_ns == MU_AGENT_NEVER);
        world_advance_ms(world, 3600000);
        assert_int_equal(world->fake->push_opens, 1);
        assert_int_equal(world->fake->action_count, 0);
        world_push_order(world, &(struct order){.id = 3});
        assert_int_equal(world->fake->request_count, 0);
}

static void handshake_says_gone(void **state)
{
        struct world *world = *state;

        world_step(world);
        world_close_channel(world, 410);
        assert_true(world->core.deleted);
        assert_true(world->due_ns == MU_AGENT_NEVER);
}

static void no_network(void **state)
{
        struct world *world = *state;

        world_open_channel(world);
        world->core.online = false;
        world_close_channel(world, -ENETDOWN);
        world_advance_ms(world, 3600000);
        assert_int_equal(world->fake->push_opens, 1);
        world->core.online = true;
        mu_agent_downlink_network(world->downlink);
        world_step(world);
        assert_in_range(wait_for_opening_ms(world), 0, 2001);
        /* Back again while the old one has not noticed: it is dead. */
        world_open_channel(world);
        mu_agent_downlink_network(world->downlink);
        assert_int_equal(world->fake->push_closes, 1);
        world_step(world);
        if (world->fake->push_opens == 2)
                assert_in_range(wait_for_opening_ms(world), 0, 2001);
}

static void little_power(void **state)
{
        struct world *world = *state;

        world_open_channel(world);
        world->core.readings.battery = 5;
        world->core.readings.charging = MU_AGENT_NO;
        world_close_channel(world, 1001);
        assert_in_range(wait_for_opening_ms(world), 300000, 300001);
}

static void machine_without_a_channel(void **state)
{
        struct world *world = *state;

        world->fake->push_open_result = -ENOTSUP;
        world_step(world);
        world_advance_ms(world, 600000);
        assert_int_equal(world->fake->push_opens, 1);
        /* Its own push service brings messages all the same. */
        world_say(world, "{\"fetch\":\"commands\"}");
        assert_int_equal(fake_count(world->fake, FETCH), 1);
        fake_answer(fake_last(world->fake), 200, "{\"commands\":[],\"more\":false}");
        world_push_order(world, &(struct order){.id = 1});
        assert_int_equal(fake_count(world->fake, "/v1/commands/1/received"), 1);
}

static void what_is_not_a_message(void **state)
{
        static const char *const texts[] = {"x", "[]", "7", "{\"type\":\"command\"", "{} {}"};
        struct world *world = *state;
        char *large = malloc(300000);

        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
                world_open_channel(world);
                world_say(world, "%s", texts[i]);
                assert_int_equal(world->fake->push_closes, i + 1);
        }
        assert_non_null(large);
        memset(large, ' ', 300000);
        memcpy(large, "{}", 2);
        world_open_channel(world);
        mu_agent_downlink_push(world->downlink, MU_AGENT_PUSH_MESSAGE, 0, large, 300000);
        assert_int_equal(mu_agent_downlink_channel(world->downlink), MU_AGENT_CHANNEL_CLOSED);
        free(large);
        /* What a newer appliance says is no fault. */
        world_open_channel(world);
        world_say(world, "{\"type\":\"weather\"}");
        world_say(world, "{\"type\":7,\"fetch\":7}");
        world_say(world, "{\"fetch\":\"moon\"}");
        world_say(world, "{\"type\":\"result_stored\"}");
        world_say(world, "{\"type\":\"acknowledged\",\"command_id\":\"x\",\"run\":true}");
        assert_int_equal(mu_agent_downlink_channel(world->downlink), MU_AGENT_CHANNEL_OPEN);
        assert_int_equal(world->core.refused_commands, 0);
}

/* ---- results ---- */

static void answered(struct world *world, int64_t id)
{
        world_push_order(world, &(struct order){.id = id, .type = "ping"});
        world_run(world, id);
}

static void lost_result_stored(void **state)
{
        struct world *world = *state;

        world_open_channel(world);
        answered(world, 1);
        assert_int_equal(world_frames(world, "result", 1), 1);
        world_close_channel(world, 1006);
        world_open_channel(world);
        assert_int_equal(world_frames(world, "result", 1), 2);
        assert_string_equal(world->fake->frames[1], world->fake->frames[2]);
        /* On the same channel nobody answers: again, after a while, and not at once then. */
        world_advance_ms(world, 30000);
        world_say(world, "%s", "");
        world_advance_ms(world, 30000);
        world_advance_ms(world, 1999);
        assert_int_equal(world_frames(world, "result", 1), 2);
        world_advance_ms(world, 2002);
        assert_int_equal(world_frames(world, "result", 1), 3);
        for (int i = 0; i < 20; i++) {
                world_advance_ms(world, 10000);
                world_say(world, "%s", "");
        }
        assert_in_range(world_frames(world, "result", 1), 4, 6);
        assert_int_equal(world_queued_results(world), 1);
        world_say(world, "{\"type\":\"result_stored\",\"command_id\":\"1\"}");
        size_t frames = world->fake->frame_count;

        assert_int_equal(world_queued_results(world), 0);
        for (int i = 0; i < 20; i++) {
                world_advance_ms(world, 30000);
                world_say(world, "%s", "");
        }
        assert_int_equal(world->fake->frame_count, frames);
}

static void results_one_at_a_time(void **state)
{
        struct world *world = *state;

        world_open_channel(world);
        answered(world, 1);
        answered(world, 2);
        answered(world, 3);
        assert_int_equal(world_frames(world, "result", 2), 0);
        world_say(world, "{\"type\":\"result_stored\",\"command_id\":\"2\"}"); /* not its turn */
        assert_int_equal(world_queued_results(world), 3);
        world_say(world, "{\"type\":\"result_stored\",\"command_id\":\"1\"}");
        assert_int_equal(world_frames(world, "result", 2), 1);
        world_say(world, "{\"type\":\"result_refused\",\"command_id\":\"2\","
                         "\"detail\":\"Another result stands.\"}");
        struct mu_agent_queue_state queue;

        assert_int_equal(mu_agent_queue_state(world->core.queue, &queue), 0);
        assert_int_equal(queue.results, 1);
        assert_int_equal(queue.aside, 1);
        assert_int_equal(world_frames(world, "result", 3), 1);
        world_say(world, "{\"type\":\"error\",\"command_id\":\"3\",\"detail\":\"Not stored.\"}");
        assert_int_equal(world_frames(world, "result", 3), 1);
        assert_int_equal(world_queued_results(world), 1);
        world_advance_ms(world, 4001);
        assert_int_equal(world_frames(world, "result", 3), 2);
}

/* A row that a bad disk has changed holds nobody up and ends nothing. */
static void damaged_result(void **state)
{
        struct world *world = *state;
        struct mu_agent_queue_state queue;

        assert_int_equal(mu_agent_queue_result(world->core.queue, 7, "\001\002", 2, 1), 0);
        answered(world, 1);
        world_open_channel(world);
        assert_int_equal(world_frames(world, "result", 1), 1);
        world_say(world, "{\"type\":\"result_stored\",\"command_id\":\"1\"}");
        assert_int_equal(mu_agent_queue_state(world->core.queue, &queue), 0);
        assert_int_equal(queue.results, 0);
        assert_int_equal(queue.aside, 1);
        assert_int_equal(world->core.rejected_reports, 1);
}

static void full_channel(void **state)
{
        struct world *world = *state;

        world_open_channel(world);
        world_push_order(world, &(struct order){.id = 1, .type = "ping"});
        world->fake->push_send_result = -EAGAIN;
        world_run(world, 1);
        assert_int_equal(world_frames(world, "result", 1), 0);
        world->fake->push_send_result = 0;
        world_advance_ms(world, 4001);
        assert_int_equal(world_frames(world, "result", 1), 1);
}

/* Where the channel is gone the uplink has the result. */
static void uplink_sends_without_a_channel(void **state)
{
        struct world *world = *state;

        assert_int_equal(mu_agent_uplink_create(&world->core, &world->core.uplink), 0);
        world_open_channel(world);
        answered(world, 1);
        (void)mu_agent_uplink_step(world->core.uplink);
        assert_int_equal(fake_count(world->fake, "/v1/action-result"), 0);
        world_close_channel(world, 1006);
        (void)mu_agent_uplink_step(world->core.uplink);
        assert_int_equal(fake_count(world->fake, "/v1/action-result"), 1);
        mu_agent_uplink_destroy(world->core.uplink);
        world->core.uplink = NULL;
}

/* ---- fetching ---- */

static void nothing_to_fetch_over_a_channel(void **state)
{
        struct world *world = *state;

        mu_agent_downlink_waiting(world->downlink, 0);
        world_step(world);
        assert_int_equal(world->fake->request_count, 0);
        world_open_channel(world);
        mu_agent_downlink_waiting(world->downlink, 7);
        world_step(world);
        assert_int_equal(world->fake->request_count, 0);
        world_say(world, "{\"fetch\":\"commands\"}");
        world_say(world, "{\"fetch\":\"commands\"}");
        assert_int_equal(fake_count(world->fake, FETCH), 1);
        fake_answer(fake_last(world->fake), 200, "{\"commands\":[],\"more\":false}");
        world_say(world, "{\"fetch\":\"commands\"}");
        assert_int_equal(fake_count(world->fake, FETCH), 1);
        world_advance_ms(world, 10000);
        assert_int_equal(fake_count(world->fake, FETCH), 2);
}

static void more_to_fetch(void **state)
{
        struct world *world = *state;
        char *body = world_fetched(world, &(struct order){.id = 1, .type = "ping"}, true);

        world->fake->push_open_result = -ENOTSUP;
        mu_agent_downlink_waiting(world->downlink, 2);
        world_step(world);
        fake_answer(fake_last(world->fake), 200, body);
        world_step(world);
        assert_int_equal(fake_count(world->fake, FETCH), 1); /* not before this one is run */
        fake_answer(fake_last(world->fake), 200, "{\"state\":\"received\",\"run\":true}");
        world_step(world);
        assert_int_equal(fake_count(world->fake, FETCH), 2);
        free(body);
        /* "more" without anything new is not believed at once. */
        for (int i = 0; i < 20; i++) {
                struct fake_request *request = fake_find_pending(world->fake, FETCH);

                if (request)
                        fake_answer(request, 200, "{\"commands\":[],\"more\":true}");
                world_advance_ms(world, 5000);
        }
        assert_in_range(fake_count(world->fake, FETCH), 3, 9);
}

static size_t fetches_within(struct world *world, int64_t ms)
{
        size_t before = fake_count(world->fake, FETCH);

        world_advance_ms(world, ms);
        return fake_count(world->fake, FETCH) - before;
}

static void fetches_that_fail(void **state)
{
        struct world *world = *state;

        world->fake->push_open_result = -ENOTSUP;
        mu_agent_downlink_waiting(world->downlink, 1);
        world_step(world);
        fake_answer_later(fake_last(world->fake), 503, 120, "");
        world_step(world);
        assert_int_equal(fetches_within(world, 119999), 0);
        assert_int_equal(fetches_within(world, 1), 1);
        fake_answer(fake_last(world->fake), 401, "");
        world_step(world);
        assert_int_equal(fetches_within(world, 299999), 0);
        assert_int_equal(fetches_within(world, 1), 1);
        fake_answer(fake_last(world->fake), 200, "{\"commands\":7}");
        world_step(world);
        assert_int_equal(fetches_within(world, 9999), 0);
        assert_int_equal(fetches_within(world, 300001), 1);
        fake_answer_error(fake_last(world->fake), -EMSGSIZE);
        world_step(world);
        assert_int_equal(fetches_within(world, 9999), 0);
        assert_int_equal(fetches_within(world, 300001), 1);
        fake_answer_later(fake_last(world->fake), 429, INT64_MAX, "");
        world_step(world);
        assert_int_equal(fetches_within(world, 3599999), 0);
        assert_int_equal(fetches_within(world, 1), 1);
        fake_answer(fake_last(world->fake), 404, ""); /* this one never */
        world_step(world);
        assert_int_equal(fetches_within(world, 3600000), 0);
        mu_agent_downlink_waiting(world->downlink, 1);
        assert_int_equal(fetches_within(world, 1), 1);
        world->core.readings.battery = 3;
        fake_answer(fake_last(world->fake), 500, "");
        world_step(world);
        assert_int_equal(fetches_within(world, 3600000), 0);
        world->fake->request_result = -ENOMEM;
        mu_agent_downlink_waiting(world->downlink, 1);
        world_step(world);
        world->fake->request_result = 0;
        assert_int_equal(fetches_within(world, 9999), 0);
        assert_int_equal(fetches_within(world, 300001), 1);
        fake_answer(fake_last(world->fake), 410, "");
        world_step(world);
        assert_true(world->core.deleted);
        assert_true(world->due_ns == MU_AGENT_NEVER);
}

/* An appliance whose signatures are always too old, or ours whose clock is wrong. */
static void stale_for_ever(void **state)
{
        struct world *world = *state;

        world->fake->push_open_result = -ENOTSUP;
        mu_agent_downlink_waiting(world->downlink, 1);
        for (int i = 0; i < 3600; i++) {
                struct fake_request *request = fake_find_pending(world->fake, FETCH);

                if (request) {
                        char *body = world_fetched(
                                world, &(struct order){.id = 1, .signed_ago_s = 301, .nonce = 5},
                                true);

                        fake_answer(request, 200, body);
                        free(body);
                }
                world_advance_ms(world, 1000);
        }
        assert_in_range(fake_count(world->fake, FETCH), 5, 60);
        assert_int_equal(world->fake->action_count, 0);
}

static void too_many_at_once(void **state)
{
        struct world *world = *state;
        json_t *commands = json_array();

        world->fake->push_open_result = -ENOTSUP;
        for (int i = 0; i < 200; i++) {
                char *text = world_sign(world, &(struct order){.id = i + 1});

                json_array_append_new(commands, json_loads(text, 0, NULL));
                free(text);
        }
        char *list = json_dumps(commands, 0);
        char *body = NULL;

        assert_true(asprintf(&body, "{\"commands\":%s,\"more\":false}", list) > 0);
        mu_agent_downlink_waiting(world->downlink, 200);
        world_step(world);
        fake_answer(fake_last(world->fake), 200, body);
        world_step(world);
        for (int i = 0; i < 60 && mu_agent_downlink_is_busy(world->downlink); i++) {
                struct fake_request *request = fake_find_pending(world->fake, "/v1/commands/");

                if (request)
                        fake_answer(request, 200, "{\"state\":\"received\",\"run\":false}");
                world_step(world);
        }
        assert_int_equal(fake_count(world->fake, "/v1/commands/"), 50);
        assert_int_equal(fake_events(world->fake, "command.dropped"), 50);
        free(body);
        free(list);
        json_decref(commands);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_open, world_close)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(opens_at_the_start),
                TEST(waits_longer_each_time),
                TEST(waits_as_asked),
                TEST(silence),
                TEST(close_codes),
                TEST(deleted),
                TEST(handshake_says_gone),
                TEST(no_network),
                TEST(little_power),
                TEST(machine_without_a_channel),
                TEST(what_is_not_a_message),
                TEST(lost_result_stored),
                TEST(results_one_at_a_time),
                TEST(damaged_result),
                TEST(full_channel),
                TEST(uplink_sends_without_a_channel),
                TEST(nothing_to_fetch_over_a_channel),
                TEST(more_to_fetch),
                TEST(fetches_that_fail),
                TEST(stale_for_ever),
                TEST(too_many_at_once),
        };

        return cmocka_run_group_tests_name("agent downlink channel", tests, NULL, NULL);
}
