/* SPDX-License-Identifier: Apache-2.0 */
/* histogram.c - one value recorded, against a counter, the least that anything can cost. */
#include "muster/histogram.h"
#include "base/random.h"
#include "bench.h"
#include "metrics/metrics.h"

enum {
        VALUES = 1024,
};

static uint64_t values[VALUES];
static struct mu_cell cell;

static void *prepare(void)
{
        struct mu_histogram *histogram;
        struct mu_random random;
        int error = mu_histogram_create(&histogram);

        if (error < 0)
                mu_bench_fail("histogram", error);
        mu_random_seed(&random, 1);
        for (size_t i = 0; i < VALUES; i++)
                values[i] = mu_random_below(&random, 10000000);
        return histogram;
}

static void finish(void *histogram)
{
        mu_histogram_destroy(histogram);
}

static void run_histogram(void *histogram, uint64_t count)
{
        for (uint64_t i = 0; i < count; i++)
                mu_histogram_record(histogram, values[i % VALUES]);
}

static void run_cell(void *histogram, uint64_t count)
{
        (void)histogram;
        for (uint64_t i = 0; i < count; i++)
                mu_cell_add(&cell, values[i % VALUES]);
}

const struct mu_bench mu_bench_histogram = {
        .stage = "histogram",
        .operation = "one value",
        .count = 20000000,
        .cases = {{"ours: record", run_histogram, prepare, finish},
                  {"a counter", run_cell, prepare, finish},
                  {.name = NULL}},
};
