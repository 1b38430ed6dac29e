/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "ingest/writers_private.h"
#include "metrics/metrics.h"

static double read_backlog(void *context)
{
        const struct mu_writer *writer = context;
        struct mu_writer_status status;

        mu_writers_status_of(writer->owner, writer->lane, &status);
        return (double)status.backlog_records;
}

static double read_oldest(void *context)
{
        const struct mu_writer *writer = context;
        struct mu_writer_status status;

        mu_writers_status_of(writer->owner, writer->lane, &status);
        return (double)status.oldest_unstored_s;
}

static double read_breaker(void *context)
{
        const struct mu_writer *writer = context;

        return (double)mu_breaker_state(mu_writer_core_breaker(writer->core));
}

static double read_checkpoint(void *context)
{
        const struct mu_writers *writers = context;

        return (double)mu_checkpoint_stored(&writers->checkpoint);
}

/* Summed over the writers. */
static void register_counters(struct mu_metrics *m, const struct mu_writer_stats *stats)
{
        static const char *const causes[MU_FLUSH_COUNT] = {
                [MU_FLUSH_ROWS] = "rows", [MU_FLUSH_BYTES] = "bytes", [MU_FLUSH_AGE] = "age",
                [MU_FLUSH_IDLE] = "idle", [MU_FLUSH_DRAIN] = "drain",
        };

        mu_metrics_counter(m, "muster_writer_rows_total", "Heartbeats stored in PostgreSQL.",
                           MU_NO_LABELS, &stats->rows);
        mu_metrics_counter(m, "muster_writer_duplicates_total",
                           "Journal records whose bucket was stored already.", MU_NO_LABELS,
                           &stats->duplicates);
        for (unsigned i = MU_VERDICT_STORE + 1; i < MU_VERDICT_COUNT; i++)
                mu_metrics_counter(m, "muster_writer_rejects_total",
                                   "Journal records that went to ingest_rejects.",
                                   MU_LABELS({"reason", mu_verdict_reason(i)}), &stats->rejects[i]);
        for (int i = 0; i < MU_FLUSH_COUNT; i++)
                mu_metrics_counter(m, "muster_writer_flushes_total", "Batches sent, by cause.",
                                   MU_LABELS({"cause", causes[i]}), &stats->flushes[i]);
        mu_metrics_counter(m, "muster_writer_deleted_dropped_total",
                           "Journal records of deleted devices, dropped.", MU_NO_LABELS,
                           &stats->deleted);
        mu_metrics_counter(m, "muster_writer_conflicts_total",
                           "Batches repeated through staging because a row was there.",
                           MU_NO_LABELS, &stats->conflicts);
        mu_metrics_counter(m, "muster_writer_retries_total",
                           "Attempts that PostgreSQL could not take.", MU_NO_LABELS,
                           &stats->retries);
        mu_metrics_counter(m, "muster_writer_partitions_made_total",
                           "Times that a writer made missing partitions.", MU_NO_LABELS,
                           &stats->partitions);
        mu_metrics_counter(
                m, "muster_writer_rewinds_total",
                "Times that PostgreSQL had forgotten stored records (restore, failover).",
                MU_NO_LABELS, &stats->rewinds);
        mu_metrics_counter(m, "muster_writer_checkpoints_total", "Checkpoints written.",
                           MU_NO_LABELS, &stats->checkpoints);
        mu_metrics_counter(m, "muster_writer_journal_errors_total",
                           "Failed reads of the journal, tried again.", MU_NO_LABELS,
                           &stats->journal_errors);
}

static void register_histograms(struct mu_metrics *m, const struct mu_writer_stats *stats)
{
        mu_metrics_histogram(m, "muster_writer_batch_rows", "Rows in a batch.", MU_NO_LABELS,
                             stats->batch_rows, 1, &mu_bounds_count);
        mu_metrics_histogram(m, "muster_writer_copy_duration_seconds",
                             "BEGIN and COPY of a batch's heartbeats.", MU_NO_LABELS,
                             stats->copy_ns, 1e-9, &mu_bounds_latency_s);
        mu_metrics_histogram(m, "muster_writer_status_duration_seconds",
                             "Upsert of a batch's last statuses.", MU_NO_LABELS, stats->status_ns,
                             1e-9, &mu_bounds_latency_s);
        mu_metrics_histogram(m, "muster_writer_commit_duration_seconds", "COMMIT of a batch.",
                             MU_NO_LABELS, stats->commit_ns, 1e-9, &mu_bounds_latency_s);
        mu_metrics_histogram(m, "muster_writer_stored_lag_seconds",
                             "From a heartbeat's arrival to its commit in PostgreSQL.",
                             MU_NO_LABELS, stats->lag_us, 1e-6, &mu_bounds_latency_s);
}

static void register_gauges(struct mu_metrics *m, struct mu_writer *writer,
                            const struct mu_writer_stats *stats)
{
        char number[12];

        snprintf(number, sizeof(number), "%u", writer->lane);
        const struct mu_label *labels = MU_LABELS({"writer", number});

        mu_metrics_gauge(m, "muster_writer_available",
                         "1 while PostgreSQL takes what the writer sends.", labels,
                         &stats->available);
        mu_metrics_gauge_fn(m, "muster_writer_breaker_state",
                            "Circuit breaker: 0 closed, 1 open, 2 half open.", labels, read_breaker,
                            writer);
        mu_metrics_gauge_fn(m, "muster_writer_backlog_records",
                            "Durable records above the writer's position.", labels, read_backlog,
                            writer);
        mu_metrics_gauge_fn(m, "muster_writer_oldest_unstored_seconds",
                            "Age of the oldest record that the writer has in hand.", labels,
                            read_oldest, writer);
        mu_metrics_gauge(m, "muster_writer_drain_records_per_second",
                         "How fast the writer passes the journal's records, smoothed.", labels,
                         &stats->drain_per_s);
}

void mu_writers_register_metrics(struct mu_writers *writers)
{
        struct mu_metrics *m = writers->config.metrics;

        for (uint32_t i = 0; i < writers->config.writer_count; i++) {
                const struct mu_writer_stats *stats =
                        mu_writer_core_stats(writers->writers[i].core);

                register_counters(m, stats);
                register_histograms(m, stats);
                register_gauges(m, &writers->writers[i], stats);
        }
        mu_metrics_gauge_fn(m, "muster_writer_checkpoint_sequence",
                            "PostgreSQL has every record of the journal up to here.", MU_NO_LABELS,
                            read_checkpoint, writers);
}
