/* SPDX-License-Identifier: Apache-2.0 */
#include "control/alert/appliance_rules.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/text.h"
#include "control/alert/appliance_sql.h"
#include "pg/query.h"

/* ---- slow facts ---- */

static int read_partitions(struct mu_pg *pg, int64_t now_us, struct mu_appliance_slow *slow)
{
        struct mu_pg_result *rows;
        int error = mu_pg_query(
                pg, &mu_appliance_partitions_sql,
                MU_PG_VALUES(mu_pg_timestamptz(now_us), mu_pg_int4(MU_APPLIANCE_DAYS_AHEAD)),
                &rows);

        if (error < 0)
                return error;
        const char *first = mu_pg_get_text(rows, 0, 1);

        slow->partition_days_missing = (uint32_t)mu_pg_get_int(rows, 0, 0);
        (void)snprintf(slow->partition_first_missing, sizeof(slow->partition_first_missing),
                       "%.10s", first ? first : "");
        mu_pg_result_free(rows);
        return 0;
}

/* While there was no good one: since the first try, else since this process began. */
static int read_backup(struct mu_pg *pg, int64_t now_us, int64_t start_us,
                       struct mu_appliance_slow *slow)
{
        struct mu_pg_result *rows;
        int error = mu_pg_query(pg, &mu_appliance_backup_sql, MU_PG_VALUES(), &rows);

        if (error < 0)
                return error;
        int64_t since_us = start_us;

        if (!mu_pg_is_null(rows, 0, 0)) {
                since_us = mu_pg_get_timestamptz(rows, 0, 0);
                slow->backup_at_us = since_us;
        } else if (!mu_pg_is_null(rows, 0, 1)) {
                int64_t tried_us = mu_pg_get_timestamptz(rows, 0, 1);

                since_us = tried_us < start_us ? tried_us : start_us;
        }
        mu_pg_result_free(rows);
        slow->backup_age_s = since_us < now_us ? (now_us - since_us) / MU_US_PER_S : 0;
        return 0;
}

static int read_rejects(struct mu_pg *pg, int64_t now_us, struct mu_appliance_slow *slow)
{
        struct mu_pg_result *rows;
        int error = mu_pg_query(pg, &mu_appliance_rejects_sql,
                                MU_PG_VALUES(mu_pg_timestamptz(now_us)), &rows);

        if (error < 0)
                return error;
        slow->rejects_count = mu_pg_get_int(rows, 0, 0);
        mu_pg_result_free(rows);
        return 0;
}

int mu_appliance_read(struct mu_pg *pg, const struct mu_appliance_facts *facts, int64_t now_us,
                      int64_t start_us, struct mu_appliance_slow *ret_slow)
{
        struct mu_appliance_slow slow = {.known = true, .backup_age_s = -1};
        int error = read_partitions(pg, now_us, &slow);

        if (error == 0 && facts->backup_interval_s > 0)
                error = read_backup(pg, now_us, start_us, &slow);
        if (error == 0)
                error = read_rejects(pg, now_us, &slow);
        if (error == 0)
                *ret_slow = slow;
        return error;
}

/* ---- judging ---- */

static int64_t to_int64(uint64_t value)
{
        return value > INT64_MAX ? INT64_MAX : (int64_t)value;
}

/* A detail that does not fit is left out: it only says more. */
static void MU_PRINTF(2, 3)
        set_detail(struct mu_appliance_reading *reading, const char *format, ...)
{
        va_list args;

        va_start(args, format);
        int bytes = vsnprintf(reading->detail, sizeof(reading->detail), format, args);

        va_end(args);
        if (bytes < 0 || (size_t)bytes >= sizeof(reading->detail))
                reading->detail[0] = '\0';
}

static void judge_backlog(const struct mu_appliance_facts *facts,
                          struct mu_appliance_reading *reading)
{
        reading->known = true;
        reading->applies = true;
        reading->value = to_int64(facts->oldest_unstored_s);
        if (isfinite(facts->journal_hours_left))
                set_detail(reading, "{\"records\":%llu,\"hours_left\":%.1f}",
                           (unsigned long long)facts->backlog_records, facts->journal_hours_left);
        else
                set_detail(reading, "{\"records\":%llu}",
                           (unsigned long long)facts->backlog_records);
}

static void judge_disk(const struct mu_appliance_facts *facts, struct mu_appliance_reading *reading)
{
        if (facts->disk_total_bytes == 0)
                return;
        reading->known = true;
        reading->applies = true;
        reading->value =
                (int64_t)((double)facts->disk_free_bytes * 100.0 / (double)facts->disk_total_bytes);
        set_detail(reading, "{\"free_bytes\":%llu,\"total_bytes\":%llu}",
                   (unsigned long long)facts->disk_free_bytes,
                   (unsigned long long)facts->disk_total_bytes);
}

static void judge_partitions(const struct mu_appliance_slow *slow,
                             struct mu_appliance_reading *reading)
{
        reading->known = slow->known;
        reading->applies = true;
        reading->value = slow->partition_days_missing;
        if (*slow->partition_first_missing)
                set_detail(reading, "{\"first_day\":\"%s\"}", slow->partition_first_missing);
}

static void judge_backup(const struct mu_appliance_facts *facts,
                         const struct mu_appliance_slow *slow, struct mu_appliance_reading *reading)
{
        if (facts->backup_interval_s == 0) {
                reading->known = true;
                return;
        }
        reading->known = slow->known && slow->backup_age_s >= 0;
        reading->applies = true;
        reading->value = slow->backup_age_s;
        if (slow->backup_at_us > 0)
                set_detail(reading, "{\"last_at_s\":%lld}",
                           (long long)(slow->backup_at_us / MU_US_PER_S));
}

static void judge_rejects(const struct mu_appliance_slow *slow,
                          struct mu_appliance_reading *reading)
{
        reading->known = slow->known;
        reading->applies = true;
        reading->value = slow->rejects_count;
}

static void judge_jobs(const struct mu_appliance_facts *facts, struct mu_appliance_reading *reading)
{
        struct mu_text detail;

        reading->known = true;
        reading->applies = true;
        reading->value = facts->job_failures_in_a_row;
        if (!*facts->failing_job)
                return;
        mu_text_init_fixed(&detail, reading->detail, sizeof(reading->detail));
        mu_text_add(&detail, "{\"job\":");
        mu_text_add_json(&detail, facts->failing_job, strlen(facts->failing_job));
        mu_text_add(&detail, "}");
        MU_ASSERT(mu_text_status(&detail) == 0); /* escaped six times a byte at most */
}

void mu_appliance_judge(const struct mu_appliance_facts *facts,
                        const struct mu_appliance_slow *slow,
                        struct mu_appliance_reading ret_readings[MU_APPLIANCE_RULE_COUNT])
{
        for (int i = 0; i < MU_APPLIANCE_RULE_COUNT; i++) {
                struct mu_appliance_reading *reading = &ret_readings[i];

                *reading = (struct mu_appliance_reading){
                        .rule = (enum mu_alert_rule)(MU_RULE_DEVICE_COUNT + i)};
                switch (reading->rule) {
                case MU_RULE_JOURNAL_BACKLOG:
                        judge_backlog(facts, reading);
                        break;
                case MU_RULE_DISK:
                        judge_disk(facts, reading);
                        break;
                case MU_RULE_PARTITION_MISSING:
                        judge_partitions(slow, reading);
                        break;
                case MU_RULE_BACKUP_AGE:
                        judge_backup(facts, slow, reading);
                        break;
                case MU_RULE_REJECTS:
                        judge_rejects(slow, reading);
                        break;
                case MU_RULE_JOB_FAILING:
                        judge_jobs(facts, reading);
                        break;
                default: /* database_away: outage_note.c */
                        break;
                }
        }
}
