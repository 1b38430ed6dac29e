/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "base/random.h"
#include "clock.h"
#include "muster/compiler.h"
#include "schedule.h"

/* The workers' moments together are exactly k / rate, with no drift after hours. */
static void test_pacers_interleave_exactly(void **state)
{
        enum { WORKERS = 3, RATE = 7 };
        struct mu_lg_pacer pacers[WORKERS];

        (void)state;
        for (uint32_t w = 0; w < WORKERS; w++)
                mu_lg_pacer_init(&pacers[w], RATE, WORKERS, w);
        for (uint64_t k = 0; k < 100; k++)
                assert_int_equal(mu_lg_pacer_due(&pacers[k % WORKERS], 1000, k / WORKERS),
                                 1000 + k * MU_LG_NS_PER_S / RATE);
        mu_lg_pacer_init(&pacers[0], RATE, 1, 0);
        assert_int_equal(mu_lg_pacer_due(&pacers[0], 0, RATE * UINT64_C(86400) * 365),
                         MU_LG_NS_PER_S * 86400 * 365);
}

static void test_shares_add_up(void **state)
{
        static const uint64_t totals[] = {0, 1, 7, 2000, 100000, 1234567};

        (void)state;
        for (size_t t = 0; t < MU_COUNT_OF(totals); t++) {
                for (uint32_t workers = 1; workers < 9; workers++) {
                        uint64_t sum = 0;

                        for (uint32_t w = 0; w < workers; w++)
                                sum += mu_lg_share(totals[t], workers, w);
                        assert_int_equal(sum, totals[t]);
                }
        }
}

static void test_heap_gives_the_earliest(void **state)
{
        enum { DEVICES = 5000 };
        struct mu_lg_schedule schedule;
        struct mu_random random;
        static uint8_t seen[DEVICES];
        uint64_t last = 0;

        (void)state;
        mu_random_seed(&random, 42);
        assert_int_equal(mu_lg_schedule_init(&schedule, DEVICES), 0);
        assert_true(mu_lg_schedule_next_ns(&schedule) == MU_LG_NEVER);
        for (uint32_t i = 0; i < DEVICES; i++)
                mu_lg_schedule_add(&schedule, mu_random_below(&random, 3000), i);
        /* Taking and putting back later, as devices do. */
        for (uint32_t i = 0; i < 20000; i++) {
                struct mu_lg_due due = mu_lg_schedule_take(&schedule);

                assert_true(due.at_ns >= last);
                last = due.at_ns;
                mu_lg_schedule_add(&schedule, due.at_ns + mu_random_below(&random, 1000),
                                   due.device);
        }
        for (uint32_t i = 0; i < DEVICES; i++) {
                struct mu_lg_due due = mu_lg_schedule_take(&schedule);

                assert_true(due.at_ns >= last);
                last = due.at_ns;
                assert_int_equal(seen[due.device]++, 0);
        }
        assert_int_equal(schedule.count, 0);
        mu_lg_schedule_done(&schedule);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_pacers_interleave_exactly),
                cmocka_unit_test(test_shares_add_up),
                cmocka_unit_test(test_heap_gives_the_earliest),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
