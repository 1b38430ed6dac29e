/* SPDX-License-Identifier: Apache-2.0 */
/*
 * port_journal.h - the journal thread's side of a port (port.h).
 *
 * Threads    the journal thread, but for mu_port_attach: before either side is active.
 * Ordering   The journal says that it sleeps (seq_cst) and then looks at committed; a frontend
 *            commits (seq_cst) and then looks whether the journal sleeps: one of the two sees the
 *            other, so no wake-up is lost.
 */
#ifndef MUSTER_INGEST_PORT_JOURNAL_H
#define MUSTER_INGEST_PORT_JOURNAL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ingest/port.h"
#include "muster/compiler.h"

/* Shared by all ports of one journal. */
struct mu_port_waker {
        _Atomic uint32_t sleeping; /* 1: the next commit wakes the journal and clears it */
        void (*wake)(void *context);
        void *context;
};

void mu_port_attach(struct mu_port *port, struct mu_port_waker *waker);

/* The next record, without freeing it; NULL when there is none. unpeek puts the last one back;
 * release frees all that were peeked. */
MU_MUST_CHECK
const struct mu_record *mu_port_journal_peek(struct mu_port *port, uint32_t *ret_bytes);
void mu_port_journal_unpeek(struct mu_port *port);
void mu_port_journal_release(struct mu_port *port);

/* Ticket of the last record peeked and not put back. */
uint64_t mu_port_journal_taken(const struct mu_port *port);
/* Whether a commit happened that was not peeked; seq_cst, for the moment before sleeping. */
MU_MUST_CHECK
bool mu_port_journal_pending(const struct mu_port *port);

/* Whether a run can still fail: false while the frontend has not read enough of the earlier failed
 * runs. The journal then takes no more from this port, so that a verdict never has to wait. */
MU_MUST_CHECK
bool mu_port_journal_can_fail(const struct mu_port *port);

/* Resolves every ticket up to last, all alike, and signals the frontend's eventfd. */
void mu_port_journal_resolve(struct mu_port *port, uint64_t last, bool durable);

#endif
