/* SPDX-License-Identifier: Apache-2.0 */
#include "control/backup/backup_api.h"

#include <errno.h>
#include <string.h>

#include "backup/runner.h"
#include "control/cell.h"
#include "control/job/job_desk.h"
#include "control/page.h"

enum {
        PAGE_DEFAULT = 50,
        PAGE_MAX = 500,
};

#define COLUMNS                                                                                    \
        "id, kind, requested_by, started_at, finished_at, outcome, directory, database, bytes,"    \
        " files, linked_files, encrypted, error, after_hook_outcome, offsite_outcome,"             \
        " offsite_detail, checked_at, check_outcome, check_detail, removed_at"

static const struct mu_pg_statement PAGE = {
        .name = "backups_page",
        .sql = "SELECT " COLUMNS " FROM backups WHERE ($1::bigint IS NULL OR id < $1)"
               " ORDER BY id DESC LIMIT $2",
        .params = {MU_PG_INT8, MU_PG_INT8},
        .repeatable = true,
};

static const struct mu_pg_statement ONE = {
        .name = "backup_by_id",
        .sql = "SELECT " COLUMNS " FROM backups WHERE id = $1",
        .params = {MU_PG_INT8},
        .repeatable = true,
};

/* ---- a row as JSON ---- */

static json_t *text_at(const struct mu_pg_result *rows, size_t row, int column)
{
        const char *text = mu_pg_get_text(rows, row, column);

        return mu_json_of_text_or_null(text && *text ? text : NULL);
}

static json_t *backup_json(const struct mu_pg_result *rows, size_t row)
{
        json_t *json = json_pack(
                "{s:o, s:s, s:o, s:o, s:o, s:s, s:s, s:s, s:o, s:o, s:o, s:b, s:o}", "id",
                mu_json_of_id(mu_pg_get_int(rows, row, 0)), "kind", mu_pg_get_text(rows, row, 1),
                "requested_by", text_at(rows, row, 2), "started_at", mu_cell_time(rows, row, 3),
                "finished_at", mu_cell_time(rows, row, 4), "outcome", mu_pg_get_text(rows, row, 5),
                "directory", mu_pg_get_text(rows, row, 6), "database", mu_pg_get_text(rows, row, 7),
                "bytes", mu_cell_integer(rows, row, 8), "files", mu_cell_integer(rows, row, 9),
                "linked_files", mu_cell_integer(rows, row, 10), "encrypted",
                (int)mu_pg_get_bool(rows, row, 11), "error", text_at(rows, row, 12));
        json_t *later = json_pack(
                "{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "after_hook_outcome", text_at(rows, row, 13),
                "offsite_outcome", text_at(rows, row, 14), "offsite_detail", text_at(rows, row, 15),
                "checked_at", mu_cell_time(rows, row, 16), "check_outcome", text_at(rows, row, 17),
                "check_detail", text_at(rows, row, 18), "removed_at", mu_cell_time(rows, row, 19));

        (void)json_object_update(json, later);
        json_decref(later);
        return json;
}

/* ---- the operations ---- */

static void list_backups(struct mu_ask *ask)
{
        static const struct mu_page page = {"backups", PAGE_DEFAULT, backup_json};

        mu_page_reply(ask, &page, &PAGE,
                      MU_PG_VALUES(mu_page_before(ask), mu_page_limit(ask, &page)));
}

static void show_backup(struct mu_ask *ask)
{
        struct mu_pg_result *rows;
        int64_t id;

        if (!mu_ask_id(ask, "id", "backup", &id) ||
            !mu_ask_query(ask, &ONE, MU_PG_VALUES(mu_pg_int8(id)), &rows))
                return;
        if (mu_pg_rows(rows) == 1)
                mu_ask_reply(ask, 200, backup_json(rows, 0));
        else
                mu_ask_not_found(ask, "backup");
        mu_pg_result_free(rows);
}

static void start_backup(struct mu_ask *ask)
{
        const struct mu_job_desk *desk = ask->control->config.jobs;
        struct mu_backup_runner *runner = ask->control->config.backups;
        const char *directory = mu_json_text(ask->body, "directory");
        struct mu_backup_error error = {.text = ""};
        int64_t run_id;

        if (!desk || !desk->run_now || !runner) {
                mu_call_problem(ask->call, 503, "not-ready", NULL,
                                "The jobs do not run yet: try again in a moment.");
                return;
        }
        int err = mu_backup_runner_ask(runner, directory ? directory : "", ask->actor, &error);

        if (err == 0)
                err = desk->run_now(desk->ctx, "backup", ask->actor, &run_id);
        if (err == -EBUSY)
                mu_call_problem(ask->call, 409, "backup-waits", NULL, "%s", error.text);
        else if (err < 0)
                mu_call_problem(ask->call, err == -EPERM ? 403 : 400,
                                err == -EPERM ? "directory-not-allowed" : "no-backup-directory",
                                "directory", "%s",
                                error.text[0] ? error.text : "There is no job named backup.");
        else if (mu_ask_audit(ask, "backup.start", "job-run", run_id, NULL,
                              json_pack("{s:s}", "directory", directory ? directory : "")))
                mu_ask_reply(ask, 202, json_pack("{s:o}", "run_id", mu_json_of_id(run_id)));
}

/* ---- the table ---- */

#define NULLABLE (MU_FIELD_REQUIRED | MU_FIELD_NULLABLE)

static const struct mu_field BACKUP_FIELDS[] = {
        {.name = "id", .type = MU_FIELD_ID, .flags = MU_FIELD_REQUIRED, .doc = "Names it."},
        {.name = "kind",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED,
         .one_of = "scheduled|asked|manual",
         .doc = "manual: by musterctl backup, on the appliance's machine."},
        {.name = "requested_by", .type = MU_FIELD_TEXT, .flags = NULLABLE},
        {.name = "started_at", .type = MU_FIELD_TIME, .flags = MU_FIELD_REQUIRED},
        {.name = "finished_at", .type = MU_FIELD_TIME, .flags = NULLABLE},
        {.name = "outcome",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED,
         .one_of = "running|ok|failed"},
        {.name = "directory",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED,
         .doc = "On the appliance's machine."},
        {.name = "database",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED,
         .one_of = "cluster|dump",
         .doc = "How the database was copied: pg_basebackup, or pg_dump of an existing one."},
        {.name = "bytes", .type = MU_FIELD_INTEGER, .flags = NULLABLE},
        {.name = "files", .type = MU_FIELD_INTEGER, .flags = NULLABLE},
        {.name = "linked_files",
         .type = MU_FIELD_INTEGER,
         .flags = NULLABLE,
         .doc = "Of these, shared with an earlier backup."},
        {.name = "encrypted", .type = MU_FIELD_BOOLEAN, .flags = MU_FIELD_REQUIRED},
        {.name = "error", .type = MU_FIELD_TEXT, .flags = NULLABLE},
        {.name = "after_hook_outcome", .type = MU_FIELD_TEXT, .flags = NULLABLE},
        {.name = "offsite_outcome", .type = MU_FIELD_TEXT, .flags = NULLABLE},
        {.name = "offsite_detail", .type = MU_FIELD_TEXT, .flags = NULLABLE},
        {.name = "checked_at",
         .type = MU_FIELD_TIME,
         .flags = NULLABLE,
         .doc = "When it was last restored into a scratch database."},
        {.name = "check_outcome",
         .type = MU_FIELD_TEXT,
         .flags = NULLABLE,
         .one_of = "ok|failed|skipped"},
        {.name = "check_detail", .type = MU_FIELD_TEXT, .flags = NULLABLE},
        {.name = "removed_at",
         .type = MU_FIELD_TIME,
         .flags = NULLABLE,
         .doc = "By backup.keep and backup.keep_days."},
};
static const struct mu_shape BACKUP = MU_SHAPE("Backup", BACKUP_FIELDS);

static const struct mu_field QUERY_FIELDS[] = {
        {.name = "before", .type = MU_FIELD_ID, .doc = "The next_before of the page before."},
        {.name = "limit",
         .type = MU_FIELD_INTEGER,
         .least = 1,
         .most = PAGE_MAX,
         .doc = "Most backups in the answer; 50 unless said otherwise."},
};
static const struct mu_shape QUERY = MU_SHAPE("BackupsQuery", QUERY_FIELDS);

static const struct mu_field LIST_FIELDS[] = {
        {.name = "backups",
         .type = MU_FIELD_LIST,
         .flags = MU_FIELD_REQUIRED,
         .shape = &BACKUP,
         .doc = "Newest first."},
        {.name = "next_before", .type = MU_FIELD_ID, .flags = NULLABLE},
};
static const struct mu_shape LIST = MU_SHAPE("Backups", LIST_FIELDS);

static const struct mu_field START_FIELDS[] = {
        {.name = "directory",
         .type = MU_FIELD_TEXT,
         .least = 1,
         .most = 1000,
         .doc = "One of backup.directories, or below; absent: backup.directory."},
};
static const struct mu_shape START = MU_SHAPE("BackupStart", START_FIELDS);

static const struct mu_field STARTED_FIELDS[] = {
        {.name = "run_id",
         .type = MU_FIELD_ID,
         .flags = MU_FIELD_REQUIRED,
         .doc = "For GET /admin/job-runs/{id}."},
};
static const struct mu_shape STARTED = MU_SHAPE("BackupStarted", STARTED_FIELDS);

static const int NOT_FOUND[] = {404, 0};
static const int REFUSED[] = {409, 503, 0};

static const struct mu_endpoint rows[] = {
        {.method = "GET",
         .path = "/admin/backups",
         .handle = list_backups,
         .access = MU_ACCESS_OPERATOR,
         .scope = "backups:read",
         .flags = MU_ENDPOINT_ADMIN_KEY,
         .query = &QUERY,
         .reply_status = 200,
         .reply = &LIST,
         .operation_id = "listBackups",
         .tag = "Operation",
         .summary = "Backups, and what became of them"},
        {.method = "GET",
         .path = "/admin/backups/{id}",
         .handle = show_backup,
         .access = MU_ACCESS_OPERATOR,
         .scope = "backups:read",
         .flags = MU_ENDPOINT_ADMIN_KEY,
         .reply_status = 200,
         .reply = &BACKUP,
         .operation_id = "showBackup",
         .tag = "Operation",
         .summary = "A backup",
         .problems = NOT_FOUND},
        {.method = "POST",
         .path = "/admin/backups",
         .handle = start_backup,
         .access = MU_ACCESS_ADMIN,
         .scope = "backups:run",
         .flags = MU_ENDPOINT_ADMIN_KEY,
         .body = &START,
         .reply_status = 202,
         .reply = &STARTED,
         .operation_id = "startBackup",
         .tag = "Operation",
         .summary = "Make a backup now",
         .doc = "A process beside the daemon makes it; heartbeats and everything else go on.",
         .problems = REFUSED},
};

const struct mu_endpoints mu_backup_endpoints = MU_ENDPOINTS(rows);
