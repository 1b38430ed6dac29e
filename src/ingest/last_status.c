/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/last_status.h"

#include "base/assert.h"

bool mu_last_status_next(const struct mu_store_request *request, uint32_t *at,
                         struct mu_last_status *ret_status)
{
        MU_ASSERT(request->batch->sealed);
        const struct mu_batch_entry *entries = request->batch->entries;
        uint32_t end = request->first + request->count;
        struct mu_last_status status = {0};
        int64_t offset_at_us = 0;

        for (; *at < end; (*at)++) {
                const struct mu_batch_entry *entry = &entries[*at];
                const struct mu_record *record = entry->payload;

                if (entry->verdict != MU_VERDICT_STORE)
                        continue;
                if (status.content && status.content->device_id != entry->device_id)
                        break;
                if (!status.content || record->observed_at_us > status.content->observed_at_us)
                        status.content = record;
                if (entry->received_at_us > status.received_at_us)
                        status.received_at_us = entry->received_at_us;
                if (record->received_at_us >= offset_at_us) {
                        offset_at_us = record->received_at_us;
                        status.clock_offset_s = record->clock_offset_s;
                }
        }
        if (!status.content)
                return false;
        *ret_status = status;
        return true;
}
