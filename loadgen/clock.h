/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock.h - the generator's shorthand for the two clocks: monotonic for schedules and latencies,
 * wall for `ts`. The generator always runs on the system's clocks.
 */
#ifndef LOADGEN_CLOCK_H
#define LOADGEN_CLOCK_H

#include <stdint.h>

#include "base/clock.h"

#define MU_LG_NS_PER_S UINT64_C(1000000000)
#define MU_LG_NS_PER_MS UINT64_C(1000000)
#define MU_LG_NEVER UINT64_MAX

static inline uint64_t mu_lg_monotonic_ns(void)
{
        return mu_clock_monotonic_ns(mu_clock_system());
}

static inline uint64_t mu_lg_wall_ms(void)
{
        return (uint64_t)mu_clock_realtime_us(mu_clock_system()) / 1000;
}

#endif
