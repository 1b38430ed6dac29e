/* SPDX-License-Identifier: Apache-2.0 */
/*
 * alert_view.h - alerts, incidents and their threads as operators see them, and how rows become
 * JSON here: a shape's fields are a statement's columns, in the same order.
 *
 * Units      *_us. Threads: a handler's worker.
 * Ownership  references are the caller's.
 * Errors     NULL: no memory. A function that returns false has answered the call.
 */
#ifndef MUSTER_CONTROL_ALERT_ALERT_VIEW_H
#define MUSTER_CONTROL_ALERT_ALERT_VIEW_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/alert/alert.h"
#include "control/shape.h"
#include "muster/compiler.h"
#include "pg/query.h"

struct mu_ask;

/* ---- shapes, more briefly ---- */

#define MU_ALERT_RULES                                                                             \
        "offline|low_battery|service_down|agent_outdated|clock_skew|queue_depth|journal_backlog|"  \
        "disk|database_away|partition_missing|backup_age|rejects|job_failing"
#define MU_ALERT_DEVICE_RULES                                                                      \
        "offline|low_battery|service_down|agent_outdated|clock_skew|queue_depth"
#define MU_ALERT_SEVERITIES "info|warning|critical"

/* Members of replies: always there; the second may be null. */
#define MU_ALERT_FIELD(field_name, field_type, field_doc)                                          \
        {                                                                                          \
                .name = (field_name), .type = (field_type), .flags = MU_FIELD_REQUIRED,            \
                .doc = (field_doc)                                                                 \
        }
#define MU_ALERT_FIELD_OR_NULL(field_name, field_type, field_doc)                                  \
        {                                                                                          \
                .name = (field_name), .type = (field_type),                                        \
                .flags = MU_FIELD_REQUIRED | MU_FIELD_NULLABLE, .doc = (field_doc)                 \
        }
#define MU_ALERT_FIELD_LIST(field_name, list_shape, field_doc)                                     \
        {                                                                                          \
                .name = (field_name), .type = MU_FIELD_LIST, .flags = MU_FIELD_REQUIRED,           \
                .shape = (list_shape), .doc = (field_doc)                                          \
        }
#define MU_ALERT_FIELD_CHOICE(field_name, field_one_of, field_doc)                                 \
        {                                                                                          \
                .name = (field_name), .type = MU_FIELD_TEXT, .flags = MU_FIELD_REQUIRED,           \
                .one_of = (field_one_of), .doc = (field_doc)                                       \
        }
#define MU_ALERT_NEXT_CURSOR                                                                       \
        MU_ALERT_FIELD_OR_NULL("next_cursor", MU_FIELD_ID,                                         \
                               "For the next page, as cursor; null: this was the last one.")

/* Parameters of lists. */
enum mu_alert_pages {
        MU_ALERT_PAGE_DEFAULT = 50,
        MU_ALERT_PAGE_MAX = 500,
        MU_ALERT_MEMBERS_SHOWN = 100,
};
#define MU_ALERT_PAGE_FIELDS                                                                       \
        {.name = "limit",                                                                          \
         .type = MU_FIELD_INTEGER,                                                                 \
         .least = 1,                                                                               \
         .most = MU_ALERT_PAGE_MAX,                                                                \
         .doc = "Rows of a page; without it 50."},                                                 \
        {                                                                                          \
                .name = "cursor", .type = MU_FIELD_ID,                                             \
                .doc = "The next_cursor of the page before."                                       \
        }

/* ---- rows ---- */

typedef json_t *mu_alert_row_function(const struct mu_pg_result *rows, size_t row);
json_t *mu_alert_list(const struct mu_pg_result *rows, size_t count, mu_alert_row_function *of_row);
/* {member: [the first limit rows], "next_cursor"}: the rows' first column is their id, and there is
 * one row more where there is a next page. */
json_t *mu_alert_page(const struct mu_pg_result *rows, int64_t limit, const char *member,
                      mu_alert_row_function *of_row);
int64_t mu_alert_limit(const json_t *query);
int64_t mu_alert_cursor(const json_t *query); /* ids below it */
struct mu_pg_value mu_alert_id_or_null(const json_t *query, const char *name);

/* "seconds", ... as replies say it. */
const char *mu_alert_unit_name(enum mu_alert_unit unit);

/* The appliance's clock: what times of alerts are bound to. */
int64_t mu_alert_now_us(const struct mu_ask *ask);

/* ---- alerts ---- */

/* Of "alerts a", joined to devices d and alert_incidents i. */
#define MU_ALERT_COLUMNS                                                                           \
        "a.id, a.rule, a.severity, a.state, nullif(a.device_id, 0), d.alias, d.site,"              \
        " a.incident_id, a.episode, a.value, a.threshold, a.pending_at, a.fired_at,"               \
        " a.resolved_at, a.resolved_by, a.remedy_count, i.acked_at, i.acked_by, a.detail"
#define MU_ALERT_FROM                                                                              \
        " FROM alerts a LEFT JOIN devices d ON d.id = a.device_id"                                 \
        " LEFT JOIN alert_incidents i ON i.id = a.incident_id"

extern const struct mu_shape mu_alert_shape;
extern const struct mu_shape mu_alert_list_shape;
json_t *mu_alert_json(const struct mu_pg_result *rows, size_t row);

#endif
