/* SPDX-License-Identifier: Apache-2.0 */
#include "control/cell.h"

#include "control/shape.h"

json_t *mu_cell_id(const struct mu_pg_result *rows, size_t row, int column)
{
        return mu_pg_is_null(rows, row, column) ? json_null()
                                                : mu_json_of_id(mu_pg_get_int(rows, row, column));
}

json_t *mu_cell_integer(const struct mu_pg_result *rows, size_t row, int column)
{
        return mu_pg_is_null(rows, row, column) ? json_null()
                                                : json_integer(mu_pg_get_int(rows, row, column));
}

json_t *mu_cell_real(const struct mu_pg_result *rows, size_t row, int column)
{
        return mu_pg_is_null(rows, row, column) ? json_null()
                                                : json_real(mu_pg_get_float8(rows, row, column));
}

json_t *mu_cell_boolean(const struct mu_pg_result *rows, size_t row, int column)
{
        return mu_pg_is_null(rows, row, column) ? json_null()
                                                : json_boolean(mu_pg_get_bool(rows, row, column));
}

json_t *mu_cell_text(const struct mu_pg_result *rows, size_t row, int column)
{
        return mu_json_of_text_or_null(mu_pg_get_text(rows, row, column));
}

json_t *mu_cell_time(const struct mu_pg_result *rows, size_t row, int column)
{
        return mu_pg_is_null(rows, row, column)
                       ? json_null()
                       : mu_json_of_time(mu_pg_get_timestamptz(rows, row, column));
}

json_t *mu_cell_json(const struct mu_pg_result *rows, size_t row, int column)
{
        const char *text = mu_pg_get_text(rows, row, column);

        return text ? json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL) : json_null();
}
