/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <stddef.h>
#include <time.h>

#include "base/assert.h"

static uint64_t system_monotonic_ns(void *context)
{
        struct timespec now;

        (void)context;
        MU_ASSERT(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
        return (uint64_t)now.tv_sec * MU_NS_PER_S + (uint64_t)now.tv_nsec;
}

static int64_t system_realtime_us(void *context)
{
        struct timespec now;

        (void)context;
        MU_ASSERT(clock_gettime(CLOCK_REALTIME, &now) == 0);
        return (int64_t)now.tv_sec * MU_US_PER_S + (int64_t)now.tv_nsec / MU_NS_PER_US;
}

#ifdef CLOCK_BOOTTIME
static uint64_t system_boottime_ns(void *context)
{
        struct timespec now;

        (void)context;
        MU_ASSERT(clock_gettime(CLOCK_BOOTTIME, &now) == 0);
        return (uint64_t)now.tv_sec * MU_NS_PER_S + (uint64_t)now.tv_nsec;
}
#else
#define system_boottime_ns system_monotonic_ns
#endif

const struct mu_clock *mu_clock_system(void)
{
        static const struct mu_clock system_clock = {
                .monotonic_ns = system_monotonic_ns,
                .realtime_us = system_realtime_us,
        };

        return &system_clock;
}

const struct mu_clock *mu_clock_boottime(void)
{
        static const struct mu_clock boottime_clock = {
                .monotonic_ns = system_boottime_ns,
                .realtime_us = system_realtime_us,
        };

        return &boottime_clock;
}
