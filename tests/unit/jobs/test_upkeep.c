/* SPDX-License-Identifier: Apache-2.0 */
/* Old alerts, statistics that are made anew, and the migration of security events, against a real
 * server. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fixture.h"
#include "jobs/jobs.h"
#include "pg/migrate.h"
#include "pg/partition.h"

static struct test_pg *postgres;

static struct mu_jobs_config config_of(void)
{
        struct mu_jobs_config config;

        mu_jobs_config_init(&config, postgres->database);
        config.keep_alerts_s = 10 * MU_S_PER_DAY;
        return config;
}

static int setup(void **state)
{
        *state = test_pg_acquire(postgres);
        return 0;
}

static int teardown(void **state)
{
        mu_database_release(postgres->database, *state);
        return 0;
}

/* Slices to the run's end; what they changed. */
static uint64_t run(struct mu_pg *pg,
                    int (*job)(const struct mu_jobs_config *, struct mu_pg *, uint64_t *),
                    int *ret_slices)
{
        struct mu_jobs_config config = config_of();
        uint64_t changed = 0;
        int slices = 0;
        int answer;

        do {
                uint64_t of_slice = 0;

                answer = job(&config, pg, &of_slice);
                assert_true(answer >= 0);
                changed += of_slice;
                slices++;
        } while (answer == MU_JOB_AGAIN);
        if (ret_slices)
                *ret_slices = slices;
        return changed;
}

static void alerts_that_are_long_over_go(void **state)
{
        struct mu_pg *pg = *state;

        /* 1: closed long ago; 2: closed lately; 3: open, with old alerts resolved. */
        test_pg_run(pg,
                    "INSERT INTO alert_incidents (id, opened_at, updated_at, closed_at, kind, rule,"
                    " severity) SELECT i, now() - interval '60 days', now(), CASE i"
                    "  WHEN 1 THEN now() - interval '50 days' WHEN 2 THEN now() END, 'appliance',"
                    " 'offline', 'warning' FROM generate_series(1, 3) AS i");
        test_pg_run(pg, "INSERT INTO alerts (device_id, incident_id, pending_at, fired_at,"
                        " resolved_at, episode, rule, severity, state) SELECT 100 * i + j, i,"
                        " now() - interval '60 days', now() - interval '60 days',"
                        " now() - interval '50 days', 1, 'offline', 'warning', 'resolved'"
                        " FROM generate_series(1, 3) AS i, generate_series(1, 5) AS j");
        test_pg_run(pg, "INSERT INTO alerts (device_id, pending_at, episode, rule, severity, state)"
                        " VALUES (9, now() - interval '60 days', 1, 'offline', 'warning',"
                        " 'pending')");
        test_pg_run(pg, "INSERT INTO alert_channels (id, kind, name, updated_by)"
                        " VALUES (1, 'webhook', 'w', 'user:a')");
        test_pg_run(pg, "INSERT INTO alert_notifications (incident_id, channel_id, created_at,"
                        " due_at, finished_at, kind, state) SELECT i, 1, now(), now(),"
                        " now() - interval '50 days', 'opened', 'sent'"
                        " FROM generate_series(1, 3) AS i");
        test_pg_run(pg, "INSERT INTO alert_notifications (incident_id, channel_id, created_at,"
                        " due_at, kind) VALUES (NULL, 1, now() - interval '50 days', now(),"
                        " 'test')");
        test_pg_run(pg, "INSERT INTO alert_silences (starts_at, ends_at, created_by)"
                        " SELECT now() - interval '200 days', now() - i * interval '1 day',"
                        " 'user:a' FROM unnest(ARRAY[89, 91, -5]) AS i");
        assert_int_equal(run(pg, mu_job_alerts_retention, NULL), (5 + 5) + (1 + 1) + 1 + 1);
        assert_int_equal(test_pg_number(pg, "SELECT count(*) FROM alerts"), 5 + 1);
        assert_int_equal(test_pg_number(pg, "SELECT count(*) FROM alerts WHERE incident_id = 3"),
                         5);
        assert_int_equal(test_pg_number(pg, "SELECT sum(id)::bigint FROM alert_incidents"), 5);
        assert_int_equal(test_pg_number(pg, "SELECT count(*) FROM alert_notifications"), 2);
        assert_int_equal(test_pg_number(pg, "SELECT count(*) FROM alert_silences"), 2);
        assert_int_equal(run(pg, mu_job_alerts_retention, NULL), 0);
}

/* More than a slice takes, and then enough for fresh statistics. */
static void many_alerts_go_in_slices(void **state)
{
        struct mu_pg *pg = *state;
        int slices;

        test_pg_run(pg, "DELETE FROM job_analyze");
        test_pg_run(pg, "INSERT INTO alerts (device_id, pending_at, resolved_at, fired_at, episode,"
                        " rule, severity, state) SELECT i, now(), now() - interval '50 days',"
                        " now(), 1, 'battery', 'warning', 'resolved'"
                        " FROM generate_series(1000, 13499) AS i");
        assert_int_equal(run(pg, mu_job_alerts_retention, &slices), 12500);
        assert_int_equal(slices, 2);
        assert_int_equal(test_pg_number(pg, "SELECT count(*) FROM job_analyze"
                                            " WHERE relation = 'alerts'"),
                         1);
}

static void statistics_are_made_anew(void **state)
{
        struct mu_pg *pg = *state;
        int slices;

        test_pg_run(pg, "DELETE FROM job_analyze;"
                        "CREATE TABLE IF NOT EXISTS \"Odd name\" AS SELECT i FROM"
                        " generate_series(1, 500) AS i;"
                        "ALTER TABLE \"Odd name\" SET (autovacuum_enabled = off)");
        assert_int_equal(mu_job_ask_analyze(pg, "\"Odd name\""), 0);
        assert_int_equal(mu_job_ask_analyze(pg, "\"Odd name\""), 0);
        assert_int_equal(mu_job_ask_analyze(pg, "gone_since"), 0);
        assert_int_equal(mu_job_ask_analyze(pg, "devices"), 0);
        assert_int_equal(run(pg, mu_job_analyze, &slices), 2);
        assert_int_equal(slices, 4); /* each of three, and one that finds nothing */
        assert_int_equal(test_pg_number(pg, "SELECT count(*) FROM job_analyze"), 0);
        assert_int_equal(test_pg_number(pg, "SELECT reltuples::bigint FROM pg_class"
                                            " WHERE relname = 'Odd name'"),
                         500);
}

/* Who holds the table holds nobody up; it stays in the queue. */
static void a_table_that_is_held_is_for_later(void **state)
{
        struct mu_pg *pg = *state;
        struct mu_pg *holder = test_pg_acquire(postgres);

        test_pg_run(pg, "DELETE FROM job_analyze");
        assert_int_equal(mu_job_ask_analyze(pg, "selections"), 0);
        assert_int_equal(mu_pg_begin(holder), 0);
        test_pg_run(holder, "LOCK TABLE selections IN ACCESS EXCLUSIVE MODE");
        assert_int_equal(run(pg, mu_job_analyze, NULL), 0);
        assert_int_equal(test_pg_number(pg, "SELECT count(*) FROM job_analyze"), 1);
        mu_pg_rollback(holder);
        mu_database_release(postgres->database, holder);
        assert_int_equal(run(pg, mu_job_analyze, NULL), 1);
        assert_int_equal(test_pg_number(pg, "SELECT count(*) FROM job_analyze"), 0);
}

static int group_setup(void **state)
{
        int error = test_pg_group_setup(state);

        postgres = *state;
        return error;
}

/* ---- what 0008 makes of the events that are there ---- */

static int empty_setup(void **state)
{
        struct test_pg *test = calloc(1, sizeof(*test));

        if (!test)
                return -1;
        test_pg_init(test);
        test_pg_start(test);
        *state = test;
        return 0;
}

static void security_events_move_into_days(void **state)
{
        struct test_pg *test = *state;
        struct mu_pg *pg = test_pg_acquire(test);
        struct mu_pg_error error;
        size_t count;
        size_t applied;
        const struct mu_migration *all = mu_migrations_embedded(&count);

        assert_int_equal(mu_migrate(pg, all, 7, NULL, NULL, &applied, &error), 0);
        test_pg_run(pg, "SET timezone = 'Asia/Kolkata';"
                        "INSERT INTO security_events (minute, first_at, last_at, count, kind,"
                        " address, principal, detail) SELECT at, at, at, 2, 'limited', '10.0.0.1',"
                        " '', 'x' FROM generate_series('2026-11-18 23:58+00'::timestamptz,"
                        " '2026-11-20 00:01+00', interval '1 minute') AS at");
        assert_int_equal(mu_migrate(pg, all, count, NULL, NULL, &applied, &error), 0);
        assert_int_equal(test_pg_number(pg, "SELECT count(*) FROM security_events"), 1444);
        assert_int_equal(test_pg_number(pg, "SELECT count(*) FROM security_events_20261118"), 2);
        assert_int_equal(test_pg_number(pg, "SELECT count(*) FROM security_events_20261119"), 1440);
        assert_int_equal(test_pg_number(pg, "SELECT count(*) FROM security_events_20261120"), 2);
        assert_int_equal(test_pg_number(pg, "SELECT count(*) FROM partition_registry r"
                                            " WHERE parent = 'security_events'"
                                            " AND range_to - range_from = '24 hours'"
                                            " AND to_regclass(partition) IS NOT NULL"),
                         3);
        /* Ids go on, and the days are known to whoever makes them. */
        uint32_t made;

        assert_int_equal(mu_partitions_ensure(pg, MU_PARENT_SECURITY_EVENTS,
                                              mu_partition_day(1795046400),
                                              mu_partition_day(1795046400) + 3, &made),
                         0);
        assert_int_equal(made, 2); /* 21 and 22 November */
        test_pg_run(pg,
                    "INSERT INTO security_events (minute, first_at, last_at, count, kind,"
                    " address, principal, detail) VALUES ('2026-11-20 12:00+00', now(), now(),"
                    " 1, 'limited', '', '', '') ON CONFLICT (minute, kind, address) DO NOTHING");
        assert_int_equal(test_pg_number(pg, "SELECT max(id) FROM security_events"), 1445);
        mu_database_release(test->database, pg);
}

int main(void)
{
        const struct CMUnitTest jobs[] = {
                cmocka_unit_test_setup_teardown(alerts_that_are_long_over_go, setup, teardown),
                cmocka_unit_test_setup_teardown(many_alerts_go_in_slices, setup, teardown),
                cmocka_unit_test_setup_teardown(statistics_are_made_anew, setup, teardown),
                cmocka_unit_test_setup_teardown(a_table_that_is_held_is_for_later, setup, teardown),
        };
        const struct CMUnitTest migration[] = {
                cmocka_unit_test(security_events_move_into_days),
        };
        int failed = cmocka_run_group_tests_name("jobs upkeep", jobs, group_setup,
                                                 test_pg_group_teardown);

        return failed + cmocka_run_group_tests_name("security events by day", migration,
                                                    empty_setup, test_pg_group_teardown);
}
