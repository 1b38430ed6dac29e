/* SPDX-License-Identifier: Apache-2.0 */
#include "app/log_events.h"

#include "base/log.h"

void mu_log_cluster(void *context, enum mu_cluster_event event, const char *sentence)
{
        (void)context;
        switch (event) {
        case MU_CLUSTER_INITIALISING:
                mu_log(MU_LOG_INFO, "postgres.initialising", MU_LOG_STR("detail", sentence));
                break;
        case MU_CLUSTER_MOVED:
                mu_log(MU_LOG_WARNING, "postgres.moved", MU_LOG_STR("detail", sentence));
                break;
        case MU_CLUSTER_ADOPTED:
                mu_log(MU_LOG_WARNING, "postgres.adopted", MU_LOG_STR("detail", sentence));
                break;
        case MU_CLUSTER_STARTED:
                mu_log(MU_LOG_INFO, "postgres.started", MU_LOG_STR("detail", sentence));
                break;
        case MU_CLUSTER_READY:
                mu_log(MU_LOG_INFO, "postgres.ready", MU_LOG_STR("detail", sentence));
                break;
        case MU_CLUSTER_DIED:
                mu_log(MU_LOG_ERROR, "postgres.died", MU_LOG_STR("detail", sentence));
                break;
        case MU_CLUSTER_START_FAILED:
                mu_log(MU_LOG_ERROR, "postgres.start_failed", MU_LOG_STR("detail", sentence));
                break;
        case MU_CLUSTER_LEFTOVERS:
                mu_log(MU_LOG_WARNING, "postgres.leftovers", MU_LOG_STR("detail", sentence));
                break;
        case MU_CLUSTER_STOPPED:
                mu_log(MU_LOG_INFO, "postgres.stopped", MU_LOG_STR("detail", sentence));
                break;
        }
}

void mu_log_writer(void *context, const struct mu_writer_note *note)
{
        const struct mu_log_field fields[] = {
                MU_LOG_UINT("writer", note->lane),       MU_LOG_UINT("seq", note->seq),
                MU_LOG_UINT("from_seq", note->from_seq), MU_LOG_INT("device_id", note->device_id),
                MU_LOG_STR("sqlstate", note->sqlstate),  MU_LOG_STR("detail", note->sentence),
                {.key = NULL, .type = MU_LOG_TYPE_END},
        };

        (void)context;
        switch (note->event) {
        case MU_WRITER_AWAY:
                mu_log_write(MU_LOG_WARNING, "writer.database_away", fields);
                break;
        case MU_WRITER_BACK:
                mu_log_write(MU_LOG_INFO, "writer.database_back", fields);
                break;
        case MU_WRITER_REWOUND:
                mu_log_write(MU_LOG_WARNING, "writer.rewound", fields);
                break;
        case MU_WRITER_REFUSED:
                mu_log_write(MU_LOG_WARNING, "writer.record_refused", fields);
                break;
        case MU_WRITER_PARTITIONS:
                mu_log_write(MU_LOG_INFO, "writer.partition_made", fields);
                break;
        case MU_WRITER_UNREADABLE:
                mu_log_write(MU_LOG_ERROR, "writer.journal_unreadable", fields);
                break;
        }
}

void mu_log_migration(void *context, const struct mu_migration *next, size_t done, size_t total)
{
        (void)context;
        mu_log(MU_LOG_INFO, "database.migrating", MU_LOG_STR("file", next->name),
               MU_LOG_UINT("done", done), MU_LOG_UINT("total", total));
}

void mu_log_identity_trouble(void *context, const char *what, const char *detail)
{
        (void)context;
        mu_log(MU_LOG_WARNING, "identity.trouble", MU_LOG_STR("what", what),
               MU_LOG_STR("detail", detail));
}

void mu_log_request_trouble(void *context, const char *request_id, const char *path,
                            const char *detail)
{
        (void)context;
        mu_log(MU_LOG_ERROR, "request.failed", MU_LOG_REQUEST_ID(request_id),
               MU_LOG_STR("route", path), MU_LOG_STR("detail", detail));
}

void mu_log_security_event(void *context, const char *kind, const char *address,
                           const char *principal, const char *detail)
{
        (void)context;
        mu_log(MU_LOG_WARNING, "security.event", MU_LOG_STR("kind", kind),
               MU_LOG_STR("address", address), MU_LOG_STR("principal", principal),
               MU_LOG_STR("detail", detail));
}

void mu_log_slow_statement(void *context, const char *statement, uint64_t duration_us,
                           uint64_t rows)
{
        (void)context;
        mu_log(MU_LOG_WARNING, "database.slow_statement", MU_LOG_STR("statement", statement),
               MU_LOG_UINT("duration_us", duration_us), MU_LOG_UINT("rows", rows));
}

void mu_log_archive(void *context, bool trouble, const char *event, const char *parent,
                    const char *day, const char *detail)
{
        (void)context;
        if (trouble)
                mu_log(MU_LOG_WARNING, "archive.trouble", MU_LOG_STR("what", event),
                       MU_LOG_STR("table", parent), MU_LOG_STR("day", day),
                       MU_LOG_STR("detail", detail));
        else
                mu_log(MU_LOG_INFO, "archive.day", MU_LOG_STR("what", event),
                       MU_LOG_STR("table", parent), MU_LOG_STR("day", day),
                       MU_LOG_STR("detail", detail));
}

void mu_log_job_note(void *context, const char *job, const char *text)
{
        (void)context;
        mu_log(MU_LOG_WARNING, "job.note", MU_LOG_STR("job", job), MU_LOG_STR("detail", text));
}

void mu_log_backup(void *context, const char *work, const char *line, bool failed)
{
        (void)context;
        mu_log(failed ? MU_LOG_ERROR : MU_LOG_INFO, "backup", MU_LOG_STR("work", work),
               MU_LOG_STR("detail", line));
}

void mu_log_job(void *context, const char *job, enum mu_job_outcome outcome, uint64_t duration_us,
                uint64_t changed, const char *error)
{
        (void)context;
        if (outcome == MU_JOB_FAILED)
                mu_log(MU_LOG_WARNING, "job.failed", MU_LOG_STR("job", job),
                       MU_LOG_STR("detail", error));
        else
                mu_log(MU_LOG_DEBUG, "job.done", MU_LOG_STR("job", job),
                       MU_LOG_BOOL("skipped", outcome == MU_JOB_SKIPPED),
                       MU_LOG_BOOL("database_away", outcome == MU_JOB_AWAY),
                       MU_LOG_UINT("duration_us", duration_us), MU_LOG_UINT("changed", changed));
}

void mu_log_journal(const struct mu_journal_status *status)
{
        enum mu_log_level level = status->damaged_segments ? MU_LOG_ERROR : MU_LOG_INFO;

        mu_log(level, "journal.opened", MU_LOG_UINT("durable_seq", status->durable_seq),
               MU_LOG_UINT("recovered_records", status->recovered_records),
               MU_LOG_UINT("torn_bytes", status->torn_bytes),
               MU_LOG_UINT("damaged_segments", status->damaged_segments),
               MU_LOG_UINT("damaged_bytes", status->damaged_bytes),
               MU_LOG_UINT("capacity_bytes", status->capacity_bytes),
               MU_LOG_BOOL("io_uring", status->io_uring),
               MU_LOG_BOOL("registered_buffers", status->registered_buffers));
        if (!status->io_uring)
                mu_log(MU_LOG_WARNING, "journal.without_io_uring",
                       MU_LOG_STR("detail", "The kernel refuses io_uring (or journal.io says so): "
                                            "the journal writes with pwritev2 and fdatasync."));
}

void mu_log_journal_damage(const struct mu_journal_status *status, struct mu_journal_damage *said)
{
        if (status->damaged_bytes == said->damaged_bytes &&
            status->missing_records == said->missing_records)
                return;
        *said = (struct mu_journal_damage){.damaged_bytes = status->damaged_bytes,
                                           .missing_records = status->missing_records};
        mu_log(MU_LOG_ERROR, "journal.damage_met",
               MU_LOG_UINT("damaged_bytes", said->damaged_bytes),
               MU_LOG_UINT("missing_records", said->missing_records),
               MU_LOG_STR("detail", "Parts of the journal can't be read; copies lie in its folder "
                                    "damaged/. Everything readable is stored. Check the disk."));
}

void mu_log_identities(const struct mu_keeper_report *report)
{
        mu_log(MU_LOG_INFO, "identity.list_read", MU_LOG_UINT("devices", report->device_count),
               MU_LOG_INT("device_id_max", report->device_id_max));
        if (report->put_back_devices || report->put_back_tokens || report->deleted_again)
                mu_log(MU_LOG_WARNING, "identity.put_back",
                       MU_LOG_UINT("devices", report->put_back_devices),
                       MU_LOG_UINT("tokens", report->put_back_tokens),
                       MU_LOG_UINT("tombstones", report->deleted_again),
                       MU_LOG_STR("detail", "PostgreSQL lacked identities that the snapshot knows "
                                            "(a restored backup?); they were put back."));
}

void mu_log_dispatch_trouble(void *context, const char *detail)
{
        (void)context;
        mu_log(MU_LOG_WARNING, "dispatch.waits_for_database", MU_LOG_STR("detail", detail));
}

void mu_log_alert_trouble(void *context, const char *detail)
{
        (void)context;
        mu_log(MU_LOG_WARNING, "alerts.trouble", MU_LOG_STR("detail", detail));
}

void mu_log_notifier_trouble(void *context, const char *detail)
{
        (void)context;
        mu_log(MU_LOG_WARNING, "notifier.trouble", MU_LOG_STR("detail", detail));
}

void mu_log_outbound_trouble(void *context, const char *service, const char *detail)
{
        (void)context;
        mu_log(MU_LOG_WARNING, "outbound.trouble", MU_LOG_STR("service", service),
               MU_LOG_STR("detail", detail));
}
