/* SPDX-License-Identifier: Apache-2.0 */
#include "control/job/job_api.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/job/job_desk.h"

enum {
        JOBS_MAX = 64,
        PAGE_DEFAULT = 50,
        PAGE_MAX = 500,
};

#define RUN_COLUMNS "id, started_at, finished_at, changed, job, outcome, asked_by, error"

static const struct mu_pg_statement LAST_RUNS = {
        .name = "job_runs_last",
        .sql = "SELECT " RUN_COLUMNS " FROM unnest(string_to_array($1, ',')) AS name"
               " CROSS JOIN LATERAL (SELECT * FROM job_runs WHERE job = name"
               "  ORDER BY id DESC LIMIT 1) AS r",
        .params = {MU_PG_TEXT},
        .repeatable = true,
};

static const struct mu_pg_statement RUNS = {
        .name = "job_runs_page",
        .sql = "SELECT " RUN_COLUMNS " FROM job_runs WHERE job = $1"
               " AND ($2::bigint IS NULL OR id < $2) ORDER BY id DESC LIMIT $3",
        .params = {MU_PG_TEXT, MU_PG_INT8, MU_PG_INT8},
        .repeatable = true,
};

static const struct mu_pg_statement RUN = {
        .name = "job_run_by_id",
        .sql = "SELECT " RUN_COLUMNS " FROM job_runs WHERE id = $1",
        .params = {MU_PG_INT8},
        .repeatable = true,
};

/* ---- a run as JSON ---- */

static json_t *time_or_null(int64_t us)
{
        return us ? mu_json_of_time(us) : json_null();
}

static json_t *text_or_null(const char *text)
{
        return mu_json_of_text_or_null(text && *text ? text : NULL);
}

static json_t *run_json(const struct mu_job_run *run)
{
        double duration_s = (double)(run->finished_at_us - run->started_at_us) / 1e6;

        return json_pack("{s:o, s:s, s:s, s:o, s:o, s:o, s:I, s:o, s:o}", "id",
                         mu_json_of_id(run->id), "job", run->job, "state", run->state, "started_at",
                         time_or_null(run->started_at_us), "finished_at",
                         time_or_null(run->finished_at_us), "duration_s",
                         run->finished_at_us ? json_real(duration_s) : json_null(), "changed",
                         (json_int_t)run->changed, "asked_by", text_or_null(run->asked_by), "error",
                         text_or_null(run->error));
}

/* The state's text lives in rows. */
static void read_run(const struct mu_pg_result *rows, size_t row, struct mu_job_run *ret_run)
{
        const char *asked_by = mu_pg_get_text(rows, row, 6);
        const char *error = mu_pg_get_text(rows, row, 7);

        *ret_run = (struct mu_job_run){
                .id = mu_pg_get_int(rows, row, 0),
                .started_at_us = mu_pg_get_timestamptz(rows, row, 1),
                .finished_at_us = mu_pg_get_timestamptz(rows, row, 2),
                .changed = (uint64_t)mu_pg_get_int(rows, row, 3),
                .state = mu_pg_get_text(rows, row, 5),
        };
        (void)snprintf(ret_run->job, sizeof(ret_run->job), "%s", mu_pg_get_text(rows, row, 4));
        (void)snprintf(ret_run->asked_by, sizeof(ret_run->asked_by), "%s",
                       asked_by ? asked_by : "");
        (void)snprintf(ret_run->error, sizeof(ret_run->error), "%s", error ? error : "");
}

/* NULL: answered. */
static const struct mu_job_desk *desk_of(struct mu_ask *ask)
{
        const struct mu_job_desk *desk = ask->control->config.jobs;

        if (!desk || !desk->list) {
                mu_call_problem(ask->call, 503, "starting", NULL,
                                "The jobs are not there yet: try again in a moment.");
                return NULL;
        }
        return desk;
}

/* ---- GET /admin/jobs ---- */

/* Before the first run since the start: as the table has it. */
static json_t *last_json(const struct mu_job_facts *facts, const struct mu_pg_result *rows)
{
        struct mu_job_run run;

        if (facts->last.id != 0)
                return run_json(&facts->last);
        for (size_t i = 0; i < mu_pg_rows(rows); i++) {
                if (strcmp(mu_pg_get_text(rows, i, 4), facts->name) == 0) {
                        read_run(rows, i, &run);
                        return run_json(&run);
                }
        }
        return json_null();
}

static json_t *job_json(const struct mu_job_facts *facts, const struct mu_pg_result *rows)
{
        return json_pack("{s:s, s:s, s:I, s:o, s:b, s:I, s:o, s:o}", "name", facts->name, "doc",
                         facts->doc, "interval_s", (json_int_t)facts->interval_s, "due_at",
                         time_or_null(facts->due_at_us), "running",
                         facts->now.id != 0 && strcmp(facts->now.state, "running") == 0,
                         "failures_in_a_row", (json_int_t)facts->failures_in_a_row, "current",
                         facts->now.id ? run_json(&facts->now) : json_null(), "last",
                         last_json(facts, rows));
}

static void list_jobs(struct mu_ask *ask)
{
        const struct mu_job_desk *desk = desk_of(ask);
        struct mu_job_facts *facts;
        struct mu_pg_result *rows;
        char names[JOBS_MAX * MU_JOB_NAME_BYTES] = "";

        if (!desk)
                return;
        facts = calloc(JOBS_MAX, sizeof(*facts));
        if (!facts) {
                mu_ask_failed(ask, -ENOMEM);
                return;
        }
        size_t count = desk->list(desk->ctx, facts, JOBS_MAX);

        for (size_t i = 0; i < count; i++)
                (void)snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s%s",
                               i > 0 ? "," : "", facts[i].name);
        if (mu_ask_query(ask, &LAST_RUNS, MU_PG_VALUES(mu_pg_text(names)), &rows)) {
                json_t *jobs = json_array();

                for (size_t i = 0; i < count; i++)
                        (void)json_array_append_new(jobs, job_json(&facts[i], rows));
                mu_pg_result_free(rows);
                mu_ask_reply(ask, 200, json_pack("{s:o}", "jobs", jobs));
        }
        free(facts);
}

/* ---- one job ---- */

static const char *job_name(struct mu_ask *ask, char name[MU_JOB_NAME_BYTES])
{
        struct mu_slice text = mu_call_param(ask->call, "name");

        (void)snprintf(name, MU_JOB_NAME_BYTES, "%.*s",
                       (int)(text.bytes < MU_JOB_NAME_BYTES ? text.bytes : MU_JOB_NAME_BYTES),
                       (const char *)text.data);
        return text.bytes < MU_JOB_NAME_BYTES ? name : NULL;
}

static bool is_job(const struct mu_job_desk *desk, const char *name)
{
        struct mu_job_facts *facts = calloc(JOBS_MAX, sizeof(*facts));
        size_t count = facts ? desk->list(desk->ctx, facts, JOBS_MAX) : 0;
        bool found = false;

        for (size_t i = 0; i < count && !found; i++)
                found = strcmp(facts[i].name, name) == 0;
        free(facts);
        return found;
}

static void list_runs(struct mu_ask *ask)
{
        const struct mu_job_desk *desk = desk_of(ask);
        int64_t before = mu_json_id(ask->query, "before");
        int64_t limit = mu_json_integer(ask->query, "limit", PAGE_DEFAULT);
        char name[MU_JOB_NAME_BYTES];
        struct mu_pg_result *rows;
        struct mu_job_run run;

        if (!desk)
                return;
        if (!job_name(ask, name) || !is_job(desk, name)) {
                mu_ask_not_found(ask, "job");
                return;
        }
        if (!mu_ask_query(ask, &RUNS,
                          MU_PG_VALUES(mu_pg_text(name),
                                       before ? mu_pg_int8(before) : mu_pg_null(MU_PG_INT8),
                                       mu_pg_int8(limit)),
                          &rows))
                return;
        size_t count = mu_pg_rows(rows);
        json_t *runs = json_array();

        for (size_t i = 0; i < count; i++) {
                read_run(rows, i, &run);
                (void)json_array_append_new(runs, run_json(&run));
        }
        json_t *next = count == (size_t)limit ? mu_json_of_id(run.id) : json_null();

        mu_pg_result_free(rows);
        mu_ask_reply(ask, 200, json_pack("{s:o, s:o}", "runs", runs, "next_before", next));
}

static void run_job(struct mu_ask *ask)
{
        const struct mu_job_desk *desk = desk_of(ask);
        char name[MU_JOB_NAME_BYTES];
        int64_t run_id;

        if (!desk)
                return;
        if (!job_name(ask, name) ||
            desk->run_now(desk->ctx, name, ask->actor, &run_id) == -ENOENT) {
                mu_ask_not_found(ask, "job");
                return;
        }
        if (mu_ask_audit(ask, "job.run", "job-run", run_id, NULL, json_pack("{s:s}", "job", name)))
                mu_ask_reply(ask, 202, json_pack("{s:o}", "run_id", mu_json_of_id(run_id)));
}

/* ---- GET /admin/job-runs/{id} ---- */

static void show_run(struct mu_ask *ask)
{
        const struct mu_job_desk *desk = desk_of(ask);
        struct mu_pg_result *rows;
        struct mu_job_run run;
        int64_t id;

        if (!desk || !mu_ask_id(ask, "id", "run", &id))
                return;
        if (desk->find_run(desk->ctx, id, &run)) {
                mu_ask_reply(ask, 200, run_json(&run));
                return;
        }
        if (!mu_ask_query(ask, &RUN, MU_PG_VALUES(mu_pg_int8(id)), &rows))
                return;
        if (mu_pg_rows(rows) == 1) {
                read_run(rows, 0, &run);
                mu_ask_reply(ask, 200, run_json(&run));
        } else {
                mu_ask_not_found(ask, "run");
        }
        mu_pg_result_free(rows);
}

/* ---- the table ---- */

static const struct mu_field RUN_FIELDS[] = {
        {.name = "id", .type = MU_FIELD_ID, .flags = MU_FIELD_REQUIRED, .doc = "Names it."},
        {.name = "job", .type = MU_FIELD_TEXT, .flags = MU_FIELD_REQUIRED},
        {.name = "state",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED,
         .one_of = "waiting|running|ok|failed|skipped",
         .doc = "skipped: another process was at it, or it is not configured. waiting may also be "
                "for the database."},
        {.name = "started_at",
         .type = MU_FIELD_TIME,
         .flags = MU_FIELD_REQUIRED | MU_FIELD_NULLABLE,
         .doc = "null: not yet."},
        {.name = "finished_at",
         .type = MU_FIELD_TIME,
         .flags = MU_FIELD_REQUIRED | MU_FIELD_NULLABLE,
         .doc = "null: not yet."},
        {.name = "duration_s",
         .type = MU_FIELD_NUMBER,
         .flags = MU_FIELD_REQUIRED | MU_FIELD_NULLABLE,
         .doc = "From its beginning to its end, other jobs' turns in between included."},
        {.name = "changed",
         .type = MU_FIELD_INTEGER,
         .flags = MU_FIELD_REQUIRED,
         .doc = "Rows, partitions: as the job counts."},
        {.name = "asked_by",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED | MU_FIELD_NULLABLE,
         .doc = "null: it was due."},
        {.name = "error", .type = MU_FIELD_TEXT, .flags = MU_FIELD_REQUIRED | MU_FIELD_NULLABLE},
};
static const struct mu_shape RUN_SHAPE = MU_SHAPE("JobRun", RUN_FIELDS);

static const struct mu_field JOB_FIELDS[] = {
        {.name = "name", .type = MU_FIELD_TEXT, .flags = MU_FIELD_REQUIRED},
        {.name = "doc",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED,
         .doc = "What it does, in a sentence."},
        {.name = "interval_s", .type = MU_FIELD_INTEGER, .flags = MU_FIELD_REQUIRED},
        {.name = "due_at",
         .type = MU_FIELD_TIME,
         .flags = MU_FIELD_REQUIRED | MU_FIELD_NULLABLE,
         .doc = "null: only when asked for."},
        {.name = "running", .type = MU_FIELD_BOOLEAN, .flags = MU_FIELD_REQUIRED},
        {.name = "failures_in_a_row", .type = MU_FIELD_INTEGER, .flags = MU_FIELD_REQUIRED},
        {.name = "current",
         .type = MU_FIELD_OBJECT,
         .flags = MU_FIELD_REQUIRED | MU_FIELD_NULLABLE,
         .shape = &RUN_SHAPE,
         .doc = "The run that waits or is under way."},
        {.name = "last",
         .type = MU_FIELD_OBJECT,
         .flags = MU_FIELD_REQUIRED | MU_FIELD_NULLABLE,
         .shape = &RUN_SHAPE,
         .doc = "The last that ended; null: none that is known."},
};
static const struct mu_shape JOB = MU_SHAPE("Job", JOB_FIELDS);

static const struct mu_field JOBS_FIELDS[] = {
        {.name = "jobs", .type = MU_FIELD_LIST, .flags = MU_FIELD_REQUIRED, .shape = &JOB},
};
static const struct mu_shape JOBS = MU_SHAPE("Jobs", JOBS_FIELDS);

static const struct mu_field RUNS_QUERY_FIELDS[] = {
        {.name = "before", .type = MU_FIELD_ID, .doc = "The next_before of the page before."},
        {.name = "limit",
         .type = MU_FIELD_INTEGER,
         .least = 1,
         .most = PAGE_MAX,
         .doc = "Most runs in the answer; 50 unless said otherwise."},
};
static const struct mu_shape RUNS_QUERY = MU_SHAPE("JobRunsQuery", RUNS_QUERY_FIELDS);

static const struct mu_field RUNS_FIELDS[] = {
        {.name = "runs",
         .type = MU_FIELD_LIST,
         .flags = MU_FIELD_REQUIRED,
         .shape = &RUN_SHAPE,
         .doc = "Newest first."},
        {.name = "next_before",
         .type = MU_FIELD_ID,
         .flags = MU_FIELD_REQUIRED | MU_FIELD_NULLABLE,
         .doc = "null: this is the last page."},
};
static const struct mu_shape RUNS_PAGE = MU_SHAPE("JobRuns", RUNS_FIELDS);

static const struct mu_field ASKED_FIELDS[] = {
        {.name = "run_id", .type = MU_FIELD_ID, .flags = MU_FIELD_REQUIRED},
};
static const struct mu_shape ASKED = MU_SHAPE("JobAsked", ASKED_FIELDS);

static const int NOT_FOUND[] = {404, 0};

static const struct mu_endpoint rows[] = {
        {.method = "GET",
         .path = "/admin/jobs",
         .handle = list_jobs,
         .access = MU_ACCESS_OPERATOR,
         .scope = "jobs:read",
         .flags = MU_ENDPOINT_ADMIN_KEY,
         .reply_status = 200,
         .reply = &JOBS,
         .operation_id = "listJobs",
         .tag = "Operation",
         .summary = "Scheduled maintenance, and how it goes"},
        {.method = "GET",
         .path = "/admin/jobs/{name}/runs",
         .handle = list_runs,
         .access = MU_ACCESS_OPERATOR,
         .scope = "jobs:read",
         .flags = MU_ENDPOINT_ADMIN_KEY,
         .query = &RUNS_QUERY,
         .reply_status = 200,
         .reply = &RUNS_PAGE,
         .operation_id = "listJobRuns",
         .tag = "Operation",
         .summary = "How a job's runs went",
         .doc = "Those that changed something, failed or were asked for; of what is done every few "
                "seconds only those that failed or were asked for. The last 1,000 of each job, for "
                "30 days.",
         .problems = NOT_FOUND},
        {.method = "POST",
         .path = "/admin/jobs/{name}/run",
         .handle = run_job,
         .access = MU_ACCESS_ADMIN,
         .scope = "jobs:run",
         .flags = MU_ENDPOINT_ADMIN_KEY,
         .reply_status = 202,
         .reply = &ASKED,
         .operation_id = "runJob",
         .tag = "Operation",
         .summary = "Run a job now",
         .doc = "It runs as soon as the jobs before it have had their turn; while it is running, "
                "once more after that.",
         .problems = NOT_FOUND},
        {.method = "GET",
         .path = "/admin/job-runs/{id}",
         .handle = show_run,
         .access = MU_ACCESS_OPERATOR,
         .scope = "jobs:read",
         .flags = MU_ENDPOINT_ADMIN_KEY,
         .reply_status = 200,
         .reply = &RUN_SHAPE,
         .operation_id = "showJobRun",
         .tag = "Operation",
         .summary = "A run of a job",
         .problems = NOT_FOUND},
};

const struct mu_endpoints mu_job_endpoints = MU_ENDPOINTS(rows);
