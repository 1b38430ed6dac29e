/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/token.h"

#include <stdbool.h>
#include <string.h>

#include "unit.h"

static const char base62[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

#define TOKENS 4000

static void shape(void **state)
{
        (void)state;
        for (int i = 0; i < 200; i++) {
                char token[MU_TOKEN_BYTES];

                assert_int_equal(mu_token_generate("me_", token), 0);
                assert_int_equal(strlen(token), MU_TOKEN_CHARS);
                assert_int_equal(strncmp(token, "me_", 3), 0);
                assert_int_equal(strspn(token + 3, base62), MU_TOKEN_CHARS - 3);
        }
}

static int compare(const void *a, const void *b)
{
        return memcmp(a, b, MU_TOKEN_BYTES);
}

/* No two alike, and every digit in every place but for the first, where a number below 2^256 has no
 * 61 (and a 60 less often). */
static void random_all_over(void **state)
{
        static char tokens[TOKENS][MU_TOKEN_BYTES];
        static bool seen[MU_TOKEN_CHARS][62];

        (void)state;
        for (int i = 0; i < TOKENS; i++) {
                assert_int_equal(mu_token_generate("mu_", tokens[i]), 0);
                for (size_t at = 3; at < MU_TOKEN_CHARS; at++)
                        seen[at][strchr(base62, tokens[i][at]) - base62] = true;
        }
        qsort(tokens, TOKENS, MU_TOKEN_BYTES, compare);
        for (int i = 1; i < TOKENS; i++)
                assert_int_not_equal(memcmp(tokens[i - 1], tokens[i], MU_TOKEN_BYTES), 0);
        /* A digit missing in 4,000 draws of 62: 62 * 42 * exp(-64), never. */
        for (size_t at = 4; at < MU_TOKEN_CHARS; at++)
                for (int digit = 0; digit < 62; digit++)
                        assert_true(seen[at][digit]);
        for (int digit = 0; digit < 60; digit++)
                assert_true(seen[3][digit]);
        assert_false(seen[3][61]);
}

static void from_bits(void **state)
{
        uint8_t bits[MU_DIGEST_BYTES] = {0};
        char token[MU_TOKEN_BYTES];

        (void)state;
        mu_token_from_bits("mr_", bits, token);
        assert_string_equal(token, "mr_0000000000000000000000000000000000000000000");
        bits[30] = 1; /* 256 = 4 * 62 + 8 */
        mu_token_from_bits("mr_", bits, token);
        assert_string_equal(token, "mr_0000000000000000000000000000000000000000048");
        assert_int_equal(bits[30], 1);
}

static void digest(void **state)
{
        /* FIPS 180-2, appendix B.1. */
        static const uint8_t abc[] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea,
                                      0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23,
                                      0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c,
                                      0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad};
        struct mu_digest got;
        struct mu_digest other;

        (void)state;
        mu_token_digest("abcd", 3, &got);
        assert_memory_equal(got.bytes, abc, sizeof(abc));
        other = got;
        assert_true(mu_digest_equal(&got, &other));
        for (size_t i = 0; i < sizeof(other.bytes); i++) {
                other.bytes[i] ^= 0x80;
                assert_false(mu_digest_equal(&got, &other));
                other.bytes[i] ^= 0x80;
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(shape),
                cmocka_unit_test(random_all_over),
                cmocka_unit_test(from_bits),
                cmocka_unit_test(digest),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
