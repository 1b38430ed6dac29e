/* SPDX-License-Identifier: Apache-2.0 */
#include "base/link_table.h"

#include <errno.h>
#include <stdlib.h>

#include "base/assert.h"

enum { SLOTS_AT_START = 64 };

static void put(struct mu_link **slots, uint32_t mask, struct mu_link *link)
{
        struct mu_link **slot = &slots[link->hash & mask];

        link->next = *slot;
        *slot = link;
}

int mu_link_table_reserve(struct mu_link_table *table)
{
        if (table->slots && table->count <= table->mask)
                return 0;
        uint32_t count = table->slots ? (table->mask + 1) * 2 : SLOTS_AT_START;
        struct mu_link **slots = calloc(count, sizeof(struct mu_link *));

        if (!slots)
                return -ENOMEM;
        for (uint32_t i = 0; table->slots && i <= table->mask; i++) {
                for (struct mu_link *link = table->slots[i], *next; link; link = next) {
                        next = link->next;
                        put(slots, count - 1, link);
                }
        }
        free(table->slots);
        table->slots = slots;
        table->mask = count - 1;
        return 0;
}

void mu_link_table_add(struct mu_link_table *table, struct mu_link *link)
{
        MU_ASSERT(table->slots && table->count <= table->mask);
        put(table->slots, table->mask, link);
        table->count++;
}

void mu_link_table_remove(struct mu_link_table *table, struct mu_link *link)
{
        struct mu_link **at = &table->slots[link->hash & table->mask];

        while (*at != link) {
                MU_ASSERT(*at);
                at = &(*at)->next;
        }
        *at = link->next;
        table->count--;
}

void mu_link_table_each(const struct mu_link_table *table,
                        void (*visit)(struct mu_link *link, void *ctx), void *ctx)
{
        for (uint32_t i = 0; table->slots && i <= table->mask; i++) {
                for (struct mu_link *link = table->slots[i], *next; link; link = next) {
                        next = link->next;
                        visit(link, ctx);
                }
        }
}

void mu_link_table_done(struct mu_link_table *table)
{
        free(table->slots);
        *table = (struct mu_link_table){0};
}
