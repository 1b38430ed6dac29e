/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cell.h - a cell of a result as JSON, null where it is NULL.
 *
 * Ownership  the caller's. Errors: NULL without memory, which json_pack's "o" passes on.
 */
#ifndef MUSTER_CONTROL_CELL_H
#define MUSTER_CONTROL_CELL_H

#include <jansson.h>
#include <stddef.h>

#include "pg/query.h"

struct mu_shape;

json_t *mu_cell_id(const struct mu_pg_result *rows, size_t row, int column); /* "42" */
json_t *mu_cell_integer(const struct mu_pg_result *rows, size_t row, int column);
json_t *mu_cell_real(const struct mu_pg_result *rows, size_t row, int column);
json_t *mu_cell_boolean(const struct mu_pg_result *rows, size_t row, int column);
json_t *mu_cell_text(const struct mu_pg_result *rows, size_t row, int column);
json_t *mu_cell_time(const struct mu_pg_result *rows, size_t row, int column); /* RFC 3339 */
/* A json or jsonb column, parsed. */
json_t *mu_cell_json(const struct mu_pg_result *rows, size_t row, int column);
/* count columns from this one on by the shape's first fields: ID, INTEGER (any int), NUMBER
 * (float8), BOOLEAN, TEXT, TIME (timestamptz); the other types: json. */
json_t *mu_cell_fields(const struct mu_pg_result *rows, size_t row, int column,
                       const struct mu_shape *shape, size_t count);

#endif
