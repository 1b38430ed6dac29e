/* SPDX-License-Identifier: Apache-2.0 */
/*
 * live_pulse.h - heartbeats a second of the last five minutes, counted whether or not anybody
 * watches, so that who comes sees where the curve came from.
 *
 *   seqs:  s0 ── 5 s ── s1 ── 5 s ── s2 …   n + 1 readings of the journal make n rates
 *
 * Units      *_ms: monotonic; *_us: since the epoch. Threads: one, the live thread. Errors: none.
 */
#ifndef MUSTER_CONTROL_LIVE_LIVE_PULSE_H
#define MUSTER_CONTROL_LIVE_LIVE_PULSE_H

#include <stdint.h>

#include "base/text.h"

enum {
        MU_LIVE_PULSE_MS = 5000,
        MU_LIVE_PULSE_MAX = 61,
};

struct mu_live_reading {
        uint64_t durable_seq;
        uint64_t at_ms;
        int64_t at_us;
};

struct mu_live_pulse {
        struct mu_live_reading readings[MU_LIVE_PULSE_MAX]; /* a ring */
        uint32_t count;
        uint32_t next;
};

void mu_live_pulse_take(struct mu_live_pulse *pulse, const struct mu_live_reading *reading);
/* Five to ten seconds old; NULL: not yet. */
const struct mu_live_reading *mu_live_pulse_recent(const struct mu_live_pulse *pulse);
/* When the next reading is due. */
uint64_t mu_live_pulse_due_ms(const struct mu_live_pulse *pulse);

/* In tenths: of a small fleet a whole number would be 0 most of the time. */
uint64_t mu_live_pulse_rate(const struct mu_live_reading *from, const struct mu_live_reading *to);
void mu_live_pulse_encode_rate(struct mu_text *text, uint64_t tenths);
/* [[at, heartbeats_per_s], …], oldest first; at: when its five seconds were over. */
void mu_live_pulse_encode(struct mu_text *text, const struct mu_live_pulse *pulse);

#endif
