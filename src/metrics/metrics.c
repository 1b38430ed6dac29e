/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/metrics.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/text.h"
#include "metrics/registry.h"

int mu_metrics_create(struct mu_metrics **ret_metrics)
{
        MU_ASSERT(ret_metrics);
        struct mu_metrics *metrics = calloc(1, sizeof(*metrics));

        if (!metrics)
                return -ENOMEM;
        int err = mu_histogram_create(&metrics->scratch);
        if (err < 0) {
                free(metrics);
                return err;
        }
        MU_ASSERT(pthread_mutex_init(&metrics->lock, NULL) == 0);
        *ret_metrics = metrics;
        return 0;
}

static void destroy_series(struct mu_metrics_series *series)
{
        for (struct mu_metrics_source *source = series->sources, *next; source; source = next) {
                next = source->next;
                free(source);
        }
        free(series->labels);
        free(series);
}

static void destroy_family(struct mu_metrics_family *family)
{
        for (struct mu_metrics_series *series = family->series, *next; series; series = next) {
                next = series->next;
                destroy_series(series);
        }
        free(family);
}

void mu_metrics_destroy(struct mu_metrics *metrics)
{
        if (!metrics)
                return;
        for (struct mu_metrics_family *family = metrics->families, *next; family; family = next) {
                next = family->next;
                destroy_family(family);
        }
        for (struct mu_metrics_hook *hook = metrics->hooks, *next; hook; hook = next) {
                next = hook->next;
                free(hook);
        }
        mu_histogram_destroy(metrics->scratch);
        MU_ASSERT(pthread_mutex_destroy(&metrics->lock) == 0);
        free(metrics);
}

static void lock(struct mu_metrics *metrics)
{
        MU_ASSERT(pthread_mutex_lock(&metrics->lock) == 0);
}

static void unlock(struct mu_metrics *metrics)
{
        MU_ASSERT(pthread_mutex_unlock(&metrics->lock) == 0);
}

int mu_metrics_status(struct mu_metrics *metrics)
{
        lock(metrics);
        int error = metrics->error;
        unlock(metrics);
        return error;
}

static bool is_name(const char *name, const char *also)
{
        if (*name == '\0' || (*name >= '0' && *name <= '9'))
                return false;
        for (; *name != '\0'; name++) {
                bool letter = (*name >= 'a' && *name <= 'z') || (*name >= 'A' && *name <= 'Z');
                bool digit = *name >= '0' && *name <= '9';

                if (!letter && !digit && *name != '_' && !strchr(also, *name))
                        return false;
        }
        return true;
}

/* name="value",... in the order given, which the same registration elsewhere must keep. */
static int labels_text(const struct mu_label *labels, char **ret_labels)
{
        struct mu_text text;
        size_t bytes;

        mu_text_init(&text);
        for (size_t i = 0; labels && labels[i].name; i++) {
                MU_ASSERT(i < MU_LABELS_MAX);
                MU_ASSERT(is_name(labels[i].name, "") && strncmp(labels[i].name, "__", 2) != 0);
                MU_ASSERT(strcmp(labels[i].name, "le") != 0);
                for (size_t j = 0; j < i; j++)
                        MU_ASSERT(strcmp(labels[i].name, labels[j].name) != 0);

                mu_text_add_format(&text, "%s%s=\"", i > 0 ? "," : "", labels[i].name);
                for (const char *at = labels[i].value; *at != '\0'; at++) {
                        if (*at == '\n')
                                mu_text_add(&text, "\\n");
                        else if (*at == '"' || *at == '\\')
                                mu_text_add_format(&text, "\\%c", *at);
                        else
                                mu_text_add_bytes(&text, at, 1);
                }
                mu_text_add(&text, "\"");
        }
        int err = mu_text_take(&text, ret_labels, &bytes);
        if (err < 0)
                mu_text_done(&text);
        return err;
}

static struct mu_metrics_family *find_family(struct mu_metrics *metrics, const char *name,
                                             const char *help, enum mu_metrics_type type,
                                             const struct mu_bounds *bounds)
{
        struct mu_metrics_family **place = &metrics->families;

        for (; *place; place = &(*place)->next) {
                struct mu_metrics_family *family = *place;

                if (strcmp(family->name, name) != 0)
                        continue;
                MU_ASSERT(family->type == type && family->bounds == bounds);
                MU_ASSERT(strcmp(family->help, help) == 0);
                return family;
        }
        MU_ASSERT(is_name(name, ":"));
        *place = calloc(1, sizeof(**place));
        if (*place)
                **place = (struct mu_metrics_family){
                        .name = name, .help = help, .type = type, .bounds = bounds};
        return *place;
}

/* Takes labels in any case. */
static struct mu_metrics_series *find_series(struct mu_metrics_family *family, char *labels)
{
        struct mu_metrics_series **place = &family->series;

        for (; *place; place = &(*place)->next) {
                if (strcmp((*place)->labels, labels) == 0) {
                        free(labels);
                        return *place;
                }
        }
        *place = calloc(1, sizeof(**place));
        if (*place)
                (*place)->labels = labels;
        else
                free(labels);
        return *place;
}

static int add_source(struct mu_metrics *metrics, const struct mu_metrics_family *wanted,
                      const struct mu_label *labels, const struct mu_metrics_source *source)
{
        char *text;
        int err = labels_text(labels, &text);

        if (err < 0)
                return err;
        struct mu_metrics_family *family =
                find_family(metrics, wanted->name, wanted->help, wanted->type, wanted->bounds);
        if (!family) {
                free(text);
                return -ENOMEM;
        }
        struct mu_metrics_series *series = find_series(family, text);
        if (!series)
                return -ENOMEM;
        struct mu_metrics_source *copy = malloc(sizeof(*copy));
        if (!copy)
                return -ENOMEM;
        *copy = *source;
        copy->next = series->sources;
        series->sources = copy;
        return 0;
}

static void add(struct mu_metrics *metrics, const struct mu_metrics_family *wanted,
                const struct mu_label *labels, const struct mu_metrics_source *source)
{
        MU_ASSERT(source->cell || source->read || source->histogram);
        lock(metrics);
        int err = add_source(metrics, wanted, labels, source);
        if (metrics->error == 0)
                metrics->error = err;
        unlock(metrics);
}

void mu_metrics_counter_scaled(struct mu_metrics *metrics, const char *name, const char *help,
                               const struct mu_label *labels, const struct mu_cell *cell,
                               double scale)
{
        add(metrics,
            &(struct mu_metrics_family){.name = name, .help = help, .type = MU_METRICS_COUNTER},
            labels, &(struct mu_metrics_source){.cell = cell, .scale = scale});
}

void mu_metrics_counter(struct mu_metrics *metrics, const char *name, const char *help,
                        const struct mu_label *labels, const struct mu_cell *cell)
{
        mu_metrics_counter_scaled(metrics, name, help, labels, cell, 1.0);
}

void mu_metrics_gauge(struct mu_metrics *metrics, const char *name, const char *help,
                      const struct mu_label *labels, const struct mu_cell *cell)
{
        add(metrics,
            &(struct mu_metrics_family){.name = name, .help = help, .type = MU_METRICS_GAUGE},
            labels, &(struct mu_metrics_source){.cell = cell, .scale = 1.0});
}

void mu_metrics_counter_fn(struct mu_metrics *metrics, const char *name, const char *help,
                           const struct mu_label *labels, double (*read)(void *context),
                           void *context)
{
        add(metrics,
            &(struct mu_metrics_family){.name = name, .help = help, .type = MU_METRICS_COUNTER},
            labels, &(struct mu_metrics_source){.read = read, .context = context, .scale = 1.0});
}

void mu_metrics_gauge_fn(struct mu_metrics *metrics, const char *name, const char *help,
                         const struct mu_label *labels, double (*read)(void *context),
                         void *context)
{
        add(metrics,
            &(struct mu_metrics_family){.name = name, .help = help, .type = MU_METRICS_GAUGE},
            labels, &(struct mu_metrics_source){.read = read, .context = context, .scale = 1.0});
}

void mu_metrics_histogram(struct mu_metrics *metrics, const char *name, const char *help,
                          const struct mu_label *labels, const struct mu_histogram *histogram,
                          double scale, const struct mu_bounds *bounds)
{
        MU_ASSERT(scale > 0 && bounds);
        add(metrics,
            &(struct mu_metrics_family){
                    .name = name, .help = help, .type = MU_METRICS_HISTOGRAM, .bounds = bounds},
            labels, &(struct mu_metrics_source){.histogram = histogram, .scale = scale});
}

void mu_metrics_on_scrape(struct mu_metrics *metrics, void (*refresh)(void *context), void *context)
{
        struct mu_metrics_hook *hook = malloc(sizeof(*hook));

        lock(metrics);
        if (hook) {
                *hook = (struct mu_metrics_hook){
                        .next = metrics->hooks, .refresh = refresh, .context = context};
                metrics->hooks = hook;
        } else if (metrics->error == 0) {
                metrics->error = -ENOMEM;
        }
        unlock(metrics);
}
