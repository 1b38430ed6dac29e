/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/glance.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/hash.h"
#include "base/random.h"

/* mu_device.glance: observed_s 32 | battery + 1 7 | network + 1 3 | version 13 */
enum {
        OBSERVED_SHIFT = 32,
        BATTERY_SHIFT = 25,
        NETWORK_SHIFT = 22,
        BATTERY_MASK = 0x7f,
        NETWORK_MASK = 0x7,
        VERSION_MASK = 0x1fff,
};

_Static_assert((int)MU_NAMES_OTHER <= (int)VERSION_MASK, "a version's number fits");

static uint32_t seconds(int64_t unix_s)
{
        return unix_s < 0 ? 0 : unix_s > UINT32_MAX ? UINT32_MAX : (uint32_t)unix_s;
}

void mu_glance_note(struct mu_device *device, const struct mu_glance *glance)
{
        MU_ASSERT(glance->battery >= -1 && glance->battery < BATTERY_MASK);
        MU_ASSERT(glance->network >= -1 && glance->network < NETWORK_MASK);
        uint32_t received_s = seconds(glance->received_s);
        uint32_t received_before_s = atomic_load(&device->received_s);
        uint64_t content = (uint64_t)seconds(glance->observed_s) << OBSERVED_SHIFT |
                           (uint64_t)(glance->battery + 1) << BATTERY_SHIFT |
                           (uint64_t)(glance->network + 1) << NETWORK_SHIFT |
                           (glance->version_id & VERSION_MASK);
        uint64_t before = atomic_load(&device->glance);

        while (received_before_s < received_s &&
               !atomic_compare_exchange_weak(&device->received_s, &received_before_s, received_s))
                ;
        while (before >> OBSERVED_SHIFT <= content >> OBSERVED_SHIFT &&
               !atomic_compare_exchange_weak(&device->glance, &before, content))
                ;
}

struct mu_glance mu_glance_read(const struct mu_device *device)
{
        uint64_t content = atomic_load_explicit(&device->glance, memory_order_relaxed);

        return (struct mu_glance){
                .received_s = atomic_load_explicit(&device->received_s, memory_order_relaxed),
                .observed_s = (int64_t)(content >> OBSERVED_SHIFT),
                .battery = (int)(content >> BATTERY_SHIFT & BATTERY_MASK) - 1,
                .network = (int)(content >> NETWORK_SHIFT & NETWORK_MASK) - 1,
                .version_id = (uint32_t)(content & VERSION_MASK),
        };
}

/* ---- names ---- */

enum { SLOTS = 2 * (MU_NAMES_MAX + 1) }; /* a power of two: half of it stays empty */

struct name {
        uint32_t id;
        uint32_t bytes;
        char text[MU_NAMES_BYTES_MAX + 1];
};

/* Names are only ever added, complete before a slot shows them: read without the lock. */
struct mu_names {
        struct mu_hash_key key; /* devices choose the names */
        _Atomic(const struct name *) slots[SLOTS];
        _Atomic(const struct name *) by_id[MU_NAMES_MAX + 1];
        _Atomic uint32_t count;
        pthread_mutex_t adding;
};

int mu_names_create(struct mu_names **ret_names)
{
        struct mu_names *names = calloc(1, sizeof(*names));
        int error = names ? mu_random_secret(&names->key, sizeof(names->key)) : -ENOMEM;

        if (error < 0) {
                free(names);
                return error;
        }
        pthread_mutex_init(&names->adding, NULL);
        *ret_names = names;
        return 0;
}

void mu_names_destroy(struct mu_names *names)
{
        if (!names)
                return;
        for (uint32_t id = 1; id <= atomic_load(&names->count); id++)
                free((void *)(uintptr_t)atomic_load(&names->by_id[id]));
        pthread_mutex_destroy(&names->adding);
        free(names);
}

/* The name's slot, or the empty one where it belongs. */
static size_t slot_of(const struct mu_names *names, const char *name, size_t bytes)
{
        size_t at = mu_hash_bytes(&names->key, name, bytes) % SLOTS;

        for (;; at = (at + 1) % SLOTS) {
                const struct name *there =
                        atomic_load_explicit(&names->slots[at], memory_order_acquire);

                if (!there || (there->bytes == bytes && memcmp(there->text, name, bytes) == 0))
                        return at;
        }
}

uint32_t mu_names_find(const struct mu_names *names, const char *name, size_t bytes)
{
        const struct name *there = atomic_load_explicit(&names->slots[slot_of(names, name, bytes)],
                                                        memory_order_acquire);

        return there ? there->id : 0;
}

/* Under the lock. */
static uint32_t add(struct mu_names *names, const char *name, size_t bytes)
{
        uint32_t count = atomic_load(&names->count);
        size_t at = slot_of(names, name, bytes);
        const struct name *there = atomic_load(&names->slots[at]);

        if (there)
                return there->id;
        struct name *added = count < MU_NAMES_MAX ? calloc(1, sizeof(*added)) : NULL;

        if (!added)
                return MU_NAMES_OTHER;
        added->id = count + 1;
        added->bytes = (uint32_t)bytes;
        memcpy(added->text, name, bytes);
        atomic_store_explicit(&names->by_id[added->id], added, memory_order_release);
        atomic_store_explicit(&names->count, added->id, memory_order_release);
        atomic_store_explicit(&names->slots[at], added, memory_order_release);
        return added->id;
}

uint32_t mu_names_id(struct mu_names *names, const char *name, size_t bytes)
{
        if (bytes == 0)
                return 0;
        if (bytes > MU_NAMES_BYTES_MAX)
                return MU_NAMES_OTHER;
        uint32_t id = mu_names_find(names, name, bytes);

        if (id != 0)
                return id;
        if (atomic_load(&names->count) == MU_NAMES_MAX)
                return MU_NAMES_OTHER;
        pthread_mutex_lock(&names->adding);
        id = add(names, name, bytes);
        pthread_mutex_unlock(&names->adding);
        return id;
}

const char *mu_names_text(const struct mu_names *names, uint32_t id)
{
        const struct name *name =
                id >= 1 && id <= MU_NAMES_MAX
                        ? atomic_load_explicit(&names->by_id[id], memory_order_acquire)
                        : NULL;

        return name ? name->text : "";
}

uint32_t mu_names_count(const struct mu_names *names)
{
        return atomic_load_explicit(&names->count, memory_order_acquire);
}
