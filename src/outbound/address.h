/* SPDX-License-Identifier: Apache-2.0 */
/*
 * address.h - is an address one of the public Internet's, or one of a network that an outsider's
 * URL must not lead us into?
 *
 * Not public: loopback, private, link-local, unique local, multicast, unspecified, shared (RFC
 * 6598), and every other block of IANA's special-purpose registries that is not globally reachable;
 * IPv6 outside of 2000::/3. An IPv6 address that carries an IPv4 one (mapped, NAT64, 6to4) is
 * judged by that one; Teredo is never public.
 *
 * Threads: any. Errors: anything but IPv4 and IPv6 is not public.
 */
#ifndef MUSTER_OUTBOUND_ADDRESS_H
#define MUSTER_OUTBOUND_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

bool mu_address_is_public(const struct sockaddr *address);
bool mu_ipv4_is_public(uint32_t host_order);
bool mu_ipv6_is_public(const uint8_t bytes[16]);
/* As text: "203.0.113.9", "2001:db8::1"; anything else is not public. */
bool mu_address_text_is_public(const char *text);

#endif
