/* SPDX-License-Identifier: Apache-2.0 */
/* uplink_readings.c - what the device says of itself, on time, into the queue. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/text.h"
#include "core/uplink_private.h"

void mu_uplink_set_next(struct mu_agent_uplink *uplink, int64_t in_us)
{
        uplink->next_ns = mu_agent_now_ns(uplink->core) + (uint64_t)(in_us * MU_NS_PER_US);
        uplink->next_elapsed_ns =
                mu_agent_elapsed_ns(uplink->core) + (uint64_t)(in_us * MU_NS_PER_US);
}

/* The interval from when it was due, not from now: a late wake-up moves no phase. */
static void set_next_by_interval(struct mu_agent_uplink *uplink)
{
        int64_t interval_us = uplink->core->config.heartbeat_interval_s * MU_US_PER_S;
        uint64_t now_ns = mu_agent_now_ns(uplink->core);
        int64_t late_us =
                (int64_t)((now_ns - mu_uplink_sooner(uplink->next_ns, now_ns)) / MU_NS_PER_US);

        mu_uplink_set_next(uplink, interval_us - late_us % interval_us);
}

static void read_device(struct mu_agent_core *core, struct mu_agent_readings *ret_readings)
{
        const struct mu_agent_platform *platform = core->platform;

        mu_agent_readings_init(ret_readings);
        int r = platform->read(platform->context, core->config.monitored_package, ret_readings);

        if (r < 0)
                mu_agent_event(core->events, MU_AGENT_WARNING, "queue.enqueue",
                               "\"readings\":false,\"error\":%d", r);
        if (ret_readings->boot_id[0] != '\0')
                return;
        /* It could not be read this time: the boot is the same. */
        (void)snprintf(ret_readings->boot_id, sizeof(ret_readings->boot_id), "%s",
                       core->readings.boot_id[0] != '\0' ? core->readings.boot_id
                                                         : MU_AGENT_BOOT_ID_UNKNOWN);
}

/* In place of an older one. */
static void keep_unkept(struct mu_agent_uplink *uplink, int64_t bucket_s, struct mu_text *text)
{
        struct mu_agent_item *item = &uplink->unkept;

        free(item->body);
        uplink->unkept_clock_us = mu_agent_clock_us(uplink->core);
        *item = (struct mu_agent_item){.kind = MU_AGENT_ITEM_HEARTBEAT, .key = bucket_s};
        if (mu_text_take(text, &item->body, &item->body_bytes) < 0)
                item->body = NULL; /* nor the memory: the next one may be luckier */
}

static int queue_readings(struct mu_agent_uplink *uplink, const struct mu_agent_readings *readings,
                          int64_t ts_us)
{
        struct mu_agent_core *core = uplink->core;
        int64_t ts_s = ts_us > 0 ? ts_us / MU_US_PER_S : 0;
        int64_t bucket_s = ts_s - ts_s % MU_AGENT_BUCKET_S;
        struct mu_agent_queue_state depth;
        struct mu_text text;
        int64_t seq;
        int r = mu_agent_queue_state(core->queue, &depth);

        if (r == 0)
                r = mu_agent_queue_seq(core->queue, readings->boot_id, bucket_s, &seq);
        if (r < 0)
                return r;
        mu_text_init(&text);
        r = mu_agent_report_write(core, readings, ts_us, seq, depth.heartbeats + depth.results,
                                  &text);
        if (r == 0)
                r = mu_agent_queue_heartbeat(core->queue, bucket_s, text.data, text.bytes, ts_us);
        if (r < 0 && r != -EALREADY)
                keep_unkept(uplink, bucket_s, &text);
        mu_text_done(&text);
        if (r == 0 && uplink->first_bucket_s == MU_UPLINK_NO_BUCKET)
                uplink->first_bucket_s = bucket_s;
        return r;
}

/* The core keeps the readings, without their extra. */
static void keep_readings(struct mu_agent_core *core, struct mu_agent_readings *readings)
{
        json_decref(readings->extra);
        readings->extra = NULL;
        core->readings = *readings;
}

void mu_uplink_take_heartbeat(struct mu_agent_uplink *uplink)
{
        struct mu_agent_core *core = uplink->core;
        struct mu_agent_readings readings;
        uint32_t expired;

        read_device(core, &readings);
        /* Now: between this and the queue, which notes the clock, nobody sets it. */
        int64_t ts_us = mu_agent_now_us(core);
        int r = queue_readings(uplink, &readings, ts_us);

        keep_readings(core, &readings);
        uplink->endpoints[MU_UPLINK_HEARTBEAT].wanted = true;
        uplink->endpoints[MU_UPLINK_BATCH].wanted = true;
        if (r == -EALREADY) {
                /* The appliance has this bucket or may have it: into the next one. */
                int64_t bucket_us = MU_AGENT_BUCKET_S * MU_US_PER_S;

                mu_uplink_set_next(uplink, ts_us < 0 ? bucket_us : bucket_us - ts_us % bucket_us);
        } else {
                set_next_by_interval(uplink);
        }
        if (r < 0 && r != -EALREADY)
                mu_agent_event(core->events, MU_AGENT_ERROR, "queue.enqueue",
                               "\"kind\":\"heartbeat\",\"error\":%d", r);
        r = mu_agent_queue_expire(core->queue, &expired);
        if (r < 0)
                mu_agent_event(core->events, MU_AGENT_ERROR, "queue.expire", "\"error\":%d", r);
}

static bool is_news(const struct mu_agent_readings *a, const struct mu_agent_readings *b)
{
        return a->charging != b->charging || a->power_ok != b->power_ok ||
               a->network != b->network || a->net_validated != b->net_validated ||
               strcmp(a->ssid, b->ssid) != 0;
}

void mu_agent_uplink_note(struct mu_agent_uplink *uplink)
{
        struct mu_agent_core *core = uplink->core;
        struct mu_agent_readings readings;
        int r = 0;

        if (core->deleted)
                return;
        core->changed = true;
        if (mu_agent_elapsed_ns(core) >= uplink->next_elapsed_ns) {
                mu_uplink_set_next(uplink, 0);
                return;
        }
        read_device(core, &readings);
        if (is_news(&readings, &core->readings))
                r = queue_readings(uplink, &readings, mu_agent_now_us(core));
        keep_readings(core, &readings);
        /* A bucket that is taken is no loss: the next heartbeat says it all. */
        if (r < 0 && r != -EALREADY)
                mu_agent_event(core->events, MU_AGENT_ERROR, "queue.enqueue",
                               "\"kind\":\"heartbeat\",\"error\":%d", r);
}
