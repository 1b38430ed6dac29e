/* SPDX-License-Identifier: Apache-2.0 */
#include "base/backoff.h"

#include "base/assert.h"

void mu_backoff_init(struct mu_backoff *backoff, uint32_t base_ms, uint32_t cap_ms)
{
        MU_ASSERT(base_ms >= 1 && cap_ms >= base_ms);
        *backoff = (struct mu_backoff){.base_ms = base_ms, .cap_ms = cap_ms};
}

uint32_t mu_backoff_next_ms(struct mu_backoff *backoff, struct mu_random *random)
{
        uint64_t most = backoff->cap_ms;

        /* 32 doublings exceed every cap. */
        if (backoff->tries < 32 && ((uint64_t)backoff->base_ms << backoff->tries) < most)
                most = (uint64_t)backoff->base_ms << backoff->tries;
        if (backoff->tries < 32)
                backoff->tries++;
        return (uint32_t)mu_random_below(random, most + 1);
}

void mu_backoff_reset(struct mu_backoff *backoff)
{
        backoff->tries = 0;
}
