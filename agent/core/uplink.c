/* SPDX-License-Identifier: Apache-2.0 */
#include "core/uplink.h"

#include <errno.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/text.h"
#include "core/downlink.h"
#include "core/uplink_private.h"

enum uplink_limits {
        /* The breaker keeps full jitter's short waits from knocking at a closed door; below the
         * backoff's cap, so that the jitter spreads a fleet's return. */
        BREAKER_FAILURES = 5,
        BREAKER_OPEN_MS = 10 * 1000,
        BREAKER_OPEN_MS_MAX = 60 * 1000,
};

static const struct mu_breaker_options breaker_options = {
        .failures_max = BREAKER_FAILURES,
        .successes_to_close = 1,
        .open_ms = BREAKER_OPEN_MS,
        .open_ms_max = BREAKER_OPEN_MS_MAX,
};

static bool has_channel(const struct mu_agent_core *core)
{
        return core->downlink && mu_agent_downlink_channel(core->downlink) == MU_AGENT_CHANNEL_OPEN;
}

static uint64_t gate_ns(const struct mu_uplink_endpoint *endpoint)
{
        const struct mu_agent_uplink *uplink = endpoint->uplink;
        uint64_t gate = mu_uplink_later(endpoint->hold_ns, endpoint->asked_ns);
        uint32_t breaker_ms = mu_breaker_wait_ms(&endpoint->breaker);

        if (breaker_ms > 0)
                gate = mu_uplink_later(gate, mu_agent_now_ns(uplink->core) +
                                                     (uint64_t)breaker_ms * (uint64_t)MU_NS_PER_MS);
        if (endpoint == &uplink->endpoints[MU_UPLINK_RESULT] && uplink->channel_item != 0 &&
            has_channel(uplink->core))
                gate = mu_uplink_later(gate, uplink->channel_ns);
        return uplink->token_refused ? mu_uplink_later(gate, uplink->token_ns) : gate;
}

/* Must it wait for an answer to something else? One request with heartbeats at a time, so that no
 * item is under way twice; and a token that was refused is tried with one request only. */
static bool is_blocked(const struct mu_uplink_endpoint *endpoint)
{
        const struct mu_agent_uplink *uplink = endpoint->uplink;
        const struct mu_uplink_endpoint *heartbeat = &uplink->endpoints[MU_UPLINK_HEARTBEAT];
        const struct mu_uplink_endpoint *batch = &uplink->endpoints[MU_UPLINK_BATCH];

        if (endpoint == heartbeat)
                return batch->flight != NULL;
        if (uplink->token_refused && heartbeat->wanted)
                return true;
        if (endpoint == batch && uplink->waits_for_time && heartbeat->wanted &&
            !uplink->core->clock.synced)
                return true;
        if (endpoint == batch)
                return heartbeat->flight != NULL || mu_agent_is_frugal(uplink->core);
        return false;
}

static bool is_ready(const struct mu_uplink_endpoint *endpoint)
{
        return endpoint->wanted && !endpoint->flight && !is_blocked(endpoint) &&
               gate_ns(endpoint) <= mu_agent_now_ns(endpoint->uplink->core);
}

/* There is one whenever endpoint->flight is NULL. */
static struct mu_uplink_flight *free_flight(struct mu_uplink_endpoint *endpoint)
{
        for (size_t i = 0; i < MU_UPLINK_FLIGHTS; i++)
                if (!endpoint->flights[i].busy)
                        return &endpoint->flights[i];
        return NULL;
}

/* Sends the flight's items as this body. */
static void post(struct mu_uplink_flight *flight, const char *body, size_t bytes)
{
        struct mu_uplink_endpoint *endpoint = flight->endpoint;
        struct mu_agent_core *core = endpoint->uplink->core;
        struct mu_agent_request request = {
                .method = "POST",
                .path = endpoint->path,
                .body = body,
                .body_bytes = bytes,
                .authorization = MU_AGENT_AUTH_TOKEN,
                .timeout_ms = MU_AGENT_REQUEST_TIMEOUT_MS,
        };

        if (!mu_breaker_allow(&endpoint->breaker)) {
                mu_uplink_release(flight);
                return;
        }
        flight->sent_ns = mu_agent_elapsed_ns(core);
        flight->busy = true;
        endpoint->flight = flight;
        int r = core->platform->request(core->platform->context, &request, mu_uplink_on_reply,
                                        flight);

        if (r == 0)
                return;
        mu_breaker_failure(&endpoint->breaker);
        mu_uplink_note_failure(endpoint, NULL, r);
        mu_uplink_schedule_retry(endpoint, -1);
        mu_uplink_release(flight);
}

/* Nothing went out: the disk or the memory has failed, or an item is not what was written. */
static void give_up(struct mu_uplink_flight *flight, int error)
{
        if (error == -EBADMSG && flight->items.count > 0)
                error = flight->endpoint->refuse(flight, "damaged on this device");
        if (error < 0) {
                mu_uplink_note_failure(flight->endpoint, NULL, error);
                mu_uplink_schedule_retry(flight->endpoint, -1);
        }
        mu_uplink_release(flight);
}

/* What they were dated by says when they are sent. */
static int64_t sent_at_us(const struct mu_uplink_flight *flight)
{
        const struct mu_agent_core *core = flight->endpoint->uplink->core;

        return flight->items.items[0].clock_us +
               (int64_t)(mu_agent_elapsed_ns(core) / (uint64_t)MU_NS_PER_US);
}

/* False: there is none, or no memory to send it with. */
static bool send_unkept(struct mu_agent_uplink *uplink)
{
        struct mu_uplink_endpoint *endpoint = &uplink->endpoints[MU_UPLINK_HEARTBEAT];
        struct mu_uplink_flight *flight = free_flight(endpoint);
        struct mu_text text;

        MU_ASSERT(flight);
        if (!uplink->unkept.body)
                return false;
        flight->items.items = malloc(sizeof(*flight->items.items));
        if (!flight->items.items)
                return false;
        flight->items.items[0] = uplink->unkept;
        flight->items.items[0].clock_us = uplink->unkept_clock_us;
        flight->items.count = 1;
        uplink->unkept.body = NULL;
        mu_text_init(&text);
        int r = mu_agent_report_single(&flight->items.items[0], sent_at_us(flight), &text);

        if (r == 0)
                post(flight, text.data, text.bytes);
        else
                give_up(flight, r);
        mu_text_done(&text);
        return true;
}

static void send_newest(struct mu_agent_uplink *uplink)
{
        struct mu_uplink_endpoint *endpoint = &uplink->endpoints[MU_UPLINK_HEARTBEAT];
        struct mu_uplink_flight *flight = free_flight(endpoint);
        struct mu_agent_core *core = uplink->core;
        struct mu_text text;

        MU_ASSERT(flight);
        int r = mu_agent_queue_newest(core->queue, &flight->items);

        if (r == 0 && flight->items.count == 0) {
                endpoint->wanted = false;
                mu_uplink_release(flight);
                return;
        }
        mu_text_init(&text);
        if (r == 0)
                r = mu_agent_queue_redate(core->queue, &flight->items);
        if (r == 0)
                r = mu_agent_queue_freeze(core->queue, &flight->items);
        if (r == 0)
                r = mu_agent_report_single(&flight->items.items[0], sent_at_us(flight), &text);
        if (r == 0)
                post(flight, text.data, text.bytes);
        else
                give_up(flight, r);
        mu_text_done(&text);
}

/* All but the newest while that is to go by itself: its reply says more. */
static void send_backlog(struct mu_agent_uplink *uplink)
{
        struct mu_uplink_endpoint *endpoint = &uplink->endpoints[MU_UPLINK_BATCH];
        struct mu_uplink_flight *flight = free_flight(endpoint);
        struct mu_agent_core *core = uplink->core;
        struct mu_agent_queue_state depth;
        struct mu_text text;

        MU_ASSERT(flight);
        int r = mu_agent_queue_state(core->queue, &depth);

        size_t spared = uplink->endpoints[MU_UPLINK_HEARTBEAT].wanted ? 1 : 0;

        if (r == 0 && depth.heartbeats <= spared) {
                endpoint->wanted = false;
                uplink->batch_count = MU_BATCH_ITEMS_MAX;
                return;
        }
        if (r == 0)
                r = mu_uplink_gather(
                        uplink, mu_uplink_sooner(uplink->batch_count, depth.heartbeats - spared),
                        &flight->items);
        if (r == 0 && flight->items.count == 0) { /* later; or only suspects, all of them gone */
                mu_uplink_release(flight);
                return;
        }
        mu_text_init(&text);
        if (r == 0)
                r = mu_agent_queue_freeze(core->queue, &flight->items);
        if (r == 0)
                r = mu_agent_report_batch(&flight->items, sent_at_us(flight), &text);
        if (r == 0)
                post(flight, text.data, text.bytes);
        else
                give_up(flight, r);
        mu_text_done(&text);
}

/* While a channel is open the oldest result is its own to deliver, for a while. */
static bool is_left_to_channel(struct mu_agent_uplink *uplink, int64_t item)
{
        const struct mu_agent_core *core = uplink->core;
        uint64_t now_ns = mu_agent_now_ns(core);

        if (uplink->channel_item != item) {
                uplink->channel_item = item;
                uplink->channel_ns =
                        now_ns + (uint64_t)MU_AGENT_CHANNEL_RESULT_MS * (uint64_t)MU_NS_PER_MS;
        }
        return has_channel(core) && now_ns < uplink->channel_ns;
}

static void send_result(struct mu_agent_uplink *uplink)
{
        struct mu_uplink_endpoint *endpoint = &uplink->endpoints[MU_UPLINK_RESULT];
        struct mu_uplink_flight *flight = free_flight(endpoint);

        MU_ASSERT(flight);
        int r = mu_agent_queue_result_after(uplink->core->queue, uplink->passed_result,
                                            &flight->items);

        if (r < 0) {
                give_up(flight, r);
                return;
        }
        if (flight->items.count == 0) {
                endpoint->wanted = false;
                uplink->channel_item = 0;
                mu_uplink_release(flight);
                return;
        }
        const struct mu_agent_item *item = &flight->items.items[0];

        if (is_left_to_channel(uplink, item->id))
                mu_uplink_release(flight);
        else
                post(flight, item->body, item->body_bytes);
}

static void init_endpoint(struct mu_agent_uplink *uplink, enum mu_uplink_endpoint_index index,
                          const struct mu_uplink_endpoint *as)
{
        struct mu_uplink_endpoint *endpoint = &uplink->endpoints[index];

        *endpoint = *as;
        endpoint->uplink = uplink;
        endpoint->wanted = true; /* what an earlier run has left */
        for (size_t i = 0; i < MU_UPLINK_FLIGHTS; i++)
                endpoint->flights[i].endpoint = endpoint;
        mu_backoff_init(&endpoint->backoff, MU_AGENT_RETRY_BASE_MS, MU_AGENT_RETRY_CAP_MS);
        mu_breaker_init(&endpoint->breaker, &breaker_options, uplink->core->platform->clock);
}

int mu_agent_uplink_create(struct mu_agent_core *core, struct mu_agent_uplink **ret_uplink)
{
        struct mu_agent_uplink *uplink = calloc(1, sizeof(*uplink));

        if (!uplink)
                return -ENOMEM;
        uplink->core = core;
        uplink->first_bucket_s = MU_UPLINK_NO_BUCKET;
        uplink->batch_count = MU_BATCH_ITEMS_MAX;
        init_endpoint(uplink, MU_UPLINK_HEARTBEAT,
                      &(struct mu_uplink_endpoint){.name = "heartbeat",
                                                   .path = MU_PATH_HEARTBEAT,
                                                   .take = mu_uplink_take_heartbeat_reply,
                                                   .refuse = mu_uplink_put_aside});
        init_endpoint(uplink, MU_UPLINK_BATCH,
                      &(struct mu_uplink_endpoint){.name = "heartbeats",
                                                   .path = MU_PATH_HEARTBEATS,
                                                   .take = mu_uplink_take_batch_reply,
                                                   .refuse = mu_uplink_refuse_batch});
        init_endpoint(uplink, MU_UPLINK_RESULT,
                      &(struct mu_uplink_endpoint){.name = "action-result",
                                                   .path = MU_PATH_ACTION_RESULT,
                                                   .take = mu_uplink_take_result_reply,
                                                   .refuse = mu_uplink_put_aside});
        mu_uplink_set_next(uplink, 0);
        *ret_uplink = uplink;
        return 0;
}

void mu_agent_uplink_destroy(struct mu_agent_uplink *uplink)
{
        if (!uplink)
                return;
        for (size_t i = 0; i < MU_UPLINK_ENDPOINTS; i++)
                for (size_t j = 0; j < MU_UPLINK_FLIGHTS; j++)
                        mu_uplink_release(&uplink->endpoints[i].flights[j]);
        free(uplink->unkept.body);
        free(uplink);
}

uint64_t mu_agent_uplink_step(struct mu_agent_uplink *uplink)
{
        uint64_t due_ns;

        if (uplink->core->deleted)
                return MU_AGENT_NEVER;
        if (mu_agent_now_ns(uplink->core) >= uplink->next_ns)
                mu_uplink_take_heartbeat(uplink);
        if (is_ready(&uplink->endpoints[MU_UPLINK_HEARTBEAT]) && !send_unkept(uplink))
                send_newest(uplink);
        if (is_ready(&uplink->endpoints[MU_UPLINK_BATCH]))
                send_backlog(uplink);
        if (is_ready(&uplink->endpoints[MU_UPLINK_RESULT]))
                send_result(uplink);
        due_ns = uplink->next_ns;
        for (size_t i = 0; i < MU_UPLINK_ENDPOINTS; i++) {
                const struct mu_uplink_endpoint *endpoint = &uplink->endpoints[i];

                if (endpoint->wanted && !endpoint->flight && !is_blocked(endpoint))
                        due_ns = mu_uplink_sooner(due_ns, gate_ns(endpoint));
        }
        return due_ns;
}

void mu_agent_uplink_network(struct mu_agent_uplink *uplink)
{
        if (uplink->core->deleted)
                return;
        for (size_t i = 0; i < MU_UPLINK_ENDPOINTS; i++) {
                struct mu_uplink_endpoint *endpoint = &uplink->endpoints[i];

                endpoint->hold_ns = 0;
                endpoint->wanted = true;
                mu_backoff_reset(&endpoint->backoff);
                mu_breaker_init(&endpoint->breaker, &breaker_options,
                                uplink->core->platform->clock);
                /* What is under way went out by the old network, and may only end by its timeout:
                 * it is sent again beside it. */
                if (free_flight(endpoint))
                        endpoint->flight = NULL;
        }
        mu_uplink_set_next(uplink, 0);
        uplink->core->changed = true;
}

void mu_agent_uplink_result_queued(struct mu_agent_uplink *uplink)
{
        uplink->endpoints[MU_UPLINK_RESULT].wanted = true;
        uplink->core->changed = true;
}

struct mu_agent_uplink_state mu_agent_uplink_state(const struct mu_agent_uplink *uplink)
{
        struct mu_agent_uplink_state state = uplink->state;
        uint64_t now_ns = mu_agent_now_ns(uplink->core);

        state.next_heartbeat_ns = uplink->core->deleted ? MU_AGENT_NEVER : uplink->next_ns;
        state.token_refused = uplink->token_refused;
        state.retry_ns = MU_AGENT_NEVER;
        for (size_t i = 0; i < MU_UPLINK_ENDPOINTS && !uplink->core->deleted; i++) {
                const struct mu_uplink_endpoint *endpoint = &uplink->endpoints[i];
                uint64_t gate = gate_ns(endpoint);

                if (endpoint->wanted && !endpoint->flight && gate > now_ns)
                        state.retry_ns = mu_uplink_sooner(state.retry_ns, gate);
        }
        return state;
}
