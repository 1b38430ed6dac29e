/* SPDX-License-Identifier: Apache-2.0 */
#include "control/notify/digest.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/text.h"
#include "control/alert/alert.h"
#include "control/notify/digest_sql.h"
#include "control/notify/outbox.h"
#include "pg/query.h"

enum {
        INCIDENTS_MAX = 10, /* of each kind; Discord takes 4,096 characters */
        DEVICES_MAX = 5,
        ZONE_BYTES = 64,
        TITLE_BYTES = 160,
        DATA_BYTES = 512,
};

/* A channel that is due. */
struct digest {
        int64_t channel_id;
        int64_t from_us;
        int64_t to_us;
        char zone[ZONE_BYTES];
        int64_t opened;
        int64_t critical;
        int64_t warning;
        int64_t resolved;
        int64_t open;
        char from[20]; /* local time */
        char to[20];
};

/* ---- what is told ---- */

static int read_summary(struct mu_pg *pg, struct digest *digest)
{
        struct mu_pg_result *rows;
        int error = mu_pg_query(
                pg, &mu_digest_summary_sql,
                MU_PG_VALUES(mu_pg_int8(digest->channel_id), mu_pg_timestamptz(digest->from_us),
                             mu_pg_timestamptz(digest->to_us), mu_pg_text(digest->zone)),
                &rows);

        if (error < 0)
                return error;
        (void)snprintf(digest->from, sizeof(digest->from), "%s", mu_pg_get_text(rows, 0, 0));
        (void)snprintf(digest->to, sizeof(digest->to), "%s", mu_pg_get_text(rows, 0, 1));
        digest->opened = mu_pg_get_int(rows, 0, 2);
        digest->critical = mu_pg_get_int(rows, 0, 3);
        digest->warning = mu_pg_get_int(rows, 0, 4);
        digest->resolved = mu_pg_get_int(rows, 0, 5);
        digest->open = mu_pg_get_int(rows, 0, 6);
        mu_pg_result_free(rows);
        return 0;
}

static void add_span(struct mu_text *text, int64_t s)
{
        if (s < 60)
                mu_text_add_format(text, "%lld s", (long long)s);
        else if (s < 3600)
                mu_text_add_format(text, "%lld min", (long long)(s / 60));
        else if (s < 86400)
                mu_text_add_format(text, "%lld h %lld min", (long long)(s / 3600),
                                   (long long)(s % 3600 / 60));
        else
                mu_text_add_format(text, "%lld d %lld h", (long long)(s / 86400),
                                   (long long)(s % 86400 / 3600));
}

/* "- [critical] Device offline: Till 4 (Berlin), since 2026-11-21 05:12" */
static void add_incident(struct mu_text *text, const struct mu_pg_result *rows, size_t row,
                         bool open)
{
        const char *rule_name = mu_pg_get_text(rows, row, 1);
        const char *kind = mu_pg_get_text(rows, row, 2);
        const char *alias = mu_pg_get_text(rows, row, 5);
        const char *site = mu_pg_get_text(rows, row, 6);
        enum mu_alert_rule rule;

        mu_text_add_format(text, "- [%s] %s", mu_pg_get_text(rows, row, 0),
                           mu_alert_rule_of(rule_name, &rule) == 0 ? mu_alert_rule_title(rule)
                                                                   : rule_name);
        if (strcmp(kind, "device") == 0) {
                mu_text_add_format(text, ": %s", *alias ? alias : "a device that was deleted");
                if (*site)
                        mu_text_add_format(text, " (%s)", site);
        } else if (strcmp(kind, "appliance") != 0) {
                mu_text_add_format(text, ": %lld devices, %s %s",
                                   (long long)mu_pg_get_int(rows, row, 4), kind,
                                   mu_pg_get_text(rows, row, 3));
        }
        if (open) {
                mu_text_add_format(text, ", since %s\n", mu_pg_get_text(rows, row, 7));
                return;
        }
        mu_text_add(text, ", ");
        add_span(text, mu_pg_get_int(rows, row, 8));
        mu_text_add(text, "\n");
}

static int add_incidents(struct mu_pg *pg, const struct digest *digest, bool open, int64_t count,
                         struct mu_text *text)
{
        struct mu_pg_result *rows;

        if (count == 0)
                return 0;
        int error = mu_pg_query(
                pg, &mu_digest_list_sql,
                MU_PG_VALUES(mu_pg_int8(digest->channel_id), mu_pg_timestamptz(digest->from_us),
                             mu_pg_timestamptz(digest->to_us), mu_pg_text(digest->zone),
                             mu_pg_bool(open), mu_pg_int8(INCIDENTS_MAX)),
                &rows);

        if (error < 0)
                return error;
        int64_t shown = (int64_t)mu_pg_rows(rows);

        mu_text_add(text, open ? "\nStill open:\n" : "\nResolved:\n");
        for (size_t i = 0; i < mu_pg_rows(rows); i++)
                add_incident(text, rows, i, open);
        if (count > shown)
                mu_text_add_format(text, "and %lld more.\n", (long long)(count - shown));
        mu_pg_result_free(rows);
        return 0;
}

static int add_devices(struct mu_pg *pg, const struct digest *digest, struct mu_text *text)
{
        struct mu_pg_result *rows;
        int error = mu_pg_query(
                pg, &mu_digest_devices_sql,
                MU_PG_VALUES(mu_pg_int8(digest->channel_id), mu_pg_timestamptz(digest->from_us),
                             mu_pg_timestamptz(digest->to_us), mu_pg_int8(DEVICES_MAX)),
                &rows);

        if (error < 0)
                return error;
        if (mu_pg_rows(rows) > 0)
                mu_text_add(text, "\nMost alerts:\n");
        for (size_t i = 0; i < mu_pg_rows(rows); i++) {
                const char *site = mu_pg_get_text(rows, i, 1);

                mu_text_add_format(text, "- %s", mu_pg_get_text(rows, i, 0));
                if (*site)
                        mu_text_add_format(text, " (%s)", site);
                mu_text_add_format(text, ": %lld\n", (long long)mu_pg_get_int(rows, i, 2));
        }
        mu_pg_result_free(rows);
        return 0;
}

static int make_text(struct mu_pg *pg, const struct digest *digest, struct mu_text *text)
{
        mu_text_add_format(text, "From %s to %s, %s.\n\nOpened: %lld", digest->from, digest->to,
                           digest->zone, (long long)digest->opened);
        if (digest->opened > 0)
                mu_text_add_format(text, " (critical: %lld, warning: %lld)",
                                   (long long)digest->critical, (long long)digest->warning);
        mu_text_add_format(text, "\nResolved: %lld\nStill open: %lld\n",
                           (long long)digest->resolved, (long long)digest->open);
        int error = add_incidents(pg, digest, true, digest->open, text);

        if (error == 0)
                error = add_incidents(pg, digest, false, digest->resolved, text);
        if (error == 0)
                error = add_devices(pg, digest, text);
        return error < 0 ? error : mu_text_status(text);
}

/* Nothing happened and nothing stands: nobody is told. */
static int put(struct mu_pg *pg, struct digest *digest, bool *ret_told)
{
        char title[TITLE_BYTES];
        char data[DATA_BYTES];
        struct mu_text text;
        int error = read_summary(pg, digest);

        *ret_told = digest->opened > 0 || digest->resolved > 0 || digest->open > 0;
        if (error < 0 || !*ret_told)
                return error;
        (void)snprintf(title, sizeof(title), "Daily digest: %lld opened, %lld resolved, %lld open",
                       (long long)digest->opened, (long long)digest->resolved,
                       (long long)digest->open);
        (void)snprintf(data, sizeof(data),
                       "{\"from_s\":%lld,\"to_s\":%lld,\"opened\":%lld,\"resolved\":%lld,"
                       "\"open\":%lld}",
                       (long long)(digest->from_us / MU_US_PER_S),
                       (long long)(digest->to_us / MU_US_PER_S), (long long)digest->opened,
                       (long long)digest->resolved, (long long)digest->open);
        mu_text_init(&text);
        error = make_text(pg, digest, &text);
        if (error == 0)
                error = mu_alert_outbox_add_text(pg, digest->channel_id, MU_NOTICE_DIGEST, title,
                                                 text.data, data, digest->to_us, NULL);
        mu_text_done(&text);
        return error;
}

/* ---- when ---- */

/* Moves the channel on and puts its row into the outbox, or neither. */
static int tell(struct mu_pg *pg, struct digest *digest, bool *ret_told)
{
        struct mu_pg_result *result;
        int error = mu_pg_begin(pg);

        *ret_told = false;
        if (error == 0)
                error = mu_pg_query(pg, &mu_digest_claim_sql,
                                    MU_PG_VALUES(mu_pg_int8(digest->channel_id),
                                                 mu_pg_timestamptz(digest->from_us),
                                                 mu_pg_timestamptz(digest->to_us)),
                                    &result);
        if (error == 0) {
                bool claimed = mu_pg_affected(result) == 1;

                mu_pg_result_free(result);
                if (claimed)
                        error = put(pg, digest, ret_told);
        }
        MU_FAILPOINT("digest.commit", error);
        if (error == 0)
                error = mu_pg_commit(pg);
        if (error < 0)
                mu_pg_rollback(pg);
        MU_FAILPOINT("digest.committed", error);
        return error;
}

/* The newest due moment up to now (INT64_MIN: none) and the next. A zone that PostgreSQL does not
 * know any more is UTC from then on. */
static int find_due(struct mu_pg *pg, struct digest *digest, int64_t *ret_due_us,
                    int64_t *ret_next_us)
{
        struct mu_pg_result *rows;
        int error = mu_pg_query(pg, &mu_digest_due_sql,
                                MU_PG_VALUES(mu_pg_int8(digest->channel_id),
                                             mu_pg_timestamptz(digest->to_us),
                                             mu_pg_text(digest->zone)),
                                &rows);

        if (error < 0 && strcmp(mu_pg_last_error(pg)->sqlstate, "22023") == 0 &&
            strcmp(digest->zone, "UTC") != 0) {
                (void)snprintf(digest->zone, sizeof(digest->zone), "UTC");
                return find_due(pg, digest, ret_due_us, ret_next_us);
        }
        if (error < 0)
                return error;
        *ret_due_us = mu_pg_is_null(rows, 0, 0) ? INT64_MIN : mu_pg_get_timestamptz(rows, 0, 0);
        *ret_next_us = mu_pg_is_null(rows, 0, 1) ? INT64_MAX : mu_pg_get_timestamptz(rows, 0, 1);
        mu_pg_result_free(rows);
        return 0;
}

static int run_channel(struct mu_pg *pg, struct digest *digest, bool *ret_told,
                       int64_t *ret_next_us)
{
        int64_t due_us;
        int error = find_due(pg, digest, &due_us, ret_next_us);

        *ret_told = false;
        if (error < 0 || due_us <= digest->from_us)
                return error;
        return tell(pg, digest, ret_told);
}

int mu_digest_run(struct mu_pg *pg, int64_t now_us, uint32_t *ret_count, int64_t *ret_next_us)
{
        int64_t next_us = INT64_MAX;
        struct mu_pg_result *rows;
        uint32_t count = 0;
        int error = mu_pg_query(pg, &mu_digest_begin_sql, MU_PG_VALUES(mu_pg_timestamptz(now_us)),
                                NULL);

        if (error == 0)
                error = mu_pg_query(pg, &mu_digest_channels_sql, MU_PG_VALUES(), &rows);
        if (error < 0)
                return error;
        for (size_t i = 0; error == 0 && i < mu_pg_rows(rows); i++) {
                struct digest digest = {
                        .channel_id = mu_pg_get_int(rows, i, 0),
                        .from_us = mu_pg_get_timestamptz(rows, i, 1),
                        .to_us = now_us,
                };
                int64_t channel_next_us = INT64_MAX;
                bool told = false;

                (void)snprintf(digest.zone, sizeof(digest.zone), "%s", mu_pg_get_text(rows, i, 2));
                error = run_channel(pg, &digest, &told, &channel_next_us);
                count += told;
                next_us = channel_next_us < next_us ? channel_next_us : next_us;
        }
        mu_pg_result_free(rows);
        if (error < 0)
                return error;
        if (ret_count)
                *ret_count = count;
        if (ret_next_us)
                *ret_next_us = next_us;
        return 0;
}
