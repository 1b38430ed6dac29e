/* SPDX-License-Identifier: Apache-2.0 */
#include "base/wait.h"

#include <errno.h>
#include <time.h>

#include "base/assert.h"
#include "base/clock.h"

void mu_wait_init(pthread_cond_t *condition)
{
        pthread_condattr_t attributes;

        MU_ASSERT(pthread_condattr_init(&attributes) == 0);
        MU_ASSERT(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
        MU_ASSERT(pthread_cond_init(condition, &attributes) == 0);
        pthread_condattr_destroy(&attributes);
}

uint64_t mu_wait_deadline_ns(uint64_t wait_ms)
{
        return mu_clock_monotonic_ns(mu_clock_system()) + wait_ms * (uint64_t)MU_NS_PER_MS;
}

bool mu_wait_until(pthread_cond_t *condition, pthread_mutex_t *mutex, uint64_t deadline_ns)
{
        struct timespec until = {
                .tv_sec = (time_t)(deadline_ns / (uint64_t)MU_NS_PER_S),
                .tv_nsec = (long)(deadline_ns % (uint64_t)MU_NS_PER_S),
        };
        int err = pthread_cond_timedwait(condition, mutex, &until);

        MU_ASSERT(err == 0 || err == ETIMEDOUT);
        return err == 0;
}
