/* SPDX-License-Identifier: Apache-2.0 */
/* The runner's own rules; that it starts what it should is test_backup.py's to show. */
#include "backup/runner.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fs.h"
#include "scratch.h"

#define NOON_US (INT64_C(1795262400) * MU_US_PER_S) /* 2026-11-21T12:00:00Z */
#define HOUR_US (INT64_C(3600) * MU_US_PER_S)

static struct mu_backup_runner *make(void **state, const char *at, const char *directory,
                                     const char *directories)
{
        static char *const nothing[] = {NULL};
        const struct mu_backup_runner_config config = {
                .arguments = nothing,
                .environment = nothing,
                .data_directory = *state,
                .directory = directory,
                .directories = directories,
                .at = at,
                .interval_s = 7200,
                .check_interval_s = 3600,
        };
        struct mu_backup_runner *runner;

        assert_int_equal(mu_backup_runner_create(&config, &runner), 0);
        return runner;
}

/* A file of the data directory, written so many hours before noon. */
static void put(void **state, const char *name, const char *word, int hours)
{
        const char *path = scratch_path(state, name);
        struct timespec times[2] = {{.tv_sec = NOON_US / MU_US_PER_S - hours * 3600}};

        times[1] = times[0];
        assert_int_equal(mu_fs_write_file(path, word, strlen(word), 0600), 0);
        assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static int64_t due(struct mu_backup_runner *runner, enum mu_backup_work work)
{
        return mu_backup_runner_due_us(runner, work, NOON_US);
}

static void test_by_interval_from_the_last(void **state)
{
        struct mu_backup_runner *runner = make(state, "", "/bk", "");

        assert_int_equal(due(runner, MU_BACKUP_WORK_BACKUP), NOON_US);  /* the first: now */
        assert_int_equal(due(runner, MU_BACKUP_WORK_CHECK), INT64_MAX); /* nothing to try */
        put(state, MU_BACKUP_LAST_FILE, "/bk", 1);
        assert_int_equal(due(runner, MU_BACKUP_WORK_BACKUP), NOON_US + HOUR_US);
        assert_int_equal(due(runner, MU_BACKUP_WORK_CHECK), NOON_US);
        put(state, MU_BACKUP_CHECKED_FILE, "failed", 3);
        assert_int_equal(due(runner, MU_BACKUP_WORK_CHECK), NOON_US - 2 * HOUR_US);
        /* Another directory is configured now: nothing lies there yet. */
        put(state, MU_BACKUP_LAST_FILE, "/other", 1);
        assert_int_equal(due(runner, MU_BACKUP_WORK_BACKUP), NOON_US);
        mu_backup_runner_destroy(runner);
}

static void test_at_a_time_of_day(void **state)
{
        struct mu_backup_runner *runner = make(state, "03:30", "/bk", "");

        /* None yet: the next such time. */
        assert_int_equal(due(runner, MU_BACKUP_WORK_BACKUP), NOON_US + 31 * HOUR_US / 2);
        put(state, MU_BACKUP_LAST_FILE, "/bk", 8); /* 04:00 */
        assert_int_equal(due(runner, MU_BACKUP_WORK_BACKUP), NOON_US + 31 * HOUR_US / 2);
        mu_backup_runner_destroy(runner);
}

static void test_one_that_was_missed_is_due(void **state)
{
        struct mu_backup_runner *runner = make(state, "03:30", "/bk", "");

        put(state, MU_BACKUP_LAST_FILE, "/bk", 30);
        assert_int_equal(due(runner, MU_BACKUP_WORK_BACKUP), NOON_US - 17 * HOUR_US / 2);
        mu_backup_runner_destroy(runner);
}

static void test_without_a_directory_none_is_due(void **state)
{
        struct mu_backup_runner *runner = make(state, "", "", "");
        struct mu_backup_error error;

        assert_int_equal(due(runner, MU_BACKUP_WORK_BACKUP), INT64_MAX);
        assert_int_equal(due(runner, MU_BACKUP_WORK_CHECK), INT64_MAX);
        assert_int_equal(mu_backup_runner_ask(runner, "", "me", &error), -EINVAL);
        assert_int_equal(mu_backup_runner_step(runner, MU_BACKUP_WORK_BACKUP, &error), -EINVAL);
        mu_backup_runner_destroy(runner);
}

static void test_only_allowed_directories(void **state)
{
        static const char *const refused[] = {"/else",       "/allowed2",   "/allowed/../else",
                                              "/allowed/..", "allowed",     "/other/x/../../else",
                                              "/",           "/allowedmore"};
        static const char *const taken[] = {"/allowed", "/allowed/deep/er", "/other/x", "/main"};
        struct mu_backup_error error;

        for (size_t i = 0; i < MU_COUNT_OF(refused); i++) {
                struct mu_backup_runner *runner = make(state, "", "/main", "/allowed, /other/ ");

                assert_int_equal(mu_backup_runner_ask(runner, refused[i], "me", &error), -EPERM);
                mu_backup_runner_destroy(runner);
        }
        for (size_t i = 0; i < MU_COUNT_OF(taken); i++) {
                struct mu_backup_runner *runner = make(state, "", "/main", "/allowed, /other/ ");

                assert_int_equal(mu_backup_runner_ask(runner, taken[i], "me", &error), 0);
                assert_int_equal(mu_backup_runner_ask(runner, "", "me", &error), -EBUSY);
                mu_backup_runner_destroy(runner);
        }
}

static void test_no_time_of_day(void **state)
{
        static const char *const wrong[] = {"24:00", "3:30", "03:60", "03.30", "0330", "noon"};
        struct mu_backup_runner *runner;

        for (size_t i = 0; i < MU_COUNT_OF(wrong); i++) {
                const struct mu_backup_runner_config config = {.data_directory = *state,
                                                               .directory = "",
                                                               .directories = "",
                                                               .at = wrong[i]};

                assert_int_equal(mu_backup_runner_create(&config, &runner), -EINVAL);
        }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)
        const struct CMUnitTest tests[] = {
                TEST(test_by_interval_from_the_last),  TEST(test_at_a_time_of_day),
                TEST(test_one_that_was_missed_is_due), TEST(test_without_a_directory_none_is_due),
                TEST(test_only_allowed_directories),   TEST(test_no_time_of_day),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
