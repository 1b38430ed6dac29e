/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "pg/migrate.h"

static void on_event(void *context, enum mu_cluster_event event, const char *sentence)
{
        struct test_pg *test = context;

        test->events[event]++;
        fprintf(stderr, "  [cluster] %s\n", sentence);
}

void test_pg_init(struct test_pg *test)
{
        const char *base = getenv("TMPDIR");

        *test = (struct test_pg){0};
        assert_in_range(snprintf(test->directory, sizeof(test->directory), "%s/muster-test-XXXXXX",
                                 base ? base : "/tmp"),
                        1, sizeof(test->directory) - 1);
        assert_non_null(mkdtemp(test->directory));
        assert_int_equal(chmod(test->directory, 0755), 0);
        test->config = (struct mu_cluster_config){
                .data_directory = test->directory,
                .connections_max = 16,
                .memory_bytes = UINT64_C(256) << 20,
                .stop_ms = 20000,
                .on_event = on_event,
                .on_event_context = test,
        };
}

void test_pg_start(struct test_pg *test)
{
        struct mu_database_config config;
        struct mu_pg_error error;

        if (mu_cluster_create(&test->config, &test->cluster, &error) < 0)
                fail_msg("%s", error.text);
        assert_int_equal(mu_cluster_start(test->cluster), 0);
        assert_int_equal(mu_cluster_wait_ready(test->cluster, TEST_WAIT_MS), 0);
        mu_database_config_init(&config, mu_cluster_conninfo(test->cluster));
        config.connections_max = 8;
        if (mu_database_create(&config, &test->database, &error) < 0)
                fail_msg("%s", error.text);
}

void test_pg_stop(struct test_pg *test)
{
        mu_database_destroy(test->database);
        test->database = NULL;
        if (test->cluster)
                mu_cluster_stop(test->cluster);
        mu_cluster_destroy(test->cluster);
        test->cluster = NULL;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
        (void)status;
        (void)type;
        (void)walk;
        return remove(path);
}

void test_pg_done(struct test_pg *test)
{
        test_pg_stop(test);
        assert_int_equal(nftw(test->directory, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

struct mu_pg *test_pg_acquire(struct test_pg *test)
{
        struct mu_pg_error error;
        struct mu_pg *pg;

        if (mu_database_acquire(test->database, TEST_WAIT_MS, &pg, &error) < 0)
                fail_msg("%s", error.text);
        return pg;
}

int64_t test_pg_number(struct mu_pg *pg, const char *sql)
{
        PGconn *conn = mu_pg_raw(pg);

        assert_non_null(conn);
        PGresult *result = PQexec(conn, sql);

        if (PQresultStatus(result) != PGRES_TUPLES_OK)
                fail_msg("%s: %s", sql, PQerrorMessage(conn));
        assert_int_equal(PQntuples(result), 1);
        int64_t number = strtoll(PQgetvalue(result, 0, 0), NULL, 10);

        PQclear(result);
        return number;
}

void test_pg_run(struct mu_pg *pg, const char *sql)
{
        if (mu_pg_script(pg, "test", sql) < 0)
                fail_msg("%s: %s", sql, mu_pg_last_error(pg)->text);
}

int test_pg_group_setup(void **state)
{
        struct test_pg *test = calloc(1, sizeof(*test));
        const struct mu_migration *migrations;
        struct mu_pg_error error;
        size_t count;

        if (!test)
                return -1;
        test_pg_init(test);
        test_pg_start(test);
        struct mu_pg *pg = test_pg_acquire(test);

        migrations = mu_migrations_embedded(&count);
        if (mu_migrate(pg, migrations, count, NULL, NULL, NULL, &error) < 0) {
                fprintf(stderr, "%s\n", error.text);
                return -1;
        }
        mu_database_release(test->database, pg);
        *state = test;
        return 0;
}

int test_pg_group_teardown(void **state)
{
        struct test_pg *test = *state;

        test_pg_done(test);
        free(test);
        return 0;
}
