/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop.c - the outbound thread: posted work, timers, what may start, what curl does, what ended.
 */
#include <errno.h>
#include <poll.h>

#include "base/assert.h"
#include "outbound/private.h"

enum {
        WAIT_MS_MAX = 10000, /* curl shortens it to what its own timers need */
        TROUBLE_MS = 200,
};

int mu_outbound_post(struct mu_outbound *outbound, struct mu_outbound_job *job)
{
        int code = 0;

        pthread_mutex_lock(&outbound->lock);
        if (outbound->stopping) {
                code = -ESHUTDOWN;
        } else {
                bool first = !outbound->posted;

                job->next = outbound->posted;
                outbound->posted = job;
                /* Under the lock, so that the multi handle is still there. One wake-up does for
                 * all that the loop takes at once. */
                if (first)
                        MU_ASSERT(curl_multi_wakeup(outbound->multi) == CURLM_OK);
        }
        pthread_mutex_unlock(&outbound->lock);
        return code;
}

void mu_outbound_add_part(struct mu_outbound *outbound, struct mu_outbound_part *part)
{
        MU_ASSERT(!outbound->running && !outbound->stopped);
        part->next = outbound->parts;
        outbound->parts = part;
}

/* Runs what was posted, oldest first. When stop has begun, nothing more is posted. */
static void run_posted(struct mu_outbound *outbound, bool *ret_stopping, uint64_t *ret_deadline_ns)
{
        struct mu_outbound_job *list;
        struct mu_outbound_job *oldest = NULL;

        pthread_mutex_lock(&outbound->lock);
        list = outbound->posted;
        outbound->posted = NULL;
        *ret_stopping = outbound->stopping;
        *ret_deadline_ns = outbound->stop_deadline_ns;
        pthread_mutex_unlock(&outbound->lock);
        while (list) {
                struct mu_outbound_job *job = list;

                list = job->next;
                job->next = oldest;
                oldest = job;
        }
        while (oldest) {
                struct mu_outbound_job *job = oldest;

                oldest = job->next;
                job->run(job);
        }
}

/* Want of memory or descriptors: the rest of the appliance goes on, and so do we. */
static void check(struct mu_outbound *outbound, CURLMcode code)
{
        if (code == CURLM_OK)
                return;
        mu_outbound_trouble(outbound, "all", "Sending is held up: %s.", curl_multi_strerror(code));
        (void)poll(NULL, 0, TROUBLE_MS);
}

static void wait_for_more(struct mu_outbound *outbound, uint64_t until_ns)
{
        uint64_t now_ns = mu_outbound_now_ns(outbound);
        int wait_ms = WAIT_MS_MAX;

        if (until_ns <= now_ns)
                return;
        if (until_ns - now_ns < (uint64_t)WAIT_MS_MAX * MU_NS_PER_MS)
                wait_ms = (int)((until_ns - now_ns) / MU_NS_PER_MS) + 1;
        check(outbound, curl_multi_poll(outbound->multi, NULL, 0, wait_ms, NULL));
}

static void start_parts(struct mu_outbound *outbound)
{
        for (struct mu_outbound_part *part = outbound->parts; part; part = part->next)
                if (part->start)
                        part->start(part);
}

static void begin_drain(struct mu_outbound *outbound)
{
        outbound->draining = true;
        for (struct mu_outbound_part *part = outbound->parts; part; part = part->next)
                if (part->drain)
                        part->drain(part);
}

static void cancel_all(struct mu_outbound *outbound)
{
        mu_transfers_cancel(outbound);
        for (struct mu_outbound_part *part = outbound->parts; part; part = part->next)
                if (part->cancel)
                        part->cancel(part);
        MU_ASSERT(!mu_transfers_any(outbound));
}

/* One round; true when all is over. */
static bool turn(struct mu_outbound *outbound)
{
        uint64_t until_ns;
        uint64_t deadline_ns;
        bool stopping;
        int running;

        run_posted(outbound, &stopping, &deadline_ns);
        if (stopping && !outbound->draining)
                begin_drain(outbound);
        if (stopping && mu_outbound_now_ns(outbound) >= deadline_ns)
                return true;
        mu_timers_fire(&outbound->timers, mu_outbound_now_ns(outbound));
        until_ns = mu_transfers_start(outbound);
        check(outbound, curl_multi_perform(outbound->multi, &running));
        bool progress = mu_transfers_reap(outbound);

        if (stopping && !mu_transfers_any(outbound))
                return true;
        if (progress)
                return false;
        uint64_t timer_ns = mu_timers_next_ns(&outbound->timers);

        until_ns = until_ns < timer_ns ? until_ns : timer_ns;
        if (stopping && deadline_ns < until_ns)
                until_ns = deadline_ns;
        wait_for_more(outbound, until_ns);
        return false;
}

void mu_outbound_run(void *context)
{
        struct mu_outbound *outbound = context;

        if (outbound->running)
                start_parts(outbound);
        while (!turn(outbound))
                ;
        cancel_all(outbound);
}
