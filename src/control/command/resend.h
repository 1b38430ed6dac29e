/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resend.h - which devices have to be looked at again, and when: a heap of moments.
 *
 * A device whose command was pushed and not acknowledged is looked at again after a wait that grows
 * with every try. Only the dispatcher's memory: after a restart the ledger says what is under way.
 *
 * Units      ms, monotonic. Threads: one. Ownership: init/done.
 * Errors     -ENOMEM from add: nothing was noted.
 */
#ifndef MUSTER_CONTROL_COMMAND_RESEND_H
#define MUSTER_CONTROL_COMMAND_RESEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "muster/compiler.h"

struct mu_resend_entry {
        uint64_t due_ms;
        uint32_t device_index;
};

struct mu_resend {
        struct mu_resend_entry *heap; /* [0]: the earliest */
        size_t count;
        size_t room;
};

void mu_resend_init(struct mu_resend *resend);
void mu_resend_done(struct mu_resend *resend);

MU_MUST_CHECK
int mu_resend_add(struct mu_resend *resend, uint64_t due_ms, uint32_t device_index);
/* Takes the earliest that is due by now_ms; false: none. */
MU_MUST_CHECK
bool mu_resend_take(struct mu_resend *resend, uint64_t now_ms, struct mu_resend_entry *ret_entry);
/* UINT64_MAX: nothing waits. */
uint64_t mu_resend_next_ms(const struct mu_resend *resend);

/* The wait after the attempt-th push (from 1): first_ms, doubled each time, doublings_max times at
 * most. */
uint64_t mu_resend_wait_ms(uint64_t first_ms, uint32_t attempt, uint32_t doublings_max);

#endif
