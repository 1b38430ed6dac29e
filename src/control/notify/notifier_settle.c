/* SPDX-License-Identifier: Apache-2.0 */
/*
 * notifier_settle.c - verdicts written down: the row, its line in the incident's thread, the
 * channel's error.
 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/backoff.h"
#include "base/failpoint.h"
#include "control/notify/notifier_private.h"
#include "control/notify/notifier_sql.h"
#include "muster/histogram.h"
#include "pg/error.h"
#include "pg/query.h"

enum {
        BACKOFF_BASE_MS = 10 * 1000,
        BACKOFF_CAP_MS = 4 * 3600 * 1000,
};

uint64_t mu_notifier_backoff_ms(struct mu_notifier *notifier, uint32_t tries)
{
        struct mu_backoff backoff;

        mu_backoff_init(&backoff, BACKOFF_BASE_MS, BACKOFF_CAP_MS);
        backoff.tries = tries > 0 ? tries - 1 : 0;
        return mu_backoff_next_ms(&backoff, &notifier->random);
}

/* Another try, or is it enough? */
static void give_up_if_enough(struct mu_notifier_job *job)
{
        const struct mu_notifier_config *config = &job->notifier->config;
        int64_t waits_us = mu_notifier_now_us(job->notifier) - job->tried_us;
        bool test = job->notice.kind == MU_NOTICE_TEST;
        bool spent = !job->verdict.throttled && job->tries >= config->tries_max;

        if (job->verdict.kind != MU_VERDICT_LATER)
                return;
        if (test || spent || waits_us >= (int64_t)config->give_up_s * MU_US_PER_S)
                job->verdict.kind = MU_VERDICT_FAILED;
}

/* ---- the row ---- */

static int mark_sent(struct mu_notifier_job *job, struct mu_pg *pg)
{
        const struct mu_verdict *verdict = &job->verdict;
        int error = 0;

        /* Answered, and not written down: after a kill here it is sent once more. */
        MU_FAILPOINT("notify.after_send", error);
        if (error < 0)
                return error;
        return mu_pg_query(pg, &mu_notifier_sent_sql,
                           MU_PG_VALUES(mu_pg_int8(job->id), mu_pg_timestamptz(job->answered_us),
                                        mu_pg_int4(verdict->status),
                                        mu_pg_text(*job->remote_id ? job->remote_id : NULL),
                                        mu_pg_int4(job->notice.version),
                                        mu_pg_text(*verdict->error ? verdict->error : NULL)),
                           NULL);
}

static int mark_later(struct mu_notifier_job *job, struct mu_pg *pg)
{
        const struct mu_verdict *verdict = &job->verdict;
        uint64_t ms = verdict->wait_ms;
        const char *mailed = job->answer.mailed;

        if (!verdict->throttled) {
                uint64_t backoff_ms = mu_notifier_backoff_ms(job->notifier, job->tries);

                ms = ms > backoff_ms ? ms : backoff_ms;
        }
        int64_t due_us = mu_notifier_now_us(job->notifier) + (int64_t)ms * MU_US_PER_MS;

        if (due_us < job->notifier->look_us)
                job->notifier->look_us = due_us;
        return mu_pg_query(
                pg, &mu_notifier_later_sql,
                MU_PG_VALUES(mu_pg_int8(job->id), mu_pg_timestamptz(due_us),
                             verdict->status ? mu_pg_int4(verdict->status) : mu_pg_null(MU_PG_INT4),
                             mu_pg_text(verdict->error), mu_pg_int4(verdict->throttled ? 1 : 0),
                             mu_pg_jsonb(mailed, mailed ? strlen(mailed) : 0)),
                NULL);
}

static int mark_failed(struct mu_notifier_job *job, struct mu_pg *pg)
{
        const struct mu_verdict *verdict = &job->verdict;

        return mu_pg_query(
                pg, &mu_notifier_failed_sql,
                MU_PG_VALUES(mu_pg_int8(job->id),
                             mu_pg_timestamptz(mu_notifier_now_us(job->notifier)),
                             verdict->status ? mu_pg_int4(verdict->status) : mu_pg_null(MU_PG_INT4),
                             mu_pg_text(verdict->error)),
                NULL);
}

static int mark(struct mu_notifier_job *job, struct mu_pg *pg)
{
        if (job->verdict.kind == MU_VERDICT_SENT)
                return mark_sent(job, pg);
        return job->verdict.kind == MU_VERDICT_LATER ? mark_later(job, pg) : mark_failed(job, pg);
}

/* ---- its line in the thread ---- */

static int add_event(struct mu_notifier_job *job, struct mu_pg *pg)
{
        const struct mu_verdict *verdict = &job->verdict;
        bool sent = verdict->kind == MU_VERDICT_SENT;

        if (job->notice.incident_id == 0 || verdict->kind == MU_VERDICT_LATER)
                return 0;
        json_t *detail = json_pack("{s:s, s:s, s:i, s:s*}", "channel", job->channel->name, "edge",
                                   mu_notice_kind_name(job->notice.kind), "tries", (int)job->tries,
                                   "error", *verdict->error ? verdict->error : NULL);
        char *text = detail ? json_dumps(detail, JSON_COMPACT) : NULL;

        json_decref(detail);
        if (!text)
                return -ENOMEM;
        int code = mu_pg_query(pg, &mu_notifier_event_sql,
                               MU_PG_VALUES(mu_pg_timestamptz(mu_notifier_now_us(job->notifier)),
                                            mu_pg_int8(job->notice.incident_id),
                                            mu_pg_text(sent ? "notified" : "not_notified"),
                                            mu_pg_jsonb(text, strlen(text))),
                               NULL);

        free(text);
        return code;
}

/* Whether it is marked by now: a commit whose answer was lost took place. */
static int is_marked(struct mu_notifier_job *job, struct mu_pg *pg, bool *ret_marked)
{
        struct mu_pg_result *row;
        int code = mu_pg_query(pg, &mu_notifier_state_sql, MU_PG_VALUES(mu_pg_int8(job->id)), &row);

        if (code < 0)
                return code;
        *ret_marked = mu_pg_rows(row) == 0 || mu_pg_get_bool(row, 0, 0);
        mu_pg_result_free(row);
        return 0;
}

static int mark_with_event(struct mu_notifier_job *job, struct mu_pg *pg)
{
        bool marked = false;
        int code = mu_pg_begin(pg);

        if (code == 0)
                code = is_marked(job, pg, &marked);
        if (code == 0 && !marked)
                code = mark(job, pg);
        if (code == 0 && !marked)
                code = add_event(job, pg);
        if (code == 0)
                code = mu_pg_commit(pg);
        bool no_partition = code < 0 && mu_pg_error_is_missing_partition(mu_pg_last_error(pg));

        if (code < 0)
                mu_pg_rollback(pg);
        if (!no_partition)
                return code;
        /* Without its line rather than sent again and again. */
        mu_notifier_trouble(job->notifier,
                            "The log of alerts has no partition for today: that a message was "
                            "sent stands with the message alone.");
        return mark(job, pg);
}

/* ---- the channel ---- */

static int write_channel(struct mu_notifier_job *job, struct mu_pg *pg)
{
        struct mu_notifier_channel *channel = job->channel;
        const struct mu_verdict *verdict = &job->verdict;
        bool trouble = *verdict->error != '\0' && !verdict->throttled;

        if (!trouble && (verdict->kind != MU_VERDICT_SENT || !channel->failing))
                return 0;
        int code =
                mu_pg_query(pg, &mu_notifier_channel_sql,
                            MU_PG_VALUES(mu_pg_int8(channel->id),
                                         mu_pg_timestamptz(mu_notifier_now_us(job->notifier)),
                                         mu_pg_text(trouble ? verdict->error : NULL),
                                         mu_pg_bool(channel->broken), mu_pg_bool(verdict->disable)),
                            NULL);

        if (code == 0)
                channel->failing = trouble;
        return code;
}

void mu_job_tell_channel(struct mu_notifier_job *job)
{
        enum { BROKEN_S = 3600 };
        struct mu_notifier_channel *channel = job->channel;
        const struct mu_verdict *verdict = &job->verdict;
        bool sent = verdict->kind == MU_VERDICT_SENT;

        if (job->told)
                return;
        job->told = true;
        if (verdict->broken && !channel->broken)
                mu_notifier_trouble(job->notifier, "Channel \"%s\": %s", channel->name,
                                    verdict->error);
        if (sent || verdict->broken)
                channel->broken = verdict->broken;
        if (verdict->broken)
                channel->broken_until_ns =
                        mu_notifier_now_ns(job->notifier) + BROKEN_S * (uint64_t)MU_NS_PER_S;
        if (verdict->disable)
                channel->listed = false;
        if (job->forced) {
                /* Nothing was lent; but what got through shows that the channel is there. */
                if (sent && mu_breaker_state(&channel->breaker) != MU_BREAKER_CLOSED) {
                        const struct mu_breaker_options options = channel->breaker.options;

                        mu_breaker_init(&channel->breaker, &options, job->notifier->config.clock);
                }
                return;
        }
        if (verdict->sick)
                mu_breaker_failure(&channel->breaker);
        else
                mu_breaker_success(&channel->breaker);
}

static void count(struct mu_notifier_job *job)
{
        struct mu_notifier *notifier = job->notifier;
        static const enum mu_notifier_outcome outcomes[] = {
                [MU_VERDICT_SENT] = MU_OUTCOME_SENT,
                [MU_VERDICT_LATER] = MU_OUTCOME_RETRIED,
                [MU_VERDICT_FAILED] = MU_OUTCOME_FAILED,
        };

        mu_notifier_count(notifier, job->notice.kind, outcomes[job->verdict.kind]);
        if (job->verdict.kind == MU_VERDICT_SENT && job->notice.incident_id != 0 &&
            job->answered_us > job->created_us)
                mu_histogram_record(notifier->latency_us,
                                    (uint64_t)(job->answered_us - job->created_us));
        if (job->verdict.kind == MU_VERDICT_FAILED)
                mu_notifier_trouble(notifier, "Channel \"%s\": a message (%s) was given up: %s",
                                    job->channel->name, mu_notice_kind_name(job->notice.kind),
                                    job->verdict.error);
}

int mu_job_settle(struct mu_notifier_job *job, struct mu_pg *pg)
{
        struct mu_notifier_channel *channel = job->channel;

        MU_ASSERT(job->judged && !job->direct);
        give_up_if_enough(job);
        int code = mark_with_event(job, pg);

        if (code < 0)
                return code;
        if (write_channel(job, pg) < 0)
                channel->failing = true; /* not known: the next success says so */
        count(job);
        for (size_t i = 0; i < MU_NOTIFIER_SLOTS; i++)
                if (channel->jobs[i] == job)
                        channel->jobs[i] = NULL;
        mu_job_free(job);
        return 0;
}
