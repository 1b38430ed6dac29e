/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bulk_delete.h - deletes the devices of a selection for good, all at once.
 *
 *   memory: deleting (503) ─▶ one journal barrier ─▶ bulk_deletions row, committed: it will happen
 *   ─▶ memory: deleted (410; writers drop) ─▶ chunks: tombstones, last status, commands ─▶ done, or
 *   purging (jobs/purge.c)
 *
 * The row is the point of no return. Whoever finds one unfinished (a kill, a database that went
 * away) takes a new barrier, since devices may have reported in between, and goes on at its cursor.
 *
 * Threads    any. Errors: of pg/error.h or the barrier; before the row every device is what it was,
 *            after it the job finishes what was begun.
 */
#ifndef MUSTER_CONTROL_BULK_DELETE_H
#define MUSTER_CONTROL_BULK_DELETE_H

#include <stdbool.h>
#include <stdint.h>

#include "muster/compiler.h"

struct mu_control;
struct mu_pg;
struct mu_selection;

struct mu_bulk_delete_ask {
        const struct mu_selection *selection;
        bool purge_history;
        const char *actor;
        const char *address;
};

enum mu_bulk_delete_outcome {
        MU_BULK_DELETE_DONE,         /* all of them, now or by an earlier request */
        MU_BULK_DELETE_STARTED,      /* it will be finished in the background */
        MU_BULK_DELETE_JOURNAL_BUSY, /* the journal does not move: nothing was changed */
};

/* pg is in the transaction that found the selection; it is committed or rolled back here. */
MU_MUST_CHECK
int mu_bulk_delete(struct mu_control *control, struct mu_pg *pg,
                   const struct mu_bulk_delete_ask *ask, enum mu_bulk_delete_outcome *ret_outcome,
                   int64_t *ret_deletion_id);

/* Finishes what was begun. *ret_devices: how many it deleted. */
MU_MUST_CHECK
int mu_bulk_delete_resume(struct mu_control *control, struct mu_pg *pg, uint64_t *ret_devices);

#endif
