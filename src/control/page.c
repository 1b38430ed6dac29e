/* SPDX-License-Identifier: Apache-2.0 */
#include "control/page.h"

static int64_t limit_of(const struct mu_ask *ask, const struct mu_page *page)
{
        return mu_json_integer(ask->query, "limit", page->limit_count);
}

struct mu_pg_value mu_page_before(const struct mu_ask *ask)
{
        int64_t before = mu_json_id(ask->query, "before");

        return before ? mu_pg_int8(before) : mu_pg_null(MU_PG_INT8);
}

struct mu_pg_value mu_page_limit(const struct mu_ask *ask, const struct mu_page *page)
{
        return mu_pg_int8(limit_of(ask, page));
}

struct mu_pg_value mu_page_time(const struct mu_ask *ask, const char *name)
{
        return mu_json_has(ask->query, name)
                       ? mu_pg_timestamptz(mu_json_time_us(ask->query, name, 0))
                       : mu_pg_null(MU_PG_TIMESTAMPTZ);
}

void mu_page_reply(struct mu_ask *ask, const struct mu_page *page,
                   const struct mu_pg_statement *statement, const struct mu_pg_value *values)
{
        struct mu_pg_result *rows;

        if (!mu_ask_query(ask, statement, values, &rows))
                return;
        size_t count = mu_pg_rows(rows);
        json_t *list = json_array();

        for (size_t i = 0; i < count; i++)
                (void)json_array_append_new(list, page->item(rows, i));
        json_t *next = (int64_t)count == limit_of(ask, page)
                               ? mu_json_of_id(mu_pg_get_int(rows, count - 1, 0))
                               : json_null();

        mu_pg_result_free(rows);
        mu_ask_reply(ask, 200, json_pack("{s:o, s:o}", page->name, list, "next_before", next));
}
