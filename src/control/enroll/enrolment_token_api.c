/* SPDX-License-Identifier: Apache-2.0 */
#include "control/enroll/enrolment_token_api.h"

#include <errno.h>
#include <openssl/mem.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "control/cell.h"
#include "control/control.h"
#include "http/offload.h"
#include "identity/token.h"
#include "muster/wire.h"
#include "pg/query.h"
#include "wire/register.h"

enum {
        BODY_BYTES_MAX = 4096,
        LIST_DEFAULT = 100,
        LIST_MAX = 500,
};

static const struct mu_pg_statement INSERT_TOKEN = {
        .name = "enrolment_token_insert",
        .sql = "WITH token AS (INSERT INTO enrolment_tokens"
               "  (token_sha256, max_uses, expires_at, note) VALUES ($1, $2, $3, $4) RETURNING id),"
               " audit AS (INSERT INTO audit_log (actor, action, subject, address, after)"
               "  SELECT $6, 'enrolment_token.create', 'enrolment-token:' || id, $5,"
               "  jsonb_build_object('max_uses', $2::int, 'expires_at', $3::timestamptz,"
               "  'note', $4::text) FROM token)"
               " SELECT id FROM token",
        .params = {MU_PG_BYTEA, MU_PG_INT4, MU_PG_TIMESTAMPTZ, MU_PG_TEXT, MU_PG_TEXT, MU_PG_TEXT},
};

static const struct mu_pg_statement REVOKE_TOKEN = {
        .name = "enrolment_token_revoke",
        .sql = "WITH token AS (UPDATE enrolment_tokens SET revoked_at = now()"
               "  WHERE id = $1 AND revoked_at IS NULL RETURNING id),"
               " audit AS (INSERT INTO audit_log (actor, action, subject, address)"
               "  SELECT $3, 'enrolment_token.revoke', 'enrolment-token:' || id, $2"
               "  FROM token)"
               " SELECT count(*) FROM enrolment_tokens WHERE id = $1",
        .params = {MU_PG_INT8, MU_PG_TEXT, MU_PG_TEXT},
        .repeatable = true,
};

#define IS_OPEN "t.revoked_at IS NULL AND t.uses < t.max_uses AND t.expires_at > now()"

/* Newest first; $1 the last id of the page before, $3 those alone that still let devices in. */
static const struct mu_pg_statement LIST_TOKENS = {
        .name = "enrolment_token_list",
        .sql = "SELECT t.id, t.note, t.max_uses, t.uses, t.created_at, t.expires_at, t.revoked_at,"
               " use.used_at, use.device_id FROM enrolment_tokens t"
               " LEFT JOIN LATERAL (SELECT used_at, device_id FROM enrolment_token_uses"
               "  WHERE token_id = t.id ORDER BY used_at DESC LIMIT 1) use ON true"
               " WHERE ($1::bigint IS NULL OR t.id < $1) AND (NOT $3 OR (" IS_OPEN "))"
               " ORDER BY t.id DESC LIMIT $2",
        .params = {MU_PG_INT8, MU_PG_INT8, MU_PG_BOOL},
        .repeatable = true,
};

static const struct mu_pg_statement COUNT_TOKENS = {
        .name = "enrolment_token_count",
        .sql = "SELECT count(*), count(*) FILTER (WHERE " IS_OPEN ") FROM enrolment_tokens t",
        .repeatable = true,
};

static void reply_created(struct mu_call *call, int64_t id, const char *token,
                          const struct mu_enrolment_request *request)
{
        struct mu_text text;

        mu_text_init(&text);
        mu_text_add_format(&text,
                           "{\"id\":\"%lld\",\"token\":\"%s\",\"max_uses\":%u,"
                           "\"expires_in_s\":%u}",
                           (long long)id, token, request->max_uses, request->expires_in_s);
        mu_call_reply_text(call, 201, MU_CONTENT_TYPE_JSON, &text);
}

static void insert(struct mu_ask *ask, const struct mu_enrolment_request *request)
{
        char token[MU_TOKEN_BYTES];
        struct mu_digest digest;
        struct mu_pg_result *rows;
        int64_t expires_at_us = mu_clock_realtime_us(ask->control->config.clock) +
                                (int64_t)request->expires_in_s * MU_US_PER_S;
        int error = mu_token_generate("me_", token);

        if (error < 0) {
                mu_ask_failed(ask, error);
                return;
        }
        mu_token_digest(token, MU_TOKEN_CHARS, &digest);
        if (mu_ask_query(ask, &INSERT_TOKEN,
                         MU_PG_VALUES(mu_pg_bytea(digest.bytes, sizeof(digest.bytes)),
                                      mu_pg_int4((int32_t)request->max_uses),
                                      mu_pg_timestamptz(expires_at_us),
                                      mu_pg_text(*request->note ? request->note : NULL),
                                      mu_pg_text(ask->address), mu_pg_text(ask->actor)),
                         &rows)) {
                reply_created(ask->call, mu_pg_get_int(rows, 0, 0), token, request);
                mu_pg_result_free(rows);
        }
        OPENSSL_cleanse(token, sizeof(token));
}

static void create_token(struct mu_ask *ask)
{
        struct mu_enrolment_request request;
        struct mu_request_problem problem;
        struct mu_slice body = mu_call_body(ask->call);
        int error = mu_decode_enrolment(body.data, body.bytes, &request, &problem);

        if (error == -EBADMSG)
                mu_call_problem(ask->call, problem.status, problem.type,
                                *problem.field ? problem.field : NULL, "%s", problem.detail);
        else if (error < 0)
                mu_ask_failed(ask, error);
        else
                insert(ask, &request);
}

/* ---- listing ---- */

static json_t *token_json(const struct mu_pg_result *rows, size_t row)
{
        return json_pack("{s:o, s:o, s:I, s:I, s:o, s:o, s:o, s:o, s:o}", "id",
                         mu_json_of_id(mu_pg_get_int(rows, row, 0)), "note",
                         mu_cell_text(rows, row, 1), "max_uses",
                         (json_int_t)mu_pg_get_int(rows, row, 2), "uses",
                         (json_int_t)mu_pg_get_int(rows, row, 3), "created_at",
                         mu_cell_time(rows, row, 4), "expires_at", mu_cell_time(rows, row, 5),
                         "revoked_at", mu_cell_time(rows, row, 6), "last_used_at",
                         mu_cell_time(rows, row, 7), "last_device_id", mu_cell_id(rows, row, 8));
}

static json_t *door_json(const struct mu_control_config *config)
{
        struct mu_agent_door door = {0};

        if (!config->agent_door)
                return json_null();
        config->agent_door(config->ctx, &door);
        return json_pack("{s:i, s:s, s:b}", "https_port", (int)door.https_port, "tls_pin",
                         door.tls_pin, "self_signed", (int)door.self_signed);
}

/* NULL without memory; *ret_next: the last id if there are more than limit. */
static json_t *page_json(const struct mu_pg_result *rows, size_t limit, json_t **ret_next)
{
        size_t count = mu_pg_rows(rows);
        bool is_more = count > limit;
        json_t *list = json_array();
        bool whole = list != NULL;

        if (is_more)
                count = limit;
        for (size_t i = 0; whole && i < count; i++)
                whole = json_array_append_new(list, token_json(rows, i)) == 0;
        *ret_next = is_more ? mu_json_of_id(mu_pg_get_int(rows, count - 1, 0)) : json_null();
        if (whole)
                return list;
        json_decref(list);
        return NULL;
}

static void list_tokens(struct mu_ask *ask)
{
        int64_t limit = mu_json_integer(ask->query, "limit", LIST_DEFAULT);
        int64_t before = mu_json_id(ask->query, "before");
        const char *state = mu_json_text(ask->query, "state");
        bool open_only = state && strcmp(state, "open") == 0;
        struct mu_pg_result *counts;
        struct mu_pg_result *rows;

        if (!mu_ask_query(ask, &COUNT_TOKENS, MU_PG_VALUES(), &counts))
                return;
        int64_t count = mu_pg_get_int(counts, 0, 0);
        int64_t open_count = mu_pg_get_int(counts, 0, 1);

        mu_pg_result_free(counts);
        if (!mu_ask_query(ask, &LIST_TOKENS,
                          MU_PG_VALUES(before ? mu_pg_int8(before) : mu_pg_null(MU_PG_INT8),
                                       mu_pg_int8(limit + 1), mu_pg_bool(open_only)),
                          &rows))
                return;
        json_t *next;
        json_t *list = page_json(rows, (size_t)limit, &next);

        mu_pg_result_free(rows);
        mu_ask_reply(ask, 200,
                     json_pack("{s:o, s:o, s:I, s:I, s:o}", "tokens", list, "next_before", next,
                               "count", (json_int_t)count, "open_count", (json_int_t)open_count,
                               "server", door_json(&ask->control->config)));
}

/* ---- revoking ---- */

static void revoke_token(struct mu_ask *ask)
{
        struct mu_pg_result *rows;
        int64_t id;

        if (!mu_ask_id(ask, "id", "enrolment token", &id) ||
            !mu_ask_query(
                    ask, &REVOKE_TOKEN,
                    MU_PG_VALUES(mu_pg_int8(id), mu_pg_text(ask->address), mu_pg_text(ask->actor)),
                    &rows))
                return;
        if (mu_pg_get_int(rows, 0, 0) == 1)
                mu_ask_reply_empty(ask, 204);
        else
                mu_ask_not_found(ask, "enrolment token");
        mu_pg_result_free(rows);
}

/* ---- the table ---- */

static const struct mu_field REQUEST_FIELDS[] = {
        {.name = "max_uses",
         .type = MU_FIELD_INTEGER,
         .least = 1,
         .most = MU_ENROLMENT_USES_MAX,
         .doc = "How many devices it lets in; 1 unless said otherwise."},
        {.name = "expires_in_s",
         .type = MU_FIELD_INTEGER,
         .least = MU_ENROLMENT_EXPIRES_S_MIN,
         .most = MU_ENROLMENT_EXPIRES_S_MAX,
         .doc = "For how long; a day unless said otherwise."},
        {.name = "note",
         .type = MU_FIELD_TEXT,
         .least = 1,
         .most = MU_NOTE_CHARS_MAX,
         .doc = "What it is for."},
};
static const struct mu_shape REQUEST = MU_SHAPE("EnrolmentTokenRequest", REQUEST_FIELDS);

static const struct mu_field REPLY_FIELDS[] = {
        {.name = "id",
         .type = MU_FIELD_ID,
         .flags = MU_FIELD_REQUIRED,
         .doc = "Names it, for revoking."},
        {.name = "token",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED | MU_FIELD_SECRET,
         .doc = "What goes into X-Enrolment-Token."},
        {.name = "max_uses",
         .type = MU_FIELD_INTEGER,
         .flags = MU_FIELD_REQUIRED,
         .doc = "How many devices it lets in."},
        {.name = "expires_in_s",
         .type = MU_FIELD_INTEGER,
         .flags = MU_FIELD_REQUIRED,
         .doc = "For how long."},
};
static const struct mu_shape REPLY = MU_SHAPE("EnrolmentToken", REPLY_FIELDS);

static const struct mu_field QUERY_FIELDS[] = {
        {.name = "state",
         .type = MU_FIELD_TEXT,
         .one_of = "open|all",
         .doc = "open: those alone that still let devices in; all unless said otherwise."},
        {.name = "before", .type = MU_FIELD_ID, .doc = "The next_before of the page before."},
        {.name = "limit",
         .type = MU_FIELD_INTEGER,
         .least = 1,
         .most = LIST_MAX,
         .doc = "Most tokens in the answer; 100."},
};
static const struct mu_shape QUERY = MU_SHAPE("EnrolmentTokenQuery", QUERY_FIELDS);

static const struct mu_field LISTED_FIELDS[] = {
        {.name = "id", .type = MU_FIELD_ID, .flags = MU_FIELD_REQUIRED, .doc = "Names it."},
        {.name = "note",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED | MU_FIELD_NULLABLE,
         .doc = "What it is for."},
        {.name = "max_uses",
         .type = MU_FIELD_INTEGER,
         .flags = MU_FIELD_REQUIRED,
         .doc = "How many devices it lets in."},
        {.name = "uses",
         .type = MU_FIELD_INTEGER,
         .flags = MU_FIELD_REQUIRED,
         .doc = "How many it has let in."},
        {.name = "created_at",
         .type = MU_FIELD_TIME,
         .flags = MU_FIELD_REQUIRED,
         .doc = "When it was made."},
        {.name = "expires_at",
         .type = MU_FIELD_TIME,
         .flags = MU_FIELD_REQUIRED,
         .doc = "When it ends."},
        {.name = "revoked_at",
         .type = MU_FIELD_TIME,
         .flags = MU_FIELD_REQUIRED | MU_FIELD_NULLABLE,
         .doc = "Since when it is not valid any more; null: it was not revoked."},
        {.name = "last_used_at",
         .type = MU_FIELD_TIME,
         .flags = MU_FIELD_REQUIRED | MU_FIELD_NULLABLE,
         .doc = "When it let the last device in; null: none yet."},
        {.name = "last_device_id",
         .type = MU_FIELD_ID,
         .flags = MU_FIELD_REQUIRED | MU_FIELD_NULLABLE,
         .doc = "Which device that was."},
};
static const struct mu_shape LISTED = MU_SHAPE("EnrolmentTokenListed", LISTED_FIELDS);

static const struct mu_field DOOR_FIELDS[] = {
        {.name = "https_port",
         .type = MU_FIELD_INTEGER,
         .flags = MU_FIELD_REQUIRED,
         .doc = "Where the appliance listens; a proxy in between may have another."},
        {.name = "tls_pin",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED,
         .doc = "The hash of the certificate's public key, for an agent's --pin."},
        {.name = "self_signed",
         .type = MU_FIELD_BOOLEAN,
         .flags = MU_FIELD_REQUIRED,
         .doc = "No authority vouches for the certificate: agents need the pin."},
};
static const struct mu_shape DOOR = MU_SHAPE("AgentDoor", DOOR_FIELDS);

static const struct mu_field LIST_FIELDS[] = {
        {.name = "tokens",
         .type = MU_FIELD_LIST,
         .flags = MU_FIELD_REQUIRED,
         .shape = &LISTED,
         .doc = "Newest first."},
        {.name = "next_before",
         .type = MU_FIELD_ID,
         .flags = MU_FIELD_REQUIRED | MU_FIELD_NULLABLE,
         .doc = "There are more: ask again with this as before."},
        {.name = "count",
         .type = MU_FIELD_INTEGER,
         .flags = MU_FIELD_REQUIRED,
         .doc = "How many there are, whatever the query."},
        {.name = "open_count",
         .type = MU_FIELD_INTEGER,
         .flags = MU_FIELD_REQUIRED,
         .doc = "How many of them still let devices in."},
        {.name = "server",
         .type = MU_FIELD_OBJECT,
         .flags = MU_FIELD_REQUIRED | MU_FIELD_NULLABLE,
         .shape = &DOOR,
         .doc = "How agents reach the appliance and know it."},
};
static const struct mu_shape LIST = MU_SHAPE("EnrolmentTokens", LIST_FIELDS);

static const int REVOKE_PROBLEMS[] = {404, 0};

static const struct mu_endpoint rows[] = {
        {.method = "GET",
         .path = MU_PATH_ENROLMENT_TOKENS,
         .handle = list_tokens,
         .access = MU_ACCESS_OPERATOR,
         .scope = "enrolment:read",
         .flags = MU_ENDPOINT_ADMIN_KEY,
         .query = &QUERY,
         .reply_status = 200,
         .reply = &LIST,
         .operation_id = "listEnrolmentTokens",
         .tag = "Enrolment",
         .summary = "Tokens that let devices in, and how agents reach the appliance",
         .doc = "Tokens stay listed for a while after their end."},
        {.method = "POST",
         .path = MU_PATH_ENROLMENT_TOKENS,
         .handle = create_token,
         .access = MU_ACCESS_OPERATOR,
         .scope = "enrolment:write",
         .flags = MU_ENDPOINT_ADMIN_KEY | MU_ENDPOINT_RAW_BODY,
         .body_bytes_max = BODY_BYTES_MAX,
         .body = &REQUEST,
         .reply_status = 201,
         .reply = &REPLY,
         .operation_id = "createEnrolmentToken",
         .tag = "Enrolment",
         .summary = "Make a token that lets devices in"},
        {.method = "DELETE",
         .path = MU_PATH_ENROLMENT_TOKENS "/{id}",
         .handle = revoke_token,
         .access = MU_ACCESS_OPERATOR,
         .scope = "enrolment:write",
         .flags = MU_ENDPOINT_ADMIN_KEY,
         .reply_status = 204,
         .operation_id = "revokeEnrolmentToken",
         .tag = "Enrolment",
         .summary = "Revoke a token; devices that it let in stay",
         .problems = REVOKE_PROBLEMS},
};

const struct mu_endpoints mu_enrolment_token_endpoints = MU_ENDPOINTS(rows);
