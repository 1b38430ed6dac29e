/* SPDX-License-Identifier: Apache-2.0 */
/*
 * alert_store_sql.h - the statements of alert_store.c. Each takes the whole batch as one JSON array
 * and picks what is its own by op, so that a batch is a fixed number of statements.
 *
 * Threads: constants.
 */
#ifndef MUSTER_CONTROL_ALERT_ALERT_STORE_SQL_H
#define MUSTER_CONTROL_ALERT_ALERT_STORE_SQL_H

#include "pg/query.h"

/* $1, $2: the last ids in use, of alerts and incidents; 0: as it was. */
extern const struct mu_pg_statement mu_alert_ids_used;
extern const struct mu_pg_statement mu_alert_ids_next;

/* $1: changes. op: enum mu_change_kind. */
extern const struct mu_pg_statement mu_alert_begin;
extern const struct mu_pg_statement mu_alert_fire;
extern const struct mu_pg_statement mu_alert_drop;
extern const struct mu_pg_statement mu_alert_resolve;
extern const struct mu_pg_statement mu_alert_clearing;
extern const struct mu_pg_statement mu_alert_lines;

/* $1: operations. op: enum mu_incident_op_kind. $2: now. */
extern const struct mu_pg_statement mu_alert_open;
extern const struct mu_pg_statement mu_alert_merge;
extern const struct mu_pg_statement mu_alert_count;
extern const struct mu_pg_statement mu_alert_close;

#endif
