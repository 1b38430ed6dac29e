/* SPDX-License-Identifier: Apache-2.0 */
/* subscription_api.c - alerts by mail to the signed-in person: a channel of their own. */
#include <errno.h>

#include "control/alert/alert_api.h"
#include "control/cell.h"
#include "control/notify/channel_view.h"

/* ---- shapes ---- */

static const struct mu_field NEW_FIELDS[] = {MU_CHANNEL_RESTRICT_FIELDS};
static const struct mu_shape NEW = MU_SHAPE("AlertSubscriptionValues", NEW_FIELDS);

static const struct mu_field FIELDS[] = {
        MU_ALERT_FIELD_CHOICE("min_severity", MU_ALERT_SEVERITIES, "At least so bad."),
        {.name = "rules",
         .type = MU_FIELD_LIST,
         .items = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED,
         .doc = "Only of these rules; empty: all."},
        {.name = "tags",
         .type = MU_FIELD_LIST,
         .items = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED,
         .doc = "Only of devices with one of these; empty: all."},
        {.name = "sites",
         .type = MU_FIELD_LIST,
         .items = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED,
         .doc = "Only of devices at one of these; empty: all."},
        MU_ALERT_FIELD_CHOICE("mode", "immediate|digest|none",
                              "digest: once a day; none: nothing is mailed to you, the other "
                              "fields are those that a PUT of {} begins with."),
        MU_ALERT_FIELD("digest_at", MU_FIELD_TEXT, "The local time of a digest."),
        MU_ALERT_FIELD("digest_zone", MU_FIELD_TEXT, "Whose local time."),
        MU_ALERT_FIELD_OR_NULL("email", MU_FIELD_TEXT, "Where to: the account's address."),
        MU_ALERT_FIELD_OR_NULL("failed_at", MU_FIELD_TIME,
                               "When a mail did not get through; null: the last one did."),
        MU_ALERT_FIELD_OR_NULL("error", MU_FIELD_TEXT, "Why it did not."),
        MU_ALERT_FIELD_OR_NULL("updated_at", MU_FIELD_TIME,
                               "When it was changed last; null: none."),
};
static const struct mu_shape SUBSCRIPTION = MU_SHAPE("AlertSubscription", FIELDS);

/* ---- statements ---- */

/* One row, also of who has none. */
static const struct mu_pg_statement SHOW = {
        .name = "subscription_show",
        .sql = "SELECT " MU_CHANNEL_RESTRICT_COLUMNS ", u.email, c.failed_at, c.error, c.updated_at"
               " FROM (VALUES ($1)) AS me (id) LEFT JOIN users u ON u.id = me.id"
               " LEFT JOIN alert_channels c ON c.user_id = me.id AND c.deleted_at IS NULL",
        .params = {MU_PG_INT8},
        .repeatable = true,
};
/* Locked: the address that is read is the one that counts. */
static const struct mu_pg_statement EMAIL = {
        .name = "subscription_email",
        .sql = "SELECT email FROM users WHERE id = $1 FOR UPDATE",
        .params = {MU_PG_INT8},
};
/* As if it were new, also where there was one. */
static const struct mu_pg_statement RESET = {
        .name = "subscription_reset",
        .sql = "INSERT INTO alert_channels AS c (user_id, kind, name, created_at, updated_at,"
               " updated_by, digest_sent_at, config) VALUES ($1, 'email', $2, $3, $3, $4, $3,"
               "  jsonb_build_object('to', jsonb_build_array($5::text)))"
               " ON CONFLICT (user_id) WHERE deleted_at IS NULL AND user_id IS NOT NULL"
               " DO UPDATE SET name = $2, updated_at = $3, updated_by = $4, min_severity = 'info',"
               " rules = '{}', tags = '{}', sites = '{}', digest_at = '08:00', digest_zone = 'UTC',"
               " config = EXCLUDED.config RETURNING c.id",
        .params = {MU_PG_INT8, MU_PG_TEXT, MU_PG_TIMESTAMPTZ, MU_PG_TEXT, MU_PG_TEXT},
};
/* A digest begins to count when the subscription becomes one. */
static const struct mu_pg_statement SET = {
        .name = "subscription_set",
        .sql = "UPDATE alert_channels c SET digest_sent_at ="
               " CASE WHEN coalesce($7, 'immediate') <> c.mode THEN $2 ELSE c.digest_sent_at "
               "END," MU_CHANNEL_SET_RESTRICT " WHERE c.id = $1",
        .params = {MU_PG_INT8, MU_PG_TIMESTAMPTZ, MU_CHANNEL_RESTRICT_PARAMS},
};
static const struct mu_pg_statement REMOVE = {
        .name = "subscription_remove",
        .sql = "UPDATE alert_channels SET deleted_at = $2, updated_at = $2, updated_by = $3"
               " WHERE user_id = $1 AND deleted_at IS NULL RETURNING id",
        .params = {MU_PG_INT8, MU_PG_TIMESTAMPTZ, MU_PG_TEXT},
};

/* ---- handlers ---- */

/* What is there where there is no row: nothing is mailed. NULL: no memory. */
static json_t *with_none(json_t *json)
{
        json_t *none = json_pack("{s:s, s:[], s:[], s:[], s:s, s:s, s:s}", "min_severity", "info",
                                 "rules", "tags", "sites", "mode", "none", "digest_at", "08:00",
                                 "digest_zone", "UTC");
        int error = json && none ? json_object_update(json, none) : -1;

        json_decref(none);
        if (error == 0)
                return json;
        json_decref(json);
        return NULL;
}

/* NULL: answered. */
static json_t *read_own(struct mu_ask *ask)
{
        struct mu_pg_result *rows;

        if (!mu_ask_query(ask, &SHOW, MU_PG_VALUES(mu_pg_int8(ask->who.id)), &rows))
                return NULL;
        json_t *json = mu_cell_fields(rows, 0, 0, &SUBSCRIPTION, MU_COUNT_OF(FIELDS));

        mu_pg_result_free(rows);
        if (json_is_null(json_object_get(json, "updated_at")))
                json = with_none(json);
        if (!json)
                mu_ask_failed(ask, -ENOMEM);
        return json;
}

static void show(struct mu_ask *ask)
{
        json_t *json = read_own(ask);

        if (json)
                mu_ask_reply(ask, 200, json);
}

/* The channel's id, with nothing said yet of what it takes; false: answered. */
static bool reset(struct mu_ask *ask, int64_t now_us, int64_t *ret_id)
{
        struct mu_pg_result *user;
        struct mu_pg_result *rows;

        if (!mu_ask_query(ask, &EMAIL, MU_PG_VALUES(mu_pg_int8(ask->who.id)), &user))
                return false;
        const char *email = mu_pg_rows(user) == 1 ? mu_pg_get_text(user, 0, 0) : NULL;
        bool made = false;

        if (!email) {
                mu_call_problem(ask->call, 409, "no-email", NULL,
                                "Your account has no e-mail address, so there is nowhere to send "
                                "alerts to. Ask an administrator to set one.");
        } else if (mu_ask_query(ask, &RESET,
                                MU_PG_VALUES(mu_pg_int8(ask->who.id), mu_pg_text(ask->who.name),
                                             mu_pg_timestamptz(now_us), mu_pg_text(ask->actor),
                                             mu_pg_text(email)),
                                &rows)) {
                *ret_id = mu_pg_get_int(rows, 0, 0);
                mu_pg_result_free(rows);
                made = true;
        }
        mu_pg_result_free(user);
        return made;
}

static void put(struct mu_ask *ask)
{
        struct mu_channel_restrict restricted;
        int64_t now_us = mu_alert_now_us(ask);
        int64_t id;

        if (!mu_channel_read_restrict(ask, &restricted))
                return;
        if (!mu_json_has(ask->body, "mode"))
                restricted.values[4] = mu_pg_text("immediate");
        bool set = reset(ask, now_us, &id) &&
                   mu_ask_query(ask, &SET,
                                MU_PG_VALUES(mu_pg_int8(id), mu_pg_timestamptz(now_us),
                                             MU_CHANNEL_RESTRICT_VALUES(restricted)),
                                NULL);

        mu_channel_restrict_done(&restricted);
        json_t *json = set ? read_own(ask) : NULL;

        if (!json)
                return;
        mu_alert_channels_changed(ask);
        if (mu_ask_audit(ask, "alert_subscription.set", "user", ask->who.id, NULL,
                         json_incref(json)))
                mu_ask_reply(ask, 200, json_incref(json));
        json_decref(json);
}

static void remove_own(struct mu_ask *ask)
{
        struct mu_pg_result *rows;

        if (!mu_ask_query(ask, &REMOVE,
                          MU_PG_VALUES(mu_pg_int8(ask->who.id),
                                       mu_pg_timestamptz(mu_alert_now_us(ask)),
                                       mu_pg_text(ask->actor)),
                          &rows))
                return;
        bool removed = mu_pg_rows(rows) > 0;

        mu_pg_result_free(rows);
        if (removed) {
                mu_alert_channels_changed(ask);
                if (!mu_ask_audit(ask, "alert_subscription.remove", "user", ask->who.id, NULL,
                                  NULL))
                        return;
        }
        mu_ask_reply_empty(ask, 204);
}

/* ---- the table ---- */

static const int CONFLICT[] = {409, 0};

static const struct mu_endpoint ROWS[] = {
        {.method = "GET",
         .path = "/api/auth/me/alert-subscription",
         .handle = show,
         .access = MU_ACCESS_VIEWER,
         .reply_status = 200,
         .reply = &SUBSCRIPTION,
         .operation_id = "getAlertSubscription",
         .tag = "Your account",
         .summary = "Your alerts by mail"},
        {.method = "PUT",
         .path = "/api/auth/me/alert-subscription",
         .handle = put,
         .access = MU_ACCESS_VIEWER,
         .body = &NEW,
         .reply_status = 200,
         .reply = &SUBSCRIPTION,
         .operation_id = "setAlertSubscription",
         .tag = "Your account",
         .summary = "Have alerts mailed to you",
         .doc = "Replaces what you had. What is left out is as for everything, at once. Needs an "
                "e-mail address on your account.",
         .problems = CONFLICT},
        {.method = "DELETE",
         .path = "/api/auth/me/alert-subscription",
         .handle = remove_own,
         .access = MU_ACCESS_VIEWER,
         .reply_status = 204,
         .operation_id = "removeAlertSubscription",
         .tag = "Your account",
         .summary = "No more alerts by mail"},
};
const struct mu_endpoints mu_subscription_endpoints = MU_ENDPOINTS(ROWS);
