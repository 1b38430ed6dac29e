/* SPDX-License-Identifier: Apache-2.0 */
#include "control/alert/remediation.h"

#include <errno.h>

#include "alert_world.h"
#include "base/bus.h"
#include "base/failpoint.h"
#include "control/notify/notifier.h"
#include "fake_clock.h"

/* Nobody listens here; the notifier itself needs not be linked. */
__attribute__((weak)) void mu_notifier_wake(struct mu_notifier *notifier)
{
        (void)notifier;
}

static struct fake_clock fake;
static struct mu_bus *bus;
static struct mu_bus_reader news;

static int setup(void **state)
{
        fake_clock_init(&fake, ALERT_WORLD_US);
        if (mu_bus_create(64, &bus) < 0)
                return -1;
        mu_bus_watch(bus, &news);
        if (alert_world_setup(state) < 0)
                return -1;
        run("INSERT INTO devices (kind, alias, enrolled_by) SELECT 'android', 'd' || n, 'test'"
            " FROM generate_series(1, 5) n");
        run("INSERT INTO device_monitoring (device_id, enabled, auto_remediate, package,"
            " updated_by) VALUES (0, true, true, 'com.example.fleet', 'test')");
        run("INSERT INTO alert_channels (kind, name, config, updated_by)"
            " VALUES ('email', 'ops', '{\"to\":[\"a@b\"]}', 'test')");
        return 0;
}

static int teardown(void **state)
{
#ifdef MUSTER_FAILPOINTS
        mu_failpoint_disarm_all();
#endif
        mu_bus_unwatch(&news);
        mu_bus_destroy(bus);
        return alert_world_teardown(state);
}

static int round_result(bool *ret_more)
{
        const struct mu_remedy_config config = {.bus = bus, .clock = &fake.clock};

        return mu_remedy_round(&config, alert_pg, ret_more);
}

static void round_now(void)
{
        assert_int_equal(round_result(NULL), 0);
}

static void wait_s(int64_t s)
{
        fake_clock_advance_ms(&fake, s * 1000);
}

/* service_down fires: its incident was told. */
static int64_t fire(int64_t device_id)
{
        int64_t incident = number(
                "INSERT INTO alert_incidents (opened_at, updated_at, device_id, kind, rule,"
                " severity, alert_count, firing_count) VALUES ('2026-03-28 12:00+00', '2026-03-28',"
                " %lld, 'device', 'service_down', 'critical', 1, 1) RETURNING id",
                (long long)device_id);

        run("INSERT INTO alert_notifications (incident_id, channel_id, created_at, due_at, kind,"
            " state, finished_at) VALUES (%lld, 1, '2026-03-28', '2026-03-28', 'opened', 'sent',"
            " '2026-03-28')",
            (long long)incident);
        return number("INSERT INTO alerts (device_id, incident_id, pending_at, fired_at, episode,"
                      " state, rule, severity) VALUES (%lld, %lld, '2026-03-28 12:00+00',"
                      " '2026-03-28 12:00+00', 1 + (SELECT count(*) FROM alerts WHERE"
                      "  device_id = %lld AND rule = 'service_down'), 'firing', 'service_down',"
                      " 'critical') RETURNING id",
                      (long long)device_id, (long long)incident, (long long)device_id);
}

static void resolve(int64_t alert_id, const char *by)
{
        run("WITH gone AS (UPDATE alerts SET state = 'resolved', resolved_at ="
            " '2026-03-28 12:30+00', resolved_by = '%s' WHERE id = %lld RETURNING incident_id)"
            " UPDATE alert_incidents SET closed_at = '2026-03-28 12:30+00', firing_count = 0"
            " WHERE id IN (SELECT incident_id FROM gone)",
            by, (long long)alert_id);
}

/* What the device or time made of the newest command. */
static void end_command(const char *state, const char *error)
{
        run("UPDATE commands SET state = '%s', finished_at = now(), result_status ="
            " CASE WHEN '%s' IN ('done', 'failed') THEN '%s' END, result_at ="
            " CASE WHEN '%s' IN ('done', 'failed') THEN now() END, result_error ="
            " nullif('%s', '') WHERE id = (SELECT max(id) FROM commands)",
            state, state, state, state, error);
}

static int64_t commands(void)
{
        return number("SELECT count(*) FROM commands");
}

static int64_t lines(const char *kind)
{
        return number("SELECT count(*) FROM alert_events WHERE kind = '%s'", kind);
}

static int64_t updates_waiting(void)
{
        return number("SELECT count(*) FROM alert_notifications WHERE kind = 'updated'"
                      " AND state = 'waiting'");
}

static int64_t remedied(int64_t alert_id, const char *state, int count)
{
        return number("SELECT count(*) FROM alerts WHERE id = %lld AND remedy_count = %d AND"
                      " remedy_state IS NOT DISTINCT FROM nullif('%s', '')",
                      (long long)alert_id, count, state);
}

/* ---- one episode ---- */

static void a_command_is_queued_once(void **state)
{
        int64_t alert = fire(1);

        (void)state;
        round_now();
        round_now();
        wait_s(7200);
        round_now();
        assert_int_equal(commands(), 1);
        assert_int_equal(number("SELECT count(*) FROM commands WHERE device_id = 1 AND"
                                " type = 'relaunch_app' AND state = 'queued' AND payload ="
                                " '{\"package\":\"com.example.fleet\"}' AND"
                                " created_by = 'alert:%lld' AND ttl_s = 3600",
                                (long long)alert),
                         1);
        assert_int_equal(remedied(alert, "sent", 1), 1);
        assert_int_equal(number("SELECT count(*) FROM alert_events WHERE kind = 'remedy_sent'"
                                " AND alert_id = %lld AND device_id = 1 AND incident_id = 1 AND"
                                " at = '2026-03-28 12:00+00' AND detail ->> 'try' = '1' AND"
                                " detail ->> 'of' = '3' AND detail ->> 'command_id' ="
                                " (SELECT id::text FROM commands)",
                                (long long)alert),
                         1);
        assert_int_equal(number("SELECT count(*) FROM audit_log WHERE action = 'command.create'"
                                " AND actor = 'alert:%lld' AND subject = 'command:1'",
                                (long long)alert),
                         1);
        assert_int_equal(updates_waiting(), 0);

        struct mu_bus_event event;
        uint64_t lost;

        assert_int_equal(mu_bus_read(&news, &event, 1, &lost), 1);
        assert_int_equal(event.kind, MU_BUS_ALERT);
        assert_int_equal(event.device_id, 1);
        assert_int_equal(event.as.alert.alert_id, alert);
        assert_int_equal(event.as.alert.firing_count, 1);
        assert_string_equal(event.as.alert.change, "remedy_sent");
        assert_string_equal(event.as.alert.rule, "service_down");
        assert_int_equal(mu_bus_read(&news, &event, 1, &lost), 0);
}

static void three_tries_with_longer_waits(void **state)
{
        static const int64_t waits_s[] = {120, 600};
        int64_t alert = fire(1);

        (void)state;
        round_now();
        for (int i = 0; i < 2; i++) {
                end_command("failed", "no such app");
                wait_s(30);
                round_now();
                assert_int_equal(remedied(alert, "failed", i + 1), 1);
                assert_int_equal(lines("remedy_failed"), i + 1);
                assert_int_equal(updates_waiting(), 1); /* however often */
                wait_s(waits_s[i] - 1);
                round_now();
                assert_int_equal(commands(), i + 1);
                wait_s(1);
                round_now();
                assert_int_equal(commands(), i + 2);
                assert_int_equal(remedied(alert, "sent", i + 2), 1);
        }
        assert_int_equal(number("SELECT count(*) FROM alert_events WHERE kind = 'remedy_failed'"
                                " AND detail ->> 'error' = 'no such app' AND"
                                " detail ->> 'state' = 'failed'"),
                         2);
        end_command("failed", "no such app");
        round_now();
        assert_int_equal(lines("remedy_gave_up"), 1); /* there is nothing to wait for */
        assert_int_equal(remedied(alert, "gave_up", 3), 1);
        wait_s(86400);
        round_now();
        assert_int_equal(commands(), 3);
        assert_int_equal(lines("remedy_gave_up"), 1);
        resolve(alert, "recovered");
        round_now();
        assert_int_equal(lines("remedy_worked"), 0);
        assert_int_equal(remedied(alert, "", 3), 1);
}

static void done_and_still_down(void **state)
{
        int64_t alert = fire(1);

        (void)state;
        for (int i = 0; i < 3; i++) {
                round_now();
                assert_int_equal(commands(), i + 1);
                end_command("done", "");
                round_now();
                assert_int_equal(remedied(alert, "done", i + 1), 1);
                wait_s(i == 0 ? 120 : i == 1 ? 600 : 1799);
        }
        round_now();
        assert_int_equal(lines("remedy_gave_up"), 0);
        wait_s(1);
        round_now();
        assert_int_equal(lines("remedy_gave_up"), 1);
        assert_int_equal(lines("remedy_done"), 3);
        assert_int_equal(commands(), 3);
}

static void it_worked(void **state)
{
        int64_t alert = fire(1);

        (void)state;
        round_now();
        end_command("done", "");
        round_now();
        assert_int_equal(lines("remedy_worked"), 0);
        resolve(alert, "recovered");
        round_now();
        round_now();
        assert_int_equal(lines("remedy_done"), 1);
        assert_int_equal(lines("remedy_worked"), 1);
        assert_int_equal(remedied(alert, "", 1), 1);
        /* Another time, from the beginning. */
        int64_t again = fire(1);

        wait_s(1);
        round_now();
        assert_int_equal(remedied(again, "sent", 1), 1);
        assert_int_equal(commands(), 2);
}

static void the_result_comes_after_the_recovery(void **state)
{
        int64_t alert = fire(1);

        (void)state;
        round_now();
        run("UPDATE commands SET state = 'received', received_at = now()");
        resolve(alert, "recovered");
        round_now();
        assert_int_equal(remedied(alert, "sent", 1), 1);
        end_command("done", "");
        round_now();
        assert_int_equal(lines("remedy_done"), 1);
        assert_int_equal(lines("remedy_worked"), 1);
        assert_int_equal(updates_waiting(), 0); /* people were told that it is over */
}

static void ended_by_something_else(void **state)
{
        int64_t alert = fire(1);

        (void)state;
        round_now();
        end_command("done", "");
        resolve(alert, "monitoring-changed");
        round_now();
        assert_int_equal(lines("remedy_worked"), 0);
        assert_int_equal(remedied(alert, "", 1), 1);
}

static void what_has_not_gone_out_is_taken_back(void **state)
{
        int64_t alert = fire(1);

        (void)state;
        round_now();
        resolve(alert, "recovered");
        round_now();
        assert_int_equal(number("SELECT count(*) FROM commands WHERE state = 'cancelled'"
                                " AND error = 'The alert was over before it was sent.'"),
                         1);
        assert_int_equal(lines("remedy_cancelled"), 1);
        assert_int_equal(remedied(alert, "", 1), 1);
        /* What is on its way is not. */
        alert = fire(2);
        round_now();
        run("UPDATE commands SET state = 'sent', sent_at = now() WHERE device_id = 2");
        resolve(alert, "recovered");
        round_now();
        assert_int_equal(number("SELECT count(*) FROM commands WHERE state = 'sent'"), 1);
        assert_int_equal(remedied(alert, "sent", 1), 1);
        /* And while it is, a new episode sends no second. */
        int64_t again = fire(2);

        round_now();
        assert_int_equal(remedied(again, "", 0), 1);
        end_command("expired", "");
        round_now();
        assert_int_equal(remedied(again, "sent", 1), 1);
}

static void commands_that_end_without_the_device(void **state)
{
        int64_t alert = fire(1);

        (void)state;
        round_now();
        run("UPDATE commands SET state = 'expired', finished_at = now(), error = 'Never "
            "received.'");
        round_now();
        assert_int_equal(number("SELECT count(*) FROM alert_events WHERE kind = 'remedy_failed'"
                                " AND detail ->> 'state' = 'expired'"
                                " AND detail ->> 'error' = 'Never received.'"),
                         1);
        wait_s(120);
        round_now();
        run("DELETE FROM commands");
        round_now();
        assert_int_equal(number("SELECT count(*) FROM alert_events WHERE kind = 'remedy_failed'"
                                " AND detail ->> 'state' = 'gone'"),
                         1);
        assert_int_equal(remedied(alert, "failed", 2), 1);
}

/* ---- who gets none ---- */

static void who_gets_none(void **state)
{
        (void)state;
        for (int64_t device = 1; device <= 5; device++)
                (void)fire(device);
        run("UPDATE devices SET quarantined_at = now() WHERE id = 1");
        run("UPDATE devices SET deleted_at = now() WHERE id = 2");
        run("INSERT INTO alerts (device_id, pending_at, fired_at, episode, state, rule, severity)"
            " VALUES (3, now(), now(), 1, 'firing', 'offline', 'critical')");
        run("INSERT INTO device_monitoring (device_id, auto_remediate, updated_by)"
            " VALUES (4, false, 'test')");
        run("INSERT INTO device_monitoring (device_id, enabled, updated_by)"
            " VALUES (5, false, 'test')");
        round_now();
        assert_int_equal(commands(), 0);
        run("UPDATE devices SET quarantined_at = NULL, deleted_at = NULL");
        run("UPDATE alerts SET state = 'resolved', resolved_at = now() WHERE rule = 'offline'");
        run("UPDATE device_monitoring SET auto_remediate = NULL, enabled = NULL, package ="
            " 'com.example.own' WHERE device_id <> 0");
        round_now();
        assert_int_equal(commands(), 5);
        assert_int_equal(number("SELECT count(*) FROM commands WHERE payload ="
                                " '{\"package\":\"com.example.own\"}' AND device_id IN (4, 5)"),
                         2);
}

static void nothing_unless_it_is_wanted(void **state)
{
        (void)state;
        run("DELETE FROM device_monitoring");
        (void)fire(1);
        run("INSERT INTO alerts (device_id, pending_at, fired_at, episode, state, rule, severity)"
            " VALUES (2, now(), now(), 1, 'firing', 'low_battery', 'warning'),"
            " (3, now(), NULL, 1, 'pending', 'service_down', 'warning')");
        round_now();
        run("INSERT INTO device_monitoring (device_id, auto_remediate, updated_by)"
            " VALUES (0, true, 'test')");
        round_now(); /* no package */
        assert_int_equal(commands(), 0);
        run("UPDATE device_monitoring SET package = 'a'");
        round_now();
        assert_int_equal(commands(), 1);
}

static void a_device_for_which_too_many_wait(void **state)
{
        int64_t alert = fire(1);

        (void)state;
        run("INSERT INTO commands (device_id, expires_at, queued_at, ttl_s, state, type, payload,"
            " created_by) SELECT 1, now() + interval '1 day', now(), 3600, 'queued', 'ping', '{}',"
            " 'test' FROM generate_series(1, 500)");
        round_now();
        round_now();
        assert_int_equal(commands(), 500);
        assert_int_equal(remedied(alert, "", 0), 1);
        run("DELETE FROM commands WHERE id <= 10");
        round_now();
        assert_int_equal(commands(), 490); /* later */
        wait_s(120);
        round_now();
        assert_int_equal(commands(), 491);
}

static void many_at_once(void **state)
{
        bool more = false;

        (void)state;
        run("INSERT INTO devices (kind, alias, enrolled_by) SELECT 'android', 'm' || n, 'test'"
            " FROM generate_series(6, 250) n");
        run("INSERT INTO alerts (device_id, pending_at, fired_at, episode, state, rule, severity)"
            " SELECT id, now(), now(), 1, 'firing', 'service_down', 'critical' FROM devices");
        assert_int_equal(round_result(&more), 0);
        assert_true(more);
        assert_int_equal(commands(), 100);
        assert_int_equal(round_result(&more), 0);
        assert_true(more);
        assert_int_equal(round_result(&more), 0);
        assert_false(more);
        assert_int_equal(commands(), 250);
        run("UPDATE commands SET state = 'done', finished_at = now()");
        for (int i = 0; i < 3; i++)
                assert_int_equal(round_result(&more), 0);
        assert_false(more);
        assert_int_equal(lines("remedy_done"), 250);
}

/* ---- failures ---- */

#ifdef MUSTER_FAILPOINTS
static void a_transaction_that_fails_leaves_nothing(void **state)
{
        static const char *const points[] = {"remedy.queued=error:EIO*1",
                                             "remedy.commit=error:EIO*1"};
        int64_t alert = fire(1);

        (void)state;
        for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
                assert_int_equal(mu_failpoint_arm(points[i]), 0);
                assert_int_equal(round_result(NULL), -EIO);
                assert_int_equal(commands(), 0);
                assert_int_equal(remedied(alert, "", 0), 1);
                assert_int_equal(number("SELECT count(*) FROM alert_events"), 0);
                assert_int_equal(number("SELECT count(*) FROM audit_log"), 0);
        }
        round_now();
        assert_int_equal(commands(), 1);
        end_command("failed", "x");
        assert_int_equal(mu_failpoint_arm("remedy.commit=error:EIO*1"), 0);
        assert_int_equal(round_result(NULL), -EIO);
        assert_int_equal(lines("remedy_failed"), 0);
        assert_int_equal(updates_waiting(), 0);
        round_now();
        assert_int_equal(lines("remedy_failed"), 1);
        assert_int_equal(updates_waiting(), 1);
}
#endif

#undef TEST
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(a_command_is_queued_once),
                TEST(three_tries_with_longer_waits),
                TEST(done_and_still_down),
                TEST(it_worked),
                TEST(the_result_comes_after_the_recovery),
                TEST(ended_by_something_else),
                TEST(what_has_not_gone_out_is_taken_back),
                TEST(commands_that_end_without_the_device),
                TEST(who_gets_none),
                TEST(nothing_unless_it_is_wanted),
                TEST(a_device_for_which_too_many_wait),
                TEST(many_at_once),
#ifdef MUSTER_FAILPOINTS
                TEST(a_transaction_that_fails_leaves_nothing),
#endif
        };

        return cmocka_run_group_tests(tests, alert_group_setup, test_pg_group_teardown);
}
