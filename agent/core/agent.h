/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent.h - the whole core, as a shell sees it.
 *
 *   create ─▶ loop: wait until step's time, or for what the platform has to say ─▶ step ─▶ destroy
 *
 * Threads    one: the shell's loop. Ownership: platform and the texts of options outlive the agent.
 * Errors     negative errno and, where one can be given, a sentence.
 */
#ifndef MUSTER_AGENT_CORE_AGENT_H
#define MUSTER_AGENT_CORE_AGENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/config.h"
#include "core/downlink.h"
#include "core/platform.h"
#include "core/queue.h"
#include "core/uplink.h"
#include "muster/compiler.h"

struct mu_agent;

struct mu_agent_options {
        const char *state_directory; /* exists; agent.db and downloads go there */
        const char *config_text;     /* of the configuration file */
        size_t config_bytes;
};

MU_MUST_CHECK
int mu_agent_create(const struct mu_agent_platform *platform,
                    const struct mu_agent_options *options, struct mu_agent **ret_agent,
                    char ret_sentence[MU_AGENT_SENTENCE_BYTES]);
void mu_agent_destroy(struct mu_agent *agent);

/* Does all that is due. When to call again, on the platform's monotonic clock; UINT64_MAX: only
 * when something comes from outside. Also after each callback. */
uint64_t mu_agent_step(struct mu_agent *agent);

void mu_agent_push_event(struct mu_agent *agent, enum mu_agent_push_event event, int code,
                         const char *text, size_t bytes);
/* From the machine: connected or not; a change from false to true is net.regain. */
void mu_agent_network_changed(struct mu_agent *agent, bool online);
/* The machine slept: what was under way is left behind, and what waits is sent at once. */
void mu_agent_woke(struct mu_agent *agent);
void mu_agent_update_done(struct mu_agent *agent, int err, const char *sentence);

struct mu_agent_state {
        struct mu_agent_queue_state queue;
        struct mu_agent_uplink_state uplink;
        enum mu_agent_channel_state channel;
        int64_t clock_offset_us;
        bool clock_synced;
        bool deleted;
        bool token_refused;
        bool online;
};
MU_MUST_CHECK
int mu_agent_get_state(struct mu_agent *agent, struct mu_agent_state *ret_state);
const struct mu_agent_config *mu_agent_get_config(const struct mu_agent *agent);
/* Has the appliance taken a heartbeat that was read in this run? What an update on trial waits for:
 * one that only hands on what waited from before has shown nothing. */
bool mu_agent_has_reported(const struct mu_agent *agent);

#endif
