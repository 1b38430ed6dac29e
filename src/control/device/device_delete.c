/* SPDX-License-Identifier: Apache-2.0 */
#include "control/device/device_delete.h"

#include <errno.h>

#include "base/bus.h"
#include "control/command/ledger_keep.h"
#include "control/control.h"
#include "control/device/device_settings.h"
#include "identity/device_table.h"
#include "pg/query.h"

#define SETTINGS MU_DEVICE_DROP_SETTINGS("= $1")

/* The sequence is written even when the tombstone stands already: a first try may have been
 * committed without our hearing of it, and the device has reported since. */
static const struct mu_pg_statement DELETE_DEVICE = {
        .name = "device_delete",
        .sql = "WITH old AS (SELECT id, alias, kind, hardware_id, deleted_at FROM devices"
               "  WHERE id = $1 FOR UPDATE),"
               " device AS (UPDATE devices d SET deleted_at = coalesce(old.deleted_at, now()),"
               "  deletion_journal_id = $2, deletion_journal_seq = $3 FROM old"
               "  WHERE d.id = old.id),"
               " status AS (DELETE FROM device_last_status WHERE device_id = $1)," SETTINGS
               " INSERT INTO audit_log (actor, action, subject, address, before)"
               "  SELECT $4, 'device.delete', 'device:' || id, $5,"
               "  jsonb_build_object('alias', alias, 'kind', kind, 'hardware_id', hardware_id)"
               "  FROM old WHERE deleted_at IS NULL",
        .params = {MU_PG_INT8, MU_PG_BYTEA, MU_PG_INT8, MU_PG_TEXT, MU_PG_TEXT},
        .repeatable = true,
};

/* A writer may have put the status back between our statement's snapshot and the tombstone in
 * memory; and an operator may have set something for the device. */
static const struct mu_pg_statement DELETE_STATUS = {
        .name = "device_delete_status",
        .sql = "WITH" SETTINGS " DELETE FROM device_last_status WHERE device_id = $1",
        .params = {MU_PG_INT8},
        .repeatable = true,
};

static int write_down(struct mu_control *control, struct mu_pg *pg, int64_t device_id, uint64_t seq,
                      const char *actor, const char *address)
{
        return mu_pg_query(
                pg, &DELETE_DEVICE,
                MU_PG_VALUES(mu_pg_int8(device_id), mu_pg_bytea(control->config.journal_id, 16),
                             mu_pg_int8((int64_t)seq), mu_pg_text(actor), mu_pg_text(address)),
                NULL);
}

/* Claims the device for this deletion. False: it is deleted, or somebody else is at it. */
static bool claim(struct mu_device *device, uint32_t *ret_before)
{
        uint32_t state = mu_device_state(device);

        while (state != MU_DEVICE_DELETED && state != MU_DEVICE_DELETING)
                if (atomic_compare_exchange_weak(&device->state, &state, MU_DEVICE_DELETING))
                        break;
        *ret_before = state;
        return state != MU_DEVICE_DELETED && state != MU_DEVICE_DELETING;
}

static int delete_claimed(struct mu_control *control, struct mu_pg *pg, struct mu_device *device,
                          const char *actor, const char *address,
                          enum mu_delete_outcome *ret_outcome)
{
        uint64_t seq;
        int error = control->config.journal_barrier(control->config.ctx, &seq);

        if (error == -ETIMEDOUT) {
                *ret_outcome = MU_DELETE_JOURNAL_BUSY;
                return 0;
        }
        if (error == 0)
                error = write_down(control, pg, device->id, seq, actor, address);
        if (error < 0)
                return error;
        *ret_outcome = MU_DELETE_DONE;
        return 0;
}

/* The tombstone stands; what is left behind is only untidy, and a repeat removes it. */
static int tidy(struct mu_control *control, struct mu_pg *pg, struct mu_device *device)
{
        const struct mu_bus_event event = {.kind = MU_BUS_DEVICE_DELETED, .device_id = device->id};
        uint64_t cancelled;
        int error = mu_pg_query(pg, &DELETE_STATUS, MU_PG_VALUES(mu_pg_int8(device->id)), NULL);

        if (error == 0)
                error = mu_ledger_cancel_devices(pg, &device->id, 1, &cancelled);
        atomic_store(&device->commands_pending, 0);
        mu_bus_publish(control->config.bus, &event, 1);
        return error;
}

int mu_device_delete(struct mu_control *control, struct mu_pg *pg, int64_t device_id,
                     const char *actor, const char *address, enum mu_delete_outcome *ret_outcome)
{
        struct mu_device *device = mu_device_table_by_id(control->config.devices, device_id);
        uint32_t before = MU_DEVICE_DELETED;

        *ret_outcome = device ? MU_DELETE_DONE : MU_DELETE_UNKNOWN;
        if (!device)
                return 0;
        if (claim(device, &before)) {
                int error = delete_claimed(control, pg, device, actor, address, ret_outcome);

                if (error < 0 || *ret_outcome != MU_DELETE_DONE) {
                        atomic_store(&device->state, before);
                        return error;
                }
                atomic_store(&device->state, MU_DEVICE_DELETED);
                mu_device_table_note(control->config.devices, device, MU_EVENT_CHANGED);
                atomic_fetch_add_explicit(&control->devices_deleted, 1, memory_order_relaxed);
        } else if (before == MU_DEVICE_DELETING) {
                *ret_outcome = MU_DELETE_UNDER_WAY;
                return 0;
        }
        return tidy(control, pg, device);
}

/* A selection of one, so that purges are all alike. Asked for again while one waits: nothing. */
static const struct mu_pg_statement PURGE = {
        .name = "device_purge",
        .sql = "WITH device AS (SELECT id FROM devices WHERE id = $1 AND deleted_at IS NOT NULL"
               "  AND NOT EXISTS (SELECT FROM bulk_deletions b JOIN selection_devices m"
               "   ON m.selection_id = b.selection_id"
               "   WHERE m.device_id = $1 AND b.purge_history AND b.state <> 'done')),"
               " selection AS (INSERT INTO selections (expires_at, device_count, created_by)"
               "  SELECT now(), 1, $4 FROM device RETURNING id),"
               " member AS (INSERT INTO selection_devices (selection_id, device_id)"
               "  SELECT selection.id, device.id FROM selection, device),"
               " purge AS (INSERT INTO bulk_deletions (selection_id, deleted_at, journal_id,"
               "  journal_seq, device_count, purge_history, state, actor, address)"
               "  SELECT id, now(), $2, $3, 1, true, 'purging', $4, $5 FROM selection"
               "  RETURNING id)"
               " INSERT INTO audit_log (actor, action, subject, address, after)"
               "  SELECT $4, 'device.purge', 'device:' || $1, $5,"
               "  jsonb_build_object('bulk_deletion', id::text) FROM purge",
        .params = {MU_PG_INT8, MU_PG_BYTEA, MU_PG_INT8, MU_PG_TEXT, MU_PG_TEXT},
        .repeatable = true,
};

int mu_device_purge(struct mu_control *control, struct mu_pg *pg, int64_t device_id,
                    const char *actor, const char *address, enum mu_delete_outcome *ret_outcome)
{
        uint64_t seq;
        int error = control->config.journal_barrier(control->config.ctx, &seq);

        *ret_outcome = error == -ETIMEDOUT ? MU_DELETE_JOURNAL_BUSY : MU_DELETE_DONE;
        if (error < 0)
                return error == -ETIMEDOUT ? 0 : error;
        return mu_pg_query(
                pg, &PURGE,
                MU_PG_VALUES(mu_pg_int8(device_id), mu_pg_bytea(control->config.journal_id, 16),
                             mu_pg_int8((int64_t)seq), mu_pg_text(actor), mu_pg_text(address)),
                NULL);
}
