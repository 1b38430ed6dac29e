/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <errno.h>
#include <stdio.h>

#include "wire/json.h"

/* A literal that may hold NUL bytes. */
struct text {
        const char *bytes;
        size_t count;
};
#define T(literal)                                                                                 \
        {                                                                                          \
                literal, sizeof(literal) - 1                                                       \
        }

static struct mu_json *json;

static int setup(void **state)
{
        (void)state;
        return mu_json_create(MU_BODY_BYTES_MAX, &json);
}

static int teardown(void **state)
{
        (void)state;
        mu_json_destroy(json);
        return 0;
}

/* 0, or the reason + 1. The minimal text goes to out, which is as large as the body at least. */
static int walk(const char *text, size_t bytes, uint32_t depth_max, struct mu_json_sink *sink)
{
        char *body = exact_copy(text, bytes);
        struct mu_json_cursor cursor;
        int r = mu_json_open(json, body, bytes, &cursor);

        if (r == 0)
                r = mu_json_pass_value(&cursor, depth_max, sink);
        if (r == 0)
                r = mu_json_finish(&cursor);
        if (r < 0)
                assert_int_equal(r, -EBADMSG);
        free(body);
        return r < 0 ? (int)cursor.reason + 1 : 0;
}

static const struct text good[] = {
        T("[[]   ]"),
        T("[\"\"]"),
        T("[]"),
        T("[\"a\"]"),
        T("[false]"),
        T("[null, 1, \"1\", {}]"),
        T("[null]"),
        T("[1\n]"),
        T(" [1]"),
        T("[1,null,null,null,2]"),
        T("[2] "),
        T("[123e65]"),
        T("[0e+1]"),
        T("[0e1]"),
        T("[ 4]"),
        T("[-0.00000000000000000000000000000000000000001]"),
        T("[20e1]"),
        T("[-0]"),
        T("[-123]"),
        T("[-1]"),
        T("[1E22]"),
        T("[1E-2]"),
        T("[1E+2]"),
        T("[123e45]"),
        T("[123.456e78]"),
        T("[1e-2]"),
        T("[1e+2]"),
        T("[123]"),
        T("[123.456789]"),
        T("{\"asd\":\"sdf\", \"dfg\":\"fgh\"}"),
        T("{\"asd\":\"sdf\"}"),
        T("{}"),
        T("{\"\":0}"),
        T("{\"foo\\u0000bar\": 42}"),
        T("{ \"min\": -1.0e+28, \"max\": 1.0e+28 }"),
        T("{\"a\":[]}"),
        T("{\n\"a\": \"b\"\n}"),
        T("{\"a\":\"b\",\"a\":\"c\"}"),
        T("[\"\\u0060\\u012a\\u12AB\"]"),
        T("[\"\\uD801\\udc37\"]"),
        T("[\"\\ud83d\\ude39\\ud83d\\udc8d\"]"),
        T("[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"]"),
        T("[\"\\\\u0000\"]"),
        T("[\"\\\"\"]"),
        T("[\"a/*b*/c/*d//e\"]"),
        T("[\"\\\\a\"]"),
        T("[\"\\\\n\"]"),
        T("[\"\\u0012\"]"),
        T("[\"\\uFFFF\"]"),
        T("[\"asd\"]"),
        T("[ \"asd\"]"),
        T("[\"\xf4\x8f\xbf\xbf\"]"),
        T("[\"\xef\xbf\xbf\"]"),
        T("[\"\\u0000\"]"),
        T("[\"\\u002c\"]"),
        T("[\"\xcf\x80\"]"),
        T("[\"\xf0\x9b\xbf\xbf\"]"),
        T("[\"asd \"]"),
        T("\" \""),
        T("[\"\\uD834\\uDd1e\"]"),
        T("[\"\\u0821\"]"),
        T("[\"\\u0123\"]"),
        T("[\"\xe2\x80\xa8\"]"),
        T("[\"\xe2\x80\xa9\"]"),
        T("[\"\\u0061\\u30af\\u30EA\\u30b9\"]"),
        T("[\"new\\u000Aline\"]"),
        T("[\"\x7f\"]"),
        T("[\"\\uA66D\"]"),
        T("[\"\\u005C\"]"),
        T("[\"\\u0022\"]"),
        T("[\"\xe2\x8d\x82\xe3\x88\xb4\xe2\x8d\x82\"]"),
        T("[\"\\uDBFF\\uDFFE\"]"),
        T("[\"\\uD83F\\uDFFE\"]"),
        T("[\"\\u200B\"]"),
        T("[\"\\uFDD0\"]"),
        T("[\"a\x7f"
          "a\"]"),
        T("false"),
        T("42"),
        T("-0.1"),
        T("null"),
        T("\"asd\""),
        T("true"),
        T("\"\""),
        T("[\"a\"]\n"),
        T("[true]"),
        T(" [] "),
        T("[1e-999]"),
        T("[0e999]"),
        T("[100000000000000000000000]"),
        T("[9e307]"),
        T("[0.00001e312]"),
        T("[123456789012345678901234567890.5]"),
        T("\t\r\n1"),
        T("[\"\\u00e9\\u0000x\"]"),
        T("[0.0]"),
        T("[1.000]"),
        T("[1e00000000000000000000002]"),
};

static const struct text bad[] = {
        T(""),
        T(" "),
        T("["),
        T("]"),
        T("{"),
        T("}"),
        T("[1 true]"),
        T("[a\xe5]"),
        T("[\"\": 1]"),
        T("[\"\"],"),
        T("[,1]"),
        T("[1,,2]"),
        T("[\"x\",,]"),
        T("[\"x\"]]"),
        T("[\"\",]"),
        T("[\"x\""),
        T("[x"),
        T("[3[4]]"),
        T("[\xff]"),
        T("[1:2]"),
        T("[,]"),
        T("[-]"),
        T("[   , \"\"]"),
        T("[\"a\",\n4\n,1,"),
        T("[1,]"),
        T("[1,,]"),
        T("[\"\va\"\\f]"),
        T("[*]"),
        T("[1,\n1\n,1"),
        T("[{}"),
        T("[fals]"),
        T("[nul]"),
        T("[tru]"),
        T("[truee]"),
        T("[True]"),
        T("123\0"),
        T("[++1234]"),
        T("[+1]"),
        T("[+Inf]"),
        T("[-01]"),
        T("[-1.0.]"),
        T("[-2.]"),
        T("[-NaN]"),
        T("[.-1]"),
        T("[.2e-3]"),
        T("[0.1.2]"),
        T("[0.3e+]"),
        T("[0.3e]"),
        T("[0.e1]"),
        T("[0E+]"),
        T("[0E]"),
        T("[0e+]"),
        T("[0e]"),
        T("[1.0e+]"),
        T("[1.0e-]"),
        T("[1.0e]"),
        T("[1 000.0]"),
        T("[1eE2]"),
        T("[2.e+3]"),
        T("[2.e-3]"),
        T("[2.e3]"),
        T("[9.e+]"),
        T("[Inf]"),
        T("[NaN]"),
        T("[\xef\xbc\x91]"),
        T("[1+2]"),
        T("[0x1]"),
        T("[0x42]"),
        T("[Infinity]"),
        T("[0e+-1]"),
        T("[-123.123foo]"),
        T("[123\xe5]"),
        T("[1e1\xe5]"),
        T("[0\xe5]\n"),
        T("[-Infinity]"),
        T("[-foo]"),
        T("[- 1]"),
        T("[-012]"),
        T("[-.123]"),
        T("[-1x]"),
        T("[1ea]"),
        T("[1e\xe5]"),
        T("[1.]"),
        T("[.123]"),
        T("[1.2a-3]"),
        T("[1.8011670033376514H-308]"),
        T("[012]"),
        T("[01]"),
        T("[\"x\", truth]"),
        T("{[: \"x\"}\n"),
        T("{\"x\", null}"),
        T("{\"x\"::\"b\"}"),
        T("{\"a\":\"a\" 123}"),
        T("{key: 'value'}"),
        T("{\"\xb9\":\"0\",}"),
        T("{\"a\" b}"),
        T("{:\"b\"}"),
        T("{\"a\" \"b\"}"),
        T("{\"a\":"),
        T("{\"a\""),
        T("{1:1}"),
        T("{9999E9999:1}"),
        T("{null:null,null:null}"),
        T("{\"id\":0,,,,,}"),
        T("{'a':0}"),
        T("{\"id\":0,}"),
        T("{\"a\":\"b\"}/**/"),
        T("{\"a\":\"b\"}//"),
        T("{\"a\":\"b\"}/"),
        T("{\"a\":\"b\",,\"c\":\"d\"}"),
        T("{a: \"b\"}"),
        T("{\"a\":\"a"),
        T("{ \"foo\" : \"bar\", \"a\" }"),
        T("{\"a\":\"b\"}#"),
        T("[\"\\uD800\\\"]"),
        T("[\"\\uD800\\u\"]"),
        T("[\"\\uD800\\u1\"]"),
        T("[\"\\uD800\\u1x\"]"),
        T("[\xc3\xa9]"),
        T("[\"\\\x00\"]"),
        T("[\"\\\\\\\"]"),
        T("[\"\\x00\"]"),
        T("[\"\\\t\"]"),
        T("[\"\\\xf0\x9f\x8c\x80\"]"),
        T("[\"\\\"]"),
        T("[\"\\u00A\"]"),
        T("[\"\\uD834\\uDd\"]"),
        T("[\"\\uD800\\uD800\\x\"]"),
        T("[\"\\u\xe5\"]"),
        T("[\"\\a\"]"),
        T("[\"\\uqqqq\"]"),
        T("[\"\\\xe5\"]"),
        T("[\\u0020\"asd\"]"),
        T("[\\n]"),
        T("\""),
        T("['single']"),
        T("abc"),
        T("[\"\\"),
        T("[\"a\x00"
          "a\"]"),
        T("[\"new\nline\"]"),
        T("[\"\t\"]"),
        T("\"\\UA66D\""),
        T("\"\"x"),
        T("<.>"),
        T("[<null>]"),
        T("[1]x"),
        T("[1]]"),
        T("[\"asd]"),
        T("aa\xc3\xa5"),
        T("[True]"),
        T("1]"),
        T("{\"x\": true,"),
        T("[][]"),
        T("]"),
        T("\xef\xbb\xbf{}"),
        T("\xef\xbb\xbf"),
        T("\xe5"),
        T("[\x00]"),
        T("2@"),
        T("{}}"),
        T("{\"\":"),
        T("{\"a\":/*comment*/\"b\"}"),
        T("{\"a\": true} \"x\""),
        T("['"),
        T("[,"),
        T("[{"),
        T("[\"a"),
        T("{]"),
        T("{,"),
        T("{["),
        T("{\"a"),
        T("{'a'"),
        T("[\"\\{[\"\\{[\"\\{[\"\\{"),
        T("*"),
        T("{\"a\":\"b\"}#{}"),
        T("[\\u000A\"\"]"),
        T("[1"),
        T("[ false, nul"),
        T("[ true, fals"),
        T("[ false, tru"),
        T("{\"asd\":\"asd\""),
        T("\xc3\xa5"),
        T("[\x0c]"),
        T("[\xe2\x81\xa0]"),
        T("[\"\\uDADA\"]"),
        T("[\"\\uDc00\"]"),
        T("[\"\\uD888\\u1234\"]"),
        T("[\"\\ud800\\n\"]"),
        T("[\"\\ud800abc\"]"),
        T("[\"\\uDd1e\\uD834\"]"),
        T("[\"\xff\"]"),
        T("[\"\x81\"]"),
        T("[\"\xc0\xaf\"]"),
        T("[\"\xf4\xbf\xbf\xbf\"]"),
        T("[\"\xed\xa0\x80\"]"),
        T("[\"\xe0\xff\"]"),
        T("[\"\xfc\x80\x80\x80\x80\x80\"]"),
        T("{\"\xff\":1}"),
        T("[1e999]"),
        T("[-1e309]"),
        T("[1e308]"),
        T("[123e999999999999999999]"),
        T("[12\"a\"]"),
        T("[\"a\"\"b\"]"),
        T("[\"a\"b]"),
        T("{\"a\":1\x0c}"),
        T("{\"a\"\x1a"
          "1}"),
        T("[1\x0c"
          "2]"),
        T("[true\"a\"]"),
        T("[1\x00]"),
        T("\x1a"),
        T("[\"\\u12\"34\"]"),
        T("[1 2]"),
        T("[-]"),
        T("{\"a\":1,\"b\"}"),
        T("[\"\\ud800\\udbff\"]"),
        T("1 1"),
        T("[0 1]"),
        T("{\"a\":}"),
        T("{\"a\",1}"),
        T("[}"),
        T("{\"a\":1]"),
        T("[1}"),
        T("[\x80]"),
        T("tr\"ue"),
};

static void test_good(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
                if (walk(good[i].bytes, good[i].count, 16, NULL) != 0)
                        fail_msg("refused: %.*s", (int)good[i].count, good[i].bytes);
        }
}

static void test_bad(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                if (walk(bad[i].bytes, bad[i].count, 16, NULL) == 0)
                        fail_msg("accepted: %.*s", (int)bad[i].count, bad[i].bytes);
        }
}

/* Every prefix of a document is refused, except where the value is complete. */
static void test_prefixes(void **state)
{
        static const char text[] =
                "{\"a\":[1,-2.5e3,true,null,{\"b\\n\":\"\\ud83d\\ude00\xc3\xa9\"}]}";

        (void)state;
        for (size_t bytes = 0; bytes < sizeof(text) - 1; bytes++)
                assert_int_not_equal(walk(text, bytes, 16, NULL), 0);
        assert_int_equal(walk(text, sizeof(text) - 1, 16, NULL), 0);
}

/* Tokens on each side of simdjson's 64-byte blocks. */
static void test_block_borders(void **state)
{
        char text[400];

        (void)state;
        for (size_t pad = 0; pad < 140; pad++) {
                memset(text, ' ', pad);
                int bytes = snprintf(text + pad, sizeof(text) - pad,
                                     "{\"key\\\\\":\"v\\\"al\",\"n\":123456.5,\"t\":true}");
                size_t all = pad + (size_t)bytes;

                assert_int_equal(walk(text, all, 16, NULL), 0);
                text[all - 1] = 'x';
                assert_int_not_equal(walk(text, all, 16, NULL), 0);
        }
}

static void test_reasons(void **state)
{
        (void)state;
        assert_int_equal(walk("[\"\xff\"]", 5, 16, NULL), MU_REASON_JSON_UTF8 + 1);
        assert_int_equal(walk("[1e999]", 7, 16, NULL), MU_REASON_JSON_NUMBER + 1);
        assert_int_equal(walk("[1,]", 4, 16, NULL), MU_REASON_JSON_SYNTAX + 1);
        assert_int_equal(walk("", 0, 16, NULL), MU_REASON_JSON_SYNTAX + 1);
}

static bool is_object(uint32_t kind, uint32_t level)
{
        return kind == 1 || (kind == 2 && level % 2 == 1);
}

static uint32_t nest(char *text, uint32_t depth, uint32_t kind)
{
        char *at = text;

        for (uint32_t i = 0; i < depth; i++) {
                *at++ = is_object(kind, i) ? '{' : '[';
                if (is_object(kind, i) && i + 1 < depth)
                        at = stpcpy(at, "\"\":");
        }
        for (uint32_t i = depth; i-- > 0;)
                *at++ = is_object(kind, i) ? '}' : ']';
        return (uint32_t)(at - text);
}

static void test_depth(void **state)
{
        char text[40 * 5];

        (void)state;
        for (uint32_t depth = 1; depth <= 40; depth++) {
                /* Arrays, objects, and both in turn. */
                for (uint32_t kind = 0; kind < 3; kind++) {
                        uint32_t bytes = nest(text, depth, kind);

                        assert_int_equal(walk(text, bytes, depth, NULL), 0);
                        assert_int_equal(walk(text, bytes, depth - 1, NULL),
                                         MU_REASON_JSON_DEPTH + 1);
                }
        }
        /* As deep as a body can be. */
        char *deep = malloc(MU_BODY_BYTES_MAX);

        assert_non_null(deep);
        memset(deep, '[', MU_BODY_BYTES_MAX);
        assert_int_equal(walk(deep, MU_BODY_BYTES_MAX, 16, NULL), MU_REASON_JSON_DEPTH + 1);
        free(deep);
}

static void test_size(void **state)
{
        char *body = malloc(MU_BODY_BYTES_MAX + 1);

        (void)state;
        assert_non_null(body);
        memset(body, ' ', MU_BODY_BYTES_MAX + 1);
        body[0] = '1';
        assert_int_equal(walk(body, MU_BODY_BYTES_MAX, 16, NULL), 0);
        assert_int_equal(walk(body, MU_BODY_BYTES_MAX + 1, 16, NULL), MU_REASON_BODY_SIZE + 1);
        /* A token at every byte. */
        memset(body, ',', MU_BODY_BYTES_MAX);
        assert_int_equal(walk(body, MU_BODY_BYTES_MAX, 16, NULL), MU_REASON_JSON_SYNTAX + 1);
        free(body);
}

static void check_sink(const char *text, const char *want, bool unfit)
{
        char buffer[64];
        struct mu_json_sink sink = {.buffer = buffer, .bytes_max = sizeof(buffer)};

        assert_int_equal(walk(text, strlen(text), 16, &sink), 0);
        assert_false(sink.overflow);
        assert_int_equal(sink.unfit, unfit);
        assert_int_equal(sink.bytes, strlen(want));
        assert_memory_equal(buffer, want, sink.bytes);
}

static void test_sink(void **state)
{
        char buffer[5];
        struct mu_json_sink sink = {.buffer = buffer, .bytes_max = sizeof(buffer)};

        (void)state;
        check_sink(" [ 1 , 2.50 , { \"a b\" : [ ] , \"c\" : { } } , null ] ",
                   "[1,2.50,{\"a b\":[],\"c\":{}},null]", false);
        check_sink("\"\\u0041 \\/\"", "\"\\u0041 \\/\"", false);
        check_sink("[\"\\u0000\"]", "[\"\\u0000\"]", true);
        check_sink("{\"\\u0000\":1}", "{\"\\u0000\":1}", true);
        check_sink("[\"\\\\u0000\"]", "[\"\\\\u0000\"]", false);
        check_sink("[1e-400]", "[1e-400]", false);
        check_sink("[1e-401]", "[1e-401]", true);
        check_sink("[0e401]", "[0e401]", true);
        assert_int_equal(walk("[1,2]", 5, 16, &sink), 0);
        assert_int_equal(sink.bytes, 5);
        assert_false(sink.overflow);
        sink.bytes = 0;
        assert_int_equal(walk("[1,22]", 6, 16, &sink), 0);
        assert_true(sink.overflow);
}

static void check_string(const char *text, const char *want, uint32_t count, bool nul)
{
        size_t bytes = strlen(text);
        char *body = exact_copy(text, bytes);
        struct mu_json_cursor cursor;
        struct mu_json_slice slice;
        char out[64];
        uint32_t got;
        bool got_nul;

        assert_int_equal(mu_json_open(json, body, bytes, &cursor), 0);
        assert_int_equal(mu_json_pass_string(&cursor, &slice), 0);
        assert_int_equal(slice.escaped, strchr(text, '\\') != NULL);
        assert_int_equal(mu_json_unescape(&cursor, &slice, out, &got, &got_nul), 0);
        assert_int_equal(got, count);
        assert_memory_equal(out, want, count);
        assert_int_equal(got_nul, nul);
        assert_int_equal(mu_json_finish(&cursor), 0);
        free(body);
}

static void test_unescape(void **state)
{
        (void)state;
        check_string("\"\"", "", 0, false);
        check_string("\"plain\" ", "plain", 5, false);
        check_string("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t", 8, false);
        check_string("\"a\\u0000b\"", "a\0b", 3, true);
        check_string("\"\\u007f\\u0080\\u07FF\\u0800\\uffff\"",
                     "\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf", 11, false);
        check_string("\"\\ud800\\udc00\\uDBFF\\uDFFF\"", "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf", 8,
                     false);
}

static void check_number(const char *text, int scale, int want_r, int64_t want, bool want_exact)
{
        size_t bytes = strlen(text);
        char *body = exact_copy(text, bytes);
        struct mu_json_cursor cursor;
        struct mu_json_number number;
        int64_t value = -77;
        bool exact = !want_exact;

        assert_int_equal(mu_json_open(json, body, bytes, &cursor), 0);
        assert_int_equal(mu_json_pass_number(&cursor, &number), 0);
        if (mu_json_scale(&number, scale, &value, &exact) != want_r)
                fail_msg("%s", text);
        if (want_r == 0 && (value != want || exact != want_exact))
                fail_msg("%s: %lld", text, (long long)value);
        if (want_r < 0)
                assert_int_equal(value, -77);
        free(body);
}

static void test_numbers(void **state)
{
        (void)state;
        check_number("0", 0, 0, 0, true);
        check_number("-0", 0, 0, 0, true);
        check_number("0.000", 6, 0, 0, true);
        check_number("57", 0, 0, 57, true);
        check_number("57.0", 0, 0, 57, true);
        check_number("5.7e1", 0, 0, 57, true);
        check_number("570e-1", 0, 0, 57, true);
        check_number("57.5", 0, 0, 58, false);
        check_number("-57.5", 0, 0, -58, false);
        check_number("57.49999999999999999999999", 0, 0, 57, false);
        check_number("57.000000000000000000000000000", 0, 0, 57, true);
        check_number("57.000000000000000000000000001", 0, 0, 57, false);
        check_number("0.05", 0, 0, 0, false);
        check_number("0.5", 0, 0, 1, false);
        check_number("1732182939.123456", 6, 0, INT64_C(1732182939123456), true);
        check_number("1732182939.1234565", 6, 0, INT64_C(1732182939123457), false);
        check_number("1732182939.000001", 6, 0, INT64_C(1732182939000001), true);
        check_number("1.732182939000001e9", 6, 0, INT64_C(1732182939000001), true);
        check_number("9223372036854775807", 0, 0, INT64_MAX, true);
        check_number("-9223372036854775807", 0, 0, -INT64_MAX, true);
        check_number("9223372036854775808", 0, -ERANGE, 0, false);
        check_number("9999999999999999999", 0, -ERANGE, 0, false);
        check_number("99999999999999999999999", 0, -ERANGE, 0, false);
        check_number("1e300", 0, -ERANGE, 0, false);
        check_number("1e-300", 6, 0, 0, false);
        check_number("1e-99999999999999999999", 6, 0, 0, false);
        check_number("0e99999999999999999999", 6, 0, 0, true);
        check_number("0.0000000000000000000000000000001e31", 0, 0, 1, true);
}

static void test_literals(void **state)
{
        struct mu_json_cursor cursor;
        const char body[] = "true false null";
        int literal = 7;

        (void)state;
        assert_int_equal(mu_json_open(json, body, sizeof(body) - 1, &cursor), 0);
        assert_int_equal(mu_json_pass_literal(&cursor, &literal), 0);
        assert_int_equal(literal, 1);
        assert_int_equal(mu_json_pass_literal(&cursor, &literal), 0);
        assert_int_equal(literal, 0);
        assert_int_equal(mu_json_pass_literal(&cursor, &literal), 0);
        assert_int_equal(literal, -1);
        assert_int_equal(mu_json_pass_literal(&cursor, &literal), -EBADMSG);
        assert_int_equal(mu_json_peek(&cursor), '\0');
        assert_int_equal(mu_json_finish(&cursor), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_good),     cmocka_unit_test(test_bad),
                cmocka_unit_test(test_prefixes), cmocka_unit_test(test_block_borders),
                cmocka_unit_test(test_reasons),  cmocka_unit_test(test_depth),
                cmocka_unit_test(test_size),     cmocka_unit_test(test_sink),
                cmocka_unit_test(test_unescape), cmocka_unit_test(test_numbers),
                cmocka_unit_test(test_literals),
        };

        return cmocka_run_group_tests(tests, setup, teardown);
}
