/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fixture.h"
#include "pg/partition.h"

/* 2026-11-21. Each test takes days of its own. */
#define DAY INT64_C(20778)

static void names_and_days(void **state)
{
        static const struct {
                int64_t day;
                const char *name;
        } cases[] = {
                {0, "heartbeats_19700101"},
                {-1, "heartbeats_19691231"},
                {DAY, "heartbeats_20261121"},
                {11016, "heartbeats_20000229"},
                {19782, "heartbeats_20240229"},
                {19783, "heartbeats_20240301"},
                {47540, "heartbeats_21000228"},
                {47541, "heartbeats_21000301"},
                {MU_PARTITION_DAY_MIN, "heartbeats_00010101"},
                {MU_PARTITION_DAY_MAX, "heartbeats_99991231"},
        };
        char name[MU_PARTITION_NAME_BYTES];

        (void)state;
        for (size_t i = 0; i < MU_COUNT_OF(cases); i++) {
                mu_partition_name(MU_PARENT_HEARTBEATS, cases[i].day, name);
                assert_string_equal(name, cases[i].name);
        }
        assert_int_equal(mu_partition_day(0), 0);
        assert_int_equal(mu_partition_day(86399), 0);
        assert_int_equal(mu_partition_day(86400), 1);
        assert_int_equal(mu_partition_day(-1), -1);
        assert_int_equal(mu_partition_day(-86400), -1);
        assert_int_equal(mu_partition_day(-86401), -2);
}

/* Two thousand years of days: the server agrees on every name. */
static void server_agrees_on_names(void **state)
{
        static const struct mu_pg_statement days = {
                .name = "test_days",
                .sql = "SELECT n, 'heartbeats_' || to_char('1970-01-01'::date + n, 'YYYYMMDD')"
                       " FROM generate_series(-365000, 365000, 1) n",
        };
        struct test_pg *test = *state;
        struct mu_pg *pg = test_pg_acquire(test);
        struct mu_pg_result *rows;
        char name[MU_PARTITION_NAME_BYTES];

        assert_int_equal(mu_pg_query(pg, &days, MU_PG_VALUES(), &rows), 0);
        for (size_t i = 0; i < mu_pg_rows(rows); i++) {
                mu_partition_name(MU_PARENT_HEARTBEATS, mu_pg_get_int(rows, i, 0), name);
                if (strcmp(name, mu_pg_get_text(rows, i, 1)) != 0)
                        fail_msg("%s is %s", name, mu_pg_get_text(rows, i, 1));
        }
        mu_pg_result_free(rows);
        mu_database_release(test->database, pg);
}

static void made_once_with_keys_and_settings(void **state)
{
        struct test_pg *test = *state;
        struct mu_pg *pg = test_pg_acquire(test);
        uint32_t made;

        assert_int_equal(mu_partitions_ensure(pg, MU_PARENT_HEARTBEATS, DAY, DAY + 4, &made), 0);
        assert_int_equal(made, 5);
        assert_int_equal(mu_partitions_ensure(pg, MU_PARENT_HEARTBEATS, DAY - 1, DAY + 5, &made),
                         0);
        assert_int_equal(made, 2);
        assert_int_equal(mu_partitions_ensure(pg, MU_PARENT_HEARTBEATS, DAY - 1, DAY + 5, &made),
                         0);
        assert_int_equal(made, 0);
        /* Rows of a day's first and last instant land in it, and its key refuses a second. */
        test_pg_run(pg,
                    "INSERT INTO heartbeats (device_id, bucket, received_at, observed_at,"
                    " clock_offset_s, flags) SELECT 1, t, now(), now(), 0, 0 FROM (VALUES"
                    " ('2026-11-22 00:00:00+00'::timestamptz), ('2026-11-22 23:59:50+00')) v(t)");
        assert_int_equal(test_pg_number(pg, "SELECT count(*) FROM heartbeats_20261122"), 2);
        assert_int_equal(mu_pg_script(pg, "test",
                                      "INSERT INTO heartbeats (device_id, bucket, received_at,"
                                      " observed_at, clock_offset_s, flags) VALUES"
                                      " (1, '2026-11-22 00:00:00+00', now(), now(), 0, 0)"),
                         -EEXIST);
        /* The leaf's indexes are the parent's, none besides. */
        assert_int_equal(test_pg_number(pg, "SELECT count(*) FROM pg_index x JOIN pg_inherits i ON"
                                            " i.inhrelid = x.indexrelid WHERE x.indrelid ="
                                            " 'heartbeats_20261122'::regclass AND x.indisvalid"),
                         2);
        assert_int_equal(test_pg_number(pg, "SELECT count(*) FROM partition_registry WHERE"
                                            " partition = 'heartbeats_20261122' AND state ="
                                            " 'attached' AND range_from = '2026-11-22 00:00+00'"
                                            " AND range_to = '2026-11-23 00:00+00'"),
                         1);
        mu_database_release(test->database, pg);
}

/* Somebody's open transaction that has written must not hold a new day up, nor be held up by it. */
static void inserts_pass_while_a_day_is_made(void **state)
{
        struct test_pg *test = *state;
        struct mu_pg *writer = test_pg_acquire(test);
        struct mu_pg *maker = test_pg_acquire(test);
        struct mu_pg *looker = test_pg_acquire(test);
        const char *insert = "INSERT INTO heartbeats (device_id, bucket, received_at, observed_at,"
                             " clock_offset_s, flags) SELECT n, '2026-12-01 00:00:00+00', now(),"
                             " now(), 0, 0 FROM generate_series(%d, %d) n";
        char sql[320];
        uint32_t made;

        assert_int_equal(
                mu_partitions_ensure(maker, MU_PARENT_HEARTBEATS, DAY + 10, DAY + 10, &made), 0);
        assert_int_equal(mu_pg_begin(writer), 0);
        snprintf(sql, sizeof(sql), insert, 1, 10);
        test_pg_run(writer, sql);
        /* Would time out (10 s) if it needed a lock that the writer's excludes. */
        assert_int_equal(
                mu_partitions_ensure(maker, MU_PARENT_HEARTBEATS, DAY + 11, DAY + 11, &made), 0);
        assert_int_equal(made, 1);

        /* The other way round: a maker held in its transaction, by the lock of its parts. */
        assert_int_equal(mu_pg_begin(maker), 0);
        test_pg_run(maker, "CREATE TABLE heartbeats_held (LIKE heartbeats INCLUDING DEFAULTS"
                           " INCLUDING INDEXES); ALTER TABLE heartbeats ATTACH PARTITION"
                           " heartbeats_held FOR VALUES FROM ('2027-06-01 00:00+00') TO"
                           " ('2027-06-02 00:00+00')");
        assert_int_equal(test_pg_number(looker, "SELECT count(*) FROM pg_locks WHERE relation ="
                                                " 'heartbeats'::regclass AND mode IN"
                                                " ('ShareRowExclusiveLock', 'ShareLock',"
                                                " 'ExclusiveLock', 'AccessExclusiveLock')"),
                         0);
        assert_int_equal(test_pg_number(looker, "SELECT count(*) FROM pg_locks WHERE relation ="
                                                " 'heartbeats'::regclass AND mode ="
                                                " 'ShareUpdateExclusiveLock' AND granted"),
                         1);
        assert_int_equal(mu_pg_set_timeout(writer, 10000), 0);
        snprintf(sql, sizeof(sql), insert, 11, 20);
        test_pg_run(writer, sql);
        assert_int_equal(mu_pg_commit(writer), 0);
        mu_pg_rollback(maker);
        assert_int_equal(test_pg_number(looker, "SELECT count(*) FROM heartbeats_20261201"), 20);
        mu_database_release(test->database, writer);
        mu_database_release(test->database, maker);
        mu_database_release(test->database, looker);
}

struct maker {
        struct test_pg *test;
        pthread_barrier_t *barrier;
        uint32_t made;
        int result;
};

static void *make(void *context)
{
        struct maker *maker = context;
        struct mu_pg *pg;

        maker->result = mu_database_acquire(maker->test->database, TEST_WAIT_MS, &pg, NULL);
        pthread_barrier_wait(maker->barrier);
        if (maker->result)
                return NULL;
        maker->result =
                mu_partitions_ensure(pg, MU_PARENT_HEARTBEATS, DAY + 100, DAY + 109, &maker->made);
        mu_database_release(maker->test->database, pg);
        return NULL;
}

static void of_concurrent_makers_each_day_is_made_once(void **state)
{
        enum { MAKERS = 4 };
        struct test_pg *test = *state;
        struct maker makers[MAKERS];
        pthread_t threads[MAKERS];
        pthread_barrier_t barrier;
        uint32_t made = 0;

        pthread_barrier_init(&barrier, NULL, MAKERS);
        for (int i = 0; i < MAKERS; i++) {
                makers[i] = (struct maker){.test = test, .barrier = &barrier};
                assert_int_equal(pthread_create(&threads[i], NULL, make, &makers[i]), 0);
        }
        for (int i = 0; i < MAKERS; i++) {
                pthread_join(threads[i], NULL);
                assert_int_equal(makers[i].result, 0);
                made += makers[i].made;
        }
        pthread_barrier_destroy(&barrier);
        assert_int_equal(made, 10);
}

static void day_taken_out_stays_out(void **state)
{
        struct test_pg *test = *state;
        struct mu_pg *pg = test_pg_acquire(test);
        uint32_t made;

        assert_int_equal(
                mu_partitions_ensure(pg, MU_PARENT_HEARTBEATS, DAY + 200, DAY + 202, &made), 0);
        test_pg_run(pg, "ALTER TABLE heartbeats DETACH PARTITION heartbeats_20270610 CONCURRENTLY");
        test_pg_run(pg, "DROP TABLE heartbeats_20270610");
        test_pg_run(pg, "UPDATE partition_registry SET state = 'archived' WHERE partition ="
                        " 'heartbeats_20270610'");
        assert_int_equal(
                mu_partitions_ensure(pg, MU_PARENT_HEARTBEATS, DAY + 201, DAY + 201, &made),
                -ESTALE);
        assert_int_equal(
                mu_partitions_ensure(pg, MU_PARENT_HEARTBEATS, DAY + 200, DAY + 203, &made), 0);
        assert_int_equal(made, 1);
        assert_int_equal(test_pg_number(pg, "SELECT count(*) FROM pg_class WHERE relname ="
                                            " 'heartbeats_20270610'"),
                         0);
        mu_database_release(test->database, pg);
}

static void registry_is_mended(void **state)
{
        struct test_pg *test = *state;
        struct mu_pg *pg = test_pg_acquire(test);
        uint32_t made;

        assert_int_equal(
                mu_partitions_ensure(pg, MU_PARENT_HEARTBEATS, DAY + 300, DAY + 300, &made), 0);
        /* There, but unknown; known, but gone. */
        test_pg_run(pg, "DELETE FROM partition_registry WHERE partition = 'heartbeats_20270917'");
        assert_int_equal(
                mu_partitions_ensure(pg, MU_PARENT_HEARTBEATS, DAY + 300, DAY + 300, &made), 0);
        assert_int_equal(made, 0);
        assert_int_equal(test_pg_number(pg, "SELECT count(*) FROM partition_registry WHERE"
                                            " partition = 'heartbeats_20270917'"),
                         1);
        test_pg_run(pg, "DROP TABLE heartbeats_20270917");
        assert_int_equal(
                mu_partitions_ensure(pg, MU_PARENT_HEARTBEATS, DAY + 300, DAY + 300, &made), 0);
        assert_int_equal(made, 1);
        mu_database_release(test->database, pg);
}

/* Each parent's days, with its key, around today; and only what is missing is made. */
static void every_parent_has_its_days(void **state)
{
        struct test_pg *test = *state;
        struct mu_pg *pg = test_pg_acquire(test);
        char name[MU_PARTITION_NAME_BYTES], sql[320];
        uint32_t made;

        assert_int_equal(mu_partitions_ensure_all(pg, DAY + 400, 7, 2, &made), 0);
        assert_int_equal(made, 7 + 1 + 1 + 2 + (MU_PARENTS - 1) * (1 + 1 + 2));
        assert_int_equal(mu_partitions_ensure_all(pg, DAY + 401, 7, 2, &made), 0);
        assert_int_equal(made, MU_PARENTS);
        for (enum mu_parent parent = 0; parent < MU_PARENTS; parent++) {
                const struct mu_parent_facts *facts = mu_parent_facts(parent);

                mu_partition_name(parent, DAY + 403, name);
                snprintf(sql, sizeof(sql),
                         "SELECT count(*) FROM pg_partitioned_table t JOIN pg_inherits i"
                         " ON i.inhparent = t.partrelid JOIN pg_attribute a ON"
                         " a.attrelid = t.partrelid AND a.attnum = t.partattrs[0]"
                         " WHERE t.partrelid = '%s'::regclass AND i.inhrelid = '%s'::regclass"
                         " AND a.attname = '%s'",
                         facts->table, name, facts->column);
                assert_int_equal(test_pg_number(pg, sql), 1);
        }
        test_pg_run(pg, "INSERT INTO alert_events (at, kind, actor) VALUES"
                        " ('2027-12-26 12:00+00', 'fired', 'appliance')");
        assert_int_equal(test_pg_number(pg, "SELECT count(*) FROM alert_events_20271226"), 1);
        mu_database_release(test->database, pg);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(names_and_days),
                cmocka_unit_test(server_agrees_on_names),
                cmocka_unit_test(made_once_with_keys_and_settings),
                cmocka_unit_test(inserts_pass_while_a_day_is_made),
                cmocka_unit_test(of_concurrent_makers_each_day_is_made_once),
                cmocka_unit_test(day_taken_out_stays_out),
                cmocka_unit_test(registry_is_mended),
                cmocka_unit_test(every_parent_has_its_days),
        };

        return cmocka_run_group_tests_name("pg/partition", tests, test_pg_group_setup,
                                           test_pg_group_teardown);
}
