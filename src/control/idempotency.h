/* SPDX-License-Identifier: Apache-2.0 */
/*
 * idempotency.h - Idempotency-Key: an unsafe POST sent twice is carried out once.
 *
 *   BEGIN ─▶ lock on the key, not waiting ─▶ is its reply kept? ── no ─▶ handler ─▶ keep ─▶ COMMIT
 *               └ taken: 409                    ├ same body: that reply again, Idempotency-Replayed
 *                                               └ another body: 422
 *
 * A key belongs to who sent it, method and path. Only a success is kept, in the transaction that
 * made it: after a failure nothing has changed and the key is free. Kept for a day
 * (MU_IDEMPOTENCY_KEEP_S), then the job idempotency_keys takes it away.
 *
 * Replies may hold what is shown once (tokens), so each is sealed (seal.h), under a key derived
 * from hmac-master ("idempotency-reply") and bound to the key's own row. Who can read the database
 * but not the secrets learns nothing from them.
 *
 * Threads    the call's worker, in the transaction of ask->pg.
 * Errors     a step that returns false has answered the call; the caller rolls back.
 */
#ifndef MUSTER_CONTROL_IDEMPOTENCY_H
#define MUSTER_CONTROL_IDEMPOTENCY_H

#include <stdbool.h>
#include <stdint.h>

#include "muster/compiler.h"

struct mu_ask;
struct mu_pg;

enum mu_idempotency_limits {
        MU_IDEMPOTENCY_KEY_CHARS_MAX = 128,
        MU_IDEMPOTENCY_KEEP_S = 86400,
        MU_IDEMPOTENCY_PURGE_MAX = 5000,
};

struct mu_idempotency {
        bool wanted; /* the request brought a key, and its endpoint takes one */
        uint8_t scope_sha256[32];
        uint8_t body_sha256[32];
};

/* Reads the header. False: it is malformed (400). */
MU_MUST_CHECK
bool mu_idempotency_read(struct mu_ask *ask, struct mu_idempotency *ret_key);
/* True: go on. False: answered, also by the reply that was kept. Only when wanted. */
MU_MUST_CHECK
bool mu_idempotency_begin(struct mu_ask *ask, const struct mu_idempotency *key);
/* Keeps the reply that stands. 0, or a negative errno of pg/error.h. */
MU_MUST_CHECK
int mu_idempotency_keep(struct mu_ask *ask, const struct mu_idempotency *key);

/* Takes away what is older than a day, MU_IDEMPOTENCY_PURGE_MAX at most. */
MU_MUST_CHECK
int mu_idempotency_purge(struct mu_pg *pg, uint64_t *ret_removed);

#endif
