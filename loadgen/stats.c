/* SPDX-License-Identifier: Apache-2.0 */
#include "stats.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "clock.h"

int mu_lg_stats_init(struct mu_lg_stats *stats)
{
        memset(stats, 0, sizeof(*stats));
        stats->series.period_s = 1;
        stats->series.slots = calloc(MU_LG_SLOTS_MAX, sizeof(*stats->series.slots));
        if (!stats->series.slots || mu_histogram_create(&stats->latency) < 0 ||
            mu_histogram_create(&stats->service) < 0 || mu_histogram_create(&stats->lateness) < 0) {
                mu_lg_stats_done(stats);
                return -ENOMEM;
        }
        return 0;
}

void mu_lg_stats_done(struct mu_lg_stats *stats)
{
        free(stats->series.slots);
        stats->series.slots = NULL;
        mu_histogram_destroy(stats->latency);
        mu_histogram_destroy(stats->service);
        mu_histogram_destroy(stats->lateness);
        stats->latency = stats->service = stats->lateness = NULL;
}

static void slot_merge(struct mu_lg_slot *into, const struct mu_lg_slot *from)
{
        into->sent += from->sent;
        into->acknowledged += from->acknowledged;
        into->duplicate += from->duplicate;
        into->shed += from->shed;
        into->failed += from->failed;
        for (uint32_t i = 0; i < MU_LG_SLOT_BUCKETS; i++)
                into->latency[i] += from->latency[i];
}

/* Two neighbouring slots become one: the series keeps its size however long the run. */
static void series_double_period(struct mu_lg_series *series)
{
        uint32_t half = (series->used_count + 1) / 2;

        for (uint32_t i = 0; i < half; i++) {
                struct mu_lg_slot merged = series->slots[2 * i];

                if (2 * i + 1 < series->used_count)
                        slot_merge(&merged, &series->slots[2 * i + 1]);
                series->slots[i] = merged;
        }
        memset(series->slots + half, 0, (MU_LG_SLOTS_MAX - half) * sizeof(*series->slots));
        series->used_count = half;
        series->period_s *= 2;
}

struct mu_lg_slot *mu_lg_series_slot(struct mu_lg_series *series, uint64_t since_start_ns)
{
        uint64_t second = since_start_ns / MU_LG_NS_PER_S;

        while (second / series->period_s >= MU_LG_SLOTS_MAX)
                series_double_period(series);
        uint32_t index = (uint32_t)(second / series->period_s);

        if (index >= series->used_count)
                series->used_count = index + 1;
        return &series->slots[index];
}

/* Bucket 0..15: below 16 us, linear; then 16 buckets per octave. */
static uint32_t slot_bucket(uint64_t latency_ns)
{
        uint64_t us = latency_ns / 1000;

        if (us < MU_LG_SLOT_SUBBUCKETS)
                return (uint32_t)us;
        uint32_t top = 63u - (uint32_t)__builtin_clzll(us);
        uint32_t bucket = (top - 3) * MU_LG_SLOT_SUBBUCKETS +
                          (uint32_t)((us >> (top - 4)) & (MU_LG_SLOT_SUBBUCKETS - 1));

        return bucket < MU_LG_SLOT_BUCKETS ? bucket : MU_LG_SLOT_BUCKETS - 1;
}

static uint64_t slot_bucket_end_ns(uint32_t bucket)
{
        uint32_t octave = bucket / MU_LG_SLOT_SUBBUCKETS;
        uint64_t sub = bucket % MU_LG_SLOT_SUBBUCKETS;

        if (octave == 0)
                return (sub + 1) * 1000;
        return ((MU_LG_SLOT_SUBBUCKETS + sub + 1) << (octave - 1)) * 1000;
}

void mu_lg_slot_latency(struct mu_lg_slot *slot, uint64_t latency_ns)
{
        slot->latency[slot_bucket(latency_ns)]++;
}

uint64_t mu_lg_slot_percentile(const struct mu_lg_slot *slot, double percent)
{
        uint64_t total = 0, seen = 0;

        for (uint32_t i = 0; i < MU_LG_SLOT_BUCKETS; i++)
                total += slot->latency[i];
        if (total == 0)
                return 0;
        uint64_t wanted = (uint64_t)((double)total * percent / 100.0 + 0.999999);

        if (wanted == 0)
                wanted = 1;
        for (uint32_t i = 0; i < MU_LG_SLOT_BUCKETS; i++) {
                seen += slot->latency[i];
                if (seen >= wanted)
                        return slot_bucket_end_ns(i);
        }
        return slot_bucket_end_ns(MU_LG_SLOT_BUCKETS - 1);
}

static void counters_merge(struct mu_lg_counters *into, const struct mu_lg_counters *from)
{
#define X(name, text) mu_lg_add(&into->name, mu_lg_get(&from->name));
        MU_LG_COUNTER_MAP(X)
#undef X
        for (uint32_t i = 0; i < MU_LG_FAILURES_COUNT; i++)
                mu_lg_add(&into->failures[i], mu_lg_get(&from->failures[i]));
        for (uint32_t i = 0; i < MU_LG_STATUS_MAX; i++)
                mu_lg_add(&into->status[i], mu_lg_get(&from->status[i]));
}

static void malformed_merge(struct mu_lg_malformed_table *into,
                            const struct mu_lg_malformed_table *from)
{
        for (uint32_t kind = 0; kind < MU_LG_MALFORMED_KINDS_MAX; kind++) {
                into->tried[kind] += from->tried[kind];
                into->wrong[kind] += from->wrong[kind];
                for (int answer = 0; answer < MU_LG_MALFORMED_ANSWERS; answer++)
                        into->answers[kind][answer] += from->answers[kind][answer];
                if (from->status_seen[kind])
                        into->status_seen[kind] = from->status_seen[kind];
        }
}

void mu_lg_stats_merge(struct mu_lg_stats *into, struct mu_lg_stats *from)
{
        counters_merge(&into->counters, &from->counters);
        mu_histogram_merge(into->latency, from->latency);
        mu_histogram_merge(into->service, from->service);
        mu_histogram_merge(into->lateness, from->lateness);
        malformed_merge(&into->malformed, &from->malformed);
        into->cpu_ns += from->cpu_ns;

        while (into->series.period_s < from->series.period_s)
                series_double_period(&into->series);
        while (from->series.period_s < into->series.period_s)
                series_double_period(&from->series);
        for (uint32_t i = 0; i < from->series.used_count; i++)
                slot_merge(&into->series.slots[i], &from->series.slots[i]);
        if (into->series.used_count < from->series.used_count)
                into->series.used_count = from->series.used_count;
}

uint64_t mu_lg_failures_total(const struct mu_lg_counters *counters)
{
        uint64_t total = 0;

        for (uint32_t i = 0; i < MU_LG_FAILURES_COUNT; i++)
                total += mu_lg_get(&counters->failures[i]);
        return total;
}

const char *mu_lg_failure_name(enum mu_lg_failure failure)
{
        static const char *const names[] = {
#define X(id, name, text) #name,
                MU_LG_FAILURE_MAP(X)
#undef X
        };

        MU_ASSERT(failure < MU_LG_FAILURES_COUNT);
        return names[failure];
}

const char *mu_lg_failure_text(enum mu_lg_failure failure)
{
        static const char *const texts[] = {
#define X(id, name, text) text,
                MU_LG_FAILURE_MAP(X)
#undef X
        };

        MU_ASSERT(failure < MU_LG_FAILURES_COUNT);
        return texts[failure];
}
