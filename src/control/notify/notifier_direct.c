/* SPDX-License-Identifier: Apache-2.0 */
/*
 * notifier_direct.c - what is told without the database: only memory knows of it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "control/notify/notifier_private.h"

enum {
        WAITING_MAX = 1024,
};

int mu_notifier_tell_directly(struct mu_notifier *notifier, const char *key, bool firing,
                              const char *title, const char *text)
{
        if (atomic_load(&notifier->direct_channels) == 0)
                return -ENODATA;
        struct mu_letter *letter = calloc(1, sizeof(*letter));
        int code = letter ? mu_notice_make_text(firing ? MU_NOTICE_OPENED : MU_NOTICE_CLOSED,
                                                firing ? MU_NOTICE_STANDS : MU_NOTICE_OVER,
                                                MU_SEVERITY_CRITICAL, title, text, NULL,
                                                mu_notifier_now_us(notifier), &letter->notice)
                          : -ENOMEM;

        if (code < 0) {
                free(letter);
                return code;
        }
        (void)snprintf(letter->key, sizeof(letter->key), "%s_%s", key,
                       firing ? "opened" : "closed");
        pthread_mutex_lock(&notifier->lock);
        if (notifier->letter_count < MU_NOTIFIER_LETTERS_MAX && !notifier->stopping) {
                letter->next = notifier->letters;
                notifier->letters = letter;
                notifier->letter_count++;
                letter = NULL;
                pthread_cond_signal(&notifier->changed);
        }
        pthread_mutex_unlock(&notifier->lock);
        if (!letter)
                return 0;
        mu_notice_done(&letter->notice);
        free(letter);
        return -EAGAIN;
}

static void append(struct mu_notifier *notifier, struct mu_notifier_job *job)
{
        struct mu_notifier_job **at = &notifier->directs;
        size_t before = 0;

        for (; *at; at = &(*at)->next)
                before++;
        job->next = NULL;
        if (before < WAITING_MAX) {
                *at = job;
                return;
        }
        mu_notifier_count(notifier, MU_KIND_DIRECT, MU_OUTCOME_FAILED);
        mu_job_free(job);
}

static void address(struct mu_notifier *notifier, struct mu_letter *letter)
{
        for (struct mu_notifier_channel *at = notifier->channels; at; at = at->next) {
                if (!at->listed || !at->takes_direct || *at->unusable)
                        continue;
                struct mu_notifier_job *job = mu_job_new(notifier, at);
                int code = job ? mu_notice_make_text(letter->notice.kind, letter->notice.state,
                                                     letter->notice.severity, letter->notice.title,
                                                     letter->notice.what, NULL,
                                                     letter->notice.at_us, &job->notice)
                               : -ENOMEM;

                if (code < 0) {
                        if (job)
                                mu_job_free(job);
                        mu_notifier_count(notifier, MU_KIND_DIRECT, MU_OUTCOME_FAILED);
                        continue;
                }
                job->direct = true;
                job->forced = true;
                job->created_us = letter->notice.at_us;
                (void)snprintf(job->webhook_id, sizeof(job->webhook_id), "msg_direct_%s_%" PRId64,
                               letter->key, at->id);
                append(notifier, job);
        }
}

static void take_letters(struct mu_notifier *notifier)
{
        struct mu_letter *list;
        struct mu_letter *oldest = NULL;

        pthread_mutex_lock(&notifier->lock);
        list = notifier->letters;
        notifier->letters = NULL;
        notifier->letter_count = 0;
        pthread_mutex_unlock(&notifier->lock);
        while (list) {
                struct mu_letter *letter = list;

                list = letter->next;
                letter->next = oldest;
                oldest = letter;
        }
        while (oldest) {
                struct mu_letter *letter = oldest;

                oldest = letter->next;
                address(notifier, letter);
                mu_notice_done(&letter->notice);
                free(letter);
        }
}

/* Of each channel the first that waits, in order. */
static bool may_start(const struct mu_notifier_job *job, const struct mu_notifier *notifier)
{
        if (job->channel->direct || mu_notifier_now_ns(notifier) < job->due_ns)
                return false;
        for (const struct mu_notifier_job *at = notifier->directs; at != job; at = at->next)
                if (at->channel == job->channel)
                        return false;
        return true;
}

void mu_notifier_direct_round(struct mu_notifier *notifier)
{
        struct mu_notifier_job **at = &notifier->directs;

        take_letters(notifier);
        while (*at) {
                struct mu_notifier_job *job = *at;

                if (!may_start(job, notifier)) {
                        at = &job->next;
                        continue;
                }
                *at = job->next;
                job->next = NULL;
                job->channel->direct = job;
                job->tries++;
                mu_job_start(job);
                if (job->judged)
                        mu_direct_settle(job);
                at = &notifier->directs; /* settling may have put one back */
        }
}

void mu_direct_settle(struct mu_notifier_job *job)
{
        struct mu_notifier *notifier = job->notifier;
        struct mu_verdict *verdict = &job->verdict;

        MU_ASSERT(job->direct && job->judged);
        job->channel->direct = NULL;
        if (verdict->kind == MU_VERDICT_LATER && job->tries < notifier->config.tries_max) {
                uint64_t backoff_ms = mu_notifier_backoff_ms(notifier, job->tries);
                uint64_t ms = verdict->wait_ms > backoff_ms ? verdict->wait_ms : backoff_ms;

                job->judged = job->told = false;
                job->due_ns = mu_notifier_now_ns(notifier) + ms * (uint64_t)MU_NS_PER_MS;
                mu_notifier_count(notifier, MU_KIND_DIRECT, MU_OUTCOME_RETRIED);
                /* In front: order within a channel. */
                job->next = notifier->directs;
                notifier->directs = job;
                return;
        }
        mu_notifier_count(notifier, MU_KIND_DIRECT,
                          verdict->kind == MU_VERDICT_SENT ? MU_OUTCOME_SENT : MU_OUTCOME_FAILED);
        if (verdict->kind != MU_VERDICT_SENT)
                mu_notifier_trouble(notifier, "Channel \"%s\": \"%s\" did not get through: %s",
                                    job->channel->name, job->notice.title, verdict->error);
        mu_job_free(job);
}

void mu_notifier_free_directs(struct mu_notifier *notifier)
{
        while (notifier->directs) {
                struct mu_notifier_job *job = notifier->directs;

                notifier->directs = job->next;
                mu_job_free(job);
        }
        while (notifier->letters) {
                struct mu_letter *letter = notifier->letters;

                notifier->letters = letter->next;
                mu_notice_done(&letter->notice);
                free(letter);
        }
}
