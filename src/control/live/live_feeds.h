/* SPDX-License-Identifier: Apache-2.0 */
/*
 * live_feeds.h - topics that are told change by change: commands, alerts (private to the hub).
 *
 * Threads    the hub's. Errors: a frame that could not be made fails its group (live_rounds.c).
 */
#ifndef MUSTER_CONTROL_LIVE_LIVE_FEEDS_H
#define MUSTER_CONTROL_LIVE_LIVE_FEEDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bus.h"
#include "control/live/live_hub.h"

struct mu_live_group;

/* Topics that have no snapshot. */
enum mu_live_feed_kind {
        LIVE_COMMANDS,
        LIVE_ALERTS,
        LIVE_FEEDS,
};

/* A command's change, or an alert's. */
struct mu_live_note {
        uint64_t seq; /* 0: not yet in a round */
        struct mu_bus_event event;
};

/* The changes of a topic that is told change by change: the newest are kept. */
struct mu_live_feed {
        struct mu_live_note notes[MU_LIVE_NOTES_MAX];
        uint64_t count; /* ever; the newest is count - 1 */
        uint64_t fresh; /* the first that no round has carried */
        uint64_t from;  /* notes with this sequence or a lower one may be lost */
        bool missed;    /* some were lost before a round carried them */

        uint64_t round_seq; /* of this round; 0: nothing */
        uint64_t round_first;
        uint64_t round_end;
        bool round_missed;
};

/* Of a topic that is told change by change. */
void mu_live_note(struct mu_live_hub *hub, enum mu_live_feed_kind kind,
                  const struct mu_bus_event *event);
void mu_live_notes_missed(struct mu_live_hub *hub);
void mu_live_forget_notes(struct mu_live_hub *hub); /* the stream is another one from now on */
/* Takes what is new into the round that begins; whether there is anything. */
bool mu_live_feeds_waiting(const struct mu_live_hub *hub);
void mu_live_feeds_begin_round(struct mu_live_hub *hub);
/* The group's frames of this round. */
void mu_live_feeds_make_frames(struct mu_live_hub *hub, struct mu_live_group *group);
/* Those of the round that are for the client: their bytes; sends them. */
size_t mu_live_feeds_bytes(const struct mu_live_client *client);
void mu_live_feeds_send(struct mu_live_hub *hub, struct mu_live_client *client);
/* The changes that a client lacks, as far as they are still held. */
void mu_live_feeds_catch_up(struct mu_live_hub *hub, struct mu_live_client *client);

#endif
