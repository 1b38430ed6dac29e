/* SPDX-License-Identifier: Apache-2.0 */
#include "control/notify/digest.h"

#include "alert_world.h"

/* A channel that has told up to a moment. */
static int64_t channel(const char *zone, const char *at, const char *sent_at)
{
        return number("INSERT INTO alert_channels (kind, name, mode, digest_at, digest_zone,"
                      " digest_sent_at, config, updated_by) VALUES ('email',"
                      " 'c' || (SELECT count(*) FROM alert_channels), 'digest', '%s', '%s',"
                      " %s%s%s, '{\"to\":[\"a@b\"]}', 'test') RETURNING id",
                      at, zone, sent_at ? "'" : "", sent_at ? sent_at : "NULL", sent_at ? "'" : "");
}

/* Something that stands since ever, so that there always is something to tell. */
static void something_stands(void)
{
        run("INSERT INTO alert_incidents (opened_at, updated_at, kind, rule, severity, alert_count,"
            " firing_count) VALUES ('2020-01-01', '2020-01-01', 'appliance', 'disk', 'critical',"
            " 1, 1)");
}

static uint32_t run_at(const char *now, int64_t *ret_next_us)
{
        uint32_t count = 99;

        assert_int_equal(mu_digest_run(alert_pg, moment(now), &count, ret_next_us), 0);
        return count;
}

#define told_at(now) (run_at(now, NULL))

/* From the first moment up to the second, minute by minute: exactly one digest, then. */
static void once_between(const char *from, const char *to, const char *expected)
{
        int64_t at_us = moment(from);
        int64_t to_us = moment(to);
        int64_t told_us = 0;

        for (; at_us <= to_us; at_us += 60 * MU_US_PER_S) {
                uint32_t count;

                assert_int_equal(mu_digest_run(alert_pg, at_us, &count, NULL), 0);
                assert_true(count <= 1);
                if (count == 1) {
                        assert_int_equal(told_us, 0);
                        told_us = at_us;
                }
        }
        assert_int_equal(told_us, moment(expected));
}

static void one_a_day(void **state)
{
        int64_t next_us;

        (void)state;
        something_stands();
        (void)channel("UTC", "08:00", "2026-03-27 08:00+00");
        assert_int_equal(run_at("2026-03-28 07:59:59+00", &next_us), 0);
        assert_int_equal(next_us, moment("2026-03-28 08:00+00"));
        assert_int_equal(run_at("2026-03-28 08:00+00", &next_us), 1);
        assert_int_equal(next_us, moment("2026-03-29 08:00+00"));
        assert_int_equal(told_at("2026-03-28 08:01+00"), 0);
        assert_int_equal(told_at("2026-03-29 07:59+00"), 0);
        assert_int_equal(told_at("2026-03-29 08:07+00"), 1);
        /* Days that were slept through are one. */
        assert_int_equal(told_at("2026-04-05 12:00+00"), 1);
        assert_int_equal(told_at("2026-04-05 12:01+00"), 0);
        assert_int_equal(told_at("2026-04-06 08:00+00"), 1);
        assert_int_equal(number("SELECT count(*) FROM alert_notifications WHERE kind = 'digest'"
                                " AND state = 'waiting'"),
                         4);
}

static void a_clock_set_back(void **state)
{
        (void)state;
        something_stands();
        (void)channel("UTC", "08:00", "2026-03-27 08:00+00");
        assert_int_equal(told_at("2026-03-28 08:00:30+00"), 1);
        assert_int_equal(told_at("2026-03-28 07:00+00"), 0);
        assert_int_equal(told_at("2026-03-28 08:00+00"), 0);
        assert_int_equal(told_at("2026-03-28 08:00:31+00"), 0);
        assert_int_equal(told_at("2026-03-28 09:00+00"), 0);
        assert_int_equal(told_at("2026-03-29 08:00+00"), 1);
        /* It was a year ahead for a moment: the day after it is put right has one again. */
        assert_int_equal(told_at("2027-03-29 08:00+00"), 1);
        assert_int_equal(told_at("2026-03-29 09:00+00"), 0);
        assert_int_equal(told_at("2026-03-30 07:59+00"), 0);
        assert_int_equal(told_at("2026-03-30 08:00+00"), 1);
}

static void a_new_channel_waits_for_its_time(void **state)
{
        (void)state;
        something_stands();
        (void)channel("UTC", "08:00", NULL);
        assert_int_equal(told_at("2026-03-28 09:00+00"), 0);
        assert_int_equal(told_at("2026-03-29 07:59+00"), 0);
        assert_int_equal(told_at("2026-03-29 08:00+00"), 1);
        /* While it tells at once it forgets where the digest was. */
        run("UPDATE alert_channels SET mode = 'immediate'");
        assert_int_equal(told_at("2026-03-30 08:00+00"), 0);
        run("UPDATE alert_channels SET mode = 'digest'");
        assert_int_equal(told_at("2026-03-31 09:00+00"), 0);
        assert_int_equal(told_at("2026-04-01 08:00+00"), 1);
}

static void hours_that_do_not_exist(void **state)
{
        int64_t next_us;

        (void)state;
        something_stands();
        /* 2026-03-29 in Berlin: 02:00 +01 is 03:00 +02. */
        (void)channel("Europe/Berlin", "02:30", "2026-03-28 02:30+01");
        (void)run_at("2026-03-29 00:00+01", &next_us);
        assert_int_equal(next_us, moment("2026-03-29 03:00+02"));
        once_between("2026-03-29 00:00+01", "2026-03-29 23:59+02", "2026-03-29 03:00+02");
        once_between("2026-03-30 00:00+02", "2026-03-30 23:59+02", "2026-03-30 02:30+02");
        run("DELETE FROM alert_channels");
        /* 2026-03-08 in New York: 02:00 -05 is 03:00 -04. */
        (void)channel("America/New_York", "02:00", "2026-03-07 02:00-05");
        once_between("2026-03-08 00:00-05", "2026-03-08 23:59-04", "2026-03-08 03:00-04");
        once_between("2026-03-09 00:00-04", "2026-03-09 23:59-04", "2026-03-09 02:00-04");
}

static void hours_that_come_twice(void **state)
{
        (void)state;
        something_stands();
        /* 2026-10-25 in Berlin: 03:00 +02 is 02:00 +01. */
        (void)channel("Europe/Berlin", "02:30", "2026-10-24 02:30+02");
        once_between("2026-10-25 00:00+02", "2026-10-25 23:59+01", "2026-10-25 02:30+02");
        once_between("2026-10-26 00:00+01", "2026-10-26 23:59+01", "2026-10-26 02:30+01");
        run("DELETE FROM alert_channels");
        /* 2026-11-01 in New York: 02:00 -04 is 01:00 -05. */
        (void)channel("America/New_York", "01:15", "2026-10-31 01:15-04");
        once_between("2026-11-01 00:00-04", "2026-11-01 23:59-05", "2026-11-01 01:15-04");
        once_between("2026-11-02 00:00-05", "2026-11-02 23:59-05", "2026-11-02 01:15-05");
}

static void odd_zones(void **state)
{
        (void)state;
        something_stands();
        (void)channel("Asia/Kolkata", "08:00", "2026-03-27 08:00+05:30");
        once_between("2026-03-28 00:00+05:30", "2026-03-28 23:59+05:30", "2026-03-28 08:00+05:30");
        run("DELETE FROM alert_channels");
        /* Half an hour forwards and back: 2026-10-04 02:00 +10:30, 2026-04-05 02:00 +11. */
        (void)channel("Australia/Lord_Howe", "02:15", "2026-10-03 02:15+10:30");
        once_between("2026-10-04 00:00+10:30", "2026-10-04 23:59+11", "2026-10-04 02:30+11");
        run("DELETE FROM alert_channels");
        (void)channel("Australia/Lord_Howe", "01:45", "2026-04-04 01:45+11");
        once_between("2026-04-05 00:00+11", "2026-04-05 23:59+10:30", "2026-04-05 01:45+11");
        run("DELETE FROM alert_channels");
        /* One that PostgreSQL does not know is UTC; the others are not held up by it. */
        (void)channel("Mars/Olympus_Mons", "08:00", "2026-03-27 08:00+00");
        (void)channel("UTC", "08:00", "2026-03-27 08:00+00");
        assert_int_equal(told_at("2026-03-28 08:00+00"), 2);
}

static void nothing_happened(void **state)
{
        int64_t id = channel("UTC", "08:00", "2026-03-27 08:00+00");

        (void)state;
        assert_int_equal(told_at("2026-03-28 08:00+00"), 0);
        assert_int_equal(number("SELECT count(*) FROM alert_notifications"), 0);
        assert_int_equal(number("SELECT count(*) FROM alert_channels WHERE id = %lld"
                                " AND digest_sent_at = '2026-03-28 08:00+00'",
                                (long long)id),
                         1);
}

static void who_is_off_gets_none(void **state)
{
        (void)state;
        something_stands();
        (void)channel("UTC", "08:00", "2026-03-27 08:00+00");
        run("UPDATE alert_channels SET enabled = false");
        assert_int_equal(told_at("2026-03-28 08:00+00"), 0);
        run("UPDATE alert_channels SET enabled = true, deleted_at = now()");
        assert_int_equal(told_at("2026-03-28 08:01+00"), 0);
        run("UPDATE alert_channels SET deleted_at = NULL");
        assert_int_equal(told_at("2026-03-28 08:02+00"), 1);
}

static int64_t has(const char *piece)
{
        return number("SELECT count(*) FROM alert_notifications WHERE strpos(detail ->> 'text',"
                      " E'%s') > 0",
                      piece);
}

static void what_it_says(void **state)
{
        (void)state;
        (void)channel("Europe/Berlin", "08:00", "2026-03-27 08:00+01");
        run("INSERT INTO devices (kind, alias, site, enrolled_by)"
            " SELECT 'android', 'Till ' || n, 'Berlin', 'test' FROM generate_series(1, 30) n");
        /* Before, over before: not told. */
        run("INSERT INTO alert_incidents (opened_at, updated_at, closed_at, kind, device_id, rule,"
            " severity, alert_count) VALUES ('2026-03-26', '2026-03-26', '2026-03-27 07:00+01',"
            " 'device', 1, 'offline', 'critical', 1)");
        /* Opened and over within. */
        run("INSERT INTO alert_incidents (opened_at, updated_at, closed_at, kind, device_id, rule,"
            " severity, alert_count) VALUES ('2026-03-27 10:00+01', '2026-03-27', "
            " '2026-03-27 10:12+01', 'device', 2, 'low_battery', 'warning', 1)");
        /* Merged: told as part of the wider one. */
        run("INSERT INTO alert_incidents (opened_at, updated_at, closed_at, kind, device_id, rule,"
            " severity, merged_into) VALUES ('2026-03-27 11:00+01', '2026-03-27',"
            " '2026-03-27 11:01+01', 'device', 3, 'offline', 'critical', 99)");
        run("INSERT INTO alert_incidents (opened_at, updated_at, kind, group_key, rule, severity,"
            " alert_count, firing_count) VALUES ('2026-03-27 11:00+01', '2026-03-27', 'site',"
            " 'Berlin', 'offline', 'critical', 214, 3)");
        /* More open ones than are listed; Till 5 had most alerts. */
        run("INSERT INTO alert_incidents (opened_at, updated_at, kind, device_id, rule, severity,"
            " alert_count, firing_count) SELECT '2026-03-27 12:00+01', '2026-03-27', 'device', n,"
            " 'clock_skew', 'warning', 1, 1 FROM generate_series(5, 16) n");
        run("INSERT INTO alerts (device_id, incident_id, pending_at, fired_at, resolved_at,"
            " episode, state, rule, severity) SELECT 5, i.id, '2026-03-27 12:00+01',"
            " '2026-03-27 12:00+01', '2026-03-27 12:01+01', e, 'resolved', 'clock_skew', 'warning'"
            " FROM alert_incidents i, generate_series(1, 3) e WHERE i.device_id = 5");
        assert_int_equal(told_at("2026-03-28 08:00+01"), 1);
        assert_int_equal(number("SELECT count(*) FROM alert_notifications WHERE kind = 'digest'"
                                " AND incident_id IS NULL AND detail ->> 'title' ="
                                " 'Daily digest: 14 opened, 1 resolved, 13 open'"),
                         1);
        assert_int_equal(has("From 2026-03-27 08:00 to 2026-03-28 08:00, Europe/Berlin."), 1);
        assert_int_equal(has("Opened: 14 (critical: 1, warning: 13)\\nResolved: 1\\n"
                             "Still open: 13\\n"),
                         1);
        assert_int_equal(has("Still open:\\n- [critical] Device offline: 214 devices, site Berlin,"
                             " since 2026-03-27 11:00\\n- [warning] "),
                         1);
        assert_int_equal(has(": Till 5 (Berlin), since 2026-03-27 12:00\\n"), 1);
        assert_int_equal(has("and 3 more.\\n"), 1);
        assert_int_equal(has(": Till 2 (Berlin), 12 min\\n"), 1);
        assert_int_equal(has("Most alerts:\\n- Till 5 (Berlin): 3\\n"), 1);
        assert_int_equal(has("Till 1 "), 0);
        assert_int_equal(has("Till 3 "), 0);
        assert_int_equal(number("SELECT count(*) FROM alert_notifications WHERE"
                                " (detail -> 'data' ->> 'opened')::int = 14"),
                         1);
        /* The next one does not tell what was over then. */
        assert_int_equal(told_at("2026-03-29 08:00+02"), 1);
        assert_int_equal(number("SELECT count(*) FROM alert_notifications WHERE"
                                " detail ->> 'title' ="
                                " 'Daily digest: 0 opened, 0 resolved, 13 open'"),
                         1);
}

static void only_what_the_channel_takes(void **state)
{
        int64_t severity = channel("UTC", "08:00", "2026-03-27 08:00+00");
        int64_t rules = channel("UTC", "08:00", "2026-03-27 08:00+00");
        int64_t tags = channel("UTC", "08:00", "2026-03-27 08:00+00");
        int64_t sites = channel("UTC", "08:00", "2026-03-27 08:00+00");

        (void)state;
        run("UPDATE alert_channels SET min_severity = 'critical' WHERE id = %lld",
            (long long)severity);
        run("UPDATE alert_channels SET rules = '{offline}' WHERE id = %lld", (long long)rules);
        run("UPDATE alert_channels SET tags = '{till}' WHERE id = %lld", (long long)tags);
        run("UPDATE alert_channels SET sites = '{Bonn}' WHERE id = %lld", (long long)sites);
        run("INSERT INTO devices (kind, alias, site, tags, enrolled_by) VALUES"
            " ('android', 'a', 'Berlin', '{till}', 'test'), ('android', 'b', 'Bonn', '{}',"
            " 'test')");
        run("INSERT INTO alert_incidents (opened_at, updated_at, kind, device_id, rule, severity,"
            " alert_count, firing_count) VALUES"
            " ('2026-03-27 12:00+00', '2026-03-27', 'device', 1, 'low_battery', 'warning', 1, 1)");
        assert_int_equal(told_at("2026-03-28 08:00+00"), 1);
        assert_int_equal(number("SELECT channel_id FROM alert_notifications"), tags);
        run("INSERT INTO alert_incidents (opened_at, updated_at, closed_at, kind, device_id, rule,"
            " severity, alert_count) VALUES ('2026-03-28 12:00+00', '2026-03-27',"
            " '2026-03-28 12:30+00', 'device', 2, 'offline', 'critical', 1)");
        assert_int_equal(told_at("2026-03-29 08:00+00"), 4); /* of tags: the one that stands */
        assert_int_equal(number("SELECT count(*) FROM alert_notifications WHERE"
                                " detail ->> 'title' ="
                                " 'Daily digest: 1 opened, 1 resolved, 0 open'"
                                " AND channel_id IN (%lld, %lld, %lld)",
                                (long long)severity, (long long)rules, (long long)sites),
                         3);
}

/* Two at once: one moves it. */
static void two_at_the_same_moment(void **state)
{
        struct mu_pg *other = test_pg_acquire(alert_postgres);
        uint32_t first;
        uint32_t second;

        (void)state;
        something_stands();
        (void)channel("UTC", "08:00", "2026-03-27 08:00+00");
        assert_int_equal(mu_digest_run(alert_pg, moment("2026-03-28 08:00+00"), &first, NULL), 0);
        assert_int_equal(mu_digest_run(other, moment("2026-03-28 08:00:01+00"), &second, NULL), 0);
        assert_int_equal(first + second, 1);
        mu_database_release(alert_postgres->database, other);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(one_a_day),
                TEST(a_clock_set_back),
                TEST(a_new_channel_waits_for_its_time),
                TEST(hours_that_do_not_exist),
                TEST(hours_that_come_twice),
                TEST(odd_zones),
                TEST(nothing_happened),
                TEST(who_is_off_gets_none),
                TEST(what_it_says),
                TEST(only_what_the_channel_takes),
                TEST(two_at_the_same_moment),
        };

        return cmocka_run_group_tests(tests, alert_group_setup, test_pg_group_teardown);
}
