/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/random.h"
#include "base/thread.h"
#include "muster/histogram.h"

static struct mu_histogram *new_histogram(void)
{
        struct mu_histogram *histogram;

        assert_int_equal(mu_histogram_create(&histogram), 0);
        return histogram;
}

static void test_empty_answers_zero(void **state)
{
        struct mu_histogram *h = new_histogram();
        struct mu_histogram_cursor cursor = {0};

        (void)state;
        assert_int_equal(mu_histogram_count(h), 0);
        assert_int_equal(mu_histogram_sum(h), 0);
        assert_int_equal(mu_histogram_max(h), 0);
        assert_true(mu_histogram_mean(h) == 0.0);
        assert_int_equal(mu_histogram_percentile(h, 0), 0);
        assert_int_equal(mu_histogram_percentile(h, 100), 0);
        assert_int_equal(mu_histogram_count_at_most(h, UINT64_MAX), 0);
        assert_false(mu_histogram_next(h, &cursor));
        mu_histogram_destroy(h);
        mu_histogram_destroy(NULL);
}

/* Every value lies in a bucket that holds it and is at most 1/64 of it wide; buckets adjoin. */
static void test_buckets_cover_the_range(void **state)
{
        struct mu_histogram *h = new_histogram();
        struct mu_histogram_cursor cursor = {0};
        uint64_t next = 0;
        uint64_t buckets = 0;

        (void)state;
        while (next <= MU_HISTOGRAM_VALUE_MAX) {
                mu_histogram_reset(h);
                mu_histogram_record(h, next);
                cursor = (struct mu_histogram_cursor){0};
                assert_true(mu_histogram_next(h, &cursor));
                assert_int_equal(cursor.lowest, next);
                assert_int_equal(cursor.count, 1);
                assert_true((cursor.highest - cursor.lowest + 1) * 64 <= cursor.lowest ||
                            cursor.highest == cursor.lowest);
                mu_histogram_record(h, cursor.highest);
                struct mu_histogram_cursor again = {0};
                assert_true(mu_histogram_next(h, &again));
                assert_int_equal(again.count, 2);
                assert_false(mu_histogram_next(h, &again));
                next = cursor.highest + 1;
                buckets++;
        }
        assert_int_equal(next, MU_HISTOGRAM_VALUE_MAX + 1);
        assert_int_equal(buckets, 64 * 35);
        mu_histogram_destroy(h);
}

static int compare(const void *a, const void *b)
{
        uint64_t x = *(const uint64_t *)a;
        uint64_t y = *(const uint64_t *)b;

        return (x > y) - (x < y);
}

#define VALUES 20000u

/* Against the exact percentiles of the sorted values. */
static void test_percentiles_are_close_from_above(void **state)
{
        static uint64_t values[VALUES];
        const double percents[] = {0, 0.1, 1, 25, 50, 75, 90, 99, 99.9, 99.99, 100};
        struct mu_histogram *h = new_histogram();
        struct mu_random random;
        uint64_t sum = 0;

        (void)state;
        mu_random_seed(&random, 7);
        for (size_t i = 0; i < VALUES; i++) {
                values[i] = mu_random_u64(&random) >> (24 + mu_random_below(&random, 40));
                sum += values[i];
                mu_histogram_record(h, values[i]);
        }
        qsort(values, VALUES, sizeof(values[0]), compare);
        assert_int_equal(mu_histogram_count(h), VALUES);
        assert_int_equal(mu_histogram_sum(h), sum);
        assert_int_equal(mu_histogram_max(h), values[VALUES - 1]);
        assert_true(mu_histogram_mean(h) == (double)sum / VALUES);
        for (size_t i = 0; i < MU_COUNT_OF(percents); i++) {
                /* The least value with at least that share at or below it. */
                size_t rank = (size_t)(percents[i] * VALUES / 100.0 + 0.999999);
                uint64_t exact = values[rank > 0 ? rank - 1 : 0];
                uint64_t got = mu_histogram_percentile(h, percents[i]);

                assert_true(got >= exact);
                assert_true(got <= exact + exact / 64);
        }
        mu_histogram_destroy(h);
}

static void test_ranks_do_not_round_up(void **state)
{
        struct mu_histogram *h = new_histogram();

        (void)state;
        mu_histogram_record_many(h, 1, 999);
        mu_histogram_record_many(h, 100, 1);
        mu_histogram_record_many(h, 7, 0);
        assert_int_equal(mu_histogram_count(h), 1000);
        assert_int_equal(mu_histogram_percentile(h, 99.9), 1);
        assert_int_equal(mu_histogram_percentile(h, 99.91), 100);
        assert_int_equal(mu_histogram_sum(h), 1099);
        mu_histogram_destroy(h);
}

static void test_too_large_values_are_kept(void **state)
{
        struct mu_histogram *h = new_histogram();

        (void)state;
        mu_histogram_record(h, 5);
        mu_histogram_record(h, UINT64_C(1) << 50);
        assert_int_equal(mu_histogram_count(h), 2);
        assert_int_equal(mu_histogram_max(h), UINT64_C(1) << 50);
        assert_int_equal(mu_histogram_percentile(h, 100), UINT64_C(1) << 50);
        assert_int_equal(mu_histogram_percentile(h, 50), 5);
        assert_int_equal(mu_histogram_count_at_most(h, MU_HISTOGRAM_VALUE_MAX), 1);
        assert_int_equal(mu_histogram_count_at_most(h, UINT64_C(1) << 50), 2);
        mu_histogram_destroy(h);
}

static void test_count_at_most(void **state)
{
        struct mu_histogram *h = new_histogram();

        (void)state;
        for (uint64_t value = 0; value < 128; value++)
                mu_histogram_record(h, value);
        for (uint64_t value = 0; value < 128; value++)
                assert_int_equal(mu_histogram_count_at_most(h, value), value + 1);
        mu_histogram_record(h, 1000000); /* in 999424..1007615 */
        assert_int_equal(mu_histogram_count_at_most(h, 1007614), 128);
        assert_int_equal(mu_histogram_count_at_most(h, 1007615), 129);
        mu_histogram_destroy(h);
}

static void test_merge_copy_subtract(void **state)
{
        struct mu_histogram *a = new_histogram();
        struct mu_histogram *b = new_histogram();
        struct mu_histogram *interval = new_histogram();

        (void)state;
        mu_histogram_record(a, 10);
        mu_histogram_record(a, 100000);
        mu_histogram_record(b, 20);
        mu_histogram_merge(b, a);
        assert_int_equal(mu_histogram_count(b), 3);
        assert_int_equal(mu_histogram_sum(b), 100030);
        assert_int_equal(mu_histogram_max(b), 100000);

        mu_histogram_copy(interval, b);
        mu_histogram_record(interval, 3000);
        mu_histogram_record(interval, 30);
        mu_histogram_subtract(interval, b);
        assert_int_equal(mu_histogram_count(interval), 2);
        assert_int_equal(mu_histogram_sum(interval), 3030);
        assert_in_range(mu_histogram_max(interval), 3000, 3000 + 3000 / 64);
        assert_int_equal(mu_histogram_percentile(interval, 50), 30);

        mu_histogram_copy(interval, b);
        mu_histogram_subtract(interval, b);
        assert_int_equal(mu_histogram_count(interval), 0);
        assert_int_equal(mu_histogram_max(interval), 0);
        mu_histogram_destroy(a);
        mu_histogram_destroy(b);
        mu_histogram_destroy(interval);
}

#define RECORDS 200000u

static void record_all(void *context)
{
        for (uint64_t i = 1; i <= RECORDS; i++)
                mu_histogram_record(context, i);
}

/* A reader while the writer works: under TSan no race, and never a number that was not there. */
static void test_reading_while_written(void **state)
{
        struct mu_histogram *h = new_histogram();
        struct mu_histogram *seen = new_histogram();
        uint64_t last = 0;
        pthread_t writer;

        (void)state;
        assert_int_equal(mu_thread_start("writer", record_all, h, &writer), 0);
        while (last < RECORDS) {
                mu_histogram_copy(seen, h);
                uint64_t count = mu_histogram_count(seen);
                assert_true(count >= last && count <= RECORDS);
                assert_true(mu_histogram_percentile(h, 99) <= RECORDS);
                last = count;
        }
        mu_thread_join(writer);
        assert_int_equal(mu_histogram_max(h), RECORDS);
        mu_histogram_destroy(h);
        mu_histogram_destroy(seen);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_empty_answers_zero),
                cmocka_unit_test(test_buckets_cover_the_range),
                cmocka_unit_test(test_percentiles_are_close_from_above),
                cmocka_unit_test(test_ranks_do_not_round_up),
                cmocka_unit_test(test_too_large_values_are_kept),
                cmocka_unit_test(test_count_at_most),
                cmocka_unit_test(test_merge_copy_subtract),
                cmocka_unit_test(test_reading_while_written),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
