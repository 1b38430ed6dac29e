/* SPDX-License-Identifier: Apache-2.0 */
#include "control/command/ledger_keep.h"

#include <errno.h>
#include <stdlib.h>

#include "base/assert.h"
#include "control/command/command_type.h"
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

static int by_id(const void *one, const void *other)
{
        int64_t a = *(const int64_t *)one;
        int64_t b = *(const int64_t *)other;

        return (a > b) - (a < b);
}

static size_t each_once(int64_t *ids, size_t count)
{
        size_t kept = 0;

        qsort(ids, count, sizeof(*ids), by_id);
        for (size_t i = 0; i < count; i++)
                if (kept == 0 || ids[kept - 1] != ids[i])
                        ids[kept++] = ids[i];
        return kept;
}

int mu_ledger_expire(struct mu_pg *pg, size_t count_max, struct mu_ledger_expired *ret_expired)
{
        struct mu_ledger_expired expired = {0};
        struct mu_pg_result *rows;
        int error = mu_pg_query(pg, &mu_ledger_expire_sql,
                                MU_PG_VALUES(mu_pg_int8((int64_t)count_max)), &rows);

        if (error < 0)
                return error;
        expired.count = mu_pg_rows(rows);
        expired.device_ids = calloc(expired.count + 1, sizeof(*expired.device_ids));
        for (size_t i = 0; expired.device_ids && i < expired.count; i++) {
                const struct mu_command_type *type =
                        mu_command_type_find(mu_pg_get_text(rows, i, 1));

                expired.device_ids[i] = mu_pg_get_int(rows, i, 0);
                if (type)
                        expired.by_type[mu_command_type_index(type)]++;
        }
        mu_pg_result_free(rows);
        if (!expired.device_ids)
                return -ENOMEM;
        expired.device_count = each_once(expired.device_ids, expired.count);
        *ret_expired = expired;
        return 0;
}

void mu_ledger_expired_done(struct mu_ledger_expired *expired)
{
        free(expired->device_ids);
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
