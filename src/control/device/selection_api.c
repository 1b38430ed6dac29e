/* SPDX-License-Identifier: Apache-2.0 */
#include "control/device/selection_api.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/device/device_filter.h"
#include "control/device/device_find.h"
#include "control/device/device_row.h"
#include "control/device/selection.h"
#include "muster/wire.h"

enum {
        BODY_BYTES_MAX = 3 * 1024 * 1024, /* 100,000 ids of 19 digits with quotes and comma */
        PAGE_DEFAULT = 100,
};

/* ---- POST /admin/selections ---- */

static const struct mu_field FILTER_FIELDS[] = {MU_DEVICE_FILTER_FIELDS};
static const struct mu_shape FILTER = MU_SHAPE("DeviceFilter", FILTER_FIELDS);

static const struct mu_field MAKE_FIELDS[] = {
        {.name = "filter",
         .type = MU_FIELD_OBJECT,
         .shape = &FILTER,
         .doc = "As in the list of devices; {} means all of them."},
        {.name = "device_ids",
         .type = MU_FIELD_LIST,
         .items = MU_FIELD_ID,
         .least = 1,
         .most = MU_SELECTION_DEVICES_MAX,
         .doc = "Instead of a filter. Ids of devices that do not exist are left out."},
};
static const struct mu_shape MAKE = MU_SHAPE("SelectionMake", MAKE_FIELDS);

static const struct mu_field SELECTION_FIELDS[] = {
        {.name = "id", .type = MU_FIELD_ID, .flags = MU_FIELD_REQUIRED},
        {.name = "count", .type = MU_FIELD_INTEGER, .flags = MU_FIELD_REQUIRED},
        {.name = "created_at", .type = MU_FIELD_TIME, .flags = MU_FIELD_REQUIRED},
        {.name = "expires_at", .type = MU_FIELD_TIME, .flags = MU_FIELD_REQUIRED},
        {.name = "confirm",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED,
         .doc = "What to type to delete them."},
};
static const struct mu_shape SELECTION = MU_SHAPE("Selection", SELECTION_FIELDS);

/* One more than may be is asked for, to tell that there are too many. */
static const struct mu_pg_statement MAKE_SELECTION = {
        .name = "selection_make",
        .sql = "WITH chosen AS (SELECT d.id FROM devices d WHERE" MU_DEVICE_FILTER_SQL
               "  LIMIT $11 + 1),"
               " selection AS (INSERT INTO selections (expires_at, device_count, created_by, "
               "filter)"
               "  SELECT now() + $12 * interval '1 second', count(*), $9, $10 FROM chosen"
               "  RETURNING id, created_at, expires_at, device_count),"
               " members AS (INSERT INTO selection_devices (selection_id, device_id)"
               "  SELECT selection.id, chosen.id FROM selection, chosen)"
               " SELECT id, created_at, expires_at, device_count FROM selection",
        .params = {MU_DEVICE_FILTER_PARAMS, MU_PG_TEXT, MU_PG_JSONB, MU_PG_INT8, MU_PG_INT8},
};

static json_t *selection_json(const struct mu_selection *selection)
{
        char confirm[MU_SELECTION_CONFIRM_BYTES];

        mu_selection_confirm_text(selection->device_count, confirm);
        return json_pack("{s:o, s:I, s:o, s:o, s:s}", "id", mu_json_of_id(selection->id), "count",
                         (json_int_t)selection->device_count, "created_at",
                         mu_json_of_time(selection->created_at_us), "expires_at",
                         mu_json_of_time(selection->expires_at_us), "confirm", confirm);
}

static int compare_ids(const void *a, const void *b)
{
        const int64_t *left = a;
        const int64_t *right = b;

        return *left < *right ? -1 : *left > *right;
}

/* The ids given, each once, or those that memory lets through. */
static int chosen_ids(struct mu_ask *ask, const struct mu_device_filter *filter,
                      struct mu_device_ids *ids)
{
        const json_t *given = json_object_get(ask->body, "device_ids");
        const json_t *id;
        size_t i;
        int error = 0;

        if (!given) {
                if (mu_device_filter_asks_memory(filter))
                        error = mu_device_glances_load(ask->control, ask->pg);
                return error < 0 ? error : mu_device_ids_by_memory(ask->control, filter, ids);
        }
        json_array_foreach(given, i, id)
        {
                error = mu_device_ids_add(ids, strtoll(json_string_value(id), NULL, 10));
                if (error < 0)
                        return error;
        }
        qsort(ids->ids, ids->count, sizeof(ids->ids[0]), compare_ids);
        return 0;
}

static int make(struct mu_ask *ask, const struct mu_device_filter *filter,
                const struct mu_device_ids *ids, struct mu_selection *selection)
{
        const json_t *given = json_object_get(ask->body, "filter");
        char *text = given ? json_dumps(given, JSON_COMPACT) : NULL;
        struct mu_pg_result *rows;
        bool own;
        int error = given && !text ? -ENOMEM : mu_device_find_begin(ask->pg, &own);

        if (error == 0)
                error = mu_pg_query(ask->pg, &MAKE_SELECTION,
                                    MU_PG_VALUES(MU_DEVICE_FILTER_VALUES(filter, ids),
                                                 mu_pg_text(ask->actor),
                                                 mu_pg_jsonb(text, text ? strlen(text) : 0),
                                                 mu_pg_int8(MU_SELECTION_DEVICES_MAX),
                                                 mu_pg_int8(MU_SELECTION_TTL_S)),
                                    &rows);
        free(text);
        if (error < 0)
                return error;
        *selection = (struct mu_selection){
                .id = mu_pg_get_int(rows, 0, 0),
                .created_at_us = mu_pg_get_timestamptz(rows, 0, 1),
                .expires_at_us = mu_pg_get_timestamptz(rows, 0, 2),
                .device_count = (uint32_t)mu_pg_get_int(rows, 0, 3),
        };
        mu_pg_result_free(rows);
        return 0;
}

static void make_filtered(struct mu_ask *ask, const struct mu_device_filter *filter)
{
        struct mu_device_ids ids = {0};
        struct mu_selection selection = {0};
        int error = chosen_ids(ask, filter, &ids);

        if (error == 0)
                error = make(ask, filter, &ids, &selection);
        mu_device_ids_done(&ids);
        if (error < 0)
                mu_ask_failed(ask, error);
        else if (selection.device_count > MU_SELECTION_DEVICES_MAX)
                mu_call_problem(ask->call, 413, "selection-too-large", "filter",
                                "More than %d devices match; narrow the filter.",
                                MU_SELECTION_DEVICES_MAX);
        else
                mu_ask_reply(ask, 201, selection_json(&selection));
}

static void make_selection(struct mu_ask *ask)
{
        const json_t *filter_json = json_object_get(ask->body, "filter");
        const char *status = mu_json_text(filter_json, "status");
        struct mu_device_filter filter;

        if (mu_json_has(ask->body, "filter") == mu_json_has(ask->body, "device_ids")) {
                mu_call_problem(ask->call, 400, "field-missing", "filter",
                                "Give either a filter or device_ids.");
                return;
        }
        if (status && strcmp(status, "deleted") == 0) {
                mu_call_problem(ask->call, 400, "field-invalid", "filter.status",
                                "Nothing can be done to deleted devices.");
                return;
        }
        if (!mu_control_require_device_list(ask->control, ask->call))
                return;
        if (mu_device_filter_read(filter_json, &filter) < 0) {
                mu_ask_failed(ask, -ENOMEM);
                return;
        }
        make_filtered(ask, &filter);
        mu_device_filter_done(&filter);
}

/* ---- GET /admin/selections/{id} ---- */

static const struct mu_field SHOW_QUERY_FIELDS[] = {
        {.name = "limit", .type = MU_FIELD_INTEGER, .least = 1, .most = MU_DEVICE_PAGE_MAX},
        {.name = "after",
         .type = MU_FIELD_ID,
         .doc = "The last id of the page before; pages are by id."},
};
static const struct mu_shape SHOW_QUERY = MU_SHAPE("SelectionQuery", SHOW_QUERY_FIELDS);

static const struct mu_field SHOW_FIELDS[] = {
        {.name = "id", .type = MU_FIELD_ID, .flags = MU_FIELD_REQUIRED},
        {.name = "count", .type = MU_FIELD_INTEGER, .flags = MU_FIELD_REQUIRED},
        {.name = "created_at", .type = MU_FIELD_TIME, .flags = MU_FIELD_REQUIRED},
        {.name = "expires_at", .type = MU_FIELD_TIME, .flags = MU_FIELD_REQUIRED},
        {.name = "confirm", .type = MU_FIELD_TEXT, .flags = MU_FIELD_REQUIRED},
        {.name = "devices",
         .type = MU_FIELD_LIST,
         .flags = MU_FIELD_REQUIRED,
         .shape = &mu_device_row_shape},
        {.name = "next_after", .type = MU_FIELD_ID, .flags = MU_FIELD_NULLABLE},
};
static const struct mu_shape SHOW_REPLY = MU_SHAPE("SelectionPage", SHOW_FIELDS);

static const struct mu_pg_statement MEMBERS = {
        .name = "selection_members",
        .sql = "SELECT device_id FROM selection_devices WHERE selection_id = $1 AND device_id > $2"
               " ORDER BY device_id LIMIT $3",
        .params = {MU_PG_INT8, MU_PG_INT8, MU_PG_INT8},
        .repeatable = true,
};

/* False: answered. */
static bool read_members(struct mu_ask *ask, int64_t id, int64_t limit, struct mu_device_ids *ids,
                         struct mu_pg_result **ret_devices)
{
        struct mu_pg_result *rows;
        int error = 0;

        if (!mu_ask_query(ask, &MEMBERS,
                          MU_PG_VALUES(mu_pg_int8(id), mu_pg_int8(mu_json_id(ask->query, "after")),
                                       mu_pg_int8(limit)),
                          &rows))
                return false;
        for (size_t i = 0; i < mu_pg_rows(rows) && error == 0; i++)
                error = mu_device_ids_add(ids, mu_pg_get_int(rows, i, 0));
        mu_pg_result_free(rows);
        if (error == 0)
                error = mu_device_rows(ask->pg, ids, ret_devices);
        if (error < 0)
                mu_ask_failed(ask, error);
        return error == 0;
}

static void reply_members(struct mu_ask *ask, const struct mu_selection *selection, int64_t limit)
{
        struct mu_device_moment moment = mu_device_moment(ask->control, NULL);
        struct mu_device_ids ids = {0};
        struct mu_pg_result *rows;

        if (read_members(ask, selection->id, limit, &ids, &rows)) {
                bool more = (int64_t)ids.count == limit;
                json_t *reply = selection_json(selection);
                json_t *devices = json_array();

                for (size_t i = 0; i < mu_pg_rows(rows); i++)
                        (void)json_array_append_new(
                                devices, mu_device_row_json(ask->control, rows, i, &moment));
                (void)json_object_set_new(reply, "devices", devices);
                (void)json_object_set_new(reply, "next_after",
                                          more ? mu_json_of_id(ids.ids[ids.count - 1])
                                               : json_null());
                mu_ask_reply(ask, 200, reply);
                mu_pg_result_free(rows);
        }
        mu_device_ids_done(&ids);
}

static void show_selection(struct mu_ask *ask)
{
        struct mu_selection selection = {0};
        int64_t id;

        if (mu_ask_id(ask, "id", "selection", &id) && mu_ask_selection(ask, id, &selection))
                reply_members(ask, &selection, mu_json_integer(ask->query, "limit", PAGE_DEFAULT));
}

static const int MAKE_PROBLEMS[] = {413, 0};
static const int SHOW_PROBLEMS[] = {404, 410, 0};

static const struct mu_endpoint ROWS[] = {
        {.method = "POST",
         .path = "/admin/selections",
         .handle = make_selection,
         .access = MU_ACCESS_OPERATOR,
         .scope = "devices:read",
         .flags = MU_ENDPOINT_ADMIN_KEY,
         .body_bytes_max = BODY_BYTES_MAX,
         .body = &MAKE,
         .reply_status = 201,
         .reply = &SELECTION,
         .operation_id = "makeSelection",
         .tag = "Bulk operations",
         .summary = "Keep a selection of devices",
         .doc = "Its members stay what they are for 15 minutes, so that what was shown is what is "
                "changed. Nobody but who made it may use it.",
         .problems = MAKE_PROBLEMS},
        {.method = "GET",
         .path = "/admin/selections/{id}",
         .handle = show_selection,
         .access = MU_ACCESS_OPERATOR,
         .scope = "devices:read",
         .flags = MU_ENDPOINT_ADMIN_KEY,
         .query = &SHOW_QUERY,
         .reply_status = 200,
         .reply = &SHOW_REPLY,
         .operation_id = "getSelection",
         .tag = "Bulk operations",
         .summary = "A selection and its members",
         .problems = SHOW_PROBLEMS},
};
const struct mu_endpoints mu_selection_endpoints = MU_ENDPOINTS(ROWS);
