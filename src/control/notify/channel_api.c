/* SPDX-License-Identifier: Apache-2.0 */
/*
 * channel_api.c - channels: where people are told. A URL and a signing secret come in, are sealed
 * (channel.h) and are never shown again; only a webhook's own signing secret is, once.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "control/alert/alert_api.h"
#include "control/notify/channel.h"
#include "control/notify/channel_store.h"
#include "control/notify/channel_view.h"
#include "outbound/smtp.h"

enum {
        RATE_MOST = 600,
        ADDRESS_CHARS_MAX = 254,
};

/* ---- shapes ---- */

#define PLACE_FIELDS                                                                               \
        {.name = "url",                                                                            \
         .type = MU_FIELD_TEXT,                                                                    \
         .flags = MU_FIELD_SECRET,                                                                 \
         .least = 1,                                                                               \
         .most = MU_CHANNEL_URL_BYTES_MAX,                                                         \
         .doc = "discord: as its channel's settings show it. webhook: where to POST. Never shown " \
                "again."},                                                                         \
                {.name = "to",                                                                     \
                 .type = MU_FIELD_LIST,                                                            \
                 .items = MU_FIELD_TEXT,                                                           \
                 .least = 1,                                                                       \
                 .most = MU_CHANNEL_TO_MAX,                                                        \
                 .doc = "email: addresses."},                                                      \
                {.name = "allow_private",                                                          \
                 .type = MU_FIELD_BOOLEAN,                                                         \
                 .doc = "webhook: it may lead to an address that is not public; false."},          \
                {.name = "enabled", .type = MU_FIELD_BOOLEAN, .doc = "true."},                     \
                {.name = "rate_per_min",                                                           \
                 .type = MU_FIELD_INTEGER,                                                         \
                 .least = 1,                                                                       \
                 .most = RATE_MOST,                                                                \
                 .doc = "Most messages a minute; 20."},                                            \
                MU_CHANNEL_RESTRICT_FIELDS

static const struct mu_field NEW_FIELDS[] = {
        {.name = "kind",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED,
         .one_of = "discord|webhook|email",
         .doc = "How it is told; can't be changed."},
        {.name = "name",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED,
         .least = 1,
         .most = MU_CHANNEL_NAME_CHARS_MAX,
         .doc = "What people call it."},
        PLACE_FIELDS,
};
static const struct mu_shape NEW = MU_SHAPE("NewAlertChannel", NEW_FIELDS);

static const struct mu_field CHANGE_FIELDS[] = {
        {.name = "name",
         .type = MU_FIELD_TEXT,
         .least = 1,
         .most = MU_CHANNEL_NAME_CHARS_MAX,
         .doc = "What people call it."},
        PLACE_FIELDS,
};
static const struct mu_shape CHANGE = MU_SHAPE("AlertChannelChange", CHANGE_FIELDS);

static const struct mu_field MADE_FIELDS[] = {
        {.name = "channel",
         .type = MU_FIELD_OBJECT,
         .flags = MU_FIELD_REQUIRED,
         .shape = &mu_channel_shape,
         .doc = "What was made."},
        {.name = "signing_secret",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED | MU_FIELD_NULLABLE | MU_FIELD_SECRET,
         .doc = "webhook: what its messages are signed with (Standard Webhooks). Shown once."},
};
static const struct mu_shape MADE = MU_SHAPE("AlertChannelMade", MADE_FIELDS);

static const struct mu_field LIST_FIELDS[] = {
        MU_ALERT_FIELD_LIST("channels", &mu_channel_shape, "Newest first."),
        MU_ALERT_NEXT_CURSOR,
};
static const struct mu_shape LIST = MU_SHAPE("AlertChannels", LIST_FIELDS);
static const struct mu_field QUERY_FIELDS[] = {MU_ALERT_PAGE_FIELDS};
static const struct mu_shape QUERY = MU_SHAPE("AlertChannelQuery", QUERY_FIELDS);

/* ---- statements ---- */

static const struct mu_pg_statement LIST_CHANNELS = {
        .name = "channel_list",
        .sql = "SELECT " MU_CHANNEL_COLUMNS " FROM alert_channels c WHERE c.deleted_at IS NULL"
               " AND c.user_id IS NULL AND c.id < $1 ORDER BY c.id DESC LIMIT $2",
        .params = {MU_PG_INT8, MU_PG_INT8},
        .repeatable = true,
};
static const struct mu_pg_statement INSERT = {
        .name = "channel_insert",
        .sql = "INSERT INTO alert_channels (kind, name, created_at, updated_at, updated_by,"
               " digest_sent_at) VALUES ($1, $2, $3, $3, $4, $3) RETURNING id",
        .params = {MU_PG_TEXT, MU_PG_TEXT, MU_PG_TIMESTAMPTZ, MU_PG_TEXT},
};
/* A digest begins to count when a channel becomes one. */
static const struct mu_pg_statement UPDATE = {
        .name = "channel_update",
        .sql = "UPDATE alert_channels c SET updated_at = $2," MU_CHANNEL_SET_RESTRICT ","
               " updated_by = $10, name = coalesce($11, c.name),"
               " enabled = coalesce($12, c.enabled), rate_per_min = coalesce($13, c.rate_per_min),"
               " digest_sent_at = CASE WHEN $7 = 'digest' AND c.mode <> 'digest' THEN $2"
               "  ELSE c.digest_sent_at END WHERE c.id = $1",
        .params = {MU_PG_INT8, MU_PG_TIMESTAMPTZ, MU_CHANNEL_RESTRICT_PARAMS, MU_PG_TEXT,
                   MU_PG_TEXT, MU_PG_BOOL, MU_PG_INT4},
};
static const struct mu_pg_statement DELETE = {
        .name = "channel_delete",
        .sql = "UPDATE alert_channels c SET deleted_at = $2, updated_at = $2, updated_by = $3,"
               " sealed = NULL WHERE c.id = $1",
        .params = {MU_PG_INT8, MU_PG_TIMESTAMPTZ, MU_PG_TEXT},
};

/* ---- what comes in ---- */

/* Whether the members fit the kind; false: answered. */
static bool fits_kind(struct mu_ask *ask, enum mu_channel_kind kind)
{
        static const struct {
                const char *member;
                unsigned kinds; /* bits */
        } MEMBERS[] = {
                {"url", 1u << MU_CHANNEL_DISCORD | 1u << MU_CHANNEL_WEBHOOK},
                {"to", 1u << MU_CHANNEL_EMAIL},
                {"allow_private", 1u << MU_CHANNEL_WEBHOOK},
        };

        for (size_t i = 0; i < MU_COUNT_OF(MEMBERS); i++) {
                if (!mu_json_has(ask->body, MEMBERS[i].member) || MEMBERS[i].kinds & 1u << kind)
                        continue;
                mu_call_problem(ask->call, 400, "field-invalid", MEMBERS[i].member,
                                "A channel of kind %s has no %s.", mu_channel_kind_name(kind),
                                MEMBERS[i].member);
                return false;
        }
        return true;
}

/* Whether a new channel has what it needs; false: answered. */
static bool is_whole(struct mu_ask *ask, enum mu_channel_kind kind)
{
        const char *needed = kind == MU_CHANNEL_EMAIL ? "to" : "url";

        if (mu_json_has(ask->body, needed))
                return true;
        mu_call_problem(ask->call, 400, "field-missing", needed, "%s is missing: %s.", needed,
                        kind == MU_CHANNEL_EMAIL ? "the addresses" : "where the messages go");
        return false;
}

/* False: answered. */
static bool check_addresses(struct mu_ask *ask)
{
        const json_t *list = json_object_get(ask->body, "to");
        const json_t *item;
        size_t i;

        json_array_foreach(list, i, item)
        {
                const char *address = json_string_value(item);

                if (strlen(address) <= ADDRESS_CHARS_MAX && mu_mail_check_address(address) == 0)
                        continue;
                mu_call_problem(ask->call, 400, "field-invalid", "to",
                                "\"%.100s\" is no e-mail address.", address);
                return false;
        }
        return true;
}

/* 409 where another channel has the name; false in any case. */
static bool refuse(struct mu_ask *ask, int error)
{
        if (error != -EEXIST) {
                mu_ask_failed(ask, error);
                return false;
        }
        mu_call_problem(ask->call, 409, "name-taken", "name",
                        "Another channel is called so already.");
        return false;
}

/* What can be left out; false: answered. */
static bool update(struct mu_ask *ask, int64_t id)
{
        const json_t *body = ask->body;
        int64_t rate = mu_json_integer(body, "rate_per_min", 0);
        struct mu_channel_restrict restricted;

        if (!mu_channel_read_restrict(ask, &restricted))
                return false;
        int error = mu_pg_query(
                ask->pg, &UPDATE,
                MU_PG_VALUES(mu_pg_int8(id), mu_pg_timestamptz(mu_alert_now_us(ask)),
                             MU_CHANNEL_RESTRICT_VALUES(restricted), mu_pg_text(ask->actor),
                             mu_pg_text(mu_json_text(body, "name")),
                             mu_json_has(body, "enabled")
                                     ? mu_pg_bool(mu_json_bool(body, "enabled", true))
                                     : mu_pg_null(MU_PG_BOOL),
                             rate > 0 ? mu_pg_int4((int32_t)rate) : mu_pg_null(MU_PG_INT4)),
                NULL);

        mu_channel_restrict_done(&restricted);
        return error == 0 || refuse(ask, error);
}

/* ---- handlers ---- */

static void list_channels(struct mu_ask *ask)
{
        int64_t limit = mu_alert_limit(ask->query);
        struct mu_pg_result *rows;

        if (!mu_ask_query(
                    ask, &LIST_CHANNELS,
                    MU_PG_VALUES(mu_pg_int8(mu_alert_cursor(ask->query)), mu_pg_int8(limit + 1)),
                    &rows))
                return;
        mu_ask_reply(ask, 200, mu_alert_page(rows, limit, "channels", mu_channel_json));
        mu_pg_result_free(rows);
}

static void show_channel(struct mu_ask *ask)
{
        json_t *channel;
        int64_t id;

        if (mu_ask_id(ask, "id", "channel", &id) && mu_channel_show(ask, id, &channel))
                mu_ask_reply(ask, 200, channel);
}

/* Its id; false: answered. */
static bool insert(struct mu_ask *ask, int64_t *ret_id)
{
        struct mu_pg_result *rows;
        int error = mu_pg_query(ask->pg, &INSERT,
                                MU_PG_VALUES(mu_pg_text(mu_json_text(ask->body, "kind")),
                                             mu_pg_text(mu_json_text(ask->body, "name")),
                                             mu_pg_timestamptz(mu_alert_now_us(ask)),
                                             mu_pg_text(ask->actor)),
                                &rows);

        if (error < 0)
                return refuse(ask, error);
        *ret_id = mu_pg_get_int(rows, 0, 0);
        mu_pg_result_free(rows);
        return true;
}

static void reply_made(struct mu_ask *ask, int64_t id, const char *signing)
{
        json_t *channel;

        if (!mu_channel_show(ask, id, &channel))
                return;
        mu_alert_channels_changed(ask);
        if (mu_ask_audit(ask, "alert_channel.create", "alert-channel", id, NULL,
                         json_incref(channel)))
                mu_ask_reply(ask, 201,
                             json_pack("{s:O, s:o}", "channel", channel, "signing_secret",
                                       mu_json_of_text_or_null(signing)));
        json_decref(channel);
}

static void create_channel(struct mu_ask *ask)
{
        struct mu_channel_secret secret = {0};
        enum mu_channel_kind kind;
        int64_t id;

        if (mu_channel_kind_of(mu_json_text(ask->body, "kind"), &kind) < 0 ||
            !fits_kind(ask, kind) || !is_whole(ask, kind) || !check_addresses(ask) ||
            !insert(ask, &id) || !mu_channel_set_place(ask, id, kind, NULL, &secret))
                return;
        if (update(ask, id))
                reply_made(ask, id, secret.signing);
        mu_channel_secret_done(&secret);
}

static void change_channel(struct mu_ask *ask)
{
        struct mu_channel_secret secret = {0};
        struct mu_channel_row before;
        json_t *after;
        int64_t id;

        if (!mu_ask_id(ask, "id", "channel", &id) || !mu_channel_lock(ask, id, &before))
                return;
        if (fits_kind(ask, before.kind) && check_addresses(ask) &&
            mu_channel_set_place(ask, id, before.kind, &before, &secret) && update(ask, id) &&
            mu_channel_show(ask, id, &after)) {
                mu_alert_channels_changed(ask);
                if (mu_ask_audit(ask, "alert_channel.change", "alert-channel", id,
                                 json_incref(before.json), json_incref(after)))
                        mu_ask_reply(ask, 200, json_incref(after));
                json_decref(after);
        }
        mu_channel_secret_done(&secret);
        mu_channel_row_done(&before);
}

static void delete_channel(struct mu_ask *ask)
{
        struct mu_channel_row before;
        int64_t id;

        if (!mu_ask_id(ask, "id", "channel", &id) || !mu_channel_lock(ask, id, &before))
                return;
        mu_alert_channels_changed(ask);
        if (mu_ask_query(ask, &DELETE,
                         MU_PG_VALUES(mu_pg_int8(id), mu_pg_timestamptz(mu_alert_now_us(ask)),
                                      mu_pg_text(ask->actor)),
                         NULL) &&
            mu_ask_audit(ask, "alert_channel.delete", "alert-channel", id, json_incref(before.json),
                         NULL))
                mu_ask_reply_empty(ask, 204);
        mu_channel_row_done(&before);
}

/* ---- the table ---- */

static const int NOT_FOUND[] = {404, 0};
static const int NEW_PROBLEMS[] = {409, 0};
static const int CHANGE_PROBLEMS[] = {404, 409, 0};

static const struct mu_endpoint ROWS[] = {
        {.method = "GET",
         .path = "/admin/alert-channels",
         .handle = list_channels,
         .access = MU_ACCESS_VIEWER,
         .scope = "alerts:read",
         .flags = MU_ENDPOINT_ADMIN_KEY,
         .query = &QUERY,
         .reply_status = 200,
         .reply = &LIST,
         .operation_id = "listAlertChannels",
         .tag = "Alert channels",
         .summary = "Where people are told",
         .doc = "Without people's own subscriptions."},
        {.method = "POST",
         .path = "/admin/alert-channels",
         .handle = create_channel,
         .access = MU_ACCESS_ADMIN,
         .scope = "alerts:write",
         .flags = MU_ENDPOINT_ADMIN_KEY,
         .body = &NEW,
         .reply_status = 201,
         .reply = &MADE,
         .operation_id = "createAlertChannel",
         .tag = "Alert channels",
         .summary = "Have alerts told somewhere",
         .doc = "discord and webhook need url, email needs to. What fires already is not told "
                "again; send a test to see that it works.",
         .problems = NEW_PROBLEMS},
        {.method = "GET",
         .path = "/admin/alert-channels/{id}",
         .handle = show_channel,
         .access = MU_ACCESS_VIEWER,
         .scope = "alerts:read",
         .flags = MU_ENDPOINT_ADMIN_KEY,
         .reply_status = 200,
         .reply = &mu_channel_shape,
         .operation_id = "getAlertChannel",
         .tag = "Alert channels",
         .summary = "One channel",
         .problems = NOT_FOUND},
        {.method = "PATCH",
         .path = "/admin/alert-channels/{id}",
         .handle = change_channel,
         .access = MU_ACCESS_ADMIN,
         .scope = "alerts:write",
         .flags = MU_ENDPOINT_ADMIN_KEY,
         .body = &CHANGE,
         .reply_status = 200,
         .reply = &mu_channel_shape,
         .operation_id = "changeAlertChannel",
         .tag = "Alert channels",
         .summary = "Change a channel",
         .doc = "What is left out stays, also the URL and the signing secret. A channel that was "
                "taken for broken is tried again.",
         .problems = CHANGE_PROBLEMS},
        {.method = "DELETE",
         .path = "/admin/alert-channels/{id}",
         .handle = delete_channel,
         .access = MU_ACCESS_ADMIN,
         .scope = "alerts:write",
         .flags = MU_ENDPOINT_ADMIN_KEY,
         .reply_status = 204,
         .operation_id = "deleteAlertChannel",
         .tag = "Alert channels",
         .summary = "Delete a channel and its secrets",
         .doc = "What waits for it is dropped; what it was told stays on record.",
         .problems = NOT_FOUND},
};
const struct mu_endpoints mu_channel_endpoints = MU_ENDPOINTS(ROWS);
