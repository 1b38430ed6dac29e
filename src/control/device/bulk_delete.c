/* SPDX-License-Identifier: Apache-2.0 */
#include "control/device/bulk_delete.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/bus.h"
#include "base/failpoint.h"
#include "control/command/ledger_keep.h"
#include "control/control.h"
#include "control/device/device_filter.h"
#include "control/device/device_settings.h"
#include "control/device/selection.h"
#include "identity/device_table.h"
#include "pg/query.h"

/* Writers that give a new device its first status wait for a chunk that holds its row. */
enum { CHUNK_DEVICES = 500 };

/* ---- statements ---- */

static const struct mu_pg_statement MEMBERS = {
        .name = "bulk_delete_members",
        .sql = "SELECT device_id FROM selection_devices WHERE selection_id = $1",
        .params = {MU_PG_INT8},
};

static const struct mu_pg_statement EARLIER = {
        .name = "bulk_delete_earlier",
        .sql = "SELECT id, state FROM bulk_deletions WHERE selection_id = $1",
        .params = {MU_PG_INT8},
};

static const struct mu_pg_statement BEGIN = {
        .name = "bulk_delete_begin",
        .sql = "WITH begun AS (INSERT INTO bulk_deletions (selection_id, journal_id, journal_seq,"
               "  device_count, purge_history, actor, address)"
               "  VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id),"
               " audit AS (INSERT INTO audit_log (actor, action, subject, address, after)"
               "  SELECT $6, 'device.bulk_delete', 'bulk-deletion:' || id, $7,"
               "  jsonb_build_object('selection_id', $1::text, 'devices', $4::integer,"
               "   'purge_history', $5::boolean) FROM begun)"
               " SELECT id FROM begun",
        .params = {MU_PG_INT8, MU_PG_BYTEA, MU_PG_INT8, MU_PG_INT4, MU_PG_BOOL, MU_PG_TEXT,
                   MU_PG_TEXT},
};

#define OF_CHUNK MU_DEVICE_DROP_SETTINGS("IN (SELECT device_id FROM chunk)")
#define OF_ALL                                                                                     \
        MU_DEVICE_DROP_SETTINGS("IN (SELECT m.device_id FROM bulk_deletions b"                     \
                                "  JOIN selection_devices m USING (selection_id)"                  \
                                "  WHERE b.id = $1 AND b.state = 'deleting')")

/* Nothing is left where another has finished it meanwhile. Each device is audited: who deleted it
 * must be found by its own id. A tombstone without a journal is the keeper's, from a snapshot that
 * outlived a kill. */
static const struct mu_pg_statement CHUNK = {
        .name = "bulk_delete_chunk",
        .sql = "WITH bulk AS (SELECT * FROM bulk_deletions WHERE id = $1 AND state = 'deleting'"
               "  FOR UPDATE),"
               " chunk AS (SELECT m.device_id FROM bulk JOIN selection_devices m"
               "  ON m.selection_id = bulk.selection_id AND m.device_id > bulk.device_cursor"
               "  ORDER BY m.device_id LIMIT $2),"
               " old AS (SELECT id, alias, kind, hardware_id, deleted_at, deletion_journal_id"
               "  FROM devices"
               "  WHERE id IN (SELECT device_id FROM chunk) ORDER BY id FOR UPDATE),"
               " tombstones AS (UPDATE devices d SET deleted_at = coalesce(old.deleted_at, now()),"
               "  deletion_journal_id = bulk.journal_id, deletion_journal_seq = bulk.journal_seq"
               "  FROM old, bulk WHERE d.id = old.id),"
               " statuses AS (DELETE FROM device_last_status WHERE device_id IN"
               "  (SELECT device_id FROM chunk))," OF_CHUNK ","
               " audit AS (INSERT INTO audit_log (actor, action, subject, address, before, after)"
               "  SELECT bulk.actor, 'device.delete', 'device:' || old.id, bulk.address,"
               "  jsonb_build_object('alias', alias, 'kind', kind, 'hardware_id', hardware_id),"
               "  jsonb_build_object('bulk_deletion', bulk.id::text)"
               "  FROM old, bulk WHERE old.deleted_at IS NULL OR old.deletion_journal_id IS NULL),"
               " moved AS (UPDATE bulk_deletions b SET device_cursor = last.device_id"
               "  FROM (SELECT max(device_id) AS device_id FROM chunk) AS last"
               "  WHERE b.id = $1 AND last.device_id IS NOT NULL)"
               " SELECT device_id FROM chunk",
        .params = {MU_PG_INT8, MU_PG_INT8},
};

/* An operator may have set something for a device meanwhile, and a writer may have put a status
 * back between a chunk's snapshot and the tombstone in memory. */
static const struct mu_pg_statement FINISH = {
        .name = "bulk_delete_finish",
        .sql = "WITH statuses AS (DELETE FROM device_last_status s"
               "  USING bulk_deletions b, selection_devices m WHERE b.id = $1"
               "  AND b.state = 'deleting' AND m.selection_id = b.selection_id"
               "  AND s.device_id = m.device_id)," OF_ALL ","
               " thin AS (INSERT INTO job_analyze (relation)"
               "  SELECT name FROM bulk_deletions b, unnest(ARRAY['devices', 'device_last_status'])"
               "   AS name WHERE b.id = $1 AND b.state = 'deleting' AND 10000 <="
               "   (SELECT count(*) FROM selection_devices m WHERE m.selection_id = b.selection_id)"
               "  ON CONFLICT (relation) DO UPDATE SET asked_at = now())"
               " UPDATE bulk_deletions SET deleted_at = now(), device_cursor = 0,"
               " state = CASE WHEN purge_history THEN 'purging' ELSE 'done' END,"
               " finished_at = CASE WHEN purge_history THEN NULL ELSE now() END"
               " WHERE id = $1 AND state = 'deleting'",
        .params = {MU_PG_INT8},
        .repeatable = true,
};

static const struct mu_pg_statement UNFINISHED = {
        .name = "bulk_delete_unfinished",
        .sql = "SELECT id, selection_id FROM bulk_deletions WHERE state = 'deleting'"
               " ORDER BY id LIMIT 1",
        .repeatable = true,
};

static const struct mu_pg_statement RAISE = {
        .name = "bulk_delete_raise",
        .sql = "UPDATE bulk_deletions SET journal_id = $2, journal_seq = $3"
               " WHERE id = $1 AND state = 'deleting'",
        .params = {MU_PG_INT8, MU_PG_BYTEA, MU_PG_INT8},
        .repeatable = true,
};

/* ---- memory ---- */

/* The devices this deletion has claimed, with what they were. */
struct claims {
        struct mu_device_table *devices;
        struct claim {
                struct mu_device *device;
                uint32_t before;
        } * list;
        size_t count;
        size_t room;
};

static int claim_one(void *context, const struct mu_pg_result *row)
{
        struct claims *claims = context;
        struct mu_device *device = mu_device_table_by_id(claims->devices, mu_pg_get_int(row, 0, 0));

        if (!device)
                return 0;
        if (claims->count == claims->room) {
                size_t room = claims->room ? claims->room * 2 : 1024;
                struct claim *grown = reallocarray(claims->list, room, sizeof(*grown));

                if (!grown)
                        return -ENOMEM;
                claims->list = grown;
                claims->room = room;
        }
        uint32_t state = mu_device_state(device);

        while (state == MU_DEVICE_LIVE || state == MU_DEVICE_QUARANTINED)
                if (atomic_compare_exchange_weak(&device->state, &state, MU_DEVICE_DELETING)) {
                        claims->list[claims->count++] =
                                (struct claim){.device = device, .before = state};
                        break;
                }
        return 0;
}

static void release_claims(struct claims *claims, bool deleted)
{
        for (size_t i = 0; i < claims->count; i++) {
                struct mu_device *device = claims->list[i].device;

                atomic_store(&device->state,
                             deleted ? (uint32_t)MU_DEVICE_DELETED : claims->list[i].before);
                if (!deleted)
                        continue;
                atomic_store(&device->commands_pending, 0);
                mu_device_table_note(claims->devices, device, MU_EVENT_CHANGED);
        }
        free(claims->list);
        claims->list = NULL;
        claims->count = 0;
}

static int claim_members(struct mu_control *control, struct mu_pg *pg, int64_t selection_id,
                         struct claims *claims, uint64_t *ret_seq)
{
        *claims = (struct claims){.devices = control->config.devices};
        int error =
                mu_pg_each(pg, &MEMBERS, MU_PG_VALUES(mu_pg_int8(selection_id)), claim_one, claims);

        return error < 0 ? error : control->config.journal_barrier(control->config.ctx, ret_seq);
}

/* ---- chunks ---- */

static int write_chunk(struct mu_pg *pg, int64_t deletion_id, struct mu_device_ids *ids)
{
        struct mu_pg_result *rows;
        uint64_t cancelled;
        int error = mu_pg_query(pg, &CHUNK,
                                MU_PG_VALUES(mu_pg_int8(deletion_id), mu_pg_int8(CHUNK_DEVICES)),
                                &rows);

        if (error < 0)
                return error;
        for (size_t i = 0; i < mu_pg_rows(rows) && error == 0; i++)
                error = mu_device_ids_add(ids, mu_pg_get_int(rows, i, 0));
        mu_pg_result_free(rows);
        if (error == 0 && ids->count > 0)
                error = mu_ledger_cancel_devices(pg, ids->ids, ids->count, &cancelled);
        return error;
}

/* Who was registered while the claims were made is not among them. */
static void confirm_deleted(struct mu_device_table *devices, const struct mu_device_ids *ids)
{
        for (size_t i = 0; i < ids->count; i++) {
                struct mu_device *device = mu_device_table_by_id(devices, ids->ids[i]);

                if (device &&
                    atomic_exchange(&device->state, MU_DEVICE_DELETED) != MU_DEVICE_DELETED)
                        mu_device_table_note(devices, device, MU_EVENT_CHANGED);
        }
}

static int delete_chunk(struct mu_control *control, struct mu_pg *pg, int64_t deletion_id,
                        size_t *ret_count)
{
        struct mu_device_ids ids = {0};
        int error = mu_pg_begin(pg);

        if (error == 0)
                error = write_chunk(pg, deletion_id, &ids);
        if (error == 0)
                error = mu_pg_commit(pg);
        else
                mu_pg_rollback(pg);
        if (error == 0)
                confirm_deleted(control->config.devices, &ids);
        *ret_count = ids.count;
        mu_device_ids_done(&ids);
        return error;
}

static int carry_out(struct mu_control *control, struct mu_pg *pg, int64_t deletion_id,
                     uint64_t *ret_devices)
{
        const struct mu_bus_event event = {.kind = MU_BUS_DEVICES_CHANGED};
        size_t count;

        do {
                int error = delete_chunk(control, pg, deletion_id, &count);

                if (error == 0)
                        *ret_devices += count;
                MU_FAILPOINT("bulk_delete.after_chunk", error);
                if (error < 0)
                        return error;
        } while (count == CHUNK_DEVICES);
        int error = mu_pg_query(pg, &FINISH, MU_PG_VALUES(mu_pg_int8(deletion_id)), NULL);

        if (error == 0)
                mu_bus_publish(control->config.bus, &event, 1);
        return error;
}

/* ---- from the start ---- */

/* A repeat of a request whose reply was lost. *ret_id 0: there was none. */
static int find_earlier(struct mu_pg *pg, const struct mu_bulk_delete_ask *ask, int64_t *ret_id,
                        enum mu_bulk_delete_outcome *ret_outcome)
{
        struct mu_pg_result *rows;
        int error = mu_pg_query(pg, &EARLIER, MU_PG_VALUES(mu_pg_int8(ask->selection->id)), &rows);

        if (error < 0)
                return error;
        *ret_id = 0;
        if (mu_pg_rows(rows) > 0) {
                *ret_id = mu_pg_get_int(rows, 0, 0);
                *ret_outcome = strcmp(mu_pg_get_text(rows, 0, 1), "deleting") == 0
                                       ? MU_BULK_DELETE_STARTED
                                       : MU_BULK_DELETE_DONE;
        }
        mu_pg_result_free(rows);
        return 0;
}

static int begin(struct mu_control *control, struct mu_pg *pg, const struct mu_bulk_delete_ask *ask,
                 uint64_t seq, int64_t *ret_id)
{
        struct mu_pg_result *rows;
        int error = mu_pg_query(pg, &BEGIN,
                                MU_PG_VALUES(mu_pg_int8(ask->selection->id),
                                             mu_pg_bytea(control->config.journal_id, 16),
                                             mu_pg_int8((int64_t)seq),
                                             mu_pg_int4((int32_t)ask->selection->device_count),
                                             mu_pg_bool(ask->purge_history), mu_pg_text(ask->actor),
                                             mu_pg_text(ask->address)),
                                &rows);

        if (error < 0)
                return error;
        *ret_id = mu_pg_get_int(rows, 0, 0);
        mu_pg_result_free(rows);
        return mu_pg_commit(pg);
}

int mu_bulk_delete(struct mu_control *control, struct mu_pg *pg,
                   const struct mu_bulk_delete_ask *ask, enum mu_bulk_delete_outcome *ret_outcome,
                   int64_t *ret_deletion_id)
{
        struct claims claims = {0};
        uint64_t devices = 0;
        uint64_t seq;
        int64_t id;

        MU_ASSERT(mu_pg_in_transaction(pg));
        int error = find_earlier(pg, ask, &id, ret_outcome);

        if (error == 0 && id != 0) {
                mu_pg_rollback(pg);
                *ret_deletion_id = id;
                return 0;
        }
        if (error == 0)
                error = claim_members(control, pg, ask->selection->id, &claims, &seq);
        if (error == 0)
                error = begin(control, pg, ask, seq, &id);
        uint64_t claimed = claims.count;

        release_claims(&claims, error == 0);
        if (error < 0) {
                mu_pg_rollback(pg);
                *ret_outcome = MU_BULK_DELETE_JOURNAL_BUSY;
                return error == -ETIMEDOUT ? 0 : error;
        }
        atomic_fetch_add_explicit(&control->devices_deleted, claimed, memory_order_relaxed);
        *ret_deletion_id = id;
        /* It will be finished, whatever happens from here on: a failure is the job's now. */
        MU_FAILPOINT("bulk_delete.begun", error);
        if (error == 0)
                error = carry_out(control, pg, id, &devices);
        *ret_outcome = error == 0 ? MU_BULK_DELETE_DONE : MU_BULK_DELETE_STARTED;
        return 0;
}

/* ---- and after a kill ---- */

static int resume_one(struct mu_control *control, struct mu_pg *pg, int64_t id,
                      int64_t selection_id, uint64_t *ret_devices)
{
        struct claims claims;
        uint64_t seq;
        int error = claim_members(control, pg, selection_id, &claims, &seq);

        if (error == 0)
                error = mu_pg_query(pg, &RAISE,
                                    MU_PG_VALUES(mu_pg_int8(id),
                                                 mu_pg_bytea(control->config.journal_id, 16),
                                                 mu_pg_int8((int64_t)seq)),
                                    NULL);
        release_claims(&claims, error == 0);
        return error < 0 ? error : carry_out(control, pg, id, ret_devices);
}

int mu_bulk_delete_resume(struct mu_control *control, struct mu_pg *pg, uint64_t *ret_devices)
{
        for (;;) {
                struct mu_pg_result *rows;
                int error = mu_pg_query(pg, &UNFINISHED, MU_PG_VALUES(), &rows);

                if (error < 0)
                        return error;
                bool found = mu_pg_rows(rows) > 0;
                int64_t id = found ? mu_pg_get_int(rows, 0, 0) : 0;
                int64_t selection_id = found ? mu_pg_get_int(rows, 0, 1) : 0;

                mu_pg_result_free(rows);
                if (!found)
                        return 0;
                error = resume_one(control, pg, id, selection_id, ret_devices);
                if (error < 0)
                        return error;
        }
}
