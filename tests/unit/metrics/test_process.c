/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "metrics/host.h"
#include "metrics/metrics.h"
#include "metrics/process.h"

struct fixture {
        struct mu_metrics *metrics;
        struct mu_metrics_process *process;
        struct mu_metrics_host *host;
};

static int setup(void **state)
{
        static struct fixture f;

        *state = &f;
        if (mu_metrics_create(&f.metrics) < 0 ||
            mu_metrics_process_create(f.metrics, "musterd", "1.2.3", &f.process) < 0 ||
            mu_metrics_host_create(f.metrics, "/", &f.host) < 0)
                return -1;
        return mu_metrics_status(f.metrics);
}

static int teardown(void **state)
{
        struct fixture *f = *state;

        mu_metrics_destroy(f->metrics);
        mu_metrics_process_destroy(f->process);
        mu_metrics_host_destroy(f->host);
        return 0;
}

static char *scrape(struct fixture *f)
{
        char *text;
        size_t bytes;

        assert_int_equal(mu_metrics_render(f->metrics, &text, &bytes), 0);
        return text;
}

static double value_in(const char *text, const char *sample)
{
        char line[128];

        (void)snprintf(line, sizeof(line), "\n%s ", sample);
        const char *at = strstr(text, line);
        assert_non_null(at);
        return strtod(at + strlen(line), NULL);
}

static double value_of(struct fixture *f, const char *sample)
{
        char *text = scrape(f);
        double value = value_in(text, sample);

        free(text);
        return value;
}

/* By asking the kernel about each number. */
static int count_open_fds(void)
{
        int count = 0;

        for (int fd = 0; fd < 65536; fd++)
                count += fcntl(fd, F_GETFD) >= 0;
        return count;
}

static void test_process(void **state)
{
        struct fixture *f = *state;
        double now = (double)time(NULL);
        double started = value_of(f, "process_start_time_seconds");
        double fds = value_of(f, "process_open_fds");

        assert_true(started > now - 3600 && started < now + 2);
        assert_true(value_of(f, "process_resident_memory_bytes") > 500e3);
        assert_true(value_of(f, "process_virtual_memory_bytes") >=
                    value_of(f, "process_resident_memory_bytes"));
        assert_true(value_of(f, "process_threads") >= 1);
        assert_true(value_of(f, "process_max_fds") > fds);
        assert_true(value_of(f, "process_cpu_seconds_total") >= 0);
        assert_true(value_of(f, "muster_build_info{program=\"musterd\",version=\"1.2.3\"}") == 1);

        assert_true(fds == count_open_fds());
        int one = open("/dev/null", O_RDONLY | O_CLOEXEC);
        int two = open("/dev/null", O_RDONLY | O_CLOEXEC);
        assert_true(value_of(f, "process_open_fds") == fds + 2);
        (void)close(one);
        (void)close(two);
        assert_true(value_of(f, "process_open_fds") == fds);
}

/* Burns CPU until the kernel has counted some: the counter must show it. */
static void test_cpu_time_is_counted(void **state)
{
        double before = value_of(*state, "process_cpu_seconds_total");

        while (clock() < (clock_t)(before * CLOCKS_PER_SEC) + CLOCKS_PER_SEC / 5)
                continue;
        double after = value_of(*state, "process_cpu_seconds_total");
        assert_true(after > before && after < before + 10);
}

static void test_host(void **state)
{
        char *text = scrape(*state);
        double total = value_in(text, "muster_host_memory_total_bytes");

        assert_true(total > 64e6);
        assert_true(value_in(text, "muster_host_memory_available_bytes") <= total);
        assert_true(value_in(text, "muster_host_load1") >= 0);
        assert_true(value_in(text, "muster_host_cpus") >= 1);
        assert_true(value_in(text, "muster_host_cpu_seconds_total{mode=\"user\"}") > 0);
        assert_true(value_in(text, "muster_host_cpu_seconds_total{mode=\"steal\"}") >= 0);
        assert_true(value_in(text, "muster_host_data_free_bytes") <=
                    value_in(text, "muster_host_data_size_bytes"));
        free(text);
}

static void test_unreadable_is_nan(void **state)
{
        struct mu_metrics *metrics;
        struct mu_metrics_host *host;
        char *text;
        size_t bytes;

        (void)state;
        assert_int_equal(mu_metrics_create(&metrics), 0);
        assert_int_equal(mu_metrics_host_create(metrics, "/nowhere/at/all", &host), 0);
        assert_int_equal(mu_metrics_render(metrics, &text, &bytes), 0);
        assert_true(isnan(value_in(text, "muster_host_data_free_bytes")));
        free(text);
        mu_metrics_destroy(metrics);
        mu_metrics_host_destroy(host);
}

/* Everything there is, through Prometheus' own reader and linter. */
static void test_promtool_has_no_complaint(void **state)
{
#ifdef PROMTOOL
        struct fixture *f = *state;
        struct mu_histogram *histogram;
        struct mu_cell cell = {0};

        assert_int_equal(mu_histogram_create(&histogram), 0);
        mu_histogram_record(histogram, 1234567);
        mu_metrics_histogram(f->metrics, "muster_http_request_duration_seconds", "Time to reply.",
                             MU_LABELS({"route", "/v1/\"heartbeat\"\\\n"}), histogram, 1e-9,
                             &mu_bounds_latency_s);
        mu_metrics_histogram(f->metrics, "muster_batch_rows", "Rows a batch.", MU_NO_LABELS,
                             histogram, 1, &mu_bounds_count);
        mu_metrics_counter(f->metrics, "muster_heartbeats_total", "Heartbeats.",
                           MU_LABELS({"result", "stored"}), &cell);
        char *text = scrape(f);
        const char *command = PROMTOOL " check metrics";
        FILE *promtool = popen(command, "w"); /* allowed because nothing foreign is in it */

        assert_non_null(promtool);
        assert_true(fputs(text, promtool) >= 0);
        assert_int_equal(pclose(promtool), 0);
        free(text);
        mu_histogram_destroy(histogram);
#else
        (void)state;
        skip();
#endif
}

#define PROCESS_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                PROCESS_TEST(test_process),
                PROCESS_TEST(test_cpu_time_is_counted),
                PROCESS_TEST(test_host),
                cmocka_unit_test(test_unreadable_is_nan),
                PROCESS_TEST(test_promtool_has_no_complaint),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
