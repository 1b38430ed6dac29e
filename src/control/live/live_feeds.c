/* SPDX-License-Identifier: Apache-2.0 */
/*
 * live_feeds.c - topics that are told change by change: commands, alerts. The newest changes are
 * kept, so that a client that comes back gets what it lacks, or is told that something is missing.
 */
#include "control/live/live_encode.h"
#include "control/live/live_hub_private.h"

static const struct {
        enum mu_live_topic topic;
        const char *start; /* of the list */
        void (*encode)(struct mu_text *text, const struct mu_bus_event *event);
} feeds[LIVE_FEEDS] = {
        [LIVE_COMMANDS] = {MU_LIVE_COMMANDS, ",\"commands\":[", mu_live_encode_command},
        [LIVE_ALERTS] = {MU_LIVE_ALERTS, ",\"alerts\":[", mu_live_encode_alert},
};

static struct mu_live_note *note_at(struct mu_live_feed *feed, uint64_t number)
{
        return &feed->notes[number % MU_LIVE_NOTES_MAX];
}

void mu_live_note(struct mu_live_hub *hub, enum mu_live_feed_kind kind,
                  const struct mu_bus_event *event)
{
        struct mu_live_feed *feed = &hub->feeds[kind];
        struct mu_live_note *note = note_at(feed, feed->count);

        if (feed->count >= MU_LIVE_NOTES_MAX) {
                if (feed->count - feed->fresh == MU_LIVE_NOTES_MAX) {
                        feed->missed = true;
                        feed->fresh++;
                } else if (note->seq > feed->from) {
                        feed->from = note->seq;
                }
        }
        *note = (struct mu_live_note){.event = *event};
        feed->count++;
}

void mu_live_notes_missed(struct mu_live_hub *hub)
{
        for (unsigned i = 0; i < LIVE_FEEDS; i++)
                hub->feeds[i].missed = true;
}

void mu_live_forget_notes(struct mu_live_hub *hub)
{
        hub->seq++;
        for (unsigned i = 0; i < LIVE_FEEDS; i++) {
                hub->feeds[i].count = hub->feeds[i].fresh = 0;
                hub->feeds[i].from = hub->seq;
        }
}

/* ---- rounds ---- */

static bool is_waiting(const struct mu_live_feed *feed)
{
        return feed->fresh < feed->count || feed->missed;
}

bool mu_live_feeds_waiting(const struct mu_live_hub *hub)
{
        for (unsigned i = 0; i < LIVE_FEEDS; i++)
                if (is_waiting(&hub->feeds[i]))
                        return true;
        return false;
}

static void begin_round(struct mu_live_hub *hub, struct mu_live_feed *feed)
{
        feed->round_seq = is_waiting(feed) ? ++hub->seq : 0;
        feed->round_first = feed->fresh;
        feed->round_end = feed->fresh = feed->count;
        for (uint64_t i = feed->round_first; i < feed->round_end; i++)
                note_at(feed, i)->seq = feed->round_seq;
        feed->round_missed = feed->missed;
        if (feed->missed)
                feed->from = feed->round_seq;
        feed->missed = false;
}

void mu_live_feeds_begin_round(struct mu_live_hub *hub)
{
        for (unsigned i = 0; i < LIVE_FEEDS; i++)
                begin_round(hub, &hub->feeds[i]);
}

static void begin_text(struct mu_live_hub *hub, unsigned kind, bool missed, uint64_t seq)
{
        mu_live_text_begin(hub, "{\"type\":\"delta\",\"seq\":");
        mu_live_encode_uint(&hub->text, seq);
        if (missed)
                mu_text_add(&hub->text, ",\"missed\":true");
        mu_text_add(&hub->text, feeds[kind].start);
}

static void add_note(struct mu_live_hub *hub, unsigned kind, const struct mu_live_note *note,
                     uint32_t *added)
{
        mu_text_add(&hub->text, (*added)++ > 0 ? "," : "");
        feeds[kind].encode(&hub->text, &note->event);
}

static void make_frame(struct mu_live_hub *hub, struct mu_live_group *group, unsigned kind)
{
        struct mu_live_feed *feed = &hub->feeds[kind];
        uint32_t added = 0;

        begin_text(hub, kind, feed->round_missed, feed->round_seq);
        for (uint64_t i = feed->round_first; i < feed->round_end; i++) {
                const struct mu_live_note *note = note_at(feed, i);

                if (note->seq == feed->round_seq && mu_live_group_has(group, note->event.device_id))
                        add_note(hub, kind, note, &added);
        }
        mu_text_add(&hub->text, "]}");
        if (added == 0 && !feed->round_missed)
                return;
        group->feed_frames[kind] = mu_live_make(hub, &group->feed_bytes[kind]);
        group->failed = group->failed || !group->feed_frames[kind];
}

void mu_live_feeds_make_frames(struct mu_live_hub *hub, struct mu_live_group *group)
{
        for (unsigned i = 0; i < LIVE_FEEDS; i++)
                if (hub->feeds[i].round_seq)
                        make_frame(hub, group, i);
}

static bool is_for(const struct mu_live_client *client, unsigned kind)
{
        return (client->topics & feeds[kind].topic) && client->group->feed_frames[kind];
}

size_t mu_live_feeds_bytes(const struct mu_live_client *client)
{
        size_t bytes = 0;

        for (unsigned i = 0; i < LIVE_FEEDS; i++)
                if (is_for(client, i))
                        bytes += client->group->feed_bytes[i];
        return bytes;
}

void mu_live_feeds_send(struct mu_live_hub *hub, struct mu_live_client *client)
{
        for (unsigned i = 0; i < LIVE_FEEDS; i++)
                if (is_for(client, i))
                        mu_live_send(hub, client, client->group->feed_frames[i],
                                     client->group->feed_bytes[i]);
}

/* ---- who comes back ---- */

static void catch_up(struct mu_live_hub *hub, struct mu_live_client *client, unsigned kind)
{
        struct mu_live_feed *feed = &hub->feeds[kind];
        bool missed = feed->from > client->notes_seq;
        uint64_t first = feed->count > MU_LIVE_NOTES_MAX ? feed->count - MU_LIVE_NOTES_MAX : 0;
        uint32_t added = 0;

        begin_text(hub, kind, missed, client->seq);
        for (uint64_t i = first; i < feed->fresh; i++) {
                const struct mu_live_note *note = note_at(feed, i);

                if (note->seq > client->notes_seq &&
                    mu_live_group_has(client->group, note->event.device_id))
                        add_note(hub, kind, note, &added);
        }
        mu_text_add(&hub->text, "]}");
        if (added > 0 || missed)
                mu_live_send_text(hub, client);
}

void mu_live_feeds_catch_up(struct mu_live_hub *hub, struct mu_live_client *client)
{
        for (unsigned i = 0; i < LIVE_FEEDS; i++)
                if (client->state == LIVE_PAGING && (client->topics & feeds[i].topic))
                        catch_up(hub, client, i);
        client->notes_seq = hub->seq;
}
