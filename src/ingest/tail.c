/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/tail.h"

#include <errno.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/assert.h"
#include "base/weaken.h"
#include "ingest/journal_format.h"
#include "ingest/window.h"

/* What is known of one piece of memory; stable for whoever has its ordinal pinned. */
struct chunk {
        _Atomic uint64_t first_seq;
        _Atomic uint32_t published_bytes;
};

/* Memory of a chunk that left the row while somebody stood in it. */
struct waiting {
        uint64_t ordinal;
        uint32_t memory_index;
};

struct mu_tail {
        struct mu_window window;

        unsigned char *memory;
        size_t memory_bytes;
        uint32_t chunk_bytes;
        uint32_t live_count;

        struct chunk *chunks;        /* one for each piece of memory */
        _Atomic uint32_t *directory; /* of ordinal o: directory[o % live_count] is its memory */
        uint32_t *free;              /* a stack, so that spares never needed are never touched */
        uint32_t free_count;
        struct waiting waiting[MU_JOURNAL_READERS_MAX];
        uint32_t waiting_count;
};

static _Atomic uint32_t *entry_of(const struct mu_tail *tail, uint64_t ordinal)
{
        return &tail->directory[ordinal % tail->live_count];
}

static uint32_t newest_index(const struct mu_tail *tail)
{
        return atomic_load_explicit(entry_of(tail, mu_window_next(&tail->window) - 1),
                                    memory_order_relaxed);
}

static unsigned char *memory_of(const struct mu_tail *tail, uint32_t index)
{
        return tail->memory + (size_t)index * tail->chunk_bytes;
}

static void begin_chunk(struct mu_tail *tail, uint64_t first_seq)
{
        MU_ASSERT(tail->free_count > 0);
        uint32_t index = tail->free[--tail->free_count];

        atomic_store_explicit(&tail->chunks[index].first_seq, first_seq, memory_order_relaxed);
        atomic_store_explicit(&tail->chunks[index].published_bytes, 0, memory_order_relaxed);
        /* Release: who reads the new entry also sees that the old ordinal was retired. */
        atomic_store_explicit(entry_of(tail, mu_window_next(&tail->window)), index,
                              memory_order_release);
        mu_window_add(&tail->window);
}

int mu_tail_create(uint32_t chunk_bytes, uint32_t live_count, uint64_t first_seq,
                   struct mu_tail **ret_tail)
{
        if (chunk_bytes == 0 || chunk_bytes % MU_JOURNAL_BLOCK_BYTES != 0 || live_count < 2)
                return -EINVAL;

        struct mu_tail *tail = aligned_alloc(alignof(struct mu_tail), sizeof(*tail));

        if (!tail)
                return -ENOMEM;
        uint32_t memory_count = live_count + MU_JOURNAL_READERS_MAX + 1;

        *tail = (struct mu_tail){.chunk_bytes = chunk_bytes, .live_count = live_count};
        tail->memory_bytes = (size_t)memory_count * chunk_bytes;
        tail->chunks = calloc(memory_count, sizeof(*tail->chunks));
        tail->directory = calloc(live_count, sizeof(*tail->directory));
        tail->free = calloc(memory_count, sizeof(*tail->free));
        void *memory = mmap(NULL, tail->memory_bytes, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (memory != MAP_FAILED)
                tail->memory = memory;
        if (!tail->chunks || !tail->directory || !tail->free || !tail->memory) {
                mu_tail_destroy(tail);
                return -ENOMEM;
        }
        for (uint32_t i = 0; i < memory_count; i++)
                tail->free[i] = memory_count - 1 - i;
        tail->free_count = memory_count;
        begin_chunk(tail, first_seq);
        *ret_tail = tail;
        return 0;
}

void mu_tail_destroy(struct mu_tail *tail)
{
        if (!tail)
                return;
        if (tail->memory)
                (void)munmap(tail->memory, tail->memory_bytes);
        free(tail->chunks);
        free((void *)tail->directory);
        free(tail->free);
        free(tail);
}

void mu_tail_memory(const struct mu_tail *tail, void **ret_memory, size_t *ret_bytes)
{
        *ret_memory = tail->memory;
        *ret_bytes = tail->memory_bytes;
}

uint32_t mu_tail_chunk_bytes(const struct mu_tail *tail)
{
        return tail->chunk_bytes;
}

uint64_t mu_tail_newest(const struct mu_tail *tail, unsigned char **ret_memory)
{
        *ret_memory = memory_of(tail, newest_index(tail));
        return mu_window_next(&tail->window) - 1;
}

/* Memory whose reader has gone becomes free again. */
static void collect_waiting(struct mu_tail *tail)
{
        uint32_t kept = 0;

        for (uint32_t i = 0; i < tail->waiting_count; i++) {
                struct waiting waiting = tail->waiting[i];

                if (mu_window_is_pinned(&tail->window, waiting.ordinal))
                        tail->waiting[kept++] = waiting;
                else
                        tail->free[tail->free_count++] = waiting.memory_index;
        }
        tail->waiting_count = kept;
}

void mu_tail_advance(struct mu_tail *tail, uint64_t first_seq)
{
        uint64_t oldest = mu_window_oldest(&tail->window);

        if (mu_window_next(&tail->window) - oldest == tail->live_count) {
                collect_waiting(tail);
                mu_window_retire(&tail->window);
                uint32_t index = atomic_load_explicit(entry_of(tail, oldest), memory_order_relaxed);

                if (mu_window_is_pinned(&tail->window, oldest)) {
                        MU_ASSERT(tail->waiting_count < MU_JOURNAL_READERS_MAX);
                        tail->waiting[tail->waiting_count++] = (struct waiting){oldest, index};
                } else {
                        tail->free[tail->free_count++] = index;
                }
        }
        begin_chunk(tail, first_seq);
}

void mu_tail_publish(struct mu_tail *tail, uint64_t ordinal, uint32_t bytes)
{
        MU_ASSERT(ordinal >= mu_window_oldest(&tail->window));
        MU_ASSERT(bytes <= tail->chunk_bytes);
        uint32_t index = atomic_load_explicit(entry_of(tail, ordinal), memory_order_relaxed);

        atomic_store_explicit(&tail->chunks[index].published_bytes, bytes, MU_ORDER(3, release));
}

/* Pins the chunk and stands at its beginning. The entry is read before the pin is taken: that the
 * ordinal is still live afterwards proves that the entry was its own. */
static bool enter(struct mu_tail *tail, struct mu_tail_cursor *cursor, uint64_t ordinal)
{
        if (ordinal < mu_window_next(&tail->window)) {
                uint32_t index =
                        atomic_load_explicit(entry_of(tail, ordinal), memory_order_acquire);

                if (mu_window_pin(&tail->window, cursor->slot, ordinal)) {
                        cursor->ordinal = ordinal;
                        cursor->index = index;
                        cursor->memory = memory_of(tail, index);
                        cursor->at = 0;
                        return true;
                }
        }
        mu_tail_leave(tail, cursor);
        return false;
}

/* Without a pin: a guess, the entry may be another ordinal's by now. */
static uint64_t guess_first_seq(const struct mu_tail *tail, uint64_t ordinal)
{
        uint32_t index = atomic_load_explicit(entry_of(tail, ordinal), memory_order_relaxed);

        return atomic_load_explicit(&tail->chunks[index].first_seq, memory_order_relaxed);
}

static uint64_t first_seq_here(const struct mu_tail *tail, const struct mu_tail_cursor *cursor)
{
        return atomic_load_explicit(&tail->chunks[cursor->index].first_seq, memory_order_relaxed);
}

bool mu_tail_seek(struct mu_tail *tail, struct mu_tail_cursor *cursor, uint64_t after_seq)
{
        uint64_t oldest = mu_window_oldest(&tail->window);
        uint64_t ordinal = mu_window_next(&tail->window);

        while (ordinal > oldest && guess_first_seq(tail, ordinal - 1) > after_seq + 1)
                ordinal--;
        if (ordinal == oldest || !enter(tail, cursor, ordinal - 1)) {
                mu_tail_leave(tail, cursor);
                return false;
        }
        if (first_seq_here(tail, cursor) <= after_seq + 1)
                return true;
        mu_tail_leave(tail, cursor);
        return false;
}

bool mu_tail_next(struct mu_tail *tail, struct mu_tail_cursor *cursor, uint64_t after_seq,
                  struct mu_frame *ret_frame)
{
        MU_ASSERT(cursor->memory);
        do {
                uint32_t published = atomic_load_explicit(
                        &tail->chunks[cursor->index].published_bytes, MU_ORDER(4, acquire));

                while ((cursor->at = (uint32_t)mu_frame_place(cursor->at)) < published) {
                        const struct mu_frame_header *header =
                                (const void *)(cursor->memory + cursor->at);

                        MU_ASSERT(header->magic == MU_FRAME_MAGIC);
                        cursor->at += mu_frame_stride(header->payload_bytes);
                        if (header->type == MU_FRAME_PAD || header->seq <= after_seq)
                                continue;
                        *ret_frame = (struct mu_frame){.seq = header->seq,
                                                       .payload = header + 1,
                                                       .payload_bytes = header->payload_bytes,
                                                       .type = header->type};
                        return true;
                }
                /* A larger sequence is durable and nothing of it is here: this chunk is done. */
        } while (enter(tail, cursor, cursor->ordinal + 1));
        return false;
}

void mu_tail_leave(struct mu_tail *tail, struct mu_tail_cursor *cursor)
{
        mu_window_unpin(&tail->window, cursor->slot);
        cursor->memory = NULL;
}
