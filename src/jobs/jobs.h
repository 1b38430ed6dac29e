/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jobs.h - the product's jobs, one file each; jobs.c is the table of them.
 *
 * Threads    the scheduler's. Errors: negative errno as in pg/error.h.
 */
#ifndef MUSTER_JOBS_JOBS_H
#define MUSTER_JOBS_JOBS_H

#include <stdint.h>

#include "jobs/scheduler.h"
#include "muster/compiler.h"

/* partitions.c: every day a row can fall into has its partition, and a week ahead too. */
MU_MUST_CHECK
int mu_job_partitions(const struct mu_jobs_config *config, struct mu_pg *pg, uint64_t *ret_changed);

/* archiver.c: old days leave their tables for the archive; what is asked of it. */
MU_MUST_CHECK
int mu_job_archive(const struct mu_jobs_config *config, struct mu_pg *pg, uint64_t *ret_changed);

/* enrolment_tokens.c: long expired or revoked ones go, with the record of their uses. */
MU_MUST_CHECK
int mu_job_enrolment_tokens(const struct mu_jobs_config *config, struct mu_pg *pg,
                            uint64_t *ret_changed);

/* account_leftovers.c: sessions, resets and API tokens that ended a month ago go. */
MU_MUST_CHECK
int mu_job_account_leftovers(const struct mu_jobs_config *config, struct mu_pg *pg,
                             uint64_t *ret_changed);

/* commands_expire.c: commands whose time is over end, and whoever has to know is told. */
MU_MUST_CHECK
int mu_job_commands_expire(const struct mu_jobs_config *config, struct mu_pg *pg,
                           uint64_t *ret_changed);
/* Those that ended long ago go, with their results and attempts. */
MU_MUST_CHECK
int mu_job_commands_forget(const struct mu_jobs_config *config, struct mu_pg *pg,
                           uint64_t *ret_changed);

/* purge.c: unfinished bulk deletions, and the heartbeats of deleted devices where asked for. */
MU_MUST_CHECK
int mu_job_purge(const struct mu_jobs_config *config, struct mu_pg *pg, uint64_t *ret_changed);

/* selections.c: expired ones go. */
MU_MUST_CHECK
int mu_job_selections(const struct mu_jobs_config *config, struct mu_pg *pg, uint64_t *ret_changed);

/* audit.c: fresh lines of the audit log are linked into their chain. */
MU_MUST_CHECK
int mu_job_audit_chain(const struct mu_jobs_config *config, struct mu_pg *pg,
                       uint64_t *ret_changed);
/* Old ones go; what stays still verifies. */
MU_MUST_CHECK
int mu_job_audit_retention(const struct mu_jobs_config *config, struct mu_pg *pg,
                           uint64_t *ret_changed);

/* idempotency_keys.c: those older than a day go. */
MU_MUST_CHECK
int mu_job_idempotency_keys(const struct mu_jobs_config *config, struct mu_pg *pg,
                            uint64_t *ret_changed);

/* security_events.c: what is pending in memory is written down. */
MU_MUST_CHECK
int mu_job_security_events(const struct mu_jobs_config *config, struct mu_pg *pg,
                           uint64_t *ret_changed);

/* alerts_retention.c: alerts, incidents, notifications and silences that are long over go. */
MU_MUST_CHECK
int mu_job_alerts_retention(const struct mu_jobs_config *config, struct mu_pg *pg,
                            uint64_t *ret_changed);

/* analyze.c: statistics of the tables that job_analyze names, one a slice. */
MU_MUST_CHECK
int mu_job_analyze(const struct mu_jobs_config *config, struct mu_pg *pg, uint64_t *ret_changed);
/* Puts a table there, in the transaction that is open if one is. */
MU_MUST_CHECK
int mu_job_ask_analyze(struct mu_pg *pg, const char *relation);

/* reconcile.c: device_last_status is what history says. */
MU_MUST_CHECK
int mu_job_reconcile(const struct mu_jobs_config *config, struct mu_pg *pg, uint64_t *ret_changed);

/* scheduler_record.c: old lines of job_runs go. */
MU_MUST_CHECK
int mu_job_job_runs(const struct mu_jobs_config *config, struct mu_pg *pg, uint64_t *ret_changed);

/* backup.c: a process of its own makes a backup, or restores the newest one for a look. */
MU_MUST_CHECK
int mu_job_backup(const struct mu_jobs_config *config, struct mu_pg *pg, uint64_t *ret_changed);
int64_t mu_job_backup_due_us(const struct mu_jobs_config *config, int64_t now_us);
MU_MUST_CHECK
int mu_job_backup_check(const struct mu_jobs_config *config, struct mu_pg *pg,
                        uint64_t *ret_changed);
int64_t mu_job_backup_check_due_us(const struct mu_jobs_config *config, int64_t now_us);

#endif
