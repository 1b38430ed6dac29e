/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <errno.h>

#include "base/text.h"
#include "wire/heartbeat.h"

static struct mu_decoder *decoder;
static struct mu_heartbeat beat;
static struct mu_wire_problem problem;
static uint32_t item_count;
static int64_t sent_at_us;

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

        item_count = 7777;
        sent_at_us = 7777;
        memset(&problem, 0, sizeof(problem));
        r = mu_decode_batch(decoder, body, bytes, &item_count, &sent_at_us, &problem);
        free(body); /* next must not need it */
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
        if (field)
                assert_string_equal(problem.field, field);
        else
                assert_null(problem.field);
        assert_int_equal(item_count, 7777);
        assert_int_equal(mu_decode_batch_next(decoder, &beat, &problem), 0);
}

static void next_is(int64_t ts_us)
{
        assert_int_equal(mu_decode_batch_next(decoder, &beat, &problem), 1);
        assert_int_equal(beat.ts_us, ts_us);
        assert_int_equal((uintptr_t)beat.record % 8, 0);
}

static void next_refused(const char *type, const char *field)
{
        assert_int_equal(mu_decode_batch_next(decoder, &beat, &problem), -EBADMSG);
        assert_string_equal(problem.type, type);
        assert_string_equal(problem.field, field);
        assert_ptr_equal(problem.detail, mu_reason_sentence(problem.reason));
}

static void next_is_end(void)
{
        assert_int_equal(mu_decode_batch_next(decoder, &beat, &problem), 0);
        assert_int_equal(mu_decode_batch_next(decoder, &beat, &problem), 0);
}

static void test_items(void **state)
{
        struct mu_record_strings strings;

        (void)state;
        decode("{\"sent_at\":9.5,\"heartbeats\":[{\"ts\":1,\"ssid\":\"a\"},{\"ts\":2,\"ssid\":"
               "\"bc\",\"k\":1}]}");
        assert_int_equal(item_count, 2);
        assert_int_equal(sent_at_us, 9500000);
        next_is(1000000);
        next_is(2000000);
        mu_record_strings(beat.record, &strings);
        assert_memory_equal(strings.ssid, "bc", 2);
        assert_memory_equal(strings.extra, "{\"k\":1}", 7);
        assert_int_equal(beat.invalid, 0);
        assert_int_equal(beat.sent_at_us, MU_TIME_ABSENT);
        next_is_end();
        decode("{\"heartbeats\":[]}");
        assert_int_equal(item_count, 0);
        assert_int_equal(sent_at_us, MU_TIME_ABSENT);
        next_is_end();
}

/* All records of a batch stay readable until the next decode. */
static void test_records_stay(void **state)
{
        const struct mu_record *first;
        struct mu_record_strings strings;

        (void)state;
        decode("{\"heartbeats\":[{\"ts\":1,\"ssid\":\"abc\"},{\"ts\":2,\"ssid\":\"xyz\"}]}");
        next_is(1000000);
        first = beat.record;
        next_is(2000000);
        mu_record_strings(first, &strings);
        assert_memory_equal(strings.ssid, "abc", 3);
}

/* Each item is judged alone. */
static void test_judged_alone(void **state)
{
        (void)state;
        decode("{\"heartbeats\":[{\"ts\":1},{},{\"ts\":null},7,{\"ts\":\"x\"},{\"ts\":-1},"
               "{\"ts\":1,\"a\":1,\"a\":2},{\"ts\":1,\"seq\":1,\"seq\":2},null,[{\"ts\":1}],{"
               "\"ts\":2,\"battery\":101}]}");
        assert_int_equal(item_count, 11);
        next_is(1000000);
        next_refused("ts-missing", "heartbeats[1].ts");
        next_refused("ts-null", "heartbeats[2].ts");
        next_refused("item-type", "heartbeats[3]");
        next_refused("ts-type", "heartbeats[4].ts");
        next_refused("ts-range", "heartbeats[5].ts");
        next_refused("json-duplicate-key", "heartbeats[6]");
        next_refused("json-duplicate-key", "heartbeats[7].seq");
        next_refused("item-type", "heartbeats[8]");
        next_refused("item-type", "heartbeats[9]");
        next_is(2000000);
        assert_int_equal(beat.invalid, MU_FIELD_BATTERY);
        next_is_end();
}

static void test_envelope(void **state)
{
        (void)state;
        refused("[]", "body-type", NULL);
        refused("{}", "heartbeats-missing", "heartbeats");
        refused("{\"sent_at\":1}", "heartbeats-missing", "heartbeats");
        refused("{\"heartbeats\":null}", "heartbeats-type", "heartbeats");
        refused("{\"heartbeats\":{\"ts\":1}}", "heartbeats-type", "heartbeats");
        refused("{\"heartbeats\":[],\"heartbeats\":[{\"ts\":1}]}", "json-duplicate-key",
                "heartbeats");
        refused("{\"heartbeats\":[],\"heart\\u0062eats\":[]}", "json-duplicate-key", "heartbeats");
        refused("{\"sent_at\":1,\"heartbeats\":[],\"sent_at\":1}", "json-duplicate-key", "sent_at");
        refused("", "json-syntax", NULL);
        decode("{\"later\":{\"a\":[1]},\"heartb\\u0065ats\":[{\"ts\":1}],\"more\":null}");
        assert_int_equal(item_count, 1);
        next_is(1000000);
}

/* Syntax, wherever it is, refuses everything. */
static void test_syntax(void **state)
{
        (void)state;
        refused("{\"heartbeats\":[{\"ts\":1},{\"ts\":01}]}", "json-syntax", NULL);
        refused("{\"heartbeats\":[{\"ts\":1},]}", "json-syntax", NULL);
        refused("{\"heartbeats\":[{\"ts\":1}}", "json-syntax", NULL);
        refused("{\"heartbeats\":[{\"ts\":1}]", "json-syntax", NULL);
        refused("{\"heartbeats\":[{\"ts\":1}]}]", "json-syntax", NULL);
        refused("{\"heartbeats\":[{\"ts\":1}],}", "json-syntax", NULL);
        refused("{\"heartbeats\":[{\"ts\":1},7 8]}", "json-syntax", NULL);
        refused("{\"heartbeats\":[{\"ts\":1,\"x\":\"\xff\"}]}", "json-utf8", NULL);
        refused("{\"heartbeats\":[{\"ts\":1,\"x\":1e999}]}", "json-number", NULL);
        refused("{\"heartbeats\":null,}", "json-syntax", NULL);
}

static void test_sent_at_wrong(void **state)
{
        (void)state;
        /* Behind the items, too: it is about all of them. */
        decode("{\"heartbeats\":[{\"ts\":1},{\"ts\":2}],\"sent_at\":\"x\"}");
        assert_int_equal(sent_at_us, MU_TIME_ABSENT);
        for (int i = 1; i <= 2; i++) {
                next_is(i * 1000000);
                assert_int_equal(beat.invalid, MU_FIELD_SENT_AT);
                assert_int_equal(beat.record->flags, MU_RECORD_INVALID_FIELDS);
        }
        decode("{\"heartbeats\":[{\"ts\":1}],\"sent_at\":null}");
        assert_int_equal(sent_at_us, MU_TIME_ABSENT);
        next_is(1000000);
        assert_int_equal(beat.invalid, 0);
        assert_int_equal(beat.record->flags, 0);
}

/* A heartbeat may nest as deep in a batch as alone. */
static void test_depth(void **state)
{
        (void)state;
        decode("{\"heartbeats\":[{\"ts\":1,\"x\":[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]}]}");
        refused("{\"heartbeats\":[{\"ts\":1,\"x\":[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]}]}",
                "json-depth", NULL);
        refused("{\"later\":[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]],\"heartbeats\":[]}", "json-depth",
                NULL);
}

/* {"ts":0}, {"ts":1}, ...: least ones, or full ones of about 520 bytes; then tail. */
static void fill_batch(struct mu_text *text, uint32_t count, bool full, const char *tail)
{
        char fill[256];

        memset(fill, 'x', sizeof(fill));
        mu_text_clear(text);
        mu_text_add(text, "{\"heartbeats\":[");
        for (uint32_t i = 0; i < count; i++) {
                mu_text_add_format(text, "%s{\"ts\":%u", i ? "," : "", i);
                if (full)
                        mu_text_add_format(text,
                                           ",\"fg_package\":\"%.255s\",\"ssid\":\"%.64s\","
                                           "\"%.*s\":1",
                                           fill, fill, 162 - (i >= 10) - (i >= 100), fill);
                mu_text_add(text, "}");
        }
        mu_text_add(text, tail);
        assert_int_equal(mu_text_status(text), 0);
}

static void test_count(void **state)
{
        struct mu_text text;

        (void)state;
        mu_text_init(&text);
        fill_batch(&text, MU_BATCH_ITEMS_MAX, false, "]}");
        decode(text.data);
        assert_int_equal(item_count, MU_BATCH_ITEMS_MAX);
        for (int i = 0; i < MU_BATCH_ITEMS_MAX; i++)
                next_is(i * INT64_C(1000000));
        next_is_end();
        fill_batch(&text, MU_BATCH_ITEMS_MAX + 1, false, "]}");
        refused(text.data, "heartbeats-size", "heartbeats");
        assert_int_equal(mu_reason_status(MU_REASON_BATCH_SIZE), 413);
        fill_batch(&text, MU_BATCH_ITEMS_MAX + 1, false, "]");
        refused(text.data, "json-syntax", NULL);
        mu_text_done(&text);
}

/* 256 KiB whose every byte counts: the records' room is enough. */
static void test_fullest(void **state)
{
        char *body = malloc(MU_BODY_BYTES_MAX + 1);
        struct mu_text text;

        (void)state;
        assert_non_null(body);
        mu_text_init(&text);
        fill_batch(&text, MU_BATCH_ITEMS_MAX, true, "]}");
        assert_in_range(text.bytes, MU_BODY_BYTES_MAX - 4096, MU_BODY_BYTES_MAX);
        memset(body, ' ', MU_BODY_BYTES_MAX + 1);
        memcpy(body, text.data, text.bytes);
        mu_text_done(&text);
        assert_int_equal(decode_bytes(body, MU_BODY_BYTES_MAX), 0);
        for (int i = 0; i < MU_BATCH_ITEMS_MAX; i++) {
                next_is(i * INT64_C(1000000));
                assert_int_equal(beat.record->fg_package_bytes, 255);
                assert_int_equal(beat.record->ssid_bytes, 64);
                assert_in_range(beat.record->extra_bytes, 160, 170);
        }
        assert_int_equal(decode_bytes(body, MU_BODY_BYTES_MAX + 1), -EBADMSG);
        assert_string_equal(problem.type, "body-size");
        free(body);
}

static void test_rewind(void **state)
{
        (void)state;
        decode("{\"heartbeats\":[{\"ts\":1},7,{\"ts\":2}],\"sent_at\":\"x\"}");
        for (int pass = 0; pass < 2; pass++) {
                next_is(1000000);
                next_refused("item-type", "heartbeats[1]");
                next_is(2000000);
                assert_int_equal(beat.invalid, MU_FIELD_SENT_AT);
                next_is_end();
                mu_decode_batch_rewind(decoder);
        }
        next_is(1000000);
}

/* A single heartbeat after a batch, and the other way round. */
static void test_turns(void **state)
{
        static const char single[] = "{\"ts\":3}";

        (void)state;
        decode("{\"heartbeats\":[{\"ts\":1}],\"sent_at\":\"x\"}");
        assert_int_equal(mu_decode_heartbeat(decoder, single, sizeof(single) - 1, &beat, &problem),
                         0);
        assert_int_equal(beat.ts_us, 3000000);
        assert_int_equal(beat.invalid, 0);
        next_is_end();
        decode("{\"heartbeats\":[{\"ts\":1}]}");
        next_is(1000000);
        assert_int_equal(beat.invalid, 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_items),        cmocka_unit_test(test_records_stay),
                cmocka_unit_test(test_judged_alone), cmocka_unit_test(test_envelope),
                cmocka_unit_test(test_syntax),       cmocka_unit_test(test_sent_at_wrong),
                cmocka_unit_test(test_depth),        cmocka_unit_test(test_count),
                cmocka_unit_test(test_fullest),      cmocka_unit_test(test_turns),
                cmocka_unit_test(test_rewind),
        };

        return cmocka_run_group_tests(tests, setup, teardown);
}
