/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/base64url.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "unit.h"

static void vectors(void **state)
{
        /* RFC 4648 §10, without padding; and the two characters of the alphabet's end. */
        static const struct {
                const char *data;
                const char *text;
        } pairs[] = {{"", ""},
                     {"f", "Zg"},
                     {"fo", "Zm8"},
                     {"foo", "Zm9v"},
                     {"foob", "Zm9vYg"},
                     {"fooba", "Zm9vYmE"},
                     {"foobar", "Zm9vYmFy"},
                     {"\xfb\xff\xfe", "-__-"}};

        (void)state;
        for (size_t i = 0; i < MU_COUNT_OF(pairs); i++) {
                char text[16];
                uint8_t data[8];
                size_t bytes = 99;
                size_t chars = mu_base64url_encode(pairs[i].data, strlen(pairs[i].data), text);

                assert_string_equal(text, pairs[i].text);
                assert_int_equal(chars, MU_BASE64URL_CHARS(strlen(pairs[i].data)));
                assert_int_equal(mu_base64url_decode(text, chars, data, sizeof(data), &bytes), 0);
                assert_int_equal(bytes, strlen(pairs[i].data));
                assert_memory_equal(data, pairs[i].data, bytes);
        }
}

static void strict(void **state)
{
        static const char *const wrong[] = {"A",    "Zg==",  "Zm8=", "Zh",      "Zm9",  "Zm9v ",
                                            "+/+/", "Zm\n9", "Z",    "Zm9vYg=", "\x80g"};
        uint8_t data[8];
        size_t bytes = 99;

        (void)state;
        for (size_t i = 0; i < MU_COUNT_OF(wrong); i++)
                assert_int_equal(
                        mu_base64url_decode(wrong[i], strlen(wrong[i]), data, sizeof(data), &bytes),
                        -EBADMSG);
        assert_int_equal(mu_base64url_decode("Zm9vYmFy", 8, data, 5, &bytes), -ENOBUFS);
        assert_int_equal(mu_base64url_decode("Zm9vYmFy", 8, data, 6, &bytes), 0);
        assert_int_equal(bytes, 6);
}

/* Each value has one text: all texts of two and three characters. */
static void canonical(void **state)
{
        size_t good = 0;

        (void)state;
        for (int a = 1; a < 256; a++) {
                for (int b = 1; b < 256; b++) {
                        const char text[3] = {(char)a, (char)b, '\0'};
                        char again[4];
                        uint8_t data[2];
                        size_t bytes;

                        if (mu_base64url_decode(text, 2, data, sizeof(data), &bytes) < 0)
                                continue;
                        good++;
                        (void)mu_base64url_encode(data, bytes, again);
                        assert_string_equal(again, text);
                }
        }
        assert_int_equal(good, 256);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(vectors),
                cmocka_unit_test(strict),
                cmocka_unit_test(canonical),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
