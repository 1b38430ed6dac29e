/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One producer and three readers on a tail, for ThreadSanitizer: bytes are complete before they can
 * be read, and read before their memory is used again. The durable sequence is passed relaxed here,
 * so that it adds no order of its own.
 */
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/thread.h"
#include "ingest/journal_format.h"
#include "ingest/tail.h"

enum { READERS = 3, CHUNKS_MIN = 3000, FRAMES_MIN = 1000, PAYLOAD = 1000 };

struct shared {
        struct mu_tail *tail;
        _Atomic uint64_t durable;
        _Atomic uint32_t ready; /* readers that have read enough */
        _Atomic bool done;
};

struct reader {
        struct shared *shared;
        uint32_t slot;
        uint64_t seen;
};

static void produce(struct shared *shared)
{
        uint64_t seq = 0;

        for (int i = 0;
             i < CHUNKS_MIN || atomic_load_explicit(&shared->ready, memory_order_relaxed) < READERS;
             i++) {
                unsigned char *memory;
                uint64_t ordinal = mu_tail_newest(shared->tail, &memory);
                uint32_t at = 0;

                for (int frame = 0; frame < 4; frame++) {
                        struct mu_frame_header *header = (void *)(memory + at);

                        *header = (struct mu_frame_header){.payload_bytes = PAYLOAD,
                                                           .type = MU_FRAME_RECORD,
                                                           .magic = MU_FRAME_MAGIC,
                                                           .seq = ++seq};
                        memset(header + 1, (int)(seq & 0xff), PAYLOAD);
                        at += mu_frame_stride(PAYLOAD);
                }
                mu_tail_publish(shared->tail, ordinal, MU_JOURNAL_BLOCK_BYTES);
                atomic_store_explicit(&shared->durable, seq, memory_order_relaxed);
                mu_tail_advance(shared->tail, seq + 1);
        }
        atomic_store_explicit(&shared->done, true, memory_order_relaxed);
}

static void check(const struct mu_frame *frame)
{
        const unsigned char *payload = frame->payload;

        for (uint32_t i = 0; i < frame->payload_bytes; i++)
                if (payload[i] != (frame->seq & 0xff))
                        abort();
}

static void read_tail(void *context)
{
        struct reader *reader = context;
        struct shared *shared = reader->shared;
        struct mu_tail_cursor cursor = {.slot = reader->slot};
        uint64_t position = 0;

        while (!atomic_load_explicit(&shared->done, memory_order_relaxed)) {
                uint64_t durable = atomic_load_explicit(&shared->durable, memory_order_relaxed);
                struct mu_frame frame;

                if (position >= durable)
                        continue;
                if (!mu_tail_seek(shared->tail, &cursor, position)) {
                        position = durable; /* fallen out: on from here */
                        continue;
                }
                for (int i = 0; i < 3 && position < durable; i++) {
                        if (!mu_tail_next(shared->tail, &cursor, position, &frame))
                                break;
                        if (frame.seq != position + 1)
                                abort();
                        check(&frame);
                        position = frame.seq;
                        if (++reader->seen == FRAMES_MIN)
                                atomic_fetch_add_explicit(&shared->ready, 1, memory_order_relaxed);
                }
                mu_tail_leave(shared->tail, &cursor);
                /* Away until all memory was used again: only leave's own order covers that. */
                while (reader->seen % 2 == 0 &&
                       !atomic_load_explicit(&shared->done, memory_order_relaxed) &&
                       atomic_load_explicit(&shared->durable, memory_order_relaxed) < position + 64)
                        (void)sched_yield();
        }
}

int main(void)
{
        struct shared shared = {0};
        struct reader readers[READERS];
        pthread_t threads[READERS];
        uint64_t seen = 0;

        if (mu_tail_create(MU_JOURNAL_BLOCK_BYTES, 4, 1, &shared.tail) < 0)
                abort();
        for (uint32_t i = 0; i < READERS; i++) {
                readers[i] = (struct reader){.shared = &shared, .slot = i};
                if (mu_thread_start("reader", read_tail, &readers[i], &threads[i]) < 0)
                        abort();
        }
        produce(&shared);
        for (uint32_t i = 0; i < READERS; i++) {
                mu_thread_join(threads[i]);
                seen += readers[i].seen;
        }
        mu_tail_destroy(shared.tail);
        (void)printf("%lu frames read\n", (unsigned long)seen);
        return 0;
}
