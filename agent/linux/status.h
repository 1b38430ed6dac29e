/* SPDX-License-Identifier: Apache-2.0 */
/*
 * status.h - how the agent is: said by the one that runs, on a socket in its state directory
 * (status.sock, 0600), to `muster-agent status`.
 *
 *   connect ─▶ one JSON object, written at once ─▶ closed. Nothing is read: there is nothing to ask
 *   for but this, and nobody who connects is waited for.
 *
 * Threads    the loop's. Ownership: the socket's file is removed by close.
 * Errors     negative errno.
 */
#ifndef MUSTER_AGENT_LINUX_STATUS_H
#define MUSTER_AGENT_LINUX_STATUS_H

#include "base/clock.h"
#include "core/agent.h"
#include "linux/options.h"
#include "muster/compiler.h"

struct mu_text;

enum mu_status_limits {
        MU_STATUS_BYTES_MAX = 8192, /* a fresh socket takes that many without waiting */
        MU_STATUS_WAIT_MS = 5000,   /* of `muster-agent status`, for its answer */
};

/* What stands in the answer beside the core's own state. */
struct mu_status_facts {
        const char *version;
        const struct mu_clock *clock;
        int64_t started_at_us;
};

/* The agent that calls this holds the store, so a file of this name is a dead one's. */
MU_MUST_CHECK
int mu_status_open(const char *state_directory, int *ret_fd);
void mu_status_close(const char *state_directory, int fd);
/* Whoever has connected gets the answer. */
void mu_status_answer(int fd, struct mu_agent *agent, const struct mu_status_facts *facts);
MU_MUST_CHECK
int mu_status_write(struct mu_agent *agent, const struct mu_status_facts *facts,
                    struct mu_text *text);

/* -ECONNREFUSED: no agent runs there; -ETIMEDOUT; others. */
MU_MUST_CHECK
int mu_status_ask(const char *state_directory, struct mu_text *text);
/* The verb: prints, and the exit code. */
int mu_status_command(const struct mu_options *options);

#endif
