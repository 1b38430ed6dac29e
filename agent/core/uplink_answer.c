/* SPDX-License-Identifier: Apache-2.0 */
/* uplink_answer.c - what an answer means for its endpoint and for the items that were sent. */
#include <errno.h>
#include <stdlib.h>

#include <jansson.h>

#include "base/assert.h"
#include "core/downlink.h"
#include "core/updater.h"
#include "core/uplink_private.h"

enum answer_limits {
        RETRY_AFTER_S_MAX = 86400,
        DETAIL_BYTES = 200,
};

void mu_uplink_note_failure(struct mu_uplink_endpoint *endpoint, const struct mu_agent_reply *reply,
                            int error)
{
        struct mu_agent_uplink *uplink = endpoint->uplink;
        char detail[DETAIL_BYTES] = "";
        char quoted[DETAIL_BYTES + 16];

        uplink->state.failed++;
        if (reply && reply->error != 0 && reply->sentence)
                mu_agent_event(uplink->core->events, MU_AGENT_WARNING, "deliver.fail",
                               "\"endpoint\":\"%s\",\"error\":%d,\"detail\":%s", endpoint->name,
                               reply->error,
                               mu_agent_event_text(reply->sentence, quoted, sizeof(quoted)));
        else if (reply && reply->error == 0 && error == 0) {
                mu_agent_reply_problem(reply->body, reply->body_bytes, detail, sizeof(detail));
                mu_agent_event(uplink->core->events, MU_AGENT_WARNING, "deliver.fail",
                               "\"endpoint\":\"%s\",\"status\":%d,\"detail\":%s", endpoint->name,
                               reply->status, mu_agent_event_text(detail, quoted, sizeof(quoted)));
        } else {
                mu_agent_event(uplink->core->events, MU_AGENT_WARNING, "deliver.fail",
                               "\"endpoint\":\"%s\",\"error\":%d", endpoint->name,
                               error != 0 ? error
                               : reply    ? reply->error
                                          : 0);
        }
}

/* Later: by full jitter, or when the appliance asked for it. */
void mu_uplink_schedule_retry(struct mu_uplink_endpoint *endpoint, int64_t retry_after_s)
{
        struct mu_agent_core *core = endpoint->uplink->core;
        uint64_t now_ns = mu_agent_now_ns(core);
        uint32_t wait_ms = mu_backoff_next_ms(&endpoint->backoff, &core->random);

        if (retry_after_s > RETRY_AFTER_S_MAX)
                retry_after_s = RETRY_AFTER_S_MAX;
        if (retry_after_s > 0)
                endpoint->asked_ns = now_ns + (uint64_t)(retry_after_s * MU_NS_PER_S);
        endpoint->hold_ns = now_ns + (uint64_t)wait_ms * MU_NS_PER_MS + MU_NS_PER_MS;
        if (endpoint == &endpoint->uplink->endpoints[MU_UPLINK_HEARTBEAT] &&
            mu_agent_is_frugal(core)) {
                /* Not before the next one is due. */
                endpoint->hold_ns = 0;
                endpoint->wanted = false;
        }
        mu_agent_event(core->events, MU_AGENT_INFO, "retry.schedule",
                       "\"endpoint\":\"%s\",\"in_ms\":%u,\"retry_after_s\":%lld", endpoint->name,
                       wait_ms, (long long)retry_after_s);
}

static void set_token_refused(struct mu_agent_uplink *uplink)
{
        uplink->token_refused = true;
        uplink->token_ns = mu_agent_now_ns(uplink->core) +
                           (uint64_t)MU_AGENT_TOKEN_RETRY_MS * (uint64_t)MU_NS_PER_MS;
        mu_agent_event(uplink->core->events, MU_AGENT_ERROR, "auth.refused", "\"retry_in_s\":%d",
                       (int)(MU_AGENT_TOKEN_RETRY_MS / MU_MS_PER_S));
}

static int settle_all(struct mu_uplink_flight *flight, enum mu_agent_verdict verdict,
                      const char *why)
{
        struct mu_agent_core *core = flight->endpoint->uplink->core;
        size_t count = flight->items.count;

        if (mu_uplink_is_unkept(flight))
                return 0;
        enum mu_agent_verdict *verdicts = calloc(count, sizeof(*verdicts));
        const char **whys = calloc(count, sizeof(*whys));
        int r = verdicts && whys ? 0 : -ENOMEM;

        for (size_t i = 0; r == 0 && i < count; i++) {
                verdicts[i] = verdict;
                whys[i] = why;
        }
        if (r == 0)
                r = mu_agent_queue_settle(core->queue, &flight->items, verdicts, whys,
                                          mu_agent_now_us(core));
        free(verdicts);
        free(whys);
        return r;
}

/* They are not under way any more. */
static void keep_all(struct mu_uplink_flight *flight)
{
        int r = settle_all(flight, MU_AGENT_KEEP, NULL);

        if (r < 0)
                mu_uplink_note_failure(flight->endpoint, NULL, r);
}

static bool is_final(const struct mu_uplink_endpoint *endpoint, int status)
{
        switch (status) {
        case 400: /* not understood */
        case 413: /* too large */
        case 422: /* understood, and wrong */
                return true;
        case 403: /* signature */
        case 404: /* no such command */
        case 409: /* another result stands */
                return endpoint == &endpoint->uplink->endpoints[MU_UPLINK_RESULT];
        default:
                return false;
        }
}

/* 0, enum mu_uplink_taken, or a negative errno. */
static int digest(struct mu_uplink_flight *flight, enum mu_agent_answer answer,
                  const struct mu_agent_reply *reply)
{
        struct mu_uplink_endpoint *endpoint = flight->endpoint;
        char detail[DETAIL_BYTES];

        if (answer == MU_AGENT_ANSWER_OK)
                return endpoint->take(flight, reply);
        mu_agent_reply_problem(reply->body, reply->body_bytes, detail, sizeof(detail));
        mu_uplink_note_failure(endpoint, reply, 0);
        return endpoint->refuse(flight, detail[0] != '\0' ? detail : "refused without a reason");
}

void mu_uplink_release(struct mu_uplink_flight *flight)
{
        mu_agent_items_done(&flight->items);
        flight->items = (struct mu_agent_items){0};
        flight->busy = false;
        if (flight->endpoint->flight == flight)
                flight->endpoint->flight = NULL;
}

static void on_answered(struct mu_uplink_flight *flight, enum mu_agent_answer answer,
                        const struct mu_agent_reply *reply)
{
        struct mu_uplink_endpoint *endpoint = flight->endpoint;
        int r = digest(flight, answer, reply);

        if (r < 0) {
                keep_all(flight);
                mu_breaker_failure(&endpoint->breaker);
                mu_uplink_note_failure(endpoint, reply, r);
                mu_uplink_schedule_retry(endpoint, reply->retry_after_s);
                return;
        }
        endpoint->uplink->token_refused = false;
        mu_breaker_success(&endpoint->breaker);
        if (r == MU_UPLINK_TAKEN_PARTLY) {
                mu_uplink_schedule_retry(endpoint, reply->retry_after_s);
                return;
        }
        mu_backoff_reset(&endpoint->backoff);
        endpoint->hold_ns = 0;
        endpoint->asked_ns = 0;
}

/* A result that the appliance fails on keeps none that waits behind it. 429 and 503 are about the
 * appliance, not about the result. */
static void pass_result(struct mu_uplink_flight *flight, const struct mu_agent_reply *reply)
{
        struct mu_agent_uplink *uplink = flight->endpoint->uplink;

        if (flight->endpoint == &uplink->endpoints[MU_UPLINK_RESULT] && reply->error == 0 &&
            reply->status != 429 && reply->status != 503)
                uplink->passed_result = flight->items.items[0].id;
}

/* No answer that says anything of the items: they stay. */
static void on_kept(struct mu_uplink_flight *flight, enum mu_agent_answer answer,
                    const struct mu_agent_reply *reply, bool left_behind)
{
        struct mu_uplink_endpoint *endpoint = flight->endpoint;

        keep_all(flight);
        if (answer == MU_AGENT_ANSWER_TOKEN) {
                mu_breaker_success(&endpoint->breaker);
                mu_uplink_note_failure(endpoint, reply, 0);
                set_token_refused(endpoint->uplink);
        } else if (answer != MU_AGENT_ANSWER_GONE && !left_behind) {
                pass_result(flight, reply);
                if (endpoint == &endpoint->uplink->endpoints[MU_UPLINK_BATCH])
                        mu_uplink_batch_failed(flight, reply);
                mu_breaker_failure(&endpoint->breaker);
                mu_uplink_note_failure(endpoint, reply, 0);
                mu_uplink_schedule_retry(endpoint, reply->retry_after_s);
        }
}

void mu_uplink_on_reply(void *context, const struct mu_agent_reply *reply)
{
        struct mu_uplink_flight *flight = context;
        struct mu_uplink_endpoint *endpoint = flight->endpoint;
        struct mu_agent_core *core = endpoint->uplink->core;
        enum mu_agent_answer answer = mu_agent_answer_of(core, reply);
        bool left_behind = endpoint->flight != flight;

        MU_ASSERT(flight->busy);
        core->changed = true;
        /* 403 to a heartbeat, a 404 of something in between: nothing that the report is to blame
         * for. */
        if (answer == MU_AGENT_ANSWER_REFUSED && !is_final(endpoint, reply->status))
                answer = MU_AGENT_ANSWER_RETRY;
        if (answer == MU_AGENT_ANSWER_OK || (answer == MU_AGENT_ANSWER_REFUSED && !left_behind))
                on_answered(flight, answer, reply);
        else
                on_kept(flight, answer, reply, left_behind);
        mu_uplink_release(flight);
}

int mu_uplink_put_aside(struct mu_uplink_flight *flight, const char *why)
{
        int r = settle_all(flight, MU_AGENT_ASIDE, why);

        if (r == 0)
                flight->endpoint->uplink->core->rejected_reports += flight->items.count;
        return r;
}

/* A heartbeat that this run has read: not one that waited from before, unless the first reading of
 * this run has replaced it. By no clock: it may have been set since. */
static void note_reported(struct mu_agent_uplink *uplink, const struct mu_agent_item *item)
{
        bool is_unkept = item->id == 0;

        if (uplink->first_bucket_s != MU_UPLINK_NO_BUCKET &&
            (is_unkept || item->is_ours || item->key == uplink->first_bucket_s))
                uplink->state.reported++;
}

static void note_delivered(struct mu_uplink_endpoint *endpoint, size_t count)
{
        struct mu_agent_uplink *uplink = endpoint->uplink;

        if (count == 0)
                return;
        uplink->state.delivered += count;
        uplink->state.delivered_at_us = mu_agent_now_us(uplink->core);
        mu_agent_event(uplink->core->events, MU_AGENT_INFO, "deliver.ok",
                       "\"endpoint\":\"%s\",\"items\":%zu", endpoint->name, count);
}

int mu_uplink_take_heartbeat_reply(struct mu_uplink_flight *flight,
                                   const struct mu_agent_reply *reply)
{
        struct mu_agent_uplink *uplink = flight->endpoint->uplink;
        struct mu_agent_core *core = uplink->core;
        struct mu_agent_heartbeat_reply said = {.next_heartbeat_in_s = -1};
        int r = mu_agent_reply_heartbeat(reply->body, reply->body_bytes, &said);

        if (r == 0)
                r = settle_all(flight, MU_AGENT_DELIVERED, NULL);
        if (r < 0)
                return r;
        /* One that was left behind says nothing of the newer one. */
        if (flight->endpoint->flight == flight)
                flight->endpoint->wanted = false;
        note_delivered(flight->endpoint, flight->items.count);
        for (size_t i = 0; i < flight->items.count; i++)
                note_reported(uplink, &flight->items.items[i]);
        if (said.server_time_s > 0)
                mu_agent_clock_sync_reply(&core->clock, said.server_time_s, flight->sent_ns,
                                          mu_agent_elapsed_ns(core));
        if (said.next_heartbeat_in_s == 0)
                said.next_heartbeat_in_s = 1;
        if (said.next_heartbeat_in_s > MU_AGENT_HEARTBEAT_S_MAX)
                said.next_heartbeat_in_s = MU_AGENT_HEARTBEAT_S_MAX;
        /* Before the first one of this run its answer can't put that one off. */
        if (said.next_heartbeat_in_s >= 0 && uplink->first_bucket_s != MU_UPLINK_NO_BUCKET)
                mu_uplink_set_next(uplink, said.next_heartbeat_in_s * MU_US_PER_S);
        if (said.commands > 0 && core->downlink)
                mu_agent_downlink_waiting(core->downlink, said.commands);
        if (said.update && core->updater)
                mu_agent_updater_nudge(core->updater, NULL);
        return MU_UPLINK_TAKEN;
}

int mu_uplink_take_batch_reply(struct mu_uplink_flight *flight, const struct mu_agent_reply *reply)
{
        struct mu_agent_uplink *uplink = flight->endpoint->uplink;
        struct mu_agent_core *core = uplink->core;
        size_t counts[MU_AGENT_ASIDE + 1] = {0};
        enum mu_agent_verdict verdicts[MU_BATCH_ITEMS_MAX];
        const char *whys[MU_BATCH_ITEMS_MAX];
        json_t *memory = NULL;
        size_t count = flight->items.count;

        MU_ASSERT(count <= MU_BATCH_ITEMS_MAX);
        int r = mu_agent_reply_batch(reply->body, reply->body_bytes, count, verdicts, whys,
                                     &memory);

        if (r == 0)
                r = mu_agent_queue_settle(core->queue, &flight->items, verdicts, whys,
                                          mu_agent_now_us(core));
        json_decref(memory);
        if (r < 0)
                return r;
        mu_uplink_batch_taken(flight);
        for (size_t i = 0; i < count; i++) {
                counts[verdicts[i]]++;
                if (verdicts[i] == MU_AGENT_DELIVERED)
                        note_reported(uplink, &flight->items.items[i]);
        }
        note_delivered(flight->endpoint, counts[MU_AGENT_DELIVERED]);
        core->rejected_reports += counts[MU_AGENT_ASIDE];
        /* Up again as it went down. */
        if (uplink->batch_count < MU_BATCH_ITEMS_MAX / 2)
                uplink->batch_count *= 2;
        else
                uplink->batch_count = MU_BATCH_ITEMS_MAX;
        return counts[MU_AGENT_KEEP] > 0 ? MU_UPLINK_TAKEN_PARTLY : MU_UPLINK_TAKEN;
}

int mu_uplink_refuse_batch(struct mu_uplink_flight *flight, const char *why)
{
        if (flight->items.count == 1)
                return mu_uplink_put_aside(flight, why);
        flight->endpoint->uplink->batch_count = flight->items.count / 2;
        keep_all(flight);
        return MU_UPLINK_TAKEN;
}

int mu_uplink_take_result_reply(struct mu_uplink_flight *flight, const struct mu_agent_reply *reply)
{
        int r = mu_agent_reply_result(reply->body, reply->body_bytes, flight->items.items[0].key);

        if (r == 0)
                r = settle_all(flight, MU_AGENT_DELIVERED, NULL);
        if (r < 0)
                return r;
        note_delivered(flight->endpoint, 1);
        return MU_UPLINK_TAKEN;
}
