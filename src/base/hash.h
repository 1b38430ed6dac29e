/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hash.h - two hashes: a mixer for our own integers, SipHash-2-4 for keys that strangers choose.
 *
 * Threads: any. Same result on every machine; stable for ever (lanes and cohorts depend on it).
 */
#ifndef MUSTER_BASE_HASH_H
#define MUSTER_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

struct mu_hash_key {
        uint64_t k0;
        uint64_t k1;
};

/* The finaliser of splitmix64 (Steele, Lea, Flood 2014; constants: Stafford's variant 13). A
 * bijection; 0 maps to 0. Not for keys that a stranger can choose. */
static inline uint64_t mu_hash_u64(uint64_t value)
{
        value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
        return value ^ (value >> 31);
}

/* SipHash-2-4 (Aumasson, Bernstein 2012). key: from mu_random_secret, once per process. */
uint64_t mu_hash_bytes(const struct mu_hash_key *key, const void *data, size_t bytes);

#endif
