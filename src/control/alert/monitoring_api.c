/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitoring_api.c - the service that a device is there for: what is watched, how patiently, and
 * who mends it.
 *
 *   built in ◀─ fleet's default (row 0) ◀─ device's row      member by member
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/alert/alert_api.h"
#include "control/alert/alert_view.h"
#include "control/alert/rule_layers.h"
#include "control/cell.h"
#include "control/command/command.h"
#include "control/etag.h"

enum {
        THRESHOLD_MIN_LEAST = 1,
        THRESHOLD_MIN_MOST = 120,
        PACKAGE_CHARS_MAX = 255,
        NAME_CHARS_MAX = 100,
        FLEET = 0,
};
#define WHAT "monitoring"

/* ---- shapes ---- */

static const struct mu_field CHANGE_FIELDS[] = {
        {.name = "enabled",
         .type = MU_FIELD_BOOLEAN,
         .flags = MU_FIELD_NULLABLE,
         .doc = "null: as the fleet; there null: watched where a package is named."},
        {.name = "package",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_NULLABLE,
         .least = 1,
         .most = PACKAGE_CHARS_MAX,
         .doc = "An Android package, or a program of a desktop. null: as the fleet."},
        {.name = "display_name",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_NULLABLE,
         .least = 1,
         .most = NAME_CHARS_MAX,
         .doc = "What alerts call it. null: as the fleet; there null: the package."},
        {.name = "threshold_min",
         .type = MU_FIELD_INTEGER,
         .flags = MU_FIELD_NULLABLE,
         .least = THRESHOLD_MIN_LEAST,
         .most = THRESHOLD_MIN_MOST,
         .doc = "Minutes that it may be away from the foreground. null: as the fleet; there null: "
                "the rule service_down's threshold, 10."},
        {.name = "auto_remediate",
         .type = MU_FIELD_BOOLEAN,
         .flags = MU_FIELD_NULLABLE,
         .doc = "The appliance sends relaunch_app when it is down. null: as the fleet."},
        {.name = "auto_relaunch",
         .type = MU_FIELD_BOOLEAN,
         .flags = MU_FIELD_NULLABLE,
         .doc = "The agent starts it again by itself. null: as the fleet."},
};
static const struct mu_shape CHANGE = MU_SHAPE("MonitoringChange", CHANGE_FIELDS);
enum { MEMBERS = MU_COUNT_OF(CHANGE_FIELDS) };

#define EFFECTIVE_FIELDS                                                                           \
        MU_ALERT_FIELD("enabled", MU_FIELD_BOOLEAN, "Whether it is watched."),                     \
                MU_ALERT_FIELD_OR_NULL("package", MU_FIELD_TEXT, "null: none is named."),          \
                MU_ALERT_FIELD_OR_NULL("display_name", MU_FIELD_TEXT, "What alerts call it."),     \
                MU_ALERT_FIELD("threshold_min", MU_FIELD_INTEGER,                                  \
                               "Minutes that it may be away from the foreground."),                \
                MU_ALERT_FIELD("auto_remediate", MU_FIELD_BOOLEAN,                                 \
                               "The appliance sends relaunch_app when it is down."),               \
                MU_ALERT_FIELD("auto_relaunch", MU_FIELD_BOOLEAN,                                  \
                               "The agent starts it again by itself."),                            \
                MU_ALERT_FIELD_OR_NULL("updated_at", MU_FIELD_TIME, "null: never set here."),      \
                MU_ALERT_FIELD_OR_NULL("updated_by", MU_FIELD_TEXT, "Who set it last.")

static const struct mu_field DEVICE_FIELDS[] = {
        MU_ALERT_FIELD("device_id", MU_FIELD_ID, "The device."),
        EFFECTIVE_FIELDS,
        {.name = "from_fleet",
         .type = MU_FIELD_LIST,
         .items = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED,
         .doc = "Members that the device does not set itself: as the fleet has them."},
};
static const struct mu_shape DEVICE = MU_SHAPE("DeviceMonitoring", DEVICE_FIELDS);

static const struct mu_field CHANGED_FIELDS[] = {
        MU_ALERT_FIELD("device_id", MU_FIELD_ID, "The device."),
        EFFECTIVE_FIELDS,
        {.name = "from_fleet",
         .type = MU_FIELD_LIST,
         .items = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED,
         .doc = "Members that the device does not set itself: as the fleet has them."},
        MU_ALERT_FIELD_OR_NULL("command_id", MU_FIELD_ID,
                               "The set_config that tells its agent; null: nothing that the agent "
                               "has to know was changed."),
};
static const struct mu_shape CHANGED = MU_SHAPE("DeviceMonitoringChanged", CHANGED_FIELDS);

static const struct mu_field FLEET_FIELDS[] = {
        EFFECTIVE_FIELDS,
        {.name = "from_default",
         .type = MU_FIELD_LIST,
         .items = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED,
         .doc = "Members that are not set: as built in."},
};
static const struct mu_shape FLEET_REPLY = MU_SHAPE("FleetMonitoring", FLEET_FIELDS);

/* A row as it is stored. */
static const struct mu_field ROW_FIELDS[] = {
        {.name = "enabled", .type = MU_FIELD_BOOLEAN},
        {.name = "package", .type = MU_FIELD_TEXT},
        {.name = "display_name", .type = MU_FIELD_TEXT},
        {.name = "threshold_min", .type = MU_FIELD_INTEGER},
        {.name = "auto_remediate", .type = MU_FIELD_BOOLEAN},
        {.name = "auto_relaunch", .type = MU_FIELD_BOOLEAN},
        {.name = "updated_at", .type = MU_FIELD_TIME},
        {.name = "updated_by", .type = MU_FIELD_TEXT},
};
static const struct mu_shape ROW = MU_SHAPE("MonitoringRow", ROW_FIELDS);
enum { ROW_DEVICE_ID = MU_COUNT_OF(ROW_FIELDS) };

/* ---- statements ---- */

#define COLUMNS                                                                                    \
        "m.enabled, m.package, m.display_name, m.threshold_min, m.auto_remediate,"                 \
        " m.auto_relaunch, m.updated_at, m.updated_by, m.device_id"

static const struct mu_pg_statement READ = {
        .name = "monitoring_read",
        .sql = "SELECT " COLUMNS " FROM device_monitoring m WHERE m.device_id IN (0, $1)",
        .params = {MU_PG_INT8},
        .repeatable = true,
};
static const struct mu_pg_statement LOCK = {
        .name = "monitoring_lock",
        .sql = "SELECT device_id FROM device_monitoring WHERE device_id = $1 FOR UPDATE",
        .params = {MU_PG_INT8},
};
/* Each value behind whether it is given. */
static const struct mu_pg_statement SET = {
        .name = "monitoring_set",
        .sql = "INSERT INTO device_monitoring AS m (device_id, updated_at, updated_by, enabled,"
               " package, display_name, threshold_min, auto_remediate, auto_relaunch)"
               " VALUES ($1, $2, $3, $5, $7, $9, $11, $13, $15)"
               " ON CONFLICT (device_id) DO UPDATE SET updated_at = $2, updated_by = $3,"
               " enabled = CASE WHEN $4 THEN $5 ELSE m.enabled END,"
               " package = CASE WHEN $6 THEN $7 ELSE m.package END,"
               " display_name = CASE WHEN $8 THEN $9 ELSE m.display_name END,"
               " threshold_min = CASE WHEN $10 THEN $11 ELSE m.threshold_min END,"
               " auto_remediate = CASE WHEN $12 THEN $13 ELSE m.auto_remediate END,"
               " auto_relaunch = CASE WHEN $14 THEN $15 ELSE m.auto_relaunch END"
               " RETURNING xmax = 0", /* made, not changed */
        .params = {MU_PG_INT8, MU_PG_TIMESTAMPTZ, MU_PG_TEXT, MU_PG_BOOL, MU_PG_BOOL, MU_PG_BOOL,
                   MU_PG_TEXT, MU_PG_BOOL, MU_PG_TEXT, MU_PG_BOOL, MU_PG_INT4, MU_PG_BOOL,
                   MU_PG_BOOL, MU_PG_BOOL, MU_PG_BOOL},
};

/* ---- what applies ---- */

struct monitoring {
        json_t *own;       /* the row; members are null where it does not say */
        json_t *effective; /* what it comes to */
};

static void done(struct monitoring *monitoring)
{
        json_decref(monitoring->own);
        json_decref(monitoring->effective);
}

/* The row's JSON; an empty object where there is none, NULL without memory. */
static json_t *row_of(const struct mu_pg_result *rows, int64_t device_id)
{
        for (size_t i = 0; i < mu_pg_rows(rows); i++)
                if (mu_pg_get_int(rows, i, ROW_DEVICE_ID) == device_id)
                        return mu_cell_fields(rows, i, 0, &ROW, MU_COUNT_OF(ROW_FIELDS));
        return json_object();
}

static bool is_set(const json_t *row, const char *name)
{
        const json_t *value = json_object_get(row, name);

        return value && !json_is_null(value);
}

static json_t *built_in(const char *name, const json_t *effective, int64_t threshold_min)
{
        if (strcmp(name, "threshold_min") == 0)
                return json_integer(threshold_min);
        if (strcmp(name, "display_name") == 0)
                return json_incref(json_object_get(effective, "package"));
        if (strcmp(name, "package") == 0)
                return json_null();
        return json_false();
}

/* By the order of members: what a later one is built of comes before it. */
static json_t *merge(const json_t *own, const json_t *fleet, int64_t threshold_min)
{
        json_t *effective = json_object();

        for (size_t i = 0; effective && i < MEMBERS; i++) {
                const char *name = CHANGE_FIELDS[i].name;
                json_t *value = is_set(own, name) ? json_object_get(own, name)
                                                  : json_object_get(fleet, name);

                /* The fleet's name is of the fleet's package. */
                if (strcmp(name, "display_name") == 0 && !is_set(own, name) &&
                    is_set(own, "package") &&
                    !json_equal(json_object_get(own, "package"), json_object_get(fleet, "package")))
                        value = NULL;

                value = value && !json_is_null(value) ? json_incref(value)
                                                      : built_in(name, effective, threshold_min);
                if (json_object_set_new(effective, name, value) < 0) {
                        json_decref(effective);
                        return NULL;
                }
        }
        if (!is_set(own, "enabled") && !is_set(fleet, "enabled"))
                (void)json_object_set_new(effective, "enabled",
                                          json_boolean(is_set(effective, "package")));
        return effective;
}

/* What service_down comes to for the device. */
static int read_threshold(struct mu_pg *pg, int64_t device_id, int64_t *ret_threshold_min)
{
        struct mu_rule_layers layers;
        int error = mu_rule_layers_read(pg, device_id, NULL, &layers);

        if (error < 0)
                return error;
        *ret_threshold_min = layers.rules[MU_RULE_SERVICE_DOWN].threshold;
        mu_rule_layers_done(&layers);
        return 0;
}

/* False: answered. */
static bool read_monitoring(struct mu_ask *ask, int64_t device_id, struct monitoring *monitoring)
{
        struct mu_pg_result *rows;
        int64_t threshold_min = 0;

        if (!mu_ask_query(ask, &READ, MU_PG_VALUES(mu_pg_int8(device_id)), &rows))
                return false;
        json_t *fleet = row_of(rows, FLEET);

        monitoring->own = row_of(rows, device_id);
        mu_pg_result_free(rows);
        int error = fleet && monitoring->own ? read_threshold(ask->pg, device_id, &threshold_min)
                                             : -ENOMEM;

        monitoring->effective = error == 0 ? merge(monitoring->own, fleet, threshold_min) : NULL;
        json_decref(fleet);
        if (monitoring->effective)
                return true;
        json_decref(monitoring->own);
        mu_ask_failed(ask, error < 0 ? error : -ENOMEM);
        return false;
}

static json_t *unset_json(const json_t *own)
{
        json_t *list = json_array();

        for (size_t i = 0; list && i < MEMBERS; i++)
                if (!is_set(own, CHANGE_FIELDS[i].name))
                        (void)json_array_append_new(list, json_string(CHANGE_FIELDS[i].name));
        return list;
}

/* As replies show it. */
static json_t *view_of(const struct monitoring *monitoring, int64_t device_id)
{
        json_t *view = json_deep_copy(monitoring->effective);
        static const char *const KEPT[] = {"updated_at", "updated_by"};

        for (size_t i = 0; view && i < MU_COUNT_OF(KEPT); i++) {
                json_t *value = json_object_get(monitoring->own, KEPT[i]);

                (void)json_object_set(view, KEPT[i], value ? value : json_null());
        }
        if (view && device_id != FLEET)
                (void)json_object_set_new(view, "device_id", mu_json_of_id(device_id));
        if (view)
                (void)json_object_set_new(view, device_id == FLEET ? "from_default" : "from_fleet",
                                          unset_json(monitoring->own));
        return view;
}

/* What people set of it, and what the ETag is of. */
static json_t *written_of(const json_t *own)
{
        json_t *written = json_object();

        for (size_t i = 0; written && i < MEMBERS; i++)
                if (is_set(own, CHANGE_FIELDS[i].name))
                        (void)json_object_set(written, CHANGE_FIELDS[i].name,
                                              json_object_get(own, CHANGE_FIELDS[i].name));
        return written;
}

/* Takes view (NULL: no memory). */
static void reply(struct mu_ask *ask, json_t *view, const struct monitoring *monitoring)
{
        json_t *written = written_of(monitoring->own);

        mu_ask_reply(ask, 200, view);
        mu_etag_add(ask, written);
        json_decref(written);
}

/* ---- looking ---- */

static void show(struct mu_ask *ask, int64_t device_id)
{
        struct monitoring monitoring;

        if (!read_monitoring(ask, device_id, &monitoring))
                return;
        reply(ask, view_of(&monitoring, device_id), &monitoring);
        done(&monitoring);
}

static void show_device(struct mu_ask *ask)
{
        int64_t id;

        if (mu_ask_id(ask, "id", "device", &id) && mu_alert_require_device(ask, id))
                show(ask, id);
}

static void show_fleet(struct mu_ask *ask)
{
        show(ask, FLEET);
}

/* ---- changing ---- */

static struct mu_pg_value boolean_of(const json_t *body, const char *name)
{
        const json_t *value = json_object_get(body, name);

        return json_is_boolean(value) ? mu_pg_bool(json_is_true(value)) : mu_pg_null(MU_PG_BOOL);
}

/* False: answered. was_there: whether there was a row, then locked. */
static bool write(struct mu_ask *ask, int64_t device_id, bool was_there)
{
        const json_t *body = ask->body;
        int64_t threshold_min = mu_json_integer(body, "threshold_min", 0);
        struct mu_pg_result *rows;
        bool answered = !mu_ask_query(
                ask, &SET,
                MU_PG_VALUES(mu_pg_int8(device_id), mu_pg_timestamptz(mu_alert_now_us(ask)),
                             mu_pg_text(ask->actor), mu_pg_bool(mu_json_has(body, "enabled")),
                             boolean_of(body, "enabled"), mu_pg_bool(mu_json_has(body, "package")),
                             mu_pg_text(mu_json_text(body, "package")),
                             mu_pg_bool(mu_json_has(body, "display_name")),
                             mu_pg_text(mu_json_text(body, "display_name")),
                             mu_pg_bool(mu_json_has(body, "threshold_min")),
                             threshold_min > 0 ? mu_pg_int4((int32_t)threshold_min)
                                               : mu_pg_null(MU_PG_INT4),
                             mu_pg_bool(mu_json_has(body, "auto_remediate")),
                             boolean_of(body, "auto_remediate"),
                             mu_pg_bool(mu_json_has(body, "auto_relaunch")),
                             boolean_of(body, "auto_relaunch")),
                &rows);

        if (answered)
                return false;
        bool made = mu_pg_get_bool(rows, 0, 0);

        mu_pg_result_free(rows);
        if (made || was_there || !mu_etag_is_asked(ask))
                return true;
        mu_etag_refuse(ask, WHAT); /* made by somebody else since it was read */
        return false;
}

/* Before and after; false: answered. */
static bool change(struct mu_ask *ask, int64_t device_id, struct monitoring *before,
                   struct monitoring *after)
{
        if (!mu_ask_query(ask, &LOCK, MU_PG_VALUES(mu_pg_int8(device_id)), NULL) ||
            !read_monitoring(ask, device_id, before))
                return false;
        json_t *written = written_of(before->own);
        bool may = mu_etag_allows(ask, written, WHAT);

        json_decref(written);
        if (may && write(ask, device_id, json_object_size(before->own) > 0) &&
            read_monitoring(ask, device_id, after)) {
                mu_alert_rules_changed(ask);
                return true;
        }
        done(before);
        return false;
}

static bool differ(const struct monitoring *before, const struct monitoring *after,
                   const char *name)
{
        return !json_equal(json_object_get(before->effective, name),
                           json_object_get(after->effective, name));
}

/* Has the agent told what it is to watch. *ret_id 0: nothing of that was changed. False: answered.
 */
static bool tell_agent(struct mu_ask *ask, int64_t device_id, const struct monitoring *before,
                       const struct monitoring *after, int64_t *ret_id)
{
        struct mu_command_order order = {.type = mu_command_type_find("set_config")};
        const struct mu_command_targets targets = {.device_ids = &device_id, .count = 1};
        struct mu_command_made made = {0};

        *ret_id = 0;
        if (!differ(before, after, "package") && !differ(before, after, "auto_relaunch"))
                return true;
        json_t *payload = json_pack("{s:{s:O, s:O}}", "settings", "monitored_package",
                                    json_object_get(after->effective, "package"), "auto_relaunch",
                                    json_object_get(after->effective, "auto_relaunch"));

        order.payload = payload ? json_dumps(payload, JSON_COMPACT) : NULL;
        order.ttl_s = order.type->ttl_s;
        json_decref(payload);
        if (!order.payload) {
                mu_ask_failed(ask, -ENOMEM);
                return false;
        }
        bool told = mu_command_device_fits(ask, device_id, order.type) &&
                    mu_command_make(ask, &order, &targets, &made);

        mu_command_order_done(&order);
        *ret_id = made.first_id;
        return told;
}

static void finish_device(struct mu_ask *ask, int64_t device_id, struct monitoring *before,
                          const struct monitoring *after)
{
        int64_t command_id;

        if (!tell_agent(ask, device_id, before, after, &command_id) ||
            !mu_ask_audit(ask, "monitoring.change", "device", device_id, json_incref(before->own),
                          json_incref(after->own)))
                return;
        json_t *view = view_of(after, device_id);

        if (view)
                (void)json_object_set_new(view, "command_id",
                                          command_id > 0 ? mu_json_of_id(command_id) : json_null());
        reply(ask, view, after);
}

static void change_device(struct mu_ask *ask)
{
        struct monitoring before;
        struct monitoring after;
        int64_t id;

        if (!mu_ask_id(ask, "id", "device", &id) || !mu_alert_require_device(ask, id) ||
            !change(ask, id, &before, &after))
                return;
        finish_device(ask, id, &before, &after);
        done(&before);
        done(&after);
}

static void change_fleet(struct mu_ask *ask)
{
        struct monitoring before;
        struct monitoring after;

        if (!change(ask, FLEET, &before, &after))
                return;
        if (mu_ask_audit(ask, "monitoring.change", "fleet", FLEET, json_incref(before.own),
                         json_incref(after.own)))
                reply(ask, view_of(&after, FLEET), &after);
        done(&before);
        done(&after);
}

/* ---- the table ---- */

static const int NOT_FOUND[] = {404, 0};
static const int CHANGE_PROBLEMS[] = {404, 409, 0};

static const struct mu_endpoint ROWS[] = {
        {.method = "GET",
         .path = "/admin/devices/{id}/monitoring",
         .handle = show_device,
         .access = MU_ACCESS_VIEWER,
         .scope = "alerts:read",
         .flags = MU_ENDPOINT_ADMIN_KEY | MU_ENDPOINT_ETAG,
         .reply_status = 200,
         .reply = &DEVICE,
         .operation_id = "getDeviceMonitoring",
         .tag = "Monitoring",
         .summary = "The service that a device is there for",
         .problems = NOT_FOUND},
        {.method = "PATCH",
         .path = "/admin/devices/{id}/monitoring",
         .handle = change_device,
         .access = MU_ACCESS_OPERATOR,
         .scope = "alerts:write",
         .flags = MU_ENDPOINT_ADMIN_KEY | MU_ENDPOINT_ETAG,
         .body = &CHANGE,
         .reply_status = 200,
         .reply = &CHANGED,
         .operation_id = "changeDeviceMonitoring",
         .tag = "Monitoring",
         .summary = "Watch another service, more or less patiently",
         .doc = "What is left out stays; null goes back to the fleet's. When the package or "
                "auto_relaunch changes, the agent is told by a set_config command with "
                "settings.monitored_package and settings.auto_relaunch.",
         .problems = CHANGE_PROBLEMS},
        {.method = "GET",
         .path = "/admin/monitoring",
         .handle = show_fleet,
         .access = MU_ACCESS_VIEWER,
         .scope = "alerts:read",
         .flags = MU_ENDPOINT_ADMIN_KEY | MU_ENDPOINT_ETAG,
         .reply_status = 200,
         .reply = &FLEET_REPLY,
         .operation_id = "getMonitoring",
         .tag = "Monitoring",
         .summary = "What devices watch that do not say themselves"},
        {.method = "PATCH",
         .path = "/admin/monitoring",
         .handle = change_fleet,
         .access = MU_ACCESS_OPERATOR,
         .scope = "alerts:write",
         .flags = MU_ENDPOINT_ADMIN_KEY | MU_ENDPOINT_ETAG,
         .body = &CHANGE,
         .reply_status = 200,
         .reply = &FLEET_REPLY,
         .operation_id = "changeMonitoring",
         .tag = "Monitoring",
         .summary = "Change what the fleet watches by default",
         .doc = "Judged so at once. No command is sent for it: agents whose devices have no "
                "package of their own are told by a bulk set_config with "
                "settings.monitored_package, where they do not report it already."},
};
const struct mu_endpoints mu_monitoring_endpoints = MU_ENDPOINTS(ROWS);
