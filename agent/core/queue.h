/* SPDX-License-Identifier: Apache-2.0 */
/*
 * queue.h - reports that wait for the appliance: heartbeats and results of commands.
 *
 *   offered ─▶ OPEN ──frozen at the moment it is first sent──▶ FROZEN ─┬─ stored, duplicate: gone
 *               ▲ │ later readings of the same 10-s bucket replace it  ├─ rejected: ASIDE
 *               └─┘                                                    └─ else: stays
 *
 * A frozen heartbeat is what the appliance may already have: the next reading of its bucket is
 * refused with -EALREADY and belongs into the next bucket. So is one whose bucket another boot, or
 * an hour that the device's clock was since set back by, has left there: it is no later reading of
 * the same ten seconds.
 *
 * When the device's clock was set (1970 until the network comes; a person; a reboot without a
 * battery), what waits was dated by another clock than the one that sent_at is read from, and the
 * appliance, which corrects by sent_at alone, would store it at a wrong time or not at all. So each
 * heartbeat keeps by which clock it was dated (realtime - elapsed time, and the appliance's time
 * where it was known), and peek says in stepped_us by how much that clock was set since:
 *
 *   not sent before   redate() writes the ts that today's clock would have given. The appliance has
 *                     never seen it: what its bucket is today is its bucket.
 *   sent before       stays as it was said, and is sent with the sent_at of the clock that dated
 * it. The appliance knows a heartbeat by (device, bucket), where bucket is ts + the device's
 * offset, which it measures from sent_at to 10 s. The same ts with the same clock's sent_at gives
 * the same bucket, so one that was stored and whose answer was lost is a duplicate. A ts that was
 * shifted would not be known again: shifts are no multiples of 10 s, and a remembered offset may be
 * 5 min away from what is measured now.
 *
 * Within a boot the elapsed time tells whether the clock was set, and by how much; but it may stand
 * still with a whole virtual machine, whose clock is then set right, not wrong: so the appliance's
 * time has the last word where it was known when the heartbeat was queued and is known now. It
 * alone has it for what an earlier boot has left. Else nobody can know: today's clock has to do.
 *
 * Bounds     MU_AGENT_QUEUE_ITEMS_MAX items and MU_AGENT_QUEUE_BYTES_MAX bytes of bodies. Beyond:
 *            the oldest heartbeats that are not under way go, never a result; a result that finds
 *            only results is refused with -ENOSPC. Results end 24 h after they were queued. What
 *            was put aside is kept for request_logs: MU_AGENT_ASIDE_MAX of them, the oldest go.
 * Age        of a result that was queued in this run: by the elapsed time. Of one from an earlier
 *            run: by the appliance's time, from the first reply of this run on; one that was queued
 *            while the appliance's time was not known begins its 24 h there. The device's clock has
 *            no say: wrongly kept costs a request, wrongly ended costs the report.
 * Times      now_us: the device's clock; kept to be shown, nothing is decided by it.
 * Threads    the core's. Errors: negative errno, as store.h.
 */
#ifndef MUSTER_AGENT_CORE_QUEUE_H
#define MUSTER_AGENT_CORE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/clock_sync.h"
#include "core/event.h"
#include "core/store.h"
#include "muster/compiler.h"

enum mu_agent_queue_limits {
        MU_AGENT_QUEUE_ITEMS_MAX = 500,
        MU_AGENT_QUEUE_BYTES_MAX = 10 * 1024 * 1024,
        MU_AGENT_RESULT_AGE_S_MAX = 24 * 3600,
        MU_AGENT_BUCKET_S = 10,
        MU_AGENT_ASIDE_MAX = 50,
};

/* The boot_id of a machine that does not tell: two of them need not be the same boot. */
#define MU_AGENT_BOOT_ID_UNKNOWN "unknown"

enum mu_agent_item_kind {
        MU_AGENT_ITEM_HEARTBEAT = 0,
        MU_AGENT_ITEM_RESULT = 1,
};

struct mu_agent_item {
        int64_t id; /* grows: the order of queueing */
        enum mu_agent_item_kind kind;
        int64_t key; /* heartbeat: its bucket, epoch seconds of ts; result: the command's id */
        int64_t queued_at_us;
        bool frozen;
        bool is_ours;       /* queued in this run */
        int64_t stepped_us; /* heartbeat: how far the device's clock was set forward since ts; 0:
                               by less than a bucket, or nobody can know */
        int64_t clock_us;   /* the clock that dated it: what it says now is this and the elapsed
                               time. Taken once, so that nobody sets it between peek and send */
        bool needs_time;    /* heartbeat: stepped_us will be known with the appliance's time */
        char *body;         /* a JSON object; heartbeats without sent_at */
        size_t body_bytes;
};

/* Some of the queue, owned by the caller. */
struct mu_agent_items {
        size_t count;
        struct mu_agent_item *items;
};

struct mu_agent_queue_state {
        uint32_t heartbeats;
        uint32_t results;
        uint32_t aside;
        int64_t bytes;
        int64_t oldest_us; /* queued_at_us of the oldest; 0: empty */
};

struct mu_agent_queue;
struct mu_text;

/* clock: what results are aged by; initialised before the first result, outlives the queue. */
MU_MUST_CHECK
int mu_agent_queue_create(struct mu_agent_store *store, struct mu_agent_events *events,
                          const struct mu_agent_clock_sync *clock,
                          struct mu_agent_queue **ret_queue);
void mu_agent_queue_destroy(struct mu_agent_queue *queue);

/* Replaces the open item of the same bucket (its seq and place stay: body is given its seq by
 * the caller, see _seq). 0; -EALREADY: the bucket's item is frozen or of other ten seconds, or
 * the bucket was delivered and is the newest one that was (so that a restart cannot send the bucket
 * twice). */
MU_MUST_CHECK
int mu_agent_queue_heartbeat(struct mu_agent_queue *queue, int64_t bucket_s, const char *body,
                             size_t bytes, int64_t now_us);
/* The seq that a heartbeat of this bucket has: its open item's own, else the boot's next one. It is
 * taken by mu_agent_queue_heartbeat in the same transaction. A new boot_id begins with 1. */
MU_MUST_CHECK
int mu_agent_queue_seq(struct mu_agent_queue *queue, const char *boot_id, int64_t bucket_s,
                       int64_t *ret_seq);
/* One result a command: the first stays. */
MU_MUST_CHECK
int mu_agent_queue_result(struct mu_agent_queue *queue, int64_t command_id, const char *body,
                          size_t bytes, int64_t now_us);

/* The oldest of a kind, up to count and bytes of bodies (at least one, whatever its size). */
MU_MUST_CHECK
int mu_agent_queue_peek(struct mu_agent_queue *queue, enum mu_agent_item_kind kind, size_t count,
                        size_t bytes, struct mu_agent_items *ret_items);
/* The newest heartbeat; count 0: none. */
MU_MUST_CHECK
int mu_agent_queue_newest(struct mu_agent_queue *queue, struct mu_agent_items *ret_items);
/* The oldest result that was queued after this item; where there is none, the oldest of all. */
MU_MUST_CHECK
int mu_agent_queue_result_after(struct mu_agent_queue *queue, int64_t id,
                                struct mu_agent_items *ret_items);
/* One of them; count 0: it is not there any more. */
MU_MUST_CHECK
int mu_agent_queue_find(struct mu_agent_queue *queue, int64_t id, struct mu_agent_items *ret_items);
void mu_agent_items_done(struct mu_agent_items *items);

/* Before freeze: those among them that were never sent and were dated by another clock than today's
 * get today's ts, here and in *items: one transaction. */
MU_MUST_CHECK
int mu_agent_queue_redate(struct mu_agent_queue *queue, struct mu_agent_items *items);

/* Before they are sent for the first time: one transaction for all. */
MU_MUST_CHECK
int mu_agent_queue_freeze(struct mu_agent_queue *queue, const struct mu_agent_items *items);
enum mu_agent_verdict {
        MU_AGENT_KEEP,
        MU_AGENT_DELIVERED,
        MU_AGENT_ASIDE, /* the appliance will never take it; why says so */
};
/* verdicts[i] and whys[i] (or NULL) for items->items[i]: one transaction. */
MU_MUST_CHECK
int mu_agent_queue_settle(struct mu_agent_queue *queue, const struct mu_agent_items *items,
                          const enum mu_agent_verdict *verdicts, const char *const *whys,
                          int64_t now_us);

/* Ends results that are too old, by their age and no device clock. ret_expired: how many. */
MU_MUST_CHECK
int mu_agent_queue_expire(struct mu_agent_queue *queue, uint32_t *ret_expired);
/* What was put aside, newest first, at most bytes: a JSON array of {"at", "kind", "key", "why", and
 * of heartbeats "body"}. */
MU_MUST_CHECK
int mu_agent_queue_dump_aside(struct mu_agent_queue *queue, size_t bytes, struct mu_text *text);
MU_MUST_CHECK
int mu_agent_queue_state(struct mu_agent_queue *queue, struct mu_agent_queue_state *ret_state);

#endif
