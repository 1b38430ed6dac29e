/* SPDX-License-Identifier: Apache-2.0 */
#include "control/device/device_list_api.h"

#include <errno.h>

#include "control/device/device_filter.h"
#include "control/device/device_find.h"
#include "control/device/device_row.h"
#include "muster/wire.h"

enum {
        LIMIT_DEFAULT = 50,
        NAMES_MAX = 1000,
};

/* ---- GET /admin/devices ---- */

static const struct mu_field QUERY_FIELDS[] = {
        MU_DEVICE_FILTER_FIELDS,
        {.name = "sort",
         .type = MU_FIELD_TEXT,
         .one_of = MU_DEVICE_SORT_ONE_OF,
         .doc = "Without it: by id."},
        {.name = "direction", .type = MU_FIELD_TEXT, .one_of = "asc|desc"},
        {.name = "limit",
         .type = MU_FIELD_INTEGER,
         .least = 1,
         .most = MU_DEVICE_PAGE_MAX,
         .doc = "Devices in a page; without it 50."},
        {.name = "cursor",
         .type = MU_FIELD_TEXT,
         .least = 1,
         .most = MU_DEVICE_CURSOR_CHARS - 1,
         .doc = "next_cursor of the page before, with the same filter and order."},
        {.name = "offset",
         .type = MU_FIELD_INTEGER,
         .most = MU_DEVICE_SKIP_MAX,
         .doc = "Instead of a cursor: begin behind so many devices of this filter and order. Such "
                "pages shift while devices come and go; to read a whole list, use cursors."},
        {.name = "count", .type = MU_FIELD_BOOLEAN, .doc = "Say how many there are in all."},
};
static const struct mu_shape QUERY = MU_SHAPE("DeviceListQuery", QUERY_FIELDS);

static const struct mu_field REPLY_FIELDS[] = {
        {.name = "devices",
         .type = MU_FIELD_LIST,
         .flags = MU_FIELD_REQUIRED,
         .shape = &mu_device_row_shape},
        {.name = "next_cursor",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_NULLABLE,
         .doc = "null: this is the last page."},
        {.name = "count", .type = MU_FIELD_INTEGER},
};
static const struct mu_shape REPLY = MU_SHAPE("DeviceList", REPLY_FIELDS);

struct listing {
        struct mu_device_filter filter;
        struct mu_device_order order;
        struct mu_device_cursor after;
        size_t limit;
        bool want_count;
        int64_t count;
};

/* False: answered. */
static bool read_order(struct mu_ask *ask, struct listing *listing)
{
        const char *sort = mu_json_text(ask->query, "sort");
        const char *direction = mu_json_text(ask->query, "direction");
        const char *cursor = mu_json_text(ask->query, "cursor");

        listing->order = (struct mu_device_order){
                .sort = sort ? mu_device_sort_parse(sort) : MU_DEVICE_SORT_ID,
                .descending = direction && *direction == 'd',
        };
        listing->limit = (size_t)mu_json_integer(ask->query, "limit", LIMIT_DEFAULT);
        listing->want_count = mu_json_bool(ask->query, "count", false);
        if (listing->filter.status == MU_DEVICE_STATUS_DELETED &&
            listing->order.sort >= MU_DEVICE_SORT_LAST_SEEN) {
                mu_call_problem(ask->call, 400, "field-invalid", "sort",
                                "Deleted devices have no last status: sort them by id, alias or "
                                "created_at.");
                return false;
        }
        if (cursor && mu_json_has(ask->query, "offset")) {
                mu_call_problem(ask->call, 400, "field-invalid", "offset",
                                "A page begins behind a cursor or at an offset: give one of them.");
                return false;
        }
        listing->after.skip = (uint32_t)mu_json_integer(ask->query, "offset", 0);
        if (cursor && !mu_device_cursor_decode(cursor, &listing->order, &listing->after)) {
                mu_call_problem(ask->call, 400, "cursor-invalid", "cursor",
                                "This cursor is not one of this list in this order; begin without "
                                "one.");
                return false;
        }
        return true;
}

static json_t *list_json(struct mu_ask *ask, const struct listing *listing,
                         const struct mu_device_page *page, const struct mu_pg_result *rows)
{
        struct mu_device_moment moment = mu_device_moment(ask->control, NULL);
        char cursor[MU_DEVICE_CURSOR_CHARS];
        json_t *devices = json_array();

        for (size_t i = 0; i < mu_pg_rows(rows); i++)
                if (json_array_append_new(devices,
                                          mu_device_row_json(ask->control, rows, i, &moment)) < 0) {
                        json_decref(devices);
                        return NULL;
                }
        if (page->more && mu_device_cursor_encode(&page->next, &listing->order, cursor) < 0) {
                json_decref(devices);
                return NULL;
        }
        json_t *reply = json_pack("{s:o, s:s?}", "devices", devices, "next_cursor",
                                  page->more ? cursor : NULL);

        if (reply && listing->want_count)
                (void)json_object_set_new(reply, "count", json_integer(listing->count));
        return reply;
}

static int find(struct mu_ask *ask, struct listing *listing, struct mu_device_page *page,
                struct mu_pg_result **ret_rows)
{
        bool own;
        int error = mu_device_find_begin(ask->pg, &own);

        if (error < 0)
                return error;
        error = mu_device_find(ask->control, ask->pg, &listing->filter, &listing->order,
                               &listing->after, listing->limit, page);
        if (error == 0 && listing->want_count)
                error = mu_device_count(ask->control, ask->pg, &listing->filter, &listing->count);
        if (error == 0)
                error = mu_device_rows(ask->pg, &page->ids, ret_rows);
        return mu_device_find_end(ask->pg, own, error);
}

static void list_devices(struct mu_ask *ask)
{
        struct listing listing = {0};
        struct mu_device_page page = {0};
        struct mu_pg_result *rows = NULL;
        int error = mu_device_filter_read(ask->query, &listing.filter);

        if (error < 0) {
                mu_ask_failed(ask, error);
                return;
        }
        if (mu_control_require_device_list(ask->control, ask->call) && read_order(ask, &listing)) {
                error = find(ask, &listing, &page, &rows);
                if (error < 0)
                        mu_ask_failed(ask, error);
                else
                        mu_ask_reply(ask, 200, list_json(ask, &listing, &page, rows));
        }
        mu_pg_result_free(rows);
        mu_device_page_done(&page);
        mu_device_filter_done(&listing.filter);
}

/* ---- names to choose from ---- */

static const struct mu_field NAME_FIELDS[] = {
        {.name = "name", .type = MU_FIELD_TEXT, .flags = MU_FIELD_REQUIRED},
        {.name = "devices", .type = MU_FIELD_INTEGER, .flags = MU_FIELD_REQUIRED},
};
static const struct mu_shape NAME = MU_SHAPE("DeviceName", NAME_FIELDS);
static const struct mu_field TAGS_FIELDS[] = {
        {.name = "tags", .type = MU_FIELD_LIST, .flags = MU_FIELD_REQUIRED, .shape = &NAME},
};
static const struct mu_shape TAGS_REPLY = MU_SHAPE("TagList", TAGS_FIELDS);
static const struct mu_field SITES_FIELDS[] = {
        {.name = "sites", .type = MU_FIELD_LIST, .flags = MU_FIELD_REQUIRED, .shape = &NAME},
};
static const struct mu_shape SITES_REPLY = MU_SHAPE("SiteList", SITES_FIELDS);

static const struct mu_pg_statement TAGS = {
        .name = "device_tags",
        .sql = "SELECT tag, count(*) FROM devices, unnest(tags) AS tag WHERE deleted_at IS NULL"
               " AND tags <> '{}' GROUP BY tag ORDER BY 2 DESC, tag LIMIT $1",
        .params = {MU_PG_INT8},
        .repeatable = true,
};

static const struct mu_pg_statement SITES = {
        .name = "device_sites",
        .sql = "SELECT site, count(*) FROM devices WHERE deleted_at IS NULL AND site IS NOT NULL"
               " GROUP BY site ORDER BY 2 DESC, site LIMIT $1",
        .params = {MU_PG_INT8},
        .repeatable = true,
};

static void list_names(struct mu_ask *ask, const struct mu_pg_statement *statement,
                       const char *member)
{
        struct mu_pg_result *rows;
        json_t *names = json_array();

        if (!mu_ask_query(ask, statement, MU_PG_VALUES(mu_pg_int8(NAMES_MAX)), &rows)) {
                json_decref(names);
                return;
        }
        for (size_t i = 0; i < mu_pg_rows(rows); i++)
                (void)json_array_append_new(
                        names, json_pack("{s:s, s:I}", "name", mu_pg_get_text(rows, i, 0),
                                         "devices", (json_int_t)mu_pg_get_int(rows, i, 1)));
        mu_pg_result_free(rows);
        mu_ask_reply(ask, 200, json_pack("{s:o}", member, names));
}

static void list_tags(struct mu_ask *ask)
{
        list_names(ask, &TAGS, "tags");
}

static void list_sites(struct mu_ask *ask)
{
        list_names(ask, &SITES, "sites");
}

static const struct mu_endpoint ROWS[] = {
        {.method = "GET",
         .path = MU_PATH_DEVICES,
         .handle = list_devices,
         .access = MU_ACCESS_VIEWER,
         .scope = "devices:read",
         .flags = MU_ENDPOINT_ADMIN_KEY,
         .query = &QUERY,
         .reply_status = 200,
         .reply = &REPLY,
         .operation_id = "listDevices",
         .tag = "Devices",
         .summary = "List devices",
         .doc = "Search, filter and sort; a page at a time."},
        {.method = "GET",
         .path = "/admin/tags",
         .handle = list_tags,
         .access = MU_ACCESS_VIEWER,
         .scope = "devices:read",
         .flags = MU_ENDPOINT_ADMIN_KEY,
         .reply_status = 200,
         .reply = &TAGS_REPLY,
         .operation_id = "listTags",
         .tag = "Devices",
         .summary = "Tags in use",
         .doc = "The thousand that most devices have."},
        {.method = "GET",
         .path = "/admin/sites",
         .handle = list_sites,
         .access = MU_ACCESS_VIEWER,
         .scope = "devices:read",
         .flags = MU_ENDPOINT_ADMIN_KEY,
         .reply_status = 200,
         .reply = &SITES_REPLY,
         .operation_id = "listSites",
         .tag = "Devices",
         .summary = "Sites in use",
         .doc = "The thousand that most devices stand at."},
};
const struct mu_endpoints mu_device_list_endpoints = MU_ENDPOINTS(ROWS);
