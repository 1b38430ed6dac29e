/* SPDX-License-Identifier: Apache-2.0 */
#include "core/config.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/name_distance.h"
#include "base/text.h"
#include "core/base64.h"
#include "core/wipe.h"

enum {
        NAME_BYTES_MAX = 40, /* of a member, in a sentence */
        KEY_CHARS = MU_AGENT_BASE64_CHARS(MU_COMMAND_KEY_BYTES),
        HEARTBEAT_S_DEFAULT = 300,
};

/* One object of the file and the members it may have. */
struct place {
        const char *name; /* in a sentence */
        const char *const *members;
        size_t count;
        const json_t *object;
        char *sentence;
};

#define PLACE(name, members, object, sentence)                                                     \
        ((struct place){name, members, MU_COUNT_OF(members), object, sentence})

static const char *const FILE_MEMBERS[] = {"server", "device_id", "token",
                                           "keys",   "tls",       "heartbeat_interval_s",
                                           "update", "settings",  "policy"};
static const char *const KEYS_MEMBERS[] = {"current", "next"};
static const char *const KEY_MEMBERS[] = {"version", "key"};
static const char *const TLS_MEMBERS[] = {"ca_file", "pin"};
static const char *const UPDATE_MEMBERS[] = {"channel", "keys", "wifi_only", "trial_s"};
static const char *const SETTINGS_MEMBERS[] = {"monitored_package", "auto_relaunch"};
static const char *const POLICY_MEMBERS[] = {"reboot", "screenshot", "services", "programs"};

MU_PRINTF(2, 3)
static int refuse(char *sentence, const char *format, ...)
{
        va_list arguments;

        va_start(arguments, format);
        (void)vsnprintf(sentence, MU_AGENT_SENTENCE_BYTES, format, arguments);
        va_end(arguments);
        return -EINVAL;
}

static int refuse_member(const struct place *place, const char *member, const char *reason)
{
        return refuse(place->sentence, "%s: %s %s", place->name, member, reason);
}

/* ---- what may stand there ---- */

static int refuse_unknown(const struct place *place, const char *given)
{
        const char *nearest = place->members[0];
        char quoted[NAME_BYTES_MAX * 6 + 3];
        char cut[NAME_BYTES_MAX + 1];
        size_t best = SIZE_MAX;
        struct mu_text text;

        (void)snprintf(cut, sizeof(cut), "%s", given);
        for (size_t i = 0; i < place->count; i++) {
                size_t differs = mu_name_distance(cut, place->members[i]);

                if (differs < best) {
                        best = differs;
                        nearest = place->members[i];
                }
        }
        /* Whatever was written there, the sentence stays one line of text. */
        mu_text_init_fixed(&text, quoted, sizeof(quoted));
        mu_text_add_json(&text, cut, strlen(cut));
        return refuse(place->sentence, "%s: there is no member %.120s; did you mean \"%s\"?",
                      place->name, quoted, nearest);
}

/* An object that has no other members. Absent: NULL is in place->object, and all of it default. */
static int check_members(const struct place *place)
{
        const char *name;
        json_t *value;

        if (!place->object)
                return 0;
        if (!json_is_object(place->object))
                return refuse(place->sentence, "%s is not a JSON object", place->name);
        /* jansson's iterators want what they will not change. */
        json_object_foreach((json_t *)(uintptr_t)place->object, name, value)
        {
                size_t i = 0;

                while (i < place->count && strcmp(place->members[i], name) != 0)
                        i++;
                if (i == place->count)
                        return refuse_unknown(place, name);
        }
        return 0;
}

/* ---- one member ---- */

static int read_bool(const struct place *place, const char *member, bool *value)
{
        const json_t *given = json_object_get(place->object, member);

        if (!given)
                return 0;
        if (!json_is_boolean(given))
                return refuse_member(place, member, "must be true or false");
        *value = json_is_true(given);
        return 0;
}

static int read_number(const struct place *place, const char *member, int64_t least, int64_t most,
                       int64_t *value)
{
        const json_t *given = json_object_get(place->object, member);

        if (!given)
                return 0;
        if (!json_is_integer(given) || json_integer_value(given) < least ||
            json_integer_value(given) > most)
                return refuse(place->sentence,
                              "%s: %s must be a whole number from %" PRId64 " to %" PRId64,
                              place->name, member, least, most);
        *value = json_integer_value(given);
        return 0;
}

/* Text on one line, shorter than room. *ret_text NULL: absent. */
static int find_text(const struct place *place, const char *member, const json_t *given,
                     size_t room, const char **ret_text)
{
        if (!given) {
                *ret_text = NULL;
                return 0;
        }
        if (!json_is_string(given))
                return refuse_member(place, member, "must be text");
        const char *text = json_string_value(given);

        if (strlen(text) >= room)
                return refuse(place->sentence, "%s: %s is longer than %zu bytes", place->name,
                              member, room - 1);
        for (const char *at = text; *at; at++)
                if ((unsigned char)*at < ' ' || *at == 0x7f)
                        return refuse_member(place, member, "holds a control character");
        *ret_text = text;
        return 0;
}

static int read_text(const struct place *place, const char *member, char *value, size_t room)
{
        const char *text;
        int err = find_text(place, member, json_object_get(place->object, member), room, &text);

        if (err < 0 || !text)
                return err;
        memset(value, 0, room);
        memcpy(value, text, strlen(text));
        return 0;
}

static int require(const struct place *place, const char *member)
{
        if (json_object_get(place->object, member))
                return 0;
        return refuse_member(place, member,
                             "is missing: enroll this device (muster-agent enroll) to have it "
                             "written");
}

/* ---- the objects of the file ---- */

static int read_identity(const struct place *file, struct mu_agent_config *config)
{
        static const char *const needed[] = {"server", "device_id", "token", "keys"};
        const char *text = NULL;
        int err = 0;

        for (size_t i = 0; i < MU_COUNT_OF(needed) && err == 0; i++)
                err = require(file, needed[i]);
        if (err == 0)
                err = read_text(file, "server", config->server, sizeof(config->server));
        if (err == 0)
                err = mu_agent_config_server(config->server, config->server, file->sentence);
        if (err == 0)
                err = find_text(file, "device_id", json_object_get(file->object, "device_id"), 20,
                                &text);
        if (err < 0)
                return err;
        config->device_id = mu_command_id_read(text);
        if (config->device_id == 0)
                return refuse_member(file, "device_id", "must be a number from 1 on, as text");
        err = read_text(file, "token", config->token, sizeof(config->token));
        if (err < 0)
                return err;
        /* It goes into a header. */
        bool fits = config->token[0] != '\0';

        for (const char *at = config->token; *at; at++)
                fits = fits && *at > ' ' && *at <= '~';
        if (!fits)
                return refuse_member(file, "token", "is no token of a device");
        return read_number(file, "heartbeat_interval_s", MU_AGENT_HEARTBEAT_S_MIN,
                           MU_AGENT_HEARTBEAT_S_MAX, &config->heartbeat_interval_s);
}

/* One of "keys": absent leaves version 0. */
static int read_key(const struct place *keys, const char *name, const char *where,
                    struct mu_command_key *key)
{
        const struct place place =
                PLACE(where, KEY_MEMBERS, json_object_get(keys->object, name), keys->sentence);
        int64_t version = 0;
        const char *text = NULL;
        int err = check_members(&place);

        if (err < 0 || !place.object)
                return err;
        for (size_t i = 0; i < place.count && err == 0; i++)
                err = require(&place, place.members[i]);
        if (err == 0)
                err = read_number(&place, "version", 1, UINT32_MAX, &version);
        if (err == 0)
                err = find_text(&place, "key", json_object_get(place.object, "key"), SIZE_MAX,
                                &text);
        if (err < 0)
                return err;
        if (mu_agent_base64_decode(text, key->bytes, sizeof(key->bytes)) < 0)
                return refuse_member(&place, "key", "is not the base64 of 32 bytes");
        key->version = (uint32_t)version;
        return 0;
}

static int read_keys(const struct place *file, struct mu_agent_config *config)
{
        const struct place keys =
                PLACE("keys", KEYS_MEMBERS, json_object_get(file->object, "keys"), file->sentence);
        int err = check_members(&keys);

        if (err == 0)
                err = require(&keys, "current");
        if (err == 0)
                err = read_key(&keys, "current", "keys.current", &config->current);
        if (err == 0)
                err = read_key(&keys, "next", "keys.next", &config->next);
        if (err == 0 && config->next.version == config->current.version)
                err = refuse(keys.sentence, "keys: current and next have the same version");
        return err;
}

/* "sha256//" and the base64 of 32 bytes: one pin, as curl writes it. */
static bool is_pin(const char *pin)
{
        uint8_t hash[MU_COMMAND_SHA256_BYTES];
        const size_t prefix = strlen("sha256//");

        return strncmp(pin, "sha256//", prefix) == 0 &&
               mu_agent_base64_decode(pin + prefix, hash, sizeof(hash)) == 0;
}

static int read_tls(const struct place *file, struct mu_agent_config *config)
{
        const struct place tls =
                PLACE("tls", TLS_MEMBERS, json_object_get(file->object, "tls"), file->sentence);
        int err = check_members(&tls);

        if (err == 0)
                err = read_text(&tls, "ca_file", config->ca_file, sizeof(config->ca_file));
        if (err == 0)
                err = read_text(&tls, "pin", config->pin, sizeof(config->pin));
        if (err == 0 && config->pin[0] != '\0' && !is_pin(config->pin))
                err = refuse_member(&tls, "pin",
                                    "must be sha256// and the base64 of the SHA-256 of the "
                                    "server's public key");
        return err;
}

static int read_update_keys(const struct place *update, struct mu_agent_config *config)
{
        const json_t *keys = json_object_get(update->object, "keys");
        size_t i;
        json_t *key;

        if (!keys)
                return 0;
        if (!json_is_array(keys) || json_array_size(keys) > MU_AGENT_UPDATE_KEYS_MAX)
                return refuse_member(update, "keys", "must be a list of at most 4 keys");
        json_array_foreach(keys, i, key)
        {
                if (!json_is_string(key) ||
                    mu_agent_base64_decode(json_string_value(key), config->update_keys[i],
                                           MU_ED25519_KEY_BYTES) < 0)
                        return refuse(update->sentence,
                                      "update: number %zu of keys is not the base64 of 32 bytes",
                                      i + 1);
        }
        config->update_key_count = json_array_size(keys);
        return 0;
}

static int read_update(const struct place *file, struct mu_agent_config *config)
{
        const struct place update = PLACE("update", UPDATE_MEMBERS,
                                          json_object_get(file->object, "update"), file->sentence);
        int err = check_members(&update);

        if (err == 0)
                err = read_text(&update, "channel", config->channel, sizeof(config->channel));
        if (err == 0 && (config->channel[0] == '\0' ||
                         strspn(config->channel, "abcdefghijklmnopqrstuvwxyz0123456789-") !=
                                 strlen(config->channel)))
                err = refuse_member(&update, "channel",
                                    "must be 1 to 32 lower-case letters, digits and hyphens");
        if (err == 0)
                err = read_update_keys(&update, config);
        if (err == 0)
                err = read_bool(&update, "wifi_only", &config->update_wifi_only);
        if (err == 0)
                err = read_number(&update, "trial_s", MU_AGENT_TRIAL_S_MIN, MU_AGENT_TRIAL_S_MAX,
                                  &config->update_trial_s);
        return err;
}

/* In the file and in set_config. null, as the appliance says it: no package is watched. */
static int read_settings(const struct place *settings, struct mu_agent_config *config)
{
        int err = check_members(settings);

        if (err == 0 && json_is_null(json_object_get(settings->object, "monitored_package")))
                memset(config->monitored_package, 0, sizeof(config->monitored_package));
        else if (err == 0)
                err = read_text(settings, "monitored_package", config->monitored_package,
                                sizeof(config->monitored_package));
        if (err == 0)
                err = read_bool(settings, "auto_relaunch", &config->auto_relaunch);
        return err;
}

static bool is_service(const char *name)
{
        return *name != '\0' && *name != '-' && !strchr(name, '/');
}

static bool is_letter(char letter)
{
        return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z');
}

/* A whole path, of this system or of Windows: what is started never depends on a search. */
static bool is_program(const char *name)
{
        return name[0] == '/' || (is_letter(name[0]) && name[1] == ':' && name[2] == '\\');
}

static int read_names(const struct place *policy, const char *member, size_t room,
                      bool (*fits)(const char *name), const char *rule,
                      struct mu_agent_names *names)
{
        const json_t *given = json_object_get(policy->object, member);
        const char *text;
        size_t i;
        json_t *name;

        if (!given)
                return 0;
        if (!json_is_array(given) || json_array_size(given) > MU_AGENT_POLICY_NAMES_MAX)
                return refuse_member(policy, member, "must be a list of at most 32 names");
        json_array_foreach(given, i, name)
        {
                int err = find_text(policy, member, name, room, &text);

                if (err < 0)
                        return err;
                if (!fits(text))
                        return refuse_member(policy, member, rule);
                names->names[i] = malloc(strlen(text) + 1);
                if (!names->names[i])
                        return -ENOMEM;
                memcpy(names->names[i], text, strlen(text) + 1);
                names->count = i + 1;
        }
        return 0;
}

static int read_policy(const struct place *file, struct mu_agent_config *config)
{
        const struct place policy = PLACE("policy", POLICY_MEMBERS,
                                          json_object_get(file->object, "policy"), file->sentence);
        int err = check_members(&policy);

        if (err == 0)
                err = read_bool(&policy, "reboot", &config->may_reboot);
        if (err == 0)
                err = read_bool(&policy, "screenshot", &config->may_screenshot);
        if (err == 0)
                err = read_names(&policy, "services", MU_AGENT_PACKAGE_BYTES, is_service,
                                 "must hold names of services, without / and no - in front",
                                 &config->services);
        if (err == 0)
                err = read_names(&policy, "programs", MU_AGENT_PACKAGE_BYTES, is_program,
                                 "must hold whole paths of programs", &config->programs);
        return err;
}

static int read_file(const struct place *file, struct mu_agent_config *config)
{
        const struct place settings =
                PLACE("settings", SETTINGS_MEMBERS, json_object_get(file->object, "settings"),
                      file->sentence);
        int err = check_members(file);

        if (err == 0)
                err = read_identity(file, config);
        if (err == 0)
                err = read_keys(file, config);
        if (err == 0)
                err = read_tls(file, config);
        if (err == 0)
                err = read_update(file, config);
        if (err == 0)
                err = read_settings(&settings, config);
        if (err == 0)
                err = read_policy(file, config);
        return err;
}

/* ---- the whole ---- */

void mu_agent_config_init(struct mu_agent_config *ret_config)
{
        *ret_config = (struct mu_agent_config){
                .heartbeat_interval_s = HEARTBEAT_S_DEFAULT,
                .channel = "stable",
                .update_trial_s = MU_AGENT_TRIAL_S_DEFAULT,
        };
}

static void names_done(struct mu_agent_names *names)
{
        for (size_t i = 0; i < names->count; i++)
                free(names->names[i]);
}

void mu_agent_config_done(struct mu_agent_config *config)
{
        if (!config)
                return;
        names_done(&config->services);
        names_done(&config->programs);
        mu_agent_wipe(config, sizeof(*config));
}

/* jansson frees texts as they are: the secrets among them are wiped before. */
static void wipe_texts(json_t *value)
{
        const char *name;
        json_t *member;
        size_t i;

        if (json_is_string(value))
                mu_agent_wipe((char *)(uintptr_t)json_string_value(value),
                              json_string_length(value));
        json_object_foreach(value, name, member) wipe_texts(member);
        json_array_foreach(value, i, member) wipe_texts(member);
}

/* jansson's own words quote the text around a mistake, which may be a secret. */
static int refuse_json(char *sentence, const json_error_t *error)
{
        switch (json_error_code(error)) {
        case json_error_out_of_memory:
                return -ENOMEM;
        case json_error_duplicate_key:
                return refuse(sentence, "line %d: a member of this name stands there already",
                              error->line);
        default:
                return refuse(sentence, "line %d, column %d: this is not JSON", error->line,
                              error->column);
        }
}

int mu_agent_config_read(const char *json, size_t bytes, struct mu_agent_config *ret_config,
                         char ret_sentence[MU_AGENT_SENTENCE_BYTES])
{
        struct mu_agent_config config;
        json_error_t error;

        if (bytes > MU_AGENT_CONFIG_BYTES_MAX)
                return refuse(ret_sentence, "the configuration is longer than 64 KiB");
        json_t *root = json_loadb(json, bytes, JSON_REJECT_DUPLICATES, &error);

        if (!root)
                return refuse_json(ret_sentence, &error);
        const struct place file = PLACE("the configuration", FILE_MEMBERS, root, ret_sentence);

        mu_agent_config_init(&config);
        int err = read_file(&file, &config);

        wipe_texts(root);
        json_decref(root);
        if (err < 0) {
                mu_agent_config_done(&config);
                return err;
        }
        *ret_config = config;
        mu_agent_wipe(&config, sizeof(config));
        return 0;
}

int mu_agent_config_set(struct mu_agent_config *config, const struct json_t *settings,
                        char ret_sentence[MU_AGENT_SENTENCE_BYTES])
{
        const struct place place = PLACE("settings", SETTINGS_MEMBERS, settings, ret_sentence);
        struct mu_agent_config changed;

        if (!settings)
                return refuse(ret_sentence, "settings is missing");
        mu_agent_config_init(&changed);
        memcpy(changed.monitored_package, config->monitored_package,
               sizeof(changed.monitored_package));
        changed.auto_relaunch = config->auto_relaunch;
        int err = read_settings(&place, &changed);

        if (err < 0)
                return err;
        memcpy(config->monitored_package, changed.monitored_package,
               sizeof(config->monitored_package));
        config->auto_relaunch = changed.auto_relaunch;
        return 0;
}

/* ---- writing ---- */

static void add_member(struct mu_text *text, const char *name, const char *value)
{
        mu_text_add_format(text, "\"%s\": ", name);
        mu_text_add_json(text, value, strlen(value));
}

static void add_bool(struct mu_text *text, const char *name, bool value)
{
        mu_text_add_format(text, "\"%s\": %s", name, value ? "true" : "false");
}

static void add_key(struct mu_text *text, const char *name, const struct mu_command_key *key)
{
        char digits[KEY_CHARS + 1];

        mu_agent_base64_encode(key->bytes, sizeof(key->bytes), digits);
        mu_text_add_format(text, "    \"%s\": {\"version\": %" PRIu32 ", \"key\": \"%s\"}", name,
                           key->version, digits);
        mu_agent_wipe(digits, sizeof(digits));
}

static void add_names(struct mu_text *text, const char *member, const struct mu_agent_names *names)
{
        mu_text_add_format(text, "    \"%s\": [", member);
        for (size_t i = 0; i < names->count; i++) {
                mu_text_add(text, i > 0 ? ", " : "");
                mu_text_add_json(text, names->names[i], strlen(names->names[i]));
        }
        mu_text_add(text, "]");
}

static void add_tls(struct mu_text *text, const struct mu_agent_config *config)
{
        const char *between = "";

        mu_text_add(text, "  \"tls\": {");
        if (config->ca_file[0] != '\0') {
                add_member(text, "ca_file", config->ca_file);
                between = ", ";
        }
        if (config->pin[0] != '\0') {
                mu_text_add(text, between);
                add_member(text, "pin", config->pin);
        }
        mu_text_add(text, "},\n");
}

static void add_update(struct mu_text *text, const struct mu_agent_config *config)
{
        mu_text_add(text, "  \"update\": {\n    ");
        add_member(text, "channel", config->channel);
        mu_text_add(text, ",\n    \"keys\": [");
        for (size_t i = 0; i < config->update_key_count; i++) {
                char digits[KEY_CHARS + 1];

                mu_agent_base64_encode(config->update_keys[i], MU_ED25519_KEY_BYTES, digits);
                mu_text_add_format(text, "%s\"%s\"", i > 0 ? ", " : "", digits);
        }
        mu_text_add(text, "],\n    ");
        add_bool(text, "wifi_only", config->update_wifi_only);
        mu_text_add_format(text, ",\n    \"trial_s\": %" PRId64 "\n  },\n", config->update_trial_s);
}

int mu_agent_config_write(const struct mu_agent_config *config, struct mu_text *text)
{
        mu_text_add(text, "{\n  ");
        add_member(text, "server", config->server);
        mu_text_add_format(text, ",\n  \"device_id\": \"%" PRId64 "\",\n  ", config->device_id);
        add_member(text, "token", config->token);
        mu_text_add(text, ",\n  \"keys\": {\n");
        add_key(text, "current", &config->current);
        if (config->next.version > 0) {
                mu_text_add(text, ",\n");
                add_key(text, "next", &config->next);
        }
        mu_text_add_format(text, "\n  },\n  \"heartbeat_interval_s\": %" PRId64 ",\n",
                           config->heartbeat_interval_s);
        add_tls(text, config);
        add_update(text, config);
        mu_text_add(text, "  \"settings\": {\n    ");
        add_member(text, "monitored_package", config->monitored_package);
        mu_text_add(text, ",\n    ");
        add_bool(text, "auto_relaunch", config->auto_relaunch);
        mu_text_add(text, "\n  },\n  \"policy\": {\n    ");
        add_bool(text, "reboot", config->may_reboot);
        mu_text_add(text, ",\n    ");
        add_bool(text, "screenshot", config->may_screenshot);
        mu_text_add(text, ",\n");
        add_names(text, "services", &config->services);
        mu_text_add(text, ",\n");
        add_names(text, "programs", &config->programs);
        mu_text_add(text, "\n  }\n}\n");
        return mu_text_status(text);
}
