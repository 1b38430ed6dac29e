/* SPDX-License-Identifier: Apache-2.0 */
#include "control/enroll/register_sql.h"

/* Device, first token and audit entry in one statement: a fleet enrols by the thousand. */
const struct mu_pg_statement mu_register_insert_device = {
        .name = "register_insert_device",
        .sql = "WITH device AS (INSERT INTO devices"
               "  (alias, kind, hardware_id, agent_version, fcm_token, enrolled_by)"
               "  VALUES ($1, $2, $3, $4, $5, $6) RETURNING id, hmac_key_version),"
               " token AS (INSERT INTO device_tokens (device_id, generation, token_sha256)"
               "  SELECT id, 1, $7 FROM device),"
               " audit AS (INSERT INTO audit_log (actor, action, subject, address, after)"
               "  SELECT $6, 'device.register', 'device:' || id, $8,"
               "  jsonb_build_object('alias', $1::text, 'kind', $2::text, 'hardware_id', $3::text)"
               "  FROM device)"
               " SELECT id, hmac_key_version FROM device",
        .params = {MU_PG_TEXT, MU_PG_TEXT, MU_PG_TEXT, MU_PG_TEXT, MU_PG_TEXT, MU_PG_TEXT,
                   MU_PG_BYTEA, MU_PG_TEXT},
};

const struct mu_pg_statement mu_register_find_hardware = {
        .name = "register_find_hardware",
        .sql = "SELECT id, first_seen_at IS NOT NULL, coalesce(heartbeat_interval_s, 0),"
               " hmac_key_version, coalesce(takeover_until > now(), false) FROM devices"
               " WHERE hardware_id = $1 AND deleted_at IS NULL FOR UPDATE",
        .params = {MU_PG_TEXT},
};

const struct mu_pg_statement mu_register_add_token = {
        .name = "register_add_token",
        .sql = "WITH device AS (UPDATE devices SET alias = $2, kind = $3,"
               "  agent_version = coalesce($4, agent_version), fcm_token = coalesce($5, fcm_token),"
               "  takeover_until = NULL"
               "  WHERE id = $1 RETURNING id),"
               " token AS (INSERT INTO device_tokens (device_id, generation, token_sha256)"
               "  SELECT $1, 1 + max(generation), $7 FROM device_tokens WHERE device_id = $1"
               "  RETURNING generation),"
               " audit AS (INSERT INTO audit_log (actor, action, subject, address, after)"
               "  SELECT $6, 'device.register_again', 'device:' || id, $8,"
               "  jsonb_build_object('alias', $2::text, 'kind', $3::text) FROM device)"
               " SELECT generation FROM token",
        .params = {MU_PG_INT8, MU_PG_TEXT, MU_PG_TEXT, MU_PG_TEXT, MU_PG_TEXT, MU_PG_TEXT,
                   MU_PG_BYTEA, MU_PG_TEXT},
};

const struct mu_pg_statement mu_register_lock_enrolment = {
        .name = "register_lock_enrolment",
        .sql = "SELECT id, expires_at <= now(), revoked_at IS NOT NULL, uses >= max_uses"
               " FROM enrolment_tokens WHERE token_sha256 = $1 FOR UPDATE",
        .params = {MU_PG_BYTEA},
};

const struct mu_pg_statement mu_register_use_enrolment = {
        .name = "register_use_enrolment",
        .sql = "WITH used AS (UPDATE enrolment_tokens SET uses = uses + 1 WHERE id = $1)"
               " INSERT INTO enrolment_token_uses (device_id, token_id, hardware_id)"
               " VALUES ($2, $1, $3) ON CONFLICT (device_id, token_id) DO NOTHING",
        .params = {MU_PG_INT8, MU_PG_INT8, MU_PG_TEXT},
};

const struct mu_pg_statement mu_register_was_enrolled_by = {
        .name = "register_was_enrolled_by",
        .sql = "SELECT 1 FROM enrolment_token_uses WHERE token_id = $1 AND device_id = $2",
        .params = {MU_PG_INT8, MU_PG_INT8},
        .repeatable = true,
};
