/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One small race per promise of qsbr.h, then readers and a writer at full speed.
 *
 * The steps of a race are put in order by relaxed flags, which order no memory: so the only edge
 * between the two threads' plain accesses is the one under test, and without it TSan reports.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/qsbr.h"
#include "base/thread.h"

struct race {
        struct mu_qsbr *qsbr;
        struct mu_qsbr_reader *reader;
        void (*read_side)(struct race *race);
        void (*write_side)(struct race *race);
        _Atomic int step;
        uint64_t plain; /* what both threads touch */
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

static void overwrite(void *object)
{
        *(uint64_t *)object = 2;
}

static void ignore(void *object)
{
        (void)object;
}

/* Reads before quiescent come before the free (operations 2 and 6). */
static void quiescent_read(struct race *race)
{
        wait_for(race, 1);
        MU_ASSERT(race->plain == 0);
        mu_qsbr_quiescent(race->reader);
        reach(race, 2);
        wait_for(race, 3);
}

static void quiescent_write(struct race *race)
{
        MU_ASSERT(mu_qsbr_retire(race->qsbr, &race->plain, overwrite) == 0);
        MU_ASSERT(mu_qsbr_reclaim(race->qsbr) == 1);
        reach(race, 1);
        wait_for(race, 2);
        MU_ASSERT(mu_qsbr_reclaim(race->qsbr) == 0);
        reach(race, 3);
}

/* Reads before offline come before the free (3). */
static void offline_read(struct race *race)
{
        MU_ASSERT(race->plain == 0);
        mu_qsbr_offline(race->reader);
        reach(race, 1);
        wait_for(race, 2);
}

static void offline_write(struct race *race)
{
        wait_for(race, 1);
        MU_ASSERT(mu_qsbr_retire(race->qsbr, &race->plain, overwrite) == 0);
        MU_ASSERT(mu_qsbr_reclaim(race->qsbr) == 0);
        reach(race, 2);
}

/* Who publishes an epoch has seen what was unlinked before it (1 and 5). */
static void epoch_read(struct race *race)
{
        wait_for(race, 1);
        mu_qsbr_quiescent(race->reader);
        MU_ASSERT(race->plain == 1);
}

static void epoch_write(struct race *race)
{
        race->plain = 1;
        MU_ASSERT(mu_qsbr_retire(race->qsbr, race, ignore) == 0);
        reach(race, 1);
}

/* The same on the way online (8). */
static void online_epoch_read(struct race *race)
{
        mu_qsbr_offline(race->reader);
        wait_for(race, 1);
        mu_qsbr_online(race->reader);
        MU_ASSERT(race->plain == 1);
}

/* The writer saw the reader offline: the reader, online again, sees all that the writer had done
 * by then, even what came after the last epoch (4 and 7). */
static void online_late_read(struct race *race)
{
        mu_qsbr_offline(race->reader);
        reach(race, 1);
        wait_for(race, 2);
        mu_qsbr_online(race->reader);
        MU_ASSERT(race->plain == 1);
}

static void online_late_write(struct race *race)
{
        wait_for(race, 1);
        MU_ASSERT(mu_qsbr_retire(race->qsbr, race, ignore) == 0);
        race->plain = 1;
        MU_ASSERT(mu_qsbr_reclaim(race->qsbr) == 0);
        reach(race, 2);
}

static void read_thread(void *context)
{
        struct race *race = context;

        race->read_side(race);
}

static void write_thread(void *context)
{
        struct race *race = context;

        race->write_side(race);
}

static void run_race(void (*read_side)(struct race *), void (*write_side)(struct race *))
{
        struct race race = {.read_side = read_side, .write_side = write_side};
        pthread_t reader;
        pthread_t writer;

        MU_ASSERT(mu_qsbr_create(1, &race.qsbr) == 0);
        MU_ASSERT(mu_qsbr_reader_register(race.qsbr, &race.reader) == 0);
        MU_ASSERT(mu_thread_start("reader", read_thread, &race, &reader) == 0);
        MU_ASSERT(mu_thread_start("writer", write_thread, &race, &writer) == 0);
        mu_thread_join(reader);
        mu_thread_join(writer);
        mu_qsbr_reader_unregister(race.reader);
        mu_qsbr_destroy(race.qsbr);
}

#define READERS 3u
#define REPLACEMENTS 20000u
#define ROUNDS 20000u /* of all readers together, at the least */

struct object {
        uint64_t number;
        uint64_t complement;
};

struct traffic {
        struct mu_qsbr *qsbr;
        struct object *_Atomic root;
        _Atomic int stop;
        _Atomic uint64_t rounds;
};

static struct object *new_object(uint64_t number)
{
        struct object *object = malloc(sizeof(*object));

        MU_ASSERT(object);
        *object = (struct object){.number = number, .complement = ~number};
        return object;
}

static void spoil_and_free(void *pointer)
{
        struct object *object = pointer;

        object->number = object->complement;
        free(object);
}

static void follow(void *context)
{
        struct traffic *traffic = context;
        struct mu_qsbr_reader *reader;
        uint64_t last = 0;

        MU_ASSERT(mu_qsbr_reader_register(traffic->qsbr, &reader) == 0);
        for (unsigned i = 0; !atomic_load_explicit(&traffic->stop, memory_order_relaxed); i++) {
                const struct object *object =
                        atomic_load_explicit(&traffic->root, memory_order_acquire);

                MU_ASSERT(object->number == ~object->complement);
                MU_ASSERT(object->number >= last);
                last = object->number;
                mu_qsbr_quiescent(reader);
                (void)atomic_fetch_add_explicit(&traffic->rounds, 1, memory_order_relaxed);
                if (i % 13 == 0) {
                        mu_qsbr_offline(reader);
                        sched_yield();
                        mu_qsbr_online(reader);
                }
                if (i % 1009 == 0) {
                        mu_qsbr_reader_unregister(reader);
                        MU_ASSERT(mu_qsbr_reader_register(traffic->qsbr, &reader) == 0);
                }
        }
        mu_qsbr_reader_unregister(reader);
}

static void run_traffic(void)
{
        struct traffic traffic = {.stop = 0};
        pthread_t readers[READERS];

        MU_ASSERT(mu_qsbr_create(READERS, &traffic.qsbr) == 0);
        atomic_init(&traffic.root, new_object(0));
        for (unsigned i = 0; i < READERS; i++)
                MU_ASSERT(mu_thread_start("reader", follow, &traffic, &readers[i]) == 0);
        for (uint64_t number = 1;
             number <= REPLACEMENTS ||
             atomic_load_explicit(&traffic.rounds, memory_order_relaxed) < ROUNDS;
             number++) {
                struct object *old = atomic_load_explicit(&traffic.root, memory_order_relaxed);

                atomic_store_explicit(&traffic.root, new_object(number), memory_order_release);
                MU_ASSERT(mu_qsbr_retire(traffic.qsbr, old, spoil_and_free) == 0);
                if (number % 8 == 0)
                        (void)mu_qsbr_reclaim(traffic.qsbr);
                if (number % 1024 == 0)
                        sched_yield();
        }
        atomic_store_explicit(&traffic.stop, 1, memory_order_relaxed);
        for (unsigned i = 0; i < READERS; i++)
                mu_thread_join(readers[i]);
        mu_qsbr_destroy(traffic.qsbr);
        free(atomic_load_explicit(&traffic.root, memory_order_relaxed));
}

int main(void)
{
        run_race(quiescent_read, quiescent_write);
        run_race(offline_read, offline_write);
        run_race(epoch_read, epoch_write);
        run_race(online_epoch_read, epoch_write);
        run_race(online_late_read, online_late_write);
        run_traffic();
        (void)puts("every promise held");
        return 0;
}
