/* SPDX-License-Identifier: Apache-2.0 */
#include "control/device/device_delete.h"

#include <errno.h>

#include "control/control.h"
#include "identity/device_table.h"
#include "pg/query.h"

static const struct mu_pg_statement DELETE_DEVICE = {
        .name = "device_delete",
        .sql = "WITH device AS (UPDATE devices SET deleted_at = now(), deletion_journal_id = $2,"
               "  deletion_journal_seq = $3 WHERE id = $1 AND deleted_at IS NULL"
               "  RETURNING id, alias, kind, hardware_id),"
               " status AS (DELETE FROM device_last_status WHERE device_id = $1),"
               " audit AS (INSERT INTO audit_log (actor, action, subject, address, before)"
               "  SELECT $4, 'device.delete', 'device:' || id, $5,"
               "  jsonb_build_object('alias', alias, 'kind', kind, 'hardware_id', hardware_id)"
               "  FROM device)"
               " SELECT count(*) FROM device",
        .params = {MU_PG_INT8, MU_PG_BYTEA, MU_PG_INT8, MU_PG_TEXT, MU_PG_TEXT},
        .repeatable = true,
};

/* A writer may have put the status back between our statement's snapshot and the tombstone in
 * memory. */
static const struct mu_pg_statement DELETE_STATUS = {
        .name = "device_delete_status",
        .sql = "DELETE FROM device_last_status WHERE device_id = $1",
        .params = {MU_PG_INT8},
        .repeatable = true,
};

static int write_down(struct mu_control *control, struct mu_pg *pg, int64_t device_id,
                      const char *actor, const char *address)
{
        uint64_t seq;
        int error = control->config.journal_barrier(control->config.ctx, &seq);

        if (error < 0)
                return error;
        return mu_pg_query(
                pg, &DELETE_DEVICE,
                MU_PG_VALUES(mu_pg_int8(device_id), mu_pg_bytea(control->config.journal_id, 16),
                             mu_pg_int8((int64_t)seq), mu_pg_text(actor), mu_pg_text(address)),
                NULL);
}

int mu_device_delete(struct mu_control *control, struct mu_pg *pg, int64_t device_id,
                     const char *actor, const char *address, enum mu_delete_outcome *ret_outcome)
{
        struct mu_device *device = mu_device_table_by_id(control->config.devices, device_id);

        if (!device) {
                *ret_outcome = MU_DELETE_UNKNOWN;
                return 0;
        }
        uint32_t state = mu_device_state(device);

        do {
                if (state == MU_DEVICE_DELETING) {
                        *ret_outcome = MU_DELETE_UNDER_WAY;
                        return 0;
                }
        } while (state != MU_DEVICE_DELETED &&
                 !atomic_compare_exchange_weak(&device->state, &state, MU_DEVICE_DELETING));
        if (state != MU_DEVICE_DELETED) {
                int error = write_down(control, pg, device_id, actor, address);

                if (error < 0) {
                        atomic_store(&device->state, state);
                        return error;
                }
                atomic_store(&device->state, MU_DEVICE_DELETED);
                mu_device_table_note(control->config.devices, device, MU_EVENT_CHANGED);
                atomic_fetch_add_explicit(&control->devices_deleted, 1, memory_order_relaxed);
        }
        *ret_outcome = MU_DELETE_DONE;
        /* The tombstone stands; a status left behind is only untidy, and a repeat removes it. */
        return mu_pg_query(pg, &DELETE_STATUS, MU_PG_VALUES(mu_pg_int8(device_id)), NULL);
}
