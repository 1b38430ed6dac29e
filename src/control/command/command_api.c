/* SPDX-License-Identifier: Apache-2.0 */
/* command_api.c - commands one by one, for operators. */
#include "control/command/command_api.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "control/cell.h"
#include "control/command/command.h"
#include "control/command/command_news.h"
#include "control/command/command_shape.h"
#include "control/command/command_sql.h"
#include "control/command/command_view.h"
#include "muster/wire.h"

enum {
        PAGE_DEFAULT = 50,
};

/* ---- POST /admin/devices/{id}/commands ---- */

static json_t *audit_of(int64_t device_id, const struct mu_command_order *order)
{
        json_t *json = mu_command_order_json(order);

        (void)json_object_set_new(json, "device_id", mu_json_of_id(device_id));
        return json;
}

static void make_one(struct mu_ask *ask, int64_t device_id, const struct mu_command_order *order)
{
        const struct mu_command_targets targets = {.device_ids = &device_id, .count = 1};
        struct mu_command_made made;

        if (!mu_command_device_fits(ask, device_id, order->type) ||
            !mu_command_make(ask, order, &targets, &made))
                return;
        /* Deleted between the two statements. */
        if (made.count == 0)
                mu_ask_not_found(ask, "device");
        else if (mu_ask_audit(ask, "command.create", "command", made.first_id, NULL,
                              audit_of(device_id, order)))
                mu_command_reply(ask, made.first_id, 201);
}

static void create(struct mu_ask *ask)
{
        struct mu_command_order order;
        int64_t device_id;

        if (!mu_ask_id(ask, "id", "device", &device_id) || !mu_command_order_read(ask, &order))
                return;
        make_one(ask, device_id, &order);
        mu_command_order_done(&order);
}

/* ---- POST /admin/devices/{id}/rotate-key ---- */

/* 0: answered. The version that the device is to have next, its row locked. */
static int32_t next_version(struct mu_ask *ask, int64_t device_id)
{
        const struct mu_pg_value *values = MU_PG_VALUES(mu_pg_int8(device_id));
        struct mu_pg_result *rows;

        if (!mu_ask_query(ask, &mu_command_rotation_sql, values, &rows))
                return 0;
        bool found = mu_pg_rows(rows) == 1;
        int64_t version = found ? mu_pg_get_int(rows, 0, 0) + 1 : 0;
        /* One that expired: the device may have the key, so it stays the next. */
        if (found && mu_pg_get_int(rows, 0, 1) > 0)
                version = mu_pg_get_int(rows, 0, 1);
        mu_pg_result_free(rows);
        if (!found) {
                mu_ask_not_found(ask, "device");
                return 0;
        }
        if (!mu_ask_query(ask, &mu_command_rotation_live_sql, values, &rows))
                return 0;
        int64_t live = mu_pg_rows(rows) > 0 ? mu_pg_get_int(rows, 0, 0) : 0;

        mu_pg_result_free(rows);
        if (live == 0)
                return (int32_t)version;
        mu_call_problem(ask->call, 409, "rotation-under-way", NULL,
                        "A new key is on its way to this device already: command %" PRId64 ".",
                        live);
        return 0;
}

static void rotate_key(struct mu_ask *ask)
{
        struct mu_command_order order = {.type = mu_command_type_find(MU_COMMAND_ROTATE_KEY)};
        char payload[48];
        struct mu_command_made made;
        int64_t device_id;

        if (!mu_ask_id(ask, "id", "device", &device_id))
                return;
        int32_t version = next_version(ask, device_id);

        if (version == 0 ||
            !mu_ask_query(ask, &mu_command_rotate_sql,
                          MU_PG_VALUES(mu_pg_int8(device_id), mu_pg_int4(version)), NULL))
                return;
        (void)snprintf(payload, sizeof(payload), "{\"version\":%" PRId32 "}", version);
        order.payload = payload;
        order.ttl_s = order.type->ttl_s;
        if (mu_command_device_fits(ask, device_id, order.type) &&
            mu_command_make(ask, &order,
                            &(struct mu_command_targets){.device_ids = &device_id, .count = 1},
                            &made) &&
            mu_ask_audit(ask, "device.rotate_key", "device", device_id, NULL,
                         json_pack("{s:i, s:o}", "version", (int)version, "command_id",
                                   mu_json_of_id(made.first_id))))
                mu_command_reply(ask, made.first_id, 201);
}

/* ---- GET /admin/commands, /admin/commands/{id} ---- */

static struct mu_pg_value id_or_null(const json_t *query, const char *name)
{
        int64_t id = mu_json_id(query, name);

        return id > 0 ? mu_pg_int8(id) : mu_pg_null(MU_PG_INT8);
}

static const struct mu_pg_statement *way_in(const json_t *query)
{
        if (mu_json_has(query, "device_id"))
                return &mu_command_list_by_device_sql;
        if (mu_json_has(query, "bulk_id"))
                return &mu_command_list_by_bulk_sql;
        return mu_json_has(query, "state") ? &mu_command_list_by_state_sql : &mu_command_list_sql;
}

static json_t *page_of(const struct mu_pg_result *rows, size_t limit)
{
        size_t count = mu_pg_rows(rows) < limit ? mu_pg_rows(rows) : limit;
        json_t *commands = json_array();

        for (size_t i = 0; i < count; i++)
                if (json_array_append_new(commands, mu_command_json(rows, i)) < 0) {
                        json_decref(commands);
                        return NULL;
                }
        return json_pack("{s:o, s:o}", "commands", commands, "next_cursor",
                         mu_pg_rows(rows) > limit ? mu_json_of_id(mu_pg_get_int(
                                                            rows, count - 1, MU_COMMAND_COLUMN_ID))
                                                  : json_null());
}

static void list(struct mu_ask *ask)
{
        const json_t *query = ask->query;
        int64_t limit = mu_json_integer(query, "limit", PAGE_DEFAULT);
        int64_t cursor = mu_json_id(query, "cursor");
        struct mu_pg_result *rows;

        if (!mu_ask_query(ask, way_in(query),
                          MU_PG_VALUES(id_or_null(query, "device_id"), id_or_null(query, "bulk_id"),
                                       mu_pg_text(mu_json_text(query, "state")),
                                       mu_pg_text(mu_json_text(query, "type")),
                                       mu_pg_timestamptz(mu_json_time_us(query, "from", 0)),
                                       mu_pg_timestamptz(mu_json_time_us(
                                               query, "to", MU_TS_S_END * MU_US_PER_S)),
                                       mu_pg_int8(cursor > 0 ? cursor : INT64_MAX),
                                       mu_pg_int8(limit + 1)),
                          &rows))
                return;
        mu_ask_reply(ask, 200, page_of(rows, (size_t)limit));
        mu_pg_result_free(rows);
}

static json_t *attempts_of(const struct mu_pg_result *rows)
{
        json_t *attempts = json_array();

        for (size_t i = 0; i < mu_pg_rows(rows); i++) {
                json_t *attempt = json_pack(
                        "{s:s, s:I, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "path",
                        mu_pg_get_text(rows, i, 0), "number", (json_int_t)mu_pg_get_int(rows, i, 1),
                        "status", mu_pg_get_text(rows, i, 2), "started_at",
                        mu_cell_time(rows, i, 3), "latency_us", mu_cell_integer(rows, i, 4),
                        "retry_at", mu_cell_time(rows, i, 5), "http_status",
                        mu_cell_integer(rows, i, 6), "fcm_message_id", mu_cell_text(rows, i, 7),
                        "error", mu_cell_text(rows, i, 8));

                if (json_array_append_new(attempts, attempt) < 0) {
                        json_decref(attempts);
                        return NULL;
                }
        }
        return attempts;
}

/* The result itself, which lists leave out. */
static json_t *detail_of(const struct mu_pg_result *rows)
{
        const char *result = mu_pg_get_text(rows, 0, MU_COMMAND_COLUMN_COUNT);
        json_t *command = mu_command_json(rows, 0);

        if (command && result &&
            json_object_set_new(json_object_get(command, "report"), "result",
                                json_loads(result, JSON_DECODE_ANY, NULL)) < 0) {
                json_decref(command);
                return NULL;
        }
        return command;
}

static void show(struct mu_ask *ask)
{
        struct mu_pg_result *command;
        struct mu_pg_result *attempts;
        int64_t id;

        if (!mu_ask_id(ask, "id", "command", &id) ||
            !mu_ask_query(ask, &mu_command_show_sql, MU_PG_VALUES(mu_pg_int8(id)), &command))
                return;
        if (mu_pg_rows(command) == 0) {
                mu_ask_not_found(ask, "command");
        } else if (mu_ask_query(ask, &mu_command_show_attempts_sql, MU_PG_VALUES(mu_pg_int8(id)),
                                &attempts)) {
                mu_ask_reply(ask, 200,
                             json_pack("{s:o, s:o}", "command", detail_of(command), "attempts",
                                       attempts_of(attempts)));
                mu_pg_result_free(attempts);
        }
        mu_pg_result_free(command);
}

/* ---- POST /admin/commands/{id}/cancel, /confirm ---- */

struct locked {
        int64_t id;
        int64_t device_id;
        const char *state;
        const char *alias;
        const struct mu_command_type *type;
        struct mu_pg_result *row;
};

static bool lock(struct mu_ask *ask, struct locked *locked)
{
        if (!mu_ask_id(ask, "id", "command", &locked->id) ||
            !mu_command_lock(ask, locked->id, &locked->row))
                return false;
        locked->device_id = mu_pg_get_int(locked->row, 0, MU_COMMAND_COLUMN_DEVICE_ID);
        locked->state = mu_pg_get_text(locked->row, 0, MU_COMMAND_COLUMN_STATE);
        locked->alias = mu_pg_get_text(locked->row, 0, MU_COMMAND_COLUMN_ALIAS);
        locked->type = mu_command_type_find(mu_pg_get_text(locked->row, 0, MU_COMMAND_COLUMN_TYPE));
        return true;
}

/* Moves the locked command by the statement, writes it down and shows it. */
static void move(struct mu_ask *ask, const struct locked *locked,
                 const struct mu_pg_statement *statement, enum mu_command_state state,
                 const char *action)
{
        const struct mu_command_note note = {locked->device_id, locked->id, locked->type, state};
        struct mu_pg_result *rows;

        if (!mu_ask_query(ask, statement,
                          MU_PG_VALUES(mu_pg_int8(locked->device_id), mu_pg_int8(locked->id)),
                          &rows))
                return;
        bool moved = mu_pg_rows(rows) == 1;

        mu_pg_result_free(rows);
        if (!moved)
                mu_call_problem(ask->call, 409, "command-state", NULL,
                                state == MU_COMMAND_QUEUED
                                        ? "It is too late: the command was to be confirmed within "
                                          "5 minutes, and its device must still be there."
                                        : "The command has gone on meanwhile.");
        else if (mu_ask_command_changed(ask, &note) &&
                 mu_ask_audit(ask, action, "command", locked->id,
                              json_pack("{s:s}", "state", locked->state),
                              json_pack("{s:s, s:o}", "state", mu_command_state_name(state),
                                        "device_id", mu_json_of_id(locked->device_id))))
                mu_command_reply(ask, locked->id, 200);
}

static void cancel(struct mu_ask *ask)
{
        struct locked locked;

        if (!lock(ask, &locked))
                return;
        switch (mu_command_state_of(locked.state)) {
        case MU_COMMAND_CANCELLED:
                mu_command_reply(ask, locked.id, 200);
                break;
        case MU_COMMAND_AWAITING_CONFIRMATION:
        case MU_COMMAND_QUEUED:
        case MU_COMMAND_SENT:
                move(ask, &locked, &mu_command_cancel_sql, MU_COMMAND_CANCELLED, "command.cancel");
                break;
        default:
                mu_call_problem(ask->call, 409, "command-state", NULL,
                                "The command is %s; it can be cancelled only until the device has "
                                "received it.",
                                locked.state);
        }
        mu_pg_result_free(locked.row);
}

static void confirm(struct mu_ask *ask)
{
        struct locked locked;

        if (!lock(ask, &locked))
                return;
        if (strcmp(locked.state, "awaiting_confirmation") != 0)
                mu_call_problem(ask->call, 409, "command-state", NULL,
                                "The command is %s; there is nothing to confirm.", locked.state);
        else if (strcmp(locked.alias, mu_json_text(ask->body, "alias")) != 0)
                mu_call_problem(ask->call, 422, "confirmation", "alias",
                                "This is not the device's alias. Type it just as it is shown.");
        else
                move(ask, &locked, &mu_command_confirm_sql, MU_COMMAND_QUEUED, "command.confirm");
        mu_pg_result_free(locked.row);
}

/* ---- the table ---- */

static const int CREATE_PROBLEMS[] = {404, 409, 413, 0};
static const int CHANGE_PROBLEMS[] = {404, 409, 0};
static const int CONFIRM_PROBLEMS[] = {404, 409, 422, 0};
static const int SHOW_PROBLEMS[] = {404, 0};

static const struct mu_endpoint ENDPOINTS[] = {
        {
                .method = "POST",
                .path = "/admin/devices/{id}/commands",
                .handle = create,
                .access = MU_ACCESS_OPERATOR,
                .scope = "commands:write",
                .flags = MU_ENDPOINT_ADMIN_KEY,
                .limit = MU_LIMIT_GENERAL,
                .body = &mu_command_order_shape,
                .reply_status = 201,
                .reply = &mu_command_shape,
                .operation_id = "createCommand",
                .tag = "Commands",
                .summary = "Send a command to a device",
                .doc = "wipe and raw need an administrator. A wipe awaits confirmation for 5 "
                       "minutes. A device's commands go out in order, one at a time.",
                .problems = CREATE_PROBLEMS,
        },
        {
                .method = "POST",
                .path = "/admin/devices/{id}/rotate-key",
                .handle = rotate_key,
                .access = MU_ACCESS_ADMIN,
                .scope = "commands:write",
                .flags = MU_ENDPOINT_ADMIN_KEY,
                .limit = MU_LIMIT_GENERAL,
                .reply_status = 201,
                .reply = &mu_command_shape,
                .operation_id = "rotateDeviceKey",
                .tag = "Commands",
                .summary = "Give a device a new key for its commands",
                .doc = "The new key travels in a command signed with the old one; the old one "
                       "signs until the device has answered with the new.",
                .problems = CHANGE_PROBLEMS,
        },
        {
                .method = "GET",
                .path = "/admin/commands",
                .handle = list,
                .access = MU_ACCESS_VIEWER,
                .scope = "commands:read",
                .flags = MU_ENDPOINT_ADMIN_KEY,
                .limit = MU_LIMIT_GENERAL,
                .query = &mu_command_query_shape,
                .reply_status = 200,
                .reply = &mu_command_list_shape,
                .operation_id = "listCommands",
                .tag = "Commands",
                .summary = "List commands, the newest first",
        },
        {
                .method = "GET",
                .path = "/admin/commands/{id}",
                .handle = show,
                .access = MU_ACCESS_VIEWER,
                .scope = "commands:read",
                .flags = MU_ENDPOINT_ADMIN_KEY,
                .limit = MU_LIMIT_GENERAL,
                .reply_status = 200,
                .reply = &mu_command_detail_shape,
                .operation_id = "getCommand",
                .tag = "Commands",
                .summary = "A command, its result and the attempts to deliver it",
                .problems = SHOW_PROBLEMS,
        },
        {
                .method = "POST",
                .path = "/admin/commands/{id}/cancel",
                .handle = cancel,
                .access = MU_ACCESS_OPERATOR,
                .scope = "commands:write",
                .flags = MU_ENDPOINT_ADMIN_KEY,
                .limit = MU_LIMIT_GENERAL,
                .reply_status = 200,
                .reply = &mu_command_shape,
                .operation_id = "cancelCommand",
                .tag = "Commands",
                .summary = "Take a command back that the device has not received",
                .problems = CHANGE_PROBLEMS,
        },
        {
                .method = "POST",
                .path = "/admin/commands/{id}/confirm",
                .handle = confirm,
                .access = MU_ACCESS_ADMIN,
                .scope = "commands:write",
                .flags = MU_ENDPOINT_ADMIN_KEY,
                .limit = MU_LIMIT_GENERAL,
                .body = &mu_command_confirm_shape,
                .reply_status = 200,
                .reply = &mu_command_shape,
                .operation_id = "confirmCommand",
                .tag = "Commands",
                .summary = "Confirm a wipe by typing the device's alias",
                .problems = CONFIRM_PROBLEMS,
        },
};

const struct mu_endpoints mu_command_endpoints = MU_ENDPOINTS(ENDPOINTS);
