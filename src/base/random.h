/* SPDX-License-Identifier: Apache-2.0 */
/*
 * random.h - secret randomness from the kernel, and a fast seeded generator for everything else.
 *
 * The generator is xoshiro256** (Blackman and Vigna, "Scrambled Linear Pseudorandom Number
 * Generators", 2021), seeded through splitmix64 as its authors advise; bounded numbers by Lemire,
 * "Fast Random Integer Generation in an Interval", 2019. For jitter and simulation, never for
 * secrets: its output tells its state.
 *
 * Threads    mu_random_secret: any. A generator belongs to one thread.
 */
#ifndef MUSTER_BASE_RANDOM_H
#define MUSTER_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

#include "muster/compiler.h"

struct mu_random {
        uint64_t state[4];
};

/* Fills from getrandom(2), on Windows from BCryptGenRandom. 0 or a negative errno. */
MU_MUST_CHECK
int mu_random_secret(void *ret_bytes, size_t bytes);

/* The same seed gives the same numbers, on every machine. */
void mu_random_seed(struct mu_random *random, uint64_t seed);
/* Seeded from the kernel: 0 or a negative errno. */
MU_MUST_CHECK
int mu_random_seed_from_system(struct mu_random *random);

uint64_t mu_random_u64(struct mu_random *random);
uint64_t mu_random_below(struct mu_random *random, uint64_t bound); /* 0..bound-1, bound >= 1 */
double mu_random_unit(struct mu_random *random);                    /* [0, 1), 53 bits */

#endif
