/* SPDX-License-Identifier: Apache-2.0 */
#include "muster/update.h"

#include <errno.h>
#include <jansson.h>
#include <openssl/base64.h>
#include <openssl/curve25519.h>
#include <string.h>

#include "muster/command.h" /* mu_command_hex_read */
#include "unit.h"

static json_t *vectors;

static int load_vectors(void **state)
{
        (void)state;
        vectors = json_load_file(UPDATE_VECTORS, JSON_REJECT_DUPLICATES, NULL);
        return vectors ? 0 : -1;
}

static int drop_vectors(void **state)
{
        (void)state;
        json_decref(vectors);
        return 0;
}

static const char *text_of(const json_t *object, const char *name)
{
        const char *text = json_string_value(json_object_get(object, name));

        assert_non_null(text);
        return text;
}

static void read_base64(const char *text, uint8_t *ret, size_t bytes)
{
        uint8_t room[128];
        size_t got;

        assert_int_equal(
                EVP_DecodeBase64(room, &got, sizeof(room), (const uint8_t *)text, strlen(text)), 1);
        assert_int_equal(got, bytes);
        memcpy(ret, room, bytes);
}

static void read_form(const json_t *release, struct mu_update_form *ret_form)
{
        ret_form->version = text_of(release, "version");
        ret_form->size_bytes = json_integer_value(json_object_get(release, "size_bytes"));
        assert_true(mu_command_hex_read(text_of(release, "sha256"), ret_form->sha256,
                                        sizeof(ret_form->sha256)));
}

/* The vectors were signed with another library than the one that checks them here. */
static bool is_signed(const json_t *release)
{
        struct mu_update_form form;
        char text[MU_UPDATE_CANONICAL_BYTES];
        uint8_t signature[MU_UPDATE_SIGNATURE_BYTES];
        uint8_t key[ED25519_PUBLIC_KEY_LEN];
        size_t bytes;

        read_form(release, &form);
        read_base64(text_of(vectors, "public_key"), key, sizeof(key));
        read_base64(text_of(release, "signature"), signature, sizeof(signature));
        assert_int_equal(mu_update_canonical(&form, text, &bytes), 0);
        assert_int_equal(bytes, strlen(text));
        if (json_object_get(release, "canonical"))
                assert_string_equal(text, text_of(release, "canonical"));
        return ED25519_verify((const uint8_t *)text, bytes, signature, key) == 1;
}

static void the_vectors_releases_are_signed(void **state)
{
        const json_t *releases = json_object_get(vectors, "releases");

        (void)state;
        assert_true(json_array_size(releases) >= 4);
        for (size_t i = 0; i < json_array_size(releases); i++)
                if (!is_signed(json_array_get(releases, i)))
                        fail_msg("%s", text_of(json_array_get(releases, i), "name"));
}

static void the_vectors_forgeries_are_not(void **state)
{
        const json_t *refused = json_object_get(vectors, "refused");

        (void)state;
        assert_true(json_array_size(refused) >= 8);
        for (size_t i = 0; i < json_array_size(refused); i++)
                if (is_signed(json_array_get(refused, i)))
                        fail_msg("%s", text_of(json_array_get(refused, i), "name"));
}

static void a_form_against_its_grammar_is_not_written(void **state)
{
        char text[MU_UPDATE_CANONICAL_BYTES] = "as it was";
        size_t bytes = 77;
        struct mu_update_form form = {.version = "1.0\n1", .size_bytes = 1};

        (void)state;
        assert_int_equal(mu_update_canonical(&form, text, &bytes), -EINVAL);
        form.version = "1.0";
        form.size_bytes = 0;
        assert_int_equal(mu_update_canonical(&form, text, &bytes), -EINVAL);
        form.size_bytes = MU_UPDATE_BYTES_MAX + INT64_C(1);
        assert_int_equal(mu_update_canonical(&form, text, &bytes), -EINVAL);
        assert_string_equal(text, "as it was");
        assert_int_equal(bytes, 77);
}

static const json_t *versions(const char *name)
{
        return json_object_get(json_object_get(vectors, "versions"), name);
}

static int sign_of(int order)
{
        return (order > 0) - (order < 0);
}

static void each_version_is_newer_than_those_before_it(void **state)
{
        const json_t *ordered = versions("ordered");
        size_t count = json_array_size(ordered);

        (void)state;
        assert_true(count > 10);
        for (size_t i = 0; i < count; i++) {
                const char *one = json_string_value(json_array_get(ordered, i));

                assert_true(mu_update_version_valid(one));
                for (size_t j = 0; j < count; j++) {
                        const char *other = json_string_value(json_array_get(ordered, j));

                        if (sign_of(mu_update_version_compare(one, other)) !=
                            sign_of((int)i - (int)j))
                                fail_msg("%s and %s", one, other);
                }
        }
}

static void two_ways_to_write_a_version_are_the_same_one(void **state)
{
        const json_t *same = versions("same");

        (void)state;
        assert_true(json_array_size(same) > 3);
        for (size_t i = 0; i < json_array_size(same); i++) {
                const json_t *pair = json_array_get(same, i);
                const char *one = json_string_value(json_array_get(pair, 0));
                const char *other = json_string_value(json_array_get(pair, 1));

                if (mu_update_version_compare(one, other) != 0 ||
                    mu_update_version_compare(other, one) != 0)
                        fail_msg("%s and %s", one, other);
        }
}

static void what_is_no_version_is_refused(void **state)
{
        const json_t *invalid = versions("invalid");

        (void)state;
        assert_true(json_array_size(invalid) > 10);
        for (size_t i = 0; i < json_array_size(invalid); i++) {
                const char *text = json_string_value(json_array_get(invalid, i));

                if (mu_update_version_valid(text))
                        fail_msg("'%s'", text);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_vectors_releases_are_signed),
                cmocka_unit_test(the_vectors_forgeries_are_not),
                cmocka_unit_test(a_form_against_its_grammar_is_not_written),
                cmocka_unit_test(each_version_is_newer_than_those_before_it),
                cmocka_unit_test(two_ways_to_write_a_version_are_the_same_one),
                cmocka_unit_test(what_is_no_version_is_refused),
        };

        return cmocka_run_group_tests(tests, load_vectors, drop_vectors);
}
