/* SPDX-License-Identifier: Apache-2.0 */
/*
 * page.h - a page of a list whose newest row comes first: `limit` rows with an id below `before`.
 *
 *   GET /admin/audit?limit=100                → {"entries": [...], "next_before": "812"}
 *   GET /admin/audit?limit=100&before=812     → {"entries": [...], "next_before": null}
 *
 * A statement for it selects the id as its first column and ends in ORDER BY id DESC LIMIT.
 *
 * Threads    the handler's worker.
 */
#ifndef MUSTER_CONTROL_PAGE_H
#define MUSTER_CONTROL_PAGE_H

#include "control/endpoint.h"

struct mu_page {
        const char *name;    /* of the list in the reply: "entries" */
        int64_t limit_count; /* rows in a page, where the query does not say */
        json_t *(*item)(const struct mu_pg_result *rows, size_t row);
};

/* The query's `before`, NULL without. */
struct mu_pg_value mu_page_before(const struct mu_ask *ask);
struct mu_pg_value mu_page_limit(const struct mu_ask *ask, const struct mu_page *page);
/* A time of the query, NULL without. */
struct mu_pg_value mu_page_time(const struct mu_ask *ask, const char *name);

/* Asks and answers, whatever comes of it. */
void mu_page_reply(struct mu_ask *ask, const struct mu_page *page,
                   const struct mu_pg_statement *statement, const struct mu_pg_value *values);

#endif
