/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench.h - the microbenchmarks: one row each, ours beside what it is measured against.
 *
 * A case runs a number of operations; it is run MU_BENCH_ROUNDS times, taking turns with its
 * rivals, and the median of the CPU time per operation is shown, with the least and the most.
 *
 * Units      ns of CPU time (both threads' where there are two) per operation, unless a case says
 *            wall clock.
 * Threads    one, unless a case makes its own.
 */
#ifndef MUSTER_BENCH_BENCH_H
#define MUSTER_BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MU_BENCH_ROUNDS 7
#define MU_BENCH_CASES_MAX 8

struct mu_bench_case {
        const char *name;
        /* Does count operations. prepare and finish are not measured; either NULL. */
        void (*run)(void *state, uint64_t count);
        void *(*prepare)(void);
        void (*finish)(void *state);
};

struct mu_bench {
        const char *stage; /* "ring", "decode", ... */
        const char *operation;
        uint64_t count; /* operations a round */
        bool wall;      /* wall clock: what waits for a disk costs no CPU */
        struct mu_bench_case cases[MU_BENCH_CASES_MAX]; /* [0]: ours; ends with name NULL */
};

extern const struct mu_bench mu_bench_ring;
extern const struct mu_bench mu_bench_decode;
extern const struct mu_bench mu_bench_journal;
extern const struct mu_bench mu_bench_copy_row;
extern const struct mu_bench mu_bench_histogram;
extern const struct mu_bench mu_bench_lookup;
extern const struct mu_bench mu_bench_dedupe;

/* Keeps the compiler from seeing that a result is not used. */
static inline void mu_bench_use(uint64_t value)
{
        __asm__ volatile("" : : "r"(value) : "memory");
}

/* A heartbeat as the load generator sends it. */
extern const char mu_bench_heartbeat[];
size_t mu_bench_heartbeat_bytes(void);

/* Ends the program with a sentence: a benchmark that can't be set up measures nothing. */
_Noreturn void mu_bench_fail(const char *what, int error);

#endif
