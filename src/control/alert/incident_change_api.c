/* SPDX-License-Identifier: Apache-2.0 */
/*
 * incident_change_api.c - what people say of an incident: seen, not seen after all, and notes.
 *
 * The row is locked first, so that it does not end meanwhile; the alert thread's own changes wait
 * for the commit. Told to the channels as an update, and to whoever watches live.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bus.h"
#include "control/alert/alert_api.h"
#include "control/alert/incident_view.h"
#include "control/notify/notifier.h"
#include "control/notify/outbox.h"

enum {
        ACK_NOTE_CHARS_MAX = 500,
        NOTE_CHARS_MAX = 2000,
};

/* ---- shapes ---- */

static const struct mu_field ACK_FIELDS[] = {
        {.name = "note",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_LINES,
         .least = 1,
         .most = ACK_NOTE_CHARS_MAX,
         .doc = "What is being done about it; told with the incident."},
};
static const struct mu_shape ACK = MU_SHAPE("IncidentAcknowledgement", ACK_FIELDS);

static const struct mu_field NOTE_FIELDS[] = {
        {.name = "text",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED | MU_FIELD_LINES,
         .least = 1,
         .most = NOTE_CHARS_MAX,
         .doc = "For the incident's thread."},
};
static const struct mu_shape NOTE = MU_SHAPE("IncidentNote", NOTE_FIELDS);

/* ---- statements ---- */

static const struct mu_pg_statement LOCK = {
        .name = "incident_lock",
        .sql = "SELECT closed_at IS NOT NULL, merged_into, acked_at IS NOT NULL, acked_by,"
               " ack_note, rule, device_id, firing_count FROM alert_incidents WHERE id = $1"
               " FOR UPDATE",
        .params = {MU_PG_INT8},
};
enum lock_column { CLOSED, MERGED_INTO, ACKED, ACKED_BY, ACK_NOTE, RULE, DEVICE_ID, FIRING_COUNT };

static const struct mu_pg_statement SET_ACK = {
        .name = "incident_ack",
        .sql = "UPDATE alert_incidents SET acked_at = $2, acked_by = $3, ack_note = $4,"
               " updated_at = greatest(updated_at, $5) WHERE id = $1",
        .params = {MU_PG_INT8, MU_PG_TIMESTAMPTZ, MU_PG_TEXT, MU_PG_TEXT, MU_PG_TIMESTAMPTZ},
};
static const struct mu_pg_statement ADD_EVENT = {
        .name = "incident_event_add",
        .sql = "INSERT INTO alert_events (at, incident_id, device_id, kind, rule, actor, detail)"
               " SELECT $2, i.id, i.device_id, $3, i.rule, $4,"
               " CASE WHEN $5::text IS NOT NULL THEN jsonb_build_object('text', $5::text) END"
               " FROM alert_incidents i WHERE i.id = $1",
        .params = {MU_PG_INT8, MU_PG_TIMESTAMPTZ, MU_PG_TEXT, MU_PG_TEXT, MU_PG_TEXT},
};
static const struct mu_pg_statement SHOW = {
        .name = "incident_show_changed",
        .sql = "SELECT " MU_INCIDENT_COLUMNS MU_INCIDENT_FROM " WHERE i.id = $1",
        .params = {MU_PG_INT8},
        .repeatable = true,
};

/* ---- steps ---- */

struct locked {
        int64_t id;
        struct mu_pg_result *row;
};

/* False: answered. */
static bool lock(struct mu_ask *ask, struct locked *locked)
{
        if (!mu_ask_id(ask, "id", "incident", &locked->id) ||
            !mu_ask_query(ask, &LOCK, MU_PG_VALUES(mu_pg_int8(locked->id)), &locked->row))
                return false;
        if (mu_pg_rows(locked->row) == 1)
                return true;
        mu_pg_result_free(locked->row);
        mu_ask_not_found(ask, "incident");
        return false;
}

/* Who it was, for people; the audit log has it exactly. */
static const char *name_of(const struct mu_ask *ask)
{
        return ask->who.kind == MU_PRINCIPAL_USER ? ask->who.name : ask->actor;
}

static void reply(struct mu_ask *ask, int64_t id, int status)
{
        struct mu_pg_result *rows;

        if (!mu_ask_query(ask, &SHOW, MU_PG_VALUES(mu_pg_int8(id)), &rows))
                return;
        mu_ask_reply(ask, status, mu_incident_json(rows, 0));
        mu_pg_result_free(rows);
}

static void tell(struct mu_control *control, void *arg)
{
        mu_bus_publish(control->config.bus, arg, 1);
        mu_notifier_wake(control->config.notifier);
}

/* False: answered. */
static bool tell_after_commit(struct mu_ask *ask, const struct locked *locked, const char *change,
                              bool acked)
{
        struct mu_bus_event *event = calloc(1, sizeof(*event));

        if (!event) {
                mu_ask_failed(ask, -ENOMEM);
                return false;
        }
        event->kind = MU_BUS_ALERT;
        if (!mu_pg_is_null(locked->row, 0, DEVICE_ID))
                event->device_id = mu_pg_get_int(locked->row, 0, DEVICE_ID);
        event->as.alert = (struct mu_bus_alert){
                .incident_id = locked->id,
                .at_us = mu_alert_now_us(ask),
                .firing_count = (uint32_t)mu_pg_get_int(locked->row, 0, FIRING_COUNT),
                .acked = acked,
        };
        (void)snprintf(event->as.alert.rule, sizeof(event->as.alert.rule), "%s",
                       mu_pg_get_text(locked->row, 0, RULE));
        (void)snprintf(event->as.alert.change, sizeof(event->as.alert.change), "%s", change);
        mu_ask_after_commit(ask, tell, event);
        return true;
}

/* A line in the thread. False: answered. */
static bool add_event(struct mu_ask *ask, int64_t id, const char *kind, const char *text)
{
        return mu_ask_query(ask, &ADD_EVENT,
                            MU_PG_VALUES(mu_pg_int8(id), mu_pg_timestamptz(mu_alert_now_us(ask)),
                                         mu_pg_text(kind), mu_pg_text(ask->actor),
                                         mu_pg_text(text)),
                            NULL);
}

/* Whether it can be acknowledged; false: answered. */
static bool stands(struct mu_ask *ask, const struct locked *locked)
{
        if (!mu_pg_is_null(locked->row, 0, MERGED_INTO)) {
                mu_call_problem(ask->call, 409, "incident-merged", NULL,
                                "This incident became part of a wider one; acknowledge incident "
                                "%lld.",
                                (long long)mu_pg_get_int(locked->row, 0, MERGED_INTO));
                return false;
        }
        if (mu_pg_get_bool(locked->row, 0, CLOSED)) {
                mu_call_problem(ask->call, 409, "incident-closed", NULL,
                                "This incident is over; there is nothing to acknowledge any more. "
                                "A note can still be added.");
                return false;
        }
        return true;
}

static json_t *ack_json(const struct locked *locked)
{
        if (!mu_pg_get_bool(locked->row, 0, ACKED))
                return json_pack("{s:b}", "acked", 0);
        return json_pack("{s:b, s:o, s:o}", "acked", 1, "acked_by",
                         mu_json_of_text_or_null(mu_pg_get_text(locked->row, 0, ACKED_BY)), "note",
                         mu_json_of_text_or_null(mu_pg_get_text(locked->row, 0, ACK_NOTE)));
}

/* Sets it or takes it back; by NULL: back. */
static void set_ack(struct mu_ask *ask, const struct locked *locked, const char *by,
                    const char *note)
{
        const char *kind = by ? "acked" : "unacked";
        int64_t now_us = mu_alert_now_us(ask);

        if (!mu_ask_query(
                    ask, &SET_ACK,
                    MU_PG_VALUES(mu_pg_int8(locked->id),
                                 by ? mu_pg_timestamptz(now_us) : mu_pg_null(MU_PG_TIMESTAMPTZ),
                                 mu_pg_text(by), mu_pg_text(note), mu_pg_timestamptz(now_us)),
                    NULL) ||
            !add_event(ask, locked->id, kind, note))
                return;
        int error = mu_alert_outbox_add(ask->pg, &locked->id, 1, MU_NOTICE_UPDATED, now_us, now_us,
                                        NULL);

        if (error < 0)
                mu_ask_failed(ask, error);
        else if (mu_ask_audit(ask, by ? "incident.acknowledge" : "incident.unacknowledge",
                              "incident", locked->id, ack_json(locked),
                              json_pack("{s:b, s:o}", "acked", by != NULL, "note",
                                        mu_json_of_text_or_null(note))) &&
                 tell_after_commit(ask, locked, kind, by != NULL))
                reply(ask, locked->id, 200);
}

/* ---- handlers ---- */

static void acknowledge(struct mu_ask *ask)
{
        const char *note = mu_json_text(ask->body, "note");
        struct locked locked;

        if (!lock(ask, &locked))
                return;
        const char *before = mu_pg_get_text(locked.row, 0, ACK_NOTE);
        bool says_more = note && (!before || strcmp(before, note) != 0);

        if (!stands(ask, &locked))
                ;
        else if (mu_pg_get_bool(locked.row, 0, ACKED) && !says_more)
                reply(ask, locked.id, 200);
        else
                set_ack(ask, &locked, name_of(ask), note);
        mu_pg_result_free(locked.row);
}

static void unacknowledge(struct mu_ask *ask)
{
        struct locked locked;

        if (!lock(ask, &locked))
                return;
        if (!mu_pg_get_bool(locked.row, 0, ACKED))
                reply(ask, locked.id, 200);
        else if (stands(ask, &locked))
                set_ack(ask, &locked, NULL, NULL);
        mu_pg_result_free(locked.row);
}

static void add_note(struct mu_ask *ask)
{
        const char *text = mu_json_text(ask->body, "text");
        struct locked locked;

        if (!lock(ask, &locked))
                return;
        if (add_event(ask, locked.id, "noted", text) &&
            mu_ask_audit(ask, "incident.note", "incident", locked.id, NULL,
                         json_pack("{s:s}", "text", text)) &&
            tell_after_commit(ask, &locked, "noted", mu_pg_get_bool(locked.row, 0, ACKED)))
                reply(ask, locked.id, 201);
        mu_pg_result_free(locked.row);
}

/* ---- the table ---- */

static const int CHANGE_PROBLEMS[] = {404, 409, 0};
static const int NOT_FOUND[] = {404, 0};

#define CHANGES                                                                                    \
        .access = MU_ACCESS_OPERATOR, .scope = "alerts:write", .flags = MU_ENDPOINT_ADMIN_KEY,     \
        .reply = &mu_incident_shape, .tag = "Incidents"

static const struct mu_endpoint ROWS[] = {
        {.method = "POST",
         .path = "/admin/incidents/{id}/acknowledge",
         .handle = acknowledge,
         CHANGES,
         .body = &ACK,
         .reply_status = 200,
         .operation_id = "acknowledgeIncident",
         .summary = "Say that somebody takes care of it",
         .doc = "Everybody who was told of it hears of that. Once more with another note: that "
                "note, and whoever says it.",
         .problems = CHANGE_PROBLEMS},
        {.method = "DELETE",
         .path = "/admin/incidents/{id}/acknowledge",
         .handle = unacknowledge,
         CHANGES,
         .reply_status = 200,
         .operation_id = "unacknowledgeIncident",
         .summary = "Take an acknowledgement back",
         .problems = CHANGE_PROBLEMS},
        {.method = "POST",
         .path = "/admin/incidents/{id}/note",
         .handle = add_note,
         CHANGES,
         .body = &NOTE,
         .reply_status = 201,
         .operation_id = "addIncidentNote",
         .summary = "Add a line to the thread",
         .doc = "Nobody is told; whoever looks at the incident sees it.",
         .problems = NOT_FOUND},
};
const struct mu_endpoints mu_incident_change_endpoints = MU_ENDPOINTS(ROWS);
