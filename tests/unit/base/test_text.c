/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "base/random.h"
#include "base/text.h"

static void test_grows(void **state)
{
        struct mu_text text;
        char *string;
        size_t bytes;

        (void)state;
        mu_text_init(&text);
        assert_string_equal(text.data, "");
        for (int i = 0; i < 10000; i++)
                mu_text_add_format(&text, "%d,", i % 10);
        mu_text_add(&text, "end");
        assert_int_equal(mu_text_status(&text), 0);
        assert_int_equal(mu_text_take(&text, &string, &bytes), 0);
        assert_int_equal(bytes, 20003);
        assert_int_equal(strlen(string), 20003);
        assert_string_equal(string + 19996, "8,9,end");
        free(string);

        assert_int_equal(mu_text_take(&text, &string, &bytes), 0); /* empty, but a string */
        assert_int_equal(bytes, 0);
        assert_string_equal(string, "");
        free(string);
        mu_text_done(&text);
}

static void test_fixed_takes_pieces_whole_or_not(void **state)
{
        char buffer[8];
        struct mu_text text;

        (void)state;
        mu_text_init_fixed(&text, buffer, sizeof(buffer));
        mu_text_add(&text, "1234");
        mu_text_add(&text, "5678"); /* 8 and the NUL do not fit */
        assert_int_equal(mu_text_status(&text), -ENOBUFS);
        assert_string_equal(text.data, "1234");
        mu_text_add(&text, "5"); /* would fit, but the text has failed */
        assert_string_equal(text.data, "1234");
        mu_text_cut(&text, 4);
        mu_text_add_format(&text, "%d", 567);
        assert_int_equal(mu_text_status(&text), 0);
        assert_string_equal(text.data, "1234567");
        mu_text_clear(&text);
        mu_text_add_json(&text, "abcdef", 6); /* with quotes 8 */
        assert_int_equal(mu_text_status(&text), -ENOBUFS);
        assert_string_equal(text.data, "");
        mu_text_clear(&text);
        mu_text_add_json(&text, "abcde", 5);
        assert_string_equal(text.data, "\"abcde\"");
        mu_text_done(&text);
}

struct json_case {
        const char *input;
        size_t bytes;
        const char *output;
};

#define FFFD "\xef\xbf\xbd"

static void test_json_strings(void **state)
{
        const struct json_case cases[] = {
                {"", 0, "\"\""},
                {"plain", 5, "\"plain\""},
                {"a\"b\\c/d", 7, "\"a\\\"b\\\\c/d\""},
                {"\n\r\t\b\x1f\x7f", 6, "\"\\n\\r\\t\\u0008\\u001f\x7f\""},
                {"a\0b", 3, "\"a\\u0000b\""},
                {"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", 9,
                 "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\""},
                {"\x80", 1, "\"" FFFD "\""},
                {"\xc3", 1, "\"" FFFD "\""},
                {"\xc0\xaf", 2, "\"" FFFD FFFD "\""},                   /* too long for '/' */
                {"\xe0\x80\x80", 3, "\"" FFFD FFFD FFFD "\""},          /* too long */
                {"\xed\xa0\x80", 3, "\"" FFFD FFFD FFFD "\""},          /* a surrogate */
                {"\xf0\x8f\xbf\xbf", 4, "\"" FFFD FFFD FFFD FFFD "\""}, /* too long */
                {"\xf4\x90\x80\x80", 4, "\"" FFFD FFFD FFFD FFFD "\""}, /* above U+10FFFF */
                {"\xf5"
                 "a",
                 2, "\"" FFFD "a\""},
                {"\xe2\x82"
                 "a",
                 3, "\"" FFFD FFFD "a\""},
        };

        (void)state;
        for (size_t i = 0; i < MU_COUNT_OF(cases); i++) {
                struct mu_text text;

                mu_text_init(&text);
                mu_text_add_json(&text, cases[i].input, cases[i].bytes);
                assert_string_equal(text.data, cases[i].output);
                mu_text_done(&text);
        }
}

/* Any bytes make a string that a strict parser takes. */
static void test_hexadecimal(void **state)
{
        const unsigned char bytes[] = {0x00, 0x09, 0xa0, 0xff};
        char digits[10] = "xxxxxxxxx";

        (void)state;
        mu_text_hex(bytes, sizeof(bytes), digits);
        assert_memory_equal(digits, "0009a0ff\0", sizeof(digits));
        mu_text_hex(bytes, 0, digits);
        assert_string_equal(digits, "");
}

static void test_json_from_noise(void **state)
{
        struct mu_random random;

        (void)state;
        mu_random_seed(&random, 11);
        for (int i = 0; i < 2000; i++) {
                char noise[64];
                struct mu_text text;

                for (size_t j = 0; j < sizeof(noise); j++)
                        noise[j] = (char)mu_random_u64(&random);
                mu_text_init(&text);
                mu_text_add_json(&text, noise, mu_random_below(&random, sizeof(noise)));
                json_t *parsed =
                        json_loadb(text.data, text.bytes, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
                assert_non_null(parsed);
                json_decref(parsed);
                mu_text_done(&text);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_grows),
                cmocka_unit_test(test_fixed_takes_pieces_whole_or_not),
                cmocka_unit_test(test_json_strings),
                cmocka_unit_test(test_hexadecimal),
                cmocka_unit_test(test_json_from_noise),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
