/* SPDX-License-Identifier: Apache-2.0 */
/*
 * live_facts.h - how many devices are where.
 *
 *   online, late, silent  control/silence.h
 *   never                 has not reported yet
 *
 * Heard of: any request whose token resolved, whatever the answer; before the first one since the
 * start, what the image says. So PostgreSQL being away makes nobody silent.
 *
 * Units      *_ms: monotonic. Threads: any. Errors: none.
 */
#ifndef MUSTER_CONTROL_LIVE_FACTS_H
#define MUSTER_CONTROL_LIVE_FACTS_H

#include <stdint.h>

#include "control/live/live_hub.h"

struct mu_clock;
struct mu_device_table;

/* Adds to ret_facts' counts, which begin as 0, and sets the fleet's interval. image may be NULL. */
void mu_live_count(const struct mu_device_table *devices, const struct mu_live_image *image,
                   const struct mu_clock *clock, uint32_t fleet_interval_s,
                   struct mu_live_facts *ret_facts);

#endif
