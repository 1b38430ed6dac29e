/* SPDX-License-Identifier: Apache-2.0 */
/*
 * advisory_lock.h - the register of advisory locks: every one the product takes stands here.
 *
 * Keys are (MU_LOCK_SPACE, id), so that they are told apart from other users of the database. The
 * space of single bigints belongs to Idempotency-Key (control/idempotency.c).
 *
 * Threads    as the connection.
 * Ownership  A session lock ends with release or with its connection. While one is held, the
 *            connection is not opened again by itself: statements fail with -ENOTCONN instead of
 *            running without the lock.
 * Errors     negative errno as in pg/error.h.
 */
#ifndef MUSTER_PG_ADVISORY_LOCK_H
#define MUSTER_PG_ADVISORY_LOCK_H

#include <stdbool.h>

#include "muster/compiler.h"

struct mu_pg;

#define MU_LOCK_SPACE 0x6d757374 /* "must" */

/* Ids are for ever: never reuse one. */
enum mu_lock {
        MU_LOCK_MIGRATE = 1,
        MU_LOCK_INSTANCE = 2, /* one musterd a database */
        MU_LOCK_PARTITION_MAKE = 3,
        MU_LOCK_JOB_PARTITIONS = 16,
        MU_LOCK_JOB_ENROLMENT_TOKENS = 17,
        MU_LOCK_JOB_PURGE = 18,
        MU_LOCK_JOB_SELECTIONS = 19,
        MU_LOCK_JOB_ACCOUNT_LEFTOVERS = 20,
        MU_LOCK_JOB_COMMANDS_EXPIRE = 24,
        MU_LOCK_JOB_COMMANDS_FORGET = 25,
        MU_LOCK_JOB_AUDIT_CHAIN = 32,
        MU_LOCK_JOB_IDEMPOTENCY = 33,
        MU_LOCK_JOB_SECURITY = 34,
        MU_LOCK_JOB_RUNS = 35,
        MU_LOCK_JOB_ALERTS_RETENTION = 36,
        MU_LOCK_JOB_ANALYZE = 37,
        MU_LOCK_JOB_RECONCILE = 38,
        MU_LOCK_JOB_ARCHIVE = 40,
        MU_LOCK_JOB_BACKUP = 48,
        MU_LOCK_JOB_BACKUP_CHECK = 49,
};

/* Session level. lock waits without limit; try answers at once. */
MU_MUST_CHECK
int mu_advisory_lock(struct mu_pg *pg, enum mu_lock lock);
MU_MUST_CHECK
int mu_advisory_lock_try(struct mu_pg *pg, enum mu_lock lock, bool *ret_taken);
/* Failing that, the connection is closed, which releases it too. */
void mu_advisory_lock_release(struct mu_pg *pg, enum mu_lock lock);

/* Until the end of the open transaction. */
MU_MUST_CHECK
int mu_advisory_lock_transaction(struct mu_pg *pg, enum mu_lock lock);

#endif
