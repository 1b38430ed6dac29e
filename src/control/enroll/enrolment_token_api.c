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
               "  SELECT 'admin-key', 'enrolment_token.create', 'enrolment-token:' || id, $5,"
               "  jsonb_build_object('max_uses', $2::int, 'expires_at', $3::timestamptz,"
               "  'note', $4::text) FROM token)"
               " SELECT id FROM token",
        .params = {MU_PG_BYTEA, MU_PG_INT4, MU_PG_TIMESTAMPTZ, MU_PG_TEXT, MU_PG_TEXT},
};

static const struct mu_pg_statement REVOKE_TOKEN = {
        .name = "enrolment_token_revoke",
        .sql = "WITH token AS (UPDATE enrolment_tokens SET revoked_at = now()"
               "  WHERE id = $1 AND revoked_at IS NULL RETURNING id),"
               " audit AS (INSERT INTO audit_log (actor, action, subject, address)"
               "  SELECT 'admin-key', 'enrolment_token.revoke', 'enrolment-token:' || id, $2"
               "  FROM token)"
               " SELECT count(*) FROM enrolment_tokens WHERE id = $1",
        .params = {MU_PG_INT8, MU_PG_TEXT},
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

static void insert(struct mu_control *control, struct mu_call *call,
                   const struct mu_enrolment_request *request)
{
        char token[MU_TOKEN_BYTES];
        char address[MU_ADDRESS_TEXT_BYTES];
        struct mu_digest digest;
        struct mu_pg_result *rows;
        struct mu_pg *pg = mu_control_borrow(control, call);
        int64_t expires_at_us = mu_clock_realtime_us(control->config.clock) +
                                (int64_t)request->expires_in_s * MU_US_PER_S;

        if (!pg)
                return;
        mu_address_format(mu_call_address(call), address);
        int error = mu_token_generate("me_", token);

        if (error == 0) {
                mu_token_digest(token, MU_TOKEN_CHARS, &digest);
                error = mu_pg_query(pg, &INSERT_TOKEN,
                                    MU_PG_VALUES(mu_pg_bytea(digest.bytes, sizeof(digest.bytes)),
                                                 mu_pg_int4((int32_t)request->max_uses),
                                                 mu_pg_timestamptz(expires_at_us),
                                                 mu_pg_text(*request->note ? request->note : NULL),
                                                 mu_pg_text(address)),
                                    &rows);
        }
        if (error < 0) {
                mu_control_failed(control, call, pg, error);
        } else {
                reply_created(call, mu_pg_get_int(rows, 0, 0), token, request);
                mu_pg_result_free(rows);
        }
        mu_control_give_back(control, pg);
        OPENSSL_cleanse(token, sizeof(token));
}

static void create_token(struct mu_call *call, void *state, void *ctx)
{
        struct mu_control *control = ctx;
        struct mu_enrolment_request request;
        struct mu_request_problem problem;
        struct mu_slice body = mu_call_body(call);

        (void)state;
        if (!mu_control_require_admin_key(control, call))
                return;
        int error = mu_decode_enrolment(body.data, body.bytes, &request, &problem);

        if (error == -EBADMSG)
                mu_call_problem(call, problem.status, problem.type,
                                *problem.field ? problem.field : NULL, "%s", problem.detail);
        else if (error < 0)
                mu_control_failed(control, call, NULL, error);
        else
                insert(control, call, &request);
}

static void revoke_token(struct mu_call *call, void *state, void *ctx)
{
        struct mu_control *control = ctx;
        char address[MU_ADDRESS_TEXT_BYTES];
        struct mu_pg_result *rows;
        int64_t id;

        (void)state;
        if (!mu_control_require_admin_key(control, call) ||
            !mu_control_id_param(call, "id", "enrolment token", &id))
                return;
        struct mu_pg *pg = mu_control_borrow(control, call);

        if (!pg)
                return;
        mu_address_format(mu_call_address(call), address);
        int error = mu_pg_query(pg, &REVOKE_TOKEN,
                                MU_PG_VALUES(mu_pg_int8(id), mu_pg_text(address)), &rows);

        if (error < 0) {
                mu_control_failed(control, call, pg, error);
        } else {
                if (mu_pg_get_int(rows, 0, 0) == 1)
                        mu_call_reply_empty(call, 204);
                else
                        mu_call_problem(call, 404, "not-found", "id",
                                        "There is no enrolment token %lld.", (long long)id);
                mu_pg_result_free(rows);
        }
        mu_control_give_back(control, pg);
}

static const struct mu_route routes[] = {
        {.method = "POST",
         .path = MU_PATH_ENROLMENT_TOKENS,
         .work = create_token,
         .flags = MU_ROUTE_CONTROL,
         .body_bytes_max = BODY_BYTES_MAX,
         .auth = MU_AUTH_ADMIN_KEY,
         .operation_id = "createEnrolmentToken"},
        {.method = "DELETE",
         .path = MU_PATH_ENROLMENT_TOKENS "/{id}",
         .work = revoke_token,
         .flags = MU_ROUTE_CONTROL,
         .auth = MU_AUTH_ADMIN_KEY,
         .operation_id = "revokeEnrolmentToken"},
};

const struct mu_route *const mu_enrolment_token_routes = routes;
const size_t mu_enrolment_token_route_count = MU_COUNT_OF(routes);
