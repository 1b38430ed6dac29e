/* SPDX-License-Identifier: Apache-2.0 */
#include "backup/process.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/fs.h"
#include "scratch.h"

#define SH(script)                                                                                 \
        {                                                                                          \
                .argv = (const char *const[])                                                      \
                {                                                                                  \
                        "sh", "-c", (script), NULL                                                 \
                }                                                                                  \
        }

static int run(const struct mu_process *stages, size_t count, uint32_t limit_s, char *words,
               struct mu_backup_error *error)
{
        struct mu_process_run process = {.stages = stages,
                                         .count = count,
                                         .input_fd = -1,
                                         .output_fd = -1,
                                         .limit_s = limit_s};
        int err = mu_process_run(&process, error);

        (void)snprintf(words, 256, "%.255s", process.words);
        return err;
}

static void test_a_pipeline(void **state)
{
        const struct mu_process stages[] = {SH("printf 'b\\na\\n'"), SH("sort"), SH("tr a-z A-Z")};
        struct mu_backup_error error;
        char words[256];

        (void)state;
        assert_int_equal(run(stages, 3, 60, words, &error), 0);
        assert_string_equal(words, "A\nB");
}

static void test_from_a_file_into_a_file(void **state)
{
        const struct mu_process stages[] = {SH("cat"), SH("cat; echo said >&2")};
        int in = open(scratch_path(state, "in"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        int out = open(scratch_path(state, "out"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        struct mu_process_run process = {
                .stages = stages, .count = 2, .input_fd = in, .output_fd = out};
        struct mu_backup_error error;
        char block[16] = "";

        assert_int_equal(write(in, "bytes", 5), 5);
        assert_int_equal(lseek(in, 0, SEEK_SET), 0);
        assert_int_equal(mu_process_run(&process, &error), 0);
        assert_int_equal(pread(out, block, sizeof(block), 0), 5);
        assert_string_equal(block, "bytes");
        assert_string_equal(process.words, "said");
        assert_int_equal(close(in), 0);
        assert_int_equal(close(out), 0);
}

/* Whichever fails, and with its own last words. */
static void test_each_stage_may_fail(void **state)
{
        struct mu_backup_error error;
        char words[256];

        (void)state;
        for (int failing = 0; failing < 3; failing++) {
                struct mu_process stages[] = {SH("yes | head -c 1000000"), SH("cat"),
                                              SH("cat >/dev/null")};

                stages[failing] = (struct mu_process)SH("echo the reason >&2; exit 3");
                assert_int_equal(run(stages, 3, 60, words, &error), -EIO);
                assert_non_null(strstr(error.text, "exit code 3"));
                assert_non_null(strstr(error.text, "the reason"));
        }
        const struct mu_process absent = {
                .argv = (const char *const[]){"muster-no-such-program", NULL}};

        assert_int_equal(run(&absent, 1, 60, words, &error), -EIO);
        assert_non_null(strstr(error.text, "muster-no-such-program can't be run"));
}

static void test_a_limit_ends_all_of_them(void **state)
{
        const struct mu_process stages[] = {SH("sleep 1000"), SH("sleep 1000")};
        struct mu_backup_error error;
        char words[256];

        (void)state;
        assert_int_equal(run(stages, 2, 1, words, &error), -ETIMEDOUT);
        assert_non_null(strstr(error.text, "within 1 s"));
}

static void test_nothing_is_inherited_but_what_is_given(void **state)
{
        static const char *const given[] = {"GIVEN=yes", NULL};
        struct mu_process stage = SH("echo \"$GIVEN $OURS\"; ls /proc/self/fd | wc -l");
        struct mu_backup_error error;
        char words[256];

        (void)state;
        stage.environment = given;
        assert_int_equal(setenv("OURS", "secret", 1), 0);
        int fd = open("/dev/null", O_RDONLY); // NOLINT: not close-on-exec, on purpose

        assert_true(fd >= 0);
        assert_int_equal(run(&stage, 1, 60, words, &error), 0);
        assert_string_equal(words, "yes \n4"); /* 0, 1, 2 and what ls reads */
        assert_int_equal(close(fd), 0);
}

static void test_programs_are_found(void **state)
{
        (void)state;
        assert_true(mu_process_exists("sh"));
        assert_false(mu_process_exists("muster-no-such-program"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)
        const struct CMUnitTest tests[] = {
                TEST(test_a_pipeline),
                TEST(test_from_a_file_into_a_file),
                TEST(test_each_stage_may_fail),
                TEST(test_a_limit_ends_all_of_them),
                TEST(test_nothing_is_inherited_but_what_is_given),
                TEST(test_programs_are_found),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
