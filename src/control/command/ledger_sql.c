/* SPDX-License-Identifier: Apache-2.0 */
#include "control/command/ledger_sql.h"

#define COLUMNS                                                                                    \
        "SELECT c.device_id, c.id, c.created_at, c.expires_at, c.last_sent_at, c.type, c.payload," \
        " d.fcm_token, c.attempt_count, d.hmac_key_version, c.state = 'sent'"
#define LIVE_DEVICE "d.deleted_at IS NULL AND d.quarantined_at IS NULL"
#define WAITING "state IN ('queued', 'sent') AND expires_at > now()"
/* What is out already comes first: a wipe that is confirmed late has a low id. */
#define IN_ORDER "ORDER BY (state = 'sent') DESC, id"

const struct mu_pg_statement mu_ledger_heads_sql = {
        .name = "command_heads",
        .sql = COLUMNS " FROM (SELECT DISTINCT unnest($1::bigint[]) AS id) asked"
                       " JOIN devices d ON d.id = asked.id AND " LIVE_DEVICE
                       " CROSS JOIN LATERAL (SELECT * FROM commands WHERE device_id = d.id"
                       "  AND " WAITING " " IN_ORDER " LIMIT 1) c ORDER BY c.device_id",
        .params = {MU_PG_INT8_ARRAY},
        .repeatable = true,
};

const struct mu_pg_statement mu_ledger_waiting_sql = {
        .name = "command_waiting",
        .sql = COLUMNS " FROM commands c JOIN devices d ON d.id = c.device_id AND " LIVE_DEVICE
                       " WHERE c.device_id = $1 AND c.state IN ('queued', 'sent')"
                       " AND c.expires_at > now()"
                       " ORDER BY (c.state = 'sent') DESC, c.id LIMIT $2",
        .params = {MU_PG_INT8, MU_PG_INT8},
        .repeatable = true,
};

/* Locked in the order of the key, so that two of these never wait for each other; what has changed
 * meanwhile is looked at again under the lock. */
#define ASKED                                                                                      \
        "WITH asked AS (SELECT DISTINCT * FROM unnest($1::bigint[], $2::bigint[])"                 \
        " AS a (device_id, id)), old AS (SELECT c.device_id, c.id, c.state, c.type FROM commands " \
        "c"                                                                                        \
        " JOIN asked USING (device_id, id)"
#define LOCKED " ORDER BY c.device_id, c.id FOR UPDATE OF c)"

const struct mu_pg_statement mu_ledger_mark_sent_sql = {
        .name = "command_mark_sent",
        .sql = ASKED " WHERE " WAITING LOCKED
                     ", marked AS (UPDATE commands c SET attempt_count = attempt_count + 1,"
                     "  state = CASE WHEN $4 THEN 'sent' ELSE c.state END,"
                     "  sent_at = CASE WHEN $4 THEN coalesce(c.sent_at, clock_timestamp())"
                     "   ELSE c.sent_at END,"
                     "  last_sent_at = CASE WHEN $4 THEN clock_timestamp()"
                     "   ELSE c.last_sent_at END,"
                     "  sent_path = CASE WHEN $4 THEN $3 ELSE c.sent_path END"
                     "  FROM old WHERE c.device_id = old.device_id AND c.id = old.id"
                     "  RETURNING c.device_id, c.id, c.attempt_count,"
                     "  $4 AND old.state = 'queued' AS first),"
                     " made AS (INSERT INTO command_attempts"
                     "  (device_id, command_id, number, path, status)"
                     "  SELECT device_id, id, attempt_count, $3,"
                     "   CASE $3 WHEN 'heartbeat' THEN 'sent' ELSE 'started' END FROM marked)"
                     " SELECT device_id, id, attempt_count, first FROM marked"
                     " ORDER BY device_id, id",
        .params = {MU_PG_INT8_ARRAY, MU_PG_INT8_ARRAY, MU_PG_TEXT, MU_PG_BOOL},
};

const struct mu_pg_statement mu_ledger_mark_received_sql = {
        .name = "command_mark_received",
        .sql = ASKED LOCKED
        ", moment AS (SELECT clock_timestamp() AS at),"
        " changed AS (UPDATE commands c SET state = 'received', received_at = at,"
        "  expires_at = greatest(expires_at, at + interval '1 day'),"
        "  first_path = coalesce($3, c.sent_path) FROM old, moment"
        "  WHERE c.device_id = old.device_id AND c.id = old.id"
        "  AND old.state IN ('queued', 'sent')"
        "  RETURNING c.device_id, c.id, c.first_path,"
        "  (extract(epoch FROM at - c.queued_at) * 1000000)::bigint AS since_queued,"
        "  (extract(epoch FROM at - c.sent_at) * 1000000)::bigint AS since_sent)"
        " SELECT old.device_id, old.id, CASE WHEN changed.id IS NULL THEN old.state"
        "  ELSE 'received' END, changed.id IS NOT NULL,"
        "  coalesce(since_queued, 0), coalesce(since_sent, -1), changed.first_path,"
        "  old.type"
        " FROM old LEFT JOIN changed USING (device_id, id) ORDER BY 1, 2",
        .params = {MU_PG_INT8_ARRAY, MU_PG_INT8_ARRAY, MU_PG_TEXT},
};

const struct mu_pg_statement mu_ledger_attempts_sql = {
        .name = "command_attempts_done",
        .sql = "UPDATE command_attempts a SET status = r.status, latency_us = r.latency_us,"
               " http_status = r.http_status, fcm_message_id = r.fcm_message_id, error = r.error,"
               " retry_at = timestamptz '1970-01-01 00:00:00+00'"
               "  + r.retry_at_us * interval '1 microsecond'"
               " FROM jsonb_to_recordset($1) AS r (device_id bigint, command_id bigint,"
               "  number integer, status text, latency_us bigint, retry_at_us bigint,"
               "  http_status integer, fcm_message_id text, error text)"
               " WHERE a.device_id = r.device_id AND a.command_id = r.command_id"
               " AND a.number = r.number",
        .params = {MU_PG_JSONB},
        .repeatable = true,
};

const struct mu_pg_statement mu_ledger_clear_fcm_token_sql = {
        .name = "device_clear_fcm_token",
        .sql = "UPDATE devices SET fcm_token = NULL WHERE id = $1 AND fcm_token = $2",
        .params = {MU_PG_INT8, MU_PG_TEXT},
        .repeatable = true,
};

const struct mu_pg_statement mu_ledger_pending_sql = {
        .name = "command_pending",
        .sql = "SELECT asked.id, CASE WHEN d.id IS NULL THEN 0 ELSE (SELECT count(*) FROM commands"
               "  WHERE device_id = asked.id AND " WAITING ") END"
               " FROM (SELECT DISTINCT unnest($1::bigint[]) AS id) asked"
               " LEFT JOIN devices d ON d.id = asked.id AND " LIVE_DEVICE,
        .params = {MU_PG_INT8_ARRAY},
        .repeatable = true,
};

const struct mu_pg_statement mu_ledger_pending_all_sql = {
        .name = "command_pending_all",
        .sql = "SELECT c.device_id, count(*) FROM commands c JOIN devices d ON d.id = c.device_id"
               " AND " LIVE_DEVICE " WHERE c.state IN ('queued', 'sent') AND c.expires_at > now()"
               " GROUP BY c.device_id",
        .repeatable = true,
};

const struct mu_pg_statement mu_ledger_expire_sql = {
        .name = "command_expire",
        .sql = "WITH due AS (SELECT device_id, id, state AS was FROM commands"
               "  WHERE state IN ('awaiting_confirmation', 'queued', 'sent', 'received')"
               "  AND expires_at <= now() ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED)"
               " UPDATE commands c SET state = 'expired', finished_at = clock_timestamp(),"
               "  error = CASE was WHEN 'awaiting_confirmation' THEN 'It was not confirmed in "
               "time.'"
               "   WHEN 'received' THEN 'The device received it and sent no result within a day.'"
               "   WHEN 'sent' THEN 'The device did not acknowledge it in time.'"
               "   ELSE 'It could not be brought to the device in time.' END"
               " FROM due WHERE c.device_id = due.device_id AND c.id = due.id"
               " RETURNING c.device_id, c.id, c.type",
        .params = {MU_PG_INT8},
        .repeatable = true,
};

const struct mu_pg_statement mu_ledger_cancel_devices_sql = {
        .name = "command_cancel_devices",
        .sql = "UPDATE commands SET state = 'cancelled', finished_at = clock_timestamp(),"
               " error = 'The device was deleted.' WHERE device_id = ANY ($1::bigint[])"
               " AND state IN ('awaiting_confirmation', 'queued', 'sent')",
        .params = {MU_PG_INT8_ARRAY},
        .repeatable = true,
};

const struct mu_pg_statement mu_ledger_forget_sql = {
        .name = "command_forget",
        /* By place: a join with so many unknown keys would read the whole table. */
        .sql = "DELETE FROM commands WHERE finished_at < $1 AND ctid = ANY (ARRAY("
               "SELECT ctid FROM commands WHERE finished_at < $1 ORDER BY finished_at LIMIT $2))",
        .params = {MU_PG_TIMESTAMPTZ, MU_PG_INT8},
        .repeatable = true,
};

const struct mu_pg_statement mu_ledger_forget_bulk_sql = {
        .name = "command_forget_bulk",
        .sql = "DELETE FROM bulk_commands WHERE id IN (SELECT b.id FROM bulk_commands b"
               " WHERE b.created_at < $1"
               " AND NOT EXISTS (SELECT FROM commands c WHERE c.bulk_id = b.id) LIMIT $2)",
        .params = {MU_PG_TIMESTAMPTZ, MU_PG_INT8},
        .repeatable = true,
};
