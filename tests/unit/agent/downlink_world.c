/* SPDX-License-Identifier: Apache-2.0 */
#include "downlink_world.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "wire/command_envelope.h"

static void begin(struct world *world)
{
        fake_core_open(world->fake, &world->core);
        assert_int_equal(mu_agent_downlink_create(&world->core, &world->downlink), 0);
        world->core.downlink = world->downlink;
}

static void end(struct world *world)
{
        mu_agent_downlink_destroy(world->downlink);
        world->core.downlink = NULL;
        fake_core_close(&world->core);
}

int world_open(void **state)
{
        struct world *world = calloc(1, sizeof(*world));

        assert_non_null(world);
        world->fake = fake_platform_create();
        begin(world);
        *state = world;
        return 0;
}

int world_close(void **state)
{
        struct world *world = *state;

        end(world);
        fake_platform_destroy(world->fake);
        free(world);
        return 0;
}

void world_restart(struct world *world)
{
        struct fake_platform *fake = world->fake;
        char sentence[MU_AGENT_SENTENCE_BYTES];

        fake->platform.cancel_all(fake);
        end(world);
        begin(world);
        if (fake->save_count > 0) {
                const char *text = fake->saves[fake->save_count - 1];

                mu_agent_config_done(&world->core.config);
                assert_int_equal(
                        mu_agent_config_read(text, strlen(text), &world->core.config, sentence), 0);
        }
}

void world_step(struct world *world)
{
        unsigned steps = 0;

        do {
                world->core.changed = false;
                world->due_ns = mu_agent_downlink_step(world->downlink);
                assert_true(++steps < 100);
        } while (world->core.changed);
        /* What is due is done: nothing makes the loop turn without a pause. */
        assert_true(world->due_ns > world->fake->monotonic_ns);
}

void world_advance_ms(struct world *world, int64_t ms)
{
        fake_advance_ms(world->fake, ms);
        world_step(world);
}

void world_open_channel(struct world *world)
{
        for (int i = 0; i < 400 && !world->fake->push_is_open; i++)
                world_advance_ms(world, 1000);
        assert_true(world->fake->push_is_open);
        mu_agent_downlink_push(world->downlink, MU_AGENT_PUSH_OPENED, 0, NULL, 0);
        world_step(world);
        assert_int_equal(mu_agent_downlink_channel(world->downlink), MU_AGENT_CHANNEL_OPEN);
}

void world_close_channel(struct world *world, int code)
{
        world->fake->push_is_open = false;
        mu_agent_downlink_push(world->downlink, MU_AGENT_PUSH_CLOSED, code, "Closed.", 7);
        world_step(world);
}

char *world_sign(struct world *world, const struct order *order)
{
        const char *payload = order->payload ? order->payload : "{}";
        struct mu_command_form form = {
                .device_id = order->device_id ? order->device_id : 17,
                .command_id = order->id,
                .timestamp_s = world->fake->realtime_us / MU_US_PER_S - order->signed_ago_s,
                .type = order->type ? order->type : "lock",
                .payload = payload,
                .payload_bytes = strlen(payload),
                .key_version = order->key_version ? order->key_version : 1,
        };
        struct mu_command_key key = {.version = form.key_version};
        uint8_t signature[MU_COMMAND_SIGNATURE_BYTES];
        struct mu_text text;
        char *json;
        size_t bytes;

        memset(key.bytes, order->key ? order->key : 0x11, sizeof(key.bytes));
        memset(form.nonce, order->nonce ? order->nonce : ++world->nonces, sizeof(form.nonce));
        mu_text_init(&text);
        assert_int_equal(mu_command_sign(&form, &key, &fake_crypto.command, signature), 0);
        assert_int_equal(mu_command_envelope_write(&form, signature, &text, NULL), 0);
        assert_int_equal(mu_text_take(&text, &json, &bytes), 0);
        return json;
}

void world_say(struct world *world, const char *format, ...)
{
        char text[64 * 1024];
        va_list args;

        va_start(args, format);
        int bytes = vsnprintf(text, sizeof(text), format, args);

        va_end(args);
        assert_in_range(bytes, 0, sizeof(text) - 1);
        mu_agent_downlink_push(world->downlink, MU_AGENT_PUSH_MESSAGE, 0, text, (size_t)bytes);
        world_step(world);
}

void world_push_envelope(struct world *world, const char *envelope)
{
        world_say(world, "{\"type\":\"command\",\"command\":%s}", envelope);
}

void world_push_order(struct world *world, const struct order *order)
{
        char *envelope = world_sign(world, order);

        world_push_envelope(world, envelope);
        free(envelope);
}

char *world_fetched(struct world *world, const struct order *order, bool more)
{
        char *envelope = world_sign(world, order);
        char *body = NULL;

        assert_true(asprintf(&body, "{\"commands\":[%s],\"more\":%s}", envelope,
                             more ? "true" : "false") > 0);
        free(envelope);
        return body;
}

static bool is_frame(const json_t *frame, const char *type, int64_t command_id)
{
        const char *id = json_string_value(json_object_get(frame, "command_id"));
        const char *is = json_string_value(json_object_get(frame, "type"));

        return id && is && mu_command_id_read(id) == command_id && strcmp(is, type) == 0;
}

size_t world_frames(const struct world *world, const char *type, int64_t command_id)
{
        size_t count = 0;

        for (size_t i = 0; i < world->fake->frame_count; i++) {
                json_t *frame = json_loads(world->fake->frames[i], 0, NULL);

                assert_non_null(frame);
                count += is_frame(frame, type, command_id);
                json_decref(frame);
        }
        return count;
}

static void assert_signed(const struct world *world, const json_t *body, uint8_t key_byte)
{
        const char *result = json_string_value(json_object_get(body, "result"));
        const char *error = json_string_value(json_object_get(body, "error"));
        const char *status = json_string_value(json_object_get(body, "status"));
        const char *hex = json_string_value(json_object_get(body, "signature"));
        uint8_t signature[MU_COMMAND_SIGNATURE_BYTES];
        struct mu_command_key key;

        assert_true(status && hex);
        assert_true(mu_command_hex_read(hex, signature, sizeof(signature)));
        struct mu_command_result_form form = {
                .device_id = world->core.config.device_id,
                .command_id =
                        mu_command_id_read(json_string_value(json_object_get(body, "command_id"))),
                .finished_at_s = json_integer_value(json_object_get(body, "finished_at")),
                .done = strcmp(status, "done") == 0,
                .result = result,
                .result_bytes = result ? strlen(result) : 0,
                .error = error,
                .error_bytes = error ? strlen(error) : 0,
                .key_version = (uint32_t)json_integer_value(json_object_get(body, "key_version")),
        };

        key.version = form.key_version;
        memset(key.bytes, key_byte, sizeof(key.bytes));
        assert_int_equal(mu_command_result_verify(&form, signature, &key, 1, &fake_crypto.command),
                         0);
}

json_t *world_result(const struct world *world, int64_t command_id, uint8_t key)
{
        json_t *found = NULL;

        for (size_t i = world->fake->frame_count; i-- > 0 && !found;) {
                json_t *frame = json_loads(world->fake->frames[i], 0, NULL);

                if (is_frame(frame, "result", command_id))
                        found = json_incref(frame);
                json_decref(frame);
        }
        if (found)
                assert_signed(world, found, key);
        return found;
}

json_t *world_queued(struct world *world, int64_t command_id, uint8_t key)
{
        struct mu_agent_items items;
        json_t *found = NULL;

        assert_int_equal(
                mu_agent_queue_peek(world->core.queue, MU_AGENT_ITEM_RESULT, 500, 1 << 24, &items),
                0);
        for (size_t i = 0; i < items.count && !found; i++)
                if (items.items[i].key == command_id)
                        found = json_loadb(items.items[i].body, items.items[i].body_bytes, 0, NULL);
        mu_agent_items_done(&items);
        if (found)
                assert_signed(world, found, key);
        return found;
}

void world_assert_status(const json_t *result, const char *status, const char *in_error)
{
        const char *error = json_string_value(json_object_get(result, "error"));

        assert_non_null(result);
        assert_string_equal(json_string_value(json_object_get(result, "status")), status);
        assert_int_equal(in_error != NULL, error != NULL);
        if (in_error && !strstr(error, in_error))
                fail_msg("'%s' does not say '%s'", error, in_error);
}

uint32_t world_queued_results(struct world *world)
{
        struct mu_agent_queue_state state;

        assert_int_equal(mu_agent_queue_state(world->core.queue, &state), 0);
        return state.results;
}

void world_run(struct world *world, int64_t command_id)
{
        world_say(world,
                  "{\"type\":\"acknowledged\",\"command_id\":\"%lld\",\"state\":\"received\","
                  "\"run\":true}",
                  (long long)command_id);
}

void world_assert_refused(struct world *world, const char *envelope, const char *reason)
{
        uint64_t before = world->core.refused_commands;
        size_t frames = world->fake->frame_count;
        char expected[64];

        fake_advance_ms(world->fake, 11000); /* so that each is said */
        mu_agent_downlink_push(world->downlink, MU_AGENT_PUSH_MESSAGE, 0, "", 0);
        world_push_envelope(world, envelope);
        assert_int_equal(world->core.refused_commands, before + 1);
        assert_int_equal(world->fake->frame_count, frames);
        assert_int_equal(world->fake->request_count, 0);
        (void)snprintf(expected, sizeof(expected), "\"reason\":\"%s\"", reason);
        if (!strstr(fake_event_fields(world->fake, "command.refused"), expected))
                fail_msg("%s: %s", reason, fake_event_fields(world->fake, "command.refused"));
        assert_false(mu_agent_downlink_is_busy(world->downlink));
}
