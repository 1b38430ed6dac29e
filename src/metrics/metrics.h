/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metrics.h - the registry behind /metrics: who counts, what it is called, how it is rendered.
 *
 * A module owns its cells, one set per thread, and registers pointers at start. Cells and
 * histograms registered with the same name and labels are summed when scraped, so the thread that
 * counts shares nothing and a scrape costs it nothing.
 *
 *   struct frontend_cells { alignas(MU_CACHELINE_BYTES) struct mu_cell shed; ... };
 *   mu_metrics_counter(m, "muster_heartbeats_shed_total", "Heartbeats answered 503.",
 *                      MU_LABELS({"reason", "ring_full"}), &cells->shed);
 *   mu_metrics_histogram(m, "muster_http_request_duration_seconds", "Time to the reply.",
 *                        MU_LABELS({"route", "/v1/heartbeat"}), cells->request_ns, 1e-9,
 *                        &mu_bounds_latency_s);
 *
 * Units      Base units as Prometheus wants them (seconds, bytes); scale turns the cell's unit
 *            into them. Counters end in _total.
 * Threads    A cell or histogram has one writer. Registering and rendering: any thread, under a
 *            mutex that the pipeline never takes. Callbacks run under it: they must not register.
 * Ownership  name, help and label names must live as long as the registry (literals); label
 *            values are copied. Cells, histograms and contexts are borrowed until destroy.
 * Errors     Registering fails only for want of memory, and that is sticky: check
 *            mu_metrics_status once after start. A wrong name, a label twice, one name with two
 *            types or helps is a mistake of ours and aborts.
 */
#ifndef MUSTER_METRICS_METRICS_H
#define MUSTER_METRICS_METRICS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "muster/compiler.h"
#include "muster/histogram.h"

/* A number with one writing thread, which any thread may read. */
struct mu_cell {
        _Atomic uint64_t value;
};

static inline uint64_t mu_cell_get(const struct mu_cell *cell)
{
        return atomic_load_explicit(&cell->value, memory_order_relaxed);
}

static inline void mu_cell_set(struct mu_cell *cell, uint64_t value)
{
        atomic_store_explicit(&cell->value, value, memory_order_relaxed);
}

/* Load and store, not a locked add: there is one writer. */
static inline void mu_cell_add(struct mu_cell *cell, uint64_t n)
{
        mu_cell_set(cell, mu_cell_get(cell) + n);
}

struct mu_label {
        const char *name;
        const char *value; /* any UTF-8 */
};

#define MU_LABELS_MAX 8
#define MU_LABELS(...) ((const struct mu_label[]){__VA_ARGS__, {NULL, NULL}})
#define MU_NO_LABELS NULL

/* Upper bounds of a histogram's buckets, ascending, in the exposed unit; +Inf is added. */
struct mu_bounds {
        const double *values;
        size_t count;
};

extern const struct mu_bounds mu_bounds_latency_s;  /* 100 us .. 10 s */
extern const struct mu_bounds mu_bounds_wide_s;     /* 1 ms .. 10 s, for families of many */
extern const struct mu_bounds mu_bounds_size_bytes; /* 64 B .. 64 MiB, powers of four */
extern const struct mu_bounds mu_bounds_count;      /* 1 .. 100,000: 1, 2, 5, 10 ... */

struct mu_metrics;

MU_MUST_CHECK
int mu_metrics_create(struct mu_metrics **ret_metrics);
void mu_metrics_destroy(struct mu_metrics *metrics); /* NULL is a no-op */
/* 0, or the first failure of a registration. */
MU_MUST_CHECK
int mu_metrics_status(struct mu_metrics *metrics);

void mu_metrics_counter(struct mu_metrics *metrics, const char *name, const char *help,
                        const struct mu_label *labels, const struct mu_cell *cell);
/* value = cell * scale, for example nanoseconds counted, seconds exposed: 1e-9. */
void mu_metrics_counter_scaled(struct mu_metrics *metrics, const char *name, const char *help,
                               const struct mu_label *labels, const struct mu_cell *cell,
                               double scale);
void mu_metrics_gauge(struct mu_metrics *metrics, const char *name, const char *help,
                      const struct mu_label *labels, const struct mu_cell *cell);
/* Called at each scrape, from the scraping thread; summed like cells. */
void mu_metrics_counter_fn(struct mu_metrics *metrics, const char *name, const char *help,
                           const struct mu_label *labels, double (*read)(void *context),
                           void *context);
void mu_metrics_gauge_fn(struct mu_metrics *metrics, const char *name, const char *help,
                         const struct mu_label *labels, double (*read)(void *context),
                         void *context);
/* Bucket counts come from 1.6 %-wide bins: a value that close below a bound may count above it. */
void mu_metrics_histogram(struct mu_metrics *metrics, const char *name, const char *help,
                          const struct mu_label *labels, const struct mu_histogram *histogram,
                          double scale, const struct mu_bounds *bounds);
/* Called at the start of each scrape: reads once what several metrics then show. */
void mu_metrics_on_scrape(struct mu_metrics *metrics, void (*refresh)(void *context),
                          void *context);

#define MU_METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* Prometheus text 0.0.4, to be freed. 0 or -ENOMEM. */
MU_MUST_CHECK
int mu_metrics_render(struct mu_metrics *metrics, char **ret_text, size_t *ret_bytes);

#endif
