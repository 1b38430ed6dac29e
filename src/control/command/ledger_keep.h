/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ledger_keep.h - the ledger's upkeep: what expires, what goes with its device, what is old.
 *
 * Units      *_us: since the epoch. Threads: the connection's.
 * Errors     negative errno as in pg/error.h; on error nothing was changed.
 */
#ifndef MUSTER_CONTROL_COMMAND_LEDGER_KEEP_H
#define MUSTER_CONTROL_COMMAND_LEDGER_KEEP_H

#include <stddef.h>
#include <stdint.h>

#include "muster/compiler.h"

struct mu_command_news;
struct mu_pg;

struct mu_ledger_expired {
        size_t count;                 /* commands */
        struct mu_command_news *news; /* of each; command_news.h */
};

/* Ends up to count_max commands whose time is over. As many as count_max: there may be more. */
MU_MUST_CHECK
int mu_ledger_expire(struct mu_pg *pg, size_t count_max, struct mu_ledger_expired *ret_expired);
void mu_ledger_expired_done(struct mu_ledger_expired *expired);

/* Everything of these devices that is not received yet is cancelled: they were deleted. In the
 * caller's transaction. */
MU_MUST_CHECK
int mu_ledger_cancel_devices(struct mu_pg *pg, const int64_t *device_ids, size_t count,
                             uint64_t *ret_cancelled);

/* Finished commands older than before_us go, with their attempts; up to count_max. */
MU_MUST_CHECK
int mu_ledger_forget(struct mu_pg *pg, int64_t before_us, size_t count_max, uint64_t *ret_removed);

#endif
