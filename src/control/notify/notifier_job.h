/* SPDX-License-Identifier: Apache-2.0 */
/*
 * notifier_job.h - one message on its way through one channel.
 *
 *   outbox row ─▶ job: claimed ─▶ step under way ─▶ answered ─▶ verdict ─▶ marked, gone
 *                          ▲             │ parked: the channel has to wait before the next step
 *                          └─────────────┘
 *
 * Threads    the notifier's; the answer is filled on the outbound thread while under_way.
 * Ownership  A job belongs to its channel, or to the list of directs that wait.
 */
#ifndef MUSTER_CONTROL_NOTIFY_NOTIFIER_JOB_H
#define MUSTER_CONTROL_NOTIFY_NOTIFIER_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/notify/discord.h"
#include "control/notify/notice.h"
#include "muster/compiler.h"
#include "outbound/outbound.h"
#include "outbound/smtp.h"

struct mu_notifier;
struct mu_pg;

enum mu_notifier_limits {
        MU_NOTIFIER_ERROR_BYTES = 320,
        MU_NOTIFIER_BODY_BYTES = 16 * 1024, /* of a reply, kept */
        MU_NOTIFIER_KEY_BYTES = 128,        /* of what makes the webhook-id */
        MU_NOTIFIER_LETTERS_MAX = 64,
        MU_NOTIFIER_SLOTS = 8, /* of mail: one recipient that is tried again holds up nobody */
};

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
        int64_t tried_us; /* first: a silence may have held it for days */
        uint32_t tries;   /* with this one */
        uint64_t due_ns;  /* direct: not before */
        int64_t answered_us;
        char webhook_id[MU_NOTIFIER_KEY_BYTES + 32];
        char remote_id[MU_DISCORD_ID_BYTES];
        char *mailed;
        struct mu_job_answer answer;
        struct mu_verdict verdict;
};

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

#endif
