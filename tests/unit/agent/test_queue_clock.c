/* SPDX-License-Identifier: Apache-2.0 */
/* The device's clock is set while heartbeats wait: by which clock each was dated, and what becomes
 * of it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "core/queue.h"
#include "fake_world.h"

#define MINUTE_MS INT64_C(60000)
#define HOUR_US (INT64_C(3600) * MU_US_PER_S)
#define NOW_US FAKE_START_US
#define LONG_AGO_US (INT64_C(100) * MU_US_PER_S) /* 1970 */

static const char *boot;

static int set_up(void **state)
{
        boot = "boot-a";
        return fake_world_set_up(state);
}

/* Another boot: the monotonic clock begins anew, and so does the device's. */
static void reboot(struct fake_world *world, const char *boot_id, int64_t realtime_us)
{
        fake_core_close(&world->core);
        boot = boot_id;
        world->fake->monotonic_ns = (uint64_t)(20 * MU_NS_PER_S);
        fake_set_realtime_us(world->fake, realtime_us);
        fake_core_open(world->fake, &world->core);
}

static int64_t bucket_of(int64_t us)
{
        return us / MU_US_PER_S - us / MU_US_PER_S % MU_AGENT_BUCKET_S;
}

/* Dated by the device's clock, as it is. */
static int64_t note(struct fake_world *world)
{
        int64_t now_us = world->fake->realtime_us;
        int64_t seq;
        char body[96];

        assert_int_equal(mu_agent_queue_seq(world->core.queue, boot, bucket_of(now_us), &seq), 0);
        int bytes = snprintf(body, sizeof(body), "{\"ts\":%lld.%03d,\"seq\":%lld}",
                             (long long)(now_us / MU_US_PER_S),
                             (int)(now_us / MU_US_PER_MS % MU_MS_PER_S), (long long)seq);

        assert_int_equal(mu_agent_queue_heartbeat(world->core.queue, bucket_of(now_us), body,
                                                  (size_t)bytes, now_us),
                         0);
        return seq;
}

/* As the next reading would. */
static void name_boot(struct fake_world *world)
{
        int64_t seq;

        assert_int_equal(mu_agent_queue_seq(world->core.queue, boot, 0, &seq), 0);
}

/* The appliance's time is the true one. */
static void sync_clock(struct fake_world *world, int64_t true_us)
{
        uint64_t at_ns = mu_clock_monotonic_ns(&world->fake->elapsed);

        mu_agent_clock_sync_reply(&world->core.clock, (double)true_us / (double)MU_US_PER_S, at_ns,
                                  at_ns);
        assert_true(world->core.clock.synced);
}

static void set_clock(struct fake_world *world, int64_t by_us)
{
        fake_set_realtime_us(world->fake, world->fake->realtime_us + by_us);
}

static struct mu_agent_items all(struct fake_world *world)
{
        struct mu_agent_items items;

        assert_int_equal(mu_agent_queue_peek(world->core.queue, MU_AGENT_ITEM_HEARTBEAT, 100,
                                             SIZE_MAX, &items),
                         0);
        return items;
}

/* The heartbeats' stepped_us are by so much, in the order of queueing. */
static void assert_stepped(struct fake_world *world, size_t count, const int64_t *stepped_us)
{
        struct mu_agent_items items = all(world);

        assert_int_equal(items.count, count);
        for (size_t i = 0; i < count; i++)
                assert_int_equal(items.items[i].stepped_us, stepped_us[i]);
        mu_agent_items_done(&items);
}

static double ts_of(const struct mu_agent_item *item)
{
        return strtod(item->body + strlen("{\"ts\":"), NULL);
}

static void redate(struct fake_world *world, struct mu_agent_items *items)
{
        assert_int_equal(mu_agent_queue_redate(world->core.queue, items), 0);
}

static void test_nobody_set_it(void **state)
{
        struct fake_world *world = *state;

        note(world);
        fake_advance_ms(world->fake, MINUTE_MS);
        note(world);
        fake_sleep_ms(world->fake, 60 * MINUTE_MS);
        note(world);
        set_clock(world, 9 * MU_US_PER_S); /* less than a bucket is no step */
        assert_stepped(world, 3, (int64_t[]){0, 0, 0});
        /* The appliance's clock was set, or is wrong: the device's was not. */
        sync_clock(world, world->fake->realtime_us);
        fake_advance_ms(world->fake, MINUTE_MS);
        note(world);
        sync_clock(world, world->fake->realtime_us + HOUR_US);
        assert_stepped(world, 4, (int64_t[]){0, 0, 0, 0});
}

/* No clock of its own: 1970 until the network comes. */
static void test_1970(void **state)
{
        struct fake_world *world = *state;
        int64_t by_us = NOW_US - LONG_AGO_US;

        fake_set_realtime_us(world->fake, LONG_AGO_US);
        note(world);
        fake_advance_ms(world->fake, 7 * MU_MS_PER_S + 250);
        fake_sleep_ms(world->fake, 5 * MINUTE_MS);
        note(world);
        set_clock(world, by_us);
        assert_stepped(world, 2, (int64_t[]){by_us, by_us});
        note(world);
        struct mu_agent_items items = all(world);

        redate(world, &items);
        for (int round = 0; round < 2; round++) {
                assert_int_equal(items.count, 3);
                assert_string_equal(items.items[0].body, "{\"ts\":1800000000.000,\"seq\":1}");
                assert_int_equal(items.items[0].body_bytes, strlen(items.items[0].body));
                assert_int_equal(items.items[0].key, 1800000000);
                assert_string_equal(items.items[1].body, "{\"ts\":1800000307.250,\"seq\":2}");
                /* Its bucket is another one's by now: it keeps the old. */
                assert_int_equal(items.items[1].key, bucket_of(LONG_AGO_US + 307 * MU_US_PER_S));
                for (size_t i = 0; i < 3; i++)
                        assert_int_equal(items.items[i].stepped_us, 0);
                mu_agent_items_done(&items);
                fake_world_restart(world);
                name_boot(world);
                items = all(world);
        }
        mu_agent_items_done(&items);
        assert_int_equal(fake_events(world->fake, "queue.redate"), 1);
        assert_string_equal(fake_event_fields(world->fake, "queue.redate"),
                            "\"heartbeats\":2,\"stepped_s\":1799999900");
}

/* It may be with the appliance: it says what it said, and goes by its own clock, however often the
 * clock is set. */
static void test_sent_before(void **state)
{
        struct fake_world *world = *state;

        note(world);
        struct mu_agent_items items = all(world);

        assert_int_equal(mu_agent_queue_freeze(world->core.queue, &items), 0);
        mu_agent_items_done(&items);
        fake_advance_ms(world->fake, MINUTE_MS);
        note(world);
        set_clock(world, HOUR_US);
        items = all(world);
        redate(world, &items);
        assert_int_equal(items.items[0].stepped_us, HOUR_US);
        assert_true(ts_of(&items.items[0]) == 1800000000.0);
        assert_int_equal(items.items[1].stepped_us, 0);
        assert_true(ts_of(&items.items[1]) == 1800003660.0);
        assert_int_equal(mu_agent_queue_freeze(world->core.queue, &items), 0);
        mu_agent_items_done(&items);
        set_clock(world, -3 * HOUR_US);
        assert_stepped(world, 2, (int64_t[]){-2 * HOUR_US, -3 * HOUR_US});
        set_clock(world, 2 * HOUR_US);
        assert_stepped(world, 2, (int64_t[]){0, -HOUR_US});
}

/* Set back to where a bucket is taken: by its clock, not by its number, it is another. */
static void test_set_back_into_the_same_bucket(void **state)
{
        struct fake_world *world = *state;
        int64_t seq;

        note(world);
        fake_advance_ms(world->fake, 12 * MU_MS_PER_S);
        set_clock(world, -12 * MU_US_PER_S);
        assert_int_equal(mu_agent_queue_seq(world->core.queue, "boot-a", bucket_of(NOW_US), &seq),
                         0);
        assert_int_equal(seq, 2);
        assert_int_equal(mu_agent_queue_heartbeat(world->core.queue, bucket_of(NOW_US), "{}", 2, 1),
                         -EALREADY);
        /* Set back by an hour, the waiting one lies behind: in order of queueing all the same. */
        fake_advance_ms(world->fake, 20 * MU_MS_PER_S);
        note(world);
        set_clock(world, -HOUR_US);
        struct mu_agent_items items = all(world);

        redate(world, &items);
        assert_int_equal(items.count, 2);
        assert_true(ts_of(&items.items[0]) == 1800000000.0 - 3612.0);
        assert_true(ts_of(&items.items[1]) == 1800000020.0 - 3600.0);
        mu_agent_items_done(&items);
}

/* The agent was stopped, the machine was not. */
static void test_set_while_it_was_down(void **state)
{
        struct fake_world *world = *state;

        note(world);
        fake_core_close(&world->core);
        fake_advance_ms(world->fake, MINUTE_MS);
        set_clock(world, HOUR_US);
        fake_core_open(world->fake, &world->core);
        /* Nobody has said yet which boot this is. */
        assert_stepped(world, 1, (int64_t[]){0});
        note(world);
        assert_stepped(world, 2, (int64_t[]){HOUR_US, 0});
}

/* Nothing ties the elapsed time of two boots together but the appliance's time. */
static void test_another_boot(void **state)
{
        struct fake_world *world = *state;

        note(world); /* the appliance was not heard yet */
        sync_clock(world, NOW_US + 500000);
        fake_advance_ms(world->fake, MINUTE_MS);
        note(world);
        reboot(world, "boot-b", LONG_AGO_US);
        note(world);
        assert_stepped(world, 3, (int64_t[]){0, 0, 0});
        sync_clock(world, NOW_US + HOUR_US);
        int64_t by_us = LONG_AGO_US - (NOW_US + HOUR_US) + 500000;

        assert_stepped(world, 3, (int64_t[]){0, by_us, 0});
        set_clock(world, -by_us);
        assert_stepped(world, 3, (int64_t[]){0, 0, -by_us});
        struct mu_agent_items items = all(world);

        assert_true(items.items[2].is_ours);
        assert_false(items.items[1].is_ours);
        mu_agent_items_done(&items);
}

/* Machines that don't tell their boot: only a run knows its own. */
static void test_unknown_boot(void **state)
{
        struct fake_world *world = *state;

        boot = MU_AGENT_BOOT_ID_UNKNOWN;
        note(world);
        fake_advance_ms(world->fake, MINUTE_MS);
        set_clock(world, HOUR_US);
        assert_stepped(world, 1, (int64_t[]){HOUR_US});
        fake_world_restart(world);
        note(world);
        assert_stepped(world, 2, (int64_t[]){0, 0});
}

/* A virtual machine stood still, and with it all of its clocks; then its own was set right. */
static void test_a_machine_that_stood_still(void **state)
{
        struct fake_world *world = *state;

        sync_clock(world, NOW_US);
        note(world);
        set_clock(world, HOUR_US);
        /* Before the appliance is heard it looks like a clock that was set. */
        assert_stepped(world, 1, (int64_t[]){HOUR_US});
        sync_clock(world, NOW_US + HOUR_US);
        assert_stepped(world, 1, (int64_t[]){0});
}

/* The jitter of what the appliance says is not the step's. */
static void test_the_exact_one_of_two(void **state)
{
        struct fake_world *world = *state;

        sync_clock(world, NOW_US);
        note(world);
        set_clock(world, HOUR_US);
        sync_clock(world, NOW_US + 3 * MU_US_PER_S);
        assert_stepped(world, 1, (int64_t[]){HOUR_US});
}

/* Its ts would lie before 1970, or is none of ours: it goes by the clock that dated it. */
static void test_what_cannot_be_dated(void **state)
{
        struct fake_world *world = *state;

        note(world);
        fake_advance_ms(world->fake, MINUTE_MS);
        assert_int_equal(mu_agent_queue_heartbeat(world->core.queue, 1800000060, "{}", 2, 1), 0);
        set_clock(world, 100 * MU_US_PER_S - world->fake->realtime_us);
        struct mu_agent_items items = all(world);
        int64_t by_us = 100 * MU_US_PER_S - NOW_US - MINUTE_MS * MU_US_PER_MS;

        fake_advance_ms(world->fake, 1);
        redate(world, &items);
        assert_true(ts_of(&items.items[0]) == 40.0);
        assert_int_equal(items.items[1].stepped_us, by_us);
        assert_string_equal(items.items[1].body, "{}");
        mu_agent_items_done(&items);
        set_clock(world, -50 * MU_US_PER_S);
        items = all(world);
        redate(world, &items);
        assert_true(ts_of(&items.items[0]) == 40.0);
        assert_int_equal(items.items[0].stepped_us, -50 * MU_US_PER_S);
        mu_agent_items_done(&items);
}

/* What an agent of before has left has no clock: it is sent as it always was. */
static void test_left_by_an_older_agent(void **state)
{
        struct fake_world *world = *state;

        note(world);
        sqlite3 *database = mu_agent_store_database(world->core.store);

        assert_int_equal(sqlite3_exec(database,
                                      "UPDATE items SET clock_us = NULL;"
                                      "ALTER TABLE items DROP COLUMN clock_us;"
                                      "PRAGMA user_version = 100",
                                      NULL, NULL, NULL),
                         SQLITE_OK);
        fake_world_restart(world);
        assert_int_equal(fake_events(world->fake, "store.damaged"), 0);
        set_clock(world, HOUR_US);
        note(world);
        assert_stepped(world, 2, (int64_t[]){0, 0});
        set_clock(world, HOUR_US);
        assert_stepped(world, 2, (int64_t[]){0, HOUR_US});
}

/* Nothing is half dated. */
static void test_a_disk_that_takes_nothing(void **state)
{
        struct fake_world *world = *state;
        sqlite3 *database = mu_agent_store_database(world->core.store);

        note(world);
        fake_advance_ms(world->fake, MINUTE_MS);
        note(world);
        set_clock(world, HOUR_US);
        assert_int_equal(sqlite3_exec(database, "PRAGMA query_only = ON", NULL, NULL, NULL),
                         SQLITE_OK);
        struct mu_agent_items items = all(world);

        assert_true(mu_agent_queue_redate(world->core.queue, &items) < 0);
        mu_agent_items_done(&items);
        assert_int_equal(sqlite3_exec(database, "PRAGMA query_only = OFF", NULL, NULL, NULL),
                         SQLITE_OK);
        assert_stepped(world, 2, (int64_t[]){HOUR_US, HOUR_US});
        items = all(world);
        assert_true(ts_of(&items.items[0]) == 1800000000.0);
        redate(world, &items);
        mu_agent_items_done(&items);
        assert_stepped(world, 2, (int64_t[]){0, 0});
}

static void test_one_by_its_id(void **state)
{
        struct fake_world *world = *state;

        note(world);
        fake_advance_ms(world->fake, MINUTE_MS);
        note(world);
        struct mu_agent_items items = all(world);
        struct mu_agent_items one;

        assert_int_equal(mu_agent_queue_find(world->core.queue, items.items[0].id, &one), 0);
        assert_int_equal(one.count, 1);
        assert_string_equal(one.items[0].body, items.items[0].body);
        mu_agent_items_done(&one);
        assert_int_equal(mu_agent_queue_find(world->core.queue, items.items[1].id + 1, &one), 0);
        assert_int_equal(one.count, 0);
        mu_agent_items_done(&one);
        mu_agent_items_done(&items);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, fake_world_tear_down)
        const struct CMUnitTest tests[] = {
                TEST(test_nobody_set_it),
                TEST(test_1970),
                TEST(test_sent_before),
                TEST(test_set_back_into_the_same_bucket),
                TEST(test_set_while_it_was_down),
                TEST(test_another_boot),
                TEST(test_unknown_boot),
                TEST(test_a_machine_that_stood_still),
                TEST(test_the_exact_one_of_two),
                TEST(test_what_cannot_be_dated),
                TEST(test_left_by_an_older_agent),
                TEST(test_a_disk_that_takes_nothing),
                TEST(test_one_by_its_id),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
