/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ledger_sql.h - the ledger's statements (private to this folder). Columns are named where each is.
 */
#ifndef MUSTER_CONTROL_COMMAND_LEDGER_SQL_H
#define MUSTER_CONTROL_COMMAND_LEDGER_SQL_H

#include "pg/query.h"

/* What both lists read of a command, in this order. */
enum mu_ledger_column {
        MU_LEDGER_DEVICE_ID,
        MU_LEDGER_ID,
        MU_LEDGER_CREATED_AT,
        MU_LEDGER_EXPIRES_AT,
        MU_LEDGER_LAST_SENT_AT,
        MU_LEDGER_TYPE,
        MU_LEDGER_PAYLOAD,
        MU_LEDGER_FCM_TOKEN,
        MU_LEDGER_ATTEMPT_COUNT,
        MU_LEDGER_KEY_VERSION,
        MU_LEDGER_IS_SENT,
};

extern const struct mu_pg_statement mu_ledger_heads_sql;   /* device ids */
extern const struct mu_pg_statement mu_ledger_waiting_sql; /* device id, how many */

/* device ids, command ids, path of the attempt, the state moves → device_id, id, attempt, first */
extern const struct mu_pg_statement mu_ledger_mark_sent_sql;
/* device ids, command ids, path → device_id, id, state, changed, us since queued, us since sent,
 * path */
extern const struct mu_pg_statement mu_ledger_mark_received_sql;
extern const struct mu_pg_statement mu_ledger_attempts_sql;        /* a list of objects */
extern const struct mu_pg_statement mu_ledger_clear_fcm_token_sql; /* device id, token */
extern const struct mu_pg_statement mu_ledger_pending_sql;         /* device ids → id, count */
extern const struct mu_pg_statement mu_ledger_pending_all_sql;     /* → id, count */
extern const struct mu_pg_statement mu_ledger_expire_sql; /* how many → device_id, id, type */
extern const struct mu_pg_statement mu_ledger_cancel_devices_sql; /* device ids */
extern const struct mu_pg_statement mu_ledger_forget_sql;         /* before, how many */
extern const struct mu_pg_statement mu_ledger_forget_bulk_sql;    /* before, how many */

#endif
