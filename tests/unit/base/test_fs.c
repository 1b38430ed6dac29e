/* SPDX-License-Identifier: Apache-2.0 */
#include "scratch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/failpoint.h"
#include "base/fs.h"

static int count_entries(const char *directory)
{
        DIR *entries = opendir(directory);
        int count = 0;

        assert_non_null(entries);
        for (struct dirent *entry; (entry = readdir(entries));)
                count += entry->d_name[0] != '.';
        (void)closedir(entries);
        return count;
}

static void assert_holds(const char *path, const char *content, mode_t mode)
{
        struct stat status;
        char *data;
        size_t bytes;

        assert_int_equal(mu_fs_read_file(path, 1 << 20, &data, &bytes), 0);
        assert_int_equal(bytes, strlen(content));
        assert_string_equal(data, content);
        free(data);
        assert_int_equal(stat(path, &status), 0);
        assert_int_equal(status.st_mode & 07777, mode);
}

static void test_write_file_replaces(void **state)
{
        const char *path = scratch_path(state, "secret");
        mode_t before = umask(077);

        assert_int_equal(mu_fs_write_file(path, "first", 5, 0600), 0);
        assert_holds(path, "first", 0600);
        assert_int_equal(mu_fs_write_file(path, "second one", 10, 0644), 0);
        assert_holds(path, "second one", 0644); /* whatever the umask */
        assert_int_equal(mu_fs_write_file(path, "", 0, 0600), 0);
        assert_holds(path, "", 0600);
        assert_int_equal(count_entries(*state), 1); /* no temporary file left */
        (void)umask(before);
}

static void test_write_file_fails_whole(void **state)
{
        assert_int_equal(mu_fs_write_file(scratch_path(state, "none/x"), "a", 1, 0600), -ENOENT);
        assert_int_equal(mkdir(scratch_path(state, "dir"), 0700), 0);
        assert_int_equal(mu_fs_write_file(scratch_path(state, "dir"), "a", 1, 0600), -EISDIR);
        assert_int_equal(count_entries(*state), 1);
#ifdef MUSTER_FAILPOINTS
        const char *path = scratch_path(state, "file");

        assert_int_equal(mu_fs_write_file(path, "old", 3, 0600), 0);
        assert_int_equal(mu_failpoint_arm("fs.write_file=error:ENOSPC"), 0);
        assert_int_equal(mu_fs_write_file(path, "new", 3, 0600), -ENOSPC);
        mu_failpoint_disarm_all();
        assert_holds(path, "old", 0600);
        assert_int_equal(count_entries(*state), 2);
#endif
}

static void test_write_file_in_the_current_directory(void **state)
{
        char before[4096];

        assert_non_null(getcwd(before, sizeof(before)));
        assert_int_equal(chdir(*state), 0);
        assert_int_equal(mu_fs_write_file("plain", "x", 1, 0600), 0);
        assert_holds("plain", "x", 0600);
        assert_int_equal(chdir(before), 0);
}

static void test_read_file_limits(void **state)
{
        const char *path = scratch_path(state, "file");
        char content[10000];
        char *data = NULL;
        size_t bytes = 77;

        memset(content, 'x', sizeof(content));
        assert_int_equal(mu_fs_read_file(path, 100, &data, &bytes), -ENOENT);
        assert_int_equal(mu_fs_write_file(path, content, sizeof(content), 0600), 0);
        assert_int_equal(mu_fs_read_file(path, 9999, &data, &bytes), -EFBIG);
        assert_null(data);
        assert_int_equal(bytes, 77);
        assert_int_equal(mu_fs_read_file(path, 10000, &data, &bytes), 0);
        assert_int_equal(bytes, 10000);
        assert_memory_equal(data, content, 10000);
        free(data);
        assert_int_equal(mu_fs_read_file("/proc/self/stat", 1 << 16, &data, NULL), 0);
        assert_true(strlen(data) > 10);
        free(data);
        assert_int_equal(mu_fs_read_file(*state, 100, &data, NULL), -EISDIR);
}

static void test_make_directories(void **state)
{
        const char *deep = scratch_path(state, "a//b/c/");
        struct stat status;
        mode_t before = umask(077);

        assert_int_equal(mu_fs_make_directories(deep, 0751), 0);
        assert_int_equal(mu_fs_make_directories(deep, 0700), 0); /* made before: left as it is */
        assert_int_equal(stat(scratch_path(state, "a/b/c"), &status), 0);
        assert_int_equal(status.st_mode & 07777, 0751);
        assert_int_equal(stat(scratch_path(state, "a"), &status), 0);
        assert_int_equal(status.st_mode & 07777, 0751);
        (void)umask(before);

        assert_int_equal(mu_fs_make_directories("/", 0700), 0);
        assert_int_equal(mu_fs_make_directories("", 0700), -ENOENT);
        assert_int_equal(mu_fs_write_file(scratch_path(state, "file"), "", 0, 0600), 0);
        assert_int_equal(mu_fs_make_directories(scratch_path(state, "file"), 0700), -ENOTDIR);
        assert_int_equal(mu_fs_make_directories(scratch_path(state, "file/x"), 0700), -ENOTDIR);
}

static void test_sync_directory(void **state)
{
        assert_int_equal(mu_fs_sync_directory(*state), 0);
        assert_int_equal(mu_fs_sync_directory(scratch_path(state, "none")), -ENOENT);
        assert_int_equal(mu_fs_write_file(scratch_path(state, "file"), "", 0, 0600), 0);
        assert_int_equal(mu_fs_sync_directory(scratch_path(state, "file")), -ENOTDIR);
}

static void test_write_all_reports(void **state)
{
        int full = open("/dev/full", O_WRONLY | O_CLOEXEC);

        (void)state;
        assert_true(full >= 0);
        assert_int_equal(mu_fs_write_all(full, "x", 1), -ENOSPC);
        (void)close(full);
        assert_int_equal(mu_fs_write_all(-1, "x", 1), -EBADF);
        assert_int_equal(mu_fs_write_all(-1, "", 0), 0);
}

static void test_space(void **state)
{
        uint64_t free_bytes = 0;
        uint64_t total_bytes = 0;

        assert_int_equal(mu_fs_space(*state, &free_bytes, &total_bytes), 0);
        assert_true(total_bytes > 0 && free_bytes <= total_bytes);
        assert_int_equal(mu_fs_space(*state, NULL, NULL), 0);
        assert_int_equal(mu_fs_space(scratch_path(state, "none"), &free_bytes, NULL), -ENOENT);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_write_file_replaces, scratch_setup,
                                                scratch_teardown),
                cmocka_unit_test_setup_teardown(test_write_file_fails_whole, scratch_setup,
                                                scratch_teardown),
                cmocka_unit_test_setup_teardown(test_write_file_in_the_current_directory,
                                                scratch_setup, scratch_teardown),
                cmocka_unit_test_setup_teardown(test_read_file_limits, scratch_setup,
                                                scratch_teardown),
                cmocka_unit_test_setup_teardown(test_make_directories, scratch_setup,
                                                scratch_teardown),
                cmocka_unit_test_setup_teardown(test_sync_directory, scratch_setup,
                                                scratch_teardown),
                cmocka_unit_test(test_write_all_reports),
                cmocka_unit_test_setup_teardown(test_space, scratch_setup, scratch_teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
