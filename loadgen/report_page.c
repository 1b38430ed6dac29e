/* SPDX-License-Identifier: Apache-2.0 */
#include "report_page.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "progress.h"
#include "report_svg.h"

const char mu_lg_page_head[] =
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
        "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
        "<meta name=\"color-scheme\" content=\"light dark\"><title>Muster load report</title>\n";

/* Name, number and bar: on a phone the bar goes below, so it comes last in the source. */
static void bar(struct mu_text *out, const char *name, const char *sub, const char *number,
                double share, const char *style_class)
{
        mu_text_add_format(out,
                           "<span>%s%s%s%s</span><span class=\"bar\"><i class=\"%s\" "
                           "style=\"width:%.2f%%\"></i></span><span class=\"num\">%s</span>\n",
                           name, sub[0] ? " <span class=\"sub\">" : "", sub,
                           sub[0] ? "</span>" : "", style_class, 100 * fmin(fmax(share, 0), 1),
                           number);
}

static const char *status_class(uint32_t status)
{
        if (status == 503 || status == 429)
                return "warn";
        return status < 300 ? "good" : "bad";
}

static const char *status_name(uint32_t status)
{
        switch (status) {
        case 200:
                return "OK";
        case 202:
                return "Accepted";
        case 400:
                return "Bad request";
        case 401:
                return "Unauthorized";
        case 404:
                return "Not found";
        case 410:
                return "Gone";
        case 413:
                return "Too large";
        case 415:
                return "Unsupported type";
        case 429:
                return "Too many";
        case 503:
                return "Shed";
        default:
                return "";
        }
}

void mu_lg_page_add_answers(struct mu_text *out, const struct mu_lg_outcome *outcome)
{
        const struct mu_lg_counters *counters = &outcome->stats.counters;
        double most = 1;
        char number[MU_LG_NUMBER_BYTES], name[32];

        for (uint32_t s = 0; s < MU_LG_STATUS_MAX; s++)
                most = fmax(most, (double)mu_lg_get(&counters->status[s]));
        for (uint32_t f = 0; f < MU_LG_FAILURES_COUNT; f++)
                most = fmax(most, (double)mu_lg_get(&counters->failures[f]));
        mu_text_add(out,
                    "<section class=\"card\"><h2>Answers by status</h2><div class=\"rows\">\n");
        for (uint32_t s = 0; s < MU_LG_STATUS_MAX; s++) {
                uint64_t count = mu_lg_get(&counters->status[s]);

                if (count == 0)
                        continue;
                snprintf(name, sizeof(name), "%u", s);
                bar(out, name, status_name(s), mu_lg_format_count(count, number),
                    (double)count / most, status_class(s));
        }
        for (uint32_t f = 0; f < MU_LG_FAILURES_COUNT; f++) {
                uint64_t count = mu_lg_get(&counters->failures[f]);

                if (count > 0)
                        bar(out, mu_lg_failure_name((enum mu_lg_failure)f), "no answer",
                            mu_lg_format_count(count, number), (double)count / most, "bad");
        }
        mu_text_add_format(out, "</div><p class=\"say\">%s connections opened",
                           mu_lg_format_count(mu_lg_get(&counters->connects), number));
        if (mu_lg_get(&counters->reconnects))
                mu_text_add_format(out, ", %s of them again",
                                   mu_lg_format_count(mu_lg_get(&counters->reconnects), number));
        if (mu_lg_get(&counters->resumed))
                mu_text_add_format(out, ", %s TLS sessions resumed",
                                   mu_lg_format_count(mu_lg_get(&counters->resumed), number));
        mu_text_add(out, ".</p></section>\n");
}

static void cpu_row(struct mu_text *out, const char *name, double cpu_s, double millions,
                    double most, const char *style_class)
{
        char number[64];

        snprintf(number, sizeof(number), "%.2f s", cpu_s / millions);
        bar(out, name, "", number, most > 0 ? cpu_s / most : 0, style_class);
}

void mu_lg_page_add_cpu(struct mu_text *out, const struct mu_lg_outcome *outcome)
{
        double millions = (double)mu_lg_outcome_good(outcome) / 1e6;
        double generator_s = (double)outcome->stats.cpu_ns / 1e9;
        const struct mu_lg_server_use *server = &outcome->server;
        bool has_server = server->reachable && server->after->has_cpu;
        double most = generator_s;

        if (millions <= 0)
                return;
        if (has_server)
                most = fmax(most, server->after->cpu_s);
        for (uint32_t i = 0; i < outcome->processes.count; i++)
                most = fmax(most, outcome->processes.processes[i].cpu_s);
        mu_text_add(out, "<section class=\"card\"><h2>CPU seconds per million heartbeats</h2>"
                         "<div class=\"rows\">\n");
        cpu_row(out, "generator", generator_s, millions, most, "good");
        if (has_server)
                cpu_row(out, "server", server->after->cpu_s, millions, most, "");
        for (uint32_t i = 0; i < outcome->processes.count; i++)
                if (outcome->processes.processes[i].known)
                        cpu_row(out, outcome->processes.processes[i].name,
                                outcome->processes.processes[i].cpu_s, millions, most, "warn");
        mu_text_add(out, "</div>");
        if (!has_server)
                mu_text_add(out,
                            "<p class=\"say\">The server's own figures were not reachable.</p>");
        mu_text_add(out, "</section>\n");
}

static void fact(struct mu_text *out, const char *name, uint64_t value, bool is_bad)
{
        char number[MU_LG_NUMBER_BYTES];

        mu_text_add_format(out, "<div><dt>%s</dt><dd%s>%s</dd></div>\n", name,
                           is_bad && value ? " class=\"bad\"" : "",
                           mu_lg_format_count(value, number));
}

void mu_lg_page_add_verify(struct mu_text *out, const struct mu_lg_outcome *outcome)
{
        const struct mu_lg_verify *verify = &outcome->verify;

        if (!verify->asked)
                return;
        mu_text_add(
                out,
                "<section class=\"card\"><h2>Acknowledged = stored?</h2><dl class=\"facts\">\n");
        fact(out, "acknowledged", verify->acknowledged_count, false);
        fact(out, "stored, of this run", verify->stored_count, false);
        fact(out, "lost: acknowledged, not stored", verify->missing_count, true);
        fact(out, "stored, answer never arrived", verify->unanswered_count, false);
        fact(out, "stored, never sent", verify->extra_count, true);
        fact(out, "stored more than once", verify->repeated_count, true);
        mu_text_add_format(out, "</dl><p class=\"say\">%s, %" PRIu64 " devices, ", verify->source,
                           verify->devices_count);
        if (verify->finished)
                mu_text_add_format(out, "complete %.1f s after the load ended.</p></section>\n",
                                   (double)verify->waited_ns / 1e9);
        else
                mu_text_add(out, "not finished: see the terminal.</p></section>\n");
}

/* muster_stage_seconds{stage="copy"} -> copy; without labels the metric's own name. */
static void stage_label(const struct mu_lg_stage *stage, char *label, size_t room)
{
        const char *from = stage->name;
        const char *brace = strchr(from, '{');
        size_t used = 0;

        if (strncmp(from, "muster_", 7) == 0)
                from += 7;
        for (; *from && *from != '{' && used + 1 < room; from++)
                label[used++] = *from == '_' ? ' ' : *from;
        label[used] = '\0';
        char *seconds = strstr(label, " seconds");
        if (seconds)
                *seconds = '\0';
        used = strlen(label);
        while (brace && (brace = strchr(brace, '"')) != NULL) {
                size_t bytes = strcspn(brace + 1, "\"");

                if (used + bytes + 2 >= room)
                        break;
                label[used++] = ' ';
                for (size_t i = 0; i < bytes; i++)
                        if (!strchr("<>&", brace[1 + i]))
                                label[used++] = brace[1 + i];
                label[used] = '\0';
                brace += bytes + 1;
                if (*brace == '"')
                        brace++;
        }
}

static void stage_row(struct mu_text *out, const struct mu_lg_stage *stage, double low, double high)
{
        char label[160], mean[MU_LG_SHORT_BYTES], p50[MU_LG_SHORT_BYTES], p99[MU_LG_SHORT_BYTES];
        char count[MU_LG_SHORT_BYTES];
        double from = fmax(mu_lg_stage_quantile_s(stage, 0.5), low);
        double to = fmax(mu_lg_stage_quantile_s(stage, 0.99), from);
        double span = log10(high / low);

        stage_label(stage, label, sizeof(label));
        mu_text_add_format(out,
                           "<span>%s</span><span class=\"bar\"><i "
                           "style=\"left:%.2f%%;width:%.2f%%\"></i></span>"
                           "<span class=\"num\">%s &ndash; %s <span class=\"sub\">mean %s &times; "
                           "%s</span></span>\n",
                           label, 100 * log10(from / low) / span, 100 * log10(to / from) / span,
                           mu_lg_short_ns(from * 1e9, p50), mu_lg_short_ns(to * 1e9, p99),
                           mu_lg_short_ns(stage->sum_s / stage->count * 1e9, mean),
                           mu_lg_short_count(stage->count, count));
}

void mu_lg_page_add_stages(struct mu_text *out, const struct mu_lg_outcome *outcome)
{
        const struct mu_lg_server_use *server = &outcome->server;
        double low = 1, high = 0;

        if (!server->reachable || server->after->stages_count == 0)
                return;
        for (uint32_t i = 0; i < server->after->stages_count; i++) {
                const struct mu_lg_stage *stage = &server->after->stages[i];

                low = fmin(low, fmax(mu_lg_stage_quantile_s(stage, 0.5), 1e-8));
                high = fmax(high, mu_lg_stage_quantile_s(stage, 0.99));
        }
        low = pow(10, floor(log10(low)));
        high = pow(10, ceil(log10(fmax(high, low * 10))));
        mu_text_add(out, "<section class=\"card\"><h2>Where the server spent the time</h2>"
                         "<div class=\"rows\">\n");
        for (uint32_t i = 0; i < server->after->stages_count; i++)
                stage_row(out, &server->after->stages[i], low, high);
        char a[MU_LG_SHORT_BYTES], b[MU_LG_SHORT_BYTES];

        mu_text_add_format(
                out,
                "</div><p class=\"say\">From the server's own histograms, this run's share. "
                "Each bar reaches from the median to the 99th percentile, on a "
                "logarithmic scale from %s to %s.</p></section>\n",
                mu_lg_short_ns(low * 1e9, a), mu_lg_short_ns(high * 1e9, b));
}

void mu_lg_page_add_malformed(struct mu_text *out, const struct mu_lg_outcome *outcome)
{
        const struct mu_lg_malformed_table *table = &outcome->stats.malformed;

        if (outcome->options->scenario != MU_LG_MALFORMED)
                return;
        mu_text_add(out, "<section class=\"card\"><h2>Bad input</h2><div class=\"scroll\"><table>"
                         "<tr><th>Kind</th><th>tried</th><th>wrong</th>");
        for (int a = 0; a < MU_LG_MALFORMED_ANSWERS; a++)
                mu_text_add_format(out, "<th>%s</th>",
                                   mu_lg_malformed_answer_name((enum mu_lg_malformed_answer)a));
        mu_text_add(out, "<th>status</th></tr>\n");
        for (uint32_t kind = 0; kind < mu_lg_malformed_kinds_count; kind++) {
                mu_text_add_format(out, "<tr%s><td>%s</td><td>%" PRIu64 "</td><td>%" PRIu64 "</td>",
                                   table->wrong[kind] ? " class=\"wrong\"" : "",
                                   mu_lg_malformed_kinds[kind].text, table->tried[kind],
                                   table->wrong[kind]);
                for (int a = 0; a < MU_LG_MALFORMED_ANSWERS; a++) {
                        if (table->answers[kind][a])
                                mu_text_add_format(out, "<td>%" PRIu64 "</td>",
                                                   table->answers[kind][a]);
                        else
                                mu_text_add(out, "<td></td>");
                }
                if (table->status_seen[kind])
                        mu_text_add_format(out, "<td>%d</td></tr>\n", table->status_seen[kind]);
                else
                        mu_text_add(out, "<td></td></tr>\n");
        }
        mu_text_add(out, "</table></div></section>\n");
}

void mu_lg_page_add_method(struct mu_text *out, const struct mu_lg_outcome *outcome)
{
        const struct mu_lg_options *options = outcome->options;
        const struct mu_histogram *lateness = outcome->stats.lateness;
        bool open_loop = mu_histogram_count(lateness) > 0;
        char a[MU_LG_SHORT_BYTES], b[MU_LG_SHORT_BYTES];

        mu_text_add(out, "<footer>\n");
        if (open_loop)
                mu_text_add_format(
                        out,
                        "<p>Open loop: every heartbeat has its moment, and latency counts "
                        "from it, whether or not a connection was free. The generator "
                        "itself noticed that moment %s late in the median, %s at the 99th "
                        "percentile.</p>\n",
                        mu_lg_short_ns((double)mu_histogram_percentile(lateness, 50), a),
                        mu_lg_short_ns((double)mu_histogram_percentile(lateness, 99), b));
        else
                mu_text_add(out,
                            "<p>Closed loop: each connection waits for its answer before it sends "
                            "again, so a slow server is sent less. Use --rate for an open "
                            "loop.</p>\n");
        mu_text_add_format(
                out,
                "<p>Percentiles from a histogram with 1/64-octave buckets, over time with "
                "1/16-octave ones, per %u s. muster-loadgen %s, %s, %" PRIu64
                " thread%s, seed %" PRIu64 ".</p></footer>\n",
                outcome->stats.series.period_s, MUSTER_VERSION, options->scenario_name,
                options->threads_count, options->threads_count == 1 ? "" : "s", options->seed);
}
