/* SPDX-License-Identifier: Apache-2.0 */
/* Commands: checked in the order of COMMAND_SIGNATURE.md, booked, acknowledged, run once, answered.
 */
#include "core/downlink.h"

#include <errno.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "downlink_world.h"

static void command_over_the_channel(void **state)
{
        struct world *world = *state;

        world_open_channel(world);
        assert_false(mu_agent_downlink_is_busy(world->downlink));
        world_push_order(world, &(struct order){.id = 99, .type = "ping"});
        assert_int_equal(world_frames(world, "received", 99), 1);
        assert_int_equal(world_frames(world, "result", 99), 0); /* not before its answer */
        assert_true(mu_agent_downlink_is_busy(world->downlink));
        world_run(world, 99);
        assert_false(mu_agent_downlink_is_busy(world->downlink));
        json_t *result = world_result(world, 99, 0x11);

        world_assert_status(result, "done", NULL);
        assert_int_equal(json_integer_value(json_object_get(result, "finished_at")),
                         world->fake->realtime_us / MU_US_PER_S);
        json_decref(result);
        assert_int_equal(world_queued_results(world), 1); /* until it is known to be stored */
        world_say(world, "{\"type\":\"result_stored\",\"command_id\":\"99\"}");
        assert_int_equal(world_queued_results(world), 0);
        assert_int_equal(world->fake->request_count, 0);
        assert_int_equal(fake_events(world->fake, "command.run"), 1);
        assert_int_equal(fake_events(world->fake, "command.result"), 1);
}

static void command_without_a_channel(void **state)
{
        struct world *world = *state;
        char *body = world_fetched(world, &(struct order){.id = 5, .type = "ping"}, false);

        mu_agent_downlink_waiting(world->downlink, 1);
        world_step(world);
        assert_string_equal(fake_last(world->fake)->method, "GET");
        assert_int_equal(fake_last(world->fake)->authorization, MU_AGENT_AUTH_TOKEN);
        fake_script(world->fake, "/v1/commands?", 200, body);
        fake_pump(world->fake);
        world_step(world);
        assert_string_equal(fake_last(world->fake)->path, "/v1/commands/5/received");
        assert_string_equal(fake_last(world->fake)->method, "POST");
        fake_answer(fake_last(world->fake), 200, "{\"state\":\"received\",\"run\":true}");
        world_step(world);
        json_t *result = world_queued(world, 5, 0x11);

        world_assert_status(result, "done", NULL);
        json_decref(result);
        free(body);
}

/* ---- the checks ---- */

static void vectors(void **state)
{
        struct world *world = *state;
        json_t *all = json_load_file(COMMAND_VECTORS, 0, NULL);
        json_t *vector;
        size_t i;

        assert_int_equal(json_array_size(json_object_get(all, "commands")), 4);
        world_open_channel(world);
        json_array_foreach(json_object_get(all, "commands"), i, vector)
        {
                const json_t *envelope = json_object_get(vector, "envelope");
                struct mu_agent_config *config = &world->core.config;
                const char *id = json_string_value(json_object_get(envelope, "command_id"));
                char *text = json_dumps(envelope, 0);

                config->device_id = mu_command_id_read(
                        json_string_value(json_object_get(envelope, "device_id")));
                config->current.version = (uint32_t)mu_command_id_read(
                        json_string_value(json_object_get(envelope, "key_version")));
                assert_true(mu_command_hex_read(json_string_value(json_object_get(vector, "key")),
                                                config->current.bytes,
                                                sizeof(config->current.bytes)));
                fake_set_realtime_us(world->fake, mu_command_id_read(json_string_value(
                                                          json_object_get(envelope, "timestamp"))) *
                                                          MU_US_PER_S);
                world_push_envelope(world, text);
                assert_int_equal(world_frames(world, "received", mu_command_id_read(id)), 1);
                assert_int_equal(world->core.refused_commands, 0);
                world_say(world, "{\"type\":\"acknowledged\",\"command_id\":\"%s\",\"run\":false}",
                          id);
                free(text);
        }
        json_decref(all);
}

static void tampered(void **state)
{
        static const struct {
                const char *member;
                const char *value;
                const char *reason;
        } changes[] = {
                {"device_id", "18", "device"},
                {"command_id", "78", "signature"},
                {"type", "reboot", "signature"},
                {"payload", "{ }", "signature"},
                {"timestamp", "1800000001", "signature"},
                {"nonce", "000102030405060708090a0b0c0d0e0f", "signature"},
                {"key_version", "2", "key_version"},
                {"signature", "000102030405060708090a0b0c0d0e0f000102030405060708090a0b0c0d0e0f",
                 "signature"},
                {"signature", "short", "malformed"},
                {"timestamp", "-5", "malformed"},
                {"more", "1", "malformed"},
                {"type", NULL, "malformed"},
        };
        struct world *world = *state;

        world_open_channel(world);
        for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
                char *text = world_sign(world, &(struct order){.id = 77});
                json_t *envelope = json_loads(text, 0, NULL);

                if (changes[i].value)
                        json_object_set_new(envelope, changes[i].member,
                                            json_string(changes[i].value));
                else
                        json_object_del(envelope, changes[i].member);
                free(text);
                text = json_dumps(envelope, 0);
                world_assert_refused(world, text, changes[i].reason);
                free(text);
                json_decref(envelope);
        }
        world_assert_refused(world, "[]", "malformed");
        world_assert_refused(world, "null", "malformed");
        /* None of them stands in the way of the right one. */
        world_push_order(world, &(struct order){.id = 77});
        assert_int_equal(world_frames(world, "received", 77), 1);
}

static void not_ours(void **state)
{
        struct world *world = *state;
        char *other_device = world_sign(world, &(struct order){.id = 1, .device_id = 18});
        char *other_version = world_sign(world, &(struct order){.id = 2, .key_version = 9});
        char *other_key = world_sign(world, &(struct order){.id = 3, .key = 0x22});
        char *next_version =
                world_sign(world, &(struct order){.id = 4, .key = 0x22, .key_version = 2});

        world_open_channel(world);
        world_assert_refused(world, other_device, "device");
        world_assert_refused(world, other_version, "key_version");
        world_assert_refused(world, other_key, "signature");
        world_assert_refused(world, next_version, "key_version");
        free(other_device);
        free(other_version);
        free(other_key);
        free(next_version);
}

static void window(void **state)
{
        struct world *world = *state;

        world_open_channel(world);
        world_push_order(world, &(struct order){.id = 1, .signed_ago_s = 300});
        assert_int_equal(world_frames(world, "received", 1), 1);
        world_say(world, "{\"type\":\"acknowledged\",\"command_id\":\"1\",\"run\":false}");
        world_push_order(world, &(struct order){.id = 2, .signed_ago_s = 301});
        assert_int_equal(fake_count(world->fake, "/v1/commands?"), 1);
        world_push_order(world, &(struct order){.id = 3, .signed_ago_s = -301});
        fake_answer(fake_last(world->fake), 200, "{\"commands\":[],\"more\":false}");
        world_step(world);
        /* One fetch in 10 s, whatever comes. */
        assert_int_equal(fake_count(world->fake, "/v1/commands?"), 1);
        world_advance_ms(world, 9999);
        assert_int_equal(fake_count(world->fake, "/v1/commands?"), 1);
        world_advance_ms(world, 1);
        assert_int_equal(fake_count(world->fake, "/v1/commands?"), 2);
        assert_int_equal(world->core.refused_commands, 0);
        assert_int_equal(fake_events(world->fake, "command.stale"), 2);
        assert_int_equal(world_frames(world, "received", 2), 0);
        /* The fetched one is signed anew. */
        char *body = world_fetched(world, &(struct order){.id = 2}, false);

        fake_answer(fake_last(world->fake), 200, body);
        free(body);
        world_step(world);
        assert_int_equal(world_frames(world, "received", 2), 1);
}

static void clock_of_the_appliance(void **state)
{
        struct world *world = *state;

        world_open_channel(world);
        /* The device's clock is an hour behind; a reply has said what time it is. */
        mu_agent_clock_sync_reply(&world->core.clock,
                                  (double)(world->fake->realtime_us / MU_US_PER_S + 3600),
                                  world->fake->monotonic_ns, world->fake->monotonic_ns);
        world_push_order(world, &(struct order){.id = 1, .signed_ago_s = -3600});
        assert_int_equal(world_frames(world, "received", 1), 1);
        world_push_order(world, &(struct order){.id = 2});
        assert_int_equal(fake_events(world->fake, "command.stale"), 1);
}

static void replays(void **state)
{
        struct world *world = *state;
        char *envelope = world_sign(world, &(struct order){.id = 4, .nonce = 0x77});
        char *other = world_sign(world, &(struct order){.id = 5, .nonce = 0x77});

        world_open_channel(world);
        world_push_envelope(world, envelope);
        world_run(world, 4);
        assert_int_equal(world->fake->action_count, 1);
        fake_action_done(&world->fake->actions[0], NULL, NULL);
        world_step(world);
        world_assert_refused(world, envelope, "replay");
        world_assert_refused(world, other, "replay");
        world_restart(world);
        world_open_channel(world);
        world_assert_refused(world, envelope, "replay");
        assert_int_equal(world->fake->action_count, 1);
        free(envelope);
        free(other);
}

static void known_id_by_another_path(void **state)
{
        struct world *world = *state;

        world_open_channel(world);
        world_push_order(world, &(struct order){.id = 6});
        world_push_order(world, &(struct order){.id = 6}); /* while its turn has begun */
        assert_int_equal(world_frames(world, "received", 6), 1);
        world_run(world, 6);
        world_push_order(world, &(struct order){.id = 6}); /* while it runs: the answer was lost */
        assert_int_equal(world_frames(world, "received", 6), 2);
        fake_action_done(&world->fake->actions[0], NULL, NULL);
        world_step(world);
        world_say(world, "{\"type\":\"result_stored\",\"command_id\":\"6\"}");
        world_close_channel(world, 1006);
        char *body = world_fetched(world, &(struct order){.id = 6}, false);

        mu_agent_downlink_waiting(world->downlink, 1);
        world_step(world);
        fake_answer(fake_find_pending(world->fake, "/v1/commands?"), 200, body);
        free(body);
        world_step(world);
        assert_non_null(fake_find_pending(world->fake, "/v1/commands/6/received"));
        assert_int_equal(world->fake->action_count, 1);
        assert_int_equal(world_queued_results(world), 0);
        assert_int_equal(world->core.refused_commands, 0);
}

static void floods_fill_no_log(void **state)
{
        struct world *world = *state;

        world_open_channel(world);
        for (int i = 0; i < 1000; i++)
                world_say(world, "{\"type\":\"command\",\"command\":{\"id\":%d}}", i);
        assert_int_equal(world->core.refused_commands, 1000);
        assert_int_equal(fake_events(world->fake, "command.refused"), 10);
}

static void only_so_many_wait(void **state)
{
        struct world *world = *state;

        world_open_channel(world);
        for (int i = 1; i <= 120; i++)
                world_push_order(world, &(struct order){.id = i});
        /* The first one's turn has begun, 100 wait for theirs. */
        assert_int_equal(world->core.refused_commands, 19);
        assert_int_equal(world->fake->frame_count, 1);
}

/* ---- acknowledged ---- */

static void cancelled(void **state)
{
        struct world *world = *state;

        world_open_channel(world);
        world_push_order(world, &(struct order){.id = 8});
        world_say(world, "{\"type\":\"acknowledged\",\"command_id\":\"8\",\"state\":\"cancelled\","
                         "\"run\":false}");
        world_run(world, 8); /* too late */
        assert_int_equal(world->fake->action_count, 0);
        assert_int_equal(world_queued_results(world), 0);
        assert_false(mu_agent_downlink_is_busy(world->downlink));
        world_restart(world);
        world_open_channel(world);
        world_push_order(world, &(struct order){.id = 8});
        assert_int_equal(world_frames(world, "received", 8), 2);
        world_advance_ms(world, 20000);
        assert_int_equal(world->fake->action_count, 0);
}

static void lost_acknowledgement(void **state)
{
        struct world *world = *state;

        world_open_channel(world);
        world_push_order(world, &(struct order){.id = 9});
        world_say(world, "{\"type\":\"acknowledged\",\"command_id\":\"9\",\"run\":\"yes\"}");
        world_say(world, "{\"type\":\"acknowledged\",\"command_id\":\"10\",\"run\":true}");
        world_advance_ms(world, 9999);
        assert_int_equal(world->fake->action_count, 0);
        world_advance_ms(world, 1);
        assert_int_equal(world->fake->action_count, 1);
        assert_int_equal(world_frames(world, "received", 9), 1);
}

static void channel_breaks_before_the_answer(void **state)
{
        struct world *world = *state;

        world_open_channel(world);
        world_push_order(world, &(struct order){.id = 9});
        world_close_channel(world, 1001);
        struct fake_request *request = fake_find_pending(world->fake, "/v1/commands/9/received");

        assert_non_null(request);
        assert_string_equal(request->body, "{}");
        fake_answer(request, 503, "");
        world_step(world);
        assert_int_equal(fake_count(world->fake, "/v1/commands/9/"), 1);
        world_advance_ms(world, 3000);
        assert_int_equal(fake_count(world->fake, "/v1/commands/9/"), 2);
        assert_int_equal(world->fake->action_count, 0);
        fake_answer(fake_last(world->fake), 200, "{\"state\":\"expired\",\"run\":false}");
        world_advance_ms(world, 20000);
        assert_int_equal(world->fake->action_count, 0);
        assert_int_equal(world_queued_results(world), 0);
}

static void nobody_to_acknowledge_to(void **state)
{
        struct world *world = *state;

        world_open_channel(world);
        world->core.online = false;
        world_push_order(world, &(struct order){.id = 9});
        world_close_channel(world, -ENETDOWN);
        world_advance_ms(world, 10000);
        assert_int_equal(world->fake->request_count, 0);
        assert_int_equal(world->fake->action_count, 1);
        fake_action_done(&world->fake->actions[0], NULL, NULL);
        world_step(world);
        assert_int_equal(world_queued_results(world), 1);
}

static void acknowledgement_refused(void **state)
{
        struct world *world = *state;

        world_open_channel(world);
        world_push_order(world, &(struct order){.id = 9});
        /* The channel says that it could not; HTTP says why. */
        world_say(world,
                  "{\"type\":\"error\",\"command_id\":\"9\",\"detail\":\"No such command.\"}");
        assert_string_equal(fake_last(world->fake)->path, "/v1/commands/9/received");
        fake_answer(fake_last(world->fake), 404, "{\"detail\":\"No such command.\"}");
        world_advance_ms(world, 20000);
        assert_int_equal(world->fake->action_count, 0);
        assert_false(mu_agent_downlink_is_busy(world->downlink));
}

static void one_at_a_time_in_order(void **state)
{
        struct world *world = *state;

        world_open_channel(world);
        world_push_order(world, &(struct order){.id = 30, .type = "reboot"});
        world_push_order(world, &(struct order){.id = 20, .type = "lock"});
        world_push_order(world, &(struct order){.id = 25, .type = "ping"});
        world_run(world, 30);
        assert_int_equal(world->fake->action_count, 1);
        assert_int_equal(world_frames(world, "received", 20), 0);
        world_run(world, 20); /* not its turn */
        world_advance_ms(world, 50000);
        assert_int_equal(world->fake->action_count, 1);
        fake_action_done(&world->fake->actions[0], "{\"took\":1}", NULL);
        world_step(world);
        assert_int_equal(world_frames(world, "received", 20), 1);
        world_run(world, 20);
        assert_string_equal(world->fake->actions[1].type, "lock");
        fake_action_done(&world->fake->actions[1], NULL, "No session is open.");
        world_step(world);
        world_run(world, 25);
        assert_int_equal(world_queued_results(world), 3);
        json_t *failed = world_queued(world, 20, 0x11);

        world_assert_status(failed, "failed", "No session is open.");
        json_decref(failed);
}

/* ---- run ---- */

static void refused_by_the_machine(struct world *world, int64_t id, int error, const char *type,
                                   const char *sentence)
{
        world->fake->act_result = error;
        world_push_order(world, &(struct order){.id = id, .type = type});
        world_run(world, id);
        json_t *result = world_queued(world, id, 0x11);

        world_assert_status(result, "failed", sentence);
        json_decref(result);
}

static void commands_that_the_machine_refuses(void **state)
{
        struct world *world = *state;

        world_open_channel(world);
        refused_by_the_machine(world, 1, -ENOTSUP, "wipe", "does not support the command wipe");
        refused_by_the_machine(world, 2, -ENOTSUP, "raw", "does not support the command raw");
        refused_by_the_machine(world, 3, -EPERM, "reboot", "policy");
        refused_by_the_machine(world, 4, -EBUSY, "screenshot", "error 16");
        world->fake->act_result = 0;
        world_push_order(world, &(struct order){.id = 5, .payload = "[]"});
        world_run(world, 5);
        json_t *result = world_queued(world, 5, 0x11);

        world_assert_status(result, "failed", "not a JSON object");
        json_decref(result);
        assert_int_equal(world->fake->action_count, 0);
}

static json_t *answer_with(struct world *world, int64_t id, const char *result, const char *error)
{
        struct fake_platform *fake = world->fake;

        world_push_order(world, &(struct order){.id = id, .type = "screenshot"});
        world_run(world, id);
        fake_action_done(&fake->actions[fake->action_count - 1], result, error);
        world_step(world);
        return world_queued(world, id, 0x11);
}

static void results_that_do_not_fit(void **state)
{
        struct world *world = *state;
        char *large = malloc(70000);
        json_t *result;

        assert_non_null(large);
        world_open_channel(world);
        memset(large, 'x', 70000);
        large[0] = '"';
        large[65535] = '"';
        large[65536] = '\0'; /* 64 KiB exactly */
        result = answer_with(world, 1, large, NULL);
        world_assert_status(result, "done", NULL);
        assert_int_equal(json_string_length(json_object_get(result, "result")), 65536);
        json_decref(result);
        memset(large, 'x', 70000);
        large[0] = '"';
        large[65536] = '"';
        large[65537] = '\0';
        result = answer_with(world, 2, large, NULL);
        world_assert_status(result, "failed", "larger than 64 KiB");
        json_decref(result);
        result = answer_with(world, 3, "{\"a\":", NULL);
        world_assert_status(result, "failed", "not JSON");
        json_decref(result);
        memset(large, '\\', 65536); /* twice as long once it is a string in a message */
        large[0] = '"';
        large[65535] = '"';
        large[65536] = '\0';
        result = answer_with(world, 4, large, NULL);
        world_assert_status(result, "failed", "128 KiB");
        json_decref(result);
        memset(large, 'x', 70000);
        memcpy(large + 1022, "\xe2\x82\xac", 3); /* a euro sign where it is cut */
        large[69999] = '\0';
        result = answer_with(world, 5, NULL, large);
        world_assert_status(result, "failed", "xxx");
        assert_int_equal(json_string_length(json_object_get(result, "error")), 1022);
        json_decref(result);
        result = answer_with(world, 6, NULL, "not \xff UTF-8");
        world_assert_status(result, "failed", "not ? UTF-8");
        json_decref(result);
        free(large);
}

static void late_answers_of_the_machine(void **state)
{
        struct world *world = *state;
        struct fake_action again;

        world_open_channel(world);
        world_push_order(world, &(struct order){.id = 1});
        world_run(world, 1);
        again = world->fake->actions[0];
        fake_action_done(&world->fake->actions[0], NULL, NULL);
        world_step(world);
        fake_action_done(&again, NULL, "twice");
        world_step(world);
        json_t *result = world_queued(world, 1, 0x11);

        world_assert_status(result, "done", NULL);
        json_decref(result);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_open, world_close)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(command_over_the_channel),
                TEST(command_without_a_channel),
                TEST(vectors),
                TEST(tampered),
                TEST(not_ours),
                TEST(window),
                TEST(clock_of_the_appliance),
                TEST(replays),
                TEST(known_id_by_another_path),
                TEST(floods_fill_no_log),
                TEST(only_so_many_wait),
                TEST(cancelled),
                TEST(lost_acknowledgement),
                TEST(channel_breaks_before_the_answer),
                TEST(nobody_to_acknowledge_to),
                TEST(acknowledgement_refused),
                TEST(one_at_a_time_in_order),
                TEST(commands_that_the_machine_refuses),
                TEST(results_that_do_not_fit),
                TEST(late_answers_of_the_machine),
        };

        return cmocka_run_group_tests_name("agent downlink", tests, NULL, NULL);
}
