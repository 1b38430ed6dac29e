/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock_sync.h - the appliance's time, from its replies' server_time: what command windows are
 * judged by. Not the device's clock set right: that stays its owner's.
 *
 * A reply pairs server_time with the monotonic clock, at the middle of the request's way. From then
 * on somebody setting the device's clock changes nothing, nor does a sleep of the machine: the
 * monotonic clock is one that goes on meanwhile, where the platform has it (platform.elapsed).
 * Before the first reply after a start: the device's clock plus the offset that the last run
 * stored.
 *
 * Threads    the core's.
 */
#ifndef MUSTER_AGENT_CORE_CLOCK_SYNC_H
#define MUSTER_AGENT_CORE_CLOCK_SYNC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "core/store.h"

struct mu_agent_clock_sync {
        const struct mu_clock *clock;
        struct mu_agent_store *store;
        uint64_t base_ns; /* monotonic, of the last reply that counted */
        int64_t base_us;  /* the appliance's time then */
        uint64_t round_trip_ns;
        int64_t stored_offset_us; /* appliance - device, as last written down */
        bool synced;              /* in this run */
};

void mu_agent_clock_sync_init(struct mu_agent_clock_sync *sync, const struct mu_clock *clock,
                              struct mu_agent_store *store);
/* sent_ns, received_ns: monotonic. A much slower way than the best of late does not count. Writes
 * the offset down when it has changed by 1 s or more. */
void mu_agent_clock_sync_reply(struct mu_agent_clock_sync *sync, double server_time_s,
                               uint64_t sent_ns, uint64_t received_ns);
/* The appliance's time now, µs since the epoch. */
int64_t mu_agent_clock_sync_now_us(const struct mu_agent_clock_sync *sync);
/* Appliance - device, now. */
int64_t mu_agent_clock_sync_offset_us(const struct mu_agent_clock_sync *sync);

#endif
