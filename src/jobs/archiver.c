/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "archive/layout.h"
#include "base/fs.h"
#include "jobs/archiver_private.h"
#include "jobs/jobs.h"
#include "pg/background.h"

void mu_archiver_config_init(struct mu_archiver_config *config, struct mu_database *database,
                             const char *directory)
{
        *config = (struct mu_archiver_config){
                .database = database,
                .clock = mu_clock_system(),
                .directory = directory,
                .written_by = "musterd " MUSTER_VERSION,
                .bandwidth = 16 << 20,
                .keep_s = {[MU_PARENT_HEARTBEATS] = 90 * MU_S_PER_DAY,
                           [MU_PARENT_ALERT_EVENTS] = 400 * MU_S_PER_DAY,
                           [MU_PARENT_SECURITY_EVENTS] = 90 * MU_S_PER_DAY},
                .keep_restored_s = 7 * MU_S_PER_DAY,
                .window_days = 7,
        };
}

static void register_parent(struct mu_archiver *archiver, enum mu_parent parent)
{
        struct mu_metrics *metrics = archiver->config.metrics;
        struct mu_archive_cells *cells = &archiver->cells;
        const char *table = mu_parent_facts(parent)->table;

        mu_metrics_gauge(metrics, "muster_archive_partitions", "Days that the archive holds.",
                         MU_LABELS({"table", table}), &cells->days[parent]);
        mu_metrics_gauge(metrics, "muster_archive_rows", "Rows in them.",
                         MU_LABELS({"table", table}), &cells->rows[parent]);
        mu_metrics_gauge(metrics, "muster_archive_bytes", "Their size, plain and as it is stored.",
                         MU_LABELS({"table", table}, {"form", "plain"}),
                         &cells->plain_bytes[parent]);
        mu_metrics_gauge(metrics, "muster_archive_bytes", "Their size, plain and as it is stored.",
                         MU_LABELS({"table", table}, {"form", "stored"}),
                         &cells->stored_bytes[parent]);
        mu_metrics_gauge(metrics, "muster_archive_restored_partitions",
                         "Archived days that are restored for a while.",
                         MU_LABELS({"table", table}), &cells->restored[parent]);
}

static void register_metrics(struct mu_archiver *archiver)
{
        struct mu_metrics *metrics = archiver->config.metrics;
        struct mu_archive_cells *cells = &archiver->cells;

        for (enum mu_parent parent = 0; parent < MU_PARENTS; parent++)
                register_parent(archiver, parent);
        mu_metrics_counter(metrics, "muster_archive_detach_waits_total",
                           "Times a day could not leave its table yet because somebody read it.",
                           NULL, &cells->waits);
        mu_metrics_counter(metrics, "muster_archive_verify_failures_total",
                           "Days whose files were not what they should be.", NULL,
                           &cells->failures);
        mu_metrics_gauge(metrics, "muster_archive_last_verify_ok",
                         "1 if the last verification of a day found nothing, 0 if it did or there "
                         "was none since the start.",
                         NULL, &cells->verify_ok);
        mu_metrics_gauge(metrics, "muster_archive_last_verify_timestamp_seconds",
                         "When the last verification of a day ended; 0: none since the start.",
                         NULL, &cells->verified_at_s);
}

int mu_archiver_create(const struct mu_archiver_config *config, struct mu_archiver **ret_archiver)
{
        struct mu_archiver *archiver = calloc(1, sizeof(*archiver));

        if (!archiver)
                return -ENOMEM;
        archiver->config = *config;
        archiver->directory = strdup(config->directory);
        if (!archiver->directory) {
                free(archiver);
                return -ENOMEM;
        }
        if (config->metrics)
                register_metrics(archiver);
        *ret_archiver = archiver;
        return 0;
}

void mu_archiver_stop(struct mu_archiver *archiver)
{
        if (!archiver)
                return;
        mu_archive_restore_free(archiver, archiver->restore);
        archiver->restore = NULL;
        mu_archive_verify_free(archiver->verify);
        archiver->verify = NULL;
}

void mu_archiver_destroy(struct mu_archiver *archiver)
{
        if (!archiver)
                return;
        mu_archiver_stop(archiver);
        free(archiver->directory);
        free(archiver);
}

int64_t mu_archiver_now_us(const struct mu_archiver *archiver)
{
        return mu_clock_realtime_us(archiver->config.clock);
}

void mu_archiver_tell(struct mu_archiver *archiver, bool trouble, const char *event,
                      const struct mu_archive_day *day, const char *detail)
{
        char date[MU_ARCHIVE_DATE_BYTES];

        if (!archiver->config.on_event)
                return;
        mu_archive_date(day->day, date);
        archiver->config.on_event(archiver->config.event_context, trouble, event,
                                  mu_archive_table(day), date, detail);
}

int mu_archiver_explain(struct mu_archiver *archiver, struct mu_pg *pg,
                        const struct mu_archive_day *day, int error, const char *sentence)
{
        char text[384];
        char date[MU_ARCHIVE_DATE_BYTES];

        mu_archive_date(day->day, date);
        (void)snprintf(text, sizeof(text), "%s, %s: %s", mu_archive_table(day), date, sentence);
        mu_pg_explain(pg, text);
        mu_archiver_tell(archiver, true, "trouble", day, sentence);
        return error;
}

void mu_archiver_verified(struct mu_archiver *archiver, bool ok)
{
        mu_cell_set(&archiver->cells.verify_ok, ok);
        mu_cell_set(&archiver->cells.verified_at_s,
                    (uint64_t)(mu_archiver_now_us(archiver) / MU_US_PER_S));
        if (!ok)
                mu_cell_add(&archiver->cells.failures, 1);
}

char *mu_archiver_path(const struct mu_archiver *archiver, const struct mu_archive_day *day,
                       const char *suffix)
{
        char place[MU_ARCHIVE_PLACE_BYTES];
        char *path;

        mu_archive_place(mu_archive_table(day), day->day, place);
        return asprintf(&path, "%s/%s%s", archiver->directory, place, suffix) < 0 ? NULL : path;
}

int mu_archiver_pace(void *context, size_t plain_bytes)
{
        struct mu_archiver *archiver = context;
        uint64_t now_ns = mu_clock_monotonic_ns(mu_clock_system());

        archiver->pace_bytes += plain_bytes;
        uint64_t due_ns = archiver->pace_from_ns +
                          (uint64_t)((double)archiver->pace_bytes /
                                     (double)archiver->config.bandwidth * (double)MU_NS_PER_S);

        /* Not for each row: a few milliseconds at a time. */
        if (due_ns > now_ns + 5 * (uint64_t)MU_NS_PER_MS) {
                const struct timespec span = {
                        .tv_sec = (time_t)((due_ns - now_ns) / (uint64_t)MU_NS_PER_S),
                        .tv_nsec = (long)((due_ns - now_ns) % (uint64_t)MU_NS_PER_S),
                };

                (void)nanosleep(&span, NULL);
        }
        return 0;
}

static int steps(struct mu_archiver *archiver, struct mu_pg *pg, uint64_t *ret_changed)
{
        int code = archiver->counted ? 0 : mu_archive_sql_count(archiver, pg);

        if (code == 0)
                code = mu_archive_request_step(archiver, pg, ret_changed);
        if (code == 0)
                code = mu_archive_retire_step(archiver, pg, ret_changed);
        return code;
}

/* Behind everybody else, for as long as it lasts: the jobs' thread has other things to do too. */
int mu_archiver_step(struct mu_archiver *archiver, struct mu_pg *pg, uint64_t *ret_changed)
{
        struct mu_background background;

        mu_background_begin(pg, &background);
        archiver->pace_from_ns = mu_clock_monotonic_ns(mu_clock_system());
        archiver->pace_bytes = 0;
        int code = steps(archiver, pg, ret_changed);

        if (mu_pg_in_transaction(pg))
                mu_pg_rollback(pg);
        mu_background_end(&background);
        return code;
}

int mu_job_archive(const struct mu_jobs_config *config, struct mu_pg *pg, uint64_t *ret_changed)
{
        return config->archiver ? mu_archiver_step(config->archiver, pg, ret_changed) : 0;
}
