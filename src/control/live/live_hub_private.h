/* SPDX-License-Identifier: Apache-2.0 */
/*
 * live_hub_private.h - the hub's inside, for live_hub.c, live_clients.c, live_feeds.c,
 * live_rounds.c and live_pages.c.
 *
 * Sequence   One number for all: each round's frame of a topic takes the next. A client that has
 *            seq s lacks exactly the rows with row->seq > s and the notes with note.seq > s.
 */
#ifndef MUSTER_CONTROL_LIVE_HUB_PRIVATE_H
#define MUSTER_CONTROL_LIVE_HUB_PRIVATE_H

#include "base/text.h"
#include "control/live/live_feeds.h"
#include "control/live/live_hub.h"
#include "control/live/live_list.h"
#include "control/live/live_protocol.h"
#include "control/live/live_pulse.h"

enum {
        UNREAD_MAX = 1000, /* rows read anew at a time */
        RETRY_MS = 1000,   /* of what the database did not do */
};

enum mu_live_state {
        LIVE_NEW,    /* has not said who it is */
        LIVE_IDLE,   /* subscribes to nothing */
        LIVE_PAGING, /* is brought up to date */
        LIVE_LIVE,   /* gets what each round brings */
        LIVE_CLOSING,
};

/* Clients that watch the same devices: they share frames. */
struct mu_live_group {
        struct mu_live_link link; /* hub->groups */
        struct mu_live_link live; /* its LIVE clients, those not yet served in front */
        uint32_t clients;
        bool all;
        int64_t *ids; /* ascending */
        uint32_t id_count;
        uint32_t *slots;        /* of the ids, as far as resolved */
        uint32_t resolved_rows; /* image.row_count when slots were looked up */
        uint64_t made_round;    /* the frames below are this round's */
        uint64_t done_round;
        bool failed;         /* there was no memory for one of them */
        void *devices_frame; /* NULL: nothing for this group */
        size_t devices_bytes;
        void *feed_frames[LIVE_FEEDS]; /* the same */
        size_t feed_bytes[LIVE_FEEDS];
};

struct mu_live_client {
        struct mu_live_link link; /* the list of its state; LIVE: the group's */
        struct mu_live_link all;  /* hub->clients */
        void *socket;
        enum mu_live_state state;
        struct mu_principal who;
        unsigned topics;
        struct mu_live_group *group; /* NULL: no subscription */
        uint64_t seq;                /* what it has; 0: nothing */
        uint64_t notes_seq;          /* the same of the feeds */
        uint64_t round;              /* LIVE: served up to this round */
        uint64_t auth_deadline_ms;

        /* PAGING: one pass over the slots after another. */
        uint64_t pass_seq; /* what it will have at the end of this one */
        uint32_t cursor;
        uint32_t page;
        uint64_t measured_ms;
        bool told_waiting;

        uint32_t message_count;
        uint64_t messages_ms; /* their window began */
};

/* A page of the snapshot of all devices, shared while it is fresh. */
struct mu_live_page {
        void *frame;
        size_t bytes;
        uint64_t seq;
        uint64_t made_ms;
};

struct mu_live_hub {
        struct mu_live_hub_config config;
        struct mu_live_stats stats;
        struct mu_text text;

        struct mu_bus_reader reader;
        struct mu_live_image image;
        bool loaded;
        bool load_wanted; /* something was missed */
        bool load_failed; /* the last try */
        uint32_t stream;
        uint64_t load_at_ms;        /* not before */
        uint64_t reload_at_ms;      /* at the latest */
        int64_t unread[UNREAD_MAX]; /* rows to be read anew */
        uint32_t unread_count;
        uint64_t unread_at_ms;

        uint64_t seq;
        uint64_t edited_seq; /* many were edited: read all again */
        bool edited;         /* not yet in a round */
        struct mu_live_feed feeds[LIVE_FEEDS];

        uint64_t round; /* number of the newest */
        bool handing_out;
        uint64_t devices_seq; /* of this round; 0: nothing */
        bool round_edited;
        uint64_t next_round_ms;

        struct mu_live_link clients;
        struct mu_live_link fresh; /* LIVE_NEW, by deadline */
        struct mu_live_link paging;
        struct mu_live_link groups;
        uint32_t client_count;
        uint32_t subscribed; /* PAGING and LIVE */
        uint32_t fleet_watchers;
        uint64_t idle_since_ms; /* nobody is subscribed since; 0: somebody is */

        struct mu_live_page *pages;
        uint32_t page_room;

        uint64_t now_ms;
        uint64_t budget_ms; /* allowances were topped up */
        int64_t round_allowance;
        int64_t page_allowance;
        uint64_t fleet_at_ms;
        struct mu_live_pulse pulse;
        struct mu_live_reading fleet_reading; /* at the last counting; at_ms 0: there was none */
        uint64_t fleet_rate;                  /* of that one, in tenths */
        uint64_t check_at_ms;
};

/* ---- live_hub.c ---- */

/* A frame of hub->text; NULL: no memory. */
void *mu_live_make(struct mu_live_hub *hub, size_t *ret_bytes);
void mu_live_drop(struct mu_live_hub *hub, void *frame); /* NULL is a no-op */
void mu_live_send(struct mu_live_hub *hub, struct mu_live_client *client, void *frame,
                  size_t bytes);
/* hub->text, to this client alone. */
void mu_live_send_text(struct mu_live_hub *hub, struct mu_live_client *client);
void mu_live_text_begin(struct mu_live_hub *hub, const char *start);
void mu_live_add_stream(struct mu_live_hub *hub); /* ,"stream":"…" */

/* ---- live_clients.c ---- */

void mu_live_close(struct mu_live_hub *hub, struct mu_live_client *client, uint16_t code,
                   const char *reason);
void mu_live_expire_fresh(struct mu_live_hub *hub);
void mu_live_check_sessions(struct mu_live_hub *hub);
void mu_live_leave(struct mu_live_hub *hub, struct mu_live_client *client);

/* ---- live_rounds.c ---- */

void mu_live_begin_round(struct mu_live_hub *hub);
void mu_live_hand_out(struct mu_live_hub *hub);
void mu_live_group_resolve(struct mu_live_hub *hub, struct mu_live_group *group);
void mu_live_group_drop_frames(struct mu_live_hub *hub, struct mu_live_group *group);
bool mu_live_group_has(const struct mu_live_group *group, int64_t device_id);
void mu_live_send_fleet(struct mu_live_hub *hub);
/* Its row is read from the database in the next round. */
void mu_live_read_anew(struct mu_live_hub *hub, int64_t device_id);
void mu_live_take_pulse(struct mu_live_hub *hub);
void mu_live_send_pulse(struct mu_live_hub *hub, struct mu_live_client *client);

/* ---- live_pages.c ---- */

/* From client->seq on; 0: from nothing. */
void mu_live_start_paging(struct mu_live_hub *hub, struct mu_live_client *client);
void mu_live_page(struct mu_live_hub *hub);
void mu_live_forget_pages(struct mu_live_hub *hub);

#endif
