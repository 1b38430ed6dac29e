/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guard.h - what stands between a request and its handler (private to the engine, endpoint.c).
 *
 * Threads    the call's worker.
 * Errors     a step that returns false has answered the call.
 */
#ifndef MUSTER_CONTROL_GUARD_H
#define MUSTER_CONTROL_GUARD_H

#include <stdbool.h>

#include "muster/compiler.h"

struct mu_ask;

/* Who asks, into ask->who (and ask->device), and whether they may do this. Borrows ask->pg when
 * that stands in the database. */
MU_MUST_CHECK
bool mu_guard_admit(struct mu_ask *ask);

/* A connection in ask->pg; once. */
MU_MUST_CHECK
bool mu_guard_borrow(struct mu_ask *ask);
void mu_guard_give_back(struct mu_ask *ask);

#endif
