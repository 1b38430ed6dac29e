/* SPDX-License-Identifier: Apache-2.0 */
/* register_sql.h - the statements of registration. */
#ifndef MUSTER_CONTROL_REGISTER_SQL_H
#define MUSTER_CONTROL_REGISTER_SQL_H

#include "pg/query.h"

extern const struct mu_pg_statement mu_register_insert_device;
extern const struct mu_pg_statement mu_register_find_hardware;
extern const struct mu_pg_statement mu_register_add_token;
extern const struct mu_pg_statement mu_register_lock_enrolment;
extern const struct mu_pg_statement mu_register_use_enrolment;
extern const struct mu_pg_statement mu_register_was_enrolled_by;

#endif
