/* SPDX-License-Identifier: Apache-2.0 */
#include "control/command/command_sql.h"

#include "control/command/command_view.h"

/* An agent says what more it can do in its heartbeats: "capabilities":["raw"]. */
#define DECLARES_RAW                                                                               \
        "EXISTS (SELECT FROM device_last_status s WHERE s.device_id = d.id"                        \
        " AND s.extra -> 'capabilities' @> '[\"raw\"]')"

/* What waits for a device is bounded. */
#define WAITING_COUNT                                                                              \
        "(SELECT count(*) FROM commands w WHERE w.device_id = d.id"                                \
        " AND w.state IN ('queued', 'sent'))"

#define INSERT_FOR(members)                                                                        \
        "WITH target AS (SELECT d.id, d.quarantined_at IS NOT NULL AS withheld FROM " members      \
        "  WHERE d.deleted_at IS NULL AND (NOT $7 OR " DECLARES_RAW ")"                            \
        "  AND " WAITING_COUNT " < $9),"                                                           \
        " made AS (INSERT INTO commands (type, payload, ttl_s, state, queued_at, expires_at,"      \
        "  created_by, bulk_id, device_id)"                                                        \
        "  SELECT $1, $2, $3, CASE WHEN $4 > 0 THEN 'awaiting_confirmation' ELSE 'queued' END,"    \
        "  CASE WHEN $4 > 0 THEN NULL ELSE now() END,"                                             \
        "  now() + make_interval(secs => CASE WHEN $4 > 0 THEN $4 ELSE $3 END),"                   \
        "  $5, $6, id FROM target ORDER BY id RETURNING device_id, id)"                            \
        " SELECT m.device_id, m.id, t.withheld FROM made m JOIN target t ON t.id = m.device_id"

const struct mu_pg_statement mu_command_insert_listed_sql = {
        .name = "command_insert_listed",
        .sql = INSERT_FOR("(SELECT DISTINCT unnest($8::bigint[]) AS id) asked"
                          " JOIN devices d USING (id)"),
        .params = {MU_PG_TEXT, MU_PG_TEXT, MU_PG_INT4, MU_PG_INT4, MU_PG_TEXT, MU_PG_INT8,
                   MU_PG_BOOL, MU_PG_INT8_ARRAY, MU_PG_INT8},
};

const struct mu_pg_statement mu_command_insert_selected_sql = {
        .name = "command_insert_selected",
        .sql = INSERT_FOR("selection_devices asked JOIN devices d"
                          " ON d.id = asked.device_id AND asked.selection_id = $8"),
        .params = {MU_PG_TEXT, MU_PG_TEXT, MU_PG_INT4, MU_PG_INT4, MU_PG_TEXT, MU_PG_INT8,
                   MU_PG_BOOL, MU_PG_INT8, MU_PG_INT8},
};

const struct mu_pg_statement mu_command_device_sql = {
        .name = "command_device",
        .sql = "SELECT " DECLARES_RAW ", " WAITING_COUNT
               " FROM devices d WHERE d.id = $1 AND d.deleted_at IS NULL",
        .params = {MU_PG_INT8},
        .repeatable = true,
};

const struct mu_pg_statement mu_command_bulk_insert_sql = {
        .name = "command_bulk_insert",
        .sql = "INSERT INTO bulk_commands (selection_id, asked_count, type, payload, created_by)"
               " VALUES ($1, $2, $3, $4, $5) RETURNING id",
        .params = {MU_PG_INT8, MU_PG_INT4, MU_PG_TEXT, MU_PG_TEXT, MU_PG_TEXT},
};

const struct mu_pg_statement mu_command_bulk_count_sql = {
        .name = "command_bulk_count",
        .sql = "UPDATE bulk_commands SET device_count = $2 WHERE id = $1",
        .params = {MU_PG_INT8, MU_PG_INT4},
};

/* ---- taking back, confirming ---- */

#define OF_COMMAND " FROM commands c JOIN devices d ON d.id = c.device_id"

const struct mu_pg_statement mu_command_lock_sql = {
        .name = "command_lock",
        .sql = "SELECT " MU_COMMAND_COLUMNS OF_COMMAND " WHERE c.id = $1 FOR UPDATE OF c",
        .params = {MU_PG_INT8},
};

#define CANCEL                                                                                     \
        "UPDATE commands c SET state = 'cancelled', finished_at = clock_timestamp() FROM old"      \
        " WHERE c.device_id = old.device_id AND c.id = old.id RETURNING c.device_id, c.id"
#define NOT_RECEIVED "state IN ('awaiting_confirmation', 'queued', 'sent')"

const struct mu_pg_statement mu_command_cancel_sql = {
        .name = "command_cancel",
        .sql = "WITH old AS (SELECT device_id, id FROM commands WHERE device_id = $1 AND id = $2"
               " AND " NOT_RECEIVED " FOR UPDATE) " CANCEL,
        .params = {MU_PG_INT8, MU_PG_INT8},
};

const struct mu_pg_statement mu_command_bulk_cancel_sql = {
        .name = "command_bulk_cancel",
        .sql = "WITH old AS (SELECT device_id, id FROM commands WHERE bulk_id = $1"
               " AND " NOT_RECEIVED " ORDER BY device_id, id FOR UPDATE) " CANCEL,
        .params = {MU_PG_INT8},
};

#define CONFIRM                                                                                    \
        "UPDATE commands c SET state = 'queued', queued_at = clock_timestamp(),"                   \
        " expires_at = clock_timestamp() + make_interval(secs => c.ttl_s) FROM old"                \
        " WHERE c.device_id = old.device_id AND c.id = old.id RETURNING c.device_id, c.id"
#define MAY_BE_CONFIRMED                                                                           \
        "c.state = 'awaiting_confirmation' AND c.expires_at > now() AND d.deleted_at IS NULL"

const struct mu_pg_statement mu_command_confirm_sql = {
        .name = "command_confirm",
        .sql = "WITH old AS (SELECT c.device_id, c.id" OF_COMMAND
               " WHERE c.device_id = $1 AND c.id = $2 AND " MAY_BE_CONFIRMED
               " FOR UPDATE OF c) " CONFIRM,
        .params = {MU_PG_INT8, MU_PG_INT8},
};

const struct mu_pg_statement mu_command_bulk_confirm_sql = {
        .name = "command_bulk_confirm",
        .sql = "WITH old AS (SELECT c.device_id, c.id" OF_COMMAND
               " WHERE c.bulk_id = $1 AND " MAY_BE_CONFIRMED
               " ORDER BY c.device_id, c.id FOR UPDATE OF c) " CONFIRM,
        .params = {MU_PG_INT8},
};

/* ---- looking ---- */

const struct mu_pg_statement mu_command_show_sql = {
        .name = "command_show",
        .sql = "SELECT " MU_COMMAND_COLUMNS ", c.result" OF_COMMAND " WHERE c.id = $1",
        .params = {MU_PG_INT8},
        .repeatable = true,
};

const struct mu_pg_statement mu_command_show_attempts_sql = {
        .name = "command_show_attempts",
        .sql = "SELECT a.path, a.number, a.status, a.started_at, a.latency_us, a.retry_at,"
               " a.http_status, a.fcm_message_id, a.error FROM commands c JOIN command_attempts a"
               " ON a.device_id = c.device_id AND a.command_id = c.id WHERE c.id = $1"
               " ORDER BY a.number DESC LIMIT 200",
        .params = {MU_PG_INT8},
        .repeatable = true,
};

const struct mu_pg_statement mu_command_bulk_show_sql = {
        .name = "command_bulk_show",
        .sql = "SELECT type, device_count FROM bulk_commands WHERE id = $1",
        .params = {MU_PG_INT8},
        .repeatable = true,
};

/* Withheld are those not received yet whose devices are in quarantine. */
#define BULK_LOOK(picked)                                                                          \
        "SELECT b.id, b.created_at, b.created_by, b.type, b.payload, b.selection_id,"              \
        " b.asked_count, b.device_count,"                                                          \
        " json_object_agg(s.state, s.count) FILTER (WHERE s.state IS NOT NULL)::text,"             \
        " coalesce(sum(s.withheld), 0)::bigint"                                                    \
        " FROM (SELECT * FROM bulk_commands " picked ") b LEFT JOIN LATERAL (SELECT c.state,"      \
        "  count(*), count(*) FILTER (WHERE " NOT_RECEIVED " AND d.quarantined_at IS NOT NULL)"    \
        "  AS withheld" OF_COMMAND " WHERE c.bulk_id = b.id GROUP BY c.state) s ON true"           \
        " GROUP BY b.id, b.created_at, b.created_by, b.type, b.payload, b.selection_id,"           \
        " b.asked_count, b.device_count ORDER BY b.id DESC"

const struct mu_pg_statement mu_command_bulk_look_sql = {
        .name = "command_bulk_look",
        .sql = BULK_LOOK("WHERE id = $1"),
        .params = {MU_PG_INT8},
        .repeatable = true,
};

const struct mu_pg_statement mu_command_bulk_list_sql = {
        .name = "command_bulk_list",
        .sql = BULK_LOOK("WHERE id < $1 ORDER BY id DESC LIMIT $2"),
        .params = {MU_PG_INT8, MU_PG_INT8},
        .repeatable = true,
};

/* A statement for each way in, so that each has a plan that uses its index. */
#define LIST(device, bulk, state)                                                                  \
        "SELECT " MU_COMMAND_COLUMNS OF_COMMAND " WHERE " device " AND " bulk " AND " state        \
        " AND ($4::text IS NULL OR c.type = $4) AND c.created_at >= $5 AND c.created_at < $6"      \
        " AND c.id < $7 ORDER BY c.id DESC LIMIT $8"
#define LIST_PARAMS                                                                                \
        {                                                                                          \
                MU_PG_INT8, MU_PG_INT8, MU_PG_TEXT, MU_PG_TEXT, MU_PG_TIMESTAMPTZ,                 \
                        MU_PG_TIMESTAMPTZ, MU_PG_INT8, MU_PG_INT8                                  \
        }
#define ANY_DEVICE "($1::bigint IS NULL OR c.device_id = $1)"
#define ANY_BULK "($2::bigint IS NULL OR c.bulk_id = $2)"
#define ANY_STATE "($3::text IS NULL OR c.state = $3)"

const struct mu_pg_statement mu_command_list_sql = {
        .name = "command_list",
        .sql = LIST(ANY_DEVICE, ANY_BULK, ANY_STATE),
        .params = LIST_PARAMS,
        .repeatable = true,
};

const struct mu_pg_statement mu_command_list_by_device_sql = {
        .name = "command_list_by_device",
        .sql = LIST("c.device_id = $1", ANY_BULK, ANY_STATE),
        .params = LIST_PARAMS,
        .repeatable = true,
};

const struct mu_pg_statement mu_command_list_by_bulk_sql = {
        .name = "command_list_by_bulk",
        .sql = LIST(ANY_DEVICE, "c.bulk_id = $2", ANY_STATE),
        .params = LIST_PARAMS,
        .repeatable = true,
};

const struct mu_pg_statement mu_command_list_by_state_sql = {
        .name = "command_list_by_state",
        .sql = LIST(ANY_DEVICE, ANY_BULK, "c.state = $3"),
        .params = LIST_PARAMS,
        .repeatable = true,
};

/* ---- key rotation ---- */

/* The device's row is locked, and the next statement looks afterwards: two rotations asked for at
 * once are one and a refusal. */
const struct mu_pg_statement mu_command_rotation_sql = {
        .name = "command_rotation",
        .sql = "SELECT d.hmac_key_version, coalesce(d.hmac_next_key_version, 0)"
               " FROM devices d"
               " WHERE d.id = $1 AND d.deleted_at IS NULL FOR UPDATE",
        .params = {MU_PG_INT8},
};

/* One that was received and not answered does not stand in the way: the device may have been set up
 * anew since, without the key. */
const struct mu_pg_statement mu_command_rotation_live_sql = {
        .name = "command_rotation_live",
        .sql = "SELECT id FROM commands WHERE device_id = $1 AND type = 'rotate_key'"
               " AND state IN ('queued', 'sent') ORDER BY id LIMIT 1",
        .params = {MU_PG_INT8},
};

const struct mu_pg_statement mu_command_rotate_sql = {
        .name = "command_rotate",
        .sql = "UPDATE devices SET hmac_next_key_version = $2 WHERE id = $1",
        .params = {MU_PG_INT8, MU_PG_INT4},
};
