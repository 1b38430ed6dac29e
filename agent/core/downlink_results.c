/* SPDX-License-Identifier: Apache-2.0 */
/* downlink_results.c - queued results go over the channel, one at a time, while it is open; without
 * one the uplink sends them. */
#include <string.h>

#include "core/downlink_private.h"
#include "core/uplink.h"

static void forget_item(struct mu_downlink_results *results)
{
        mu_agent_items_done(&results->items);
        results->under_way = false;
}

static uint64_t next_try(struct mu_agent_downlink *downlink, uint64_t now_ns)
{
        uint64_t wait_ms = mu_backoff_next_ms(&downlink->results.backoff, &downlink->core->random);

        return mu_downlink_later(now_ns, MU_AGENT_RETRY_BASE_MS + wait_ms);
}

/* What a damaged disk made of a row. The uplink looks closer; this is what would break the frame.
 */
static bool is_object(const struct mu_agent_item *item)
{
        return item->body_bytes > 2 && item->body[0] == '{';
}

/* {"type":"result", and the members of the body. */
static int send(struct mu_agent_downlink *downlink, const struct mu_agent_item *item)
{
        const struct mu_agent_platform *platform = downlink->core->platform;
        struct mu_text text;

        mu_text_init(&text);
        mu_text_add(&text, "{\"type\":\"result\",");
        mu_text_add_bytes(&text, item->body + 1, item->body_bytes - 1);
        int r = mu_text_status(&text);

        if (r == 0)
                r = platform->push_send(platform->context, text.data, text.bytes);
        mu_text_done(&text);
        return r;
}

static void put_aside(struct mu_agent_downlink *downlink, struct mu_agent_items *items,
                      uint64_t now_ns)
{
        struct mu_agent_core *core = downlink->core;
        const enum mu_agent_verdict verdict = MU_AGENT_ASIDE;
        const char *why = "The stored result is damaged.";
        int r = mu_agent_queue_settle(core->queue, items, &verdict, &why, mu_agent_now_us(core));

        mu_agent_items_done(items);
        if (r == 0)
                core->rejected_reports++;
        downlink->results.due_ns =
                r < 0 ? mu_downlink_later(now_ns, MU_DOWNLINK_STORE_RETRY_MS) : now_ns;
        core->changed = true;
}

static void send_oldest(struct mu_agent_downlink *downlink, uint64_t now_ns)
{
        struct mu_downlink_results *results = &downlink->results;
        struct mu_agent_items items;

        forget_item(results);
        int r = mu_agent_queue_peek(downlink->core->queue, MU_AGENT_ITEM_RESULT, 1, 1, &items);

        if (r < 0) {
                results->due_ns = mu_downlink_later(now_ns, MU_DOWNLINK_STORE_RETRY_MS);
                return;
        }
        if (items.count == 0) {
                results->maybe = false;
                mu_agent_items_done(&items);
                return;
        }
        if (!is_object(&items.items[0])) {
                put_aside(downlink, &items, now_ns);
                return;
        }
        r = send(downlink, &items.items[0]);
        if (r < 0) {
                mu_agent_items_done(&items);
                results->due_ns = next_try(downlink, now_ns);
                return;
        }
        results->items = items;
        results->under_way = true;
        results->due_ns = mu_downlink_later(now_ns, MU_DOWNLINK_RESULT_ANSWER_MS);
}

uint64_t mu_downlink_results_step(struct mu_agent_downlink *downlink, uint64_t now_ns)
{
        struct mu_downlink_results *results = &downlink->results;

        if (downlink->channel != MU_AGENT_CHANNEL_OPEN)
                return MU_AGENT_NEVER;
        if (results->under_way && now_ns >= results->due_ns) {
                /* Said again later; its item is kept, for a late answer counts. */
                results->under_way = false;
                results->due_ns = next_try(downlink, now_ns);
        }
        if (!results->under_way && results->maybe && now_ns >= results->due_ns)
                send_oldest(downlink, now_ns);
        return results->under_way || results->maybe ? results->due_ns : MU_AGENT_NEVER;
}

void mu_downlink_result_answered(struct mu_agent_downlink *downlink, int64_t command_id,
                                 enum mu_agent_verdict verdict, const char *why)
{
        struct mu_downlink_results *results = &downlink->results;
        struct mu_agent_core *core = downlink->core;
        uint64_t now_ns = mu_agent_now_ns(core);

        if (results->items.count == 0 || results->items.items[0].key != command_id)
                return;
        core->changed = true;
        if (verdict == MU_AGENT_KEEP) {
                results->under_way = false;
                results->due_ns = next_try(downlink, now_ns);
                return;
        }
        int r = mu_agent_queue_settle(core->queue, &results->items, &verdict, &why,
                                      mu_agent_now_us(core));

        if (r < 0) {
                /* Said again, it is a duplicate to the appliance. */
                results->under_way = false;
                results->due_ns = mu_downlink_later(now_ns, MU_DOWNLINK_STORE_RETRY_MS);
                return;
        }
        if (verdict == MU_AGENT_ASIDE)
                core->rejected_reports++;
        mu_agent_event(core->events,
                       verdict == MU_AGENT_DELIVERED ? MU_AGENT_INFO : MU_AGENT_WARNING,
                       verdict == MU_AGENT_DELIVERED ? "deliver.ok" : "deliver.fail",
                       "\"path\":\"channel\",\"command_id\":\"%lld\"", (long long)command_id);
        mu_backoff_reset(&results->backoff);
        forget_item(results);
        results->due_ns = now_ns;
}

void mu_downlink_results_channel_closed(struct mu_agent_downlink *downlink)
{
        forget_item(&downlink->results);
        downlink->results.due_ns = 0;
        mu_backoff_reset(&downlink->results.backoff);
        if (downlink->core->uplink)
                mu_agent_uplink_result_queued(downlink->core->uplink);
}

void mu_downlink_results_done(struct mu_agent_downlink *downlink)
{
        forget_item(&downlink->results);
}
