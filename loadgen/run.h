/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run.h - one load from start to end: workers started together, watched, and added up.
 *
 * Threads    execute blocks its caller, who shows progress; interrupt from a signal handler.
 * Ownership  *ret_stats is the caller's: mu_lg_stats_done.
 * Errors     negative errno with a sentence in error.
 */
#ifndef LOADGEN_RUN_H
#define LOADGEN_RUN_H

#include "muster/compiler.h"
#include "worker.h"

struct mu_lg_progress;

struct mu_lg_run_plan {
        const struct mu_lg_options *options;
        const struct mu_lg_scenario *scenario;
        struct mu_lg_fleet *fleet;
        const struct mu_lg_url *url;
        struct mu_lg_tls_context *tls;
        uint64_t duration_ns; /* 0: until the scenario has finished */
        uint32_t connections_count;
        uint32_t boot;
        const char *label; /* of the progress line; NULL: none */
        uint64_t expected; /* heartbeats or devices, for the progress line; 0 unknown */
};

MU_MUST_CHECK
int mu_lg_run_execute(const struct mu_lg_run_plan *plan, struct mu_lg_stats *ret_stats, char *error,
                      size_t error_bytes);

/* Async-signal-safe: the run under way ends early and is still reported; a second call ends the
 * process. */
void mu_lg_run_interrupt(void);
bool mu_lg_run_was_interrupted(void);

#endif
