/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <errno.h>
#include <jansson.h>

#include "wire/heartbeat.h"
#include "wire/reply.h"

static void test_heartbeat(void **state)
{
        char buffer[MU_REPLY_HEARTBEAT_BYTES_MAX];
        struct mu_text text;
        struct mu_heartbeat_reply reply = {
                .server_time_us = INT64_C(1732182939012999),
                .next_heartbeat_in_s = 300,
        };

        (void)state;
        mu_text_init_fixed(&text, buffer, sizeof(buffer));
        mu_reply_heartbeat(&text, &reply);
        assert_int_equal(mu_text_status(&text), 0);
        assert_string_equal(text.data,
                            "{\"server_time\":1732182939.012,\"next_heartbeat_in_s\":300,"
                            "\"commands\":0,\"update\":false}");
        reply.commands = 2;
        reply.update = true;
        reply.duplicate = true;
        reply.invalid = MU_FIELD_BATTERY | MU_FIELD_SENT_AT;
        mu_text_clear(&text);
        mu_reply_heartbeat(&text, &reply);
        assert_string_equal(
                text.data,
                "{\"server_time\":1732182939.012,\"next_heartbeat_in_s\":300,\"commands\":2,"
                "\"update\":true,\"invalid_fields\":[\"battery\",\"sent_at\"],\"duplicate\":true}");
}

/* The longest reply fits the room that is promised, and is JSON. */
static void test_longest(void **state)
{
        char buffer[MU_REPLY_HEARTBEAT_BYTES_MAX];
        struct mu_text text;
        struct mu_heartbeat_reply reply = {
                .server_time_us = INT64_MAX,
                .next_heartbeat_in_s = UINT32_MAX,
                .commands = UINT32_MAX,
                .duplicate = true,
                .invalid = (1u << MU_FIELD_COUNT) - 1,
        };
        json_t *root;

        (void)state;
        mu_text_init_fixed(&text, buffer, sizeof(buffer));
        mu_reply_heartbeat(&text, &reply);
        assert_int_equal(mu_text_status(&text), 0);
        root = json_loads(text.data, JSON_REJECT_DUPLICATES, NULL);
        assert_int_equal(json_array_size(json_object_get(root, "invalid_fields")), MU_FIELD_COUNT);
        json_decref(root);
        /* And one that does not fit says so. */
        mu_text_init_fixed(&text, buffer, 40);
        mu_reply_heartbeat(&text, &reply);
        assert_int_equal(mu_text_status(&text), -ENOBUFS);
}

static void test_batch(void **state)
{
        char buffer[512];
        struct mu_text text;

        (void)state;
        mu_text_init_fixed(&text, buffer, sizeof(buffer));
        mu_reply_batch_open(&text);
        mu_reply_batch_item(&text, 0, MU_ITEM_STORED, MU_REASON_COUNT);
        mu_reply_batch_item(&text, 1, MU_ITEM_DUPLICATE, MU_REASON_COUNT);
        mu_reply_batch_item(&text, 2, MU_ITEM_REJECTED, MU_REASON_ITEM_TYPE);
        mu_reply_batch_item(&text, 3, MU_ITEM_SHED, MU_REASON_COUNT);
        mu_reply_batch_close(&text);
        assert_int_equal(mu_text_status(&text), 0);
        assert_string_equal(
                text.data, "{\"results\":[{\"status\":\"stored\"},{\"status\":\"duplicate\"},"
                           "{\"status\":\"rejected\",\"error\":\"The item is not a JSON object.\"},"
                           "{\"status\":\"shed\"}]}");
        mu_text_clear(&text);
        mu_reply_batch_open(&text);
        mu_reply_batch_close(&text);
        assert_string_equal(text.data, "{\"results\":[]}");
}

/* Every sentence goes into JSON as it is, within an item's room. */
static void test_sentences(void **state)
{
        char buffer[256];
        struct mu_text text;

        (void)state;
        for (int reason = 0; reason < MU_REASON_COUNT; reason++) {
                const char *sentence = mu_reason_sentence((enum mu_wire_reason)reason);

                for (const char *at = sentence; *at; at++)
                        assert_true(*at >= ' ' && *at <= '~' && *at != '"' && *at != '\\');
                mu_text_init_fixed(&text, buffer, sizeof(buffer));
                mu_reply_batch_item(&text, 1, MU_ITEM_REJECTED, (enum mu_wire_reason)reason);
                assert_in_range(text.bytes, 1, MU_REPLY_ITEM_BYTES_MAX);
        }
}

static void test_register(void **state)
{
        char buffer[512];
        struct mu_text text;
        const struct mu_register_reply reply = {
                .device_id = INT64_MAX,
                .token = "mu_abc",
                .hmac_key = "a\"b",
                .hmac_version = 1,
                .heartbeat_interval_s = 300,
                .next_heartbeat_in_s = 0,
        };

        (void)state;
        mu_text_init_fixed(&text, buffer, sizeof(buffer));
        mu_reply_register(&text, &reply);
        assert_string_equal(text.data,
                            "{\"device_id\":\"9223372036854775807\",\"token\":\"mu_abc\","
                            "\"hmac\":{\"key\":\"a\\\"b\",\"version\":1},"
                            "\"heartbeat_interval_s\":300,\"next_heartbeat_in_s\":0}");
}

static void test_integer(void **state)
{
        static const struct {
                int64_t value;
                const char *want;
        } cases[] = {{0, "0"},
                     {9, "9"},
                     {10, "10"},
                     {-1, "-1"},
                     {INT64_MAX, "9223372036854775807"},
                     {INT64_MIN, "-9223372036854775808"}};
        char buffer[32];
        struct mu_text text;

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                mu_text_init_fixed(&text, buffer, sizeof(buffer));
                mu_reply_add_integer(&text, cases[i].value);
                assert_string_equal(text.data, cases[i].want);
        }
}

/* The published finaliser: splitmix64 of seed 0 gives this first number. */
static void test_verify_mix(void **state)
{
        (void)state;
        assert_true(mu_verify_mix64(0) == 0);
        assert_true(mu_verify_mix64(UINT64_C(0x9e3779b97f4a7c15)) == UINT64_C(0xe220a8397b1dcdaf));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_heartbeat),  cmocka_unit_test(test_longest),
                cmocka_unit_test(test_batch),      cmocka_unit_test(test_sentences),
                cmocka_unit_test(test_register),   cmocka_unit_test(test_integer),
                cmocka_unit_test(test_verify_mix),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
