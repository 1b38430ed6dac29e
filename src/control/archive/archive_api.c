/* SPDX-License-Identifier: Apache-2.0 */
#include "control/archive/archive_api.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive/layout.h"
#include "base/clock.h"
#include "control/archive/archive_view.h"
#include "control/job/job_desk.h"

enum {
        PAGE_DEFAULT = 400,
        PAGE_MAX = 2000,
        REQUESTS_SHOWN = 20,
        CURSOR_CHARS_MAX = 80,
};

static const struct mu_pg_statement LIST = {
        .name = "archive_list",
        .sql = "SELECT " MU_ARCHIVE_DAY_COLUMNS " FROM " MU_ARCHIVE_DAY_TABLES
               " WHERE ($1::text IS NULL OR d.parent = $1)"
               " AND ($2::timestamptz IS NULL OR (d.day, d.parent) < ($2, $3))"
               " ORDER BY d.day DESC, d.parent DESC LIMIT $4",
        .params = {MU_PG_TEXT, MU_PG_TIMESTAMPTZ, MU_PG_TEXT, MU_PG_INT8},
        .repeatable = true,
};

static const struct mu_pg_statement DAY = {
        .name = "archive_show",
        .sql = "SELECT " MU_ARCHIVE_DAY_COLUMNS " FROM " MU_ARCHIVE_DAY_TABLES
               " WHERE d.parent = $1 AND d.day = $2",
        .params = {MU_PG_TEXT, MU_PG_TIMESTAMPTZ},
        .repeatable = true,
};

static const struct mu_pg_statement REQUESTS = {
        .name = "archive_requests_of",
        .sql = "SELECT " MU_ARCHIVE_REQUEST_COLUMNS " FROM archive_requests q"
               " WHERE parent = $1 AND day = $2 ORDER BY id DESC LIMIT $3",
        .params = {MU_PG_TEXT, MU_PG_TIMESTAMPTZ, MU_PG_INT8},
        .repeatable = true,
};

static const struct mu_pg_statement REQUEST = {
        .name = "archive_request_by_id",
        .sql = "SELECT " MU_ARCHIVE_REQUEST_COLUMNS " FROM archive_requests q WHERE id = $1",
        .params = {MU_PG_INT8},
        .repeatable = true,
};

/* Asked twice before it began is once. */
#define ASK_ONCE                                                                                   \
        " ON CONFLICT (parent, day, kind) WHERE state = 'waiting'"                                 \
        " DO UPDATE SET keep_s = excluded.keep_s RETURNING "

static const struct mu_pg_statement ASK = {
        .name = "archive_ask",
        .sql = "INSERT INTO archive_requests AS q (parent, day, kind, keep_s, requested_by,"
               " created_at) VALUES ($1, $2, $3, $4, $5, $6)" ASK_ONCE MU_ARCHIVE_REQUEST_COLUMNS,
        .params = {MU_PG_TEXT, MU_PG_TIMESTAMPTZ, MU_PG_TEXT, MU_PG_INT8, MU_PG_TEXT,
                   MU_PG_TIMESTAMPTZ},
};

static const struct mu_pg_statement ASK_ALL = {
        .name = "archive_ask_all",
        .sql = "WITH asked AS (INSERT INTO archive_requests AS q (parent, day, kind, requested_by,"
               " created_at) SELECT parent, day, 'verify', $1, $2 FROM archive_days"
               " WHERE state = 'archived' AND ($3::text IS NULL OR parent = $3)"
               " ORDER BY parent, day" ASK_ONCE "q.id) SELECT count(*), max(id) FROM asked",
        .params = {MU_PG_TEXT, MU_PG_TIMESTAMPTZ, MU_PG_TEXT},
};

/* A day of the path; false: answered. */
static bool take_day(struct mu_ask *ask, char parent[MU_ARCHIVE_NAME_BYTES], int64_t *ret_day_us)
{
        struct mu_slice table = mu_call_param(ask->call, "parent");
        struct mu_slice date = mu_call_param(ask->call, "day");
        char text[MU_ARCHIVE_DATE_BYTES + 1];
        int64_t day;

        (void)snprintf(text, sizeof(text), "%.*s", (int)(date.bytes > 11 ? 11 : date.bytes),
                       (const char *)date.data);
        if (table.bytes >= MU_ARCHIVE_NAME_BYTES || mu_archive_date_parse(text, &day) < 0) {
                mu_ask_not_found(ask, "day in the archive");
                return false;
        }
        (void)snprintf(parent, MU_ARCHIVE_NAME_BYTES, "%.*s", (int)table.bytes,
                       (const char *)table.data);
        *ret_day_us = day * MU_S_PER_DAY * MU_US_PER_S;
        return true;
}

/* ---- GET /admin/archives ---- */

/* "2026-11-21~heartbeats"; false: answered. */
static bool take_cursor(struct mu_ask *ask, struct mu_pg_value *ret_day, struct mu_pg_value *ret_of)
{
        const char *cursor = mu_json_text(ask->query, "cursor");
        char date[MU_ARCHIVE_DATE_BYTES];
        int64_t day;

        *ret_day = mu_pg_null(MU_PG_TIMESTAMPTZ);
        *ret_of = mu_pg_null(MU_PG_TEXT);
        if (!cursor)
                return true;
        (void)snprintf(date, sizeof(date), "%.10s", cursor);
        if (mu_archive_date_parse(date, &day) < 0 || cursor[10] != '~') {
                mu_call_problem(ask->call, 400, "field-invalid", "cursor",
                                "cursor is not one that this list gave: begin without it.");
                return false;
        }
        *ret_day = mu_pg_timestamptz(day * MU_S_PER_DAY * MU_US_PER_S);
        *ret_of = mu_pg_text(cursor + 11);
        return true;
}

static void list_days(struct mu_ask *ask)
{
        int64_t limit = mu_json_integer(ask->query, "limit", PAGE_DEFAULT);
        struct mu_pg_value day, of;
        struct mu_pg_result *rows;

        if (!take_cursor(ask, &day, &of) ||
            !mu_ask_query(ask, &LIST,
                          MU_PG_VALUES(mu_pg_text(mu_json_text(ask->query, "parent")), day, of,
                                       mu_pg_int8(limit)),
                          &rows))
                return;
        size_t count = mu_pg_rows(rows);
        json_t *items = json_array();

        for (size_t i = 0; i < count; i++)
                (void)json_array_append_new(items, mu_archive_day_json(rows, i));
        json_t *next = count == (size_t)limit
                               ? json_sprintf("%s~%s", mu_pg_get_text(rows, count - 1, 1),
                                              mu_pg_get_text(rows, count - 1, 0))
                               : json_null();

        mu_pg_result_free(rows);
        mu_ask_reply(ask, 200, json_pack("{s:o, s:o}", "archives", items, "next_cursor", next));
}

/* ---- GET /admin/archives/{parent}/{day}, GET /admin/archive-requests/{id} ---- */

static void show_day(struct mu_ask *ask)
{
        char parent[MU_ARCHIVE_NAME_BYTES];
        struct mu_pg_result *rows;
        int64_t day_us;
        json_t *day = NULL;

        if (!take_day(ask, parent, &day_us) ||
            !mu_ask_query(ask, &DAY, MU_PG_VALUES(mu_pg_text(parent), mu_pg_timestamptz(day_us)),
                          &rows))
                return;
        if (mu_pg_rows(rows) == 1)
                day = mu_archive_day_json(rows, 0);
        mu_pg_result_free(rows);
        if (!day) {
                mu_ask_not_found(ask, "day in the archive");
                return;
        }
        if (!mu_ask_query(ask, &REQUESTS,
                          MU_PG_VALUES(mu_pg_text(parent), mu_pg_timestamptz(day_us),
                                       mu_pg_int8(REQUESTS_SHOWN)),
                          &rows)) {
                json_decref(day);
                return;
        }
        json_t *requests = json_array();

        for (size_t i = 0; i < mu_pg_rows(rows); i++)
                (void)json_array_append_new(requests, mu_archive_request_json(rows, i));
        mu_pg_result_free(rows);
        mu_ask_reply(ask, 200, json_pack("{s:o, s:o}", "archive", day, "requests", requests));
}

static void show_request(struct mu_ask *ask)
{
        struct mu_pg_result *rows;
        int64_t id;

        if (!mu_ask_id(ask, "id", "request", &id) ||
            !mu_ask_query(ask, &REQUEST, MU_PG_VALUES(mu_pg_int8(id)), &rows))
                return;
        if (mu_pg_rows(rows) == 1)
                mu_ask_reply(ask, 200, mu_archive_request_json(rows, 0));
        else
                mu_ask_not_found(ask, "request");
        mu_pg_result_free(rows);
}

/* ---- POST … ---- */

/* The job looks every few seconds; now is better. */
static void nudge(struct mu_control *control, void *actor)
{
        const struct mu_job_desk *desk = control->config.jobs;
        int64_t run_id;

        if (desk && desk->run_now)
                (void)desk->run_now(desk->ctx, "archive", actor, &run_id); /* or soon by itself */
}

/* Does the archive have the day, in one of these states? false: answered. */
static bool require_state(struct mu_ask *ask, const char *parent, int64_t day_us,
                          const char *const *states, const char *sentence)
{
        struct mu_pg_result *rows;
        bool found, fits = false;

        if (!mu_ask_query(ask, &DAY, MU_PG_VALUES(mu_pg_text(parent), mu_pg_timestamptz(day_us)),
                          &rows))
                return false;
        found = mu_pg_rows(rows) == 1;
        for (; found && *states; states++)
                fits = fits || strcmp(mu_pg_get_text(rows, 0, 2), *states) == 0;
        mu_pg_result_free(rows);
        if (!found)
                mu_ask_not_found(ask, "day in the archive");
        else if (!fits)
                mu_call_problem(ask->call, 409, "archive-state", NULL, "%s", sentence);
        return fits;
}

static void ask_for(struct mu_ask *ask, const char *kind, const char *const *states,
                    const char *sentence)
{
        int64_t now_us = mu_clock_realtime_us(ask->control->config.clock);
        int64_t keep_s = mu_json_integer(ask->body, "keep_s", 0);
        char parent[MU_ARCHIVE_NAME_BYTES], action[32];
        struct mu_pg_result *rows;
        int64_t day_us;

        if (!take_day(ask, parent, &day_us) ||
            !require_state(ask, parent, day_us, states, sentence) ||
            !mu_ask_query(ask, &ASK,
                          MU_PG_VALUES(mu_pg_text(parent), mu_pg_timestamptz(day_us),
                                       mu_pg_text(kind),
                                       keep_s ? mu_pg_int8(keep_s) : mu_pg_null(MU_PG_INT8),
                                       mu_pg_text(ask->actor), mu_pg_timestamptz(now_us)),
                          &rows))
                return;
        json_t *request = mu_archive_request_json(rows, 0);
        int64_t id = mu_pg_get_int(rows, 0, 0);

        mu_pg_result_free(rows);
        (void)snprintf(action, sizeof(action), "archive.%s", kind);
        if (!mu_ask_audit(ask, action, "archive-request", id, NULL,
                          json_pack("{s:s, s:O}", "parent", parent, "day",
                                    json_object_get(request, "day")))) {
                json_decref(request);
                return;
        }
        mu_ask_after_commit(ask, nudge, strdup(ask->actor));
        mu_ask_reply(ask, 202, request);
}

static void verify_day(struct mu_ask *ask)
{
        ask_for(ask, "verify", (const char *const[]){"archived", "restored", NULL},
                "The day is still being written: it is verified before its table goes.");
}

static void restore_day(struct mu_ask *ask)
{
        ask_for(ask, "restore", (const char *const[]){"archived", "restored", NULL},
                "The day is still in its table: there is nothing to be restored.");
}

static void drop_day(struct mu_ask *ask)
{
        ask_for(ask, "drop", (const char *const[]){"restored", NULL}, "The day is not restored.");
}

static void verify_all(struct mu_ask *ask)
{
        int64_t now_us = mu_clock_realtime_us(ask->control->config.clock);
        struct mu_pg_result *rows;

        if (!mu_ask_query(ask, &ASK_ALL,
                          MU_PG_VALUES(mu_pg_text(ask->actor), mu_pg_timestamptz(now_us),
                                       mu_pg_text(mu_json_text(ask->body, "parent"))),
                          &rows))
                return;
        int64_t count = mu_pg_get_int(rows, 0, 0);
        int64_t last = count > 0 ? mu_pg_get_int(rows, 0, 1) : 0;

        mu_pg_result_free(rows);
        if (count > 0 && !mu_ask_audit(ask, "archive.verify_all", "archive-request", last, NULL,
                                       json_pack("{s:I}", "days", (json_int_t)count)))
                return;
        mu_ask_after_commit(ask, nudge, strdup(ask->actor));
        mu_ask_reply(ask, 202,
                     json_pack("{s:I, s:o}", "days", (json_int_t)count, "last_request_id",
                               count > 0 ? mu_json_of_id(last) : json_null()));
}

/* ---- the table ---- */

static const struct mu_field QUERY_FIELDS[] = {
        {.name = "parent",
         .type = MU_FIELD_TEXT,
         .least = 1,
         .most = MU_ARCHIVE_NAME_BYTES - 1,
         .doc = "Only of this table."},
        {.name = "cursor",
         .type = MU_FIELD_TEXT,
         .least = 1,
         .most = CURSOR_CHARS_MAX,
         .doc = "The next_cursor of the page before."},
        {.name = "limit",
         .type = MU_FIELD_INTEGER,
         .least = 1,
         .most = PAGE_MAX,
         .doc = "Most days in the answer; 400 unless said otherwise."},
};
static const struct mu_shape QUERY = MU_SHAPE("ArchiveQuery", QUERY_FIELDS);

static const struct mu_field PAGE_FIELDS[] = {
        {.name = "archives",
         .type = MU_FIELD_LIST,
         .flags = MU_FIELD_REQUIRED,
         .shape = &mu_archive_day_shape,
         .doc = "Newest day first."},
        {.name = "next_cursor",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED | MU_FIELD_NULLABLE,
         .doc = "There may be more: ask again with this as cursor."},
};
static const struct mu_shape PAGE = MU_SHAPE("ArchivePage", PAGE_FIELDS);

static const struct mu_field SHOW_FIELDS[] = {
        {.name = "archive",
         .type = MU_FIELD_OBJECT,
         .flags = MU_FIELD_REQUIRED,
         .shape = &mu_archive_day_shape},
        {.name = "requests",
         .type = MU_FIELD_LIST,
         .flags = MU_FIELD_REQUIRED,
         .shape = &mu_archive_request_shape,
         .doc = "The last twenty, newest first."},
};
static const struct mu_shape SHOW = MU_SHAPE("ArchiveDetail", SHOW_FIELDS);

static const struct mu_field RESTORE_FIELDS[] = {
        {.name = "keep_s",
         .type = MU_FIELD_INTEGER,
         .least = 60,
         .most = 366 * 86400,
         .doc = "How long the day stays; archive.keep_restored unless said otherwise."},
};
static const struct mu_shape RESTORE = MU_SHAPE("ArchiveRestore", RESTORE_FIELDS);

static const struct mu_field VERIFY_FIELDS[] = {
        {.name = "parent",
         .type = MU_FIELD_TEXT,
         .least = 1,
         .most = MU_ARCHIVE_NAME_BYTES - 1,
         .doc = "Only this table's days."},
};
static const struct mu_shape VERIFY = MU_SHAPE("ArchiveVerify", VERIFY_FIELDS);

static const struct mu_field ALL_FIELDS[] = {
        {.name = "days", .type = MU_FIELD_INTEGER, .flags = MU_FIELD_REQUIRED},
        {.name = "last_request_id",
         .type = MU_FIELD_ID,
         .flags = MU_FIELD_REQUIRED | MU_FIELD_NULLABLE,
         .doc = "When this one has ended, all have. null: there is nothing in the archive."},
};
static const struct mu_shape ALL = MU_SHAPE("ArchiveVerifyAll", ALL_FIELDS);

static const int CONFLICT[] = {404, 409, 0};
static const int MISSING[] = {404, 0};

static const struct mu_endpoint rows[] = {
        {.method = "GET",
         .path = "/admin/archives",
         .handle = list_days,
         .access = MU_ACCESS_OPERATOR,
         .scope = "archives:read",
         .flags = MU_ENDPOINT_ADMIN_KEY,
         .query = &QUERY,
         .reply_status = 200,
         .reply = &PAGE,
         .operation_id = "listArchives",
         .tag = "Archive",
         .summary = "Days that the archive holds, or is being given"},
        {.method = "GET",
         .path = "/admin/archives/{parent}/{day}",
         .handle = show_day,
         .access = MU_ACCESS_OPERATOR,
         .scope = "archives:read",
         .flags = MU_ENDPOINT_ADMIN_KEY,
         .reply_status = 200,
         .reply = &SHOW,
         .operation_id = "getArchive",
         .tag = "Archive",
         .summary = "One day, and what was asked of it",
         .problems = MISSING},
        {.method = "POST",
         .path = "/admin/archives/verify",
         .handle = verify_all,
         .access = MU_ACCESS_ADMIN,
         .scope = "archives:verify",
         .flags = MU_ENDPOINT_ADMIN_KEY,
         .body = &VERIFY,
         .reply_status = 202,
         .reply = &ALL,
         .operation_id = "verifyArchives",
         .tag = "Archive",
         .summary = "Read all of the archive and hold it against its manifests and the database",
         .doc = "One request a day, in the background. A day that is gone, the newest too, is "
                "named like a flipped bit."},
        {.method = "POST",
         .path = "/admin/archives/{parent}/{day}/verify",
         .handle = verify_day,
         .access = MU_ACCESS_ADMIN,
         .scope = "archives:verify",
         .flags = MU_ENDPOINT_ADMIN_KEY,
         .reply_status = 202,
         .reply = &mu_archive_request_shape,
         .operation_id = "verifyArchive",
         .tag = "Archive",
         .summary = "Read a day's files and hold them against manifest, chain and database",
         .problems = CONFLICT},
        {.method = "POST",
         .path = "/admin/archives/{parent}/{day}/restore",
         .handle = restore_day,
         .access = MU_ACCESS_ADMIN,
         .scope = "archives:restore",
         .flags = MU_ENDPOINT_ADMIN_KEY,
         .body = &RESTORE,
         .reply_status = 202,
         .reply = &mu_archive_request_shape,
         .operation_id = "restoreArchive",
         .tag = "Archive",
         .summary = "Make a day readable again for a while",
         .doc = "Its files are verified on the way; rows of devices whose history was purged since "
                "do not come back. A day that is restored already stays longer.",
         .problems = CONFLICT},
        {.method = "POST",
         .path = "/admin/archives/{parent}/{day}/drop-restored",
         .handle = drop_day,
         .access = MU_ACCESS_ADMIN,
         .scope = "archives:restore",
         .flags = MU_ENDPOINT_ADMIN_KEY,
         .reply_status = 202,
         .reply = &mu_archive_request_shape,
         .operation_id = "dropRestoredArchive",
         .tag = "Archive",
         .summary = "Let a restored day go before its time; its files stay",
         .problems = CONFLICT},
        {.method = "GET",
         .path = "/admin/archive-requests/{id}",
         .handle = show_request,
         .access = MU_ACCESS_OPERATOR,
         .scope = "archives:read",
         .flags = MU_ENDPOINT_ADMIN_KEY,
         .reply_status = 200,
         .reply = &mu_archive_request_shape,
         .operation_id = "getArchiveRequest",
         .tag = "Archive",
         .summary = "How a verification or a restore goes, and what it found",
         .problems = MISSING},
};

const struct mu_endpoints mu_archive_endpoints = MU_ENDPOINTS(rows);
