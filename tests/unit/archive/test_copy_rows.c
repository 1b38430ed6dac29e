/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "archive/copy_rows.h"

#define COLUMNS 3

/* (1, 2000-01-01 00:00:00.000001, 'abc'), (NULL, NULL, ''), (-2, infinity, NULL) */
static const uint8_t ROWS[] = {
        0,   3, 0,    0,    0,    8,    0,    0,    0,    0,    0,    0,    0,    1,    0,   0,
        0,   8, 0,    0,    0,    0,    0,    0,    0,    1,    0,    0,    0,    3,    'a', 'b',
        'c',                                                                         /* 1 */
        0,   3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0,    0,    0,    0, /* 2 */
        0,   3, 0,    0,    0,    8,    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, 0,   0,
        0,   8, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, /* 3 */
};

struct stream {
        uint8_t data[256];
        size_t bytes;
};

static struct stream whole(void)
{
        struct stream stream = {0};

        memcpy(stream.data, mu_copy_rows_header, MU_COPY_ROWS_HEADER_BYTES);
        memcpy(stream.data + MU_COPY_ROWS_HEADER_BYTES, ROWS, sizeof(ROWS));
        stream.bytes = MU_COPY_ROWS_HEADER_BYTES + sizeof(ROWS);
        memcpy(stream.data + stream.bytes, mu_copy_rows_trailer, MU_COPY_ROWS_TRAILER_BYTES);
        stream.bytes += MU_COPY_ROWS_TRAILER_BYTES;
        return stream;
}

struct seen {
        int rows;
        int wrong;
        int stop_at;
};

static int see(void *context, const uint8_t *row, size_t bytes)
{
        struct seen *seen = context;
        uint32_t field_bytes;
        int64_t id = 0, at_us = 0;

        switch (seen->rows++) {
        case 0:
                seen->wrong += bytes != 33 || !mu_copy_rows_int8(row, 0, &id) || id != 1;
                seen->wrong += !mu_copy_rows_time_us(row, 1, &at_us) || at_us != 946684800000001;
                seen->wrong += memcmp(mu_copy_rows_field(row, 2, &field_bytes), "abc", 3) != 0;
                seen->wrong += field_bytes != 3;
                break;
        case 1:
                seen->wrong += bytes != 14 || mu_copy_rows_int8(row, 0, &id);
                seen->wrong += mu_copy_rows_time_us(row, 1, &at_us);
                seen->wrong += !mu_copy_rows_field(row, 2, &field_bytes) || field_bytes != 0;
                break;
        case 2:
                seen->wrong += bytes != 30 || !mu_copy_rows_int8(row, 0, &id) || id != -2;
                seen->wrong += mu_copy_rows_time_us(row, 1, &at_us); /* infinity */
                seen->wrong += mu_copy_rows_field(row, 2, &field_bytes) != NULL;
                break;
        default:
                seen->wrong++;
        }
        return seen->stop_at == seen->rows ? -EINTR : 0;
}

/* The same rows come out, whatever pieces the stream comes in. */
static void any_pieces(void **state)
{
        const struct stream stream = whole();

        (void)state;
        for (size_t first = 0; first <= stream.bytes; first++)
                for (size_t step = 1; step < 40; step += 3) {
                        struct seen seen = {0};
                        struct mu_copy_rows rows;
                        size_t at = first;

                        mu_copy_rows_init(&rows, COLUMNS, see, &seen);
                        assert_int_equal(mu_copy_rows_feed(&rows, stream.data, first), 0);
                        for (; at < stream.bytes; at += step) {
                                size_t left = stream.bytes - at;

                                assert_int_equal(mu_copy_rows_feed(&rows, stream.data + at,
                                                                   left < step ? left : step),
                                                 0);
                        }
                        assert_int_equal(mu_copy_rows_end(&rows), 0);
                        assert_int_equal(rows.row_count, 3);
                        assert_int_equal(seen.rows, 3);
                        assert_int_equal(seen.wrong, 0);
                        mu_copy_rows_done(&rows);
                }
}

static int feed_all(const uint8_t *data, size_t bytes, uint16_t columns)
{
        struct mu_copy_rows rows;

        mu_copy_rows_init(&rows, columns, NULL, NULL);
        int err = mu_copy_rows_feed(&rows, data, bytes);

        if (!err)
                err = mu_copy_rows_end(&rows);
        mu_copy_rows_done(&rows);
        return err;
}

static void cut_anywhere_is_not_whole(void **state)
{
        const struct stream stream = whole();

        (void)state;
        for (size_t bytes = 0; bytes < stream.bytes; bytes++)
                assert_int_equal(feed_all(stream.data, bytes, COLUMNS), -EBADMSG);
        assert_int_equal(feed_all(stream.data, stream.bytes, COLUMNS), 0);
        assert_int_equal(feed_all(stream.data, stream.bytes + 1, COLUMNS), -EBADMSG);
        assert_int_equal(feed_all(stream.data, stream.bytes, COLUMNS + 1), -EBADMSG);
}

static void hostile_lengths(void **state)
{
        struct stream stream = whole();

        (void)state;
        stream.data[MU_COPY_ROWS_HEADER_BYTES + 2] = 0x7f; /* a field of 2 GiB */
        assert_int_equal(feed_all(stream.data, stream.bytes, COLUMNS), -EBADMSG);
        stream = whole();
        stream.data[MU_COPY_ROWS_HEADER_BYTES + 2] = 0x80; /* negative, not NULL */
        assert_int_equal(feed_all(stream.data, stream.bytes, COLUMNS), -EBADMSG);
        stream = whole();
        stream.data[11] = 1; /* a flag that we do not know */
        assert_int_equal(feed_all(stream.data, stream.bytes, COLUMNS), -EBADMSG);
        stream = whole();
        stream.data[18] = 4; /* an extension */
        assert_int_equal(feed_all(stream.data, stream.bytes, COLUMNS), -EBADMSG);
}

static void callers_answer_ends_it(void **state)
{
        const struct stream stream = whole();
        struct seen seen = {.stop_at = 2};
        struct mu_copy_rows rows;

        (void)state;
        mu_copy_rows_init(&rows, COLUMNS, see, &seen);
        assert_int_equal(mu_copy_rows_feed(&rows, stream.data, stream.bytes), -EINTR);
        assert_int_equal(seen.rows, 2);
        mu_copy_rows_done(&rows);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(any_pieces),
                cmocka_unit_test(cut_anywhere_is_not_whole),
                cmocka_unit_test(hostile_lengths),
                cmocka_unit_test(callers_answer_ends_it),
        };

        return cmocka_run_group_tests_name("archive/copy_rows", tests, NULL, NULL);
}
