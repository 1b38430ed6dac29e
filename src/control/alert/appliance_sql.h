/* SPDX-License-Identifier: Apache-2.0 */
/* appliance_sql.h - what only PostgreSQL knows of the appliance (private to this folder). */
#ifndef MUSTER_CONTROL_ALERT_APPLIANCE_SQL_H
#define MUSTER_CONTROL_ALERT_APPLIANCE_SQL_H

#include "pg/query.h"

/* now, days ahead → how many of them and today have no partition, the first of these */
extern const struct mu_pg_statement mu_appliance_partitions_sql;
/* → when the last good backup ended, when the first one was begun; both may be NULL */
extern const struct mu_pg_statement mu_appliance_backup_sql;
/* now → records refused within the last hour, at most 10,000 */
extern const struct mu_pg_statement mu_appliance_rejects_sql;

#endif
