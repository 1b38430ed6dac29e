/* SPDX-License-Identifier: Apache-2.0 */
/* builtin.c - the commands that need no machine, only the core. */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "core/base64.h"
#include "core/downlink.h"
#include "core/updater.h"
#include "core/wipe.h"
#include "muster/update.h"

enum {
        LOG_LINES_MAX = 10000,
        /* Of a result's 64 KiB: what was put aside, and the events get the rest. As JSON in a JSON
         * string each quote counts twice, which the bound on the whole message has room for. */
        ASIDE_BYTES_MAX = 16 * 1024,
        LOG_FRAME_BYTES = 64,
};

struct run {
        struct mu_agent_core *core;
        const json_t *payload;
        struct mu_text result;
        struct mu_text error;
};

static int MU_PRINTF(2, 3) refuse(struct run *run, const char *format, ...)
{
        char sentence[MU_AGENT_SENTENCE_BYTES];
        va_list args;

        va_start(args, format);
        (void)vsnprintf(sentence, sizeof(sentence), format, args);
        va_end(args);
        mu_text_add(&run->error, sentence);
        return 0;
}

/* ---- ping ---- */

static const char *channel_name(const struct mu_agent_core *core)
{
        if (!core->downlink)
                return "closed";
        switch (mu_agent_downlink_channel(core->downlink)) {
        case MU_AGENT_CHANNEL_OPEN:
                return "open";
        case MU_AGENT_CHANNEL_OPENING:
                return "opening";
        case MU_AGENT_CHANNEL_CLOSED:
                break;
        }
        return "closed";
}

static int run_ping(struct run *run)
{
        struct mu_agent_core *core = run->core;
        struct mu_text *text = &run->result;
        struct mu_agent_queue_state queue;
        struct mu_agent_readings readings;
        int r = mu_agent_queue_state(core->queue, &queue);

        if (r < 0)
                return refuse(run, "The agent's queue could not be read: error %d.", -r);
        mu_agent_readings_init(&readings);
        (void)core->platform->read(core->platform->context, core->config.monitored_package,
                                   &readings);
        json_decref(readings.extra);
        mu_text_add(text, "{\"agent_version\":");
        mu_text_add_json(text, core->platform->version, strlen(core->platform->version));
        if (readings.uptime_s >= 0)
                mu_text_add_format(text, ",\"uptime_s\":%" PRId64, readings.uptime_s);
        mu_text_add_format(text,
                           ",\"clock_offset_ms\":%" PRId64 ",\"clock_synced\":%s"
                           ",\"queue\":{\"heartbeats\":%" PRIu32 ",\"results\":%" PRIu32
                           ",\"aside\":%" PRIu32 ",\"bytes\":%" PRId64 "}"
                           ",\"channel\":\"%s\",\"refused_commands\":%" PRIu64 "}",
                           mu_agent_clock_sync_offset_us(&core->clock) / MU_US_PER_MS,
                           core->clock.synced ? "true" : "false", queue.heartbeats, queue.results,
                           queue.aside, queue.bytes, channel_name(core), core->refused_commands);
        return 0;
}

/* ---- set_config ---- */

static int run_set_config(struct run *run)
{
        struct mu_agent_core *core = run->core;
        char sentence[MU_AGENT_SENTENCE_BYTES] = "";
        struct mu_agent_config before = core->config;
        int r = mu_agent_config_set(&core->config, json_object_get(run->payload, "settings"),
                                    sentence);

        if (r == 0) {
                r = mu_agent_save_config(core);
                if (r < 0) {
                        /* Lists are not settings: both have the same. */
                        core->config = before;
                        (void)refuse(run, "The configuration could not be saved: error %d.", -r);
                }
                core->changed = true;
        } else {
                (void)refuse(run, "%s", *sentence ? sentence : "The settings were refused.");
        }
        mu_agent_wipe(&before, sizeof(before));
        return 0;
}

/* ---- request_logs ---- */

static int64_t number_of(const json_t *payload, const char *name, int64_t otherwise)
{
        const json_t *value = json_object_get(payload, name);

        return json_is_integer(value) ? json_integer_value(value) : otherwise;
}

static int run_request_logs(struct run *run)
{
        struct mu_agent_core *core = run->core;
        int64_t since_s = number_of(run->payload, "since_s", 0);
        int64_t lines = number_of(run->payload, "lines", LOG_LINES_MAX);
        int64_t now_us = mu_agent_now_us(core);
        int64_t since_us = 0;
        struct mu_text *text = &run->result;

        if (lines < 1 || lines > LOG_LINES_MAX)
                return refuse(run, "lines must be 1 to %d.", LOG_LINES_MAX);
        if (since_s < 0)
                return refuse(run, "since_s must be the seconds to look back.");
        if (since_s > 0 && since_s < now_us / MU_US_PER_S)
                since_us = now_us - since_s * MU_US_PER_S;
        mu_text_add(text, "{\"aside\":");
        int r = mu_agent_queue_dump_aside(core->queue, ASIDE_BYTES_MAX, text);

        if (r < 0) {
                mu_text_clear(text);
                return refuse(run, "What was put aside could not be read: error %d.", -r);
        }
        mu_text_add(text, ",\"events\":");
        mu_agent_events_dump(core->events, since_us, (size_t)lines,
                             MU_COMMAND_RESULT_BYTES_MAX - text->bytes - LOG_FRAME_BYTES, text);
        mu_text_add(text, "}");
        return 0;
}

/* ---- rotate_key ---- */

static int take_key(struct run *run, const struct mu_command_key *key)
{
        struct mu_agent_config *config = &run->core->config;
        struct mu_command_key before = config->next;

        if (key->version == config->current.version &&
            memcmp(key->bytes, config->current.bytes, sizeof(key->bytes)) == 0)
                return 0; /* it is ours already */
        if (key->version <= config->current.version)
                return refuse(run,
                              "Version %" PRIu32 " is not newer than the current key's, %" PRIu32
                              ".",
                              key->version, config->current.version);
        config->next = *key;
        int r = mu_agent_save_config(run->core);

        if (r < 0) {
                config->next = before;
                (void)refuse(run, "The new key could not be saved: error %d.", -r);
        }
        mu_agent_wipe(&before, sizeof(before));
        return 0;
}

static int run_rotate_key(struct run *run)
{
        json_int_t version = json_integer_value(json_object_get(run->payload, "version"));
        const char *text = json_string_value(json_object_get(run->payload, "key"));
        struct mu_command_key key;

        if (version <= 0 || version > UINT32_MAX)
                return refuse(run, "version must be the new key's version, as a number.");
        key.version = (uint32_t)version;
        if (!text || mu_agent_base64_decode(text, key.bytes, sizeof(key.bytes)) < 0)
                return refuse(run, "key must be the base64 of %d bytes.", MU_COMMAND_KEY_BYTES);
        int r = take_key(run, &key);

        mu_agent_wipe(&key, sizeof(key));
        return r;
}

/* ---- nudge_update ---- */

static int run_nudge_update(struct run *run)
{
        const json_t *version = json_object_get(run->payload, "version");
        const char *text = json_string_value(version);

        if (version && !json_is_null(version) &&
            (!text || json_string_length(version) == 0 ||
             json_string_length(version) >= MU_UPDATE_VERSION_BYTES))
                return refuse(run, "version must be a text of 1 to %d bytes.",
                              MU_UPDATE_VERSION_BYTES - 1);
        if (!run->core->updater || !run->core->platform->install)
                return refuse(run, "This agent is not updated by the appliance.");
        if (run->core->config.update_key_count == 0)
                return refuse(run, "No key to check updates with is configured on this device.");
        mu_agent_updater_nudge(run->core->updater, text);
        return 0;
}

/* ---- all of them ---- */

static const struct {
        const char *type;
        int (*run)(struct run *run);
} COMMANDS[] = {
        {"ping", run_ping},
        {"set_config", run_set_config},
        {"request_logs", run_request_logs},
        {"rotate_key", run_rotate_key},
        {"nudge_update", run_nudge_update},
};

bool mu_agent_builtin_knows(const char *type)
{
        for (size_t i = 0; i < sizeof(COMMANDS) / sizeof(COMMANDS[0]); i++)
                if (strcmp(COMMANDS[i].type, type) == 0)
                        return true;
        return false;
}

static int take_texts(struct run *run, char **ret_result, char **ret_error)
{
        char *result = NULL;
        char *error = NULL;
        size_t bytes;
        int r = 0;

        if (run->error.bytes > 0 || mu_text_status(&run->error) < 0)
                r = mu_text_take(&run->error, &error, &bytes);
        else if (run->result.bytes > 0 || mu_text_status(&run->result) < 0)
                r = mu_text_take(&run->result, &result, &bytes);
        if (r < 0)
                return r;
        *ret_result = result;
        *ret_error = error;
        return 0;
}

int mu_agent_builtin_run(struct mu_agent_core *core, const struct mu_agent_command *command,
                         const json_t *payload, char **ret_result, char **ret_error)
{
        struct run run = {.core = core, .payload = payload};
        int r = -ENOTSUP;

        mu_text_init(&run.result);
        mu_text_init(&run.error);
        for (size_t i = 0; i < sizeof(COMMANDS) / sizeof(COMMANDS[0]); i++)
                if (strcmp(COMMANDS[i].type, command->type) == 0)
                        r = COMMANDS[i].run(&run);
        if (r == 0)
                r = take_texts(&run, ret_result, ret_error);
        mu_text_done(&run.result);
        mu_text_done(&run.error);
        return r;
}
