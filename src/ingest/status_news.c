/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/status_news.h"

#include <string.h>

#include "base/assert.h"
#include "ingest/last_status.h"
#include "muster/record.h"

enum { EVENTS_MAX = 64 }; /* published at a time */

static void copy_strings(struct mu_bus_status *status, const struct mu_record *record)
{
        struct mu_record_strings strings;

        if (record->fg_package_bytes + record->agent_version_bytes > sizeof(status->strings)) {
                status->cut = true;
                return;
        }
        mu_record_strings(record, &strings);
        status->fg_package_bytes = record->fg_package_bytes;
        status->agent_version_bytes = record->agent_version_bytes;
        memcpy(status->strings, strings.fg_package, record->fg_package_bytes);
        memcpy(status->strings + record->fg_package_bytes, strings.agent_version,
               record->agent_version_bytes);
}

static void make_event(struct mu_bus_event *event, const struct mu_last_status *status)
{
        const struct mu_record *record = status->content;

        *event = (struct mu_bus_event){
                .kind = MU_BUS_STATUS,
                .device_id = record->device_id,
                .as.status = {.received_at_us = status->received_at_us,
                              .observed_at_us = record->observed_at_us,
                              .monitored_last_fg_s = record->monitored_last_fg_s,
                              .queue_depth = record->queue_depth,
                              .clock_offset_s = record->clock_offset_s,
                              .present = record->present,
                              .flags = record->flags,
                              .booleans = record->booleans,
                              .battery_percent = record->battery_percent,
                              .network = record->network},
        };
        copy_strings(&event->as.status, record);
}

void mu_status_news_publish(struct mu_bus *bus, const struct mu_store_request *request)
{
        struct mu_bus_event events[EVENTS_MAX];
        struct mu_last_status status;
        uint32_t next = request->first;
        uint32_t count = 0;

        MU_ASSERT(request->batch->sealed);
        if (!mu_bus_watched(bus))
                return;
        while (mu_last_status_next(request, &next, &status)) {
                make_event(&events[count++], &status);
                if (count < EVENTS_MAX)
                        continue;
                mu_bus_publish(bus, events, count);
                count = 0;
        }
        mu_bus_publish(bus, events, count);
}
