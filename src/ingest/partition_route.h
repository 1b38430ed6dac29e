/* SPDX-License-Identifier: Apache-2.0 */
/*
 * partition_route.h - which of a batch's days go straight into their leaf partition.
 *
 * COPY into a leaf spares PostgreSQL the routing of each row, but each leaf is a COPY of its own;
 * and a leaf outside the window may be on its way out (DETACH), where only the parent knows. So:
 * days of the window with rows enough go to their leaf, everything else through the parent.
 *
 * Units      days since 1970, UTC. Threads: any; pure. Errors: none.
 */
#ifndef MUSTER_INGEST_PARTITION_ROUTE_H
#define MUSTER_INGEST_PARTITION_ROUTE_H

#include <stdint.h>

#include "ingest/store.h"

enum mu_route_limits {
        MU_ROUTE_LEAVES_MAX = 16,
        MU_ROUTE_LEAF_ROWS_MIN = 64, /* below, a COPY command costs more than routing its rows */
};

struct mu_route_leaf {
        int64_t day;
        uint32_t rows;
};

struct mu_route {
        struct mu_route_leaf leaves[MU_ROUTE_LEAVES_MAX];
        uint32_t leaf_count;
        uint32_t parent_rows;
        uint32_t rejects; /* entries that are not STORE */
};

/* Days from_day..to_day (inclusive) may go straight to their leaf. */
void mu_route_plan(const struct mu_store_request *request, int64_t from_day, int64_t to_day,
                   struct mu_route *ret_route);

/* Has the day a leaf of its own in this route? */
bool mu_route_is_leaf(const struct mu_route *route, int64_t day);

#endif
