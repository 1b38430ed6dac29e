/* SPDX-License-Identifier: Apache-2.0 */
/*
 * downlink.h - commands from the appliance, by its channel or fetched.
 *
 *   channel message, GET /v1/commands ─▶ envelope ─▶ checks 1 to 5 of COMMAND_SIGNATURE.md
 *     ─▶ command_book (durable) ─▶ acknowledged (channel, else POST …/received) when its turn
 *     comes ─▶ run, one at a time, in order ─▶ signed result ─▶ queue ─▶ channel, else uplink
 *
 * An acknowledgement that nobody answers within 10 s does not hold a command up. Refused: an event,
 * core->refused_commands, no answer. Too old: one fetch, at most every 10 s. After a restart see
 * command_book.h. The channel is opened again with full jitter, 2 s to 5 min; 4401 waits 5 min,
 * 4410 ends everything; a channel on which nothing came for 60 s (the appliance pings every 25)
 * is closed and opened anew.
 *
 * Core's own commands (builtin.c): ping, set_config, request_logs, rotate_key, nudge_update. The
 * others are the platform's; a type that it does not know is answered as failed.
 *
 * Threads    the core's.
 */
#ifndef MUSTER_AGENT_CORE_DOWNLINK_H
#define MUSTER_AGENT_CORE_DOWNLINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/core.h"
#include "muster/compiler.h"

struct json_t;
struct mu_text;

enum mu_agent_downlink_times {
        MU_AGENT_ACKNOWLEDGE_MS = 10000,
        MU_AGENT_CHANNEL_SILENCE_MS = 60000,
        MU_AGENT_FETCH_PAUSE_MS = 10000,
};

enum mu_agent_channel_state {
        MU_AGENT_CHANNEL_CLOSED, /* waits for its next try */
        MU_AGENT_CHANNEL_OPENING,
        MU_AGENT_CHANNEL_OPEN,
};

MU_MUST_CHECK
int mu_agent_downlink_create(struct mu_agent_core *core, struct mu_agent_downlink **ret_downlink);
void mu_agent_downlink_destroy(struct mu_agent_downlink *downlink);
uint64_t mu_agent_downlink_step(struct mu_agent_downlink *downlink);
void mu_agent_downlink_network(struct mu_agent_downlink *downlink);
/* A heartbeat's reply said that n commands wait: fetches unless the channel is open. */
void mu_agent_downlink_waiting(struct mu_agent_downlink *downlink, int64_t commands);
void mu_agent_downlink_push(struct mu_agent_downlink *downlink, enum mu_agent_push_event event,
                            int code, const char *text, size_t bytes);
enum mu_agent_channel_state mu_agent_downlink_channel(const struct mu_agent_downlink *downlink);
/* Is anything received and not yet answered? An update waits for it. */
bool mu_agent_downlink_is_busy(const struct mu_agent_downlink *downlink);

/* builtin.c: runs a command of the core's own. 0 and *ret_result (JSON text or NULL, the caller
 * frees) or *ret_error (a sentence, the caller frees); -ENOTSUP: not one of ours. */
MU_MUST_CHECK
int mu_agent_builtin_run(struct mu_agent_core *core, const struct mu_agent_command *command,
                         const struct json_t *payload, char **ret_result, char **ret_error);

bool mu_agent_builtin_knows(const char *type);

/* result.c: the body of POST /v1/action-result, signed with the next key where there is one
 * and the command is a rotate_key that was done, else with the current. error NULL: done. A result
 * that the appliance would not take becomes an error that says so. */
MU_MUST_CHECK
int mu_agent_result_write(const struct mu_agent_core *core, const struct mu_agent_command *command,
                          const char *result, const char *error, struct mu_text *text);

#endif
