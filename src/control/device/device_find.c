/* SPDX-License-Identifier: Apache-2.0 */
#include "control/device/device_find.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "control/control.h"
#include "control/device/device_pick.h"
#include "identity/base64url.h"

enum {
        /* The planner looks at each id of a list: a thousand take it a millisecond. */
        MEMBERS_MAX = 1000,
        WALK_STEP_MIN = 400,
        WALK_STEP_MAX = 8000,
};

/* ---- orders and cursors ---- */

static const char *const SORTS[] = {
        [MU_DEVICE_SORT_ID] = "id",
        [MU_DEVICE_SORT_ALIAS] = "alias",
        [MU_DEVICE_SORT_CREATED_AT] = "created_at",
        [MU_DEVICE_SORT_LAST_SEEN] = "last_seen",
        [MU_DEVICE_SORT_BATTERY] = "battery",
        [MU_DEVICE_SORT_AGENT_VERSION] = "agent_version",
};

enum mu_device_sort mu_device_sort_parse(const char *name)
{
        size_t i = 0;

        while (i < MU_DEVICE_SORT_COUNT && strcmp(SORTS[i], name) != 0)
                i++;
        return (enum mu_device_sort)i;
}

int mu_device_cursor_encode(const struct mu_device_cursor *cursor,
                            const struct mu_device_order *order, char text[MU_DEVICE_CURSOR_CHARS])
{
        json_t *json = json_pack("{s:s, s:b, s:I, s:I, s:s}", "s", SORTS[order->sort], "d",
                                 order->descending, "i", (json_int_t)cursor->id, "n",
                                 (json_int_t)cursor->number, "t", cursor->text);
        char *plain = json ? json_dumps(json, JSON_COMPACT) : NULL;

        json_decref(json);
        if (!plain)
                return -ENOMEM;
        size_t bytes = strlen(plain);
        int error = MU_BASE64URL_CHARS(bytes) < MU_DEVICE_CURSOR_CHARS ? 0 : -ENOBUFS;

        if (error == 0)
                (void)mu_base64url_encode(plain, bytes, text);
        free(plain);
        return error;
}

bool mu_device_cursor_decode(const char *text, const struct mu_device_order *order,
                             struct mu_device_cursor *ret_cursor)
{
        char plain[MU_DEVICE_CURSOR_CHARS];
        struct mu_device_cursor cursor = {0};
        size_t bytes;
        const char *sort;
        const char *key;
        int descending;
        json_int_t id;
        json_int_t number;

        if (mu_base64url_decode(text, strlen(text), plain, sizeof(plain), &bytes) < 0)
                return false;
        json_t *json = json_loadb(plain, bytes, JSON_REJECT_DUPLICATES, NULL);
        bool valid = json && json_unpack(json, "{s:s, s:b, s:I, s:I, s:s !}", "s", &sort, "d",
                                         &descending, "i", &id, "n", &number, "t", &key) == 0;

        valid = valid && id > 0 && strcmp(sort, SORTS[order->sort]) == 0 &&
                (bool)descending == order->descending && strlen(key) < sizeof(cursor.text);
        if (valid && order->sort == MU_DEVICE_SORT_CREATED_AT) /* what timestamptz can hold */
                valid = number >= 0 && number < INT64_C(253402300800) * MU_US_PER_S;
        if (valid) {
                cursor.id = id;
                cursor.number = number;
                (void)snprintf(cursor.text, sizeof(cursor.text), "%s", key);
                *ret_cursor = cursor;
        }
        json_decref(json);
        return valid;
}

/* ---- statements: $9 the last key, $10 the last id (NULL at the start), $11 how many, $12 behind
 * how many more ---- */

#define PAGE_BY(sort_name, key, key_type, key_param, direction, beyond)                            \
        {                                                                                          \
                .name = "device_page_by_" sort_name,                                               \
                .sql = "SELECT d.id, " key " FROM devices d WHERE" MU_DEVICE_FILTER_SQL            \
                       " AND ($10::bigint IS NULL OR (" key ", d.id) " beyond " ($9" key_type      \
                       ", $10)) ORDER BY " key " " direction ", d.id " direction                   \
                       " LIMIT $11 OFFSET $12",                                                    \
                .params = {MU_DEVICE_FILTER_PARAMS, key_param, MU_PG_INT8, MU_PG_INT8,             \
                           MU_PG_INT8},                                                            \
                .repeatable = true,                                                                \
        }

/* An order by id alone: the pair of the others would not be seen as one by the planner. */
#define PAGE_BY_ID(sort_name, direction, beyond)                                                   \
        {                                                                                          \
                .name = "device_page_by_" sort_name,                                               \
                .sql = "SELECT d.id, $9::bigint FROM devices d WHERE" MU_DEVICE_FILTER_SQL         \
                       " AND ($10::bigint IS NULL OR d.id " beyond " $10)"                         \
                       " ORDER BY d.id " direction " LIMIT $11 OFFSET $12",                        \
                .params = {MU_DEVICE_FILTER_PARAMS, MU_PG_INT8, MU_PG_INT8, MU_PG_INT8,            \
                           MU_PG_INT8},                                                            \
                .repeatable = true,                                                                \
        }

static const struct mu_pg_statement PAGES[MU_DEVICE_SORT_LAST_SEEN][2] = {
        [MU_DEVICE_SORT_ID] = {PAGE_BY_ID("id", "ASC", ">"), PAGE_BY_ID("id_desc", "DESC", "<")},
        [MU_DEVICE_SORT_ALIAS] = {PAGE_BY("alias", "lower(d.alias)", "::text", MU_PG_TEXT, "ASC",
                                          ">"),
                                  PAGE_BY("alias_desc", "lower(d.alias)", "::text", MU_PG_TEXT,
                                          "DESC", "<")},
        [MU_DEVICE_SORT_CREATED_AT] = {PAGE_BY("created_at", "d.created_at", "", MU_PG_TIMESTAMPTZ,
                                               "ASC", ">"),
                                       PAGE_BY("created_at_desc", "d.created_at", "",
                                               MU_PG_TIMESTAMPTZ, "DESC", "<")},
};

static const struct mu_pg_statement MATCHING = {
        .name = "device_matching",
        .sql = "SELECT d.id FROM devices d WHERE" MU_DEVICE_FILTER_SQL,
        .params = {MU_DEVICE_FILTER_PARAMS},
        .repeatable = true,
};

static const struct mu_pg_statement COUNT = {
        .name = "device_count",
        .sql = "SELECT count(*) FROM devices d WHERE" MU_DEVICE_FILTER_SQL,
        .params = {MU_DEVICE_FILTER_PARAMS},
        .repeatable = true,
};

int mu_device_find_begin(struct mu_pg *pg, bool *ret_own)
{
        bool own = !mu_pg_in_transaction(pg);
        int error = own ? mu_pg_begin(pg) : 0;

        if (error == 0)
                error = mu_pg_script(pg, "device_plan",
                                     "SET LOCAL plan_cache_mode = "
                                     "force_custom_plan");
        if (error < 0 && own)
                mu_pg_rollback(pg);
        if (error == 0)
                *ret_own = own;
        return error;
}

int mu_device_find_end(struct mu_pg *pg, bool own, int error)
{
        if (!own)
                return error;
        if (error == 0)
                return mu_pg_commit(pg);
        mu_pg_rollback(pg);
        return error;
}

/* ---- PostgreSQL's orders ---- */

static struct mu_pg_value key_value(enum mu_device_sort sort, const struct mu_device_cursor *after)
{
        switch (sort) {
        case MU_DEVICE_SORT_ALIAS:
                return mu_pg_text(after->text);
        case MU_DEVICE_SORT_CREATED_AT:
                return mu_pg_timestamptz(after->number);
        default:
                return mu_pg_int8(after->id);
        }
}

/* The place behind a row. */
static void cursor_of(const struct mu_pg_result *rows, size_t row, enum mu_device_sort sort,
                      struct mu_device_cursor *cursor)
{
        cursor->id = mu_pg_get_int(rows, row, 0);
        if (sort == MU_DEVICE_SORT_ALIAS)
                (void)snprintf(cursor->text, sizeof(cursor->text), "%s",
                               mu_pg_get_text(rows, row, 1));
        else if (sort == MU_DEVICE_SORT_CREATED_AT)
                cursor->number = mu_pg_get_timestamptz(rows, row, 1);
}

static int ask_page(struct mu_pg *pg, const struct mu_device_filter *filter,
                    const struct mu_device_ids *members, const struct mu_device_order *order,
                    const struct mu_device_cursor *after, size_t count, uint32_t skip,
                    struct mu_pg_result **ret_rows)
{
        return mu_pg_query(pg, &PAGES[order->sort][order->descending],
                           MU_PG_VALUES(MU_DEVICE_FILTER_VALUES(filter, members),
                                        key_value(order->sort, after),
                                        after->id ? mu_pg_int8(after->id) : mu_pg_null(MU_PG_INT8),
                                        mu_pg_int8((int64_t)count), mu_pg_int8(skip)),
                           ret_rows);
}

/* What becomes of rows that PostgreSQL gives in order. */
struct taking {
        const struct mu_device_table *devices;
        const struct mu_device_filter *filter;
        const struct mu_device_moment *moment; /* NULL: memory lets everything through */
        enum mu_device_sort sort;
        size_t limit;
        uint32_t skip; /* so many of those let through are still passed over */
        struct mu_device_page *page;
};

/* Takes what memory lets through, until the page is full and there is another. */
static int take_rows(struct taking *taking, const struct mu_pg_result *rows)
{
        struct mu_device_page *page = taking->page;

        for (size_t i = 0; i < mu_pg_rows(rows); i++) {
                int64_t id = mu_pg_get_int(rows, i, 0);

                if (taking->moment) {
                        const struct mu_device *device = mu_device_table_by_id(taking->devices, id);

                        if (!device || !mu_device_matches(device, taking->filter, taking->moment))
                                continue;
                }
                if (taking->skip > 0) {
                        taking->skip--;
                        continue;
                }
                page->more = page->ids.count == taking->limit;
                if (page->more)
                        return 0;
                if (mu_device_ids_add(&page->ids, id) < 0)
                        return -ENOMEM;
                cursor_of(rows, i, taking->sort, &page->next);
        }
        return 0;
}

/* Memory lets many through: PostgreSQL's order is walked and memory asked of each, in steps that
 * grow with how rare they turn out to be. */
static int walk(struct mu_control *control, struct mu_pg *pg, const struct mu_device_filter *filter,
                const struct mu_device_order *order, const struct mu_device_cursor *after,
                size_t limit, struct mu_device_page *page)
{
        struct mu_device_moment moment = mu_device_moment(control, filter);
        struct taking taking = {.devices = control->config.devices,
                                .filter = filter,
                                .moment = &moment,
                                .sort = order->sort,
                                .limit = limit,
                                .skip = after->skip,
                                .page = page};
        const struct mu_device_ids everyone = {0};
        struct mu_device_cursor at = *after;
        size_t step = 2 * limit + WALK_STEP_MIN + after->skip;
        struct mu_pg_result *rows;

        for (;;) {
                step = step < WALK_STEP_MAX ? step : WALK_STEP_MAX;
                int error = ask_page(pg, filter, &everyone, order, &at, step, 0, &rows);

                if (error < 0)
                        return error;
                bool last = mu_pg_rows(rows) < step;

                error = take_rows(&taking, rows);
                if (!last)
                        cursor_of(rows, step - 1, order->sort, &at);
                mu_pg_result_free(rows);
                if (error < 0 || last || page->more)
                        return error;
                step *= 2;
        }
}

static int find_by_database(struct mu_control *control, struct mu_pg *pg,
                            const struct mu_device_filter *filter,
                            const struct mu_device_order *order,
                            const struct mu_device_cursor *after, size_t limit,
                            struct mu_device_page *page)
{
        struct taking taking = {.sort = order->sort, .limit = limit, .page = page};
        struct mu_device_ids members;
        struct mu_pg_result *rows;
        int error = mu_device_ids_by_memory(control, filter, &members);

        if (error < 0)
                return error;
        if (members.ids && members.count > MEMBERS_MAX) {
                mu_device_ids_done(&members);
                return walk(control, pg, filter, order, after, limit, page);
        }
        error = ask_page(pg, filter, &members, order, after, limit + 1, after->skip, &rows);
        mu_device_ids_done(&members);
        if (error < 0)
                return error;
        error = take_rows(&taking, rows);
        mu_pg_result_free(rows);
        return error;
}

/* ---- memory's orders ---- */

static int on_matching(void *context, const struct mu_pg_result *row)
{
        mu_device_pick_offer_id(context, mu_pg_get_int(row, 0, 0));
        return 0;
}

static int offer_all(struct mu_control *control, struct mu_pg *pg,
                     const struct mu_device_filter *filter, struct mu_device_pick *pick)
{
        const struct mu_device_ids everyone = {0};

        if (!mu_device_filter_asks_database(filter)) {
                mu_device_pick_offer_all(pick);
                return 0;
        }
        (void)control;
        return mu_pg_each(pg, &MATCHING, MU_PG_VALUES(MU_DEVICE_FILTER_VALUES(filter, &everyone)),
                          on_matching, pick);
}

static int find_by_memory(struct mu_control *control, struct mu_pg *pg,
                          const struct mu_device_filter *filter,
                          const struct mu_device_order *order, const struct mu_device_cursor *after,
                          size_t limit, struct mu_device_page *page)
{
        struct mu_device_pick *pick;
        int error = mu_device_pick_create(control, filter, order, after, limit, &pick);

        if (error < 0)
                return error;
        error = offer_all(control, pg, filter, pick);
        if (error == 0)
                error = mu_device_pick_take(pick, page);
        mu_device_pick_destroy(pick);
        return error;
}

/* ---- */

int mu_device_find(struct mu_control *control, struct mu_pg *pg,
                   const struct mu_device_filter *filter, const struct mu_device_order *order,
                   const struct mu_device_cursor *after, size_t limit,
                   struct mu_device_page *ret_page)
{
        bool by_memory = order->sort >= MU_DEVICE_SORT_LAST_SEEN;
        struct mu_device_page page = {0};
        int error = 0;

        MU_ASSERT(limit >= 1 && limit <= MU_DEVICE_PAGE_MAX);
        if (by_memory || mu_device_filter_asks_memory(filter))
                error = mu_device_glances_load(control, pg);
        if (error == 0 && by_memory)
                error = find_by_memory(control, pg, filter, order, after, limit, &page);
        else if (error == 0)
                error = find_by_database(control, pg, filter, order, after, limit, &page);
        if (error < 0) {
                mu_device_page_done(&page);
                return error;
        }
        *ret_page = page;
        return 0;
}

void mu_device_page_done(struct mu_device_page *page)
{
        mu_device_ids_done(&page->ids);
}

/* ---- counting ---- */

struct counting {
        const struct mu_device_table *devices;
        const struct mu_device_filter *filter;
        struct mu_device_moment moment;
        int64_t count;
};

static int count_matching(void *context, const struct mu_pg_result *row)
{
        struct counting *counting = context;
        const struct mu_device *device =
                mu_device_table_by_id(counting->devices, mu_pg_get_int(row, 0, 0));

        counting->count += device && mu_device_matches(device, counting->filter, &counting->moment);
        return 0;
}

/* Both have a say. */
static int count_by_both(struct mu_control *control, struct mu_pg *pg,
                         const struct mu_device_filter *filter, int64_t *ret_count)
{
        const struct mu_device_ids everyone = {0};
        struct counting counting = {.devices = control->config.devices,
                                    .filter = filter,
                                    .moment = mu_device_moment(control, filter)};
        int error =
                mu_pg_each(pg, &MATCHING, MU_PG_VALUES(MU_DEVICE_FILTER_VALUES(filter, &everyone)),
                           count_matching, &counting);

        if (error == 0)
                *ret_count = counting.count;
        return error;
}

int mu_device_count(struct mu_control *control, struct mu_pg *pg,
                    const struct mu_device_filter *filter, int64_t *ret_count)
{
        struct mu_device_ids members;
        struct mu_pg_result *rows;
        bool by_memory = mu_device_filter_asks_memory(filter);
        int error = by_memory ? mu_device_glances_load(control, pg) : 0;

        if (error == 0 && by_memory && mu_device_filter_asks_database(filter))
                return count_by_both(control, pg, filter, ret_count);
        if (error == 0)
                error = mu_device_ids_by_memory(control, filter, &members);
        if (error < 0)
                return error;
        if (by_memory) {
                *ret_count = (int64_t)members.count;
        } else {
                error = mu_pg_query(pg, &COUNT,
                                    MU_PG_VALUES(MU_DEVICE_FILTER_VALUES(filter, &members)), &rows);
                if (error == 0) {
                        *ret_count = mu_pg_get_int(rows, 0, 0);
                        mu_pg_result_free(rows);
                }
        }
        mu_device_ids_done(&members);
        return error;
}
