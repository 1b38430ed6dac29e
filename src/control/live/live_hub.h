/* SPDX-License-Identifier: Apache-2.0 */
/*
 * live_hub.h - who watches what, and who is told what when: the live view without threads, sockets
 * and SQL, which come as a table of functions.
 *
 *   open ─ message(auth) ─ message(subscribe | resume) ─▶ PAGING ─ up to date ─▶ LIVE
 *                                                            ▲                     │
 *                                                            └── fell behind ──────┘
 *   tick: bus ─▶ image ─▶ round: one frame a topic and group of equal subscriptions, made once,
 *         shared by all its LIVE clients; pages for those PAGING, each at its own pace
 *
 * All is bounded by bytes: what may be under way to one client, and what may leave a second for all
 * of them together. Who takes too little stops being told (PAGING) and later gets the newest state
 * only; when all together would take too much, rounds become rarer.
 *
 * Units      *_ms, *_s; *_at_us; bytes of JSON text.
 * Threads    one (the live thread); the stats' cells: any thread reads.
 * Ownership  The hub owns clients until closed is called; sockets and frames are the functions'.
 * Errors     negative errno from create and open; what fails later is tried again and counted.
 */
#ifndef MUSTER_CONTROL_LIVE_HUB_H
#define MUSTER_CONTROL_LIVE_HUB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bus.h"
#include "base/clock.h"
#include "control/live/live_image.h"
#include "identity/principal.h"
#include "metrics/metrics.h"
#include "muster/compiler.h"

struct mu_live_hub;
struct mu_live_client;

enum mu_live_limits {
        MU_LIVE_AUTH_MS = 5000,     /* for the first message */
        MU_LIVE_TICK_MS = 250,      /* from a change to its round, at the least */
        MU_LIVE_SUBTICK_MS = 20,    /* while something waits to be handed out */
        MU_LIVE_LINGER_MS = 60000,  /* the image stays so long behind the last client */
        MU_LIVE_CHECK_MS = 20000,   /* are they still somebody? */
        MU_LIVE_RELOAD_MS = 600000, /* finds changes that nobody has published */
        MU_LIVE_ROUND_ROWS = 1000,  /* so that a frame is far smaller than a client's queue */
        MU_LIVE_PAGE_ROWS = 256,
        MU_LIVE_PAGE_BYTES = 48 * 1024,
        MU_LIVE_PAGE_FRESH_MS = 2000, /* a snapshot's page is shared for so long */
        MU_LIVE_MESSAGES_MAX = 20,    /* of a client within MU_LIVE_MESSAGES_MS */
        MU_LIVE_MESSAGES_MS = 10000,
        MU_LIVE_NOTES_MAX = 4096, /* changes of a feed that a resume can still have */
};

enum mu_live_code {
        MU_LIVE_CLOSE_AUTH = 4401,
        MU_LIVE_CLOSE_FORBIDDEN = 4403,
        MU_LIVE_CLOSE_TOO_MANY = 4429, /* messages */
};

enum { MU_LIVE_UNKNOWN_MAX = 16 };

struct mu_live_facts {
        uint64_t durable_seq; /* of the journal: its growth are the heartbeats */
        uint64_t backlog_records;
        bool storing; /* PostgreSQL takes what the writers send */
        uint32_t devices;
        uint32_t online;
        uint32_t late;
        uint32_t silent;
        uint32_t never; /* have not reported yet */
        uint32_t quarantined;
        uint32_t heartbeat_interval_s; /* of devices without one of their own */
        /* In quarantine, which the image does not know: no heartbeat was stored since. */
        uint32_t unknown_count;
        int64_t unknown[MU_LIVE_UNKNOWN_MAX];
};

/* Everything the hub needs of the world. frame: made once, any number of sends, dropped once. */
struct mu_live_ops {
        int (*make)(void *ctx, const char *text, size_t bytes, void **ret_frame);
        void (*drop)(void *ctx, void *frame);
        /* Never blocks; frame NULL: only find out anew what waits. */
        void (*send)(void *ctx, void *socket, void *frame);
        size_t (*waiting)(void *ctx, void *socket); /* bytes sent and not yet in the kernel */
        /* A frame was refused since the last call: what the client has is unknown. */
        bool (*refused)(void *ctx, void *socket);
        void (*close)(void *ctx, void *socket, uint16_t code, const char *reason);
        bool (*redeem)(void *ctx, const char *ticket, struct mu_principal *ret_who);
        /* Puts all rows (between begin and end), or those of some ids. Negative: not now. */
        int (*load)(void *ctx, struct mu_live_image *image);
        int (*reload)(void *ctx, struct mu_live_image *image, const int64_t *ids, uint32_t count);
        /* ret_valid[i]: still somebody. Negative: not now. */
        int (*check)(void *ctx, const struct mu_principal *const *who, uint32_t count,
                     bool *ret_valid);
        void (*facts)(void *ctx, const struct mu_live_image *image,
                      struct mu_live_facts *ret_facts);
        uint64_t (*durable_seq)(void *ctx); /* of the facts, without counting devices */
        void *ctx;
};

struct mu_live_hub_config {
        struct mu_live_ops ops;
        struct mu_bus *bus;
        const struct mu_clock *clock;
        uint64_t bytes_per_s; /* of all clients together */
        uint64_t queue_bytes; /* of one client, under way */
        uint32_t stream;      /* random: no other process's */
        uint32_t
                rows_per_fleet_s; /* the fleet's counts cost: 20,000 devices are counted a second */
};

struct mu_live_stats {
        struct mu_cell clients; /* open */
        struct mu_cell live;    /* subscribed and up to date */
        struct mu_cell rounds;
        struct mu_cell rows; /* devices' changes that rounds carried */
        struct mu_cell frames;
        struct mu_cell bytes;
        struct mu_cell pages;
        struct mu_cell resyncs;
        struct mu_cell refused; /* frames that a queue did not take */
        struct mu_cell unauthenticated;
        struct mu_cell ended; /* sessions that ended under an open socket */
        struct mu_cell bus_gaps;
        struct mu_cell bus_lost;
        struct mu_cell loads;
        struct mu_cell load_failures;
        struct mu_cell devices; /* in the image */
};

MU_MUST_CHECK
int mu_live_hub_create(const struct mu_live_hub_config *config, struct mu_live_hub **ret_hub);
void mu_live_hub_destroy(struct mu_live_hub *hub); /* NULL is a no-op; clients are freed unclosed */
const struct mu_live_stats *mu_live_hub_stats(const struct mu_live_hub *hub);

/* A socket has opened. -ENOMEM. */
MU_MUST_CHECK
int mu_live_hub_open(struct mu_live_hub *hub, void *socket, struct mu_live_client **ret_client);
void mu_live_hub_message(struct mu_live_hub *hub, struct mu_live_client *client, const char *text,
                         size_t bytes);
/* The socket is gone; so is the client. */
void mu_live_hub_closed(struct mu_live_hub *hub, struct mu_live_client *client);

/* Does what is due. The ms until there is more to do. */
uint32_t mu_live_hub_tick(struct mu_live_hub *hub);

#endif
