/* SPDX-License-Identifier: Apache-2.0 */
/*
 * port.h - a frontend's way into the journal, and the journal's way back to it.
 *
 *   frontend                                    journal thread
 *   reserve ─ fill ─ commit ──▶ byte ring ──▶ copied into the group being filled
 *        n-th commit = ticket n                 write → fdatasync
 *   poll ◀── resolved = n, eventfd once per group ◀── durable, or failed
 *
 * Tickets of one port resolve strictly in order, so a frontend keeps its waiting replies in a FIFO
 * and nothing is sent or allocated per record on the way back.
 *
 * Units      bytes; tickets count records from 1, never reused within a process.
 * Threads    reserve, commit, abandon, poll: the owning frontend. The mu_port_journal_* side: the
 *            journal thread. create and destroy run while neither is active.
 * Ordering   resolved is published with release after the verdict it carries; poll acquires it.
 * Ownership  The port owns ring and eventfd. A record is lent from reserve to commit.
 * Errors     A full ring is an answer (NULL), never logged here.
 */
#ifndef MUSTER_INGEST_PORT_H
#define MUSTER_INGEST_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include "muster/compiler.h"
#include "muster/record.h"

struct mu_port;

/* ring_bytes: power of two. 0, or -EINVAL / -ENOMEM / what eventfd gave. */
MU_MUST_CHECK
int mu_port_create(uint32_t ring_bytes, struct mu_port **ret_port);
void mu_port_destroy(struct mu_port *port); /* NULL is a no-op */

/* Room for a record of up to bytes (struct and strings), or NULL when the ring is full: shed. */
MU_MUST_CHECK
struct mu_record *mu_port_reserve(struct mu_port *port, uint32_t bytes);
/* Hands over the first mu_record_bytes() of what was reserved; the record's ticket. Wakes the
 * journal if it sleeps (one load when it does not). */
uint64_t mu_port_commit(struct mu_port *port);
void mu_port_abandon(struct mu_port *port);

/* Readable once something resolved since the last mu_port_poll that returned false. */
int mu_port_eventfd(const struct mu_port *port);

/* A run of tickets that resolved alike. */
struct mu_port_verdict {
        uint64_t first; /* inclusive */
        uint64_t last;  /* inclusive */
        bool durable;   /* false: not durable, answer 503; it may still replay later */
};

/* The next run that resolved, oldest first; false when there is none (the eventfd is then drained).
 */
MU_MUST_CHECK
bool mu_port_poll(struct mu_port *port, struct mu_port_verdict *ret_verdict);

/* Tickets given out, and resolved, so far. Any thread. */
uint64_t mu_port_committed(const struct mu_port *port);
uint64_t mu_port_resolved(const struct mu_port *port);

/* Records committed and not yet taken by the journal, in bytes of the ring. Any thread. */
uint64_t mu_port_used_bytes(const struct mu_port *port);
uint64_t mu_port_capacity_bytes(const struct mu_port *port);

#endif
