/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/copy_row.h"

#include <string.h>

#include "base/assert.h"
#include "pg/copy_in.h"

struct name {
        const char *text;
        uint32_t bytes;
};

static const struct name networks[] = {
        [MU_NETWORK_WIFI] = {"wifi", 4},
        [MU_NETWORK_CELLULAR] = {"cellular", 8},
        [MU_NETWORK_ETHERNET] = {"ethernet", 8},
        [MU_NETWORK_OFFLINE] = {"offline", 7},
};

static bool has(const struct mu_record *record, enum mu_record_field field)
{
        return (record->present & field) != 0;
}

static uint8_t *put_bool(uint8_t *at, const struct mu_record *record, enum mu_record_field field,
                         enum mu_record_boolean value)
{
        return mu_copy_bool_or_null(at, (record->booleans & value) != 0, has(record, field));
}

static uint8_t *put_strings(uint8_t *at, const struct mu_record *record)
{
        const struct name *network = &networks[record->network];
        struct mu_record_strings strings;

        mu_record_strings(record, &strings);
        at = mu_copy_bytes_or_null(at, network->text, network->bytes,
                                   has(record, MU_FIELD_NETWORK));
        at = mu_copy_bytes_or_null(at, strings.ssid, record->ssid_bytes,
                                   has(record, MU_FIELD_SSID));
        at = mu_copy_bytes_or_null(at, strings.fg_package, record->fg_package_bytes,
                                   has(record, MU_FIELD_FG_PACKAGE));
        at = mu_copy_bytes_or_null(at, strings.agent_version, record->agent_version_bytes,
                                   has(record, MU_FIELD_AGENT_VERSION));
        at = mu_copy_bytes_or_null(at, strings.boot_id, record->boot_id_bytes,
                                   has(record, MU_FIELD_BOOT_ID));
        return mu_copy_jsonb_or_null(at, strings.extra, record->extra_bytes,
                                     has(record, MU_FIELD_EXTRA));
}

static uint8_t *put_content(uint8_t *at, const struct mu_record *record, int64_t received_at_us,
                            int32_t clock_offset_s)
{
        MU_ASSERT(record->network < MU_COUNT_OF(networks));

        at = mu_copy_timestamptz(at, received_at_us);
        at = mu_copy_timestamptz(at, record->observed_at_us);
        at = mu_copy_int8_or_null(at, record->uptime_s, has(record, MU_FIELD_UPTIME));
        at = mu_copy_int8_or_null(at, record->monitored_last_fg_s,
                                  has(record, MU_FIELD_MONITORED_LAST_FG));
        at = mu_copy_int8_or_null(at, record->seq, has(record, MU_FIELD_SEQ));
        at = mu_copy_int4_or_null(at, record->ram_free_mb, has(record, MU_FIELD_RAM_FREE));
        at = mu_copy_int4_or_null(at, record->ram_total_mb, has(record, MU_FIELD_RAM_TOTAL));
        at = mu_copy_int4_or_null(at, record->queue_depth, has(record, MU_FIELD_QUEUE_DEPTH));
        at = mu_copy_int4(at, clock_offset_s);
        at = mu_copy_int2_or_null(at, record->battery_percent, has(record, MU_FIELD_BATTERY));
        at = mu_copy_int2(at, (int16_t)record->flags);
        at = put_bool(at, record, MU_FIELD_CHARGING, MU_BOOL_CHARGING);
        at = put_bool(at, record, MU_FIELD_POWER_OK, MU_BOOL_POWER_OK);
        at = put_bool(at, record, MU_FIELD_DEVICE_OWNER, MU_BOOL_DEVICE_OWNER);
        at = put_bool(at, record, MU_FIELD_BATTERY_UNRESTRICTED, MU_BOOL_BATTERY_UNRESTRICTED);
        at = put_bool(at, record, MU_FIELD_DOZE_WHITELISTED, MU_BOOL_DOZE_WHITELISTED);
        at = put_bool(at, record, MU_FIELD_NET_VALIDATED, MU_BOOL_NET_VALIDATED);
        return put_strings(at, record);
}

uint8_t *mu_copy_heartbeat(uint8_t *at, const struct mu_record *record)
{
        at = mu_copy_row(at, 2 + MU_COPY_CONTENT_COLUMN_COUNT);
        at = mu_copy_int8(at, record->device_id);
        at = mu_copy_timestamptz(at, record->bucket_s * MU_US_PER_S);
        return put_content(at, record, record->received_at_us, record->clock_offset_s);
}

uint8_t *mu_copy_status(uint8_t *at, const struct mu_record *content, int64_t received_at_us,
                        int32_t clock_offset_s)
{
        at = mu_copy_row(at, 1 + MU_COPY_CONTENT_COLUMN_COUNT);
        at = mu_copy_int8(at, content->device_id);
        return put_content(at, content, received_at_us, clock_offset_s);
}

uint8_t *mu_copy_reject_head(uint8_t *at, const struct mu_batch_entry *entry,
                             const uint8_t journal_id[16])
{
        const char *reason = mu_verdict_reason(entry->verdict);
        uint32_t sqlstate_bytes = (uint32_t)strlen(entry->sqlstate);

        at = mu_copy_row(at, MU_COPY_REJECT_COLUMN_COUNT);
        at = mu_copy_bytes(at, journal_id, 16);
        at = mu_copy_int8(at, (int64_t)entry->seq);
        at = mu_copy_int8(at, entry->device_id);
        at = mu_copy_bytes_or_null(at, entry->sqlstate, sqlstate_bytes, sqlstate_bytes > 0);
        at = mu_copy_bytes(at, reason, (uint32_t)strlen(reason));
        return mu_copy_length(at, entry->payload_bytes, true);
}
