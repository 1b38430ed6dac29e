/* SPDX-License-Identifier: Apache-2.0 */
/*
 * uplink_private.h - what the files of the uplink share.
 *
 *   uplink_readings.c   the device ─▶ queue
 *   uplink.c            queue ─▶ request, when its endpoint may
 *   uplink_backlog.c    … and which of the older heartbeats together
 *   uplink_answer.c     answer ─▶ endpoint (later, when?) and queue (gone, aside, kept)
 *
 * Threads    the core's.
 */
#ifndef MUSTER_AGENT_CORE_UPLINK_PRIVATE_H
#define MUSTER_AGENT_CORE_UPLINK_PRIVATE_H

#include "base/backoff.h"
#include "base/breaker.h"
#include "core/uplink.h"
#include "muster/wire.h"

enum mu_uplink_flights {
        MU_UPLINK_FLIGHTS = 2, /* one, and one that a change of network has left behind */
        MU_UPLINK_SUSPECTS_MAX = 8,
};

enum mu_uplink_endpoint_index {
        MU_UPLINK_HEARTBEAT,
        MU_UPLINK_BATCH,
        MU_UPLINK_RESULT,
        MU_UPLINK_ENDPOINTS
};

enum mu_uplink_taken {
        MU_UPLINK_TAKEN,       /* the appliance has had its say on every item */
        MU_UPLINK_TAKEN_PARTLY /* some of them later */
};

/* Nothing was read yet. */
#define MU_UPLINK_NO_BUCKET INT64_MAX

struct mu_uplink_endpoint;

struct mu_uplink_flight {
        struct mu_uplink_endpoint *endpoint;
        struct mu_agent_items items;
        uint64_t sent_ns; /* elapsed */
        bool busy;
};

struct mu_uplink_endpoint {
        struct mu_agent_uplink *uplink;
        const char *name;
        const char *path;
        struct mu_backoff backoff;
        struct mu_breaker breaker;
        struct mu_uplink_flight flights[MU_UPLINK_FLIGHTS];
        struct mu_uplink_flight *flight; /* the one that is waited for; NULL: none */
        uint64_t hold_ns;                /* by backoff */
        uint64_t asked_ns;               /* by Retry-After */
        bool wanted;                     /* there may be something to send */
        /* 2xx: enum mu_uplink_taken, or a negative errno: not what the appliance sends, or not
         * written. */
        int (*take)(struct mu_uplink_flight *flight, const struct mu_agent_reply *reply);
        /* The request will never be taken as it is. */
        int (*refuse)(struct mu_uplink_flight *flight, const char *why);
};

/* A heartbeat that the appliance fails on while it takes others (uplink_backlog.c). */
struct mu_uplink_suspect {
        int64_t id;
        uint32_t failures;
        uint64_t delivered; /* state.delivered at the last of them */
};

struct mu_agent_uplink {
        struct mu_agent_core *core;
        struct mu_uplink_endpoint endpoints[MU_UPLINK_ENDPOINTS];
        uint64_t next_ns;         /* the next heartbeat is due, monotonic */
        uint64_t next_elapsed_ns; /* the same by the clock that goes on while the machine sleeps */
        uint64_t token_ns;
        bool token_refused;
        int64_t first_bucket_s; /* of the first heartbeat of this run; MU_UPLINK_NO_BUCKET */
        struct mu_agent_item
                unkept;          /* a heartbeat that the queue could not take; body NULL: none */
        int64_t unkept_clock_us; /* by which it was dated */
        size_t batch_count;      /* items of the next batch, at most */
        bool waits_for_time;     /* all that was looked at: for the newest's answer */
        size_t suspect_count;
        struct mu_uplink_suspect suspects[MU_UPLINK_SUSPECTS_MAX];
        uint64_t failed_delivered; /* state.delivered at the last batch that was failed on */
        int64_t passed_result;     /* the appliance failed on it: those behind it come first */
        int64_t channel_item;      /* the result that the channel was left to deliver */
        uint64_t channel_ns;       /* and until when */
        struct mu_agent_uplink_state state;
};

static inline uint64_t mu_uplink_later(uint64_t a, uint64_t b)
{
        return a > b ? a : b;
}

static inline uint64_t mu_uplink_sooner(uint64_t a, uint64_t b)
{
        return a < b ? a : b;
}

/* What the disk does not take is sent all the same, once: a device whose disk is full is not gone.
 * Such an item has no id. */
static inline bool mu_uplink_is_unkept(const struct mu_uplink_flight *flight)
{
        return flight->items.count == 1 && flight->items.items[0].id == 0;
}

/* uplink_readings.c */
void mu_uplink_take_heartbeat(struct mu_agent_uplink *uplink);
/* The next heartbeat is due so long from now. */
void mu_uplink_set_next(struct mu_agent_uplink *uplink, int64_t in_us);

/* uplink_backlog.c: the next batch, count at most. Empty: nothing may go now. */
MU_MUST_CHECK
int mu_uplink_gather(struct mu_agent_uplink *uplink, size_t count,
                     struct mu_agent_items *ret_items);
void mu_uplink_batch_failed(struct mu_uplink_flight *flight, const struct mu_agent_reply *reply);
void mu_uplink_batch_taken(struct mu_uplink_flight *flight);

/* uplink_answer.c: mu_agent_reply_fn, take and refuse of the endpoints. */
void mu_uplink_on_reply(void *context, const struct mu_agent_reply *reply);
int mu_uplink_take_heartbeat_reply(struct mu_uplink_flight *flight,
                                   const struct mu_agent_reply *reply);
int mu_uplink_take_batch_reply(struct mu_uplink_flight *flight, const struct mu_agent_reply *reply);
int mu_uplink_take_result_reply(struct mu_uplink_flight *flight,
                                const struct mu_agent_reply *reply);
int mu_uplink_put_aside(struct mu_uplink_flight *flight, const char *why);
int mu_uplink_refuse_batch(struct mu_uplink_flight *flight, const char *why);
/* An event and a count. reply or NULL; error: 0, or why it came to nothing here. */
void mu_uplink_note_failure(struct mu_uplink_endpoint *endpoint, const struct mu_agent_reply *reply,
                            int error);
/* Later: by full jitter, or when the appliance asked for it (-1: it did not). */
void mu_uplink_schedule_retry(struct mu_uplink_endpoint *endpoint, int64_t retry_after_s);
/* Its items' memory is given back; it may be used again. */
void mu_uplink_release(struct mu_uplink_flight *flight);

#endif
