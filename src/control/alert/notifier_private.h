/* SPDX-License-Identifier: Apache-2.0 */
/*
 * notifier_private.h - what the notifier's files share.
 *
 *   outbox row ─▶ job: claimed ─▶ step under way ─▶ answered ─▶ verdict ─▶ marked, gone
 *                          ▲             │ parked: the channel has to wait before the next step
 *                          └─────────────┘
 *   letter (told directly) ─▶ a job for each channel: the same without a row
 *
 * A channel has at most one job of each sort, but mail, whose tries take
 * minutes. What a job was answered is kept until it is marked,
 * also while PostgreSQL is away.
 *
 * Threads    The notifier's, but for: letters, flags and the list of answered jobs, under the lock.
 */
#ifndef MUSTER_CONTROL_ALERT_NOTIFIER_PRIVATE_H
#define MUSTER_CONTROL_ALERT_NOTIFIER_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/breaker.h"
#include "base/clock.h"
#include "base/random.h"
#include "control/alert/channel.h"
#include "control/alert/discord.h"
#include "control/alert/notice.h"
#include "control/alert/notifier.h"
#include "metrics/metrics.h"
#include "outbound/outbound.h"
#include "outbound/smtp.h"

struct mu_pg;

enum mu_notifier_limits {
        MU_NOTIFIER_ERROR_BYTES = 320,
        MU_NOTIFIER_BODY_BYTES = 16 * 1024, /* of a reply, kept */
        MU_NOTIFIER_KEY_BYTES = 128,        /* of what makes the webhook-id */
        MU_NOTIFIER_LETTERS_MAX = 64,
        MU_NOTIFIER_SLOTS = 8, /* of mail: one recipient that is tried again holds up nobody */
};

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

/* What the other side said, copied on the outbound thread. */
struct mu_job_answer {
        enum mu_outbound_outcome outcome;
        int status;
        bool has_retry_after;
        uint32_t retry_after_s;
        bool refused_address;
        char error[MU_NOTIFIER_ERROR_BYTES];
        char *body; /* NULL: none */
        size_t body_bytes;
        char remaining[MU_OUTBOUND_REPLY_HEADER_BYTES]; /* Discord's; "" none */
        char reset_after[MU_OUTBOUND_REPLY_HEADER_BYTES];
        enum mu_mail_outcome mail;
        bool again;
        char *mailed;
};

enum mu_verdict_kind {
        MU_VERDICT_SENT,
        MU_VERDICT_LATER,
        MU_VERDICT_FAILED,
};

struct mu_verdict {
        enum mu_verdict_kind kind;
        int status;
        bool throttled;                      /* later, without costing a try */
        bool broken;                         /* the channel is not there */
        bool disable;                        /* and asks not to be used again */
        bool sick;                           /* counts against the breaker */
        uint64_t wait_ms;                    /* later: at least */
        char error[MU_NOTIFIER_ERROR_BYTES]; /* a sentence; "" none */
};

enum mu_job_step {
        MU_STEP_POST, /* the whole notice, anew */
        MU_STEP_EDIT,
        MU_STEP_RECOVERY,
};

struct mu_notifier_channel;

struct mu_notifier_job {
        struct mu_notifier *notifier;
        struct mu_notifier_channel *channel;
        struct mu_notifier_job *next; /* answered, or directs that wait */
        struct mu_notice notice;
        bool direct;
        bool under_way; /* handed to outbound or mail */
        bool parked;    /* the step waits for the channel */
        bool judged;    /* only the mark is missing */
        bool told;      /* the channel knows of the verdict */
        bool forced;    /* past the breaker: a test */
        enum mu_job_step step;
        int64_t id; /* of the row */
        int64_t created_us;
        uint32_t tries;  /* with this one */
        uint64_t due_ns; /* direct: not before */
        int64_t answered_us;
        char webhook_id[MU_NOTIFIER_KEY_BYTES + 32];
        char remote_id[MU_DISCORD_ID_BYTES];
        char *mailed;
        struct mu_job_answer answer;
        struct mu_verdict verdict;
};

struct mu_notifier_channel {
        struct mu_notifier_channel *next;
        int64_t id;
        int64_t updated_us;
        enum mu_channel_kind kind;
        bool listed; /* by the last reading; else it goes with its last job */
        bool takes_direct;
        bool allow_private;
        bool failing; /* its error stands in the database */
        bool broken;
        uint64_t broken_until_ns;
        uint32_t rate_per_min;
        char *name;
        struct mu_channel_secret secret;
        char **to;
        size_t to_count;
        char unusable[MU_NOTIFIER_ERROR_BYTES]; /* why, "" usable */
        struct mu_breaker breaker;
        double tokens;
        uint64_t tokens_at_ns;
        uint64_t resume_ns; /* told to wait until then */
        struct mu_notifier_job *jobs[MU_NOTIFIER_SLOTS];
        struct mu_notifier_job *direct;
        uint32_t job_count; /* also directs that wait */
};

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

/* ---- notifier_channels.c ---- */

/* Anew from the database; what is known of each goes on unless it was changed. */
MU_MUST_CHECK
int mu_notifier_read_channels(struct mu_notifier *notifier, struct mu_pg *pg);
struct mu_notifier_channel *mu_notifier_channel(struct mu_notifier *notifier, int64_t id);
/* May something go out now, as far as limits go? Fills up its tokens. */
bool mu_channel_may_send(struct mu_notifier_channel *channel, const struct mu_notifier *notifier);
void mu_channel_spend(struct mu_notifier_channel *channel);
/* Where its next job goes; NULL: it has as many as it may. */
struct mu_notifier_job **mu_channel_slot(struct mu_notifier_channel *channel);
/* When it may again, ns; for one that may not. */
uint64_t mu_channel_next_ns(const struct mu_notifier_channel *channel,
                            const struct mu_notifier *notifier);
bool mu_channel_is_broken(struct mu_notifier_channel *channel, const struct mu_notifier *notifier);
/* Frees those that are no longer listed and have no job. */
void mu_notifier_sweep_channels(struct mu_notifier *notifier);
void mu_notifier_free_channels(struct mu_notifier *notifier);

/* ---- notifier_work.c ---- */

/* Rows that are due become jobs, or are put off or dropped. *ret_more: look again at once. */
MU_MUST_CHECK
int mu_notifier_look(struct mu_notifier *notifier, struct mu_pg *pg, bool *ret_more);
/* What is over before it was told, or whose channel is off; counts what waits. */
MU_MUST_CHECK
int mu_notifier_tidy(struct mu_notifier *notifier, struct mu_pg *pg);

/* ---- notifier_send.c ---- */

/* Zeroed, with the channel; NULL: no memory. */
struct mu_notifier_job *mu_job_new(struct mu_notifier *notifier,
                                   struct mu_notifier_channel *channel);
/* Starts the job's step, or parks it. What can't be started is judged. */
void mu_job_start(struct mu_notifier_job *job);
/* Looks at the answer: the next step, or judged. */
void mu_job_answered(struct mu_notifier_job *job);
void mu_job_free(struct mu_notifier_job *job);

/* ---- notifier_judge.c: what an answer means ---- */

/* False: there is another step. */
MU_MUST_CHECK
bool mu_job_judge(struct mu_notifier_job *job);

/* ---- notifier_settle.c ---- */

/* Writes the verdict down, and frees the job. On error it is kept: call again. */
MU_MUST_CHECK
int mu_job_settle(struct mu_notifier_job *job, struct mu_pg *pg);
/* What the verdict means for the channel; once. */
void mu_job_tell_channel(struct mu_notifier_job *job);
/* How long before another try, with jitter. */
uint64_t mu_notifier_backoff_ms(struct mu_notifier *notifier, uint32_t tries);

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
