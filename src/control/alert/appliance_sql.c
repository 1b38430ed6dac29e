/* SPDX-License-Identifier: Apache-2.0 */
#include "control/alert/appliance_sql.h"

/* Days are UTC's, as buckets are cut. A partition that is being detached takes no rows. */
const struct mu_pg_statement mu_appliance_partitions_sql = {
        .name = "appliance_partitions",
        .sql = "SELECT count(*), to_char(min(day), 'YYYY-MM-DD')"
               " FROM generate_series(0, $2) n,"
               " LATERAL (SELECT ($1 AT TIME ZONE 'UTC')::date + n AS day) d"
               " WHERE NOT EXISTS (SELECT FROM pg_inherits i"
               "  WHERE i.inhparent = to_regclass('heartbeats') AND NOT i.inhdetachpending"
               "  AND i.inhrelid = to_regclass('heartbeats_' || to_char(day, 'YYYYMMDD')))",
        .params = {MU_PG_TIMESTAMPTZ, MU_PG_INT4},
        .repeatable = true,
};

const struct mu_pg_statement mu_appliance_backup_sql = {
        .name = "appliance_backup",
        .sql = "SELECT max(finished_at) FILTER (WHERE outcome = 'ok'), min(started_at)"
               " FROM backups",
        .repeatable = true,
};

const struct mu_pg_statement mu_appliance_rejects_sql = {
        .name = "appliance_rejects",
        .sql = "SELECT count(*) FROM (SELECT FROM ingest_rejects"
               " WHERE rejected_at > $1 - interval '1 hour' AND rejected_at <= $1"
               " LIMIT 10000) lately",
        .params = {MU_PG_TIMESTAMPTZ},
        .repeatable = true,
};
