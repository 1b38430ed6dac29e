/* SPDX-License-Identifier: Apache-2.0 */
#include "control/command/ledger_keep.h"

#include <errno.h>
#include <stdlib.h>

#include "base/assert.h"
#include "control/command/command_news.h"
#include "control/command/ledger.h"
#include "control/command/ledger_sql.h"
#include "pg/query.h"

static void take_pending(const struct mu_pg_result *rows, struct mu_ledger_pending *pending)
{
        for (size_t i = 0; i < mu_pg_rows(rows); i++)
                pending[i] = (struct mu_ledger_pending){
                        .device_id = mu_pg_get_int(rows, i, 0),
                        .count = (uint32_t)mu_pg_get_int(rows, i, 1),
                };
}

int mu_ledger_pending(struct mu_pg *pg, const int64_t *device_ids, size_t count,
                      struct mu_ledger_pending *ret_pending, size_t *ret_count)
{
        struct mu_pg_result *rows;
        int error = mu_pg_query(pg, &mu_ledger_pending_sql,
                                MU_PG_VALUES(mu_pg_int8_array(device_ids, count)), &rows);

        if (error < 0)
                return error;
        *ret_count = mu_pg_rows(rows);
        MU_ASSERT(*ret_count <= count);
        take_pending(rows, ret_pending);
        mu_pg_result_free(rows);
        return 0;
}

int mu_ledger_pending_all(struct mu_pg *pg, struct mu_ledger_pending **ret_pending,
                          size_t *ret_count)
{
        struct mu_pg_result *rows;
        int error = mu_pg_query(pg, &mu_ledger_pending_all_sql, MU_PG_VALUES(), &rows);

        if (error < 0)
                return error;
        struct mu_ledger_pending *pending = calloc(mu_pg_rows(rows) + 1, sizeof(*pending));

        if (pending) {
                take_pending(rows, pending);
                *ret_pending = pending;
                *ret_count = mu_pg_rows(rows);
        }
        mu_pg_result_free(rows);
        return pending ? 0 : -ENOMEM;
}

int mu_ledger_expire(struct mu_pg *pg, size_t count_max, struct mu_ledger_expired *ret_expired)
{
        struct mu_pg_result *rows;
        int error = mu_pg_query(pg, &mu_ledger_expire_sql,
                                MU_PG_VALUES(mu_pg_int8((int64_t)count_max)), &rows);

        if (error < 0)
                return error;
        struct mu_command_news *news = mu_command_news_create(mu_pg_rows(rows));

        for (size_t i = 0; news && i < news->count; i++)
                news->notes[i] = (struct mu_command_note){
                        .device_id = mu_pg_get_int(rows, i, 0),
                        .id = mu_pg_get_int(rows, i, 1),
                        .type = mu_command_type_find(mu_pg_get_text(rows, i, 2)),
                        .state = MU_COMMAND_EXPIRED,
                };
        if (news)
                *ret_expired = (struct mu_ledger_expired){.count = mu_pg_rows(rows), .news = news};
        mu_pg_result_free(rows);
        return news ? 0 : -ENOMEM;
}

void mu_ledger_expired_done(struct mu_ledger_expired *expired)
{
        free(expired->news);
        *expired = (struct mu_ledger_expired){0};
}

static int change(struct mu_pg *pg, const struct mu_pg_statement *statement,
                  const struct mu_pg_value *values, uint64_t *ret_affected)
{
        struct mu_pg_result *result;
        int error = mu_pg_query(pg, statement, values, &result);

        if (error < 0)
                return error;
        *ret_affected = mu_pg_affected(result);
        mu_pg_result_free(result);
        return 0;
}

int mu_ledger_cancel_devices(struct mu_pg *pg, const int64_t *device_ids, size_t count,
                             uint64_t *ret_cancelled)
{
        return change(pg, &mu_ledger_cancel_devices_sql,
                      MU_PG_VALUES(mu_pg_int8_array(device_ids, count)), ret_cancelled);
}

int mu_ledger_forget(struct mu_pg *pg, int64_t before_us, size_t count_max, uint64_t *ret_removed)
{
        const struct mu_pg_value *values =
                MU_PG_VALUES(mu_pg_timestamptz(before_us), mu_pg_int8((int64_t)count_max));
        uint64_t removed = 0;
        uint64_t bulk = 0;
        int error = change(pg, &mu_ledger_forget_sql, values, &removed);

        if (error == 0)
                error = change(pg, &mu_ledger_forget_bulk_sql, values, &bulk);
        if (error == 0)
                *ret_removed = removed;
        return error;
}
