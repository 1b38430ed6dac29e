/* SPDX-License-Identifier: Apache-2.0 */
#include "control/live/live_facts.h"

#include "base/clock.h"
#include "control/silence.h"
#include "identity/device_table.h"

struct moment {
        uint64_t now_ms;
        int64_t now_us;
};

/* Whether it was ever heard of, and how long ago. */
static bool age_of(const struct mu_device *device, const struct mu_live_image *image,
                   const struct moment *moment, uint64_t *ret_age_ms)
{
        uint64_t stamp_ms = atomic_load_explicit(&device->stamp_ms, memory_order_relaxed);

        if (stamp_ms > 0) {
                *ret_age_ms = moment->now_ms > stamp_ms ? moment->now_ms - stamp_ms : 0;
                return true;
        }
        uint32_t slot = image ? mu_live_image_slot(image, device->id) : MU_LIVE_NO_SLOT;

        if (slot == MU_LIVE_NO_SLOT || image->rows[slot].received_at_us == 0) {
                *ret_age_ms = UINT64_MAX;
                return atomic_load_explicit(&device->seen, memory_order_relaxed);
        }
        int64_t age_us = moment->now_us - image->rows[slot].received_at_us;

        *ret_age_ms = age_us > 0 ? (uint64_t)(age_us / MU_US_PER_MS) : 0;
        return true;
}

static void count_one(const struct mu_device *device, const struct mu_live_image *image,
                      const struct moment *moment, uint32_t fleet_interval_s,
                      struct mu_live_facts *facts)
{
        uint32_t own_s = atomic_load_explicit(&device->interval_s, memory_order_relaxed);
        uint32_t interval_s = own_s ? own_s : fleet_interval_s;
        uint64_t age_ms;

        if (!age_of(device, image, moment, &age_ms))
                facts->never++;
        else if (age_ms > mu_silence_late_s(interval_s) * (uint64_t)MU_MS_PER_S)
                facts->silent++;
        else if (age_ms > mu_silence_online_s(interval_s) * (uint64_t)MU_MS_PER_S)
                facts->late++;
        else
                facts->online++;
}

static void note_quarantined(int64_t device_id, const struct mu_live_image *image,
                             struct mu_live_facts *facts)
{
        uint32_t slot = image ? mu_live_image_slot(image, device_id) : MU_LIVE_NO_SLOT;

        facts->quarantined++;
        if (slot != MU_LIVE_NO_SLOT && !image->rows[slot].quarantined &&
            facts->unknown_count < MU_LIVE_UNKNOWN_MAX)
                facts->unknown[facts->unknown_count++] = device_id;
}

void mu_live_count(const struct mu_device_table *devices, const struct mu_live_image *image,
                   const struct mu_clock *clock, uint32_t fleet_interval_s,
                   struct mu_live_facts *ret_facts)
{
        const struct moment moment = {
                .now_ms = mu_clock_monotonic_ns(clock) / (uint64_t)MU_NS_PER_MS,
                .now_us = mu_clock_realtime_us(clock),
        };
        uint32_t count = mu_device_table_count(devices);

        ret_facts->heartbeat_interval_s = fleet_interval_s;
        for (uint32_t i = 0; i < count; i++) {
                const struct mu_device *device = mu_device_table_at(devices, i);
                enum mu_device_state state = mu_device_state(device);

                if (state != MU_DEVICE_LIVE && state != MU_DEVICE_QUARANTINED)
                        continue;
                ret_facts->devices++;
                if (state == MU_DEVICE_QUARANTINED)
                        note_quarantined(device->id, image, ret_facts);
                count_one(device, image, &moment, fleet_interval_s, ret_facts);
        }
}
