/* SPDX-License-Identifier: Apache-2.0 */
/* outbox_sql.h - the outbox's statements. */
#ifndef MUSTER_CONTROL_NOTIFY_OUTBOX_SQL_H
#define MUSTER_CONTROL_NOTIFY_OUTBOX_SQL_H

#include "pg/query.h"

/* ids, kind, at, due */
extern const struct mu_pg_statement mu_outbox_add_sql;
/* channel, kind, at, detail -> id */
extern const struct mu_pg_statement mu_outbox_add_text_sql;

#endif
