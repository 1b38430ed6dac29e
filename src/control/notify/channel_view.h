/* SPDX-License-Identifier: Apache-2.0 */
/*
 * channel_view.h - channels as operators see and set them (private to this folder). What is secret
 * of them never comes here.
 *
 * Threads    a handler's worker. Ownership: references are the caller's.
 * Errors     NULL: no memory. A function that returns false has answered the call.
 */
#ifndef MUSTER_CONTROL_NOTIFY_CHANNEL_VIEW_H
#define MUSTER_CONTROL_NOTIFY_CHANNEL_VIEW_H

#include "control/alert/alert_view.h"
#include "control/endpoint.h"

enum mu_channel_filter_limits {
        MU_CHANNEL_FILTER_MAX = 50, /* tags, sites */
        MU_CHANNEL_NAME_CHARS_MAX = 100,
};

#define MU_CHANNEL_RESTRICT_COLUMNS                                                                \
        "c.min_severity, array_to_json(c.rules), array_to_json(c.tags), array_to_json(c.sites),"   \
        " c.mode, to_char(c.digest_at, 'HH24:MI'), c.digest_zone"

/* Of alert_channels c. */
#define MU_CHANNEL_COLUMNS                                                                         \
        "c.id, c.kind, c.name, c.enabled, " MU_CHANNEL_RESTRICT_COLUMNS                            \
        ", c.rate_per_min, c.config ->> 'host', c.config -> 'to',"                                 \
        " coalesce((c.config ->> 'allow_private')::boolean, false), c.broken, c.failed_at,"        \
        " c.error, c.created_at, c.updated_at, c.updated_by"

extern const struct mu_shape mu_channel_shape;
json_t *mu_channel_json(const struct mu_pg_result *rows, size_t row);

/* What a channel takes, as it comes in: for channels and for people's own subscriptions. */
#define MU_CHANNEL_RESTRICT_FIELDS                                                                 \
        {.name = "min_severity",                                                                   \
         .type = MU_FIELD_TEXT,                                                                    \
         .one_of = MU_ALERT_SEVERITIES,                                                            \
         .doc = "At least so bad; info."},                                                         \
                {.name = "rules",                                                                  \
                 .type = MU_FIELD_LIST,                                                            \
                 .items = MU_FIELD_TEXT,                                                           \
                 .least = 0,                                                                       \
                 .most = MU_RULE_COUNT,                                                            \
                 .one_of = MU_ALERT_RULES,                                                         \
                 .doc = "Only of these rules; empty: all."},                                       \
                {.name = "tags",                                                                   \
                 .type = MU_FIELD_LIST,                                                            \
                 .items = MU_FIELD_TEXT,                                                           \
                 .least = 0,                                                                       \
                 .most = MU_CHANNEL_FILTER_MAX,                                                    \
                 .doc = "Only of devices with one of these; empty: all. The appliance's own "      \
                        "always."},                                                                \
                {.name = "sites",                                                                  \
                 .type = MU_FIELD_LIST,                                                            \
                 .items = MU_FIELD_TEXT,                                                           \
                 .least = 0,                                                                       \
                 .most = MU_CHANNEL_FILTER_MAX,                                                    \
                 .doc = "Only of devices at one of these; empty: all."},                           \
                {.name = "mode",                                                                   \
                 .type = MU_FIELD_TEXT,                                                            \
                 .one_of = "immediate|digest",                                                     \
                 .doc = "digest: once a day, all that happened."},                                 \
                {.name = "digest_at",                                                              \
                 .type = MU_FIELD_TEXT,                                                            \
                 .least = 5,                                                                       \
                 .most = 5,                                                                        \
                 .doc = "\"08:00\": the local time of a digest."},                                 \
        {                                                                                          \
                .name = "digest_zone", .type = MU_FIELD_TEXT, .least = 1, .most = 64,              \
                .doc = "\"Europe/Berlin\": whose local time; UTC."                                 \
        }

/* Whether digest_at and digest_zone, if they are given, are a time and a zone; false: answered. */
MU_MUST_CHECK
bool mu_channel_check_restrict(struct mu_ask *ask);

/* min_severity, rules, tags, sites, mode, digest_at, digest_zone, as SET_RESTRICT takes them from
 * $3 on: each value is NULL where the body does not give it. The texts are freed by done. */
enum { MU_CHANNEL_RESTRICTS = 7 };
struct mu_channel_restrict {
        struct mu_pg_value values[MU_CHANNEL_RESTRICTS];
        char *lists[3];
};
/* False: answered. */
MU_MUST_CHECK
bool mu_channel_read_restrict(struct mu_ask *ask, struct mu_channel_restrict *ret_restrict);
void mu_channel_restrict_done(struct mu_channel_restrict *restricted);

/* For "UPDATE alert_channels c SET": values $3 to $9. */
#define MU_CHANNEL_SET_RESTRICT                                                                    \
        " min_severity = coalesce($3, c.min_severity),"                                            \
        " rules = coalesce(" MU_CHANNEL_LIST(                                                      \
                "$4") ", c.rules),"                                                                \
                      " tags = coalesce(" MU_CHANNEL_LIST(                                         \
                              "$5") ", c.tags),"                                                   \
                                    " sites = coalesce(" MU_CHANNEL_LIST(                          \
                                            "$6") ", c.sites),"                                    \
                                                  " mode = coalesce($7, c.mode), digest_at = "     \
                                                  "coalesce($8::text::time, c.digest_at),"         \
                                                  " digest_zone = coalesce($9, c.digest_zone)"
#define MU_CHANNEL_LIST(param)                                                                     \
        "CASE WHEN " param " IS NOT NULL THEN ARRAY(SELECT DISTINCT item"                          \
        " FROM jsonb_array_elements_text(" param ") AS item ORDER BY item) END"
#define MU_CHANNEL_RESTRICT_PARAMS                                                                 \
        MU_PG_TEXT, MU_PG_JSONB, MU_PG_JSONB, MU_PG_JSONB, MU_PG_TEXT, MU_PG_TEXT, MU_PG_TEXT
#define MU_CHANNEL_RESTRICT_VALUES(restricted)                                                     \
        (restricted).values[0], (restricted).values[1], (restricted).values[2],                    \
                (restricted).values[3], (restricted).values[4], (restricted).values[5],            \
                (restricted).values[6]

#endif
