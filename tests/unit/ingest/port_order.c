/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A frontend and a journal on one port, for ThreadSanitizer: failed runs are read by the one before
 * they are overwritten by the other. Records are committed ahead, so that nothing but the order
 * under test lies between the two.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/thread.h"
#include "ingest/port.h"
#include "ingest/port_journal.h"

enum { ROUNDS = 20, RECORDS = 300 };

static void commit(struct mu_port *port)
{
        struct mu_record *record = mu_port_reserve(port, sizeof(*record));

        if (!record)
                abort();
        memset(record, 0, sizeof(*record));
        (void)mu_port_commit(port);
}

/* Resolves each record by itself, every second one not durable. */
static void journal(void *context)
{
        struct mu_port *port = context;

        for (uint64_t ticket = 1; ticket <= ROUNDS * RECORDS;) {
                uint32_t bytes;

                if (!mu_port_journal_can_fail(port) || !mu_port_journal_peek(port, &bytes))
                        continue;
                if (mu_port_journal_taken(port) != ticket)
                        abort();
                mu_port_journal_release(port);
                mu_port_journal_resolve(port, ticket, ticket % 2 == 0);
                ticket++;
        }
}

int main(void)
{
        struct mu_port_waker waker = {0};
        struct mu_port_verdict verdict;
        struct mu_port *port;
        uint64_t next = 1;
        pthread_t thread;

        if (mu_port_create(64 << 10, &port) < 0)
                abort();
        mu_port_attach(port, &waker);
        if (mu_thread_start("journal", journal, port, &thread) < 0)
                abort();
        for (uint64_t round = 1; round <= ROUNDS; round++) {
                struct pollfd resolved = {.fd = mu_port_eventfd(port), .events = POLLIN};

                for (int i = 0; i < RECORDS; i++)
                        commit(port);
                while (next <= round * RECORDS) {
                        if (!mu_port_poll(port, &verdict)) {
                                if (poll(&resolved, 1, 30000) != 1)
                                        abort();
                                continue;
                        }
                        if (verdict.first != next || verdict.durable != (next % 2 == 0))
                                abort();
                        /* Two neighbours never resolve alike. */
                        if (verdict.last != verdict.first)
                                abort();
                        next = verdict.last + 1;
                }
        }
        mu_thread_join(thread);
        mu_port_destroy(port);
        (void)printf("%d tickets resolved in order\n", ROUNDS * RECORDS);
        return 0;
}
