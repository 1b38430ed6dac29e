/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock.h - the product's one clock seam.
 *
 * Code that needs the time takes a `const struct mu_clock *`; nothing else calls clock_gettime.
 * The daemon passes mu_clock_system(), the simulator and the tests their own.
 *
 * Units      monotonic: ns since an arbitrary start. realtime: us since 1970-01-01 UTC.
 * Threads    Any, for the system clock; another clock says so itself.
 */
#ifndef MUSTER_BASE_CLOCK_H
#define MUSTER_BASE_CLOCK_H

#include <stdint.h>

#define MU_NS_PER_US INT64_C(1000)
#define MU_NS_PER_MS INT64_C(1000000)
#define MU_NS_PER_S INT64_C(1000000000)
#define MU_US_PER_MS INT64_C(1000)
#define MU_US_PER_S INT64_C(1000000)
#define MU_MS_PER_S INT64_C(1000)
#define MU_S_PER_DAY INT64_C(86400)

struct mu_clock {
        uint64_t (*monotonic_ns)(void *context);
        int64_t (*realtime_us)(void *context);
        void *context;
};

/* CLOCK_MONOTONIC and CLOCK_REALTIME. Never NULL, lives for ever. */
const struct mu_clock *mu_clock_system(void);
/* The same, but its monotonic time goes on while the machine sleeps (CLOCK_BOOTTIME), where the
 * system has such a clock. */
const struct mu_clock *mu_clock_boottime(void);

static inline uint64_t mu_clock_monotonic_ns(const struct mu_clock *clock)
{
        return clock->monotonic_ns(clock->context);
}

static inline int64_t mu_clock_realtime_us(const struct mu_clock *clock)
{
        return clock->realtime_us(clock->context);
}

#endif
