/* SPDX-License-Identifier: Apache-2.0 */
#include "http/auth_failures.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/random.h"

#define WAYS 8

/* tag: keyed hash of the address, 0 free. counts: window number << 32 | previous << 16 | current.
 */
struct entry {
        _Atomic uint64_t tag;
        _Atomic uint64_t counts;
};

struct mu_auth_failures {
        struct mu_hash_key key;
        struct mu_auth_failures_config config;
        uint64_t window_ns;
        uint32_t set_mask;
        struct entry *entries;
        _Atomic uint64_t noted;
        _Atomic uint64_t evicted;
};

struct counts {
        uint32_t window;
        uint32_t previous;
        uint32_t current;
};

static struct counts unpack(uint64_t packed)
{
        return (struct counts){.window = (uint32_t)(packed >> 32),
                               .previous = (uint32_t)(packed >> 16) & UINT16_MAX,
                               .current = (uint32_t)packed & UINT16_MAX};
}

static uint64_t pack(struct counts counts)
{
        return (uint64_t)counts.window << 32 | (uint64_t)counts.previous << 16 | counts.current;
}

/* As seen in window now: what was current has become previous, or has been forgotten. */
static struct counts aged(struct counts counts, uint32_t now)
{
        uint32_t age = now - counts.window;

        if (age == 0)
                return counts;
        return (struct counts){.window = now, .previous = age == 1 ? counts.current : 0};
}

int mu_auth_failures_create(const struct mu_auth_failures_config *config,
                            struct mu_auth_failures **ret_table)
{
        uint32_t size = 64;

        if (config->window_s < 1 || config->window_s > 3600 ||
            config->failures_max > UINT16_MAX / 2 || config->addresses_max > (1u << 24))
                return -EINVAL;
        while (size < config->addresses_max)
                size *= 2;
        struct mu_auth_failures *table = calloc(1, sizeof(*table));
        if (!table)
                return -ENOMEM;
        table->config = *config;
        table->window_ns = (uint64_t)config->window_s * (uint64_t)MU_NS_PER_S;
        table->set_mask = size / WAYS - 1;
        table->entries = calloc(size, sizeof(*table->entries));
        int error = table->entries ? mu_random_secret(&table->key, sizeof(table->key)) : -ENOMEM;
        if (error) {
                mu_auth_failures_destroy(table);
                return error;
        }
        *ret_table = table;
        return 0;
}

int mu_auth_failures_create_like(const struct mu_auth_failures *table,
                                 struct mu_auth_failures **ret_table)
{
        return mu_auth_failures_create(&table->config, ret_table);
}

void mu_auth_failures_destroy(struct mu_auth_failures *table)
{
        if (!table)
                return;
        free(table->entries);
        free(table);
}

static bool is_ipv4(struct mu_address address)
{
        static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

        return memcmp(address.bytes, mapped, sizeof(mapped)) == 0;
}

static uint64_t tag_of(const struct mu_auth_failures *table, struct mu_address address)
{
        /* Whoever has one IPv6 address has the /64. */
        uint64_t tag = mu_hash_bytes(&table->key, address.bytes, is_ipv4(address) ? 16 : 8);

        return tag ? tag : 1;
}

static struct entry *set_of(const struct mu_auth_failures *table, uint64_t tag)
{
        return &table->entries[(size_t)(tag & table->set_mask) * WAYS];
}

static struct entry *find(const struct mu_auth_failures *table, uint64_t tag)
{
        struct entry *set = set_of(table, tag);

        for (int i = 0; i < WAYS; i++) {
                if (atomic_load_explicit(&set[i].tag, memory_order_relaxed) == tag)
                        return &set[i];
        }
        return NULL;
}

/* A free place, or that of the address whose last failure is oldest. */
static struct entry *claim(struct mu_auth_failures *table, uint64_t tag, uint32_t now)
{
        struct entry *set = set_of(table, tag);

        for (;;) {
                struct entry *oldest = NULL;
                uint32_t oldest_age = 0;
                uint64_t oldest_tag = 0;

                for (int i = 0; i < WAYS; i++) {
                        uint64_t other = atomic_load_explicit(&set[i].tag, memory_order_relaxed);
                        uint64_t packed =
                                atomic_load_explicit(&set[i].counts, memory_order_relaxed);
                        uint32_t age = other == 0 ? UINT32_MAX : now - unpack(packed).window;

                        if (other == tag)
                                return &set[i];
                        if (!oldest || age > oldest_age) {
                                oldest = &set[i];
                                oldest_age = age;
                                oldest_tag = other;
                        }
                }
                if (!atomic_compare_exchange_strong_explicit(&oldest->tag, &oldest_tag, tag,
                                                             memory_order_relaxed,
                                                             memory_order_relaxed))
                        continue; /* somebody else took it: look again */
                if (oldest_tag != 0)
                        atomic_fetch_add_explicit(&table->evicted, 1, memory_order_relaxed);
                atomic_store_explicit(&oldest->counts, pack((struct counts){.window = now}),
                                      memory_order_relaxed);
                return oldest;
        }
}

void mu_auth_failures_note(struct mu_auth_failures *table, struct mu_address address,
                           uint64_t now_ns)
{
        uint32_t now = (uint32_t)(now_ns / table->window_ns);
        uint64_t tag = tag_of(table, address);
        struct entry *entry = find(table, tag);

        atomic_fetch_add_explicit(&table->noted, 1, memory_order_relaxed);
        if (!entry)
                entry = claim(table, tag, now);
        uint64_t packed = atomic_load_explicit(&entry->counts, memory_order_relaxed);
        uint64_t next;
        do {
                struct counts counts = aged(unpack(packed), now);

                if (counts.current < UINT16_MAX)
                        counts.current++;
                next = pack(counts);
        } while (!atomic_compare_exchange_weak_explicit(
                &entry->counts, &packed, next, memory_order_relaxed, memory_order_relaxed));
}

/* The sliding count at a moment of window: previous fades out linearly. In failures × window_ns,
 * so that nothing is rounded: 2^16 × 3600e9 fits. */
static uint64_t weight(const struct mu_auth_failures *table, struct counts counts, uint64_t into_ns)
{
        return counts.current * table->window_ns + counts.previous * (table->window_ns - into_ns);
}

uint32_t mu_auth_failures_blocked(const struct mu_auth_failures *table, struct mu_address address,
                                  uint64_t now_ns)
{
        uint32_t now = (uint32_t)(now_ns / table->window_ns);
        uint64_t into_ns = now_ns % table->window_ns;
        uint64_t limit = table->config.failures_max * table->window_ns;
        struct entry *entry =
                table->config.failures_max > 0 ? find(table, tag_of(table, address)) : NULL;

        if (!entry)
                return 0;
        struct counts counts =
                aged(unpack(atomic_load_explicit(&entry->counts, memory_order_relaxed)), now);
        uint64_t have = weight(table, counts, into_ns);
        if (have < limit)
                return 0;

        /* When does it fall below the limit? In this window by fading, or in the next one. */
        uint64_t wait_ns;
        if (counts.current < table->config.failures_max)
                wait_ns = (have - limit) / counts.previous;
        else
                wait_ns = table->window_ns - into_ns +
                          (counts.current - table->config.failures_max) * table->window_ns /
                                  counts.current;
        return (uint32_t)(wait_ns / (uint64_t)MU_NS_PER_S) + 1;
}

uint64_t mu_auth_failures_noted(const struct mu_auth_failures *table)
{
        return atomic_load_explicit(&table->noted, memory_order_relaxed);
}

uint64_t mu_auth_failures_evicted(const struct mu_auth_failures *table)
{
        return atomic_load_explicit(&table->evicted, memory_order_relaxed);
}

void mu_address_format(struct mu_address address, char *text)
{
        const char *done = is_ipv4(address)
                                   ? inet_ntop(AF_INET, address.bytes + 12, text, INET6_ADDRSTRLEN)
                                   : inet_ntop(AF_INET6, address.bytes, text, INET6_ADDRSTRLEN);

        MU_ASSERT(done);
}
