/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/name_distance.h"
#include "base/random.h"

static void test_by_hand(void **state)
{
        (void)state;
        assert_int_equal(mu_name_distance("", ""), 0);
        assert_int_equal(mu_name_distance("server", "server"), 0);
        assert_int_equal(mu_name_distance("", "server"), 6);
        assert_int_equal(mu_name_distance("server", ""), 6);
        assert_int_equal(mu_name_distance("sever", "server"), 1);
        assert_int_equal(mu_name_distance("serrver", "server"), 1);
        assert_int_equal(mu_name_distance("xerver", "server"), 1);
        assert_int_equal(mu_name_distance("kitten", "sitting"), 3);
        assert_int_equal(mu_name_distance("abc", "cab"), 2);
}

/* Both ways the same, no more than the longer one has, and no detour is shorter. */
static void test_is_a_distance(void **state)
{
        struct mu_random random;

        (void)state;
        mu_random_seed(&random, 7);
        for (int round = 0; round < 3000; round++) {
                char words[3][9] = {{0}};

                for (size_t i = 0; i < 3; i++)
                        for (size_t j = mu_random_below(&random, 9); j > 0; j--)
                                words[i][j - 1] = (char)('a' + mu_random_below(&random, 3));
                size_t ab = mu_name_distance(words[0], words[1]);
                size_t bc = mu_name_distance(words[1], words[2]);
                size_t ac = mu_name_distance(words[0], words[2]);
                size_t a = strlen(words[0]);
                size_t b = strlen(words[1]);

                assert_int_equal(ab, mu_name_distance(words[1], words[0]));
                assert_int_equal(ab == 0, strcmp(words[0], words[1]) == 0);
                assert_in_range(ab, a > b ? a - b : b - a, a > b ? a : b);
                assert_true(ac <= ab + bc);
        }
}

static void test_long_ones_are_cut(void **state)
{
        char one[200];
        char other[200];

        (void)state;
        memset(one, 'x', sizeof(one) - 1);
        one[sizeof(one) - 1] = '\0';
        memcpy(other, one, sizeof(one));
        other[MU_NAME_CHARS_MAX] = 'y';
        assert_int_equal(mu_name_distance(one, other), 0);
        other[MU_NAME_CHARS_MAX - 1] = 'y';
        assert_int_equal(mu_name_distance(one, other), 1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_by_hand),
                cmocka_unit_test(test_is_a_distance),
                cmocka_unit_test(test_long_ones_are_cut),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
