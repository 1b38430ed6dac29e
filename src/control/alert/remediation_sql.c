/* SPDX-License-Identifier: Apache-2.0 */
#include "control/alert/remediation_sql.h"

#define COLUMNS                                                                                    \
        "SELECT a.id, a.device_id, coalesce(a.incident_id, 0), a.episode, a.remedy_count,"         \
        " a.state = 'firing', coalesce(a.remedy_state, ''), coalesce(a.remedy_command_id, 0),"     \
        " coalesce(i.firing_count, 0), i.acked_at IS NOT NULL"
#define OF_ALERT " FROM alerts a LEFT JOIN alert_incidents i ON i.id = a.incident_id"

/* A device that was purged takes its commands along. */
const struct mu_pg_statement mu_remedy_ended_sql = {
        .name = "remedy_ended",
        .sql = COLUMNS ", coalesce(c.state, 'gone'), coalesce(c.result_error, c.error, '')" OF_ALERT
                       " LEFT JOIN commands c ON c.device_id = a.device_id"
                       "  AND c.id = a.remedy_command_id"
                       " WHERE a.remedy_state = 'sent'"
                       "  AND (c.id IS NULL OR c.finished_at IS NOT NULL)"
                       " ORDER BY a.id LIMIT $1 FOR UPDATE OF a",
        .params = {MU_PG_INT8},
};

const struct mu_pg_statement mu_remedy_over_sql = {
        .name = "remedy_over",
        .sql = COLUMNS ", coalesce(a.resolved_by, '') = 'recovered'" OF_ALERT
                       " LEFT JOIN commands c ON c.device_id = a.device_id"
                       "  AND c.id = a.remedy_command_id"
                       " WHERE a.remedy_state IS NOT NULL AND a.state = 'resolved'"
                       "  AND (a.remedy_state <> 'sent' OR c.state = 'queued')"
                       " ORDER BY a.id LIMIT $1 FOR UPDATE OF a",
        .params = {MU_PG_INT8},
};

const struct mu_pg_statement mu_remedy_vain_sql = {
        .name = "remedy_vain",
        .sql = COLUMNS OF_ALERT
        " WHERE a.rule = 'service_down' AND a.state = 'firing'"
        "  AND a.remedy_state IN ('done', 'failed') AND a.remedy_count >= $2"
        "  AND a.remedy_due_at <= $1"
        " ORDER BY a.id LIMIT $3 FOR UPDATE OF a",
        .params = {MU_PG_TIMESTAMPTZ, MU_PG_INT4, MU_PG_INT8},
};

/* The device's monitoring replaces the fleet's column by column. A command of an episode before may
 * still be under way. */
const struct mu_pg_statement mu_remedy_due_sql = {
        .name = "remedy_due",
        .sql = COLUMNS ", coalesce(m.package, f.package)" OF_ALERT
                       " JOIN devices d ON d.id = a.device_id AND d.deleted_at IS NULL"
                       "  AND d.quarantined_at IS NULL"
                       " LEFT JOIN device_monitoring f ON f.device_id = 0"
                       " LEFT JOIN device_monitoring m ON m.device_id = a.device_id"
                       " WHERE a.rule = 'service_down' AND a.state = 'firing'"
                       "  AND (a.remedy_state IS NULL OR a.remedy_state IN ('done', 'failed'))"
                       "  AND a.remedy_count < $2"
                       "  AND (a.remedy_due_at IS NULL OR a.remedy_due_at <= $1)"
                       "  AND coalesce(m.auto_remediate, f.auto_remediate, false)"
                       "  AND coalesce(m.enabled, f.enabled, true)"
                       "  AND coalesce(m.package, f.package) IS NOT NULL"
                       "  AND NOT EXISTS (SELECT FROM alerts o WHERE o.device_id = a.device_id"
                       "   AND o.rule = 'offline' AND o.state = 'firing')"
                       "  AND NOT EXISTS (SELECT FROM alerts o WHERE o.device_id = a.device_id"
                       "   AND o.remedy_state = 'sent')"
                       " ORDER BY a.id LIMIT $3 FOR UPDATE OF a",
        .params = {MU_PG_TIMESTAMPTZ, MU_PG_INT4, MU_PG_INT8},
};

const struct mu_pg_statement mu_remedy_take_back_sql = {
        .name = "remedy_take_back",
        .sql = "UPDATE commands SET state = 'cancelled', finished_at = clock_timestamp(),"
               " error = 'The alert was over before it was sent.'"
               " WHERE device_id = $1 AND id = $2 AND state = 'queued'",
        .params = {MU_PG_INT8, MU_PG_INT8},
};

const struct mu_pg_statement mu_remedy_set_sql = {
        .name = "remedy_set",
        .sql = "UPDATE alerts SET remedy_command_id = $2, remedy_state = $3, remedy_due_at = $4,"
               " remedy_count = $5 WHERE id = $1",
        .params = {MU_PG_INT8, MU_PG_INT8, MU_PG_TEXT, MU_PG_TIMESTAMPTZ, MU_PG_INT4},
};

const struct mu_pg_statement mu_remedy_event_sql = {
        .name = "remedy_event",
        .sql = "INSERT INTO alert_events (at, incident_id, alert_id, device_id, episode, kind,"
               " rule, actor, detail) VALUES ($1, $2, $3, $4, $5, $6, 'service_down',"
               " 'appliance', $7)",
        .params = {MU_PG_TIMESTAMPTZ, MU_PG_INT8, MU_PG_INT8, MU_PG_INT8, MU_PG_INT4, MU_PG_TEXT,
                   MU_PG_JSONB},
};
