/* SPDX-License-Identifier: Apache-2.0 */
/* The private cluster through first start, restart, crashes of either side, and refusals. */
#include <errno.h>
#include <poll.h>
#include <pwd.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/fs.h"
#include "fixture.h"
#include "pg/postmaster.h"

static int setup(void **state)
{
        struct test_pg *test = calloc(1, sizeof(*test));

        if (!test)
                return -1;
        test_pg_init(test);
        *state = test;
        return 0;
}

static int teardown(void **state)
{
        test_pg_done(*state);
        free(*state);
        return 0;
}

static struct mu_cluster_status status_of(struct test_pg *test)
{
        struct mu_cluster_status status;

        mu_cluster_status(test->cluster, &status);
        return status;
}

static void wait_restarts(struct test_pg *test, uint32_t restarts)
{
        uint64_t end_ns =
                mu_clock_monotonic_ns(mu_clock_system()) + TEST_WAIT_MS * (uint64_t)MU_NS_PER_MS;

        while (status_of(test).restarts < restarts ||
               status_of(test).state != MU_CLUSTER_STATE_READY) {
                assert_true(mu_clock_monotonic_ns(mu_clock_system()) < end_ns);
                (void)poll(NULL, 0, 20);
        }
}

static void first_start_and_second(void **state)
{
        struct test_pg *test = *state;

        test_pg_start(test);
        assert_int_equal(test->events[MU_CLUSTER_INITIALISING], 1);
        struct mu_pg *pg = test_pg_acquire(test);

        test_pg_run(pg, "CREATE TABLE kept AS SELECT 7 AS n");
        /* What musterd relies on, as the server sees it. */
        assert_int_equal(test_pg_number(pg,
                                        "SELECT count(*) FROM pg_settings WHERE (name, setting) IN"
                                        " (('fsync','on'), ('full_page_writes','on'),"
                                        " ('synchronous_commit','on'), ('listen_addresses',''),"
                                        " ('unix_socket_permissions','0700'),"
                                        " ('data_checksums','on'), ('wal_level','replica'),"
                                        " ('jit','off'), ('server_encoding','UTF8'))"),
                         9);
        /* The role is an ordinary one. */
        assert_int_equal(test_pg_number(pg, "SELECT rolsuper::int + rolcreaterole::int +"
                                            " rolcreatedb::int + rolreplication::int"
                                            " FROM pg_roles WHERE rolname = current_user"),
                         0);
        mu_database_release(test->database, pg);
        struct stat socket;

        assert_int_equal(stat(status_of(test).socket_directory, &socket), 0);
        assert_int_equal(socket.st_mode & 0777, 0700);
        pid_t first = status_of(test).pid;
        char *socket_directory = strdup(status_of(test).socket_directory);

        test_pg_stop(test);
        assert_int_equal(kill(first, 0), -1); /* a clean stop leaves no server and no socket */
        assert_int_equal(access(socket_directory, F_OK), -1);
        free(socket_directory);

        test_pg_start(test);
        assert_int_equal(test->events[MU_CLUSTER_INITIALISING], 1);
        assert_int_equal(test->events[MU_CLUSTER_ADOPTED], 0);
        pg = test_pg_acquire(test);
        assert_int_equal(test_pg_number(pg, "SELECT n FROM kept"), 7);
        mu_database_release(test->database, pg);
}

static void killed_postmaster_comes_back(void **state)
{
        struct test_pg *test = *state;

        test_pg_start(test);
        struct mu_pg *pg = test_pg_acquire(test);

        test_pg_run(pg, "CREATE TABLE kept (n int)");
        for (int round = 1; round <= 3; round++) {
                char sql[64];
                pid_t before = status_of(test).pid;

                snprintf(sql, sizeof(sql), "INSERT INTO kept VALUES (%d)", round);
                test_pg_run(pg, sql);
                assert_int_equal(kill(before, SIGKILL), 0);
                wait_restarts(test, (uint32_t)round);
                assert_int_not_equal(status_of(test).pid, before);
                /* The connection notices and opens another by itself. */
                assert_int_equal(test_pg_number(pg, "SELECT count(*) FROM kept"), round);
        }
        mu_database_release(test->database, pg);
}

/* A backend that can't notice its postmaster's end holds the shared memory: it must be ended. */
static void stuck_backend_does_not_block_the_restart(void **state)
{
        struct test_pg *test = *state;

        test_pg_start(test);
        struct mu_pg *pg = test_pg_acquire(test);
        pid_t backend = (pid_t)test_pg_number(pg, "SELECT pg_backend_pid()");

        assert_int_equal(kill(backend, SIGSTOP), 0);
        assert_int_equal(kill(status_of(test).pid, SIGKILL), 0);
        wait_restarts(test, 1);
        assert_true(test->events[MU_CLUSTER_LEFTOVERS] > 0);
        assert_int_equal(test_pg_number(pg, "SELECT 1"), 1);
        mu_database_release(test->database, pg);
}

/* A daemon's part, in a process that is then killed. No assertion here: they belong to the test. */
static void owner_process(struct test_pg *test, int ready_fd)
{
        struct mu_pg_error error;

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (mu_cluster_create(&test->config, &test->cluster, &error) < 0 ||
            mu_cluster_start(test->cluster) < 0 ||
            mu_cluster_wait_ready(test->cluster, TEST_WAIT_MS) < 0)
                _exit(1);
        pid_t pid = status_of(test).pid;

        if (write(ready_fd, &pid, sizeof(pid)) != sizeof(pid))
                _exit(1);
        for (;;)
                pause();
}

static void orphan_is_adopted(void **state)
{
        struct test_pg *test = *state;
        int ready[2];
        pid_t server = 0;

        assert_int_equal(pipe(ready), 0);
        pid_t owner = fork();

        if (owner == 0)
                owner_process(test, ready[1]);
        close(ready[1]);
        assert_int_equal(read(ready[0], &server, sizeof(server)), sizeof(server));
        close(ready[0]);

        /* While it lives nobody else gets the cluster. */
        struct mu_pg_error error;

        assert_int_equal(mu_cluster_create(&test->config, &test->cluster, &error), -EBUSY);
        assert_non_null(strstr(error.text, "another musterd"));

        assert_int_equal(kill(owner, SIGKILL), 0);
        assert_int_equal(waitpid(owner, NULL, 0), owner);
        assert_int_equal(kill(server, 0), 0); /* it survived */

        test_pg_start(test);
        assert_int_equal(test->events[MU_CLUSTER_ADOPTED], 1);
        assert_true(status_of(test).adopted);
        assert_int_equal(status_of(test).pid, server);

        /* Adopted is watched as well as our own. */
        assert_int_equal(kill(server, SIGKILL), 0);
        wait_restarts(test, 1);
        assert_false(status_of(test).adopted);
        struct mu_pg *pg = test_pg_acquire(test);

        assert_int_equal(test_pg_number(pg, "SELECT 1"), 1);
        mu_database_release(test->database, pg);
}

static void stranger_in_pid_file_is_left_alone(void **state)
{
        struct test_pg *test = *state;
        char path[128], text[256];
        struct mu_postmaster found;

        test_pg_start(test);
        test_pg_stop(test);
        /* Our own pid: alive, but no postmaster of this directory. */
        snprintf(path, sizeof(path), "%s/postgres/postmaster.pid", test->directory);
        snprintf(text, sizeof(text), "%d\n%s/postgres\n1\n5432\n/nowhere\n\n", getpid(),
                 test->directory);
        assert_int_equal(mu_fs_write_file(path, text, strlen(text), 0644), 0);
        snprintf(path, sizeof(path), "%s/postgres", test->directory);
        assert_int_equal(mu_postmaster_find(path, &found), 0);
        test_pg_start(test);
        assert_int_equal(test->events[MU_CLUSTER_ADOPTED], 0);
        assert_int_not_equal(status_of(test).pid, getpid());
}

static void long_paths_get_a_short_socket(void **state)
{
        struct test_pg *test = *state;
        char runtime[200];

        memset(runtime, 'x', sizeof(runtime) - 1);
        runtime[sizeof(runtime) - 1] = '\0';
        memcpy(runtime, test->directory, strlen(test->directory));
        runtime[strlen(test->directory)] = '/';
        test->config.runtime_directory = runtime;
        test_pg_start(test);
        assert_true(strlen(status_of(test).socket_directory) < 94);
        struct mu_pg *pg = test_pg_acquire(test);

        assert_int_equal(test_pg_number(pg, "SELECT 1"), 1);
        mu_database_release(test->database, pg);
}

static void foreign_socket_directory_is_not_used(void **state)
{
        struct test_pg *test = *state;
        char runtime[128], taken[256];

        /* Somebody has made our name, open to all, before us. */
        test_pg_start(test);
        const char *hash = strrchr(status_of(test).socket_directory, '/') + 1;

        hash = strrchr(hash, '-') ? strrchr(hash, '-') + 1 : hash;
        snprintf(runtime, sizeof(runtime), "%s/run", test->directory);
        snprintf(taken, sizeof(taken), "%s/%s", runtime, hash);
        test_pg_stop(test);
        assert_int_equal(mu_fs_make_directories(taken, 0777), 0);
        test->config.runtime_directory = runtime;
        test_pg_start(test);
        assert_string_not_equal(status_of(test).socket_directory, taken);
}

static void another_version_is_refused(void **state)
{
        struct test_pg *test = *state;
        struct mu_pg_error error;
        char path[128];

        test_pg_start(test);
        test_pg_stop(test);
        snprintf(path, sizeof(path), "%s/postgres/PG_VERSION", test->directory);
        assert_int_equal(mu_fs_write_file(path, "14\n", 3, 0644), 0);
        assert_int_equal(mu_cluster_create(&test->config, &test->cluster, &error), -EPROTO);
        assert_non_null(strstr(error.text, "PostgreSQL 14"));
        assert_non_null(strstr(error.text, "pg_upgrade"));
        assert_null(test->cluster);
}

static void missing_programs_are_named(void **state)
{
        struct test_pg *test = *state;
        struct mu_pg_error error;

        test->config.bin_directory = "/nonexistent";
        assert_int_equal(mu_cluster_create(&test->config, &test->cluster, &error), -ENOENT);
        assert_non_null(strstr(error.text, "/nonexistent"));
        assert_non_null(strstr(error.text, "postgresql-15"));
}

static void interrupted_initdb_is_begun_anew(void **state)
{
        struct test_pg *test = *state;
        char path[128];

        snprintf(path, sizeof(path), "%s/postgres.new/base/1", test->directory);
        assert_int_equal(mu_fs_make_directories(path, 0700), 0);
        test_pg_start(test);
        snprintf(path, sizeof(path), "%s/postgres.new", test->directory);
        assert_int_equal(access(path, F_OK), -1);
}

/* Root's data directory may be closed to the server's user: then the cluster lies elsewhere, and is
 * found there even after the data directory was renamed. */
static void closed_data_directory_moves_the_cluster(void **state)
{
        struct test_pg *test = *state;
        char closed[128], renamed[128], fallback[128];

        if (geteuid() != 0)
                skip();
        snprintf(closed, sizeof(closed), "%s/closed", test->directory);
        snprintf(renamed, sizeof(renamed), "%s/renamed", test->directory);
        snprintf(fallback, sizeof(fallback), "%s/fallback", test->directory);
        assert_int_equal(mkdir(closed, 0700), 0);
        test->config.data_directory = closed;
        test->config.fallback_directory = fallback;
        test_pg_start(test);
        assert_int_equal(test->events[MU_CLUSTER_MOVED], 1);
        assert_true(status_of(test).moved);
        assert_ptr_equal(strstr(status_of(test).directory, fallback), status_of(test).directory);
        test_pg_stop(test);

        assert_int_equal(rename(closed, renamed), 0);
        test->config.data_directory = renamed;
        test_pg_start(test);
        assert_int_equal(test->events[MU_CLUSTER_INITIALISING], 1);
        assert_true(status_of(test).moved);
}

static void broken_settings_are_said_and_retried(void **state)
{
        struct test_pg *test = *state;
        char path[128];
        struct mu_pg_error error;

        test_pg_start(test);
        test_pg_stop(test);
        snprintf(path, sizeof(path), "%s/postgres/local.conf", test->directory);
        assert_int_equal(mu_fs_write_file(path, "shared_buffers = 'plenty'\n", 26, 0644), 0);
        assert_int_equal(mu_cluster_create(&test->config, &test->cluster, &error), 0);
        assert_int_equal(mu_cluster_start(test->cluster), 0);
        while (status_of(test).restarts < 2)
                (void)poll(NULL, 0, 20);
        assert_non_null(strstr(status_of(test).last_error, "ended at its start"));
        assert_int_equal(unlink(path), 0);
        assert_int_equal(mu_cluster_wait_ready(test->cluster, TEST_WAIT_MS), 0);
        assert_string_equal(status_of(test).last_error, "");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(first_start_and_second),
                TEST(killed_postmaster_comes_back),
                TEST(stuck_backend_does_not_block_the_restart),
                TEST(orphan_is_adopted),
                TEST(stranger_in_pid_file_is_left_alone),
                TEST(long_paths_get_a_short_socket),
                TEST(foreign_socket_directory_is_not_used),
                TEST(another_version_is_refused),
                TEST(missing_programs_are_named),
                TEST(interrupted_initdb_is_begun_anew),
                TEST(closed_data_directory_moves_the_cluster),
                TEST(broken_settings_are_said_and_retried),
        };

        return cmocka_run_group_tests_name("pg/cluster", tests, NULL, NULL);
}
