/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/device_time.h"

#include "base/assert.h"
#include "base/clock.h"
#include "muster/record.h"

static int64_t round_to(int64_t value, int64_t step)
{
        int64_t half = value < 0 ? -step / 2 : step / 2;

        return (value + half) / step * step;
}

int32_t mu_clock_offset_measure(int32_t remembered_s, int64_t received_at_us, int64_t sent_at_us)
{
        MU_ASSERT(remembered_s % MU_OFFSET_STEP_S == 0);
        int64_t measured_s =
                round_to(received_at_us - sent_at_us, MU_OFFSET_STEP_S * MU_US_PER_S) / MU_US_PER_S;
        int64_t differs_s = measured_s - remembered_s;

        if (differs_s >= -MU_OFFSET_TOLERANCE_S && differs_s <= MU_OFFSET_TOLERANCE_S)
                return remembered_s;
        /* ts lies within 1970..2100, so only a server clock gone astray can leave 32 bits. */
        if (measured_s < INT32_MIN + MU_OFFSET_STEP_S || measured_s > INT32_MAX - MU_OFFSET_STEP_S)
                return remembered_s;
        return (int32_t)measured_s;
}

int64_t mu_time_bucket_s(int64_t observed_at_us)
{
        MU_ASSERT(observed_at_us > 0);
        int64_t observed_at_s = observed_at_us / MU_US_PER_S;

        return observed_at_s - observed_at_s % MU_BUCKET_S;
}

uint32_t mu_next_heartbeat_s(int64_t device_id, uint32_t interval_s, int64_t now_us)
{
        MU_ASSERT(interval_s > 0 && now_us > 0);
        uint64_t interval_ms = (uint64_t)interval_s * MU_MS_PER_S;
        uint64_t least_ms = ((uint64_t)interval_s + 1) / 2 * MU_MS_PER_S;
        uint64_t turn = (uint64_t)device_id * UINT64_C(0x9e3779b97f4a7c15);
        uint64_t phase_ms = (uint64_t)(((unsigned __int128)turn * interval_ms) >> 64);
        uint64_t at_ms = (uint64_t)(now_us / MU_US_PER_MS) % interval_ms;
        uint64_t until_ms = (phase_ms + interval_ms - at_ms) % interval_ms;

        if (until_ms < least_ms)
                until_ms += interval_ms;
        /* Whole seconds, cut: half a second early every time is still the same phase. */
        return (uint32_t)(until_ms / MU_MS_PER_S);
}
