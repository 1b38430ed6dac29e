/* SPDX-License-Identifier: Apache-2.0 */
/* Statements, values, transactions and errors, against a real server. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fixture.h"
#include "pg/advisory_lock.h"
#include "pg/copy_in.h"

static const struct mu_pg_statement ECHO = {
        .name = "test_echo",
        .sql = "SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11",
        .params = {MU_PG_BOOL, MU_PG_INT4, MU_PG_INT8, MU_PG_FLOAT8, MU_PG_TEXT, MU_PG_BYTEA,
                   MU_PG_TIMESTAMPTZ, MU_PG_JSONB, MU_PG_INT8_ARRAY, MU_PG_INT4_ARRAY,
                   MU_PG_BYTEA_ARRAY},
        .repeatable = true,
};

static const struct mu_pg_statement ONE = {
        .name = "test_one", .sql = "SELECT 1", .repeatable = true};
static const struct mu_pg_statement ONE_ONCE = {.name = "test_one_once", .sql = "SELECT 1"};

static void terminate(struct test_pg *test, struct mu_pg *victim)
{
        struct mu_pg *other = test_pg_acquire(test);
        char sql[96];
        int64_t pid = PQbackendPID(mu_pg_raw(victim));

        /* Waits until it is gone (the second argument): no race with what follows. */
        snprintf(sql, sizeof(sql), "SELECT pg_terminate_backend(%d, 20000)::int", (int)pid);
        assert_int_equal(test_pg_number(other, sql), 1);
        mu_database_release(test->database, other);
}

static void values_come_back(void **state)
{
        struct test_pg *test = *state;
        struct mu_pg *pg = test_pg_acquire(test);
        static const uint8_t bytes[] = {0, 1, 0xff, 0};
        struct mu_pg_result *rows;
        const int64_t int8s[] = {INT64_MIN, 0, INT64_MAX};
        const int32_t int4s[] = {-1, 7};
        const struct mu_pg_bytes byteas[] = {{bytes, 4}, {"", 0}};
        const int64_t at_us = INT64_C(1795255200123456);

        assert_int_equal(
                mu_pg_query(pg, &ECHO,
                            MU_PG_VALUES(mu_pg_bool(true), mu_pg_int4(INT32_MIN),
                                         mu_pg_int8(INT64_MIN + 1), mu_pg_float8(-0.5),
                                         mu_pg_text("héé"), mu_pg_bytea(bytes, sizeof(bytes)),
                                         mu_pg_timestamptz(at_us), mu_pg_jsonb("{\"a\":[1]}", 9),
                                         mu_pg_int8_array(int8s, 3), mu_pg_int4_array(int4s, 2),
                                         mu_pg_bytea_array(byteas, 2)),
                            &rows),
                0);
        assert_int_equal(mu_pg_rows(rows), 1);
        assert_true(mu_pg_get_bool(rows, 0, 0));
        assert_int_equal(mu_pg_get_int(rows, 0, 1), INT32_MIN);
        assert_true(mu_pg_get_int(rows, 0, 2) == INT64_MIN + 1);
        assert_true(mu_pg_get_float8(rows, 0, 3) == -0.5);
        assert_string_equal(mu_pg_get_text(rows, 0, 4), "héé");
        assert_int_equal(mu_pg_get_bytea(rows, 0, 5).bytes, sizeof(bytes));
        assert_memory_equal(mu_pg_get_bytea(rows, 0, 5).data, bytes, sizeof(bytes));
        assert_true(mu_pg_get_timestamptz(rows, 0, 6) == at_us);
        assert_string_equal(mu_pg_get_text(rows, 0, 7), "{\"a\": [1]}");
        mu_pg_result_free(rows);
        mu_database_release(test->database, pg);
}

static void arrays_are_what_the_server_sees(void **state)
{
        static const struct mu_pg_statement sums = {
                .name = "test_sums",
                .sql = "SELECT (SELECT sum(v) FROM unnest($1) v)::bigint,"
                       " cardinality($1), cardinality($2), length(($3)[2])",
                .params = {MU_PG_INT8_ARRAY, MU_PG_INT4_ARRAY, MU_PG_BYTEA_ARRAY},
        };
        struct test_pg *test = *state;
        struct mu_pg *pg = test_pg_acquire(test);
        struct mu_pg_result *rows;
        static int64_t many[50000];
        const struct mu_pg_bytes byteas[] = {{"x", 1}, {"yyy", 3}};

        for (int i = 0; i < 50000; i++)
                many[i] = i;
        assert_int_equal(
                mu_pg_query(pg, &sums,
                            MU_PG_VALUES(mu_pg_int8_array(many, 50000), mu_pg_int4_array(NULL, 0),
                                         mu_pg_bytea_array(byteas, 2)),
                            &rows),
                0);
        assert_int_equal(mu_pg_get_int(rows, 0, 0), INT64_C(49999) * 25000);
        assert_int_equal(mu_pg_get_int(rows, 0, 1), 50000);
        assert_int_equal(mu_pg_get_int(rows, 0, 2), 0);
        assert_int_equal(mu_pg_get_int(rows, 0, 3), 3);
        mu_pg_result_free(rows);
        mu_database_release(test->database, pg);
}

static void nulls_and_empties_differ(void **state)
{
        static const struct mu_pg_statement nulls = {
                .name = "test_nulls",
                .sql = "SELECT $1, $2, $3, $4",
                .params = {MU_PG_TEXT, MU_PG_TEXT, MU_PG_BYTEA, MU_PG_INT8},
        };
        struct test_pg *test = *state;
        struct mu_pg *pg = test_pg_acquire(test);
        struct mu_pg_result *rows;

        assert_int_equal(mu_pg_query(pg, &nulls,
                                     MU_PG_VALUES(mu_pg_text(NULL), mu_pg_text(""),
                                                  mu_pg_bytea("", 0), mu_pg_null(MU_PG_INT8)),
                                     &rows),
                         0);
        assert_null(mu_pg_get_text(rows, 0, 0));
        assert_string_equal(mu_pg_get_text(rows, 0, 1), "");
        assert_false(mu_pg_is_null(rows, 0, 2));
        assert_int_equal(mu_pg_get_bytea(rows, 0, 2).bytes, 0);
        assert_true(mu_pg_is_null(rows, 0, 3));
        mu_pg_result_free(rows);
        mu_database_release(test->database, pg);
}

static void errors_have_class_and_sentence(void **state)
{
        static const struct mu_pg_statement insert = {
                .name = "test_insert",
                .sql = "INSERT INTO test_errors VALUES ($1)",
                .params = {MU_PG_INT8},
        };
        static const struct mu_pg_statement wrong = {.name = "test_wrong", .sql = "SELECT nothing"};
        static const struct mu_pg_statement route = {
                .name = "test_route",
                .sql = "INSERT INTO heartbeats (device_id, bucket, received_at, observed_at,"
                       " clock_offset_s, flags) VALUES (1, '2001-01-01', now(), now(), 0, 0)",
        };
        struct test_pg *test = *state;
        struct mu_pg *pg = test_pg_acquire(test);
        const struct mu_pg_error *error = mu_pg_last_error(pg);

        test_pg_run(pg, "CREATE TEMPORARY TABLE test_errors (n bigint PRIMARY KEY CHECK (n > 0))");
        assert_int_equal(mu_pg_query(pg, &insert, MU_PG_VALUES(mu_pg_int8(1)), NULL), 0);
        assert_string_equal(error->sqlstate, "");
        assert_int_equal(mu_pg_query(pg, &insert, MU_PG_VALUES(mu_pg_int8(1)), NULL), -EEXIST);
        assert_true(mu_pg_error_is_unique_violation(error) && mu_pg_error_is_data(error));
        assert_string_equal(error->constraint, "test_errors_pkey");
        assert_int_equal(mu_pg_query(pg, &insert, MU_PG_VALUES(mu_pg_int8(-1)), NULL), -EINVAL);
        assert_string_equal(error->sqlstate, "23514");
        assert_true(mu_pg_error_is_data(error) && !mu_pg_error_is_missing_partition(error));
        assert_int_equal(mu_pg_query(pg, &route, MU_PG_VALUES(), NULL), -EINVAL);
        assert_true(mu_pg_error_is_missing_partition(error) && !mu_pg_error_is_data(error));
        assert_int_equal(mu_pg_query(pg, &wrong, MU_PG_VALUES(), NULL), -EPROTO);
        assert_int_equal(mu_pg_script(pg, "test", "COPY heartbeats_20010101 FROM STDIN"), -EPROTO);
        assert_true(mu_pg_error_is_missing_partition(error));
        mu_database_release(test->database, pg);
}

static void lost_while_idle_is_not_noticed(void **state)
{
        struct test_pg *test = *state;
        struct mu_pg *pg = test_pg_acquire(test);
        uint64_t generation = mu_pg_generation(pg);

        assert_int_equal(mu_pg_query(pg, &ONE_ONCE, MU_PG_VALUES(), NULL), 0);
        terminate(test, pg);
        assert_int_equal(mu_pg_query(pg, &ONE_ONCE, MU_PG_VALUES(), NULL), 0);
        assert_int_equal(mu_pg_generation(pg), generation + 1);
        terminate(test, pg);
        assert_int_equal(mu_pg_begin(pg), 0);
        assert_int_equal(mu_pg_query(pg, &ONE, MU_PG_VALUES(), NULL), 0);
        assert_int_equal(mu_pg_commit(pg), 0);
        mu_database_release(test->database, pg);
}

static void lost_under_way_is_repeated_only_if_it_may(void **state)
{
        static const struct mu_pg_statement suicide = {
                .name = "test_suicide",
                .sql = "SELECT pg_terminate_backend(pg_backend_pid())",
        };
        struct test_pg *test = *state;
        struct mu_pg *pg = test_pg_acquire(test);
        uint64_t generation = mu_pg_generation(pg);
        struct mu_pg_statement again = suicide;

        assert_int_equal(mu_pg_query(pg, &suicide, MU_PG_VALUES(), NULL), -ENOTCONN);
        assert_true(mu_pg_error_is_connection_lost(mu_pg_last_error(pg)));
        assert_int_equal(mu_pg_generation(pg), generation);
        again.repeatable = true;
        assert_int_equal(mu_pg_query(pg, &again, MU_PG_VALUES(), NULL), -ENOTCONN);
        assert_int_equal(mu_pg_generation(pg), generation + 2); /* once more, not for ever */
        mu_database_release(test->database, pg);
}

static void lost_in_a_transaction_stays_lost(void **state)
{
        struct test_pg *test = *state;
        struct mu_pg *pg = test_pg_acquire(test);

        assert_int_equal(mu_pg_begin(pg), 0);
        terminate(test, pg);
        assert_int_equal(mu_pg_query(pg, &ONE, MU_PG_VALUES(), NULL), -ENOTCONN);
        assert_int_equal(mu_pg_query(pg, &ONE, MU_PG_VALUES(), NULL), -ENOTCONN);
        assert_int_equal(mu_pg_commit(pg), -ENOTCONN);
        assert_false(mu_pg_in_transaction(pg));
        assert_int_equal(mu_pg_query(pg, &ONE, MU_PG_VALUES(), NULL), 0);
        mu_database_release(test->database, pg);
}

static void failed_transaction_says_so_at_commit(void **state)
{
        struct test_pg *test = *state;
        struct mu_pg *pg = test_pg_acquire(test);

        assert_int_equal(mu_pg_begin(pg), 0);
        test_pg_run(pg, "CREATE TABLE test_never (n int)");
        assert_int_equal(mu_pg_script(pg, "test", "SELECT 1/0"), -EINVAL);
        assert_int_equal(mu_pg_commit(pg), -ECANCELED);
        assert_int_equal(test_pg_number(pg, "SELECT count(*) FROM pg_class WHERE relname ="
                                            " 'test_never'"),
                         0);
        mu_database_release(test->database, pg);
}

static int add_up(void *context, const struct mu_pg_result *row)
{
        int64_t *sum = context;

        *sum += mu_pg_get_int(row, 0, 0);
        return *sum > 1000000 ? -E2BIG : 0;
}

static void stale_plan_is_prepared_again(void **state)
{
        static const struct mu_pg_statement all = {.name = "test_all",
                                                   .sql = "SELECT * FROM test_shape"};
        struct test_pg *test = *state;
        struct mu_pg *pg = test_pg_acquire(test);

        test_pg_run(pg, "CREATE TABLE test_shape (n int)");
        assert_int_equal(mu_pg_query(pg, &all, MU_PG_VALUES(), NULL), 0);
        test_pg_run(pg, "ALTER TABLE test_shape ADD m int");
        assert_int_equal(mu_pg_query(pg, &all, MU_PG_VALUES(), NULL), 0);
        test_pg_run(pg, "DEALLOCATE ALL");
        assert_int_equal(mu_pg_query(pg, &all, MU_PG_VALUES(), NULL), 0);
        test_pg_run(pg, "ALTER TABLE test_shape DROP n");
        assert_int_equal(mu_pg_each(pg, &all, MU_PG_VALUES(), add_up, NULL), 0);
        test_pg_run(pg, "DROP TABLE test_shape");
        mu_database_release(test->database, pg);
}

static void rows_one_at_a_time(void **state)
{
        static const struct mu_pg_statement series = {
                .name = "test_series",
                .sql = "SELECT generate_series(1, $1)",
                .params = {MU_PG_INT8},
        };
        static const struct mu_pg_statement breaks = {
                .name = "test_breaks",
                .sql = "SELECT 10 / (3 - n) FROM generate_series(1, 5) n",
        };
        struct test_pg *test = *state;
        struct mu_pg *pg = test_pg_acquire(test);
        int64_t sum = 0;

        assert_int_equal(mu_pg_each(pg, &series, MU_PG_VALUES(mu_pg_int8(1000)), add_up, &sum), 0);
        assert_int_equal(sum, 500500);
        assert_int_equal(mu_pg_each(pg, &series, MU_PG_VALUES(mu_pg_int8(5000)), add_up, &sum),
                         -E2BIG);
        assert_int_equal(mu_pg_each(pg, &breaks, MU_PG_VALUES(), add_up, &sum), -EINVAL);
        assert_int_equal(test_pg_number(pg, "SELECT 1"), 1);
        mu_database_release(test->database, pg);
}

static void time_limit_is_the_servers(void **state)
{
        struct test_pg *test = *state;
        struct mu_pg *pg = test_pg_acquire(test);

        assert_int_equal(mu_pg_set_timeout(pg, 50), 0);
        assert_int_equal(mu_pg_script(pg, "test", "SELECT pg_sleep(60)"), -ETIMEDOUT);
        terminate(test, pg); /* a new connection keeps it */
        assert_int_equal(test_pg_number(pg, "SELECT setting FROM pg_settings WHERE name ="
                                            " 'statement_timeout'"),
                         50);
        mu_database_release(test->database, pg);
        /* Somebody else gets one as configured. */
        pg = test_pg_acquire(test);
        assert_int_equal(test_pg_number(pg, "SELECT setting FROM pg_settings WHERE name ="
                                            " 'statement_timeout'"),
                         30000);
        mu_database_release(test->database, pg);
}

static void lock_is_one_holders_and_pins(void **state)
{
        struct test_pg *test = *state;
        struct mu_pg *first = test_pg_acquire(test);
        struct mu_pg *second = test_pg_acquire(test);
        bool taken;

        assert_int_equal(mu_advisory_lock_try(first, MU_LOCK_INSTANCE, &taken), 0);
        assert_true(taken);
        assert_int_equal(mu_advisory_lock_try(second, MU_LOCK_INSTANCE, &taken), 0);
        assert_false(taken);
        assert_int_equal(mu_advisory_lock_try(second, MU_LOCK_MIGRATE, &taken), 0);
        assert_true(taken);
        mu_advisory_lock_release(second, MU_LOCK_MIGRATE);

        /* Without the lock nothing runs any more, until it is given back. */
        terminate(test, first);
        assert_int_equal(mu_pg_query(first, &ONE, MU_PG_VALUES(), NULL), -ENOTCONN);
        assert_int_equal(mu_pg_query(first, &ONE, MU_PG_VALUES(), NULL), -ENOTCONN);
        assert_int_equal(mu_advisory_lock_try(second, MU_LOCK_INSTANCE, &taken), 0);
        assert_true(taken);
        mu_advisory_lock_release(first, MU_LOCK_INSTANCE);
        assert_int_equal(mu_pg_query(first, &ONE, MU_PG_VALUES(), NULL), 0);
        mu_advisory_lock_release(second, MU_LOCK_INSTANCE);
        mu_database_release(test->database, first);
        mu_database_release(test->database, second);
}

static void copied_rows_are_read_back(void **state)
{
        struct test_pg *test = *state;
        struct mu_pg *pg = test_pg_acquire(test);
        struct mu_copy_in buffer;

        test_pg_run(pg, "CREATE TEMPORARY TABLE test_copy (a bool, b smallint, c int, d bigint,"
                        " e timestamptz, f text, g jsonb, h int)");
        mu_copy_in_init(&buffer);
        uint8_t *at = mu_copy_in_reserve(&buffer, MU_COPY_HEADER_BYTES);

        mu_copy_in_commit(&buffer, mu_copy_header(at));
        for (int i = 0; i < 5000; i++) {
                at = mu_copy_in_reserve(&buffer, 256);
                assert_non_null(at);
                at = mu_copy_row(at, 8);
                at = mu_copy_bool_or_null(at, i % 2, i % 3 != 0);
                at = mu_copy_int2_or_null(at, (int16_t)-i, i % 3 != 1);
                at = mu_copy_int4_or_null(at, -i, i % 3 != 2);
                at = mu_copy_int8(at, INT64_C(10000000000) + i);
                at = mu_copy_timestamptz(at, INT64_C(1000000) * i);
                at = mu_copy_bytes_or_null(at, "text", (uint32_t)(i % 5), i % 7 != 0);
                at = mu_copy_jsonb_or_null(at, "{\"k\":1}", 7, i % 4 == 0);
                at = mu_copy_null(at);
                mu_copy_in_commit(&buffer, at);
        }
        at = mu_copy_in_reserve(&buffer, MU_COPY_TRAILER_BYTES);
        mu_copy_in_commit(&buffer, mu_copy_trailer(at));

        PGconn *conn = mu_pg_raw(pg);
        PGresult *result = PQexec(conn, "COPY test_copy FROM STDIN (FORMAT binary)");

        assert_int_equal(PQresultStatus(result), PGRES_COPY_IN);
        PQclear(result);
        assert_int_equal(PQputCopyData(conn, (const char *)buffer.data, (int)buffer.used_bytes), 1);
        assert_int_equal(PQputCopyEnd(conn, NULL), 1);
        result = PQgetResult(conn);
        if (PQresultStatus(result) != PGRES_COMMAND_OK)
                fail_msg("%s", PQerrorMessage(conn));
        PQclear(result);
        assert_null(PQgetResult(conn));
        assert_int_equal(
                test_pg_number(pg, "SELECT count(*) FROM test_copy CROSS JOIN LATERAL"
                                   " (SELECT (d - 10000000000)::int AS i) n WHERE"
                                   " a IS NOT DISTINCT FROM CASE WHEN i % 3 <> 0 THEN i % 2 = 1 END"
                                   " AND b IS NOT DISTINCT FROM CASE WHEN i % 3 <> 1 THEN -i END"
                                   " AND c IS NOT DISTINCT FROM CASE WHEN i % 3 <> 2 THEN -i END"
                                   " AND e = to_timestamp(i) AND f IS NOT DISTINCT FROM"
                                   " CASE WHEN i % 7 <> 0 THEN left('text', i % 5) END"
                                   " AND g IS NOT DISTINCT FROM"
                                   " CASE WHEN i % 4 = 0 THEN '{\"k\": 1}'::jsonb END"
                                   " AND h IS NULL"),
                5000);
        mu_copy_in_done(&buffer);
        mu_database_release(test->database, pg);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(values_come_back),
                cmocka_unit_test(arrays_are_what_the_server_sees),
                cmocka_unit_test(nulls_and_empties_differ),
                cmocka_unit_test(errors_have_class_and_sentence),
                cmocka_unit_test(lost_while_idle_is_not_noticed),
                cmocka_unit_test(lost_under_way_is_repeated_only_if_it_may),
                cmocka_unit_test(lost_in_a_transaction_stays_lost),
                cmocka_unit_test(failed_transaction_says_so_at_commit),
                cmocka_unit_test(stale_plan_is_prepared_again),
                cmocka_unit_test(rows_one_at_a_time),
                cmocka_unit_test(time_limit_is_the_servers),
                cmocka_unit_test(lock_is_one_holders_and_pins),
                cmocka_unit_test(copied_rows_are_read_back),
        };

        return cmocka_run_group_tests_name("pg/query", tests, test_pg_group_setup,
                                           test_pg_group_teardown);
}
