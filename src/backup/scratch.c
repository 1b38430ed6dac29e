/* SPDX-License-Identifier: Apache-2.0 */
#include "backup/scratch.h"

#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backup/tree.h"
#include "base/clock.h"
#include "pg/spawn.h"

enum { POLL_MS = 50, STOP_POLLS = 600, INITDB_LIMIT_S = 300, WORDS_BYTES = 400 };

int mu_scratch_init(struct mu_scratch *scratch, const char *directory, const char *bin, uid_t uid,
                    gid_t gid, struct mu_backup_error *ret_error)
{
        *scratch = (struct mu_scratch){.uid = uid, .gid = gid, .log_fd = -1};
        (void)snprintf(scratch->directory, sizeof(scratch->directory), "%s", directory);
        (void)snprintf(scratch->bin, sizeof(scratch->bin), "%s", bin);
        int err = mu_tree_remove(directory);

        if (err == 0 &&
            (mkdir(directory, 0700) < 0 || (geteuid() == 0 && lchown(directory, uid, gid) < 0)))
                err = -errno;
        if (err < 0)
                return mu_backup_fail(ret_error, err, "%s can't be made: %s", directory,
                                      strerror(-err));
        /* A socket's path is short, so it does not lie there. */
        (void)snprintf(scratch->socket_directory, sizeof(scratch->socket_directory),
                       "/tmp/muster-check-XXXXXX");
        if (!mkdtemp(scratch->socket_directory) ||
            (geteuid() == 0 && lchown(scratch->socket_directory, uid, gid) < 0))
                return mu_backup_fail(ret_error, -errno, "%s can't be made: %s",
                                      scratch->socket_directory, strerror(errno));
        scratch->log_fd = memfd_create("scratch", MFD_CLOEXEC);
        return scratch->log_fd < 0 ? mu_backup_fail(ret_error, -errno, "no memory for its log") : 0;
}

static void last_words(const struct mu_scratch *scratch, char words[WORDS_BYTES])
{
        off_t size = lseek(scratch->log_fd, 0, SEEK_END);
        off_t from = size > WORDS_BYTES - 1 ? size - WORDS_BYTES + 1 : 0;
        ssize_t bytes = pread(scratch->log_fd, words, WORDS_BYTES - 1, from);

        words[bytes > 0 ? bytes : 0] = '\0';
        for (char *at = words; *at; at++)
                if ((unsigned char)*at < ' ')
                        *at = ' ';
}

/* What the cluster was told for the appliance's size is told otherwise: it is to be small, and to
 * be thrown away. Nothing it was set to may reach outside (archiving, preloaded libraries). */
static int spawn(struct mu_scratch *scratch)
{
        char program[PATH_MAX + 16];
        char data[PATH_MAX + 16];
        const char *const argv[] = {program,
                                    "-D",
                                    data,
                                    "-k",
                                    scratch->socket_directory,
                                    "-c",
                                    "listen_addresses=",
                                    "-c",
                                    "port=5432",
                                    "-c",
                                    "unix_socket_permissions=0700",
                                    "-c",
                                    "max_connections=20",
                                    "-c",
                                    "superuser_reserved_connections=3",
                                    "-c",
                                    "shared_buffers=32MB",
                                    "-c",
                                    "huge_pages=off",
                                    "-c",
                                    "work_mem=4MB",
                                    "-c",
                                    "maintenance_work_mem=32MB",
                                    "-c",
                                    "max_wal_size=256MB",
                                    "-c",
                                    "min_wal_size=80MB",
                                    "-c",
                                    "logging_collector=off",
                                    "-c",
                                    "archive_mode=off",
                                    "-c",
                                    "autovacuum=off",
                                    "-c",
                                    "fsync=off",
                                    "-c",
                                    "full_page_writes=off",
                                    "-c",
                                    "shared_preload_libraries=",
                                    "-c",
                                    "ssl=off",
                                    "-c",
                                    "statement_timeout=0",
                                    "-c",
                                    "max_parallel_workers=0",
                                    NULL};
        struct mu_spawn child = {
                .argv = argv,
                .uid = scratch->uid,
                .gid = scratch->gid,
                .directory = scratch->directory,
                .output_fd = scratch->log_fd,
                .dies_with_us = true,
        };

        (void)snprintf(program, sizeof(program), "%s/postgres", scratch->bin);
        (void)snprintf(data, sizeof(data), "%s/postgres", scratch->directory);
        return mu_spawn_start(&child, &scratch->pid);
}

static bool has_ended(struct mu_scratch *scratch)
{
        int status;

        if (scratch->pid == 0 || waitpid(scratch->pid, &status, WNOHANG) != scratch->pid)
                return scratch->pid == 0;
        scratch->pid = 0;
        return true;
}

int mu_scratch_start(struct mu_scratch *scratch, uint32_t wait_s, struct mu_backup_error *ret_error)
{
        uint64_t deadline_ns =
                mu_clock_monotonic_ns(mu_clock_system()) + wait_s * (uint64_t)MU_NS_PER_S;
        char conninfo[128];
        char words[WORDS_BYTES];
        int err = spawn(scratch);

        (void)snprintf(conninfo, sizeof(conninfo),
                       "host=%s port=5432 dbname=postgres user=postgres connect_timeout=5",
                       scratch->socket_directory);
        while (err == 0 && PQping(conninfo) != PQPING_OK) {
                if (has_ended(scratch))
                        err = -EIO;
                else if (mu_clock_monotonic_ns(mu_clock_system()) > deadline_ns)
                        err = -ETIMEDOUT;
                else
                        (void)poll(NULL, 0, POLL_MS);
        }
        if (err == 0)
                return 0;
        last_words(scratch, words);
        return mu_backup_fail(ret_error, err, "the restored database does not start%s: %s",
                              err == -ETIMEDOUT ? " in time" : "", words);
}

static int run_initdb(struct mu_scratch *scratch, struct mu_backup_error *error)
{
        char program[PATH_MAX + 16];
        char data[PATH_MAX + 16];
        const char *const argv[] = {program,
                                    "-D",
                                    data,
                                    "-U",
                                    "postgres",
                                    "-E",
                                    "UTF8",
                                    "--auth=trust",
                                    "--locale=C.UTF-8",
                                    "--no-sync",
                                    "--no-instructions",
                                    NULL};
        const struct mu_process stage = {
                .argv = argv, .as_user = true, .uid = scratch->uid, .gid = scratch->gid};
        struct mu_process_run run = {.stages = &stage,
                                     .count = 1,
                                     .input_fd = -1,
                                     .output_fd = -1,
                                     .limit_s = INITDB_LIMIT_S};

        (void)snprintf(program, sizeof(program), "%s/initdb", scratch->bin);
        (void)snprintf(data, sizeof(data), "%s/postgres", scratch->directory);
        return mu_process_run(&run, error);
}

int mu_scratch_make(struct mu_scratch *scratch, uint32_t wait_s, struct mu_backup_error *ret_error)
{
        static const char *const statements[] = {"CREATE ROLE muster LOGIN",
                                                 "CREATE DATABASE muster OWNER muster"};
        char conninfo[128];
        int err = run_initdb(scratch, ret_error);

        if (err == 0)
                err = mu_scratch_start(scratch, wait_s, ret_error);
        if (err < 0)
                return err;
        (void)snprintf(conninfo, sizeof(conninfo),
                       "host=%s port=5432 dbname=postgres user=postgres",
                       scratch->socket_directory);
        PGconn *conn = PQconnectdb(conninfo);

        for (size_t i = 0; i < MU_COUNT_OF(statements) && err == 0; i++) {
                PGresult *result = PQexec(conn, statements[i]);

                if (PQresultStatus(result) != PGRES_COMMAND_OK)
                        err = mu_backup_fail(ret_error, -EIO, "the scratch database: %s",
                                             PQerrorMessage(conn));
                PQclear(result);
        }
        PQfinish(conn);
        return err;
}

void mu_scratch_done(struct mu_scratch *scratch)
{
        if (scratch->pid > 0)
                (void)kill(scratch->pid, SIGQUIT); /* immediate: nothing of it is kept */
        for (int i = 0; i < STOP_POLLS && !has_ended(scratch); i++)
                (void)poll(NULL, 0, POLL_MS);
        if (scratch->pid > 0) {
                (void)kill(scratch->pid, SIGKILL);
                (void)waitpid(scratch->pid, NULL, 0);
        }
        if (scratch->log_fd >= 0)
                (void)close(scratch->log_fd);
        if (scratch->socket_directory[0])
                (void)!mu_tree_remove(scratch->socket_directory);
        if (scratch->directory[0])
                (void)!mu_tree_remove(scratch->directory);
        *scratch = (struct mu_scratch){.log_fd = -1};
}
