/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/random.h"
#include "base/timer_wheel.h"

#define UNSET UINT64_MAX

static uint32_t take(struct mu_timer_wheel *wheel, uint64_t now_tick, uint32_t *ret_timers,
                     uint32_t timers_max)
{
        uint32_t moves = UINT32_MAX;

        return mu_timer_wheel_take(wheel, now_tick, &moves, ret_timers, timers_max);
}

static void test_fires_in_its_very_tick(void **state)
{
        /* Around every digit's edge, from positions around every digit's edge. */
        static const uint64_t delays[] = {0,      1,        62,         63,         64,
                                          65,     4095,     4096,       4097,       262143,
                                          262144, 1u << 24, 1ull << 36, 1ull << 48, 1ull << 62};
        static const uint64_t starts[] = {0, 1, 63, 64, 4095, 4096, (1ull << 36) - 1, 1ull << 60};

        (void)state;
        for (size_t s = 0; s < sizeof(starts) / sizeof(starts[0]); s++) {
                for (size_t d = 0; d < sizeof(delays) / sizeof(delays[0]); d++) {
                        uint64_t due = starts[s] + delays[d];
                        struct mu_timer_wheel *wheel;
                        uint32_t fired = 7;

                        assert_int_equal(mu_timer_wheel_create(starts[s], 3, &wheel), 0);
                        mu_timer_wheel_set(wheel, 1, due);
                        assert_int_equal(mu_timer_wheel_due(wheel, 1), due);
                        if (due > starts[s])
                                assert_int_equal(take(wheel, due - 1, &fired, 1), 0);
                        assert_int_equal(take(wheel, due, &fired, 1), 1);
                        assert_int_equal(fired, 1);
                        assert_int_equal(mu_timer_wheel_count(wheel), 0);
                        assert_false(mu_timer_wheel_is_set(wheel, 1));
                        assert_int_equal(take(wheel, UINT64_MAX, &fired, 1), 0);
                        mu_timer_wheel_destroy(wheel);
                }
        }
}

static void test_what_is_overdue_fires_next(void **state)
{
        struct mu_timer_wheel *wheel;
        uint32_t fired;

        (void)state;
        assert_int_equal(mu_timer_wheel_create(1000, 1, &wheel), 0);
        mu_timer_wheel_set(wheel, 0, 5);
        assert_int_equal(mu_timer_wheel_due(wheel, 0), 5);
        assert_int_equal(take(wheel, 1000, &fired, 1), 1);
        mu_timer_wheel_set(wheel, 0, 1000); /* the tick that is being taken */
        assert_int_equal(take(wheel, 1000, &fired, 1), 1);
        mu_timer_wheel_destroy(wheel);
}

static void test_moves_are_bounded(void **state)
{
        enum { TIMERS = 1000 };
        struct mu_timer_wheel *wheel;
        uint32_t fired[TIMERS], total = 0, calls = 0;

        (void)state;
        assert_int_equal(mu_timer_wheel_create(0, TIMERS, &wheel), 0);
        for (uint32_t i = 0; i < TIMERS; i++)
                mu_timer_wheel_set(wheel, i, 70); /* a slot of level 1 */
        for (; total < TIMERS; calls++) {
                uint32_t moves = 10;
                uint32_t before = total;

                total += mu_timer_wheel_take(wheel, 100, &moves, fired, 3);
                assert_true(total - before == 3 || moves == 0 || total == TIMERS);
                if (calls == 5) { /* in the middle of the dealing: others come and go */
                        mu_timer_wheel_cancel(wheel, 999);
                        mu_timer_wheel_set(wheel, 999, 71);
                        mu_timer_wheel_set(wheel, 0, 64);
                }
                assert_true(calls < TIMERS);
        }
        assert_true(calls >= TIMERS / 10);
        assert_int_equal(total, TIMERS);
        assert_int_equal(mu_timer_wheel_count(wheel), 0);
        mu_timer_wheel_destroy(wheel);
}

static void test_grows(void **state)
{
        struct mu_timer_wheel *wheel;
        uint32_t fired[4];

        (void)state;
        assert_int_equal(mu_timer_wheel_create(0, MU_TIMERS_MAX + 1, &wheel), -EINVAL);
        assert_int_equal(mu_timer_wheel_create(0, 0, &wheel), 0);
        assert_aborts(mu_timer_wheel_set(wheel, 0, 1));
        assert_int_equal(mu_timer_wheel_grow(wheel, 2), 0);
        mu_timer_wheel_set(wheel, 1, 10);
        assert_int_equal(mu_timer_wheel_grow(wheel, 100), 0);
        assert_int_equal(mu_timer_wheel_grow(wheel, 1), 0); /* never fewer */
        mu_timer_wheel_set(wheel, 99, 10);
        assert_int_equal(take(wheel, 10, fired, 4), 2);
        assert_int_equal(fired[0] + fired[1], 100);
        mu_timer_wheel_destroy(wheel);
}

/* ---- against a list of what is due when ---- */

enum { MODEL_TIMERS = 400 };

struct model {
        struct mu_timer_wheel *wheel;
        struct mu_random random;
        uint64_t now_tick;
        uint64_t due[MODEL_TIMERS];
};

static uint64_t random_delay(struct mu_random *random)
{
        /* Every level gets its share. */
        return mu_random_u64(random) >> (20 + mu_random_below(random, 44));
}

static void change(struct model *m)
{
        uint32_t timer = (uint32_t)mu_random_below(&m->random, MODEL_TIMERS);

        switch (mu_random_below(&m->random, 8)) {
        case 0:
                mu_timer_wheel_cancel(m->wheel, timer);
                m->due[timer] = UNSET;
                break;
        case 1: /* late, or now */
                m->due[timer] = m->now_tick - mu_random_below(&m->random, 3);
                mu_timer_wheel_set(m->wheel, timer, m->due[timer]);
                break;
        default:
                m->due[timer] = m->now_tick + random_delay(&m->random);
                mu_timer_wheel_set(m->wheel, timer, m->due[timer]);
        }
}

static uint64_t earliest(const struct model *m)
{
        uint64_t least = UNSET;

        for (size_t i = 0; i < MODEL_TIMERS; i++)
                least = m->due[i] < least ? m->due[i] : least;
        return least;
}

/* Takes all that is due, in portions, with changes in between. */
static void advance(struct model *m, uint64_t *checks)
{
        for (;;) {
                uint32_t fired[5];
                uint32_t most = 1 + (uint32_t)mu_random_below(&m->random, 5);
                uint32_t moves = 1 + (uint32_t)mu_random_below(&m->random, 20);
                uint32_t count = mu_timer_wheel_take(m->wheel, m->now_tick, &moves, fired, most);

                assert_true(count <= most);
                for (uint32_t i = 0; i < count; i++) {
                        assert_true(fired[i] < MODEL_TIMERS);
                        assert_true(m->due[fired[i]] <= m->now_tick); /* set, and due */
                        m->due[fired[i]] = UNSET;
                        ++*checks;
                }
                if (count < most && moves > 0)
                        break;
                if (mu_random_below(&m->random, 4) == 0)
                        change(m);
        }
        assert_true(earliest(m) > m->now_tick);
}

static void compare(const struct model *m)
{
        uint32_t set = 0;

        for (uint32_t i = 0; i < MODEL_TIMERS; i++) {
                assert_int_equal(mu_timer_wheel_is_set(m->wheel, i), m->due[i] != UNSET);
                if (m->due[i] == UNSET)
                        continue;
                assert_int_equal(mu_timer_wheel_due(m->wheel, i), m->due[i]);
                set++;
        }
        assert_int_equal(mu_timer_wheel_count(m->wheel), set);
}

static void run_model(uint64_t seed)
{
        struct model m = {.now_tick = 0};
        uint64_t checks = 0;

        mu_random_seed(&m.random, seed);
        m.now_tick = 10 + (mu_random_u64(&m.random) >> (2 + mu_random_below(&m.random, 60)));
        for (size_t i = 0; i < MODEL_TIMERS; i++)
                m.due[i] = UNSET;
        assert_int_equal(mu_timer_wheel_create(m.now_tick, MODEL_TIMERS, &m.wheel), 0);
        for (int round = 0; round < 2000; round++) {
                for (uint64_t n = mu_random_below(&m.random, 6); n > 0; n--)
                        change(&m);
                uint64_t next = earliest(&m);

                switch (mu_random_below(&m.random, 4)) {
                case 0: /* to the very tick, or just before it */
                        if (next != UNSET && next > m.now_tick)
                                m.now_tick = next - mu_random_below(&m.random, 2);
                        break;
                case 1: /* far */
                        m.now_tick += random_delay(&m.random);
                        break;
                default:
                        m.now_tick += mu_random_below(&m.random, 130);
                }
                advance(&m, &checks);
                compare(&m);
        }
        assert_true(checks > 1000);
        mu_timer_wheel_destroy(m.wheel);
}

static void test_random_runs_match_a_list(void **state)
{
        (void)state;
        for (uint64_t seed = 1; seed <= 40; seed++) {
                print_message("seed %llu\n", (unsigned long long)seed);
                run_model(seed);
        }
}

static void test_fires_in_order(void **state)
{
        enum { TIMERS = 5000 };
        static uint64_t due[TIMERS];
        struct mu_timer_wheel *wheel;
        struct mu_random random;
        uint64_t last = 0;
        uint32_t fired;

        (void)state;
        mu_random_seed(&random, 3);
        assert_int_equal(mu_timer_wheel_create(0, TIMERS, &wheel), 0);
        for (uint32_t i = 0; i < TIMERS; i++) {
                due[i] = mu_random_below(&random, 1000000);
                mu_timer_wheel_set(wheel, i, due[i]);
        }
        for (uint32_t i = 0; i < TIMERS; i++) { /* one far jump */
                assert_int_equal(take(wheel, 1000000, &fired, 1), 1);
                assert_true(due[fired] >= last);
                last = due[fired];
        }
        assert_int_equal(take(wheel, 1000000, &fired, 1), 0);
        mu_timer_wheel_destroy(wheel);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_fires_in_its_very_tick),
                cmocka_unit_test(test_what_is_overdue_fires_next),
                cmocka_unit_test(test_moves_are_bounded),
                cmocka_unit_test(test_grows),
                cmocka_unit_test(test_random_runs_match_a_list),
                cmocka_unit_test(test_fires_in_order),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
