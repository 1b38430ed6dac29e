/* SPDX-License-Identifier: Apache-2.0 */
/* The states of one rule on one device, edge by edge. */
#include "control/alert/alert_machine.h"

#include <string.h>

#include "base/random.h"
#include "unit.h"

#define DAY_US INT64_C(86400000000)
#define T0_US (INT64_C(20000) * DAY_US - 30 * INT64_C(1000000)) /* half a minute before midnight   \
                                                                 */

static const struct mu_holds NO_HOLDS = {0, 0};
static const struct mu_holds HOLDS = {.hold_s = 60, .clear_hold_s = 30};

static struct mu_moment at(int64_t ms)
{
        return (struct mu_moment){.mono_ms = 5000 + ms, .real_us = T0_US + ms * 1000};
}

static enum mu_alert_edge step(struct mu_alert_machine *machine, const struct mu_holds *holds,
                               int64_t ms, enum mu_condition condition)
{
        return mu_alert_machine_step(machine, holds, at(ms), condition);
}

static void test_without_holds(void **state)
{
        struct mu_alert_machine machine = {0};

        (void)state;
        assert_int_equal(step(&machine, &NO_HOLDS, 0, MU_CONDITION_CLEAR), MU_EDGE_NONE);
        assert_int_equal(step(&machine, &NO_HOLDS, 1, MU_CONDITION_BETWEEN), MU_EDGE_NONE);
        assert_int_equal(step(&machine, &NO_HOLDS, 2, MU_CONDITION_BREACH), MU_EDGE_FIRED);
        assert_int_equal(machine.fired_us, at(2).real_us);
        assert_int_equal(machine.pending_us, at(2).real_us);
        assert_int_equal(step(&machine, &NO_HOLDS, 3, MU_CONDITION_BREACH), MU_EDGE_NONE);
        assert_int_equal(step(&machine, &NO_HOLDS, 4, MU_CONDITION_BETWEEN), MU_EDGE_NONE);
        assert_int_equal(step(&machine, &NO_HOLDS, 5, MU_CONDITION_UNKNOWN), MU_EDGE_NONE);
        assert_int_equal(machine.state, MU_ALERT_FIRING);
        assert_int_equal(step(&machine, &NO_HOLDS, 6, MU_CONDITION_CLEAR), MU_EDGE_RESOLVED);
        assert_int_equal(machine.resolved_us, at(6).real_us);
        assert_int_equal(machine.state, MU_ALERT_NONE);
}

/* To the millisecond, and over midnight. */
static void test_hold(void **state)
{
        struct mu_alert_machine machine = {0};

        (void)state;
        assert_int_equal(step(&machine, &HOLDS, 0, MU_CONDITION_BREACH), MU_EDGE_PENDING);
        assert_int_equal(mu_alert_machine_due_ms(&machine, &HOLDS), at(60000).mono_ms);
        assert_int_equal(step(&machine, &HOLDS, 59999, MU_CONDITION_BREACH), MU_EDGE_NONE);
        assert_int_equal(mu_alert_machine_mature(&machine, &HOLDS, at(59999)), MU_EDGE_NONE);
        assert_int_equal(mu_alert_machine_mature(&machine, &HOLDS, at(60000)), MU_EDGE_FIRED);
        assert_int_equal(machine.pending_us, at(0).real_us);
        assert_int_equal(machine.fired_us, at(60000).real_us);
        assert_true(machine.fired_us / DAY_US == machine.pending_us / DAY_US + 1);
        assert_int_equal(mu_alert_machine_due_ms(&machine, &HOLDS), INT64_MAX);
}

static void test_pending_is_dropped(void **state)
{
        (void)state;
        for (enum mu_condition end = MU_CONDITION_CLEAR; end <= MU_CONDITION_BETWEEN; end++) {
                struct mu_alert_machine machine = {0};

                assert_int_equal(step(&machine, &HOLDS, 0, MU_CONDITION_BREACH), MU_EDGE_PENDING);
                assert_int_equal(step(&machine, &HOLDS, 1, MU_CONDITION_UNKNOWN), MU_EDGE_NONE);
                assert_int_equal(step(&machine, &HOLDS, 59999, end), MU_EDGE_DROPPED);
                assert_int_equal(mu_alert_machine_mature(&machine, &HOLDS, at(70000)),
                                 MU_EDGE_NONE);
                /* and begins anew */
                assert_int_equal(step(&machine, &HOLDS, 70000, MU_CONDITION_BREACH),
                                 MU_EDGE_PENDING);
                assert_int_equal(step(&machine, &HOLDS, 129999, MU_CONDITION_BREACH), MU_EDGE_NONE);
                assert_int_equal(step(&machine, &HOLDS, 130000, MU_CONDITION_BREACH),
                                 MU_EDGE_FIRED);
        }
}

static void test_clear_hold(void **state)
{
        struct mu_alert_machine machine = {0};

        (void)state;
        assert_int_equal(step(&machine, &HOLDS, 0, MU_CONDITION_BREACH), MU_EDGE_PENDING);
        assert_int_equal(step(&machine, &HOLDS, 60000, MU_CONDITION_BREACH), MU_EDGE_FIRED);
        assert_int_equal(step(&machine, &HOLDS, 70000, MU_CONDITION_CLEAR), MU_EDGE_NONE);
        assert_true(machine.clearing);
        assert_int_equal(step(&machine, &HOLDS, 99999, MU_CONDITION_BETWEEN), MU_EDGE_NONE);
        assert_false(machine.clearing); /* clearing begins anew */
        assert_int_equal(mu_alert_machine_mature(&machine, &HOLDS, at(100000)), MU_EDGE_NONE);
        assert_int_equal(step(&machine, &HOLDS, 110000, MU_CONDITION_CLEAR), MU_EDGE_NONE);
        assert_int_equal(step(&machine, &HOLDS, 139999, MU_CONDITION_CLEAR), MU_EDGE_NONE);
        assert_int_equal(step(&machine, &HOLDS, 140000, MU_CONDITION_UNKNOWN), MU_EDGE_NONE);
        assert_int_equal(mu_alert_machine_mature(&machine, &HOLDS, at(140000)), MU_EDGE_RESOLVED);
        assert_int_equal(machine.resolved_us, at(140000).real_us);
}

/* A value that goes to and fro around the threshold is one alert. */
static void test_flapping_is_one_alert(void **state)
{
        struct mu_alert_machine machine = {0};
        unsigned fired = 0;
        unsigned resolved = 0;

        (void)state;
        for (int64_t ms = 0; ms < 3600000; ms += 10000) {
                enum mu_condition condition = ms < 120000 || ms / 10000 % 3 != 0
                                                      ? MU_CONDITION_BREACH
                                                      : MU_CONDITION_CLEAR;
                enum mu_alert_edge edge = step(&machine, &HOLDS, ms, condition);

                fired += edge == MU_EDGE_FIRED;
                resolved += edge == MU_EDGE_RESOLVED;
        }
        assert_int_equal(fired, 1);
        assert_int_equal(resolved, 0);
        assert_int_equal(machine.state, MU_ALERT_FIRING);
}

/* Holds go by the monotonic clock, and told times never run backwards. */
static void test_clock_jumps(void **state)
{
        static const int64_t jumps_us[] = {-3600 * INT64_C(1000000), 3600 * INT64_C(1000000)};

        (void)state;
        for (unsigned i = 0; i < 2; i++) {
                struct mu_alert_machine machine = {0};
                struct mu_moment now = at(59999);

                assert_int_equal(step(&machine, &HOLDS, 0, MU_CONDITION_BREACH), MU_EDGE_PENDING);
                now.real_us += jumps_us[i];
                assert_int_equal(mu_alert_machine_step(&machine, &HOLDS, now, MU_CONDITION_BREACH),
                                 MU_EDGE_NONE);
                now.mono_ms++;
                assert_int_equal(mu_alert_machine_step(&machine, &HOLDS, now, MU_CONDITION_BREACH),
                                 MU_EDGE_FIRED);
                assert_true(machine.fired_us >= machine.pending_us);
                now.real_us = at(0).real_us - DAY_US;
                assert_int_equal(
                        mu_alert_machine_step(&machine, &NO_HOLDS, now, MU_CONDITION_CLEAR),
                        MU_EDGE_RESOLVED);
                assert_true(machine.resolved_us >= machine.fired_us);
        }
}

static void test_end(void **state)
{
        struct mu_alert_machine machine = {0};

        (void)state;
        assert_int_equal(mu_alert_machine_end(&machine, at(0)), MU_EDGE_NONE);
        assert_int_equal(step(&machine, &HOLDS, 0, MU_CONDITION_BREACH), MU_EDGE_PENDING);
        assert_int_equal(mu_alert_machine_end(&machine, at(1)), MU_EDGE_DROPPED);
        assert_int_equal(step(&machine, &NO_HOLDS, 2, MU_CONDITION_BREACH), MU_EDGE_FIRED);
        assert_int_equal(step(&machine, &HOLDS, 3, MU_CONDITION_CLEAR), MU_EDGE_NONE);
        assert_int_equal(mu_alert_machine_end(&machine, at(4)), MU_EDGE_RESOLVED);
        assert_int_equal(machine.resolved_us, at(4).real_us);
        assert_false(machine.clearing);
}

/* A restart at any moment changes no edge. */
static void test_load_goes_on(void **state)
{
        struct mu_random random;

        (void)state;
        mu_random_seed(&random, 4711);
        for (unsigned run = 0; run < 2000; run++) {
                struct mu_alert_machine one = {0};
                struct mu_alert_machine two = {0};
                int64_t ms = 0;

                for (unsigned i = 0; i < 40; i++) {
                        enum mu_condition condition =
                                (enum mu_condition)mu_random_below(&random, 4);

                        ms += (int64_t)mu_random_below(&random, 40000);
                        if (mu_random_below(&random, 3) == 0) {
                                struct mu_alert_machine loaded;

                                mu_alert_machine_load(&loaded, (enum mu_alert_state)two.state,
                                                      two.pending_us, two.fired_us,
                                                      two.clearing ? two.since_us : 0, at(ms));
                                two = loaded;
                        }
                        assert_int_equal(step(&one, &HOLDS, ms, condition),
                                         step(&two, &HOLDS, ms, condition));
                        assert_int_equal(one.state, two.state);
                        if (one.state == MU_ALERT_FIRING)
                                assert_int_equal(one.fired_us, two.fired_us);
                }
        }
}

static void test_load_after_the_clock_was_set_back(void **state)
{
        struct mu_alert_machine machine;

        (void)state;
        /* pending since "tomorrow": the hold begins anew, and does not last a day */
        mu_alert_machine_load(&machine, MU_ALERT_PENDING, at(0).real_us + DAY_US, 0, 0, at(0));
        assert_int_equal(mu_alert_machine_mature(&machine, &HOLDS, at(59999)), MU_EDGE_NONE);
        assert_int_equal(mu_alert_machine_mature(&machine, &HOLDS, at(60000)), MU_EDGE_FIRED);
        assert_true(machine.fired_us >= machine.pending_us);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_without_holds),
                cmocka_unit_test(test_hold),
                cmocka_unit_test(test_pending_is_dropped),
                cmocka_unit_test(test_clear_hold),
                cmocka_unit_test(test_flapping_is_one_alert),
                cmocka_unit_test(test_clock_jumps),
                cmocka_unit_test(test_end),
                cmocka_unit_test(test_load_goes_on),
                cmocka_unit_test(test_load_after_the_clock_was_set_back),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
