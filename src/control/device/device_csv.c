/* SPDX-License-Identifier: Apache-2.0 */
/*
 * device_csv.c - GET /admin/devices.csv: the list as a table for a spreadsheet (RFC 4180, UTF-8).
 *
 * Read a page at a time rather than by one long statement, whose snapshot would keep vacuum from
 * the last statuses for as long as a slow client takes.
 *
 * A cell that a spreadsheet would take for a formula gets an apostrophe in front.
 */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "base/text.h"
#include "control/device/device_find.h"
#include "control/device/device_list_api.h"
#include "control/device/device_row.h"
#include "muster/wire.h"

enum {
        EXPORTS_MAX = 2, /* at once: each holds a worker and a connection while its client reads */
        RETRY_AFTER_S = 10,
};

#define TYPE_CSV "text/csv; charset=utf-8"

static const char HEADING[] =
        "id,alias,kind,hardware_id,site,tags,status,last_seen_at,agent_version,battery,charging,"
        "network,ssid,fg_package,uptime_s,ram_free_mb,ram_total_mb,queue_depth,clock_offset_s,"
        "heartbeat_interval_s,created_at,first_seen_at,deleted_at,quarantined_at\r\n";

static const struct mu_field QUERY_FIELDS[] = {MU_DEVICE_FILTER_FIELDS};
static const struct mu_shape QUERY = MU_SHAPE("DeviceExportQuery", QUERY_FIELDS);

/* ---- cells ---- */

static void add_text(struct mu_text *line, const char *text)
{
        bool formula = text && *text && strchr("=+-@\t\r", *text);
        bool quoted = text && (strpbrk(text, ",\"\r\n") || *text == ' ');

        if (line->bytes > 0)
                mu_text_add(line, ",");
        if (quoted)
                mu_text_add(line, "\"");
        if (formula)
                mu_text_add(line, "'");
        for (; text && *text; text++)
                mu_text_add_bytes(line, *text == '"' ? "\"\"" : text, *text == '"' ? 2 : 1);
        if (quoted)
                mu_text_add(line, "\"");
}

/* Of our own making: nothing to guard against, and -40 is a number. */
static void add_plain(struct mu_text *line, const json_t *value)
{
        if (line->bytes > 0)
                mu_text_add(line, ",");
        if (json_is_integer(value))
                mu_text_add_format(line, "%lld", (long long)json_integer_value(value));
        else if (json_is_boolean(value))
                mu_text_add(line, json_is_true(value) ? "true" : "false");
        else if (json_is_string(value))
                mu_text_add(line, json_string_value(value));
}

static void add_tags(struct mu_text *line, const json_t *tags)
{
        struct mu_text joined;
        const json_t *tag;
        size_t i;

        mu_text_init(&joined);
        json_array_foreach(tags, i, tag)
        {
                mu_text_add(&joined, i > 0 ? "; " : "");
                mu_text_add(&joined, json_string_value(tag));
        }
        add_text(line, mu_text_status(&joined) == 0 && joined.data ? joined.data : "");
        mu_text_done(&joined);
}

static void add_row(struct mu_text *line, const json_t *device)
{
        static const char *const texts[] = {"alias", "kind", "hardware_id", "site"};
        static const char *const numbers[] = {"uptime_s", "ram_free_mb", "ram_total_mb",
                                              "queue_depth", "clock_offset_s"};
        static const char *const times[] = {"heartbeat_interval_s", "created_at", "first_seen_at",
                                            "deleted_at", "quarantined_at"};
        const json_t *last = json_object_get(device, "last");

        mu_text_add(line, mu_json_text(device, "id"));
        for (size_t i = 0; i < MU_COUNT_OF(texts); i++)
                add_text(line, mu_json_text(device, texts[i]));
        add_tags(line, json_object_get(device, "tags"));
        add_plain(line, json_object_get(device, "status"));
        add_plain(line, json_object_get(device, "last_seen_at"));
        add_text(line, mu_json_text(device, "agent_version"));
        add_plain(line, json_object_get(last, "battery"));
        add_plain(line, json_object_get(last, "charging"));
        add_text(line, mu_json_text(last, "network"));
        add_text(line, mu_json_text(last, "ssid"));
        add_text(line, mu_json_text(last, "fg_package"));
        for (size_t i = 0; i < MU_COUNT_OF(numbers); i++)
                add_plain(line, json_object_get(last, numbers[i]));
        for (size_t i = 0; i < MU_COUNT_OF(times); i++)
                add_plain(line, json_object_get(device, times[i]));
        mu_text_add(line, "\r\n");
}

/* ---- pages ---- */

static int next_page(struct mu_ask *ask, const struct mu_device_filter *filter,
                     const struct mu_device_cursor *after, struct mu_device_page *page,
                     struct mu_pg_result **ret_rows)
{
        const struct mu_device_order by_id = {.sort = MU_DEVICE_SORT_ID};
        bool own;
        int error = mu_device_find_begin(ask->pg, &own);

        if (error < 0)
                return error;
        error = mu_device_find(ask->control, ask->pg, filter, &by_id, after, MU_DEVICE_PAGE_MAX,
                               page);
        if (error == 0)
                error = mu_device_rows(ask->pg, &page->ids, ret_rows);
        return mu_device_find_end(ask->pg, own, error);
}

static int write_rows(struct mu_ask *ask, const struct mu_pg_result *rows, struct mu_text *text)
{
        struct mu_device_moment moment = mu_device_moment(ask->control, NULL);
        struct mu_text line;
        int error = 0;

        mu_text_clear(text);
        mu_text_init(&line);
        for (size_t i = 0; i < mu_pg_rows(rows) && error == 0; i++) {
                json_t *device = mu_device_row_json(ask->control, rows, i, &moment);

                mu_text_clear(&line);
                add_row(&line, device);
                json_decref(device);
                error = device ? mu_text_status(&line) : -ENOMEM;
                mu_text_add_bytes(text, line.data, line.bytes);
        }
        mu_text_done(&line);
        if (error == 0)
                error = mu_text_status(text);
        if (error == 0 && text->bytes > 0)
                error = mu_call_stream_write(ask->call, text->data, text->bytes);
        return error;
}

/* Once the head is out there is no answer any more: a transfer that breaks off says it. */
static void stream(struct mu_ask *ask, const struct mu_device_filter *filter,
                   struct mu_device_page *page, struct mu_pg_result *rows)
{
        struct mu_text text;
        int error;

        mu_call_reply_header(ask->call, "content-disposition",
                             "attachment; filename=\"devices.csv\"");
        error = mu_call_stream_begin(ask->call, 200, TYPE_CSV);
        if (error == 0)
                error = mu_call_stream_write(ask->call, HEADING, sizeof(HEADING) - 1);
        mu_text_init(&text);
        while (error == 0) {
                error = write_rows(ask, rows, &text);
                mu_pg_result_free(rows);
                rows = NULL;
                if (error < 0 || !page->more)
                        break;
                struct mu_device_cursor after = page->next;

                mu_device_page_done(page);
                *page = (struct mu_device_page){0};
                error = next_page(ask, filter, &after, page, &rows);
        }
        mu_pg_result_free(rows);
        mu_text_done(&text);
        if (error == 0)
                error = mu_call_stream_end(ask->call);
        (void)error;
}

static void export_filtered(struct mu_ask *ask, const struct mu_device_filter *filter)
{
        const struct mu_device_cursor start = {0};
        struct mu_device_page page = {0};
        struct mu_pg_result *rows = NULL;
        int error = next_page(ask, filter, &start, &page, &rows);

        if (error < 0)
                mu_ask_failed(ask, error);
        else
                stream(ask, filter, &page, rows);
        mu_device_page_done(&page);
}

static void export_devices(struct mu_ask *ask)
{
        _Atomic uint32_t *exports = &ask->control->device_exports;
        struct mu_device_filter filter;

        if (!mu_control_require_device_list(ask->control, ask->call))
                return;
        if (atomic_fetch_add(exports, 1) >= EXPORTS_MAX) {
                mu_call_problem_retry(ask->call, 503, "exports-busy", RETRY_AFTER_S,
                                      "Others are exporting devices right now; try again in a few "
                                      "seconds.");
        } else if (mu_device_filter_read(ask->query, &filter) < 0) {
                mu_ask_failed(ask, -ENOMEM);
        } else {
                export_filtered(ask, &filter);
                mu_device_filter_done(&filter);
        }
        atomic_fetch_sub(exports, 1);
}

static const int PROBLEMS[] = {503, 0};

static const struct mu_endpoint ROWS[] = {
        {.method = "GET",
         .path = MU_PATH_DEVICES ".csv",
         .handle = export_devices,
         .access = MU_ACCESS_VIEWER,
         .scope = "devices:read",
         .flags = MU_ENDPOINT_ADMIN_KEY | MU_ENDPOINT_STREAM,
         .query = &QUERY,
         .reply_status = 200,
         .reply_type = TYPE_CSV,
         .operation_id = "exportDevices",
         .tag = "Devices",
         .summary = "Export devices as CSV",
         .doc = "Filters as in the list, by id.",
         .problems = PROBLEMS},
};
const struct mu_endpoints mu_device_csv_endpoints = MU_ENDPOINTS(ROWS);
