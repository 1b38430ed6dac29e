/* SPDX-License-Identifier: Apache-2.0 */
#include "control/security/security_api.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/clock.h"
#include "control/guard.h"
#include "control/page.h"
#include "control/rate_limit.h"

enum {
        PAGE_DEFAULT = 100,
        PAGE_MAX = 500,
};

/* ---- events ---- */

/* Newest first; a row still growing keeps its id. */
static const struct mu_pg_statement EVENTS = {
        .name = "security_events_page",
        .sql = "SELECT id, first_at, last_at, count, kind, address, principal, detail"
               " FROM security_events WHERE ($1::bigint IS NULL OR id < $1)"
               " AND ($2::text IS NULL OR kind = $2) AND ($3::text IS NULL OR address = $3)"
               " AND ($4::timestamptz IS NULL OR last_at >= $4)"
               " AND ($5::timestamptz IS NULL OR first_at < $5)"
               " ORDER BY id DESC LIMIT $6",
        .params = {MU_PG_INT8, MU_PG_TEXT, MU_PG_TEXT, MU_PG_TIMESTAMPTZ, MU_PG_TIMESTAMPTZ,
                   MU_PG_INT8},
        .repeatable = true,
};

static const char *text_or_null(const struct mu_pg_result *rows, size_t row, int column)
{
        const char *text = mu_pg_get_text(rows, row, column);

        return text && *text ? text : NULL;
}

static json_t *event_of(const struct mu_pg_result *rows, size_t row)
{
        return json_pack("{s:o, s:o, s:o, s:I, s:s, s:o, s:o, s:s}", "id",
                         mu_json_of_id(mu_pg_get_int(rows, row, 0)), "first_at",
                         mu_json_of_time(mu_pg_get_timestamptz(rows, row, 1)), "last_at",
                         mu_json_of_time(mu_pg_get_timestamptz(rows, row, 2)), "count",
                         (json_int_t)mu_pg_get_int(rows, row, 3), "kind",
                         mu_pg_get_text(rows, row, 4), "address",
                         mu_json_of_text_or_null(text_or_null(rows, row, 5)), "principal",
                         mu_json_of_text_or_null(text_or_null(rows, row, 6)), "detail",
                         mu_pg_get_text(rows, row, 7));
}

static void list_events(struct mu_ask *ask)
{
        static const struct mu_page page = {"events", PAGE_DEFAULT, event_of};

        mu_page_reply(ask, &page, &EVENTS,
                      MU_PG_VALUES(mu_page_before(ask),
                                   mu_pg_text(mu_json_text(ask->query, "kind")),
                                   mu_pg_text(mu_json_text(ask->query, "address")),
                                   mu_page_time(ask, "from"), mu_page_time(ask, "to"),
                                   mu_page_limit(ask, &page)));
}

/* ---- offenders ---- */

static json_t *offender_of(const struct mu_ask *ask, const struct mu_rate_offender *offender,
                           const char *kind)
{
        int64_t now_us = mu_clock_realtime_us(ask->control->config.clock);
        uint64_t now_ns = mu_clock_monotonic_ns(ask->control->config.clock);
        int64_t first_us = now_us - (int64_t)((now_ns - offender->first_ns) / MU_NS_PER_US);
        int64_t last_us = now_us - (int64_t)((now_ns - offender->last_ns) / MU_NS_PER_US);

        return json_pack("{s:s, s:s, s:s, s:I, s:o, s:o}", "kind", kind, "name", offender->label,
                         "limit", mu_guard_rule_name(offender->rule), "refused",
                         (json_int_t)offender->refused, "first_at", mu_json_of_time(first_us),
                         "last_at", mu_json_of_time(last_us));
}

static void add_offenders(const struct mu_ask *ask, struct mu_rate_table *table, const char *kind,
                          struct mu_rate_offender *room, json_t *items)
{
        size_t count = mu_rate_offenders(table, room, MU_RATE_OFFENDERS_MAX);

        for (size_t i = 0; i < count; i++)
                (void)json_array_append_new(items, offender_of(ask, &room[i], kind));
}

static void list_offenders(struct mu_ask *ask)
{
        struct mu_guard *guard = ask->control->guard;
        struct mu_rate_offender *room = calloc(MU_RATE_OFFENDERS_MAX, sizeof(*room));
        json_t *items = json_array();

        if (!room) {
                json_decref(items);
                mu_ask_failed(ask, -ENOMEM);
                return;
        }
        add_offenders(ask, guard->accounts, "account", room, items);
        add_offenders(ask, guard->addresses, "address", room, items);
        free(room);
        mu_ask_reply(ask, 200, json_pack("{s:o}", "offenders", items));
}

/* ---- the table ---- */

#define KINDS                                                                                      \
        "login_failed|lockout|session_reuse|password_reset|unauthenticated|forbidden|"             \
        "bad_signature|replay|upload_refused|limited|origin_refused|clone"

static const struct mu_field QUERY_FIELDS[] = {
        {.name = "before", .type = MU_FIELD_ID, .doc = "The next_before of the page before."},
        {.name = "limit",
         .type = MU_FIELD_INTEGER,
         .least = 1,
         .most = PAGE_MAX,
         .doc = "Most events in the answer; 100 unless said otherwise."},
        {.name = "kind", .type = MU_FIELD_TEXT, .one_of = KINDS, .doc = "Only of this kind."},
        {.name = "address",
         .type = MU_FIELD_TEXT,
         .least = 1,
         .most = 64,
         .doc = "Only from this address."},
        {.name = "from", .type = MU_FIELD_TIME, .doc = "Only from this time on."},
        {.name = "to", .type = MU_FIELD_TIME, .doc = "Only before this time."},
};
static const struct mu_shape QUERY = MU_SHAPE("SecurityEventQuery", QUERY_FIELDS);

static const struct mu_field EVENT_FIELDS[] = {
        {.name = "id", .type = MU_FIELD_ID, .flags = MU_FIELD_REQUIRED, .doc = "Names it."},
        {.name = "first_at",
         .type = MU_FIELD_TIME,
         .flags = MU_FIELD_REQUIRED,
         .doc = "The first of this minute."},
        {.name = "last_at",
         .type = MU_FIELD_TIME,
         .flags = MU_FIELD_REQUIRED,
         .doc = "The last of this minute."},
        {.name = "count",
         .type = MU_FIELD_INTEGER,
         .flags = MU_FIELD_REQUIRED,
         .doc = "How many times within the minute."},
        {.name = "kind",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED,
         .one_of = KINDS,
         .doc = "What it was."},
        {.name = "address",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED | MU_FIELD_NULLABLE,
         .doc = "From where."},
        {.name = "principal",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED | MU_FIELD_NULLABLE,
         .doc = "Who, if that was known, of the first one."},
        {.name = "detail",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED,
         .doc = "What else is known, of the first one."},
};
static const struct mu_shape EVENT = MU_SHAPE("SecurityEvent", EVENT_FIELDS);

static const struct mu_field PAGE_FIELDS[] = {
        {.name = "events",
         .type = MU_FIELD_LIST,
         .flags = MU_FIELD_REQUIRED,
         .shape = &EVENT,
         .doc = "Newest first."},
        {.name = "next_before",
         .type = MU_FIELD_ID,
         .flags = MU_FIELD_REQUIRED | MU_FIELD_NULLABLE,
         .doc = "There may be more: ask again with this as before."},
};
static const struct mu_shape PAGE = MU_SHAPE("SecurityEventPage", PAGE_FIELDS);

static const struct mu_field OFFENDER_FIELDS[] = {
        {.name = "kind",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED,
         .one_of = "account|address",
         .doc = "What was limited."},
        {.name = "name",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED,
         .doc = "The account, or the first address of an IPv6 /64 that was refused."},
        {.name = "limit",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED,
         .one_of = "general|reset|bulk",
         .doc = "Which limit."},
        {.name = "refused",
         .type = MU_FIELD_INTEGER,
         .flags = MU_FIELD_REQUIRED,
         .doc = "How many requests."},
        {.name = "first_at",
         .type = MU_FIELD_TIME,
         .flags = MU_FIELD_REQUIRED,
         .doc = "The first of them."},
        {.name = "last_at",
         .type = MU_FIELD_TIME,
         .flags = MU_FIELD_REQUIRED,
         .doc = "The last of them."},
};
static const struct mu_shape OFFENDER = MU_SHAPE("Offender", OFFENDER_FIELDS);

static const struct mu_field OFFENDERS_FIELDS[] = {
        {.name = "offenders",
         .type = MU_FIELD_LIST,
         .flags = MU_FIELD_REQUIRED,
         .shape = &OFFENDER,
         .doc = "Accounts, then addresses, last refused first."},
};
static const struct mu_shape OFFENDERS = MU_SHAPE("Offenders", OFFENDERS_FIELDS);

static const struct mu_endpoint rows[] = {
        {.method = "GET",
         .path = "/admin/security/events",
         .handle = list_events,
         .access = MU_ACCESS_ADMIN,
         .scope = "security:read",
         .flags = MU_ENDPOINT_ADMIN_KEY,
         .query = &QUERY,
         .reply_status = 200,
         .reply = &PAGE,
         .operation_id = "listSecurityEvents",
         .tag = "Security",
         .summary = "What looked like an attack",
         .doc = "Repeats from one address within a minute are one event with a count. Kept for "
                "retention.security_events."},
        {.method = "GET",
         .path = "/admin/security/offenders",
         .handle = list_offenders,
         .access = MU_ACCESS_ADMIN,
         .scope = "security:read",
         .flags = MU_ENDPOINT_ADMIN_KEY | MU_ENDPOINT_NO_DATABASE,
         .reply_status = 200,
         .reply = &OFFENDERS,
         .operation_id = "listOffenders",
         .tag = "Security",
         .summary = "Who was held up by a rate limit",
         .doc = "Since the start of the appliance, the last 256 accounts and 256 addresses."},
};

const struct mu_endpoints mu_security_endpoints = MU_ENDPOINTS(rows);
