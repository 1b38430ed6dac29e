/* SPDX-License-Identifier: Apache-2.0 */
/*
 * command.h - asking for commands, taking them back, confirming them: the operators' side of the
 * ledger.
 *
 * Units      *_s. Threads: a handler's worker.
 * Ownership  payload is borrowed.
 * Errors     a function that returns false has answered the call.
 */
#ifndef MUSTER_CONTROL_COMMAND_COMMAND_H
#define MUSTER_CONTROL_COMMAND_COMMAND_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/command/command_type.h"
#include "muster/compiler.h"

struct mu_ask;
struct mu_pg_result;

enum mu_command_ask_limits {
        MU_COMMAND_BULK_MAX = 10000, /* devices listed one by one */
        MU_COMMAND_CONFIRM_S = 300,
        MU_COMMAND_WAITING_MAX = 500, /* for one device, not received yet */
};

/* What is asked for, checked. */
struct mu_command_order {
        const struct mu_command_type *type;
        char *payload; /* the exact text; free() it */
        uint32_t ttl_s;
};

/* From a body with type, payload? and ttl_s?: is the type known, the payload as it takes it, and
 * may who asks have it? */
MU_MUST_CHECK
bool mu_command_order_read(struct mu_ask *ask, struct mu_command_order *ret_order);
void mu_command_order_done(struct mu_command_order *order);
/* For the audit log: type, ttl and, where it is not private, the payload; NULL: no memory. */
json_t *mu_command_order_json(const struct mu_command_order *order);

struct mu_command_targets {
        const int64_t *device_ids; /* or */
        size_t count;
        int64_t selection_id; /* 0: the listed ones */
        int64_t bulk_id;      /* 0: none */
};

struct mu_command_made {
        size_t count;    /* commands; the others were skipped: unknown, deleted, not able to */
        size_t withheld; /* of devices in quarantine: they wait until it is resolved */
        int64_t first_id;
};

/* Queues (or has confirmed) the order for all of them in one statement, and has it told after the
 * commit. */
MU_MUST_CHECK
bool mu_command_make(struct mu_ask *ask, const struct mu_command_order *order,
                     const struct mu_command_targets *targets, struct mu_command_made *ret_made);

/* Whether the device exists, its agent can do it and not too much waits for it; false: answered 404
 * or 409. */
MU_MUST_CHECK
bool mu_command_device_fits(struct mu_ask *ask, int64_t device_id,
                            const struct mu_command_type *type);

/* A command with the columns of command_view.h, its row locked; false: answered 404. */
MU_MUST_CHECK
bool mu_command_lock(struct mu_ask *ask, int64_t id, struct mu_pg_result **ret_row);
/* As it stands now, as the reply. */
void mu_command_reply(struct mu_ask *ask, int64_t id, int status);

#endif
