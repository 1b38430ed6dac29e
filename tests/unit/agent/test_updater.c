/* SPDX-License-Identifier: Apache-2.0 */
#include "core/updater.h"

#include <errno.h>
#include <openssl/curve25519.h>
#include <openssl/sha.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/text.h"
#include "core/base64.h"
#include "core/downlink.h"
#include "fake_platform.h"
#include "muster/update.h"

#define QUESTION MU_PATH_AGENT_UPDATE
#define FILE_PATH "/v1/agent/apk/2"
#define CONTENT "the new program"
#define HOUR_MS INT64_C(3600000)

enum { REST_MS = (MU_AGENT_UPDATE_EVERY_S + 1) * 1000 };

struct world {
        struct fake_platform *fake;
        struct mu_agent_core core;
        uint8_t private_key[ED25519_PRIVATE_KEY_LEN];
};

/* The one that updater.c asks, in the place of downlink.c's. */
static bool is_busy;

bool mu_agent_downlink_is_busy(const struct mu_agent_downlink *downlink)
{
        assert_non_null(downlink);
        return is_busy;
}

static void start_updater(struct world *world)
{
        assert_int_equal(
                mu_agent_updater_create(&world->core, world->fake->directory, &world->core.updater),
                0);
}

static int open_world(void **state)
{
        static const uint8_t seed[32] = {7};
        struct world *world = calloc(1, sizeof(*world));
        uint8_t public_key[ED25519_PUBLIC_KEY_LEN];

        assert_non_null(world);
        world->fake = fake_platform_create();
        fake_core_open(world->fake, &world->core);
        ED25519_keypair_from_seed(public_key, world->private_key, seed);
        memset(world->core.config.update_keys[0], 0x55, MU_ED25519_KEY_BYTES);
        memcpy(world->core.config.update_keys[1], public_key, sizeof(public_key));
        world->core.config.update_key_count = 2;
        world->core.readings.network = MU_AGENT_NETWORK_WIFI;
        /* Not looked into: only asked whether it is busy. */
        world->core.downlink = (struct mu_agent_downlink *)world;
        is_busy = false;
        start_updater(world);
        *state = world;
        return 0;
}

static int close_world(void **state)
{
        struct world *world = *state;

        mu_agent_updater_destroy(world->core.updater);
        fake_core_close(&world->core);
        fake_platform_destroy(world->fake);
        free(world);
        return 0;
}

/* The same store, another run of the agent. */
static void restart(struct world *world)
{
        mu_agent_updater_destroy(world->core.updater);
        world->core.update_failures = 0;
        start_updater(world);
}

static uint64_t step(struct world *world)
{
        return mu_agent_updater_step(world->core.updater);
}

static void pass_ms(struct world *world, int64_t ms)
{
        fake_advance_ms(world->fake, ms);
        (void)step(world);
}

/* ---- offers ---- */

struct release {
        const char *version;
        const char *content;
        const char *url;
        const char *constraints; /* JSON; NULL: none */
        int64_t more_bytes;      /* said beyond the content's own */
        uint8_t flip;            /* of the SHA-256 that is said and signed */
        uint8_t flip_signature;
};

static const struct release NEWER = {.version = "2.0.0", .content = CONTENT, .url = FILE_PATH};

static void offer_of(const struct world *world, const struct release *release, char *ret_json,
                     size_t room)
{
        struct mu_update_form form = {.version = release->version};
        char canonical[MU_UPDATE_CANONICAL_BYTES];
        char sha256[2 * MU_UPDATE_SHA256_BYTES + 1];
        uint8_t signature[MU_UPDATE_SIGNATURE_BYTES];
        char base64[MU_AGENT_BASE64_CHARS(MU_UPDATE_SIGNATURE_BYTES) + 1];
        size_t bytes;

        form.size_bytes = (int64_t)strlen(release->content) + release->more_bytes;
        SHA256((const uint8_t *)release->content, strlen(release->content), form.sha256);
        form.sha256[0] ^= release->flip;
        assert_int_equal(mu_update_canonical(&form, canonical, &bytes), 0);
        assert_int_equal(
                ED25519_sign(signature, (const uint8_t *)canonical, bytes, world->private_key), 1);
        signature[0] ^= release->flip_signature;
        mu_agent_base64_encode(signature, sizeof(signature), base64);
        mu_text_hex(form.sha256, sizeof(form.sha256), sha256);
        int chars = snprintf(ret_json, room,
                             "{\"version\":\"%s\",\"url\":\"%s\",\"size_bytes\":%lld,"
                             "\"sha256\":\"%s\",\"signature\":\"%s\",\"constraints\":%s,"
                             "\"said_later\":[1]}",
                             release->version, release->url, (long long)form.size_bytes, sha256,
                             base64, release->constraints ? release->constraints : "null");

        assert_true(chars > 0 && (size_t)chars < room);
}

static struct fake_request *pending(struct world *world, const char *path)
{
        struct fake_request *request = fake_find_pending(world->fake, path);

        assert_non_null(request);
        return request;
}

/* The first question, whatever its moment. */
static struct fake_request *await_question(struct world *world)
{
        if (!fake_find_pending(world->fake, QUESTION))
                pass_ms(world, MU_AGENT_UPDATE_FIRST_S * 1000);
        return pending(world, QUESTION);
}

static void answer_offer(struct world *world, const struct release *release)
{
        char json[2048];

        offer_of(world, release, json, sizeof(json));
        fake_answer(await_question(world), 200, json);
        (void)step(world);
}

static void load_offer(struct world *world, const struct release *release)
{
        answer_offer(world, release);
        fake_answer(pending(world, release->url), 200, release->content);
        (void)step(world);
}

static bool has_download(struct world *world)
{
        return access(fake_path(world->fake, "update.download"), F_OK) == 0;
}

static bool event_has(struct world *world, const char *name, const char *text)
{
        return strstr(fake_event_fields(world->fake, name), text) != NULL;
}

/* ---- when it asks ---- */

static void it_asks_within_a_minute_of_the_start(void **state)
{
        struct world *world = *state;
        uint64_t due_ns = step(world);

        assert_in_range(due_ns - FAKE_START_NS, 0, MU_AGENT_UPDATE_FIRST_S * MU_NS_PER_S);
        assert_int_equal(fake_count(world->fake, QUESTION), 0);
        pass_ms(world, MU_AGENT_UPDATE_FIRST_S * 1000);
        struct fake_request *question = fake_last(world->fake);

        assert_string_equal(question->path, "/v1/agent/update?version=1.0.0&channel=stable");
        assert_string_equal(question->method, "GET");
        assert_int_equal(question->authorization, MU_AGENT_AUTH_TOKEN);
        assert_null(question->file);
        assert_true(step(world) == MU_AGENT_NEVER);
}

static void it_asks_again_within_six_hours(void **state)
{
        struct world *world = *state;

        fake_answer(await_question(world), 204, NULL);
        assert_int_equal(fake_events(world->fake, "update.check"), 1);
        uint64_t in_ns = step(world) - mu_agent_now_ns(&world->core);

        assert_in_range(in_ns, (MU_AGENT_UPDATE_EVERY_S - MU_AGENT_UPDATE_SPREAD_S) * MU_NS_PER_S,
                        MU_AGENT_UPDATE_EVERY_S * MU_NS_PER_S);
        pass_ms(world, REST_MS);
        assert_int_equal(fake_count(world->fake, QUESTION), 2);
}

static void a_nudge_asks_at_once_but_not_more_than_once_a_minute(void **state)
{
        struct world *world = *state;

        mu_agent_updater_nudge(world->core.updater, NULL);
        assert_true(world->core.changed);
        (void)step(world);
        fake_answer(pending(world, QUESTION), 204, NULL);
        mu_agent_updater_nudge(world->core.updater, NULL);
        (void)step(world);
        assert_int_equal(fake_count(world->fake, QUESTION), 1);
        assert_true(step(world) - mu_agent_now_ns(&world->core) ==
                    MU_AGENT_UPDATE_PAUSE_S * MU_NS_PER_S);
        pass_ms(world, MU_AGENT_UPDATE_PAUSE_S * 1000);
        assert_int_equal(fake_count(world->fake, QUESTION), 2);
}

static void a_nudge_may_name_the_version(void **state)
{
        struct world *world = *state;

        mu_agent_updater_nudge(world->core.updater, "1.7.2-rc1");
        (void)step(world);
        assert_string_equal(fake_last(world->fake)->path,
                            "/v1/agent/update?version=1.0.0&channel=stable&wanted=1.7.2-rc1");
        answer_offer(world, &NEWER);
        assert_true(event_has(world, "update.refused", "another version was asked for"));
        assert_int_equal(fake_pending(world->fake), 0);
        /* The next regular question names none. */
        pass_ms(world, REST_MS);
        assert_string_equal(fake_last(world->fake)->path,
                            "/v1/agent/update?version=1.0.0&channel=stable");
}

static void a_nudge_during_a_question_is_asked_after_it(void **state)
{
        struct world *world = *state;
        struct fake_request *first = await_question(world);

        mu_agent_updater_nudge(world->core.updater, "2.0.0");
        fake_answer(first, 204, NULL);
        pass_ms(world, MU_AGENT_UPDATE_PAUSE_S * 1000);
        assert_non_null(strstr(fake_last(world->fake)->path, "&wanted=2.0.0"));
        answer_offer(world, &NEWER);
        (void)pending(world, FILE_PATH);
}

static void what_is_no_version_is_not_asked_for(void **state)
{
        struct world *world = *state;

        mu_agent_updater_nudge(world->core.updater, "2.0&channel=other");
        (void)step(world);
        assert_true(event_has(world, "update.refused", "is no version"));
        assert_int_equal(fake_pending(world->fake), 0);
}

static void failures_wait_by_the_backoff_and_keep_what_was_wanted(void **state)
{
        struct world *world = *state;

        mu_agent_updater_nudge(world->core.updater, "2.0.0");
        (void)step(world);
        for (int i = 0; i < 12; i++) {
                struct fake_request *question = pending(world, QUESTION);

                assert_non_null(strstr(question->path, "&wanted=2.0.0"));
                if (i % 2)
                        fake_answer(question, 503, "");
                else
                        fake_answer_error(question, -ECONNREFUSED);
                uint64_t in_ns = step(world) - mu_agent_now_ns(&world->core);

                assert_in_range(in_ns, MU_AGENT_UPDATE_PAUSE_S * MU_NS_PER_S,
                                MU_AGENT_UPDATE_RETRY_CAP_MS * MU_NS_PER_MS);
                pass_ms(world, MU_AGENT_UPDATE_RETRY_CAP_MS);
                /* Or the breaker keeps it a little longer. */
                pass_ms(world, MU_AGENT_UPDATE_RETRY_CAP_MS + 1000);
        }
        assert_int_equal(fake_events(world->fake, "retry.schedule"), 12);
}

static void a_nudge_does_not_hurry_retry_after(void **state)
{
        struct world *world = *state;

        fake_answer_later(await_question(world), 503, 7200, "");
        mu_agent_updater_nudge(world->core.updater, NULL);
        assert_true(step(world) - mu_agent_now_ns(&world->core) == 7200 * MU_NS_PER_S);
}

static void a_refused_token_waits_five_minutes(void **state)
{
        struct world *world = *state;

        fake_answer(await_question(world), 401, "");
        assert_true(step(world) - mu_agent_now_ns(&world->core) >= 300 * MU_NS_PER_S);
        assert_false(world->core.deleted);
}

static void a_server_without_updates_is_asked_as_rarely_as_any(void **state)
{
        struct world *world = *state;

        fake_answer(await_question(world), 404, "");
        assert_true(step(world) - mu_agent_now_ns(&world->core) >=
                    (MU_AGENT_UPDATE_EVERY_S - MU_AGENT_UPDATE_SPREAD_S) * MU_NS_PER_S);
}

static void a_deleted_device_asks_no_more(void **state)
{
        struct world *world = *state;

        fake_answer(await_question(world), 410, "");
        assert_true(world->core.deleted);
        pass_ms(world, REST_MS);
        assert_int_equal(fake_count(world->fake, QUESTION), 1);
        assert_true(step(world) == MU_AGENT_NEVER);
}

static void nothing_is_asked_offline_or_on_an_empty_battery(void **state)
{
        struct world *world = *state;

        world->core.online = false;
        pass_ms(world, 60000);
        world->core.online = true;
        world->core.readings.battery = 9;
        world->core.readings.charging = MU_AGENT_NO;
        assert_true(step(world) == MU_AGENT_NEVER);
        assert_int_equal(fake_count(world->fake, QUESTION), 0);
        world->core.readings.charging = MU_AGENT_YES;
        (void)step(world);
        assert_int_equal(fake_count(world->fake, QUESTION), 1);
}

static void without_a_key_nothing_is_asked_and_that_is_said_once(void **state)
{
        struct world *world = *state;

        world->core.config.update_key_count = 0;
        pass_ms(world, REST_MS);
        mu_agent_updater_nudge(world->core.updater, NULL);
        mu_agent_updater_nudge(world->core.updater, NULL);
        assert_true(step(world) == MU_AGENT_NEVER);
        assert_int_equal(fake_count(world->fake, QUESTION), 0);
        assert_int_equal(fake_events(world->fake, "update.refused"), 1);
        assert_true(event_has(world, "update.refused", "no key is pinned"));
        mu_agent_updater_nudge(world->core.updater, "2.0.0"); /* somebody's own word */
        assert_int_equal(fake_events(world->fake, "update.refused"), 2);
}

/* ---- what it takes ---- */

static void a_signed_newer_version_is_loaded_and_installed(void **state)
{
        struct world *world = *state;

        answer_offer(world, &NEWER);
        struct fake_request *download = pending(world, FILE_PATH);

        assert_int_equal(download->authorization, MU_AGENT_AUTH_TOKEN);
        assert_int_equal(download->file_bytes, strlen(CONTENT));
        assert_string_equal(download->file, fake_path(world->fake, "update.download"));
        assert_int_equal(world->fake->install_count, 0);
        fake_answer(download, 200, CONTENT);
        assert_int_equal(world->fake->install_count, 0); /* never from inside of an answer */
        assert_true(step(world) == MU_AGENT_NEVER);
        assert_int_equal(world->fake->install_count, 1);
        assert_string_equal(world->fake->install_version, "2.0.0");
        assert_string_equal(world->fake->install_file, fake_path(world->fake, "update.download"));
        assert_true(has_download(world));
        assert_true(event_has(world, "update.install", "\"trial\""));
        /* The platform has it: nothing else is begun. */
        mu_agent_updater_nudge(world->core.updater, NULL);
        pass_ms(world, REST_MS);
        assert_int_equal(fake_pending(world->fake), 0);
        assert_int_equal(world->core.update_failures, 0);
}

static void another_servers_file_is_loaded_without_the_token(void **state)
{
        struct world *world = *state;
        struct release release = NEWER;

        release.url = "https://files.example:8443/agent?name=2";
        answer_offer(world, &release);
        assert_int_equal(pending(world, release.url)->authorization, MU_AGENT_AUTH_NONE);
}

static void a_whole_url_of_our_own_server_is_a_path(void **state)
{
        struct world *world = *state;
        struct release release = NEWER;

        (void)snprintf(world->core.config.server, sizeof(world->core.config.server),
                       "https://fleet.example");
        release.url = "https://fleet.example" FILE_PATH;
        answer_offer(world, &release);
        assert_int_equal(pending(world, FILE_PATH)->authorization, MU_AGENT_AUTH_TOKEN);
        fake_answer(pending(world, FILE_PATH), 500, "");
        /* A name that only begins like ours is somebody else's. */
        pass_ms(world, MU_AGENT_UPDATE_RETRY_CAP_MS);
        release.url = "https://fleet.example.org" FILE_PATH;
        answer_offer(world, &release);
        assert_int_equal(pending(world, release.url)->authorization, MU_AGENT_AUTH_NONE);
}

static void a_command_under_way_is_waited_for(void **state)
{
        struct world *world = *state;

        is_busy = true;
        load_offer(world, &NEWER);
        assert_true(step(world) == MU_AGENT_NEVER);
        assert_int_equal(world->fake->install_count, 0);
        is_busy = false;
        (void)step(world);
        assert_int_equal(world->fake->install_count, 1);
}

static void constraints_are_waited_for_and_then_asked_about_afresh(void **state)
{
        struct world *world = *state;
        struct release release = NEWER;

        release.constraints = "{\"wifi_only\":true,\"min_battery\":50,\"not_in_call\":true}";
        world->core.readings.network = MU_AGENT_NETWORK_CELLULAR;
        world->core.readings.battery = 49;
        world->core.readings.in_call = MU_AGENT_YES;
        answer_offer(world, &release);
        assert_true(event_has(world, "update.check", "Wi-Fi"));
        mu_agent_updater_nudge(world->core.updater, NULL); /* nothing would be gained */
        pass_ms(world, MU_AGENT_UPDATE_PAUSE_S * 1000);
        world->core.readings.network = MU_AGENT_NETWORK_ETHERNET;
        (void)step(world);
        world->core.readings.battery = 50;
        (void)step(world);
        assert_int_equal(fake_count(world->fake, QUESTION), 1);
        world->core.readings.in_call = MU_AGENT_NO;
        (void)step(world);
        assert_int_equal(fake_count(world->fake, QUESTION), 2);
        answer_offer(world, &release);
        (void)pending(world, FILE_PATH);
}

static void what_the_machine_does_not_tell_holds_nothing_up(void **state)
{
        struct world *world = *state;
        struct release release = NEWER;

        release.constraints = "{\"min_battery\":100,\"not_in_call\":true,\"wifi_only\":null}";
        world->core.readings.in_call = MU_AGENT_UNKNOWN;
        world->core.readings.network = MU_AGENT_NETWORK_UNKNOWN;
        answer_offer(world, &release);
        (void)pending(world, FILE_PATH);
}

static void the_owner_may_forbid_costly_networks(void **state)
{
        struct world *world = *state;

        world->core.config.update_wifi_only = true;
        world->core.readings.network = MU_AGENT_NETWORK_UNKNOWN;
        answer_offer(world, &NEWER);
        assert_null(fake_find_pending(world->fake, FILE_PATH));
}

/* ---- what it refuses ---- */

static void assert_refused(struct world *world, const struct release *release, const char *why)
{
        answer_offer(world, release);
        if (!event_has(world, "update.refused", why))
                fail_msg("%s, not: %s", fake_event_fields(world->fake, "update.refused"), why);
        assert_int_equal(fake_pending(world->fake), 0);
        assert_int_equal(world->fake->install_count, 0);
}

static void there_is_no_downgrade_whoever_signed_it(void **state)
{
        static const char *const versions[] = {"1.0.0", "1", "0.9.9", "1.0.0-rc1"};
        struct world *world = *state;
        struct release release = NEWER;

        for (size_t i = 0; i < MU_COUNT_OF(versions); i++) {
                release.version = versions[i];
                assert_refused(world, &release, "not newer");
                pass_ms(world, REST_MS);
        }
        /* Not even if an operator names it. */
        fake_answer(pending(world, QUESTION), 204, NULL);
        mu_agent_updater_nudge(world->core.updater, "0.9.9");
        release.version = "0.9.9";
        assert_refused(world, &release, "not newer");
        assert_int_equal(world->core.update_failures, 0);
}

static void a_signature_by_nobody_we_know_loads_nothing(void **state)
{
        struct world *world = *state;
        struct release release = NEWER;

        release.flip_signature = 1;
        assert_refused(world, &release, "fits none of the pinned keys");
        assert_int_equal(world->core.update_failures, 1);
        /* Put right by its publisher, it is taken at the next question. */
        mu_agent_updater_nudge(world->core.updater, NULL);
        pass_ms(world, MU_AGENT_UPDATE_PAUSE_S * 1000);
        answer_offer(world, &NEWER);
        (void)pending(world, FILE_PATH);
}

static void assert_bad_file(struct world *world, const struct release *release, const char *got,
                            const char *why)
{
        answer_offer(world, release);
        fake_answer(pending(world, FILE_PATH), 200, got);
        (void)step(world);
        if (!event_has(world, "update.refused", why))
                fail_msg("%s, not: %s", fake_event_fields(world->fake, "update.refused"), why);
        assert_int_equal(world->core.update_failures, 1);
        assert_int_equal(world->fake->install_count, 0);
        assert_false(has_download(world));
        /* The same again: no second download within a day, a restart notwithstanding. */
        restart(world);
        answer_offer(world, &NEWER);
        assert_true(event_has(world, "update.refused", "failed here less than 24 hours ago"));
        for (int hours = 0; hours < 23; hours++)
                fake_advance_ms(world->fake, HOUR_MS);
        (void)step(world);
        answer_offer(world, &NEWER);
        assert_int_equal(fake_count(world->fake, FILE_PATH), 1);
        pass_ms(world, 2 * HOUR_MS);
        mu_agent_updater_nudge(world->core.updater, NULL);
        (void)step(world);
        answer_offer(world, &NEWER);
        assert_int_equal(fake_count(world->fake, FILE_PATH), 2);
}

static void a_file_with_another_hash_is_thrown_away(void **state)
{
        assert_bad_file(*state, &NEWER, "the new progrem", "SHA-256");
}

static void a_shorter_file_is_thrown_away(void **state)
{
        assert_bad_file(*state, &NEWER, "the new", "size");
}

static void a_longer_file_is_thrown_away(void **state)
{
        assert_bad_file(*state, &NEWER, CONTENT " and more", "longer");
}

static void an_operator_may_name_a_version_that_failed(void **state)
{
        struct world *world = *state;

        answer_offer(world, &NEWER);
        fake_answer(pending(world, FILE_PATH), 404, "");
        assert_int_equal(world->core.update_failures, 1);
        mu_agent_updater_nudge(world->core.updater, "2.0.0");
        pass_ms(world, MU_AGENT_UPDATE_PAUSE_S * 1000);
        load_offer(world, &NEWER);
        assert_int_equal(world->fake->install_count, 1);
}

static void a_newer_one_is_taken_though_another_failed(void **state)
{
        struct world *world = *state;
        struct release release = NEWER;

        answer_offer(world, &NEWER);
        fake_answer(pending(world, FILE_PATH), 404, "");
        pass_ms(world, REST_MS);
        release.version = "2.0.1";
        load_offer(world, &release);
        assert_string_equal(world->fake->install_version, "2.0.1");
}

static void a_download_that_was_cut_is_tried_again(void **state)
{
        static const int statuses[] = {0, 500, 503, 429, 401, 302};
        struct world *world = *state;

        for (size_t i = 0; i < MU_COUNT_OF(statuses); i++) {
                answer_offer(world, &NEWER);
                if (statuses[i] == 0)
                        fake_answer_error(pending(world, FILE_PATH), -ECONNRESET);
                else
                        fake_answer(pending(world, FILE_PATH), statuses[i], "");
                assert_false(has_download(world));
                assert_int_equal(fake_pending(world->fake), 0);
                pass_ms(world, 2 * HOUR_MS);
        }
        /* The breaker of downloads, not of questions, has opened on the way. */
        for (int i = 0; i < 5 && world->fake->install_count == 0; i++) {
                answer_offer(world, &NEWER);
                if (fake_find_pending(world->fake, FILE_PATH))
                        fake_answer(pending(world, FILE_PATH), 200, CONTENT);
                pass_ms(world, 2 * HOUR_MS);
        }
        assert_int_equal(world->fake->install_count, 1);
        assert_int_equal(world->core.update_failures, 0);
}

static void a_files_410_says_nothing_about_the_device(void **state)
{
        struct world *world = *state;

        answer_offer(world, &NEWER);
        fake_answer(pending(world, FILE_PATH), 410, "");
        assert_false(world->core.deleted);
        assert_int_equal(world->core.update_failures, 1);
}

static void answers_that_are_no_offers_are_refused(void **state)
{
        static const char *const answers[] = {
                "", "[]", "{", "null", "{}", "{\"version\":\"2\"}", "{\"a\":1,\"a\":2}",
        };
        struct world *world = *state;

        for (size_t i = 0; i < MU_COUNT_OF(answers); i++) {
                fake_answer(await_question(world), 200, answers[i]);
                assert_int_equal(fake_events(world->fake, "update.refused"), i + 1);
                assert_int_equal(fake_pending(world->fake), 0);
                pass_ms(world, REST_MS);
        }
}

/* ---- trials ---- */

static void a_version_that_was_rolled_back_is_left_alone_for_a_day(void **state)
{
        struct world *world = *state;

        load_offer(world, &NEWER);
        /* The shell closed its agent for the trial; this is the next one. */
        restart(world);
        mu_agent_updater_installed(world->core.updater, -ETIMEDOUT, "it said nothing");
        assert_true(event_has(world, "update.rollback", "it said nothing"));
        assert_true(event_has(world, "update.rollback", "2.0.0"));
        assert_int_equal(world->core.update_failures, 1);
        assert_false(has_download(world));
        pass_ms(world, REST_MS);
        assert_int_equal(fake_events(world->fake, "update.rollback"), 1);
        answer_offer(world, &NEWER);
        assert_true(event_has(world, "update.refused", "failed here"));
}

static void a_program_that_may_not_be_replaced_is_told_as_refused(void **state)
{
        struct world *world = *state;

        load_offer(world, &NEWER);
        mu_agent_updater_installed(world->core.updater, -EACCES, "not ours to write");
        assert_true(event_has(world, "update.refused", "not ours to write"));
        assert_int_equal(fake_events(world->fake, "update.rollback"), 0);
}

static void a_platform_that_takes_nothing_is_a_failure_too(void **state)
{
        struct world *world = *state;

        world->fake->install_result = -ENOMEM;
        load_offer(world, &NEWER);
        assert_int_equal(world->core.update_failures, 1);
        assert_false(has_download(world));
        assert_true(step(world) != MU_AGENT_NEVER);
}

static void a_trial_that_was_cut_off_counts_as_failed(void **state)
{
        struct world *world = *state;

        load_offer(world, &NEWER);
        restart(world);
        (void)step(world);
        assert_true(event_has(world, "update.rollback", "cut off"));
        assert_int_equal(world->core.update_failures, 1);
        answer_offer(world, &NEWER);
        assert_true(event_has(world, "update.refused", "failed here"));
        restart(world);
        (void)step(world);
        assert_int_equal(fake_events(world->fake, "update.rollback"), 1);
}

static void the_new_program_says_that_it_took_over(void **state)
{
        struct world *world = *state;

        load_offer(world, &NEWER);
        world->fake->platform.version = "2.0.0";
        restart(world);
        (void)step(world);
        assert_true(event_has(world, "update.install", "\"done\""));
        assert_false(has_download(world));
        assert_int_equal(world->core.update_failures, 0);
        restart(world);
        (void)step(world);
        assert_int_equal(fake_events(world->fake, "update.install"), 2); /* trial and done */
}

static void a_program_on_trial_leaves_all_of_it_alone(void **state)
{
        struct world *world = *state;

        load_offer(world, &NEWER);
        world->fake->platform.install = NULL;
        world->fake->platform.version = "2.0.0";
        restart(world);
        pass_ms(world, REST_MS);
        mu_agent_updater_nudge(world->core.updater, NULL);
        assert_true(step(world) == MU_AGENT_NEVER);
        assert_true(has_download(world)); /* it runs from there */
        assert_int_equal(fake_count(world->fake, QUESTION), 1);
        assert_int_equal(fake_events(world->fake, "update.install"), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(it_asks_within_a_minute_of_the_start),
                TEST(it_asks_again_within_six_hours),
                TEST(a_nudge_asks_at_once_but_not_more_than_once_a_minute),
                TEST(a_nudge_may_name_the_version),
                TEST(a_nudge_during_a_question_is_asked_after_it),
                TEST(what_is_no_version_is_not_asked_for),
                TEST(failures_wait_by_the_backoff_and_keep_what_was_wanted),
                TEST(a_nudge_does_not_hurry_retry_after),
                TEST(a_refused_token_waits_five_minutes),
                TEST(a_server_without_updates_is_asked_as_rarely_as_any),
                TEST(a_deleted_device_asks_no_more),
                TEST(nothing_is_asked_offline_or_on_an_empty_battery),
                TEST(without_a_key_nothing_is_asked_and_that_is_said_once),
                TEST(a_signed_newer_version_is_loaded_and_installed),
                TEST(another_servers_file_is_loaded_without_the_token),
                TEST(a_whole_url_of_our_own_server_is_a_path),
                TEST(a_command_under_way_is_waited_for),
                TEST(constraints_are_waited_for_and_then_asked_about_afresh),
                TEST(what_the_machine_does_not_tell_holds_nothing_up),
                TEST(the_owner_may_forbid_costly_networks),
                TEST(there_is_no_downgrade_whoever_signed_it),
                TEST(a_signature_by_nobody_we_know_loads_nothing),
                TEST(a_file_with_another_hash_is_thrown_away),
                TEST(a_shorter_file_is_thrown_away),
                TEST(a_longer_file_is_thrown_away),
                TEST(an_operator_may_name_a_version_that_failed),
                TEST(a_newer_one_is_taken_though_another_failed),
                TEST(a_download_that_was_cut_is_tried_again),
                TEST(a_files_410_says_nothing_about_the_device),
                TEST(answers_that_are_no_offers_are_refused),
                TEST(a_version_that_was_rolled_back_is_left_alone_for_a_day),
                TEST(a_program_that_may_not_be_replaced_is_told_as_refused),
                TEST(a_platform_that_takes_nothing_is_a_failure_too),
                TEST(a_trial_that_was_cut_off_counts_as_failed),
                TEST(the_new_program_says_that_it_took_over),
                TEST(a_program_on_trial_leaves_all_of_it_alone),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
