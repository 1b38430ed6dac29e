/* SPDX-License-Identifier: Apache-2.0 */
/* silence_api.c - times in which nobody is told of what matches. */
#include <string.h>

#include "base/clock.h"
#include "control/alert/alert_api.h"
#include "control/alert/alert_view.h"
#include "control/cell.h"
#include "control/device/device_filter.h"

enum {
        DURATION_S_MIN = 60,
        DURATION_S_MAX = 30 * 86400,
        COMMENT_CHARS_MAX = 500,
};

/* ---- shapes ---- */

static const struct mu_field SILENCE_FIELDS[] = {
        MU_ALERT_FIELD("id", MU_FIELD_ID, "The silence."),
        MU_ALERT_FIELD_CHOICE("state", "active|upcoming|past", "As of now."),
        MU_ALERT_FIELD("created_at", MU_FIELD_TIME, "When it was made."),
        MU_ALERT_FIELD("created_by", MU_FIELD_TEXT, "Who made it."),
        MU_ALERT_FIELD("starts_at", MU_FIELD_TIME, "From then on."),
        MU_ALERT_FIELD("ends_at", MU_FIELD_TIME, "Until then."),
        MU_ALERT_FIELD_OR_NULL("device_id", MU_FIELD_ID, "null: any device."),
        MU_ALERT_FIELD_OR_NULL("device_alias", MU_FIELD_TEXT, "What people call the device."),
        MU_ALERT_FIELD_OR_NULL("rule", MU_FIELD_TEXT, "null: any rule."),
        MU_ALERT_FIELD_OR_NULL("tag", MU_FIELD_TEXT, "null: any tag."),
        MU_ALERT_FIELD_OR_NULL("site", MU_FIELD_TEXT, "null: any site."),
        MU_ALERT_FIELD("comment", MU_FIELD_TEXT, "Why."),
};
static const struct mu_shape SILENCE = MU_SHAPE("AlertSilence", SILENCE_FIELDS);

static const struct mu_field NEW_FIELDS[] = {
        {.name = "device_id", .type = MU_FIELD_ID, .doc = "Only this device."},
        {.name = "rule", .type = MU_FIELD_TEXT, .one_of = MU_ALERT_RULES, .doc = "Only this rule."},
        {.name = "tag",
         .type = MU_FIELD_TEXT,
         .least = 1,
         .most = MU_DEVICE_TAG_CHARS_MAX,
         .doc = "Only devices with this tag."},
        {.name = "site",
         .type = MU_FIELD_TEXT,
         .least = 1,
         .most = MU_DEVICE_SITE_CHARS_MAX,
         .doc = "Only devices at this site."},
        {.name = "all",
         .type = MU_FIELD_BOOLEAN,
         .doc = "true: everything, where none of the above is given."},
        {.name = "starts_at", .type = MU_FIELD_TIME, .doc = "Without it: now."},
        {.name = "ends_at", .type = MU_FIELD_TIME, .doc = "This or duration_s; 30 days at most."},
        {.name = "duration_s",
         .type = MU_FIELD_INTEGER,
         .least = DURATION_S_MIN,
         .most = DURATION_S_MAX,
         .doc = "This or ends_at: so long from starts_at on."},
        {.name = "comment",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_LINES,
         .least = 0,
         .most = COMMENT_CHARS_MAX,
         .doc = "Why."},
};
static const struct mu_shape NEW = MU_SHAPE("NewAlertSilence", NEW_FIELDS);

static const struct mu_field QUERY_FIELDS[] = {
        {.name = "state",
         .type = MU_FIELD_TEXT,
         .one_of = "active|upcoming|past|all",
         .doc = "Without it: active and upcoming ones."},
        MU_ALERT_PAGE_FIELDS,
};
static const struct mu_shape QUERY = MU_SHAPE("AlertSilenceQuery", QUERY_FIELDS);

static const struct mu_field LIST_FIELDS[] = {
        MU_ALERT_FIELD_LIST("silences", &SILENCE, "Newest first."),
        MU_ALERT_NEXT_CURSOR,
};
static const struct mu_shape LIST = MU_SHAPE("AlertSilences", LIST_FIELDS);

/* ---- statements ---- */

#define STATE                                                                                      \
        "CASE WHEN s.ends_at <= $1 THEN 'past' WHEN s.starts_at > $1 THEN 'upcoming'"              \
        " ELSE 'active' END"
#define SELECT                                                                                     \
        "SELECT s.id, " STATE ", s.created_at, s.created_by, s.starts_at, s.ends_at, s.device_id," \
        " d.alias, s.rule, s.tag, s.site, s.comment"                                               \
        " FROM alert_silences s LEFT JOIN devices d ON d.id = s.device_id"

static const struct mu_pg_statement LIST_SOME = {
        .name = "silence_list",
        .sql = SELECT " WHERE s.id < $3 AND CASE WHEN $2::text = 'all' THEN true"
                      " WHEN $2 IS NULL THEN s.ends_at > $1 ELSE " STATE
                      " = $2 END ORDER BY s.id DESC LIMIT $4",
        .params = {MU_PG_TIMESTAMPTZ, MU_PG_TEXT, MU_PG_INT8, MU_PG_INT8},
        .repeatable = true,
};
static const struct mu_pg_statement SHOW = {
        .name = "silence_show",
        .sql = SELECT " WHERE s.id = $2",
        .params = {MU_PG_TIMESTAMPTZ, MU_PG_INT8},
        .repeatable = true,
};
static const struct mu_pg_statement INSERT = {
        .name = "silence_insert",
        .sql = "INSERT INTO alert_silences (created_at, starts_at, ends_at, device_id, rule, tag,"
               " site, comment, created_by) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
               " RETURNING id",
        .params = {MU_PG_TIMESTAMPTZ, MU_PG_TIMESTAMPTZ, MU_PG_TIMESTAMPTZ, MU_PG_INT8, MU_PG_TEXT,
                   MU_PG_TEXT, MU_PG_TEXT, MU_PG_TEXT, MU_PG_TEXT},
};
/* One that has not begun never does: it begins and ends a moment from now that is over already. */
static const struct mu_pg_statement END = {
        .name = "silence_end",
        .sql = "UPDATE alert_silences SET ends_at = $2,"
               " starts_at = least(starts_at, $2 - interval '1 microsecond')"
               " WHERE id = $1 AND ends_at > $2",
        .params = {MU_PG_INT8, MU_PG_TIMESTAMPTZ},
};

static json_t *silence_json(const struct mu_pg_result *rows, size_t row)
{
        return mu_cell_fields(rows, row, 0, &SILENCE, MU_COUNT_OF(SILENCE_FIELDS));
}

/* ---- handlers ---- */

static void list_silences(struct mu_ask *ask)
{
        int64_t limit = mu_alert_limit(ask->query);
        struct mu_pg_result *rows;

        if (!mu_ask_query(ask, &LIST_SOME,
                          MU_PG_VALUES(mu_pg_timestamptz(mu_alert_now_us(ask)),
                                       mu_pg_text(mu_json_text(ask->query, "state")),
                                       mu_pg_int8(mu_alert_cursor(ask->query)),
                                       mu_pg_int8(limit + 1)),
                          &rows))
                return;
        mu_ask_reply(ask, 200, mu_alert_page(rows, limit, "silences", silence_json));
        mu_pg_result_free(rows);
}

struct span {
        int64_t from_us;
        int64_t to_us;
};

/* False: answered. */
static bool read_span(struct mu_ask *ask, int64_t now_us, struct span *span)
{
        const json_t *body = ask->body;
        bool has_end = mu_json_has(body, "ends_at");
        bool has_duration = mu_json_has(body, "duration_s");

        if (has_end == has_duration) {
                mu_call_problem(ask->call, 400, "field-missing", "ends_at",
                                "Say how long: either ends_at or duration_s.");
                return false;
        }
        span->from_us = mu_json_time_us(body, "starts_at", now_us);
        span->to_us =
                has_end ? mu_json_time_us(body, "ends_at", 0)
                        : span->from_us + mu_json_integer(body, "duration_s", 0) * MU_US_PER_S;
        if (span->to_us <= now_us || span->to_us <= span->from_us) {
                mu_call_problem(ask->call, 400, "field-invalid", "ends_at",
                                "A silence ends after it begins, and not in the past.");
                return false;
        }
        if (span->to_us - span->from_us <= DURATION_S_MAX * MU_US_PER_S)
                return true;
        mu_call_problem(ask->call, 400, "field-invalid", "ends_at",
                        "A silence lasts 30 days at most; to hear nothing for longer, switch the "
                        "rule off.");
        return false;
}

/* Whether it says what is silenced; false: answered. */
static bool read_matchers(struct mu_ask *ask)
{
        const json_t *body = ask->body;
        bool some = mu_json_has(body, "device_id") || mu_json_has(body, "rule") ||
                    mu_json_has(body, "tag") || mu_json_has(body, "site");
        bool all = mu_json_bool(body, "all", false);

        if (some && all)
                mu_call_problem(ask->call, 400, "field-invalid", "all",
                                "This says both everything and only a part; leave one out.");
        else if (!some && !all)
                mu_call_problem(ask->call, 400, "field-missing", "all",
                                "Say what is silenced: device_id, rule, tag or site, or \"all\": "
                                "true for everything.");
        return some != all;
}

static void reply(struct mu_ask *ask, int64_t id, int status)
{
        struct mu_pg_result *rows;

        if (!mu_ask_query(ask, &SHOW,
                          MU_PG_VALUES(mu_pg_timestamptz(mu_alert_now_us(ask)), mu_pg_int8(id)),
                          &rows))
                return;
        if (mu_pg_rows(rows) == 1)
                mu_ask_reply(ask, status, silence_json(rows, 0));
        else
                mu_ask_not_found(ask, "silence");
        mu_pg_result_free(rows);
}

static void create_silence(struct mu_ask *ask)
{
        const char *comment = mu_json_text(ask->body, "comment");
        int64_t device_id = mu_json_id(ask->body, "device_id");
        int64_t now_us = mu_alert_now_us(ask);
        struct mu_pg_result *rows;
        struct span span;

        if (!read_matchers(ask) || !read_span(ask, now_us, &span) ||
            (device_id > 0 && !mu_alert_require_device(ask, device_id)) ||
            !mu_ask_query(ask, &INSERT,
                          MU_PG_VALUES(mu_pg_timestamptz(now_us), mu_pg_timestamptz(span.from_us),
                                       mu_pg_timestamptz(span.to_us),
                                       mu_alert_id_or_null(ask->body, "device_id"),
                                       mu_pg_text(mu_json_text(ask->body, "rule")),
                                       mu_pg_text(mu_json_text(ask->body, "tag")),
                                       mu_pg_text(mu_json_text(ask->body, "site")),
                                       mu_pg_text(comment ? comment : ""), mu_pg_text(ask->actor)),
                          &rows))
                return;
        int64_t id = mu_pg_get_int(rows, 0, 0);

        mu_pg_result_free(rows);
        mu_alert_channels_changed(ask);
        if (mu_ask_audit(ask, "silence.create", "silence", id, NULL, json_deep_copy(ask->body)))
                reply(ask, id, 201);
}

static void end_silence(struct mu_ask *ask)
{
        int64_t now_us = mu_alert_now_us(ask);
        struct mu_pg_result *rows;
        int64_t id;

        if (!mu_ask_id(ask, "id", "silence", &id) ||
            !mu_ask_query(ask, &END, MU_PG_VALUES(mu_pg_int8(id), mu_pg_timestamptz(now_us)),
                          &rows))
                return;
        bool ended = mu_pg_affected(rows) == 1;

        mu_pg_result_free(rows);
        if (ended) {
                mu_alert_channels_changed(ask);
                if (!mu_ask_audit(ask, "silence.end", "silence", id, NULL, NULL))
                        return;
        }
        reply(ask, id, 200);
}

/* ---- the table ---- */

static const int NOT_FOUND[] = {404, 0};

static const struct mu_endpoint ROWS[] = {
        {.method = "GET",
         .path = "/admin/alert-silences",
         .handle = list_silences,
         .access = MU_ACCESS_VIEWER,
         .scope = "alerts:read",
         .flags = MU_ENDPOINT_ADMIN_KEY,
         .query = &QUERY,
         .reply_status = 200,
         .reply = &LIST,
         .operation_id = "listAlertSilences",
         .tag = "Silences",
         .summary = "Silences: active, upcoming, past"},
        {.method = "POST",
         .path = "/admin/alert-silences",
         .handle = create_silence,
         .access = MU_ACCESS_OPERATOR,
         .scope = "alerts:write",
         .flags = MU_ENDPOINT_ADMIN_KEY,
         .body = &NEW,
         .reply_status = 201,
         .reply = &SILENCE,
         .operation_id = "createAlertSilence",
         .tag = "Silences",
         .summary = "Tell nobody for a while",
         .doc = "What matches all that is given is recorded and shown, but not told. What still "
                "fires when the silence ends is told then.",
         .problems = NOT_FOUND},
        {.method = "DELETE",
         .path = "/admin/alert-silences/{id}",
         .handle = end_silence,
         .access = MU_ACCESS_OPERATOR,
         .scope = "alerts:write",
         .flags = MU_ENDPOINT_ADMIN_KEY,
         .reply_status = 200,
         .reply = &SILENCE,
         .operation_id = "endAlertSilence",
         .tag = "Silences",
         .summary = "End a silence now",
         .doc = "It stays in the list, as past.",
         .problems = NOT_FOUND},
};
const struct mu_endpoints mu_silence_endpoints = MU_ENDPOINTS(ROWS);
