/* SPDX-License-Identifier: Apache-2.0 */
#include "control/alert/alert_store_sql.h"

/* Numbers of enum mu_change_kind and enum mu_incident_op_kind: alert_store.c holds them against
 * the enums. */
#define OP_BEGIN "0"
#define OP_BEGIN_FIRING "1"
#define OP_FIRE "2"
#define OP_DROP "3"
#define OP_RESOLVE "4"
#define OP_CLEARING "5"

#define OP_OPEN "0"
#define OP_MERGE "2"
#define OP_COUNT "3"
#define OP_CLOSE "4"

/* us since the epoch, exactly; NULL is NULL. */
#define TIME(us) "'epoch'::timestamptz + " us " * interval '1 microsecond'"

#define CHANGES                                                                                    \
        " jsonb_to_recordset($1) AS c(n int, op int, id bigint, device bigint, incident bigint,"   \
        " pending bigint, fired bigint, resolved bigint, clearing bigint, value bigint,"           \
        " threshold bigint, rule text, severity text, by text, detail jsonb)"

#define OPERATIONS                                                                                 \
        " jsonb_to_recordset($1) AS c(n int, op int, id bigint, \"from\" bigint, alert bigint,"    \
        " device bigint, at bigint, alerts int, firing int, kind text, grouped text, key text,"    \
        " rule text, severity text)"

const struct mu_pg_statement mu_alert_ids_used = {
        .name = "alert_ids_used",
        .sql = "SELECT CASE WHEN $1 > 0 THEN setval(pg_get_serial_sequence('alerts', 'id'), $1)"
               " END, CASE WHEN $2 > 0 THEN"
               " setval(pg_get_serial_sequence('alert_incidents', 'id'), $2) END",
        .params = {MU_PG_INT8, MU_PG_INT8},
};

const struct mu_pg_statement mu_alert_ids_next = {
        .name = "alert_ids_next",
        .sql = "SELECT nextval(pg_get_serial_sequence('alerts', 'id')),"
               " nextval(pg_get_serial_sequence('alert_incidents', 'id'))",
        .repeatable = true,
};

const struct mu_pg_statement mu_alert_begin = {
        .name = "alert_begin",
        .sql = "INSERT INTO alerts (id, device_id, incident_id, pending_at, fired_at, value,"
               " threshold, episode, state, rule, severity, detail)"
               " SELECT c.id, c.device, c.incident, " TIME("c.pending") ", " TIME(
                       "c.fired") ","
                                  " c.value, c.threshold, coalesce((SELECT max(a.episode) FROM "
                                  "alerts a"
                                  "  WHERE a.device_id = c.device AND a.rule = c.rule), 0) + 1,"
                                  " CASE c.op WHEN " OP_BEGIN
                                  " THEN 'pending' ELSE 'firing' END, c.rule, c.severity,"
                                  " c.detail FROM" CHANGES " WHERE c.op IN (" OP_BEGIN
                                  ", " OP_BEGIN_FIRING ") ORDER BY c.n",
        .params = {MU_PG_JSONB},
};

const struct mu_pg_statement mu_alert_fire = {
        .name = "alert_fire",
        .sql = "UPDATE alerts a SET state = 'firing', incident_id = c.incident,"
               " pending_at = " TIME("c.pending") ", fired_at = " TIME(
                       "c.fired") ","
                                  " value = c.value, threshold = c.threshold, severity = "
                                  "c.severity,"
                                  " detail = coalesce(c.detail, a.detail) FROM" CHANGES
                                  " WHERE a.id = c.id AND a.state = 'pending' AND c.op = " OP_FIRE,
        .params = {MU_PG_JSONB},
};

const struct mu_pg_statement mu_alert_drop = {
        .name = "alert_drop",
        .sql = "DELETE FROM alerts a USING" CHANGES
               " WHERE a.id = c.id AND a.state = 'pending' AND c.op = " OP_DROP,
        .params = {MU_PG_JSONB},
};

const struct mu_pg_statement mu_alert_resolve = {
        .name = "alert_resolve",
        .sql = "UPDATE alerts a SET state = 'resolved', clearing_at = NULL,"
               " resolved_at = greatest(" TIME("c.resolved") ", a.fired_at), resolved_by = c.by"
                                                             " FROM" CHANGES
                                                             " WHERE a.id = c.id AND a.state = "
                                                             "'firing' AND c.op = " OP_RESOLVE,
        .params = {MU_PG_JSONB},
};

const struct mu_pg_statement mu_alert_clearing = {
        .name = "alert_clearing",
        .sql = "UPDATE alerts a SET clearing_at = " TIME(
                "c.clearing") " FROM" CHANGES
                              " WHERE a.id = c.id AND a.state = 'firing' AND c.op = " OP_CLEARING,
        .params = {MU_PG_JSONB},
};

/* In the order of the edges: ids ascend with it. */
const struct mu_pg_statement mu_alert_lines = {
        .name = "alert_lines",
        .sql = "INSERT INTO alert_events (at, incident_id, alert_id, device_id, episode, kind,"
               " rule, actor, detail)"
               " SELECT CASE c.op WHEN " OP_RESOLVE " THEN a.resolved_at ELSE a.fired_at END,"
               " a.incident_id, a.id, a.device_id, a.episode,"
               " CASE c.op WHEN " OP_RESOLVE " THEN 'resolved' ELSE 'fired' END, a.rule,"
               " 'appliance', CASE c.op WHEN " OP_RESOLVE
               " THEN jsonb_build_object('by', a.resolved_by)"
               " ELSE jsonb_strip_nulls(jsonb_build_object('value', a.value, 'threshold',"
               "  a.threshold)) || coalesce(a.detail, '{}') END FROM" CHANGES
               " JOIN alerts a ON a.id = c.id"
               " WHERE c.op IN (" OP_BEGIN_FIRING ", " OP_FIRE ", " OP_RESOLVE ") ORDER BY c.n",
        .params = {MU_PG_JSONB},
};

const struct mu_pg_statement mu_alert_open = {
        .name = "alert_incident_open",
        .sql = "WITH new AS (INSERT INTO alert_incidents (id, opened_at, updated_at, device_id,"
               " kind, grouped_by, group_key, rule, severity)"
               " SELECT c.id, " TIME(
                       "c.at") ", $2, nullif(c.device, 0), c.kind, c.grouped, c.key,"
                               " c.rule, c.severity FROM" OPERATIONS " WHERE c.op = " OP_OPEN
                               " ORDER BY c.n"
                               " RETURNING id, opened_at, device_id, kind, group_key, rule)"
                               " INSERT INTO alert_events (at, incident_id, device_id, kind, rule, "
                               "actor, detail)"
                               " SELECT opened_at, id, device_id, 'opened', rule, 'appliance',"
                               " jsonb_build_object('kind', kind, 'group', group_key) FROM new "
                               "ORDER BY id",
        .params = {MU_PG_JSONB, MU_PG_TIMESTAMPTZ},
};

/* A line in the thread of what was merged, and one in what it became part of. */
const struct mu_pg_statement mu_alert_merge = {
        .name = "alert_incident_merge",
        .sql = "WITH moved AS (UPDATE alerts a SET incident_id = c.id FROM" OPERATIONS
               " WHERE a.id = c.alert AND c.op = " OP_MERGE
               " RETURNING a.id, a.device_id, a.episode, a.rule, c.id AS into_id, c.\"from\","
               " c.at), merged AS (UPDATE alert_incidents i SET closed_at = " TIME(
                       "m.at") ","
                               " updated_at = $2, merged_into = m.into_id, firing_count = 0 FROM "
                               "moved m"
                               " WHERE i.id = m.\"from\" AND i.closed_at IS NULL RETURNING i.id, "
                               "i.closed_at)"
                               " INSERT INTO alert_events (at, incident_id, alert_id, device_id, "
                               "episode, kind,"
                               " rule, actor, detail) SELECT n.closed_at, t.incident_id, m.id, "
                               "m.device_id,"
                               " m.episode, 'merged', m.rule, 'appliance', t.detail"
                               " FROM merged n JOIN moved m ON m.\"from\" = n.id CROSS JOIN "
                               "LATERAL (VALUES"
                               " (n.id, jsonb_build_object('into', m.into_id::text)),"
                               " (m.into_id, jsonb_build_object('from', n.id::text))) AS t "
                               "(incident_id, detail)"
                               " ORDER BY n.id, t.incident_id",
        .params = {MU_PG_JSONB, MU_PG_TIMESTAMPTZ},
};

const struct mu_pg_statement mu_alert_count = {
        .name = "alert_incident_count",
        .sql = "UPDATE alert_incidents i SET alert_count = c.alerts, firing_count = c.firing,"
               " severity = c.severity, updated_at = $2 FROM" OPERATIONS
               " WHERE i.id = c.id AND c.op = " OP_COUNT,
        .params = {MU_PG_JSONB, MU_PG_TIMESTAMPTZ},
};

const struct mu_pg_statement mu_alert_close = {
        .name = "alert_incident_close",
        .sql = "WITH over AS (UPDATE alert_incidents i SET"
               " closed_at = greatest(" TIME(
                       "c.at") ", i.opened_at), updated_at = $2,"
                               " firing_count = 0 FROM" OPERATIONS
                               " WHERE i.id = c.id AND i.closed_at IS NULL AND c.op = " OP_CLOSE
                               " RETURNING i.id, i.closed_at, i.device_id, i.rule)"
                               " INSERT INTO alert_events (at, incident_id, device_id, kind, rule, "
                               "actor)"
                               " SELECT closed_at, id, device_id, 'closed', rule, 'appliance' FROM "
                               "over"
                               " ORDER BY id",
        .params = {MU_PG_JSONB, MU_PG_TIMESTAMPTZ},
};
