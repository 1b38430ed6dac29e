/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <math.h>
#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/thread.h"
#include "metrics/metrics.h"

static int setup(void **state)
{
        struct mu_metrics *metrics;
        int err = mu_metrics_create(&metrics);

        *state = metrics;
        return err;
}

static int teardown(void **state)
{
        int err = mu_metrics_status(*state);

        mu_metrics_destroy(*state);
        return err;
}

static void assert_renders(struct mu_metrics *metrics, const char *expected)
{
        char *text;
        size_t bytes;

        assert_int_equal(mu_metrics_render(metrics, &text, &bytes), 0);
        assert_string_equal(text, expected);
        assert_int_equal(bytes, strlen(expected));
        free(text);
}

static void test_empty(void **state)
{
        assert_renders(*state, "");
        mu_metrics_destroy(NULL);
}

/* Cells of one name and labels are summed; a family stays together however it was registered. */
static void test_cells_are_summed_in_families(void **state)
{
        struct mu_cell a = {0};
        struct mu_cell b = {0};
        struct mu_cell c = {0};
        struct mu_cell queued = {0};

        mu_metrics_counter(*state, "x_total", "Things.", MU_LABELS({"kind", "one"}), &a);
        mu_metrics_gauge(*state, "y", "Queued.", MU_NO_LABELS, &queued);
        mu_metrics_counter(*state, "x_total", "Things.", MU_LABELS({"kind", "two"}), &b);
        mu_metrics_counter(*state, "x_total", "Things.", MU_LABELS({"kind", "one"}), &c);
        mu_cell_add(&a, 3);
        mu_cell_add(&a, 4);
        mu_cell_add(&b, 10);
        mu_cell_add(&c, 100);
        mu_cell_set(&queued, 55);
        mu_cell_set(&queued, 5);
        assert_renders(*state, "# HELP x_total Things.\n"
                               "# TYPE x_total counter\n"
                               "x_total{kind=\"one\"} 107\n"
                               "x_total{kind=\"two\"} 10\n"
                               "# HELP y Queued.\n"
                               "# TYPE y gauge\n"
                               "y 5\n");
}

static void test_labels_and_help_are_escaped(void **state)
{
        struct mu_cell cell = {0};
        char value[] = "a\"b\\c\nd\xc3\xa4";

        mu_metrics_counter(*state, "x_total", "One\nline, one \\ more.",
                           MU_LABELS({"path", value}, {"empty", ""}), &cell);
        memset(value, 'x', sizeof(value) - 1); /* values are copied */
        assert_renders(*state, "# HELP x_total One\\nline, one \\\\ more.\n"
                               "# TYPE x_total counter\n"
                               "x_total{path=\"a\\\"b\\\\c\\nd\xc3\xa4\",empty=\"\"} 0\n");
}

static double read_double(void *context)
{
        return *(double *)context;
}

static void test_numbers(void **state)
{
        struct mu_cell large = {0};
        struct mu_cell ns = {0};
        double values[] = {0.1, NAN, INFINITY, -1e300, 0};

        mu_metrics_counter(*state, "large_total", "h", MU_NO_LABELS, &large);
        mu_metrics_counter_scaled(*state, "s_total", "h", MU_NO_LABELS, &ns, 1e-9);
        for (size_t i = 0; i < MU_COUNT_OF(values); i++)
                mu_metrics_gauge_fn(*state, "g", "h",
                                    MU_LABELS({"i", (const char[]){(char)('0' + i), 0}}),
                                    read_double, &values[i]);
        mu_metrics_counter_fn(*state, "f_total", "h", MU_NO_LABELS, read_double, &values[0]);
        mu_metrics_counter_fn(*state, "f_total", "h", MU_NO_LABELS, read_double, &values[0]);
        mu_cell_set(&large, 9007199254740993); /* not a double */
        mu_cell_set(&ns, 1500000000);
        assert_renders(*state, "# HELP large_total h\n# TYPE large_total counter\n"
                               "large_total 9007199254740993\n"
                               "# HELP s_total h\n# TYPE s_total counter\n"
                               "s_total 1.5\n"
                               "# HELP g h\n# TYPE g gauge\n"
                               "g{i=\"0\"} 0.1\n"
                               "g{i=\"1\"} NaN\n"
                               "g{i=\"2\"} +Inf\n"
                               "g{i=\"3\"} -1e+300\n"
                               "g{i=\"4\"} 0\n"
                               "# HELP f_total h\n# TYPE f_total counter\n"
                               "f_total 0.2\n");
}

static void test_histograms(void **state)
{
        static const double values[] = {0.001, 0.01, 2.5};
        static const struct mu_bounds bounds = {values, MU_COUNT_OF(values)};
        struct mu_histogram *a;
        struct mu_histogram *b;

        assert_int_equal(mu_histogram_create(&a), 0);
        assert_int_equal(mu_histogram_create(&b), 0);
        mu_metrics_histogram(*state, "d_seconds", "h", MU_LABELS({"route", "/"}), a, 1e-9, &bounds);
        mu_metrics_histogram(*state, "d_seconds", "h", MU_LABELS({"route", "/"}), b, 1e-9, &bounds);
        mu_metrics_histogram(*state, "d_seconds", "h", MU_NO_LABELS, b, 1e-9, &bounds);
        mu_histogram_record(a, 500000);     /* 0.5 ms */
        mu_histogram_record(a, 5000000);    /* 5 ms */
        mu_histogram_record(b, 900000);     /* 0.9 ms */
        mu_histogram_record(b, 3000000000); /* 3 s */
        assert_renders(*state, "# HELP d_seconds h\n# TYPE d_seconds histogram\n"
                               "d_seconds_bucket{route=\"/\",le=\"0.001\"} 2\n"
                               "d_seconds_bucket{route=\"/\",le=\"0.01\"} 3\n"
                               "d_seconds_bucket{route=\"/\",le=\"2.5\"} 3\n"
                               "d_seconds_bucket{route=\"/\",le=\"+Inf\"} 4\n"
                               "d_seconds_sum{route=\"/\"} 3.0064\n"
                               "d_seconds_count{route=\"/\"} 4\n"
                               "d_seconds_bucket{le=\"0.001\"} 1\n"
                               "d_seconds_bucket{le=\"0.01\"} 1\n"
                               "d_seconds_bucket{le=\"2.5\"} 1\n"
                               "d_seconds_bucket{le=\"+Inf\"} 2\n"
                               "d_seconds_sum 3.0009\n"
                               "d_seconds_count 2\n");
        mu_histogram_destroy(a);
        mu_histogram_destroy(b);
}

static void test_presets_ascend(void **state)
{
        const struct mu_bounds *presets[] = {&mu_bounds_latency_s, &mu_bounds_size_bytes,
                                             &mu_bounds_count};

        (void)state;
        for (size_t i = 0; i < MU_COUNT_OF(presets); i++) {
                for (size_t j = 1; j < presets[i]->count; j++)
                        assert_true(presets[i]->values[j] > presets[i]->values[j - 1]);
        }
        assert_true(mu_bounds_latency_s.values[0] == 0.0001);
        assert_true(mu_bounds_latency_s.values[mu_bounds_latency_s.count - 1] == 10);
}

static void count_scrape(void *context)
{
        *(double *)context += 1;
}

static void test_hooks_run_before_reading(void **state)
{
        double scrapes = 0;

        mu_metrics_gauge_fn(*state, "scrapes", "h", MU_NO_LABELS, read_double, &scrapes);
        mu_metrics_on_scrape(*state, count_scrape, &scrapes);
        assert_renders(*state, "# HELP scrapes h\n# TYPE scrapes gauge\nscrapes 1\n");
        assert_renders(*state, "# HELP scrapes h\n# TYPE scrapes gauge\nscrapes 2\n");
}

static void test_our_own_mistakes_abort(void **state)
{
        struct mu_metrics *m = *state;
        struct mu_cell cell = {0};
        struct mu_histogram *histogram;

        assert_int_equal(mu_histogram_create(&histogram), 0);
        assert_aborts(mu_metrics_counter(m, "9x", "h", MU_NO_LABELS, &cell));
        assert_aborts(mu_metrics_counter(m, "x-y", "h", MU_NO_LABELS, &cell));
        assert_aborts(mu_metrics_counter(m, "", "h", MU_NO_LABELS, &cell));
        assert_aborts(mu_metrics_counter(m, "x", "h", MU_NO_LABELS, NULL));
        assert_aborts(mu_metrics_counter(m, "x", "h", MU_LABELS({"a:b", "v"}), &cell));
        assert_aborts(mu_metrics_counter(m, "x", "h", MU_LABELS({"__x", "v"}), &cell));
        assert_aborts(mu_metrics_counter(m, "x", "h", MU_LABELS({"le", "1"}), &cell));
        assert_aborts(mu_metrics_counter(m, "x", "h", MU_LABELS({"a", "1"}, {"a", "2"}), &cell));
        mu_metrics_counter(m, "x", "h", MU_NO_LABELS, &cell);
        assert_aborts(mu_metrics_gauge(m, "x", "h", MU_NO_LABELS, &cell));
        assert_aborts(mu_metrics_counter(m, "x", "other", MU_NO_LABELS, &cell));
        mu_metrics_histogram(m, "d", "h", MU_NO_LABELS, histogram, 1, &mu_bounds_count);
        assert_aborts(mu_metrics_histogram(m, "d", "h", MU_NO_LABELS, histogram, 1,
                                           &mu_bounds_size_bytes));
        assert_aborts(mu_metrics_histogram(m, "e", "h", MU_NO_LABELS, histogram, 1, NULL));
        mu_histogram_destroy(histogram);
}

#define COUNTS 300000u

struct counting {
        alignas(MU_CACHELINE_BYTES) struct mu_cell cell;
        struct mu_histogram *histogram;
};

static void count_all(void *context)
{
        struct counting *counting = context;

        for (uint64_t i = 0; i < COUNTS; i++) {
                mu_cell_add(&counting->cell, 1);
                mu_histogram_record(counting->histogram, i);
        }
}

static uint64_t number_after(const char *text, const char *name)
{
        const char *at = strstr(text, name);

        assert_non_null(at);
        return strtoull(at + strlen(name), NULL, 10);
}

/* Scraping while two threads count: no race under TSan, nothing lost, nothing invented. */
static void test_scrape_while_counting(void **state)
{
        struct counting counting[2] = {{.histogram = NULL}, {.histogram = NULL}};
        pthread_t threads[2];
        uint64_t last = 0;

        for (int i = 0; i < 2; i++) {
                assert_int_equal(mu_histogram_create(&counting[i].histogram), 0);
                mu_metrics_counter(*state, "n_total", "h", MU_NO_LABELS, &counting[i].cell);
                mu_metrics_histogram(*state, "d", "h", MU_NO_LABELS, counting[i].histogram, 1,
                                     &mu_bounds_count);
        }
        for (int i = 0; i < 2; i++)
                assert_int_equal(mu_thread_start("count", count_all, &counting[i], &threads[i]), 0);
        while (last < 2 * COUNTS) {
                char *text;
                size_t bytes;

                assert_int_equal(mu_metrics_render(*state, &text, &bytes), 0);
                uint64_t now = number_after(text, "\nn_total ");
                assert_true(now >= last && now <= 2 * COUNTS);
                last = now;
                assert_true(number_after(text, "\nd_bucket{le=\"+Inf\"} ") ==
                            number_after(text, "\nd_count "));
                free(text);
        }
        for (int i = 0; i < 2; i++) {
                mu_thread_join(threads[i]);
                assert_int_equal(mu_histogram_count(counting[i].histogram), COUNTS);
                mu_histogram_destroy(counting[i].histogram);
        }
}

#define METRICS_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                METRICS_TEST(test_empty),
                METRICS_TEST(test_cells_are_summed_in_families),
                METRICS_TEST(test_labels_and_help_are_escaped),
                METRICS_TEST(test_numbers),
                METRICS_TEST(test_histograms),
                cmocka_unit_test(test_presets_ascend),
                METRICS_TEST(test_hooks_run_before_reading),
                METRICS_TEST(test_our_own_mistakes_abort),
                METRICS_TEST(test_scrape_while_counting),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
