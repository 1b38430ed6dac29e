/* SPDX-License-Identifier: Apache-2.0 */
#include "control/account/user_shape.h"

#include "control/cell.h"
#include "pg/query.h"

static const struct mu_field FIELDS[] = {
        {.name = "id", .type = MU_FIELD_ID, .flags = MU_FIELD_REQUIRED, .doc = "The user's id."},
        {.name = "username",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED,
         .doc = "What the user signs in with."},
        {.name = "role",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED,
         .one_of = "viewer|operator|admin",
         .doc = "What the user may do; each role includes those before it."},
        {.name = "email",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED | MU_FIELD_NULLABLE,
         .doc = "Where password resets go."},
        {.name = "created_at",
         .type = MU_FIELD_TIME,
         .flags = MU_FIELD_REQUIRED,
         .doc = "When the user was made."},
        {.name = "last_login_at",
         .type = MU_FIELD_TIME,
         .flags = MU_FIELD_REQUIRED | MU_FIELD_NULLABLE,
         .doc = "The last login; null: never."},
        {.name = "password_changed_at",
         .type = MU_FIELD_TIME,
         .flags = MU_FIELD_REQUIRED,
         .doc = "When the password was last set."},
        {.name = "password_change_advised",
         .type = MU_FIELD_BOOLEAN,
         .flags = MU_FIELD_REQUIRED,
         .doc = "Somebody else chose the password."},
        {.name = "disabled",
         .type = MU_FIELD_BOOLEAN,
         .flags = MU_FIELD_REQUIRED,
         .doc = "The user can't sign in."},
        {.name = "disabled_at",
         .type = MU_FIELD_TIME,
         .flags = MU_FIELD_REQUIRED | MU_FIELD_NULLABLE,
         .doc = "Since when; null: not disabled."},
        {.name = "locked_until",
         .type = MU_FIELD_TIME,
         .flags = MU_FIELD_REQUIRED | MU_FIELD_NULLABLE,
         .doc = "Until when failed logins lock the name; null: not locked."},
};

const struct mu_shape mu_user_shape = MU_SHAPE("User", FIELDS);

json_t *mu_user_json(const struct mu_pg_result *rows, size_t row)
{
        return json_pack("{s:o, s:s, s:s, s:o, s:o, s:o, s:o, s:b, s:b, s:o, s:o}", "id",
                         mu_json_of_id(mu_pg_get_int(rows, row, 0)), "username",
                         mu_pg_get_text(rows, row, 1), "role", mu_pg_get_text(rows, row, 2),
                         "email", mu_cell_text(rows, row, 3), "created_at",
                         mu_cell_time(rows, row, 4), "last_login_at", mu_cell_time(rows, row, 5),
                         "password_changed_at", mu_cell_time(rows, row, 6),
                         "password_change_advised", (int)mu_pg_get_bool(rows, row, 7), "disabled",
                         (int)!mu_pg_is_null(rows, row, 8), "disabled_at",
                         mu_cell_time(rows, row, 8), "locked_until", mu_cell_time(rows, row, 9));
}
