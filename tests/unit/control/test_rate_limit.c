/* SPDX-License-Identifier: Apache-2.0 */
/* The sliding window, the burst beside it, and a table that a crowd can't make forget. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>

#include "base/clock.h"
#include "base/thread.h"
#include "control/rate_limit.h"

#define SECOND ((uint64_t)MU_NS_PER_S)
/* The beginning of a minute. */
#define START (1000 * 60 * SECOND)

static struct mu_rate_table *table_of(uint32_t max, uint32_t window_s, uint32_t burst_max,
                                      uint32_t burst_window_s)
{
        const struct mu_rate_rule rule = {max, window_s, burst_max, burst_window_s};
        struct mu_rate_table *table;

        assert_int_equal(mu_rate_table_create(&rule, 1, 64, &table), 0);
        return table;
}

static struct mu_rate_verdict take(struct mu_rate_table *table, const char *who, uint64_t now_ns)
{
        struct mu_rate_verdict verdict;

        mu_rate_take(table, 0, who, strlen(who), who, now_ns, &verdict);
        return verdict;
}

static uint32_t take_many(struct mu_rate_table *table, const char *who, uint64_t now_ns,
                          uint32_t tries)
{
        uint32_t allowed = 0;

        for (uint32_t i = 0; i < tries; i++)
                allowed += take(table, who, now_ns).allowed;
        return allowed;
}

static void as_many_as_the_limit(void **state)
{
        struct mu_rate_table *table = table_of(60, 60, 0, 0);

        (void)state;
        assert_int_equal(take_many(table, "a", START, 100), 60);
        struct mu_rate_verdict verdict = take(table, "a", START);

        assert_false(verdict.allowed);
        assert_false(verdict.by_burst);
        assert_int_equal(verdict.remaining, 0);
        assert_int_equal(verdict.reset_s, 60);
        /* The next one fits a sixtieth of a window after the window has turned. */
        assert_int_equal(verdict.retry_after_s, 61);
        assert_true(take(table, "b", START).allowed);
        mu_rate_table_destroy(table);
}

/* Retry-After is the truth: a second before it nothing, at it something. */
static void retry_after_is_exact(void **state)
{
        (void)state;
        for (uint32_t used = 1; used <= 10; used++) {
                for (uint32_t into_s = 0; into_s < 60; into_s += 7) {
                        struct mu_rate_table *table = table_of(10, 60, 0, 0);
                        uint64_t now_ns = START + 60 * SECOND + into_s * SECOND;

                        (void)take_many(table, "a", START + 30 * SECOND, used);
                        (void)take_many(table, "a", now_ns, 10);
                        struct mu_rate_verdict verdict = take(table, "a", now_ns);

                        assert_false(verdict.allowed);
                        uint64_t then_ns = now_ns + verdict.retry_after_s * SECOND;

                        assert_false(take(table, "a", then_ns - SECOND - 1).allowed);
                        assert_true(take(table, "a", then_ns).allowed);
                        mu_rate_table_destroy(table);
                }
        }
}

static void it_slides(void **state)
{
        struct mu_rate_table *table = table_of(60, 60, 0, 0);

        (void)state;
        assert_int_equal(take_many(table, "a", START + 59 * SECOND, 60), 60);
        /* A fixed window would let in 60 more. */
        assert_int_equal(take_many(table, "a", START + 61 * SECOND, 60), 1);
        assert_int_equal(take_many(table, "a", START + 90 * SECOND, 60), 29);
        assert_int_equal(take_many(table, "a", START + 300 * SECOND, 100), 60);
        mu_rate_table_destroy(table);
}

/* Whoever hammers all the time still gets what the limit allows. */
static void refused_ones_do_not_count(void **state)
{
        struct mu_rate_table *table = table_of(60, 60, 0, 0);
        uint32_t allowed = 0;

        (void)state;
        for (uint64_t ms = 0; ms < 600000; ms += 100)
                allowed += take(table, "a", START + ms * (uint64_t)MU_NS_PER_MS).allowed;
        assert_true(allowed >= 540 && allowed <= 660);
        mu_rate_table_destroy(table);
}

static void a_burst_has_its_own(void **state)
{
        struct mu_rate_table *table = table_of(60, 60, 20, 2);

        (void)state;
        assert_int_equal(take_many(table, "a", START, 100), 20);
        struct mu_rate_verdict verdict = take(table, "a", START);

        assert_true(verdict.by_burst);
        assert_int_equal(verdict.remaining, 40);
        assert_int_equal(verdict.burst_remaining, 0);
        assert_true(verdict.retry_after_s <= 3);
        assert_int_equal(take_many(table, "a", START + 4 * SECOND, 100), 20);
        assert_int_equal(take_many(table, "a", START + 8 * SECOND, 100), 20);
        verdict = take(table, "a", START + 12 * SECOND);
        assert_false(verdict.allowed);
        assert_false(verdict.by_burst);
        mu_rate_table_destroy(table);
}

static void none_and_several_rules(void **state)
{
        const struct mu_rate_rule rules[] = {{0}, {1, 3600, 0, 0}, {2, 60, 0, 0}};
        struct mu_rate_table *table;
        struct mu_rate_verdict verdict;

        (void)state;
        assert_int_equal(mu_rate_table_create(rules, 3, 64, &table), 0);
        for (int i = 0; i < 1000; i++) {
                mu_rate_take(table, 0, "a", 1, "a", START, &verdict);
                assert_true(verdict.allowed && !verdict.limited);
        }
        mu_rate_take(table, 1, "a", 1, "a", START, &verdict);
        assert_true(verdict.allowed);
        mu_rate_take(table, 1, "a", 1, "a", START, &verdict);
        assert_false(verdict.allowed);
        mu_rate_take(table, 2, "a", 1, "a", START, &verdict);
        assert_true(verdict.allowed);
        mu_rate_table_destroy(table);
}

/* A hundred thousand newcomers in a table for 64: who was over the limit stays over it, and who had
 * used most of it has not got it back. */
static void a_spray_resets_nobody(void **state)
{
        struct mu_rate_table *table = table_of(60, 60, 0, 0);
        char who[32];

        (void)state;
        assert_int_equal(take_many(table, "offender", START, 100), 60);
        assert_int_equal(take_many(table, "busy", START, 50), 50);
        for (int i = 0; i < 100000; i++) {
                (void)snprintf(who, sizeof(who), "newcomer %d", i);
                assert_true(take(table, who, START).allowed);
        }
        assert_false(take(table, "offender", START).allowed);
        assert_int_equal(take_many(table, "busy", START, 100), 10);
        mu_rate_table_destroy(table);
}

/* An hour's limit of three is not the first to be forgotten beside a minute's limit of sixty. */
static void small_limits_weigh_more(void **state)
{
        const struct mu_rate_rule rules[] = {{60, 60, 0, 0}, {3, 3600, 0, 0}};
        struct mu_rate_table *table;
        struct mu_rate_verdict verdict;
        char who[32];

        (void)state;
        assert_int_equal(mu_rate_table_create(rules, 2, 64, &table), 0);
        for (int i = 0; i < 3; i++)
                mu_rate_take(table, 1, "a", 1, "a", START, &verdict);
        for (int i = 0; i < 10000; i++) {
                (void)snprintf(who, sizeof(who), "newcomer %d", i);
                for (int k = 0; k < 3; k++)
                        mu_rate_take(table, 0, who, strlen(who), who, START, &verdict);
        }
        mu_rate_take(table, 1, "a", 1, "a", START, &verdict);
        assert_false(verdict.allowed);
        mu_rate_table_destroy(table);
}

static void offenders_are_listed(void **state)
{
        struct mu_rate_table *table = table_of(1, 60, 0, 0);
        static struct mu_rate_offender offenders[MU_RATE_OFFENDERS_MAX + 1];
        char who[32];

        (void)state;
        assert_int_equal(mu_rate_offenders(table, offenders, MU_RATE_OFFENDERS_MAX), 0);
        (void)take_many(table, "a", START, 4);
        (void)take_many(table, "b", START + SECOND, 2);
        (void)take(table, "innocent", START);
        assert_int_equal(mu_rate_offenders(table, offenders, MU_RATE_OFFENDERS_MAX), 2);
        assert_string_equal(offenders[0].label, "b");
        assert_string_equal(offenders[1].label, "a");
        assert_int_equal(offenders[1].refused, 3);
        assert_true(offenders[1].first_ns == START);
        for (int i = 0; i < 2 * MU_RATE_OFFENDERS_MAX; i++) {
                (void)snprintf(who, sizeof(who), "offender %d", i);
                (void)take_many(table, who, START + (uint64_t)(i + 2) * SECOND, 2);
        }
        assert_int_equal(mu_rate_offenders(table, offenders, MU_RATE_OFFENDERS_MAX + 1),
                         MU_RATE_OFFENDERS_MAX);
        assert_string_equal(offenders[0].label, "offender 511");
        mu_rate_table_destroy(table);
}

static void bad_rules(void **state)
{
        struct mu_rate_table *table = NULL;
        const struct mu_rate_rule no_window = {1, 0, 0, 0};
        const struct mu_rate_rule no_burst_window = {1, 1, 1, 0};
        const struct mu_rate_rule too_many = {MU_RATE_MAX + 1, 1, 0, 0};
        const struct mu_rate_rule fine = {MU_RATE_MAX, MU_RATE_WINDOW_S_MAX, MU_RATE_MAX,
                                          MU_RATE_WINDOW_S_MAX};

        (void)state;
        assert_int_equal(mu_rate_table_create(&no_window, 1, 64, &table), -EINVAL);
        assert_int_equal(mu_rate_table_create(&no_burst_window, 1, 64, &table), -EINVAL);
        assert_int_equal(mu_rate_table_create(&too_many, 1, 64, &table), -EINVAL);
        assert_int_equal(mu_rate_table_create(&fine, 0, 64, &table), -EINVAL);
        assert_null(table);
        /* The largest numbers overflow nothing. */
        assert_int_equal(mu_rate_table_create(&fine, 1, 64, &table), 0);
        uint64_t day_ns = MU_RATE_WINDOW_S_MAX * SECOND;

        assert_int_equal(take_many(table, "a", 20000 * day_ns + 1, MU_RATE_MAX + 9), MU_RATE_MAX);
        assert_int_equal(take_many(table, "a", 20001 * day_ns + day_ns / 2, MU_RATE_MAX),
                         MU_RATE_MAX / 2);
        mu_rate_table_destroy(table);
}

#define THREADS 4

struct crowd {
        struct mu_rate_table *table;
        uint32_t allowed;
};

static void hammer(void *context)
{
        struct crowd *crowd = context;

        crowd->allowed = take_many(crowd->table, "a", START, 1000);
}

static void exact_among_threads(void **state)
{
        struct mu_rate_table *table = table_of(100, 60, 0, 0);
        struct crowd crowds[THREADS];
        pthread_t threads[THREADS];
        uint32_t allowed = 0;

        (void)state;
        for (int i = 0; i < THREADS; i++) {
                crowds[i] = (struct crowd){.table = table};
                assert_int_equal(mu_thread_start("hammer", hammer, &crowds[i], &threads[i]), 0);
        }
        for (int i = 0; i < THREADS; i++) {
                mu_thread_join(threads[i]);
                allowed += crowds[i].allowed;
        }
        assert_int_equal(allowed, 100);
        mu_rate_table_destroy(table);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(as_many_as_the_limit),
                cmocka_unit_test(retry_after_is_exact),
                cmocka_unit_test(it_slides),
                cmocka_unit_test(refused_ones_do_not_count),
                cmocka_unit_test(a_burst_has_its_own),
                cmocka_unit_test(none_and_several_rules),
                cmocka_unit_test(a_spray_resets_nobody),
                cmocka_unit_test(small_limits_weigh_more),
                cmocka_unit_test(offenders_are_listed),
                cmocka_unit_test(bad_rules),
                cmocka_unit_test(exact_among_threads),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
