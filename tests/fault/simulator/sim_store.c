/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The database: rows by (device, bucket), rejects by sequence, one checkpoint row. A transaction
 * happens whole or not at all, and sometimes happens without anybody hearing of it. It restarts,
 * and is put back to an older state, as from a backup.
 */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "ingest/store.h"
#include "ingest/writer_core.h"
#include "sim.h"

enum { CONNECTIONS_MAX = 4, FIRST_DAY = 1750000000 / 86400, DAYS_MAX = 64 };

struct contents {
        uint32_t rows[SIM_KEYS_MAX]; /* id of the record stored; 0: none */
        bool rejected[SIM_KEYS_MAX];
        bool days[DAYS_MAX];
        uint64_t checkpoint;
};

struct connection {
        struct mu_store store; /* first */
        struct sim_store *to;
        bool open;
        uint64_t generation;
        struct mu_store_error error;
};

struct sim_store {
        struct sim *sim;
        struct contents now;
        struct contents snapshot;
        bool has_snapshot;
        bool up;
        uint64_t generation; /* of connections that still hold */
        struct connection connections[CONNECTIONS_MAX];
};

static struct connection *connection_of(struct mu_store *store)
{
        return (struct connection *)(void *)store;
}

/* Whether the connection answers; otherwise it is lost. */
static bool answers(struct connection *connection)
{
        struct sim_store *store = connection->to;

        return store->up && connection->open && connection->generation == store->generation &&
               !sim_chance(store->sim, store->sim->faults.store);
}

static enum mu_store_outcome away(struct connection *connection)
{
        connection->open = false;
        return MU_STORE_AWAY;
}

static enum mu_store_outcome store_connect(struct mu_store *store)
{
        struct connection *connection = connection_of(store);

        if (!connection->to->up ||
            sim_chance(connection->to->sim, connection->to->sim->faults.store))
                return away(connection);
        connection->open = true;
        connection->generation = connection->to->generation;
        return MU_STORE_OK;
}

static enum mu_store_outcome load_checkpoint(struct mu_store *store, uint64_t *ret_seq)
{
        struct connection *connection = connection_of(store);

        if (!answers(connection))
                return away(connection);
        *ret_seq = connection->to->now.checkpoint;
        return MU_STORE_OK;
}

/* Replay will start after it: whatever was acknowledged up to here is in the database. */
static void check_checkpoint(const struct sim_store *store, uint64_t seq)
{
        const struct sim_ledger *ledger = &store->sim->ledger;

        MU_ASSERT(seq < SIM_SEQS_MAX);
        for (uint64_t i = 1; i <= seq; i++) {
                uint32_t id = ledger->owner[i];
                uint32_t key = ledger->records[id].key;

                if (id != 0 && ledger->records[id].fate == SIM_DURABLE &&
                    store->now.rows[key] == 0 && !store->now.rejected[key])
                        sim_broken(store->sim,
                                   "the checkpoint %lu passes record %u, seq %lu, not stored",
                                   (unsigned long)seq, id, (unsigned long)i);
        }
}

static enum mu_store_outcome save_checkpoint(struct mu_store *store, uint64_t seq)
{
        struct connection *connection = connection_of(store);
        struct sim_store *to = connection->to;

        if (!answers(connection))
                return away(connection);
        check_checkpoint(to, seq);
        if (seq > to->now.checkpoint)
                to->now.checkpoint = seq;
        sim_trace(to->sim, "checkpoint %lu", (unsigned long)seq);
        return sim_chance(to->sim, to->sim->faults.store) ? away(connection) : MU_STORE_OK;
}

static uint32_t id_of(const struct sim_store *store, const struct mu_batch_entry *entry)
{
        return sim_check_record(store->sim, entry->payload, entry->payload_bytes);
}

static int day_of(const struct mu_batch_entry *entry)
{
        int64_t day = mu_batch_day(entry) - FIRST_DAY;

        MU_ASSERT(day >= 0 && day < DAYS_MAX);
        return (int)day;
}

/* What PostgreSQL would say to the rows, before anything of them is kept. */
static enum mu_store_outcome judge(const struct sim_store *store,
                                   const struct mu_store_request *request)
{
        for (uint32_t i = request->first; i < request->first + request->count; i++) {
                const struct mu_batch_entry *entry = &request->batch->entries[i];
                uint32_t key = store->sim->ledger.records[id_of(store, entry)].key;

                if (entry->verdict != MU_VERDICT_STORE)
                        continue;
                if (entry->device_id == SIM_POISON_DEVICE)
                        return MU_STORE_DATA;
                if (!store->now.days[day_of(entry)])
                        return MU_STORE_PARTITION;
                if (!request->staged && store->now.rows[key] != 0)
                        return MU_STORE_CONFLICT;
        }
        return MU_STORE_OK;
}

static enum mu_store_outcome store_batch(struct mu_store *store,
                                         const struct mu_store_request *request,
                                         struct mu_store_result *ret_result)
{
        struct connection *connection = connection_of(store);
        struct sim_store *to = connection->to;
        struct mu_store_result result = {0};

        if (!answers(connection))
                return away(connection);
        enum mu_store_outcome outcome = judge(to, request);

        if (outcome != MU_STORE_OK)
                return outcome;
        for (uint32_t i = request->first; i < request->first + request->count; i++) {
                const struct mu_batch_entry *entry = &request->batch->entries[i];
                uint32_t id = id_of(to, entry);
                uint32_t key = to->sim->ledger.records[id].key;

                if (entry->verdict != MU_VERDICT_STORE) {
                        to->now.rejected[key] = true;
                        result.rejects++;
                } else if (to->now.rows[key] != 0) {
                        result.duplicates++;
                } else {
                        to->now.rows[key] = id;
                        result.rows++;
                }
        }
        sim_trace(to->sim, "commit of %u rows", result.rows);
        /* Committed, and the answer is lost. */
        if (sim_chance(to->sim, to->sim->faults.store))
                return away(connection);
        *ret_result = result;
        return MU_STORE_OK;
}

static enum mu_store_outcome ensure_partitions(struct mu_store *store,
                                               const struct mu_store_request *request,
                                               int64_t *ret_gone_day)
{
        struct connection *connection = connection_of(store);

        (void)ret_gone_day;
        if (!answers(connection))
                return away(connection);
        for (uint32_t i = request->first; i < request->first + request->count; i++)
                connection->to->now.days[day_of(&request->batch->entries[i])] = true;
        return MU_STORE_OK;
}

static void store_disconnect(struct mu_store *store)
{
        connection_of(store)->open = false;
}

static const struct mu_store_error *last_error(struct mu_store *store)
{
        return &connection_of(store)->error;
}

static const struct mu_store_ops operations = {
        .connect = store_connect,
        .load_checkpoint = load_checkpoint,
        .save_checkpoint = save_checkpoint,
        .store_batch = store_batch,
        .ensure_partitions = ensure_partitions,
        .disconnect = store_disconnect,
        .last_error = last_error,
};

struct mu_store *sim_store_connection(struct sim_store *store, uint32_t index)
{
        MU_ASSERT(index < CONNECTIONS_MAX);
        return &store->connections[index].store;
}

void sim_store_event(struct sim_store *store)
{
        struct sim *sim = store->sim;

        if (sim->calm || !store->up) {
                if (sim->calm || sim_below(sim, 20) == 0)
                        store->up = true;
                return;
        }
        if (sim_below(sim, 60) == 0) {
                store->snapshot = store->now;
                store->has_snapshot = true;
        }
        if (sim_chance(sim, sim->faults.store_restart)) {
                sim_trace(sim, "database goes down");
                store->up = false;
                store->generation++;
        }
        if (store->has_snapshot && sim_chance(sim, sim->faults.store_restore)) {
                sim_trace(sim, "database is put back, checkpoint %lu",
                          (unsigned long)store->snapshot.checkpoint);
                store->now = store->snapshot;
                store->generation++;
        }
}

void sim_store_process_gone(struct sim_store *store)
{
        for (uint32_t i = 0; i < CONNECTIONS_MAX; i++)
                store->connections[i].open = false;
}

uint64_t sim_store_checkpoint(const struct sim_store *store)
{
        return store->now.checkpoint;
}

void sim_store_check_all_stored(const struct sim_store *store)
{
        const struct sim_ledger *ledger = &store->sim->ledger;

        for (uint32_t key = 0; key < ledger->key_count; key++) {
                bool is_poison = sim_key_device(key) == SIM_POISON_DEVICE;

                if (ledger->acknowledged[key] &&
                    (is_poison ? !store->now.rejected[key] : store->now.rows[key] == 0))
                        sim_broken(store->sim, "key %u was acknowledged and is not stored", key);
                if (store->now.rows[key] != 0 && ledger->records[store->now.rows[key]].key != key)
                        sim_broken(store->sim, "key %u holds another key's record", key);
        }
}

struct sim_store *sim_store_create(struct sim *sim)
{
        struct sim_store *store = calloc(1, sizeof(*store));

        MU_ASSERT(store);
        store->sim = sim;
        store->up = true;
        for (uint32_t i = 0; i < CONNECTIONS_MAX; i++)
                store->connections[i] =
                        (struct connection){.store = {.ops = &operations}, .to = store};
        return store;
}

void sim_store_destroy(struct sim_store *store)
{
        free(store);
}
