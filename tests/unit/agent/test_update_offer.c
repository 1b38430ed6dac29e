/* SPDX-License-Identifier: Apache-2.0 */
#include "core/update_offer.h"

#include <errno.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base64.h"
#include "fake_platform.h"

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

/* The offer of a release of the vectors, to be freed. */
static json_t *offer_of(const char *list, size_t i)
{
        json_t *offer = json_deep_copy(json_array_get(json_object_get(vectors, list), i));

        assert_non_null(offer);
        assert_int_equal(json_object_set_new(offer, "url", json_string("/v1/agent/apk/7")), 0);
        return offer;
}

static int read_offer(const json_t *json, struct mu_agent_update_offer *ret_offer)
{
        char sentence[MU_AGENT_SENTENCE_BYTES] = "";
        char *text = json_dumps(json, JSON_COMPACT);

        assert_non_null(text);
        int err = mu_agent_update_offer_read(text, strlen(text), ret_offer, sentence);

        free(text);
        assert_int_equal(sentence[0] != '\0', err < 0);
        return err;
}

static bool is_signed(const struct mu_agent_update_offer *offer)
{
        struct mu_agent_config config = {.update_key_count = 2};
        const char *key = json_string_value(json_object_get(vectors, "public_key"));

        assert_int_equal(mu_agent_base64_decode(key, config.update_keys[1], MU_ED25519_KEY_BYTES),
                         0);
        return mu_agent_update_offer_is_signed(offer, &config, &fake_crypto);
}

static void the_vectors_releases_can_be_offered(void **state)
{
        size_t count = json_array_size(json_object_get(vectors, "releases"));
        struct mu_agent_update_offer offer;

        (void)state;
        assert_true(count >= 4);
        for (size_t i = 0; i < count; i++) {
                json_t *json = offer_of("releases", i);

                assert_int_equal(read_offer(json, &offer), 0);
                assert_true(is_signed(&offer));
                assert_string_equal(offer.url, "/v1/agent/apk/7");
                assert_string_equal(offer.version,
                                    json_string_value(json_object_get(json, "version")));
                assert_false(offer.constraints.wifi_only || offer.constraints.not_in_call ||
                             offer.constraints.min_battery != 0);
                json_decref(json);
        }
}

static void the_vectors_forgeries_are_read_and_not_signed(void **state)
{
        size_t count = json_array_size(json_object_get(vectors, "refused"));
        struct mu_agent_update_offer offer;

        (void)state;
        assert_true(count >= 8);
        for (size_t i = 0; i < count; i++) {
                json_t *json = offer_of("refused", i);

                assert_int_equal(read_offer(json, &offer), 0);
                if (is_signed(&offer))
                        fail_msg("%s", json_string_value(json_object_get(json, "name")));
                json_decref(json);
        }
}

static void members_against_their_grammar_are_refused(void **state)
{
        static const struct {
                const char *name;
                const char *value;
        } wrong[] = {
                {"version", "2"},
                {"version", "\"2.0.0\\n\""},
                {"version", "\"2.0.0\\u0000\""},
                {"size_bytes", "0"},
                {"size_bytes", "-1"},
                {"size_bytes", "67108865"},
                {"size_bytes", "15.0"},
                {"size_bytes", "\"15\""},
                {"sha256", "\"00\""},
                {"sha256", "null"},
                {"signature", "\"AAAA\""},
                {"signature", "17"},
                {"url", "\"\""},
                {"url", "\"file:///etc/passwd\""},
                {"url", "\"//elsewhere.example/x\""},
                {"url", "\"http://elsewhere.example/x\""},
                {"url", "\"http://127.0.0.1.example/x\""},
                {"url", "\"https://user@elsewhere.example/x\""},
                {"url", "\"https://elsewhere.example\""},
                {"url", "\"https:/elsewhere.example/x\""},
                {"url", "\"relative/x\""},
                {"url", "\"/a b\""},
                {"url", "\"/a\\nb\""},
                {"url", "\"/a#b\""},
                {"url", "\"/\\u0000\""},
                {"constraints", "[]"},
                {"constraints", "{\"wifi_only\":1}"},
                {"constraints", "{\"not_in_call\":\"yes\"}"},
                {"constraints", "{\"min_battery\":101}"},
                {"constraints", "{\"min_battery\":-1}"},
                {"constraints", "{\"min_battery\":true}"},
        };
        struct mu_agent_update_offer offer = {.size_bytes = 77};

        (void)state;
        for (size_t i = 0; i < MU_COUNT_OF(wrong); i++) {
                json_t *json = offer_of("releases", 1);
                json_t *value = json_loads(wrong[i].value, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);

                assert_non_null(value);
                assert_int_equal(json_object_set_new(json, wrong[i].name, value), 0);
                if (read_offer(json, &offer) != -EBADMSG)
                        fail_msg("%s = %s", wrong[i].name, wrong[i].value);
                json_decref(json);
        }
        assert_int_equal(offer.size_bytes, 77);
}

static void urls_that_may_be_loaded_from(void **state)
{
        static const char *const urls[] = {
                "/",
                "/a?b=c&d",
                "https://files.example/agent",
                "https://files.example:8443/",
                "HTTPS://files.example/agent",
                "https://[2001:db8::1]:443/agent",
                "http://127.0.0.1:8080/agent",
                "http://[::1]/agent",
                "http://localhost/agent",
        };
        struct mu_agent_update_offer offer;

        (void)state;
        for (size_t i = 0; i < MU_COUNT_OF(urls); i++) {
                json_t *json = offer_of("releases", 1);

                assert_int_equal(json_object_set_new(json, "url", json_string(urls[i])), 0);
                if (read_offer(json, &offer) != 0)
                        fail_msg("%s", urls[i]);
                assert_string_equal(offer.url, urls[i]);
                json_decref(json);
        }
}

static void a_url_has_its_longest(void **state)
{
        char url[MU_UPDATE_URL_BYTES + 1] = "/";
        struct mu_agent_update_offer offer;
        json_t *json = offer_of("releases", 1);

        (void)state;
        memset(url + 1, 'a', sizeof(url) - 2);
        assert_int_equal(json_object_set_new(json, "url", json_string(url)), 0);
        assert_int_equal(read_offer(json, &offer), -EBADMSG);
        url[MU_UPDATE_URL_BYTES - 1] = '\0';
        assert_int_equal(json_object_set_new(json, "url", json_string(url)), 0);
        assert_int_equal(read_offer(json, &offer), 0);
        json_decref(json);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_vectors_releases_can_be_offered),
                cmocka_unit_test(the_vectors_forgeries_are_read_and_not_signed),
                cmocka_unit_test(members_against_their_grammar_are_refused),
                cmocka_unit_test(urls_that_may_be_loaded_from),
                cmocka_unit_test(a_url_has_its_longest),
        };

        return cmocka_run_group_tests(tests, load_vectors, drop_vectors);
}
