/* SPDX-License-Identifier: Apache-2.0 */
/*
 * device.h - what a Linux machine says of itself, and what it can be told to do: platform.read and
 * platform.act.
 *
 * Paths of /sys, /proc and /etc go through `root`, so that tests bring their own machine.
 *
 * Threads    the loop's. Errors: what can't be read is unknown, never an error.
 */
#ifndef MUSTER_AGENT_LINUX_DEVICE_H
#define MUSTER_AGENT_LINUX_DEVICE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/config.h"
#include "core/platform.h"
#include "muster/compiler.h"

struct mu_device; /* collectors: battery, memory, network, session, foreground */

struct mu_device_options {
        const char *root; /* "" in life */
        const struct mu_clock *clock;
        const struct mu_agent_config *config;
        const char *state_directory; /* its file system's free space is told */
};

MU_MUST_CHECK
int mu_device_create(const struct mu_device_options *options, struct mu_device **ret_device);
void mu_device_destroy(struct mu_device *device);
void mu_device_read(struct mu_device *device, const char *monitored,
                    struct mu_agent_readings *ret_readings);

/* A descriptor that is readable when the kernel tells of links, addresses or routes (rtnetlink). */
int mu_device_network_fd(const struct mu_device *device);
/* Reads what it told. Is there a way out now (a default route over a link that is up)? */
bool mu_device_network_read(struct mu_device *device);
bool mu_device_is_online(const struct mu_device *device);

/* actions.c: children are followed without blocking. */
struct mu_actions;
MU_MUST_CHECK
int mu_actions_create(const struct mu_device_options *options, struct mu_actions **ret_actions);
void mu_actions_destroy(struct mu_actions *actions);
/* platform.act; context is the mu_actions. */
MU_MUST_CHECK
int mu_actions_run(void *actions, const struct mu_agent_action *action, mu_agent_action_fn *done,
                   void *done_context);
/* A descriptor (epoll) that is readable when a child has something to say or ended; and that. */
int mu_actions_fd(const struct mu_actions *actions);
void mu_actions_look(struct mu_actions *actions);

#endif
