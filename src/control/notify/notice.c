/* SPDX-License-Identifier: Apache-2.0 */
/*
 * notice.c - an incident's rows become texts. What a rule's value means: notice_text.c.
 */
#include "control/notify/notice.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/text.h"
#include "control/notify/notice_sql.h"
#include "control/notify/notice_text.h"
#include "pg/query.h"

static const char *const state_titles[] = {
        [MU_NOTICE_STANDS] = "Firing",
        [MU_NOTICE_OVER] = "Resolved",
        [MU_NOTICE_MERGED] = "Part of a wider incident",
};

const char *mu_notice_state_title(enum mu_notice_state state)
{
        MU_ASSERT(state <= MU_NOTICE_MERGED);
        return state_titles[state];
}

void mu_notice_done(struct mu_notice *notice)
{
        free(notice->incident_kind);
        free(notice->group_key);
        free(notice->rule);
        free(notice->title);
        free(notice->what);
        free(notice->where);
        free(notice->acked_by);
        free(notice->ack_note);
        free(notice->link);
        free(notice->data);
        for (size_t i = 0; i < notice->devices_shown; i++) {
                free(notice->devices[i].alias);
                free(notice->devices[i].site);
        }
        for (size_t i = 0; i < notice->line_count; i++)
                free(notice->lines[i]);
        *notice = (struct mu_notice){0};
}

/* ---- pieces ---- */

/* People's text without control characters but line breaks; NULL is "". */
static int copy(const char *text, char **ret_copy)
{
        char *copied = strdup(text ? text : "");

        if (!copied)
                return -ENOMEM;
        for (char *c = copied; *c; c++)
                if (((unsigned char)*c < ' ' && *c != '\n') || *c == 0x7f)
                        *c = ' ';
        *ret_copy = copied;
        return 0;
}

static int take(struct mu_text *text, char **ret_string)
{
        size_t bytes;

        mu_text_add(text, ""); /* never NULL */
        return mu_text_take(text, ret_string, &bytes);
}

static int64_t time_or_0(const struct mu_pg_result *row, int column)
{
        return mu_pg_is_null(row, 0, column) ? 0 : mu_pg_get_timestamptz(row, 0, column);
}

static int read_incident(const struct mu_pg_result *row, struct mu_notice *notice)
{
        static const struct {
                int column;
                size_t offset;
        } texts[] = {
                {0, offsetof(struct mu_notice, incident_kind)},
                {1, offsetof(struct mu_notice, group_key)},
                {2, offsetof(struct mu_notice, rule)},
                {8, offsetof(struct mu_notice, acked_by)},
                {9, offsetof(struct mu_notice, ack_note)},
        };
        int code = mu_alert_severity_of(mu_pg_get_text(row, 0, 3), &notice->severity);

        for (size_t i = 0; code == 0 && i < MU_COUNT_OF(texts); i++) {
                char *copied;

                code = copy(mu_pg_get_text(row, 0, texts[i].column), &copied);
                if (code == 0)
                        memcpy((char *)notice + texts[i].offset, &copied, sizeof(copied));
        }
        notice->version = (int32_t)mu_pg_get_int(row, 0, 4);
        notice->opened_us = time_or_0(row, 5);
        notice->closed_us = time_or_0(row, 6);
        notice->acked_us = time_or_0(row, 7);
        notice->merged_into = mu_pg_is_null(row, 0, 10) ? 0 : mu_pg_get_int(row, 0, 10);
        notice->device_count = (int32_t)mu_pg_get_int(row, 0, 11);
        notice->firing_count = (int32_t)mu_pg_get_int(row, 0, 12);
        notice->state = notice->merged_into ? MU_NOTICE_MERGED
                        : notice->closed_us ? MU_NOTICE_OVER
                                            : MU_NOTICE_STANDS;
        return code;
}

/* ---- members ---- */

static int read_member(const struct mu_pg_result *rows, size_t row, struct mu_notice *notice)
{
        struct mu_notice_device *device = &notice->devices[notice->devices_shown];
        int code = copy(mu_pg_get_text(rows, row, 1), &device->alias);

        if (code < 0)
                return code;
        code = copy(mu_pg_get_text(rows, row, 2), &device->site);
        if (code < 0) {
                free(device->alias);
                device->alias = NULL;
                return code;
        }
        device->id = mu_pg_get_int(rows, row, 0);
        device->firing = mu_pg_get_bool(rows, row, 3);
        notice->devices_shown++;
        return 0;
}

static int read_members(struct mu_pg *pg, struct mu_notice *notice, struct mu_notice_facts *facts)
{
        struct mu_pg_result *rows;
        int code = mu_pg_query(
                pg, &mu_notice_members_sql,
                MU_PG_VALUES(mu_pg_int8(notice->incident_id), mu_pg_int8(MU_NOTICE_DEVICES_MAX)),
                &rows);

        if (code < 0)
                return code;
        for (size_t row = 0; code == 0 && row < mu_pg_rows(rows); row++) {
                if (mu_pg_get_int(rows, row, 0) != 0)
                        code = read_member(rows, row, notice);
                if (row > 0)
                        continue;
                facts->has_value = !mu_pg_is_null(rows, row, 4);
                facts->value = facts->has_value ? mu_pg_get_int(rows, row, 4) : 0;
                facts->has_threshold = !mu_pg_is_null(rows, row, 5);
                facts->threshold = facts->has_threshold ? mu_pg_get_int(rows, row, 5) : 0;
                const char *detail = mu_pg_get_text(rows, row, 6);

                facts->detail = detail ? json_loads(detail, 0, NULL) : NULL;
        }
        mu_pg_result_free(rows);
        return code;
}

/* ---- thread ---- */

static int read_lines(struct mu_pg *pg, struct mu_notice *notice)
{
        struct mu_pg_result *rows;
        int code = mu_pg_query(pg, &mu_notice_lines_sql,
                               MU_PG_VALUES(mu_pg_int8(notice->incident_id),
                                            mu_pg_timestamptz(notice->opened_us),
                                            mu_pg_int8(MU_NOTICE_LINES_MAX)),
                               &rows);

        if (code < 0)
                return code;
        for (size_t row = mu_pg_rows(rows); code == 0 && row-- > 0;) {
                const char *kept = mu_pg_get_text(rows, row, 3);
                json_t *detail = kept ? json_loads(kept, 0, NULL) : NULL;
                struct mu_text line;
                char *whole;

                mu_text_init(&line);
                mu_notice_event_text(mu_pg_get_timestamptz(rows, row, 0),
                                     mu_pg_get_text(rows, row, 1), mu_pg_get_text(rows, row, 2),
                                     detail, &line);
                json_decref(detail);
                code = take(&line, &whole);
                if (code == 0) {
                        code = copy(whole, &notice->lines[notice->line_count]);
                        notice->line_count += code == 0;
                        free(whole);
                }
                mu_text_done(&line);
        }
        mu_pg_result_free(rows);
        return code;
}

/* ---- whole ---- */

static int write_texts(struct mu_notice *notice, const struct mu_notice_facts *facts,
                       const char *public_url)
{
        struct mu_text title;
        struct mu_text what;
        struct mu_text where;
        struct mu_text link;

        mu_text_init(&title);
        mu_text_init(&what);
        mu_text_init(&where);
        mu_text_init(&link);
        mu_notice_title_text(notice, &title);
        mu_notice_what_text(notice, facts, &what);
        mu_notice_where_text(notice, &where);
        if (public_url && *public_url)
                mu_text_add_format(&link, "%s/incidents/%" PRId64, public_url, notice->incident_id);
        int code = take(&title, &notice->title);

        if (code == 0)
                code = take(&what, &notice->what);
        if (code == 0)
                code = take(&where, &notice->where);
        if (code == 0)
                code = take(&link, &notice->link);
        mu_text_done(&title);
        mu_text_done(&what);
        mu_text_done(&where);
        mu_text_done(&link);
        return code;
}

int mu_notice_read(struct mu_pg *pg, int64_t incident_id, enum mu_notice_kind kind,
                   const char *public_url, int64_t at_us, struct mu_notice *ret_notice)
{
        struct mu_notice notice = {.kind = kind, .incident_id = incident_id, .at_us = at_us};
        struct mu_notice_facts facts = {0};
        struct mu_pg_result *row;
        int code = mu_pg_query(pg, &mu_notice_incident_sql, MU_PG_VALUES(mu_pg_int8(incident_id)),
                               &row);

        if (code < 0)
                return code;
        code = mu_pg_rows(row) == 1 ? read_incident(row, &notice) : -ENOENT;
        mu_pg_result_free(row);
        if (code == 0)
                code = read_members(pg, &notice, &facts);
        if (code == 0)
                code = read_lines(pg, &notice);
        if (code == 0)
                code = write_texts(&notice, &facts, public_url);
        json_decref(facts.detail);
        if (code < 0)
                mu_notice_done(&notice);
        else
                *ret_notice = notice;
        return code;
}

int mu_notice_make_text(enum mu_notice_kind kind, enum mu_notice_state state,
                        enum mu_alert_severity severity, const char *title, const char *text,
                        const char *data, int64_t at_us, struct mu_notice *ret_notice)
{
        bool appliance = kind == MU_NOTICE_OPENED || kind == MU_NOTICE_CLOSED;
        struct mu_notice notice = {.kind = kind,
                                   .state = state,
                                   .severity = severity,
                                   .opened_us = at_us,
                                   .closed_us = state == MU_NOTICE_OVER ? at_us : 0,
                                   .at_us = at_us};
        char **const empty[] = {&notice.group_key, &notice.rule,     &notice.where,
                                &notice.acked_by,  &notice.ack_note, &notice.link};
        int code = copy(appliance ? "appliance" : "", &notice.incident_kind);

        if (code == 0)
                code = copy(title, &notice.title);
        if (code == 0)
                code = copy(text, &notice.what);
        for (size_t i = 0; code == 0 && i < MU_COUNT_OF(empty); i++)
                code = copy("", empty[i]);
        if (code == 0 && data) {
                notice.data = strdup(data);
                code = notice.data ? 0 : -ENOMEM;
        }
        if (code < 0)
                mu_notice_done(&notice);
        else
                *ret_notice = notice;
        return code;
}
