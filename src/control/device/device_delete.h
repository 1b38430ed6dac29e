/* SPDX-License-Identifier: Apache-2.0 */
/*
 * device_delete.h - a device goes for good (design §2 rule 8).
 *
 *   live ─▶ deleting: its requests get 503 ─▶ journal barrier ─▶ database: tombstone with the
 * journal's sequence, last status removed ─▶ deleted: 410 for ever, writers drop what is still on
 * its way
 *
 * The memory changes first, so that no record of the device can lie above the sequence that is
 * written down; 410 is given only after the database has it, since an agent stops for good on it.
 *
 * Threads    any. Errors: of pg/error.h or the barrier; the device is what it was before.
 */
#ifndef MUSTER_CONTROL_DEVICE_DELETE_H
#define MUSTER_CONTROL_DEVICE_DELETE_H

#include <stdint.h>

#include "muster/compiler.h"

struct mu_control;
struct mu_pg;

enum mu_delete_outcome {
        MU_DELETE_DONE, /* now or before */
        MU_DELETE_UNKNOWN,
        MU_DELETE_UNDER_WAY,    /* by another request */
        MU_DELETE_JOURNAL_BUSY, /* the journal does not move: nothing was changed */
};

MU_MUST_CHECK
int mu_device_delete(struct mu_control *control, struct mu_pg *pg, int64_t device_id,
                     const char *actor, const char *address, enum mu_delete_outcome *ret_outcome);
/* What a deleted device had sent goes too, in the background (jobs/purge.c). */
MU_MUST_CHECK
int mu_device_purge(struct mu_control *control, struct mu_pg *pg, int64_t device_id,
                    const char *actor, const char *address, enum mu_delete_outcome *ret_outcome);

#endif
