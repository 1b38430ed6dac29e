/* SPDX-License-Identifier: Apache-2.0 */
#include "control/live/live_protocol.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
        ID_DIGITS_MAX = 18,
        STREAM_DIGITS = 8,
};

#define SEQ_MAX (INT64_C(1) << 53)

static const struct {
        const char *name;
        enum mu_live_topic topic;
        const char *scope;
} topics[] = {
        {"fleet", MU_LIVE_FLEET, "devices:read"},
        {"devices", MU_LIVE_DEVICES, "devices:read"},
        {"commands", MU_LIVE_COMMANDS, "commands:read"},
        {"alerts", MU_LIVE_ALERTS, "alerts:read"},
};

static size_t place_of(enum mu_live_topic topic)
{
        size_t at = 0;

        while (at + 1 < MU_COUNT_OF(topics) && topics[at].topic != topic)
                at++;
        return at;
}

const char *mu_live_topic_name(enum mu_live_topic topic)
{
        return topics[place_of(topic)].name;
}

const char *mu_live_topic_scope(enum mu_live_topic topic)
{
        return topics[place_of(topic)].scope;
}

static int refuse(char *sentence, const char *why)
{
        (void)snprintf(sentence, MU_LIVE_SENTENCE_BYTES, "%s", why);
        return -EBADMSG;
}

static int parse_topics(const json_t *object, unsigned *ret_topics, char *sentence)
{
        const json_t *list = json_object_get(object, "topics");
        unsigned wanted = 0;

        for (size_t i = 0; i < json_array_size(list); i++) {
                const char *name = json_string_value(json_array_get(list, i));
                size_t at = 0;

                while (name && at < MU_COUNT_OF(topics) && strcmp(name, topics[at].name) != 0)
                        at++;
                if (!name || at == MU_COUNT_OF(topics))
                        return refuse(sentence,
                                      "topics is a list of \"fleet\", \"devices\", \"commands\", "
                                      "\"alerts\".");
                wanted |= topics[at].topic;
        }
        if (wanted == 0)
                return refuse(sentence, "topics is missing: a list of \"fleet\", \"devices\", "
                                        "\"commands\", \"alerts\".");
        *ret_topics = wanted;
        return 0;
}

static int64_t parse_id(const json_t *value)
{
        const char *text = json_string_value(value);
        int64_t id = 0;

        if (!text || strlen(text) > ID_DIGITS_MAX)
                return 0;
        for (; *text; text++) {
                if (*text < '0' || *text > '9')
                        return 0;
                id = id * 10 + (*text - '0');
        }
        return id;
}

static int compare_ids(const void *a, const void *b)
{
        const int64_t left = *(const int64_t *)a;
        const int64_t right = *(const int64_t *)b;

        return (left > right) - (left < right);
}

static uint32_t sort_ids(int64_t *ids, size_t count)
{
        uint32_t kept = 0;

        qsort(ids, count, sizeof(*ids), compare_ids);
        for (size_t i = 0; i < count; i++)
                if (i == 0 || ids[i] != ids[i - 1])
                        ids[kept++] = ids[i];
        return kept;
}

static int parse_list(const json_t *list, struct mu_live_message *message, char *sentence)
{
        size_t count = json_array_size(list);

        if (!json_is_array(list) || count > MU_LIVE_DEVICES_MAX)
                return refuse(sentence, "devices is \"all\", or a list of at most 500 ids.");
        message->ids = calloc(count ? count : 1, sizeof(*message->ids));
        if (!message->ids)
                return -ENOMEM;
        for (size_t i = 0; i < count; i++) {
                message->ids[i] = parse_id(json_array_get(list, i));
                if (message->ids[i] <= 0)
                        return refuse(sentence, "A device's id is a string of digits.");
        }
        message->id_count = count > 0 ? sort_ids(message->ids, count) : 0;
        return 0;
}

static int parse_devices(const json_t *object, struct mu_live_message *message, char *sentence)
{
        const json_t *devices = json_object_get(object, "devices");

        if (!devices ||
            (json_is_string(devices) && strcmp(json_string_value(devices), "all") == 0)) {
                message->all = true;
                return 0;
        }
        return parse_list(devices, message, sentence);
}

/* What can't be a place in our stream is no error: it is answered by a snapshot. */
static void parse_place(const json_t *object, struct mu_live_message *message)
{
        const char *stream = json_string_value(json_object_get(object, "stream"));
        json_int_t seq = json_integer_value(json_object_get(object, "seq"));

        if (!stream || strlen(stream) != STREAM_DIGITS || seq < 0 || seq > SEQ_MAX)
                return;
        char *end;
        unsigned long number = strtoul(stream, &end, 16);

        if (*end != '\0')
                return;
        message->stream = (uint32_t)number;
        message->seq = (uint64_t)seq;
}

static int parse_auth(const json_t *object, struct mu_live_message *message, char *sentence)
{
        const char *ticket = json_string_value(json_object_get(object, "ticket"));

        if (!ticket || !*ticket || strlen(ticket) >= sizeof(message->ticket))
                return refuse(sentence, "ticket is missing, or is none.");
        (void)snprintf(message->ticket, sizeof(message->ticket), "%s", ticket);
        return 0;
}

static int parse_object(const json_t *object, struct mu_live_message *message, char *sentence)
{
        const char *type = json_string_value(json_object_get(object, "type"));
        int error;

        if (!type)
                return refuse(sentence, "A message is an object with a type.");
        if (strcmp(type, "auth") == 0) {
                message->type = MU_LIVE_AUTH;
                return parse_auth(object, message, sentence);
        }
        if (strcmp(type, "unsubscribe") == 0) {
                message->type = MU_LIVE_UNSUBSCRIBE;
                return 0;
        }
        if (strcmp(type, "subscribe") == 0)
                message->type = MU_LIVE_SUBSCRIBE;
        else if (strcmp(type, "resume") == 0)
                message->type = MU_LIVE_RESUME;
        else
                return refuse(sentence,
                              "type is \"auth\", \"subscribe\", \"resume\" or \"unsubscribe\".");
        error = parse_topics(object, &message->topics, sentence);
        if (error == 0)
                error = parse_devices(object, message, sentence);
        if (error == 0 && message->type == MU_LIVE_RESUME)
                parse_place(object, message);
        return error;
}

int mu_live_message_parse(const char *text, size_t bytes, struct mu_live_message *ret_message,
                          char *sentence)
{
        struct mu_live_message message = {0};
        json_t *object = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, NULL);
        int error = json_is_object(object) ? parse_object(object, &message, sentence)
                                           : refuse(sentence, "A message is a JSON object.");

        json_decref(object);
        if (error < 0) {
                mu_live_message_done(&message);
                return error;
        }
        *ret_message = message;
        return 0;
}

void mu_live_message_done(struct mu_live_message *message)
{
        free(message->ids);
        message->ids = NULL;
}
