/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's half of the wire against the appliance's: what report.c writes goes through the
 * appliance's decoder, what the appliance's reply.c writes is read by the agent's reply.c. Neither
 * can change alone.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/text.h"
#include "core/uplink.h"
#include "fake_platform.h"
#include "muster/record.h"
#include "wire/field.h"
#include "wire/heartbeat.h"
#include "wire/reply.h"

#define TS_US INT64_C(1799999990123000)
#define ALL_FIELDS ((1u << MU_FIELD_COUNT) - 1u)

struct fixture {
        struct fake_platform *fake;
        struct mu_agent_core core;
        struct mu_agent_readings readings;
        struct mu_decoder *decoder;
        struct mu_text text;
};

static int set_up(void **state)
{
        struct fixture *fixture = calloc(1, sizeof(*fixture));

        assert_non_null(fixture);
        fixture->fake = fake_platform_create();
        fixture->core.platform = &fixture->fake->platform;
        mu_agent_readings_init(&fixture->readings);
        (void)snprintf(fixture->readings.boot_id, sizeof(fixture->readings.boot_id), "boot-1");
        assert_int_equal(mu_decoder_create(&fixture->decoder), 0);
        mu_text_init(&fixture->text);
        *state = fixture;
        return 0;
}

static int tear_down(void **state)
{
        struct fixture *fixture = *state;

        json_decref(fixture->readings.extra);
        mu_text_done(&fixture->text);
        mu_decoder_destroy(fixture->decoder);
        fake_platform_destroy(fixture->fake);
        free(fixture);
        return 0;
}

static void fill(struct mu_agent_readings *readings)
{
        readings->battery = 57;
        readings->charging = MU_AGENT_YES;
        readings->ram_free_mb = 1024;
        readings->ram_total_mb = 7800;
        readings->uptime_s = 86399;
        readings->network = MU_AGENT_NETWORK_CELLULAR;
        (void)snprintf(readings->ssid, sizeof(readings->ssid), "K\xc3\xbc\"che\\ 5");
        (void)snprintf(readings->fg_package, sizeof(readings->fg_package), "org.example.kiosk");
        readings->monitored_ago_s = 12;
        readings->power_ok = MU_AGENT_NO;
        readings->device_owner = MU_AGENT_YES;
        readings->battery_unrestricted = MU_AGENT_NO;
        readings->doze_whitelisted = MU_AGENT_YES;
        readings->net_validated = MU_AGENT_YES;
        readings->extra = json_pack("{s:s,s:i,s:f,s:[i,i]}", "user", "alice", "idle_s", 9, "load",
                                    1.5, "list", 1, 2);
        assert_non_null(readings->extra);
}

static void write_report(struct fixture *fixture, int64_t seq, uint32_t depth)
{
        mu_text_clear(&fixture->text);
        assert_int_equal(mu_agent_report_write(&fixture->core, &fixture->readings, TS_US, seq,
                                               depth, &fixture->text),
                         0);
}

static struct mu_agent_item item_of(struct fixture *fixture)
{
        return (struct mu_agent_item){.body = fixture->text.data,
                                      .body_bytes = fixture->text.bytes};
}

/* What the appliance makes of the heartbeat as it is sent. */
static void decode(struct fixture *fixture, struct mu_text *sent, struct mu_heartbeat *ret)
{
        struct mu_agent_item item = item_of(fixture);
        struct mu_wire_problem problem = {.detail = ""};

        mu_text_init(sent);
        assert_int_equal(mu_agent_report_single(&item, TS_US + 250000, sent), 0);
        int r = mu_decode_heartbeat(fixture->decoder, sent->data, sent->bytes, ret, &problem);

        if (r < 0)
                print_error("%s\n%s\n", problem.detail, sent->data);
        assert_int_equal(r, 0);
}

static void assert_slice(const char *text, uint32_t bytes, const char *expected)
{
        assert_int_equal(bytes, strlen(expected));
        assert_memory_equal(text, expected, bytes);
}

static void test_every_field_arrives(void **state)
{
        struct fixture *fixture = *state;
        struct mu_record_strings strings;
        struct mu_heartbeat heartbeat;
        struct mu_text sent;

        fill(&fixture->readings);
        write_report(fixture, 3, 7);
        decode(fixture, &sent, &heartbeat);

        const struct mu_record *record = heartbeat.record;

        assert_int_equal(heartbeat.invalid, 0);
        /* sent_at is of the request, not of the record. */
        assert_int_equal(record->present | MU_FIELD_SENT_AT, ALL_FIELDS);
        assert_int_equal(heartbeat.ts_us, TS_US);
        assert_int_equal(heartbeat.sent_at_us, TS_US + 250000);
        assert_int_equal(record->battery_percent, 57);
        assert_int_equal(record->ram_free_mb, 1024);
        assert_int_equal(record->ram_total_mb, 7800);
        assert_int_equal(record->uptime_s, 86399);
        assert_int_equal(record->network, MU_NETWORK_CELLULAR);
        assert_int_equal(record->monitored_last_fg_s, 12);
        assert_int_equal(record->queue_depth, 7);
        assert_int_equal(record->seq, 3);
        assert_int_equal(record->booleans, MU_BOOL_CHARGING | MU_BOOL_DEVICE_OWNER |
                                                   MU_BOOL_DOZE_WHITELISTED |
                                                   MU_BOOL_NET_VALIDATED);
        mu_record_strings(record, &strings);
        assert_slice(strings.ssid, record->ssid_bytes, "K\xc3\xbc\"che\\ 5");
        assert_slice(strings.fg_package, record->fg_package_bytes, "org.example.kiosk");
        assert_slice(strings.agent_version, record->agent_version_bytes, "1.0.0");
        assert_slice(strings.boot_id, record->boot_id_bytes, "boot-1");
        assert_slice(strings.extra, record->extra_bytes,
                     "{\"user\":\"alice\",\"idle_s\":9,\"load\":1.5,\"list\":[1,2]}");
        mu_text_done(&sent);
}

static void test_unknown_readings_are_left_out(void **state)
{
        struct fixture *fixture = *state;
        struct mu_heartbeat heartbeat;
        struct mu_text sent;

        write_report(fixture, 1, 0);
        decode(fixture, &sent, &heartbeat);
        assert_int_equal(heartbeat.invalid, 0);
        assert_int_equal(heartbeat.record->present & ~(uint32_t)MU_FIELD_SENT_AT,
                         MU_FIELD_AGENT_VERSION | MU_FIELD_BOOT_ID | MU_FIELD_SEQ |
                                 MU_FIELD_QUEUE_DEPTH);
        mu_text_done(&sent);
}

static void test_every_network_and_boolean(void **state)
{
        static const struct {
                enum mu_agent_network agent;
                enum mu_record_network record;
        } networks[] = {
                {MU_AGENT_NETWORK_OFFLINE, MU_NETWORK_OFFLINE},
                {MU_AGENT_NETWORK_WIFI, MU_NETWORK_WIFI},
                {MU_AGENT_NETWORK_CELLULAR, MU_NETWORK_CELLULAR},
                {MU_AGENT_NETWORK_ETHERNET, MU_NETWORK_ETHERNET},
        };
        struct fixture *fixture = *state;
        struct mu_heartbeat heartbeat;
        struct mu_text sent;

        fill(&fixture->readings);
        fixture->readings.charging = MU_AGENT_NO;
        fixture->readings.power_ok = MU_AGENT_YES;
        fixture->readings.device_owner = MU_AGENT_NO;
        fixture->readings.battery_unrestricted = MU_AGENT_YES;
        fixture->readings.doze_whitelisted = MU_AGENT_NO;
        fixture->readings.net_validated = MU_AGENT_NO;
        for (size_t i = 0; i < MU_COUNT_OF(networks); i++) {
                fixture->readings.network = networks[i].agent;
                write_report(fixture, 1, 0);
                decode(fixture, &sent, &heartbeat);
                assert_int_equal(heartbeat.invalid, 0);
                assert_true(heartbeat.record->present & MU_FIELD_NETWORK);
                assert_int_equal(heartbeat.record->network, networks[i].record);
                assert_int_equal(heartbeat.record->booleans,
                                 MU_BOOL_POWER_OK | MU_BOOL_BATTERY_UNRESTRICTED);
                mu_text_done(&sent);
        }
}

static void test_limits_of_texts(void **state)
{
        struct fixture *fixture = *state;
        struct mu_agent_readings *readings = &fixture->readings;
        struct mu_record_strings strings;
        struct mu_heartbeat heartbeat;
        struct mu_text sent;

        /* As long as the buffers are; each of these bytes needs an escape of six. */
        memset(readings->ssid, 1, sizeof(readings->ssid) - 1);
        memset(readings->fg_package, 'p', sizeof(readings->fg_package) - 1);
        memset(readings->boot_id, 'b', sizeof(readings->boot_id) - 1);
        fixture->fake->platform.version =
                "0123456789012345678901234567890123456789012345678901234567890123456789";
        write_report(fixture, MU_JSON_INTEGER_MAX, INT32_MAX);
        decode(fixture, &sent, &heartbeat);
        assert_int_equal(heartbeat.invalid, 0);
        assert_int_equal(heartbeat.record->ssid_bytes, MU_SSID_BYTES_MAX);
        assert_int_equal(heartbeat.record->fg_package_bytes, MU_FG_PACKAGE_BYTES_MAX);
        assert_int_equal(heartbeat.record->boot_id_bytes, MU_BOOT_ID_BYTES_MAX);
        assert_int_equal(heartbeat.record->agent_version_bytes, MU_AGENT_VERSION_BYTES_MAX);
        mu_text_done(&sent);

        /* 13 characters of 5 would be cut within one; an SSID that is not UTF-8 keeps its length.
         */
        memset(readings->ssid, 0, sizeof(readings->ssid));
        (void)snprintf(readings->ssid, sizeof(readings->ssid), "caf\xe9");
        write_report(fixture, 1, 0);
        decode(fixture, &sent, &heartbeat);
        assert_int_equal(heartbeat.invalid, 0);
        mu_record_strings(heartbeat.record, &strings);
        assert_slice(strings.ssid, heartbeat.record->ssid_bytes, "caf?");
        mu_text_done(&sent);
}

static void test_wrong_readings_are_left_out(void **state)
{
        struct fixture *fixture = *state;
        struct mu_heartbeat heartbeat;
        struct mu_text sent;

        fixture->readings.battery = 101;
        fixture->readings.ram_free_mb = INT64_C(1) << 31;
        fixture->readings.uptime_s = MU_JSON_INTEGER_MAX + 1;
        fixture->readings.monitored_ago_s = INT64_C(1000000000); /* would be taken for a time */
        write_report(fixture, 1, 0);
        decode(fixture, &sent, &heartbeat);
        assert_int_equal(heartbeat.invalid, 0);
        assert_int_equal(heartbeat.record->present & (MU_FIELD_BATTERY | MU_FIELD_RAM_FREE |
                                                      MU_FIELD_UPTIME | MU_FIELD_MONITORED_LAST_FG),
                         0);
        mu_text_done(&sent);
}

/* A member of a reading's extra cannot break the heartbeat, whatever it is called or holds. */
static void test_extra_is_harmless(void **state)
{
        struct fixture *fixture = *state;
        struct mu_heartbeat heartbeat;
        struct mu_record_strings strings;
        struct mu_text sent;
        json_t *deep = json_integer(1);
        char key[16];

        for (int i = 0; i < 20; i++) {
                json_t *outer = json_array();

                json_array_append_new(outer, deep);
                deep = outer;
        }
        fixture->core.refused_commands = 1;
        fixture->core.rejected_reports = 2;
        fixture->core.update_failures = 3;
        fixture->readings.extra = json_object();
        for (uint32_t i = 0; i < MU_FIELD_INDEX_UNKNOWN; i++)
                json_object_set_new(fixture->readings.extra, mu_wire_fields[i].name,
                                    json_string("mine"));
        json_object_del(fixture->readings.extra, "extra"); /* no key of the wire */
        json_object_set_new(fixture->readings.extra, "refused_commands", json_integer(9));
        json_object_set_new(fixture->readings.extra, "", json_integer(9));
        json_object_set_new(fixture->readings.extra, "deep", deep);
        json_object_set_new(fixture->readings.extra, "null", json_null());
        json_object_set_new(fixture->readings.extra, "huge", json_real(1.5e308));
        json_object_set_new(fixture->readings.extra, "nul", json_stringn("a\0b", 3));
        json_object_set_new(fixture->readings.extra, "in", json_pack("[{s:f}]", "x", -1.7e308));
        json_object_set_new(fixture->readings.extra, "good", json_true());
        write_report(fixture, 1, 0);
        decode(fixture, &sent, &heartbeat);
        assert_int_equal(heartbeat.invalid, 0);
        assert_int_equal(heartbeat.ts_us, TS_US);
        mu_record_strings(heartbeat.record, &strings);
        assert_slice(strings.extra, heartbeat.record->extra_bytes,
                     "{\"refused_commands\":1,\"rejected_reports\":2,\"update_failures\":3,"
                     "\"good\":true}");
        mu_text_done(&sent);

        /* Too much of it: as much as there is room for, and the smaller ones after it. */
        json_object_clear(fixture->readings.extra);
        for (int i = 0; i < 60; i++) {
                (void)snprintf(key, sizeof(key), "key%02d", i);
                json_object_set_new(fixture->readings.extra, key,
                                    json_string("0123456789012345678901234567890123456789"));
        }
        json_object_set_new(fixture->readings.extra, "s", json_integer(1));
        write_report(fixture, 1, 0);
        decode(fixture, &sent, &heartbeat);
        assert_int_equal(heartbeat.invalid, 0);
        assert_in_range(heartbeat.record->extra_bytes, 1990, MU_EXTRA_BYTES_MAX);
        mu_record_strings(heartbeat.record, &strings);
        assert_memory_equal(strings.extra + heartbeat.record->extra_bytes - 7, ",\"s\":1}", 7);
        mu_text_done(&sent);
}

/* Exactly 2 KiB are kept, one byte more is not sent. */
static void test_extra_to_the_byte(void **state)
{
        struct fixture *fixture = *state;
        struct mu_heartbeat heartbeat;
        struct mu_text sent;
        char value[MU_EXTRA_BYTES_MAX + 1];

        for (int more = 0; more < 2; more++) {
                /* {"k":"…"} */
                memset(value, 'v', sizeof(value));
                value[MU_EXTRA_BYTES_MAX - 8 + more] = '\0';
                json_decref(fixture->readings.extra);
                fixture->readings.extra = json_pack("{s:s}", "k", value);
                write_report(fixture, 1, 0);
                decode(fixture, &sent, &heartbeat);
                assert_int_equal(heartbeat.invalid, 0);
                assert_int_equal(heartbeat.record->extra_bytes, more == 0 ? MU_EXTRA_BYTES_MAX : 0);
                mu_text_done(&sent);
        }
}

static void test_batch_arrives(void **state)
{
        enum { ITEMS = MU_BATCH_ITEMS_MAX };
        struct fixture *fixture = *state;
        struct mu_agent_item *items = calloc(ITEMS, sizeof(*items));
        struct mu_agent_items batch = {.count = ITEMS, .items = items};
        struct mu_wire_problem problem;
        struct mu_heartbeat heartbeat;
        int64_t sent_at_us;
        uint32_t count;

        assert_non_null(items);
        fill(&fixture->readings);
        for (int i = 0; i < ITEMS; i++) {
                write_report(fixture, i + 1, (uint32_t)i);
                items[i].body = strdup(fixture->text.data);
                items[i].body_bytes = fixture->text.bytes;
        }
        mu_text_clear(&fixture->text);
        assert_int_equal(mu_agent_report_batch(&batch, TS_US + 500000, &fixture->text), 0);
        assert_true(fixture->text.bytes <= MU_BODY_BYTES_MAX);
        assert_int_equal(mu_decode_batch(fixture->decoder, fixture->text.data, fixture->text.bytes,
                                         &count, &sent_at_us, &problem),
                         0);
        assert_int_equal(count, ITEMS);
        assert_int_equal(sent_at_us, TS_US + 500000);
        for (int i = 0; i < ITEMS; i++) {
                assert_int_equal(mu_decode_batch_next(fixture->decoder, &heartbeat, &problem), 1);
                assert_int_equal(heartbeat.invalid, 0);
                assert_int_equal(heartbeat.record->seq, i + 1);
                assert_int_equal(heartbeat.record->queue_depth, i);
                assert_int_equal(heartbeat.record->present | MU_FIELD_SENT_AT, ALL_FIELDS);
        }
        for (int i = 0; i < ITEMS; i++)
                free(items[i].body);
        free(items);
}

static void test_damaged_item_is_told(void **state)
{
        struct fixture *fixture = *state;
        struct mu_agent_item item = {.body = (char *)"{\"ts\":1", .body_bytes = 7};
        struct mu_agent_items items = {.count = 1, .items = &item};

        assert_int_equal(mu_agent_report_single(&item, TS_US, &fixture->text), -EBADMSG);
        mu_text_clear(&fixture->text);
        assert_int_equal(mu_agent_report_batch(&items, TS_US, &fixture->text), -EBADMSG);
}

static void test_clock_before_the_epoch(void **state)
{
        struct fixture *fixture = *state;
        struct mu_heartbeat heartbeat;
        struct mu_wire_problem problem;

        assert_int_equal(mu_agent_report_write(&fixture->core, &fixture->readings, -5000000, 1, 0,
                                               &fixture->text),
                         0);
        assert_int_equal(mu_decode_heartbeat(fixture->decoder, fixture->text.data,
                                             fixture->text.bytes, &heartbeat, &problem),
                         0);
        assert_int_equal(heartbeat.ts_us, 0);
}

/* ---- the appliance's answers ---- */

static void test_heartbeat_reply(void **state)
{
        struct fixture *fixture = *state;
        struct mu_agent_heartbeat_reply reply = {.next_heartbeat_in_s = -1};

        mu_reply_heartbeat(&fixture->text, &(struct mu_heartbeat_reply){
                                                   .server_time_us = INT64_C(1732182939012999),
                                                   .next_heartbeat_in_s = 297,
                                                   .commands = 4,
                                                   .update = true,
                                                   .duplicate = true,
                                                   .invalid = MU_FIELD_BATTERY | MU_FIELD_EXTRA,
                                           });
        assert_int_equal(mu_agent_reply_heartbeat(fixture->text.data, fixture->text.bytes, &reply),
                         0);
        assert_true(reply.server_time_s > 1732182939.0115 && reply.server_time_s < 1732182939.0125);
        assert_int_equal(reply.next_heartbeat_in_s, 297);
        assert_int_equal(reply.commands, 4);
        assert_true(reply.update);

        mu_text_clear(&fixture->text);
        mu_reply_heartbeat(&fixture->text, &(struct mu_heartbeat_reply){.server_time_us = 1000000});
        assert_int_equal(mu_agent_reply_heartbeat(fixture->text.data, fixture->text.bytes, &reply),
                         0);
        assert_int_equal(reply.next_heartbeat_in_s, 0);
        assert_int_equal(reply.commands, 0);
        assert_false(reply.update);
}

static void test_heartbeat_reply_of_others(void **state)
{
        static const char *const wrong[] = {
                "",
                "<html>sign in to this network</html>",
                "[]",
                "null",
                "\"server_time\"",
                "{\"server_time\":\"now\"}",
                "{\"server_time\":-1}",
                "{\"server_time\":4102444800}",
                "{\"server_time\":1,\"server_time\":2}",
                "{\"next_heartbeat_in_s\":-1}",
                "{\"next_heartbeat_in_s\":1.5}",
                "{\"next_heartbeat_in_s\":99999999999}",
                "{\"commands\":\"1\"}",
                "{\"update\":1}",
                "{\"server_time\":1} ",
        };
        const struct mu_agent_heartbeat_reply before = {
                .server_time_s = 7, .next_heartbeat_in_s = 8, .commands = 9, .update = true};
        struct mu_agent_heartbeat_reply reply = before;

        (void)state;
        for (size_t i = 0; i < MU_COUNT_OF(wrong); i++) {
                bool good = i + 1 == MU_COUNT_OF(wrong); /* white space is JSON */

                assert_int_equal(mu_agent_reply_heartbeat(wrong[i], strlen(wrong[i]), &reply),
                                 good ? 0 : -EBADMSG);
                if (!good)
                        assert_memory_equal(&reply, &before, sizeof(reply));
        }
        /* What is absent, or null, stays; what is new is let through. */
        reply = before;
        assert_int_equal(mu_agent_reply_heartbeat("{\"commands\":null,\"x\":{}}",
                                                  strlen("{\"commands\":null,\"x\":{}}"), &reply),
                         0);
        assert_memory_equal(&reply, &before, sizeof(reply));
}

static void test_batch_reply(void **state)
{
        static const enum mu_agent_verdict expected[MU_ITEM_STATUS_COUNT] = {
                [MU_ITEM_STORED] = MU_AGENT_DELIVERED,
                [MU_ITEM_DUPLICATE] = MU_AGENT_DELIVERED,
                [MU_ITEM_REJECTED] = MU_AGENT_ASIDE,
                [MU_ITEM_SHED] = MU_AGENT_KEEP,
        };
        struct fixture *fixture = *state;
        enum mu_agent_verdict verdicts[MU_ITEM_STATUS_COUNT];
        const char *whys[MU_ITEM_STATUS_COUNT];
        json_t *memory = NULL;

        mu_reply_batch_open(&fixture->text);
        for (uint32_t i = 0; i < MU_ITEM_STATUS_COUNT; i++)
                mu_reply_batch_item(&fixture->text, i, (enum mu_item_status)i, MU_REASON_TS_WINDOW);
        mu_reply_batch_close(&fixture->text);
        assert_int_equal(mu_agent_reply_batch(fixture->text.data, fixture->text.bytes,
                                              MU_ITEM_STATUS_COUNT, verdicts, whys, &memory),
                         0);
        for (uint32_t i = 0; i < MU_ITEM_STATUS_COUNT; i++) {
                assert_int_equal(verdicts[i], expected[i]);
                if (i == MU_ITEM_REJECTED)
                        assert_string_equal(whys[i], mu_reason_sentence(MU_REASON_TS_WINDOW));
                else
                        assert_null(whys[i]);
        }
        json_decref(memory);
}

static void test_batch_reply_of_others(void **state)
{
        static const char *const wrong[] = {
                "",
                "{}",
                "[]",
                "{\"results\":{}}",
                "{\"results\":[]}",
                "{\"results\":[{\"status\":\"stored\"}]}",
                "{\"results\":[{\"status\":\"stored\"},{\"status\":\"kept\"}]}",
                "{\"results\":[{\"status\":\"stored\"},{\"status\":1}]}",
                "{\"results\":[{\"status\":\"stored\"},\"stored\"]}",
                "{\"results\":[{\"status\":\"stored\"},{}]}",
                ("{\"results\":[{\"status\":\"stored\"},{\"status\":\"stored\"},"
                 "{\"status\":\"stored\"}]}"),
                "{\"results\":[{\"status\":\"stored\"},{\"status\":\"stored\"}]",
        };
        enum mu_agent_verdict verdicts[2];
        const char *whys[2];
        json_t *memory = NULL;

        (void)state;
        for (size_t i = 0; i < MU_COUNT_OF(wrong); i++) {
                assert_int_equal(mu_agent_reply_batch(wrong[i], strlen(wrong[i]), 2, verdicts, whys,
                                                      &memory),
                                 -EBADMSG);
                assert_null(memory);
                assert_int_equal(verdicts[0], MU_AGENT_KEEP);
                assert_int_equal(verdicts[1], MU_AGENT_KEEP);
        }
}

static int read_result(const char *json, int64_t command_id)
{
        return mu_agent_reply_result(json, strlen(json), command_id);
}

static void assert_detail(const char *json, const char *expected)
{
        char detail[8];

        mu_agent_reply_problem(json, strlen(json), detail, sizeof(detail));
        assert_string_equal(detail, expected);
}

static void test_result_and_problem(void **state)
{
        (void)state;
        assert_int_equal(read_result("{\"command_id\":\"99\",\"state\":\"done\"}", 99), 0);
        assert_int_equal(read_result("{\"command_id\":\"98\"}", 99), -EBADMSG);
        assert_int_equal(read_result("{\"command_id\":99}", 99), -EBADMSG);
        assert_int_equal(read_result("<html>", 99), -EBADMSG);
        assert_detail("{\"detail\":\"too long a sentence\"}", "too lon");
        assert_detail("<html>", "");
        assert_detail("{\"detail\":7}", "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_every_field_arrives),
                TEST(test_unknown_readings_are_left_out),
                TEST(test_every_network_and_boolean),
                TEST(test_limits_of_texts),
                TEST(test_wrong_readings_are_left_out),
                TEST(test_extra_is_harmless),
                TEST(test_extra_to_the_byte),
                TEST(test_batch_arrives),
                TEST(test_damaged_item_is_told),
                TEST(test_clock_before_the_epoch),
                TEST(test_heartbeat_reply),
                TEST(test_heartbeat_reply_of_others),
                TEST(test_batch_reply),
                TEST(test_batch_reply_of_others),
                TEST(test_result_and_problem),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
