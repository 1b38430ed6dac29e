/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guard.h - what stands between a request and its handler.
 *
 *   address's limit ─▶ who is it, may they (guard_admit.c) ─▶ account's limit ─▶ handler ─▶ headers
 *
 * Limits concern /api and /admin, and nobody who brings a valid X-Admin-Key or device token. The
 * fields are those of draft-ietf-httpapi-ratelimit-headers-10.
 *
 * Threads    create, destroy: one. The rest: the call's worker.
 * Errors     create: negative errno. A step that returns false has answered the call.
 */
#ifndef MUSTER_CONTROL_GUARD_H
#define MUSTER_CONTROL_GUARD_H

#include <stdatomic.h>
#include <stdbool.h>

#include "control/endpoint.h"
#include "muster/compiler.h"

struct mu_rate_table;
struct mu_security_events;

struct mu_guard {
        struct mu_rate_table *addresses;
        struct mu_rate_table *accounts;
        struct mu_security_events *events;
        _Atomic uint64_t stragglers_ns; /* audit_chain.h: when they were last looked for */
        _Atomic bool chain_begun;       /* audit_chain.h: there was a link or an anchor */
        uint8_t reply_key[32];          /* idempotency.h: seals the replies that are kept */
};

MU_MUST_CHECK
int mu_guard_create(struct mu_control *control, struct mu_guard **ret_guard);
void mu_guard_destroy(struct mu_guard *guard); /* NULL is a no-op */

/* Who asks, into ask->who (and ask->device), and whether they may do this, and now. Borrows ask->pg
 * when that stands in the database. */
MU_MUST_CHECK
bool mu_guard_admit(struct mu_ask *ask);

/* The limit of an account that has not proved itself, such as the one whose password is to be
 * reset; the endpoint's group. account: any name, in lower case. */
MU_MUST_CHECK
bool mu_guard_limit_account(struct mu_ask *ask, const char *account);

/* guard_limit.c */
MU_MUST_CHECK
bool mu_guard_limit_address(struct mu_ask *ask);
MU_MUST_CHECK
bool mu_guard_limit_principal(struct mu_ask *ask);
/* RateLimit and RateLimit-Policy, from ask->limit. */
void mu_guard_limit_fields(struct mu_ask *ask);
/* "general", "reset", "bulk". */
const char *mu_guard_rule_name(uint32_t rule);

/* 401, 403 and 429 that a reply says, for the security log. */
void mu_guard_note_refusal(struct mu_ask *ask);

/* A connection in ask->pg; once. */
MU_MUST_CHECK
bool mu_guard_borrow(struct mu_ask *ask);
void mu_guard_give_back(struct mu_ask *ask);

#endif
