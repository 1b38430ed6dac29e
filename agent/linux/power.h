/* SPDX-License-Identifier: Apache-2.0 */
/*
 * power.h - batteries and mains, from /sys/class/power_supply.
 *
 * Several batteries are one: weighted by the energy that each holds when full, or their plain mean
 * where one of them tells percent only. Batteries of mice and headsets (scope Device) do not count.
 * charging: a battery takes current, or is full or held at its limit while on mains.
 * power_ok: fed from outside. A machine with neither battery nor mains entry is fed, or it would
 * not run.
 *
 * Threads: any. Errors: what can't be read is unknown.
 */
#ifndef MUSTER_AGENT_LINUX_POWER_H
#define MUSTER_AGENT_LINUX_POWER_H

#include "core/platform.h"

struct mu_power {
        int battery; /* percent; -1: unknown */
        enum mu_agent_maybe charging;
        enum mu_agent_maybe power_ok;
};

void mu_power_read(const char *root, struct mu_power *ret_power);

#endif
