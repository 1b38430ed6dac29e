/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keeper_sql.h - the keeper's statements, for keeper.c and keeper_load.c.
 */
#ifndef MUSTER_IDENTITY_KEEPER_SQL_H
#define MUSTER_IDENTITY_KEEPER_SQL_H

#include "pg/query.h"

/* Devices and tokens must be of one moment: a token's device is always listed before it. */
extern const struct mu_pg_statement mu_keeper_one_moment;
extern const struct mu_pg_statement mu_keeper_list_devices;
extern const struct mu_pg_statement mu_keeper_list_tokens;
extern const struct mu_pg_statement mu_keeper_checkpoint;
extern const struct mu_pg_statement mu_keeper_raise_ids;
extern const struct mu_pg_statement mu_keeper_put_back_devices;
extern const struct mu_pg_statement mu_keeper_put_back_tokens;
extern const struct mu_pg_statement mu_keeper_delete_again;
extern const struct mu_pg_statement mu_keeper_first_seen;
extern const struct mu_pg_statement mu_keeper_tokens_used;
extern const struct mu_pg_statement mu_keeper_clock_offsets;
extern const struct mu_pg_statement mu_keeper_quarantined;

#endif
