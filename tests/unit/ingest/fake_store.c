/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_store.h"

#include <stdio.h>
#include <string.h>

#include "unit.h"

static struct fake_store *fake_of(struct mu_store *store)
{
        return (struct fake_store *)store;
}

static bool fake_alive(const struct fake_store *fake)
{
        return fake->generation != 0 && fake->generation == fake->database->generation &&
               !fake->database->down;
}

static enum mu_store_outcome fake_say(struct fake_store *fake, enum mu_store_outcome outcome,
                                      const char *sqlstate)
{
        memcpy(fake->error.sqlstate, sqlstate, sizeof(fake->error.sqlstate));
        snprintf(fake->error.text, sizeof(fake->error.text), "fake %s", sqlstate);
        return outcome;
}

static enum mu_store_outcome fake_connect(struct mu_store *store)
{
        struct fake_store *fake = fake_of(store);

        fake->connects++;
        if (fake->database->down)
                return fake_say(fake, MU_STORE_AWAY, "08001");
        fake->generation = fake->database->generation;
        return MU_STORE_OK;
}

static enum mu_store_outcome fake_load(struct mu_store *store, uint64_t *ret_seq)
{
        struct fake_store *fake = fake_of(store);

        fake->loads++;
        if (!fake_alive(fake))
                return fake_say(fake, MU_STORE_AWAY, "08006");
        *ret_seq = fake->database->checkpoint;
        return MU_STORE_OK;
}

static enum mu_store_outcome fake_save(struct mu_store *store, uint64_t seq)
{
        struct fake_store *fake = fake_of(store);

        if (!fake_alive(fake))
                return fake_say(fake, MU_STORE_AWAY, "08006");
        if (seq > fake->database->checkpoint)
                fake->database->checkpoint = seq;
        return MU_STORE_OK;
}

bool fake_has(const struct fake_database *database, int64_t device_id, int64_t bucket_s)
{
        for (uint32_t i = 0; i < database->row_count; i++)
                if (database->rows[i].device_id == device_id &&
                    database->rows[i].bucket_s == bucket_s)
                        return true;
        return false;
}

/* What a server says to the rows before it keeps any. */
static enum mu_store_outcome fake_judge(struct fake_store *fake,
                                        const struct mu_store_request *request)
{
        const struct fake_database *database = fake->database;

        for (uint32_t i = 0; i < request->count; i++) {
                const struct mu_batch_entry *entry = &request->batch->entries[request->first + i];
                const struct mu_record *record = entry->payload;

                if (entry->verdict != MU_VERDICT_STORE)
                        continue;
                if (database->missing_day && mu_batch_day(entry) == database->missing_day)
                        return fake_say(fake, MU_STORE_PARTITION, "42P01");
                if (database->gone_day && mu_batch_day(entry) == database->gone_day)
                        return fake_say(fake, MU_STORE_PARTITION, "23514");
                if (record->battery_percent == FAKE_POISON)
                        return fake_say(fake, MU_STORE_DATA, "22P02");
                if (!request->staged && fake_has(database, entry->device_id, entry->bucket_s))
                        return fake_say(fake, MU_STORE_CONFLICT, "23505");
        }
        return MU_STORE_OK;
}

static void fake_keep(struct fake_database *database, const struct mu_batch_entry *entry,
                      struct mu_store_result *result)
{
        struct fake_row row = {
                .device_id = entry->device_id,
                .bucket_s = entry->bucket_s,
                .seq = entry->seq,
                .transaction = database->transactions,
                .verdict = entry->verdict,
        };

        if (entry->verdict != MU_VERDICT_STORE) {
                for (uint32_t i = 0; i < database->reject_count; i++)
                        if (database->rejects[i].seq == entry->seq)
                                return;
                database->rejects[database->reject_count++] = row;
                result->rejects++;
        } else if (fake_has(database, entry->device_id, entry->bucket_s)) {
                result->duplicates++;
        } else {
                database->rows[database->row_count++] = row;
                result->rows++;
        }
}

static enum mu_store_outcome fake_store_batch(struct mu_store *store,
                                              const struct mu_store_request *request,
                                              struct mu_store_result *ret_result)
{
        struct fake_store *fake = fake_of(store);
        struct mu_store_result result = {0};

        assert_true(request->batch->sealed);
        assert_true(request->count > 0);
        assert_true(request->first + request->count <= request->batch->count);
        if (!fake_alive(fake))
                return fake_say(fake, MU_STORE_AWAY, "08006");
        fake->batches++;
        fake->staged_batches += request->staged;
        enum mu_store_outcome outcome = fake_judge(fake, request);

        if (outcome != MU_STORE_OK)
                return outcome;
        fake->database->transactions++;
        for (uint32_t i = 0; i < request->count; i++)
                fake_keep(fake->database, &request->batch->entries[request->first + i], &result);
        if (fake->lose_next_reply) {
                fake->lose_next_reply = false;
                return fake_say(fake, MU_STORE_AWAY, "08006");
        }
        *ret_result = result;
        return MU_STORE_OK;
}

static enum mu_store_outcome
fake_ensure(struct mu_store *store, const struct mu_store_request *request, int64_t *ret_gone_day)
{
        struct fake_store *fake = fake_of(store);

        fake->ensures++;
        if (!fake_alive(fake))
                return fake_say(fake, MU_STORE_AWAY, "08006");
        for (uint32_t i = 0; i < request->count; i++) {
                const struct mu_batch_entry *entry = &request->batch->entries[request->first + i];

                if (fake->database->gone_day && mu_batch_day(entry) == fake->database->gone_day) {
                        *ret_gone_day = fake->database->gone_day;
                        return MU_STORE_DATA;
                }
        }
        if (!fake->partitions_useless)
                fake->database->missing_day = 0;
        return MU_STORE_OK;
}

static void fake_disconnect(struct mu_store *store)
{
        fake_of(store)->generation = 0;
}

static const struct mu_store_error *fake_last_error(struct mu_store *store)
{
        return &fake_of(store)->error;
}

void fake_store_init(struct fake_store *fake, struct fake_database *database)
{
        static const struct mu_store_ops ops = {
                .connect = fake_connect,
                .load_checkpoint = fake_load,
                .save_checkpoint = fake_save,
                .store_batch = fake_store_batch,
                .ensure_partitions = fake_ensure,
                .disconnect = fake_disconnect,
                .last_error = fake_last_error,
        };

        *fake = (struct fake_store){.store = {.ops = &ops}, .database = database};
}
