/* SPDX-License-Identifier: Apache-2.0 */
/* Commands across restarts and full disks, and the rotation of keys. */
#include "core/downlink.h"

#include <errno.h>
#include <jansson.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base64.h"
#include "core/store.h"
#include "downlink_world.h"

/* ---- restarts ---- */

static void restart_in_received(void **state)
{
        struct world *world = *state;

        world_open_channel(world);
        world_push_order(world, &(struct order){.id = 1, .payload = "{\"message\":\"Hi\"}"});
        world_restart(world);
        assert_true(mu_agent_downlink_is_busy(world->downlink));
        world_open_channel(world);
        world_step(world);
        world_advance_ms(world, 10000);
        assert_int_equal(world->fake->action_count, 1);
        assert_string_equal(world->fake->actions[0].payload, "{\"message\":\"Hi\"}");
}

static void cut_off(struct world *world, int64_t id, const char *type, const char *boot,
                    const char *status, const char *sentence)
{
        world_open_channel(world);
        world_push_order(world, &(struct order){.id = id, .type = type});
        world_run(world, id);
        (void)snprintf(world->fake->readings.boot_id, sizeof(world->fake->readings.boot_id), "%s",
                       boot);
        world_restart(world);
        world_step(world);
        json_t *result = world_queued(world, id, 0x11);

        world_assert_status(result, status, sentence);
        json_decref(result);
}

static void restart_in_running(void **state)
{
        struct world *world = *state;

        cut_off(world, 1, "lock", "boot-1", "failed", "not known");
        cut_off(world, 2, "reboot", "boot-1", "failed", "not known");
        cut_off(world, 3, "reboot", "boot-2", "done", NULL);
        cut_off(world, 4, "lock", "boot-3", "failed", "not known");
        assert_int_equal(world->fake->action_count, 4);
        world_restart(world);
        world_step(world);
        assert_false(mu_agent_downlink_is_busy(world->downlink));
        assert_int_equal(world_queued_results(world), 4);
}

static void restart_in_answered(void **state)
{
        struct world *world = *state;

        world_open_channel(world);
        world_push_order(world, &(struct order){.id = 1});
        world_run(world, 1);
        fake_action_done(&world->fake->actions[0], "7", NULL);
        world_step(world);
        assert_int_equal(world_frames(world, "result", 1), 1);
        world_restart(world);
        assert_int_equal(world_queued_results(world), 1);
        world_open_channel(world);
        assert_int_equal(world_frames(world, "result", 1), 2);
        assert_string_equal(world->fake->frames[world->fake->frame_count - 1],
                            world->fake->frames[world->fake->frame_count - 2]);
        world_push_order(world, &(struct order){.id = 1});
        world_advance_ms(world, 20000);
        assert_int_equal(world->fake->action_count, 1);
        world_say(world, "{\"type\":\"result_stored\",\"command_id\":\"1\"}");
        assert_int_equal(world_queued_results(world), 0);
}

/* ---- a disk that takes nothing ---- */

static void set_disk(struct world *world, bool writable)
{
        assert_int_equal(sqlite3_exec(mu_agent_store_database(world->core.store),
                                      writable ? "PRAGMA query_only = 0" : "PRAGMA query_only = 1",
                                      NULL, NULL, NULL),
                         SQLITE_OK);
}

static void full_disk(void **state)
{
        struct world *world = *state;

        world_open_channel(world);
        set_disk(world, false);
        world_push_order(world, &(struct order){.id = 1});
        /* Not remembered: not acknowledged, so that it comes again. */
        assert_int_equal(world->fake->frame_count, 0);
        set_disk(world, true);
        world_push_order(world, &(struct order){.id = 1});
        assert_int_equal(world_frames(world, "received", 1), 1);
        set_disk(world, false);
        world_run(world, 1); /* not run before the book says that it is */
        assert_int_equal(world->fake->action_count, 0);
        set_disk(world, true);
        world_advance_ms(world, 10000);
        assert_int_equal(world_frames(world, "received", 1), 2);
        world_run(world, 1);
        assert_int_equal(world->fake->action_count, 1);
        set_disk(world, false);
        fake_action_done(&world->fake->actions[0], "\"kept\"", NULL);
        world_step(world);
        assert_true(mu_agent_downlink_is_busy(world->downlink));
        set_disk(world, true);
        world_advance_ms(world, 10000);
        assert_false(mu_agent_downlink_is_busy(world->downlink));
        json_t *result = world_queued(world, 1, 0x11);

        world_assert_status(result, "done", NULL);
        assert_string_equal(json_string_value(json_object_get(result, "result")), "\"kept\"");
        json_decref(result);
}

/* ---- keys ---- */

static const char *rotation(uint32_t version, uint8_t key)
{
        static char payload[96];
        uint8_t bytes[MU_COMMAND_KEY_BYTES];
        char text[MU_AGENT_BASE64_CHARS(MU_COMMAND_KEY_BYTES) + 1];

        memset(bytes, key, sizeof(bytes));
        mu_agent_base64_encode(bytes, sizeof(bytes), text);
        (void)snprintf(payload, sizeof(payload), "{\"version\":%u,\"key\":\"%s\"}", version, text);
        return payload;
}

static void key_rotation(void **state)
{
        struct world *world = *state;
        const struct mu_agent_config *config = &world->core.config;

        world_open_channel(world);
        world_push_order(
                world,
                &(struct order){.id = 1, .type = "rotate_key", .payload = rotation(2, 0x22)});
        world_run(world, 1);
        assert_int_equal(world->fake->save_count, 1);
        assert_int_equal(config->current.version, 1);
        assert_int_equal(config->next.version, 2);
        json_t *result = world_result(world, 1, 0x22); /* that is the proof */

        world_assert_status(result, "done", NULL);
        assert_int_equal(json_integer_value(json_object_get(result, "key_version")), 2);
        json_decref(result);
        /* Both are valid; what is not a rotation is signed with the current one. */
        world_push_order(world, &(struct order){.id = 2, .type = "ping"});
        world_run(world, 2);
        result = world_queued(world, 2, 0x11);
        world_assert_status(result, "done", NULL);
        json_decref(result);
        world_restart(world);
        assert_int_equal(config->next.version, 2);
        world_open_channel(world);
        world_push_order(world,
                         &(struct order){.id = 3, .type = "ping", .key_version = 2, .key = 0x22});
        assert_int_equal(config->current.version, 2);
        assert_int_equal(config->next.version, 0);
        assert_int_equal(world->fake->save_count, 2);
        assert_int_equal(fake_events(world->fake, "key.rotated"), 1);
        world_run(world, 3);
        result = world_queued(world, 3, 0x22);
        world_assert_status(result, "done", NULL);
        json_decref(result);
        assert_int_equal(world_queued_results(world), 3); /* those of the old key too */
        char *old = world_sign(world, &(struct order){.id = 4});

        world_assert_refused(world, old, "key_version");
        free(old);
        world_restart(world);
        assert_int_equal(config->current.version, 2);
}

static void key_that_can_not_be_saved(void **state)
{
        struct world *world = *state;

        world_open_channel(world);
        world->fake->save_result = -ENOSPC;
        world_push_order(
                world,
                &(struct order){.id = 1, .type = "rotate_key", .payload = rotation(2, 0x22)});
        world_run(world, 1);
        json_t *result = world_queued(world, 1, 0x11);

        world_assert_status(result, "failed", "could not be saved");
        json_decref(result);
        assert_int_equal(world->core.config.next.version, 0);
        /* Taking the next for the current fails too: both stay valid until it is on disk. */
        world->core.config.next.version = 2;
        memset(world->core.config.next.bytes, 0x22, MU_COMMAND_KEY_BYTES);
        world_push_order(world, &(struct order){.id = 2, .key_version = 2, .key = 0x22});
        assert_int_equal(world->core.config.current.version, 1);
        assert_int_equal(world->core.config.next.version, 2);
        world_push_order(world, &(struct order){.id = 3});
        world->fake->save_result = 0;
        world_push_order(world, &(struct order){.id = 4, .key_version = 2, .key = 0x22});
        assert_int_equal(world->core.config.current.version, 2);
}

static void stop_in_rotation(struct world *world, int64_t id, uint32_t version, uint8_t key)
{
        world_open_channel(world);
        world_push_order(
                world,
                &(struct order){.id = id, .type = "rotate_key", .payload = rotation(version, key)});
        assert_int_equal(
                mu_agent_command_book_set(world->core.book, id, MU_AGENT_COMMAND_RUNNING, "boot-1"),
                0);
}

/* Stopped before or after the key was written down, in either case before its result was. */
static void rotation_cut_off(void **state)
{
        struct world *world = *state;
        json_t *result;

        stop_in_rotation(world, 1, 2, 0x22);
        world_restart(world);
        world_step(world);
        result = world_queued(world, 1, 0x22);
        world_assert_status(result, "done", NULL);
        json_decref(result);
        assert_int_equal(world->core.config.next.version, 2);
        stop_in_rotation(world, 2, 3, 0x33);
        world->core.config.next.version = 3;
        memset(world->core.config.next.bytes, 0x33, MU_COMMAND_KEY_BYTES);
        assert_int_equal(mu_agent_save_config(&world->core), 0);
        world_restart(world);
        world_step(world);
        result = world_queued(world, 2, 0x33);
        world_assert_status(result, "done", NULL);
        json_decref(result);
}

/* What ends the agent each time is not run a third time. */
static void cut_off_twice(void **state)
{
        struct world *world = *state;

        world_open_channel(world);
        world_push_order(world, &(struct order){.id = 1, .type = "ping"});
        assert_int_equal(
                mu_agent_command_book_set(world->core.book, 1, MU_AGENT_COMMAND_RUNNING, "boot-1"),
                0);
        world_restart(world);
        set_disk(world, false); /* it can not be said to run again: it is not */
        world_step(world);
        assert_int_equal(fake_events(world->fake, "command.run"), 0);
        world_restart(world);
        assert_int_equal(
                mu_agent_command_book_set(world->core.book, 1, MU_AGENT_COMMAND_RUNNING, "again"),
                0);
        world_step(world);
        json_t *result = world_queued(world, 1, 0x11);

        world_assert_status(result, "failed", "not known");
        json_decref(result);
        assert_int_equal(fake_events(world->fake, "command.run"), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_open, world_close)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(restart_in_received), TEST(restart_in_running),
                TEST(restart_in_answered), TEST(full_disk),
                TEST(key_rotation),        TEST(key_that_can_not_be_saved),
                TEST(rotation_cut_off),    TEST(cut_off_twice),
        };

        return cmocka_run_group_tests_name("agent downlink restart", tests, NULL, NULL);
}
