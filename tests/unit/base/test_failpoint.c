/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/failpoint.h"

static int pass(const char *name)
{
        int err = 0;

        MU_FAILPOINT(name, err);
        return err;
}

static int disarm(void **state)
{
        (void)state;
        mu_failpoint_disarm_all();
        return 0;
}

static void test_errors_fire_from_nth_count_times(void **state)
{
        (void)state;
        assert_int_equal(pass("a.b"), 0); /* not armed */
        assert_int_equal(mu_failpoint_arm("a.b=error:ENOSPC@3*2;c=error:EIO"), 0);
        assert_int_equal(pass("a.b"), 0);
        assert_int_equal(pass("a.b"), 0);
        assert_int_equal(pass("a.b"), -ENOSPC);
        assert_int_equal(pass("a.b"), -ENOSPC);
        assert_int_equal(pass("a.b"), 0);
        assert_int_equal(mu_failpoint_passed_count("a.b"), 5);
        for (int i = 0; i < 10; i++)
                assert_int_equal(pass("c"), -EIO);
        assert_int_equal(pass("a"), 0); /* names match whole */

        assert_int_equal(mu_failpoint_arm("a.b=error:ECANCELED*1"), 0); /* anew */
        assert_int_equal(pass("a.b"), -ECANCELED);
        assert_int_equal(pass("a.b"), 0);
        mu_failpoint_disarm_all();
        assert_int_equal(pass("c"), 0);
        assert_int_equal(mu_failpoint_passed_count("c"), 0);
}

static void test_an_error_before_is_kept(void **state)
{
        int err = -EAGAIN;

        (void)state;
        assert_int_equal(mu_failpoint_arm("other=error:EIO"), 0);
        MU_FAILPOINT("quiet", err);
        assert_int_equal(err, -EAGAIN);
}

static void test_delay_waits(void **state)
{
        (void)state;
        assert_int_equal(mu_failpoint_arm("slow=delay:20*1"), 0);
        uint64_t before = mu_clock_monotonic_ns(mu_clock_system());
        assert_int_equal(pass("slow"), 0);
        assert_true(mu_clock_monotonic_ns(mu_clock_system()) - before >= 20 * MU_NS_PER_MS);
        assert_int_equal(mu_failpoint_passed_count("slow"), 1);
}

static void test_crash_is_sigkill(void **state)
{
        int status;

        (void)state;
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
                if (mu_failpoint_arm("end=crash@2") == 0 && pass("end") == 0)
                        (void)pass("end");
                _exit(0);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void test_wrong_specifications_arm_nothing(void **state)
{
        const char *const wrong[] = {
                "x",
                "=crash",
                "x=",
                "x=explode",
                "x=error:",
                "x=error:ENOPE",
                "x=error",
                "x=delay:",
                "x=delay:-1",
                "x=delay:5s",
                "x=crash@0",
                "x=crash@",
                "x=crash*0",
                "x=crash*1@1",
                "x=crashes",
                "x=error:EIO@1x",
                "x=error:EIO;y",
                "x=error:EIO;;y=crash",
                "x=crash@99999999999999999999",
        };

        (void)state;
        for (size_t i = 0; i < MU_COUNT_OF(wrong); i++) {
                assert_int_equal(mu_failpoint_arm(wrong[i]), -EINVAL);
                assert_int_equal(pass("x"), 0);
        }
        assert_int_equal(mu_failpoint_arm(""), 0);
}

static void test_places_run_out(void **state)
{
        char specification[32];

        (void)state;
        for (int i = 0; i < 32; i++) {
                (void)snprintf(specification, sizeof(specification), "p%d=error:EIO", i);
                assert_int_equal(mu_failpoint_arm(specification), 0);
        }
        assert_int_equal(mu_failpoint_arm("more=error:EIO"), -ENOSPC);
        assert_int_equal(mu_failpoint_arm("p7=error:ENOSPC"), 0);
        assert_int_equal(pass("p7"), -ENOSPC);
}

/* The environment is read once, at the first passing: so in a program of its own. */
static int in_child_with(const char *environment)
{
        int status;
        pid_t child = fork();

        assert_true(child >= 0);
        if (child == 0) {
                (void)setenv("MUSTER_FAILPOINTS", environment, 1);
                (void)close(STDERR_FILENO);
                (void)execl("/proc/self/exe", "test_base_failpoint", "--pass", (char *)NULL);
                _exit(99);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        return status;
}

static void test_environment_arms(void **state)
{
        int status = in_child_with("from.environment=error:EXDEV");

        (void)state;
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), EXDEV);
        status = in_child_with("");
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
        status = in_child_with("from.environment=eror:EXDEV"); /* must not run on uninjected */
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

int main(int argc, char **argv)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_teardown(test_errors_fire_from_nth_count_times, disarm),
                cmocka_unit_test_teardown(test_an_error_before_is_kept, disarm),
                cmocka_unit_test_teardown(test_delay_waits, disarm),
                cmocka_unit_test_teardown(test_crash_is_sigkill, disarm),
                cmocka_unit_test_teardown(test_wrong_specifications_arm_nothing, disarm),
                cmocka_unit_test_teardown(test_places_run_out, disarm),
                cmocka_unit_test_teardown(test_environment_arms, disarm),
        };

        (void)argv;
        if (argc > 1)
                return -pass("from.environment");
        return cmocka_run_group_tests(tests, NULL, NULL);
}
