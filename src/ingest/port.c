/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/port.h"

#include <errno.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/weaken.h"
#include "ingest/port_journal.h"
#include "muster/ring.h"

enum {
        FAILED_RUNS_MAX = 64, /* power of two */
        /* Runs that may fail between two looks at can_fail: a group in flight, one being filled,
         * records refused. */
        FAILED_RUNS_RESERVE = 4,
};

struct failed_run {
        uint64_t first;
        uint64_t last;
};

struct mu_port {
        /* Written once by create and attach. */
        struct mu_ring *ring;
        struct mu_port_waker *waker;
        int eventfd;

        /* The frontend's line. */
        alignas(MU_CACHELINE_BYTES) _Atomic uint64_t committed;
        struct mu_record *reserved;
        uint32_t reserved_bytes;
        uint64_t polled;        /* last ticket handed out by poll */
        uint64_t resolved_seen; /* what was resolved at the last look */
        _Atomic uint32_t failed_head;

        /* The journal's line. */
        alignas(MU_CACHELINE_BYTES) _Atomic uint64_t resolved;
        uint64_t taken;
        _Atomic uint32_t failed_tail;
        struct failed_run failed[FAILED_RUNS_MAX];

        /* Both: 1 from the journal's signal until the frontend has drained the eventfd. */
        alignas(MU_CACHELINE_BYTES) _Atomic uint32_t signalled;
};

int mu_port_create(uint32_t ring_bytes, struct mu_port **ret_port)
{
        MU_ASSERT(ret_port);
        struct mu_port *port = aligned_alloc(alignof(struct mu_port), sizeof(*port));

        if (!port)
                return -ENOMEM;
        *port = (struct mu_port){.eventfd = -1};

        int err = mu_ring_create(ring_bytes, &port->ring);

        if (err < 0)
                goto fail;
        port->eventfd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        if (port->eventfd < 0) {
                err = -errno;
                goto fail;
        }
        *ret_port = port;
        return 0;
fail:
        mu_port_destroy(port);
        return err;
}

void mu_port_destroy(struct mu_port *port)
{
        if (!port)
                return;
        if (port->eventfd >= 0)
                (void)close(port->eventfd);
        mu_ring_destroy(port->ring);
        free(port);
}

struct mu_record *mu_port_reserve(struct mu_port *port, uint32_t bytes)
{
        MU_ASSERT(bytes >= sizeof(struct mu_record) && bytes <= MU_RECORD_BYTES_MAX);
        port->reserved = mu_ring_reserve(port->ring, bytes);
        port->reserved_bytes = bytes;
        return port->reserved;
}

uint64_t mu_port_commit(struct mu_port *port)
{
        MU_ASSERT(port->reserved);
        uint32_t bytes = mu_record_bytes(port->reserved);
        uint64_t ticket = atomic_load_explicit(&port->committed, memory_order_relaxed) + 1;

        MU_ASSERT(bytes <= port->reserved_bytes);
        mu_ring_commit(port->ring, bytes);
        port->reserved = NULL;
        atomic_store_explicit(&port->committed, ticket, memory_order_seq_cst);

        struct mu_port_waker *waker = port->waker;

        if (waker && atomic_load_explicit(&waker->sleeping, memory_order_seq_cst) &&
            atomic_exchange_explicit(&waker->sleeping, 0, memory_order_seq_cst))
                waker->wake(waker->context);
        return ticket;
}

void mu_port_abandon(struct mu_port *port)
{
        MU_ASSERT(port->reserved);
        mu_ring_abandon(port->ring);
        port->reserved = NULL;
}

int mu_port_eventfd(const struct mu_port *port)
{
        return port->eventfd;
}

/* Empties the eventfd, then lets the journal signal again, then looks once more: what it resolved
 * before it could see the cleared flag is found here. */
static bool drained(struct mu_port *port)
{
        uint64_t count;

        /* An empty eventfd (-EAGAIN) is as good as a drained one. */
        (void)!read(port->eventfd, &count, sizeof(count));
        atomic_store_explicit(&port->signalled, 0, memory_order_seq_cst);
        port->resolved_seen = atomic_load_explicit(&port->resolved, memory_order_seq_cst);
        return port->resolved_seen == port->polled;
}

bool mu_port_poll(struct mu_port *port, struct mu_port_verdict *ret_verdict)
{
        if (port->polled == port->resolved_seen) {
                port->resolved_seen = atomic_load_explicit(&port->resolved, memory_order_acquire);
                if (port->polled == port->resolved_seen && drained(port))
                        return false;
        }
        uint32_t head = atomic_load_explicit(&port->failed_head, memory_order_relaxed);
        /* At least as new as resolved, which was loaded before it. */
        uint32_t tail = atomic_load_explicit(&port->failed_tail, memory_order_acquire);
        struct mu_port_verdict verdict = {
                .first = port->polled + 1, .last = port->resolved_seen, .durable = true};

        if (head != tail) {
                const struct failed_run *run = &port->failed[head % FAILED_RUNS_MAX];

                if (run->first == verdict.first) {
                        verdict.durable = false;
                        verdict.last = run->last;
                        /* Release: the run is read before the journal may overwrite it. */
                        atomic_store_explicit(&port->failed_head, head + 1, MU_ORDER(1, release));
                } else if (run->first <= verdict.last) {
                        verdict.last = run->first - 1;
                }
        }
        MU_ASSERT(verdict.first <= verdict.last && verdict.last <= port->resolved_seen);
        port->polled = verdict.last;
        *ret_verdict = verdict;
        return true;
}

uint64_t mu_port_committed(const struct mu_port *port)
{
        return atomic_load_explicit(&port->committed, memory_order_seq_cst);
}

uint64_t mu_port_resolved(const struct mu_port *port)
{
        return atomic_load_explicit(&port->resolved, memory_order_acquire);
}

uint64_t mu_port_used_bytes(const struct mu_port *port)
{
        return mu_ring_used_bytes(port->ring);
}

uint64_t mu_port_capacity_bytes(const struct mu_port *port)
{
        return mu_ring_capacity_bytes(port->ring);
}

void mu_port_attach(struct mu_port *port, struct mu_port_waker *waker)
{
        MU_ASSERT(!port->waker || port->waker == waker);
        port->waker = waker;
}

const struct mu_record *mu_port_journal_peek(struct mu_port *port, uint32_t *ret_bytes)
{
        size_t bytes;
        const struct mu_record *record = mu_ring_peek(port->ring, &bytes);

        if (!record)
                return NULL;
        port->taken++;
        *ret_bytes = (uint32_t)bytes;
        return record;
}

void mu_port_journal_unpeek(struct mu_port *port)
{
        mu_ring_unpeek(port->ring);
        port->taken--;
}

void mu_port_journal_release(struct mu_port *port)
{
        mu_ring_release(port->ring);
}

uint64_t mu_port_journal_taken(const struct mu_port *port)
{
        return port->taken;
}

bool mu_port_journal_pending(const struct mu_port *port)
{
        return atomic_load_explicit(&port->committed, memory_order_seq_cst) != port->taken;
}

bool mu_port_journal_can_fail(const struct mu_port *port)
{
        uint32_t head = atomic_load_explicit(&port->failed_head, MU_ORDER(2, acquire));
        uint32_t tail = atomic_load_explicit(&port->failed_tail, memory_order_relaxed);

        return tail - head + FAILED_RUNS_RESERVE <= FAILED_RUNS_MAX;
}

static void add_failed_run(struct mu_port *port, uint64_t first, uint64_t last)
{
        uint32_t head = atomic_load_explicit(&port->failed_head, memory_order_relaxed);
        uint32_t tail = atomic_load_explicit(&port->failed_tail, memory_order_relaxed);

        MU_ASSERT(tail - head < FAILED_RUNS_MAX);
        port->failed[tail % FAILED_RUNS_MAX] = (struct failed_run){first, last};
        atomic_store_explicit(&port->failed_tail, tail + 1, memory_order_release);
}

void mu_port_journal_resolve(struct mu_port *port, uint64_t last, bool durable)
{
        uint64_t resolved = atomic_load_explicit(&port->resolved, memory_order_relaxed);
        uint64_t one = 1;

        MU_ASSERT(last > resolved && last <= port->taken);
        if (!durable)
                add_failed_run(port, resolved + 1, last);
        atomic_store_explicit(&port->resolved, last, memory_order_seq_cst);
        if (atomic_exchange_explicit(&port->signalled, 1, memory_order_seq_cst) != 0)
                return;
        /* Cannot fail: one write between two drains never fills the counter. */
        ssize_t written = write(port->eventfd, &one, sizeof(one));

        MU_ASSERT(written == (ssize_t)sizeof(one));
}
