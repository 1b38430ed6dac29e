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
#include "fake_platform.h"
#include "muster/wire.h"

#define INTERVAL_MS INT64_C(300000)

struct fixture {
        struct fake_platform *fake;
        struct mu_agent_core core;
};

static int set_up(void **state)
{
        struct fixture *fixture = calloc(1, sizeof(*fixture));

        assert_non_null(fixture);
        fixture->fake = fake_platform_create();
        fake_core_open(fixture->fake, &fixture->core);
        assert_int_equal(mu_agent_uplink_create(&fixture->core, &fixture->core.uplink), 0);
        *state = fixture;
        return 0;
}

static int tear_down(void **state)
{
        struct fixture *fixture = *state;

        mu_agent_uplink_destroy(fixture->core.uplink);
        fake_core_close(&fixture->core);
        fake_platform_destroy(fixture->fake);
        free(fixture);
        return 0;
}

static void step(struct fixture *fixture)
{
        do {
                fixture->core.changed = false;
                (void)mu_agent_uplink_step(fixture->core.uplink);
        } while (fake_pump(fixture->fake) > 0 || fixture->core.changed);
}

static void next_heartbeat(struct fixture *fixture)
{
        fake_advance_ms(fixture->fake, INTERVAL_MS);
        step(fixture);
}

static struct mu_agent_queue_state depth(struct fixture *fixture)
{
        struct mu_agent_queue_state queue;

        assert_int_equal(mu_agent_queue_state(fixture->core.queue, &queue), 0);
        return queue;
}

static uint64_t delivered(const struct fixture *fixture)
{
        return mu_agent_uplink_state(fixture->core.uplink).delivered;
}

static void set_read_only(struct fixture *fixture, bool is)
{
        assert_int_equal(sqlite3_exec(mu_agent_store_database(fixture->core.store),
                                      is ? "PRAGMA query_only = ON" : "PRAGMA query_only = OFF",
                                      NULL, NULL, NULL),
                         SQLITE_OK);
}

/* It makes no device silent: what can't be kept is sent once. */
static void test_disk_takes_nothing(void **state)
{
        struct fixture *fixture = *state;
        struct fake_platform *fake = fixture->fake;
        char ts[64];

        fake_script(fake, MU_PATH_HEARTBEAT, 202, "{}");
        step(fixture);
        assert_int_equal(fake->request_count, 1);
        set_read_only(fixture, true);
        for (uint64_t i = 2; i < 5; i++) {
                fake_script(fake, MU_PATH_HEARTBEAT, 202, "{}");
                next_heartbeat(fixture);
                assert_int_equal(fake->request_count, i);
                assert_int_equal(delivered(fixture), i);
                assert_string_equal(fake_last(fake)->path, MU_PATH_HEARTBEAT);
                (void)snprintf(ts, sizeof(ts), "{\"ts\":%lld.000,",
                               1800000000 + 300 * ((long long)i - 1));
                assert_non_null(strstr(fake_last(fake)->body, ts));
        }
        assert_int_equal(depth(fixture).heartbeats, 0);
        /* Not taken there either: it is lost, and the next one goes its usual way. */
        fake_script(fake, MU_PATH_HEARTBEAT, 503, "{}");
        next_heartbeat(fixture);
        assert_int_equal(delivered(fixture), 4);
        set_read_only(fixture, false);
        fake_script(fake, MU_PATH_HEARTBEAT, 202, "{}");
        next_heartbeat(fixture);
        assert_int_equal(delivered(fixture), 5);
        assert_int_equal(depth(fixture).heartbeats, 0);
}

/* The answer to a heartbeat that the network has left behind says nothing of the one after it,
 * which is still to go. */
static void test_late_answer(void **state)
{
        struct fixture *fixture = *state;
        struct fake_platform *fake = fixture->fake;

        step(fixture);
        assert_int_equal(fake->request_count, 1);
        fake_advance_ms(fake, 20000);
        mu_agent_uplink_network(fixture->core.uplink);
        step(fixture);
        assert_int_equal(fake->request_count, 2);
        fake_answer(&fake->requests[1], 503, "{}");
        step(fixture);
        /* The first once more, in a batch; the second waits for its retry. */
        assert_int_equal(fake->request_count, 3);
        fake_answer(&fake->requests[2], 200, "{\"results\":[{\"status\":\"stored\"}]}");
        step(fixture);
        assert_int_equal(fake->request_count, 3);
        assert_int_equal(depth(fixture).heartbeats, 1);
        fake_answer(&fake->requests[0], 202, "{\"next_heartbeat_in_s\":300}");
        step(fixture);
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
        struct fixture *fixture = *state;
        char body[64];

        fixture->fake->handler = fail_on_first;
        for (int64_t id = 1; id <= 5; id++) {
                int bytes = snprintf(body, sizeof(body), "{\"command_id\":\"%d\"}", (int)id);

                assert_int_equal(
                        mu_agent_queue_result(fixture->core.queue, id, body, (size_t)bytes, 1), 0);
        }
        mu_agent_uplink_result_queued(fixture->core.uplink);
        step(fixture);
        assert_int_equal(depth(fixture).results, 5);
        /* Its backoff, once. */
        fake_advance_ms(fixture->fake, 3000);
        step(fixture);
        assert_int_equal(depth(fixture).results, 1);
        fixture->fake->handler = NULL;
        fake_advance_ms(fixture->fake, MU_AGENT_RETRY_CAP_MS + 1000);
        fake_script(fixture->fake, MU_PATH_HEARTBEAT, 202, "{}");
        fake_script(fixture->fake, MU_PATH_ACTION_RESULT, 200, "{\"command_id\":\"1\"}");
        step(fixture);
        assert_int_equal(depth(fixture).results, 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_disk_takes_nothing, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_late_answer, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_failing_result, set_up, tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
