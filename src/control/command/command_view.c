/* SPDX-License-Identifier: Apache-2.0 */
#include "control/command/command_view.h"

#include <string.h>

#include "control/cell.h"

#define STATES "awaiting_confirmation|queued|sent|received|done|failed|expired|cancelled"
#define PATHS "websocket|fcm|heartbeat"

/* ---- shape ---- */

static const struct mu_field REPORT_FIELDS[] = {
        {.name = "status",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED,
         .one_of = "done|failed",
         .doc = "As the device says."},
        {.name = "error",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED | MU_FIELD_NULLABLE,
         .doc = "As the device says."},
        {.name = "at", .type = MU_FIELD_TIME, .flags = MU_FIELD_REQUIRED, .doc = "When it came."},
        {.name = "finished_at",
         .type = MU_FIELD_TIME,
         .flags = MU_FIELD_REQUIRED | MU_FIELD_NULLABLE,
         .doc = "When it was done, by the device's clock."},
        {.name = "late",
         .type = MU_FIELD_BOOLEAN,
         .flags = MU_FIELD_REQUIRED,
         .doc = "It came after the command had expired or was cancelled."},
        {.name = "has_result",
         .type = MU_FIELD_BOOLEAN,
         .flags = MU_FIELD_REQUIRED,
         .doc = "There is more than a status; the command's own page has it."},
        {.name = "result", .type = MU_FIELD_ANY, .doc = "What came with it; not in lists."},
};
static const struct mu_shape REPORT = MU_SHAPE("CommandReport", REPORT_FIELDS);

#define TIME_OR_NULL(field_name, field_doc)                                                        \
        {                                                                                          \
                .name = (field_name), .type = MU_FIELD_TIME,                                       \
                .flags = MU_FIELD_REQUIRED | MU_FIELD_NULLABLE, .doc = (field_doc)                 \
        }

static const struct mu_field COMMAND_FIELDS[] = {
        {.name = "id", .type = MU_FIELD_ID, .flags = MU_FIELD_REQUIRED, .doc = "The command."},
        {.name = "device_id",
         .type = MU_FIELD_ID,
         .flags = MU_FIELD_REQUIRED,
         .doc = "Its device."},
        {.name = "device_alias",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED,
         .doc = "What people call the device."},
        {.name = "bulk_id",
         .type = MU_FIELD_ID,
         .flags = MU_FIELD_REQUIRED | MU_FIELD_NULLABLE,
         .doc = "The bulk command it is part of."},
        {.name = "type",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED,
         .doc = "The kind of command."},
        {.name = "state",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED,
         .one_of = STATES,
         .doc = "Where it stands."},
        {.name = "payload",
         .type = MU_FIELD_OBJECT,
         .flags = MU_FIELD_REQUIRED,
         .doc = "What the type takes."},
        {.name = "ttl_s",
         .type = MU_FIELD_INTEGER,
         .flags = MU_FIELD_REQUIRED,
         .doc = "How long the device has to receive it."},
        {.name = "created_by",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED,
         .doc = "Who asked for it."},
        {.name = "created_at",
         .type = MU_FIELD_TIME,
         .flags = MU_FIELD_REQUIRED,
         .doc = "When it was asked for."},
        TIME_OR_NULL("queued_at", "When it was ready to be sent."),
        TIME_OR_NULL("sent_at", "When it was sent first."),
        TIME_OR_NULL("received_at", "When the device had it."),
        TIME_OR_NULL("finished_at", "When it was over, however."),
        {.name = "expires_at",
         .type = MU_FIELD_TIME,
         .flags = MU_FIELD_REQUIRED,
         .doc = "When its present state ends by itself: confirmed, received or answered until "
                "then."},
        {.name = "first_path",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED | MU_FIELD_NULLABLE,
         .one_of = PATHS,
         .doc = "The way by which the device had it first."},
        {.name = "sent_path",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED | MU_FIELD_NULLABLE,
         .one_of = PATHS,
         .doc = "The way it was sent last."},
        {.name = "attempt_count",
         .type = MU_FIELD_INTEGER,
         .flags = MU_FIELD_REQUIRED,
         .doc = "How often it was sent."},
        {.name = "error",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED | MU_FIELD_NULLABLE,
         .doc = "Why it expired, failed or was cancelled."},
        {.name = "withheld",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED | MU_FIELD_NULLABLE,
         .one_of = "quarantined",
         .doc = "Why it is not sent for now: its device may be two."},
        {.name = "report",
         .type = MU_FIELD_OBJECT,
         .flags = MU_FIELD_REQUIRED | MU_FIELD_NULLABLE,
         .shape = &REPORT,
         .doc = "What the device reported."},
};
const struct mu_shape mu_command_shape = MU_SHAPE("Command", COMMAND_FIELDS);

/* ---- JSON ---- */

static bool is_over(const char *state)
{
        return strcmp(state, "expired") == 0 || strcmp(state, "cancelled") == 0;
}

static json_t *report_of(const struct mu_pg_result *rows, size_t row, const char *state)
{
        if (mu_pg_is_null(rows, row, MU_COMMAND_COLUMN_RESULT_STATUS))
                return json_null();
        return json_pack("{s:o, s:o, s:o, s:o, s:b, s:b}", "status",
                         mu_cell_text(rows, row, MU_COMMAND_COLUMN_RESULT_STATUS), "error",
                         mu_cell_text(rows, row, MU_COMMAND_COLUMN_RESULT_ERROR), "at",
                         mu_cell_time(rows, row, MU_COMMAND_COLUMN_RESULT_AT), "finished_at",
                         mu_cell_time(rows, row, MU_COMMAND_COLUMN_DEVICE_FINISHED_AT), "late",
                         is_over(state), "has_result",
                         mu_pg_get_bool(rows, row, MU_COMMAND_COLUMN_HAS_RESULT));
}

static const char *error_of(const struct mu_pg_result *rows, size_t row, const char *state)
{
        const char *error = mu_pg_get_text(rows, row, MU_COMMAND_COLUMN_ERROR);

        if (error || strcmp(state, "failed") != 0)
                return error;
        return mu_pg_get_text(rows, row, MU_COMMAND_COLUMN_RESULT_ERROR);
}

/* Waiting, and not brought on its way for as long as its device is suspected of being two. */
static json_t *withheld_of(const struct mu_pg_result *rows, size_t row, const char *state)
{
        bool waits = strcmp(state, "queued") == 0 || strcmp(state, "sent") == 0 ||
                     strcmp(state, "awaiting_confirmation") == 0;

        return mu_json_of_text_or_null(
                waits && mu_pg_get_bool(rows, row, MU_COMMAND_COLUMN_QUARANTINED) ? "quarantined"
                                                                                  : NULL);
}

json_t *mu_command_json(const struct mu_pg_result *rows, size_t row)
{
        const char *state = mu_pg_get_text(rows, row, MU_COMMAND_COLUMN_STATE);
        json_t *payload = json_loads(mu_pg_get_text(rows, row, MU_COMMAND_COLUMN_PAYLOAD), 0, NULL);

        return json_pack(
                "{s:o, s:o, s:s, s:o, s:s, s:s, s:o, s:I, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, "
                "s:o, s:I, s:o, s:o, s:o}",
                "id", mu_json_of_id(mu_pg_get_int(rows, row, MU_COMMAND_COLUMN_ID)), "device_id",
                mu_json_of_id(mu_pg_get_int(rows, row, MU_COMMAND_COLUMN_DEVICE_ID)),
                "device_alias", mu_pg_get_text(rows, row, MU_COMMAND_COLUMN_ALIAS), "bulk_id",
                mu_cell_id(rows, row, MU_COMMAND_COLUMN_BULK_ID), "type",
                mu_pg_get_text(rows, row, MU_COMMAND_COLUMN_TYPE), "state", state, "payload",
                payload, "ttl_s", (json_int_t)mu_pg_get_int(rows, row, MU_COMMAND_COLUMN_TTL_S),
                "created_by", mu_pg_get_text(rows, row, MU_COMMAND_COLUMN_CREATED_BY), "created_at",
                mu_cell_time(rows, row, MU_COMMAND_COLUMN_CREATED_AT), "queued_at",
                mu_cell_time(rows, row, MU_COMMAND_COLUMN_QUEUED_AT), "sent_at",
                mu_cell_time(rows, row, MU_COMMAND_COLUMN_SENT_AT), "received_at",
                mu_cell_time(rows, row, MU_COMMAND_COLUMN_RECEIVED_AT), "finished_at",
                mu_cell_time(rows, row, MU_COMMAND_COLUMN_FINISHED_AT), "expires_at",
                mu_cell_time(rows, row, MU_COMMAND_COLUMN_EXPIRES_AT), "first_path",
                mu_cell_text(rows, row, MU_COMMAND_COLUMN_FIRST_PATH), "sent_path",
                mu_cell_text(rows, row, MU_COMMAND_COLUMN_SENT_PATH), "attempt_count",
                (json_int_t)mu_pg_get_int(rows, row, MU_COMMAND_COLUMN_ATTEMPT_COUNT), "error",
                mu_json_of_text_or_null(error_of(rows, row, state)), "withheld",
                withheld_of(rows, row, state), "report", report_of(rows, row, state));
}
