/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parts.c - makes the daemon's parts, in the order in which they need each other. Nothing serves
 * yet when this is done; destroying goes the other way.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/app_private.h"
#include "app/log_events.h"
#include "app/run_files.h"
#include "backup/runner.h"
#include "base/bus.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/qsbr.h"
#include "control/alert/alert_thread.h"
#include "control/command/dispatcher.h"
#include "control/control.h"
#include "control/live/live.h"
#include "control/notify/notifier.h"
#include "control/security/security_event.h"
#include "http/auth_failures.h"
#include "http/console.h"
#include "http/offload.h"
#include "http/tls.h"
#include "identity/keeper.h"
#include "identity/principal.h"
#include "identity/secrets.h"
#include "ingest/pipeline.h"
#include "jobs/archiver.h"
#include "jobs/scheduler.h"
#include "metrics/host.h"
#include "metrics/process.h"
#include "outbound/fcm.h"
#include "outbound/outbound.h"
#include "outbound/smtp.h"
#include "pg/cluster.h"
#include "pg/database.h"
#include "pg/query.h"

enum {
        QSBR_READERS_MAX = MU_LOOPS_MAX + 4,
        AUTH_WINDOW_S = 60,
        AUTH_ADDRESSES = 65536,
        CONTROL_DEADLINE_MS = 10000,
        CLUSTER_WAIT_MS = 10000, /* for the checkpoint; after it the start goes on without */
        FLOOR_ACQUIRE_MS = 3000,
        RESERVED_DESCRIPTORS = 256,
        BUS_EVENTS = 65536, /* a fleet of 100,000 that comes back within seconds */
        JOURNAL_GROUP_BYTES = 256 * 1024,
        SENTENCE_BYTES = 768,
};

static int fail_at(int code, const char *event, const char *what)
{
        char sentence[SENTENCE_BYTES];

        (void)snprintf(sentence, sizeof(sentence), "%.500s: %.200s.", what, strerror(-code));
        return mu_app_fail(code, event, sentence);
}

static uint32_t ms_of(uint64_t ns)
{
        uint64_t ms = ns / MU_NS_PER_MS;

        return ms < UINT32_MAX ? (uint32_t)ms : UINT32_MAX;
}

/* ---- what has no threads ---- */

static int create_basics(struct mu_app *app)
{
        char path[PATH_MAX];
        char error[MU_SECRET_ERROR_BYTES];
        int code = mu_metrics_create(&app->metrics);

        if (code == 0)
                code = mu_metrics_process_create(app->metrics, "musterd", MUSTER_VERSION,
                                                 &app->process);
        if (code == 0)
                code = mu_metrics_host_create(app->metrics, app->config.data_dir, &app->host);
        if (code == 0)
                code = mu_qsbr_create(QSBR_READERS_MAX, &app->qsbr);
        if (code == 0)
                code = mu_bus_create(BUS_EVENTS, &app->bus);
        if (code == 0)
                code = mu_device_table_create(app->qsbr, &app->devices);
        if (code == 0)
                code = mu_auth_failures_create(
                        &(struct mu_auth_failures_config){
                                .window_s = AUTH_WINDOW_S,
                                .failures_max = (uint32_t)app->config.limits_auth_failures,
                                .addresses_max = AUTH_ADDRESSES},
                        &app->auth_failures);
        if (code < 0)
                return fail_at(code, "start.failed", "Not enough memory or descriptors to start");
        (void)snprintf(path, sizeof(path), "%s/secrets", app->config.data_dir);
        code = mu_secrets_open(path, &app->secrets, error);
        return code < 0 ? mu_app_fail(code, "secrets.unusable", error) : 0;
}

/* ---- what is sent out ---- */

static int create_mail(struct mu_app *app, char *error)
{
        const struct mu_config *config = &app->config;
        const struct mu_mailer_config mail = {
                .outbound = app->outbound,
                .url = config->smtp_url,
                .user = config->smtp_user,
                .password_file = config->smtp_password_file,
                .from = config->smtp_from,
                .starttls = config->smtp_starttls,
        };

        return *config->smtp_url ? mu_mailer_create(&mail, &app->mail, error) : 0;
}

static int create_fcm(struct mu_app *app, char *error)
{
        const struct mu_config *config = &app->config;
        const struct mu_fcm_config fcm = {
                .outbound = app->outbound,
                .service_account = config->fcm_service_account,
                .endpoint = config->fcm_endpoint,
                .token_uri = config->fcm_token_uri,
        };

        return *config->fcm_service_account ? mu_fcm_create(&fcm, &app->fcm, error) : 0;
}

static int create_outbound(struct mu_app *app)
{
        char error[MU_OUTBOUND_ERROR_BYTES];
        const struct mu_outbound_config config = {
                .ca_file = app->config.outbound_ca_file,
                .clock = app->clock,
                .metrics = app->metrics,
                .on_trouble = mu_log_outbound_trouble,
        };
        int code = mu_outbound_create(&config, &app->outbound, error);

        if (code == 0)
                code = create_mail(app, error);
        if (code == 0)
                code = create_fcm(app, error);
        return code < 0 ? mu_app_fail(code, "outbound.unusable", error) : 0;
}

/* ---- the database ---- */

static int create_cluster(struct mu_app *app)
{
        struct mu_pg_error error;
        const struct mu_cluster_config config = {
                .data_directory = app->config.data_dir,
                .connections_max = (uint32_t)app->config.database_connections,
                .on_event = mu_log_cluster,
        };
        int code = mu_cluster_create(&config, &app->cluster, &error);

        if (code == 0)
                code = mu_cluster_start(app->cluster);
        else
                return mu_app_fail(code, "postgres.unusable", error.text);
        return code < 0 ? fail_at(code, "postgres.unusable", "PostgreSQL can't be started") : 0;
}

static int create_database(struct mu_app *app)
{
        struct mu_database_config config;
        struct mu_pg_error error;
        bool own = *app->config.database_url == '\0';
        int code = own ? create_cluster(app) : 0;

        if (code < 0)
                return code;
        mu_database_config_init(&config,
                                own ? mu_cluster_conninfo(app->cluster) : app->config.database_url);
        config.connections_max = (uint32_t)app->config.database_connections;
        config.statement_timeout_ms = ms_of(app->config.database_statement_timeout);
        config.slow_statement_us = app->config.database_slow_statement / MU_NS_PER_US;
        config.on_slow = mu_log_slow_statement;
        config.clock = app->clock;
        config.metrics = app->metrics;
        code = mu_database_create(&config, &app->database, &error);
        return code < 0 ? mu_app_fail(code, "database.url", error.text) : 0;
}

static const struct mu_pg_statement SEQUENCE_FLOOR = {
        .name = "sequence_floor",
        .sql = "SELECT coalesce(max(seq), 0) FROM ingest_checkpoint",
        .repeatable = true,
};

/* New sequences must lie above the checkpoint too, should the journal's disk have lost its end
 * (design §2 rule 2). Without the database the journal's own end has to do. */
static uint64_t sequence_floor(struct mu_app *app)
{
        struct mu_pg_result *rows;
        struct mu_pg *pg;
        uint64_t floor = 0;

        if (app->cluster && mu_cluster_wait_ready(app->cluster, CLUSTER_WAIT_MS) < 0)
                return 0;
        if (mu_database_acquire(app->database, FLOOR_ACQUIRE_MS, &pg, NULL) < 0)
                return 0;
        /* The table does not exist before the first migration. */
        if (mu_pg_query(pg, &SEQUENCE_FLOOR, MU_PG_VALUES(), &rows) == 0) {
                floor = (uint64_t)mu_pg_get_int(rows, 0, 0);
                mu_pg_result_free(rows);
        }
        mu_database_release(app->database, pg);
        return floor;
}

/* ---- the data plane ---- */

static void fill_journal_config(struct mu_app *app, struct mu_journal_config *journal)
{
        const struct mu_config *config = &app->config;

        if (*config->journal_dir)
                (void)snprintf(app->journal_directory, PATH_MAX, "%s", config->journal_dir);
        else
                (void)snprintf(app->journal_directory, PATH_MAX, "%s/journal", config->data_dir);
        *journal = (struct mu_journal_config){
                .directory = app->journal_directory,
                .segment_bytes = config->journal_segment,
                .capacity_bytes = config->journal_capacity,
                .tail_bytes = config->journal_tail,
                .group_bytes_max = JOURNAL_GROUP_BYTES,
                .linger_us = (uint32_t)(config->journal_linger / MU_NS_PER_US),
                .keep_covered_s = config->journal_keep_covered / MU_NS_PER_S,
                .keep_covered_bytes = config->journal_keep_covered_size,
                .sequence_min = sequence_floor(app),
                .clock = app->clock,
                .avoid_io_uring = strcmp(config->journal_io, "plain") == 0,
        };
}

static void on_writer_note(void *context, const struct mu_writer_note *note)
{
        struct mu_app *app = context;

        mu_log_writer(NULL, note);
        /* A database that has forgotten heartbeats may have forgotten devices too. */
        if (note->event == MU_WRITER_REWOUND)
                mu_keeper_recheck(app->keeper);
}

static void on_refused(void *context, const struct mu_address *address, bool limited)
{
        struct mu_app *app = context;

        mu_security_event(app->control, limited ? MU_SECURITY_LIMITED : MU_SECURITY_UNAUTHENTICATED,
                          address, NULL, "a device's token");
}

static int create_pipeline(struct mu_app *app)
{
        const struct mu_config *config = &app->config;
        struct mu_pipeline_status status;
        struct mu_pipeline_config pipeline = {
                .clock = app->clock,
                .metrics = app->metrics,
                .devices = app->devices,
                .qsbr = app->qsbr,
                .auth_failures = app->auth_failures,
                .on_refused = on_refused,
                .on_refused_context = app,
                .frontend_count = app->loop_count,
                .ring_bytes = (uint32_t)config->ingest_ring,
                .dedupe_entries = (uint32_t)config->ingest_dedupe_entries,
                .heartbeat_interval_s = (uint32_t)(config->ingest_heartbeat_interval / MU_NS_PER_S),
                .window = {.back_us = (int64_t)(config->ingest_window_back / MU_NS_PER_US),
                           .ahead_us = (int64_t)(config->ingest_window_ahead / MU_NS_PER_US)},
                .writer_count = (uint32_t)config->writer_count,
                .batch_rows_max = (uint32_t)config->writer_batch_rows,
                .batch_bytes_max = (uint32_t)config->writer_batch_size,
                .batch_age_us = (uint32_t)(config->writer_batch_age / MU_NS_PER_US),
                .retention_s = (int64_t)(config->retention_heartbeats / MU_NS_PER_S),
                .statement_timeout_ms = ms_of(config->database_statement_timeout),
                .note = on_writer_note,
                .note_context = app,
                .bus = app->bus,
        };

        fill_journal_config(app, &pipeline.journal);
        int code = mu_pipeline_create(&pipeline, &app->pipeline);

        if (code < 0)
                return fail_at(code, "journal.unusable", app->journal_directory);
        mu_pipeline_status(app->pipeline, &status);
        mu_log_journal(&status.journal);
        app->damage.damaged_bytes = status.journal.damaged_bytes;
        if (!status.journal.io_uring && strcmp(config->journal_io, "uring") == 0)
                return mu_app_fail(
                        -ENOSYS, "journal.unusable",
                        "journal.io is uring, but the kernel refuses io_uring; set it to "
                        "auto.");
        return 0;
}

static int journal_device_id_max(void *context, uint64_t after_seq, int64_t *ret_device_id)
{
        struct mu_app *app = context;

        return mu_pipeline_device_id_max(app->pipeline, after_seq, ret_device_id);
}

static int create_keeper(struct mu_app *app)
{
        char path[PATH_MAX];
        struct mu_snapshot_report report;
        const struct mu_keeper_config config = {
                .devices = app->devices,
                .database = app->database,
                .snapshot_path = path,
                .journal_id = mu_pipeline_journal_id(app->pipeline),
                .journal_device_id_max = journal_device_id_max,
                .on_authoritative = mu_app_on_authoritative,
                .on_trouble = mu_log_identity_trouble,
                .database_ready = mu_app_database_ready,
                .ctx = app,
                .metrics = app->metrics,
        };

        (void)snprintf(path, sizeof(path), "%s/identities", app->config.data_dir);
        int code = mu_keeper_create(&config, &report, &app->keeper);

        if (code < 0)
                return fail_at(code, "identity.snapshot_unusable", path);
        mu_log(report.damaged_bytes ? MU_LOG_WARNING : MU_LOG_INFO, "identity.snapshot_read",
               MU_LOG_UINT("devices", mu_device_table_count(app->devices)),
               MU_LOG_UINT("entries", report.entry_count),
               MU_LOG_UINT("damaged_bytes", report.damaged_bytes));
        return 0;
}

/* ---- maintenance ---- */

static int create_jobs(struct mu_app *app)
{
        struct mu_jobs_config config;
        int code = mu_app_create_archiver(app);

        if (code < 0)
                return code;
        mu_jobs_config_init(&config, app->database);
        config.keep_audit_s = (int64_t)(app->config.retention_audit / MU_NS_PER_S);
        config.keep_alerts_s = (int64_t)(app->config.retention_alerts / MU_NS_PER_S);
        config.keep_security_s = (int64_t)(app->config.retention_security_events / MU_NS_PER_S);
        config.journal_id = mu_pipeline_journal_id(app->pipeline);
        config.clock = app->clock;
        config.metrics = app->metrics;
        config.window_days =
                (uint32_t)(app->config.ingest_window_back / MU_NS_PER_S / MU_S_PER_DAY) + 1;
        config.keep_commands_s = (int64_t)(app->config.retention_commands / MU_NS_PER_S);
        config.control = app->control;
        config.backups = app->backups;
        config.archiver = app->archiver;
        config.on_run = mu_log_job;
        config.on_note = mu_log_job_note;
        code = mu_jobs_create(&config, NULL, 0, &app->jobs);
        if (code == 0)
                mu_jobs_desk(app->jobs, &app->job_desk);
        return code;
}

/* ---- the server ---- */

static int journal_barrier(void *context, uint64_t *ret_seq)
{
        struct mu_app *app = context;

        return mu_pipeline_barrier(app->pipeline, ret_seq);
}

static int create_workers(struct mu_app *app)
{
        struct mu_offload_config config = {
                .name = "control",
                .worker_count = (uint32_t)app->config.control_workers,
                .queue_max = (uint32_t)app->config.control_queue,
                .deadline_ms = CONTROL_DEADLINE_MS,
                .clock = app->clock,
                .metrics = app->metrics,
        };
        int code = mu_offload_create(&config, &app->control_workers);

        config.name = "probe";
        config.worker_count = 1;
        if (code == 0)
                code = mu_offload_create(&config, &app->probe_worker);
        return code;
}

/* As POST /v1/action-result does for results that come by HTTP. */
static void note_forged(void *context, int64_t device_id, int64_t command_id)
{
        struct mu_app *app = context;
        const struct mu_principal device = {.kind = MU_PRINCIPAL_DEVICE, .id = device_id};
        char actor[MU_PRINCIPAL_NAME_BYTES];

        mu_principal_actor(&device, actor, sizeof(actor));
        mu_security_event(app->control, MU_SECURITY_BAD_SIGNATURE, NULL, actor,
                          "The result of command %" PRId64 ".", command_id);
}

static int create_dispatcher(struct mu_app *app)
{
        const struct mu_dispatcher_config config = {
                .database = app->database,
                .devices = app->devices,
                .secrets = app->secrets,
                .auth_failures = app->auth_failures,
                .fcm = app->fcm,
                .bus = app->bus,
                .metrics = app->metrics,
                .clock = app->clock,
                .resend_ms = ms_of(app->config.commands_resend),
                .on_trouble = mu_log_dispatch_trouble,
                .on_forged = note_forged,
                .ctx = app,
        };

        return mu_dispatcher_create(&config, &app->dispatcher);
}

static uint32_t s_of(uint64_t ns)
{
        return (uint32_t)(ns / MU_NS_PER_S);
}

static void fill_limits(const struct mu_config *config, struct mu_rate_rule limits[MU_LIMIT_RULES])
{
        uint32_t burst_window_s = s_of(config->limits_burst_window);

        limits[0] = (struct mu_rate_rule){(uint32_t)config->limits_general_max,
                                          s_of(config->limits_general_window),
                                          (uint32_t)config->limits_general_burst, burst_window_s};
        limits[1] = (struct mu_rate_rule){(uint32_t)config->limits_reset_max,
                                          s_of(config->limits_reset_window),
                                          (uint32_t)config->limits_reset_burst, burst_window_s};
        limits[2] = (struct mu_rate_rule){(uint32_t)config->limits_bulk_max,
                                          s_of(config->limits_bulk_window),
                                          (uint32_t)config->limits_bulk_burst, burst_window_s};
}

static struct mu_account_config account_config(const struct mu_config *config)
{
        uint32_t workers = (uint32_t)config->control_workers;

        return (struct mu_account_config){
                .bcrypt_cost = (uint32_t)config->accounts_bcrypt_cost,
                .bcrypt_parallel_max = workers > 1 ? workers - 1 : 1,
                .access_life_s = s_of(config->accounts_access_life),
                .session_life_s = s_of(config->accounts_session_life),
                .session_idle_s = s_of(config->accounts_session_idle),
                .reset_life_s = s_of(config->accounts_reset_life),
                .lock_failures = (uint32_t)config->accounts_lock_failures,
                .lock_base_s = s_of(config->accounts_lock_first),
                .lock_max_s = s_of(config->accounts_lock_longest),
                .reset_url = config->accounts_reset_url,
        };
}

static void live_pipeline(void *context, struct mu_live_pipeline *ret_pipeline)
{
        struct mu_app *app = context;
        struct mu_pipeline_status status;

        mu_pipeline_status(app->pipeline, &status);
        *ret_pipeline = (struct mu_live_pipeline){.durable_seq = status.journal.durable_seq,
                                                  .backlog_records = status.backlog_records,
                                                  .storing = status.storing};
}

static void note_ticket(void *context)
{
        struct mu_app *app = context;

        mu_security_event(app->control, MU_SECURITY_REPLAY, NULL, NULL,
                          "A live view's ticket that is unknown, expired or used.");
}

static int create_live(struct mu_app *app)
{
        const struct mu_live_config config = {
                .database = app->database,
                .bus = app->bus,
                .devices = app->devices,
                .tickets = app->control->ws_tickets,
                .metrics = app->metrics,
                .clock = app->clock,
                .heartbeat_interval_s = s_of(app->config.ingest_heartbeat_interval),
                .clients_max = (uint32_t)app->config.live_clients_max,
                .bytes_per_s = app->config.live_bandwidth,
                .pipeline = live_pipeline,
                .on_refused = note_ticket,
                .ctx = app,
        };

        return mu_live_create(&config, &app->live);
}

int mu_app_add_routes(struct mu_app *app)
{
        int code = mu_pipeline_add_routes(app->router);

        if (code == 0 && app->control)
                code = mu_control_add_routes(app->control, app->router);
        if (code == 0)
                code = mu_dispatcher_add_routes(app->dispatcher, app->router);
        if (code == 0)
                code = mu_live_add_routes(app->live, app->router);
        if (code == 0)
                code = mu_health_routes(app->router, &app->health);
        if (code == 0)
                code = mu_console_routes(app->router, app->console);
        return code;
}

/* Any worker. They run before the door is there, but nobody asks before it is open. */
static void agent_door(void *context, struct mu_agent_door *ret_door)
{
        struct mu_app *app = context;
        struct mu_tls_info tls;

        mu_tls_info(app->tls, &tls);
        *ret_door = (struct mu_agent_door){.https_port = app->https_port,
                                           .self_signed = tls.self_signed};
        (void)snprintf(ret_door->tls_pin, sizeof(ret_door->tls_pin), "%s", tls.pin);
}

static int create_routes(struct mu_app *app)
{
        struct mu_control_config config = {
                .database = app->database,
                .devices = app->devices,
                .secrets = app->secrets,
                .auth_failures = app->auth_failures,
                .metrics = app->metrics,
                .clock = app->clock,
                .heartbeat_interval_s =
                        (uint32_t)(app->config.ingest_heartbeat_interval / MU_NS_PER_S),
                .account = account_config(&app->config),
                .bus = app->bus,
                .mail = app->mail,
                .jobs = &app->job_desk,
                .backups = app->backups,
                .doctor = &app->doctor,
                .doctor_facts = mu_app_doctor_facts,
                .agent_door = agent_door,
                .dispatcher = app->dispatcher,
                .alerts = app->alerts,
                .notifier = app->notifier,
                .discord_hosts = app->config.alerts_discord_hosts,
                .journal_id = mu_pipeline_journal_id(app->pipeline),
                .journal_barrier = journal_barrier,
                .on_trouble = mu_log_request_trouble,
                .on_security_event = mu_log_security_event,
                .ctx = app,
        };
        int code = mu_router_create(&app->router);

        mu_app_doctor_settings(&app->config, app->journal_directory, app->certificate,
                               &app->doctor);
        fill_limits(&app->config, config.limits);
        if (code == 0)
                code = mu_control_create(&config, &app->control);
        if (code == 0)
                mu_dispatcher_count_into(app->dispatcher, app->control->command_counts);
        if (code == 0)
                code = create_live(app);
        app->health = (struct mu_health_source){.version = MUSTER_VERSION,
                                                .metrics = app->metrics,
                                                .ctx = app,
                                                .ready = mu_app_probe_ready,
                                                .details = mu_app_probe_details};
        if (code == 0)
                code = mu_app_create_console(app);
        if (code == 0)
                code = mu_app_add_routes(app);
        if (code == 0)
                mu_router_seal(app->router);
        return code;
}

/* The folder of a certificate of our own. */
static void tls_directory(const struct mu_app *app, char directory[PATH_MAX])
{
        (void)snprintf(directory, PATH_MAX, "%s/tls", app->config.data_dir);
}

static struct mu_tls_config tls_config(const struct mu_app *app, const char *directory)
{
        bool given = *app->config.tls_certificate != '\0';

        return (struct mu_tls_config){
                .certificate_path = given ? app->config.tls_certificate : NULL,
                .key_path = given ? app->config.tls_key : NULL,
                .directory = directory,
        };
}

static void log_certificate(struct mu_app *app)
{
        struct mu_tls_info info;

        mu_tls_info(app->tls, &info);
        mu_log(info.expired ? MU_LOG_WARNING : MU_LOG_INFO, "tls.certificate",
               MU_LOG_BOOL("self_signed", info.self_signed), MU_LOG_BOOL("expired", info.expired),
               MU_LOG_INT("expires_at", info.expires_at_s), MU_LOG_STR("sha256", info.fingerprint),
               MU_LOG_STR("pin", info.pin));
}

static int create_tls(struct mu_app *app)
{
        char directory[PATH_MAX];
        char error[MU_TLS_ERROR_BYTES];

        tls_directory(app, directory);
        const struct mu_tls_config config = tls_config(app, directory);
        int code = mu_fs_make_directories(directory, 0700);

        if (code < 0)
                return fail_at(code, "tls.unusable", directory);
        code = mu_tls_create(&config, &app->tls, error);
        if (code < 0)
                return mu_app_fail(code, "tls.unusable", error);
        log_certificate(app);
        return 0;
}

void mu_app_reload_tls(struct mu_app *app)
{
        char directory[PATH_MAX];
        char error[MU_TLS_ERROR_BYTES];

        tls_directory(app, directory);
        const struct mu_tls_config config = tls_config(app, directory);

        if (mu_tls_reload_from(app->tls, &config, error) < 0) {
                mu_log(MU_LOG_ERROR, "tls.reload_refused", MU_LOG_STR("detail", error));
                return;
        }
        mu_log(MU_LOG_INFO, "tls.reloaded");
        log_certificate(app);
}

static int create_server(struct mu_app *app)
{
        const struct mu_config *config = &app->config;
        struct mu_server_config server;
        char error[MU_CONFIG_ERROR_BYTES];
        int code = mu_web_init(&app->web, config, error);

        if (code < 0)
                return mu_app_fail(code, "server.unusable", error);
        mu_server_config_init(&server);
        server.loop_count = app->loop_count;
        server.handshake_timeout_ms = ms_of(config->http_handshake_timeout);
        server.idle_timeout_ms = ms_of(config->http_idle_timeout);
        server.request_timeout_ms = ms_of(config->http_request_timeout);
        server.write_timeout_ms = ms_of(config->http_write_timeout);
        server.connections_max = (uint32_t)config->http_connections_max;
        server.connections_per_address = (uint32_t)config->http_connections_per_address;
        server.reserved_descriptors = RESERVED_DESCRIPTORS;
        server.clock = app->clock;
        server.metrics = app->metrics;
        server.router = app->router;
        server.control = app->control_workers;
        server.probe = app->probe_worker;
        server.trusted_proxies = app->web.trusted_proxies;
        server.cors_origins = app->web.cors_origins;
        code = mu_server_create(&server, &app->server);

        if (code == -EMFILE)
                return mu_app_fail(code, "server.descriptors",
                                   "Too few file descriptors are allowed: musterd needs several "
                                   "hundred, and one per connection. Raise the limit (ulimit -n, "
                                   "LimitNOFILE= of a systemd unit).");
        if (code == 0)
                code = mu_pipeline_attach(app->pipeline, app->server);
        return code < 0 ? fail_at(code, "server.unusable", "The HTTP server can't be made") : 0;
}

static int listen_all(struct mu_app *app)
{
        const struct mu_config *config = &app->config;
        char error[MU_LISTEN_ERROR_BYTES];
        int code = mu_server_listen(app->server, config->tls_address, (uint16_t)config->tls_port,
                                    app->tls, &app->https_port, error);

        /* A machine without IPv6 has no "::". */
        if (code == -EAFNOSUPPORT && strcmp(config->tls_address, "::") == 0)
                code = mu_server_listen(app->server, "0.0.0.0", (uint16_t)config->tls_port,
                                        app->tls, &app->https_port, error);
        if (code == 0)
                code = mu_server_listen(app->server, config->http_address,
                                        (uint16_t)config->http_port, NULL, &app->http_port, error);
        return code < 0 ? mu_app_fail(code, "server.listen", error) : 0;
}

/* ---- all of it ---- */

int mu_app_create_parts(struct mu_app *app)
{
        long cores = sysconf(_SC_NPROCESSORS_ONLN);
        uint64_t loops = app->config.http_frontends;

        if (loops == 0)
                loops = cores > 0 ? (uint64_t)cores : 1;
        app->loop_count = (uint32_t)(loops < MU_LOOPS_MAX ? loops : MU_LOOPS_MAX);
        int code = create_basics(app);

        if (code == 0)
                code = create_outbound(app);
        if (code == 0)
                code = create_database(app);
        if (code == 0)
                code = create_pipeline(app);
        if (code == 0)
                code = create_keeper(app);
        if (code == 0 && (code = mu_app_create_backups(app)) < 0)
                return fail_at(code, "start.failed", "Not enough memory to start");
        if (code == 0) {
                code = create_workers(app);
                if (code == 0)
                        code = create_dispatcher(app);
                if (code == 0)
                        code = mu_app_create_alerts(app);
                if (code == 0)
                        code = create_routes(app);
                if (code == 0)
                        code = create_jobs(app);
                if (code < 0)
                        return fail_at(code, "start.failed", "Not enough memory to start");
        }
        if (code == 0)
                code = create_tls(app);
        if (code == 0)
                code = create_server(app);
        if (code == 0)
                code = listen_all(app);
        if (code == 0 && mu_metrics_status(app->metrics) < 0)
                code = fail_at(mu_metrics_status(app->metrics), "start.failed",
                               "The metrics can't be registered");
        return code;
}

void mu_app_destroy_parts(struct mu_app *app)
{
        /* Its callbacks may still reach for what goes next. */
        mu_outbound_stop(app->outbound, 0);
        mu_server_destroy(app->server);
        mu_console_destroy(app->console);
        mu_live_destroy(app->live);
        mu_web_done(&app->web);
        if (app->pipeline)
                mu_pipeline_detach(app->pipeline);
        mu_tls_destroy(app->tls);
        mu_offload_destroy(app->probe_worker);
        mu_offload_destroy(app->control_workers);
        mu_router_destroy(app->router);
        mu_control_destroy(app->control);
        mu_alert_thread_destroy(app->alerts);
        mu_notifier_destroy(app->notifier);
        mu_dispatcher_destroy(app->dispatcher);
        mu_jobs_destroy(app->jobs);
        mu_archiver_stop(app->archiver);
        mu_backup_runner_destroy(app->backups);
        mu_keeper_destroy(app->keeper);
        mu_pipeline_destroy(app->pipeline);
        mu_database_release(app->database, app->instance);
        mu_database_destroy(app->database);
        if (app->cluster)
                mu_cluster_stop(app->cluster);
        mu_cluster_destroy(app->cluster);
        mu_mailer_destroy(app->mail);
        mu_fcm_destroy(app->fcm);
        mu_outbound_destroy(app->outbound);
        mu_secrets_close(app->secrets);
        mu_auth_failures_destroy(app->auth_failures);
        mu_device_table_destroy(app->devices);
        mu_bus_destroy(app->bus);
        mu_qsbr_destroy(app->qsbr);
        mu_metrics_destroy(app->metrics);
        mu_archiver_destroy(app->archiver);
        mu_metrics_host_destroy(app->host);
        mu_metrics_process_destroy(app->process);
}
