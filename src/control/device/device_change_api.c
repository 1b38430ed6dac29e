/* SPDX-License-Identifier: Apache-2.0 */
/* device_change_api.c - what operators change of one device. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bus.h"
#include "control/cell.h"
#include "control/device/device_detail_api.h"
#include "control/device/device_filter.h"
#include "control/device/device_row.h"
#include "control/etag.h"
#include "identity/clone.h"
#include "identity/device_table.h"
#include "muster/wire.h"

enum {
        INTERVAL_MIN_S = 10,
        INTERVAL_MAX_S = 86400,
};

#define TAKEOVER_WINDOW "1 hour"

static void tell(struct mu_control *control, int64_t device_id)
{
        const struct mu_bus_event event = {.kind = MU_BUS_DEVICE_CHANGED, .device_id = device_id};

        mu_bus_publish(control->config.bus, &event, 1);
}

/* The device, in memory; NULL: it is not there, or gone. */
static struct mu_device *live_device(struct mu_control *control, int64_t device_id)
{
        struct mu_device *device = mu_device_table_by_id(control->config.devices, device_id);
        enum mu_device_state state = device ? mu_device_state(device) : MU_DEVICE_DELETED;

        return state == MU_DEVICE_DELETED || state == MU_DEVICE_DELETING ? NULL : device;
}

/* False: answered. */
static bool ask_live_device(struct mu_ask *ask, int64_t *ret_id, struct mu_device **ret_device)
{
        int64_t id;

        if (!mu_ask_id(ask, "id", "device", &id) ||
            !mu_control_require_device_list(ask->control, ask->call))
                return false;
        struct mu_device *device = live_device(ask->control, id);

        if (!device) {
                mu_ask_not_found(ask, "device");
                return false;
        }
        *ret_id = id;
        *ret_device = device;
        return true;
}

/* ---- after the commit ---- */

struct change {
        int64_t device_id;
        bool interval_given;
        uint32_t interval_s;
        uint32_t generation_min; /* 0: tokens stay */
        bool trust;
};

static void apply(struct mu_control *control, void *arg)
{
        struct mu_device_table *devices = control->config.devices;
        const struct change *change = arg;
        struct mu_device *device = mu_device_table_by_id(devices, change->device_id);
        uint32_t quarantined = MU_DEVICE_QUARANTINED;
        uint32_t events = MU_EVENT_CHANGED;

        if (change->interval_given)
                atomic_store(&device->interval_s, change->interval_s);
        if (change->generation_min > 0) {
                uint32_t least = atomic_load(&device->generation_min);

                while (least < change->generation_min &&
                       !atomic_compare_exchange_weak(&device->generation_min, &least,
                                                     change->generation_min))
                        ;
                events |= MU_EVENT_TOKEN_USED; /* the keeper takes the old ones out */
        }
        if (change->trust) {
                mu_clone_forget(device);
                (void)atomic_compare_exchange_strong(&device->state, &quarantined, MU_DEVICE_LIVE);
        }
        mu_device_table_note(devices, device, events);
        tell(control, change->device_id);
}

/* False: answered. */
static bool apply_after_commit(struct mu_ask *ask, const struct change *change)
{
        struct change *copy = malloc(sizeof(*copy));

        if (!copy) {
                mu_ask_failed(ask, -ENOMEM);
                return false;
        }
        *copy = *change;
        mu_ask_after_commit(ask, apply, copy);
        return true;
}

/* ---- PATCH ---- */

static const struct mu_field CHANGE_FIELDS[] = {
        {.name = "alias", .type = MU_FIELD_TEXT, .least = 1, .most = MU_DEVICE_ALIAS_CHARS_MAX},
        {.name = "tags",
         .type = MU_FIELD_LIST,
         .items = MU_FIELD_TEXT,
         .least = 0,
         .most = MU_DEVICE_TAGS_MAX,
         .doc = "Replaces all; each of at most 64 characters."},
        {.name = "site",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_NULLABLE,
         .least = 1,
         .most = MU_DEVICE_SITE_CHARS_MAX},
        {.name = "notes",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_NULLABLE | MU_FIELD_LINES,
         .least = 0,
         .most = MU_DEVICE_NOTES_CHARS_MAX},
        {.name = "heartbeat_interval_s",
         .type = MU_FIELD_INTEGER,
         .flags = MU_FIELD_NULLABLE,
         .least = INTERVAL_MIN_S,
         .most = INTERVAL_MAX_S,
         .doc = "null: the fleet's. The device hears of it with its next heartbeat."},
};
static const struct mu_shape CHANGE = MU_SHAPE("DeviceChange", CHANGE_FIELDS);

/* Each value beside whether it was given. Before and after, for the audit log. */
static const struct mu_pg_statement UPDATE = {
        .name = "device_change",
        .sql = "WITH old AS (SELECT * FROM devices WHERE id = $1 AND deleted_at IS NULL FOR "
               "UPDATE),"
               " new AS (UPDATE devices d SET updated_at = now(),"
               "  alias = CASE WHEN $2 THEN $3 ELSE d.alias END,"
               "  tags = CASE WHEN $4 THEN ARRAY(SELECT DISTINCT tag"
               "   FROM jsonb_array_elements_text($5) AS tag ORDER BY tag) ELSE d.tags END,"
               "  site = CASE WHEN $6 THEN $7 ELSE d.site END,"
               "  notes = CASE WHEN $8 THEN $9 ELSE d.notes END,"
               "  heartbeat_interval_s = CASE WHEN $10 THEN $11 ELSE d.heartbeat_interval_s END"
               "  FROM old WHERE d.id = old.id RETURNING d.*)"
               " SELECT " MU_DEVICE_WRITTEN("old") ", " MU_DEVICE_WRITTEN("new") " FROM old, new",
        .params = {MU_PG_INT8, MU_PG_BOOL, MU_PG_TEXT, MU_PG_BOOL, MU_PG_JSONB, MU_PG_BOOL,
                   MU_PG_TEXT, MU_PG_BOOL, MU_PG_TEXT, MU_PG_BOOL, MU_PG_INT4},
};

/* False: answered. */
static bool tags_are_short(struct mu_ask *ask, const json_t *tags)
{
        const json_t *tag;
        size_t i;

        json_array_foreach(tags, i, tag)
        {
                size_t characters = 0;

                for (const char *at = json_string_value(tag); *at; at++)
                        characters += (*at & 0xc0) != 0x80;
                if (characters <= MU_DEVICE_TAG_CHARS_MAX)
                        continue;
                mu_call_problem(ask->call, 400, "field-invalid", "tags",
                                "A tag has at most %d characters.", MU_DEVICE_TAG_CHARS_MAX);
                return false;
        }
        return true;
}

static bool update(struct mu_ask *ask, int64_t id, struct mu_pg_result **ret_rows)
{
        const json_t *body = ask->body;
        const json_t *tags = json_object_get(body, "tags");
        const char *notes = mu_json_text(body, "notes");
        int64_t interval_s = mu_json_integer(body, "heartbeat_interval_s", 0);
        char *tags_text = json_dumps(tags ? tags : json_null(), JSON_COMPACT | JSON_ENCODE_ANY);

        if (!tags_text) {
                mu_ask_failed(ask, -ENOMEM);
                return false;
        }
        bool answered = !mu_ask_query(
                ask, &UPDATE,
                MU_PG_VALUES(mu_pg_int8(id), mu_pg_bool(mu_json_has(body, "alias")),
                             mu_pg_text(mu_json_text(body, "alias")), mu_pg_bool(tags != NULL),
                             mu_pg_jsonb(tags ? tags_text : NULL, tags ? strlen(tags_text) : 0),
                             mu_pg_bool(mu_json_has(body, "site")),
                             mu_pg_text(mu_json_text(body, "site")),
                             mu_pg_bool(mu_json_has(body, "notes")),
                             mu_pg_text(notes && *notes ? notes : NULL),
                             mu_pg_bool(mu_json_has(body, "heartbeat_interval_s")),
                             interval_s ? mu_pg_int4((int32_t)interval_s) : mu_pg_null(MU_PG_INT4)),
                ret_rows);

        free(tags_text);
        return !answered;
}

static void change_device(struct mu_ask *ask)
{
        struct mu_device *device;
        struct mu_pg_result *rows;
        struct change change = {0};

        if (!ask_live_device(ask, &change.device_id, &device) ||
            !tags_are_short(ask, json_object_get(ask->body, "tags")) ||
            !update(ask, change.device_id, &rows))
                return;
        if (mu_pg_rows(rows) == 0) {
                mu_ask_not_found(ask, "device");
                mu_pg_result_free(rows);
                return;
        }
        json_t *before = mu_cell_json(rows, 0, 0);
        json_t *after = mu_cell_json(rows, 0, 1);

        mu_pg_result_free(rows);
        if (!mu_etag_allows(ask, before, "device")) {
                json_decref(before);
                json_decref(after);
                return;
        }
        change.interval_given = mu_json_has(ask->body, "heartbeat_interval_s");
        change.interval_s = (uint32_t)mu_json_integer(ask->body, "heartbeat_interval_s", 0);
        if (mu_ask_audit(ask, "device.change", "device", change.device_id, before, after) &&
            apply_after_commit(ask, &change))
                mu_device_detail_reply(ask, change.device_id);
}

/* ---- the end of a quarantine ---- */

static const struct mu_field RESOLVE_FIELDS[] = {
        {.name = "decision",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED,
         .one_of = "trust|replace",
         .doc = "trust: it was no clone, all goes on as before. replace: every token of the device "
                "is revoked; within an hour the right one registers again and takes it over."},
};
static const struct mu_shape RESOLVE = MU_SHAPE("QuarantineDecision", RESOLVE_FIELDS);

/* The row is locked by the first, so that two decisions follow each other. */
static const struct mu_pg_statement LIFT = {
        .name = "device_quarantine_lift",
        .sql = "UPDATE devices SET quarantined_at = NULL, updated_at = now(),"
               " takeover_until = CASE WHEN $2 THEN now() + interval '" TAKEOVER_WINDOW "'"
               "  ELSE takeover_until END,"
               " fcm_token = CASE WHEN NOT $2 THEN fcm_token END"
               " WHERE id = $1 AND deleted_at IS NULL RETURNING id",
        .params = {MU_PG_INT8, MU_PG_BOOL},
};

static const struct mu_pg_statement REVOKE = {
        .name = "device_tokens_revoke",
        .sql = "WITH revoked AS (UPDATE device_tokens SET revoked_at = now()"
               "  WHERE device_id = $1 AND revoked_at IS NULL)"
               " SELECT coalesce(max(generation), 0) FROM device_tokens WHERE device_id = $1",
        .params = {MU_PG_INT8},
};

static bool revoke_tokens(struct mu_ask *ask, struct change *change)
{
        struct mu_pg_result *rows;

        if (!mu_ask_query(ask, &REVOKE, MU_PG_VALUES(mu_pg_int8(change->device_id)), &rows))
                return false;
        change->generation_min = (uint32_t)mu_pg_get_int(rows, 0, 0) + 1;
        mu_pg_result_free(rows);
        return true;
}

static void resolve_quarantine(struct mu_ask *ask)
{
        const char *decision = mu_json_text(ask->body, "decision");
        bool replace = strcmp(decision, "replace") == 0;
        struct mu_device *device;
        struct change change = {.trust = true};

        if (!ask_live_device(ask, &change.device_id, &device))
                return;
        if (mu_device_state(device) != MU_DEVICE_QUARANTINED) {
                mu_call_problem(ask->call, 409, "not-quarantined", NULL,
                                "This device is not in quarantine.");
                return;
        }
        if (!mu_ask_query(ask, &LIFT,
                          MU_PG_VALUES(mu_pg_int8(change.device_id), mu_pg_bool(replace)), NULL) ||
            (replace && !revoke_tokens(ask, &change)) ||
            !mu_ask_audit(ask, "device.quarantine_resolve", "device", change.device_id, NULL,
                          json_pack("{s:s}", "decision", decision)) ||
            !apply_after_commit(ask, &change))
                return;
        mu_ask_reply_empty(ask, 204);
}

/* ---- take-over ---- */

static const struct mu_field TAKEOVER_FIELDS[] = {
        {.name = "takeover_until", .type = MU_FIELD_TIME, .flags = MU_FIELD_REQUIRED},
};
static const struct mu_shape TAKEOVER_REPLY = MU_SHAPE("TakeoverWindow", TAKEOVER_FIELDS);

static const struct mu_pg_statement ALLOW = {
        .name = "device_allow_takeover",
        .sql = "UPDATE devices SET takeover_until = now() + interval '" TAKEOVER_WINDOW "',"
               " updated_at = now() WHERE id = $1 AND deleted_at IS NULL AND hardware_id IS NOT "
               "NULL"
               " RETURNING takeover_until",
        .params = {MU_PG_INT8},
};

static void allow_takeover(struct mu_ask *ask)
{
        struct mu_device *device;
        struct mu_pg_result *rows;
        int64_t id;

        if (!ask_live_device(ask, &id, &device) ||
            !mu_ask_query(ask, &ALLOW, MU_PG_VALUES(mu_pg_int8(id)), &rows))
                return;
        if (mu_pg_rows(rows) == 0) {
                mu_call_problem(ask->call, 409, "no-hardware-id", NULL,
                                "This device has no hardware id to take it over by.");
        } else {
                json_t *until = mu_cell_time(rows, 0, 0);

                if (mu_ask_audit(ask, "device.allow_takeover", "device", id, NULL,
                                 json_pack("{s:O}", "takeover_until", until)))
                        mu_ask_reply(ask, 200, json_pack("{s:O}", "takeover_until", until));
                json_decref(until);
        }
        mu_pg_result_free(rows);
}

static const int CONFLICT[] = {404, 409, 0};

static const struct mu_endpoint ROWS[] = {
        {.method = "PATCH",
         .path = MU_PATH_DEVICES "/{id}",
         .handle = change_device,
         .access = MU_ACCESS_OPERATOR,
         .scope = "devices:write",
         .flags = MU_ENDPOINT_ADMIN_KEY | MU_ENDPOINT_ETAG,
         .body = &CHANGE,
         .reply_status = 200,
         .reply = &mu_device_detail_shape,
         .operation_id = "changeDevice",
         .tag = "Devices",
         .summary = "Change alias, tags, site, notes, interval"},
        {.method = "POST",
         .path = MU_PATH_DEVICES "/{id}/quarantine/resolve",
         .handle = resolve_quarantine,
         .access = MU_ACCESS_OPERATOR,
         .scope = "devices:write",
         .flags = MU_ENDPOINT_ADMIN_KEY,
         .body = &RESOLVE,
         .reply_status = 204,
         .operation_id = "resolveQuarantine",
         .tag = "Devices",
         .summary = "End a quarantine",
         .doc = "A device whose token two machines seem to use is stored and flagged, and gets no "
                "commands until an operator decides.",
         .problems = CONFLICT},
        {.method = "POST",
         .path = MU_PATH_DEVICES "/{id}/allow-takeover",
         .handle = allow_takeover,
         .access = MU_ACCESS_OPERATOR,
         .scope = "devices:write",
         .flags = MU_ENDPOINT_ADMIN_KEY,
         .reply_status = 200,
         .reply = &TAKEOVER_REPLY,
         .operation_id = "allowTakeover",
         .tag = "Devices",
         .summary = "Let a new registration take the device over",
         .doc = "For an hour, and once: whoever registers with a valid enrolment token and this "
                "device's hardware id becomes the device. For hardware that was wiped.",
         .problems = CONFLICT},
};
const struct mu_endpoints mu_device_change_endpoints = MU_ENDPOINTS(ROWS);
