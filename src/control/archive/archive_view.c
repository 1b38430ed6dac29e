/* SPDX-License-Identifier: Apache-2.0 */
#include "control/archive/archive_view.h"

#include "base/assert.h"
#include "control/cell.h"

json_t *mu_archive_day_json(const struct mu_pg_result *rows, size_t row)
{
        return json_pack(
                "{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "parent",
                mu_pg_get_text(rows, row, 0), "day", mu_pg_get_text(rows, row, 1), "state",
                mu_pg_get_text(rows, row, 2), "rows", (json_int_t)mu_pg_get_int(rows, row, 3),
                "plain_bytes", (json_int_t)mu_pg_get_int(rows, row, 4), "stored_bytes",
                (json_int_t)mu_pg_get_int(rows, row, 5), "files",
                (json_int_t)mu_pg_get_int(rows, row, 6), "sequence", mu_cell_integer(rows, row, 7),
                "manifest_sha256", mu_cell_text(rows, row, 8), "archived_at",
                mu_cell_time(rows, row, 9), "restored_until", mu_cell_time(rows, row, 10),
                "verified_at", mu_cell_time(rows, row, 11), "verify_ok",
                mu_cell_boolean(rows, row, 12), "verify_detail", mu_cell_text(rows, row, 13));
}

json_t *mu_archive_request_json(const struct mu_pg_result *rows, size_t row)
{
        const char *text = mu_pg_get_text(rows, row, 12);
        json_t *problems = text ? json_loads(text, 0, NULL) : NULL;
        json_t *ok = problems ? json_boolean(json_array_size(problems) == 0) : json_null();

        return json_pack("{s:o, s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:I, s:o, s:o, s:o, s:o}",
                         "id", mu_json_of_id(mu_pg_get_int(rows, row, 0)), "kind",
                         mu_pg_get_text(rows, row, 1), "parent", mu_pg_get_text(rows, row, 2),
                         "day", mu_pg_get_text(rows, row, 3), "state", mu_pg_get_text(rows, row, 4),
                         "requested_by", mu_pg_get_text(rows, row, 5), "created_at",
                         mu_cell_time(rows, row, 6), "started_at", mu_cell_time(rows, row, 7),
                         "finished_at", mu_cell_time(rows, row, 8), "parts_done",
                         (json_int_t)mu_pg_get_int(rows, row, 9), "parts_total",
                         mu_cell_integer(rows, row, 10), "detail", mu_cell_text(rows, row, 11),
                         "ok", ok, "problems", problems ? problems : json_null());
}

#define NEEDED MU_FIELD_REQUIRED
#define MAYBE (MU_FIELD_REQUIRED | MU_FIELD_NULLABLE)

static const struct mu_field DAY_FIELDS[] = {
        {.name = "parent", .type = MU_FIELD_TEXT, .flags = NEEDED, .doc = "The table."},
        {.name = "day", .type = MU_FIELD_TEXT, .flags = NEEDED, .doc = "UTC: 2026-11-21."},
        {.name = "state",
         .type = MU_FIELD_TEXT,
         .flags = NEEDED,
         .one_of = "writing|verifying|archived|restored",
         .doc = "Until archived its table is still there; restored: it is again."},
        {.name = "rows", .type = MU_FIELD_INTEGER, .flags = NEEDED},
        {.name = "plain_bytes",
         .type = MU_FIELD_INTEGER,
         .flags = NEEDED,
         .doc = "As COPY has them."},
        {.name = "stored_bytes", .type = MU_FIELD_INTEGER, .flags = NEEDED, .doc = "On the disk."},
        {.name = "files", .type = MU_FIELD_INTEGER, .flags = NEEDED, .doc = "Beside the manifest."},
        {.name = "sequence",
         .type = MU_FIELD_INTEGER,
         .flags = MAYBE,
         .doc = "Its place in the table's chain of days, from 1."},
        {.name = "manifest_sha256",
         .type = MU_FIELD_TEXT,
         .flags = MAYBE,
         .doc = "Of manifest.json; the next day's repeats it. Worth writing down elsewhere."},
        {.name = "archived_at", .type = MU_FIELD_TIME, .flags = MAYBE},
        {.name = "restored_until",
         .type = MU_FIELD_TIME,
         .flags = MAYBE,
         .doc = "Then the restored table goes again."},
        {.name = "verified_at",
         .type = MU_FIELD_TIME,
         .flags = MAYBE,
         .doc = "When all of it was read last."},
        {.name = "verify_ok", .type = MU_FIELD_BOOLEAN, .flags = MAYBE},
        {.name = "verify_detail",
         .type = MU_FIELD_TEXT,
         .flags = MAYBE,
         .doc = "The first thing that was wrong: a file and a sentence."},
};
const struct mu_shape mu_archive_day_shape = MU_SHAPE("ArchiveDay", DAY_FIELDS);

static const struct mu_field PROBLEM_FIELDS[] = {
        {.name = "file",
         .type = MU_FIELD_TEXT,
         .flags = NEEDED,
         .doc = "Below the archive's directory."},
        {.name = "detail", .type = MU_FIELD_TEXT, .flags = NEEDED, .doc = "What is wrong with it."},
};
static const struct mu_shape PROBLEM = MU_SHAPE("ArchiveProblem", PROBLEM_FIELDS);

static const struct mu_field REQUEST_FIELDS[] = {
        {.name = "id", .type = MU_FIELD_ID, .flags = NEEDED, .doc = "Names it."},
        {.name = "kind", .type = MU_FIELD_TEXT, .flags = NEEDED, .one_of = "verify|restore|drop"},
        {.name = "parent", .type = MU_FIELD_TEXT, .flags = NEEDED},
        {.name = "day", .type = MU_FIELD_TEXT, .flags = NEEDED},
        {.name = "state",
         .type = MU_FIELD_TEXT,
         .flags = NEEDED,
         .one_of = "waiting|running|done|failed"},
        {.name = "requested_by", .type = MU_FIELD_TEXT, .flags = NEEDED},
        {.name = "created_at", .type = MU_FIELD_TIME, .flags = NEEDED},
        {.name = "started_at", .type = MU_FIELD_TIME, .flags = MAYBE},
        {.name = "finished_at", .type = MU_FIELD_TIME, .flags = MAYBE},
        {.name = "parts_done", .type = MU_FIELD_INTEGER, .flags = NEEDED},
        {.name = "parts_total", .type = MU_FIELD_INTEGER, .flags = MAYBE},
        {.name = "detail", .type = MU_FIELD_TEXT, .flags = MAYBE, .doc = "Why it failed."},
        {.name = "ok",
         .type = MU_FIELD_BOOLEAN,
         .flags = MAYBE,
         .doc = "Of a verification that ended: nothing was wrong."},
        {.name = "problems",
         .type = MU_FIELD_LIST,
         .flags = MAYBE,
         .shape = &PROBLEM,
         .doc = "Of a verification that ended; the first hundred."},
};
const struct mu_shape mu_archive_request_shape = MU_SHAPE("ArchiveRequest", REQUEST_FIELDS);
