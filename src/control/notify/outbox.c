/* SPDX-License-Identifier: Apache-2.0 */
#include "control/notify/outbox.h"

#include <errno.h>
#include <string.h>

#include "base/assert.h"
#include "base/text.h"
#include "control/notify/outbox_sql.h"
#include "pg/query.h"

static const char *const kind_names[MU_NOTICE_KINDS] = {
        [MU_NOTICE_OPENED] = "opened", [MU_NOTICE_UPDATED] = "updated",
        [MU_NOTICE_CLOSED] = "closed", [MU_NOTICE_TEST] = "test",
        [MU_NOTICE_DIGEST] = "digest",
};

const char *mu_notice_kind_name(enum mu_notice_kind kind)
{
        MU_ASSERT(kind < MU_NOTICE_KINDS);
        return kind_names[kind];
}

int mu_notice_kind_of(const char *name, enum mu_notice_kind *ret_kind)
{
        for (size_t i = 0; i < MU_NOTICE_KINDS; i++)
                if (strcmp(kind_names[i], name) == 0) {
                        *ret_kind = (enum mu_notice_kind)i;
                        return 0;
                }
        return -ENOENT;
}

int mu_alert_outbox_add(struct mu_pg *pg, const int64_t *incident_ids, size_t count,
                        enum mu_notice_kind kind, int64_t at_us, int64_t due_us, uint64_t *ret_rows)
{
        struct mu_pg_result *result;

        MU_ASSERT(mu_pg_in_transaction(pg) && kind <= MU_NOTICE_CLOSED);
        int code = mu_pg_query(pg, &mu_outbox_add_sql,
                               MU_PG_VALUES(mu_pg_int8_array(incident_ids, count),
                                            mu_pg_text(mu_notice_kind_name(kind)),
                                            mu_pg_timestamptz(at_us), mu_pg_timestamptz(due_us)),
                               &result);

        if (code < 0)
                return code;
        if (ret_rows)
                *ret_rows = mu_pg_affected(result);
        mu_pg_result_free(result);
        return 0;
}

int mu_alert_outbox_add_text(struct mu_pg *pg, int64_t channel_id, enum mu_notice_kind kind,
                             const char *title, const char *text, const char *data, int64_t at_us,
                             int64_t *ret_notification_id)
{
        struct mu_pg_result *rows;
        struct mu_text detail;

        MU_ASSERT(kind == MU_NOTICE_TEST || kind == MU_NOTICE_DIGEST);
        mu_text_init(&detail);
        mu_text_add(&detail, "{\"title\":");
        mu_text_add_json(&detail, title, strlen(title));
        mu_text_add(&detail, ",\"text\":");
        mu_text_add_json(&detail, text, strlen(text));
        if (data) {
                mu_text_add(&detail, ",\"data\":");
                mu_text_add(&detail, data);
        }
        mu_text_add(&detail, "}");
        int code = mu_text_status(&detail);

        if (code == 0)
                code = mu_pg_query(pg, &mu_outbox_add_text_sql,
                                   MU_PG_VALUES(mu_pg_int8(channel_id),
                                                mu_pg_text(mu_notice_kind_name(kind)),
                                                mu_pg_timestamptz(at_us),
                                                mu_pg_jsonb(detail.data, detail.bytes)),
                                   &rows);
        mu_text_done(&detail);
        if (code < 0)
                return code;
        bool found = mu_pg_rows(rows) == 1;

        if (found && ret_notification_id)
                *ret_notification_id = mu_pg_get_int(rows, 0, 0);
        mu_pg_result_free(rows);
        return found ? 0 : -ENOENT;
}
