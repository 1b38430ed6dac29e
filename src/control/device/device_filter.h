/* SPDX-License-Identifier: Apache-2.0 */
/*
 * device_filter.h - which devices a list, an export or a selection means.
 *
 * What devices say of themselves all the time (last seen, battery, network, agent version) is
 * compared in memory (identity/glance.h), the rest in PostgreSQL:
 *
 *   memory's part ─▶ ids ─┐
 *                         ├─▶ WHERE ... = the same filter everywhere
 *   the other parts ──────┘
 *
 * Status     by the time since the device was last heard of, in its own intervals:
 *            online up to 2 and a minute, late up to 4 and a minute, then silent; never: it has not
 *            made a request yet. Quarantined and deleted are statuses of their own.
 * Units      *_s since the Unix epoch.
 * Threads    any. Ownership: a filter borrows the JSON it was read from, and owns what it adds.
 * Errors     negative errno.
 */
#ifndef MUSTER_CONTROL_DEVICE_FILTER_H
#define MUSTER_CONTROL_DEVICE_FILTER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/shape.h"
#include "identity/device_table.h"
#include "muster/compiler.h"
#include "pg/query.h"

struct mu_control;

enum mu_device_status {
        MU_DEVICE_STATUS_ANY, /* but deleted */
        MU_DEVICE_STATUS_ONLINE,
        MU_DEVICE_STATUS_LATE,
        MU_DEVICE_STATUS_SILENT,
        MU_DEVICE_STATUS_NEVER,
        MU_DEVICE_STATUS_QUARANTINED,
        MU_DEVICE_STATUS_DELETED,
};

#define MU_DEVICE_STATUS_ONE_OF "online|late|silent|never|quarantined|deleted"
#define MU_DEVICE_NETWORK_ONE_OF "wifi|cellular|ethernet|offline"

enum mu_device_limits {
        MU_DEVICE_ALIAS_CHARS_MAX = 128,
        MU_DEVICE_SITE_CHARS_MAX = 100,
        MU_DEVICE_NOTES_CHARS_MAX = 4000,
        MU_DEVICE_TAGS_MAX = 32,
        MU_DEVICE_TAG_CHARS_MAX = 64,
        MU_DEVICE_SEARCH_CHARS_MAX = 200,
};

/* The fields of a filter, in a query string or a selection's "filter". */
#define MU_DEVICE_FILTER_FIELDS                                                                    \
        {.name = "q",                                                                              \
         .type = MU_FIELD_TEXT,                                                                    \
         .least = 1,                                                                               \
         .most = MU_DEVICE_SEARCH_CHARS_MAX,                                                       \
         .doc = "Part of the alias, the hardware id, the site or the notes, in any case; or "      \
                "a whole id."},                                                                    \
                {.name = "kind", .type = MU_FIELD_TEXT, .one_of = "android|desktop"},              \
                {.name = "site",                                                                   \
                 .type = MU_FIELD_TEXT,                                                            \
                 .least = 1,                                                                       \
                 .most = MU_DEVICE_SITE_CHARS_MAX},                                                \
                {.name = "tag",                                                                    \
                 .type = MU_FIELD_LIST,                                                            \
                 .items = MU_FIELD_TEXT,                                                           \
                 .least = 1,                                                                       \
                 .most = MU_DEVICE_TAGS_MAX,                                                       \
                 .doc = "Devices that have all of these tags."},                                   \
                {.name = "status",                                                                 \
                 .type = MU_FIELD_TEXT,                                                            \
                 .one_of = MU_DEVICE_STATUS_ONE_OF,                                                \
                 .doc = "online: heard of within 2 intervals and a minute; late: within 4; "       \
                        "silent: longer ago. Without it: all but the deleted."},                   \
                {.name = "battery_below", .type = MU_FIELD_INTEGER, .least = 1, .most = 101},      \
                {.name = "agent_version",                                                          \
                 .type = MU_FIELD_TEXT,                                                            \
                 .least = 1,                                                                       \
                 .most = 64,                                                                       \
                 .doc = "As last reported."},                                                      \
                {.name = "network", .type = MU_FIELD_TEXT, .one_of = MU_DEVICE_NETWORK_ONE_OF},    \
        {                                                                                          \
                .name = "app", .type = MU_FIELD_TEXT, .least = 1, .most = 255,                     \
                .doc = "The package in the foreground, as last reported."                          \
        }

struct mu_device_filter {
        /* PostgreSQL's part. */
        char *pattern; /* of LIKE; NULL: none */
        char *tags;    /* joined by MU_DEVICE_TAG_SEPARATOR; NULL: none */
        int64_t id;    /* that q may mean; 0: none */
        const char *kind;
        const char *site;
        const char *app;

        /* Memory's. */
        enum mu_device_status status;
        int battery_below; /* 0: any */
        int network;       /* -1: any */
        const char *agent_version;
};

#define MU_DEVICE_TAG_SEPARATOR "\x1f"

/* object: fits MU_DEVICE_FILTER_FIELDS, or NULL for all devices. 0 or -ENOMEM. */
MU_MUST_CHECK
int mu_device_filter_read(const json_t *object, struct mu_device_filter *ret_filter);
void mu_device_filter_done(struct mu_device_filter *filter);

/* Whether PostgreSQL (memory) has a say in it. The kind is known to both. */
bool mu_device_filter_asks_database(const struct mu_device_filter *filter);
bool mu_device_filter_asks_memory(const struct mu_device_filter *filter);

/* ---- PostgreSQL's part ---- */

/* Parameters $1..$8 of a statement over "devices d"; plan it for its values (NULLs fold away). */
#define MU_DEVICE_FILTER_SQL                                                                       \
        " CASE WHEN $1 THEN d.deleted_at IS NOT NULL ELSE d.deleted_at IS NULL END"                \
        " AND ($2::text IS NULL OR d.search LIKE lower($2) OR d.id = $3)"                          \
        " AND ($4::text IS NULL OR d.site = $4)"                                                   \
        " AND ($5::text IS NULL"                                                                   \
        "  OR d.tags <> '{}' AND d.tags @> string_to_array($5, '" MU_DEVICE_TAG_SEPARATOR "'))"    \
        " AND ($6::text IS NULL OR d.kind = $6)"                                                   \
        " AND ($7::text IS NULL OR EXISTS (SELECT FROM device_last_status a"                       \
        "  WHERE a.device_id = d.id AND a.fg_package = $7))"                                       \
        " AND ($8::bigint[] IS NULL OR d.id = ANY ($8))"
#define MU_DEVICE_FILTER_PARAMS                                                                    \
        MU_PG_BOOL, MU_PG_TEXT, MU_PG_INT8, MU_PG_TEXT, MU_PG_TEXT, MU_PG_TEXT, MU_PG_TEXT,        \
                MU_PG_INT8_ARRAY
/* ids: a struct mu_device_ids, what memory let through; its ids NULL: everything. */
#define MU_DEVICE_FILTER_VALUES(filter, members)                                                   \
        mu_pg_bool((filter)->status == MU_DEVICE_STATUS_DELETED), mu_pg_text((filter)->pattern),   \
                mu_pg_int8((filter)->id), mu_pg_text((filter)->site), mu_pg_text((filter)->tags),  \
                mu_pg_text((filter)->kind), mu_pg_text((filter)->app),                             \
                (members)->ids ? mu_pg_int8_array((members)->ids, (members)->count)                \
                               : mu_pg_null(MU_PG_INT8_ARRAY)

struct mu_device_ids {
        int64_t *ids;
        size_t count;
        size_t room;
};

MU_MUST_CHECK
int mu_device_ids_add(struct mu_device_ids *ids, int64_t id); /* -ENOMEM */
void mu_device_ids_done(struct mu_device_ids *ids);

/* ---- memory's part ---- */

/* What one look at memory compares with. */
struct mu_device_moment {
        int64_t now_s;
        uint64_t now_ms; /* monotonic, as the stamps */
        uint32_t interval_s;
        uint32_t version_id; /* of filter's agent_version; UINT32_MAX: nobody has it */
};

struct mu_device_moment mu_device_moment(const struct mu_control *control,
                                         const struct mu_device_filter *filter);
/* The newest of what was stored and what the device asked since the start; 0: unknown. */
int64_t mu_device_last_seen_s(const struct mu_device *device,
                              const struct mu_device_moment *moment);
/* seen_s: as mu_device_last_seen_s has it, or newer. */
enum mu_device_status mu_device_status(const struct mu_device *device,
                                       const struct mu_device_moment *moment, int64_t seen_s);
const char *mu_device_status_name(enum mu_device_status status);
/* Memory's verdict, kind included. */
bool mu_device_matches(const struct mu_device *device, const struct mu_device_filter *filter,
                       const struct mu_device_moment *moment);
/* Everyone whom memory lets through, in no order; ids NULL when it has no say. A room of at least
 * one is allocated when it has. */
MU_MUST_CHECK
int mu_device_ids_by_memory(const struct mu_control *control, const struct mu_device_filter *filter,
                            struct mu_device_ids *ret_ids);

/* The glances of what was stored before this start, once. Before anything above that asks memory.
 * Errors of pg/error.h. */
MU_MUST_CHECK
int mu_device_glances_load(struct mu_control *control, struct mu_pg *pg);

#endif
