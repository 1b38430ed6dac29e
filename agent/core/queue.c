/* SPDX-License-Identifier: Apache-2.0 */
#include "core/queue.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "core/queue_private.h"

#define FACT_BOOT_ID "queue_boot_id"
#define FACT_SEQ "queue_seq"

/* mono_us says something about items of this run only: those after last_run_id. known_at_us is the
 * appliance's time, NULL as long as it was not known. clock_us is the device's time less mono_us;
 * where it is NULL, an older agent wrote the row and mono_us does not count sleep. */
#define ITEM_COLUMNS                                                                               \
        "id, kind, key, queued_at_us, frozen, bytes, body, boot_id, known_at_us, mono_us, "        \
        "clock_us"

static const char *const sql[STATEMENTS] = {
        [LAST_ID] = "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'items'), 0)",
        /* Of the row with the smallest id. */
        [TOTALS] = "SELECT count(*), coalesce(sum(bytes), 0), coalesce(min(id), 0), queued_at_us"
                   " FROM items WHERE kind = ?1",
        [FIND] = "SELECT id, frozen, bytes, seq, boot_id, mono_us, clock_us FROM items"
                 " WHERE kind = ?1 AND key = ?2",
        [INSERT] = "INSERT INTO items (kind, key, queued_at_us, bytes, boot_id, seq, mono_us,"
                   " known_at_us, body, clock_us)"
                   " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        [REPLACE] = "UPDATE items SET bytes = ?2, boot_id = coalesce(?3, boot_id),"
                    " seq = coalesce(?4, seq), body = ?5 WHERE id = ?1",
        [HEARTBEATS] = "SELECT id, bytes FROM items WHERE kind = 0 ORDER BY id",
        [PEEK] = "SELECT " ITEM_COLUMNS " FROM items"
                 " WHERE kind = ?1 ORDER BY id LIMIT ?2",
        [NEWEST] = "SELECT " ITEM_COLUMNS " FROM items"
                   " WHERE kind = 0 ORDER BY id DESC LIMIT 1",
        [RESULT_AFTER] = "SELECT " ITEM_COLUMNS " FROM items"
                         " WHERE id = coalesce("
                         "(SELECT min(id) FROM items WHERE kind = 1 AND id > ?1),"
                         " (SELECT min(id) FROM items WHERE kind = 1))",
        [FIND_ID] = "SELECT " ITEM_COLUMNS " FROM items WHERE id = ?1",
        [REDATE] = "UPDATE items SET body = ?2, bytes = ?3, clock_us = clock_us + ?4"
                   " WHERE id = ?1",
        /* Another may have this bucket, by another clock: then it stays where it is. */
        [REKEY] = "UPDATE OR IGNORE items SET key = ?2 WHERE id = ?1",
        [FREEZE] = "UPDATE items SET frozen = 1 WHERE id = ?1",
        [DELETE] = "DELETE FROM items WHERE id = ?1",
        [ADD_ASIDE] = "INSERT INTO aside (kind, key, at_us, why, body)"
                      " VALUES (?1, ?2, ?3, ?4, ?5)",
        [TRIM_ASIDE] = "DELETE FROM aside WHERE id <="
                       " (SELECT id FROM aside ORDER BY id DESC LIMIT 1 OFFSET ?1)",
        [COUNT_ASIDE] = "SELECT count(*) FROM aside",
        [LIST_ASIDE] = "SELECT kind, key, at_us, why, body FROM aside ORDER BY id DESC",
        [DATE_EARLIER] = "UPDATE items SET known_at_us = ?2 WHERE kind = 1 AND id <= ?1"
                         " AND (known_at_us IS NULL OR known_at_us > ?2)",
        [DATE_OURS] = "UPDATE items SET known_at_us = ?2 - (?3 - mono_us)"
                      " WHERE kind = 1 AND id > ?1 AND known_at_us IS NULL",
        [EXPIRE_EARLIER] = "DELETE FROM items WHERE kind = 1 AND id <= ?1 AND known_at_us <= ?2",
        [EXPIRE_OURS] = "DELETE FROM items WHERE kind = 1 AND id > ?1 AND mono_us <= ?2",
};

struct pruned {
        int64_t heartbeats;
        int64_t bytes;
};

/* A fact that was never set stays what it is. */
static int load_number(struct mu_agent_store *store, const char *name, int64_t *value)
{
        int err = mu_agent_store_get_number(store, name, value);

        return err == -ENOENT ? 0 : err;
}

static int load(struct mu_agent_queue *queue)
{
        struct mu_agent_store *store = queue->store;
        sqlite3_stmt *last = queue->statements[LAST_ID];
        int r = mu_agent_store_get_text(store, FACT_BOOT_ID, queue->boot_id,
                                        sizeof(queue->boot_id));

        if (r == -ENOENT)
                r = 0;
        if (r == 0)
                r = load_number(store, FACT_SEQ, &queue->seq);
        if (r == 0)
                r = load_number(store, MU_AGENT_FACT_DELIVERED_ID, &queue->delivered_id);
        if (r == 0)
                r = load_number(store, MU_AGENT_FACT_DELIVERED_BUCKET, &queue->delivered_bucket_s);
        if (r < 0)
                return r;
        r = mu_agent_sql_step(last);
        if (r <= 0)
                return r == 0 ? -EIO : r;
        queue->last_run_id = sqlite3_column_int64(last, 0);
        mu_agent_sql_reset(last);
        return 0;
}

int mu_agent_queue_create(struct mu_agent_store *store, struct mu_agent_events *events,
                          const struct mu_agent_clock_sync *clock,
                          struct mu_agent_queue **ret_queue)
{
        MU_ASSERT(store && events && clock && ret_queue);

        struct mu_agent_queue *queue = calloc(1, sizeof(*queue));

        if (!queue)
                return -ENOMEM;
        queue->store = store;
        queue->events = events;
        queue->clock = clock;
        int err = mu_agent_sql_prepare(store, sql, STATEMENTS, queue->statements);

        if (err == 0)
                err = load(queue);
        if (err < 0) {
                mu_agent_queue_destroy(queue);
                return err;
        }
        *ret_queue = queue;
        return 0;
}

void mu_agent_queue_destroy(struct mu_agent_queue *queue)
{
        if (!queue)
                return;
        mu_agent_sql_done(queue->statements, STATEMENTS);
        free(queue);
}

int mu_agent_queue_totals(struct mu_agent_queue *queue, enum mu_agent_item_kind kind,
                          struct mu_agent_queue_totals *ret_totals)
{
        sqlite3_stmt *ask = queue->statements[TOTALS];

        mu_agent_sql_number(ask, 1, kind);
        int r = mu_agent_sql_step(ask);

        if (r <= 0)
                return r == 0 ? -EIO : r;
        *ret_totals = (struct mu_agent_queue_totals){
                .count = sqlite3_column_int64(ask, 0),
                .bytes = sqlite3_column_int64(ask, 1),
                .oldest_id = sqlite3_column_int64(ask, 2),
                .oldest_us = sqlite3_column_int64(ask, 3),
        };
        mu_agent_sql_reset(ask);
        return 0;
}

int mu_agent_queue_delete(struct mu_agent_queue *queue, int64_t id)
{
        sqlite3_stmt *delete = queue->statements[DELETE];

        mu_agent_sql_number(delete, 1, id);
        return mu_agent_sql_run(delete);
}

/* The oldest heartbeat that may go: 0; -ENOSPC: there is none. */
static int find_victim(struct mu_agent_queue *queue, int64_t spared_id, bool take_under_way,
                       int64_t *ret_id, int64_t *ret_bytes)
{
        sqlite3_stmt *walk = queue->statements[HEARTBEATS];
        int r;

        while ((r = mu_agent_sql_step(walk)) > 0) {
                int64_t id = sqlite3_column_int64(walk, 0);

                if (id == spared_id || (!take_under_way && mu_agent_queue_is_under_way(queue, id)))
                        continue;
                *ret_id = id;
                *ret_bytes = sqlite3_column_int64(walk, 1);
                mu_agent_sql_reset(walk);
                return 0;
        }
        return r < 0 ? r : -ENOSPC;
}

/* Prunes until one item of these bytes has room, beside (id 0: none) or in place of another of
 * the queue. In the caller's transaction. */
static int make_room(struct mu_agent_queue *queue, int64_t replaced_id, int64_t replaced_bytes,
                     int64_t bytes, struct pruned *pruned)
{
        struct mu_agent_queue_totals beats = {.count = 0};
        struct mu_agent_queue_totals results = {.count = 0};
        int err = mu_agent_queue_totals(queue, MU_AGENT_ITEM_HEARTBEAT, &beats);

        if (err == 0)
                err = mu_agent_queue_totals(queue, MU_AGENT_ITEM_RESULT, &results);
        if (err < 0)
                return err;
        if (results.count + 1 > MU_AGENT_QUEUE_ITEMS_MAX ||
            results.bytes + bytes > MU_AGENT_QUEUE_BYTES_MAX)
                return -ENOSPC; /* all heartbeats gone would not do */

        int64_t count = beats.count + results.count + (replaced_id > 0 ? 0 : 1);
        int64_t total = beats.bytes + results.bytes - replaced_bytes + bytes;
        bool take_under_way = false;

        while (count > MU_AGENT_QUEUE_ITEMS_MAX || total > MU_AGENT_QUEUE_BYTES_MAX) {
                int64_t id = 0;
                int64_t victim_bytes = 0;

                err = find_victim(queue, replaced_id, take_under_way, &id, &victim_bytes);
                if (err == -ENOSPC && !take_under_way) {
                        take_under_way = true;
                        continue;
                }
                if (err == 0)
                        err = mu_agent_queue_delete(queue, id);
                if (err < 0)
                        return err;
                count--;
                total -= victim_bytes;
                pruned->heartbeats++;
                pruned->bytes += victim_bytes;
        }
        return 0;
}

static void say_pruned(struct mu_agent_queue *queue, const struct pruned *pruned)
{
        if (pruned->heartbeats > 0)
                mu_agent_event(queue->events, MU_AGENT_WARNING, "queue.prune",
                               "\"heartbeats\":%" PRId64 ",\"bytes\":%" PRId64, pruned->heartbeats,
                               pruned->bytes);
}

struct found {
        int64_t id; /* 0: there is none */
        bool frozen;
        int64_t bytes;
        int64_t seq;   /* of this boot; 0: it has none */
        bool is_older; /* queued in another boot, or long ago: the device's clock was set back */
};

/* Twice the bucket's length: one that is slewed is not one that was set. */
static bool is_older(const struct mu_agent_queue *queue, const char *boot_id, sqlite3_stmt *row)
{
        const char *item_boot = (const char *)sqlite3_column_text(row, 4);
        int64_t age_us = mu_agent_queue_mono_us(queue) - sqlite3_column_int64(row, 5);
        int64_t apart_us = mu_agent_queue_clock_us(queue) - sqlite3_column_int64(row, 6);

        if (boot_id && item_boot && strcmp(boot_id, item_boot) != 0)
                return true;
        if (sqlite3_column_type(row, 6) != SQLITE_NULL &&
            llabs(apart_us) >= MU_AGENT_BUCKET_S * MU_US_PER_S)
                return true;
        return age_us < 0 || age_us > 2 * MU_AGENT_BUCKET_S * MU_US_PER_S;
}

static int find_item(struct mu_agent_queue *queue, enum mu_agent_item_kind kind, int64_t key,
                     const char *boot_id, struct found *ret_found)
{
        sqlite3_stmt *find = queue->statements[FIND];

        *ret_found = (struct found){.id = 0};
        mu_agent_sql_number(find, 1, kind);
        mu_agent_sql_number(find, 2, key);
        int r = mu_agent_sql_step(find);

        if (r <= 0)
                return r;

        const char *item_boot = (const char *)sqlite3_column_text(find, 4);

        *ret_found = (struct found){
                .id = sqlite3_column_int64(find, 0),
                .frozen = sqlite3_column_int(find, 1) != 0,
                .bytes = sqlite3_column_int64(find, 2),
                .is_older = is_older(queue, boot_id, find),
        };
        if (boot_id && item_boot && strcmp(boot_id, item_boot) == 0)
                ret_found->seq = sqlite3_column_int64(find, 3);
        mu_agent_sql_reset(find);
        return 0;
}

int mu_agent_queue_seq(struct mu_agent_queue *queue, const char *boot_id, int64_t bucket_s,
                       int64_t *ret_seq)
{
        MU_ASSERT(boot_id && boot_id[0] != '\0' && strlen(boot_id) < MU_AGENT_BOOT_ID_BYTES);

        struct mu_agent_queue_pending pending = {.given = true, .bucket_s = bucket_s};
        struct found found;
        int err = find_item(queue, MU_AGENT_ITEM_HEARTBEAT, bucket_s, boot_id, &found);

        if (err < 0)
                return err;
        (void)snprintf(pending.boot_id, sizeof(pending.boot_id), "%s", boot_id);
        memcpy(queue->boot_id_now, pending.boot_id, sizeof(queue->boot_id_now));
        if (found.seq > 0 && !found.frozen && !found.is_older)
                pending.seq = found.seq;
        else if (strcmp(boot_id, queue->boot_id) == 0)
                pending.seq = queue->seq + 1;
        else
                pending.seq = 1;
        queue->pending = pending;
        *ret_seq = pending.seq;
        return 0;
}

static int insert_item(struct mu_agent_queue *queue, enum mu_agent_item_kind kind, int64_t key,
                       const char *body, size_t bytes, int64_t now_us,
                       const struct mu_agent_queue_pending *pending)
{
        sqlite3_stmt *insert = queue->statements[INSERT];

        mu_agent_sql_number(insert, 1, kind);
        mu_agent_sql_number(insert, 2, key);
        mu_agent_sql_number(insert, 3, now_us);
        mu_agent_sql_number(insert, 4, (int64_t)bytes);
        if (pending) {
                mu_agent_sql_text(insert, 5, pending->boot_id);
                mu_agent_sql_number(insert, 6, pending->seq);
        }
        mu_agent_sql_number(insert, 7, mu_agent_queue_mono_us(queue));
        if (queue->clock->synced)
                mu_agent_sql_number(insert, 8, mu_agent_clock_sync_now_us(queue->clock));
        mu_agent_sql_blob(insert, 9, body, bytes);
        mu_agent_sql_number(insert, 10, mu_agent_queue_clock_us(queue));
        return mu_agent_sql_run(insert);
}

static int replace_item(struct mu_agent_queue *queue, int64_t id, const char *body, size_t bytes,
                        const struct mu_agent_queue_pending *pending)
{
        sqlite3_stmt *replace = queue->statements[REPLACE];

        mu_agent_sql_number(replace, 1, id);
        mu_agent_sql_number(replace, 2, (int64_t)bytes);
        if (pending) {
                mu_agent_sql_text(replace, 3, pending->boot_id);
                mu_agent_sql_number(replace, 4, pending->seq);
        }
        mu_agent_sql_blob(replace, 5, body, bytes);
        return mu_agent_sql_run(replace);
}

/* Does it take a number that the boot has not used? */
static bool takes_seq(const struct mu_agent_queue *queue,
                      const struct mu_agent_queue_pending *pending)
{
        return pending &&
               (pending->seq > queue->seq || strcmp(pending->boot_id, queue->boot_id) != 0);
}

static int store_heartbeat(struct mu_agent_queue *queue, int64_t bucket_s, const char *body,
                           size_t bytes, int64_t now_us,
                           const struct mu_agent_queue_pending *pending, struct pruned *pruned)
{
        struct found found;
        int err = find_item(queue, MU_AGENT_ITEM_HEARTBEAT, bucket_s,
                            pending ? pending->boot_id : NULL, &found);

        if (err < 0)
                return err;
        if (found.id > 0 ? found.frozen || found.is_older
                         : queue->delivered_id > 0 && queue->delivered_bucket_s == bucket_s)
                return -EALREADY;
        err = make_room(queue, found.id, found.bytes, (int64_t)bytes, pruned);
        if (err == 0)
                err = found.id > 0 ? replace_item(queue, found.id, body, bytes, pending)
                                   : insert_item(queue, MU_AGENT_ITEM_HEARTBEAT, bucket_s, body,
                                                 bytes, now_us, pending);
        if (err == 0 && takes_seq(queue, pending)) {
                err = mu_agent_store_set_text(queue->store, FACT_BOOT_ID, pending->boot_id);
                if (err == 0)
                        err = mu_agent_store_set_number(queue->store, FACT_SEQ, pending->seq);
        }
        return err;
}

int mu_agent_queue_heartbeat(struct mu_agent_queue *queue, int64_t bucket_s, const char *body,
                             size_t bytes, int64_t now_us)
{
        const struct mu_agent_queue_pending *pending = NULL;
        struct pruned pruned = {.heartbeats = 0};
        int err = mu_agent_sql_begin(queue->store);

        if (err < 0)
                return err;
        if (queue->pending.given && queue->pending.bucket_s == bucket_s)
                pending = &queue->pending;
        err = store_heartbeat(queue, bucket_s, body, bytes, now_us, pending, &pruned);
        err = mu_agent_sql_end(queue->store, err);
        if (err < 0)
                return err;
        if (takes_seq(queue, pending)) {
                memcpy(queue->boot_id, pending->boot_id, sizeof(queue->boot_id));
                queue->seq = pending->seq;
        }
        queue->pending.given = false;
        mu_agent_event(queue->events, MU_AGENT_INFO, "queue.enqueue",
                       "\"kind\":\"heartbeat\",\"bucket\":%" PRId64 ",\"bytes\":%zu", bucket_s,
                       bytes);
        say_pruned(queue, &pruned);
        return 0;
}

int mu_agent_queue_result(struct mu_agent_queue *queue, int64_t command_id, const char *body,
                          size_t bytes, int64_t now_us)
{
        struct pruned pruned = {.heartbeats = 0};
        struct found found = {.id = 0};
        int err = mu_agent_sql_begin(queue->store);

        if (err < 0)
                return err;
        err = find_item(queue, MU_AGENT_ITEM_RESULT, command_id, NULL, &found);
        if (err == 0 && found.id == 0) {
                err = make_room(queue, 0, 0, (int64_t)bytes, &pruned);
                if (err == 0)
                        err = insert_item(queue, MU_AGENT_ITEM_RESULT, command_id, body, bytes,
                                          now_us, NULL);
        }
        err = mu_agent_sql_end(queue->store, err);
        if (err < 0 || found.id > 0)
                return err;
        mu_agent_event(queue->events, MU_AGENT_INFO, "queue.enqueue",
                       "\"kind\":\"result\",\"command_id\":\"%" PRId64 "\",\"bytes\":%zu",
                       command_id, bytes);
        say_pruned(queue, &pruned);
        return 0;
}
