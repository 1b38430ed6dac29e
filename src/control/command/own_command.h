/* SPDX-License-Identifier: Apache-2.0 */
/*
 * own_command.h - commands that the appliance asks for by itself: no operator, no HTTP.
 *
 *   queue (in the caller's transaction) ─▶ COMMIT ─▶ tell
 *
 * Units      as the ledger's. Threads: queue: the connection's; tell: any.
 * Ownership  Nothing is kept.
 * Errors     negative errno as in pg/error.h. -EBADMSG: no such type, or the payload is not what it
 *            takes; nothing was asked of the database.
 */
#ifndef MUSTER_CONTROL_COMMAND_OWN_COMMAND_H
#define MUSTER_CONTROL_COMMAND_OWN_COMMAND_H

#include <jansson.h>
#include <stdint.h>

#include "muster/compiler.h"

struct mu_dispatcher;
struct mu_pg;

struct mu_own_command {
        int64_t device_id;
        const char *type;       /* one that needs no confirmation and no declaring */
        const json_t *payload;  /* an object */
        const char *created_by; /* "alert:42": the audit log's actor too */
};

/* *ret_id 0: the device is gone, or too many commands wait for it. */
MU_MUST_CHECK
int mu_own_command_queue(struct mu_pg *pg, const struct mu_own_command *command, int64_t *ret_id);

/* After the commit: dispatcher, viewers and counters. dispatcher NULL is a no-op. */
void mu_own_command_tell(struct mu_dispatcher *dispatcher, int64_t device_id, int64_t id,
                         const char *type);

#endif
