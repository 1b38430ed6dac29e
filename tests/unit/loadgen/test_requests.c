/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "heartbeat.h"
#include "malformed.h"
#include "muster/record.h"
#include "url.h"
#include "wire/heartbeat.h"
#include "wire/reply.h"

static struct mu_lg_url example_url(void)
{
        struct mu_lg_url url;
        char error[256];

        assert_int_equal(mu_lg_url_parse("http://127.0.0.1:8080/", &url, error, sizeof(error)), 0);
        return url;
}

/* Whatever the digits, Content-Length is the body's length and the body is the JSON that was meant.
 */
static void test_heartbeat_requests(void **state)
{
        static const uint32_t devices[] = {0, 9, 10, 1999, 99999, 1999999};
        struct mu_lg_url url = example_url();
        char out[MU_LG_HEARTBEAT_BYTES_MAX];

        (void)state;
        for (size_t i = 0; i < MU_COUNT_OF(devices); i++) {
                for (uint32_t seq = 0; seq < 2000000000; seq = seq * 13 + 1) {
                        struct mu_lg_device device = {.id = 5, .seq = seq, .token_bytes = 46};
                        uint32_t bucket = 176371920u + seq % 50000;

                        memset(device.token, 'T', 46);
                        uint32_t bytes =
                                mu_lg_heartbeat_request(out, &url, 0xdeadbeef, &device, devices[i],
                                                        bucket, UINT64_C(1763719200007), i % 2);
                        char *body = memmem(out, bytes, "\r\n\r\n", 4);
                        char *length = memmem(out, bytes, "Content-Length: ", 16);

                        assert_non_null(body);
                        assert_non_null(length);
                        body += 4;
                        assert_int_equal(strtoul(length + 16, NULL, 10), out + bytes - body);
                        json_t *root = json_loadb(body, (size_t)(out + bytes - body), 0, NULL);
                        assert_non_null(root);
                        assert_int_equal(json_integer_value(json_object_get(root, "ts")) / 10,
                                         bucket);
                        assert_int_equal(json_integer_value(json_object_get(root, "seq")), seq + 1);
                        assert_true(json_real_value(json_object_get(root, "sent_at")) >
                                    1763719200.006);
                        json_int_t battery = json_integer_value(json_object_get(root, "battery"));
                        assert_in_range(battery, 0, 100);
                        assert_int_equal(device.seq, seq + 1);
                        json_decref(root);
                }
        }
}

/* The appliance's own decoder takes what is sent, every field of it; and what it writes is read. */
static void test_speaks_the_wire(void **state)
{
        struct mu_lg_device device = {.id = 5};
        char json[MU_LG_ITEM_BYTES_MAX];
        char reply_room[MU_REPLY_HEARTBEAT_BYTES_MAX];
        struct mu_decoder *decoder;
        struct mu_heartbeat heartbeat;
        struct mu_wire_problem problem;
        struct mu_text reply;

        (void)state;
        assert_int_equal(mu_decoder_create(&decoder), 0);
        for (uint32_t index = 0; index < 100; index++) {
                uint64_t sent_at_ms = index % 2 == 0 ? UINT64_C(1763719200007) : 0;
                uint32_t bytes = mu_lg_heartbeat_json(json, 0xdeadbeef, &device, index,
                                                      176371920u + index, sent_at_ms, index + 1);

                assert_int_equal(mu_decode_heartbeat(decoder, json, bytes, &heartbeat, &problem),
                                 0);
                assert_int_equal(heartbeat.invalid, 0);
                assert_int_equal(heartbeat.ts_us / 10000000, 176371920u + index);
                assert_int_equal(heartbeat.record->seq, index + 1);
                assert_true(heartbeat.record->present & MU_FIELD_BOOT_ID);
                assert_int_equal(heartbeat.sent_at_us,
                                 sent_at_ms ? (int64_t)sent_at_ms * 1000 : MU_TIME_ABSENT);
        }
        mu_decoder_destroy(decoder);
        mu_text_init_fixed(&reply, reply_room, sizeof(reply_room));
        mu_reply_heartbeat(&reply, &(struct mu_heartbeat_reply){.server_time_us = 1000000,
                                                                .next_heartbeat_in_s = 297,
                                                                .commands = 3});
        assert_int_equal(mu_lg_json_number(reply.data, reply.bytes, "next_heartbeat_in_s"), 297);
        assert_int_equal(mu_lg_json_number(reply.data, reply.bytes, "commands"), 3);
}

static void test_json_number(void **state)
{
        static const char body[] =
                "{\"server_time\":1.5,\"next_heartbeat_in_s\": 287,\"commands\":0}";

        (void)state;
        assert_int_equal(mu_lg_json_number(body, sizeof(body) - 1, "next_heartbeat_in_s"), 287);
        assert_int_equal(mu_lg_json_number(body, sizeof(body) - 1, "commands"), 0);
        assert_int_equal(mu_lg_json_number(body, sizeof(body) - 1, "missing"), -1);
        assert_int_equal(mu_lg_json_number("{\"a\":null}", 10, "a"), -1);
        assert_int_equal(mu_lg_json_number("{\"a\":", 5, "a"), -1);
        assert_int_equal(mu_lg_json_number("", 0, "a"), -1);
}

static void test_urls(void **state)
{
        static const char *const bad[] = {"127.0.0.1:80", "ftp://x",        "http://",
                                          "http://x:0",   "http://x:65536", "http://x/path",
                                          "http://[::1",  "http://x?q",     "https://x:1y"};
        struct mu_lg_url url;
        char error[256];

        (void)state;
        assert_int_equal(mu_lg_url_parse("https://[::1]:8443", &url, error, sizeof(error)), 0);
        assert_true(url.is_tls);
        assert_string_equal(url.host, "::1");
        assert_string_equal(url.authority, "[::1]:8443");
        assert_int_equal(mu_lg_url_parse("http://muster", &url, error, sizeof(error)), 0);
        assert_string_equal(url.base, "http://muster:80");
        for (size_t i = 0; i < MU_COUNT_OF(bad); i++)
                assert_true(mu_lg_url_parse(bad[i], &url, error, sizeof(error)) < 0);
}

/* Every kind fits, has a sentence, and expects something. */
static void test_malformed_kinds(void **state)
{
        struct mu_lg_url url = example_url();
        char *out = malloc(MU_LG_MALFORMED_ROOM_BYTES);
        struct mu_lg_malformed_input input = {.url = &url,
                                              .token = "mu_token",
                                              .token_bytes = 8,
                                              .ts_s = 1763719200,
                                              .now_s = 1763719300,
                                              .out = out};

        (void)state;
        assert_non_null(out);
        assert_true(mu_lg_malformed_kinds_count >= 25);
        for (uint32_t i = 0; i < mu_lg_malformed_kinds_count; i++) {
                const struct mu_lg_malformed_kind *kind = &mu_lg_malformed_kinds[i];

                assert_in_range(kind->build(&input), 1, MU_LG_MALFORMED_ROOM_BYTES);
                assert_true(kind->expected != 0);
                assert_true(strlen(kind->text) > 0);
                for (uint32_t other = 0; other < i; other++)
                        assert_string_not_equal(kind->name, mu_lg_malformed_kinds[other].name);
        }
        free(out);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_heartbeat_requests), cmocka_unit_test(test_speaks_the_wire),
                cmocka_unit_test(test_json_number),        cmocka_unit_test(test_urls),
                cmocka_unit_test(test_malformed_kinds),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
