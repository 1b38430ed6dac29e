/* SPDX-License-Identifier: Apache-2.0 */
#include "pg/postmaster.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/parse_units.h"

enum { PID_FILE_BYTES_MAX = 4096, SOCKET_DIRECTORY_LINE = 5 };

void mu_postmaster_init(struct mu_postmaster *postmaster)
{
        *postmaster = (struct mu_postmaster){.pidfd = -1};
}

void mu_postmaster_done(struct mu_postmaster *postmaster)
{
        if (postmaster->pidfd >= 0)
                close(postmaster->pidfd);
        mu_postmaster_init(postmaster);
}

/* Does the process run PostgreSQL's program in this directory? 1, 0, or -EACCES: it can't be told.
 */
static int runs_here(pid_t pid, const struct stat *directory)
{
        char path[64], program[PATH_MAX];
        struct stat process, working;

        snprintf(path, sizeof(path), "/proc/%d", pid);
        if (stat(path, &process) < 0 || process.st_uid != directory->st_uid)
                return 0;
        snprintf(path, sizeof(path), "/proc/%d/cwd", pid);
        if (stat(path, &working) < 0)
                return errno == EACCES || errno == EPERM ? -EACCES : 0;
        if (working.st_dev != directory->st_dev || working.st_ino != directory->st_ino)
                return 0;
        snprintf(path, sizeof(path), "/proc/%d/exe", pid);
        ssize_t bytes = readlink(path, program, sizeof(program) - 1);

        if (bytes <= 0)
                return 0;
        program[bytes] = '\0';
        const char *name = strrchr(program, '/');

        /* "postgres (deleted)" after the package was upgraded under a running server. */
        return name && strncmp(name, "/postgres", strlen("/postgres")) == 0;
}

/* A postmaster keeps its arguments; its children write a title over them. */
static bool has_arguments(pid_t pid)
{
        char path[64], line[512];

        snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
        int fd = open(path, O_RDONLY | O_CLOEXEC);

        if (fd < 0)
                return false;
        ssize_t bytes = read(fd, line, sizeof(line) - 1);

        close(fd);
        if (bytes <= 0)
                return false;
        line[bytes] = '\0';
        size_t first = strlen(line) + 1;

        return first < (size_t)bytes && strcmp(line + first, "-D") == 0;
}

static char *line_of(char *text, int number)
{
        char *rest = text;
        char *line = NULL;

        for (int i = 0; i < number && rest; i++)
                line = strsep(&rest, "\n");
        return line;
}

static int read_pid_file(const char *directory, pid_t *ret_pid, char *ret_socket, size_t room)
{
        char path[PATH_MAX];
        char *text;

        snprintf(path, sizeof(path), "%s/postmaster.pid", directory);
        int err = mu_fs_read_file(path, PID_FILE_BYTES_MAX, &text, NULL);

        if (err)
                return err;
        char *end;
        long pid = strtol(text, &end, 10);
        const char *socket = line_of(text, SOCKET_DIRECTORY_LINE);

        /* While it is being written there may be less than all of it. */
        *ret_pid = end == text || pid <= 1 || pid > INT_MAX ? 0 : (pid_t)pid;
        snprintf(ret_socket, room, "%s", socket ? socket : "");
        free(text);
        return 0;
}

int mu_postmaster_find(const char *directory, struct mu_postmaster *ret_postmaster)
{
        struct mu_postmaster found;
        struct stat here;

        mu_postmaster_init(&found);
        int err = read_pid_file(directory, &found.pid, found.socket_directory,
                                sizeof(found.socket_directory));

        if (err == -ENOENT || (!err && found.pid == 0))
                return 0;
        if (err)
                return err;
        if (stat(directory, &here) < 0)
                return -errno;
        /* First the handle, then the questions: a pid can't change hands under a handle. */
        found.pidfd = pidfd_open(found.pid, 0);
        if (found.pidfd < 0)
                return errno == ESRCH ? 0 : -errno;
        err = runs_here(found.pid, &here);
        if (err <= 0 || !has_arguments(found.pid)) {
                mu_postmaster_done(&found);
                return err < 0 ? err : 0;
        }
        *ret_postmaster = found;
        return 1;
}

int mu_postmaster_of_child(pid_t pid, struct mu_postmaster *ret_postmaster)
{
        int pidfd = pidfd_open(pid, 0);

        if (pidfd < 0)
                return -errno;
        *ret_postmaster = (struct mu_postmaster){.pid = pid, .pidfd = pidfd};
        return 0;
}

int mu_postmaster_leftovers(const char *directory, int signal_or_0)
{
        struct stat here;
        int count = 0;

        if (stat(directory, &here) < 0)
                return -errno;
        DIR *processes = opendir("/proc");

        if (!processes)
                return -errno;
        for (struct dirent *entry; (entry = readdir(processes)) != NULL;) {
                uint64_t number;

                if (mu_parse_number(entry->d_name, 2, INT_MAX, &number, NULL) < 0)
                        continue;
                pid_t pid = (pid_t)number;
                int pidfd = pidfd_open(pid, 0);

                if (pidfd < 0)
                        continue;
                if (runs_here(pid, &here) == 1) {
                        count++;
                        if (signal_or_0 != 0)
                                (void)pidfd_send_signal(pidfd, signal_or_0, NULL, 0);
                }
                close(pidfd);
        }
        closedir(processes);
        return count;
}

void mu_postmaster_remove_stale(const char *directory, const char *socket_directory)
{
        char path[PATH_MAX];

        /* Failing either, the server says so. */
        snprintf(path, sizeof(path), "%s/postmaster.pid", directory);
        (void)unlink(path);
        snprintf(path, sizeof(path), "%s/.s.PGSQL.5432.lock", socket_directory);
        (void)unlink(path);
}
