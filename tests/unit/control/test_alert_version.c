/* SPDX-License-Identifier: Apache-2.0 */
#include "control/alert/version.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "muster/compiler.h"
#include "unit.h"

static int order_of(const char *a, const char *b)
{
        int order = 77;

        assert_int_equal(mu_version_compare(a, b, &order), 0);
        return (order > 0) - (order < 0);
}

/* Each is older than all that follow. */
static const char *const ASCENDING[] = {
        "0",
        "0.0.1",
        "0.9",
        "0.10",
        "1.0.0-0",
        "1.0.0-9",
        "1.0.0-10",
        "1.0.0-99999999999999999999999999",
        "1.0.0-alpha",
        "1.0.0-alpha.1",
        "1.0.0-alpha.beta",
        "1.0.0-beta",
        "1.0.0-beta.2",
        "1.0.0-beta.11",
        "1.0.0-rc.1",
        "1.0.0-rc-1",
        "1.0.0",
        "1.0.0.1",
        "1.2",
        "1.2.3",
        "1.10",
        "2",
        "4294967296",
        "18446744073709551616",
        "18446744073709551617",
};

static void test_order(void **state)
{
        (void)state;
        for (size_t i = 0; i < MU_COUNT_OF(ASCENDING); i++)
                for (size_t j = 0; j < MU_COUNT_OF(ASCENDING); j++) {
                        int expected = (i > j) - (i < j);

                        if (order_of(ASCENDING[i], ASCENDING[j]) != expected)
                                fail_msg("%s against %s", ASCENDING[i], ASCENDING[j]);
                }
}

static void test_same(void **state)
{
        static const char *const pairs[][2] = {
                {"1.2", "1.2.0"},       {"1.2.0.0", "1.2"},     {"v1.2.3", "1.2.3"},
                {"V1", "v1"},           {"01.002", "1.2"},      {"1.2.3+build5", "1.2.3"},
                {"1.2+a.b-c", "1.2+d"}, {"1-rc.1+x", "1-rc.1"}, {"1-01", "1-1"},
                {"0.0", "0"},
        };

        (void)state;
        for (size_t i = 0; i < MU_COUNT_OF(pairs); i++)
                if (order_of(pairs[i][0], pairs[i][1]) != 0)
                        fail_msg("%s is not %s", pairs[i][0], pairs[i][1]);
}

static void test_none(void **state)
{
        static const char *const wrong[] = {
                "",    "v",      "vv1",   ".1",     "1.",    "1..2", "a",      "1.a", "1.2b",
                "1-",  "1-.a",   "1-a.",  "1-a..b", "1-a b", "1 ",   " 1",     "-1",  "1,2",
                "1_2", "latest", "1.2-ä", "1/2",    "+1",    "1.-a", "1.2.3.",
        };
        int order = 77;

        (void)state;
        for (size_t i = 0; i < MU_COUNT_OF(wrong); i++) {
                if (mu_version_is_valid(wrong[i]))
                        fail_msg("'%s' is no version", wrong[i]);
                assert_int_equal(mu_version_compare(wrong[i], "1", &order), -EINVAL);
                assert_int_equal(mu_version_compare("1", wrong[i], &order), -EINVAL);
        }
        assert_int_equal(order, 77);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_order),
                cmocka_unit_test(test_same),
                cmocka_unit_test(test_none),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
