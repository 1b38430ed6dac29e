/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host.h - the machine the appliance runs on: load, memory, CPU time, room for data.
 *
 * Read from /proc and statvfs at each scrape. What cannot be read is shown as NaN, not as 0.
 *
 * Threads    create and destroy: where the registry is. mu_metrics_host_*: the scraping thread.
 * Ownership  destroy after the registry's destroy.
 */
#ifndef MUSTER_METRICS_HOST_H
#define MUSTER_METRICS_HOST_H

#include "metrics/metrics.h"

struct mu_metrics_host;

/* data_directory: whose file system is watched; copied. 0 or -ENOMEM. */
MU_MUST_CHECK
int mu_metrics_host_create(struct mu_metrics *metrics, const char *data_directory,
                           struct mu_metrics_host **ret_host);
void mu_metrics_host_destroy(struct mu_metrics_host *host); /* NULL is a no-op */

#endif
