/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/password.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

#define COST 4

static bool matches(const char *password, const char *hash)
{
        bool result = false;

        assert_int_equal(mu_password_verify(password, strlen(password), hash, &result), 0);
        return result;
}

static void round_trip(void **state)
{
        char hash[MU_PASSWORD_HASH_BYTES];
        char other[MU_PASSWORD_HASH_BYTES];

        (void)state;
        assert_int_equal(mu_password_hash("correct horse", 13, COST, hash), 0);
        assert_int_equal(strlen(hash), 60);
        assert_int_equal(strncmp(hash, "$2b$04$", 7), 0);
        assert_true(matches("correct horse", hash));
        assert_false(matches("correct hors", hash));
        assert_false(matches("correct horsE", hash));
        assert_false(matches("", hash));
        assert_int_equal(mu_password_hash("correct horse", 13, COST, other), 0);
        assert_string_not_equal(hash, other); /* another salt */
        assert_false(mu_password_hash_is_stale(hash, COST));
        assert_true(mu_password_hash_is_stale(hash, COST + 1));
        assert_int_equal(mu_password_verify_nobody("correct horse", 13, COST), 0);
        assert_int_equal(mu_password_verify_nobody("a\0b", 3, COST), 0);
}

/* Hashes of other makers: crypt_blowfish's own test vectors. */
static void foreign(void **state)
{
        static const char *const hashes[] = {
                "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
                "$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
                "$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        };

        (void)state;
        for (size_t i = 0; i < MU_COUNT_OF(hashes); i++) {
                assert_true(matches("U*U", hashes[i]));
                assert_false(matches("U*V", hashes[i]));
        }
        assert_true(mu_password_hash_is_stale(hashes[0], 5));
}

/* bcrypt alone would ignore what follows the 72nd byte. */
static void long_ones(void **state)
{
        char password[MU_PASSWORD_BYTES_MAX + 1];
        char hash[MU_PASSWORD_HASH_BYTES];
        bool result = true;

        (void)state;
        memset(password, 'x', sizeof(password));
        for (size_t bytes = 70; bytes <= 75; bytes++) {
                password[bytes] = '\0';
                assert_int_equal(mu_password_hash(password, bytes, COST, hash), 0);
                assert_true(matches(password, hash));
                password[bytes - 1] = 'y';
                assert_false(matches(password, hash));
                password[bytes - 1] = 'x';
                password[bytes] = 'x';
                assert_int_equal(mu_password_verify(password, bytes + 1, hash, &result), 0);
                assert_false(result);
                assert_int_equal(mu_password_verify(password, bytes - 1, hash, &result), 0);
                assert_false(result);
        }
        assert_int_equal(mu_password_hash(password, MU_PASSWORD_BYTES_MAX, COST, hash), 0);
        assert_int_equal(mu_password_hash(password, MU_PASSWORD_BYTES_MAX + 1, COST, hash),
                         -EINVAL);
        result = true;
        assert_int_equal(mu_password_verify(password, MU_PASSWORD_BYTES_MAX + 1, hash, &result), 0);
        assert_false(result);
}

static void bad_input(void **state)
{
        char hash[MU_PASSWORD_HASH_BYTES] = "untouched";
        bool result = true;

        (void)state;
        assert_int_equal(mu_password_hash("with\0nul here", 13, COST, hash), -EINVAL);
        assert_string_equal(hash, "untouched");
        assert_int_equal(mu_password_hash("with", 4, COST, hash), 0);
        assert_int_equal(mu_password_verify("with\0nul", 8, hash, &result), 0);
        assert_false(result);
        result = true;
        static const char *const wrong[] = {
                "",
                "*0",
                "$1$abc$def",
                "$2b$04$short",
                "$2x$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
                "$2b$99$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
                "$2b$05$!!!!!!!!!!!!!!!!!!!!!!E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
                "$6$05$CCCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        };
        for (size_t i = 0; i < MU_COUNT_OF(wrong); i++)
                assert_int_equal(mu_password_verify("with", 4, wrong[i], &result), -EBADMSG);
        assert_true(result);
}

static void flawed(const char *password, size_t bytes, const char *needle)
{
        const char *flaw = mu_password_flaw(password, bytes, "alexandria");

        if (!needle) {
                assert_null(flaw);
                return;
        }
        assert_non_null(flaw);
        assert_non_null(strstr(flaw, needle));
        assert_int_equal(flaw[strlen(flaw) - 1], '.');
}

static void policy(void **state)
{
        char text[MU_PASSWORD_BYTES_MAX + 2];

        (void)state;
        flawed("ninechars", 9, "too short");
        flawed("tenletters", 10, NULL);
        flawed("", 0, "too short");
        /* Characters, not bytes. */
        flawed("ü¾€字ñçé", strlen("ü¾€字ñçé"), "too short");
        flawed("ü¾€字ñçéäöå", strlen("ü¾€字ñçéäöå"), NULL);
        for (size_t i = 0; i < sizeof(text); i++)
                text[i] = (char)('a' + i % 26);
        flawed(text, 256, NULL);
        flawed(text, 257, "too long");
        flawed(text, MU_PASSWORD_BYTES_MAX + 1, "too long");
        flawed("nul \0 within it", 15, "NUL");
        flawed("alexandria", 10, "user name");
        flawed("ALEXandria", 10, "user name");
        flawed("alexandria1", 11, NULL);
        flawed("password123", 11, "everybody");
        flawed("Password123", 11, "everybody");
        flawed("QWERTYUIOP", 10, "everybody");
        flawed("abcabcabcabc", 12, "repeats");
        flawed("abcdabcdabcd", 12, NULL);
}

static void utf8(void **state)
{
        static const char *const broken[] = {
                "\x80"
                "bcdefghij",
                "\xc0\x80"
                "cdefghij",
                "\xc3(cdefghij",
                "\xe0\x80\x80"
                "defghij",
                "\xed\xa0\x80"
                "defghij",
                "\xf4\x90\x80\x80"
                "efghij",
                "\xf8"
                "bcdefghij",
                "abcdefghi\xc3",
                "abcdefghij\xf0\x9f\x98",
        };

        (void)state;
        for (size_t i = 0; i < MU_COUNT_OF(broken); i++)
                flawed(broken[i], strlen(broken[i]), "UTF-8");
        flawed("\xf4\x8f\xbf\xbf"
               "bcdefghij",
               13, NULL); /* the last code point */
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(round_trip), cmocka_unit_test(foreign),
                cmocka_unit_test(long_ones),  cmocka_unit_test(bad_input),
                cmocka_unit_test(policy),     cmocka_unit_test(utf8),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
