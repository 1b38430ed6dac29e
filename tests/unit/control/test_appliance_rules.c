/* SPDX-License-Identifier: Apache-2.0 */
#include "control/alert/appliance_rules.h"

#include <math.h>

#include "alert_world.h"

static const struct mu_appliance_reading *
reading_of(const struct mu_appliance_reading readings[MU_APPLIANCE_RULE_COUNT],
           enum mu_alert_rule rule)
{
        const struct mu_appliance_reading *reading = &readings[rule - MU_RULE_DEVICE_COUNT];

        assert_int_equal(reading->rule, rule);
        return reading;
}

static void nothing_is_known_at_first(void **state)
{
        struct mu_appliance_facts facts = {.journal_hours_left = INFINITY};
        struct mu_appliance_reading readings[MU_APPLIANCE_RULE_COUNT];
        struct mu_appliance_slow slow = {0};

        (void)state;
        mu_appliance_judge(&facts, &slow, readings);
        assert_true(reading_of(readings, MU_RULE_JOURNAL_BACKLOG)->known);
        assert_int_equal(reading_of(readings, MU_RULE_JOURNAL_BACKLOG)->value, 0);
        assert_false(reading_of(readings, MU_RULE_DISK)->known);
        assert_false(reading_of(readings, MU_RULE_DATABASE_AWAY)->known);
        assert_false(reading_of(readings, MU_RULE_PARTITION_MISSING)->known);
        assert_false(reading_of(readings, MU_RULE_REJECTS)->known);
        /* No backups are scheduled: there is nothing to judge, and that is known. */
        assert_true(reading_of(readings, MU_RULE_BACKUP_AGE)->known);
        assert_false(reading_of(readings, MU_RULE_BACKUP_AGE)->applies);
        assert_int_equal(reading_of(readings, MU_RULE_JOB_FAILING)->value, 0);
        facts.backup_interval_s = 86400;
        mu_appliance_judge(&facts, &slow, readings);
        assert_false(reading_of(readings, MU_RULE_BACKUP_AGE)->known);
        assert_true(reading_of(readings, MU_RULE_BACKUP_AGE)->applies);
}

static void values_and_details(void **state)
{
        const struct mu_appliance_facts facts = {
                .backlog_records = 5000,
                .oldest_unstored_s = 75,
                .disk_free_bytes = 99,
                .disk_total_bytes = 1000,
                .journal_hours_left = 7.25,
                .backup_interval_s = 86400,
                .job_failures_in_a_row = 3,
                .failing_job = "partitions",
        };
        const struct mu_appliance_slow slow = {
                .known = true,
                .partition_days_missing = 2,
                .partition_first_missing = "2026-11-24",
                .backup_age_s = 90000,
                .backup_at_us = 1790000000 * MU_US_PER_S,
                .rejects_count = 12,
        };
        struct mu_appliance_reading readings[MU_APPLIANCE_RULE_COUNT];

        (void)state;
        mu_appliance_judge(&facts, &slow, readings);
        const struct {
                enum mu_alert_rule rule;
                int64_t value;
                const char *detail;
        } expected[] = {
                {MU_RULE_JOURNAL_BACKLOG, 75, "{\"records\":5000,\"hours_left\":7.2}"},
                {MU_RULE_DISK, 9, "{\"free_bytes\":99,\"total_bytes\":1000}"},
                {MU_RULE_PARTITION_MISSING, 2, "{\"first_day\":\"2026-11-24\"}"},
                {MU_RULE_BACKUP_AGE, 90000, "{\"last_at_s\":1790000000}"},
                {MU_RULE_REJECTS, 12, ""},
                {MU_RULE_JOB_FAILING, 3, "{\"job\":\"partitions\"}"},
        };

        for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
                const struct mu_appliance_reading *reading = reading_of(readings, expected[i].rule);

                assert_true(reading->known);
                assert_true(reading->applies);
                assert_int_equal(reading->value, expected[i].value);
                assert_string_equal(reading->detail, expected[i].detail);
        }
}

static void extremes(void **state)
{
        struct mu_appliance_facts facts = {
                .oldest_unstored_s = UINT64_MAX,
                .backlog_records = UINT64_MAX,
                .disk_free_bytes = UINT64_MAX,
                .disk_total_bytes = UINT64_MAX,
                .journal_hours_left = 1e300,
                .failing_job = "\x01\x02\x03\x04\x05\x06\x07\x08\x01\x02\x03\x04\x05\x06\x07\x08"
                               "\x01\x02\x03\x04\x05\x06\x07\x08\x01\x02\x03\x04\x05\x06\x07",
        };
        struct mu_appliance_reading readings[MU_APPLIANCE_RULE_COUNT];
        struct mu_appliance_slow slow = {.known = true};

        (void)state;
        mu_appliance_judge(&facts, &slow, readings);
        assert_int_equal(reading_of(readings, MU_RULE_JOURNAL_BACKLOG)->value, INT64_MAX);
        assert_int_equal(reading_of(readings, MU_RULE_DISK)->value, 100);
        /* Too long a detail is left out, not cut into broken JSON. */
        assert_string_equal(reading_of(readings, MU_RULE_JOURNAL_BACKLOG)->detail, "");
        facts.disk_free_bytes = 0;
        mu_appliance_judge(&facts, &slow, readings);
        assert_int_equal(reading_of(readings, MU_RULE_DISK)->value, 0);
}

static struct mu_appliance_slow read_at(int64_t now_us, uint32_t backup_interval_s)
{
        const struct mu_appliance_facts facts = {.backup_interval_s = backup_interval_s};
        struct mu_appliance_slow slow = {0};

        assert_int_equal(mu_appliance_read(alert_pg, &facts, now_us,
                                           ALERT_WORLD_US - 60 * MU_US_PER_S, &slow),
                         0);
        assert_true(slow.known);
        return slow;
}

static void missing_partitions(void **state)
{
        /* A year that no other test has partitions of. */
        int64_t now_us = moment("2031-12-30 23:30+00");
        int64_t day = mu_partition_day(now_us / MU_US_PER_S);

        (void)state;
        assert_int_equal(read_at(now_us, 0).partition_days_missing, 4);
        assert_string_equal(read_at(now_us, 0).partition_first_missing, "2031-12-30");
        assert_int_equal(mu_partitions_ensure(alert_pg, MU_PARENT_HEARTBEATS, day, day + 1, NULL),
                         0);
        assert_int_equal(read_at(now_us, 0).partition_days_missing, 2);
        assert_string_equal(read_at(now_us, 0).partition_first_missing, "2032-01-01");
        assert_int_equal(mu_partitions_ensure(alert_pg, MU_PARENT_HEARTBEATS, day, day + 3, NULL),
                         0);
        assert_int_equal(read_at(now_us, 0).partition_days_missing, 0);
        assert_string_equal(read_at(now_us, 0).partition_first_missing, "");
        assert_int_equal(read_at(now_us + 1800 * MU_US_PER_S, 0).partition_days_missing, 1);
        /* Of the session's zone nothing depends. */
        run("SET timezone = 'Pacific/Auckland'");
        assert_int_equal(read_at(now_us, 0).partition_days_missing, 0);
        run("RESET timezone");
}

static void the_last_good_backup(void **state)
{
        int64_t now_us = ALERT_WORLD_US;

        (void)state;
        assert_int_equal(read_at(now_us, 0).backup_age_s, -1);
        assert_int_equal(read_at(now_us, 86400).backup_age_s, 60); /* since the start */
        run("INSERT INTO backups (kind, database, directory, started_at, finished_at, outcome)"
            " VALUES ('scheduled', 'dump', '/a', '2026-03-26 12:00+00', '2026-03-26 12:01+00',"
            " 'failed')");
        assert_int_equal(read_at(now_us, 86400).backup_age_s, 2 * 86400); /* since the first try */
        assert_int_equal(read_at(now_us, 86400).backup_at_us, 0);
        run("INSERT INTO backups (kind, database, directory, started_at, finished_at, outcome)"
            " VALUES ('scheduled', 'dump', '/b', '2026-03-28 10:00+00', '2026-03-28 11:00+00',"
            " 'ok'), ('scheduled', 'dump', '/c', '2026-03-28 11:30+00', '2026-03-28 11:31+00',"
            " 'failed'), ('scheduled', 'dump', '/d', '2026-03-28 11:50+00', NULL, 'running')");
        assert_int_equal(read_at(now_us, 86400).backup_age_s, 3600);
        assert_int_equal(read_at(now_us, 86400).backup_at_us, moment("2026-03-28 11:00+00"));
        /* A clock that was set back makes no negative age. */
        assert_int_equal(read_at(moment("2026-03-28 10:30+00"), 86400).backup_age_s, 0);
}

static void rejects_of_an_hour(void **state)
{
        (void)state;
        assert_int_equal(read_at(ALERT_WORLD_US, 0).rejects_count, 0);
        run("INSERT INTO ingest_rejects (journal_id, seq, device_id, rejected_at, reason, record)"
            " SELECT decode(repeat('00', 16), 'hex'), n, 1,"
            "  '2026-03-28 12:00+00'::timestamptz - make_interval(mins => n * 7), 'data', ''"
            " FROM generate_series(0, 20) n");
        assert_int_equal(read_at(ALERT_WORLD_US, 0).rejects_count, 9); /* 0, 7, … 56 min ago */
        assert_int_equal(read_at(ALERT_WORLD_US + 3600 * MU_US_PER_S, 0).rejects_count, 0);
}

static void a_database_that_fails(void **state)
{
        const struct mu_appliance_facts facts = {0};
        struct mu_appliance_slow slow = {.rejects_count = 77};

        (void)state;
        assert_int_equal(mu_pg_begin(alert_pg), 0);
        run("SAVEPOINT a");
        run("DROP TABLE ingest_rejects CASCADE");
        assert_true(mu_appliance_read(alert_pg, &facts, ALERT_WORLD_US, 0, &slow) < 0);
        assert_int_equal(slow.rejects_count, 77);
        mu_pg_rollback(alert_pg);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(nothing_is_known_at_first),
                cmocka_unit_test(values_and_details),
                cmocka_unit_test(extremes),
                TEST(missing_partitions),
                TEST(the_last_good_backup),
                TEST(rejects_of_an_hour),
                TEST(a_database_that_fails),
        };

        return cmocka_run_group_tests(tests, alert_group_setup, test_pg_group_teardown);
}
