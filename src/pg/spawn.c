/* SPDX-License-Identifier: Apache-2.0 */
#include "pg/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/assert.h"

/* In the child of a process with threads only async-signal-safe calls are allowed. setgroups and
 * the like go straight to the kernel: glibc's wrappers talk to threads that are not there. */
static int become(uid_t uid, gid_t gid)
{
        if (geteuid() != 0 || uid == 0)
                return 0;
        if (syscall(SYS_setgroups, 0, NULL) < 0 || syscall(SYS_setresgid, gid, gid, gid) < 0 ||
            syscall(SYS_setresuid, uid, uid, uid) < 0)
                return -errno;
        return 0;
}

static void reset_signals(void)
{
        struct sigaction usual = {.sa_handler = SIG_DFL};
        sigset_t none;

        for (int signal = 1; signal < NSIG; signal++)
                (void)sigaction(signal, &usual, NULL); /* SIGKILL and SIGSTOP refuse, rightly */
        sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

_Noreturn static void exit_saying(const char *what)
{
        static const char cannot[] = "this can't be run: ";

        if (write(STDERR_FILENO, cannot, sizeof(cannot) - 1) < 0 ||
            write(STDERR_FILENO, what, strlen(what)) < 0)
                _exit(127);
        _exit(127);
}

_Noreturn static void child(const struct mu_spawn *spawn, int output_fd, int null_fd)
{
        static char *const environment[] = {"PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C.UTF-8",
                                            "HOME=/", NULL};

        if (dup2(null_fd, STDIN_FILENO) < 0 || dup2(output_fd, STDOUT_FILENO) < 0 ||
            dup2(output_fd, STDERR_FILENO) < 0)
                _exit(127);
        (void)setsid();
        reset_signals();
        if (syscall(SYS_close_range, 3U, ~0U, 0U) < 0)
                exit_saying("close_range is refused");
        if (become(spawn->uid, spawn->gid) < 0)
                exit_saying("the other user is refused");
        /* After the change of user, which would undo it. */
        if (spawn->dies_with_us && prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
                exit_saying("the death signal is refused");
        if (chdir(spawn->directory) < 0)
                exit_saying(spawn->directory);
        execvpe(spawn->argv[0], (char *const *)(uintptr_t)spawn->argv,
                spawn->environment ? spawn->environment : environment);
        exit_saying(spawn->argv[0]);
}

int mu_spawn_start(const struct mu_spawn *spawn, pid_t *ret_pid)
{
        int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        sigset_t all, before;

        if (null_fd < 0)
                return -errno;
        int output_fd = spawn->output_fd < 0 ? null_fd : spawn->output_fd;

        /* No handler of ours may run in the child before it has put the defaults back. */
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        pid_t pid = fork();

        if (pid == 0)
                child(spawn, output_fd, null_fd);
        int err = pid < 0 ? -errno : 0;

        pthread_sigmask(SIG_SETMASK, &before, NULL);
        close(null_fd);
        if (!err)
                *ret_pid = pid;
        return err;
}

static int reap(pid_t pid, int *ret_status)
{
        while (waitpid(pid, ret_status, 0) < 0)
                if (errno != EINTR)
                        return -errno;
        return 0;
}

/* The last bytes, which is where the reason stands. */
static void read_tail(int fd, char *output, size_t room)
{
        off_t size = lseek(fd, 0, SEEK_END);
        off_t from = size > (off_t)room - 1 ? size - (off_t)room + 1 : 0;
        ssize_t bytes = size < 0 ? 0 : pread(fd, output, room - 1, from);

        output[bytes < 0 ? 0 : bytes] = '\0';
}

int mu_spawn_run(struct mu_spawn *spawn, uint32_t wait_ms, char *ret_output, size_t output_room,
                 int *ret_status)
{
        pid_t pid;

        MU_ASSERT(output_room > 0);
        spawn->dies_with_us = true;
        spawn->output_fd = memfd_create("output", MFD_CLOEXEC);
        if (spawn->output_fd < 0)
                return -errno;
        int err = mu_spawn_start(spawn, &pid);

        if (!err) {
                struct pollfd ended = {.fd = pidfd_open(pid, 0), .events = POLLIN};
                int ready = ended.fd < 0 ? -1 : poll(&ended, 1, (int)wait_ms);

                if (ready <= 0) {
                        err = ready == 0 ? -ETIMEDOUT : -errno;
                        (void)kill(pid, SIGKILL);
                }
                int status = 0;
                int reaped = reap(pid, &status);

                if (!err)
                        err = reaped;
                if (!err)
                        *ret_status = status;
                if (ended.fd >= 0)
                        close(ended.fd);
                read_tail(spawn->output_fd, ret_output, output_room);
        }
        close(spawn->output_fd);
        spawn->output_fd = -1;
        return err;
}

int mu_spawn_can_enter(const char *directory, uid_t uid, gid_t gid, bool *ret_can)
{
        int status;
        pid_t pid = fork();

        if (pid < 0)
                return -errno;
        if (pid == 0)
                _exit(become(uid, gid) < 0 ? 2 : chdir(directory) < 0);
        int err = reap(pid, &status);

        if (err)
                return err;
        if (!WIFEXITED(status) || WEXITSTATUS(status) > 1)
                return -EPERM;
        *ret_can = WEXITSTATUS(status) == 0;
        return 0;
}
