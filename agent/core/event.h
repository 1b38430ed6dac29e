/* SPDX-License-Identifier: Apache-2.0 */
/*
 * event.h - what the agent says of its work: structured, one line each, the last ones kept for
 * request_logs. Never a token, a key or a payload.
 *
 * Names: queue.enqueue queue.drain queue.prune queue.expire queue.aside, store.damaged,
 * net.change net.regain, retry.schedule, deliver.ok deliver.fail, command.run command.refused
 * command.stale command.dropped command.result, key.rotated, push.open push.close, update.check
 * update.refused update.install update.rollback, config.changed, agent.start agent.stop,
 * auth.refused, device.deleted.
 *
 * Threads    the core's. Errors: none; what has no room is cut.
 */
#ifndef MUSTER_AGENT_CORE_EVENT_H
#define MUSTER_AGENT_CORE_EVENT_H

#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "muster/compiler.h"

struct mu_agent_platform;
struct mu_text;

enum mu_agent_event_limits {
        MU_AGENT_EVENT_FIELDS_BYTES = 320,
        MU_AGENT_EVENTS_KEPT = 256, /* in memory, for request_logs */
};

enum mu_agent_level { MU_AGENT_INFO, MU_AGENT_WARNING, MU_AGENT_ERROR };

struct mu_agent_event {
        int64_t at_us; /* device's clock */
        enum mu_agent_level level;
        const char *name;   /* a literal */
        const char *fields; /* members of a JSON object without its braces: "\"items\":3" */
};

struct mu_agent_events; /* the ring */

MU_MUST_CHECK
int mu_agent_events_create(const struct mu_agent_platform *platform,
                           struct mu_agent_events **ret_events);
void mu_agent_events_destroy(struct mu_agent_events *events);
/* The device's clock, by which they are dated. */
int64_t mu_agent_events_now_us(const struct mu_agent_events *events);

/* format gives the members; strings in them by mu_agent_event_text. */
void mu_agent_event(struct mu_agent_events *events, enum mu_agent_level level, const char *name,
                    const char *format, ...) MU_PRINTF(4, 5);
/* text as a JSON string with its quotes, cut to fit, in buffer, which it returns. */
const char *mu_agent_event_text(const char *text, char *buffer, size_t room);

/* Those since at_us, oldest first, at most lines and bytes of them (the newest win): a JSON array.
 */
void mu_agent_events_dump(const struct mu_agent_events *events, int64_t since_us, size_t lines,
                          size_t bytes, struct mu_text *text);

#endif
