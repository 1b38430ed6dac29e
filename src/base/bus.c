/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bus.h"

#include <errno.h>
#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

enum { WORDS = sizeof(struct mu_bus_event) / sizeof(uint64_t) };

/* stamp: 0 while the words are being written, else the event's number plus one. */
struct slot {
        _Atomic uint64_t stamp;
        _Atomic uint64_t words[WORDS];
};

_Static_assert(sizeof(struct slot) == 2 * MU_CACHELINE_BYTES, "two lines a slot");

struct mu_bus {
        struct slot *slots;
        uint64_t mask;
        pthread_mutex_t producers;
        _Atomic uint32_t watchers;

        /* Number of the next event; the producers' line. */
        alignas(MU_CACHELINE_BYTES) _Atomic uint64_t tail;
};

int mu_bus_create(uint32_t slots, struct mu_bus **ret_bus)
{
        if (slots < 2 || slots > MU_BUS_SLOTS_MAX || (slots & (slots - 1)) != 0)
                return -EINVAL;

        struct mu_bus *bus = aligned_alloc(MU_CACHELINE_BYTES, sizeof(*bus));

        if (!bus)
                return -ENOMEM;
        memset(bus, 0, sizeof(*bus));
        /* calloc: pages that nobody has written yet cost nothing. */
        bus->slots = calloc(slots, sizeof(*bus->slots));
        if (!bus->slots) {
                free(bus);
                return -ENOMEM;
        }
        bus->mask = slots - 1;
        pthread_mutex_init(&bus->producers, NULL);
        *ret_bus = bus;
        return 0;
}

void mu_bus_destroy(struct mu_bus *bus)
{
        if (!bus)
                return;
        pthread_mutex_destroy(&bus->producers);
        free(bus->slots);
        free(bus);
}

/* ---- producers ---- */

/* Relaxed is enough: a reader that watches before it reads the database either sees a commit there,
 * or the commit came later, and with it this load. */
bool mu_bus_watched(const struct mu_bus *bus)
{
        return bus && atomic_load_explicit(&bus->watchers, memory_order_relaxed) > 0;
}

/* Each word is stored with release: whoever has read one of them knows the slot is no longer what
 * its old stamp said. */
static void fill(struct slot *slot, uint64_t number, const struct mu_bus_event *event)
{
        uint64_t words[WORDS];

        memcpy(words, event, sizeof(words));
        atomic_store_explicit(&slot->stamp, 0, memory_order_relaxed);
        for (unsigned i = 0; i < WORDS; i++)
                atomic_store_explicit(&slot->words[i], words[i], memory_order_release);
        atomic_store_explicit(&slot->stamp, number + 1, memory_order_release);
}

void mu_bus_publish(struct mu_bus *bus, const struct mu_bus_event *events, uint32_t count)
{
        if (!mu_bus_watched(bus))
                return;
        pthread_mutex_lock(&bus->producers);
        uint64_t tail = atomic_load_explicit(&bus->tail, memory_order_relaxed);

        for (uint32_t i = 0; i < count; i++) {
                fill(&bus->slots[tail & bus->mask], tail, &events[i]);
                atomic_store_explicit(&bus->tail, ++tail, memory_order_release);
        }
        pthread_mutex_unlock(&bus->producers);
}

/* ---- readers ---- */

void mu_bus_watch(struct mu_bus *bus, struct mu_bus_reader *ret_reader)
{
        atomic_fetch_add(&bus->watchers, 1);
        *ret_reader = (struct mu_bus_reader){
                .bus = bus,
                .next = atomic_load_explicit(&bus->tail, memory_order_acquire),
        };
}

void mu_bus_unwatch(struct mu_bus_reader *reader)
{
        if (!reader->bus)
                return;
        uint32_t before = atomic_fetch_sub(&reader->bus->watchers, 1);

        MU_ASSERT(before > 0);
        reader->bus = NULL;
}

/* Whether the slot held the event before and after its words were read. */
static bool take(const struct slot *slot, uint64_t number, struct mu_bus_event *event)
{
        uint64_t words[WORDS];

        if (atomic_load_explicit(&slot->stamp, memory_order_acquire) != number + 1)
                return false;
        for (unsigned i = 0; i < WORDS; i++)
                words[i] = atomic_load_explicit(&slot->words[i], memory_order_acquire);
        if (atomic_load_explicit(&slot->stamp, memory_order_relaxed) != number + 1)
                return false;
        memcpy(event, words, sizeof(words));
        return true;
}

uint32_t mu_bus_read(struct mu_bus_reader *reader, struct mu_bus_event *events, uint32_t events_max,
                     uint64_t *ret_lost)
{
        const struct mu_bus *bus = reader->bus;
        uint64_t lost = 0;
        uint32_t count = 0;

        MU_ASSERT(bus);
        while (count < events_max) {
                uint64_t tail = atomic_load_explicit(&bus->tail, memory_order_acquire);

                if (reader->next == tail)
                        break;
                if (take(&bus->slots[reader->next & bus->mask], reader->next, &events[count])) {
                        reader->next++;
                        count++;
                        continue;
                }
                /* Overwritten, or about to be. What was read before it is delivered first. */
                if (count > 0)
                        break;
                uint64_t oldest = tail > bus->mask ? tail - bus->mask - 1 : 0;

                if (oldest <= reader->next)
                        oldest = reader->next + 1;
                lost += oldest - reader->next;
                reader->next = oldest;
        }
        *ret_lost = lost;
        return count;
}
