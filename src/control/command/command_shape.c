/* SPDX-License-Identifier: Apache-2.0 */
#include "control/command/command_shape.h"

#include "control/command/command.h"
#include "control/command/command_view.h"

#define STATES "awaiting_confirmation|queued|sent|received|done|failed|expired|cancelled"
#define TYPES MU_COMMAND_TYPE_CHOICE "|" MU_COMMAND_ROTATE_KEY

#define TYPE_FIELD                                                                                 \
        {                                                                                          \
                .name = "type", .type = MU_FIELD_TEXT, .flags = MU_FIELD_REQUIRED,                 \
                .one_of = MU_COMMAND_TYPE_CHOICE, .doc = "The kind of command."                    \
        }
#define PAYLOAD_FIELD                                                                              \
        {                                                                                          \
                .name = "payload", .type = MU_FIELD_OBJECT, .doc = "What the type takes."          \
        }
#define TTL_FIELD                                                                                  \
        {                                                                                          \
                .name = "ttl_s", .type = MU_FIELD_INTEGER, .least = MU_COMMAND_TTL_S_MIN,          \
                .most = MU_COMMAND_TTL_S_MAX,                                                      \
                .doc = "How long the device has to receive it. Each type has a default."           \
        }

/* ---- asking ---- */

static const struct mu_field ORDER_FIELDS[] = {TYPE_FIELD, PAYLOAD_FIELD, TTL_FIELD};
const struct mu_shape mu_command_order_shape = MU_SHAPE("CommandOrder", ORDER_FIELDS);

static const struct mu_field BULK_ORDER_FIELDS[] = {
        TYPE_FIELD,
        PAYLOAD_FIELD,
        TTL_FIELD,
        {.name = "device_ids",
         .type = MU_FIELD_LIST,
         .items = MU_FIELD_ID,
         .least = 1,
         .most = MU_COMMAND_BULK_MAX,
         .doc = "The devices; or selection_id."},
        {.name = "selection_id",
         .type = MU_FIELD_ID,
         .doc = "A selection made before; or device_ids."},
};
const struct mu_shape mu_command_bulk_order_shape = MU_SHAPE("BulkCommandOrder", BULK_ORDER_FIELDS);

static const struct mu_field CONFIRM_FIELDS[] = {
        {.name = "alias",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED,
         .least = 1,
         .most = 512,
         .doc = "The device's alias, typed again."},
};
const struct mu_shape mu_command_confirm_shape = MU_SHAPE("CommandConfirmation", CONFIRM_FIELDS);

static const struct mu_field BULK_CONFIRM_FIELDS[] = {
        {.name = "confirm",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED,
         .least = 1,
         .most = 64,
         .doc = "What and how many, typed: \"wipe 12\"."},
};
const struct mu_shape mu_command_bulk_confirm_shape =
        MU_SHAPE("BulkCommandConfirmation", BULK_CONFIRM_FIELDS);

static const struct mu_field QUERY_FIELDS[] = {
        {.name = "state", .type = MU_FIELD_TEXT, .one_of = STATES, .doc = "Only in this state."},
        {.name = "type", .type = MU_FIELD_TEXT, .one_of = TYPES, .doc = "Only of this kind."},
        {.name = "device_id", .type = MU_FIELD_ID, .doc = "Only of this device."},
        {.name = "bulk_id", .type = MU_FIELD_ID, .doc = "Only of this bulk command."},
        {.name = "from", .type = MU_FIELD_TIME, .doc = "Asked for at this time or later."},
        {.name = "to", .type = MU_FIELD_TIME, .doc = "Asked for before this time."},
        {.name = "cursor", .type = MU_FIELD_ID, .doc = "The next_cursor of the page before."},
        {.name = "limit",
         .type = MU_FIELD_INTEGER,
         .least = 1,
         .most = 200,
         .doc = "How many; 50 unless said."},
};
const struct mu_shape mu_command_query_shape = MU_SHAPE("CommandQuery", QUERY_FIELDS);

/* ---- seeing ---- */

static const struct mu_field LIST_FIELDS[] = {
        {.name = "commands",
         .type = MU_FIELD_LIST,
         .flags = MU_FIELD_REQUIRED,
         .shape = &mu_command_shape,
         .doc = "The newest first."},
        {.name = "next_cursor",
         .type = MU_FIELD_ID,
         .flags = MU_FIELD_REQUIRED | MU_FIELD_NULLABLE,
         .doc = "For the next page; null on the last."},
};
const struct mu_shape mu_command_list_shape = MU_SHAPE("CommandList", LIST_FIELDS);

static const struct mu_field ATTEMPT_FIELDS[] = {
        {.name = "number",
         .type = MU_FIELD_INTEGER,
         .flags = MU_FIELD_REQUIRED,
         .doc = "Of the command's attempts, from 1."},
        {.name = "path",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED,
         .one_of = "websocket|fcm|fcm_nudge|heartbeat",
         .doc = "The way; fcm_nudge only makes the device fetch."},
        {.name = "status",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED,
         .one_of = "started|sent|accepted|throttled|unregistered|refused|unreachable",
         .doc = "How it went; started: not known, or cut off by a crash."},
        {.name = "started_at",
         .type = MU_FIELD_TIME,
         .flags = MU_FIELD_REQUIRED,
         .doc = "When it began."},
        {.name = "latency_us",
         .type = MU_FIELD_INTEGER,
         .flags = MU_FIELD_REQUIRED | MU_FIELD_NULLABLE,
         .doc = "Until the outcome was known."},
        {.name = "retry_at",
         .type = MU_FIELD_TIME,
         .flags = MU_FIELD_REQUIRED | MU_FIELD_NULLABLE,
         .doc = "When the next one is due."},
        {.name = "http_status",
         .type = MU_FIELD_INTEGER,
         .flags = MU_FIELD_REQUIRED | MU_FIELD_NULLABLE,
         .doc = "FCM's answer."},
        {.name = "fcm_message_id",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED | MU_FIELD_NULLABLE,
         .doc = "FCM's name for the message."},
        {.name = "error",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED | MU_FIELD_NULLABLE,
         .doc = "What went wrong."},
};
static const struct mu_shape ATTEMPT = MU_SHAPE("CommandAttempt", ATTEMPT_FIELDS);

static const struct mu_field DETAIL_FIELDS[] = {
        {.name = "command",
         .type = MU_FIELD_OBJECT,
         .flags = MU_FIELD_REQUIRED,
         .shape = &mu_command_shape,
         .doc = "The command, with its result."},
        {.name = "attempts",
         .type = MU_FIELD_LIST,
         .flags = MU_FIELD_REQUIRED,
         .shape = &ATTEMPT,
         .doc = "The newest 200 attempts to bring it to the device, the newest first."},
};
const struct mu_shape mu_command_detail_shape = MU_SHAPE("CommandDetail", DETAIL_FIELDS);

static const struct mu_field BULK_MADE_FIELDS[] = {
        {.name = "bulk_id",
         .type = MU_FIELD_ID,
         .flags = MU_FIELD_REQUIRED,
         .doc = "The bulk command."},
        {.name = "state",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED,
         .one_of = "queued|awaiting_confirmation",
         .doc = "Of its commands."},
        {.name = "asked_count",
         .type = MU_FIELD_INTEGER,
         .flags = MU_FIELD_REQUIRED,
         .doc = "Devices asked for."},
        {.name = "device_count",
         .type = MU_FIELD_INTEGER,
         .flags = MU_FIELD_REQUIRED,
         .doc = "Devices that have a command now."},
        {.name = "skipped_count",
         .type = MU_FIELD_INTEGER,
         .flags = MU_FIELD_REQUIRED,
         .doc = "Devices that are unknown, deleted, named twice, can't do it, or for which too "
                "much waits."},
        {.name = "withheld_count",
         .type = MU_FIELD_INTEGER,
         .flags = MU_FIELD_REQUIRED,
         .doc = "Of those with a command, the devices in quarantine: theirs wait."},
        {.name = "confirm",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED | MU_FIELD_NULLABLE,
         .doc = "What has to be typed to confirm it; null: nothing."},
};
const struct mu_shape mu_command_bulk_made_shape = MU_SHAPE("BulkCommandMade", BULK_MADE_FIELDS);

#define COUNT_FIELD(state_name)                                                                    \
        {                                                                                          \
                .name = (state_name), .type = MU_FIELD_INTEGER, .flags = MU_FIELD_REQUIRED         \
        }
static const struct mu_field STATE_COUNT_FIELDS[] = {
        COUNT_FIELD("awaiting_confirmation"),
        COUNT_FIELD("queued"),
        COUNT_FIELD("sent"),
        COUNT_FIELD("received"),
        COUNT_FIELD("done"),
        COUNT_FIELD("failed"),
        COUNT_FIELD("expired"),
        COUNT_FIELD("cancelled"),
};
static const struct mu_shape STATE_COUNTS = MU_SHAPE("CommandStateCounts", STATE_COUNT_FIELDS);

static const struct mu_field BULK_FIELDS[] = {
        {.name = "id", .type = MU_FIELD_ID, .flags = MU_FIELD_REQUIRED, .doc = "The bulk command."},
        {.name = "type",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED,
         .doc = "The kind of command."},
        {.name = "payload",
         .type = MU_FIELD_OBJECT,
         .flags = MU_FIELD_REQUIRED,
         .doc = "What the type takes."},
        {.name = "created_by",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED,
         .doc = "Who asked for it."},
        {.name = "created_at",
         .type = MU_FIELD_TIME,
         .flags = MU_FIELD_REQUIRED,
         .doc = "When it was asked for."},
        {.name = "selection_id",
         .type = MU_FIELD_ID,
         .flags = MU_FIELD_REQUIRED | MU_FIELD_NULLABLE,
         .doc = "The selection it was for; null: a list."},
        {.name = "asked_count",
         .type = MU_FIELD_INTEGER,
         .flags = MU_FIELD_REQUIRED,
         .doc = "Devices asked for."},
        {.name = "device_count",
         .type = MU_FIELD_INTEGER,
         .flags = MU_FIELD_REQUIRED,
         .doc = "Devices that had a command."},
        {.name = "states",
         .type = MU_FIELD_OBJECT,
         .flags = MU_FIELD_REQUIRED,
         .shape = &STATE_COUNTS,
         .doc = "How many of its commands stand where."},
        {.name = "withheld_count",
         .type = MU_FIELD_INTEGER,
         .flags = MU_FIELD_REQUIRED,
         .doc = "Of those not received yet, how many belong to devices in quarantine."},
};
const struct mu_shape mu_command_bulk_shape = MU_SHAPE("BulkCommand", BULK_FIELDS);

static const struct mu_field BULK_QUERY_FIELDS[] = {
        {.name = "cursor", .type = MU_FIELD_ID, .doc = "The next_cursor of the page before."},
        {.name = "limit",
         .type = MU_FIELD_INTEGER,
         .least = 1,
         .most = 50,
         .doc = "How many; 20 unless said."},
};
const struct mu_shape mu_command_bulk_query_shape = MU_SHAPE("BulkCommandQuery", BULK_QUERY_FIELDS);

static const struct mu_field BULK_LIST_FIELDS[] = {
        {.name = "bulk_commands",
         .type = MU_FIELD_LIST,
         .flags = MU_FIELD_REQUIRED,
         .shape = &mu_command_bulk_shape,
         .doc = "The newest first."},
        {.name = "next_cursor",
         .type = MU_FIELD_ID,
         .flags = MU_FIELD_REQUIRED | MU_FIELD_NULLABLE,
         .doc = "For the next page; null on the last."},
};
const struct mu_shape mu_command_bulk_list_shape = MU_SHAPE("BulkCommandList", BULK_LIST_FIELDS);

static const struct mu_field BULK_CHANGED_FIELDS[] = {
        {.name = "bulk_id",
         .type = MU_FIELD_ID,
         .flags = MU_FIELD_REQUIRED,
         .doc = "The bulk command."},
        {.name = "changed_count",
         .type = MU_FIELD_INTEGER,
         .flags = MU_FIELD_REQUIRED,
         .doc = "Commands that were changed; the others had gone on already."},
};
const struct mu_shape mu_command_bulk_changed_shape =
        MU_SHAPE("BulkCommandChanged", BULK_CHANGED_FIELDS);
