/* SPDX-License-Identifier: Apache-2.0 */
#include "core/clock_sync.h"

#include <stdlib.h>

#include "base/assert.h"
#include "muster/wire.h"

#define FACT_OFFSET "clock_offset_us"

enum {
        DRIFT_PPM = 200,   /* between two crystals, generously */
        JITTER_MS = 20,    /* of a way that is as good as ever */
        SLOWER_TIMES = 2,  /* what still counts */
        OFFSET_STEP_S = 1, /* worth a write */
};

void mu_agent_clock_sync_init(struct mu_agent_clock_sync *sync, const struct mu_clock *clock,
                              struct mu_agent_store *store)
{
        int64_t offset_us = 0;

        /* Never set, or not to be read: the device's clock as it is, until the first reply. */
        if (mu_agent_store_get_number(store, FACT_OFFSET, &offset_us) < 0)
                offset_us = 0;
        *sync = (struct mu_agent_clock_sync){
                .clock = clock, .store = store, .stored_offset_us = offset_us};
}

static int64_t at_us(const struct mu_agent_clock_sync *sync, uint64_t mono_ns)
{
        return sync->base_us + (int64_t)(mono_ns - sync->base_ns) / MU_NS_PER_US;
}

/* Is this reply's word better than what is known, or does it prove that what is known is wrong? The
 * appliance's time lies within half a way of it. The second happens when the machine has slept
 * without its monotonic clock, or the appliance's own clock was set. */
static bool counts(const struct mu_agent_clock_sync *sync, int64_t server_us, uint64_t middle_ns,
                   uint64_t round_trip_ns)
{
        if (!sync->synced)
                return true;
        if (middle_ns < sync->base_ns) /* overtaken by a later one */
                return false;
        uint64_t drift_ns = (middle_ns - sync->base_ns) / 1000000 * DRIFT_PPM;
        uint64_t known_ns = sync->round_trip_ns + 2 * drift_ns + JITTER_MS * (uint64_t)MU_NS_PER_MS;

        if (round_trip_ns <= SLOWER_TIMES * known_ns)
                return true;
        int64_t apart_us = llabs(server_us - at_us(sync, middle_ns));

        return (uint64_t)apart_us > (round_trip_ns + known_ns) / 2 / (uint64_t)MU_NS_PER_US;
}

void mu_agent_clock_sync_reply(struct mu_agent_clock_sync *sync, double server_time_s,
                               uint64_t sent_ns, uint64_t received_ns)
{
        /* Written so that NaN fails too. */
        if (!(server_time_s > 0 && server_time_s < (double)MU_TS_S_END) || received_ns < sent_ns)
                return;
        int64_t server_us = (int64_t)(server_time_s * (double)MU_US_PER_S + 0.5);
        uint64_t round_trip_ns = received_ns - sent_ns;
        uint64_t middle_ns = sent_ns + round_trip_ns / 2;

        if (!counts(sync, server_us, middle_ns, round_trip_ns))
                return;
        sync->base_ns = middle_ns;
        sync->base_us = server_us;
        sync->round_trip_ns = round_trip_ns;
        sync->synced = true;

        int64_t offset_us = mu_agent_clock_sync_offset_us(sync);

        /* Not written: the next reply tries again. */
        if (llabs(offset_us - sync->stored_offset_us) >= OFFSET_STEP_S * MU_US_PER_S &&
            mu_agent_store_set_number(sync->store, FACT_OFFSET, offset_us) == 0)
                sync->stored_offset_us = offset_us;
}

int64_t mu_agent_clock_sync_now_us(const struct mu_agent_clock_sync *sync)
{
        if (!sync->synced)
                return mu_clock_realtime_us(sync->clock) + sync->stored_offset_us;
        return at_us(sync, mu_clock_monotonic_ns(sync->clock));
}

int64_t mu_agent_clock_sync_offset_us(const struct mu_agent_clock_sync *sync)
{
        if (!sync->synced)
                return sync->stored_offset_us;
        return mu_agent_clock_sync_now_us(sync) - mu_clock_realtime_us(sync->clock);
}
