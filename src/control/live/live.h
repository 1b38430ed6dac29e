/* SPDX-License-Identifier: Apache-2.0 */
/*
 * live.h - GET /api/ws: operators see the fleet change. README.md has the protocol.
 *
 *   loops: on_message, on_close ─▶ letters ─▶ live thread (the hub) ─▶ a batch a loop ─▶ mu_ws_send
 *                                                 ▲
 *                              writers, workers ─ bus
 *
 * Loops never wait for the live thread, nor it for them: letters are a lock-free stack, batches go
 * through the loops' mailboxes, and every queue has a bound whose overflow is an answer (resync).
 *
 * Units      bytes_per_s: of all clients together.
 * Threads    create, start, stop, destroy: one. The rest is its own.
 * Ownership  config is copied, what it points to is lent and outlives it. stop when the loops have
 *            ended; destroy after the server is destroyed: sockets call back into it.
 * Errors     negative errno.
 */
#ifndef MUSTER_CONTROL_LIVE_LIVE_H
#define MUSTER_CONTROL_LIVE_LIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "muster/compiler.h"

struct mu_bus;
struct mu_clock;
struct mu_database;
struct mu_device_table;
struct mu_live;
struct mu_metrics;
struct mu_router;
struct mu_ws_tickets;

/* What the data plane says of itself. */
struct mu_live_pipeline {
        uint64_t durable_seq;
        uint64_t backlog_records;
        bool storing;
};

struct mu_live_config {
        struct mu_database *database;
        struct mu_bus *bus;
        const struct mu_device_table *devices;
        struct mu_ws_tickets *tickets;
        struct mu_metrics *metrics; /* NULL: none */
        const struct mu_clock *clock;
        uint32_t heartbeat_interval_s;
        uint32_t clients_max;
        uint64_t bytes_per_s;
        void (*pipeline)(void *ctx, struct mu_live_pipeline *ret_pipeline); /* the live thread */
        /* Somebody brought a ticket that is unknown, expired or used; the live thread. NULL: nobody
         * wants to know. */
        void (*on_refused)(void *ctx);
        void *ctx;
};

MU_MUST_CHECK
int mu_live_create(const struct mu_live_config *config, struct mu_live **ret_live);
MU_MUST_CHECK
int mu_live_start(struct mu_live *live);
void mu_live_stop(struct mu_live *live);    /* NULL, or not started: a no-op */
void mu_live_destroy(struct mu_live *live); /* NULL is a no-op */

MU_MUST_CHECK
int mu_live_add_routes(struct mu_live *live, struct mu_router *router);

#endif
