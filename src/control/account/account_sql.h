/* SPDX-License-Identifier: Apache-2.0 */
/* account_sql.h - the statements that several files of this folder share. */
#ifndef MUSTER_CONTROL_ACCOUNT_ACCOUNT_SQL_H
#define MUSTER_CONTROL_ACCOUNT_ACCOUNT_SQL_H

#include "pg/query.h"

/* $1 id → user_shape.h's columns */
extern const struct mu_pg_statement mu_user_show;
/* $1 id, $2 new hash, $3 the hash so far or NULL for whatever it is, $4 change advised → id, or no
 * row. */
extern const struct mu_pg_statement mu_user_set_password;
/* $1 id: unused resets can't be used any more */
extern const struct mu_pg_statement mu_user_drop_resets;
/* $1 digest, $2 user, $3 life, $4 issued by */
extern const struct mu_pg_statement mu_reset_insert;

#endif
