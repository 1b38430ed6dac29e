/* SPDX-License-Identifier: Apache-2.0 */
/*
 * command_book.h - the commands and nonces that the agent has seen: survives restarts, so that none
 * runs twice.
 *
 *   seen ─▶ RECEIVED ─▶ RUNNING ─▶ ANSWERED        (its result stands in the queue, or was taken)
 *               └─────────────────▶ DROPPED         (cancelled or expired on the appliance)
 *
 * After a restart: RECEIVED is run; RUNNING is what was cut off: the caller answers it as failed
 * (or as done where a new boot is the proof), but runs the core's own once more. ANSWERED and
 * DROPPED are forgotten 30 days after they were seen, nonces after twice the window; the payload
 * when the command is over. Times are the appliance's (clock_sync); what a clock was wrong about is
 * dated anew.
 *
 * Threads    the core's. Errors: negative errno, as store.h.
 */
#ifndef MUSTER_AGENT_CORE_COMMAND_BOOK_H
#define MUSTER_AGENT_CORE_COMMAND_BOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/store.h"
#include "muster/command.h"
#include "muster/compiler.h"

enum mu_agent_command_state {
        MU_AGENT_COMMAND_RECEIVED = 0,
        MU_AGENT_COMMAND_RUNNING = 1,
        MU_AGENT_COMMAND_ANSWERED = 2,
        MU_AGENT_COMMAND_DROPPED = 3,
};

enum mu_agent_command_book_limits {
        MU_AGENT_COMMAND_KEEP_S = 30 * 86400,
        MU_AGENT_COMMAND_KEEP_LEAST = 256, /* the last to come stay, whatever a clock says */
};

struct mu_agent_command {
        int64_t id;
        enum mu_agent_command_state state;
        char type[MU_COMMAND_TYPE_BYTES];
        char boot_id[65]; /* of when it began to run; "" before */
        char *payload;    /* as signed */
        size_t payload_bytes;
};

struct mu_agent_command_book;

MU_MUST_CHECK
int mu_agent_command_book_create(struct mu_agent_store *store,
                                 struct mu_agent_command_book **ret_book);
void mu_agent_command_book_destroy(struct mu_agent_command_book *book);

/* Both in one transaction, before anything is answered. 0: new, remembered; -EALREADY: the id is
 * known (its nonce is remembered) and *ret_state is where it stands; -EKEYREJECTED: the nonce was
 * seen before: a replay. */
MU_MUST_CHECK
int mu_agent_command_book_enter(struct mu_agent_command_book *book,
                                const struct mu_command_form *form, int64_t now_us,
                                enum mu_agent_command_state *ret_state);
/* boot_id NULL: stays. -ENOENT: the command is not known. */
MU_MUST_CHECK
int mu_agent_command_book_set(struct mu_agent_command_book *book, int64_t id,
                              enum mu_agent_command_state state, const char *boot_id);
/* The one with the smallest place of entry in this state: 0; -ENOENT. The caller's: _done. */
MU_MUST_CHECK
int mu_agent_command_book_next(struct mu_agent_command_book *book,
                               enum mu_agent_command_state state,
                               struct mu_agent_command *ret_command);
void mu_agent_command_done(struct mu_agent_command *command);
MU_MUST_CHECK
int mu_agent_command_book_forget(struct mu_agent_command_book *book, int64_t now_us);

#endif
