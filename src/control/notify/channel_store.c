/* SPDX-License-Identifier: Apache-2.0 */
#include "control/notify/channel_store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "control/notify/channel_view.h"

enum column { SEALED = 21 }; /* behind MU_CHANNEL_COLUMNS */

#define OF_CHANNEL                                                                                 \
        " FROM alert_channels c WHERE c.id = $1 AND c.deleted_at IS NULL AND c.user_id IS NULL"

static const struct mu_pg_statement SHOW = {
        .name = "channel_show",
        .sql = "SELECT " MU_CHANNEL_COLUMNS OF_CHANNEL,
        .params = {MU_PG_INT8},
        .repeatable = true,
};
static const struct mu_pg_statement LOCK = {
        .name = "channel_lock",
        .sql = "SELECT " MU_CHANNEL_COLUMNS ", c.sealed" OF_CHANNEL " FOR UPDATE",
        .params = {MU_PG_INT8},
};
static const struct mu_pg_statement SET_CONFIG = {
        .name = "channel_set_config",
        .sql = "UPDATE alert_channels SET config = $2 WHERE id = $1",
        .params = {MU_PG_INT8, MU_PG_JSONB},
};
static const struct mu_pg_statement SET_SEALED = {
        .name = "channel_set_sealed",
        .sql = "UPDATE alert_channels SET sealed = $2, updated_at = greatest(updated_at, $3)"
               " WHERE id = $1",
        .params = {MU_PG_INT8, MU_PG_BYTEA, MU_PG_TIMESTAMPTZ},
};

/* ---- rows ---- */

bool mu_channel_show(struct mu_ask *ask, int64_t id, json_t **ret_channel)
{
        struct mu_pg_result *rows;

        if (!mu_ask_query(ask, &SHOW, MU_PG_VALUES(mu_pg_int8(id)), &rows))
                return false;
        bool found = mu_pg_rows(rows) == 1;
        json_t *channel = found ? mu_channel_json(rows, 0) : NULL;

        mu_pg_result_free(rows);
        if (channel)
                *ret_channel = channel;
        else if (found)
                mu_ask_failed(ask, -ENOMEM);
        else
                mu_ask_not_found(ask, "channel");
        return channel != NULL;
}

/* What is sealed by another key, or damaged, is as good as none: it can be set anew. */
static int open_sealed(struct mu_ask *ask, int64_t id, const struct mu_pg_result *rows,
                       struct mu_channel_row *row)
{
        if (mu_pg_is_null(rows, 0, SEALED))
                return 0;
        struct mu_pg_bytes sealed = mu_pg_get_bytea(rows, 0, SEALED);
        int error = mu_channel_open(ask->control->config.secrets, id, sealed.data, sealed.bytes,
                                    &row->secret);

        row->opened = error == 0;
        return error == -EBADMSG ? 0 : error;
}

static int read_row(struct mu_ask *ask, int64_t id, const struct mu_pg_result *rows,
                    struct mu_channel_row *row)
{
        *row = (struct mu_channel_row){.json = mu_channel_json(rows, 0)};
        if (!row->json)
                return -ENOMEM;
        row->allow_private = mu_json_bool(row->json, "allow_private", false);
        int error = mu_channel_kind_of(mu_json_text(row->json, "kind"), &row->kind);

        if (error == 0)
                error = open_sealed(ask, id, rows, row);
        if (error < 0)
                mu_channel_row_done(row);
        return error;
}

bool mu_channel_lock(struct mu_ask *ask, int64_t id, struct mu_channel_row *ret_row)
{
        struct mu_channel_row row;
        struct mu_pg_result *rows;

        if (!mu_ask_query(ask, &LOCK, MU_PG_VALUES(mu_pg_int8(id)), &rows))
                return false;
        bool found = mu_pg_rows(rows) == 1;
        int error = found ? read_row(ask, id, rows, &row) : 0;

        mu_pg_result_free(rows);
        if (!found)
                mu_ask_not_found(ask, "channel");
        else if (error < 0)
                mu_ask_failed(ask, error);
        else
                *ret_row = row;
        return found && error == 0;
}

void mu_channel_row_done(struct mu_channel_row *row)
{
        mu_channel_secret_done(&row->secret);
        json_decref(row->json);
        row->json = NULL;
}

/* ---- where it leads ---- */

bool mu_channel_store_secret(struct mu_ask *ask, int64_t id, const struct mu_channel_secret *secret)
{
        uint8_t *sealed;
        size_t bytes;
        int error = mu_channel_seal(ask->control->config.secrets, id, secret, &sealed, &bytes);

        if (error < 0) {
                mu_ask_failed(ask, error);
                return false;
        }
        bool stored = mu_ask_query(ask, &SET_SEALED,
                                   MU_PG_VALUES(mu_pg_int8(id), mu_pg_bytea(sealed, bytes),
                                                mu_pg_timestamptz(mu_alert_now_us(ask))),
                                   NULL);

        free(sealed);
        return stored;
}

/* Takes the reference. False: answered. */
static bool store_config(struct mu_ask *ask, int64_t id, json_t *config)
{
        char *text = config ? json_dumps(config, JSON_COMPACT) : NULL;

        json_decref(config);
        if (!text) {
                mu_ask_failed(ask, -ENOMEM);
                return false;
        }
        bool stored =
                mu_ask_query(ask, &SET_CONFIG,
                             MU_PG_VALUES(mu_pg_int8(id), mu_pg_jsonb(text, strlen(text))), NULL);

        free(text);
        return stored;
}

static int copy_text(const char *text, char **ret_copy)
{
        *ret_copy = text ? strdup(text) : NULL;
        return text && !*ret_copy ? -ENOMEM : 0;
}

/* The URL with the signing secrets of before; without those, new ones. */
static int make_secret(enum mu_channel_kind kind, const char *url,
                       const struct mu_channel_row *before, struct mu_channel_secret *ret_secret)
{
        struct mu_channel_secret secret = {0};

        if (!before || !before->opened)
                return mu_channel_secret_make(kind, url, ret_secret);
        int error = copy_text(url, &secret.url);

        if (error == 0)
                error = copy_text(before->secret.signing, &secret.signing);
        if (error == 0)
                error = copy_text(before->secret.signing_before, &secret.signing_before);
        secret.until_us = before->secret.until_us;
        if (error < 0)
                mu_channel_secret_done(&secret);
        else
                *ret_secret = secret;
        return error;
}

/* A URL that is given, or the one of before with another allow_private. False: answered. */
static bool set_url(struct mu_ask *ask, int64_t id, enum mu_channel_kind kind, const char *url,
                    bool allow_private, const struct mu_channel_row *before,
                    struct mu_channel_secret *ret_secret)
{
        char host[MU_CHANNEL_HOST_BYTES];
        char sentence[MU_CHANNEL_ERROR_BYTES];
        struct mu_channel_secret secret;
        int error = mu_channel_check_url(kind, url, allow_private,
                                         ask->control->config.discord_hosts, host, sentence);

        if (error == -EINVAL) {
                mu_call_problem(ask->call, 400, "field-invalid", "url", "%s", sentence);
                return false;
        }
        if (error == 0)
                error = make_secret(kind, url, before, &secret);
        if (error < 0) {
                mu_ask_failed(ask, error);
                return false;
        }
        json_t *config = kind == MU_CHANNEL_WEBHOOK ? json_pack("{s:s, s:b}", "host", host,
                                                                "allow_private", (int)allow_private)
                                                    : json_pack("{s:s}", "host", host);

        if (store_config(ask, id, config) && mu_channel_store_secret(ask, id, &secret)) {
                *ret_secret = secret;
                return true;
        }
        mu_channel_secret_done(&secret);
        return false;
}

bool mu_channel_set_place(struct mu_ask *ask, int64_t id, enum mu_channel_kind kind,
                          const struct mu_channel_row *before, struct mu_channel_secret *ret_secret)
{
        const char *url = mu_json_text(ask->body, "url");
        json_t *to = json_object_get(ask->body, "to");
        bool allow_private =
                mu_json_bool(ask->body, "allow_private", before ? before->allow_private : false);

        if (kind == MU_CHANNEL_EMAIL)
                return !to || store_config(ask, id, json_pack("{s:O}", "to", to));
        if (!url && before && allow_private == before->allow_private)
                return true;
        if (!url && before && !before->opened) {
                mu_call_problem(ask->call, 409, "channel-sealed", "url",
                                "The channel's URL can't be read any more (the appliance's "
                                "hmac-master is another one); give it again, as url.");
                return false;
        }
        MU_ASSERT(url || before);
        return set_url(ask, id, kind, url ? url : before->secret.url, allow_private, before,
                       ret_secret);
}
