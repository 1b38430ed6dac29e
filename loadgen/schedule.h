/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schedule.h - when what is to be sent: a pacer for a fixed rate, a heap for one moment per device.
 *
 * Units      _ns monotonic. Threads: one worker's. Ownership: init/done.
 * Errors     -ENOMEM from init; the rest cannot fail within the given size.
 */
#ifndef LOADGEN_SCHEDULE_H
#define LOADGEN_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

#include "muster/compiler.h"

/* The k-th request of the run is due at start + k / rate; worker w of n has k = w, w + n, ... */
struct mu_lg_pacer {
        uint64_t rate;
        uint64_t first;
        uint64_t step;
        uint64_t noticed; /* of this worker's: so many have become due */
        uint64_t taken;   /* so many have been sent */
};

void mu_lg_pacer_init(struct mu_lg_pacer *pacer, uint64_t rate, uint32_t workers, uint32_t index);
/* Exact for any k: no rounding adds up. */
uint64_t mu_lg_pacer_due(const struct mu_lg_pacer *pacer, uint64_t start_ns, uint64_t k);

/* How much of total falls to worker index. */
uint64_t mu_lg_share(uint64_t total, uint32_t workers, uint32_t index);

struct mu_lg_due {
        uint64_t at_ns;
        uint32_t device;
};

/* A binary heap, the earliest first; each device at most once. */
struct mu_lg_schedule {
        struct mu_lg_due *heap;
        uint32_t count;
        uint32_t capacity;
};

MU_MUST_CHECK
int mu_lg_schedule_init(struct mu_lg_schedule *schedule, uint32_t capacity);
void mu_lg_schedule_done(struct mu_lg_schedule *schedule);
void mu_lg_schedule_add(struct mu_lg_schedule *schedule, uint64_t at_ns, uint32_t device);
/* When the earliest is due; MU_LG_NEVER when empty. */
uint64_t mu_lg_schedule_next_ns(const struct mu_lg_schedule *schedule);
/* The earliest, removed. Not on an empty one. */
struct mu_lg_due mu_lg_schedule_take(struct mu_lg_schedule *schedule);

#endif
