/* SPDX-License-Identifier: Apache-2.0 */
/*
 * notifier.c - the notifier's life and its thread's round.
 */
#include "control/notify/notifier.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/thread.h"
#include "base/wait.h"
#include "control/notify/digest.h"
#include "control/notify/notifier_private.h"
#include "control/notify/notifier_sql.h"
#include "muster/histogram.h"
#include "pg/database.h"
#include "pg/query.h"

enum {
        TRIES = 12,
        GIVE_UP_S = 86400,
        CONCURRENCY = 16,
        TICK_MS = 1000, /* memory is looked at; also what a clock that is set costs */
        LOOK_S = 5,     /* the outbox, should a wake-up have been missed */
        READ_CHANNELS_S = 60,
        DIGEST_S = 60,
        ACQUIRE_MS = 1000,
        DRAIN_MS = 3000,
};

/* ---- life ---- */

static int add_services(struct mu_notifier *notifier)
{
        struct mu_outbound_service_config config = {
                .name = "alert_discord", .concurrency_max = CONCURRENCY, .no_breaker = true};
        struct mu_outbound *outbound = notifier->config.outbound;
        int code = mu_outbound_add_service(outbound, &config, &notifier->discord);

        config.name = "alert_webhook";
        return code < 0 ? code : mu_outbound_add_service(outbound, &config, &notifier->webhook);
}

int mu_notifier_create(const struct mu_notifier_config *config, struct mu_notifier **ret_notifier)
{
        struct mu_notifier *notifier = calloc(1, sizeof(*notifier));

        MU_ASSERT(config->database && config->outbound && config->secrets && config->clock);
        if (!notifier)
                return -ENOMEM;
        notifier->config = *config;
        if (config->tries_max == 0)
                notifier->config.tries_max = TRIES;
        if (config->give_up_s == 0)
                notifier->config.give_up_s = GIVE_UP_S;
        int code = mu_random_seed_from_system(&notifier->random);

        if (code == 0)
                code = mu_histogram_create(&notifier->latency_us);
        if (code == 0)
                code = add_services(notifier);
        if (code < 0) {
                mu_histogram_destroy(notifier->latency_us);
                free(notifier);
                return code;
        }
        pthread_mutex_init(&notifier->lock, NULL);
        mu_wait_init(&notifier->changed);
        if (config->metrics)
                mu_notifier_register(notifier, config->metrics);
        *ret_notifier = notifier;
        return 0;
}

/* Jobs that the outbound has ended after us: their rows wait for the next start. */
static void drop_answered(struct mu_notifier *notifier)
{
        while (notifier->answered) {
                struct mu_notifier_job *job = notifier->answered;

                notifier->answered = job->next;
                job->under_way = false;
                atomic_fetch_sub(&notifier->jobs_under_way, 1);
        }
        for (struct mu_notifier_channel *at = notifier->channels; at; at = at->next) {
                for (size_t i = 0; i < MU_NOTIFIER_SLOTS; i++)
                        if (at->jobs[i])
                                mu_job_free(at->jobs[i]);
                memset(at->jobs, 0, sizeof(at->jobs));
                if (at->direct)
                        mu_job_free(at->direct);
                at->direct = NULL;
        }
        MU_ASSERT(atomic_load(&notifier->jobs_under_way) == 0);
}

void mu_notifier_destroy(struct mu_notifier *notifier)
{
        if (!notifier)
                return;
        MU_ASSERT(!notifier->running);
        drop_answered(notifier);
        mu_notifier_free_directs(notifier);
        mu_notifier_free_channels(notifier);
        mu_histogram_destroy(notifier->latency_us);
        pthread_cond_destroy(&notifier->changed);
        pthread_mutex_destroy(&notifier->lock);
        free(notifier);
}

static void set_flag(struct mu_notifier *notifier, bool *flag)
{
        pthread_mutex_lock(&notifier->lock);
        *flag = true;
        pthread_cond_signal(&notifier->changed);
        pthread_mutex_unlock(&notifier->lock);
}

void mu_notifier_wake(struct mu_notifier *notifier)
{
        if (notifier)
                set_flag(notifier, &notifier->woken);
}

void mu_notifier_reload(struct mu_notifier *notifier)
{
        if (notifier)
                set_flag(notifier, &notifier->reload);
}

bool mu_notifier_is_stale(struct mu_notifier *notifier)
{
        pthread_mutex_lock(&notifier->lock);
        bool stale = notifier->reload;

        pthread_mutex_unlock(&notifier->lock);
        return stale;
}

/* ---- the round ---- */

static void finish(struct mu_notifier_job *job)
{
        if (!job->judged)
                return;
        mu_job_tell_channel(job);
        if (job->direct)
                mu_direct_settle(job);
}

/* Whether there were any. */
static bool take_answered(struct mu_notifier *notifier)
{
        struct mu_notifier_job *list;
        bool any;

        pthread_mutex_lock(&notifier->lock);
        list = notifier->answered;
        notifier->answered = NULL;
        pthread_mutex_unlock(&notifier->lock);
        any = list != NULL;
        while (list) {
                struct mu_notifier_job *job = list;

                list = job->next;
                job->next = NULL;
                mu_job_answered(job);
                finish(job);
        }
        return any;
}

static void start_if_parked(struct mu_notifier_job *job)
{
        if (!job || !job->parked)
                return;
        mu_job_start(job);
        finish(job);
}

static void start_parked(struct mu_notifier *notifier)
{
        for (struct mu_notifier_channel *at = notifier->channels; at; at = at->next) {
                start_if_parked(at->direct);
                for (size_t i = 0; i < MU_NOTIFIER_SLOTS; i++)
                        start_if_parked(at->jobs[i]);
        }
}

static int settle(struct mu_notifier_job *job, struct mu_pg *pg)
{
        if (!job || !job->judged)
                return 0;
        mu_job_tell_channel(job); /* what could not even be started */
        return mu_job_settle(job, pg);
}

static int settle_all(struct mu_notifier *notifier, struct mu_pg *pg)
{
        for (struct mu_notifier_channel *at = notifier->channels; at; at = at->next)
                for (size_t i = 0; i < MU_NOTIFIER_SLOTS; i++) {
                        int code = settle(at->jobs[i], pg);

                        if (code < 0)
                                return code;
                }
        return 0;
}

static bool any_judged(const struct mu_notifier *notifier)
{
        for (const struct mu_notifier_channel *at = notifier->channels; at; at = at->next)
                for (size_t i = 0; i < MU_NOTIFIER_SLOTS; i++)
                        if (at->jobs[i] && at->jobs[i]->judged)
                                return true;
        return false;
}

static int read_channels(struct mu_notifier *notifier, struct mu_pg *pg, bool reload)
{
        uint64_t now_ns = mu_notifier_now_ns(notifier);
        int code = 0;

        if (!reload && notifier->channels_known && now_ns < notifier->read_again_ns)
                return 0;
        code = mu_notifier_read_channels(notifier, pg);
        if (code < 0)
                return code;
        notifier->channels_known = true;
        notifier->read_again_ns = now_ns + READ_CHANNELS_S * (uint64_t)MU_NS_PER_S;
        /* Silences may have been ended too. */
        return reload ? mu_pg_query(pg, &mu_notifier_unsilence_sql,
                                    MU_PG_VALUES(mu_pg_timestamptz(mu_notifier_now_us(notifier))),
                                    NULL)
                      : 0;
}

/* Puts those that are due into the outbox; after what waits there, which they must not hold up. */
static int run_digests(struct mu_notifier *notifier, struct mu_pg *pg, bool reload)
{
        uint64_t now_ns = mu_notifier_now_ns(notifier);
        int64_t now_us = mu_notifier_now_us(notifier);
        uint32_t count = 0;

        if (!reload && now_ns < notifier->digest_ns && now_us < notifier->digest_us)
                return 0;
        int code = mu_digest_run(pg, now_us, &count, &notifier->digest_us);

        if (count > 0)
                mu_notifier_wake(notifier);
        if (code == 0)
                notifier->digest_ns = now_ns + DIGEST_S * (uint64_t)MU_NS_PER_S;
        return code;
}

static void next_look(struct mu_notifier *notifier)
{
        uint64_t now_ns = mu_notifier_now_ns(notifier);

        notifier->look_ns = now_ns + LOOK_S * (uint64_t)MU_NS_PER_S;
        for (struct mu_notifier_channel *at = notifier->channels; at; at = at->next) {
                uint64_t next_ns = mu_channel_next_ns(at, notifier);

                if (at->listed && next_ns > now_ns && next_ns < notifier->look_ns)
                        notifier->look_ns = next_ns;
        }
}

static int work(struct mu_notifier *notifier, struct mu_pg *pg, bool tidy, bool reload)
{
        bool more = true;
        int code = settle_all(notifier, pg);

        if (code == 0)
                code = read_channels(notifier, pg, reload);
        if (code == 0 && tidy)
                code = mu_notifier_tidy(notifier, pg);
        while (code == 0 && more) {
                code = mu_notifier_look(notifier, pg, &more);
                if (code == 0)
                        code = settle_all(notifier, pg);
        }
        return code == 0 ? run_digests(notifier, pg, reload) : code;
}

/* What was asked for meanwhile; waits for it, but no longer than until the next look. */
struct asked {
        bool stopping;
        bool woken;
        bool reload;
};

static void wait_for_more(struct mu_notifier *notifier, struct asked *asked)
{
        uint64_t now_ns = mu_notifier_now_ns(notifier);
        uint64_t wait_ms = 0;

        if (notifier->look_ns > now_ns)
                wait_ms = (notifier->look_ns - now_ns) / (uint64_t)MU_NS_PER_MS + 1;
        uint64_t deadline_ns = mu_wait_deadline_ns(wait_ms < TICK_MS ? wait_ms : TICK_MS);

        pthread_mutex_lock(&notifier->lock);
        while (!notifier->stopping && !notifier->woken && !notifier->reload &&
               !notifier->answered && !notifier->letters &&
               mu_wait_until(&notifier->changed, &notifier->lock, deadline_ns))
                ;
        asked->stopping = notifier->stopping;
        asked->woken = asked->woken || notifier->woken;
        asked->reload = asked->reload || notifier->reload;
        notifier->woken = notifier->reload = false;
        pthread_mutex_unlock(&notifier->lock);
}

/* What could not be done stays asked for, until the next tick. */
static void turn(struct mu_notifier *notifier, struct asked *asked)
{
        bool due = mu_notifier_now_ns(notifier) >= notifier->look_ns ||
                   mu_notifier_now_us(notifier) >= notifier->look_us;
        bool answered = take_answered(notifier);
        bool migrated = true;
        struct mu_pg *pg;

        start_parked(notifier);
        mu_notifier_direct_round(notifier);
        if (!due && !answered && !asked->woken && !asked->reload && !any_judged(notifier))
                return;
        int code = mu_database_acquire(notifier->config.database, ACQUIRE_MS, &pg, NULL);

        if (code == 0) {
                code = work(notifier, pg, due || asked->woken || asked->reload, asked->reload);
                /* At a first start the tables are being made. */
                migrated = code == 0 || strcmp(mu_pg_last_error(pg)->sqlstate, "42P01") != 0;
                mu_database_release(notifier->config.database, pg);
        }
        mu_notifier_sweep_channels(notifier);
        mu_notifier_count_channels(notifier);
        next_look(notifier);
        if (code < 0) {
                /* At the next tick; PostgreSQL's own absence is reported elsewhere. */
                notifier->look_ns = mu_notifier_now_ns(notifier) + TICK_MS * MU_NS_PER_MS;
                if (migrated && code != -EHOSTDOWN && code != -ENOTCONN && code != -ECANCELED &&
                    code != -ETIMEDOUT)
                        mu_notifier_trouble(notifier, "The outbox of alerts can't be read: %s.",
                                            strerror(-code));
                return;
        }
        asked->woken = asked->reload = false;
}

/* What is under way may end, and is written down. */
static void drain(struct mu_notifier *notifier)
{
        uint64_t deadline_ns = mu_wait_deadline_ns(DRAIN_MS);
        struct mu_pg *pg;
        bool waits = true;

        while (waits && atomic_load(&notifier->jobs_under_way) > 0) {
                pthread_mutex_lock(&notifier->lock);
                while (waits && !notifier->answered)
                        waits = mu_wait_until(&notifier->changed, &notifier->lock, deadline_ns);
                pthread_mutex_unlock(&notifier->lock);
                (void)take_answered(notifier);
        }
        if (!any_judged(notifier) ||
            mu_database_acquire(notifier->config.database, ACQUIRE_MS, &pg, NULL) < 0)
                return;
        if (settle_all(notifier, pg) < 0)
                mu_notifier_trouble(notifier, "A message that was sent could not be marked so: it "
                                              "will be sent once more.");
        mu_database_release(notifier->config.database, pg);
}

static void run(void *context)
{
        struct mu_notifier *notifier = context;
        struct asked asked = {.reload = true, .woken = true};

        while (!asked.stopping) {
                turn(notifier, &asked);
                wait_for_more(notifier, &asked);
        }
        drain(notifier);
}

int mu_notifier_start(struct mu_notifier *notifier)
{
        MU_ASSERT(!notifier->running);
        int code = mu_thread_start("notifier", run, notifier, &notifier->thread);

        notifier->running = code == 0;
        return code;
}

void mu_notifier_stop(struct mu_notifier *notifier)
{
        if (!notifier || !notifier->running)
                return;
        set_flag(notifier, &notifier->stopping);
        mu_thread_join(notifier->thread);
        notifier->running = false;
}
