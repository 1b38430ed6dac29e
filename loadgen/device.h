/* SPDX-License-Identifier: Apache-2.0 */
/*
 * device.h - the simulated fleet: identities, the file that keeps them, and what was acknowledged.
 *
 * A heartbeat is stored as new only when its (device, 10-second bucket) is: so every device
 * remembers the newest bucket it ever used, in this run and in those before (the file keeps it),
 * and each heartbeat claims the next. Buckets begin 6 days back and may not pass the present:
 * 51,840 a device.
 *
 *        start - 6 days                                            now
 *             |------------------------------------------------------|
 *      run 1  [past.........]
 *      run 2                 [past....]        <- begins after the newest used
 *      run 3                                   [live.. ] <- steady, storm: real time; the past ends
 *                                                           before it
 *
 * Units      bucket: epoch seconds / 10.
 * Threads    A device belongs to one worker while a run lasts; load, save and verify run outside
 * it. Ownership  The fleet owns devices and marks. The file is locked from open to close. Errors
 * negative errno, with a sentence in the fleet's error buffer.
 */
#ifndef LOADGEN_DEVICE_H
#define LOADGEN_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "muster/command.h"
#include "muster/compiler.h"

#define MU_LG_TOKEN_MAX 63u
#define MU_LG_BUCKET_S 10u
#define MU_LG_BACK_BUCKETS (6u * 86400u / MU_LG_BUCKET_S)
#define MU_LG_ERROR_BYTES 512u

/* Two bits per bucket of this run, from the first one used on. */
struct mu_lg_marks {
        uint32_t first_bucket; /* 0: nothing marked */
        uint32_t buckets_max;  /* room, a multiple of 64 */
        uint64_t *sent;        /* sent[0..n), then acknowledged[0..n) */
};

struct mu_lg_device {
        uint64_t id;            /* 0: not registered */
        uint32_t bucket_newest; /* of the past ones, handed out upward from 6 days back */
        uint32_t live_first;    /* of the real-time ones: the past ends before it; 0: none */
        uint32_t live_newest;
        uint32_t seq;
        uint32_t flags;
        uint8_t token_bytes;
        char token[MU_LG_TOKEN_MAX];
        struct mu_command_key key; /* version 0: not known */
        struct mu_lg_marks marks;
};

#define MU_LG_DEVICE_REFUSED 1u /* 401 or 410: sends no more */
#define MU_LG_DEVICE_BUSY 2u    /* has a request under way (device-bound scenarios) */

struct mu_lg_fleet {
        struct mu_lg_device *devices;
        uint32_t count;
        uint32_t kept_count; /* further ones of the file, not used in this run, written back */
        uint32_t loaded_count;
        uint32_t first_bucket; /* start of run - 6 days */
        bool unclean;          /* the last run did not write its buckets back */
        int lock_fd;
        char *path; /* NULL: not kept */
        char error[MU_LG_ERROR_BYTES];
};

/* Reads the file (a missing one is an empty fleet) for the server named by base_url and makes room
 * for count devices. path NULL keeps nothing. */
MU_MUST_CHECK
int mu_lg_fleet_open(struct mu_lg_fleet *fleet, const char *path, const char *base_url,
                     uint32_t count);

/* Writes the file anew, atomically, mode 0600. running marks it unclean. */
MU_MUST_CHECK
int mu_lg_fleet_save(struct mu_lg_fleet *fleet, const char *base_url, bool running);
void mu_lg_fleet_close(struct mu_lg_fleet *fleet);

/* The next past bucket of the device, within bucket_min..bucket_max; 0 when there is none. */
static inline uint32_t mu_lg_device_claim(struct mu_lg_device *device, uint32_t bucket_min,
                                          uint32_t bucket_max)
{
        uint32_t bucket = device->bucket_newest + 1;

        if (bucket < bucket_min)
                bucket = bucket_min;
        if (bucket > bucket_max || (device->live_first && bucket >= device->live_first))
                return 0;
        device->bucket_newest = bucket;
        return bucket;
}

/* The bucket of real time; 0 when the device has used it. */
static inline uint32_t mu_lg_device_claim_live(struct mu_lg_device *device, uint32_t bucket)
{
        if (bucket <= device->live_newest || bucket <= device->bucket_newest)
                return 0;
        device->live_newest = bucket;
        if (device->live_first == 0)
                device->live_first = bucket;
        return bucket;
}

/* -ENOMEM when the bitmap can't grow. */
MU_MUST_CHECK
int mu_lg_marks_sent(struct mu_lg_marks *marks, uint32_t bucket);
/* The bucket was marked as sent before. */
void mu_lg_marks_acknowledged(struct mu_lg_marks *marks, uint32_t bucket);
bool mu_lg_marks_is_sent(const struct mu_lg_marks *marks, uint32_t bucket);
bool mu_lg_marks_is_acknowledged(const struct mu_lg_marks *marks, uint32_t bucket);
void mu_lg_marks_done(struct mu_lg_marks *marks);

#endif
