/* SPDX-License-Identifier: Apache-2.0 */
#include "core/update_offer.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "core/base64.h"
#include "muster/command.h"

static int refuse(char sentence[MU_AGENT_SENTENCE_BYTES], const char *member, const char *why)
{
        (void)snprintf(sentence, MU_AGENT_SENTENCE_BYTES, "the offer's %s %s", member, why);
        return -EBADMSG;
}

/* A string member; NULL: it is none, or holds a NUL. */
static const char *text_of(const json_t *object, const char *name)
{
        const json_t *member = json_object_get(object, name);
        const char *text = json_string_value(member);

        return text && strlen(text) == json_string_length(member) ? text : NULL;
}

/* Plain URL characters: printable, and none that readers of URLs disagree about. */
static bool is_plain(const char *url)
{
        for (; *url; url++)
                if (*url <= ' ' || *url > '~' || strchr("\"'<>\\^`{|}#", *url))
                        return false;
        return true;
}

/* scheme://host[:port] of a whole URL may stand where a server's does. */
static bool is_reachable(const char *url)
{
        char origin[MU_AGENT_URL_BYTES];
        char server[MU_AGENT_URL_BYTES];
        char sentence[MU_AGENT_SENTENCE_BYTES];
        const char *host = strstr(url, "://");

        if (!host)
                return false;
        size_t bytes = (size_t)(host + 3 - url) + strcspn(host + 3, "/?");

        if (bytes >= sizeof(origin) || url[bytes] != '/')
                return false;
        memcpy(origin, url, bytes);
        origin[bytes] = '\0';
        return mu_agent_config_server(origin, server, sentence) == 0;
}

static int read_url(const json_t *offer, char ret_url[MU_UPDATE_URL_BYTES], char *sentence)
{
        const char *url = text_of(offer, "url");

        if (!url || !*url || strlen(url) >= MU_UPDATE_URL_BYTES || !is_plain(url))
                return refuse(sentence, "url", "is no URL of up to 1024 plain characters");
        if (url[0] == '/' ? url[1] == '/' : !is_reachable(url))
                return refuse(sentence, "url",
                              "is neither a path below the server nor an https URL (http only to "
                              "this machine itself)");
        memcpy(ret_url, url, strlen(url) + 1);
        return 0;
}

/* Absent and null: *ret_value stays. */
static int read_bool(const json_t *object, const char *name, bool *ret_value, char *sentence)
{
        const json_t *member = json_object_get(object, name);

        if (!member || json_is_null(member))
                return 0;
        if (!json_is_boolean(member))
                return refuse(sentence, name, "is neither true nor false");
        *ret_value = json_is_true(member);
        return 0;
}

static int read_constraints(const json_t *offer, struct mu_agent_update_constraints *ret,
                            char *sentence)
{
        const json_t *object = json_object_get(offer, "constraints");
        const json_t *battery = json_object_get(object, "min_battery");

        if (!object || json_is_null(object))
                return 0;
        if (!json_is_object(object))
                return refuse(sentence, "constraints", "are no object");
        if (battery && !json_is_null(battery)) {
                json_int_t percent = json_integer_value(battery);

                if (!json_is_integer(battery) || percent < 0 || percent > 100)
                        return refuse(sentence, "min_battery", "is no percentage");
                ret->min_battery = (int)percent;
        }
        int err = read_bool(object, "wifi_only", &ret->wifi_only, sentence);

        return err < 0 ? err : read_bool(object, "not_in_call", &ret->not_in_call, sentence);
}

static int read_offer(const json_t *json, struct mu_agent_update_offer *offer, char *sentence)
{
        const char *version = text_of(json, "version");
        const json_t *size = json_object_get(json, "size_bytes");
        const char *sha256 = text_of(json, "sha256");
        const char *signature = text_of(json, "signature");

        if (!version || !mu_update_version_valid(version))
                return refuse(sentence, "version", "is none");
        memcpy(offer->version, version, strlen(version) + 1);
        offer->size_bytes = json_integer_value(size);
        if (!json_is_integer(size) || offer->size_bytes < 1 ||
            offer->size_bytes > MU_UPDATE_BYTES_MAX)
                return refuse(sentence, "size_bytes", "does not lie between 1 and 64 MiB");
        if (!sha256 || !mu_command_hex_read(sha256, offer->sha256, sizeof(offer->sha256)))
                return refuse(sentence, "sha256", "is not 64 lower-case hex digits");
        if (!signature ||
            mu_agent_base64_decode(signature, offer->signature, sizeof(offer->signature)) < 0)
                return refuse(sentence, "signature", "is not the base64 of 64 bytes");
        int err = read_url(json, offer->url, sentence);

        return err < 0 ? err : read_constraints(json, &offer->constraints, sentence);
}

int mu_agent_update_offer_read(const char *json, size_t bytes,
                               struct mu_agent_update_offer *ret_offer,
                               char ret_sentence[MU_AGENT_SENTENCE_BYTES])
{
        struct mu_agent_update_offer offer = {.size_bytes = 0};
        json_t *object = json_loadb(json, bytes, JSON_REJECT_DUPLICATES, NULL);

        if (!json_is_object(object)) {
                json_decref(object);
                (void)snprintf(ret_sentence, MU_AGENT_SENTENCE_BYTES,
                               "the answer to the question for updates is no JSON object");
                return -EBADMSG;
        }
        int err = read_offer(object, &offer, ret_sentence);

        json_decref(object);
        if (err == 0)
                *ret_offer = offer;
        return err;
}

bool mu_agent_update_offer_is_signed(const struct mu_agent_update_offer *offer,
                                     const struct mu_agent_config *config,
                                     const struct mu_agent_crypto *crypto)
{
        struct mu_update_form form = {.version = offer->version, .size_bytes = offer->size_bytes};
        char text[MU_UPDATE_CANONICAL_BYTES];
        size_t bytes;

        memcpy(form.sha256, offer->sha256, sizeof(form.sha256));
        if (mu_update_canonical(&form, text, &bytes) < 0)
                return false;
        for (size_t i = 0; i < config->update_key_count; i++)
                if (crypto->ed25519_verify(text, bytes, offer->signature, config->update_keys[i]))
                        return true;
        return false;
}

const char *mu_agent_update_wait(const struct mu_agent_update_constraints *constraints,
                                 const struct mu_agent_config *config,
                                 const struct mu_agent_readings *readings)
{
        bool is_cheap = readings->network == MU_AGENT_NETWORK_WIFI ||
                        readings->network == MU_AGENT_NETWORK_ETHERNET;

        if ((constraints->wifi_only || config->update_wifi_only) && !is_cheap)
                return "Wi-Fi or a wire";
        if (readings->battery >= 0 && readings->battery < constraints->min_battery)
                return "a fuller battery";
        if (constraints->not_in_call && readings->in_call == MU_AGENT_YES)
                return "the end of a call";
        return NULL;
}
