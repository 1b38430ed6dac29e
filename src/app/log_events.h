/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log_events.h - what the parts report, as log lines. Libraries never log: they call back here.
 *
 * Threads: any.
 */
#ifndef MUSTER_APP_LOG_EVENTS_H
#define MUSTER_APP_LOG_EVENTS_H

#include "identity/keeper.h"
#include "ingest/journal.h"
#include "ingest/writer_core.h"
#include "jobs/scheduler.h"
#include "pg/cluster.h"
#include "pg/migrate.h"

void mu_log_cluster(void *context, enum mu_cluster_event event, const char *sentence);
void mu_log_writer(void *context, const struct mu_writer_note *note);
void mu_log_migration(void *context, const struct mu_migration *next, size_t done, size_t total);
void mu_log_identity_trouble(void *context, const char *what, const char *detail);
void mu_log_slow_statement(void *context, const char *statement, uint64_t duration_us,
                           uint64_t rows);
void mu_log_archive(void *context, bool trouble, const char *event, const char *parent,
                    const char *day, const char *detail);
void mu_log_job_note(void *context, const char *job, const char *text);
/* A line that the process said which makes a backup, or tries one. */
void mu_log_backup(void *context, const char *work, const char *line, bool failed);
void mu_log_job(void *context, const char *job, enum mu_job_outcome outcome, uint64_t duration_us,
                uint64_t changed, const char *error);

/* A service that mail, FCM or webhooks go to is away or refuses. */
void mu_log_outbound_trouble(void *context, const char *service, const char *detail);

/* The dispatcher lost the database; commands wait. Once per outage. */
void mu_log_dispatch_trouble(void *context, const char *detail);
/* Alerts can't be judged or written for now; people can't be told. */
void mu_log_alert_trouble(void *context, const char *detail);
void mu_log_notifier_trouble(void *context, const char *detail);

/* A request of the control plane failed for a reason of ours. */
void mu_log_security_event(void *context, const char *kind, const char *address,
                           const char *principal, const char *detail);
void mu_log_request_trouble(void *context, const char *request_id, const char *path,
                            const char *detail);

/* What recovery found and how the journal will run. */
void mu_log_journal(const struct mu_journal_status *status);

/* Readers meet damage in earlier segments long after the start. said: what the log knows already;
 * one line when there is more. */
struct mu_journal_damage {
        uint64_t damaged_bytes;
        uint64_t missing_records;
};
void mu_log_journal_damage(const struct mu_journal_status *status, struct mu_journal_damage *said);
void mu_log_identities(const struct mu_keeper_report *report);

#endif
