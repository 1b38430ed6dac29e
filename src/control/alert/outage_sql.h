/* SPDX-License-Identifier: Apache-2.0 */
/* outage_sql.h - an outage of the database, written afterwards (private to this folder). */
#ifndef MUSTER_CONTROL_ALERT_OUTAGE_SQL_H
#define MUSTER_CONTROL_ALERT_OUTAGE_SQL_H

#include "pg/query.h"

/* id, since, fired, over, value, threshold, told → incident, open; nothing: it was written before
 */
extern const struct mu_pg_statement mu_outage_open_sql;
extern const struct mu_pg_statement mu_outage_told_sql;  /* incident, when */
extern const struct mu_pg_statement mu_outage_close_sql; /* incident, when */

#endif
