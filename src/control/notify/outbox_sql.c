/* SPDX-License-Identifier: Apache-2.0 */
#include "control/notify/outbox_sql.h"

/* incident: locked by the update, so that two who add for the same incident go one after the other.
 * told: channels where 'opened' went or waits. fresh: channels that take it and have no 'opened' of
 * whatever fate. A waiting 'updated' is made to say the newer version. */
const struct mu_pg_statement mu_outbox_add_sql = {
        .name = "alert_outbox_add",
        .sql = "WITH incident AS (UPDATE alert_incidents"
               "  SET version = version + ($2 <> 'opened')::int,"
               "      updated_at = greatest(updated_at, $3)"
               "  WHERE id = ANY ($1) AND (merged_into IS NULL OR $2 = 'updated')"
               "  RETURNING id, version, device_id, kind, rule, severity,"
               "            merged_into IS NULL AND closed_at IS NULL AS stands),"
               " channel AS (SELECT c.* FROM alert_channels c LEFT JOIN users u ON u.id = c.user_id"
               "  WHERE c.enabled AND c.deleted_at IS NULL AND u.disabled_at IS NULL),"
               " told AS (SELECT DISTINCT i.id, i.version, n.channel_id FROM incident i"
               "  JOIN alert_notifications n ON n.incident_id = i.id AND n.kind = 'opened'"
               "   AND n.state IN ('sent', 'waiting')"
               "  JOIN channel c ON c.id = n.channel_id WHERE $2 <> 'opened'"
               "   AND ($2 <> 'closed' OR NOT EXISTS (SELECT FROM alert_notifications o"
               "        WHERE o.incident_id = i.id AND o.channel_id = n.channel_id"
               "         AND o.kind = 'closed'))),"
               " fresh AS (SELECT i.id, i.version, c.id AS channel_id FROM incident i"
               "  JOIN channel c ON c.mode = 'immediate'"
               "   AND array_position(ARRAY['info', 'warning', 'critical'], i.severity)"
               "       >= array_position(ARRAY['info', 'warning', 'critical'], c.min_severity)"
               "   AND (c.rules = '{}' OR i.rule = ANY (c.rules))"
               "  WHERE $2 <> 'closed' AND i.stands"
               "   AND (i.kind = 'appliance' OR (c.tags = '{}' AND c.sites = '{}')"
               "        OR EXISTS (SELECT FROM devices d WHERE"
               "           (d.id = i.device_id OR d.id IN"
               "            (SELECT a.device_id FROM alerts a WHERE a.incident_id = i.id))"
               "           AND (c.tags = '{}' OR d.tags && c.tags)"
               "           AND (c.sites = '{}' OR d.site = ANY (c.sites))))"
               "   AND NOT EXISTS (SELECT FROM alert_notifications n WHERE n.incident_id = i.id"
               "        AND n.channel_id = c.id AND n.kind = 'opened'))"
               " INSERT INTO alert_notifications"
               " (incident_id, channel_id, created_at, due_at, incident_version, kind)"
               " SELECT id, channel_id, $3, $4, version, $2 FROM told"
               " UNION ALL SELECT id, channel_id, $3, $4, version, 'opened' FROM fresh"
               " ORDER BY 1, 2"
               " ON CONFLICT (incident_id, channel_id) WHERE state = 'waiting' AND kind = 'updated'"
               " DO UPDATE SET incident_version = EXCLUDED.incident_version",
        .params = {MU_PG_INT8_ARRAY, MU_PG_TEXT, MU_PG_TIMESTAMPTZ, MU_PG_TIMESTAMPTZ},
};

/* Somebody waits for a test: it comes before everything else. */
const struct mu_pg_statement mu_outbox_add_text_sql = {
        .name = "alert_outbox_add_text",
        .sql = "INSERT INTO alert_notifications (channel_id, created_at, due_at, kind, detail)"
               " SELECT id, $3, CASE WHEN $2 = 'test' THEN timestamptz 'epoch' ELSE $3 END, $2, $4"
               " FROM alert_channels"
               " WHERE id = $1 AND enabled AND deleted_at IS NULL RETURNING id",
        .params = {MU_PG_INT8, MU_PG_TEXT, MU_PG_TIMESTAMPTZ, MU_PG_JSONB},
};
