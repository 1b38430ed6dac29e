/* SPDX-License-Identifier: Apache-2.0 */
/* doctor.c - what the doctor is told of the settings and of the running parts. */
#include <stdio.h>

#include "app/app_private.h"
#include "control/doctor/doctor.h"
#include "identity/device_table.h"
#include "ingest/pipeline.h"
#include "jobs/scheduler.h"
#include "pg/cluster.h"
#include "pg/database.h"

void mu_app_doctor_settings(const struct mu_config *config, const char *journal_directory,
                            char certificate[PATH_MAX], struct mu_doctor_settings *ret_settings)
{
        if (*config->tls_certificate)
                (void)snprintf(certificate, PATH_MAX, "%s", config->tls_certificate);
        else
                (void)snprintf(certificate, PATH_MAX, "%s/tls/tls.crt", config->data_dir);
        *ret_settings = (struct mu_doctor_settings){
                .data_directory = config->data_dir,
                .journal_directory = journal_directory,
                .certificate = certificate,
                .http_address = config->http_address,
                .cors_origins = config->http_cors_origins,
                .trusted_proxies = config->http_trusted_proxies,
                .log_level = config->log_level,
                .backup_directory = config->backup_directory,
                .backup_recipients = config->backup_recipients,
                .backup_offsite = config->backup_offsite,
                .smtp_url = config->smtp_url,
                .fcm_service_account = config->fcm_service_account,
                .private_cluster = *config->database_url == '\0',
                .backup_interval_s = *config->backup_at ? (uint64_t)MU_S_PER_DAY
                                                        : config->backup_interval / MU_NS_PER_S,
                .backup_check_interval_s = config->backup_check_interval / MU_NS_PER_S,
                .limits_general_max = config->limits_general_max,
                .limits_auth_failures = config->limits_auth_failures,
                .bcrypt_cost = config->accounts_bcrypt_cost,
                .database_connections = config->database_connections,
                .http_connections_max = config->http_connections_max,
        };
}

void mu_app_doctor_facts(void *context, struct mu_doctor_facts *ret_facts)
{
        static const char *const journal_states[] = {
                [MU_JOURNAL_ACCEPTING] = "accepting",
                [MU_JOURNAL_FULL] = "full",
                [MU_JOURNAL_REFUSING] = "refusing",
                [MU_JOURNAL_DRAINING] = "draining",
        };
        struct mu_app *app = context;
        struct mu_pipeline_status status;
        char failing[MU_JOB_NAME_BYTES] = "";
        uint32_t failures = 0;

        mu_pipeline_status(app->pipeline, &status);
        if (app->jobs)
                mu_jobs_trouble(app->jobs, &failures, failing);
        *ret_facts = (struct mu_doctor_facts){
                .journal_state = journal_states[status.journal.state],
                .breaker = mu_breaker_state_name(mu_database_breaker_state(app->database)),
                .journal_hours_left = status.journal_hours_left,
                .backlog_records = status.backlog_records,
                .oldest_unstored_s = status.oldest_unstored_s,
                .damaged_bytes = status.journal.damaged_bytes,
                .missing_records = status.journal.missing_records,
                .job_failures = failures,
                .accepting = status.journal.state == MU_JOURNAL_ACCEPTING,
                .storing = status.storing,
                .device_list = mu_device_table_authoritative(app->devices),
                .io_uring = status.journal.io_uring,
                .direct_io = status.journal.direct_io,
                .has_mail = app->mail,
                .has_fcm = app->fcm,
        };
        (void)snprintf(ret_facts->failing_job, sizeof(ret_facts->failing_job), "%s", failing);
        if (app->cluster) {
                struct mu_cluster_status cluster;

                mu_cluster_status(app->cluster, &cluster);
                ret_facts->postgres_restarts = cluster.restarts;
        }
}
