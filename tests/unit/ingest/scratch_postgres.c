/* SPDX-License-Identifier: Apache-2.0 */
#include "scratch_postgres.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "pg/database.h"
#include "pg/migrate.h"
#include "unit.h"

#define BIN "/usr/lib/postgresql/15/bin/"

int scratch_postgres_exists(void)
{
        return access(BIN "postgres", X_OK) == 0 && (geteuid() != 0 || getpwnam("postgres"));
}

/* The server refuses to run as root. */
static void become_postgres(void)
{
        const struct passwd *user = geteuid() == 0 ? getpwnam("postgres") : NULL;

        if (user && (setgroups(0, NULL) || setgid(user->pw_gid) || setuid(user->pw_uid)))
                _exit(126);
}

static pid_t spawn(const struct scratch_postgres *postgres, char *const *argv)
{
        pid_t parent = getpid();
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid > 0)
                return pid;
        become_postgres();
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that crashes leaves nothing running */
        if (getppid() != parent)
                _exit(126);
        char log[96];

        snprintf(log, sizeof(log), "%s/log", postgres->directory);
        int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);

        if (fd < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0 || chdir(postgres->directory))
                _exit(126);
        execv(argv[0], argv);
        _exit(127);
}

static void spawn_server(struct scratch_postgres *postgres)
{
        char data[96];

        snprintf(data, sizeof(data), "%s/data", postgres->directory);
        postgres->pid = spawn(postgres,
                              (char *[]){BIN "postgres", "-D", data, "-k", postgres->directory,
                                         "-c", "listen_addresses=", "-c", "fsync=off", "-c",
                                         "max_connections=40", "-c", "shared_buffers=16MB", NULL});
}

void scratch_postgres_start(struct scratch_postgres *postgres)
{
        assert_int_equal(postgres->pid, 0);
        spawn_server(postgres);
        for (int tries = 0; tries < 1200; tries++) {
                if (PQping(postgres->conninfo) == PQPING_OK)
                        return;
                /* After a kill it waits for the old one's children: it gives up, we do not. */
                if (waitpid(postgres->pid, NULL, WNOHANG) == postgres->pid)
                        spawn_server(postgres);
                poll(NULL, 0, 50);
        }
        fail_msg("PostgreSQL in %s did not come up", postgres->directory);
}

void scratch_postgres_kill(struct scratch_postgres *postgres)
{
        assert_true(postgres->pid > 0);
        assert_int_equal(kill(postgres->pid, SIGKILL), 0);
        assert_int_equal(waitpid(postgres->pid, NULL, 0), postgres->pid);
        postgres->pid = 0;
}

static void migrate(const struct scratch_postgres *postgres)
{
        struct mu_database_config config;
        struct mu_database *database;
        struct mu_pg_error error;
        struct mu_pg *pg;
        size_t count;
        const struct mu_migration *migrations = mu_migrations_embedded(&count);

        mu_database_config_init(&config, postgres->conninfo);
        config.clock = mu_clock_system();
        assert_int_equal(mu_database_create(&config, &database, &error), 0);
        assert_int_equal(mu_database_acquire(database, 5000, &pg, &error), 0);
        assert_int_equal(mu_migrate(pg, migrations, count, NULL, NULL, NULL, &error), 0);
        mu_database_release(database, pg);
        mu_database_destroy(database);
}

void scratch_postgres_create(struct scratch_postgres *postgres)
{
        const struct passwd *user = geteuid() == 0 ? getpwnam("postgres") : NULL;
        const char *base = getenv("TMPDIR");
        char data[96];
        int status;

        *postgres = (struct scratch_postgres){0};
        assert_in_range(snprintf(postgres->directory, sizeof(postgres->directory),
                                 "%s/muster-pg-XXXXXX", base ? base : "/tmp"),
                        1, sizeof(postgres->directory) - 1);
        assert_non_null(mkdtemp(postgres->directory));
        if (user)
                assert_int_equal(chown(postgres->directory, user->pw_uid, user->pw_gid), 0);
        snprintf(postgres->conninfo, sizeof(postgres->conninfo),
                 "host=%s user=postgres dbname=postgres", postgres->directory);
        snprintf(data, sizeof(data), "%s/data", postgres->directory);

        pid_t pid = spawn(postgres, (char *[]){BIN "initdb", "-D", data, "-U", "postgres", "-A",
                                               "trust", "-E", "UTF8", "--locale=C", "-N", NULL});

        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        scratch_postgres_start(postgres);
        migrate(postgres);
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *place)
{
        (void)info;
        (void)kind;
        (void)place;
        return remove(path);
}

void scratch_postgres_destroy(struct scratch_postgres *postgres)
{
        if (postgres->pid > 0) {
                kill(postgres->pid, SIGQUIT);
                waitpid(postgres->pid, NULL, 0);
                postgres->pid = 0;
        }
        /* The children of a killed server may be about to write their last. */
        for (int tries = 0; tries < 50; tries++) {
                if (nftw(postgres->directory, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0 ||
                    errno == ENOENT)
                        return;
                poll(NULL, 0, 20);
        }
}

PGconn *scratch_postgres_connect(const struct scratch_postgres *postgres)
{
        PGconn *conn = PQconnectdb(postgres->conninfo);

        assert_int_equal(PQstatus(conn), CONNECTION_OK);
        return conn;
}

const char *sql_text(PGconn *conn, const char *sql)
{
        static char value[4096];
        PGresult *result = PQexec(conn, sql);
        ExecStatusType status = PQresultStatus(result);

        if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
                fail_msg("%s: %s", sql, PQerrorMessage(conn));
        snprintf(value, sizeof(value), "%s", PQntuples(result) > 0 ? PQgetvalue(result, 0, 0) : "");
        PQclear(result);
        return value;
}

int64_t sql_int(PGconn *conn, const char *sql)
{
        return strtoll(sql_text(conn, sql), NULL, 10);
}
