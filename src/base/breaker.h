/* SPDX-License-Identifier: Apache-2.0 */
/*
 * breaker.h - circuit breaker around an outside service.
 *
 *            failures_max failures in a row
 *   CLOSED ----------------------------------> OPEN
 *     ^                                        |  ^
 *     | successes_to_close                     |  | a probe fails: open_ms doubles,
 *     | probes succeed           open_ms later v  | up to open_ms_max
 *     '--------------------------------- HALF_OPEN   (one probe at a time)
 *
 * Every allowed call is followed by exactly one success or failure. With several calls in flight, a
 * late result of one from before counts for nothing while OPEN, and as the probe's in HALF_OPEN.
 *
 * Units      ms on the injected monotonic clock.
 * Threads    One owner thread calls allow, success, failure, wait_ms (or several under the
 *            caller's lock). state and opened_count: any thread, for the metrics.
 * Errors     none.
 */
#ifndef MUSTER_BASE_BREAKER_H
#define MUSTER_BASE_BREAKER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "muster/compiler.h"

enum mu_breaker_state {
        MU_BREAKER_CLOSED = 0, /* the numbers stand in the metrics */
        MU_BREAKER_OPEN = 1,
        MU_BREAKER_HALF_OPEN = 2,
};

struct mu_breaker_options {
        uint32_t failures_max;       /* in a row; >= 1 */
        uint32_t successes_to_close; /* >= 1 */
        uint32_t open_ms;            /* >= 1 */
        uint32_t open_ms_max;        /* >= open_ms */
};

struct mu_breaker {
        struct mu_breaker_options options;
        const struct mu_clock *clock;
        uint64_t probe_at_ns; /* OPEN: when a probe is allowed */
        uint32_t open_ms;     /* the current, doubled one */
        uint32_t failures;
        uint32_t successes;
        bool probing;
        _Atomic uint32_t state;
        _Atomic uint64_t opened_count;
};

void mu_breaker_init(struct mu_breaker *breaker, const struct mu_breaker_options *options,
                     const struct mu_clock *clock);

/* May the service be called now? True lends the caller the duty of success or failure. */
MU_MUST_CHECK
bool mu_breaker_allow(struct mu_breaker *breaker);
void mu_breaker_success(struct mu_breaker *breaker);
void mu_breaker_failure(struct mu_breaker *breaker);
/* How long allow keeps saying no; 0 when it would say yes or a probe is under way. */
uint32_t mu_breaker_wait_ms(const struct mu_breaker *breaker);

enum mu_breaker_state mu_breaker_state(const struct mu_breaker *breaker);
const char *mu_breaker_state_name(enum mu_breaker_state state);
uint64_t mu_breaker_opened_count(const struct mu_breaker *breaker);

#endif
