/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dispatcher.h - brings queued commands to their devices: one thread, its own database connection.
 *
 *   changed, channel opened, timer ─▶ ledger: what is due? ─▶ sign ─┬▶ WebSocket, while one is open
 *   received, result (channels)   ─▶ ledger: marks in batches       ├▶ FCM, where it has a token
 *                                                                   └▶ count in the heartbeat reply
 *
 * The ledger is the truth and this keeps nothing that it could not read again: a restart, a lost
 * database or a full queue here means "look again", never "lost". DELIVERY.md has the rules.
 *
 * Threads    create, start, stop, destroy: one thread. changed: any, never blocks on anything but a
 *            short mutex. add_routes: before the router is sealed.
 * Ownership  config is copied, what it points to is lent and outlives it. destroy after the server
 *            is destroyed: channels call back into it.
 * Errors     negative errno.
 */
#ifndef MUSTER_CONTROL_COMMAND_DISPATCHER_H
#define MUSTER_CONTROL_COMMAND_DISPATCHER_H

#include <stddef.h>
#include <stdint.h>

#include "control/command/ledger.h"
#include "muster/compiler.h"

struct mu_auth_failures;
struct mu_bus;
struct mu_clock;
struct mu_command_counts;
struct mu_database;
struct mu_device_table;
struct mu_dispatcher;
struct mu_fcm;
struct mu_metrics;
struct mu_router;
struct mu_secrets;

struct mu_dispatcher_config {
        struct mu_database *database;
        struct mu_device_table *devices;
        const struct mu_secrets *secrets;
        struct mu_auth_failures *auth_failures;
        struct mu_fcm *fcm; /* NULL: not configured */
        struct mu_bus *bus; /* told of states that change here; NULL: nobody */
        struct mu_metrics *metrics;
        const struct mu_clock *clock;
        /* The wait before an unacknowledged command is pushed again; it doubles. 0: 30 s. */
        uint32_t resend_ms;
        /* The database can't be asked, for the log; told once per outage. NULL: nobody. */
        void (*on_trouble)(void *ctx, const char *detail);
        /* A channel brought a result that its device has not signed. NULL: nobody. */
        void (*on_forged)(void *ctx, int64_t device_id, int64_t command_id);
        void *ctx;
};

MU_MUST_CHECK
int mu_dispatcher_create(const struct mu_dispatcher_config *config,
                         struct mu_dispatcher **ret_dispatcher);
/* The schema is there and the device list was read. Begins by looking at everything. */
MU_MUST_CHECK
int mu_dispatcher_start(struct mu_dispatcher *dispatcher);
/* Marks what channels have brought, if the database answers, and ends the thread. */
void mu_dispatcher_stop(struct mu_dispatcher *dispatcher);
void mu_dispatcher_destroy(struct mu_dispatcher *dispatcher); /* NULL is a no-op */

/* GET /v1/device/ws and /ws/{device_id}; ctx of each is the dispatcher. */
MU_MUST_CHECK
int mu_dispatcher_add_routes(struct mu_dispatcher *dispatcher, struct mu_router *router);

/* Commands of these devices were queued, cancelled, answered or released: look at them, soon. After
 * the commit that changed them. More than fit are no loss: then everything is looked at. NULL: a
 * no-op. */
void mu_dispatcher_changed(struct mu_dispatcher *dispatcher, const int64_t *device_ids,
                           size_t count);

/* Where states are counted (command_news.h). Before start. */
void mu_dispatcher_count_into(struct mu_dispatcher *dispatcher, struct mu_command_counts *counts);

/* A command was acknowledged for the first time, by this path: for the metrics. Any thread. NULL: a
 * no-op. */
void mu_dispatcher_delivered(struct mu_dispatcher *dispatcher, enum mu_command_path path,
                             int64_t queued_to_received_us);

#endif
