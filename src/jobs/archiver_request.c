/* SPDX-License-Identifier: Apache-2.0 */
/* What operators ask for, one after the other. One that a restart interrupted begins anew. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/failpoint.h"
#include "jobs/archiver_private.h"

static const struct mu_pg_statement NEXT = {
        .name = "archive_request_next",
        .sql = "SELECT q.id, q.kind, q.parent, q.day, coalesce(q.keep_s, 0),"
               " q.state = 'running', coalesce(r.state, ''), coalesce(r.partition, '')"
               " FROM archive_requests q LEFT JOIN partition_registry r"
               "  ON r.parent = q.parent AND r.range_from = q.day"
               " WHERE q.state IN ('waiting', 'running') ORDER BY q.state = 'waiting', q.id LIMIT "
               "1",
        .repeatable = true,
};

static const struct mu_pg_statement BEGIN = {
        .name = "archive_request_begin",
        .sql = "UPDATE archive_requests SET state = 'running', started_at = $2, parts_done = 0,"
               " parts_total = NULL WHERE id = $1",
        .params = {MU_PG_INT8, MU_PG_TIMESTAMPTZ},
        .repeatable = true,
};

static const struct mu_pg_statement PROGRESS = {
        .name = "archive_request_progress",
        .sql = "UPDATE archive_requests SET parts_done = $2, parts_total = $3 WHERE id = $1",
        .params = {MU_PG_INT8, MU_PG_INT4, MU_PG_INT4},
        .repeatable = true,
};

static const struct mu_pg_statement FINISH = {
        .name = "archive_request_finish",
        .sql = "UPDATE archive_requests SET finished_at = $2, detail = $3, problems = $4,"
               " state = CASE WHEN $3::text IS NULL THEN 'done' ELSE 'failed' END WHERE id = $1",
        .params = {MU_PG_INT8, MU_PG_TIMESTAMPTZ, MU_PG_TEXT, MU_PG_JSONB},
        .repeatable = true,
};

/* Half a year of them is enough to look back on. */
static const struct mu_pg_statement FORGET = {
        .name = "archive_requests_forget",
        .sql = "DELETE FROM archive_requests WHERE finished_at < $1::timestamptz"
               " - interval '180 days'",
        .params = {MU_PG_TIMESTAMPTZ},
        .repeatable = true,
};

int mu_archive_request_progress(struct mu_pg *pg, int64_t id, uint32_t done, uint32_t total)
{
        return mu_pg_query(
                pg, &PROGRESS,
                MU_PG_VALUES(mu_pg_int8(id), mu_pg_int4((int32_t)done), mu_pg_int4((int32_t)total)),
                NULL);
}

int mu_archive_request_finish(struct mu_archiver *archiver, struct mu_pg *pg, int64_t id,
                              const char *detail, const char *problems)
{
        struct mu_pg_value now = mu_pg_timestamptz(mu_archiver_now_us(archiver));
        int err = mu_pg_query(pg, &FORGET, MU_PG_VALUES(now), NULL);

        if (!err)
                err = mu_pg_query(
                        pg, &FINISH,
                        MU_PG_VALUES(mu_pg_int8(id), now, mu_pg_text(detail),
                                     mu_pg_jsonb(problems, problems ? strlen(problems) : 0)),
                        NULL);
        return err;
}

static bool parent_of(const char *table, enum mu_parent *ret_parent)
{
        for (enum mu_parent parent = 0; parent < MU_PARENTS; parent++)
                if (strcmp(mu_parent_facts(parent)->table, table) == 0) {
                        *ret_parent = parent;
                        return true;
                }
        return false;
}

/* 0: none. */
static int next(struct mu_archiver *archiver, struct mu_pg *pg, struct mu_archive_request *ret)
{
        struct mu_archive_request request = {0};
        struct mu_pg_result *rows;
        int err = mu_pg_query(pg, &NEXT, MU_PG_VALUES(), &rows);

        if (err)
                return err;
        if (mu_pg_rows(rows) == 0) {
                mu_pg_result_free(rows);
                *ret = request;
                return 0;
        }
        request.id = mu_pg_get_int(rows, 0, 0);
        request.day.day = mu_partition_day(mu_pg_get_timestamptz(rows, 0, 3) / MU_US_PER_S);
        request.keep_s = mu_pg_get_int(rows, 0, 4);
        request.began = mu_pg_get_bool(rows, 0, 5);
        (void)snprintf(request.kind, sizeof(request.kind), "%s", mu_pg_get_text(rows, 0, 1));
        (void)snprintf(request.day.state, sizeof(request.day.state), "%s",
                       mu_pg_get_text(rows, 0, 6));
        bool known = parent_of(mu_pg_get_text(rows, 0, 2), &request.day.parent);

        mu_pg_result_free(rows);
        mu_partition_name(request.day.parent, request.day.day, request.day.partition);
        *ret = request;
        return known ? MU_JOB_AGAIN
                     : mu_archive_request_finish(archiver, pg, request.id,
                                                 "There is no such table in the archive.", NULL);
}

/* The restored day leaves again, by the way that all days go. */
static int drop(struct mu_archiver *archiver, struct mu_pg *pg,
                const struct mu_archive_request *request)
{
        int err = mu_pg_begin(pg); /* a kill in between would have it asked for in vain */
        bool restored = strcmp(request->day.state, "restored") == 0;

        if (err)
                return err;
        if (restored)
                err = mu_archive_sql_state(pg, &request->day, "detaching");
        if (!err)
                err = mu_archive_request_finish(archiver, pg, request->id,
                                                restored ? NULL : "The day is not restored.", NULL);
        err = mu_archive_sql_end(pg, err);
        return err ? err : MU_JOB_AGAIN;
}

int mu_archive_request_step(struct mu_archiver *archiver, struct mu_pg *pg, uint64_t *ret_changed)
{
        struct mu_archive_request request;
        int code = next(archiver, pg, &request);

        if (code != MU_JOB_AGAIN)
                return code;
        if (!request.began) {
                code = mu_pg_query(pg, &BEGIN,
                                   MU_PG_VALUES(mu_pg_int8(request.id),
                                                mu_pg_timestamptz(mu_archiver_now_us(archiver))),
                                   NULL);
                if (code)
                        return code;
        }
        if (strcmp(request.kind, "verify") == 0)
                code = mu_archive_verify_step(archiver, pg, &request);
        else if (strcmp(request.kind, "restore") == 0)
                code = mu_archive_restore_step(archiver, pg, &request);
        else
                code = drop(archiver, pg, &request);
        MU_FAILPOINT("archive.requested", code);
        /* Not the database's doing: a disk that can't be read holds up nothing else. */
        if (code < 0 && code != -ENOMEM && mu_pg_last_error(pg)->sqlstate[0] == '\0') {
                mu_archiver_stop(archiver);
                mu_archiver_tell(archiver, true, "request_failed", &request.day, strerror(-code));
                code = mu_archive_request_finish(archiver, pg, request.id, strerror(-code), NULL);
                code = code ? code : MU_JOB_AGAIN;
        }
        *ret_changed += code == MU_JOB_AGAIN;
        return code;
}
