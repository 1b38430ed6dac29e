/* SPDX-License-Identifier: Apache-2.0 */
/* notifier_sql.h - the notifier's statements. Times are the notifier's clock's. */
#ifndef MUSTER_CONTROL_NOTIFY_NOTIFIER_SQL_H
#define MUSTER_CONTROL_NOTIFY_NOTIFIER_SQL_H

#include "pg/query.h"

extern const struct mu_pg_statement mu_notifier_channels_sql;
/* channels, now, rows of each */
extern const struct mu_pg_statement mu_notifier_due_sql;
enum mu_notifier_due_column {
        MU_DUE_ID,
        MU_DUE_CHANNEL,
        MU_DUE_INCIDENT, /* NULL: a test or digest */
        MU_DUE_KIND,
        MU_DUE_CREATED,
        MU_DUE_VERSION,
        MU_DUE_DETAIL,
        MU_DUE_EXISTS,        /* the incident */
        MU_DUE_MERGED,        /* it is part of another */
        MU_DUE_OPENED,        /* its 'opened' was sent through the channel */
        MU_DUE_TOLD,          /* version that was sent last; NULL: none */
        MU_DUE_REMOTE,        /* message that was sent last; NULL: none */
        MU_DUE_CLOSED_BEHIND, /* its 'closed' waits too */
        MU_DUE_SILENCED,      /* until; NULL: not */
};
extern const struct mu_pg_statement mu_notifier_over_sql;      /* now -> kind, reason */
extern const struct mu_pg_statement mu_notifier_off_sql;       /* now -> kind, reason */
extern const struct mu_pg_statement mu_notifier_waiting_sql;   /* now -> next due, count by kind */
extern const struct mu_pg_statement mu_notifier_unsilence_sql; /* now */
extern const struct mu_pg_statement mu_notifier_claim_sql;     /* id -> tries with this one */
extern const struct mu_pg_statement mu_notifier_state_sql;     /* id -> sent or failed; locked */
extern const struct mu_pg_statement mu_notifier_silence_sql;   /* id, until */
extern const struct mu_pg_statement mu_notifier_drop_sql;      /* id, now, reason */
/* id, now, status, remote id, version told, error */
extern const struct mu_pg_statement mu_notifier_sent_sql;
/* id, due, status, error, tries given back, mailed */
extern const struct mu_pg_statement mu_notifier_later_sql;
extern const struct mu_pg_statement mu_notifier_failed_sql; /* id, now, status, error */
/* now, incident, kind, detail */
extern const struct mu_pg_statement mu_notifier_event_sql;
/* id, now, error or NULL, broken, disable */
extern const struct mu_pg_statement mu_notifier_channel_sql;

#endif
