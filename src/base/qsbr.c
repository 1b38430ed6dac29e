/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writer numbers its retirements: an object retired at epoch e waits until every online reader
 * has published an epoch of at least e, which it read from the writer after it let go of its
 * pointers. Offline readers publish 0.
 *
 * Going online races with the writer's look at "offline": the writer decides it with a
 * compare-exchange 0 -> 0 on the reader's word, the reader goes online with an exchange on the
 * same word. Whichever comes second sees the other: the writer an online reader, or the reader
 * everything that the writer had unlinked.
 */
#include "base/qsbr.h"

#include <errno.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/weaken.h"

#define OFFLINE UINT64_C(0)
#define FIRST_EPOCH UINT64_C(1)

struct mu_qsbr_reader {
        alignas(MU_CACHELINE_BYTES) _Atomic uint64_t epoch_seen;
        _Atomic uint32_t is_taken;
        struct mu_qsbr *qsbr;
};

struct retired {
        uint64_t epoch;
        void *object;
        void (*free_object)(void *object);
};

struct mu_qsbr {
        /* Read by all readers, written once per retirement. */
        alignas(MU_CACHELINE_BYTES) _Atomic uint64_t epoch;

        /* The writer's. Retired objects lie in epoch order from first on. */
        alignas(MU_CACHELINE_BYTES) struct retired *retired;
        size_t first;
        size_t count;
        size_t room;

        uint32_t readers_max;
        struct mu_qsbr_reader *readers;
};

int mu_qsbr_create(uint32_t readers_max, struct mu_qsbr **ret_qsbr)
{
        MU_ASSERT(ret_qsbr);
        if (readers_max < 1 || readers_max > MU_QSBR_READERS_MAX)
                return -EINVAL;

        struct mu_qsbr *qsbr = aligned_alloc(alignof(struct mu_qsbr), sizeof(*qsbr));
        struct mu_qsbr_reader *readers =
                aligned_alloc(alignof(struct mu_qsbr_reader), readers_max * sizeof(*readers));
        if (!qsbr || !readers) {
                free(qsbr);
                free(readers);
                return -ENOMEM;
        }
        *qsbr = (struct mu_qsbr){.readers_max = readers_max, .readers = readers};
        atomic_init(&qsbr->epoch, FIRST_EPOCH);
        for (uint32_t i = 0; i < readers_max; i++) {
                readers[i] = (struct mu_qsbr_reader){.qsbr = qsbr};
                atomic_init(&readers[i].epoch_seen, OFFLINE);
                atomic_init(&readers[i].is_taken, false);
        }
        *ret_qsbr = qsbr;
        return 0;
}

void mu_qsbr_destroy(struct mu_qsbr *qsbr)
{
        if (!qsbr)
                return;
        for (uint32_t i = 0; i < qsbr->readers_max; i++)
                MU_ASSERT(!atomic_load(&qsbr->readers[i].is_taken));
        MU_ASSERT(mu_qsbr_reclaim(qsbr) == 0);
        free(qsbr->retired);
        free(qsbr->readers);
        free(qsbr);
}

int mu_qsbr_reader_register(struct mu_qsbr *qsbr, struct mu_qsbr_reader **ret_reader)
{
        for (uint32_t i = 0; i < qsbr->readers_max; i++) {
                struct mu_qsbr_reader *reader = &qsbr->readers[i];
                uint32_t is_free = false;

                if (atomic_compare_exchange_strong(&reader->is_taken, &is_free, true)) {
                        mu_qsbr_online(reader);
                        *ret_reader = reader;
                        return 0;
                }
        }
        return -ENOSPC;
}

void mu_qsbr_reader_unregister(struct mu_qsbr_reader *reader)
{
        MU_ASSERT(atomic_load_explicit(&reader->is_taken, memory_order_relaxed));
        if (atomic_load_explicit(&reader->epoch_seen, memory_order_relaxed) != OFFLINE)
                mu_qsbr_offline(reader);
        atomic_store(&reader->is_taken, false);
}

void mu_qsbr_quiescent(struct mu_qsbr_reader *reader)
{
        MU_ASSERT(atomic_load_explicit(&reader->epoch_seen, memory_order_relaxed) != OFFLINE);

        /* Acquire: what was unlinked up to this epoch stays unseen by our next reads. */
        uint64_t epoch = atomic_load_explicit(&reader->qsbr->epoch, MU_ORDER(1, acquire));

        /* Release: our reads so far finish before the writer frees what they saw. */
        atomic_store_explicit(&reader->epoch_seen, epoch, MU_ORDER(2, release));
}

void mu_qsbr_offline(struct mu_qsbr_reader *reader)
{
        MU_ASSERT(atomic_load_explicit(&reader->epoch_seen, memory_order_relaxed) != OFFLINE);
        atomic_store_explicit(&reader->epoch_seen, OFFLINE, MU_ORDER(3, release));
}

void mu_qsbr_online(struct mu_qsbr_reader *reader)
{
        MU_ASSERT(atomic_load_explicit(&reader->epoch_seen, memory_order_relaxed) == OFFLINE);

        /* Acquire, as in quiescent; an older epoch than the newest only delays the writer. */
        uint64_t epoch = atomic_load_explicit(&reader->qsbr->epoch, MU_ORDER(8, acquire));

        (void)atomic_exchange_explicit(&reader->epoch_seen, epoch, MU_ORDER(4, acq_rel));
}

/* Room for one more behind the last; -ENOMEM leaves all as it was. */
static int make_room(struct mu_qsbr *qsbr)
{
        if (qsbr->first + qsbr->count < qsbr->room)
                return 0;
        if (qsbr->first > qsbr->room / 2) {
                for (size_t i = 0; i < qsbr->count; i++)
                        qsbr->retired[i] = qsbr->retired[qsbr->first + i];
                qsbr->first = 0;
                return 0;
        }
        size_t room = qsbr->room ? qsbr->room * 2 : 64;
        struct retired *retired = reallocarray(qsbr->retired, room, sizeof(*retired));

        if (!retired)
                return -ENOMEM;
        qsbr->retired = retired;
        qsbr->room = room;
        return 0;
}

int mu_qsbr_retire(struct mu_qsbr *qsbr, void *object, void (*free_object)(void *object))
{
        MU_ASSERT(object && free_object);

        int err = make_room(qsbr);
        if (err < 0)
                return err;

        uint64_t epoch = atomic_load_explicit(&qsbr->epoch, memory_order_relaxed) + 1;

        qsbr->retired[qsbr->first + qsbr->count] =
                (struct retired){.epoch = epoch, .object = object, .free_object = free_object};
        qsbr->count++;
        /* Release: a reader that sees this epoch also sees that the object is unlinked. */
        atomic_store_explicit(&qsbr->epoch, epoch, MU_ORDER(5, release));
        return 0;
}

/* What a reader has published; UINT64_MAX, which holds nothing back, when it is offline. */
static uint64_t epoch_published(_Atomic uint64_t *word)
{
        for (;;) {
                uint64_t epoch = atomic_load_explicit(word, MU_ORDER(6, acquire));

                if (epoch != OFFLINE)
                        return epoch;
                if (atomic_compare_exchange_strong_explicit(
                            word, &epoch, OFFLINE, MU_ORDER(7, acq_rel), memory_order_relaxed))
                        return UINT64_MAX;
                /* It came online between the two: look again. */
        }
}

size_t mu_qsbr_reclaim(struct mu_qsbr *qsbr)
{
        uint64_t least = UINT64_MAX;

        if (qsbr->count == 0)
                return 0;
        for (uint32_t i = 0; i < qsbr->readers_max; i++) {
                uint64_t epoch = epoch_published(&qsbr->readers[i].epoch_seen);

                least = epoch < least ? epoch : least;
        }
        while (qsbr->count > 0 && qsbr->retired[qsbr->first].epoch <= least) {
                struct retired retired = qsbr->retired[qsbr->first];

                qsbr->first++;
                qsbr->count--;
                retired.free_object(retired.object);
        }
        if (qsbr->count == 0)
                qsbr->first = 0;
        return qsbr->count;
}
