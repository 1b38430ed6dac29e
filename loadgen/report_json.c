/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report_json.c - everything measured, for programs. Times in ns unless named otherwise.
 */
#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "outcome.h"

static json_t *number(uint64_t value)
{
        return json_integer((json_int_t)value);
}

static json_t *counts_json(const struct mu_lg_counters *counters)
{
        json_t *root = json_object();
        json_t *failures = json_object();
        json_t *status = json_object();

#define X(name, text) json_object_set_new(root, #name, number(mu_lg_get(&counters->name)));
        MU_LG_COUNTER_MAP(X)
#undef X
        for (enum mu_lg_failure f = 0; f < MU_LG_FAILURES_COUNT; f++)
                json_object_set_new(failures, mu_lg_failure_name(f),
                                    number(mu_lg_get(&counters->failures[f])));
        for (uint32_t code = 0; code < MU_LG_STATUS_MAX; code++) {
                char name[16];

                if (mu_lg_get(&counters->status[code]) == 0)
                        continue;
                snprintf(name, sizeof(name), "%u", code);
                json_object_set_new(status, name, number(mu_lg_get(&counters->status[code])));
        }
        json_object_set_new(root, "failures", failures);
        json_object_set_new(root, "status", status);
        return root;
}

static json_t *histogram_json(const struct mu_histogram *histogram)
{
        static const double percents[] = {50, 75, 90, 95, 99, 99.9, 99.99, 99.999};
        json_t *root = json_object();
        json_t *percentiles = json_object();

        json_object_set_new(root, "count", number(mu_histogram_count(histogram)));
        json_object_set_new(root, "mean_ns", json_real(mu_histogram_mean(histogram)));
        json_object_set_new(root, "max_ns", number(mu_histogram_max(histogram)));
        for (size_t i = 0; i < MU_COUNT_OF(percents); i++) {
                char name[16];

                snprintf(name, sizeof(name), "p%g", percents[i]);
                json_object_set_new(percentiles, name,
                                    number(mu_histogram_percentile(histogram, percents[i])));
        }
        json_object_set_new(root, "percentiles_ns", percentiles);
        return root;
}

static json_t *series_json(const struct mu_lg_series *series)
{
        json_t *root = json_array();

        for (uint32_t i = 0; i < series->used_count; i++) {
                const struct mu_lg_slot *slot = &series->slots[i];

                json_array_append_new(
                        root, json_pack("{s:i,s:i,s:i,s:i,s:i,s:I,s:I}", "at_s",
                                        (int)(i * series->period_s), "sent", (int)slot->sent,
                                        "acknowledged", (int)slot->acknowledged, "shed",
                                        (int)slot->shed, "failed", (int)slot->failed, "p50_ns",
                                        (json_int_t)mu_lg_slot_percentile(slot, 50), "p99_ns",
                                        (json_int_t)mu_lg_slot_percentile(slot, 99)));
        }
        return root;
}

static json_t *verify_json(const struct mu_lg_verify *verify)
{
        json_t *root = json_object();
        json_t *examples = json_array();

        json_object_set_new(root, "finished", json_boolean(verify->finished));
        json_object_set_new(root, "source", json_string(verify->source));
        json_object_set_new(root, "devices", number(verify->devices_count));
        json_object_set_new(root, "acknowledged", number(verify->acknowledged_count));
        json_object_set_new(root, "stored", number(verify->stored_count));
        json_object_set_new(root, "lost", number(verify->missing_count));
        json_object_set_new(root, "extra", number(verify->extra_count));
        json_object_set_new(root, "repeated", number(verify->repeated_count));
        json_object_set_new(root, "unanswered_stored", number(verify->unanswered_count));
        json_object_set_new(root, "waited_ns", number(verify->waited_ns));
        for (uint32_t i = 0; i < verify->examples_count; i++) {
                char id[24];

                snprintf(id, sizeof(id), "%llu", (unsigned long long)verify->examples[i].device_id);
                json_array_append_new(examples, json_pack("{s:s,s:I}", "device_id", id, "bucket",
                                                          (json_int_t)verify->examples[i].bucket *
                                                                  MU_LG_BUCKET_S));
        }
        json_object_set_new(root, "lost_examples", examples);
        if (verify->error[0])
                json_object_set_new(root, "error", json_string(verify->error));
        return root;
}

static json_t *slo_json(const struct mu_lg_slo *slo)
{
        json_t *root = json_array();

        for (uint32_t i = 0; i < slo->count; i++) {
                const struct mu_lg_slo_term *term = &slo->terms[i];

                json_array_append_new(
                        root, json_pack("{s:s,s:o,s:b}", "term", term->text, "measured",
                                        term->known ? json_real(term->measured) : json_null(),
                                        "holds", (int)term->holds));
        }
        return root;
}

static json_t *cpu_json(const struct mu_lg_outcome *outcome)
{
        json_t *root = json_object();
        const struct mu_lg_server_use *server = &outcome->server;

        json_object_set_new(root, "generator", json_real((double)outcome->stats.cpu_ns / 1e9));
        if (server->reachable && server->after->has_cpu)
                json_object_set_new(root, "server", json_real(server->after->cpu_s));
        for (uint32_t i = 0; i < outcome->processes.count; i++)
                if (outcome->processes.processes[i].known)
                        json_object_set_new(root, outcome->processes.processes[i].name,
                                            json_real(outcome->processes.processes[i].cpu_s));
        return root;
}

static json_t *stages_json(const struct mu_lg_server_use *server)
{
        json_t *root = json_array();

        for (uint32_t i = 0; server->reachable && i < server->after->stages_count; i++) {
                const struct mu_lg_stage *stage = &server->after->stages[i];

                json_array_append_new(root,
                                      json_pack("{s:s,s:f,s:f,s:f,s:f}", "name", stage->name,
                                                "count", stage->count, "sum_s", stage->sum_s,
                                                "p50_s", mu_lg_stage_quantile_s(stage, 0.5),
                                                "p99_s", mu_lg_stage_quantile_s(stage, 0.99)));
        }
        return root;
}

static json_t *malformed_json(const struct mu_lg_malformed_table *table)
{
        json_t *root = json_array();

        for (uint32_t kind = 0; kind < mu_lg_malformed_kinds_count; kind++) {
                json_t *answers = json_object();

                for (int a = 0; a < MU_LG_MALFORMED_ANSWERS; a++)
                        if (table->answers[kind][a])
                                json_object_set_new(
                                        answers,
                                        mu_lg_malformed_answer_name((enum mu_lg_malformed_answer)a),
                                        number(table->answers[kind][a]));
                json_array_append_new(root,
                                      json_pack("{s:s,s:I,s:I,s:i,s:o}", "kind",
                                                mu_lg_malformed_kinds[kind].name, "tried",
                                                (json_int_t)table->tried[kind], "wrong",
                                                (json_int_t)table->wrong[kind], "status",
                                                table->status_seen[kind], "answers", answers));
        }
        return root;
}

static json_t *channels_json(const struct mu_lg_channel_counts *counts)
{
        json_t *root = json_object();

        json_object_set_new(root, "opened", number(counts->opened));
        json_object_set_new(root, "lost", number(counts->lost));
        json_object_set_new(root, "commands", number(counts->commands));
        json_object_set_new(root, "duplicates", number(counts->duplicates));
        json_object_set_new(root, "out_of_order", number(counts->out_of_order));
        json_object_set_new(root, "bad", number(counts->bad));
        json_object_set_new(root, "acknowledged", number(counts->acknowledged));
        json_object_set_new(root, "results", number(counts->results));
        json_object_set_new(root, "first_to_last_ns", number(counts->last_ns - counts->first_ns));
        return root;
}

int mu_lg_report_json(const struct mu_lg_outcome *outcome, const char *path)
{
        const struct mu_lg_options *options = outcome->options;
        json_t *root = json_object();

        json_object_set_new(root, "generator", json_string("muster-loadgen " MUSTER_VERSION));
        json_object_set_new(root, "scenario", json_string(options->scenario_name));
        json_object_set_new(root, "url", json_string(outcome->url));
        json_object_set_new(root, "started_at_ms", number(outcome->started_at_ms));
        json_object_set_new(root, "seconds", json_real(outcome->seconds));
        json_object_set_new(root, "devices", number(outcome->devices_count));
        json_object_set_new(root, "connections", number(outcome->connections_count));
        json_object_set_new(root, "threads", number(options->threads_count));
        json_object_set_new(root, "rate_asked", number(options->rate));
        json_object_set_new(root, "seed", json_integer((json_int_t)options->seed));
        json_object_set_new(root, "interrupted", json_boolean(outcome->interrupted));
        json_object_set_new(root, "acknowledged_per_s", json_real(outcome->acknowledged_per_s));
        json_object_set_new(root, "counts", counts_json(&outcome->stats.counters));
        json_object_set_new(root, "latency", histogram_json(outcome->stats.latency));
        json_object_set_new(root, "service", histogram_json(outcome->stats.service));
        json_object_set_new(root, "own_delay", histogram_json(outcome->stats.lateness));
        json_object_set_new(root, "period_s", number(outcome->stats.series.period_s));
        json_object_set_new(root, "series", series_json(&outcome->stats.series));
        json_object_set_new(root, "cpu_s", cpu_json(outcome));
        json_object_set_new(root, "stages", stages_json(&outcome->server));
        json_object_set_new(root, "slo", slo_json(&outcome->slo));
        if (outcome->channels.asked > 0)
                json_object_set_new(root, "channels", channels_json(&outcome->channels));
        if (outcome->verify.asked)
                json_object_set_new(root, "verify", verify_json(&outcome->verify));
        if (options->scenario == MU_LG_MALFORMED)
                json_object_set_new(root, "malformed", malformed_json(&outcome->stats.malformed));
        json_object_set_new(root, "verdict", json_integer(outcome->verdict));
        int r = strcmp(path, "-") == 0 ? json_dumpf(root, stdout, JSON_INDENT(2))
                                       : json_dump_file(root, path, JSON_INDENT(2));
        if (r == 0 && strcmp(path, "-") == 0)
                fputc('\n', stdout);
        json_decref(root);
        return r == 0 ? 0 : -EIO;
}
