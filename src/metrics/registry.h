/* SPDX-License-Identifier: Apache-2.0 */
/*
 * registry.h - how the registry is kept, between metrics.c (registering) and render.c (scraping).
 *
 *   metrics -> family (name, type, help) -> series (one set of labels) -> sources (summed)
 *
 * All three are lists in the order of registration. The mutex covers everything.
 */
#ifndef MUSTER_METRICS_REGISTRY_H
#define MUSTER_METRICS_REGISTRY_H

#include <pthread.h>

#include "metrics/metrics.h"

enum mu_metrics_type {
        MU_METRICS_COUNTER,
        MU_METRICS_GAUGE,
        MU_METRICS_HISTOGRAM,
};

/* Exactly one of cell, read, histogram is set. */
struct mu_metrics_source {
        struct mu_metrics_source *next;
        const struct mu_cell *cell;
        double (*read)(void *context);
        void *context;
        const struct mu_histogram *histogram;
        double scale;
};

struct mu_metrics_series {
        struct mu_metrics_series *next;
        char *labels; /* name="value",... escaped, without braces; owned */
        struct mu_metrics_source *sources;
};

struct mu_metrics_family {
        struct mu_metrics_family *next;
        const char *name;
        const char *help;
        enum mu_metrics_type type;
        const struct mu_bounds *bounds; /* histograms */
        struct mu_metrics_series *series;
};

struct mu_metrics_hook {
        struct mu_metrics_hook *next;
        void (*refresh)(void *context);
        void *context;
};

struct mu_metrics {
        pthread_mutex_t lock;
        int error;
        struct mu_metrics_family *families;
        struct mu_metrics_hook *hooks;
        struct mu_histogram *scratch; /* a histogram's sources are merged here to be rendered */
};

#endif
