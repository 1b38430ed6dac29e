/* SPDX-License-Identifier: Apache-2.0 */
/* The nth allocation fails, for every n: each time the error is told, and nothing leaks (ASan). */
#include "unit.h"

#include <errno.h>
#include <stdbool.h>

#include "metrics/metrics.h"

/* What --wrap asks for. */
void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__real_realloc(void *memory, size_t bytes);
void *__real_aligned_alloc(size_t alignment, size_t bytes);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_realloc(void *memory, size_t bytes);
void *__wrap_aligned_alloc(size_t alignment, size_t bytes);

static int until_failure = -1; /* allocations that still succeed; -1: all */
static bool failed;

static bool fails(void)
{
        if (until_failure < 0)
                return false;
        failed |= until_failure == 0;
        return until_failure-- == 0;
}

void *__wrap_malloc(size_t bytes)
{
        return fails() ? NULL : __real_malloc(bytes);
}

void *__wrap_calloc(size_t count, size_t bytes)
{
        return fails() ? NULL : __real_calloc(count, bytes);
}

void *__wrap_realloc(void *memory, size_t bytes)
{
        return fails() ? NULL : __real_realloc(memory, bytes);
}

void *__wrap_aligned_alloc(size_t alignment, size_t bytes)
{
        return fails() ? NULL : __real_aligned_alloc(alignment, bytes);
}

static void do_nothing(void *context)
{
        (void)context;
}

static int start_and_scrape(struct mu_metrics *metrics, struct mu_histogram *histogram,
                            const struct mu_cell *cell)
{
        char *text;
        size_t bytes;

        mu_metrics_counter(metrics, "a_total", "h", MU_LABELS({"x", "1"}), cell);
        mu_metrics_counter(metrics, "a_total", "h", MU_LABELS({"x", "1"}), cell);
        mu_metrics_counter(metrics, "a_total", "h", MU_LABELS({"x", "2"}), cell);
        mu_metrics_histogram(metrics, "b", "h", MU_NO_LABELS, histogram, 1, &mu_bounds_count);
        mu_metrics_on_scrape(metrics, do_nothing, NULL);

        int status = mu_metrics_status(metrics);
        int err = mu_metrics_render(metrics, &text, &bytes);
        if (err == 0)
                free(text);
        return status < 0 ? status : err;
}

static void test_every_allocation_failing(void **state)
{
        struct mu_histogram *histogram;
        struct mu_cell cell = {0};
        int n = 0;

        (void)state;
        assert_int_equal(mu_histogram_create(&histogram), 0);
        do {
                struct mu_metrics *metrics = NULL;

                failed = false;
                until_failure = n;
                int err = mu_metrics_create(&metrics);
                if (err == 0)
                        err = start_and_scrape(metrics, histogram, &cell);
                until_failure = -1;
                mu_metrics_destroy(metrics);
                assert_int_equal(err, failed ? -ENOMEM : 0);
                n++;
        } while (failed);
        assert_true(n > 12);
        mu_histogram_destroy(histogram);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_every_allocation_failing),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
