/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backoff.h - exponential backoff with full jitter.
 *
 * The n-th wait is uniform in 0..min(cap, base * 2^n): what keeps a fleet of retriers from
 * marching in step (Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015).
 *
 * Units      ms. Threads: one per backoff. Errors: none.
 */
#ifndef MUSTER_BASE_BACKOFF_H
#define MUSTER_BASE_BACKOFF_H

#include <stdint.h>

#include "base/random.h"

struct mu_backoff {
        uint32_t base_ms; /* >= 1 */
        uint32_t cap_ms;  /* >= base_ms */
        uint32_t tries;   /* waits given since the last reset */
};

void mu_backoff_init(struct mu_backoff *backoff, uint32_t base_ms, uint32_t cap_ms);
uint32_t mu_backoff_next_ms(struct mu_backoff *backoff, struct mu_random *random);
void mu_backoff_reset(struct mu_backoff *backoff); /* after a success */

#endif
