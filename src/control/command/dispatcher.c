/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dispatcher.c - the dispatcher's thread: what it does in a round, and when it may sleep.
 */
#include "control/command/dispatcher.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/thread.h"
#include "base/wait.h"
#include "control/command/dispatcher_private.h"
#include "identity/device_table.h"
#include "pg/database.h"
#include "pg/query.h"

enum {
        CONNECT_WAIT_MS = 2000,
        CONNECT_BASE_MS = 100,
        CONNECT_CAP_MS = 5000,
        SWEEP_MS = 500,
        SLEEP_MAX_MS = 60 * 1000,
        RESEND_MS = 30 * 1000,
        TODO_FIRST = 4096,
};

/* ---- the devices to look at ---- */

void mu_dispatcher_look(struct mu_dispatcher *dispatcher, int64_t device_id)
{
        if (dispatcher->todo_count == dispatcher->todo_room) {
                size_t room = dispatcher->todo_room ? dispatcher->todo_room * 2 : TODO_FIRST;
                int64_t *todo = room <= MU_DISPATCH_TODO_MAX
                                        ? reallocarray(dispatcher->todo, room, sizeof(*todo))
                                        : NULL;

                if (!todo) {
                        dispatcher->everything = true;
                        return;
                }
                dispatcher->todo = todo;
                dispatcher->todo_room = room;
        }
        dispatcher->todo[dispatcher->todo_count++] = device_id;
}

static int compare_ids(const void *a, const void *b)
{
        int64_t left = *(const int64_t *)a;
        int64_t right = *(const int64_t *)b;

        return left < right ? -1 : left > right;
}

/* The next chunk, each device once. */
static size_t take_chunk(struct mu_dispatcher *dispatcher, int64_t chunk[MU_DISPATCH_CHUNK])
{
        size_t left = dispatcher->todo_count - dispatcher->todo_at;
        size_t count = left < MU_DISPATCH_CHUNK ? left : MU_DISPATCH_CHUNK;
        size_t unique = 0;

        if (count == 0)
                return 0;
        memcpy(chunk, dispatcher->todo + dispatcher->todo_at, count * sizeof(*chunk));
        dispatcher->todo_at += count;
        if (dispatcher->todo_at == dispatcher->todo_count)
                dispatcher->todo_at = dispatcher->todo_count = 0;
        qsort(chunk, count, sizeof(*chunk), compare_ids);
        for (size_t i = 0; i < count; i++)
                if (unique == 0 || chunk[unique - 1] != chunk[i])
                        chunk[unique++] = chunk[i];
        return unique;
}

static int compare_pending(const void *a, const void *b)
{
        return compare_ids(&((const struct mu_ledger_pending *)a)->device_id,
                           &((const struct mu_ledger_pending *)b)->device_id);
}

/* Every device's count is set from the ledger, and those that have commands are to be looked at. */
static int look_at_everything(struct mu_dispatcher *dispatcher)
{
        struct mu_device_table *devices = dispatcher->config.devices;
        struct mu_ledger_pending *pending;
        size_t count;
        int error = mu_ledger_pending_all(dispatcher->pg, &pending, &count);

        if (error < 0)
                return error;
        mu_cell_add(&dispatcher->metrics.everything, 1);
        dispatcher->everything = false;
        dispatcher->todo_at = dispatcher->todo_count = 0;
        qsort(pending, count, sizeof(*pending), compare_pending);
        for (uint32_t i = 0, total = mu_device_table_count(devices); i < total; i++) {
                struct mu_device *device = mu_device_table_at(devices, i);
                const struct mu_ledger_pending wanted = {.device_id = device->id};
                const struct mu_ledger_pending *found =
                        count > 0
                                ? bsearch(&wanted, pending, count, sizeof(wanted), compare_pending)
                                : NULL;

                mu_dispatcher_count_pending(dispatcher, device, found ? found->count : 0);
                if (found && found->count > 0)
                        mu_dispatcher_look(dispatcher, device->id);
        }
        free(pending);
        return 0;
}

/* ---- what time brings ---- */

static void take_reminders(struct mu_dispatcher *dispatcher)
{
        struct mu_resend_entry entry;
        uint64_t now_ms = mu_dispatcher_now_ms(dispatcher);

        while (mu_resend_take(&dispatcher->resend, now_ms, &entry)) {
                struct mu_device *device =
                        mu_device_table_at(dispatcher->config.devices, entry.device_index);
                struct mu_delivery_slot *slot = mu_delivery_slot(dispatcher, device);

                if (slot && slot->timer_ms == entry.due_ms)
                        slot->timer_ms = 0;
                mu_dispatcher_look(dispatcher, device->id);
        }
}

static void sweep(struct mu_dispatcher *dispatcher)
{
        uint64_t now_ms = mu_dispatcher_now_ms(dispatcher);

        if (now_ms < dispatcher->sweep_ms)
                return;
        dispatcher->sweep_ms = now_ms + SWEEP_MS;
        if (mu_channels_count(dispatcher->channels) > 0)
                mu_channels_sweep(dispatcher->channels);
}

/* ---- the database ---- */

/* A prepared statement keeps the plan that it was given while the tables were nearly empty: reading
 * all of them, once a look. Planning each time costs less than one such look at a real fleet. */
static int tune(struct mu_dispatcher *dispatcher)
{
        uint64_t generation = mu_pg_generation(dispatcher->pg);

        if (dispatcher->tuned == generation)
                return 0;
        int error = mu_pg_script(dispatcher->pg, "dispatch_tune",
                                 "SET plan_cache_mode = force_custom_plan");

        /* The script may have had to connect again. */
        dispatcher->tuned = error == 0 ? mu_pg_generation(dispatcher->pg) : 0;
        return error;
}

/* The setting must not go back to the pool. */
static void let_go(struct mu_dispatcher *dispatcher)
{
        if (!dispatcher->pg)
                return;
        mu_pg_disconnect(dispatcher->pg);
        mu_database_release(dispatcher->config.database, dispatcher->pg);
        dispatcher->pg = NULL;
        dispatcher->tuned = 0;
}

static void tell_outage(struct mu_dispatcher *dispatcher, const char *detail)
{
        if (dispatcher->away)
                return;
        dispatcher->away = true;
        mu_cell_add(&dispatcher->metrics.outages, 1);
        if (dispatcher->config.on_trouble)
                dispatcher->config.on_trouble(dispatcher->config.ctx, detail);
}

/* A statement failed: what it left undone is found again by looking at everything. */
static void give_up_connection(struct mu_dispatcher *dispatcher, int error)
{
        const struct mu_pg_error *reason = mu_pg_last_error(dispatcher->pg);

        tell_outage(dispatcher, *reason->text ? reason->text : strerror(-error));
        let_go(dispatcher);
        dispatcher->everything = true;
        dispatcher->connect_ms = mu_dispatcher_now_ms(dispatcher) +
                                 mu_backoff_next_ms(&dispatcher->backoff, &dispatcher->random);
}

static bool connected(struct mu_dispatcher *dispatcher)
{
        struct mu_pg_error error;
        uint64_t now_ms = mu_dispatcher_now_ms(dispatcher);

        if (dispatcher->pg)
                return true;
        if (now_ms < dispatcher->connect_ms)
                return false;
        if (mu_database_acquire(dispatcher->config.database, CONNECT_WAIT_MS, &dispatcher->pg,
                                &error) == 0)
                return true;
        dispatcher->pg = NULL;
        tell_outage(dispatcher, error.text);
        dispatcher->everything = true;
        dispatcher->connect_ms = mu_dispatcher_now_ms(dispatcher) +
                                 mu_backoff_next_ms(&dispatcher->backoff, &dispatcher->random);
        return false;
}

/* ---- a round ---- */

static int work(struct mu_dispatcher *dispatcher)
{
        int64_t chunk[MU_DISPATCH_CHUNK];
        int error = tune(dispatcher);

        if (error == 0)
                error = mu_delivery_run_notes(dispatcher);
        if (error == 0)
                error = mu_dispatcher_run_inbound(dispatcher);
        if (error == 0 && dispatcher->everything)
                error = look_at_everything(dispatcher);
        if (error < 0)
                return error;
        take_reminders(dispatcher);
        size_t count = take_chunk(dispatcher, chunk);

        return count > 0 ? mu_delivery_look(dispatcher, chunk, count) : 0;
}

static uint64_t until(uint64_t due_ms, uint64_t now_ms)
{
        return due_ms > now_ms ? due_ms - now_ms : 0;
}

static uint64_t least(uint64_t a, uint64_t b)
{
        return a < b ? a : b;
}

static uint64_t may_sleep_ms(const struct mu_dispatcher *dispatcher)
{
        uint64_t now_ms = mu_dispatcher_now_ms(dispatcher);
        uint64_t wait_ms = SLEEP_MAX_MS;

        if (mu_channels_count(dispatcher->channels) > 0)
                wait_ms = least(wait_ms, until(dispatcher->sweep_ms, now_ms));
        if (!dispatcher->pg)
                return least(wait_ms, until(dispatcher->connect_ms, now_ms));
        if (dispatcher->todo_count > 0 || dispatcher->everything ||
            mu_dispatcher_has_inbound(dispatcher) || dispatcher->notes.head)
                return 0;
        return least(wait_ms, until(mu_resend_next_ms(&dispatcher->resend), now_ms));
}

uint64_t mu_dispatcher_step(struct mu_dispatcher *dispatcher)
{
        sweep(dispatcher);
        if (connected(dispatcher)) {
                int error = work(dispatcher);

                if (error < 0) {
                        give_up_connection(dispatcher, error);
                } else {
                        mu_backoff_reset(&dispatcher->backoff);
                        dispatcher->away = false;
                }
        }
        return may_sleep_ms(dispatcher);
}

/* Books what devices and FCM said last. What a database that is away does not hear now, devices say
 * again. */
static void finish(struct mu_dispatcher *dispatcher)
{
        int error = 0;

        while (error == 0 && dispatcher->pg &&
               (dispatcher->notes.head || mu_dispatcher_has_inbound(dispatcher))) {
                error = mu_delivery_run_notes(dispatcher);
                if (error == 0)
                        error = mu_dispatcher_run_inbound(dispatcher);
        }
}

static void run(void *context)
{
        struct mu_dispatcher *dispatcher = context;

        while (mu_dispatcher_take_intake(dispatcher)) {
                uint64_t wait_ms = mu_dispatcher_step(dispatcher);

                if (wait_ms > 0)
                        mu_dispatcher_sleep(dispatcher, wait_ms);
        }
        finish(dispatcher);
        let_go(dispatcher);
}

/* ---- lifecycle ---- */

static int create_channels(struct mu_dispatcher *dispatcher)
{
        const struct mu_channels_config config = {
                .devices = dispatcher->config.devices,
                .auth_failures = dispatcher->config.auth_failures,
                .metrics = dispatcher->config.metrics,
                .clock = dispatcher->config.clock,
                .on_change = mu_dispatcher_take_device,
                .on_message = mu_dispatcher_take_message,
                .ctx = dispatcher,
        };

        return mu_channels_create(&config, &dispatcher->channels);
}

int mu_dispatcher_create(const struct mu_dispatcher_config *config,
                         struct mu_dispatcher **ret_dispatcher)
{
        struct mu_dispatcher *dispatcher = calloc(1, sizeof(*dispatcher));

        if (!dispatcher)
                return -ENOMEM;
        dispatcher->config = *config;
        if (dispatcher->config.resend_ms == 0)
                dispatcher->config.resend_ms = RESEND_MS;
        dispatcher->everything = true;
        pthread_mutex_init(&dispatcher->lock, NULL);
        mu_wait_init(&dispatcher->wake);
        mu_resend_init(&dispatcher->resend);
        mu_backoff_init(&dispatcher->backoff, CONNECT_BASE_MS, CONNECT_CAP_MS);
        dispatcher->changed = calloc(MU_DISPATCH_CHANGED_MAX, sizeof(*dispatcher->changed));
        int error = mu_dispatcher_metrics_create(dispatcher);

        if (error == 0)
                error = mu_random_seed_from_system(&dispatcher->random);
        if (error == 0)
                error = create_channels(dispatcher);
        if (error == 0 && !dispatcher->changed)
                error = -ENOMEM;
        if (error < 0) {
                mu_dispatcher_destroy(dispatcher);
                return error;
        }
        *ret_dispatcher = dispatcher;
        return 0;
}

int mu_dispatcher_start(struct mu_dispatcher *dispatcher)
{
        MU_ASSERT(!dispatcher->started);
        int error = mu_thread_start("dispatch", run, dispatcher, &dispatcher->thread);

        dispatcher->started = error == 0;
        return error;
}

void mu_dispatcher_stop(struct mu_dispatcher *dispatcher)
{
        if (!dispatcher || !dispatcher->started)
                return;
        pthread_mutex_lock(&dispatcher->lock);
        dispatcher->stopping = true;
        pthread_cond_signal(&dispatcher->wake);
        pthread_mutex_unlock(&dispatcher->lock);
        mu_thread_join(dispatcher->thread);
        dispatcher->started = false;
}

void mu_dispatcher_destroy(struct mu_dispatcher *dispatcher)
{
        if (!dispatcher)
                return;
        MU_ASSERT(!dispatcher->started);
        mu_dispatcher_free_intake(dispatcher);
        mu_channels_destroy(dispatcher->channels);
        mu_dispatcher_metrics_destroy(dispatcher);
        mu_resend_done(&dispatcher->resend);
        free(dispatcher->slots);
        free(dispatcher->todo);
        pthread_cond_destroy(&dispatcher->wake);
        pthread_mutex_destroy(&dispatcher->lock);
        free(dispatcher);
}

int mu_dispatcher_add_routes(struct mu_dispatcher *dispatcher, struct mu_router *router)
{
        /* NULL: only to list them. */
        return mu_channels_add_routes(dispatcher ? dispatcher->channels : NULL, router);
}
