/* SPDX-License-Identifier: Apache-2.0 */
#include "control/notify/digest_sql.h"

/* A time far ahead of the clock was never told: the clock was wrong, then or now. */
const struct mu_pg_statement mu_digest_begin_sql = {
        .name = "digest_begin",
        .sql = "UPDATE alert_channels SET digest_sent_at = CASE WHEN mode = 'digest' THEN $1 END"
               " WHERE deleted_at IS NULL AND ((mode = 'digest' AND (digest_sent_at IS NULL"
               "   OR digest_sent_at > $1 + interval '26 hours'))"
               "  OR (mode <> 'digest' AND digest_sent_at IS NOT NULL))",
        .params = {MU_PG_TIMESTAMPTZ},
        .repeatable = true,
};

#define IS_ON                                                                                      \
        "c.mode = 'digest' AND c.enabled AND c.deleted_at IS NULL"                                 \
        " AND NOT EXISTS (SELECT FROM users u WHERE u.id = c.user_id"                              \
        "  AND u.disabled_at IS NOT NULL)"

const struct mu_pg_statement mu_digest_channels_sql = {
        .name = "digest_channels",
        .sql = "SELECT c.id, c.digest_sent_at, c.digest_zone FROM alert_channels c WHERE " IS_ON
               " AND c.digest_sent_at IS NOT NULL ORDER BY c.id",
        .repeatable = true,
};

/* Of a local day: the first moment at which its clocks show the wanted time or, where they jump
 * over it, a later one. Between yesterday's and the day after tomorrow's lie the two asked for. */
const struct mu_pg_statement mu_digest_due_sql = {
        .name = "digest_due",
        .sql = "WITH wish AS (SELECT (($2 AT TIME ZONE $3)::date + n) + c.digest_at AS local"
               "  FROM alert_channels c, generate_series(-1, 2) n WHERE c.id = $1),"
               " moment AS (SELECT (SELECT min(m) FROM generate_series("
               "   (local AT TIME ZONE $3) - interval '3 hours',"
               "   (local AT TIME ZONE $3) + interval '3 hours', interval '1 minute') m"
               "   WHERE m AT TIME ZONE $3 >= local) AS due FROM wish)"
               " SELECT max(due) FILTER (WHERE due <= $2), min(due) FILTER (WHERE due > $2)"
               " FROM moment",
        .params = {MU_PG_INT8, MU_PG_TIMESTAMPTZ, MU_PG_TEXT},
        .repeatable = true,
};

const struct mu_pg_statement mu_digest_claim_sql = {
        .name = "digest_claim",
        .sql = "UPDATE alert_channels c SET digest_sent_at = $3 WHERE c.id = $1"
               " AND c.digest_sent_at = $2 AND " IS_ON,
        .params = {MU_PG_INT8, MU_PG_TIMESTAMPTZ, MU_PG_TIMESTAMPTZ},
};

/* What the channel takes of what stood between from ($2) and to ($3); as the outbox has it. */
#define INCIDENTS                                                                                  \
        " FROM alert_incidents i JOIN alert_channels c ON c.id = $1"                               \
        " LEFT JOIN devices d ON d.id = i.device_id"                                               \
        " WHERE (i.closed_at IS NULL OR i.closed_at > $2) AND i.opened_at <= $3"                   \
        "  AND i.merged_into IS NULL"                                                              \
        "  AND array_position(ARRAY['info', 'warning', 'critical'], i.severity)"                   \
        "      >= array_position(ARRAY['info', 'warning', 'critical'], c.min_severity)"            \
        "  AND (c.rules = '{}' OR i.rule = ANY (c.rules))"                                         \
        "  AND (i.kind = 'appliance' OR (c.tags = '{}' AND c.sites = '{}')"                        \
        "   OR EXISTS (SELECT FROM devices o WHERE (o.id = i.device_id OR o.id IN"                 \
        "       (SELECT a.device_id FROM alerts a WHERE a.incident_id = i.id))"                    \
        "      AND (c.tags = '{}' OR o.tags && c.tags)"                                            \
        "      AND (c.sites = '{}' OR o.site = ANY (c.sites))))"

#define IS_OPEN "(i.closed_at IS NULL OR i.closed_at > $3)"

const struct mu_pg_statement mu_digest_summary_sql = {
        .name = "digest_summary",
        .sql = "SELECT to_char($2 AT TIME ZONE $4, 'YYYY-MM-DD HH24:MI'),"
               " to_char($3 AT TIME ZONE $4, 'YYYY-MM-DD HH24:MI'),"
               " count(*) FILTER (WHERE i.opened_at > $2),"
               " count(*) FILTER (WHERE i.opened_at > $2 AND i.severity = 'critical'),"
               " count(*) FILTER (WHERE i.opened_at > $2 AND i.severity = 'warning'),"
               " count(*) FILTER (WHERE NOT " IS_OPEN "),"
               " count(*) FILTER (WHERE " IS_OPEN ")" INCIDENTS,
        .params = {MU_PG_INT8, MU_PG_TIMESTAMPTZ, MU_PG_TIMESTAMPTZ, MU_PG_TEXT},
        .repeatable = true,
};

const struct mu_pg_statement mu_digest_list_sql = {
        .name = "digest_list",
        .sql = "SELECT i.severity, i.rule, i.kind, left(i.group_key, 60), i.alert_count,"
               " coalesce(left(d.alias, 60), ''), coalesce(left(d.site, 40), ''),"
               " to_char(i.opened_at AT TIME ZONE $4, 'YYYY-MM-DD HH24:MI'),"
               " extract(epoch FROM coalesce(i.closed_at, $3) - i.opened_at)::bigint" INCIDENTS
               " AND " IS_OPEN " = $5"
               " ORDER BY array_position(ARRAY['critical', 'warning', 'info'], i.severity),"
               "  i.opened_at DESC, i.id LIMIT $6",
        .params = {MU_PG_INT8, MU_PG_TIMESTAMPTZ, MU_PG_TIMESTAMPTZ, MU_PG_TEXT, MU_PG_BOOL,
                   MU_PG_INT8},
        .repeatable = true,
};

const struct mu_pg_statement mu_digest_devices_sql = {
        .name = "digest_devices",
        .sql = "SELECT coalesce(left(d.alias, 60), ''), coalesce(left(d.site, 40), ''), lately.n"
               " FROM (SELECT a.device_id, count(*) AS n FROM alerts a"
               "  WHERE a.fired_at > $2 AND a.fired_at <= $3 AND a.device_id <> 0"
               "  AND a.incident_id IN (SELECT i.id" INCIDENTS ")"
               "  GROUP BY a.device_id HAVING count(*) > 1) lately"
               " JOIN devices d ON d.id = lately.device_id"
               " ORDER BY lately.n DESC, d.id LIMIT $4",
        .params = {MU_PG_INT8, MU_PG_TIMESTAMPTZ, MU_PG_TIMESTAMPTZ, MU_PG_INT8},
        .repeatable = true,
};
