/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ring.c - a 192-byte record from one thread to another: our byte ring (reserve in place) against
 * Concurrency Kit's ck_ring, which passes pointers to slots that both sides own in turn.
 */
#ifdef MUSTER_BENCH_CK
#include <ck_ring.h>
#endif
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "muster/ring.h"

enum {
        RECORD_BYTES = 192,
        SLOTS = 8192,
};

struct state {
        struct mu_ring *ring;
#ifdef MUSTER_BENCH_CK
        struct ck_ring ck;
        struct ck_ring_buffer *ck_buffer;
        unsigned char (*slots)[RECORD_BYTES];
#endif
        uint64_t count;
};

static unsigned char record[RECORD_BYTES];

static void *prepare(void)
{
        struct state *state = calloc(1, sizeof(*state));
        int error = state ? mu_ring_create(2u << 20, &state->ring) : -1;

        if (error < 0)
                mu_bench_fail("ring", error);
#ifdef MUSTER_BENCH_CK
        ck_ring_init(&state->ck, SLOTS);
        state->ck_buffer = calloc(SLOTS, sizeof(struct ck_ring_buffer));
        state->slots = calloc(SLOTS, RECORD_BYTES);
        if (!state->ck_buffer || !state->slots)
                mu_bench_fail("ring", 12);
#endif
        return state;
}

static void finish(void *argument)
{
        struct state *state = argument;

        mu_ring_destroy(state->ring);
#ifdef MUSTER_BENCH_CK
        free(state->ck_buffer);
        free(state->slots);
#endif
        free(state);
}

static void *consume_ours(void *argument)
{
        struct state *state = argument;
        uint64_t sum = 0;

        for (uint64_t i = 0; i < state->count;) {
                size_t bytes;
                const unsigned char *item = mu_ring_peek(state->ring, &bytes);

                if (!item) {
                        mu_ring_release(state->ring);
                        (void)sched_yield();
                        continue;
                }
                sum += item[0] + bytes;
                if (++i % 64 == 0)
                        mu_ring_release(state->ring);
        }
        mu_bench_use(sum);
        return NULL;
}

static void run_ours(void *argument, uint64_t count)
{
        struct state *state = argument;
        pthread_t consumer;

        state->count = count;
        if (pthread_create(&consumer, NULL, consume_ours, state) != 0)
                mu_bench_fail("thread", 11);
        for (uint64_t i = 0; i < count; i++) {
                void *item;

                while (!(item = mu_ring_reserve(state->ring, RECORD_BYTES)))
                        (void)sched_yield();
                memcpy(item, record, RECORD_BYTES);
                mu_ring_commit(state->ring, RECORD_BYTES);
        }
        (void)pthread_join(consumer, NULL);
}

#ifdef MUSTER_BENCH_CK
static void *consume_ck(void *argument)
{
        struct state *state = argument;
        uint64_t sum = 0;

        for (uint64_t i = 0; i < state->count;) {
                void *item;

                if (!ck_ring_dequeue_spsc(&state->ck, state->ck_buffer, &item)) {
                        (void)sched_yield();
                        continue;
                }
                sum += *(unsigned char *)item;
                i++;
        }
        mu_bench_use(sum);
        return NULL;
}

static void run_ck(void *argument, uint64_t count)
{
        struct state *state = argument;
        pthread_t consumer;

        state->count = count;
        if (pthread_create(&consumer, NULL, consume_ck, state) != 0)
                mu_bench_fail("thread", 11);
        for (uint64_t i = 0; i < count; i++) {
                /* The ring holds SLOTS - 1, so the slot that is written is not being read. */
                void *slot = state->slots[i % SLOTS];

                while (ck_ring_size(&state->ck) >= SLOTS - 1)
                        (void)sched_yield();
                memcpy(slot, record, RECORD_BYTES);
                while (!ck_ring_enqueue_spsc(&state->ck, state->ck_buffer, slot))
                        (void)sched_yield();
        }
        (void)pthread_join(consumer, NULL);
}

#endif

const struct mu_bench mu_bench_ring = {
        .stage = "ring",
        .operation = "one record of 192 bytes, producer and consumer together",
        .count = 2000000,
        .cases = {{"ours: byte ring", run_ours, prepare, finish},
#ifdef MUSTER_BENCH_CK
                  {"ck_ring, slots of our own", run_ck, prepare, finish},
#endif
                  {.name = NULL}},
};
