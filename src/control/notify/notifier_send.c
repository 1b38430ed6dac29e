/* SPDX-License-Identifier: Apache-2.0 */
/*
 * notifier_send.c - a job's step goes out, and its answer comes back from the outbound thread.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "control/notify/alert_mail.h"
#include "control/notify/notifier_private.h"
#include "control/notify/standard_webhook.h"
#include "control/notify/webhook.h"

enum {
        TIMEOUT_MS = 20000,
        WAIT_MS_MAX = 30000,
        LATER_MS = 5000, /* too much before it */
        URL_BYTES = MU_CHANNEL_URL_BYTES_MAX + 64,
};

static const char *const discord_headers[] = {"X-RateLimit-Remaining", "X-RateLimit-Reset-After",
                                              NULL};

struct mu_notifier_job *mu_job_new(struct mu_notifier *notifier,
                                   struct mu_notifier_channel *channel)
{
        struct mu_notifier_job *job = calloc(1, sizeof(*job));

        if (!job)
                return NULL;
        job->notifier = notifier;
        job->channel = channel;
        channel->job_count++;
        return job;
}

static void forget_answer(struct mu_job_answer *answer)
{
        free(answer->body);
        free(answer->mailed);
        *answer = (struct mu_job_answer){0};
}

void mu_job_free(struct mu_notifier_job *job)
{
        MU_ASSERT(!job->under_way);
        job->channel->job_count--;
        forget_answer(&job->answer);
        mu_notice_done(&job->notice);
        free(job->mailed);
        free(job);
}

/* ---- back from the outbound thread ---- */

static void post_answered(struct mu_notifier_job *job)
{
        struct mu_notifier *notifier = job->notifier;

        pthread_mutex_lock(&notifier->lock);
        job->next = notifier->answered;
        notifier->answered = job;
        pthread_cond_signal(&notifier->changed);
        pthread_mutex_unlock(&notifier->lock);
}

static void copy_header(const char *value, char ret_copy[MU_OUTBOUND_REPLY_HEADER_BYTES])
{
        (void)snprintf(ret_copy, MU_OUTBOUND_REPLY_HEADER_BYTES, "%s", value ? value : "");
}

static void http_done(void *ctx, const struct mu_outbound_result *result)
{
        struct mu_notifier_job *job = ctx;
        struct mu_job_answer *answer = &job->answer;

        answer->outcome = result->outcome;
        answer->status = result->status;
        answer->has_retry_after = result->has_retry_after;
        answer->retry_after_s = result->retry_after_s;
        answer->refused_address = result->refused_address;
        (void)snprintf(answer->error, sizeof(answer->error), "%s", result->error);
        copy_header(result->headers[0], answer->remaining);
        copy_header(result->headers[1], answer->reset_after);
        if (result->body_bytes <= MU_NOTIFIER_BODY_BYTES)
                answer->body = malloc(result->body_bytes + 1);
        if (answer->body) {
                memcpy(answer->body, result->body, result->body_bytes);
                answer->body_bytes = result->body_bytes;
        }
        post_answered(job);
}

static void mail_done(void *ctx, const struct mu_alert_mail_result *result)
{
        struct mu_notifier_job *job = ctx;
        struct mu_job_answer *answer = &job->answer;

        answer->outcome = MU_OUTBOUND_ANSWERED;
        answer->status = result->mail.status;
        answer->mail = result->mail.outcome;
        answer->again = result->again;
        answer->mailed = result->mailed ? strdup(result->mailed) : NULL;
        (void)snprintf(answer->error, sizeof(answer->error), "%s", result->mail.error);
        post_answered(job);
}

/* ---- out ---- */

static int submit(struct mu_notifier_job *job, struct mu_outbound_request *request)
{
        request->timeout_ms = TIMEOUT_MS;
        request->wait_ms_max = WAIT_MS_MAX;
        request->done = http_done;
        request->ctx = job;
        return mu_outbound_submit(job->notifier->config.outbound, request);
}

static int send_discord(struct mu_notifier_job *job)
{
        static const struct mu_outbound_header type = {"Content-Type", "application/json"};
        bool edit = job->step == MU_STEP_EDIT;
        char url[URL_BYTES];
        size_t bytes;
        char *json;
        int code = mu_discord_write(&job->notice,
                                    job->step == MU_STEP_RECOVERY ? MU_DISCORD_RECOVERY
                                                                  : MU_DISCORD_WHOLE,
                                    &json, &bytes);

        if (code < 0)
                return code;
        (void)snprintf(url, sizeof(url), "%.*s%s%s", MU_CHANNEL_URL_BYTES_MAX,
                       job->channel->secret.url, edit ? "/messages/" : "?wait=true",
                       edit ? job->remote_id : "");
        code = submit(job, &(struct mu_outbound_request){.service = job->notifier->discord,
                                                         .method = edit ? "PATCH" : "POST",
                                                         .url = url,
                                                         .headers = &type,
                                                         .header_count = 1,
                                                         .body = json,
                                                         .body_bytes = bytes,
                                                         .reply_headers = discord_headers});
        free(json);
        return code;
}

static int send_webhook(struct mu_notifier_job *job)
{
        const struct mu_channel_secret *secret = &job->channel->secret;
        int64_t now_us = mu_notifier_now_us(job->notifier);
        const char *second = now_us < secret->until_us ? secret->signing_before : NULL;
        char signature[MU_WEBHOOK_SIGNATURE_BYTES];
        char timestamp[24];
        const struct mu_outbound_header headers[] = {{"Content-Type", "application/json"},
                                                     {"webhook-id", job->webhook_id},
                                                     {"webhook-timestamp", timestamp},
                                                     {"webhook-signature", signature}};
        size_t bytes;
        char *json;
        int code = mu_webhook_write(&job->notice, &json, &bytes);

        if (code < 0)
                return code;
        (void)snprintf(timestamp, sizeof(timestamp), "%" PRId64, now_us / MU_US_PER_S);
        code = mu_webhook_sign(secret->signing ? secret->signing : "", second, job->webhook_id,
                               now_us / MU_US_PER_S, json, bytes, signature);
        if (code == 0)
                code = submit(job, &(struct mu_outbound_request){
                                           .service = job->notifier->webhook,
                                           .method = "POST",
                                           .url = secret->url,
                                           .headers = headers,
                                           .header_count = MU_COUNT_OF(headers),
                                           .body = json,
                                           .body_bytes = bytes,
                                           .public_only = !job->channel->allow_private});
        free(json);
        return code;
}

static int send_mail(struct mu_notifier_job *job)
{
        if (!job->notifier->config.mail)
                return -ENODEV;
        return mu_alert_mail_send(job->notifier->config.mail, &job->notice,
                                  (const char *const *)job->channel->to, job->channel->to_count,
                                  job->mailed, mail_done, job);
}

/* It did not even go out. */
static void judge_unsent(struct mu_notifier_job *job, int code)
{
        bool later = code == -EAGAIN || code == -ESHUTDOWN || code == -ENOMEM;
        const char *why = strerror(-code);

        if (*job->channel->unusable)
                why = job->channel->unusable;
        else if (code == -ENODEV)
                why = "Mail is not set up: smtp.url is empty.";
        else if (code == -EINVAL)
                why = job->channel->kind == MU_CHANNEL_EMAIL
                              ? "It has no recipients."
                              : "Its URL can't be used: only https is taken.";
        job->verdict = (struct mu_verdict){.kind = later ? MU_VERDICT_LATER : MU_VERDICT_FAILED,
                                           .throttled = later,
                                           .wait_ms = LATER_MS};
        (void)snprintf(job->verdict.error, sizeof(job->verdict.error), "%s", why);
        job->judged = true;
}

static void judge_broken(struct mu_notifier_job *job)
{
        job->verdict = (struct mu_verdict){.kind = MU_VERDICT_FAILED};
        (void)snprintf(job->verdict.error, sizeof(job->verdict.error),
                       "Not sent: the channel said before that it is not there. Change it, or "
                       "test it.");
        job->judged = true;
}

void mu_job_start(struct mu_notifier_job *job)
{
        struct mu_notifier *notifier = job->notifier;
        struct mu_notifier_channel *channel = job->channel;
        int code = -EINVAL;

        if (mu_channel_is_broken(channel, notifier) && job->notice.kind != MU_NOTICE_TEST) {
                judge_broken(job);
                return;
        }
        job->parked = !mu_channel_may_send(channel, notifier);
        if (job->parked)
                return;
        mu_channel_spend(channel);
        forget_answer(&job->answer);
        job->under_way = true;
        atomic_fetch_add(&notifier->jobs_under_way, 1);
        if (*channel->unusable)
                code = -EINVAL;
        else if (channel->kind == MU_CHANNEL_DISCORD)
                code = send_discord(job);
        else if (channel->kind == MU_CHANNEL_WEBHOOK)
                code = send_webhook(job);
        else
                code = send_mail(job);
        if (code < 0) {
                job->under_way = false;
                atomic_fetch_sub(&notifier->jobs_under_way, 1);
                judge_unsent(job, code);
        }
}

void mu_job_answered(struct mu_notifier_job *job)
{
        job->under_way = false;
        atomic_fetch_sub(&job->notifier->jobs_under_way, 1);
        job->answered_us = mu_notifier_now_us(job->notifier);
        job->judged = mu_job_judge(job);
        if (!job->judged)
                mu_job_start(job);
}
