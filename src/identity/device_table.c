/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/device_table.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/qsbr.h"
#include "base/weaken.h"
#include "identity/glance.h"

enum {
        CHUNK_DEVICES = 1024,
        CHUNKS_MAX = MU_DEVICES_MAX / CHUNK_DEVICES,
        RADIX_BITS = 13,
        RADIX_SLOTS = 1 << RADIX_BITS, /* three levels: 39 bits of device id */
        SLOTS_AT_START = 4096,
};

/* The slots of the digest table: NULL free, GONE once used, else a token. At most half are not
 * free, so every probe ends. */
struct slots {
        struct slots *kept_next;
        uint64_t mask;
        _Atomic(struct mu_token *) at[];
};

/* A device's place on the stack of those with events: apart from what every heartbeat touches. */
struct noted {
        _Atomic uint32_t events;
        struct mu_device *next; /* owned by whoever holds the device's place on the stack */
};

/* Devices never move, so one finds its own events. */
struct chunk {
        struct mu_device devices[CHUNK_DEVICES];
        struct noted noted[CHUNK_DEVICES];
};

typedef _Atomic(void *) radix_slot;

struct mu_device_table {
        /* What frontends read. */
        _Atomic(struct slots *) slots;
        radix_slot root[RADIX_SLOTS];
        _Atomic(struct chunk *) chunks[CHUNKS_MAX];
        _Atomic uint32_t device_count;
        _Atomic uint32_t token_count;
        _Atomic bool authoritative;

        /* Devices with events, a stack: pushed by anyone, taken whole by the keeper. */
        alignas(MU_CACHELINE_BYTES) _Atomic(struct mu_device *) noted;
        int eventfd;

        /* Under lock. */
        alignas(MU_CACHELINE_BYTES) pthread_mutex_t lock;
        struct mu_qsbr *qsbr;
        struct mu_names *versions;
        uint64_t slots_used; /* tokens and gone ones */
        /* Unlinked, but there was no memory to retire them: freed with the table. */
        struct slots *kept_slots;
        struct mu_token *kept_tokens;
};

/* Never looked into. */
static const struct mu_token gone_token;
#define GONE ((struct mu_token *)(uintptr_t)&gone_token)

static uint64_t slot_of(const struct mu_digest *digest, uint64_t mask)
{
        uint64_t hash;

        /* A digest is as good as random: its first bytes are the hash. */
        memcpy(&hash, digest->bytes, sizeof(hash));
        return hash & mask;
}

static struct slots *slots_create(uint64_t count)
{
        struct slots *slots = calloc(1, sizeof(*slots) + count * sizeof(slots->at[0]));

        if (slots)
                slots->mask = count - 1;
        return slots;
}

int mu_device_table_create(struct mu_qsbr *qsbr, struct mu_device_table **ret_table)
{
        MU_ASSERT(qsbr && ret_table);
        struct mu_device_table *table = aligned_alloc(MU_CACHELINE_BYTES, sizeof(*table));
        struct slots *slots = slots_create(SLOTS_AT_START);
        int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        int error = fd < 0 ? -errno : table && slots ? 0 : -ENOMEM;
        struct mu_names *versions;

        if (error == 0)
                error = mu_names_create(&versions);
        if (error < 0) {
                free(table);
                free(slots);
                if (fd >= 0)
                        close(fd);
                return error;
        }
        memset(table, 0, sizeof(*table));
        table->qsbr = qsbr;
        table->versions = versions;
        table->eventfd = fd;
        pthread_mutex_init(&table->lock, NULL);
        atomic_init(&table->slots, slots);
        *ret_table = table;
        return 0;
}

void mu_device_table_destroy(struct mu_device_table *table)
{
        if (!table)
                return;
        struct slots *slots = atomic_load_explicit(&table->slots, memory_order_relaxed);

        for (uint64_t i = 0; i <= slots->mask; i++) {
                struct mu_token *token = atomic_load_explicit(&slots->at[i], memory_order_relaxed);

                if (token && token != GONE)
                        free(token);
        }
        free(slots);
        mu_names_destroy(table->versions);
        while ((slots = table->kept_slots)) {
                table->kept_slots = slots->kept_next;
                free(slots);
        }
        for (struct mu_token *token; (token = table->kept_tokens);) {
                table->kept_tokens = token->next;
                free(token);
        }
        for (size_t i = 0; i < RADIX_SLOTS; i++) {
                radix_slot *middle = atomic_load_explicit(&table->root[i], memory_order_relaxed);

                if (!middle)
                        continue;
                for (size_t j = 0; j < RADIX_SLOTS; j++)
                        free(atomic_load_explicit(&middle[j], memory_order_relaxed));
                free(middle);
        }
        for (size_t i = 0; i < CHUNKS_MAX; i++)
                free(atomic_load_explicit(&table->chunks[i], memory_order_relaxed));
        pthread_mutex_destroy(&table->lock);
        close(table->eventfd);
        free(table);
}

void mu_device_table_lock(struct mu_device_table *table)
{
        pthread_mutex_lock(&table->lock);
}

void mu_device_table_unlock(struct mu_device_table *table)
{
        pthread_mutex_unlock(&table->lock);
}

/* First use ends the life of the tokens before it. */
static void note_first_use(struct mu_device_table *table, struct mu_token *token)
{
        struct mu_device *device = token->device;
        uint32_t least = atomic_load_explicit(&device->generation_min, memory_order_relaxed);
        uint32_t events = MU_EVENT_TOKEN_USED;

        atomic_store_explicit(&token->used, true, memory_order_relaxed);
        while (least < token->generation &&
               !atomic_compare_exchange_weak_explicit(&device->generation_min, &least,
                                                      token->generation, memory_order_relaxed,
                                                      memory_order_relaxed))
                ;
        if (!atomic_exchange_explicit(&device->seen, true, memory_order_relaxed))
                events |= MU_EVENT_FIRST_SEEN;
        mu_device_table_note(table, device, events);
}

static struct mu_token *find(const struct slots *slots, const struct mu_digest *digest)
{
        for (uint64_t at = slot_of(digest, slots->mask);; at = (at + 1) & slots->mask) {
                struct mu_token *token = atomic_load_explicit(&slots->at[at], MU_ORDER(4, acquire));

                if (!token)
                        return NULL;
                if (token != GONE && mu_digest_equal(&token->digest, digest))
                        return token;
        }
}

struct mu_device *mu_device_table_resolve(struct mu_device_table *table,
                                          const struct mu_digest *digest, uint64_t now_ms)
{
        const struct slots *slots = atomic_load_explicit(&table->slots, MU_ORDER(2, acquire));
        struct mu_token *token = find(slots, digest);

        if (!token)
                return NULL;
        struct mu_device *device = token->device;

        MU_ASSERT(device);
        if (token->generation < atomic_load_explicit(&device->generation_min, memory_order_relaxed))
                return NULL;
        if (MU_UNLIKELY(!atomic_load_explicit(&token->used, memory_order_relaxed)))
                note_first_use(table, token);
        atomic_store_explicit(&device->stamp_ms, now_ms, memory_order_relaxed);
        return device;
}

const struct mu_device *mu_device_table_peek(const struct mu_device_table *table,
                                             const struct mu_digest *digest)
{
        const struct slots *slots = atomic_load_explicit(&table->slots, memory_order_relaxed);
        const struct mu_token *token = find(slots, digest);

        if (!token || token->generation < atomic_load_explicit(&token->device->generation_min,
                                                               memory_order_relaxed))
                return NULL;
        return token->device;
}

static size_t radix_index(int64_t device_id, int level)
{
        return (size_t)(device_id >> (level * RADIX_BITS)) & (RADIX_SLOTS - 1);
}

struct mu_device *mu_device_table_by_id(const struct mu_device_table *table, int64_t device_id)
{
        if (device_id < 0 || device_id > MU_DEVICE_ID_MAX)
                return NULL;
        const radix_slot *slots = table->root;

        for (int level = 2; level > 0; level--) {
                slots = atomic_load_explicit(&slots[radix_index(device_id, level)],
                                             MU_ORDER(6, acquire));
                if (!slots)
                        return NULL;
        }
        return atomic_load_explicit(&slots[radix_index(device_id, 0)], MU_ORDER(6, acquire));
}

uint32_t mu_device_table_count(const struct mu_device_table *table)
{
        return atomic_load_explicit(&table->device_count, MU_ORDER(8, acquire));
}

uint32_t mu_device_table_token_count(const struct mu_device_table *table)
{
        return atomic_load_explicit(&table->token_count, memory_order_relaxed);
}

struct mu_names *mu_device_table_versions(const struct mu_device_table *table)
{
        return table->versions;
}

struct mu_device *mu_device_table_at(const struct mu_device_table *table, uint32_t index)
{
        MU_ASSERT(index < mu_device_table_count(table));
        /* Whoever has seen the count has the chunk and the device too. */
        struct chunk *chunk =
                atomic_load_explicit(&table->chunks[index / CHUNK_DEVICES], memory_order_relaxed);

        return &chunk->devices[index % CHUNK_DEVICES];
}

bool mu_device_table_authoritative(const struct mu_device_table *table)
{
        return atomic_load_explicit(&table->authoritative, memory_order_acquire);
}

void mu_device_table_set_authoritative(struct mu_device_table *table)
{
        atomic_store_explicit(&table->authoritative, true, memory_order_release);
}

/* The directory's slot for an id, its inner nodes made as needed. */
static radix_slot *radix_place(struct mu_device_table *table, int64_t device_id)
{
        radix_slot *slots = table->root;

        for (int level = 2; level > 0; level--) {
                radix_slot *slot = &slots[radix_index(device_id, level)];
                radix_slot *below = atomic_load_explicit(slot, memory_order_relaxed);

                if (!below) {
                        below = calloc(RADIX_SLOTS, sizeof(*below));
                        if (!below)
                                return NULL;
                        atomic_store_explicit(slot, below, memory_order_release);
                }
                slots = below;
        }
        return &slots[radix_index(device_id, 0)];
}

static struct mu_device *device_place(struct mu_device_table *table, uint32_t index)
{
        _Atomic(struct chunk *) *slot = &table->chunks[index / CHUNK_DEVICES];
        struct chunk *chunk = atomic_load_explicit(slot, memory_order_relaxed);

        if (!chunk) {
                chunk = aligned_alloc(MU_CACHELINE_BYTES, sizeof(*chunk));
                if (!chunk)
                        return NULL;
                memset(chunk, 0, sizeof(*chunk));
                atomic_store_explicit(slot, chunk, memory_order_relaxed);
        }
        return &chunk->devices[index % CHUNK_DEVICES];
}

int mu_device_table_add(struct mu_device_table *table, int64_t device_id,
                        struct mu_device **ret_device)
{
        uint32_t index = atomic_load_explicit(&table->device_count, memory_order_relaxed);

        if (device_id <= 0 || device_id > MU_DEVICE_ID_MAX)
                return -ERANGE;
        if (index == MU_DEVICES_MAX)
                return -ENOSPC;
        radix_slot *slot = radix_place(table, device_id);

        if (!slot)
                return -ENOMEM;
        struct mu_device *device = atomic_load_explicit(slot, memory_order_relaxed);

        if (!device) {
                device = device_place(table, index);
                if (!device)
                        return -ENOMEM;
                device->id = device_id;
                device->index = index;
                atomic_flag_clear_explicit(&device->clone_busy, memory_order_relaxed);
                atomic_store_explicit(slot, device, MU_ORDER(5, release));
                atomic_store_explicit(&table->device_count, index + 1, MU_ORDER(7, release));
        }
        *ret_device = device;
        return 0;
}

/* Room for one more token: at most half of the slots may be taken, gone ones included. */
static int make_room(struct mu_device_table *table)
{
        struct slots *old = atomic_load_explicit(&table->slots, memory_order_relaxed);
        uint64_t count = old->mask + 1;

        if ((table->slots_used + 1) * 2 <= count)
                return 0;
        uint64_t live = mu_device_table_token_count(table);
        struct slots *slots = slots_create((live + 1) * 4 > count ? count * 2 : count);

        if (!slots)
                return -ENOMEM;
        for (uint64_t i = 0; i < count; i++) {
                struct mu_token *token = atomic_load_explicit(&old->at[i], memory_order_relaxed);

                if (!token || token == GONE)
                        continue;
                uint64_t at = slot_of(&token->digest, slots->mask);

                while (atomic_load_explicit(&slots->at[at], memory_order_relaxed))
                        at = (at + 1) & slots->mask;
                atomic_store_explicit(&slots->at[at], token, memory_order_relaxed);
        }
        table->slots_used = live;
        atomic_store_explicit(&table->slots, slots, MU_ORDER(1, release));
        if (mu_qsbr_retire(table->qsbr, old, free) < 0) {
                old->kept_next = table->kept_slots;
                table->kept_slots = old;
        }
        (void)mu_qsbr_reclaim(table->qsbr);
        return 0;
}

int mu_device_table_add_token(struct mu_device_table *table, struct mu_device *device,
                              const struct mu_digest *digest, uint32_t generation, bool used)
{
        MU_ASSERT(device);
        int error = make_room(table);

        if (error < 0)
                return error;
        struct slots *slots = atomic_load_explicit(&table->slots, memory_order_relaxed);

        if (find(slots, digest))
                return -EEXIST;
        struct mu_token *token = calloc(1, sizeof(*token));

        if (!token)
                return -ENOMEM;
        token->digest = *digest;
        token->device = device;
        token->generation = generation;
        token->next = device->tokens;
        device->tokens = token;
        atomic_init(&token->used, used);
        uint64_t at = slot_of(digest, slots->mask);

        while (atomic_load_explicit(&slots->at[at], memory_order_relaxed))
                at = (at + 1) & slots->mask;
        table->slots_used++;
        atomic_store_explicit(&slots->at[at], token, MU_ORDER(3, release));
        atomic_fetch_add_explicit(&table->token_count, 1, memory_order_relaxed);
        return 0;
}

/* Takes one token out of the table and frees it once no reader can hold it. */
static void unlink_token(struct mu_device_table *table, struct mu_token *token)
{
        struct slots *slots = atomic_load_explicit(&table->slots, memory_order_relaxed);
        uint64_t at = slot_of(&token->digest, slots->mask);

        while (atomic_load_explicit(&slots->at[at], memory_order_relaxed) != token)
                at = (at + 1) & slots->mask;
        atomic_store_explicit(&slots->at[at], GONE, memory_order_relaxed);
        atomic_fetch_sub_explicit(&table->token_count, 1, memory_order_relaxed);
        if (mu_qsbr_retire(table->qsbr, token, free) < 0) {
                token->next = table->kept_tokens;
                table->kept_tokens = token;
        }
}

uint32_t mu_device_table_drop_tokens(struct mu_device_table *table, struct mu_device *device)
{
        uint32_t least = atomic_load_explicit(&device->generation_min, memory_order_relaxed);
        struct mu_token **link = &device->tokens;
        uint32_t dropped = 0;

        while (*link) {
                struct mu_token *token = *link;

                if (token->generation >= least) {
                        link = &token->next;
                        continue;
                }
                *link = token->next;
                unlink_token(table, token);
                dropped++;
        }
        (void)mu_qsbr_reclaim(table->qsbr);
        return dropped;
}

static struct noted *noted_of(struct mu_device *device)
{
        uint32_t place = device->index % CHUNK_DEVICES;
        struct chunk *chunk = (struct chunk *)(void *)(device - place);

        return &chunk->noted[place];
}

void mu_device_table_note(struct mu_device_table *table, struct mu_device *device, uint32_t events)
{
        MU_ASSERT(events != 0);
        struct noted *noted = noted_of(device);

        /* Whoever sets the first event owns the device's place on the stack until it is taken. */
        if (atomic_fetch_or_explicit(&noted->events, events, MU_ORDER(11, acq_rel)) != 0)
                return;
        struct mu_device *first = atomic_load_explicit(&table->noted, memory_order_relaxed);

        do {
                noted->next = first;
        } while (!atomic_compare_exchange_weak_explicit(
                &table->noted, &first, device, MU_ORDER(9, release), memory_order_relaxed));
        if (!first)
                (void)eventfd_write(table->eventfd, 1); /* EAGAIN: it is readable already */
}

struct mu_device *mu_device_table_take(struct mu_device_table *table)
{
        eventfd_t count;

        (void)eventfd_read(table->eventfd, &count); /* EAGAIN: nobody wrote since */
        return atomic_exchange_explicit(&table->noted, NULL, MU_ORDER(10, acquire));
}

uint32_t mu_device_take_events(struct mu_device *device, struct mu_device **ret_next)
{
        struct noted *noted = noted_of(device);

        /* Read before the events are cleared: from then on another push may change it. */
        *ret_next = noted->next;
        return atomic_exchange_explicit(&noted->events, 0, MU_ORDER(12, acq_rel));
}

int mu_device_table_eventfd(const struct mu_device_table *table)
{
        return table->eventfd;
}
