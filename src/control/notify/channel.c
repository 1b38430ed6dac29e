/* SPDX-License-Identifier: Apache-2.0 */
#include "control/notify/channel.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <openssl/mem.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/assert.h"
#include "control/notify/standard_webhook.h"
#include "control/seal.h"
#include "identity/secrets.h"
#include "outbound/address.h"
#include "outbound/outbound.h"
#include "outbound/url.h"

static const char *const kind_names[MU_CHANNEL_KINDS] = {
        [MU_CHANNEL_DISCORD] = "discord",
        [MU_CHANNEL_WEBHOOK] = "webhook",
        [MU_CHANNEL_EMAIL] = "email",
};

const char *mu_channel_kind_name(enum mu_channel_kind kind)
{
        MU_ASSERT(kind < MU_CHANNEL_KINDS);
        return kind_names[kind];
}

int mu_channel_kind_of(const char *name, enum mu_channel_kind *ret_kind)
{
        for (size_t i = 0; i < MU_CHANNEL_KINDS; i++)
                if (strcmp(kind_names[i], name) == 0) {
                        *ret_kind = (enum mu_channel_kind)i;
                        return 0;
                }
        return -ENOENT;
}

/* ---- where it leads ---- */

MU_PRINTF(2, 3) static int refuse(char *error, const char *format, ...)
{
        va_list arguments;

        va_start(arguments, format);
        (void)vsnprintf(error, MU_CHANNEL_ERROR_BYTES, format, arguments);
        va_end(arguments);
        return -EINVAL;
}

/* One of the list's, with its port if it has one: "a.example,127.0.0.1:8080". */
static bool is_listed(const char *host, const char *list)
{
        size_t bytes = strlen(host);

        while (*list) {
                size_t chars = strcspn(list, ", ");

                if (chars == bytes && strncasecmp(list, host, bytes) == 0)
                        return true;
                list += chars;
                list += strspn(list, ", ");
        }
        return false;
}

static size_t digits(const char *text)
{
        return strspn(text, "0123456789");
}

/* "/api/webhooks/ID/TOKEN", "/api/v10/webhooks/ID/TOKEN": nothing behind, no query. */
static bool is_discord_path(const char *path)
{
        static const char token_chars[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                          "0123456789-_.";

        if (strncmp(path, "/api/", 5) != 0)
                return false;
        path += 5;
        if (*path == 'v') {
                size_t version = digits(path + 1);

                if (version < 1 || version > 3 || path[1 + version] != '/')
                        return false;
                path += version + 2;
        }
        if (strncmp(path, "webhooks/", 9) != 0)
                return false;
        path += 9;
        size_t id = digits(path);

        if (id < 1 || id > 20 || path[id] != '/')
                return false;
        path += id + 1;
        size_t token = strspn(path, token_chars);

        return token > 0 && path[token] == '\0';
}

static int check_discord(const char *url, const char *host, const char *hosts, char *error)
{
        const char *path = strchr(strstr(url, "://") + 3, '/');

        if (!is_listed(host, hosts ? hosts : MU_DISCORD_HOSTS))
                return refuse(error,
                              "The URL leads to %.100s, which is not Discord. Copy it from the "
                              "Discord channel's settings, Integrations, Webhooks.",
                              host);
        if (!path || !is_discord_path(path))
                return refuse(error, "The URL is no Discord webhook: it must look like "
                                     "https://discord.com/api/webhooks/ID/TOKEN.");
        return 0;
}

/* Numbers as a host, in any of the forms that resolve without a name server. */
static bool is_private_literal(const char *host)
{
        char plain[MU_CHANNEL_HOST_BYTES];
        struct in_addr four;
        size_t chars = strlen(host);

        if (host[0] == '[' && host[chars - 1] == ']') {
                (void)snprintf(plain, sizeof(plain), "%.*s", (int)chars - 2, host + 1);
                return !mu_address_text_is_public(plain);
        }
        return inet_aton(host, &four) && !mu_ipv4_is_public(ntohl(four.s_addr));
}

static int check_webhook(const struct mu_url *url, const char *host, bool allow_private,
                         char *error)
{
        char name[MU_CHANNEL_HOST_BYTES];

        (void)snprintf(name, sizeof(name), "%s", host);
        char *port = strrchr(name, ':');

        if (port && !strchr(port, ']'))
                *port = '\0';
        if (allow_private)
                return 0;
        if (strcmp(url->scheme, "https") != 0)
                return refuse(error, "The URL must begin with https://.");
        if (url->loopback || is_private_literal(name))
                return refuse(error,
                              "The URL leads to %.100s, which is not an address of the public "
                              "Internet. Allow private addresses for this channel if that is "
                              "meant.",
                              name);
        return 0;
}

int mu_channel_check_url(enum mu_channel_kind kind, const char *url, bool allow_private,
                         const char *discord_hosts, char *ret_host, char *error)
{
        static const char *const schemes[] = {"https", "http", NULL};
        struct mu_url parsed;

        MU_ASSERT(kind == MU_CHANNEL_DISCORD || kind == MU_CHANNEL_WEBHOOK);
        if (strlen(url) > MU_CHANNEL_URL_BYTES_MAX)
                return refuse(error, "The URL is longer than %d bytes.", MU_CHANNEL_URL_BYTES_MAX);
        int code = mu_url_parse(url, schemes, &parsed);

        if (code == -ENOMEM)
                return code;
        if (code < 0)
                return refuse(error, "The URL can't be read: it must be a whole one, "
                                     "https://host/path, without user and password.");
        if (mu_outbound_check_url(url) < 0)
                return refuse(error, "The URL must begin with https://.");
        const char *host = strstr(parsed.origin, "://") + 3;

        code = kind == MU_CHANNEL_DISCORD ? check_discord(url, host, discord_hosts, error)
                                          : check_webhook(&parsed, host, allow_private, error);
        if (code == 0)
                (void)snprintf(ret_host, MU_CHANNEL_HOST_BYTES, "%s", host);
        return code;
}

/* ---- what is secret ---- */

static void wipe(char **text)
{
        if (*text) {
                OPENSSL_cleanse(*text, strlen(*text));
                free(*text);
        }
        *text = NULL;
}

void mu_channel_secret_done(struct mu_channel_secret *secret)
{
        wipe(&secret->url);
        wipe(&secret->signing);
        wipe(&secret->signing_before);
        secret->until_us = 0;
}

static int make_signing(char **ret_signing)
{
        char signing[MU_WEBHOOK_SECRET_BYTES];
        int code = mu_webhook_make_secret(signing);

        if (code < 0)
                return code;
        *ret_signing = strdup(signing);
        OPENSSL_cleanse(signing, sizeof(signing));
        return *ret_signing ? 0 : -ENOMEM;
}

int mu_channel_secret_make(enum mu_channel_kind kind, const char *url,
                           struct mu_channel_secret *ret_secret)
{
        struct mu_channel_secret secret = {.url = url ? strdup(url) : NULL};
        int code = url && !secret.url ? -ENOMEM : 0;

        if (code == 0 && kind == MU_CHANNEL_WEBHOOK)
                code = make_signing(&secret.signing);
        if (code < 0) {
                mu_channel_secret_done(&secret);
                return code;
        }
        *ret_secret = secret;
        return 0;
}

int mu_channel_secret_rotate(struct mu_channel_secret *secret, int64_t until_us)
{
        char *signing;
        int code = make_signing(&signing);

        if (code < 0)
                return code;
        wipe(&secret->signing_before);
        secret->signing_before = secret->signing;
        secret->until_us = until_us;
        if (until_us == 0)
                wipe(&secret->signing_before);
        secret->signing = signing;
        return 0;
}

/* ---- sealing ---- */

static void bind_to(const struct mu_secrets *secrets, int64_t channel_id,
                    uint8_t key[MU_SECRET_KEY_BYTES], char place[48])
{
        static_assert((int)MU_SECRET_KEY_BYTES == (int)MU_SEAL_KEY_BYTES, "a key of its own");
        mu_secrets_derive(secrets, "alert-channel", key);
        (void)snprintf(place, 48, "alert-channel:%" PRId64, channel_id);
}

static char *secret_json(const struct mu_channel_secret *secret)
{
        json_t *signing = secret->signing
                                  ? json_pack("[s, s*]", secret->signing, secret->signing_before)
                                  : json_array();
        json_t *whole = json_pack("{s:s*, s:o, s:I}", "url", secret->url, "secrets", signing,
                                  "until", (json_int_t)secret->until_us);
        char *text = whole ? json_dumps(whole, JSON_COMPACT) : NULL;

        json_decref(whole);
        return text;
}

int mu_channel_seal(const struct mu_secrets *secrets, int64_t channel_id,
                    const struct mu_channel_secret *secret, uint8_t **ret_sealed, size_t *ret_bytes)
{
        uint8_t key[MU_SECRET_KEY_BYTES];
        char place[48];
        char *text = secret_json(secret);

        if (!text)
                return -ENOMEM;
        bind_to(secrets, channel_id, key, place);
        int code = mu_seal(key, place, strlen(place), text, strlen(text), ret_sealed, ret_bytes);

        OPENSSL_cleanse(key, sizeof(key));
        wipe(&text);
        return code;
}

static int copy(const json_t *text, char **ret_copy)
{
        const char *value = json_string_value(text);

        *ret_copy = value ? strdup(value) : NULL;
        return value && !*ret_copy ? -ENOMEM : 0;
}

static int read_secret(const char *text, size_t bytes, struct mu_channel_secret *ret_secret)
{
        struct mu_channel_secret secret = {0};
        json_t *whole = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, NULL);
        const json_t *signing = json_object_get(whole, "secrets");
        int code = whole ? copy(json_object_get(whole, "url"), &secret.url) : -EBADMSG;

        if (code == 0)
                code = copy(json_array_get(signing, 0), &secret.signing);
        if (code == 0)
                code = copy(json_array_get(signing, 1), &secret.signing_before);
        secret.until_us = json_integer_value(json_object_get(whole, "until"));
        json_decref(whole);
        if (code < 0)
                mu_channel_secret_done(&secret);
        else
                *ret_secret = secret;
        return code;
}

int mu_channel_open(const struct mu_secrets *secrets, int64_t channel_id, const void *sealed,
                    size_t bytes, struct mu_channel_secret *ret_secret)
{
        uint8_t key[MU_SECRET_KEY_BYTES];
        char place[48];
        size_t text_bytes;
        char *text;

        bind_to(secrets, channel_id, key, place);
        int code = mu_unseal(key, place, strlen(place), sealed, bytes, &text, &text_bytes);

        OPENSSL_cleanse(key, sizeof(key));
        if (code < 0)
                return code;
        code = read_secret(text, text_bytes, ret_secret);
        OPENSSL_cleanse(text, text_bytes);
        free(text);
        return code;
}
