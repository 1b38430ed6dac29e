/* SPDX-License-Identifier: Apache-2.0 */
/* Moments as people write them, in a zone with daylight saving. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "ctl/when.h"

/* 2026-11-21 12:00:00 UTC, 13:00 in Berlin */
#define NOON_S INT64_C(1795262400)

static int64_t parse(const char *text)
{
        int64_t seconds = -1;

        assert_int_equal(mu_ctl_parse_when(text, NOON_S, &seconds), 0);
        return seconds;
}

static void what_is_understood(void **state)
{
        (void)state;
        assert_int_equal(parse("now"), NOON_S);
        assert_int_equal(parse("2026-11-21T12:00:00Z"), NOON_S);
        assert_int_equal(parse("2026-11-21T12:00:00.999Z"), NOON_S);
        assert_int_equal(parse("2026-11-21T13:30:00+01:30"), NOON_S);
        assert_int_equal(parse("2026-11-21T07:00:00-05:00"), NOON_S);
        assert_int_equal(parse("2026-11-21 13:00"), NOON_S);
        assert_int_equal(parse("2026-11-21 13:00:05"), NOON_S + 5);
        assert_int_equal(parse("2026-11-21T13:00"), NOON_S);
        assert_int_equal(parse("2026-11-21"), NOON_S - 13 * 3600);
        assert_int_equal(parse("2h ago"), NOON_S - 7200);
        assert_int_equal(parse("90s ago"), NOON_S - 90);
        assert_int_equal(parse("90 s ago"), NOON_S - 90);
        assert_int_equal(parse("1 min ago"), NOON_S - 60);
        assert_int_equal(parse("3 hours ago"), NOON_S - 3 * 3600);
        assert_int_equal(parse("2days ago"), NOON_S - 2 * 86400);
        assert_int_equal(parse("yesterday 14:00"), NOON_S + 3600 - 86400);
        assert_int_equal(parse("yesterday"), NOON_S - 13 * 3600 - 86400);
        assert_int_equal(parse("today 8:15"), NOON_S - 13 * 3600 + 8 * 3600 + 900);
        assert_int_equal(parse("10:30"), NOON_S - 9000);
        assert_int_equal(parse("13:00"), NOON_S);
        assert_int_equal(parse("13:01"), NOON_S + 60 - 86400); /* yesterday's */
        /* In summer the zone is two hours ahead. */
        assert_int_equal(parse("2026-07-01 14:00"), parse("2026-07-01T12:00:00Z"));
}

static void what_is_not(void **state)
{
        static const char *const WRONG[] = {
                "",
                "teatime",
                "2026-02-31",
                "2026-13-01",
                "2026-11-21 25:00",
                "2026-11-21T12:00:00",
                "2026-11-21T12:00:00+1:00",
                "2026-11-21T12:00:00.Z",
                "2026-11-21T12:00:00+01:99",
                "2h",
                "h ago",
                "2h ago ",
                "2 fortnights ago",
                "two h ago",
                "1 min",
                "1  min 2 ago",
                "yesterday14:00",
                "yesterday 25:00",
                "yesterday ",
                "yesteryear",
                "2026-11-21T12:00:00Zx",
        };
        int64_t seconds = 7;

        (void)state;
        for (size_t i = 0; i < sizeof(WRONG) / sizeof(*WRONG); i++)
                if (mu_ctl_parse_when(WRONG[i], NOON_S, &seconds) != -EINVAL)
                        fail_msg("\"%s\" was taken", WRONG[i]);
        assert_int_equal(seconds, 7);
}

static void written_in_utc(void **state)
{
        char text[MU_CTL_WHEN_BYTES];

        (void)state;
        mu_ctl_format_when(NOON_S, text);
        assert_string_equal(text, "2026-11-21T12:00:00Z");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_is_understood),
                cmocka_unit_test(what_is_not),
                cmocka_unit_test(written_in_utc),
        };

        /* The rule itself: no zone files needed. */
        if (setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1) < 0)
                return 1;
        tzset();
        return cmocka_run_group_tests_name("when", tests, NULL, NULL);
}
