/* SPDX-License-Identifier: Apache-2.0 */
/* notice_sql.h - what a notice is made from. Each takes the incident's id first. */
#ifndef MUSTER_CONTROL_NOTIFY_NOTICE_SQL_H
#define MUSTER_CONTROL_NOTIFY_NOTICE_SQL_H

#include "pg/query.h"

extern const struct mu_pg_statement mu_notice_incident_sql;
extern const struct mu_pg_statement mu_notice_members_sql; /* id, limit */
extern const struct mu_pg_statement mu_notice_lines_sql;   /* id, since, limit: the newest first */

#endif
