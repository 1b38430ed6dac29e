/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "base/backoff.h"

static void test_grows_to_the_cap_and_resets(void **state)
{
        const uint32_t caps[] = {100, 200, 400, 800, 1000, 1000, 1000};
        struct mu_random random;

        (void)state;
        mu_random_seed(&random, 5);
        for (size_t try = 0; try < MU_COUNT_OF(caps); try++) {
                uint32_t least = UINT32_MAX;
                uint32_t most = 0;

                for (int i = 0; i < 2000; i++) {
                        struct mu_backoff backoff;
                        uint32_t wait = 0;

                        mu_backoff_init(&backoff, 100, 1000);
                        for (size_t j = 0; j <= try; j++)
                                wait = mu_backoff_next_ms(&backoff, &random);
                        assert_true(wait <= caps[try]);
                        least = wait < least ? wait : least;
                        most = wait > most ? wait : most;
                }
                /* Full jitter: down to nothing, up to all of it. */
                assert_true(least <= caps[try] / 20);
                assert_true(most >= caps[try] - caps[try] / 20);
        }
}

static void test_reset_starts_anew(void **state)
{
        struct mu_backoff backoff;
        struct mu_random random;

        (void)state;
        mu_random_seed(&random, 6);
        mu_backoff_init(&backoff, 10, 1u << 30);
        for (int i = 0; i < 100; i++)
                (void)mu_backoff_next_ms(&backoff, &random);
        for (int i = 0; i < 100; i++) {
                mu_backoff_reset(&backoff);
                assert_true(mu_backoff_next_ms(&backoff, &random) <= 10);
        }
}

/* Both ends of 0..base are given. */
static void test_ends_are_included(void **state)
{
        struct mu_backoff backoff;
        struct mu_random random;
        int counts[2] = {0};

        (void)state;
        mu_random_seed(&random, 9);
        mu_backoff_init(&backoff, 1, 1);
        for (int i = 0; i < 1000; i++) {
                uint32_t wait = mu_backoff_next_ms(&backoff, &random);

                assert_in_range(wait, 0, 1);
                counts[wait]++;
        }
        assert_in_range(counts[0], 400, 600);
}

static void test_many_tries_do_not_overflow(void **state)
{
        struct mu_backoff backoff;
        struct mu_random random;
        int high = 0;

        (void)state;
        mu_random_seed(&random, 8);
        mu_backoff_init(&backoff, UINT32_MAX, UINT32_MAX);
        for (int i = 0; i < 1000; i++)
                high += mu_backoff_next_ms(&backoff, &random) > UINT32_MAX / 2;
        assert_in_range(high, 400, 600);
        assert_aborts(mu_backoff_init(&backoff, 0, 10));
        assert_aborts(mu_backoff_init(&backoff, 11, 10));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_grows_to_the_cap_and_resets),
                cmocka_unit_test(test_reset_starts_anew),
                cmocka_unit_test(test_ends_are_included),
                cmocka_unit_test(test_many_tries_do_not_overflow),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
