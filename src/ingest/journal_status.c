/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "ingest/journal_private.h"

static uint64_t load(const _Atomic uint64_t *value)
{
        return atomic_load_explicit(value, memory_order_relaxed);
}

void mu_journal_status(const struct mu_journal *journal, struct mu_journal_status *ret_status)
{
        struct mu_window *window = mu_segments_window(journal->segments);
        uint64_t oldest = mu_window_oldest(window);
        uint64_t next = mu_window_next(window);

        *ret_status = (struct mu_journal_status){
                .state = mu_journal_get_state(journal),
                .durable_seq = mu_journal_durable_seq(journal),
                /* One more or fewer while the journal works: a report, not a decision. */
                .oldest_seq = mu_segments_oldest_seq(journal->segments),
                .used_bytes = load(&journal->used_bytes),
                .capacity_bytes = journal->config.capacity_bytes,
                .bytes_per_s = load(&journal->bytes_per_s),
                .segment_count = (uint32_t)(next - oldest),
                .io_uring = strcmp(journal->io->name, "io_uring") == 0,
                .registered_buffers = journal->registered,
                .direct_io = journal->io->is_direct,
                .recovered_records = load(&journal->recovered_records),
                .torn_bytes = load(&journal->torn_bytes),
                .damaged_bytes = load(&journal->damaged_bytes),
                .damaged_segments =
                        atomic_load_explicit(&journal->damaged_segments, memory_order_relaxed),
                .missing_records = load(&journal->missing_records),
                .write_errors = mu_cell_get(&journal->metrics.write_errors),
                .sync_errors = mu_cell_get(&journal->metrics.sync_errors),
                .rewritten_groups = mu_cell_get(&journal->metrics.rewritten_groups),
        };
        memcpy(ret_status->id, journal->id, sizeof(ret_status->id));
        if (ret_status->state == MU_JOURNAL_ACCEPTING &&
            atomic_load_explicit(&journal->draining, memory_order_relaxed))
                ret_status->state = MU_JOURNAL_DRAINING;
}

static double read_used(void *context)
{
        return (double)load(&((struct mu_journal *)context)->used_bytes);
}

static double read_capacity(void *context)
{
        return (double)((struct mu_journal *)context)->config.capacity_bytes;
}

static double read_rate(void *context)
{
        return (double)load(&((struct mu_journal *)context)->bytes_per_s);
}

static double read_segments(void *context)
{
        struct mu_journal_status status;

        mu_journal_status(context, &status);
        return status.segment_count;
}

static double read_state(void *context)
{
        return (double)mu_journal_get_state(context);
}

static double read_durable(void *context)
{
        return (double)mu_journal_durable_seq(context);
}

static double read_recovered(void *context)
{
        return (double)load(&((struct mu_journal *)context)->recovered_records);
}

static double read_torn(void *context)
{
        return (double)load(&((struct mu_journal *)context)->torn_bytes);
}

static double read_damaged(void *context)
{
        return (double)load(&((struct mu_journal *)context)->damaged_bytes);
}

static double read_missing(void *context)
{
        return (double)load(&((struct mu_journal *)context)->missing_records);
}

int mu_journal_register_metrics(struct mu_journal *journal, struct mu_metrics *metrics)
{
        const struct mu_journal_metrics *m = &journal->metrics;
        const struct {
                const char *name;
                const char *help;
                const struct mu_cell *cell;
        } counters[] = {
                {"muster_journal_groups_total", "Groups made durable.", &m->groups},
                {"muster_journal_records_total", "Records made durable.", &m->records},
                {"muster_journal_bytes_total", "Bytes made durable, padding included.", &m->bytes},
                {"muster_journal_write_errors_total",
                 "Writes, segment preparations and deletions that failed.", &m->write_errors},
                {"muster_journal_sync_errors_total", "fdatasync calls that failed.",
                 &m->sync_errors},
                {"muster_journal_rewritten_groups_total",
                 "Groups made durable in a second segment after the first failed.",
                 &m->rewritten_groups},
                {"muster_journal_failed_records_total",
                 "Records answered 503 because they could not be made durable.",
                 &m->failed_records},
        };
        const struct {
                const char *name;
                const char *help;
                double (*read)(void *context);
        } gauges[] = {
                {"muster_journal_used_bytes", "Disk taken by segments.", read_used},
                {"muster_journal_capacity_bytes", "Disk that segments may take.", read_capacity},
                {"muster_journal_write_rate_bytes", "Bytes per second over the last minute.",
                 read_rate},
                {"muster_journal_segments", "Segments in the directory.", read_segments},
                {"muster_journal_state", "0 accepting, 1 full, 2 refusing.", read_state},
                {"muster_journal_durable_sequence", "Last durable record's sequence.",
                 read_durable},
                {"muster_journal_recovered_records", "Records found at the last start.",
                 read_recovered},
                {"muster_journal_torn_bytes", "Bytes of a torn group cut at the last start.",
                 read_torn},
                {"muster_journal_damaged_bytes", "Damaged bytes met since the last start.",
                 read_damaged},
                {"muster_journal_missing_records",
                 "Acknowledged records not found since the last start, at most.", read_missing},
        };

        for (size_t i = 0; i < MU_COUNT_OF(counters); i++)
                mu_metrics_counter(metrics, counters[i].name, counters[i].help, MU_NO_LABELS,
                                   counters[i].cell);
        for (size_t i = 0; i < MU_COUNT_OF(gauges); i++)
                mu_metrics_gauge_fn(metrics, gauges[i].name, gauges[i].help, MU_NO_LABELS,
                                    gauges[i].read, journal);
        mu_metrics_histogram(metrics, "muster_journal_group_records", "Records in a group.",
                             MU_NO_LABELS, m->group_records, 1, &mu_bounds_count);
        mu_metrics_histogram(metrics, "muster_journal_group_bytes", "Bytes of a group.",
                             MU_NO_LABELS, m->group_bytes, 1, &mu_bounds_size_bytes);
        mu_metrics_histogram(metrics, "muster_journal_write_duration_seconds",
                             "Write and fdatasync of a group.", MU_NO_LABELS, m->write_ns, 1e-9,
                             &mu_bounds_latency_s);
        mu_metrics_histogram(metrics, "muster_journal_ring_wait_seconds",
                             "From receiving a group's oldest record to taking it.", MU_NO_LABELS,
                             m->ring_wait_us, 1e-6, &mu_bounds_latency_s);
        return mu_metrics_status(metrics);
}
