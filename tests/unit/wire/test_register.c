/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <errno.h>

#include "base/text.h"
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
        struct mu_text text;
        size_t full;

        (void)state;
        mu_text_init(&text);
        refused("{\"kind\":\"android\"}", "field-missing", "alias");
        refused("{\"kind\":\"android\",\"alias\":null}", "field-missing", "alias");
        refused("{\"kind\":\"android\",\"alias\":7}", "field-type", "alias");
        refused("{\"kind\":\"android\",\"alias\":\"\"}", "field-value", "alias");
        refused("{\"kind\":\"android\",\"alias\":\"a\\tb\"}", "field-value", "alias");
        refused("{\"kind\":\"android\",\"alias\":\"a\\u007f\"}", "field-value", "alias");
        refused("{\"kind\":\"android\",\"alias\":\"a\\u0085\"}", "field-value", "alias");
        decode("{\"kind\":\"android\",\"alias\":\"a\\u00a0\"}");
        /* Characters are counted, not bytes. */
        mu_text_add(&text, "{\"kind\":\"android\",\"alias\":\"");
        for (int i = 0; i < MU_ALIAS_CHARS_MAX; i++)
                mu_text_add(&text, "\xf0\x9f\x98\x80");
        full = text.bytes;
        mu_text_add(&text, "\"}");
        decode(text.data);
        assert_int_equal(strlen(request.alias), 4 * MU_ALIAS_CHARS_MAX);
        mu_text_cut(&text, full);
        mu_text_add(&text, "x\"}");
        refused(text.data, "field-value", "alias");
        mu_text_done(&text);
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

/* A register body with key, whose value as written is value. */
static const char *with(struct mu_text *text, const char *key, const char *value)
{
        mu_text_clear(text);
        mu_text_add_format(text, "{\"alias\":\"a\",\"kind\":\"android\",\"%s\":%s}", key, value);
        assert_int_equal(mu_text_status(text), 0);
        return text->data;
}

static void limited(const char *key, int limit, bool ascii)
{
        struct mu_text text;
        char *value = malloc((size_t)limit + 4);

        assert_non_null(value);
        mu_text_init(&text);
        memset(value, 'x', (size_t)limit + 3);
        value[0] = value[limit + 1] = '"';
        value[limit + 2] = '\0';
        decode(with(&text, key, value));
        value[limit + 1] = 'x';
        value[limit + 2] = '"';
        value[limit + 3] = '\0';
        refused(with(&text, key, value), "field-value", key);
        refused(with(&text, key, "\"\""), "field-value", key);
        refused(with(&text, key, "[]"), "field-type", key);
        if (ascii)
                refused(with(&text, key, "\"\xc3\xa9\""), "field-value", key);
        else
                decode(with(&text, key, "\"\xc3\xa9\""));
        mu_text_done(&text);
        free(value);
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
        struct mu_text text;

        (void)state;
        refused("{\"alias\":\"a\",\"kind\":\"android\",\"hardware\":\"x\"}", "key-unknown",
                "hardware");
        assert_non_null(strstr(problem.detail, "hardware_id"));
        refused("{\"alias\":\"a\",\"kind\":\"android\",\"alias, kind\":1}", "key-unknown",
                "alias, kind");
        refused("{\"alias\":\"a\",\"kind\":\"android\",\"\":1}", "key-unknown", "");
        refused("{\"alias\":\"a\",\"alias\":\"b\",\"kind\":\"android\"}", "json-duplicate-key", "");
        mu_text_init(&text);
        mu_text_add(&text, "{\"alias\":\"a\",\"kind\":\"android\",\"");
        for (int i = 0; i < 50; i++)
                mu_text_add(&text, "\xe2\x82\xac");
        mu_text_add(&text, "\":1}");
        assert_int_equal(decode_bytes(text.data, text.bytes), -EBADMSG);
        assert_int_equal(strlen(problem.field), 39); /* whole characters of at most 40 bytes */
        mu_text_done(&text);
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
        refused("{\"alias\":\"a\\u0000b\"}", "field-value", "alias");
        refused("{\"alias\":\"a\",\"kind\":\"android\\u0000\"}", "field-value", "kind");
        refused("{\"alias\":\"a\",\"x\\u0000\":1}", "json-syntax", "");
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
