/* SPDX-License-Identifier: Apache-2.0 */
/* command_api_bulk.c - one command for many devices: all of them in one transaction. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/cell.h"
#include "control/command/command.h"
#include "control/command/command_api.h"
#include "control/command/command_news.h"
#include "control/command/command_shape.h"
#include "control/command/command_sql.h"
#include "control/command/command_view.h"
#include "control/device/selection.h"
#include "muster/wire.h"

enum {
        CONFIRM_TEXT_BYTES = 48,
        PAGE_DEFAULT = 20,
};

/* What a person types: "wipe 12". */
static void confirm_text(const char *type, int64_t count, char text[CONFIRM_TEXT_BYTES])
{
        (void)snprintf(text, CONFIRM_TEXT_BYTES, "%.32s %" PRId64, type, count);
}

/* ---- POST /admin/commands ---- */

static bool read_listed(struct mu_ask *ask, struct mu_command_targets *targets, int64_t **ret_ids)
{
        const json_t *list = json_object_get(ask->body, "device_ids");
        int64_t *ids = calloc(json_array_size(list) + 1, sizeof(*ids));

        if (!ids) {
                mu_ask_failed(ask, -ENOMEM);
                return false;
        }
        for (size_t i = 0; i < json_array_size(list); i++)
                ids[i] = mu_command_id_read(json_string_value(json_array_get(list, i)));
        targets->device_ids = ids;
        targets->count = json_array_size(list);
        *ret_ids = ids;
        return true;
}

static bool read_targets(struct mu_ask *ask, struct mu_command_targets *targets, int64_t **ret_ids)
{
        bool listed = mu_json_has(ask->body, "device_ids");
        struct mu_selection selection;

        if (listed == mu_json_has(ask->body, "selection_id")) {
                mu_call_problem(ask->call, 400, "field-invalid", "device_ids",
                                "Name the devices either by device_ids or by selection_id.");
                return false;
        }
        if (listed)
                return read_listed(ask, targets, ret_ids);
        targets->selection_id = mu_json_id(ask->body, "selection_id");
        if (!mu_ask_selection(ask, targets->selection_id, &selection))
                return false;
        targets->count = selection.device_count;
        if (targets->count > 0)
                return true;
        mu_call_problem(ask->call, 409, "selection-empty", "selection_id",
                        "The selection has no devices.");
        return false;
}

static bool insert_bulk(struct mu_ask *ask, const struct mu_command_order *order,
                        struct mu_command_targets *targets)
{
        struct mu_pg_result *rows;

        if (!mu_ask_query(ask, &mu_command_bulk_insert_sql,
                          MU_PG_VALUES(targets->selection_id > 0 ? mu_pg_int8(targets->selection_id)
                                                                 : mu_pg_null(MU_PG_INT8),
                                       mu_pg_int4((int32_t)targets->count),
                                       mu_pg_text(order->type->name), mu_pg_text(order->payload),
                                       mu_pg_text(ask->actor)),
                          &rows))
                return false;
        targets->bulk_id = mu_pg_get_int(rows, 0, 0);
        mu_pg_result_free(rows);
        return true;
}

static json_t *made_json(const struct mu_command_order *order,
                         const struct mu_command_targets *targets,
                         const struct mu_command_made *made)
{
        bool confirmed = (order->type->flags & MU_COMMAND_TYPE_CONFIRMED) != 0;
        char text[CONFIRM_TEXT_BYTES];

        confirm_text(order->type->name, (int64_t)made->count, text);
        return json_pack("{s:o, s:s, s:I, s:I, s:I, s:I, s:o}", "bulk_id",
                         mu_json_of_id(targets->bulk_id), "state",
                         confirmed ? "awaiting_confirmation" : "queued", "asked_count",
                         (json_int_t)targets->count, "device_count", (json_int_t)made->count,
                         "skipped_count", (json_int_t)(targets->count - made->count),
                         "withheld_count", (json_int_t)made->withheld, "confirm",
                         mu_json_of_text_or_null(confirmed ? text : NULL));
}

static void make_all(struct mu_ask *ask, const struct mu_command_order *order,
                     struct mu_command_targets *targets)
{
        struct mu_command_made made;

        if (!insert_bulk(ask, order, targets) || !mu_command_make(ask, order, targets, &made))
                return;
        if (made.count == 0) {
                mu_call_problem(ask->call, 404, "not-found", NULL,
                                "None of these devices can have this command: they are unknown, "
                                "deleted, or their agents don't take it.");
                return;
        }
        json_t *audit = mu_command_order_json(order);

        (void)json_object_set_new(audit, "device_count", json_integer((json_int_t)made.count));
        if (mu_ask_query(
                    ask, &mu_command_bulk_count_sql,
                    MU_PG_VALUES(mu_pg_int8(targets->bulk_id), mu_pg_int4((int32_t)made.count)),
                    NULL) &&
            mu_ask_audit(ask, "command.create_bulk", "bulk-command", targets->bulk_id, NULL,
                         json_incref(audit)))
                mu_ask_reply(ask, 201, made_json(order, targets, &made));
        json_decref(audit);
}

static void create(struct mu_ask *ask)
{
        struct mu_command_targets targets = {0};
        struct mu_command_order order;
        int64_t *ids = NULL;

        if (!mu_command_order_read(ask, &order))
                return;
        if (read_targets(ask, &targets, &ids))
                make_all(ask, &order, &targets);
        mu_command_order_done(&order);
        free(ids);
}

/* ---- GET /admin/bulk-commands, /admin/bulk-commands/{id} ---- */

/* All states, those without a command with 0. */
static json_t *states_of(const char *counted)
{
        json_t *counts = counted ? json_loads(counted, 0, NULL) : json_object();
        json_t *states = json_object();

        for (int state = 0; state < MU_COMMAND_STATE_COUNT; state++) {
                const char *name = mu_command_state_name((enum mu_command_state)state);

                (void)json_object_set_new(
                        states, name,
                        json_integer(json_integer_value(json_object_get(counts, name))));
        }
        json_decref(counts);
        return states;
}

static json_t *bulk_json(const struct mu_pg_result *rows, size_t row)
{
        return json_pack("{s:o, s:o, s:s, s:s, s:o, s:o, s:I, s:I, s:o, s:I}", "id",
                         mu_json_of_id(mu_pg_get_int(rows, row, 0)), "created_at",
                         mu_cell_time(rows, row, 1), "created_by", mu_pg_get_text(rows, row, 2),
                         "type", mu_pg_get_text(rows, row, 3), "payload",
                         json_loads(mu_pg_get_text(rows, row, 4), 0, NULL), "selection_id",
                         mu_cell_id(rows, row, 5), "asked_count",
                         (json_int_t)mu_pg_get_int(rows, row, 6), "device_count",
                         (json_int_t)mu_pg_get_int(rows, row, 7), "states",
                         states_of(mu_pg_get_text(rows, row, 8)), "withheld_count",
                         (json_int_t)mu_pg_get_int(rows, row, 9));
}

static void show(struct mu_ask *ask)
{
        struct mu_pg_result *bulk;
        int64_t id;

        if (!mu_ask_id(ask, "id", "bulk command", &id) ||
            !mu_ask_query(ask, &mu_command_bulk_look_sql, MU_PG_VALUES(mu_pg_int8(id)), &bulk))
                return;
        if (mu_pg_rows(bulk) == 1)
                mu_ask_reply(ask, 200, bulk_json(bulk, 0));
        else
                mu_ask_not_found(ask, "bulk command");
        mu_pg_result_free(bulk);
}

static json_t *page_of(const struct mu_pg_result *rows, size_t limit)
{
        size_t count = mu_pg_rows(rows) < limit ? mu_pg_rows(rows) : limit;
        json_t *bulks = json_array();

        for (size_t i = 0; i < count; i++)
                if (json_array_append_new(bulks, bulk_json(rows, i)) < 0) {
                        json_decref(bulks);
                        return NULL;
                }
        return json_pack("{s:o, s:o}", "bulk_commands", bulks, "next_cursor",
                         mu_pg_rows(rows) > limit ? mu_json_of_id(mu_pg_get_int(rows, count - 1, 0))
                                                  : json_null());
}

static void list(struct mu_ask *ask)
{
        int64_t limit = mu_json_integer(ask->query, "limit", PAGE_DEFAULT);
        int64_t cursor = mu_json_id(ask->query, "cursor");
        struct mu_pg_result *rows;

        if (!mu_ask_query(ask, &mu_command_bulk_list_sql,
                          MU_PG_VALUES(mu_pg_int8(cursor > 0 ? cursor : INT64_MAX),
                                       mu_pg_int8(limit + 1)),
                          &rows))
                return;
        mu_ask_reply(ask, 200, page_of(rows, (size_t)limit));
        mu_pg_result_free(rows);
}

/* ---- POST /admin/bulk-commands/{id}/cancel, /confirm ---- */

/* Its type and how many commands it has. false: answered 404. */
static bool find_bulk(struct mu_ask *ask, int64_t *ret_id, struct mu_pg_result **ret_row)
{
        struct mu_pg_result *row;

        if (!mu_ask_id(ask, "id", "bulk command", ret_id) ||
            !mu_ask_query(ask, &mu_command_bulk_show_sql, MU_PG_VALUES(mu_pg_int8(*ret_id)), &row))
                return false;
        if (mu_pg_rows(row) == 1) {
                *ret_row = row;
                return true;
        }
        mu_pg_result_free(row);
        mu_ask_not_found(ask, "bulk command");
        return false;
}

static bool note_changed(struct mu_ask *ask, const struct mu_pg_result *rows,
                         const struct mu_command_type *type, enum mu_command_state state)
{
        struct mu_command_news *news = mu_command_news_create(mu_pg_rows(rows));

        if (!news) {
                mu_ask_failed(ask, -ENOMEM);
                return false;
        }
        for (size_t i = 0; i < news->count; i++)
                news->notes[i] = (struct mu_command_note){mu_pg_get_int(rows, i, 0),
                                                          mu_pg_get_int(rows, i, 1), type, state};
        mu_ask_after_commit(ask, mu_command_news_tell, news);
        return true;
}

static void change(struct mu_ask *ask, int64_t id, const char *type_name,
                   const struct mu_pg_statement *statement, enum mu_command_state state,
                   const char *action)
{
        struct mu_pg_result *rows;

        if (!mu_ask_query(ask, statement, MU_PG_VALUES(mu_pg_int8(id)), &rows))
                return;
        json_int_t count = (json_int_t)mu_pg_rows(rows);

        if (note_changed(ask, rows, mu_command_type_find(type_name), state) &&
            mu_ask_audit(ask, action, "bulk-command", id, NULL,
                         json_pack("{s:s, s:I}", "state", mu_command_state_name(state),
                                   "changed_count", count)))
                mu_ask_reply(ask, 200,
                             json_pack("{s:o, s:I}", "bulk_id", mu_json_of_id(id), "changed_count",
                                       count));
        mu_pg_result_free(rows);
}

static void cancel(struct mu_ask *ask)
{
        struct mu_pg_result *bulk;
        int64_t id;

        if (!find_bulk(ask, &id, &bulk))
                return;
        change(ask, id, mu_pg_get_text(bulk, 0, 0), &mu_command_bulk_cancel_sql,
               MU_COMMAND_CANCELLED, "command.cancel_bulk");
        mu_pg_result_free(bulk);
}

static void confirm(struct mu_ask *ask)
{
        char expected[CONFIRM_TEXT_BYTES];
        struct mu_pg_result *bulk;
        int64_t id;

        if (!find_bulk(ask, &id, &bulk))
                return;
        confirm_text(mu_pg_get_text(bulk, 0, 0), mu_pg_get_int(bulk, 0, 1), expected);
        if (strcmp(expected, mu_json_text(ask->body, "confirm")) != 0)
                mu_call_problem(ask->call, 422, "confirmation", "confirm",
                                "Type \"%s\" to confirm this for all of them.", expected);
        else
                change(ask, id, mu_pg_get_text(bulk, 0, 0), &mu_command_bulk_confirm_sql,
                       MU_COMMAND_QUEUED, "command.confirm_bulk");
        mu_pg_result_free(bulk);
}

/* ---- the table ---- */

static const int CREATE_PROBLEMS[] = {404, 409, 410, 413, 0};
static const int FIND_PROBLEMS[] = {404, 0};
static const int CONFIRM_PROBLEMS[] = {404, 422, 0};

static const struct mu_endpoint ENDPOINTS[] = {
        {
                .method = "POST",
                .path = "/admin/commands",
                .handle = create,
                .access = MU_ACCESS_OPERATOR,
                .scope = "commands:write",
                .flags = MU_ENDPOINT_ADMIN_KEY,
                .limit = MU_LIMIT_BULK,
                .body_bytes_max = MU_BODY_BYTES_MAX,
                .body = &mu_command_bulk_order_shape,
                .reply_status = 201,
                .reply = &mu_command_bulk_made_shape,
                .operation_id = "createBulkCommand",
                .tag = "Commands",
                .summary = "Send one command to many devices",
                .doc = "All of them or none: one transaction. Devices that are unknown, deleted or "
                       "can't do it are left out and counted.",
                .problems = CREATE_PROBLEMS,
        },
        {
                .method = "GET",
                .path = "/admin/bulk-commands",
                .handle = list,
                .access = MU_ACCESS_VIEWER,
                .scope = "commands:read",
                .flags = MU_ENDPOINT_ADMIN_KEY,
                .limit = MU_LIMIT_GENERAL,
                .query = &mu_command_bulk_query_shape,
                .reply_status = 200,
                .reply = &mu_command_bulk_list_shape,
                .operation_id = "listBulkCommands",
                .tag = "Commands",
                .summary = "Bulk commands and how far they have come",
        },
        {
                .method = "GET",
                .path = "/admin/bulk-commands/{id}",
                .handle = show,
                .access = MU_ACCESS_VIEWER,
                .scope = "commands:read",
                .flags = MU_ENDPOINT_ADMIN_KEY,
                .limit = MU_LIMIT_GENERAL,
                .reply_status = 200,
                .reply = &mu_command_bulk_shape,
                .operation_id = "getBulkCommand",
                .tag = "Commands",
                .summary = "How far a bulk command has come",
                .problems = FIND_PROBLEMS,
        },
        {
                .method = "POST",
                .path = "/admin/bulk-commands/{id}/cancel",
                .handle = cancel,
                .access = MU_ACCESS_OPERATOR,
                .scope = "commands:write",
                .flags = MU_ENDPOINT_ADMIN_KEY,
                .limit = MU_LIMIT_BULK,
                .reply_status = 200,
                .reply = &mu_command_bulk_changed_shape,
                .operation_id = "cancelBulkCommand",
                .tag = "Commands",
                .summary = "Take back those of its commands that were not received",
                .problems = FIND_PROBLEMS,
        },
        {
                .method = "POST",
                .path = "/admin/bulk-commands/{id}/confirm",
                .handle = confirm,
                .access = MU_ACCESS_ADMIN,
                .scope = "commands:write",
                .flags = MU_ENDPOINT_ADMIN_KEY,
                .limit = MU_LIMIT_BULK,
                .body = &mu_command_bulk_confirm_shape,
                .reply_status = 200,
                .reply = &mu_command_bulk_changed_shape,
                .operation_id = "confirmBulkCommand",
                .tag = "Commands",
                .summary = "Confirm a wipe of many devices by typing how many",
                .problems = CONFIRM_PROBLEMS,
        },
};

const struct mu_endpoints mu_command_bulk_endpoints = MU_ENDPOINTS(ENDPOINTS);
