/* SPDX-License-Identifier: Apache-2.0 */
/*
 * running.h - does a unit or a program run? Without asking anybody: from the control groups and
 * /proc.
 *
 *   "kiosk.service"    its control group holds a process (version 2 of control groups; a unit that
 *                      stays "active" without one is seen as not running)
 *   "/usr/bin/kiosk"   a process whose program that is; for a script: one of the usual interpreters
 *                      (or a process named after the script) was given that path
 *   anything else      the class of a window (desktop.h): not known here
 *
 * Under a unit with ProtectProc= others' programs are not seen.
 *
 * Threads: any. Errors: what can't be found out is MU_AGENT_UNKNOWN.
 */
#ifndef MUSTER_AGENT_LINUX_RUNNING_H
#define MUSTER_AGENT_LINUX_RUNNING_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "core/platform.h"
#include "muster/compiler.h"

/* name.service, name@of.service, also .scope, .target …; nothing that systemctl could take for an
 * option or a path. */
bool mu_is_unit_name(const char *name);
/* Absolute. */
bool mu_is_program_path(const char *name);

enum mu_agent_maybe mu_is_running(const char *root, const char *name);

/* Processes of a program: at most room of them, -errno without /proc. only_ours: those that we may
 * signal. */
MU_MUST_CHECK
int mu_running_find(const char *root, const char *program, bool only_ours, pid_t *ret_pids,
                    size_t room);
/* Is that process (still) of that program? */
bool mu_running_is(const char *root, const char *program, pid_t pid);

#endif
