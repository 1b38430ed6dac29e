/* SPDX-License-Identifier: Apache-2.0 */
/*
 * uplink.h - reports to the appliance.
 *
 *   due ─▶ read() ─▶ queue (bucket) ─▶ newest by POST /v1/heartbeat, the older by …/heartbeats
 *   results: POST /v1/action-result, one at a time, in order; one that the appliance
 *   fails on (500 …) goes behind the others
 *
 * Heartbeats are due at once after the start, when the network comes back, and then when the last
 * reply's next_heartbeat_in_s says so (else every heartbeat_interval_s). They are taken and
 * queued on time whether or not the appliance can be reached. Each endpoint has its own breaker; a
 * failure waits by full jitter, 2 s to 5 min, or as Retry-After says (whichever is longer). 401:
 * everything waits 5 min. 413 and 400 to a batch: it is halved; a single item that is refused is
 * put aside. 5xx (but 503): halved too; a single item that is failed on again and again, while
 * others are taken, keeps none of them waiting and is put aside in the end (uplink_backlog.c).
 *
 * Threads    the core's.
 */
#ifndef MUSTER_AGENT_CORE_UPLINK_H
#define MUSTER_AGENT_CORE_UPLINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/core.h"
#include "muster/compiler.h"

enum mu_agent_uplink_times {
        MU_AGENT_RETRY_BASE_MS = 2000,
        MU_AGENT_RETRY_CAP_MS = 5 * 60 * 1000,
        MU_AGENT_TOKEN_RETRY_MS = 5 * 60 * 1000,
        MU_AGENT_CHANNEL_RESULT_MS = 30 * 1000,
};

struct mu_agent_uplink_state {
        int64_t delivered_at_us; /* the last 2xx to a report; 0: none since the start */
        uint64_t delivered;      /* items since the start */
        uint64_t reported;       /* of these the heartbeats that were read since the start */
        uint64_t failed;         /* requests */
        uint64_t next_heartbeat_ns;
        uint64_t retry_ns;  /* MU_AGENT_NEVER: nothing waits for a retry */
        bool token_refused; /* 401 was the last word */
};

MU_MUST_CHECK
int mu_agent_uplink_create(struct mu_agent_core *core, struct mu_agent_uplink **ret_uplink);
void mu_agent_uplink_destroy(struct mu_agent_uplink *uplink);
/* Does what is due; when to call again, monotonic. */
uint64_t mu_agent_uplink_step(struct mu_agent_uplink *uplink);
/* The network is back: what waits for a retry is due now, a heartbeat too. */
void mu_agent_uplink_network(struct mu_agent_uplink *uplink);
/* A result, as JSON of POST /v1/action-result, is in the queue. While a channel is open it is
 * downlink.c's to send it there and to settle it in the queue; from here it goes when none is, and
 * when it has waited MU_AGENT_CHANNEL_RESULT_MS all the same: twice is a duplicate to the
 * appliance. */
void mu_agent_uplink_result_queued(struct mu_agent_uplink *uplink);
/* Between two heartbeats, when the machine woke or its power or network changed: a heartbeat that
 * its sleep has held up is due now; else what the new readings have to say is queued and sent
 * with the next. */
void mu_agent_uplink_note(struct mu_agent_uplink *uplink);
struct mu_agent_uplink_state mu_agent_uplink_state(const struct mu_agent_uplink *uplink);

/* The body of a heartbeat without sent_at (report.c). */
MU_MUST_CHECK
int mu_agent_report_write(const struct mu_agent_core *core,
                          const struct mu_agent_readings *readings, int64_t ts_us, int64_t seq,
                          uint32_t queue_depth, struct mu_text *text);
/* The same with sent_at spliced in; and a batch of them. */
MU_MUST_CHECK
int mu_agent_report_single(const struct mu_agent_item *item, int64_t sent_at_us,
                           struct mu_text *text);
MU_MUST_CHECK
int mu_agent_report_batch(const struct mu_agent_items *items, int64_t sent_at_us,
                          struct mu_text *text);

/* Replies (reply.c): members that are absent keep what *ret holds. -EBADMSG: not what the
 * appliance sends. */
struct mu_agent_heartbeat_reply {
        double server_time_s;        /* 0: not said */
        int64_t next_heartbeat_in_s; /* -1 */
        int64_t commands;
        bool update;
};
MU_MUST_CHECK
int mu_agent_reply_heartbeat(const char *json, size_t bytes,
                             struct mu_agent_heartbeat_reply *ret_reply);
/* One verdict an item; whys[i] points into *ret_memory (a json_t) or is NULL. Another number of
 * results than items, or a status that is not the wire's: -EBADMSG, and every verdict is KEEP. */
MU_MUST_CHECK
int mu_agent_reply_batch(const char *json, size_t bytes, size_t items,
                         enum mu_agent_verdict *ret_verdicts, const char **ret_whys,
                         struct json_t **ret_memory);
/* Does the appliance say that it has this command's result? Else -EBADMSG. */
MU_MUST_CHECK
int mu_agent_reply_result(const char *json, size_t bytes, int64_t command_id);
/* A problem's detail, cut to fit; "" when there is none. */
void mu_agent_reply_problem(const char *json, size_t bytes, char *ret_detail, size_t room);

#endif
