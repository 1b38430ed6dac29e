/* SPDX-License-Identifier: Apache-2.0 */
/*
 * live_list.h - doubly linked lists whose links are members of what they hold.
 *
 * A list is a link too; an entry that is in no list is linked to itself, and may be unlinked again.
 *
 * Threads    one. Ownership: none. Errors: none.
 */
#ifndef MUSTER_CONTROL_LIVE_LIVE_LIST_H
#define MUSTER_CONTROL_LIVE_LIVE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct mu_live_link {
        struct mu_live_link *prev;
        struct mu_live_link *next;
};

static inline void live_list_init(struct mu_live_link *list)
{
        list->prev = list->next = list;
}

static inline bool live_list_empty(const struct mu_live_link *list)
{
        return list->next == list;
}

static inline void live_unlink(struct mu_live_link *link)
{
        link->prev->next = link->next;
        link->next->prev = link->prev;
        live_list_init(link);
}

static inline void live_append(struct mu_live_link *list, struct mu_live_link *link)
{
        link->prev = list->prev;
        link->next = list;
        list->prev->next = link;
        list->prev = link;
}

/* The struct whose member the link is. */
#define LIVE_OF(type, member, address)                                                             \
        ((struct type *)(void *)((char *)(address)-offsetof(struct type, member)))

#endif
