/* SPDX-License-Identifier: Apache-2.0 */
/*
 * device.h - what a Linux machine says of itself: platform.read, and the kernel's word of its
 * network. What each reading means and where it comes from stands in COLLECTED.md.
 *
 * Paths of /sys, /proc, /run and /tmp/.X11-unix go through `root`, so that tests bring their own
 * machine.
 *
 * Threads    the loop's. Errors: what can't be read is unknown, never an error.
 */
#ifndef MUSTER_AGENT_LINUX_DEVICE_H
#define MUSTER_AGENT_LINUX_DEVICE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/config.h"
#include "core/platform.h"
#include "linux/actions.h"
#include "muster/compiler.h"

struct mu_device; /* collectors: battery, memory, network, session, foreground */

struct mu_device_options {
        const char *root; /* "" in life */
        const struct mu_clock *clock;
        const struct mu_agent_config *config; /* the core's own, which set_config changes; NULL
                                                 until mu_device_use_config */
        const char *state_directory;          /* its file system's free space is told */
};

MU_MUST_CHECK
int mu_device_create(const struct mu_device_options *options, struct mu_device **ret_device);
void mu_device_destroy(struct mu_device *device);
/* config lives as long as the device. */
void mu_device_use_config(struct mu_device *device, const struct mu_agent_config *config);
/* monitored: seen "in front" when its window is (by class), or, of a unit or a program's path, when
 * it runs. monitored_ago_s counts from the last reading that saw it so; -1: none did. */
void mu_device_read(struct mu_device *device, const char *monitored,
                    struct mu_agent_readings *ret_readings);

/* A descriptor that is readable when the kernel tells of links, addresses or routes (rtnetlink); -1
 * where it does not: then each mu_device_read looks. */
int mu_device_network_fd(const struct mu_device *device);
/* Reads what it told. Is there a way out now (network.h)? An appliance on a loopback address can
 * always be reached. */
bool mu_device_network_read(struct mu_device *device);
bool mu_device_is_online(const struct mu_device *device);

#endif
