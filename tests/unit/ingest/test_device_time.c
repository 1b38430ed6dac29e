/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/device_time.h"

#include <stdbool.h>
#include <stdlib.h>

#include "../base/unit.h"
#include "base/clock.h"
#include "base/hash.h"

#define NOW_US (INT64_C(1790000000) * MU_US_PER_S)
#define S(seconds) ((int64_t)((seconds)*1e6))

/* What the offset becomes when the device's clock says `behind` seconds less than ours. */
static int32_t measure(int32_t remembered_s, double behind_s)
{
        return mu_clock_offset_measure(remembered_s, NOW_US, NOW_US - S(behind_s));
}

static void tolerance(void **state)
{
        (void)state;
        assert_int_equal(measure(0, 0), 0);
        assert_int_equal(measure(0, 300), 0);
        assert_int_equal(measure(0, 304.9), 0); /* rounds to 300: not more than 5 minutes */
        assert_int_equal(measure(0, 305), 310);
        assert_int_equal(measure(0, -304.9), 0);
        assert_int_equal(measure(0, -305), -310);
        assert_int_equal(measure(310, 10), 310); /* 300 less */
        assert_int_equal(measure(310, 4), 0);    /* set right: back to none */
        assert_int_equal(measure(3600, 3600 + 300), 3600);
        assert_int_equal(measure(3600, 3600 + 311), 3910);
        assert_int_equal(measure(-3600, 0), 0);
}

static void rounding(void **state)
{
        (void)state;
        for (double fraction = -4.9; fraction < 5; fraction += 0.7) {
                assert_int_equal(measure(0, 86400 + fraction), 86400);
                assert_int_equal(measure(0, -86400 + fraction), -86400);
        }
        assert_int_equal(measure(0, 1005), 1010); /* halves away from zero, both ways */
        assert_int_equal(measure(0, -1005), -1010);
}

/* The same measured offset, jittered by less than 5 minutes, never moves a bucket: a repeat falls
 * into the bucket of the first. */
static void repeats_keep_their_bucket(void **state)
{
        int64_t ts_us = NOW_US - S(7200);
        int32_t offset_s = measure(0, 7200);
        int64_t bucket_s = mu_time_bucket_s(ts_us + offset_s * MU_US_PER_S);

        (void)state;
        assert_int_equal(offset_s, 7200);
        for (int delay_s = 0; delay_s <= 290; delay_s++) {
                offset_s = mu_clock_offset_measure(offset_s, NOW_US + S(delay_s), ts_us);
                assert_int_equal(mu_time_bucket_s(ts_us + offset_s * MU_US_PER_S), bucket_s);
        }
}

/* A server clock gone astray can't push an offset beyond 32 bits. */
static void far_away(void **state)
{
        (void)state;
        assert_int_equal(mu_clock_offset_measure(20, INT64_C(9000000000) * MU_US_PER_S, 0), 20);
        assert_int_equal(mu_clock_offset_measure(20, 0, INT64_C(4102444799) * MU_US_PER_S), 20);
        assert_int_equal(mu_clock_offset_measure(0, INT64_C(2000000000) * MU_US_PER_S, 0),
                         2000000000);
        assert_aborts(mu_clock_offset_measure(7, NOW_US, NOW_US));
}

static void window_edges(void **state)
{
        const struct mu_time_window window = {.back_us = S(604800), .ahead_us = S(300)};

        (void)state;
        assert_true(mu_time_in_window(&window, NOW_US, NOW_US));
        assert_true(mu_time_in_window(&window, NOW_US, NOW_US - S(604800)));
        assert_false(mu_time_in_window(&window, NOW_US, NOW_US - S(604800) - 1));
        assert_true(mu_time_in_window(&window, NOW_US, NOW_US + S(300)));
        assert_false(mu_time_in_window(&window, NOW_US, NOW_US + S(300) + 1));
        /* A server that thinks it is 1970 has no bucket for what came before its time. */
        assert_false(mu_time_in_window(&window, S(60), 0));
        assert_false(mu_time_in_window(&window, S(60), -S(100)));
        assert_false(mu_time_in_window(&window, S(60), S(10) - 1));
        assert_true(mu_time_in_window(&window, S(60), S(10)));
}

static void buckets(void **state)
{
        (void)state;
        assert_int_equal(mu_time_bucket_s(S(1790000000)), 1790000000);
        assert_int_equal(mu_time_bucket_s(S(1790000009.999999)), 1790000000);
        assert_int_equal(mu_time_bucket_s(S(1790000010)), 1790000010);
        assert_int_equal(mu_time_bucket_s(1), 0);
}

/* ---- the next heartbeat ---- */

static void bounds(void **state)
{
        static const uint32_t intervals[] = {1,   2,   3,    10,    60,        299,
                                             300, 301, 3600, 86400, 2147483647};

        (void)state;
        for (size_t i = 0; i < sizeof(intervals) / sizeof(intervals[0]); i++) {
                uint64_t interval_s = intervals[i];

                for (uint64_t n = 0; n < 20000; n++) {
                        int64_t device_id = (int64_t)(mu_hash_u64(n + 1) >> (25 + n % 38)) + 1;
                        int64_t now_us =
                                NOW_US + (int64_t)(mu_hash_u64(n + 99) % (uint64_t)S(1000000));
                        uint64_t next_s = mu_next_heartbeat_s(device_id, intervals[i], now_us);

                        assert_true(2 * next_s >= interval_s);
                        assert_true(2 * next_s < 3 * interval_s);
                }
        }
}

/* Devices that follow each other, which all ask at one moment (a storm), come back evenly: over
 * 300 slots the spread is far better than chance would give. */
static void even(void **state)
{
        enum { DEVICES = 100000, SLOTS = 300 };
        static uint32_t slots[SLOTS];
        double expected = (double)DEVICES / SLOTS;
        double chi_square = 0;

        (void)state;
        for (int64_t id = 1; id <= DEVICES; id++)
                slots[mu_next_heartbeat_s(id, SLOTS, NOW_US) - SLOTS / 2]++;
        for (int i = 0; i < SLOTS; i++)
                chi_square += (slots[i] - expected) * (slots[i] - expected) / expected;
        /* 299 degrees of freedom: chance gives 299 ± 24; the golden ratio nearly nothing. */
        assert_true(chi_square < 30);
}

/* Any stretch of consecutive ids is spread, not only all together. */
static void even_in_parts(void **state)
{
        (void)state;
        for (int64_t first = 1; first < 100000; first += 9973) {
                uint32_t slots[10] = {0};

                for (int64_t id = first; id < first + 1000; id++)
                        slots[(mu_next_heartbeat_s(id, 300, NOW_US) - 150) / 30]++;
                for (int i = 0; i < 10; i++)
                        assert_true(slots[i] >= 90 && slots[i] <= 110);
        }
}

/* Whenever it starts and whatever the network adds, a device's heartbeats settle on its phase. */
static void settles(void **state)
{
        (void)state;
        for (int64_t id = 1; id <= 500; id++) {
                int64_t now_us = NOW_US + (int64_t)(mu_hash_u64((uint64_t)id) % (uint64_t)S(300));
                int64_t settled_us = 0;

                for (int i = 0; i < 200; i++) {
                        now_us += mu_next_heartbeat_s(id, 300, now_us) * MU_US_PER_S + 40000;
                        int64_t at_us = now_us % S(300);

                        if (i == 1)
                                settled_us = at_us;
                        if (i <= 1)
                                continue;
                        int64_t off_us = llabs(at_us - settled_us);

                        off_us = off_us < S(150) ? off_us : S(300) - off_us;
                        assert_true(off_us < S(1.1));
                }
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(tolerance),
                cmocka_unit_test(rounding),
                cmocka_unit_test(repeats_keep_their_bucket),
                cmocka_unit_test(far_away),
                cmocka_unit_test(window_edges),
                cmocka_unit_test(buckets),
                cmocka_unit_test(bounds),
                cmocka_unit_test(even),
                cmocka_unit_test(even_in_parts),
                cmocka_unit_test(settles),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
