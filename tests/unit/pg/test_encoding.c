/* SPDX-License-Identifier: Apache-2.0 */
/* What needs no server: SQLSTATE classes and COPY's bytes. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "pg/copy_in.h"
#include "pg/error.h"

static void sqlstates_have_one_errno(void **state)
{
        static const struct {
                const char *sqlstate;
                int error;
                bool lost, data, missing;
        } cases[] = {
                {"", 0, false, false, false},
                {"22001", -EINVAL, false, true, false},
                {"22P05", -EINVAL, false, true, false},
                {"23502", -EINVAL, false, true, false},
                {"23505", -EEXIST, false, true, false},
                {"23514", -EINVAL, false, false, true}, /* no constraint named: routing */
                {"42P01", -EPROTO, false, false, true},
                {"42703", -EPROTO, false, false, false},
                {"40001", -EAGAIN, false, false, false},
                {"40P01", -EAGAIN, false, false, false},
                {"55P03", -EAGAIN, false, false, false},
                {"57014", -ETIMEDOUT, false, false, false},
                {"57P01", -ENOTCONN, true, false, false},
                {"57P03", -ENOTCONN, true, false, false},
                {"08006", -ENOTCONN, true, false, false},
                {"08001", -EHOSTDOWN, true, false, false},
                {"25P03", -ENOTCONN, true, false, false},
                {"53100", -ENOSPC, false, false, false},
                {"53300", -ENOSPC, false, false, false},
                {"26000", -EPROTO, false, false, false},
                {"XX001", -EIO, false, false, false},
        };

        (void)state;
        for (size_t i = 0; i < MU_COUNT_OF(cases); i++) {
                struct mu_pg_error error;

                mu_pg_error_clear(&error);
                if (cases[i].sqlstate[0])
                        assert_int_equal(mu_pg_error_format(&error, cases[i].sqlstate, "text"),
                                         cases[i].error);
                assert_int_equal(mu_pg_error_errno(error.sqlstate), cases[i].error);
                assert_int_equal(mu_pg_error_is_connection_lost(&error), cases[i].lost);
                assert_int_equal(mu_pg_error_is_data(&error), cases[i].data);
                assert_int_equal(mu_pg_error_is_missing_partition(&error), cases[i].missing);
        }
}

static void texts_are_one_line(void **state)
{
        struct mu_pg_error error;
        char longest[2000];

        (void)state;
        mu_pg_error_format(&error, "XX000", "%s", " a\n\tb \r\n  c\n\n");
        assert_string_equal(error.text, "a b c");
        memset(longest, 'x', sizeof(longest) - 1);
        longest[sizeof(longest) - 1] = '\0';
        mu_pg_error_format(&error, "XX000", "%s", longest);
        assert_int_equal(strlen(error.text), sizeof(error.text) - 1);
}

static void row_is_these_bytes(void **state)
{
        static const uint8_t expected[] = {
                'P',  'G',  'C',  'O',  'P',  'Y',  '\n', 0xff, '\r', '\n', 0,    0,
                0,    0,    0,    0,    0,    0,    0,                               /* header */
                0,    9,                                                             /* columns */
                0,    0,    0,    1,    1,                                           /* true */
                0,    0,    0,    2,    0xff, 0xfe,                                  /* -2 */
                0,    0,    0,    4,    0x01, 0x02, 0x03, 0x04,                      /* int4 */
                0,    0,    0,    8,    0,    0,    0,    0,    0,    0,    1,    0, /* int8 */
                0,    0,    0,    8,    0,    0,    0,    0,    0,    0x0f, 0x42, 0x40, /* 1 s */
                0,    0,    0,    2,    'h',  'i',                                      /* text */
                0,    0,    0,    3,    1,    '{',  '}',                                /* jsonb */
                0xff, 0xff, 0xff, 0xff,                                                 /* absent */
                0,    0,    0,    0,                                                    /* empty */
                0xff, 0xff, /* trailer */
        };
        struct mu_copy_in buffer;

        (void)state;
        mu_copy_in_init(&buffer);
        uint8_t *at = mu_copy_in_reserve(&buffer, sizeof(expected) + 8);

        assert_non_null(at);
        at = mu_copy_header(at);
        at = mu_copy_row(at, 9);
        at = mu_copy_bool_or_null(at, true, true);
        at = mu_copy_int2(at, -2);
        at = mu_copy_int4(at, 0x01020304);
        at = mu_copy_int8(at, 256);
        at = mu_copy_timestamptz(at, MU_PG_EPOCH_US + 1000000);
        at = mu_copy_bytes(at, "hi", 2);
        at = mu_copy_jsonb_or_null(at, "{}", 2, true);
        at = mu_copy_int8_or_null(at, 77, false);
        at = mu_copy_bytes(at, NULL, 0);
        at = mu_copy_trailer(at);
        mu_copy_in_commit(&buffer, at);
        assert_int_equal(buffer.used_bytes, sizeof(expected));
        assert_memory_equal(buffer.data, expected, sizeof(expected));
        mu_copy_in_done(&buffer);
}

static void buffer_grows_and_is_reused(void **state)
{
        struct mu_copy_in buffer;

        (void)state;
        mu_copy_in_init(&buffer);
        for (uint32_t i = 0; i < 100000; i++) {
                uint8_t *at = mu_copy_in_reserve(&buffer, 12);

                assert_non_null(at);
                mu_copy_in_commit(&buffer, mu_copy_int8(at, i));
        }
        assert_int_equal(buffer.used_bytes, 1200000);
        for (uint32_t i = 0; i < 100000; i += 999) {
                const uint8_t *low = buffer.data + (size_t)i * 12 + 8;

                assert_int_equal((uint32_t)low[0] << 24 | (uint32_t)low[1] << 16 |
                                         (uint32_t)low[2] << 8 | low[3],
                                 i);
        }
        const uint8_t *before = buffer.data;
        size_t room_bytes = buffer.room_bytes;

        mu_copy_in_clear(&buffer);
        assert_ptr_equal(mu_copy_in_reserve(&buffer, room_bytes), before);
        assert_int_equal(mu_copy_in_preallocate(&buffer, 100), 0);
        assert_int_equal(buffer.room_bytes, room_bytes);
        mu_copy_in_done(&buffer);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(sqlstates_have_one_errno),
                cmocka_unit_test(texts_are_one_line),
                cmocka_unit_test(row_is_these_bytes),
                cmocka_unit_test(buffer_grows_and_is_reused),
        };

        return cmocka_run_group_tests_name("pg/encoding", tests, NULL, NULL);
}
