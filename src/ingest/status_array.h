/* SPDX-License-Identifier: Apache-2.0 */
/*
 * status_array.h - a batch's last statuses as one binary array of rows, for unnest($1).
 *
 * Bound to a prepared statement, rather than COPY into a temporary table: emptying one costs
 * PostgreSQL a fifth of a millisecond a transaction, which small batches do not earn. One array of
 * rows, rather than an array a column: unnest of many arrays walks as many lists beside each other.
 *
 * Threads    one. Ownership: owns its memory, which grows to the largest batch it has seen and is
 *            kept. Errors: -ENOMEM.
 */
#ifndef MUSTER_INGEST_STATUS_ARRAY_H
#define MUSTER_INGEST_STATUS_ARRAY_H

#include <stdint.h>

#include "ingest/copy_row.h"
#include "ingest/store.h"
#include "muster/compiler.h"
#include "pg/copy_in.h"

/* The rows' type: MU_COPY_STATUS_COLUMNS. A session's own, so that a column added to the table does
 * not change it. */
#define MU_STATUS_TYPE "pg_temp.muster_status"
#define MU_STATUS_TYPE_COLUMNS                                                                     \
        "device_id bigint, received_at timestamptz, observed_at timestamptz, uptime_s bigint, "    \
        "monitored_last_fg_s bigint, seq bigint, ram_free_mb integer, ram_total_mb integer, "      \
        "queue_depth integer, clock_offset_s integer, battery smallint, flags smallint, "          \
        "charging boolean, power_ok boolean, device_owner boolean, battery_unrestricted boolean, " \
        "doze_whitelisted boolean, net_validated boolean, network text, ssid text, "               \
        "fg_package text, agent_version text, boot_id text, extra jsonb"

struct mu_status_array {
        struct mu_copy_in bytes; /* the parameter's value */
        uint32_t count;          /* devices */
        uint8_t row[MU_COPY_ROW_BYTES_MAX];
};

void mu_status_array_init(struct mu_status_array *array);
void mu_status_array_done(struct mu_status_array *array);

/* type_oid: of MU_STATUS_TYPE. */
MU_MUST_CHECK
int mu_status_array_encode(struct mu_status_array *array, const struct mu_store_request *request,
                           uint32_t type_oid);

#endif
