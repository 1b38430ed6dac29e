/* SPDX-License-Identifier: Apache-2.0 */
#include "control/cell.h"

#include "base/assert.h"
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

static json_t *cell_of(const struct mu_pg_result *rows, size_t row, int column,
                       enum mu_field_type type)
{
        switch (type) {
        case MU_FIELD_ID:
                return mu_cell_id(rows, row, column);
        case MU_FIELD_INTEGER:
                return mu_cell_integer(rows, row, column);
        case MU_FIELD_NUMBER:
                return mu_cell_real(rows, row, column);
        case MU_FIELD_BOOLEAN:
                return mu_cell_boolean(rows, row, column);
        case MU_FIELD_TEXT:
                return mu_cell_text(rows, row, column);
        case MU_FIELD_TIME:
                return mu_cell_time(rows, row, column);
        case MU_FIELD_OBJECT:
        case MU_FIELD_LIST:
        case MU_FIELD_ANY:
                break;
        }
        return mu_cell_json(rows, row, column);
}

json_t *mu_cell_fields(const struct mu_pg_result *rows, size_t row, int column,
                       const struct mu_shape *shape, size_t count)
{
        json_t *object = json_object();

        MU_ASSERT(count <= shape->field_count);
        for (size_t i = 0; object && i < count; i++) {
                const struct mu_field *field = &shape->fields[i];

                if (json_object_set_new(object, field->name,
                                        cell_of(rows, row, column + (int)i, field->type)) < 0) {
                        json_decref(object);
                        object = NULL;
                }
        }
        return object;
}
