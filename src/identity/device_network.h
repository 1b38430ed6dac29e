/* SPDX-License-Identifier: Apache-2.0 */
/*
 * device_network.h - where a device reports from: one word, and the range that it has in common
 * with its neighbours.
 *
 *   0                 not known
 *   1                 ::1
 *   2^32 | IPv4       the address
 *   2^33 and more     the first 64 bits of an IPv6 address (smaller ones are reserved: not known)
 *
 * Threads: any. Errors: none.
 */
#ifndef MUSTER_IDENTITY_DEVICE_NETWORK_H
#define MUSTER_IDENTITY_DEVICE_NETWORK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "http/auth_failures.h"
#include "identity/device_table.h"

enum { MU_NETWORK_TEXT_BYTES = 50 }; /* the longest address, "/64" and NUL */

uint64_t mu_network_of(const struct mu_address *address);

/* "203.0.113.7", "2001:db8:1:2::/64", "::1". False when it is not known. */
bool mu_network_text(uint64_t network, char ret_text[MU_NETWORK_TEXT_BYTES]);

/* Whose outage would be one: "203.0.113.0/24", "2001:db8:1::/48", "127.0.0.0/8", "::1/128". False
 * when it is not known. */
bool mu_network_group(uint64_t network, char ret_text[MU_NETWORK_TEXT_BYTES]);

/* A request came from there. A device that stays where it is costs no store. */
static inline void mu_device_note_network(struct mu_device *device, uint64_t network)
{
        if (network != 0 && atomic_load_explicit(&device->network, memory_order_relaxed) != network)
                atomic_store_explicit(&device->network, network, memory_order_relaxed);
}

#endif
