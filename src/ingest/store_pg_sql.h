/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_pg_sql.h - the writer's statements.
 */
#ifndef MUSTER_INGEST_STORE_PG_SQL_H
#define MUSTER_INGEST_STORE_PG_SQL_H

#include <inttypes.h>

#include "ingest/copy_row.h"
#include "ingest/status_array.h"

/* All planning is forced to what is right for any size: walk the small side, look each row up by
 * its key. An empty or young table would otherwise lead to a plan that is kept and wrong later. */
#define MU_SQL_PLANNING                                                                            \
        "SELECT set_config('enable_seqscan', 'off', false),"                                       \
        " set_config('enable_hashjoin', 'off', false),"                                            \
        " set_config('enable_mergejoin', 'off', false),"                                           \
        " set_config('plan_cache_mode', 'force_generic_plan', false),"                             \
        " set_config('jit', 'off', false)"
#define MU_SQL_STAGE_ROWS                                                                          \
        "CREATE TEMP TABLE muster_stage_rows (LIKE heartbeats) ON COMMIT DELETE ROWS"
#define MU_SQL_STAGE_REJECTS                                                                       \
        "CREATE TEMP TABLE muster_stage_rejects (LIKE ingest_rejects INCLUDING DEFAULTS)"          \
        " ON COMMIT DELETE ROWS"

/* The batch's newest of each device, from status_array.h. */
#define MU_SQL_STATUS_TYPE "CREATE TYPE " MU_STATUS_TYPE " AS (" MU_STATUS_TYPE_COLUMNS ")"
#define MU_SQL_STATUS_TYPE_OID "SELECT '" MU_STATUS_TYPE "'::regtype::oid"
#define MU_SQL_STATUSES "unnest($1) v"
#define MU_SQL_PREPARE(name, sql) "PREPARE " name " (" MU_STATUS_TYPE "[]) AS " sql

#define MU_SQL_STATUS_NEWER                                                                        \
        "UPDATE device_last_status s SET"                                                          \
        " received_at = greatest(s.received_at, v.received_at), observed_at = v.observed_at,"      \
        " uptime_s = v.uptime_s, monitored_last_fg_s = v.monitored_last_fg_s, seq = v.seq,"        \
        " ram_free_mb = v.ram_free_mb, ram_total_mb = v.ram_total_mb,"                             \
        " queue_depth = v.queue_depth, clock_offset_s ="                                           \
        " CASE WHEN v.received_at >= s.received_at THEN v.clock_offset_s"                          \
        " ELSE s.clock_offset_s END,"                                                              \
        " battery = v.battery, flags = v.flags, charging = v.charging, power_ok = v.power_ok,"     \
        " device_owner = v.device_owner, battery_unrestricted = v.battery_unrestricted,"           \
        " doze_whitelisted = v.doze_whitelisted, net_validated = v.net_validated,"                 \
        " network = v.network, ssid = v.ssid, fg_package = v.fg_package,"                          \
        " agent_version = v.agent_version, boot_id = v.boot_id, extra = v.extra"                   \
        " FROM " MU_SQL_STATUSES ""                                                                \
        " WHERE s.device_id = v.device_id AND v.observed_at > s.observed_at"

/* For what the statement above left: older news still prove that the device lives … */
#define MU_SQL_STATUS_OLDER                                                                        \
        "UPDATE device_last_status s SET received_at = v.received_at,"                             \
        " clock_offset_s = v.clock_offset_s"                                                       \
        " FROM " MU_SQL_STATUSES ""                                                                \
        " WHERE s.device_id = v.device_id AND v.received_at > s.received_at"

/* … and a device without a status gets one. FOR SHARE waits for a deletion that is under way, and
 * holds off the next. */
#define MU_SQL_STATUS_MISSING                                                                      \
        "INSERT INTO device_last_status (" MU_COPY_STATUS_COLUMNS ")"                              \
        " SELECT v.device_id, " MU_SQL_STATUS_CONTENT " FROM " MU_SQL_STATUSES ""                  \
        " JOIN devices d ON d.id = v.device_id AND d.deleted_at IS NULL"                           \
        " WHERE NOT EXISTS"                                                                        \
        " (SELECT FROM device_last_status s WHERE s.device_id = v.device_id)"                      \
        " FOR SHARE OF d ON CONFLICT (device_id) DO NOTHING"

#define MU_SQL_STATUS_CONTENT                                                                      \
        "v.received_at, v.observed_at, v.uptime_s, v.monitored_last_fg_s, v.seq,"                  \
        " v.ram_free_mb, v.ram_total_mb, v.queue_depth, v.clock_offset_s, v.battery, v.flags,"     \
        " v.charging, v.power_ok, v.device_owner, v.battery_unrestricted, v.doze_whitelisted,"     \
        " v.net_validated, v.network, v.ssid, v.fg_package, v.agent_version, v.boot_id, v.extra"

#define MU_SQL_COPY_ROWS "COPY %s (" MU_COPY_HEARTBEAT_COLUMNS ") FROM STDIN (FORMAT binary)"
#define MU_SQL_COPY_REJECTS                                                                        \
        "COPY pg_temp.muster_stage_rejects (" MU_COPY_REJECT_COLUMNS ")"                           \
        " FROM STDIN (FORMAT binary)"

#define MU_SQL_INSERT_ROWS                                                                         \
        "INSERT INTO heartbeats (" MU_COPY_HEARTBEAT_COLUMNS ")"                                   \
        " SELECT " MU_COPY_HEARTBEAT_COLUMNS " FROM pg_temp.muster_stage_rows"                     \
        " ON CONFLICT (device_id, bucket) DO NOTHING"
#define MU_SQL_INSERT_REJECTS                                                                      \
        "INSERT INTO ingest_rejects (" MU_COPY_REJECT_COLUMNS ")"                                  \
        " SELECT " MU_COPY_REJECT_COLUMNS " FROM pg_temp.muster_stage_rejects"                     \
        " ON CONFLICT (journal_id, seq) DO NOTHING"

#define MU_SQL_CHECKPOINT_LOAD "SELECT seq FROM ingest_checkpoint WHERE journal_id = '\\x%s'"
#define MU_SQL_CHECKPOINT_SAVE                                                                     \
        "INSERT INTO ingest_checkpoint (journal_id, seq) VALUES ('\\x%s', %" PRIu64 ")"            \
        " ON CONFLICT (journal_id) DO UPDATE SET seq = excluded.seq, updated_at = now()"           \
        " WHERE ingest_checkpoint.seq < excluded.seq"

#endif
