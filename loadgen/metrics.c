/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "clock.h"
#include "muster/wire.h"

#define METRICS_TIMEOUT_NS (5 * MU_LG_NS_PER_S)

/* `name{labels} value`: the parts of one line, le taken out of the labels. */
struct line {
        char name[96];
        char labels[96];
        double le;
        bool has_le;
        double value;
};

static const char *copy_label(const char *at, struct line *line)
{
        const char *equals = strchr(at, '=');

        if (!equals || equals[1] != '"')
                return NULL;
        const char *end = equals + 2;

        while (*end && *end != '"')
                end += end[0] == '\\' && end[1] ? 2 : 1;
        if (*end != '"')
                return NULL;
        if (equals - at == 2 && strncmp(at, "le", 2) == 0) {
                line->has_le = true;
                line->le =
                        strncmp(equals + 2, "+Inf", 4) == 0 ? INFINITY : strtod(equals + 2, NULL);
        } else {
                size_t used = strlen(line->labels);
                size_t bytes = (size_t)(end + 1 - at);

                if (used + bytes + 2 > sizeof(line->labels))
                        return NULL;
                if (used)
                        line->labels[used++] = ',';
                memcpy(line->labels + used, at, bytes);
                line->labels[used + bytes] = '\0';
        }
        return end + 1;
}

static bool parse_line(const char *text, struct line *line)
{
        size_t name_bytes = strcspn(text, "{ \n");
        const char *at = text + name_bytes;
        char *end;

        *line = (struct line){0};
        if (name_bytes == 0 || name_bytes >= sizeof(line->name) || text[0] == '#')
                return false;
        memcpy(line->name, text, name_bytes);
        if (*at == '{') {
                at++;
                while (*at && *at != '}' && *at != '\n') {
                        at = copy_label(at, line);
                        if (!at)
                                return false;
                        if (*at == ',')
                                at++;
                }
                if (*at != '}')
                        return false;
                at++;
        }
        line->value = strtod(at, &end);
        return end != at && !isnan(line->value);
}

static bool cut_suffix(char *name, const char *suffix)
{
        size_t name_bytes = strlen(name), suffix_bytes = strlen(suffix);

        if (name_bytes <= suffix_bytes || strcmp(name + name_bytes - suffix_bytes, suffix) != 0)
                return false;
        name[name_bytes - suffix_bytes] = '\0';
        return true;
}

static struct mu_lg_stage *stage_of(struct mu_lg_snapshot *snapshot, const struct line *line)
{
        char name[sizeof(snapshot->stages[0].name)];

        if (line->labels[0])
                snprintf(name, sizeof(name), "%.60s{%.95s}", line->name, line->labels);
        else
                snprintf(name, sizeof(name), "%s", line->name);
        for (uint32_t i = 0; i < snapshot->stages_count; i++)
                if (strcmp(snapshot->stages[i].name, name) == 0)
                        return &snapshot->stages[i];
        if (snapshot->stages_count == MU_LG_STAGES_MAX)
                return NULL;
        struct mu_lg_stage *stage = &snapshot->stages[snapshot->stages_count++];

        snprintf(stage->name, sizeof(stage->name), "%s", name);
        return stage;
}

static void take_line(struct mu_lg_snapshot *snapshot, struct line *line)
{
        struct mu_lg_stage *stage;

        if (strcmp(line->name, "process_cpu_seconds_total") == 0) {
                snapshot->has_cpu = true;
                snapshot->cpu_s = line->value;
                return;
        }
        if (strcmp(line->name, "process_resident_memory_bytes") == 0)
                snapshot->resident_bytes = line->value;
        if (strncmp(line->name, "muster_", 7) != 0 || !strstr(line->name, "_seconds"))
                return;
        if (cut_suffix(line->name, "_bucket") && line->has_le) {
                stage = stage_of(snapshot, line);
                if (stage && stage->buckets_count < MU_LG_STAGE_BUCKETS) {
                        stage->upper_s[stage->buckets_count] = line->le;
                        stage->cumulative[stage->buckets_count++] = line->value;
                }
        } else if (cut_suffix(line->name, "_sum")) {
                stage = stage_of(snapshot, line);
                if (stage)
                        stage->sum_s = line->value;
        } else if (cut_suffix(line->name, "_count")) {
                stage = stage_of(snapshot, line);
                if (stage)
                        stage->count = line->value;
        }
}

void mu_lg_metrics_parse(const char *text, struct mu_lg_snapshot *ret_snapshot)
{
        memset(ret_snapshot, 0, sizeof(*ret_snapshot));
        while (*text) {
                size_t bytes = strcspn(text, "\n");
                struct line line;

                if (parse_line(text, &line))
                        take_line(ret_snapshot, &line);
                text += bytes + (text[bytes] == '\n');
        }
        ret_snapshot->good = true;
}

void mu_lg_metrics_subtract(struct mu_lg_snapshot *later, const struct mu_lg_snapshot *earlier)
{
        uint32_t kept = 0;

        later->cpu_s -= earlier->cpu_s;
        for (uint32_t i = 0; i < later->stages_count; i++) {
                struct mu_lg_stage stage = later->stages[i];

                for (uint32_t e = 0; e < earlier->stages_count; e++) {
                        const struct mu_lg_stage *old = &earlier->stages[e];

                        if (strcmp(old->name, stage.name) != 0)
                                continue;
                        stage.count -= old->count;
                        stage.sum_s -= old->sum_s;
                        if (old->buckets_count == stage.buckets_count)
                                for (uint32_t b = 0; b < stage.buckets_count; b++)
                                        stage.cumulative[b] -= old->cumulative[b];
                }
                if (stage.count > 0)
                        later->stages[kept++] = stage;
        }
        later->stages_count = kept;
}

double mu_lg_stage_quantile_s(const struct mu_lg_stage *stage, double quantile)
{
        double wanted = quantile * stage->count;
        double low_s = 0, low_count = 0;

        for (uint32_t b = 0; b < stage->buckets_count; b++) {
                double upper_s = stage->upper_s[b], count = stage->cumulative[b];

                if (count >= wanted && count > low_count) {
                        if (isinf(upper_s))
                                return low_s;
                        return low_s +
                               (upper_s - low_s) * (wanted - low_count) / (count - low_count);
                }
                low_s = upper_s;
                low_count = count;
        }
        return isinf(low_s) ? 0 : low_s;
}

/* One reading; NULL with use->why set when there is none. */
static struct mu_lg_snapshot *read_server(struct mu_lg_server_use *use,
                                          const struct mu_lg_options *options,
                                          const struct mu_lg_url *url,
                                          struct mu_lg_tls_context *tls)
{
        struct mu_lg_url other;
        struct mu_lg_client client;
        struct mu_lg_snapshot *snapshot = NULL;

        if (options->metrics_url) {
                if (strcmp(options->metrics_url, "none") == 0)
                        return NULL;
                if (mu_lg_url_parse(options->metrics_url, &other, use->why, sizeof(use->why)) < 0 ||
                    mu_lg_url_resolve(&other, use->why, sizeof(use->why)) < 0)
                        return NULL;
                url = &other;
                if (url->is_tls && !tls) {
                        snprintf(use->why, sizeof(use->why),
                                 "--metrics-url with https needs --url with https");
                        return NULL;
                }
        }
        mu_lg_client_init(&client, url, tls, METRICS_TIMEOUT_NS);
        if (mu_lg_client_request(&client, MU_PATH_METRICS, "", NULL, 0) < 0)
                snprintf(use->why, sizeof(use->why), "%.150s", client.error);
        else if (client.reply.status != 200 || !client.reply.body)
                snprintf(use->why, sizeof(use->why), "/metrics answered %d", client.reply.status);
        else if ((snapshot = malloc(sizeof(*snapshot))) != NULL)
                mu_lg_metrics_parse(client.reply.body, snapshot);
        mu_lg_client_done(&client);
        return snapshot;
}

void mu_lg_server_use_start(struct mu_lg_server_use *use, const struct mu_lg_options *options,
                            const struct mu_lg_url *url, struct mu_lg_tls_context *tls)
{
        *use = (struct mu_lg_server_use){0};
        use->before = read_server(use, options, url, tls);
}

void mu_lg_server_use_stop(struct mu_lg_server_use *use, const struct mu_lg_options *options,
                           const struct mu_lg_url *url, struct mu_lg_tls_context *tls)
{
        if (!use->before)
                return;
        use->after = read_server(use, options, url, tls);
        if (!use->after)
                return;
        mu_lg_metrics_subtract(use->after, use->before);
        use->reachable = true;
}

void mu_lg_server_use_done(struct mu_lg_server_use *use)
{
        free(use->before);
        free(use->after);
        *use = (struct mu_lg_server_use){0};
}
