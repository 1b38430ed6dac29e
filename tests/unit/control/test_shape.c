/* SPDX-License-Identifier: Apache-2.0 */
/* What comes in against its shape: each kind of field, each way of being wrong, bodies and query
 * strings. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "control/shape.h"

static const struct mu_field inner_fields[] = {
        {.name = "low",
         .type = MU_FIELD_INTEGER,
         .flags = MU_FIELD_REQUIRED,
         .least = -5,
         .most = 5},
        {.name = "deep", .type = MU_FIELD_OBJECT},
};
static const struct mu_shape inner = MU_SHAPE("Inner", inner_fields);

static const struct mu_field fields[] = {
        {.name = "name", .type = MU_FIELD_TEXT, .flags = MU_FIELD_REQUIRED, .least = 1, .most = 4},
        {.name = "note", .type = MU_FIELD_TEXT, .flags = MU_FIELD_LINES, .least = 0, .most = 20},
        {.name = "kind", .type = MU_FIELD_TEXT, .one_of = "cat|dog"},
        {.name = "count", .type = MU_FIELD_INTEGER, .least = 1, .most = 10},
        {.name = "ratio", .type = MU_FIELD_NUMBER, .least = 0, .most = 1},
        {.name = "on", .type = MU_FIELD_BOOLEAN},
        {.name = "id", .type = MU_FIELD_ID},
        {.name = "at", .type = MU_FIELD_TIME, .flags = MU_FIELD_NULLABLE},
        {.name = "inner", .type = MU_FIELD_OBJECT, .shape = &inner},
        {.name = "list", .type = MU_FIELD_LIST, .least = 0, .most = 2, .shape = &inner},
        {.name = "tags", .type = MU_FIELD_LIST, .items = MU_FIELD_TEXT, .least = 0, .most = 3},
        {.name = "ids", .type = MU_FIELD_LIST, .items = MU_FIELD_ID, .least = 0, .most = 3},
        {.name = "any", .type = MU_FIELD_ANY},
        {.name = "secret", .type = MU_FIELD_TEXT, .flags = MU_FIELD_SECRET, .least = 8, .most = 9},
};
static const struct mu_shape shape = MU_SHAPE("Outer", fields);

static struct mu_slice slice_of(const char *text)
{
        return (struct mu_slice){text, strlen(text)};
}

static json_t *parse(const char *text)
{
        struct mu_shape_problem problem;
        json_t *object = NULL;

        if (mu_shape_parse_body(&shape, slice_of(text), &object, &problem) < 0)
                fail_msg("%s: %s: %s", text, problem.path, problem.detail);
        return object;
}

static void refused(const char *text, int status, const char *slug, const char *path)
{
        struct mu_shape_problem problem;
        json_t *object = NULL;

        if (mu_shape_parse_body(&shape, slice_of(text), &object, &problem) != -EBADMSG)
                fail_msg("%s: is let through", text);
        assert_null(object);
        assert_int_equal(problem.status, status);
        assert_string_equal(problem.slug, slug);
        assert_string_equal(problem.path, path);
        assert_true(strlen(problem.detail) > 10);
}

static void invalid(const char *text, const char *path)
{
        refused(text, 400, "field-invalid", path);
}

/* ---- bodies ---- */

static void everything_at_once(void **state)
{
        json_t *json =
                parse("{\"name\":\"\\u00e4\\u00f6\\u00fc\\ud83d\\ude00\",\"note\":\"a\\nb\\tc\","
                      "\"kind\":\"dog\",\"count\":10,\"ratio\":0.5,\"on\":true,"
                      "\"id\":\"9223372036854775807\",\"at\":\"2026-01-31T12:00:00.25+01:30\","
                      "\"inner\":{\"low\":-5,\"deep\":{\"x\":[1,2]}},\"list\":[{\"low\":5}],"
                      "\"tags\":[\"a\"],\"ids\":[\"1\"],\"any\":[null],\"secret\":\"12345678\"}");

        (void)state;
        assert_string_equal(mu_json_text(json, "kind"), "dog");
        assert_int_equal(mu_json_integer(json, "count", 0), 10);
        assert_true(mu_json_number(json, "ratio", 0) == 0.5);
        assert_true(mu_json_bool(json, "on", false));
        assert_true(mu_json_id(json, "id") == INT64_MAX);
        assert_true(mu_json_time_us(json, "at", 0) == INT64_C(1769855400250000));
        assert_false(mu_json_has(json, "nothing"));
        assert_int_equal(mu_json_integer(json, "nothing", 7), 7);
        json_decref(json);
}

static void texts(void **state)
{
        (void)state;
        invalid("{\"name\":\"\"}", "name");
        invalid("{\"name\":\"12345\"}", "name");
        invalid("{\"name\":\"a\\nb\"}", "name");
        invalid("{\"name\":\"a\\u007f\"}", "name");
        invalid("{\"name\":\"a\\u0085\"}", "name");
        invalid("{\"name\":1}", "name");
        invalid("{\"name\":\"a\",\"note\":\"a\\rb\"}", "note");
        invalid("{\"name\":\"a\",\"kind\":\"\"}", "kind");
        invalid("{\"name\":\"a\",\"kind\":\"cat|dog\"}", "kind");
        invalid("{\"name\":\"a\",\"kind\":\"do\"}", "kind");
        refused("{\"name\":\"a\\u0000b\"}", 400, "json-syntax", "");
        refused("{\"name\":\"\xff\"}", 400, "json-syntax", "");
}

static void secrets_are_not_repeated(void **state)
{
        struct mu_shape_problem problem;
        json_t *object;
        const char *const texts[] = {"{\"name\":\"a\",\"secret\":\"hunter2\"}",
                                     "{\"name\":\"a\",\"secret\":hunter2}",
                                     "{\"name\":\"a\",\"secret\":\"hunter2"};

        (void)state;
        for (size_t i = 0; i < MU_COUNT_OF(texts); i++) {
                assert_int_equal(mu_shape_parse_body(&shape, slice_of(texts[i]), &object, &problem),
                                 -EBADMSG);
                assert_null(strstr(problem.detail, "hunter2"));
                assert_null(strstr(problem.path, "hunter2"));
        }
}

static void numbers(void **state)
{
        (void)state;
        invalid("{\"name\":\"a\",\"count\":0}", "count");
        invalid("{\"name\":\"a\",\"count\":11}", "count");
        invalid("{\"name\":\"a\",\"count\":2.5}", "count");
        invalid("{\"name\":\"a\",\"count\":\"2\"}", "count");
        invalid("{\"name\":\"a\",\"ratio\":1.01}", "ratio");
        invalid("{\"name\":\"a\",\"ratio\":2}", "ratio");
        invalid("{\"name\":\"a\",\"ratio\":-0.1}", "ratio");
        invalid("{\"name\":\"a\",\"on\":1}", "on");
        json_decref(parse("{\"name\":\"a\",\"ratio\":1}"));
}

static void ids(void **state)
{
        static const char *const wrong[] = {"0",  "-1",
                                            "01", " 1",
                                            "1 ", "9223372036854775808",
                                            "x",  "1x",
                                            "",   "99999999999999999999"};
        char text[80];

        (void)state;
        for (size_t i = 0; i < MU_COUNT_OF(wrong); i++) {
                (void)snprintf(text, sizeof(text), "{\"name\":\"a\",\"id\":\"%s\"}", wrong[i]);
                invalid(text, "id");
        }
        invalid("{\"name\":\"a\",\"id\":1}", "id");
}

static void times(void **state)
{
        static const char *const wrong[] = {
                "2026-01-31",           "2026-01-31T12:00:00",       "2026-02-29T00:00:00Z",
                "2026-13-01T00:00:00Z", "2026-01-01T24:00:00Z",      "2026-01-01T00:60:00Z",
                "1969-12-31T23:59:59Z", "2026-01-01T00:00:00.Z",     "2026-01-01T00:00:00+2:00",
                "2026-1-01T00:00:00Z",  "2026-01-01T00:00:00Zx",     "",
                "2026-01-00T00:00:00Z", "2026-01-01T00:00:00+24:00",
        };
        char text[80];
        json_t *json = parse("{\"name\":\"a\",\"at\":\"2024-02-29t23:59:60z\"}");

        (void)state;
        assert_true(mu_json_time_us(json, "at", 0) == INT64_C(1709251200000000));
        json_decref(json);
        for (size_t i = 0; i < MU_COUNT_OF(wrong); i++) {
                (void)snprintf(text, sizeof(text), "{\"name\":\"a\",\"at\":\"%s\"}", wrong[i]);
                invalid(text, "at");
        }
}

static void what_holds_others(void **state)
{
        (void)state;
        invalid("{\"name\":\"a\",\"inner\":[]}", "inner");
        refused("{\"name\":\"a\",\"inner\":{}}", 400, "field-missing", "inner.low");
        invalid("{\"name\":\"a\",\"inner\":{\"low\":6}}", "inner.low");
        refused("{\"name\":\"a\",\"inner\":{\"low\":1,\"x\":1}}", 400, "field-unknown", "inner.x");
        invalid("{\"name\":\"a\",\"list\":{}}", "list");
        invalid("{\"name\":\"a\",\"list\":[{\"low\":1},{\"low\":6}]}", "list[1].low");
        refused("{\"name\":\"a\",\"list\":[{\"low\":1},{\"low\":1},{\"low\":1}]}", 413,
                "list-too-long", "list");
        invalid("{\"name\":\"a\",\"tags\":[\"a\",\"\"]}", "tags[1]");
        invalid("{\"name\":\"a\",\"ids\":[\"1\",2]}", "ids[1]");
        invalid("[]", "");
        invalid("1", "");
}

static void null_is_absent(void **state)
{
        json_t *json = parse("{\"name\":\"a\",\"count\":null,\"at\":null,\"inner\":null}");

        (void)state;
        assert_false(mu_json_has(json, "count"));
        assert_false(mu_json_has(json, "inner"));
        assert_true(mu_json_has(json, "at")); /* nullable: "clear it" */
        assert_null(mu_json_text(json, "at"));
        json_decref(json);
        refused("{\"name\":null}", 400, "field-missing", "name");
        refused("{}", 400, "field-missing", "name");
        refused("", 400, "field-missing", "name");
}

static void strangers(void **state)
{
        (void)state;
        refused("{\"name\":\"a\",\"x\":1}", 400, "field-unknown", "x");
        refused("{\"name\":\"a\",\"\\u001b[31m\":1}", 400, "field-unknown", "?[31m");
        refused("{\"name\":\"a\",\"name\":\"b\"}", 400, "json-syntax", "");
        refused("{\"name\":\"a\"", 400, "json-syntax", "");
        refused("{\"name\":\"a\"} x", 400, "json-syntax", "");
        refused("{\"name\":\"a\",\"any\":[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]}", 400, "json-depth",
                "");
        json_decref(parse("{\"name\":\"a\",\"any\":[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]}"));
}

static void an_open_shape(void **state)
{
        static const struct mu_shape open = {.name = "Open", .open = true};
        struct mu_shape_problem problem;
        json_t *json;

        (void)state;
        assert_int_equal(mu_shape_parse_body(&open, slice_of("{\"x\":1}"), &json, &problem), 0);
        assert_int_equal(mu_json_integer(json, "x", 0), 1);
        assert_int_equal(mu_shape_check(&open, json, &problem), 0);
        assert_int_equal(mu_shape_check(&shape, json, &problem), -EBADMSG);
        json_decref(json);
}

/* ---- query strings ---- */

static json_t *query(const char *text)
{
        struct mu_shape_problem problem;
        json_t *object = NULL;

        if (mu_shape_parse_query(&shape, slice_of(text), &object, &problem) < 0)
                fail_msg("%s: %s: %s", text, problem.path, problem.detail);
        return object;
}

static void query_refused(const char *text, const char *slug, const char *path)
{
        struct mu_shape_problem problem;
        json_t *object = NULL;

        if (mu_shape_parse_query(&shape, slice_of(text), &object, &problem) != -EBADMSG)
                fail_msg("%s: is let through", text);
        assert_int_equal(problem.status, 400);
        assert_string_equal(problem.slug, slug);
        assert_string_equal(problem.path, path);
}

static void query_typed(void **state)
{
        json_t *json = query("name=%C3%A4+b&count=3&ratio=1e-1&on=true&id=42&tags=x&tags=y%26z"
                             "&at=2026-01-31T12:00:00+01:30&&kind=cat");

        (void)state;
        assert_string_equal(mu_json_text(json, "name"), "\xc3\xa4 b");
        assert_int_equal(mu_json_integer(json, "count", 0), 3);
        assert_true(mu_json_number(json, "ratio", 0) == 0.1);
        assert_true(mu_json_bool(json, "on", false));
        assert_true(mu_json_id(json, "id") == 42);
        assert_int_equal(json_array_size(json_object_get(json, "tags")), 2);
        assert_string_equal(json_string_value(json_array_get(json_object_get(json, "tags"), 1)),
                            "y&z");
        assert_true(mu_json_time_us(json, "at", 0) == INT64_C(1769855400000000));
        json_decref(json);
}

static void query_wrong(void **state)
{
        (void)state;
        query_refused("", "field-missing", "name");
        query_refused("name=a&name=b", "field-invalid", "name");
        query_refused("name=a&x=1", "field-unknown", "x");
        query_refused("name=a&count=", "field-invalid", "count");
        query_refused("name=a&count=1x", "field-invalid", "count");
        query_refused("name=a&count=99999999999999999999", "field-invalid", "count");
        query_refused("name=a&count=11", "field-invalid", "count");
        query_refused("name=a&ratio=nan", "field-invalid", "ratio");
        query_refused("name=a&ratio=0x1", "field-invalid", "ratio");
        query_refused("name=a&on=yes", "field-invalid", "on");
        query_refused("name=a&id=0", "field-invalid", "id");
        query_refused("name=%zz", "query-syntax", "");
        query_refused("name=a%00b", "query-syntax", "");
        query_refused("name=%ff", "field-invalid", "name");
        query_refused("name=a&tags=1&tags=2&tags=3&tags=4", "list-too-long", "tags");
}

static void query_many(void **state)
{
        char text[1024] = "name=a";

        (void)state;
        for (int i = 0; i < MU_SHAPE_QUERY_PARAMS_MAX; i++)
                (void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "&tags=%d", i);
        query_refused(text, "query-syntax", "");
}

/* ---- writing ---- */

static void writes(void **state)
{
        json_t *time = mu_json_of_time(INT64_C(1769855400250999));
        json_t *id = mu_json_of_id(INT64_MAX);

        (void)state;
        assert_string_equal(json_string_value(time), "2026-01-31T10:30:00.250Z");
        assert_string_equal(json_string_value(id), "9223372036854775807");
        json_decref(time);
        json_decref(id);
        time = mu_json_of_time(-1);
        assert_string_equal(json_string_value(time), "1969-12-31T23:59:59.999Z");
        json_decref(time);
        json_t *null = mu_json_of_text_or_null(NULL);

        assert_true(json_is_null(null));
        json_decref(null);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(everything_at_once),
                cmocka_unit_test(texts),
                cmocka_unit_test(secrets_are_not_repeated),
                cmocka_unit_test(numbers),
                cmocka_unit_test(ids),
                cmocka_unit_test(times),
                cmocka_unit_test(what_holds_others),
                cmocka_unit_test(null_is_absent),
                cmocka_unit_test(strangers),
                cmocka_unit_test(an_open_shape),
                cmocka_unit_test(query_typed),
                cmocka_unit_test(query_wrong),
                cmocka_unit_test(query_many),
                cmocka_unit_test(writes),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
