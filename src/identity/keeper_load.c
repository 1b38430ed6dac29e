/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/keeper_load.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "identity/keeper_sql.h"

enum {
        BATCH_DEVICES = 1000, /* devices in one statement */
        OFFSET_STEP_S = 10,   /* clock offsets are multiples of it; PostgreSQL does not insist */
};

enum listed {
        LISTED_NOT = 0,
        LISTED_LIVE = 1,
        LISTED_DELETED = 2,
};

/* What PostgreSQL's list says about the devices of the table, by index. */
struct listing {
        struct mu_device_table *devices;
        uint8_t *listed; /* enum listed */
        int32_t *generation_max;
        size_t room;
        struct mu_keeper_report report;
};

/* ---- reading PostgreSQL's list ---- */

static int make_room(struct listing *listing, uint32_t index)
{
        if (index < listing->room)
                return 0;
        size_t room = listing->room ? listing->room * 2 : 4096;

        while (room <= index)
                room *= 2;
        uint8_t *listed = reallocarray(listing->listed, room, sizeof(*listed));

        if (!listed)
                return -ENOMEM;
        listing->listed = listed;
        int32_t *generations = reallocarray(listing->generation_max, room, sizeof(*generations));

        if (!generations)
                return -ENOMEM;
        listing->generation_max = generations;
        memset(listed + listing->room, 0, (room - listing->room) * sizeof(*listed));
        memset(generations + listing->room, 0, (room - listing->room) * sizeof(*generations));
        listing->room = room;
        return 0;
}

static void merge_state(struct mu_device_table *devices, struct mu_device *device, bool deleted,
                        bool quarantined)
{
        uint32_t live = MU_DEVICE_LIVE;

        if (deleted)
                atomic_store(&device->state, MU_DEVICE_DELETED);
        else if (quarantined)
                (void)atomic_compare_exchange_strong(&device->state, &live, MU_DEVICE_QUARANTINED);
        else if (mu_device_state(device) == MU_DEVICE_QUARANTINED)
                mu_device_table_note(devices, device, MU_EVENT_QUARANTINED);
}

/* The snapshot is written before PostgreSQL, so what it says of a device is never the older. */
static void merge_clock_offset(struct mu_device_table *devices, struct mu_device *device,
                               bool in_snapshot, int32_t listed_s)
{
        if (!in_snapshot)
                atomic_store(&device->clock_offset_s, listed_s - listed_s % OFFSET_STEP_S);
        else if (atomic_load(&device->clock_offset_s) != listed_s)
                mu_device_table_note(devices, device, MU_EVENT_CLOCK_OFFSET);
}

static int on_device(void *context, const struct mu_pg_result *row)
{
        struct listing *listing = context;
        struct mu_device_table *devices = listing->devices;
        struct mu_device *device;

        uint32_t count = mu_device_table_count(devices);

        mu_device_table_lock(devices);
        int error = mu_device_table_add(devices, mu_pg_get_int(row, 0, 0), &device);

        if (error == 0)
                device->kind = mu_pg_get_bool(row, 0, 6);
        mu_device_table_unlock(devices);
        if (error == 0)
                error = make_room(listing, device->index);
        if (error < 0)
                return error;
        bool deleted = mu_pg_get_bool(row, 0, 1);

        listing->listed[device->index] = deleted ? LISTED_DELETED : LISTED_LIVE;
        merge_state(devices, device, deleted, mu_pg_get_bool(row, 0, 2));
        if (mu_pg_get_bool(row, 0, 3))
                atomic_store(&device->seen, true);
        else if (atomic_load(&device->seen))
                mu_device_table_note(devices, device, MU_EVENT_FIRST_SEEN);
        atomic_store(&device->interval_s, (uint32_t)mu_pg_get_int(row, 0, 4));
        merge_clock_offset(devices, device, device->index < count,
                           (int32_t)mu_pg_get_int(row, 0, 5));
        listing->report.device_count++;
        if (device->id > listing->report.device_id_max)
                listing->report.device_id_max = device->id;
        return 0;
}

/* Frontends may be raising it too. */
static void raise_generation_min(struct mu_device *device, uint32_t generation)
{
        uint32_t least = atomic_load(&device->generation_min);

        while (least < generation &&
               !atomic_compare_exchange_weak(&device->generation_min, &least, generation))
                ;
}

static int on_token(void *context, const struct mu_pg_result *row)
{
        struct listing *listing = context;
        struct mu_device_table *devices = listing->devices;
        struct mu_pg_bytes bytes = mu_pg_get_bytea(row, 0, 2);
        struct mu_device *device = mu_device_table_by_id(devices, mu_pg_get_int(row, 0, 0));
        int32_t generation = (int32_t)mu_pg_get_int(row, 0, 1);
        bool used = mu_pg_get_bool(row, 0, 3);
        struct mu_digest digest;

        MU_ASSERT(device && bytes.bytes == sizeof(digest.bytes));
        if (generation > listing->generation_max[device->index])
                listing->generation_max[device->index] = generation;
        if (mu_pg_get_bool(row, 0, 4)) {
                /* A snapshot that a kill kept from being written may still have it. */
                raise_generation_min(device, (uint32_t)generation + 1);
                return 0;
        }
        memcpy(digest.bytes, bytes.data, sizeof(digest.bytes));
        mu_device_table_lock(devices);
        int error = mu_device_table_add_token(devices, device, &digest, (uint32_t)generation, used);

        mu_device_table_unlock(devices);
        if (error < 0 && error != -EEXIST)
                return error;
        if (used)
                raise_generation_min(device, (uint32_t)generation);
        else if ((uint32_t)generation <= atomic_load(&device->generation_min))
                mu_device_table_note(devices, device, MU_EVENT_TOKEN_USED); /* it was, or a newer */
        return 0;
}

/* ---- putting back what a restored backup lacks ---- */

struct put_back {
        size_t device_count;
        size_t token_count;
        size_t deleted_count;
        int64_t device_ids[BATCH_DEVICES];
        int32_t kinds[BATCH_DEVICES];
        int32_t seen[BATCH_DEVICES];
        int32_t deleted[BATCH_DEVICES];
        int64_t token_device_ids[BATCH_DEVICES];
        int32_t generations[BATCH_DEVICES];
        int32_t used[BATCH_DEVICES];
        struct mu_pg_bytes digests[BATCH_DEVICES];
        int64_t deleted_ids[BATCH_DEVICES];
};

static int put_back_flush(struct mu_pg *pg, struct put_back *back, struct mu_keeper_report *report)
{
        int error = 0;

        if (back->device_count > 0)
                error = mu_pg_query(
                        pg, &mu_keeper_put_back_devices,
                        MU_PG_VALUES(mu_pg_int8_array(back->device_ids, back->device_count),
                                     mu_pg_int4_array(back->kinds, back->device_count),
                                     mu_pg_int4_array(back->seen, back->device_count),
                                     mu_pg_int4_array(back->deleted, back->device_count)),
                        NULL);
        if (error == 0 && back->token_count > 0)
                error = mu_pg_query(
                        pg, &mu_keeper_put_back_tokens,
                        MU_PG_VALUES(mu_pg_int8_array(back->token_device_ids, back->token_count),
                                     mu_pg_int4_array(back->generations, back->token_count),
                                     mu_pg_bytea_array(back->digests, back->token_count),
                                     mu_pg_int4_array(back->used, back->token_count)),
                        NULL);
        if (error == 0 && back->deleted_count > 0)
                error = mu_pg_query(
                        pg, &mu_keeper_delete_again,
                        MU_PG_VALUES(mu_pg_int8_array(back->deleted_ids, back->deleted_count)),
                        NULL);
        report->put_back_devices += (uint32_t)back->device_count;
        report->put_back_tokens += (uint32_t)back->token_count;
        report->deleted_again += (uint32_t)back->deleted_count;
        back->device_count = back->token_count = back->deleted_count = 0;
        return error;
}

static int put_back_tokens(struct mu_pg *pg, struct put_back *back, const struct mu_device *device,
                           int32_t generation_max, struct mu_keeper_report *report)
{
        for (const struct mu_token *token = device->tokens; token; token = token->next) {
                if ((int64_t)token->generation <= generation_max)
                        continue;
                size_t at = back->token_count++;

                back->token_device_ids[at] = device->id;
                back->generations[at] = (int32_t)token->generation;
                back->used[at] = atomic_load(&token->used);
                back->digests[at] = (struct mu_pg_bytes){.data = token->digest.bytes,
                                                         .bytes = sizeof(token->digest.bytes)};
                if (back->token_count < BATCH_DEVICES)
                        continue;
                int error = put_back_flush(pg, back, report);

                if (error < 0)
                        return error;
        }
        return 0;
}

/* Under the table's lock. Who is registered or deleted meanwhile makes the transaction fail, since
 * it sees one moment; it is tried again. */
static int put_back(struct mu_pg *pg, struct listing *listing)
{
        struct mu_device_table *devices = listing->devices;
        struct put_back *back = calloc(1, sizeof(*back));
        uint32_t count = mu_device_table_count(devices);
        int error = back ? 0 : -ENOMEM;

        for (uint32_t i = 0; i < count && error == 0; i++) {
                struct mu_device *device = mu_device_table_at(devices, i);
                uint8_t listed = i < listing->room ? listing->listed[i] : LISTED_NOT;
                bool deleted = mu_device_state(device) == MU_DEVICE_DELETED;

                if (!listed) {
                        size_t at = back->device_count++;

                        back->device_ids[at] = device->id;
                        back->kinds[at] = device->kind;
                        back->seen[at] = atomic_load(&device->seen);
                        back->deleted[at] = deleted;
                } else if (deleted && listed == LISTED_LIVE) {
                        back->deleted_ids[back->deleted_count++] = device->id;
                }
                if (device->id > listing->report.device_id_max)
                        listing->report.device_id_max = device->id;
                error = put_back_tokens(pg, back, device, listed ? listing->generation_max[i] : 0,
                                        &listing->report);
                if (error == 0 &&
                    (back->device_count == BATCH_DEVICES || back->deleted_count == BATCH_DEVICES))
                        error = put_back_flush(pg, back, &listing->report);
        }
        if (error == 0)
                error = put_back_flush(pg, back, &listing->report);
        free(back);
        return error;
}

/* New ids must lie above every id that a snapshot or a journal record may still name. */
static int raise_ids(const struct mu_keeper_config *config, struct mu_pg *pg,
                     struct mu_keeper_report *report)
{
        struct mu_pg_result *rows;
        int error = mu_pg_query(pg, &mu_keeper_checkpoint,
                                MU_PG_VALUES(mu_pg_bytea(config->journal_id, 16)), &rows);

        if (error < 0)
                return error;
        uint64_t seq = (uint64_t)mu_pg_get_int(rows, 0, 0);

        mu_pg_result_free(rows);
        int64_t journal_max;

        error = config->journal_device_id_max(config->ctx, seq, &journal_max);
        if (error < 0)
                return error;
        if (journal_max > report->device_id_max)
                report->device_id_max = journal_max;
        if (report->device_id_max == 0)
                return 0;
        return mu_pg_query(pg, &mu_keeper_raise_ids,
                           MU_PG_VALUES(mu_pg_int8(report->device_id_max)), NULL);
}

int mu_keeper_load(const struct mu_keeper_config *config, struct mu_pg *pg,
                   struct mu_keeper_report *ret_report)
{
        struct listing listing = {.devices = config->devices};
        int error = mu_pg_begin(pg);

        if (error == 0)
                error = mu_pg_query(pg, &mu_keeper_one_moment, MU_PG_VALUES(), NULL);
        if (error == 0)
                error = mu_pg_each(pg, &mu_keeper_list_devices, MU_PG_VALUES(), on_device,
                                   &listing);
        if (error == 0)
                error = mu_pg_each(pg, &mu_keeper_list_tokens, MU_PG_VALUES(), on_token, &listing);
        mu_device_table_lock(config->devices);
        if (error == 0)
                error = put_back(pg, &listing);
        mu_device_table_unlock(config->devices);
        if (error == 0)
                error = raise_ids(config, pg, &listing.report);
        if (error == 0)
                error = mu_pg_commit(pg);
        else
                mu_pg_rollback(pg);
        free(listing.listed);
        free(listing.generation_max);
        if (error < 0)
                return error;
        *ret_report = listing.report;
        return 0;
}
