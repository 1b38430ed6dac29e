/* SPDX-License-Identifier: Apache-2.0 */
#include "control/device/selection.h"

#include <errno.h>
#include <stdio.h>

#include "control/endpoint.h"
#include "pg/query.h"

/* Locked: it is not tidied away under a bulk operation, and two of one selection follow each other.
 */
static const struct mu_pg_statement FIND = {
        .name = "selection_find",
        .sql = "SELECT created_at, expires_at, device_count, expires_at <= now() FROM selections"
               " WHERE id = $1 AND created_by = $2 FOR NO KEY UPDATE",
        .params = {MU_PG_INT8, MU_PG_TEXT},
        .repeatable = true,
};

int mu_selection_find(struct mu_pg *pg, int64_t selection_id, const char *actor,
                      struct mu_selection *ret_selection)
{
        struct mu_pg_result *rows;
        int error = mu_pg_query(pg, &FIND,
                                MU_PG_VALUES(mu_pg_int8(selection_id), mu_pg_text(actor)), &rows);

        if (error < 0)
                return error;
        if (mu_pg_rows(rows) == 0) {
                error = -ENOENT;
        } else if (mu_pg_get_bool(rows, 0, 3)) {
                error = -ESTALE;
        } else {
                *ret_selection = (struct mu_selection){
                        .id = selection_id,
                        .created_at_us = mu_pg_get_timestamptz(rows, 0, 0),
                        .expires_at_us = mu_pg_get_timestamptz(rows, 0, 1),
                        .device_count = (uint32_t)mu_pg_get_int(rows, 0, 2),
                };
        }
        mu_pg_result_free(rows);
        return error;
}

bool mu_ask_selection(struct mu_ask *ask, int64_t selection_id, struct mu_selection *ret_selection)
{
        int error = mu_selection_find(ask->pg, selection_id, ask->actor, ret_selection);

        switch (error) {
        case 0:
                return true;
        case -ENOENT:
                mu_ask_not_found(ask, "selection");
                return false;
        case -ESTALE:
                mu_call_problem(ask->call, 410, "selection-expired", "selection_id",
                                "This selection has expired, so what it shows may be out of date; "
                                "select the devices again.");
                return false;
        default:
                mu_ask_failed(ask, error);
                return false;
        }
}

void mu_selection_confirm_text(uint32_t device_count, char text[MU_SELECTION_CONFIRM_BYTES])
{
        (void)snprintf(text, MU_SELECTION_CONFIRM_BYTES, "DELETE %u", device_count);
}
