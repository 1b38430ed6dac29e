/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rate_limit.h - how many requests somebody may make: a sliding window, and a short burst beside
 * it.
 *
 *   weight = this window's count + last window's × how much of it the sliding window still covers
 *
 * A request is let in and counted when the weight stays within max in both windows; one that is
 * refused does not count, so patience always helps. The error of the two-bucket estimate is that it
 * takes last window's requests for evenly spread.
 *
 * Bounded    A fixed table in sets of 8 by a keyed hash. A full set forgets whom it has counted
 *            least, first of all those whose windows are over: newcomers push each other out, not
 *            an offender. Accounts live in a table of their own, which addresses can't fill.
 * Units      *_s seconds; now_ns monotonic; counts: requests.
 * Threads    take, offenders: any (a mutex, for moments). create, destroy: one.
 * Errors     create: -EINVAL, -ENOMEM, what getrandom gave.
 */
#ifndef MUSTER_CONTROL_RATE_LIMIT_H
#define MUSTER_CONTROL_RATE_LIMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "muster/compiler.h"

struct mu_rate_table;

enum mu_rate_limits {
        MU_RATE_RULES_MAX = 4,
        MU_RATE_OFFENDERS_MAX = 256, /* remembered with their names */
        MU_RATE_LABEL_BYTES = 96,
        MU_RATE_MAX = 100000,
        MU_RATE_WINDOW_S_MAX = 86400,
};

struct mu_rate_rule {
        uint32_t max; /* within the window; 0: no limit at all */
        uint32_t window_s;
        uint32_t burst_max; /* within the burst window; 0: no such limit */
        uint32_t burst_window_s;
};

struct mu_rate_verdict {
        bool allowed;
        bool limited;           /* the rule has a limit: the rest means something */
        bool by_burst;          /* when refused: which one */
        uint32_t retry_after_s; /* when refused: 1 or more */
        uint32_t remaining;
        uint32_t reset_s; /* until the window that is counted now ends */
        uint32_t burst_remaining;
        uint32_t burst_reset_s;
};

struct mu_rate_offender {
        char label[MU_RATE_LABEL_BYTES];
        uint32_t rule;
        uint64_t refused;
        uint64_t first_ns;
        uint64_t last_ns;
};

/* entries_max: rounded up to a power of two, at least 64. */
MU_MUST_CHECK
int mu_rate_table_create(const struct mu_rate_rule *rules, uint32_t rule_count,
                         uint32_t entries_max, struct mu_rate_table **ret_table);
void mu_rate_table_destroy(struct mu_rate_table *table); /* NULL is a no-op */

/* May whoever has this key make one more request? label names them among the offenders. */
void mu_rate_take(struct mu_rate_table *table, uint32_t rule, const void *key, size_t key_bytes,
                  const char *label, uint64_t now_ns, struct mu_rate_verdict *ret_verdict);

/* Who was refused, last refused first; at most max of them. How many. */
size_t mu_rate_offenders(struct mu_rate_table *table, struct mu_rate_offender *ret_offenders,
                         size_t max);

#endif
