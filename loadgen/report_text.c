/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report_text.c - the table at the end of a run.
 */
#include <inttypes.h>
#include <math.h>

#include "outcome.h"
#include "progress.h"

static void print_count(FILE *out, const char *label, uint64_t value, const char *note)
{
        char number[MU_LG_NUMBER_BYTES];

        fprintf(out, "  %-16s %14s  %s\n", label, mu_lg_format_count(value, number), note);
}

static void print_counts(const struct mu_lg_outcome *outcome, FILE *out)
{
        const struct mu_lg_counters *counters = &outcome->stats.counters;
        char note[64], number[MU_LG_NUMBER_BYTES];

        print_count(out, "offered", mu_lg_get(&counters->offered), "");
        print_count(out, "sent", mu_lg_get(&counters->sent), "");
        snprintf(note, sizeof(note), "%s/s",
                 mu_lg_format_count((uint64_t)outcome->acknowledged_per_s, number));
        print_count(out, "acknowledged", mu_lg_get(&counters->acknowledged), note);
        print_count(out, "duplicate", mu_lg_get(&counters->duplicate), "");
        print_count(out, "shed", mu_lg_get(&counters->shed), "");
        print_count(out, "refused", mu_lg_get(&counters->rejected), "");
        if (mu_lg_get(&counters->moved_aside))
                print_count(out, "moved aside", mu_lg_get(&counters->moved_aside), "");
        if (mu_lg_get(&counters->unexpected))
                print_count(out, "unexpected", mu_lg_get(&counters->unexpected),
                            "answers of no agreed status");
        if (mu_lg_get(&counters->invalid_fields))
                print_count(out, "invalid fields", mu_lg_get(&counters->invalid_fields),
                            "answers that name some");
        for (enum mu_lg_failure f = 0; f < MU_LG_FAILURES_COUNT; f++)
                if (mu_lg_get(&counters->failures[f]))
                        print_count(out, mu_lg_failure_name(f), mu_lg_get(&counters->failures[f]),
                                    mu_lg_failure_text(f));
        print_count(out, "connections", mu_lg_get(&counters->connects), "opened");
        if (mu_lg_get(&counters->reconnects))
                print_count(out, "reconnects", mu_lg_get(&counters->reconnects), "");
        if (mu_lg_get(&counters->resumed))
                print_count(out, "TLS resumed", mu_lg_get(&counters->resumed), "");
        if (mu_lg_get(&counters->retries))
                print_count(out, "repeated", mu_lg_get(&counters->retries),
                            "after an idle connection was closed under us");
}

static void print_histogram(FILE *out, const char *label, const struct mu_histogram *histogram)
{
        static const double percents[] = {50, 90, 99, 99.9, 99.99};
        char number[MU_LG_NUMBER_BYTES];

        if (mu_histogram_count(histogram) == 0)
                return;
        fprintf(out, "  %-10s", label);
        for (size_t i = 0; i < MU_COUNT_OF(percents); i++)
                fprintf(out, " %10s",
                        mu_lg_format_ns(mu_histogram_percentile(histogram, percents[i]), number));
        fprintf(out, " %10s\n", mu_lg_format_ns(mu_histogram_max(histogram), number));
}

static void print_latencies(const struct mu_lg_outcome *outcome, FILE *out)
{
        const struct mu_lg_options *options = outcome->options;
        bool closed = options->scenario == MU_LG_BACKLOG || options->scenario == MU_LG_MALFORMED ||
                      (options->scenario == MU_LG_FLOOD && options->rate == 0);

        fprintf(out, "\n  %-10s %10s %10s %10s %10s %10s %10s\n", "", "p50", "p90", "p99", "p99.9",
                "p99.99", "max");
        print_histogram(out, "latency", outcome->stats.latency);
        print_histogram(out, "service", outcome->stats.service);
        print_histogram(out, "own delay", outcome->stats.lateness);
        fprintf(out, "  %s\n",
                closed ? "Closed loop: each connection waits for its answer before it sends again."
                       : "Open loop: latency counts from the moment each heartbeat was due; own "
                         "delay is the\n  generator's.");
}

static void print_use(const struct mu_lg_outcome *outcome, FILE *out)
{
        double millions = (double)mu_lg_outcome_good(outcome) / 1e6;
        const struct mu_lg_server_use *server = &outcome->server;

        if (millions <= 0)
                return;
        fprintf(out, "\n  CPU seconds per million heartbeats\n  %-16s %14.2f\n", "generator",
                (double)outcome->stats.cpu_ns / 1e9 / millions);
        if (server->reachable && server->after->has_cpu)
                fprintf(out, "  %-16s %14.2f\n", "server", server->after->cpu_s / millions);
        for (uint32_t i = 0; i < outcome->processes.count; i++) {
                const struct mu_lg_process *process = &outcome->processes.processes[i];

                if (process->known)
                        fprintf(out, "  %-16s %14.2f\n", process->name, process->cpu_s / millions);
                else
                        fprintf(out, "  %-16s %14s  process %d is not there\n", process->name, "-",
                                process->pid);
        }
        if (!server->reachable && server->why[0])
                fprintf(out, "  no figures from the server: %s\n", server->why);
}

static void print_malformed(const struct mu_lg_outcome *outcome, FILE *out)
{
        const struct mu_lg_malformed_table *table = &outcome->stats.malformed;

        if (outcome->options->scenario != MU_LG_MALFORMED)
                return;
        fprintf(out, "\n  %-24s %7s %6s", "bad input", "tried", "wrong");
        for (int a = 0; a < MU_LG_MALFORMED_ANSWERS; a++)
                fprintf(out, " %6s", mu_lg_malformed_answer_name((enum mu_lg_malformed_answer)a));
        fprintf(out, "  status\n");
        for (uint32_t kind = 0; kind < mu_lg_malformed_kinds_count; kind++) {
                fprintf(out, "%s %-24s %7" PRIu64 " %6" PRIu64, table->wrong[kind] ? "!" : " ",
                        mu_lg_malformed_kinds[kind].name, table->tried[kind], table->wrong[kind]);
                for (int a = 0; a < MU_LG_MALFORMED_ANSWERS; a++) {
                        if (table->answers[kind][a])
                                fprintf(out, " %6" PRIu64, table->answers[kind][a]);
                        else
                                fprintf(out, " %6s", "");
                }
                if (table->status_seen[kind])
                        fprintf(out, "  %d", table->status_seen[kind]);
                if (table->wrong[kind] && mu_lg_malformed_kinds[kind].status)
                        fprintf(out, " (%d expected)", mu_lg_malformed_kinds[kind].status);
                fputc('\n', out);
        }
}

static void print_channels(const struct mu_lg_channel_counts *counts, FILE *out)
{
        char a[MU_LG_NUMBER_BYTES], b[MU_LG_NUMBER_BYTES], c[MU_LG_NUMBER_BYTES];

        if (counts->asked == 0)
                return;
        fprintf(out, "\n  %s channels: %s commands, %s results stored, first to last %.3f s\n",
                mu_lg_format_count(counts->opened, a), mu_lg_format_count(counts->commands, b),
                mu_lg_format_count(counts->results, c),
                (double)(counts->last_ns - counts->first_ns) / 1e9);
        fprintf(out, "  %s sent again, %s channels lost\n",
                mu_lg_format_count(counts->duplicates, a), mu_lg_format_count(counts->lost, b));
        if (counts->out_of_order)
                fprintf(out, "  ! %s commands out of order\n",
                        mu_lg_format_count(counts->out_of_order, a));
        if (counts->bad)
                fprintf(out, "  ! %s messages malformed or wrongly signed\n",
                        mu_lg_format_count(counts->bad, a));
}

static void print_verify(const struct mu_lg_outcome *outcome, FILE *out)
{
        const struct mu_lg_verify *verify = &outcome->verify;
        char a[MU_LG_NUMBER_BYTES], b[MU_LG_NUMBER_BYTES];

        if (!verify->asked)
                return;
        fprintf(out, "\n  Verified against %s\n", verify->source);
        if (!verify->finished) {
                fprintf(out, "  ! could not verify: %s\n", verify->error);
                return;
        }
        fprintf(out, "  %s acknowledged, %s of this run stored, after %.1f s\n",
                mu_lg_format_count(verify->acknowledged_count, a),
                mu_lg_format_count(verify->stored_count, b), (double)verify->waited_ns / 1e9);
        if (verify->unanswered_count)
                fprintf(out, "  %s stored though the answer never arrived (not an error)\n",
                        mu_lg_format_count(verify->unanswered_count, a));
        if (verify->extra_count)
                fprintf(out, "  ! %s stored that this run did not send\n",
                        mu_lg_format_count(verify->extra_count, a));
        if (verify->repeated_count)
                fprintf(out, "  ! %s stored more than once\n",
                        mu_lg_format_count(verify->repeated_count, a));
        if (verify->missing_count)
                fprintf(out, "  ! LOST: %s acknowledged and not stored\n",
                        mu_lg_format_count(verify->missing_count, a));
        else
                fprintf(out, "  nothing lost\n");
        for (uint32_t i = 0; i < verify->examples_count; i++)
                fprintf(out, "      device %" PRIu64 ", bucket %" PRIu64 "\n",
                        verify->examples[i].device_id,
                        (uint64_t)verify->examples[i].bucket * MU_LG_BUCKET_S);
}

static void print_value(const struct mu_lg_slo_term *term, char number[MU_LG_NUMBER_BYTES])
{
        if (!term->known)
                snprintf(number, MU_LG_NUMBER_BYTES, "not measured");
        else if (mu_lg_slo_is_time(term))
                mu_lg_format_ns((uint64_t)term->measured, number);
        else
                mu_lg_format_count((uint64_t)llround(term->measured), number);
}

static void print_slo(const struct mu_lg_outcome *outcome, FILE *out)
{
        char number[MU_LG_NUMBER_BYTES];

        if (outcome->slo.count == 0)
                return;
        fprintf(out, "\n  SLO\n");
        for (uint32_t i = 0; i < outcome->slo.count; i++) {
                const struct mu_lg_slo_term *term = &outcome->slo.terms[i];

                print_value(term, number);
                fprintf(out, "  %s %-22s %s\n", term->holds ? "ok  " : "FAIL", term->text, number);
        }
}

void mu_lg_report_text(const struct mu_lg_outcome *outcome, FILE *out)
{
        char number[MU_LG_NUMBER_BYTES];

        if (!outcome->options->quiet) {
                fprintf(out, "%s: %s devices, at most %u connections, %.1f s%s\n\n",
                        outcome->options->scenario_name,
                        mu_lg_format_count(outcome->devices_count, number),
                        outcome->connections_count, outcome->seconds,
                        outcome->interrupted ? ", interrupted" : "");
                print_counts(outcome, out);
                if (outcome->options->scenario != MU_LG_REGISTER) {
                        print_latencies(outcome, out);
                        print_use(outcome, out);
                }
                print_malformed(outcome, out);
                print_channels(&outcome->channels, out);
                print_verify(outcome, out);
        }
        print_slo(outcome, out);
        fflush(out);
}
