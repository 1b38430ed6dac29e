/* SPDX-License-Identifier: Apache-2.0 */
#include "control/notify/notice_sql.h"

const struct mu_pg_statement mu_notice_incident_sql = {
        .name = "notice_incident",
        .sql = "SELECT kind, group_key, rule, severity, version, opened_at, closed_at, acked_at,"
               " acked_by, ack_note, merged_into, alert_count, firing_count"
               " FROM alert_incidents WHERE id = $1",
        .params = {MU_PG_INT8},
        .repeatable = true,
};

const struct mu_pg_statement mu_notice_members_sql = {
        .name = "notice_members",
        .sql = "SELECT a.device_id, coalesce(d.alias, ''), coalesce(d.site, ''),"
               " a.state = 'firing', a.value, a.threshold, a.detail FROM alerts a"
               " LEFT JOIN devices d ON d.id = a.device_id WHERE a.incident_id = $1"
               " ORDER BY a.state = 'firing' DESC, lower(d.alias), a.id LIMIT $2",
        .params = {MU_PG_INT8, MU_PG_INT8},
        .repeatable = true,
};

/* The bound on the time leaves out days that cannot hold one. What became part of this incident is
 * in the list of its devices. */
const struct mu_pg_statement mu_notice_lines_sql = {
        .name = "notice_lines",
        .sql = "SELECT at, kind, actor, detail FROM alert_events"
               " WHERE incident_id = $1 AND at >= $2 - interval '1 day'"
               " AND (kind IN ('acked', 'unacked', 'noted') OR kind LIKE 'remedy%'"
               "  OR (kind = 'merged' AND NOT detail ? 'from'))"
               " ORDER BY id DESC LIMIT $3",
        .params = {MU_PG_INT8, MU_PG_TIMESTAMPTZ, MU_PG_INT8},
        .repeatable = true,
};
