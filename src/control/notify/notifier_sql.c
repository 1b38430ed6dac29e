/* SPDX-License-Identifier: Apache-2.0 */
#include "control/notify/notifier_sql.h"

const struct mu_pg_statement mu_notifier_channels_sql = {
        .name = "notifier_channels",
        .sql = "SELECT c.id, c.kind, c.name, c.updated_at, c.rate_per_min,"
               " CASE WHEN c.user_id IS NULL THEN c.config" /* a user's: as it is now */
               "  ELSE jsonb_build_object('to', array_remove(ARRAY[u.email], NULL)) END, c.sealed,"
               " c.mode = 'immediate' AND (c.rules = '{}' OR 'database_away' = ANY (c.rules)),"
               " c.broken, c.error IS NOT NULL"
               " FROM alert_channels c LEFT JOIN users u ON u.id = c.user_id"
               " WHERE c.enabled AND c.deleted_at IS NULL AND u.disabled_at IS NULL ORDER BY c.id",
        .repeatable = true,
};

/* Of each channel the first rows that are due, of each incident only the first that waits. An
 * incident is silenced when each of its devices is, until the first of them is no longer. */
const struct mu_pg_statement mu_notifier_due_sql = {
        .name = "notifier_due",
        .sql = "SELECT n.id, n.channel_id, n.incident_id, n.kind, n.created_at,"
               " coalesce(n.incident_version, 0), n.detail, i.id IS NOT NULL,"
               " i.merged_into IS NOT NULL, coalesce(t.opened, false), t.version, t.remote_id,"
               " EXISTS (SELECT FROM alert_notifications b WHERE b.incident_id = n.incident_id"
               "  AND b.channel_id = n.channel_id AND b.kind = 'closed' AND b.state = 'waiting'"
               "  AND b.id > n.id),"
               " s.until"
               " FROM unnest($1) AS c (id)"
               " CROSS JOIN LATERAL (SELECT * FROM alert_notifications w"
               "  WHERE w.channel_id = c.id AND w.state = 'waiting' AND w.due_at <= $2"
               "  AND NOT EXISTS (SELECT FROM alert_notifications e"
               "   WHERE e.incident_id = w.incident_id AND e.channel_id = w.channel_id"
               "   AND e.state = 'waiting' AND e.id < w.id)"
               "  ORDER BY w.due_at, w.id LIMIT $3) n"
               " LEFT JOIN alert_incidents i ON i.id = n.incident_id"
               " LEFT JOIN LATERAL (SELECT bool_or(p.kind = 'opened') AS opened,"
               "  max(p.incident_version) AS version,"
               "  (array_agg(p.remote_id ORDER BY p.id DESC) FILTER (WHERE p.remote_id IS NOT NULL"
               "   AND p.kind <> 'closed'))[1] AS remote_id"
               "  FROM alert_notifications p WHERE p.incident_id = n.incident_id"
               "  AND p.channel_id = n.channel_id AND p.state = 'sent') t ON true"
               " LEFT JOIN LATERAL (SELECT CASE WHEN bool_and(v.until IS NOT NULL)"
               "   THEN min(v.until) END AS until"
               "  FROM (SELECT a.device_id FROM alerts a WHERE a.incident_id = i.id"
               "         AND (a.state = 'firing' OR i.firing_count = 0)"
               "        UNION SELECT i.device_id WHERE i.device_id IS NOT NULL"
               "        UNION SELECT 0 WHERE i.kind = 'appliance') m"
               "  LEFT JOIN devices d ON d.id = m.device_id"
               "  LEFT JOIN LATERAL (SELECT max(q.ends_at) AS until FROM alert_silences q"
               "   WHERE q.starts_at <= $2 AND q.ends_at > $2"
               "   AND (q.device_id IS NULL OR q.device_id = m.device_id)"
               "   AND (q.rule IS NULL OR q.rule = i.rule)"
               "   AND (q.tag IS NULL OR q.tag = ANY (d.tags))"
               "   AND (q.site IS NULL OR q.site = d.site)) v ON true"
               "  WHERE EXISTS (SELECT FROM alert_silences q WHERE q.starts_at <= $2"
               "   AND q.ends_at > $2 AND (q.rule IS NULL OR q.rule = i.rule))) s ON true"
               " ORDER BY n.due_at, n.id",
        .params = {MU_PG_INT8_ARRAY, MU_PG_TIMESTAMPTZ, MU_PG_INT8},
        .repeatable = true,
};

/* 'opened' was not due when the incident closed, or a silence held it: nobody hears of it. */
const struct mu_pg_statement mu_notifier_over_sql = {
        .name = "notifier_over",
        .sql = "WITH pair AS (SELECT o.incident_id, o.channel_id, CASE WHEN o.error = 'silenced'"
               "  THEN 'silenced' ELSE 'over before it was told' END AS reason"
               "  FROM alert_notifications o JOIN alert_notifications c"
               "   ON c.incident_id = o.incident_id AND c.channel_id = o.channel_id"
               "   AND c.kind = 'closed' AND c.state = 'waiting'"
               "  WHERE o.kind = 'opened' AND o.state = 'waiting' AND o.attempt_count = 0"
               "  AND o.due_at > c.created_at)"
               " UPDATE alert_notifications n SET state = 'dropped', finished_at = $1,"
               " error = pair.reason FROM pair WHERE n.incident_id = pair.incident_id"
               " AND n.channel_id = pair.channel_id AND n.state = 'waiting'"
               " RETURNING n.kind, n.error",
        .params = {MU_PG_TIMESTAMPTZ},
};

const struct mu_pg_statement mu_notifier_off_sql = {
        .name = "notifier_off",
        .sql = "UPDATE alert_notifications n SET state = 'dropped', finished_at = $1,"
               " error = 'the channel is off' FROM alert_channels c"
               " WHERE c.id = n.channel_id AND (NOT c.enabled OR c.deleted_at IS NOT NULL)"
               " AND n.state = 'waiting' RETURNING n.kind, n.error",
        .params = {MU_PG_TIMESTAMPTZ},
};

const struct mu_pg_statement mu_notifier_waiting_sql = {
        .name = "notifier_waiting",
        .sql = "SELECT kind, count(*), min(due_at) FILTER (WHERE due_at > $1)"
               " FROM alert_notifications WHERE state = 'waiting' GROUP BY kind",
        .params = {MU_PG_TIMESTAMPTZ},
        .repeatable = true,
};

/* Whatever is still silenced is put off again when its turn comes. */
const struct mu_pg_statement mu_notifier_unsilence_sql = {
        .name = "notifier_unsilence",
        .sql = "UPDATE alert_notifications SET due_at = $1"
               " WHERE state = 'waiting' AND error = 'silenced' AND due_at > $1",
        .params = {MU_PG_TIMESTAMPTZ},
        .repeatable = true,
};

const struct mu_pg_statement mu_notifier_claim_sql = {
        .name = "notifier_claim",
        .sql = "UPDATE alert_notifications SET attempt_count = attempt_count + 1,"
               " tried_at = coalesce(tried_at, $2)"
               " WHERE id = $1 AND state = 'waiting' RETURNING attempt_count, tried_at",
        .params = {MU_PG_INT8, MU_PG_TIMESTAMPTZ},
};

const struct mu_pg_statement mu_notifier_state_sql = {
        .name = "notifier_state",
        .sql = "SELECT state IN ('sent', 'failed') FROM alert_notifications WHERE id = $1"
               " FOR UPDATE",
        .params = {MU_PG_INT8},
};

const struct mu_pg_statement mu_notifier_silence_sql = {
        .name = "notifier_silence",
        .sql = "UPDATE alert_notifications SET due_at = $2, error = 'silenced'"
               " WHERE id = $1 AND state = 'waiting'",
        .params = {MU_PG_INT8, MU_PG_TIMESTAMPTZ},
        .repeatable = true,
};

const struct mu_pg_statement mu_notifier_drop_sql = {
        .name = "notifier_drop",
        .sql = "UPDATE alert_notifications SET state = 'dropped', finished_at = $2, error = $3"
               " WHERE id = $1 AND state = 'waiting'",
        .params = {MU_PG_INT8, MU_PG_TIMESTAMPTZ, MU_PG_TEXT},
        .repeatable = true,
};

/* An update that came while this one was under way gets a row, and so an id, of its own. */
const struct mu_pg_statement mu_notifier_sent_sql = {
        .name = "notifier_sent",
        .sql = "WITH old AS (SELECT id, incident_version FROM alert_notifications WHERE id = $1"
               "  FOR UPDATE),"
               " marked AS (UPDATE alert_notifications n SET state = 'sent', finished_at = $2,"
               "  http_status = $3, remote_id = $4, incident_version = $5, error = $6"
               "  FROM old WHERE n.id = old.id RETURNING n.incident_id, n.channel_id, n.kind,"
               "  old.incident_version AS wanted)"
               " INSERT INTO alert_notifications"
               " (incident_id, channel_id, created_at, due_at, incident_version, kind)"
               " SELECT incident_id, channel_id, $2, $2, wanted, kind FROM marked"
               " WHERE kind = 'updated' AND wanted > $5",
        .params = {MU_PG_INT8, MU_PG_TIMESTAMPTZ, MU_PG_INT4, MU_PG_TEXT, MU_PG_INT4, MU_PG_TEXT},
};

const struct mu_pg_statement mu_notifier_later_sql = {
        .name = "notifier_later",
        .sql = "UPDATE alert_notifications SET due_at = $2, http_status = $3, error = $4,"
               " attempt_count = greatest(attempt_count - $5, 1),"
               " detail = CASE WHEN $6::jsonb IS NULL THEN detail"
               "  ELSE coalesce(detail, '{}') || jsonb_build_object('mailed', $6::jsonb) END"
               " WHERE id = $1 AND state = 'waiting'",
        .params = {MU_PG_INT8, MU_PG_TIMESTAMPTZ, MU_PG_INT4, MU_PG_TEXT, MU_PG_INT4, MU_PG_JSONB},
};

const struct mu_pg_statement mu_notifier_failed_sql = {
        .name = "notifier_failed",
        .sql = "UPDATE alert_notifications SET state = 'failed', finished_at = $2,"
               " http_status = $3, error = $4 WHERE id = $1 AND state = 'waiting'",
        .params = {MU_PG_INT8, MU_PG_TIMESTAMPTZ, MU_PG_INT4, MU_PG_TEXT},
        .repeatable = true,
};

const struct mu_pg_statement mu_notifier_event_sql = {
        .name = "notifier_event",
        .sql = "INSERT INTO alert_events (at, incident_id, device_id, kind, rule, actor, detail)"
               " SELECT $1, id, device_id, $3, rule, 'appliance', $4 FROM alert_incidents"
               " WHERE id = $2",
        .params = {MU_PG_TIMESTAMPTZ, MU_PG_INT8, MU_PG_TEXT, MU_PG_JSONB},
};

/* updated_at is people's. */
const struct mu_pg_statement mu_notifier_channel_sql = {
        .name = "notifier_channel",
        .sql = "UPDATE alert_channels SET failed_at = CASE WHEN $3::text IS NULL THEN NULL ELSE $2"
               " END, error = $3, broken = $4, enabled = enabled AND NOT $5 WHERE id = $1",
        .params = {MU_PG_INT8, MU_PG_TIMESTAMPTZ, MU_PG_TEXT, MU_PG_BOOL, MU_PG_BOOL},
        .repeatable = true,
};
