/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One small race per memory order of the device table.
 *
 * The steps are put in order by relaxed flags, which order no memory (as in base's qsbr_order.c):
 * the only edge between the two threads' plain accesses is the one under test, and without it TSan
 * reports. The side that makes runs whole before the side that looks.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/qsbr.h"
#include "base/thread.h"
#include "identity/device_table.h"

struct race {
        struct mu_qsbr *qsbr;
        struct mu_device_table *table;
        struct mu_device *device;
        struct mu_device *other;
        void (*first)(struct race *race);
        void (*second)(struct race *race);
        _Atomic int step;
        int plain;
};

static void wait_for(struct race *race, int step)
{
        while (atomic_load_explicit(&race->step, memory_order_relaxed) < step)
                sched_yield();
}

static void reach(struct race *race, int step)
{
        atomic_store_explicit(&race->step, step, memory_order_relaxed);
}

static struct mu_digest digest_of(uint64_t number)
{
        struct mu_digest digest;

        mu_token_digest((const char *)&number, sizeof(number), &digest);
        return digest;
}

static void give_token(struct race *race, uint64_t number)
{
        struct mu_digest digest = digest_of(number);

        mu_device_table_lock(race->table);
        MU_ASSERT(mu_device_table_add_token(race->table, race->device, &digest, 1, true) == 0);
        mu_device_table_unlock(race->table);
}

static void add_device(struct race *race, int64_t id)
{
        struct mu_device *device;

        mu_device_table_lock(race->table);
        MU_ASSERT(mu_device_table_add(race->table, id, &device) == 0);
        mu_device_table_unlock(race->table);
}

/* A new table of slots is whole when it is seen (1 and 2): its mask is plain. */
static void rebuild(struct race *race)
{
        for (uint64_t number = 1; number <= 2049; number++)
                give_token(race, number);
        reach(race, 1);
}

static void look_in_rebuilt(struct race *race)
{
        struct mu_digest digest = digest_of(UINT64_MAX);

        wait_for(race, 1);
        MU_ASSERT(!mu_device_table_resolve(race->table, &digest, 1));
}

/* A token is whole when its slot shows it (3 and 4). */
static void show_token(struct race *race)
{
        give_token(race, 1);
        reach(race, 1);
}

static void look_at_token(struct race *race)
{
        struct mu_digest digest = digest_of(1);

        wait_for(race, 1);
        MU_ASSERT(mu_device_table_resolve(race->table, &digest, 1) == race->device);
}

/* A device is whole when the directory shows it (5 and 6), and when the count does (7 and 8). */
static void show_device(struct race *race)
{
        add_device(race, 2);
        reach(race, 1);
}

static void look_by_id(struct race *race)
{
        wait_for(race, 1);
        MU_ASSERT(mu_device_table_by_id(race->table, 2)->id == 2);
}

static void look_by_index(struct race *race)
{
        wait_for(race, 1);
        MU_ASSERT(mu_device_table_at(race->table, 2)->id == 2);
}

/* A place on the stack is whole when it is taken (9 and 10): its next is plain. On a stack that
 * is not empty, so that the eventfd, which orders too, stays out of it. */
static void note_once(struct race *race)
{
        mu_device_table_note(race->table, race->other, MU_EVENT_CHANGED);
        reach(race, 1);
}

static void take_once(struct race *race)
{
        struct mu_device *next;

        wait_for(race, 1);
        struct mu_device *device = mu_device_table_take(race->table);

        MU_ASSERT(device == race->other);
        MU_ASSERT(mu_device_take_events(device, &next) == MU_EVENT_CHANGED);
        MU_ASSERT(next == race->device);
}

/* Who takes the events reads its next before somebody notes again and writes it (11 and 12). */
static void take_before(struct race *race)
{
        struct mu_device *next;

        MU_ASSERT(mu_device_table_take(race->table) == race->device);
        MU_ASSERT(mu_device_take_events(race->device, &next) == MU_EVENT_CHANGED && !next);
        reach(race, 1);
}

static void note_again(struct race *race)
{
        wait_for(race, 1);
        mu_device_table_note(race->table, race->device, MU_EVENT_CHANGED);
}

/* What was done before a note is seen by who takes the event (11 and 12). */
static void do_and_note(struct race *race)
{
        race->plain = 1;
        mu_device_table_note(race->table, race->device, MU_EVENT_CLOCK_OFFSET);
        reach(race, 1);
}

static void take_and_see(struct race *race)
{
        struct mu_device *next;

        wait_for(race, 1);
        MU_ASSERT(mu_device_take_events(race->device, &next) ==
                  (MU_EVENT_CHANGED | MU_EVENT_CLOCK_OFFSET));
        MU_ASSERT(race->plain == 1);
}

static void run_first(void *context)
{
        struct race *race = context;

        race->first(race);
}

static void run_second(void *context)
{
        struct race *race = context;

        race->second(race);
}

/* noted: the device has an event already when the race begins. */
static void run_race(void (*first)(struct race *), void (*second)(struct race *), bool noted)
{
        struct race race = {.first = first, .second = second};
        pthread_t threads[2];

        MU_ASSERT(mu_qsbr_create(1, &race.qsbr) == 0);
        MU_ASSERT(mu_device_table_create(race.qsbr, &race.table) == 0);
        add_device(&race, 1);
        add_device(&race, 3);
        race.device = mu_device_table_by_id(race.table, 1);
        race.other = mu_device_table_by_id(race.table, 3);
        if (noted)
                mu_device_table_note(race.table, race.device, MU_EVENT_CHANGED);
        MU_ASSERT(mu_thread_start("first", run_first, &race, &threads[0]) == 0);
        MU_ASSERT(mu_thread_start("second", run_second, &race, &threads[1]) == 0);
        mu_thread_join(threads[0]);
        mu_thread_join(threads[1]);
        mu_device_table_destroy(race.table);
        mu_qsbr_destroy(race.qsbr);
}

int main(void)
{
        run_race(rebuild, look_in_rebuilt, false);
        run_race(show_token, look_at_token, false);
        run_race(show_device, look_by_id, false);
        run_race(show_device, look_by_index, false);
        run_race(note_once, take_once, true);
        run_race(take_before, note_again, true);
        run_race(do_and_note, take_and_see, true);
        (void)puts("every promise held");
        return 0;
}
