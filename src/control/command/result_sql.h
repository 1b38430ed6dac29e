/* SPDX-License-Identifier: Apache-2.0 */
/* result_sql.h - statements of result.c (private to this folder). */
#ifndef MUSTER_CONTROL_COMMAND_RESULT_SQL_H
#define MUSTER_CONTROL_COMMAND_RESULT_SQL_H

#include "pg/query.h"

/* device id, command id, digest → state, type, version rotated to (0: none), has a result, the same
 * one, current key version, next (0), former while it counts (0) */
extern const struct mu_pg_statement mu_result_find_sql;
/* device id, command id, status, error, result, digest, finished at → state, path, us from queued
 * to received (-1: was before), us from queued to done (-1: too late) */
extern const struct mu_pg_statement mu_result_store_sql;
extern const struct mu_pg_statement mu_result_promote_key_sql; /* device id, version */

#endif
