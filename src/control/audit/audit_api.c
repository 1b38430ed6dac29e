/* SPDX-License-Identifier: Apache-2.0 */
#include "control/audit/audit_api.h"

#include <errno.h>
#include <stdlib.h>

#include "base/text.h"
#include "control/audit/audit_chain.h"
#include "control/cell.h"
#include "control/page.h"

enum {
        PAGE_DEFAULT = 100,
        PAGE_MAX = 500,
        VERIFY_TIMEOUT_MS = 15 * 60 * 1000,
};

/* ---- reading ---- */

/* A trailing star: whatever begins so. */
#define MATCHES(column, parameter)                                                                 \
        " AND (" parameter "::text IS NULL OR CASE WHEN right(" parameter ", 1) = '*'"             \
        " THEN starts_with(" column ", left(" parameter ", -1)) ELSE " column " = " parameter      \
        " END)"

static const struct mu_pg_statement PAGE = {
        .name = "audit_page",
        .sql = "SELECT id, at, actor, action, subject, address, before::text, after::text"
               " FROM audit_log WHERE ($1::bigint IS NULL OR id < $1)" MATCHES("actor", "$2")
                       MATCHES("action", "$3")
                               MATCHES("subject", "$4") " AND ($5::timestamptz IS NULL OR at >= $5)"
                                                        " AND ($6::timestamptz IS NULL OR at < $6) "
                                                        "ORDER BY id DESC LIMIT $7",
        .params = {MU_PG_INT8, MU_PG_TEXT, MU_PG_TEXT, MU_PG_TEXT, MU_PG_TIMESTAMPTZ,
                   MU_PG_TIMESTAMPTZ, MU_PG_INT8},
        .repeatable = true,
};

static json_t *line_of(const struct mu_pg_result *rows, size_t row)
{
        return json_pack("{s:o, s:o, s:s, s:s, s:s, s:o, s:o, s:o}", "id",
                         mu_json_of_id(mu_pg_get_int(rows, row, 0)), "at",
                         mu_json_of_time(mu_pg_get_timestamptz(rows, row, 1)), "actor",
                         mu_pg_get_text(rows, row, 2), "action", mu_pg_get_text(rows, row, 3),
                         "subject", mu_pg_get_text(rows, row, 4), "address",
                         mu_cell_text(rows, row, 5), "before", mu_cell_json(rows, row, 6), "after",
                         mu_cell_json(rows, row, 7));
}

static void list(struct mu_ask *ask)
{
        static const struct mu_page page = {"entries", PAGE_DEFAULT, line_of};

        mu_page_reply(ask, &page, &PAGE,
                      MU_PG_VALUES(mu_page_before(ask),
                                   mu_pg_text(mu_json_text(ask->query, "actor")),
                                   mu_pg_text(mu_json_text(ask->query, "action")),
                                   mu_pg_text(mu_json_text(ask->query, "subject")),
                                   mu_page_time(ask, "from"), mu_page_time(ask, "to"),
                                   mu_page_limit(ask, &page)));
}

/* ---- verifying ---- */

static const char *sentence_of(enum mu_audit_problem_kind kind)
{
        switch (kind) {
        case MU_AUDIT_CHANGED:
                return "This entry is not what it was when it was linked.";
        case MU_AUDIT_DELETED:
                return "This entry was deleted.";
        case MU_AUDIT_INSERTED:
                return "This entry was put among older ones afterwards.";
        case MU_AUDIT_BROKEN:
                return "This link does not follow from the one before: entries were moved, or "
                       "links made anew.";
        case MU_AUDIT_MISSING:
                return "The chain has no link with this number.";
        case MU_AUDIT_TRUNCATED:
                return "The chain ends before this link, which was signed as its end.";
        case MU_AUDIT_UNSIGNED:
                break;
        }
        return "The signature of the chain's beginning or end is missing or wrong.";
}

static json_t *problem_of(const struct mu_audit_problem *problem)
{
        return json_pack("{s:s, s:o, s:o, s:s}", "kind", mu_audit_problem_name(problem->kind),
                         "entry_id",
                         problem->audit_id ? mu_json_of_id(problem->audit_id) : json_null(), "link",
                         problem->seq ? json_integer(problem->seq) : json_null(), "detail",
                         sentence_of(problem->kind));
}

static json_t *report_of(const struct mu_audit_report *report)
{
        char digits[2 * MU_AUDIT_SHA_BYTES + 1];
        json_t *problems = json_array();

        mu_text_hex(report->last_sha256, sizeof(report->last_sha256), digits);
        for (uint64_t i = 0; i < report->problem_count && i < MU_AUDIT_PROBLEMS_MAX; i++)
                (void)json_array_append_new(problems, problem_of(&report->problems[i]));
        return json_pack("{s:b, s:I, s:I, s:I, s:I, s:s, s:I, s:o}", "ok",
                         report->problem_count == 0, "linked", (json_int_t)report->linked,
                         "unlinked", (json_int_t)report->unlinked, "first_link",
                         (json_int_t)report->first_seq, "last_link", (json_int_t)report->last_seq,
                         "last_sha256", digits, "problem_count", (json_int_t)report->problem_count,
                         "problems", problems);
}

static void verify(struct mu_ask *ask)
{
        struct mu_audit_report *report = malloc(sizeof(*report));
        int error = report ? mu_pg_set_timeout(ask->pg, VERIFY_TIMEOUT_MS) : -ENOMEM;

        if (error == 0)
                error = mu_audit_verify(ask->control, ask->pg, report);
        if (error < 0)
                mu_ask_failed(ask, error);
        else
                mu_ask_reply(ask, 200, report_of(report));
        /* The longer timeout must not stay on a connection that others get. */
        mu_pg_disconnect(ask->pg);
        free(report);
}

/* ---- the table ---- */

static const struct mu_field QUERY_FIELDS[] = {
        {.name = "before", .type = MU_FIELD_ID, .doc = "The next_before of the page before."},
        {.name = "limit",
         .type = MU_FIELD_INTEGER,
         .least = 1,
         .most = PAGE_MAX,
         .doc = "Most entries in the answer; 100 unless said otherwise."},
        {.name = "actor",
         .type = MU_FIELD_TEXT,
         .least = 1,
         .most = 120,
         .doc = "Only by this one, such as user:alice; a star at the end stands for anything."},
        {.name = "action",
         .type = MU_FIELD_TEXT,
         .least = 1,
         .most = 120,
         .doc = "Only this, such as device.delete or device.*."},
        {.name = "subject",
         .type = MU_FIELD_TEXT,
         .least = 1,
         .most = 120,
         .doc = "Only about this, such as device:42."},
        {.name = "from", .type = MU_FIELD_TIME, .doc = "Only from this time on."},
        {.name = "to", .type = MU_FIELD_TIME, .doc = "Only before this time."},
};
static const struct mu_shape QUERY = MU_SHAPE("AuditQuery", QUERY_FIELDS);

static const struct mu_field LINE_FIELDS[] = {
        {.name = "id", .type = MU_FIELD_ID, .flags = MU_FIELD_REQUIRED, .doc = "Names it."},
        {.name = "at", .type = MU_FIELD_TIME, .flags = MU_FIELD_REQUIRED, .doc = "When."},
        {.name = "actor",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED,
         .doc = "Who: user:alice, api-token:7, admin-key, device:42, job:name."},
        {.name = "action", .type = MU_FIELD_TEXT, .flags = MU_FIELD_REQUIRED, .doc = "Did what."},
        {.name = "subject",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED,
         .doc = "To what: device:42."},
        {.name = "address",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED | MU_FIELD_NULLABLE,
         .doc = "From where; null: the appliance itself."},
        {.name = "before",
         .type = MU_FIELD_ANY,
         .flags = MU_FIELD_REQUIRED | MU_FIELD_NULLABLE,
         .doc = "What it was."},
        {.name = "after",
         .type = MU_FIELD_ANY,
         .flags = MU_FIELD_REQUIRED | MU_FIELD_NULLABLE,
         .doc = "What it is since."},
};
static const struct mu_shape LINE = MU_SHAPE("AuditEntry", LINE_FIELDS);

static const struct mu_field PAGE_FIELDS[] = {
        {.name = "entries",
         .type = MU_FIELD_LIST,
         .flags = MU_FIELD_REQUIRED,
         .shape = &LINE,
         .doc = "Newest first."},
        {.name = "next_before",
         .type = MU_FIELD_ID,
         .flags = MU_FIELD_REQUIRED | MU_FIELD_NULLABLE,
         .doc = "There may be more: ask again with this as before."},
};
static const struct mu_shape LINES = MU_SHAPE("AuditPage", PAGE_FIELDS);

static const struct mu_field PROBLEM_FIELDS[] = {
        {.name = "kind",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED,
         .one_of = "changed|deleted|inserted|broken|missing|truncated|unsigned",
         .doc = "What is wrong."},
        {.name = "entry_id",
         .type = MU_FIELD_ID,
         .flags = MU_FIELD_REQUIRED | MU_FIELD_NULLABLE,
         .doc = "With which entry."},
        {.name = "link",
         .type = MU_FIELD_INTEGER,
         .flags = MU_FIELD_REQUIRED | MU_FIELD_NULLABLE,
         .doc = "With which link of the chain."},
        {.name = "detail", .type = MU_FIELD_TEXT, .flags = MU_FIELD_REQUIRED, .doc = "In words."},
};
static const struct mu_shape PROBLEM = MU_SHAPE("AuditProblem", PROBLEM_FIELDS);

static const struct mu_field REPORT_FIELDS[] = {
        {.name = "ok",
         .type = MU_FIELD_BOOLEAN,
         .flags = MU_FIELD_REQUIRED,
         .doc = "Nothing is wrong."},
        {.name = "linked",
         .type = MU_FIELD_INTEGER,
         .flags = MU_FIELD_REQUIRED,
         .doc = "Entries that were verified."},
        {.name = "unlinked",
         .type = MU_FIELD_INTEGER,
         .flags = MU_FIELD_REQUIRED,
         .doc = "Fresh entries that are not in the chain yet; a second is usual."},
        {.name = "first_link",
         .type = MU_FIELD_INTEGER,
         .flags = MU_FIELD_REQUIRED,
         .doc = "Where the chain begins; above 1 once retention has taken entries away."},
        {.name = "last_link",
         .type = MU_FIELD_INTEGER,
         .flags = MU_FIELD_REQUIRED,
         .doc = "Where it ends."},
        {.name = "last_sha256",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED,
         .doc = "Its hash: noted down elsewhere, it proves later that nothing went back."},
        {.name = "problem_count",
         .type = MU_FIELD_INTEGER,
         .flags = MU_FIELD_REQUIRED,
         .doc = "How many problems there are."},
        {.name = "problems",
         .type = MU_FIELD_LIST,
         .flags = MU_FIELD_REQUIRED,
         .shape = &PROBLEM,
         .doc = "The first hundred."},
};
static const struct mu_shape REPORT = MU_SHAPE("AuditReport", REPORT_FIELDS);

static const struct mu_endpoint rows[] = {
        {.method = "GET",
         .path = "/admin/audit",
         .handle = list,
         .access = MU_ACCESS_ADMIN,
         .scope = "audit:read",
         .flags = MU_ENDPOINT_ADMIN_KEY,
         .query = &QUERY,
         .reply_status = 200,
         .reply = &LINES,
         .operation_id = "listAudit",
         .tag = "Audit",
         .summary = "Who changed what",
         .doc = "Kept for retention.audit."},
        {.method = "GET",
         .path = "/admin/audit/verify",
         .handle = verify,
         .access = MU_ACCESS_ADMIN,
         .scope = "audit:read",
         .flags = MU_ENDPOINT_ADMIN_KEY,
         .limit = MU_LIMIT_BULK,
         .reply_status = 200,
         .reply = &REPORT,
         .operation_id = "verifyAudit",
         .tag = "Audit",
         .summary = "Whether the audit log can be believed",
         .doc = "Walks the hash chain from its beginning to its end and names every entry that was "
                "changed, deleted, inserted or moved."},
};

const struct mu_endpoints mu_audit_endpoints = MU_ENDPOINTS(rows);
