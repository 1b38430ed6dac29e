/* SPDX-License-Identifier: Apache-2.0 */
/* bulk_api.c - what is done to all devices of a selection. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bus.h"
#include "control/cell.h"
#include "control/device/bulk_delete.h"
#include "control/device/device_filter.h"
#include "control/device/device_row.h"
#include "control/device/selection.h"
#include "control/device/selection_api.h"

enum {
        RETRY_AFTER_S = 5,
        PURGES_MAX = 100,
};

/* ---- tags ---- */

static const struct mu_field TAGS_FIELDS[] = {
        {.name = "selection_id", .type = MU_FIELD_ID, .flags = MU_FIELD_REQUIRED},
        {.name = "add", .type = MU_FIELD_LIST, .items = MU_FIELD_TEXT, .most = MU_DEVICE_TAGS_MAX},
        {.name = "remove",
         .type = MU_FIELD_LIST,
         .items = MU_FIELD_TEXT,
         .most = MU_DEVICE_TAGS_MAX},
};
static const struct mu_shape TAGS = MU_SHAPE("BulkTags", TAGS_FIELDS);

static const struct mu_field TAGS_REPLY_FIELDS[] = {
        {.name = "changed", .type = MU_FIELD_INTEGER, .flags = MU_FIELD_REQUIRED},
        {.name = "unchanged",
         .type = MU_FIELD_INTEGER,
         .flags = MU_FIELD_REQUIRED,
         .doc = "Had them already, or were deleted since."},
};
static const struct mu_shape TAGS_REPLY = MU_SHAPE("BulkTagsResult", TAGS_REPLY_FIELDS);

/* Too many on one device: the table's CHECK refuses all. */
static const struct mu_pg_statement RETAG = {
        .name = "bulk_tags",
        .sql = "WITH given AS (SELECT ARRAY(SELECT jsonb_array_elements_text($2)) AS added,"
               "  ARRAY(SELECT jsonb_array_elements_text($3)) AS removed),"
               " new AS (SELECT d.id, ARRAY(SELECT DISTINCT tag FROM"
               "   unnest(d.tags || given.added) AS tag WHERE tag <> ALL (given.removed)"
               "   ORDER BY tag) AS tags"
               "  FROM given, selection_devices m JOIN devices d ON d.id = m.device_id"
               "  WHERE m.selection_id = $1 AND d.deleted_at IS NULL ORDER BY d.id FOR UPDATE OF d)"
               " UPDATE devices d SET tags = new.tags, updated_at = now() FROM new"
               " WHERE d.id = new.id AND d.tags <> new.tags",
        .params = {MU_PG_INT8, MU_PG_JSONB, MU_PG_JSONB},
};

/* False: answered. */
static bool check_tags(struct mu_ask *ask, const char *member)
{
        const json_t *tag;
        size_t i;

        json_array_foreach(json_object_get(ask->body, member), i, tag)
        {
                size_t characters = 0;

                for (const char *at = json_string_value(tag); *at; at++)
                        characters += (*at & 0xc0) != 0x80;
                if (characters <= MU_DEVICE_TAG_CHARS_MAX)
                        continue;
                mu_call_problem(ask->call, 400, "field-invalid", member,
                                "A tag has at most %d characters.", MU_DEVICE_TAG_CHARS_MAX);
                return false;
        }
        return true;
}

static void tell_all(struct mu_control *control, void *arg)
{
        const struct mu_bus_event event = {.kind = MU_BUS_DEVICES_CHANGED};

        (void)arg;
        mu_bus_publish(control->config.bus, &event, 1);
}

/* A list of the body's, as JSON text; "[]" without it. */
static char *list_text(const struct mu_ask *ask, const char *member)
{
        const json_t *list = json_object_get(ask->body, member);

        return list ? json_dumps(list, JSON_COMPACT) : strdup("[]");
}

static int retag(struct mu_ask *ask, int64_t selection_id, uint64_t *ret_changed)
{
        char *added = list_text(ask, "add");
        char *removed = list_text(ask, "remove");
        struct mu_pg_result *result;
        int error = added && removed ? 0 : -ENOMEM;

        if (error == 0)
                error = mu_pg_query(ask->pg, &RETAG,
                                    MU_PG_VALUES(mu_pg_int8(selection_id),
                                                 mu_pg_jsonb(added, strlen(added)),
                                                 mu_pg_jsonb(removed, strlen(removed))),
                                    &result);
        free(added);
        free(removed);
        if (error < 0)
                return error;
        *ret_changed = mu_pg_affected(result);
        mu_pg_result_free(result);
        return 0;
}

static void bulk_tags(struct mu_ask *ask)
{
        struct mu_selection selection;
        uint64_t changed;

        if (!check_tags(ask, "add") || !check_tags(ask, "remove") ||
            !mu_ask_selection(ask, mu_json_id(ask->body, "selection_id"), &selection))
                return;
        int error = retag(ask, selection.id, &changed);

        if (error < 0 && strcmp(mu_pg_last_error(ask->pg)->sqlstate, "23514") == 0) {
                mu_call_problem(ask->call, 409, "too-many-tags", "add",
                                "A device would have more than %d tags; nothing was changed.",
                                MU_DEVICE_TAGS_MAX);
                return;
        }
        if (error < 0) {
                mu_ask_failed(ask, error);
                return;
        }
        json_t *after =
                json_pack("{s:O?, s:O?, s:I}", "add", json_object_get(ask->body, "add"), "remove",
                          json_object_get(ask->body, "remove"), "changed", (json_int_t)changed);

        if (!mu_ask_audit(ask, "device.bulk_tags", "selection", selection.id, NULL, after))
                return;
        mu_ask_after_commit(ask, tell_all, NULL);
        mu_ask_reply(ask, 200,
                     json_pack("{s:I, s:I}", "changed", (json_int_t)changed, "unchanged",
                               (json_int_t)(selection.device_count - changed)));
}

/* ---- deletion ---- */

static const struct mu_field DELETE_FIELDS[] = {
        {.name = "selection_id", .type = MU_FIELD_ID, .flags = MU_FIELD_REQUIRED},
        {.name = "confirm",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED,
         .least = 1,
         .most = MU_SELECTION_CONFIRM_BYTES,
         .doc = "The selection's confirm, as typed by a person."},
        {.name = "purge_history",
         .type = MU_FIELD_BOOLEAN,
         .doc = "Also remove every heartbeat they sent, in the background."},
};
static const struct mu_shape DELETE = MU_SHAPE("BulkDelete", DELETE_FIELDS);

static const struct mu_field DELETE_REPLY_FIELDS[] = {
        {.name = "id", .type = MU_FIELD_ID, .flags = MU_FIELD_REQUIRED},
        {.name = "devices", .type = MU_FIELD_INTEGER, .flags = MU_FIELD_REQUIRED},
        {.name = "finished",
         .type = MU_FIELD_BOOLEAN,
         .flags = MU_FIELD_REQUIRED,
         .doc = "false: the rest follows in the background, whatever happens. A purge is not "
                "meant: GET /admin/purges tells of that."},
};
static const struct mu_shape DELETE_REPLY = MU_SHAPE("BulkDeleteResult", DELETE_REPLY_FIELDS);

/* False: answered. */
static bool check_confirmation(struct mu_ask *ask, const struct mu_selection *selection)
{
        char expected[MU_SELECTION_CONFIRM_BYTES];

        mu_selection_confirm_text(selection->device_count, expected);
        if (strcmp(mu_json_text(ask->body, "confirm"), expected) == 0)
                return true;
        mu_call_problem(ask->call, 400, "confirm-mismatch", "confirm",
                        "To delete these devices for good, confirm must be \"%s\".", expected);
        return false;
}

static void delete_selected(struct mu_ask *ask, const struct mu_selection *selection)
{
        const struct mu_bulk_delete_ask deletion = {
                .selection = selection,
                .purge_history = mu_json_bool(ask->body, "purge_history", false),
                .actor = ask->actor,
                .address = ask->address,
        };
        enum mu_bulk_delete_outcome outcome;
        int64_t id;
        int error = mu_bulk_delete(ask->control, ask->pg, &deletion, &outcome, &id);

        if (error < 0)
                mu_ask_failed(ask, error);
        else if (outcome == MU_BULK_DELETE_JOURNAL_BUSY)
                mu_call_problem_retry(ask->call, 503, "journal-busy", RETRY_AFTER_S,
                                      "The journal does not move at the moment, so the devices "
                                      "could not be deleted safely; nothing was changed. Try "
                                      "again.");
        else
                mu_ask_reply(ask, 200,
                             json_pack("{s:o, s:I, s:b}", "id", mu_json_of_id(id), "devices",
                                       (json_int_t)selection->device_count, "finished",
                                       outcome == MU_BULK_DELETE_DONE));
}

static void bulk_delete(struct mu_ask *ask)
{
        struct mu_selection selection;

        if (!mu_control_require_device_list(ask->control, ask->call))
                return;
        int error = mu_pg_begin(ask->pg);

        if (error < 0) {
                mu_ask_failed(ask, error);
                return;
        }
        if (mu_ask_selection(ask, mu_json_id(ask->body, "selection_id"), &selection) &&
            check_confirmation(ask, &selection))
                delete_selected(ask, &selection);
        mu_pg_rollback(ask->pg); /* when it was refused */
}

/* ---- purges ---- */

static const struct mu_field PURGE_FIELDS[] = {
        {.name = "id", .type = MU_FIELD_ID, .flags = MU_FIELD_REQUIRED},
        {.name = "state",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED,
         .one_of = "deleting|waiting|purging|done",
         .doc = "waiting: until what the devices sent before has reached the database."},
        {.name = "devices", .type = MU_FIELD_INTEGER, .flags = MU_FIELD_REQUIRED},
        {.name = "rows_purged", .type = MU_FIELD_INTEGER, .flags = MU_FIELD_REQUIRED},
        {.name = "days_done", .type = MU_FIELD_INTEGER, .flags = MU_FIELD_REQUIRED},
        {.name = "days_total", .type = MU_FIELD_INTEGER, .flags = MU_FIELD_NULLABLE},
        {.name = "asked_by", .type = MU_FIELD_TEXT, .flags = MU_FIELD_REQUIRED},
        {.name = "created_at", .type = MU_FIELD_TIME, .flags = MU_FIELD_REQUIRED},
        {.name = "finished_at", .type = MU_FIELD_TIME, .flags = MU_FIELD_NULLABLE},
};
static const struct mu_shape PURGE = MU_SHAPE("Purge", PURGE_FIELDS);
static const struct mu_field PURGES_FIELDS[] = {
        {.name = "purges", .type = MU_FIELD_LIST, .flags = MU_FIELD_REQUIRED, .shape = &PURGE},
};
static const struct mu_shape PURGES_REPLY = MU_SHAPE("PurgeList", PURGES_FIELDS);

static const struct mu_pg_statement PURGES = {
        .name = "bulk_purges",
        .sql = "SELECT id, CASE WHEN state = 'purging' AND purge_from_at IS NULL THEN 'waiting'"
               "  ELSE state END, device_count, rows_purged, days_done, days_total, actor,"
               " created_at, finished_at FROM bulk_deletions WHERE purge_history"
               " ORDER BY id DESC LIMIT $1",
        .params = {MU_PG_INT8},
        .repeatable = true,
};

static json_t *purge_json(const struct mu_pg_result *rows, size_t row)
{
        return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "id",
                         mu_json_of_id(mu_pg_get_int(rows, row, 0)), "state",
                         mu_cell_text(rows, row, 1), "devices", mu_cell_integer(rows, row, 2),
                         "rows_purged", mu_cell_integer(rows, row, 3), "days_done",
                         mu_cell_integer(rows, row, 4), "days_total", mu_cell_integer(rows, row, 5),
                         "asked_by", mu_cell_text(rows, row, 6), "created_at",
                         mu_cell_time(rows, row, 7), "finished_at", mu_cell_time(rows, row, 8));
}

static void list_purges(struct mu_ask *ask)
{
        struct mu_pg_result *rows;

        if (!mu_ask_query(ask, &PURGES, MU_PG_VALUES(mu_pg_int8(PURGES_MAX)), &rows))
                return;
        json_t *purges = json_array();

        for (size_t i = 0; i < mu_pg_rows(rows); i++)
                (void)json_array_append_new(purges, purge_json(rows, i));
        mu_pg_result_free(rows);
        mu_ask_reply(ask, 200, json_pack("{s:o}", "purges", purges));
}

static const int TAGS_PROBLEMS[] = {404, 409, 410, 0};
static const int DELETE_PROBLEMS[] = {404, 410, 503, 0};

static const struct mu_endpoint ROWS[] = {
        {.method = "POST",
         .path = "/admin/bulk/tags",
         .handle = bulk_tags,
         .access = MU_ACCESS_OPERATOR,
         .scope = "devices:write",
         .limit = MU_LIMIT_BULK,
         .flags = MU_ENDPOINT_ADMIN_KEY,
         .body = &TAGS,
         .reply_status = 200,
         .reply = &TAGS_REPLY,
         .operation_id = "bulkTags",
         .tag = "Bulk operations",
         .summary = "Add and remove tags",
         .problems = TAGS_PROBLEMS},
        {.method = "POST",
         .path = "/admin/bulk/delete",
         .handle = bulk_delete,
         .access = MU_ACCESS_ADMIN,
         .scope = "devices:delete",
         .limit = MU_LIMIT_BULK,
         /* As with one device: it begins in memory. A repeat of it finds what was begun. */
         .flags = MU_ENDPOINT_ADMIN_KEY | MU_ENDPOINT_OWN_TRANSACTION,
         .body = &DELETE,
         .reply_status = 200,
         .reply = &DELETE_REPLY,
         .operation_id = "bulkDelete",
         .tag = "Bulk operations",
         .summary = "Delete a selection for good",
         .doc = "Their tokens are answered 410 at once, their last status and pending commands go. "
                "Interrupted, it finishes by itself; asked for again, it answers the same.",
         .problems = DELETE_PROBLEMS},
        {.method = "GET",
         .path = "/admin/purges",
         .handle = list_purges,
         .access = MU_ACCESS_OPERATOR,
         .scope = "devices:read",
         .flags = MU_ENDPOINT_ADMIN_KEY,
         .reply_status = 200,
         .reply = &PURGES_REPLY,
         .operation_id = "listPurges",
         .tag = "Bulk operations",
         .summary = "Purges of history and how far they are",
         .doc = "The newest hundred."},
};
const struct mu_endpoints mu_bulk_endpoints = MU_ENDPOINTS(ROWS);
