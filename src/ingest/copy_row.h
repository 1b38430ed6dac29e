/* SPDX-License-Identifier: Apache-2.0 */
/*
 * copy_row.h - a record as a row of heartbeats or device_last_status, in binary COPY's form.
 *
 * Columns are written in the order of MU_COPY_HEARTBEAT_COLUMNS and MU_COPY_STATUS_COLUMNS, which
 * the COPY statements name.
 *
 * Threads    any; pure functions. Errors: none; the record was checked by mu_frame_is_record.
 */
#ifndef MUSTER_INGEST_COPY_ROW_H
#define MUSTER_INGEST_COPY_ROW_H

#include <stdint.h>

#include "ingest/batch.h"
#include "muster/record.h"

/* What a heartbeat says; both tables have it in this order. */
#define MU_COPY_CONTENT_COLUMNS                                                                    \
        "received_at, observed_at, uptime_s, monitored_last_fg_s, seq, ram_free_mb, "              \
        "ram_total_mb, queue_depth, clock_offset_s, battery, flags, charging, power_ok, "          \
        "device_owner, battery_unrestricted, doze_whitelisted, net_validated, network, ssid, "     \
        "fg_package, agent_version, boot_id, extra"
#define MU_COPY_HEARTBEAT_COLUMNS "device_id, bucket, " MU_COPY_CONTENT_COLUMNS
#define MU_COPY_STATUS_COLUMNS "device_id, " MU_COPY_CONTENT_COLUMNS
#define MU_COPY_REJECT_COLUMNS "journal_id, seq, device_id, sqlstate, reason, record"

enum mu_copy_row_sizes {
        MU_COPY_CONTENT_COLUMN_COUNT = 23,
        MU_COPY_REJECT_COLUMN_COUNT = 6,
        /* All lengths, all fixed-size values, the longest network name, the jsonb version. */
        MU_COPY_ROW_FIXED_BYTES = 256,
        MU_COPY_ROW_BYTES_MAX = MU_COPY_ROW_FIXED_BYTES + MU_RECORD_BYTES_MAX,
        MU_COPY_REJECT_HEAD_BYTES = 96,
};

uint8_t *mu_copy_heartbeat(uint8_t *at, const struct mu_record *record);

/* content's row, but with liveness of its own. */
uint8_t *mu_copy_status(uint8_t *at, const struct mu_record *content, int64_t received_at_us,
                        int32_t clock_offset_s);

/* A row of ingest_rejects, up to where payload_bytes of payload must follow:
 * MU_COPY_REJECT_HEAD_BYTES. */
uint8_t *mu_copy_reject_head(uint8_t *at, const struct mu_batch_entry *entry,
                             const uint8_t journal_id[16]);

#endif
