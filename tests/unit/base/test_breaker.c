/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <stdbool.h>

#include "base/breaker.h"
#include "fake_clock.h"

static const struct mu_breaker_options options = {
        .failures_max = 3,
        .successes_to_close = 2,
        .open_ms = 1000,
        .open_ms_max = 3000,
};

struct fixture {
        struct fake_clock time;
        struct mu_breaker breaker;
};

static void init(struct fixture *f)
{
        fake_clock_init(&f->time, 0);
        mu_breaker_init(&f->breaker, &options, &f->time.clock);
}

static void fail_times(struct fixture *f, int times)
{
        for (int i = 0; i < times; i++) {
                assert_true(mu_breaker_allow(&f->breaker));
                mu_breaker_failure(&f->breaker);
        }
}

static void test_opens_after_failures_in_a_row(void **state)
{
        struct fixture f;

        (void)state;
        init(&f);
        fail_times(&f, 2);
        assert_true(mu_breaker_allow(&f.breaker));
        mu_breaker_success(&f.breaker); /* breaks the row */
        fail_times(&f, 2);
        assert_int_equal(mu_breaker_state(&f.breaker), MU_BREAKER_CLOSED);
        assert_int_equal(mu_breaker_wait_ms(&f.breaker), 0);
        fail_times(&f, 1);
        assert_int_equal(mu_breaker_state(&f.breaker), MU_BREAKER_OPEN);
        assert_int_equal(mu_breaker_opened_count(&f.breaker), 1);
        assert_false(mu_breaker_allow(&f.breaker));
        assert_int_equal(mu_breaker_wait_ms(&f.breaker), 1000);
}

static void test_probes_one_at_a_time_and_closes(void **state)
{
        struct fixture f;

        (void)state;
        init(&f);
        fail_times(&f, 3);
        fake_clock_advance_ms(&f.time, 999);
        assert_false(mu_breaker_allow(&f.breaker));
        assert_int_equal(mu_breaker_wait_ms(&f.breaker), 1);
        fake_clock_advance_ms(&f.time, 1);
        assert_int_equal(mu_breaker_wait_ms(&f.breaker), 0);
        assert_true(mu_breaker_allow(&f.breaker));
        assert_int_equal(mu_breaker_state(&f.breaker), MU_BREAKER_HALF_OPEN);
        assert_false(mu_breaker_allow(&f.breaker));
        mu_breaker_success(&f.breaker);
        assert_int_equal(mu_breaker_state(&f.breaker), MU_BREAKER_HALF_OPEN);
        assert_true(mu_breaker_allow(&f.breaker));
        mu_breaker_success(&f.breaker);
        assert_int_equal(mu_breaker_state(&f.breaker), MU_BREAKER_CLOSED);
        fail_times(&f, 2); /* counted from none again */
        assert_int_equal(mu_breaker_state(&f.breaker), MU_BREAKER_CLOSED);
}

static void test_failed_probes_double_the_wait(void **state)
{
        const uint32_t waits[] = {1000, 2000, 3000, 3000};
        struct fixture f;

        (void)state;
        init(&f);
        fail_times(&f, 3);
        for (size_t i = 0; i < MU_COUNT_OF(waits); i++) {
                assert_int_equal(mu_breaker_opened_count(&f.breaker), i + 1);
                assert_int_equal(mu_breaker_wait_ms(&f.breaker), waits[i]);
                fake_clock_advance_ms(&f.time, waits[i]);
                assert_true(mu_breaker_allow(&f.breaker));
                mu_breaker_failure(&f.breaker);
                assert_int_equal(mu_breaker_state(&f.breaker), MU_BREAKER_OPEN);
        }
        /* One success is not enough, and does not survive a failure. */
        fake_clock_advance_ms(&f.time, 3000);
        assert_true(mu_breaker_allow(&f.breaker));
        mu_breaker_success(&f.breaker);
        fail_times(&f, 1);
        fake_clock_advance_ms(&f.time, 3000);
        for (int i = 0; i < 2; i++) {
                assert_int_equal(mu_breaker_state(&f.breaker),
                                 i == 0 ? MU_BREAKER_OPEN : MU_BREAKER_HALF_OPEN);
                assert_true(mu_breaker_allow(&f.breaker));
                mu_breaker_success(&f.breaker);
        }
        assert_int_equal(mu_breaker_state(&f.breaker), MU_BREAKER_CLOSED);
        fail_times(&f, 3);
        assert_int_equal(mu_breaker_wait_ms(&f.breaker), 1000); /* short again */
}

static void test_late_results_while_open_change_nothing(void **state)
{
        struct fixture f;

        (void)state;
        init(&f);
        fail_times(&f, 3);
        mu_breaker_success(&f.breaker);
        mu_breaker_failure(&f.breaker);
        assert_int_equal(mu_breaker_state(&f.breaker), MU_BREAKER_OPEN);
        assert_int_equal(mu_breaker_opened_count(&f.breaker), 1);
        assert_int_equal(mu_breaker_wait_ms(&f.breaker), 1000);
}

static void test_names(void **state)
{
        (void)state;
        assert_string_equal(mu_breaker_state_name(MU_BREAKER_CLOSED), "closed");
        assert_string_equal(mu_breaker_state_name(MU_BREAKER_OPEN), "open");
        assert_string_equal(mu_breaker_state_name(MU_BREAKER_HALF_OPEN), "half-open");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_opens_after_failures_in_a_row),
                cmocka_unit_test(test_probes_one_at_a_time_and_closes),
                cmocka_unit_test(test_failed_probes_double_the_wait),
                cmocka_unit_test(test_late_results_while_open_change_nothing),
                cmocka_unit_test(test_names),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
