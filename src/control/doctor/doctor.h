/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor.h - is everything about this appliance as it should be, and if not, what to do.
 *
 *   local      files, machine, settings: also without a running musterd (`musterd doctor`)
 *   running    journal, writers, jobs: what app/ knows
 *   database   its settings, partitions, backups, archive, users, channels, devices; audit chain
 *
 * Each check is one line: ok, warn (it works, and should not stay so), fail (data or security are
 * at risk), skip (could not be told, or does not apply).
 *
 * Units      *_s, *_bytes. Threads: one a report. Ownership: init/done.
 * Errors     a check that can't be made is a line too.
 */
#ifndef MUSTER_CONTROL_DOCTOR_DOCTOR_H
#define MUSTER_CONTROL_DOCTOR_DOCTOR_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "muster/compiler.h"

struct mu_control;
struct mu_pg;

enum mu_doctor_status {
        MU_DOCTOR_OK,
        MU_DOCTOR_SKIP,
        MU_DOCTOR_WARN,
        MU_DOCTOR_FAIL,
        MU_DOCTOR_STATUSES,
};

/* What the settings say. Strings are never NULL. */
struct mu_doctor_settings {
        const char *data_directory;
        const char *journal_directory;
        const char *certificate; /* the file in use */
        const char *http_address;
        const char *cors_origins;
        const char *trusted_proxies;
        const char *log_level;
        const char *backup_directory;
        const char *backup_recipients;
        const char *backup_offsite;
        const char *smtp_url;
        const char *fcm_service_account;
        bool private_cluster;
        uint64_t backup_interval_s;
        uint64_t backup_check_interval_s;
        uint64_t limits_general_max;
        uint64_t limits_auth_failures;
        uint64_t bcrypt_cost;
        uint64_t database_connections;
        uint64_t http_connections_max;
};

/* What the running daemon knows. */
struct mu_doctor_facts {
        const char *journal_state; /* accepting, full, ... */
        const char *breaker;       /* closed, open, ... */
        double journal_hours_left; /* infinity: not filling */
        uint64_t backlog_records;
        uint64_t oldest_unstored_s;
        uint64_t damaged_bytes;
        uint64_t missing_records;
        uint32_t postgres_restarts;
        uint32_t job_failures;
        char failing_job[32];
        bool accepting;
        bool storing;
        bool device_list; /* read from PostgreSQL */
        bool io_uring;
        bool direct_io;
        bool has_mail;
        bool has_fcm;
};

struct mu_doctor {
        json_t *checks;
        uint32_t counts[MU_DOCTOR_STATUSES];
};

MU_MUST_CHECK
int mu_doctor_init(struct mu_doctor *doctor);
void mu_doctor_done(struct mu_doctor *doctor);
/* advice: what to do; NULL or "": nothing. */
void mu_doctor_add(struct mu_doctor *doctor, const char *name, enum mu_doctor_status status,
                   const char *advice, const char *found, ...) MU_PRINTF(5, 6);
/* {"status", "counts", "checks"}; the caller's. */
json_t *mu_doctor_json(const struct mu_doctor *doctor);
/* 0 fine, 1 warnings, 2 failures. */
int mu_doctor_exit(const struct mu_doctor *doctor);

/* doctor_local.c */
void mu_doctor_local(struct mu_doctor *doctor, const struct mu_doctor_settings *settings);
/* doctor_machine.c */
void mu_doctor_machine(struct mu_doctor *doctor, const struct mu_doctor_settings *settings);
/* doctor_running.c */
void mu_doctor_running(struct mu_doctor *doctor, const struct mu_doctor_facts *facts);
/* doctor_database.c. Walks the audit chain too. */
void mu_doctor_database(struct mu_doctor *doctor, struct mu_control *control, struct mu_pg *pg,
                        const struct mu_doctor_settings *settings);

#endif
