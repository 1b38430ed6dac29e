/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "control/alert/rule_limits.h"

static struct mu_rule changed(enum mu_alert_rule rule, int64_t threshold, int64_t clear_at)
{
        struct mu_rule values;

        mu_rule_default(rule, &values);
        values.threshold = threshold;
        values.clear_at = clear_at;
        return values;
}

static void assert_refused(enum mu_alert_rule rule, uint32_t columns, const struct mu_rule *values,
                           const char *member, const char *says)
{
        struct mu_rule_problem problem = {0};

        assert_int_equal(mu_rule_check(rule, columns, values, &problem), -EINVAL);
        assert_string_equal(problem.member, member);
        assert_non_null(strstr(problem.sentence, says));
        assert_int_equal(problem.sentence[strlen(problem.sentence) - 1], '.');
}

static void assert_accepted(enum mu_alert_rule rule, uint32_t columns, const struct mu_rule *values)
{
        struct mu_rule_problem problem = {0};

        assert_int_equal(mu_rule_check(rule, columns, values, &problem), 0);
        assert_null(problem.member);
}

/* Whatever is built in may also be set. */
static void test_defaults_are_allowed(void **state)
{
        (void)state;
        for (unsigned i = 0; i < MU_RULE_COUNT; i++) {
                enum mu_alert_rule rule = (enum mu_alert_rule)i;
                const struct mu_rule_limits *limits = mu_rule_limits(rule);
                uint32_t columns = MU_RULE_HAS_HOLD | MU_RULE_HAS_ENABLED | MU_RULE_HAS_SEVERITY;
                struct mu_rule values;

                mu_rule_default(rule, &values);
                assert_non_null(limits->doc);
                if (!limits->text)
                        columns |= MU_RULE_HAS_THRESHOLD;
                if (limits->hysteresis)
                        columns |= MU_RULE_HAS_CLEAR_AT;
                assert_accepted(rule, columns, &values);
                assert_true(limits->text == (mu_alert_rule_unit(rule) == MU_UNIT_VERSION));
                assert_true(limits->text || limits->least < limits->most);
        }
}

static void test_ends_of_a_range(void **state)
{
        (void)state;
        for (unsigned i = 0; i < MU_RULE_COUNT; i++) {
                enum mu_alert_rule rule = (enum mu_alert_rule)i;
                const struct mu_rule_limits *limits = mu_rule_limits(rule);
                struct mu_rule values = changed(rule, limits->least, 0);

                if (limits->text) {
                        assert_refused(rule, MU_RULE_HAS_THRESHOLD, &values, "threshold",
                                       "text_value");
                        continue;
                }
                assert_accepted(rule, MU_RULE_HAS_THRESHOLD, &values);
                values.threshold = limits->most;
                assert_accepted(rule, MU_RULE_HAS_THRESHOLD, &values);
                values.threshold = limits->most + 1;
                assert_refused(rule, MU_RULE_HAS_THRESHOLD, &values, "threshold", "whole number");
                values.threshold = limits->least - 1;
                assert_refused(rule, MU_RULE_HAS_THRESHOLD, &values, "threshold",
                               mu_alert_rule_name(rule));
        }
}

static void test_holds_that_would_be_ignored(void **state)
{
        struct mu_rule values;

        (void)state;
        mu_rule_default(MU_RULE_OFFLINE, &values);
        values.holds = (struct mu_holds){.hold_s = 60, .clear_hold_s = 60};
        assert_refused(MU_RULE_OFFLINE, MU_RULE_HAS_HOLD, &values, "hold_s", "threshold");
        assert_refused(MU_RULE_OFFLINE, MU_RULE_HAS_CLEAR_HOLD, &values, "clear_hold_s", "next");
        assert_refused(MU_RULE_DATABASE_AWAY, MU_RULE_HAS_HOLD, &values, "hold_s", "threshold");
        assert_accepted(MU_RULE_DATABASE_AWAY, MU_RULE_HAS_CLEAR_HOLD, &values);
        assert_accepted(MU_RULE_LOW_BATTERY, MU_RULE_HAS_HOLD | MU_RULE_HAS_CLEAR_HOLD, &values);
}

static void test_clear_at_is_on_the_right_side(void **state)
{
        const uint32_t both = MU_RULE_HAS_THRESHOLD | MU_RULE_HAS_CLEAR_AT;
        struct mu_rule below = changed(MU_RULE_LOW_BATTERY, 30, 30);
        struct mu_rule above = changed(MU_RULE_QUEUE_DEPTH, 30, 30);

        (void)state;
        assert_accepted(MU_RULE_LOW_BATTERY, both, &below);
        assert_accepted(MU_RULE_QUEUE_DEPTH, both, &above);
        below.clear_at = above.clear_at = 29;
        assert_refused(MU_RULE_LOW_BATTERY, both, &below, "clear_at", "30 or more");
        assert_accepted(MU_RULE_QUEUE_DEPTH, both, &above);
        below.clear_at = above.clear_at = 31;
        assert_accepted(MU_RULE_LOW_BATTERY, both, &below);
        assert_refused(MU_RULE_QUEUE_DEPTH, both, &above, "clear_at", "30 or less");
        above.clear_at = 0; /* below the least threshold, and still a place to end at */
        assert_accepted(MU_RULE_QUEUE_DEPTH, both, &above);
        below.clear_at = 0;
        assert_refused(MU_RULE_LOW_BATTERY, MU_RULE_HAS_CLEAR_AT, &below, "clear_at", "from 1");
        /* Only what is given is judged: another scope's clear_at is put right, not refused. */
        assert_accepted(MU_RULE_LOW_BATTERY, MU_RULE_HAS_THRESHOLD, &below);
        assert_refused(MU_RULE_OFFLINE, MU_RULE_HAS_CLEAR_AT, &above, "clear_at", "no clear_at");
}

static void test_versions(void **state)
{
        struct mu_rule values;

        (void)state;
        mu_rule_default(MU_RULE_AGENT_OUTDATED, &values);
        assert_refused(MU_RULE_AGENT_OUTDATED, MU_RULE_HAS_TEXT, &values, "text_value", "version");
        (void)snprintf(values.text_value, sizeof(values.text_value), "2.4.1-rc.1");
        assert_accepted(MU_RULE_AGENT_OUTDATED, MU_RULE_HAS_TEXT, &values);
        assert_refused(MU_RULE_OFFLINE, MU_RULE_HAS_TEXT, &values, "text_value", "agent_outdated");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_defaults_are_allowed),
                cmocka_unit_test(test_ends_of_a_range),
                cmocka_unit_test(test_holds_that_would_be_ignored),
                cmocka_unit_test(test_clear_at_is_on_the_right_side),
                cmocka_unit_test(test_versions),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
