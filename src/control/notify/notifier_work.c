/* SPDX-License-Identifier: Apache-2.0 */
/*
 * notifier_work.c - what is due: dropped, put off, or made a job.
 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "control/notify/notifier_private.h"
#include "control/notify/notifier_sql.h"
#include "pg/query.h"

enum {
        ROWS_OF_EACH = 16, /* a channel's rows looked at together */
};

/* A row as the decision needs it; texts are the result's. */
struct due {
        const struct mu_pg_result *rows;
        size_t row;
        int64_t id;
        struct mu_notifier_channel *channel;
        enum mu_notice_kind kind;
        bool is_text; /* test, digest */
};

static bool flag(const struct due *due, int column)
{
        return mu_pg_get_bool(due->rows, due->row, column);
}

/* Why nobody is told; NULL: told. */
static const char *reason_to_drop(const struct due *due)
{
        if (due->is_text)
                return NULL;
        bool opened = flag(due, MU_DUE_OPENED);
        bool told = !mu_pg_is_null(due->rows, due->row, MU_DUE_TOLD);

        if (!flag(due, MU_DUE_EXISTS))
                return "not told before";
        if (flag(due, MU_DUE_MERGED) && (!opened || due->kind != MU_NOTICE_UPDATED))
                return "part of a wider incident";
        if (due->kind != MU_NOTICE_OPENED && !opened)
                return "not told before";
        if (due->kind == MU_NOTICE_UPDATED &&
            (flag(due, MU_DUE_CLOSED_BEHIND) ||
             (told && mu_pg_get_int(due->rows, due->row, MU_DUE_TOLD) >=
                              mu_pg_get_int(due->rows, due->row, MU_DUE_VERSION))))
                return "said since";
        return NULL;
}

static int drop(struct mu_notifier *notifier, struct mu_pg *pg, const struct due *due,
                const char *reason)
{
        int code = mu_pg_query(pg, &mu_notifier_drop_sql,
                               MU_PG_VALUES(mu_pg_int8(due->id),
                                            mu_pg_timestamptz(mu_notifier_now_us(notifier)),
                                            mu_pg_text(reason)),
                               NULL);

        if (code == 0)
                mu_notifier_count_dropped(notifier, mu_notice_kind_name(due->kind), reason);
        return code;
}

static int put_off(struct mu_notifier *notifier, struct mu_pg *pg, const struct due *due)
{
        int64_t until_us = mu_pg_get_timestamptz(due->rows, due->row, MU_DUE_SILENCED);

        if (until_us < notifier->look_us)
                notifier->look_us = until_us;

        return mu_pg_query(pg, &mu_notifier_silence_sql,
                           MU_PG_VALUES(mu_pg_int8(due->id), mu_pg_timestamptz(until_us)), NULL);
}

/* ---- a job ---- */

static int read_text(const struct due *due, struct mu_notifier_job *job)
{
        const char *kept = mu_pg_get_text(due->rows, due->row, MU_DUE_DETAIL);
        json_t *detail = kept ? json_loads(kept, 0, NULL) : NULL;
        const char *title = json_string_value(json_object_get(detail, "title"));
        const char *text = json_string_value(json_object_get(detail, "text"));
        const json_t *data = json_object_get(detail, "data");
        char *json = data ? json_dumps(data, JSON_COMPACT) : NULL;
        int code = mu_notice_make_text(due->kind, MU_NOTICE_STANDS, MU_SEVERITY_INFO,
                                       title ? title : "Muster", text ? text : "", json,
                                       mu_pg_get_timestamptz(due->rows, due->row, MU_DUE_CREATED),
                                       &job->notice);

        free(json);
        json_decref(detail);
        return code;
}

/* Who has the mail already. */
static int read_mailed(const struct due *due, struct mu_notifier_job *job)
{
        const char *kept = mu_pg_get_text(due->rows, due->row, MU_DUE_DETAIL);
        json_t *detail = kept ? json_loads(kept, 0, NULL) : NULL;
        const json_t *mailed = json_object_get(detail, "mailed");

        job->mailed = mailed ? json_dumps(mailed, JSON_COMPACT) : NULL;
        json_decref(detail);
        return mailed && !job->mailed ? -ENOMEM : 0;
}

static enum mu_job_step first_step(const struct mu_notifier_job *job)
{
        bool edit = job->notice.kind == MU_NOTICE_UPDATED || job->notice.kind == MU_NOTICE_CLOSED;

        if (job->channel->kind != MU_CHANNEL_DISCORD || !edit)
                return MU_STEP_POST;
        if (*job->remote_id)
                return MU_STEP_EDIT;
        return job->notice.kind == MU_NOTICE_CLOSED ? MU_STEP_RECOVERY : MU_STEP_POST;
}

static int fill_job(struct mu_notifier *notifier, struct mu_pg *pg, const struct due *due,
                    struct mu_notifier_job *job)
{
        int64_t incident_id =
                due->is_text ? 0 : mu_pg_get_int(due->rows, due->row, MU_DUE_INCIDENT);
        const char *remote_id = mu_pg_get_text(due->rows, due->row, MU_DUE_REMOTE);

        job->id = due->id;
        job->created_us = mu_pg_get_timestamptz(due->rows, due->row, MU_DUE_CREATED);
        job->forced = due->kind == MU_NOTICE_TEST;
        (void)snprintf(job->webhook_id, sizeof(job->webhook_id), "msg_%" PRId64 "_%" PRId64,
                       incident_id, due->id);
        if (remote_id && strlen(remote_id) < sizeof(job->remote_id))
                (void)snprintf(job->remote_id, sizeof(job->remote_id), "%s", remote_id);
        int code = read_mailed(due, job);

        if (code == 0)
                code = due->is_text ? read_text(due, job)
                                    : mu_notice_read(pg, incident_id, due->kind,
                                                     notifier->config.public_url, job->created_us,
                                                     &job->notice);
        job->step = first_step(job);
        return code;
}

static int claim(struct mu_pg *pg, struct mu_notifier_job *job)
{
        struct mu_pg_result *row;
        int code = mu_pg_query(pg, &mu_notifier_claim_sql,
                               MU_PG_VALUES(mu_pg_int8(job->id),
                                            mu_pg_timestamptz(mu_notifier_now_us(job->notifier))),
                               &row);

        if (code < 0)
                return code;
        code = mu_pg_rows(row) == 1 ? 0 : -ENOENT;
        if (code == 0) {
                job->tries = (uint32_t)mu_pg_get_int(row, 0, 0);
                job->tried_us = mu_pg_get_timestamptz(row, 0, 1);
        }
        mu_pg_result_free(row);
        return code;
}

static int begin(struct mu_notifier *notifier, struct mu_pg *pg, const struct due *due)
{
        struct mu_notifier_channel *channel = due->channel;
        struct mu_notifier_job *job = mu_job_new(notifier, channel);

        if (!job)
                return -ENOMEM;
        int code = fill_job(notifier, pg, due, job);

        if (code == 0)
                code = claim(pg, job);
        if (code < 0) {
                mu_job_free(job);
                return code == -ENOENT ? 0 : code; /* dropped meanwhile: looked at again */
        }
        *mu_channel_slot(channel) = job;
        /* A breaker that was to be waited for no longer says yes here. */
        if (!job->forced)
                job->forced = !mu_breaker_allow(&channel->breaker);
        mu_job_start(job);
        return 0;
}

/* ---- looking ---- */

static bool is_under_way(const struct due *due)
{
        for (size_t i = 0; i < MU_NOTIFIER_SLOTS; i++) {
                const struct mu_notifier_job *job = due->channel->jobs[i];

                if (job && job->id == due->id)
                        return true;
        }
        return false;
}

static bool is_ready(struct mu_notifier_channel *channel, const struct mu_notifier *notifier)
{
        return channel->listed && mu_channel_slot(channel) &&
               mu_channel_may_send(channel, notifier);
}

static int decide(struct mu_notifier *notifier, struct mu_pg *pg, const struct due *due,
                  bool *ret_did)
{
        const char *reason = reason_to_drop(due);
        bool away = mu_breaker_wait_ms(&due->channel->breaker) > 0;

        *ret_did = false;
        if (is_under_way(due))
                return 0;
        *ret_did = true;
        if (reason)
                return drop(notifier, pg, due, reason);
        if (!mu_pg_is_null(due->rows, due->row, MU_DUE_SILENCED))
                return put_off(notifier, pg, due);
        *ret_did = mu_channel_slot(due->channel) && (!away || due->kind == MU_NOTICE_TEST);
        return *ret_did ? begin(notifier, pg, due) : 0;
}

static int take_rows(struct mu_notifier *notifier, struct mu_pg *pg,
                     const struct mu_pg_result *rows, bool *ret_more)
{
        for (size_t row = 0; row < mu_pg_rows(rows); row++) {
                struct due due = {
                        .rows = rows,
                        .row = row,
                        .id = mu_pg_get_int(rows, row, MU_DUE_ID),
                        .channel = mu_notifier_channel(notifier,
                                                       mu_pg_get_int(rows, row, MU_DUE_CHANNEL)),
                        .is_text = mu_pg_is_null(rows, row, MU_DUE_INCIDENT),
                };
                bool did;

                MU_ASSERT(due.channel);
                MU_ASSERT(mu_notice_kind_of(mu_pg_get_text(rows, row, MU_DUE_KIND), &due.kind) ==
                          0);
                int code = decide(notifier, pg, &due, &did);

                if (code < 0)
                        return code;
                *ret_more = *ret_more || did;
        }
        return 0;
}

/* *ret_rows NULL: no channel may send now. */
static int read_due(struct mu_notifier *notifier, struct mu_pg *pg, struct mu_pg_result **ret_rows)
{
        size_t count = 0;
        size_t room = 0;

        *ret_rows = NULL;
        for (const struct mu_notifier_channel *at = notifier->channels; at; at = at->next)
                room++;
        int64_t *ready = calloc(room + 1, sizeof(*ready));

        if (!ready)
                return -ENOMEM;
        for (struct mu_notifier_channel *at = notifier->channels; at; at = at->next)
                if (is_ready(at, notifier))
                        ready[count++] = at->id;
        int code =
                count == 0
                        ? 0
                        : mu_pg_query(pg, &mu_notifier_due_sql,
                                      MU_PG_VALUES(mu_pg_int8_array(ready, count),
                                                   mu_pg_timestamptz(mu_notifier_now_us(notifier)),
                                                   mu_pg_int8(ROWS_OF_EACH)),
                                      ret_rows);

        free(ready);
        return code;
}

int mu_notifier_look(struct mu_notifier *notifier, struct mu_pg *pg, bool *ret_more)
{
        struct mu_pg_result *rows;
        int code = read_due(notifier, pg, &rows);

        *ret_more = false;
        if (code < 0 || !rows)
                return code;
        /* A row that was put in after a change of its channel must not go out by what was before:
         * asked behind the reading, so that such a row is read only with the change known. */
        if (!mu_notifier_is_stale(notifier))
                code = take_rows(notifier, pg, rows, ret_more);
        mu_pg_result_free(rows);
        return code;
}

/* ---- tidying ---- */

static int drop_many(struct mu_notifier *notifier, struct mu_pg *pg,
                     const struct mu_pg_statement *statement)
{
        struct mu_pg_result *rows;
        int code =
                mu_pg_query(pg, statement,
                            MU_PG_VALUES(mu_pg_timestamptz(mu_notifier_now_us(notifier))), &rows);

        if (code < 0)
                return code;
        for (size_t row = 0; row < mu_pg_rows(rows); row++)
                mu_notifier_count_dropped(notifier, mu_pg_get_text(rows, row, 0),
                                          mu_pg_get_text(rows, row, 1));
        mu_pg_result_free(rows);
        return 0;
}

static int count_waiting(struct mu_notifier *notifier, struct mu_pg *pg)
{
        struct mu_pg_result *rows;
        uint64_t counts[MU_NOTICE_KINDS] = {0};
        int code =
                mu_pg_query(pg, &mu_notifier_waiting_sql,
                            MU_PG_VALUES(mu_pg_timestamptz(mu_notifier_now_us(notifier))), &rows);

        if (code < 0)
                return code;
        notifier->look_us = INT64_MAX;
        for (size_t row = 0; row < mu_pg_rows(rows); row++) {
                enum mu_notice_kind kind = MU_NOTICE_OPENED;

                MU_ASSERT(mu_notice_kind_of(mu_pg_get_text(rows, row, 0), &kind) == 0);
                counts[kind] = (uint64_t)mu_pg_get_int(rows, row, 1);
                if (!mu_pg_is_null(rows, row, 2) &&
                    mu_pg_get_timestamptz(rows, row, 2) < notifier->look_us)
                        notifier->look_us = mu_pg_get_timestamptz(rows, row, 2);
        }
        mu_pg_result_free(rows);
        for (size_t kind = 0; kind < MU_NOTICE_KINDS; kind++)
                mu_cell_set(&notifier->waiting[kind], counts[kind]);
        return 0;
}

int mu_notifier_tidy(struct mu_notifier *notifier, struct mu_pg *pg)
{
        int code = drop_many(notifier, pg, &mu_notifier_over_sql);

        if (code == 0)
                code = drop_many(notifier, pg, &mu_notifier_off_sql);
        return code == 0 ? count_waiting(notifier, pg) : code;
}
