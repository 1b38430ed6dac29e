/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/install.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/failpoint.h"
#include "base/fs.h"
#include "muster/update.h"

#define REPORTED "reported "
#define NOT_STARTED "errno " /* said by the child in the place of a program that can't be run */

enum {
        COPY_BYTES = 32 * 1024,
        WAIT_MS = 250, /* at most: the clock may be one that is set */
};

struct mu_install {
        const struct mu_clock *clock;
        char **argv;
        int64_t trial_s;
        char *binary;
        char *directory;
        char *fresh; /* <binary>.new */
        char *previous;
        char *file; /* asked for; NULL: nothing is */
        char *version;
};

/* A child on trial. */
struct trial {
        pid_t pid;
        int pidfd;
        int pipe_fd; /* -1: it has closed its end */
        uint64_t deadline_ns;
        size_t bytes;
        char line[MU_INSTALL_LINE_BYTES];
};

MU_PRINTF(3, 4)
static int fail(int err, char sentence[MU_AGENT_SENTENCE_BYTES], const char *format, ...)
{
        va_list arguments;

        va_start(arguments, format);
        (void)vsnprintf(sentence, MU_AGENT_SENTENCE_BYTES, format, arguments);
        va_end(arguments);
        return err;
}

/* ---- create, ask ---- */

static char *own_binary(void)
{
        char path[MU_AGENT_PATH_BYTES];
        ssize_t bytes = readlink("/proc/self/exe", path, sizeof(path));

        if (bytes <= 0 || (size_t)bytes == sizeof(path))
                return NULL;
        return strndup(path, (size_t)bytes);
}

/* path and a suffix behind it; NULL without memory. */
static char *join(const char *path, const char *suffix)
{
        char *joined;

        return asprintf(&joined, "%s%s", path, suffix) < 0 ? NULL : joined;
}

int mu_install_create(const struct mu_install_options *options, struct mu_install **ret_install)
{
        MU_ASSERT(options->argv && options->clock && options->trial_s > 0);
        struct mu_install *install = calloc(1, sizeof(*install));

        if (!install)
                return -ENOMEM;
        install->clock = options->clock;
        install->argv = options->argv;
        install->trial_s = options->trial_s;
        install->binary = options->binary ? strdup(options->binary) : own_binary();
        const char *slash = install->binary ? strrchr(install->binary, '/') : NULL;

        if (!slash) {
                mu_install_destroy(install);
                return -ENOENT;
        }
        install->directory = strndup(
                install->binary, slash == install->binary ? 1 : (size_t)(slash - install->binary));
        install->fresh = join(install->binary, ".new");
        install->previous = join(install->binary, ".previous");
        if (!install->directory || !install->fresh || !install->previous) {
                mu_install_destroy(install);
                return -ENOMEM;
        }
        (void)unlink(install->fresh); /* mostly there is none */
        *ret_install = install;
        return 0;
}

static void forget(struct mu_install *install)
{
        free(install->file);
        free(install->version);
        install->file = NULL;
        install->version = NULL;
}

void mu_install_destroy(struct mu_install *install)
{
        if (!install)
                return;
        forget(install);
        free(install->binary);
        free(install->directory);
        free(install->fresh);
        free(install->previous);
        free(install);
}

int mu_install_ask(struct mu_install *install, const char *file, const char *version)
{
        if (install->file)
                return -EBUSY;
        install->file = strdup(file);
        install->version = strdup(version);
        if (install->file && install->version)
                return 0;
        forget(install);
        return -ENOMEM;
}

bool mu_install_is_asked(const struct mu_install *install)
{
        return install->file != NULL;
}

/* ---- the child ---- */

/* Between fork and exec: nothing here allocates or locks. */
static _Noreturn void become(const char *file, char **argv, int fd, pid_t parent)
{
        char line[32];
        sigset_t none;

        /* Whatever ends the old program ends this one: two agents must not go on. */
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
                _exit(127);
        (void)sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
        if (close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC) == 0 &&
            fcntl(fd, F_SETFD, 0) == 0)
                (void)execv(file, argv);
        int bytes = snprintf(line, sizeof(line), NOT_STARTED "%d\n", errno);

        _exit(mu_fs_write_all(fd, line, (size_t)bytes) < 0 ? 126 : 127);
}

/* file run --trial-fd N and our own options. The array alone is to be freed. */
static char **trial_arguments(const struct mu_install *install, char *option, char *number)
{
        size_t count = 0;

        while (install->argv[count])
                count++;
        char **argv = calloc(count + 5, sizeof(*argv));
        size_t at = 0;

        if (!argv)
                return NULL;
        argv[at++] = install->file;
        if (count > 1)
                argv[at++] = install->argv[1];
        argv[at++] = option;
        argv[at++] = number;
        for (size_t i = 2; i < count; i++)
                argv[at++] = install->argv[i];
        return argv;
}

static int start(const struct mu_install *install, struct trial *ret_trial)
{
        char option[] = "--trial-fd";
        char number[16];
        int ends[2];

        if (pipe2(ends, O_CLOEXEC) < 0)
                return -errno;
        (void)snprintf(number, sizeof(number), "%d", ends[1]);
        char **argv = trial_arguments(install, option, number);
        pid_t parent = getpid();
        pid_t pid = argv ? fork() : -1;
        int err = pid < 0 ? (argv ? -errno : -ENOMEM) : 0;

        if (pid == 0)
                become(install->file, argv, ends[1], parent);
        free(argv);
        (void)close(ends[1]); /* nothing was written through it */
        int pidfd = err == 0 ? pidfd_open(pid, 0) : -1;

        /* Reading never waits: somebody that the child started may keep the other end open. */
        if (err == 0 && (pidfd < 0 || fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0)) {
                err = -errno;
                (void)kill(pid, SIGKILL);
                (void)waitpid(pid, NULL, 0);
        }
        if (err < 0) {
                (void)close(ends[0]);
                return err;
        }
        *ret_trial = (struct trial){
                .pid = pid,
                .pidfd = pidfd,
                .pipe_fd = ends[0],
                .deadline_ns = mu_clock_monotonic_ns(install->clock) +
                               (uint64_t)(install->trial_s * MU_NS_PER_S),
        };
        return 0;
}

/* Reaps it; how it ended is *ret_info, all zero where nobody can say. */
static void reap(struct trial *trial, siginfo_t *ret_info)
{
        memset(ret_info, 0, sizeof(*ret_info));
        while (waitid(P_PIDFD, (id_t)trial->pidfd, ret_info, WEXITED) < 0 && errno == EINTR)
                ;
        (void)close(trial->pidfd);
        trial->pidfd = -1;
        if (trial->pipe_fd >= 0)
                (void)close(trial->pipe_fd);
        trial->pipe_fd = -1;
}

/* Tells it to end (SIGTERM; or SIGKILL at once), and returns when it has. */
static void end(const struct mu_install *install, struct trial *trial, int signal)
{
        uint64_t deadline_ns =
                mu_clock_monotonic_ns(install->clock) + (uint64_t)(MU_INSTALL_END_S * MU_NS_PER_S);
        struct pollfd ended = {.fd = trial->pidfd, .events = POLLIN};
        siginfo_t info;

        (void)pidfd_send_signal(trial->pidfd, signal, NULL, 0); /* it may have ended */
        while (signal != SIGKILL && poll(&ended, 1, WAIT_MS) <= 0)
                if (mu_clock_monotonic_ns(install->clock) >= deadline_ns)
                        break;
        (void)pidfd_send_signal(trial->pidfd, SIGKILL, NULL, 0);
        reap(trial, &info);
}

/* ---- the trial ---- */

static int say_end(struct mu_install *install, struct trial *trial, char *sentence)
{
        siginfo_t info;
        int number = 0;

        if (trial->pipe_fd >= 0) { /* why it could not be started may stand there yet */
                ssize_t got = read(trial->pipe_fd, trial->line + trial->bytes,
                                   sizeof(trial->line) - 1 - trial->bytes);

                trial->bytes += got > 0 ? (size_t)got : 0;
        }
        trial->line[trial->bytes] = '\0';
        reap(trial, &info);
        if (sscanf(trial->line, NOT_STARTED "%d", &number) == 1)
                return fail(-ENOEXEC, sentence, "version %s can't be started: %s", install->version,
                            strerror(number));
        return fail(-ECHILD, sentence, "version %s ended by itself (%s %d) before it had reported",
                    install->version, info.si_code == CLD_EXITED ? "status" : "signal",
                    info.si_status);
}

/* What stands in the pipe. 0: its report; -EAGAIN: nothing whole yet; -EPROTO: not of this version.
 */
static int look(struct mu_install *install, struct trial *trial, char *sentence)
{
        ssize_t got = read(trial->pipe_fd, trial->line + trial->bytes,
                           sizeof(trial->line) - 1 - trial->bytes);

        if (got < 0 && (errno == EAGAIN || errno == EINTR))
                return -EAGAIN;
        if (got <= 0) { /* how it ends will be seen, or its time will be over */
                (void)close(trial->pipe_fd);
                trial->pipe_fd = -1;
                return -EAGAIN;
        }
        trial->bytes += (size_t)got;
        trial->line[trial->bytes] = '\0';
        char *newline = strchr(trial->line, '\n');

        if (!newline && trial->bytes < sizeof(trial->line) - 1)
                return -EAGAIN;
        if (newline)
                *newline = '\0';
        if (strncmp(trial->line, NOT_STARTED, strlen(NOT_STARTED)) == 0)
                return -EAGAIN; /* it is about to end */
        const char *version = trial->line + strlen(REPORTED);

        if (!newline || strncmp(trial->line, REPORTED, strlen(REPORTED)) != 0 ||
            !mu_update_version_valid(version))
                return fail(-EPROTO, sentence, "version %s reported in words that are not known",
                            install->version);
        if (strcmp(version, install->version) != 0)
                return fail(-EPROTO, sentence,
                            "what was offered as version %s says that it is version %s",
                            install->version, version);
        return 0;
}

/* 0: the child, which still runs, has reported. Otherwise it is gone. */
static int follow(struct mu_install *install, struct trial *trial, int stop_fd, char *sentence)
{
        for (;;) {
                struct pollfd polled[] = {{.fd = stop_fd, .events = POLLIN},
                                          {.fd = trial->pidfd, .events = POLLIN},
                                          {.fd = trial->pipe_fd, .events = POLLIN}};
                int ready = poll(polled, 3, WAIT_MS);

                if (ready > 0 && polled[0].revents) {
                        end(install, trial, SIGTERM);
                        return fail(-EINTR, sentence, "the trial of version %s was broken off",
                                    install->version);
                }
                if (ready > 0 && polled[1].revents)
                        return say_end(install, trial, sentence);
                if (ready > 0 && polled[2].revents) {
                        int err = look(install, trial, sentence);

                        if (err == -EPROTO)
                                end(install, trial, SIGKILL);
                        if (err != -EAGAIN)
                                return err;
                }
                if (mu_clock_monotonic_ns(install->clock) >= trial->deadline_ns) {
                        end(install, trial, SIGKILL);
                        return fail(-ETIMEDOUT, sentence,
                                    "version %s could not report to the appliance within %" PRId64
                                    " s",
                                    install->version, install->trial_s);
                }
        }
}

/* ---- the exchange ---- */

static int copy_content(int from, int to)
{
        char *buffer = malloc(COPY_BYTES);
        int err = buffer ? 0 : -ENOMEM;

        while (err == 0) {
                ssize_t got = read(from, buffer, COPY_BYTES);

                if (got == 0)
                        break;
                if (got < 0 && errno == EINTR)
                        continue;
                err = got < 0 ? -errno : mu_fs_write_all(to, buffer, (size_t)got);
        }
        free(buffer);
        return err;
}

/* Whole and durable at fresh, then to's at one stroke. */
static int copy(struct mu_install *install, const char *from, const char *to, mode_t mode)
{
        int source = open(from, O_RDONLY | O_CLOEXEC);

        if (source < 0)
                return -errno;
        (void)unlink(install->fresh);
        int target = open(install->fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        int err = target < 0 ? -errno : copy_content(source, target);

        MU_FAILPOINT("install.copied", err);
        if (err == 0 && (fchmod(target, mode) < 0 || fsync(target) < 0))
                err = -errno;
        if (target >= 0 && close(target) < 0 && err == 0)
                err = -errno;
        (void)close(source); /* only read */
        if (err == 0 && rename(install->fresh, to) < 0)
                err = -errno;
        if (err < 0)
                (void)unlink(install->fresh);
        return err;
}

/* The previous one, back in its place. What a sentence has to add about it. */
static const char *put_back(const struct mu_install *install)
{
        if (rename(install->previous, install->binary) == 0 &&
            mu_fs_sync_directory(install->directory) == 0)
                return "";
        return "; the old program could not be put back";
}

static int exchange(struct mu_install *install, char *sentence)
{
        struct stat now;
        int err = stat(install->binary, &now) < 0 ? -errno : 0;

        if (err == 0)
                err = copy(install, install->binary, install->previous, now.st_mode & 0777);
        MU_FAILPOINT("install.previous", err);
        if (err < 0)
                return fail(err, sentence, "%s can't be kept as %s: %s", install->binary,
                            install->previous, strerror(-err));
        err = copy(install, install->file, install->binary, now.st_mode & 0777);
        if (err < 0)
                return fail(err, sentence, "%s can't be replaced: %s", install->binary,
                            strerror(-err));
        MU_FAILPOINT("install.replaced", err);
        if (err == 0)
                err = mu_fs_sync_directory(install->directory);
        if (err < 0)
                return fail(err, sentence, "%s can't be replaced for good: %s%s", install->binary,
                            strerror(-err), put_back(install));
        return 0;
}

static int check(const struct mu_install *install, char *sentence)
{
        if (faccessat(AT_FDCWD, install->directory, W_OK | X_OK, AT_EACCESS) < 0)
                return fail(-EACCES, sentence,
                            "the agent may not replace %s (%s): give it a program in a directory "
                            "of its own, or update it as it was installed",
                            install->binary, strerror(errno));
        if (chmod(install->file, 0700) < 0)
                return fail(-errno, sentence, "the new program can't be made ready: %s",
                            strerror(errno));
        return 0;
}

/* Comes back only when it fails: then the old program is in its place again. */
static int become_new(struct mu_install *install, char *sentence)
{
        int err = close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC) < 0 ? -errno : 0;

        MU_FAILPOINT("install.exec", err);
        if (err == 0) {
                (void)execv(install->binary, install->argv);
                err = -errno;
        }
        return fail(err, sentence, "version %s can't be started as %s: %s%s", install->version,
                    install->binary, strerror(-err), put_back(install));
}

static int try(struct mu_install *install, int stop_fd, char *sentence)
{
        struct trial trial;
        int err = check(install, sentence);

        if (err < 0)
                return err;
        err = start(install, &trial);
        if (err < 0)
                return fail(err, sentence, "no process for version %s: %s", install->version,
                            strerror(-err));
        err = follow(install, &trial, stop_fd, sentence);
        if (err < 0)
                return err;
        err = exchange(install, sentence);
        end(install, &trial, err == 0 ? SIGTERM : SIGKILL);
        return err < 0 ? err : become_new(install, sentence);
}

int mu_install_run(struct mu_install *install, int stop_fd,
                   char ret_sentence[MU_AGENT_SENTENCE_BYTES])
{
        MU_ASSERT(install->file);
        int err = try(install, stop_fd, ret_sentence);

        forget(install);
        return err;
}

int mu_trial_report(int *fd, const char *version)
{
        char line[MU_INSTALL_LINE_BYTES];
        int bytes = snprintf(line, sizeof(line), REPORTED "%s\n", version);
        int err = mu_fs_write_all(*fd, line, (size_t)bytes);

        (void)close(*fd); /* a pipe: write has said it all */
        *fd = -1;
        return err;
}
