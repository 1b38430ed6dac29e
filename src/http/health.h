/* SPDX-License-Identifier: Apache-2.0 */
/*
 * health.h - the probes: /health, /api/health, /health/detailed, /ready and /metrics.
 *
 * /health and /ready are answered on the loop and never wait for anybody; /health/detailed and
 * /metrics are rendered by the probe worker, so that a scrape costs the pipeline nothing and a
 * database that hangs does not hang them.
 *
 * Ownership  The source and what it points to are lent until the server is destroyed.
 */
#ifndef MUSTER_HTTP_HEALTH_H
#define MUSTER_HTTP_HEALTH_H

#include <stdbool.h>

#include "base/text.h"
#include "http/route.h"
#include "metrics/metrics.h"
#include "muster/compiler.h"

struct mu_health_source {
        const char *version;
        struct mu_metrics *metrics;
        void *ctx;
        /* Loop thread: reads atomics, never blocks. Adds one JSON object (what is degraded, since
         * when) and says whether heartbeats can be acknowledged. */
        bool (*ready)(void *ctx, struct mu_text *json);
        /* Probe worker: may look at disks and processes. Adds one JSON object; returns whether all
         * is well. */
        bool (*details)(void *ctx, struct mu_text *json);
};

/* Adds the routes; before mu_router_seal. 0 or -ENOMEM. */
MU_MUST_CHECK
int mu_health_routes(struct mu_router *router, const struct mu_health_source *source);

#endif
