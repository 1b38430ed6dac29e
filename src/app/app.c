/* SPDX-License-Identifier: Apache-2.0 */
#include "app/app.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "app/app_private.h"
#include "app/run_files.h"
#include "base/assert.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/test_clock.h"
#include "base/thread.h"
#include "base/wait.h"
#include "control/command/dispatcher.h"
#include "control/live/live.h"
#include "http/offload.h"
#include "http/tls.h"
#include "identity/keeper.h"
#include "ingest/pipeline.h"
#include "jobs/scheduler.h"
#include "outbound/outbound.h"
#include "pg/cluster.h"
#include "pg/database.h"

enum {
        TICK_MS = 1000,
        REPORT_TICKS = 60,
        DESCRIPTORS_MAX = 1 << 20,
        CONNECTIONS_STOP_MS = 10000,
        CONTROL_STOP_MS = 10000,
        PROBE_STOP_MS = 1000,
        OUTBOUND_STOP_MS = 5000,
};

int mu_app_fail(int code, const char *event, const char *sentence)
{
        (void)fprintf(stderr, "musterd: %s\n", sentence);
        mu_log(MU_LOG_ERROR, "fatal", MU_LOG_STR("what", event), MU_LOG_STR("detail", sentence));
        return code;
}

/* ---- starting ---- */

static int open_log(const struct mu_config *config)
{
        struct mu_log_options options = {
                .path = *config->log_file ? config->log_file : NULL,
                .rotate_bytes = config->log_rotate,
                .keep_days = (uint32_t)config->log_keep_days,
        };
        int code = mu_log_level_parse(config->log_level, &options.level);

        if (code < 0)
                return mu_app_fail(code, "log.level",
                                   "log.level must be debug, info, warning or error.");
        code = mu_log_open(&options);
        return code < 0 ? mu_app_fail(code, "log.file", "The log file can't be opened.") : 0;
}

static int take_data_directory(struct mu_app *app)
{
        char error[MU_RUN_ERROR_BYTES];
        /* Others may pass through: the private PostgreSQL may run as a user of its own. What is
         * secret has folders of mode 0700. */
        int code = mu_fs_make_directories(app->config.data_dir, 0755);

        if (code < 0) {
                (void)snprintf(error, sizeof(error), "The data directory %.300s can't be made: %s.",
                               app->config.data_dir, strerror(-code));
                return mu_app_fail(code, "data.dir", error);
        }
        char *whole = realpath(app->config.data_dir, NULL);

        if (!whole)
                return mu_app_fail(-errno, "data.dir", "The data directory can't be resolved.");
        free(app->config.data_dir);
        app->config.data_dir = whole;
        code = mu_run_lock(whole, &app->lock_fd, error);
        return code < 0 ? mu_app_fail(code, "data.dir", error) : 0;
}

/* Signals come through a descriptor, to the main thread alone. */
static int take_signals(struct mu_app *app)
{
        sigset_t signals;

        sigemptyset(&signals);
        sigaddset(&signals, SIGTERM);
        sigaddset(&signals, SIGINT);
        sigaddset(&signals, SIGHUP);
        sigaddset(&signals, SIGUSR1);
        sigaddset(&signals, SIGUSR2);
        if (pthread_sigmask(SIG_BLOCK, &signals, NULL) != 0 || signal(SIGPIPE, SIG_IGN) == SIG_ERR)
                return -errno;
        app->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
        app->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        return app->signal_fd < 0 || app->event_fd < 0 ? -errno : 0;
}

/* The kernel doubles a threaded process's descriptor table only after a grace period in which every
 * accept waits: better now, while there is one thread. */
static void grow_descriptor_table(void)
{
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
                return;
        limit.rlim_cur = limit.rlim_max; /* as the server does it */
        (void)setrlimit(RLIMIT_NOFILE, &limit);
        int least = limit.rlim_cur > DESCRIPTORS_MAX ? DESCRIPTORS_MAX : (int)limit.rlim_cur - 1;
        int fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, least);

        if (fd >= 0)
                close(fd);
}

static void run_loop(void *context)
{
        struct mu_loop *loop = context;
        int code = mu_loop_run(loop);

        if (code < 0)
                mu_log(MU_LOG_ERROR, "loop.failed", MU_LOG_UINT("loop", mu_loop_index(loop)),
                       MU_LOG_ERRNO(code));
}

static int start_threads(struct mu_app *app)
{
        int code = mu_pipeline_start(app->pipeline);

        if (code == 0)
                code = mu_keeper_start(app->keeper);
        if (code == 0)
                code = mu_outbound_start(app->outbound);
        if (code == 0)
                code = mu_offload_start(app->control_workers);
        if (code == 0)
                code = mu_offload_start(app->probe_worker);
        if (code == 0)
                code = mu_live_start(app->live);
        if (code == 0)
                code = mu_app_start_alerts(app);
        for (uint32_t i = 0; code == 0 && i < app->loop_count; i++) {
                char name[MU_THREAD_NAME_BYTES];

                (void)snprintf(name, sizeof(name), "frontend-%u", i % MU_LOOPS_MAX);
                code = mu_thread_start(name, run_loop, mu_server_loop(app->server, i),
                                       &app->loop_threads[i]);
                if (code == 0)
                        app->loops_running++;
        }
        if (code == 0)
                code = mu_app_start_bring_up(app);
        return code < 0 ? mu_app_fail(code, "start.failed", "A thread can't be started.") : 0;
}

static int publish(struct mu_app *app)
{
        struct mu_cluster_status cluster = {0};
        struct mu_tls_info tls;

        if (app->cluster)
                mu_cluster_status(app->cluster, &cluster);
        mu_tls_info(app->tls, &tls);
        const struct mu_run_facts facts = {
                .https_port = app->https_port,
                .http_port = app->http_port,
                .http_address = app->config.http_address,
                .tls_pin = tls.pin,
                .database = mu_database_description(app->database),
                .socket_directory = app->cluster ? cluster.socket_directory : NULL,
        };
        int code = mu_run_publish(app->config.data_dir, &facts);

        return code < 0 ? mu_app_fail(code, "run.json", "run.json can't be written.") : 0;
}

static int say_started(struct mu_app *app)
{
        int code = publish(app);

        if (code < 0)
                return code;
        mu_log(MU_LOG_INFO, "started", MU_LOG_STR("version", MUSTER_VERSION),
               MU_LOG_UINT("https_port", app->https_port), MU_LOG_UINT("http_port", app->http_port),
               MU_LOG_UINT("frontends", app->loop_count),
               MU_LOG_STR("data_dir", app->config.data_dir));
        return 0;
}

int mu_app_start(struct mu_config *config, char **argv, struct mu_app **ret_app)
{
        struct mu_app *app = calloc(1, sizeof(*app));

        MU_ASSERT(app);
        app->config = *config;
        app->argv = argv;
#ifdef MUSTER_FAILPOINTS
        app->clock = mu_test_clock();
#else
        app->clock = mu_clock_system();
#endif
        app->lock_fd = app->signal_fd = app->event_fd = -1;
        pthread_mutex_init(&app->lock, NULL);
        mu_wait_init(&app->changed);
        int code = open_log(&app->config);

        if (code == 0)
                code = take_signals(app);
        grow_descriptor_table();
        if (code == 0)
                code = take_data_directory(app);
        if (code == 0)
                code = mu_app_create_parts(app);
        if (code == 0)
                code = start_threads(app);
        if (code == 0)
                code = say_started(app);
        if (code < 0) {
                mu_app_stop(app);
                return code;
        }
        *ret_app = app;
        return 0;
}

/* ---- running ---- */

static void note_pending(void *context, const char *name)
{
        (void)context;
        if (strcmp(name, "data.dir") == 0)
                return; /* made absolute at start, so it never looks the same */
        mu_log(MU_LOG_WARNING, "config.needs_restart", MU_LOG_STR("setting", name),
               MU_LOG_STR("detail",
                          "This setting was changed; it takes effect at the next start."));
}

static void set_level(enum mu_log_level level)
{
        mu_log_set_level(level);
        mu_log(MU_LOG_ERROR, "log.level", MU_LOG_STR("now", mu_log_level_name(level)));
}

/* A level set by signals stays until the file says another one than before. */
static void reload_level(const char *before, const char *after)
{
        enum mu_log_level level;

        if (strcmp(before, after) != 0 && mu_log_level_parse(after, &level) == 0)
                set_level(level);
}

/* A file with a mistake changes no setting; the certificate is read again all the same. */
static void reload(struct mu_app *app)
{
        char error[MU_CONFIG_ERROR_BYTES];
        char *level = strdup(app->config.log_level);

        MU_ASSERT(level);
        if (mu_config_reload(&app->config, app->argv, environ, note_pending, app, error) < 0)
                mu_log(MU_LOG_ERROR, "config.refused", MU_LOG_STR("detail", error));
        reload_level(level, app->config.log_level);
        free(level);
        mu_app_reload_tls(app);
        mu_app_read_console(app);
        (void)publish(app); /* another certificate has another pin; it says itself what fails */
}

static void change_level(int by)
{
        int level = (int)mu_log_level() + by;

        if (level < MU_LOG_DEBUG || level > MU_LOG_ERROR)
                return;
        set_level((enum mu_log_level)level);
}

/* True when it asks to stop. */
static bool handle_signal(struct mu_app *app, uint32_t number)
{
        switch (number) {
        case SIGHUP:
                reload(app);
                return false;
        case SIGUSR1:
                change_level(-1);
                return false;
        case SIGUSR2:
                change_level(1);
                return false;
        default:
                mu_log(MU_LOG_INFO, "stopping", MU_LOG_STR("signal", strsignal((int)number)));
                return true;
        }
}

/* True when one of the signals read asks to stop. */
static bool read_signals(struct mu_app *app)
{
        struct signalfd_siginfo info;
        bool stop = false;

        /* Not past the one that asks to stop: a second one asks to hurry. */
        while (!stop && read(app->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
                stop = handle_signal(app, info.ssi_signo);
        return stop;
}

static void report_damage(struct mu_app *app)
{
        struct mu_pipeline_status status;

        mu_pipeline_status(app->pipeline, &status);
        mu_log_journal_damage(&status.journal, &app->damage);
}

int mu_app_run(struct mu_app *app)
{
        struct pollfd wake[] = {
                {.fd = app->signal_fd, .events = POLLIN},
                {.fd = app->event_fd, .events = POLLIN},
        };

        for (unsigned tick = 0;; tick++) {
                if (poll(wake, MU_COUNT_OF(wake), TICK_MS) < 0 && errno != EINTR)
                        return mu_app_fail(-errno, "poll", "The main loop failed.");
                if (atomic_load(&app->fatal) < 0)
                        return atomic_load(&app->fatal);
                if (wake[0].revents && read_signals(app))
                        return 0;
                mu_pipeline_tick(app->pipeline);
                report_damage(app);
                if (tick % REPORT_TICKS == 0)
                        mu_log_report_suppressed();
        }
}

/* ---- stopping ---- */

struct hurry {
        struct mu_app *app;
        int done_fd;
        _Atomic bool hurried;
};

/* Watches for a second signal while the main thread drains. */
static void watch_for_hurry(void *context)
{
        struct hurry *hurry = context;
        struct pollfd wake[] = {
                {.fd = hurry->done_fd, .events = POLLIN},
                {.fd = hurry->app->signal_fd, .events = POLLIN},
        };

        for (;;) {
                if (poll(wake, MU_COUNT_OF(wake), -1) < 0 && errno != EINTR)
                        return;
                if (wake[0].revents)
                        return;
                if (!wake[1].revents || !read_signals(hurry->app))
                        continue;
                mu_log(MU_LOG_WARNING, "stopping.at_once",
                       MU_LOG_STR("detail", "Told twice: not waiting for connections or "
                                            "PostgreSQL; the journal keeps what is not stored."));
                atomic_store(&hurry->hurried, true);
                mu_server_stop(hurry->app->server, 0);
                mu_pipeline_hurry(hurry->app->pipeline);
                mu_database_abandon(hurry->app->database);
                if (hurry->app->cluster)
                        mu_cluster_hurry(hurry->app->cluster);
                return;
        }
}

static void stop_serving(struct mu_app *app)
{
        mu_server_stop(app->server, CONNECTIONS_STOP_MS);
        for (uint32_t i = 0; i < app->loops_running; i++)
                mu_thread_join(app->loop_threads[i]);
        app->loops_running = 0;
        mu_offload_stop(app->control_workers, CONTROL_STOP_MS);
        mu_offload_stop(app->probe_worker, PROBE_STOP_MS);
}

static void drain(struct mu_app *app, const struct hurry *hurry)
{
        bool stored = false;
        uint64_t deadline_ms = app->config.stop_drain / MU_NS_PER_MS;
        struct mu_pipeline_status status;

        if (atomic_load(&hurry->hurried))
                deadline_ms = 0;
        mu_app_stop_alerts(app);
        stop_serving(app);
        mu_live_stop(app->live);
        mu_app_stop_bring_up(app);
        mu_jobs_stop(app->jobs);
        mu_outbound_stop(app->outbound, atomic_load(&hurry->hurried) ? 0 : OUTBOUND_STOP_MS);
        mu_dispatcher_stop(app->dispatcher); /* hears what FCM said last */
        mu_pipeline_drain(app->pipeline, (uint32_t)deadline_ms, &stored);
        mu_pipeline_status(app->pipeline, &status);
        mu_log_journal_damage(&status.journal, &app->damage);
        mu_keeper_stop(app->keeper);
        mu_database_shut(app->database);
        mu_log(MU_LOG_INFO, "drained", MU_LOG_BOOL("all_stored", stored),
               MU_LOG_UINT("durable_seq", status.journal.durable_seq),
               MU_LOG_UINT("backlog_records", stored ? 0 : status.backlog_records));
        /* Here, while a second signal is still heard: it may take a minute. */
        if (app->cluster)
                mu_cluster_stop(app->cluster);
}

void mu_app_stop(struct mu_app *app)
{
        struct hurry hurry = {.app = app, .done_fd = -1};
        pthread_t watcher;
        bool watching = false;

        if (app->server && app->pipeline) {
                hurry.done_fd = eventfd(0, EFD_CLOEXEC);
                watching = hurry.done_fd >= 0 &&
                           mu_thread_start("hurry", watch_for_hurry, &hurry, &watcher) == 0;
                drain(app, &hurry);
        }
        if (watching) {
                MU_ASSERT(eventfd_write(hurry.done_fd, 1) == 0);
                mu_thread_join(watcher);
        }
        if (hurry.done_fd >= 0)
                close(hurry.done_fd);
        mu_app_destroy_parts(app);
        mu_log(MU_LOG_INFO, "stopped");
        mu_run_unlock(app->config.data_dir, app->lock_fd);
        if (app->signal_fd >= 0)
                close(app->signal_fd);
        if (app->event_fd >= 0)
                close(app->event_fd);
        mu_log_close();
        pthread_cond_destroy(&app->changed);
        pthread_mutex_destroy(&app->lock);
        mu_config_done(&app->config);
        free(app);
}
