/* SPDX-License-Identifier: Apache-2.0 */
/* Two threads over one small ring, full most of the time: every byte is checked, and under TSan
 * every missing acquire or release is a data race. */
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/random.h"
#include "base/ring_private.h"
#include "base/thread.h"

#define ITEMS 200000u
#define GROUP_MAX 16u
#define START (UINT64_MAX - 7 - 1000 * 8) /* both indices pass 2^64 */
#define SEED 20261121u
#define ITEM_BYTES 3000u

static size_t item_bytes(struct mu_random *random)
{
        return 8 + mu_random_below(random, ITEM_BYTES - 8);
}

static void produce(void *context)
{
        struct mu_ring *ring = context;
        struct mu_random random;

        mu_random_seed(&random, SEED);
        for (uint64_t i = 0; i < ITEMS; i++) {
                size_t bytes = item_bytes(&random);
                unsigned char *item;

                while (!(item = mu_ring_reserve(ring, bytes + i % 64)))
                        sched_yield();
                memset(item, (int)(i & 0xff), bytes);
                memcpy(item, &i, sizeof(i));
                if (i % 7 == 0) {
                        mu_ring_abandon(ring);
                        while (!(item = mu_ring_reserve(ring, bytes)))
                                sched_yield();
                        memset(item, (int)(i & 0xff), bytes);
                        memcpy(item, &i, sizeof(i));
                }
                mu_ring_commit(ring, bytes);
        }
}

static void consume(void *context)
{
        struct mu_ring *ring = context;
        struct mu_random random;
        uint64_t group = 0;

        mu_random_seed(&random, SEED);
        for (uint64_t i = 0; i < ITEMS;) {
                size_t bytes = 0;
                const unsigned char *item = mu_ring_peek(ring, &bytes);
                uint64_t number;

                if (!item || group == GROUP_MAX) {
                        if (item)
                                mu_ring_unpeek(ring);
                        mu_ring_release(ring);
                        group = 0;
                        sched_yield();
                        continue;
                }
                memcpy(&number, item, sizeof(number));
                MU_ASSERT(number == i);
                MU_ASSERT(bytes == item_bytes(&random));
                MU_ASSERT(bytes == 8 || item[8] == (i & 0xff));
                MU_ASSERT(bytes == 8 || item[bytes - 1] == (i & 0xff));
                group++;
                i++;
        }
        mu_ring_release(ring);
}

int main(void)
{
        struct mu_ring *ring;
        pthread_t producer;
        pthread_t consumer;

        MU_ASSERT(mu_ring_create_at(MU_RING_BYTES_MIN, START, &ring) == 0);
        MU_ASSERT(mu_thread_start("consumer", consume, ring, &consumer) == 0);
        MU_ASSERT(mu_thread_start("producer", produce, ring, &producer) == 0);
        mu_thread_join(producer);
        mu_thread_join(consumer);
        MU_ASSERT(mu_ring_used_bytes(ring) == 0);
        mu_ring_destroy(ring);
        (void)printf("%u items passed in order and whole\n", ITEMS);
        return 0;
}
