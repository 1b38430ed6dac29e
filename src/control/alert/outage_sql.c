/* SPDX-License-Identifier: Apache-2.0 */
#include "control/alert/outage_sql.h"

/* One thread of one process writes them: nobody else does so in between. */
const struct mu_pg_statement mu_outage_open_sql = {
        .name = "outage_open",
        .sql = "WITH fresh AS (SELECT coalesce(max(episode), 0) + 1 AS episode FROM alerts"
               "  WHERE device_id = 0 AND rule = 'database_away'"
               "  HAVING NOT coalesce(bool_or(detail ->> 'outage' = $1), false)),"
               " incident AS (INSERT INTO alert_incidents (opened_at, updated_at, kind, rule,"
               "  severity, alert_count, firing_count) SELECT $3, $3, 'appliance',"
               "  'database_away', 'critical', 1, 1 FROM fresh RETURNING id),"
               " alert AS (INSERT INTO alerts (device_id, incident_id, pending_at, fired_at,"
               "  resolved_at, value, threshold, episode, state, rule, severity, resolved_by,"
               "  detail) SELECT 0, i.id, $2, $3, $4, $5, $6, f.episode, 'resolved',"
               "  'database_away', 'critical', 'recovered', jsonb_build_object('outage', $1)"
               "  FROM fresh f, incident i RETURNING id, incident_id, episode),"
               " event AS (INSERT INTO alert_events (at, incident_id, alert_id, device_id,"
               "  episode, kind, rule, actor, detail)"
               "  SELECT e.at, a.incident_id, e.alert_id, 0, a.episode, e.kind, 'database_away',"
               "   'appliance', e.detail"
               "  FROM alert a, LATERAL (VALUES (1, $3, 'fired', a.id, NULL::jsonb),"
               "   (2, $3, 'opened', NULL, NULL),"
               "   (3, $3, CASE WHEN $7 THEN 'notified' ELSE 'not_notified' END, NULL,"
               "    jsonb_build_object('directly', true)),"
               "   (4, $4, 'resolved', a.id, NULL), (5, $4, 'closed', NULL, NULL))"
               "   e (n, at, kind, alert_id, detail) ORDER BY e.n)"
               " SELECT incident_id FROM alert",
        .params = {MU_PG_TEXT, MU_PG_TIMESTAMPTZ, MU_PG_TIMESTAMPTZ, MU_PG_TIMESTAMPTZ, MU_PG_INT8,
                   MU_PG_INT8, MU_PG_BOOL},
};

const struct mu_pg_statement mu_outage_told_sql = {
        .name = "outage_told",
        .sql = "UPDATE alert_notifications SET state = 'sent', finished_at = $2,"
               " attempt_count = 1 WHERE incident_id = $1 AND kind = 'opened'",
        .params = {MU_PG_INT8, MU_PG_TIMESTAMPTZ},
};

const struct mu_pg_statement mu_outage_close_sql = {
        .name = "outage_close",
        .sql = "UPDATE alert_incidents SET closed_at = $2, updated_at = $2, firing_count = 0"
               " WHERE id = $1",
        .params = {MU_PG_INT8, MU_PG_TIMESTAMPTZ},
};
