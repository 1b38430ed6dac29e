/* SPDX-License-Identifier: Apache-2.0 */
/*
 * notifier_judge.c - what an answer means: sent, later, never; and for the channel as a whole.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "control/notify/notifier_private.h"

enum {
        UNHEARD_MS = 5000, /* it did not go out: too much before it, or stopping */
        THROTTLED_S = 60,  /* a 429 that does not say how long */
};

MU_PRINTF(4, 5)
static void judge(struct mu_notifier_job *job, enum mu_verdict_kind kind, bool sick,
                  const char *format, ...)
{
        struct mu_verdict *verdict = &job->verdict;
        va_list arguments;

        *verdict = (struct mu_verdict){.kind = kind, .sick = sick, .status = job->answer.status};
        va_start(arguments, format);
        (void)vsnprintf(verdict->error, sizeof(verdict->error), format, arguments);
        va_end(arguments);
}

/* No answer to judge. True: judged. */
static bool judge_silence(struct mu_notifier_job *job)
{
        const struct mu_job_answer *answer = &job->answer;

        if (answer->outcome == MU_OUTBOUND_ANSWERED)
                return false;
        if (answer->outcome == MU_OUTBOUND_FAILED) {
                judge(job, MU_VERDICT_LATER, true, "%s", answer->error);
                return true;
        }
        judge(job, MU_VERDICT_LATER, false, "%s", answer->error);
        job->verdict.throttled = true;
        job->verdict.wait_ms = UNHEARD_MS;
        return true;
}

static void pause_channel(struct mu_notifier_job *job, uint64_t ms)
{
        uint64_t until_ns = mu_notifier_now_ns(job->notifier) + ms * (uint64_t)MU_NS_PER_MS;

        if (until_ns > job->channel->resume_ns)
                job->channel->resume_ns = until_ns;
}

static uint64_t retry_after_ms(const struct mu_job_answer *answer)
{
        return (uint64_t)(answer->has_retry_after ? answer->retry_after_s : 0) * MU_MS_PER_S;
}

/* ---- Discord ---- */

static void judge_throttled(struct mu_notifier_job *job, const struct mu_discord_reply *reply)
{
        const struct mu_job_answer *answer = &job->answer;
        uint64_t ms = reply->has_retry_after    ? reply->retry_after_ms
                      : answer->has_retry_after ? retry_after_ms(answer)
                                                : THROTTLED_S * (uint64_t)MU_MS_PER_S;

        judge(job, MU_VERDICT_LATER, false, "Discord asks to wait %llu ms (429).",
              (unsigned long long)ms);
        job->verdict.throttled = true;
        job->verdict.wait_ms = ms;
        pause_channel(job, ms);
        if (reply->global)
                job->notifier->discord_resume_ns =
                        mu_notifier_now_ns(job->notifier) + ms * (uint64_t)MU_NS_PER_MS;
}

/* The step went well; false: another follows. */
static bool discord_goes_on(struct mu_notifier_job *job, const struct mu_discord_reply *reply)
{
        if (job->step == MU_STEP_EDIT && job->notice.kind == MU_NOTICE_CLOSED) {
                job->step = MU_STEP_RECOVERY;
                return false;
        }
        if (job->step == MU_STEP_POST)
                memcpy(job->remote_id, reply->id, sizeof(job->remote_id));
        judge(job, MU_VERDICT_SENT, false, "%s", "");
        return true;
}

/* The message to edit is gone: somebody deleted it. */
static bool discord_anew(struct mu_notifier_job *job)
{
        job->remote_id[0] = '\0';
        job->step = job->notice.kind == MU_NOTICE_CLOSED ? MU_STEP_RECOVERY : MU_STEP_POST;
        return false;
}

static bool judge_discord(struct mu_notifier_job *job)
{
        const struct mu_job_answer *answer = &job->answer;
        struct mu_discord_reply reply = {0};
        bool readable =
                answer->body && mu_discord_read(answer->body, answer->body_bytes, &reply) == 0;
        const char *said = readable && *reply.text ? reply.text : "no reason given";

        pause_channel(job, mu_discord_pause_ms(answer->remaining, answer->reset_after));
        if (answer->status >= 200 && answer->status < 300)
                return discord_goes_on(job, &reply);
        if (answer->status == 404 && job->step == MU_STEP_EDIT &&
            reply.code == MU_DISCORD_UNKNOWN_MESSAGE)
                return discord_anew(job);
        if (answer->status == 429) {
                judge_throttled(job, &reply);
        } else if (answer->status == 401 || answer->status == 403 || answer->status == 404) {
                judge(job, MU_VERDICT_FAILED, false,
                      "Discord does not take messages by this webhook (%d, %s): it was deleted, or "
                      "its URL is wrong.",
                      answer->status, said);
                job->verdict.broken = true;
        } else if (answer->status >= 500) {
                judge(job, MU_VERDICT_LATER, true, "Discord answered %d.", answer->status);
                job->verdict.wait_ms = retry_after_ms(answer);
        } else if (job->step == MU_STEP_EDIT && job->notice.kind == MU_NOTICE_CLOSED) {
                return discord_anew(job); /* the message can't be edited: its end is told still */
        } else {
                judge(job, MU_VERDICT_FAILED, false, "Discord refused the message (%d, %s).",
                      answer->status, said);
        }
        return true;
}

/* ---- webhooks ---- */

static void judge_webhook(struct mu_notifier_job *job)
{
        const struct mu_job_answer *answer = &job->answer;
        int status = answer->status;

        if (status >= 200 && status < 300) {
                judge(job, MU_VERDICT_SENT, false, "%s", "");
        } else if (status == 410) {
                judge(job, MU_VERDICT_FAILED, false,
                      "The receiver answered 410: it wants no more messages. The channel was "
                      "turned off.");
                job->verdict.broken = true;
                job->verdict.disable = true;
        } else if (status == 429) {
                uint64_t ms = answer->has_retry_after ? retry_after_ms(answer)
                                                      : THROTTLED_S * (uint64_t)MU_MS_PER_S;

                judge(job, MU_VERDICT_LATER, false, "The receiver asks to wait %llu s (429).",
                      (unsigned long long)(ms / MU_MS_PER_S));
                job->verdict.throttled = true;
                job->verdict.wait_ms = ms;
                pause_channel(job, ms);
        } else {
                judge(job, MU_VERDICT_LATER, true, "The receiver answered %d%s.", status,
                      status >= 300 && status < 400 ? ": redirects are not followed" : "");
                job->verdict.wait_ms = retry_after_ms(answer);
                pause_channel(job, job->verdict.wait_ms);
        }
}

/* ---- mail ---- */

static void judge_mail(struct mu_notifier_job *job)
{
        struct mu_job_answer *answer = &job->answer;
        enum mu_verdict_kind kind = MU_VERDICT_FAILED;

        if (answer->again)
                kind = MU_VERDICT_LATER;
        else if (answer->mail == MU_MAIL_SENT)
                kind = MU_VERDICT_SENT;
        /* The mail service's breaker is outbound's; one recipient's trouble is not the others'. */
        judge(job, kind, false, "%s", answer->error);
        job->verdict.throttled = answer->mail == MU_MAIL_CANCELLED;
}

bool mu_job_judge(struct mu_notifier_job *job)
{
        if (job->channel->kind == MU_CHANNEL_EMAIL) {
                judge_mail(job);
                return true;
        }
        if (judge_silence(job))
                return true;
        if (job->channel->kind == MU_CHANNEL_DISCORD)
                return judge_discord(job);
        judge_webhook(job);
        return true;
}
