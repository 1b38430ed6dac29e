/* SPDX-License-Identifier: Apache-2.0 */
/*
 * app_private.h - the daemon's parts, for app.c, parts.c, bring_up.c, probes.c and facts.c. Nobody
 * else includes it.
 */
#ifndef MUSTER_APP_APP_PRIVATE_H
#define MUSTER_APP_APP_PRIVATE_H

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "app/app.h"
#include "app/config.h"
#include "app/log_events.h"
#include "app/web.h"
#include "base/clock.h"
#include "control/doctor/doctor.h"
#include "control/job/job_desk.h"
#include "http/health.h"
#include "http/loop.h"

struct mu_console;
struct mu_pg;

struct mu_app {
        struct mu_config config;
        char **argv;
        const struct mu_clock *clock;
        int lock_fd;
        int signal_fd;
        int event_fd; /* bring-up has something to tell main */
        char journal_directory[PATH_MAX];

        struct mu_metrics *metrics;
        struct mu_metrics_process *process;
        struct mu_metrics_host *host;
        struct mu_secrets *secrets;
        struct mu_auth_failures *auth_failures;
        struct mu_cluster *cluster; /* NULL: an existing PostgreSQL is used */
        struct mu_database *database;
        struct mu_pg *instance; /* holds the lock that makes us the database's only musterd */
        struct mu_qsbr *qsbr;
        struct mu_device_table *devices;
        struct mu_keeper *keeper;
        struct mu_pipeline *pipeline;
        struct mu_journal_damage damage; /* as far as the log says */
        struct mu_outbound *outbound;
        struct mu_mailer *mail; /* NULL: not configured */
        struct mu_fcm *fcm;     /* NULL: not configured */
        struct mu_dispatcher *dispatcher;
        struct mu_bus *bus;
        struct mu_live *live;
        struct mu_notifier *notifier;
        struct mu_alert_thread *alerts;
        struct mu_control *control;
        struct mu_offload *control_workers;
        struct mu_offload *probe_worker;
        struct mu_router *router;
        struct mu_tls *tls;
        struct mu_web web;
        struct mu_console *console;
        struct mu_server *server;
        struct mu_jobs *jobs;
        struct mu_archiver *archiver;
        struct mu_backup_runner *backups;
        struct mu_doctor_settings doctor;
        char certificate[PATH_MAX]; /* the file in use */
        struct mu_job_desk job_desk;
        struct mu_health_source health;

        pthread_t loop_threads[MU_LOOPS_MAX];
        uint32_t loop_count;
        uint32_t loops_running;
        uint16_t https_port;
        uint16_t http_port;

        /* Bring-up: database reachable → migrations → device list → writers → jobs. */
        pthread_t bring_up_thread;
        bool bring_up_started;
        char told[512]; /* what bring-up said last about the database */
        unsigned told_tries;
        pthread_mutex_t lock;
        pthread_cond_t changed;
        bool stopping;      /* under lock */
        bool authoritative; /* under lock */
        _Atomic bool database_ready; /* migrated, and ours alone */
        _Atomic int fatal;  /* negative errno: the daemon can't go on; its sentence was logged */
};

/* Says why on standard error and in the log; returns code. */
int mu_app_fail(int code, const char *event, const char *sentence);

/* archive_part.c */
MU_MUST_CHECK
int mu_app_create_archiver(struct mu_app *app);

/* parts.c: makes everything that does not run yet. */
MU_MUST_CHECK
int mu_app_create_parts(struct mu_app *app);
/* Every route there is. Without app->control: those of its endpoints are left out. */
MU_MUST_CHECK
int mu_app_add_routes(struct mu_app *app);
/* The certificate anew, from where the settings say it is. */
void mu_app_reload_tls(struct mu_app *app);
void mu_app_destroy_parts(struct mu_app *app);

/* alerts.c: the alert thread and the notifier. Stopped before the listeners are closed: a fleet
 * that can't report is not silent. */
MU_MUST_CHECK
int mu_app_create_alerts(struct mu_app *app);
MU_MUST_CHECK
int mu_app_start_alerts(struct mu_app *app);
void mu_app_stop_alerts(struct mu_app *app);

/* backups.c */
MU_MUST_CHECK
int mu_app_create_backups(struct mu_app *app);

/* console.c: files that can't be used are said in the log; at a reload the old ones stay. */
MU_MUST_CHECK
int mu_app_create_console(struct mu_app *app);
void mu_app_read_console(struct mu_app *app);

/* doctor.c: certificate is room for the path of the one in use. */
void mu_app_doctor_settings(const struct mu_config *config, const char *journal_directory,
                            char certificate[PATH_MAX], struct mu_doctor_settings *ret_settings);
void mu_app_doctor_facts(void *context, struct mu_doctor_facts *ret_facts);

/* bring_up.c */
MU_MUST_CHECK
int mu_app_start_bring_up(struct mu_app *app);
/* Ends it wherever it is. */
void mu_app_stop_bring_up(struct mu_app *app);
/* Keeper's callbacks. */
bool mu_app_database_ready(void *context);
struct mu_keeper_report;
void mu_app_on_authoritative(void *context, const struct mu_keeper_report *report);

/* probes.c: contexts are the app. */
bool mu_app_probe_ready(void *context, struct mu_text *json);
bool mu_app_probe_details(void *context, struct mu_text *json);

/* facts.c: what the alert thread judges of the appliance; context is the app. */
struct mu_appliance_facts;
void mu_app_facts(void *context, struct mu_appliance_facts *ret_facts);

#endif
