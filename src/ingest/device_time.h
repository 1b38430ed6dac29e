/* SPDX-License-Identifier: Apache-2.0 */
/*
 * device_time.h - what time a heartbeat stands for (design §2, Time), and when the next one is due.
 *
 * received_at is ours. Each device has a remembered clock offset, replaced only when the measured
 * one (received_at - sent_at, rounded to 10 s) differs from it by more than 5 minutes, so that a
 * repeat of a heartbeat falls into the bucket of the first.
 *
 * Units      *_us since the Unix epoch; *_s seconds.
 * Threads    plain functions; the remembered offset is the caller's.
 */
#ifndef MUSTER_INGEST_DEVICE_TIME_H
#define MUSTER_INGEST_DEVICE_TIME_H

#include <stdbool.h>
#include <stdint.h>

#include "muster/compiler.h"

enum mu_device_time_limits {
        MU_OFFSET_STEP_S = 10,
        MU_OFFSET_TOLERANCE_S = 300,
};

/* The first bucket after the epoch's own: bucket 0 names nothing. */
#define MU_OBSERVED_AT_US_MIN INT64_C(10000000)

/* How far from received_at an observed_at may lie to be accepted. */
struct mu_time_window {
        int64_t back_us;
        int64_t ahead_us;
};

/* The offset to use from now on, given a request's sent_at (or what stands for it). */
int32_t mu_clock_offset_measure(int32_t remembered_s, int64_t received_at_us, int64_t sent_at_us);

static inline bool mu_time_in_window(const struct mu_time_window *window, int64_t received_at_us,
                                     int64_t observed_at_us)
{
        /* A server whose clock stands at 1970 must not take what has no bucket. */
        return observed_at_us >= MU_OBSERVED_AT_US_MIN &&
               observed_at_us >= received_at_us - window->back_us &&
               observed_at_us <= received_at_us + window->ahead_us;
}

/* The bucket that observed_at (after 1970) falls into. */
int64_t mu_time_bucket_s(int64_t observed_at_us);

/* Seconds until the device's next heartbeat. Every device has a phase of its own within the
 * interval, spread evenly over ids that follow each other (multiples of the golden ratio, Knuth
 * TAOCP 3, 6.4); the answer lies in [interval/2, 3/2 interval) and settles within a second of
 * the phase. Any interval from 1 s. */
uint32_t mu_next_heartbeat_s(int64_t device_id, uint32_t interval_s, int64_t now_us);

#endif
