/* SPDX-License-Identifier: Apache-2.0 */
/*
 * archive_view.h - a day of the archive, and a request, as JSON and as shapes.
 *
 * Threads: any worker. Ownership: results are the caller's references.
 */
#ifndef MUSTER_CONTROL_ARCHIVE_ARCHIVE_VIEW_H
#define MUSTER_CONTROL_ARCHIVE_ARCHIVE_VIEW_H

#include <jansson.h>
#include <stddef.h>

#include "control/shape.h"
#include "pg/query.h"

/* The columns that mu_archive_day_json reads, of archive_days d and partition_registry r. */
#define MU_ARCHIVE_DAY_COLUMNS                                                                     \
        "d.parent, to_char(d.day AT TIME ZONE 'UTC', 'YYYY-MM-DD'),"                               \
        " CASE WHEN r.state = 'restored' THEN 'restored' ELSE d.state END, d.row_count,"           \
        " d.plain_bytes, d.stored_bytes, d.file_count, d.sequence,"                                \
        " encode(d.manifest_sha256, 'hex'), d.archived_at, d.restored_until, d.verified_at,"       \
        " d.verify_ok, d.verify_detail"
#define MU_ARCHIVE_DAY_TABLES                                                                      \
        "archive_days d LEFT JOIN partition_registry r ON r.parent = d.parent"                     \
        " AND r.range_from = d.day"

#define MU_ARCHIVE_REQUEST_COLUMNS                                                                 \
        "q.id, q.kind, q.parent, to_char(q.day AT TIME ZONE 'UTC', 'YYYY-MM-DD'), q.state,"        \
        " q.requested_by, q.created_at, q.started_at, q.finished_at, q.parts_done, q.parts_total," \
        " q.detail, q.problems"

json_t *mu_archive_day_json(const struct mu_pg_result *rows, size_t row);
json_t *mu_archive_request_json(const struct mu_pg_result *rows, size_t row);

extern const struct mu_shape mu_archive_day_shape;
extern const struct mu_shape mu_archive_request_shape;

#endif
