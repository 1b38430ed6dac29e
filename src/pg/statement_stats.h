/* SPDX-License-Identifier: Apache-2.0 */
/*
 * statement_stats.h - time, rows and failures of each named statement, for the metrics.
 *
 * Units      us in; the metrics show seconds.
 * Threads    observe: any thread (a short mutex; the data plane books once a batch).
 * Ownership  destroy after the registry's destroy. Statement names must live as long.
 * Bounds     MU_STATEMENTS_MAX names; whatever comes after them is booked as "other".
 * Errors     For want of memory a statement stays unbooked; the registry's status says so.
 */
#ifndef MUSTER_PG_STATEMENT_STATS_H
#define MUSTER_PG_STATEMENT_STATS_H

#include <stdbool.h>
#include <stdint.h>

#include "metrics/metrics.h"
#include "muster/compiler.h"

/* More named statements than the program has. */
#define MU_STATEMENTS_MAX 1024

struct mu_statement_stats;

/* metrics NULL: nothing is booked. 0 or -ENOMEM. */
MU_MUST_CHECK
int mu_statement_stats_create(struct mu_metrics *metrics, struct mu_statement_stats **ret_stats);
void mu_statement_stats_destroy(struct mu_statement_stats *stats); /* NULL is a no-op */

void mu_statement_stats_observe(struct mu_statement_stats *stats, const char *statement,
                                uint64_t duration_us, uint64_t rows, bool failed);

#endif
