/* SPDX-License-Identifier: Apache-2.0 */
/* What the agent says of its work: whole JSON whatever is cut, the last ones kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/text.h"
#include "core/event.h"
#include "fake_platform.h"

struct world {
        struct fake_platform *fake;
        struct mu_agent_events *events;
};

static int set_up(void **state)
{
        struct world *world = calloc(1, sizeof(*world));

        assert_non_null(world);
        world->fake = fake_platform_create();
        assert_int_equal(mu_agent_events_create(&world->fake->platform, &world->events), 0);
        *state = world;
        return 0;
}

static int tear_down(void **state)
{
        struct world *world = *state;

        mu_agent_events_destroy(world->events);
        fake_platform_destroy(world->fake);
        free(world);
        return 0;
}

static json_t *parse_members(const char *fields)
{
        char object[MU_AGENT_EVENT_FIELDS_BYTES + 3];

        assert_true(snprintf(object, sizeof(object), "{%s}", fields) < (int)sizeof(object));
        json_t *json = json_loads(object, JSON_REJECT_DUPLICATES, NULL);

        assert_non_null(json);
        return json;
}

/* The caller's. */
static json_t *dump(struct world *world, int64_t since_us, size_t lines, size_t bytes)
{
        struct mu_text text;

        mu_text_init(&text);
        mu_agent_events_dump(world->events, since_us, lines, bytes, &text);
        assert_int_equal(mu_text_status(&text), 0);
        assert_true(text.bytes <= bytes || text.bytes == 2);
        json_t *json = json_loadb(text.data, text.bytes, 0, NULL);

        assert_true(json_is_array(json));
        mu_text_done(&text);
        return json;
}

static void test_reaches_log_and_ring(void **state)
{
        struct world *world = *state;

        mu_agent_event(world->events, MU_AGENT_WARNING, "queue.prune", "\"heartbeats\":%d", 3);
        assert_int_equal(fake_events(world->fake, "queue.prune"), 1);
        assert_string_equal(fake_event_fields(world->fake, "queue.prune"), "\"heartbeats\":3");
        mu_agent_event(world->events, MU_AGENT_INFO, "agent.stop", "%s", "");

        json_t *all = dump(world, 0, 10, 4096);
        const json_t *first = json_array_get(all, 0);
        const json_t *second = json_array_get(all, 1);

        assert_int_equal(json_array_size(all), 2);
        assert_string_equal(json_string_value(json_object_get(first, "event")), "queue.prune");
        assert_string_equal(json_string_value(json_object_get(first, "level")), "warning");
        assert_int_equal(json_integer_value(json_object_get(first, "heartbeats")), 3);
        assert_true(json_real_value(json_object_get(first, "at")) ==
                    (double)FAKE_START_US / (double)MU_US_PER_S);
        assert_string_equal(json_string_value(json_object_get(second, "event")), "agent.stop");
        assert_int_equal(json_object_size(second), 3);
        json_decref(all);
}

/* What has no room is cut behind the last member that is whole. */
static void test_cuts_whole_members(void **state)
{
        struct world *world = *state;
        static const char tricky[] = "a\\\",b{[}";

        static const char format[] = "\"n\":%d,\"list\":[1,{\"x\":\"%s\"},2],\"long\":\"%0*d\"";

        for (int length = 200; length < 420; length++) {
                int whole = snprintf(NULL, 0, format, length, tricky, length, 0);

                mu_agent_event(world->events, MU_AGENT_INFO, "retry.schedule", format, length,
                               tricky, length, 0);
                json_t *json = parse_members(fake_event_fields(world->fake, "retry.schedule"));

                assert_int_equal(json_integer_value(json_object_get(json, "n")), length);
                assert_int_equal(json_array_size(json_object_get(json, "list")), 3);
                assert_int_equal(json_object_get(json, "long") != NULL,
                                 whole < MU_AGENT_EVENT_FIELDS_BYTES);
                json_decref(json);
        }
        mu_agent_event(world->events, MU_AGENT_INFO, "retry.schedule", "\"long\":\"%0400d\"", 0);
        assert_string_equal(fake_event_fields(world->fake, "retry.schedule"), "");
        json_decref(dump(world, 0, 1000, 1 << 20));
}

static void test_text_fits(void **state)
{
        static const char *const texts[] = {
                "", "plain", "quote \" and \\ and \n and \x01", "grüße, 世界 🌍", "\xff\xfe broken",
        };
        char buffer[64];

        (void)state;
        for (size_t i = 0; i < MU_COUNT_OF(texts); i++) {
                struct mu_text whole;
                size_t before = 0;

                mu_text_init(&whole);
                mu_text_add_json(&whole, texts[i], strlen(texts[i]));
                for (size_t room = 3; room <= sizeof(buffer); room++) {
                        memset(buffer, '#', sizeof(buffer));
                        assert_ptr_equal(mu_agent_event_text(texts[i], buffer, room), buffer);
                        size_t bytes = strnlen(buffer, sizeof(buffer));

                        assert_true(bytes >= 2 && bytes < room && bytes >= before);
                        assert_true(room == sizeof(buffer) || buffer[room] == '#');
                        /* What stands there is how the whole begins. */
                        assert_memory_equal(buffer, whole.data, bytes - 1);
                        assert_int_equal(buffer[bytes - 1], '"');
                        before = bytes;
                }
                assert_string_equal(buffer, whole.data);
                mu_text_done(&whole);
        }
}

static void test_keeps_the_last(void **state)
{
        struct world *world = *state;

        for (int i = 0; i < 3 * MU_AGENT_EVENTS_KEPT + 7; i++) {
                mu_agent_event(world->events, MU_AGENT_INFO, "deliver.ok", "\"i\":%d", i);
                fake_advance_ms(world->fake, 1000);
        }
        json_t *all = dump(world, 0, 100000, 1 << 20);

        assert_int_equal(json_array_size(all), MU_AGENT_EVENTS_KEPT);
        for (size_t i = 0; i < MU_AGENT_EVENTS_KEPT; i++)
                assert_int_equal(json_integer_value(json_object_get(json_array_get(all, i), "i")),
                                 2 * MU_AGENT_EVENTS_KEPT + 7 + (int)i);
        json_decref(all);
}

/* The newest win, oldest first; since leaves out. */
static void test_dump_limits(void **state)
{
        struct world *world = *state;

        for (int i = 0; i < 100; i++) {
                mu_agent_event(world->events, MU_AGENT_ERROR, "deliver.fail", "\"i\":%d", i);
                fake_advance_ms(world->fake, 1000);
        }
        for (size_t lines = 0; lines <= 100; lines += 10) {
                json_t *some = dump(world, 0, lines, 1 << 20);

                assert_int_equal(json_array_size(some), lines);
                for (size_t i = 0; i < lines; i++)
                        assert_int_equal(
                                json_integer_value(json_object_get(json_array_get(some, i), "i")),
                                100 - (int)lines + (int)i);
                json_decref(some);
        }
        json_t *late = dump(world, FAKE_START_US + 60 * MU_US_PER_S, 1000, 1 << 20);

        assert_int_equal(json_array_size(late), 40);
        json_decref(late);

        size_t before = 0;

        for (size_t bytes = 0; bytes < 9000; bytes += 13) {
                json_t *some = dump(world, 0, 1000, bytes);
                size_t count = json_array_size(some);

                assert_true(count == before || count == before + 1);
                if (count > 0)
                        assert_int_equal(json_integer_value(json_object_get(
                                                 json_array_get(some, count - 1), "i")),
                                         99);
                before = count;
                json_decref(some);
        }
        assert_int_equal(before, 100);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_reaches_log_and_ring, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_cuts_whole_members, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_text_fits, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_keeps_the_last, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_dump_limits, set_up, tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
