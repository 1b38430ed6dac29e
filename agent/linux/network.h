/* SPDX-License-Identifier: Apache-2.0 */
/*
 * network.h - is there a way out, over what, and is its first step there?
 *
 *   kernel ─ rtnetlink: links, addresses, routes ─▶ fd ─▶ mu_network_listen_read ─▶ look again
 *   look   /proc/net/route, /proc/net/ipv6_route ─▶ the default route of the lowest metric over a
 *          link that is up ─▶ /sys/class/net: what kind of link
 *
 * A way out is a default route over a link that is up; without one, any other route over such a
 * link that is no bridge (a fleet whose appliance stands in the same network needs no default
 * route). Loopback and link-local routes are none.
 *
 * validated means less than a phone's word: nothing is sent to find it out, least of all to a third
 * party. YES: the kernel has the link address of the route's gateway, or the link needs no gateway.
 * NO: no way out, or nobody answered for the gateway's address. Not known: the kernel has not asked
 * lately, or there is no default route of IPv4. Whether the appliance can be reached is told by the
 * heartbeat that arrives.
 *
 * kind: of the real link below bridges, bonds and VLANs. Tunnels (and PPP, which may be a modem or
 * a DSL line) are left out: the next default route speaks for them, else it is not known.
 *
 * Threads    the loop's. Errors: what can't be read is unknown.
 */
#ifndef MUSTER_AGENT_LINUX_NETWORK_H
#define MUSTER_AGENT_LINUX_NETWORK_H

#include <net/if.h>
#include <stdbool.h>

#include "core/platform.h"
#include "muster/compiler.h"

struct mu_network {
        bool online;
        enum mu_agent_network kind;
        enum mu_agent_maybe validated;
        char interface[IF_NAMESIZE]; /* "": none */
};

void mu_network_look(const char *root, struct mu_network *ret_network);

/* A descriptor of one's own, not blocking. */
MU_MUST_CHECK
int mu_network_listen(int *ret_fd);
/* Takes all that was told; what it says does not matter, only that something did. */
bool mu_network_listen_read(int fd);

#endif
