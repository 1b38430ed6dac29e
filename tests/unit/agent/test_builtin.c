/* SPDX-License-Identifier: Apache-2.0 */
/* The commands that the core runs itself, and the writing of results. */
#include <errno.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "core/updater.h"
#include "downlink_world.h"

/* *ret_result: its JSON, or NULL. The sentence of an error is the caller's. */
static char *run(struct world *world, const char *type, const char *payload, json_t **ret_result)
{
        struct mu_agent_command command = {.id = 1};
        json_t *json = json_loads(payload, 0, NULL);
        char *result = NULL;
        char *error = NULL;

        assert_non_null(json);
        (void)snprintf(command.type, sizeof(command.type), "%s", type);
        assert_int_equal(mu_agent_builtin_run(&world->core, &command, json, &result, &error), 0);
        json_decref(json);
        assert_false(result && error);
        *ret_result = result ? json_loads(result, 0, NULL) : NULL;
        assert_int_equal(result != NULL, *ret_result != NULL);
        free(result);
        return error;
}

static void assert_refused(struct world *world, const char *type, const char *payload,
                           const char *sentence)
{
        json_t *result;
        char *error = run(world, type, payload, &result);

        assert_null(result);
        assert_non_null(error);
        if (!strstr(error, sentence))
                fail_msg("%s %s: '%s' does not say '%s'", type, payload, error, sentence);
        free(error);
}

static json_t *assert_done(struct world *world, const char *type, const char *payload)
{
        json_t *result;
        char *error = run(world, type, payload, &result);

        if (error)
                fail_msg("%s %s: %s", type, payload, error);
        return result;
}

static void ping(void **state)
{
        struct world *world = *state;

        world->fake->readings.uptime_s = 4711;
        world->fake->readings.extra = json_pack("{s:i}", "idle_s", 5);
        world->core.refused_commands = 3;
        assert_int_equal(mu_agent_queue_result(world->core.queue, 5, "{\"a\":1}", 7, 1), 0);
        json_t *result = assert_done(world, "ping", "{}");
        const json_t *queue = json_object_get(result, "queue");

        assert_string_equal(json_string_value(json_object_get(result, "agent_version")), "1.0.0");
        assert_int_equal(json_integer_value(json_object_get(result, "uptime_s")), 4711);
        assert_int_equal(json_integer_value(json_object_get(result, "clock_offset_ms")), 0);
        assert_true(json_is_false(json_object_get(result, "clock_synced")));
        assert_string_equal(json_string_value(json_object_get(result, "channel")), "closed");
        assert_int_equal(json_integer_value(json_object_get(result, "refused_commands")), 3);
        assert_int_equal(json_integer_value(json_object_get(queue, "results")), 1);
        assert_int_equal(json_integer_value(json_object_get(queue, "heartbeats")), 0);
        json_decref(result);
        /* An offset that is known; a machine that says nothing. */
        mu_agent_clock_sync_reply(&world->core.clock,
                                  (double)(world->fake->realtime_us / MU_US_PER_S - 90),
                                  world->fake->monotonic_ns, world->fake->monotonic_ns);
        world->fake->read_result = -EIO;
        result = assert_done(world, "ping", "{}");
        assert_int_equal(json_integer_value(json_object_get(result, "clock_offset_ms")), -90000);
        assert_null(json_object_get(result, "uptime_s"));
        json_decref(result);
}

static void set_config(void **state)
{
        struct world *world = *state;
        const struct mu_agent_config *config = &world->core.config;

        assert_null(assert_done(world, "set_config",
                                "{\"settings\":{\"monitored_package\":\"kiosk\"}}"));
        assert_string_equal(config->monitored_package, "kiosk");
        assert_int_equal(world->fake->save_count, 1);
        assert_non_null(strstr(world->fake->saves[0], "kiosk"));
        assert_true(world->core.changed);
        assert_refused(world, "set_config", "{}", "settings");
        assert_refused(world, "set_config", "{\"settings\":{\"token\":\"mu_x\"}}", "token");
        assert_refused(world, "set_config",
                       "{\"settings\":{\"monitored_package\":\"other\",\"policy\":{}}}", "policy");
        assert_string_equal(config->monitored_package, "kiosk"); /* all of them or none */
        world->fake->save_result = -EROFS;
        assert_refused(world, "set_config", "{\"settings\":{\"monitored_package\":\"other\"}}",
                       "could not be saved");
        assert_string_equal(config->monitored_package, "kiosk");
        assert_int_equal(world->fake->save_count, 1);
}

static void aside(struct world *world, int64_t id)
{
        struct mu_agent_items items;
        const enum mu_agent_verdict verdict = MU_AGENT_ASIDE;
        const char *why = "Another result stands.";

        assert_int_equal(mu_agent_queue_result(world->core.queue, id, "{\"a\":1}", 7, 1), 0);
        assert_int_equal(mu_agent_queue_peek(world->core.queue, MU_AGENT_ITEM_RESULT, 1, 1, &items),
                         0);
        assert_int_equal(mu_agent_queue_settle(world->core.queue, &items, &verdict, &why, 1), 0);
        mu_agent_items_done(&items);
}

static void request_logs(void **state)
{
        struct world *world = *state;
        json_t *result;

        aside(world, 5);
        mu_agent_event(world->core.events, MU_AGENT_INFO, "net.change", "\"online\":true");
        fake_advance_ms(world->fake, 60000);
        mu_agent_event(world->core.events, MU_AGENT_INFO, "net.regain", "\"n\":1");
        mu_agent_event(world->core.events, MU_AGENT_INFO, "net.regain", "\"n\":2");
        result = assert_done(world, "request_logs", "{}");
        assert_true(json_array_size(json_object_get(result, "events")) >= 3);
        assert_int_equal(json_array_size(json_object_get(result, "aside")), 1);
        json_decref(result);
        result = assert_done(world, "request_logs", "{\"since_s\":30}");
        assert_int_equal(json_array_size(json_object_get(result, "events")), 2);
        json_decref(result);
        result = assert_done(world, "request_logs", "{\"lines\":1}");
        assert_int_equal(json_array_size(json_object_get(result, "events")), 1);
        json_decref(result);
        result = assert_done(world, "request_logs", "{\"since_s\":9223372036854775807}");
        assert_true(json_array_size(json_object_get(result, "events")) >= 3);
        json_decref(result);
        assert_refused(world, "request_logs", "{\"lines\":0}", "lines");
        assert_refused(world, "request_logs", "{\"lines\":10001}", "lines");
        assert_refused(world, "request_logs", "{\"since_s\":-1}", "since_s");
}

/* All that there can be still is a result that the appliance takes. */
static void request_logs_at_most(void **state)
{
        struct world *world = *state;
        struct mu_agent_command command = {.id = 1, .type = "request_logs"};
        char field[MU_AGENT_EVENT_FIELDS_BYTES];
        struct mu_text body;
        char *result = NULL;
        char *error = NULL;

        for (int64_t i = 1; i <= MU_AGENT_ASIDE_MAX; i++)
                aside(world, i);
        memset(field, '\\', sizeof(field));
        for (int i = 0; i < MU_AGENT_EVENTS_KEPT; i++) {
                char quoted[300];

                mu_agent_event(world->core.events, MU_AGENT_INFO, "net.change", "\"x\":%s",
                               mu_agent_event_text("\"\"\"\\\\\\ \"\"\"\\\\\\ \"\"\"\\\\\\ \"\"\"",
                                                   quoted, sizeof(quoted)));
        }
        json_t *payload = json_object();

        assert_int_equal(mu_agent_builtin_run(&world->core, &command, payload, &result, &error), 0);
        assert_null(error);
        assert_in_range(strlen(result), 10000, MU_COMMAND_RESULT_BYTES_MAX);
        mu_text_init(&body);
        assert_int_equal(mu_agent_result_write(&world->core, &command, result, NULL, &body), 0);
        assert_non_null(strstr(body.data, "\"status\":\"done\""));
        mu_text_done(&body);
        json_decref(payload);
        free(result);
}

static void rotate_key(void **state)
{
        static const char ours[] = "{\"version\":1,\"key\":\"ERERERERERERERERERERERERERERERERERER"
                                   "ERERERE=\"}";
        struct world *world = *state;
        struct mu_agent_config *config = &world->core.config;

        assert_refused(world, "rotate_key", "{}", "version");
        assert_refused(world, "rotate_key", "{\"version\":0,\"key\":\"\"}", "version");
        assert_refused(world, "rotate_key", "{\"version\":4294967296,\"key\":\"\"}", "version");
        assert_refused(world, "rotate_key", "{\"version\":2}", "key");
        assert_refused(world, "rotate_key", "{\"version\":2,\"key\":\"aGk=\"}", "key");
        assert_refused(world, "rotate_key",
                       "{\"version\":1,\"key\":\"IiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiI=\"}",
                       "not newer");
        assert_int_equal(world->fake->save_count, 0);
        assert_null(assert_done(world, "rotate_key", ours)); /* came twice */
        assert_int_equal(world->fake->save_count, 0);
        assert_int_equal(config->next.version, 0);
        assert_null(assert_done(
                world, "rotate_key",
                "{\"version\":7,\"key\":\"IiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiI=\"}"));
        assert_int_equal(config->next.version, 7);
        assert_int_equal(config->next.bytes[31], 0x22);
        assert_int_equal(config->current.version, 1);
        assert_int_equal(world->fake->save_count, 1);
        for (size_t i = 0; i < world->fake->event_count; i++)
                assert_null(strstr(world->fake->events[i].fields, "IiIi"));
}

static void nudge_update(void **state)
{
        struct world *world = *state;

        assert_refused(world, "nudge_update", "{}", "not updated");
        assert_int_equal(
                mu_agent_updater_create(&world->core, world->fake->directory, &world->core.updater),
                0);
        assert_refused(world, "nudge_update", "{}", "No key");
        world->core.config.update_key_count = 1;
        assert_refused(world, "nudge_update", "{\"version\":7}", "version");
        assert_refused(world, "nudge_update", "{\"version\":\"\"}", "version");
        assert_null(assert_done(world, "nudge_update", "{\"version\":\"2.0.0\"}"));
        (void)mu_agent_updater_step(world->core.updater);
        assert_int_equal(fake_count(world->fake, "/v1/agent/update"), 1);
        world->fake->platform.install = NULL;
        assert_refused(world, "nudge_update", "{}", "not updated");
        world->fake->platform.cancel_all(world->fake);
        mu_agent_updater_destroy(world->core.updater);
        world->core.updater = NULL;
}

static void not_ours(void **state)
{
        static const char *const types[] = {"lock", "wipe", "raw", "pin", "ping2", ""};
        struct world *world = *state;
        json_t *payload = json_object();

        for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
                struct mu_agent_command command = {.id = 1};
                char *result = NULL;
                char *error = NULL;

                (void)snprintf(command.type, sizeof(command.type), "%s", types[i]);
                assert_int_equal(
                        mu_agent_builtin_run(&world->core, &command, payload, &result, &error),
                        -ENOTSUP);
                assert_true(!result && !error);
        }
        json_decref(payload);
}

/* The vectors of results: the same members give the same signature. */
static void result_vectors(void **state)
{
        struct world *world = *state;
        json_t *all = json_load_file(COMMAND_VECTORS, 0, NULL);
        json_t *vector;
        size_t i;

        assert_int_equal(json_array_size(json_object_get(all, "results")), 3);
        json_array_foreach(json_object_get(all, "results"), i, vector)
        {
                struct mu_agent_config *config = &world->core.config;
                const json_t *expected = json_object_get(vector, "body");
                const char *result = json_string_value(json_object_get(expected, "result"));
                const char *error = json_string_value(json_object_get(expected, "error"));
                struct mu_agent_command command = {
                        .id = mu_command_id_read(
                                json_string_value(json_object_get(expected, "command_id"))),
                        .type = "lock",
                };
                struct mu_text text;

                if (result && error)
                        continue; /* this agent never says both */
                config->device_id =
                        mu_command_id_read(json_string_value(json_object_get(vector, "device_id")));
                config->current.version =
                        (uint32_t)json_integer_value(json_object_get(expected, "key_version"));
                assert_true(mu_command_hex_read(json_string_value(json_object_get(vector, "key")),
                                                config->current.bytes,
                                                sizeof(config->current.bytes)));
                fake_set_realtime_us(world->fake,
                                     json_integer_value(json_object_get(expected, "finished_at")) *
                                             MU_US_PER_S);
                mu_text_init(&text);
                assert_int_equal(
                        mu_agent_result_write(&world->core, &command, result, error, &text), 0);
                json_t *written = json_loads(text.data, 0, NULL);

                if (json_object_get(written, "finished_at") ||
                    !json_object_get(expected, "finished_at"))
                        assert_true(json_equal(written, expected));
                else /* beyond what the appliance takes for a time */
                        assert_null(json_object_get(written, "finished_at"));
                json_decref(written);
                mu_text_done(&text);
        }
        json_decref(all);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_open, world_close)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(ping),         TEST(set_config),
                TEST(request_logs), TEST(request_logs_at_most),
                TEST(rotate_key),   TEST(nudge_update),
                TEST(not_ours),     TEST(result_vectors),
        };

        return cmocka_run_group_tests_name("agent builtin", tests, NULL, NULL);
}
