/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <string.h>

#include "base/random.h"

/* The first outputs of the authors' reference code from the state 1, 2, 3, 4. */
static void test_generator_is_xoshiro(void **state)
{
        struct mu_random random = {{1, 2, 3, 4}};

        (void)state;
        assert_true(mu_random_u64(&random) == 11520);
        assert_true(mu_random_u64(&random) == 0);
        assert_true(mu_random_u64(&random) == 1509978240);
        assert_true(mu_random_u64(&random) == UINT64_C(1215971899390074240));
}

/* splitmix64 from 0 gives these, as its authors' reference does. */
static void test_seed_is_splitmix(void **state)
{
        struct mu_random random;

        (void)state;
        mu_random_seed(&random, 0);
        assert_true(random.state[0] == UINT64_C(0xe220a8397b1dcdaf));
        assert_true(random.state[1] == UINT64_C(0x6e789e6aa1b965f4));
        assert_true(random.state[2] == UINT64_C(0x06c45d188009454f));
}

static void test_below_is_even(void **state)
{
        struct mu_random random;
        unsigned counts[7] = {0};

        (void)state;
        mu_random_seed(&random, 42);
        for (int i = 0; i < 70000; i++)
                counts[mu_random_below(&random, 7)]++;
        for (int i = 0; i < 7; i++) /* 10 standard deviations */
                assert_in_range(counts[i], 10000 - 930, 10000 + 930);
        for (int i = 0; i < 1000; i++) {
                assert_true(mu_random_below(&random, 1) == 0);
                /* A bound that rejects half of all numbers. */
                assert_true(mu_random_below(&random, (UINT64_C(1) << 63) + 1) <= UINT64_C(1) << 63);
        }
        /* Without rejection, multiples of 3 would be half of these, not a third. */
        unsigned multiples = 0;
        for (int i = 0; i < 30000; i++)
                multiples += mu_random_below(&random, UINT64_C(3) << 62) % 3 == 0;
        assert_in_range(multiples, 10000 - 900, 10000 + 900);
        assert_aborts((void)mu_random_below(&random, 0));
}

static void test_unit_stays_below_one(void **state)
{
        struct mu_random random;
        double sum = 0;

        (void)state;
        mu_random_seed(&random, 1);
        for (int i = 0; i < 100000; i++) {
                double value = mu_random_unit(&random);

                assert_true(value >= 0.0 && value < 1.0);
                sum += value;
        }
        assert_true(sum > 49000 && sum < 51000);
}

static void test_secrets_differ(void **state)
{
        unsigned char a[1000] = {0};
        unsigned char b[1000] = {0};
        struct mu_random x;
        struct mu_random y;

        (void)state;
        assert_int_equal(mu_random_secret(a, sizeof(a)), 0);
        assert_int_equal(mu_random_secret(b, sizeof(b)), 0);
        assert_memory_not_equal(a, b, sizeof(a));
        assert_memory_not_equal(a + 984, b + 984, 16); /* filled to the end */
        assert_int_equal(mu_random_seed_from_system(&x), 0);
        assert_int_equal(mu_random_seed_from_system(&y), 0);
        assert_memory_not_equal(&x, &y, sizeof(x));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_generator_is_xoshiro),
                cmocka_unit_test(test_seed_is_splitmix),
                cmocka_unit_test(test_below_is_even),
                cmocka_unit_test(test_unit_stays_below_one),
                cmocka_unit_test(test_secrets_differ),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
