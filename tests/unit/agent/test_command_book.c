/* SPDX-License-Identifier: Apache-2.0 */
/* Commands that were seen: none runs twice, whatever restarts and clocks do. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/command_book.h"
#include "fake_world.h"

#define DAY_US (86400 * MU_US_PER_S)
#define NOW_US FAKE_START_US

static int enter_at(struct fake_world *world, int64_t id, uint32_t nonce, int64_t now_us,
                    enum mu_agent_command_state *ret_state)
{
        static const char payload[] = "{\"a\":1}";
        struct mu_command_form form = {
                .device_id = 17,
                .command_id = id,
                .timestamp_s = now_us / MU_US_PER_S,
                .type = "ping",
                .payload = payload,
                .payload_bytes = sizeof(payload) - 1,
                .key_version = 1,
        };

        memcpy(form.nonce, &nonce, sizeof(nonce));
        return mu_agent_command_book_enter(world->core.book, &form, now_us, ret_state);
}

static int enter(struct fake_world *world, int64_t id, uint32_t nonce,
                 enum mu_agent_command_state *ret_state)
{
        return enter_at(world, id, nonce, NOW_US, ret_state);
}

static void set(struct fake_world *world, int64_t id, enum mu_agent_command_state state,
                const char *boot_id)
{
        assert_int_equal(mu_agent_command_book_set(world->core.book, id, state, boot_id), 0);
}

static void assert_next(struct fake_world *world, enum mu_agent_command_state state, int64_t id,
                        const char *boot_id, const char *payload)
{
        struct mu_agent_command command;

        assert_int_equal(mu_agent_command_book_next(world->core.book, state, &command), 0);
        assert_int_equal(command.id, id);
        assert_int_equal(command.state, state);
        assert_string_equal(command.type, "ping");
        assert_string_equal(command.boot_id, boot_id);
        assert_int_equal(command.payload_bytes, strlen(payload));
        assert_string_equal(command.payload, payload);
        mu_agent_command_done(&command);
        assert_null(command.payload);
}

static void assert_none(struct fake_world *world, enum mu_agent_command_state state)
{
        struct mu_agent_command command = {.id = 4711};

        assert_int_equal(mu_agent_command_book_next(world->core.book, state, &command), -ENOENT);
        assert_int_equal(command.id, 4711);
}

static void test_known_and_replayed(void **state)
{
        struct fake_world *world = *state;
        enum mu_agent_command_state stands = MU_AGENT_COMMAND_DROPPED;

        assert_int_equal(enter(world, 5, 1, &stands), 0);
        assert_int_equal(stands, MU_AGENT_COMMAND_RECEIVED);
        /* The same again, and the same nonce on another command. */
        stands = MU_AGENT_COMMAND_DROPPED;
        assert_int_equal(enter(world, 5, 1, &stands), -EKEYREJECTED);
        assert_int_equal(enter(world, 6, 1, &stands), -EKEYREJECTED);
        assert_int_equal(stands, MU_AGENT_COMMAND_DROPPED);
        /* Signed anew: known. Its nonce counts from now on. */
        assert_int_equal(enter(world, 5, 2, &stands), -EALREADY);
        assert_int_equal(stands, MU_AGENT_COMMAND_RECEIVED);
        assert_int_equal(enter(world, 6, 2, &stands), -EKEYREJECTED);
        set(world, 5, MU_AGENT_COMMAND_ANSWERED, NULL);
        assert_int_equal(enter(world, 5, 3, &stands), -EALREADY);
        assert_int_equal(stands, MU_AGENT_COMMAND_ANSWERED);
        assert_none(world, MU_AGENT_COMMAND_RECEIVED);
        /* All of that after a restart too; the refused one has left nothing. */
        fake_world_restart(world);
        for (uint32_t nonce = 1; nonce <= 3; nonce++)
                assert_int_equal(enter(world, 6, nonce, &stands), -EKEYREJECTED);
        assert_int_equal(enter(world, 5, 4, &stands), -EALREADY);
        assert_int_equal(stands, MU_AGENT_COMMAND_ANSWERED);
        assert_int_equal(enter(world, 6, 5, &stands), 0);
}

static void test_order_and_states(void **state)
{
        struct fake_world *world = *state;
        enum mu_agent_command_state stands;

        /* In the order of entry, whatever their ids. */
        assert_int_equal(enter(world, 30, 1, &stands), 0);
        assert_int_equal(enter(world, 10, 2, &stands), 0);
        assert_int_equal(enter(world, INT64_MAX, 3, &stands), 0);
        assert_next(world, MU_AGENT_COMMAND_RECEIVED, 30, "", "{\"a\":1}");
        set(world, 30, MU_AGENT_COMMAND_RUNNING, "boot-a");
        assert_next(world, MU_AGENT_COMMAND_RECEIVED, 10, "", "{\"a\":1}");
        fake_world_restart(world);
        assert_next(world, MU_AGENT_COMMAND_RUNNING, 30, "boot-a", "{\"a\":1}");
        set(world, 10, MU_AGENT_COMMAND_DROPPED, NULL);
        assert_next(world, MU_AGENT_COMMAND_RECEIVED, INT64_MAX, "", "{\"a\":1}");
        /* Over: its payload, which may be a key, is gone; what boot it ran in stays. */
        set(world, 30, MU_AGENT_COMMAND_ANSWERED, NULL);
        assert_next(world, MU_AGENT_COMMAND_ANSWERED, 30, "boot-a", "");
        assert_next(world, MU_AGENT_COMMAND_DROPPED, 10, "", "");
        assert_none(world, MU_AGENT_COMMAND_RUNNING);
        assert_int_equal(
                mu_agent_command_book_set(world->core.book, 99, MU_AGENT_COMMAND_RUNNING, "boot-a"),
                -ENOENT);
}

static void forget(struct fake_world *world, int64_t now_us)
{
        assert_int_equal(mu_agent_command_book_forget(world->core.book, now_us), 0);
}

static void test_forgets_nonces(void **state)
{
        struct fake_world *world = *state;
        enum mu_agent_command_state stands;

        assert_int_equal(enter(world, 1, 1, &stands), 0);
        forget(world, NOW_US + 2 * MU_COMMAND_WINDOW_S * MU_US_PER_S);
        assert_int_equal(enter(world, 1, 1, &stands), -EKEYREJECTED);
        forget(world, NOW_US + 2 * MU_COMMAND_WINDOW_S * MU_US_PER_S + 1);
        /* The command itself is known far longer. */
        assert_int_equal(enter(world, 1, 1, &stands), -EALREADY);
}

static void test_forgets_commands(void **state)
{
        struct fake_world *world = *state;
        enum mu_agent_command_state stands;
        uint32_t nonce = 0;
        const int64_t count = MU_AGENT_COMMAND_KEEP_LEAST + 4;

        /* 1: answered. 2: dropped. 3: still running. 4: received. Then the ones that stay. */
        for (int64_t id = 1; id <= count; id++)
                assert_int_equal(enter(world, id, ++nonce, &stands), 0);
        for (int64_t id = 5; id <= count; id++)
                set(world, id, MU_AGENT_COMMAND_ANSWERED, NULL);
        set(world, 1, MU_AGENT_COMMAND_ANSWERED, NULL);
        set(world, 2, MU_AGENT_COMMAND_DROPPED, NULL);
        set(world, 3, MU_AGENT_COMMAND_RUNNING, "boot-a");
        forget(world, NOW_US + 30 * DAY_US);
        assert_int_equal(enter(world, 1, ++nonce, &stands), -EALREADY);
        /* A clock that was set ahead by ten years: what came last stays known all the same. */
        forget(world, NOW_US + 3650 * DAY_US);
        for (int64_t id = 3; id <= count; id++)
                assert_int_equal(enter(world, id, ++nonce, &stands), -EALREADY);
        assert_int_equal(enter(world, 1, ++nonce, &stands), 0);
        assert_int_equal(enter(world, 2, ++nonce, &stands), 0);
}

/* Seen by a clock that was a year ahead: ages from when that is known, and then goes. */
static void test_seen_in_the_future(void **state)
{
        struct fake_world *world = *state;
        enum mu_agent_command_state stands;
        uint32_t nonce = 1000;

        assert_int_equal(enter_at(world, 1, 1, NOW_US + 365 * DAY_US, &stands), 0);
        set(world, 1, MU_AGENT_COMMAND_ANSWERED, NULL);
        for (int64_t id = 2; id <= MU_AGENT_COMMAND_KEEP_LEAST + 1; id++)
                assert_int_equal(enter(world, id, ++nonce, &stands), 0);
        forget(world, NOW_US);
        assert_int_equal(enter(world, 9999, 1, &stands), -EKEYREJECTED);
        forget(world, NOW_US + 601 * MU_US_PER_S);
        assert_int_equal(enter(world, 1, 1, &stands), -EALREADY);
        forget(world, NOW_US + 31 * DAY_US);
        assert_int_equal(enter(world, 1, ++nonce, &stands), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fake_world_set_up, fake_world_tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_known_and_replayed), TEST(test_order_and_states),
                TEST(test_forgets_nonces),     TEST(test_forgets_commands),
                TEST(test_seen_in_the_future),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
