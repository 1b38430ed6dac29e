/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process.h - what the process costs: the standard process_* metrics and muster_build_info.
 *
 * Read from /proc/self at each scrape. What cannot be read is shown as NaN, not as 0.
 *
 * Threads    register and destroy: where the registry is. Reading: the scraping thread.
 * Ownership  destroy after the registry's destroy.
 */
#ifndef MUSTER_METRICS_PROCESS_H
#define MUSTER_METRICS_PROCESS_H

#include "metrics/metrics.h"

struct mu_metrics_process;

/* program: "musterd"; version: as --version says it. 0 or -ENOMEM. */
MU_MUST_CHECK
int mu_metrics_process_create(struct mu_metrics *metrics, const char *program, const char *version,
                              struct mu_metrics_process **ret_process);
void mu_metrics_process_destroy(struct mu_metrics_process *process); /* NULL is a no-op */

#endif
