/* SPDX-License-Identifier: Apache-2.0 */
/*
 * progress.h - what is shown while a run lasts: one line that is rewritten on a terminal, a line
 * every five seconds elsewhere. All of it on standard error.
 */
#ifndef LOADGEN_PROGRESS_H
#define LOADGEN_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct mu_lg_progress {
        const char *label;
        bool quiet;
        bool is_terminal;
        uint64_t start_ns;
        uint64_t end_ns; /* MU_LG_NEVER: unknown */
        uint64_t expected;
        uint64_t shown_ns;
        uint64_t shown_answered;
        bool shown;
};

struct mu_lg_progress_now {
        uint64_t answered;
        uint64_t acknowledged;
        uint64_t duplicate;
        uint64_t shed;
        uint64_t rejected;
        uint64_t failed;
        uint64_t latency_p99_ns;
};

void mu_lg_progress_init(struct mu_lg_progress *progress, const char *label, bool quiet);
void mu_lg_progress_show(struct mu_lg_progress *progress, const struct mu_lg_progress_now *now,
                         uint64_t now_ns);
void mu_lg_progress_end(struct mu_lg_progress *progress);

/* 1234567 -> 1,234,567 in buffer; returns it. */
#define MU_LG_NUMBER_BYTES 32
char *mu_lg_format_count(uint64_t value, char buffer[MU_LG_NUMBER_BYTES]);
/* 1234567 ns -> 1.23 ms. */
char *mu_lg_format_ns(uint64_t ns, char buffer[MU_LG_NUMBER_BYTES]);

#endif
