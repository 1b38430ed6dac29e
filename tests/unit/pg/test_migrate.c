/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fixture.h"
#include "pg/migrate.h"

#define MIGRATION(number, file, text)                                                              \
        {                                                                                          \
                .version = (number), .name = (file), .sql = (text), .sql_bytes = sizeof(text) - 1  \
        }

static const struct mu_migration THREE[] = {
        MIGRATION(1, "0001_a.sql", "CREATE TABLE a (n int); INSERT INTO a VALUES (1);"),
        MIGRATION(2, "0002_b.sql", "CREATE TABLE b (n int);"),
        MIGRATION(3, "0003_c.sql", "INSERT INTO a VALUES (3);"),
};

/* Each test in a schema of its own, which the connection's search_path names. */
static struct mu_pg *acquire_fresh(struct test_pg *test)
{
        struct mu_pg *pg = test_pg_acquire(test);

        test_pg_run(pg, "DROP SCHEMA IF EXISTS fresh CASCADE; CREATE SCHEMA fresh;"
                        " ALTER ROLE muster SET search_path = fresh; SET search_path = fresh");
        return pg;
}

static int migrate(struct mu_pg *pg, const struct mu_migration *migrations, size_t count,
                   size_t *ret_applied, struct mu_pg_error *ret_error)
{
        return mu_migrate(pg, migrations, count, NULL, NULL, ret_applied, ret_error);
}

static int setup(void **state)
{
        struct test_pg *test = calloc(1, sizeof(*test));

        if (!test)
                return -1;
        test_pg_init(test);
        test_pg_start(test);
        *state = test;
        return 0;
}

static void count_progress(void *context, const struct mu_migration *next, size_t done,
                           size_t total)
{
        size_t *calls = context;

        assert_int_equal(next->version, done + 1);
        assert_int_equal(total, 3);
        ++*calls;
}

static void applied_once_and_in_steps(void **state)
{
        struct test_pg *test = *state;
        struct mu_pg *pg = acquire_fresh(test);
        struct mu_pg_error error;
        size_t applied = 0, calls = 0;

        assert_int_equal(migrate(pg, THREE, 2, &applied, &error), 0);
        assert_int_equal(applied, 2);
        assert_int_equal(mu_migrate(pg, THREE, 3, count_progress, &calls, &applied, &error), 0);
        assert_int_equal(applied, 1);
        assert_int_equal(calls, 1);
        assert_int_equal(migrate(pg, THREE, 3, &applied, &error), 0);
        assert_int_equal(applied, 0);
        assert_int_equal(test_pg_number(pg, "SELECT count(*) FROM a"), 2);
        assert_int_equal(test_pg_number(pg, "SELECT count(*) FROM schema_migrations"), 3);
        /* Any file that is itself a SHA-256 of the text, as sha256sum shows it. */
        assert_int_equal(test_pg_number(pg, "SELECT count(*) FROM schema_migrations WHERE version"
                                            " = 2 AND sha256 = sha256('CREATE TABLE b (n int);')"),
                         1);
        mu_database_release(test->database, pg);
}

static void changed_text_is_refused(void **state)
{
        struct test_pg *test = *state;
        struct mu_pg *pg = acquire_fresh(test);
        struct mu_pg_error error;
        struct mu_migration changed[] = {
                THREE[0], MIGRATION(2, "0002_b.sql", "CREATE TABLE b (n int); "), THREE[2]};

        assert_int_equal(migrate(pg, THREE, 2, NULL, &error), 0);
        assert_int_equal(migrate(pg, changed, 3, NULL, &error), -EBADMSG);
        assert_non_null(strstr(error.text, "schema/0002_b.sql"));
        assert_non_null(strstr(error.text, "new file"));
        /* Nothing of what follows was applied. */
        assert_int_equal(test_pg_number(pg, "SELECT count(*) FROM a"), 1);
        mu_database_release(test->database, pg);
}

static void newer_database_is_refused(void **state)
{
        struct test_pg *test = *state;
        struct mu_pg *pg = acquire_fresh(test);
        struct mu_pg_error error;

        assert_int_equal(migrate(pg, THREE, 3, NULL, &error), 0);
        assert_int_equal(migrate(pg, THREE, 2, NULL, &error), -EOVERFLOW);
        assert_non_null(strstr(error.text, "0003_c.sql"));
        assert_non_null(strstr(error.text, "newer version"));
        mu_database_release(test->database, pg);
}

static void gaps_are_refused(void **state)
{
        struct test_pg *test = *state;
        struct mu_pg *pg = acquire_fresh(test);
        const struct mu_migration gap[] = {THREE[0], THREE[2]};
        struct mu_pg_error error;

        assert_int_equal(migrate(pg, gap, 2, NULL, &error), -ENOENT);
        assert_non_null(strstr(error.text, "0003_c.sql"));
        assert_int_equal(migrate(pg, THREE, 3, NULL, &error), 0);
        test_pg_run(pg, "DELETE FROM schema_migrations WHERE version = 2");
        assert_int_equal(migrate(pg, THREE, 3, NULL, &error), -ENOENT);
        assert_non_null(strstr(error.text, "version 2"));
        mu_database_release(test->database, pg);
}

static void failure_rolls_its_own_back_only(void **state)
{
        struct test_pg *test = *state;
        struct mu_pg *pg = acquire_fresh(test);
        struct mu_migration broken[] = {
                THREE[0], MIGRATION(2, "0002_b.sql", "INSERT INTO a VALUES (2); SELECT 1/0;")};
        struct mu_pg_error error;

        assert_int_equal(migrate(pg, broken, 2, NULL, &error), -EINVAL);
        assert_non_null(strstr(error.text, "0002_b.sql"));
        assert_non_null(strstr(error.text, "division by zero"));
        assert_int_equal(test_pg_number(pg, "SELECT count(*) FROM a"), 1);
        assert_int_equal(test_pg_number(pg, "SELECT max(version) FROM schema_migrations"), 1);
        /* The lock is free again. */
        assert_int_equal(migrate(pg, THREE, 3, NULL, &error), 0);
        mu_database_release(test->database, pg);
}

struct starter {
        struct test_pg *test;
        pthread_barrier_t *barrier;
        size_t applied;
        int result;
};

static void *start(void *context)
{
        struct starter *starter = context;
        struct mu_pg_error error;
        struct mu_pg *pg;

        starter->result = mu_database_acquire(starter->test->database, TEST_WAIT_MS, &pg, &error);
        pthread_barrier_wait(starter->barrier);
        if (starter->result)
                return NULL;
        starter->result = mu_pg_script(pg, "test", "SET search_path = fresh");
        if (!starter->result)
                starter->result = migrate(pg, THREE, 3, &starter->applied, &error);
        mu_database_release(starter->test->database, pg);
        return NULL;
}

static void of_concurrent_starters_one_works(void **state)
{
        enum { STARTERS = 4 };
        struct test_pg *test = *state;
        struct mu_pg *pg = acquire_fresh(test);
        struct starter starters[STARTERS];
        pthread_t threads[STARTERS];
        pthread_barrier_t barrier;
        size_t applied = 0;

        pthread_barrier_init(&barrier, NULL, STARTERS);
        for (int i = 0; i < STARTERS; i++) {
                starters[i] = (struct starter){.test = test, .barrier = &barrier};
                assert_int_equal(pthread_create(&threads[i], NULL, start, &starters[i]), 0);
        }
        for (int i = 0; i < STARTERS; i++) {
                pthread_join(threads[i], NULL);
                assert_int_equal(starters[i].result, 0);
                applied += starters[i].applied;
        }
        pthread_barrier_destroy(&barrier);
        assert_int_equal(applied, 3);
        assert_int_equal(test_pg_number(pg, "SELECT count(*) FROM a"), 2);
        mu_database_release(test->database, pg);
}

static void own_schema_applies(void **state)
{
        struct test_pg *test = *state;
        struct mu_pg *pg = acquire_fresh(test);
        struct mu_pg_error error;
        size_t count, applied;
        const struct mu_migration *own = mu_migrations_embedded(&count);

        assert_true(count >= 1);
        if (migrate(pg, own, count, &applied, &error) < 0)
                fail_msg("%s", error.text);
        assert_int_equal(applied, count);
        /* No index of last status has a column that a heartbeat changes: updates stay HOT. */
        assert_int_equal(test_pg_number(pg, "SELECT count(*) FROM pg_index i WHERE i.indrelid ="
                                            " 'device_last_status'::regclass AND i.indkey::text <>"
                                            " '1'"),
                         0);
        mu_database_release(test->database, pg);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(applied_once_and_in_steps),
                cmocka_unit_test(changed_text_is_refused),
                cmocka_unit_test(newer_database_is_refused),
                cmocka_unit_test(gaps_are_refused),
                cmocka_unit_test(failure_rolls_its_own_back_only),
                cmocka_unit_test(of_concurrent_starters_one_works),
                cmocka_unit_test(own_schema_applies),
        };

        return cmocka_run_group_tests_name("pg/migrate", tests, setup, test_pg_group_teardown);
}
