/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/keeper_sql.h"

const struct mu_pg_statement mu_keeper_one_moment = {
        .name = "keeper_one_moment",
        .sql = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
};

const struct mu_pg_statement mu_keeper_list_devices = {
        .name = "keeper_list_devices",
        .sql = "SELECT id, deleted_at IS NOT NULL, quarantined_at IS NOT NULL,"
               " first_seen_at IS NOT NULL, coalesce(heartbeat_interval_s, 0), clock_offset_s,"
               " kind = 'desktop'"
               " FROM devices",
        .repeatable = true,
};

const struct mu_pg_statement mu_keeper_list_tokens = {
        .name = "keeper_list_tokens",
        .sql = "SELECT device_id, generation, token_sha256, first_used_at IS NOT NULL,"
               " revoked_at IS NOT NULL FROM device_tokens ORDER BY device_id, generation",
        .repeatable = true,
};

const struct mu_pg_statement mu_keeper_checkpoint = {
        .name = "keeper_checkpoint",
        .sql = "SELECT coalesce((SELECT seq FROM ingest_checkpoint WHERE journal_id = $1), 0)",
        .params = {MU_PG_BYTEA},
        .repeatable = true,
};

const struct mu_pg_statement mu_keeper_raise_ids = {
        .name = "keeper_raise_ids",
        .sql = "SELECT setval('devices_id_seq', $1)"
               " WHERE $1 >= (SELECT last_value FROM devices_id_seq)",
        .params = {MU_PG_INT8},
        .repeatable = true,
};

const struct mu_pg_statement mu_keeper_put_back_devices = {
        .name = "keeper_put_back_devices",
        .sql = "INSERT INTO devices (id, alias, kind, enrolled_by, first_seen_at, deleted_at)"
               " SELECT id, 'restored-' || id, CASE kind WHEN 1 THEN 'desktop' ELSE 'android' END,"
               " 'snapshot', CASE seen WHEN 1 THEN now() END, CASE deleted WHEN 1 THEN now() END"
               " FROM unnest($1, $2, $3, $4) AS given (id, kind, seen, deleted)"
               " ON CONFLICT (id) DO NOTHING",
        .params = {MU_PG_INT8_ARRAY, MU_PG_INT4_ARRAY, MU_PG_INT4_ARRAY, MU_PG_INT4_ARRAY},
        .repeatable = true,
};

const struct mu_pg_statement mu_keeper_put_back_tokens = {
        .name = "keeper_put_back_tokens",
        .sql = "INSERT INTO device_tokens (device_id, generation, token_sha256, first_used_at)"
               " SELECT id, generation, digest, CASE used WHEN 1 THEN now() END"
               " FROM unnest($1, $2, $3, $4) AS given (id, generation, digest, used)"
               " ON CONFLICT DO NOTHING",
        .params = {MU_PG_INT8_ARRAY, MU_PG_INT4_ARRAY, MU_PG_BYTEA_ARRAY, MU_PG_INT4_ARRAY},
        .repeatable = true,
};

const struct mu_pg_statement mu_keeper_delete_again = {
        .name = "keeper_delete_again",
        .sql = "UPDATE devices SET deleted_at = now() WHERE id = ANY ($1) AND deleted_at IS NULL",
        .params = {MU_PG_INT8_ARRAY},
        .repeatable = true,
};

const struct mu_pg_statement mu_keeper_first_seen = {
        .name = "keeper_first_seen",
        .sql = "UPDATE devices SET first_seen_at = now()"
               " WHERE id = ANY ($1) AND first_seen_at IS NULL",
        .params = {MU_PG_INT8_ARRAY},
        .repeatable = true,
};

const struct mu_pg_statement mu_keeper_tokens_used = {
        .name = "keeper_tokens_used",
        .sql = "UPDATE device_tokens t SET"
               " first_used_at = CASE WHEN t.generation = given.generation"
               "  THEN coalesce(t.first_used_at, now()) ELSE t.first_used_at END,"
               " revoked_at = CASE WHEN t.generation < given.generation THEN now() END"
               " FROM unnest($1, $2) AS given (id, generation)"
               " WHERE t.device_id = given.id AND t.revoked_at IS NULL"
               " AND (t.generation < given.generation"
               "  OR t.generation = given.generation AND t.first_used_at IS NULL)",
        .params = {MU_PG_INT8_ARRAY, MU_PG_INT4_ARRAY},
        .repeatable = true,
};

const struct mu_pg_statement mu_keeper_clock_offsets = {
        .name = "keeper_clock_offsets",
        .sql = "UPDATE devices d SET clock_offset_s = given.offset_s"
               " FROM unnest($1, $2) AS given (id, offset_s) WHERE d.id = given.id",
        .params = {MU_PG_INT8_ARRAY, MU_PG_INT4_ARRAY},
        .repeatable = true,
};

const struct mu_pg_statement mu_keeper_quarantined = {
        .name = "keeper_quarantined",
        .sql = "WITH changed AS (UPDATE devices SET quarantined_at = now()"
               " WHERE id = ANY ($1) AND quarantined_at IS NULL RETURNING id)"
               " INSERT INTO audit_log (actor, action, subject)"
               " SELECT 'ingest', 'device.quarantine', 'device:' || id FROM changed",
        .params = {MU_PG_INT8_ARRAY},
        .repeatable = true,
};
