/* SPDX-License-Identifier: Apache-2.0 */
/*
 * downlink_private.h - what the files of the downlink share.
 *
 *   downlink.c          the whole, its channel, fetching
 *   downlink_inbox.c    messages and fetched commands: the checks, into the book
 *   downlink_turn.c     the command whose turn it is: acknowledged, run, answered
 *   downlink_results.c  queued results over the channel
 *
 * A command is acknowledged when its turn comes: one that was cancelled while it waited for the one
 * before it is not run, and the appliance, which pushes the next after an acknowledgement, never
 * has more than a few of them here.
 */
#ifndef MUSTER_AGENT_CORE_DOWNLINK_PRIVATE_H
#define MUSTER_AGENT_CORE_DOWNLINK_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/backoff.h"
#include "base/breaker.h"
#include "base/text.h"
#include "core/core.h"
#include "core/downlink.h"

enum mu_downlink_limits {
        MU_DOWNLINK_MESSAGE_BYTES_MAX = 256 * 1024, /* from the appliance */
        MU_DOWNLINK_ANSWER_BYTES_MAX = 128 * 1024,  /* to it: longer ones it closes for */
        MU_DOWNLINK_WAITING_MAX = 100,              /* received and not yet run */
        MU_DOWNLINK_AGAIN_MAX = 16,                 /* acknowledgements to be said again */
        MU_DOWNLINK_REQUESTS = 4,                   /* acknowledgements under way by HTTP */
        MU_DOWNLINK_ACK_RETRY_MS = 3000,
        MU_DOWNLINK_STORE_RETRY_MS = 10000, /* of the agent's own disk */
        MU_DOWNLINK_RESULT_ANSWER_MS = 60000,
        MU_DOWNLINK_PAUSE_MS = 5 * 60 * 1000, /* 4001, 4401 */
};

enum mu_downlink_turn_state {
        MU_DOWNLINK_IDLE,
        MU_DOWNLINK_ACKNOWLEDGING,
        MU_DOWNLINK_RUNNING,   /* by the platform */
        MU_DOWNLINK_ANSWERING, /* its result is to be written down */
};

enum mu_downlink_said {
        MU_DOWNLINK_SAID_NOT,
        MU_DOWNLINK_SAID_BY_CHANNEL,
        MU_DOWNLINK_SAID_BY_HTTP,
};

struct mu_downlink_turn {
        enum mu_downlink_turn_state state;
        bool resumed; /* what a stop cut off has been answered */
        bool waiting; /* the book may have more */
        uint32_t waiting_count;
        uint64_t retry_ns; /* IDLE, ANSWERING: the disk refused; not before */
        struct mu_agent_command command;
        struct json_t *payload;
        enum mu_downlink_said said;
        bool not_by_channel; /* its answer there was an error */
        uint64_t say_ns;     /* not before */
        uint64_t deadline_ns;
        bool done;
        struct mu_text body; /* ANSWERING */
};

/* What the platform holds of a request: never moves. */
struct mu_downlink_request {
        struct mu_agent_downlink *downlink;
        int64_t command_id;
        bool is_busy;
};

struct mu_downlink_results {
        bool maybe; /* the queue may hold one */
        bool under_way;
        uint64_t due_ns; /* under way: no answer until then; else: not before */
        struct mu_backoff backoff;
        struct mu_agent_items items; /* the one that was said last, until it is answered */
};

struct mu_agent_downlink {
        struct mu_agent_core *core;

        enum mu_agent_channel_state channel;
        bool has_no_channel; /* the platform said so */
        struct mu_backoff channel_backoff;
        uint64_t channel_asked_ns; /* by Retry-After: not before */
        uint64_t channel_due_ns;   /* CLOSED: the next try; else: silent for too long then */
        uint64_t channel_opened_ns;

        bool fetch_wanted;
        bool is_fetching;
        bool has_more; /* the last fetch said so: again when these have been run */
        uint64_t fetch_after_ns;
        struct mu_backoff fetch_backoff;
        struct mu_breaker fetch_breaker;

        struct mu_downlink_turn turn;
        struct mu_breaker ack_breaker;
        struct mu_downlink_request requests[MU_DOWNLINK_REQUESTS];
        size_t again_count;
        int64_t again[MU_DOWNLINK_AGAIN_MAX];

        struct mu_downlink_results results;

        uint64_t forget_ns;     /* when the book is to be cleared next */
        uint64_t complaints_ns; /* events of refusals are counted since */
        uint32_t complaints;
};

static inline uint64_t mu_downlink_later(uint64_t now_ns, uint64_t wait_ms)
{
        return now_ns + wait_ms * (uint64_t)MU_NS_PER_MS;
}
static inline uint64_t mu_downlink_earlier(uint64_t one_ns, uint64_t other_ns)
{
        return one_ns < other_ns ? one_ns : other_ns;
}

/* downlink.c: gives the channel up, to be opened anew by the backoff. */
void mu_downlink_drop_channel(struct mu_agent_downlink *downlink, const char *why);
void mu_downlink_want_fetch(struct mu_agent_downlink *downlink);

/* downlink_inbox.c */
enum mu_downlink_taken {
        MU_DOWNLINK_NEW,
        MU_DOWNLINK_KNOWN,
        MU_DOWNLINK_STALE,   /* genuine, but its time is over: fetch */
        MU_DOWNLINK_REFUSED, /* for ever, or for want of room */
};
/* An envelope. path: a word for events. */
enum mu_downlink_taken mu_downlink_take(struct mu_agent_downlink *downlink,
                                        const struct json_t *envelope, const char *path);
void mu_downlink_message(struct mu_agent_downlink *downlink, const char *text, size_t bytes);

/* downlink_turn.c: does what can be done; when to call again. */
uint64_t mu_downlink_turn_step(struct mu_agent_downlink *downlink, uint64_t now_ns);
void mu_downlink_turn_done(struct mu_agent_downlink *downlink);
/* The appliance's answer to an acknowledgement. */
void mu_downlink_acknowledged(struct mu_agent_downlink *downlink, int64_t command_id, bool run);
/* It could not be taken there. */
void mu_downlink_not_acknowledged(struct mu_agent_downlink *downlink, int64_t command_id);
/* A known command came again: so was its acknowledgement lost. */
void mu_downlink_acknowledge_again(struct mu_agent_downlink *downlink, int64_t command_id);
void mu_downlink_turn_channel_closed(struct mu_agent_downlink *downlink);

/* downlink_results.c */
uint64_t mu_downlink_results_step(struct mu_agent_downlink *downlink, uint64_t now_ns);
void mu_downlink_results_done(struct mu_agent_downlink *downlink);
void mu_downlink_result_answered(struct mu_agent_downlink *downlink, int64_t command_id,
                                 enum mu_agent_verdict verdict, const char *why);
void mu_downlink_results_channel_closed(struct mu_agent_downlink *downlink);

#endif
