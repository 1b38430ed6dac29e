/* SPDX-License-Identifier: Apache-2.0 */
#include "backup/manifest.h"

#include <errno.h>
#include <openssl/sha.h>
#include <string.h>

#include "backup/tree.h"
#include "base/fs.h"
#include "base/text.h"
#include "scratch.h"

static const char ABC[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

static void put(const char *path, const char *text)
{
        assert_int_equal(mu_fs_write_file(path, text, strlen(text), 0600), 0);
}

/* A backup with one folder and two files. */
static void make(void **state, const char *directory)
{
        struct mu_manifest manifest;
        struct mu_backup_error error;
        char path[4200];

        assert_int_equal(mkdir(directory, 0700), 0);
        (void)snprintf(path, sizeof(path), "%s/data", directory);
        assert_int_equal(mkdir(path, 0700), 0);
        (void)snprintf(path, sizeof(path), "%s/data/one", directory);
        put(path, "abc");
        (void)snprintf(path, sizeof(path), "%s/two", directory);
        put(path, "abc");
        assert_int_equal(mu_manifest_init(&manifest), 0);
        assert_int_equal(mu_manifest_add_directory(&manifest, "data", 0700), 0);
        assert_int_equal(mu_manifest_add_file(&manifest, "data/one", 3, 0600, ABC), 0);
        assert_int_equal(mu_manifest_add_file(&manifest, "two", 3, 0640, ABC), 0);
        assert_int_equal(mu_manifest_write(&manifest, directory, &error), 0);
        mu_manifest_done(&manifest);
        (void)state;
}

static int verify(const char *directory, struct mu_backup_error *error)
{
        struct mu_manifest manifest = {0};
        int err = mu_manifest_read(directory, &manifest, error);

        if (err == 0)
                err = mu_manifest_verify(&manifest, directory, error);
        mu_manifest_done(&manifest);
        return err;
}

static void test_round_trip(void **state)
{
        const char *directory = scratch_path(state, "b");
        struct mu_manifest manifest;
        struct mu_backup_error error;

        make(state, directory);
        assert_int_equal(mu_manifest_read(directory, &manifest, &error), 0);
        assert_int_equal(manifest.bytes, 6);
        assert_int_equal(manifest.file_count, 2);
        assert_true(mu_manifest_has(&manifest, "data/one", 3, ABC));
        assert_false(mu_manifest_has(&manifest, "data/one", 4, ABC));
        assert_false(mu_manifest_has(&manifest, "data/two", 3, ABC));
        assert_int_equal(mu_manifest_verify(&manifest, directory, &error), 0);
        mu_manifest_done(&manifest);
}

/* Each single bit of each file, the manifest and its checksum included. */
static void test_every_flipped_bit_is_found_and_named(void **state)
{
        static const char *const names[] = {"data/one", "two", MU_MANIFEST_FILE, MU_MANIFEST_SUM};
        const char *directory = scratch_path(state, "b");
        struct mu_backup_error error;

        make(state, directory);
        for (size_t i = 0; i < MU_COUNT_OF(names); i++) {
                char path[4200];
                char *data;
                size_t bytes;

                (void)snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
                assert_int_equal(mu_fs_read_file(path, 1 << 20, &data, &bytes), 0);
                for (size_t bit = 0; bit < bytes * 8; bit++) {
                        FILE *file = fopen(path, "r+e");

                        data[bit / 8] ^= (char)(1u << bit % 8);
                        assert_non_null(file);
                        assert_int_equal(fwrite(data, 1, bytes, file), bytes);
                        assert_int_equal(fclose(file), 0);
                        assert_int_equal(verify(directory, &error), -EBADMSG);
                        assert_non_null(strstr(error.text, i < 2 ? names[i] : MU_MANIFEST_FILE));
                        data[bit / 8] ^= (char)(1u << bit % 8);
                }
                put(path, "");
                assert_int_equal(mu_fs_write_file(path, data, bytes, 0600), 0);
                free(data);
                assert_int_equal(verify(directory, &error), 0);
        }
}

static void test_what_is_missing_or_added_is_named(void **state)
{
        const char *directory = scratch_path(state, "b");
        struct mu_backup_error error;

        make(state, directory);
        put(scratch_path(state, "b/data/more"), "x");
        assert_int_equal(verify(directory, &error), -EBADMSG);
        assert_non_null(strstr(error.text, "data/more"));
        assert_int_equal(unlink(scratch_path(state, "b/data/more")), 0);
        assert_int_equal(mkdir(scratch_path(state, "b/empty"), 0700), 0);
        assert_int_equal(verify(directory, &error), -EBADMSG);
        assert_non_null(strstr(error.text, "empty"));
        assert_int_equal(rmdir(scratch_path(state, "b/empty")), 0);
        assert_int_equal(unlink(scratch_path(state, "b/data/one")), 0);
        assert_int_equal(verify(directory, &error), -EBADMSG);
        assert_non_null(strstr(error.text, "data/one"));
        /* A link in its place is not followed. */
        assert_int_equal(symlink(scratch_path(state, "b/two"), scratch_path(state, "b/data/one")),
                         0);
        assert_true(verify(directory, &error) < 0);
        assert_non_null(strstr(error.text, "data/one"));
}

static void test_no_manifest_is_no_backup(void **state)
{
        struct mu_backup_error error;

        assert_int_equal(verify(*state, &error), -ENOENT);
        assert_non_null(strstr(error.text, MU_MANIFEST_FILE));
}

/* A manifest that was written by somebody else, checksum and all. */
static int read_forged(void **state, const char *text)
{
        struct mu_manifest manifest = {0};
        struct mu_backup_error error;
        uint8_t sha256[SHA256_DIGEST_LENGTH];
        char hex[65];
        char line[128];

        SHA256((const uint8_t *)text, strlen(text), sha256);
        mu_text_hex(sha256, sizeof(sha256), hex);
        (void)snprintf(line, sizeof(line), "%s  " MU_MANIFEST_FILE "\n", hex);
        put(scratch_path(state, MU_MANIFEST_FILE), text);
        put(scratch_path(state, MU_MANIFEST_SUM), line);
        int err = mu_manifest_read(*state, &manifest, &error);

        mu_manifest_done(&manifest);
        return err;
}

static void test_no_path_leads_out_of_it(void **state)
{
        static const char *const paths[] = {"../x", "/x", "a/../x", "a//x", ".",
                                            "a/.",  "a/", "",       "..",   "./x"};
        char text[1024];

        for (size_t i = 0; i < MU_COUNT_OF(paths); i++) {
                (void)snprintf(text, sizeof(text),
                               "{\"format\":\"muster-backup\",\"version\":1,\"directories\":{},"
                               "\"files\":{\"%s\":{\"bytes\":3,\"sha256\":\"%s\",\"mode\":384}}}",
                               paths[i], ABC);
                assert_int_equal(read_forged(state, text), -EBADMSG);
                (void)snprintf(text, sizeof(text),
                               "{\"format\":\"muster-backup\",\"version\":1,\"files\":{},"
                               "\"directories\":{\"%s\":448}}",
                               paths[i]);
                assert_int_equal(read_forged(state, text), -EBADMSG);
        }
        (void)snprintf(text, sizeof(text),
                       "{\"format\":\"muster-backup\",\"version\":1,\"directories\":{\"a\":448},"
                       "\"files\":{\"a/x\":{\"bytes\":3,\"sha256\":\"%s\",\"mode\":384}}}",
                       ABC);
        assert_int_equal(read_forged(state, text), 0);
}

static void test_other_formats_are_refused(void **state)
{
        assert_int_equal(read_forged(state, "{}"), -EBADMSG);
        assert_int_equal(read_forged(state, "no JSON"), -EBADMSG);
        assert_int_equal(read_forged(state, "{\"format\":\"muster-backup\",\"version\":2,"
                                            "\"files\":{},\"directories\":{}}"),
                         -EBADMSG);
        assert_int_equal(read_forged(state, "{\"format\":\"muster-backup\",\"version\":1,"
                                            "\"files\":[],\"directories\":{}}"),
                         -EBADMSG);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)
        const struct CMUnitTest tests[] = {
                TEST(test_round_trip),
                TEST(test_every_flipped_bit_is_found_and_named),
                TEST(test_what_is_missing_or_added_is_named),
                TEST(test_no_manifest_is_no_backup),
                TEST(test_no_path_leads_out_of_it),
                TEST(test_other_formats_are_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
