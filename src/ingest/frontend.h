/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frontend.h - one h2o loop's share of the data plane: token → decode → dedupe → record → port, and
 * back: verdict → reply.
 *
 *   frontend.c            lifecycle, waiting replies, verdicts
 *   authenticate.c        token → device, or why not
 *   receive_heartbeat.c   POST /v1/heartbeat
 *   receive_batch.c       POST /v1/heartbeats
 *
 * Replies wait in a ring indexed by the port's ticket, so a verdict finds them without a search and
 * nothing is allocated per heartbeat.
 *
 * Threads    create, destroy: while the loop does not run. The rest happens on the loop.
 * Ownership  The frontend owns decoder, waiting replies and its QSBR reader; loop, port and what
 * the shared part points to are lent and outlive it. Errors     negative errno.
 */
#ifndef MUSTER_INGEST_FRONTEND_H
#define MUSTER_INGEST_FRONTEND_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "http/route.h"
#include "ingest/device_time.h"
#include "metrics/metrics.h"
#include "muster/compiler.h"

struct mu_address;
struct mu_auth_failures;
struct mu_dedupe;
struct mu_device_table;
struct mu_frontend;
struct mu_loop;
struct mu_port;
struct mu_qsbr;

/* What all frontends share. Read-only for them but the atomics, which the pipeline writes. */
struct mu_frontend_shared {
        struct mu_device_table *devices;
        struct mu_qsbr *qsbr;
        struct mu_dedupe *dedupe;
        struct mu_auth_failures *auth_failures;
        struct mu_time_window window;
        uint32_t heartbeat_interval_s;
        /* A token was refused (limited: 429, else 401). On the loop: for moments. NULL: nobody. */
        void (*on_refused)(void *context, const struct mu_address *address, bool limited);
        void *on_refused_context;
        /* What a shed request waits at least, from the drain rate (pipeline.h). */
        _Atomic uint32_t retry_after_s;
};

/* waiting_max: power of two; no more records of one port may wait for their verdict.
 * Registers its counters and sets the loop's user and wait hooks. */
MU_MUST_CHECK
int mu_frontend_create(struct mu_frontend_shared *shared, struct mu_loop *loop,
                       struct mu_port *port, uint32_t waiting_max, struct mu_metrics *metrics,
                       struct mu_frontend **ret_frontend);
void mu_frontend_destroy(struct mu_frontend *frontend); /* NULL is a no-op */

/* The data plane's routes, to be added to the router once. */
extern const struct mu_route *const mu_frontend_routes;
extern const size_t mu_frontend_route_count;

/* Retry-After for one device: the shared least, spread over the fleet so that it does not come back
 * in one wave. */
static inline uint32_t mu_retry_after_spread_s(uint32_t least_s, int64_t device_id)
{
        return least_s + (uint32_t)(mu_hash_u64((uint64_t)device_id) % (least_s + 1));
}

#endif
