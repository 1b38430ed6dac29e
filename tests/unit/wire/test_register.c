/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <errno.h>
#include <stdio.h>

#include "wire/register.h"

static struct mu_register_request request;
static struct mu_enrolment_request enrolment;
static struct mu_request_problem problem;

static int decode_bytes(const char *text, size_t bytes)
{
        char *body = exact_copy(text, bytes);
        int r;

        memset(&request, 0x55, sizeof(request));
        memset(&problem, 0, sizeof(problem));
        r = mu_decode_register(body, bytes, &request, &problem);
        free(body);
        return r;
}

static void decode(const char *text)
{
        if (decode_bytes(text, strlen(text)) != 0)
                fail_msg("%s refused: %s", text, problem.detail);
}

static void told(const char *type, const char *field)
{
        assert_string_equal(problem.type, type);
        assert_string_equal(problem.field, field);
        assert_int_equal(problem.status, 400);
        assert_true(strlen(problem.detail) > 10);
        assert_int_equal(problem.detail[strlen(problem.detail) - 1], '.');
}

static void refused(const char *text, const char *type, const char *field)
{
        if (decode_bytes(text, strlen(text)) != -EBADMSG)
                fail_msg("accepted: %s", text);
        told(type, field);
        assert_int_equal(request.alias[0], 0x55); /* untouched */
}

static void enrolment_is(const char *text, uint32_t max_uses, uint32_t expires_in_s,
                         const char *note)
{
        if (mu_decode_enrolment(text, strlen(text), &enrolment, &problem) != 0)
                fail_msg("%s refused: %s", text, problem.detail);
        assert_int_equal(enrolment.max_uses, max_uses);
        assert_int_equal(enrolment.expires_in_s, expires_in_s);
        assert_string_equal(enrolment.note, note);
}

static void enrolment_refused(const char *text, const char *type, const char *field)
{
        memset(&problem, 0, sizeof(problem));
        if (mu_decode_enrolment(text, strlen(text), &enrolment, &problem) != -EBADMSG)
                fail_msg("accepted: %s", text);
        told(type, field);
}

static void test_good(void **state)
{
        (void)state;
        decode("{\"alias\":\"till "
               "4\",\"kind\":\"android\",\"hardware_id\":\"hw-1\",\"agent_version\":\"1.2\","
               "\"fcm_token\":\"abc:def\"}");
        assert_string_equal(request.alias, "till 4");
        assert_int_equal(request.kind, MU_DEVICE_ANDROID);
        assert_string_equal(request.hardware_id, "hw-1");
        assert_string_equal(request.agent_version, "1.2");
        assert_string_equal(request.fcm_token, "abc:def");
        decode("{\"kind\":\"desktop\",\"alias\":\"caf\xc3\xa9 "
               "\\ud83d\\ude00\",\"hardware_id\":null}");
        assert_string_equal(request.alias, "caf\xc3\xa9 \xf0\x9f\x98\x80");
        assert_int_equal(request.kind, MU_DEVICE_DESKTOP);
        assert_string_equal(request.hardware_id, "");
        assert_string_equal(request.fcm_token, "");
}

static void test_alias(void **state)
{
        char text[2000] = "{\"kind\":\"android\",\"alias\":\"";
        size_t start = strlen(text);

        (void)state;
        refused("{\"kind\":\"android\"}", "field-missing", "alias");
        refused("{\"kind\":\"android\",\"alias\":null}", "field-missing", "alias");
        refused("{\"kind\":\"android\",\"alias\":7}", "field-type", "alias");
        refused("{\"kind\":\"android\",\"alias\":\"\"}", "field-value", "alias");
        refused("{\"kind\":\"android\",\"alias\":\"a\\tb\"}", "field-value", "alias");
        refused("{\"kind\":\"android\",\"alias\":\"a\\u007f\"}", "field-value", "alias");
        refused("{\"kind\":\"android\",\"alias\":\"a\\u0085\"}", "field-value", "alias");
        decode("{\"kind\":\"android\",\"alias\":\"a\\u00a0\"}");
        /* Characters are counted, not bytes. */
        for (int i = 0; i < MU_ALIAS_CHARS_MAX; i++)
                strcat(text, "\xf0\x9f\x98\x80");
        strcat(text, "\"}");
        decode(text);
        assert_int_equal(strlen(request.alias), 4 * MU_ALIAS_CHARS_MAX);
        strcpy(text + start + 4 * MU_ALIAS_CHARS_MAX, "x\"}");
        refused(text, "field-value", "alias");
}

static void test_kind(void **state)
{
        (void)state;
        refused("{\"alias\":\"a\"}", "field-missing", "kind");
        refused("{\"alias\":\"a\",\"kind\":1}", "field-type", "kind");
        refused("{\"alias\":\"a\",\"kind\":\"Android\"}", "field-value", "kind");
        assert_string_equal(mu_device_kind_name(MU_DEVICE_ANDROID), "android");
        assert_string_equal(mu_device_kind_name(MU_DEVICE_DESKTOP), "desktop");
}

static void limited(const char *key, int limit, bool ascii)
{
        char *text = malloc((size_t)limit + 200);
        char *fill = malloc((size_t)limit + 2);

        assert_true(text && fill);
        memset(fill, 'x', (size_t)limit + 1);
        sprintf(text, "{\"alias\":\"a\",\"kind\":\"android\",\"%s\":\"%.*s\"}", key, limit, fill);
        decode(text);
        sprintf(text, "{\"alias\":\"a\",\"kind\":\"android\",\"%s\":\"%.*s\"}", key, limit + 1,
                fill);
        refused(text, "field-value", key);
        sprintf(text, "{\"alias\":\"a\",\"kind\":\"android\",\"%s\":\"\"}", key);
        refused(text, "field-value", key);
        sprintf(text, "{\"alias\":\"a\",\"kind\":\"android\",\"%s\":[]}", key);
        refused(text, "field-type", key);
        sprintf(text, "{\"alias\":\"a\",\"kind\":\"android\",\"%s\":\"\xc3\xa9\"}", key);
        if (ascii)
                refused(text, "field-value", key);
        else
                decode(text);
        free(text);
        free(fill);
}

static void test_limits(void **state)
{
        (void)state;
        limited("hardware_id", MU_HARDWARE_ID_CHARS_MAX, false);
        limited("agent_version", MU_AGENT_VERSION_BYTES_MAX, true);
        limited("fcm_token", MU_FCM_TOKEN_CHARS_MAX, true);
}

static void test_keys(void **state)
{
        char text[400] = "{\"alias\":\"a\",\"kind\":\"android\",\"";

        (void)state;
        refused("{\"alias\":\"a\",\"kind\":\"android\",\"hardware\":\"x\"}", "key-unknown",
                "hardware");
        assert_non_null(strstr(problem.detail, "hardware_id"));
        refused("{\"alias\":\"a\",\"kind\":\"android\",\"alias, kind\":1}", "key-unknown",
                "alias, kind");
        refused("{\"alias\":\"a\",\"kind\":\"android\",\"\":1}", "key-unknown", "");
        refused("{\"alias\":\"a\",\"alias\":\"b\",\"kind\":\"android\"}", "json-duplicate-key", "");
        for (int i = 0; i < 50; i++)
                strcat(text, "\xe2\x82\xac");
        strcat(text, "\":1}");
        assert_int_equal(decode_bytes(text, strlen(text)), -EBADMSG);
        assert_int_equal(strlen(problem.field), 39); /* whole characters of at most 40 bytes */
}

static void test_body(void **state)
{
        char *text = malloc(MU_BODY_BYTES_MAX + 1);

        (void)state;
        assert_non_null(text);
        refused("", "json-syntax", "");
        refused("[]", "body-type", "");
        refused("7", "body-type", "");
        refused("{\"alias\":\"a\",}", "json-syntax", "");
        assert_non_null(strstr(problem.detail, "line 1"));
        refused("{\"alias\":\"\xff\"}", "json-utf8", "");
        refused("{\"alias\":\"a\\u0000\"}", "json-syntax", "");
        refused("{\"alias\":\"a\"}x", "json-syntax", "");
        assert_int_equal(decode_bytes("{\"alias\":\"a\",\"kind\":\"android\"}\0x", 32), -EBADMSG);
        told("json-syntax", "");
        memset(text, '[', MU_BODY_BYTES_MAX + 1);
        assert_int_equal(decode_bytes(text, MU_BODY_BYTES_MAX), -EBADMSG);
        told("json-depth", "");
        assert_int_equal(decode_bytes(text, MU_BODY_BYTES_MAX + 1), -EBADMSG);
        assert_string_equal(problem.type, "body-size");
        assert_int_equal(problem.status, 413);
        free(text);
}

static void test_enrolment(void **state)
{
        (void)state;
        enrolment_is("", 1, 86400, "");
        enrolment_is("{}", 1, 86400, "");
        enrolment_is("{\"max_uses\":null}", 1, 86400, "");
        enrolment_is("{\"max_uses\":1000000,\"expires_in_s\":60,\"note\":\"site A\"}", 1000000, 60,
                     "site A");
        enrolment_is("{\"expires_in_s\":31536000}", 1, 31536000, "");
        enrolment_refused("{\"max_uses\":0}", "field-value", "max_uses");
        enrolment_refused("{\"max_uses\":1000001}", "field-value", "max_uses");
        enrolment_refused("{\"max_uses\":4294967297}", "field-value", "max_uses");
        enrolment_refused("{\"max_uses\":1.0}", "field-type", "max_uses");
        enrolment_refused("{\"max_uses\":\"1\"}", "field-type", "max_uses");
        enrolment_refused("{\"expires_in_s\":59}", "field-value", "expires_in_s");
        enrolment_refused("{\"expires_in_s\":31536001}", "field-value", "expires_in_s");
        enrolment_refused("{\"note\":\"a\\nb\"}", "field-value", "note");
        enrolment_refused("{\"uses\":1}", "key-unknown", "uses");
        enrolment_refused("[]", "body-type", "");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_good),      cmocka_unit_test(test_alias),
                cmocka_unit_test(test_kind),      cmocka_unit_test(test_limits),
                cmocka_unit_test(test_keys),      cmocka_unit_test(test_body),
                cmocka_unit_test(test_enrolment),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
