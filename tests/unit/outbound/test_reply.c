/* SPDX-License-Identifier: Apache-2.0 */
#include "../base/unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "outbound/fcm_reply.h"

static struct mu_fcm_reply parse(const char *json)
{
        struct mu_fcm_reply reply;

        mu_fcm_reply_parse(json, strlen(json), &reply);
        return reply;
}

static void a_message_that_was_taken(void **state)
{
        struct mu_fcm_reply reply = parse("{\"name\":\"projects/p/messages/0:1%2\"}");

        (void)state;
        assert_string_equal(reply.message_id, "projects/p/messages/0:1%2");
        assert_string_equal(reply.error_code, "");
}

static void fcm_s_own_code_goes_before_http_s(void **state)
{
        struct mu_fcm_reply reply =
                parse("{\"error\":{\"code\":404,\"message\":\"Requested entity\\nwas not found.\","
                      "\"status\":\"NOT_FOUND\",\"details\":[{\"@type\":\"x\"},{\"@type\":"
                      "\"type.googleapis.com/google.firebase.fcm.v1.FcmError\","
                      "\"errorCode\":\"UNREGISTERED\"}]}}");

        (void)state;
        assert_string_equal(reply.error_code, "UNREGISTERED");
        assert_string_equal(reply.message, "Requested entity?was not found.");
        assert_true(reply.from_details);
        reply = parse("{\"error\":{\"status\":\"NOT_FOUND\"}}");
        assert_string_equal(reply.error_code, "NOT_FOUND");
        assert_false(reply.from_details);
}

static void whose_quota(void **state)
{
        static const char form[] =
                "{\"error\":{\"status\":\"RESOURCE_EXHAUSTED\",\"details\":["
                "{\"@type\":\"type.googleapis.com/google.rpc.QuotaFailure\",\"violations\":"
                "[{\"subject\":\"x\",\"description\":\"%s message rate exceeded\"}]}]}}";
        char json[512];

        (void)state;
        (void)snprintf(json, sizeof(json), form, "Device");
        assert_true(parse(json).device_quota);
        (void)snprintf(json, sizeof(json), form, "Project");
        assert_false(parse(json).device_quota);
}

static void what_google_does_not_document(void **state)
{
        static const char *const odd[] = {
                "",
                "<html>",
                "[]",
                "null",
                "{\"error\":\"x\"}",
                "{\"error\":{\"details\":{\"errorCode\":\"X\"}}}",
                "{\"error\":{\"details\":[1,null,\"x\",{\"errorCode\":7}]}}",
                "{\"error\":{\"status\":\"not a code\"}}",
                "{\"name\":7}",
        };

        (void)state;
        for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
                struct mu_fcm_reply reply = parse(odd[i]);

                assert_string_equal(reply.error_code, "");
                assert_string_equal(reply.message_id, "");
                assert_false(reply.device_quota);
        }
}

static int token(const char *json, struct mu_fcm_access_token *ret)
{
        return mu_fcm_token_parse(json, strlen(json), ret);
}

static void access_tokens(void **state)
{
        struct mu_fcm_access_token got = {.life_s = 0};

        (void)state;
        assert_int_equal(token("{\"access_token\":\"ya29.a-b\",\"expires_in\":3599,\"token_type\":"
                               "\"Bearer\"}",
                               &got),
                         0);
        assert_string_equal(got.value, "ya29.a-b");
        assert_int_equal(got.life_s, 3599);
        assert_int_equal(token("{\"access_token\":\"a\",\"expires_in\":9999999999}", &got), 0);
        assert_int_equal(got.life_s, 86400);
}

static void no_access_tokens(void **state)
{
        static const char *const wrong[] = {
                "{}",
                "{\"access_token\":\"a\"}",
                "{\"access_token\":\"a\",\"expires_in\":0}",
                "{\"access_token\":\"a\",\"expires_in\":\"3599\"}",
                "{\"access_token\":\"\",\"expires_in\":3599}",
                "{\"access_token\":\"a\\r\\nX: y\",\"expires_in\":3599}",
                "{\"access_token\":\"a b\",\"expires_in\":3599}",
                "{\"access_token\":\"a\",\"expires_in\":3599,\"token_type\":\"mac\"}",
                "not json",
        };
        struct mu_fcm_access_token got = {.value = "as it was", .life_s = 7};

        (void)state;
        for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
                assert_int_equal(token(wrong[i], &got), -EBADMSG);
        assert_string_equal(got.value, "as it was");
        assert_int_equal(got.life_s, 7);
}

static void what_google_says_against_an_assertion(void **state)
{
        static const char json[] =
                "{\"error\":\"invalid_grant\",\"error_description\":\"Invalid JWT\\u0007 here\"}";
        char text[64];

        (void)state;
        mu_fcm_token_error(json, strlen(json), text, sizeof(text));
        assert_string_equal(text, "invalid_grant: Invalid JWT? here");
        mu_fcm_token_error("<", 1, text, sizeof(text));
        assert_string_equal(text, "");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_message_that_was_taken),
                cmocka_unit_test(fcm_s_own_code_goes_before_http_s),
                cmocka_unit_test(whose_quota),
                cmocka_unit_test(what_google_does_not_document),
                cmocka_unit_test(access_tokens),
                cmocka_unit_test(no_access_tokens),
                cmocka_unit_test(what_google_says_against_an_assertion),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
