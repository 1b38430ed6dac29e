/* SPDX-License-Identifier: Apache-2.0 */
/* What holds of every heartbeat that the decoder gives out, whatever the input was. */
#ifndef TESTS_FUZZ_HEARTBEAT_CHECK_H
#define TESTS_FUZZ_HEARTBEAT_CHECK_H

#include <jansson.h>
#include <string.h>

#include "base/assert.h"
#include "wire/heartbeat.h"

static inline void check_absent(const struct mu_record *record, uint32_t bit, int64_t value)
{
        MU_ASSERT((record->present & bit) || value == 0);
}

/* A JSON object without what jsonb refuses: jansson refuses NUL in strings and keys too. */
static inline void check_extra(const struct mu_record *record, const char *extra)
{
        json_error_t error;
        json_t *root;

        MU_ASSERT(!(record->present & MU_FIELD_EXTRA) == (record->extra_bytes == 0));
        if (record->extra_bytes == 0)
                return;
        root = json_loadb(extra, record->extra_bytes, JSON_DECODE_INT_AS_REAL, &error);
        MU_ASSERT(json_is_object(root) && json_object_size(root) > 0);
        json_decref(root);
}

static inline void check_heartbeat(const struct mu_heartbeat *heartbeat)
{
        const struct mu_record *record = heartbeat->record;
        struct mu_record_strings strings;

        mu_record_strings(record, &strings);
        MU_ASSERT(mu_record_bytes(record) <= MU_RECORD_BYTES_MAX);
        MU_ASSERT(heartbeat->ts_us >= 0 && heartbeat->ts_us < MU_TS_S_END * 1000000);
        MU_ASSERT(heartbeat->sent_at_us == MU_TIME_ABSENT ||
                  (heartbeat->sent_at_us >= 0 && heartbeat->sent_at_us < MU_TS_S_END * 1000000));
        MU_ASSERT((record->present & heartbeat->invalid & ~(uint32_t)MU_FIELD_SENT_AT) == 0);
        MU_ASSERT((record->present | heartbeat->invalid) >> MU_FIELD_COUNT == 0);
        MU_ASSERT(record->flags == (heartbeat->invalid ? MU_RECORD_INVALID_FIELDS : 0));
        MU_ASSERT(record->battery_percent <= 100 && record->network <= MU_NETWORK_OFFLINE);
        MU_ASSERT(record->ram_free_mb >= 0 && record->ram_total_mb >= 0);
        MU_ASSERT(record->queue_depth >= 0 && record->uptime_s >= 0 && record->seq >= 0);
        check_absent(record, MU_FIELD_BATTERY, record->battery_percent);
        check_absent(record, MU_FIELD_UPTIME, record->uptime_s);
        check_absent(record, MU_FIELD_SEQ, record->seq);
        check_absent(record, MU_FIELD_NETWORK, record->network);
        check_absent(record, MU_FIELD_SSID, record->ssid_bytes);
        check_absent(record, MU_FIELD_BOOT_ID, record->boot_id_bytes);
        check_absent(record, MU_FIELD_CHARGING, record->booleans & MU_BOOL_CHARGING);
        MU_ASSERT(record->ssid_bytes <= MU_SSID_BYTES_MAX);
        MU_ASSERT(record->boot_id_bytes <= MU_BOOT_ID_BYTES_MAX);
        MU_ASSERT(record->agent_version_bytes <= MU_AGENT_VERSION_BYTES_MAX);
        MU_ASSERT(record->extra_bytes <= MU_EXTRA_BYTES_MAX);
        MU_ASSERT(!memchr(strings.ssid, '\0', (size_t)(strings.extra - strings.ssid)));
        MU_ASSERT(!(record->present & MU_FIELD_SEQ) || record->seq >= 1);
        check_extra(record, strings.extra);
}

static inline void check_problem(const struct mu_wire_problem *problem)
{
        MU_ASSERT(problem->reason < MU_REASON_COUNT);
        MU_ASSERT(problem->status == 400 || problem->status == 413);
        MU_ASSERT(strlen(problem->type) > 0 && strlen(problem->detail) > 0);
        MU_ASSERT(!problem->field || strlen(problem->field) < 64);
}

#endif
