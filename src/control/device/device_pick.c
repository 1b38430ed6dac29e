/* SPDX-License-Identifier: Apache-2.0 */
#include "control/device/device_pick.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "control/control.h"
#include "identity/glance.h"

struct picked {
        int64_t id;
        int64_t key;      /* last seen, battery */
        const char *name; /* agent version; "" otherwise */
};

struct mu_device_pick {
        const struct mu_device_table *devices;
        const struct mu_device_filter *filter;
        struct mu_device_moment moment;
        struct mu_device_order order;
        struct picked after;
        size_t skip;  /* what is before the page */
        size_t limit; /* the page */
        size_t room;  /* both, and one that says there is more */
        size_t count;
        bool heaped; /* until it is full, it is no heap yet */
        struct picked heap[];
};

int mu_device_pick_create(struct mu_control *control, const struct mu_device_filter *filter,
                          const struct mu_device_order *order, const struct mu_device_cursor *after,
                          size_t limit, struct mu_device_pick **ret_pick)
{
        size_t room = after->skip + limit + 1; /* memory that no device fills is never touched */

        MU_ASSERT(after->skip <= MU_DEVICE_SKIP_MAX && limit <= MU_DEVICE_PAGE_MAX);
        struct mu_device_pick *pick = calloc(1, sizeof(*pick) + room * sizeof(pick->heap[0]));

        if (!pick)
                return -ENOMEM;
        pick->devices = control->config.devices;
        pick->filter = filter;
        pick->moment = mu_device_moment(control, filter);
        pick->order = *order;
        pick->after = (struct picked){.id = after->id, .key = after->number, .name = after->text};
        pick->skip = after->skip;
        pick->limit = limit;
        pick->room = room;
        *ret_pick = pick;
        return 0;
}

void mu_device_pick_destroy(struct mu_device_pick *pick)
{
        free(pick);
}

/* Below 0: a comes before b. Versions by their numbers: 1.9 before 1.10. */
static int compare(const struct mu_device_pick *pick, const struct picked *a,
                   const struct picked *b)
{
        int order = a->key < b->key ? -1 : a->key > b->key;

        if (order == 0 && a->name != b->name)
                order = strverscmp(a->name, b->name);
        if (order == 0)
                order = a->id < b->id ? -1 : a->id > b->id;
        return pick->order.descending ? -order : order;
}

static void swap(struct picked *a, struct picked *b)
{
        struct picked kept = *a;

        *a = *b;
        *b = kept;
}

/* The root comes after all others. */
static void sift_down(struct mu_device_pick *pick, size_t at)
{
        for (;;) {
                size_t last = at;

                for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < pick->count; child++)
                        if (compare(pick, &pick->heap[child], &pick->heap[last]) > 0)
                                last = child;
                if (last == at)
                        return;
                swap(&pick->heap[at], &pick->heap[last]);
                at = last;
        }
}

/* All at once, from the leaves up: what was offered in order would rise to the root each time. */
static void make_heap(struct mu_device_pick *pick)
{
        for (size_t at = pick->count / 2; at-- > 0;)
                sift_down(pick, at);
        pick->heaped = true;
}

/* The last of them leaves. */
static struct picked pop(struct mu_device_pick *pick)
{
        struct picked last = pick->heap[0];

        pick->heap[0] = pick->heap[--pick->count];
        sift_down(pick, 0);
        return last;
}

static struct picked key_of(const struct mu_device_pick *pick, const struct mu_device *device)
{
        struct picked offered = {.id = device->id, .name = ""};

        switch (pick->order.sort) {
        case MU_DEVICE_SORT_LAST_SEEN:
                offered.key = mu_device_last_seen_s(device, &pick->moment);
                break;
        case MU_DEVICE_SORT_BATTERY:
                offered.key = mu_glance_read(device).battery;
                break;
        case MU_DEVICE_SORT_AGENT_VERSION:
                offered.name = mu_names_text(mu_device_table_versions(pick->devices),
                                             mu_glance_read(device).version_id);
                break;
        default:
                MU_ASSERT(pick->order.sort >= MU_DEVICE_SORT_LAST_SEEN);
        }
        return offered;
}

static void offer(struct mu_device_pick *pick, const struct mu_device *device)
{
        if (!mu_device_matches(device, pick->filter, &pick->moment))
                return;
        struct picked offered = key_of(pick, device);

        if (pick->after.id != 0 && compare(pick, &offered, &pick->after) <= 0)
                return;
        if (pick->count < pick->room) {
                pick->heap[pick->count++] = offered;
                return;
        }
        if (!pick->heaped)
                make_heap(pick);
        if (compare(pick, &offered, &pick->heap[0]) < 0) {
                pick->heap[0] = offered;
                sift_down(pick, 0);
        }
}

void mu_device_pick_offer_id(struct mu_device_pick *pick, int64_t id)
{
        const struct mu_device *device = mu_device_table_by_id(pick->devices, id);

        if (device)
                offer(pick, device);
}

void mu_device_pick_offer_all(struct mu_device_pick *pick)
{
        uint32_t count = mu_device_table_count(pick->devices);

        for (uint32_t i = 0; i < count; i++)
                offer(pick, mu_device_table_at(pick->devices, i));
}

int mu_device_pick_take(struct mu_device_pick *pick, struct mu_device_page *page)
{
        struct picked rows[MU_DEVICE_PAGE_MAX + 1];
        size_t count = pick->count > pick->skip ? pick->count - pick->skip : 0;

        MU_ASSERT(count <= pick->limit + 1);
        if (!pick->heaped)
                make_heap(pick);
        for (size_t i = count; i-- > 0;)
                rows[i] = pop(pick);
        page->more = count > pick->limit;
        count -= page->more;
        for (size_t i = 0; i < count; i++)
                if (mu_device_ids_add(&page->ids, rows[i].id) < 0)
                        return -ENOMEM;
        if (page->more) {
                const struct picked *last = &rows[count - 1];

                page->next.id = last->id;
                page->next.number = last->key;
                (void)snprintf(page->next.text, sizeof(page->next.text), "%s", last->name);
        }
        return 0;
}
