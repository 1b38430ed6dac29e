/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <errno.h>

#include "base/parse_units.h"

struct good {
        const char *text;
        uint64_t value;
};

struct bad {
        const char *text;
        int err;
        const char *reason;
};

static void test_bytes(void **state)
{
        const struct good good[] = {
                {"0", 0},
                {"2000", 2000},
                {"7B", 7},
                {"64MiB", 67108864},
                {" 1 KiB ", 1024},
                {"3GiB", 3221225472},
                {"16777215TiB", 16777215ull << 40},
                {"18446744073709551615", UINT64_MAX},
        };
        const struct bad bad[] = {
                {"", -EINVAL, "'' is not a whole number; write for example 64MiB"},
                {"MiB", -EINVAL, "'MiB' is not a whole number; write for example 64MiB"},
                {"-1", -EINVAL, "'-1' is not a whole number; write for example 64MiB"},
                {"1.5GiB", -EINVAL,
                 "'1.5GiB' has a fraction; write a whole number of a smaller unit"},
                {"64MB", -EINVAL, "'64MB': unknown unit 'MB'; use B, KiB, MiB, GiB or TiB"},
                {"64mib", -EINVAL, "'64mib': unknown unit 'mib'; use B, KiB, MiB, GiB or TiB"},
                {"1KiB x", -EINVAL, "'1KiB x': unknown unit 'KiB x'; use B, KiB, MiB, GiB or TiB"},
                {"18446744073709551616", -ERANGE, "'18446744073709551616' is too large"},
                {"16777216TiB", -ERANGE, "'16777216TiB' is too large"},
        };

        (void)state;
        for (size_t i = 0; i < MU_COUNT_OF(good); i++) {
                uint64_t bytes = 77;

                assert_int_equal(mu_parse_bytes(good[i].text, &bytes, NULL), 0);
                assert_true(bytes == good[i].value);
        }
        for (size_t i = 0; i < MU_COUNT_OF(bad); i++) {
                struct mu_parse_reason reason = {""};
                uint64_t bytes = 77;

                assert_int_equal(mu_parse_bytes(bad[i].text, &bytes, &reason), bad[i].err);
                assert_int_equal(mu_parse_bytes(bad[i].text, &bytes, NULL), bad[i].err);
                assert_true(bytes == 77);
                assert_string_equal(reason.text, bad[i].reason);
        }
}

static void test_durations(void **state)
{
        const struct good good[] = {
                {"0", 0},
                {"0s", 0},
                {"17ns", 17},
                {"250us", 250000},
                {"300ms", 300000000},
                {"5 s", 5000000000},
                {"5m", 300000000000},
                {"12h", 43200000000000},
                {"90d", 7776000000000000},
        };
        const struct bad bad[] = {
                {"5", -EINVAL, "'5' has no unit; use ns, us, ms, s, m, h or d"},
                {"5min", -EINVAL, "'5min': unknown unit 'min'; use ns, us, ms, s, m, h or d"},
                {"0.5s", -EINVAL, "'0.5s' has a fraction; write a whole number of a smaller unit"},
                {"soon", -EINVAL, "'soon' is not a whole number; write for example 300ms"},
                {"213504d", -ERANGE, "'213504d' is too long"},
        };

        (void)state;
        for (size_t i = 0; i < MU_COUNT_OF(good); i++) {
                uint64_t ns = 77;

                assert_int_equal(mu_parse_duration_ns(good[i].text, &ns, NULL), 0);
                assert_true(ns == good[i].value);
        }
        for (size_t i = 0; i < MU_COUNT_OF(bad); i++) {
                struct mu_parse_reason reason = {""};
                uint64_t ns = 77;

                assert_int_equal(mu_parse_duration_ns(bad[i].text, &ns, &reason), bad[i].err);
                assert_true(ns == 77);
                assert_string_equal(reason.text, bad[i].reason);
        }
}

static void test_numbers(void **state)
{
        struct mu_parse_reason reason;
        uint64_t number = 77;

        (void)state;
        assert_int_equal(mu_parse_number("2000", 1, 2000, &number, NULL), 0);
        assert_int_equal(number, 2000);
        assert_int_equal(mu_parse_number("2001", 1, 2000, &number, &reason), -ERANGE);
        assert_string_equal(reason.text, "2001 is outside 1..2000");
        assert_int_equal(mu_parse_number("0", 1, 2000, &number, &reason), -ERANGE);
        assert_int_equal(mu_parse_number("12 monkeys", 1, 2000, &number, &reason), -EINVAL);
        assert_string_equal(reason.text, "'12 monkeys': 'monkeys' after the number");
        assert_int_equal(number, 2000);
}

/* What is formatted reads back as the same, in as few digits as exactness allows. */
static void test_formats_read_back(void **state)
{
        char buffer[MU_FORMAT_UNITS_BYTES];
        uint64_t value;

        (void)state;
        assert_string_equal(mu_format_bytes(0, buffer), "0B");
        assert_string_equal(mu_format_bytes(67108864, buffer), "64MiB");
        assert_string_equal(mu_format_bytes(67108865, buffer), "67108865B");
        assert_string_equal(mu_format_bytes(UINT64_MAX, buffer), "18446744073709551615B");
        assert_string_equal(mu_format_duration_ns(0, buffer), "0ns");
        assert_string_equal(mu_format_duration_ns(300000000000, buffer), "5m");
        assert_string_equal(mu_format_duration_ns(90000000000, buffer), "90s");
        for (uint64_t wanted = 1; wanted < UINT64_MAX / 11; wanted = wanted * 11 + wanted / 7) {
                assert_int_equal(mu_parse_bytes(mu_format_bytes(wanted, buffer), &value, NULL), 0);
                assert_true(value == wanted);
                assert_int_equal(
                        mu_parse_duration_ns(mu_format_duration_ns(wanted, buffer), &value, NULL),
                        0);
                assert_true(value == wanted);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_bytes),
                cmocka_unit_test(test_durations),
                cmocka_unit_test(test_numbers),
                cmocka_unit_test(test_formats_read_back),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
