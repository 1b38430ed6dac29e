/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metrics.h - what the server and other processes used during the run, by difference.
 *
 * The server's /metrics (Prometheus text) is read before and after; of its histograms
 * muster_*_seconds the difference is kept, and of process_cpu_seconds_total. Labels tell stages and
 * routes apart.
 *
 * Units      seconds as in the exposition, ns where the name says so.
 * Threads    the main one. Ownership: done frees.
 * Errors     A server without metrics is not an error: reachable stays false, why says it.
 */
#ifndef LOADGEN_METRICS_H
#define LOADGEN_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "muster/compiler.h"
#include "options.h"
#include "tls.h"
#include "url.h"

#define MU_LG_STAGES_MAX 48u
#define MU_LG_STAGE_BUCKETS 64u
#define MU_LG_PROCESSES_MAX 8u

/* One histogram with one set of labels. */
struct mu_lg_stage {
        char name[160]; /* metric and labels, without le */
        double count;
        double sum_s;
        uint32_t buckets_count;
        double upper_s[MU_LG_STAGE_BUCKETS];
        double cumulative[MU_LG_STAGE_BUCKETS];
};

struct mu_lg_snapshot {
        bool good;
        bool has_cpu;
        double cpu_s;
        double resident_bytes;
        uint32_t stages_count;
        struct mu_lg_stage stages[MU_LG_STAGES_MAX];
};

struct mu_lg_server_use {
        bool reachable;
        char why[160];
        struct mu_lg_snapshot *before;
        struct mu_lg_snapshot *after; /* after stop: the difference */
};

struct mu_lg_process {
        char name[32];
        int pid;
        double cpu_s;
        bool known;
};

struct mu_lg_process_use {
        uint32_t count;
        struct mu_lg_process processes[MU_LG_PROCESSES_MAX];
};

/* text needs a NUL at its end. Unknown lines are skipped, as the format asks. */
void mu_lg_metrics_parse(const char *text, struct mu_lg_snapshot *ret_snapshot);
/* Leaves in later what was added since earlier; stages that did not move are dropped. */
void mu_lg_metrics_subtract(struct mu_lg_snapshot *later, const struct mu_lg_snapshot *earlier);
/* Interpolated within a bucket, as Prometheus does. */
double mu_lg_stage_quantile_s(const struct mu_lg_stage *stage, double quantile);

void mu_lg_server_use_start(struct mu_lg_server_use *use, const struct mu_lg_options *options,
                            const struct mu_lg_url *url, struct mu_lg_tls_context *tls);
void mu_lg_server_use_stop(struct mu_lg_server_use *use, const struct mu_lg_options *options,
                           const struct mu_lg_url *url, struct mu_lg_tls_context *tls);
void mu_lg_server_use_done(struct mu_lg_server_use *use);

/* pids: "postgres=812,musterd=77"; each with all its descendants. -EINVAL with a sentence. */
MU_MUST_CHECK
int mu_lg_process_use_start(struct mu_lg_process_use *use, const char *pids, char *error,
                            size_t error_bytes);
void mu_lg_process_use_stop(struct mu_lg_process_use *use);

#endif
