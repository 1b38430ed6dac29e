/* SPDX-License-Identifier: Apache-2.0 */
#include "control/enroll/enrolment_token_api.h"

#include <errno.h>
#include <openssl/mem.h>

#include "base/clock.h"
#include "base/text.h"
#include "control/control.h"
#include "http/offload.h"
#include "identity/token.h"
#include "muster/wire.h"
#include "pg/query.h"
#include "wire/register.h"

enum {
        BODY_BYTES_MAX = 4096,
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

static const int REVOKE_PROBLEMS[] = {404, 0};

static const struct mu_endpoint rows[] = {
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
