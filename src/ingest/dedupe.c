/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/dedupe.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/hash.h"
#include "muster/record.h"

enum {
        SET_ENTRIES = MU_CACHELINE_BYTES / sizeof(uint64_t),
};

struct mu_dedupe {
        uint64_t set_mask;
        _Atomic uint64_t *entries; /* 0: free; no heartbeat is 0, since its bucket is not 1970 */
};

int mu_dedupe_create(uint32_t entry_count, struct mu_dedupe **ret_dedupe)
{
        MU_ASSERT(ret_dedupe);
        if (entry_count < SET_ENTRIES || entry_count > 1u << 28 ||
            (entry_count & (entry_count - 1)) != 0)
                return -EINVAL;
        struct mu_dedupe *dedupe = malloc(sizeof(*dedupe));
        void *entries = aligned_alloc(MU_CACHELINE_BYTES, entry_count * sizeof(uint64_t));

        if (!dedupe || !entries) {
                free(dedupe);
                free(entries);
                return -ENOMEM;
        }
        memset(entries, 0, entry_count * sizeof(uint64_t));
        *dedupe = (struct mu_dedupe){.set_mask = entry_count / SET_ENTRIES - 1, .entries = entries};
        *ret_dedupe = dedupe;
        return 0;
}

void mu_dedupe_destroy(struct mu_dedupe *dedupe)
{
        if (!dedupe)
                return;
        free(dedupe->entries);
        free(dedupe);
}

static uint64_t entry_of(uint32_t device_index, int64_t bucket_s)
{
        MU_ASSERT(bucket_s > 0 && bucket_s % MU_BUCKET_S == 0);
        MU_ASSERT(bucket_s / MU_BUCKET_S <= UINT32_MAX);
        return (uint64_t)device_index << 32 | (uint32_t)(bucket_s / MU_BUCKET_S);
}

/* Eight buckets of a device that follow each other share a set: a device that sends them in order
 * finds its line in the cache. */
static _Atomic uint64_t *set_of(const struct mu_dedupe *dedupe, uint64_t entry)
{
        uint64_t run = entry / SET_ENTRIES;

        return &dedupe->entries[(mu_hash_u64(run) & dedupe->set_mask) * SET_ENTRIES];
}

bool mu_dedupe_seen(const struct mu_dedupe *dedupe, uint32_t device_index, int64_t bucket_s)
{
        uint64_t entry = entry_of(device_index, bucket_s);
        const _Atomic uint64_t *set = set_of(dedupe, entry);

        for (size_t i = 0; i < SET_ENTRIES; i++)
                if (atomic_load_explicit(&set[i], memory_order_relaxed) == entry)
                        return true;
        return false;
}

void mu_dedupe_mark(struct mu_dedupe *dedupe, uint32_t device_index, int64_t bucket_s)
{
        uint64_t entry = entry_of(device_index, bucket_s);
        _Atomic uint64_t *set = set_of(dedupe, entry);
        uint64_t moved = entry;

        /* Newest first: each mark shifts the older ones down until a free place or the end. Another
         * frontend shifting the same set at once can only lose or double a mark. */
        for (size_t i = 0; i < SET_ENTRIES && moved != 0; i++) {
                uint64_t here = atomic_load_explicit(&set[i], memory_order_relaxed);

                if (i > 0 && moved == entry)
                        return; /* it was marked already and has only moved to the front */
                atomic_store_explicit(&set[i], moved, memory_order_relaxed);
                moved = here;
        }
}
