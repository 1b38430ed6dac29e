/* SPDX-License-Identifier: Apache-2.0 */
/*
 * device.h - what a Windows machine says of itself: platform.read.
 *
 * Told: battery, mains, memory, uptime, kind of network, the program whose window is in front, and
 * as extra user, idle_s, disk_free_mb. Windows and sessions are seen only from inside of the user's
 * own session. Not told: ssid, net_validated.
 *
 * Threads    the loop's. Errors: what can't be read is unknown, never an error.
 */
#ifndef MUSTER_AGENT_WINDOWS_DEVICE_H
#define MUSTER_AGENT_WINDOWS_DEVICE_H

#include <stdbool.h>

#include "core/platform.h"

struct mu_windows_device {
        const struct mu_clock *clock;
        const char *state_directory; /* its volume's free space is told */
        char boot_id[MU_AGENT_BOOT_ID_BYTES];
        char monitored[MU_AGENT_PACKAGE_BYTES]; /* whom the next one is about */
        bool was_in_front;
        uint64_t in_front_ns;
};

void mu_windows_device_init(struct mu_windows_device *ret_device, const struct mu_clock *clock,
                            const char *state_directory);
void mu_windows_device_read(struct mu_windows_device *device, const char *monitored,
                            struct mu_agent_readings *ret_readings);

/* network.c: of the way out with the best metric. OFFLINE: there is none; UNKNOWN: it has a kind
 * of its own, or Windows did not tell. */
enum mu_agent_network mu_windows_network(void);

#endif
