/* SPDX-License-Identifier: Apache-2.0 */
/* downlink_inbox.c - what comes from the appliance: COMMAND_SIGNATURE.md's checks in their order,
 * and the messages of the channel. */
#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/downlink_private.h"
#include "core/wipe.h"

enum {
        COMPLAINTS_MAX = 10, /* events in as many seconds: a flood of refusals fills no log */
        COMPLAINTS_MS = 10000,
        SENTENCE_BYTES = 200,
};

/* ---- refusals ---- */

static bool may_complain(struct mu_agent_downlink *downlink)
{
        uint64_t now_ns = mu_agent_now_ns(downlink->core);

        if (downlink->complaints == 0 ||
            now_ns >= mu_downlink_later(downlink->complaints_ns, COMPLAINTS_MS)) {
                downlink->complaints_ns = now_ns;
                downlink->complaints = 0;
        }
        return downlink->complaints++ < COMPLAINTS_MAX;
}

static enum mu_downlink_taken refuse(struct mu_agent_downlink *downlink, const char *path,
                                     int64_t command_id, const char *reason)
{
        struct mu_agent_core *core = downlink->core;

        core->refused_commands++;
        if (may_complain(downlink))
                mu_agent_event(core->events, MU_AGENT_WARNING, "command.refused",
                               "\"reason\":\"%s\",\"path\":\"%s\",\"command_id\":\"%lld\","
                               "\"refused\":%llu",
                               reason, path, (long long)command_id,
                               (unsigned long long)core->refused_commands);
        return MU_DOWNLINK_REFUSED;
}

/* ---- the checks ---- */

/* NULL: 1 to 3 hold; "window": 1 and 2 do; else the reason. */
static const char *check_signature(struct mu_agent_downlink *downlink,
                                   const struct mu_command_envelope *envelope)
{
        const struct mu_agent_core *core = downlink->core;
        struct mu_command_key keys[2] = {core->config.current, core->config.next};
        int64_t now_s = mu_agent_clock_sync_now_us(&core->clock) / MU_US_PER_S;

        if (envelope->form.device_id != core->config.device_id)
                return "device";
        int r = mu_command_verify(&envelope->form, envelope->signature, keys, 2,
                                  &core->platform->crypto->command, now_s);

        mu_agent_wipe(keys, sizeof(keys));
        switch (r) {
        case 0:
                return NULL;
        case -ETIME:
                return "window";
        case -ENOKEY:
                return "key_version";
        default:
                return "signature";
        }
}

/* The appliance signs with the new key: the former one has done its work. */
static void take_next_key(struct mu_agent_downlink *downlink, uint32_t version)
{
        struct mu_agent_core *core = downlink->core;
        struct mu_agent_config *config = &core->config;
        struct mu_command_key former = config->current;

        if (config->next.version == 0 || version != config->next.version)
                return;
        config->current = config->next;
        memset(&config->next, 0, sizeof(config->next));
        if (mu_agent_save_config(core) == 0) {
                mu_agent_event(core->events, MU_AGENT_INFO, "key.rotated", "\"version\":%u",
                               version);
        } else {
                /* Both stay valid; the next command tries again. */
                config->next = config->current;
                config->current = former;
        }
        mu_agent_wipe(&former, sizeof(former));
}

static enum mu_downlink_taken enter(struct mu_agent_downlink *downlink,
                                    const struct mu_command_form *form, const char *path)
{
        struct mu_agent_core *core = downlink->core;
        struct mu_downlink_turn *turn = &downlink->turn;
        enum mu_agent_command_state state = MU_AGENT_COMMAND_RECEIVED;

        if (turn->waiting_count >= MU_DOWNLINK_WAITING_MAX)
                return refuse(downlink, path, form->command_id, "too_many");
        int r = mu_agent_command_book_enter(core->book, form,
                                            mu_agent_clock_sync_now_us(&core->clock), &state);

        if (r == -EKEYREJECTED)
                return refuse(downlink, path, form->command_id, "replay");
        if (r == -EALREADY) {
                if (state != MU_AGENT_COMMAND_RECEIVED)
                        mu_downlink_acknowledge_again(downlink, form->command_id);
                return MU_DOWNLINK_KNOWN;
        }
        if (r < 0) /* not remembered, so not acknowledged: it will be sent again */
                return refuse(downlink, path, form->command_id, "store");
        turn->waiting = true;
        turn->waiting_count++;
        core->changed = true;
        return MU_DOWNLINK_NEW;
}

enum mu_downlink_taken mu_downlink_take(struct mu_agent_downlink *downlink, const json_t *envelope,
                                        const char *path)
{
        struct mu_agent_core *core = downlink->core;
        struct mu_command_envelope read;
        char *text = json_is_object(envelope) ? json_dumps(envelope, JSON_COMPACT) : NULL;
        int r = text ? mu_command_envelope_read(text, strlen(text), &read) : -EBADMSG;
        enum mu_downlink_taken taken;

        free(text);
        if (r < 0)
                return refuse(downlink, path, 0, r == -ENOMEM ? "memory" : "malformed");
        const char *reason = check_signature(downlink, &read);

        if (!reason) {
                take_next_key(downlink, read.form.key_version);
                taken = enter(downlink, &read.form, path);
        } else if (strcmp(reason, "window") == 0) {
                if (may_complain(downlink))
                        mu_agent_event(core->events, MU_AGENT_INFO, "command.stale",
                                       "\"path\":\"%s\",\"command_id\":\"%lld\"", path,
                                       (long long)read.form.command_id);
                taken = MU_DOWNLINK_STALE;
        } else {
                taken = refuse(downlink, path, read.form.command_id, reason);
        }
        mu_command_envelope_done(&read);
        return taken;
}

/* ---- messages ---- */

static int64_t id_of(const json_t *message)
{
        const char *id = json_string_value(json_object_get(message, "command_id"));

        return id ? mu_command_id_read(id) : 0;
}

static void on_command(struct mu_agent_downlink *downlink, const json_t *message)
{
        enum mu_downlink_taken taken =
                mu_downlink_take(downlink, json_object_get(message, "command"), "channel");

        if (taken == MU_DOWNLINK_STALE)
                mu_downlink_want_fetch(downlink);
}

static void on_acknowledged(struct mu_agent_downlink *downlink, const json_t *message)
{
        const json_t *run = json_object_get(message, "run");

        if (json_is_boolean(run))
                mu_downlink_acknowledged(downlink, id_of(message), json_is_true(run));
}

static void on_stored(struct mu_agent_downlink *downlink, const json_t *message)
{
        mu_downlink_result_answered(downlink, id_of(message), MU_AGENT_DELIVERED, NULL);
}

static void on_refused(struct mu_agent_downlink *downlink, const json_t *message)
{
        const char *detail = json_string_value(json_object_get(message, "detail"));

        mu_downlink_result_answered(downlink, id_of(message), MU_AGENT_ASIDE,
                                    detail ? detail : "The appliance refused this result.");
}

static void on_error(struct mu_agent_downlink *downlink, const json_t *message)
{
        const char *detail = json_string_value(json_object_get(message, "detail"));
        char quoted[SENTENCE_BYTES];

        if (may_complain(downlink))
                mu_agent_event(downlink->core->events, MU_AGENT_WARNING, "deliver.fail",
                               "\"path\":\"channel\",\"detail\":%s",
                               mu_agent_event_text(detail ? detail : "", quoted, sizeof(quoted)));
        mu_downlink_not_acknowledged(downlink, id_of(message));
        mu_downlink_result_answered(downlink, id_of(message), MU_AGENT_KEEP, NULL);
}

static const struct {
        const char *type;
        void (*handle)(struct mu_agent_downlink *downlink, const json_t *message);
} MESSAGES[] = {
        {"command", on_command},      {"acknowledged", on_acknowledged},
        {"result_stored", on_stored}, {"result_refused", on_refused},
        {"error", on_error},
};

void mu_downlink_message(struct mu_agent_downlink *downlink, const char *text, size_t bytes)
{
        json_t *message = bytes <= MU_DOWNLINK_MESSAGE_BYTES_MAX
                                  ? json_loadb(text, bytes, JSON_REJECT_DUPLICATES, NULL)
                                  : NULL;
        const char *type = json_string_value(json_object_get(message, "type"));
        const char *fetch = json_string_value(json_object_get(message, "fetch"));

        if (!json_is_object(message)) {
                mu_downlink_drop_channel(downlink, "It sent what is not a JSON object.");
        } else if (!type && fetch && strcmp(fetch, "commands") == 0) {
                mu_downlink_want_fetch(downlink);
        } else if (type) {
                /* Other types are a newer appliance's. */
                for (size_t i = 0; i < sizeof(MESSAGES) / sizeof(MESSAGES[0]); i++)
                        if (strcmp(MESSAGES[i].type, type) == 0)
                                MESSAGES[i].handle(downlink, message);
        }
        json_decref(message);
}
