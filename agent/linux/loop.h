/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop.h - `muster-agent run`: one thread that sleeps until something is due.
 *
 *              ┌─ TERM, INT: ends · HUP: everything anew from the configuration
 *   sleeps for ┼─ the network: requests, push channel · rtnetlink · a child of an action
 *              ├─ somebody who asks for the status · the clock was set, or the machine slept
 *              └─ the time that the core's last step named
 *
 * Errors     are lines of the log; the exit code is 1.
 */
#ifndef MUSTER_AGENT_LINUX_LOOP_H
#define MUSTER_AGENT_LINUX_LOOP_H

#include "linux/options.h"

int mu_loop_command(const struct mu_options *options, char **argv);

#endif
