/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <stdbool.h>

#include "base/random.h"
#include "control/alert/alive_time.h"

static void test_a_pause_counts_from_its_stamp(void **state)
{
        struct mu_alive_time time;

        (void)state;
        mu_alive_time_init(&time, 1000);
        mu_alive_time_tell(&time, 2000, false);
        mu_alive_time_tell(&time, 9000, true); /* 2000..9000 */
        mu_alive_time_tell(&time, 9500, false);
        mu_alive_time_tell(&time, 10000, true); /* 9500..10000 */
        assert_int_equal(mu_alive_time_paused_ms(&time), 7500);
        static const uint64_t pairs[][2] = {{0, 0},       {1500, 1500},  {2000, 2000}, {2001, 2000},
                                            {8999, 2000}, {9000, 2000},  {9001, 2001}, {9500, 2500},
                                            {9999, 2500}, {10000, 2500}, {10007, 2507}};

        for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
                assert_int_equal(mu_alive_time_at(&time, pairs[i][0]), pairs[i][1]);
        static const uint64_t whens[][2] = {
                {1500, 1500}, {2000, 2000}, {2001, 9001}, {2500, 9500}, {2501, 10001}};

        for (size_t i = 0; i < sizeof(whens) / sizeof(whens[0]); i++)
                assert_int_equal(mu_alive_time_when(&time, whens[i][0]), whens[i][1]);
}

static void test_a_pause_that_goes_on_is_one(void **state)
{
        struct mu_alive_time time;

        (void)state;
        mu_alive_time_init(&time, 0);
        for (uint64_t ms = 100; ms <= 100 * 4 * MU_ALIVE_PAUSES; ms += 100)
                mu_alive_time_tell(&time, ms, true);
        assert_int_equal(time.count, 1);
        assert_int_equal(mu_alive_time_at(&time, 100 * 4 * MU_ALIVE_PAUSES), 0);
        mu_alive_time_tell(&time, time.told_ms, true); /* no time has passed */
        assert_int_equal(time.count, 1);
}

/* ---- against all pauses there were ---- */

struct naive {
        uint64_t start_ms, end_ms;
};

static uint64_t naive_alive(const struct naive *pauses, size_t count, uint64_t ms)
{
        uint64_t alive = ms;

        for (size_t i = 0; i < count; i++) {
                uint64_t end_ms = pauses[i].end_ms < ms ? pauses[i].end_ms : ms;

                if (pauses[i].start_ms < end_ms)
                        alive -= end_ms - pauses[i].start_ms;
        }
        return alive;
}

static void run(uint64_t seed, size_t pauses_wanted)
{
        static struct naive pauses[4 * MU_ALIVE_PAUSES];
        struct mu_alive_time time;
        struct mu_random random;
        uint64_t now_ms = 5000;
        size_t count = 0;

        mu_random_seed(&random, seed);
        mu_alive_time_init(&time, now_ms);
        while (count < pauses_wanted) {
                uint64_t next_ms = now_ms + 1 + mu_random_below(&random, 20000);
                bool pause = mu_random_below(&random, 3) == 0;

                mu_alive_time_tell(&time, next_ms, pause);
                if (pause && count > 0 && pauses[count - 1].end_ms == now_ms)
                        pauses[count - 1].end_ms = next_ms;
                else if (pause)
                        pauses[count++] = (struct naive){now_ms, next_ms};
                now_ms = next_ms;
        }
        assert_int_equal(mu_alive_time_at(&time, now_ms), naive_alive(pauses, count, now_ms));
        /* Exact from the first pause on that was kept as it was, and before all of them. */
        uint64_t exact_ms = count <= MU_ALIVE_PAUSES ? 0 : pauses[count - MU_ALIVE_PAUSES].end_ms;
        uint64_t last_alive = 0;

        for (uint64_t ms = 0; ms <= now_ms; ms += 1 + mu_random_below(&random, 3000)) {
                uint64_t alive = mu_alive_time_at(&time, ms);
                uint64_t exact = naive_alive(pauses, count, ms);

                assert_true(alive >= exact && alive <= ms && alive >= last_alive);
                if (ms >= exact_ms || ms <= pauses[0].start_ms)
                        assert_int_equal(alive, exact);
                uint64_t when = mu_alive_time_when(&time, alive);

                assert_true(when <= ms);
                assert_int_equal(mu_alive_time_at(&time, when), alive);
                assert_true(when == 0 || mu_alive_time_at(&time, when - 1) < alive);
                last_alive = alive;
        }
}

static void test_random_pauses_match_a_list(void **state)
{
        (void)state;
        for (uint64_t seed = 1; seed <= 20; seed++) {
                run(seed, 1 + seed * 5);
                run(seed, MU_ALIVE_PAUSES);
        }
}

static void test_more_pauses_than_are_kept_never_make_it_earlier(void **state)
{
        (void)state;
        for (uint64_t seed = 1; seed <= 10; seed++)
                run(seed, MU_ALIVE_PAUSES + seed * seed * 7);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_pause_counts_from_its_stamp),
                cmocka_unit_test(test_a_pause_that_goes_on_is_one),
                cmocka_unit_test(test_random_pauses_match_a_list),
                cmocka_unit_test(test_more_pauses_than_are_kept_never_make_it_earlier),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
