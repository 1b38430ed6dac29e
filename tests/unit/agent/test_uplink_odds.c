/* SPDX-License-Identifier: Apache-2.0 */
/* The uplink on a disk that takes nothing, with an answer that comes too late, and
 * with a result that the appliance fails on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>
#include <sqlite3.h>

#include "core/uplink.h"
#include "fake_world.h"
#include "muster/wire.h"

#define INTERVAL_MS INT64_C(300000)

static int set_up(void **state)
{
        (void)fake_world_set_up(state);
        struct fake_world *world = *state;

        assert_int_equal(mu_agent_uplink_create(&world->core, &world->core.uplink), 0);
        return 0;
}

static void step(struct fake_world *world)
{
        do {
                world->core.changed = false;
                (void)mu_agent_uplink_step(world->core.uplink);
        } while (fake_pump(world->fake) > 0 || world->core.changed);
}

static void next_heartbeat(struct fake_world *world)
{
        fake_advance_ms(world->fake, INTERVAL_MS);
        step(world);
}

static struct mu_agent_queue_state depth(struct fake_world *world)
{
        struct mu_agent_queue_state queue;

        assert_int_equal(mu_agent_queue_state(world->core.queue, &queue), 0);
        return queue;
}

static uint64_t delivered(const struct fake_world *world)
{
        return mu_agent_uplink_state(world->core.uplink).delivered;
}

static void set_read_only(struct fake_world *world, bool is)
{
        assert_int_equal(sqlite3_exec(mu_agent_store_database(world->core.store),
                                      is ? "PRAGMA query_only = ON" : "PRAGMA query_only = OFF",
                                      NULL, NULL, NULL),
                         SQLITE_OK);
}

/* It makes no device silent: what can't be kept is sent once. */
static void test_disk_takes_nothing(void **state)
{
        struct fake_world *world = *state;
        struct fake_platform *fake = world->fake;
        char ts[64];

        fake_script(fake, MU_PATH_HEARTBEAT, 202, "{}");
        step(world);
        assert_int_equal(fake->request_count, 1);
        set_read_only(world, true);
        for (uint64_t i = 2; i < 5; i++) {
                fake_script(fake, MU_PATH_HEARTBEAT, 202, "{}");
                next_heartbeat(world);
                assert_int_equal(fake->request_count, i);
                assert_int_equal(delivered(world), i);
                assert_string_equal(fake_last(fake)->path, MU_PATH_HEARTBEAT);
                (void)snprintf(ts, sizeof(ts), "{\"ts\":%lld.000,",
                               1800000000 + 300 * ((long long)i - 1));
                assert_non_null(strstr(fake_last(fake)->body, ts));
        }
        assert_int_equal(depth(world).heartbeats, 0);
        /* Not taken there either: it is lost, and the next one goes its usual way. */
        fake_script(fake, MU_PATH_HEARTBEAT, 503, "{}");
        next_heartbeat(world);
        assert_int_equal(delivered(world), 4);
        set_read_only(world, false);
        fake_script(fake, MU_PATH_HEARTBEAT, 202, "{}");
        next_heartbeat(world);
        assert_int_equal(delivered(world), 5);
        assert_int_equal(depth(world).heartbeats, 0);
}

/* The answer to a heartbeat that the network has left behind says nothing of the one after it,
 * which is still to go. */
static void test_late_answer(void **state)
{
        struct fake_world *world = *state;
        struct fake_platform *fake = world->fake;

        step(world);
        assert_int_equal(fake->request_count, 1);
        fake_advance_ms(fake, 20000);
        mu_agent_uplink_network(world->core.uplink);
        step(world);
        assert_int_equal(fake->request_count, 2);
        fake_answer(&fake->requests[1], 503, "{}");
        step(world);
        /* The first once more, in a batch; the second waits for its retry. */
        assert_int_equal(fake->request_count, 3);
        fake_answer(&fake->requests[2], 200, "{\"results\":[{\"status\":\"stored\"}]}");
        step(world);
        assert_int_equal(fake->request_count, 3);
        assert_int_equal(depth(world).heartbeats, 1);
        fake_answer(&fake->requests[0], 202, "{\"next_heartbeat_in_s\":300}");
        step(world);
        assert_int_equal(fake->request_count,
                         4); /* the appliance can be reached: it goes at once */
        assert_string_equal(fake_last(fake)->path, MU_PATH_HEARTBEAT);
}

static void fail_on_first(struct fake_platform *fake, struct fake_request *request)
{
        char reply[64];
        const char *id = strstr(request->body, "\"command_id\":\"");
        long long number = id ? strtoll(id + strlen("\"command_id\":\""), NULL, 10) : 0;

        (void)snprintf(reply, sizeof(reply), "{\"command_id\":\"%lld\"}", number);
        if (strcmp(request->path, MU_PATH_ACTION_RESULT) == 0 && number == 1)
                fake_answer(request, 500, "{}");
        else
                fake_answer(request, 200, reply);
        (void)fake;
}

/* A result that the appliance can't take keeps none that waits behind it, and stays. */
static void test_failing_result(void **state)
{
        struct fake_world *world = *state;
        char body[64];

        world->fake->handler = fail_on_first;
        for (int64_t id = 1; id <= 5; id++) {
                int bytes = snprintf(body, sizeof(body), "{\"command_id\":\"%d\"}", (int)id);

                assert_int_equal(
                        mu_agent_queue_result(world->core.queue, id, body, (size_t)bytes, 1), 0);
        }
        mu_agent_uplink_result_queued(world->core.uplink);
        step(world);
        assert_int_equal(depth(world).results, 5);
        /* Its backoff, once. */
        fake_advance_ms(world->fake, 3000);
        step(world);
        assert_int_equal(depth(world).results, 1);
        world->fake->handler = NULL;
        fake_advance_ms(world->fake, MU_AGENT_RETRY_CAP_MS + 1000);
        fake_script(world->fake, MU_PATH_HEARTBEAT, 202, "{}");
        fake_script(world->fake, MU_PATH_ACTION_RESULT, 200, "{\"command_id\":\"1\"}");
        step(world);
        assert_int_equal(depth(world).results, 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_disk_takes_nothing, set_up,
                                                fake_world_tear_down),
                cmocka_unit_test_setup_teardown(test_late_answer, set_up, fake_world_tear_down),
                cmocka_unit_test_setup_teardown(test_failing_result, set_up, fake_world_tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
