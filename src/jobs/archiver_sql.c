/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jobs/archiver_private.h"

static const struct mu_pg_statement STATE = {
        .name = "archive_registry_state",
        .sql = "UPDATE partition_registry SET state = $3, changed_at = now()"
               " WHERE parent = $1 AND partition = $2",
        .params = {MU_PG_TEXT, MU_PG_TEXT, MU_PG_TEXT},
        .repeatable = true,
};

/* What has begun comes first: a day at a time, so that the chain is in order. */
static const struct mu_pg_statement NEXT = {
        .name = "archive_next_day",
        .sql = "SELECT partition, range_from, state FROM partition_registry"
               " WHERE parent = $1 AND (state IN ('detaching', 'archiving', 'archived')"
               "  OR state = 'attached' AND range_to <= $2)"
               " ORDER BY state = 'attached', range_from LIMIT 1",
        .params = {MU_PG_TEXT, MU_PG_TIMESTAMPTZ},
        .repeatable = true,
};

static const struct mu_pg_statement COLUMNS = {
        .name = "archive_columns",
        .sql = "SELECT attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute"
               " WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped"
               " ORDER BY attnum",
        .params = {MU_PG_TEXT},
        .repeatable = true,
};

static const struct mu_pg_statement TOTALS = {
        .name = "archive_totals",
        .sql = "SELECT count(*), coalesce(sum(row_count), 0)::int8,"
               " coalesce(sum(plain_bytes), 0)::int8, coalesce(sum(stored_bytes), 0)::int8,"
               " count(*) FILTER (WHERE restored_at IS NOT NULL)"
               " FROM archive_days WHERE parent = $1 AND state = 'archived'",
        .params = {MU_PG_TEXT},
        .repeatable = true,
};

int mu_archive_sql_state(struct mu_pg *pg, const struct mu_archive_day *day, const char *state)
{
        return mu_pg_query(pg, &STATE,
                           MU_PG_VALUES(mu_pg_text(mu_archive_table(day)),
                                        mu_pg_text(day->partition), mu_pg_text(state)),
                           NULL);
}

int mu_archive_sql_next(struct mu_pg *pg, enum mu_parent parent, int64_t due_us,
                        struct mu_archive_day *ret_day, bool *ret_found)
{
        struct mu_pg_result *rows;
        int err = mu_pg_query(
                pg, &NEXT,
                MU_PG_VALUES(mu_pg_text(mu_parent_facts(parent)->table), mu_pg_timestamptz(due_us)),
                &rows);

        if (err)
                return err;
        *ret_found = mu_pg_rows(rows) > 0;
        if (*ret_found) {
                *ret_day = (struct mu_archive_day){
                        .parent = parent,
                        .day = mu_partition_day(mu_pg_get_timestamptz(rows, 0, 1) / MU_US_PER_S),
                };
                (void)snprintf(ret_day->partition, sizeof(ret_day->partition), "%s",
                               mu_pg_get_text(rows, 0, 0));
                (void)snprintf(ret_day->state, sizeof(ret_day->state), "%s",
                               mu_pg_get_text(rows, 0, 2));
        }
        mu_pg_result_free(rows);
        return 0;
}

int mu_archive_sql_columns(struct mu_pg *pg, const char *table,
                           struct mu_archive_manifest *manifest)
{
        struct mu_pg_result *rows;
        int err = mu_pg_query(pg, &COLUMNS, MU_PG_VALUES(mu_pg_text(table)), &rows);

        if (err)
                return err;
        size_t count = mu_pg_rows(rows);

        manifest->columns = calloc(count + 1, sizeof(*manifest->columns));
        if (count == 0 || count > MU_ARCHIVE_COLUMNS_MAX)
                err = -ENOENT;
        else if (!manifest->columns)
                err = -ENOMEM;
        for (size_t i = 0; i < count && !err; i++) {
                struct mu_archive_column *column = &manifest->columns[i];

                (void)snprintf(column->name, sizeof(column->name), "%s",
                               mu_pg_get_text(rows, i, 0));
                (void)snprintf(column->type, sizeof(column->type), "%s",
                               mu_pg_get_text(rows, i, 1));
                column->not_null = mu_pg_get_bool(rows, i, 2);
                manifest->column_count++;
        }
        mu_pg_result_free(rows);
        return err;
}

int mu_archive_sql_count(struct mu_archiver *archiver, struct mu_pg *pg)
{
        struct mu_archive_cells *cells = &archiver->cells;

        for (enum mu_parent parent = 0; parent < MU_PARENTS; parent++) {
                struct mu_pg_result *rows;
                int err = mu_pg_query(pg, &TOTALS,
                                      MU_PG_VALUES(mu_pg_text(mu_parent_facts(parent)->table)),
                                      &rows);

                if (err)
                        return err;
                mu_cell_set(&cells->days[parent], (uint64_t)mu_pg_get_int(rows, 0, 0));
                mu_cell_set(&cells->rows[parent], (uint64_t)mu_pg_get_int(rows, 0, 1));
                mu_cell_set(&cells->plain_bytes[parent], (uint64_t)mu_pg_get_int(rows, 0, 2));
                mu_cell_set(&cells->stored_bytes[parent], (uint64_t)mu_pg_get_int(rows, 0, 3));
                mu_cell_set(&cells->restored[parent], (uint64_t)mu_pg_get_int(rows, 0, 4));
                mu_pg_result_free(rows);
        }
        archiver->counted = true;
        return 0;
}

int mu_archive_sql_begin(struct mu_pg *pg, const char *settings)
{
        int err = mu_pg_begin(pg);

        if (!err)
                err = mu_pg_script(pg, "archive_settings", settings);
        if (err)
                mu_pg_rollback(pg);
        return err;
}

int mu_archive_sql_end(struct mu_pg *pg, int error)
{
        if (!error)
                return mu_pg_commit(pg);
        mu_pg_rollback(pg);
        return error;
}
