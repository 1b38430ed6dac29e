/* SPDX-License-Identifier: Apache-2.0 */
#include "backup/process.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"

enum { ENVIRONMENT_MAX = 24 };

#define PROGRAM_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

int mu_backup_fail(struct mu_backup_error *error, int code, const char *format, ...)
{
        va_list arguments;

        va_start(arguments, format);
        (void)vsnprintf(error->text, sizeof(error->text), format, arguments);
        va_end(arguments);
        return code;
}

static void become(const struct mu_process *process)
{
        if (!process->as_user || geteuid() != 0)
                return;
        if (syscall(SYS_setgroups, 0, NULL) < 0 ||
            syscall(SYS_setresgid, process->gid, process->gid, process->gid) < 0 ||
            syscall(SYS_setresuid, process->uid, process->uid, process->uid) < 0)
                _exit(126);
}

_Noreturn static void child(const struct mu_process *process, int input_fd, int output_fd,
                            int words_fd)
{
        char *environment[ENVIRONMENT_MAX + 4] = {(char[]){"PATH=" PROGRAM_PATH},
                                                  (char[]){"LC_ALL=C.UTF-8"}, (char[]){"HOME=/"}};
        size_t count = 3;
        sigset_t none;

        for (size_t i = 0; process->environment && process->environment[i]; i++) {
                if (count == ENVIRONMENT_MAX + 3)
                        _exit(126);
                environment[count++] = (char *)(uintptr_t)process->environment[i];
        }
        if (dup2(input_fd, STDIN_FILENO) < 0 || dup2(output_fd, STDOUT_FILENO) < 0 ||
            dup2(words_fd, STDERR_FILENO) < 0 || syscall(SYS_close_range, 3U, ~0U, 0U) < 0)
                _exit(126);
        (void)setsid();
        (void)signal(SIGPIPE, SIG_DFL);
        sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
        become(process);
        /* After the change of user, which would undo it. */
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || chdir("/") < 0)
                _exit(126);
        execvpe(process->argv[0], (char *const *)(uintptr_t)process->argv, environment);
        dprintf(STDERR_FILENO, "%s can't be run: %s", process->argv[0], strerror(errno));
        _exit(127);
}

struct running {
        pid_t pids[MU_PROCESS_STAGES_MAX];
        size_t count;
};

static int start(const struct mu_process_run *run, int words_fd, struct running *running)
{
        int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        int input_fd = run->input_fd >= 0 ? dup(run->input_fd) : dup(null_fd);
        int err = null_fd < 0 || input_fd < 0 ? -errno : 0;

        for (size_t i = 0; i < run->count && err == 0; i++) {
                int ends[2] = {-1, -1};
                bool last = i + 1 == run->count;
                int output_fd = run->output_fd >= 0 ? run->output_fd : words_fd;

                if (!last && pipe2(ends, O_CLOEXEC) < 0) {
                        err = -errno;
                        break;
                }
                pid_t pid = fork();

                if (pid == 0)
                        child(&run->stages[i], input_fd, last ? output_fd : ends[1], words_fd);
                err = pid < 0 ? -errno : 0;
                if (pid > 0)
                        running->pids[running->count++] = pid;
                (void)close(input_fd);
                if (ends[1] >= 0)
                        (void)close(ends[1]);
                input_fd = ends[0];
        }
        if (input_fd >= 0)
                (void)close(input_fd);
        if (null_fd >= 0)
                (void)close(null_fd);
        return err;
}

/* Waits for one, until the deadline. */
static int wait_one(pid_t pid, uint64_t deadline_ns, int *ret_status)
{
        struct pollfd ended = {.fd = pidfd_open(pid, 0), .events = POLLIN};
        int err = ended.fd < 0 ? -errno : 0;

        while (err == 0 && deadline_ns != UINT64_MAX) {
                uint64_t now_ns = mu_clock_monotonic_ns(mu_clock_system());
                uint64_t left_ms =
                        deadline_ns > now_ns ? (deadline_ns - now_ns) / MU_NS_PER_MS + 1 : 0;
                int ready = poll(&ended, 1, (int)(left_ms < 1000000 ? left_ms : 1000000));

                if (ready > 0)
                        break;
                if (ready < 0 && errno != EINTR)
                        err = -errno;
                else if (left_ms == 0)
                        err = -ETIMEDOUT;
        }
        if (ended.fd >= 0)
                (void)close(ended.fd);
        if (err < 0) { /* and what it started: it has a session of its own */
                (void)kill(-pid, SIGKILL);
                (void)kill(pid, SIGKILL);
        }
        while (waitpid(pid, ret_status, 0) < 0)
                if (errno != EINTR)
                        return -errno;
        return err;
}

static void take_words(int fd, struct mu_process_run *run)
{
        size_t room = sizeof(run->words) - 1;
        off_t size = lseek(fd, 0, SEEK_END);
        off_t from = size > (off_t)room ? size - (off_t)room : 0;
        ssize_t bytes = size < 0 ? 0 : pread(fd, run->words, room, from);

        bytes = bytes < 0 ? 0 : bytes;
        while (bytes > 0 && strchr("\n ", run->words[bytes - 1]))
                bytes--;
        run->words[bytes] = '\0';
}

static const char *name_of(const struct mu_process *process)
{
        const char *slash = strrchr(process->argv[0], '/');

        return slash ? slash + 1 : process->argv[0];
}

/* The sentence's part of what they said: its end, on one line. */
static const char *last_words(struct mu_process_run *run)
{
        size_t bytes = strlen(run->words);

        for (char *at = run->words; *at; at++)
                if ((unsigned char)*at < ' ')
                        *at = ' ';
        return run->words + (bytes > 500 ? bytes - 500 : 0);
}

/* Also as a shell says it. */
static bool lost_reader(int status)
{
        return (WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE) ||
               (WIFEXITED(status) && WEXITSTATUS(status) == 128 + SIGPIPE);
}

static int wait_all(struct mu_process_run *run, struct running *running, struct mu_backup_error *e)
{
        uint64_t deadline_ns = run->limit_s ? mu_clock_monotonic_ns(mu_clock_system()) +
                                                      run->limit_s * (uint64_t)MU_NS_PER_S
                                            : UINT64_MAX;
        size_t failed = SIZE_MAX;
        int failed_status = 0;
        int err = 0;

        for (size_t i = 0; i < running->count; i++) {
                int status = 0;
                int waited = wait_one(running->pids[i], err < 0 ? 0 : deadline_ns, &status);

                if (waited < 0 && err == 0)
                        err = mu_backup_fail(e, waited, "%s did not end within %u s",
                                             name_of(&run->stages[i]), run->limit_s);
                /* One that lost its reader only suffers from the next one's failure. */
                if (status != 0 && (failed == SIZE_MAX || lost_reader(failed_status))) {
                        failed = i;
                        failed_status = status;
                }
        }
        if (err < 0 || failed == SIZE_MAX)
                return err;
        return mu_backup_fail(e, -EIO, "%s failed (%s %d)%s", name_of(&run->stages[failed]),
                              WIFSIGNALED(failed_status) ? "signal" : "exit code",
                              WIFSIGNALED(failed_status) ? WTERMSIG(failed_status)
                                                         : WEXITSTATUS(failed_status),
                              "");
}

int mu_process_run(struct mu_process_run *run, struct mu_backup_error *ret_error)
{
        struct running running = {.count = 0};
        int words_fd = memfd_create("words", MFD_CLOEXEC);

        MU_ASSERT(run->count > 0 && run->count <= MU_PROCESS_STAGES_MAX);
        run->words[0] = '\0';
        if (words_fd < 0)
                return mu_backup_fail(ret_error, -errno, "%s can't be started: %s",
                                      name_of(run->stages), strerror(errno));
        /* Several write to it: each where the last one stopped. */
        (void)fcntl(words_fd, F_SETFL, O_APPEND);
        int started = start(run, words_fd, &running);
        int err = wait_all(run, &running, ret_error);

        take_words(words_fd, run);
        (void)close(words_fd);
        if (started < 0)
                return mu_backup_fail(ret_error, started, "%s can't be started: %s",
                                      name_of(run->stages), strerror(-started));
        if (err < 0 && run->words[0]) {
                size_t used = strlen(ret_error->text);

                (void)snprintf(ret_error->text + used, sizeof(ret_error->text) - used, ": %s",
                               last_words(run));
        }
        return err;
}

int mu_process_run_one(const char *const *argv, const char *const *environment,
                       struct mu_backup_error *ret_error)
{
        const struct mu_process stage = {.argv = argv, .environment = environment};
        struct mu_process_run run = {.stages = &stage, .count = 1, .input_fd = -1, .output_fd = -1};

        return mu_process_run(&run, ret_error);
}

bool mu_process_exists(const char *program)
{
        char path[256];

        for (const char *at = PROGRAM_PATH; *at;) {
                size_t chars = strcspn(at, ":");

                (void)snprintf(path, sizeof(path), "%.*s/%s", (int)chars, at, program);
                if (access(path, X_OK) == 0)
                        return true;
                at += chars + (at[chars] == ':');
        }
        return false;
}
