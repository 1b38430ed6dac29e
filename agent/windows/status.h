/* SPDX-License-Identifier: Apache-2.0 */
/*
 * status.h - how the agent is: status.json in its directory, written when something of it changed;
 * and the file running.lock beside it, held for as long as the agent runs, so that a status which
 * a dead one left is told from a living one's.
 *
 * Threads    the loop's. Errors: negative errno.
 */
#ifndef MUSTER_AGENT_WINDOWS_STATUS_H
#define MUSTER_AGENT_WINDOWS_STATUS_H

#include <stdbool.h>

#include "core/agent.h"
#include "muster/compiler.h"
#include "windows/options.h"

struct mu_windows_status {
        const char *path;
        const struct mu_clock *clock;
        void *lock; /* HANDLE of running.lock */
        bool written;
        struct mu_agent_state last; /* as written */
};

/* -EBUSY: an agent runs in this directory. */
MU_MUST_CHECK
int mu_windows_status_open(const struct mu_windows_options *options, const struct mu_clock *clock,
                           struct mu_windows_status *ret_status);
void mu_windows_status_close(struct mu_windows_status *status);
MU_MUST_CHECK
int mu_windows_status_look(struct mu_windows_status *status, struct mu_agent *agent);

/* The verb: prints, and the exit code: 0, 3 where none runs. */
int mu_windows_status_command(const struct mu_windows_options *options);

#endif
