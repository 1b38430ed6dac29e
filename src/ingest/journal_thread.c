/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "base/assert.h"
#include "base/thread.h"
#include "ingest/journal_private.h"

enum {
        IDLE_WAIT_US = 1000 * 1000, /* the tick */
        STUCK_WAIT_US = 5 * 1000,   /* a frontend that does not read its verdicts, a full disk */
};

static uint64_t shorter(uint64_t a_us, uint64_t b_us)
{
        return a_us < b_us ? a_us : b_us;
}

uint64_t mu_journal_sleep_us(struct mu_journal *journal, bool *ret_wake_on_commit)
{
        uint64_t now_ns = mu_clock_monotonic_ns(journal->clock);
        uint64_t sleep_us = IDLE_WAIT_US;

        *ret_wake_on_commit = false;
        /* The completion wakes us; what came meanwhile is taken then. */
        if (journal->write != MU_WRITE_NONE)
                return sleep_us;
        if (journal->spare_state == MU_SPARE_NONE && journal->retry_ns > now_ns)
                sleep_us = shorter((journal->retry_ns - now_ns) / MU_NS_PER_US + 1, sleep_us);
        if (mu_journal_get_state(journal) == MU_JOURNAL_FULL)
                return shorter(STUCK_WAIT_US, sleep_us);
        if (journal->flight)
                return sleep_us; /* until the segment it waits for is prepared */
        if (journal->filling->record_count > 0)
                return mu_group_linger_us(journal, now_ns);
        if (mu_journal_has_work(journal))
                return 0;
        for (uint32_t i = 0; i < journal->port_count; i++)
                if (mu_port_journal_pending(journal->ports[i]))
                        return shorter(STUCK_WAIT_US, sleep_us);
        *ret_wake_on_commit = true;
        return sleep_us;
}

static void run(void *context)
{
        struct mu_journal *journal = context;
        const struct mu_journal_io *io = journal->io;

        for (;;) {
                bool wake_on_commit;

                if (mu_journal_step(journal) > 0)
                        continue;
                if (atomic_load_explicit(&journal->draining, memory_order_acquire) &&
                    mu_journal_is_drained(journal))
                        return;
                /* First say that we sleep, then look: a commit in between sees the flag. */
                atomic_store_explicit(&journal->waker.sleeping, 1, memory_order_seq_cst);
                uint64_t sleep_us = mu_journal_sleep_us(journal, &wake_on_commit);

                if (!wake_on_commit)
                        atomic_store_explicit(&journal->waker.sleeping, 0, memory_order_relaxed);
                if (sleep_us > 0)
                        io->wait(io->context, sleep_us);
                atomic_store_explicit(&journal->waker.sleeping, 0, memory_order_relaxed);
        }
}

int mu_journal_start(struct mu_journal *journal)
{
        MU_ASSERT(!journal->thread_started);
        int err = mu_thread_start("journal", run, journal, &journal->thread);

        if (err == 0)
                journal->thread_started = true;
        return err;
}

void mu_journal_drain(struct mu_journal *journal)
{
        atomic_store_explicit(&journal->draining, true, memory_order_release);
        if (!journal->thread_started) {
                run(journal);
                return;
        }
        journal->io->wake(journal->io->context);
        mu_thread_join(journal->thread);
        journal->thread_started = false;
}
