/* SPDX-License-Identifier: Apache-2.0 */
/* fake_clock.h - a clock that stands still until the test moves it. */
#ifndef MUSTER_TESTS_UNIT_BASE_FAKE_CLOCK_H
#define MUSTER_TESTS_UNIT_BASE_FAKE_CLOCK_H

#include "base/clock.h"

struct fake_clock {
        struct mu_clock clock;
        uint64_t monotonic_ns;
        int64_t realtime_us;
};

static inline uint64_t fake_monotonic_ns(void *context)
{
        return ((struct fake_clock *)context)->monotonic_ns;
}

static inline int64_t fake_realtime_us(void *context)
{
        return ((struct fake_clock *)context)->realtime_us;
}

static inline void fake_clock_init(struct fake_clock *fake, int64_t realtime_us)
{
        *fake = (struct fake_clock){
                .clock = {.monotonic_ns = fake_monotonic_ns,
                          .realtime_us = fake_realtime_us,
                          .context = fake},
                .monotonic_ns = 1000 * (uint64_t)MU_NS_PER_S,
                .realtime_us = realtime_us,
        };
}

static inline void fake_clock_advance_ms(struct fake_clock *fake, int64_t ms)
{
        fake->monotonic_ns += (uint64_t)(ms * MU_NS_PER_MS);
        fake->realtime_us += ms * MU_US_PER_MS;
}

#endif
