/* SPDX-License-Identifier: Apache-2.0 */
#include "core/queue.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/text.h"
#include "core/platform.h"
#include "core/store_sql.h"

#define FACT_BOOT_ID "queue_boot_id"
#define FACT_SEQ "queue_seq"
#define FACT_DELIVERED_ID "queue_delivered_id"
#define FACT_DELIVERED_BUCKET "queue_delivered_bucket"

enum { WHY_BYTES_MAX = 512 };

enum statement {
        LAST_ID,
        TOTALS,
        FIND,
        INSERT,
        REPLACE,
        HEARTBEATS,
        PEEK,
        NEWEST,
        FREEZE,
        DELETE,
        ADD_ASIDE,
        TRIM_ASIDE,
        COUNT_ASIDE,
        LIST_ASIDE,
        DATE_EARLIER,
        DATE_OURS,
        EXPIRE_EARLIER,
        EXPIRE_OURS,
        STATEMENTS,
};

/* mono_us says something about items of this run only: those after last_run_id. known_at_us is the
 * appliance's time, NULL as long as it was not known. */
static const char *const sql[STATEMENTS] = {
        [LAST_ID] = "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'items'), 0)",
        /* Of the row with the smallest id. */
        [TOTALS] = "SELECT count(*), coalesce(sum(bytes), 0), coalesce(min(id), 0), queued_at_us"
                   " FROM items WHERE kind = ?1",
        [FIND] = "SELECT id, frozen, bytes, seq, boot_id FROM items WHERE kind = ?1 AND key = ?2",
        [INSERT] = "INSERT INTO items (kind, key, queued_at_us, bytes, boot_id, seq, mono_us,"
                   " known_at_us, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        [REPLACE] = "UPDATE items SET bytes = ?2, boot_id = coalesce(?3, boot_id),"
                    " seq = coalesce(?4, seq), body = ?5 WHERE id = ?1",
        [HEARTBEATS] = "SELECT id, bytes FROM items WHERE kind = 0 ORDER BY id",
        [PEEK] = "SELECT id, kind, key, queued_at_us, frozen, bytes, body FROM items"
                 " WHERE kind = ?1 ORDER BY id LIMIT ?2",
        [NEWEST] = "SELECT id, kind, key, queued_at_us, frozen, bytes, body FROM items"
                   " WHERE kind = 0 ORDER BY id DESC LIMIT 1",
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

/* The reading that the caller is about to write. */
struct pending_seq {
        bool given;
        int64_t bucket_s;
        int64_t seq;
        char boot_id[MU_AGENT_BOOT_ID_BYTES];
};

struct totals {
        int64_t count;
        int64_t bytes;
        int64_t oldest_id;
        int64_t oldest_us;
};

struct pruned {
        int64_t heartbeats;
        int64_t bytes;
};

struct mu_agent_queue {
        struct mu_agent_store *store;
        struct mu_agent_events *events;
        const struct mu_agent_clock_sync *clock;
        int64_t last_run_id;
        char boot_id[MU_AGENT_BOOT_ID_BYTES];
        int64_t seq; /* the boot's last */
        struct pending_seq pending;
        /* Of the delivered heartbeats the one that was queued last; id 0: none. */
        int64_t delivered_id;
        int64_t delivered_bucket_s;
        size_t under_way_count;
        int64_t under_way[MU_AGENT_QUEUE_ITEMS_MAX];
        sqlite3_stmt *statements[STATEMENTS];
};

static int64_t mono_us(const struct mu_agent_queue *queue)
{
        return (int64_t)(mu_clock_monotonic_ns(queue->clock->clock) / MU_NS_PER_US);
}

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
                r = load_number(store, FACT_DELIVERED_ID, &queue->delivered_id);
        if (r == 0)
                r = load_number(store, FACT_DELIVERED_BUCKET, &queue->delivered_bucket_s);
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

static int totals_of(struct mu_agent_queue *queue, enum mu_agent_item_kind kind,
                     struct totals *ret_totals)
{
        sqlite3_stmt *ask = queue->statements[TOTALS];

        mu_agent_sql_number(ask, 1, kind);
        int r = mu_agent_sql_step(ask);

        if (r <= 0)
                return r == 0 ? -EIO : r;
        *ret_totals = (struct totals){
                .count = sqlite3_column_int64(ask, 0),
                .bytes = sqlite3_column_int64(ask, 1),
                .oldest_id = sqlite3_column_int64(ask, 2),
                .oldest_us = sqlite3_column_int64(ask, 3),
        };
        mu_agent_sql_reset(ask);
        return 0;
}

/* Under way: what freeze() was given and settle() has not answered. */

static size_t under_way_place(const struct mu_agent_queue *queue, int64_t id)
{
        size_t place = 0;

        while (place < queue->under_way_count && queue->under_way[place] != id)
                place++;
        return place;
}

static bool is_under_way(const struct mu_agent_queue *queue, int64_t id)
{
        return under_way_place(queue, id) < queue->under_way_count;
}

static void add_under_way(struct mu_agent_queue *queue, int64_t id)
{
        if (is_under_way(queue, id))
                return;
        /* Never settled: the first to be forgotten. It protects from being pruned, no more. */
        if (queue->under_way_count == MU_COUNT_OF(queue->under_way)) {
                memmove(&queue->under_way[0], &queue->under_way[1],
                        (queue->under_way_count - 1) * sizeof(queue->under_way[0]));
                queue->under_way_count--;
        }
        queue->under_way[queue->under_way_count++] = id;
}

static void end_under_way(struct mu_agent_queue *queue, int64_t id)
{
        size_t place = under_way_place(queue, id);

        if (place < queue->under_way_count)
                queue->under_way[place] = queue->under_way[--queue->under_way_count];
}

/* The oldest heartbeat that may go: 0; -ENOSPC: there is none. */
static int find_victim(struct mu_agent_queue *queue, int64_t spared_id, bool take_under_way,
                       int64_t *ret_id, int64_t *ret_bytes)
{
        sqlite3_stmt *walk = queue->statements[HEARTBEATS];
        int r;

        while ((r = mu_agent_sql_step(walk)) > 0) {
                int64_t id = sqlite3_column_int64(walk, 0);

                if (id == spared_id || (!take_under_way && is_under_way(queue, id)))
                        continue;
                *ret_id = id;
                *ret_bytes = sqlite3_column_int64(walk, 1);
                mu_agent_sql_reset(walk);
                return 0;
        }
        return r < 0 ? r : -ENOSPC;
}

static int delete_item(struct mu_agent_queue *queue, int64_t id)
{
        sqlite3_stmt *delete = queue->statements[DELETE];

        mu_agent_sql_number(delete, 1, id);
        return mu_agent_sql_run(delete);
}

/* Prunes until one item of these bytes has room, beside (id 0: none) or in place of another of
 * the queue. In the caller's transaction. */
static int make_room(struct mu_agent_queue *queue, int64_t replaced_id, int64_t replaced_bytes,
                     int64_t bytes, struct pruned *pruned)
{
        struct totals beats = {.count = 0};
        struct totals results = {.count = 0};
        int err = totals_of(queue, MU_AGENT_ITEM_HEARTBEAT, &beats);

        if (err == 0)
                err = totals_of(queue, MU_AGENT_ITEM_RESULT, &results);
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
                        err = delete_item(queue, id);
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
        int64_t seq; /* of this boot; 0: it has none */
};

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

        struct pending_seq pending = {.given = true, .bucket_s = bucket_s};
        struct found found;
        int err = find_item(queue, MU_AGENT_ITEM_HEARTBEAT, bucket_s, boot_id, &found);

        if (err < 0)
                return err;
        (void)snprintf(pending.boot_id, sizeof(pending.boot_id), "%s", boot_id);
        if (found.seq > 0 && !found.frozen)
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
                       const struct pending_seq *pending)
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
        mu_agent_sql_number(insert, 7, mono_us(queue));
        if (queue->clock->synced)
                mu_agent_sql_number(insert, 8, mu_agent_clock_sync_now_us(queue->clock));
        mu_agent_sql_blob(insert, 9, body, bytes);
        return mu_agent_sql_run(insert);
}

static int replace_item(struct mu_agent_queue *queue, int64_t id, const char *body, size_t bytes,
                        const struct pending_seq *pending)
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
static bool takes_seq(const struct mu_agent_queue *queue, const struct pending_seq *pending)
{
        return pending &&
               (pending->seq > queue->seq || strcmp(pending->boot_id, queue->boot_id) != 0);
}

static int store_heartbeat(struct mu_agent_queue *queue, int64_t bucket_s, const char *body,
                           size_t bytes, int64_t now_us, const struct pending_seq *pending,
                           struct pruned *pruned)
{
        struct found found;
        int err = find_item(queue, MU_AGENT_ITEM_HEARTBEAT, bucket_s, NULL, &found);

        if (err < 0)
                return err;
        if (found.id > 0 ? found.frozen
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
        const struct pending_seq *pending = NULL;
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

static int read_item(sqlite3_stmt *row, struct mu_agent_item *ret_item)
{
        const void *body = sqlite3_column_blob(row, 6);
        size_t bytes = (size_t)sqlite3_column_bytes(row, 6);
        char *copy = body || bytes == 0 ? malloc(bytes + 1) : NULL;

        if (!copy)
                return -ENOMEM;
        if (bytes > 0)
                memcpy(copy, body, bytes);
        copy[bytes] = '\0';
        *ret_item = (struct mu_agent_item){
                .id = sqlite3_column_int64(row, 0),
                .kind = (enum mu_agent_item_kind)sqlite3_column_int(row, 1),
                .key = sqlite3_column_int64(row, 2),
                .queued_at_us = sqlite3_column_int64(row, 3),
                .frozen = sqlite3_column_int(row, 4) != 0,
                .body = copy,
                .body_bytes = bytes,
        };
        return 0;
}

/* Rows of PEEK or NEWEST, as long as they fit; at least one. */
static int read_items(sqlite3_stmt *rows, size_t bytes, struct mu_agent_items *ret_items)
{
        struct mu_agent_items items = {.count = 0};
        size_t taken_bytes = 0;
        size_t room = 0;
        int r;

        while ((r = mu_agent_sql_step(rows)) > 0) {
                size_t row_bytes = (size_t)sqlite3_column_int64(rows, 5);

                if (items.count > 0 && taken_bytes + row_bytes > bytes)
                        break;
                if (items.count == room) {
                        room = room > 0 ? 2 * room : 4;
                        struct mu_agent_item *grown = realloc(items.items, room * sizeof(*grown));

                        if (!grown) {
                                r = -ENOMEM;
                                break;
                        }
                        items.items = grown;
                }
                r = read_item(rows, &items.items[items.count]);
                if (r < 0)
                        break;
                items.count++;
                taken_bytes += row_bytes;
        }
        mu_agent_sql_reset(rows);
        if (r < 0) {
                mu_agent_items_done(&items);
                return r;
        }
        *ret_items = items;
        return 0;
}

int mu_agent_queue_peek(struct mu_agent_queue *queue, enum mu_agent_item_kind kind, size_t count,
                        size_t bytes, struct mu_agent_items *ret_items)
{
        sqlite3_stmt *peek = queue->statements[PEEK];

        if (count > MU_AGENT_QUEUE_ITEMS_MAX)
                count = MU_AGENT_QUEUE_ITEMS_MAX;
        mu_agent_sql_number(peek, 1, kind);
        mu_agent_sql_number(peek, 2, (int64_t)count);
        return read_items(peek, bytes, ret_items);
}

int mu_agent_queue_newest(struct mu_agent_queue *queue, struct mu_agent_items *ret_items)
{
        return read_items(queue->statements[NEWEST], 0, ret_items);
}

void mu_agent_items_done(struct mu_agent_items *items)
{
        for (size_t i = 0; i < items->count; i++)
                free(items->items[i].body);
        free(items->items);
        *items = (struct mu_agent_items){.count = 0};
}

int mu_agent_queue_freeze(struct mu_agent_queue *queue, const struct mu_agent_items *items)
{
        sqlite3_stmt *freeze = queue->statements[FREEZE];
        int err = mu_agent_sql_begin(queue->store);

        if (err < 0)
                return err;
        for (size_t i = 0; err == 0 && i < items->count; i++) {
                if (items->items[i].frozen)
                        continue;
                mu_agent_sql_number(freeze, 1, items->items[i].id);
                err = mu_agent_sql_run(freeze);
        }
        err = mu_agent_sql_end(queue->store, err);
        for (size_t i = 0; err == 0 && i < items->count; i++)
                add_under_way(queue, items->items[i].id);
        return err;
}

static int put_aside(struct mu_agent_queue *queue, const struct mu_agent_item *item,
                     const char *why, int64_t now_us)
{
        sqlite3_stmt *add = queue->statements[ADD_ASIDE];
        sqlite3_stmt *trim = queue->statements[TRIM_ASIDE];
        char cut[WHY_BYTES_MAX + 1];
        size_t bytes = strnlen(why, WHY_BYTES_MAX + 1);

        if (bytes > WHY_BYTES_MAX) {
                bytes = WHY_BYTES_MAX;
                while (bytes > 0 && ((unsigned char)why[bytes] & 0xc0) == 0x80)
                        bytes--;
        }
        memcpy(cut, why, bytes);
        cut[bytes] = '\0';
        mu_agent_sql_number(add, 1, item->kind);
        mu_agent_sql_number(add, 2, item->key);
        mu_agent_sql_number(add, 3, now_us);
        mu_agent_sql_text(add, 4, cut);
        mu_agent_sql_blob(add, 5, item->body, item->body_bytes);
        int err = mu_agent_sql_run(add);

        if (err < 0)
                return err;
        mu_agent_sql_number(trim, 1, MU_AGENT_ASIDE_MAX);
        return mu_agent_sql_run(trim);
}

/* What a settlement comes to. */
struct settled {
        int64_t heartbeats;
        int64_t results;
        int64_t delivered_id;
        int64_t delivered_bucket_s;
};

static int settle_item(struct mu_agent_queue *queue, const struct mu_agent_item *item,
                       enum mu_agent_verdict verdict, const char *why, int64_t now_us,
                       struct settled *settled)
{
        int err = 0;

        if (verdict == MU_AGENT_KEEP)
                return 0;
        if (verdict == MU_AGENT_ASIDE)
                err = put_aside(queue, item, why ? why : "", now_us);
        else if (item->kind == MU_AGENT_ITEM_RESULT)
                settled->results++;
        else
                settled->heartbeats++;
        if (verdict == MU_AGENT_DELIVERED && item->kind == MU_AGENT_ITEM_HEARTBEAT &&
            item->id > settled->delivered_id) {
                settled->delivered_id = item->id;
                settled->delivered_bucket_s = item->key;
        }
        return err < 0 ? err : delete_item(queue, item->id);
}

static void say_settled(struct mu_agent_queue *queue, const struct mu_agent_items *items,
                        const enum mu_agent_verdict *verdicts, const char *const *whys,
                        const struct settled *settled)
{
        char why[200];

        if (settled->heartbeats + settled->results > 0)
                mu_agent_event(queue->events, MU_AGENT_INFO, "queue.drain",
                               "\"heartbeats\":%" PRId64 ",\"results\":%" PRId64,
                               settled->heartbeats, settled->results);
        for (size_t i = 0; i < items->count; i++)
                if (verdicts[i] == MU_AGENT_ASIDE)
                        mu_agent_event(
                                queue->events, MU_AGENT_WARNING, "queue.aside",
                                "\"kind\":\"%s\",\"key\":\"%" PRId64 "\",\"why\":%s",
                                items->items[i].kind == MU_AGENT_ITEM_RESULT ? "result"
                                                                             : "heartbeat",
                                items->items[i].key,
                                mu_agent_event_text(whys[i] ? whys[i] : "", why, sizeof(why)));
}

int mu_agent_queue_settle(struct mu_agent_queue *queue, const struct mu_agent_items *items,
                          const enum mu_agent_verdict *verdicts, const char *const *whys,
                          int64_t now_us)
{
        struct settled settled = {.delivered_id = queue->delivered_id,
                                  .delivered_bucket_s = queue->delivered_bucket_s};
        int err = mu_agent_sql_begin(queue->store);

        if (err < 0)
                return err;
        for (size_t i = 0; err == 0 && i < items->count; i++)
                err = settle_item(queue, &items->items[i], verdicts[i], whys[i], now_us, &settled);
        if (err == 0 && settled.delivered_id != queue->delivered_id) {
                err = mu_agent_store_set_number(queue->store, FACT_DELIVERED_ID,
                                                settled.delivered_id);
                if (err == 0)
                        err = mu_agent_store_set_number(queue->store, FACT_DELIVERED_BUCKET,
                                                        settled.delivered_bucket_s);
        }
        err = mu_agent_sql_end(queue->store, err);
        /* The request is over in any case. */
        for (size_t i = 0; i < items->count; i++)
                end_under_way(queue, items->items[i].id);
        if (err < 0)
                return err;
        queue->delivered_id = settled.delivered_id;
        queue->delivered_bucket_s = settled.delivered_bucket_s;
        say_settled(queue, items, verdicts, whys, &settled);
        return 0;
}

/* Adds what it has deleted. */
static int expire_by(struct mu_agent_queue *queue, enum statement which, int64_t before_us,
                     uint32_t *expired)
{
        sqlite3_stmt *expire = queue->statements[which];

        mu_agent_sql_number(expire, 1, queue->last_run_id);
        mu_agent_sql_number(expire, 2, before_us);
        int err = mu_agent_sql_run(expire);

        if (err == 0)
                *expired += (uint32_t)sqlite3_changes(mu_agent_store_database(queue->store));
        return err;
}

static int expire_known(struct mu_agent_queue *queue, int64_t mono, uint32_t *expired)
{
        int64_t now_us = mu_agent_clock_sync_now_us(queue->clock);
        sqlite3_stmt *earlier = queue->statements[DATE_EARLIER];
        sqlite3_stmt *ours = queue->statements[DATE_OURS];

        mu_agent_sql_number(earlier, 1, queue->last_run_id);
        mu_agent_sql_number(earlier, 2, now_us);
        int err = mu_agent_sql_run(earlier);

        if (err < 0)
                return err;
        mu_agent_sql_number(ours, 1, queue->last_run_id);
        mu_agent_sql_number(ours, 2, now_us);
        mu_agent_sql_number(ours, 3, mono);
        err = mu_agent_sql_run(ours);
        if (err < 0)
                return err;
        return expire_by(queue, EXPIRE_EARLIER, now_us - MU_AGENT_RESULT_AGE_S_MAX * MU_US_PER_S,
                         expired);
}

int mu_agent_queue_expire(struct mu_agent_queue *queue, uint32_t *ret_expired)
{
        struct totals results;
        uint32_t expired = 0;
        int err = totals_of(queue, MU_AGENT_ITEM_RESULT, &results);

        if (err < 0)
                return err;
        if (results.count == 0) {
                *ret_expired = 0;
                return 0;
        }
        int64_t mono = mono_us(queue);

        err = mu_agent_sql_begin(queue->store);
        if (err < 0)
                return err;
        err = expire_by(queue, EXPIRE_OURS, mono - MU_AGENT_RESULT_AGE_S_MAX * MU_US_PER_S,
                        &expired);
        if (err == 0 && queue->clock->synced)
                err = expire_known(queue, mono, &expired);
        err = mu_agent_sql_end(queue->store, err);
        if (err < 0)
                return err;
        if (expired > 0)
                mu_agent_event(queue->events, MU_AGENT_WARNING, "queue.expire", "\"results\":%u",
                               expired);
        *ret_expired = expired;
        return 0;
}

int mu_agent_queue_state(struct mu_agent_queue *queue, struct mu_agent_queue_state *ret_state)
{
        struct totals beats = {.count = 0};
        struct totals results = {.count = 0};
        sqlite3_stmt *ask = queue->statements[COUNT_ASIDE];
        int r = totals_of(queue, MU_AGENT_ITEM_HEARTBEAT, &beats);

        if (r == 0)
                r = totals_of(queue, MU_AGENT_ITEM_RESULT, &results);
        if (r == 0)
                r = mu_agent_sql_step(ask);
        if (r <= 0)
                return r == 0 ? -EIO : r;

        bool result_first =
                beats.count == 0 || (results.count > 0 && results.oldest_id < beats.oldest_id);

        *ret_state = (struct mu_agent_queue_state){
                .heartbeats = (uint32_t)beats.count,
                .results = (uint32_t)results.count,
                .aside = (uint32_t)sqlite3_column_int64(ask, 0),
                .bytes = beats.bytes + results.bytes,
                .oldest_us = result_first ? results.oldest_us : beats.oldest_us,
        };
        mu_agent_sql_reset(ask);
        return 0;
}

/* One line of the list, as the row says. */
static void write_aside(sqlite3_stmt *row, struct mu_text *line)
{
        bool heartbeat = sqlite3_column_int(row, 0) == MU_AGENT_ITEM_HEARTBEAT;
        int64_t at_ms = sqlite3_column_int64(row, 2) / MU_US_PER_MS;
        const char *why = (const char *)sqlite3_column_text(row, 3);
        const char *body = sqlite3_column_blob(row, 4);

        mu_text_add_format(
                line, "{\"at\":%" PRId64 ".%03d,\"kind\":\"%s\",\"key\":\"%" PRId64 "\",\"why\":",
                at_ms / MU_MS_PER_S, (int)(at_ms % MU_MS_PER_S), heartbeat ? "heartbeat" : "result",
                (int64_t)sqlite3_column_int64(row, 1));
        mu_text_add_json(line, why ? why : "", why ? strlen(why) : 0);
        if (heartbeat && body) {
                mu_text_add(line, ",\"body\":");
                mu_text_add_bytes(line, body, (size_t)sqlite3_column_bytes(row, 4));
        }
        mu_text_add(line, "}");
}

int mu_agent_queue_dump_aside(struct mu_agent_queue *queue, size_t bytes, struct mu_text *text)
{
        sqlite3_stmt *list = queue->statements[LIST_ASIDE];
        size_t taken_bytes = sizeof("[]") - 1;
        struct mu_text line;
        size_t lines = 0;
        int r;

        mu_text_init(&line);
        mu_text_add(text, "[");
        while ((r = mu_agent_sql_step(list)) > 0) {
                mu_text_clear(&line);
                write_aside(list, &line);
                r = mu_text_status(&line);
                taken_bytes += line.bytes + (lines > 0 ? 1 : 0);
                if (r < 0 || taken_bytes > bytes)
                        break;
                mu_text_add(text, lines++ > 0 ? "," : "");
                mu_text_add_bytes(text, line.data, line.bytes);
        }
        mu_agent_sql_reset(list);
        mu_text_done(&line);
        mu_text_add(text, "]");
        return r;
}
