/* SPDX-License-Identifier: Apache-2.0 */
/*
 * device_find.h - a page of ids in an order, a step behind a cursor.
 *
 *   order by id, alias, created_at: PostgreSQL walks an index; memory's part of the filter travels
 *                                   along as ids, or is asked of each device when it lets many pass
 *   order by last_seen, battery,    memory picks the page, PostgreSQL's part of the filter having
 *   agent_version:                  said which ids
 *
 * Each order is total (ids break ties) and the cursor names the last device shown, so that pages
 * neither repeat nor leave out a device whose key does not change meanwhile, whatever others do. A
 * page may also begin so many devices further on (skip): that reaches any place of a long list at
 * once, but such pages shift against each other while devices come and go.
 *
 * Threads    any, each with its own connection. Ownership: mu_device_page_done.
 * Errors     of pg/error.h, -ENOMEM.
 */
#ifndef MUSTER_CONTROL_DEVICE_FIND_H
#define MUSTER_CONTROL_DEVICE_FIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/device/device_filter.h"
#include "muster/compiler.h"

struct mu_control;
struct mu_pg;

enum mu_device_sort {
        MU_DEVICE_SORT_ID,
        MU_DEVICE_SORT_ALIAS,
        MU_DEVICE_SORT_CREATED_AT,
        MU_DEVICE_SORT_LAST_SEEN, /* from here on: memory's */
        MU_DEVICE_SORT_BATTERY,
        MU_DEVICE_SORT_AGENT_VERSION,
        MU_DEVICE_SORT_COUNT,
};

#define MU_DEVICE_SORT_ONE_OF "id|alias|created_at|last_seen|battery|agent_version"

enum mu_device_find_limits {
        MU_DEVICE_PAGE_MAX = 500,
        MU_DEVICE_SKIP_MAX = 1000000,
        MU_DEVICE_KEY_BYTES = 1024, /* a sort key as text, with NUL: an alias, a version */
        MU_DEVICE_CURSOR_CHARS = 3072,
};

/* The device behind which a page begins. */
struct mu_device_cursor {
        int64_t id; /* 0: at the start */
        int64_t number;
        char text[MU_DEVICE_KEY_BYTES];
        uint32_t skip; /* and so many more; a cursor that is carried has none */
};

struct mu_device_order {
        enum mu_device_sort sort;
        bool descending;
};

struct mu_device_page {
        struct mu_device_ids ids;
        bool more;
        struct mu_device_cursor next; /* when there is more */
};

/* "alias", ... ; MU_DEVICE_SORT_COUNT: none of them. */
enum mu_device_sort mu_device_sort_parse(const char *name);

/* A cursor as clients carry it: opaque, but checked like everything that comes in. decode: false
 * when it is none, or of another order. */
int mu_device_cursor_encode(const struct mu_device_cursor *cursor,
                            const struct mu_device_order *order, char text[MU_DEVICE_CURSOR_CHARS]);
MU_MUST_CHECK
bool mu_device_cursor_decode(const char *text, const struct mu_device_order *order,
                             struct mu_device_cursor *ret_cursor);

/* All of these in one transaction that plans statements for their values. Inside of one already:
 * it stays open. */
MU_MUST_CHECK
int mu_device_find_begin(struct mu_pg *pg, bool *ret_own);
/* error: what came of it; the answer is the same, or that of the commit. */
MU_MUST_CHECK
int mu_device_find_end(struct mu_pg *pg, bool own, int error);

/* limit: 1..MU_DEVICE_PAGE_MAX; after->skip: up to MU_DEVICE_SKIP_MAX. */
MU_MUST_CHECK
int mu_device_find(struct mu_control *control, struct mu_pg *pg,
                   const struct mu_device_filter *filter, const struct mu_device_order *order,
                   const struct mu_device_cursor *after, size_t limit,
                   struct mu_device_page *ret_page);
void mu_device_page_done(struct mu_device_page *page);

/* How many pass, in all. */
MU_MUST_CHECK
int mu_device_count(struct mu_control *control, struct mu_pg *pg,
                    const struct mu_device_filter *filter, int64_t *ret_count);

#endif
