/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report_html.c - the report as one page: no scripts, no network, light and dark, wide and narrow.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/fs.h"
#include "base/text.h"
#include "outcome.h"
#include "progress.h"
#include "report_page.h"
#include "report_svg.h"

#define PERCENTILE_POINTS_MAX 4096u

static void add_escaped(struct mu_text *out, const char *text)
{
        for (; *text; text++) {
                switch (*text) {
                case '<':
                        mu_text_add(out, "&lt;");
                        break;
                case '>':
                        mu_text_add(out, "&gt;");
                        break;
                case '&':
                        mu_text_add(out, "&amp;");
                        break;
                case '"':
                        mu_text_add(out, "&quot;");
                        break;
                default:
                        mu_text_add_bytes(out, text, 1);
                        break;
                }
        }
}

static const char *verdict_text(enum mu_lg_exit verdict)
{
        switch (verdict) {
        case MU_LG_EXIT_OK:
                return "Passed";
        case MU_LG_EXIT_LOST:
                return "Data lost";
        case MU_LG_EXIT_UNVERIFIED:
                return "Not verified";
        case MU_LG_EXIT_SLO:
                return "Failed";
        case MU_LG_EXIT_USAGE:
        case MU_LG_EXIT_RUN:
                break;
        }
        return "No answers";
}

static void add_header(struct mu_text *out, const struct mu_lg_outcome *outcome)
{
        const struct mu_lg_options *options = outcome->options;
        time_t started = (time_t)(outcome->started_at_ms / 1000);
        char date[64], number[MU_LG_NUMBER_BYTES];
        struct tm parts;

        gmtime_r(&started, &parts);
        strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S UTC", &parts);
        mu_text_add(out, "<header><div><p class=\"eyebrow\">Muster load report</p><h1>");
        if (options->title)
                add_escaped(out, options->title);
        else
                mu_text_add_format(out, "%c%s", options->scenario_name[0] - 32,
                                   options->scenario_name + 1);
        mu_text_add_format(out, "</h1><p class=\"meta\">%s devices &middot; ",
                           mu_lg_format_count(outcome->devices_count, number));
        mu_text_add_format(out, "%s connections at most &middot; %.1f s &middot; ",
                           mu_lg_format_count(outcome->connections_count, number),
                           outcome->seconds);
        if (options->rate)
                mu_text_add_format(out, "%s/s asked &middot; ",
                                   mu_lg_format_count(options->rate, number));
        add_escaped(out, outcome->url);
        mu_text_add_format(
                out, " &middot; %s%s</p></div><span class=\"verdict %s\">%s</span></header>\n",
                date, outcome->interrupted ? " &middot; interrupted" : "",
                outcome->verdict == MU_LG_EXIT_OK ? "good" : "bad", verdict_text(outcome->verdict));
}

static void add_tile(struct mu_text *out, const char *label, const char *value, const char *note,
                     const char *style_class)
{
        mu_text_add_format(out,
                           "<div class=\"tile %s\"><span class=\"label\">%s</span>"
                           "<span class=\"value\">%s</span><span class=\"note\">%s</span></div>\n",
                           style_class, label, value, note);
}

static void add_tiles(struct mu_text *out, const struct mu_lg_outcome *outcome)
{
        const struct mu_lg_counters *counters = &outcome->stats.counters;
        const struct mu_histogram *latency = outcome->stats.latency;
        uint64_t shed = mu_lg_get(&counters->shed),
                 failed = mu_lg_failures_total(counters) + mu_lg_get(&counters->unexpected);
        char value[64], note[96], number[MU_LG_NUMBER_BYTES];

        mu_text_add(out, "<section class=\"tiles\">\n");
        snprintf(value, sizeof(value), "%s<small>/s</small>",
                 mu_lg_format_count((uint64_t)outcome->acknowledged_per_s, number));
        snprintf(note, sizeof(note), "%s acknowledged",
                 mu_lg_format_count(mu_lg_get(&counters->acknowledged), number));
        add_tile(out, "Rate", value, note, "lead");
        snprintf(note, sizeof(note), "median %s",
                 mu_lg_short_ns((double)mu_histogram_percentile(latency, 50), number));
        add_tile(out, "p99 latency",
                 mu_lg_short_ns((double)mu_histogram_percentile(latency, 99), value), note, "");
        snprintf(note, sizeof(note), "max %s",
                 mu_lg_short_ns((double)mu_histogram_max(latency), number));
        add_tile(out, "p99.9 latency",
                 mu_lg_short_ns((double)mu_histogram_percentile(latency, 99.9), value), note, "");
        snprintf(note, sizeof(note), "of %s offered",
                 mu_lg_format_count(mu_lg_get(&counters->offered), number));
        add_tile(out, "Shed", mu_lg_format_count(shed, value), note, shed ? "warn" : "");
        add_tile(out, "Errors", mu_lg_format_count(failed, value), "no or unagreed answer",
                 failed ? "bad" : "");
        if (outcome->verify.finished) {
                snprintf(note, sizeof(note), "of %s verified",
                         mu_lg_format_count(outcome->verify.acknowledged_count, number));
                add_tile(out, "Lost", mu_lg_format_count(outcome->verify.missing_count, value),
                         note, outcome->verify.missing_count ? "bad" : "good");
        } else {
                add_tile(out, "Lost", "&ndash;", "not verified", "");
        }
        mu_text_add(out, "</section>\n");
}

static void add_slo(struct mu_text *out, const struct mu_lg_slo *slo)
{
        char value[MU_LG_NUMBER_BYTES];

        if (slo->count == 0)
                return;
        mu_text_add(out, "<section class=\"card\"><h2>Objectives</h2><table class=\"slo\">"
                         "<tr><th>Term</th><th>Measured</th><th>Verdict</th></tr>\n");
        for (uint32_t i = 0; i < slo->count; i++) {
                const struct mu_lg_slo_term *term = &slo->terms[i];

                mu_text_add(out, "<tr><td><code>");
                add_escaped(out, term->text);
                if (!term->known)
                        snprintf(value, sizeof(value), "not measured");
                else if (mu_lg_slo_is_time(term))
                        mu_lg_short_ns(term->measured, value);
                else
                        mu_lg_format_count((uint64_t)llround(term->measured), value);
                mu_text_add_format(
                        out, "</code></td><td>%s</td><td><span class=\"%s\">%s</span></td></tr>\n",
                        value, term->holds ? "pill good" : "pill bad",
                        term->holds ? "holds" : "missed");
        }
        mu_text_add(out, "</table></section>\n");
}

static void legend(struct mu_text *out, const char *const (*entries)[2], uint32_t count)
{
        mu_text_add(out, "<p class=\"legend\">");
        for (uint32_t i = 0; i < count; i++)
                mu_text_add_format(out, "<span class=\"%s\">%s</span>", entries[i][0],
                                   entries[i][1]);
        mu_text_add(out, "</p>");
}

static uint32_t percentile_points(const struct mu_histogram *histogram, double x_max,
                                  struct mu_lg_point *points)
{
        struct mu_histogram_cursor cursor = {0};
        double total = (double)mu_histogram_count(histogram), seen = 0;
        double max = (double)mu_histogram_max(histogram);
        uint32_t count = 0;

        while (mu_histogram_next(histogram, &cursor) && count < PERCENTILE_POINTS_MAX - 2) {
                double value = fmin((double)cursor.highest, max);

                seen += (double)cursor.count;
                double x = seen < total ? log10(total / (total - seen)) : x_max;

                if (count == 0)
                        points[count++] = (struct mu_lg_point){0, (double)cursor.lowest};
                points[count++] = (struct mu_lg_point){fmin(x, x_max), value};
                if (x >= x_max)
                        break;
        }
        return count;
}

static void add_percentiles(struct mu_text *out, const struct mu_lg_outcome *outcome)
{
        static const char *const entries[][2] = {{"a", "latency, from the intended moment"},
                                                 {"b", "service time, from the sending"}};
        const struct mu_histogram *latency = outcome->stats.latency;
        const struct mu_histogram *service = outcome->stats.service;
        double total = (double)mu_histogram_count(latency);
        struct mu_lg_point *points = malloc(PERCENTILE_POINTS_MAX * sizeof(*points));

        if (total < 1 || !points) {
                free(points);
                return;
        }
        double x_max = fmin(fmax(log10(total), 2), 5);
        struct mu_lg_chart chart = {
                .out = out,
                .x_high = x_max,
                .y_low = fmax(fmin((double)mu_histogram_percentile(latency, 0.001),
                                   (double)mu_histogram_percentile(service, 0.001)),
                              1000),
                .y_high = (double)mu_histogram_max(latency),
                .y_log = true,
        };

        mu_text_add(out, "<section class=\"card\"><h2>Latency by percentile</h2>");
        mu_lg_chart_open(&chart, "Latency by percentile, both axes logarithmic");
        mu_lg_chart_y_axis(&chart, true);
        mu_lg_chart_x_percentiles(&chart);
        uint32_t count = percentile_points(service, x_max, points);
        mu_lg_chart_line(&chart, points, count, "b");
        count = percentile_points(latency, x_max, points);
        mu_lg_chart_area(&chart, points, count, "a");
        mu_lg_chart_line(&chart, points, count, "a");
        for (uint32_t step = 0; step < 40; step++) {
                double from = x_max * step / 40, to = x_max * (step + 1) / 40;
                double percent = 100 * (1 - pow(10, -to));
                char tooltip[96], a[MU_LG_SHORT_BYTES], b[MU_LG_SHORT_BYTES];

                snprintf(tooltip, sizeof(tooltip), "p%.6g: latency %s, service %s", percent,
                         mu_lg_short_ns((double)mu_histogram_percentile(latency, percent), a),
                         mu_lg_short_ns((double)mu_histogram_percentile(service, percent), b));
                mu_lg_chart_hover(&chart, from, to, tooltip);
        }
        mu_lg_chart_close(&chart);
        legend(out, entries, 2);
        mu_text_add(out, "</section>\n");
        free(points);
}

/* How much of a slot the run covered, in seconds; a last sliver is left out (0). */
static double slot_seconds(const struct mu_lg_outcome *outcome, uint32_t slot)
{
        const struct mu_lg_series *series = &outcome->stats.series;
        double covered = outcome->seconds - (double)slot * series->period_s;

        if (covered >= series->period_s)
                return series->period_s;
        return covered >= 0.2 * series->period_s || slot == 0 ? covered : 0;
}

static double slot_x(const struct mu_lg_outcome *outcome, uint32_t slot, double seconds)
{
        return (double)slot * outcome->stats.series.period_s + seconds / 2;
}

static void add_rates(struct mu_text *out, const struct mu_lg_outcome *outcome)
{
        static const char *const entries[][2] = {
                {"c", "acknowledged"}, {"d", "shed"}, {"e", "failed or refused"}};
        const struct mu_lg_series *series = &outcome->stats.series;
        struct mu_lg_point *good = calloc(series->used_count + 1, sizeof(*good));
        struct mu_lg_point *shed = calloc(series->used_count + 1, sizeof(*shed));
        struct mu_lg_point *failed = calloc(series->used_count + 1, sizeof(*failed));
        struct mu_lg_chart chart = {.out = out, .x_high = outcome->seconds};
        uint32_t count = 0;
        bool any_shed = false, any_failed = false;

        for (uint32_t i = 0; good && shed && failed && i < series->used_count; i++) {
                const struct mu_lg_slot *slot = &series->slots[i];
                double seconds = slot_seconds(outcome, i);

                if (seconds <= 0)
                        continue;
                double x = slot_x(outcome, i, seconds);

                good[count] = (struct mu_lg_point){
                        x, ((double)slot->acknowledged + slot->duplicate) / seconds};
                shed[count] = (struct mu_lg_point){x, slot->shed / seconds};
                failed[count] = (struct mu_lg_point){x, slot->failed / seconds};
                chart.y_high = fmax(chart.y_high,
                                    fmax(good[count].y, fmax(shed[count].y, failed[count].y)));
                any_shed = any_shed || slot->shed;
                any_failed = any_failed || slot->failed;
                count++;
        }
        if (count > 0) {
                mu_text_add(out, "<section class=\"card\"><h2>Answers per second</h2>");
                mu_lg_chart_open(&chart, "Answers per second over the run");
                mu_lg_chart_y_axis(&chart, false);
                mu_lg_chart_x_seconds(&chart);
                mu_lg_chart_area(&chart, good, count, "c");
                mu_lg_chart_line(&chart, good, count, "c");
                if (any_shed)
                        mu_lg_chart_line(&chart, shed, count, "d");
                if (any_failed)
                        mu_lg_chart_line(&chart, failed, count, "e");
                for (uint32_t i = 0; i < count; i++) {
                        char tooltip[128];
                        double half = series->period_s / 2.0;

                        snprintf(tooltip, sizeof(tooltip), "%.0f s: %.0f/s, %.0f shed, %.0f failed",
                                 floor(good[i].x), good[i].y, shed[i].y, failed[i].y);
                        mu_lg_chart_hover(&chart, good[i].x - half, good[i].x + half, tooltip);
                }
                mu_lg_chart_close(&chart);
                legend(out, entries, any_failed ? 3 : any_shed ? 2 : 1);
                mu_text_add(out, "</section>\n");
        }
        free(good);
        free(shed);
        free(failed);
}

static void add_latencies(struct mu_text *out, const struct mu_lg_outcome *outcome)
{
        static const char *const entries[][2] = {{"a", "p99"}, {"b", "p50"}};
        const struct mu_lg_series *series = &outcome->stats.series;
        struct mu_lg_point *p50 = calloc(series->used_count + 1, sizeof(*p50));
        struct mu_lg_point *p99 = calloc(series->used_count + 1, sizeof(*p99));
        struct mu_lg_chart chart = {
                .out = out, .x_high = outcome->seconds, .y_low = 1e12, .y_log = true};
        uint32_t count = 0;

        for (uint32_t i = 0; p50 && p99 && i < series->used_count; i++) {
                const struct mu_lg_slot *slot = &series->slots[i];
                double seconds = slot_seconds(outcome, i);
                double high = (double)mu_lg_slot_percentile(slot, 99);

                if (seconds <= 0 || high <= 0)
                        continue;
                p50[count] = (struct mu_lg_point){slot_x(outcome, i, seconds),
                                                  (double)mu_lg_slot_percentile(slot, 50)};
                p99[count] = (struct mu_lg_point){p50[count].x, high};
                chart.y_low = fmin(chart.y_low, p50[count].y);
                chart.y_high = fmax(chart.y_high, high);
                count++;
        }
        if (count > 0) {
                mu_text_add(out, "<section class=\"card\"><h2>Latency over time</h2>");
                mu_lg_chart_open(&chart, "Median and 99th percentile latency over the run");
                mu_lg_chart_y_axis(&chart, true);
                mu_lg_chart_x_seconds(&chart);
                mu_lg_chart_line(&chart, p99, count, "a");
                mu_lg_chart_line(&chart, p50, count, "b");
                for (uint32_t i = 0; i < count; i++) {
                        char tooltip[96], a[MU_LG_SHORT_BYTES], b[MU_LG_SHORT_BYTES];
                        double half = series->period_s / 2.0;

                        snprintf(tooltip, sizeof(tooltip), "%.0f s: p50 %s, p99 %s",
                                 floor(p50[i].x), mu_lg_short_ns(p50[i].y, a),
                                 mu_lg_short_ns(p99[i].y, b));
                        mu_lg_chart_hover(&chart, p50[i].x - half, p50[i].x + half, tooltip);
                }
                mu_lg_chart_close(&chart);
                legend(out, entries, 2);
                mu_text_add(out, "</section>\n");
        }
        free(p50);
        free(p99);
}

static int write_page(struct mu_text *out, const struct mu_lg_outcome *outcome, const char *path)
{
        mu_text_add(out, mu_lg_page_head);
        mu_text_add(out, "<style>\n");
        mu_text_add(out, mu_lg_report_css);
        mu_text_add(out, "</style></head><body><main>\n");
        add_header(out, outcome);
        add_tiles(out, outcome);
        add_slo(out, &outcome->slo);
        mu_text_add(out, "<div class=\"grid2\">\n");
        add_percentiles(out, outcome);
        add_latencies(out, outcome);
        add_rates(out, outcome);
        mu_text_add(out, "<div class=\"stack\">\n");
        mu_lg_page_add_answers(out, outcome);
        mu_lg_page_add_cpu(out, outcome);
        mu_text_add(out, "</div></div>\n");
        mu_lg_page_add_verify(out, outcome);
        mu_lg_page_add_stages(out, outcome);
        mu_lg_page_add_malformed(out, outcome);
        mu_lg_page_add_method(out, outcome);
        mu_text_add(out, "</main></body></html>\n");
        int r = mu_text_status(out);
        return r < 0 ? r : mu_fs_write_file(path, out->data, out->bytes, 0644);
}

int mu_lg_report_html(const struct mu_lg_outcome *outcome, const char *path)
{
        struct mu_text out;

        mu_text_init(&out);
        int r = write_page(&out, outcome, path);
        mu_text_done(&out);
        return r;
}
