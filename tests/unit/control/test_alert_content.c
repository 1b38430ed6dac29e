/* SPDX-License-Identifier: Apache-2.0 */
/* What a heartbeat says about its device. */
#include "control/alert/content_rules.h"

#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "muster/record.h"
#include "unit.h"

#define NOW_US INT64_C(1790000000000000)
#define S INT64_C(1000000)

static struct mu_content content_now(void)
{
        return (struct mu_content){.received_at_us = NOW_US, .observed_at_us = NOW_US};
}

static struct mu_monitoring service(uint32_t threshold_min)
{
        return (struct mu_monitoring){.enabled = true,
                                      .threshold_min = threshold_min,
                                      .package = "com.example.shop",
                                      .display_name = "Sh\"op"};
}

static struct mu_reading judge(const struct mu_content *content, enum mu_alert_rule rule,
                               const struct mu_monitoring *monitoring, json_t **ret_detail)
{
        static const struct mu_monitoring OFF;
        struct mu_reading reading;
        struct mu_rule settings;
        char detail[MU_CONTENT_DETAIL_BYTES];

        mu_rule_default(rule, &settings);
        (void)snprintf(settings.text_value, sizeof(settings.text_value), "2.1.0");
        mu_rule_finish(rule, &settings);
        mu_content_judge(content, rule, &settings, monitoring ? monitoring : &OFF, detail,
                         &reading);
        if (ret_detail)
                *ret_detail = reading.detail ? json_loads(reading.detail, 0, NULL) : NULL;
        reading.detail = NULL;
        return reading;
}

static enum mu_condition condition(const struct mu_content *content, enum mu_alert_rule rule)
{
        return judge(content, rule, NULL, NULL).condition;
}

static void test_what_was_not_sent_is_unknown(void **state)
{
        struct mu_content content = content_now();
        struct mu_monitoring monitoring = service(10);

        (void)state;
        assert_int_equal(condition(&content, MU_RULE_LOW_BATTERY), MU_CONDITION_UNKNOWN);
        assert_int_equal(condition(&content, MU_RULE_QUEUE_DEPTH), MU_CONDITION_UNKNOWN);
        assert_int_equal(condition(&content, MU_RULE_AGENT_OUTDATED), MU_CONDITION_UNKNOWN);
        assert_int_equal(judge(&content, MU_RULE_SERVICE_DOWN, &monitoring, NULL).condition,
                         MU_CONDITION_UNKNOWN);
        assert_int_equal(condition(&content, MU_RULE_CLOCK_SKEW), MU_CONDITION_CLEAR);
}

static void test_values(void **state)
{
        struct mu_content content = content_now();

        (void)state;
        content.present = MU_FIELD_BATTERY | MU_FIELD_QUEUE_DEPTH;
        content.battery_percent = 14;
        content.queue_depth = 101;
        struct mu_reading reading = judge(&content, MU_RULE_LOW_BATTERY, NULL, NULL);

        assert_int_equal(reading.condition, MU_CONDITION_BREACH);
        assert_true(reading.has_value && reading.value == 14 && reading.threshold == 15);
        assert_int_equal(condition(&content, MU_RULE_QUEUE_DEPTH), MU_CONDITION_BREACH);
        content.battery_percent = 20;
        content.queue_depth = 20;
        assert_int_equal(condition(&content, MU_RULE_LOW_BATTERY), MU_CONDITION_CLEAR);
        assert_int_equal(condition(&content, MU_RULE_QUEUE_DEPTH), MU_CONDITION_CLEAR);
}

static void test_skew_either_way(void **state)
{
        struct mu_content content = content_now();
        json_t *detail;

        (void)state;
        content.clock_offset_s = -310;
        struct mu_reading reading = judge(&content, MU_RULE_CLOCK_SKEW, NULL, &detail);

        assert_int_equal(reading.condition, MU_CONDITION_BREACH);
        assert_int_equal(reading.value, 310);
        assert_int_equal(json_integer_value(json_object_get(detail, "clock_offset_s")), -310);
        json_decref(detail);
        content.clock_offset_s = 310;
        assert_int_equal(condition(&content, MU_RULE_CLOCK_SKEW), MU_CONDITION_BREACH);
        content.clock_offset_s = INT32_MIN;
        assert_int_equal(condition(&content, MU_RULE_CLOCK_SKEW), MU_CONDITION_BREACH);
        content.clock_offset_s = 250;
        assert_int_equal(condition(&content, MU_RULE_CLOCK_SKEW), MU_CONDITION_BETWEEN);
}

static void test_agent(void **state)
{
        static const struct {
                const char *version;
                enum mu_condition condition;
        } cases[] = {
                {"2.0.9", MU_CONDITION_BREACH},       {"2.1.0-rc.1", MU_CONDITION_BREACH},
                {"2.1.0", MU_CONDITION_CLEAR},        {"2.1", MU_CONDITION_CLEAR},
                {"10.0", MU_CONDITION_CLEAR},         {"dev", MU_CONDITION_UNKNOWN},
                {"2.0.9 beta", MU_CONDITION_UNKNOWN},
        };
        struct mu_content content = content_now();
        json_t *detail;

        (void)state;
        content.present = MU_FIELD_AGENT_VERSION;
        for (size_t i = 0; i < MU_COUNT_OF(cases); i++) {
                (void)snprintf(content.agent_version, sizeof(content.agent_version), "%s",
                               cases[i].version);
                if (condition(&content, MU_RULE_AGENT_OUTDATED) != cases[i].condition)
                        fail_msg("version %s", cases[i].version);
        }
        (void)snprintf(content.agent_version, sizeof(content.agent_version), "1.9");
        assert_false(judge(&content, MU_RULE_AGENT_OUTDATED, NULL, &detail).has_value);
        assert_string_equal(json_string_value(json_object_get(detail, "version")), "1.9");
        assert_string_equal(json_string_value(json_object_get(detail, "least")), "2.1.0");
        json_decref(detail);
}

static enum mu_condition service_at(int64_t last_fg_s, int32_t offset_s, uint32_t threshold_min)
{
        struct mu_content content = content_now();
        struct mu_monitoring monitoring = service(threshold_min);

        content.present = MU_FIELD_MONITORED_LAST_FG;
        content.monitored_last_fg_s = last_fg_s;
        content.clock_offset_s = offset_s;
        return judge(&content, MU_RULE_SERVICE_DOWN, &monitoring, NULL).condition;
}

/* An age, or the device's clock: to the second, both. */
static void test_service(void **state)
{
        const int64_t now_s = NOW_US / S;

        (void)state;
        assert_int_equal(service_at(0, 0, 1), MU_CONDITION_CLEAR);
        assert_int_equal(service_at(60, 0, 1), MU_CONDITION_CLEAR);
        assert_int_equal(service_at(61, 0, 1), MU_CONDITION_BREACH);
        assert_int_equal(service_at(61, 5000, 1), MU_CONDITION_BREACH);
        assert_int_equal(service_at(120 * 60, 0, 120), MU_CONDITION_CLEAR);
        assert_int_equal(service_at(120 * 60 + 1, 0, 120), MU_CONDITION_BREACH);
        assert_int_equal(service_at(999999999, 0, 120), MU_CONDITION_BREACH);
        assert_int_equal(service_at(now_s - 600, 0, 10), MU_CONDITION_CLEAR);
        assert_int_equal(service_at(now_s - 601, 0, 10), MU_CONDITION_BREACH);
        /* the device is an hour behind: its clock said so */
        assert_int_equal(service_at(now_s - 3600 - 600, 3600, 10), MU_CONDITION_CLEAR);
        assert_int_equal(service_at(now_s - 3600 - 601, 3600, 10), MU_CONDITION_BREACH);
        /* what can't be is no alert: not later than the heartbeat itself */
        assert_int_equal(service_at(now_s + 100, 0, 1), MU_CONDITION_CLEAR);
        assert_int_equal(service_at(-5, 0, 1), MU_CONDITION_CLEAR);
        assert_int_equal(service_at(INT64_MAX, 0, 1), MU_CONDITION_CLEAR);
        assert_int_equal(service_at(INT64_MIN, INT32_MIN, 1), MU_CONDITION_CLEAR);
}

static void test_service_says_what(void **state)
{
        struct mu_content content = content_now();
        struct mu_monitoring monitoring = service(10);
        json_t *detail;

        (void)state;
        content.present = MU_FIELD_MONITORED_LAST_FG;
        content.monitored_last_fg_s = 13 * 60 + 59;
        struct mu_reading reading = judge(&content, MU_RULE_SERVICE_DOWN, &monitoring, &detail);

        assert_true(reading.has_value && reading.value == 13 && reading.threshold == 10);
        assert_string_equal(json_string_value(json_object_get(detail, "service")), "Sh\"op");
        assert_string_equal(json_string_value(json_object_get(detail, "package")),
                            "com.example.shop");
        assert_string_equal(json_string_value(json_object_get(detail, "last_foreground_at")),
                            "2026-09-21T13:59:21Z");
        assert_int_equal(json_integer_value(json_object_get(detail, "threshold_min")), 10);
        json_decref(detail);
        monitoring.enabled = false;
        assert_int_equal(judge(&content, MU_RULE_SERVICE_DOWN, &monitoring, NULL).condition,
                         MU_CONDITION_UNKNOWN);
}

/* The longest names there may be, all of which JSON has to escape: the alert stands, with its
 * detail or without, and never with half of one. */
static void test_long_names(void **state)
{
        char name[101];
        char package[256];
        struct mu_content content = content_now();
        struct mu_monitoring monitoring = {
                .enabled = true, .threshold_min = 1, .package = package, .display_name = name};
        json_t *detail;

        (void)state;
        memset(name, '\x01', sizeof(name) - 1);
        memset(package, '"', sizeof(package) - 1);
        name[sizeof(name) - 1] = package[sizeof(package) - 1] = '\0';
        content.present = MU_FIELD_MONITORED_LAST_FG;
        content.monitored_last_fg_s = 3600;
        assert_int_equal(judge(&content, MU_RULE_SERVICE_DOWN, &monitoring, &detail).condition,
                         MU_CONDITION_BREACH);
        assert_string_equal(json_string_value(json_object_get(detail, "package")), package);
        assert_string_equal(json_string_value(json_object_get(detail, "service")), name);
        json_decref(detail);
}

static void test_fresh(void **state)
{
        struct mu_content content = content_now();

        (void)state;
        assert_true(mu_content_is_fresh(&content, NOW_US));
        content.observed_at_us = NOW_US - 600 * S;
        assert_true(mu_content_is_fresh(&content, NOW_US));
        content.observed_at_us--;
        assert_false(mu_content_is_fresh(&content, NOW_US));
        content.observed_at_us = content.received_at_us;
        assert_true(mu_content_is_fresh(&content, NOW_US + 600 * S));
        assert_false(mu_content_is_fresh(&content, NOW_US + 600 * S + 1));
        assert_true(mu_content_is_fresh(&content, NOW_US - 3600 * S)); /* the clock was set back */
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_what_was_not_sent_is_unknown),
                cmocka_unit_test(test_values),
                cmocka_unit_test(test_skew_either_way),
                cmocka_unit_test(test_agent),
                cmocka_unit_test(test_service),
                cmocka_unit_test(test_service_says_what),
                cmocka_unit_test(test_long_names),
                cmocka_unit_test(test_fresh),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
