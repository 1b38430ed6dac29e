/* SPDX-License-Identifier: Apache-2.0 */
/* channel_use_api.c - another signing secret, a test, and what became of notifications. */
#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "control/alert/alert_api.h"
#include "control/alert/incident_view.h"
#include "control/notify/channel_store.h"
#include "control/notify/channel_view.h"
#include "control/notify/notifier.h"
#include "control/notify/outbox.h"

#define OLD_SECRET_US (MU_S_PER_DAY * MU_US_PER_S)

/* ---- POST /admin/alert-channels/{id}/rotate-secret ---- */

static const struct mu_field ROTATED_FIELDS[] = {
        {.name = "signing_secret",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED | MU_FIELD_SECRET,
         .doc = "The new one. Shown once."},
        MU_ALERT_FIELD_OR_NULL("old_valid_until", MU_FIELD_TIME,
                               "Until then messages are signed with the old one too."),
};
static const struct mu_shape ROTATED = MU_SHAPE("AlertChannelRotated", ROTATED_FIELDS);

/* Whether there is a signing secret to replace; false: answered. */
static bool is_signed(struct mu_ask *ask, const struct mu_channel_row *row)
{
        if (row->kind != MU_CHANNEL_WEBHOOK) {
                mu_call_problem(ask->call, 409, "not-signed", NULL,
                                "Only webhooks are signed; this channel is of kind %s.",
                                mu_channel_kind_name(row->kind));
                return false;
        }
        if (!row->opened)
                mu_call_problem(ask->call, 409, "channel-sealed", NULL,
                                "The channel's secrets can't be read any more (the appliance's "
                                "hmac-master is another one); give its url again first.");
        return row->opened;
}

static void rotate(struct mu_ask *ask, int64_t id, struct mu_channel_row *row)
{
        int64_t until_us = mu_alert_now_us(ask) + OLD_SECRET_US;
        int error = mu_channel_secret_rotate(&row->secret, until_us);

        if (error < 0) {
                mu_ask_failed(ask, error);
                return;
        }
        if (!mu_channel_store_secret(ask, id, &row->secret) ||
            !mu_ask_audit(ask, "alert_channel.rotate_secret", "alert-channel", id, NULL,
                          json_pack("{s:o}", "old_valid_until", mu_json_of_time(until_us))))
                return;
        mu_alert_channels_changed(ask);
        mu_ask_reply(ask, 200,
                     json_pack("{s:s, s:o}", "signing_secret", row->secret.signing,
                               "old_valid_until", mu_json_of_time(until_us)));
}

static void rotate_secret(struct mu_ask *ask)
{
        struct mu_channel_row row;
        int64_t id;

        if (!mu_ask_id(ask, "id", "channel", &id) || !mu_channel_lock(ask, id, &row))
                return;
        if (is_signed(ask, &row))
                rotate(ask, id, &row);
        mu_channel_row_done(&row);
}

/* ---- POST /admin/alert-channels/{id}/test ---- */

static const struct mu_field TEST_FIELDS[] = {
        MU_ALERT_FIELD("notification_id", MU_FIELD_ID,
                       "GET /admin/alert-notifications/{id} says how it went."),
};
static const struct mu_shape TEST_REPLY = MU_SHAPE("AlertChannelTest", TEST_FIELDS);

static void wake(struct mu_control *control, void *arg)
{
        (void)arg;
        mu_notifier_wake(control->config.notifier);
}

static void test_channel(struct mu_ask *ask)
{
        char text[MU_PRINCIPAL_NAME_BYTES + 128];
        int64_t notification_id;
        json_t *channel;
        int64_t id;

        if (!mu_ask_id(ask, "id", "channel", &id) || !mu_channel_show(ask, id, &channel))
                return;
        json_decref(channel);
        (void)snprintf(text, sizeof(text),
                       "%s asked for this message, to see that alerts arrive here. Nothing has "
                       "happened.",
                       ask->who.kind == MU_PRINCIPAL_USER ? ask->who.name : "An administrator");
        int error = mu_alert_outbox_add_text(ask->pg, id, MU_NOTICE_TEST, "Test", text, NULL,
                                             mu_alert_now_us(ask), &notification_id);

        if (error == -ENOENT) {
                mu_call_problem(ask->call, 409, "channel-off", NULL,
                                "The channel is switched off; enable it first.");
                return;
        }
        if (error < 0) {
                mu_ask_failed(ask, error);
                return;
        }
        mu_ask_after_commit(ask, wake, NULL);
        if (mu_ask_audit(ask, "alert_channel.test", "alert-channel", id, NULL, NULL))
                mu_ask_reply(ask, 202,
                             json_pack("{s:o}", "notification_id", mu_json_of_id(notification_id)));
}

/* ---- GET /admin/alert-notifications ---- */

static const struct mu_field QUERY_FIELDS[] = {
        {.name = "state",
         .type = MU_FIELD_TEXT,
         .one_of = "waiting|sent|failed|dropped",
         .doc = "In this state."},
        {.name = "kind",
         .type = MU_FIELD_TEXT,
         .one_of = "opened|updated|closed|test|digest",
         .doc = "Of this kind."},
        {.name = "channel_id", .type = MU_FIELD_ID, .doc = "To this channel."},
        {.name = "incident_id", .type = MU_FIELD_ID, .doc = "Of this incident."},
        MU_ALERT_PAGE_FIELDS,
};
static const struct mu_shape QUERY = MU_SHAPE("AlertNotificationQuery", QUERY_FIELDS);

#define LIST(way)                                                                                  \
        "SELECT " MU_NOTIFICATION_COLUMNS MU_NOTIFICATION_FROM " WHERE " way                       \
        " AND ($1::bigint IS NULL OR n.incident_id = $1)"                                          \
        " AND ($2::bigint IS NULL OR n.channel_id = $2) AND ($3::text IS NULL OR n.state = $3)"    \
        " AND ($4::text IS NULL OR n.kind = $4) AND n.id < $5 ORDER BY n.id DESC LIMIT $6"
#define LIST_PARAMS                                                                                \
        {                                                                                          \
                MU_PG_INT8, MU_PG_INT8, MU_PG_TEXT, MU_PG_TEXT, MU_PG_INT8, MU_PG_INT8             \
        }
static const struct mu_pg_statement LIST_ALL = {
        .name = "notification_list",
        .sql = LIST("true"),
        .params = LIST_PARAMS,
        .repeatable = true,
};
static const struct mu_pg_statement LIST_WAITING = {
        .name = "notification_list_waiting",
        .sql = LIST("n.state = 'waiting'"),
        .params = LIST_PARAMS,
        .repeatable = true,
};
static const struct mu_pg_statement LIST_OF_INCIDENT = {
        .name = "notification_list_of_incident",
        .sql = LIST("n.incident_id = $1"),
        .params = LIST_PARAMS,
        .repeatable = true,
};
static const struct mu_pg_statement SHOW = {
        .name = "notification_show",
        .sql = "SELECT " MU_NOTIFICATION_COLUMNS MU_NOTIFICATION_FROM " WHERE n.id = $1",
        .params = {MU_PG_INT8},
        .repeatable = true,
};

static const struct mu_pg_statement *way_in(const json_t *query)
{
        const char *state = mu_json_text(query, "state");

        if (mu_json_has(query, "incident_id"))
                return &LIST_OF_INCIDENT;
        return state && state[0] == 'w' ? &LIST_WAITING : &LIST_ALL;
}

static void list_notifications(struct mu_ask *ask)
{
        const json_t *query = ask->query;
        int64_t limit = mu_alert_limit(query);
        struct mu_pg_result *rows;

        if (!mu_ask_query(ask, way_in(query),
                          MU_PG_VALUES(mu_alert_id_or_null(query, "incident_id"),
                                       mu_alert_id_or_null(query, "channel_id"),
                                       mu_pg_text(mu_json_text(query, "state")),
                                       mu_pg_text(mu_json_text(query, "kind")),
                                       mu_pg_int8(mu_alert_cursor(query)), mu_pg_int8(limit + 1)),
                          &rows))
                return;
        mu_ask_reply(ask, 200, mu_alert_page(rows, limit, "notifications", mu_notification_json));
        mu_pg_result_free(rows);
}

static void show_notification(struct mu_ask *ask)
{
        struct mu_pg_result *rows;
        int64_t id;

        if (!mu_ask_id(ask, "id", "notification", &id) ||
            !mu_ask_query(ask, &SHOW, MU_PG_VALUES(mu_pg_int8(id)), &rows))
                return;
        if (mu_pg_rows(rows) == 1)
                mu_ask_reply(ask, 200, mu_notification_json(rows, 0));
        else
                mu_ask_not_found(ask, "notification");
        mu_pg_result_free(rows);
}

/* ---- the table ---- */

static const int NOT_FOUND[] = {404, 0};
static const int CHANGE_PROBLEMS[] = {404, 409, 0};

static const struct mu_endpoint ROWS[] = {
        {.method = "POST",
         .path = "/admin/alert-channels/{id}/rotate-secret",
         .handle = rotate_secret,
         .access = MU_ACCESS_ADMIN,
         .scope = "alerts:write",
         .flags = MU_ENDPOINT_ADMIN_KEY,
         .reply_status = 200,
         .reply = &ROTATED,
         .operation_id = "rotateAlertChannelSecret",
         .tag = "Alert channels",
         .summary = "Give a webhook another signing secret",
         .doc = "For 24 hours messages carry two signatures, so that whoever receives them can "
                "change over in the meantime. Rotated again, the oldest ends at once.",
         .problems = CHANGE_PROBLEMS},
        {.method = "POST",
         .path = "/admin/alert-channels/{id}/test",
         .handle = test_channel,
         .access = MU_ACCESS_ADMIN,
         .scope = "alerts:write",
         .flags = MU_ENDPOINT_ADMIN_KEY,
         .reply_status = 202,
         .reply = &TEST_REPLY,
         .operation_id = "testAlertChannel",
         .tag = "Alert channels",
         .summary = "Send a test message",
         .problems = CHANGE_PROBLEMS},
        {.method = "GET",
         .path = "/admin/alert-notifications",
         .handle = list_notifications,
         .access = MU_ACCESS_VIEWER,
         .scope = "alerts:read",
         .flags = MU_ENDPOINT_ADMIN_KEY,
         .query = &QUERY,
         .reply_status = 200,
         .reply = &mu_notification_list_shape,
         .operation_id = "listAlertNotifications",
         .tag = "Alert channels",
         .summary = "What was told, where, and how that went"},
        {.method = "GET",
         .path = "/admin/alert-notifications/{id}",
         .handle = show_notification,
         .access = MU_ACCESS_VIEWER,
         .scope = "alerts:read",
         .flags = MU_ENDPOINT_ADMIN_KEY,
         .reply_status = 200,
         .reply = &mu_notification_shape,
         .operation_id = "getAlertNotification",
         .tag = "Alert channels",
         .summary = "One notification",
         .problems = NOT_FOUND},
};
const struct mu_endpoints mu_channel_use_endpoints = MU_ENDPOINTS(ROWS);
