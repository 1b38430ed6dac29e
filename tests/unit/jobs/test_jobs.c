/* SPDX-License-Identifier: Apache-2.0 */
/* The scheduler on a clock of our own, and its jobs, against a real server. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fixture.h"
#include "jobs/jobs.h"
#include "pg/advisory_lock.h"

#define S_NS UINT64_C(1000000000)

/* 2026-11-21 12:00 UTC */
#define NOON_US (INT64_C(1795262400) * MU_US_PER_S)

struct fake {
        uint64_t monotonic_ns;
        int64_t realtime_us;
};

static uint64_t fake_monotonic(void *context)
{
        return ((struct fake *)context)->monotonic_ns;
}

static int64_t fake_realtime(void *context)
{
        return ((struct fake *)context)->realtime_us;
}

static void advance(struct fake *fake, uint64_t seconds)
{
        fake->monotonic_ns += seconds * S_NS;
        fake->realtime_us += (int64_t)seconds * MU_US_PER_S;
}

struct log {
        int runs[MU_JOB_OUTCOMES];
        uint64_t changed;
        char error[512];
};

static void on_run(void *context, const char *job, enum mu_job_outcome outcome,
                   uint64_t duration_us, uint64_t changed, const char *error)
{
        struct log *log = context;

        (void)job;
        (void)duration_us;
        log->runs[outcome]++;
        log->changed += changed;
        snprintf(log->error, sizeof(log->error), "%s", error);
}

static _Atomic int runs_of_often;
static int result_of_often;

static int often(const struct mu_jobs_config *config, struct mu_pg *pg, uint64_t *ret_changed)
{
        (void)config;
        runs_of_often++;
        *ret_changed = 2;
        if (result_of_often == -EINVAL)
                return mu_pg_script(pg, "test", "SELECT 1/0");
        return result_of_often;
}

static const struct mu_job OFTEN = {"often", 60, MU_LOCK_JOB_PARTITIONS, often};

static struct mu_jobs *create(struct test_pg *test, const struct mu_job *jobs, size_t count,
                              const struct mu_clock *clock, struct log *log,
                              struct mu_metrics *metrics)
{
        struct mu_jobs_config config;
        struct mu_jobs *created;

        mu_jobs_config_init(&config, test->database);
        config.clock = clock;
        config.metrics = metrics;
        config.on_run = on_run;
        config.on_run_context = log;
        assert_int_equal(mu_jobs_create(&config, jobs, count, &created), 0);
        return created;
}

static void due_at_start_and_each_interval(void **state)
{
        struct fake fake = {.monotonic_ns = 5 * S_NS, .realtime_us = NOON_US};
        const struct mu_clock clock = {fake_monotonic, fake_realtime, &fake};
        struct mu_metrics *metrics;
        struct log log = {0};
        char *text;
        size_t bytes;

        runs_of_often = result_of_often = 0;
        assert_int_equal(mu_metrics_create(&metrics), 0);
        struct mu_jobs *jobs = create(*state, &OFTEN, 1, &clock, &log, metrics);

        assert_int_equal(mu_jobs_step(jobs), 60 * S_NS);
        assert_int_equal(runs_of_often, 1);
        advance(&fake, 59);
        assert_int_equal(mu_jobs_step(jobs), 1 * S_NS);
        assert_int_equal(runs_of_often, 1);
        advance(&fake, 1);
        assert_int_equal(mu_jobs_step(jobs), 60 * S_NS);
        assert_int_equal(runs_of_often, 2);
        assert_int_equal(log.runs[MU_JOB_OK], 2);
        assert_int_equal(log.changed, 4);

        assert_int_equal(mu_metrics_render(metrics, &text, &bytes), 0);
        assert_non_null(strstr(text, "muster_job_runs_total{job=\"often\",outcome=\"ok\"} 2"));
        assert_non_null(strstr(text, "muster_job_last_run_timestamp_seconds{job=\"often\"} "
                                     "1795262460"));
        assert_non_null(strstr(text, "muster_job_duration_seconds_count{job=\"often\"} 2"));
        free(text);
        mu_metrics_destroy(metrics);
        mu_jobs_destroy(jobs);
}

static void failure_is_tried_again_sooner(void **state)
{
        struct fake fake = {.monotonic_ns = 5 * S_NS, .realtime_us = NOON_US};
        const struct mu_clock clock = {fake_monotonic, fake_realtime, &fake};
        struct log log = {0};
        struct mu_jobs *jobs = create(*state, &OFTEN, 1, &clock, &log, NULL);

        runs_of_often = 0;
        result_of_often = -EINVAL;
        assert_true(mu_jobs_step(jobs) <= 1 * S_NS);
        assert_int_equal(log.runs[MU_JOB_FAILED], 1);
        assert_non_null(strstr(log.error, "division by zero"));
        for (int i = 0; i < 20; i++) {
                advance(&fake, 60);
                assert_true(mu_jobs_step(jobs) <= 60 * S_NS);
        }
        assert_int_equal(log.runs[MU_JOB_FAILED], 21);
        result_of_often = 0;
        advance(&fake, 60);
        assert_int_equal(mu_jobs_step(jobs), 60 * S_NS);
        assert_int_equal(log.runs[MU_JOB_OK], 1);
        assert_string_equal(log.error, "");
        mu_jobs_destroy(jobs);
}

static void another_process_work_is_not_repeated(void **state)
{
        struct fake fake = {.monotonic_ns = 5 * S_NS, .realtime_us = NOON_US};
        const struct mu_clock clock = {fake_monotonic, fake_realtime, &fake};
        struct test_pg *test = *state;
        struct mu_pg *other = test_pg_acquire(test);
        struct log log = {0};
        struct mu_jobs *jobs = create(test, &OFTEN, 1, &clock, &log, NULL);
        bool taken;

        runs_of_often = result_of_often = 0;
        assert_int_equal(mu_advisory_lock_try(other, MU_LOCK_JOB_PARTITIONS, &taken), 0);
        assert_true(taken);
        assert_int_equal(mu_jobs_step(jobs), 60 * S_NS);
        assert_int_equal(log.runs[MU_JOB_SKIPPED], 1);
        assert_int_equal(runs_of_often, 0);
        mu_advisory_lock_release(other, MU_LOCK_JOB_PARTITIONS);
        advance(&fake, 60);
        mu_jobs_step(jobs);
        assert_int_equal(runs_of_often, 1);
        mu_database_release(test->database, other);
        mu_jobs_destroy(jobs);
}

static void thread_runs_and_stops(void **state)
{
        struct log log = {0};
        struct mu_jobs *jobs = create(*state, &OFTEN, 1, mu_clock_system(), &log, NULL);

        runs_of_often = result_of_often = 0;
        assert_int_equal(mu_jobs_start(jobs), 0);
        while (runs_of_often == 0)
                (void)poll(NULL, 0, 5);
        mu_jobs_stop(jobs);
        assert_int_equal(runs_of_often, 1);
        assert_int_equal(log.runs[MU_JOB_OK], 1);
        mu_jobs_destroy(jobs);
}

static void own_jobs_do_their_work(void **state)
{
        struct fake fake = {.monotonic_ns = 5 * S_NS, .realtime_us = NOON_US};
        const struct mu_clock clock = {fake_monotonic, fake_realtime, &fake};
        struct test_pg *test = *state;
        struct mu_pg *pg = test_pg_acquire(test);
        struct log log = {0};
        struct mu_jobs *jobs = create(test, NULL, 0, &clock, &log, NULL);

        test_pg_run(pg, "INSERT INTO enrolment_tokens (expires_at, revoked_at, max_uses,"
                        " token_sha256) VALUES"
                        " ('2026-10-01', NULL, 1, sha256('long expired')),"
                        " ('2027-01-01', '2026-10-01', 1, sha256('long revoked')),"
                        " ('2026-11-20', NULL, 1, sha256('just expired')),"
                        " ('2027-01-01', NULL, 1, sha256('good'))");
        test_pg_run(pg, "INSERT INTO enrolment_token_uses (device_id, token_id)"
                        " SELECT 1, id FROM enrolment_tokens");
        mu_jobs_step(jobs);
        size_t count;

        (void)mu_jobs_table(&count);
        assert_int_equal(log.runs[MU_JOB_OK], count);
        /* 13 to 20 November and 21 to 28, and two tokens. */
        assert_int_equal(log.changed, 16 + 2);
        assert_int_equal(test_pg_number(pg, "SELECT count(*) FROM pg_class WHERE relname IN"
                                            " ('heartbeats_20261113', 'heartbeats_20261128')"
                                            " AND relispartition"),
                         2);
        assert_int_equal(test_pg_number(pg, "SELECT count(*) FROM enrolment_token_uses"), 2);
        advance(&fake, 3600 * 24);
        mu_jobs_step(jobs);
        assert_int_equal(log.changed, 16 + 2 + 1); /* the new day, at its far end */
        mu_database_release(test->database, pg);
        mu_jobs_destroy(jobs);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(due_at_start_and_each_interval),
                cmocka_unit_test(failure_is_tried_again_sooner),
                cmocka_unit_test(another_process_work_is_not_repeated),
                cmocka_unit_test(thread_runs_and_stops),
                cmocka_unit_test(own_jobs_do_their_work),
        };

        return cmocka_run_group_tests_name("jobs", tests, test_pg_group_setup,
                                           test_pg_group_teardown);
}
