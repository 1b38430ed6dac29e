/* SPDX-License-Identifier: Apache-2.0 */
/* The thread that runs and watches the private postmaster. */
#include "pg/cluster.h"

#include <errno.h>
#include <fcntl.h>
#include <libpq-fe.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/backoff.h"
#include "base/clock.h"
#include "base/random.h"
#include "base/text.h"
#include "base/thread.h"
#include "base/wait.h"
#include "pg/cluster_place.h"
#include "pg/postmaster.h"
#include "pg/spawn.h"

enum {
        STOP_MS = 60000,
        IMMEDIATE_STOP_MS = 10000,
        PING_PAUSE_MS = 50,
        RETRY_BASE_MS = 200,
        RETRY_CAP_MS = 10000,
        LEFTOVERS_PATIENCE_MS =
                2000, /* backends leave by themselves when their postmaster is gone */
        LEFTOVERS_QUIT_MS = 5000,
        HURRIED_STOP_MS = 2000,
};

struct mu_cluster {
        struct mu_cluster_config config;
        struct mu_cluster_place place;
        char conninfo[512];
        char admin_conninfo[512];
        pthread_t thread;
        bool started;
        int stop_fd;  /* readable once it is to stop */
        int hurry_fd; /* readable once stopping is to wait for nothing */
        struct mu_random random;
        struct mu_backoff backoff;
        struct mu_postmaster postmaster; /* the thread's */
        pid_t child;                     /* to be reaped; 0: none, or adopted */

        pthread_mutex_t mutex; /* for the status */
        pthread_cond_t changed;
        struct mu_cluster_status status;
};

const char *mu_cluster_state_name(enum mu_cluster_state state)
{
        switch (state) {
        case MU_CLUSTER_STATE_STARTING:
                return "starting";
        case MU_CLUSTER_STATE_READY:
                return "ready";
        case MU_CLUSTER_STATE_RESTARTING:
                return "restarting";
        case MU_CLUSTER_STATE_STOPPING:
                return "stopping";
        case MU_CLUSTER_STATE_STOPPED:
                return "stopped";
        }
        return "unknown";
}

MU_PRINTF(3, 4)
static void say(struct mu_cluster *cluster, enum mu_cluster_event event, const char *format, ...)
{
        char sentence[1024];
        va_list arguments;

        if (!cluster->config.on_event)
                return;
        va_start(arguments, format);
        vsnprintf(sentence, sizeof(sentence), format, arguments);
        va_end(arguments);
        cluster->config.on_event(cluster->config.on_event_context, event, sentence);
}

static void set_state(struct mu_cluster *cluster, enum mu_cluster_state state)
{
        pthread_mutex_lock(&cluster->mutex);
        cluster->status.state = state;
        cluster->status.pid = cluster->postmaster.pid;
        if (state == MU_CLUSTER_STATE_READY)
                cluster->status.last_error[0] = '\0';
        pthread_cond_broadcast(&cluster->changed);
        pthread_mutex_unlock(&cluster->mutex);
}

static void set_error(struct mu_cluster *cluster, const char *text)
{
        struct mu_text error;

        pthread_mutex_lock(&cluster->mutex);
        mu_text_init_fixed(&error, cluster->status.last_error, sizeof(cluster->status.last_error));
        mu_text_add_bytes(&error, text, strnlen(text, sizeof(cluster->status.last_error) - 1));
        pthread_mutex_unlock(&cluster->mutex);
        say(cluster, MU_CLUSTER_START_FAILED, "%s", text);
}

/* Sleeps, or returns true at once when the cluster is to stop. */
static bool pause_ms(struct mu_cluster *cluster, int ms)
{
        struct pollfd stop = {.fd = cluster->stop_fd, .events = POLLIN};

        return poll(&stop, 1, ms) > 0;
}

static uint64_t now_ms(void)
{
        return mu_clock_monotonic_ns(mu_clock_system()) / (uint64_t)MU_NS_PER_MS;
}

/* ---- The processes ----------------------------------------------------------------------------
 */

static bool has_ended(const struct mu_cluster *cluster, int wait_ms)
{
        struct pollfd ended = {.fd = cluster->postmaster.pidfd, .events = POLLIN};

        return poll(&ended, 1, wait_ms) > 0;
}

static bool is_hurried(const struct mu_cluster *cluster)
{
        struct pollfd hurry = {.fd = cluster->hurry_fd, .events = POLLIN};

        return poll(&hurry, 1, 0) > 0;
}

/* As has_ended, but gives up waiting when told to hurry. */
static bool has_ended_meanwhile(const struct mu_cluster *cluster, int wait_ms)
{
        struct pollfd either[] = {{.fd = cluster->postmaster.pidfd, .events = POLLIN},
                                  {.fd = cluster->hurry_fd, .events = POLLIN}};

        return poll(either, MU_COUNT_OF(either), wait_ms) > 0 && either[0].revents != 0;
}

static void forget(struct mu_cluster *cluster)
{
        if (cluster->child > 0)
                while (waitpid(cluster->child, NULL, 0) < 0 && errno == EINTR)
                        ;
        cluster->child = 0;
        mu_postmaster_done(&cluster->postmaster);
}

/* After a postmaster was killed its backends hold the shared memory until they notice. Starting
 * beside them is refused by PostgreSQL itself. -EBUSY when they stay. */
static int end_leftovers(struct mu_cluster *cluster)
{
        static const struct {
                int signal;
                int wait_ms;
        } steps[] = {{0, LEFTOVERS_PATIENCE_MS},
                     {SIGQUIT, LEFTOVERS_QUIT_MS},
                     {SIGKILL, LEFTOVERS_QUIT_MS}};
        const char *directory = cluster->place.directory;

        for (size_t i = is_hurried(cluster) ? MU_COUNT_OF(steps) - 1 : 0; i < MU_COUNT_OF(steps);
             i++) {
                uint64_t end_ms = now_ms() + (uint64_t)steps[i].wait_ms;
                int count = mu_postmaster_leftovers(directory, steps[i].signal);

                if (count > 0 && steps[i].signal != 0)
                        say(cluster, MU_CLUSTER_LEFTOVERS,
                            "%d processes of a database server that died were told to end", count);
                while (count > 0 && now_ms() < end_ms) {
                        (void)poll(NULL, 0, PING_PAUSE_MS);
                        count = mu_postmaster_leftovers(directory, 0);
                }
                if (count <= 0)
                        return count;
        }
        return -EBUSY;
}

/* What it says before its own log is open. */
static int open_start_log(const struct mu_cluster *cluster, int flags)
{
        char path[PATH_MAX + 16];

        snprintf(path, sizeof(path), "%s/start.log", cluster->place.log_directory);
        int fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW, 0600);

        return fd < 0 ? -errno : fd;
}

static int launch(struct mu_cluster *cluster)
{
        char program[PATH_MAX + 16];
        const char *const argv[] = {program, "-D", cluster->place.directory, NULL};
        int log_fd = open_start_log(cluster, O_WRONLY | O_CREAT | O_TRUNC);

        if (log_fd < 0)
                return log_fd;
        struct mu_spawn spawn = {.argv = argv,
                                 .uid = cluster->place.uid,
                                 .gid = cluster->place.gid,
                                 .directory = cluster->place.directory,
                                 .output_fd = log_fd};

        snprintf(program, sizeof(program), "%s/postgres", cluster->place.bin);
        int err = mu_spawn_start(&spawn, &cluster->child);

        close(log_fd);
        if (err)
                return err;
        err = mu_postmaster_of_child(cluster->child, &cluster->postmaster);
        if (err) {
                (void)kill(cluster->child, SIGINT);
                forget(cluster);
        }
        return err;
}

/* A running one is adopted, else one is started. */
static int take_postmaster(struct mu_cluster *cluster)
{
        int found = mu_postmaster_find(cluster->place.directory, &cluster->postmaster);

        if (found < 0)
                return found;
        if (found == 1) {
                say(cluster, MU_CLUSTER_ADOPTED, "the running database server (pid %d) is adopted",
                    cluster->postmaster.pid);
                /* Our settings may be newer than it is: those that can change at run time do. */
                (void)pidfd_send_signal(cluster->postmaster.pidfd, SIGHUP, NULL, 0);
        } else {
                int err = end_leftovers(cluster);

                if (err)
                        return err;
                mu_postmaster_remove_stale(cluster->place.directory,
                                           cluster->place.socket_directory);
                err = launch(cluster);
                if (err)
                        return err;
                say(cluster, MU_CLUSTER_STARTED, "the database server was started (pid %d)",
                    cluster->postmaster.pid);
        }
        pthread_mutex_lock(&cluster->mutex);
        cluster->status.adopted = found == 1;
        cluster->status.pid = cluster->postmaster.pid;
        pthread_mutex_unlock(&cluster->mutex);
        return 0;
}

/* ---- Ready ------------------------------------------------------------------------------------
 */

/* Runs what is missing: the second statement, when the first finds nothing. */
static int ensure_object(PGconn *conn, const char *exists_sql, const char *create_sql)
{
        PGresult *result = PQexec(conn, exists_sql);
        int err = PQresultStatus(result) == PGRES_TUPLES_OK ? 0 : -EIO;
        bool there = !err && PQntuples(result) == 1;

        PQclear(result);
        if (err || there)
                return err;
        result = PQexec(conn, create_sql);
        err = PQresultStatus(result) == PGRES_COMMAND_OK ? 0 : -EIO;
        PQclear(result);
        return err;
}

static void keep_quiet(void *context, const char *message)
{
        (void)context;
        (void)message;
}

/* The daemon's role owns the database and nothing else: no superuser, no programs, no files. */
static int ensure_database(struct mu_cluster *cluster)
{
        PGconn *conn = PQconnectdb(cluster->admin_conninfo);
        int err = PQstatus(conn) == CONNECTION_OK ? 0 : -EIO;

        PQsetNoticeProcessor(conn, keep_quiet, NULL);
        if (!err)
                err = ensure_object(conn, "SELECT FROM pg_roles WHERE rolname = 'muster'",
                                    "CREATE ROLE muster LOGIN");
        if (!err)
                err = ensure_object(conn, "SELECT FROM pg_database WHERE datname = 'muster'",
                                    "CREATE DATABASE muster OWNER muster");
        if (err) {
                struct mu_pg_error error;

                mu_pg_error_set(&error, conn, NULL);
                set_error(cluster, error.text);
        }
        PQfinish(conn);
        return err;
}

/* What the server said before it gave up: its first FATAL line, else its last one. */
static void say_why_it_ended(struct mu_cluster *cluster)
{
        char output[4096], text[512];
        const char *reason = "it said nothing";
        int fd = open_start_log(cluster, O_RDONLY);
        ssize_t bytes = fd < 0 ? 0 : pread(fd, output, sizeof(output) - 1, 0);

        if (fd >= 0)
                close(fd);
        output[bytes > 0 ? bytes : 0] = '\0';
        for (char *rest = output, *line; (line = strsep(&rest, "\n")) != NULL;) {
                const char *fatal = strstr(line, "FATAL:");

                if (line[0] == '\0' || strstr(line, "HINT:"))
                        continue;
                reason = fatal ? fatal + strlen("FATAL:  ") : line;
                if (fatal)
                        break;
        }
        snprintf(text, sizeof(text),
                 "the database server ended at its start: %.300s (more in %.100s)", reason,
                 cluster->place.log_directory);
        set_error(cluster, text);
}

/* 0 ready, -ESRCH it ended, -ECANCELED to stop, -EIO the database can't be made. Recovery may take
 * minutes: no limit but these. */
static int wait_ready(struct mu_cluster *cluster)
{
        while (PQping(cluster->admin_conninfo) != PQPING_OK) {
                if (has_ended(cluster, 0)) {
                        if (cluster->child > 0)
                                say_why_it_ended(cluster);
                        return -ESRCH;
                }
                if (pause_ms(cluster, PING_PAUSE_MS))
                        return -ECANCELED;
        }
        return ensure_database(cluster);
}

/* ---- The thread -------------------------------------------------------------------------------
 */

/* Watches a ready server until it ends (false) or is to stop (true). */
static bool watch(struct mu_cluster *cluster)
{
        struct pollfd either[] = {{.fd = cluster->stop_fd, .events = POLLIN},
                                  {.fd = cluster->postmaster.pidfd, .events = POLLIN}};

        while (poll(either, MU_COUNT_OF(either), -1) < 0)
                MU_ASSERT(errno == EINTR);
        return either[0].revents != 0;
}

static void stop_postmaster(struct mu_cluster *cluster)
{
        int fast_ms = (int)(cluster->config.stop_ms ? cluster->config.stop_ms : STOP_MS);
        const struct {
                int signal;
                int wait_ms;
        } steps[] = {{SIGINT, fast_ms}, {SIGQUIT, IMMEDIATE_STOP_MS}, {SIGKILL, IMMEDIATE_STOP_MS}};

        if (cluster->postmaster.pid == 0)
                return;
        for (size_t i = 0; i < MU_COUNT_OF(steps); i++) {
                (void)pidfd_send_signal(cluster->postmaster.pidfd, steps[i].signal, NULL, 0);
                if (has_ended_meanwhile(cluster, steps[i].wait_ms))
                        break;
                /* Told twice, it still gets a moment to leave by itself. */
                if (steps[i].signal != SIGINT && is_hurried(cluster) &&
                    has_ended(cluster, HURRIED_STOP_MS))
                        break;
        }
        forget(cluster);
        (void)end_leftovers(cluster); /* after a SIGKILL; otherwise there are none */
        say(cluster, MU_CLUSTER_STOPPED, "the database server was stopped");
}

/* One life of a server, from start to end. True when the cluster is to stop. */
static bool live(struct mu_cluster *cluster)
{
        int err = take_postmaster(cluster);

        if (err) {
                char text[PATH_MAX + 128];

                snprintf(text, sizeof(text), "the database server can't be started in %s: %s",
                         cluster->place.directory, strerror(-err));
                set_error(cluster, text);
                return false;
        }
        /* A server that runs but can't be made ready is asked again, not started again. */
        while ((err = wait_ready(cluster)) == -EIO)
                if (pause_ms(cluster, (int)mu_backoff_next_ms(&cluster->backoff, &cluster->random)))
                        return true;
        if (err == -ECANCELED)
                return true;
        if (err == 0) {
                mu_backoff_reset(&cluster->backoff);
                set_state(cluster, MU_CLUSTER_STATE_READY);
                say(cluster, MU_CLUSTER_READY, "the database is ready");
                if (watch(cluster))
                        return true;
                say(cluster, MU_CLUSTER_DIED,
                    "the database server (pid %d) died; it is started "
                    "again",
                    cluster->postmaster.pid);
        }
        forget(cluster);
        return false;
}

static void run(void *context)
{
        struct mu_cluster *cluster = context;

        while (!live(cluster)) {
                pthread_mutex_lock(&cluster->mutex);
                cluster->status.restarts++;
                pthread_mutex_unlock(&cluster->mutex);
                set_state(cluster, MU_CLUSTER_STATE_RESTARTING);
                if (pause_ms(cluster, (int)mu_backoff_next_ms(&cluster->backoff, &cluster->random)))
                        break;
        }
        set_state(cluster, MU_CLUSTER_STATE_STOPPING);
        stop_postmaster(cluster);
        set_state(cluster, MU_CLUSTER_STATE_STOPPED);
}

/* ---- Outside ----------------------------------------------------------------------------------
 */

/* In key=value form a value's quotes and backslashes are escaped. */
static int make_conninfo(const struct mu_cluster *cluster, const char *who, const char *more,
                         char *to, size_t room)
{
        char escaped[2 * MU_SOCKET_DIRECTORY_BYTES];
        size_t used = 0;

        for (const char *from = cluster->place.socket_directory; *from; from++) {
                if (*from == '\'' || *from == '\\')
                        escaped[used++] = '\\';
                escaped[used++] = *from;
        }
        escaped[used] = '\0';
        int bytes = snprintf(to, room, "host='%s' port=5432 dbname=%s user=%s%s", escaped, who, who,
                             more);

        return bytes < 0 || (size_t)bytes >= room ? -ENAMETOOLONG : 0;
}

static int prepare(struct mu_cluster *cluster, struct mu_pg_error *error)
{
        int err = mu_cluster_place_init(&cluster->place, &cluster->config, error);

        if (!err)
                err = mu_cluster_write_settings(&cluster->place, &cluster->config, error);
        if (!err)
                err = make_conninfo(cluster, "muster", "", cluster->conninfo,
                                    sizeof(cluster->conninfo));
        if (!err)
                err = make_conninfo(cluster, "postgres", " connect_timeout=2",
                                    cluster->admin_conninfo, sizeof(cluster->admin_conninfo));
        if (!err)
                err = mu_random_seed_from_system(&cluster->random);
        return err;
}

int mu_cluster_create(const struct mu_cluster_config *config, struct mu_cluster **ret_cluster,
                      struct mu_pg_error *ret_error)
{
        struct mu_cluster *cluster = calloc(1, sizeof(*cluster));

        mu_pg_error_clear(ret_error);
        if (!cluster)
                return -ENOMEM;
        cluster->config = *config;
        cluster->place.lock_fd = -1;
        mu_postmaster_init(&cluster->postmaster);
        mu_backoff_init(&cluster->backoff, RETRY_BASE_MS, RETRY_CAP_MS);
        pthread_mutex_init(&cluster->mutex, NULL);
        mu_wait_init(&cluster->changed);
        cluster->stop_fd = eventfd(0, EFD_CLOEXEC);
        cluster->hurry_fd = eventfd(0, EFD_CLOEXEC);
        int err = cluster->stop_fd < 0 || cluster->hurry_fd < 0 ? -errno
                                                                : prepare(cluster, ret_error);

        if (err) {
                mu_cluster_destroy(cluster);
                return err;
        }
        cluster->status.directory = cluster->place.directory;
        cluster->status.socket_directory = cluster->place.socket_directory;
        cluster->status.moved = cluster->place.moved;
        *ret_cluster = cluster;
        return 0;
}

void mu_cluster_destroy(struct mu_cluster *cluster)
{
        if (!cluster)
                return;
        MU_ASSERT(!cluster->started);
        /* Only if it is empty, as a clean stop leaves it. */
        if (cluster->place.socket_directory[0])
                (void)rmdir(cluster->place.socket_directory);
        mu_cluster_place_done(&cluster->place);
        if (cluster->stop_fd >= 0)
                close(cluster->stop_fd);
        if (cluster->hurry_fd >= 0)
                close(cluster->hurry_fd);
        pthread_cond_destroy(&cluster->changed);
        pthread_mutex_destroy(&cluster->mutex);
        free(cluster);
}

int mu_cluster_start(struct mu_cluster *cluster)
{
        MU_ASSERT(!cluster->started);
        int err = mu_thread_start("postgres-watch", run, cluster, &cluster->thread);

        cluster->started = err == 0;
        return err;
}

int mu_cluster_wait_ready(struct mu_cluster *cluster, uint32_t wait_ms)
{
        uint64_t deadline_ns = mu_wait_deadline_ns(wait_ms);

        pthread_mutex_lock(&cluster->mutex);
        while (cluster->status.state != MU_CLUSTER_STATE_READY &&
               mu_wait_until(&cluster->changed, &cluster->mutex, deadline_ns))
                ;
        bool ready = cluster->status.state == MU_CLUSTER_STATE_READY;

        pthread_mutex_unlock(&cluster->mutex);
        return ready ? 0 : -ETIMEDOUT;
}

void mu_cluster_stop(struct mu_cluster *cluster)
{
        if (!cluster->started)
                return;
        uint64_t one = 1;

        MU_ASSERT(write(cluster->stop_fd, &one, sizeof(one)) == sizeof(one));
        mu_thread_join(cluster->thread);
        cluster->started = false;
}

void mu_cluster_hurry(struct mu_cluster *cluster)
{
        uint64_t one = 1;

        MU_ASSERT(write(cluster->hurry_fd, &one, sizeof(one)) == sizeof(one));
}

const char *mu_cluster_conninfo(const struct mu_cluster *cluster)
{
        return cluster->conninfo;
}

void mu_cluster_status(struct mu_cluster *cluster, struct mu_cluster_status *ret_status)
{
        pthread_mutex_lock(&cluster->mutex);
        *ret_status = cluster->status;
        pthread_mutex_unlock(&cluster->mutex);
}
