/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_clock.h - the system's clock, set forward from outside: for test builds (MUSTER_FAILPOINTS).
 *
 * MUSTER_TEST_CLOCK names a file of three native 64-bit integers, mapped for the process's life:
 *   [0] ns to add to the monotonic time    [1] us to add to the real time
 *   [2] how often the alert thread has looked at it: what a test waits for after moving the others
 * A test moves them while the daemon runs; the first only ever grows.
 *
 * Threads: any. Errors: a file that is not there or too short ends the process with a sentence.
 */
#ifndef MUSTER_BASE_TEST_CLOCK_H
#define MUSTER_BASE_TEST_CLOCK_H

#include "base/clock.h"

/* The system's own where MUSTER_TEST_CLOCK is not set. Never NULL, lives for ever. */
const struct mu_clock *mu_test_clock(void);

/* The same with mu_clock_boottime() below. */
const struct mu_clock *mu_test_clock_boottime(void);

/* The alert thread's round is over. Any other clock: a no-op. */
void mu_test_clock_looked(const struct mu_clock *clock);

#endif
