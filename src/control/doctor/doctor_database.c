/* SPDX-License-Identifier: Apache-2.0 */
/* doctor_database.c - what the database says of itself, and what stands in it. */
#include <string.h>

#include "control/audit/audit_chain.h"
#include "control/control.h"
#include "control/doctor/doctor.h"
#include "pg/migrate.h"
#include "pg/query.h"

enum {
        DAY_S = 86400,
        PARTITION_DAYS_LEAST = 2,
        BACKUP_LATE_FACTOR = 2,
        BACKUP_LATE_S = 7 * DAY_S, /* where none is scheduled */
        CHECK_LATE_S = 30 * DAY_S,
        ARCHIVE_VERIFY_LATE_S = 40 * DAY_S,
        CHANNEL_TEST_LATE_S = 90 * DAY_S,
        CONNECTIONS_BUSY_PERCENT = 80,
};

/* ---- the server ---- */

static const struct mu_pg_statement SERVER = {
        .name = "doctor_server",
        .sql = "SELECT current_setting('fsync') = 'on', current_setting('full_page_writes') = 'on',"
               " current_setting('synchronous_commit') <> 'off',"
               " current_setting('max_connections')::bigint,"
               " (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),"
               " (SELECT count(*) FROM schema_migrations),"
               " (SELECT coalesce(floor(extract(epoch FROM max(range_to) - now()) / 86400), -1)"
               "  ::bigint FROM partition_registry"
               "  WHERE parent = 'heartbeats' AND state = 'attached')",
        .repeatable = true,
};

static void check_server(struct mu_doctor *doctor, const struct mu_pg_result *rows,
                         const struct mu_doctor_settings *settings)
{
        int64_t most = mu_pg_get_int(rows, 0, 3);
        int64_t used = mu_pg_get_int(rows, 0, 4);
        int64_t days = mu_pg_get_int(rows, 0, 6);
        size_t migrations;
        bool durable = mu_pg_get_bool(rows, 0, 0) && mu_pg_get_bool(rows, 0, 1) &&
                       mu_pg_get_bool(rows, 0, 2);

        (void)mu_migrations_embedded(&migrations);
        mu_doctor_add(doctor, "postgres-durability", durable ? MU_DOCTOR_OK : MU_DOCTOR_FAIL,
                      "Turn fsync, full_page_writes and synchronous_commit on: what is stored does "
                      "not survive a power cut, and the journal forgets what is stored.",
                      "fsync %s, full_page_writes %s, synchronous_commit %s",
                      mu_pg_get_bool(rows, 0, 0) ? "on" : "off",
                      mu_pg_get_bool(rows, 0, 1) ? "on" : "off",
                      mu_pg_get_bool(rows, 0, 2) ? "on" : "off");
        mu_doctor_add(doctor, "postgres-connections",
                      used * 100 > most * CONNECTIONS_BUSY_PERCENT ||
                                      most < (int64_t)settings->database_connections
                              ? MU_DOCTOR_WARN
                              : MU_DOCTOR_OK,
                      "Raise max_connections, or lower database.connections.",
                      "%lld of %lld are used; musterd's cap is %llu", (long long)used,
                      (long long)most, (unsigned long long)settings->database_connections);
        mu_doctor_add(doctor, "partitions",
                      days < 0                      ? MU_DOCTOR_FAIL
                      : days < PARTITION_DAYS_LEAST ? MU_DOCTOR_WARN
                                                    : MU_DOCTOR_OK,
                      "musterctl jobs run partitions, and look at why it did not run by itself.",
                      "heartbeats have a place for the next %lld days", (long long)days);
        mu_doctor_add(doctor, "migrations",
                      mu_pg_get_int(rows, 0, 5) == (int64_t)migrations ? MU_DOCTOR_OK
                                                                       : MU_DOCTOR_WARN,
                      "Restart musterd: it applies what is missing at its start.",
                      "%lld applied, %zu known", (long long)mu_pg_get_int(rows, 0, 5), migrations);
}

/* ---- backups and archives ---- */

static const struct mu_pg_statement BACKUPS = {
        .name = "doctor_backups",
        .sql = "SELECT b.outcome, b.error, extract(epoch FROM now() - good.finished_at)::bigint,"
               " coalesce(good.offsite_outcome, ''), coalesce(good.offsite_detail, ''),"
               " tried.check_outcome, tried.check_detail,"
               " extract(epoch FROM now() - tried.checked_at)::bigint, good.database"
               " FROM (SELECT 1) AS one"
               " LEFT JOIN LATERAL (SELECT * FROM backups WHERE outcome <> 'running'"
               "  ORDER BY id DESC LIMIT 1) AS b ON true"
               " LEFT JOIN LATERAL (SELECT * FROM backups WHERE outcome = 'ok'"
               "  ORDER BY id DESC LIMIT 1) AS good ON true"
               " LEFT JOIN LATERAL (SELECT * FROM backups WHERE checked_at IS NOT NULL"
               "  ORDER BY checked_at DESC LIMIT 1) AS tried ON true",
        .repeatable = true,
};

static void check_backups(struct mu_doctor *doctor, const struct mu_pg_result *rows,
                          const struct mu_doctor_settings *settings)
{
        bool any = !mu_pg_is_null(rows, 0, 2);
        int64_t age_s = any ? mu_pg_get_int(rows, 0, 2) : 0;
        bool scheduled = *settings->backup_directory && settings->backup_interval_s > 0;
        int64_t late_s = scheduled ? (int64_t)settings->backup_interval_s * BACKUP_LATE_FACTOR
                                   : BACKUP_LATE_S;
        const char *last = mu_pg_get_text(rows, 0, 0);

        if (!any)
                mu_doctor_add(
                        doctor, "backup", MU_DOCTOR_FAIL,
                        "musterctl backup DIR makes one now; backup.directory schedules them.",
                        "there is none");
        else
                mu_doctor_add(doctor, "backup", age_s > late_s ? MU_DOCTOR_FAIL : MU_DOCTOR_OK,
                              "musterctl backups list says why there is no newer one.",
                              "the newest is %.1f hours old", (double)age_s / 3600);
        if (last && strcmp(last, "failed") == 0)
                mu_doctor_add(doctor, "backup-outcome", MU_DOCTOR_FAIL,
                              "Mend what it says, then: musterctl backups run.",
                              "the last one failed: %.500s", mu_pg_get_text(rows, 0, 1));
        if (strcmp(any ? mu_pg_get_text(rows, 0, 3) : "", "failed") == 0)
                mu_doctor_add(doctor, "backup-offsite", MU_DOCTOR_FAIL,
                              "Mend the way to backup.offsite.", "the last copy failed: %.500s",
                              mu_pg_get_text(rows, 0, 4));
}

static void check_restorable(struct mu_doctor *doctor, const struct mu_pg_result *rows)
{
        const char *outcome = mu_pg_get_text(rows, 0, 5);
        int64_t age_s = outcome ? mu_pg_get_int(rows, 0, 7) : 0;

        if (!outcome)
                mu_doctor_add(doctor, "backup-check",
                              mu_pg_is_null(rows, 0, 2) ? MU_DOCTOR_SKIP : MU_DOCTOR_WARN,
                              "musterctl jobs run backup_check restores the newest into a scratch "
                              "database.",
                              "no backup was ever tried");
        else if (strcmp(outcome, "failed") == 0)
                mu_doctor_add(doctor, "backup-check", MU_DOCTOR_FAIL,
                              "Make a new one (musterctl backups run), and look at the disk.",
                              "the one that was tried is not good: %.500s",
                              mu_pg_get_text(rows, 0, 6));
        else
                mu_doctor_add(doctor, "backup-check",
                              age_s > CHECK_LATE_S              ? MU_DOCTOR_WARN
                              : strcmp(outcome, "skipped") == 0 ? MU_DOCTOR_SKIP
                                                                : MU_DOCTOR_OK,
                              "Try one where there is room or the key: musterctl restore, or "
                              "musterctl jobs run backup_check.",
                              "%.1f days ago: %.400s", (double)age_s / DAY_S,
                              mu_pg_get_text(rows, 0, 6));
}

static const struct mu_pg_statement ARCHIVE = {
        .name = "doctor_archive",
        .sql = "SELECT count(*), count(*) FILTER (WHERE verify_ok = false),"
               " coalesce(max(extract(epoch FROM now() - coalesce(verified_at, archived_at)))"
               "  ::bigint, 0),"
               " coalesce(max(verify_detail) FILTER (WHERE verify_ok = false), '')"
               " FROM archive_days WHERE state = 'archived'",
        .repeatable = true,
};

static void check_archive(struct mu_doctor *doctor, const struct mu_pg_result *rows)
{
        int64_t days = mu_pg_get_int(rows, 0, 0);
        int64_t bad = mu_pg_get_int(rows, 0, 1);
        int64_t age_s = mu_pg_get_int(rows, 0, 2);

        if (bad > 0)
                mu_doctor_add(doctor, "archive", MU_DOCTOR_FAIL,
                              "Take the day from a backup (data/archive), then: musterctl archive "
                              "verify.",
                              "%lld of %lld archived days are damaged: %.400s", (long long)bad,
                              (long long)days, mu_pg_get_text(rows, 0, 3));
        else if (days == 0)
                mu_doctor_add(doctor, "archive", MU_DOCTOR_OK, NULL, "no day is archived yet");
        else
                mu_doctor_add(doctor, "archive",
                              age_s > ARCHIVE_VERIFY_LATE_S ? MU_DOCTOR_WARN : MU_DOCTOR_OK,
                              "musterctl archive verify",
                              "%lld days; verified at least %.0f days "
                              "ago",
                              (long long)days, (double)age_s / DAY_S);
}

/* ---- people, channels, devices ---- */

static const struct mu_pg_statement PEOPLE = {
        .name = "doctor_people",
        .sql = "SELECT count(*) FILTER (WHERE password_change_advised),"
               " count(*) FILTER (WHERE role = 'admin'),"
               " coalesce(string_agg(name, ', ' ORDER BY id)"
               "  FILTER (WHERE password_change_advised), '')"
               " FROM users WHERE disabled_at IS NULL",
        .repeatable = true,
};

static void check_people(struct mu_doctor *doctor, const struct mu_pg_result *rows)
{
        int64_t advised = mu_pg_get_int(rows, 0, 0);

        if (advised > 0)
                mu_doctor_add(doctor, "passwords", MU_DOCTOR_WARN,
                              "Each changes it: musterctl password.",
                              "%lld still have a password that another chose: %.300s",
                              (long long)advised, mu_pg_get_text(rows, 0, 2));
        else
                mu_doctor_add(doctor, "passwords", MU_DOCTOR_OK, NULL,
                              "everybody has one of their own");
        mu_doctor_add(doctor, "administrators",
                      mu_pg_get_int(rows, 0, 1) == 0 ? MU_DOCTOR_WARN : MU_DOCTOR_OK,
                      "Make one: musterctl --admin-key-file … users add NAME --role admin.",
                      "%lld can sign in", (long long)mu_pg_get_int(rows, 0, 1));
}

static const struct mu_pg_statement CHANNELS = {
        .name = "doctor_channels",
        .sql = "SELECT count(*) FILTER (WHERE enabled), count(*) FILTER (WHERE broken),"
               " coalesce(max(name || ': ' || coalesce(error, '')) FILTER (WHERE broken), ''),"
               " (SELECT extract(epoch FROM now() - max(finished_at))::bigint"
               "  FROM alert_notifications WHERE state = 'sent')"
               " FROM alert_channels WHERE deleted_at IS NULL",
        .repeatable = true,
};

static void check_channels(struct mu_doctor *doctor, const struct mu_pg_result *rows)
{
        int64_t count = mu_pg_get_int(rows, 0, 0);
        bool told = !mu_pg_is_null(rows, 0, 3);

        if (count == 0)
                mu_doctor_add(doctor, "alert-channels", MU_DOCTOR_WARN,
                              "Make one: musterctl alerts channels --help.",
                              "nobody is told of alerts");
        else if (mu_pg_get_int(rows, 0, 1) > 0)
                mu_doctor_add(doctor, "alert-channels", MU_DOCTOR_FAIL,
                              "Mend it, then send it a test.", "%lld can't be used: %.400s",
                              (long long)mu_pg_get_int(rows, 0, 1), mu_pg_get_text(rows, 0, 2));
        else if (!told || mu_pg_get_int(rows, 0, 3) > CHANNEL_TEST_LATE_S)
                mu_doctor_add(doctor, "alert-channels", MU_DOCTOR_WARN, "Send each a test.",
                              "%lld, and nothing was sent %s", (long long)count,
                              told ? "in months" : "yet");
        else
                mu_doctor_add(doctor, "alert-channels", MU_DOCTOR_OK, NULL,
                              "%lld; the last message went out %.1f hours ago", (long long)count,
                              (double)mu_pg_get_int(rows, 0, 3) / 3600);
}

static const struct mu_pg_statement DEVICES = {
        .name = "doctor_devices",
        .sql = "SELECT (SELECT count(*) FROM devices WHERE deleted_at IS NULL),"
               " (SELECT count(*) FROM devices WHERE quarantined_at IS NOT NULL"
               "  AND deleted_at IS NULL),"
               " (SELECT count(*) FROM ingest_rejects),"
               " (SELECT count(DISTINCT agent_version) FROM device_last_status),"
               " (SELECT coalesce(string_agg(v || ' on ' || n, ', '), '') FROM"
               "  (SELECT coalesce(agent_version, 'unknown') AS v, count(*) AS n"
               "   FROM device_last_status GROUP BY 1 ORDER BY 2 DESC LIMIT 5) AS top)",
        .repeatable = true,
};

static void check_devices(struct mu_doctor *doctor, const struct mu_pg_result *rows)
{
        int64_t quarantined = mu_pg_get_int(rows, 0, 1);
        int64_t rejected = mu_pg_get_int(rows, 0, 2);

        mu_doctor_add(doctor, "quarantine", quarantined > 0 ? MU_DOCTOR_WARN : MU_DOCTOR_OK,
                      "musterctl devices list --status quarantined, then devices trust.",
                      "%lld of %lld devices are suspected clones and get no commands",
                      (long long)quarantined, (long long)mu_pg_get_int(rows, 0, 0));
        mu_doctor_add(doctor, "rejected-records", rejected > 0 ? MU_DOCTOR_WARN : MU_DOCTOR_OK,
                      "They are kept raw in ingest_rejects, with the reason.",
                      "%lld heartbeats could not be stored", (long long)rejected);
        mu_doctor_add(doctor, "agent-versions",
                      mu_pg_get_int(rows, 0, 3) > 3 ? MU_DOCTOR_WARN : MU_DOCTOR_OK,
                      "Bring the older ones up to date.", "%.400s",
                      *mu_pg_get_text(rows, 0, 4) ? mu_pg_get_text(rows, 0, 4)
                                                  : "no device has reported yet");
}

/* ---- the audit chain ---- */

static void check_audit(struct mu_doctor *doctor, struct mu_control *control, struct mu_pg *pg)
{
        struct mu_audit_report report;
        int err = mu_audit_verify(control, pg, &report);

        if (err < 0)
                mu_doctor_add(doctor, "audit-chain", MU_DOCTOR_SKIP, "musterctl audit verify",
                              "it could not be walked: %s", mu_pg_last_error(pg)->text);
        else if (report.problem_count > 0)
                mu_doctor_add(doctor, "audit-chain", MU_DOCTOR_FAIL,
                              "musterctl audit verify names the lines: somebody changed the "
                              "database beside the appliance.",
                              "it does not hold in %llu places",
                              (unsigned long long)report.problem_count);
        else
                mu_doctor_add(doctor, "audit-chain", MU_DOCTOR_OK, NULL, "it holds");
}

/* The result, or a line that says why there is none. */
static struct mu_pg_result *ask(struct mu_doctor *doctor, struct mu_pg *pg, const char *name,
                                const struct mu_pg_statement *statement)
{
        struct mu_pg_result *rows = NULL;

        if (mu_pg_query(pg, statement, MU_PG_VALUES(), &rows) == 0)
                return rows;
        mu_doctor_add(doctor, name, MU_DOCTOR_SKIP, "Is the database overloaded?",
                      "it did not answer: %s", mu_pg_last_error(pg)->text);
        return NULL;
}

void mu_doctor_database(struct mu_doctor *doctor, struct mu_control *control, struct mu_pg *pg,
                        const struct mu_doctor_settings *settings)
{
        struct mu_pg_result *rows = ask(doctor, pg, "postgres", &SERVER);

        if (rows)
                check_server(doctor, rows, settings);
        mu_pg_result_free(rows);
        rows = ask(doctor, pg, "backup", &BACKUPS);
        if (rows) {
                check_backups(doctor, rows, settings);
                check_restorable(doctor, rows);
        }
        mu_pg_result_free(rows);
        rows = ask(doctor, pg, "archive", &ARCHIVE);
        if (rows)
                check_archive(doctor, rows);
        mu_pg_result_free(rows);
        rows = ask(doctor, pg, "passwords", &PEOPLE);
        if (rows)
                check_people(doctor, rows);
        mu_pg_result_free(rows);
        rows = ask(doctor, pg, "alert-channels", &CHANNELS);
        if (rows)
                check_channels(doctor, rows);
        mu_pg_result_free(rows);
        rows = ask(doctor, pg, "quarantine", &DEVICES);
        if (rows)
                check_devices(doctor, rows);
        mu_pg_result_free(rows);
        check_audit(doctor, control, pg);
}
