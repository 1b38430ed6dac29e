/* SPDX-License-Identifier: Apache-2.0 */
#include "backup/store.h"

#include <errno.h>
#include <string.h>

#include "backup/manifest.h"
#include "backup/tree.h"
#include "base/clock.h"
#include "base/fs.h"
#include "scratch.h"

enum { NOON_S = 1795262400 }; /* 2026-11-21T12:00:00Z */

static void make(void **state, const char *name, bool whole)
{
        char path[4200];

        (void)snprintf(path, sizeof(path), "%s/%s", (const char *)*state, name);
        assert_int_equal(mkdir(path, 0700), 0);
        (void)snprintf(path, sizeof(path), "%s/%s/" MU_MANIFEST_FILE, (const char *)*state, name);
        if (whole)
                assert_int_equal(mu_fs_write_file(path, "{}", 2, 0600), 0);
}

static void test_names(void **state)
{
        char name[MU_BACKUP_NAME_BYTES];

        (void)state;
        mu_store_name(NOON_S, 1, name);
        assert_string_equal(name, "muster-20261121T120000Z");
        mu_store_name(NOON_S, 2, name);
        assert_string_equal(name, "muster-20261121T120000Z-2");
}

static void test_only_whole_ones_are_listed_oldest_first(void **state)
{
        struct mu_backup_name *names;
        struct mu_backup_name newest;
        size_t count;

        assert_int_equal(mu_store_newest(*state, &newest), -ENOENT);
        make(state, "muster-20261121T120000Z-10", true);
        make(state, "muster-20261121T120000Z-2", true);
        make(state, "muster-20261121T120000Z", true);
        make(state, "muster-20261120T120000Z", true);
        make(state, "muster-20261122T120000Z", false);         /* no manifest */
        make(state, ".muster-20261123T120000Z.partial", true); /* killed */
        make(state, "muster-20261123T120000", true);           /* somebody else's */
        make(state, "muster-20261123T120000Z-x", true);
        make(state, "muster-20261123T120000Z.old", true);
        make(state, "other", true);
        assert_int_equal(mu_store_list(*state, &names, &count), 0);
        assert_int_equal(count, 4);
        assert_string_equal(names[0].name, "muster-20261120T120000Z");
        assert_string_equal(names[1].name, "muster-20261121T120000Z");
        assert_string_equal(names[2].name, "muster-20261121T120000Z-2");
        assert_string_equal(names[3].name, "muster-20261121T120000Z-10");
        assert_int_equal(names[1].at_s, NOON_S);
        free(names);
        assert_int_equal(mu_store_newest(*state, &newest), 0);
        assert_string_equal(newest.name, "muster-20261121T120000Z-10");
}

static void test_a_sweep_takes_what_was_killed_and_nothing_else(void **state)
{
        make(state, ".muster-20261121T120000Z.partial", true);
        make(state, "muster-20261121T120000Z", true);
        make(state, "muster-20261122T120000Z", false);
        make(state, ".other.partial", false);
        assert_int_equal(mu_store_sweep(*state), 0);
        assert_false(mu_tree_exists(scratch_path(state, ".muster-20261121T120000Z.partial")));
        assert_true(mu_tree_exists(scratch_path(state, "muster-20261121T120000Z")));
        assert_true(mu_tree_exists(scratch_path(state, "muster-20261122T120000Z")));
        assert_true(mu_tree_exists(scratch_path(state, ".other.partial")));
}

static void count_removed(void *context, const char *name)
{
        char *said = context;

        (void)snprintf(said + strlen(said), 512 - strlen(said), "%s ",
                       name + strlen("muster-202611"));
}

static uint32_t retain(void **state, uint32_t keep, uint32_t keep_days, char *said)
{
        uint32_t removed = 99;

        *said = '\0';
        assert_int_equal(
                mu_store_retain(*state, keep, keep_days, NOON_S, count_removed, said, &removed), 0);
        return removed;
}

static void test_retention(void **state)
{
        char said[512];

        for (int day = 11; day <= 21; day++) {
                char name[64];

                (void)snprintf(name, sizeof(name), "muster-202611%dT110000Z", day);
                make(state, name, true);
        }
        assert_int_equal(retain(state, 0, 0, said), 0); /* no number: all stay */
        assert_int_equal(retain(state, 9, 30, said), 0);
        assert_int_equal(retain(state, 9, 0, said), 2);
        assert_string_equal(said, "11T110000Z 12T110000Z ");
        /* All that are younger than three days stay, though only one has to. */
        assert_int_equal(retain(state, 1, 3, said), 6);
        assert_string_equal(said, "13T110000Z 14T110000Z 15T110000Z 16T110000Z 17T110000Z "
                                  "18T110000Z ");
        assert_int_equal(retain(state, 1, 0, said), 2);
        assert_true(mu_tree_exists(scratch_path(state, "muster-20261121T110000Z")));
        assert_int_equal(retain(state, 1, 0, said), 0); /* never the last */
}

static void test_a_directory_that_others_change_is_refused(void **state)
{
        const char *directory = scratch_path(state, "deep/er");
        struct mu_backup_error error;
        struct stat status;
        int fd = mu_store_open(directory, &error);

        assert_true(fd >= 0);
        assert_int_equal(stat(directory, &status), 0);
        assert_int_equal(status.st_mode & 0777, 0700);
        assert_int_equal(mu_store_open(directory, &error), -EBUSY); /* locked */
        assert_int_equal(close(fd), 0);
        assert_int_equal(chmod(directory, 0777), 0);
        assert_int_equal(mu_store_open(directory, &error), -EPERM);
        assert_non_null(strstr(error.text, "chmod 700"));
        assert_int_equal(chmod(directory, 01777), 0); /* like /tmp: nobody renames ours */
        fd = mu_store_open(directory, &error);
        assert_true(fd >= 0);
        assert_int_equal(close(fd), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)
        const struct CMUnitTest tests[] = {
                TEST(test_names),
                TEST(test_only_whole_ones_are_listed_oldest_first),
                TEST(test_a_sweep_takes_what_was_killed_and_nothing_else),
                TEST(test_retention),
                TEST(test_a_directory_that_others_change_is_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
