/* SPDX-License-Identifier: Apache-2.0 */
/* The queue's rules, one by one. test_queue_model.c has them all at once. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>
#include <sqlite3.h>

#include "base/text.h"
#include "core/queue.h"
#include "fake_platform.h"

#define HOUR_MS INT64_C(3600000)
#define YEAR_US (INT64_C(365) * 86400 * MU_US_PER_S)
#define BUCKET INT64_C(1800000000)
#define BIG_BYTES (256 * 1024)

struct world {
        struct fake_platform *fake;
        struct mu_agent_core core;
        char *big;
};

static int set_up(void **state)
{
        struct world *world = calloc(1, sizeof(*world));

        assert_non_null(world);
        world->fake = fake_platform_create();
        fake_core_open(world->fake, &world->core);
        world->big = malloc(BIG_BYTES);
        assert_non_null(world->big);
        memset(world->big, 'x', BIG_BYTES);
        *state = world;
        return 0;
}

static int tear_down(void **state)
{
        struct world *world = *state;

        fake_core_close(&world->core);
        fake_platform_destroy(world->fake);
        free(world->big);
        free(world);
        return 0;
}

static void restart(struct world *world)
{
        fake_core_close(&world->core);
        fake_core_open(world->fake, &world->core);
}

/* Where nothing is said about power cuts: a transaction costs no flush of the disk. */
static void be_quick(struct world *world)
{
        assert_int_equal(sqlite3_exec(mu_agent_store_database(world->core.store),
                                      "PRAGMA synchronous = OFF", NULL, NULL, NULL),
                         SQLITE_OK);
}

static int heartbeat(struct world *world, int64_t bucket_s, const char *body)
{
        return mu_agent_queue_heartbeat(world->core.queue, bucket_s, body, strlen(body),
                                        world->fake->realtime_us);
}

static int result(struct world *world, int64_t command_id, const char *body)
{
        return mu_agent_queue_result(world->core.queue, command_id, body, strlen(body),
                                     world->fake->realtime_us);
}

static int64_t seq(struct world *world, const char *boot_id, int64_t bucket_s)
{
        int64_t number = -1;

        assert_int_equal(mu_agent_queue_seq(world->core.queue, boot_id, bucket_s, &number), 0);
        return number;
}

static struct mu_agent_items peek(struct world *world, enum mu_agent_item_kind kind, size_t count,
                                  size_t bytes)
{
        struct mu_agent_items items;

        assert_int_equal(mu_agent_queue_peek(world->core.queue, kind, count, bytes, &items), 0);
        return items;
}

static struct mu_agent_items heartbeats(struct world *world)
{
        return peek(world, MU_AGENT_ITEM_HEARTBEAT, 1000, SIZE_MAX);
}

static struct mu_agent_queue_state state_of(struct world *world)
{
        struct mu_agent_queue_state queue_state;

        assert_int_equal(mu_agent_queue_state(world->core.queue, &queue_state), 0);
        return queue_state;
}

static void freeze(struct world *world, const struct mu_agent_items *items)
{
        assert_int_equal(mu_agent_queue_freeze(world->core.queue, items), 0);
}

static void settle_all(struct world *world, const struct mu_agent_items *items,
                       enum mu_agent_verdict verdict, const char *why)
{
        enum mu_agent_verdict verdicts[MU_AGENT_QUEUE_ITEMS_MAX];
        const char *whys[MU_AGENT_QUEUE_ITEMS_MAX];

        for (size_t i = 0; i < items->count; i++) {
                verdicts[i] = verdict;
                whys[i] = why;
        }
        assert_int_equal(mu_agent_queue_settle(world->core.queue, items, verdicts, whys,
                                               world->fake->realtime_us),
                         0);
}

/* Sends the newest, and it is stored. */
static void deliver_newest(struct world *world)
{
        struct mu_agent_items items;

        assert_int_equal(mu_agent_queue_newest(world->core.queue, &items), 0);
        assert_int_equal(items.count, 1);
        freeze(world, &items);
        settle_all(world, &items, MU_AGENT_DELIVERED, NULL);
        mu_agent_items_done(&items);
}

static void test_coalesces(void **state)
{
        struct world *world = *state;

        assert_int_equal(heartbeat(world, BUCKET, "{\"a\":1}"), 0);
        int64_t queued_at_us = world->fake->realtime_us;

        fake_advance_ms(world->fake, 1000);
        assert_int_equal(heartbeat(world, BUCKET + 10, "{\"b\":1}"), 0);
        assert_int_equal(heartbeat(world, BUCKET, "{\"a\":22}"), 0);
        for (int round = 0; round < 2; round++) {
                struct mu_agent_items items = heartbeats(world);

                assert_int_equal(items.count, 2);
                assert_string_equal(items.items[0].body, "{\"a\":22}");
                assert_int_equal(items.items[0].body_bytes, 8);
                assert_int_equal(items.items[0].key, BUCKET);
                assert_int_equal(items.items[0].queued_at_us, queued_at_us);
                assert_int_equal(items.items[0].kind, MU_AGENT_ITEM_HEARTBEAT);
                assert_false(items.items[0].frozen);
                assert_string_equal(items.items[1].body, "{\"b\":1}");
                assert_true(items.items[0].id < items.items[1].id);
                mu_agent_items_done(&items);
                assert_int_equal(state_of(world).bytes, 15);
                assert_int_equal(state_of(world).oldest_us, queued_at_us);
                restart(world);
        }
}

static void test_frozen_stays(void **state)
{
        struct world *world = *state;
        struct mu_agent_items items;

        assert_int_equal(heartbeat(world, BUCKET, "{\"a\":1}"), 0);
        assert_int_equal(mu_agent_queue_newest(world->core.queue, &items), 0);
        freeze(world, &items);
        assert_int_equal(heartbeat(world, BUCKET, "{\"a\":2}"), -EALREADY);
        settle_all(world, &items, MU_AGENT_KEEP, NULL);
        mu_agent_items_done(&items);
        restart(world);
        assert_int_equal(heartbeat(world, BUCKET, "{\"a\":3}"), -EALREADY);
        items = heartbeats(world);
        assert_int_equal(items.count, 1);
        assert_true(items.items[0].frozen);
        assert_string_equal(items.items[0].body, "{\"a\":1}");
        mu_agent_items_done(&items);
        assert_int_equal(heartbeat(world, BUCKET + 10, "{\"a\":4}"), 0);
}

/* A bucket that was delivered is not begun again, not after a restart either. What is newest is
 * what was queued last: not the order of delivery, nor that of the device's clock. */
static void test_delivered_bucket(void **state)
{
        struct world *world = *state;

        assert_int_equal(heartbeat(world, BUCKET, "{}"), 0);
        assert_int_equal(heartbeat(world, BUCKET + 10, "{}"), 0);
        deliver_newest(world);
        deliver_newest(world);
        for (int round = 0; round < 2; round++) {
                assert_int_equal(heartbeat(world, BUCKET + 10, "{\"again\":1}"), -EALREADY);
                assert_int_equal(state_of(world).heartbeats, 0);
                restart(world);
        }
        /* The device's clock was put back by an hour. */
        assert_int_equal(heartbeat(world, BUCKET - 3600, "{}"), 0);
        deliver_newest(world);
        restart(world);
        assert_int_equal(heartbeat(world, BUCKET - 3600, "{}"), -EALREADY);
        /* Set aside is not delivered: the appliance does not have this bucket. */
        assert_int_equal(heartbeat(world, BUCKET - 3590, "{}"), 0);
        struct mu_agent_items items = heartbeats(world);

        settle_all(world, &items, MU_AGENT_ASIDE, "no");
        mu_agent_items_done(&items);
        assert_int_equal(heartbeat(world, BUCKET - 3590, "{}"), 0);
}

static void test_seq(void **state)
{
        struct world *world = *state;

        assert_int_equal(seq(world, "boot-a", BUCKET), 1);
        /* Asked, but not taken. */
        assert_int_equal(seq(world, "boot-a", BUCKET), 1);
        assert_int_equal(heartbeat(world, BUCKET, "{}"), 0);
        /* Its open item's own. */
        assert_int_equal(seq(world, "boot-a", BUCKET), 1);
        assert_int_equal(heartbeat(world, BUCKET, "{}"), 0);
        assert_int_equal(seq(world, "boot-a", BUCKET + 10), 2);
        assert_int_equal(heartbeat(world, BUCKET + 10, "{}"), 0);
        restart(world);
        assert_int_equal(seq(world, "boot-a", BUCKET), 1);
        assert_int_equal(seq(world, "boot-a", BUCKET + 10), 2);
        deliver_newest(world);
        assert_int_equal(seq(world, "boot-a", BUCKET + 10), 3);
        assert_int_equal(heartbeat(world, BUCKET + 10, "{}"), -EALREADY);
        /* Refused: not taken, and belongs into the next. */
        assert_int_equal(seq(world, "boot-a", BUCKET + 20), 3);
        assert_int_equal(heartbeat(world, BUCKET + 20, "{}"), 0);
        /* Another boot begins with 1, and takes nothing from the last one. */
        assert_int_equal(seq(world, "boot-b", BUCKET + 20), 1);
        assert_int_equal(heartbeat(world, BUCKET + 20, "{}"), -EALREADY);
        assert_int_equal(seq(world, "boot-b", BUCKET + 30), 1);
        assert_int_equal(heartbeat(world, BUCKET + 30, "{}"), 0);
        assert_int_equal(seq(world, "boot-b", BUCKET + 30), 1);
        restart(world);
        assert_int_equal(seq(world, "boot-b", BUCKET + 40), 2);
}

/* The device's clock is set back by an hour while nothing can be sent: what was queued an hour ago
 * stays, though its buckets come again. */
static void test_clock_set_back(void **state)
{
        struct world *world = *state;

        for (int64_t i = 0; i < 12; i++) {
                assert_int_equal(seq(world, "boot", BUCKET + i * 300), i + 1);
                assert_int_equal(heartbeat(world, BUCKET + i * 300, "{\"first\":1}"), 0);
                fake_advance_ms(world->fake, HOUR_MS / 12);
        }
        for (int64_t i = 0; i < 12; i++) {
                if (i == 6)
                        restart(world);
                assert_int_equal(seq(world, "boot", BUCKET + i * 300), i + 13);
                assert_int_equal(heartbeat(world, BUCKET + i * 300, "{}"), -EALREADY);
                assert_int_equal(seq(world, "boot", BUCKET + i * 300 + 10), i + 13);
                assert_int_equal(heartbeat(world, BUCKET + i * 300 + 10, "{}"), 0);
                fake_advance_ms(world->fake, HOUR_MS / 12);
        }
        struct mu_agent_items items = heartbeats(world);

        assert_int_equal(items.count, 24);
        for (size_t i = 0; i < 12; i++)
                assert_string_equal(items.items[i].body, "{\"first\":1}");
        mu_agent_items_done(&items);
}

static void test_peek_limits(void **state)
{
        struct world *world = *state;

        for (int i = 0; i < 9; i++)
                assert_int_equal(heartbeat(world, BUCKET + i * 10, "0123456789"), 0);
        assert_int_equal(result(world, 5, "{}"), 0);
        for (size_t bytes = 0; bytes < 100; bytes++) {
                struct mu_agent_items items = peek(world, MU_AGENT_ITEM_HEARTBEAT, 100, bytes);

                assert_int_equal(items.count, bytes < 10 ? 1 : bytes / 10 > 9 ? 9 : bytes / 10);
                for (size_t i = 0; i < items.count; i++)
                        assert_int_equal(items.items[i].key, BUCKET + (int64_t)i * 10);
                mu_agent_items_done(&items);
        }
        for (size_t count = 0; count < 12; count++) {
                struct mu_agent_items items = peek(world, MU_AGENT_ITEM_HEARTBEAT, count, SIZE_MAX);

                assert_int_equal(items.count, count < 9 ? count : 9);
                mu_agent_items_done(&items);
        }
        struct mu_agent_items results = peek(world, MU_AGENT_ITEM_RESULT, 9, 0);

        assert_int_equal(results.count, 1);
        assert_int_equal(results.items[0].key, 5);
        mu_agent_items_done(&results);
        mu_agent_items_done(&results);
}

static void test_first_result_stays(void **state)
{
        struct world *world = *state;

        assert_int_equal(result(world, 5, "{\"first\":1}"), 0);
        assert_int_equal(result(world, 5, "{\"second\":1}"), 0);
        struct mu_agent_items items = peek(world, MU_AGENT_ITEM_RESULT, 9, SIZE_MAX);

        assert_int_equal(items.count, 1);
        assert_string_equal(items.items[0].body, "{\"first\":1}");
        mu_agent_items_done(&items);
        assert_int_equal(fake_events(world->fake, "queue.enqueue"), 1);
}

/* The oldest heartbeats go, except those that are under way; a result never. */
static void test_count_limit(void **state)
{
        struct world *world = *state;

        be_quick(world);
        assert_int_equal(result(world, 1, "{}"), 0);
        for (int i = 0; i < 499; i++)
                assert_int_equal(heartbeat(world, BUCKET + i * 10, "{}"), 0);
        assert_int_equal(fake_events(world->fake, "queue.prune"), 0);

        struct mu_agent_items sent = peek(world, MU_AGENT_ITEM_HEARTBEAT, 2, SIZE_MAX);

        freeze(world, &sent);
        assert_int_equal(heartbeat(world, BUCKET + 4990, "{}"), 0);
        assert_int_equal(result(world, 2, "{}"), 0);
        assert_int_equal(fake_events(world->fake, "queue.prune"), 2);
        assert_string_equal(fake_event_fields(world->fake, "queue.prune"),
                            "\"heartbeats\":1,\"bytes\":2");
        /* In place of another nothing has to go. */
        assert_int_equal(heartbeat(world, BUCKET + 4990, "{ }"), 0);
        assert_int_equal(fake_events(world->fake, "queue.prune"), 2);

        struct mu_agent_items left = heartbeats(world);

        assert_int_equal(left.count, 498);
        assert_int_equal(left.items[0].key, BUCKET);
        assert_int_equal(left.items[1].key, BUCKET + 10);
        assert_int_equal(left.items[2].key, BUCKET + 40);
        mu_agent_items_done(&left);
        /* The request has failed: they are not under way, and the oldest. */
        settle_all(world, &sent, MU_AGENT_KEEP, NULL);
        mu_agent_items_done(&sent);
        assert_int_equal(heartbeat(world, BUCKET + 5000, "{}"), 0);
        left = heartbeats(world);
        assert_int_equal(left.items[0].key, BUCKET + 10);
        mu_agent_items_done(&left);
        assert_int_equal(state_of(world).results, 2);
}

static void test_only_results(void **state)
{
        struct world *world = *state;

        be_quick(world);
        for (int i = 0; i < 10; i++)
                assert_int_equal(heartbeat(world, BUCKET + i * 10, "{}"), 0);
        struct mu_agent_items sent = heartbeats(world);

        freeze(world, &sent);
        for (int64_t id = 1; id <= MU_AGENT_QUEUE_ITEMS_MAX; id++)
                assert_int_equal(result(world, id, "{}"), 0);
        /* Those under way went too, when nothing else was left. */
        assert_int_equal(state_of(world).heartbeats, 0);
        assert_int_equal(state_of(world).results, MU_AGENT_QUEUE_ITEMS_MAX);
        assert_int_equal(result(world, 501, "{}"), -ENOSPC);
        assert_int_equal(heartbeat(world, BUCKET, "{}"), -ENOSPC);
        assert_int_equal(result(world, 1, "{}"), 0);
        assert_int_equal(state_of(world).results, MU_AGENT_QUEUE_ITEMS_MAX);
        /* That the appliance has them is no news to the queue. */
        settle_all(world, &sent, MU_AGENT_DELIVERED, NULL);
        mu_agent_items_done(&sent);

        struct mu_agent_items results = peek(world, MU_AGENT_ITEM_RESULT, 1, SIZE_MAX);

        settle_all(world, &results, MU_AGENT_DELIVERED, NULL);
        mu_agent_items_done(&results);
        assert_int_equal(heartbeat(world, BUCKET + 90, "{}"), -EALREADY);
        assert_int_equal(result(world, 501, "{}"), 0);
}

static void test_byte_limit(void **state)
{
        struct world *world = *state;
        struct mu_agent_queue *queue = world->core.queue;

        be_quick(world);
        for (int64_t i = 0; i < 40; i++)
                assert_int_equal(mu_agent_queue_heartbeat(queue, BUCKET + i * 10, world->big,
                                                          BIG_BYTES, i + 1),
                                 0);
        assert_int_equal(state_of(world).bytes, MU_AGENT_QUEUE_BYTES_MAX);
        assert_int_equal(fake_events(world->fake, "queue.prune"), 0);
        /* In place of another, and what is one byte: no more than that goes. */
        assert_int_equal(heartbeat(world, BUCKET, "x"), 0);
        assert_int_equal(mu_agent_queue_result(queue, 7, world->big, BIG_BYTES, 0), 0);
        assert_string_equal(fake_event_fields(world->fake, "queue.prune"),
                            "\"heartbeats\":1,\"bytes\":1");
        assert_int_equal(state_of(world).bytes, MU_AGENT_QUEUE_BYTES_MAX);
        /* The oldest grows by more than has room: the next one goes, not itself. */
        assert_int_equal(heartbeat(world, BUCKET + 10, "x"), 0);
        assert_int_equal(mu_agent_queue_result(queue, 8, "xx", 2, 0), 0);
        assert_int_equal(fake_events(world->fake, "queue.prune"), 1);
        assert_int_equal(mu_agent_queue_heartbeat(queue, BUCKET + 10, world->big, BIG_BYTES, 0), 0);
        assert_int_equal(fake_events(world->fake, "queue.prune"), 2);
        struct mu_agent_items oldest = peek(world, MU_AGENT_ITEM_HEARTBEAT, 2, SIZE_MAX);

        assert_int_equal(oldest.items[0].key, BUCKET + 10);
        assert_int_equal(oldest.items[1].key, BUCKET + 30);
        mu_agent_items_done(&oldest);
        assert_int_equal(state_of(world).heartbeats, 38);
        assert_int_equal(state_of(world).bytes, 39 * BIG_BYTES + 2);
        /* What no pruning would make room for prunes nothing. */
        char *huge = calloc(1, MU_AGENT_QUEUE_BYTES_MAX);

        assert_non_null(huge);
        assert_int_equal(mu_agent_queue_result(queue, 9, huge, MU_AGENT_QUEUE_BYTES_MAX, 0),
                         -ENOSPC);
        assert_int_equal(state_of(world).heartbeats, 38);
        free(huge);
        struct mu_agent_items items;

        assert_int_equal(mu_agent_queue_newest(queue, &items), 0);
        assert_int_equal(items.items[0].body_bytes, BIG_BYTES);
        assert_memory_equal(items.items[0].body, world->big, BIG_BYTES);
        mu_agent_items_done(&items);
}

static void test_settles_each(void **state)
{
        struct world *world = *state;
        static const enum mu_agent_verdict verdicts[] = {MU_AGENT_DELIVERED, MU_AGENT_ASIDE,
                                                         MU_AGENT_KEEP};
        static const char *const whys[] = {NULL, "ts is missing: \"send\" it", NULL};

        for (int i = 0; i < 4; i++)
                assert_int_equal(heartbeat(world, BUCKET + i * 10, "{\"n\":1}"), 0);
        struct mu_agent_items items = peek(world, MU_AGENT_ITEM_HEARTBEAT, 3, SIZE_MAX);

        assert_int_equal(items.count, 3);
        freeze(world, &items);
        assert_int_equal(mu_agent_queue_settle(world->core.queue, &items, verdicts, whys, 5), 0);
        mu_agent_items_done(&items);
        restart(world);
        items = heartbeats(world);
        assert_int_equal(items.count, 2);
        assert_int_equal(items.items[0].key, BUCKET + 20);
        assert_true(items.items[0].frozen);
        assert_int_equal(items.items[1].key, BUCKET + 30);
        assert_false(items.items[1].frozen);
        mu_agent_items_done(&items);
        assert_int_equal(state_of(world).aside, 1);
        assert_int_equal(fake_events(world->fake, "queue.aside"), 1);
        assert_non_null(strstr(fake_event_fields(world->fake, "queue.aside"), "\\\"send\\\" it"));
}

static json_t *dump_aside(struct world *world, size_t bytes)
{
        struct mu_text text;

        mu_text_init(&text);
        assert_int_equal(mu_agent_queue_dump_aside(world->core.queue, bytes, &text), 0);
        assert_int_equal(mu_text_status(&text), 0);
        assert_true(text.bytes <= bytes || text.bytes == 2);
        json_t *json = json_loadb(text.data, text.bytes, 0, NULL);

        assert_true(json_is_array(json));
        mu_text_done(&text);
        return json;
}

static void test_aside_is_bounded(void **state)
{
        struct world *world = *state;
        char why[1200];
        size_t before = 0;

        /* 2 bytes a character: the cut must not go through one. */
        for (size_t i = 0; i < sizeof(why) - 1; i++)
                why[i] = (i % 2) == 0 ? '\xc3' : '\xbc';
        why[sizeof(why) - 1] = '\0';
        why[0] = 'x';
        why[1] = 'y';
        why[2] = 'z';
        memmove(&why[3], &why[4], sizeof(why) - 4);
        be_quick(world);
        for (int64_t i = 0; i < MU_AGENT_ASIDE_MAX + 5; i++) {
                if (i % 2 == 0)
                        assert_int_equal(heartbeat(world, i, "{\"battery\":7}"), 0);
                else
                        assert_int_equal(result(world, i, "{\"secret\":1}"), 0);
                struct mu_agent_items items = peek(
                        world, i % 2 == 0 ? MU_AGENT_ITEM_HEARTBEAT : MU_AGENT_ITEM_RESULT, 1, 0);

                settle_all(world, &items, MU_AGENT_ASIDE, i == 5 ? NULL : why);
                mu_agent_items_done(&items);
        }
        restart(world);
        assert_int_equal(state_of(world).aside, MU_AGENT_ASIDE_MAX);
        assert_int_equal(state_of(world).bytes, 0);
        json_t *all = dump_aside(world, 1 << 20);

        assert_int_equal(json_array_size(all), MU_AGENT_ASIDE_MAX);
        const json_t *first = json_array_get(all, 0);
        const json_t *second = json_array_get(all, 1);
        const json_t *last = json_array_get(all, MU_AGENT_ASIDE_MAX - 1);

        assert_string_equal(json_string_value(json_object_get(first, "key")), "54");
        assert_int_equal(
                json_integer_value(json_object_get(json_object_get(first, "body"), "battery")), 7);
        assert_int_equal(json_string_length(json_object_get(first, "why")), 511);
        assert_string_equal(json_string_value(json_object_get(second, "kind")), "result");
        assert_null(json_object_get(second, "body"));
        assert_string_equal(json_string_value(json_object_get(last, "key")), "5");
        assert_string_equal(json_string_value(json_object_get(last, "why")), "");
        json_decref(all);
        for (size_t bytes = 0; bytes < 20000; bytes += 97) {
                json_t *some = dump_aside(world, bytes);

                assert_true(json_array_size(some) >= before);
                before = json_array_size(some);
                json_decref(some);
        }
        assert_true(before > 10 && before < MU_AGENT_ASIDE_MAX);
}

static uint32_t expire(struct world *world)
{
        uint32_t expired = 4711;

        assert_int_equal(mu_agent_queue_expire(world->core.queue, &expired), 0);
        return expired;
}

static void sync_clock(struct world *world, int64_t server_us)
{
        mu_agent_clock_sync_reply(&world->core.clock, (double)server_us / (double)MU_US_PER_S,
                                  world->fake->monotonic_ns, world->fake->monotonic_ns);
}

static void test_expires_by_monotonic(void **state)
{
        struct world *world = *state;

        assert_int_equal(expire(world), 0);
        assert_int_equal(result(world, 1, "{}"), 0);
        fake_advance_ms(world->fake, 1000);
        assert_int_equal(result(world, 2, "{}"), 0);
        assert_int_equal(heartbeat(world, BUCKET, "{}"), 0);
        /* The device's clock: a year ahead, and to 1970. The appliance's: a year ahead. */
        fake_set_realtime_us(world->fake, FAKE_START_US + YEAR_US);
        assert_int_equal(expire(world), 0);
        fake_set_realtime_us(world->fake, 0);
        assert_int_equal(expire(world), 0);
        sync_clock(world, FAKE_START_US);
        assert_int_equal(expire(world), 0);
        sync_clock(world, FAKE_START_US + YEAR_US);
        assert_int_equal(expire(world), 0);
        fake_advance_ms(world->fake, 24 * HOUR_MS - 1001);
        assert_int_equal(expire(world), 0);
        fake_advance_ms(world->fake, 1);
        assert_int_equal(expire(world), 1);
        assert_int_equal(fake_events(world->fake, "queue.expire"), 1);
        fake_advance_ms(world->fake, 1000);
        assert_int_equal(expire(world), 1);
        assert_int_equal(state_of(world).heartbeats, 1);
}

/* Off meanwhile: by the appliance's time, once it is known. */
static void test_expires_after_restart(void **state)
{
        struct world *world = *state;

        sync_clock(world, FAKE_START_US);
        assert_int_equal(result(world, 1, "{}"), 0);
        fake_advance_ms(world->fake, 2 * HOUR_MS);
        assert_int_equal(result(world, 2, "{}"), 0);
        fake_core_close(&world->core);
        /* Switched off for 23 h, booted with a clock that is a year ahead. */
        world->fake->monotonic_ns = 1;
        fake_set_realtime_us(world->fake, FAKE_START_US + YEAR_US);
        fake_core_open(world->fake, &world->core);
        assert_int_equal(expire(world), 0);
        sync_clock(world, FAKE_START_US + 25 * HOUR_MS * MU_US_PER_MS);
        assert_int_equal(expire(world), 1);
        struct mu_agent_items items = peek(world, MU_AGENT_ITEM_RESULT, 9, SIZE_MAX);

        assert_int_equal(items.count, 1);
        assert_int_equal(items.items[0].key, 2);
        mu_agent_items_done(&items);
        fake_advance_ms(world->fake, HOUR_MS);
        assert_int_equal(expire(world), 1);
}

/* A machine without a clock of its own boots in 1970 and answers what a restart cut off, before
 * the first reply: that reply must not make 56 years of it. */
static void test_queued_before_the_time_was_known(void **state)
{
        struct world *world = *state;

        fake_set_realtime_us(world->fake, 0);
        assert_int_equal(result(world, 1, "{}"), 0);
        fake_advance_ms(world->fake, HOUR_MS);
        sync_clock(world, FAKE_START_US);
        assert_int_equal(expire(world), 0);
        /* From here on its time is known: an hour before the reply. */
        restart(world);
        sync_clock(world, FAKE_START_US + 23 * HOUR_MS * MU_US_PER_MS - 1);
        assert_int_equal(expire(world), 0);
        fake_advance_ms(world->fake, 1);
        assert_int_equal(expire(world), 1);

        /* Killed before it was known: its 24 h begin when it is. */
        restart(world);
        assert_int_equal(result(world, 2, "{}"), 0);
        restart(world);
        fake_advance_ms(world->fake, 100 * HOUR_MS);
        assert_int_equal(expire(world), 0);
        sync_clock(world, FAKE_START_US + YEAR_US);
        assert_int_equal(expire(world), 0);
        fake_advance_ms(world->fake, 24 * HOUR_MS - 1);
        assert_int_equal(expire(world), 0);
        fake_advance_ms(world->fake, 1);
        assert_int_equal(expire(world), 1);
}

/* Dated by an appliance that was a year ahead and was set right: ages from there. */
static void test_dated_in_the_future(void **state)
{
        struct world *world = *state;

        sync_clock(world, FAKE_START_US + YEAR_US);
        assert_int_equal(result(world, 1, "{}"), 0);
        restart(world);
        sync_clock(world, FAKE_START_US);
        assert_int_equal(expire(world), 0);
        fake_advance_ms(world->fake, 24 * HOUR_MS);
        assert_int_equal(expire(world), 1);
}

/* A full disk changes nothing: not the items, not the number, not what is frozen. */
static void test_full_disk(void **state)
{
        struct world *world = *state;
        sqlite3 *database = mu_agent_store_database(world->core.store);
        int64_t bucket = BUCKET;
        int err = 0;

        be_quick(world);
        assert_int_equal(sqlite3_exec(database, "PRAGMA max_page_count = 100", NULL, NULL, NULL),
                         SQLITE_OK);
        while (err == 0 && bucket < BUCKET + 10000) {
                int64_t number = seq(world, "boot-a", bucket);

                assert_int_equal(number, (bucket - BUCKET) / 10 + 1);
                err = mu_agent_queue_heartbeat(world->core.queue, bucket, world->big, 3000, 1);
                bucket += 10;
        }
        assert_int_equal(err, -ENOSPC);
        uint32_t count = state_of(world).heartbeats;

        assert_true(count > 40);
        assert_int_equal(count, (bucket - BUCKET) / 10 - 1);
        assert_int_equal(mu_agent_queue_result(world->core.queue, 1, world->big, 30000, 1),
                         -ENOSPC);
        assert_int_equal(state_of(world).heartbeats, count);
        assert_int_equal(state_of(world).results, 0);
        assert_int_equal(state_of(world).bytes, count * 3000);
        assert_int_equal(seq(world, "boot-a", bucket), count + 1);
        /* What was delivered makes room. */
        struct mu_agent_items items = peek(world, MU_AGENT_ITEM_HEARTBEAT, 20, SIZE_MAX);

        freeze(world, &items);
        settle_all(world, &items, MU_AGENT_DELIVERED, NULL);
        mu_agent_items_done(&items);
        assert_int_equal(seq(world, "boot-a", bucket), count + 1);
        assert_int_equal(mu_agent_queue_heartbeat(world->core.queue, bucket, world->big, 3000, 1),
                         0);
        restart(world);
        assert_int_equal(state_of(world).heartbeats, count - 19);
        assert_int_equal(seq(world, "boot-a", bucket + 10), count + 2);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_coalesces, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_frozen_stays, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_delivered_bucket, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_seq, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_clock_set_back, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_peek_limits, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_first_result_stays, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_count_limit, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_only_results, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_byte_limit, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_settles_each, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_aside_is_bounded, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_expires_by_monotonic, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_expires_after_restart, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_queued_before_the_time_was_known, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(test_dated_in_the_future, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_full_disk, set_up, tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
