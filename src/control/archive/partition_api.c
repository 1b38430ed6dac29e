/* SPDX-License-Identifier: Apache-2.0 */
#include "control/archive/partition_api.h"

#include "archive/layout.h"
#include "control/cell.h"

enum {
        PAGE_DEFAULT = 1000,
        PAGE_MAX = 2000,
};

/* What was dropped is the archive's to tell. A size is some stat() a partition, its rows are the
 * last ANALYZE's. */
static const struct mu_pg_statement LIST = {
        .name = "partition_list",
        .sql = "SELECT r.parent, r.partition,"
               " to_char(r.range_from AT TIME ZONE 'UTC', 'YYYY-MM-DD'), r.state,"
               " coalesce(pg_total_relation_size(c.oid), 0)::bigint,"
               " nullif(c.reltuples, -1)::bigint"
               " FROM partition_registry r LEFT JOIN pg_class c ON c.oid = to_regclass(r.partition)"
               " WHERE r.state <> 'dropped' AND ($1::text IS NULL OR r.parent = $1)"
               " ORDER BY r.range_from DESC, r.parent LIMIT $2",
        .params = {MU_PG_TEXT, MU_PG_INT8},
        .repeatable = true,
};

static json_t *partition_json(const struct mu_pg_result *rows, size_t row)
{
        return json_pack("{s:s, s:s, s:s, s:s, s:I, s:o}", "parent", mu_pg_get_text(rows, row, 0),
                         "partition", mu_pg_get_text(rows, row, 1), "day",
                         mu_pg_get_text(rows, row, 2), "state", mu_pg_get_text(rows, row, 3),
                         "bytes", (json_int_t)mu_pg_get_int(rows, row, 4), "rows",
                         mu_cell_integer(rows, row, 5));
}

static void list_partitions(struct mu_ask *ask)
{
        int64_t limit = mu_json_integer(ask->query, "limit", PAGE_DEFAULT);
        struct mu_pg_result *rows;

        if (!mu_ask_query(
                    ask, &LIST,
                    MU_PG_VALUES(mu_pg_text(mu_json_text(ask->query, "parent")), mu_pg_int8(limit)),
                    &rows))
                return;
        json_t *items = json_array();

        for (size_t i = 0; i < mu_pg_rows(rows); i++)
                (void)json_array_append_new(items, partition_json(rows, i));
        mu_pg_result_free(rows);
        mu_ask_reply(ask, 200, json_pack("{s:o}", "partitions", items));
}

#define NEEDED MU_FIELD_REQUIRED

static const struct mu_field QUERY_FIELDS[] = {
        {.name = "parent",
         .type = MU_FIELD_TEXT,
         .least = 1,
         .most = MU_ARCHIVE_NAME_BYTES - 1,
         .doc = "Only of this table."},
        {.name = "limit",
         .type = MU_FIELD_INTEGER,
         .least = 1,
         .most = PAGE_MAX,
         .doc = "Most partitions in the answer; 1000 unless said otherwise."},
};
static const struct mu_shape QUERY = MU_SHAPE("PartitionQuery", QUERY_FIELDS);

static const struct mu_field PARTITION_FIELDS[] = {
        {.name = "parent", .type = MU_FIELD_TEXT, .flags = NEEDED, .doc = "The table."},
        {.name = "partition", .type = MU_FIELD_TEXT, .flags = NEEDED, .doc = "Its own name."},
        {.name = "day", .type = MU_FIELD_TEXT, .flags = NEEDED, .doc = "UTC: 2026-11-21."},
        {.name = "state",
         .type = MU_FIELD_TEXT,
         .flags = NEEDED,
         .one_of = "attached|detaching|archiving|archived|restored",
         .doc = "Attached ones take rows; the others are on their way into the archive, or back "
                "for a while."},
        {.name = "bytes",
         .type = MU_FIELD_INTEGER,
         .flags = NEEDED,
         .doc = "On the disk, with indexes."},
        {.name = "rows",
         .type = MU_FIELD_INTEGER,
         .flags = NEEDED | MU_FIELD_NULLABLE,
         .doc = "As PostgreSQL last estimated; null: it has not yet."},
};
static const struct mu_shape PARTITION = MU_SHAPE("Partition", PARTITION_FIELDS);

static const struct mu_field PAGE_FIELDS[] = {
        {.name = "partitions",
         .type = MU_FIELD_LIST,
         .flags = NEEDED,
         .shape = &PARTITION,
         .doc = "Newest day first, those of the days to come before them."},
};
static const struct mu_shape PAGE = MU_SHAPE("PartitionPage", PAGE_FIELDS);

static const struct mu_endpoint rows[] = {
        {.method = "GET",
         .path = "/admin/partitions",
         .handle = list_partitions,
         .access = MU_ACCESS_OPERATOR,
         .scope = "archives:read",
         .flags = MU_ENDPOINT_ADMIN_KEY,
         .query = &QUERY,
         .reply_status = 200,
         .reply = &PAGE,
         .operation_id = "listPartitions",
         .tag = "Archive",
         .summary = "Days that are in PostgreSQL, and those made ahead"},
};

const struct mu_endpoints mu_partition_endpoints = MU_ENDPOINTS(rows);
