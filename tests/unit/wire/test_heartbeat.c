/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>

#include "base/text.h"
#include "wire/field.h"
#include "wire/heartbeat.h"

static struct mu_decoder *decoder;
static struct mu_heartbeat beat;
static struct mu_wire_problem problem;

static int setup(void **state)
{
        (void)state;
        return mu_decoder_create(&decoder);
}

static int teardown(void **state)
{
        (void)state;
        mu_decoder_destroy(decoder);
        return 0;
}

static int decode_bytes(const char *text, size_t bytes)
{
        char *body = exact_copy(text, bytes);
        int r;

        memset(&beat, 0x55, sizeof(beat));
        memset(&problem, 0, sizeof(problem));
        r = mu_decode_heartbeat(decoder, body, bytes, &beat, &problem);
        free(body); /* results must not point into it */
        return r;
}

static void decode(const char *text)
{
        if (decode_bytes(text, strlen(text)) != 0)
                fail_msg("%s refused: %s", text, problem.detail);
}

static void refused(const char *text, const char *type, const char *field)
{
        if (decode_bytes(text, strlen(text)) != -EBADMSG)
                fail_msg("accepted: %s", text);
        assert_string_equal(problem.type, type);
        assert_int_equal(problem.status, mu_reason_status(problem.reason));
        assert_string_equal(problem.type, mu_reason_type(problem.reason));
        assert_non_null(problem.detail);
        if (field)
                assert_string_equal(problem.field, field);
        else
                assert_null(problem.field);
}

static struct mu_record_strings strings_of(const struct mu_heartbeat *heartbeat)
{
        struct mu_record_strings strings;

        mu_record_strings(heartbeat->record, &strings);
        return strings;
}

static void assert_text(const char *got, uint32_t bytes, const char *want)
{
        assert_int_equal(bytes, strlen(want));
        assert_memory_equal(got, want, bytes);
}

static void test_everything(void **state)
{
        struct mu_record_strings strings;
        const struct mu_record *record;

        (void)state;
        decode("{\"ts\":1732182939.123456,\"sent_at\":1732182940.5,\"battery\":57,\"charging\":"
               "true,"
               "\"ram_free_mb\":512,\"ram_total_mb\":4096,\"uptime_s\":86400,\"network\":"
               "\"ethernet\","
               "\"ssid\":\"caf\\u00e9\",\"fg_package\":\"com.example.app\",\"monitored_last_fg_s\":"
               "12,"
               "\"agent_version\":\"1.4.2\",\"power_ok\":true,\"device_owner\":true,"
               "\"battery_unrestricted\":false,\"doze_whitelisted\":true,\"net_validated\":false,"
               "\"queue_depth\":3,\"boot_id\":\"b-1\",\"seq\":42,\"host_name\": \"pc\", \"cpu\" : "
               "[ 1.50 ]}");
        record = beat.record;
        strings = strings_of(&beat);
        assert_int_equal(beat.ts_us, INT64_C(1732182939123456));
        assert_int_equal(beat.sent_at_us, INT64_C(1732182940500000));
        assert_int_equal(beat.invalid, 0);
        assert_int_equal(record->present, (1u << MU_FIELD_COUNT) - 1);
        assert_int_equal(record->battery_percent, 57);
        assert_int_equal(record->booleans, MU_BOOL_CHARGING | MU_BOOL_POWER_OK |
                                                   MU_BOOL_DEVICE_OWNER | MU_BOOL_DOZE_WHITELISTED);
        assert_int_equal(record->ram_free_mb, 512);
        assert_int_equal(record->ram_total_mb, 4096);
        assert_int_equal(record->uptime_s, 86400);
        assert_int_equal(record->network, MU_NETWORK_ETHERNET);
        assert_text(strings.ssid, record->ssid_bytes, "caf\xc3\xa9");
        assert_text(strings.fg_package, record->fg_package_bytes, "com.example.app");
        assert_int_equal(record->monitored_last_fg_s, 12);
        assert_text(strings.agent_version, record->agent_version_bytes, "1.4.2");
        assert_int_equal(record->queue_depth, 3);
        assert_text(strings.boot_id, record->boot_id_bytes, "b-1");
        assert_int_equal(record->seq, 42);
        assert_text(strings.extra, record->extra_bytes, "{\"host_name\":\"pc\",\"cpu\":[1.50]}");
        assert_int_equal(record->flags, 0);
        assert_int_equal(record->device_id, 0);
        assert_int_equal(record->received_at_us, 0);
        assert_int_equal(record->observed_at_us, 0);
        assert_int_equal(record->bucket_s, 0);
        assert_int_equal(record->clock_offset_s, 0);
        assert_int_equal(record->reserved, 0);
}

static void test_least(void **state)
{
        (void)state;
        decode("{\"ts\":0}");
        assert_int_equal(beat.ts_us, 0);
        assert_int_equal(beat.sent_at_us, MU_TIME_ABSENT);
        assert_int_equal(beat.record->present, 0);
        assert_int_equal(beat.record->flags, 0);
        assert_int_equal(mu_record_bytes(beat.record), sizeof(struct mu_record));
        decode(" {\n\t\"\\u0074s\" : 1 }\r\n"); /* a key may be escaped */
        assert_int_equal(beat.ts_us, 1000000);
}

static void test_ts(void **state)
{
        (void)state;
        refused("{}", "ts-missing", "ts");
        refused("{\"battery\":1}", "ts-missing", "ts");
        refused("{\"ts\":null}", "ts-null", "ts");
        refused("{\"ts\":\"1732182939\"}", "ts-type", "ts");
        refused("{\"ts\":true}", "ts-type", "ts");
        refused("{\"ts\":{}}", "ts-type", "ts");
        refused("{\"ts\":-1}", "ts-range", "ts");
        refused("{\"ts\":-0.0000001}", "ts-range", "ts");
        refused("{\"ts\":4102444800}", "ts-range", "ts");
        refused("{\"ts\":4102444799.9999999}", "ts-range", "ts");
        refused("{\"ts\":1732182939123}", "ts-range", "ts");
        refused("{\"ts\":1e300}", "ts-range", "ts");
        decode("{\"ts\":4102444799.999999}");
        assert_int_equal(beat.ts_us, INT64_C(4102444799999999));
        decode("{\"ts\":-0}");
        assert_int_equal(beat.ts_us, 0);
        decode("{\"ts\":1.732182939e9}");
        assert_int_equal(beat.ts_us, INT64_C(1732182939000000));
}

/* One optional field: what is stored or refused. */
static void optional(const char *member, uint32_t bit, bool good)
{
        char text[512];

        (void)snprintf(text, sizeof(text), "{%s,\"ts\":5}", member);
        decode(text);
        if (beat.record->present != (good ? bit : 0) || beat.invalid != (good ? 0 : bit) ||
            beat.record->flags != (good ? 0 : MU_RECORD_INVALID_FIELDS))
                fail_msg("%s: present %x, invalid %x", text, beat.record->present, beat.invalid);
}

static void absent(const char *member)
{
        optional(member, 0, true);
}

static void test_integers(void **state)
{
        (void)state;
        optional("\"battery\":0", MU_FIELD_BATTERY, true);
        optional("\"battery\":-0", MU_FIELD_BATTERY, true);
        optional("\"battery\":100", MU_FIELD_BATTERY, true);
        optional("\"battery\":57.0", MU_FIELD_BATTERY, true);
        assert_int_equal(beat.record->battery_percent, 57);
        optional("\"battery\":5.7e1", MU_FIELD_BATTERY, true);
        assert_int_equal(beat.record->battery_percent, 57);
        optional("\"battery\":57.5", MU_FIELD_BATTERY, false);
        optional("\"battery\":101", MU_FIELD_BATTERY, false);
        optional("\"battery\":-1", MU_FIELD_BATTERY, false);
        optional("\"battery\":1e300", MU_FIELD_BATTERY, false);
        optional("\"battery\":\"57\"", MU_FIELD_BATTERY, false);
        optional("\"battery\":true", MU_FIELD_BATTERY, false);
        optional("\"battery\":[57,{\"a\":null}]", MU_FIELD_BATTERY, false);
        absent("\"battery\":null");
        optional("\"ram_free_mb\":2147483647", MU_FIELD_RAM_FREE, true);
        assert_int_equal(beat.record->ram_free_mb, INT32_MAX);
        optional("\"ram_free_mb\":2147483648", MU_FIELD_RAM_FREE, false);
        optional("\"ram_total_mb\":-1", MU_FIELD_RAM_TOTAL, false);
        optional("\"uptime_s\":9007199254740992", MU_FIELD_UPTIME, true);
        assert_int_equal(beat.record->uptime_s, INT64_C(9007199254740992));
        optional("\"uptime_s\":9007199254740993", MU_FIELD_UPTIME, false);
        optional("\"seq\":1", MU_FIELD_SEQ, true);
        optional("\"seq\":0", MU_FIELD_SEQ, false);
        optional("\"queue_depth\":2147483648", MU_FIELD_QUEUE_DEPTH, false);
        optional("\"monitored_last_fg_s\":1.5", MU_FIELD_MONITORED_LAST_FG, false);
        optional("\"monitored_last_fg_s\":1732182939", MU_FIELD_MONITORED_LAST_FG, true);
}

static void test_booleans(void **state)
{
        static const char *const names[] = {"charging",         "power_ok",
                                            "device_owner",     "battery_unrestricted",
                                            "doze_whitelisted", "net_validated"};
        static const uint32_t fields[] = {MU_FIELD_CHARGING,         MU_FIELD_POWER_OK,
                                          MU_FIELD_DEVICE_OWNER,     MU_FIELD_BATTERY_UNRESTRICTED,
                                          MU_FIELD_DOZE_WHITELISTED, MU_FIELD_NET_VALIDATED};
        static const char *const wrong[] = {"1", "\"true\"", "[]", "{}"};
        char member[64];

        (void)state;
        for (size_t i = 0; i < 6; i++) {
                (void)snprintf(member, sizeof(member), "\"%s\":true", names[i]);
                optional(member, fields[i], true);
                assert_int_equal(__builtin_popcount(beat.record->booleans), 1);
                (void)snprintf(member, sizeof(member), "\"%s\":false", names[i]);
                optional(member, fields[i], true);
                assert_int_equal(beat.record->booleans, 0);
                (void)snprintf(member, sizeof(member), "\"%s\":null", names[i]);
                absent(member);
                for (size_t w = 0; w < 4; w++) {
                        (void)snprintf(member, sizeof(member), "\"%s\":%s", names[i], wrong[w]);
                        optional(member, fields[i], false);
                }
        }
}

/* A string of exactly the limit is kept, one byte more is not; NUL never. */
static void check_string(const char *name, uint32_t bit, int limit, bool empty_good)
{
        char member[400];
        char fill[300];

        memset(fill, 'x', sizeof(fill));
        (void)snprintf(member, sizeof(member), "\"%s\":\"%.*s\"", name, limit, fill);
        optional(member, bit, true);
        (void)snprintf(member, sizeof(member), "\"%s\":\"%.*s\"", name, limit + 1, fill);
        optional(member, bit, false);
        /* Counted after the escapes are resolved. */
        (void)snprintf(member, sizeof(member), "\"%s\":\"%.*s\\u0041\"", name, limit - 1, fill);
        optional(member, bit, true);
        (void)snprintf(member, sizeof(member), "\"%s\":\"%.*s\\u00e9\"", name, limit - 1, fill);
        optional(member, bit, false);
        (void)snprintf(member, sizeof(member), "\"%s\":\"\"", name);
        optional(member, bit, empty_good);
        (void)snprintf(member, sizeof(member), "\"%s\":\"a\\u0000b\"", name);
        optional(member, bit, false);
        (void)snprintf(member, sizeof(member), "\"%s\":7", name);
        optional(member, bit, false);
        (void)snprintf(member, sizeof(member), "\"%s\":null", name);
        absent(member);
}

static void test_strings(void **state)
{
        (void)state;
        check_string("ssid", MU_FIELD_SSID, MU_SSID_BYTES_MAX, true);
        check_string("fg_package", MU_FIELD_FG_PACKAGE, MU_FG_PACKAGE_BYTES_MAX, true);
        check_string("agent_version", MU_FIELD_AGENT_VERSION, MU_AGENT_VERSION_BYTES_MAX, true);
        check_string("boot_id", MU_FIELD_BOOT_ID, MU_BOOT_ID_BYTES_MAX, false);
}

static void test_network(void **state)
{
        (void)state;
        optional("\"network\":\"wifi\"", MU_FIELD_NETWORK, true);
        assert_int_equal(beat.record->network, MU_NETWORK_WIFI);
        optional("\"network\":\"cellular\"", MU_FIELD_NETWORK, true);
        assert_int_equal(beat.record->network, MU_NETWORK_CELLULAR);
        optional("\"network\":\"o\\u0066fline\"", MU_FIELD_NETWORK, true);
        assert_int_equal(beat.record->network, MU_NETWORK_OFFLINE);
        optional("\"network\":\"WiFi\"", MU_FIELD_NETWORK, false);
        optional("\"network\":\"wifi \"", MU_FIELD_NETWORK, false);
        optional("\"network\":\"\"", MU_FIELD_NETWORK, false);
        optional("\"network\":0", MU_FIELD_NETWORK, false);
        absent("\"network\":null");
}

static void test_sent_at(void **state)
{
        (void)state;
        optional("\"sent_at\":1732182939.25", MU_FIELD_SENT_AT, true);
        assert_int_equal(beat.sent_at_us, INT64_C(1732182939250000));
        optional("\"sent_at\":-1", MU_FIELD_SENT_AT, false);
        assert_int_equal(beat.sent_at_us, MU_TIME_ABSENT);
        optional("\"sent_at\":\"x\"", MU_FIELD_SENT_AT, false);
        absent("\"sent_at\":null");
}

static void test_duplicates(void **state)
{
        (void)state;
        refused("{\"ts\":1,\"ts\":2}", "json-duplicate-key", "ts");
        refused("{\"ts\":1,\"t\\u0073\":1}", "json-duplicate-key", "ts");
        refused("{\"ts\":1,\"battery\":null,\"battery\":2}", "json-duplicate-key", "battery");
        refused("{\"ts\":1,\"abc\":1,\"x\":2,\"abc\":3}", "json-duplicate-key", "abc");
        refused("{\"ts\":1,\"abc\":1,\"a\\u0062c\":3}", "json-duplicate-key", "abc");
        refused("{\"ts\":1,\"abcdefghij\":1,\"\\u0061bcdefghij\":3}", "json-duplicate-key",
                "abcdefghij");
        refused("{\"ts\":1,\"\":1,\"\":null}", "json-duplicate-key", "");
        /* The first problem is told, but syntax comes before all. */
        refused("{\"ts\":1,\"ts\":2,}", "json-syntax", NULL);
        refused("{\"ts\":null,\"battery\":1,\"battery\":1}", "ts-null", "ts");
        decode("{\"ts\":1,\"a\":{\"b\":1,\"b\":2}}"); /* inside a value they are PostgreSQL's */
        decode("{\"ts\":1,\"Ts\":1,\"ts \":2,\"t\":3}");
}

static void test_doubled_long_key_is_cut_between_characters(void **state)
{
        struct mu_text key;
        struct mu_text text;

        (void)state;
        mu_text_init(&key);
        mu_text_init(&text);
        mu_text_add(&key, "x");
        for (int i = 0; i < 40; i++)
                mu_text_add(&key, "\xc3\xa9");
        mu_text_add_format(&text, "{\"ts\":1,\"%s\":1,\"%s\":1}", key.data, key.data);
        assert_int_equal(decode_bytes(text.data, text.bytes), -EBADMSG);
        assert_int_equal(strlen(problem.field), 63);
        assert_memory_equal(problem.field, key.data, 63);
        mu_text_done(&key);
        mu_text_done(&text);
}

static void test_many_keys(void **state)
{
        struct mu_text text;
        size_t full;

        (void)state;
        mu_text_init(&text);
        mu_text_add(&text, "{\"ts\":1");
        for (int i = 0; i < MU_JSON_KEYS_MAX; i++)
                mu_text_add_format(&text, ",\"%d\":1", i);
        full = text.bytes;
        mu_text_add(&text, "}");
        decode(text.data);
        mu_text_cut(&text, full);
        mu_text_add(&text, ",\"x\":1}");
        refused(text.data, "json-keys", NULL);
        mu_text_cut(&text, full);
        mu_text_add(&text, ",\"255\":1}");
        refused(text.data, "json-duplicate-key", "255");
        mu_text_done(&text);
}

static void extra_is(const char *members, const char *want)
{
        char text[512];

        (void)snprintf(text, sizeof(text), "{\"ts\":1%s}", members);
        decode(text);
        if (!want) {
                assert_int_equal(beat.invalid, MU_FIELD_EXTRA);
                assert_int_equal(beat.record->present, 0);
                assert_int_equal(beat.record->extra_bytes, 0);
                return;
        }
        assert_int_equal(beat.invalid, 0);
        assert_text(strings_of(&beat).extra, beat.record->extra_bytes, want);
        assert_int_equal(beat.record->present, *want ? MU_FIELD_EXTRA : 0);
}

static void test_extra(void **state)
{
        (void)state;
        extra_is(",\"a\":1", "{\"a\":1}");
        extra_is(", \"a\" : 1 , \"b\" : { \"c\" : [ true , null ] }",
                 "{\"a\":1,\"b\":{\"c\":[true,null]}}");
        extra_is(",\"a b\\u0041\" \t: \"x \\n y\"", "{\"a b\\u0041\":\"x \\n y\"}");
        extra_is(",\"a\":null", "");
        extra_is(",\"a\":null,\"b\":2,\"c\":null", "{\"b\":2}");
        extra_is(",\"extra\":{\"a\":1}", "{\"extra\":{\"a\":1}}");
        extra_is(",\"a\":1.10", "{\"a\":1.10}");
        extra_is(",\"a\":123456789012345678901234567890", "{\"a\":123456789012345678901234567890}");
        /* What jsonb refuses. */
        extra_is(",\"a\":\"\\u0000\"", NULL);
        extra_is(",\"a\":[{\"\\u0000\":1}]", NULL);
        extra_is(",\"\\u0000\":1", NULL);
        extra_is(",\"a\":1e-20000", NULL);
        extra_is(",\"a\":\"\\\\u0000\"", "{\"a\":\"\\\\u0000\"}");
}

static void test_extra_size(void **state)
{
        char fill[3000];
        char text[4000];

        (void)state;
        memset(fill, 'x', sizeof(fill));
        /* {"k":"..."} is 8 more than the filling. */
        (void)snprintf(text, sizeof(text), "{\"ts\":1,\"k\":\"%.*s\"}", MU_EXTRA_BYTES_MAX - 8,
                       fill);
        decode(text);
        assert_int_equal(beat.record->extra_bytes, MU_EXTRA_BYTES_MAX);
        (void)snprintf(text, sizeof(text), "{\"k\":\"%.*s\",\"ts\":1,\"battery\":5}",
                       MU_EXTRA_BYTES_MAX - 7, fill);
        decode(text);
        assert_int_equal(beat.record->extra_bytes, 0);
        assert_int_equal(beat.invalid, MU_FIELD_EXTRA);
        assert_int_equal(beat.record->present, MU_FIELD_BATTERY);
        assert_int_equal(beat.record->flags, MU_RECORD_INVALID_FIELDS);
        /* Dropped, but read to its end. */
        (void)snprintf(text, sizeof(text), "{\"k\":\"%.*s\",\"ts\":1,\"z\":01}", MU_EXTRA_BYTES_MAX,
                       fill);
        refused(text, "json-syntax", NULL);
}

static void test_largest_record(void **state)
{
        char fill[3000];
        char text[4000];

        (void)state;
        memset(fill, 'x', sizeof(fill));
        (void)snprintf(text, sizeof(text),
                       "{\"ts\":1,\"ssid\":\"%.64s\",\"fg_package\":\"%.255s\",\"agent_version\":"
                       "\"%.64s\","
                       "\"boot_id\":\"%.64s\",\"k\":\"%.2040s\"}",
                       fill, fill, fill, fill, fill);
        decode(text);
        assert_int_equal(mu_record_bytes(beat.record), MU_RECORD_BYTES_MAX);
}

static void test_body(void **state)
{
        char *text = malloc(MU_BODY_BYTES_MAX + 1);

        (void)state;
        assert_non_null(text);
        refused("", "json-syntax", NULL);
        refused("[]", "body-type", NULL);
        refused("7", "body-type", NULL);
        refused("[1,]", "json-syntax", NULL);
        refused("{\"ts\":1} x", "json-syntax", NULL);
        refused("{\"ts\":1}{}", "json-syntax", NULL);
        refused("{\"ts\":01}", "json-syntax", NULL);
        refused("{\"ts\":+1}", "json-syntax", NULL);
        refused("{\"ts\":NaN}", "json-syntax", NULL);
        refused("{\"ts\":1,\"x\":1e999}", "json-number", NULL);
        refused("{\"ts\":1e999}", "json-number", NULL);
        refused("{\"ts\":1,\"x\":\"\xff\"}", "json-utf8", NULL);
        refused("{\"ts\":1,\"\xc3\":1}", "json-utf8", NULL);
        refused("{\"ts\":1,\"battery\":{\"a\":\"\\ud800\"}}", "json-syntax", NULL);
        refused("{\"ts\":1,\"ssid\":\"\\ud800\"}", "json-syntax", NULL);
        refused("{\"ts\":1,\"\\ud800\":1}", "json-syntax", NULL);
        refused("{\"ts\":1,\"ssid\":\"a\nb\"}", "json-syntax", NULL);
        memset(text, ' ', MU_BODY_BYTES_MAX + 1);
        memcpy(text, "{\"ts\":1}", 8);
        assert_int_equal(decode_bytes(text, MU_BODY_BYTES_MAX), 0);
        assert_int_equal(decode_bytes(text, MU_BODY_BYTES_MAX + 1), -EBADMSG);
        assert_string_equal(problem.type, "body-size");
        assert_int_equal(problem.status, 413);
        free(text);
}

static void test_depth(void **state)
{
        (void)state;
        decode("{\"ts\":1,\"x\":[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]}"); /* 1 + 15 */
        refused("{\"ts\":1,\"x\":[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]}", "json-depth", NULL);
        refused("{\"ts\":1,\"battery\":[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]}", "json-depth", NULL);
}

/* A sentence that helps: where, and nothing of another problem. */
static void test_sentences(void **state)
{
        (void)state;
        refused("{\"ts\":1,\"x\":tru}", "json-syntax", NULL);
        assert_string_equal(problem.detail,
                            "The body is not valid JSON. The place is byte 12 of the body.");
        refused("{\"ts\":1,", "json-syntax", NULL);
        assert_string_equal(problem.detail,
                            "The body is not valid JSON. The place is byte 8 of the body.");
        refused("{\"ts\":1,\"x\":\"\\q\"}", "json-syntax", NULL);
        assert_string_equal(problem.detail,
                            "The body is not valid JSON. The place is byte 12 of the body.");
        refused("{\"x\":\"", "json-syntax", NULL);
        assert_string_equal(problem.detail, "The body is not valid JSON.");
}

static void test_names(void **state)
{
        char text[64];

        (void)state;
        for (uint32_t i = 0; i < MU_FIELD_COUNT; i++) {
                const char *name = mu_field_name((enum mu_record_field)(1u << i));

                assert_string_equal(name, mu_wire_fields[i].name);
                if ((1u << i) == MU_FIELD_EXTRA)
                        continue;
                assert_int_equal(mu_field_find(name, (uint32_t)strlen(name)), i);
                /* Neighbours of a name are not the name. */
                for (size_t at = 0; at < strlen(name); at++) {
                        (void)snprintf(text, sizeof(text), "%s", name);
                        text[at] ^= 1;
                        assert_int_equal(mu_field_find(text, (uint32_t)strlen(text)),
                                         MU_FIELD_INDEX_UNKNOWN);
                }
                assert_int_equal(mu_field_find(name, (uint32_t)strlen(name) - 1),
                                 MU_FIELD_INDEX_UNKNOWN);
        }
        assert_int_equal(mu_field_find("ts", 2), MU_FIELD_INDEX_TS);
        assert_int_equal(mu_field_find("", 0), MU_FIELD_INDEX_UNKNOWN);
        assert_int_equal(mu_field_find("extra", 5), MU_FIELD_INDEX_UNKNOWN);
        assert_string_equal(mu_field_name(MU_FIELD_RAM_TOTAL), "ram_total_mb");
        assert_string_equal(mu_field_name(MU_FIELD_SENT_AT), "sent_at");
        assert_string_equal(mu_field_name(MU_FIELD_EXTRA), "extra");
}

static void test_no_allocation(void **state)
{
        static const char text[] =
                "{\"ts\":1,\"ss\\u0069d\":\"\\u0041\",\"k\":[1,{\"\\n\":2}],\"ts2\":3}";
        struct mallinfo2 before;

        (void)state;
        decode(text);
        before = mallinfo2();
        for (int i = 0; i < 100; i++)
                assert_int_equal(
                        mu_decode_heartbeat(decoder, text, sizeof(text) - 1, &beat, &problem), 0);
        assert_int_equal(mallinfo2().uordblks, before.uordblks);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_everything),
                cmocka_unit_test(test_least),
                cmocka_unit_test(test_ts),
                cmocka_unit_test(test_integers),
                cmocka_unit_test(test_booleans),
                cmocka_unit_test(test_strings),
                cmocka_unit_test(test_network),
                cmocka_unit_test(test_sent_at),
                cmocka_unit_test(test_duplicates),
                cmocka_unit_test(test_doubled_long_key_is_cut_between_characters),
                cmocka_unit_test(test_many_keys),
                cmocka_unit_test(test_extra),
                cmocka_unit_test(test_extra_size),
                cmocka_unit_test(test_largest_record),
                cmocka_unit_test(test_body),
                cmocka_unit_test(test_depth),
                cmocka_unit_test(test_sentences),
                cmocka_unit_test(test_names),
                cmocka_unit_test(test_no_allocation),
        };

        return cmocka_run_group_tests(tests, setup, teardown);
}
