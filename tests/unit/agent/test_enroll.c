/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "base/text.h"
#include "core/enroll.h"
#include "muster/compiler.h"

#define KEY1 "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
#define HMAC "\"hmac\":{\"key\":\"" KEY1 "\",\"version\":3}"

static void test_write(void **state)
{
        const struct mu_agent_platform platform = {.kind = "desktop", .version = "1.2.3"};
        struct mu_agent_enrolment enrolment = {.alias = "Kasse \"3\""};
        struct mu_text text;

        (void)state;
        mu_text_init(&text);
        assert_int_equal(mu_agent_enroll_write(&enrolment, &platform, &text), 0);
        assert_string_equal(text.data, "{\"alias\":\"Kasse \\\"3\\\"\",\"kind\":\"desktop\","
                                       "\"agent_version\":\"1.2.3\"}");
        mu_text_clear(&text);
        enrolment.hardware_id = "SN 1";
        assert_int_equal(mu_agent_enroll_write(&enrolment, &platform, &text), 0);
        assert_non_null(strstr(text.data, ",\"hardware_id\":\"SN 1\"}"));
        mu_text_done(&text);
}

static int read_reply(int status, const char *body, struct mu_agent_config *config, char *sentence)
{
        const struct mu_agent_reply reply = {
                .status = status, .body = body, .body_bytes = strlen(body)};

        sentence[0] = '\0';
        return mu_agent_enroll_read(&reply, config, sentence);
}

static void test_read(void **state)
{
        char sentence[MU_AGENT_SENTENCE_BYTES];
        struct mu_agent_config config;

        (void)state;
        mu_agent_config_init(&config);
        (void)snprintf(config.server, sizeof(config.server), "https://f");
        config.next.version = 9;
        assert_int_equal(read_reply(201,
                                    "{\"device_id\":\"17\",\"token\":\"mu_x\"," HMAC
                                    ",\"heartbeat_interval_s\":60,\"next_heartbeat_in_s\":0}",
                                    &config, sentence),
                         0);
        assert_int_equal(config.device_id, 17);
        assert_string_equal(config.token, "mu_x");
        assert_int_equal(config.current.version, 3);
        for (size_t i = 0; i < MU_COMMAND_KEY_BYTES; i++)
                assert_int_equal(config.current.bytes[i], 1);
        assert_int_equal(config.next.version, 0);
        assert_int_equal(config.heartbeat_interval_s, 60);
        assert_string_equal(config.server, "https://f");
        assert_int_equal(read_reply(201,
                                    "{\"device_id\":\"18\",\"token\":\"t\"," HMAC
                                    ",\"heartbeat_interval_s\":1,\"new\":[]}",
                                    &config, sentence),
                         0);
        assert_int_equal(config.heartbeat_interval_s, MU_AGENT_HEARTBEAT_S_MIN);
        mu_agent_config_done(&config);
}

static void test_bad_replies(void **state)
{
        static const char *const BODIES[] = {
                "",
                "<html>",
                "[]",
                "{}",
                "{\"device_id\":17,\"token\":\"t\"," HMAC "}",
                "{\"device_id\":\"0\",\"token\":\"t\"," HMAC "}",
                "{\"device_id\":\"-1\",\"token\":\"t\"," HMAC "}",
                "{\"device_id\":\"17\",\"token\":\"\"," HMAC "}",
                "{\"device_id\":\"17\",\"token\":\"a\\r\\nb\"," HMAC "}",
                "{\"device_id\":\"17\",\"token\":\"a b\"," HMAC "}",
                "{\"device_id\":\"17\",\"token\":\"t\"}",
                "{\"device_id\":\"17\",\"token\":\"t\",\"hmac\":{\"key\":\"AQ==\",\"version\":1}}",
                "{\"device_id\":\"17\",\"token\":\"t\",\"hmac\":{\"key\":\"" KEY1
                "\",\"version\":0}}",
                "{\"device_id\":\"17\",\"device_id\":\"18\",\"token\":\"t\"," HMAC "}",
        };
        char sentence[MU_AGENT_SENTENCE_BYTES];
        struct mu_agent_config config;

        (void)state;
        mu_agent_config_init(&config);
        for (size_t i = 0; i < MU_COUNT_OF(BODIES); i++) {
                assert_int_equal(read_reply(201, BODIES[i], &config, sentence), -EBADMSG);
                assert_non_null(strstr(sentence, "URL"));
        }
        char token[MU_AGENT_TOKEN_BYTES + 64];
        char body[512];

        memset(token, 't', sizeof(token));
        token[MU_AGENT_TOKEN_BYTES] = '\0';
        (void)snprintf(body, sizeof(body), "{\"device_id\":\"17\",\"token\":\"%s\"," HMAC "}",
                       token);
        assert_int_equal(read_reply(201, body, &config, sentence), -EBADMSG);
        assert_int_equal(config.device_id, 0);
        assert_string_equal(config.token, "");
        mu_agent_config_done(&config);
}

static void test_refusals(void **state)
{
        const struct mu_agent_reply silence = {
                .error = -ETIMEDOUT, .body = "", .sentence = "it took too long"};
        char sentence[MU_AGENT_SENTENCE_BYTES];
        struct mu_agent_config config;
        char detail[1024];

        (void)state;
        mu_agent_config_init(&config);
        assert_int_equal(
                read_reply(401, "{\"detail\":\"The token is used up.\"}", &config, sentence),
                -EPERM);
        assert_non_null(strstr(sentence, "401"));
        assert_non_null(strstr(sentence, "The token is used up."));
        assert_int_equal(read_reply(200, "{}", &config, sentence), -EPERM);
        assert_int_equal(read_reply(302, "", &config, sentence), -EPERM);
        memset(detail, 'x', sizeof(detail));
        memcpy(detail, "{\"detail\":\"", 11);
        memcpy(detail + sizeof(detail) - 3, "\"}", 3);
        assert_int_equal(read_reply(500, detail, &config, sentence), -EPERM);
        assert_non_null(strstr(sentence, "500"));
        assert_int_equal(mu_agent_enroll_read(&silence, &config, sentence), -ETIMEDOUT);
        assert_non_null(strstr(sentence, "it took too long"));
        mu_agent_config_done(&config);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_write),
                cmocka_unit_test(test_read),
                cmocka_unit_test(test_bad_replies),
                cmocka_unit_test(test_refusals),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
