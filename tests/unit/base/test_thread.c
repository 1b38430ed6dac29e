/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/clock.h"
#include "base/thread.h"

struct seen {
        char name[MU_THREAD_NAME_BYTES];
        sigset_t blocked;
};

static void look(void *context)
{
        struct seen *seen = context;

        (void)prctl(PR_GET_NAME, seen->name);
        (void)pthread_sigmask(SIG_SETMASK, NULL, &seen->blocked);
}

static void test_name_and_signals(void **state)
{
        struct seen seen = {.name = ""};
        sigset_t ours;
        pthread_t thread;

        (void)state;
        assert_int_equal(mu_thread_start("writer-3", look, &seen, &thread), 0);
        mu_thread_join(thread);
        assert_string_equal(seen.name, "writer-3");
        assert_int_equal(sigismember(&seen.blocked, SIGTERM), 1);
        assert_int_equal(sigismember(&seen.blocked, SIGHUP), 1);
        assert_int_equal(sigismember(&seen.blocked, SIGUSR1), 1);
        assert_int_equal(pthread_sigmask(SIG_SETMASK, NULL, &ours), 0);
        assert_int_equal(sigismember(&ours, SIGTERM), 0); /* the starter's are as before */

        assert_int_equal(mu_thread_start("a name that is too long", look, &seen, &thread), 0);
        mu_thread_join(thread);
        assert_string_equal(seen.name, "a name that is ");
}

static void test_system_clock_runs_forward(void **state)
{
        const struct mu_clock *clock = mu_clock_system();
        uint64_t last = mu_clock_monotonic_ns(clock);

        (void)state;
        for (int i = 0; i < 1000; i++) {
                uint64_t now = mu_clock_monotonic_ns(clock);

                assert_true(now >= last);
                last = now;
        }
        assert_true(mu_clock_monotonic_ns(clock) > 0);
        /* 2020 to 2200: microseconds, not another unit. */
        assert_true(mu_clock_realtime_us(clock) > INT64_C(1577836800) * MU_US_PER_S);
        assert_true(mu_clock_realtime_us(clock) < INT64_C(7258118400) * MU_US_PER_S);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_name_and_signals),
                cmocka_unit_test(test_system_clock_runs_forward),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
