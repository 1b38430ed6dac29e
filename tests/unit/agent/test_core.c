/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fake_platform.h"

struct fixture {
        struct fake_platform *fake;
        struct mu_agent_core core;
};

static int set_up(void **state)
{
        struct fixture *fixture = calloc(1, sizeof(*fixture));

        assert_non_null(fixture);
        fixture->fake = fake_platform_create();
        fake_core_open(fixture->fake, &fixture->core);
        *state = fixture;
        return 0;
}

static int tear_down(void **state)
{
        struct fixture *fixture = *state;

        fake_core_close(&fixture->core);
        fake_platform_destroy(fixture->fake);
        free(fixture);
        return 0;
}

static void test_frugal(void **state)
{
        struct fixture *fixture = *state;
        struct mu_agent_core *core = &fixture->core;

        assert_false(mu_agent_is_frugal(core)); /* unknown */
        core->readings.battery = 9;
        assert_true(mu_agent_is_frugal(core));
        core->readings.charging = MU_AGENT_NO;
        assert_true(mu_agent_is_frugal(core));
        core->readings.charging = MU_AGENT_YES;
        assert_false(mu_agent_is_frugal(core));
        core->readings.charging = MU_AGENT_NO;
        core->readings.battery = 10;
        assert_false(mu_agent_is_frugal(core));
}

static void test_answers(void **state)
{
        static const struct {
                int error;
                int status;
                enum mu_agent_answer answer;
        } cases[] = {
                {-ECONNREFUSED, 0, MU_AGENT_ANSWER_RETRY},
                {0, 200, MU_AGENT_ANSWER_OK},
                {0, 202, MU_AGENT_ANSWER_OK},
                {0, 204, MU_AGENT_ANSWER_OK},
                {0, 301, MU_AGENT_ANSWER_RETRY},
                {0, 400, MU_AGENT_ANSWER_REFUSED},
                {0, 401, MU_AGENT_ANSWER_TOKEN},
                {0, 403, MU_AGENT_ANSWER_REFUSED},
                {0, 404, MU_AGENT_ANSWER_REFUSED},
                {0, 408, MU_AGENT_ANSWER_RETRY},
                {0, 413, MU_AGENT_ANSWER_REFUSED},
                {0, 429, MU_AGENT_ANSWER_RETRY},
                {0, 500, MU_AGENT_ANSWER_RETRY},
                {0, 503, MU_AGENT_ANSWER_RETRY},
                {0, 100, MU_AGENT_ANSWER_RETRY},
                {0, 600, MU_AGENT_ANSWER_RETRY},
        };
        struct fixture *fixture = *state;
        struct mu_agent_reply reply = {.retry_after_s = -1, .body = ""};

        for (size_t i = 0; i < MU_COUNT_OF(cases); i++) {
                reply.error = cases[i].error;
                reply.status = cases[i].status;
                assert_int_equal(mu_agent_answer_of(&fixture->core, &reply), cases[i].answer);
        }
        assert_false(fixture->core.deleted);
}

static void test_gone_is_remembered(void **state)
{
        struct fixture *fixture = *state;
        const struct mu_agent_reply gone = {.status = 410, .body = ""};

        assert_int_equal(mu_agent_load_deleted(&fixture->core), 0);
        assert_false(fixture->core.deleted);
        for (int i = 0; i < 3; i++)
                assert_int_equal(mu_agent_answer_of(&fixture->core, &gone), MU_AGENT_ANSWER_GONE);
        assert_true(fixture->core.deleted && fixture->core.changed);
        assert_int_equal(fake_events(fixture->fake, "device.deleted"), 1);
        fake_core_close(&fixture->core);
        fake_core_open(fixture->fake, &fixture->core);
        assert_int_equal(mu_agent_load_deleted(&fixture->core), 0);
        assert_true(fixture->core.deleted);
        /* Enrolled anew it is another device. */
        fixture->core.config.device_id = 18;
        assert_int_equal(mu_agent_load_deleted(&fixture->core), 0);
        assert_false(fixture->core.deleted);
}

static void test_configuration_is_saved(void **state)
{
        struct fixture *fixture = *state;
        struct mu_agent_config config;
        char sentence[MU_AGENT_SENTENCE_BYTES];

        fixture->core.config.heartbeat_interval_s = 77;
        assert_int_equal(mu_agent_save_config(&fixture->core), 0);
        assert_int_equal(fixture->fake->save_count, 1);
        mu_agent_config_init(&config);
        assert_int_equal(mu_agent_config_read(fixture->fake->saves[0],
                                              strlen(fixture->fake->saves[0]), &config, sentence),
                         0);
        assert_string_equal(config.token, "mu_test");
        assert_int_equal(config.heartbeat_interval_s, 77);
        mu_agent_config_done(&config);
        assert_null(strstr(fake_event_fields(fixture->fake, "config.changed"), "mu_test"));
        fixture->fake->save_result = -ENOSPC;
        assert_int_equal(mu_agent_save_config(&fixture->core), -ENOSPC);
        assert_non_null(
                strstr(fake_event_fields(fixture->fake, "config.changed"), "\"saved\":false"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_frugal),
                TEST(test_answers),
                TEST(test_gone_is_remembered),
                TEST(test_configuration_is_saved),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
