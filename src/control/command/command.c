/* SPDX-License-Identifier: Apache-2.0 */
#include "control/command/command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "control/command/command_news.h"
#include "control/command/command_sql.h"
#include "control/command/command_view.h"
#include "control/endpoint.h"
#include "muster/command.h"

/* ---- what is asked for ---- */

static bool may_ask_for(struct mu_ask *ask, const struct mu_command_type *type)
{
        if (ask->who.role >= type->role)
                return true;
        mu_call_problem(ask->call, 403, "role", "type",
                        "The command %s needs the role %s; yours is %s. Ask an administrator.",
                        type->name, mu_role_name(type->role), mu_role_name(ask->who.role));
        return false;
}

/* The text that is signed, from here on never written anew. */
static bool read_payload(struct mu_ask *ask, const struct mu_command_type *type, char **ret_text)
{
        json_t *given = json_object_get(ask->body, "payload");
        json_t *payload = given ? json_incref(given) : json_object();
        struct mu_shape_problem problem;
        int error = payload ? mu_shape_check(type->payload, payload, &problem) : -ENOMEM;
        char *text = error == 0 ? json_dumps(payload, JSON_COMPACT) : NULL;

        json_decref(payload);
        if (error == -EBADMSG) {
                char path[MU_SHAPE_PATH_BYTES + 16];

                (void)snprintf(path, sizeof(path), "payload%s%s", *problem.path ? "." : "",
                               problem.path);
                mu_call_problem(ask->call, problem.status, problem.slug, path, "%s",
                                problem.detail);
                return false;
        }
        if (!text) {
                mu_ask_failed(ask, error < 0 ? error : -ENOMEM);
                return false;
        }
        if (strlen(text) > MU_COMMAND_PAYLOAD_BYTES_MAX) {
                mu_call_problem(ask->call, 413, "payload-size", "payload",
                                "The payload is larger than 16 KiB.");
                free(text);
                return false;
        }
        *ret_text = text;
        return true;
}

bool mu_command_order_read(struct mu_ask *ask, struct mu_command_order *ret_order)
{
        const struct mu_command_type *type = mu_command_type_find(mu_json_text(ask->body, "type"));
        char *payload;

        MU_ASSERT(type && !(type->flags & MU_COMMAND_TYPE_OWN)); /* the shape's one_of */
        if (!may_ask_for(ask, type) || !read_payload(ask, type, &payload))
                return false;
        *ret_order = (struct mu_command_order){
                .type = type,
                .payload = payload,
                .ttl_s = (uint32_t)mu_json_integer(ask->body, "ttl_s", type->ttl_s),
        };
        return true;
}

void mu_command_order_done(struct mu_command_order *order)
{
        free(order->payload);
        order->payload = NULL;
}

json_t *mu_command_order_json(const struct mu_command_order *order)
{
        json_t *json = json_pack("{s:s, s:I}", "type", order->type->name, "ttl_s",
                                 (json_int_t)order->ttl_s);

        if (json && !(order->type->flags & MU_COMMAND_TYPE_PRIVATE))
                (void)json_object_set_new(json, "payload", json_loads(order->payload, 0, NULL));
        return json;
}

/* ---- making them ---- */

static bool note_made(struct mu_ask *ask, const struct mu_command_order *order,
                      const struct mu_pg_result *rows, struct mu_command_made *made)
{
        struct mu_command_news *news = mu_command_news_create(mu_pg_rows(rows));

        if (!news) {
                mu_ask_failed(ask, -ENOMEM);
                return false;
        }
        *made = (struct mu_command_made){.count = mu_pg_rows(rows)};
        for (size_t i = 0; i < made->count; i++) {
                news->notes[i] = (struct mu_command_note){
                        .device_id = mu_pg_get_int(rows, i, 0),
                        .id = mu_pg_get_int(rows, i, 1),
                        .type = order->type,
                        .state = order->type->flags & MU_COMMAND_TYPE_CONFIRMED
                                         ? MU_COMMAND_AWAITING_CONFIRMATION
                                         : MU_COMMAND_QUEUED,
                };
                made->withheld += mu_pg_get_bool(rows, i, 2);
        }
        if (made->count > 0)
                made->first_id = news->notes[0].id;
        mu_ask_after_commit(ask, mu_command_news_tell, news);
        return true;
}

bool mu_command_make(struct mu_ask *ask, const struct mu_command_order *order,
                     const struct mu_command_targets *targets, struct mu_command_made *ret_made)
{
        const struct mu_command_type *type = order->type;
        bool selected = targets->selection_id > 0;
        struct mu_pg_result *rows;

        if (!mu_ask_query(
                    ask, selected ? &mu_command_insert_selected_sql : &mu_command_insert_listed_sql,
                    MU_PG_VALUES(mu_pg_text(type->name), mu_pg_text(order->payload),
                                 mu_pg_int4((int32_t)order->ttl_s),
                                 mu_pg_int4(type->flags & MU_COMMAND_TYPE_CONFIRMED
                                                    ? MU_COMMAND_CONFIRM_S
                                                    : 0),
                                 mu_pg_text(ask->actor),
                                 targets->bulk_id > 0 ? mu_pg_int8(targets->bulk_id)
                                                      : mu_pg_null(MU_PG_INT8),
                                 mu_pg_bool((type->flags & MU_COMMAND_TYPE_DECLARED) != 0),
                                 selected ? mu_pg_int8(targets->selection_id)
                                          : mu_pg_int8_array(targets->device_ids, targets->count),
                                 mu_pg_int8(MU_COMMAND_WAITING_MAX)),
                    &rows))
                return false;
        bool noted = note_made(ask, order, rows, ret_made);

        mu_pg_result_free(rows);
        return noted;
}

bool mu_command_device_fits(struct mu_ask *ask, int64_t device_id,
                            const struct mu_command_type *type)
{
        struct mu_pg_result *rows;

        if (!mu_ask_query(ask, &mu_command_device_sql, MU_PG_VALUES(mu_pg_int8(device_id)), &rows))
                return false;
        bool found = mu_pg_rows(rows) == 1;
        bool declares = found && mu_pg_get_bool(rows, 0, 0);
        bool full = found && mu_pg_get_int(rows, 0, 1) >= MU_COMMAND_WAITING_MAX;

        mu_pg_result_free(rows);
        if (!found) {
                mu_ask_not_found(ask, "device");
                return false;
        }
        if ((type->flags & MU_COMMAND_TYPE_DECLARED) && !declares) {
                mu_call_problem(ask->call, 409, "not-declared", "type",
                                "The device's agent has not declared that it takes %s commands "
                                "(\"capabilities\" in its heartbeats).",
                                type->name);
                return false;
        }
        if (full)
                mu_call_problem(ask->call, 409, "queue-full", NULL,
                                "%d commands wait for this device already; cancel some first.",
                                MU_COMMAND_WAITING_MAX);
        return !full;
}

/* ---- one of them ---- */

bool mu_command_lock(struct mu_ask *ask, int64_t id, struct mu_pg_result **ret_row)
{
        struct mu_pg_result *rows;

        if (!mu_ask_query(ask, &mu_command_lock_sql, MU_PG_VALUES(mu_pg_int8(id)), &rows))
                return false;
        if (mu_pg_rows(rows) == 1) {
                *ret_row = rows;
                return true;
        }
        mu_pg_result_free(rows);
        mu_ask_not_found(ask, "command");
        return false;
}

void mu_command_reply(struct mu_ask *ask, int64_t id, int status)
{
        struct mu_pg_result *rows;

        if (!mu_ask_query(ask, &mu_command_show_sql, MU_PG_VALUES(mu_pg_int8(id)), &rows))
                return;
        if (mu_pg_rows(rows) == 1)
                mu_ask_reply(ask, status, mu_command_json(rows, 0));
        else
                mu_ask_not_found(ask, "command");
        mu_pg_result_free(rows);
}
