/* SPDX-License-Identifier: Apache-2.0 */
/*
 * commands.h - the verbs enroll (enrolling.c) and run (run.c): each gives the exit code.
 */
#ifndef MUSTER_AGENT_WINDOWS_COMMANDS_H
#define MUSTER_AGENT_WINDOWS_COMMANDS_H

#include "windows/options.h"

int mu_windows_enroll(const struct mu_windows_options *options);
int mu_windows_run(const struct mu_windows_options *options);

#endif
