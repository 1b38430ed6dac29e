/* SPDX-License-Identifier: Apache-2.0 */
#include "pg/statement_stats.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/hash.h"

enum { SLOTS = 2 * MU_STATEMENTS_MAX }; /* half of them stay free: a search ends soon */

static const char OTHER[] = "other";

struct entry {
        const char *statement; /* NULL: free */
        struct mu_histogram *duration_us;
        struct mu_cell rows;
        struct mu_cell failures;
};

struct mu_statement_stats {
        struct mu_metrics *metrics;
        pthread_mutex_t mutex; /* makes every observer in turn the one writer */
        uint32_t used;
        struct entry entries[SLOTS];
};

int mu_statement_stats_create(struct mu_metrics *metrics, struct mu_statement_stats **ret_stats)
{
        struct mu_statement_stats *stats = calloc(1, sizeof(*stats));

        if (!stats)
                return -ENOMEM;
        stats->metrics = metrics;
        pthread_mutex_init(&stats->mutex, NULL);
        *ret_stats = stats;
        return 0;
}

void mu_statement_stats_destroy(struct mu_statement_stats *stats)
{
        if (!stats)
                return;
        for (size_t i = 0; i < SLOTS; i++)
                mu_histogram_destroy(stats->entries[i].duration_us);
        pthread_mutex_destroy(&stats->mutex);
        free(stats);
}

/* The name's address is the key: the same name at two addresses is summed by the registry. */
static struct entry *find(struct mu_statement_stats *stats, const char *statement)
{
        uint64_t slot = mu_hash_u64((uintptr_t)statement);

        for (;; slot++) {
                struct entry *entry = &stats->entries[slot % SLOTS];

                if (!entry->statement || entry->statement == statement)
                        return entry;
        }
}

static bool add(struct mu_statement_stats *stats, struct entry *entry, const char *statement)
{
        const struct mu_label *labels = MU_LABELS({"statement", statement});

        MU_ASSERT(stats->used < SLOTS / 2);
        if (mu_histogram_create(&entry->duration_us) < 0)
                return false;
        entry->statement = statement;
        stats->used++;
        mu_metrics_histogram(stats->metrics, "muster_pg_statement_duration_seconds",
                             "Time from sending a statement to its whole answer.", labels,
                             entry->duration_us, 1e-6, &mu_bounds_wide_s);
        mu_metrics_counter(stats->metrics, "muster_pg_statement_rows_total",
                           "Rows returned or changed by statements.", labels, &entry->rows);
        mu_metrics_counter(stats->metrics, "muster_pg_statement_failures_total",
                           "Statements that PostgreSQL refused or whose connection was lost.",
                           labels, &entry->failures);
        return true;
}

void mu_statement_stats_observe(struct mu_statement_stats *stats, const char *statement,
                                uint64_t duration_us, uint64_t rows, bool failed)
{
        if (!stats->metrics)
                return;
        pthread_mutex_lock(&stats->mutex);
        struct entry *entry = find(stats, statement);

        if (!entry->statement && stats->used >= MU_STATEMENTS_MAX - 1) {
                statement = OTHER;
                entry = find(stats, statement);
        }
        if (entry->statement || add(stats, entry, statement)) {
                mu_histogram_record(entry->duration_us, duration_us);
                mu_cell_add(&entry->rows, rows);
                mu_cell_add(&entry->failures, failed);
        }
        pthread_mutex_unlock(&stats->mutex);
}
