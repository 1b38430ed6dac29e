/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/partition_route.h"

#include "base/assert.h"

static struct mu_route_leaf *find(struct mu_route *route, int64_t day)
{
        for (uint32_t i = 0; i < route->leaf_count; i++)
                if (route->leaves[i].day == day)
                        return &route->leaves[i];
        if (route->leaf_count == MU_ROUTE_LEAVES_MAX)
                return NULL;

        struct mu_route_leaf *leaf = &route->leaves[route->leaf_count++];

        *leaf = (struct mu_route_leaf){.day = day};
        return leaf;
}

void mu_route_plan(const struct mu_store_request *request, int64_t from_day, int64_t to_day,
                   struct mu_route *ret_route)
{
        MU_ASSERT(from_day <= to_day);
        struct mu_route route = {0};
        struct mu_route_leaf *leaf = NULL;

        for (uint32_t i = request->first; i < request->first + request->count; i++) {
                const struct mu_batch_entry *entry = &request->batch->entries[i];

                if (entry->verdict != MU_VERDICT_STORE) {
                        route.rejects++;
                        continue;
                }
                int64_t day = mu_batch_day(entry);

                if (!leaf || leaf->day != day)
                        leaf = day >= from_day && day <= to_day ? find(&route, day) : NULL;
                if (leaf)
                        leaf->rows++;
                else
                        route.parent_rows++;
        }

        bool alone = route.leaf_count == 1 && route.parent_rows == 0;
        uint32_t kept = 0;

        for (uint32_t i = 0; i < route.leaf_count; i++) {
                if (alone || route.leaves[i].rows >= MU_ROUTE_LEAF_ROWS_MIN)
                        route.leaves[kept++] = route.leaves[i];
                else
                        route.parent_rows += route.leaves[i].rows;
        }
        route.leaf_count = kept;
        *ret_route = route;
}

bool mu_route_is_leaf(const struct mu_route *route, int64_t day)
{
        for (uint32_t i = 0; i < route->leaf_count; i++)
                if (route->leaves[i].day == day)
                        return true;
        return false;
}
