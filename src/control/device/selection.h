/* SPDX-License-Identifier: Apache-2.0 */
/*
 * selection.h - the devices that an operator was shown, kept for 15 minutes, so that just those are
 * changed however the fleet changes meanwhile.
 *
 *   POST /admin/selections ─▶ id, count ─▶ bulk tags, bulk commands, bulk delete by that id
 *
 * Bulk statements take the members by a join, within the transaction that looked the selection up
 * (it is locked against removal until then):
 *
 *   ... FROM selection_devices m JOIN devices d ON d.id = m.device_id
 *   WHERE m.selection_id = $1 AND d.deleted_at IS NULL
 *
 * Members may have been deleted since; nobody but who made a selection may use it.
 *
 * Units      *_us: since the epoch. Threads: any, each with its own connection.
 * Errors     negative errno as in pg/error.h.
 */
#ifndef MUSTER_CONTROL_SELECTION_H
#define MUSTER_CONTROL_SELECTION_H

#include <stdbool.h>
#include <stdint.h>

#include "muster/compiler.h"

struct mu_ask;
struct mu_pg;

enum mu_selection_limits {
        MU_SELECTION_DEVICES_MAX = 100000,
        MU_SELECTION_TTL_S = 15 * 60,
        MU_SELECTION_CONFIRM_BYTES = 32,
};

struct mu_selection {
        int64_t id;
        int64_t created_at_us;
        int64_t expires_at_us;
        uint32_t device_count;
};

/* -ENOENT: there is none, or it is somebody else's; -ESTALE: it has expired. actor: as the audit
 * log names who asks. */
MU_MUST_CHECK
int mu_selection_find(struct mu_pg *pg, int64_t selection_id, const char *actor,
                      struct mu_selection *ret_selection);
/* The same for an endpoint; false: answered (404, 410, or the database's failure). */
MU_MUST_CHECK
bool mu_ask_selection(struct mu_ask *ask, int64_t selection_id, struct mu_selection *ret_selection);

/* What a person types to confirm: "DELETE 123". */
void mu_selection_confirm_text(uint32_t device_count, char text[MU_SELECTION_CONFIRM_BYTES]);

#endif
