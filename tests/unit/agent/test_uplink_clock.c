/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The uplink of a device whose clock is set, against an appliance that dates what it gets as the
 * real one does (ingest/device_time.c): nothing is stored at another time than it was read.
 *
 * A reading says when it was taken, as only the test knows ("true_ms"): by a clock that nobody
 * sets, which is also the appliance's.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>
#include <sqlite3.h>

#include "base/random.h"
#include "base/text.h"
#include "core/uplink.h"
#include "fake_platform.h"
#include "ingest/device_time.h"
#include "muster/wire.h"

#define S INT64_C(1000)
#define INTERVAL_MS (300 * S)
#define HOUR_S INT64_C(3600)

enum {
        ROWS_MAX = 4096,
        SEEDS = 8,
        STEPS = 150,
        /* The offset is rounded to 10 s, and so is a step that is none. */
        APART_S_MAX = 15,
};

struct row {
        int64_t bucket_s;
        int64_t true_ms;
};

struct world {
        struct fake_platform *fake;
        struct mu_agent_core core;
        struct mu_random random;
        int64_t error_us; /* the device's clock, less the true one */
        int boots;
        bool away;
        bool loses; /* its answers */
        int32_t offset_s;
        size_t row_count;
        struct row rows[ROWS_MAX];
        size_t duplicates;
        size_t old_clocks; /* requests by another clock than the device's */
};

static int64_t true_us(const struct world *world)
{
        return world->fake->realtime_us - world->error_us;
}

/* ---- the appliance ---- */

static const char *take(struct world *world, const json_t *item)
{
        static const struct mu_time_window WINDOW = {.back_us = 7 * 86400 * MU_US_PER_S,
                                                     .ahead_us = 300 * MU_US_PER_S};
        int64_t ts_us = (int64_t)(json_number_value(json_object_get(item, "ts")) * 1e6 + 0.5);
        int64_t at_us = ts_us + world->offset_s * MU_US_PER_S;
        int64_t true_ms = json_integer_value(json_object_get(item, "true_ms"));

        if (!mu_time_in_window(&WINDOW, true_us(world), at_us))
                return "rejected";
        int64_t bucket_s = mu_time_bucket_s(at_us);

        for (size_t i = 0; i < world->row_count; i++)
                if (world->rows[i].bucket_s == bucket_s) {
                        world->duplicates++;
                        return "duplicate";
                }
        assert_true(world->row_count < ROWS_MAX);
        world->rows[world->row_count++] = (struct row){.bucket_s = bucket_s, .true_ms = true_ms};
        return "stored";
}

static void measure(struct world *world, const json_t *body)
{
        double sent_at_s = json_number_value(json_object_get(body, "sent_at"));
        int64_t sent_at_us = (int64_t)(sent_at_s * 1e6 + 0.5);

        if (llabs(sent_at_us - world->fake->realtime_us) > MU_US_PER_S)
                world->old_clocks++;
        world->offset_s = mu_clock_offset_measure(world->offset_s, true_us(world), sent_at_us);
}

static void serve(struct fake_platform *fake, struct fake_request *request)
{
        struct world *world = fake->handler_context;
        const json_t *item;
        struct mu_text text;
        size_t i;

        if (world->away) {
                fake_answer_error(request, -ECONNREFUSED);
                return;
        }
        json_t *body = json_loadb(request->body, request->body_bytes, 0, NULL);

        assert_non_null(body);
        measure(world, body);
        mu_text_init(&text);
        if (strcmp(request->path, MU_PATH_HEARTBEAT) == 0) {
                bool fine = strcmp(take(world, body), "rejected") != 0;

                mu_text_add_format(&text, "{\"server_time\":%.3f,\"next_heartbeat_in_s\":300}",
                                   (double)true_us(world) / 1e6);
                assert_true(fine); /* the newest one, by its own clock */
        } else {
                mu_text_add(&text, "{\"results\":[");
                json_array_foreach(json_object_get(body, "heartbeats"), i, item) mu_text_add_format(
                        &text, "%s{\"status\":\"%s\"}", i > 0 ? "," : "", take(world, item));
                mu_text_add(&text, "]}");
        }
        json_decref(body);
        if (world->loses)
                fake_answer_error(request, -ETIMEDOUT);
        else
                fake_answer(request, strcmp(request->path, MU_PATH_HEARTBEAT) == 0 ? 202 : 200,
                            text.data);
        mu_text_done(&text);
}

/* ---- the device ---- */

static void open_agent(struct world *world)
{
        fake_core_open(world->fake, &world->core);
        assert_int_equal(sqlite3_exec(mu_agent_store_database(world->core.store),
                                      "PRAGMA synchronous = OFF", NULL, NULL, NULL),
                         SQLITE_OK);
        assert_int_equal(mu_agent_uplink_create(&world->core, &world->core.uplink), 0);
}

static void close_agent(struct world *world)
{
        mu_agent_uplink_destroy(world->core.uplink);
        fake_core_close(&world->core);
}

static void settle(struct world *world)
{
        json_decref(world->fake->readings.extra);
        world->fake->readings.extra =
                json_pack("{s:I}", "true_ms", (json_int_t)(true_us(world) / MU_US_PER_MS));
        do {
                world->core.changed = false;
                (void)mu_agent_uplink_step(world->core.uplink);
        } while (fake_pump(world->fake) > 0 || world->core.changed);
}

/* Time goes by, in steps in which a retry's time does not go by unseen. */
static void run_s(struct world *world, int64_t seconds)
{
        for (; seconds > 0; seconds -= 30) {
                fake_advance_ms(world->fake, (seconds < 30 ? seconds : 30) * S);
                settle(world);
        }
}

static void set_clock(struct world *world, int64_t error_us)
{
        int64_t now_us = true_us(world) + error_us;

        world->error_us = error_us;
        fake_set_realtime_us(world->fake, now_us);
}

/* To 1970, as one without a battery boots. By the same each time: what differs by less than 5 min
 * is the same clock to the appliance. */
static void forget_time(struct world *world)
{
        set_clock(world, 40 * MU_US_PER_S - FAKE_START_US);
}

static void restart(struct world *world, bool boots, int64_t error_us)
{
        close_agent(world);
        if (boots) {
                (void)snprintf(world->fake->readings.boot_id, sizeof(world->fake->readings.boot_id),
                               "boot-%d", ++world->boots);
                world->fake->monotonic_ns = (uint64_t)(30 * MU_NS_PER_S);
                world->fake->asleep_ns = 0;
                set_clock(world, error_us);
        }
        open_agent(world);
}

static int set_up(void **state)
{
        struct world *world = calloc(1, sizeof(*world));

        assert_non_null(world);
        world->fake = fake_platform_create();
        world->boots = 1;
        world->fake->handler = serve;
        world->fake->handler_context = world;
        open_agent(world);
        *state = world;
        return 0;
}

static int tear_down(void **state)
{
        struct world *world = *state;

        close_agent(world);
        fake_platform_destroy(world->fake);
        free(world);
        return 0;
}

static void come_back(struct world *world)
{
        world->away = false;
        world->loses = false;
        mu_agent_uplink_network(world->core.uplink);
        settle(world);
        run_s(world, 1800);
        struct mu_agent_queue_state depth;

        assert_int_equal(mu_agent_queue_state(world->core.queue, &depth), 0);
        assert_int_equal(depth.heartbeats, 0);
        assert_int_equal(depth.aside, 0);
}

static void assert_right_times(const struct world *world)
{
        for (size_t i = 0; i < world->row_count; i++) {
                int64_t apart_s =
                        llabs(world->rows[i].bucket_s - world->rows[i].true_ms / MU_MS_PER_S);

                if (apart_s > APART_S_MAX)
                        fail_msg("row %zu: read at %lld, stored %lld s off", i,
                                 (long long)world->rows[i].true_ms, (long long)apart_s);
        }
}

/* One row for each of these times, and for none two. */
static void assert_stored(const struct world *world, const int64_t *true_ms, size_t count)
{
        for (size_t i = 0; i < count; i++) {
                size_t rows = 0;

                for (size_t j = 0; j < world->row_count; j++)
                        rows += world->rows[j].true_ms == true_ms[i];
                if (rows != 1)
                        fail_msg("read at %lld: stored %zu times", (long long)true_ms[i], rows);
        }
}

/* ---- tests ---- */

/* From 1970 on nobody answers; then the network comes, and the time with it. */
static void test_1970(void **state)
{
        struct world *world = *state;
        int64_t times[30];

        forget_time(world);
        world->away = true;
        for (size_t i = 0; i < 30; i++) {
                times[i] = true_us(world) / MU_US_PER_MS;
                settle(world);
                fake_advance_ms(world->fake, INTERVAL_MS);
        }
        set_clock(world, 0);
        come_back(world);
        assert_right_times(world);
        assert_stored(world, times, 30);
        assert_true(world->old_clocks > 0); /* what was tried before */
}

/* The same, and it is the agent that is down when the time comes. */
static void test_set_while_it_was_down(void **state)
{
        struct world *world = *state;
        int64_t times[10];

        forget_time(world);
        world->away = true;
        for (size_t i = 0; i < 10; i++) {
                times[i] = true_us(world) / MU_US_PER_MS;
                settle(world);
                fake_advance_ms(world->fake, INTERVAL_MS);
        }
        close_agent(world);
        set_clock(world, 0);
        fake_advance_ms(world->fake, 60 * S);
        open_agent(world);
        come_back(world);
        assert_right_times(world);
        assert_stored(world, times, 10);
}

/* What was stored, and whose answer was lost, is known again after the clock was set. */
static void test_a_lost_answer(void **state)
{
        struct world *world = *state;
        int64_t times[5];

        set_clock(world, 2 * HOUR_S * MU_US_PER_S);
        world->loses = true;
        for (size_t i = 0; i < 5; i++) {
                times[i] = true_us(world) / MU_US_PER_MS;
                settle(world);
                fake_advance_ms(world->fake, INTERVAL_MS);
        }
        size_t stored = world->row_count;

        assert_true(stored > 0);
        set_clock(world, 0);
        come_back(world);
        assert_right_times(world);
        assert_stored(world, times, 5);
        assert_true(world->duplicates > 0);
}

/* A device that was off the network when it was switched off, and boots in 1970. Its newest is
 * answered late: what that answer tells about the others is waited for. */
static void test_another_boot(void **state)
{
        struct world *world = *state;
        int64_t times[10];

        settle(world);
        world->away = true;
        for (size_t i = 0; i < 10; i++) {
                fake_advance_ms(world->fake, INTERVAL_MS);
                times[i] = true_us(world) / MU_US_PER_MS;
                settle(world);
        }
        fake_advance_ms(world->fake, 20 * S);
        restart(world, true, 40 * MU_US_PER_S - true_us(world));
        settle(world);
        world->away = false;
        fake_script(world->fake, MU_PATH_HEARTBEAT, 500, "{}");
        mu_agent_uplink_network(world->core.uplink);
        settle(world);
        come_back(world);
        assert_right_times(world);
        assert_stored(world, times, 10);
}

/* A command's window, a result's age: time goes on while the machine sleeps. */
static void test_asleep(void **state)
{
        struct world *world = *state;

        settle(world);
        assert_int_equal(mu_agent_clock_sync_now_us(&world->core.clock), true_us(world));
        fake_sleep_ms(world->fake, HOUR_S * S);
        assert_int_equal(mu_agent_clock_sync_now_us(&world->core.clock), true_us(world));
        assert_int_equal(mu_agent_clock_sync_offset_us(&world->core.clock), 0);
        world->away = true;
        mu_agent_uplink_note(world->core.uplink);
        settle(world);
        int64_t before_ms = true_us(world) / MU_US_PER_MS;

        fake_sleep_ms(world->fake, 2 * HOUR_S * S);
        come_back(world);
        assert_right_times(world);
        assert_stored(world, &before_ms, 1);
        assert_int_equal(world->old_clocks, 0);
}

/* What can't be kept is sent once, by the clock that dated it. */
static void test_what_the_disk_did_not_take(void **state)
{
        struct world *world = *state;

        fake_script_later(world->fake, MU_PATH_HEARTBEAT, 503, 400, "{}");
        settle(world);
        assert_int_equal(sqlite3_exec(mu_agent_store_database(world->core.store),
                                      "PRAGMA query_only = ON", NULL, NULL, NULL),
                         SQLITE_OK);
        fake_advance_ms(world->fake, INTERVAL_MS);
        int64_t read_ms = true_us(world) / MU_US_PER_MS;

        settle(world);
        set_clock(world, 2 * HOUR_S * MU_US_PER_S);
        fake_advance_ms(world->fake, 101 * S);
        settle(world);
        assert_right_times(world);
        assert_stored(world, &read_ms, 1);
        assert_true(world->old_clocks > 0);
}

static void random_step(struct world *world)
{
        static const int64_t ERRORS_S[] = {0, 0, 5003, -7204, 3 * 86400 + 2, -40 * 86400 - 1};

        switch (mu_random_below(&world->random, 16)) {
        case 0:
        case 1:
                world->away = !world->away;
                break;
        case 2:
                world->loses = !world->loses;
                break;
        case 3:
        case 4:
                set_clock(world, ERRORS_S[mu_random_below(&world->random, 6)] * MU_US_PER_S);
                break;
        case 5:
                forget_time(world);
                break;
        case 6:
                restart(world, false, 0);
                break;
        case 7:
                fake_sleep_ms(world->fake, (int64_t)mu_random_below(&world->random, 7200) * S);
                mu_agent_uplink_note(world->core.uplink);
                break;
        case 8:
                mu_agent_uplink_network(world->core.uplink);
                break;
        default:
                run_s(world, (int64_t)mu_random_below(&world->random, 900));
        }
        settle(world);
}

static void test_random(void **state)
{
        size_t old_clocks = 0;
        size_t redated = 0;
        size_t duplicates = 0;

        (void)state;
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
                struct world *world = NULL;

                (void)set_up((void **)&world);
                mu_random_seed(&world->random, seed);
                for (int i = 0; i < STEPS; i++)
                        random_step(world);
                come_back(world);
                assert_right_times(world);
                old_clocks += world->old_clocks;
                redated += fake_events(world->fake, "queue.redate");
                duplicates += world->duplicates;
                (void)tear_down((void **)&world);
        }
        assert_true(old_clocks > 0 && redated > 0 && duplicates > 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(test_1970),
                TEST(test_set_while_it_was_down),
                TEST(test_a_lost_answer),
                TEST(test_another_boot),
                TEST(test_asleep),
                TEST(test_what_the_disk_did_not_take),
                cmocka_unit_test(test_random),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
