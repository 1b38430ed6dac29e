/* SPDX-License-Identifier: Apache-2.0 */
/* command_sql.h - statements of the operators' side (private to this folder). */
#ifndef MUSTER_CONTROL_COMMAND_COMMAND_SQL_H
#define MUSTER_CONTROL_COMMAND_COMMAND_SQL_H

#include "pg/query.h"

/* type, payload, ttl, seconds to confirm (0: queued at once), created by, bulk id or NULL, only to
 * agents that declare it, device ids or selection id, how many may wait for a device → device_id,
 * id, withheld */
extern const struct mu_pg_statement mu_command_insert_listed_sql;
extern const struct mu_pg_statement mu_command_insert_selected_sql;
extern const struct mu_pg_statement mu_command_device_sql; /* id → declares raw, how many wait */

/* selection or NULL, asked, type, payload, created by → id */
extern const struct mu_pg_statement mu_command_bulk_insert_sql;
extern const struct mu_pg_statement mu_command_bulk_count_sql; /* id, commands */

extern const struct mu_pg_statement mu_command_lock_sql;    /* id → columns */
extern const struct mu_pg_statement mu_command_cancel_sql;  /* device id, id */
extern const struct mu_pg_statement mu_command_confirm_sql; /* device id, id */
/* bulk id → device_id, id */
extern const struct mu_pg_statement mu_command_bulk_cancel_sql;
extern const struct mu_pg_statement mu_command_bulk_confirm_sql; /* the same */

/* id → columns, result */
extern const struct mu_pg_statement mu_command_show_sql;
/* id → path, number, status, started, latency, retry, http status, message id, error */
extern const struct mu_pg_statement mu_command_show_attempts_sql;
extern const struct mu_pg_statement mu_command_bulk_show_sql; /* id → type, commands */
/* id → id, created, by, type, payload, selection, asked, commands, {state: count} or NULL,
 * withheld */
extern const struct mu_pg_statement mu_command_bulk_look_sql;
extern const struct mu_pg_statement mu_command_bulk_list_sql; /* id before, how many → the same */

/* device, bulk, state (what the statement is not named after may be NULL), type, from, to, id
 * before, how many → columns */
extern const struct mu_pg_statement mu_command_list_sql;
extern const struct mu_pg_statement mu_command_list_by_device_sql;
extern const struct mu_pg_statement mu_command_list_by_bulk_sql;
extern const struct mu_pg_statement mu_command_list_by_state_sql;

extern const struct mu_pg_statement mu_command_rotation_sql; /* device id → version, next (0) */
extern const struct mu_pg_statement
        mu_command_rotation_live_sql;                      /* device id → command under way */
extern const struct mu_pg_statement mu_command_rotate_sql; /* device id, version */

#endif
