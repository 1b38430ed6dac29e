/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stats.h - what a worker counts and times, and the sum over all workers.
 *
 * Units      Histograms in ns. Series: one slot per period (1 s, doubled when a run outgrows
 *            MU_LG_SLOTS_MAX slots), its latencies in coarse buckets 1/16 of an octave wide.
 * Threads    Counters: written by one worker, read by any thread (relaxed atomics). Series and
 *            histograms: read by others only after the worker has ended.
 * Ownership  init/done.
 * Errors     -ENOMEM.
 */
#ifndef LOADGEN_STATS_H
#define LOADGEN_STATS_H

#include <stdatomic.h>
#include <stdint.h>

#include "malformed.h"
#include "muster/compiler.h"
#include "muster/histogram.h"

#define MU_LG_STATUS_MAX 600u
#define MU_LG_SLOTS_MAX 1800u
#define MU_LG_SLOT_SUBBUCKETS 16u
#define MU_LG_SLOT_OCTAVES 26u /* 1 us .. 67 s */
#define MU_LG_SLOT_BUCKETS (MU_LG_SLOT_SUBBUCKETS * MU_LG_SLOT_OCTAVES)

/* Why a request has no answer. name: JSON and metrics; text: for people. */
#define MU_LG_FAILURE_MAP(X)                                                                       \
        X(CONNECT, connect, "connection refused or failed")                                        \
        X(TLS, tls, "TLS handshake or record failed")                                              \
        X(TIMEOUT, timeout, "no complete answer in time")                                          \
        X(RESET, reset, "connection reset")                                                        \
        X(CLOSED, closed, "connection closed without a complete answer")                           \
        X(PROTOCOL, protocol, "answer is not HTTP/1.1 or not what was agreed")

enum mu_lg_failure {
#define X(id, name, text) MU_LG_FAILURE_##id,
        MU_LG_FAILURE_MAP(X)
#undef X
                MU_LG_FAILURES_COUNT
};

#define MU_LG_COUNTER_MAP(X)                                                                       \
        X(offered, "requests whose time came")                                                     \
        X(sent, "requests sent")                                                                   \
        X(answered, "complete answers")                                                            \
        X(acknowledged, "heartbeats acknowledged (202, or stored in a batch)")                     \
        X(duplicate, "heartbeats answered as duplicates")                                          \
        X(shed, "heartbeats shed (503, or shed in a batch)")                                       \
        X(rejected, "heartbeats refused (4xx, or rejected in a batch)")                            \
        X(unexpected, "answers of any other status")                                               \
        X(moved_aside, "backlog items moved aside")                                                \
        X(connects, "connections opened")                                                          \
        X(reconnects, "connections opened again")                                                  \
        X(resumed, "TLS sessions resumed")                                                         \
        X(retries, "requests repeated because an idle connection had been closed")                 \
        X(exhausted, "heartbeats not sent because the device's window was used up")                \
        X(invalid_fields, "answers that name invalid fields")                                      \
        X(devices_done, "devices that finished")

struct mu_lg_counters {
#define X(name, text) _Atomic uint64_t name;
        MU_LG_COUNTER_MAP(X)
#undef X
        _Atomic uint64_t failures[MU_LG_FAILURES_COUNT];
        _Atomic uint64_t status[MU_LG_STATUS_MAX];
};

struct mu_lg_slot {
        uint32_t sent;
        uint32_t acknowledged;
        uint32_t duplicate;
        uint32_t shed;
        uint32_t failed; /* failures and refusals */
        uint32_t latency[MU_LG_SLOT_BUCKETS];
};

struct mu_lg_series {
        struct mu_lg_slot *slots;
        uint32_t used_count;
        uint32_t period_s;
};

struct mu_lg_stats {
        struct mu_lg_counters counters;
        struct mu_histogram *latency;  /* from the intended time */
        struct mu_histogram *service;  /* from the sending */
        struct mu_histogram *lateness; /* of the generator itself */
        struct mu_lg_series series;
        struct mu_lg_malformed_table malformed;
        uint64_t cpu_ns;
        uint64_t start_ns;
        uint64_t end_ns;
};

/* Only the owning worker: no lock prefix needed. */
static inline void mu_lg_add(_Atomic uint64_t *counter, uint64_t amount)
{
        atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + amount,
                              memory_order_relaxed);
}

static inline uint64_t mu_lg_get(const _Atomic uint64_t *counter)
{
        return atomic_load_explicit(counter, memory_order_relaxed);
}

MU_MUST_CHECK
int mu_lg_stats_init(struct mu_lg_stats *stats);
void mu_lg_stats_done(struct mu_lg_stats *stats);

/* The slot of a moment since the start of the run. Never NULL. */
struct mu_lg_slot *mu_lg_series_slot(struct mu_lg_series *series, uint64_t since_start_ns);
void mu_lg_slot_latency(struct mu_lg_slot *slot, uint64_t latency_ns);
/* Percentile of a slot in ns (a bucket's upper end); 0 when the slot has no latencies. */
uint64_t mu_lg_slot_percentile(const struct mu_lg_slot *slot, double percent);

/* Adds a worker that has ended. */
void mu_lg_stats_merge(struct mu_lg_stats *into, struct mu_lg_stats *from);
uint64_t mu_lg_failures_total(const struct mu_lg_counters *counters);

const char *mu_lg_failure_name(enum mu_lg_failure failure);
const char *mu_lg_failure_text(enum mu_lg_failure failure);

#endif
