/* SPDX-License-Identifier: Apache-2.0 */
/*
 * notifier_private.h - what the notifier's files share.
 *
 *   outbox row ─▶ a job of its channel (notifier_job.h)
 *   letter (told directly) ─▶ a job for each channel: the same without a row
 *
 * A channel has at most one job of each sort, but mail, whose tries take minutes. What a job was
 * answered is kept until it is marked, also while PostgreSQL is away.
 *
 * Threads    The notifier's, but for: letters, flags and the list of answered jobs, under the lock.
 */
#ifndef MUSTER_CONTROL_NOTIFY_NOTIFIER_PRIVATE_H
#define MUSTER_CONTROL_NOTIFY_NOTIFIER_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/random.h"
#include "control/notify/notifier.h"
#include "control/notify/notifier_channel.h"
#include "control/notify/notifier_job.h"
#include "metrics/metrics.h"
#include "outbound/outbound.h"

struct mu_pg;

enum mu_notifier_outcome {
        MU_OUTCOME_SENT,
        MU_OUTCOME_FAILED,
        MU_OUTCOME_RETRIED, /* an attempt that will be followed by another */
        MU_OUTCOME_SILENCED,
        MU_OUTCOME_OVER,
        MU_OUTCOME_MERGED,
        MU_OUTCOME_SAID,
        MU_OUTCOME_NOT_TOLD,
        MU_OUTCOME_OFF,
        MU_OUTCOME_COUNT,
};

/* Behind the notices' kinds. */
#define MU_KIND_DIRECT MU_NOTICE_KINDS
#define MU_KIND_COUNT (MU_NOTICE_KINDS + 1)

struct mu_letter {
        struct mu_letter *next;
        struct mu_notice notice;
        char key[MU_NOTIFIER_KEY_BYTES];
};

struct mu_notifier {
        struct mu_notifier_config config;
        struct mu_outbound_service *discord;
        struct mu_outbound_service *webhook;
        struct mu_random random;
        struct mu_notifier_channel *channels;
        struct mu_notifier_job *directs; /* that wait, oldest first */
        uint64_t discord_resume_ns;      /* Discord's global limit */
        uint64_t look_ns;                /* the outbox is looked at again then, ... */
        int64_t look_us;                 /* ... or when a row is due */
        bool channels_known;
        uint64_t read_again_ns; /* channels */
        uint64_t digest_ns;     /* digests are looked at again then, ... */
        int64_t digest_us;      /* ... or when one is due */

        pthread_t thread;
        bool running;
        _Atomic uint32_t jobs_under_way;
        _Atomic uint32_t direct_channels; /* that mu_notifier_tell_directly would reach */
        pthread_mutex_t lock;
        pthread_cond_t changed;
        /* Under lock. */
        bool stopping;
        bool woken;
        bool reload;
        struct mu_notifier_job *answered;
        struct mu_letter *letters; /* newest first */
        uint32_t letter_count;

        /* The thread's cells. */
        struct mu_cell totals[MU_KIND_COUNT][MU_OUTCOME_COUNT];
        struct mu_cell waiting[MU_NOTICE_KINDS];
        struct mu_cell states[MU_CHANNEL_KINDS][3];
        struct mu_histogram *latency_us;
};

static inline uint64_t mu_notifier_now_ns(const struct mu_notifier *notifier)
{
        return mu_clock_monotonic_ns(notifier->config.clock);
}

static inline int64_t mu_notifier_now_us(const struct mu_notifier *notifier)
{
        return mu_clock_realtime_us(notifier->config.clock);
}

/* ---- notifier.c ---- */

/* Channels were changed and are to be read anew before anything goes out. */
bool mu_notifier_is_stale(struct mu_notifier *notifier);

/* ---- notifier_work.c ---- */

/* Rows that are due become jobs, or are put off or dropped. *ret_more: look again at once. */
MU_MUST_CHECK
int mu_notifier_look(struct mu_notifier *notifier, struct mu_pg *pg, bool *ret_more);
/* What is over before it was told, or whose channel is off; counts what waits. */
MU_MUST_CHECK
int mu_notifier_tidy(struct mu_notifier *notifier, struct mu_pg *pg);

/* ---- notifier_direct.c ---- */

/* Letters become jobs, and jobs go out. Needs no database. */
void mu_notifier_direct_round(struct mu_notifier *notifier);
/* A direct job was judged: over, or waits for another try. */
void mu_direct_settle(struct mu_notifier_job *job);
void mu_notifier_free_directs(struct mu_notifier *notifier);

/* ---- notifier_metrics.c ---- */

void mu_notifier_register(struct mu_notifier *notifier, struct mu_metrics *metrics);
void mu_notifier_count(struct mu_notifier *notifier, size_t kind, enum mu_notifier_outcome outcome);
/* A reason of a dropped row, as the header has them. */
void mu_notifier_count_dropped(struct mu_notifier *notifier, const char *kind, const char *reason);
void mu_notifier_count_channels(struct mu_notifier *notifier);
void mu_notifier_trouble(struct mu_notifier *notifier, const char *format, ...) MU_PRINTF(2, 3);

#endif
