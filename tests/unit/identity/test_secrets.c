/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/secrets.h"

#include <errno.h>
#include <string.h>

#include "base/fs.h"
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

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(made_and_kept, scratch_setup, scratch_teardown),
                cmocka_unit_test_setup_teardown(own_ones, scratch_setup, scratch_teardown),
                cmocka_unit_test_setup_teardown(wrong_ones, scratch_setup, scratch_teardown),
                cmocka_unit_test_setup_teardown(no_place, scratch_setup, scratch_teardown),
                cmocka_unit_test_setup_teardown(long_path, scratch_setup, scratch_teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
