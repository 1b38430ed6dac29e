/* SPDX-License-Identifier: Apache-2.0 */
#include "backup/runner.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
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
#include "base/fs.h"
#include "pg/spawn.h"

enum {
        ACTOR_BYTES = 128,
        LINE_BYTES = 2048,
        ARGUMENTS_MAX = 256,
        WORD_BYTES = PATH_MAX,
        OUTPUT_BYTES_MAX = 16 * 1024 * 1024, /* of one process; more is not read */
};

struct running {
        pid_t pid; /* 0: none */
        int output_fd;
        off_t read_bytes;
        char line[LINE_BYTES];
        size_t line_bytes;
        char last_failure[LINE_BYTES]; /* after "musterd: " */
};

struct mu_backup_runner {
        struct mu_backup_runner_config config;
        int64_t at_s; /* of the day; -1: by interval */
        struct running running[MU_BACKUP_WORKS];
        pthread_mutex_t mutex; /* for what is asked */
        bool asked;
        char directory[PATH_MAX];
        char asked_by[ACTOR_BYTES];
};

static const char *const VERBS[] = {"backup", "backup-check"};

/* ---- what is known from files ---- */

/* When a file of the data directory was written, and its word; 0: it is not there. */
static int64_t read_moment(const struct mu_backup_runner *runner, const char *name,
                           char word[WORD_BYTES])
{
        char *path = mu_tree_join(runner->config.data_directory, name);
        struct stat status;
        char *text = NULL;
        int64_t at_s = path && stat(path, &status) == 0 ? (int64_t)status.st_mtime : 0;

        word[0] = '\0';
        if (at_s > 0 && mu_fs_read_file(path, WORD_BYTES - 1, &text, NULL) == 0)
                (void)snprintf(word, WORD_BYTES, "%s", text);
        free(text);
        free(path);
        return at_s;
}

int64_t mu_backup_runner_last_s(struct mu_backup_runner *runner, enum mu_backup_work work)
{
        char word[WORD_BYTES];
        int64_t at_s = read_moment(
                runner, work == MU_BACKUP_WORK_CHECK ? MU_BACKUP_CHECKED_FILE : MU_BACKUP_LAST_FILE,
                word);

        /* Into another directory than the one that is configured now: it does not count. */
        return work == MU_BACKUP_WORK_CHECK || strcmp(word, runner->config.directory) == 0 ? at_s
                                                                                           : 0;
}

/* The first such time of day after. */
static int64_t next_at(const struct mu_backup_runner *runner, int64_t after_s)
{
        int64_t day_s = after_s - after_s % MU_S_PER_DAY + runner->at_s;

        return day_s > after_s ? day_s : day_s + MU_S_PER_DAY;
}

int64_t mu_backup_runner_due_us(struct mu_backup_runner *runner, enum mu_backup_work work,
                                int64_t now_us)
{
        int64_t last_s = mu_backup_runner_last_s(runner, work);
        uint64_t interval_s = work == MU_BACKUP_WORK_BACKUP ? runner->config.interval_s
                                                            : runner->config.check_interval_s;

        if (*runner->config.directory == '\0')
                return INT64_MAX;
        if (work == MU_BACKUP_WORK_BACKUP && runner->at_s >= 0)
                return next_at(runner, last_s ? last_s : now_us / MU_US_PER_S) * MU_US_PER_S;
        /* There must be something to try. */
        if (interval_s == 0 || (work == MU_BACKUP_WORK_CHECK &&
                                mu_backup_runner_last_s(runner, MU_BACKUP_WORK_BACKUP) == 0))
                return INT64_MAX;
        return last_s == 0 ? now_us : (last_s + (int64_t)interval_s) * MU_US_PER_S;
}

/* ---- metrics ---- */

static double last_backup(void *context)
{
        return (double)mu_backup_runner_last_s(context, MU_BACKUP_WORK_BACKUP);
}

static double last_check(void *context)
{
        return (double)mu_backup_runner_last_s(context, MU_BACKUP_WORK_CHECK);
}

static double last_check_ok(void *context)
{
        char word[WORD_BYTES];

        (void)read_moment(context, MU_BACKUP_CHECKED_FILE, word);
        return strncmp(word, "failed", 6) != 0;
}

static void register_metrics(struct mu_backup_runner *runner)
{
        struct mu_metrics *metrics = runner->config.metrics;

        mu_metrics_gauge_fn(
                metrics, "muster_backup_last_success_timestamp_seconds",
                "When the newest backup in backup.directory was made; 0: there is none.",
                MU_NO_LABELS, last_backup, runner);
        mu_metrics_gauge_fn(metrics, "muster_backup_last_check_timestamp_seconds",
                            "When a backup was last restored into a scratch database; 0: never.",
                            MU_NO_LABELS, last_check, runner);
        mu_metrics_gauge_fn(metrics, "muster_backup_last_check_ok",
                            "0: the backup that was last tried is not good.", MU_NO_LABELS,
                            last_check_ok, runner);
}

/* ---- life ---- */

static int parse_at(const char *at, int64_t *ret_at_s)
{
        unsigned hour, minute;
        char rest;

        *ret_at_s = -1;
        if (*at == '\0')
                return 0;
        if (strlen(at) != 5 || sscanf(at, "%2u:%2u%c", &hour, &minute, &rest) != 2 || hour > 23 ||
            minute > 59)
                return -EINVAL;
        *ret_at_s = hour * 3600 + minute * 60;
        return 0;
}

int mu_backup_runner_create(const struct mu_backup_runner_config *config,
                            struct mu_backup_runner **ret_runner)
{
        struct mu_backup_runner *runner = calloc(1, sizeof(*runner));

        if (!runner)
                return -ENOMEM;
        runner->config = *config;
        pthread_mutex_init(&runner->mutex, NULL);
        for (int i = 0; i < MU_BACKUP_WORKS; i++)
                runner->running[i].output_fd = -1;
        int err = parse_at(config->at, &runner->at_s);

        if (err < 0) {
                mu_backup_runner_destroy(runner);
                return err;
        }
        if (config->metrics)
                register_metrics(runner);
        *ret_runner = runner;
        return 0;
}

static void forget(struct running *running)
{
        if (running->output_fd >= 0)
                (void)close(running->output_fd);
        *running = (struct running){.output_fd = -1};
}

void mu_backup_runner_destroy(struct mu_backup_runner *runner)
{
        if (!runner)
                return;
        for (int i = 0; i < MU_BACKUP_WORKS; i++) {
                struct running *running = &runner->running[i];

                if (running->pid > 0) {
                        (void)kill(running->pid, SIGKILL);
                        (void)waitpid(running->pid, NULL, 0);
                }
                forget(running);
        }
        pthread_mutex_destroy(&runner->mutex);
        free(runner);
}

/* ---- being asked ---- */

/* In directory itself, or below one that is allowed; no step up in between. */
static bool is_below(const char *path, const char *allowed, size_t chars)
{
        while (chars > 1 && allowed[chars - 1] == '/')
                chars--;
        return chars > 0 && strncmp(path, allowed, chars) == 0 &&
               (path[chars] == '\0' || path[chars] == '/');
}

static bool is_allowed(const struct mu_backup_runner *runner, const char *directory)
{
        const char *list = runner->config.directories;

        if (directory[0] != '/' || strstr(directory, "/../") ||
            (strlen(directory) >= 3 && strcmp(directory + strlen(directory) - 3, "/..") == 0))
                return false;
        if (*runner->config.directory && strcmp(directory, runner->config.directory) == 0)
                return true;
        while (*list) {
                size_t chars = strcspn(list, ",");
                const char *from = list + strspn(list, " ");
                size_t kept = chars - (size_t)(from - list);

                while (kept > 0 && isspace((unsigned char)from[kept - 1]))
                        kept--;
                if (is_below(directory, from, kept))
                        return true;
                list += chars + (list[chars] == ',');
        }
        return false;
}

int mu_backup_runner_ask(struct mu_backup_runner *runner, const char *directory,
                         const char *asked_by, struct mu_backup_error *ret_error)
{
        const char *where = *directory ? directory : runner->config.directory;
        int err = 0;

        if (*where == '\0')
                return mu_backup_fail(ret_error, -EINVAL,
                                      "No directory for backups is configured: set "
                                      "backup.directory, or name one of backup.directories.");
        if (*directory && !is_allowed(runner, directory))
                return mu_backup_fail(ret_error, -EPERM,
                                      "This directory is none of backup.directories: a backup "
                                      "holds every secret, so where it goes is the "
                                      "configuration's to say.");
        pthread_mutex_lock(&runner->mutex);
        if (runner->asked)
                err = mu_backup_fail(ret_error, -EBUSY,
                                     "A backup that was asked for waits to begin already.");
        if (err == 0) {
                runner->asked = true;
                (void)snprintf(runner->directory, sizeof(runner->directory), "%s", where);
                (void)snprintf(runner->asked_by, sizeof(runner->asked_by), "%s", asked_by);
        }
        pthread_mutex_unlock(&runner->mutex);
        return err;
}

/* ---- running ---- */

static int start(struct mu_backup_runner *runner, enum mu_backup_work work,
                 struct mu_backup_error *error)
{
        struct running *running = &runner->running[work];
        char directory[PATH_MAX];
        char asked_by[ACTOR_BYTES] = "";
        const char *argv[ARGUMENTS_MAX + 8] = {"/proc/self/exe", VERBS[work], directory};
        size_t count = 3;

        (void)snprintf(directory, sizeof(directory), "%s", runner->config.directory);
        pthread_mutex_lock(&runner->mutex);
        bool asked = work == MU_BACKUP_WORK_BACKUP && runner->asked;

        if (asked) {
                memcpy(directory, runner->directory, sizeof(directory));
                memcpy(asked_by, runner->asked_by, sizeof(asked_by));
                runner->asked = false;
        }
        pthread_mutex_unlock(&runner->mutex);
        if (*directory == '\0')
                return mu_backup_fail(error, -EINVAL,
                                      "no directory for backups is configured: set "
                                      "backup.directory");
        if (work == MU_BACKUP_WORK_BACKUP) {
                argv[count++] = "--kind";
                argv[count++] = asked ? "asked" : "scheduled";
                argv[count++] = "--by";
                argv[count++] = asked_by;
        }
        for (size_t i = 0; runner->config.arguments[i] && i < ARGUMENTS_MAX; i++)
                argv[count++] = runner->config.arguments[i];
        argv[count] = NULL;
        running->output_fd = memfd_create("backup", MFD_CLOEXEC);
        const struct mu_spawn spawn = {
                .argv = argv,
                .uid = geteuid(),
                .gid = getegid(),
                .directory = ".",
                .output_fd = running->output_fd,
                .environment = runner->config.environment,
                .dies_with_us = true,
        };
        int err = running->output_fd < 0 ? -errno : mu_spawn_start(&spawn, &running->pid);

        if (err < 0) {
                forget(running);
                return mu_backup_fail(error, err, "the backup can't be started: %s",
                                      strerror(-err));
        }
        return 0;
}

static void take_line(struct mu_backup_runner *runner, enum mu_backup_work work)
{
        static const char ours[] = "musterd: ";
        struct running *running = &runner->running[work];

        running->line[running->line_bytes] = '\0';
        running->line_bytes = 0;
        bool failed = strncmp(running->line, ours, sizeof(ours) - 1) == 0;

        if (failed)
                memcpy(running->last_failure, running->line + sizeof(ours) - 1,
                       sizeof(running->line) - sizeof(ours) + 1);
        if (running->line[0] && runner->config.on_line)
                runner->config.on_line(runner->config.on_line_context, VERBS[work],
                                       failed ? running->line + sizeof(ours) - 1 : running->line,
                                       failed);
}

/* What it has said since. A line that is too long is cut. */
static void read_lines(struct mu_backup_runner *runner, enum mu_backup_work work)
{
        struct running *running = &runner->running[work];
        char block[4096];
        ssize_t got;

        while (running->read_bytes < OUTPUT_BYTES_MAX &&
               (got = pread(running->output_fd, block, sizeof(block), running->read_bytes)) > 0) {
                running->read_bytes += got;
                for (ssize_t i = 0; i < got; i++) {
                        if (block[i] == '\n')
                                take_line(runner, work);
                        else if (running->line_bytes < sizeof(running->line) - 1)
                                running->line[running->line_bytes++] = block[i];
                }
        }
}

int mu_backup_runner_step(struct mu_backup_runner *runner, enum mu_backup_work work,
                          struct mu_backup_error *ret_error)
{
        struct running *running = &runner->running[work];
        int status = 0;

        if (running->pid == 0) {
                int err = start(runner, work, ret_error);

                return err < 0 ? err : 1;
        }
        pid_t ended = waitpid(running->pid, &status, WNOHANG);

        read_lines(runner, work);
        if (ended == 0)
                return 1;
        if (running->line_bytes > 0)
                take_line(runner, work);
        int err = 0;

        if (ended < 0 || status != 0)
                err = mu_backup_fail(ret_error, -EIO, "%s",
                                     running->last_failure[0] ? running->last_failure
                                                              : "the process was ended");
        /* A backup that was tried and is not good is an answer: it stands in table backups. */
        if (work == MU_BACKUP_WORK_CHECK && WIFEXITED(status) &&
            WEXITSTATUS(status) == MU_BACKUP_NOT_GOOD)
                err = 0;
        forget(running);
        return err;
}
