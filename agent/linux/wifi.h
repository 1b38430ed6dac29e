/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wifi.h - the name of the wireless network, from the kernel's nl80211 (generic netlink). Needs no
 * privilege. "" where the kernel has no nl80211, the link is no station, or nothing is joined.
 *
 * Threads    any. Blocking: for the kernel's own answer only, 200 ms at most.
 */
#ifndef MUSTER_AGENT_LINUX_WIFI_H
#define MUSTER_AGENT_LINUX_WIFI_H

#include <stddef.h>

#include "core/platform.h"

void mu_wifi_ssid(const char *interface, char ret_ssid[MU_AGENT_SSID_BYTES]);

/* The payload of one attribute of a generic netlink message, as the kernel sends it; NULL: it has
 * none, or is broken off. */
const void *mu_wifi_attribute(const void *message, size_t bytes, unsigned short type,
                              size_t *ret_bytes);

#endif
