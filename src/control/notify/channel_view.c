/* SPDX-License-Identifier: Apache-2.0 */
#include "control/notify/channel_view.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/cell.h"

static const struct mu_field CHANNEL_FIELDS[] = {
        MU_ALERT_FIELD("id", MU_FIELD_ID, "The channel."),
        MU_ALERT_FIELD_CHOICE("kind", "discord|webhook|email", "How it is told."),
        MU_ALERT_FIELD("name", MU_FIELD_TEXT, "What people call it."),
        MU_ALERT_FIELD("enabled", MU_FIELD_BOOLEAN, "Whether anything is sent."),
        MU_ALERT_FIELD_CHOICE("min_severity", MU_ALERT_SEVERITIES, "At least so bad."),
        {.name = "rules",
         .type = MU_FIELD_LIST,
         .items = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED,
         .doc = "Only of these rules; empty: all."},
        {.name = "tags",
         .type = MU_FIELD_LIST,
         .items = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED,
         .doc = "Only of devices with one of these; empty: all."},
        {.name = "sites",
         .type = MU_FIELD_LIST,
         .items = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED,
         .doc = "Only of devices at one of these; empty: all."},
        MU_ALERT_FIELD_CHOICE("mode", "immediate|digest", "digest: once a day."),
        MU_ALERT_FIELD("digest_at", MU_FIELD_TEXT, "The local time of a digest."),
        MU_ALERT_FIELD("digest_zone", MU_FIELD_TEXT, "Whose local time."),
        MU_ALERT_FIELD("rate_per_min", MU_FIELD_INTEGER, "Most messages a minute."),
        MU_ALERT_FIELD_OR_NULL("host", MU_FIELD_TEXT, "Where the URL leads; null: mail."),
        {.name = "to",
         .type = MU_FIELD_LIST,
         .items = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED | MU_FIELD_NULLABLE,
         .doc = "Addresses; null: no mail."},
        MU_ALERT_FIELD("allow_private", MU_FIELD_BOOLEAN,
                       "A webhook may lead to an address that is not public."),
        MU_ALERT_FIELD("broken", MU_FIELD_BOOLEAN,
                       "The other side refuses it for good: nothing is sent until it is changed."),
        MU_ALERT_FIELD_OR_NULL("failed_at", MU_FIELD_TIME,
                               "When a message did not get through; null: the last one did."),
        MU_ALERT_FIELD_OR_NULL("error", MU_FIELD_TEXT, "Why it did not."),
        MU_ALERT_FIELD("created_at", MU_FIELD_TIME, "When it was made."),
        MU_ALERT_FIELD("updated_at", MU_FIELD_TIME, "When it was changed last."),
        MU_ALERT_FIELD("updated_by", MU_FIELD_TEXT, "Who did."),
};
const struct mu_shape mu_channel_shape = MU_SHAPE("AlertChannel", CHANNEL_FIELDS);

json_t *mu_channel_json(const struct mu_pg_result *rows, size_t row)
{
        return mu_cell_fields(rows, row, 0, &mu_channel_shape, MU_COUNT_OF(CHANNEL_FIELDS));
}

/* ---- what it takes ---- */

/* "00:00" to "23:59". */
static bool is_time(const char *text)
{
        static const char LEAST[] = "00:00";
        static const char MOST[] = "29:59";

        if (strlen(text) != sizeof(LEAST) - 1)
                return false;
        for (size_t i = 0; i < sizeof(LEAST) - 1; i++)
                if (text[i] < LEAST[i] || text[i] > MOST[i])
                        return false;
        return text[0] != '2' || text[1] < '4';
}

static const struct mu_pg_statement FIND_ZONE = {
        .name = "time_zone_find",
        .sql = "SELECT name FROM pg_timezone_names WHERE name = $1",
        .params = {MU_PG_TEXT},
        .repeatable = true,
};

bool mu_channel_check_restrict(struct mu_ask *ask)
{
        const char *at = mu_json_text(ask->body, "digest_at");
        const char *zone = mu_json_text(ask->body, "digest_zone");
        struct mu_pg_result *rows;

        if (at && !is_time(at)) {
                mu_call_problem(ask->call, 400, "field-invalid", "digest_at",
                                "digest_at must be a time of day from 00:00 to 23:59.");
                return false;
        }
        if (!zone)
                return true;
        if (!mu_ask_query(ask, &FIND_ZONE, MU_PG_VALUES(mu_pg_text(zone)), &rows))
                return false;
        bool found = mu_pg_rows(rows) == 1;

        mu_pg_result_free(rows);
        if (!found)
                mu_call_problem(ask->call, 400, "field-invalid", "digest_zone",
                                "There is no such time zone; it is called as in the tz database: "
                                "Europe/Berlin, UTC.");
        return found;
}

bool mu_channel_read_restrict(struct mu_ask *ask, struct mu_channel_restrict *ret_restrict)
{
        static const char *const LISTS[] = {"rules", "tags", "sites"};
        const json_t *body = ask->body;
        struct mu_channel_restrict restricted = {
                .values = {mu_pg_text(mu_json_text(body, "min_severity")), mu_pg_null(MU_PG_JSONB),
                           mu_pg_null(MU_PG_JSONB), mu_pg_null(MU_PG_JSONB),
                           mu_pg_text(mu_json_text(body, "mode")),
                           mu_pg_text(mu_json_text(body, "digest_at")),
                           mu_pg_text(mu_json_text(body, "digest_zone"))},
        };

        if (!mu_channel_check_restrict(ask))
                return false;
        for (size_t i = 0; i < MU_COUNT_OF(LISTS); i++) {
                const json_t *list = json_object_get(body, LISTS[i]);
                char *text = list ? json_dumps(list, JSON_COMPACT) : NULL;

                if (!list)
                        continue;
                if (!text) {
                        mu_channel_restrict_done(&restricted);
                        mu_ask_failed(ask, -ENOMEM);
                        return false;
                }
                restricted.lists[i] = text;
                restricted.values[1 + i] = mu_pg_jsonb(text, strlen(text));
        }
        *ret_restrict = restricted;
        return true;
}

void mu_channel_restrict_done(struct mu_channel_restrict *restricted)
{
        for (size_t i = 0; i < MU_COUNT_OF(restricted->lists); i++)
                free(restricted->lists[i]);
}
