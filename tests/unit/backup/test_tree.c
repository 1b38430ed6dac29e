/* SPDX-License-Identifier: Apache-2.0 */
#include "backup/tree.h"

#include <errno.h>
#include <string.h>

#include "base/fs.h"
#include "scratch.h"

static void put(const char *path, const char *text)
{
        assert_int_equal(mu_fs_write_file(path, text, strlen(text), 0600), 0);
}

static void make_tree(void **state)
{
        assert_int_equal(mkdir(scratch_path(state, "from"), 0700), 0);
        assert_int_equal(mkdir(scratch_path(state, "from/b"), 0750), 0);
        put(scratch_path(state, "from/b/2"), "two");
        put(scratch_path(state, "from/a"), "one");
        assert_int_equal(symlink("/etc/passwd", scratch_path(state, "from/link")), 0);
}

struct seen {
        char text[256];
        const char *skip;
};

static bool skip_one(void *context, const struct mu_tree_entry *entry)
{
        const struct seen *seen = context;

        return seen->skip && strcmp(entry->path, seen->skip) == 0;
}

static int see(void *context, const struct mu_tree_entry *entry)
{
        struct seen *seen = context;
        size_t used = strlen(seen->text);

        (void)snprintf(seen->text + used, sizeof(seen->text) - used, "%s%s ", entry->path,
                       entry->is_directory ? "/"
                       : entry->is_regular ? ""
                                           : "@");
        return strcmp(entry->path, "a") == 0 && seen->skip && *seen->skip == '!' ? -ECANCELED : 0;
}

static void test_walk_goes_in_the_order_of_names(void **state)
{
        struct seen seen = {.skip = NULL};

        make_tree(state);
        assert_int_equal(mu_tree_walk(scratch_path(state, "from"), NULL, see, &seen), 0);
        assert_string_equal(seen.text, "a b/ b/2 link@ ");
}

static void test_walk_skips_a_folder_with_what_it_holds(void **state)
{
        struct seen seen = {.skip = "b"};

        make_tree(state);
        assert_int_equal(mu_tree_walk(scratch_path(state, "from"), skip_one, see, &seen), 0);
        assert_string_equal(seen.text, "a link@ ");
}

static void test_walk_stops_at_an_error(void **state)
{
        struct seen seen = {.skip = "!"};

        make_tree(state);
        assert_int_equal(mu_tree_walk(scratch_path(state, "from"), NULL, see, &seen), -ECANCELED);
        assert_string_equal(seen.text, "a ");
        assert_int_equal(mu_tree_walk(scratch_path(state, "absent"), NULL, see, &seen), -ENOENT);
}

/* Of "abc", as FIPS 180-2 has it. */
static const char ABC[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

static void test_copy_hashes_what_it_read(void **state)
{
        char hex[65];
        uint64_t bytes;
        struct stat status;

        put(scratch_path(state, "abc"), "abc");
        assert_int_equal(mu_tree_copy_file(scratch_path(state, "abc"), scratch_path(state, "copy"),
                                           0640, NULL, &bytes, hex),
                         0);
        assert_string_equal(hex, ABC);
        assert_int_equal(bytes, 3);
        assert_int_equal(stat(scratch_path(state, "copy"), &status), 0);
        assert_int_equal(status.st_mode & 0777, 0640);
        assert_int_equal(mu_tree_hash_file(scratch_path(state, "copy"), NULL, &bytes, hex), 0);
        assert_string_equal(hex, ABC);
        /* Never over something that is there, never through a link. */
        assert_int_equal(mu_tree_copy_file(scratch_path(state, "abc"), scratch_path(state, "copy"),
                                           0640, NULL, &bytes, hex),
                         -EEXIST);
        assert_int_equal(symlink(scratch_path(state, "abc"), scratch_path(state, "link")), 0);
        assert_int_equal(mu_tree_hash_file(scratch_path(state, "link"), NULL, &bytes, hex), -ELOOP);
}

static void test_a_tree_is_copied_counted_and_removed(void **state)
{
        struct seen seen = {.skip = NULL};
        struct stat status;
        uint64_t bytes;

        make_tree(state);
        assert_int_equal(mu_tree_copy(scratch_path(state, "from"), scratch_path(state, "to"),
                                      geteuid(), getegid()),
                         0);
        assert_int_equal(mu_tree_walk(scratch_path(state, "to"), NULL, see, &seen), 0);
        assert_string_equal(seen.text, "a b/ b/2 "); /* a link is nothing of ours */
        assert_int_equal(stat(scratch_path(state, "to/b"), &status), 0);
        assert_int_equal(status.st_mode & 0777, 0750);
        assert_int_equal(mu_tree_bytes(scratch_path(state, "to"), &bytes), 0);
        assert_int_equal(bytes, 6);
        assert_int_equal(mu_tree_sync(scratch_path(state, "to"), true), 0);
        assert_int_equal(mu_tree_remove(scratch_path(state, "to")), 0);
        assert_false(mu_tree_exists(scratch_path(state, "to")));
        assert_int_equal(mu_tree_remove(scratch_path(state, "to")), 0);
        /* What a link names is not removed with it. */
        put(scratch_path(state, "kept"), "kept");
        assert_int_equal(mkdir(scratch_path(state, "links"), 0700), 0);
        assert_int_equal(symlink(scratch_path(state, "kept"), scratch_path(state, "links/1")), 0);
        assert_int_equal(mu_tree_remove(scratch_path(state, "links")), 0);
        assert_true(mu_tree_exists(scratch_path(state, "kept")));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)
        const struct CMUnitTest tests[] = {
                TEST(test_walk_goes_in_the_order_of_names),
                TEST(test_walk_skips_a_folder_with_what_it_holds),
                TEST(test_walk_stops_at_an_error),
                TEST(test_copy_hashes_what_it_read),
                TEST(test_a_tree_is_copied_counted_and_removed),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
