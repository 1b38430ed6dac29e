/* SPDX-License-Identifier: Apache-2.0 */
/* The Prometheus text format, version 0.0.4. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/text.h"
#include "metrics/metrics.h"
#include "metrics/registry.h"

static const char *const type_names[] = {
        [MU_METRICS_COUNTER] = "counter",
        [MU_METRICS_GAUGE] = "gauge",
        [MU_METRICS_HISTOGRAM] = "histogram",
};

/* The shortest writing that reads back as the same number. */
static void add_number(struct mu_text *text, double value)
{
        char buffer[40];

        if (isnan(value)) {
                mu_text_add(text, "NaN");
                return;
        }
        if (isinf(value)) {
                mu_text_add(text, value > 0 ? "+Inf" : "-Inf");
                return;
        }
        for (int digits = 15; digits <= 17; digits++) {
                (void)snprintf(buffer, sizeof(buffer), "%.*g", digits, value);
                if (strtod(buffer, NULL) == value)
                        break;
        }
        mu_text_add(text, buffer);
}

static void add_head(struct mu_text *text, const struct mu_metrics_family *family)
{
        mu_text_add_format(text, "# HELP %s ", family->name);
        for (const char *at = family->help; *at != '\0'; at++) {
                if (*at == '\n')
                        mu_text_add(text, "\\n");
                else if (*at == '\\')
                        mu_text_add(text, "\\\\");
                else
                        mu_text_add_bytes(text, at, 1);
        }
        mu_text_add_format(text, "\n# TYPE %s %s\n", family->name, type_names[family->type]);
}

static void add_sample_name(struct mu_text *text, const struct mu_metrics_family *family,
                            const char *suffix, const struct mu_metrics_series *series)
{
        mu_text_add_format(text, "%s%s", family->name, suffix);
        if (*series->labels != '\0')
                mu_text_add_format(text, "{%s}", series->labels);
        mu_text_add(text, " ");
}

static void add_value(struct mu_text *text, const struct mu_metrics_family *family,
                      const struct mu_metrics_series *series)
{
        double sum = 0;
        uint64_t exact = 0; /* cells that are not scaled are summed as integers */

        for (const struct mu_metrics_source *source = series->sources; source;
             source = source->next) {
                if (source->read)
                        sum += source->read(source->context);
                else if (source->scale == 1.0)
                        exact += mu_cell_get(source->cell);
                else
                        sum += (double)mu_cell_get(source->cell) * source->scale;
        }
        add_sample_name(text, family, "", series);
        if (sum == 0)
                mu_text_add_format(text, "%" PRIu64, exact);
        else
                add_number(text, sum + (double)exact);
        mu_text_add(text, "\n");
}

static void add_bucket(struct mu_text *text, const struct mu_metrics_family *family,
                       const struct mu_metrics_series *series, double bound, uint64_t count)
{
        mu_text_add_format(text, "%s_bucket{%s%sle=\"", family->name, series->labels,
                           *series->labels != '\0' ? "," : "");
        add_number(text, bound);
        mu_text_add_format(text, "\"} %" PRIu64 "\n", count);
}

static void add_histogram(struct mu_text *text, const struct mu_metrics_family *family,
                          const struct mu_metrics_series *series, struct mu_histogram *scratch)
{
        double scale = series->sources->scale;

        mu_histogram_reset(scratch);
        for (const struct mu_metrics_source *source = series->sources; source;
             source = source->next) {
                MU_ASSERT(source->scale == scale);
                mu_histogram_merge(scratch, source->histogram);
        }
        for (size_t i = 0; i < family->bounds->count; i++) {
                double bound = family->bounds->values[i];
                /* Rounded: 0.001 / 1e-9 may come out a hair below a million. */
                uint64_t value = (uint64_t)(bound / scale + 0.5);

                add_bucket(text, family, series, bound, mu_histogram_count_at_most(scratch, value));
        }
        add_bucket(text, family, series, INFINITY, mu_histogram_count(scratch));
        add_sample_name(text, family, "_sum", series);
        add_number(text, (double)mu_histogram_sum(scratch) * scale);
        mu_text_add(text, "\n");
        add_sample_name(text, family, "_count", series);
        mu_text_add_format(text, "%" PRIu64 "\n", mu_histogram_count(scratch));
}

static void add_family(struct mu_text *text, const struct mu_metrics_family *family,
                       struct mu_histogram *scratch)
{
        add_head(text, family);
        for (const struct mu_metrics_series *series = family->series; series;
             series = series->next) {
                if (!series->sources) /* its first registration ran out of memory */
                        continue;
                if (family->type == MU_METRICS_HISTOGRAM)
                        add_histogram(text, family, series, scratch);
                else
                        add_value(text, family, series);
        }
}

int mu_metrics_render(struct mu_metrics *metrics, char **ret_text, size_t *ret_bytes)
{
        struct mu_text text;

        mu_text_init(&text);
        MU_ASSERT(pthread_mutex_lock(&metrics->lock) == 0);
        for (const struct mu_metrics_hook *hook = metrics->hooks; hook; hook = hook->next)
                hook->refresh(hook->context);
        for (const struct mu_metrics_family *family = metrics->families; family;
             family = family->next)
                add_family(&text, family, metrics->scratch);
        MU_ASSERT(pthread_mutex_unlock(&metrics->lock) == 0);

        int err = mu_text_take(&text, ret_text, ret_bytes);
        if (err < 0)
                mu_text_done(&text);
        return err;
}
