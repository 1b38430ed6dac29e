/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/secrets.h"

#include <errno.h>
#include <string.h>

#include "base/fs.h"
#include "identity/jwt.h"
#include "scratch.h"

static void put(const char *path, const char *text, mode_t mode)
{
        assert_int_equal(mu_fs_write_file(path, text, strlen(text), mode), 0);
        assert_int_equal(chmod(path, mode), 0);
}

static char *get(const char *path)
{
        char *text;

        assert_int_equal(mu_fs_read_file(path, 1024, &text, NULL), 0);
        return text;
}

static mode_t mode_of(const char *path)
{
        struct stat status;

        assert_int_equal(stat(path, &status), 0);
        return status.st_mode & 07777;
}

static void made_and_kept(void **state)
{
        struct mu_secrets *secrets;
        char error[MU_SECRET_ERROR_BYTES];
        uint8_t master[MU_SECRET_MASTER_BYTES];
        mode_t before = umask(0);

        assert_int_equal(mu_secrets_open(scratch_path(state, "secrets"), &secrets, error), 0);
        umask(before);
        assert_int_equal(mode_of(scratch_path(state, "secrets")), 0700);
        assert_int_equal(mode_of(scratch_path(state, "secrets/admin-key")), 0600);
        assert_int_equal(mode_of(scratch_path(state, "secrets/hmac-master")), 0600);
        memcpy(master, mu_secrets_hmac_master(secrets), sizeof(master));
        char *key = get(scratch_path(state, "secrets/admin-key"));

        assert_int_equal(strlen(key), 3 + 43 + 1);
        assert_int_equal(strncmp(key, "ma_", 3), 0);
        assert_int_equal(key[46], '\n');
        assert_true(mu_secrets_admin_key_matches(secrets, key, 46));
        assert_false(mu_secrets_admin_key_matches(secrets, key, 47));
        assert_false(mu_secrets_admin_key_matches(secrets, key, 45));
        assert_false(mu_secrets_admin_key_matches(secrets, key, 0));
        key[45] ^= 1;
        assert_false(mu_secrets_admin_key_matches(secrets, key, 46));
        key[45] ^= 1;
        mu_secrets_close(secrets);

        /* The next start has the same. */
        assert_int_equal(mu_secrets_open(scratch_path(state, "secrets"), &secrets, error), 0);
        assert_true(mu_secrets_admin_key_matches(secrets, key, 46));
        assert_memory_equal(mu_secrets_hmac_master(secrets), master, sizeof(master));
        mu_secrets_close(secrets);
        free(key);
}

static void own_ones(void **state)
{
        struct mu_secrets *secrets;
        char error[MU_SECRET_ERROR_BYTES];

        put(scratch_path(state, "admin-key"), "twenty characters !!\r\n", 0600);
        put(scratch_path(state, "hmac-master"),
            "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", 0400);
        assert_int_equal(mu_secrets_open(*state, &secrets, error), 0);
        assert_true(mu_secrets_admin_key_matches(secrets, "twenty characters !!", 20));
        for (int i = 0; i < 32; i++)
                assert_int_equal(mu_secrets_hmac_master(secrets)[i], i);
        mu_secrets_close(secrets);
}

static void refused(void **state, const char *name, const char *text, mode_t mode, int code,
                    const char *needle)
{
        struct mu_secrets *secrets = NULL;
        char error[MU_SECRET_ERROR_BYTES] = "";

        put(scratch_path(state, name), text, mode);
        assert_int_equal(mu_secrets_open(*state, &secrets, error), code);
        assert_null(secrets);
        assert_non_null(strstr(error, name));
        assert_non_null(strstr(error, needle));
        assert_int_equal(error[strlen(error) - 1], '.');
        assert_int_equal(unlink(scratch_path(state, name)), 0);
}

static void wrong_ones(void **state)
{
        const char *key = "a key that is long enough\n";

        refused(state, "admin-key", key, 0640, -EPERM, "chmod 600");
        refused(state, "admin-key", key, 0604, -EPERM, "chmod 600");
        refused(state, "admin-key", "nineteen characters\n", 0600, -EBADMSG, "too short");
        refused(state, "admin-key", "", 0600, -EBADMSG, "too short");
        refused(state, "hmac-master", "not base64 at all!!!\n", 0600, -EBADMSG,
                "32 bytes in base64");
        refused(state, "hmac-master", "AAECAwQFBgcICQoLDA0ODw==\n", 0600, -EBADMSG, "32 bytes");
        refused(state, "hmac-master", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g\n", 0600,
                -EBADMSG, "32 bytes");
        refused(state, "hmac-master", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n", 0644,
                -EPERM, "chmod 600");
}

static void no_place(void **state)
{
        struct mu_secrets *secrets = NULL;
        char error[MU_SECRET_ERROR_BYTES] = "";

        put(scratch_path(state, "file"), "", 0600);
        assert_int_equal(mu_secrets_open(scratch_path(state, "file/secrets"), &secrets, error),
                         -ENOTDIR);
        assert_null(secrets);
        assert_non_null(strstr(error, "file/secrets can't be used: "));
}

/* The sentence names the file however long the way to it. */
static void long_path(void **state)
{
        struct mu_secrets *secrets = NULL;
        char error[MU_SECRET_ERROR_BYTES] = "";
        char deep[1024] = "";
        size_t chars = 0;

        for (int i = 0; i < 12; i++)
                chars += (size_t)snprintf(deep + chars, sizeof(deep) - chars,
                                          "a-directory-with-a-name/");
        const char *directory = scratch_path(state, deep);

        assert_int_equal(mu_fs_make_directories(directory, 0700), 0);
        char path[2048];

        (void)snprintf(path, sizeof(path), "%shmac-master", directory);
        put(path, "short", 0600);
        assert_int_equal(mu_secrets_open(directory, &secrets, error), -EBADMSG);
        assert_non_null(strstr(error, "/hmac-master is not 32 bytes"));
        assert_int_equal(error[strlen(error) - 1], '.');
}

/* ---- the first user's password ---- */

static void admin_password(void **state)
{
        struct mu_secrets *secrets;
        char error[MU_SECRET_ERROR_BYTES];
        char *password;

        assert_int_equal(mu_secrets_open(*state, &secrets, error), 0);
        assert_int_equal(mode_of(scratch_path(state, "admin-password")), 0600);
        char *file = get(scratch_path(state, "admin-password"));

        assert_int_equal(mu_secrets_admin_password(secrets, &password, error), 0);
        assert_int_equal(strlen(password), 27);
        assert_int_equal(strspn(password, "abcdefghijkmnpqrstuvwxyz23456789-"), 27);
        assert_int_equal(strncmp(file, password, 27), 0);
        assert_string_equal(file + 27, "\n");
        free(file);
        mu_secrets_close(secrets);

        /* Taken away after the first start it stays away, until a first user needs one. */
        assert_int_equal(unlink(scratch_path(state, "admin-password")), 0);
        assert_int_equal(mu_secrets_open(*state, &secrets, error), 0);
        assert_int_equal(access(scratch_path(state, "admin-password"), F_OK), -1);
        char *another;

        assert_int_equal(mu_secrets_admin_password(secrets, &another, error), 0);
        assert_string_not_equal(another, password);
        assert_int_equal(mode_of(scratch_path(state, "admin-password")), 0600);
        free(another);
        free(password);
        mu_secrets_close(secrets);
}

static void own_admin_password(void **state)
{
        struct mu_secrets *secrets;
        char error[MU_SECRET_ERROR_BYTES];
        char *password;

        put(scratch_path(state, "admin-password"), "my own, chosen one\n", 0600);
        assert_int_equal(mu_secrets_open(*state, &secrets, error), 0);
        assert_int_equal(mu_secrets_admin_password(secrets, &password, error), 0);
        assert_string_equal(password, "my own, chosen one");
        free(password);
        mu_secrets_close(secrets);
        refused(state, "admin-password", "short\n", 0600, -EBADMSG, "too short");
        refused(state, "admin-password", "\n", 0600, -EBADMSG, "too short");
        refused(state, "admin-password", "password123\n", 0600, -EBADMSG, "everybody");
        refused(state, "admin-password", "my own, chosen one\n", 0640, -EPERM, "chmod 600");
}

/* ---- the key of access tokens ---- */

static void wrong_jwt(void **state)
{
        refused(state, "jwt-secret", "", 0600, -EBADMSG, "32 random bytes");
        refused(state, "jwt-secret", "\n", 0600, -EBADMSG, "32 random bytes");
        refused(state, "jwt-secret", "changeme\n", 0600, -EBADMSG, "32 random bytes");
        refused(state, "jwt-secret", "your-256-bit-secret\n", 0600, -EBADMSG, "32 random bytes");
        /* 31 bytes. */
        refused(state, "jwt-secret", "VZm1x8Jv9c0pTq3nLk2hYg7sWd5eRf6uXb4aQjOiMA==\n", 0600,
                -EBADMSG, "32 random bytes");
        refused(state, "jwt-secret", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n", 0600,
                -EBADMSG, "guessed");
        refused(state, "jwt-secret", "changemechangemechangemechangemechangemechY=\n", 0600,
                -EBADMSG, "guessed");
        /* 0, 1, 2, ... and sixteen random bytes twice. */
        refused(state, "jwt-secret", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n", 0600,
                -EBADMSG, "guessed");
        refused(state, "jwt-secret", "VZm1x8Jv9c0pTq3nLk2hYlWZtcfCb/XNKU6t5y5NoWI=\n", 0600,
                -EBADMSG, "guessed");
        refused(state, "jwt-secret", "VZm1x8Jv9c0pTq3nLk2hYg7sWd5eRf6uXb4aQjOiMAE=\n", 0644, -EPERM,
                "chmod 600");
        /* The one before counts too: tokens signed with it are taken. */
        refused(state, "jwt-secret", "VZm1x8Jv9c0pTq3nLk2hYg7sWd5eRf6uXb4aQjOiMAE=\nchangeme\n",
                0600, -EBADMSG, "32 random bytes");
}

static void rotated_jwt(void **state)
{
        struct mu_secrets *secrets;
        char error[MU_SECRET_ERROR_BYTES];
        char first[MU_JWT_BYTES];
        char second[MU_JWT_BYTES];
        struct mu_jwt_claims claims = {.user_id = 1,
                                       .session_id = 1,
                                       .issued_at_s = 1000,
                                       .expires_at_s = 1900,
                                       .role = MU_ROLE_ADMIN,
                                       .name = "a"};

        assert_int_equal(mu_secrets_open(*state, &secrets, error), 0);
        assert_int_equal(mode_of(scratch_path(state, "jwt-secret")), 0600);
        assert_int_equal(mu_jwt_mint(mu_secrets_jwt_keys(secrets), &claims, first), 0);
        char *before = get(scratch_path(state, "jwt-secret"));

        assert_int_equal(mu_secrets_rotate_jwt(secrets, error), 0);
        assert_int_equal(mode_of(scratch_path(state, "jwt-secret")), 0600);
        char *after = get(scratch_path(state, "jwt-secret"));

        assert_int_equal(strlen(after), 2 * strlen(before));
        assert_string_equal(after + strlen(before), before);
        assert_int_equal(mu_jwt_mint(mu_secrets_jwt_keys(secrets), &claims, second), 0);
        mu_secrets_close(secrets);

        /* Both are good after a restart, and only the second after another rotation. */
        assert_int_equal(mu_secrets_open(*state, &secrets, error), 0);
        struct mu_jwt_keys *keys = mu_secrets_jwt_keys(secrets);

        assert_int_equal(mu_jwt_verify(keys, first, strlen(first), 1000, &claims), 0);
        assert_int_equal(mu_jwt_verify(keys, second, strlen(second), 1000, &claims), 0);
        assert_int_equal(mu_secrets_rotate_jwt(secrets, error), 0);
        assert_int_equal(mu_jwt_verify(keys, first, strlen(first), 1000, &claims), -EBADMSG);
        assert_int_equal(mu_jwt_verify(keys, second, strlen(second), 1000, &claims), 0);
        mu_secrets_close(secrets);
        free(before);
        free(after);
}

static void failed_rotation(void **state)
{
        struct mu_secrets *secrets;
        char error[MU_SECRET_ERROR_BYTES] = "";
        char token[MU_JWT_BYTES];
        struct mu_jwt_claims claims = {.user_id = 1,
                                       .session_id = 1,
                                       .issued_at_s = 1000,
                                       .expires_at_s = 1900,
                                       .role = MU_ROLE_ADMIN,
                                       .name = "a"};

        assert_int_equal(mu_secrets_open(*state, &secrets, error), 0);
        assert_int_equal(unlink(scratch_path(state, "jwt-secret")), 0);
        assert_int_equal(mu_secrets_rotate_jwt(secrets, error), -ENOENT);
        assert_non_null(strstr(error, "jwt-secret"));
        assert_int_equal(mu_jwt_mint(mu_secrets_jwt_keys(secrets), &claims, token), 0);
        assert_int_equal(
                mu_jwt_verify(mu_secrets_jwt_keys(secrets), token, strlen(token), 1000, &claims),
                0);
        mu_secrets_close(secrets);
}

static void derived(void **state)
{
        struct mu_secrets *secrets;
        char error[MU_SECRET_ERROR_BYTES];
        uint8_t key[MU_SECRET_KEY_BYTES];
        uint8_t again[MU_SECRET_KEY_BYTES];
        uint8_t other[MU_SECRET_KEY_BYTES];
        /* HKDF-SHA-256 of 0..31, no salt, "muster key: audit-anchor", computed elsewhere. */
        static const uint8_t expected[MU_SECRET_KEY_BYTES] = {
                0x36, 0x22, 0xce, 0xb7, 0x63, 0xdf, 0x44, 0x4a, 0xa7, 0x84, 0x5e,
                0xcd, 0x49, 0x15, 0x60, 0xf1, 0x9d, 0x09, 0xbf, 0x0b, 0x51, 0xda,
                0xcc, 0x47, 0x95, 0xa2, 0xea, 0x21, 0x5f, 0xf2, 0x42, 0xcc};

        put(scratch_path(state, "hmac-master"),
            "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", 0400);
        assert_int_equal(mu_secrets_open(*state, &secrets, error), 0);
        mu_secrets_derive(secrets, "audit-anchor", key);
        mu_secrets_derive(secrets, "audit-anchor", again);
        mu_secrets_derive(secrets, "audit-ancho", other);
        assert_memory_equal(key, expected, sizeof(key));
        assert_memory_equal(key, again, sizeof(key));
        assert_memory_not_equal(key, other, sizeof(key));
        mu_secrets_close(secrets);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(made_and_kept, scratch_setup, scratch_teardown),
                cmocka_unit_test_setup_teardown(own_ones, scratch_setup, scratch_teardown),
                cmocka_unit_test_setup_teardown(wrong_ones, scratch_setup, scratch_teardown),
                cmocka_unit_test_setup_teardown(no_place, scratch_setup, scratch_teardown),
                cmocka_unit_test_setup_teardown(long_path, scratch_setup, scratch_teardown),
                cmocka_unit_test_setup_teardown(admin_password, scratch_setup, scratch_teardown),
                cmocka_unit_test_setup_teardown(own_admin_password, scratch_setup,
                                                scratch_teardown),
                cmocka_unit_test_setup_teardown(wrong_jwt, scratch_setup, scratch_teardown),
                cmocka_unit_test_setup_teardown(rotated_jwt, scratch_setup, scratch_teardown),
                cmocka_unit_test_setup_teardown(failed_rotation, scratch_setup, scratch_teardown),
                cmocka_unit_test_setup_teardown(derived, scratch_setup, scratch_teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
