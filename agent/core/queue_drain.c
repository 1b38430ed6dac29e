/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/text.h"
#include "core/queue_private.h"

enum { WHY_BYTES_MAX = 512 };

int64_t mu_agent_queue_mono_us(const struct mu_agent_queue *queue)
{
        return (int64_t)(mu_clock_monotonic_ns(queue->clock->clock) / MU_NS_PER_US);
}

int64_t mu_agent_queue_clock_us(const struct mu_agent_queue *queue)
{
        return mu_clock_realtime_us(queue->clock->clock) - mu_agent_queue_mono_us(queue);
}

/* Under way: what freeze() was given and settle() has not answered. */

static size_t under_way_place(const struct mu_agent_queue *queue, int64_t id)
{
        size_t place = 0;

        while (place < queue->under_way_count && queue->under_way[place] != id)
                place++;
        return place;
}

bool mu_agent_queue_is_under_way(const struct mu_agent_queue *queue, int64_t id)
{
        return under_way_place(queue, id) < queue->under_way_count;
}

static void add_under_way(struct mu_agent_queue *queue, int64_t id)
{
        if (mu_agent_queue_is_under_way(queue, id))
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

static bool is_same_boot(const struct mu_agent_queue *queue, sqlite3_stmt *row)
{
        const char *boot_id = (const char *)sqlite3_column_text(row, 7);

        if (sqlite3_column_int64(row, 0) > queue->last_run_id)
                return true;
        return boot_id && strcmp(boot_id, MU_AGENT_BOOT_ID_UNKNOWN) != 0 &&
               strcmp(boot_id, queue->boot_id_now) == 0;
}

static bool is_clock_apart(int64_t us)
{
        return llabs(us) >= MU_AGENT_BUCKET_S * MU_US_PER_S;
}

/* How far the device's clock was set forward since this heartbeat was dated; queue.h says how. */
static int64_t stepped_us(const struct mu_agent_queue *queue, int64_t clock_now_us,
                          sqlite3_stmt *row)
{
        int64_t clock_us = sqlite3_column_int64(row, 10);
        int64_t device_us = clock_us + sqlite3_column_int64(row, 9);
        int64_t by_elapsed = clock_now_us - clock_us;
        int64_t by_appliance = sqlite3_column_int64(row, 8) - device_us -
                               mu_agent_clock_sync_offset_us(queue->clock);
        bool known = sqlite3_column_type(row, 8) != SQLITE_NULL && queue->clock->synced;
        int64_t stepped = 0;

        if (sqlite3_column_int(row, 1) != MU_AGENT_ITEM_HEARTBEAT ||
            sqlite3_column_type(row, 10) == SQLITE_NULL)
                return 0;
        if (!is_same_boot(queue, row))
                stepped = known ? by_appliance : 0;
        else if (is_clock_apart(by_elapsed)) /* the exact one of two that agree */
                stepped = known && is_clock_apart(by_appliance - by_elapsed) ? by_appliance
                                                                             : by_elapsed;
        return is_clock_apart(stepped) ? stepped : 0;
}

/* Of an earlier boot, whose clock is known by the appliance's time only. */
static bool needs_time(const struct mu_agent_queue *queue, sqlite3_stmt *row)
{
        return sqlite3_column_int(row, 1) == MU_AGENT_ITEM_HEARTBEAT && !queue->clock->synced &&
               sqlite3_column_type(row, 8) != SQLITE_NULL &&
               sqlite3_column_type(row, 10) != SQLITE_NULL && !is_same_boot(queue, row);
}

static int read_item(const struct mu_agent_queue *queue, sqlite3_stmt *row,
                     struct mu_agent_item *ret_item)
{
        const void *body = sqlite3_column_blob(row, 6);
        size_t bytes = (size_t)sqlite3_column_bytes(row, 6);
        char *copy = body || bytes == 0 ? malloc(bytes + 1) : NULL;
        int64_t clock_now_us = mu_agent_queue_clock_us(queue);
        int64_t stepped = stepped_us(queue, clock_now_us, row);

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
                .is_ours = sqlite3_column_int64(row, 0) > queue->last_run_id,
                .stepped_us = stepped,
                .clock_us = clock_now_us - stepped,
                .needs_time = needs_time(queue, row),
                .body = copy,
                .body_bytes = bytes,
        };
        return 0;
}

/* Rows of ITEM_COLUMNS, as long as they fit; at least one. */
static int read_items(struct mu_agent_queue *queue, enum mu_agent_queue_statement which,
                      size_t bytes, struct mu_agent_items *ret_items)
{
        sqlite3_stmt *rows = queue->statements[which];
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
                r = read_item(queue, rows, &items.items[items.count]);
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
        return read_items(queue, PEEK, bytes, ret_items);
}

int mu_agent_queue_newest(struct mu_agent_queue *queue, struct mu_agent_items *ret_items)
{
        return read_items(queue, NEWEST, 0, ret_items);
}

int mu_agent_queue_result_after(struct mu_agent_queue *queue, int64_t id,
                                struct mu_agent_items *ret_items)
{
        sqlite3_stmt *after = queue->statements[RESULT_AFTER];

        mu_agent_sql_number(after, 1, id);
        return read_items(queue, RESULT_AFTER, 0, ret_items);
}

int mu_agent_queue_find(struct mu_agent_queue *queue, int64_t id, struct mu_agent_items *ret_items)
{
        mu_agent_sql_number(queue->statements[FIND_ID], 1, id);
        return read_items(queue, FIND_ID, 0, ret_items);
}

void mu_agent_items_done(struct mu_agent_items *items)
{
        for (size_t i = 0; i < items->count; i++)
                free(items->items[i].body);
        free(items->items);
        *items = (struct mu_agent_items){.count = 0};
}

/* Another ts, as report.c writes it, in front of the rest. False: it does not begin so, or would
 * lie before 1970. */
static bool set_ts(struct mu_agent_item *item, int64_t stepped_us, struct mu_text *text)
{
        static const char START[] = "{\"ts\":";
        char *end = item->body;
        int64_t ts_ms = -1;

        if (strncmp(item->body, START, strlen(START)) == 0)
                ts_ms = strtoll(item->body + strlen(START), &end, 10) * MU_MS_PER_S;
        if (ts_ms < 0 || end[0] != '.')
                return false;
        ts_ms += strtoll(end + 1, &end, 10) + stepped_us / MU_US_PER_MS;
        if (ts_ms < 0)
                return false;
        mu_text_add_format(text, "%s%" PRId64 ".%03d%s", START, ts_ms / MU_MS_PER_S,
                           (int)(ts_ms % MU_MS_PER_S), end);
        item->key = ts_ms / MU_MS_PER_S - ts_ms / MU_MS_PER_S % MU_AGENT_BUCKET_S;
        return true;
}

/* In the caller's transaction. */
static int redate(struct mu_agent_queue *queue, struct mu_agent_item *item)
{
        sqlite3_stmt *redate = queue->statements[REDATE];
        sqlite3_stmt *rekey = queue->statements[REKEY];
        struct mu_agent_item dated = *item;
        struct mu_text text;

        mu_text_init(&text);
        int err = set_ts(&dated, item->stepped_us, &text) ? 0 : -EINVAL;

        if (err == 0)
                err = mu_text_take(&text, &dated.body, &dated.body_bytes);
        mu_text_done(&text);
        if (err < 0)
                return err == -EINVAL ? 0 : err; /* goes by the clock that dated it */
        mu_agent_sql_number(redate, 1, item->id);
        mu_agent_sql_blob(redate, 2, dated.body, dated.body_bytes);
        mu_agent_sql_number(redate, 3, (int64_t)dated.body_bytes);
        mu_agent_sql_number(redate, 4, item->stepped_us);
        err = mu_agent_sql_run(redate);
        if (err == 0) {
                mu_agent_sql_number(rekey, 1, item->id);
                mu_agent_sql_number(rekey, 2, dated.key);
                err = mu_agent_sql_run(rekey);
        }
        if (err == 0 && sqlite3_changes(mu_agent_store_database(queue->store)) == 0)
                dated.key = item->key;
        if (err < 0) {
                free(dated.body);
                return err;
        }
        free(item->body);
        *item = dated;
        item->clock_us += item->stepped_us;
        item->stepped_us = 0;
        return 0;
}

int mu_agent_queue_redate(struct mu_agent_queue *queue, struct mu_agent_items *items)
{
        size_t first = 0;

        while (first < items->count &&
               (items->items[first].frozen || items->items[first].stepped_us == 0))
                first++;
        if (first == items->count)
                return 0;
        int64_t stepped = items->items[first].stepped_us;
        size_t count = 0;
        int err = mu_agent_sql_begin(queue->store);

        for (size_t i = first; err == 0 && i < items->count; i++) {
                if (items->items[i].frozen || items->items[i].stepped_us == 0)
                        continue;
                err = redate(queue, &items->items[i]);
                count += items->items[i].stepped_us == 0;
        }
        err = mu_agent_sql_end(queue->store, err);
        if (err == 0)
                mu_agent_event(queue->events, MU_AGENT_INFO, "queue.redate",
                               "\"heartbeats\":%zu,\"stepped_s\":%" PRId64, count,
                               stepped / MU_US_PER_S);
        return err;
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

/* Of the delivered heartbeats the one that was queued last. */
struct delivered {
        int64_t id;
        int64_t bucket_s;
};

static int settle_item(struct mu_agent_queue *queue, const struct mu_agent_item *item,
                       enum mu_agent_verdict verdict, const char *why, int64_t now_us,
                       struct delivered *delivered)
{
        int err = 0;

        if (verdict == MU_AGENT_KEEP)
                return 0;
        if (verdict == MU_AGENT_ASIDE)
                err = put_aside(queue, item, why ? why : "", now_us);
        else if (item->kind == MU_AGENT_ITEM_HEARTBEAT && item->id > delivered->id)
                *delivered = (struct delivered){.id = item->id, .bucket_s = item->key};
        return err < 0 ? err : mu_agent_queue_delete(queue, item->id);
}

static int note_delivered(struct mu_agent_queue *queue, const struct delivered *delivered)
{
        if (delivered->id == queue->delivered_id)
                return 0;
        int err =
                mu_agent_store_set_number(queue->store, MU_AGENT_FACT_DELIVERED_ID, delivered->id);

        if (err < 0)
                return err;
        return mu_agent_store_set_number(queue->store, MU_AGENT_FACT_DELIVERED_BUCKET,
                                         delivered->bucket_s);
}

static void say_drained(struct mu_agent_queue *queue, const struct mu_agent_items *items,
                        const enum mu_agent_verdict *verdicts)
{
        size_t counts[MU_AGENT_ITEM_RESULT + 1] = {0};

        for (size_t i = 0; i < items->count; i++)
                if (verdicts[i] == MU_AGENT_DELIVERED)
                        counts[items->items[i].kind]++;
        if (counts[MU_AGENT_ITEM_HEARTBEAT] + counts[MU_AGENT_ITEM_RESULT] > 0)
                mu_agent_event(queue->events, MU_AGENT_INFO, "queue.drain",
                               "\"heartbeats\":%zu,\"results\":%zu",
                               counts[MU_AGENT_ITEM_HEARTBEAT], counts[MU_AGENT_ITEM_RESULT]);
}

static void say_aside(struct mu_agent_queue *queue, const struct mu_agent_item *item,
                      const char *why)
{
        char text[200];

        mu_agent_event(queue->events, MU_AGENT_WARNING, "queue.aside",
                       "\"kind\":\"%s\",\"key\":\"%" PRId64 "\",\"why\":%s",
                       item->kind == MU_AGENT_ITEM_RESULT ? "result" : "heartbeat", item->key,
                       mu_agent_event_text(why ? why : "", text, sizeof(text)));
}

int mu_agent_queue_settle(struct mu_agent_queue *queue, const struct mu_agent_items *items,
                          const enum mu_agent_verdict *verdicts, const char *const *whys,
                          int64_t now_us)
{
        struct delivered delivered = {.id = queue->delivered_id,
                                      .bucket_s = queue->delivered_bucket_s};
        int err = mu_agent_sql_begin(queue->store);

        for (size_t i = 0; err == 0 && i < items->count; i++)
                err = settle_item(queue, &items->items[i], verdicts[i], whys[i], now_us,
                                  &delivered);
        if (err == 0)
                err = note_delivered(queue, &delivered);
        err = mu_agent_sql_end(queue->store, err);
        /* The request is over in any case. */
        for (size_t i = 0; i < items->count; i++)
                end_under_way(queue, items->items[i].id);
        if (err < 0)
                return err;
        queue->delivered_id = delivered.id;
        queue->delivered_bucket_s = delivered.bucket_s;
        say_drained(queue, items, verdicts);
        for (size_t i = 0; i < items->count; i++)
                if (verdicts[i] == MU_AGENT_ASIDE)
                        say_aside(queue, &items->items[i], whys[i]);
        return 0;
}

/* Adds what it has deleted. */
static int expire_by(struct mu_agent_queue *queue, enum mu_agent_queue_statement which,
                     int64_t before_us, uint32_t *expired)
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
        struct mu_agent_queue_totals results;
        uint32_t expired = 0;
        int err = mu_agent_queue_totals(queue, MU_AGENT_ITEM_RESULT, &results);

        if (err < 0)
                return err;
        if (results.count == 0) {
                *ret_expired = 0;
                return 0;
        }
        int64_t mono = mu_agent_queue_mono_us(queue);

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
        struct mu_agent_queue_totals beats = {.count = 0};
        struct mu_agent_queue_totals results = {.count = 0};
        sqlite3_stmt *ask = queue->statements[COUNT_ASIDE];
        int r = mu_agent_queue_totals(queue, MU_AGENT_ITEM_HEARTBEAT, &beats);

        if (r == 0)
                r = mu_agent_queue_totals(queue, MU_AGENT_ITEM_RESULT, &results);
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
