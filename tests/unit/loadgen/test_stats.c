/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <math.h>
#include <string.h>

#include "clock.h"
#include "metrics.h"
#include "stats.h"

/* A slot's percentile is never below the true one and at most 1/16 octave and 1 us above it. */
static void test_slot_percentiles(void **state)
{
        static struct mu_lg_slot slot;

        (void)state;
        assert_int_equal(mu_lg_slot_percentile(&slot, 99), 0);
        for (uint64_t i = 1; i <= 100000; i++)
                mu_lg_slot_latency(&slot, i * 1000);
        for (double percent = 0.1; percent <= 100; percent += 0.1) {
                double truth = ceil(percent * 1000 - 1e-6) * 1000;
                double got = (double)mu_lg_slot_percentile(&slot, percent);

                assert_true(got >= truth);
                assert_true(got <= truth * (1 + 1.0 / 16) + 1000);
        }
        memset(&slot, 0, sizeof(slot));
        mu_lg_slot_latency(&slot, 0);
        assert_int_equal(mu_lg_slot_percentile(&slot, 50), 1000);
        mu_lg_slot_latency(&slot, UINT64_MAX); /* beyond the last bucket */
        assert_true(mu_lg_slot_percentile(&slot, 100) > 60 * MU_LG_NS_PER_S);
}

/* A run longer than the series has slots keeps its sums, at half the resolution. */
static void test_series_doubles(void **state)
{
        struct mu_lg_stats stats;
        uint64_t sent = 0;

        (void)state;
        assert_int_equal(mu_lg_stats_init(&stats), 0);
        for (uint64_t s = 0; s < 2 * MU_LG_SLOTS_MAX + 10; s++)
                mu_lg_series_slot(&stats.series, s * MU_LG_NS_PER_S)->sent++;
        assert_int_equal(stats.series.period_s, 4);
        assert_int_equal(stats.series.used_count, (2 * MU_LG_SLOTS_MAX + 10 + 3) / 4);
        for (uint32_t i = 0; i < stats.series.used_count; i++)
                sent += stats.series.slots[i].sent;
        assert_int_equal(sent, 2 * MU_LG_SLOTS_MAX + 10);
        assert_int_equal(stats.series.slots[5].sent, 4);
        mu_lg_stats_done(&stats);
}

static void test_merge(void **state)
{
        struct mu_lg_stats a, b;

        (void)state;
        assert_int_equal(mu_lg_stats_init(&a), 0);
        assert_int_equal(mu_lg_stats_init(&b), 0);
        mu_lg_add(&a.counters.acknowledged, 3);
        mu_lg_add(&b.counters.acknowledged, 4);
        mu_lg_add(&b.counters.failures[MU_LG_FAILURE_RESET], 2);
        mu_lg_add(&b.counters.status[202], 4);
        mu_histogram_record(a.latency, 1000);
        mu_histogram_record(b.latency, 9000);
        mu_lg_series_slot(&a.series, 0)->sent = 1;
        mu_lg_series_slot(&b.series, (uint64_t)MU_LG_SLOTS_MAX * MU_LG_NS_PER_S)->sent = 5;
        a.malformed.wrong[2] = 1;
        b.malformed.wrong[2] = 1;
        mu_lg_stats_merge(&a, &b);
        assert_int_equal(mu_lg_get(&a.counters.acknowledged), 7);
        assert_int_equal(mu_lg_failures_total(&a.counters), 2);
        assert_int_equal(mu_lg_get(&a.counters.status[202]), 4);
        assert_int_equal(mu_histogram_count(a.latency), 2);
        assert_int_equal(a.series.period_s, 2);
        assert_int_equal(a.series.slots[0].sent, 1);
        assert_int_equal(a.series.slots[MU_LG_SLOTS_MAX / 2].sent, 5);
        assert_int_equal(a.malformed.wrong[2], 2);
        mu_lg_stats_done(&a);
        mu_lg_stats_done(&b);
}

static const char before[] = "# HELP x y\n# TYPE muster_stage_seconds histogram\n"
                             "muster_stage_seconds_bucket{stage=\"copy\",le=\"0.001\"} 10\n"
                             "muster_stage_seconds_bucket{stage=\"copy\",le=\"0.01\"} 10\n"
                             "muster_stage_seconds_bucket{stage=\"copy\",le=\"+Inf\"} 10\n"
                             "muster_stage_seconds_sum{stage=\"copy\"} 0.005\n"
                             "muster_stage_seconds_count{stage=\"copy\"} 10\n"
                             "muster_stage_seconds_count{stage=\"idle\"} 4\n"
                             "process_cpu_seconds_total 1.5\n";
static const char after[] = "muster_stage_seconds_bucket{le=\"0.001\",stage=\"copy\"} 60\n"
                            "muster_stage_seconds_bucket{le=\"0.01\",stage=\"copy\"} 110\n"
                            "muster_stage_seconds_bucket{le=\"+Inf\",stage=\"copy\"} 110\n"
                            "muster_stage_seconds_sum{stage=\"copy\"} 0.305\n"
                            "muster_stage_seconds_count{stage=\"copy\"} 110 1700000000000\n"
                            "muster_stage_seconds_count{stage=\"idle\"} 4\n"
                            "other_seconds_count 3\nbroken{ 4\n\nprocess_cpu_seconds_total 4\n";

static void test_metrics_difference(void **state)
{
        static struct mu_lg_snapshot a, b;

        (void)state;
        mu_lg_metrics_parse(before, &a);
        mu_lg_metrics_parse(after, &b);
        assert_int_equal(b.stages_count, 2);
        mu_lg_metrics_subtract(&b, &a);
        assert_true(fabs(b.cpu_s - 2.5) < 1e-9);
        assert_int_equal(b.stages_count, 1); /* the idle one did not move */
        assert_string_equal(b.stages[0].name, "muster_stage_seconds{stage=\"copy\"}");
        assert_true(b.stages[0].count == 100 && fabs(b.stages[0].sum_s - 0.3) < 1e-9);
        assert_true(fabs(mu_lg_stage_quantile_s(&b.stages[0], 0.5) - 0.001) < 1e-9);
        assert_true(fabs(mu_lg_stage_quantile_s(&b.stages[0], 0.75) - 0.0055) < 1e-9);
        assert_true(fabs(mu_lg_stage_quantile_s(&b.stages[0], 0.25) - 0.0005) < 1e-9);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_slot_percentiles),
                cmocka_unit_test(test_series_doubles),
                cmocka_unit_test(test_merge),
                cmocka_unit_test(test_metrics_difference),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
