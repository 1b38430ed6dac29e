/* SPDX-License-Identifier: Apache-2.0 */
/*
 * live_rounds.c - what is new, made into one frame a topic and group, and handed out to those who
 * are up to date, as fast as the allowance lets it.
 *
 * A round is handed out over as many ticks as it takes; the next one begins after it. So when much
 * changes for many, rounds become rarer and each brings the newest state only.
 */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "control/live/live_encode.h"
#include "control/live/live_hub_private.h"

enum { RATE_LEAST_MS = 500 }; /* over less, a rate says nothing */

/* ---- groups ---- */

static int compare_ids(const void *a, const void *b)
{
        const int64_t left = *(const int64_t *)a;
        const int64_t right = *(const int64_t *)b;

        return (left > right) - (left < right);
}

bool mu_live_group_has(const struct mu_live_group *group, int64_t device_id)
{
        return group->all ||
               (group->id_count > 0 && bsearch(&device_id, group->ids, group->id_count,
                                               sizeof(device_id), compare_ids) != NULL);
}

void mu_live_group_resolve(struct mu_live_hub *hub, struct mu_live_group *group)
{
        if (group->resolved_rows == hub->image.row_count)
                return;
        for (uint32_t i = 0; i < group->id_count; i++)
                group->slots[i] = mu_live_image_slot(&hub->image, group->ids[i]);
        group->resolved_rows = hub->image.row_count;
}

void mu_live_group_drop_frames(struct mu_live_hub *hub, struct mu_live_group *group)
{
        mu_live_drop(hub, group->devices_frame);
        group->devices_frame = NULL;
        group->devices_bytes = 0;
        for (unsigned i = 0; i < LIVE_FEEDS; i++) {
                mu_live_drop(hub, group->feed_frames[i]);
                group->feed_frames[i] = NULL;
                group->feed_bytes[i] = 0;
        }
}

/* ---- a round ---- */

void mu_live_begin_round(struct mu_live_hub *hub)
{
        bool notes = mu_live_feeds_waiting(hub);
        bool devices = hub->loaded && (hub->image.changed.count > 0 || hub->edited);

        if (!notes && !devices)
                return;
        hub->round++;
        hub->handing_out = true;
        hub->next_round_ms = hub->now_ms + MU_LIVE_TICK_MS;
        mu_live_feeds_begin_round(hub);

        hub->devices_seq = devices ? ++hub->seq : 0;
        hub->round_edited = devices && hub->edited;
        if (!devices)
                return;
        mu_live_image_begin_round(&hub->image, hub->devices_seq, MU_LIVE_ROUND_ROWS, hub->now_ms);
        if (hub->image.changed.count > 0)
                hub->next_round_ms = hub->now_ms; /* as soon as this one is handed out */
        if (hub->edited)
                hub->edited_seq = hub->devices_seq;
        hub->edited = false;
        mu_cell_add(&hub->stats.rounds, 1);
        mu_cell_add(&hub->stats.rows, hub->image.round.count);
}

struct rows {
        const struct mu_live_image *image;
        const uint32_t *slots;
        uint32_t count;
        uint64_t seq; /* only rows of this round */
};

static const struct mu_live_row *row_at(const struct rows *rows, uint32_t index)
{
        uint32_t slot = rows->slots[index];

        if (slot == MU_LIVE_NO_SLOT || rows->image->rows[slot].seq != rows->seq)
                return NULL;
        return &rows->image->rows[slot];
}

static uint32_t add_changed(struct mu_text *text, const struct rows *rows)
{
        uint32_t added = 0;

        for (uint32_t i = 0; i < rows->count; i++) {
                const struct mu_live_row *row = row_at(rows, i);
                unsigned fields = row ? row->carried & ~(unsigned)MU_LIVE_GONE : 0;

                if (!row || row->gone || fields == 0)
                        continue;
                mu_text_add(text, added++ > 0 ? "," : "");
                mu_live_encode_row(text, row, fields, (fields & MU_LIVE_WHOLE) == MU_LIVE_WHOLE);
        }
        return added;
}

static uint32_t add_removed(struct mu_text *text, const struct rows *rows)
{
        uint32_t added = 0;

        for (uint32_t i = 0; i < rows->count; i++) {
                const struct mu_live_row *row = row_at(rows, i);

                if (!row || !row->gone)
                        continue;
                mu_text_add(text, added++ > 0 ? "," : ",\"removed\":[");
                mu_live_encode_id(text, row->device_id);
        }
        if (added > 0)
                mu_text_add(text, "]");
        return added;
}

static void make_devices_frame(struct mu_live_hub *hub, struct mu_live_group *group)
{
        struct rows rows = {
                .image = &hub->image,
                .slots = hub->image.round.list,
                .count = hub->image.round.count,
                .seq = hub->devices_seq,
        };

        if (!group->all) {
                mu_live_group_resolve(hub, group);
                rows.slots = group->slots;
                rows.count = group->id_count;
        }
        mu_live_text_begin(hub, "{\"type\":\"delta\",\"seq\":");
        mu_live_encode_uint(&hub->text, hub->devices_seq);
        if (hub->round_edited)
                mu_text_add(&hub->text, ",\"edited\":true");
        mu_text_add(&hub->text, ",\"devices\":[");
        uint32_t added = add_changed(&hub->text, &rows);

        mu_text_add(&hub->text, "]");
        added += add_removed(&hub->text, &rows);
        mu_text_add(&hub->text, "}");
        if (added == 0 && !hub->round_edited)
                return;
        group->devices_frame = mu_live_make(hub, &group->devices_bytes);
        group->failed = group->failed || !group->devices_frame;
}

static void make_frames(struct mu_live_hub *hub, struct mu_live_group *group)
{
        if (group->made_round == hub->round)
                return;
        mu_live_group_drop_frames(hub, group);
        group->made_round = hub->round;
        group->failed = false;
        mu_live_feeds_make_frames(hub, group);
        if (hub->devices_seq)
                make_devices_frame(hub, group);
}

/* ---- handing out ---- */

static void fall_behind(struct mu_live_hub *hub, struct mu_live_client *client)
{
        mu_cell_add(&hub->stats.resyncs, 1);
        mu_live_text_begin(hub, "{\"type\":\"resync\",\"seq\":");
        mu_live_encode_uint(&hub->text, client->seq);
        mu_text_add(&hub->text, "}");
        mu_live_send_text(hub, client);
        if (client->state != LIVE_CLOSING)
                mu_live_start_paging(hub, client);
}

/* Bytes that were sent. */
static size_t serve(struct mu_live_hub *hub, struct mu_live_client *client)
{
        const struct mu_live_ops *ops = &hub->config.ops;
        const struct mu_live_group *group = client->group;
        bool devices = (client->topics & MU_LIVE_DEVICES) && group->devices_frame;
        size_t bytes = (devices ? group->devices_bytes : 0) + mu_live_feeds_bytes(client);

        if (ops->refused(ops->ctx, client->socket)) {
                mu_cell_add(&hub->stats.refused, 1);
                client->seq = 0;
                fall_behind(hub, client);
                return 0;
        }
        if (group->failed || (bytes > 0 && ops->waiting(ops->ctx, client->socket) + bytes >
                                                   hub->config.queue_bytes)) {
                fall_behind(hub, client);
                return 0;
        }
        mu_live_feeds_send(hub, client);
        if (devices)
                mu_live_send(hub, client, group->devices_frame, group->devices_bytes);
        client->seq = client->notes_seq = hub->seq;
        return bytes;
}

/* The next of the group's clients that this round has not reached; NULL: all are served. */
static struct mu_live_client *next_unserved(struct mu_live_hub *hub, struct mu_live_group *group)
{
        if (live_list_empty(&group->live))
                return NULL;
        struct mu_live_client *client = LIVE_OF(mu_live_client, link, group->live.next);

        if (client->round == hub->round)
                return NULL;
        client->round = hub->round;
        live_unlink(&client->link);
        live_append(&group->live, &client->link);
        return client;
}

static bool serve_group(struct mu_live_hub *hub, struct mu_live_group *group)
{
        struct mu_live_client *client;

        if (group->done_round == hub->round)
                return true;
        if (!live_list_empty(&group->live))
                make_frames(hub, group);
        while ((client = next_unserved(hub, group))) {
                hub->round_allowance -= (int64_t)serve(hub, client);
                if (hub->round_allowance <= 0)
                        return false;
        }
        group->done_round = hub->round;
        mu_live_group_drop_frames(hub, group);
        return true;
}

void mu_live_hand_out(struct mu_live_hub *hub)
{
        if (!hub->handing_out || hub->round_allowance <= 0)
                return;
        for (struct mu_live_link *at = hub->groups.next; at != &hub->groups; at = at->next)
                if (!serve_group(hub, LIVE_OF(mu_live_group, link, at)))
                        return;
        hub->handing_out = false;
}

/* ---- the fleet's numbers ---- */

static void add_number(struct mu_text *text, const char *key, uint64_t number)
{
        mu_text_add(text, key);
        mu_live_encode_uint(text, number);
}

static struct mu_live_reading reading_now(const struct mu_live_hub *hub, uint64_t durable_seq)
{
        return (struct mu_live_reading){.durable_seq = durable_seq,
                                        .at_ms = hub->now_ms,
                                        .at_us = mu_clock_realtime_us(hub->config.clock)};
}

/* Somebody who comes makes the numbers be told at once: of a moment no rate can be told, and of the
 * hours in which nobody watched, it would be none of now. */
static void count_heartbeats(struct mu_live_hub *hub, uint64_t durable_seq)
{
        struct mu_live_reading now = reading_now(hub, durable_seq);
        const struct mu_live_reading *from = &hub->fleet_reading;

        if (from->at_ms > 0 && now.at_ms - from->at_ms < RATE_LEAST_MS)
                return;
        if (from->at_ms == 0 || now.at_ms - from->at_ms > 2 * MU_LIVE_PULSE_MS)
                from = mu_live_pulse_recent(&hub->pulse);
        hub->fleet_rate = from ? mu_live_pulse_rate(from, &now) : 0;
        hub->fleet_reading = now;
}

void mu_live_take_pulse(struct mu_live_hub *hub)
{
        const struct mu_live_ops *ops = &hub->config.ops;
        struct mu_live_reading now = reading_now(hub, ops->durable_seq(ops->ctx));

        mu_live_pulse_take(&hub->pulse, &now);
}

void mu_live_send_pulse(struct mu_live_hub *hub, struct mu_live_client *client)
{
        mu_live_text_begin(hub, "{\"type\":\"pulse\",\"heartbeats_per_s\":");
        mu_live_pulse_encode(&hub->text, &hub->pulse);
        mu_text_add(&hub->text, "}");
        mu_live_send_text(hub, client);
}

static void make_fleet(struct mu_live_hub *hub, const struct mu_live_facts *facts)
{
        struct mu_text *text = &hub->text;

        mu_live_text_begin(hub, "{\"type\":\"fleet\",\"at\":");
        mu_live_encode_time(text, mu_clock_realtime_us(hub->config.clock));
        add_number(text, ",\"devices\":", facts->devices);
        add_number(text, ",\"online\":", facts->online);
        add_number(text, ",\"late\":", facts->late);
        add_number(text, ",\"silent\":", facts->silent);
        add_number(text, ",\"never\":", facts->never);
        add_number(text, ",\"quarantined\":", facts->quarantined);
        mu_text_add(text, ",\"heartbeats_per_s\":");
        mu_live_pulse_encode_rate(text, hub->fleet_rate);
        add_number(text, ",\"heartbeat_interval_s\":", facts->heartbeat_interval_s);
        add_number(text, ",\"backlog\":", facts->backlog_records);
        mu_text_add(text, facts->storing ? ",\"storing\":true}" : ",\"storing\":false}");
}

void mu_live_send_fleet(struct mu_live_hub *hub)
{
        const struct mu_live_ops *ops = &hub->config.ops;
        struct mu_live_facts facts = {0};
        size_t bytes = 0;

        ops->facts(ops->ctx, hub->loaded ? &hub->image : NULL, &facts);
        count_heartbeats(hub, facts.durable_seq);
        for (uint32_t i = 0; hub->unread_count == i && i < facts.unknown_count; i++)
                mu_live_read_anew(hub, facts.unknown[i]);
        make_fleet(hub, &facts);
        /* Counting costs by the device, telling by the client. */
        hub->fleet_at_ms = hub->now_ms + MU_MS_PER_S + hub->client_count +
                           facts.devices * (uint64_t)MU_MS_PER_S / hub->config.rows_per_fleet_s;
        void *frame = mu_live_make(hub, &bytes);

        if (!frame)
                return;
        for (struct mu_live_link *at = hub->clients.next; at != &hub->clients; at = at->next) {
                struct mu_live_client *client = LIVE_OF(mu_live_client, all, at);

                /* Who takes too little gets the next one. */
                if ((client->topics & MU_LIVE_FLEET) == 0 ||
                    ops->waiting(ops->ctx, client->socket) + bytes > hub->config.queue_bytes)
                        continue;
                mu_live_send(hub, client, frame, bytes);
                hub->round_allowance -= (int64_t)bytes;
        }
        mu_live_drop(hub, frame);
}
