/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue against a naive one in an array: the same random steps for both, compared after each;
 * restarts, set clocks and reboots in between. Each seed is a run of its own.
 */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "base/random.h"
#include "core/queue.h"
#include "fake_platform.h"

#define DAY_US (INT64_C(86400) * MU_US_PER_S)

enum {
        SEEDS = 3,
        STEPS = 1800,
        MOOD_STEPS = 300,
        MODEL_ITEMS = MU_AGENT_QUEUE_ITEMS_MAX + 1,
        BODY_BYTES_MAX = 256 * 1024,
        COMMANDS = 900,
};

struct model_item {
        enum mu_agent_item_kind kind;
        int64_t key;
        bool frozen;
        bool under_way;
        bool ours; /* queued in this run */
        int64_t mono_us;
        int64_t clock_us; /* the device's, less mono_us */
        int64_t known_us; /* -1: not known */
        int64_t seq;
        char boot_id[24];
        size_t bytes;
        char fill; /* its body is these many of it */
};

/* In the order of queueing. */
struct model {
        size_t count;
        struct model_item items[MODEL_ITEMS];
        int64_t seq;
        char boot_id[24];
        bool delivered;
        uint64_t delivered_order;
        int64_t delivered_bucket;
        uint64_t order[MODEL_ITEMS]; /* beside items: when each was queued */
        uint64_t next_order;
        size_t aside;
        unsigned pruned;
};

struct world {
        struct fake_platform *fake;
        struct mu_agent_core core;
        struct mu_random random;
        struct model model;
        int64_t bucket;
        int boots;
        int mood;
        char boot_id[24];
        char *body;
        unsigned done[16]; /* how often which step came to something */
};

static uint64_t below(struct world *world, uint64_t bound)
{
        return mu_random_below(&world->random, bound);
}

static void open_core(struct world *world)
{
        fake_core_open(world->fake, &world->core);
        assert_int_equal(sqlite3_exec(mu_agent_store_database(world->core.store),
                                      "PRAGMA synchronous = OFF", NULL, NULL, NULL),
                         SQLITE_OK);
}

/* ---- the naive one ---- */

static void model_remove(struct model *model, size_t place)
{
        size_t behind = model->count - place - 1;

        memmove(&model->items[place], &model->items[place + 1], behind * sizeof(model->items[0]));
        memmove(&model->order[place], &model->order[place + 1], behind * sizeof(model->order[0]));
        model->count--;
}

static struct model_item *model_find(struct model *model, enum mu_agent_item_kind kind, int64_t key)
{
        for (size_t i = 0; i < model->count; i++)
                if (model->items[i].kind == kind && model->items[i].key == key)
                        return &model->items[i];
        return NULL;
}

static size_t model_count(const struct model *model, enum mu_agent_item_kind kind)
{
        size_t count = 0;

        for (size_t i = 0; i < model->count; i++)
                count += model->items[i].kind == kind;
        return count;
}

static size_t model_bytes(const struct model *model)
{
        size_t bytes = 0;

        for (size_t i = 0; i < model->count; i++)
                bytes += model->items[i].bytes;
        return bytes;
}

static bool model_prune_one(struct model *model, const struct model_item *spared, bool under_way)
{
        for (size_t i = 0; i < model->count; i++) {
                const struct model_item *item = &model->items[i];

                if (item->kind == MU_AGENT_ITEM_HEARTBEAT && item != spared &&
                    (under_way || !item->under_way)) {
                        model_remove(model, i);
                        return true;
                }
        }
        return false;
}

/* The item is among them already, as it is to be. Refused: the model is as before. */
static int model_fit(struct model *model, size_t place)
{
        struct model_item new_item = model->items[place];
        size_t results = 0;
        size_t result_bytes = 0;

        for (size_t i = 0; i < model->count; i++)
                if (i != place && model->items[i].kind == MU_AGENT_ITEM_RESULT) {
                        results++;
                        result_bytes += model->items[i].bytes;
                }
        if (results + 1 > MU_AGENT_QUEUE_ITEMS_MAX ||
            result_bytes + new_item.bytes > MU_AGENT_QUEUE_BYTES_MAX)
                return -ENOSPC;
        while (model->count > MU_AGENT_QUEUE_ITEMS_MAX ||
               model_bytes(model) > MU_AGENT_QUEUE_BYTES_MAX) {
                model->pruned++;
                const struct model_item *spared = model_find(model, new_item.kind, new_item.key);

                if (!model_prune_one(model, spared, false))
                        assert_true(model_prune_one(model, spared, true));
        }
        return 0;
}

static int model_add(struct model *model, const struct model_item *item)
{
        size_t place = model->count;

        model->items[place] = *item;
        model->order[place] = model->next_order;
        model->count++;
        int err = model_fit(model, place);

        if (err < 0)
                model_remove(model, place);
        else
                model->next_order++;
        return err;
}

/* Of the same ten seconds, not only of the same bucket. */
static bool is_same_time(const struct model_item *old, const struct model_item *item)
{
        return strcmp(old->boot_id, item->boot_id) == 0 &&
               llabs(item->clock_us - old->clock_us) < MU_AGENT_BUCKET_S * MU_US_PER_S &&
               item->mono_us - old->mono_us <= 2 * MU_AGENT_BUCKET_S * MU_US_PER_S;
}

static int model_heartbeat(struct model *model, const struct model_item *item)
{
        struct model_item *old = model_find(model, MU_AGENT_ITEM_HEARTBEAT, item->key);
        int err;

        if (old) {
                if (old->frozen || !is_same_time(old, item))
                        return -EALREADY;
                struct model_item before = *old;

                *old = *item;
                old->mono_us = before.mono_us;
                old->clock_us = before.clock_us;
                old->known_us = before.known_us;
                old->ours = before.ours;
                old->under_way = before.under_way;
                err = model_fit(model, (size_t)(old - model->items));
                if (err < 0)
                        *old = before;
        } else {
                if (model->delivered && model->delivered_bucket == item->key)
                        return -EALREADY;
                err = model_add(model, item);
        }
        if (err == 0 && (strcmp(model->boot_id, item->boot_id) != 0 || item->seq > model->seq)) {
                (void)snprintf(model->boot_id, sizeof(model->boot_id), "%s", item->boot_id);
                model->seq = item->seq;
        }
        return err;
}

static int64_t model_seq(struct model *model, const struct model_item *next)
{
        const struct model_item *item = model_find(model, MU_AGENT_ITEM_HEARTBEAT, next->key);

        if (item && !item->frozen && is_same_time(item, next))
                return item->seq;
        return strcmp(model->boot_id, next->boot_id) == 0 ? model->seq + 1 : 1;
}

/* ---- comparing ---- */

static void assert_body(struct world *world, const struct mu_agent_item *have,
                        const struct model_item *want)
{
        assert_int_equal(have->kind, want->kind);
        assert_int_equal(have->key, want->key);
        assert_int_equal(have->frozen, want->frozen);
        assert_int_equal(have->body_bytes, want->bytes);
        memset(world->body, want->fill, want->bytes);
        assert_memory_equal(have->body, world->body, want->bytes);
}

static void assert_same_state(struct world *world)
{
        struct mu_agent_queue_state have;

        assert_int_equal(mu_agent_queue_state(world->core.queue, &have), 0);
        assert_int_equal(have.heartbeats, model_count(&world->model, MU_AGENT_ITEM_HEARTBEAT));
        assert_int_equal(have.results, model_count(&world->model, MU_AGENT_ITEM_RESULT));
        assert_int_equal(have.bytes, model_bytes(&world->model));
        assert_int_equal(have.aside, world->model.aside);
}

static void assert_same_items(struct world *world)
{
        for (int kind = MU_AGENT_ITEM_HEARTBEAT; kind <= MU_AGENT_ITEM_RESULT; kind++) {
                struct mu_agent_items have;
                size_t place = 0;
                int64_t last_id = 0;

                assert_int_equal(mu_agent_queue_peek(world->core.queue,
                                                     (enum mu_agent_item_kind)kind, 1000, SIZE_MAX,
                                                     &have),
                                 0);
                for (size_t i = 0; i < world->model.count; i++) {
                        if ((int)world->model.items[i].kind != kind)
                                continue;
                        assert_true(place < have.count);
                        assert_body(world, &have.items[place], &world->model.items[i]);
                        assert_true(have.items[place].id > last_id);
                        last_id = have.items[place].id;
                        place++;
                }
                assert_int_equal(place, have.count);
                mu_agent_items_done(&have);
        }
}

/* ---- the steps ---- */

static int64_t mono_us(const struct world *world)
{
        return (int64_t)(world->fake->monotonic_ns / MU_NS_PER_US);
}

static struct model_item new_item(struct world *world, enum mu_agent_item_kind kind, int64_t key)
{
        struct model_item item = {
                .kind = kind,
                .key = key,
                .ours = true,
                .mono_us = mono_us(world),
                .clock_us = world->fake->realtime_us - mono_us(world),
                .known_us = -1,
                .fill = (char)('a' + below(world, 26)),
        };

        if (world->core.clock.synced)
                item.known_us = mu_agent_clock_sync_now_us(&world->core.clock);
        switch (below(world, world->mood == 2 ? 2 : 12)) {
        case 0:
                item.bytes = below(world, BODY_BYTES_MAX) + 1;
                break;
        case 2:
                item.bytes = 0;
                break;
        default:
                item.bytes = below(world, 600) + 1;
        }
        memset(world->body, item.fill, item.bytes);
        return item;
}

static void step_heartbeat(struct world *world)
{
        if (below(world, 3) > 0)
                world->bucket += MU_AGENT_BUCKET_S;
        int64_t bucket = world->bucket;

        if (below(world, 20) == 0)
                bucket -= (int64_t)below(world, 30) * MU_AGENT_BUCKET_S;

        struct model_item item = new_item(world, MU_AGENT_ITEM_HEARTBEAT, bucket);
        int64_t number;

        (void)snprintf(item.boot_id, sizeof(item.boot_id), "%s", world->boot_id);
        assert_int_equal(mu_agent_queue_seq(world->core.queue, world->boot_id, bucket, &number), 0);
        item.seq = model_seq(&world->model, &item);
        assert_int_equal(number, item.seq);

        int want = model_heartbeat(&world->model, &item);
        int have = mu_agent_queue_heartbeat(world->core.queue, bucket, world->body, item.bytes, 1);

        assert_int_equal(have, want);
        world->done[want == 0 ? 0 : want == -EALREADY ? 1 : 2]++;
}

static void step_result(struct world *world)
{
        int64_t id = (int64_t)below(world, COMMANDS) + 1;
        struct model_item item = new_item(world, MU_AGENT_ITEM_RESULT, id);
        int want = model_find(&world->model, MU_AGENT_ITEM_RESULT, id)
                           ? 0
                           : model_add(&world->model, &item);

        assert_int_equal(mu_agent_queue_result(world->core.queue, id, world->body, item.bytes, 1),
                         want);
        world->done[want == 0 ? 3 : 4]++;
}

static void note_delivered(struct model *model, size_t place)
{
        if (model->items[place].kind != MU_AGENT_ITEM_HEARTBEAT ||
            (model->delivered && model->order[place] < model->delivered_order))
                return;
        model->delivered = true;
        model->delivered_order = model->order[place];
        model->delivered_bucket = model->items[place].key;
}

/* Freezes these and has each answered; a third of the requests get no answer at all. */
static void send(struct world *world, const struct mu_agent_items *items, unsigned good)
{
        enum mu_agent_verdict verdicts[MU_AGENT_QUEUE_ITEMS_MAX];
        const char *whys[MU_AGENT_QUEUE_ITEMS_MAX] = {NULL};
        struct model *model = &world->model;

        assert_int_equal(mu_agent_queue_freeze(world->core.queue, items), 0);
        for (size_t i = 0; i < items->count; i++) {
                struct model_item *item =
                        model_find(model, items->items[i].kind, items->items[i].key);

                assert_non_null(item);
                assert_body(world, &items->items[i], item);
                item->frozen = true;
                item->under_way = true;
        }
        if (below(world, 3) == 0) {
                world->done[5]++;
                return;
        }
        for (size_t i = 0; i < items->count; i++) {
                verdicts[i] = MU_AGENT_KEEP;
                if (below(world, 100) < good)
                        verdicts[i] = MU_AGENT_DELIVERED;
                else if (below(world, 4) == 0)
                        verdicts[i] = MU_AGENT_ASIDE;
        }
        assert_int_equal(mu_agent_queue_settle(world->core.queue, items, verdicts, whys, 1), 0);
        for (size_t i = 0; i < items->count; i++) {
                struct model_item *item =
                        model_find(model, items->items[i].kind, items->items[i].key);
                size_t place = (size_t)(item - model->items);

                item->under_way = false;
                if (verdicts[i] == MU_AGENT_KEEP)
                        continue;
                if (verdicts[i] == MU_AGENT_DELIVERED)
                        note_delivered(model, place);
                else if (model->aside < MU_AGENT_ASIDE_MAX)
                        model->aside++;
                model_remove(model, place);
                world->done[6]++;
        }
}

static void step_send(struct world *world)
{
        enum mu_agent_item_kind kind =
                below(world, 3) == 0 ? MU_AGENT_ITEM_RESULT : MU_AGENT_ITEM_HEARTBEAT;
        size_t count = below(world, 8) == 0 ? 500 : below(world, 12) + 1;
        size_t bytes = below(world, 4) == 0 ? below(world, 2000) : BODY_BYTES_MAX;
        struct mu_agent_items items;
        size_t want = 0;
        size_t want_bytes = 0;

        if (kind == MU_AGENT_ITEM_HEARTBEAT && below(world, 3) == 0) {
                assert_int_equal(mu_agent_queue_newest(world->core.queue, &items), 0);
                assert_int_equal(items.count,
                                 model_count(&world->model, MU_AGENT_ITEM_HEARTBEAT) > 0 ? 1 : 0);
                for (size_t i = world->model.count; items.count > 0 && i-- > 0;)
                        if (world->model.items[i].kind == kind) {
                                assert_int_equal(items.items[0].key, world->model.items[i].key);
                                break;
                        }
        } else {
                assert_int_equal(mu_agent_queue_peek(world->core.queue, kind, count, bytes, &items),
                                 0);
                for (size_t i = 0; i < world->model.count && want < count; i++) {
                        const struct model_item *item = &world->model.items[i];

                        if (item->kind != kind)
                                continue;
                        want_bytes += item->bytes;
                        if (want > 0 && want_bytes > bytes)
                                break;
                        assert_true(want < items.count);
                        assert_int_equal(items.items[want++].key, item->key);
                }
                assert_int_equal(items.count, want);
        }
        send(world, &items, (unsigned)below(world, 101));
        mu_agent_items_done(&items);
}

static void step_expire(struct world *world)
{
        struct model *model = &world->model;
        bool synced = world->core.clock.synced;
        int64_t now_us = synced ? mu_agent_clock_sync_now_us(&world->core.clock) : -1;
        uint32_t want = 0;
        uint32_t have = 0;

        for (size_t i = model->count; i-- > 0;) {
                struct model_item *item = &model->items[i];

                if (item->kind != MU_AGENT_ITEM_RESULT)
                        continue;
                if (synced && item->ours && item->known_us < 0)
                        item->known_us = now_us - (mono_us(world) - item->mono_us);
                if (synced && !item->ours && (item->known_us < 0 || item->known_us > now_us))
                        item->known_us = now_us;
                if (item->ours ? mono_us(world) - item->mono_us >= DAY_US
                               : synced && now_us - item->known_us >= DAY_US) {
                        model_remove(model, i);
                        want++;
                }
        }
        assert_int_equal(mu_agent_queue_expire(world->core.queue, &have), 0);
        assert_int_equal(have, want);
        world->done[7] += want;
}

static void step_time(struct world *world)
{
        switch (below(world, 6)) {
        case 0:
                fake_set_realtime_us(world->fake, (int64_t)below(world, 4000000000) * MU_US_PER_S);
                break;
        case 1:
                mu_agent_clock_sync_reply(&world->core.clock, 1.8e9 + (double)below(world, 500000),
                                          world->fake->monotonic_ns, world->fake->monotonic_ns);
                break;
        default:
                fake_advance_ms(world->fake, (int64_t)below(world, 3 * 3600 * 1000));
        }
}

static void step_restart(struct world *world)
{
        fake_core_close(&world->core);
        if (below(world, 2) == 0) {
                (void)snprintf(world->boot_id, sizeof(world->boot_id), "boot-%d", ++world->boots);
                world->fake->monotonic_ns = below(world, 100) * (uint64_t)MU_NS_PER_S;
        }
        open_core(world);
        for (size_t i = 0; i < world->model.count; i++) {
                world->model.items[i].ours = false;
                world->model.items[i].under_way = false;
        }
        world->done[8]++;
}

/* By turns: all is well; the appliance is away; and commands by the hundred are answered. */
static void step(struct world *world, int i)
{
        uint64_t which = below(world, 1000);

        world->mood = i / MOOD_STEPS % 3;
        if (world->mood > 0 && which >= 760 && which < 850)
                which -= world->mood == 1 ? 600 : 100;
        if (which < (world->mood == 2 ? 200 : 600))
                step_heartbeat(world);
        else if (which < 760)
                step_result(world);
        else if (which < 860)
                step_send(world);
        else if (which < 900)
                step_expire(world);
        else if (which < 985)
                step_time(world);
        else
                step_restart(world);
        assert_same_state(world);
        if (which % 10 == 0)
                assert_same_items(world);
}

static void test_model(void **state)
{
        unsigned all[16] = {0};

        (void)state;
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
                struct world *world = calloc(1, sizeof(*world));

                assert_non_null(world);
                world->body = malloc(BODY_BYTES_MAX + 1);
                assert_non_null(world->body);
                world->fake = fake_platform_create();
                world->bucket = 1800000000;
                mu_random_seed(&world->random, seed);
                (void)snprintf(world->boot_id, sizeof(world->boot_id), "boot-0");
                open_core(world);
                for (int i = 0; i < STEPS; i++)
                        step(world, i);
                assert_same_items(world);
                for (size_t i = 0; i < 16; i++)
                        all[i] += world->done[i];
                all[9] += world->model.pruned;
                assert_int_equal(fake_events(world->fake, "queue.prune") > 0,
                                 world->model.pruned > 0);
                fake_core_close(&world->core);
                fake_platform_destroy(world->fake);
                free(world->body);
                free(world);
        }
        /* Every kind of outcome was met, or the steps say nothing about it. */
        for (size_t i = 0; i <= 9; i++)
                if (all[i] == 0)
                        fail_msg("no step came to outcome %zu", i);
        print_message("outcomes:");
        for (size_t i = 0; i <= 9; i++)
                print_message(" %u", all[i]);
        print_message("\n");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_model),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
