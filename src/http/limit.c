/* SPDX-License-Identifier: Apache-2.0 */
/*
 * limit.c - the descriptor limit, and connections per address where somebody wants that.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/assert.h"
#include "base/hash.h"
#include "base/random.h"
#include "http/limit.h"

int mu_descriptors_raise(uint64_t *ret_limit)
{
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
                return -errno;
        if (limit.rlim_cur < limit.rlim_max) {
                struct rlimit raised = {.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};

                /* Refused (a kernel-wide maximum): what there is must do. */
                if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
                        limit = raised;
        }
        *ret_limit = limit.rlim_cur;
        return 0;
}

/* Chains by keyed hash; one entry per address with open connections. */

#define BUCKETS 4096

struct entry {
        struct entry *next;
        struct mu_address address;
        uint32_t count;
};

struct mu_address_counts {
        pthread_mutex_t lock; /* taken per connection, not per request, and only if configured */
        struct mu_hash_key key;
        uint32_t per_address;
        struct entry *buckets[BUCKETS];
};

struct mu_address_counts *mu_address_counts_create(uint32_t per_address)
{
        struct mu_address_counts *counts = calloc(1, sizeof(*counts));

        if (!counts || mu_random_secret(&counts->key, sizeof(counts->key)) < 0) {
                free(counts);
                return NULL;
        }
        counts->per_address = per_address;
        pthread_mutex_init(&counts->lock, NULL);
        return counts;
}

void mu_address_counts_destroy(struct mu_address_counts *counts)
{
        if (!counts)
                return;
        for (size_t i = 0; i < BUCKETS; i++)
                MU_ASSERT(!counts->buckets[i]);
        pthread_mutex_destroy(&counts->lock);
        free(counts);
}

static struct entry **find(struct mu_address_counts *counts, struct mu_address address)
{
        uint64_t hash = mu_hash_bytes(&counts->key, address.bytes, sizeof(address.bytes));
        struct entry **at = &counts->buckets[hash % BUCKETS];

        while (*at && memcmp((*at)->address.bytes, address.bytes, sizeof(address.bytes)) != 0)
                at = &(*at)->next;
        return at;
}

bool mu_address_counts_enter(struct mu_address_counts *counts, struct mu_address address)
{
        bool entered = false;

        pthread_mutex_lock(&counts->lock);
        struct entry **at = find(counts, address);
        if (!*at) {
                *at = calloc(1, sizeof(**at));
                if (*at)
                        (*at)->address = address;
        }
        if (*at && (*at)->count < counts->per_address) {
                (*at)->count++;
                entered = true;
        }
        pthread_mutex_unlock(&counts->lock);
        return entered;
}

void mu_address_counts_leave(struct mu_address_counts *counts, struct mu_address address)
{
        pthread_mutex_lock(&counts->lock);
        struct entry **at = find(counts, address);
        MU_ASSERT(*at && (*at)->count > 0);
        if (--(*at)->count == 0) {
                struct entry *gone = *at;

                *at = gone->next;
                free(gone);
        }
        pthread_mutex_unlock(&counts->lock);
}
