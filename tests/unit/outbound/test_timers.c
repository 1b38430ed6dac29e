/* SPDX-License-Identifier: Apache-2.0 */
#include "../base/unit.h"

#include <string.h>

#include "base/random.h"
#include "outbound/timers.h"

enum { COUNT = 500, ROUNDS = 20000 };

struct item {
        struct mu_timer timer; /* first */
        struct mu_timers *timers;
        uint64_t fired_ns;
        uint32_t fired;
        struct item *kills;
};

static uint64_t now_ns;

static void fire(struct mu_timer *timer)
{
        struct item *item = (struct item *)timer;

        assert_false(timer->set);
        assert_true(timer->due_ns <= now_ns);
        item->fired++;
        item->fired_ns = timer->due_ns;
        if (item->kills)
                mu_timers_cancel(item->timers, &item->kills->timer);
}

/* Against the plain way: a look at each. */
static uint64_t least(const struct item *items)
{
        uint64_t next_ns = UINT64_MAX;

        for (size_t i = 0; i < COUNT; i++)
                if (items[i].timer.set && items[i].timer.due_ns < next_ns)
                        next_ns = items[i].timer.due_ns;
        return next_ns;
}

static void agrees_with_the_plain_way(void **state)
{
        static struct item items[COUNT];
        struct mu_timers timers = {NULL};
        struct mu_random random;

        (void)state;
        now_ns = 0;
        mu_random_seed(&random, 7);
        for (size_t i = 0; i < COUNT; i++)
                items[i] = (struct item){.timer = {.fire = fire}, .timers = &timers};
        for (uint32_t round = 0; round < ROUNDS; round++) {
                struct item *item = &items[mu_random_below(&random, COUNT)];

                switch (mu_random_below(&random, 4)) {
                case 0:
                        mu_timers_cancel(&timers, &item->timer);
                        assert_false(item->timer.set);
                        break;
                case 1:
                        now_ns += mu_random_below(&random, 20);
                        mu_timers_fire(&timers, now_ns);
                        assert_true(least(items) > now_ns);
                        break;
                default:
                        mu_timers_set(&timers, &item->timer,
                                      now_ns + mu_random_below(&random, 1000));
                        break;
                }
                assert_int_equal(mu_timers_next_ns(&timers), least(items));
        }
        for (size_t i = 0; i < COUNT; i++)
                mu_timers_cancel(&timers, &items[i].timer);
        assert_int_equal(mu_timers_next_ns(&timers), UINT64_MAX);
}

static void one_may_cancel_another_that_is_due(void **state)
{
        struct mu_timers timers = {NULL};
        struct item second = {.timer = {.fire = fire}, .timers = &timers};
        struct item first = {.timer = {.fire = fire}, .timers = &timers, .kills = &second};

        (void)state;
        now_ns = 100;
        mu_timers_set(&timers, &second.timer, 20);
        mu_timers_set(&timers, &first.timer, 10);
        mu_timers_fire(&timers, now_ns);
        assert_int_equal(first.fired, 1);
        assert_int_equal(second.fired, 0);
        assert_int_equal(mu_timers_next_ns(&timers), UINT64_MAX);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(agrees_with_the_plain_way),
                cmocka_unit_test(one_may_cancel_another_that_is_due),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
