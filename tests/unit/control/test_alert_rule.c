/* SPDX-License-Identifier: Apache-2.0 */
/* Rules: what is built in, how a value is judged, and what rows change for whom. */
#include "control/alert/rule.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/random.h"
#include "control/alert/rule_set.h"
#include "unit.h"

/* ---- names ---- */

static void test_names(void **state)
{
        (void)state;
        for (unsigned i = 0; i < MU_RULE_COUNT; i++) {
                enum mu_alert_rule rule = MU_RULE_COUNT;
                const char *name = mu_alert_rule_name((enum mu_alert_rule)i);

                assert_int_equal(mu_alert_rule_of(name, &rule), 0);
                assert_int_equal(rule, i);
                assert_true(*mu_alert_rule_title(rule) != '\0');
        }
        for (unsigned i = 0; i < MU_SEVERITY_COUNT; i++) {
                enum mu_alert_severity severity = MU_SEVERITY_COUNT;
                const char *name = mu_alert_severity_name((enum mu_alert_severity)i);

                assert_int_equal(mu_alert_severity_of(name, &severity), 0);
                assert_int_equal(severity, i);
        }
        enum mu_alert_rule rule = MU_RULE_DISK;
        enum mu_alert_severity severity = MU_SEVERITY_INFO;

        assert_true(mu_alert_rule_of("Offline", &rule) < 0);
        assert_true(mu_alert_rule_of("", &rule) < 0);
        assert_true(mu_alert_severity_of("fatal", &severity) < 0);
        assert_int_equal(rule, MU_RULE_DISK);
        assert_int_equal(severity, MU_SEVERITY_INFO);
}

/* ---- one rule ---- */

static struct mu_rule built_in(enum mu_alert_rule rule)
{
        struct mu_rule settings;

        mu_rule_default(rule, &settings);
        mu_rule_finish(rule, &settings);
        return settings;
}

static enum mu_condition judge(enum mu_alert_rule rule, int64_t value)
{
        struct mu_rule settings = built_in(rule);

        return mu_rule_judge(rule, &settings, value);
}

static void test_thresholds_to_the_unit(void **state)
{
        static const struct {
                enum mu_alert_rule rule;
                int64_t value;
                enum mu_condition condition;
        } cases[] = {
                {MU_RULE_LOW_BATTERY, 0, MU_CONDITION_BREACH},
                {MU_RULE_LOW_BATTERY, 14, MU_CONDITION_BREACH},
                {MU_RULE_LOW_BATTERY, 15, MU_CONDITION_BETWEEN},
                {MU_RULE_LOW_BATTERY, 19, MU_CONDITION_BETWEEN},
                {MU_RULE_LOW_BATTERY, 20, MU_CONDITION_CLEAR},
                {MU_RULE_LOW_BATTERY, 100, MU_CONDITION_CLEAR},
                {MU_RULE_QUEUE_DEPTH, 101, MU_CONDITION_BREACH},
                {MU_RULE_QUEUE_DEPTH, 100, MU_CONDITION_BETWEEN},
                {MU_RULE_QUEUE_DEPTH, 21, MU_CONDITION_BETWEEN},
                {MU_RULE_QUEUE_DEPTH, 20, MU_CONDITION_CLEAR},
                {MU_RULE_CLOCK_SKEW, 301, MU_CONDITION_BREACH},
                {MU_RULE_CLOCK_SKEW, 300, MU_CONDITION_BETWEEN},
                {MU_RULE_CLOCK_SKEW, 240, MU_CONDITION_CLEAR},
                {MU_RULE_DISK, 9, MU_CONDITION_BREACH},
                {MU_RULE_DISK, 10, MU_CONDITION_BETWEEN},
                {MU_RULE_DISK, 15, MU_CONDITION_CLEAR},
                {MU_RULE_JOURNAL_BACKLOG, 61, MU_CONDITION_BREACH},
                {MU_RULE_JOURNAL_BACKLOG, 60, MU_CONDITION_BETWEEN},
                {MU_RULE_PARTITION_MISSING, 1, MU_CONDITION_BREACH},
                {MU_RULE_PARTITION_MISSING, 0, MU_CONDITION_CLEAR},
                {MU_RULE_BACKUP_AGE, 172800, MU_CONDITION_CLEAR},
                {MU_RULE_BACKUP_AGE, 172801, MU_CONDITION_BREACH},
                {MU_RULE_REJECTS, 1, MU_CONDITION_BREACH},
                {MU_RULE_REJECTS, 0, MU_CONDITION_CLEAR},
                {MU_RULE_JOB_FAILING, 2, MU_CONDITION_CLEAR},
                {MU_RULE_JOB_FAILING, 3, MU_CONDITION_BREACH},
        };

        (void)state;
        for (size_t i = 0; i < MU_COUNT_OF(cases); i++)
                if (judge(cases[i].rule, cases[i].value) != cases[i].condition)
                        fail_msg("%s at %" PRId64, mu_alert_rule_name(cases[i].rule),
                                 cases[i].value);
        assert_int_equal(built_in(MU_RULE_OFFLINE).threshold, 720);
        assert_int_equal(built_in(MU_RULE_SERVICE_DOWN).threshold, 10);
}

static void test_contradictions_are_put_right(void **state)
{
        struct mu_rule battery = built_in(MU_RULE_LOW_BATTERY);
        struct mu_rule queue = built_in(MU_RULE_QUEUE_DEPTH);
        struct mu_rule agent = built_in(MU_RULE_AGENT_OUTDATED);

        (void)state;
        battery.threshold = 30; /* and clears at 20: never both */
        mu_rule_finish(MU_RULE_LOW_BATTERY, &battery);
        assert_int_equal(mu_rule_judge(MU_RULE_LOW_BATTERY, &battery, 29), MU_CONDITION_BREACH);
        assert_int_equal(mu_rule_judge(MU_RULE_LOW_BATTERY, &battery, 30), MU_CONDITION_CLEAR);
        queue.threshold = 10;
        mu_rule_finish(MU_RULE_QUEUE_DEPTH, &queue);
        assert_int_equal(mu_rule_judge(MU_RULE_QUEUE_DEPTH, &queue, 11), MU_CONDITION_BREACH);
        assert_int_equal(mu_rule_judge(MU_RULE_QUEUE_DEPTH, &queue, 10), MU_CONDITION_CLEAR);
        assert_false(agent.enabled);
        agent.enabled = true;
        (void)snprintf(agent.text_value, sizeof(agent.text_value), "1.2");
        mu_rule_finish(MU_RULE_AGENT_OUTDATED, &agent);
        assert_true(agent.enabled);
        (void)snprintf(agent.text_value, sizeof(agent.text_value), "newest");
        mu_rule_finish(MU_RULE_AGENT_OUTDATED, &agent);
        assert_false(agent.enabled);
}

/* A threshold alone takes clear_at along: else an alert would flap, or never end. */
static void test_a_threshold_keeps_its_distance(void **state)
{
        static const struct {
                enum mu_alert_rule rule;
                int64_t threshold;
                int64_t clear_at;
        } cases[] = {
                {MU_RULE_LOW_BATTERY, 30, 35},
                {MU_RULE_LOW_BATTERY, 5, 10},
                {MU_RULE_LOW_BATTERY, 98, 100},
                {MU_RULE_DISK, 40, 45},
                {MU_RULE_DISK, 97, 99},
                {MU_RULE_QUEUE_DEPTH, 500, 420},
                {MU_RULE_QUEUE_DEPTH, 50, 10},
                {MU_RULE_QUEUE_DEPTH, 1, 0},
                {MU_RULE_CLOCK_SKEW, 600, 540},
                {MU_RULE_CLOCK_SKEW, 30, 24},
                {MU_RULE_JOURNAL_BACKLOG, 20, 10},
                {MU_RULE_REJECTS, 100, 100},
                {MU_RULE_JOB_FAILING, 5, 5},
                {MU_RULE_OFFLINE, 3600, 3600},
        };

        (void)state;
        for (size_t i = 0; i < MU_COUNT_OF(cases); i++) {
                struct mu_rule settings;
                const struct mu_rule_layer layer = {.rule = cases[i].rule,
                                                    .columns = MU_RULE_HAS_THRESHOLD,
                                                    .values = {.threshold = cases[i].threshold}};

                mu_rule_default(cases[i].rule, &settings);
                mu_rule_apply(&settings, &layer);
                mu_rule_finish(cases[i].rule, &settings);
                assert_int_equal(settings.threshold, cases[i].threshold);
                if (settings.clear_at != cases[i].clear_at)
                        fail_msg("%s at %" PRId64 " clears at %" PRId64,
                                 mu_alert_rule_name(cases[i].rule), settings.threshold,
                                 settings.clear_at);
        }
}

/* ---- rows ---- */

static void add(struct mu_rule_set *set, struct mu_rule_layer layer)
{
        assert_int_equal(mu_rule_set_add(set, &layer), 0);
}

static struct mu_rule_layer threshold(enum mu_rule_scope scope, const char *tag, int64_t device_id,
                                      int32_t priority, int64_t value)
{
        return (struct mu_rule_layer){.rule = MU_RULE_OFFLINE,
                                      .scope = scope,
                                      .tag = tag,
                                      .device_id = device_id,
                                      .priority = priority,
                                      .columns = MU_RULE_HAS_THRESHOLD,
                                      .values = {.threshold = value}};
}

static const struct mu_rule *of(struct mu_rule_set *set, int64_t device_id, const char *tags)
{
        uint32_t profile;

        assert_int_equal(mu_rule_set_profile(set, device_id, tags, &profile), 0);
        return mu_rule_set_get(set, profile, MU_RULE_OFFLINE);
}

static void test_an_empty_set_is_built_in(void **state)
{
        struct mu_rule_set *set;
        struct mu_monitoring monitoring;

        (void)state;
        assert_int_equal(mu_rule_set_create(&set), 0);
        assert_int_equal(mu_rule_set_seal(set), 0);
        assert_string_equal(mu_rule_set_tags(set), "");
        assert_int_equal(of(set, 7, "kiosk")->threshold, 720);
        mu_rule_set_monitoring(set, 7, MU_PROFILE_FLEET, &monitoring);
        assert_false(monitoring.enabled);
        assert_int_equal(monitoring.threshold_min, 10);
        mu_rule_set_destroy(set);
}

static void test_column_by_column(void **state)
{
        struct mu_rule_set *set;
        struct mu_rule_layer layer = threshold(MU_SCOPE_TAG, "slow", 0, 10, 1800);

        (void)state;
        assert_int_equal(mu_rule_set_create(&set), 0);
        add(set, threshold(MU_SCOPE_DEVICE, NULL, 9, 0, 60));
        layer.columns |= MU_RULE_HAS_SEVERITY;
        layer.values.severity = MU_SEVERITY_INFO;
        add(set, layer);
        add(set, threshold(MU_SCOPE_FLEET, NULL, 0, 0, 900));
        /* a lower number wins; of the same the name */
        add(set, threshold(MU_SCOPE_TAG, "kiosk", 0, 5, 300));
        add(set, threshold(MU_SCOPE_TAG, "booth", 0, 5, 240));
        assert_int_equal(mu_rule_set_seal(set), 0);
        assert_string_equal(mu_rule_set_tags(set), "booth\nkiosk\nslow");

        assert_int_equal(of(set, 1, NULL)->threshold, 900);
        assert_int_equal(of(set, 1, "other\nkiosks\nkios")->threshold, 900);
        assert_int_equal(of(set, 1, "slow")->threshold, 1800);
        assert_int_equal(of(set, 1, "slow\nkiosk")->threshold, 300);
        assert_int_equal(of(set, 1, "slow\nkiosk")->severity, MU_SEVERITY_INFO);
        assert_int_equal(of(set, 1, "kiosk\nbooth")->threshold, 240);
        assert_int_equal(of(set, 1, "kiosk")->severity, MU_SEVERITY_CRITICAL);
        assert_int_equal(of(set, 9, "slow\nkiosk")->threshold, 60);
        assert_int_equal(of(set, 9, "slow")->severity, MU_SEVERITY_INFO);
        mu_rule_set_destroy(set);
}

/* Many devices with the same tags share what is worked out; those with rows do not. */
static void test_profiles_are_shared(void **state)
{
        struct mu_rule_set *set;
        uint32_t most = 0;
        uint32_t profile;
        uint32_t again;
        char tags[64];

        (void)state;
        assert_int_equal(mu_rule_set_create(&set), 0);
        for (int i = 0; i < 8; i++) {
                char tag[8];

                (void)snprintf(tag, sizeof(tag), "t%d", i);
                add(set, threshold(MU_SCOPE_TAG, tag, 0, i, 100 + i));
        }
        for (int64_t id = 1; id <= 3000; id += 3)
                add(set, threshold(MU_SCOPE_DEVICE, NULL, id, 0, 1000 + id));
        assert_int_equal(mu_rule_set_seal(set), 0);
        for (int64_t id = 1; id <= 20000; id++) {
                (void)snprintf(tags, sizeof(tags), "x%d\nt%d\nt%d", (int)(id % 977), (int)(id % 4),
                               (int)(4 + id % 4));
                assert_int_equal(mu_rule_set_profile(set, id, tags, &profile), 0);
                assert_int_equal(mu_rule_set_profile(set, id, tags, &again), 0);
                assert_int_equal(profile, again);
                most = profile > most ? profile : most;
                assert_int_equal(mu_rule_set_get(set, profile, MU_RULE_OFFLINE)->threshold,
                                 id <= 3000 && id % 3 == 1 ? 1000 + id : 100 + id % 4);
        }
        assert_int_equal(most, 1000 + 4); /* with the fleet's */
        mu_rule_set_destroy(set);
}

static void test_monitoring(void **state)
{
        struct mu_rule_set *set;
        struct mu_monitoring found;
        const struct mu_monitoring_row rows[] = {
                {.device_id = 5, .columns = MU_MONITORING_HAS_ENABLED, .enabled = false},
                {.device_id = 0,
                 .columns = MU_MONITORING_HAS_THRESHOLD,
                 .threshold_min = 20,
                 .package = "com.example.shop",
                 .display_name = "Shop"},
                {.device_id = 6,
                 .columns = MU_MONITORING_HAS_THRESHOLD,
                 .threshold_min = 1,
                 .package = "com.example.other"},
                {.device_id = 7, .package = "com.example.shop"},
        };

        (void)state;
        assert_int_equal(mu_rule_set_create(&set), 0);
        for (size_t i = 0; i < MU_COUNT_OF(rows); i++)
                assert_int_equal(mu_rule_set_add_monitoring(set, &rows[i]), 0);
        assert_int_equal(mu_rule_set_seal(set), 0);
        mu_rule_set_monitoring(set, 1, MU_PROFILE_FLEET, &found);
        assert_true(found.enabled);
        assert_int_equal(found.threshold_min, 20);
        assert_string_equal(found.display_name, "Shop");
        mu_rule_set_monitoring(set, 5, MU_PROFILE_FLEET, &found);
        assert_false(found.enabled);
        mu_rule_set_monitoring(set, 6, MU_PROFILE_FLEET, &found);
        assert_true(found.enabled);
        assert_int_equal(found.threshold_min, 1);
        assert_string_equal(found.package, "com.example.other");
        assert_string_equal(found.display_name, "com.example.other"); /* that is not the shop */
        mu_rule_set_monitoring(set, 7, MU_PROFILE_FLEET, &found);
        assert_string_equal(found.display_name, "Shop");
        mu_rule_set_destroy(set);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_names),
                cmocka_unit_test(test_thresholds_to_the_unit),
                cmocka_unit_test(test_contradictions_are_put_right),
                cmocka_unit_test(test_a_threshold_keeps_its_distance),
                cmocka_unit_test(test_an_empty_set_is_built_in),
                cmocka_unit_test(test_column_by_column),
                cmocka_unit_test(test_profiles_are_shared),
                cmocka_unit_test(test_monitoring),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
