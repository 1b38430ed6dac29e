/* SPDX-License-Identifier: Apache-2.0 */
/*
 * uplink_backlog.c - which of the heartbeats that wait go into the next batch.
 *
 * One clock     a batch has one sent_at: what another clock has dated waits for the next one, and
 *               what the newest's answer will tell the clock of waits for that (queue.h).
 * Suspects      a batch that the appliance fails on (5xx, not 503) is halved. One heartbeat that it
 *               fails on alone, while it takes others, is passed by, and tried when nothing else
 *               waits; SUSPECT_FAILURES_MAX such failures, with something taken between each two of
 *               them, put it aside. While nothing gets through nobody is suspected of anything.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "core/uplink_private.h"

enum {
        SUSPECT_FAILURES_MAX = 8,
        BATCH_ENVELOPE_BYTES = 64,
        UNAVAILABLE = 503,
        SERVER_ERROR = 500,
};

static size_t find_suspect(const struct mu_agent_uplink *uplink, int64_t id)
{
        size_t place = 0;

        while (place < uplink->suspect_count && uplink->suspects[place].id != id)
                place++;
        return place;
}

static bool is_suspect(const struct mu_agent_uplink *uplink, int64_t id)
{
        return find_suspect(uplink, id) < uplink->suspect_count;
}

static void forget_suspect(struct mu_agent_uplink *uplink, int64_t id)
{
        size_t place = find_suspect(uplink, id);

        if (place == uplink->suspect_count)
                return;
        uplink->suspect_count--;
        memmove(&uplink->suspects[place], &uplink->suspects[place + 1],
                (uplink->suspect_count - place) * sizeof(uplink->suspects[0]));
}

/* The one whose turn it is, alone. None: *ret_items is empty. */
static int gather_suspect(struct mu_agent_uplink *uplink, struct mu_agent_items *ret_items)
{
        while (uplink->suspect_count > 0) {
                struct mu_uplink_suspect next = uplink->suspects[0];
                int r = mu_agent_queue_find(uplink->core->queue, next.id, ret_items);

                if (r < 0)
                        return r;
                forget_suspect(uplink, next.id);
                if (ret_items->count == 0) /* pruned meanwhile */
                        continue;
                uplink->suspects[uplink->suspect_count++] = next; /* behind the others */
                return 0;
        }
        return 0;
}

/* Of the oldest those that may go together, count at most. */
static void choose(struct mu_agent_uplink *uplink, size_t count, struct mu_agent_items *items)
{
        bool wait = uplink->endpoints[MU_UPLINK_HEARTBEAT].wanted;
        size_t kept = 0;

        uplink->waits_for_time = false;
        for (size_t i = 0; i < items->count; i++) {
                struct mu_agent_item item = items->items[i];
                int64_t apart_us =
                        kept > 0 ? llabs(item.stepped_us - items->items[0].stepped_us) : 0;
                bool is_later = wait && item.needs_time;

                uplink->waits_for_time = uplink->waits_for_time || is_later;
                if (kept < count && !is_later && !is_suspect(uplink, item.id) &&
                    apart_us < MU_AGENT_BUCKET_S * MU_US_PER_S)
                        items->items[kept++] = item;
                else
                        free(item.body);
        }
        items->count = kept;
        uplink->waits_for_time = uplink->waits_for_time && kept == 0;
}

int mu_uplink_gather(struct mu_agent_uplink *uplink, size_t count, struct mu_agent_items *ret_items)
{
        struct mu_agent_queue *queue = uplink->core->queue;
        size_t seen = count + uplink->suspect_count;

        if (uplink->suspect_count == MU_UPLINK_SUSPECTS_MAX)
                return gather_suspect(uplink, ret_items);
        int r = mu_agent_queue_peek(queue, MU_AGENT_ITEM_HEARTBEAT, seen,
                                    MU_BODY_BYTES_MAX - BATCH_ENVELOPE_BYTES - seen, ret_items);

        if (r == 0)
                r = mu_agent_queue_redate(queue, ret_items);
        if (r < 0)
                return r;
        choose(uplink, count, ret_items);
        if (ret_items->count > 0 || uplink->waits_for_time)
                return 0;
        mu_agent_items_done(ret_items);
        return gather_suspect(uplink, ret_items);
}

/* Alone, and failed on. Was something taken since the last failure? Else it says nothing of it. */
static void suspect(struct mu_uplink_flight *flight, int status)
{
        struct mu_agent_uplink *uplink = flight->endpoint->uplink;
        int64_t id = flight->items.items[0].id;
        size_t place = find_suspect(uplink, id);
        uint64_t delivered = uplink->state.delivered;
        char why[96];

        if (place == uplink->suspect_count) {
                if (delivered == uplink->failed_delivered || place == MU_UPLINK_SUSPECTS_MAX)
                        return;
                uplink->suspects[uplink->suspect_count++] =
                        (struct mu_uplink_suspect){.id = id, .delivered = uplink->failed_delivered};
        }
        struct mu_uplink_suspect *one = &uplink->suspects[place];

        one->failures += delivered > one->delivered;
        one->delivered = delivered;
        if (one->failures < SUSPECT_FAILURES_MAX)
                return;
        (void)snprintf(why, sizeof(why),
                       "the appliance takes others and fails on this one, %d times (HTTP %d)",
                       (int)SUSPECT_FAILURES_MAX, status);
        forget_suspect(uplink, id);
        int r = mu_uplink_put_aside(flight, why);

        if (r < 0)
                mu_uplink_note_failure(flight->endpoint, NULL, r);
}

void mu_uplink_batch_failed(struct mu_uplink_flight *flight, const struct mu_agent_reply *reply)
{
        struct mu_agent_uplink *uplink = flight->endpoint->uplink;
        size_t count = flight->items.count;

        MU_ASSERT(count > 0);
        if (reply->error != 0 || reply->status < SERVER_ERROR || reply->status == UNAVAILABLE)
                return;
        if (count > 1)
                uplink->batch_count = count / 2;
        else
                suspect(flight, reply->status);
        uplink->failed_delivered = uplink->state.delivered;
}

void mu_uplink_batch_taken(struct mu_uplink_flight *flight)
{
        for (size_t i = 0; i < flight->items.count; i++)
                forget_suspect(flight->endpoint->uplink, flight->items.items[i].id);
}
