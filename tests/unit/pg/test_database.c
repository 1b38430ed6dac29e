/* SPDX-License-Identifier: Apache-2.0 */
/* The cap, the breaker, the way back after an outage, and what must never happen to a database that
 * is not ours. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fixture.h"
#include "metrics/metrics.h"
#include "pg/conninfo.h"
#include "pg/migrate.h"
#include "pg/partition.h"

static struct mu_database *create(const char *conninfo, uint32_t connections_max,
                                  struct mu_metrics *metrics)
{
        struct mu_database_config config;
        struct mu_database *database;
        struct mu_pg_error error;

        mu_database_config_init(&config, conninfo);
        config.connections_max = connections_max;
        config.metrics = metrics;
        if (mu_database_create(&config, &database, &error) < 0)
                fail_msg("%s", error.text);
        return database;
}

static void secrets_are_never_repeated(void **state)
{
        static const char *const readable[] = {
                "postgresql://me:hush-hush@db.example:6000/fleet?sslmode=require",
                "host=db.example port=6000 dbname=fleet user=me password=hush-hush",
        };
        static const char *const unreadable[] = {
                "postgresql://me:hush-hush@db.example:6000/fleet?nonsense=hush-hush",
                "host=db.example password='hush-hush",
                "password=hush-hush nonsense",
        };
        struct mu_conninfo conninfo;
        struct mu_pg_error error;

        (void)state;
        for (size_t i = 0; i < MU_COUNT_OF(readable); i++) {
                assert_int_equal(mu_conninfo_init(&conninfo, readable[i], 1000, &error), 0);
                assert_string_equal(conninfo.description,
                                    "host=db.example port=6000 dbname=fleet user=me");
                mu_conninfo_done(&conninfo);
        }
        for (size_t i = 0; i < MU_COUNT_OF(unreadable); i++) {
                assert_int_equal(mu_conninfo_init(&conninfo, unreadable[i], 1000, &error), -EINVAL);
                assert_null(strstr(error.text, "hush"));
                assert_non_null(strstr(error.text, "postgresql://"));
        }
}

static const char *value_of(const struct mu_conninfo *conninfo, const char *keyword)
{
        for (uint32_t i = 0; i < conninfo->count; i++)
                if (strcmp(conninfo->keywords[i], keyword) == 0)
                        return conninfo->values[i];
        return NULL;
}

static void operators_word_counts(void **state)
{
        struct mu_conninfo conninfo;
        struct mu_pg_error error;

        (void)state;
        assert_int_equal(mu_conninfo_init(&conninfo,
                                          "host=h application_name=mine options='-c work_mem=9MB' "
                                          "target_session_attrs=any",
                                          1234, &error),
                         0);
        assert_string_equal(value_of(&conninfo, "application_name"), "mine");
        assert_string_equal(value_of(&conninfo, "target_session_attrs"), "any");
        assert_string_equal(value_of(&conninfo, "client_encoding"), "UTF8");
        assert_non_null(strstr(value_of(&conninfo, "options"), "-c work_mem=9MB "));
        assert_non_null(strstr(value_of(&conninfo, "options"), "-c statement_timeout=1234"));
        mu_conninfo_done(&conninfo);
}

static void cap_holds_and_slots_come_back(void **state)
{
        struct test_pg *test = *state;
        struct mu_metrics *metrics;
        struct mu_pg *lent[3], *more;
        struct mu_pg_error error;
        char *text;
        size_t bytes;

        assert_int_equal(mu_metrics_create(&metrics), 0);
        struct mu_database *database = create(mu_cluster_conninfo(test->cluster), 3, metrics);

        for (int i = 0; i < 3; i++)
                assert_int_equal(mu_database_acquire(database, 1000, &lent[i], &error), 0);
        assert_int_equal(mu_database_acquire(database, 10, &more, &error), -ETIMEDOUT);
        assert_non_null(strstr(error.text, "all 3 connections"));
        mu_database_release(database, lent[1]);
        assert_int_equal(mu_database_acquire(database, 1000, &more, &error), 0);
        assert_ptr_equal(more, lent[1]); /* the same connection, not a new one */
        assert_int_equal(mu_pg_generation(more), 1);
        test_pg_run(more, "SELECT 1");

        assert_int_equal(mu_metrics_status(metrics), 0);
        assert_int_equal(mu_metrics_render(metrics, &text, &bytes), 0);
        assert_non_null(strstr(text, "muster_pg_connections{state=\"lent\"} 3"));
        assert_non_null(strstr(text, "muster_pg_connections_max 3"));
        assert_non_null(strstr(text, "muster_pg_connection_wait_timeouts_total 1"));
        assert_non_null(strstr(text, "muster_pg_connection_wait_seconds_count 5"));
        assert_non_null(strstr(text, "muster_pg_connects_total{result=\"ok\"} 3"));
        assert_non_null(strstr(text, "muster_pg_breaker_state 0"));
        assert_non_null(
                strstr(text, "muster_pg_statement_duration_seconds_count{statement=\"test\"} 1"));
        free(text);
        mu_database_release(database, lent[0]);
        mu_database_release(database, more);
        mu_database_release(database, lent[2]);
        mu_metrics_destroy(metrics);
        mu_database_destroy(database);
}

static void nothing_open_is_handed_on(void **state)
{
        struct test_pg *test = *state;
        struct mu_database *database = create(mu_cluster_conninfo(test->cluster), 1, NULL);
        struct mu_pg *pg;

        assert_int_equal(mu_database_acquire(database, 1000, &pg, NULL), 0);
        assert_int_equal(mu_pg_begin(pg), 0);
        test_pg_run(pg, "CREATE TABLE test_open (n int)");
        mu_database_release(database, pg);
        assert_int_equal(mu_database_acquire(database, 1000, &pg, NULL), 0);
        assert_false(mu_pg_in_transaction(pg));
        assert_int_equal(test_pg_number(pg, "SELECT count(*) FROM pg_class WHERE relname ="
                                            " 'test_open'"),
                         0);
        mu_database_release(database, pg);
        mu_database_destroy(database);
}

struct patient {
        struct mu_database *database;
        int result;
};

static void *acquire_patiently(void *context)
{
        struct patient *patient = context;
        struct mu_pg *pg;

        patient->result = mu_database_acquire_patiently(patient->database, &pg);
        if (patient->result == 0)
                mu_database_release(patient->database, pg);
        return NULL;
}

static void breaker_opens_and_patience_is_rewarded(void **state)
{
        struct test_pg *test = *state;
        struct mu_database *database = create(mu_cluster_conninfo(test->cluster), 4, NULL);
        struct mu_cluster_status status;
        struct patient patient = {.database = database};
        struct mu_pg_error error;
        struct mu_pg *pg;
        pthread_t thread;

        mu_cluster_stop(test->cluster);
        for (int i = 0; i < 3; i++) {
                assert_int_equal(mu_database_acquire(database, 1000, &pg, &error), -EHOSTDOWN);
                assert_non_null(strstr(error.text, "no connection to PostgreSQL"));
        }
        assert_int_equal(mu_database_breaker_state(database), MU_BREAKER_OPEN);

        assert_int_equal(pthread_create(&thread, NULL, acquire_patiently, &patient), 0);
        mu_cluster_destroy(test->cluster);
        assert_int_equal(mu_cluster_create(&test->config, &test->cluster, &error), 0);
        assert_int_equal(mu_cluster_start(test->cluster), 0);
        assert_int_equal(mu_cluster_wait_ready(test->cluster, TEST_WAIT_MS), 0);
        pthread_join(thread, NULL);
        assert_int_equal(patient.result, 0);
        assert_int_equal(mu_database_breaker_state(database), MU_BREAKER_CLOSED);
        mu_cluster_status(test->cluster, &status);
        assert_int_equal(status.state, MU_CLUSTER_STATE_READY);
        mu_database_destroy(database);
}

static void shut_ends_the_waiting(void **state)
{
        struct test_pg *test = *state;
        struct mu_database *database = create(mu_cluster_conninfo(test->cluster), 1, NULL);
        struct patient patient = {.database = database};
        struct mu_pg *pg;
        pthread_t thread;

        assert_int_equal(mu_database_acquire(database, 1000, &pg, NULL), 0);
        assert_int_equal(pthread_create(&thread, NULL, acquire_patiently, &patient), 0);
        mu_database_shut(database);
        pthread_join(thread, NULL);
        assert_int_equal(patient.result, -ECANCELED);
        test_pg_run(pg, "SELECT 1"); /* what is lent goes on */
        mu_database_release(database, pg);
        mu_database_destroy(database);
}

static void *sleep_in_the_server(void *context)
{
        static const struct mu_pg_statement SLEEP = {.name = "test_sleep",
                                                     .sql = "SELECT pg_sleep(3600)::text"};
        struct mu_pg *pg = context;

        return mu_pg_query(pg, &SLEEP, MU_PG_VALUES(), NULL) < 0 ? pg : NULL;
}

static void abandoned_statements_end(void **state)
{
        struct test_pg *test = *state;
        struct mu_database *database = create(mu_cluster_conninfo(test->cluster), 1, NULL);
        struct mu_pg *watcher = test_pg_acquire(test);
        struct mu_pg *pg;
        pthread_t thread;
        void *failed;

        assert_int_equal(mu_database_acquire(database, 1000, &pg, NULL), 0);
        assert_int_equal(mu_pg_set_timeout(pg, 0), 0); /* nothing else would end it */
        assert_int_equal(pthread_create(&thread, NULL, sleep_in_the_server, pg), 0);
        while (test_pg_number(watcher, "SELECT count(*) FROM pg_stat_activity"
                                       " WHERE wait_event = 'PgSleep'") == 0)
                ;
        mu_database_abandon(database);
        pthread_join(thread, &failed);
        assert_non_null(failed);
        mu_database_release(database, pg);
        mu_database_destroy(database);
        mu_database_release(test->database, watcher);
}

/* A server that takes the connection and then says nothing: our own limit ends it. */
static void frozen_server_is_given_up(void **state)
{
        struct test_pg *test = *state;
        struct mu_database_config config;
        struct mu_cluster_status status;
        struct mu_database *database;
        struct mu_pg_error error;
        struct mu_pg *pg;

        mu_cluster_status(test->cluster, &status);
        mu_database_config_init(&config, mu_cluster_conninfo(test->cluster));
        config.connect_timeout_ms = 200;
        assert_int_equal(mu_database_create(&config, &database, &error), 0);
        assert_int_equal(kill(status.pid, SIGSTOP), 0);
        int result = mu_database_acquire(database, 1000, &pg, &error);

        assert_int_equal(kill(status.pid, SIGCONT), 0);
        assert_int_equal(result, -EHOSTDOWN);
        assert_non_null(strstr(error.text, "within the time limit"));
        assert_int_equal(mu_database_acquire_patiently(database, &pg), 0);

        /* And one that freezes under a statement. */
        pid_t backend = PQbackendPID(mu_pg_raw(pg));

        assert_int_equal(mu_pg_set_timeout(pg, 10), 0);
        assert_int_equal(kill(backend, SIGSTOP), 0);
        result = mu_pg_script(pg, "test", "SELECT 1");
        assert_int_equal(kill(backend, SIGCONT), 0);
        assert_int_equal(result, -ENOTCONN);
        mu_database_release(database, pg);
        mu_database_destroy(database);
}

static void facts_and_refusals(void **state)
{
        struct test_pg *test = *state;
        struct mu_database *database = create(mu_cluster_conninfo(test->cluster), 4, NULL);
        struct mu_database_facts facts = {0};
        struct mu_pg_error error;

        assert_int_equal(mu_database_check(database, &facts, &error), 0);
        assert_int_equal(facts.server_version / 10000, 15);
        assert_true(facts.connections_available >= 16);
        assert_true(facts.fsync && facts.full_page_writes && facts.synchronous_commit);
        mu_database_destroy(database);

        database = create(mu_cluster_conninfo(test->cluster), 5000, NULL);
        assert_int_equal(mu_database_check(database, &facts, &error), -EINVAL);
        assert_non_null(strstr(error.text, "database.connections_max = 5000"));
        mu_database_destroy(database);
}

static char *settings_of_server(PGconn *admin)
{
        /* Everything that could have been set, where it came from, and who exists. */
        PGresult *result = PQexec(
                admin,
                "SELECT (SELECT string_agg(concat_ws('|', name, setting, source, sourcefile,"
                "  sourceline, pending_restart), E'\\n' ORDER BY name) FROM pg_settings)"
                " || (SELECT coalesce(string_agg(s::text, E'\\n' ORDER BY s::text), '')"
                "  FROM pg_db_role_setting s)"
                " || (SELECT string_agg(r::text, E'\\n' ORDER BY rolname) FROM pg_roles r)"
                " || (SELECT string_agg(concat_ws('|', datname, datacl, datconnlimit), E'\\n'"
                "  ORDER BY datname) FROM pg_database)"
                " || (SELECT string_agg(f::text, E'\\n') FROM pg_file_settings f)"
                " || (SELECT string_agg(h::text, E'\\n') FROM pg_hba_file_rules h)");

        if (PQresultStatus(result) != PGRES_TUPLES_OK)
                fail_msg("%s", PQerrorMessage(admin));
        char *text = strdup(PQgetvalue(result, 0, 0));

        PQclear(result);
        assert_non_null(text);
        return text;
}

static PGconn *connect_admin(struct test_pg *test, const char *dbname)
{
        struct mu_cluster_status status;
        char conninfo[256];

        mu_cluster_status(test->cluster, &status);
        snprintf(conninfo, sizeof(conninfo), "host=%s user=postgres dbname=%s",
                 status.socket_directory, dbname);
        PGconn *admin = PQconnectdb(conninfo);

        assert_int_equal(PQstatus(admin), CONNECTION_OK);
        return admin;
}

/* A database somebody else runs: after everything that a start does, its server is set as before.
 */
static void foreign_server_is_left_as_it_was(void **state)
{
        struct test_pg *test = *state;
        PGconn *admin = connect_admin(test, "postgres");
        struct mu_cluster_status status;
        struct mu_database_facts facts;
        struct mu_pg_error error;
        char url[256];
        size_t count;
        struct mu_pg *pg;

        PQclear(PQexec(admin, "CREATE ROLE stranger LOGIN"));
        PQclear(PQexec(admin, "CREATE DATABASE foreign_db OWNER stranger"));
        /* A default that would lose acknowledged records. */
        PQclear(PQexec(admin, "ALTER DATABASE foreign_db SET synchronous_commit = off"));
        PQfinish(admin);
        admin = connect_admin(test, "foreign_db");
        char *before = settings_of_server(admin);

        PQfinish(admin);
        mu_cluster_status(test->cluster, &status);
        snprintf(url, sizeof(url), "host=%s user=stranger dbname=foreign_db",
                 status.socket_directory);
        struct mu_database *database = create(url, 4, NULL);

        assert_int_equal(mu_database_check(database, &facts, &error), 0);
        assert_true(facts.synchronous_commit); /* for our sessions alone */
        assert_int_equal(mu_database_acquire(database, 1000, &pg, &error), 0);
        const struct mu_migration *migrations = mu_migrations_embedded(&count);

        assert_int_equal(mu_migrate(pg, migrations, count, NULL, NULL, NULL, &error), 0);
        assert_int_equal(mu_partitions_ensure(pg, MU_PARENT_HEARTBEATS, 20778, 20780, NULL), 0);
        mu_database_release(database, pg);
        mu_database_destroy(database);

        admin = connect_admin(test, "foreign_db");
        char *after = settings_of_server(admin);

        PQfinish(admin);
        assert_non_null(strstr(before, "synchronous_commit|off"));
        assert_string_equal(before, after);
        free(before);
        free(after);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(secrets_are_never_repeated),
                cmocka_unit_test(operators_word_counts),
                cmocka_unit_test(cap_holds_and_slots_come_back),
                cmocka_unit_test(nothing_open_is_handed_on),
                cmocka_unit_test(shut_ends_the_waiting),
                cmocka_unit_test(abandoned_statements_end),
                cmocka_unit_test(frozen_server_is_given_up),
                cmocka_unit_test(facts_and_refusals),
                cmocka_unit_test(foreign_server_is_left_as_it_was),
                cmocka_unit_test(breaker_opens_and_patience_is_rewarded),
        };

        return cmocka_run_group_tests_name("pg/database", tests, test_pg_group_setup,
                                           test_pg_group_teardown);
}
