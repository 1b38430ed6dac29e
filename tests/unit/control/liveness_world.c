/* SPDX-License-Identifier: Apache-2.0 */
#include "liveness_world.h"

#include <stdlib.h>

#include "base/qsbr.h"
#include "unit.h"

#define START_MS UINT64_C(7654321)
#define START_US INT64_C(1700000000000000)

struct mu_device *world_device(const struct world *world, uint32_t index)
{
        return mu_device_table_at(world->table, index);
}

uint32_t world_enrol(struct world *world, bool seen)
{
        uint32_t index = mu_device_table_count(world->table);
        struct mu_device *device;

        mu_device_table_lock(world->table);
        assert_int_equal(mu_device_table_add(world->table, 1000 + index, &device), 0);
        mu_device_table_unlock(world->table);
        assert_int_equal(device->index, index);
        atomic_store(&device->seen, seen);
        return index;
}

/* As liveness does in its next tick. */
static void take_up(struct world *world)
{
        uint32_t count = mu_device_table_count(world->table);

        world->models = realloc(world->models, (count + 1) * sizeof(world->models[0]));
        assert_non_null(world->models);
        uint64_t alive_ms = world_alive_ms(world, world->now.monotonic_ms);

        for (; world->count < count; world->count++)
                world->models[world->count] = (struct model){.since_ms = (int64_t)alive_ms,
                                                             .threshold_s = WORLD_THRESHOLD_S};
}

void world_init(struct world *world, uint64_t seed, uint32_t devices, uint32_t looks_max)
{
        *world = (struct world){
                .now = {.monotonic_ms = START_MS, .real_us = START_US, .listening = true},
                .was_listening = true,
                .looks_max = looks_max,
        };
        mu_random_seed(&world->random, seed);
        assert_int_equal(mu_qsbr_create(2, &world->qsbr), 0);
        assert_int_equal(mu_device_table_create(world->qsbr, &world->table), 0);
        for (uint32_t i = 0; i < devices; i++)
                (void)world_enrol(world, true);
        take_up(world);
        const struct mu_liveness_config config = {
                .devices = world->table,
                .heartbeat_interval_s = WORLD_INTERVAL_S,
                .threshold_s = WORLD_THRESHOLD_S,
                .looks_max = looks_max,
        };

        assert_int_equal(mu_liveness_create(&config, &world->now, &world->liveness), 0);
}

void world_done(struct world *world)
{
        mu_liveness_destroy(world->liveness);
        mu_device_table_destroy(world->table);
        mu_qsbr_destroy(world->qsbr);
        free(world->models);
}

uint64_t world_alive_ms(const struct world *world, uint64_t ms)
{
        uint64_t alive_ms = ms;

        for (size_t i = 0; i < world->pause_count; i++) {
                const struct pause *pause = &world->pauses[i];
                uint64_t end_ms = pause->end_ms < ms ? pause->end_ms : ms;

                if (pause->start_ms < end_ms)
                        alive_ms -= end_ms - pause->start_ms;
        }
        return alive_ms;
}

static int64_t real_us(const struct world *world, uint64_t ms)
{
        return world->now.real_us + ((int64_t)ms - (int64_t)world->now.monotonic_ms) * 1000;
}

static int64_t last_ms(const struct world *world, uint32_t index, uint64_t stamp_ms)
{
        int64_t since_ms = world->models[index].since_ms;
        int64_t alive_ms = (int64_t)world_alive_ms(world, stamp_ms);

        return stamp_ms > 0 && alive_ms > since_ms ? alive_ms : since_ms;
}

int64_t world_deadline_ms(const struct world *world, uint32_t index)
{
        const struct mu_device *device = world_device(world, index);
        int64_t announced_s = atomic_load(&device->announced_s);

        if (announced_s == 0)
                announced_s = atomic_load(&device->interval_s);
        if (announced_s == 0)
                announced_s = WORLD_INTERVAL_S;
        int64_t allowed_s = 2 * announced_s + 120;

        if (world->models[index].threshold_s > allowed_s)
                allowed_s = world->models[index].threshold_s;
        return last_ms(world, index, atomic_load(&device->stamp_ms)) + allowed_s * 1000;
}

void world_speak(struct world *world, uint32_t index, uint64_t at_ms, uint32_t announced_s)
{
        struct mu_device *device = world_device(world, index);

        atomic_store(&device->seen, true);
        atomic_store(&device->stamp_ms, at_ms);
        if (announced_s > 0)
                atomic_store(&device->announced_s, announced_s);
}

void world_set_threshold(struct world *world, uint32_t index, uint32_t threshold_s)
{
        if (index >= world->count)
                take_up(world);
        struct model *model = &world->models[index];

        assert_int_equal(mu_liveness_set_threshold(world->liveness, index, threshold_s), 0);
        model->threshold_s = threshold_s;
        model->changed_ms = world_alive_ms(world, world->now.monotonic_ms);
        if (threshold_s == 0)
                model->silent = false;
}

static void check_edge(struct world *world, const struct mu_liveness_edge *edge)
{
        struct model *model = &world->models[edge->device];
        const struct mu_device *device = world_device(world, edge->device);
        uint64_t stamp_ms = atomic_load(&device->stamp_ms);
        int64_t alive_ms = (int64_t)world_alive_ms(world, world->now.monotonic_ms);
        int64_t deadline_ms = world_deadline_ms(world, edge->device);
        bool deleted = mu_device_state(device) == MU_DEVICE_DELETED;

        world->edges[edge->kind]++;
        assert_int_equal(model->silent, edge->kind != MU_LIVENESS_SILENT);
        assert_true(model->threshold_s > 0);
        assert_int_equal(edge->heard_us, stamp_ms > 0 ? real_us(world, stamp_ms) : 0);
        switch (edge->kind) {
        case MU_LIVENESS_SILENT: {
                assert_true(deadline_ms <= alive_ms); /* not early */
                int64_t from_ms = deadline_ms > (int64_t)model->changed_ms
                                          ? deadline_ms
                                          : (int64_t)model->changed_ms;
                int64_t late_ms = alive_ms - from_ms;

                world->late_max_ms = late_ms > world->late_max_ms ? late_ms : world->late_max_ms;
                assert_true(late_ms <= 5000);
                assert_false(deleted);
                assert_true(atomic_load(&device->seen));
                model->mark_ms = stamp_ms;
                /* The moment told has the deadline's alive time. */
                uint64_t at_ms = world->now.monotonic_ms -
                                 (uint64_t)((world->now.real_us - edge->at_us) / 1000);

                if (deadline_ms > 0)
                        assert_int_equal(world_alive_ms(world, at_ms), deadline_ms);
                assert_int_equal(edge->silent_ms,
                                 alive_ms - last_ms(world, edge->device, stamp_ms));
                break;
        }
        case MU_LIVENESS_BACK:
                assert_true(stamp_ms != model->mark_ms && !deleted);
                assert_int_equal(edge->at_us, edge->heard_us);
                break;
        case MU_LIVENESS_EXCUSED:
                assert_true(stamp_ms == model->mark_ms && !deleted);
                assert_true(deadline_ms > alive_ms);
                break;
        case MU_LIVENESS_GONE:
                assert_true(deleted);
        }
        model->silent = !model->silent;
        assert_int_equal(mu_liveness_is_silent(world->liveness, edge->device), model->silent);
}

void world_tick(struct world *world, uint64_t after_ms)
{
        uint64_t before_ms = world->now.monotonic_ms;
        struct mu_liveness_edge edges[WORLD_EDGES_MAX];
        uint32_t count;

        world->now.monotonic_ms += after_ms;
        world->now.real_us += (int64_t)after_ms * 1000;
        if (after_ms > 5000 || !world->now.listening || !world->was_listening) {
                struct pause *last = world->pauses + world->pause_count;

                if (world->pause_count > 0 && last[-1].end_ms == before_ms) {
                        last[-1].end_ms = world->now.monotonic_ms;
                } else {
                        assert_true(world->pause_count < WORLD_PAUSES_MAX);
                        *last = (struct pause){before_ms, world->now.monotonic_ms};
                        world->pause_count++;
                }
        }
        world->was_listening = world->now.listening;
        take_up(world);
        do {
                struct mu_liveness_stats before = mu_liveness_stats(world->liveness);

                count = mu_liveness_tick(world->liveness, &world->now, edges, WORLD_EDGES_MAX);
                struct mu_liveness_stats after = mu_liveness_stats(world->liveness);

                assert_true(count <= WORLD_EDGES_MAX);
                assert_true(after.looks - before.looks <= world->looks_max);
                assert_true(after.peeks - before.peeks <= before.silent_count);
                assert_int_equal(after.left_out_count, 0);
                for (uint32_t i = 0; i < count; i++)
                        check_edge(world, &edges[i]);
        } while (count == WORLD_EDGES_MAX);
}

void world_check(struct world *world)
{
        uint64_t now_ms = world->now.monotonic_ms;
        uint64_t alive_ms = world_alive_ms(world, now_ms);
        uint32_t silent = 0;

        for (uint32_t i = 0; i < world->count; i++) {
                const struct model *model = &world->models[i];
                const struct mu_device *device = world_device(world, i);
                bool deleted = mu_device_state(device) == MU_DEVICE_DELETED;

                silent += model->silent;
                assert_int_equal(mu_liveness_is_silent(world->liveness, i), model->silent);
                if (model->silent) {
                        uint64_t stamp_ms = atomic_load(&device->stamp_ms);

                        /* Alive time: a pause is nobody's delay. */
                        if (stamp_ms != model->mark_ms)
                                assert_true(alive_ms - world_alive_ms(world, stamp_ms) <=
                                            WORLD_BACK_MS);
                        if (deleted)
                                assert_true(alive_ms - model->changed_ms <= WORLD_BACK_MS);
                        continue;
                }
                if (deleted || model->threshold_s == 0 || !atomic_load(&device->seen))
                        continue;
                int64_t due_ms = world_deadline_ms(world, i);

                if (due_ms < (int64_t)model->changed_ms)
                        due_ms = (int64_t)model->changed_ms;
                assert_true((int64_t)alive_ms < due_ms + 5000); /* none is missing */
        }
        assert_int_equal(mu_liveness_stats(world->liveness).silent_count, silent);
}
