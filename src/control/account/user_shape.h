/* SPDX-License-Identifier: Apache-2.0 */
/*
 * user_shape.h - a user as the API shows one.
 *
 * Threads    any. Ownership: json_t references are the caller's.
 */
#ifndef MUSTER_CONTROL_ACCOUNT_USER_SHAPE_H
#define MUSTER_CONTROL_ACCOUNT_USER_SHAPE_H

#include <jansson.h>
#include <stddef.h>

#include "control/shape.h"

struct mu_pg_result;

/* The columns that mu_user_json reads, in this order; users is u, its failures f. */
#define MU_USER_COLUMNS                                                                            \
        "u.id, u.name, u.role, u.email, u.created_at, u.last_login_at, u.password_changed_at,"     \
        " u.password_change_advised, u.disabled_at, f.locked_until"
/* The join that gives f. */
#define MU_USER_FAILURES                                                                           \
        " LEFT JOIN login_failures f ON f.locked_until > now()"                                    \
        " AND f.name_sha256 = sha256(convert_to(lower(u.name), 'UTF8'))"

extern const struct mu_shape mu_user_shape;

/* The row's user; NULL without memory. */
json_t *mu_user_json(const struct mu_pg_result *rows, size_t row);

#endif
