/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wait.h - waiting for a condition no longer than until a moment, whatever happens to the date.
 *
 * Only bounds a wait: what the product does at which time is decided by its own clock (clock.h).
 *
 * Units      deadlines: ns of the system's monotonic clock.
 * Threads    as pthread_cond_t.
 * Ownership  the caller destroys the condition.
 */
#ifndef MUSTER_BASE_WAIT_H
#define MUSTER_BASE_WAIT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "muster/compiler.h"

/* A condition for the calls below; an ordinary one waits by the date. */
void mu_wait_init(pthread_cond_t *condition);

/* The moment so many ms from now. */
MU_MUST_CHECK
uint64_t mu_wait_deadline_ns(uint64_t wait_ms);

/* Waits with the mutex held. False once the deadline has passed; true says nothing: look again. */
bool mu_wait_until(pthread_cond_t *condition, pthread_mutex_t *mutex, uint64_t deadline_ns);

#endif
