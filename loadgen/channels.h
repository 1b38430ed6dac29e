/* SPDX-License-Identifier: Apache-2.0 */
/*
 * channels.h - the devices' WebSockets beside a load: each acknowledges and answers its commands,
 * as an agent does, after checking their signatures.
 *
 * One thread with epoll. Plain HTTP only: what is measured is the server's way to the devices.
 *
 * Units      counts; *_ns monotonic.
 * Threads    open, close: the session's. Counts are read after close.
 * Ownership  The fleet is lent until close; only its ids, tokens and keys are read.
 * Errors     negative errno with a sentence in error.
 */
#ifndef LOADGEN_CHANNELS_H
#define LOADGEN_CHANNELS_H

#include <stddef.h>
#include <stdint.h>

#include "device.h"
#include "muster/compiler.h"
#include "url.h"

struct mu_lg_channels;

struct mu_lg_channel_counts {
        uint64_t asked; /* 0: no channels */
        uint64_t opened;
        uint64_t lost; /* closed before the end */
        uint64_t commands;
        uint64_t duplicates;   /* the same id again: a no-op, acknowledged again */
        uint64_t out_of_order; /* a lower id after a higher one */
        uint64_t bad;          /* malformed, of another device, or wrongly signed */
        uint64_t acknowledged; /* answers to acknowledgements */
        uint64_t results;      /* stored */
        uint64_t first_ns;     /* of the first and last command */
        uint64_t last_ns;
};

/* Opens a channel for each of the fleet's devices and returns once all are open. */
MU_MUST_CHECK
int mu_lg_channels_open(const struct mu_lg_url *url, const struct mu_lg_fleet *fleet, char *error,
                        size_t error_bytes, struct mu_lg_channels **ret_channels);
/* Ends the thread and closes all. NULL is a no-op, and leaves counts alone. */
void mu_lg_channels_close(struct mu_lg_channels *channels, struct mu_lg_channel_counts *ret_counts);

#endif
