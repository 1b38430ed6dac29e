/* SPDX-License-Identifier: Apache-2.0 */
#include "control/command/result_sql.h"

const struct mu_pg_statement mu_result_find_sql = {
        .name = "result_find",
        .sql = "SELECT c.state, c.type,"
               " CASE WHEN c.type = 'rotate_key' THEN (c.payload::jsonb ->> 'version')::integer"
               "  ELSE 0 END,"
               " c.result_status IS NOT NULL, coalesce(c.result_sha256 = $3, false),"
               " d.hmac_key_version, coalesce(d.hmac_next_key_version, 0),"
               " CASE WHEN d.hmac_key_rotated_at > now() - interval '1 day'"
               "  THEN d.hmac_key_version - 1 ELSE 0 END"
               " FROM commands c JOIN devices d ON d.id = c.device_id"
               " WHERE c.device_id = $1 AND c.id = $2 FOR UPDATE OF c",
        .params = {MU_PG_INT8, MU_PG_INT8, MU_PG_BYTEA},
        .repeatable = true,
};

/* What is over stays as it is: the report is put beside it. */
const struct mu_pg_statement mu_result_store_sql = {
        .name = "result_store",
        .sql = "WITH old AS (SELECT device_id, id, clock_timestamp() AS at,"
               "  state IN ('queued', 'sent', 'received') AS live, received_at IS NULL AS first"
               "  FROM commands WHERE device_id = $1 AND id = $2)"
               " UPDATE commands c SET state = CASE WHEN live THEN $3 ELSE c.state END,"
               " finished_at = CASE WHEN live THEN at ELSE c.finished_at END,"
               " received_at = coalesce(c.received_at, at),"
               " first_path = coalesce(c.first_path, c.sent_path),"
               " result_status = $3, result_error = $4,"
               " result = $5, result_sha256 = $6, result_at = at, device_finished_at = $7"
               " FROM old WHERE c.device_id = old.device_id AND c.id = old.id"
               " RETURNING c.state, c.first_path,"
               " CASE WHEN first AND live"
               "  THEN (extract(epoch FROM at - c.queued_at) * 1000000)::bigint ELSE -1 END,"
               " CASE WHEN live THEN (extract(epoch FROM at - c.queued_at) * 1000000)::bigint"
               "  ELSE -1 END",
        .params = {MU_PG_INT8, MU_PG_INT8, MU_PG_TEXT, MU_PG_TEXT, MU_PG_JSONB, MU_PG_BYTEA,
                   MU_PG_TIMESTAMPTZ},
};

const struct mu_pg_statement mu_result_promote_key_sql = {
        .name = "result_promote_key",
        .sql = "WITH promoted AS (UPDATE devices SET hmac_key_version = hmac_next_key_version,"
               "  hmac_next_key_version = NULL, hmac_key_rotated_at = now()"
               "  WHERE id = $1 AND hmac_next_key_version = $2 RETURNING id)"
               " INSERT INTO audit_log (actor, action, subject, after)"
               " SELECT 'device:' || id, 'device.key_rotated', 'device:' || id,"
               "  jsonb_build_object('version', $2) FROM promoted",
        .params = {MU_PG_INT8, MU_PG_INT4},
};
