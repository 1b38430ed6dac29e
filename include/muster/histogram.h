/* SPDX-License-Identifier: Apache-2.0 */
/*
 * histogram.h - log-linear histogram of unsigned integers in fixed memory.
 *
 * The layout is HdrHistogram's idea (Gil Tene): each power of two is cut into 64 equal buckets,
 * values below 128 are exact. A bucket is at most 1/64 = 1.6 % wide, so percentiles, which answer
 * with a bucket's highest value, are never too low and at most 1.6 % too high.
 *
 * Units      The caller's (ns, bytes, rows). 0..MU_HISTOGRAM_VALUE_MAX; larger ones are counted
 *            in the last bucket, while max and sum keep their true value.
 * Threads    One thread writes a histogram (record, reset, merge into it, subtract from it).
 *            Any thread reads it meanwhile without a race: each counter is a relaxed atomic,
 *            so a reader may miss the newest few records but never sees a torn number.
 * Ordering   None between counters; count is the sum of the buckets as read.
 * Ownership  create/destroy. 18 KiB each.
 * Errors     create returns -ENOMEM. The rest cannot fail. An empty histogram answers 0.
 */
#ifndef MUSTER_HISTOGRAM_H
#define MUSTER_HISTOGRAM_H

#include <stdbool.h>
#include <stdint.h>

#include "muster/compiler.h"

#define MU_HISTOGRAM_VALUE_MAX ((UINT64_C(1) << 40) - 1) /* 18 minutes in ns, 1 TiB in bytes */

struct mu_histogram;

/* One non-empty bucket: count values in lowest..highest. Start with { 0 }. */
struct mu_histogram_cursor {
        uint64_t lowest;
        uint64_t highest;
        uint64_t count;
        uint32_t next; /* private */
};

MU_MUST_CHECK
int mu_histogram_create(struct mu_histogram **ret_histogram);
void mu_histogram_destroy(struct mu_histogram *histogram); /* NULL is a no-op */

/* Writer. Plain loads and stores: no locked instruction. */
void mu_histogram_record(struct mu_histogram *histogram, uint64_t value);
void mu_histogram_record_many(struct mu_histogram *histogram, uint64_t value, uint64_t times);
void mu_histogram_reset(struct mu_histogram *histogram);

/* The caller is the writer of `into`; `from` may be written by another thread meanwhile. */
void mu_histogram_merge(struct mu_histogram *into, const struct mu_histogram *from);
void mu_histogram_copy(struct mu_histogram *into, const struct mu_histogram *from);
/* Leaves in `later` what was recorded between the two copies of one histogram. The interval's
 * exact maximum is not known: max becomes the highest value of its last non-empty bucket. */
void mu_histogram_subtract(struct mu_histogram *later, const struct mu_histogram *earlier);

/* Any thread. */
uint64_t mu_histogram_count(const struct mu_histogram *histogram);
uint64_t mu_histogram_sum(const struct mu_histogram *histogram); /* modulo 2^64 */
uint64_t mu_histogram_max(const struct mu_histogram *histogram); /* exact, unless subtracted */
double mu_histogram_mean(const struct mu_histogram *histogram);
/* percent: 0..100. The least bucket end with at least that share of the values at or below it,
 * not above max. */
uint64_t mu_histogram_percentile(const struct mu_histogram *histogram, double percent);
/* Values in buckets that end at or below `value`. */
uint64_t mu_histogram_count_at_most(const struct mu_histogram *histogram, uint64_t value);
/* Walks the non-empty buckets upward; false at the end. */
bool mu_histogram_next(const struct mu_histogram *histogram, struct mu_histogram_cursor *cursor);

#endif
