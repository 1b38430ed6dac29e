/* SPDX-License-Identifier: Apache-2.0 */
/*
 * command_view.h - a command as operators see it: columns, JSON, shape.
 *
 * Threads    any. Ownership: references are the caller's.
 */
#ifndef MUSTER_CONTROL_COMMAND_COMMAND_VIEW_H
#define MUSTER_CONTROL_COMMAND_COMMAND_VIEW_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "control/shape.h"
#include "pg/query.h"

/* Of "commands c JOIN devices d", in the order that mu_command_json reads. */
#define MU_COMMAND_COLUMNS                                                                         \
        "c.id, c.device_id, d.alias, c.bulk_id, c.type, c.state, c.payload, c.ttl_s,"              \
        " c.created_by, c.created_at, c.queued_at, c.sent_at, c.received_at, c.finished_at,"       \
        " c.expires_at, c.first_path, c.sent_path, c.attempt_count, c.error,"                      \
        " d.quarantined_at IS NOT NULL, c.result_status, c.result_error, c.result_at,"             \
        " c.device_finished_at, c.result IS NOT NULL"

enum mu_command_column {
        MU_COMMAND_COLUMN_ID,
        MU_COMMAND_COLUMN_DEVICE_ID,
        MU_COMMAND_COLUMN_ALIAS,
        MU_COMMAND_COLUMN_BULK_ID,
        MU_COMMAND_COLUMN_TYPE,
        MU_COMMAND_COLUMN_STATE,
        MU_COMMAND_COLUMN_PAYLOAD,
        MU_COMMAND_COLUMN_TTL_S,
        MU_COMMAND_COLUMN_CREATED_BY,
        MU_COMMAND_COLUMN_CREATED_AT,
        MU_COMMAND_COLUMN_QUEUED_AT,
        MU_COMMAND_COLUMN_SENT_AT,
        MU_COMMAND_COLUMN_RECEIVED_AT,
        MU_COMMAND_COLUMN_FINISHED_AT,
        MU_COMMAND_COLUMN_EXPIRES_AT,
        MU_COMMAND_COLUMN_FIRST_PATH,
        MU_COMMAND_COLUMN_SENT_PATH,
        MU_COMMAND_COLUMN_ATTEMPT_COUNT,
        MU_COMMAND_COLUMN_ERROR,
        MU_COMMAND_COLUMN_QUARANTINED,
        MU_COMMAND_COLUMN_RESULT_STATUS,
        MU_COMMAND_COLUMN_RESULT_ERROR,
        MU_COMMAND_COLUMN_RESULT_AT,
        MU_COMMAND_COLUMN_DEVICE_FINISHED_AT,
        MU_COMMAND_COLUMN_HAS_RESULT,
        MU_COMMAND_COLUMN_COUNT, /* whatever a statement reads beside them */
};

extern const struct mu_shape mu_command_shape;

/* NULL: no memory. */
json_t *mu_command_json(const struct mu_pg_result *rows, size_t row);

#endif
