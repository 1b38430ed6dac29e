/* SPDX-License-Identifier: Apache-2.0 */
/* endpoint_ask.c - what a handler does its work with. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "control/endpoint.h"
#include "http/reply.h"

bool mu_ask_id(struct mu_ask *ask, const char *name, const char *what, int64_t *ret_id)
{
        return mu_control_id_param(ask->call, name, what, ret_id);
}

bool mu_ask_query(struct mu_ask *ask, const struct mu_pg_statement *statement,
                  const struct mu_pg_value *values, struct mu_pg_result **ret_rows)
{
        int error = mu_pg_query(ask->pg, statement, values, ret_rows);

        if (error < 0)
                mu_ask_failed(ask, error);
        return error == 0;
}

void mu_ask_failed(struct mu_ask *ask, int error)
{
        mu_call_clear_reply(ask->call);
        mu_control_failed(ask->control, ask->call, ask->pg, error);
}

void mu_ask_not_found(struct mu_ask *ask, const char *what)
{
        mu_call_problem(ask->call, 404, "not-found", NULL, "There is no such %s.", what);
}

void mu_ask_reply(struct mu_ask *ask, int status, json_t *json)
{
        char *text = json ? json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;

        json_decref(json);
        if (text)
                mu_call_reply_owned(ask->call, status, MU_TYPE_JSON, text, strlen(text));
        else
                mu_ask_failed(ask, -ENOMEM);
}

void mu_ask_reply_empty(struct mu_ask *ask, int status)
{
        mu_call_reply_empty(ask->call, status);
}

/* ---- the audit log ---- */

static const struct mu_pg_statement AUDIT = {
        .name = "audit_insert",
        .sql = "INSERT INTO audit_log (actor, action, subject, address, before, after)"
               " VALUES ($1, $2, $3, $4, $5, $6)",
        .params = {MU_PG_TEXT, MU_PG_TEXT, MU_PG_TEXT, MU_PG_TEXT, MU_PG_JSONB, MU_PG_JSONB},
};

/* NULL stays NULL; *ret_error is set when there is no memory. */
static char *dump(json_t *json, int *ret_error)
{
        char *text = json ? json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;

        if (json && !text)
                *ret_error = -ENOMEM;
        return text;
}

bool mu_ask_audit(struct mu_ask *ask, const char *action, const char *subject_type, int64_t id,
                  json_t *before, json_t *after)
{
        char subject[80];
        int error = 0;
        char *before_text = dump(before, &error);
        char *after_text = dump(after, &error);

        (void)snprintf(subject, sizeof(subject), "%.50s:%" PRId64, subject_type, id);
        if (error == 0)
                error = mu_pg_query(
                        ask->pg, &AUDIT,
                        MU_PG_VALUES(
                                mu_pg_text(ask->actor), mu_pg_text(action), mu_pg_text(subject),
                                mu_pg_text(ask->address),
                                mu_pg_jsonb(before_text, before_text ? strlen(before_text) : 0),
                                mu_pg_jsonb(after_text, after_text ? strlen(after_text) : 0)),
                        NULL);
        if (error < 0)
                mu_ask_failed(ask, error);
        free(before_text);
        free(after_text);
        json_decref(before);
        json_decref(after);
        return error == 0;
}

void mu_ask_after_commit(struct mu_ask *ask, void (*call)(struct mu_control *control, void *arg),
                         void *arg)
{
        MU_ASSERT(ask->after_commit_count < MU_ASK_AFTER_COMMIT_MAX);
        ask->after_commit[ask->after_commit_count].call = call;
        ask->after_commit[ask->after_commit_count++].arg = arg;
}
