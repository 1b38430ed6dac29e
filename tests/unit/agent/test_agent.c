/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The whole core against an appliance of the test's own, which reads with the real one's decoder
 * and answers with its writers: nothing that was queued is lost, and nothing is stored twice.
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
#include "fake_platform.h"
#include "muster/record.h"
#include "wire/command_envelope.h"
#include "wire/heartbeat.h"
#include "wire/reply.h"

#define S INT64_C(1000)
#define KEY "ERERERERERERERERERERERERERERERERERERERERERE="
#define CONFIG(interval)                                                                           \
        "{\"server\":\"http://127.0.0.1:1\",\"device_id\":\"17\",\"token\":\"mu_test\","           \
        "\"keys\":{\"current\":{\"version\":1,\"key\":\"" KEY "\"}},"                              \
        "\"heartbeat_interval_s\":" interval "}"
#define CONFIG_UPDATES                                                                             \
        "{\"server\":\"http://127.0.0.1:1\",\"device_id\":\"17\",\"token\":\"mu_test\","           \
        "\"keys\":{\"current\":{\"version\":1,\"key\":\"" KEY "\"}},"                              \
        "\"update\":{\"keys\":[\"" KEY "\"]}}"

enum { STORED_MAX = 4096 };

struct appliance {
        struct mu_decoder *decoder;
        bool away;
        bool silent; /* takes everything in and never answers */
        int status;  /* 0: as it should be; else this one to everything */
        uint32_t next_s;
        uint32_t commands;
        bool update;
        char *command; /* the one that waits, signed */
        size_t stored_count;
        int64_t stored[STORED_MAX]; /* buckets */
        int64_t seqs[STORED_MAX];
        size_t duplicates;
        size_t results;
        size_t commands_fetched;
        size_t updates_asked;
};

struct fixture {
        struct fake_platform *fake;
        struct appliance appliance;
        struct mu_agent *agent;
};

/* ---- the appliance ---- */

static bool store(struct appliance *appliance, const struct mu_heartbeat *heartbeat)
{
        int64_t ts_s = heartbeat->ts_us / MU_US_PER_S;
        int64_t bucket_s = ts_s - ts_s % 10;

        assert_int_equal(heartbeat->invalid, 0);
        for (size_t i = 0; i < appliance->stored_count; i++)
                if (appliance->stored[i] == bucket_s) {
                        appliance->duplicates++;
                        return false;
                }
        assert_true(appliance->stored_count < STORED_MAX);
        appliance->seqs[appliance->stored_count] = heartbeat->record->seq;
        appliance->stored[appliance->stored_count++] = bucket_s;
        return true;
}

static void answer_heartbeat(struct fake_platform *fake, struct appliance *appliance,
                             struct fake_request *request)
{
        struct mu_heartbeat heartbeat;
        struct mu_wire_problem problem;
        struct mu_text text;

        assert_int_equal(mu_decode_heartbeat(appliance->decoder, request->body, request->body_bytes,
                                             &heartbeat, &problem),
                         0);
        assert_int_equal(heartbeat.sent_at_us / MU_US_PER_MS, request->at_us / MU_US_PER_MS);
        bool fresh = store(appliance, &heartbeat);

        mu_text_init(&text);
        mu_reply_heartbeat(&text,
                           &(struct mu_heartbeat_reply){.server_time_us = fake->realtime_us,
                                                        .next_heartbeat_in_s = appliance->next_s,
                                                        .commands = appliance->commands,
                                                        .update = appliance->update,
                                                        .duplicate = !fresh});
        if (!appliance->silent)
                fake_answer(request, fresh ? 202 : 200, text.data);
        mu_text_done(&text);
}

static void answer_batch(struct appliance *appliance, struct fake_request *request)
{
        struct mu_heartbeat heartbeat;
        struct mu_wire_problem problem;
        struct mu_text text;
        int64_t sent_at_us;
        uint32_t count;

        assert_int_equal(mu_decode_batch(appliance->decoder, request->body, request->body_bytes,
                                         &count, &sent_at_us, &problem),
                         0);
        mu_text_init(&text);
        mu_reply_batch_open(&text);
        for (uint32_t i = 0; i < count; i++) {
                assert_int_equal(mu_decode_batch_next(appliance->decoder, &heartbeat, &problem), 1);
                mu_reply_batch_item(
                        &text, i, store(appliance, &heartbeat) ? MU_ITEM_STORED : MU_ITEM_DUPLICATE,
                        MU_REASON_JSON_SYNTAX);
        }
        mu_reply_batch_close(&text);
        if (!appliance->silent)
                fake_answer(request, 200, text.data);
        mu_text_done(&text);
}

static void answer_result(struct appliance *appliance, struct fake_request *request)
{
        char answer[128];
        json_t *body = json_loadb(request->body, request->body_bytes, 0, NULL);

        assert_non_null(body);
        appliance->results++;
        (void)snprintf(answer, sizeof(answer),
                       "{\"command_id\":\"%s\",\"state\":\"done\",\"duplicate\":false}",
                       json_string_value(json_object_get(body, "command_id")));
        json_decref(body);
        fake_answer(request, 200, answer);
}

static void answer_commands(struct appliance *appliance, struct fake_request *request)
{
        char answer[4096];

        appliance->commands_fetched++;
        (void)snprintf(answer, sizeof(answer), "{\"commands\":[%s],\"more\":false}",
                       appliance->command ? appliance->command : "");
        fake_answer(request, 200, answer);
}

static void serve(struct fake_platform *fake, struct fake_request *request)
{
        struct appliance *appliance = fake->handler_context;

        if (appliance->away) {
                fake_answer_error(request, -ECONNREFUSED);
        } else if (appliance->status != 0) {
                fake_answer(request, appliance->status, "{\"detail\":\"no\"}");
        } else if (strcmp(request->path, "/v1/heartbeat") == 0) {
                answer_heartbeat(fake, appliance, request);
        } else if (strcmp(request->path, "/v1/heartbeats") == 0) {
                answer_batch(appliance, request);
        } else if (strcmp(request->path, "/v1/action-result") == 0) {
                answer_result(appliance, request);
        } else if (strncmp(request->path, "/v1/commands?", 13) == 0) {
                answer_commands(appliance, request);
        } else if (strncmp(request->path, "/v1/commands/", 13) == 0) {
                fake_answer(request, 200, "{\"state\":\"received\",\"run\":true}");
        } else if (strncmp(request->path, "/v1/agent/update?", 17) == 0) {
                appliance->updates_asked++;
                fake_answer(request, 204, NULL);
        } else {
                fail_msg("asked for %s", request->path);
        }
}

/* A command as the appliance signs it. */
static void sign_ping(struct fixture *fixture, int64_t command_id)
{
        struct mu_command_key key = {.version = 1};
        struct mu_command_form form = {
                .device_id = 17,
                .command_id = command_id,
                .timestamp_s = fixture->fake->realtime_us / MU_US_PER_S,
                .type = "ping",
                .payload = "{}",
                .payload_bytes = 2,
                .key_version = 1,
                .nonce = {(uint8_t)command_id, 2, 3},
        };
        uint8_t signature[MU_COMMAND_SIGNATURE_BYTES];
        struct mu_text text;

        memset(key.bytes, 0x11, sizeof(key.bytes));
        assert_int_equal(mu_command_sign(&form, &key, &fake_crypto.command, signature), 0);
        mu_text_init(&text);
        assert_int_equal(mu_command_envelope_write(&form, signature, &text, NULL), 0);
        free(fixture->appliance.command);
        assert_int_equal(mu_text_take(&text, &fixture->appliance.command, &(size_t){0}), 0);
}

/* ---- the agent ---- */

static void start(struct fixture *fixture, const char *config)
{
        struct mu_agent_options options = {
                .state_directory = fixture->fake->directory,
                .config_text = config,
                .config_bytes = strlen(config),
        };
        char sentence[MU_AGENT_SENTENCE_BYTES] = "";
        int r = mu_agent_create(&fixture->fake->platform, &options, &fixture->agent, sentence);

        if (r < 0)
                print_error("%s\n", sentence);
        assert_int_equal(r, 0);
}

static int set_up(void **state)
{
        struct fixture *fixture = calloc(1, sizeof(*fixture));

        assert_non_null(fixture);
        fixture->fake = fake_platform_create();
        fixture->fake->handler = serve;
        fixture->fake->handler_context = &fixture->appliance;
        fixture->fake->push_open_result = -ECONNREFUSED;
        fixture->appliance.next_s = 300;
        assert_int_equal(mu_decoder_create(&fixture->appliance.decoder), 0);
        start(fixture, CONFIG("300"));
        *state = fixture;
        return 0;
}

static int tear_down(void **state)
{
        struct fixture *fixture = *state;

        mu_agent_destroy(fixture->agent);
        mu_decoder_destroy(fixture->appliance.decoder);
        free(fixture->appliance.command);
        fake_platform_destroy(fixture->fake);
        free(fixture);
        return 0;
}

static void restart(struct fixture *fixture, const char *config)
{
        mu_agent_destroy(fixture->agent);
        fixture->agent = NULL;
        start(fixture, config);
}

static uint64_t settle(struct fixture *fixture)
{
        uint64_t due_ns;

        for (int i = 0; i < 10000; i++) {
                due_ns = mu_agent_step(fixture->agent);
                if (fake_pump(fixture->fake) == 0 && due_ns > fixture->fake->monotonic_ns)
                        return due_ns;
        }
        fail_msg("it never rests");
        return 0;
}

static void run_ms(struct fixture *fixture, int64_t ms)
{
        struct fake_platform *fake = fixture->fake;
        uint64_t until_ns = fake->monotonic_ns + (uint64_t)(ms * MU_NS_PER_MS);

        for (uint64_t due_ns = settle(fixture); due_ns <= until_ns; due_ns = settle(fixture))
                fake_advance_ms(fake, (int64_t)((due_ns - fake->monotonic_ns + 999999) / 1000000));
        if (fake->monotonic_ns < until_ns)
                fake_advance_ms(fake, (int64_t)((until_ns - fake->monotonic_ns) / 1000000));
}

static struct mu_agent_state state_of(struct fixture *fixture)
{
        struct mu_agent_state state;

        assert_int_equal(mu_agent_get_state(fixture->agent, &state), 0);
        return state;
}

/* Every seq from 1 to the last was stored once, whatever the order. */
static void assert_complete(const struct appliance *appliance, size_t count)
{
        bool *seen = calloc(count + 1, sizeof(*seen));

        assert_non_null(seen);
        assert_int_equal(appliance->stored_count, count);
        for (size_t i = 0; i < count; i++) {
                assert_in_range(appliance->seqs[i], 1, count);
                assert_false(seen[appliance->seqs[i]]);
                seen[appliance->seqs[i]] = true;
        }
        free(seen);
}

/* ---- tests ---- */

static void test_starts_and_reports(void **state)
{
        struct fixture *fixture = *state;

        assert_false(mu_agent_has_reported(fixture->agent));
        settle(fixture);
        assert_true(mu_agent_has_reported(fixture->agent));
        assert_int_equal(fixture->appliance.stored_count, 1);
        assert_int_equal(fake_events(fixture->fake, "agent.start"), 1);
        struct mu_agent_state now = state_of(fixture);

        assert_true(now.clock_synced && now.online && !now.deleted && !now.token_refused);
        assert_int_equal(now.queue.heartbeats, 0);
        assert_int_equal(now.uplink.delivered, 1);
        assert_int_equal(now.uplink.delivered_at_us, FAKE_START_US);
        assert_int_equal(mu_agent_get_config(fixture->agent)->device_id, 17);
        run_ms(fixture, 3600 * S);
        assert_complete(&fixture->appliance, 13);
        assert_int_equal(fixture->appliance.duplicates, 0);
}

/* What an update on trial is judged by: the old program's reports say nothing about it. */
static void test_what_waited_from_before_is_no_report(void **state)
{
        struct fixture *fixture = *state;

        fixture->appliance.silent = true; /* sent, never answered: its bucket is closed */
        settle(fixture);
        restart(fixture, CONFIG("300"));
        fixture->appliance.silent = false;
        settle(fixture);
        assert_int_equal(state_of(fixture).uplink.delivered, 1);
        assert_int_equal(fixture->appliance.duplicates, 1);
        assert_false(mu_agent_has_reported(fixture->agent));
        /* Its own comes with the next bucket, whatever the answer to the other said. */
        run_ms(fixture, 10 * S);
        assert_true(mu_agent_has_reported(fixture->agent));
        assert_int_equal(fixture->appliance.stored_count, 2);
}

static void test_away_for_an_hour(void **state)
{
        struct fixture *fixture = *state;

        settle(fixture);
        fixture->appliance.away = true;
        run_ms(fixture, 3600 * S);
        assert_int_equal(fixture->appliance.stored_count, 1);
        assert_int_equal(state_of(fixture).queue.heartbeats, 12);
        fixture->appliance.away = false;
        run_ms(fixture, 299 * S);
        assert_complete(&fixture->appliance, 13);
        assert_int_equal(fixture->appliance.duplicates, 0);
        assert_int_equal(state_of(fixture).queue.heartbeats, 0);
        assert_int_equal(state_of(fixture).queue.aside, 0);
}

/* The network's return drains at once, and says so. */
static void test_network_comes_back(void **state)
{
        struct fixture *fixture = *state;

        settle(fixture);
        fixture->appliance.away = true;
        mu_agent_network_changed(fixture->agent, false);
        run_ms(fixture, 3600 * S);
        assert_false(state_of(fixture).online);
        fixture->appliance.away = false;
        mu_agent_network_changed(fixture->agent, true);
        settle(fixture); /* no time passes */
        assert_int_equal(state_of(fixture).queue.heartbeats, 0);
        assert_complete(&fixture->appliance, fixture->appliance.stored_count);
        assert_true(fixture->appliance.stored_count >= 13);
        assert_int_equal(fixture->appliance.duplicates, 0);
        assert_int_equal(fake_events(fixture->fake, "net.change"), 2);
        assert_int_equal(fake_events(fixture->fake, "net.regain"), 1);
        /* The same word again is no change. */
        mu_agent_network_changed(fixture->agent, true);
        assert_int_equal(fake_events(fixture->fake, "net.change"), 2);
}

/* What was under way when the machine fell asleep is not waited for. */
static void test_wakes_up(void **state)
{
        struct fixture *fixture = *state;

        settle(fixture);
        size_t stored = fixture->appliance.stored_count;

        fixture->appliance.silent = true;
        run_ms(fixture, 400 * S); /* a heartbeat that nobody answers */
        fixture->appliance.silent = false;
        mu_agent_woke(fixture->agent);
        settle(fixture); /* no time passes */
        assert_int_equal(state_of(fixture).queue.heartbeats, 0);
        assert_true(fixture->appliance.stored_count > stored);
}

/* The agent is started again and again while the appliance is away, and while it takes in what
 * it never answers. */
static void test_restarts_in_the_middle(void **state)
{
        struct fixture *fixture = *state;

        fixture->appliance.next_s = 20;
        restart(fixture, CONFIG("20"));
        settle(fixture);
        for (int i = 0; i < 20; i++) {
                fixture->appliance.away = i % 2 == 0;
                fixture->appliance.silent = i % 3 == 0;
                run_ms(fixture, 137 * S);
                restart(fixture, CONFIG("20"));
        }
        fixture->appliance.away = false;
        fixture->appliance.silent = false;
        settle(fixture);
        assert_true(state_of(fixture).queue.heartbeats <= 1);
        run_ms(fixture, 10 * S);
        assert_int_equal(state_of(fixture).queue.heartbeats, 0);
        assert_true(fixture->appliance.stored_count > 100);
        assert_complete(&fixture->appliance, fixture->appliance.stored_count);
        assert_true(fixture->appliance.duplicates > 0); /* what went unanswered was sent again */
}

static void test_new_boot_counts_anew(void **state)
{
        struct fixture *fixture = *state;

        run_ms(fixture, 700 * S);
        assert_int_equal(fixture->appliance.seqs[2], 3);
        (void)snprintf(fixture->fake->readings.boot_id, sizeof(fixture->fake->readings.boot_id),
                       "boot-2");
        restart(fixture, CONFIG("300"));
        settle(fixture);
        assert_int_equal(fixture->appliance.stored_count, 4);
        assert_int_equal(fixture->appliance.seqs[3], 1);
}

static void test_deleted_for_good(void **state)
{
        struct fixture *fixture = *state;

        settle(fixture);
        fixture->appliance.status = 410;
        run_ms(fixture, 301 * S);
        assert_true(state_of(fixture).deleted);
        fixture->appliance.status = 0;
        size_t before = fixture->fake->request_count;

        run_ms(fixture, 86400 * S);
        mu_agent_woke(fixture->agent);
        mu_agent_network_changed(fixture->agent, false);
        mu_agent_network_changed(fixture->agent, true);
        run_ms(fixture, 3600 * S);
        restart(fixture, CONFIG("300"));
        run_ms(fixture, 3600 * S);
        assert_true(state_of(fixture).deleted);
        assert_int_equal(fixture->fake->request_count, before);
        assert_int_equal(state_of(fixture).queue.heartbeats, 1);
        assert_int_equal(fake_events(fixture->fake, "device.deleted"), 2);
}

static void test_token_refused_and_taken_again(void **state)
{
        struct fixture *fixture = *state;

        settle(fixture);
        fixture->appliance.status = 401;
        run_ms(fixture, 3600 * S);
        assert_true(state_of(fixture).token_refused);
        assert_int_equal(state_of(fixture).queue.heartbeats, 12);
        fixture->appliance.status = 0;
        run_ms(fixture, 300 * S);
        assert_false(state_of(fixture).token_refused);
        run_ms(fixture, 300 * S);
        assert_complete(&fixture->appliance, fixture->appliance.stored_count);
        assert_true(fixture->appliance.stored_count >= 13);
        assert_int_equal(state_of(fixture).queue.aside, 0);
}

/* From a count in a heartbeat's reply to a result that the appliance has. */
static void test_command_by_count(void **state)
{
        struct fixture *fixture = *state;

        sign_ping(fixture, 99);
        fixture->appliance.commands = 1;
        run_ms(fixture, 1 * S);
        assert_true(fixture->appliance.commands_fetched >= 1);
        assert_int_equal(fixture->appliance.results, 1);
        assert_int_equal(state_of(fixture).queue.results, 0);
        /* Known, by whatever nonce: not run again. */
        sign_ping(fixture, 99);
        run_ms(fixture, 400 * S);
        assert_int_equal(fixture->appliance.results, 1);
}

/* A result that the appliance does not take now outlives a restart. */
static void test_result_survives(void **state)
{
        struct fixture *fixture = *state;

        sign_ping(fixture, 7);
        fixture->appliance.commands = 1;
        for (int i = 0; i < 100; i++)
                fake_script_later(fixture->fake, "/v1/action-result", 503, 5, "{}");
        run_ms(fixture, 60 * S);
        assert_int_equal(state_of(fixture).queue.results, 1);
        fake_script_drop(fixture->fake);
        restart(fixture, CONFIG("300"));
        settle(fixture);
        assert_int_equal(fixture->appliance.results, 1);
        assert_int_equal(state_of(fixture).queue.results, 0);
}

/* While the channel is open the result is the channel's; when nothing comes of it, HTTP takes it.
 */
static void test_result_by_channel_or_http(void **state)
{
        struct fixture *fixture = *state;
        struct fake_platform *fake = fixture->fake;
        size_t frames = 0;

        fake->push_open_result = 0;
        run_ms(fixture, 301 * S);
        assert_true(fake->push_is_open);
        mu_agent_push_event(fixture->agent, MU_AGENT_PUSH_OPENED, 0, "", 0);
        sign_ping(fixture, 5);
        char *message;

        assert_true(asprintf(&message, "{\"type\":\"command\",\"command\":%s}",
                             fixture->appliance.command) > 0);
        mu_agent_push_event(fixture->agent, MU_AGENT_PUSH_MESSAGE, 0, message, strlen(message));
        free(message);
        settle(fixture);
        static const char ack[] = "{\"type\":\"acknowledged\",\"command_id\":\"5\",\"state\":"
                                  "\"received\",\"run\":true}";

        mu_agent_push_event(fixture->agent, MU_AGENT_PUSH_MESSAGE, 0, ack, strlen(ack));
        run_ms(fixture, 5 * S);
        for (size_t i = 0; i < fake->frame_count; i++)
                frames += strstr(fake->frames[i], "\"type\":\"result\"") != NULL;
        assert_int_equal(frames, 1);
        assert_int_equal(fixture->appliance.results, 0);
        assert_int_equal(state_of(fixture).queue.results, 1);
        run_ms(fixture, 40 * S);
        assert_int_equal(fixture->appliance.results, 1);
        assert_int_equal(state_of(fixture).queue.results, 0);
}

static void test_update_is_asked_for(void **state)
{
        struct fixture *fixture = *state;

        restart(fixture, CONFIG_UPDATES);
        run_ms(fixture, 250 * S);
        size_t at_start = fixture->appliance.updates_asked;

        assert_int_equal(at_start, 1);
        fixture->appliance.update = true;
        run_ms(fixture, 60 * S);
        assert_int_equal(fixture->appliance.updates_asked, 2);
}

static void test_starts_that_fail(void **state)
{
        static const char bad[] = "{\"server\":\"http://example.org\"}";
        struct fixture *fixture = *state;
        struct mu_agent_options options = {
                .state_directory = fixture->fake->directory,
                .config_text = bad,
                .config_bytes = strlen(bad),
        };
        char sentence[MU_AGENT_SENTENCE_BYTES] = "";
        struct mu_agent *agent = NULL;

        assert_int_equal(mu_agent_create(&fixture->fake->platform, &options, &agent, sentence),
                         -EINVAL);
        assert_true(strlen(sentence) > 10);
        /* A second one on the same database. */
        options.config_text = CONFIG("300");
        options.config_bytes = strlen(options.config_text);
        assert_int_equal(mu_agent_create(&fixture->fake->platform, &options, &agent, sentence),
                         -EBUSY);
        assert_non_null(strstr(sentence, "agent.db"));
        options.state_directory = "/nonexistent/directory";
        assert_true(mu_agent_create(&fixture->fake->platform, &options, &agent, sentence) < 0);
        assert_null(agent);
        mu_agent_destroy(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_starts_and_reports),
                TEST(test_what_waited_from_before_is_no_report),
                TEST(test_away_for_an_hour),
                TEST(test_network_comes_back),
                TEST(test_wakes_up),
                TEST(test_restarts_in_the_middle),
                TEST(test_new_boot_counts_anew),
                TEST(test_deleted_for_good),
                TEST(test_token_refused_and_taken_again),
                TEST(test_command_by_count),
                TEST(test_result_survives),
                TEST(test_result_by_channel_or_http),
                TEST(test_update_is_asked_for),
                TEST(test_starts_that_fail),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
