/* SPDX-License-Identifier: Apache-2.0 */
/*
 * link_table.h - a chained hash table of things that begin with their link.
 *
 *   struct thing { struct mu_link link; ... };
 *   for (struct mu_link *l = mu_link_table_first(&table, hash); l; l = l->next)
 *           if (is_it((struct thing *)l)) ...        others with the same slot come too
 *
 * Units      counts.
 * Threads    the caller's lock or thread.
 * Ownership  Things are the caller's; the table owns its slots. {0} is an empty table.
 * Errors     -ENOMEM, from reserve alone: what is reserved can be added.
 */
#ifndef MUSTER_BASE_LINK_TABLE_H
#define MUSTER_BASE_LINK_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "muster/compiler.h"

struct mu_link {
        struct mu_link *next;
        uint64_t hash;
};

struct mu_link_table {
        struct mu_link **slots;
        uint32_t mask;
        uint32_t count;
};

/* Room for one more. Doubles when full, so O(1) each on the whole. */
MU_MUST_CHECK
int mu_link_table_reserve(struct mu_link_table *table);
/* link->hash is set, and reserve was called since the last one was added. */
void mu_link_table_add(struct mu_link_table *table, struct mu_link *link);
void mu_link_table_remove(struct mu_link_table *table, struct mu_link *link); /* it is in it */
/* All in it, in no order; each may be freed in its call, none added or removed. */
void mu_link_table_each(const struct mu_link_table *table,
                        void (*visit)(struct mu_link *link, void *ctx), void *ctx);
/* The slots; what was in it stays the caller's. */
void mu_link_table_done(struct mu_link_table *table);

static inline struct mu_link *mu_link_table_first(const struct mu_link_table *table, uint64_t hash)
{
        return table->slots ? table->slots[hash & table->mask] : NULL;
}

#endif
