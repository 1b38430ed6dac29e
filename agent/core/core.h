/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core.h - what the parts of the core share. Private to agent/core.
 *
 *   agent.c ─┬─ uplink.c     heartbeats and results to the appliance; retries, breakers, drain
 *            ├─ downlink.c   commands from it: fetch, channel, check, run, answer
 *            └─ updater.c    updates: ask, download, check, install
 *   under all of them: clock_sync queue command_book store config events
 *
 * Every part has the same three: step(now) does what is due and says when it wants to be called
 * again; the platform's answers come to its own callbacks; changed() asks agent.c for a step soon.
 */
#ifndef MUSTER_AGENT_CORE_CORE_H
#define MUSTER_AGENT_CORE_CORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/random.h"
#include "core/clock_sync.h"
#include "core/command_book.h"
#include "core/config.h"
#include "core/event.h"
#include "core/platform.h"
#include "core/queue.h"
#include "core/store.h"

#define MU_AGENT_NEVER UINT64_MAX /* of a step: nothing is due but what comes from outside */

struct mu_agent_uplink;
struct mu_agent_downlink;
struct mu_agent_updater;

struct mu_agent_core {
        const struct mu_agent_platform *platform;
        struct mu_agent_config config;
        struct mu_agent_events *events;
        struct mu_agent_store *store;
        struct mu_agent_queue *queue;
        struct mu_agent_command_book *book;
        struct mu_agent_clock_sync clock;
        struct mu_random random;
        struct mu_agent_uplink *uplink;
        struct mu_agent_downlink *downlink;
        struct mu_agent_updater *updater;
        struct mu_agent_readings readings; /* the last ones that were taken; extra is NULL */
        uint64_t refused_commands;         /* these three since the start; a heartbeat says them */
        uint64_t rejected_reports;         /* put aside by the uplink */
        uint64_t update_failures;          /* counted by the updater */
        int64_t clock_us;                  /* mu_agent_clock_us when it was last looked at */
        bool online;                       /* the platform's word; true until it says otherwise */
        bool deleted;                      /* 410: nothing is sent any more */
        bool changed;                      /* a part wants a step now */
};

static inline uint64_t mu_agent_now_ns(const struct mu_agent_core *core)
{
        return mu_clock_monotonic_ns(core->platform->clock);
}
/* Its monotonic time goes on while the machine sleeps. */
static inline const struct mu_clock *mu_agent_elapsed(const struct mu_agent_core *core)
{
        return core->platform->elapsed ? core->platform->elapsed : core->platform->clock;
}
static inline uint64_t mu_agent_elapsed_ns(const struct mu_agent_core *core)
{
        return mu_clock_monotonic_ns(mu_agent_elapsed(core));
}
static inline int64_t mu_agent_now_us(const struct mu_agent_core *core)
{
        return mu_clock_realtime_us(core->platform->clock);
}
/* The device's clock against the elapsed time: another value is another clock. */
static inline int64_t mu_agent_clock_us(const struct mu_agent_core *core)
{
        return mu_agent_now_us(core) - (int64_t)(mu_agent_elapsed_ns(core) / MU_NS_PER_US);
}

/* Below 10 % and not charging: only what is essential is retried (results, and the next heartbeat
 * when it is due; no drain of old heartbeats, no update). */
bool mu_agent_is_frugal(const struct mu_agent_core *core);

/* Was this device found deleted in an earlier run? Sets core->deleted. */
MU_MUST_CHECK
int mu_agent_load_deleted(struct mu_agent_core *core);

/* What each answer of the appliance means for the agent as a whole, whatever was asked of it: only
 * for requests that carry the device's token to our own server. server_time is the caller's to
 * hand to clock_sync. */
enum mu_agent_answer {
        MU_AGENT_ANSWER_OK,      /* 2xx */
        MU_AGENT_ANSWER_RETRY,   /* nothing came, 5xx, 429, 408: later */
        MU_AGENT_ANSWER_REFUSED, /* another 4xx: this request never */
        MU_AGENT_ANSWER_TOKEN,   /* 401: keep everything, ask again in 5 min */
        MU_AGENT_ANSWER_GONE,    /* 410: core->deleted is set, durably */
};
enum mu_agent_answer mu_agent_answer_of(struct mu_agent_core *core,
                                        const struct mu_agent_reply *reply);

/* The configuration as it is now, durable. 0 or a negative errno (an event says it). */
MU_MUST_CHECK
int mu_agent_save_config(struct mu_agent_core *core);

#endif
