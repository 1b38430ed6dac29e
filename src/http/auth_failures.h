/* SPDX-License-Identifier: Apache-2.0 */
/*
 * auth_failures.h - too many failed authentications from one address are answered 429.
 *
 * Only failures count, and only a request that failed (or is about to try a password) is asked
 * about: a valid device token is never limited, however many devices share its address. IPv6
 * addresses count by /64. The window slides: last window's count fades out linearly.
 *
 * The table is fixed and lock-free: one word of identity (a keyed hash of the address) and one
 * word of counts per entry, in sets of 8; a full set forgets the address that failed longest ago.
 * A lost race costs one count, never a wrong address.
 *
 * Units      *_s; now_ns monotonic.
 * Threads    note, blocked: any. create, destroy: while nobody else uses it.
 * Errors     -EINVAL, -ENOMEM, what getrandom gave.
 */
#ifndef MUSTER_HTTP_AUTH_FAILURES_H
#define MUSTER_HTTP_AUTH_FAILURES_H

#include <stdbool.h>
#include <stdint.h>

#include "muster/compiler.h"

/* IPv6, or IPv4 as ::ffff:a.b.c.d. */
struct mu_address {
        uint8_t bytes[16];
};

#define MU_ADDRESS_ANY ((struct mu_address){{0}})

struct mu_auth_failures;

struct mu_auth_failures_config {
        uint32_t window_s;      /* 1..3600 */
        uint32_t failures_max;  /* within a window; 0: never blocked */
        uint32_t addresses_max; /* rounded up to a power of two, at least 64 */
};

MU_MUST_CHECK
int mu_auth_failures_create(const struct mu_auth_failures_config *config,
                            struct mu_auth_failures **ret_table);
/* Another one with the same limits, for failures that are to be counted by themselves. */
MU_MUST_CHECK
int mu_auth_failures_create_like(const struct mu_auth_failures *table,
                                 struct mu_auth_failures **ret_table);
void mu_auth_failures_destroy(struct mu_auth_failures *table); /* NULL is a no-op */

void mu_auth_failures_note(struct mu_auth_failures *table, struct mu_address address,
                           uint64_t now_ns);
/* 0: not blocked; otherwise seconds for Retry-After. */
uint32_t mu_auth_failures_blocked(const struct mu_auth_failures *table, struct mu_address address,
                                  uint64_t now_ns);
uint64_t mu_auth_failures_noted(const struct mu_auth_failures *table); /* since create */
uint64_t mu_auth_failures_evicted(const struct mu_auth_failures *table);

/* "192.0.2.1" or "2001:db8::1" into text, which has MU_ADDRESS_TEXT_BYTES (46). */
void mu_address_format(struct mu_address address, char *text);

#endif
