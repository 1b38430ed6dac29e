/* SPDX-License-Identifier: Apache-2.0 */
/*
 * actions.h - what a Windows machine can be told to do: platform.act. lock, reboot (where policy
 * says so), launch_package (one of policy's programs). The rest is answered as not supported.
 *
 * Threads    the loop's. Ownership: config outlives it. One action at a time, as the core runs
 * them.
 */
#ifndef MUSTER_AGENT_WINDOWS_ACTIONS_H
#define MUSTER_AGENT_WINDOWS_ACTIONS_H

#include <stdbool.h>

#include "core/config.h"
#include "core/platform.h"
#include "muster/compiler.h"

struct mu_windows_actions {
        const struct mu_agent_config *config;
        bool waiting; /* for its answer to be given */
        int64_t command_id;
        const char *error; /* a literal, or NULL */
        mu_agent_action_fn *done;
        void *done_context;
};

/* platform.act; the answer is kept for _answer. */
MU_MUST_CHECK
int mu_windows_act(struct mu_windows_actions *actions, const struct mu_agent_action *action,
                   mu_agent_action_fn *done, void *done_context);
/* Outside of act(): gives the answer that waits. True: there was one. */
bool mu_windows_answer(struct mu_windows_actions *actions);

#endif
