/* SPDX-License-Identifier: Apache-2.0 */
/*
 * enroll_command.h - `muster-agent enroll`: checks that the configuration can be written, asks the
 * appliance, writes it. Prints sentences; the exit code.
 */
#ifndef MUSTER_AGENT_LINUX_ENROLL_COMMAND_H
#define MUSTER_AGENT_LINUX_ENROLL_COMMAND_H

#include "linux/options.h"

int mu_enroll_command(const struct mu_options *options);

#endif
