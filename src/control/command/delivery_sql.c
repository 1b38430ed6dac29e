/* SPDX-License-Identifier: Apache-2.0 */
#include "control/command/dispatcher_private.h"
#include "pg/query.h"

/* A command that is over, or gone, still has its attempts: they happened. */
static const struct mu_pg_statement DELIVERY_NEXT_ATTEMPT = {
        .name = "delivery_next_attempt",
        .sql = "WITH numbered AS ("
               "  UPDATE commands SET attempt_count = attempt_count + 1"
               "  WHERE device_id = $1 AND id = $2"
               "  RETURNING device_id, id, attempt_count)"
               " INSERT INTO command_attempts (device_id, command_id, number, path)"
               " SELECT device_id, id, attempt_count, $3 FROM numbered"
               " RETURNING number",
        .params = {MU_PG_INT8, MU_PG_INT8, MU_PG_TEXT},
};

int mu_delivery_next_attempt(struct mu_pg *pg, struct mu_ledger_key key, enum mu_command_path path,
                             uint32_t *ret_attempt)
{
        struct mu_pg_result *rows;
        int error = mu_pg_query(pg, &DELIVERY_NEXT_ATTEMPT,
                                MU_PG_VALUES(mu_pg_int8(key.device_id), mu_pg_int8(key.command_id),
                                             mu_pg_text(mu_command_path_name(path))),
                                &rows);

        if (error < 0)
                return error;
        if (mu_pg_rows(rows) == 1)
                *ret_attempt = (uint32_t)mu_pg_get_int(rows, 0, 0);
        mu_pg_result_free(rows);
        return 0;
}
