/* SPDX-License-Identifier: Apache-2.0 */
/* remediation_sql.h - statements of remediation (private to this folder). */
#ifndef MUSTER_CONTROL_ALERT_REMEDIATION_SQL_H
#define MUSTER_CONTROL_ALERT_REMEDIATION_SQL_H

#include "pg/query.h"

/* What all of these give, of an alert. */
enum mu_remedy_column {
        MU_REMEDY_ALERT_ID,
        MU_REMEDY_DEVICE_ID,
        MU_REMEDY_INCIDENT_ID, /* 0: none */
        MU_REMEDY_EPISODE,
        MU_REMEDY_COUNT,
        MU_REMEDY_FIRING,
        MU_REMEDY_STATE,      /* "": none */
        MU_REMEDY_COMMAND_ID, /* 0: none */
        MU_REMEDY_INCIDENT_FIRING,
        MU_REMEDY_INCIDENT_ACKED,
        MU_REMEDY_COLUMNS, /* a statement's own come after */
};

/* how many → alerts whose command is over (no state: it is gone) | its state, error */
extern const struct mu_pg_statement mu_remedy_ended_sql;
/* how many → alerts that are over, whose thread is not | recovered by itself or by us */
extern const struct mu_pg_statement mu_remedy_over_sql;
/* now, tries, how many → alerts whose last try was in vain */
extern const struct mu_pg_statement mu_remedy_vain_sql;
/* now, tries, how many → alerts that a command is due for | package */
extern const struct mu_pg_statement mu_remedy_due_sql;

/* device, command: taken back, if it has not gone out */
extern const struct mu_pg_statement mu_remedy_take_back_sql;
/* alert, command or NULL, state or NULL, due or NULL, count */
extern const struct mu_pg_statement mu_remedy_set_sql;
/* at, incident or NULL, alert, device, episode, kind, detail */
extern const struct mu_pg_statement mu_remedy_event_sql;

#endif
