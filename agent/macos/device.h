/* SPDX-License-Identifier: Apache-2.0 */
/*
 * device.h - what a Mac says of itself: platform.read. Written against Apple's documentation; see
 * README.md for what has been compiled and run (nothing).
 *
 * Told: battery, mains, memory, uptime, boot session, kind of network, the application in front,
 * and as extra user, idle_s, disk_free_mb. Windows and idle time are seen only by an agent in the
 * user's own session (a LaunchAgent). Not told: ssid, for which macOS wants the user's leave to
 * know the place; net_validated.
 *
 * Threads    the loop's. Errors: what can't be read is unknown, never an error.
 */
#ifndef MUSTER_AGENT_MACOS_DEVICE_H
#define MUSTER_AGENT_MACOS_DEVICE_H

#include <stdbool.h>

#include "core/platform.h"

struct mu_macos_device {
        const struct mu_clock *clock;
        const char *state_directory; /* its volume's free space is told */
        char boot_id[MU_AGENT_BOOT_ID_BYTES];
        char monitored[MU_AGENT_PACKAGE_BYTES]; /* whom the next one is about */
        bool was_in_front;
        uint64_t in_front_ns;
};

void mu_macos_device_init(struct mu_macos_device *ret_device, const struct mu_clock *clock,
                          const char *state_directory);
void mu_macos_device_read(struct mu_macos_device *device, const char *monitored,
                          struct mu_agent_readings *ret_readings);

/* network.c: of the interface that traffic leaves by. */
enum mu_agent_network mu_macos_network(void);
/* session.c: the bundle identifier in front ("com.apple.Safari"); the user at the screen; for how
 * long nobody touched it, -1: unknown. */
void mu_macos_foreground(char ret_package[MU_AGENT_PACKAGE_BYTES]);
void mu_macos_user(char *ret_name, size_t room);
int64_t mu_macos_idle_s(void);

#endif
