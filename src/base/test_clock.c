/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test_clock.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "muster/compiler.h"

struct shift {
        _Atomic int64_t monotonic_ns;
        _Atomic int64_t realtime_us;
        _Atomic int64_t looks;
};

static uint64_t monotonic_ns(void *context)
{
        struct shift *shift = context;

        return mu_clock_monotonic_ns(mu_clock_system()) +
               (uint64_t)atomic_load_explicit(&shift->monotonic_ns, memory_order_acquire);
}

static uint64_t boottime_ns(void *context)
{
        struct shift *shift = context;

        return mu_clock_monotonic_ns(mu_clock_boottime()) +
               (uint64_t)atomic_load_explicit(&shift->monotonic_ns, memory_order_acquire);
}

static int64_t realtime_us(void *context)
{
        struct shift *shift = context;

        return mu_clock_realtime_us(mu_clock_system()) +
               atomic_load_explicit(&shift->realtime_us, memory_order_acquire);
}

static struct shift *map_shift(const char *path)
{
        int fd = open(path, O_RDWR | O_CLOEXEC);
        struct stat info;
        void *map = MAP_FAILED;

        if (fd >= 0 && fstat(fd, &info) == 0 && info.st_size >= (off_t)sizeof(struct shift))
                map = mmap(NULL, sizeof(struct shift), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (map == MAP_FAILED) {
                (void)fprintf(stderr, "MUSTER_TEST_CLOCK: %s holds no three integers.\n", path);
                abort();
        }
        (void)close(fd);
        return map;
}

const struct mu_clock *mu_test_clock(void)
{
        static struct mu_clock clock = {.monotonic_ns = monotonic_ns, .realtime_us = realtime_us};
        const char *path = getenv("MUSTER_TEST_CLOCK");

        if (!path)
                return mu_clock_system();
        if (!clock.context)
                clock.context = map_shift(path);
        return &clock;
}

const struct mu_clock *mu_test_clock_boottime(void)
{
        static struct mu_clock clock = {.monotonic_ns = boottime_ns, .realtime_us = realtime_us};
        const struct mu_clock *shifted = mu_test_clock();

        if (shifted == mu_clock_system())
                return mu_clock_boottime();
        clock.context = shifted->context;
        return &clock;
}

void mu_test_clock_looked(const struct mu_clock *clock)
{
        struct shift *shift = clock->context;

        if (clock->monotonic_ns == monotonic_ns)
                atomic_fetch_add_explicit(&shift->looks, 1, memory_order_release);
}
