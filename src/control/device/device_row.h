/* SPDX-License-Identifier: Apache-2.0 */
/*
 * device_row.h - a device as lists show it: its own columns, and the essentials of its last status.
 *
 * Threads    any. Ownership: rows are the caller's. Errors: of pg/error.h; NULL: no memory.
 */
#ifndef MUSTER_CONTROL_DEVICE_ROW_H
#define MUSTER_CONTROL_DEVICE_ROW_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "control/device/device_filter.h"
#include "control/shape.h"
#include "muster/compiler.h"

struct mu_control;
struct mu_pg;
struct mu_pg_result;

/* enum mu_device_column names them; d: devices, s: device_last_status. */
#define MU_DEVICE_ROW_SQL                                                                          \
        "d.id, d.alias, d.kind, d.hardware_id, d.site, array_to_json(d.tags),"                     \
        " coalesce(s.agent_version, d.agent_version), d.created_at, d.updated_at,"                 \
        " d.first_seen_at, d.deleted_at, d.quarantined_at, d.heartbeat_interval_s,"                \
        " s.received_at, s.observed_at, s.battery, s.charging, s.network, s.ssid, s.fg_package,"   \
        " s.uptime_s, s.ram_free_mb, s.ram_total_mb, s.queue_depth, s.clock_offset_s"

enum mu_device_column {
        MU_DEVICE_ID,
        MU_DEVICE_ALIAS,
        MU_DEVICE_KIND,
        MU_DEVICE_HARDWARE_ID,
        MU_DEVICE_SITE,
        MU_DEVICE_TAGS,
        MU_DEVICE_AGENT_VERSION,
        MU_DEVICE_CREATED_AT,
        MU_DEVICE_UPDATED_AT,
        MU_DEVICE_FIRST_SEEN_AT,
        MU_DEVICE_DELETED_AT,
        MU_DEVICE_QUARANTINED_AT,
        MU_DEVICE_INTERVAL_S,
        MU_DEVICE_RECEIVED_AT,
        MU_DEVICE_OBSERVED_AT,
        MU_DEVICE_BATTERY,
        MU_DEVICE_CHARGING,
        MU_DEVICE_NETWORK,
        MU_DEVICE_SSID,
        MU_DEVICE_FG_PACKAGE,
        MU_DEVICE_UPTIME_S,
        MU_DEVICE_RAM_FREE_MB,
        MU_DEVICE_RAM_TOTAL_MB,
        MU_DEVICE_QUEUE_DEPTH,
        MU_DEVICE_CLOCK_OFFSET_S,
        MU_DEVICE_ROW_COLUMNS,
};

/* The fields of a reply's device, without "last"; and those of "last". */
#define MU_DEVICE_ROW_FIELDS                                                                       \
        {.name = "id", .type = MU_FIELD_ID, .flags = MU_FIELD_REQUIRED},                           \
                {.name = "alias", .type = MU_FIELD_TEXT, .flags = MU_FIELD_REQUIRED},              \
                {.name = "kind",                                                                   \
                 .type = MU_FIELD_TEXT,                                                            \
                 .flags = MU_FIELD_REQUIRED,                                                       \
                 .one_of = "android|desktop"},                                                     \
                {.name = "hardware_id", .type = MU_FIELD_TEXT, .flags = MU_FIELD_NULLABLE},        \
                {.name = "site", .type = MU_FIELD_TEXT, .flags = MU_FIELD_NULLABLE},               \
                {.name = "tags",                                                                   \
                 .type = MU_FIELD_LIST,                                                            \
                 .items = MU_FIELD_TEXT,                                                           \
                 .flags = MU_FIELD_REQUIRED},                                                      \
                {.name = "agent_version", .type = MU_FIELD_TEXT, .flags = MU_FIELD_NULLABLE},      \
                {.name = "status",                                                                 \
                 .type = MU_FIELD_TEXT,                                                            \
                 .flags = MU_FIELD_REQUIRED,                                                       \
                 .one_of = MU_DEVICE_STATUS_ONE_OF},                                               \
                {.name = "last_seen_at",                                                           \
                 .type = MU_FIELD_TIME,                                                            \
                 .flags = MU_FIELD_NULLABLE,                                                       \
                 .doc = "When it last made a request, or its newest stored heartbeat came."},      \
                {.name = "heartbeat_interval_s",                                                   \
                 .type = MU_FIELD_INTEGER,                                                         \
                 .flags = MU_FIELD_NULLABLE,                                                       \
                 .doc = "null: the fleet's."},                                                     \
                {.name = "created_at", .type = MU_FIELD_TIME, .flags = MU_FIELD_REQUIRED},         \
                {.name = "updated_at", .type = MU_FIELD_TIME, .flags = MU_FIELD_REQUIRED},         \
                {.name = "first_seen_at", .type = MU_FIELD_TIME, .flags = MU_FIELD_NULLABLE},      \
                {.name = "deleted_at", .type = MU_FIELD_TIME, .flags = MU_FIELD_NULLABLE},         \
        {                                                                                          \
                .name = "quarantined_at", .type = MU_FIELD_TIME, .flags = MU_FIELD_NULLABLE        \
        }
/* In the order of the columns from MU_DEVICE_RECEIVED_AT on. */
#define MU_DEVICE_LAST_FIELDS                                                                      \
        {.name = "received_at", .type = MU_FIELD_TIME},                                            \
                {.name = "observed_at", .type = MU_FIELD_TIME},                                    \
                {.name = "battery", .type = MU_FIELD_INTEGER, .flags = MU_FIELD_NULLABLE},         \
                {.name = "charging", .type = MU_FIELD_BOOLEAN, .flags = MU_FIELD_NULLABLE},        \
                {.name = "network", .type = MU_FIELD_TEXT, .flags = MU_FIELD_NULLABLE},            \
                {.name = "ssid", .type = MU_FIELD_TEXT, .flags = MU_FIELD_NULLABLE},               \
                {.name = "fg_package", .type = MU_FIELD_TEXT, .flags = MU_FIELD_NULLABLE},         \
                {.name = "uptime_s", .type = MU_FIELD_INTEGER, .flags = MU_FIELD_NULLABLE},        \
                {.name = "ram_free_mb", .type = MU_FIELD_INTEGER, .flags = MU_FIELD_NULLABLE},     \
                {.name = "ram_total_mb", .type = MU_FIELD_INTEGER, .flags = MU_FIELD_NULLABLE},    \
                {.name = "queue_depth", .type = MU_FIELD_INTEGER, .flags = MU_FIELD_NULLABLE},     \
        {                                                                                          \
                .name = "clock_offset_s", .type = MU_FIELD_INTEGER                                 \
        }

extern const struct mu_shape mu_device_row_shape;

/* In the order of ids; who is gone is left out. */
MU_MUST_CHECK
int mu_device_rows(struct mu_pg *pg, const struct mu_device_ids *ids,
                   struct mu_pg_result **ret_rows);

json_t *mu_device_row_json(const struct mu_control *control, const struct mu_pg_result *rows,
                           size_t row, const struct mu_device_moment *moment);
/* The status and last_seen of a row: memory's, or the row's where memory does not know it. */
enum mu_device_status mu_device_row_status(const struct mu_control *control,
                                           const struct mu_pg_result *rows, size_t row,
                                           const struct mu_device_moment *moment,
                                           int64_t *ret_last_seen_us);

#endif
