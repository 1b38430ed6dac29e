/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outcome.h - everything a run has shown, as the reports need it.
 */
#ifndef LOADGEN_OUTCOME_H
#define LOADGEN_OUTCOME_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "channels.h"
#include "metrics.h"
#include "options.h"
#include "slo.h"
#include "stats.h"
#include "verify.h"

enum mu_lg_exit {
        MU_LG_EXIT_OK = 0,
        MU_LG_EXIT_SLO = 1,
        MU_LG_EXIT_USAGE = 2,
        MU_LG_EXIT_LOST = 3,
        MU_LG_EXIT_RUN = 4,
        MU_LG_EXIT_UNVERIFIED = 5,
};

struct mu_lg_outcome {
        const struct mu_lg_options *options;
        const char *url;
        uint64_t started_at_ms;
        uint32_t devices_count;
        uint32_t connections_count;
        struct mu_lg_stats stats;
        double seconds;
        double acknowledged_per_s;
        struct mu_lg_slo slo;
        struct mu_lg_verify verify;
        struct mu_lg_server_use server;
        struct mu_lg_process_use processes;
        struct mu_lg_channel_counts channels;
        bool interrupted;
        enum mu_lg_exit verdict;
};

/* Latencies, counts and rate that an SLO term asks for; judged in place. */
void mu_lg_outcome_judge(struct mu_lg_outcome *outcome);
/* Heartbeats acknowledged, as new or as duplicates. */
uint64_t mu_lg_outcome_good(const struct mu_lg_outcome *outcome);

void mu_lg_report_text(const struct mu_lg_outcome *outcome, FILE *out);
/* "-" is standard output. Negative errno. */
MU_MUST_CHECK
int mu_lg_report_json(const struct mu_lg_outcome *outcome, const char *path);
MU_MUST_CHECK
int mu_lg_report_html(const struct mu_lg_outcome *outcome, const char *path);

#endif
