/* SPDX-License-Identifier: Apache-2.0 */
/*
 * status_news.h - tells the bus which statuses a committed batch may have made newer.
 *
 * Units      as base/bus.h. Threads: a writer's own, after its COMMIT; never waits for a reader.
 * Errors     none: nobody watching is the ordinary case, and costs one relaxed load.
 */
#ifndef MUSTER_INGEST_STATUS_NEWS_H
#define MUSTER_INGEST_STATUS_NEWS_H

#include "base/bus.h"
#include "ingest/store.h"

/* bus NULL: a no-op. */
void mu_status_news_publish(struct mu_bus *bus, const struct mu_store_request *request);

#endif
