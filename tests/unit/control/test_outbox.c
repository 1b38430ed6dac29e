/* SPDX-License-Identifier: Apache-2.0 */
/* Who is told of what: the outbox's one statement, and the notices made from the rows. */
#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../pg/fixture.h"
#include "base/clock.h"
#include "control/notify/notice.h"
#include "control/notify/outbox.h"

static const int64_t now_us = INT64_C(1795000000) * MU_US_PER_S;

struct world {
        struct test_pg *test;
        struct mu_pg *pg;
};

static int begin_test(void **state)
{
        static struct world world;

        world.test = *state;
        world.pg = test_pg_acquire(world.test);
        test_pg_run(world.pg,
                    "TRUNCATE alert_channels, alert_incidents, alerts, alert_notifications,"
                    " alert_events, alert_silences, devices, users RESTART IDENTITY"
                    " CASCADE");
        test_pg_run(world.pg,
                    "INSERT INTO devices (id, kind, alias, enrolled_by, site, tags) VALUES"
                    " (1, 'android', 'Till 1', 'test', 'Berlin', '{tills}'),"
                    " (2, 'android', 'Till 2', 'test', 'Bonn', '{tills,old}'),"
                    " (3, 'android', 'Board', 'test', NULL, '{}')");
        *state = &world;
        return 0;
}

static int end_test(void **state)
{
        struct world *world = *state;

        mu_database_release(world->test->database, world->pg);
        *state = world->test;
        return 0;
}

/* Of device 1 (0: the appliance). */
static int64_t incident(struct world *world, int64_t device_id, const char *rule,
                        const char *severity)
{
        char sql[400];

        (void)snprintf(sql, sizeof(sql),
                       "INSERT INTO alert_incidents (opened_at, updated_at, kind, device_id, rule,"
                       " severity, alert_count, firing_count) VALUES (to_timestamp(1795000000),"
                       " to_timestamp(1795000000), '%s', nullif(%lld, 0), '%s', '%s', 1, 1)"
                       " RETURNING id",
                       device_id ? "device" : "appliance", (long long)device_id, rule, severity);
        return test_pg_number(world->pg, sql);
}

static int64_t channel(struct world *world, const char *columns, const char *values)
{
        char sql[400];

        (void)snprintf(sql, sizeof(sql),
                       "INSERT INTO alert_channels (kind, name, updated_by%s) SELECT 'webhook',"
                       " 'c' || nextval(pg_get_serial_sequence('alert_channels', 'id')), 'test'%s"
                       " RETURNING id",
                       columns, values);
        return test_pg_number(world->pg, sql);
}

static uint64_t add(struct world *world, int64_t id, enum mu_notice_kind kind)
{
        uint64_t rows = 0;

        assert_int_equal(mu_pg_begin(world->pg), 0);
        if (mu_alert_outbox_add(world->pg, &id, 1, kind, now_us, now_us + 1000, &rows) < 0)
                fail_msg("%s", mu_pg_last_error(world->pg)->text);
        assert_int_equal(mu_pg_commit(world->pg), 0);
        return rows;
}

static int64_t count(struct world *world, const char *where)
{
        char sql[300];

        (void)snprintf(sql, sizeof(sql), "SELECT count(*) FROM alert_notifications WHERE %s",
                       where);
        return test_pg_number(world->pg, sql);
}

static void sent(struct world *world, const char *where)
{
        char sql[300];

        (void)snprintf(sql, sizeof(sql), "UPDATE alert_notifications SET state = 'sent' WHERE %s",
                       where);
        test_pg_run(world->pg, sql);
}

static void channels_take_what_they_are_set_to(void **state)
{
        struct world *world = *state;

        (void)channel(world, "", "");                                      /* 1: everything */
        (void)channel(world, ", min_severity", ", 'critical'");            /* 2 */
        (void)channel(world, ", rules", ", '{low_battery,disk}'::text[]"); /* 3 */
        (void)channel(world, ", tags", ", '{tills}'::text[]");             /* 4 */
        (void)channel(world, ", sites", ", '{Bonn}'::text[]");             /* 5 */
        (void)channel(world, ", tags, sites", ", '{old}'::text[], '{Berlin}'::text[]"); /* 6 */
        (void)channel(world, ", enabled", ", false");
        (void)channel(world, ", deleted_at", ", now()");
        (void)channel(world, ", mode", ", 'digest'");
        test_pg_run(world->pg, "UPDATE alert_channels SET name = 'n' || id");
        assert_int_equal(add(world, incident(world, 1, "offline", "warning"), MU_NOTICE_OPENED), 2);
        assert_int_equal(add(world, incident(world, 2, "offline", "critical"), MU_NOTICE_OPENED),
                         4);
        assert_int_equal(add(world, incident(world, 3, "low_battery", "info"), MU_NOTICE_OPENED),
                         2);
        /* The appliance's: tags and sites do not matter. */
        assert_int_equal(add(world, incident(world, 0, "disk", "critical"), MU_NOTICE_OPENED), 6);
        assert_int_equal(count(world, "due_at = created_at + interval '1 millisecond'"), 14);
}

static void any_member_of_a_group_counts(void **state)
{
        struct world *world = *state;

        (void)channel(world, ", tags", ", '{old}'::text[]");
        int64_t id = test_pg_number(
                world->pg, "INSERT INTO alert_incidents (opened_at, updated_at, kind, group_key,"
                           " rule, severity) VALUES (to_timestamp(1795000000), now(), 'site',"
                           " 'Berlin', 'offline', 'warning') RETURNING id");

        test_pg_run(world->pg, "INSERT INTO alerts (device_id, incident_id, pending_at, fired_at,"
                               " episode, state, rule, severity) VALUES (1, 1, now(), now(), 1,"
                               " 'firing', 'offline', 'warning')");
        assert_int_equal(add(world, id, MU_NOTICE_OPENED), 0);
        /* Another one joins: the channel that takes it hears of it as of something new. */
        test_pg_run(world->pg, "INSERT INTO alerts (device_id, incident_id, pending_at, fired_at,"
                               " episode, state, rule, severity) VALUES (2, 1, now(), now(), 1,"
                               " 'firing', 'offline', 'warning')");
        assert_int_equal(add(world, id, MU_NOTICE_UPDATED), 1);
        assert_int_equal(count(world, "kind = 'opened'"), 1);
        assert_int_equal(add(world, id, MU_NOTICE_OPENED), 0); /* once */
}

static void updates_become_one_row(void **state)
{
        struct world *world = *state;
        int64_t id = incident(world, 1, "offline", "warning");

        (void)channel(world, "", "");
        (void)channel(world, ", min_severity", ", 'critical'");
        assert_int_equal(add(world, id, MU_NOTICE_OPENED), 1);
        for (int i = 0; i < 5; i++)
                assert_int_equal(add(world, id, MU_NOTICE_UPDATED), 1);
        assert_int_equal(count(world, "kind = 'updated' AND incident_version = 6"), 1);
        sent(world, "kind = 'updated'");
        assert_int_equal(add(world, id, MU_NOTICE_UPDATED), 1);
        assert_int_equal(count(world, "kind = 'updated'"), 2);
        /* It got worse: the second channel takes it now. */
        test_pg_run(world->pg, "UPDATE alert_incidents SET severity = 'critical'");
        assert_int_equal(add(world, id, MU_NOTICE_UPDATED), 2);
        assert_int_equal(count(world, "kind = 'opened' AND channel_id = (SELECT max(id) FROM"
                                      " alert_channels)"),
                         1);
}

static void an_end_goes_where_the_beginning_went_and_once(void **state)
{
        struct world *world = *state;
        int64_t id = incident(world, 1, "offline", "warning");

        for (int i = 0; i < 4; i++)
                (void)channel(world, "", "");
        assert_int_equal(add(world, id, MU_NOTICE_OPENED), 4);
        test_pg_run(world->pg, "UPDATE alert_notifications SET state = (ARRAY['sent', 'waiting',"
                               " 'failed', 'dropped'])[(SELECT count(*) FROM alert_notifications o"
                               " WHERE o.id <= alert_notifications.id)]");
        assert_int_equal(add(world, id, MU_NOTICE_CLOSED), 2);
        assert_int_equal(add(world, id, MU_NOTICE_CLOSED), 0);
        /* Who was never told of it does not hear of an update, nor of a beginning once more. */
        assert_int_equal(add(world, id, MU_NOTICE_UPDATED), 2);
}

static void a_merged_one_is_updated_only(void **state)
{
        struct world *world = *state;
        int64_t id = incident(world, 1, "offline", "warning");

        (void)channel(world, "", "");
        assert_int_equal(add(world, id, MU_NOTICE_OPENED), 1);
        sent(world, "true");
        test_pg_run(world->pg, "UPDATE alert_incidents SET merged_into = 99, closed_at = now()");
        (void)channel(world, "", ""); /* would take it, but it is no longer one */
        assert_int_equal(add(world, id, MU_NOTICE_UPDATED), 1);
        assert_int_equal(add(world, id, MU_NOTICE_CLOSED), 0);
        assert_int_equal(add(world, id, MU_NOTICE_OPENED), 0);
}

static void texts_of_their_own(void **state)
{
        struct world *world = *state;
        int64_t id = channel(world, "", "");
        int64_t row;

        assert_int_equal(mu_alert_outbox_add_text(world->pg, id, MU_NOTICE_TEST, "A \"test\"",
                                                  "text", "{\"by\":\"anna\"}", now_us, &row),
                         0);
        assert_int_equal(count(world, "kind = 'test' AND detail->>'title' = 'A \"test\"' AND"
                                      " detail->'data'->>'by' = 'anna' AND due_at = 'epoch'"),
                         1);
        assert_int_equal(mu_alert_outbox_add_text(world->pg, id + 1, MU_NOTICE_TEST, "a", "b", NULL,
                                                  now_us, &row),
                         -ENOENT);
        test_pg_run(world->pg, "UPDATE alert_channels SET enabled = false");
        assert_int_equal(mu_alert_outbox_add_text(world->pg, id, MU_NOTICE_TEST, "a", "b", NULL,
                                                  now_us, &row),
                         -ENOENT);
}

/* ---- notices ---- */

static void read_notice(struct world *world, int64_t id, struct mu_notice *notice)
{
        int code = mu_notice_read(world->pg, id, MU_NOTICE_OPENED, "https://m.example", now_us,
                                  notice);

        if (code < 0)
                fail_msg("%d: %s", code, mu_pg_last_error(world->pg)->text);
}

static void a_device_is_told_of_in_sentences(void **state)
{
        static const struct {
                const char *rule;
                const char *value;
                const char *threshold;
                const char *detail;
                const char *title;
                const char *what;
        } cases[] = {
                {"offline", "780", "720", "NULL", "Device offline: Till 1",
                 "No request for 13 min (limit 12 min)."},
                {"low_battery", "9", "15", "NULL", "Low battery: Till 1",
                 "Battery at 9 % (limit 15 %)."},
                {"service_down", "75", "10",
                 "'{\"service\":\"Speedtest\",\"last_foreground_at\":\"2026-11-21T08:00:00Z\"}'",
                 "Service down: Till 1",
                 "Speedtest was last in the foreground 1 h 15 min ago (limit 10 min), at "
                 "2026-11-21T08:00:00Z."},
                {"agent_outdated", "NULL", "NULL", "'{\"version\":\"1.2\",\"least\":\"2.0\"}'",
                 "Agent outdated: Till 1", "The agent's version is 1.2; at least 2.0 is wanted."},
                {"offline", "780", "720", "'{\"text\":\"Said otherwise.\"}'",
                 "Device offline: Till 1", "Said otherwise."},
                {"brand_new", "1", "2", "NULL", "brand_new: Till 1", ""},
        };
        struct world *world = *state;

        for (size_t i = 0; i < MU_COUNT_OF(cases); i++) {
                int64_t id = incident(world, 1, cases[i].rule, "warning");
                struct mu_notice notice;
                char sql[500];

                (void)snprintf(sql, sizeof(sql),
                               "INSERT INTO alerts (device_id, incident_id, pending_at, fired_at,"
                               " resolved_at, episode, state, rule, severity, value, threshold,"
                               " detail) VALUES (1, %lld, now(), now(), now(), %zu, 'resolved', "
                               "'%s', 'warning', %s, %s,"
                               " %s::jsonb)",
                               (long long)id, i + 1, cases[i].rule, cases[i].value,
                               cases[i].threshold, cases[i].detail);
                test_pg_run(world->pg, sql);
                read_notice(world, id, &notice);
                assert_string_equal(notice.title, cases[i].title);
                assert_string_equal(notice.what, cases[i].what);
                assert_string_equal(notice.where, "Site Berlin");
                (void)snprintf(sql, sizeof(sql), "https://m.example/incidents/%lld", (long long)id);
                assert_string_equal(notice.link, sql);
                mu_notice_done(&notice);
        }
}

static void a_thread_is_told_in_order(void **state)
{
        struct world *world = *state;
        int64_t id = incident(world, 1, "service_down", "critical");
        struct mu_notice notice;

        test_pg_run(
                world->pg,
                "CREATE TABLE IF NOT EXISTS alert_events_all PARTITION OF alert_events DEFAULT");
        test_pg_run(world->pg,
                    "INSERT INTO alert_events (at, incident_id, kind, actor, detail) VALUES"
                    " (to_timestamp(1795000060), 1, 'remedy_sent', 'appliance',"
                    "  '{\"try\":1,\"of\":3}'),"
                    " (to_timestamp(1795000090), 1, 'notified', 'appliance', NULL),"
                    " (to_timestamp(1795000120), 1, 'remedy_failed', 'appliance',"
                    "  '{\"try\":1,\"of\":3,\"error\":\"no such app\"}'),"
                    " (to_timestamp(1795000180), 1, 'acked', 'user:anna', '{\"text\":\"on it\"}')");
        test_pg_run(world->pg, "UPDATE alert_incidents SET acked_at = to_timestamp(1795000180),"
                               " acked_by = 'user:anna'");
        read_notice(world, id, &notice);
        assert_int_equal(notice.line_count, 3);
        assert_string_equal(notice.lines[0], "2026-11-18 11:07 UTC: relaunch sent (1 of 3)");
        assert_string_equal(notice.lines[1],
                            "2026-11-18 11:08 UTC: relaunch failed (1 of 3): no such app");
        assert_string_equal(notice.lines[2],
                            "2026-11-18 11:09 UTC: acknowledged by user:anna: on it");
        assert_string_equal(notice.acked_by, "user:anna");
        mu_notice_done(&notice);
        assert_int_equal(mu_notice_read(world->pg, id + 1, MU_NOTICE_OPENED, "", now_us, &notice),
                         -ENOENT);
}

static void durations(void **state)
{
        static const struct {
                int64_t seconds;
                const char *text;
        } cases[] = {{-5, "0 s"},         {0, "0 s"},       {59, "59 s"},
                     {60, "1 min"},       {3599, "59 min"}, {3600, "1 h"},
                     {7500, "2 h 5 min"}, {86400, "1 d"},   {100000, "1 d 3 h"}};
        char text[MU_NOTICE_DURATION_BYTES];

        (void)state;
        for (size_t i = 0; i < MU_COUNT_OF(cases); i++) {
                mu_notice_duration(cases[i].seconds, text);
                assert_string_equal(text, cases[i].text);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(channels_take_what_they_are_set_to, begin_test,
                                                end_test),
                cmocka_unit_test_setup_teardown(any_member_of_a_group_counts, begin_test, end_test),
                cmocka_unit_test_setup_teardown(updates_become_one_row, begin_test, end_test),
                cmocka_unit_test_setup_teardown(an_end_goes_where_the_beginning_went_and_once,
                                                begin_test, end_test),
                cmocka_unit_test_setup_teardown(a_merged_one_is_updated_only, begin_test, end_test),
                cmocka_unit_test_setup_teardown(texts_of_their_own, begin_test, end_test),
                cmocka_unit_test_setup_teardown(a_device_is_told_of_in_sentences, begin_test,
                                                end_test),
                cmocka_unit_test_setup_teardown(a_thread_is_told_in_order, begin_test, end_test),
                cmocka_unit_test(durations),
        };

        return cmocka_run_group_tests(tests, test_pg_group_setup, test_pg_group_teardown);
}
