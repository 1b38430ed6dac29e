/* SPDX-License-Identifier: Apache-2.0 */
#include "muster/histogram.h"

#include <errno.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/assert.h"

#define SUB_BITS 6
#define SUBBUCKETS (1u << SUB_BITS)
#define VALUE_BITS 40
/* 0..63 one by one, then 64 for each of the powers of two 6..39. */
#define BUCKETS (SUBBUCKETS * (VALUE_BITS - SUB_BITS + 1))

_Static_assert(MU_HISTOGRAM_VALUE_MAX == (UINT64_C(1) << VALUE_BITS) - 1, "the last bucket's end");

struct mu_histogram {
        alignas(MU_CACHELINE_BYTES) _Atomic uint64_t sum;
        _Atomic uint64_t max;
        _Atomic uint64_t buckets[BUCKETS];
};

static uint64_t get(const _Atomic uint64_t *counter)
{
        return atomic_load_explicit(counter, memory_order_relaxed);
}

static void set(_Atomic uint64_t *counter, uint64_t value)
{
        atomic_store_explicit(counter, value, memory_order_relaxed);
}

static uint32_t bucket_of(uint64_t value)
{
        if (value < SUBBUCKETS)
                return (uint32_t)value;
        if (MU_UNLIKELY(value > MU_HISTOGRAM_VALUE_MAX))
                return BUCKETS - 1;

        uint32_t shift = 63 - (uint32_t)__builtin_clzll(value) - SUB_BITS;

        return shift * SUBBUCKETS + (uint32_t)(value >> shift);
}

static uint64_t bucket_lowest(uint32_t bucket)
{
        if (bucket < SUBBUCKETS)
                return bucket;

        uint32_t shift = bucket / SUBBUCKETS - 1;

        return (uint64_t)(bucket - shift * SUBBUCKETS) << shift;
}

static uint64_t bucket_highest(uint32_t bucket)
{
        return bucket_lowest(bucket + 1) - 1;
}

int mu_histogram_create(struct mu_histogram **ret_histogram)
{
        MU_ASSERT(ret_histogram);
        struct mu_histogram *histogram =
                aligned_alloc(alignof(struct mu_histogram), sizeof(*histogram));
        if (!histogram)
                return -ENOMEM;
        mu_histogram_reset(histogram);
        *ret_histogram = histogram;
        return 0;
}

void mu_histogram_destroy(struct mu_histogram *histogram)
{
        free(histogram);
}

void mu_histogram_record_many(struct mu_histogram *histogram, uint64_t value, uint64_t times)
{
        _Atomic uint64_t *bucket = &histogram->buckets[bucket_of(value)];

        if (times == 0)
                return;
        set(&histogram->sum, get(&histogram->sum) + value * times);
        if (value > get(&histogram->max))
                set(&histogram->max, value);
        set(bucket, get(bucket) + times);
}

void mu_histogram_record(struct mu_histogram *histogram, uint64_t value)
{
        mu_histogram_record_many(histogram, value, 1);
}

void mu_histogram_reset(struct mu_histogram *histogram)
{
        set(&histogram->sum, 0);
        set(&histogram->max, 0);
        for (uint32_t i = 0; i < BUCKETS; i++)
                set(&histogram->buckets[i], 0);
}

void mu_histogram_merge(struct mu_histogram *into, const struct mu_histogram *from)
{
        uint64_t max = get(&from->max);

        set(&into->sum, get(&into->sum) + get(&from->sum));
        if (max > get(&into->max))
                set(&into->max, max);
        for (uint32_t i = 0; i < BUCKETS; i++) {
                uint64_t count = get(&from->buckets[i]);

                if (count > 0)
                        set(&into->buckets[i], get(&into->buckets[i]) + count);
        }
}

void mu_histogram_copy(struct mu_histogram *into, const struct mu_histogram *from)
{
        set(&into->sum, get(&from->sum));
        set(&into->max, get(&from->max));
        for (uint32_t i = 0; i < BUCKETS; i++)
                set(&into->buckets[i], get(&from->buckets[i]));
}

void mu_histogram_subtract(struct mu_histogram *later, const struct mu_histogram *earlier)
{
        uint64_t max = 0;

        set(&later->sum, get(&later->sum) - get(&earlier->sum));
        for (uint32_t i = 0; i < BUCKETS; i++) {
                uint64_t now = get(&later->buckets[i]);
                uint64_t before = get(&earlier->buckets[i]);

                MU_ASSERT(before <= now);
                set(&later->buckets[i], now - before);
                if (now > before)
                        max = bucket_highest(i);
        }
        /* The whole time's maximum is a bound for the interval's. */
        if (max < get(&later->max))
                set(&later->max, max);
}

uint64_t mu_histogram_count(const struct mu_histogram *histogram)
{
        uint64_t count = 0;

        for (uint32_t i = 0; i < BUCKETS; i++)
                count += get(&histogram->buckets[i]);
        return count;
}

uint64_t mu_histogram_sum(const struct mu_histogram *histogram)
{
        return get(&histogram->sum);
}

uint64_t mu_histogram_max(const struct mu_histogram *histogram)
{
        return get(&histogram->max);
}

double mu_histogram_mean(const struct mu_histogram *histogram)
{
        uint64_t count = mu_histogram_count(histogram);

        return count > 0 ? (double)get(&histogram->sum) / (double)count : 0.0;
}

uint64_t mu_histogram_percentile(const struct mu_histogram *histogram, double percent)
{
        MU_ASSERT(percent >= 0.0 && percent <= 100.0);

        uint64_t count = mu_histogram_count(histogram);
        double share = percent / 100.0 * (double)count;
        uint64_t wanted = (uint64_t)share;
        uint64_t max = get(&histogram->max);
        uint64_t seen = 0;

        /* Round up, but not for the last digit's sake: 99.9 % of 1,000 values are 999. */
        if (wanted < 1 || share - (double)wanted > 1e-6)
                wanted++;
        for (uint32_t i = 0; i < BUCKETS; i++) {
                seen += get(&histogram->buckets[i]);
                if (seen >= wanted) {
                        uint64_t highest = bucket_highest(i);

                        /* The last bucket also holds what is too large for any. */
                        return highest < max && i < BUCKETS - 1 ? highest : max;
                }
        }
        return max;
}

uint64_t mu_histogram_count_at_most(const struct mu_histogram *histogram, uint64_t value)
{
        uint64_t count = 0;
        uint64_t max = get(&histogram->max);

        for (uint32_t i = 0; i < BUCKETS && bucket_highest(i) <= value; i++) {
                if (i == BUCKETS - 1 && max > value)
                        break;
                count += get(&histogram->buckets[i]);
        }
        return count;
}

bool mu_histogram_next(const struct mu_histogram *histogram, struct mu_histogram_cursor *cursor)
{
        for (uint32_t i = cursor->next; i < BUCKETS; i++) {
                uint64_t count = get(&histogram->buckets[i]);

                if (count == 0)
                        continue;
                cursor->lowest = bucket_lowest(i);
                cursor->highest = bucket_highest(i);
                cursor->count = count;
                cursor->next = i + 1;
                return true;
        }
        return false;
}
