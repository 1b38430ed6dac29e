/* SPDX-License-Identifier: Apache-2.0 */
#include "../base/unit.h"

#include <errno.h>
#include <string.h>

#include "outbound/retry_after.h"

static const int64_t then_s = 784111777; /* RFC 9110 5.6.7: Sun, 06 Nov 1994 08:49:37 GMT */

static int64_t date(const char *text)
{
        int64_t at_s = -1;
        int code = mu_http_date_parse(text, strlen(text), then_s, &at_s);

        return code < 0 ? code : at_s;
}

static int64_t wait_for(const char *text)
{
        uint32_t wait_s;
        int code = mu_retry_after_parse(text, strlen(text), then_s, &wait_s);

        return code < 0 ? code : (int64_t)wait_s;
}

static void three_forms_of_a_date(void **state)
{
        (void)state;
        assert_int_equal(date("Sun, 06 Nov 1994 08:49:37 GMT"), then_s);
        assert_int_equal(date("Sunday, 06-Nov-94 08:49:37 GMT"), then_s);
        assert_int_equal(date("Sun Nov  6 08:49:37 1994"), then_s);
        assert_int_equal(date("Thu Nov 10 08:49:37 1994"), then_s + 4 * 86400);
        assert_int_equal(date("Thu, 29 Feb 1996 00:00:00 GMT"), 825552000);
}

/* This century's, unless that were more than 50 years ahead. */
static void two_digits_mean_this_century_or_the_last(void **state)
{
        (void)state;
        assert_true(date("Sunday, 06-Nov-44 08:49:37 GMT") < 0); /* 1944 */
        int64_t at_s = -1;
        const char *text = "Sunday, 06-Nov-60 08:49:37 GMT";
        const int64_t in_2026 = 1792000000;

        assert_int_equal(mu_http_date_parse(text, strlen(text), in_2026, &at_s), 0);
        assert_true(at_s > in_2026);
        text = "Sunday, 06-Nov-94 08:49:37 GMT";
        assert_int_equal(mu_http_date_parse(text, strlen(text), in_2026, &at_s), 0);
        assert_int_equal(at_s, then_s);
}

static void what_is_no_date(void **state)
{
        static const char *const wrong[] = {
                "",
                "Sun",
                "Sun, 06 Nov 1994 08:49:37",
                "Sun, 06 Nov 1994 08:49:37 UTC",
                "Sun, 06 Nov 1994 08:49:37 GMT ",
                "Sun, 6 Nov 1994 08:49:37 GMT",
                "Sun, 06 nov 1994 08:49:37 GMT",
                "Sun, 31 Feb 1994 08:49:37 GMT",
                "Sun, 31 Feb 1994 08:49:60 GMT",
                "Sun, 00 Nov 1994 08:49:37 GMT",
                "Sun, 06 Nov 1994 24:00:00 GMT",
                "Sun, 06 Nov 1994 08:60:00 GMT",
                "Someday, 06 Nov 1994 08:49:37 GMT",
                "1994-11-06T08:49:37Z",
        };

        (void)state;
        for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
                assert_int_equal(date(wrong[i]), -EBADMSG);
}

static void seconds(void **state)
{
        (void)state;
        assert_int_equal(wait_for("0"), 0);
        assert_int_equal(wait_for("120"), 120);
        assert_int_equal(wait_for("  7\t"), 7);
        assert_int_equal(wait_for("86401"), MU_RETRY_AFTER_S_MAX);
        assert_int_equal(wait_for("99999999999999999999"), MU_RETRY_AFTER_S_MAX);
        assert_int_equal(wait_for("1.5"), -EBADMSG);
        assert_int_equal(wait_for("-1"), -EBADMSG);
        assert_int_equal(wait_for("1s"), -EBADMSG);
        assert_int_equal(wait_for("   "), -EBADMSG);
}

static void dates_become_a_wait(void **state)
{
        (void)state;
        assert_int_equal(wait_for("Sun, 06 Nov 1994 08:50:07 GMT"), 30);
        assert_int_equal(wait_for("Sun, 06 Nov 1994 08:49:36 GMT"), 0);
        assert_int_equal(wait_for("Sun, 06 Nov 2004 08:49:36 GMT"), MU_RETRY_AFTER_S_MAX);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(three_forms_of_a_date),
                cmocka_unit_test(two_digits_mean_this_century_or_the_last),
                cmocka_unit_test(what_is_no_date),
                cmocka_unit_test(seconds),
                cmocka_unit_test(dates_become_a_wait),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
