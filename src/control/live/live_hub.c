/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/hash.h"
#include "control/live/live_encode.h"
#include "control/live/live_hub_private.h"
#include "muster/record.h"

enum {
        GONE_SPARE = 65536,
        EVENTS_MAX = 256, /* read from the bus at a time */
        EVENTS_PER_TICK = 32768,
        KEEPER_MS = 2000, /* after which the keeper has written what a frontend noticed */
};

static uint64_t now_ms(const struct mu_live_hub *hub)
{
        return mu_clock_monotonic_ns(hub->config.clock) / (uint64_t)MU_NS_PER_MS;
}

/* ---- frames ---- */

void mu_live_text_begin(struct mu_live_hub *hub, const char *start)
{
        mu_text_clear(&hub->text);
        mu_text_add(&hub->text, start);
}

void mu_live_add_stream(struct mu_live_hub *hub)
{
        mu_text_add_format(&hub->text, ",\"stream\":\"%08x\"", hub->stream);
}

void *mu_live_make(struct mu_live_hub *hub, size_t *ret_bytes)
{
        const struct mu_live_ops *ops = &hub->config.ops;
        void *frame = NULL;

        if (mu_text_status(&hub->text) < 0 ||
            ops->make(ops->ctx, hub->text.data, hub->text.bytes, &frame) < 0)
                return NULL;
        *ret_bytes = hub->text.bytes;
        return frame;
}

void mu_live_drop(struct mu_live_hub *hub, void *frame)
{
        if (frame)
                hub->config.ops.drop(hub->config.ops.ctx, frame);
}

void mu_live_send(struct mu_live_hub *hub, struct mu_live_client *client, void *frame, size_t bytes)
{
        hub->config.ops.send(hub->config.ops.ctx, client->socket, frame);
        mu_cell_add(&hub->stats.frames, 1);
        mu_cell_add(&hub->stats.bytes, bytes);
}

void mu_live_send_text(struct mu_live_hub *hub, struct mu_live_client *client)
{
        size_t bytes = 0;
        void *frame = mu_live_make(hub, &bytes);

        if (!frame) {
                mu_live_close(hub, client, 1013, "Out of memory; come again.");
                return;
        }
        mu_live_send(hub, client, frame, bytes);
        mu_live_drop(hub, frame);
}

/* ---- the image ---- */

void mu_live_read_anew(struct mu_live_hub *hub, int64_t device_id)
{
        if (hub->unread_count == UNREAD_MAX)
                hub->load_wanted = true;
        else
                hub->unread[hub->unread_count++] = device_id;
}

/* The image is full of what is gone, or nobody needs it: another one will be another stream. */
static void forget_image(struct mu_live_hub *hub)
{
        mu_live_forget_pages(hub);
        mu_live_image_done(&hub->image);
        mu_live_image_init(&hub->image, hub->now_ms);
        hub->loaded = false;
        hub->unread_count = 0;
        mu_live_forget_notes(hub);
        hub->stream = (uint32_t)mu_hash_u64(hub->stream + UINT64_C(1));
        for (struct mu_live_link *at = hub->groups.next; at != &hub->groups; at = at->next)
                LIVE_OF(mu_live_group, link, at)->resolved_rows = UINT32_MAX;
}

static void keep_image_small(struct mu_live_hub *hub)
{
        if (hub->handing_out ||
            hub->image.row_count - hub->image.live_count < hub->image.live_count + GONE_SPARE)
                return;
        forget_image(hub);
        for (struct mu_live_link *at = hub->clients.next; at != &hub->clients; at = at->next) {
                struct mu_live_client *client = LIVE_OF(mu_live_client, all, at);

                if (client->state != LIVE_PAGING && client->state != LIVE_LIVE)
                        continue;
                client->seq = 0;
                mu_live_start_paging(hub, client);
        }
}

static void load_image(struct mu_live_hub *hub)
{
        const struct mu_live_ops *ops = &hub->config.ops;

        mu_live_image_begin_load(&hub->image);
        int error = ops->load(ops->ctx, &hub->image);

        if (error == 0)
                error = mu_live_image_end_load(&hub->image);
        hub->now_ms = now_ms(hub);
        hub->load_at_ms = hub->now_ms + RETRY_MS;
        hub->load_failed = error < 0;
        mu_cell_add(error < 0 ? &hub->stats.load_failures : &hub->stats.loads, 1);
        if (error < 0)
                return;
        hub->load_wanted = false;
        hub->unread_count = 0;
        hub->reload_at_ms = hub->now_ms + MU_LIVE_RELOAD_MS;
        if (hub->loaded)
                return;
        hub->loaded = true;
        mu_live_image_begin_round(&hub->image, ++hub->seq, UINT32_MAX, hub->now_ms);
        hub->image.round.count = 0; /* everyone begins with a snapshot */
}

/* Rows that the database does not have any more are gone. */
static void read_rows(struct mu_live_hub *hub)
{
        const struct mu_live_ops *ops = &hub->config.ops;
        struct mu_live_image *image = &hub->image;

        mu_live_image_begin_load(image);
        int error = ops->reload(ops->ctx, image, hub->unread, hub->unread_count);

        for (uint32_t i = 0; error == 0 && i < hub->unread_count; i++) {
                uint32_t slot = mu_live_image_slot(image, hub->unread[i]);

                if (slot != MU_LIVE_NO_SLOT && image->rows[slot].loads != image->loads)
                        error = mu_live_image_remove(image, hub->unread[i]);
        }
        if (error == 0)
                hub->unread_count = 0;
        else
                hub->unread_at_ms = hub->now_ms + RETRY_MS;
}

static void refresh_image(struct mu_live_hub *hub)
{
        bool whole = !hub->loaded || hub->load_wanted || hub->now_ms >= hub->reload_at_ms;

        if (whole && hub->now_ms >= hub->load_at_ms)
                load_image(hub);
        if (hub->loaded && hub->unread_count > 0 && hub->now_ms >= hub->unread_at_ms)
                read_rows(hub);
        if (hub->loaded && mu_live_image_turn(&hub->image, hub->now_ms) < 0)
                hub->load_wanted = true;
        mu_cell_set(&hub->stats.devices, hub->image.live_count);
}

/* ---- the bus ---- */

/* A suspected clone: the keeper is about to write it down. */
static void note_quarantine(struct mu_live_hub *hub, const struct mu_bus_event *event)
{
        uint32_t slot = mu_live_image_slot(&hub->image, event->device_id);

        if ((event->as.status.flags & MU_RECORD_QUARANTINED) == 0 || slot == MU_LIVE_NO_SLOT ||
            hub->image.rows[slot].quarantined)
                return;
        mu_live_read_anew(hub, event->device_id);
        hub->unread_at_ms = hub->now_ms + KEEPER_MS;
}

static void take_event(struct mu_live_hub *hub, const struct mu_bus_event *event)
{
        struct mu_live_image *image = &hub->image;
        int error = 0;

        switch (event->kind) {
        case MU_BUS_COMMAND:
                mu_live_note(hub, LIVE_COMMANDS, event);
                return;
        case MU_BUS_ALERT:
                mu_live_note(hub, LIVE_ALERTS, event);
                return;
        case MU_BUS_STATUS:
                if (!hub->loaded)
                        break;
                error = mu_live_image_apply(image, event->device_id, &event->as.status,
                                            hub->now_ms);
                note_quarantine(hub, event);
                break;
        case MU_BUS_DEVICE_CHANGED:
                if (!hub->loaded)
                        break;
                mu_live_read_anew(hub, event->device_id);
                error = mu_live_image_edited(image, event->device_id);
                break;
        case MU_BUS_DEVICE_DELETED:
                error = mu_live_image_remove(image, event->device_id);
                break;
        case MU_BUS_DEVICES_CHANGED:
                hub->load_wanted = true;
                hub->edited = true;
                break;
        default:
                break;
        }
        if (error == -ENOENT)
                mu_live_read_anew(hub, event->device_id);
        else if (error < 0)
                hub->load_wanted = true;
}

static void read_bus(struct mu_live_hub *hub)
{
        struct mu_bus_event events[EVENTS_MAX];

        for (uint32_t taken = 0; taken < EVENTS_PER_TICK;) {
                uint64_t lost = 0;
                uint32_t count = mu_bus_read(&hub->reader, events, EVENTS_MAX, &lost);

                if (lost > 0) {
                        hub->load_wanted = true;
                        mu_live_notes_missed(hub);
                        mu_cell_add(&hub->stats.bus_gaps, 1);
                        mu_cell_add(&hub->stats.bus_lost, lost);
                }
                for (uint32_t i = 0; i < count; i++)
                        take_event(hub, &events[i]);
                if (count == 0 && lost == 0)
                        return;
                taken += count;
        }
}

/* Watching begins before the image is read, and ends with it. */
static void watch_or_not(struct mu_live_hub *hub)
{
        if (hub->subscribed > 0) {
                hub->idle_since_ms = 0;
                if (!hub->reader.bus)
                        mu_bus_watch(hub->config.bus, &hub->reader);
                return;
        }
        if (hub->idle_since_ms == 0)
                hub->idle_since_ms = hub->now_ms;
        if (!hub->reader.bus || hub->now_ms < hub->idle_since_ms + MU_LIVE_LINGER_MS)
                return;
        mu_bus_unwatch(&hub->reader);
        forget_image(hub);
}

/* ---- the tick ---- */

static void add_allowance(int64_t *allowance, int64_t bytes, int64_t most)
{
        *allowance += bytes;
        if (*allowance > most)
                *allowance = most;
}

/* A quarter for those who are brought up to date, the rest for the round that is being handed out;
 * all of it for one of them while the other has nothing to send. What is not used within a quarter
 * of a second is lost, so that nothing leaves in a burst. */
static void top_up(struct mu_live_hub *hub)
{
        uint64_t passed_ms = hub->now_ms - hub->budget_ms;
        int64_t most = (int64_t)(hub->config.bytes_per_s / 4);
        int64_t bytes =
                (int64_t)(hub->config.bytes_per_s * (passed_ms < 1000 ? passed_ms : 1000) / 1000);
        int64_t for_pages = bytes / 4;

        hub->budget_ms = hub->now_ms;
        if (live_list_empty(&hub->paging))
                for_pages = 0;
        else if (!hub->handing_out && hub->round_allowance >= 0)
                for_pages = bytes;
        add_allowance(&hub->page_allowance, for_pages, most);
        add_allowance(&hub->round_allowance, bytes - for_pages, most);
}

static uint32_t ms_until(const struct mu_live_hub *hub, uint64_t at_ms)
{
        return at_ms > hub->now_ms ? (uint32_t)(at_ms - hub->now_ms) : 1;
}

static uint32_t next_tick_ms(const struct mu_live_hub *hub)
{
        uint32_t pulse_ms = ms_until(hub, mu_live_pulse_due_ms(&hub->pulse));

        if (hub->handing_out || (hub->loaded && !live_list_empty(&hub->paging)))
                return MU_LIVE_SUBTICK_MS;
        if (hub->reader.bus)
                return MU_LIVE_TICK_MS;
        uint32_t wait_ms = pulse_ms;

        if (!live_list_empty(&hub->fresh))
                wait_ms = ms_until(
                        hub, LIVE_OF(mu_live_client, link, hub->fresh.next)->auth_deadline_ms);
        else if (hub->client_count > 0)
                wait_ms = ms_until(hub, hub->check_at_ms);
        return wait_ms < pulse_ms ? wait_ms : pulse_ms;
}

uint32_t mu_live_hub_tick(struct mu_live_hub *hub)
{
        hub->now_ms = now_ms(hub);
        mu_live_expire_fresh(hub);
        if (hub->now_ms >= hub->check_at_ms)
                mu_live_check_sessions(hub);
        if (hub->now_ms >= mu_live_pulse_due_ms(&hub->pulse))
                mu_live_take_pulse(hub);
        watch_or_not(hub);
        top_up(hub);
        if (hub->reader.bus) {
                read_bus(hub);
                refresh_image(hub);
                keep_image_small(hub);
                if (!hub->handing_out && hub->now_ms >= hub->next_round_ms)
                        mu_live_begin_round(hub);
                mu_live_hand_out(hub);
                mu_live_page(hub);
                if (hub->fleet_watchers > 0 && hub->now_ms >= hub->fleet_at_ms)
                        mu_live_send_fleet(hub);
        }
        return next_tick_ms(hub);
}

/* ---- lifecycle ---- */

int mu_live_hub_create(const struct mu_live_hub_config *config, struct mu_live_hub **ret_hub)
{
        MU_ASSERT(config->bus && config->clock && config->bytes_per_s > 0);
        struct mu_live_hub *hub = calloc(1, sizeof(*hub));

        if (!hub)
                return -ENOMEM;
        hub->config = *config;
        hub->stream = config->stream;
        hub->now_ms = now_ms(hub);
        hub->budget_ms = hub->now_ms;
        hub->check_at_ms = hub->now_ms + MU_LIVE_CHECK_MS;
        mu_text_init(&hub->text);
        mu_live_image_init(&hub->image, hub->now_ms);
        live_list_init(&hub->clients);
        live_list_init(&hub->fresh);
        live_list_init(&hub->paging);
        live_list_init(&hub->groups);
        *ret_hub = hub;
        return 0;
}

void mu_live_hub_destroy(struct mu_live_hub *hub)
{
        if (!hub)
                return;
        while (!live_list_empty(&hub->clients))
                mu_live_hub_closed(hub, LIVE_OF(mu_live_client, all, hub->clients.next));
        mu_bus_unwatch(&hub->reader);
        mu_live_forget_pages(hub);
        mu_live_image_done(&hub->image);
        free(hub->pages);
        mu_text_done(&hub->text);
        free(hub);
}

const struct mu_live_stats *mu_live_hub_stats(const struct mu_live_hub *hub)
{
        return &hub->stats;
}
