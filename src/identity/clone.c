/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/clone.h"

#include <string.h>

#include "base/assert.h"
#include "base/hash.h"

/* Not secret and not attacked: whoever holds the token can only incriminate their own device. */
static const struct mu_hash_key boot_key = {UINT64_C(0x6d75737465722d62),
                                            UINT64_C(0x6f6f742d69642d31)};

static bool judge(struct mu_device *device, uint64_t boot_hash, int64_t ts_us, int64_t seq)
{
        struct mu_boot_trace *newest = &device->boots[0];
        struct mu_boot_trace *other = &device->boots[1];
        const struct mu_boot_trace seen = {.boot_hash = boot_hash, .ts_us = ts_us, .seq = seq};

        if (newest->boot_hash == boot_hash) {
                if (ts_us > newest->ts_us && seq > newest->seq)
                        *newest = seen;
                return false;
        }
        if (other->boot_hash != boot_hash) {
                *other = *newest;
                *newest = seen;
                device->clone_evidence = 0;
                return false;
        }
        /* The older boot again. What it sent before the newer one spoke may just be late. */
        if (ts_us <= newest->ts_us || ts_us <= other->ts_us || seq <= other->seq)
                return false;
        *other = *newest;
        *newest = seen;
        if (device->clone_evidence >= MU_CLONE_EVIDENCE_ENOUGH)
                return false;
        return ++device->clone_evidence == MU_CLONE_EVIDENCE_ENOUGH;
}

bool mu_clone_observe(struct mu_device *device, const char *boot_id, size_t boot_id_bytes,
                      int64_t ts_us, int64_t seq)
{
        MU_ASSERT(device && boot_id);
        if (atomic_flag_test_and_set_explicit(&device->clone_busy, memory_order_acquire))
                return false;
        uint64_t hash = mu_hash_bytes(&boot_key, boot_id, boot_id_bytes);
        bool clone = judge(device, hash ? hash : 1, ts_us, seq);

        atomic_flag_clear_explicit(&device->clone_busy, memory_order_release);
        return clone;
}

void mu_clone_forget(struct mu_device *device)
{
        while (atomic_flag_test_and_set_explicit(&device->clone_busy, memory_order_acquire))
                ;
        memset(device->boots, 0, sizeof(device->boots));
        device->clone_evidence = 0;
        atomic_flag_clear_explicit(&device->clone_busy, memory_order_release);
}
