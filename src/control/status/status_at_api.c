/* SPDX-License-Identifier: Apache-2.0 */
#include "control/status/status_at_api.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "control/cell.h"
#include "control/device/device_filter.h"
#include "control/device/device_row.h"
#include "control/status/status_at.h"

enum {
        PAGE_DEFAULT = 100,
        PAGE_MAX = 500,
};

/* ---- what is asked ---- */

/* Joined, to be freed; NULL: none, or no memory and *ret_error. */
static char *join_tags(const json_t *query, int *ret_error)
{
        const json_t *tags = json_object_get(query, "tag");
        struct mu_text joined;
        const json_t *tag;
        size_t i;

        *ret_error = 0;
        if (json_array_size(tags) == 0)
                return NULL;
        mu_text_init(&joined);
        json_array_foreach(tags, i, tag) mu_text_add_format(
                &joined, "%s%s", i > 0 ? MU_DEVICE_TAG_SEPARATOR : "", json_string_value(tag));
        *ret_error = mu_text_status(&joined);
        char *text = *ret_error == 0 ? strndup(joined.data, joined.bytes) : NULL;

        mu_text_done(&joined);
        if (*ret_error == 0 && !text)
                *ret_error = -ENOMEM;
        return text;
}

/* False: answered. tags is to be freed whatever the answer. */
static bool read_query(struct mu_ask *ask, struct mu_status_at *query, char **ret_tags)
{
        int64_t now_us = mu_clock_realtime_us(ask->control->config.clock);
        const char *known = mu_json_text(ask->query, "known");
        int error;

        *ret_tags = join_tags(ask->query, &error);
        *query = (struct mu_status_at){
                .at_us = mu_json_time_us(ask->query, "at", now_us),
                .received = known && strcmp(known, "received") == 0,
                .interval_s = ask->control->config.heartbeat_interval_s,
                .site = mu_json_text(ask->query, "site"),
                .tags = *ret_tags,
        };
        if (error < 0) {
                mu_ask_failed(ask, error);
                return false;
        }
        if (query->at_us > now_us) {
                mu_call_problem(ask->call, 400, "field-invalid", "at",
                                "at lies in the future: ask for a moment that has passed.");
                return false;
        }
        return true;
}

/* False: answered. Before the rows are read and after: a day may leave, or come, meanwhile. */
static bool require_history(struct mu_ask *ask, const struct mu_status_at *query)
{
        enum mu_status_history history;
        char days[MU_STATUS_DAYS_BYTES];
        int error = mu_status_at_history(ask->pg, query, &history, days);

        if (error < 0) {
                mu_ask_failed(ask, error);
                return false;
        }
        switch (history) {
        case MU_STATUS_HISTORY_THERE:
                return true;
        case MU_STATUS_HISTORY_ARCHIVED:
                mu_call_problem(ask->call, 409, "history-archived", "at",
                                "The history of that time is in the archive: restore %s "
                                "(musterctl archive restore DAY), and ask again.",
                                days);
                return false;
        case MU_STATUS_HISTORY_LEAVING:
                mu_call_problem(ask->call, 409, "history-archived", "at",
                                "The history of %s is just on its way to the archive: once it is "
                                "there (musterctl archive list) restore it (musterctl archive "
                                "restore DAY), and ask again.",
                                days);
                return false;
        case MU_STATUS_HISTORY_GONE:
                mu_call_problem(ask->call, 404, "history-gone", "at",
                                "The history of %s was removed when it was older than "
                                "retention.heartbeats, and no archive has it.",
                                days);
                return false;
        case MU_STATUS_HISTORY_NONE:
                break;
        }
        mu_call_problem(ask->call, 404, "history-none", "at",
                        "There is no history of that time: it lies before the first day.");
        return false;
}

/* ---- GET /admin/status ---- */

/* In the order of the columns from MU_STATUS_RECEIVED_AT on. */
static const struct mu_field LAST_FIELDS[] = {
        MU_DEVICE_LAST_FIELDS,
        {.name = "agent_version", .type = MU_FIELD_TEXT, .flags = MU_FIELD_NULLABLE},
};
static const struct mu_shape LAST = MU_SHAPE("StatusAtLast", LAST_FIELDS);

static json_t *last_json(const struct mu_pg_result *rows, size_t row)
{
        return mu_pg_is_null(rows, row, MU_STATUS_OBSERVED_AT)
                       ? json_null()
                       : mu_cell_fields(rows, row, MU_STATUS_RECEIVED_AT, &LAST,
                                        MU_COUNT_OF(LAST_FIELDS));
}

static json_t *device_json(const struct mu_pg_result *rows, size_t row)
{
        return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "id",
                         mu_json_of_id(mu_pg_get_int(rows, row, MU_STATUS_ID)), "alias",
                         mu_cell_text(rows, row, MU_STATUS_ALIAS), "kind",
                         mu_cell_text(rows, row, MU_STATUS_KIND), "site",
                         mu_cell_text(rows, row, MU_STATUS_SITE), "tags",
                         mu_cell_json(rows, row, MU_STATUS_TAGS), "deleted_at",
                         mu_cell_time(rows, row, MU_STATUS_DELETED_AT), "status",
                         mu_cell_text(rows, row, MU_STATUS_STATUS), "last_seen_at",
                         mu_cell_time(rows, row, MU_STATUS_SEEN_AT), "last", last_json(rows, row));
}

static void reply_page(struct mu_ask *ask, const struct mu_status_at *query, size_t limit)
{
        struct mu_pg_result *rows;
        int error =
                mu_status_at_page(ask->pg, query, mu_json_id(ask->query, "cursor"), limit, &rows);

        if (error < 0) {
                mu_ask_failed(ask, error);
                return;
        }
        if (!require_history(ask, query)) {
                mu_pg_result_free(rows);
                return;
        }
        size_t count = mu_pg_rows(rows);
        json_t *devices = json_array();

        for (size_t i = 0; i < count; i++)
                (void)json_array_append_new(devices, device_json(rows, i));
        json_t *next = count == limit && count > 0
                               ? mu_json_of_id(mu_pg_get_int(rows, count - 1, MU_STATUS_ID))
                               : json_null();

        mu_pg_result_free(rows);
        mu_ask_reply(ask, 200,
                     json_pack("{s:o, s:s, s:o, s:o}", "at", mu_json_of_time(query->at_us), "known",
                               query->received ? "received" : "observed", "devices", devices,
                               "next_cursor", next));
}

static void list_status(struct mu_ask *ask)
{
        struct mu_status_at query;
        char *tags;

        if (read_query(ask, &query, &tags) && require_history(ask, &query))
                reply_page(ask, &query, (size_t)mu_json_integer(ask->query, "limit", PAGE_DEFAULT));
        free(tags);
}

/* ---- GET /admin/status/summary ---- */

static json_t *counts_json(int64_t at_us, const char *known, const struct mu_status_counts *counts)
{
        return json_pack("{s:o, s:s, s:I, s:I, s:I, s:I, s:I}", "at", mu_json_of_time(at_us),
                         "known", known, "devices", (json_int_t)counts->devices, "online",
                         (json_int_t)counts->online, "late", (json_int_t)counts->late, "silent",
                         (json_int_t)counts->silent, "never", (json_int_t)counts->never);
}

static void summarize(struct mu_ask *ask)
{
        struct mu_status_at query;
        struct mu_status_counts counts;
        char *tags;

        if (read_query(ask, &query, &tags) && require_history(ask, &query)) {
                int error = mu_status_at_count(ask->pg, &query, &counts);

                if (error < 0)
                        mu_ask_failed(ask, error);
                else if (require_history(ask, &query))
                        mu_ask_reply(ask, 200,
                                     counts_json(query.at_us,
                                                 query.received ? "received" : "observed",
                                                 &counts));
        }
        free(tags);
}

/* ---- the table ---- */

#define AT_FIELDS                                                                                  \
        {.name = "known",                                                                          \
         .type = MU_FIELD_TEXT,                                                                    \
         .one_of = "observed|received",                                                            \
         .doc = "observed (unless said otherwise): with hindsight, heartbeats that were recorded " \
                "by then and came later count too. received: what the appliance knew then."},      \
                {.name = "site",                                                                   \
                 .type = MU_FIELD_TEXT,                                                            \
                 .least = 1,                                                                       \
                 .most = MU_DEVICE_SITE_CHARS_MAX,                                                 \
                 .doc = "Of this site, as of now."},                                               \
        {                                                                                          \
                .name = "tag", .type = MU_FIELD_LIST, .items = MU_FIELD_TEXT, .least = 1,          \
                .most = MU_DEVICE_TAGS_MAX, .doc = "With all of these tags, as of now."            \
        }

static const struct mu_field LIST_FIELDS[] = {
        {.name = "at", .type = MU_FIELD_TIME, .flags = MU_FIELD_REQUIRED, .doc = "The moment."},
        AT_FIELDS,
        {.name = "limit",
         .type = MU_FIELD_INTEGER,
         .least = 1,
         .most = PAGE_MAX,
         .doc = "Devices in a page; 100 unless said otherwise."},
        {.name = "cursor", .type = MU_FIELD_ID, .doc = "The next_cursor of the page before."},
};
static const struct mu_shape LIST = MU_SHAPE("StatusAtQuery", LIST_FIELDS);

static const struct mu_field SUMMARY_QUERY_FIELDS[] = {
        {.name = "at", .type = MU_FIELD_TIME, .doc = "The moment; without it now."},
        AT_FIELDS,
};
static const struct mu_shape SUMMARY_QUERY = MU_SHAPE("StatusSummaryQuery", SUMMARY_QUERY_FIELDS);

static const struct mu_field DEVICE_FIELDS[] = {
        {.name = "id", .type = MU_FIELD_ID, .flags = MU_FIELD_REQUIRED},
        {.name = "alias",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED,
         .doc = "As of now, as are site and tags."},
        {.name = "kind", .type = MU_FIELD_TEXT, .flags = MU_FIELD_REQUIRED},
        {.name = "site", .type = MU_FIELD_TEXT, .flags = MU_FIELD_NULLABLE},
        {.name = "tags", .type = MU_FIELD_LIST, .items = MU_FIELD_TEXT, .flags = MU_FIELD_REQUIRED},
        {.name = "deleted_at",
         .type = MU_FIELD_TIME,
         .flags = MU_FIELD_NULLABLE,
         .doc = "After the moment, if at all."},
        {.name = "status",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED,
         .one_of = "online|late|silent|never"},
        {.name = "last_seen_at",
         .type = MU_FIELD_TIME,
         .flags = MU_FIELD_NULLABLE,
         .doc = "When the newest heartbeat was recorded or (known=received) came."},
        {.name = "last",
         .type = MU_FIELD_OBJECT,
         .flags = MU_FIELD_NULLABLE,
         .shape = &LAST,
         .doc = "The newest heartbeat up to then; null: none in the history that is there."},
};
static const struct mu_shape DEVICE = MU_SHAPE("StatusAtDevice", DEVICE_FIELDS);

static const struct mu_field PAGE_FIELDS[] = {
        {.name = "at", .type = MU_FIELD_TIME, .flags = MU_FIELD_REQUIRED},
        {.name = "known", .type = MU_FIELD_TEXT, .flags = MU_FIELD_REQUIRED},
        {.name = "devices",
         .type = MU_FIELD_LIST,
         .flags = MU_FIELD_REQUIRED,
         .shape = &DEVICE,
         .doc = "By id; those that existed then, also if deleted since."},
        {.name = "next_cursor",
         .type = MU_FIELD_ID,
         .flags = MU_FIELD_NULLABLE,
         .doc = "null: this is the last page."},
};
static const struct mu_shape PAGE = MU_SHAPE("StatusAt", PAGE_FIELDS);

static const struct mu_field COUNT_FIELDS[] = {
        {.name = "at", .type = MU_FIELD_TIME, .flags = MU_FIELD_REQUIRED},
        {.name = "known", .type = MU_FIELD_TEXT, .flags = MU_FIELD_REQUIRED},
        {.name = "devices", .type = MU_FIELD_INTEGER, .flags = MU_FIELD_REQUIRED},
        {.name = "online",
         .type = MU_FIELD_INTEGER,
         .flags = MU_FIELD_REQUIRED,
         .doc = "Heard of within one and a half of its intervals."},
        {.name = "late", .type = MU_FIELD_INTEGER, .flags = MU_FIELD_REQUIRED},
        {.name = "silent",
         .type = MU_FIELD_INTEGER,
         .flags = MU_FIELD_REQUIRED,
         .doc = "Not heard of for 12 minutes, or two intervals and 2 minutes if that is longer."},
        {.name = "never", .type = MU_FIELD_INTEGER, .flags = MU_FIELD_REQUIRED},
};
static const struct mu_shape COUNTS = MU_SHAPE("StatusSummary", COUNT_FIELDS);

static const int PROBLEMS[] = {404, 409, 0};

static const struct mu_endpoint rows[] = {
        {.method = "GET",
         .path = "/admin/status",
         .handle = list_status,
         .access = MU_ACCESS_VIEWER,
         .scope = "devices:read",
         .flags = MU_ENDPOINT_ADMIN_KEY,
         .query = &LIST,
         .reply_status = 200,
         .reply = &PAGE,
         .operation_id = "statusAt",
         .tag = "Devices",
         .summary = "The fleet's last status as of a moment",
         .doc = "From history. 409 when that is in the archive: the answer says which days to "
                "restore.",
         .problems = PROBLEMS},
        {.method = "GET",
         .path = "/admin/status/summary",
         .handle = summarize,
         .access = MU_ACCESS_VIEWER,
         .scope = "devices:read",
         .flags = MU_ENDPOINT_ADMIN_KEY,
         .query = &SUMMARY_QUERY,
         .reply_status = 200,
         .reply = &COUNTS,
         .operation_id = "statusSummaryAt",
         .tag = "Devices",
         .summary = "How many devices were where at a moment",
         .doc = "From history, also for now: a heartbeat counts once it is stored.",
         .problems = PROBLEMS},
};

const struct mu_endpoints mu_status_at_endpoints = MU_ENDPOINTS(rows);
