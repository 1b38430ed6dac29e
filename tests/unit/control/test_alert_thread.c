/* SPDX-License-Identifier: Apache-2.0 */
/* The alert thread's begin: nothing is judged by rules that it has not read yet. */
#include "control/alert/alert_thread.h"

#include <semaphore.h>

#include "alert_world.h"
#include "base/bus.h"
#include "base/qsbr.h"
#include "control/alert/appliance_facts.h"
#include "fake_clock.h"
#include "identity/device_table.h"
#include "scratch.h"

static sem_t looks; /* at the facts */

/* Nearly full: a breach of what is built in. */
static void facts(void *ctx, struct mu_appliance_facts *ret_facts)
{
        (void)ctx;
        *ret_facts = (struct mu_appliance_facts){.disk_free_bytes = 5,
                                                 .disk_total_bytes = 100,
                                                 .journal_accepting = true,
                                                 .storing = true};
        (void)sem_post(&looks);
}

/* From a start until the appliance was judged by the rules, and what came of it is written. */
static void run_a_while(void)
{
        void *directory = NULL;
        struct mu_device_table *devices;
        struct mu_alert_thread *alerts;
        struct mu_qsbr *qsbr;
        struct mu_bus *bus;
        struct fake_clock fake;

        fake_clock_init(&fake, ALERT_WORLD_US);
        assert_int_equal(scratch_setup(&directory), 0);
        assert_int_equal(mu_qsbr_create(2, &qsbr), 0);
        assert_int_equal(mu_device_table_create(qsbr, &devices), 0);
        mu_device_table_set_authoritative(devices);
        assert_int_equal(mu_bus_create(64, &bus), 0);
        const struct mu_alert_config config = {
                .database = alert_postgres->database,
                .devices = devices,
                .bus = bus,
                .clock = &fake.clock,
                .directory = directory,
                .tick_ms = 5,
                .heartbeat_interval_s = 60,
                .group_devices = 5,
                .group_window_s = 60,
                .facts = facts,
        };

        assert_int_equal(sem_init(&looks, 0, 0), 0);
        assert_int_equal(mu_alert_thread_create(&config, &alerts), 0);
        assert_int_equal(mu_alert_thread_start(alerts), 0);
        /* The second look follows the reading of the rules; its round ends before stop does. */
        for (int i = 0; i < 2; i++)
                while (sem_wait(&looks) < 0)
                        ;
        mu_alert_thread_stop(alerts);
        mu_alert_thread_destroy(alerts);
        (void)sem_destroy(&looks);
        mu_bus_destroy(bus);
        mu_device_table_destroy(devices);
        mu_qsbr_destroy(qsbr);
        assert_int_equal(scratch_teardown(&directory), 0);
}

static void test_a_rule_that_is_off_is_off_from_the_start(void **state)
{
        (void)state;
        run("DELETE FROM alert_rules");
        run("INSERT INTO alert_rules (rule, scope, enabled, updated_by)"
            " VALUES ('disk', 'fleet', false, 'test')");
        run_a_while();
        assert_int_equal(number("SELECT count(*) FROM alert_events WHERE rule = 'disk'"), 0);
        run("UPDATE alert_rules SET enabled = NULL, threshold = 3");
        run_a_while();
        assert_int_equal(number("SELECT count(*) FROM alert_events WHERE rule = 'disk'"), 0);
        run("DELETE FROM alert_rules");
        run_a_while();
        assert_int_equal(number("SELECT count(*) FROM alerts WHERE rule = 'disk'"
                                " AND state = 'firing' AND value = 5 AND threshold = 10"),
                         1);
        assert_int_equal(
                number("SELECT count(*) FROM alert_events WHERE rule = 'disk' AND kind = 'fired'"),
                1);
}

/* A hold begins anew in memory: not for what fires already. */
static void test_what_fires_goes_on_over_a_start(void **state)
{
        (void)state;
        run("DELETE FROM alert_rules");
        run_a_while();
        run("INSERT INTO alert_rules (rule, scope, hold_s, updated_by)"
            " VALUES ('disk', 'fleet', 300, 'test')");
        run_a_while();
        assert_int_equal(
                number("SELECT count(*) FROM alerts WHERE rule = 'disk' AND state = 'firing'"), 1);
        assert_int_equal(number("SELECT count(*) FROM alert_events WHERE rule = 'disk' AND kind <> "
                                "'opened'"),
                         1);
        run("DELETE FROM alert_rules");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_a_rule_that_is_off_is_off_from_the_start),
                TEST(test_what_fires_goes_on_over_a_start),
        };

        return cmocka_run_group_tests(tests, alert_group_setup, test_pg_group_teardown);
}
