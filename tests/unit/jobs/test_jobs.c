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

static const struct mu_job OFTEN = {
        .name = "often", .interval_s = 60, .lock = MU_LOCK_JOB_PARTITIONS, .run = often};

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

static int turns_of_watched;

/* One slice that only looks, then the failure: as with a child process. */
static int watched(const struct mu_jobs_config *config, struct mu_pg *pg, uint64_t *ret_changed)
{
        (void)config;
        (void)ret_changed;
        return ++turns_of_watched % 2 ? MU_JOB_AGAIN : mu_pg_script(pg, "test", "SELECT 1/0");
}

static int64_t always(const struct mu_jobs_config *config, int64_t now_us)
{
        (void)config;
        return now_us;
}

static const struct mu_job WATCHED = {.name = "watched",
                                      .interval_s = 3600,
                                      .lock = MU_LOCK_JOB_BACKUP,
                                      .run = watched,
                                      .due_at_us = always};

static void what_fails_in_its_last_slice_pauses_longer(void **state)
{
        struct fake fake = {.monotonic_ns = 5 * S_NS, .realtime_us = NOON_US};
        const struct mu_clock clock = {fake_monotonic, fake_realtime, &fake};
        struct log log = {0};
        struct mu_jobs *jobs = create(*state, &WATCHED, 1, &clock, &log, NULL);

        turns_of_watched = 0;
        /* Two days: 7 pauses of up to 1, 2, … 64 minutes, then up to an hour each, half of it on
         * average. Some 100; with pauses that began anew it would be nearly 5,800. */
        for (int i = 0; i < 2 * 24 * 60 * 6; i++) {
                (void)mu_jobs_step(jobs);
                advance(&fake, 10);
        }
        assert_in_range(log.runs[MU_JOB_FAILED], 48, 400);
        mu_jobs_destroy(jobs);
}

static int idle(const struct mu_jobs_config *config, struct mu_pg *pg, uint64_t *ret_changed)
{
        (void)config;
        (void)ret_changed;
        mu_pg_explain(pg, "Nothing is configured.");
        return MU_JOB_IDLE;
}

static const struct mu_job IDLE = {
        .name = "idle", .interval_s = 60, .lock = MU_LOCK_JOB_BACKUP, .run = idle};

static void what_is_not_configured_is_no_failure(void **state)
{
        struct fake fake = {.monotonic_ns = 5 * S_NS, .realtime_us = NOON_US};
        const struct mu_clock clock = {fake_monotonic, fake_realtime, &fake};
        struct log log = {0};
        struct mu_jobs *jobs = create(*state, &IDLE, 1, &clock, &log, NULL);
        char name[MU_JOB_NAME_BYTES];
        uint32_t failures;

        assert_int_equal(mu_jobs_step(jobs), 60 * S_NS);
        assert_int_equal(log.runs[MU_JOB_SKIPPED], 1);
        mu_jobs_trouble(jobs, &failures, name);
        assert_int_equal(failures, 0);
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

static char order[16];

static void note_turn(char letter)
{
        size_t length = strlen(order);

        assert_true(length + 1 < sizeof(order));
        order[length] = letter;
        order[length + 1] = '\0';
}

static int slices_of_long;

static int long_one(const struct mu_jobs_config *config, struct mu_pg *pg, uint64_t *ret_changed)
{
        (void)config;
        (void)pg;
        note_turn('l');
        *ret_changed = 5;
        return ++slices_of_long % 3 == 0 ? 0 : MU_JOB_AGAIN;
}

static int short_one(const struct mu_jobs_config *config, struct mu_pg *pg, uint64_t *ret_changed)
{
        (void)config;
        (void)pg;
        (void)ret_changed;
        note_turn('s');
        return 0;
}

static const struct mu_job TWO[] = {
        {.name = "long", .interval_s = 60, .lock = MU_LOCK_JOB_PARTITIONS, .run = long_one},
        {.name = "short", .interval_s = 1, .lock = MU_LOCK_JOB_PURGE, .run = short_one},
};

static void more_to_do_waits_for_the_others(void **state)
{
        struct fake fake = {.monotonic_ns = 5 * S_NS, .realtime_us = NOON_US};
        const struct mu_clock clock = {fake_monotonic, fake_realtime, &fake};
        struct log log = {0};
        struct mu_jobs *jobs = create(*state, TWO, 2, &clock, &log, NULL);
        struct test_pg *test = *state;
        struct mu_pg *pg = test_pg_acquire(test);

        test_pg_run(pg, "DELETE FROM job_runs");
        order[0] = '\0';
        slices_of_long = 0;
        assert_int_equal(mu_jobs_step(jobs), 0); /* the long one at once */
        assert_string_equal(order, "ls");
        assert_int_equal(log.runs[MU_JOB_OK], 1);
        advance(&fake, 1);
        assert_int_equal(mu_jobs_step(jobs), 0);
        assert_string_equal(order, "lsls");
        advance(&fake, 1);
        assert_int_equal(mu_jobs_step(jobs), 1 * S_NS);
        assert_string_equal(order, "lslsls");
        assert_int_equal(log.runs[MU_JOB_OK], 4);
        assert_int_equal(log.changed, 15);
        /* One line for the whole run, none for what happens each second. */
        assert_int_equal(test_pg_number(pg, "SELECT count(*) FROM job_runs WHERE job = 'long'"
                                            " AND outcome = 'ok' AND changed = 15 AND error IS NULL"
                                            " AND asked_by IS NULL"
                                            " AND finished_at - started_at = '2 s'"),
                         1);
        assert_int_equal(test_pg_number(pg, "SELECT count(*) FROM job_runs"), 1);
        test_pg_run(pg, "DELETE FROM job_runs");
        mu_database_release(test->database, pg);
        mu_jobs_destroy(jobs);
}

static void is_run_when_asked_for(void **state)
{
        struct fake fake = {.monotonic_ns = 5 * S_NS, .realtime_us = NOON_US};
        const struct mu_clock clock = {fake_monotonic, fake_realtime, &fake};
        struct log log = {0};
        struct mu_jobs *jobs = create(*state, TWO, 2, &clock, &log, NULL);
        struct test_pg *test = *state;
        struct mu_pg *pg = test_pg_acquire(test);
        struct mu_job_desk desk;
        struct mu_job_run run;
        struct mu_job_facts facts[2];
        int64_t id;
        int64_t again;
        int64_t after;

        slices_of_long = 0;
        mu_jobs_desk(jobs, &desk);
        assert_int_equal(mu_jobs_run_now(jobs, "nonesuch", "user:ann", &id), -ENOENT);
        order[0] = '\0';
        for (int i = 0; i < 3; i++)
                (void)mu_jobs_step(jobs);
        assert_string_equal(order, "lsll");
        assert_int_equal(desk.run_now(desk.ctx, "long", "user:ann", &id), 0);
        assert_int_equal(mu_jobs_run_now(jobs, "long", "user:bob", &again), 0);
        assert_int_equal(id, again);
        assert_true(desk.find_run(desk.ctx, id, &run));
        assert_string_equal(run.state, "waiting");
        assert_int_equal(mu_jobs_step(jobs), 0);
        assert_true(desk.find_run(desk.ctx, id, &run));
        assert_string_equal(run.state, "running");
        assert_string_equal(run.asked_by, "user:ann");
        /* Under way: it may have passed what the asker means. */
        assert_int_equal(mu_jobs_run_now(jobs, "long", "user:bob", &after), 0);
        assert_true(after > id);
        for (int i = 0; i < 2; i++)
                assert_int_equal(mu_jobs_step(jobs), 0);
        assert_true(desk.find_run(desk.ctx, id, &run));
        assert_string_equal(run.state, "ok");
        assert_int_equal(run.changed, 15);
        for (int i = 0; i < 2; i++)
                assert_int_equal(mu_jobs_step(jobs), 0);
        assert_int_equal(mu_jobs_step(jobs), 1 * S_NS);
        assert_int_equal(desk.list(desk.ctx, facts, 2), 2);
        assert_int_equal(facts[0].last.id, after);
        assert_int_equal(facts[0].now.id, 0);
        assert_int_equal(facts[0].due_at_us, NOON_US + 60 * MU_US_PER_S);
        assert_false(desk.find_run(desk.ctx, id, &run));
        assert_int_equal(test_pg_number(pg, "SELECT count(*) FROM job_runs WHERE job = 'long'"
                                            " AND asked_by IN ('user:ann', 'user:bob')"),
                         2);
        test_pg_run(pg, "DELETE FROM job_runs");
        mu_database_release(test->database, pg);
        mu_jobs_destroy(jobs);
}

static void database_away_is_no_failure(void **state)
{
        struct fake fake = {.monotonic_ns = 5 * S_NS, .realtime_us = NOON_US};
        const struct mu_clock clock = {fake_monotonic, fake_realtime, &fake};
        struct log log = {0};
        struct mu_jobs *jobs = create(*state, &OFTEN, 1, &clock, &log, NULL);
        char name[MU_JOB_NAME_BYTES];
        uint32_t count;
        int64_t id;
        struct mu_job_desk desk;
        struct mu_job_run run;

        mu_jobs_desk(jobs, &desk);
        result_of_often = -ENOTCONN;
        assert_int_equal(mu_jobs_run_now(jobs, "often", "user:ann", &id), 0);
        assert_true(mu_jobs_step(jobs) > 0);
        assert_int_equal(log.runs[MU_JOB_AWAY], 1);
        assert_true(desk.find_run(desk.ctx, id, &run));
        assert_string_equal(run.state, "waiting");
        mu_jobs_trouble(jobs, &count, name);
        assert_int_equal(count, 0);
        assert_string_equal(name, "");

        result_of_often = -EINVAL;
        for (uint32_t i = 1; i < 4; i++) {
                advance(&fake, 60);
                (void)mu_jobs_step(jobs);
                mu_jobs_trouble(jobs, &count, name);
                assert_int_equal(count, i);
                assert_string_equal(name, "often");
        }
        result_of_often = 0;
        advance(&fake, 60);
        (void)mu_jobs_step(jobs);
        mu_jobs_trouble(jobs, &count, name);
        assert_int_equal(count, 0);
        assert_int_equal(log.runs[MU_JOB_FAILED], 3);
        mu_jobs_destroy(jobs);
}

static int64_t at_one_oclock(const struct mu_jobs_config *config, int64_t now_us)
{
        int64_t hour_us = 3600 * MU_US_PER_S;

        (void)config;
        return now_us < NOON_US + hour_us ? NOON_US + hour_us : MU_JOB_NEVER;
}

static void a_job_may_give_its_time(void **state)
{
        static const struct mu_job dated = {.name = "dated",
                                            .interval_s = 3600,
                                            .lock = MU_LOCK_JOB_PARTITIONS,
                                            .run = often,
                                            .due_at_us = at_one_oclock};
        struct fake fake = {.monotonic_ns = 5 * S_NS, .realtime_us = NOON_US};
        const struct mu_clock clock = {fake_monotonic, fake_realtime, &fake};
        struct log log = {0};
        struct mu_jobs *jobs = create(*state, &dated, 1, &clock, &log, NULL);
        struct mu_job_desk desk;
        struct mu_job_facts facts;
        int64_t id;

        runs_of_often = result_of_often = 0;
        mu_jobs_desk(jobs, &desk);
        assert_int_equal(mu_jobs_step(jobs), 3600 * S_NS);
        assert_int_equal(runs_of_often, 0);
        /* The date is set forward: it is the date that counts. */
        fake.realtime_us += 3600 * MU_US_PER_S;
        assert_int_equal(mu_jobs_step(jobs), UINT64_MAX - fake.monotonic_ns);
        assert_int_equal(runs_of_often, 1);
        desk.list(desk.ctx, &facts, 1);
        assert_int_equal(facts.due_at_us, 0);
        assert_int_equal(mu_jobs_run_now(jobs, "dated", "user:ann", &id), 0);
        (void)mu_jobs_step(jobs);
        assert_int_equal(runs_of_often, 2);
        mu_jobs_destroy(jobs);
}

/* Of each table one that ended long ago, and one that is needed. */
static void leave_accounts(struct mu_pg *pg)
{
        test_pg_run(pg, "INSERT INTO users (id, role, name, password_hash)"
                        " VALUES (1, 'admin', 'ann', '!')");
        test_pg_run(pg, "INSERT INTO sessions (id, user_id, expires_at, idle_expires_at, ended_at,"
                        " address) VALUES"
                        " (1, 1, '2027-01-01', '2026-12-01', '2026-10-01', 'a'),"
                        " (2, 1, '2027-01-01', '2026-10-01', NULL, 'idle'),"
                        " (3, 1, '2027-01-01', '2026-12-01', '2026-11-20', 'just ended'),"
                        " (4, 1, '2027-01-01', '2026-12-01', NULL, 'good')");
        test_pg_run(pg, "INSERT INTO refresh_tokens (token_sha256, session_id)"
                        " SELECT sha256(id::text::bytea), id FROM sessions");
        test_pg_run(pg, "INSERT INTO password_resets (token_sha256, user_id, expires_at, issued_by)"
                        " VALUES (sha256('old'), 1, '2026-10-01', 'email'),"
                        " (sha256('good'), 1, '2026-11-22', 'email')");
        test_pg_run(pg, "INSERT INTO api_tokens (created_by, expires_at, revoked_at, role, name,"
                        " scopes, token_sha256) VALUES"
                        " (1, '2026-10-01', NULL, 'viewer', 'old', '*', sha256('old')),"
                        " (1, '2027-01-01', '2026-10-01', 'viewer', 'gone', '*', sha256('gone')),"
                        " (1, '2027-01-01', NULL, 'viewer', 'good', '*', sha256('good'))");
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
        leave_accounts(pg);
        while (mu_jobs_step(jobs) == 0)
                ;
        size_t count;
        const struct mu_job *table = mu_jobs_table(&count);
        int due = 0;

        for (size_t i = 0; i < count; i++)
                due += !table[i].due_at_us; /* the others are not configured here */
        assert_string_equal(log.error, "");
        assert_int_equal(log.runs[MU_JOB_OK], due);
        int64_t made = test_pg_number(pg, "SELECT count(*) FROM partition_registry");

        /* Of heartbeats 13 to 20 November and 21 to 28 at least; two tokens, five of
         * accounts; and the statistics that a migration asked for. */
        assert_true(made >= 16);
        assert_int_equal(log.changed, made + 2 + 5 + 1);
        assert_int_equal(test_pg_number(pg, "SELECT count(*) FROM pg_class WHERE relname IN"
                                            " ('heartbeats_20261113', 'heartbeats_20261128')"
                                            " AND relispartition"),
                         2);
        assert_int_equal(test_pg_number(pg, "SELECT count(*) FROM enrolment_token_uses"), 2);
        assert_int_equal(test_pg_number(pg, "SELECT count(*) FROM refresh_tokens"), 2);
        assert_int_equal(test_pg_number(pg, "SELECT count(*) FROM api_tokens"), 1);
        advance(&fake, 3600 * 24);
        mu_jobs_step(jobs);
        /* Of each parent the new day, at its far end. */
        int64_t parents = test_pg_number(pg, "SELECT count(DISTINCT parent) FROM"
                                             " partition_registry");

        assert_int_equal(log.changed, made + 2 + 5 + 1 + parents);
        mu_database_release(test->database, pg);
        mu_jobs_destroy(jobs);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(due_at_start_and_each_interval),
                cmocka_unit_test(failure_is_tried_again_sooner),
                cmocka_unit_test(what_fails_in_its_last_slice_pauses_longer),
                cmocka_unit_test(what_is_not_configured_is_no_failure),
                cmocka_unit_test(another_process_work_is_not_repeated),
                cmocka_unit_test(thread_runs_and_stops),
                cmocka_unit_test(more_to_do_waits_for_the_others),
                cmocka_unit_test(is_run_when_asked_for),
                cmocka_unit_test(database_away_is_no_failure),
                cmocka_unit_test(a_job_may_give_its_time),
                cmocka_unit_test(own_jobs_do_their_work),
        };

        return cmocka_run_group_tests_name("jobs", tests, test_pg_group_setup,
                                           test_pg_group_teardown);
}
