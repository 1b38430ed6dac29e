/* SPDX-License-Identifier: Apache-2.0 */
/* The appliance's time, whatever is done to the device's clock. */
#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/clock_sync.h"
#include "fake_world.h"

#define HOUR_US (3600 * MU_US_PER_S)
#define SERVER_US (FAKE_START_US + 1000 * MU_US_PER_S) /* 1000 s ahead of the device */

/* A request that takes this long; when it was half way the appliance's time was
 * middle_us. */
static void reply(struct fake_world *world, int64_t way_ms, int64_t middle_us)
{
        uint64_t sent_ns = world->fake->monotonic_ns;

        fake_advance_ms(world->fake, way_ms);
        mu_agent_clock_sync_reply(&world->core.clock, (double)middle_us / (double)MU_US_PER_S,
                                  sent_ns, world->fake->monotonic_ns);
}

static void assert_near_us(int64_t have_us, int64_t want_us, int64_t by_us)
{
        if (llabs(have_us - want_us) > by_us)
                fail_msg("%" PRId64 " is not within %" PRId64 " of %" PRId64, have_us, by_us,
                         want_us);
}

static int64_t now_us(struct fake_world *world)
{
        return mu_agent_clock_sync_now_us(&world->core.clock);
}

static void test_before_any_reply(void **state)
{
        struct fake_world *world = *state;

        assert_false(world->core.clock.synced);
        assert_int_equal(now_us(world), FAKE_START_US);
        assert_int_equal(mu_agent_clock_sync_offset_us(&world->core.clock), 0);
        fake_advance_ms(world->fake, 5000);
        assert_int_equal(now_us(world), FAKE_START_US + 5 * MU_US_PER_S);
}

static void test_reply_counts_at_its_middle(void **state)
{
        struct fake_world *world = *state;

        reply(world, 400, SERVER_US);
        assert_true(world->core.clock.synced);
        assert_near_us(now_us(world), SERVER_US + 200000, 1);
        assert_near_us(mu_agent_clock_sync_offset_us(&world->core.clock),
                       1000 * MU_US_PER_S - 200000, 1);
}

static void test_device_clock_has_no_say(void **state)
{
        struct fake_world *world = *state;

        reply(world, 0, SERVER_US);
        fake_set_realtime_us(world->fake, FAKE_START_US + 365 * 24 * HOUR_US);
        assert_near_us(now_us(world), SERVER_US, 1);
        fake_set_realtime_us(world->fake, 0);
        fake_advance_ms(world->fake, 10000);
        assert_near_us(now_us(world), SERVER_US + 10 * MU_US_PER_S, 1);
        assert_near_us(mu_agent_clock_sync_offset_us(&world->core.clock), SERVER_US, 1);
}

static void test_offset_survives_restart(void **state)
{
        struct fake_world *world = *state;

        reply(world, 0, SERVER_US);
        fake_world_restart(world);
        assert_false(world->core.clock.synced);
        assert_near_us(now_us(world), SERVER_US, 1);
        fake_advance_ms(world->fake, 60000);
        assert_near_us(now_us(world), SERVER_US + 60 * MU_US_PER_S, 1);
}

/* Under a second nothing is written: a disk is not worn out by jitter. */
static void test_writes_steps_of_a_second(void **state)
{
        struct fake_world *world = *state;
        int64_t stored_us = 0;

        reply(world, 0, SERVER_US);
        assert_int_equal(
                mu_agent_store_get_number(world->core.store, "clock_offset_us", &stored_us), 0);
        assert_near_us(stored_us, 1000 * MU_US_PER_S, 1);
        reply(world, 0, SERVER_US + 900000);
        assert_near_us(now_us(world), SERVER_US + 900000, 1);
        assert_int_equal(
                mu_agent_store_get_number(world->core.store, "clock_offset_us", &stored_us), 0);
        assert_near_us(stored_us, 1000 * MU_US_PER_S, 1);
        reply(world, 0, SERVER_US + 1000001);
        assert_int_equal(
                mu_agent_store_get_number(world->core.store, "clock_offset_us", &stored_us), 0);
        assert_near_us(stored_us, 1001 * MU_US_PER_S, 10);
}

/* A slow way says less: its middle may be anywhere in it. */
static void test_slow_way_does_not_count(void **state)
{
        struct fake_world *world = *state;

        reply(world, 20, SERVER_US);
        int64_t device_us = world->fake->realtime_us;
        int64_t offset_us = mu_agent_clock_sync_offset_us(&world->core.clock);

        /* 8 s, all of it on the way back: the reply was written at its beginning. */
        reply(world, 8000, device_us + offset_us);
        assert_near_us(mu_agent_clock_sync_offset_us(&world->core.clock), offset_us, 1);
        /* As good a way as before counts. */
        reply(world, 30, world->fake->realtime_us + offset_us + 15000 + 7000);
        assert_near_us(mu_agent_clock_sync_offset_us(&world->core.clock), offset_us + 7000, 1);
}

/* What is known grows old: after long enough a slow way says more again. */
static void test_slow_way_counts_later(void **state)
{
        struct fake_world *world = *state;

        reply(world, 10, SERVER_US);
        fake_advance_ms(world->fake, 24 * 3600 * 1000);
        int64_t middle_us = now_us(world) + 2 * MU_US_PER_S;

        reply(world, 4000, middle_us + 3 * MU_US_PER_S);
        assert_near_us(now_us(world), middle_us + 5 * MU_US_PER_S, 1);
}

/* The machine slept without its monotonic clock: even a slow reply proves it. */
static void test_proof_counts(void **state)
{
        struct fake_world *world = *state;

        reply(world, 20, SERVER_US);
        int64_t after_us = now_us(world) + 8 * HOUR_US;

        reply(world, 10000, after_us);
        assert_near_us(now_us(world), after_us + 5 * MU_US_PER_S, 1);
        /* And backwards: the appliance's clock was set right. */
        reply(world, 9000, after_us - 300 * MU_US_PER_S);
        assert_near_us(now_us(world), after_us - 300 * MU_US_PER_S + 4500000, 1);
}

static void test_nonsense_is_ignored(void **state)
{
        struct fake_world *world = *state;
        static const double wrong[] = {0, -1, NAN, INFINITY, -INFINITY, 1e300, 4102444800.0};
        uint64_t at_ns = world->fake->monotonic_ns;

        for (size_t i = 0; i < MU_COUNT_OF(wrong); i++)
                mu_agent_clock_sync_reply(&world->core.clock, wrong[i], at_ns, at_ns);
        mu_agent_clock_sync_reply(&world->core.clock, 1.8e9, at_ns, at_ns - 1);
        assert_false(world->core.clock.synced);
        assert_int_equal(now_us(world), FAKE_START_US);
        /* One that was overtaken says nothing any more. */
        fake_advance_ms(world->fake, 10);
        reply(world, 0, SERVER_US);
        mu_agent_clock_sync_reply(&world->core.clock, 1.7e9, at_ns, at_ns);
        assert_near_us(now_us(world), SERVER_US, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fake_world_set_up, fake_world_tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_before_any_reply),         TEST(test_reply_counts_at_its_middle),
                TEST(test_device_clock_has_no_say),  TEST(test_offset_survives_restart),
                TEST(test_writes_steps_of_a_second), TEST(test_slow_way_does_not_count),
                TEST(test_slow_way_counts_later),    TEST(test_proof_counts),
                TEST(test_nonsense_is_ignored),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
