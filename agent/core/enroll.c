/* SPDX-License-Identifier: Apache-2.0 */
#include "core/enroll.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "core/base64.h"
#include "core/wipe.h"

enum { CREATED = 201, KEY_VERSION_MAX = INT32_MAX };

int mu_agent_enroll_write(const struct mu_agent_enrolment *enrolment,
                          const struct mu_agent_platform *platform, struct mu_text *text)
{
        mu_text_add(text, "{\"alias\":");
        mu_text_add_json(text, enrolment->alias, strlen(enrolment->alias));
        mu_text_add(text, ",\"kind\":");
        mu_text_add_json(text, platform->kind, strlen(platform->kind));
        mu_text_add(text, ",\"agent_version\":");
        mu_text_add_json(text, platform->version, strlen(platform->version));
        if (enrolment->hardware_id) {
                mu_text_add(text, ",\"hardware_id\":");
                mu_text_add_json(text, enrolment->hardware_id, strlen(enrolment->hardware_id));
        }
        mu_text_add(text, "}");
        return mu_text_status(text);
}

static int refuse(char sentence[MU_AGENT_SENTENCE_BYTES], const char *words)
{
        (void)snprintf(sentence, MU_AGENT_SENTENCE_BYTES, "%s", words);
        return -EINVAL;
}

/* Printable ASCII: it goes into a header. */
static int read_token(const char *token, struct mu_agent_config *config)
{
        size_t bytes = strlen(token);

        if (bytes == 0 || bytes >= sizeof(config->token))
                return -EBADMSG;
        for (size_t i = 0; i < bytes; i++)
                if (token[i] <= ' ' || token[i] > '~')
                        return -EBADMSG;
        memcpy(config->token, token, bytes + 1);
        return 0;
}

static int64_t within(int64_t value, int64_t min, int64_t max)
{
        if (value < min)
                return min;
        return value < max ? value : max;
}

static int read_identity(json_t *root, struct mu_agent_config *config)
{
        const char *device_id;
        const char *token;
        const char *key;
        json_int_t version;
        json_int_t interval_s = config->heartbeat_interval_s;

        if (json_unpack(root, "{s:s, s:s, s:{s:s, s:I}, s?I}", "device_id", &device_id, "token",
                        &token, "hmac", "key", &key, "version", &version, "heartbeat_interval_s",
                        &interval_s) != 0)
                return -EBADMSG;
        int64_t id = mu_command_id_read(device_id);

        if (id == 0 || version < 1 || version > KEY_VERSION_MAX)
                return -EBADMSG;
        int err = mu_agent_base64_decode(key, config->current.bytes, sizeof(config->current.bytes));

        if (err == 0)
                err = read_token(token, config);
        if (err < 0)
                return err;
        config->device_id = id;
        config->current.version = (uint32_t)version;
        config->next = (struct mu_command_key){0};
        config->heartbeat_interval_s =
                within(interval_s, MU_AGENT_HEARTBEAT_S_MIN, MU_AGENT_HEARTBEAT_S_MAX);
        return 0;
}

static void wipe_text(json_t *object, const char *name)
{
        json_t *value = json_object_get(object, name);

        if (json_is_string(value))
                mu_agent_wipe((char *)(uintptr_t)json_string_value(value),
                              json_string_length(value));
}

static int read_created(const struct mu_agent_reply *reply, struct mu_agent_config *config,
                        char sentence[MU_AGENT_SENTENCE_BYTES])
{
        json_t *root = json_loadb(reply->body, reply->body_bytes, JSON_REJECT_DUPLICATES, NULL);
        int err = json_is_object(root) ? read_identity(root, config) : -EBADMSG;

        wipe_text(root, "token");
        wipe_text(json_object_get(root, "hmac"), "key");
        json_decref(root);
        if (err == -EBADMSG)
                (void)refuse(sentence, "what answered is no Muster appliance, or a newer one than "
                                       "this agent understands: check the server's URL");
        return err;
}

/* The problem's own words, where there are any. */
static int read_refusal(const struct mu_agent_reply *reply, char sentence[MU_AGENT_SENTENCE_BYTES])
{
        json_t *root = json_loadb(reply->body, reply->body_bytes, 0, NULL);
        const char *detail = json_string_value(json_object_get(root, "detail"));
        struct mu_text text;

        mu_text_init_fixed(&text, sentence, MU_AGENT_SENTENCE_BYTES);
        mu_text_add_format(&text, "the appliance refused the enrolment (HTTP status %d)",
                           reply->status);
        if (detail) {
                mu_text_add(&text, ": ");
                mu_text_add(&text, detail);
        }
        json_decref(root);
        return -EPERM;
}

int mu_agent_enroll_read(const struct mu_agent_reply *reply, struct mu_agent_config *config,
                         char ret_sentence[MU_AGENT_SENTENCE_BYTES])
{
        if (reply->error != 0) {
                (void)snprintf(ret_sentence, MU_AGENT_SENTENCE_BYTES,
                               "the appliance could not be asked: %s", reply->sentence);
                return reply->error;
        }
        if (reply->status != CREATED)
                return read_refusal(reply, ret_sentence);
        return read_created(reply, config, ret_sentence);
}
