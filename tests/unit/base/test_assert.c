/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"

static void test_true_does_nothing_and_evaluates_once(void **state)
{
        int times = 0;

        (void)state;
        MU_ASSERT(++times == 1);
        assert_int_equal(times, 1);
}

/* The dying process says what was asserted, where, and how it got there. */
static void test_false_reports_and_aborts(void **state)
{
        int ends[2];
        char report[8192];
        size_t bytes = 0;
        int status;

        (void)state;
        assert_int_equal(pipe(ends), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
                (void)signal(SIGABRT, SIG_DFL);
                (void)dup2(ends[1], STDERR_FILENO);
                MU_ASSERT(2 + 2 == 5);
                _exit(0);
        }
        (void)close(ends[1]);
        for (ssize_t got; (got = read(ends[0], report + bytes, sizeof(report) - 1 - bytes)) > 0;)
                bytes += (size_t)got;
        (void)close(ends[0]);
        report[bytes] = '\0';
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
        assert_non_null(strstr(report, "assertion failed: 2 + 2 == 5, at "));
        assert_non_null(strstr(report, "test_assert.c:"));
        const char *first_line_end = strchr(report, '\n');
        assert_non_null(first_line_end);
        assert_non_null(strstr(first_line_end, "[0x")); /* at least one frame */
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_true_does_nothing_and_evaluates_once),
                cmocka_unit_test(test_false_reports_and_aborts),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
