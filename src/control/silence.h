/* SPDX-License-Identifier: Apache-2.0 */
/*
 * silence.h - for how long a device that has not been heard of counts as what.
 *
 *   online  up to 1.5 of its intervals
 *   late    longer, up to 12 minutes or to two intervals and 2 minutes, whichever is longer
 *   silent  longer than that
 *
 * One place for lists, counts and the console (lib/device-status.ts), so that they agree.
 * Units: seconds. Threads: any. Errors: none.
 */
#ifndef MUSTER_CONTROL_SILENCE_H
#define MUSTER_CONTROL_SILENCE_H

#include <stdint.h>

static inline uint32_t mu_silence_online_s(uint32_t interval_s)
{
        return interval_s + interval_s / 2;
}

static inline uint32_t mu_silence_late_s(uint32_t interval_s)
{
        const uint32_t least_s = 12 * 60;
        const uint32_t grace_s = 2 * 60;
        uint32_t late_s = 2 * interval_s + grace_s;

        return late_s > least_s ? late_s : least_s;
}

#endif
